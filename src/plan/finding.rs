//! The findings of reconcile and their remedies: stable words for programs, plain words for people.

use chrono::{DateTime, NaiveDate, Utc};

use crate::error::Text;
use crate::model::ids::{ClientId, ItemId, LicenseId, ModuleId, PanelId};
use crate::model::item::Item;
use crate::model::journal::{Incarnation, Intent};
use crate::model::license::Money;
use crate::plan::change::DesiredLicense;
use crate::plan::cost::Bill;
use crate::plan::identity::Shown;
use crate::text;

/// What an item asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Desired {
    /// A license like this.
    License(DesiredLicense),
    /// No panel.
    Nothing,
    /// It cannot be decided: an unknown name, no address.
    Unclear(Text),
}

/// An item as the panel has it, with what our state knows of its number.
#[derive(Debug, Clone)]
pub struct ItemView {
    /// The panel's row.
    pub item: Item,
    /// Its present incarnation.
    pub incarnation: Incarnation,
    /// The client that our state knows for this incarnation.
    pub known_client: Option<ClientId>,
    /// What it asks for.
    pub desired: Desired,
    /// Which of its incarnations has a license.
    pub holds: Binding,
    /// What it shows its client, as far as our state knows it.
    pub shown: Shown,
    /// It is bought with a module of another account now.
    pub buys_elsewhere: bool,
    /// Why it still holds a license although its client wants none. `None`: it holds none or wants it, or the run that
    /// frees it may still be under way.
    pub given_back: Option<GivenBack>,
    /// What a license for it costs by our list of prices, for a service that has none; `None`: not known.
    pub price: Option<Money>,
}

/// Whether an item has a license, as our state knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// None.
    Nothing,
    /// Only a former incarnation of this number, or another client's.
    Former,
    /// The present incarnation, in another account than the one that is compared.
    Elsewhere,
    /// The present incarnation.
    Present,
}

/// Why a license is still bound to an item that wants none any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenBack {
    /// Nothing keeps it there: the run that was to free it ended before it did so.
    NotFreed,
    /// The panel's operation that ordered the license, or that opens the service, has not ended for longer than the
    /// settling time.
    OperationUnfinished,
}

/// The facts of one account that are the same for everything that is compared.
#[derive(Debug)]
pub struct AccountFacts {
    /// The module whose items are compared.
    pub module: ModuleId,
    /// Intents without an ended outcome.
    pub open: Vec<Intent>,
    /// This installation.
    pub panel: PanelId,
    /// The newest running number that this state knows of the account. If it is old, licenses with higher ones were
    /// ordered since.
    pub last_number: u32,
    /// The newest running number of this state, whatever account it was for.
    pub newest_number: u32,
    /// The state was restored from a backup, and not completed for this account since.
    pub restored: bool,
    /// The seller's day.
    pub today: NaiveDate,
    /// The moment.
    pub now: DateTime<Utc>,
}

