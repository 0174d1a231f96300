//! The seller's state: licenses, money, calendar, and what time does to them (stop, own renewal, deletion after 30
//! days). No network here: `funcs` are the calls on it, `server` plays them over HTTP.
use super::catalogue::{self, Country, Family, Tariff};
use super::dialect::{Dialect, Offers, Pace, Unsold};
use super::refusals::Refusal;
use crate::support::replay::Asked;
use chrono::{Days, Months, NaiveDate};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub const ORDERED: u8 = 1;
pub const ACTIVE: u8 = 2;
pub const STOPPED: u8 = 3;
pub const DELETED: u8 = 4;
pub const PROCESSING: u8 = 5;

/// Unknown properties of the real seller, each to be had either way.
#[derive(Debug, Clone)]
pub struct Options {
    pub user: String,
    pub password: String,
    /// International or Russian: decides the codes that are known, and the currency.
    pub country: Country,
    /// Prepaid accounts are refused when the balance does not cover a charge; postpaid ones go negative.
    pub prepaid: bool,
    pub two_factor: bool,
    /// Too little money: refuse (false), or leave the order unpaid in status 1 (true).
    pub no_money_leaves_order: bool,
    pub ids_in_attribute: bool,
    pub offers: Offers,
    /// How the answers are worded.
    pub dialect: Dialect,
    pub list_dates: bool,
    pub list_remoteid: bool,
    /// The list shows the tariff's name in `pricelist` instead of its code.
    pub list_pricelist_name: bool,
    pub list_deleted: bool,
    pub list_newest_first: bool,
    /// `p_num` and `p_cnt` are passed over: every page is the whole list.
    pub list_ignores_paging: bool,
    /// Lists say how long they are (`p_elems`).
    pub list_total: bool,
    pub edit_dates: bool,
    pub remoteid_returned: bool,
    /// `soft.edit` of a deleted license says that it does not exist, instead of status 4.
    pub forget_deleted: bool,
    /// The order itself starts the month within which IP and key cannot be changed.
    pub order_counts_as_change: bool,
    /// The account has free changes of address: no month.
    pub free_ip_changes: bool,
    pub newkey_needs_active: bool,
    /// Every order issues its key only after so many reads (0: at once; u32::MAX: by `issue_keys()`).
    pub key_after_reads: u32,
    /// Status of a license whose key is not issued yet: 2 or 5.
    pub late_key_status: u8,
    pub page_default: usize,
    /// The Date header follows the moved calendar instead of the machine's clock.
    pub date_header_virtual: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            user: "reseller".into(),
            password: "Se&cret+pass=1%".into(),
            country: Country::International,
            prepaid: true,
            two_factor: false,
            no_money_leaves_order: false,
            ids_in_attribute: false,
            offers: Offers::Untold,
            dialect: Dialect::default(),
            list_dates: true,
            list_remoteid: true,
            list_pricelist_name: false,
            list_deleted: true,
            list_newest_first: false,
            list_ignores_paging: false,
            list_total: true,
            edit_dates: true,
            remoteid_returned: true,
            forget_deleted: false,
            order_counts_as_change: false,
            free_ip_changes: false,
            newkey_needs_active: false,
            key_after_reads: 0,
            late_key_status: ACTIVE,
            page_default: 50,
            date_header_virtual: false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoppedBy {
    Nobody,
    Hand,
    Expiry,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct License {
    pub id: u64,
    pub account: u64,
    pub family: Family,
    pub pricelist: u32,
    pub period: i32,
    pub ip: String,
    pub licname: String,
    /// Empty until it is issued.
    pub key: String,
    /// Every key that this license ever had.
    pub old_keys: Vec<String>,
    pub status: u8,
    pub special_status: u8,
    #[serde(with = "super::day")]
    pub created: NaiveDate,
    #[serde(with = "super::day::maybe")]
    pub expires: Option<NaiveDate>,
    pub remoteid: String,
    /// The outward address of a server behind NAT.
    #[serde(default)]
    pub remoteip: String,
    /// Months, or `null`.
    pub autoprolong: String,
    pub nodes: i64,
    #[serde(with = "super::day::maybe")]
    pub ip_changed: Option<NaiveDate>,
    #[serde(with = "super::day::maybe")]
    pub key_changed: Option<NaiveDate>,
    pub stopped_by: StoppedBy,
    /// The license that an addition belongs to.
    pub item: Option<u64>,
    pub unseen_reads: u32,
    pub key_after: u32,
    /// Left out of every list, as by the seller's filter.
    pub unlisted: bool,
}

/// The ledger. Requests that took effect without costing anything (a trial, a cheaper tariff) are in it with 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub number: u64,
    pub func: String,
    pub license: u64,
    /// Minor units.
    pub amount: i64,
    pub currency: String,
    pub remoteid: String,
    /// The connection by which it came; 0: the seller's own doing.
    pub connection: u64,
    #[serde(with = "super::day")]
    pub date: NaiveDate,
}

/// Further licenses that only lists show, each like one that is there; they are made up while a page is written, so a
/// million of them take no memory.
pub struct Crowd {
    pub like: License,
    pub numbers: std::ops::Range<u64>,
    /// So many of the first run out a day later than the one that they are like.
    pub later: u64,
}

impl Crowd {
    pub fn license(&self, id: u64) -> License {
        let later = Days::new(u64::from(id - self.numbers.start < self.later));
        let expires = self.like.expires.map(|day| day + later);
        License { id, remoteid: String::new(), expires, ..self.like.clone() }
    }
}

pub struct World {
    pub options: Options,
    pub tariffs: Vec<Tariff>,
    pub licenses: BTreeMap<u64, License>,
    pub crowd: Option<Crowd>,
    pub ledger: Vec<Entry>,
    pub next_id: u64,
    pub balance: i64,
    pub blocked: bool,
    pub account: u64,
    pub today: Option<NaiveDate>,
    /// Answers of another seller, given instead of ours.
    pub replay: Option<Vec<Asked>>,
    keys: u64,
    /// The reads of single licenses that are left, and the moment of the last one: see `may_read`.
    reads_left: Option<(u64, std::time::Instant)>,
}

impl World {
    pub fn new(options: Options) -> Self {
        Self {
            options,
            tariffs: catalogue::standard(),
            licenses: BTreeMap::new(),
            crowd: None,
            ledger: Vec::new(),
            next_id: 5001,
            balance: 1_000_000,
            blocked: false,
            account: 1001,
            today: None,
            replay: None,
            keys: 0,
            reads_left: None,
        }
    }

