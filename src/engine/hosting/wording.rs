//! Messages about addons of hosting orders: what happened, what was changed, what to do next.

mod whose;

use chrono::NaiveDate;

use crate::error::{ErrorKind, Halt, ModuleError, Text, counted};
use crate::model::hosting::HostingOrder;
use crate::model::ids::{ItemId, LicenseId};
use crate::model::item::Item;
use crate::model::journal::Intent;
use crate::model::license::Money;
use crate::model::license_row::LicenseRow;
use crate::plan::hosting::TOLD_BEFORE_DAYS;
use crate::ports::Refusal;
use crate::text;

pub(super) use whose::{
    another_order, foreign_key, no_email, no_order_named, no_such_order, other_customer, shown_elsewhere,
    shows_unknown, taken, wanted_again,
};

fn day(seen: &HostingOrder) -> String {
    seen.ends.map_or_else(|| "?".to_owned(), |ends| ends.date_naive().to_string())
}

/// A price in words, if it is known.
fn priced(price: Option<&Money>) -> Text {
    price.map_or_else(Text::default, |price| text!(", about {price}", ", примерно {price}"))
}

/// A new key is refused, because it would be a removal and another purchase.
pub(super) fn no_new_key(item: ItemId) -> ModuleError {
    ModuleError::new(
        ErrorKind::NotSupported,
        "command",
        "gen_key",
        text!(
            "Service {item} has a license whose key cannot be changed here",
            "У услуги {item} лицензия, ключ которой здесь сменить нельзя"
        ),
    )
    .changed(text!("Nothing was sent", "Ничего не отправлено"))
    .next(text!(
        "the license is reissued in WHMCS's own client area",
        "лицензия перевыпускается в кабинете самой WHMCS"
    ))
}

pub(super) fn not_active(seen: &HostingOrder) -> ModuleError {
    let (order, status) = (seen.id, &seen.status);
    ModuleError::new(
        ErrorKind::BadValue,
        "orderid",
        order,
        text!(
            "Hosting order {order} has the status {status}, so no license can be added to it",
            "Заказ хостинга {order} в состоянии {status}: добавить к нему лицензию нельзя"
        ),
    )
    .changed(text!("Nothing was sent", "Ничего не отправлено"))
    .next(text!(
        "see to the hosting in the seller's panel, then repeat",
        "разберитесь с хостингом в панели продавца и повторите"
    ))
}

pub(super) fn is_over(seen: &HostingOrder) -> ModuleError {
    let (order, ends) = (seen.id, day(seen));
    ModuleError::new(
        ErrorKind::BadValue,
        "orderid",
        order,
        text!(
            "The term of hosting order {order} is over ({ends}), or the seller does not show it",
            "Срок заказа хостинга {order} истёк ({ends}) или продавец его не сообщает"
        ),
    )
    .changed(text!("Nothing was sent", "Ничего не отправлено"))
    .next(text!(
        "renew the hosting in the seller's panel, then repeat",
        "продлите хостинг в панели продавца и повторите"
    ))
}

pub(super) fn busy_order(order: LicenseId) -> ModuleError {
    ModuleError::new(
        ErrorKind::Upstream,
        "orderid",
        order,
        text!(
            "Another action on hosting order {order} is under way at the seller",
            "На заказе хостинга {order} у продавца выполняется другое действие"
        ),
    )
    .changed(text!("Nothing was sent", "Ничего не отправлено"))
    .next(text!(
        "nothing to do when the panel or cron started this run: it is repeated. Otherwise repeat the command once that action has ended",
        "ничего, если запуск начали панель или cron: он повторится. Иначе повторите команду, когда действие закончится"
    ))
}

pub(super) fn too_long(item: &Item, seen: &HostingOrder, months: u32, price: Option<&Money>) -> ModuleError {
    let (id, order, ends, price) = (item.id, seen.id, day(seen), priced(price));
    ModuleError::new(
        ErrorKind::PeriodNotSold,
        "period",
        months,
        text!(
            [
                "The term of hosting order {order} ends on {ends}, and the license is charged until then at once: {}{}. Service {id} pays for less",
                counted(months, "month"),
                price.en
            ],
            [
                "Срок заказа хостинга {order} — до {ends}, и лицензия оплачивается сразу за всё это время: {months} мес.{}. Услуга {id} оплачена на меньший срок",
                price.ru
            ]
        ),
    )
    .changed(text!("Nothing was sent", "Ничего не отправлено"))
    .next(text!(
        "sell it for a longer period, or raise max_extra_months under [orderbox]",
        "продавайте её на больший период или увеличьте max_extra_months в разделе [orderbox]"
    ))
}

