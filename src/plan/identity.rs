//! Decides whether a service and a license are the ones that our state knows (docs/money-safety.md 4 to 6). Pure:
//! `engine::identity` collects the facts, and every command asks before anything is sent. Where the answer is "another
//! one", an operator can say "it is the same": `bind ITEM LICENSE`.

use crate::model::ids::{ClientId, ItemId, LicenseId, Mark, PanelId};
use crate::model::item::{Item, ItemStatus};
use crate::model::journal::{Incarnation, Intent};
use crate::model::license::License;
use crate::model::license_row::{LicenseRow, LicenseState};

/// Whether a service is the one that our state knows under its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Same,
    /// Its client changed, and there is neither a license nor an order in doubt that could be affected. Holds the
    /// client that our state recorded.
    NewClient(ClientId),
    /// Its client changed, and what our state has for it may belong to the former client.
    OtherClient {
        /// The client that our state recorded.
        known: ClientId,
        /// The license that it holds; `None`: an order of it is in doubt.
        bound: Option<LicenseId>,
    },
    /// A license is bound to another incarnation of this number.
    OtherIncarnation {
        /// That license.
        bound: LicenseId,
    },
}

fn is_bound(row: &LicenseRow) -> bool {
    match row.state {
        LicenseState::Bound | LicenseState::Claimed => true,
        LicenseState::ToFree | LicenseState::Pool | LicenseState::Stopped | LicenseState::Deleted => false,
    }
}

/// Whether a license is bound to this incarnation or claimed for it. That includes a claim in place of a license of
/// another account.
pub fn serves(row: &LicenseRow, incarnation: &Incarnation) -> bool {
    is_bound(row) && row.is_of(incarnation)
}

/// Judges a service by what our state has for its number. `known`: the client recorded for this incarnation; `rows`:
/// licenses that serve or served the number, in any incarnation; `ordering`: an order of this incarnation is in doubt.
pub fn standing(
    item: &Item,
    incarnation: &Incarnation,
    known: Option<ClientId>,
    rows: &[LicenseRow],
    ordering: bool,
) -> Standing {
    let bound = || rows.iter().filter(|row| is_bound(row));
    if let Some(row) = bound().find(|row| !serves(row, incarnation)) {
        return Standing::OtherIncarnation { bound: row.id };
    }
    match (known.filter(|known| *known != item.client), bound().next()) {
        (None, _) => Standing::Same,
        (Some(known), None) if !ordering => Standing::NewClient(known),
        (Some(known), bound) => Standing::OtherClient { known, bound: bound.map(|row| row.id) },
    }
}

/// Whether the service that a license is bound to has another incarnation or another client than recorded. `known`: the
/// client recorded for the present incarnation `incarnation`; `client`: as the panel has it.
pub fn is_other_owner(row: &LicenseRow, incarnation: &Incarnation, known: Option<ClientId>, client: ClientId) -> bool {
    !serves(row, incarnation) || known.is_some_and(|known| known != client)
}

/// The license that a service shows its client (its parameter licid), as far as our state knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// None.
    Nothing,
    /// The license that our state holds for it.
    Own,
    /// A license that our state took from this same service, or that is gone: the panel shows an old value.
    Former,
    /// A license that our state holds for another service, or for nobody.
    Elsewhere(LicenseId, Option<ItemId>),
    /// A license that our state does not know.
    Unknown(LicenseId),
}

/// Judges what a service shows. `row`: our row of the license of that number; `was_its`: our journal says that the
/// license served this service once.
pub fn shown(item: &Item, incarnation: &Incarnation, row: Option<&LicenseRow>, was_its: bool) -> Shown {
    let Some(license) = item.params.licid else { return Shown::Nothing };
    match row {
        Some(row) if serves(row, incarnation) => Shown::Own,
        // Bound to this number, or gone. `standing` judges licenses of another incarnation.
        Some(row) if row.item == Some(item.id) || row.state == LicenseState::Deleted => Shown::Former,
        Some(_) | None if was_its => Shown::Former,
        Some(row) => Shown::Elsewhere(license, row.item.filter(|_| is_bound(row))),
        None => Shown::Unknown(license),
    }
}

