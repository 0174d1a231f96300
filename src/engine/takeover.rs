//! Taking over: finds licenses that the vendor's own module or WHMCS ordered for services of this panel, and binds them
//! one by one when an operator says so. A list is only a hint: license and service are read again under their locks and
//! judged by the same rules (`plan::takeover`). A run that died is simply repeated. Nothing here buys anything.

pub(super) mod whmcs;

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{ModuleError, Text};
use crate::model::ids::{AccountId, ItemId, LicenseId, ModuleId};
use crate::model::item::{Item, ItemStatus};
use crate::model::license::{Family, License};
use crate::model::license_row::LicenseRow;
use crate::plan::bind::{BindOptions, Consent};
use crate::plan::finding::Desired;
use crate::plan::takeover::{
    Evidence, Handler, Named, Service, Verdict, WhyLeft, addon_of, is_candidate, judge, named, only_one, refuse_doubles,
};
use crate::ports::LockName;
use crate::text;

use super::pages::{Looked, Pages, Progress};
use super::{Engine, errors};

/// Items asked for at once.
pub(super) const BATCH: u32 = 500;

/// Modules of servers whose control panels this module licenses, each with the reason against it, if there is one.
pub type Servers = BTreeMap<ModuleId, Option<Text>>;

/// What was read, or the candidate for a license that cannot be read and is left alone.
type ReadOr<T> = Result<Option<T>, Box<Candidate>>;

/// A license that may belong to a service, and what would be done about it.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The account that has it.
    pub account: AccountId,
    /// The module whose account that is.
    pub module: ModuleId,
    /// Its number, which the seller may not know.
    pub id: LicenseId,
    /// Which functions serve it.
    pub family: Family,
    /// As the seller shows it.
    pub license: Option<License>,
    /// Its product, as far as known.
    pub product: String,
    /// The service.
    pub item: Option<ItemId>,
    /// The evidence that it belongs to the service.
    pub by: BTreeSet<Evidence>,
    /// What would be done.
    pub verdict: Verdict,
}

impl Candidate {
    /// Whether the seller renews it automatically.
    pub fn renews_itself(&self) -> bool {
        self.license.as_ref().is_some_and(|license| license.autoprolong != Some(false))
    }
}

/// Whether a bound license gets our mark and its automatic renewal is switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marking {
    /// Both.
    Mark,
    /// Neither. A license that the seller renews automatically is then left alone, because sync would renew it too.
    Leave,
}

/// What happened to one license.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It serves its service.
    Bound,
    /// It bears our mark, and does not renew itself.
    Marked,
    /// Left alone after all.
    Left(WhyLeft, Text),
}

