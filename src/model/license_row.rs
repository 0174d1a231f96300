//! A license that is ours, as our state knows it: what we use it for, and what the seller showed at the last look.

use std::net::IpAddr;

use chrono::{DateTime, Duration, NaiveDate, Utc};

use super::ids::{AccountId, ItemId, LicenseId, LicenseKey, Mark, ModuleId, UpstreamPricelistId};
use super::item::ItemStatus;
use super::journal::Incarnation;
use super::license::{Expiry, Family, License, LicenseStatus, LicenseTariff};
use super::name::KeptName;
use super::reason::Reason;

/// What we use a license for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LicenseState {
    /// It serves an item.
    Bound,
    /// It is being taken from the pool for an item.
    Claimed,
    /// Its service ended; it waits to be freed.
    ToFree,
    /// Free, waiting for the next client.
    Pool,
    /// Its service ended; it is stopped and left to run out.
    Stopped,
    /// No longer there at the seller.
    Deleted,
}

impl LicenseState {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Bound, Self::Claimed, Self::ToFree, Self::Pool, Self::Stopped, Self::Deleted];

    /// The word stored in our state.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Claimed => "claimed",
            Self::ToFree => "to_free",
            Self::Pool => "pool",
            Self::Stopped => "stopped",
            Self::Deleted => "deleted",
        }
    }

    /// From the word stored in our state.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// A license as our state knows it; the fields of the seller are those of the last look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenseRow {
    /// Its account; it never changes.
    pub account: AccountId,
    /// Its number.
    pub id: LicenseId,
    /// Which functions serve it.
    pub family: Family,
    /// The module that it was bound with.
    pub module: ModuleId,
    /// What we use it for.
    pub state: LicenseState,
    /// The text of the incarnation that it serves (bound, claimed).
    pub incarnation: Option<String>,
    /// The item that it serves or served last.
    pub item: Option<ItemId>,
    /// The internal name that it was ordered for.
    pub internal_name: String,
    /// Our mark on it.
    pub mark: Option<Mark>,
    /// Its tariff as last ordered or adopted.
    pub pricelist: UpstreamPricelistId,
    /// Its number of nodes as last ordered or seen.
    pub nodes: Option<u32>,
    /// Finished changes of tariff and nodes.
    pub changes: u32,
    /// Its name.
    pub name: String,
    /// The name that was sent last, where the seller stores it in a form of its own.
    pub kept_name: Option<KeptName>,
    /// Its address.
    pub ip: Option<IpAddr>,
    /// The address of the service that it served last.
    pub last_ip: Option<IpAddr>,
    /// Its status.
    pub status: LicenseStatus,
    /// Its key.
    pub key: Option<LicenseKey>,
    /// Fingerprint of the key when it was claimed from the pool: the new client must see another one.
    pub key_before: Option<String>,
    /// The day it was ordered.
    pub created: Option<NaiveDate>,
    /// When it runs out, as last known.
    pub expires: Expiry,
    /// The day of the last change of address: by the seller, else by our own record.
    pub ip_changed: Option<NaiveDate>,
    /// The day of the last change of key: by the seller, else by our own record.
    pub key_changed: Option<NaiveDate>,
    /// When it got this state (UTC).
    pub since: DateTime<Utc>,
    /// It is not tried again before this moment (UTC): after a refused change, or as a candidate that was put aside.
    pub not_before: Option<DateTime<Utc>>,
    /// Why it is put aside or waits.
    pub reason: Option<Reason>,
    /// Domains that its server has, as far as the seller counts them.
    pub domains: Option<u32>,
    /// The outward address behind NAT that we sent last, because sellers may never show it. Empty: none. `None`: not
    /// known.
    pub remoteip: Option<String>,
}

/// What the last pass of sync knew of a bound license and its service. It decides whether a renewal was foreseen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreseen {
    /// The license.
    pub license: LicenseId,
    /// When it was to run out.
    pub expires: Expiry,
    /// The status and the end of its service. `None`: not known, as in the state of an older version.
    pub service: Option<(ItemStatus, Option<NaiveDate>)>,
}

impl LicenseRow {
    /// Whether its key has not come yet.
    pub fn waits_for_key(&self) -> bool {
        self.key.is_none() && self.family.has_key()
    }

    /// Why it waits, is put aside, or serves nobody any more. A look that missed it changes nothing about that.
    pub fn lasting_reason(&self) -> Option<&Reason> {
        self.reason.as_ref().and_then(Reason::apart_from_look)
    }

