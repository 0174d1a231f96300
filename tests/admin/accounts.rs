//! The account at the seller that a module buys from. Every spelling of its address means one account. A renamed
//! account is used again after an operator confirmed that it is the same. Licenses of an account that nobody buys from
//! any more are always reported.
use super::takeover::on_terminal;
use super::{difference, fine, in_state, json, left_undone, opened, operator, refused, troubled};
use crate::service::{ends_in, state};
use crate::support::{Fault, Test};

fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The seller's host has another name from now on; the old one is used no more.
fn rename(t: &Test) {
    t.module_param(7, "url", &t.upstream.url().replace("127.0.0.1", "localhost"));
}

/// An open service whose license, 5001, runs out tomorrow; it is paid for 31 days.
fn last_day() -> Test {
    let t = opened();
    ends_in(&t, 5001, 1);
    t
}

/// The state as version 0.1.0 left it: a new account accepted, the services bound with the former one.
fn accepted_before(t: &Test) {
    rename(t);
    let url = t.upstream.url().replace("127.0.0.1", "localhost");
    let user = t.upstream.with(|w| w.options.user.clone());
    in_state(t, &format!("INSERT INTO account (url, username) VALUES ('{url}', '{user}')"));
    in_state(t, "UPDATE module SET account = (SELECT max(id) FROM account)");
}

/// The commands that a text advises, without what comes after each.
fn advice(text: &str) -> Vec<String> {
    let text = joined(text);
    let commands = text.split("pmisplicense ").skip(1).map(|rest| rest.split([';', ',']).next().unwrap_or_default());
    let clean = |command: &str| {
        let words = command
            .split(' ')
            .take_while(|word| word.starts_with(|c: char| c.is_ascii_lowercase() || c == '-' || c.is_ascii_digit()));
        words.collect::<Vec<_>>().join(" ").trim_end_matches(['.', ':']).to_owned()
    };
    commands.map(clean).collect()
}

#[test]
fn every_spelling_of_the_sellers_address_is_the_same_account() {
    let t = last_day();
    let base = t.upstream.base();
    for url in [
        base.clone(),
        format!("{base}/"),
        format!("{base}/manager/billmgr/"),
        format!("  {base}/manager/billmgr "),
        base.replace("http://", "HTTP://"),
    ] {
        t.module_param(7, "url", &url);
        t.cmd("sync_item", 42).ok();
        fine(&t, "sync");
        assert!(!operator(&t, "doctor").stdout.contains("accept-account"), "{url}");
    }
    assert_eq!((state(&t, "SELECT count(*) FROM account"), t.upstream.billed("service.prolong")), ("1".into(), 1));
    // An earlier version wrote the address down as it was typed.
    in_state(&t, &format!("UPDATE account SET url = '{base}'"));
    t.module_param(7, "url", &t.upstream.url());
    t.cmd("suspend", 42).ok();
    fine(&t, "sync");
    t.module_param(7, "username", "somebody-else");
    assert_eq!(t.cmd("resume", 42).fails("config").attribute("object"), "module");
}

#[test]
fn a_renamed_account_goes_on_once_an_operator_says_it_is_the_same() {
    let t = last_day();
    rename(&t);
    for command in ["sync", "reconcile", "import", "explain 42"] {
        assert_eq!(operator(&t, command).code, Some(1), "{command}");
    }
    assert_eq!(t.upstream.billed("service.prolong"), 0);
    assert!(joined(&troubled(&t, "doctor")).contains("doctor --accept-account 7"));
    fine(&t, "doctor --accept-account 7 --same --yes");
    fine(&t, "sync");
    assert_eq!(t.upstream.billed("service.prolong"), 1, "on its last day");
    t.cmd("suspend", 42).ok();
    t.cmd("resume", 42).ok();
    assert!(fine(&t, "reconcile").contains("agree"));
    assert!(!operator(&t, "doctor").stdout.contains("accept-account"));
    assert_eq!(state(&t, "SELECT count(*) FROM journal WHERE event = 'account_same'"), "1");
    // The former name leads to the same account, if the settings go back to it or another module has it.
    t.module_param(7, "url", &t.upstream.url());
    t.cmd("suspend", 42).ok();
    assert!(fine(&t, "doctor --accept-account 7 --other --yes").contains("nothing to decide"));
}

