//! Scenes of runs without an operation, and of services that others belong to: sync, import, sweep, modules.

use super::{DAY, Deed, OPEN, SWEEP, SYNC, SYNC_ITEM, Scene, start};
use crate::deeds::{
    is_module, is_server, new_address, paid_for_months, seller_deletes, seller_doubles_a_field, seller_hides,
    seller_moves, seller_renames, server_chooses_another, server_chooses_none, server_ends, server_runs, server_stops,
};
use crate::faults::Fault as F;
use crate::world::Job;
use pmisplicense::error::ErrorKind as E;
use pmisplicense::model::command::ItemCommand as C;

/// A pass while an operation of the panel waits: a second process may carry it out between any two steps.
pub(super) fn beside_an_operation() -> Vec<Scene> {
    use Deed::{Hurt, Wait, World};
    let due = [OPEN, World(paid_for_months), Wait(30 * DAY + DAY / 2)];
    let before = [&due[..], &[Hurt(1, C::Suspend, "send suspend", F::Refused)]].concat();
    let renewed = &["send renewal", "record outcome"];
    vec![Scene::new("sync renews what is about to be suspended", &[start("55227", 1, 1)], &before, SYNC, renewed)]
}

pub(super) fn syncs() -> Vec<Scene> {
    use Deed::{Hurt, Run, Wait, World};
    let month = &[start("55227", 1, 1)][..];
    let due = &[OPEN, World(paid_for_months), Wait(30 * DAY + DAY / 2)][..];
    let renewed = &["send renewal", "record outcome"][..];
    let lost = Hurt(1, C::Open, "send order", F::LostBefore);
    vec![
        Scene::new("sync_item renews", month, due, SYNC_ITEM, renewed),
        Scene::new("sync renews", month, due, SYNC, renewed),
        Scene::new("sync renews, answer lost", month, due, SYNC, &["record outcome"])
            .hurt("send renewal", F::LostAfter),
        Scene::new("sync frees", month, &[OPEN, Run(1, C::Close), Wait(33 * DAY)], SYNC, &["send edit", "release"])
            .at(|habits| habits.order_starts_month = true),
        Scene::new("sync brings a late key", month, &[OPEN, Wait(1_000)], SYNC, &["refresh", "saveparam"])
            .at(|habits| habits.key_delay_s = 600),
        Scene::new("sync misses a key", month, &[OPEN, Wait(4_000)], SYNC, &["register problem", "key late"])
            .at(|habits| habits.key_delay_s = 4_500),
        Scene::new("sync brings a missed key", month, &[OPEN, Wait(4_000), SYNC, Wait(1_000)], SYNC, &["key came"])
            .at(|habits| habits.key_delay_s = 4_500),
        Scene::new(
            "sync moves the address at last",
            month,
            &[OPEN, World(paid_for_months), World(new_address), Run(1, C::Setparam), Wait(28 * DAY), Wait(5 * DAY)],
            SYNC,
            &["send edit", "address changed"],
        )
        .at(|habits| habits.order_starts_month = true),
        Scene::new(
            "sync puts a name right",
            month,
            &[OPEN, World(seller_renames)],
            SYNC,
            &["refresh page", "send edit", "looked at"],
        ),
        Scene::new("sync leaves a name", month, &[OPEN, World(seller_renames)], SYNC_ITEM, &["look owed"])
            .hurt("send edit", F::Refused)
            .fails(E::Upstream),
        Scene::new(
            "sync has the panel show what fails again and again",
            month,
            &[OPEN, World(seller_hides), SYNC, Wait(100), SYNC, Wait(100)],
            SYNC,
            &["register problem", "trouble told"],
        )
        .fails(E::LicenseGone),
        Scene::new(
            "sync_item ends what failed",
            month,
            &[OPEN, World(seller_hides), SYNC, Wait(3_000)],
            SYNC_ITEM,
            &["trouble over"],
        ),
        Scene::new(
            "sync is told of a doubled field",
            month,
            &[OPEN, World(seller_doubles_a_field)],
            SYNC,
            &["doubled fields"],
        ),
        Scene::new("sync finds an order", month, &[lost_late(), Wait(400)], SYNC, &["bind", "post-call"]),
        Scene::new("sync looks for an order", month, &[lost, Wait(1_000)], SYNC, &["record outcome"]).fails(E::Client),
        Scene::new(
            "sync keeps a duplicate",
            month,
            &[Hurt(1, C::Open, "send order", F::DoubledLate(400)), Wait(500)],
            SYNC,
            &["keep duplicate"],
        )
        .at(|habits| habits.refuses_busy = false),
        Scene::new(
            "sync frees a duplicate once it is not young",
            month,
            &[Hurt(1, C::Open, "send order", F::DoubledLate(400)), Wait(500), SYNC, Wait(1_000)],
            SYNC,
            &["send edit", "release"],
        )
        .at(|habits| habits.refuses_busy = false),
        Scene::new("sync misses a license", month, &[OPEN, World(seller_hides)], SYNC, &["license missing"])
            .fails(E::LicenseGone),
        Scene::new(
            "sync finds a license gone",
            &[start("55227", 1, 1), start("55227", 1, 2)],
            &[OPEN, World(seller_deletes), SYNC, Run(2, C::Open), Wait(1_000)],
            SYNC,
            &["license gone"],
        )
        .at(|habits| habits.shows_deleted = false)
        .fails(E::LicenseGone),
        Scene::new(
            "sync finds a license again",
            month,
            &[OPEN, World(seller_hides), SYNC, Wait(3_000)],
            SYNC,
            &["license shown again"],
        ),
        Scene::new("sync takes over what the seller did", month, &[OPEN, World(seller_moves)], SYNC, &["refresh page"]),
    ]
}