    /// Whether it serves an incarnation, or was claimed to replace the license of another account that serves it.
    pub fn is_of(&self, incarnation: &Incarnation) -> bool {
        let serves = self.incarnation.as_ref();
        serves == Some(&incarnation.to_string()) || serves == Some(&incarnation.beside().to_string())
    }

    /// The time for which it has had its state. A moment that lies ahead was written down while the clock was wrong,
    /// and nobody knows how long ago that was. The time until then counts as time that has passed. Otherwise a late key
    /// would not be reported before that moment.
    pub fn age(&self, now: DateTime<Utc>) -> Duration {
        (now - self.since).abs()
    }

    /// The license as the last look showed it.
    pub fn as_last_seen(&self) -> License {
        License {
            name: Some(self.name.clone()),
            ip: self.ip,
            tariff: LicenseTariff::Id(self.pricelist),
            status: self.status,
            key: self.key.clone(),
            created: self.created,
            expires: self.expires,
            ip_changed: self.ip_changed,
            key_changed: self.key_changed,
            domains: self.domains,
            ..License::unknown(self.id)
        }
    }

    /// Whether a look shows the wanted name, or the form in which this seller stored exactly this name before.
    pub fn keeps_name(&self, wanted: &str, seen: &License) -> bool {
        let made = self.kept_name.as_ref().filter(|kept| kept.asked == wanted);
        seen.is_named(wanted) || made.is_some_and(|kept| seen.is_named(&kept.shown))
    }

    /// The name that we sent, if the look shows the form in which it was stored. Otherwise the name that is shown.
    pub fn name_meant<'s>(&'s self, seen: &'s License) -> Option<&'s str> {
        let kept = self.kept_name.as_ref().filter(|kept| seen.is_named(&kept.shown));
        kept.map(|kept| kept.asked.as_str()).or(seen.name.as_deref())
    }

    /// A row of a list, completed with the values of the last look: the seller chooses which columns a list has.
    #[must_use]
    pub fn completed(&self, seen: License) -> License {
        License {
            name: seen.name.or_else(|| Some(self.name.clone())),
            ip: seen.ip.or(self.ip),
            status: seen.status.or(self.status),
            expires: seen.expires.or(self.expires),
            created: seen.created.or(self.created),
            ip_changed: seen.ip_changed.or(self.ip_changed),
            key_changed: seen.key_changed.or(self.key_changed),
            domains: seen.domains.or(self.domains),
            ..seen
        }
    }

    /// Whether a look shows anything that this row does not hold yet.
    pub fn differs(&self, seen: &License) -> bool {
        self.is_changed_by(seen) || (seen.domains.is_some() && self.domains != seen.domains)
    }

    /// Whether a look shows a change of the license itself, and not only of what its client does with it. A field that
    /// the look leaves out is not a change: a list has no key.
    pub fn is_changed_by(&self, seen: &License) -> bool {
        seen.name.as_ref().is_some_and(|name| *name != self.name)
            || (seen.ip.is_some() && self.ip != seen.ip)
            || self.status != seen.status.or(self.status)
            || self.expires != seen.expires.or(self.expires)
            || (seen.key.is_some() && self.key != seen.key)
            || (seen.ip_changed.is_some() && self.ip_changed != seen.ip_changed)
            || (seen.key_changed.is_some() && self.key_changed != seen.key_changed)
            || seen.tariff.id().is_some_and(|id| id != self.pricelist)
    }
}

/// For tables of tests: a bound license, a month of ISPmanager 6 Lite at 192.0.2.10.
#[cfg(test)]
pub fn test_row(id: u32) -> LicenseRow {
    LicenseRow {
        account: AccountId(1),
        id: LicenseId(id),
        family: Family::Soft,
        module: ModuleId(7),
        state: LicenseState::Bound,
        incarnation: None,
        item: Some(ItemId(42)),
        internal_name: "55227".into(),
        mark: None,
        pricelist: UpstreamPricelistId(55227),
        nodes: None,
        changes: 0,
        name: "shop".into(),
        kept_name: None,
        ip: "192.0.2.10".parse().ok(),
        last_ip: None,
        status: LicenseStatus::Active,
        key: None,
        key_before: None,
        created: None,
        expires: super::license::ends("2027-02-01"),
        ip_changed: None,
        key_changed: None,
        since: DateTime::<Utc>::MIN_UTC,
        not_before: None,
        reason: None,
        domains: None,
        remoteip: None,
    }
}
