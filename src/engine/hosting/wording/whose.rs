//! Whose an order is, and whose its license: what is said when a service names an order that it may not have.

use crate::error::{ErrorKind, Halt, ModuleError};
use crate::model::ids::{ItemId, LicenseId};
use crate::model::item::Item;
use crate::text;

pub(in crate::engine::hosting) fn no_order_named(item: ItemId, param: &str) -> ModuleError {
    ModuleError::new(
        ErrorKind::Missed,
        param,
        "",
        text!(
            "Service {item} names no hosting order: its parameter {param} is empty",
            "Услуга {item} не называет заказ хостинга: её параметр {param} пуст"
        ),
    )
    .changed(text!("Nothing was sent", "Ничего не отправлено"))
    .next(text!(
        "enter the number of the hosting order there, then repeat",
        "впишите в него номер заказа хостинга и повторите"
    ))
}

pub(in crate::engine::hosting) fn no_such_order(order: LicenseId) -> ModuleError {
    ModuleError::new(
        ErrorKind::BadValue,
        "orderid",
        order,
        text!(
            "There is no such order in this account: {order} is in none of the lines of products of the setting products",
            "Такого заказа в этой учётной записи нет: {order} не найден ни в одной линейке настройки products"
        ),
    )
    .changed(text!("Nothing was sent", "Ничего не отправлено"))
    .next(text!(
        "correct the number, then repeat",
        "исправьте номер и повторите"
    ))
}

pub(in crate::engine::hosting) fn no_email(item: &Item) -> ModuleError {
    let client = item.client;
    ModuleError::new(
        ErrorKind::Missed,
        "email",
        client,
        text!(
            "The panel's database shows no e-mail address of client {client}, so it cannot be told whether the hosting order is his",
            "В базе панели нет e-mail клиента {client}, поэтому нельзя сказать, его ли это заказ хостинга"
        ),
    )
    .changed(text!("Nothing was sent", "Ничего не отправлено"))
    .next(text!(
        "if only you fill in the order's number, set any_customer = true under [orderbox]",
        "если номер заказа вписываете только вы, задайте any_customer = true в разделе [orderbox]"
    ))
}

pub(in crate::engine::hosting) fn other_customer(item: &Item, order: LicenseId) -> ModuleError {
    let client = item.client;
    ModuleError::new(
        ErrorKind::BadValue,
        "orderid",
        order,
        text!(
            "Hosting order {order} belongs to another customer than client {client} of service {}",
            "Заказ хостинга {order} принадлежит другому покупателю, а не клиенту {client} услуги {}",
            item.id
        ),
    )
    .changed(text!("Nothing was sent and no key was shown", "Ничего не отправлено, ключ не показан"))
    .next(text!(
        "correct the number, or give both the same e-mail address",
        "исправьте номер или укажите у обоих один e-mail"
    ))
}

pub(in crate::engine::hosting) fn taken(order: LicenseId, other: ItemId) -> ModuleError {
    ModuleError::new(
        ErrorKind::BadValue,
        "orderid",
        order,
        text!(
            "The license of hosting order {order} belongs to service {other}",
            "Лицензия заказа хостинга {order} принадлежит услуге {other}"
        ),
    )
    .changed(text!("Nothing was sent and no key was shown", "Ничего не отправлено, ключ не показан"))
    .next(text!(
        "enter the number of another order, or close service {other} first",
        "впишите номер другого заказа или сначала закройте услугу {other}"
    ))
}

/// A service shows a license that is about to be given up.
pub(in crate::engine::hosting) fn shown_elsewhere(order: LicenseId, heir: ItemId) -> ModuleError {
    ModuleError::new(
        ErrorKind::State,
        "licid",
        order,
        text!(
            "Service {heir}, which is not closed, shows the license of hosting order {order}",
            "Незакрытая услуга {heir} показывает лицензию заказа хостинга {order}"
        ),
    )
    .changed(text!("The license was not removed", "Лицензия не снята"))
    .next(text!(
        "pmisplicense bind {heir} {order} (if it is that service's), or pmisplicense unbind {heir} (if it is not)",
        "pmisplicense bind {heir} {order} (если она той услуги) или pmisplicense unbind {heir} (если нет)"
    ))
}

/// A license that is to be removed, and a service that gave it back and wants it again.
pub(in crate::engine::hosting) fn wanted_again(order: LicenseId, item: ItemId) -> ModuleError {
    ModuleError::new(
        ErrorKind::State,
        "licid",
        order,
        text!(
            "Service {item} gave back the license of hosting order {order}, still shows its key and wants it again",
            "Услуга {item} вернула лицензию заказа хостинга {order}, всё ещё показывает её ключ и снова хочет её"
        ),
    )
    .changed(text!("The license was not removed", "Лицензия не снята"))
    .next(text!(
        "nothing to do while the panel repeats the operation of service {item}: the service gets the license without a purchase. Otherwise: pmisplicense bind {item} {order}. If service {item} needs no license, close it or let it choose nopanel",
        "ничего делать не нужно, пока панель повторяет операцию услуги {item}: услуга получит лицензию без покупки. Иначе: pmisplicense bind {item} {order}. Если услуге {item} лицензия не нужна, закройте её или выберите в ней nopanel"
    ))
}

pub(in crate::engine::hosting) fn shows_unknown(item: ItemId, license: LicenseId) -> ModuleError {
    ModuleError::new(
        ErrorKind::State,
        "licid",
        license,
        text!(
            "Service {item} shows license {license}, which is not bound to it in our state",
            "Услуга {item} показывает лицензию {license}, которая в нашем состоянии за ней не числится"
        ),
    )
    .halted(Halt::Unrecognized)
    .changed(text!("Nothing was sent", "Ничего не отправлено"))
    .next(text!(
        "pmisplicense bind {item} {license} (if it is this service's), or pmisplicense unbind {item} (if it is not)",
        "pmisplicense bind {item} {license} (если она этой услуги) или pmisplicense unbind {item} (если нет)"
    ))
}

/// Somebody else bought the license, perhaps the client. We must not show its key.
pub(in crate::engine::hosting) fn foreign_key(item: ItemId, order: LicenseId) -> ModuleError {
    ModuleError::new(
        ErrorKind::BadValue,
        "orderid",
        order,
        text!(
            "Hosting order {order} has a license already, and this installation did not buy it for service {item}",
            "У заказа хостинга {order} уже есть лицензия, и эта установка не покупала её для услуги {item}"
        ),
    )
    .changed(text!("Nothing was sent and no key was shown", "Ничего не отправлено, ключ не показан"))
    .next(text!(
        "to hand it over without a purchase: pmisplicense bind {item} {order}",
        "чтобы передать её без покупки: pmisplicense bind {item} {order}"
    ))
}

pub(in crate::engine::hosting) fn another_order(item: ItemId, present: LicenseId, asked: LicenseId) -> ModuleError {
    ModuleError::new(
        ErrorKind::NotSupported,
        "orderid",
        asked,
        text!(
            "Service {item} has the license of hosting order {present} and now names order {asked}. A license cannot move to another order",
            "У услуги {item} лицензия заказа хостинга {present}, а теперь назван заказ {asked}. Перенести лицензию на другой заказ нельзя"
        ),
    )
    .changed(text!("Nothing was sent", "Ничего не отправлено"))
    .next(text!(
        "close the service and order a new one, or enter {present} again",
        "закройте услугу и закажите новую или верните {present}"
    ))
}
