//! Histories with both kinds of seller: one panel and one state, in which one module sells licenses of a BILLmanager
//! and another one licenses of OrderBox. Each kind has its own world, with its own seller, services, faults and checks.
//! The two have one clock, and what their runs read of the panel and of its locks is of both. The state is not lost,
//! put back or used with another panel's database here.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use pmisplicense::model::ids::{AccountId, LicenseId, ModuleId};
use pmisplicense::model::item::Item;
use pmisplicense::model::journal::Intent;
use pmisplicense::model::license_row::LicenseRow;
use pmisplicense::model::rules::Rules;
use pmisplicense::ports::LockName;
use pmisplicense::store::Store;
use serde::{Deserialize, Serialize};

use super::history::{self, Act, Setting};
use super::stage::{Group, Shared as Hosting, Stage as HostingStage};
use crate::beside::{Beside, Numbers};
use crate::checks::ACCOUNT;
use crate::faults::{Mode, Stats};
use crate::image::{Image, Tier};
use crate::panel::MODULE;
use crate::play::{How, Stage, URL};
use crate::rng::Rng;
use crate::script::{Action, Script};
use crate::trouble::Trouble;
use crate::world::{Shared, Violation, moment};

/// The account at OrderBox: the second one that the state knows.
const SECOND: AccountId = AccountId(2);

/// The numbers of the world of OrderBox. Its hosting orders have the numbers of licenses at the other seller: numbers
/// mean something only together with their account.
const NUMBERS: Numbers = Numbers { module: ModuleId(8), account: SECOND, before: 5_000, first_order: 1_001 };

/// One turn of a history: so many acts at the one seller, and whether the next act at OrderBox begins with them and its
/// runs go on between theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Turn {
    acts: usize,
    beside: bool,
}

/// A history that can be played again, without the seed that drew it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    turns: Vec<Turn>,
    billmanager: crate::record::Record,
    orderbox: super::Record,
}

/// What came out of a history.
struct Played {
    violations: Vec<Violation>,
    trace: Vec<String>,
    record: Record,
}

/// A history as it is drawn.
struct Drawn {
    script: Script,
    setting: Setting,
    acts: Vec<Act>,
    intensity: u32,
}

fn draw(seed: u64) -> Drawn {
    let mut script = Script::draw(seed);
    script.actions.retain(|action| {
        use Trouble as T;
        let befalls_the_state = [T::OtherDatabase, T::StateCopied, T::StateRestored, T::StateRolledBack, T::StateLost];
        !matches!(action, Action::Trouble(trouble) if befalls_the_state.contains(trouble))
    });
    let (setting, acts, intensity) = history::draw(seed);
    Drawn { script, setting, acts, intensity }
}

/// The settings of both modules.
pub struct Choices {
    billmanager: Vec<Rules>,
    orderbox: Vec<Rules>,
}

impl Choices {
    pub fn new() -> Self {
        Self { billmanager: crate::choices::rules(), orderbox: history::rules() }
    }
}

/// Plays what a seed draws.
fn play(seed: u64, tracing: bool, image: &Image, rules: &Choices, stats: &mut Stats) -> Played {
    let Drawn { script, setting, acts, intensity } = draw(seed);
    let how = How { mode: Mode::Random(script.intensity), tracing, muted: false };
    let mut both = begin(&script.setting, &how, &setting, Mode::Random(intensity), image, rules);
    let mut chance = Rng::fork(seed, 51);
    let mut turns = Vec::new();
    let mut actions = script.actions.iter().enumerate().peekable();
    let mut others = acts.iter().enumerate().peekable();
    while actions.peek().is_some() || others.peek().is_some() {
        let pick = chance.below(4);
        let other = others.next_if(|_| pick != 0);
        let action = actions.next_if(|_| pick != 1);
        if other.is_none() && action.is_none() {
            continue;
        }
        let before = both.first.acts();
        both.turn(other.map(|(at, act)| (at, *act)), |first| {
            action.into_iter().for_each(|(index, action)| crate::drawn::act(first, index, *action));
        });
        turns.push(Turn { acts: both.first.acts() - before, beside: other.is_some() });
    }
    both.finish(&script.setting, setting, acts, turns, stats)
}

