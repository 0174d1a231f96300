//! A loopback port that a test can close and open again, and the thread that accepts its connections. Both sellers
//! use it.
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Listening,
    Stopping,
    Stopped,
    Closed,
}

/// A port that can be open, stopped or closed. Stopping waits until the listener is gone, so that the next connection
/// is surely refused.
pub struct Listening {
    pub port: u16,
    mode: Mutex<Mode>,
    changed: Condvar,
}

impl Listening {
    fn set(&self, mode: Mode) {
        let mut now = self.mode.lock().unwrap();
        // A closed port stays closed, even if a late caller wants to open it.
        if *now != Mode::Closed {
            *now = mode;
        }
        self.changed.notify_all();
    }

    fn mode(&self) -> Mode {
        *self.mode.lock().unwrap()
    }

    fn wait_until(&self, wanted: Mode) {
        let mode = self.mode.lock().unwrap();
        drop(self.changed.wait_while(mode, |m| *m != wanted && *m != Mode::Closed));
    }

    /// The acceptor sits in accept: a connection of our own wakes it up.
    fn wake(&self) {
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }

    pub fn stop(&self) {
        if self.mode() == Mode::Listening {
            self.set(Mode::Stopping);
            self.wake();
            self.wait_until(Mode::Stopped);
        }
    }

    pub fn resume(&self) {
        if self.mode() == Mode::Stopped {
            self.set(Mode::Stopping);
            self.wait_until(Mode::Listening);
        }
    }

    pub fn close(&self) {
        self.set(Mode::Closed);
        self.wake();
    }
}

pub fn bind() -> (TcpListener, Arc<Listening>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free loopback port");
    let port = listener.local_addr().expect("a bound port").port();
    (listener, Arc::new(Listening { port, mode: Mutex::new(Mode::Listening), changed: Condvar::new() }))
}

/// Plays one connection from its first byte to its last.
pub type Play = dyn Fn(TcpStream) + Send + Sync;

/// Accepts connections until the port is closed for good; each is played in a thread of its own.
pub fn start(listening: Arc<Listening>, first: TcpListener, play: Arc<Play>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut listener = Some(first);
        while let Some(open) = listener.take() {
            accept_all(&listening, &open, &play);
            drop(open);
            listener = wait_to_reopen(&listening);
        }
    })
}

fn accept_all(listening: &Listening, listener: &TcpListener, play: &Arc<Play>) {
    loop {
        let Ok((stream, _)) = listener.accept() else { continue };
        if listening.mode() != Mode::Listening {
            return;
        }
        let play = Arc::clone(play);
        thread::spawn(move || play(stream));
    }
}

/// Closes the port, for so many milliseconds or (0) until `resume`.
pub fn pause(listening: &Arc<Listening>, ms: u64) {
    listening.stop();
    if ms > 0 {
        let listening = Arc::clone(listening);
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(ms));
            listening.resume();
        });
    }
}

/// Stopped until told otherwise; None when it is over.
fn wait_to_reopen(listening: &Listening) -> Option<TcpListener> {
    if listening.mode() == Mode::Closed {
        return None;
    }
    listening.set(Mode::Stopped);
    listening.wait_until(Mode::Stopping);
    for _ in 0..200 {
        if listening.mode() == Mode::Closed {
            return None;
        }
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", listening.port)) {
            listening.set(Mode::Listening);
            return Some(listener);
        }
        thread::sleep(Duration::from_millis(10));
    }
    listening.set(Mode::Closed);
    None
}
