//! Everything that waits for an operator, as one list: `list --problems`, `show`, `doctor`, the pages and the metrics
//! read it here. Each problem has a stable word, what happened, and one whole command that can be pasted. It is made
//! from the state alone, and its size does not depend on how many licenses there are.

mod modules;
mod wording;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

use crate::engine::state_error;
use crate::error::{Lang, ModuleError, Text};
use crate::model::ids::{AccountId, IntentId, ItemId, LicenseId};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::plan::reason::asked;
use crate::store::{Store, WaitsFor};
use crate::text;

use wording::{former, gone, of_intent, of_license, sync_fails, used_by_others};

/// A key, a payment or the end of a claim that is missing for this long needs an operator.
const LATE_HOURS: i64 = 1;

/// Freeing that is overdue for this long needs an operator, because hourly passes did not finish it.
const OVERDUE_HOURS: i64 = 2;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A request was sent, and nobody can find out whether it was carried out: an operator decides.
    HandedOver,
    /// Passes of sync fail for a service.
    SyncFails,
    /// The license of a service is gone at the seller.
    Gone,
    /// A license has no key.
    KeyLate,
    /// The seller waits for the payment of a license.
    Unpaid,
    /// Licenses are bound with an account that no module buys from.
    FormerAccount,
    /// A request was sent, and its outcome is not known yet.
    InDoubt,
    /// The seller refused a purchase, or a purchase was held back because of such a refusal.
    Refused,
    /// A claim has not ended: preparing a license for a service was not finished.
    Claimed,
    /// A license was to be freed long ago.
    ToFree,
    /// A license in the pool, or one that was put aside, is in use.
    NotFree,
}

impl Kind {
    /// All kinds, the worst first.
    pub const ALL: [Self; 11] = [
        Self::HandedOver,
        Self::SyncFails,
        Self::Gone,
        Self::KeyLate,
        Self::Unpaid,
        Self::FormerAccount,
        Self::InDoubt,
        Self::Refused,
        Self::Claimed,
        Self::ToFree,
        Self::NotFree,
    ];

    /// The stable word.
    pub fn word(self) -> &'static str {
        match self {
            Self::HandedOver => "handed_over",
            Self::SyncFails => "sync_fails",
            Self::Gone => "gone",
            Self::KeyLate => "key_late",
            Self::Unpaid => "unpaid",
            Self::FormerAccount => "former_account",
            Self::InDoubt => "doubt",
            Self::Refused => "refused",
            Self::Claimed => "claimed",
            Self::ToFree => "to_free",
            Self::NotFree => "not_free",
        }
    }

    /// Whether a client may be without a license, or money may be lost, until an operator acts. The other kinds may end
    /// without an operator.
    pub fn is_urgent(self) -> bool {
        match self {
            Self::HandedOver | Self::SyncFails | Self::Gone | Self::KeyLate | Self::Unpaid | Self::FormerAccount => {
                true
            }
            Self::InDoubt | Self::Refused | Self::Claimed | Self::ToFree | Self::NotFree => false,
        }
    }
}

/// One thing that waits for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub kind: Kind,
    /// The service that it concerns.
    pub item: Option<ItemId>,
    /// The license that it concerns, with its account.
    pub license: Option<(AccountId, LicenseId)>,
    /// The request whose outcome is not known.
    pub intent: Option<IntentId>,
    /// Since when (UTC), where that is known.
    pub since: Option<DateTime<Utc>>,
    /// What happened.
    pub what: Text,
    /// What to do, with every command that may be needed.
    pub next: Text,
    /// The command to begin with. It can be pasted unchanged.
    pub command: String,
}

/// All problems of a state.
#[derive(Debug, Clone, Default)]
pub struct Problems {
    list: Vec<Problem>,
    of_license: BTreeMap<(AccountId, LicenseId), BTreeSet<&'static str>>,
    of_item: BTreeMap<ItemId, BTreeSet<&'static str>>,
    former: BTreeSet<AccountId>,
}

impl Problems {
    /// Reads all problems from the state alone. A service that was closed after a refusal still counts; see
    /// [`Problems::forget_closed`].
    ///
    /// # Errors
    /// `state`
    pub fn read(store: &Store, now: DateTime<Utc>) -> Result<Self, ModuleError> {
        let mut all = Self::default();
        for intent in store.open_intents().map_err(state_error)? {
            all.add(of_intent(&intent));
        }
        let late = Duration::hours(LATE_HOURS);
        for row in store.waiting_licenses(now, late, Duration::hours(OVERDUE_HOURS)).map_err(state_error)? {
            of_license(&row, row.age(now) > late).into_iter().for_each(|problem| all.add(problem));
        }
        for row in store.used_by_others(now.date_naive()).map_err(state_error)? {
            all.add(used_by_others(&row));
        }
        let mut without: BTreeSet<ItemId> = BTreeSet::new();
        for row in store.gone_licenses().map_err(state_error)? {
            without.extend(row.item);
            all.add(gone(&row));
        }
        // A service is named once: sync fails because its license is gone, or because a purchase was refused.
        let mut refused = refused(store)?;
        for trouble in store.troubles(None).map_err(state_error)? {
            if !without.contains(&trouble.item) {
                let is_refused = refused.remove(&trouble.item).is_some();
                all.add(sync_fails(&trouble, is_refused));
            }
        }
        refused.into_values().for_each(|problem| all.add(problem));
        for account in store.unused_accounts(now.date_naive()).map_err(state_error)? {
            all.former.insert(account);
            for one in store.in_use(account, Some(now.date_naive())).map_err(state_error)? {
                all.add(former(account, one.module.0, one.licenses));
            }
        }
        all.sort();
        Ok(all)
    }

