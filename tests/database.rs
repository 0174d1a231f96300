//! Databases that are set up in another way than most: the settings with which sessions begin, and how users log in.
use crate::service::{called, forget, only_license};
use crate::support::Test;
use crate::support::harness::SERVERS;
use crate::support::setup::DATABASE_NAMES;

/// The session settings that a careful or careless administrator may impose. The server spares root, which is the
/// panel's user here.
const INIT_CONNECT: &str = "SET autocommit = 0; SET NAMES latin1; SET sql_select_limit = 1; SET time_zone = '-11:00'; \
     SET sql_mode = 'ANSI,PAD_CHAR_TO_FULL_LENGTH'; SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ";

#[test]
fn what_the_server_gives_a_session_does_not_hide_what_was_saved() {
    let test = Test::setup().own_database().start();
    // A column of this type is shown in the session's own time zone, and tells one service from another.
    test.db.exec("ALTER TABLE item MODIFY createdate TIMESTAMP NULL", ());
    test.soft_item(42, "55230", 1).nodes(2).ip("192.0.2.10").licname("Über Ωmega").add();
    test.db.exec("SET GLOBAL init_connect = ?", (INIT_CONNECT,));
    test.cmd("open", 42).ok().stdout("");
    let license = only_license(&test);
    assert_eq!(
        (license.licname.as_str(), test.item(42).param("licid")),
        ("Über Ωmega", license.id.to_string().as_str())
    );
    assert_eq!(test.item(42).status, 2);
    forget(&test);
    test.db.exec("SET GLOBAL init_connect = ''", ());
    test.cmd("suspend", 42).ok();
    assert_eq!(only_license(&test).status, 3);
    test.assert_clean();
}

/// Names are typed and pasted: white space around them, also the kind that nobody sees, is none of the name, wherever
/// the panel keeps it.
#[test]
fn white_space_around_internal_names_is_none_of_them() {
    for blank in [" ", "\t", "\u{a0}", "\u{200b}", "\n"] {
        let test = Test::new();
        let around = |table: &str, which: &str| {
            let sql = format!("UPDATE {table} SET intname = CONCAT(?, intname, ?) WHERE {which}");
            test.db.exec(&sql, (blank, blank));
        };
        test.soft_item(42, "55230", 1).nodes(3).ip("192.0.2.10").add();
        test.soft_item(43, "55227", 1).on_tariff().ip("192.0.2.11").add();
        test.vds_item(44, "55227", 1).addresses(&["192.0.2.12"]).add();
        test.db.exec("UPDATE processingmodule SET module = CONCAT(module, ?)", (blank,));
        around("enumerationitem", "TRUE");
        around("pricelist", "TRUE");
        around("runningoperation", "TRUE");
        test.settings(&format!("bundled = [{SERVERS}]\nnodes_addons = [\" nodes \"]\npanel_addons = [\"panel \"]\n"));
        for item in [42, 43, 44] {
            test.cmd("open", item).ok();
        }
        let bought: Vec<_> = test.upstream.licenses().iter().map(|l| (l.pricelist, l.nodes, l.ip.clone())).collect();
        let want = [(55230, 4, "192.0.2.10"), (55227, 0, "192.0.2.11"), (55227, 0, "192.0.2.12")];
        assert_eq!(
            bought,
            want.map(|(tariff, nodes, ip)| (tariff, nodes, ip.to_owned())),
            "{blank:?} {}",
            test.story()
        );
        test.run(["--command", "check_addon", "--param", "panel ", "--value", " 55227 "]).ok();
        assert_eq!(called(&test).iter().filter(|func| *func == "soft.open").count(), 2, "{blank:?}");
    }
}

