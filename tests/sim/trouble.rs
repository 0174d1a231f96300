//! Troubles of a whole installation, not of one call (docs/testing.md 3): the list filtered by the seller's
//! administrator, account or database swapped, the state restored or lost, another panel that takes free licenses. At
//! most one in a history; what lasts ends before the quiet.

use chrono::Months;
use pmisplicense::model::ids::{AccountId, LicenseId};
use pmisplicense::model::item::ItemStatus;
use pmisplicense::model::license_row::LicenseState;
use serde::{Deserialize, Serialize};

use pmisplicense::model::license::{FREE_NAME, LicenseStatus};

use crate::panel::{MODULE, Panel, Service, new_item};
use crate::rng::Rng;
use crate::script::Action;
use crate::world::{World, moment};

/// The user that the settings name when it is not "sim".
pub const RENAMED: &str = "another";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// The list leaves out every license of one tariff, and its total with them.
    FilteredList,
    /// The module's settings name another account.
    OtherAccount,
    /// The seller's account has another name, which the module's settings follow.
    AccountRenamed,
    /// The database is another panel's: the same numbers, other services.
    OtherDatabase,
    /// Somebody copies the state.
    StateCopied,
    /// The copy is put back by `restore`, which marks it.
    StateRestored,
    /// The copy is put back by somebody who knows nothing of us, a snapshot of the whole disk perhaps: only
    /// the seller's marks can tell.
    StateRolledBack,
    /// The state is gone; `panel_id` is pinned.
    StateLost,
    /// Another panel on the account takes a license that it freed, and one that we freed.
    NeighbourTakes,
    /// What lasts is over.
    Over,
    /// Of two machines: the log loses so many of its newest entries, which a machine still has.
    LogLostEnd(usize),
    /// Of two machines: the state file of this one is lost.
    ReplicaLost(usize),
}

/// Puts at most one trouble into a history, with its end.
pub fn draw(seed: u64, actions: &mut Vec<Action>) {
    use Trouble as T;
    let mut rng = Rng::fork(seed, 3);
    if !rng.chance(220) {
        return;
    }
    let (first, second) = match rng.below(14) {
        0 | 1 => (T::FilteredList, T::Over),
        2 => (T::StateCopied, T::StateRolledBack),
        3 | 4 => (T::OtherAccount, T::Over),
        5 | 6 => (T::OtherDatabase, T::Over),
        7 | 8 => (T::StateCopied, T::StateRestored),
        9 => (T::StateLost, T::Over),
        12 | 13 => (T::AccountRenamed, T::Over),
        _ => (T::NeighbourTakes, T::Over),
    };
    let count = u32::try_from(actions.len()).unwrap_or(1);
    let at = usize::try_from(1 + rng.below(count)).unwrap_or(1);
    actions.insert(at, Action::Trouble(first));
    if first == T::OtherDatabase {
        // Whoever has the differences to another panel's database repaired means it.
        actions.retain(|action| !matches!(action, Action::Reconcile | Action::Decide));
    }
    let at = actions.iter().position(|action| *action == Action::Trouble(first)).unwrap_or(0);
    let left = u32::try_from(actions.len() - at).unwrap_or(1);
    let end = at + 1 + usize::try_from(rng.below(left)).unwrap_or(0);
    actions.insert(end, Action::Trouble(second));
}

/// Puts a loss into every third history of two machines. `count`: its other actions. Returns where, and what is lost.
pub fn draw_loss(seed: u64, count: usize) -> Option<(usize, Trouble)> {
    let mut rng = Rng::fork(seed, 9);
    let loss = match rng.below(6) {
        0 => Trouble::LogLostEnd(1 + rng.below(6) as usize),
        1 => Trouble::ReplicaLost(rng.below(2) as usize),
        _ => return None,
    };
    Some((1 + rng.below(u32::try_from(count).unwrap_or(1)) as usize, loss))
}

