//! The part of the crate `regex` that `mysql` uses, on top of `regex-lite`: at each connection it reads the server's
//! version by two patterns, and compiling these with all digits of Unicode took a tenth of what a whole `open` takes,
//! and a mebibyte of the program. Here `\d` is an ASCII digit, as in every version and date of a server.
//! `[patch.crates-io]` of the program puts it in place.

/// Patterns for bytes.
pub mod bytes {
    /// A compiled pattern.
    #[derive(Debug, Clone)]
    pub struct Regex(regex_lite::Regex);

    /// Where a pattern and its groups were found.
    #[derive(Debug)]
    pub struct Captures<'h>(regex_lite::Captures<'h>);

    /// Where a group was found.
    #[derive(Debug, Clone, Copy)]
    pub struct Match<'h>(&'h str);

    impl Regex {
        /// Compiles a pattern.
        ///
        /// # Errors
        /// It is none.
        pub fn new(pattern: &str) -> Result<Self, regex_lite::Error> {
            regex_lite::Regex::new(pattern).map(Self)
        }

        /// Whether it is found; bytes that are no UTF-8 match nothing.
        pub fn is_match(&self, haystack: &[u8]) -> bool {
            std::str::from_utf8(haystack).is_ok_and(|text| self.0.is_match(text))
        }

        /// Where it is found first; bytes that are no UTF-8 match nothing.
        pub fn captures<'h>(&self, haystack: &'h [u8]) -> Option<Captures<'h>> {
            self.0.captures(std::str::from_utf8(haystack).ok()?).map(Captures)
        }
    }

    impl<'h> Captures<'h> {
        /// A group by its number; 0 is the whole.
        pub fn get(&self, group: usize) -> Option<Match<'h>> {
            self.0.get(group).map(|found| Match(found.as_str()))
        }
    }

    impl<'h> Match<'h> {
        /// What was found.
        pub fn as_bytes(&self) -> &'h [u8] {
            self.0.as_bytes()
        }
    }
}
