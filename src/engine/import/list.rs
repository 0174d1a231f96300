//! The list from which an operator chooses what to import: licenses at the seller that no service has
//! (docs/interface.md 3). Making the list changes nothing. A chosen license is imported in the same way as by the
//! panel's command.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{ModuleError, Text};
use crate::model::hosting::HostingOrder;
use crate::model::ids::{ItemId, LicenseId, ModuleId};
use crate::model::license::{Family, License};
use crate::plan::import::{Choice, Known, Search, choose, is_ours, is_unclaimed};
use crate::ports::CallError;
use crate::text;

use crate::engine::hosting::listing::to_bind;
use crate::engine::pages::Pages;
use crate::engine::takeover::{Progress, TOLD_EACH};
use crate::engine::{Engine, errors};

/// A license that no service has.
#[derive(Debug, Clone)]
pub struct Importable {
    /// The module whose account has it.
    pub module: ModuleId,
    /// Which functions serve it.
    pub family: Family,
    /// As the list shows it.
    pub license: License,
    /// The internal name that its service would have.
    pub code: Option<String>,
    /// This installation bought or bound it.
    pub ours: bool,
    /// Why it cannot be imported as it is.
    pub against: Option<Text>,
}

impl Engine<'_> {
    /// Licenses of a family that no service has.
    ///
    /// # Errors
    /// A list or the panel's database that cannot be read; `state`: this state is old.
    pub async fn importable(
        &mut self,
        family: Family,
        progress: &mut Progress<'_>,
    ) -> Result<Vec<Importable>, ModuleError> {
        let shown = self.shown_licenses().await?;
        if self.sells_addons() {
            return if family == Family::Soft { self.importable_orders().await } else { Ok(Vec::new()) };
        }
        let mut pages = Pages::of(family);
        let (mut found, mut looked) = (Vec::new(), 0);
        while let Some(page) = pages.next(self).await? {
            self.check_marks(&page.rows).await?;
            for seen in page.rows {
                looked += 1;
                if looked % TOLD_EACH == 0 || Some(looked) == page.total {
                    progress(looked, page.total);
                }
                found.extend(self.unclaimed(family, seen, &shown).await?);
            }
        }
        Ok(found)
    }

    /// Orders with a license that no service has. They are reported, never imported.
    async fn importable_orders(&mut self) -> Result<Vec<Importable>, ModuleError> {
        let orders = self.unclaimed_orders(&Search::everything()).await?;
        let importable = |order: HostingOrder| Importable {
            module: self.module,
            family: Family::Orderbox,
            license: License { key: None, ..order.as_license() },
            code: None,
            ours: false,
            against: Some(to_bind(order.id)),
        };
        Ok(orders.into_iter().map(importable).collect())
    }

    /// The whole license, where the list leaves out its remoteid or the number of its tariff.
    async fn whole(
        &mut self,
        family: Family,
        seen: &License,
    ) -> Result<Result<Option<License>, CallError>, ModuleError> {
        self.begin_one();
        if !seen.is_incomplete() {
            return Ok(Ok(Some(seen.clone())));
        }
        self.try_read(family, seen.id).await
    }

    async fn unclaimed(
        &mut self,
        family: Family,
        listed: License,
        shown: &BTreeMap<LicenseId, BTreeSet<ItemId>>,
    ) -> Result<Option<Importable>, ModuleError> {
        let row = self.store.license(self.account, listed.id).map_err(errors::state)?;
        if !is_unclaimed(&listed, Known { row: row.as_ref(), mark: None, in_doubt: false }) {
            return Ok(None);
        }
        let seen = match self.whole(family, &listed).await? {
            Ok(Some(seen)) => seen,
            Ok(None) => return Ok(None),
            // The other licenses go on.
            Err(error) => {
                self.check_account().await?;
                let why = error.words();
                let against = text!(["it cannot be read: {}", why.en], ["она не читается: {}", why.ru]);
                let module = self.module;
                let unread =
                    Importable { module, family, ours: false, code: None, against: Some(against), license: listed };
                return Ok(Some(unread));
            }
        };
        let mark = seen.remoteid.mark_of(&self.panel_id);
        let known = Known { row: row.as_ref(), mark: mark.as_ref(), in_doubt: self.in_doubt(&seen)? };
        if !is_unclaimed(&seen, known) {
            return Ok(None);
        }
        let code = self.code_of(&seen, row.as_ref());
        let against = match choose(&seen, known, &Search::everything()) {
            Choice::Leave(why) => Some(why),
            Choice::Import | Choice::NotMeant => shown
                .get(&seen.id)
                .and_then(|items| items.first())
                .map(|item| stands_on(*item, seen.id))
                .or_else(|| code.is_none().then(|| text!("its tariff is not known", "её тариф неизвестен"))),
        };
        Ok(Some(Importable { module: self.module, family, ours: is_ours(known), code, against, license: seen }))
    }
}

fn stands_on(item: ItemId, license: LicenseId) -> Text {
    text!(
        "service {item} shows it: pmisplicense take-over panel, or: pmisplicense bind {item} {license}",
        "её показывает услуга {item}: pmisplicense take-over panel или pmisplicense bind {item} {license}"
    )
}
