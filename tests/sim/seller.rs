//! The selling BILLmanager by its own rules (docs/licensing-rules.md, docs/interface.md 5): licenses, money, one
//! change of address and key a month, busy addresses, late keys, expiry and deletion. It shares no rule with `src/`.
//! Its ledger is what the seller billed, each entry tagged, outside the protocol, with the run that sent it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use chrono::{Datelike, Days, Months, NaiveDate};
use pmisplicense::model::ids::{LicenseId, LicenseKey, UpstreamAddonId, UpstreamPricelistId};
use pmisplicense::model::journal::{OnceAnswer, OnceRequest, OrderRequest};
use pmisplicense::model::license::{Expiry, Family, License, LicenseStatus, LicenseTariff, RemoteId};
use pmisplicense::model::period::Period;
use pmisplicense::ports::{Edit, Refusal, RefusalKind, Repeatable};

use crate::habits::Column;
pub use crate::habits::Habits;

/// Who caused something upstream: written beside the request, never inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    pub run: usize,
    /// Number of the sending; a doubled request has one.
    pub send: u32,
    pub intent: u32,
    pub item: Option<u32>,
    /// What of the panel it was for: a payment or an operation that may buy.
    pub payment: Option<u32>,
    pub sent_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Order,
    Renewal,
    Tariff,
    Nodes,
    Key,
    Delete,
}

/// One line of what was billed or changed for good.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub kind: Kind,
    pub license: u32,
    /// `None`: the seller itself, or its administrator.
    pub tag: Option<Tag>,
    /// The second effect of one sending.
    pub doubled: bool,
    /// It took effect within settle_s of the sending.
    pub in_time: bool,
    pub at_ms: i64,
    /// For a renewal: the expiry that the request was made for.
    pub before: Option<NaiveDate>,
}

#[derive(Debug, Clone)]
pub struct Lic {
    pub id: u32,
    pub family: Family,
    pub pricelist: u32,
    pub name: String,
    pub ip: Option<IpAddr>,
    pub remoteid: String,
    pub period: Period,
    pub status: LicenseStatus,
    pub key: String,
    pub key_from_ms: i64,
    pub created: NaiveDate,
    pub expires: Option<NaiveDate>,
    pub autoprolong: bool,
    pub ip_changed: Option<NaiveDate>,
    pub key_changed: Option<NaiveDate>,
    pub nodes: Option<(UpstreamAddonId, u32)>,
    /// Somebody else's on the same account.
    pub foreign: bool,
    /// Who ordered it; `None` for foreign ones.
    pub tag: Option<Tag>,
    /// Nobody can see it before that moment.
    pub hidden_until_ms: i64,
    /// How it was before its last change, shown until that moment.
    pub stale_until_ms: i64,
    pub before: Option<Box<Lic>>,
    /// A read lied about its existence once already.
    pub denied: bool,
}

#[derive(Debug)]
pub struct Seller {
    pub habits: Habits,
    pub licenses: Vec<Lic>,
    pub ledger: Vec<Entry>,
    /// Minor units.
    pub balance: i64,
    pub next_id: u32,
    /// Lists leave out what has the tariff of this license, for as long as it is there.
    pub filter: Option<u32>,
    /// Answers hold one field of each license twice, with different values: it counts as not known.
    pub doubles_a_field: bool,
    /// Dates are told in a form that nobody reads.
    pub tells_no_dates: bool,
    /// Licenses whose every read fails.
    pub broken: BTreeSet<u32>,
    keys: u32,
    pub today: NaiveDate,
}

pub fn refusal(kind: RefusalKind, words: &str) -> Refusal {
    Refusal { kind, error_type: "sim".to_owned(), object: String::new(), message: words.to_owned(), advice: None }
}

impl Lic {
    /// Somebody else changes it, and that shows at once: what is late is a change of ours. With his change shows what
    /// we did before it, because a seller shows changes in the order in which they were made.
    pub fn shows_what_was_done(&mut self) {
        self.stale_until_ms = 0;
    }
}

/// How an effect arrives.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    pub tag: Tag,
    pub now_ms: i64,
    pub in_time: bool,
    pub doubled: bool,
    /// Left unpaid, money or not.
    pub unpaid: bool,
}

impl Seller {
    pub fn new(habits: Habits, today: NaiveDate) -> Self {
        Self {
            habits,
            licenses: Vec::new(),
            ledger: Vec::new(),
            balance: 1_000_000,
            next_id: 1000,
            filter: None,
            doubles_a_field: false,
            tells_no_dates: false,
            broken: BTreeSet::new(),
            keys: 0,
            today,
        }
    }

    pub fn get(&self, id: u32) -> Option<&Lic> {
        self.licenses.iter().find(|lic| lic.id == id)
    }

