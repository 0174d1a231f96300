//! Says what the next look at a service would do, and why. This is pure, and follows the same rules as the look
//! itself.

use chrono::{DateTime, NaiveDate, Utc};

use crate::error::Text;
use crate::model::catalogue::{Catalogue, Product};
use crate::model::item::ItemStatus;
use crate::model::journal::{Intent, IntentStatus};
use crate::model::license::{License, LicenseStatus, Money};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::period::{MonthCount, Period};
use crate::model::rules::Rules;
use crate::plan::change::{Difference, differences};
use crate::plan::cost::{Change, cost_of_period};
use crate::plan::finding::{Desired, ItemView};
use crate::plan::reason::{asked, decision, words};
use crate::plan::renew::{Renewal, due, is_paid};
use crate::text;

/// Everything that the answer depends on.
pub struct Question<'q> {
    /// The service.
    pub view: &'q ItemView,
    /// The license that its present incarnation holds.
    pub bound: Option<&'q LicenseRow>,
    /// All licenses that it holds or held.
    pub rows: &'q [LicenseRow],
    /// Its intents without an ended outcome.
    pub open: &'q [Intent],
    /// Its license as the seller has it.
    pub seen: Option<&'q License>,
    /// The product of its license.
    pub product: Option<&'q Product>,
    /// The period for which it is renewed.
    pub aligned: Option<MonthCount>,
    /// Which rule decides that.
    pub why_aligned: &'q Text,
    /// The seller's day.
    pub today: NaiveDate,
    /// The moment.
    pub now: DateTime<Utc>,
    /// The provider's choices.
    pub rules: &'q Rules,
}

/// The lines, in the order in which things would be done.
pub fn explain(q: &Question<'_>) -> Vec<Change> {
    let mut lines = Vec::new();
    for intent in q.open {
        lines.push(Change::free(in_doubt(q, intent)));
    }
    for row in q.rows.iter().filter(|row| row.state == LicenseState::ToFree) {
        lines.push(Change::free(freeing(q, row)));
    }
    match &q.view.desired {
        Desired::Unclear(why) => {
            lines.push(Change::free(text!(
                ["nothing can be ordered: {}", why.en],
                ["заказать ничего нельзя: {}", why.ru]
            )));
        }
        Desired::Nothing => {
            lines.push(Change::free(text!("the service needs no control panel", "услуге не нужна панель управления")))
        }
        Desired::License(_) => {}
    }
    match (q.bound, q.seen) {
        (Some(row), Some(seen)) => license(q, row, seen, &mut lines),
        (Some(row), None) => lines.push(Change::free(text!(
            "the seller does not show license {}: it counts as gone only after two looks",
            "у продавца не видно лицензии {}: исчезнувшей она считается только после двух просмотров",
            row.id
        ))),
        (None, _) => {
            let others = q.rows.iter().filter(|row| row.incarnation.is_some());
            lines.extend(others.map(|row| Change::free(of_another(q, row))));
            lines.push(without(q));
        }
    }
    lines
}

fn in_doubt(q: &Question<'_>, intent: &Intent) -> Text {
    let settled = intent.settled_at(q.rules.upstream.settle_s);
    in_doubt_words(intent, settled)
}

/// A request in doubt, in words. `settled`: the moment before which nothing is sent again.
pub fn in_doubt_words(intent: &Intent, settled: DateTime<Utc>) -> Text {
    let (asked, id) = (asked(&intent.request), intent.id);
    let until = settled.format("%Y-%m-%d %H:%M UTC");
    match intent.status {
        IntentStatus::HandedOver => {
            let next = decision(intent).next;
            text!(
                ["{} (request {id}) waits for an operator: {}", asked.en, next.en],
                ["{} (запрос {id}) ждёт оператора: {}", asked.ru, next.ru]
            )
        }
        IntentStatus::FreeWhenAppears => text!(
            ["{} (request {id}): each run looks for it, to free it", asked.en],
            ["{} (запрос {id}): каждый запуск ищет результат, чтобы освободить лицензию", asked.ru]
        ),
        IntentStatus::InDoubt
        | IntentStatus::Done
        | IntentStatus::Refused
        | IntentStatus::NotSent
        | IntentStatus::NotHappened => {
            text!(
                [
                    "{} (request {id}): its answer was lost. Each run looks for the result. It is not sent again before {until}",
                    asked.en
                ],
                ["{} (запрос {id}): ответ потерян. Каждый запуск ищет результат. Повтор — не раньше {until}", asked.ru]
            )
        }
    }
}

