//! What can go wrong, where, and who decides it: by chance in a random history, by a list in a shrunk or enumerated
//! one. Every injected fault is remembered by run and point, so that a history can be replayed with fewer of them.

use std::cell::RefCell;
use std::collections::HashMap;

use pmisplicense::store::CommitFault;
use serde::{Deserialize, Serialize};

use crate::rng::Rng;

/// Kinds of places where something can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Between any two steps of a run.
    Step,
    /// A call that is sent once; the second value: it is an order.
    Once(bool),
    /// A repeatable change.
    Change,
    /// `soft.edit elid`
    Read,
    /// A page of the list.
    List,
    /// checkip, balance.
    Probe,
    /// The panel's tool.
    Panel,
    /// The panel's database.
    Db,
    /// A COMMIT of our state.
    Commit,
}

/// One thing that goes wrong. Times are seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The process dies here.
    Death,
    /// sync begins while the run is here, and runs to its end.
    SyncMeanwhile,
    /// The same run begins a second time.
    TwinMeanwhile,
    /// The run stands still for longer than leases and doubts last, and the other machine does its work.
    Pause,
    /// The machine's clock jumps by so much.
    ClockJump(i64),
    /// Refused by the network before the first byte left.
    NotSent,
    /// Sent, lost before it took effect.
    LostBefore,
    /// Took effect, the answer lost.
    LostAfter,
    /// No answer, and it takes effect so much later.
    Late(i64),
    /// A proxy sends it twice.
    Doubled,
    /// A proxy sends it a second time so much later.
    DoubledLate(i64),
    /// Refused for no reason, without effect.
    Refused,
    /// An error document though it took effect.
    RefusedButDone,
    /// The order is left unpaid.
    Unpaid,
    /// The order is left unpaid, and the answer lost.
    UnpaidLost,
    /// Done, and invisible for so long.
    NotReadable(i64),
    /// Done, and the answer names another license.
    WrongAnswer,
    /// Done, and the answer names none.
    EmptyAnswer,
    /// Done, and the answer cannot be read.
    Garbled,
    /// An answer of success, and nothing done.
    SaidDone,
    /// The account has no money left when it arrives.
    NoMoney,
    /// The read shows how it was before the last change.
    Stale,
    /// The read says that there is no such license.
    NotFound,
    /// The read shows another license.
    Another,
    /// The page leaves out its newest row, and the total with it.
    ListLags,
    /// The page leaves out a row, the total stays.
    ListShort,
    /// The list changes between the pages: a row comes twice.
    ListTwice,
    /// The list does not say how long it is.
    ListNoTotal,
    /// mgrctl cannot be started.
    ToolMissing,
    /// The panel refuses, without effect.
    ToolRefused,
    /// mgrctl is killed before it did anything.
    ToolLostBefore,
    /// mgrctl is killed after it did everything.
    ToolLostAfter,
    /// The database is away.
    DbAway,
    /// The database shows how the item was before its last change.
    DbLag,
    /// COMMIT fails, nothing written.
    CommitLost,
    /// COMMIT fails, everything written.
    CommitWritten,
    /// The disk is full from here to the end of the run.
    DiskFull,
}

impl Fault {
    /// Whether it happens between two steps, and not at a call or a commit.
    fn is_between(self) -> bool {
        matches!(self, Self::Death | Self::SyncMeanwhile | Self::TwinMeanwhile | Self::Pause | Self::ClockJump(_))
    }

    /// Whether it is another process, and not something that happens to the run.
    pub fn is_meanwhile(self) -> bool {
        matches!(self, Self::SyncMeanwhile | Self::TwinMeanwhile | Self::Pause)
    }