/// What is wrong. Programs read the words, so they never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A license with our mark that this state does not know.
    Unclaimed,
    /// A second license for one service.
    Duplicate,
    /// This state is old: it misses what was done after it was saved.
    OldState,
    /// The state that this installation had is lost: its services show licenses with the mark of another id.
    LostState,
    /// An outcome is not known yet.
    InDoubt,
    /// An operator must settle a request in doubt.
    HandedOver,
    /// A paid service without a license.
    NoLicense,
    /// A license that the seller does not show any more.
    Gone,
    /// Ordered and not paid at the seller.
    Unpaid,
    /// The service is closed, its license is not.
    Closed,
    /// The service wants no license any more, and its license is still bound to it.
    GivenBack,
    /// The panel has no such service.
    NoItem,
    /// The license was bound to another incarnation of this number.
    OtherIncarnation,
    /// The service has another client than when its license was bound.
    OtherClient,
    /// The service shows a license that the state does not hold for it.
    Shown,
    /// Two services show one license.
    TwoItems,
    /// The seller renews it automatically.
    Autoprolong,
    /// Another address.
    Address,
    /// Another name.
    Name,
    /// Another tariff.
    Tariff,
    /// Another number of nodes.
    Nodes,
    /// It runs or is stopped, and should not be.
    Status,
    /// The service shows another key or number.
    Key,
    /// The key never came.
    KeyLate,
    /// The key names another license.
    KeyNumber,
    /// It waits to be freed.
    ToFree,
    /// A pooled license that somebody uses.
    NotFree,
    /// Licenses bound with an account that no module buys from any more.
    FormerAccount,
    /// The seller lists it and does not let it be read, so nobody knows to whom it belongs.
    Unreadable,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 29] = [
        Self::Unclaimed,
        Self::Duplicate,
        Self::OldState,
        Self::LostState,
        Self::InDoubt,
        Self::HandedOver,
        Self::NoLicense,
        Self::Gone,
        Self::Unpaid,
        Self::Closed,
        Self::GivenBack,
        Self::NoItem,
        Self::OtherIncarnation,
        Self::OtherClient,
        Self::Shown,
        Self::TwoItems,
        Self::Autoprolong,
        Self::Address,
        Self::Name,
        Self::Tariff,
        Self::Nodes,
        Self::Status,
        Self::Key,
        Self::KeyLate,
        Self::KeyNumber,
        Self::ToFree,
        Self::NotFree,
        Self::FormerAccount,
        Self::Unreadable,
    ];

    /// The stable word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unclaimed => "unowned",
            Self::Duplicate => "duplicate",
            Self::OldState => "old_state",
            Self::LostState => "lost_state",
            Self::InDoubt => "doubt",
            Self::HandedOver => "handed_over",
            Self::NoLicense => "no_license",
            Self::Gone => "gone",
            Self::Unpaid => "unpaid",
            Self::Closed => "closed",
            Self::GivenBack => "given_back",
            Self::NoItem => "no_item",
            Self::OtherIncarnation => "other_life",
            Self::OtherClient => "other_client",
            Self::Shown => "shown",
            Self::TwoItems => "two_items",
            Self::Autoprolong => "autoprolong",
            Self::Address => "ip",
            Self::Name => "name",
            Self::Tariff => "tariff",
            Self::Nodes => "nodes",
            Self::Status => "status",
            Self::Key => "key",
            Self::KeyLate => "key_late",
            Self::KeyNumber => "key_number",
            Self::ToFree => "to_free",
            Self::NotFree => "not_free",
            Self::FormerAccount => "former_account",
            Self::Unreadable => "unreadable",
        }
    }

    /// The kind for people, as the page in the panel names it too.
    pub fn title(self) -> Text {
        match self {
            Self::Unclaimed => text!("license that nobody has", "ничья лицензия"),
            Self::Duplicate => text!("duplicate", "дубликат"),
            Self::OldState => text!("old state", "старое состояние"),
            Self::LostState => text!("lost state", "потерянное состояние"),
            Self::InDoubt => text!("in doubt", "под вопросом"),
            Self::HandedOver => text!("to be decided", "ждёт решения"),
            Self::NoLicense => text!("no license", "нет лицензии"),
            Self::Gone => text!("gone at the seller", "исчезла у продавца"),
            Self::Unpaid => text!("not paid", "не оплачена"),
            Self::Closed => text!("service is closed", "услуга закрыта"),
            Self::GivenBack => text!("given back, not freed", "возвращена, не освобождена"),
            Self::NoItem => text!("no such service", "нет услуги"),
            Self::OtherIncarnation => text!("another incarnation", "другая услуга с этим номером"),
            Self::OtherClient => text!("another client", "другой клиент"),
            Self::Shown => text!("shown, not bound", "показана, но не наша"),
            Self::TwoItems => text!("two services", "две услуги"),
            Self::Autoprolong => text!("renews itself", "автопродление"),
            Self::Address => text!("another address", "другой адрес"),
            Self::Name => text!("another name", "другое имя"),
            Self::Tariff => text!("another tariff", "другой тариф"),
            Self::Nodes => text!("another number of nodes", "другое число узлов"),
            Self::Status => text!("running or stopped", "запущена или остановлена"),
            Self::Key => text!("another key", "другой ключ"),
            Self::KeyLate => text!("late key", "ключ опаздывает"),
            Self::KeyNumber => text!("key of another license", "ключ другой лицензии"),
            Self::ToFree => text!("to be freed", "к освобождению"),
            Self::NotFree => text!("in use by somebody", "занята кем-то"),
            Self::FormerAccount => text!("former account", "прежняя учётная запись"),
            Self::Unreadable => text!("cannot be read", "не читается"),
        }
    }
}

/// What is done about it. The variants are in the order in which they are carried out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remedy {
    /// The license is added to the state: bound to the item, or freed.
    TakeIn(LicenseId, Option<ItemId>),
    /// The running number is raised, the state counts as current.
    CompleteState(u32),
    /// The item is handled as by `sync_item`: differences are carried out, intents in doubt settled, parameters saved.
    Look(ItemId),
    /// Automatic renewal is switched off.
    SwitchOff(LicenseId),
    /// Freed, stopped or deleted, as the settings say.
    Free(LicenseId),
    /// The item gets a license from the pool, or one is bought.
    Obtain(ItemId),
    /// The program does nothing. The command that an operator may run.
    Operator(String),
}

