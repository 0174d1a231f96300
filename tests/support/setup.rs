//! Makes the world of a test. Before the start, the test says what differs from the usual world.
use super::calls::Calls;
use super::harness::{MODULE, SERVERS, Test, WHMCS};
use super::mariadb::{Database, MariaDb};
use super::mgrctl::{self, Panel};
use super::modes::{Change, Mode};
use super::orderbox::{self, OrderBox};
use super::replay::Record;
use super::upstream::{Options, Tls, Upstream};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Under which a database of this machine is reached over TCP.
pub const DATABASE_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "0.0.0.0"];

/// The differences from the usual world, before it is made.
#[derive(Default)]
pub struct Setup {
    options: Options,
    tls: Option<Tls>,
    own_database: bool,
    database_tls: Option<[String; 3]>,
    tcp: bool,
    crypt_key: bool,
    own_root: bool,
    modes: Vec<&'static Mode>,
    replay: Option<PathBuf>,
    orderbox: Option<orderbox::Options>,
}

impl Setup {
    pub fn options(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    /// A seller and a panel that differ in these ways; their needs are in the settings.
    pub fn modes(mut self, modes: &[&'static Mode]) -> Self {
        for mode in modes {
            if let Change::Seller(change) = mode.change {
                change(&mut self.options);
            }
        }
        self.modes = modes.to_vec();
        self
    }

    /// Both neighbours answer from a record of `doctor --record`.
    pub fn replay(mut self, file: &Path) -> Self {
        self.replay = Some(file.to_owned());
        self
    }

    /// A second module of ours, `WHMCS`, at an OrderBox that answers so.
    pub fn orderbox(mut self, change: impl FnOnce(&mut orderbox::Options)) -> Self {
        let mut options = orderbox::Options::default();
        change(&mut options);
        self.orderbox = Some(options);
        self
    }

    /// HTTPS on localhost; the authority is in `etc/ca.pem`, and a settings file names it.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// A MariaDB of its own, for `database_server().stop()`.
    pub fn own_database(mut self) -> Self {
        self.own_database = true;
        self
    }

    /// A MariaDB of its own that offers TLS, reached over TCP; its authority is `database_server().ca_pem()`.
    pub fn database_tls(self) -> Self {
        self.database_tls_by(super::upstream::tls::files(&DATABASE_NAMES))
    }

    /// The same with these: an authority, a certificate and its key.
    pub fn database_tls_by(mut self, files: [String; 3]) -> Self {
        (self.database_tls, self.tcp) = (Some(files), true);
        self
    }

    /// paramlist names 127.0.0.1 and a port instead of a socket.
    pub fn tcp(mut self) -> Self {
        self.tcp = true;
        self
    }

    /// `etc/billmgr.pem` is there, and the module's password can be decrypted with it.
    pub fn crypt_key(mut self) -> Self {
        self.crypt_key = true;
        self
    }

    /// The panel's folder lies at its usual place in a root of its own, `Test::home`.
    pub fn own_root(mut self) -> Self {
        self.own_root = true;
        self
    }

    pub fn start(self) -> Test {
        // The server first: its guard is to know of the root as soon as there is one.
        let own = match (self.database_tls, self.own_database) {
            (Some(files), _) => Some(MariaDb::start_with_tls(files)),
            (None, own) => own.then(MariaDb::start),
        };
        let server = own.as_ref().unwrap_or_else(|| MariaDb::shared());
        let home = super::scratch::folder("sandbox-");
        server.doom(home.path());
        let root = if self.own_root { home.path().join("usr/local/mgr5") } else { home.path().to_owned() };
        for folder in ["etc/xml", "var", "sbin", "processing", "addon", ".sandbox"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::os::unix::fs::symlink(super::sandbox_exe(), root.join("sbin/mgrctl")).unwrap();
        fs::write(root.join("etc/machine-id"), "the-panels-machine\n").unwrap();
        let record = self.replay.as_ref().map(|file| Record::read(file).unwrap_or_else(|why| panic!("{why}")));
        let db = record.as_ref().map_or_else(|| server.create(), |record| server.create_with(&record.schema()));
        let upstream = Upstream::start_with(self.options, self.tls.unwrap_or(Tls::Off));
        let mut panel = panel(&db, self.tcp);
        let mut calls = Calls::default();
        for mode in &self.modes {
            match mode.change {
                Change::Seller(_) => {}
                Change::Panel(change) => change(&mut panel),
                Change::Calls(change) => change(&mut calls),
            }
        }
        upstream.with(|world| world.replay = record.map(|record| record.seller()));
        panel.replay = self.replay;
        let needs = self.modes.iter().flat_map(|mode| mode.needs).copied().collect();
        let orderbox = self.orderbox.map(OrderBox::start_with);
        let mut test = Test { upstream, db, calls, needs, orderbox, own, panel, root, home };
        test.write_panel();
        test.add_module(MODULE, "pmisplicense");
        test.add_module(SERVERS, "pmvmmanager");
        test.connect_module(MODULE, &test.upstream.url());
        if test.orderbox.is_some() {
            test.add_module(WHMCS, "pmisplicense");
            test.connect_orderbox(WHMCS);
        }
        if self.crypt_key {
            test.write_crypt_key();
        }
        if !test.needs.is_empty() {
            test.settings("");
        }
        if test.upstream.url().starts_with("https") {
            fs::write(test.root().join("etc/ca.pem"), test.upstream.ca_pem()).unwrap();
            test.settings("[upstream]\nca_file = \"{root}/etc/ca.pem\"\n");
        }
        test
    }
}

fn panel(db: &Database, tcp: bool) -> Panel {
    let mut list = BTreeMap::new();
    let mut put = |name: &str, value: String| list.insert(name.to_owned(), value);
    put("DBUser", db.user.clone());
    put("DBPassword", db.password.clone());
    put("DBName", db.name.clone());
    put("CryptKey", "etc/billmgr.pem".to_owned());
    if tcp {
        put("DBHost", "127.0.0.1".to_owned());
        put("DBPort", db.port.to_string());
    } else {
        put("DBHost", "localhost".to_owned());
        put("DBSocket", db.socket.display().to_string());
    }
    Panel {
        socket: db.socket.clone(),
        database: db.name.clone(),
        paramlist: list,
        passwords: BTreeMap::new(),
        post_moves_end: true,
        task_type: "6".to_owned(),
        saveparam_refuses_names: false,
        saveparam_refuses_empty: false,
        replay: None,
        access: BTreeMap::new(),
        typed_import: false,
        post_open_both: false,
        known_fds: mgrctl::inherited(),
    }
}