    /// The kind alone, for tables.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Death => "death",
            Self::SyncMeanwhile => "sync meanwhile",
            Self::TwinMeanwhile => "twin meanwhile",
            Self::Pause => "pause",
            Self::ClockJump(_) => "clock jump",
            Self::NotSent => "not sent",
            Self::LostBefore => "lost before effect",
            Self::LostAfter => "answer lost",
            Self::Late(delay) if delay <= 900 => "late",
            Self::Late(_) => "late beyond settle_s",
            Self::Doubled => "doubled",
            Self::DoubledLate(_) => "doubled late",
            Self::Refused => "refused",
            Self::RefusedButDone => "refused but done",
            Self::Unpaid => "unpaid",
            Self::UnpaidLost => "unpaid, answer lost",
            Self::NotReadable(_) => "not yet readable",
            Self::WrongAnswer => "another's answer",
            Self::EmptyAnswer => "empty answer",
            Self::Garbled => "garbled",
            Self::SaidDone => "said done, not done",
            Self::NoMoney => "no money",
            Self::Stale => "stale read",
            Self::NotFound => "false not found",
            Self::Another => "another license read",
            Self::ListLags => "list lags",
            Self::ListShort => "list short",
            Self::ListTwice => "list row twice",
            Self::ListNoTotal => "list without total",
            Self::ToolMissing => "mgrctl not started",
            Self::ToolRefused => "mgrctl refused",
            Self::ToolLostBefore => "mgrctl lost before",
            Self::ToolLostAfter => "mgrctl lost after",
            Self::DbAway => "database away",
            Self::DbLag => "database lag",
            Self::CommitLost => "commit failed",
            Self::CommitWritten => "commit failed, written",
            Self::DiskFull => "disk full",
        }
    }
}

/// Delays of late effects: within the settling time (900 s), just beyond, and days.
const DELAYS: [i64; 12] = [1, 5, 30, 60, 120, 300, 600, 850, 1_500, 7_200, 86_400, 5 * 86_400];

/// How often a second process begins between two steps of a run, in thousandths at full intensity.
const MEANWHILE: u32 = 2;

/// The same between two machines, which this is about.
const MEANWHILE_APART: u32 = 15;

impl Class {
    /// Everything that can go wrong at such a place, one value of each kind: for enumeration.
    pub fn all(self) -> Vec<Fault> {
        use Fault as F;
        let read = [F::NotSent, F::Garbled, F::Refused];
        match self {
            Self::Step => vec![F::Death, F::SyncMeanwhile, F::TwinMeanwhile],
            Self::Once(order) => {
                let mut all = vec![
                    F::NotSent,
                    F::LostBefore,
                    F::LostAfter,
                    F::Late(300),
                    F::Doubled,
                    F::DoubledLate(300),
                    F::Refused,
                    F::RefusedButDone,
                    F::NotReadable(120),
                    F::Garbled,
                    F::NoMoney,
                ];
                if !order {
                    all.push(F::SaidDone);
                }
                if order {
                    all.extend([F::Late(86_400), F::Unpaid, F::UnpaidLost, F::WrongAnswer, F::EmptyAnswer]);
                }
                all
            }
            Self::Change => {
                vec![F::NotSent, F::LostAfter, F::Late(20), F::Refused, F::RefusedButDone, F::NotReadable(20)]
            }
            Self::Read => [&read[..], &[F::Stale, F::NotFound, F::Another]].concat(),
            Self::List => [&read[..], &[F::ListLags, F::ListShort, F::ListTwice, F::ListNoTotal]].concat(),
            Self::Probe => read.to_vec(),
            Self::Panel => vec![F::ToolMissing, F::ToolRefused, F::ToolLostBefore, F::ToolLostAfter],
            Self::Db => vec![F::DbAway, F::DbLag],
            Self::Commit => vec![F::CommitLost, F::CommitWritten, F::DiskFull],
        }
    }

    /// How often something goes wrong here, in thousandths, at full intensity.
    fn weight(self) -> u32 {
        match self {
            Self::Step => 12,
            Self::Once(_) => 450,
            Self::Change => 120,
            Self::Read | Self::List | Self::Probe => 60,
            Self::Panel => 90,
            Self::Db => 25,
            Self::Commit => 30,
        }
    }

