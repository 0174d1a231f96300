//! A license at the seller that bears our mark for a service and its present incarnation is this service's license,
//! whatever its number (docs/money-safety.md 4): the seller may have given it another number, or shown it long after
//! its order was given up. This module looks for it before anything is bought, and before such a license is freed as a
//! duplicate.

use crate::error::{ErrorKind, Halt, ModuleError};
use crate::model::ids::{ItemId, LicenseId, Mark};
use crate::model::item::{Item, ItemStatus};
use crate::model::journal::{Incarnation, Note};
use crate::model::license::{Family, License, RemoteId};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::reason::Reason;
use crate::plan::choice::{Choice, choice_of};
use crate::plan::identity::marks_of;
use crate::store::Binding;
use crate::text;

use crate::engine::pages::Pages;
use crate::engine::{Engine, errors, is_gone, unreadable};

/// Most licenses that one search opens where the list leaves the mark out.
const MAX_OPENED: usize = 60;

impl Engine<'_> {
    /// Marks of the service's present incarnation in this account.
    fn marks(&self, item: &Item, incarnation: &Incarnation) -> Result<Vec<Mark>, ModuleError> {
        let mut orders = self.store.orders_of_item(item.id).map_err(errors::state)?;
        orders.retain(|intent| intent.account == self.account);
        let mut rows = self.store.licenses_of_item(item.id).map_err(errors::state)?;
        rows.retain(|row| row.account == self.account);
        Ok(marks_of(incarnation, &orders, &rows, self.last_license(item)?))
    }

    /// The license under a new number that replaced a license of ours which the seller does not show any more. It bears
    /// the same mark.
    ///
    /// # Errors
    /// `license_gone` until it is certain that the held number is gone.
    pub(in crate::engine) async fn renumbered(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        row: &LicenseRow,
        seen: &Option<License>,
    ) -> Result<Option<(LicenseRow, License)>, ModuleError> {
        let marks: Vec<Mark> = row.mark.iter().cloned().collect();
        let Some((family, found)) = self.find_marked(&marks, row.family, Some(row)).await? else { return Ok(None) };
        let Some(found) = self.lock_and_reread(family, &found).await? else { return Ok(None) };
        if seen.is_none() && !self.is_missing_again(row, row.state).await? {
            return Err(errors::license_gone(row.item, row.id));
        }
        let (old, new) = (row.id, found.id);
        let reason = text!(
            "the seller gave license {old} of service {} the number {new}: it bears the same mark",
            "продавец дал лицензии {old} услуги {} номер {new}: на ней та же метка",
            item.id
        );
        self.warn(&reason);
        let (gone, incarnation, bound) = (row.clone(), incarnation.clone(), found.clone());
        self.commit("renumbered", move |tx| {
            let about = |license| Some((gone.account, license));
            tx.release_license(&gone, LicenseState::Deleted, None, Some(&Reason::Renumbered))?;
            tx.note(gone.item, about(old), Note::Renumbered, &reason)?;
            let binding = Binding {
                account: gone.account,
                family,
                module: gone.module,
                internal_name: &gone.internal_name,
                mark: gone.mark.as_ref(),
                pricelist: bound.tariff.id().unwrap_or(gone.pricelist),
                nodes: gone.nodes,
            };
            tx.put_license(&binding, &bound, LicenseState::Bound, Some(incarnation.item), Some(&incarnation))?;
            tx.move_additions(gone.account, old, new)?;
            tx.note(Some(incarnation.item), about(new), Note::State(LicenseState::Bound), &reason)
        })
        .await?;
        let row = self.store.license(self.account, new).map_err(errors::state)?;
        Ok(row.map(|row| (row, found)))
    }

    /// Looks for a license with a mark of the present incarnation, which holds none, and binds it, however its order
    /// ended.
    pub(in crate::engine) async fn adopt_marked(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
    ) -> Result<Option<(LicenseRow, License)>, ModuleError> {
        let marks = self.marks(item, incarnation)?;
        let Ok(Choice::Product(product)) = choice_of(item, &self.rules.panel_addons, &self.rules.catalogue) else {
            return Ok(None);
        };
        let product = product.clone();
        let last = match self.last_license(item)? {
            Some(last) => self.store.license(self.account, last).map_err(errors::state)?,
            None => None,
        };
        let Some((family, found)) = self.find_marked(&marks, product.family, last.as_ref()).await? else {
            return Ok(None);
        };
        let Some(found) = self.lock_and_reread(family, &found).await? else { return Ok(None) };
        let (id, account, module) = (found.id, self.account, self.module);
        let reason = text!(
            "license {id} bears the mark of service {}, which holds none: bound",
            "на лицензии {id} метка услуги {}, у которой лицензии нет: привязана",
            item.id
        );
        self.warn(&reason);
        let known = found.tariff.id().and_then(|pricelist| self.rules.catalogue.by_pricelist(pricelist));
        let named = known.unwrap_or(&product).clone();
        let nodes = named.nodes_addon.and_then(|addon| found.addons.get(&addon).copied());
        let (incarnation, bound, mark) = (incarnation.clone(), found.clone(), found.remoteid.mark());
        self.commit("bind by mark", move |tx| {
            let binding = Binding {
                account,
                family,
                module,
                internal_name: &named.internal_name,
                mark: mark.as_ref(),
                pricelist: bound.tariff.id().unwrap_or(named.pricelist),
                nodes,
            };
            tx.put_license(&binding, &bound, LicenseState::Bound, Some(incarnation.item), Some(&incarnation))?;
            tx.note(Some(incarnation.item), Some((account, id)), Note::State(LicenseState::Bound), &reason)
        })
        .await?;
        let row = self.store.license(account, id).map_err(errors::state)?;
        Ok(row.map(|row| (row, found)))
    }

    /// The first license of a family that bears one of these marks and that our state does not hold. `like`: where the
    /// list leaves marks out, only licenses of its tariff with its address or name are opened.
    ///
    /// # Errors
    /// `bad_answer`: none was found in a list that changed while it was read.
    async fn find_marked(
        &mut self,
        marks: &[Mark],
        family: Family,
        like: Option<&LicenseRow>,
    ) -> Result<Option<(Family, License)>, ModuleError> {
        if marks.is_empty() || family == Family::Addition {
            return Ok(None);
        }
        let (mut pages, mut has_totals, mut near) = (Pages::of(family), false, Vec::new());
        self.newest_page = None;
        while let Some(page) = pages.next(self).await? {
            if self.newest_page.is_none() {
                self.newest_page = Some((family, page.clone()));
            }
            has_totals |= page.total.is_some();
            self.check_marks(&page.rows).await?;
            for row in &page.rows {
                if self.is_unknown_or_gone(row.id)? && may_bear(row, marks, like) {
                    near.push(row.id);
                }
            }
        }
        near.sort_unstable();
        let mut failed = Ok(());
        for id in near.into_iter().take(MAX_OPENED) {
            let seen = match self.try_read(family, id).await? {
                Ok(seen) => seen,
                // This license may bear the mark, and so may one of the others.
                Err(error) => {
                    failed = failed.and(Err(unreadable(&error, id)));
                    continue;
                }
            };
            let bears = |seen: &License| marks.iter().any(|mark| seen.remoteid.is(mark));
            if let Some(seen) = seen.filter(|seen| !seen.is_deleted() && bears(seen)) {
                return Ok(Some((family, seen)));
            }
        }
        failed?;
        if has_totals && !pages.list.is_complete(&[]) {
            return Err(list_changed(family));
        }
        Ok(None)
    }

    /// Locks a license that was found and reads it again. `None`: another run took it in the meantime, or it was
    /// deleted, or its mark has changed.
    async fn lock_and_reread(&mut self, family: Family, found: &License) -> Result<Option<License>, ModuleError> {
        self.lock_license(found.id).await?;
        if !self.is_unknown_or_gone(found.id)? {
            return Ok(None);
        }
        let again = self.read(family, found.id).await?;
        Ok(again.filter(|again| !again.is_deleted() && again.remoteid == found.remoteid))
    }

    /// Whether our state does not hold a license: it does not know it, or believes it to be gone.
    fn is_unknown_or_gone(&self, id: LicenseId) -> Result<bool, ModuleError> {
        let row = self.store.license(self.account, id).map_err(errors::state)?;
        Ok(row.is_none_or(|row| row.state == LicenseState::Deleted))
    }

    /// Whether a license with this mark belongs to the service and is not a duplicate: the service holds no license, or
    /// the license that it holds with that mark does not exist any more.
    pub(in crate::engine) async fn is_awaited(&mut self, id: ItemId, mark: &Mark) -> Result<bool, ModuleError> {
        self.step("read item").await?;
        let item = self.ports.billdb.item(id).map_err(|error| errors::database(&error))?;
        let Some(item) = item.filter(|item| item.status != ItemStatus::Deleted) else { return Ok(false) };
        let incarnation = self.store.incarnation(&item).map_err(errors::state)?;
        if self.wants_no_license(&item) || !self.marks(&item, &incarnation)?.contains(mark) {
            return Ok(false);
        }
        match self.store.license_of(&incarnation).map_err(errors::state)? {
            None => Ok(true),
            Some(row) if row.mark.as_ref() == Some(mark) && row.account == self.account => {
                Ok(is_gone(self.read(row.family, row.id).await?.as_ref()))
            }
            Some(_) => Ok(false),
        }
    }
}

fn may_bear(row: &License, marks: &[Mark], like: Option<&LicenseRow>) -> bool {
    match &row.remoteid {
        RemoteId::Text(_) => marks.iter().any(|mark| row.remoteid.is(mark)),
        RemoteId::Empty => false,
        RemoteId::Absent => like.is_some_and(|like| {
            let is_placed_like = row.ip.is_none() || row.ip == like.ip;
            let is_named_like = row.name.as_ref().is_none_or(|name| *name == like.name);
            row.tariff.may_be(like.pricelist) && (is_placed_like || is_named_like)
        }),
    }
}

fn list_changed(family: Family) -> ModuleError {
    let name = family.func();
    let words = text!(
        "The seller's list {name} changed while a license of this service was looked for in it by its mark",
        "Список {name} продавца изменился, пока в нём по метке искали лицензию этой услуги"
    );
    ModuleError::new(ErrorKind::BadAnswer, "list", name, words)
        .halted(Halt::BadAnswer)
        .changed(text!("Nothing was bought", "Ничего не куплено"))
        .next(text!("nothing to do; the run is repeated", "ничего делать не нужно; запуск повторится"))
}
