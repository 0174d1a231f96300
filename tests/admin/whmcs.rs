//! `take-over whmcs` reads the table of WHMCS's module billmanager_noc from a file or from a database. Its licenses go
//! to services of this panel only where the evidence is clear. WHMCS itself is only read.
use super::takeover::{changes, on_terminal, one, what};
use super::{day_in, fine, json, operator, refused};
use crate::support::{Output, Test};

const HEAD: &str = "id,licenseid,licensetype,serviceid,serverid,duedate,servicepackage,serviceaddon";

/// The table that the WHMCS module itself makes, column for column.
const TABLE: &str = "CREATE TABLE ispsystem_noc (id INT(11) NOT NULL AUTO_INCREMENT, licenseid INT(11) NOT NULL, \
     licensetype INT(1) NOT NULL, serviceid INT(11) DEFAULT NULL, serverid INT(11) NOT NULL, duedate DATE NOT NULL, \
     servicepackage INT(11) DEFAULT NULL, serviceaddon INT(11) DEFAULT NULL, PRIMARY KEY (id)) ENGINE=InnoDB";

/// A license that WHMCS ordered for its service: its number.
fn ordered(t: &Test, service: &str, ip: &str) -> u64 {
    let id = t.upstream.add_foreign(55227, 1, ip, "client.example.com");
    t.upstream.edit_license(id, |l| l.remoteid = service.into());
    id
}

/// The table as CSV beneath the root.
fn csv(t: &Test, name: &str, lines: &[String]) -> String {
    let path = t.root().join(name);
    std::fs::write(&path, format!("{HEAD}\n{}\n", lines.join("\n"))).unwrap();
    path.display().to_string()
}

fn row(license: u64, kind: u8, service: &str) -> String {
    format!("{license},{license},{kind},{service},1,2027-01-01,55227,NULL")
}

fn service(t: &Test, item: u32, ip: &str) {
    t.soft_item(item, "55227", 1).ip(ip).active_until(&day_in(20)).add();
}

