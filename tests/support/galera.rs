//! A real Galera of three nodes, from Debian's mariadb-server and galera-4: on loopback, or each node in a network
//! namespace of its own. Nodes are killed, stopped, cut off and started by the test; they end with it.
use super::mariadb::opts;
use mysql::Conn;
use mysql::prelude::Queryable;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

const PROVIDER: &str = "/usr/lib/galera/libgalera_smm.so";

/// Whether it can be started here: the programs are there, and we may act as their user.
pub fn is_there() -> bool {
    Path::new(PROVIDER).exists() && Path::new("/usr/bin/rsync").exists() && rustix::process::geteuid().is_root()
}

/// The network of nodes that can be cut off, and the address in it of the program under test.
pub const NETWORK: &str = "10.77.0.";
pub const CLIENT: &str = "10.77.0.254";

/// Says that this process has a network of its own.
const APART: &str = "GALERA_APART";

/// Runs a test of this executable again, in a network that nobody else sees. `false`: this is that run.
pub fn in_own_network(test: &str) -> bool {
    if std::env::var_os(APART).is_some() {
        return false;
    }
    let prepare = "mkdir -p /run/netns && mount -t tmpfs none /run/netns && ip link set lo up && exec \"$0\" \"$@\"";
    let status = Command::new("unshare")
        .args(["--net", "--mount", "--propagation", "private", "--kill-child", "sh", "-c", prepare])
        .arg(std::env::current_exe().expect("our own executable"))
        .args(["--ignored", "--exact", "--nocapture", test])
        .env(APART, "1")
        .status()
        .expect("unshare");
    assert!(status.success(), "see above");
    true
}

fn ip(args: &str) {
    let done = Command::new("ip").args(args.split(' ')).output().expect("ip");
    assert!(done.status.success(), "ip {args}: {}", String::from_utf8_lossy(&done.stderr));
}

pub struct Galera {
    dir: tempfile::TempDir,
    base: u16,
    /// Each node has an address and a network namespace of its own.
    is_apart: bool,
    nodes: Mutex<[Option<Child>; 3]>,
}

impl Galera {
    /// All nodes on loopback.
    pub fn start() -> Self {
        Self::start_on(false)
    }

    /// Each node in a namespace, behind a bridge, in the network of this process: see [`in_own_network`].
    pub fn start_apart() -> Self {
        ip("link add pml type bridge");
        ip(&format!("address add {CLIENT}/24 dev pml"));
        ip("link set pml up");
        for node in 0..3 {
            ip(&format!("netns add node{node}"));
            ip(&format!("link add pml{node} type veth peer name eth0 netns node{node}"));
            ip(&format!("link set pml{node} master pml up"));
            ip(&format!("-n node{node} address add {NETWORK}{}/24 dev eth0", node + 1));
            ip(&format!("-n node{node} link set eth0 up"));
            ip(&format!("-n node{node} link set lo up"));
        }
        Self::start_on(true)
    }