/// An addon whose row is deleted is one that the service no longer has: neither its choice nor its number counts, and
/// no address of it. The tariff's own default is what remains.
#[test]
fn a_deleted_addon_row_is_no_choice_and_no_nodes() {
    let test = Test::new();
    test.soft_item(42, "55230", 1).nodes(3).ip("192.0.2.10").add();
    test.soft_item(43, "55230", 1).nodes(3).ip("192.0.2.11").add();
    let addon = |item: u32, name: &str| {
        let sql = "SELECT a.id FROM item a JOIN pricelist p ON p.id = a.pricelist WHERE a.parent = ? AND p.intname = ?";
        test.db.value(sql, (item, name)).unwrap().parse().unwrap()
    };
    test.set_item(addon(42, "nodes"), "status", "4");
    test.cmd("open", 42).ok();
    assert_eq!(only_license(&test).nodes, 1);
    test.set_item(addon(43, "panel"), "status", "4");
    test.cmd("open", 43).ok();
    assert_eq!(test.upstream.licenses().len(), 1, "the default of the tariff is no panel\n{}", test.story());
    assert_eq!((test.item(43).status, test.item(43).param("licid")), (2, ""));

    let server = test.vds_item(44, "55227", 1).addresses(&["192.0.2.12"]).add();
    test.settings(&format!("bundled = [{SERVERS}]\n"));
    test.set_item(addon(server, "ip"), "status", "4");
    test.cmd("open", server).fails("missed");
    assert_eq!(test.upstream.licenses().len(), 1);
}

/// Plugins of MariaDB that our library does not have: it panics at the first and refuses the second.
#[test]
fn a_login_plugin_that_we_do_not_have_is_named_with_the_way_out() {
    for (server, client) in [("ed25519", "ed25519"), ("pam", "dialog")] {
        let test = Test::setup().own_database().start();
        test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
        test.db.exec(&format!("INSTALL SONAME 'auth_{server}'"), ());
        let user = format!("'{}'@'localhost'", test.db.user);
        let secret = test.db.password.replace('\'', "''");
        let login = if server == "pam" { "pam".to_owned() } else { format!("{server} USING PASSWORD('{secret}')") };
        test.db.exec(&format!("ALTER USER {user} IDENTIFIED VIA {login}"), ());
        let operation = test.operation(42, "open");
        let output = test.cmd_op("open", 42, operation);
        output.fails("database");
        let message = output.message();
        assert!(message.contains(&format!("the plugin {client},")) && message.contains("ALTER USER"), "{message}");
        assert_eq!(output.stderr, "");
        let russian = test.run(["--command", "open", "--item", "42", "--lang", "ru"]);
        assert!(russian.fails("database").message().contains(&format!("плагин {client},")), "{}", russian.stdout);
        let doctor = test.run(["doctor"]);
        assert!(doctor.stdout.contains(&format!("the plugin {client},")), "{}", doctor.stdout);
        assert!(!test.log().contains("panic"), "{}", test.log());
        // The way out, followed.
        test.db.exec(&format!("ALTER USER {user} IDENTIFIED VIA mysql_native_password USING PASSWORD('{secret}')"), ());
        test.cmd_op("open", 42, operation).ok();
        test.assert_clean();
    }
}

/// The same service, opened with the database reached in each way.
fn opens(test: &Test, item: u32) {
    test.cmd("open", item).ok().stdout("");
    assert_eq!(test.item(item).status, 2);
}

fn reached_by(test: &mut Test, host: &str) {
    test.panel(|panel| drop(panel.paramlist.insert("DBHost".to_owned(), host.to_owned())));
}

fn names_the_setting(test: &Test, item: u32) {
    let output = test.cmd("open", item);
    let message = output.fails("database").message().to_owned();
    assert!(message.contains("ca_file of [panel_db]"), "{message}\n{}", test.log());
    let doctor = test.run(["doctor"]).stdout;
    assert!(doctor.contains("ca_file of [panel_db]"), "{doctor}");
    assert!(!test.log().contains(&test.db.password), "{}", test.log());
}