    fn draw(self, rng: &mut Rng) -> Fault {
        use Fault as F;
        let delay = |rng: &mut Rng| rng.pick(&DELAYS);
        match self {
            Self::Step if rng.chance(60) => F::ClockJump(rng.pick(&[-3_600, 3_600, -86_400, 2 * 86_400, 31 * 86_400])),
            Self::Step => F::Death,
            Self::Once(order) => match rng.below(if order { 18 } else { 13 }) {
                0 => F::NotSent,
                1 | 2 => F::LostBefore,
                3 | 4 => F::LostAfter,
                5 | 6 => F::Late(delay(rng)),
                7 => F::Doubled,
                8 => F::DoubledLate(rng.pick(&[1, 20, 400])),
                9 => F::Refused,
                10 => F::RefusedButDone,
                11 => F::NotReadable(rng.pick(&[2, 30, 300])),
                12 if order => rng.pick(&[F::Garbled, F::NoMoney]),
                12 => rng.pick(&[F::Garbled, F::NoMoney, F::SaidDone, F::SaidDone]),
                13 | 14 => F::Unpaid,
                15 => F::UnpaidLost,
                16 => F::WrongAnswer,
                _ => F::EmptyAnswer,
            },
            Self::Change => match rng.below(6) {
                0 => F::NotSent,
                1 => F::LostAfter,
                2 => F::Late(rng.pick(&[2, 20, 200])),
                3 => F::Refused,
                4 => F::RefusedButDone,
                _ => F::NotReadable(rng.pick(&[2, 20, 200])),
            },
            Self::Read | Self::List | Self::Probe | Self::Panel | Self::Db | Self::Commit => rng.pick(&self.all()),
        }
    }
}

/// A fault and its place in a run: the how-many-eth time that the run is at a step of that name. Steps that the
/// engine gains or loses elsewhere do not move it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    pub run: usize,
    pub step: &'static str,
    /// From 1.
    pub nth: u32,
    pub fault: Fault,
}

impl Planned {
    fn is_at(&self, place: &Place) -> bool {
        let between = place.class == Class::Step;
        self.run == place.run && self.nth == place.nth && self.step == place.step && self.fault.is_between() == between
    }
}

/// Who decides.
#[derive(Debug, Clone)]
pub enum Mode {
    /// Nothing goes wrong.
    Off,
    /// By chance; in thousandths of the full intensity.
    Random(u32),
    /// Exactly these.
    Fixed(Vec<Planned>),
    /// This one, at the first place of that name; and one more, told as in `Fixed`.
    At(&'static str, Fault, Option<Planned>),
}

/// A place where something could have gone wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub run: usize,
    /// The how-many-eth place of its run.
    pub point: u32,
    /// The how-many-eth of this class and name.
    pub nth: u32,
    pub class: Class,
    pub step: &'static str,
}

impl Place {
    pub fn planned(&self, fault: Fault) -> Planned {
        Planned { run: self.run, step: self.step, nth: self.nth, fault }
    }
}