    fn start_on(is_apart: bool) -> Self {
        let dir = super::scratch::folder("sandbox-galera-");
        // Four ports a node, from a place that two tests at once do not share, and below those that the system gives to
        // connections (from 32,768 on).
        let base = 23_000 + u16::try_from(std::process::id() % 190).unwrap() * 50;
        let galera = Self { dir, base, is_apart, nodes: Mutex::default() };
        std::fs::set_permissions(galera.dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        for node in 0..3 {
            std::fs::create_dir_all(galera.folder(node)).unwrap();
        }
        galera.give_away();
        let made = Command::new("mariadb-install-db")
            .args([
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
            ])
            .args(["--innodb-log-file-size=8M", "--user=mysql"])
            .arg(format!("--datadir={}", galera.folder(0).join("data").display()))
            .arg(format!("--tmpdir={}", galera.folder(0).display()))
            .stdin(Stdio::null())
            .output()
            .expect("mariadb-install-db");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        for node in [1, 2] {
            let copy = Command::new("cp").arg("-a").args([galera.folder(0).join("data"), galera.folder(node)]).status();
            assert!(copy.is_ok_and(|status| status.success()));
        }
        galera.launch(0, &["--wsrep-new-cluster"]);
        galera.wait_for(0);
        for node in [1, 2] {
            galera.launch(node, &[]);
            galera.wait_for(node);
        }
        galera
    }

    fn give_away(&self) {
        let done = Command::new("chown").args(["-R", "mysql:mysql"]).arg(self.dir.path()).status();
        assert!(done.is_ok_and(|status| status.success()), "the folder belongs to the user mysql");
    }

    fn folder(&self, node: u16) -> PathBuf {
        self.dir.path().join(format!("n{node}"))
    }

    pub fn socket(&self, node: u16) -> PathBuf {
        self.folder(node).join("s")
    }

    fn address(&self, node: u16) -> String {
        if self.is_apart { format!("{NETWORK}{}", node + 1) } else { "127.0.0.1".to_owned() }
    }

    /// Where clients connect.
    pub fn port(&self, node: u16) -> u16 {
        self.base + 10 * node + 1
    }

    /// As the setting `log` lists them, beginning with a node.
    pub fn hosts(&self, first: u16) -> String {
        let all = [first, (first + 1) % 3, (first + 2) % 3];
        all.map(|node| format!("{}:{}", self.address(node), self.port(node))).join(",")
    }

    pub fn conn(&self, node: u16) -> mysql::Result<Conn> {
        Conn::new(opts(&self.socket(node), "mysql"))
    }

    fn launch(&self, node: u16, more: &[&str]) {
        let (folder, port) = (self.folder(node), self.base + 10 * node);
        let members: Vec<_> = (0..3).map(|node| format!("{}:{}", self.address(node), self.base + 10 * node)).collect();
        let address = self.address(node);
        let at = |name: &str| folder.join(name).display().to_string();
        let provider = format!(
            "gcache.size=8M;base_port={port};gmcast.listen_addr=tcp://{address}:{port};ist.recv_addr={address}:{};\
             evs.keepalive_period=PT0.3S;evs.suspect_timeout=PT5S;evs.inactive_timeout=PT10S;\
             evs.inactive_check_period=PT0.3S;gmcast.peer_timeout=PT3S;pc.recovery=true;pc.announce_timeout=PT0.5S",
            port + 2
        );
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
        // A server that changes its user itself forgets that it was to die with us.
        let mut command = Command::new(if self.is_apart { "ip" } else { "setpriv" });
        if self.is_apart {
            command.args(["netns", "exec", &format!("node{node}"), "setpriv"]);
        }
        let child = command
            .args(["--reuid", "mysql", "--regid", "mysql", "--init-groups", "--pdeathsig", "KILL"])
            .args(["mariadbd", "--no-defaults"])
            .args([format!("--datadir={}", at("data")), format!("--socket={}", at("s"))])
            .args([format!("--pid-file={}", at("pid")), format!("--tmpdir={}", at(""))])
            .args([format!("--port={}", port + 1), format!("--bind-address={address}")])
            .args(["--skip-name-resolve", "--binlog-format=ROW", "--innodb-autoinc-lock-mode=2"])
            .args(["--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M"])
            .args(["--performance-schema=OFF", "--max-connections=200", "--wsrep-on=ON", "--wsrep-cluster-name=pml"])
            .arg(format!("--wsrep-provider={PROVIDER}"))
            .arg(format!("--wsrep-cluster-address=gcomm://{}", members.join(",")))
            .args([format!("--wsrep-node-address={address}:{port}"), format!("--wsrep-node-name=n{node}")])
            .args([
                "--wsrep-sst-method=rsync".to_owned(),
                format!("--wsrep-sst-receive-address={address}:{}", port + 3),
            ])
            .arg(format!("--wsrep-provider-options={provider}"))
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("mariadbd");
        self.nodes.lock().unwrap()[usize::from(node)] = Some(child);
    }

    pub fn wait_for(&self, node: u16) {
        let since = Instant::now();
        while !self.is_synced(node) {
            let log = || std::fs::read_to_string(self.folder(node).join("log")).unwrap_or_default();
            assert!(since.elapsed() < Duration::from_secs(120), "node {node} does not come: {}", log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn is_synced(&self, node: u16) -> bool {
        let sql = "SHOW STATUS LIKE 'wsrep_local_state_comment'";
        let state = self.conn(node).and_then(|mut conn| conn.query_first::<(String, String), _>(sql));
        matches!(state, Ok(Some((_, state))) if state == "Synced")
    }

    pub fn kill(&self, node: u16) {
        if let Some(mut child) = self.nodes.lock().unwrap()[usize::from(node)].take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts a node that was killed, at the position that it can prove.
    pub fn start_again(&self, node: u16) {
        self.launch_again(node);
        self.wait_for(node);
    }

    /// Starts all nodes after all were killed: together they find out that they were one cluster.
    pub fn start_all_again(&self) {
        [0, 1, 2].into_iter().for_each(|node| self.launch_again(node));
        [0, 1, 2].into_iter().for_each(|node| self.wait_for(node));
    }

    fn launch_again(&self, node: u16) {
        let datadir = format!("--datadir={}", self.folder(node).join("data").display());
        let said = Command::new("mariadbd")
            .args(["--no-defaults", "--user=mysql", "--wsrep-recover", "--innodb-log-file-size=8M", "--wsrep-on=ON"])
            .args(["--binlog-format=ROW", "--innodb-autoinc-lock-mode=2"])
            .arg(format!("--wsrep-provider={PROVIDER}"))
            .arg(datadir)
            .output()
            .expect("mariadbd");
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        let position = text.lines().find_map(|line| line.split("Recovered position:").nth(1)).map(str::trim);
        match position {
            Some(position) => self.launch(node, &[&format!("--wsrep-start-position={position}")]),
            None => self.launch(node, &[]),
        }
    }

    /// Cuts a node off from the other nodes and from the program, or connects it again.
    pub fn cut(&self, node: u16, is_cut: bool) {
        assert!(self.is_apart, "loopback cannot be cut");
        ip(&format!("link set pml{node} {}", if is_cut { "down" } else { "up" }));
    }

    /// Stops or continues a node's process, as a machine that stands still.
    pub fn signal(&self, node: u16, signal: &str) {
        let pid = self.nodes.lock().unwrap()[usize::from(node)].as_ref().map(Child::id).expect("the node runs");
        let done = Command::new("kill").args([format!("-{signal}"), pid.to_string()]).status();
        assert!(done.is_ok_and(|status| status.success()));
    }
}

impl Drop for Galera {
    fn drop(&mut self) {
        (0..3).for_each(|node| self.kill(node));
    }
}