#[test]
fn pool_and_requests_in_doubt_and_costs_go_along_with_a_renamed_account() {
    let t = Test::new();
    for item in [41, 42, 43] {
        t.soft_item(item, "55227", 12).ip(&format!("192.0.2.{item}")).expires(&super::day_in(365)).add();
    }
    t.cmd("open", 41).ok();
    t.cmd("open", 42).ok();
    t.upstream.age(5001, 40);
    t.cmd("close", 41).ok();
    t.upstream.age(5001, 40);
    ends_in(&t, 5002, 1);
    t.upstream.fault(Fault::on("service.prolong").late());
    let lost = operator(&t, "sync");
    assert_eq!(state(&t, "SELECT status FROM intent WHERE kind = 'renewal'"), "in_doubt", "{}", lost.story);
    let cost = json(&t, "report")["products"].clone();
    rename(&t);
    fine(&t, "doctor --accept-account 7 --same --yes");
    t.upstream.land_late();
    fine(&t, "sync");
    assert_eq!(state(&t, "SELECT status FROM intent WHERE kind = 'renewal'"), "done");
    assert_eq!(t.upstream.billed("service.prolong"), 1, "found, not sent again");
    t.cmd("open", 43).ok();
    assert_eq!((t.item(43).param("licid"), t.upstream.billed("soft.order.param")), ("5001", 2), "from the pool");
    let after = json(&t, "report")["products"].clone();
    assert_eq!(cost[0]["bought"], after[0]["bought"]);
}

#[test]
fn what_was_bound_with_a_former_account_is_never_passed_over_in_silence() {
    let t = last_day();
    accepted_before(&t);
    t.soft_item(43, "55227", 1).ip("192.0.2.43").expires(&super::day_in(31)).add();
    t.cmd("open", 43).ok();
    ends_in(&t, 5002, 1);
    let told = joined(&left_undone(&t));
    assert!(told.contains("Module 7 bound 1 license ") && told.contains("doctor --accept-account 7"), "{told}");
    assert_eq!(t.upstream.billed("service.prolong"), 1, "the rest is done: {}", t.story());
    assert_eq!(operator(&t, "list --problems").code, Some(1));
    assert_eq!(json(&t, "list")["licenses"][0]["problems"], serde_json::json!(["former_account"]));
    assert_eq!(t.run(["--command", "sync"]).fails("config").attribute("object"), "account");
    assert_eq!(t.run(["--command", "sync_server", "--module", "7"]).fails("config").attribute("object"), "account");
    assert!(joined(&troubled(&t, "doctor")).contains("no module buys from it now"));
    let found = json(&t, "reconcile");
    assert_eq!(difference(&found, "former_account")["command"], "pmisplicense doctor --accept-account 7");
    fine(&t, "doctor --accept-account 7 --same --yes");
    fine(&t, "sync");
    assert_eq!(t.upstream.billed("service.prolong"), 2);
    assert_eq!(state(&t, "SELECT count(DISTINCT account) FROM license"), "1", "both are one account now");
    assert!(fine(&t, "reconcile").contains("agree"));
}

#[test]
fn the_advice_about_a_former_account_leads_out() {
    for (is_same, last) in [(true, "doctor --accept-account 7 --same"), (false, "move 42")] {
        let t = last_day();
        let elsewhere = crate::support::Upstream::start();
        if is_same {
            rename(&t);
        } else {
            t.module_param(7, "url", &elsewhere.url());
        }
        let mut followed = Vec::new();
        let mut text = t.cmd("sync_item", 42).fails("config").message().to_owned();
        while t.cmd("sync_item", 42).code != Some(0) {
            let fresh = advice(&text).into_iter().find(|command| !followed.contains(command));
            let command = fresh.unwrap_or_else(|| panic!("a circle after {followed:?}: {text}"));
            let output = operator(&t, &format!("{command} --yes"));
            followed.push(command);
            text = if output.code == Some(0) { t.cmd("sync_item", 42).message().to_owned() } else { output.stderr };
            // If the text names only the second way, that way is taken.
            if !is_same && text.contains("If it is another one: ") {
                followed.push("doctor --accept-account 7 --same".to_owned());
                fine(&t, "doctor --accept-account 7 --other --yes");
                text = t.cmd("sync_item", 42).message().to_owned();
            }
            assert!(followed.len() < 5, "{followed:?}");
        }
        assert_eq!(followed.last().map(String::as_str), Some(last));
        fine(&t, "sync");
        assert_eq!(
            (t.upstream.billed("service.prolong"), elsewhere.billed("soft.order.param")),
            if is_same { (1, 0) } else { (0, 1) }
        );
    }
}

