//! Sellers that store the names of licenses in a form of their own. A name is for people, so a changed name does not
//! keep a license from its client.
use crate::pool::pooled;
use crate::service::{changes, day, forget, ip_of, license, state};
use crate::support::Test;
use crate::support::upstream::dialect::Names;

/// `&`, two blanks and more than 32 letters: each of the sellers below makes another name of it.
const NAME: &str = "Smith & Sons:  web hosting for everybody";

const WAYS: [(Names, &str); 4] = [
    (Names::Escaped, "Smith &amp; Sons:  web hosting for everybody"),
    (Names::Cut, "Smith & Sons:  web hosting for e"),
    (Names::Squeezed, "Smith & Sons: web hosting for everybody"),
    (Names::LowerCase, "smith & sons:  web hosting for everybody"),
];

fn seller(names: Names) -> Test {
    let test = Test::new();
    test.upstream.options(|o| o.dialect.names = names);
    test
}

/// Times that the log says that the seller keeps a name in its own way.
fn told(test: &Test) -> usize {
    test.log().matches("in its own way").count()
}

/// Passes of sync that change nothing, at the seller or in the panel.
fn sync_passes_change_nothing(test: &Test, what: &str) {
    forget(test);
    for pass in 1..=2 {
        test.run(["--command", "sync"]).ok();
        assert_eq!((changes(test), test.panel_changes()), (vec![], vec![]), "{what}, pass {pass}");
    }
    test.run(["reconcile"]).ok();
}

/// A purchased license is handed out. Everything but its name is compared and kept right, and the difference of the
/// name is reported once.
#[test]
fn a_name_that_the_seller_keeps_in_its_own_way_keeps_no_license_from_its_client() {
    for (names, shown) in WAYS {
        let test = seller(names);
        test.soft_item(42, "55227", 1).ip(&ip_of(42)).licname(NAME).add();
        test.cmd("open", 42).ok();
        let bought = license(&test, 42);
        assert_eq!(bought.licname, shown);
        assert_eq!((test.item(42).param("lickey"), test.item(42).status), (bought.key.as_str(), 2), "{shown}");
        assert_eq!(
            (test.item(42).param("licname"), told(&test)),
            (NAME, 1),
            "the client's wish stays as it is: {shown}"
        );
        sync_passes_change_nothing(&test, shown);
        test.set_param(42, "ip", "192.0.2.142");
        test.cmd("setparam", 42).ok();
        test.cmd("suspend", 42).ok();
        assert_eq!((license(&test, 42).ip.as_str(), license(&test, 42).status), ("192.0.2.142", 3), "{shown}");
        test.cmd("resume", 42).ok();
        assert_eq!((told(&test), test.upstream.billed("soft.order.param")), (1, 1), "{shown}");
        test.assert_clean();
    }
}

/// The seller's administrator moved a license to another address. Its stored name still shows whose it is, also where
/// licenses bear no marks and may come from another installation's pool: a close stops it and frees it.
#[test]
fn a_moved_license_is_known_by_the_name_that_the_seller_stored() {
    for (names, shown) in WAYS {
        let test = seller(names);
        test.settings("pool_foreign = true\n");
        test.upstream.options(|o| (o.remoteid_returned, o.list_remoteid) = (false, false));
        test.soft_item(42, "55227", 1).ip(&ip_of(42)).licname(NAME).add();
        test.cmd("open", 42).ok();
        let id = license(&test, 42).id;
        test.upstream.edit_license(id, |l| l.ip = "192.0.2.99".into());
        test.cmd("close", 42).ok();
        let freed = test.upstream.license(id);
        assert_eq!((freed.status, freed.ip.as_str(), freed.licname.as_str()), (3, "0.0.0.0", "free.lic"), "{shown}");
        assert_eq!(state(&test, "SELECT state FROM license"), "pool", "{shown}");
    }
}

/// The seller's administrator gave a license another name and another address, and it bears no mark. Its key still
/// shows whose it is while its service gives it back.
#[test]
fn a_moved_and_renamed_license_is_known_by_its_key() {
    let test = renamed_and_moved();
    let id = license(&test, 42).id;
    test.cmd("close", 42).ok();
    let freed = test.upstream.license(id);
    assert_eq!((freed.status, freed.ip.as_str(), freed.licname.as_str()), (3, "0.0.0.0", "free.lic"));
    assert_eq!(state(&test, "SELECT state FROM license"), "pool");
}

