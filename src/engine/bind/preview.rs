//! The preview of an operator's command: its changes and its costs. `bind`, `move` and `resolve` show it before they
//! ask. The checks are those of the command itself, and nothing is changed.

use std::net::IpAddr;

use crate::error::{ModuleError, Text};
use crate::model::ids::{ClientId, ItemId, LicenseId, LicenseKey};
use crate::model::item::{Item, ItemStatus};
use crate::model::license::{License, Money, RemoteId};
use crate::model::license_row::LicenseRow;
use crate::plan::bind::{BindOptions, Consent, outward_now_and_then};
use crate::plan::change::differences;
use crate::plan::cost::{Bill, Change};
use crate::plan::explain::change_with_cost;
use crate::plan::halt::is_identity_trouble;
use crate::plan::identity::KeyFate;
use crate::ports::Upstream as _;
use crate::text;

use crate::engine::bind::Found;
use crate::engine::{Engine, errors};

/// The changes that an operator's command would make, with the values before and after.
#[derive(Debug, Clone)]
pub struct Preview {
    /// What it is about.
    pub title: Text,
    /// The license that the service has, or that is named, now and afterwards. `None`: no license changes.
    pub faces: Option<Box<[Face; 2]>>,
    /// The outward address behind NAT now and afterwards; `None`: not known, empty: none.
    pub outward: [Option<String>; 2],
    /// What else changes now, or at the next sync.
    pub changes: Vec<Change>,
    /// The balance at the seller, read only where something costs money. `None`: not read, or not known.
    pub balance: Option<Money>,
}

/// A license as an operator compares it with the one that it becomes, or that takes its place.
#[derive(Debug, Clone)]
pub struct Face {
    /// Its number. `None`: it will be bought.
    pub license: Option<LicenseId>,
    /// Its key.
    pub key: ShownKey,
    /// The internal name of its product, or the seller's own word.
    pub product: String,
    /// Its address.
    pub ip: Option<IpAddr>,
    /// Its name.
    pub name: String,
    /// The mark on it. `None`: the seller shows none.
    pub mark: Option<String>,
    /// True: the seller renews it by itself. False: we do. `None`: not known.
    pub renews_itself: Option<bool>,
    /// The service that it serves.
    pub item: Option<ItemId>,
}

/// The key of a license.
#[derive(Debug, Clone)]
pub enum ShownKey {
    /// The seller shows none.
    None,
    /// This one.
    Known(LicenseKey),
    /// A key that nobody had before.
    New,
}

impl ShownKey {
    fn of(key: Option<&LicenseKey>) -> Self {
        key.map_or(Self::None, |key| Self::Known(key.clone()))
    }
}