/// The number of a service is no evidence here. Evidence is the number that the service shows, an operator's map, and,
/// if asked for, the address and tariff of the only service that fits. Licenses without a service in this panel are for
/// import; free and disputed licenses stay.
#[test]
fn a_table_from_a_file_binds_licenses_only_where_that_is_plain() {
    let t = Test::new();
    let ids: Vec<u64> = (10..17).map(|n| ordered(&t, &format!("l{n}"), &format!("192.0.2.{n}"))).collect();
    let [shown, mapped, placed, alone, stale, crowded, twice] = ids[..] else { unreachable!() };
    let addon = ordered(&t, "a10", "192.0.2.30");
    let free = ordered(&t, "l", "0.0.0.0");
    t.upstream.edit_license(free, |l| l.licname = "free.lic".into());
    for (item, ip) in [(110, "192.0.2.10"), (111, "192.0.2.11"), (112, "192.0.2.12"), (130, "192.0.2.30")] {
        service(&t, item, ip);
    }
    t.set_param(110, "licid", &shown.to_string());
    service(&t, 115, "192.0.2.15");
    service(&t, 116, "192.0.2.15");
    // At the address of a license, and want another tariff: beside the one that fits, and alone.
    t.soft_item(117, "3541", 1).ip("192.0.2.12").active_until(&day_in(20)).add();
    t.soft_item(113, "55228", 1).ip("192.0.2.13").active_until(&day_in(20)).add();
    t.upstream.edit_license(stale, |l| l.remoteid = "l99".into());
    let mut lines: Vec<String> = (10..17).zip(&ids).map(|(n, id)| row(*id, 0, &n.to_string())).collect();
    lines.extend([row(twice, 0, "17"), row(addon, 1, "10"), row(free, 0, "NULL"), row(777_777, 0, "18")]);
    let file = csv(&t, "noc.csv", &lines);
    let map = t.root().join("map.csv");
    std::fs::write(&map, format!("item;licenseid\n111;{mapped}\n")).unwrap();
    let line = format!("take-over whmcs {file} --map {}", map.display());

    let list = json(&t, &line);
    for (id, word, by) in [
        (shown, "bind", vec!["licid"]),
        (mapped, "bind", vec!["map"]),
        (placed, "bind", vec!["address"]),
        (addon, "bind", vec!["address"]),
        (alone, "foreign", vec![]),
        (stale, "stale", vec![]),
        (crowded, "two_items", vec![]),
        (twice, "twice", vec![]),
        (free, "free", vec![]),
        (777_777, "gone", vec![]),
    ] {
        assert_eq!((what(&list, id).as_str(), &one(&list, id)["known_by"]), (word, &serde_json::json!(by)), "{list:#}");
    }
    assert!(one(&list, stale)["why"].as_str().unwrap().contains("says l14, the seller l99"), "{list:#}");
    assert!(one(&list, alone)["why"].as_str().unwrap().contains(&format!("import {alone}")));
    let shown_again: Vec<String> = fine(&t, &line).split_whitespace().map(str::to_owned).collect();
    let again = format!("pmisplicense take-over whmcs {file} --map {} --apply", map.display());
    assert!(shown_again.join(" ").contains(&again), "the command can be pasted");

    assert!(refused(&t, &format!("{line} --apply --yes")).contains("--whmcs-stopped"));
    assert!(refused(&t, &format!("{line} --apply --whmcs-stopped")).contains("--yes"));
    assert_eq!((changes(&t), t.panel_changes()), (Vec::new(), Vec::new()));

    let done = json(&t, &format!("{line} --apply --whmcs-stopped --yes"));
    assert_eq!((what(&done, shown), what(&done, mapped)), ("bound".into(), "bound".into()));
    assert_eq!((what(&done, placed), what(&done, addon)), ("unsure".into(), "unsure".into()), "not asked for");
    assert_eq!(t.upstream.license(shown).remoteid, "l10", "not marked");
    assert_eq!((t.item(111).param("licid"), t.item(112).param("licid")), (&*mapped.to_string(), ""));
    let done = json(&t, &format!("{line} --apply --whmcs-stopped --by-address --mark --yes"));
    assert_eq!(done["counts"]["done"], 4, "{done:#}");
    for (item, id) in [(110, shown), (111, mapped), (112, placed), (130, addon)] {
        let license = t.upstream.license(id);
        assert_eq!((t.item(item).param("licid"), t.item(item).param("lickey")), (&*id.to_string(), &*license.key));
        assert!(license.remoteid.starts_with("pml-") && license.autoprolong == "null", "{license:?}");
    }
    assert_eq!(t.upstream.license(free).licname, "free.lic");
    t.tariff("55227", 1);
    fine(&t, &format!("import {alone} --yes"));
    assert_eq!(t.upstream.ledger().len(), 0, "nothing was bought");
    t.assert_clean();
}

/// A column `item` of the table is a map too; semicolons, quotes, a byte order mark and \N are what exports have.
#[test]
fn a_table_is_read_in_the_spellings_of_exports() {
    let t = Test::new();
    let id = ordered(&t, "l5", "192.0.2.10");
    let free = ordered(&t, "l", "192.0.2.12");
    service(&t, 42, "192.0.2.10");
    let path = t.root().join("noc.csv");
    let text = format!(
        "\u{feff}\"LicenseID\";\"licensetype\";\"serviceid\";\"item\"\r\n\"{id}\";\"0\";\"5\";42\r\n{free};0;\\N;\r\n"
    );
    std::fs::write(&path, text).unwrap();
    let list = json(&t, &format!("take-over whmcs {}", path.display()));
    assert_eq!((one(&list, id)["known_by"][0].as_str(), what(&list, free)), (Some("map"), "free".into()), "{list:#}");
}

