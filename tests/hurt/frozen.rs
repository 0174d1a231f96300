//! Frozen states of old schemas. Each is an SQL dump under tests/states that the program itself made (its head says
//! how). It is loaded into a file and used. The program must understand it as long as this program exists.
//! HURT_FREEZE=1 writes the dump of the present schema anew; that is done once, before a version is released.
use super::panel::{End, Office};
use super::promises;
use crate::support::Fault;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::fs;
use std::path::{Path, PathBuf};

fn frozen(version: i32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/states/v{version}.sql"))
}

const PANEL: &str = "abcdefgh";

/// The story that every frozen state holds the end of: item 42 has a bound license, item 43 gave one back into the
/// pool, the order of item 44 left and its answer never came.
fn story() -> Office {
    let mut office = Office::new();
    office.test.settings(&format!("panel_id = \"{PANEL}\"\n[upstream]\ntimeout_s = 2\n"));
    let [bound, pooled, in_doubt] = [(); 3].map(|()| office.item("55227"));
    office.does("open", bound);
    office.does("open", pooled);
    office.does("close", pooled);
    // A product of its own, or it would come from the pool.
    office.test.choose(in_doubt, "55228");
    office.test.upstream.fault(Fault::on("soft.order.param").late());
    let intent = office.intent("open", in_doubt);
    office.test.run(&intent.args).fails("client");
    office
}

/// A database as SQL: schema, rows, versions.
fn dump(conn: &Connection) -> rusqlite::Result<String> {
    let mut sql = String::new();
    for name in ["application_id", "user_version"] {
        let value: i64 = conn.pragma_query_value(None, name, |row| row.get(0))?;
        sql.push_str(&format!("PRAGMA {name} = {value};\n"));
    }
    let mut schema = conn.prepare("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")?;
    let parts = schema.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let parts = parts.collect::<rusqlite::Result<Vec<(String, String, String)>>>()?;
    for (_, _, text) in &parts {
        sql.push_str(&format!("{text};\n"));
    }
    for (_, table, _) in parts.iter().filter(|(kind, _, _)| kind == "table") {
        let mut rows = conn.prepare(&format!("SELECT * FROM {table}"))?;
        let columns = rows.column_count();
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let values: Vec<String> = (0..columns).map(|at| row.get_ref(at).map(literal)).collect::<Result<_, _>>()?;
            sql.push_str(&format!("INSERT INTO {table} VALUES ({});\n", values.join(", ")));
        }
    }
    Ok(sql)
}

fn literal(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => format!("'{}'", String::from_utf8_lossy(text).replace('\'', "''")),
        ValueRef::Blob(bytes) => format!("x'{}'", bytes.iter().map(|b| format!("{b:02X}")).collect::<String>()),
    }
}

fn versions() -> Vec<i32> {
    let folder = frozen(1).parent().unwrap().to_owned();
    let name = |path: PathBuf| path.file_stem()?.to_str()?.strip_prefix('v')?.parse().ok();
    let mut all: Vec<i32> = fs::read_dir(folder).unwrap().flatten().filter_map(|entry| name(entry.path())).collect();
    all.sort_unstable();
    all
}

/// Writes the dump of the present version; `None`: it was not asked for.
#[test]
fn the_present_state_is_frozen_when_that_is_asked_for() {
    if super::setting("HURT_FREEZE").is_none() {
        return;
    }
    let office = story();
    // The facts that passes remember: a renewal was foreseen, and the order in doubt fails.
    office.test.run(["--command", "sync"]).fails("client");
    let conn = Connection::open(office.test.state_path()).unwrap();
    // The machine is not part of the story, and the port of the test's seller is another one each time.
    conn.execute_batch("UPDATE meta SET value = '' WHERE name = 'machine'").unwrap();
    let port = format!(":{}/", office.test.upstream.port());
    let sql = dump(&conn).unwrap().replace(&port, ":PORT/");
    let version: i32 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    let head = format!(
        "-- The state of schema version {version}: written by the program itself in the test\n\
         -- hurt::frozen::the_present_state_is_frozen_when_that_is_asked_for\n\
         -- (open 42; open and close 43; open 44 without an answer; sync), then dumped. PORT is the test seller's. Never edited.\n"
    );
    let path = frozen(version);
    assert!(!path.exists(), "{}: a released state is never written anew", path.display());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, head + &sql).unwrap();
}