fn freeing(q: &Question<'_>, row: &LicenseRow) -> Text {
    let id = row.id;
    match row.not_before.filter(|until| *until > q.now) {
        Some(until) => {
            let (until, why) = (until.format("%Y-%m-%d"), row.reason.as_ref().map_or_else(|| Text::same("-"), words));
            text!(
                ["license {id} is freed from {until} on: {}", why.en],
                ["лицензия {id} освободится с {until}: {}", why.ru]
            )
        }
        None => text!("license {id} is freed: its service ended", "лицензия {id} будет освобождена: услуга окончена"),
    }
}

/// A license that our state holds for another service which had this number.
fn of_another(q: &Question<'_>, row: &LicenseRow) -> Text {
    let (item, id) = (q.view.item.id, row.id);
    let is_shown = q.view.item.status != ItemStatus::Deleted && q.view.item.params.licid == Some(id);
    let command = match is_shown {
        true => format!("pmisplicense bind {item} {id}"),
        false => format!("pmisplicense unbind {item}"),
    };
    text!(
        "license {id} was bound to another service numbered {item}; you decide: {command}",
        "лицензия {id} привязана к другой услуге с номером {item}; решать вам: {command}"
    )
}

/// A license of the pool costs nothing. The price is what is spent if the pool has none.
fn without(q: &Question<'_>) -> Change {
    let (id, price) = (q.view.item.id, q.view.price.clone());
    match (&q.view.desired, q.view.item.status) {
        (Desired::License(_), ItemStatus::Active) if is_paid(&q.view.item, q.today) => {
            let words = text!(
                "service {id} is paid and has no license: sync never orders one",
                "услуга {id} оплачена, а лицензии нет: sync её не заказывает"
            )
            .next(text!("pmisplicense reconcile --apply", "pmisplicense reconcile --apply"));
            Change::at_list_price(words.text(), price)
        }
        (Desired::License(_), ItemStatus::Ordered | ItemStatus::Processing) => {
            Change::at_list_price(text!("no license yet: open obtains one", "лицензии ещё нет: её получит open"), price)
        }
        (Desired::License(_) | Desired::Nothing | Desired::Unclear(_), _) => {
            Change::free(text!("no license, and none is obtained", "лицензии нет, и получать её не нужно"))
        }
    }
}

fn license(q: &Question<'_>, row: &LicenseRow, seen: &License, lines: &mut Vec<Change>) {
    let (item, id) = (&q.view.item, row.id);
    if seen.is_deleted() {
        // Sync never orders another one by itself.
        lines.push(match (&q.view.desired, is_paid(item, q.today)) {
            (Desired::License(_), true) => Change::at_list_price(
                text!(
                    "license {id} is deleted at the seller: sync fails for service {}, which has no license then",
                    "лицензия {id} удалена у продавца: sync завершится ошибкой, и услуга {} останется без лицензии",
                    item.id
                )
                .next(text!(
                    "to get another one: pmisplicense reconcile --apply",
                    "чтобы получить другую: pmisplicense reconcile --apply"
                ))
                .text(),
                q.view.price.clone(),
            ),
            (Desired::License(_) | Desired::Nothing | Desired::Unclear(_), _) => Change::free(text!(
                "license {id} is deleted at the seller, and the service is not active and paid: no other one is obtained",
                "лицензия {id} удалена у продавца, а услуга не активна или не оплачена: другая не нужна"
            )),
        });
        return;
    }
    let before = lines.len();
    if let Desired::License(desired) = &q.view.desired {
        let moves_from = q.rules.ip_change_limit.waits_until(seen.ip_changed, q.today);
        for difference in differences(item, desired, row, seen, q.today) {
            lines.push(change_with_cost(seen, &difference, moves_from, &q.rules.catalogue));
        }
    }
    if seen.key.is_none() && row.family.has_key() {
        lines.push(Change::free(text!(
            "license {id} has no key yet: sync asks for it",
            "у лицензии {id} ещё нет ключа: sync его запросит"
        )));
    } else if seen.key.is_some() && item.params.lickey != seen.key {
        let words = text!("the key of license {id} is saved to the service", "ключ лицензии {id} сохранится в услугу");
        lines.push(Change::free(words));
    }
    if seen.status == LicenseStatus::Ordered {
        let words = text!("license {id} waits for payment at the seller", "лицензия {id} ждёт оплаты у продавца");
        lines.push(Change::free(words));
    }
    let renewal = q.product.map_or(Renewal::NotDue, |product| {
        due(item, product, q.aligned, seen.expires, q.today, q.rules.renew_before_days)
    });
    match renewal {
        Renewal::CannotTell => lines.push(Change::free(text!(
            "nothing is renewed: the seller shows no day on which license {id} runs out",
            "продления не будет: продавец не показывает, когда истекает лицензия {id}"
        ))),
        Renewal::Due(due) => {
            let words = text!(["{}; {}", due.reason.en, q.why_aligned.en], ["{}; {}", due.reason.ru, q.why_aligned.ru]);
            lines.push(Change::at(words, cost_of_period(Period::Months(due.months), seen, q.product)));
        }
        Renewal::NotDue if lines.len() == before => lines.push(Change::free(calm(q, seen))),
        Renewal::NotDue => {}
    }
}

