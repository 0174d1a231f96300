//! A cluster whose machines get a newer program one after the other. The state of an older program, and the entries
//! that it wrote, name tables and columns that have other names today.

use rusqlite::types::Value;

use super::*;
use crate::model::license::Family;
use crate::store::cluster::{body, replica, snapshot};
use crate::store::{copy_in_memory, finish_copy};

/// The last version before tables and columns got the names of the glossary.
const OLDER: i32 = 5;

const ACCOUNT: AccountId = AccountId(1);

const LICENSE: LicenseId = LicenseId(5001);

fn entry(after: Position, lines: &[Line]) -> Entry {
    let body = body::written(lines).expect("a body");
    let position = Position { seq: after.seq + 1, chain: after.chain.then(&body) };
    let token = Token::fresh().expect("a token");
    Entry { position, token, node: "a".to_owned(), format: OLDER, body }
}

/// The statements with which the older program recorded an intent.
fn intent() -> Vec<Line> {
    let key = IdempotencyKey::Delete { account: ACCOUNT, license: LICENSE }.to_string();
    let request = OnceRequest::Delete { family: Family::Soft, license: LICENSE };
    let request = serde_json::to_string(&request).expect("a request");
    let sql = "INSERT INTO wish (key, kind, item, account, target, request, highest_license, recorded_at, status)
         VALUES (?1, 'delete', 42, 1, 5001, ?2, 0, ?3, 'in_doubt')";
    let values = vec![Value::Text(key), Value::Text(request), Value::Integer(now().timestamp())];
    let settle = "INSERT INTO cluster_settle (wish, seconds) VALUES (?1, ?2)";
    vec![
        Line::Statement { sql: sql.to_owned(), values, changed: 1 },
        Line::Statement { sql: settle.to_owned(), values: vec![Value::Integer(1), Value::Integer(1020)], changed: 1 },
    ]
}

/// A log of the older program with its first machine. Entry 2, an intent, is not applied to its replica yet.
fn older() -> (Database, Node) {
    let database = database();
    let node = Node::new("a", &database);
    let first = entry(Position::BEGINNING, &[Line::Beginning("panel".to_owned())]);
    let image = node.dir.path().join("image");
    let conn = Connection::open(&image).expect("an image");
    schema::migrate_to(&conn, 0, OLDER).expect("the older schema");
    let panel = PanelId::from_bytes(PANEL);
    conn.execute("INSERT INTO meta (name, value) VALUES ('panel_id', ?1)", [panel.as_str()]).expect("a panel");
    let account = "INSERT INTO account (id, url, username) VALUES (1, 'https://192.0.2.1/', 'reseller')";
    conn.execute(account, []).expect("an account");
    replica::make(&conn, node.name, Position::BEGINNING).expect("the tables of a replica");
    conn.execute("ALTER TABLE cluster_settle RENAME COLUMN intent TO wish", []).expect("their older names");
    members::first_members(&conn, node.name, "galera:one", now()).expect("the first machine");
    replica::strip(&conn).expect("an image");
    conn.close().expect("closed");
    std::fs::copy(&image, node.path()).expect("a replica");
    let conn = Connection::open(node.path()).expect("a replica");
    replica::make(&conn, node.name, first.position).expect("a replica");
    replica::keep(&conn, &first).expect("its first entry");
    database.borrow_mut().entries.extend([first.clone(), entry(first.position, &intent())]);
    snapshot::put(&mut *node.log(), first.position, &image, &mut |_, _| {}).expect("the image in the log");
    (database, node)
}

fn version_of(conn: &Connection) -> i32 {
    conn.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a version")
}

/// The intent of the older program is there, with its settling time, and its key is taken.
fn knows_the_intent(store: &Store) {
    assert_eq!(version_of(&store.conn), schema::version());
    let [intent] = store.open_intents().expect("intents").try_into().expect("one");
    assert_eq!(intent.settled_at(300), intent.recorded_at + chrono::Duration::seconds(1020));
    assert!(matches!(record(store, ACCOUNT, LICENSE.0), Ok(Recorded::Existing(_))), "its key is taken");
}

#[test]
fn a_newer_program_applies_what_an_older_one_wrote_and_then_brings_the_state_forward() {
    let (database, a) = older();
    bring_forward(&a.path(), a.log(), a.rules()).expect("brought forward");
    let formats: Vec<i32> = database.borrow().entries.iter().map(|entry| entry.format).collect();
    assert_eq!(formats, [OLDER, OLDER, schema::version()], "an older program refuses the last entry");
    let first = a.run();
    knows_the_intent(&first);
    record(&first, ACCOUNT, 5002).expect("recorded").expect_intent();
    let second = Node::new("b", &database).joins();
    assert!(digests_are_equal(&[&first, &second]));
}

#[test]
fn a_machine_with_a_newer_program_joins_the_cluster_of_an_older_one() {
    let (database, a) = older();
    let b = Node::new("b", &database);
    let second = b.joins();
    knows_the_intent(&second);
    assert_eq!(second.machines().expect("machines").len(), 2);
    bring_forward(&a.path(), a.log(), a.rules()).expect("nothing is left to do but to apply the entries");
    assert!(digests_are_equal(&[&a.run(), &second]));
}

#[test]
fn a_copy_for_a_look_applies_the_entries_of_an_older_program_before_it_is_brought_forward() {
    let (database, a) = older();
    let copy = copy_in_memory(&a.path()).expect("a copy");
    copy.clone().in_cluster(a.log(), a.rules()).expect("a replica").look_on().expect("the log");
    let panel = PanelId::from_bytes(PANEL);
    finish_copy(&copy, Installation { pinned: None, fresh: &panel, machine: "a" }).expect("brought forward");
    assert_eq!((copy.open_intents().expect("intents").len(), version_of(&copy.conn)), (1, schema::version()));
    assert_eq!(version_of(&Connection::open(a.path()).expect("the replica")), OLDER);
    assert_eq!(database.borrow().entries.len(), 2, "a look writes nothing");
}
