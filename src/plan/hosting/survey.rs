//! Findings of reconcile about licenses that are an addon of a hosting order: row by row, service by service. There is
//! no list to compare with; each order is looked at.

use chrono::{DateTime, NaiveDate, Utc};

use crate::error::Text;
use crate::model::hosting::HostingOrder;
use crate::model::item::ItemStatus;
use crate::model::journal::{Intent, IntentStatus};
use crate::model::license::Money;
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::plan::finding::{Binding, Desired, Finding, ItemView, Kind, Remedy};
use crate::plan::hosting::{KeyNow, key_now};
use crate::plan::identity::{Shown, serves};
use crate::plan::reason::{Decision, asked, decision};
use crate::plan::renew::is_paid;
use crate::text;

/// What a look at an order showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// The order.
    Seen(HostingOrder),
    /// The account has no such order.
    Missing,
    /// It could not be read; why.
    Unreadable(Text),
}

/// What is the same for everything that is compared.
#[derive(Debug, Clone)]
pub struct SurveyFacts {
    /// The moment.
    pub now: DateTime<Utc>,
    /// The seller's day.
    pub today: NaiveDate,
    /// Whether the program may remove licenses itself: the setting `remove_call`.
    pub removes: bool,
    /// What a month costs, where the setting `price_month` says so.
    pub price: Option<Money>,
}

fn command(words: std::fmt::Arguments<'_>) -> Remedy {
    Remedy::Operator(format!("pmisplicense {words}"))
}

impl SurveyFacts {
    fn finding(&self, kind: Kind, row: &LicenseRow, what: Text, remedy: Remedy) -> Finding {
        Finding {
            kind,
            item: row.item,
            license: Some(row.id),
            what,
            remedy,
            step: None,
            cost: self.cost(),
            price: None,
        }
    }

    /// As `finding`, with the words for what the remedy changes.
    fn with_step(&self, kind: Kind, row: &LicenseRow, what: Text, (remedy, step): (Remedy, Text)) -> Finding {
        Finding { step: Some(step), ..self.finding(kind, row, what, remedy) }
    }

    fn cost(&self) -> Option<String> {
        self.price.as_ref().map(|price| format!("{price} a month"))
    }

    /// A license of ours, with the service that it is bound to and the order that it is on.
    pub fn row(&self, row: &LicenseRow, view: Option<&ItemView>, sight: &Sight) -> Vec<Finding> {
        let order = row.id;
        let show = || command(format_args!("show license:{order}"));
        let seen = match sight {
            Sight::Seen(seen) => seen,
            Sight::Unreadable(why) => {
                let what = text!(
                    ["hosting order {order} cannot be read: {}", why.en],
                    ["заказ хостинга {order} не читается: {}", why.ru]
                );
                return vec![self.finding(Kind::Unreadable, row, what, show())];
            }
            Sight::Missing => {
                let what = text!(
                    "hosting order {order} is not in this account any more, and its license with it",
                    "заказа хостинга {order} в этой учётной записи больше нет, вместе с его лицензией"
                );
                return vec![self.finding(Kind::Gone, row, what, show())];
            }
        };
        match row.state {
            LicenseState::Bound | LicenseState::Claimed => self.bound(row, view, seen),
            LicenseState::ToFree => self.to_remove(row, seen).into_iter().collect(),
            LicenseState::Stopped => self.kept(row, seen).into_iter().collect(),
            LicenseState::Pool | LicenseState::Deleted => Vec::new(),
        }
    }

    fn bound(&self, row: &LicenseRow, view: Option<&ItemView>, seen: &HostingOrder) -> Vec<Finding> {
        let (order, item) = (row.id, row.item.map_or_else(|| "-".to_owned(), |item| item.to_string()));
        let bind = || command(format_args!("bind {item} {order}"));
        let one = |kind, what, remedy| vec![self.finding(kind, row, what, remedy)];
        let Some(view) = view else {
            let what = text!(
                "the license of hosting order {order} is bound to service {item}, which the panel does not have",
                "лицензия заказа хостинга {order} привязана к услуге {item}, которой в панели нет"
            );
            return one(Kind::NoItem, what, command(format_args!("show license:{order}")));
        };
        if !serves(row, &view.incarnation) {
            let what = text!(
                "the license of hosting order {order} was bound to another service numbered {item}",
                "лицензия заказа хостинга {order} привязана к другой услуге с номером {item}"
            );
            return one(Kind::OtherIncarnation, what, bind());
        }
        if let Some(known) = view.known_client.filter(|known| *known != view.item.client) {
            let client = view.item.client;
            let what = text!(
                "service {item} belongs to client {client}, and the license of hosting order {order} was bound for client {known}",
                "услуга {item} принадлежит клиенту {client}, а лицензия заказа хостинга {order} привязана для клиента {known}"
            );
            return one(Kind::OtherClient, what, bind());
        }
        if view.item.status == ItemStatus::Deleted {
            let what = text!(
                "service {item} is closed, but the license of hosting order {order} is still bound to it",
                "услуга {item} закрыта, но лицензия заказа хостинга {order} ещё за ней"
            );
            return one(Kind::Closed, what, Remedy::Free(order));
        }
        self.served(row, view, seen)
    }

