//! Two machines with one log (docs/cluster.md): each has its replica in a file, and both have one log in memory whose
//! answers get lost, come late, or come from a server that lags. A third replica watches for the checks.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use pmisplicense::store::{
    Clocks, ClusterLog, ClusterRules, Entry, Head, Installation, LogError, Opened, Position, Store, membership,
    open_ready, prepare,
};

use crate::image::panel_id;
use crate::rng::Rng;
use crate::world::moment;

/// The replica that checks look at.
pub const WATCHER: usize = 2;

const NAMES: [&str; 3] = ["a", "b", "watcher"];

/// Runs of the quiet and second processes have tags from there on: see `play`.
use crate::play::{BESIDE, BESIDES, QUIET};

/// The machine that a run is on. A second process begins on the other machine.
pub fn machine_of(tag: usize) -> usize {
    match tag {
        tag if tag >= QUIET => (tag / 8) % 2,
        tag if tag >= BESIDE => 1 - machine_of((tag - BESIDE) / BESIDES),
        tag => (tag / 8 + tag % 8) % 2,
    }
}

/// What a machine calls itself.
pub fn name(machine: usize) -> &'static str {
    NAMES[machine]
}

thread_local! {
    /// The world's time, and how far the clock of each machine is off.
    static NOW_MS: Cell<i64> = const { Cell::new(0) };
    static SKEW_MS: Cell<[i64; 2]> = const { Cell::new([0; 2]) };
}

/// Sets the clocks that the stores read.
pub fn set_clocks(now_ms: i64, skew_ms: [i64; 2]) {
    NOW_MS.set(now_ms);
    SKEW_MS.set(skew_ms);
}

fn true_now() -> DateTime<Utc> {
    moment(NOW_MS.get())
}

fn uptime() -> Duration {
    Duration::from_millis(NOW_MS.get().unsigned_abs())
}

/// The world's time goes on with its next step; what waits here only has to see an end of it.
fn sleep(time: Duration) {
    NOW_MS.set(NOW_MS.get() + i64::try_from(time.as_millis()).unwrap_or(0));
}

fn rules(machine: usize) -> ClusterRules {
    let now = [|| moment(NOW_MS.get() + SKEW_MS.get()[0]), || moment(NOW_MS.get() + SKEW_MS.get()[1]), true_now];
    ClusterRules {
        machine: NAMES[machine].to_owned(),
        owner: format!("{} boot folder", NAMES[machine]),
        queue: None,
        caught_up: None,
        lease: Duration::from_secs(180),
        send_by: Duration::from_secs(60),
        call: Duration::from_secs(60),
        settle: Duration::from_secs(u64::from(SETTLE_S)),
        clocks: Clocks { now: now[machine], uptime, sleep },
    }
}

/// The settling time of the settings, what an order may take to leave, and the longest call.
pub const SETTLE_S: u32 = 900 + 60 + 60;

/// The log.
#[derive(Default)]
struct Shared {
    entries: Vec<Entry>,
    images: BTreeMap<(u64, u32), Vec<u8>>,
    /// Inserts that a server which was cut off still carries out.
    late: Vec<(Position, Entry, bool)>,
    /// Nothing goes wrong by chance.
    is_quiet: bool,
    rng: Option<Rng>,
    /// How many of the newest entries the first server lacks in a scene (`between`).
    lags: usize,
    /// Every insert of a scene is carried out, and its answer is lost.
    loses_answers: bool,
    /// The servers were started anew, and nothing was written since: none can prove that it has every entry.
    is_unwitnessed: bool,
}

type Database = Rc<RefCell<Shared>>;

impl Shared {
    fn insert(&mut self, after: Position, entry: &Entry, is_again: bool) -> Result<bool, LogError> {
        if !self.entries.iter().rev().any(|other| other.position == after) {
            return Ok(false);
        }
        if self.entries.last().is_some_and(|last| last.position.seq >= entry.position.seq) {
            return Err(LogError::Away("1062 duplicate entry".to_owned()));
        }
        self.entries.push(entry.clone());
        self.is_unwitnessed &= is_again;
        Ok(true)
    }

    /// True so many times in a thousand, while things go wrong.
    fn chance(&mut self, per_mille: u32) -> bool {
        !self.is_quiet && self.rng.as_mut().is_some_and(|rng| rng.chance(per_mille))
    }

    /// What was cut off is carried out at some moment.
    fn land(&mut self) {
        if !self.late.is_empty() && (self.is_quiet || self.chance(300)) {
            for (after, entry, is_again) in std::mem::take(&mut self.late) {
                let _ = self.insert(after, &entry, is_again);
            }
        }
    }
}

/// The log as a run sees it. The first of its two servers may lag or be away.
struct MemoryLog {
    shared: Database,
    machine: usize,
    is_alive: Rc<Cell<bool>>,
    host: usize,
    connections: u64,
}

