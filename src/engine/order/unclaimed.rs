//! Unclaimed licenses: they have a mark of ours, and our state does not hold them. Their order was sent once more, was
//! doubled on its way, or was declared as never made, and the license appeared later. It was paid for, so it is kept as
//! a duplicate, to be freed.

use chrono::{DateTime, Utc};

use crate::error::ModuleError;
use crate::model::ids::{ItemId, LicenseId, Mark};
use crate::model::journal::Note;
use crate::model::license::{Family, License, LicenseStatus};
use crate::model::license_row::LicenseState;
use crate::model::period::days_between;
use crate::model::reason::Reason;
use crate::store::Binding;
use crate::text;

use crate::engine::{Engine, errors};

/// What happens to an unclaimed license.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Unclaimed {
    /// It is a duplicate, and may be freed.
    Free(LicenseId),
    /// It is the license of this service, which waits for it.
    Of(ItemId),
    /// Its order is still in doubt, or not in this state, or the license is so young that it rests first.
    Left,
}

impl Engine<'_> {
    /// Whether a row of a list shows a license that exists, is paid for, and bears the mark of an order of ours. The
    /// caller knows that our state does not hold the license.
    pub(in crate::engine) fn is_unclaimed(&self, seen: &License) -> bool {
        let is_there = !matches!(seen.status, LicenseStatus::Deleted | LicenseStatus::Ordered);
        is_there && matches!(seen.remoteid.mark_of(&self.panel_id), Some(Mark::Order { .. }))
    }

    /// Writes an unclaimed license down as to be freed, unless its service waits for it.
    pub(in crate::engine) async fn keep_duplicate(
        &mut self,
        family: Family,
        id: LicenseId,
    ) -> Result<Unclaimed, ModuleError> {
        self.with_locks(async |engine: &mut Self| {
            engine.lock_license(id).await?;
            engine.keep_locked(family, id).await
        })
        .await
    }

    /// The moment until which no run touches a license that was created within the settling time (docs/money-safety.md
    /// 6). The seller shows only the day of creation.
    pub(in crate::engine) fn rests_until(&self, seen: &License) -> Option<DateTime<Utc>> {
        let settle = chrono::Duration::seconds(i64::from(self.rules.upstream.settle_s));
        let is_young = seen.created.is_none_or(|day| days_between(day, self.today()) <= 1);
        is_young.then(|| self.now() + settle)
    }

    async fn keep_locked(&mut self, family: Family, id: LicenseId) -> Result<Unclaimed, ModuleError> {
        if self.store.license(self.account, id).map_err(errors::state)?.is_some() {
            return Ok(Unclaimed::Left);
        }
        let Some(seen) = self.read(family, id).await?.filter(|seen| self.is_unclaimed(seen)) else {
            return Ok(Unclaimed::Left);
        };
        let Some(mark @ Mark::Order { item, .. }) = seen.remoteid.mark_of(&self.panel_id) else {
            return Ok(Unclaimed::Left);
        };
        let orders = self.store.orders_of_item(item).map_err(errors::state)?;
        let intent =
            orders.into_iter().find(|intent| intent.request.as_order().is_some_and(|order| order.mark == mark));
        let Some(intent) = intent.filter(|intent| intent.status.is_ended() && intent.account == self.account) else {
            return Ok(Unclaimed::Left);
        };
        if self.is_awaited(item, &mark).await? {
            return Ok(Unclaimed::Of(item));
        }
        let Some(order) = intent.request.as_order().cloned() else { return Ok(Unclaimed::Left) };
        let reason = text!(
            "license {id} is a duplicate: it bears the mark of an order of service {item} that had ended; to be freed",
            "лицензия {id} — дубликат: на ней метка уже завершённого заказа услуги {item}; будет освобождена"
        );
        self.warn(&reason);
        let product = self.rules.catalogue.by_pricelist(order.pricelist);
        let internal_name = product.map_or_else(|| order.pricelist.to_string(), |p| p.internal_name.clone());
        let (account, module) = (self.account, self.module);
        let store = self.store.clone();
        let rests_until = self.rests_until(&seen);
        let kept = self.commit("keep duplicate", move |tx| {
            // The run that ordered the license may have bound it since the check above. That run holds the lock of the
            // item, and this run does not.
            if store.license(account, id)?.is_some() {
                return Ok(false);
            }
            let binding = Binding {
                account,
                family,
                module,
                internal_name: &internal_name,
                mark: Some(&mark),
                pricelist: order.pricelist,
                nodes: order.nodes.map(|(_, nodes)| nodes),
            };
            tx.put_license(&binding, &seen, LicenseState::ToFree, Some(item), None)?;
            if let Some(until) = rests_until
                && let Some(row) = store.license(account, id)?
            {
                tx.put_off(&row, Some(until), Some(&Reason::JustAppeared))?;
            }
            tx.note(Some(item), Some((account, id)), Note::Duplicate, &reason)?;
            Ok(true)
        });
        Ok(if kept.await? && rests_until.is_none() { Unclaimed::Free(id) } else { Unclaimed::Left })
    }
}
