//! The outside world as the engine sees it: the seller, the panel, its database, the clock and the locks.
//! The traits use only types of `model`. Adapters such as `upstream` and `billdb` implement them for production, the
//! simulator for its own world.

mod call_error;
mod form;
mod hosting;
mod panel_call;
mod questions;
mod raw;
mod refusal;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};

use crate::error::Message;
use crate::model::ids::{AccountId, ClientId, ItemId, LicenseId, ModuleId, RunningOperationId, UpstreamPricelistId};
use crate::model::item::{Item, ItemStatus, Owner};
use crate::model::journal::OnceAnswer;
use crate::model::license::{Family, License, Money};
use crate::model::period::{AlignmentRule, Period};
use crate::model::whmcs::Record;
use crate::store::RecordedIntent;

pub use crate::store::ClusterLog;

pub use self::call_error::CallError;
pub use self::form::{Form, is_secret_name};
pub use self::hosting::HostingOrders;
pub use self::panel_call::{PanelCall, PanelError};
pub use self::questions::{Column, PanelQuestion, Question, ToolAnswer};
pub use self::raw::{RawField, RawRecord};
pub use self::refusal::{Refusal, RefusalKind};

/// What is known after a call that is sent once. It is deliberately not a `Result`, so that no `?` can skip writing the
/// outcome down.
#[derive(Debug)]
#[must_use = "an outcome must be written into the journal"]
pub enum Outcome {
    /// The seller reported that it was done.
    Done(OnceAnswer),
    /// An error document. For a purchase it is believed only after a look.
    Refused(Refusal),
    /// It failed before the first byte of the request: name, connection, TLS, proxy CONNECT.
    NotSent(String),
    /// The seller is busy with another action on the same object and did not accept the request now. That action may
    /// be an earlier copy of this very request, so this is no refusal.
    Busy(String),
    /// Anything else: it may have been carried out.
    Unknown(String),
}

/// Changes that may be repeated: they name the target itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repeatable {
    /// `*.suspend elid`
    Suspend,
    /// `*.resume elid`
    Resume,
    /// `*.edit elid sok=ok` with the fields that are set.
    Edit(Edit),
}

/// Fields of a repeatable `*.edit`; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edit {
    /// ip
    pub ip: Option<IpAddr>,
    /// remoteip; an empty text clears it.
    pub remoteip: Option<String>,
    /// licname
    pub licname: Option<String>,
    /// remoteid; an empty text clears it.
    pub remoteid: Option<String>,
    /// `autoprolong=null`: no automatic renewal.
    pub no_autoprolong: bool,
}

/// One page of a list of licenses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its rows.
    pub rows: Vec<License>,
    /// p_elems: rows in all pages; `None` when the answer does not say.
    pub total: Option<u32>,
}

/// Rows of one page (p_cnt). A page of this size stays far below the limit of 16 MiB.
pub const PAGE_ROWS: u32 = 500;

/// One account at a seller.
pub trait Upstream {
    /// Sends a recorded request, once. This consumes the intent, so it cannot be sent again.
    fn send_once(&mut self, recorded: RecordedIntent) -> Outcome;

    /// A repeatable change.
    ///
    /// # Errors
    /// [`CallError::Refused`] may follow an earlier attempt that took effect: read before believing it.
    fn change(&mut self, family: Family, license: LicenseId, change: &Repeatable) -> Result<(), CallError>;

    /// `*.edit elid`: the license with all its fields.
    ///
    /// # Errors
    /// `Refused` with [`RefusalKind::NotFound`] when the account has no such license.
    fn license(&mut self, family: Family, license: LicenseId) -> Result<License, CallError>;

    /// Page `number` (from 1) of the list of a family.
    ///
    /// # Errors
    /// See [`CallError`].
    fn page(&mut self, family: Family, number: u32) -> Result<Page, CallError>;

    /// `soft.checkip`.
    ///
    /// # Errors
    /// `Refused` with [`RefusalKind::IpBusy`] when the address has such a license already.
    fn check_ip(&mut self, pricelist: UpstreamPricelistId, period: Period, ip: IpAddr) -> Result<(), CallError>;

    /// `whoami`: succeeds when the login does.
    ///
    /// # Errors
    /// `Refused` with [`RefusalKind::Auth`].
    fn whoami(&mut self) -> Result<String, CallError>;

    /// `subaccount`: the balance.
    ///
    /// # Errors
    /// `BadAnswer` when no balance can be read.
    fn balance(&mut self) -> Result<Money, CallError>;

    /// Checks that the function that takes our orders exists, by asking for its empty form. Nothing is ordered, because
    /// neither a tariff nor the word that confirms an order is sent.
    ///
    /// # Errors
    /// `Refused` with [`RefusalKind::NoFunction`] when it does not exist. Other errors about the empty form prove
    /// nothing.
    fn check_order_function(&mut self) -> Result<(), CallError> {
        Ok(())
    }