#[test]
fn what_stays_with_a_former_account_is_named_while_a_paid_service_needs_it() {
    let t = opened();
    let elsewhere = crate::support::Upstream::start();
    t.module_param(7, "url", &elsewhere.url());
    fine(&t, "doctor --accept-account 7 --other --yes");
    fine(&t, "sync");
    assert!(joined(&operator(&t, "doctor").stdout).contains("pmisplicense move ITEM"));
    in_state(&t, &format!("UPDATE license SET expires = '{}'", super::day_in(1)));
    let told = joined(&left_undone(&t));
    assert!(told.contains("License 5001 of service 42") && told.contains("pmisplicense move 42"), "{told}");
    t.set_item(42, "status", "3");
    fine(&t, "sync");
    t.set_item(42, "status", "2");
    fine(&t, "move 42 --yes");
    fine(&t, "sync");
}

/// Nobody frees it, and the next client could have it: each pass names it while it is paid for, and fails no more for
/// what an operator decided to leave.
#[test]
fn a_license_that_a_closed_service_left_in_a_former_account_is_named_while_it_is_paid_for() {
    let t = opened();
    let elsewhere = crate::support::Upstream::start();
    t.module_param(7, "url", &elsewhere.url());
    fine(&t, "doctor --accept-account 7 --other --yes");
    t.cmd("close", 42).ok();
    let named = || {
        let told = json(&t, "sync");
        assert_eq!(told["failures"], serde_json::json!([]), "{told:#}");
        let list = told["passed_over"].as_array().cloned().unwrap_or_default();
        list.into_iter().map(|one| (one["why"].clone(), one["license"].clone())).collect::<Vec<_>>()
    };
    for _ in 0..2 {
        assert_eq!(named(), [("left_in_former_account".into(), 5001.into())]);
    }
    assert!(joined(&fine(&t, "sync")).contains("License 5001 serves nobody and is paid for until"), "{}", t.story());
    in_state(&t, &format!("UPDATE license SET expires = '{}'", super::day_in(0)));
    assert_eq!(named(), []);
}

/// Services may have been handed to another module of ours: a pass over that module alone names what no pass of it
/// can renew.
#[test]
fn sync_server_names_what_its_services_have_in_a_former_account() {
    let mut t = opened();
    let elsewhere = crate::support::Upstream::start();
    t.add_module(9, "pmisplicense");
    t.connect_module(9, &elsewhere.url());
    t.module_param(7, "url", &elsewhere.url());
    t.set_item(42, "processingmodule", "9");
    t.soft_item(43, "55227", 1).ip("192.0.2.43").expires(&super::day_in(31)).add();
    t.set_item(43, "processingmodule", "9");
    t.cmd("open", 43).ok();
    let server = |module: &str| t.run(["--command", "sync_server", "--module", module]);
    fine(&t, "doctor --accept-account 7 --other --yes");
    server("9").ok();
    in_state(&t, &format!("UPDATE license SET expires = '{}' WHERE item = 42", super::day_in(1)));
    for module in ["7", "9"] {
        let told = joined(server(module).fails("config").message());
        assert!(told.contains("License 5001 of service 42"), "{module}: {told}");
    }
    in_state(&t, "DELETE FROM meta WHERE name LIKE 'stays%'");
    let told = joined(server("9").fails("config").message());
    assert!(told.contains("Module 7 bound 1 license"), "{told}");
}

#[test]
fn an_account_in_which_nothing_known_can_be_read_is_not_called_the_same() {
    let t = opened();
    rename(&t);
    t.upstream.swap_account(1002);
    let told = joined(&refused(&t, "doctor --accept-account 7 --same --yes"));
    assert!(
        told.contains("Nothing shows that it is the same account") && told.contains("--against-evidence"),
        "{told}"
    );
    assert_eq!(t.cmd("sync_item", 42).fails("config").attribute("object"), "module", "nothing was changed");
    t.upstream.swap_account(1001);
    let told = joined(&refused(&t, "doctor --accept-account 7 --other --yes"));
    assert!(told.contains("--same"), "{told}");
    fine(&t, "doctor --accept-account 7 --other --against-evidence --yes");
    assert_eq!(state(&t, "SELECT count(*) FROM journal WHERE event = 'account_other'"), "1");
    // Said by mistake: it can be taken back.
    let back = json(&t, "doctor --accept-account 7 --same --yes");
    assert_eq!(
        (&back["accepted"]["decision"], &back["accepted"]["before"][0]["found"]["same"]),
        (&"same".into(), &1.into())
    );
    t.cmd("sync_item", 42).ok();
}