/// Why there is nothing to do.
fn calm(q: &Question<'_>, seen: &License) -> Text {
    let day = |day: Option<NaiveDate>| day.map_or_else(|| "-".to_owned(), |day| day.to_string());
    let (end, expires) = (day(q.view.item.expires), seen.expires);
    let from = seen
        .expires
        .day()
        .and_then(|expires| expires.checked_sub_days(chrono::Days::new(u64::from(q.rules.renew_before_days))));
    let from = day(from);
    if !is_paid(&q.view.item, q.today) {
        return text!(
            "nothing: the service is not active and paid (paid until {end}); the license lasts until {expires}",
            "ничего: услуга не активна или не оплачена (до {end}); лицензия действует до {expires}"
        );
    }
    let is_trial = q.view.item.period == Period::Trial || q.product.is_some_and(Product::is_only_trial);
    if is_trial {
        return text!(
            "nothing: a trial is never renewed; the license lasts until {expires}, the service until {end}",
            "ничего: пробная лицензия не продлевается; лицензия до {expires}, услуга до {end}"
        );
    }
    if seen.expires.day().is_some_and(|expires| q.view.item.expires.is_some_and(|end| end <= expires)) {
        return text!(
            "nothing: the license lasts until {expires}, the service until {end}",
            "ничего: лицензия до {expires}, услуга до {end}"
        );
    }
    if q.aligned.is_none() && q.product.is_some() {
        return text!(
            "nothing: no period of this product is sold for the period of the service, so the license is not renewed; the license lasts until {expires}, the service until {end}",
            "ничего: на период услуги этот продукт не продаётся, поэтому продления не будет; лицензия до {expires}, услуга до {end}"
        );
    }
    text!(
        "nothing: the license lasts until {expires} and is renewed from {from} on (service paid until {end})",
        "ничего: лицензия до {expires}, продление начнётся с {from} (услуга оплачена до {end})"
    )
}

/// A difference as a change with its cost. `moves_from`: the day before which the address cannot change.
pub fn change_with_cost(
    seen: &License,
    difference: &Difference,
    moves_from: Option<NaiveDate>,
    catalogue: &Catalogue,
) -> Change {
    // The seller charges for the days that are left and shows nowhere how much, so the amount is not known.
    let cost = match difference {
        Difference::Tariff { to, .. } => {
            let month = catalogue.by_pricelist(*to).and_then(|product| product.prices.get(&MonthCount(1)));
            Some(difference_of_prices(seen.cost.as_deref(), month))
        }
        Difference::Nodes { from, to } if to > from => Some(text!(
            "the seller charges the nodes for the days that are left",
            "продавец возьмёт плату за узлы за оставшиеся дни"
        )),
        Difference::Nodes { .. }
        | Difference::Ip(_)
        | Difference::Outward(_)
        | Difference::Name(_)
        | Difference::Autoprolong
        | Difference::Running
        | Difference::NotRunning => None,
    };
    Change { cost, ..Change::free(change(seen, difference, moves_from)) }
}

