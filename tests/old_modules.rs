//! An old state of a panel with two modules. Each module buys from its own seller, and one of the sellers may be away
//! while the other answers. The state is completed module by module (docs/money-safety.md 6).
use crate::old_state::{keep, put_back, reconcile};
use crate::service::{ip_of, licid, opened, settle, state};
use crate::support::{Fault, MgrctlFault, MgrctlFaultKind, Output, Test, Upstream};

/// The service of the second module.
const ITEM: u32 = 52;

/// A panel whose module 8 buys from this second seller. Its service 52 is not opened.
fn two() -> (Test, Upstream) {
    let mut test = Test::new();
    let other = Upstream::start();
    other.with(|world| world.next_id = 9001);
    test.add_module(8, "pmisplicense");
    test.connect_module(8, &other.url());
    test.soft_item(ITEM, "55227", 1).module(8).ip(&ip_of(ITEM)).add();
    (test, other)
}

/// It buys a license, and the panel is never told.
fn buys_unheard(test: &Test) {
    test.mgrctl_fault(MgrctlFault::on("service.saveparam", MgrctlFaultKind::ErrorDocument).always());
    assert_eq!(test.cmd("open", ITEM).code, Some(1));
    test.clear_mgrctl_faults();
}

/// Both sellers sold since the state was copied.
fn both_sold_since() -> (Test, Upstream) {
    let (test, other) = two();
    opened(&test, 41, "55227", 1);
    test.run(["--command", "sync_server", "--module", "8"]).ok();
    keep(&test);
    buys_unheard(&test);
    opened(&test, 43, "55228", 1);
    put_back(&test);
    (test, other)
}

fn bought_once(test: &Test, other: &Upstream) {
    test.cmd("open", ITEM).ok();
    assert_eq!((licid(test, ITEM), other.billed("soft.order.param")), (9001, 1), "{}", test.story());
    assert_eq!(state(test, "SELECT count(*) FROM meta WHERE name IN ('restored', 'known_to')"), "0");
}

fn doctor(test: &Test) -> Output {
    test.program(["doctor"]).env("LC_ALL", "C").env("COLUMNS", "500").run()
}

/// The seller of the second module is away when the first one is compared. The first one goes on; the second one buys
/// nothing until its own licenses are taken in.
#[test]
fn a_seller_that_is_away_keeps_its_own_module_old_and_no_other() {
    let (test, other) = both_sold_since();
    other.stop_listening();
    let compared = reconcile(&test);
    assert_eq!(compared.code, Some(1), "{}", test.story());
    assert!(compared.stdout.contains("old for other modules until they are compared too: 8"), "{}", compared.stdout);
    test.cmd("sync_item", 43).ok();
    opened(&test, 44, "55227", 1);
    other.listen_again();
    for command in ["open", "suspend", "close"] {
        let refused = test.cmd(command, ITEM);
        assert!(refused.fails("state").message().contains("reconcile --apply"), "{command}");
    }
    assert_eq!(other.billed("soft.order.param"), 1, "{}", test.story());
    let found = doctor(&test).stdout;
    assert!(found.contains(&format!("not been compared since: {}", other.with(|w| w.options.user.clone()))), "{found}");
    reconcile(&test).ok();
    bought_once(&test, &other);
    assert!(!doctor(&test).stdout.contains("restored"));
}

/// A comparison of one module alone says what is left, and completes nothing else.
#[test]
fn one_module_can_be_compared_alone() {
    let (test, other) = both_sold_since();
    let compared = test.run(["reconcile", "--apply", "--module", "7"]);
    assert!(compared.ok().stdout.contains("until they are compared too: 8"), "{}", compared.stdout);
    opened(&test, 44, "55227", 1);
    test.cmd("open", ITEM).fails("state");
    assert!(test.run(["reconcile", "--apply", "--module", "8"]).ok().stdout.contains("goes on from number 4"));
    bought_once(&test, &other);
}

/// The copy waits for an order, and the license of the next order is at the second seller. The first module, compared
/// before, has seen higher numbers: this license is still newer than what the state knows of its own seller.
#[test]
fn a_newer_license_of_the_second_module_is_bound_and_not_freed() {
    let (test, other) = two();
    other.fault(Fault::on("soft.order.param").drop_before());
    test.cmd("open", ITEM).fails("client");
    keep(&test);
    settle(&test);
    test.cmd("open", ITEM).fails("client");
    settle(&test);
    buys_unheard(&test);
    opened(&test, 43, "55228", 1);
    put_back(&test);
    reconcile(&test);
    assert_eq!(
        state(&test, "SELECT state || ' ' || item FROM license WHERE id = 9001"),
        "bound 52",
        "{}",
        test.story()
    );
    bought_once(&test, &other);
    assert_eq!(other.license(9001).status, 2);
}

