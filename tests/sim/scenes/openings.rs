//! Scenes of openings: new orders, licenses from the pool, openings after a loss.

use super::{DAY, Deed, OPEN, Scene, start};
use crate::choices::FOREIGN_POOL;
use crate::deeds::{
    both_new_address, key_is_young, list_is_filtered, money_is_out, seller_moves, seller_renames, unpaid_are_paid,
};
use crate::faults::Fault as F;
use pmisplicense::error::ErrorKind as E;
use pmisplicense::model::command::ItemCommand as C;

/// An opening that random histories hardly ever meet: the list that the search reads is not the whole one.
pub(super) fn with_a_filtered_list() -> Vec<Scene> {
    use Deed::{Hurt, Run, Wait, World};
    let late_second = Hurt(2, C::Open, "send order", F::Late(300));
    vec![
        Scene::new(
            "open after a loss, the list filtered",
            // What no other check of the address would hold back.
            &[start("9203", 1, 1), start("9203", 1, 2)],
            &[OPEN, late_second, Wait(1_000), World(list_is_filtered), Run(2, C::Open), Wait(100)],
            Run(2, C::Open),
            &["read list"],
        )
        .at(|habits| habits.refuses_busy = false)
        .fails(E::OrderUnknown),
    ]
}

pub(super) fn openings() -> Vec<Scene> {
    use Deed::{Hurt, Run, Wait, World};
    let month = &[start("55227", 1, 1)][..];
    // The third one waits for its turn: what is tried beside it may want the same license.
    let year = &[start("55227", 12, 1), start("55227", 12, 2), start("55227", 12, 3)][..];
    let pooled = &[OPEN, Run(1, C::Close), Wait(33 * DAY)][..];
    let ordered = &["record intent", "send order", "read license", "bind", "saveparam", "post-call", "settle end"][..];
    let taken = &["claim", "key before", "send newkey", "send edit", "send resume", "bind", "post-call"][..];
    let lost = Hurt(1, C::Open, "send order", F::LostBefore);
    let mut aligned = Scene::new("open for a year by alignment", month, &[], OPEN, ordered);
    aligned.align_year = true;
    let mut foreign_pool =
        Scene::new("open from another's pool", month, &[], OPEN, &["take in", "claim", "send newkey", "bind"]);
    (foreign_pool.foreign, foreign_pool.rules) = (1, FOREIGN_POOL);
    vec![
        Scene::new("open", month, &[], OPEN, ordered),
        Scene::new("reopen", month, &[], Run(1, C::Reopen), &["send order", "bind", "post-call"]),
        aligned,
        Scene::new("open of software of others", &[start("9203", 1, 1)], &[], OPEN, &["send order", "bind"]),
        Scene::new("open where no mark is returned", month, &[], OPEN, ordered)
            .at(|habits| (habits.mark_in_edit, habits.mark_in_list) = (false, false)),
        Scene::new("open where no mark is returned, lost", month, &[], OPEN, &["remember remoteid"])
            .at(|habits| (habits.mark_in_edit, habits.mark_in_list) = (false, false))
            .hurt("send order", F::LostAfter)
            .fails(E::OrderUnknown),
        Scene::new("open with nopanel", &[start("nopanel", 1, 1)], &[], OPEN, &["remember choice", "post-call"]),
        Scene::new("open from the pool", year, pooled, Run(2, C::Open), taken),
        Scene::new("open from the pool, key of a running one", year, pooled, Run(2, C::Open), taken)
            .at(|habits| habits.key_needs_running = true),
        Scene::new("open from the pool, key in doubt", year, pooled, Run(2, C::Open), &["put aside", "send order"])
            .hurt("send newkey", F::LostBefore),
        Scene::new(
            "open from the pool, key refused",
            year,
            &[OPEN, Run(1, C::Close), Wait(33 * DAY), World(key_is_young)],
            Run(2, C::Open),
            &["send newkey", "give back", "send order"],
        )
        .at(|habits| habits.dates_in_list = false),
        Scene::new(
            "open with a pool that changed",
            year,
            &[OPEN, Run(1, C::Close), Wait(33 * DAY), World(seller_moves)],
            Run(2, C::Open),
            &["refresh pool", "claim"],
        ),
        foreign_pool,
        Scene::new(
            "open from a pool that is used",
            year,
            &[OPEN, Run(1, C::Close), Wait(33 * DAY), World(seller_renames), World(list_is_filtered)],
            Run(2, C::Open),
            &["no longer free", "send order"],
        )
        .at(|habits| habits.dates_in_list = false),
        Scene::new(
            "open at the address of one to be freed",
            year,
            &[OPEN, Wait(33 * DAY), World(both_new_address), Run(1, C::Setparam), Run(1, C::Close)],
            Run(2, C::Open),
            &["claim", "send newkey", "bind"],
        ),
        Scene::new("open, answer lost", month, &[], OPEN, &["record outcome", "bind"]).hurt("send order", F::LostAfter),
        Scene::new("open, refused though done", month, &[], OPEN, &["bind"]).hurt("send order", F::RefusedButDone),
        Scene::new("open, refused for money", month, &[], OPEN, &["record outcome", "remember refusal"])
            .hurt("send order", F::NoMoney)
            .fails(E::Nomoney),
        Scene::new(
            "open held back for money",
            &[start("55227", 1, 1), start("55227", 1, 2)],
            &[World(money_is_out), Run(2, C::Open)],
            OPEN,
            &["ask balance", "waits for money"],
        )
        .fails(E::Nomoney),
        Scene::new("open, left unpaid", month, &[], OPEN, &["bind"]).hurt("send order", F::Unpaid).fails(E::Nomoney),
        Scene::new(
            "open of what was unpaid",
            month,
            &[Hurt(1, C::Open, "send order", F::Unpaid), World(unpaid_are_paid)],
            OPEN,
            &["refresh", "saveparam", "post-call"],
        ),
        Scene::new("open after a loss, first look", month, &[lost, Wait(1_000)], OPEN, &["record outcome"])
            .fails(E::Client),
        Scene::new(
            "open after a loss, sent again",
            month,
            &[lost, Wait(1_000), OPEN, Wait(100)],
            OPEN,
            &["record outcome", "send order", "bind"],
        ),
        Scene::new(
            "open that finds its order",
            month,
            &[Hurt(1, C::Open, "send order", F::Late(300)), Wait(400)],
            OPEN,
            &["bind", "post-call"],
        ),
    ]
}
