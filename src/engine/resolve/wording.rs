//! Errors of `resolve`: why the operator's answer does not settle a request in doubt, what is certain, and the command
//! that comes next.

use std::fmt::Display;

use crate::error::{ErrorKind, Message, ModuleError, Text};
use crate::model::ids::{IntentId, ItemId, LicenseId, Mark};
use crate::model::journal::{Intent, IntentStatus, OrderRequest};
use crate::model::license::License;
use crate::plan::bind::Consent;
use crate::plan::resolution::Misnamed;
use crate::store::Account;
use crate::text;

use super::OpenIntent;
use crate::engine::send::describe;

/// A refusal of the license that was named.
fn bad(license: LicenseId, words: Message) -> ModuleError {
    ModuleError::new(ErrorKind::BadValue, "bought", license, words)
}

/// The command that settles this request as bought, with the options that were given already.
fn as_bought(OpenIntent { item, intent }: OpenIntent<'_>, license: impl Display, consent: &Consent) -> String {
    let from = consent.take_from.as_ref().map_or_else(String::new, |panel| format!(" --take-from {}", panel.as_str()));
    let product = if consent.other_product { " --other-product" } else { "" };
    format!("pmisplicense resolve {item} --intent {} --bought {license}{from}{product}", intent.id)
}

/// The command that settles this request as not bought.
fn as_not_bought(OpenIntent { item, intent }: OpenIntent<'_>) -> String {
    format!("pmisplicense resolve {item} --intent {} --not-bought", intent.id)
}

/// Another service has the license.
pub(in crate::engine) fn taken(asked: OpenIntent<'_>, license: LicenseId, holder: Option<ItemId>) -> ModuleError {
    let holder = holder.map_or_else(|| "-".to_owned(), |item| item.to_string());
    let not_bought = as_not_bought(asked);
    bad(
        license,
        text!(
            "License {license} serves service {holder}, so this order did not buy it",
            "Лицензия {license} обслуживает услугу {holder}, значит, этот заказ её не покупал"
        )
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "repeat the command with the number of the license that this order bought. If it bought none: {not_bought}",
            "повторите команду с номером лицензии, которую купил этот заказ. Если он ничего не купил: {not_bought}"
        )),
    )
}

/// Another installation marked it.
pub(in crate::engine) fn bought_elsewhere(
    asked: OpenIntent<'_>,
    license: LicenseId,
    mark: &Mark,
    consent: &Consent,
) -> ModuleError {
    let panel = mark.panel();
    let command = as_bought(asked, license, &Consent { take_from: Some(panel.clone()), ..consent.clone() });
    let panel = panel.as_str();
    bad(
        license,
        text!(
            "License {license} bears the mark of another installation ({panel}), and two installations would renew it twice",
            "На лицензии {license} метка другой установки ({panel}): две установки продлят её дважды"
        )
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "if it is what this order bought: {command}",
            "если её купил этот заказ: {command}"
        )),
    )
}

/// It is ours and free.
pub(in crate::engine) fn free_already(asked: OpenIntent<'_>, license: LicenseId) -> ModuleError {
    let (item, not_bought) = (asked.item, as_not_bought(asked));
    bad(
        license,
        text!(
            "License {license} is ours and free, so this order did not buy it",
            "Лицензия {license} наша и свободна, значит, этот заказ её не покупал"
        )
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "{not_bought}, then pmisplicense bind {item} {license}",
            "{not_bought}, затем pmisplicense bind {item} {license}"
        )),
    )
}

/// It bears our mark for another service.
pub(in crate::engine) fn of_another_order(asked: OpenIntent<'_>, license: LicenseId, of: ItemId) -> ModuleError {
    let (item, not_bought) = (asked.item, as_not_bought(asked));
    bad(
        license,
        text!(
            "License {license} bears our mark of an order for service {of}",
            "На лицензии {license} наша метка заказа для услуги {of}"
        )
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "to give it to service {of}: pmisplicense reconcile --apply. To give it to service {item}: {not_bought}, then pmisplicense bind {item} {license}",
            "чтобы отдать её услуге {of}: pmisplicense reconcile --apply. Чтобы отдать её услуге {item}: {not_bought}, затем pmisplicense bind {item} {license}"
        )),
    )
}

/// It is this service's license, and another order or an operator brought it.
pub(in crate::engine) fn of_this_service(asked: OpenIntent<'_>, license: LicenseId, why: Misnamed) -> ModuleError {
    let (item, not_bought) = (asked.item, as_not_bought(asked));
    let words = match why {
        Misnamed::Serves => text!(
            "License {license} already serves service {item}, so this order did not buy it",
            "Лицензия {license} уже обслуживает услугу {item}, значит, этот заказ её не покупал"
        ),
        Misnamed::OfOrder(number) => text!(
            "License {license} bears the mark of order {number} of service {item}, so this order did not buy it",
            "На лицензии {license} метка заказа {number} услуги {item}, значит, этот заказ её не покупал"
        ),
    };
    let words = words.changed(text!("Nothing was changed", "Ничего не изменено"));
    let next = match asked.intent.status {
        IntentStatus::FreeWhenAppears => text!(
            "wait: if this order bought a license, sync frees it when it appears. Or repeat the command with the number of that license. If the order bought none: {not_bought}",
            "подождите: если этот заказ купил лицензию, sync освободит её, когда она появится. Или повторите команду с номером той лицензии. Если заказ ничего не купил: {not_bought}"
        ),
        IntentStatus::InDoubt
        | IntentStatus::HandedOver
        | IntentStatus::Done
        | IntentStatus::Refused
        | IntentStatus::NotSent
        | IntentStatus::NotHappened => text!(
            "repeat the command with the number of the license that this order bought. If it bought none: {not_bought}",
            "повторите команду с номером лицензии, которую купил этот заказ. Если он ничего не купил: {not_bought}"
        ),
    };
    bad(license, words.next(next))
}