    /// The answer to a question that changes nothing, as a document. An error document counts as an answer too.
    ///
    /// # Errors
    /// [`CallError::Unreachable`], and [`CallError::BadAnswer`] when the answer was not a document.
    fn answer(&mut self, question: &Question) -> Result<String, CallError> {
        Err(CallError::Unreachable(format!("{}: this seller cannot be asked", question.form().func)))
    }

    /// Everything that the seller sends about a license: its form, and its row in the list.
    ///
    /// # Errors
    /// As [`Upstream::license`].
    fn raw(&mut self, _family: Family, license: LicenseId) -> Result<Vec<RawRecord>, CallError> {
        Err(CallError::Unreachable(format!("license {license}: this seller cannot be asked")))
    }

    /// The seller's hosting orders, where its licenses are addons of these. `None`: its licenses need no hosting order.
    fn hosting(&mut self) -> Option<&mut dyn HostingOrders> {
        None
    }

    /// The Date header of the last answer, UTC.
    fn server_date(&self) -> Option<DateTime<Utc>>;
}

/// Where a processing module buys: its settings in the panel.
#[derive(Clone, PartialEq, Eq)]
pub struct ModuleAccess {
    /// Which module.
    pub module: ModuleId,
    /// The seller's address.
    pub url: String,
    /// The account's user.
    pub username: String,
    /// Its password; never printed.
    pub password: String,
}

impl std::fmt::Debug for ModuleAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ModuleAccess({} {} {})", self.module, self.url, self.username)
    }
}

/// Makes the client for a module's account. Only `run` knows the implementation.
pub trait Connector {
    /// A client for that account. No request is sent yet.
    ///
    /// # Errors
    /// [`ModuleError`](crate::error::ModuleError) `config` when the address or a setting cannot be used.
    fn connect(&self, access: &ModuleAccess) -> Result<Box<dyn Upstream>, crate::error::ModuleError>;
}

/// The panel, as changed through its tool `mgrctl`.
pub trait Panel {
    /// Carries out a call. Returns the text fields of the answer by name (children of `<doc>`).
    ///
    /// # Errors
    /// See [`PanelError`].
    fn call(&mut self, call: &PanelCall) -> Result<BTreeMap<String, String>, PanelError>;
}

/// A database did not answer, or not usefully. Its texts hold no secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct DbError {
    /// Which database, and what went wrong in its own words.
    pub cause: String,
    /// The message for people, if more is known than that it did not answer.
    pub advice: Option<Box<Message>>,
}

impl DbError {
    /// An error with its cause only.
    pub fn new(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), advice: None }
    }

    /// With the message for people.
    #[must_use]
    pub fn advising(self, advice: Message) -> Self {
        Self { advice: Some(Box::new(advice)), ..self }
    }
}

/// A row of runningoperation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningOperation {
    /// item; `None` when the row names none.
    pub item: Option<ItemId>,
    /// intname: the command; empty when the row names none.
    pub command: String,
    /// trycount
    pub tries: i64,
}

/// What a client pays for an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemPrice {
    /// item.id
    pub item: ItemId,
    /// item.processingmodule
    pub module: Option<ModuleId>,
    /// item.period: the period that the price is for.
    pub period: Period,
    /// item.cost in item.currency; the currency's code is empty where the panel names none.
    pub price: Option<Money>,
}

/// A row of processingmodule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// id
    pub id: ModuleId,
    /// name
    pub name: String,
    /// module: the executable.
    pub program: String,
    /// active
    pub active: bool,
}

/// The end of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceEnd {
    /// item.id
    pub item: ItemId,
    /// item.status
    pub status: ItemStatus,
    /// item.expiredate; `None`: it has no end.
    pub expires: Option<NaiveDate>,
}

/// The panel's database, read only (docs/interface.md 4). Every method is one short read; nothing is cached between
/// calls.
pub trait BillDb {
    /// The item with its parameters, addons and addresses; `None` when there is no such row.
    ///
    /// # Errors
    /// The database does not answer, or its tables are not as expected.
    fn item(&mut self, item: ItemId) -> Result<Option<Item>, DbError>;

    /// Several items at once, ids ascending. Missing items are left out.
    ///
    /// # Errors
    /// As [`BillDb::item`].
    fn items(&mut self, items: &[ItemId]) -> Result<Vec<Item>, DbError> {
        let mut found = Vec::new();
        for item in items {
            found.extend(self.item(*item)?);
        }
        Ok(found)
    }

    /// Clients and incarnations of several services. Missing ones are left out.
    ///
    /// # Errors
    /// As [`BillDb::item`].
    fn owners(&mut self, items: &[ItemId]) -> Result<Vec<Owner>, DbError> {
        Ok(self.items(items)?.into_iter().map(Owner::from).collect())
    }

