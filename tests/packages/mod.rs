//! The packages of `make dist`, installed into a root of their own beside the sandbox's panel: files at the panel's
//! places, settings and state kept, the panel reloaded, `doctor` without complaints. DIST=FOLDER tries the packages of
//! that folder. Otherwise the program of these tests is packed as `make dist` packs it. The tests need root (chroot),
//! dpkg and rpm. Without them they say so and pass, unless DIST is given.

mod fresh;
mod packing;

use crate::support::skipped;
use fresh::{CRON, Fresh, Kind, LOG, MGRCTL, SETTINGS, STATE};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The version that is replaced by the present one.
const BEFORE: &str = "0.0.9";
const TARGET: &str = "x86_64-unknown-linux-gnu";
const NAME: &str = "billmanager-plugin-pmisplicense";

/// The calls that make the panel read the new files.
const RELOAD: [&str; 3] = ["--meta-cache --apply", "--lang-cache ru --base en --apply", "exit"];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Folders of packages: of the version before, and of the present one. `None`: not on this machine, and it was said.
fn packages() -> Option<&'static (PathBuf, PathBuf)> {
    static BOTH: OnceLock<Option<(PathBuf, PathBuf)>> = OnceLock::new();
    BOTH.get_or_init(make).as_ref()
}

fn make() -> Option<(PathBuf, PathBuf)> {
    let dist = std::env::var_os("DIST").map(PathBuf::from);
    if let Some(why) = missing() {
        assert!(dist.is_none(), "{why}");
        skipped(&format!("packages are not installed here: {why}"));
        return None;
    }
    let work = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages");
    let _ = std::fs::remove_dir_all(&work);
    std::fs::create_dir_all(&work).unwrap();
    // Debug information would be most of what is packed.
    let program = work.join("pmisplicense");
    run(Command::new("strip").arg("-o").arg(&program).arg(crate::support::program_exe()));
    pack(&program, BEFORE, &work.join("before"));
    let present = dist.unwrap_or_else(|| {
        pack(&program, env!("CARGO_PKG_VERSION"), &work.join("present"));
        work.join("present")
    });
    Some((work.join("before"), present))
}

fn pack(program: &Path, version: &str, out: &Path) {
    let mut packing = Command::new(repository().join("dist/package.sh"));
    // The program of the tests is large, and nobody downloads these packages.
    run(packing.arg(program).arg(TARGET).arg(out).env("VERSION", version).env("LEVEL", "1"));
}

/// The reasons why packages cannot be made and installed here.
fn missing() -> Option<&'static str> {
    let there = |tool: &str| Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    if cfg!(not(target_arch = "x86_64")) {
        return Some("these tests know x86_64 only");
    }
    let tools = ["strip", "make", "dpkg", "dpkg-deb", "rpm", "rpmbuild", "chroot", "gzip"];
    if !tools.iter().all(|tool| there(tool)) {
        return Some("install the packages binutils, make, dpkg and rpm");
    }
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    (!root).then_some("only root may change the root folder")
}

/// Runs a tool that must succeed; what it printed, both streams.
fn run(command: &mut Command) -> String {
    let output = command.env("LC_ALL", "C").output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
    text
}

/// Each kind of package, in a fresh root that it is given.
fn each(test: impl Fn(Fresh, &Path, &Path)) {
    let Some((before, present)) = packages() else { return };
    for kind in [Kind::Deb, Kind::Rpm, Kind::Tarball] {
        test(Fresh::new(kind), before, present);
    }
}

/// Installed where nothing was: everything is at its place, the panel was reloaded, and doctor has nothing to say.
#[test]
fn a_first_installation_is_whole_and_doctor_is_content() {
    each(|fresh, _, present| {
        fresh.install(present);
        fresh.assert_installed();
        assert_eq!((fresh.mode(SETTINGS), fresh.read(SETTINGS)), (0o600, fresh.read(&format!("{SETTINGS}.sample"))));
        assert_eq!(fresh.reloads(), RELOAD);
        let version = fresh.pmisplicense(&["--version"]);
        assert!(version.contains(env!("CARGO_PKG_VERSION")) && version.contains(TARGET), "{version}");
        let doctor = fresh.pmisplicense(&["doctor"]);
        assert!(doctor.contains("\n0 problems, 0 warnings\n"), "{:?}: {doctor}", fresh.kind);
        fresh.event(50);
        assert!(fresh.there("usr/local/mgr5/var/pmisplicense/spool/50"));
    });
}