impl Engine<'_> {
    /// Licenses of the account that seem to belong to services of this panel, whichever module handles these. Licenses
    /// that are bound and marked already are left out.
    ///
    /// # Errors
    /// A list or the panel's database that cannot be read.
    pub async fn panel_candidates(
        &mut self,
        servers: &Servers,
        progress: &mut Progress<'_>,
    ) -> Result<Vec<Candidate>, ModuleError> {
        let shown = self.shown_licenses().await?;
        let mut found = Vec::new();
        for family in [Family::Soft, Family::SoftExternal] {
            let mut pages = Pages::of(family);
            let mut looked = Looked::nothing(progress);
            while let Some(page) = pages.next(self).await? {
                self.check_marks(&page.rows).await?;
                for seen in page.rows {
                    looked.one_more(page.total);
                    found.extend(self.listed_candidate(family, seen, &shown, servers).await?);
                }
            }
        }
        Ok(settled_doubles(found))
    }

    /// A license of the list that seems to belong to a service. `shown`: the services that show each license.
    async fn listed_candidate(
        &mut self,
        family: Family,
        listed: License,
        shown: &BTreeMap<LicenseId, BTreeSet<ItemId>>,
        servers: &Servers,
    ) -> Result<Option<Candidate>, ModuleError> {
        let (seen, is_whole) = match self.opened(family, listed).await? {
            Ok(Some(opened)) => opened,
            Ok(None) => return Ok(None),
            Err(left) => return Ok(Some(*left)),
        };
        let mut named = named(&seen, shown.get(&seen.id).unwrap_or(&BTreeSet::new()));
        self.add_server_of_addon(&seen, &mut named).await?;
        if named.is_empty() {
            return Ok(None);
        }
        self.candidate(family, (seen, is_whole), &named, servers).await
    }

    /// Adds the server whose addon has the remoteid as its number, if the license's name says the same. The server is
    /// the addon's parent. The number alone could come from another panel, or be the number of some service by chance.
    async fn add_server_of_addon(&mut self, seen: &License, named: &mut Named) -> Result<(), ModuleError> {
        let Some((server, addon)) = addon_of(seen) else { return Ok(()) };
        self.step("read addon").await?;
        let row = self.ports.billdb.item(addon).map_err(|error| errors::database(&error))?;
        if row.and_then(|row| row.parent) == Some(server) {
            named.entry(server).or_default().insert(Evidence::RemoteId);
        }
        Ok(())
    }

    /// A row of the list, or the whole license where the list leaves out the remoteid, which may be the only evidence.
    /// The flag says whether it is the whole license. `None`: it cannot be taken over for any service.
    async fn opened(&mut self, family: Family, seen: License) -> Result<ReadOr<(License, bool)>, ModuleError> {
        self.begin_one();
        let row = self.store.license(self.account, seen.id).map_err(errors::state)?;
        if !is_candidate(&seen, row.as_ref()) {
            return Ok(Ok(None));
        }
        let serves = row.is_some_and(|row| row.incarnation.is_some());
        if serves || !seen.is_incomplete() {
            return Ok(Ok(Some((seen, false))));
        }
        Ok(self.whole_or_left(family, seen).await?.map(|whole| whole.map(|seen| (seen, true))))
    }

    /// The whole license for a row of the list. A license that cannot be read is reported, and the others go on.
    async fn whole_or_left(&mut self, family: Family, seen: License) -> Result<ReadOr<License>, ModuleError> {
        let id = seen.id;
        match self.try_read(family, id).await? {
            Ok(whole) => Ok(Ok(whole)),
            Err(error) => {
                self.check_account().await?;
                let verdict = Verdict::Leave(WhyLeft::Unreadable, error.words());
                Ok(Err(Box::new(self.without_item((family, id), Some(seen), verdict))))
            }
        }
    }

    /// Which license the panel shows for which services: one pass over its parameters.
    pub(super) async fn shown_licenses(&mut self) -> Result<BTreeMap<LicenseId, BTreeSet<ItemId>>, ModuleError> {
        let mut shown: BTreeMap<LicenseId, BTreeSet<ItemId>> = BTreeMap::new();
        let mut after = ItemId::BEFORE_ALL;
        loop {
            self.step("read parameters").await?;
            let batch = self.ports.billdb.items_showing_licenses(after, BATCH);
            let batch = batch.map_err(|error| errors::database(&error))?;
            let Some((last, _)) = batch.last() else { return Ok(shown) };
            after = *last;
            for (item, license) in batch.into_iter().filter(|(_, license)| license.0 > 0) {
                shown.entry(license).or_default().insert(item);
            }
        }
    }

    pub(super) fn without_item(
        &self,
        (family, id): (Family, LicenseId),
        license: Option<License>,
        verdict: Verdict,
    ) -> Candidate {
        Candidate {
            account: self.account,
            module: self.module,
            id,
            family,
            product: license
                .as_ref()
                .map(|seen| self.rules.catalogue.tariff_in_words(&seen.tariff))
                .unwrap_or_default(),
            license,
            item: None,
            by: BTreeSet::new(),
            verdict,
        }
    }

    /// A license with the services that it may belong to. A license that would be bound is opened first, unless it was
    /// opened already (`is_whole`), because lists leave out fields.
    pub(super) async fn candidate(
        &mut self,
        family: Family,
        (seen, is_whole): (License, bool),
        named: &Named,
        servers: &Servers,
    ) -> Result<Option<Candidate>, ModuleError> {
        self.begin_one();
        let row = self.store.license(self.account, seen.id).map_err(errors::state)?;
        if !is_candidate(&seen, row.as_ref()) {
            return Ok(None);
        }
        let named = self.without_closed(row.as_ref(), named).await?;
        let item = match only_one(seen.id, &named) {
            Ok(item) => item,
            Err((left, why)) => {
                let id = seen.id;
                return Ok(Some(self.without_item((family, id), Some(seen), Verdict::Leave(left, why))));
            }
        };
        let by = named.get(&item).cloned().unwrap_or_default();
        let service = self.service(item, servers).await?;
        let decide =
            |engine: &Self, seen: &License| judge(seen, row.as_ref(), &engine.panel_id, item, service.as_ref(), &by);
        let mut verdict = decide(self, &seen);
        let mut license = seen;
        // Lists have no outward addresses.
        let is_behind_nat = service
            .as_ref()
            .is_some_and(|service| matches!(&service.desired, Desired::License(desired) if desired.remoteip.is_some()));
        if (is_behind_nat || matches!(verdict, Verdict::Bind | Verdict::Mark)) && !is_whole {
            match self.whole_or_left(family, license.clone()).await? {
                Ok(Some(whole)) => (verdict, license) = (decide(self, &whole), whole),
                Ok(None) => {}
                Err(left) => return Ok(Some(Candidate { item: Some(item), by, ..*left })),
            }
        }
        let mut candidate = self.without_item((family, license.id), Some(license), verdict);
        (candidate.item, candidate.by) = (Some(item), by);
        Ok(Some(candidate).filter(|candidate| candidate.verdict != Verdict::Done))
    }

    /// The services that a license may belong to. When our state has it for one of them, closed ones that still show
    /// its number do not count: a license from the pool had other clients before.
    async fn without_closed(&mut self, row: Option<&LicenseRow>, named: &Named) -> Result<Named, ModuleError> {
        let mut left = named.clone();
        let Some(holder) = row.filter(|row| row.incarnation.is_some()).and_then(|row| row.item) else {
            return Ok(left);
        };
        if !named.contains_key(&holder) {
            return Ok(left);
        }
        for other in named.keys().filter(|item| **item != holder) {
            self.step("read item").await?;
            let item = self.ports.billdb.item(*other).map_err(|error| errors::database(&error))?;
            if item.is_some_and(|item| item.status == ItemStatus::Deleted) {
                left.remove(other);
            }
        }
        Ok(left)
    }

    pub(super) async fn service(&mut self, id: ItemId, servers: &Servers) -> Result<Option<Service>, ModuleError> {
        self.step("read item").await?;
        let item = self.ports.billdb.item(id).map_err(|error| errors::database(&error))?;
        let Some(item) = item else { return Ok(None) };
        let incarnation = self.store.incarnation(&item).map_err(errors::state)?;
        let bound = self.store.license_of(&incarnation).map_err(errors::state)?.map(|row| row.id);
        let open = self.store.open_intents_of_item(id).map_err(errors::state)?;
        let known = self.store.item(id, &item.created).map_err(errors::state)?;
        Ok(Some(Service {
            desired: self.desired_of(&item),
            handler: self.handler_of(&item, servers),
            bound,
            ordering: open.iter().any(|intent| intent.request.as_order().is_some()),
            settled: item.expires.is_none() || known.is_some_and(|row| row.settled_end.is_some()),
            item,
        }))
    }

    /// Who renews the license of this item. Two programs would each renew it, so the service must be ours, or belong to
    /// a server module that we serve (docs/money-safety.md 5).
    fn handler_of(&self, item: &Item, servers: &Servers) -> Handler {
        let (id, ours) = (item.id, self.module);
        let program = &item.module_program;
        if item.is_ours() {
            if item.module == Some(ours) {
                return Handler::Ours;
            }
            let module = item.module.map_or_else(|| "-".to_owned(), |module| module.to_string());
            return Handler::Other(
                WhyLeft::OtherModule,
                text!("service {id} buys through module {module}", "услуга {id} покупает через модуль {module}"),
            );
        }
        if item.is_license_type() {
            return Handler::Other(
                WhyLeft::NotMoved,
                text!(
                    "service {id} is handled by {program}, which would renew it too; move it to module {ours} in the panel, then repeat",
                    "услугу {id} обслуживает {program} и тоже продлил бы её; перенесите её в панели на модуль {ours} и повторите"
                ),
            );
        }
        match item.module.and_then(|module| servers.get(&module)) {
            Some(None) => Handler::Ours,
            Some(Some(why)) => Handler::Other(WhyLeft::OwnServer, why.clone()),
            None => Handler::Other(
                WhyLeft::NotMoved,
                text!(
                    "servers of {program}, such as service {id}, get no licenses from us: name their module in the setting bundled, then repeat",
                    "серверы {program}, в том числе услуга {id}, не получают лицензий от нас: укажите их модуль в настройке bundled и повторите"
                ),
            ),
        }
    }

    /// Takes one over, after looking at it again under its locks.
    ///
    /// # Errors
    /// What is certain, and what to do next; a repetition goes on from there.
    pub async fn take_over(
        &mut self,
        candidate: &Candidate,
        servers: &Servers,
        marking: Marking,
    ) -> Result<Option<Taken>, ModuleError> {
        self.begin_one();
        self.changing(async |engine: &mut Self| {
            let Some(item) = candidate.item else { return Ok(None) };
            engine.take_over_locked(item, candidate, servers, marking).await.map(Some)
        })
        .await
    }

    async fn take_over_locked(
        &mut self,
        item: ItemId,
        candidate: &Candidate,
        servers: &Servers,
        marking: Marking,
    ) -> Result<Taken, ModuleError> {
        self.lock(LockName::Item(item)).await?;
        self.lock_license(candidate.id).await?;
        let row = self.store.license(self.account, candidate.id).map_err(errors::state)?;
        let seen = self.read(candidate.family, candidate.id).await?;
        let Some(seen) = seen else { return Err(errors::license_gone(Some(item), candidate.id)) };
        let service = self.service(item, servers).await?;
        // A license that an earlier run bound is renewed by us alone, whatever the seller still shows.
        let bound = row.as_ref().is_some_and(|row| row.incarnation.is_some());
        let by = still_known(&candidate.by, &seen, item, service.as_ref());
        match judge(&seen, row.as_ref(), &self.panel_id, item, service.as_ref(), &by) {
            Verdict::Leave(left, why) => return Ok(Taken::Left(left, why)),
            Verdict::Done => return Ok(Taken::Marked),
            Verdict::Mark if marking == Marking::Leave => return Ok(Taken::Bound),
            Verdict::Bind if !bound && seen.autoprolong != Some(false) && marking == Marking::Leave => {
                return Ok(Taken::Left(WhyLeft::RenewsItself, renews_itself()));
            }
            Verdict::Bind | Verdict::Mark => {}
        }
        let id = candidate.id;
        let how = by.iter().map(|by| by.word()).collect::<Vec<_>>().join(", ");
        let reason = text!(
            "license {id} taken over for service {item}, known by: {how}",
            "лицензия {id} принята для услуги {item}, известна по: {how}"
        );
        let (consent, mark) = (Consent::default(), marking == Marking::Mark);
        let options = BindOptions { consent, by_operator: false, mark, reason: Some(reason), ends_older: None };
        self.bind_locked(item, id, options).await?;
        Ok(if marking == Marking::Mark { Taken::Marked } else { Taken::Bound })
    }
}