/// A module that the state does not know at all was added since the copy, and has sold.
#[test]
fn a_module_that_was_added_since_the_copy_is_compared_before_it_sells() {
    let (test, other) = two();
    opened(&test, 41, "55227", 1);
    keep(&test);
    buys_unheard(&test);
    opened(&test, 43, "55228", 1);
    put_back(&test);
    assert_eq!(state(&test, "SELECT count(*) FROM module WHERE id = 8"), "0");
    other.stop_listening();
    assert_eq!(reconcile(&test).code, Some(1));
    other.listen_again();
    test.cmd("open", ITEM).fails("state");
    reconcile(&test).ok();
    bought_once(&test, &other);
}

/// A module whose seller is gone for good can be deleted from the panel. The rest of the state is complete then.
#[test]
fn a_module_that_the_panel_no_longer_has_holds_up_nothing() {
    let (test, other) = both_sold_since();
    other.stop_listening();
    assert_eq!(reconcile(&test).code, Some(1));
    test.db.exec("DELETE FROM processingmodule WHERE id = 8", ());
    reconcile(&test).ok();
    assert_eq!(state(&test, "SELECT count(*) FROM meta WHERE name = 'restored'"), "0", "{}", test.story());
}

/// A service changed its module and got a license of the second seller since the state was copied. The old state holds
/// the former license for it, which was freed since. Nothing is done with either license, and no third one is bought,
/// until an operator has said which one the service uses. The commands that are named end it.
#[test]
fn a_service_that_changed_its_module_since_the_copy_keeps_what_it_shows() {
    for (first, second, is_away) in [("7", "8", false), ("8", "7", false), ("7", "8", true)] {
        let (test, other) = two();
        opened(&test, 41, "55227", 1);
        test.upstream.age(5001, 40);
        keep(&test);
        test.set_item(41, "processingmodule", "8");
        test.run(["move", "41", "--yes"]).ok();
        test.run(["sync", "--module", "7"]).ok();
        let free = test.upstream.license(5001);
        assert_eq!((licid(&test, 41), &*free.licname), (9001, "free.lic"), "{}", test.story());
        put_back(&test);
        let keeps = || {
            let (old, new, item) = (test.upstream.license(5001), other.license(9001), test.item(41));
            assert_eq!((old.status, &old.licname, &old.expires), (free.status, &free.licname, &free.expires));
            assert_eq!((item.param("licid"), item.param("lickey"), new.status), ("9001", &*new.key, 2));
            assert_eq!(other.billed("soft.order.param"), 1, "{first} {is_away}: {}", test.story());
        };
        if is_away {
            other.stop_listening();
        }
        for _ in 0..2 {
            for module in [first, second] {
                test.run(["reconcile", "--apply", "--module", module]);
                keeps();
                test.run(["sync", "--module", module]);
                keeps();
            }
        }
        other.listen_again();
        // The first one finds that the state is old for the first module too.
        for _ in 0..2 {
            reconcile(&test);
        }
        assert_eq!(test.run(["sync", "--module", "7"]).code, Some(1), "{}", test.story());
        for command in ["move", "sync_item"] {
            let told = match command {
                "move" => test.run(["move", "41", "--yes"]),
                _ => test.cmd(command, 41),
            };
            assert_eq!(told.code, Some(1), "{command}: {}", test.story());
            keeps();
        }
        assert!(test.run(["move", "41", "--yes"]).stderr.contains("pmisplicense unbind 41"), "{}", test.story());
        assert!(test.run(["reconcile", "--module", "7"]).stdout.contains("pmisplicense bind 41 9001"));
        test.run(["unbind", "41", "--yes"]).ok();
        test.run(["bind", "41", "9001", "--yes"]).ok();
        for module in ["7", "8"] {
            test.run(["sync", "--module", module]).ok();
        }
        test.cmd("open", 41).ok();
        keeps();
        assert!(reconcile(&test).ok().stdout.contains("agree"), "{}", test.story());
    }
}
