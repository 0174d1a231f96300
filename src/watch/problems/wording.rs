//! Each problem in words: what happened, what to do, and the command to begin with.

use crate::error::{Text, counted};
use crate::model::ids::AccountId;
use crate::model::journal::{Intent, IntentStatus};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::plan::reason::{Decision, asked, decision, words};
use crate::store::Trouble;
use crate::text;

use super::{Kind, Problem, moment};

/// A request whose outcome is not known, or is left to an operator.
pub(super) fn of_intent(intent: &Intent) -> Problem {
    let (asked, item) = (asked(&intent.request), dash(intent.item));
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
            Kind::InDoubt,
            text!(
                ["{} for service {item} of {since}: its answer was lost. Every run looks for the result.", asked.en],
                ["{} для услуги {item} от {since}: ответ потерян. Каждый запуск ищет результат.", asked.ru]
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
    let Decision { command, next } = decision(intent);
    problem(Kind::HandedOver, what, next, command)
}

/// The problems of a license that waits longer than it should.
pub(super) fn of_license(row: &LicenseRow, is_late: bool) -> Vec<Problem> {
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
            if row.waits_for_key() && is_late {
                found.push(problem(
                    Kind::KeyLate,
                    text!(
                        "license {id} of service {item} has had no key for over an hour",
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
                "license {id} has been in preparation for service {item} since {since}, which is too long",
                "лицензия {id} слишком долго готовится для услуги {item}: с {since}"
            ),
            text!("carry on with it: {retry}", "продолжить: {retry}"),
            retry,
        )),
        LicenseState::ToFree => {
            let why = row.reason.as_ref().map(words);
            let why = why.map_or_else(|| Text::same(""), |why| text!([": {}", why.en], [": {}", why.ru]));
            found.push(problem(
                Kind::ToFree,
                text!(
                    ["license {id} has been waiting to be freed since {since}{}", why.en],
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

/// A license that serves nobody, and that somebody else uses. Which service had it last does not matter any more.
pub(super) fn used_by_others(row: &LicenseRow) -> Problem {
    let (id, name) = (row.id, &row.name);
    let ip = row.ip.map_or_else(|| "-".to_owned(), |ip| ip.to_string());
    let command = format!("pmisplicense show license:{id}");
    Problem {
        kind: Kind::NotFree,
        item: None,
        license: Some((row.account, id)),
        intent: None,
        since: None,
        what: text!(
            "license {id} serves no service of ours, but somebody uses it: name {name}, address {ip}",
            "лицензия {id} не служит ни одной нашей услуге, но её кто-то занял: имя {name}, IP {ip}"
        ),
        next: text!(
            "look at it: {command}. If a service of ours uses it: pmisplicense bind ITEM {id}. If another user of the account does: pmisplicense state leave {id}",
            "посмотрите её: {command}. Если её занимает наша услуга: pmisplicense bind УСЛУГА {id}. Если другой пользователь учётной записи: pmisplicense state leave {id}"
        ),
        command,
    }
}

/// A license that is gone at the seller.
pub(super) fn gone(row: &LicenseRow) -> Problem {
    let (id, item, since) = (row.id, dash(row.item), moment(row.since));
    Problem {
        kind: Kind::Gone,
        item: row.item,
        license: Some((row.account, row.id)),
        intent: None,
        since: Some(row.since),
        what: text!(
            "license {id} of service {item} has been gone at the seller since {since}",
            "лицензии {id} услуги {item} нет у продавца с {since}"
        ),
        next: text!(
            "see what the service needs, and what that costs: pmisplicense reconcile. To get a license for each such service: pmisplicense reconcile --apply",
            "посмотрите, что нужно услуге и сколько это стоит: pmisplicense reconcile. Получить лицензию каждой такой услуге: pmisplicense reconcile --apply"
        ),
        command: "pmisplicense reconcile".to_owned(),
    }
}

/// Passes that fail again and again for a service. `is_refused`: the seller also refused a purchase for it.
pub(super) fn sync_fails(trouble: &Trouble, is_refused: bool) -> Problem {
    let (item, times, why) = (trouble.item, trouble.times, &trouble.why);
    let since = trouble.since.format("%Y-%m-%d %H:%M UTC");
    let command = format!("pmisplicense retry {item}");
    Problem {
        kind: Kind::SyncFails,
        item: Some(item),
        license: None,
        intent: None,
        since: Some(trouble.since),
        what: text!(
            ["sync fails for service {item} since {since}, {} in a row: {}", counted(times, "time"), why.en],
            ["sync не справляется с услугой {item} с {since} (неудач подряд: {times}): {}", why.ru]
        ),
        next: match is_refused {
            true => text!(
                "remove the cause, then: {command}. For all services whose purchase was refused: pmisplicense retry --all",
                "устраните причину, затем: {command}. Для всех услуг, которым отказано в покупке: pmisplicense retry --all"
            ),
            false => {
                text!("correct the cause, then look again: {command}", "устраните причину и проверьте снова: {command}")
            }
        },
        command,
    }
}

/// Licenses that are bound with an account that no module buys from.
pub(super) fn former(account: AccountId, module: u32, licenses: u32) -> Problem {
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