/// The purchase in words, for journal and log.
pub(super) fn purchase(item: ItemId, seen: &HostingOrder, months: u32, price: Option<&Money>) -> Text {
    let (order, ends, price) = (seen.id, day(seen), priced(price));
    text!(
        [
            "license for hosting order {order} of service {item}, charged until {ends}: {}{}",
            counted(months, "month"),
            price.en
        ],
        ["лицензия для заказа хостинга {order} услуги {item}, оплата до {ends}: {months} мес.{}", price.ru]
    )
}

pub(super) fn perhaps_missed(item: ItemId, order: LicenseId) -> Text {
    text!(
        "a purchase for hosting order {order} of service {item} that the state may have missed while it was old",
        "покупка для заказа хостинга {order} услуги {item}, которой старое состояние могло не видеть"
    )
}

pub(super) fn removal(item: ItemId, order: LicenseId) -> Text {
    text!(
        "removal of the license of hosting order {order}, which service {item} gave back",
        "снятие лицензии с заказа хостинга {order}, которую вернула услуга {item}"
    )
}

/// The license of a service is gone; nothing is bought in its place.
pub(super) fn addon_gone(item: ItemId, order: LicenseId) -> ModuleError {
    ModuleError::new(
        ErrorKind::LicenseGone,
        "licid",
        order,
        text!(
            "Hosting order {order} has no license any more, and service {item} had bought one",
            "У заказа хостинга {order} больше нет лицензии, а услуга {item} её покупала"
        ),
    )
    .changed(text!("Nothing was bought again", "Повторно ничего не куплено"))
    .next(text!(
        "ask who removed it; for a new license close the service and open it again",
        "выясните, кто её снял; для новой лицензии закройте услугу и откройте снова"
    ))
}

/// The end of [`addon_gone`].
pub(super) fn shown_again(order: LicenseId) -> Text {
    text!("hosting order {order} shows its license again", "заказ хостинга {order} снова показывает свою лицензию")
}

pub(super) fn under_way(what: &Text, order: LicenseId) -> ModuleError {
    ModuleError::new(
        ErrorKind::Client,
        "licid",
        order,
        text!(
            ["{}: the seller has an action on the order under way", what.en],
            ["{}: у продавца на заказе выполняется действие", what.ru]
        ),
    )
    .halted(Halt::InDoubt)
    .changed(text!("Nothing is sent again until it has ended", "До его окончания ничего не отправляется повторно"))
    .next(text!(
        "nothing to do; each run looks at the action until it has ended",
        "ничего делать не нужно; каждый запуск проверяет, закончилось ли действие"
    ))
}

pub(super) fn action_failed(what: &Text, intent: &Intent) -> ModuleError {
    let order = intent.request.license().map_or(0, |order| order.0);
    ModuleError::new(
        ErrorKind::Upstream,
        "licid",
        order,
        text!(
            ["{}: the seller took the request, and its action failed", what.en],
            ["{}: продавец принял запрос, но действие не удалось", what.ru]
        ),
    )
    .changed(text!("No license was added", "Лицензия не добавлена"))
    .next(text!(
        "look at the order's actions in the seller's panel, then repeat",
        "посмотрите действия заказа в панели продавца и повторите"
    ))
}

/// An order shows no license, and that may be how it was before a purchase.
pub(super) fn shown_a_moment_ago(order: LicenseId) -> ModuleError {
    ModuleError::new(
        ErrorKind::Client,
        "licid",
        order,
        text!(
            "Hosting order {order} had a license of ours a moment ago and shows none now",
            "У заказа хостинга {order} только что была наша лицензия, а теперь её не видно"
        ),
    )
    .changed(text!("Nothing was bought", "Ничего не куплено"))
    .next(text!(
        "nothing to do when the panel or cron started this run: it is repeated. Otherwise repeat the command in a minute",
        "ничего, если запуск начали панель или cron: он повторится. Иначе повторите команду через минуту"
    ))
}

