//! The state of OrderBox: hosting orders, their licenses, actions, money and clock. No network here: `calls` and
//! `trade` are the calls on it, `server` plays them over HTTP.
use super::options::Options;
use super::refusals::Refusal;
use chrono::{DateTime, Months, Utc};
use serde::Serialize;
use std::collections::BTreeMap;

/// A customer whose e-mail the panel knows (see schema.sql), and another one.
pub const CUSTOMER: u64 = 77_001;
pub const OTHER_CUSTOMER: u64 = 77_002;
pub const CUSTOMER_EMAIL: &str = "client@example.com";
pub const OTHER_CUSTOMER_EMAIL: &str = "somebody@example.org";

/// The secret that must never be seen again after it was typed.
pub const SITE_PASSWORD: &str = "h0sting-pa55word";

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Work {
    AddLicense,
    RemoveLicense,
    /// Somebody else's action on the order, by its type.
    Other(String),
}

impl Work {
    pub fn word(&self) -> &str {
        match self {
            Self::AddLicense => "AddWhmcsLicense",
            Self::RemoveLicense => "DelWhmcsLicense",
            Self::Other(word) => word,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Action {
    pub id: u64,
    pub order: u64,
    pub work: Work,
    /// UNIX seconds.
    pub added: i64,
    /// When it ended, and the word for how; none while it is current.
    pub ended: Option<(i64, String)>,
    /// Carried out after so many reads of the details; `u32::MAX`: by hand.
    pub reads: u32,
    /// The charge for it, in minor units.
    pub charged: i64,
    /// Hidden from every search.
    pub is_hidden: bool,
}

/// A reseller hosting order of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Order {
    pub id: u64,
    /// The reseller who owns it.
    pub account: u64,
    /// `linux` or `windows`
    pub platform: String,
    /// `us`, `uk`, `in`, `tr`, `hk`
    pub location: String,
    pub domain: String,
    pub customer: u64,
    /// `Active`, `Suspended`, `InActive`, `Deleted`
    pub status: String,
    /// UNIX seconds.
    pub created: i64,
    pub ends: i64,
    /// Renewed by itself, for `term` months.
    pub recurring: bool,
    pub term: u32,
    /// Empty without a license.
    pub key: String,
    /// Every key that this order had.
    pub old_keys: Vec<String>,
    /// So many reads of the details show neither what was done nor that anything is being done.
    pub unseen_reads: u32,
    /// So many reads of the details do not show the key.
    pub key_late_reads: u32,
}

impl Order {
    /// An active Linux order in the USA of the customer whom the panel knows, which ends in 25 days.
    pub fn new(id: u64) -> Self {
        let now = Utc::now().timestamp();
        Self {
            id,
            account: Options::default().user,
            platform: "linux".into(),
            location: "us".into(),
            domain: format!("order{id}.example.com"),
            customer: CUSTOMER,
            status: "Active".into(),
            created: now - 100 * 86_400,
            ends: now + 25 * 86_400,
            recurring: false,
            term: 1,
            key: String::new(),
            old_keys: Vec::new(),
            unseen_reads: 0,
            key_late_reads: 0,
        }
    }

    /// Another carrier: `windows/in`.
    pub fn at(mut self, product: &str) -> Self {
        let (platform, location) = product.split_once('/').expect("platform/location");
        (self.platform, self.location) = (platform.into(), location.into());
        self
    }

    pub fn of(mut self, customer: u64) -> Self {
        self.customer = customer;
        self
    }

    pub fn status(mut self, status: &str) -> Self {
        self.status = status.into();
        self
    }

    pub fn ends_in(mut self, days: i64) -> Self {
        self.ends = Utc::now().timestamp() + days * 86_400;
        self
    }

    pub fn recurring(mut self, term: u32) -> Self {
        (self.recurring, self.term) = (true, term);
        self
    }

    /// A license that nobody bought through this server.
    pub fn key(mut self, key: &str) -> Self {
        self.key = key.into();
        self
    }

    /// The name of the product in price lists and answers.
    pub fn product_key(&self) -> String {
        let base = if self.platform == "linux" { "resellerhosting" } else { "resellerwindowshosting" };
        match (self.platform.as_str(), self.location.as_str()) {
            (_, "us") => base.to_owned(),
            ("linux", location) => format!("{base}linux{location}"),
            (_, location) => format!("{base}{location}"),
        }
    }
}

/// Something that changed an order; `amount` may be 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub number: u64,
    /// The call; `renewal` when the order renewed itself, `refund` when an action failed.
    pub call: String,
    pub order: u64,
    /// Minor units.
    pub amount: i64,
    pub months: u32,
    /// By which connection it came; 0: OrderBox's own doing.
    pub connection: u64,
}

pub struct World {
    pub options: Options,
    pub orders: BTreeMap<u64, Order>,
    /// Customers and their e-mails.
    pub customers: BTreeMap<u64, String>,
    pub actions: Vec<Action>,
    pub ledger: Vec<Entry>,
    /// Minor units.
    pub balance: i64,
    /// The reseller who answers now.
    pub account: u64,
    /// The clock is ahead of the machine's by so many seconds.
    pub ahead_s: i64,
    keys: u64,
}

impl World {
    pub fn new(options: Options) -> Self {
        let customers = [(CUSTOMER, CUSTOMER_EMAIL), (OTHER_CUSTOMER, OTHER_CUSTOMER_EMAIL)];
        Self {
            account: options.user,
            options,
            orders: BTreeMap::new(),
            customers: customers.map(|(id, email)| (id, email.to_owned())).into(),
            actions: Vec::new(),
            ledger: Vec::new(),
            balance: 10_000_000,
            ahead_s: 0,
            keys: 0,
        }
    }

