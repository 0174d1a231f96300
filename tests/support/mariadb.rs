//! One private, real MariaDB for a test process: own data folder, own socket, no durability. It runs under a guard
//! (the sandbox executable), which stops it and removes the folder as soon as our end of its stdin is gone, however
//! we died.
use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

pub const MISSING: &str =
    "MariaDB is missing: install the Debian package mariadb-server (programs mariadbd and mariadb-install-db)";
/// The data folder of a server that was never started, beside that of the server: others begin with a copy of it.
const EMPTY: &str = "empty";
const SCHEMA: &str = include_str!("schema.sql");

static SHARED: OnceLock<MariaDb> = OnceLock::new();

pub struct MariaDb {
    pub socket: PathBuf,
    pub port: u16,
    pub dir: PathBuf,
    guard: Mutex<Guard>,
}

struct Guard {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl MariaDb {
    /// The one of this process, started at first use.
    pub fn shared() -> &'static Self {
        SHARED.get_or_init(Self::start)
    }

    /// A server of one's own, to be stopped and started.
    pub fn start() -> Self {
        Self::start_in(super::scratch::folder("sandbox-db-").keep())
    }

    /// The same, offering TLS over TCP. `files`: what is known by `ca_pem`, the certificate and its key.
    pub fn start_with_tls(files: [String; 3]) -> Self {
        let dir = super::scratch::folder("sandbox-db-").keep();
        for (name, pem) in ["ca.pem", "cert.pem", "key.pem"].into_iter().zip(files) {
            std::fs::write(dir.join(name), pem).expect("a file of the server");
        }
        Self::start_in(dir)
    }

    /// The same with more options: `--log-bin` and the like.
    pub fn start_with(options: &[&str]) -> Self {
        let dir = super::scratch::folder("sandbox-db-").keep();
        std::fs::write(dir.join("options"), options.join("\n")).expect("a file of the server");
        Self::start_in(dir)
    }

