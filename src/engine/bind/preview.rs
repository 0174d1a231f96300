//! What binding a license to a service would change. It makes the same checks as the binding and changes nothing. An
//! operator sees it before the question.

use crate::error::{ErrorKind, ModuleError, Text};
use crate::model::ids::{ClientId, ItemId, LicenseId, PanelId};
use crate::model::item::{Item, ItemStatus};
use crate::model::license::{License, LicenseTariff, Money};
use crate::model::license_row::LicenseRow;
use crate::model::period::MonthCount;
use crate::plan::change::{Difference, Target, differences};
use crate::plan::explain::change;
use crate::plan::identity::KeyFate;
use crate::plan::outward;
use crate::text;

use crate::engine::bind::{Consent, Found, Word};
use crate::engine::{Engine, errors};

/// A license and the service that it would be bound to.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The service.
    pub item: ItemId,
    /// Its name in the panel.
    pub item_name: String,
    /// Its client.
    pub client: ClientId,
    /// The client that our state recorded, where it is another one.
    pub former_client: Option<ClientId>,
    /// The license as the seller shows it.
    pub seen: License,
    /// The product of the license.
    pub has_product: String,
    /// What the service wants of its license.
    pub target: Target,
    /// The outward address behind NAT now and afterwards; `None`: not known, empty: none.
    pub outward: [Option<String>; 2],
    /// What becomes of the key.
    pub key: KeyFate,
    /// This installation, for the mark.
    pub panel: PanelId,
    /// The service that the license is taken from.
    pub from: Option<ItemId>,
    /// The license of the service that is freed.
    pub frees: Option<LicenseId>,
    /// The changes at the seller that the binding makes, or the next sync after it.
    pub changes: Vec<Change>,
}

/// A change of a license at the seller.
#[derive(Debug, Clone)]
pub struct Change {
    /// In words.
    pub what: Text,
    /// What it costs, as far as that is known; `None`: nothing.
    pub cost: Option<Text>,
}

impl Engine<'_> {
    /// What [`Engine::bind`] would do.
    ///
    /// # Errors
    /// As [`Engine::bind`]: every obstacle is reported before the operator is asked.
    pub async fn preview(
        &mut self,
        item: ItemId,
        license: LicenseId,
        consent: &Consent,
    ) -> Result<Preview, ModuleError> {
        self.check_restored()?;
        if self.sells_addons() {
            return self.preview_addon(item, license, consent).await;
        }
        self.preview_word(item, license, Word::of_person(consent.clone())).await
    }

    /// The same for the license that an order in doubt bought: this order is no obstacle.
    ///
    /// # Errors
    /// As [`Engine::preview`].
    pub async fn preview_bought(
        &mut self,
        item: ItemId,
        license: LicenseId,
        consent: &Consent,
    ) -> Result<Preview, ModuleError> {
        let word = Word { ends_older: Some(u32::MAX), ..Word::of_person(consent.clone()) };
        self.preview_word(item, license, word).await
    }

    async fn preview_word(&mut self, item: ItemId, license: LicenseId, word: Word) -> Result<Preview, ModuleError> {
        let found = self.found(item, license, &word).await;
        self.held.clear();
        let found = found?;
        let target = self.target(&found.item, self.served(&found.item, &found.product))?;
        let row = LicenseRow { internal_name: self.product_bound(&found, &word), ..found.as_row(self) };
        let todo = differences(&found.item, &target, &row, &found.seen, self.today());
        let changes = todo.iter().map(|difference| self.change_of(&found, difference)).collect();
        Ok(Preview {
            item,
            item_name: found.item.name.clone(),
            client: found.item.client,
            former_client: found.former_client,
            has_product: self.product_shown(&found.seen),
            outward: outward::now_and_then(&todo, target.remoteip, &row, &found.seen),
            target,
            key: found.key,
            panel: self.panel_id.clone(),
            from: found.from,
            frees: found.replaced().map(|row| row.id),
            changes,
            seen: found.seen,
        })
    }

    fn change_of(&self, found: &Found, difference: &Difference) -> Change {
        let cost = match difference {
            Difference::Tariff { to, .. } => {
                let product = self.rules.catalogue.by_pricelist(*to);
                let month = product.and_then(|product| product.prices.get(&MonthCount(1)));
                Some(difference_of_prices(found.seen.cost.as_deref(), month))
            }
            Difference::Nodes { from, to } if to > from => Some(text!(
                "the seller charges the nodes for the days that are left",
                "продавец возьмёт плату за узлы за оставшиеся дни"
            )),
            Difference::Nodes { .. }
            | Difference::Ip(_)
            | Difference::Outward(_)
            | Difference::Name(_)
            | Difference::Autoprolong
            | Difference::Running
            | Difference::NotRunning => None,
        };
        Change { what: change(&found.seen, difference, self.moves_from(&found.seen)), cost }
    }

    fn product_shown(&self, seen: &License) -> String {
        match &seen.tariff {
            LicenseTariff::Id(id) => {
                let known = self.rules.catalogue.by_pricelist(*id).map(|product| product.internal_name.clone());
                known.unwrap_or_else(|| id.to_string())
            }
            LicenseTariff::Name(name) => name.clone(),
            LicenseTariff::Absent => "-".to_owned(),
        }
    }

    /// Services of the module's account that are not the ones which our state knows, or show licenses that it does
    /// not hold for them: each with its error, which names the command that says who they are.
    ///
    /// # Errors
    /// The panel's database or the state cannot be read.
    pub async fn identity_troubles(&mut self) -> Result<Vec<ModuleError>, ModuleError> {
        let suspects = self.suspects().await?;
        let mut troubles = Vec::new();
        for id in &suspects.items {
            self.begin_one();
            self.step("read item").await?;
            let item = self.ports.billdb.item(*id).map_err(|error| errors::database(&error))?;
            let Some(item) = item else { continue };
            troubles.extend(self.identity_trouble(&item).await);
        }
        troubles.extend(suspects.left_over());
        Ok(troubles)
    }

    /// Why nothing is done for a service: it is not the one that our state knows, or it shows a license that our state
    /// does not hold for it. A service that cannot be read now is not reported here.
    pub(in crate::engine) async fn identity_trouble(&mut self, item: &Item) -> Option<ModuleError> {
        let trouble = match self.known_incarnation(item) {
            Ok(incarnation) if item.status == ItemStatus::Deleted => match self.store.license_of(&incarnation) {
                Ok(Some(row)) => self.check_no_heir(&row).await.err(),
                Ok(None) | Err(_) => None,
            },
            Ok(incarnation) => self.check_witness(item, &incarnation).await.err(),
            Err(error) => Some(error),
        };
        trouble.filter(|error| error.kind == ErrorKind::State)
    }
}

/// What a change of tariff costs: the seller charges the difference for the days that are left.
fn difference_of_prices(before: Option<&str>, after: Option<&Money>) -> Text {
    let before = before.unwrap_or("?");
    match after {
        Some(after) => text!(
            "now {before}, list price then {after} a month; the seller charges the difference for the days that are left",
            "сейчас {before}, по прайсу будет {after} в месяц; продавец возьмёт разницу за оставшиеся дни"
        ),
        None => text!(
            "now {before}, then not known; the seller charges the difference for the days that are left",
            "сейчас {before}, затем неизвестно; продавец возьмёт разницу за оставшиеся дни"
        ),
    }
}