/// Files that are none, another table, rows that cannot be: refused before anybody is asked, with what is wrong.
#[test]
fn a_bad_file_is_refused_with_what_is_wrong_before_any_question() {
    let t = Test::new();
    let file = |name: &str, bytes: &[u8]| {
        std::fs::write(t.root().join(name), bytes).unwrap();
        t.root().join(name).display().to_string()
    };
    let good = file("good.csv", format!("{HEAD}\n{}\n", row(5001, 0, "1")).as_bytes());
    for (line, words) in [
        ("nosuch.csv".to_owned(), "nosuch.csv cannot be used"),
        (t.root().display().to_string(), "cannot be used"),
        (file("empty.csv", b""), "licenseid"),
        (file("other.csv", b"id,name\n1,2\n"), "names: id, name"),
        (file("short.csv", format!("{HEAD}\n1,2\n").as_bytes()), "line: 2"),
        (file("word.csv", format!("{HEAD}\n{}\n", row(1, 0, "x")).as_bytes()), "serviceid cannot be \"x\""),
        (file("kind.csv", format!("{HEAD}\n{}\n", row(1, 7, "1")).as_bytes()), "Row 2: licensetype"),
        (file("zero.csv", format!("{HEAD}\n{}\n", row(0, 0, "1")).as_bytes()), "licenseid cannot be \"0\""),
        (file("bytes.csv", b"licenseid,licensetype,serviceid\n\xff\xfe,0,1\n"), "UTF-8"),
        ("postgres://u:SECRET@192.0.2.1/db".to_owned(), "not from postgres://"),
        (format!("{good} --map nosuch.csv"), "nosuch.csv cannot be used"),
        (format!("{good} --map {}", file("map1.csv", b"licenseid\n5001\n")), "licenseid, item"),
        (format!("{good} --map {}", file("map2.csv", b"licenseid,item\n7,42\n")), "Row 2"),
        (format!("{good} --map {}", file("map3.csv", b"licenseid,item\n5001,42\n5001,43\n")), "Row 3"),
        (format!("{good} --map {}", file("map4.csv", b"licenseid,item\n5001,x\n")), "Row 2"),
    ] {
        let error = refused(&t, &format!("take-over whmcs {line}"));
        assert!(error.contains(words) && error.contains("Nothing was done"), "{line}: {error}");
        assert!(!error.contains("SECRET"), "{error}");
    }
    for line in ["take-over whmcs", "take-over whmcs x --by-address", "take-over whmcs x --whmcs-stopped"] {
        assert_eq!(operator(&t, line).code, Some(2), "{line}");
    }
    assert_eq!(t.upstream.requests().len(), 0);
}

/// A database beside the panel's own, as WHMCS has it, and a user who may only read it.
fn whmcs_database(t: &Test, rows: &[(u64, Option<u32>)]) {
    let name = &t.db.name;
    t.db.exec(TABLE, ());
    for (license, service) in rows {
        let sql = "INSERT INTO ispsystem_noc (licenseid, licensetype, serviceid, serverid, duedate, servicepackage) \
                   VALUES (?, 0, ?, 1, '2027-01-01', 55227)";
        t.db.exec(sql, (license, service));
    }
    for host in ["localhost", "127.0.0.1"] {
        t.db.exec(&format!("GRANT SELECT ON {name}.* TO '{name}_w'@'{host}' IDENTIFIED BY 'Wh:m cs/1'"), ());
    }
}

fn with_password(t: &Test, line: &str, password: &str) -> Output {
    let run = t.program(line.split_whitespace()).env("LC_ALL", "C").env("COLUMNS", "60");
    run.env("PMISPLICENSE_WHMCS_PASSWORD", password).run()
}

