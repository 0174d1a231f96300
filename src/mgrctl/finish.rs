//! Waits for a tool that was started, within its time, and reads its two pipes as they fill: a full one would stop
//! it. No threads: each run of the panel's tool would pay for them.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// After the tool has ended its answer is complete; somebody it started may still hold the pipe (a panel that it
/// started, for instance), and is not waited for longer than this.
const PIPE_GRACE: Duration = Duration::from_millis(500);

/// How often an ended tool is looked for while its pipes stay open.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// How often it is looked for once it has closed them: it will exit at once.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// What a tool left.
pub(super) struct Ended {
    /// `None`: the tool has ended, and the system does not say how. Somebody else has taken its exit status.
    pub(super) status: Option<ExitStatus>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// One pipe and what it gave so far; without a stream it has come to its end.
struct Pipe {
    stream: Option<File>,
    bytes: Vec<u8>,
    limit: u64,
}

impl Pipe {
    fn new(stream: Option<impl Into<OwnedFd>>, limit: u64) -> Self {
        Self { stream: stream.map(|stream| File::from(stream.into())), bytes: Vec::new(), limit }
    }

    /// Reads what is there. One byte above the limit is kept, so that the reader of the document sees that it was
    /// exceeded; the rest is dropped: a tool that is stopped half-way might leave half a change.
    fn read(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        let mut chunk = [0; 8192];
        match stream.read(&mut chunk) {
            Ok(count @ 1..) => {
                let room = (self.limit + 1).saturating_sub(self.bytes.len() as u64);
                let room = usize::try_from(room).unwrap_or(usize::MAX);
                self.bytes.extend_from_slice(&chunk[..count.min(room)]);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => self.stream = None,
        }
    }
}

/// Waits until both pipes are at their end and the process is reaped; `None`: the time was over while it was still
/// running, and it was killed. `limits`: bytes kept of stdout and stderr.
pub(super) fn finish(mut child: Child, limit: Duration, limits: [u64; 2]) -> Option<Ended> {
    let deadline = Instant::now() + limit;
    let mut pipes = [Pipe::new(child.stdout.take(), limits[0]), Pipe::new(child.stderr.take(), limits[1])];
    let mut exited: Option<(Option<ExitStatus>, Instant)> = None;
    loop {
        let now = Instant::now();
        if exited.is_none() {
            exited = match child.try_wait() {
                Ok(status) => status.map(|status| (Some(status), now)),
                // The only reason why the system refuses: there is no such child any more.
                Err(_) => Some((None, now)),
            };
        }
        let is_read = pipes.iter().all(|pipe| pipe.stream.is_none());
        match exited {
            Some((status, since)) if is_read || now >= since + PIPE_GRACE => {
                let [stdout, stderr] = pipes.map(|pipe| pipe.bytes);
                return Some(Ended { status, stdout, stderr });
            }
            None if now >= deadline => {
                // Killing and reaping can fail only when it is gone already.
                child.kill().ok();
                child.wait().ok();
                return None;
            }
            Some(_) | None if is_read => std::thread::sleep(LOOK_AGAIN),
            Some(_) | None => read_what_came(&mut pipes),
        }
    }
}

/// Waits for either pipe, not longer than [`LOOK_EVERY`], and reads what has something to give.
fn read_what_came(pipes: &mut [Pipe; 2]) {
    let mut open: Vec<&mut Pipe> = pipes.iter_mut().filter(|pipe| pipe.stream.is_some()).collect();
    let mut asked: Vec<PollFd<'_>> =
        open.iter().filter_map(|pipe| Some(PollFd::new(pipe.stream.as_ref()?, PollFlags::IN))).collect();
    if poll(&mut asked, Some(&LOOK_EVERY)).is_err() {
        // A signal; the caller looks at its clock and comes again.
        return;
    }
    let came: Vec<bool> = asked.iter().map(|fd| !fd.revents().is_empty()).collect();
    open.iter_mut().zip(came).filter(|(_, came)| *came).for_each(|(pipe, _)| pipe.read());
}
