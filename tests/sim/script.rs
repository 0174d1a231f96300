//! A history before it is played: what the world is like, and numbers by which it is decided what happens in it. All
//! of it comes from one seed. What came of it is a record, which needs neither.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::choices::FOREIGN_POOL;
use crate::outside::Outside;
use crate::panel::PanelHabits;
use crate::rng::Rng;
use crate::seller::Habits;
use crate::trouble::Trouble;

/// A service that exists at the beginning, ordered and not yet opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    pub client: u32,
    pub code: Cow<'static, str>,
    pub itemtype: Cow<'static, str>,
    pub period: i32,
    /// The last number of its address; two services may have the same.
    pub ip: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<i64>,
    pub licname: bool,
}

/// What the world of a history is like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Draws what is no fault: how long calls take, which of several runs goes on.
    pub seed: u64,
    pub align_year: bool,
    /// Which of the prepared settings.
    #[serde(with = "crate::choices::by_name")]
    pub rules: usize,
    pub foreign: u32,
    /// The last service is a server of another module, with a control panel.
    pub server: bool,
    /// The last service is a module of the first one's license.
    pub module: bool,
    pub starts: Vec<Start>,
    pub panel: PanelHabits,
    pub seller: Habits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The panel runs what is due for an item, or makes a new operation.
    Step { item: u32, pick: u32 },
    /// Several runs at once.
    Group { item: u32, other: u32, pick: u32 },
    /// `sync` over everything.
    Sync,
    /// Time goes by.
    Wait { s: i64 },
    /// The seller's administrator, or a neighbour on the account, does something.
    Seller { item: u32, pick: u32 },
    /// The client types something without a run.
    Client { item: u32, pick: u32 },
    /// Something befalls the whole installation.
    Trouble(Trouble),
    /// Something changes outside.
    Outside(Outside),
    /// An operator has another's license imported.
    Import,
    /// An operator has the differences repaired.
    Reconcile,
    /// An operator decides what is left to him.
    Decide,
}

/// Runs in a history before its quiet: a short one shows as much for its time as any, and shrinks better.
const MAX_RUNS: u32 = 10;

impl Action {
    /// The same of services as they are numbered now.
    pub fn of_present(self, present: impl Fn(u32) -> u32) -> Self {
        match self {
            Self::Step { item, pick } => Self::Step { item: present(item), pick },
            Self::Group { item, other, pick } => Self::Group { item: present(item), other: present(other), pick },
            Self::Seller { item, pick } => Self::Seller { item: present(item), pick },
            Self::Client { item, pick } => Self::Client { item: present(item), pick },
            Self::Outside(outside) => Self::Outside(outside.of_present(present)),
            Self::Sync | Self::Wait { .. } | Self::Trouble(_) | Self::Import | Self::Reconcile | Self::Decide => self,
        }
    }

    /// How many runs it starts, at most.
    fn runs(self) -> u32 {
        match self {
            Self::Step { .. } | Self::Sync | Self::Import | Self::Reconcile | Self::Decide => 1,
            Self::Group { pick, .. } => 2 + u32::from(pick.is_multiple_of(11)),
            Self::Wait { .. } | Self::Seller { .. } | Self::Client { .. } | Self::Trouble(_) | Self::Outside(_) => 0,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Script {
    pub setting: Setting,
    pub actions: Vec<Action>,
    /// Faults in thousandths of the full intensity.
    pub intensity: u32,
}

impl Script {
    pub fn draw(seed: u64) -> Self {
        let mut rng = Rng::fork(seed, 1);
        let rng = &mut rng;
        let seller = Habits::draw(rng).odd(&mut Rng::fork(seed, 6));
        let mut panel =
            PanelHabits { moves_before: rng.chance(500), end_at_open: rng.chance(300), reuses_numbers: false };
        let items = rng.pick(&[1, 2, 2, 3, 3, 4]);
        let mut starts: Vec<Start> = (0..items).map(|index| start(rng, index)).collect();
        let count = 4 + rng.below(6);
        let mut actions = Vec::new();
        for item in 1..=items {
            actions.push(Action::Step { item, pick: 0 });
        }
        for _ in 0..count {
            actions.push(action(rng, items));
        }
        let align_year = rng.chance(150);
        let mut rules = crate::choices::draw(rng);
        let mut foreign = rng.pick(&[0, 0, 1, 2]);
        let intensity = rng.pick(&[0, 300, 600, 1000, 1000, 1500]);
        let mut more = Rng::fork(seed, 4);
        panel.reuses_numbers = more.chance(150);
        let (server, module) = (more.chance(120), more.chance(60) && items > 1);
        let early = usize::try_from(items).unwrap_or(1);
        if items > 1 && more.chance(150) {
            // Two services want a license at the same time.
            actions.insert(early, Action::Group { item: 1, other: 2, pick: 4 });
        }
        if items > 1 && more.chance(40) {
            // Two services open at the same time, and one free license fits both.
            (rules, foreign) = (FOREIGN_POOL, foreign.max(1));
            for start in &mut starts[..2] {
                (start.code, start.itemtype, start.period, start.nodes) = ("55227".into(), "soft".into(), 1, None);
            }
            actions.insert(0, Action::Group { item: 1, other: 2, pick: 4 });
        }
        if foreign > 1 && more.chance(200) {
            actions.insert(early, Action::Import);
        }
        if more.chance(60) {
            actions.push(Action::Reconcile);
        }
        if more.chance(60) {
            actions.push(Action::Decide);
        }
        let mut runs = 0;
        actions.retain(|action| {
            runs += action.runs();
            runs <= MAX_RUNS
        });
        crate::trouble::draw(seed, &mut actions);
        crate::outside::draw(seed, items, &mut actions);
        let module = module && !server;
        let setting = Setting { seed, align_year, rules, foreign, server, module, starts, panel, seller };
        Self { setting, actions, intensity }
    }
}

fn start(rng: &mut Rng, index: u32) -> Start {
    let (code, itemtype) = rng.pick(&[
        ("55227", "soft"),
        ("55227", "soft"),
        ("55227", "soft"),
        ("55228", "soft"),
        ("55230", "soft"),
        ("9203", "softexternal"),
        ("nopanel", "soft"),
    ]);
    let nodes = (code == "55230").then(|| i64::from(rng.below(3)));
    Start {
        client: 1 + if rng.chance(200) { 0 } else { index },
        code: code.into(),
        itemtype: itemtype.into(),
        period: if code == "9203" { 1 } else { rng.pick(&[1, 1, 1, 12, 12, 3, 0, -100]) },
        ip: if rng.chance(80) { 1 } else { u8::try_from(index).unwrap_or(0) + 1 },
        nodes,
        licname: rng.chance(300),
    }
}

fn action(rng: &mut Rng, items: u32) -> Action {
    let item = 1 + rng.below(items);
    let pick = u32::try_from(rng.next() >> 33).unwrap_or(0);
    match rng.below(100) {
        0..=44 => Action::Step { item, pick },
        45..=57 => Action::Group { item, other: 1 + rng.below(items), pick },
        58..=65 => Action::Sync,
        66..=85 => Action::Wait {
            s: rng.pick(&[
                5,
                60,
                70,
                300,
                901,
                1_000,
                3_600,
                86_400,
                86_400 * 10,
                86_400 * 31,
                86_400 * 33,
                86_400 * 70,
            ]),
        },
        86..=95 => Action::Seller { item, pick },
        _ => Action::Client { item, pick },
    }
}
