//! A root of its own: the sandbox's panel at /usr/local/mgr5, a shell and the few tools that scripts of packages use,
//! and a package manager that works on it from outside. The installed programs run inside, by chroot.
use super::{NAME, run};
use crate::support::{Setup, Test};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

pub const SETTINGS: &str = "usr/local/mgr5/etc/pmisplicense.toml";
pub const STATE: &str = "usr/local/mgr5/var/pmisplicense/state.db";
pub const LOG: &str = "usr/local/mgr5/var/pmisplicense.log";
pub const MGRCTL: &str = "usr/local/mgr5/sbin/mgrctl";
pub const CRON: &str = "etc/cron.d/pmisplicense";

/// How long scripts of the packages wait for a panel: for one that answers it is enough, for one that hangs as well.
const RELOAD_S: (&str, &str) = ("PMISPLICENSE_RELOAD_S", "4");

/// The tools that scripts of the packages call.
const TOOLS: [&str; 15] = [
    "sh", "cat", "chown", "cmp", "cp", "dirname", "find", "grep", "id", "mkdir", "mv", "rm", "sleep", "timeout",
    "touch",
];

/// The files that every package brings, with their modes; links by the places where they lead.
const FILES: [(&str, u32); 11] = [
    ("usr/local/mgr5/processing/pmisplicense", 0o755),
    ("usr/local/mgr5/etc/xml/billmgr_mod_pmisplicense.xml", 0o644),
    ("usr/local/mgr5/etc/xml/billmgr_mod_pmisplicense_event.xml", 0o644),
    ("usr/local/mgr5/etc/xml/billmgr_mod_pmisplicense_pages.xml", 0o644),
    ("usr/local/mgr5/etc/pmisplicense.toml.sample", 0o644),
    ("usr/local/mgr5/skins/common/plugin-logo/billmanager-plugin-pmisplicense.png", 0o644),
    (CRON, 0o644),
    ("etc/logrotate.d/pmisplicense", 0o644),
    ("usr/share/bash-completion/completions/pmisplicense", 0o644),
    ("usr/share/fish/vendor_completions.d/pmisplicense.fish", 0o644),
    ("usr/share/man/man8/pmisplicense.8.gz", 0o644),
];
const LINKS: [&str; 3] =
    ["usr/local/mgr5/addon/pmisplicense-event", "usr/local/mgr5/addon/pmisplicense-pages", "usr/sbin/pmisplicense"];

/// The kind of package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Deb,
    Rpm,
    Tarball,
}

pub struct Fresh {
    pub test: Test,
    pub kind: Kind,
}

/// Where the tools are on this machine, and the libraries that they need. Asked once: `ldd` starts each tool several
/// times.
fn tools() -> &'static (Vec<PathBuf>, BTreeSet<PathBuf>) {
    static FOUND: OnceLock<(Vec<PathBuf>, BTreeSet<PathBuf>)> = OnceLock::new();
    FOUND.get_or_init(|| {
        let each = "for tool; do command -v \"$tool\" || exit 1; done";
        let paths = run(Command::new("sh").args(["-c", each, "sh"]).args(TOOLS));
        let paths: Vec<PathBuf> = paths.lines().map(PathBuf::from).collect();
        let libraries = libraries_of(&paths);
        (paths, libraries)
    })
}

fn libraries_of(programs: &[PathBuf]) -> BTreeSet<PathBuf> {
    let said = run(Command::new("ldd").args(programs));
    // Of several programs each is named before its libraries, with a colon behind it.
    let paths = said.split_whitespace().filter(|word| word.starts_with('/') && !word.ends_with(':'));
    paths.map(PathBuf::from).collect()
}

