//! The scenes of the enumeration: small histories in which one run is tried with everything that can go wrong in it.
//! Together they pass every commit and every call of every command that changes something.

use crate::choices::FOREIGN_POOL;
use crate::deeds::{
    both_new_address, is_module, is_server, key_is_young, list_is_filtered, lives_again, money_is_out, more_nodes,
    new_address, new_client, new_name, new_tariff, new_tariff_without_money, paid_for_months, seller_deletes,
    seller_hides, seller_hides_one, seller_moves, seller_renames, seller_renews_by_itself, seller_renumbers,
    server_chooses_another, server_chooses_none, server_ends, server_runs, server_stops, to_nopanel, to_panel,
    trial_becomes_paid, unpaid_are_paid,
};
use crate::faults::Fault as F;
use crate::panel::PanelHabits;
use crate::script::Start;
use crate::seller::Habits;
use crate::world::{Job, World};
use pmisplicense::engine::ItemCommand as C;
use pmisplicense::error::ErrorKind as E;

pub const DAY: i64 = 86_400;

/// One thing that happens in a scene.
#[derive(Debug, Clone, Copy)]
pub enum Deed {
    /// The panel runs a command of a service: the operation that it has open, or a new one.
    Run(u32, C),
    /// The same, with a fault at the first place of that name.
    Hurt(u32, C, &'static str, F),
    /// A run without an operation.
    Job(Job),
    /// Seconds go by.
    Wait(i64),
    /// Somebody does something that no run is told of.
    World(fn(&mut World)),
}

/// What is tried, and what leads to it.
pub struct Scene {
    pub name: &'static str,
    pub starts: Vec<Start>,
    pub habits: Habits,
    pub panel: PanelHabits,
    pub align_year: bool,
    pub rules: usize,
    pub foreign: u32,
    pub before: Vec<Deed>,
    pub tried: Deed,
    /// A fault that belongs to the scene: only what comes after it is tried.
    pub hurt: Option<(&'static str, F)>,
    /// Steps that the undisturbed run must pass: a scene that misses them has lost its meaning.
    pub through: &'static [&'static str],
    /// How the undisturbed run fails, if it does.
    pub fails: Option<E>,
}

pub fn start(code: &'static str, period: i32, ip: u8) -> Start {
    let itemtype = if code == "9203" { "softexternal" } else { "soft" };
    let nodes = (code == "55230").then_some(0);
    Start { client: ip.into(), code: code.into(), itemtype: itemtype.into(), period, ip, nodes, licname: false }
}

impl Scene {
    fn new(
        name: &'static str,
        starts: &[Start],
        before: &[Deed],
        tried: Deed,
        through: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            starts: starts.to_vec(),
            habits: Habits::PLAIN,
            panel: PanelHabits { moves_before: true, end_at_open: true, reuses_numbers: false },
            align_year: false,
            rules: 0,
            foreign: 0,
            before: before.to_vec(),
            tried,
            hurt: None,
            through,
            fails: None,
        }
    }

    fn at(mut self, change: impl FnOnce(&mut Habits)) -> Self {
        change(&mut self.habits);
        self
    }

    fn by_post_call(mut self) -> Self {
        self.panel.moves_before = false;
        self
    }

    fn rules(mut self, rules: usize) -> Self {
        self.rules = rules;
        self
    }

    fn fails(mut self, kind: E) -> Self {
        self.fails = Some(kind);
        self
    }

    fn hurt(mut self, step: &'static str, fault: F) -> Self {
        self.hurt = Some((step, fault));
        self
    }
}

const SYNC: Deed = Deed::Job(Job::SyncAll);
const SWEEP: Deed = Deed::Job(Job::Sweep);
const SYNC_ITEM: Deed = Deed::Job(Job::Item { item: 1, command: C::SyncItem, op: None });
const OPEN: Deed = Deed::Run(1, C::Open);

/// All of them.
pub fn scenes() -> Vec<Scene> {
    [openings(), payments(), stops(), changes(), syncs(), others()].into_iter().flatten().collect()
}

fn openings() -> Vec<Scene> {
    use Deed::{Hurt, Run, Wait, World};
    let month = &[start("55227", 1, 1)][..];
    // The third one waits for its turn: what is tried beside it may want the same license.
    let year = &[start("55227", 12, 1), start("55227", 12, 2), start("55227", 12, 3)][..];
    let pooled = &[OPEN, Run(1, C::Close), Wait(33 * DAY)][..];
    let ordered = &["record intent", "send order", "read license", "bind", "saveparam", "post-call", "settle end"][..];
    let taken = &["claim", "key before", "send newkey", "send edit", "send resume", "bind", "post-call"][..];
    let lost = Hurt(1, C::Open, "send order", F::LostBefore);
    let late_second = Hurt(2, C::Open, "send order", F::Late(300));
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
            "open after a loss, the list filtered",
            // What no other check of the address would hold back.
            &[start("9203", 1, 1), start("9203", 1, 2)],
            &[OPEN, late_second, Wait(1_000), World(list_is_filtered), Run(2, C::Open), Wait(100)],
            Run(2, C::Open),
            &["read list"],
        )
        .at(|habits| habits.refuses_busy = false)
        .fails(E::OrderUnknown),
        Scene::new(
            "open that finds its order",
            month,
            &[Hurt(1, C::Open, "send order", F::Late(300)), Wait(400)],
            OPEN,
            &["bind", "post-call"],
        ),
    ]
}

fn payments() -> Vec<Scene> {
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

fn stops() -> Vec<Scene> {
    use Deed::{Hurt, Run, Wait};
    let month = &[start("55227", 1, 1)][..];
    let (opened, tried) = (&[OPEN][..], Run(1, C::Close));
    let freed = &["to free", "send suspend", "send edit", "release", "post-call", "end life"][..];
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
            &[Hurt(1, C::Open, "send order", F::Late(2_000)), tried, Wait(2_100), Deed::World(lives_again)],
            OPEN,
            &["bind", "post-call"],
        ),
    ]
}

fn changes() -> Vec<Scene> {
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

fn syncs() -> Vec<Scene> {
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
            .hurt("send edit", F::Refused),
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

fn others() -> Vec<Scene> {
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
