//! One test's world: a root folder as the panel's, a database of its own, a seller of its own, the program run
//! between them, and what can be asked of all three afterwards. `setup` makes it, `items` fills the database, `run`
//! starts the program.
use super::calls::Calls;
use super::crypt::{encrypt, key};
use super::mariadb::{Database, MariaDb};
use super::mgrctl::{self, Call, Panel};
use super::modes;
use super::orderbox::OrderBox;
use super::run::{Output, Program, Running};
use super::setup::Setup;
use super::story::Story;
use super::upstream::{Country, Upstream};
use base64::Engine;
use chrono::{Months, NaiveDate};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Id of our processing module in every test; SERVERS is one of another kind.
pub const MODULE: u32 = 7;
pub const SERVERS: u32 = 3;

/// The module that `Setup::orderbox` adds: ours as well, at an OrderBox address.
pub const WHMCS: u32 = 8;

/// An item as the database has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub status: i32,
    pub expiredate: Option<String>,
    pub opendate: Option<String>,
    pub period: i32,
    pub pricelist: i64,
    pub lastpricelist: Option<i64>,
    pub params: BTreeMap<String, String>,
    pub crypted: BTreeMap<String, String>,
}

impl Item {
    /// A parameter; empty when it is not there.
    pub fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }
}

pub struct Test {
    pub upstream: Upstream,
    pub db: Database,
    /// How the panel words its calls.
    pub calls: Calls,
    /// Lines that the settings always have, with their tables.
    pub(super) needs: Vec<(&'static str, &'static str)>,
    pub(super) orderbox: Option<OrderBox>,
    pub(super) own: Option<MariaDb>,
    pub(super) panel: Panel,
    pub(super) root: PathBuf,
    pub(super) home: tempfile::TempDir,
}

impl Test {
    /// The usual world: plain HTTP on loopback, the panel moves the end by `postprolong`.
    pub fn new() -> Self {
        Setup::default().start()
    }

    pub fn setup() -> Setup {
        Setup::default()
    }

    /// The panel's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// With `Setup::own_root` the root around the panel's folder, else that folder itself.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Writes `etc/pmisplicense.toml`, with the lines that the modes need; `{root}` is replaced by the root folder.
    pub fn settings(&self, toml: &str) {
        let text = toml.replace("{root}", &self.root().display().to_string());
        let text = modes::settings(&text, &self.needs);
        fs::write(self.root().join("etc/pmisplicense.toml"), text).unwrap();
    }

    /// `<root>/etc/billmgr.DoNothing`, there or not.
    pub fn do_nothing(&self, on: bool) {
        let path = self.root().join("etc/billmgr.DoNothing");
        if on { fs::write(path, "").unwrap() } else { fs::remove_file(path).unwrap() }
    }

    /// The internal name of a product in the billing of this seller's country.
    pub fn code(&self, international: &'static str) -> &'static str {
        let country = self.upstream.with(|world| world.options.country);
        match (country, international) {
            (Country::Russian, "55227") => "55231",
            (Country::Russian, "55228") => "55232",
            (Country::Russian, "55229") => "55233",
            (Country::Russian, "55230") => "55234",
            (Country::Russian, "55239") => "55235",
            _ => international,
        }
    }

    pub fn state_path(&self) -> PathBuf {
        self.root().join("var/pmisplicense/state.db")
    }

    /// The file by which the program knows its machine.
    pub fn machine_id(&self) -> PathBuf {
        self.root().join("etc/machine-id")
    }

    /// From now on the program runs on another machine.
    pub fn another_machine(&self) {
        fs::write(self.machine_id(), "another-machine\n").unwrap();
    }

    /// The program's log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.root().join("var/pmisplicense.log")).unwrap_or_default()
    }

