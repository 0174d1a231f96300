//! Waits for a started tool until its time limit, and reads its two pipes as they fill, because a full pipe would stop
//! it. It uses no threads, because they would cost time in each run of the panel's tool.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// After the tool has ended, its answer is complete. A process that it started (the panel, for instance) may still hold
/// the pipe; we wait for that process at most this long.
const PIPE_GRACE: Duration = Duration::from_millis(500);

/// How often we check whether the tool has ended while its pipes are open.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// How often we check after it has closed its pipes, because it will exit at once.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// What a tool left behind.
pub(super) struct Ended {
    /// `None`: the tool has ended, and its exit status is not known, because something else has collected it.
    pub(super) status: Option<ExitStatus>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// One pipe and its output so far. Without a stream it has reached its end.
struct Pipe {
    stream: Option<File>,
    bytes: Vec<u8>,
    limit: u64,
}

impl Pipe {
    fn new(stream: Option<impl Into<OwnedFd>>, limit: u64) -> Self {
        Self { stream: stream.map(|stream| File::from(stream.into())), bytes: Vec::new(), limit }
    }

    /// Reads the available output. One byte above the limit is kept, so that the reader of the document notices the
    /// excess. The rest is dropped; stopping the tool instead might leave half a change.
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

/// Waits until both pipes are at their end and the process is reaped. `None`: its time was over, and it was killed.
/// `limits`: how many bytes of stdout and stderr are kept.
pub(super) fn finish(mut child: Child, limit: Duration, limits: [u64; 2]) -> Option<Ended> {
    let deadline = Instant::now() + limit;
    let mut pipes = [Pipe::new(child.stdout.take(), limits[0]), Pipe::new(child.stderr.take(), limits[1])];
    let mut exited: Option<(Option<ExitStatus>, Instant)> = None;
    loop {
        let now = Instant::now();
        if exited.is_none() {
            exited = match child.try_wait() {
                Ok(status) => status.map(|status| (Some(status), now)),
                // The system refuses this only when the child does not exist any more.
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
                // Killing and reaping fail only when the process is gone already.
                child.kill().ok();
                child.wait().ok();
                return None;
            }
            Some(_) | None if is_read => std::thread::sleep(LOOK_AGAIN),
            Some(_) | None => read_what_came(&mut pipes),
        }
    }
}

/// Waits for either pipe, at most [`LOOK_EVERY`], and reads the pipes that have output.
fn read_what_came(pipes: &mut [Pipe; 2]) {
    let mut open: Vec<&mut Pipe> = pipes.iter_mut().filter(|pipe| pipe.stream.is_some()).collect();
    let mut asked: Vec<PollFd<'_>> =
        open.iter().filter_map(|pipe| Some(PollFd::new(pipe.stream.as_ref()?, PollFlags::IN))).collect();
    if poll(&mut asked, Some(&LOOK_EVERY)).is_err() {
        // A signal interrupted the wait. The caller checks its clock and calls again.
        return;
    }
    let came: Vec<bool> = asked.iter().map(|fd| !fd.revents().is_empty()).collect();
    open.iter_mut().zip(came).filter(|(_, came)| *came).for_each(|(pipe, _)| pipe.read());
}