pub(super) fn key_to_come(row: &LicenseRow) -> ModuleError {
    let order = row.id;
    ModuleError::new(
        ErrorKind::Upstream,
        "licid",
        order,
        text!(
            "The license of hosting order {order} was bought, and its key is not there yet",
            "Лицензия заказа хостинга {order} куплена, но её ключа ещё нет"
        ),
    )
    .changed(text!("Nothing was bought or removed", "Ничего не куплено и не снято"))
    .next(text!(
        ["the next sync looks again; {}", if_not_there(row).en],
        ["следующий sync проверит снова; {}", if_not_there(row).ru]
    ))
}

/// The command for an operator when the seller's panel shows that a purchased license is not on its order.
fn if_not_there(row: &LicenseRow) -> Text {
    let item = row.item.map_or_else(|| "ITEM".to_owned(), |item| item.to_string());
    text!(
        "if the seller's panel shows no license there, run: pmisplicense resolve {item} --not-bought",
        "если в панели продавца её там нет, выполните: pmisplicense resolve {item} --not-bought"
    )
}

/// A license that was bought, and whose key has not come in all that time.
pub(super) fn key_is_late(item: ItemId, row: &LicenseRow) -> Text {
    let (order, since) = (row.id, row.since.format("%Y-%m-%d %H:%M UTC"));
    let (en, ru) = (if_not_there(row).en, if_not_there(row).ru);
    text!(
        "Hosting order {order} has shown no key since {since}, although its license was bought for service {item}",
        "У заказа хостинга {order} нет ключа с {since}, хотя лицензия для услуги {item} куплена"
    )
    .changed(text!("Nothing is bought again", "Повторно ничего не покупается"))
    .next(text!("ask the seller; {en}.", "спросите продавца; {ru}."))
    .text()
}

pub(super) fn key_came(item: ItemId, order: LicenseId) -> ModuleError {
    ModuleError::new(
        ErrorKind::BadValue,
        "licid",
        order,
        text!(
            "Hosting order {order} already shows a license key, so the purchase for service {item} was carried out",
            "У заказа хостинга {order} уже есть ключ лицензии: покупка для услуги {item} состоялась"
        ),
    )
    .changed(text!("Nothing was changed", "Ничего не изменено"))
    .next(text!("run: pmisplicense sync", "выполните: pmisplicense sync"))
}

pub(super) fn given_back(item: ItemId, order: LicenseId, keeps: bool) -> Text {
    if keeps {
        text!(
            "service {item} gave back the license of hosting order {order}; it stays until the hosting ends",
            "услуга {item} вернула лицензию заказа хостинга {order}; она остаётся до окончания хостинга"
        )
    } else {
        text!(
            "service {item} gave back the license of hosting order {order}: it is to be removed",
            "услуга {item} вернула лицензию заказа хостинга {order}: её нужно снять"
        )
    }
}

pub(super) fn to_remove(item: ItemId, seen: &HostingOrder, price: Option<&Money>) -> Text {
    let (order, ends, price) = (seen.id, day(seen), priced(price));
    text!(
        [
            "Service {item} no longer uses the license of hosting order {order}, which still has it. Remove the license in the seller's panel before {ends}, or the next term is charged{}. Nothing is refunded.",
            price.en
        ],
        [
            "Услуга {item} больше не использует лицензию заказа хостинга {order}, а у заказа она осталась. Снимите лицензию в панели продавца до {ends}, иначе будет списана оплата следующего срока{}. Деньги не возвращаются.",
            price.ru
        ]
    )
}

pub(super) fn kept(item: ItemId, seen: &HostingOrder, price: Option<&Money>) -> Text {
    let (order, ends, price) = (seen.id, day(seen), priced(price));
    text!(
        [
            "Service {item} no longer uses the license of hosting order {order}, which still has it. It is kept until the hosting ends on {ends}. Each renewal of the hosting charges it again, by the month{}.",
            price.en
        ],
        [
            "Услуга {item} больше не использует лицензию заказа хостинга {order}, а у заказа она осталась — до его окончания {ends}. Каждое продление хостинга снова её оплачивает, за месяц{}.",
            price.ru
        ]
    )
}

