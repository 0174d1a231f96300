//! Databases that are set up in another way than most: what their sessions begin with, how users log in.
use crate::service::{forget, only_license};
use crate::support::Test;

/// What a careful or careless administrator may give every session. Root, who is the panel here, is spared by the
/// server.
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
