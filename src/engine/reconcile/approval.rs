//! The guard in front of the remedies of reconcile: all remedies are counted together before the first one is carried
//! out (docs/money-safety.md 6). The types enforce this.

use crate::error::{ModuleError, Text};
use crate::plan::finding::{Finding, Remedy};
use crate::plan::guard::{Allow, Kind, held_back};
use crate::run_report::{Scope, named};

use crate::engine::guard::{By, held_back_error};
use crate::engine::{Engine, errors};

/// A finding that the guard let pass. It is not `Clone`, only [`Engine::guard`] makes it, and [`Engine::repair`]
/// consumes it. So a remedy that was counted once is carried out at most once.
///
/// ```compile_fail
/// use pmisplicense::engine::{Approved, Engine};
/// use pmisplicense::plan::finding::Finding;
///
/// async fn unguarded(engine: &mut Engine<'_>, finding: Finding) {
///     let _ = engine.repair(Approved(finding)).await;
/// }
/// ```
#[derive(Debug)]
pub struct Approved(Finding);

impl Approved {
    /// What is wrong, and what will be done.
    pub fn finding(&self) -> &Finding {
        &self.0
    }
}

impl Engine<'_> {
    /// Approves findings, if this number of them may be carried out at once (docs/money-safety.md 6). Only approved
    /// findings can be repaired.
    ///
    /// # Errors
    /// `config`: more orders and freed licenses than allowed, or a clock that is off by more than a day.
    pub fn guard(&mut self, findings: Vec<Finding>, allow: Allow) -> Result<Vec<Approved>, ModuleError> {
        self.check_clock()?;
        let weighty = || findings.iter().filter(|finding| finding.remedy.is_weighty());
        let bound = self.store.count_bound(self.account).map_err(errors::state)?;
        let kind = Kind::OrdersAndFrees;
        if let Some(held) = held_back(kind, weighty().count(), bound, self.rules.max_changes, allow) {
            let scope = |finding: &Finding| finding.item.map(Scope::Item).or(finding.license.map(Scope::License));
            return Err(held_back_error(By::Reconcile, held, &named(weighty().filter_map(scope))));
        }
        Ok(findings.into_iter().map(Approved).collect())
    }

    /// Carries out the remedy of one finding, once.
    ///
    /// # Errors
    /// What is certain, and what to do next.
    pub async fn repair(&mut self, approved: Approved) -> Result<Text, ModuleError> {
        let remedy = &approved.0.remedy;
        // The state may be old: the remedies complete it.
        self.with_locks(async |engine: &mut Self| match remedy {
            Remedy::TakeIn(license, item) => engine.take_in(*license, *item).await,
            Remedy::CompleteState(number) => engine.complete_state(*number).await,
            Remedy::Look(item) => engine.look(*item).await,
            Remedy::SwitchOff(license) => engine.switch_off(*license).await,
            Remedy::Free(license) => engine.free_now(*license).await,
            Remedy::Obtain(item) => engine.obtain(*item).await,
            Remedy::Operator(_) => Ok(remedy.describe()),
        })
        .await
    }
}
