//! Everything that waits for an operator, as one list: `list --problems`, `show`, `doctor`, the pages and the metrics
//! read it here. Each problem has a stable word, what happened, and one whole command that can be pasted. It is made
//! from the state alone, and its size does not depend on how many licenses there are.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

use crate::engine::state_error;
use crate::error::{Lang, ModuleError, Text, counted};
use crate::model::ids::{AccountId, IntentId, ItemId, LicenseId};
use crate::model::journal::{Intent, IntentStatus, OnceRequest};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::store::{Store, WaitsFor};
use crate::text;

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
    Doubt,
    /// The seller refused a purchase, or a purchase was held back because of such a refusal.
    Refused,
    /// A claim has not ended: preparing a license for a service was not finished.
    Claimed,
    /// A license was to be freed long ago.
    ToFree,
}

impl Kind {
    /// All kinds, the worst first.
    pub const ALL: [Self; 10] = [
        Self::HandedOver,
        Self::SyncFails,
        Self::Gone,
        Self::KeyLate,
        Self::Unpaid,
        Self::FormerAccount,
        Self::Doubt,
        Self::Refused,
        Self::Claimed,
        Self::ToFree,
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
            Self::Doubt => "doubt",
            Self::Refused => "refused",
            Self::Claimed => "claimed",
            Self::ToFree => "to_free",
        }
    }

    /// Whether a client may be without a license, or money may be lost, until an operator acts. The other kinds may end
    /// without an operator.
    pub fn is_urgent(self) -> bool {
        match self {
            Self::HandedOver | Self::SyncFails | Self::Gone | Self::KeyLate | Self::Unpaid | Self::FormerAccount => {
                true
            }
            Self::Doubt | Self::Refused | Self::Claimed | Self::ToFree => false,
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
        let (late, overdue) = (now - Duration::hours(LATE_HOURS), now - Duration::hours(OVERDUE_HOURS));
        for row in store.waiting_licenses(late, overdue).map_err(state_error)? {
            of_license(&row, late).into_iter().for_each(|problem| all.add(problem));
        }
        for row in store.gone_licenses().map_err(state_error)? {
            all.add(gone(&row));
        }
        for trouble in store.troubles(None).map_err(state_error)? {
            let (item, times, why) = (trouble.item, trouble.times, &trouble.why);
            let since = trouble.since.format("%Y-%m-%d %H:%M UTC");
            let command = format!("pmisplicense retry {item}");
            all.add(Problem {
                kind: Kind::SyncFails,
                item: Some(item),
                license: None,
                intent: None,
                since: Some(trouble.since),
                what: text!(
                    ["sync fails for service {item} since {since}, {} in a row: {}", counted(times, "time"), why.en],
                    ["sync не справляется с услугой {item} с {since}, подряд: {times}: {}", why.ru]
                ),
                next: text!(
                    "correct the cause, then look again: {command}",
                    "устраните причину и проверьте снова: {command}"
                ),
                command,
            });
        }
        refused(store)?.into_iter().for_each(|problem| all.add(problem));
        for account in store.unused_accounts().map_err(state_error)? {
            all.former.insert(account);
            for (module, licenses) in store.in_use(account).map_err(state_error)? {
                all.add(former(account, module.0, licenses));
            }
        }
        all.list.sort_by_key(|problem| (problem.kind, problem.since, problem.item, problem.license));
        Ok(all)
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

/// A request in words.
pub fn asked(request: &OnceRequest) -> Text {
    match request {
        OnceRequest::Order(order) => text!("order of tariff {}", "заказ тарифа {}", order.pricelist),
        OnceRequest::Prolong { license, .. } => text!("renewal of license {license}", "продление лицензии {license}"),
        OnceRequest::ChangePricelist { license, .. } => {
            text!("change of tariff of license {license}", "смена тарифа лицензии {license}")
        }
        OnceRequest::SetNodes { license, .. } => {
            text!("change of nodes of license {license}", "смена числа узлов лицензии {license}")
        }
        OnceRequest::NewKey { license, .. } => text!("new key for license {license}", "новый ключ лицензии {license}"),
        OnceRequest::Delete { license, .. } => text!("deletion of license {license}", "удаление лицензии {license}"),
        OnceRequest::AddLicense(add) => {
            text!("WHMCS license of order {}", "лицензия WHMCS заказа {}", add.order)
        }
        OnceRequest::RemoveLicense(remove) => {
            text!("removal of the WHMCS license of order {}", "удаление лицензии WHMCS заказа {}", remove.order)
        }
    }
}

fn of_intent(intent: &Intent) -> Problem {
    let (asked, id, item) = (asked(&intent.request), intent.id, dash(intent.item));
    let since = moment(intent.recorded_at);
    let license = intent.request.license().or(intent.license);
    let problem = |kind, what, next, command| Problem {
        kind,
        item: intent.item,
        license: license.map(|license| (intent.account, license)),
        intent: Some(intent.id),
        since: Some(intent.recorded_at),
        what,
        next,
        command,
    };
    if intent.status != IntentStatus::HandedOver {
        return problem(
            Kind::Doubt,
            text!(
                ["{} for service {item} of {since}: its answer was lost. Every pass looks for it.", asked.en],
                ["{} для услуги {item} от {since}: ответ потерян. Его ищет каждый проход.", asked.ru]
            ),
            text!(
                "sync settles it; to look at once: pmisplicense reconcile --apply",
                "это завершит sync; проверить сразу: pmisplicense reconcile --apply"
            ),
            "pmisplicense reconcile --apply".to_owned(),
        );
    }
    let what = text!(
        ["{} for service {item} of {since}: an operator must say whether it happened.", asked.en],
        ["{} для услуги {item} от {since}: оператор должен сказать, выполнено ли это.", asked.ru]
    );
    let no = format!("pmisplicense resolve {item} --wish {id} --not-bought");
    match license {
        // The number of the license is known, so the seller's own record of it answers the question.
        Some(license) => {
            let look = format!("pmisplicense show license:{license}");
            let yes = format!("pmisplicense resolve {item} --wish {id} --bought {license}");
            let next = match intent.request {
                // Another key than before proves nothing: it may have been issued anew.
                OnceRequest::RemoveLicense(_) => text!(
                    "look at the order in the seller's panel; it has the license still, even with another key: {no}; it has none, or somebody else's: {yes}",
                    "посмотрите заказ в панели продавца; лицензия ещё там, пусть и с другим ключом: {no}; её нет, или там чужая: {yes}"
                ),
                OnceRequest::Order(_)
                | OnceRequest::Prolong { .. }
                | OnceRequest::ChangePricelist { .. }
                | OnceRequest::SetNodes { .. }
                | OnceRequest::NewKey { .. }
                | OnceRequest::Delete { .. }
                | OnceRequest::AddLicense(_) => text!(
                    "look at the license: {look}; it happened: {yes}; it did not: {no}",
                    "посмотрите лицензию: {look}; выполнено: {yes}; не выполнено: {no}"
                ),
            };
            problem(Kind::HandedOver, what, next, look)
        }
        None => {
            let look = "pmisplicense import".to_owned();
            let next = text!(
                "see whether the license is among those that nobody has: {look}; it is: pmisplicense resolve {item} --wish {id} --bought LICENSE; it is not, and the seller's panel shows none: {no}",
                "проверьте, есть ли лицензия среди ничьих: {look}; есть: pmisplicense resolve {item} --wish {id} --bought ЛИЦЕНЗИЯ; нет, и в панели продавца её нет: {no}"
            );
            problem(Kind::HandedOver, what, next, look)
        }
    }
}

/// The problems of a license that waits longer than it should.
fn of_license(row: &LicenseRow, late: DateTime<Utc>) -> Vec<Problem> {
    let (id, item, since) = (row.id, dash(row.item), moment(row.since));
    let problem = |kind, what, next, command: String| Problem {
        kind,
        item: row.item,
        license: Some((row.account, row.id)),
        intent: None,
        since: Some(row.since),
        what,
        next,
        command,
    };
    let retry = format!("pmisplicense retry {item}");
    let mut found = Vec::new();
    match row.state {
        LicenseState::Bound => {
            if row.key.is_none() && row.since < late {
                found.push(problem(
                    Kind::KeyLate,
                    text!(
                        "license {id} of service {item} has no key for over an hour",
                        "у лицензии {id} услуги {item} больше часа нет ключа"
                    ),
                    text!(
                        "{retry}; if that brings none, ask the seller",
                        "{retry}; если не поможет, спросите продавца"
                    ),
                    retry.clone(),
                ));
            }
            if row.status == crate::model::license::LicenseStatus::Ordered {
                found.push(problem(
                    Kind::Unpaid,
                    text!(
                        "license {id} of service {item} is ordered, and the seller waits for its payment",
                        "лицензия {id} услуги {item} заказана, продавец ждёт её оплаты"
                    ),
                    text!(
                        "pay it in the seller's panel, then: {retry}",
                        "оплатите её в панели продавца, затем: {retry}"
                    ),
                    retry,
                ));
            }
        }
        LicenseState::Claimed => found.push(problem(
            Kind::Claimed,
            text!(
                "license {id} is being prepared for service {item} since {since}, and that did not end",
                "лицензия {id} готовится для услуги {item} с {since}, и это не закончилось"
            ),
            text!("carry on with it: {retry}", "продолжить: {retry}"),
            retry,
        )),
        LicenseState::ToFree => {
            let why = row.reason.as_ref().map(crate::plan::reason::words);
            let why = why.map_or_else(|| Text::same(""), |why| text!([": {}", why.en], [": {}", why.ru]));
            found.push(problem(
                Kind::ToFree,
                text!(
                    ["license {id} waits to be freed since {since}{}", why.en],
                    ["лицензия {id} ждёт освобождения с {since}{}", why.ru]
                ),
                text!("free it now: pmisplicense sync", "освободить сейчас: pmisplicense sync"),
                "pmisplicense sync".to_owned(),
            ));
        }
        LicenseState::Pool | LicenseState::Stopped | LicenseState::Deleted => {}
    }
    found
}

fn gone(row: &LicenseRow) -> Problem {
    let (id, item, since) = (row.id, dash(row.item), moment(row.since));
    Problem {
        kind: Kind::Gone,
        item: row.item,
        license: Some((row.account, row.id)),
        intent: None,
        since: Some(row.since),
        what: text!(
            "license {id} of service {item} is gone at the seller since {since}",
            "лицензии {id} услуги {item} нет у продавца с {since}"
        ),
        next: text!(
            "see what the service needs, and what that costs: pmisplicense reconcile; to get a license for each such service: pmisplicense reconcile --apply",
            "посмотрите, что нужно услуге и сколько это стоит: pmisplicense reconcile; получить лицензию каждой такой услуге: pmisplicense reconcile --apply"
        ),
        command: "pmisplicense reconcile".to_owned(),
    }
}

/// Purchases that the seller refused, and those that were held back since because of that, one for each service.
fn refused(store: &Store) -> Result<Vec<Problem>, ModuleError> {
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
    Ok(found.into_values().collect())
}

fn former(account: AccountId, module: u32, licenses: u32) -> Problem {
    let command = format!("pmisplicense doctor --accept-account {module}");
    Problem {
        kind: Kind::FormerAccount,
        item: None,
        license: None,
        intent: None,
        since: None,
        what: text!(
            [
                "module {module} bound {} with account {account}, and no module buys from it now: no run renews them",
                counted(licenses, "license")
            ],
            [
                "модуль {module} привязал лицензии ({licenses}) через учётную запись {account}, через которую никто больше не покупает: их никто не продлевает"
            ]
        ),
        next: text!(
            "say whether that is the same account: {command}",
            "укажите, та же ли это учётная запись: {command}"
        ),
        command,
    }
}

/// An optional value for people.
fn dash(value: Option<impl std::fmt::Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
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