/// Plays a record.
fn replay(record: &Record, tracing: bool, image: &Image, rules: &Choices) -> Played {
    let (one, other) = (&record.billmanager, &record.orderbox);
    let how = How { mode: Mode::Fixed(one.faults()), tracing, muted: false };
    let mut both = begin(&one.setting, &how, &other.setting, other.mode(), image, rules);
    let mut acts = one.acts.iter();
    let mut others = other.acts.iter();
    for turn in &record.turns {
        let next = if turn.beside { others.next().copied() } else { None };
        both.turn(next, |first| acts.by_ref().take(turn.acts).for_each(|act| first.happen(act.clone())));
    }
    let setting = other.setting.clone();
    let all = other.acts.iter().map(|(_, act)| *act).collect();
    both.finish(&one.setting, setting, all, record.turns.clone(), &mut Stats::default())
}

/// Both worlds, and what goes on in them.
struct Both<'a> {
    first: Stage<'a>,
    second: Rc<RefCell<HostingStage<'a>>>,
    /// What began beside the acts of the first.
    going: Rc<RefCell<Option<Group<'a>>>>,
    clock: Rc<OneClock>,
}

/// The clock and the trace that both worlds have.
struct OneClock {
    first: Shared,
    second: Hosting,
    skew_ms: Cell<i64>,
}

impl OneClock {
    /// Brings to one world what happened in the other: only one of them went on.
    fn meet(&self) {
        let (mut first, mut second) = (self.first.borrow_mut(), self.second.borrow_mut());
        for skew_ms in [first.skew_ms, second.skew_ms] {
            let by = (skew_ms - self.skew_ms.get()) / 1000;
            if by != 0 {
                self.skew_ms.set(skew_ms);
                if first.skew_ms == skew_ms {
                    second.set_clock(by)
                } else {
                    first.set_clock(by)
                }
                break;
            }
        }
        let (one, other) = (first.now_ms, second.now_ms);
        if one < other {
            first.advance(other - one);
        } else if other < one {
            second.advance(one - other);
        }
        let lines = second.trace.as_mut().map(std::mem::take).unwrap_or_default();
        first.trace.iter_mut().for_each(|trace| trace.extend(lines.iter().map(|line| format!("OrderBox: {line}"))));
    }
}

fn begin<'a>(
    setting: &crate::script::Setting,
    how: &How,
    other: &Setting,
    mode: Mode,
    image: &'a Image,
    rules: &'a Choices,
) -> Both<'a> {
    let mut first = crate::play::begin(setting, how, image, &rules.billmanager);
    let orderbox = &rules.orderbox[other.rules];
    let mut second = super::begin(other, history::habits(other.seed), NUMBERS, mode, how.tracing, image, orderbox);
    know_accounts(&first.world.borrow().store, first.world.borrow().now_ms);
    let worlds = (Rc::clone(&first.world), Rc::clone(&second.world));
    worlds.0.borrow_mut().beside = Some(Rc::new(HostingBeside(Rc::downgrade(&worlds.1))));
    worlds.1.borrow_mut().beside = Some(Rc::new(LicensesBeside(Rc::downgrade(&worlds.0))));
    let clock = Rc::new(OneClock { first: worlds.0, second: worlds.1, skew_ms: Cell::new(0) });
    let meets = Rc::clone(&clock);
    second.after_step = Some(Rc::new(move || meets.meet()));
    let second = Rc::new(RefCell::new(second));
    let going: Rc<RefCell<Option<Group<'a>>>> = Rc::default();
    let (turns, stage, group) = (RefCell::new(Rng::fork(setting.seed, 52)), Rc::clone(&second), Rc::clone(&going));
    let meets = Rc::clone(&clock);
    first.before_step = Some(Rc::new(move || {
        meets.meet();
        let mut group = group.borrow_mut();
        let Some(group) = group.as_mut().filter(|group| !group.is_over()) else { return };
        if turns.borrow_mut().chance(400) {
            stage.borrow_mut().turn(group);
        }
    }));
    Both { first, second, going, clock }
}

/// The accounts of both modules, in the order in which the checks count them.
fn know_accounts(store: &Store, now_ms: i64) {
    let modules = [(MODULE, URL, "sim"), (NUMBERS.module, super::stage::URL, super::stage::USER)];
    for (module, url, user) in modules {
        store.write(moment(now_ms), |tx| tx.set_account(module, url, user)).expect("an account");
    }
}

