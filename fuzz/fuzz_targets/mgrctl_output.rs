//! One input of the kind `mgrctl_output`; what must hold is in src/lib.rs, where the replay of the corpus finds it too.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pmisplicense_fuzz::mgrctl_output(bytes));