/// What a change of tariff costs: the seller charges the difference for the days that are left.
fn difference_of_prices(before: Option<&str>, after: Option<&Money>) -> Text {
    let before = before.unwrap_or("?");
    match after {
        Some(after) => text!(
            "now {before}, list price then {after} a month; the seller charges the difference for the days that are left",
            "сейчас {before}, по прайсу будет {after} в месяц; продавец возьмёт разницу за оставшиеся дни"
        ),
        None => text!(
            "now {before}, then not known; the seller charges the difference for the days that are left",
            "сейчас {before}, затем неизвестно; продавец возьмёт разницу за оставшиеся дни"
        ),
    }
}

/// A difference in words: what is changed, and who wants it. `moves_from`: the day before which the address cannot
/// change.
pub fn change(seen: &License, difference: &Difference, moves_from: Option<NaiveDate>) -> Text {
    let id = seen.id;
    match difference {
        Difference::Tariff { from, to } => text!(
            "tariff of license {id}: {from} -> {to}, the client chose it",
            "тариф лицензии {id}: {from} -> {to}, выбор клиента"
        ),
        Difference::Nodes { from, to } => {
            text!("nodes of license {id}: {from} -> {to}", "узлы лицензии {id}: {from} -> {to}")
        }
        Difference::Ip(ip) => match moves_from {
            Some(from) => text!(
                "address of license {id} -> {ip}, from {from} on: one change a month",
                "IP лицензии {id} -> {ip}, начиная с {from}: одна смена в месяц"
            ),
            None => text!("address of license {id} -> {ip}", "IP лицензии {id} -> {ip}"),
        },
        Difference::Outward(Some(ip)) => {
            text!("outward address of license {id} -> {ip}", "внешний IP лицензии {id} -> {ip}")
        }
        Difference::Outward(None) => {
            text!("outward address of license {id} is cleared", "внешний IP лицензии {id} очистится")
        }
        Difference::Name(name) => text!("name of license {id} -> {name}", "имя лицензии {id} -> {name}"),
        Difference::Autoprolong => {
            text!("automatic renewal of license {id} is switched off", "автопродление лицензии {id} отключится")
        }
        Difference::Running => text!(
            "license {id} is stopped: the service is suspended",
            "лицензия {id} остановится: услуга приостановлена"
        ),
        Difference::NotRunning => {
            text!("license {id} is started: the service is active", "лицензия {id} запустится: услуга активна")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{AccountId, IntentId, ItemId, LicenseId};
    use crate::model::journal::OnceRequest;
    use crate::model::license::Family;

    /// The text about a request in doubt names the moment before which nothing is sent again. If it waits for an
    /// operator, it names the command.
    #[test]
    fn the_text_about_a_request_in_doubt_names_the_moment_or_the_command() {
        let at = DateTime::parse_from_rfc3339("2027-01-10T12:00:00Z").expect("a moment").to_utc();
        let intent = |status| Intent {
            id: IntentId(3),
            key: "k".into(),
            item: Some(ItemId(42)),
            account: AccountId(1),
            request: OnceRequest::Delete { family: Family::Soft, license: LicenseId(5) },
            highest_license: None,
            recorded_at: at,
            clean_look_at: None,
            status,
            license: None,
            operation: None,
            settle_s: None,
        };
        let rules = Rules::default();
        let text = |status| in_doubt_text(&rules, &intent(status), at);
        assert!(text(IntentStatus::InDoubt).contains("not sent again before 2027-01-10 12:15 UTC"));
        let command = "deletion of license 5 (request 3) waits for an operator: look at the license: pmisplicense show license:5. If it was carried out: pmisplicense resolve 42 --intent 3 --bought 5. If not: pmisplicense resolve 42 --intent 3 --not-bought";
        assert_eq!(text(IntentStatus::HandedOver), command);
    }

    fn in_doubt_text(rules: &Rules, intent: &Intent, now: DateTime<Utc>) -> String {
        let settled = intent.settled_at(rules.upstream.settle_s);
        assert!(settled > now);
        super::in_doubt_words(intent, settled).en
    }
}
