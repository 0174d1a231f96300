//! The way to the seller: refused logins, which certificates are trusted, which function takes orders, how fast
//! licenses are read.
use crate::service::{changes, day, ip_of, licid, opened, settle};
use crate::support::upstream::escape;
use crate::support::{Fault, Test, Tls, modes};

/// In the mode of that name.
fn in_mode(name: &str) -> Test {
    Test::setup().modes(&[modes::mode(name).unwrap()]).start()
}

/// The document of `check_connection` with the right settings.
fn connection(test: &Test) -> String {
    let (user, password) = test.upstream.with(|w| (w.options.user.clone(), w.options.password.clone()));
    let (url, password) = (test.upstream.url(), escape(&password));
    format!(
        "<doc><processingmodule><url>{url}</url><username>{user}</username><password>{password}</password>\
         </processingmodule></doc>"
    )
}

fn doctor(test: &Test) -> String {
    test.program(["doctor"]).env("LC_ALL", "C").run().stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A captcha, said by type or by text, and an address that is not in the account's list are refused logins, and
/// whoever reads the error learns where to look. So it is in every mode that lets nobody in, where there is no life.
#[test]
fn a_refused_login_names_the_allow_list_two_factor_login_and_the_captcha() {
    let shut: Vec<&str> = modes::MODES.iter().filter(|mode| mode.shuts()).map(|mode| mode.name).collect();
    assert_eq!(shut, ["captcha", "captcha-text", "allow-list"]);
    for mode in shut {
        let test = in_mode(mode);
        test.soft_item(42, "55227", 1).ip(&ip_of(42)).add();
        let check = test.program(["--command", "check_connection"]).stdin(connection(&test)).run();
        let open = test.cmd("open", 42);
        for told in [check.fails("auth").message(), open.fails("auth").message(), &doctor(&test)] {
            for word in ["list of allowed IP addresses", "Two-factor login", "captcha"] {
                assert!(told.contains(word), "{mode}: {word}: {told}");
            }
        }
        assert_eq!(changes(&test), Vec::<String>::new(), "{mode}");
    }
}

/// A refusal that is one word alone refuses the order and names the tariff. It is no doubt: the same order may be
/// sent again at once.
#[test]
fn a_tariff_that_is_not_sold_is_refused_by_name_and_leaves_nothing_in_doubt() {
    for words in ["wizard", "no_tariffs"] {
        let test = Test::new();
        test.soft_item(42, "55227", 1).ip(&ip_of(42)).add();
        test.upstream.fault(Fault::on("soft.order.param").refused(words));
        let refused = test.cmd("open", 42);
        let told = refused.fails("sale_closed").message().to_owned();
        assert!(told.contains("tariff 55227 is not sold to this account"), "{words}: {told}");
        test.cmd("open", 42).ok();
        assert_eq!(test.upstream.billed("soft.order.param"), 1, "{words}");
    }
    for mode in ["wizard-unavailable", "no-tariff-plans"] {
        let test = in_mode(mode);
        test.soft_item(42, "55231", 1).ip(&ip_of(42)).add();
        let refused = test.cmd("open", 42);
        let told = refused.fails("sale_closed").message().to_owned();
        assert!(told.contains("tariff 55231 is not sold to this account"), "{mode}: {told}");
        assert_eq!(test.upstream.billed("soft.order.param"), 0, "{mode}");
    }
}

/// An operator who names the seller's own certificate vouches for it, even if it is marked as an authority's. Its name
/// and its days are checked nevertheless, and nothing is sent if they do not fit.
#[test]
fn a_self_signed_certificate_that_ca_file_names_is_accepted() {
    let named = "[upstream]\nca_file = \"{root}/etc/ca.pem\"\n";
    for (tls, settings, is_good) in [
        (Tls::SelfSigned, named, true),
        (Tls::SelfSigned, "", false),
        (Tls::SelfSignedWrongName, named, false),
        (Tls::SelfSignedExpired, named, false),
    ] {
        let test = Test::setup().tls(tls).start();
        test.settings(settings);
        test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
        let open = test.cmd("open", 42);
        if is_good {
            open.ok();
        } else {
            open.fails("client");
            assert_eq!(test.upstream.requests(), [], "{tls:?} {settings}: something was sent");
        }
    }
}

/// A certificate that is named vouches for itself, and not for others that its owner did not sign.
#[test]
fn another_self_signed_certificate_is_refused() {
    let test = Test::setup().tls(Tls::SelfSigned).start();
    let other = Test::setup().tls(Tls::SelfSigned).start();
    std::fs::write(test.root().join("etc/ca.pem"), other.upstream.ca_pem()).unwrap();
    test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    test.cmd("open", 42).fails("client");
    assert_eq!(test.upstream.requests(), []);
}

/// With `order_api = "v2"` orders go to the newer function alone; doctor and the error suggest it where the seller
/// does not know the older one, and nothing is ever tried in its place.
#[test]
fn orders_go_to_the_function_that_the_settings_name_and_to_no_other() {
    let test = in_mode("order-v2");
    test.settings("[upstream]\norder_api = \"v1\"\n");
    test.soft_item(42, "55227", 1).ip(&ip_of(42)).add();
    let refused = test.cmd("open", 42);
    let told = refused.fails("upstream").message().to_owned();
    assert!(told.contains("order_api = &quot;v2&quot;"), "{told}");
    assert!(doctor(&test).contains("order_api = \"v2\""), "{}", doctor(&test));
    assert_eq!(test.upstream.requests_of("v2.soft.order.param"), []);
    test.settings("[upstream]\norder_api = \"v2\"\n");
    let planned = test.run(["--command", "open", "--item", "42", "--dry-run"]);
    assert!(planned.stdout.contains("v2.soft.order.param"), "{}", planned.stdout);
    test.upstream.clear_requests();
    test.cmd("open", 42).ok();
    let order = &test.upstream.requests_of("v2.soft.order.param")[0];
    let line = order.line();
    for word in ["clicked_button=order", "order_period=1", "autoprolong=off", "skipbasket=on", "remoteid=pml-"] {
        assert!(line.contains(word), "{word}: {line}");
    }
    assert_eq!(test.upstream.requests_of("soft.order.param"), []);
    assert_eq!(test.upstream.license(licid(&test, 42)).autoprolong, "null");
    assert!(!doctor(&test).contains("order_api"), "{}", doctor(&test));

    let older = Test::new();
    older.settings("[upstream]\norder_api = \"v2\"\nsettle_s = 1\n");
    older.soft_item(42, "55227", 1).ip(&ip_of(42)).add();
    for _ in 0..2 {
        older.cmd("open", 42).fails("upstream");
        settle(&older);
    }
    assert_eq!((older.upstream.requests_of("soft.order.param"), older.upstream.ledger()), (Vec::new(), Vec::new()));
}

/// A seller that limits reads of single licenses answers them all when they are paced, and a command that needs a
/// license asks for it once.
#[test]
fn many_licenses_are_read_once_each_and_not_too_fast() {
    const LICENSES: u32 = 40;
    let looked = |pause_ms: u32| {
        let modes = ["limited-reads", "remoteid-in-form"].map(|name| modes::mode(name).unwrap());
        let test = Test::setup().modes(&modes).start();
        // However slow this machine is, reads without a pause are too fast for a seller that takes one each 10 s.
        if pause_ms == 0 {
            test.upstream.with(|world| {
                if let Some(pace) = &mut world.options.dialect.pace {
                    pace.refill_ms = 10_000;
                }
            });
        }
        for item in 1..=LICENSES {
            let (ip, name) = (format!("192.0.2.{item}"), format!("Item #{item} Service {item}"));
            test.soft_item(item, "55227", 1).ip(&ip).active_until(&day(20)).add();
            let id = test.upstream.add_foreign(55227, 1, &ip, &name);
            test.upstream.edit_license(id, |license| license.remoteid = item.to_string());
        }
        test.upstream.issue_keys();
        test.settings(&format!("[upstream]\npause_ms = {pause_ms}\n"));
        let output = test.run(["take-over", "panel"]);
        (output, test.upstream.requests_of("soft.edit"))
    };
    let (hasty, _) = looked(0);
    assert!(hasty.code == Some(1) && hasty.stdout.contains("HTTP status 503"), "{hasty:#?}");
    let (paced, reads) = looked(60);
    assert!(paced.stdout.contains("5040") && !paced.stdout.contains("HTTP status 503"), "{paced:#?}");
    assert_eq!(reads.len(), LICENSES as usize, "{paced:#?}");
}

/// A request that one service needs is never held up.
#[test]
fn a_service_alone_waits_for_no_pause() {
    let test = Test::new();
    test.settings("[upstream]\npause_ms = 60000\n");
    opened(&test, 42, "55227", 1);
    test.cmd("sync_item", 42).ok();
    test.cmd("close", 42).ok();
}

/// Data of the seller that the program does not know is shown to an operator who asks for it, without secrets.
#[test]
fn show_raw_prints_every_field_marks_the_unknown_and_masks_secrets() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    let key = test.upstream.license(id).key;
    let more = |right: &str| {
        let key = right.split("<lickey>").nth(1).and_then(|rest| rest.split('<').next()).unwrap_or("none").to_owned();
        right.replace("</licname>", &format!("</licname><new_field>odd words</new_field><hint>key {key}</hint>"))
    };
    test.upstream.fault(Fault::on("*").reworded(more).always());
    for word in ["42".to_owned(), format!("license:{id}")] {
        let shown = test.program(["show", &word, "--raw"]).env("LC_ALL", "C").run();
        assert_eq!(shown.code, Some(0), "{shown:#?}");
        let lines: Vec<String> =
            shown.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        for line in ["soft.edit", "soft", "?new_field odd words", "?hint key ***", "lickey ***", &format!("id {id}")] {
            assert!(lines.iter().any(|found| found == line), "{line}: {lines:#?}");
        }
        assert!(!shown.stdout.contains(&key), "{}", shown.stdout);
    }
    let json = test.run(["show", "42", "--raw", "--json"]);
    assert!(json.stdout.contains("\"new_field\"") && !json.stdout.contains(&key), "{}", json.stdout);
    assert_eq!(test.run(["show", "license:77", "--raw"]).code, Some(1));
}
