//! The scripts of dist/ themselves: the same input gives the same bytes, a program for too new a system is refused, the
//! files of `make install`, and the licenses of the crates that are part of the packages.
use super::{NAME, TARGET, missing, repository, run};
use crate::support::skipped;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// Packed twice, in two places, under two umasks and at two times: the same sums.
#[test]
fn packing_twice_gives_the_same_bytes() {
    if let Some(why) = missing() {
        return skipped(&format!("nothing is packed here: {why}"));
    }
    let work = tempfile::tempdir().unwrap();
    // The packing does not care what the program is, only that it prints its manual and completions.
    let program = work.path().join("pmisplicense");
    fs::write(&program, "#!/bin/sh\necho \"$@\"\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let sums = |place: &str, umask: &str| {
        let out = work.path().join(place);
        let script = format!("umask {umask} && exec \"$0\" \"$@\"");
        let mut packing = Command::new("sh");
        packing.args(["-c", &script]).arg(repository().join("dist/package.sh"));
        run(packing.arg(&program).arg(TARGET).arg(&out).env("SOURCE_DATE_EPOCH", "1795305600"));
        fs::read_to_string(out.join("SHA256SUMS")).unwrap()
    };
    let first = sums("first", "022");
    // The next second of the clock, which is what archives write down.
    let second = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let before = second();
    while second() == before {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(first, sums("another/second", "077"));
    let version = env!("CARGO_PKG_VERSION");
    for file in [
        format!("{NAME}-{version}-x86_64.tar.gz"),
        format!("{NAME}_{version}_amd64.deb"),
        format!("{NAME}-{version}-1.x86_64.rpm"),
    ] {
        assert!(first.contains(&file), "{file} in {first}");
    }
}

/// A program that wants a newer glibc than allowed is named and refused; one that names none at all, too.
#[test]
fn a_program_that_needs_a_newer_glibc_is_refused() {
    let check = |program: &Path, version: &str| {
        let script = repository().join("dist/glibc.sh");
        let output = Command::new(script).arg(program).arg(version).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let program = crate::support::program_exe();
    assert_eq!(check(&program, "99.1"), (true, String::new()));
    let (fine, why) = check(&program, "2.2");
    assert!(!fine && why.contains("needs GLIBC_2.") && why.contains("more than GLIBC_2.2\n"), "{why}");
    let work = tempfile::tempdir().unwrap();
    let text = work.path().join("text");
    fs::write(&text, "not a program").unwrap();
    assert!(!check(&text, "99.1").0);
}

/// `make install` into a folder: the same files, first settings that are never overwritten, and removed again.
#[test]
fn make_install_installs_the_same_files_and_overwrites_no_settings() {
    let home = tempfile::tempdir().unwrap();
    let at = |path: &str| home.path().join(path);
    let make = |target: &str| {
        let mut make = Command::new("make");
        make.current_dir(repository()).args(["--silent", target, "CARGO=true"]);
        make.arg(format!("DESTDIR={}", home.path().display()));
        run(make.arg(format!("PROGRAM={}", crate::support::program_exe().display())))
    };
    let settings = at("usr/local/mgr5/etc/pmisplicense.toml");
    make("install");
    assert_eq!(fs::metadata(&settings).unwrap().permissions().mode() & 0o777, 0o600);
    let pages =
        ["usr/local/mgr5/addon/pmisplicense-pages", "usr/local/mgr5/etc/xml/billmgr_mod_pmisplicense_pages.xml"]
            .map(at);
    assert!(pages.iter().all(|path| path.exists()));
    let own = "on_close = \"stop\"\npages = false\n";
    fs::write(&settings, own).unwrap();
    fs::create_dir_all(at("usr/local/mgr5/var/pmisplicense")).unwrap();
    let (cron, logrotate) = (at("etc/cron.d/pmisplicense"), at("etc/logrotate.d/pmisplicense"));
    let shipped = fs::read_to_string(&cron).unwrap();
    let edited = shipped.replace("\n17 ", "\n23 ");
    fs::write(&cron, &edited).unwrap();
    let said = make("install");
    assert_eq!(fs::read_to_string(&settings).unwrap(), own);
    assert!(pages.iter().all(|path| path.symlink_metadata().is_err()), "pages = false");
    let beside = |file: &Path| file.with_extension("rpmnew");
    assert!(said.contains(&format!("the new one is {}", beside(&cron).display())), "{said}");
    assert_eq!([&cron, &beside(&cron)].map(|file| fs::read_to_string(file).unwrap()), [edited, shipped]);
    assert!(logrotate.exists() && !beside(&logrotate).exists());
    let shown = run(Command::new(at("usr/local/sbin/pmisplicense")).arg("--version"));
    assert!(shown.starts_with("pmisplicense "), "{shown}");
    assert!(at("usr/local/share/man/man8/pmisplicense.8.gz").exists());
    make("uninstall");
    let left = run(Command::new("find").arg(home.path()).args(["!", "-type", "d"]));
    assert_eq!(left.trim(), settings.display().to_string());
    assert!(at("usr/local/mgr5/var/pmisplicense").exists());
}
