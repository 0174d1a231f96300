//! One module of a `reconcile` at the terminal: the comparison with its progress, the questions, and the remedies one
//! after the other.

use std::collections::BTreeMap;

use super::{Apply, Outcome, busy_with, is_old, only_together, question};
use crate::admin::progress::Bar;
use crate::engine::{Allow, Approved, Engine, run_to_end};
use crate::error::{Lang, ModuleError};
use crate::model::ids::ModuleId;
use crate::model::license::Money;
use crate::plan::finding::{Finding, Remedy};

/// Where an operator reads the progress and is asked.
pub(super) struct Terminal<'t, 'a> {
    pub(super) lang: Lang,
    pub(super) bar: Bar,
    pub(super) tell: &'t mut dyn FnMut(&str),
    /// `None`: nobody is asked, and every remedy is carried out.
    pub(super) ask: &'t mut Option<&'a mut dyn FnMut(&str) -> bool>,
}

impl Terminal<'_, '_> {
    /// The differences of a module.
    pub(super) fn survey(&mut self, engine: &mut Engine<'_>, module: ModuleId) -> Result<Vec<Finding>, ModuleError> {
        let findings = run_to_end(engine.survey(&mut |progress| {
            let words = busy_with(module, progress.phase);
            self.bar.draw(self.tell, words.in_lang(self.lang), progress.done, progress.total);
        }));
        self.bar.clear(self.tell);
        findings
    }

    /// Carries out the remedies that `apply` covers. The other differences are only named.
    pub(super) fn put_right(
        &mut self,
        engine: &mut Engine<'_>,
        module: ModuleId,
        findings: Vec<Finding>,
        (apply, allow): (Apply<'_>, Allow),
        balance: Option<&Money>,
    ) -> Result<Vec<(Finding, Outcome)>, ModuleError> {
        let (wanted, named): (Vec<_>, Vec<_>) = findings.into_iter().partition(|finding| apply.covers(module, finding));
        if wanted.is_empty() && !matches!(apply, Apply::All) {
            return Ok(only_named(named));
        }
        let sum = Finding::bill(wanted.iter()).sentence(balance);
        if !sum.en.is_empty() {
            (self.tell)(&format!("{}\n", sum.in_lang(self.lang)));
        }
        let is_old = is_old(&named, &wanted);
        if matches!(apply, Apply::Only(_) | Apply::Chosen(_)) && is_old {
            return Err(only_together(module));
        }
        let approved = engine.guard(wanted, allow)?;
        let mut done = only_named(named);
        done.extend(self.carry_out(engine, approved, is_old));
        Ok(done)
    }

    /// The differences of an old state belong together, so nobody is asked about them. An answer holds for all
    /// differences with the same remedy, which is carried out once.
    fn carry_out(&mut self, engine: &mut Engine<'_>, approved: Vec<Approved>, is_old: bool) -> Vec<(Finding, Outcome)> {
        let (mut done, total) = (Vec::new(), approved.len());
        let mut results: BTreeMap<Remedy, Result<String, String>> = BTreeMap::new();
        for (number, approved) in (1..).zip(approved) {
            let finding = approved.finding().clone();
            let is_asked = !is_old && !results.contains_key(&finding.remedy);
            if matches!(finding.remedy, Remedy::Operator(_)) || (is_asked && !self.agrees(&finding)) {
                done.push((finding, Outcome::Named));
                continue;
            }
            (self.tell)(&format!("{number}/{total} {}\n", finding.remedy_words().in_lang(self.lang)));
            let result = results.entry(finding.remedy.clone());
            let result = result.or_insert_with(|| repaired(engine, approved, self.lang)).clone();
            done.push((finding, result.map_or_else(Outcome::Failed, Outcome::Done)));
        }
        done
    }

    fn agrees(&mut self, finding: &Finding) -> bool {
        match self.ask.as_mut() {
            Some(ask) => ask(question(finding).in_lang(self.lang)),
            None => true,
        }
    }
}

/// The balance, if something is to be bought and the seller tells it.
pub(super) fn balance_for(engine: &mut Engine<'_>, findings: &[Finding]) -> Result<Option<Money>, ModuleError> {
    if Finding::bill(findings.iter()).is_free() {
        return Ok(None);
    }
    run_to_end(engine.balance_known())
}

fn only_named(findings: Vec<Finding>) -> Vec<(Finding, Outcome)> {
    findings.into_iter().map(|finding| (finding, Outcome::Named)).collect()
}

fn repaired(engine: &mut Engine<'_>, approved: Approved, lang: Lang) -> Result<String, String> {
    match run_to_end(engine.repair(approved)) {
        Ok(text) => Ok(text.in_lang(lang).to_owned()),
        Err(error) => Err(error.message.in_lang(lang).to_owned()),
    }
}
