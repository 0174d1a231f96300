//! One input of the kind `upstream_answer`; what must hold is in src/lib.rs, where the replay of the corpus finds it
//! too.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pmisplicense_fuzz::upstream_answer(bytes));