    /// The authority that signed the certificate.
    pub fn ca_pem(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    fn start_in(dir: PathBuf) -> Self {
        let mut guard = Command::new(super::sandbox_exe());
        guard.arg("mariadb-guard").arg(&dir).args(SHARED.get().map(|shared| shared.dir.join(EMPTY)));
        // A group of its own: Ctrl-C in a terminal must not reach it before it has cleaned up.
        guard.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = guard.spawn().expect("the guard starts");
        let input = process.stdin.take();
        let mut output = BufReader::new(process.stdout.take().expect("a pipe from the guard"));
        let mut line = String::new();
        let _ = output.read_line(&mut line);
        let port = line.trim().strip_prefix("ready ").unwrap_or_else(|| panic!("{}", line.trim()));
        let port = port.parse().expect("the guard tells the port");
        Self { socket: dir.join("s"), port, dir, guard: Mutex::new(Guard { process, input, output }) }
    }

    fn tell(&self, word: &str) {
        let mut guard = self.guard.lock().unwrap();
        writeln!(guard.input.as_mut().expect("a pipe to the guard"), "{word}").expect("the guard lives");
        let mut line = String::new();
        let _ = guard.output.read_line(&mut line);
        assert_eq!(line.trim(), "ok", "the guard was told to {word}");
    }

    /// This folder is to be removed with the server, however the process ends.
    pub fn doom(&self, folder: &Path) {
        self.tell(&format!("doom {}", folder.display()));
    }

    /// The database is gone, with its socket, until `resume`.
    pub fn stop(&self) {
        self.tell("stop");
    }

    pub fn resume(&self) {
        self.tell("start");
    }

    fn connect(&self, database: Option<&str>) -> Conn {
        let opts = OptsBuilder::new().socket(Some(self.socket.to_string_lossy())).user(Some("root")).db_name(database);
        Conn::new(opts).expect("a connection to the private MariaDB")
    }

    /// A fresh database with the panel's tables, and a user who may only read it.
    pub fn create(&self) -> Database {
        self.create_with(SCHEMA)
    }

    /// The same with other tables.
    pub fn create_with(&self, schema: &str) -> Database {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let name = format!("panel{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut conn = self.connect(None);
        conn.query_drop(format!("CREATE DATABASE {name} CHARACTER SET utf8mb4")).unwrap();
        conn.query_drop(format!("USE {name}")).unwrap();
        for statement in schema.split(";\n").map(str::trim).filter(|s| !s.is_empty()) {
            conn.query_drop(statement).unwrap_or_else(|e| panic!("{statement}: {e}"));
        }
        let (user, password) = (format!("{name}_ro"), format!("pass of {name} \"&'"));
        let quoted = password.replace('\'', "''");
        // In one statement: after each, the server sorts its users anew.
        let users = ["localhost", "127.0.0.1"].map(|host| format!("'{user}'@'{host}' IDENTIFIED BY '{quoted}'"));
        conn.query_drop(format!("GRANT SELECT ON {name}.* TO {}", users.join(", "))).unwrap();
        Database { name, user, password, conn: Mutex::new(Some(conn)), socket: self.socket.clone(), port: self.port }
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        let mut guard = self.guard.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        drop(guard.input.take());
        let _ = guard.process.wait();
    }
}

pub struct Database {
    pub name: String,
    /// May only read; this is what paramlist hands out.
    pub user: String,
    pub password: String,
    pub socket: PathBuf,
    pub port: u16,
    conn: Mutex<Option<Conn>>,
}

impl Database {
    /// A connection that may write, opened again when the server was restarted.
    pub fn conn(&self) -> MutexGuard<'_, Option<Conn>> {
        let mut guard = self.conn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if guard.as_mut().is_none_or(|c| c.ping().is_err()) {
            *guard = Conn::new(opts(&self.socket, &self.name)).ok();
        }
        guard
    }

    /// One statement with bound parameters.
    pub fn exec<P: Into<mysql::Params>>(&self, sql: &str, params: P) {
        self.conn().as_mut().expect("MariaDB runs").exec_drop(sql, params).unwrap_or_else(|e| panic!("{sql}: {e}"));
    }

    /// The number that AUTO_INCREMENT gave.
    pub fn insert<P: Into<mysql::Params>>(&self, sql: &str, params: P) -> u64 {
        let mut conn = self.conn();
        let conn = conn.as_mut().expect("MariaDB runs");
        conn.exec_drop(sql, params).unwrap_or_else(|e| panic!("{sql}: {e}"));
        conn.last_insert_id()
    }

    /// Rows as text; NULL is None.
    pub fn rows<P: Into<mysql::Params>>(&self, sql: &str, params: P) -> Vec<Vec<Option<String>>> {
        rows(self.conn().as_mut().expect("MariaDB runs"), sql, params).unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    /// The first column of the first row.
    pub fn value<P: Into<mysql::Params>>(&self, sql: &str, params: P) -> Option<String> {
        self.rows(sql, params).into_iter().next().and_then(|row| row.into_iter().next().flatten())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let name = self.name.clone();
        if let Some(conn) = self.conn().as_mut() {
            let _ = conn.query_drop(format!("DROP DATABASE IF EXISTS {name}"));
        }
    }
}

/// Root, by the socket.
pub fn opts(socket: &Path, database: &str) -> OptsBuilder {
    let opts = OptsBuilder::new().socket(Some(socket.to_string_lossy())).user(Some("root")).db_name(Some(database));
    // Named, they are not asked for: each call of mgrctl makes a connection of its own.
    opts.prefer_socket(false).max_allowed_packet(Some(16 << 20))
}

/// Every value as its text, whatever its type; dates as YYYY-MM-DD.
pub fn rows<P: Into<mysql::Params>>(conn: &mut Conn, sql: &str, params: P) -> mysql::Result<Vec<Vec<Option<String>>>> {
    let found: Vec<mysql::Row> = conn.exec(sql, params)?;
    Ok(found.into_iter().map(|row| row.unwrap().iter().map(text).collect()).collect())
}

fn text(value: &mysql::Value) -> Option<String> {
    match value {
        mysql::Value::NULL => None,
        mysql::Value::Bytes(b) => Some(String::from_utf8_lossy(b).into_owned()),
        mysql::Value::Date(y, m, d, 0, 0, 0, 0) => Some(format!("{y:04}-{m:02}-{d:02}")),
        mysql::Value::Date(y, m, d, h, min, s, _) => Some(format!("{y:04}-{m:02}-{d:02} {h:02}:{min:02}:{s:02}")),
        mysql::Value::Int(n) => Some(n.to_string()),
        mysql::Value::UInt(n) => Some(n.to_string()),
        other => Some(other.as_sql(true)),
    }
}

/// `sandbox mariadb-guard DIR [EMPTY]`: says `ready PORT`, obeys `stop`, `start` and `doom FOLDER`, and at the end of
/// its stdin kills the server and removes DIR and the doomed folders.
pub fn guard(args: &[String]) -> i32 {
    let Some(dir) = args.first().map(PathBuf::from) else { return 2 };
    let mut doomed = vec![dir.clone()];
    let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|l| l.local_addr()).map_or(0, |a| a.port());
    let empty = args.get(1).map(PathBuf::from);
    let started = prepare(&dir, empty).and_then(|()| launch(&dir, port));
    say(&started.as_ref().map_or_else(String::clone, |_| format!("ready {port}")));
    let mut server = started.ok();
    for line in std::io::stdin().lines().map_while(Result::ok) {
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("doom", folder) => doomed.push(PathBuf::from(folder)),
            ("stop", _) => end(server.take()),
            ("start", _) if server.is_none() => server = launch(&dir, port).ok(),
            _ => {}
        }
        say(if line == "start" && server.is_none() { "failed" } else { "ok" });
    }
    end(server.take());
    for folder in doomed {
        let _ = std::fs::remove_dir_all(folder);
    }
    0
}

