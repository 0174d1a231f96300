//! Two machines of a cluster whose clocks are ten minutes apart, with the real program.
use crate::cluster::{A, B, Cluster};
use crate::support::{Fault, Program, Test};
use std::path::PathBuf;
use std::process::Command;

/// The shortest lease that the settings allow, and times of a seller that fit it.
const TIMES: &str = "lease_s = 90\n[upstream]\ntimeout_s = 3\nsettle_s = 20\n";

const TEN_MINUTES: i32 = 600;

/// A library that moves the wall clock of a program.
pub fn moved_clock(test: &Test) -> PathBuf {
    let (source, library) = ("tests/support/clock_ahead.c", test.root().join("clock_ahead.so"));
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(source);
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl").output();
    let built = built.expect("a C compiler, which the build needs as well");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    library
}

/// A lease ends by the database's clock, and a doubt by the slowest clock. A machine whose clock is fast takes nothing
/// over and ends no doubt. One whose clock is fast or slow buys in time by itself.
#[test]
fn a_machine_whose_clock_is_ten_minutes_off_takes_nothing_over_and_settles_nothing() {
    let cluster = Cluster::begun();
    cluster.settings(TIMES);
    let library = moved_clock(&cluster.test);
    let on_b = |ahead: i32, args: &[&str]| -> Program<'_> {
        cluster.program(B, args).env("LD_PRELOAD", &library).env("CLOCK_AHEAD", ahead.to_string())
    };
    for (first, ahead) in [(42, TEN_MINUTES), (52, -TEN_MINUTES)] {
        let (killed, doubtful, other) = (first, first + 1, first + 2);
        for item in [killed, doubtful, other] {
            cluster.test.soft_item(item, "55227", 1).ip(&format!("192.0.2.{item}")).add();
        }
        let open = |item: u32| on_b(ahead, &["--command", "open", "--item", &item.to_string()]).run();
        let before = cluster.orders();
        let gate = cluster.test.upstream.hold_after("soft.order.param");
        let run = cluster.program(A, &["--command", "open", "--item", &killed.to_string()]).spawn();
        gate.reached();
        run.kill();
        gate.release();
        assert_eq!(open(killed).fails("busy").attribute("object"), "item", "{ahead}: the lease still holds");
        cluster.cmd(A, "open", killed).ok();
        open(killed).ok();
        assert_eq!(cluster.orders() - before, 1, "{ahead}");

        cluster.test.upstream.fault(Fault::on("soft.order.param").drop_before());
        cluster.cmd(A, "open", doubtful).fails("client");
        for _ in 0..3 {
            assert!(open(doubtful).fails("client").message().contains("not known yet"), "{ahead}");
        }
        let resolved = on_b(ahead, &["resolve", &doubtful.to_string(), "--not-bought", "--yes"]).run();
        assert_eq!(resolved.code, Some(1), "{ahead}: {}", resolved.stdout);
        assert!(resolved.stderr.contains("before "), "{ahead}: {}", resolved.stderr);
        assert_eq!(cluster.orders() - before, 1, "{ahead}");

        open(other).ok();
        assert_eq!(cluster.orders() - before, 2, "{ahead}");
        let doctor = on_b(ahead, &["doctor"]).run().stdout;
        assert!(doctor.contains("s apart from this machine's"), "{doctor}");
    }
    cluster.agree(&[A, B]);
}