    /// Puts the worst first.
    fn sort(&mut self) {
        self.list.sort_by_key(|problem| (problem.kind, problem.since, problem.item, problem.license));
    }

    fn add(&mut self, problem: Problem) {
        let word = problem.kind.word();
        if let Some(license) = problem.license {
            self.of_license.entry(license).or_default().insert(word);
        }
        if let Some(item) = problem.item {
            self.of_item.entry(item).or_default().insert(word);
        }
        self.list.push(problem);
    }

    /// The services whose purchase was refused.
    pub fn refused(&self) -> Vec<ItemId> {
        self.list.iter().filter(|problem| problem.kind == Kind::Refused).filter_map(|problem| problem.item).collect()
    }

    /// Removes refusals of closed services, which do not wait any more.
    pub fn forget_closed(&mut self, closed: &BTreeSet<ItemId>) {
        let is_over = |problem: &Problem| {
            problem.kind == Kind::Refused && problem.item.is_some_and(|item| closed.contains(&item))
        };
        self.list.retain(|problem| !is_over(problem));
        for item in closed {
            if let Some(words) = self.of_item.get_mut(item) {
                words.remove(Kind::Refused.word());
            }
        }
    }

    /// All problems, the worst first.
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// The problems of a service or of a license.
    pub fn about(&self, item: Option<ItemId>, license: Option<(AccountId, LicenseId)>) -> Vec<&Problem> {
        let is_about = |problem: &&Problem| {
            (problem.item.is_some() && problem.item == item)
                || (problem.license.is_some() && problem.license == license)
        };
        self.list.iter().filter(is_about).collect()
    }

    /// The stable words for what is wrong with a license, or with the service that it serves.
    pub fn words(&self, row: &LicenseRow) -> Vec<&'static str> {
        let mut words = self.of_license.get(&(row.account, row.id)).cloned().unwrap_or_default();
        let serves = match row.state {
            LicenseState::Bound | LicenseState::Claimed => true,
            LicenseState::ToFree | LicenseState::Pool | LicenseState::Stopped | LicenseState::Deleted => false,
        };
        let of_item = row.item.filter(|_| serves).and_then(|item| self.of_item.get(&item));
        words.extend(of_item.into_iter().flatten());
        let is_used = serves || row.state == LicenseState::ToFree;
        if is_used && self.former.contains(&row.account) {
            words.insert(Kind::FormerAccount.word());
        }
        words.into_iter().collect()
    }
}

/// A moment for people.
pub fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// Purchases that the seller refused, and those that were held back since because of that, one for each service.
fn refused(store: &Store) -> Result<BTreeMap<ItemId, Problem>, ModuleError> {
    let mut found: BTreeMap<ItemId, Problem> = BTreeMap::new();
    let problem = |item: ItemId, since, what| {
        let command = format!("pmisplicense retry {item}");
        let next = text!("remove the cause, then: {command}", "устраните причину, затем: {command}");
        Problem { kind: Kind::Refused, item: Some(item), license: None, intent: None, since, what, next, command }
    };
    for intent in store.refused_intents().map_err(state_error)? {
        let Some(item) = intent.item else { continue };
        let (asked, at) = (asked(&intent.request), moment(intent.recorded_at));
        let what = text!(
            ["{} for service {item} of {at}: the seller refused it", asked.en],
            ["{} для услуги {item} от {at}: продавец отказал", asked.ru]
        );
        found.insert(item, problem(item, Some(intent.recorded_at), what));
    }
    for (item, why) in store.waiting_for_money().map_err(state_error)? {
        let what = match why {
            WaitsFor::Money => text!(
                "service {item} waits until the account at the seller has money",
                "услуга {item} ждёт денег на счёте у продавца"
            ),
            WaitsFor::Unblocking => text!(
                "service {item} waits until the seller unblocks the account",
                "услуга {item} ждёт, пока продавец разблокирует учётную запись"
            ),
        };
        found.insert(item, problem(item, None, what));
    }
    Ok(found)
}

/// For programs.
pub fn to_json(problem: &Problem, lang: Lang) -> Value {
    json!({
        "kind": problem.kind.word(),
        "urgent": problem.kind.is_urgent(),
        "item": problem.item.map(|item| item.0),
        "account": problem.license.map(|(account, _)| account.0),
        "license": problem.license.map(|(_, license)| license.0),
        "wish": problem.intent.map(|intent| intent.0),
        "since": problem.since,
        "what": problem.what.in_lang(lang),
        "next": problem.next.in_lang(lang),
        "command": problem.command,
    })
}