fn lost_late() -> Deed {
    Deed::Hurt(1, C::Open, "send order", F::Late(300))
}

pub(super) fn others() -> Vec<Scene> {
    use Deed::{Run, World};
    let month = &[start("55227", 1, 1)][..];
    let server = World(is_server);
    let mut import = Scene::new("import", month, &[OPEN], Deed::Job(Job::Import), &["import sent", "import", "bind"]);
    import.foreign = 2;
    let mut refused = Scene::new("import, refused", month, &[OPEN], Deed::Job(Job::Import), &["import refused"]);
    refused.foreign = 2;
    vec![
        import,
        refused.hurt("import", F::ToolRefused).fails(E::Mgrctl),
        Scene::new("sweep opens", month, &[server], SWEEP, &["sweep", "send order", "bind", "saveparam"]),
        Scene::new("sweep suspends", month, &[server, SWEEP, World(server_stops)], SWEEP, &["sweep", "send suspend"]),
        Scene::new(
            "sweep resumes",
            month,
            &[server, SWEEP, World(server_stops), SWEEP, World(server_runs)],
            SWEEP,
            &["sweep", "send resume"],
        ),
        Scene::new("sweep closes", month, &[server, SWEEP, World(server_ends)], SWEEP, &["sweep", "release"]),
        Scene::new("sweep moves", month, &[server, SWEEP, World(new_address)], SWEEP, &["sweep", "send edit"]),
        Scene::new(
            "sweep changes the panel",
            month,
            &[server, SWEEP, World(server_chooses_another)],
            SWEEP,
            &["sweep", "send tariff"],
        ),
        Scene::new("sweep drops", month, &[server, SWEEP, World(server_chooses_none)], SWEEP, &["sweep", "to free"]),
        Scene::new(
            "open of a module",
            &[start("55227", 12, 1), start("55371", 1, 2)],
            &[World(is_module), OPEN],
            Run(2, C::Open),
            &["ask balance", "send order", "bind", "post-call"],
        ),
        Scene::new(
            "prolong of a module",
            &[start("55227", 12, 1), start("55371", 1, 2)],
            &[World(is_module), OPEN, Run(2, C::Open)],
            Run(2, C::Prolong),
            &["send renewal", "finish payment"],
        ),
        Scene::new(
            "close of a license with a module",
            &[start("55227", 12, 1), start("55371", 1, 2)],
            &[World(is_module), OPEN, Run(2, C::Open)],
            Run(1, C::Close),
            &["send suspend", "release", "post-call"],
        ),
    ]
}
