//! A cluster that its machines leave, on a real MariaDB.
use crate::cluster::{A, B, Cluster};

/// The machine that left last goes on alone. Another one, which still has [cluster], must not begin beside it with the
/// state of that moment.
#[test]
fn a_cluster_that_all_have_left_is_not_joined_again() {
    let cluster = Cluster::begun();
    cluster.run(B, &["cluster", "leave", "--yes"]).ok();
    cluster.run(A, &["cluster", "leave", "--yes"]).ok();
    let joined = cluster.run(B, &["cluster", "join", "--yes"]);
    assert_eq!(joined.code, Some(1), "{}", joined.stdout);
    assert!(joined.stderr.contains("Every machine has left this cluster"), "{}", joined.stderr);
    assert!(!cluster.state(B).exists());
    cluster.test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    cluster.cmd(B, "open", 42).fails("config");
    assert_eq!(cluster.orders(), 1);
    cluster.test.settings("");
    cluster.cmd(A, "open", 42).ok();
    assert_eq!(cluster.orders(), 2);
}