impl Trouble {
    /// What it does to the world; what it does to the state is the stage's to do.
    pub fn befall(self, world: &mut World) {
        match self {
            Self::FilteredList => filter(world),
            // An account that nobody used yet is the module's own, whatever it is.
            Self::OtherAccount => {
                world.other_account = world.store.account(AccountId(1)).is_ok_and(|account| account.is_some());
            }
            Self::AccountRenamed => {
                world.other_account = world.store.account(AccountId(1)).is_ok_and(|account| account.is_some());
                world.is_renamed = world.other_account;
            }
            Self::OtherDatabase => swap_database(world),
            Self::NeighbourTakes => neighbour_takes(world),
            Self::StateRolledBack | Self::StateRestored | Self::StateLost => {
                world.state_lost_ms = Some(world.now_ms);
                world.rolled_back |= self == Self::StateRolledBack;
                // What it missed, reconcile takes in or leaves to an operator.
                world.asks_an_operator = true;
            }
            Self::StateCopied => world.state_is_copied = true,
            Self::Over => over(world),
            // The world does not change: the stage changes the log and the replicas.
            Self::LogLostEnd(_) | Self::ReplicaLost(_) => {}
        }
    }
}

/// Everything that lasts ends.
pub fn over(world: &mut World) {
    world.seller.filter = None;
    world.other_account = false;
    if std::mem::take(&mut world.is_renamed) {
        accept_name(world);
    }
    if let Some(own) = world.own_panel.take() {
        let foreign = std::mem::replace(&mut world.panel, *own);
        world.panel.shown_keys = foreign.shown_keys;
    }
}

/// An operator says that it is the same account: doctor --accept-account, without its questions.
fn accept_name(world: &mut World) {
    world.username = RENAMED;
    let known = world.store.account_of_module(MODULE).expect("a state").expect("an account that was used");
    let renamed = world.store.write(moment(world.now_ms), |tx| {
        tx.rename_account(&known, None, &known.url, RENAMED)?;
        tx.set_account(MODULE, &known.url, RENAMED)
    });
    renamed.expect("a name");
}

/// A license that our state holds is among those left out: that is how a filtered list gives itself away. One that
/// hides nothing we know cannot be told from an account without it.
fn filter(world: &mut World) {
    let held = |id: u32| {
        let row = world.store.license(AccountId(1), LicenseId(id)).ok().flatten();
        row.is_some_and(|row| row.state == LicenseState::Bound)
    };
    let alive = world.seller.licenses.iter().filter(|lic| lic.status != LicenseStatus::Deleted);
    let witness = alive.map(|lic| lic.id).find(|id| held(*id));
    world.seller.filter = witness;
}

fn swap_database(world: &mut World) {
    let mut panel = Panel::new(world.panel.habits);
    (panel.payments, panel.next_number) = (500_000, 5_000);
    let end = world.seller.today + Months::new(2);
    for id in world.panel.services.iter().map(|service| service.item.id.0) {
        let ip = Some(format!("93.184.1.{}", 100 + id));
        let mut item = new_item(id, 300 + id, "55227", "soft", 1, ip);
        item.created = "2025-05-05".to_owned();
        item.status = ItemStatus::Active;
        item.expires = Some(end);
        panel.services.push(Service { item, before: None, incarnations: 0 });
    }
    std::mem::swap(&mut panel, &mut world.panel);
    world.panel.shown_keys.clone_from(&panel.shown_keys);
    world.own_panel = Some(Box::new(panel));
    world.database_was_swapped = true;
}

fn neighbour_takes(world: &mut World) {
    let (today, now) = (world.seller.today, world.now_ms);
    // Where no mark is returned, nobody could tell that a free license of ours is another's now.
    let ours = world.seller.habits.mark_in_edit;
    for (index, foreign) in [(1_u8, true), (2, false)].into_iter().filter(|(_, foreign)| *foreign || ours) {
        let free = |lic: &&mut crate::seller::Lic| {
            // What is not shown free yet is not taken.
            let is_shown = lic.stale_until_ms <= now;
            lic.foreign == foreign && lic.name == FREE_NAME && lic.status != LicenseStatus::Deleted && is_shown
        };
        let key = world.seller.fresh_key();
        let Some(lic) = world.seller.licenses.iter_mut().find(free) else { continue };
        lic.foreign = true;
        lic.tag = None;
        lic.key = key;
        (lic.name, lic.remoteid) = (format!("neighbour {index}"), format!("pml-otherpan-{index}-1"));
        lic.ip = format!("93.184.1.{index}").parse().ok();
        (lic.ip_changed, lic.key_changed) = (Some(today), Some(today));
        lic.status = LicenseStatus::Active;
    }
}