/// It is of another product than was ordered.
pub(in crate::engine) fn of_another_product(
    asked: OpenIntent<'_>,
    seen: &License,
    order: &OrderRequest,
    consent: &Consent,
) -> ModuleError {
    let (license, ordered, has) = (seen.id, order.pricelist, &seen.tariff);
    let command = as_bought(asked, license, &Consent { other_product: true, ..consent.clone() });
    bad(
        license,
        text!(
            "License {license} is of product {has}, and {ordered} was ordered. Once bound, its tariff is changed, which may cost money",
            "Лицензия {license} — продукт {has}, а заказан был {ordered}. После привязки тариф сменится, это может стоить денег"
        )
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "if it is what this order bought: {command}",
            "если её купил этот заказ: {command}"
        )),
    )
}

/// The order was sent with an account that the module does not buy from now: its licenses cannot be read.
pub(in crate::engine) fn sent_elsewhere(asked: OpenIntent<'_>, sent_with: Option<&Account>) -> ModuleError {
    let (user, url) = sent_with.map_or(("-", "-"), |account| (account.username.as_str(), account.url.as_str()));
    let (what, not_bought) = (describe(asked.intent), as_not_bought(asked));
    let words = text!(
        [
            "{}: it was sent as {user} at {url}, and the module buys from another account now, which cannot show that license",
            what.en
        ],
        [
            "{}: отправлено как {user} на {url}, а модуль теперь покупает через другую учётную запись, та лицензия в ней не видна",
            what.ru
        ]
    );
    ModuleError::new(ErrorKind::Config, "account", user, words)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "give the module its former account back and repeat. To give the order up, so that the next run orders with the present account: {not_bought}",
            "верните модулю прежнюю учётную запись и повторите. Чтобы отказаться от заказа (следующий запуск закажет через нынешнюю): {not_bought}"
        ))
}

/// The operator says that the order bought nothing, and the seller shows its license.
pub(in crate::engine) fn found_after_all(
    asked: OpenIntent<'_>,
    license: &License,
    order: &OrderRequest,
) -> ModuleError {
    let other_product = !license.tariff.may_be(order.pricelist);
    let (id, command) = (license.id, as_bought(asked, license.id, &Consent { other_product, ..Consent::default() }));
    let words = text!(
        "License {id} bears the mark of this order, so it was bought",
        "На лицензии {id} метка этого заказа, значит, она куплена"
    );
    ModuleError::new(ErrorKind::BadValue, "not-bought", id, words)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!("{command}", "{command}"))
}

/// A change in doubt is about another license.
pub(in crate::engine) fn about_another(asked: OpenIntent<'_>, license: LicenseId) -> ModuleError {
    let about = asked.intent.request.license().map_or_else(|| "-".to_owned(), |about| about.to_string());
    let (what, command) = (describe(asked.intent), as_bought(asked, &about, &Consent::default()));
    bad(
        license,
        text!(
            ["{}: it is about license {about}, not {license}", what.en],
            ["{}: это о лицензии {about}, а не {license}", what.ru]
        )
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!("if it was carried out: {command}", "если это выполнено: {command}")),
    )
}

/// Nothing waits for a decision.
pub(in crate::engine) fn nothing_in_doubt(item: ItemId) -> ModuleError {
    ModuleError::new(
        ErrorKind::Missed,
        "item",
        item,
        text!("Nothing of service {item} is in doubt", "У услуги {item} нет ничего под вопросом"),
    )
    .changed(text!("Nothing was changed", "Ничего не изменено"))
}

fn listed(several: &[Intent], text: fn(&Text) -> &str) -> String {
    let line = |intent: &Intent| format!("--intent {}: {}", intent.id, text(&describe(intent)));
    several.iter().map(line).collect::<Vec<_>>().join("; ")
}

/// Several requests are in doubt, and none was named.
pub(in crate::engine) fn several_in_doubt(item: ItemId, several: &[Intent]) -> ModuleError {
    let words =
        text!("Service {item} has several requests in doubt", "У услуги {item} под вопросом несколько запросов");
    ModuleError::new(ErrorKind::Missed, "wish", item, words)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            ["name one: {}", listed(several, |text| &text.en)],
            ["укажите один: {}", listed(several, |text| &text.ru)]
        ))
}

/// The request in doubt that was named does not belong to this service.
pub(in crate::engine) fn not_in_doubt(item: ItemId, intent: IntentId, several: &[Intent]) -> ModuleError {
    let words =
        text!("Service {item} has no request {intent} in doubt", "У услуги {item} нет запроса {intent} под вопросом");
    ModuleError::new(ErrorKind::Missed, "wish", intent, words)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            ["name one: {}", listed(several, |text| &text.en)],
            ["укажите один: {}", listed(several, |text| &text.ru)]
        ))
}
