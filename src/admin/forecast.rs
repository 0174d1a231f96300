//! forecast: which licenses run out within the next days, what renewing them costs, and whether the balance lasts.
//! It buys nothing. Prices are those that were paid last, else those of the catalogue; an unknown price is reported
//! as unknown and never counted as zero.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use serde_json::json;

use super::table::{Giving, fitting, wrapped};
use super::{Answer, Desk, dash, day};
use crate::context::{Context, database_error};
use crate::engine::state_error;
use crate::error::{ModuleError, Text, counted};
use crate::model::ids::{AccountId, ItemId, LicenseId, ModuleId};
use crate::model::item::{Item, ItemStatus};
use crate::model::license::Money;
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::period::{MonthCount, Period};
use crate::plan::renew::need;
use crate::session::modules_in_use;
use crate::store::{LicenseFilter, Purchase, Store};
use crate::text;
use crate::watch::last_runs::{self, LastRuns};

/// A narrow terminal leaves out the months first, then the product.
const GIVING: Giving<'_> = Giving { soft: &[], spare: &[5, 3] };

/// The last purchase of each license.
pub type Bought = BTreeMap<(AccountId, LicenseId), Purchase>;

/// A license that runs out soon.
pub struct Coming {
    row: LicenseRow,
    expires: NaiveDate,
    /// The end of its paid service. `None`: the service has no end, or the panel does not say.
    paid_until: Option<NaiveDate>,
    /// The client has already paid beyond the license's expiry, so sync renews it.
    pub is_certain: bool,
    /// The cost of a renewal for `months`; `None`: not known.
    pub cost: Option<Money>,
    months: Option<MonthCount>,
}

/// The licenses of one module that run out within the next days, and the balance for their renewals.
pub struct Outlook {
    /// By day.
    pub coming: Vec<Coming>,
    /// The balance.
    pub balance: Option<Money>,
}

impl Outlook {
    /// The costs of the chosen renewals, added up for each currency.
    pub fn sum(&self, chosen: impl Fn(&Coming) -> bool) -> BTreeMap<String, i64> {
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        for Money { minor, currency } in self.coming.iter().filter(|one| chosen(one)).filter_map(|one| one.cost.clone())
        {
            let sum = sums.entry(currency).or_default();
            *sum = sum.saturating_add(minor);
        }
        sums
    }

    /// The first day on which the balance does not cover what was due until then.
    pub fn ends_on(&self, chosen: impl Fn(&Coming) -> bool) -> Option<NaiveDate> {
        let balance = self.balance.as_ref()?;
        let mut left = balance.minor;
        for one in self.coming.iter().filter(|one| chosen(one)) {
            let Some(cost) = one.cost.as_ref().filter(|cost| cost.currency == balance.currency) else { continue };
            left = left.saturating_sub(cost.minor);
            if left < 0 {
                return Some(one.expires);
            }
        }
        None
    }

    fn unknown(&self) -> usize {
        self.coming.iter().filter(|one| one.cost.is_none()).count()
    }

    /// Whether each of the chosen renewals could be compared with the balance: its price is known in that currency.
    fn compares(&self, chosen: impl Fn(&Coming) -> bool) -> bool {
        let is_like = |one: &Coming| match (&one.cost, &self.balance) {
            (Some(cost), Some(balance)) => cost.currency == balance.currency,
            (_, _) => false,
        };
        self.coming.iter().filter(|one| chosen(one)).all(is_like)
    }
}

/// The licenses of a module that run out within this many days. The caller adds the balance.
///
/// # Errors
/// `state`, `database`
pub fn outlook(
    ctx: &mut Context,
    (store, bought): (&Store, &Bought),
    module: ModuleId,
    days: u16,
) -> Result<Outlook, ModuleError> {
    let today = ctx.clock.today();
    let until = today.checked_add_days(Days::new(u64::from(days) + 1));
    let filter = LicenseFilter {
        state: Some(LicenseState::Bound),
        module: Some(module),
        expires_before: until,
        ..LicenseFilter::default()
    };
    let mut rows = store.licenses_that(filter).map_err(state_error)?;
    rows.sort_by_key(|row| (row.expires.day(), row.id));
    let numbers: Vec<ItemId> = rows.iter().filter_map(|row| row.item).collect();
    let items = ctx.data.billdb()?.items(&numbers).map_err(database_error)?;
    let items: BTreeMap<ItemId, Item> = items.into_iter().map(|item| (item.id, item)).collect();
    let rules = ctx.settings.rules(Some(module));
    let mut coming = Vec::new();
    for row in rows {
        let (Some(expires), Some(item)) = (row.expires.day(), row.item.and_then(|item| items.get(&item))) else {
            continue;
        };
        let product = rules.catalogue.by_pricelist(row.pricelist);
        // A license whose product the catalogue lacks runs out too, at a price that may not be known.
        let ends = product.is_some_and(|product| product.is_only_trial()) || item.period == Period::Trial;
        if item.status != ItemStatus::Active || ends {
            continue;
        }
        let (cost, months) = price(bought, &row, product, item.period);
        let is_certain = need(item).is_none_or(|end| end > expires);
        coming.push(Coming { row, expires, paid_until: need(item), is_certain, cost, months });
    }
    Ok(Outlook { coming, balance: None })
}

