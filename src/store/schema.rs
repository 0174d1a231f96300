//! The schema of the state file: `schema.sql` for a new state, and numbered forward migrations for the states of older
//! programs. A change of the schema is a new migration and a change of `schema.sql`; a test compares what both lead to.
//! A migration that was released is never edited: frozen files of every version are opened by a test.

use rusqlite::Connection;

/// `PRAGMA application_id`: distinguishes our file from any other SQLite file.
pub const APPLICATION_ID: i32 = 0x706d_6c31;

/// The tables and indexes of a new state. Replaying the migrations, most of which rename what earlier ones made, would
/// take ten times as long.
const NEWEST: &str = include_str!("schema.sql");

/// Migrations in order; after number N the file's `user_version` is N.
pub const MIGRATIONS: &[&str] = &[VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5, VERSION_6];

/// The version that this program writes.
pub fn version() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}

/// Days are texts `YYYY-MM-DD`. Moments are seconds since 1970 (UTC). Idempotency keys and incarnations are the texts
/// of `model::journal`.
const VERSION_1: &str = "
-- Single values: panel_id, machine, last_number (of orders), restored, taken_in, adopted:MODULE.
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- Accounts at the seller that this state has met. returns_remoteid: 1 seen, 0 seen that it does not, NULL not known.
CREATE TABLE account (
    id INTEGER PRIMARY KEY,
    url TEXT NOT NULL,
    username TEXT NOT NULL,
    returns_remoteid INTEGER,
    highest_license INTEGER NOT NULL DEFAULT 0,
    refused_kind TEXT,
    refused_at INTEGER,
    refused_balance INTEGER,
    UNIQUE (url, username)
) STRICT;

-- The account that a processing module of the panel was first seen with.
CREATE TABLE module (id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES account (id)) STRICT;

-- Items by number and day of creation. choice: the internal name last carried out (nopanel included).
CREATE TABLE item (
    id INTEGER NOT NULL,
    created TEXT NOT NULL,
    client INTEGER NOT NULL,
    closes INTEGER NOT NULL DEFAULT 0,
    choice TEXT,
    last_license INTEGER,
    settled_end TEXT,
    PRIMARY KEY (id, created)
) STRICT, WITHOUT ROWID;