impl MemoryLog {
    fn ask(&mut self) -> Result<(), LogError> {
        if !self.is_alive.get() {
            let advice = Box::new(pmisplicense::text!("the process is gone", "процесса нет").into());
            return Err(LogError::Unfit { cause: "the process is gone".to_owned(), advice });
        }
        let mut shared = self.shared.borrow_mut();
        shared.land();
        if self.machine != WATCHER && shared.chance(5) {
            self.host = 1 - self.host;
            self.connections += 1;
            return Err(LogError::Away("2013 lost connection".to_owned()));
        }
        Ok(())
    }

    /// How many entries this server shows: its newest one may be missing.
    fn shown(&self) -> usize {
        let mut shared = self.shared.borrow_mut();
        if self.host != 0 || self.machine == WATCHER {
            return shared.entries.len();
        }
        let lags = shared.lags + usize::from(shared.chance(20));
        shared.entries.len().saturating_sub(lags).max(1)
    }
}

impl ClusterLog for MemoryLog {
    fn head(&mut self) -> Result<Head, LogError> {
        self.ask()?;
        let shown = self.shown();
        let shared = self.shared.borrow();
        let (position, is_witnessed) = (shared.entries[shown - 1].position, !shared.is_unwitnessed);
        Ok(Head { position, clock: true_now(), identity: "galera:one".to_owned(), is_witnessed })
    }

    fn clock(&mut self) -> Result<DateTime<Utc>, LogError> {
        self.ask().map(|()| true_now())
    }

    fn entries(&mut self, from: u64, limit: u32) -> Result<Vec<Entry>, LogError> {
        self.ask()?;
        let shown = self.shown();
        let shared = self.shared.borrow();
        let begins = shared.entries[0].position.seq;
        let skipped = usize::try_from(from.saturating_sub(begins)).unwrap_or(usize::MAX);
        Ok(shared.entries[..shown].iter().skip(skipped).take(limit as usize).cloned().collect())
    }

    fn append(&mut self, after: Position, entry: &Entry, is_again: bool) -> Result<bool, LogError> {
        self.ask()?;
        let mut shared = self.shared.borrow_mut();
        let lost = || Err(LogError::Away("2013 lost connection".to_owned()));
        if shared.chance(10) {
            return lost();
        }
        if shared.chance(10) {
            shared.late.push((after, entry.clone(), is_again));
            return lost();
        }
        let written = shared.insert(after, entry, is_again);
        if shared.loses_answers || shared.chance(15) { lost() } else { written }
    }

    fn begin(&mut self, first: &Entry) -> Result<bool, LogError> {
        self.shared.borrow_mut().entries.push(first.clone());
        Ok(true)
    }

    fn images(&mut self) -> Result<Vec<(Position, Vec<u8>)>, LogError> {
        let shared = self.shared.borrow();
        let label = |entry: &Entry| Some((entry.position, shared.images.get(&(entry.position.seq, 0))?.clone()));
        Ok(shared.entries.iter().rev().filter_map(label).collect())
    }

    fn image_part(&mut self, at: Position, part: u32) -> Result<Option<Vec<u8>>, LogError> {
        Ok(self.shared.borrow().images.get(&(at.seq, part)).cloned())
    }

    fn put_image_part(&mut self, at: Position, part: u32, body: &[u8]) -> Result<(), LogError> {
        self.shared.borrow_mut().images.insert((at.seq, part), body.to_owned());
        Ok(())
    }

    fn remove_before(&mut self, seq: u64) -> Result<(), LogError> {
        self.shared.borrow_mut().images.retain(|(of, _), _| *of >= seq);
        Ok(())
    }

    fn next_host(&mut self) {
        self.host = 1 - self.host;
        self.connections += 1;
    }

    fn connection(&self) -> u64 {
        self.connections
    }

    fn hosts(&self) -> usize {
        2
    }
}

/// The machines and their log, as every history begins with them.
pub struct Machines {
    dir: PathBuf,
    shared: Database,
    beginning: Vec<Entry>,
}

impl Machines {
    /// In a folder that the caller removes.
    pub fn new(dir: &Path) -> Self {
        let shared = Database::default();
        shared.borrow_mut().is_quiet = true;
        let machines = Self { dir: dir.to_owned(), shared, beginning: Vec::new() };
        let template = |machine: usize| dir.join(format!("template-{}.db", NAMES[machine]));
        let who = Installation { pinned: None, fresh: &panel_id(), machine: NAMES[0] };
        prepare(&template(0), who, DateTime::UNIX_EPOCH).expect("a state");
        drop(membership::begin(&template(0), machines.log(0), rules(0), &mut |_, _| {}).expect("the log begins"));
        for machine in 1..NAMES.len() {
            let joined =
                membership::join(&template(machine), machines.log(machine), rules(machine), true_now(), &mut |_, _| {});
            drop(joined.expect("a machine joins"));
        }
        let beginning = machines.shared.borrow().entries.clone();
        Self { beginning, ..machines }
    }