impl Fresh {
    pub fn new(kind: Kind) -> Self {
        let test = Setup::default().own_root().tcp().start();
        let fresh = Self { test, kind };
        for folder in ["dev", "etc", "tmp", "usr/sbin", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/rpm"] {
            fs::create_dir_all(fresh.at(folder)).unwrap();
        }
        for empty in ["dev/null", "var/lib/dpkg/status", "var/lib/dpkg/available"] {
            fs::write(fresh.at(empty), "").unwrap();
        }
        let (tools, libraries) = tools();
        for (from, tool) in tools.iter().zip(TOOLS) {
            fresh.copy_in(from, &fresh.at("bin").join(tool));
        }
        fresh.bring_libraries(libraries);
        fresh.write("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
        // A provider that sells nothing ended: doctor would advise.
        fresh.test.db.exec("DELETE FROM enumerationitem WHERE intname IN ('3541', '4601')", ());
        fresh.move_panel_in();
        fresh
    }

    /// mgrctl itself instead of a link that leads outside, the database's socket at the expected place, and a tool that
    /// writes down what it was asked for.
    fn move_panel_in(&self) {
        let mgrctl = self.test.root().join("sbin/mgrctl");
        let from = fs::read_link(&mgrctl).unwrap();
        fs::remove_file(&mgrctl).unwrap();
        self.copy_in(&from, &mgrctl);
        self.bring_libraries(&libraries_of(&[from]));
        let socket = self.test.db.socket.clone();
        let inside = self.at(socket.strip_prefix("/").unwrap());
        fs::create_dir_all(inside.parent().unwrap()).unwrap();
        fs::hard_link(&socket, &inside).expect("the socket lies on the same file system");
        let script = "#!/bin/sh\necho \"$@\" >> /usr/local/mgr5/.sandbox/xmlinstall\n";
        self.write_program("usr/local/mgr5/sbin/xmlinstall", script);
    }

    fn copy_in(&self, from: &Path, to: &Path) {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    }

    /// The libraries that every system with glibc has.
    fn bring_libraries(&self, libraries: &BTreeSet<PathBuf>) {
        for library in libraries {
            let inside = self.at(library.strip_prefix("/").unwrap());
            if !inside.exists() {
                self.copy_in(library, &inside);
            }
        }
    }

    /// A path beneath the fresh root.
    pub fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.test.home().join(path)
    }

    pub fn there(&self, path: &str) -> bool {
        self.at(path).symlink_metadata().is_ok()
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_else(|error| panic!("{:?}, {path}: {error}", self.kind))
    }

    pub fn write(&self, path: &str, text: &str) {
        fs::write(self.at(path), text).unwrap();
    }

