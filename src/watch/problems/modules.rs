//! Modules whose sync fails as a whole. No service is named for that, so the state alone does not show it.

use super::{Kind, Problem, Problems, moment};
use crate::error::counted;
use crate::text;
use crate::watch::last_runs::LastRuns;

impl Problems {
    /// Adds the modules whose last sync failed as a whole: the settings name another account, the seller does not
    /// answer, the state is another machine's.
    pub fn add_failing_modules(&mut self, runs: &LastRuns) {
        for (module, sync) in &runs.syncs {
            let (failures, at) = (sync.failures, moment(sync.at));
            let failure = sync.failure.as_ref().filter(|_| failures > 0 && sync.is_of_module);
            let Some((en, ru)) = failure else { continue };
            let command = "pmisplicense doctor";
            self.list.push(Problem {
                kind: Kind::SyncFails,
                item: None,
                license: None,
                intent: None,
                since: sync.ended_well_at,
                what: text!(
                    ["module {module}: sync fails, {} in a row, last at {at}: {en}", counted(failures, "time")],
                    ["модуль {module}: sync завершается ошибкой, подряд: {failures}, последний раз {at}: {ru}"]
                ),
                next: text!(
                    "correct the cause; {command} names what else is wrong; then: pmisplicense sync",
                    "устраните причину; что ещё не так, покажет {command}; затем: pmisplicense sync"
                ),
                command: command.to_owned(),
            });
        }
        self.list.sort_by_key(|problem| (problem.kind, problem.since, problem.item, problem.license));
    }
}
