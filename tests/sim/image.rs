//! Where the state lives. Tier 1: one connection in memory, emptied for every history, statements cached. Tier 2: a
//! connection a run on one shared in-memory database. Tier 3: files with the shipped pragmas, opened anew by every
//! run. The tier of two machines: files again, replicas of one log (`machines`).

use std::cell::Cell;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::rc::Rc;

use pmisplicense::model::ids::PanelId;
use pmisplicense::model::rules::Rules;
use pmisplicense::store::{Installation, Store, open_file};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use crate::machines::{Machines, WATCHER, machine_of};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    One,
    Two,
    Three,
    /// Two machines.
    Pair,
}

pub struct Image {
    tier: Tier,
    machines: Option<Machines>,
    /// The settings that histories choose from, with the settling time of a cluster.
    pub shared_rules: Vec<Rules>,
    anchor: Rc<Connection>,
    store: Store,
    uri: String,
    dir: tempfile::TempDir,
    /// All tables of the schema, children before parents.
    tables: Vec<String>,
    /// Statements that make a state as good as new. Deleting is cheaper than any other way back: whatever replaces
    /// pages under a connection makes it compile all its statements anew.
    emptying: Vec<String>,
}

pub fn panel_id() -> PanelId {
    PanelId::parse("simulate").expect("eight letters")
}

/// A state file as a run of its own opens it.
fn opened(path: &std::path::Path) -> Store {
    let who = Installation { pinned: None, fresh: &panel_id(), machine: "sim" };
    open_file(path, who, chrono::DateTime::UNIX_EPOCH).expect("the state file")
}

/// Makes an empty state file and takes its schema as statements.
fn schema(dir: &std::path::Path) -> Vec<String> {
    let path = dir.join("template").join("state.db");
    drop(opened(&path));
    let conn = Connection::open(&path).expect("the template");
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("a checkpoint");
    let mut statement = conn.prepare("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").expect("its schema");
    let rows = statement.query_map([], |row| row.get(0)).expect("its schema");
    rows.map(|row| row.expect("a statement")).collect()
}

/// The tables of a state: later ones refer to earlier ones, so they come first.
fn tables(conn: &Connection) -> Vec<String> {
    let all = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid DESC";
    let mut statement = conn.prepare(all).expect("its tables");
    let names = statement.query_map([], |row| row.get(0)).expect("its tables");
    names.map(|name| name.expect("a name")).collect()
}

fn emptying(tables: &[String]) -> Vec<String> {
    let mut statements = vec!["BEGIN IMMEDIATE".to_owned()];
    statements.extend(tables.iter().map(|table| format!("DELETE FROM {table}")));
    let own = "INSERT INTO meta (name, value) VALUES ('panel_id', 'simulate'), ('machine', 'sim')";
    statements.extend([own.to_owned(), "COMMIT".to_owned()]);
    statements
}

/// A folder in memory where there is one: a death of a process loses nothing that was written, synced or not, and
/// waiting for a disk would be most of the third tier's time.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder")
}

impl Image {
    /// `number`: tells the databases of several threads apart.
    pub fn new(tier: Tier, number: u32) -> Self {
        let dir = folder();
        let schema = schema(dir.path());
        let uri = match tier {
            Tier::One | Tier::Three | Tier::Pair => ":memory:".to_owned(),
            Tier::Two => format!("file:sim{number}?mode=memory&cache=shared"),
        };
        let conn = Connection::open(&uri).expect("a database in memory");
        // A quarter of the usual: every page that a transaction touches is copied into its journal.
        conn.pragma_update(None, "page_size", 1024).expect("a page size");
        for statement in &schema {
            conn.execute_batch(statement).expect("a table");
        }
        let tables = tables(&conn);
        let emptying = emptying(&tables);
        let anchor = Rc::new(conn);
        let store = Store::from_connection(Rc::clone(&anchor));
        let machines = (tier == Tier::Pair).then(|| Machines::new(dir.path()));
        let mut shared_rules = crate::choices::rules();
        shared_rules.iter_mut().for_each(|rules| rules.upstream.settle_s = crate::machines::SETTLE_S);
        Self { tier, machines, shared_rules, anchor, store, uri, dir, tables, emptying }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("state").join("state.db")
    }

    /// The machines, in the tier that has two.
    pub fn machines(&self) -> Option<&Machines> {
        self.machines.as_ref()
    }

    /// An empty state for the next history.
    pub fn empty(&self, seed: u64) {
        match self.tier {
            Tier::Pair => self.machines.iter().for_each(|machines| machines.begin(seed)),
            Tier::One | Tier::Two => {
                for statement in &self.emptying {
                    self.anchor.prepare_cached(statement).and_then(|mut it| it.execute([])).expect("an emptied state");
                }
            }
            Tier::Three => {
                let folder = self.dir.path().join("state");
                let _ = std::fs::remove_dir_all(&folder);
                std::fs::create_dir(&folder).expect("a folder");
                std::fs::copy(self.dir.path().join("template").join("state.db"), self.file()).expect("a copy");
            }
        }
    }

    /// Whether the state can be put aside and taken away: tier 3 has no anchor for it, and goes without.
    pub fn is_in_memory(&self) -> bool {
        matches!(self.tier, Tier::One | Tier::Two)
    }

    /// Copies the state aside, as `backup` does.
    pub fn copy(&self) {
        self.anchor.execute_batch("ATTACH ':memory:' AS old").unwrap_or_default();
        for table in &self.tables {
            let sql =
                format!("DROP TABLE IF EXISTS old.{table}; CREATE TABLE old.{table} AS SELECT * FROM main.{table}");
            self.anchor.execute_batch(&sql).expect("a copy");
        }
    }

    /// Puts the copy back; `marked`: as `restore` marks it.
    pub fn restore(&self, marked: bool) {
        let mut sql = "BEGIN IMMEDIATE;".to_owned();
        // What others refer to is deleted last and written first.
        for table in &self.tables {
            let _ = write!(sql, "DELETE FROM main.{table};");
        }
        for table in self.tables.iter().rev() {
            let _ = write!(sql, "INSERT INTO main.{table} SELECT * FROM old.{table};");
        }
        if marked {
            sql.push_str("INSERT OR REPLACE INTO meta (name, value) VALUES ('restored', 'by the simulator');");
        }
        sql.push_str("COMMIT;");
        self.anchor.execute_batch(&sql).expect("a state put back");
    }

    /// The state as one run opens it. `is_alive`: until it is false.
    pub fn open(&self, tag: usize, is_alive: &Rc<Cell<bool>>) -> Store {
        if let Some(machines) = &self.machines {
            return machines.open(machine_of(tag), is_alive);
        }
        match self.tier {
            Tier::One => self.store.clone(),
            Tier::Two => Store::from_connection(Rc::new(Connection::open(&self.uri).expect("a connection"))),
            Tier::Three | Tier::Pair => opened(&self.file()),
        }
    }

    /// The state as checks look at it.
    pub fn look(&self) -> Store {
        match self.tier {
            Tier::One | Tier::Two => self.store.clone(),
            Tier::Three => opened(&self.file()),
            Tier::Pair => match &self.machines {
                Some(machines) => machines.open(WATCHER, &Rc::new(Cell::new(true))),
                None => self.store.clone(),
            },
        }
    }
}