    /// Waits until a run has written these words into the log.
    pub fn until_logged(&self, words: &str) {
        let since = Instant::now();
        while !self.log().contains(words) {
            assert!(since.elapsed() < Duration::from_secs(20), "no run says {words:?}: {}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// A run to be described further: stdin, environment, time limit.
    pub fn program<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Program<'_> {
        Program::new(self, args)
    }

    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        self.program(args).run()
    }

    /// `--command NAME --item ITEM`
    pub fn cmd(&self, command: &str, item: u32) -> Output {
        self.run(self.calls.args(command, Some(item), None))
    }

    /// The same for a running operation.
    pub fn cmd_op(&self, command: &str, item: u32, operation: u64) -> Output {
        self.run(self.calls.args(command, Some(item), Some(operation)))
    }

    /// Started and not waited for, to be killed.
    pub fn spawn<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Running {
        self.program(args).spawn()
    }

    /// Every call of mgrctl so far.
    pub fn mgrctl_calls(&self) -> Vec<Call> {
        mgrctl::read_journal(self.root())
    }

    /// `func name=value …` of the calls that change something; reads (paramlist, processing.edit, task.gettype) left
    /// out.
    pub fn panel_changes(&self) -> Vec<String> {
        let reads = ["paramlist", "processing.edit", "task.gettype"];
        self.mgrctl_calls().iter().filter(|c| !reads.contains(&c.func.as_str())).map(Call::line).collect()
    }

    pub fn clear_mgrctl(&self) {
        let _lock = mgrctl::lock(self.root());
        let _ = fs::remove_file(mgrctl::journal_path(self.root()));
    }

    pub fn mgrctl_fault(&self, fault: mgrctl::faults::Fault) {
        let _lock = mgrctl::lock(self.root());
        let mut all = mgrctl::faults::read(self.root());
        all.push(fault);
        mgrctl::faults::write(self.root(), &all);
    }

    pub fn clear_mgrctl_faults(&self) {
        let _lock = mgrctl::lock(self.root());
        mgrctl::faults::write(self.root(), &[]);
    }

    /// Changes how the panel behaves from the next mgrctl call on.
    pub fn panel(&mut self, change: impl FnOnce(&mut Panel)) {
        change(&mut self.panel);
        self.write_panel();
    }

    /// The world in which the payment moves the end, before `prolong` is called.
    pub fn end_moves_before_prolong(&mut self) {
        self.panel(|p| p.post_moves_end = false);
    }

    pub(super) fn write_panel(&self) {
        let path = mgrctl::folder(self.root()).join("panel.json");
        // By rename: a call of mgrctl may be reading it.
        let fresh = path.with_extension("new");
        fs::write(&fresh, serde_json::to_vec_pretty(&self.panel).unwrap()).unwrap();
        fs::rename(fresh, path).unwrap();
    }

    pub fn add_module(&mut self, id: u32, module: &str) {
        self.db.exec(
            "INSERT INTO processingmodule (id, name, module, active) VALUES (?, ?, ?, 'on')",
            (id, format!("Module {id}"), module),
        );
    }

    /// Points a module at a seller with the right user and password.
    pub fn connect_module(&mut self, id: u32, url: &str) {
        let (user, password) = self.upstream.with(|w| (w.options.user.clone(), w.options.password.clone()));
        for (name, value) in [("url", url), ("username", &user), ("password", &password)] {
            self.panel.access.insert(name.to_owned(), value.to_owned());
        }
        self.module_param(id, "url", url);
        self.module_param(id, "username", &user);
        self.module_password(id, &password);
    }

    /// OrderBox, of `Setup::orderbox`.
    pub fn orderbox(&self) -> &OrderBox {
        self.orderbox.as_ref().expect("Test::setup().orderbox()")
    }

    /// Points a module at that OrderBox with the right number and key.
    pub fn connect_orderbox(&mut self, id: u32) {
        let (url, (user, key)) =
            (self.orderbox().url(), self.orderbox().with(|w| (w.options.user, w.options.key.clone())));
        self.module_param(id, "url", &url);
        self.module_param(id, "username", &user.to_string());
        self.module_password(id, &key);
    }

    /// Replaces a parameter of a module.
    pub fn module_param(&self, id: u32, name: &str, value: &str) {
        self.db.exec("DELETE FROM processingparam WHERE processingmodule = ? AND intname = ?", (id, name));
        self.db
            .exec("INSERT INTO processingparam (processingmodule, intname, value) VALUES (?, ?, ?)", (id, name, value));
    }

    /// In clear text by processing.edit; in the table encrypted, readable only with `Setup::crypt_key`.
    pub fn module_password(&mut self, id: u32, password: &str) {
        self.panel(|p| drop(p.passwords.insert(id.to_string(), password.to_owned())));
        self.db.exec("DELETE FROM processingcryptedparam WHERE processingmodule = ? AND intname = 'password'", (id,));
        let secret = base64::engine::general_purpose::STANDARD.encode(encrypt(password));
        let sql = "INSERT INTO processingcryptedparam (processingmodule, intname, value) VALUES (?, 'password', ?)";
        self.db.exec(sql, (id, secret));
    }

    /// A row of the period-alignment table: `from;to;itemtype;pricelist`.
    pub fn period_align(&self, row: &str) {
        let sql = "INSERT INTO processingparam (processingmodule, intname, value) VALUES (?, 'period_align', ?)";
        self.db.exec(sql, (MODULE, row));
    }

    pub(super) fn write_crypt_key(&self) {
        use rsa::pkcs1::{EncodeRsaPrivateKey, LineEnding};
        let pem = key().to_pkcs1_pem(LineEnding::LF).unwrap();
        fs::write(self.root().join("etc/billmgr.pem"), pem.as_bytes()).unwrap();
    }

    /// The MariaDB of `Setup::own_database`.
    pub fn database_server(&self) -> &MariaDb {
        self.own.as_ref().expect("Test::setup().own_database()")
    }

    pub fn item(&self, id: u32) -> Item {
        let sql = "SELECT status, expiredate, opendate, period, pricelist, lastpricelist FROM item WHERE id = ?";
        let row = self.db.rows(sql, (id,)).into_iter().next().unwrap_or_else(|| panic!("no item {id}"));
        let text = |i: usize| row[i].clone();
        let number = |i: usize| text(i).and_then(|t| t.parse::<i64>().ok());
        let small = |i: usize| number(i).and_then(|n| i32::try_from(n).ok()).unwrap_or(0);
        Item {
            status: small(0),
            expiredate: text(1),
            opendate: text(2),
            period: small(3),
            pricelist: number(4).unwrap_or(0),
            lastpricelist: number(5),
            params: self.pairs("itemparam", id),
            crypted: self.pairs("itemcryptedparam", id),
        }
    }

    fn pairs(&self, table: &str, item: u32) -> BTreeMap<String, String> {
        let rows = self.db.rows(&format!("SELECT intname, value FROM {table} WHERE item = ?"), (item,));
        rows.into_iter().map(|r| (r[0].clone().unwrap_or_default(), r[1].clone().unwrap_or_default())).collect()
    }

    /// A new running operation, as the panel makes one before it calls us.
    pub fn operation(&self, item: u32, command: &str) -> u64 {
        self.db.insert("INSERT INTO runningoperation (item, intname) VALUES (?, ?)", (item, command))
    }

    /// The panel counts the tries of an operation.
    pub fn set_tries(&self, operation: u64, tries: u32) {
        self.db.exec("UPDATE runningoperation SET trycount = ? WHERE id = ?", (tries, operation));
    }

    pub fn errorxml(&self, operation: u64) -> Option<String> {
        self.db.value("SELECT errorxml FROM runningoperation WHERE id = ?", (operation,))
    }

    /// A client has paid the next period: in the one world the end moves now, in the other by `postprolong`. The
    /// running operation that the panel makes for it.
    pub fn prolong_paid(&self, item: u32) -> u64 {
        let now = self.item(item);
        if let (false, Some(end), Ok(months)) = (self.panel.post_moves_end, now.expiredate, u32::try_from(now.period)) {
            let end: NaiveDate = end.parse().unwrap();
            let moved = end.checked_add_months(Months::new(months)).unwrap();
            self.db.exec("UPDATE item SET expiredate = ? WHERE id = ?", (moved.to_string(), item));
        }
        self.operation(item, "prolong")
    }

    /// Violations of docs/interface.md 1, 5 and 6 by what was sent or called: form, secrets, environment, inherited
    /// files.
    pub fn problems(&self) -> Vec<String> {
        let mut found = self.upstream.violations();
        let password = self.upstream.with(|w| w.options.password.clone());
        let licenses = self.upstream.licenses();
        let keys = licenses.iter().flat_map(|l| l.old_keys.iter().chain([&l.key])).filter(|k| !k.is_empty()).cloned();
        let mut secrets: Vec<String> = keys.chain([password]).collect();
        if let Some(orderbox) = &self.orderbox {
            found.extend(orderbox.violations());
            secrets.extend(orderbox.secrets());
        }
        let secret = |text: &str| secrets.iter().any(|s| text.contains(s.as_str()));
        let root = self.root().canonicalize().ok();
        for call in self.mgrctl_calls() {
            let mut check = |wrong: bool, text: &str| {
                if wrong {
                    found.push(format!("mgrctl {}: {text}", call.func));
                }
            };
            check(call.ssh_connection.as_deref() != Some("pmisplicense"), "SSH_CONNECTION is not pmisplicense");
            check(call.cwd.canonicalize().ok() != root, "the working folder is not the root");
            check(!call.open_fds.is_empty(), &format!("inherited {:?}", call.open_fds));
            check(secret(&call.argv.join(" ")), "a secret stands in the process list");
        }
        if secret(&self.log()) {
            found.push("a secret stands in the log".to_owned());
        }
        found
    }

    pub fn assert_clean(&self) {
        assert_eq!(self.problems(), Vec::<String>::new());
    }

    /// The course of the test, for the message of a failing assertion.
    pub fn story(&self) -> String {
        Story::of(self).to_string()
    }
}

impl Default for Test {
    fn default() -> Self {
        Self::new()
    }
}