/// Whether a service gave a license back according to our state, and shows another key of it than our state knows. If
/// the license has that key at the seller, the service got it back since then, and our state is old.
pub fn shows_newer_key(item: &Item, row: &LicenseRow) -> bool {
    let shows_it = item.status != ItemStatus::Deleted && item.params.licid == Some(row.id);
    let keys_differ = item.params.lickey.is_some() && row.key.is_some() && item.params.lickey != row.key;
    shows_it && keys_differ && !is_bound(row) && row.state != LicenseState::Deleted
}

/// What happens to a license's key when an operator binds the license to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFate {
    /// The key stays: the client may see it, or has seen it already.
    Kept,
    /// Another client has the key. A new key comes first, as for a license from the pool.
    New,
}

/// A license and the service that an operator binds it to.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'p> {
    /// The service.
    pub item: &'p Item,
    /// Its present incarnation.
    pub incarnation: &'p Incarnation,
    /// The license that this incarnation held last.
    pub last: Option<LicenseId>,
    /// The license as the seller shows it.
    pub seen: &'p License,
    /// Our row of it.
    pub row: Option<&'p LicenseRow>,
    /// This installation.
    pub panel: &'p PanelId,
}

impl Pair<'_> {
    /// Whether the service shows this license to its client.
    pub fn is_shown(&self) -> bool {
        self.item.params.licid == Some(self.seen.id)
    }

    /// Whether the key may be shown to the client of the service.
    pub fn key_fate(&self) -> KeyFate {
        let is_kept = match self.row {
            Some(row) if serves(row, self.incarnation) => true,
            // From another service, or another incarnation of this one: a client who sees the key already keeps it.
            Some(row) if is_bound(row) => self.is_shown(),
            // The service got it back after our state was copied: its client sees the present key.
            Some(row) if shows_newer_key(self.item, row) => self.item.params.lickey == self.seen.key,
            // Freed, stopped, or believed to be gone: the key stays only for the service that had the license last and
            // still shows it.
            Some(_) => self.is_shown() && self.last == Some(self.seen.id),
            // Unknown to our state. If it is free, or was ordered for another service, another client has its key.
            None => {
                let ordered_for_another = match self.seen.remoteid.mark() {
                    Some(Mark::Order { panel, item, .. }) => panel != *self.panel || item != self.item.id,
                    Some(Mark::Pool { .. }) => true,
                    None => false,
                };
                self.is_shown() || !(self.seen.looks_free() || ordered_for_another)
            }
        };
        if is_kept { KeyFate::Kept } else { KeyFate::New }
    }
}

/// Whether this installation gave a license of ours its mark. It did if the mark has its id. The setting `panel_id` may
/// have changed since, so it also did if the mark is the one that our state recorded, or if it says that the
/// installation of that id freed the license. `row`: our row of the license.
pub fn is_our_mark(mark: &Mark, row: Option<&LicenseRow>, panel: &PanelId) -> bool {
    let freed_by = |id: &PanelId| matches!(mark, Mark::Pool { panel } if panel == id);
    let recorded = row.and_then(|row| row.mark.as_ref());
    mark.panel() == panel || recorded.is_some_and(|recorded| recorded == mark || freed_by(recorded.panel()))
}

/// Marks that our state gave to this incarnation: of its orders, and of the license that it holds or held last. A
/// license at the seller with one of them belongs to this incarnation, whatever its number is. `rows`: licenses that
/// serve or served the number; `last`: the license that the incarnation held last.
pub fn marks_of(
    incarnation: &Incarnation,
    orders: &[Intent],
    rows: &[LicenseRow],
    last: Option<LicenseId>,
) -> Vec<Mark> {
    let ours = orders.iter().filter(|intent| intent.is_order_of(incarnation));
    let ordered = ours.filter_map(|intent| intent.request.as_order()).map(|order| order.mark.clone());
    let is_its =
        |row: &&LicenseRow| serves(row, incarnation) || (row.state == LicenseState::Deleted && Some(row.id) == last);
    let own = rows.iter().filter(is_its).filter_map(|row| row.mark.clone());
    let mut marks: Vec<Mark> = ordered.collect();
    marks.extend(own);
    marks
}

#[cfg(test)]
mod tests;
