//! Services that show a license which our state does not hold for them: our state is old or lost, somebody else
//! ordered the license, or the panel copied a service under another number. A license that they show is not freed, and
//! no other one is bought for them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Binding, Comparison, Finding, ItemView, Kind, Remedy, command};
use crate::error::counted;
use crate::model::ids::{ItemId, LicenseId, Mark, PanelId};
use crate::plan::identity::Shown;
use crate::text;

/// What a service shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Show {
    item: ItemId,
    license: LicenseId,
    /// Whether the service holds another license.
    holds: Binding,
    /// `Some`: our state has the license, for the service inside or for nobody. `None`: our state does not know it.
    of: Option<Option<ItemId>>,
}

impl Comparison<'_> {
    /// A service that is not deleted and shows a license of ours, which our state has for another service.
    pub fn heir(&mut self, license: LicenseId, item: ItemId) {
        self.heirs.insert(license, item);
    }

    pub(super) fn note_show(&mut self, view: &ItemView) {
        let (license, of) = match view.shown {
            Shown::Nothing | Shown::Own | Shown::Former => return,
            Shown::Elsewhere(license, holder) => (license, Some(holder)),
            Shown::Unknown(license) => (license, None),
        };
        if of.is_some() {
            self.heirs.insert(license, view.item.id);
        }
        // What is shown belongs to another account, where nobody can look now.
        if view.buys_elsewhere && view.holds == Binding::Present {
            return;
        }
        self.shows.push(Show { item: view.item.id, license, holds: view.holds, of });
    }

    /// Adds a finding for each service that shows a license which our state does not hold for it. Withdraws remedies
    /// that would free such a license or buy another one.
    pub(super) fn shown_unbound(&mut self) {
        let mut decided = BTreeSet::new();
        self.lost_state();
        for show in std::mem::take(&mut self.shows) {
            let Show { item, license, .. } = show;
            if self.dead.contains(&license) {
                self.heirs.remove(&license);
                continue;
            }
            let unknown = self.unknown.get(&license).cloned();
            if show.of.is_some() || unknown.as_ref().is_some_and(|unknown| unknown.is_foreign) {
                decided.insert(item);
            }
            if self.is_named(license, item) {
                continue;
            }
            let take_from = match (show.of, &unknown) {
                // Not listed, or added to our state by another remedy: nothing to decide.
                (None, None) => continue,
                (None, Some(unknown)) if !unknown.is_foreign => continue,
                (_, Some(unknown)) => {
                    unknown.theirs.as_ref().map(|mark| format!(" --take-from {}", mark.panel().as_str()))
                }
                (Some(_), None) => None,
            };
            let what = match show.of {
                None => text!(
                    "service {item} shows license {license}, which this state does not know",
                    "услуга {item} показывает лицензию {license}, которой нет в состоянии"
                ),
                Some(None) => text!(
                    "service {item} shows license {license}, which this state has as free",
                    "услуга {item} показывает лицензию {license}, которая в состоянии числится свободной"
                ),
                Some(Some(holder)) => text!(
                    "service {item} shows license {license}, which this state holds for service {holder}",
                    "услуга {item} показывает лицензию {license}, которая в состоянии числится за услугой {holder}"
                ),
            };
            let take_from = take_from.unwrap_or_default();
            match show.holds {
                Binding::Elsewhere => {
                    let then = text!(
                        "free the license of the other account that this state holds for the service. Then: pmisplicense bind {item} {license}{take_from}",
                        "освободить лицензию другой учётной записи, которая в состоянии числится за услугой. Затем: pmisplicense bind {item} {license}{take_from}"
                    );
                    let unbind = command(format_args!("unbind {item}"));
                    self.add_with_step(Kind::Shown, (item, Some(license)), what, (unbind, then));
                }
                Binding::Present | Binding::Former | Binding::Nothing => {
                    let replace = if show.holds == Binding::Present { " --replace" } else { "" };
                    let remedy = command(format_args!("bind {item} {license}{take_from}{replace}"));
                    self.add(Kind::Shown, Some(item), Some(license), what, remedy);
                }
            }
        }
        // Before an operator says which license is theirs, nothing is bought for these services and nothing is saved to
        // them.
        let waits = |finding: &Finding| {
            let is_of_it = finding.item.is_some_and(|item| decided.contains(&item));
            is_of_it && (finding.kind == Kind::NoLicense || finding.kind == Kind::Key)
        };
        self.list.retain(|finding| !waits(finding));
        let heirs = std::mem::take(&mut self.heirs);
        for finding in &mut self.list {
            let heir = finding.license.and_then(|license| Some((license, *heirs.get(&license)?)));
            // `Remedy::Look` would hand the license's own service the key that another service shows.
            let is_handed_out = |license| matches!(finding.remedy, Remedy::Look(_)) && self.unshown.contains(&license);
            if let Some((license, heir)) = heir
                && (takes_away(finding) || is_handed_out(license))
            {
                finding.leave_to_operator(command(format_args!("bind {heir} {license}")));
            }
        }
    }

    /// A state that never gave out a mark, while services show licenses that were marked for these very services: the
    /// state of this installation is lost, and another id took its place. Nothing is bought before an operator decides.
    fn lost_state(&mut self) {
        if self.facts.last_number > 0 {
            return;
        }
        let mut shown: BTreeMap<PanelId, u32> = BTreeMap::new();
        for show in &self.shows {
            let mark = self.unknown.get(&show.license).and_then(|unknown| unknown.theirs.as_ref());
            if let Some(Mark::Order { panel, item, .. }) = mark
                && *item == show.item
            {
                *shown.entry(panel.clone()).or_default() += 1;
            }
        }
        for (panel, count) in &shown {
            let id = panel.as_str();
            let what = text!(
                [
                    "this state has ordered nothing, but the panel has {} of this module with licenses that installation {id} marked for them. The state of that installation is lost here",
                    counted(count, "service")
                ],
                [
                    "это состояние ничего не заказывало, но в панели есть услуги этого модуля с лицензиями, которые для них пометила установка {id} (услуг: {count}). Состояние той установки здесь потеряно"
                ]
            );
            self.add(Kind::LostState, None, None, what, adopting(panel));
        }
        let Some(panel) = shown.keys().next() else { return };
        for finding in &mut self.list {
            if matches!(finding.remedy, Remedy::Obtain(_)) {
                finding.leave_to_operator(adopting(panel));
            }
        }
    }

    /// Adds a finding for a license of one service that another one shows as well.
    pub(super) fn two_items(&mut self) {
        for (id, item) in std::mem::take(&mut self.shown_twice) {
            let holder = self.holders.get(&id).copied();
            if Some(item) == holder {
                continue;
            }
            let owner = holder.map_or_else(|| "-".to_owned(), |item| item.to_string());
            let what = text!(
                "service {item} shows license {id} of service {owner}",
                "услуга {item} показывает лицензию {id} услуги {owner}"
            );
            let step = text!(
                "you decide: if it is not service {item}'s license: pmisplicense unbind {item}; if it is: pmisplicense bind {item} {id}",
                "решать вам: если это не лицензия услуги {item}: pmisplicense unbind {item}; если её: pmisplicense bind {item} {id}"
            );
            let unbind = command(format_args!("unbind {item}"));
            self.add_with_step(Kind::TwoItems, (item, Some(id)), what, (unbind, step));
        }
    }

    /// Whether a finding names service and license together already: two services show it, or it has our mark for this
    /// one.
    fn is_named(&self, license: LicenseId, item: ItemId) -> bool {
        self.list.iter().any(|finding| {
            let is_freed = finding.remedy == Remedy::TakeIn(license, None);
            (finding.kind == Kind::TwoItems || (finding.kind == Kind::Unclaimed && !is_freed))
                && finding.license == Some(license)
                && finding.item == Some(item)
        })
    }
}

/// The command that says which installation this one was before its state was lost.
pub fn adopting(panel: &PanelId) -> Remedy {
    command(format_args!("state adopt {}", panel.as_str()))
}

/// Whether the remedy of a finding would take the license from the service that shows it.
fn takes_away(finding: &Finding) -> bool {
    match (&finding.remedy, finding.kind) {
        (Remedy::Free(_) | Remedy::TakeIn(_, None), _) => true,
        (
            Remedy::Operator(_),
            Kind::NoItem | Kind::OtherIncarnation | Kind::OtherClient | Kind::NotFree | Kind::GivenBack,
        ) => true,
        (
            Remedy::TakeIn(_, Some(_))
            | Remedy::CompleteState(_)
            | Remedy::Look(_)
            | Remedy::SwitchOff(_)
            | Remedy::Obtain(_)
            | Remedy::Operator(_),
            _,
        ) => false,
    }
}
