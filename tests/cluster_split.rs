//! A primary and its asynchronous replica, both real, behind a proxy that sends reads to the replica and everything
//! else to the primary, as proxies for databases offer to do.
use crate::cluster::{A, Cluster};
use crate::support::Test;
use crate::support::mariadb::{MariaDb, opts};
use mysql::Conn;
use mysql::prelude::Queryable;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// The command that carries a statement as text.
const COM_QUERY: u8 = 3;

fn root(server: &MariaDb) -> Conn {
    Conn::new(opts(&server.socket, "mysql")).expect("the server")
}

/// A primary and a replica that follows it.
fn servers() -> [MariaDb; 2] {
    let primary = MariaDb::start_with(&["--server-id=1", "--log-bin=log"]);
    let replica = MariaDb::start_with(&["--server-id=2"]);
    let mut from = root(&primary);
    let status: Option<mysql::Row> = from.query_first("SHOW MASTER STATUS").unwrap();
    let status = status.expect("a primary writes a log");
    let (file, at): (String, u64) = (status.get(0).unwrap(), status.get(1).unwrap());
    from.query_drop("CREATE USER 'replica'@'127.0.0.1' IDENTIFIED BY 'r'").unwrap();
    from.query_drop("GRANT REPLICATION SLAVE ON *.* TO 'replica'@'127.0.0.1'").unwrap();
    let mut to = root(&replica);
    let port = primary.port;
    to.query_drop(format!(
        "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {port}, MASTER_USER = 'replica', \
         MASTER_PASSWORD = 'r', MASTER_LOG_FILE = '{file}', MASTER_LOG_POS = {at}"
    ))
    .unwrap();
    to.query_drop("START SLAVE").unwrap();
    [primary, replica]
}

/// A packet with its header; `None`: the connection has ended.
fn packet(from: &mut TcpStream) -> Option<Vec<u8>> {
    let mut whole = vec![0; 4];
    from.read_exact(&mut whole).ok()?;
    let length = u32::from_le_bytes([whole[0], whole[1], whole[2], 0]);
    whole.resize(4 + usize::try_from(length).unwrap(), 0);
    from.read_exact(&mut whole[4..]).ok()?;
    Some(whole)
}

/// True if a statement only reads. Such a proxy judges that by its first and its last word.
fn is_read(packet: &[u8]) -> bool {
    let statement = String::from_utf8_lossy(&packet[5..]).to_uppercase();
    packet[4] == COM_QUERY && statement.starts_with("SELECT") && !statement.trim_end().ends_with("FOR UPDATE")
}

/// Lets answers through until the connection ends.
fn pump(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
}

/// One client. Its login fits both servers, because the user has no password. `None`: the connection has ended.
fn serve(mut client: TcpStream, mut writes: TcpStream, mut reads: TcpStream) -> Option<()> {
    client.write_all(&packet(&mut writes)?).ok()?;
    packet(&mut reads)?;
    let login = packet(&mut client)?;
    for server in [&mut writes, &mut reads] {
        server.write_all(&login).ok()?;
    }
    client.write_all(&packet(&mut writes)?).ok()?;
    packet(&mut reads)?;
    for server in [&writes, &reads] {
        pump(server.try_clone().ok()?, client.try_clone().ok()?);
    }
    loop {
        let asked = packet(&mut client)?;
        let server = if is_read(&asked) { &mut reads } else { &mut writes };
        server.write_all(&asked).ok()?;
    }
}

/// The port of a proxy in front of two servers.
fn proxy(writes: u16, reads: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let [writes, reads] = [writes, reads].map(|port| TcpStream::connect(("127.0.0.1", port)).unwrap());
            std::thread::spawn(move || {
                let ends = [&client, &writes, &reads].map(|end| end.try_clone().unwrap());
                let _ = serve(client, writes, reads);
                ends.iter().for_each(|end| drop(end.shutdown(Shutdown::Both)));
            });
        }
    });
    own
}

#[test]
fn a_proxy_that_reads_from_a_real_replica_is_refused_and_nothing_is_bought() {
    let [primary, replica] = servers();
    let cluster = Cluster::over(Test::new(), format!("127.0.0.1:{}", primary.port), primary.socket.clone()).begin();
    let name = &cluster.schema;
    cluster.root(&format!("SET PASSWORD FOR '{name}'@'127.0.0.1' = ''"));
    let entries = format!("SELECT COUNT(*), MAX(seq), COUNT(DISTINCT chain) FROM {name}.entry");
    let count = |conn: &mut Conn| conn.query_first::<(u64, u64, u64), _>(&entries).ok().flatten();
    let (mut on_primary, mut on_replica) = (root(&primary), root(&replica));
    let before = count(&mut on_primary);
    // The replica has all entries: what it would answer at this moment would be right.
    let since = Instant::now();
    while before.is_none() || count(&mut on_replica) != before {
        let state: Option<mysql::Row> = on_replica.query_first("SHOW SLAVE STATUS").unwrap();
        assert!(since.elapsed() < Duration::from_secs(30), "the replica does not follow: {state:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    cluster.test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    let run = |args: &[&str]| cluster.program(A, args).env("PMISPLICENSE_CLUSTER_PASSWORD", "").run();
    let open = ["--command", "open", "--item", "42"];

    cluster.hosts(&format!("127.0.0.1:{}", proxy(primary.port, replica.port)), "");
    let refused = run(&open);
    assert!(refused.fails("config").message().contains("is a proxy that sends reads"), "{}", refused.message());
    assert!(run(&["doctor"]).stdout.contains("is a proxy that sends reads"));
    assert!(run(&["cluster", "join", "--yes"]).stderr.contains("is a proxy that sends reads"));
    assert_eq!((cluster.orders(), count(&mut on_primary), count(&mut on_replica)), (1, before, before));

    // The same proxy with one server behind it.
    cluster.hosts(&format!("127.0.0.1:{}", proxy(primary.port, primary.port)), "");
    run(&open).ok();
    assert_eq!(cluster.orders(), 2);
    assert!(count(&mut on_primary) > before);
}
