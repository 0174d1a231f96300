//! Checks of doctor: the lines of cron, without which no sync runs.

use super::Checks;
use crate::text;

/// Where cron looks.
pub(super) const FILE: &str = "/etc/cron.d/pmisplicense";

/// Checks both lines of cron: the hourly sync of everything, and the sync of noted services each minute.
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
        (true, true) => checks.ok("cron", text!("cron runs sync", "cron запускает sync")),
        (false, _) => checks.warning(
            "cron",
            text!(
                "cron does not run sync: nothing is renewed or finished by itself",
                "cron не запускает sync: ничего не продлевается и не завершается само"
            ),
            next(),
        ),
        (true, false) => checks.warning(
            "cron",
            text!(
                "cron does not run sync --noted each minute: licenses of servers wait up to an hour",
                "cron не запускает sync --noted каждую минуту: лицензии серверов ждут до часа"
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
}
