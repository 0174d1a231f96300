//! Tests that need no database: parameters, addon rules, dates.

use super::*;

/// Defaults, sockets and TCP follow the panel's parameters; the password is never shown.
#[test]
fn the_connection_follows_the_panels_parameters_and_hides_the_password() {
    let params = |pairs: &[(&str, &str)]| {
        let map = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        DbParams::from_paramlist(&map)
    };
    let default = params(&[]);
    assert_eq!((default.host.as_str(), default.user.as_str(), default.name.as_str()), ("localhost", "root", "billmgr"));
    assert_eq!((default.password.as_str(), default.port), ("", 3306));
    let socket = params(&[("DBSocket", "/run/x.sock"), ("DBPassword", " SECRET ")]);
    assert_eq!((socket.address().as_str(), socket.password.as_str()), ("/run/x.sock", " SECRET "));
    assert!(!format!("{socket:?}").contains("SECRET"));
    let remote = params(&[("DBHost", "db.example.com"), ("DBPort", "3307"), ("DBSocket", "/run/x.sock")]);
    assert_eq!(remote.address(), "db.example.com:3307");
}

/// A database that does not answer is an error that names it without the password, and it comes at once.
#[test]
fn a_database_that_is_away_is_named_without_the_password() {
    let mut map = BTreeMap::from([("DBPassword".to_owned(), "SECRET".to_owned())]);
    map.insert("DBSocket".to_owned(), "/nonexistent/mysql.sock".to_owned());
    let mut db = MysqlBillDb::connect(&DbParams::from_paramlist(&map));
    let error = db.modules().expect_err("no database").to_string();
    assert!(error.starts_with("database billmgr at /nonexistent/mysql.sock: "), "{error}");
    assert!(!error.contains("SECRET"), "{error}");
}

/// The rules of docs/interface.md 4 for numbers, and which rows count.
#[test]
fn addon_rows_are_counted_and_kept_by_the_rules_of_the_panel() {
    let row = |pairs: &[(usize, &str)]| {
        let mut columns = vec![None; 19];
        for (column, text) in pairs {
            columns[*column] = Some((*text).to_owned());
        }
        Columns(columns)
    };
    for (pairs, want) in [
        (vec![], 0),
        (vec![(A_LIMIT, "1"), (A_ITEM_NUMBER, "2")], 3),
        (vec![(A_LIMIT, "1"), (A_ITEM_LIMIT, "5"), (A_ITEM_NUMBER, "2.0000")], 7),
        (vec![(A_BILLTYPE, "3"), (A_LIMIT, "1"), (A_ITEM_NUMBER, "2")], 1),
        (vec![(A_BILLTYPE, "3"), (A_MAX, "9"), (A_LIMIT, "1")], 9),
        (vec![(A_BILLTYPE, "3"), (A_ITEM_LIMIT, "4"), (A_MAX, "9")], 4),
    ] {
        assert_eq!(addon_number(&row(&pairs)), want, "{pairs:?}");
    }
    for (pairs, want) in [
        (vec![(A_ACTIVE, "on")], true),
        (vec![(A_ACTIVE, "off")], false),
        (vec![(A_ACTIVE, "off"), (A_ITEM, "7")], true),
        (vec![(A_ACTIVE, "on"), (A_BILLTYPE, "4")], false),
        (vec![(A_ITEM, "7"), (A_BILLTYPE, "10")], false),
        (vec![(A_ACTIVE, "on"), (A_COMPOUND, "3")], false),
        (vec![(A_ACTIVE, "on"), (A_COMPOUND, "3"), (A_ITEM, "7")], true),
        (vec![(A_ACTIVE, "on"), (A_COMPOUND, "0")], true),
    ] {
        assert_eq!(is_kept(&row(&pairs)), want, "{pairs:?}");
    }
}

/// Dates have the database's own form; a day is read from each form.
#[test]
fn dates_have_the_databases_form_and_days_are_read_from_each_form() {
    let date = || Value::Date(2026, 11, 1, 0, 0, 0, 0);
    assert_eq!(text_of(date(), ColumnType::MYSQL_TYPE_DATE).as_deref(), Some("2026-11-01"));
    assert_eq!(text_of(date(), ColumnType::MYSQL_TYPE_DATETIME).as_deref(), Some("2026-11-01 00:00:00"));
    let days = Columns(vec![Some("2026-11-01 10:00:00".into()), Some("0000-00-00".into()), Some("x".into()), None]);
    assert_eq!(days.day(0), chrono::NaiveDate::from_ymd_opt(2026, 11, 1));
    assert_eq!([days.day(1), days.day(2), days.day(3)], [None, None, None]);
}

/// vendor/regex matches what the crate mysql needs: versions of servers, and nothing that is not UTF-8.
#[test]
fn the_vendored_regex_matches_what_the_mysql_crate_needs() {
    let parts = |pattern: &str, version: &[u8]| {
        let found = regex::bytes::Regex::new(pattern).expect("a pattern").captures(version)?;
        let part = |group| found.get(group).map(|part| String::from_utf8_lossy(part.as_bytes()).into_owned());
        Some((1..4).filter_map(part).collect::<Vec<_>>().join("."))
    };
    let mariadb = r"^(?:5.5.5-)?(\d{1,2})\.(\d{1,2})\.(\d{1,3})-MariaDB";
    let any = r"^(\d{1,2})\.(\d{1,2})\.(\d{1,3})(.*)";
    for (pattern, version, want) in [
        (mariadb, &b"5.5.5-10.11.14-MariaDB-0+deb12u2"[..], Some("10.11.14")),
        (mariadb, b"11.4.2-MariaDB", Some("11.4.2")),
        (mariadb, b"8.0.36", None),
        (any, b"8.0.36-0ubuntu0.22.04.1", Some("8.0.36")),
        (any, b"8.0", None),
        (any, b"8.0.36\xff", None),
    ] {
        assert_eq!(parts(pattern, version).as_deref(), want, "{}", String::from_utf8_lossy(version));
    }
    let day = regex::bytes::Regex::new(r"^\d{4}-\d{2}-\d{2}$").expect("a pattern");
    assert!(day.is_match(b"2026-12-31") && !day.is_match(b"2026-12-31 ") && !day.is_match("٢٠٢٦-12-31".as_bytes()));
}