-- Licenses that are ours. state: bound, claimed, to_free, pool, stopped, deleted. life: of bound and claimed ones.
CREATE TABLE license (
    account INTEGER NOT NULL REFERENCES account (id),
    id INTEGER NOT NULL,
    family TEXT NOT NULL,
    module INTEGER NOT NULL,
    state TEXT NOT NULL,
    life TEXT,
    item INTEGER,
    internal_name TEXT NOT NULL,
    mark TEXT,
    pricelist INTEGER NOT NULL,
    nodes INTEGER,
    changes INTEGER NOT NULL DEFAULT 0,
    name TEXT NOT NULL,
    ip TEXT,
    last_ip TEXT,
    status INTEGER NOT NULL,
    lickey TEXT,
    key_before TEXT,
    created TEXT,
    expires TEXT,
    ip_changed TEXT,
    key_changed TEXT,
    since INTEGER NOT NULL,
    not_before INTEGER,
    reason TEXT,
    PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX license_life ON license (life) WHERE state IN ('bound', 'claimed');
CREATE INDEX license_item ON license (item) WHERE item IS NOT NULL;
CREATE INDEX license_free ON license (account, pricelist, expires) WHERE state IN ('pool', 'to_free');

-- Wishes: one row a send. status is a cache of the fold of the journal's events.
CREATE TABLE wish (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    kind TEXT NOT NULL,
    item INTEGER,
    account INTEGER NOT NULL REFERENCES account (id),
    target INTEGER,
    request TEXT NOT NULL,
    highest_license INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    clean_look_at INTEGER,
    status TEXT NOT NULL,
    license INTEGER,
    operation INTEGER
) STRICT;
-- One key, one send: a key in doubt, in a person's hands or done admits no second row.
CREATE UNIQUE INDEX wish_key ON wish (key) WHERE status IN ('in_doubt', 'free_when_appears', 'handed_over', 'done');
CREATE INDEX wish_open ON wish (item) WHERE status IN ('in_doubt', 'free_when_appears', 'handed_over');
CREATE INDEX wish_target ON wish (account, target);

-- Append-only. event: a WishEvent as JSON for rows with a wish, else a word. en, ru: the reason in words.
CREATE TABLE journal (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    wish INTEGER REFERENCES wish (id),
    item INTEGER,
    account INTEGER,
    license INTEGER,
    event TEXT NOT NULL,
    en TEXT NOT NULL,
    ru TEXT NOT NULL
) STRICT;
CREATE INDEX journal_item ON journal (item) WHERE item IS NOT NULL;
CREATE INDEX journal_license ON journal (account, license) WHERE license IS NOT NULL;
CREATE INDEX journal_wish ON journal (wish) WHERE wish IS NOT NULL;

-- Payments of the panel: what the license and the item had at the first run for a paid end (docs/licensing-rules.md 5).
CREATE TABLE payment (
    life TEXT NOT NULL,
    paid_end TEXT NOT NULL,
    license INTEGER,
    expires_before TEXT,
    item_end_before TEXT,
    finished INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (life, paid_end)
) STRICT, WITHOUT ROWID;

-- Which paid end a running operation stands for; kept 20 days. operation 0: a run without one.
CREATE TABLE payment_run (
    life TEXT NOT NULL,
    operation INTEGER NOT NULL,
    paid_end TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (life, operation)
) STRICT, WITHOUT ROWID;

-- Which license a module (family addition) belongs to: it lives and dies with it.
CREATE TABLE addition (
    account INTEGER NOT NULL,
    license INTEGER NOT NULL,
    parent INTEGER NOT NULL,
    PRIMARY KEY (account, license)
) STRICT, WITHOUT ROWID;
CREATE INDEX addition_parent ON addition (account, parent);

-- What purchases cost, in minor units. source: seller (what the seller shows), list (our list price), unknown (no amount).
CREATE TABLE cost (
    wish INTEGER PRIMARY KEY REFERENCES wish (id),
    at INTEGER NOT NULL,
    account INTEGER NOT NULL,
    license INTEGER NOT NULL,
    pricelist INTEGER NOT NULL,
    minor INTEGER,
    currency TEXT,
    source TEXT NOT NULL
) STRICT;
";

/// The conditions use OR, because for IN with more than two values SQLite builds a temporary table, at every write of
/// an intent and every search for open ones. SQLite uses these indexes only for queries with the same words:
/// `journal::is_open` and `journal::IS_KEY_TAKEN`.
const VERSION_2: &str = "
DROP INDEX wish_key;
DROP INDEX wish_open;
CREATE UNIQUE INDEX wish_key ON wish (key)
    WHERE status = 'in_doubt' OR status = 'free_when_appears' OR status = 'handed_over' OR status = 'done';
CREATE INDEX wish_open ON wish (item)
    WHERE status = 'in_doubt' OR status = 'free_when_appears' OR status = 'handed_over';
";

/// What passes of sync remember. The expiry that an older state knew of a license counts as known before today.
const VERSION_3: &str = "
-- What the last pass knew of a bound license and its service, by life. status NULL: nothing of the service.
CREATE TABLE foreseen (
    life TEXT PRIMARY KEY,
    license INTEGER NOT NULL,
    expires TEXT,
    status INTEGER,
    ends TEXT
) STRICT, WITHOUT ROWID;
INSERT INTO foreseen (life, license, expires)
    SELECT life, id, expires FROM license WHERE state = 'bound' AND life IS NOT NULL;

-- Services for which passes fail: how often in a row, since when, and why at last. told: the panel shows a problem.
CREATE TABLE trouble (
    item INTEGER PRIMARY KEY,
    module INTEGER NOT NULL,
    since INTEGER NOT NULL,
    times INTEGER NOT NULL,
    en TEXT NOT NULL,
    ru TEXT NOT NULL,
    told INTEGER NOT NULL DEFAULT 0
) STRICT;
";

/// The name that was sent last, and what the seller shows instead, where it stores names in a form of its own.
const VERSION_4: &str = "
ALTER TABLE license ADD COLUMN name_asked TEXT;
ALTER TABLE license ADD COLUMN name_shown TEXT;
";

/// The number of domains in use at the last look (NULL: not known), and the outward address that we sent last. Empty:
/// none. NULL: not known, as for licenses that others ordered and in rows of older versions.
const VERSION_5: &str = "
ALTER TABLE license ADD COLUMN domains INTEGER;
ALTER TABLE license ADD COLUMN remoteip TEXT;
";

/// The names of the glossary (docs/architecture.md). SQLite corrects them wherever the schema uses them; the names of
/// indexes are not corrected, so the indexes are made again.
const VERSION_6: &str = "
ALTER TABLE wish RENAME TO intent;
ALTER TABLE journal RENAME COLUMN wish TO intent;
ALTER TABLE cost RENAME COLUMN wish TO intent;
ALTER TABLE license RENAME COLUMN life TO incarnation;
ALTER TABLE payment RENAME COLUMN life TO incarnation;
ALTER TABLE payment_run RENAME COLUMN life TO incarnation;
ALTER TABLE foreseen RENAME COLUMN life TO incarnation;
DROP INDEX wish_key;
DROP INDEX wish_open;
DROP INDEX wish_target;
DROP INDEX journal_wish;
DROP INDEX license_life;
CREATE UNIQUE INDEX intent_key ON intent (key)
    WHERE status = 'in_doubt' OR status = 'free_when_appears' OR status = 'handed_over' OR status = 'done';
CREATE INDEX intent_open ON intent (item)
    WHERE status = 'in_doubt' OR status = 'free_when_appears' OR status = 'handed_over';
CREATE INDEX intent_target ON intent (account, target);
CREATE INDEX journal_intent ON journal (intent) WHERE intent IS NOT NULL;
CREATE UNIQUE INDEX license_incarnation ON license (incarnation) WHERE state IN ('bound', 'claimed');
";

/// What [`VERSION_6`] renames in a replica and its images: other states do not have this table.
const VERSION_6_OF_REPLICA: &str = "ALTER TABLE cluster_settle RENAME COLUMN wish TO intent";

/// Brings a file from version `from` to the current one; 0 is a file without a schema. The caller has opened the
/// transaction.
///
/// # Errors
/// An error of SQLite.
pub fn migrate(conn: &Connection, from: i32) -> rusqlite::Result<()> {
    if from > 0 {
        return migrate_to(conn, from, version());
    }
    conn.execute_batch(NEWEST)?;
    name_version(conn, version())
}

/// Brings a file from version `from` to version `to` by migrations alone.
///
/// # Errors
/// An error of SQLite.
pub fn migrate_to(conn: &Connection, from: i32, to: i32) -> rusqlite::Result<()> {
    let (done, all) = (usize::try_from(from).unwrap_or(0), usize::try_from(to).unwrap_or(0));
    for (index, step) in MIGRATIONS.iter().enumerate().take(all).skip(done) {
        conn.execute_batch(step)?;
        if *step == VERSION_6 && conn.table_exists(None, "cluster_settle")? {
            conn.execute_batch(VERSION_6_OF_REPLICA)?;
        }
        name_version(conn, i32::try_from(index + 1).unwrap_or(i32::MAX))?;
    }
    Ok(())
}

fn name_version(conn: &Connection, version: i32) -> rusqlite::Result<()> {
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    conn.pragma_update(None, "user_version", version)
}

#[cfg(test)]
mod tests {
    use rusqlite::Row;
    use rusqlite::types::Value;

    use super::*;

    /// The rows of a query, as text.
    fn rows(conn: &Connection, sql: &str) -> Vec<String> {
        let mut statement = conn.prepare(sql).expect("a query");
        let columns = statement.column_count();
        let text = |row: &Row<'_>| (0..columns).map(|at| row.get(at)).collect::<rusqlite::Result<Vec<Value>>>();
        let rows = statement.query_map([], text).expect("rows");
        rows.map(|row| format!("{:?}", row.expect("a row"))).collect()
    }

    /// All that SQLite says about a schema, which includes the text of each statement word by word. SQLite puts names
    /// that it has corrected into quotation marks.
    fn described(make: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> Vec<String> {
        let conn = Connection::open_in_memory().expect("a database");
        make(&conn).expect("a schema");
        let mut all = [rows(&conn, "PRAGMA application_id"), rows(&conn, "PRAGMA user_version")].concat();
        let texts = "SELECT type, name, tbl_name, replace(sql, '\"', '') FROM sqlite_master ORDER BY type, name";
        let words = |row: String| row.replace("\\n", " ").split_whitespace().collect::<Vec<_>>().join(" ");
        all.extend(rows(&conn, texts).into_iter().map(words));
        for about in ["table_xinfo", "foreign_key_list", "index_list", "index_xinfo"] {
            let sql = format!(
                "SELECT made.name, about.* FROM sqlite_master AS made, pragma_{about}(made.name) AS about ORDER BY 1, 2, 3"
            );
            let found = rows(&conn, &sql);
            assert!(!found.is_empty(), "{about}");
            all.extend(found);
        }
        all
    }

    #[test]
    fn a_new_state_has_the_schema_to_which_all_migrations_lead() {
        let new = described(|conn| migrate(conn, 0));
        let migrated = described(|conn| migrate_to(conn, 0, version()));
        assert_eq!(new, migrated);
        assert!(new.iter().any(|line| line.contains("CREATE TABLE license")), "{new:?}");
    }
}
