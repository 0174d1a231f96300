//! Hostile bytes: the corpus of tests/corpus is replayed through the same functions as the fuzz targets
//! (fuzz/src/lib.rs), then mutated for a while from a seed (HURT_FUZZ_MS for longer); limits are tested at their
//! edges.
#[path = "../../fuzz/src/lib.rs"]
mod targets;

use super::panel::Office;
use super::{Dice, seed, setting};
use crate::support::upstream::{Answer, Effect};
use crate::support::{Fault, Test};
use pmisplicense::xml::{self, MAX_DEPTH, MAX_ELEMENTS, XmlError};
use pmisplicense::{commands, upstream};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// No input takes longer than this, even in an unoptimised build.
const INPUT_TIME: Duration = Duration::from_secs(5);

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(target);
    let mut found: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .flatten()
        .map(|e| e.path())
        .collect();
    found.sort();
    found.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn timed(run: fn(&[u8]), bytes: &[u8], what: &str) {
    let start = Instant::now();
    run(bytes);
    assert!(start.elapsed() < INPUT_TIME, "{what}: {:?}", start.elapsed());
}

#[test]
fn every_file_of_the_corpus_is_read_in_time() {
    for (target, run) in targets::TARGETS {
        let files = corpus(target);
        assert!(files.len() >= 4, "{target}: {} files", files.len());
        for (path, bytes) in files {
            timed(run, &bytes, &path.display().to_string());
        }
    }
}

/// Changes that break parsers: bits, cuts, repeats, joins with another file, telling words.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    const WORDS: [&[u8]; 16] = [
        b"<",
        b">",
        b"&",
        b"&#0;",
        b"&#x110000;",
        b"]]>",
        b"<!DOCTYPE a>",
        b"<![CDATA[",
        b"-2147483648",
        b"99999999999999999999",
        b"\0",
        b"\xff\xfe",
        b"</doc>",
        b"<elem>",
        b"0000-00-00",
        b"\xe2\x80\xa8",
    ];
    let at = dice.below(bytes.len() + 1);
    match dice.below(7) {
        0 if !bytes.is_empty() => {
            let at = at.min(bytes.len() - 1);
            bytes[at] ^= 1 << dice.below(8);
        }
        1 => bytes.truncate(at),
        2 => drop(bytes.splice(at..at, WORDS[dice.below(WORDS.len())].iter().copied())),
        3 => drop(bytes.drain(at..(at + dice.below(9)).min(bytes.len()))),
        4 => {
            let piece = bytes[at..(at + dice.below(40)).min(bytes.len())].repeat(1 + dice.below(4));
            bytes.splice(at..at, piece);
        }
        5 => {
            let from = dice.below(other.len() + 1);
            bytes.splice(at.., other[from..].iter().copied());
        }
        _ => bytes.insert(at, u8::try_from(dice.below(256)).unwrap_or(0)),
    }
}

#[test]
#[allow(clippy::print_stdout)]
fn mutations_of_the_corpus_crash_nothing() {
    let seed = seed("mutations");
    let time = Duration::from_millis(setting("HURT_FUZZ_MS").unwrap_or(1500)) / 6;
    for (number, (target, run)) in targets::TARGETS.into_iter().enumerate() {
        let (files, mut dice) = (corpus(target), Dice::new(seed, number as u64));
        let (start, mut inputs) = (Instant::now(), 0);
        while start.elapsed() < time {
            let mut bytes = dice.pick(&files).1.clone();
            let other = &dice.pick(&files).1;
            for _ in 0..=dice.below(6) {
                mutate(&mut bytes, other, &mut dice);
            }
            let caught = std::panic::catch_unwind(|| timed(run, &bytes, target));
            assert!(caught.is_ok(), "{target}: {:?}", String::from_utf8_lossy(&bytes));
            inputs += 1;
        }
        assert!(inputs > 10, "{target}: {inputs} inputs are none");
        println!("{target}: {inputs} inputs");
    }
}

fn nested(depth: usize) -> String {
    format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth))
}