    /// Status and end of several services. Missing ones are left out.
    ///
    /// # Errors
    /// As [`BillDb::item`].
    fn service_ends(&mut self, items: &[ItemId]) -> Result<Vec<ServiceEnd>, DbError> {
        let end = |item: Item| ServiceEnd { item: item.id, status: item.status, expires: item.expires };
        Ok(self.items(items)?.into_iter().map(end).collect())
    }

    /// The e-mail addresses of a client and of his users, in every place where the panel may keep one.
    ///
    /// # Errors
    /// As [`BillDb::item`].
    fn client_emails(&mut self, _client: ClientId) -> Result<Vec<String>, DbError> {
        Ok(Vec::new())
    }

    /// Values of itemparam for an item, by name, to check what was saved.
    ///
    /// # Errors
    /// As [`BillDb::item`].
    fn item_params(&mut self, item: ItemId) -> Result<BTreeMap<String, String>, DbError>;

    /// A running operation.
    ///
    /// # Errors
    /// As [`BillDb::item`].
    fn running_operation(&mut self, id: RunningOperationId) -> Result<Option<RunningOperation>, DbError>;

    /// Whether a task names the running operation.
    ///
    /// # Errors
    /// As [`BillDb::item`].
    fn has_task(&mut self, id: RunningOperationId) -> Result<bool, DbError>;

    /// All processing modules.
    ///
    /// # Errors
    /// As [`BillDb::item`].
    fn modules(&mut self) -> Result<Vec<Module>, DbError>;

    /// Rows of processingparam of a module named `period_align`, in order of id.
    ///
    /// # Errors
    /// As [`BillDb::item`].
    fn alignment_rules(&mut self, module: ModuleId) -> Result<Vec<AlignmentRule>, DbError>;

    /// Items handled by a module that are not deleted, ids ascending, above `after`, at most `limit`.
    ///
    /// # Errors
    /// As [`BillDb::item`].
    fn items_of_module(&mut self, module: ModuleId, after: ItemId, limit: u32) -> Result<Vec<ItemId>, DbError>;

    /// Items that have the parameter licid with that number.
    ///
    /// # Errors
    /// As [`BillDb::item`].
    fn items_with_license(&mut self, license: LicenseId) -> Result<Vec<ItemId>, DbError>;

    /// Items that have the parameter licid, deleted ones too, with its number; ids ascending, above `after`, at most
    /// `limit`.
    ///
    /// # Errors
    /// As [`BillDb::item`].
    fn items_showing_licenses(&mut self, after: ItemId, limit: u32) -> Result<Vec<(ItemId, LicenseId)>, DbError>;
}

/// WHMCS's database, in which its module billmanager_noc keeps its licenses; only read.
pub trait Whmcs {
    /// All rows of the table ispsystem_noc of the database that a URL `mysql://user@host/database` names.
    ///
    /// # Errors
    /// The text is not a URL, the database does not answer, or it has no such table. The error holds no secrets.
    fn noc_table(&self, url: &str) -> Result<Vec<Record>, DbError>;
}

/// The clock.
pub trait Clock {
    /// Now, UTC.
    fn now(&self) -> DateTime<Utc>;
    /// Today's calendar day of the seller (setting upstream_timezone).
    fn today(&self) -> NaiveDate;
    /// Waits; the simulator only moves its clock.
    fn sleep(&self, duration: Duration);
}

/// What a lock protects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LockName {
    /// An item: taken first.
    Item(ItemId),
    /// A license: taken second.
    License(AccountId, LicenseId),
    /// A whole sync or sweep, in a cluster: one machine at a time does it. Before any other lock, never waited for.
    Sync,
    /// What events noted: one run of `sync --noted` at a time, before any other lock, never waited for.
    Noted,
    /// The state file. Every run shares this lock while it has the file open, and takes it before it opens the file.
    /// Only a run that replaces the file or brings it to a newer schema takes the lock alone.
    State,
}

/// A lock that is held. It is released when this is dropped or the process dies.
pub trait LockGuard {}

/// Lock files.
pub trait Locks {
    /// The lock, or `None` while another run holds it.
    ///
    /// # Errors
    /// A text: the lock file cannot be made.
    fn try_lock(&self, name: LockName) -> Result<Option<Box<dyn LockGuard>>, String>;

    /// A share of the lock, or `None` while a run holds it alone.
    ///
    /// # Errors
    /// As [`Locks::try_lock`].
    fn try_share(&self, name: LockName) -> Result<Option<Box<dyn LockGuard>>, String>;
}

/// The log, in which the engine writes what it does and why.
pub trait Notes {
    /// An effect or a decision, in words.
    fn note(&self, text: &crate::error::Text);
    /// Something that an operator should know.
    fn warn(&self, text: &crate::error::Text);
}

impl<N: Notes + ?Sized> Notes for std::sync::Arc<N> {
    fn note(&self, text: &crate::error::Text) {
        (**self).note(text);
    }

    fn warn(&self, text: &crate::error::Text) {
        (**self).warn(text);
    }
}