    /// The license of a service that lives, against its order.
    fn served(&self, row: &LicenseRow, view: &ItemView, seen: &HostingOrder) -> Vec<Finding> {
        let (order, item, status) = (row.id, view.item.id, &seen.status);
        let show = || (command(format_args!("show {item}")), None);
        let saved = || {
            let step = text!(
                "save number and key of hosting order {order} to service {item}",
                "сохранить в услугу {item} номер и ключ заказа хостинга {order}"
            );
            (Remedy::Look(item), Some(step))
        };
        let mut found = Vec::new();
        let mut add = |kind, what, (remedy, step)| {
            found.push(Finding { step, ..self.finding(kind, row, what, remedy) });
        };
        match (&seen.key, &row.key) {
            (None, Some(_)) => {
                let what = text!(
                    "hosting order {order} has no license any more, and service {item} had bought one",
                    "у заказа хостинга {order} больше нет лицензии, а услуга {item} её покупала"
                );
                add(Kind::Gone, what, (command(format_args!("history {item}")), None));
            }
            (None, None) if self.now - row.since > chrono::Duration::hours(1) => {
                let what = text!(
                    "hosting order {order} of service {item} has shown no key for over an hour",
                    "у заказа хостинга {order} услуги {item} больше часа нет ключа"
                );
                let no = format!("pmisplicense resolve {item} --not-bought");
                let step = text!(
                    "ask the seller. If its panel shows no license there: {no}",
                    "спросите продавца. Если в его панели лицензии там нет: {no}"
                );
                add(Kind::KeyLate, what, (Remedy::Operator(no), Some(step)));
            }
            (None, None) => {}
            (Some(key), _) if view.item.params.lickey.as_ref() != Some(key) || row.key.as_ref() != Some(key) => {
                let what = text!(
                    "service {item} does not show the key that hosting order {order} has now",
                    "услуга {item} показывает не тот ключ, который сейчас у заказа хостинга {order}"
                );
                add(Kind::Key, what, saved());
            }
            (Some(_), _) if view.item.params.licid != Some(order) => {
                let what = text!(
                    "service {item} does not show the number of hosting order {order}",
                    "услуга {item} показывает не номер заказа хостинга {order}"
                );
                add(Kind::Key, what, saved());
            }
            (Some(_), _) => {}
        }
        if !seen.is_active() {
            let what = text!(
                "hosting order {order} of service {item} has the status {status}: its license may not work",
                "заказ хостинга {order} услуги {item} в состоянии {status}: его лицензия может не работать"
            );
            add(Kind::Status, what, show());
        }
        found
    }

    /// A license that nobody uses and that is to be removed.
    fn to_remove(&self, row: &LicenseRow, seen: &HostingOrder) -> Option<Finding> {
        let order = row.id;
        let look = |step: Text| match row.item {
            Some(item) => (Remedy::Look(item), step),
            None => {
                let show = format!("pmisplicense show license:{order}");
                let step = text!("you decide: {show}", "решать вам: {show}");
                (Remedy::Operator(show), step)
            }
        };
        let key = row.key.as_ref().map(|ours| key_now(seen, &ours.fingerprint()));
        match key {
            Some(KeyNow::Gone) => {
                let what = text!(
                    "the license of hosting order {order} is already removed",
                    "лицензия заказа хостинга {order} уже снята"
                );
                let step = text!("write down that it is removed", "записать, что она снята");
                Some(self.with_step(Kind::ToFree, row, what, look(step)))
            }
            Some(KeyNow::Other) => {
                let what = text!(
                    "hosting order {order} shows another key than the license that was to be removed: the key was issued anew, or somebody bought another license. The next look asks an operator",
                    "у заказа хостинга {order} не тот ключ, что у лицензии, которую нужно было снять: ключ перевыпущен, или кто-то купил другую лицензию. Следующий просмотр спросит оператора"
                );
                let step = text!("ask an operator what became of it", "спросить оператора, что с ней стало");
                Some(self.with_step(Kind::Key, row, what, look(step)))
            }
            // Its key is still to come.
            None if seen.key.is_none() => None,
            None | Some(KeyNow::Same) => {
                let what = text!(
                    "nobody uses the license of hosting order {order}: it is to be removed",
                    "лицензией заказа хостинга {order} никто не пользуется: её нужно снять"
                );
                let by_hand = command(format_args!("show license:{order}"));
                Some(self.finding(Kind::ToFree, row, what, if self.removes { Remedy::Free(order) } else { by_hand }))
            }
        }
    }

