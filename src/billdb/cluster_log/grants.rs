//! The rights of the log's user, as the server words them: which of them the log does not need.

/// What the log's user needs on its schema.
const NEEDED: [&str; 5] = ["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE"];

/// The part of a line of `SHOW GRANTS` that the log does not need, for people. `None`: it is needed, or gives nothing.
pub(super) fn needless(grant: &str, schema: &str) -> Option<String> {
    let rest = grant.strip_prefix("GRANT ")?;
    let plain = |text: &str| text.replace(['`', '\\'], "");
    let Some((rights, rest)) = rest.split_once(" ON ") else {
        // A role.
        return Some(plain(rest.split(" TO ").next().unwrap_or(rest)));
    };
    let (place, rest) = rest.split_once(" TO ").unwrap_or((rest, ""));
    let place = plain(place);
    let is_own = place == format!("{schema}.*");
    let is_needed = |right: &&str| *right == "USAGE" || (is_own && NEEDED.contains(right));
    let mut extra: Vec<&str> = rights.split(',').map(str::trim).filter(|right| !is_needed(right)).collect();
    if rest.contains("WITH GRANT OPTION") {
        extra.push("GRANT OPTION");
    }
    (!extra.is_empty()).then(|| format!("{} ON {place}", extra.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::needless;

    #[test]
    fn rights_that_the_log_does_not_need_are_named() {
        let needed = [
            "GRANT USAGE ON *.* TO `log`@`%` IDENTIFIED BY PASSWORD '*0'",
            "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON `my\\_log`.* TO `log`@`%`",
            "GRANT SELECT ON `my_log`.* TO `log`@`%`",
        ];
        assert!(needed.iter().all(|grant| needless(grant, "my_log").is_none()));
        for (grant, named) in [
            ("GRANT ALL PRIVILEGES ON `my_log`.* TO `log`@`%`", "ALL PRIVILEGES ON my_log.*"),
            ("GRANT SELECT, PROCESS ON *.* TO `log`@`%`", "SELECT, PROCESS ON *.*"),
            ("GRANT SELECT ON `other`.* TO `log`@`%`", "SELECT ON other.*"),
            ("GRANT SELECT ON `my_log`.* TO `log`@`%` WITH GRANT OPTION", "GRANT OPTION ON my_log.*"),
            ("GRANT `keeper` TO `log`@`%`", "keeper"),
        ] {
            assert_eq!(needless(grant, "my_log").as_deref(), Some(named));
        }
    }
}