    pub fn today(&self) -> NaiveDate {
        self.today.unwrap_or_else(|| chrono::Utc::now().date_naive())
    }

    pub fn currency(&self) -> &'static str {
        if self.options.country == Country::Russian { "RUB" } else { "EUR" }
    }

    /// A key that no other license has or had, for the license of that number.
    pub fn new_key(&mut self, id: u64) -> String {
        self.keys += 1;
        let mixed = self.keys.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17);
        let head = if self.options.dialect.numbered_keys { id.to_string() } else { "ISPKEY".to_owned() };
        format!("{head}-{:04}-{mixed:016X}", self.keys)
    }

    /// True if one more read of a single license is answered now.
    pub fn may_read(&mut self) -> bool {
        let Some(Pace { burst, refill_ms }) = self.options.dialect.pace else { return true };
        // Milliseconds that reads may still use up; each uses up one refill.
        let (full, now) = (u64::from(burst) * refill_ms, std::time::Instant::now());
        let (left, since) = self.reads_left.unwrap_or((full, now));
        let passed = u64::try_from((now - since).as_millis()).unwrap_or(full);
        let left = (left + passed).min(full).checked_sub(refill_ms);
        self.reads_left = Some((left.unwrap_or(0), now));
        left.is_some()
    }

    /// A tariff that this account's billing knows.
    pub fn tariff(&self, family: Family, code: &str) -> Result<Tariff, Refusal> {
        let mine = |t: &&Tariff| t.country == Country::Both || t.country == self.options.country;
        let found = self.tariffs.iter().filter(mine).find(|t| t.family == family && t.code.to_string() == code);
        let refusal = match self.options.dialect.unsold {
            Unsold::Value => "tariff",
            Unsold::Wizard => "wizard",
            Unsold::NoTariffs => "no_tariffs",
        };
        found.cloned().ok_or_else(|| Refusal::new(refusal, code))
    }

    pub fn license(&mut self, family: Family, elid: &str) -> Result<&mut License, Refusal> {
        let (account, forget) = (self.account, self.options.forget_deleted);
        let missing = || Refusal::new("no_license", elid);
        let license = elid.parse().ok().and_then(|id: u64| self.licenses.get_mut(&id)).ok_or_else(missing)?;
        let mine = license.account == account && license.family == family;
        if !mine || (forget && license.status == DELETED) { Err(missing()) } else { Ok(license) }
    }

    /// Somebody else's license of this very tariff at this address; 0.0.0.0 belongs to nobody. Behind NAT the outward
    /// address tells servers apart (`None`: it is not looked at).
    pub fn busy(&self, pricelist: u32, ip: &str, outward: Option<&str>, except: u64) -> bool {
        !ip.is_empty()
            && ip != "0.0.0.0"
            && self
                .licenses
                .values()
                .filter(|l| l.id != except && l.status != DELETED && l.pricelist == pricelist && l.ip == ip)
                .any(|l| outward.is_none_or(|outward| l.remoteip == outward))
    }

    /// Until when a period from `from` lasts and what it costs, ends of sale included (days are charged there).
    pub fn quote(
        &self,
        tariff: &Tariff,
        period: i32,
        nodes: i64,
        from: NaiveDate,
    ) -> Result<(NaiveDate, i64), Refusal> {
        let price = tariff.price(period).ok_or_else(|| Refusal::new("period", &period.to_string()))?;
        let end = add_period(from, period);
        let extra =
            tariff.nodes.as_ref().map_or(0, |n| (nodes - n.included).max(0) * n.month * i64::from(period.max(0)));
        let Some(sale) = &tariff.end else { return Ok((end, price + extra)) };
        let closed = || Refusal::new("sale_closed", &tariff.code.to_string());
        if self.today() >= sale.closed || (self.today() >= sale.limited && from >= sale.not_past) {
            return Err(closed());
        }
        if self.today() < sale.limited || end <= sale.not_past {
            return Ok((end, price + extra));
        }
        let (days, whole) = ((sale.not_past - from).num_days(), (end - from).num_days());
        Ok((sale.not_past, ((price + extra) * days + whole - 1) / whole))
    }

    /// True if this much could be charged now.
    pub fn afford(&self, amount: i64) -> Result<(), Refusal> {
        if self.blocked {
            return Err(Refusal::new("blocked", ""));
        }
        if self.options.prepaid && amount > self.balance { Err(Refusal::new("no_money", "")) } else { Ok(()) }
    }

    pub fn charge(&mut self, func: &str, license: u64, amount: i64, connection: u64) {
        self.balance -= amount;
        let remoteid = self.licenses.get(&license).map(|l| l.remoteid.clone()).unwrap_or_default();
        let (currency, date) = (self.currency().to_owned(), self.today());
        let number = self.ledger.len() as u64 + 1;
        self.ledger.push(Entry { number, func: func.into(), license, amount, currency, remoteid, connection, date });
    }

    /// An order left in status 1 is paid: billed now, active from today.
    pub fn pay(&mut self, id: u64) -> Result<(), Refusal> {
        let license = self.licenses.get(&id).filter(|l| l.status == ORDERED).cloned();
        let license = license.ok_or_else(|| Refusal::new("status", &id.to_string()))?;
        let tariff = self.tariff(license.family, &license.pricelist.to_string())?;
        let (end, amount) = self.quote(&tariff, license.period, license.nodes, self.today())?;
        self.afford(amount)?;
        let (key, late) = (self.new_key(id), license.key_after > 0);
        let status = if late { self.options.late_key_status } else { ACTIVE };
        if let Some(l) = self.licenses.get_mut(&id) {
            (l.status, l.expires) = (status, Some(end));
            l.key = if late { String::new() } else { key };
        }
        self.charge(&format!("{}.order.param", license.family.word()), id, amount, 0);
        Ok(())
    }

    /// Issues the key of every license that waits for one.
    pub fn issue_keys(&mut self) {
        let waiting: Vec<u64> = self.licenses.values().filter(|l| l.key_after > 0).map(|l| l.id).collect();
        for id in waiting {
            self.issue_key(id);
        }
    }

    pub fn issue_key(&mut self, id: u64) {
        let key = self.new_key(id);
        let Some(l) = self.licenses.get_mut(&id) else { return };
        l.key_after = 0;
        if l.status == ORDERED || l.status == DELETED {
            return;
        }
        l.key = key;
        if l.status == PROCESSING {
            l.status = ACTIVE;
        }
    }

    /// The course of time: an expired license is renewed by the seller itself if that is switched on, otherwise it is
    /// stopped and deleted 30 days later. An expiry date is good through the day before it.
    pub fn tick(&mut self) {
        let today = self.today();
        let over: Vec<u64> = self
            .licenses
            .values()
            .filter(|l| l.expires.is_some_and(|e| e <= today) && l.status != DELETED)
            .map(|l| l.id)
            .collect();
        for id in over {
            while self.renew_by_itself(id, today) {}
            let Some(l) = self.licenses.get_mut(&id) else { continue };
            let Some(end) = l.expires.filter(|e| *e <= today) else { continue };
            if l.status == ACTIVE || l.status == PROCESSING {
                (l.status, l.stopped_by) = (STOPPED, StoppedBy::Expiry);
            }
            if end + Days::new(30) <= today {
                self.delete(id);
            }
        }
    }

    /// Automatic renewal, the thing `autoprolong=null` is there to prevent.
    fn renew_by_itself(&mut self, id: u64, today: NaiveDate) -> bool {
        let Some(l) = self.licenses.get(&id).cloned() else { return false };
        let Some(end) = l.expires.filter(|e| *e <= today) else { return false };
        let (Ok(period), ACTIVE) = (l.autoprolong.parse::<i32>(), l.status) else { return false };
        let Ok(tariff) = self.tariff(l.family, &l.pricelist.to_string()) else { return false };
        let Ok((next, amount)) = self.quote(&tariff, period, l.nodes, end) else { return false };
        if period <= 0 || self.afford(amount).is_err() {
            return false;
        }
        if let Some(l) = self.licenses.get_mut(&id) {
            l.expires = Some(next);
        }
        self.charge("autoprolong", id, amount, 0);
        true
    }

    /// Additions live and die with their license.
    pub fn delete(&mut self, id: u64) {
        for l in self.licenses.values_mut().filter(|l| l.id == id || l.item == Some(id)) {
            (l.status, l.special_status) = (DELETED, 0);
        }
    }
}

/// Months with the day clamped, 14 days for a trial.
pub fn add_period(from: NaiveDate, period: i32) -> NaiveDate {
    match u32::try_from(period) {
        Ok(months) => from.checked_add_months(Months::new(months)).unwrap_or(from),
        Err(_) => from + Days::new(14),
    }
}

/// True if a change made on that day still forbids the next one.
pub fn within_month(changed: Option<NaiveDate>, today: NaiveDate) -> bool {
    changed.is_some_and(|day| add_period(day, 1) > today)
}