    pub fn get_mut(&mut self, id: u32) -> Option<&mut Lic> {
        self.licenses.iter_mut().find(|lic| lic.id == id)
    }

    pub fn fresh_key(&mut self) -> String {
        self.keys += 1;
        format!("KEY-{}", self.keys)
    }

    /// A license gets another number; what was billed for it was billed for the license.
    pub fn renumber(&mut self, id: u32) {
        self.next_id += 1;
        let new = self.next_id;
        if let Some(lic) = self.get_mut(id) {
            (lic.id, lic.stale_until_ms, lic.before) = (new, 0, None);
        }
        for entry in self.ledger.iter_mut().filter(|entry| entry.license == id) {
            entry.license = new;
        }
    }

    fn bill(&mut self, cost: i64) -> Result<(), Refusal> {
        if self.balance < cost {
            return Err(refusal(RefusalKind::NoMoney, "not enough money"));
        }
        self.balance -= cost;
        Ok(())
    }

    fn entry(&mut self, kind: Kind, license: u32, how: &Arrival, before: Option<NaiveDate>) {
        self.ledger.push(Entry {
            kind,
            license,
            tag: Some(how.tag),
            doubled: how.doubled,
            in_time: how.in_time,
            at_ms: how.now_ms,
            before,
        });
    }

    fn is_busy(&self, pricelist: u32, ip: IpAddr, but: u32) -> bool {
        !ip.is_unspecified()
            && self.licenses.iter().any(|lic| {
                lic.id != but
                    && lic.pricelist == pricelist
                    && lic.ip == Some(ip)
                    && lic.status != LicenseStatus::Deleted
            })
    }

    pub fn check_ip(&self, pricelist: u32, ip: IpAddr) -> Result<(), Refusal> {
        if self.is_busy(pricelist, ip, 0) { Err(refusal(RefusalKind::IpBusy, "busy")) } else { Ok(()) }
    }

    /// A call that is sent once takes effect.
    pub fn once(&mut self, request: &OnceRequest, how: &Arrival) -> Result<OnceAnswer, Refusal> {
        match request {
            OnceRequest::Order(order) => self.order(order, how),
            OnceRequest::Prolong { license, period, before, .. } => self.prolong(license.0, period.0, *before, how),
            OnceRequest::ChangePricelist { license, pricelist, .. } => {
                self.bill(300)?;
                let lic = self.alive(license.0)?;
                lic.pricelist = pricelist.0;
                self.entry(Kind::Tariff, license.0, how, None);
                Ok(OnceAnswer::Changed)
            }
            OnceRequest::SetNodes { license, addon, nodes, .. } => {
                self.bill(200)?;
                let lic = self.alive(license.0)?;
                lic.nodes = Some((*addon, *nodes));
                self.entry(Kind::Nodes, license.0, how, None);
                Ok(OnceAnswer::Changed)
            }
            OnceRequest::NewKey { license, .. } => self.new_key(license.0, how),
            OnceRequest::Delete { license, .. } => {
                self.alive(license.0)?.status = LicenseStatus::Deleted;
                self.entry(Kind::Delete, license.0, how, None);
                Ok(OnceAnswer::Changed)
            }
            OnceRequest::AddLicense(_) | OnceRequest::RemoveLicense(_) => {
                Err(refusal(RefusalKind::NoFunction, "no hosting orders"))
            }
        }
    }

    fn alive(&mut self, id: u32) -> Result<&mut Lic, Refusal> {
        let gone = || refusal(RefusalKind::NotFound, "no such license");
        let lic = self.get_mut(id).ok_or_else(gone)?;
        if lic.status == LicenseStatus::Deleted { Err(gone()) } else { Ok(lic) }
    }

    fn order(&mut self, order: &OrderRequest, how: &Arrival) -> Result<OnceAnswer, Refusal> {
        if let Some(ip) = order.ip.filter(|_| self.habits.refuses_busy)
            && self.is_busy(order.pricelist.0, ip, 0)
        {
            return Err(refusal(RefusalKind::IpBusy, "busy"));
        }
        let months = match order.period {
            Period::Months(months) => months.0,
            _ => 0,
        };
        let paid = !how.unpaid && self.bill(500 * i64::from(months)).is_ok();
        if !paid && !how.unpaid && !self.habits.takes_unpaid {
            return Err(refusal(RefusalKind::NoMoney, "not enough money"));
        }
        self.next_id += 1;
        let id = if self.habits.ids_grow { self.next_id } else { 5000 - (self.next_id % 7) * 500 + self.next_id };
        let today = self.today;
        let since = self.habits.order_starts_month.then_some(today);
        let lic = Lic {
            id,
            family: order.family,
            pricelist: order.pricelist.0,
            name: order.licname.clone(),
            ip: order.ip,
            remoteid: order.mark.to_string(),
            period: order.period,
            status: if paid { LicenseStatus::Active } else { LicenseStatus::Ordered },
            key: self.fresh_key(),
            key_from_ms: how.now_ms + self.habits.key_delay_s * 1000,
            created: today,
            expires: Some(if months == 0 { today + Days::new(14) } else { today + Months::new(months.into()) }),
            autoprolong: false,
            ip_changed: since,
            key_changed: since,
            nodes: order.nodes,
            foreign: false,
            tag: Some(how.tag),
            hidden_until_ms: 0,
            stale_until_ms: 0,
            before: None,
            denied: false,
        };
        self.licenses.push(lic);
        self.entry(Kind::Order, id, how, None);
        Ok(OnceAnswer::Ordered(Some(LicenseId(id))))
    }

