//! Taking over from WHMCS: each row of its module's table is compared with the seller's license and with the services
//! of this panel. The table is only a hint, and is never written. The binding is the same as for any license that is
//! taken over.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::error::{ModuleError, Text};
use crate::model::ids::{ItemId, LicenseId, ModuleId};
use crate::model::license::{Family, License, RemoteId};
use crate::model::whmcs::NocRow;
use crate::plan::finding::Desired;
use crate::plan::takeover::{Evidence, Named, Service, Verdict, WhyLeft};
use crate::text;

use crate::engine::pages::{Looked, Progress};
use crate::engine::takeover::{BATCH, Candidate, Servers, settled_doubles};
use crate::engine::{Engine, errors};

impl Engine<'_> {
    /// The licenses of WHMCS's table, each with the service of this panel that it belongs to. This is the service that
    /// an operator wrote beside it, else the service that shows it, else the only service at its address that asks for
    /// its tariff and has no license.
    ///
    /// # Errors
    /// The panel's database cannot be read, or the account itself fails.
    pub async fn noc_candidates(
        &mut self,
        rows: &[NocRow],
        servers: &Servers,
        progress: &mut Progress<'_>,
    ) -> Result<Vec<Candidate>, ModuleError> {
        let shown = self.shown_licenses().await?;
        let mut places = None;
        let mut times: BTreeMap<LicenseId, u32> = BTreeMap::new();
        rows.iter().for_each(|row| *times.entry(row.license).or_default() += 1);
        let (mut found, mut looked) = (Vec::new(), Looked::nothing(progress));
        let total = u32::try_from(rows.len()).ok();
        for row in rows {
            self.begin_one();
            let (seen, unread) = match self.try_read(Family::Soft, row.license).await? {
                Ok(seen) => (seen.filter(|seen| !seen.is_deleted()), None),
                Err(error) => {
                    self.check_account().await?;
                    (None, Some(error.words()))
                }
            };
            let against = match &seen {
                None if unread.is_some() => unread.map(|why| (WhyLeft::Unreadable, why)),
                None => Some((WhyLeft::Gone, text!("the seller has no such license", "у продавца нет такой лицензии"))),
                Some(_) if times.get(&row.license).is_some_and(|times| *times > 1) => {
                    Some((WhyLeft::Twice, text!("the table names it twice", "в таблице она названа дважды")))
                }
                Some(seen) => self.disagrees(row, seen)?,
            };
            match (seen, against) {
                (seen, Some((left, why))) => {
                    found.push(self.without_item((Family::Soft, row.license), seen, Verdict::Leave(left, why)));
                }
                (Some(seen), None) => {
                    let named = self.named_by_table(row, &seen, &shown, &mut places, servers).await?;
                    found.extend(self.candidate(Family::Soft, (seen, true), &named, servers).await?);
                }
                (None, None) => {}
            }
            looked.one_more(total);
        }
        Ok(settled_doubles(found))
    }

    /// The objection of the seller's license to a row of the table. A license that is ours already is judged like any
    /// other of ours.
    fn disagrees(&self, row: &NocRow, seen: &License) -> Result<Option<(WhyLeft, Text)>, ModuleError> {
        let known = self.store.license(self.account, seen.id).map_err(errors::state)?;
        if known.is_some_and(|known| known.incarnation.is_some()) {
            return Ok(None);
        }
        if row.service.is_none() || seen.looks_free() {
            let id = seen.id;
            return Ok(Some((
                WhyLeft::Free,
                text!(
                    "it waits for the next client; the setting pool_foreign lets our pool have it, or: pmisplicense bind ITEM {id}",
                    "она ждёт следующего клиента; её возьмёт пул с настройкой pool_foreign, или: pmisplicense bind УСЛУГА {id}"
                ),
            )));
        }
        if row.agrees(&seen.remoteid) || seen.remoteid.mark().is_some() {
            return Ok(None);
        }
        let (said, have) = (row.remoteid(), remoteid_words(seen));
        Ok(Some((
            WhyLeft::Stale,
            text!(
                "the table says {said}, the seller {have}: the table is old, or of another account",
                "в таблице {said}, у продавца {have}: таблица старая или другой учётной записи"
            ),
        )))
    }

    async fn named_by_table(
        &mut self,
        row: &NocRow,
        seen: &License,
        shown: &BTreeMap<LicenseId, BTreeSet<ItemId>>,
        places: &mut Option<BTreeMap<IpAddr, Vec<Service>>>,
        servers: &Servers,
    ) -> Result<Named, ModuleError> {
        let known = self.store.license(self.account, seen.id).map_err(errors::state)?;
        let holder = known.filter(|row| row.incarnation.is_some()).and_then(|row| row.item);
        let one = |item: ItemId, by: Evidence| (item, BTreeSet::from([by]));
        if let Some(item) = row.item {
            return Ok(Named::from([one(item, Evidence::Map)]));
        }
        let by_panel: Named =
            shown.get(&seen.id).into_iter().flatten().map(|item| one(*item, Evidence::Licid)).collect();
        if !by_panel.is_empty() {
            return Ok(by_panel);
        }
        // An earlier run bound it, on whatever evidence.
        if let Some(item) = holder {
            return Ok(Named::from([one(item, Evidence::Address)]));
        }
        let Some(ip) = seen.ip else { return Ok(Named::new()) };
        let places = match places {
            Some(places) => places,
            None => places.insert(self.places(servers).await?),
        };
        let fits = |service: &&Service| match &service.desired {
            Desired::License(desired) => seen.tariff.may_be(desired.pricelist) && service.bound.is_none(),
            Desired::Nothing | Desired::Unclear(_) => false,
        };
        let here = places.get(&ip).into_iter().flatten().filter(fits);
        Ok(here.map(|service| one(service.item.id, Evidence::Address)).collect())
    }

    /// Services of this module and of the servers that it licenses, by the address that they want a license for.
    async fn places(&mut self, servers: &Servers) -> Result<BTreeMap<IpAddr, Vec<Service>>, ModuleError> {
        let modules: Vec<ModuleId> = std::iter::once(self.module).chain(servers.keys().copied()).collect();
        let mut places: BTreeMap<IpAddr, Vec<Service>> = BTreeMap::new();
        for module in modules {
            let mut after = ItemId::BEFORE_ALL;
            loop {
                self.begin_one();
                self.step("read items").await?;
                let batch = self.ports.billdb.items_of_module(module, after, BATCH);
                let batch = batch.map_err(|error| errors::database(&error))?;
                let Some(last) = batch.last() else { break };
                after = *last;
                for id in batch {
                    let Some(service) = self.service(id, servers).await? else { continue };
                    if let Desired::License(desired) = &service.desired
                        && let Some(ip) = desired.ip
                    {
                        places.entry(ip).or_default().push(service);
                    }
                }
            }
        }
        Ok(places)
    }
}

fn remoteid_words(seen: &License) -> String {
    match &seen.remoteid {
        RemoteId::Text(text) => text.clone(),
        RemoteId::Absent | RemoteId::Empty => "-".to_owned(),
    }
}