/// The same story is played without the state, then a frozen one is put in its place: item 42 keeps its license, the
/// pooled one serves a new item, the order in doubt is settled, nothing is bought twice. An older version leaves a copy
/// of itself.
#[test]
fn a_state_of_each_version_goes_on_and_buys_nothing_twice() {
    let all = versions();
    assert!(all.contains(&1), "version 1 is frozen");
    for version in all {
        let mut office = story();
        let port = format!(":{}/", office.test.upstream.port());
        let sql = fs::read_to_string(frozen(version)).unwrap().replace(":PORT/", &port);
        let present: i32 = {
            let conn = Connection::open(office.test.state_path()).unwrap();
            conn.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
        };
        fs::remove_dir_all(office.test.state_path().parent().unwrap()).unwrap();
        fs::create_dir(office.test.state_path().parent().unwrap()).unwrap();
        let conn = Connection::open(office.test.state_path()).unwrap();
        conn.execute_batch(&sql).unwrap();
        same_incarnations(&conn, &office);
        conn.close().unwrap();
        office.test.settings(&format!("panel_id = \"{PANEL}\"\n{}", super::panel::SETTINGS));

        let intent = office.intent("open", 42);
        assert_eq!(office.repeat(&intent), End::Done, "v{version}");
        assert_eq!(office.test.upstream.land_late(), 1);
        let intent = office.intent("open", 44);
        assert_eq!(office.repeat(&intent), End::Done, "v{version}");
        let pooled = office.test.upstream.licenses().into_iter().find(|l| l.remoteid.ends_with("-free")).unwrap().id;
        office.test.upstream.age(pooled, 40);
        let next = office.item("55227");
        office.does("open", next);
        assert_eq!(office.test.item(next).param("licid"), pooled.to_string(), "v{version}: from the pool");
        office.settle();
        promises::hold(&office, &format!("v{version}"));
        assert_eq!(office.test.upstream.billed("soft.order.param"), 3, "v{version}");
        let copy = office.test.state_path().with_extension(format!("db.v{version}"));
        assert_eq!(copy.exists(), version < present, "v{version}: a copy is kept when it is brought forward");
    }
}

/// The frozen rows name the days and items of another day: they are moved to those of this world.
fn same_incarnations(conn: &Connection, office: &Office) {
    let created = office.test.db.value("SELECT createdate FROM item WHERE id = 42", ()).unwrap();
    let frozen: String = conn.query_row("SELECT created FROM item WHERE id = 42", [], |row| row.get(0)).unwrap();
    let is_renamed = conn.table_exists(None, "intent").unwrap();
    let (intent, incarnation) = if is_renamed { ("intent", "incarnation") } else { ("wish", "life") };
    let mut columns = vec![("item", "created"), (intent, "key"), ("license", incarnation), ("payment", incarnation)];
    // From version 3 on.
    if conn.table_exists(None, "foreseen").unwrap() {
        columns.push(("foreseen", incarnation));
    }
    for (table, column) in columns {
        let sql = format!("UPDATE {table} SET {column} = replace({column}, ?1, ?2)");
        conn.execute(&sql, (&frozen, &created)).unwrap();
    }
}

/// An older file is brought forward in one transaction with a copy kept beside it, and a second start finds nothing
/// to do. The oldest file there can be is the empty one of version 0 that bears our mark.
#[test]
fn an_older_file_is_kept() {
    let mut office = Office::new();
    let item = office.item("55227");
    let path = office.test.state_path();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch(&format!("PRAGMA application_id = {}; CREATE TABLE older (x); DROP TABLE older", 0x706d_6c31))
        .unwrap();
    conn.close().unwrap();
    let before = fs::read(&path).unwrap();
    assert!(!before.is_empty());
    office.does("open", item);
    let copy = path.with_extension("db.v0");
    let kept = Connection::open(&copy).unwrap();
    let (version, application): (i32, i32) = (
        kept.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap(),
        kept.pragma_query_value(None, "application_id", |row| row.get(0)).unwrap(),
    );
    assert_eq!((version, application), (0, 0x706d_6c31), "the copy is the older file");
    kept.close().unwrap();
    let first = fs::metadata(&copy).unwrap().modified().unwrap();
    let intent = office.intent("prolong", item);
    assert_eq!(office.repeat(&intent), End::Done);
    assert_eq!(fs::metadata(&copy).unwrap().modified().unwrap(), first, "the copy is kept, not made again");
    promises::hold(&office, "brought forward");
}