/// The amount that was paid last for a period of this license, or else the list price for the service's own period.
fn price(
    bought: &Bought,
    row: &LicenseRow,
    product: Option<&crate::model::catalogue::Product>,
    period: Period,
) -> (Option<Money>, Option<MonthCount>) {
    let last = bought.get(&(row.account, row.id)).filter(|last| last.pricelist == row.pricelist);
    if let Some(Purchase { amount: Some(amount), period: Some(Period::Months(months)), .. }) = last {
        return (Some(amount.clone()), Some(*months));
    }
    let months = match period {
        Period::Months(months) => Some(months),
        Period::Trial | Period::Day | Period::Lifetime | Period::Unknown(_) => None,
    };
    let listed = months.and_then(|months| product?.prices.get(&months).cloned());
    (listed, months)
}

/// The balance, and whether it was read now. When it cannot be read, the balance that was read last.
fn balance(desk: &mut Desk<'_>, module: ModuleId) -> (Option<Money>, bool) {
    let path = last_runs::path(&desk.ctx.settings);
    let read = desk.ctx.data.access(module).and_then(|access| desk.ctx.connector.connect(&access));
    let read = read.ok().and_then(|mut client| client.balance().ok());
    if let Some(balance) = &read {
        let now = desk.ctx.clock.now();
        // Only monitoring reads it, so a full disk does not fail the answer.
        let _ = LastRuns::change(&path, |all| all.balance_seen(module, now, balance));
        return (read, true);
    }
    (LastRuns::read(&path).balances.get(&module.0).map(last_runs::LastBalance::money), false)
}

fn sums(sums: &BTreeMap<String, i64>) -> String {
    let shown = sums.iter().map(|(currency, minor)| Money { minor: *minor, currency: currency.clone() }.to_string());
    let shown = shown.collect::<Vec<_>>().join(" + ");
    if shown.is_empty() { "0".to_owned() } else { shown }
}

/// `forecast`
///
/// # Errors
/// `database`, `mgrctl`, `state`
pub fn forecast(desk: &mut Desk<'_>, days: u16) -> Result<Answer, ModuleError> {
    let store = desk.store()?;
    let modules: Vec<ModuleId> = modules_in_use(desk.ctx)?.iter().map(|module| module.id).collect();
    let bought = store.last_purchases().map_err(state_error)?;
    let (mut text, mut list, mut falls_short) = (String::new(), Vec::new(), false);
    for module in modules {
        let mut outlook = outlook(desk.ctx, (&store, &bought), module, days)?;
        let (balance, is_fresh) = balance(desk, module);
        outlook.balance = balance;
        text.push_str(&page(desk, module, days, &outlook, is_fresh));
        let short = outlook.ends_on(|one| one.is_certain);
        falls_short |= short.is_some();
        let licenses: Vec<_> = outlook
            .coming
            .iter()
            .map(|one| {
                json!({
                    "license": one.row.id.0,
                    "item": one.row.item.map(|item| item.0),
                    "product": one.row.internal_name,
                    "expires": one.expires,
                    "paid_until": one.paid_until,
                    "certain": one.is_certain,
                    "months": one.months.map(|months| months.0),
                    "cost": one.cost.as_ref().map(ToString::to_string),
                })
            })
            .collect();
        list.push(json!({
            "module": module.0,
            "licenses": licenses,
            "certain": outlook.sum(|one| one.is_certain),
            "all": outlook.sum(|_| true),
            "unknown_costs": outlook.unknown(),
            "balance": outlook.balance.as_ref().map(ToString::to_string),
            "balance_is_fresh": is_fresh,
            "short_from": short,
            "short_from_if_all_go_on": outlook.ends_on(|_| true),
        }));
    }
    let json = json!({ "days": days, "modules": list });
    Ok(Answer::new("forecast", text, json).with_code(u8::from(falls_short)))
}

