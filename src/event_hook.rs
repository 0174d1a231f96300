//! The event handler (docs/interface.md 4). It runs inside an operation of the panel, so it only notes the service in a
//! spool beside the state, prints `<doc/>`, and never fails. The next sync handles the noted services.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

use crate::model::ids::ItemId;
use crate::settings::{Environment, Settings, do_nothing};

/// The name with which the handler is started. It is a link to the program.
pub const HANDLER: &str = "pmisplicense-event";

/// The answer to the panel, whatever happens: without a document its own operation would fail.
pub const ANSWER: &str = "<doc/>\n";

/// Whether the program was started as the handler.
pub fn is_handler(program: &str) -> bool {
    Path::new(program).file_name().is_some_and(|name| name == HANDLER)
}

/// Notes a service, unless the panel is switched to doing nothing. Several events of one service are one note, because
/// sync reads the service itself.
pub fn note(environment: &Environment, item: &str) {
    // A broken settings file must not break the panel's operation. The default paths are used then.
    let settings = Settings::load(environment, None).unwrap_or_else(|_| Settings::without_file(environment, None));
    if do_nothing(&environment.root()) || do_nothing(&settings.root) {
        return;
    }
    let digits = !item.is_empty() && item.bytes().all(|b| b.is_ascii_digit());
    if let Some(id) = item.parse::<ItemId>().ok().filter(|id| digits && id.0 > 0) {
        let spool = settings.spool();
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&spool);
        let file =
            || OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(spool.join(id.to_string()));
        // If a note is lost, sync finds the service anyway. So the file is not synced to the disk, which may take
        // longer than the panel's operation waits. An empty file cannot be incomplete.
        let _ = made.and_then(|()| file());
    }
}

/// The noted services, and when each was noted.
pub fn notes(settings: &Settings) -> BTreeMap<ItemId, SystemTime> {
    let Ok(entries) = std::fs::read_dir(settings.spool()) else { return BTreeMap::new() };
    let read = |entry: std::fs::DirEntry| {
        let item = entry.file_name().to_str()?.parse::<ItemId>().ok()?;
        Some((item, entry.metadata().ok()?.modified().ok()?))
    };
    entries.flatten().filter_map(read).collect()
}

/// Removes a note that was carried out, unless it was written again in the meantime.
pub fn forget(settings: &Settings, item: ItemId, written: SystemTime) {
    let path = settings.spool().join(item.to_string());
    let now = std::fs::metadata(&path).and_then(|about| about.modified());
    if now.is_ok_and(|now| now == written) {
        // A note that stays is carried out again, which does no harm.
        let _ = std::fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The handler is recognised by its name, in any folder.
    #[test]
    fn the_handler_is_recognised_by_its_name_in_any_folder() {
        assert!(is_handler("/usr/local/mgr5/addon/pmisplicense-event") && is_handler("pmisplicense-event"));
        assert!(!is_handler("pmisplicense") && !is_handler("/x/pmisplicense-event/pmisplicense"));
    }

    /// It notes only numbers, whatever the settings are, and notes nothing under DoNothing.
    #[test]
    fn the_handler_notes_only_numbers_and_nothing_under_do_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let environment = Environment { root: Some(folder.path().into()), ..Environment::default() };
        for item in ["42", "42", "", "../7", "4 2", "0", "+5", "99999999999"] {
            note(&environment, item);
        }
        let spool = folder.path().join("var/pmisplicense/spool");
        let names: Vec<_> = std::fs::read_dir(&spool).expect("the spool").flatten().map(|e| e.file_name()).collect();
        assert_eq!(names, ["42"]);
        std::fs::create_dir_all(folder.path().join("etc")).expect("etc");
        std::fs::write(folder.path().join("etc/pmisplicense.toml"), "broken").expect("settings");
        note(&environment, "43");
        std::fs::write(folder.path().join("etc/billmgr.DoNothing"), "").expect("the switch");
        note(&environment, "44");
        assert!(spool.join("43").exists() && !spool.join("44").exists());
    }
}