impl<'a> Both<'a> {
    /// Something happens at one seller, at the other, or at both at once.
    fn turn(&mut self, beside: Option<(usize, Act)>, work: impl FnOnce(&mut Stage<'a>)) {
        let began = beside.map(|(at, act)| {
            let mut second = self.second.borrow_mut();
            let jobs = second.begun(at, act);
            second.group(&jobs)
        });
        self.clock.meet();
        *self.going.borrow_mut() = began;
        work(&mut self.first);
        self.clock.meet();
        // Taken out first: nothing else goes on now.
        let left = self.going.borrow_mut().take();
        if let Some(mut group) = left {
            while !group.is_over() {
                self.second.borrow_mut().turn(&mut group);
            }
        }
        self.clock.meet();
    }

    /// Both become quiet, one after the other, and neither changes what the state holds of the other's account.
    fn finish(
        mut self,
        setting: &crate::script::Setting,
        other: Setting,
        others: Vec<Act>,
        turns: Vec<Turn>,
        stats: &mut Stats,
    ) -> Played {
        let of_second = Rows::of_second(&self.second.borrow().world);
        self.first.quiet();
        self.clock.meet();
        let changed = of_second.differs(&Rows::of_second(&self.second.borrow().world));
        self.must_not_change(changed, SECOND);
        let of_first = Rows::of_first(&self.first.world);
        super::quiet(&mut self.second.borrow_mut());
        self.clock.meet();
        let changed = of_first.differs(&Rows::of_first(&self.first.world));
        self.must_not_change(changed, ACCOUNT);
        let second = super::played(&self.second.borrow(), stats);
        let first = self.first.finish(stats);
        // Both counted it.
        stats.histories -= 1;
        let violations: Vec<Violation> = first.violations.into_iter().chain(second.violations).collect();
        let broke =
            violations.first().map_or_else(|| "nothing".to_owned(), |one| format!("{} {}", one.check, one.rule));
        let billmanager = crate::record::Record {
            broke: broke.clone(),
            found: format!("seed {}", setting.seed),
            tier: Tier::One,
            setting: setting.clone(),
            acts: first.acts,
        };
        let billmanager = billmanager.with_faults(&first.injected);
        let orderbox = super::Record::new(broke, other, others, &second.injected);
        Played { violations, trace: first.trace, record: Record { turns, billmanager, orderbox } }
    }

    fn must_not_change(&self, changed: Option<String>, account: AccountId) {
        if let Some(what) = changed {
            let what = format!("account {account}: {what}");
            self.first.world.borrow_mut().violation("S8", "a module changes what another one has", what);
        }
    }
}

/// What the state holds of the licenses and services at one seller.
struct Rows(Vec<(LicenseId, Option<LicenseRow>)>, Vec<Vec<Intent>>);

impl Rows {
    fn of(store: &Store, account: AccountId, licenses: impl Iterator<Item = u32>, items: &[Item]) -> Self {
        let row = |id| (LicenseId(id), store.license(account, LicenseId(id)).ok().flatten());
        let intents = |item: &Item| store.open_intents_of_item(item.id).unwrap_or_default();
        Self(licenses.map(row).collect(), items.iter().map(intents).collect())
    }

    fn of_first(world: &Shared) -> Self {
        let world = world.borrow();
        let items: Vec<Item> = world.panel.services.iter().map(|service| service.item.clone()).collect();
        Self::of(&world.store, ACCOUNT, world.seller.licenses.iter().map(|lic| lic.id), &items)
    }

    fn of_second(world: &Hosting) -> Self {
        let world = world.borrow();
        let items: Vec<Item> = world.services.iter().map(|service| service.item.clone()).collect();
        Self::of(&world.store, SECOND, world.shop.orders.iter().map(|order| order.id), &items)
    }

    fn differs(&self, later: &Self) -> Option<String> {
        let rows = self.0.iter().zip(&later.0).find(|(before, after)| before != after);
        let row = rows.map(|(before, after)| format!("{before:?} became {after:?}"));
        row.or_else(|| (self.1 != later.1).then(|| format!("{:?} became {:?}", self.1, later.1)))
    }
}

#[derive(Debug)]
struct HostingBeside(Weak<RefCell<super::stage::World>>);

impl Beside for HostingBeside {
    fn module(&self) -> ModuleId {
        NUMBERS.module
    }