fn page(desk: &Desk<'_>, module: ModuleId, days: u16, outlook: &Outlook, is_fresh: bool) -> String {
    let head = text!(
        "EXPIRES|LICENSE|ITEM|PRODUCT|COST|MONTHS|PAID UNTIL",
        "СРОК|ЛИЦЕНЗИЯ|УСЛУГА|ПРОДУКТ|ЦЕНА|МЕСЯЦЕВ|ОПЛАЧЕНО ДО"
    );
    let head: Vec<&str> = desk.say(&head).split('|').collect();
    let cells: Vec<Vec<String>> = outlook
        .coming
        .iter()
        .map(|one| {
            vec![
                one.expires.to_string(),
                one.row.id.to_string(),
                dash(one.row.item),
                one.row.internal_name.clone(),
                one.cost.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string),
                dash(one.months.map(|months| months.0)),
                format!("{}{}", day(one.paid_until), if one.is_certain { "" } else { " ?" }),
            ]
        })
        .collect();
    let mut text = if cells.is_empty() { String::new() } else { fitting(&head, &cells, desk.width, GIVING) };
    for line in lines(module, days, outlook, is_fresh) {
        text.push_str(&format!("{}\n", wrapped(desk.say(&line), desk.width, 2)));
    }
    text
}

fn lines(module: ModuleId, days: u16, outlook: &Outlook, is_fresh: bool) -> Vec<Text> {
    let count = outlook.coming.len();
    let certain = sums(&outlook.sum(|one| one.is_certain));
    let all = sums(&outlook.sum(|_| true));
    let mut lines = vec![text!(
        [
            "module {module}: {} of active services run out within {}. Renewals that clients have paid for cost {certain}. If every client pays on, all of them cost {all}.",
            counted(count, "license"),
            counted(days, "day")
        ],
        [
            "модуль {module}: за {days} дн. истекают лицензии активных услуг: {count}. Продления, за которые клиенты уже заплатили, стоят {certain}. Если заплатят все клиенты, всё вместе стоит {all}."
        ]
    )];
    if outlook.unknown() > 0 {
        let unknown = outlook.unknown();
        lines.push(text!(
            ["The price of {} is not known: these sums are too low.", counted(unknown, "renewal")],
            ["Неизвестна цена продлений: {unknown}; суммы занижены."]
        ));
    }
    let Some(balance) = &outlook.balance else {
        lines.push(text!("The balance is not known.", "Баланс неизвестен."));
        return lines;
    };
    let when = if is_fresh {
        text!("", "")
    } else {
        text!(" when it was read last", " при последнем чтении")
    };
    lines.push(match (outlook.ends_on(|one| one.is_certain), outlook.ends_on(|_| true)) {
        (Some(from), _) => text!(
            [
                "The balance is {balance}{}. It does not cover the renewals that clients have paid for from {from} on",
                when.en
            ],
            ["Баланс {balance}{}. Начиная с {from}, его не хватит на оплаченные клиентами продления", when.ru]
        )
        .next(text!("top up the account", "пополните счёт"))
        .text(),
        (None, Some(from)) => {
            let known = known(outlook.compares(|one| one.is_certain));
            text!(
                [
                    "The balance is {balance}{}. It covers the paid renewals{}. If every client pays on, it ends on {from}.",
                    when.en,
                    known.en
                ],
                [
                    "Баланс {balance}{}. Оплаченные продления{} покрыты. Если заплатят все клиенты, он кончится {from}.",
                    when.ru,
                    known.ru
                ]
            )
        }
        (None, None) if outlook.compares(|_| true) => {
            text!(["The balance is {balance}{}. It covers all these renewals.", when.en], ["Баланс {balance}{}. Его хватит на все эти продления.", when.ru])
        }
        (None, None) => text!(
            [
                "The balance is {balance}{}. The balance covers the renewals whose price is known in its currency.",
                when.en
            ],
            ["Баланс {balance}{}. Он покрывает продления, цена которых известна в его валюте.", when.ru]
        ),
    });
    lines
}

/// The words that limit a sentence to the renewals with a known price, if not all could be compared with the balance.
fn known(compares: bool) -> Text {
    match compares {
        true => text!("", ""),
        false => text!(" whose price is known in its currency", ", цена которых известна в его валюте,"),
    }
}
