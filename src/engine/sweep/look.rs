//! The look at the seller before a server gets a license. A license that is already there is reported, and nothing is
//! ordered.

use std::collections::BTreeMap;

use crate::error::{ModuleError, Text};
use crate::model::ids::{ItemId, LicenseId};
use crate::model::license::{Family, License, LicenseStatus, LicenseTariff};
use crate::pass_report::Scope;
use crate::plan::bundled::may_belong;
use crate::plan::change::Target;
use crate::plan::choice::{Wanted, wanted};
use crate::text;

use super::{Steps, Swept};
use crate::engine::pages::Pages;
use crate::engine::{Engine, errors};

/// Licenses that our state does not know, by the function of their family, and whether the list was whole.
type Lists = BTreeMap<&'static str, (Vec<License>, bool)>;

/// What a look at the seller found for a server that has no license in our state.
enum Found {
    /// No license that may belong to the server: one may be ordered.
    Nothing,
    /// A license that may belong to the server.
    License(LicenseId),
    /// The list was not complete, so this cannot be decided.
    Unclear,
}

impl Engine<'_> {
    /// For a server without a license in our state, the seller is searched first. A license that is found is reported
    /// for take-over.
    pub(super) async fn leave_found(&mut self, steps: &mut Steps, swept: &mut Swept) -> Result<(), ModuleError> {
        let opening: Vec<ItemId> = steps.iter().filter(|(_, (step, _))| step.obtains()).map(|(id, _)| *id).collect();
        if opening.is_empty() {
            return Ok(());
        }
        let mut lists = Lists::new();
        for id in opening {
            self.begin_one();
            let look = self.look_before_order(id).await;
            if let Ok(Some((family, _))) = &look
                && !lists.contains_key(family.func())
            {
                // When a list cannot be read, or shows that our state is old, this concerns all servers.
                let list = self.unknown_licenses(*family).await?;
                lists.insert(family.func(), list);
            }
            let found = match look {
                Ok(Some((family, target))) => self.find_before_order(family, &target, &lists).await,
                Ok(None) => Ok(Found::Nothing),
                Err(error) => Err(error),
            };
            match found {
                Ok(Found::Nothing) => {}
                Ok(Found::License(license)) => {
                    steps.remove(&id);
                    swept.settled.insert(id);
                    swept.reports.push(
                        text!(
                            "server {id}: license {license} of this product and address is already at the seller",
                            "сервер {id}: у продавца уже есть лицензия {license} этого продукта с этим адресом"
                        )
                        .changed(nothing_ordered())
                        .next(text!("pmisplicense bind {id} {license}", "pmisplicense bind {id} {license}")),
                    );
                }
                Ok(Found::Unclear) => {
                    steps.remove(&id);
                    swept.reports.push(
                        text!(
                            "server {id}: it is not certain that the list of licenses is complete",
                            "сервер {id}: нельзя убедиться, что список лицензий полон"
                        )
                        .changed(nothing_ordered())
                        .next(text!(
                            "nothing to do; the next sweep looks again",
                            "ничего; следующая сверка посмотрит снова"
                        )),
                    );
                }
                // Without the look nothing is ordered.
                Err(error) => {
                    steps.remove(&id);
                    self.collect(&mut swept.report, Scope::Item(id), error).await?;
                }
            }
        }
        Ok(())
    }

    /// The license to look for before a server gets one; `None`: no search is needed.
    async fn look_before_order(&mut self, id: ItemId) -> Result<Option<(Family, Target)>, ModuleError> {
        let item = self.item(id).await?;
        let open = self.store.open_intents_of_item(id).map_err(errors::state)?;
        if open.iter().any(|intent| intent.request.as_order().is_some()) {
            // A license that the server's own order bought is found by settling that order.
            return Ok(None);
        }
        let Ok(Wanted::Product(product)) = wanted(&item, &self.rules.panel_addons, &self.rules.catalogue) else {
            return Ok(None);
        };
        Ok(self.target(&item, product).ok().map(|target| (product.family, target)))
    }

    async fn find_before_order(
        &mut self,
        family: Family,
        target: &Target,
        lists: &Lists,
    ) -> Result<Found, ModuleError> {
        let Some((unknown, complete)) = lists.get(family.func()) else { return Ok(Found::Nothing) };
        let near: Vec<License> = unknown.iter().filter(|seen| may_belong(seen, target)).cloned().collect();
        Ok(match (self.first_of(family, near, target).await?, *complete) {
            (Some(seen), _) => Found::License(seen.id),
            (None, true) => Found::Nothing,
            (None, false) => Found::Unclear,
        })
    }

    /// Lists may give a tariff's name only: then the license itself is read.
    async fn first_of(
        &mut self,
        family: Family,
        near: Vec<License>,
        target: &Target,
    ) -> Result<Option<License>, ModuleError> {
        for seen in near {
            if matches!(seen.tariff, LicenseTariff::Id(_)) {
                return Ok(Some(seen));
            }
            if let Some(seen) = self.read(family, seen.id).await?.filter(|seen| may_belong(seen, target)) {
                return Ok(Some(seen));
            }
        }
        Ok(None)
    }

    /// Licenses of the account that our state does not know, and whether the list was whole.
    async fn unknown_licenses(&mut self, family: Family) -> Result<(Vec<License>, bool), ModuleError> {
        let mut unknown = Vec::new();
        if family == Family::Addition {
            return Ok((unknown, true));
        }
        let mut pages = Pages::of(family);
        while let Some(page) = pages.next(self).await? {
            self.check_marks(&page.rows).await?;
            for seen in page.rows.iter().filter(|seen| seen.status != LicenseStatus::Deleted) {
                if self.store.license(self.account, seen.id).map_err(errors::state)?.is_none() {
                    unknown.push(seen.clone());
                }
            }
        }
        let newest = self.store.newest_licenses(self.account, family).map_err(errors::state)?;
        Ok((unknown, pages.list.is_complete(&newest)))
    }
}

fn nothing_ordered() -> Text {
    text!("Nothing was ordered", "Ничего не заказано")
}
