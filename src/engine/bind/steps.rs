//! Steps before a license is bound by hand: a new key if another client had the license, then the address and the name
//! that the service wants. After a refusal here the service keeps the license that it has.

use std::net::IpAddr;

use chrono::NaiveDate;

use crate::error::{ErrorKind, ModuleError};
use crate::model::catalogue::Product;
use crate::model::ids::UpstreamPricelistId;
use crate::model::item::ItemStatus;
use crate::model::license::{Family, License, LicenseStatus};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::rules::a_month_after;
use crate::plan::change::DesiredLicense;
use crate::plan::freeing::{Fate, fate};
use crate::plan::identity::KeyFate;
use crate::plan::in_doubt::has_run_out;
use crate::plan::outward;
use crate::plan::pool::has_new_key;
use crate::ports::{CallError, Edit, RefusalKind, Repeatable};
use crate::text;

use crate::engine::bind::Found;
use crate::engine::order::order_remoteip;
use crate::engine::reconcile::wording::one_license_an_address;
use crate::engine::send::Failed;
use crate::engine::{Engine, errors};

impl Engine<'_> {
    /// Makes a license ready for a service before our state binds it, so that a refusal of the seller changes nothing
    /// for the service.
    ///
    /// # Errors
    /// `key_change_limit`, `ip_change_limit`, `ip_busy` and others: refused; nothing was bound.
    pub(in crate::engine) async fn made_ready(&mut self, found: &Found) -> Result<License, ModuleError> {
        let desired = self.desired_license(&found.item, self.served(&found.item, &found.product))?;
        let ip = desired.ip.filter(|ip| found.family != Family::Addition && found.seen.ip != Some(*ip));
        let young = self.moves_from(&found.seen);
        if let (Some(ip), Some(from)) = (ip, young) {
            return Err(address_too_young(found, ip, Some(from)));
        }
        let seen = match found.key {
            KeyFate::Kept => found.seen.clone(),
            KeyFate::New => self.key_for_another(&found.as_row(self), found.seen.clone()).await?,
        };
        self.placed(found, seen, &desired).await
    }

    /// A new key for a license that another client had, before its new client can see anything. The former key is
    /// written down first, so that a repeated run does not ask for a second new key.
    ///
    /// # Errors
    /// `key_change_limit` and others: refused; nothing was bound.
    pub(in crate::engine) async fn key_for_another(
        &mut self,
        row: &LicenseRow,
        seen: License,
    ) -> Result<License, ModuleError> {
        let row = self.remember_key_before(row, &seen).await?;
        if has_new_key(&row, &seen) {
            return Ok(seen);
        }
        let late = text!("new key of license {}", "новый ключ лицензии {}", row.id);
        if seen.key.is_none() {
            // Nobody could check that the new client gets another key.
            return Err(errors::not_visible(&late, row.id));
        }
        let after = match self.new_key(&row, &seen).await {
            // Some sellers want the license started for that.
            Err(Failed::Refused(refusal, _))
                if refusal.kind == RefusalKind::Other
                    && seen.status == LicenseStatus::Stopped
                    && !has_run_out(&seen, self.today()) =>
            {
                let started = self.start(&row, seen).await?;
                let again = self.new_key(&row, &started).await;
                if again.is_err() {
                    self.stop(&row, started).await?;
                }
                again?
            }
            other => other?,
        };
        match after {
            Some(after) if after.key.is_some() => Ok(after),
            Some(_) => Err(errors::not_visible(&late, row.id)),
            None => Err(errors::license_gone(row.item, row.id)),
        }
    }

    /// A row for calls about a license that our state does not have.
    pub(in crate::engine) fn row_of_foreign(&self, family: Family, seen: &License) -> LicenseRow {
        let product = seen.tariff.id().and_then(|pricelist| self.rules.catalogue.by_pricelist(pricelist));
        LicenseRow {
            account: self.account,
            id: seen.id,
            family,
            module: self.module,
            state: LicenseState::Stopped,
            incarnation: None,
            item: None,
            internal_name: product.map_or_else(String::new, |product| product.internal_name.clone()),
            mark: None,
            pricelist: seen.tariff.id().unwrap_or(UpstreamPricelistId(0)),
            nodes: None,
            changes: 0,
            name: seen.shown_name().to_owned(),
            kept_name: None,
            ip: seen.ip,
            last_ip: None,
            status: seen.status,
            key: seen.key.clone(),
            key_before: None,
            created: seen.created,
            expires: seen.expires,
            ip_changed: seen.ip_changed,
            key_changed: seen.key_changed,
            since: self.now(),
            not_before: None,
            reason: None,
            domains: seen.domains,
            remoteip: None,
        }
    }

    /// Gives a license the address and the name that the service wants, and starts it.
    async fn placed(&mut self, found: &Found, seen: License, desired: &DesiredLicense) -> Result<License, ModuleError> {
        let (row, item) = (found.as_row(self), &found.item);
        let has_place = found.family != Family::Addition;
        let ip = desired.ip.filter(|ip| has_place && seen.ip != Some(*ip));
        let licname = Some(desired.licname.clone()).filter(|name| has_place && !seen.is_named(name));
        let mut now = seen;
        if ip.is_some() || licname.is_some() {
            let remoteip = match ip {
                Some(_) => outward::beside(order_remoteip(item)?, &row, &now),
                None => None,
            };
            let change = Repeatable::Edit(Edit { ip, remoteip, licname, ..Edit::default() });
            let answer = self.try_change(&row, &change).await?;
            let after = self.read(row.family, row.id).await?;
            let after = after.ok_or_else(|| errors::license_gone(Some(item.id), row.id))?;
            let is_there = ip.is_none_or(|ip| after.ip == Some(ip));
            match answer {
                // A name that the seller stores in another form does not matter.
                _ if is_there => now = after,
                answer => return Err(self.not_placed(found, answer, ip, &after)),
            }
        }
        let runs = item.status == ItemStatus::Active && !has_run_out(&now, self.today());
        if now.status == LicenseStatus::Stopped && runs { self.start(&row, now).await } else { Ok(now) }
    }

    /// Whether a license keeps its address when its service gives it up, because it is only stopped, as a trial is.
    fn keeps_address(&self, row: &LicenseRow) -> bool {
        let is_pooled = self.product_of(row).is_some_and(Product::is_pooled);
        fate(self.rules.on_close, is_pooled, row.expires, false) == Fate::Stopped
    }

    fn not_placed(
        &self,
        found: &Found,
        answer: Result<(), CallError>,
        ip: Option<IpAddr>,
        after: &License,
    ) -> ModuleError {
        let id = found.seen.id;
        let what = text!("giving license {id} its address", "назначение IP лицензии {id}");
        match (answer, ip, found.replaced()) {
            (Err(CallError::Refused(refusal)), Some(ip), Some(old))
                if refusal.kind == RefusalKind::IpBusy && old.ip == Some(ip) =>
            {
                // The day from which the two licenses may exchange their addresses.
                let young = [old.ip_changed, after.ip_changed].into_iter().flatten().map(a_month_after);
                let from = young.filter(|from| *from >= self.today()).max();
                let keeps = self.keeps_address(old);
                one_license_an_address(found.item.id, (old, keeps), id, from).because(refusal)
            }
            (Err(CallError::Refused(refusal)), Some(ip), _) if refusal.kind == RefusalKind::IpTooYoung => {
                address_too_young(found, ip, after.ip_changed.map(a_month_after)).because(refusal)
            }
            (Err(error), _, _) => errors::call(&error, &what, id),
            (Ok(()), _, _) => errors::not_visible(&what, id),
        }
    }
}

