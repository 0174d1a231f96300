//! The forecast of the next look at a service whose license is an addon of a hosting order: its actions and their
//! reasons, in words.

use chrono::NaiveDate;

use super::survey::Sight;
use crate::error::Text;
use crate::model::hosting::HostingOrder;
use crate::model::item::ItemStatus;
use crate::model::journal::{Intent, IntentStatus};
use crate::model::license::Money;
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::plan::cost::Change;
use crate::plan::explain::in_doubt_words;
use crate::plan::finding::{Desired, ItemView};
use crate::plan::renew::is_paid;
use crate::text;

/// All that the answer depends on.
#[derive(Debug)]
pub struct Question<'q> {
    /// The service.
    pub view: &'q ItemView,
    /// The license that its present incarnation holds, and a look at its order.
    pub bound: Option<(&'q LicenseRow, &'q Sight)>,
    /// All licenses that it holds or held.
    pub rows: &'q [LicenseRow],
    /// Its intents without an ended outcome.
    pub open: &'q [Intent],
    /// The setting settle_s.
    pub settle_s: u32,
    /// Whether the program may remove licenses itself: the setting `remove_call`.
    pub removes: bool,
    /// The seller's day.
    pub today: NaiveDate,
    /// What a month costs, where the setting `price_month` says so.
    pub price: Option<&'q Money>,
}

/// The lines, in the order in which things would be done.
pub fn explain(q: &Question<'_>) -> Vec<Change> {
    let mut lines: Vec<Text> =
        q.open.iter().map(|intent| in_doubt_words(intent, intent.settled_at(q.settle_s))).collect();
    lines.extend(q.rows.iter().filter_map(|row| given_back(q, row)));
    match &q.view.desired {
        Desired::Unclear(why) => {
            lines.push(text!(["nothing can be ordered: {}", why.en], ["заказать ничего нельзя: {}", why.ru]))
        }
        Desired::Nothing => {
            lines.push(text!("the service needs no control panel", "услуге не нужна панель управления"))
        }
        Desired::License(_) => {}
    }
    match q.bound {
        Some((row, Sight::Seen(seen))) => lines.extend(license(q.view, row, seen)),
        Some((row, Sight::Missing)) => lines.push(gone(row)),
        // The reason why it cannot be read is reported apart from this.
        Some((_, Sight::Unreadable(_))) => {}
        None => {}
    }
    let mut lines: Vec<Change> = lines.into_iter().map(Change::free).collect();
    lines.extend(q.bound.is_none().then(|| without(q)));
    lines
}

fn given_back(q: &Question<'_>, row: &LicenseRow) -> Option<Text> {
    let order = row.id;
    let is_asked_about = q
        .open
        .iter()
        .any(|intent| intent.status == IntentStatus::HandedOver && intent.request.license() == Some(order));
    match row.state {
        // The line of the removal says that it waits for an operator.
        LicenseState::ToFree if is_asked_about => None,
        LicenseState::ToFree if q.removes => Some(text!(
            "the license of hosting order {order} is removed: its service gave it back",
            "лицензия заказа хостинга {order} снимается: услуга её вернула"
        )),
        LicenseState::ToFree => Some(text!(
            "the license of hosting order {order} waits for an operator to remove it in the seller's panel",
            "лицензия заказа хостинга {order} ждёт, пока оператор снимет её в панели продавца"
        )),
        LicenseState::Stopped => Some(text!(
            "the license of hosting order {order} is kept until its hosting ends",
            "лицензия заказа хостинга {order} остаётся до конца хостинга"
        )),
        LicenseState::Bound | LicenseState::Claimed | LicenseState::Pool | LicenseState::Deleted => None,
    }
}

fn gone(row: &LicenseRow) -> Text {
    let order = row.id;
    text!(
        "hosting order {order} has no license any more: each sync reports it, and no license is bought again",
        "у заказа хостинга {order} больше нет лицензии: каждый sync сообщает об этом, повторно ничего не покупается"
    )
}

fn license(view: &ItemView, row: &LicenseRow, seen: &HostingOrder) -> Vec<Text> {
    let (order, item) = (row.id, &view.item);
    let mut lines = Vec::new();
    match &seen.key {
        None if row.key.is_some() => return vec![gone(row)],
        None => lines.push(text!(
            "hosting order {order} has no key yet: sync waits for it",
            "ожидается ключ заказа хостинга {order}: его ещё нет"
        )),
        Some(key) if item.params.lickey.as_ref() != Some(key) || item.params.licid != Some(order) => {
            lines.push(text!(
                "number and key of hosting order {order} are saved to the service",
                "номер и ключ заказа хостинга {order} сохранятся в услугу"
            ));
        }
        Some(_) => {}
    }
    if !seen.is_active() {
        let status = &seen.status;
        lines.push(text!(
            "hosting order {order} has the status {status}: sync reports a problem",
            "заказ хостинга {order} в состоянии {status}: sync сообщит о проблеме"
        ));
    }
    if lines.is_empty() {
        let ends = seen.ends.map_or_else(|| "?".to_owned(), |ends| ends.date_naive().to_string());
        lines.push(text!(
            "nothing: the license lasts as long as hosting order {order}, until {ends}, and is renewed with it only",
            "ничего: лицензия действует, пока действует заказ хостинга {order}, до {ends}, и продлевается только с ним"
        ));
    }
    lines
}

fn without(q: &Question<'_>) -> Change {
    let (id, price) = (q.view.item.id, q.price.cloned());
    match (&q.view.desired, q.view.item.status) {
        (Desired::License(_), ItemStatus::Active) if is_paid(&q.view.item, q.today) => {
            let words = text!(
                "service {id} is paid and has no license: sync never buys one",
                "услуга {id} оплачена, а лицензии нет: sync её не покупает"
            )
            .next(text!("pmisplicense reconcile --apply", "pmisplicense reconcile --apply"));
            Change::at_list_price(words.text(), price)
        }
        (Desired::License(_), ItemStatus::Ordered | ItemStatus::Processing) => {
            Change::at_list_price(text!("no license yet: open buys one", "лицензии ещё нет: её купит open"), price)
        }
        (Desired::License(_) | Desired::Nothing | Desired::Unclear(_), _) => {
            Change::free(text!("no license, and none is bought", "лицензии нет, и покупать её не нужно"))
        }
    }
}
