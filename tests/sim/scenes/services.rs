//! Scenes of a service that has its license: payments, stops, changes.

use super::{DAY, Deed, OPEN, SYNC, Scene, start};
use crate::deeds::{
    duplicate_beside, is_reopened, more_nodes, new_address, new_client, new_name, new_tariff, new_tariff_without_money,
    seller_deletes, seller_hides_one, seller_renews_by_itself, seller_renumbers, to_nopanel, to_panel,
    trial_becomes_paid,
};
use crate::faults::Fault as F;
use pmisplicense::error::ErrorKind as E;
use pmisplicense::model::command::ItemCommand as C;

pub(super) fn payments() -> Vec<Scene> {
    use Deed::{Hurt, Run, Wait, World};
    let month = &[start("55227", 1, 1)][..];
    let opened = &[OPEN, Wait(20 * DAY)][..];
    let paid = &["begin payment", "send renewal", "record outcome", "post-call", "finish payment"][..];
    let again = &[OPEN, Wait(20 * DAY), Hurt(1, C::Prolong, "send renewal", F::LostBefore), Wait(1_000)][..];
    let tried = Run(1, C::Prolong);
    vec![
        Scene::new("prolong, end moved before", month, opened, tried, paid),
        Scene::new("prolong, end moved by the post-call", month, opened, tried, paid).by_post_call(),
        Scene::new("prolong, answer lost", month, opened, tried, &["record outcome", "finish payment"])
            .hurt("send renewal", F::LostAfter),
        Scene::new("prolong after a loss, first look", month, again, tried, &["record outcome"]).fails(E::Client),
        Scene::new(
            "prolong after a loss, sent again",
            month,
            &[again, &[tried, Wait(100)]].concat(),
            tried,
            &["record outcome", "send renewal", "finish payment"],
        ),
        Scene::new("prolong of a suspended one", month, &[OPEN, Run(1, C::Suspend)], tried, &["finish payment"]),
        Scene::new(
            "prolong of a deleted one",
            month,
            &[OPEN, Wait(20 * DAY), World(seller_deletes)],
            tried,
            &["license gone", "send order", "bind", "finish payment"],
        ),
        Scene::new(
            "prolong of a deleted one beside one that cannot be read",
            month,
            &[OPEN, Wait(20 * DAY), World(duplicate_beside), World(seller_deletes)],
            tried,
            &["read license"],
        )
        .at(|habits| habits.mark_in_list = false)
        .fails(E::BadAnswer),
        Scene::new(
            "prolong of a trial",
            &[start("55227", -100, 1)],
            &[OPEN, Wait(5 * DAY), World(trial_becomes_paid)],
            tried,
            &["trial ends", "send order", "bind", "finish payment"],
        ),
        Scene::new(
            "prolong of a renumbered one",
            month,
            &[
                OPEN,
                Wait(20 * DAY),
                World(seller_renumbers),
                Hurt(1, C::Prolong, "saveparam", F::ToolMissing),
                Wait(1_000),
            ],
            tried,
            &["renumbered", "send renewal", "finish payment"],
        ),
        Scene::new(
            "prolong of one that was thought gone",
            &[start("55227", 1, 1), start("55227", 1, 2)],
            &[OPEN, Run(2, C::Open), Wait(20 * DAY), World(seller_hides_one), tried, Wait(1_000), SYNC, Wait(2_000)],
            tried,
            &["bind by mark", "finish payment"],
        )
        .at(|habits| habits.shows_deleted = false),
        Scene::new("resume with time left", month, &[OPEN, Run(1, C::Suspend)], Run(1, C::Resume), &["send resume"]),
        Scene::new(
            "resume of what ran out",
            month,
            &[OPEN, Run(1, C::Suspend), Run(1, C::Prolong), Wait(33 * DAY)],
            Run(1, C::Resume),
            &["send renewal", "post-call"],
        )
        .at(|habits| habits.renewal_starts = false),
        Scene::new(
            "resume of a deleted one",
            month,
            &[OPEN, Run(1, C::Suspend), World(seller_deletes)],
            Run(1, C::Resume),
            &["send order", "bind", "post-call"],
        ),
    ]
}

