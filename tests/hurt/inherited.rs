//! Things that a process inherits from its parent: signals, open files, masks, limits, the working folder. None of them
//! may decide whether a client gets a license.
use crate::support::Test;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

/// Ways to start the program, each with something wrong about it.
const STARTERS: [(&str, &[&str]); 11] = [
    ("SIGCHLD ignored", &["env", "--ignore-signal=CHLD"]),
    ("every signal ignored", &["env", "--ignore-signal"]),
    ("every signal blocked", &["env", "--block-signal"]),
    ("SIGPIPE kills", &["env", "--default-signal=PIPE"]),
    ("no stdin", &["sh", "-c", "exec \"$0\" \"$@\" <&-"]),
    ("no stdout", &["sh", "-c", "exec \"$0\" \"$@\" >&-"]),
    ("no stdin, stdout, stderr", &["sh", "-c", "exec \"$0\" \"$@\" <&- >&- 2>&-"]),
    ("nothing may be read by anybody", &["sh", "-c", "umask 0777; exec \"$0\" \"$@\""]),
    ("everything may be read by anybody", &["sh", "-c", "umask 0; exec \"$0\" \"$@\""]),
    ("few open files, a small stack", &["sh", "-c", "ulimit -n 24; ulimit -s 512; exec \"$0\" \"$@\""]),
    ("the working folder is gone", &["sh", "-c", "mkdir gone && cd gone && rmdir ../gone && exec \"$0\" \"$@\""]),
];

/// The whole life of a service, started each way: done at the first try, and as quick as always.
#[test]
fn whatever_the_process_inherits_a_service_is_opened_and_closed() {
    for (item, (how, starter)) in (42..).zip(STARTERS) {
        let test = Test::new();
        test.soft_item(item, "55227", 1).ip("192.0.2.10").add();
        let since = Instant::now();
        for command in ["open", "suspend", "resume", "sync_item", "close"] {
            let number = item.to_string();
            let output = test.program(["--command", command, "--item", &number]).through(starter).run();
            assert_eq!(output.code, Some(0), "{how}: {command}: {output:#?}");
        }
        assert!(since.elapsed() < Duration::from_secs(40), "{how}: a call of mgrctl was waited for in vain");
        assert_eq!(test.upstream.requests_of("soft.order.param").len(), 1, "{how}");
        assert_ne!(test.item(item).param("lickey"), "", "{how}");
        test.assert_clean();
        private(&test, how);
    }
}

/// Nobody else reads what we write, and we ourselves can.
fn private(test: &Test, how: &str) {
    let var = test.root().join("var");
    for path in [var.join("pmisplicense.log"), var.join("pmisplicense"), test.state_path()] {
        let mode = path.metadata().expect("our file").permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{how}: {}", path.display());
        assert_eq!(mode & 0o600, 0o600, "{how}: {}", path.display());
    }
}

/// A limit on the size of a file fails the write and is reported. Without a handler of ours the system would kill the
/// program half-way.
#[test]
fn a_limit_on_the_size_of_files_is_an_error_and_not_the_end() {
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    let limited = ["sh", "-c", "ulimit -f 8; exec \"$0\" \"$@\""];
    let output = test.program(["--command", "open", "--item", "42"]).through(&limited).run();
    output.fails("state");
    assert!(test.upstream.requests_of("soft.order.param").is_empty(), "{}", test.story());
    test.cmd("open", 42).ok();
}