impl Preview {
    /// What all changes cost together.
    pub fn bill(&self) -> Bill {
        Bill::of_changes(&self.changes)
    }
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
        self.preview_bind(item, license, BindOptions::of_operator(consent.clone())).await
    }

    /// Like [`Engine::preview`], for the license that an order in doubt bought. This order does not prevent the
    /// binding.
    ///
    /// # Errors
    /// As [`Engine::preview`].
    pub async fn preview_bought(
        &mut self,
        item: ItemId,
        license: LicenseId,
        consent: &Consent,
    ) -> Result<Preview, ModuleError> {
        let options = BindOptions { ends_older: Some(u32::MAX), ..BindOptions::of_operator(consent.clone()) };
        self.preview_bind(item, license, options).await
    }

    async fn preview_bind(
        &mut self,
        item: ItemId,
        license: LicenseId,
        options: BindOptions,
    ) -> Result<Preview, ModuleError> {
        let found = self.with_locks(async |engine: &mut Self| engine.found(item, license, &options).await).await?;
        let desired = self.desired_license(&found.item, self.served(&found.item, &found.product))?;
        let row = LicenseRow { internal_name: self.name_bound(&found, &options)?, ..found.as_row(self) };
        let todo = differences(&found.item, &desired, &row, &found.seen, self.today());
        let mut changes: Vec<Change> = told_first(&found).into_iter().map(Change::free).collect();
        let (moves_from, catalogue) = (self.moves_from(&found.seen), &self.rules.catalogue);
        changes.extend(todo.iter().map(|difference| change_with_cost(&found.seen, difference, moves_from, catalogue)));
        let now = Face { item: found.from, ..self.face_of(&found.seen) };
        let then = Face {
            key: if found.key == KeyFate::New { ShownKey::New } else { now.key.clone() },
            product: desired.internal_name.clone(),
            ip: desired.ip.or(now.ip),
            name: desired.licname.clone(),
            mark: Some(self.mark_then(item, now.mark.as_deref())),
            renews_itself: Some(false),
            item: Some(item),
            ..now.clone()
        };
        let outward = outward_now_and_then(&todo, desired.remoteip, &row, &found.seen);
        self.with_balance(Preview {
            title: title(&found.item, license),
            faces: Some(Box::new([now, then])),
            outward,
            changes,
            balance: None,
        })
        .await
    }

    /// Reads the balance, where something costs money. A seller that does not tell it does not stop the preview.
    pub(in crate::engine) async fn with_balance(&mut self, preview: Preview) -> Result<Preview, ModuleError> {
        if preview.bill().is_free() {
            return Ok(preview);
        }
        Ok(Preview { balance: self.balance_known().await?, ..preview })
    }

    /// The balance, if the seller tells it.
    ///
    /// # Errors
    /// None of the seller's.
    pub async fn balance_known(&mut self) -> Result<Option<Money>, ModuleError> {
        self.step("ask balance").await?;
        Ok(self.ports.upstream.balance().ok())
    }

    /// A license as the seller shows it. It serves no service as far as this tells.
    pub(in crate::engine) fn face_of(&self, seen: &License) -> Face {
        Face {
            license: Some(seen.id),
            key: ShownKey::of(seen.key.as_ref()),
            product: self.rules.catalogue.tariff_in_words(&seen.tariff),
            ip: seen.ip,
            name: seen.shown_name().to_owned(),
            mark: match &seen.remoteid {
                RemoteId::Text(text) => Some(text.clone()),
                RemoteId::Absent | RemoteId::Empty => None,
            },
            renews_itself: seen.autoprolong,
            item: None,
        }
    }

    /// A license of ours as the last look showed it.
    pub(in crate::engine) fn face_of_row(&self, row: &LicenseRow) -> Face {
        Face {
            product: row.internal_name.clone(),
            mark: row.mark.as_ref().map(ToString::to_string),
            // The automatic renewal of our licenses is switched off when they are bound.
            renews_itself: Some(false),
            item: row.item.filter(|_| row.incarnation.is_some()),
            ..self.face_of(&row.as_last_seen())
        }
    }

    /// The mark that a license will bear for a service. The number in a new mark is not known beforehand, so an
    /// ellipsis stands for it.
    pub(in crate::engine) fn mark_then(&self, item: ItemId, now: Option<&str>) -> String {
        let ours = format!("pml-{}-{item}-", self.panel_id.as_str());
        now.filter(|mark| mark.starts_with(&ours)).map_or_else(|| format!("{ours}…"), str::to_owned)
    }

    /// An error for each service of the module's account that is not the one which our state knows, or that shows a
    /// license which our state does not hold for it. The error names the command with which an operator says which
    /// service it is.
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
        trouble.filter(|error| is_identity_trouble(error.halt))
    }
}

/// The heading of a page about a license and a service.
pub(in crate::engine) fn title(item: &Item, license: LicenseId) -> Text {
    let (id, name, client) = (item.id, &item.name, item.client);
    text!(
        "License {license} for service {id} ({name}, client {client}):",
        "Лицензия {license} для услуги {id} ({name}, клиент {client}):"
    )
}

/// What binding changes besides the license itself.
fn told_first(found: &Found) -> Vec<Text> {
    let (id, license) = (found.item.id, found.seen.id);
    let mut lines: Vec<Text> = found.former_client.map(|known| accepted(&found.item, known)).into_iter().collect();
    lines.extend(found.from.map(|from| loses(from, license)));
    lines.extend(found.replaced().map(|old| frees(id, old.id)));
    lines
}

/// The client of a service changed, and the operator's word accepts it.
pub(in crate::engine) fn accepted(item: &Item, known: ClientId) -> Text {
    let (id, client) = (item.id, item.client);
    text!(
        "client {client} of service {id} is accepted in place of client {known}",
        "клиент {client} услуги {id} принимается вместо клиента {known}"
    )
}

/// A license is taken from the service that our state holds it for.
pub(in crate::engine) fn loses(from: ItemId, license: LicenseId) -> Text {
    text!("service {from} loses license {license}", "услуга {from} лишается лицензии {license}")
}

/// The license that a service has is freed.
pub(in crate::engine) fn frees(item: ItemId, old: LicenseId) -> Text {
    text!("license {old} of service {item} is freed", "лицензия {old} услуги {item} освобождается")
}
