//! The look at the seller before a server gets a license. A license that is already there is reported, and nothing is
//! ordered.

use std::collections::BTreeMap;

use crate::error::{ErrorKind, Message, ModuleError, Text};
use crate::model::ids::{ItemId, LicenseId};
use crate::model::license::{Family, License, LicenseTariff};
use crate::plan::bundled::may_belong;
use crate::plan::change::DesiredLicense;
use crate::plan::choice::{Choice, choice_of};
use crate::plan::renew::is_paid;
use crate::run_report::Scope;
use crate::text;

use super::{Steps, Swept};
use crate::engine::pages::Pages;
use crate::engine::{Engine, errors};

/// What a list of the seller shows.
#[derive(Debug, Default)]
struct Listed {
    /// Licenses that our state does not know.
    unknown: Vec<License>,
    /// Why it cannot be shown to be complete: the licenses that it leaves out, or none where its pages do not add up.
    gap: Option<Vec<LicenseId>>,
}

/// The lists, by the function of their family.
type Lists = BTreeMap<&'static str, Listed>;

/// What a look at the seller found for a server that has no license in our state.
enum Found {
    /// No license that may belong to the server: one may be ordered.
    Nothing,
    /// A license that may belong to the server.
    License(LicenseId),
    /// The list leaves out these licenses, or its pages do not add up, so this cannot be decided.
    Unclear(Vec<LicenseId>),
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
                Ok(Some((family, desired))) => self.find_before_order(family, &desired, &lists).await,
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
                Ok(Found::Unclear(left_out)) => {
                    steps.remove(&id);
                    let unclear = incomplete(id, &left_out);
                    let item = self.item(id).await?;
                    if is_paid(&item, self.today()) {
                        let error = ModuleError::new(ErrorKind::BadAnswer, "list", id, unclear);
                        self.collect(&mut swept.report, Scope::Item(id), error).await?;
                    } else {
                        swept.reports.push(unclear);
                    }
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
    async fn look_before_order(&mut self, id: ItemId) -> Result<Option<(Family, DesiredLicense)>, ModuleError> {
        let item = self.item(id).await?;
        let open = self.store.open_intents_of_item(id).map_err(errors::state)?;
        if open.iter().any(|intent| intent.request.as_order().is_some()) {
            // A license that the server's own order bought is found by settling that order.
            return Ok(None);
        }
        let Ok(Choice::Product(product)) = choice_of(&item, &self.rules.panel_addons, &self.rules.catalogue) else {
            return Ok(None);
        };
        Ok(self.desired_license(&item, product).ok().map(|desired| (product.family, desired)))
    }

    async fn find_before_order(
        &mut self,
        family: Family,
        desired: &DesiredLicense,
        lists: &Lists,
    ) -> Result<Found, ModuleError> {
        let Some(list) = lists.get(family.func()) else { return Ok(Found::Nothing) };
        let near: Vec<License> = list.unknown.iter().filter(|seen| may_belong(seen, desired)).cloned().collect();
        Ok(match (self.first_of(family, near, desired).await?, &list.gap) {
            (Some(seen), _) => Found::License(seen.id),
            (None, None) => Found::Nothing,
            (None, Some(left_out)) => Found::Unclear(left_out.clone()),
        })
    }

    /// Lists may give a tariff's name only: then the license itself is read.
    async fn first_of(
        &mut self,
        family: Family,
        near: Vec<License>,
        desired: &DesiredLicense,
    ) -> Result<Option<License>, ModuleError> {
        for seen in near {
            if matches!(seen.tariff, LicenseTariff::Id(_)) {
                return Ok(Some(seen));
            }
            if let Some(seen) = self.read(family, seen.id).await?.filter(|seen| may_belong(seen, desired)) {
                return Ok(Some(seen));
            }
        }
        Ok(None)
    }

    /// Licenses of the account that our state does not know, and whether the list is complete.
    async fn unknown_licenses(&mut self, family: Family) -> Result<Listed, ModuleError> {
        let mut unknown = Vec::new();
        if family == Family::Addition {
            return Ok(Listed::default());
        }
        let mut pages = Pages::of(family);
        while let Some(page) = pages.next(self).await? {
            self.check_marks(&page.rows).await?;
            for seen in page.rows.iter().filter(|seen| !seen.is_deleted()) {
                if self.store.license(self.account, seen.id).map_err(errors::state)?.is_none() {
                    unknown.push(seen.clone());
                }
            }
        }
        let newest = self.store.newest_licenses(self.account, family).map_err(errors::state)?;
        let gap = (!pages.list.is_complete(&newest)).then(|| pages.list.missing(newest));
        Ok(Listed { unknown, gap })
    }
}

/// A list cannot be shown to be complete, so it cannot be decided whether the seller has a license for the server.
fn incomplete(server: ItemId, left_out: &[LicenseId]) -> Message {
    let words = text!(
        "Server {server} has no license, and it is not certain that the seller's list of licenses is complete",
        "У сервера {server} нет лицензии, и нельзя убедиться, что список лицензий продавца полон"
    );
    let list = left_out.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if list.is_empty() {
        return words.changed(nothing_ordered()).next(text!(
            "nothing to do; the next sync looks again. If this message comes again and again, ask the seller whether the number of licenses that its list names is right",
            "ничего делать не нужно; следующий sync проверит снова. Если сообщение повторяется, спросите продавца, верно ли число лицензий в его списке"
        ));
    }
    text!(["{}: it leaves out {list}", words.en], ["{}: в нём нет {list}", words.ru]).changed(nothing_ordered()).next(
        text!(
            "nothing to do; the next sync looks for the missing licenses. If this message comes again and again, ask the seller why its list leaves them out",
            "ничего делать не нужно; следующий sync проверит недостающие лицензии. Если сообщение повторяется, спросите продавца, почему их нет в списке"
        ),
    )
}

fn nothing_ordered() -> Text {
    text!("Nothing was ordered", "Ничего не заказано")
}