/// The reason for leaving a license that the seller renews, when its automatic renewal is not to be switched off.
fn renews_itself() -> Text {
    text!(
        "the seller renews it by itself, and sync would renew it too: bound only together with --mark",
        "продавец продлевает её сам, и sync продлил бы её ещё раз: привязывается только вместе с --mark"
    )
}

/// The evidence that the operator was shown, as far as it still holds.
fn still_known(by: &BTreeSet<Evidence>, seen: &License, item: ItemId, service: Option<&Service>) -> BTreeSet<Evidence> {
    let shown = service.is_some_and(|service| service.item.params.licid == Some(seen.id));
    let shown = if shown { BTreeSet::from([item]) } else { BTreeSet::new() };
    let now = named(seen, &shown).remove(&item).unwrap_or_default();
    // The parent of an addon's row was looked up before; the license still has to name both.
    let is_addons = addon_of(seen).is_some_and(|(server, _)| server == item);
    let holds = |by: &Evidence| match by {
        Evidence::Map | Evidence::Address => true,
        Evidence::RemoteId => is_addons || now.contains(by),
        Evidence::Licid | Evidence::Name => now.contains(by),
    };
    by.iter().copied().filter(holds).collect()
}

/// The candidates. Where several licenses fit one service, none of them is bound, because an operator must decide.
pub(super) fn settled_doubles(mut found: Vec<Candidate>) -> Vec<Candidate> {
    refuse_doubles(found.iter_mut().filter_map(|one| Some((one.id, one.item?, &mut one.verdict))));
    found
}
