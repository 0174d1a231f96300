//! Checks of doctor: what starts sync by itself. Usually that is our file of cron. A line in another crontab, a script
//! in cron.hourly or a unit of systemd counts too.

use std::path::{Path, PathBuf};

use super::Checks;
use crate::text;

/// Where the installation puts the lines.
const FILE: &str = "/etc/cron.d/pmisplicense";

/// The places that may hold a line which starts sync: files, and folders whose files are read.
const PLACES: [&str; 8] = [
    "etc/crontab",
    "etc/cron.d",
    "etc/cron.hourly",
    "var/spool/cron",
    "var/spool/cron/crontabs",
    "etc/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];

/// The longest file that is read, in bytes. No administrator writes a longer one.
const FILE_BYTES: u64 = 1 << 20;

/// The lines of all places that name this program. What cannot be read counts as empty.
pub(super) fn lines(root: &Path) -> String {
    let mut found = String::new();
    for place in PLACES.map(|place| root.join(place)) {
        let files: Vec<PathBuf> = match std::fs::read_dir(&place) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(_) => vec![place],
        };
        for file in files {
            let is_short = std::fs::metadata(&file).is_ok_and(|meta| meta.is_file() && meta.len() <= FILE_BYTES);
            let text = if is_short { std::fs::read_to_string(&file).unwrap_or_default() } else { String::new() };
            found.extend(text.lines().filter(|line| line.contains("pmisplicense")).map(|line| format!("{line}\n")));
        }
    }
    found
}

/// Checks both lines: the hourly sync of everything, and the sync of noted services each minute.
pub(super) fn check(text: &str, checks: &mut Checks) {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let each_minute = lines.iter().any(|line| line.contains("pmisplicense sync --noted"));
    let hourly = lines.iter().any(|line| line.contains("pmisplicense sync") && !line.contains("--noted"));
    let next = || {
        text!(
            "install the package or run make install again; it is dist/pmisplicense.cron, in {FILE}",
            "установите пакет заново или выполните make install; это dist/pmisplicense.cron, в {FILE}"
        )
    };
    match (hourly, each_minute) {
        (true, true) => checks.ok("cron", text!("sync is started by itself", "sync запускается сам")),
        (false, _) => checks.warning(
            "cron",
            text!(
                "neither cron nor systemd starts sync: nothing is renewed or finished by itself",
                "ни cron, ни systemd не запускают sync: ничего не продлевается и не завершается само"
            ),
            next(),
        ),
        (true, false) => checks.warning(
            "cron",
            text!(
                "neither cron nor systemd starts sync --noted each minute: licenses of servers wait up to an hour",
                "ни cron, ни systemd не запускают sync --noted каждую минуту: лицензии серверов ждут до часа"
            ),
            next(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    /// The installed file has both lines. A missing line, and lines that are commented out, are noticed.
    #[test]
    fn a_missing_or_commented_line_of_cron_is_a_warning() {
        let shipped = include_str!("../../../dist/pmisplicense.cron");
        let level = |text: &str| {
            let mut checks = Checks::default();
            check(text, &mut checks);
            checks.0.first().map(|check| check.level)
        };
        let without =
            |what: fn(&&str) -> bool| shipped.lines().filter(|line| !what(line)).collect::<Vec<_>>().join("\n");
        assert_eq!(level(shipped), Some(Level::Ok));
        assert_eq!(level(&without(|line| line.contains("--noted"))), Some(Level::Warning));
        assert_eq!(level(&without(|line| line.starts_with("17 "))), Some(Level::Warning));
        assert_eq!(level(&shipped.replace("\n17 ", "\n#17 ")), Some(Level::Warning));
        assert_eq!(level(""), Some(Level::Warning));
    }

    /// A crontab of root and a unit of systemd start sync as well as our own file does.
    #[test]
    fn a_crontab_and_a_unit_of_systemd_are_found() {
        let level = |files: &[(&str, &str)]| {
            let root = tempfile::tempdir().expect("a folder");
            for (name, text) in files {
                let path = root.path().join(name);
                std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
                std::fs::write(path, text).expect("written");
            }
            let mut checks = Checks::default();
            check(&lines(root.path()), &mut checks);
            checks.0.first().map(|check| (check.level, check.what.en.contains("--noted")))
        };
        let (all, noted) = ("5 * * * * /usr/sbin/pmisplicense sync\n", "* * * * * pmisplicense sync --noted\n");
        let unit = "[Service]\nExecStart=/usr/local/sbin/pmisplicense sync\n";
        assert_eq!(level(&[]), Some((Level::Warning, false)));
        assert_eq!(level(&[("var/spool/cron/crontabs/root", &format!("{all}{noted}"))]), Some((Level::Ok, false)));
        assert_eq!(level(&[("var/spool/cron/root", all)]), Some((Level::Warning, true)));
        let by_systemd = [("etc/systemd/system/license-sync.service", unit), ("etc/crontab", noted)];
        assert_eq!(level(&by_systemd), Some((Level::Ok, false)));
    }
}