pub(super) fn removal_refused(item: ItemId, order: LicenseId, refusal: &Refusal) -> Text {
    text!(
        "The seller refused to remove the license of hosting order {order}, which service {item} gave back: {refusal}. Remove it in the seller's panel, or correct remove_call under [orderbox].",
        "Продавец отказался снять лицензию с заказа хостинга {order}, которую вернула услуга {item}: {refusal}. Снимите её в панели продавца или исправьте remove_call в разделе [orderbox]."
    )
}

pub(super) fn hosting_ends(item: ItemId, seen: &HostingOrder, paid: NaiveDate) -> Text {
    let (order, ends) = (seen.id, day(seen));
    text!(
        "Hosting order {order} ends on {ends}, and service {item} is paid until {paid}. Its license ends with the hosting",
        "Заказ хостинга {order} заканчивается {ends}, а услуга {item} оплачена до {paid}. Её лицензия закончится вместе с хостингом"
    )
    .next(text!("renew the hosting in the seller's panel.", "продлите хостинг в панели продавца."))
    .text()
}

pub(super) fn hosting_not_active(item: ItemId, seen: &HostingOrder) -> Text {
    let (order, status) = (seen.id, &seen.status);
    text!(
        "Hosting order {order} of service {item} has the status {status}: its license may not work",
        "Заказ хостинга {order} услуги {item} в состоянии {status}: его лицензия может не работать"
    )
    .next(text!("look at the order in the seller's panel.", "посмотрите заказ в панели продавца."))
    .text()
}

/// The end of [`hosting_not_active`].
pub(super) fn active_again(order: LicenseId) -> Text {
    text!("hosting order {order} is active again", "заказ хостинга {order} снова активен")
}

/// The end of [`renewed_unpaid`].
pub(super) fn renewal_settled(order: LicenseId) -> Text {
    text!(
        "no renewal of hosting order {order} that nobody pays for is near any more",
        "близкого продления заказа хостинга {order}, за которое никто не платит, больше нет"
    )
}

pub(super) fn renewed_unpaid(item: ItemId, seen: &HostingOrder, price: Option<&Money>) -> Text {
    let (order, ends, price) = (seen.id, day(seen), priced(price));
    text!(
        [
            "Nobody pays for service {item}, and the seller renews hosting order {order} with its license on {ends}, within {TOLD_BEFORE_DAYS} days. Remove the license before {ends}, or another term is charged, by the month{}.",
            price.en
        ],
        [
            "За услугу {item} никто не платит, а {ends}, в пределах {TOLD_BEFORE_DAYS} дней, продавец продлит заказ хостинга {order} вместе с лицензией. Снимите лицензию до {ends}, иначе будет оплачен ещё один срок, за месяц{}.",
            price.ru
        ]
    )
}

pub(super) fn nothing_to_bind(order: LicenseId) -> ModuleError {
    ModuleError::new(
        ErrorKind::LicenseGone,
        "licid",
        order,
        text!(
            "Hosting order {order} shows no license key, so there is nothing to bind",
            "У заказа хостинга {order} нет ключа лицензии: привязывать нечего"
        ),
    )
    .changed(text!("Nothing was changed", "Ничего не изменено"))
    .next(text!("look at the order in the seller's panel", "посмотрите заказ в панели продавца"))
}

pub(super) fn added_after_all(item: Option<ItemId>, order: LicenseId) -> ModuleError {
    let item = item.map_or_else(|| "ITEM".to_owned(), |item| item.to_string());
    ModuleError::new(
        ErrorKind::BadValue,
        "licid",
        order,
        text!(
            "Hosting order {order} already has a license, so it was bought",
            "У заказа хостинга {order} уже есть лицензия: она куплена"
        ),
    )
    .changed(text!("Nothing was changed", "Ничего не изменено"))
    .next(text!("pmisplicense resolve {item} --bought {order}", "pmisplicense resolve {item} --bought {order}"))
}
