//! What must hold for any bytes at all, one function for each kind of foreign input: nothing panics, what was read can
//! be written and read again as the same, and no error quotes what may be a secret. Called by the fuzz targets and,
//! over tests/corpus and seeded mutations of it, by the normal tests.

use pmisplicense::settings::{Environment, Settings};
use pmisplicense::xml::{self, Element};
use pmisplicense::{argv, commands, mgrctl, upstream};

/// A kind: the name of its folder in tests/corpus, and what takes one input.
pub type Target = (&'static str, fn(&[u8]));

/// All kinds.
pub const TARGETS: [Target; 6] = [
    ("upstream_answer", upstream_answer),
    ("list_page", list_page),
    ("stdin_document", stdin_document),
    ("settings", settings),
    ("argv", argv),
    ("mgrctl_output", mgrctl_output),
];

/// The answer of any call at the seller.
pub fn upstream_answer(bytes: &[u8]) {
    let all_at_once = upstream::billmanager::read_answer(bytes);
    let bit_by_bit = upstream::billmanager::read_answer(Slowly(bytes));
    match (all_at_once, bit_by_bit) {
        (Ok(one), Ok(other)) => {
            assert_eq!(one, other, "the pieces in which it comes decide nothing");
            assert!(one.license.is_none_or(|license| license.id.0 > 0));
        }
        (Err(one), Err(other)) => assert_eq!(one.to_string(), other.to_string()),
        (one, other) => panic!("{one:?} at once, {other:?} in pieces"),
    }
}

/// A page of a list of licenses.
pub fn list_page(bytes: &[u8]) {
    if let Ok((rows, _)) = upstream::billmanager::read_page(bytes) {
        assert!(rows.iter().flatten().all(|license| license.id.0 > 0));
        assert!(rows.len() <= bytes.len() / "<elem/>".len(), "no row comes from nothing");
    }
}

/// A document on standard input: forms are printed back, so what is written must be what was read.
pub fn stdin_document(bytes: &[u8]) {
    if let Ok(doc) = xml::parse(bytes, commands::STDIN_BYTES) {
        same_again(&doc);
    }
}

fn same_again(doc: &Element) {
    let text = doc.to_document();
    let again = xml::parse(text.as_bytes(), u64::MAX);
    assert!(again.as_ref().is_ok_and(|again| again == doc), "{doc:?} was written as {text:?}, read as {again:?}");
}

/// The settings file.
pub fn settings(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Settings::parse(&Environment::default(), None, text) {
        Ok(settings) => {
            let modules: Vec<_> = settings.modules().collect();
            for module in modules.into_iter().map(Some).chain([None]) {
                let rules = settings.rules(module);
                assert!(rules.upstream.timeout_s > 0 && rules.upstream.settle_s > 0);
                settings.zone(module);
            }
        }
        Err(error) => {
            let document = error.document(pmisplicense::error::Lang::default());
            assert!(xml::parse(document.as_bytes(), u64::MAX).is_ok(), "{document}");
        }
    }
}

/// The command line: arguments end at a NUL, as the system has it.
pub fn argv(bytes: &[u8]) {
    let words: Vec<String> =
        bytes.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let given = argv::read(&words);
    let _ = (given.lang(), given.config());
    if given.is_protocol() {
        for error in [given.check().err(), given.common().err()].into_iter().flatten() {
            let document = error.document(given.lang());
            assert!(xml::parse(document.as_bytes(), u64::MAX).is_ok(), "{document}");
        }
    }
}

/// What mgrctl printed; after a line of dashes, what it complained about.
pub fn mgrctl_output(bytes: &[u8]) {
    let at = bytes.windows(5).position(|window| window == b"\n---\n");
    let (answer, complaint) = at.map_or((bytes, &b""[..]), |at| (&bytes[..at], &bytes[at + 5..]));
    if let Ok(doc) = mgrctl::read_answer("whatever", answer, complaint) {
        assert!(doc.name == "doc" && doc.child("error").is_none(), "{doc:?}");
    }
}

/// Hands out seven bytes at a time.
struct Slowly<'b>(&'b [u8]);

impl std::io::Read for Slowly<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.len().min(buffer.len()).min(7);
        let (now, later) = self.0.split_at(count);
        buffer[..count].copy_from_slice(now);
        self.0 = later;
        Ok(count)
    }
}