/// Read from WHMCS's database, over TCP and a socket; the password, from the URL or the environment, shows nowhere.
#[test]
fn a_table_is_read_from_a_database_and_its_password_shows_nowhere() {
    let t = Test::new();
    let id = ordered(&t, "l5", "192.0.2.10");
    service(&t, 42, "192.0.2.10");
    t.set_param(42, "licid", &id.to_string());
    whmcs_database(&t, &[(id, Some(5)), (777_777, None)]);
    let (name, port) = (&t.db.name, t.db.port);
    let tcp = format!("mysql://{name}_w@127.0.0.1:{port}/{name}");
    let socket = format!("mysql://{name}_w@localhost/{name}?socket={}", t.db.socket.display());
    for url in [&tcp, &socket] {
        let output = with_password(&t, &format!("take-over whmcs {url} --json"), "Wh:m cs/1");
        let list = serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e} {}", output.stderr));
        assert_eq!((what(&list, id), what(&list, 777_777)), ("bind".into(), "gone".into()), "{list:#}");
    }
    let own = tcp.replacen("_w@", "_w:Wh%3Am%20cs%2F1@", 1);
    let done = json(&t, &format!("take-over whmcs {own} --apply --whmcs-stopped --mark --yes"));
    assert_eq!(what(&done, id), "marked", "{done:#}");
    for (url, password) in [
        (tcp.clone(), "WRONG-SECRET"),
        (own.replace(name, "nosuch"), ""),
        (format!("mysql://u:WRONG-SECRET@127.0.0.1:1/{name}"), ""),
        (own.replacen(&format!("/{name}"), "", 1), ""),
    ] {
        let output = with_password(&t, &format!("take-over whmcs {url}"), password);
        assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{url} {}", output.stderr);
        assert!(output.stderr.contains("Nothing was done"), "{}", output.stderr);
        for secret in ["WRONG-SECRET", "Wh:m cs/1", "Wh%3Am"] {
            assert!(!output.stderr.contains(secret) && !t.log().contains(secret), "{}\n{}", output.stderr, t.log());
        }
    }
    t.db.exec("DROP TABLE ispsystem_noc", ());
    assert!(refused(&t, &format!("take-over whmcs {own}")).contains("ispsystem_noc"));
    let rows = t.db.value("SELECT COUNT(*) FROM itemparam WHERE item = 42 AND intname = 'licid'", ());
    assert_eq!(rows.as_deref(), Some("1"));
    t.assert_clean();
}

/// On a terminal: WHMCS first, then the addresses, then the binding, then the mark.
#[test]
fn take_over_asks_about_whmcs_addresses_binding_and_mark_in_turn() {
    let t = Test::new();
    let id = ordered(&t, "l5", "192.0.2.10");
    service(&t, 42, "192.0.2.10");
    let line = format!("take-over whmcs {} --apply", csv(&t, "noc.csv", &[row(id, 0, "5")]));
    let (text, code) = on_terminal(&t, &line, "n\n");
    assert!(text.contains("Is it switched off? [y/N]") && code == Some(1), "{text}");
    let (text, code) = on_terminal(&t, &line, "y\nn\n");
    assert!(text.contains("nothing but their address") && code == Some(0), "{text}");
    assert_eq!(t.item(42).param("licid"), "");
    let (text, code) = on_terminal(&t, &line, "y\ny\ny\ny\n");
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(t.item(42).param("licid"), id.to_string(), "{text}");
    assert!(t.upstream.license(id).remoteid.starts_with("pml-"), "{text}");
}

/// The run is killed at each request and repeated. If WHMCS may buy from two accounts, the operator says from which.
#[test]
fn a_take_over_killed_at_any_request_binds_the_license_once() {
    for skip in 0.. {
        let mut t = Test::new();
        let id = ordered(&t, "l5", "192.0.2.10");
        service(&t, 42, "192.0.2.10");
        let file = csv(&t, "noc.csv", &[row(id, 0, "5")]);
        let line = format!("take-over whmcs {file} --apply --whmcs-stopped --by-address --mark --yes");
        let words: Vec<&str> = line.split_whitespace().collect();
        let ended = t.program(words).killed_at_request(skip, false).code.is_some();
        fine(&t, &line);
        assert_eq!(t.item(42).param("licid"), id.to_string(), "killed at {skip}\n{}", t.story());
        assert!(t.upstream.license(id).remoteid.starts_with("pml-"), "killed at {skip}\n{}", t.story());
        assert_eq!((json(&t, "list")["counts"]["bound"].clone(), t.upstream.ledger().len()), (1.into(), 0));
        if ended {
            t.add_module(8, "pmisplicense");
            assert!(refused(&t, &format!("take-over whmcs {file}")).contains("--module ID"));
            fine(&t, &format!("take-over whmcs {file} --module 7"));
            break;
        }
    }
}
