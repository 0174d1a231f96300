//! Entry point: hands arguments and environment over, prints the one result, exits.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    no_core_file();
    pmisplicense::run::silence_panics();
    let mut args = std::env::args_os();
    let program = args.next().unwrap_or_default();
    let finished = pmisplicense::run::run(&program.to_string_lossy(), args.collect(), &|name| std::env::var_os(name));
    // A reader that went away must not turn a finished run into a failed one.
    let _ = std::io::stderr().write_all(finished.stderr.as_bytes());
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(finished.stdout.as_bytes()).and_then(|()| stdout.flush());
    ExitCode::from(finished.code)
}

/// A core file would hold passwords and license keys. The hard limit stays: what mgrctl starts is not ours to limit.
fn no_core_file() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = Rlimit { current: Some(0), ..getrlimit(Resource::Core) };
    // Lowering one's own limit fails on no system that we know; there is nothing to say and nobody to tell if it does.
    let _ = setrlimit(Resource::Core, limit);
}