    fn log(&self, machine: usize) -> Box<dyn ClusterLog> {
        self.log_of(machine, Rc::new(Cell::new(true)))
    }

    fn log_of(&self, machine: usize, is_alive: Rc<Cell<bool>>) -> Box<dyn ClusterLog> {
        Box::new(MemoryLog { shared: Rc::clone(&self.shared), machine, is_alive, host: 0, connections: 1 })
    }

    fn file(&self, machine: usize) -> PathBuf {
        self.dir.join(NAMES[machine]).join("state.db")
    }

    /// The beginning of a history.
    pub fn begin(&self, seed: u64) {
        for machine in NAMES {
            self.replica_of_the_beginning(machine);
        }
        let mut shared = self.shared.borrow_mut();
        shared.entries.clone_from(&self.beginning);
        shared.late.clear();
        (shared.lags, shared.loses_answers, shared.is_unwitnessed) = (0, false, false);
        shared.is_quiet = false;
        shared.rng = Some(Rng::fork(seed, 3));
    }

    fn replica_of_the_beginning(&self, machine: &str) {
        let folder = self.dir.join(machine);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).expect("a folder");
        let template = self.dir.join(format!("template-{machine}.db"));
        std::fs::copy(template, folder.join("state.db")).expect("a copy");
    }

    /// From now on the log answers well.
    pub fn quiet(&self) {
        self.set_quiet(true);
    }

    /// Makes the log answer well, or badly. Returns how it answered before.
    pub fn set_quiet(&self, is_quiet: bool) -> bool {
        std::mem::replace(&mut self.shared.borrow_mut().is_quiet, is_quiet)
    }

    /// The places of all entries.
    pub fn places(&self) -> Vec<Position> {
        self.shared.borrow().entries.iter().map(|entry| entry.position).collect()
    }

    /// The number of the newest entry that a machine has applied.
    fn newest_of(&self, machine: usize) -> u64 {
        let replica = rusqlite::Connection::open(self.file(machine)).expect("a replica");
        let seq: i64 =
            replica.query_row("SELECT seq FROM cluster_replica", [], |row| row.get(0)).expect("the replica's number");
        seq.unsigned_abs()
    }

    /// The log loses some of its newest entries, and its servers were started anew, which tells every machine of it
    /// unless `unnoticed`. The watching replica forgets them too, and has to be opened again. Returns a machine that
    /// has them all; `None`: there is none, and nothing was lost.
    pub fn lose_end(&self, entries: usize, unnoticed: bool) -> Option<usize> {
        let newest = self.places().last()?.seq;
        let ahead = [0, 1].into_iter().find(|machine| self.newest_of(*machine) == newest)?;
        // A machine that has only some of them would write those again, and the hold behind them: a fork for the other.
        let others = usize::try_from(newest - self.newest_of(1 - ahead)).unwrap_or(0);
        let entries = if others > 0 && !unnoticed { entries.min(others) } else { entries };
        let mut shared = self.shared.borrow_mut();
        // The entries of the beginning stay: an image was made of them.
        let left = shared.entries.len().saturating_sub(entries).max(self.beginning.len());
        shared.entries.truncate(left);
        shared.late.clear();
        shared.is_unwitnessed = !unnoticed;
        drop(shared);
        self.replica_of_the_beginning(NAMES[WATCHER]);
        Some(ahead)
    }

    /// The state file of a machine is lost, and an operator has it built anew from the log.
    pub fn rebuild(&self, machine: usize) {
        let was_quiet = self.set_quiet(true);
        let file = self.file(machine);
        let folder = file.parent().expect("a folder");
        std::fs::remove_dir_all(folder).expect("its folder");
        std::fs::create_dir(folder).expect("a folder");
        let joined = membership::join(&file, self.log(machine), rules(machine), true_now(), &mut |_, _| {});
        drop(joined.expect("the machine joins"));
        self.set_quiet(was_quiet);
    }

    /// The log loses its newest entry.
    pub fn lose_newest(&self) {
        self.shared.borrow_mut().entries.pop();
    }

    /// From now on the first server lacks so many of the newest entries.
    pub fn lag(&self, entries: usize) {
        self.shared.borrow_mut().lags = entries;
    }

    /// From now on no insert is answered.
    pub fn lose_answers(&self) {
        self.shared.borrow_mut().loses_answers = true;
    }

    /// The state as a run on a machine opens it. `is_alive`: once it is false, nothing that the run still does reaches
    /// the log.
    pub fn open(&self, machine: usize, is_alive: &Rc<Cell<bool>>) -> Store {
        let who = Installation { pinned: None, fresh: &panel_id(), machine: NAMES[machine] };
        let Ok(Opened::Replica(store)) = open_ready(&self.file(machine), who, true_now()) else {
            panic!("no replica of {}", NAMES[machine]);
        };
        store.in_cluster(self.log_of(machine, Rc::clone(is_alive)), rules(machine)).expect("a replica")
    }
}