#[test]
fn accepting_an_account_shows_what_was_found_and_asks() {
    let mut t = opened();
    t.add_module(9, "pmisplicense");
    rename(&t);
    let told = joined(&refused(&t, "doctor --accept-account 7"));
    for words in ["127.0.0.1", "localhost", "1 license bound to services", "looked for 1 license", "--same", "--other"]
    {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(refused(&t, "doctor --accept-account 7 --same").contains("--yes"));
    let (text, code) = on_terminal(&t, "doctor --accept-account 7", "n\nn\n");
    assert_eq!((code, text.contains("Nothing was decided")), (Some(1), true), "{text}");
    let (text, code) = on_terminal(&t, "doctor --accept-account 7", "y\n");
    assert_eq!(code, Some(0), "{text}");
    t.cmd("sync_item", 42).ok();
}

#[test]
fn only_a_module_of_ours_on_our_machine_that_can_log_in_is_accepted() {
    let mut t = opened();
    t.add_module(9, "pmvmmanager");
    assert!(refused(&t, "doctor --accept-account 9 --other --yes").ends_with("type: unsupported_module\n"));
    assert!(refused(&t, "doctor --accept-account 99 --other --yes").ends_with("type: missed\n"));
    rename(&t);
    t.module_password(7, "wrong");
    assert!(refused(&t, "doctor --accept-account 7 --same --yes").ends_with("type: auth\n"));
    let password = t.upstream.with(|w| w.options.password.clone());
    t.module_password(7, &password);
    t.another_machine();
    assert!(joined(&refused(&t, "doctor --accept-account 7 --same --yes")).contains("state claim"));
    assert_eq!(state(&t, "SELECT count(*) FROM account"), "1");
    assert!(refused(&t, "state claim").contains("--yes"));
    fine(&t, "state claim --yes");
    assert_eq!(state(&t, "SELECT count(*) FROM journal WHERE event = 'machine'"), "1");
    fine(&t, "doctor --accept-account 7 --same --yes");
    t.cmd("sync_item", 42).ok();
}

/// A server of another module, whose license stays with the module's former account: a sweep by itself is no more
/// content than sync, and neither is a command for the server.
#[test]
fn no_sweep_is_content_while_a_servers_license_is_with_a_former_account() {
    let t = Test::new();
    t.settings("bundled = [3]");
    t.vds_item(50, "55229", 1).addresses(&["192.0.2.50"]).expires(&super::day_in(31)).add();
    fine(&t, "sync --sweep --adopt");
    accepted_before(&t);
    for line in ["sync --sweep", "sync --sweep --module 3", "sync"] {
        let output = operator(&t, line);
        let told = joined(&output.stderr);
        assert_eq!(output.code, Some(1), "{line}: {}", output.story);
        assert!(told.contains("Module 7 bound 1 license ") && told.contains("doctor --accept-account 7"), "{told}");
    }
    assert_eq!(t.cmd("sync_item", 50).fails("config").attribute("object"), "account");
    let elsewhere = crate::support::Upstream::start();
    t.module_param(7, "url", &elsewhere.url());
    fine(&t, "doctor --accept-account 7 --other --yes");
    fine(&t, "sync --sweep");
    in_state(&t, &format!("UPDATE license SET expires = '{}'", super::day_in(1)));
    for line in ["sync --sweep", "sync"] {
        let told = joined(&operator(&t, line).stderr);
        assert!(told.contains("of service 50") && told.contains("pmisplicense move 50"), "{line}: {told}");
    }
    assert_eq!((t.upstream.billed("soft.order.param"), elsewhere.billed("soft.order.param")), (1, 0));
}

/// The account is still another module's, which is switched off: what the first one bound there is that one's to
/// renew.
#[test]
fn a_former_account_that_only_a_switched_off_module_has_is_looked_at() {
    let mut t = opened();
    t.add_module(9, "pmisplicense");
    t.connect_module(9, &t.upstream.url());
    fine(&t, "sync --module 9");
    ends_in(&t, 5001, 1);
    t.db.exec("UPDATE processingmodule SET active = 'off' WHERE id = 9", ());
    let elsewhere = crate::support::Upstream::start();
    t.module_param(7, "url", &elsewhere.url());
    fine(&t, "doctor --accept-account 7 --other --yes");
    fine(&t, "sync");
    assert_eq!(t.upstream.billed("service.prolong"), 1, "{}", t.story());
    for line in ["sync", "sync --module 9"] {
        fine(&t, line);
    }
    assert_eq!((t.upstream.billed("service.prolong"), elsewhere.billed("soft.order.param")), (1, 0));
}
