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
    // A reader that closed the pipe must not turn a finished run into a failed one.
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
        // If no thread can be started, the run uses the given stack.
        Err(_) => run(),
    }
}

/// Prevents core files, which would hold passwords and license keys. The hard limit stays, because we should not limit
/// programs that mgrctl starts.
fn no_core_file() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = Rlimit { current: Some(0), ..getrlimit(Resource::Core) };
    // Lowering one's own limit never fails on systems that we know. If it does, there is nothing useful to report.
    let _ = setrlimit(Resource::Core, limit);
}

/// An ignored signal stays ignored in the programs that a process starts. A handler that does nothing ends this here,
/// and also in the programs that we start, because handlers are reset at exec.
fn handle_signals() {
    // SIGCHLD: while it is ignored, the system discards the exit status of the panel's tool. SIGXFSZ: a limit on the
    // size of files would kill us in the middle of a write. With a handler the write fails and is reported.
    for signal in [SIGCHLD, SIGXFSZ] {
        // The flag is not used. Registering never fails for an existing signal.
        let _ = signal_hook::flag::register(signal, Arc::default());
    }
}

/// Removes the owner's bits from the umask: the next run has to read what this one writes.
fn keep_our_files_readable() {
    use rustix::fs::Mode;
    use rustix::process::umask;
    let inherited = umask(Mode::empty());
    umask(inherited - Mode::RWXU);
}