    /// A license that was kept on purpose: worth a word only when it is gone.
    fn kept(&self, row: &LicenseRow, seen: &HostingOrder) -> Option<Finding> {
        let (order, item) = (row.id, row.item?);
        (seen.key.is_none() && row.key.is_some()).then(|| {
            let what = text!(
                "hosting order {order} has not kept its license",
                "у заказа хостинга {order} оставленной лицензии больше нет"
            );
            let step = text!("write down that it is gone", "записать, что её больше нет");
            self.with_step(Kind::Gone, row, what, (Remedy::Look(item), step))
        })
    }

    /// The state is old. Orders have no marks, so purchases made since then show at the orders alone: a license that
    /// the state does not know is named as such, and a purchase without a key is looked for before the next one.
    /// `number`: the newest running number of the state.
    pub fn old_state(&self, number: u32) -> Finding {
        Finding {
            kind: Kind::OldState,
            item: None,
            license: None,
            what: text!("this state was restored from a backup", "состояние восстановлено из копии"),
            remedy: Remedy::CompleteState(number),
            step: Some(text!(
                "treat this state as up to date again; before the first purchase on a hosting order the program looks for one that the state has missed",
                "снова считать состояние полным; перед первой покупкой для заказа хостинга программа ищет ту, которой состояние не видело"
            )),
            cost: None,
            price: None,
        }
    }

    /// A purchase or a removal whose outcome is not known.
    pub fn in_doubt(&self, intent: &Intent) -> Finding {
        let (id, asked) = (intent.id, asked(&intent.request));
        let item = intent.shown_item();
        let order = intent.request.license().map_or(0, |order| order.0);
        let what = text!(
            ["{} for service {item} (request {id}): its outcome is not known yet", asked.en],
            ["{} для услуги {item} (запрос {id}): исход ещё неизвестен", asked.ru]
        );
        let (kind, remedy, step) = match (intent.status == IntentStatus::HandedOver, intent.item) {
            (false, Some(item)) => (Kind::InDoubt, Remedy::Look(item), None),
            (false, None) => (Kind::InDoubt, command(format_args!("history license:{order}")), None),
            (true, _) => {
                let Decision { command, next } = decision(intent);
                (Kind::HandedOver, Remedy::Operator(command), Some(next))
            }
        };
        Finding {
            kind,
            item: intent.item,
            license: intent.request.license(),
            what,
            remedy,
            step,
            cost: self.cost(),
            price: None,
        }
    }

    /// A service of the module that has no license of ours.
    pub fn service(&self, view: &ItemView, is_in_doubt: bool) -> Option<Finding> {
        let item = view.item.id;
        let finding = |kind, license, what, remedy| {
            let price = self.price.clone();
            Finding { kind, item: Some(item), license, what, remedy, step: None, cost: None, price }
        };
        if matches!(view.holds, Binding::Present | Binding::Elsewhere)
            || is_in_doubt
            || view.item.status == ItemStatus::Deleted
        {
            return None;
        }
        if let Shown::Unknown(license) | Shown::Elsewhere(license, _) = view.shown {
            let what = text!(
                "service {item} shows the license of hosting order {license}, which is not bound to it in this state",
                "услуга {item} показывает лицензию заказа хостинга {license}, которая в состоянии за ней не числится"
            );
            return Some(finding(Kind::Shown, Some(license), what, command(format_args!("bind {item} {license}"))));
        }
        let is_wanted = matches!(view.desired, Desired::License(_)) && is_paid(&view.item, self.today);
        is_wanted.then(|| {
            let what = text!("service {item} is active and has no license", "услуга {item} активна, а лицензии нет");
            finding(Kind::NoLicense, None, what, Remedy::Obtain(item))
        })
    }

    /// An order with a license that no service has, and that this state does not know.
    pub fn unclaimed(&self, seen: &HostingOrder) -> Finding {
        let (order, domain) = (seen.id, &seen.domain);
        let what = text!(
            "hosting order {order} ({domain}) has a license that no service has",
            "у заказа хостинга {order} ({domain}) есть лицензия, которой нет ни у одной услуги"
        );
        let remedy = command(format_args!("bind ITEM {order}"));
        let step = text!(
            "if it belongs to a service of yours, with the number of that service: pmisplicense bind ITEM {order}",
            "если она для вашей услуги, укажите её номер: pmisplicense bind УСЛУГА {order}"
        );
        Finding {
            kind: Kind::Unclaimed,
            item: None,
            license: Some(order),
            what,
            remedy,
            step: Some(step),
            cost: self.cost(),
            price: None,
        }
    }
}

#[cfg(test)]
mod tests;
