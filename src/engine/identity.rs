//! Checks that a service and a license are the ones that our state knows, before a command sends anything. The rules
//! are in `plan::identity`; this module collects the facts. A license that a service shows is neither freed nor given a
//! new key, and no second license is bought for that service. A command fails when its service shows a license that our
//! state does not hold for it, because our state may be wrong (docs/money-safety.md 5 and 6).

pub(super) mod account;
pub(super) mod marked;
pub(super) mod suspects;
pub(super) mod wording;

use crate::error::ModuleError;
use crate::model::ids::{ItemId, LicenseId, Mark};
use crate::model::item::{Item, ItemStatus};
use crate::model::journal::{Incarnation, IntentStatus, Note};
use crate::model::license::{Family, License};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::plan::hosting::shows_later_key;
use crate::plan::identity::{Shown, Standing, shown, shows_newer_key, standing};
use crate::text;

use super::identity::wording::{
    Holder, Witness, mark_of_ours, mark_of_theirs, other_client, other_incarnation, shown_elsewhere, shows_after_move,
    shows_another,
};
use super::{Engine, errors, is_gone};

impl Engine<'_> {
    /// The present incarnation of a service, and whether the service is the one that our state knows.
    pub(super) fn standing(&self, item: &Item) -> Result<(Incarnation, Standing), ModuleError> {
        let incarnation = self.store.incarnation(item).map_err(errors::state)?;
        let known = self.store.item(item.id, &item.created).map_err(errors::state)?.map(|row| row.client);
        let rows = self.store.licenses_of_item(item.id).map_err(errors::state)?;
        let has_new_client = known.is_some_and(|client| client != item.client);
        let is_ordering = has_new_client && self.has_order_in_doubt(item, &incarnation)?;
        let standing = standing(item, &incarnation, known, &rows, is_ordering);
        Ok((incarnation, standing))
    }

    fn has_order_in_doubt(&self, item: &Item, incarnation: &Incarnation) -> Result<bool, ModuleError> {
        let open = self.store.open_intents_of_item(item.id).map_err(errors::state)?;
        let waits = |status| match status {
            IntentStatus::InDoubt | IntentStatus::HandedOver => true,
            IntentStatus::FreeWhenAppears
            | IntentStatus::Done
            | IntentStatus::Refused
            | IntentStatus::NotSent
            | IntentStatus::NotHappened => false,
        };
        Ok(open
            .iter()
            .any(|intent| intent.request.as_order().is_some() && waits(intent.status) && intent.was_for(incarnation)))
    }

    /// The present incarnation, after making sure that what our state has for this number belongs to it.
    ///
    /// # Errors
    /// `state`: the service belongs to another client, or another incarnation of its number holds a license.
    pub(super) fn known_incarnation(&self, item: &Item) -> Result<Incarnation, ModuleError> {
        let (incarnation, standing) = self.standing(item)?;
        match standing {
            Standing::Same | Standing::NewClient(_) => Ok(incarnation),
            Standing::OtherClient { known, bound } => Err(other_client(item, known, bound)),
            Standing::OtherIncarnation { bound } => Err(other_incarnation(item, bound)),
        }
    }

    /// The present incarnation, for the two kinds of run that end orders in doubt. Unlike
    /// [`Engine::known_incarnation`], this accepts a new client while an order of the former client is in doubt and no
    /// license is held. A look binds the license that the order bought, but in our state alone: it is not saved to the
    /// service or shown before the client has been checked. A close gives the orders up.
    pub(super) fn incarnation_to_settle(&self, item: &Item) -> Result<Incarnation, ModuleError> {
        match self.standing(item)? {
            (incarnation, Standing::OtherClient { bound: None, .. }) => Ok(incarnation),
            (_, _) => self.known_incarnation(item),
        }
    }

    /// Like [`Engine::known_incarnation`]. If a service without a license has a new client, this client is also written
    /// down.
    pub(super) async fn incarnation_of(&mut self, item: &Item) -> Result<Incarnation, ModuleError> {
        let incarnation = self.known_incarnation(item)?;
        if let (_, Standing::NewClient(known)) = self.standing(item)? {
            let (id, client) = (item.id, item.client);
            let reason = text!(
                "service {id} belongs to client {client} now, not to {known}; it holds no license",
                "услуга {id} теперь принадлежит клиенту {client}, а не {known}; лицензии у неё нет"
            );
            self.note(&reason);
            self.commit("new client", |tx| {
                tx.set_client(item)?;
                tx.note(Some(id), None, Note::Client, &reason)
            })
            .await?;
        }
        Ok(incarnation)
    }

    /// The license that the incarnation holds, after making sure that the service shows no other one.
    pub(super) async fn witnessed(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
    ) -> Result<Option<LicenseRow>, ModuleError> {
        let row = self.bound_license(incarnation)?;
        self.check_witness(item, incarnation).await?;
        // Another service may show a license that its own service does not show yet. Then it is in use there: an old
        // state may not know that it was given away since.
        let is_unshown = |row: &&LicenseRow| item.status != ItemStatus::Deleted && item.params.licid != Some(row.id);
        if let Some(row) = row.as_ref().filter(is_unshown) {
            self.check_no_heir(row).await?;
        }
        Ok(row)
    }

    /// What our state knows about the license that a service shows. The seller is not asked.
    pub(super) fn shown_by(&self, item: &Item, incarnation: &Incarnation) -> Result<Shown, ModuleError> {
        let Some(license) = item.params.licid else { return Ok(Shown::Nothing) };
        let row = self.store.license(self.account, license).map_err(errors::state)?;
        let was_its = self.store.was_of_item(item.id, license).map_err(errors::state)?;
        Ok(shown(item, incarnation, row.as_ref(), was_its))
    }

    /// Like [`Engine::shown_by`], but also recognizes a former license of the service that is its license again. A
    /// state that was restored from a copy does not know that the service got it back, or that it got a later license
    /// of the same hosting order, which has the same number. The key decides. The seller is asked only when the service
    /// shows another key of the license than our state knows.
    pub(super) async fn shown_now(&mut self, item: &Item, incarnation: &Incarnation) -> Result<Shown, ModuleError> {
        let shown = self.shown_by(item, incarnation)?;
        let (Shown::Former, Some(license)) = (shown, item.params.licid) else { return Ok(shown) };
        let row = self.store.license(self.account, license).map_err(errors::state)?;
        let is_newer = |row: &LicenseRow| match row.family {
            Family::Orderbox => shows_later_key(item, row),
            Family::Soft | Family::SoftExternal | Family::Addition => shows_newer_key(item, row),
        };
        let Some(row) = row.filter(is_newer) else { return Ok(shown) };
        let seen = self.read(row.family, row.id).await?;
        let is_its_key = seen.is_some_and(|seen| seen.key == item.params.lickey);
        Ok(if is_its_key { Shown::Elsewhere(license, None) } else { shown })
    }

    /// Checks a license that its service gave back, before it is freed: the service may have got it back since then,
    /// with a new key.
    ///
    /// # Errors
    /// `state`, with the command that binds it.
    pub(super) async fn check_not_given_since(&mut self, row: &LicenseRow, seen: &License) -> Result<(), ModuleError> {
        let Some(id) = row.item.filter(|_| seen.key.is_some() && seen.key != row.key) else { return Ok(()) };
        self.step("read item").await?;
        let item = self.ports.billdb.item(id).map_err(|error| errors::database(&error))?;
        let is_in_use = item.is_some_and(|item| shows_newer_key(&item, row) && item.params.lickey == seen.key);
        if is_in_use { Err(shown_elsewhere(row.id, id, self.bound_to_number(id)?)) } else { Ok(()) }
    }

    /// Checks that our state holds the license that a service shows. If that license exists at the seller, it is in
    /// use, whatever our state says. Our state may be old or lost, somebody else may have ordered the license, or the
    /// panel may have copied the service under this number.
    ///
    /// # Errors
    /// `state`, with the command that binds the license.
    pub(super) async fn check_witness(&mut self, item: &Item, incarnation: &Incarnation) -> Result<(), ModuleError> {
        let shown = self.shown_now(item, incarnation).await?;
        self.check_moved(item, incarnation, shown).await?;
        let (license, holder) = match shown {
            Shown::Nothing | Shown::Own | Shown::Former => return Ok(()),
            Shown::Unknown(license) => (license, Holder::Unknown),
            Shown::Elsewhere(license, None) => (license, Holder::Nobody),
            Shown::Elsewhere(license, Some(other)) if self.is_open_in_panel(other).await? => {
                (license, Holder::Open(other))
            }
            Shown::Elsewhere(license, Some(other)) => (license, Holder::Closed(other)),
        };
        let Some(seen) = self.read_shown(license).await? else { return Ok(()) };
        let bound = self.store.license_of(incarnation).map_err(errors::state)?.map(|row| row.id);
        let witness = Witness { item, license, bound };
        Err(match (holder, seen.remoteid.mark()) {
            (Holder::Unknown, Some(mark)) if *mark.panel() == self.panel_id => mark_of_ours(&witness),
            (Holder::Unknown, Some(mark)) => mark_of_theirs(&witness, &mark),
            (Holder::Unknown, None) | (Holder::Nobody | Holder::Open(_) | Holder::Closed(_), _) => {
                shows_another(&witness, holder)
            }
        })
    }

    /// Checks a service that changed its module and shows a license of the new account, while our state holds one of
    /// the former account for it: our state is older than the change, or somebody ended the change by hand.
    ///
    /// # Errors
    /// `state`, with the commands that leave the service the license that it shows.
    async fn check_moved(&mut self, item: &Item, incarnation: &Incarnation, shown: Shown) -> Result<(), ModuleError> {
        let (Shown::Unknown(license) | Shown::Elsewhere(license, _)) = shown else { return Ok(()) };
        let Some(bound) = self.store.license_of(incarnation).map_err(errors::state)? else { return Ok(()) };
        let is_there = if bound.account == self.account {
            // The account of the present module cannot be asked here.
            self.buys_elsewhere(item)?
        } else {
            license != bound.id && self.read_shown(license).await?.is_some()
        };
        if is_there { Err(shows_after_move(item, license, &bound)) } else { Ok(()) }
    }

    /// Whether a service buys with a module of another account now.
    pub(super) fn buys_elsewhere(&self, item: &Item) -> Result<bool, ModuleError> {
        let Some(module) = item.module.filter(|module| item.is_ours() && *module != self.module) else {
            return Ok(false);
        };
        let account = self.store.account_of_module(module).map_err(errors::state)?;
        Ok(account.is_none_or(|account| account.id != self.account))
    }

    /// A license that a service shows, unless it is gone. Of a license of ours that the seller did not find once, only
    /// the number is known.
    async fn read_shown(&mut self, license: LicenseId) -> Result<Option<License>, ModuleError> {
        if let Some(row) = self.store.license(self.account, license).map_err(errors::state)? {
            let seen = self.read(row.family, license).await?;
            let is_gone = self.is_surely_gone(&row, &seen).await?;
            return Ok((!is_gone).then(|| seen.unwrap_or_else(|| License::unknown(license))));
        }
        for family in [Family::Soft, Family::SoftExternal] {
            let seen = self.read(family, license).await?;
            if !is_gone(seen.as_ref()) {
                return Ok(seen);
            }
        }
        Ok(None)
    }

    pub(super) async fn is_open_in_panel(&mut self, id: ItemId) -> Result<bool, ModuleError> {
        self.step("read item").await?;
        let item = self.ports.billdb.item(id).map_err(|error| errors::database(&error))?;
        Ok(item.is_some_and(|item| item.status != ItemStatus::Deleted))
    }

    /// A service that shows a license of ours, is not deleted, and is not the service that our state holds the license
    /// for. For example, the panel copied a service under another number. `besides`: a service that is about to get the
    /// license, and does not count.
    pub(super) async fn heir_of(
        &mut self,
        row: &LicenseRow,
        besides: Option<ItemId>,
    ) -> Result<Option<ItemId>, ModuleError> {
        for item in &self.others_showing(row, besides).await? {
            let was_its = self.store.was_of_item(item.id, row.id).map_err(errors::state)?;
            if !was_its && self.is_same_license(item, row)? {
                return Ok(Some(item.id));
            }
        }
        Ok(None)
    }

    /// The services that are not deleted and show the number of a license, besides the one that it is bound to, or was
    /// bound to last.
    pub(super) async fn others_showing(
        &mut self,
        row: &LicenseRow,
        besides: Option<ItemId>,
    ) -> Result<Vec<Item>, ModuleError> {
        self.step("read items").await?;
        let mut ids = self.ports.billdb.items_with_license(row.id).map_err(|error| errors::database(&error))?;
        ids.retain(|id| Some(*id) != row.item && Some(*id) != besides);
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut items = self.ports.billdb.items(&ids).map_err(|error| errors::database(&error))?;
        items.retain(|item| item.status != ItemStatus::Deleted);
        Ok(items)
    }

    /// Whether the license that a service shows is this one. Another account may have a license of the same number; the
    /// key decides, or the module that the service buys with.
    fn is_same_license(&self, item: &Item, row: &LicenseRow) -> Result<bool, ModuleError> {
        if item.params.lickey.is_some() && item.params.lickey == row.key {
            return Ok(true);
        }
        let Some(module) = item.module.filter(|_| item.is_ours()) else { return Ok(false) };
        let account = self.store.account_of_module(module).map_err(errors::state)?;
        Ok(account.is_some_and(|account| account.id == row.account))
    }

    /// Checks a license before it is freed or given a new key: no other service may show it. A license that is gone
    /// passes, because nothing could be taken from that service any more. One answer that does not find the license
    /// proves nothing (docs/money-safety.md 3): until a second one it is protected like a license that is there.
    ///
    /// # Errors
    /// `state`, with the command that hands the license over.
    pub(super) async fn check_no_heir(&mut self, row: &LicenseRow) -> Result<(), ModuleError> {
        let Some(heir) = self.heir_of(row, None).await? else { return Ok(()) };
        // Only the account of this module can be asked whether the license is gone.
        if row.account == self.account {
            let seen = self.read(row.family, row.id).await?;
            if self.is_surely_gone(row, &seen).await? {
                return Ok(());
            }
        }
        Err(shown_elsewhere(row.id, heir, self.bound_to_number(heir)?))
    }

    /// Whether a license that a service shows is gone for certain.
    async fn is_surely_gone(&mut self, row: &LicenseRow, seen: &Option<License>) -> Result<bool, ModuleError> {
        match seen {
            None => Ok(row.state == LicenseState::Deleted || self.is_missing_again(row, row.state).await?),
            Some(seen) => {
                self.shown_again(row).await?;
                Ok(seen.is_deleted())
            }
        }
    }

    /// Checks a license before it is handed to a service, when another service shows it too. Our mark says to which of
    /// the two it was given last, or else its key does; a state that was restored from a copy may name the former one.
    ///
    /// # Errors
    /// `state`, with the command that hands the license over.
    pub(super) async fn check_marked_for(
        &mut self,
        item: &Item,
        row: &LicenseRow,
        seen: &License,
    ) -> Result<(), ModuleError> {
        let mark = seen.remoteid.mark().filter(|mark| {
            *mark.panel() == self.panel_id || row.mark.as_ref().is_some_and(|known| known.panel() == mark.panel())
        });
        let marked = match mark {
            Some(Mark::Order { item: marked, .. }) if marked != item.id => marked,
            Some(Mark::Order { .. }) => return Ok(()),
            Some(Mark::Pool { .. }) | None => return self.check_key_shown(item, row, seen).await,
        };
        match self.heir_of(row, None).await? {
            Some(heir) if heir == marked => Err(shown_elsewhere(row.id, heir, self.bound_to_number(heir)?)),
            Some(_) | None => Ok(()),
        }
    }

    /// Checks the key of a license that bears no mark of an order. A license gets a new key before another service gets
    /// it, so the service that shows the present key got it last.
    async fn check_key_shown(&mut self, item: &Item, row: &LicenseRow, seen: &License) -> Result<(), ModuleError> {
        if seen.key.is_none() || item.params.lickey == seen.key {
            return Ok(());
        }
        let others = self.others_showing(row, Some(item.id)).await?;
        match others.iter().find(|other| other.params.lickey == seen.key).map(|other| other.id) {
            Some(other) => Err(shown_elsewhere(row.id, other, self.bound_to_number(other)?)),
            None => Ok(()),
        }
    }

    /// Whether the service that a license served last still shows it, although another license took its place, because
    /// the panel has not saved the new number yet.
    pub(super) async fn is_still_shown(&mut self, row: &LicenseRow) -> Result<bool, ModuleError> {
        let Some(id) = row.item else { return Ok(false) };
        let rows = self.store.licenses_of_item(id).map_err(errors::state)?;
        if !rows.iter().any(|other| other.incarnation.is_some() && (other.account, other.id) != (row.account, row.id)) {
            return Ok(false);
        }
        self.step("read item").await?;
        let item = self.ports.billdb.item(id).map_err(|error| errors::database(&error))?;
        Ok(item.is_some_and(|item| item.status != ItemStatus::Deleted && item.params.licid == Some(row.id)))
    }

    /// The license of our account that is bound to an item number, in any incarnation.
    pub(super) fn bound_to_number(&self, id: ItemId) -> Result<Option<LicenseId>, ModuleError> {
        let rows = self.store.licenses_of_item(id).map_err(errors::state)?;
        Ok(rows.iter().find(|row| row.incarnation.is_some() && row.account == self.account).map(|row| row.id))
    }
}