    fn prolong(&mut self, id: u32, months: u16, before: NaiveDate, how: &Arrival) -> Result<OnceAnswer, Refusal> {
        self.alive(id)?;
        self.bill(500 * i64::from(months))?;
        let (today, starts) = (self.today, self.habits.renewal_starts);
        let lic = self.alive(id)?;
        // A stopped license counts from the day of renewal, whatever time it had left.
        let from = match (lic.expires, lic.status) {
            (Some(expires), LicenseStatus::Active) => expires.max(today),
            _ => today,
        };
        let ran_out = lic.expires.is_some_and(|expires| expires <= today);
        lic.expires = Some(from + Months::new(months.into()));
        if ran_out && starts {
            lic.status = LicenseStatus::Active;
        }
        let after = lic.expires;
        self.entry(Kind::Renewal, id, how, Some(before));
        Ok(OnceAnswer::Prolonged(after))
    }

    fn new_key(&mut self, id: u32, how: &Arrival) -> Result<OnceAnswer, Refusal> {
        let (today, needs) = (self.today, self.habits.key_needs_running);
        let rule = self.habits.month_rule;
        let key = self.fresh_key();
        let lic = self.alive(id)?;
        if needs && lic.status != LicenseStatus::Active {
            return Err(refusal(RefusalKind::Other, "the license does not run"));
        }
        if rule && lic.key_changed.is_some_and(|changed| changed + Months::new(1) > today) {
            return Err(refusal(RefusalKind::KeyTooYoung, "the key changed less than a month ago"));
        }
        lic.key.clone_from(&key);
        lic.key_changed = Some(today);
        self.entry(Kind::Key, id, how, None);
        Ok(OnceAnswer::Key(LicenseKey::parse(&key)))
    }

    /// A repeatable change takes effect.
    pub fn change(&mut self, id: u32, change: &Repeatable) -> Result<(), Refusal> {
        let today = self.today;
        match change {
            Repeatable::Suspend => {
                let lic = self.alive(id)?;
                match lic.status {
                    LicenseStatus::Active | LicenseStatus::Processing => lic.status = LicenseStatus::Stopped,
                    LicenseStatus::Stopped => return Err(refusal(RefusalKind::Other, "stopped already")),
                    _ => return Err(refusal(RefusalKind::Other, "not running")),
                }
                Ok(())
            }
            Repeatable::Resume => {
                let lic = self.alive(id)?;
                if lic.expires.is_some_and(|expires| expires <= today) {
                    return Err(refusal(RefusalKind::Other, "ran out"));
                }
                match lic.status {
                    LicenseStatus::Stopped | LicenseStatus::Processing => lic.status = LicenseStatus::Active,
                    LicenseStatus::Active => return Err(refusal(RefusalKind::Other, "runs already")),
                    _ => return Err(refusal(RefusalKind::Other, "not paid")),
                }
                Ok(())
            }
            Repeatable::Edit(edit) => self.edit(id, edit),
        }
    }

    fn edit(&mut self, id: u32, edit: &Edit) -> Result<(), Refusal> {
        let (today, rule) = (self.today, self.habits.month_rule);
        let pricelist = self.alive(id)?.pricelist;
        let moves = edit.ip.filter(|ip| self.get(id).is_some_and(|lic| lic.ip != Some(*ip)));
        if let Some(ip) = moves {
            if self.is_busy(pricelist, ip, id) {
                return Err(refusal(RefusalKind::IpBusy, "busy"));
            }
            let changed = self.get(id).and_then(|lic| lic.ip_changed);
            if rule && changed.is_some_and(|changed| changed + Months::new(1) > today) {
                return Err(refusal(RefusalKind::IpTooYoung, "the address changed less than a month ago"));
            }
        }
        let lic = self.alive(id)?;
        if let Some(ip) = moves {
            lic.ip = Some(ip);
            lic.ip_changed = Some(today);
        }
        if let Some(name) = &edit.licname {
            lic.name.clone_from(name);
        }
        if let Some(remoteid) = &edit.remoteid {
            lic.remoteid.clone_from(remoteid);
        }
        if edit.no_autoprolong {
            lic.autoprolong = false;
        }
        Ok(())
    }

