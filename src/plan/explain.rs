//! What the next look at a service would do, and why, in words. This is pure, and follows the same rules as the look
//! itself.

use chrono::{DateTime, NaiveDate, Utc};

use crate::error::Text;
use crate::model::catalogue::Product;
use crate::model::item::ItemStatus;
use crate::model::journal::{Intent, IntentStatus};
use crate::model::license::{License, LicenseStatus};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::period::MonthCount;
use crate::model::rules::Rules;
use crate::plan::change::{Difference, differences};
use crate::plan::finding::{ItemView, Want};
use crate::plan::reason::words;
use crate::plan::renew::{Renewal, due, is_paid};
use crate::text;

/// Everything that the answer depends on.
pub struct Question<'q> {
    /// The service.
    pub view: &'q ItemView,
    /// The license that its present incarnation holds.
    pub held: Option<&'q LicenseRow>,
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
pub fn explain(q: &Question<'_>) -> Vec<Text> {
    let mut lines = Vec::new();
    for intent in q.open {
        lines.push(doubt(q, intent));
    }
    for row in q.rows.iter().filter(|row| row.state == LicenseState::ToFree) {
        lines.push(freeing(q, row));
    }
    match &q.view.want {
        Want::Unclear(why) => {
            lines.push(text!(["nothing can be ordered: {}", why.en], ["ничего не заказать: {}", why.ru]))
        }
        Want::Nothing => lines.push(text!("the service asks for no panel", "услуга не требует панели")),
        Want::License(_) => {}
    }
    match (q.held, q.seen) {
        (Some(row), Some(seen)) => license(q, row, seen, &mut lines),
        (Some(row), None) => lines.push(text!(
            "license {} is not shown upstream: looked at twice before it counts as gone",
            "лицензии {} у продавца не видно: до вывода «исчезла» будет два просмотра",
            row.id
        )),
        (None, _) => lines.push(without(q)),
    }
    lines
}

fn doubt(q: &Question<'_>, intent: &Intent) -> Text {
    let settled = intent.settled_at(q.rules.upstream.settle_s);
    doubt_words(intent, settled)
}

/// A doubt in words. `settled`: the moment before which nothing is sent again.
pub fn doubt_words(intent: &Intent, settled: DateTime<Utc>) -> Text {
    let (kind, id) = (intent.request.kind(), intent.id);
    let until = settled.format("%Y-%m-%d %H:%M UTC");
    match intent.status {
        IntentStatus::HandedOver => text!(
            "{kind} (wish {id}) waits for you: pmisplicense resolve",
            "{kind} (wish {id}) ждёт вас: pmisplicense resolve"
        ),
        IntentStatus::FreeWhenAppears => {
            text!("{kind} (wish {id}) is looked for, to be freed", "{kind} (wish {id}) ищется, чтобы освободить")
        }
        IntentStatus::InDoubt
        | IntentStatus::Done
        | IntentStatus::Refused
        | IntentStatus::NotSent
        | IntentStatus::NotHappened => {
            text!(
                "{kind} (wish {id}) is looked for; its answer was lost; sent again not before {until}",
                "{kind} (wish {id}) ищется: ответ потерян; повтор не раньше {until}"
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

fn without(q: &Question<'_>) -> Text {
    let id = q.view.item.id;
    match (&q.view.want, q.view.item.status) {
        (Want::License(_), ItemStatus::Active) if is_paid(&q.view.item, q.today) => text!(
            "service {id} is paid and has no license: sync never orders one; run: pmisplicense reconcile --apply",
            "услуга {id} оплачена, а лицензии нет: sync не заказывает; выполните: pmisplicense reconcile --apply"
        ),
        (Want::License(_), ItemStatus::Ordered | ItemStatus::Processing) => {
            text!("no license yet: open obtains one", "лицензии ещё нет: её получит open")
        }
        (Want::License(_) | Want::Nothing | Want::Unclear(_), _) => {
            text!("no license, and none is obtained", "лицензии нет, и получать её не нужно")
        }
    }
}

fn license(q: &Question<'_>, row: &LicenseRow, seen: &License, lines: &mut Vec<Text>) {
    let (item, id) = (&q.view.item, row.id);
    let before = lines.len();
    if let Want::License(target) = &q.view.want {
        let moves_from = q.rules.ip_change_limit.waits_until(seen.ip_changed, q.today);
        for difference in differences(item, target, row, seen, q.today) {
            lines.push(change(seen, &difference, moves_from));
        }
    }
    if seen.key.is_none() {
        lines.push(text!(
            "the key of license {id} is asked for: it has none yet",
            "у лицензии {id} ещё нет ключа: он запрашивается"
        ));
    } else if item.params.lickey != seen.key {
        lines.push(text!("the key of license {id} is saved to the service", "ключ лицензии {id} сохранится в услугу"));
    }
    if seen.status == LicenseStatus::Ordered {
        lines.push(text!("license {id} waits for payment at the seller", "лицензия {id} ждёт оплаты у продавца"));
    }
    let renewal = q.product.map_or(Renewal::NotDue, |product| {
        due(item, product, q.aligned, seen.expires, q.today, q.rules.renew_before_days)
    });
    match renewal {
        Renewal::CannotTell => lines.push(text!(
            "nothing is renewed: the seller shows no day on which license {id} runs out",
            "продления не будет: продавец не показывает, когда истекает лицензия {id}"
        )),
        Renewal::Due(due) => {
            lines.push(text!(["{}; {}", due.reason.en, q.why_aligned.en], ["{}; {}", due.reason.ru, q.why_aligned.ru]));
        }
        Renewal::NotDue if lines.len() == before => lines.push(calm(q, seen)),
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
    if seen.expires.day().is_some_and(|expires| q.view.item.expires.is_some_and(|end| end <= expires)) {
        return text!(
            "nothing: the license lasts until {expires}, the service until {end}",
            "ничего: лицензия до {expires}, услуга до {end}"
        );
    }
    text!(
        "nothing: the license lasts until {expires} and is renewed from {from} on (service paid until {end})",
        "ничего: лицензия до {expires}, продление начнётся с {from} (услуга оплачена до {end})"
    )
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
    use crate::model::ids::{AccountId, IntentId, LicenseId};
    use crate::model::journal::OnceRequest;
    use crate::model::license::Family;

    /// The text about a doubt names the moment before which nothing is sent again. If it waits for an operator, it
    /// names the command.
    #[test]
    fn the_text_about_a_doubt_names_the_moment_or_the_command() {
        let at = DateTime::parse_from_rfc3339("2027-01-10T12:00:00Z").expect("a moment").to_utc();
        let intent = |status| Intent {
            id: IntentId(3),
            key: "k".into(),
            item: None,
            account: AccountId(1),
            request: OnceRequest::Delete { family: Family::Soft, license: LicenseId(5) },
            highest_license: LicenseId(0),
            recorded_at: at,
            clean_look_at: None,
            status,
            license: None,
            operation: None,
            settle_s: None,
        };
        let rules = Rules::default();
        let text = |status| doubt_text(&rules, &intent(status), at);
        assert!(text(IntentStatus::InDoubt).contains("not before 2027-01-10 12:15 UTC"));
        assert!(text(IntentStatus::HandedOver).contains("pmisplicense resolve"));
    }

    fn doubt_text(rules: &Rules, intent: &Intent, now: DateTime<Utc>) -> String {
        let settled = intent.recorded_at + chrono::Duration::seconds(i64::from(rules.upstream.settle_s));
        assert!(settled > now);
        super::doubt_words(intent, settled).en
    }
}