    pub fn now(&self) -> i64 {
        Utc::now().timestamp() + self.ahead_s
    }

    pub fn new_key(&mut self) -> String {
        self.keys += 1;
        let mixed = self.keys.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        format!("Reseller-{:04x}-{mixed:016x}", self.keys)
    }

    /// An order of the account that answers now.
    pub fn order(&mut self, id: u64) -> Result<&mut Order, Refusal> {
        let account = self.account;
        let found = self.orders.get_mut(&id).filter(|order| order.account == account);
        found.ok_or_else(|| Refusal::new("no_order", &id.to_string()))
    }

    /// Calendar months from now until the end of the order, begun ones included, and what a license costs for them.
    pub fn quote(&self, order: &Order) -> (u32, i64) {
        let (now, end) = (time(self.now()), time(order.ends));
        let months = (0_u32..).find(|n| now + Months::new(*n) >= end).unwrap_or(0);
        (months, self.options.price_month * i64::from(months))
    }

    pub fn book(&mut self, call: &str, order: u64, (months, amount): (u32, i64), connection: u64) {
        self.balance -= amount;
        let number = self.ledger.len() as u64 + 1;
        self.ledger.push(Entry { number, call: call.into(), order, amount, months, connection });
    }

    pub fn pending(&self, order: u64) -> Option<&Action> {
        self.actions.iter().find(|action| action.order == order && action.ended.is_none())
    }

    /// Begins an action and, with no reads to wait for, ends it at once. Its number.
    pub fn begin(&mut self, order: u64, work: Work, reads: u32, charged: i64) -> u64 {
        let (id, added) = (900_001 + self.actions.len() as u64, self.now());
        let action = Action { id, order, work, added, ended: None, reads, charged, is_hidden: false };
        self.actions.push(action);
        if reads == 0 {
            self.finish(order);
        }
        id
    }

    /// Carries out what is pending on an order.
    pub fn finish(&mut self, order: u64) {
        let now = self.now();
        let key = self.new_key();
        let Some(action) = self.actions.iter_mut().find(|a| a.order == order && a.ended.is_none()) else { return };
        action.ended = Some((now, "Success".into()));
        let Some(changed) = self.orders.get_mut(&order) else { return };
        match action.work {
            Work::AddLicense if changed.key.is_empty() => {
                (changed.key, changed.key_late_reads) = (key, self.options.key_late_reads);
            }
            Work::RemoveLicense => {
                let old = std::mem::take(&mut changed.key);
                changed.old_keys.push(old);
            }
            Work::AddLicense | Work::Other(_) => {}
        }
    }

    /// The pending action of an order fails, and its money comes back.
    pub fn fail(&mut self, order: u64) {
        let (now, word) = (self.now(), self.options.failed_word.clone());
        let Some(action) = self.actions.iter_mut().find(|a| a.order == order && a.ended.is_none()) else { return };
        action.ended = Some((now, word));
        let back = action.charged;
        if back != 0 {
            self.book("refund", order, (0, -back), 0);
        }
    }

    /// A read of the details has gone by.
    pub fn seen(&mut self, id: u64) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        if order.unseen_reads > 0 {
            order.unseen_reads -= 1;
            return;
        }
        order.key_late_reads = less(order.key_late_reads);
        let Some(action) = self.actions.iter_mut().find(|a| a.order == id && a.ended.is_none()) else { return };
        action.reads = less(action.reads);
        if action.reads == 0 {
            self.finish(id);
        }
    }

    /// The course of time: an order whose term is over renews itself with its license, or stops.
    pub fn tick(&mut self) {
        let now = self.now();
        let over: Vec<Order> =
            self.orders.values().filter(|o| o.ends <= now && o.status == "Active").cloned().collect();
        for order in over {
            let mut ends = order.ends;
            while order.recurring && ends <= now {
                ends = (time(ends) + Months::new(order.term)).timestamp();
                let price = if order.key.is_empty() { 0 } else { self.options.price_month * i64::from(order.term) };
                self.book("renewal", order.id, (order.term, price), 0);
            }
            if let Some(changed) = self.orders.get_mut(&order.id) {
                changed.ends = ends;
                if !order.recurring {
                    changed.status = "Suspended".into();
                }
            }
        }
    }
}

/// One read less to wait for; `u32::MAX` waits for ever.
fn less(reads: u32) -> u32 {
    if reads == u32::MAX { reads } else { reads.saturating_sub(1) }
}

pub fn time(unix: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(unix, 0).expect("a time that exists")
}
