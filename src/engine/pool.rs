//! Taking a freed license for a new service, each step recorded (docs/licensing-rules.md 7): claim, read, new key while
//! the license has no address, address and mark, start, look, bind. After a crash the next run continues with the
//! claimed license.

pub(super) mod foreign;
pub(super) mod returning;

use crate::error::{ErrorKind, ModuleError};
use crate::model::item::Item;
use crate::model::journal::{Incarnation, Note};
use crate::model::license::{FREE_NAME, License, LicenseStatus};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::period::{Period, add_period};
use crate::model::reason::Reason;
use crate::model::rules::a_month_after;
use crate::plan::freeing::{ClaimRequest, state_to_return};
use crate::plan::halt::passes_over_license;
use crate::plan::in_doubt::has_run_out;
use crate::plan::order::OrderTerms;
use crate::plan::outward;
use crate::plan::pool::{PoolRequest, Taking, Today, candidates, has_address, has_new_key, taking};
use crate::ports::{CallError, Edit, LockName, RefusalKind, Repeatable};
use crate::store::Binding;
use crate::text;

use super::order::OrderFields;
use super::send::Failed;
use super::{Engine, errors, is_gone};

/// Candidates that one run tries before it buys a license. A refused candidate rests, so that the next run tries
/// others.
const MAX_CANDIDATES: usize = 5;

/// Takes the place of the fingerprint when the seller does not show the key.
const NO_KEY: &str = "none";

/// A license taken, or `None` when this candidate cannot be had and the next one may be tried.
type Taken = Option<(LicenseRow, License)>;