/// The places that a run has passed.
#[derive(Debug, Default)]
pub struct Path(Vec<(bool, &'static str)>);

impl Path {
    /// The next place of run `run`.
    pub fn place(&mut self, run: usize, class: Class, step: &'static str) -> Place {
        let here = (class == Class::Step, step);
        self.0.push(here);
        let nth = self.0.iter().filter(|passed| **passed == here).count();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Place { run, point: number(self.0.len()), nth: number(nth), class, step }
    }

    /// The place between two steps that comes next, without passing it.
    pub fn ahead(&self, run: usize, step: &'static str) -> Place {
        let nth = self.0.iter().filter(|passed| **passed == (true, step)).count() + 1;
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Place { run, point: number(self.0.len() + 1), nth: number(nth), class: Class::Step, step }
    }
}

/// The source of faults of one history.
#[derive(Debug)]
pub struct Faults {
    pub mode: Mode,
    /// There are two machines.
    pub is_pair: bool,
    pub injected: Vec<Planned>,
    /// Every place that was passed, while somebody wants to know.
    pub passed: Option<Vec<Place>>,
}

impl Faults {
    pub fn new(mode: Mode) -> Self {
        Self { mode, is_pair: false, injected: Vec::new(), passed: None }
    }

    /// Whether a second process is to begin at this point of a run, and run to its end while the run holds its locks.
    pub fn meanwhile(&mut self, place: &Place, rng: &mut Rng) -> Option<Fault> {
        let fault = match &self.mode {
            Mode::Fixed(list) => list.iter().find(|one| one.fault.is_meanwhile() && one.is_at(place))?.fault,
            Mode::Random(intensity) if self.is_pair => rng
                .chance(MEANWHILE_APART * intensity / 1000)
                .then(|| rng.pick(&[Fault::SyncMeanwhile, Fault::TwinMeanwhile, Fault::Pause]))?,
            Mode::Random(intensity) => rng
                .chance(MEANWHILE * intensity / 1000)
                .then(|| rng.pick(&[Fault::SyncMeanwhile, Fault::TwinMeanwhile]))?,
            Mode::Off | Mode::At(..) => return None,
        };
        self.injected.push(place.planned(fault));
        Some(fault)
    }

    /// Whether something goes wrong at this place of a run.
    pub fn ask(&mut self, place: Place, rng: &mut Rng) -> Option<Fault> {
        if let Some(passed) = &mut self.passed {
            passed.push(place);
        }
        let class = place.class;
        let fault = match &self.mode {
            Mode::Off => None,
            Mode::At(at, fault, _) if *at == place.step && class != Class::Step => Some(*fault),
            Mode::At(..) => None,
            Mode::Random(intensity) => rng.chance(class.weight() * intensity / 1000).then(|| class.draw(rng)),
            Mode::Fixed(list) => {
                list.iter().find(|one| !one.fault.is_meanwhile() && one.is_at(&place)).map(|one| one.fault)
            }
        };
        if let Some(fault) = fault {
            if let Mode::At(_, _, next) = &self.mode {
                self.mode = next.map_or(Mode::Off, |next| Mode::Fixed(vec![next]));
            }
            self.injected.push(place.planned(fault));
        }
        fault
    }
}

/// A world whose runs write into the program's state.
pub trait Commits {
    /// What goes wrong with the COMMIT that a run is at.
    fn ask_of_commit(&mut self, run: usize) -> Option<Fault>;

    /// Whether the disk of a run is full. If so, it stays full.
    fn disk_full(&mut self, run: usize) -> &mut bool;
}

/// Decides whether a COMMIT of a run fails, and how.
pub fn commit_fault(world: &RefCell<impl Commits>, run: usize) -> Option<CommitFault> {
    let mut world = world.borrow_mut();
    if *world.disk_full(run) {
        return Some(CommitFault::NotWritten);
    }
    let fault = world.ask_of_commit(run);
    *world.disk_full(run) = fault == Some(Fault::DiskFull);
    match fault {
        Some(Fault::CommitLost | Fault::DiskFull) => Some(CommitFault::NotWritten),
        Some(Fault::CommitWritten) => Some(CommitFault::Written),
        _ => None,
    }
}

/// Counts over many histories.
#[derive(Debug, Default)]
pub struct Stats {
    pub histories: u64,
    pub runs: u64,
    pub steps: u64,
    pub by_mark: u64,
    pub named: u64,
    /// (step, fault, attempt) -> times.
    pub coverage: HashMap<(&'static str, &'static str, u8), u64>,
    pub ends: HashMap<&'static str, u64>,
}

impl Stats {
    pub fn add(&mut self, other: Self) {
        self.histories += other.histories;
        self.runs += other.runs;
        self.steps += other.steps;
        self.by_mark += other.by_mark;
        self.named += other.named;
        for (key, count) in other.coverage {
            *self.coverage.entry(key).or_default() += count;
        }
        for (key, count) in other.ends {
            *self.ends.entry(key).or_default() += count;
        }
    }
}