/// The released files (DIST only) start on glibc 2.17, are below ten mebibytes, and carry the licenses of their crates.
#[test]
fn what_is_given_away_is_small_and_starts_on_an_old_glibc() {
    if std::env::var_os("DIST").is_none() {
        return;
    }
    each(|fresh, _, present| {
        fresh.install(present);
        let program = fresh.at("usr/local/mgr5/processing/pmisplicense");
        run(Command::new(repository().join("dist/glibc.sh")).arg(&program).arg("2.17"));
        let bytes = std::fs::metadata(&program).unwrap().len();
        assert!(bytes < 10 << 20, "{bytes}");
        let crates = fresh.at(format!("usr/share/doc/{NAME}/crates.txt.gz"));
        assert!(run(Command::new("zcat").arg(crates)).contains("\nrustls "));
    });
}

/// The version before, in use, is replaced: its license, state, settings and log stay, and so does what a provider
/// changed in cron; the next command goes on from there and buys nothing.
#[test]
fn an_upgrade_keeps_license_state_settings_and_log() {
    each(|fresh, before, present| {
        fresh.install(before);
        let settings = fresh.read(SETTINGS).replace("renew_before_days = 1", "renew_before_days = 3");
        let cron = fresh.read(CRON).replace("\n17 ", "\n23 ");
        fresh.write(SETTINGS, &settings);
        fresh.write(CRON, &cron);
        let license = open(&fresh);
        let kept = |path: &str| std::fs::read(fresh.at(path)).unwrap();
        let [state, log] = [STATE, LOG].map(kept);
        fresh.reloads();
        fresh.install(present);
        fresh.assert_installed();
        assert_eq!((fresh.mode(SETTINGS), fresh.read(SETTINGS), fresh.read(CRON)), (0o600, settings, cron));
        assert_eq!(fresh.there(&format!("{CRON}.rpmnew")), fresh.kind == Kind::Tarball);
        assert!([STATE, LOG].map(kept) == [state, log], "{:?}: state or log changed", fresh.kind);
        assert_eq!(fresh.reloads(), RELOAD);
        assert_eq!(open(&fresh), license);
        assert_eq!(fresh.test.upstream.billed("soft.order.param"), 1);
        // The checks that doctor makes in every installation with licenses.
        fresh.pmisplicense(&["backup", "--dir", "/root/pmisplicense-backups", "--keep", "14"]);
        let doctor = fresh.pmisplicense(&["doctor"]);
        assert!(doctor.contains("\n0 problems, 0 warnings\n"), "{:?}: {doctor}", fresh.kind);
    });
}

/// A provider who wants no pages in the panel has none after the next installation, and doctor agrees.
#[test]
fn pages_that_are_switched_off_are_removed_by_the_next_installation() {
    each(|fresh, before, present| {
        fresh.install(before);
        let pages =
            ["usr/local/mgr5/addon/pmisplicense-pages", "usr/local/mgr5/etc/xml/billmgr_mod_pmisplicense_pages.xml"];
        assert!(pages.iter().all(|path| fresh.there(path)), "{:?}", fresh.kind);
        fresh.write(SETTINGS, &fresh.read(SETTINGS).replace("\npages = true\n", "\npages = false\n"));
        fresh.install(present);
        let left: Vec<_> = pages.iter().filter(|path| fresh.there(path)).collect();
        assert!(left.is_empty(), "{:?}: {left:?}", fresh.kind);
        let doctor = fresh.pmisplicense(&["doctor"]);
        assert!(doctor.contains("\n0 problems, 0 warnings\n"), "{:?}: {doctor}", fresh.kind);
    });
}

