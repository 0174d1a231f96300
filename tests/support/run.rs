//! Starts the program under test as the panel does (a fresh process, root as working folder) and judges how it ended:
//! exact exit code, exact stdout, and an error document of the promised form.
use super::harness::Test;
use super::story::Story;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub struct Program<'t> {
    test: &'t Test,
    command: Command,
    stdin: Vec<u8>,
    limit: Duration,
}

impl<'t> Program<'t> {
    pub fn new<S: AsRef<OsStr>>(test: &'t Test, args: impl IntoIterator<Item = S>) -> Self {
        let mut command = Command::new(super::program_exe());
        for (name, _) in std::env::vars_os().filter(|(n, _)| n.to_string_lossy().starts_with("PMISPLICENSE_")) {
            command.env_remove(name);
        }
        command.args(args).current_dir(test.root()).env("PMISPLICENSE_MGR_ROOT", test.root());
        command.env("PMISPLICENSE_MACHINE_ID", test.machine_id());
        Self { test, command, stdin: Vec::new(), limit: Duration::from_secs(90) }
    }

    pub fn stdin(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.stdin = text.into();
        self
    }

    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn without(mut self, name: impl AsRef<OsStr>) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Started by another program, which changes something about the process and then becomes ours: `env`, `sh -c`.
    pub fn through(mut self, starter: &[&str]) -> Self {
        let mut command = Command::new(starter[0]);
        command.args(&starter[1..]).arg(self.command.get_program()).args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.current_dir(self.test.root());
        self.command = command;
        self
    }

    /// Started by another name (the event handler is a link to the program).
    pub fn arg0(mut self, name: impl Into<OsString>) -> Self {
        use std::os::unix::process::CommandExt;
        self.command.arg0(name.into());
        self
    }

    /// After this long the run is killed and the test fails.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    pub fn spawn(mut self) -> Running {
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut input = child.stdin.take().expect("a pipe");
        let text = self.stdin;
        thread::spawn(move || input.write_all(&text));
        let (stdout, stderr) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        Running { child, stdout: Some(collect(stdout)), stderr: Some(collect(stderr)), limit: self.limit }
    }

    /// SIGKILL while request number `skip` (from 0) waits for its effect, or for its answer (`after`). The effect takes
    /// place anyway: the seller does not know that its client died. A run with fewer requests ends by itself.
    pub fn killed_at_request(self, skip: usize, after: bool) -> Output {
        let test = self.test;
        let hold = || if after { test.upstream.hold_after("*") } else { test.upstream.hold_before("*") };
        let mut held = hold();
        let mut running = self.spawn();
        let (start, mut passed) = (Instant::now(), 0);
        let output = loop {
            if running.ended() {
                break running.wait();
            }
            if held.is_reached() {
                if passed == skip {
                    break running.kill();
                }
                passed += 1;
                // The next gate is there before this one opens: no request slips through.
                held = hold();
            }
            assert!(start.elapsed() < Duration::from_secs(60), "it hangs\n{}", test.story());
            thread::sleep(Duration::from_micros(300));
        };
        test.upstream.clear_gates();
        drop(held);
        output
    }

    pub fn run(self) -> Output {
        let test = self.test;
        let mut output = self.spawn().wait();
        output.story = Story::of(test);
        output
    }
}

/// Sleeps until the process ends: whoever asks again and again takes time from the others.
fn ends_within(child: &Child, limit: Duration) -> bool {
    let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).expect("our child");
    let limit = Timespec::try_from(limit).expect("a limit");
    poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&limit)).expect("the end of a process") > 0
}

fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        bytes
    })
}

/// A run under way.
pub struct Running {
    child: Child,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    limit: Duration,
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn ended(&mut self) -> bool {
        self.child.try_wait().expect("our child").is_some()
    }

    /// The output, and the memory that the program had at most, in KiB.
    pub fn measured(mut self) -> (Output, u64) {
        let status = format!("/proc/{}/status", self.pid());
        let mut most = 0;
        while !self.ended() {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
            most = most.max(line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0));
            thread::sleep(Duration::from_millis(2));
        }
        (self.wait(), most)
    }

    /// The output, and how long the program had a processor: other tests do not count.
    pub fn timed(mut self) -> (Output, Duration) {
        let stat = format!("/proc/{}/schedstat", self.pid());
        let mut took = Duration::ZERO;
        while !self.ended() {
            let text = std::fs::read_to_string(&stat).unwrap_or_default();
            let ns = text.split(' ').next().and_then(|ns| ns.parse().ok());
            took = took.max(ns.map_or(Duration::ZERO, Duration::from_nanos));
            thread::sleep(Duration::from_millis(1));
        }
        (self.wait(), took)
    }

    /// SIGKILL, now; what it had printed until then.
    pub fn kill(mut self) -> Output {
        let _ = self.child.kill();
        self.wait()
    }

    pub fn wait(mut self) -> Output {
        if !self.ended() && !ends_within(&self.child, self.limit) {
            let _ = self.child.kill();
            panic!("the program did not end within {:?}", self.limit);
        }
        let status = self.child.wait().expect("our child");
        let text = |pipe: Option<JoinHandle<Vec<u8>>>| {
            let bytes = pipe.and_then(|p| p.join().ok()).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Output {
            code: status.code(),
            stdout: text(self.stdout.take()),
            stderr: text(self.stderr.take()),
            story: Story::default(),
        }
    }
}

/// How a run ended. `code` is None after a signal.
#[derive(Debug, Clone)]
pub struct Output {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    /// The course of the run, for messages.
    pub story: Story,
}

impl Output {
    fn tell(&self) -> String {
        format!("exit {:?}\nstdout: {}\nstderr: {}\n{}", self.code, self.stdout, self.stderr, self.story)
    }

    pub fn ok(&self) -> &Self {
        assert!(self.code == Some(0), "it should have succeeded\n{}", self.tell());
        self
    }

    /// Exit 1 and one error document of this type, of the form of docs/interface.md 2.
    pub fn fails(&self, kind: &str) -> &Self {
        assert!(self.code == Some(1), "it should have failed with {kind}\n{}", self.tell());
        let start = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><doc><error type=\"";
        assert!(self.stdout.starts_with(start), "no error document\n{}", self.tell());
        assert_eq!(self.attribute("type"), kind, "another error\n{}", self.tell());
        assert!(self.stdout.trim_end().ends_with("</error></doc>"), "something after the error\n{}", self.tell());
        assert!(!self.message().is_empty(), "an error without words\n{}", self.tell());
        assert!(well_formed(&self.stdout), "not well-formed\n{}", self.tell());
        self
    }

    pub fn stdout(&self, exact: &str) -> &Self {
        assert!(self.stdout == exact, "stdout should be {exact:?}\n{}", self.tell());
        self
    }

    /// An attribute of the error.
    pub fn attribute(&self, name: &str) -> &str {
        between(&self.stdout, &format!(" {name}=\""), "\"")
    }

    /// The text for a human being.
    pub fn message(&self) -> &str {
        between(&self.stdout, "<msg>", "</msg>")
    }
}

pub fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    text.split_once(from).and_then(|(_, rest)| rest.split_once(to)).map_or("", |(found, _)| found)
}

pub fn well_formed(text: &str) -> bool {
    let mut reader = quick_xml::Reader::from_str(text);
    let mut open = 0_i32;
    loop {
        match reader.read_event() {
            Ok(quick_xml::events::Event::Start(_)) => open += 1,
            Ok(quick_xml::events::Event::End(_)) => open -= 1,
            Ok(quick_xml::events::Event::Eof) => return open == 0,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}