/// A user who must log in over TLS, and a server that takes nobody without. On this machine that needs no setting.
/// From elsewhere the authority must be named, and then the database has to prove who it is. 0.0.0.0 leads to this
/// machine, and is no loopback address.
#[test]
fn a_database_that_wants_tls_is_reached_over_tls() {
    let mut test = Test::setup().database_tls().start();
    let user = format!("'{}'@'127.0.0.1'", test.db.user);
    for (item, ip) in [(42, "192.0.2.10"), (43, "192.0.2.11"), (44, "192.0.2.12"), (45, "192.0.2.13")] {
        test.soft_item(item, "55227", 1).ip(ip).add();
    }
    let ca = test.database_server().ca_pem().display().to_string();
    for (items, statement) in [
        ([42, 43], format!("ALTER USER {user} REQUIRE SSL")),
        ([44, 45], "SET GLOBAL require_secure_transport = ON".to_owned()),
    ] {
        test.db.exec(&statement, ());
        test.settings("");
        reached_by(&mut test, "127.0.0.1");
        opens(&test, items[0]);
        reached_by(&mut test, "0.0.0.0");
        names_the_setting(&test, items[1]);
        test.settings(&format!("[panel_db]\nca_file = \"{ca}\"\n"));
        opens(&test, items[1]);
        reached_by(&mut test, "127.0.0.1");
        test.cmd("sync_item", items[1]).ok();
        test.db.exec(&format!("ALTER USER {user} REQUIRE NONE"), ());
    }
    test.assert_clean();
}

/// An authority that is named must have signed the certificate, also on this machine, where a file that is no
/// authority, or is not there, is no reason to go on without TLS.
#[test]
fn a_database_that_cannot_prove_who_it_is_is_not_asked() {
    let test = Test::setup().database_tls().start();
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    let file = test.root().join("etc/db-ca.pem");
    test.settings("[panel_db]\nca_file = \"{root}/etc/db-ca.pem\"\n");
    names_the_setting(&test, 42);
    let [stranger, ..] = crate::support::upstream::tls::files(&["localhost"]);
    for text in ["no certificate", &stranger] {
        std::fs::write(&file, text).unwrap();
        names_the_setting(&test, 42);
    }
    std::fs::copy(test.database_server().ca_pem(), &file).unwrap();
    opens(&test, 42);
    test.assert_clean();
}

/// A self-signed certificate is its own authority: the database that has it is reached, and another one that claims the
/// same names is not. The library refuses a certificate that is marked as an authority's, and the message says what to
/// do about it.
#[test]
fn a_self_signed_certificate_of_the_database_is_believed_where_ca_file_names_it() {
    let made = |is_authority| crate::support::upstream::tls::self_signed_files(&DATABASE_NAMES, is_authority);
    let test = Test::setup().database_tls_by(made(false)).start();
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    let file = test.root().join("etc/db-ca.pem");
    test.settings("[panel_db]\nca_file = \"{root}/etc/db-ca.pem\"\n");
    let [other, ..] = made(false);
    std::fs::write(&file, &other).unwrap();
    names_the_setting(&test, 42);
    assert_eq!((test.upstream.requests(), test.state_path().exists()), (Vec::new(), false), "nothing was begun");
    std::fs::copy(test.database_server().ca_pem(), &file).unwrap();
    opens(&test, 42);
    test.assert_clean();

    let test = Test::setup().database_tls_by(made(true)).start();
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    let ca = test.database_server().ca_pem().display().to_string();
    test.settings(&format!("[panel_db]\nca_file = \"{ca}\"\n"));
    let refused = test.cmd("open", 42);
    let message = refused.fails("database").message().to_owned();
    for words in ["is marked as that of an authority", "CA:FALSE", "ca_file of [panel_db]"] {
        assert!(message.contains(words), "{words}: {message}");
    }
}

/// A server that offers no TLS: an authority that is named is a demand. Without one a wrong password stays a wrong
/// password.
#[test]
fn a_database_without_tls_is_refused_where_an_authority_is_named() {
    let mut test = Test::setup().tcp().start();
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    std::fs::write(test.root().join("etc/db-ca.pem"), &crate::support::upstream::tls::files(&["localhost"])[0])
        .unwrap();
    test.settings("[panel_db]\nca_file = \"{root}/etc/db-ca.pem\"\n");
    names_the_setting(&test, 42);
    test.settings("");
    opens(&test, 42);
    test.panel(|panel| drop(panel.paramlist.insert("DBPassword".to_owned(), "wrong".to_owned())));
    let denied = test.cmd("sync_item", 42);
    denied.fails("database");
    assert!(test.log().contains("Access denied"), "{}", test.log());
}