/// Its key changed as well, so another installation may have taken it. It is left as it is, and the run says so.
#[test]
fn a_license_that_shows_nothing_of_its_service_is_left_alone_and_named() {
    let test = renamed_and_moved();
    let id = license(&test, 42).id;
    test.upstream.edit_license(id, |l| l.key = "ANOTHER-KEY".into());
    let output = test.cmd("close", 42);
    let message = output.fails("state").message();
    assert!(message.contains("neither stopped nor freed"), "{message}");
    assert!(message.contains(&format!("pmisplicense show license:{id}")), "{message}");
    test.run(["show", &format!("license:{id}")]).ok();
    let left = test.upstream.license(id);
    assert_eq!((left.status, left.ip.as_str(), left.licname.as_str()), (2, "192.0.2.99", "somebody"));
    test.cmd("close", 42).ok();
    assert_eq!(test.item(42).status, 4, "the service can be closed");
    assert!(test.run(["reconcile"]).stdout.contains(&format!("pooled license {id} is in use")));
}

/// `unbind` knows such a license by its key too. If the key changed as well, it does not say that it freed the license.
#[test]
fn unbind_frees_a_moved_and_renamed_license_or_says_that_it_did_not() {
    for changed in [false, true] {
        let test = renamed_and_moved();
        let id = license(&test, 42).id;
        if changed {
            test.upstream.edit_license(id, |l| l.key = "ANOTHER-KEY".into());
        }
        let output = test.run(["unbind", "42", "--yes"]);
        let said = format!("{}{}", output.stdout, output.stderr);
        assert_eq!(
            (output.code, said.contains("neither stopped nor freed")),
            (Some(i32::from(changed)), changed),
            "{said}"
        );
        assert_eq!(test.upstream.license(id).status, if changed { 2 } else { 3 }, "{}", test.story());
    }
}

/// An open service at a seller without marks, whose license the seller's administrator renamed and moved.
fn renamed_and_moved() -> Test {
    let test = Test::new();
    test.settings("pool_foreign = true\n");
    test.upstream.options(|o| (o.remoteid_returned, o.list_remoteid) = (false, false));
    test.soft_item(42, "55227", 1).ip(&ip_of(42)).licname(NAME).add();
    test.cmd("open", 42).ok();
    let id = license(&test, 42).id;
    test.upstream.edit_license(id, |l| (l.ip, l.licname) = ("192.0.2.99".into(), "somebody".into()));
    test
}

/// A client's new name is sent once, whether or not the seller shows a difference, and one that it keeps is not told.
#[test]
fn a_new_name_is_asked_for_once() {
    for (names, _) in WAYS {
        let test = seller(names);
        test.soft_item(42, "55227", 1).ip(&ip_of(42)).licname(NAME).add();
        test.cmd("open", 42).ok();
        let edits = |name: &str| {
            forget(&test);
            test.set_param(42, "licname", name);
            test.cmd("setparam", 42).ok();
            changes(&test).len()
        };
        assert_eq!(edits(&format!("{NAME} and more")), 1, "{names:?}");
        sync_passes_change_nothing(&test, "the seller may show the very same name as before");
        let before = told(&test);
        assert_eq!((edits("shop"), license(&test, 42).licname.as_str()), (1, "shop"), "{names:?}");
        assert_eq!((edits("shop two"), license(&test, 42).licname.as_str()), (1, "shop two"), "a longer one is new");
        assert_eq!(told(&test), before, "{names:?}");
        test.upstream.edit_license(license(&test, 42).id, |l| l.licname = "somebody's".into());
        test.run(["--command", "sync"]).ok();
        assert_eq!(license(&test, 42).licname, "shop two", "what somebody else changed is put right");
    }
}

/// A pooled license serves the next client, whatever the seller makes of his name.
#[test]
fn a_pooled_license_is_given_out_under_a_name_that_the_seller_changes() {
    // A mark says whose the license is; where none is returned, the address that arrived with the name does.
    for ((names, shown), is_marked) in WAYS.iter().flat_map(|way| [(*way, true), (*way, false)]) {
        let test = seller(names);
        test.upstream.options(|o| o.remoteid_returned = is_marked);
        let id = pooled(&test, 41, "55227", 40);
        let before = told(&test);
        test.soft_item(42, "55227", 1).ip(&ip_of(42)).licname(NAME).add();
        test.cmd("open", 42).ok();
        let given = license(&test, 42);
        assert_eq!((given.id, given.licname.as_str(), given.status), (id, shown, 2));
        assert_eq!((test.item(42).param("lickey"), told(&test) - before), (given.key.as_str(), 1), "{shown}");
        assert_eq!(state(&test, "SELECT state FROM license"), "bound", "{shown}");
        sync_passes_change_nothing(&test, shown);
    }
}

/// A service without a name of its own shows the name that was meant, so that it is not escaped once more with each
/// change.
#[test]
fn a_service_shows_the_name_that_was_meant() {
    let test = seller(Names::Escaped);
    test.soft_item(42, "55227", 1).ip(&ip_of(42)).name("Smith & Sons").active_until(&day(20)).add();
    test.cmd("open", 42).ok();
    assert!(license(&test, 42).licname.ends_with("Smith &amp; Sons"), "{}", test.story());
    assert!(test.item(42).param("licname").ends_with("Smith & Sons"), "{:?}", test.item(42));
    sync_passes_change_nothing(&test, "a name by default");
}