/// The listener may be dead already; then there is still something to clean up.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn end(server: Option<Child>) {
    if let Some(mut child) = server {
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// A program of MariaDB, in the folders where Debian and others put it.
fn program(name: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/bin", "/usr/libexec", "/usr/local/bin", "/usr/local/sbin"].map(PathBuf::from);
    let found = std::env::split_paths(&path).chain(usual).map(|d| d.join(name)).find(|p| p.is_file());
    found.ok_or_else(|| MISSING.to_owned())
}

fn as_root() -> Vec<String> {
    let root = std::fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0);
    if root { vec!["--user=root".into()] } else { Vec::new() }
}

/// Makes the data folder: a copy of an empty one, which is made first if there is none.
fn prepare(dir: &Path, empty: Option<PathBuf>) -> Result<(), String> {
    let own = dir.join(EMPTY);
    let empty = match empty {
        Some(empty) => empty,
        None => install(dir, &own).map(|()| own)?,
    };
    copy(&empty, &dir.join("data")).map_err(|e| format!("{}: {e}", empty.display()))
}

/// A folder with everything in it.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &to)?,
            false => std::fs::copy(entry.path(), to).map(drop)?,
        }
    }
    Ok(())
}

fn install(dir: &Path, data: &Path) -> Result<(), String> {
    let (server, install) = (program("mariadbd"), program("mariadb-install-db")?);
    server?;
    let done = Command::new(install)
        .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"])
        .args(["--innodb-log-file-size=4M", "--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync"])
        .arg(format!("--datadir={}", data.display()))
        // Not the common /tmp: several that start at once delete each other's tables there.
        .arg(format!("--tmpdir={}", dir.display()))
        .args(as_root())
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("mariadb-install-db: {e}"))?;
    let said = String::from_utf8_lossy(&done.stderr).replace('\n', " ");
    if done.status.success() { Ok(()) } else { Err(format!("mariadb-install-db failed: {said}")) }
}

fn tls_options(dir: &Path) -> Vec<String> {
    if !dir.join("cert.pem").exists() {
        return Vec::new();
    }
    let option = |name: &str| format!("--ssl-{name}={}", dir.join(format!("{name}.pem")).display());
    vec![option("ca"), option("cert"), option("key")]
}

/// No fsync anywhere, but every commit is handed to the system, so that a killed server still knows it.
fn launch(dir: &Path, port: u16) -> Result<Child, String> {
    let socket = dir.join("s");
    let _ = std::fs::remove_file(&socket);
    let log = std::fs::File::create(dir.join("log")).map_err(|e| e.to_string())?;
    let mut child = Command::new(program("mariadbd")?)
        .arg("--no-defaults")
        .args(as_root())
        .arg(format!("--datadir={}", dir.join("data").display()))
        .arg(format!("--socket={}", socket.display()))
        .arg(format!("--pid-file={}", dir.join("pid").display()))
        .arg(format!("--port={port}"))
        .args(["--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin", "--max-connections=400"])
        .args(["--innodb-flush-log-at-trx-commit=2", "--innodb-flush-method=nosync", "--innodb-doublewrite=0"])
        .args([
            "--innodb-buffer-pool-size=32M",
            "--innodb-log-file-size=4M",
            "--performance-schema=OFF",
            "--sync-frm=0",
            // Each test makes its own tables: one file for all of them is quicker than one for each.
            "--innodb-file-per-table=0",
            // Statistics in tables of the server cost a third of what it takes to make and to drop a table.
            "--innodb-stats-persistent=0",
        ])
        .args(tls_options(dir))
        .args(std::fs::read_to_string(dir.join("options")).unwrap_or_default().lines())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|e| format!("mariadbd: {e}"))?;
    let start = Instant::now();
    while UnixStream::connect(&socket).is_err() {
        if child.try_wait().map_err(|e| e.to_string())?.is_some() || start.elapsed() > Duration::from_secs(60) {
            let log = std::fs::read_to_string(dir.join("log")).unwrap_or_default();
            let last = log.lines().rfind(|l| l.contains("ERROR")).unwrap_or("").to_owned();
            end(Some(child));
            return Err(format!("mariadbd does not start: {last}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(child)
}
