//! Entry point: hands arguments and environment over, prints the one result, exits.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use signal_hook::consts::{SIGCHLD, SIGXFSZ};

fn main() -> ExitCode {
    no_core_file();
    handle_signals();
    keep_our_files_readable();
    pmisplicense::run::silence_panics();
    let finished = on_a_large_stack(|| {
        let mut args = std::env::args_os();
        let program = args.next().unwrap_or_default();
        pmisplicense::run::run(&program.to_string_lossy(), args.collect(), &|name| std::env::var_os(name))
    });
    // A reader that went away must not turn a finished run into a failed one.
    let _ = std::io::stderr().write_all(finished.stderr.as_bytes());
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(finished.stdout.as_bytes()).and_then(|()| stdout.flush());
    ExitCode::from(finished.code)
}

/// The limit of the stack is inherited, and a run that overflows it dies between an order and its outcome. Under a
/// small limit the run gets a thread with a stack of its own.
fn on_a_large_stack<T: Send + 'static>(run: fn() -> T) -> T {
    use rustix::process::{Resource, getrlimit};
    const STACK: u32 = 4 << 20;
    if getrlimit(Resource::Stack).current.is_none_or(|limit| limit >= u64::from(STACK)) {
        return run();
    }
    match std::thread::Builder::new().stack_size(STACK as usize).spawn(run) {
        // `run` catches panics itself.
        Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        // No thread to be had: better on the stack that we were given than not at all.
        Err(_) => run(),
    }
}

/// A core file would hold passwords and license keys. The hard limit stays: what mgrctl starts is not ours to limit.
fn no_core_file() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = Rlimit { current: Some(0), ..getrlimit(Resource::Core) };
    // Lowering one's own limit fails on no system that we know; there is nothing to say and nobody to tell if it
    // does.
    let _ = setrlimit(Resource::Core, limit);
}

/// An ignored signal stays ignored in the programs that a process starts. A handler that does nothing undoes that,
/// here and, because handlers end at exec, in what we start.
fn handle_signals() {
    // SIGCHLD: while it is ignored, the system throws away how the panel's tool ended.
    // SIGXFSZ: a limit on the size of files would kill us half-way; with a handler the write fails and is reported.
    for signal in [SIGCHLD, SIGXFSZ] {
        // Nobody reads the flag. It fails for no signal that exists, and there is nobody to tell.
        let _ = signal_hook::flag::register(signal, Arc::default());
    }
}

/// A umask may take rights from others, but not from ourselves: the next run has to read what this one writes.
fn keep_our_files_readable() {
    use rustix::fs::Mode;
    use rustix::process::umask;
    let inherited = umask(Mode::empty());
    umask(inherited - Mode::RWXU);
}