    fn items(&self) -> Vec<Item> {
        let world = self.0.upgrade();
        world
            .iter()
            .flat_map(|world| world.borrow().services.iter().map(|one| one.item.clone()).collect::<Vec<_>>())
            .collect()
    }

    fn holds(&self, name: LockName) -> bool {
        self.0.upgrade().is_some_and(|world| world.borrow().locks.contains(&name))
    }
}

#[derive(Debug)]
struct LicensesBeside(Weak<RefCell<crate::world::World>>);

impl Beside for LicensesBeside {
    fn module(&self) -> ModuleId {
        MODULE
    }

    fn items(&self) -> Vec<Item> {
        let world = self.0.upgrade();
        let items =
            |world: &Shared| world.borrow().panel.services.iter().map(|one| one.item.clone()).collect::<Vec<_>>();
        world.iter().flat_map(items).collect()
    }

    fn holds(&self, name: LockName) -> bool {
        self.0.upgrade().is_some_and(|world| world.borrow().has_lock(name))
    }
}

/// Every history with both kinds of seller that ever broke a rule; whether none does now.
pub fn play_regressions() -> bool {
    let (image, rules) = (Image::new(Tier::One, 93), Choices::new());
    let records: Vec<Record> = serde_json::from_str(include_str!("mixed_regressions.json")).expect("records");
    let mut good = true;
    for record in &records {
        for Violation { check, rule, what } in replay(record, false, &image, &rules).violations {
            println!(
                "both sellers: {check} {rule}: {what} (it broke {}, {})",
                record.orderbox.broke, record.billmanager.found
            );
            good = false;
        }
    }
    println!(
        "histories at both sellers that failed once: {}, {}",
        records.len(),
        if good { "none fails" } else { "some do" }
    );
    good
}

/// Plays one history and prints it whole, its record too; whether it breaks nothing.
pub fn show(seed: u64) -> bool {
    let played = play(seed, true, &Image::new(Tier::One, 93), &Choices::new(), &mut Stats::default());
    println!("{}", serde_json::to_string(&played.record).expect("JSON"));
    played.trace.iter().for_each(|line| println!("{line}"));
    played.violations.is_empty()
}

/// The first rule that a history breaks, if any.
pub fn broken(seed: u64, image: &Image, rules: &Choices, stats: &mut Stats) -> Option<Violation> {
    play(seed, false, image, rules, stats).violations.into_iter().next()
}

/// Plays histories from a seed on, so many or until told to stop, and prints what came of them; whether none broke a
/// rule, and the record of each that did is the same history.
pub fn run(first: u64, count: u64, is_over: &dyn Fn() -> bool) -> bool {
    let (image, rules) = (Image::new(Tier::One, 93), Choices::new());
    let met =
        super::tally("at both sellers", 6, (first, count), is_over, &|seed, stats| broken(seed, &image, &rules, stats));
    for (seed, _) in &met {
        let played = play(*seed, true, &image, &rules, &mut Stats::default());
        played.trace.iter().for_each(|line| println!("    {line}"));
        println!("  its record, for tests/sim/orderbox/mixed_regressions.json:");
        println!("{}", serde_json::to_string(&played.record).expect("JSON"));
    }
    met.is_empty()
}

/// A record means what it was made from, to the letter: so many histories from a seed on are compared.
pub fn records_are_true(first: u64, count: u64) -> bool {
    let (image, rules) = (Image::new(Tier::One, 93), Choices::new());
    let is_true = |seed: u64| {
        let played = play(seed, true, &image, &rules, &mut Stats::default());
        let text = serde_json::to_string(&played.record).expect("JSON");
        let again = replay(&serde_json::from_str(&text).expect("a record"), true, &image, &rules);
        // Acts are told with the faults that are planned for them.
        let lines = |trace: Vec<String>| trace.into_iter().filter(|line| !line.contains(" --- ")).collect::<Vec<_>>();
        let is_same = lines(played.trace) == lines(again.trace);
        if !is_same {
            println!("the record of seed {seed} at both sellers is another history");
        }
        is_same
    };
    (first..first + count).all(is_true)
}
