//! The log over TLS, with the real program: a server that cannot prove who it is gets neither the password nor a state,
//! and the password appears nowhere.
use crate::cluster::{A, B, Cluster, PASSWORD};
use crate::support::Test;
use crate::support::mariadb::MariaDb;
use crate::support::upstream::tls;

/// A cluster that has not begun, on a server whose certificate names `localhost` and nothing else. Machine A has a
/// license.
fn cluster(server: &MariaDb) -> Cluster {
    let cluster = Cluster::over(Test::new(), format!("localhost:{}", server.port), server.socket.clone());
    cluster.test.settings("");
    cluster.test.soft_item(41, "55227", 1).ip("192.0.2.41").add();
    cluster.cmd(A, "open", 41).ok();
    cluster
}

#[test]
fn a_server_with_the_wrong_name_authority_or_without_tls_is_refused_and_nothing_is_written() {
    let server = MariaDb::start_with_tls(tls::files(&["localhost"]));
    let plain = MariaDb::shared();
    let cluster = cluster(&server);
    let stranger = cluster.test.root().join("etc/stranger.pem");
    std::fs::write(&stranger, &tls::files(&["localhost"])[0]).unwrap();
    let (right, stranger) = (server.ca_pem().display().to_string(), stranger.display().to_string());
    let state = std::fs::read(cluster.state(A)).unwrap();
    for (host, port, ca, words) in [
        // The same server, whose certificate does not name this address.
        ("127.0.0.1", server.port, &right, "could not prove over TLS who it is"),
        ("localhost", server.port, &stranger, "could not prove over TLS who it is"),
        ("localhost", plain.port, &right, "could not prove over TLS who it is"),
    ] {
        cluster.hosts(&format!("{host}:{port}"), &format!("ca_file = \"{ca}\"\n"));
        for (machine, command) in [(A, "init"), (B, "join")] {
            let refused = cluster.run(machine, &["cluster", command, "--yes"]);
            assert_eq!(refused.code, Some(1), "{host} {ca}: {}", refused.stdout);
            assert!(refused.stderr.contains(words), "{host} {ca}: {}", refused.stderr);
            assert!(!refused.stderr.contains(PASSWORD), "{}", refused.stderr);
        }
    }
    // Another machine without an authority: the settings are refused before anybody is asked.
    cluster.hosts("192.0.2.1", "");
    let refused = cluster.run(A, &["cluster", "init", "--yes"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("ca_file must name the authority"), "{}", refused.stderr);
    let tables = format!("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '{}'", cluster.schema);
    assert_eq!(cluster.root(&tables), ["0"]);
    assert!(std::fs::read(cluster.state(A)).unwrap() == state, "the state was written to");
    assert!(!cluster.state(B).exists());
    assert!(!cluster.test.log().contains(PASSWORD));
}

/// The right name and authority: everything works over TLS, with the password from its file. It is in no argument, no
/// log, no output.
#[test]
fn a_cluster_works_over_tls_and_its_password_appears_nowhere() {
    let server = MariaDb::start_with_tls(tls::files(&["localhost"]));
    let cluster = cluster(&server);
    cluster.root(&format!("ALTER USER '{}'@'127.0.0.1' REQUIRE SSL", cluster.schema));
    let password = cluster.test.root().join("etc/password-of-cluster");
    std::fs::write(&password, PASSWORD).unwrap();
    std::fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let (ca, password) = (server.ca_pem().display().to_string(), password.display().to_string());
    let settings = format!("ca_file = \"{ca}\"\npassword_file = \"{password}\"\n");
    cluster.settings(&settings);
    let mut said = String::new();
    let mut run = |machine, args: &[&str]| {
        let output = cluster.program(machine, args).without("PMISPLICENSE_CLUSTER_PASSWORD").run();
        said.push_str(&format!("{}{}", output.stdout, output.stderr));
        output
    };
    run(A, &["cluster", "init", "--yes"]).ok();
    run(B, &["cluster", "join", "--yes"]).ok();
    cluster.test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    let gate = cluster.test.upstream.hold_after("soft.order.param");
    let buying =
        cluster.program(B, &["--command", "open", "--item", "42"]).without("PMISPLICENSE_CLUSTER_PASSWORD").spawn();
    gate.reached();
    for file in ["cmdline", "environ"] {
        let text = std::fs::read(format!("/proc/{}/{file}", buying.pid())).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(PASSWORD), "{file}");
    }
    gate.release();
    buying.wait().ok();
    run(A, &["cluster", "status"]).ok();
    run(A, &["doctor"]);
    std::fs::write(cluster.test.root().join("etc/password-of-cluster"), format!("not the {PASSWORD}")).unwrap();
    let refused = run(A, &["--command", "open", "--item", "42"]);
    assert!(refused.fails("config").message().contains("refused this program"), "{}", refused.message());
    assert!(!said.contains(PASSWORD) && !cluster.test.log().contains(PASSWORD), "{said}");
    assert_eq!(cluster.orders(), 2);
}