    pub fn write_program(&self, path: &str, text: &str) {
        self.write(path, text);
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn mode(&self, path: &str) -> u32 {
        fs::metadata(self.at(path)).unwrap().permissions().mode() & 0o777
    }

    /// A command inside.
    fn inside(&self, args: &[&str]) -> Command {
        let mut command = Command::new("chroot");
        command.arg(self.test.home()).args(args).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env(RELOAD_S.0, RELOAD_S.1);
        command
    }

    /// Runs the installed program as an operator types it. Returns stdout of a success.
    pub fn pmisplicense(&self, args: &[&str]) -> String {
        let Output { status, stdout, stderr } =
            self.inside(&["/usr/sbin/pmisplicense"]).args(args).output().expect("chroot starts");
        let [stdout, stderr] = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(status.success(), "{:?} {args:?}: {status}\n{stdout}{stderr}\n{}", self.kind, self.test.story());
        stdout
    }

    /// The panel tells its handler of an event.
    pub fn event(&self, item: u32) {
        let mut handler = self.inside(&["/usr/local/mgr5/addon/pmisplicense-event"]);
        assert_eq!(run(handler.env("PARAM_elid", item.to_string())), "<doc/>\n");
    }

    /// Installs or upgrades from a folder of packages; what was printed.
    pub fn install(&self, packages: &Path) -> String {
        let said = match self.kind {
            Kind::Deb => self.dpkg(&["--install", &file(packages, ".deb")]),
            Kind::Rpm => self.rpm(&["--upgrade", "--nodeps", &file(packages, ".rpm")]),
            Kind::Tarball => {
                let _ = fs::remove_dir_all(self.at("tmp/unpacked"));
                fs::create_dir_all(self.at("tmp/unpacked")).unwrap();
                let archive = file(packages, ".tar.gz");
                run(Command::new("tar")
                    .args(["--strip-components=1", "-xzf", &archive, "-C"])
                    .arg(self.at("tmp/unpacked")));
                run(&mut self.inside(&["/tmp/unpacked/install.sh"]))
            }
        };
        self.bring_libraries(&libraries_of(&[self.at(FILES[0].0)]));
        said
    }

    pub fn remove(&self) -> String {
        match self.kind {
            Kind::Deb => self.dpkg(&["--remove", NAME]),
            Kind::Rpm => self.rpm(&["--erase", "--nodeps", NAME]),
            Kind::Tarball => run(&mut self.inside(&["/tmp/unpacked/uninstall.sh"])),
        }
    }

    pub fn dpkg(&self, args: &[&str]) -> String {
        let mut command = Command::new("dpkg");
        command.arg(format!("--root={}", self.test.home().display()));
        command.args(["--force-depends", "--force-confdef", "--force-confold", "--log=/dev/null"]).args(args);
        let path = std::env::var("PATH").unwrap_or_default();
        run(command.env("PATH", format!("{path}:/usr/sbin:/sbin")).env(RELOAD_S.0, RELOAD_S.1))
    }

    fn rpm(&self, args: &[&str]) -> String {
        let mut command = Command::new("rpm");
        // Debian's rpm wants to be told that this is not about Debian's own packages.
        command.arg("--root").arg(self.test.home()).args(["--dbpath", "/var/lib/rpm", "--force-debian"]).args(args);
        run(command.env(RELOAD_S.0, RELOAD_S.1))
    }

    /// The requests to the panel since the last time: caches, then a new start.
    pub fn reloads(&self) -> Vec<String> {
        let caches = self.at("usr/local/mgr5/.sandbox/xmlinstall");
        let asked = fs::read_to_string(&caches).unwrap_or_default();
        let _ = fs::remove_file(caches);
        let calls = self.test.mgrctl_calls();
        self.test.clear_mgrctl();
        let asked = asked.lines().map(|line| line.trim_start_matches("-m billmgr ").to_owned());
        asked.chain(calls.into_iter().map(|call| call.func).filter(|func| func == "exit")).collect()
    }

    /// Every file at its place, with its mode, readable, nobody's but root's.
    pub fn assert_installed(&self) {
        use std::os::unix::fs::MetadataExt;
        for (path, mode) in FILES {
            assert!(self.there(path), "{:?}: {path} is missing", self.kind);
            let about = fs::metadata(self.at(path)).unwrap();
            assert_eq!((about.mode() & 0o7777, about.uid(), about.gid()), (mode, 0, 0), "{:?}: {path}", self.kind);
            assert!(about.len() > 0, "{:?}: {path} is empty", self.kind);
        }
        let zsh = if self.kind == Kind::Deb { "vendor-completions" } else { "site-functions" };
        assert!(self.there(&format!("usr/share/zsh/{zsh}/_pmisplicense")), "{:?}", self.kind);
        for link in LINKS {
            let program = fs::canonicalize(self.at(link)).unwrap();
            assert_eq!(program, fs::canonicalize(self.at(FILES[0].0)).unwrap(), "{:?}: {link}", self.kind);
        }
        let cron = self.read(CRON);
        assert!(!cron.contains('@') && cron.contains("/usr/local/mgr5/processing/pmisplicense sync"), "{cron}");
    }

    /// Nothing of the package is left but what a provider wrote or bought.
    pub fn assert_removed(&self) {
        let kept_by_dpkg = |path: &str| self.kind == Kind::Deb && path.starts_with("etc/");
        let left: Vec<&str> = FILES.iter().map(|(path, _)| *path).chain(LINKS).collect();
        let left: Vec<&str> = left.into_iter().filter(|path| self.there(path) && !kept_by_dpkg(path)).collect();
        assert_eq!(left, Vec::<&str>::new(), "{:?}", self.kind);
    }
}

/// The one file of a folder with this ending.
fn file(folder: &Path, ending: &str) -> String {
    let files = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}; make dist first", folder.display()));
    let path = files.flatten().map(|entry| entry.path()).find(|path| path.to_string_lossy().ends_with(ending));
    path.unwrap_or_else(|| panic!("no {ending} in {}: make dist first", folder.display())).display().to_string()
}