    /// A calendar day begins: what ran out stops or is renewed by the seller itself, and goes after 30 days.
    pub fn new_day(&mut self, today: NaiveDate) {
        self.today = today;
        for index in 0..self.licenses.len() {
            let lic = &mut self.licenses[index];
            let Some(expires) = lic.expires else { continue };
            let late = today.num_days_from_ce() - expires.num_days_from_ce();
            if lic.status == LicenseStatus::Active && late >= 0 && lic.autoprolong {
                lic.shows_what_was_done();
                lic.expires = Some(expires + Months::new(1));
                let (license, before) = (lic.id, Some(expires));
                self.ledger.push(Entry {
                    kind: Kind::Renewal,
                    license,
                    tag: None,
                    doubled: false,
                    in_time: true,
                    at_ms: 0,
                    before,
                });
            } else if lic.status == LicenseStatus::Active && late >= 0 {
                lic.shows_what_was_done();
                lic.status = LicenseStatus::Stopped;
            } else if late >= 30 && !lic.foreign {
                lic.shows_what_was_done();
                lic.status = LicenseStatus::Deleted;
            }
        }
    }

    /// How a license looks now to somebody who reads it; `None`: not there.
    pub fn view(&self, id: u32, now_ms: i64) -> Option<License> {
        let lic = self.get(id)?;
        if lic.hidden_until_ms > now_ms {
            return None;
        }
        let lic = lic.before.as_deref().filter(|_| lic.stale_until_ms > now_ms).unwrap_or(lic);
        if lic.status == LicenseStatus::Deleted && !self.habits.shows_deleted {
            return None;
        }
        Some(self.shown(lic, now_ms))
    }

    pub fn shown(&self, lic: &Lic, now_ms: i64) -> License {
        let remoteid = match (self.habits.mark_in_edit, lic.remoteid.is_empty()) {
            (false, _) => RemoteId::Absent,
            (true, true) => RemoteId::Empty,
            (true, false) => RemoteId::Text(lic.remoteid.clone()),
        };
        let doubled = if self.doubles_a_field { vec!["autoprolong".to_owned()] } else { Vec::new() };
        let dated = |day: Option<NaiveDate>| day.filter(|_| !self.tells_no_dates);
        License {
            name: Some(self.habits.names.kept(&lic.name)),
            ip: lic.ip,
            remoteid,
            tariff: LicenseTariff::Id(UpstreamPricelistId(lic.pricelist)),
            period: Some(lic.period),
            status: lic.status,
            key: if lic.key_from_ms > now_ms { None } else { LicenseKey::parse(&lic.key) },
            created: dated(Some(lic.created)),
            expires: if self.tells_no_dates { Expiry::Unknown } else { lic.expires.map_or(Expiry::Never, Expiry::On) },
            autoprolong: doubled.is_empty().then_some(lic.autoprolong),
            ip_changed: dated(lic.ip_changed),
            key_changed: dated(lic.key_changed),
            addons: lic.nodes.into_iter().collect(),
            doubled,
            ..License::unknown(LicenseId(lic.id))
        }
    }

    /// The same license as a row of the list.
    pub fn row(&self, lic: &Lic, now_ms: i64) -> License {
        let lic = lic.before.as_deref().filter(|_| lic.stale_until_ms > now_ms).unwrap_or(lic);
        let mut row = self.shown(lic, now_ms);
        row.key = None;
        row.addons.clear();
        match self.habits.list_lacks {
            Column::Nothing => {}
            Column::Status => row.status = LicenseStatus::Absent,
            Column::Expires => row.expires = Expiry::Unknown,
            Column::Name => row.name = None,
            Column::Address => row.ip = None,
        }
        if !self.habits.mark_in_list {
            row.remoteid = RemoteId::Absent;
        }
        if !self.habits.dates_in_list {
            row.ip_changed = None;
            row.key_changed = None;
            row.created = None;
        }
        if self.habits.tariff_name_in_list {
            row.tariff = LicenseTariff::Name(format!("tariff {}", lic.pricelist));
        }
        row
    }

    /// Ids in the list of a family now, newest last.
    pub fn listed(&self, family: Family, now_ms: i64) -> Vec<u32> {
        let witness = self.filter.and_then(|id| self.get(id)).filter(|lic| lic.status != LicenseStatus::Deleted);
        let left_out = witness.map(|lic| (lic.family, lic.pricelist));
        let there = |lic: &&Lic| {
            lic.family == family
                && left_out != Some((lic.family, lic.pricelist))
                && lic.hidden_until_ms <= now_ms
                && (lic.status != LicenseStatus::Deleted || self.habits.shows_deleted)
        };
        self.licenses.iter().filter(there).map(|lic| lic.id).collect()
    }
}