impl Remedy {
    /// The stable word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::TakeIn(_, Some(_)) => "bind",
            Self::TakeIn(_, None) | Self::Free(_) => "free",
            Self::CompleteState(_) => "renew_state",
            Self::Look(_) => "sync",
            Self::SwitchOff(_) => "switch_off",
            Self::Obtain(_) => "obtain",
            Self::Operator(_) => "person",
        }
    }

    /// What would be done, in words.
    pub fn describe(&self) -> Text {
        match self {
            Self::TakeIn(id, Some(item)) => {
                text!("bind license {id} to service {item}", "привязать лицензию {id} к услуге {item}")
            }
            Self::TakeIn(id, None) | Self::Free(id) => text!("free license {id}", "освободить лицензию {id}"),
            Self::CompleteState(number) => {
                let next = number.saturating_add(1);
                text!(
                    "treat this state as up to date again; the mark of its next order gets number {next}",
                    "снова считать состояние полным; метка следующего заказа получит номер {next}"
                )
            }
            Self::Look(item) => {
                text!("look at service {item} as sync does", "просмотреть услугу {item}, как это делает sync")
            }
            Self::SwitchOff(id) => {
                text!("switch off automatic renewal of license {id}", "отключить автопродление лицензии {id}")
            }
            Self::Obtain(item) => text!("obtain a license for service {item}", "получить лицензию для услуги {item}"),
            Self::Operator(command) => text!("you decide: {command}", "решать вам: {command}"),
        }
    }

    /// Whether it orders or frees. The guards of docs/money-safety.md 6 count these.
    pub fn is_weighty(&self) -> bool {
        match self {
            Self::TakeIn(_, None) | Self::Free(_) | Self::Obtain(_) => true,
            Self::TakeIn(_, Some(_))
            | Self::CompleteState(_)
            | Self::Look(_)
            | Self::SwitchOff(_)
            | Self::Operator(_) => false,
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub kind: Kind,
    /// With which service.
    pub item: Option<ItemId>,
    /// With which license.
    pub license: Option<LicenseId>,
    /// In words.
    pub what: Text,
    /// What would be done.
    pub remedy: Remedy,
    /// What would be done, in words, where the remedy's own words do not say what it changes for this difference.
    pub step: Option<Text>,
    /// What the license costs, as the seller words it.
    pub cost: Option<String>,
    /// What a purchase by the remedy costs by our list of prices; `None`: it buys nothing, or the price is not known.
    pub price: Option<Money>,
}

impl Finding {
    /// Its place in a list. A lost state comes first, because it decides about all other findings. The others follow in
    /// the order in which their remedies are carried out.
    pub fn place(&self) -> impl Ord + '_ {
        (self.kind != Kind::LostState, &self.remedy, self.kind, self.item, self.license)
    }

    /// What would be done, in words.
    pub fn remedy_words(&self) -> Text {
        self.step.clone().unwrap_or_else(|| self.remedy.describe())
    }

    /// The same difference, left to an operator, who may run this command.
    pub fn leave_to_operator(&mut self, remedy: Remedy) {
        (self.remedy, self.step) = (remedy, None);
    }

    /// Whether the remedy may buy something.
    pub fn buys(&self) -> bool {
        matches!(self.remedy, Remedy::Obtain(_))
    }

    /// What the remedies of several findings cost together.
    pub fn bill<'f>(findings: impl Iterator<Item = &'f Self>) -> Bill {
        Bill::of(findings.filter(|finding| finding.buys()).map(|finding| finding.price.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The guard of many changes counts orders, and remedies that take a license away (docs/money-safety.md 6).
    #[test]
    fn the_guard_counts_orders_and_what_takes_a_license_away() {
        let (license, item) = (LicenseId(5001), ItemId(42));
        for (remedy, counts, words) in [
            (Remedy::TakeIn(license, Some(item)), false, "bind license 5001 to service 42"),
            (Remedy::TakeIn(license, None), true, "free license 5001"),
            (
                Remedy::CompleteState(7),
                false,
                "treat this state as up to date again; the mark of its next order gets number 8",
            ),
            (Remedy::Look(item), false, "look at service 42 as sync does"),
            (Remedy::SwitchOff(license), false, "switch off automatic renewal of license 5001"),
            (Remedy::Free(license), true, "free license 5001"),
            (Remedy::Obtain(item), true, "obtain a license for service 42"),
            (Remedy::Operator("resolve 42".into()), false, "you decide: resolve 42"),
        ] {
            assert_eq!((remedy.is_weighty(), remedy.describe().en.as_str()), (counts, words), "{remedy:?}");
        }
    }
}
