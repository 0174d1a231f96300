//! The findings of the last runs: when and how each module's sync ended, the balance that was read last, the
//! differences that the last reconcile named, and the last backup. They are in a small file beside the state,
//! `last_runs.json`, because a pass with nothing new writes nothing to the state. No decision depends on this file, and
//! its loss does no harm.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::durable::{self, FileError};
use crate::error::Text;
use crate::model::ids::ModuleId;
use crate::model::license::Money;
use crate::settings::Settings;

/// Most differences that are kept. The numbers by kind count all of them.
const KEPT: usize = 1000;

/// The longest file that is read, in bytes.
const FILE_BYTES: u64 = 4 << 20;

/// The findings of the last runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LastRuns {
    /// The last sync of each module.
    pub syncs: BTreeMap<u32, LastSync>,
    /// The balance that was read last, by module.
    pub balances: BTreeMap<u32, LastBalance>,
    /// The differences that the last reconcile named.
    pub reconcile: Option<LastReconcile>,
    /// The last backup.
    pub backup: Option<LastBackup>,
}

/// The last sync of a module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastSync {
    /// When it ended (UTC).
    pub at: DateTime<Utc>,
    /// When the last one ended without a failure (UTC).
    pub ended_well_at: Option<DateTime<Utc>>,
    /// The number of syncs that ended with a failure since then.
    pub failures: u32,
    /// The first failure of the last one, in English and Russian.
    pub failure: Option<(String, String)>,
    /// Whether that failure concerns the whole module, not one service or license of it.
    #[serde(default)]
    pub is_of_module: bool,
}

/// A balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastBalance {
    /// When it was read (UTC).
    pub at: DateTime<Utc>,
    /// Minor units.
    pub minor: i64,
    /// ISO code.
    pub currency: String,
}

impl LastBalance {
    /// The amount.
    pub fn money(&self) -> Money {
        Money { minor: self.minor, currency: self.currency.clone() }
    }
}

/// The differences that a reconcile named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastReconcile {
    /// When (UTC).
    pub at: DateTime<Utc>,
    /// The number of differences of each kind that were left.
    pub kinds: BTreeMap<String, u32>,
    /// The first of them.
    pub differences: Vec<SeenDifference>,
}

/// A difference that was left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenDifference {
    /// Its kind.
    pub kind: String,
    /// The module that it is about; 0 in a file of a version that did not say.
    #[serde(default)]
    pub module: u32,
    /// The service.
    pub item: Option<u32>,
    /// The license.
    pub license: Option<u32>,
    /// What differs, in English and Russian.
    pub what: (String, String),
    /// What would be done, in English and Russian.
    pub remedy: (String, String),
    /// What the license costs a month, in words.
    pub cost: Option<String>,
    /// The command.
    pub command: Option<String>,
}

impl SeenDifference {
    /// What tells it from the others, in this reconcile and in the next one.
    pub fn id(&self) -> String {
        let number = |number: Option<u32>| number.map_or_else(String::new, |number| number.to_string());
        format!("{}.{}.{}.{}", self.kind, self.module, number(self.item), number(self.license))
    }
}

/// A backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastBackup {
    /// When (UTC).
    pub at: DateTime<Utc>,
    /// Where.
    pub file: PathBuf,
}

/// The file.
pub fn path(settings: &Settings) -> PathBuf {
    settings.state_folder().join("last_runs.json")
}

impl LastRuns {
    /// Reads the file. If it is missing or cannot be read, the result is empty.
    pub fn read(path: &Path) -> Self {
        let is_small = std::fs::metadata(path).is_ok_and(|file| file.len() <= FILE_BYTES);
        let bytes = if is_small { std::fs::read(path).unwrap_or_default() } else { Vec::new() };
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Reads the file, lets `change` do its work, and replaces the file by the result. Without a folder nothing is
    /// saved.
    ///
    /// # Errors
    /// The file cannot be written. The old one is unchanged.
    pub fn change(path: &Path, change: impl FnOnce(&mut Self)) -> Result<(), FileError> {
        if !path.parent().is_some_and(Path::is_dir) {
            return Ok(());
        }
        let mut all = Self::read(path);
        change(&mut all);
        durable::replace(path, 0o600, |new| {
            let text = serde_json::to_string(&all).unwrap_or_default();
            std::fs::write(new, text).map_err(FileError::at(new))
        })
    }

    /// A sync of a module ended, well or with a failure. `is_of_module`: the failure concerns the whole module.
    pub fn sync_ended(&mut self, module: ModuleId, at: DateTime<Utc>, failure: Option<&Text>, is_of_module: bool) {
        let sync = self.syncs.entry(module.0).or_default();
        (sync.at, sync.is_of_module) = (at, is_of_module);
        match failure {
            None => (sync.ended_well_at, sync.failures, sync.failure) = (Some(at), 0, None),
            Some(why) => {
                sync.failures = sync.failures.saturating_add(1);
                sync.failure = Some((why.en.clone(), why.ru.clone()));
            }
        }
    }

    /// A balance was read.
    pub fn balance_seen(&mut self, module: ModuleId, at: DateTime<Utc>, balance: &Money) {
        let Money { minor, currency } = balance.clone();
        self.balances.insert(module.0, LastBalance { at, minor, currency });
    }

    /// Whether anything is known of a module other than these.
    pub fn knows_others(&self, in_use: &[ModuleId]) -> bool {
        self.syncs.keys().chain(self.balances.keys()).any(|module| !in_use.contains(&ModuleId(*module)))
    }

    /// Forgets all modules but these.
    pub fn forget_others(&mut self, in_use: &[ModuleId]) {
        self.syncs.retain(|module, _| in_use.contains(&ModuleId(*module)));
        self.balances.retain(|module, _| in_use.contains(&ModuleId(*module)));
    }

    /// A reconcile ended and left these differences.
    pub fn reconciled(&mut self, at: DateTime<Utc>, mut differences: Vec<SeenDifference>) {
        let mut kinds: BTreeMap<String, u32> = BTreeMap::new();
        for one in &differences {
            *kinds.entry(one.kind.clone()).or_default() += 1;
        }
        differences.truncate(KEPT);
        self.reconcile = Some(LastReconcile { at, kinds, differences });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;

    /// Failures are counted from the last pass that succeeded. A file that cannot be read counts as empty.
    #[test]
    fn failures_count_from_the_last_good_sync_pass() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("last_runs.json");
        let at = |seconds| DateTime::from_timestamp(seconds, 0).expect("a moment");
        let ended = |seconds, failure: Option<&Text>| {
            LastRuns::change(&path, |all| all.sync_ended(ModuleId(7), at(seconds), failure, false)).expect("written");
            LastRuns::read(&path).syncs[&7].clone()
        };
        assert_eq!(ended(1, None).failures, 0);
        let why = text!("no", "нет");
        ended(2, Some(&why));
        let last = ended(3, Some(&why));
        assert_eq!((last.at, last.ended_well_at, last.failures), (at(3), Some(at(1)), 2));
        assert_eq!(ended(4, None).failures, 0);
        std::fs::write(&path, "junk").expect("written");
        assert_eq!(LastRuns::read(&path), LastRuns::default());
        // No folder: nothing to remember, and none is made.
        let nowhere = folder.path().join("no/last_runs.json");
        LastRuns::change(&nowhere, |all| all.sync_ended(ModuleId(7), at(1), None, false)).expect("nothing to do");
        assert!(!nowhere.exists());
    }
}