impl Engine<'_> {
    /// Takes the best freed license that fits; `None`: there is none, buy.
    pub(super) async fn take_from_pool(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        terms: &OrderTerms<'_>,
        fields: &OrderFields,
    ) -> Result<Taken, ModuleError> {
        let request = self.pool_request(item, terms, fields);
        let order = self.candidates_now(&request)?;
        if let Some(taken) = self.try_candidates(item, incarnation, order, &request, fields, terms).await? {
            return Ok(Some(taken));
        }
        if !self.rules.pool_foreign || self.take_in_foreign(terms.product).await? == 0 {
            return Ok(None);
        }
        let order = self.candidates_now(&request)?;
        self.try_candidates(item, incarnation, order, &request, fields, terms).await
    }

    /// What a service needs of a freed license.
    pub(super) fn pool_request(&self, item: &Item, terms: &OrderTerms<'_>, fields: &OrderFields) -> PoolRequest {
        let today = self.today();
        let end = item.expires.filter(|end| *end > today).unwrap_or_else(|| add_period(today, terms.period));
        PoolRequest {
            pricelist: terms.product.pricelist,
            nodes: fields.nodes.map(|(_, nodes)| nodes),
            ip: fields.ip,
            until: (item.period != Period::Lifetime).then_some(end),
        }
    }

    /// Our freed licenses that fit now, the best first.
    pub(super) fn candidates_now(&self, request: &PoolRequest) -> Result<Vec<LicenseRow>, ModuleError> {
        let today = Today {
            day: self.today(),
            now: self.now(),
            renew_before_days: self.rules.renew_before_days,
            ip_change_limit: self.rules.ip_change_limit,
        };
        let rows = self.store.free_licenses(self.account, request.pricelist).map_err(errors::state)?;
        Ok(candidates(&rows, request, today).into_iter().cloned().collect())
    }

    async fn try_candidates(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        order: Vec<LicenseRow>,
        request: &PoolRequest,
        fields: &OrderFields,
        terms: &OrderTerms<'_>,
    ) -> Result<Taken, ModuleError> {
        let mut tried = 0;
        for free in order {
            // A license that another run claimed first, or that waits for a call in doubt, does not count as tried.
            let Some(row) = self.claim(item, incarnation, &free, terms).await? else { continue };
            if let Some(taken) = self.take(item, incarnation, &row, fields, has_address(&free, request)).await? {
                return Ok(Some(taken));
            }
            tried += 1;
            if tried == MAX_CANDIDATES {
                break;
            }
        }
        Ok(None)
    }

    /// Writes down that this incarnation takes the license. `None`: this license is not available.
    async fn claim(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        row: &LicenseRow,
        terms: &OrderTerms<'_>,
    ) -> Result<Option<LicenseRow>, ModuleError> {
        let name = LockName::License(row.account, row.id);
        // A license that another run takes is not worth waiting for: the next candidate will do.
        let is_free = |engine: &Self| {
            let now = engine.store.license(row.account, row.id).map_err(errors::state)?;
            Ok(now.is_some_and(|now| now.state == row.state))
        };
        if !self.lock_while(name, is_free).await? {
            return Ok(None);
        }
        // A license that another service shows gets no new key.
        if self.heir_of(row, Some(item.id)).await?.is_some() || !self.settled(row).await? {
            self.unlock(name);
            return Ok(None);
        }
        let (panel, product) = (self.panel_id.clone(), terms.product.internal_name.clone());
        let reason = text!(
            "license {} is taken from the pool for service {}",
            "лицензия {} берётся из пула для услуги {}",
            row.id,
            item.id
        );
        let claiming = self.claiming_incarnation(incarnation)?;
        let claimed = self
            .commit("claim", |tx| {
                tx.touch_item(item)?;
                let mark = tx.next_mark(&panel, item.id)?;
                let claimed = tx.claim(row, &claiming, &mark, &product)?;
                if claimed {
                    tx.set_choice(item, &product)?;
                    tx.note(Some(item.id), Some((row.account, row.id)), Note::State(LicenseState::Claimed), &reason)?;
                }
                Ok(claimed)
            })
            .await?;
        if !claimed {
            self.unlock(name);
            return Ok(None);
        }
        self.note(&reason);
        let row = self.store.license(row.account, row.id).map_err(errors::state)?.unwrap_or_else(|| row.clone());
        Ok(Some(row))
    }

    /// Whether nothing is in doubt about a free license, after trying to settle what was. A license in doubt is not
    /// given out.
    pub(super) async fn settled(&mut self, row: &LicenseRow) -> Result<bool, ModuleError> {
        match self.settle_license(row).await {
            Ok(()) => Ok(true),
            Err(error) if passes_over_license(error.halt) => {
                let (id, why) = (row.id, error.words());
                self.note(&text!(["license {id} is passed over: {}", why.en], ["лицензия {id} пропущена: {}", why.ru]));
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// A crash left a claimed license: finishes the taking, or gives the license back.
    pub(super) async fn continue_taking(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        row: &LicenseRow,
    ) -> Result<Taken, ModuleError> {
        let Some(product) = self.product_of(row) else {
            self.give_back(row, None, None, &Reason::ProductUnknown).await?;
            return Ok(None);
        };
        let fields = self.order_fields(item, product)?;
        let keeps_address = fields.ip.is_some() && (row.ip == fields.ip || row.last_ip == fields.ip);
        self.take(item, incarnation, row, &fields, keeps_address).await
    }

    async fn take(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        row: &LicenseRow,
        fields: &OrderFields,
        keeps_address: bool,
    ) -> Result<Taken, ModuleError> {
        let seen = self.read(row.family, row.id).await?;
        if is_gone(seen.as_ref()) {
            // Once a new key was requested, the license may have the client's address: no other license takes its place
            // before this is certain.
            match row.key_before {
                Some(_) => self.confirm_gone(row, &seen).await?,
                None => self.is_gone(row, &seen, state_to_return(row)).await.map(drop)?,
            }
            return Ok(None);
        }
        let Some(seen) = seen else { return Ok(None) };
        match taking(row, &seen, &fields.licname, fields.ip, keeps_address) {
            Taking::Given => return self.finish_taking(item, incarnation, row, fields, seen).await.map(Some),
            Taking::NotFree => return self.no_longer_free(row, &seen).await.map(|()| None),
            Taking::Free => {}
        }
        let row = self.remember_key_before(row, &seen).await?;
        let Some(seen) = self.renew_key(&row, seen, keeps_address).await? else { return Ok(None) };
        // Another key may also mean that somebody else has taken the license.
        match taking(&row, &seen, &fields.licname, fields.ip, keeps_address) {
            Taking::NotFree => self.no_longer_free(&row, &seen).await.map(|()| None),
            Taking::Given | Taking::Free => self.give_address(item, incarnation, &row, fields, seen).await,
        }
    }

    /// Writes down the key that the new client must not see, before a new key is requested.
    pub(super) async fn remember_key_before(
        &mut self,
        row: &LicenseRow,
        seen: &License,
    ) -> Result<LicenseRow, ModuleError> {
        if row.key_before.is_some() {
            return Ok(row.clone());
        }
        let fingerprint = seen.key.as_ref().map_or_else(|| NO_KEY.to_owned(), |key| key.fingerprint());
        let row = LicenseRow { key_before: Some(fingerprint.clone()), ..row.clone() };
        self.commit("key before", |tx| tx.set_key_before(&row, &fingerprint)).await?;
        Ok(row)
    }

    /// Step 3: a new key, before the new client can see anything. `None`: this candidate was given back.
    async fn renew_key(
        &mut self,
        row: &LicenseRow,
        seen: License,
        keeps_address: bool,
    ) -> Result<Option<License>, ModuleError> {
        if has_new_key(row, &seen) {
            return Ok(Some(seen));
        }
        let late = text!("new key of license {}", "новый ключ лицензии {}", row.id);
        if seen.key.is_none() && row.key_before.as_deref() == Some(NO_KEY) {
            // The seller shows no key at all: nobody could check that the new client gets another one.
            self.give_back(row, None, None, &Reason::NoKeyShown).await?;
            return Ok(None);
        }
        if seen.key.is_none() {
            // An earlier run requested the new key already: a second request would be refused, or give one key too
            // many.
            return Err(errors::not_visible(&late, row.id));
        }
        let mut started = false;
        let mut seen = seen;
        loop {
            match self.new_key(row, &seen).await {
                Ok(Some(after)) if after.key.is_none() => return Err(errors::not_visible(&late, row.id)),
                Ok(Some(after)) => return Ok(Some(after)),
                Ok(None) => {
                    self.is_gone(row, &None, state_to_return(row)).await?;
                    return Ok(None);
                }
                Err(Failed::Refused(refusal, _))
                    if refusal.kind == RefusalKind::Other
                        && !started
                        && seen.status == LicenseStatus::Stopped
                        && !has_run_out(&seen, self.today()) =>
                {
                    started = true;
                    seen = self.start(row, seen).await?;
                }
                Err(Failed::Refused(refusal, error)) => {
                    let from = seen.key_changed.map(a_month_after);
                    self.give_back(row, None, from, &Reason::KeyRefused(refusal.to_string())).await?;
                    return if keeps_address { Err(self.busy_address(row, from, &error)) } else { Ok(None) };
                }
                Err(Failed::Other(error)) => {
                    let in_doubt =
                        !self.store.open_intents_of_license(row.account, row.id).map_err(errors::state)?.is_empty();
                    if !in_doubt {
                        return Err(error);
                    }
                    self.put_aside(row).await?;
                    return Ok(None);
                }
            }
        }
    }

    fn busy_address(&self, row: &LicenseRow, from: Option<chrono::NaiveDate>, error: &ModuleError) -> ModuleError {
        let (id, from) = (row.id, super::show_day(from));
        ModuleError::new(
            ErrorKind::IpBusy,
            "ip",
            row.ip.or(row.last_ip).map_or_else(String::new, |ip| ip.to_string()),
            text!(
                "License {id} of ours still has this address, and its key cannot change before {from}",
                "Этот IP ещё занят нашей лицензией {id}, а её ключ нельзя сменить раньше {from}"
            ),
        )
        // Not `AddressBusy`: a license of this account is in the way, and giving up another one does not help.
        .changed(text!("Nothing was bought", "Ничего не куплено"))
        .next(text!("wait, or use another address", "подождите или укажите другой IP"))
        .because(error)
    }

    /// Step 4: name, address and mark in one edit. After this step the license is not given back.
    async fn give_address(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        row: &LicenseRow,
        fields: &OrderFields,
        seen: License,
    ) -> Result<Taken, ModuleError> {
        let edit = Edit {
            ip: fields.ip,
            remoteip: outward::beside(fields.remoteip, row, &seen),
            licname: Some(fields.licname.clone()),
            remoteid: row.mark.as_ref().map(ToString::to_string),
            no_autoprolong: seen.autoprolong == Some(true),
        };
        let change = Repeatable::Edit(edit);
        let given = Some(ClaimRequest { licname: &fields.licname, ip: fields.ip });
        for attempt in 0..2 {
            let answer = self.try_change(row, &change).await?;
            let after = self.read(row.family, row.id).await?;
            let Some(after) = after.filter(|after| !after.is_deleted()) else {
                return Err(errors::license_gone(Some(item.id), row.id));
            };
            // When the mark has arrived, the address of the same edit has arrived too. The seller may store the name in
            // a form of its own.
            let marked = row.mark.as_ref().is_some_and(|mark| after.remoteid.is(mark));
            let renamed = after.remoteid.is_silent() && !after.is_named(FREE_NAME);
            let named = after.is_named(&fields.licname) || (answer.is_ok() && (marked || renamed));
            let arrived = named && (fields.ip.is_none() || after.ip == fields.ip);
            match answer {
                _ if arrived => return self.finish_taking(item, incarnation, row, fields, after).await.map(Some),
                Err(CallError::Refused(refusal)) if refusal.kind == RefusalKind::IpBusy => {
                    let what = text!("taking license {}", "взятие лицензии {}", row.id);
                    self.give_back(row, given, None, &Reason::AddressBusy).await?;
                    return Err(errors::refused(
                        &refusal,
                        &what,
                        "ip",
                        fields.ip.map_or_else(String::new, |ip| ip.to_string()),
                    ));
                }
                Err(CallError::Refused(refusal)) => {
                    let from = after.ip_changed.map(a_month_after);
                    self.give_back(row, given, from, &Reason::AddressRefused(refusal.to_string())).await?;
                    return Ok(None);
                }
                // The outcome is unknown and nothing is visible: the edit is repeated once. After that the claim is
                // kept, because the license may yet take the address.
                _ if attempt == 0 => {}
                Ok(()) => break,
                Err(error) => {
                    let what = text!("giving license {} its address", "назначение IP лицензии {}", row.id);
                    return Err(errors::call(&error, &what, row.id));
                }
            }
        }
        let what = text!("giving license {} its address", "назначение IP лицензии {}", row.id);
        Err(errors::not_visible(&what, row.id))
    }

    /// Steps 5 to 7: start, look, bind.
    async fn finish_taking(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        row: &LicenseRow,
        fields: &OrderFields,
        seen: License,
    ) -> Result<(LicenseRow, License), ModuleError> {
        // A license that ran out in the meantime is bound as it is: it has the address, so no other license may be
        // ordered for it. Sync renews it when the service is paid.
        let seen = if has_run_out(&seen, self.today()) { seen } else { self.start(row, seen).await? };
        // A license with the mark belongs to the client, whatever address the seller or a later intent gave it. It is
        // not given back, and handing it out corrects the difference.
        let marked = row.mark.as_ref().is_some_and(|mark| seen.remoteid.is(mark));
        let at_address = fields.ip.is_none() || seen.ip == fields.ip;
        let fits = has_new_key(row, &seen) && (marked || (seen.remoteid.is_silent() && at_address));
        if seen.is_deleted() || !fits {
            let what = text!("taking license {}", "взятие лицензии {}", row.id);
            return Err(errors::not_visible(&what, row.id));
        }
        let reason = text!(
            "license {} from the pool bound to service {}",
            "лицензия {} из пула привязана к услуге {}",
            row.id,
            item.id
        );
        self.note(&reason);
        let left = self.left_for_claimed(incarnation, row)?;
        let (row, incarnation, bound, account, module) =
            (row.clone(), incarnation.clone(), seen.clone(), self.account, self.module);
        self.commit("bind", move |tx| {
            left.as_ref().map_or(Ok(()), |left| left.write(tx))?;
            let binding = Binding {
                account,
                family: row.family,
                module,
                internal_name: &row.internal_name,
                mark: row.mark.as_ref(),
                pricelist: row.pricelist,
                nodes: row.nodes,
            };
            tx.put_license(&binding, &bound, LicenseState::Bound, Some(incarnation.item), Some(&incarnation))?;
            tx.note(Some(incarnation.item), Some((account, bound.id)), Note::State(LicenseState::Bound), &reason)
        })
        .await?;
        let row = self.store.license(account, seen.id).map_err(errors::state)?;
        let id = seen.id;
        row.map(|row| (row, seen)).ok_or_else(|| errors::license_gone(Some(item.id), id))
    }
}