/// The license's address changed less than a month ago, so it cannot get the service's address now and would be of no
/// use to it.
fn address_too_young(found: &Found, ip: IpAddr, from: Option<NaiveDate>) -> ModuleError {
    let (license, item) = (found.seen.id, found.item.id);
    let from = from.map_or_else(
        || text!("a month after its last change", "через месяц после прошлой смены"),
        |day| text!("from {day} on", "начиная с {day}"),
    );
    let words = text!(
        "License {license} cannot move to {ip} yet: the seller allows one change of address a month",
        "Лицензию {license} пока нельзя перенести на {ip}: продавец разрешает одну смену IP в месяц"
    );
    ModuleError::new(ErrorKind::IpChangeLimit, "ip", ip, words)
        .changed(text!(
            "Nothing was bound; service {item} keeps what it has",
            "Ничего не привязано, у услуги {item} всё по-прежнему"
        ))
        .next(if found.bound.is_none() && found.item.params.licid == Some(license) {
            text!(
                ["it can be bound {}. If service {item} cannot wait for that, take the license from it: pmisplicense unbind {item}. Then get it another one, from the pool or bought: pmisplicense reconcile --apply", from.en],
                ["привязать её можно {}. Если услуга {item} не может ждать, снимите лицензию с неё: pmisplicense unbind {item}. Затем получите ей другую, из пула или купленную: pmisplicense reconcile --apply", from.ru]
            )
        } else {
            text!(["it can be bound {}", from.en], ["привязать её можно {}", from.ru])
        })
}