/// The named limits, at their edges: the last that passes, the first that does not.
#[test]
fn the_named_limits_hold_at_their_edges() {
    let parse = |text: &str| xml::parse(text.as_bytes(), u64::MAX);
    assert!(parse(&nested(MAX_DEPTH)).is_ok());
    assert!(matches!(parse(&nested(MAX_DEPTH + 1)), Err(XmlError::TooDeep)));
    let wide = |count: usize| format!("<doc>{}</doc>", "<a/>".repeat(count - 1));
    assert!(parse(&wide(MAX_ELEMENTS)).is_ok());
    assert!(matches!(parse(&wide(MAX_ELEMENTS + 1)), Err(XmlError::TooMany)));
    let long = |bytes: u64| {
        let frame = "<doc></doc>".len();
        format!("<doc>{}</doc>", "x".repeat(usize::try_from(bytes).unwrap() - frame))
    };
    assert!(upstream::billmanager::read_answer(long(upstream::MAX_ANSWER).as_bytes()).is_ok());
    let answer = upstream::billmanager::read_answer(long(upstream::MAX_ANSWER + 1).as_bytes());
    assert!(matches!(answer, Err(XmlError::TooLong(_))));
    assert!(upstream::billmanager::read_page(long(upstream::billmanager::MAX_LIST).as_bytes()).is_ok());
    assert!(matches!(
        upstream::billmanager::read_page(long(upstream::billmanager::MAX_LIST + 1).as_bytes()),
        Err(XmlError::TooLong(_))
    ));
    assert!(xml::parse(long(commands::STDIN_BYTES).as_bytes(), commands::STDIN_BYTES).is_ok());
}

/// The same limits through the binary: standard input, and an answer of the seller of exactly the length allowed.
#[test]
fn the_binary_keeps_the_limits_of_input_and_answers() {
    let office = Office::new();
    let form = |bytes: u64| {
        let frame = "<doc><url></url></doc>".len();
        format!("<doc><url>{}</url></doc>", "u".repeat(usize::try_from(bytes).unwrap() - frame))
    };
    let tune = |doc: String| office.test.program(["--command", "tune_connection"]).stdin(doc).run();
    tune(form(commands::STDIN_BYTES)).ok();
    assert_eq!(tune(form(commands::STDIN_BYTES + 1)).fails("bad_value").attribute("object"), "stdin");
    for (length, good) in [(upstream::MAX_ANSWER, true), (upstream::MAX_ANSWER + 1, false)] {
        let frame = "<doc><user></user></doc>".len();
        let text = format!("<doc><user>{}</user></doc>", "u".repeat(usize::try_from(length).unwrap() - frame));
        answered(&office.test, text, good);
    }
}

fn answered(test: &Test, text: String, good: bool) {
    let fault = Fault { effect: Effect::Nothing, answer: Answer::Body(text.into_bytes()), ..Fault::on("whoami") };
    test.upstream.fault(fault);
    let (user, password) = test.upstream.with(|w| (w.options.user.clone(), w.options.password.clone()));
    let password = crate::support::upstream::escape(&password);
    let url = test.upstream.url();
    let doc = format!(
        "<doc><processingmodule><url>{url}</url><username>{user}</username><password>{password}</password></processingmodule></doc>"
    );
    let output = test.program(["--command", "check_connection"]).stdin(doc).run();
    if good {
        output.ok();
    } else {
        output.fails("bad_answer");
    }
}

/// Arguments as a hostile panel might have them: an answer each time, never a crash.
#[test]
fn hostile_arguments_get_an_answer_and_never_a_crash() {
    let office = Office::new();
    let mut dice = Dice::new(seed("arguments"), 3);
    let words = [
        "--command",
        "open",
        "prolong",
        "features",
        "--item",
        "-1",
        "0",
        "4294967296",
        "../../etc/passwd",
        "--module",
        "--lang",
        "ru",
        "\u{202e}",
        "<x>",
        "&amp;",
        "--runningoperation",
        "--level",
        "-c",
        "-i",
        "-m",
        "--nothing=1",
        "--item=",
        "'; DROP TABLE item",
    ];
    for _ in 0..40 {
        let mut args = vec!["--command".to_owned()];
        args.extend((0..dice.below(6)).map(|_| (*dice.pick(&words)).to_owned()));
        let output = office.test.run(&args);
        assert!(matches!(output.code, Some(0 | 1)), "{args:?}: {output:#?}");
        assert!(output.code == Some(0) || crate::support::run::well_formed(&output.stdout), "{args:?}: {output:#?}");
    }
    assert_eq!(office.test.upstream.ledger(), []);
}
