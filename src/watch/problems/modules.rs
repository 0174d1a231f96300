//! Problems of modules that the state alone does not show: modules whose sync fails as a whole, and licenses that
//! deleted modules left behind.

use super::{Kind, Problem, Problems, moment};
use crate::engine::Former;
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
        self.sort();
    }

    /// Adds the licenses of modules that the panel has no more, and whose account no other module buys from. Our state
    /// still remembers such a module as a buyer. `former`: the former accounts according to the panel.
    pub fn add_deleted_modules(&mut self, former: &[Former]) {
        for one in former.iter().filter(|one| !one.in_panel) {
            // The state names the account already when its module changed to another one before it was deleted.
            if !self.former.contains(&one.account.id) {
                let ((what, next), command) = (one.words(), format!("pmisplicense list --module {}", one.module));
                let kind = Kind::FormerAccount;
                let problem =
                    Problem { kind, item: None, license: None, intent: None, since: None, what, next, command };
                self.list.push(problem);
            }
        }
        self.former.extend(former.iter().map(|one| one.account.id));
        self.sort();
    }
}