/// Removed, even purged: settings, state and log stay, and it says so; installed again, nothing is bought twice.
#[test]
fn a_removal_keeps_settings_state_and_log() {
    each(|fresh, _, present| {
        fresh.install(present);
        let license = open(&fresh);
        fresh.reloads();
        let mut said = fresh.remove();
        fresh.assert_removed();
        assert_eq!(fresh.reloads(), RELOAD, "the panel forgets the module");
        if fresh.kind == Kind::Deb {
            assert!(fresh.there(CRON), "dpkg keeps what may have been changed");
            said = fresh.dpkg(&["--purge", NAME]);
        }
        assert!(!fresh.there(CRON) && !fresh.there("etc/logrotate.d/pmisplicense"), "{:?}", fresh.kind);
        for kept in [SETTINGS, STATE, LOG] {
            assert!(fresh.there(kept), "{:?}: {kept}", fresh.kind);
        }
        assert!(said.contains("kept /usr/local/mgr5/var/pmisplicense\n"), "{:?}: {said}", fresh.kind);
        fresh.install(present);
        assert_eq!((open(&fresh), fresh.test.upstream.billed("soft.order.param")), (license, 1));
    });
}

/// A panel that does not answer, and none at all, fail neither installation nor removal.
#[test]
fn a_panel_that_is_away_fails_no_installation_or_removal() {
    each(|fresh, _, present| {
        fresh.write_program(MGRCTL, "#!/bin/sh\nexit 1\n");
        let said = fresh.install(present);
        assert!(said.contains("the panel did not answer"), "{:?}: {said}", fresh.kind);
        fresh.remove();
        for tool in [MGRCTL, "usr/local/mgr5/sbin/xmlinstall"] {
            std::fs::remove_file(fresh.at(tool)).unwrap();
        }
        fresh.install(present);
        fresh.assert_installed();
        fresh.remove();
        fresh.assert_removed();
    });
}

/// A panel that hangs is waited for as long as is allowed, and fails neither installation nor removal.
#[test]
fn a_panel_that_hangs_is_waited_for_only_as_long_as_allowed() {
    each(|fresh, _, present| {
        fresh.write_program(MGRCTL, "#!/bin/sh\necho \"$@\" >> /tmp/asked\nexec sleep 50\n");
        let began = std::time::Instant::now();
        let said = fresh.install(present);
        assert!(said.contains("the panel did not answer"), "{:?}: {said}", fresh.kind);
        fresh.assert_installed();
        fresh.remove();
        fresh.assert_removed();
        assert_eq!(fresh.read("tmp/asked"), "-m billmgr exit\n".repeat(2), "{:?}", fresh.kind);
        assert!(began.elapsed() < std::time::Duration::from_secs(50), "{:?}: it was waited for", fresh.kind);
    });
}

/// Cron's lines of a package that was removed end quietly; of one that is there they run the program.
#[test]
fn the_lines_of_cron_end_quietly_without_the_program() {
    let cron = std::fs::read_to_string(repository().join("dist/pmisplicense.cron")).unwrap();
    let root = tempfile::tempdir().unwrap();
    let line = |word: &str, outcome: &str| {
        let line = cron.lines().find(|line| line.contains(word)).unwrap();
        let command = line.splitn(7, ' ').last().unwrap().replace("@MGR_ROOT@", &root.path().display().to_string());
        let output = Command::new("sh").args(["-c", &command]).output().unwrap();
        let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert_eq!(format!("{stdout}{stderr}"), outcome, "{command}");
    };
    line("sync >", "");
    line("sync --noted", "");
    let program = root.path().join("processing/pmisplicense");
    std::fs::create_dir_all(program.parent().unwrap()).unwrap();
    std::fs::write(&program, "#!/bin/sh\necho \"$@\" >> \"$0.ran\"; echo done; echo failed >&2; exit 1\n").unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    line("sync >", "failed\n");
    line("sync --noted", "");
    assert_eq!(std::fs::read_to_string(program.with_extension("ran")).unwrap(), "sync\nsync --noted\n");
}

/// Opens service 42; the number of its license.
fn open(fresh: &Fresh) -> String {
    if fresh.test.db.rows("SELECT id FROM item WHERE id = 42", ()).is_empty() {
        fresh.test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    }
    assert_eq!(fresh.pmisplicense(&["--command", "open", "--item", "42"]), "");
    fresh.test.item(42).param("licid").to_owned()
}