pub(super) fn stops() -> Vec<Scene> {
    use Deed::{Hurt, Run, Wait};
    let month = &[start("55227", 1, 1)][..];
    let (opened, tried) = (&[OPEN][..], Run(1, C::Close));
    let freed = &["to free", "send suspend", "send edit", "release", "post-call", "end incarnation"][..];
    vec![
        Scene::new("suspend", month, opened, Run(1, C::Suspend), &["send suspend", "refresh", "post-call"]),
        Scene::new("close into the pool", month, opened, tried, freed),
        Scene::new("close, freeing in doubt", month, opened, tried, &["freeing in doubt", "post-call"])
            .hurt("send edit", F::LostAfter),
        Scene::new("close within the month", month, opened, tried, &["to free", "send edit", "release", "post-call"])
            .at(|habits| habits.order_starts_month = true),
        Scene::new("close by stopping", month, opened, tried, &["send suspend", "release"]).rules(1),
        Scene::new("close by deleting", month, opened, tried, &["send delete", "record outcome"]).rules(2),
        Scene::new("close by deleting, answer lost", month, opened, tried, &["record outcome", "post-call"])
            .rules(2)
            .hurt("send delete", F::LostBefore),
        Scene::new(
            "close with its order in doubt",
            month,
            &[Hurt(1, C::Open, "send order", F::LostBefore)],
            tried,
            &["record outcome", "post-call"],
        ),
        Scene::new(
            "open again after a close in doubt",
            month,
            &[Hurt(1, C::Open, "send order", F::Late(2_000)), tried, Wait(2_100), Deed::World(is_reopened)],
            OPEN,
            &["bind", "post-call"],
        ),
    ]
}

pub(super) fn changes() -> Vec<Scene> {
    use Deed::{Run, Wait, World};
    let month = &[start("55227", 1, 1)][..];
    let tried = Run(1, C::Setparam);
    vec![
        Scene::new("setparam, address", month, &[OPEN, World(new_address)], tried, &["send edit", "post-call"]),
        Scene::new("setparam, address too young", month, &[OPEN, World(new_address)], tried, &["send edit", "put off"])
            .at(|habits| habits.order_starts_month = true)
            .fails(E::IpChangeLimit),
        Scene::new("setparam, name", month, &[OPEN, World(new_name)], tried, &["send edit", "post-call"]),
        Scene::new("setparam, tariff", month, &[OPEN, World(new_tariff)], tried, &["send tariff", "record outcome"]),
        Scene::new(
            "setparam, tariff refused and rolled back",
            month,
            &[OPEN, World(new_tariff_without_money)],
            tried,
            &["send tariff", "record outcome", "remember refusal", "post-call"],
        )
        .fails(E::Nomoney),
        Scene::new("setparam, nodes", &[start("55230", 1, 1)], &[OPEN, World(more_nodes)], tried, &["send nodes"]),
        Scene::new("setparam to nopanel", month, &[OPEN, World(to_nopanel)], tried, &["to free", "remember choice"]),
        Scene::new(
            "setparam from nopanel",
            &[start("nopanel", 1, 1)],
            &[OPEN, World(to_panel)],
            tried,
            &["send order", "bind", "post-call"],
        ),
        Scene::new(
            "setparam of a new client's",
            &[start("nopanel", 1, 1)],
            &[OPEN, World(new_client), World(to_panel)],
            tried,
            &["new client", "send order", "bind", "post-call"],
        ),
        Scene::new(
            "setparam of a trial",
            &[start("55227", -100, 1)],
            &[OPEN, Wait(5 * DAY), World(trial_becomes_paid)],
            tried,
            &["trial ends", "send order", "bind", "post-call"],
        ),
        Scene::new("gen_key", month, &[OPEN], Run(1, C::GenKey), &["send newkey", "record outcome", "saveparam"]),
        Scene::new("gen_key, key late", month, &[OPEN, Wait(700)], Run(1, C::GenKey), &["send newkey", "saveparam"])
            .at(|habits| habits.key_delay_s = 600),
        Scene::new(
            "cancel_prolong",
            month,
            &[OPEN, World(seller_renews_by_itself)],
            Run(1, C::CancelProlong),
            &["send edit"],
        ),
    ]
}
