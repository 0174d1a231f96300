//! A state that is old, lost or begun anew, by the marks that licenses bear (docs/money-safety.md 4 and 6): what
//! gives it away, and what `reconcile --apply` makes of each license that it missed.
use crate::pool::{open, pooled};
use crate::service::{alter_state, changes, forget, ip_of, license, licid, only_license, opened, settle, state, told};
use crate::support::upstream::Answer;
use crate::support::{Fault, MgrctlFault, MgrctlFaultKind, Output, Test};

const PINNED: &str = "panel_id = \"abcdefgh\"\n";

pub fn sync(test: &Test) -> Output {
    test.run(["--command", "sync_server", "--module", "7"])
}

pub fn reconcile(test: &Test) -> Output {
    test.run(["reconcile", "--apply"])
}

/// The files of the state, taken out or put back.
pub fn copy_state(test: &Test, from: &str, to: &str) {
    let folder = test.state_path().parent().unwrap().to_owned();
    let at = |name: &str| folder.parent().unwrap().join(name);
    let _ = std::fs::remove_dir_all(at(to));
    std::fs::create_dir(at(to)).unwrap();
    for entry in std::fs::read_dir(at(from)).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        std::fs::copy(entry.path(), at(to).join(entry.file_name())).unwrap();
    }
}

pub fn keep(test: &Test) {
    copy_state(test, "pmisplicense", "kept");
}

/// The copy is back, and the state knows that it is old.
pub fn put_back(test: &Test) {
    copy_state(test, "kept", "pmisplicense");
    sync(test).fails("state");
}

fn lose(test: &Test) {
    std::fs::remove_dir_all(test.state_path().parent().unwrap()).unwrap();
}

pub fn state_of(test: &Test, id: u64) -> String {
    state(test, &format!("SELECT state FROM license WHERE id = {id}"))
}

/// Service 41 is known, 42 and its license were missed.
fn missed() -> (Test, u64) {
    let test = Test::new();
    opened(&test, 41, "55227", 1);
    keep(&test);
    let missed = opened(&test, 42, "55228", 1);
    put_back(&test);
    (test, missed)
}

/// A state put back from a copy of the disk: a mark with a higher number gives it away, then every command only
/// reads, until reconcile --apply has taken in what it missed.
#[test]
fn an_old_state_only_reads_until_reconcile_takes_in_what_it_missed() {
    let test = Test::new();
    let first = opened(&test, 41, "55227", 1);
    keep(&test);
    let missed = opened(&test, 42, "55228", 1);
    copy_state(&test, "kept", "pmisplicense");
    forget(&test);
    assert!(sync(&test).fails("state").message().contains("reconcile --apply"));
    test.soft_item(43, "55227", 1).ip("192.0.2.43").add();
    for (command, item) in [("open", 43), ("suspend", 41), ("close", 41), ("setparam", 41), ("open", 42)] {
        test.cmd(command, item).fails("state");
    }
    let kinds = ["runningoperation.edit", "problems.register"];
    assert!(told(&test).iter().all(|func| kinds.contains(&func.as_str())), "{:?}", told(&test));
    assert_eq!(changes(&test), Vec::<String>::new());
    test.run(["reconcile", "--apply"]).ok();
    for (item, id) in [(41, first), (42, missed)] {
        test.cmd("sync_item", item).ok();
        assert_eq!(licid(&test, item), id);
    }
    test.cmd("open", 43).ok();
    assert_eq!(test.upstream.billed("soft.order.param"), 3);
}

/// Since the copy the service was closed, and opened again with another license. Reconcile cannot know which of the two
/// it is to keep: the error names the command, and following it ends well.
#[test]
fn a_service_that_got_another_license_since_the_copy_is_bound_to_it_by_the_command_of_the_error() {
    let test = Test::new();
    test.settings("on_close = \"stop\"\n");
    let first = opened(&test, 41, "55227", 1);
    keep(&test);
    test.cmd("close", 41).ok();
    test.set_item(41, "status", "1");
    test.set_param(41, "ip", "192.0.2.141");
    test.cmd("open", 41).ok();
    let second = licid(&test, 41);
    assert_ne!(first, second);
    put_back(&test);
    assert_eq!(reconcile(&test).code, Some(1), "an operator has to decide");
    let refused = test.cmd("setparam", 41);
    let command = format!("pmisplicense bind 41 {second} --replace");
    assert!(refused.fails("state").message().contains(&command), "{}", refused.message());
    test.run(["bind", "41", &second.to_string(), "--replace", "--yes"]).ok();
    test.cmd("setparam", 41).ok();
    assert_eq!((licid(&test, 41), test.upstream.billed("soft.order.param")), (second, 2), "{}", test.story());
}

/// A state that was copied while the first order of service 42 was in doubt, after reconcile has taken in the license
/// of the second one.
fn overtaken() -> (Test, u64) {
    overtaken_by(Fault::on("soft.order.param").drop_before())
}

/// The same, with a fault of one's own for the first order.
fn overtaken_by(fault: Fault) -> (Test, u64) {
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    test.upstream.fault(fault);
    test.cmd("open", 42).fails("client");
    keep(&test);
    settle(&test);
    test.cmd("open", 42).fails("client");
    settle(&test);
    // It is bought, and the panel is never told.
    test.mgrctl_fault(MgrctlFault::on("service.saveparam", MgrctlFaultKind::ErrorDocument).always());
    assert_eq!(test.cmd("open", 42).code, Some(1));
    test.clear_mgrctl_faults();
    let id = only_license(&test).id;
    copy_state(&test, "kept", "pmisplicense");
    sync(&test).fails("state");
    test.run(["reconcile", "--apply"]);
    assert_eq!(state(&test, "SELECT status FROM intent"), "free_when_appears");
    (test, id)
}

/// The mark of the order that followed settles an order that is in doubt in an old state. The license with that mark is
/// the service's, and nothing is bought beside it.
#[test]
fn a_newer_mark_ends_a_request_in_doubt_of_an_old_state() {
    let (test, id) = overtaken();
    test.cmd("open", 42).ok();
    assert_eq!((licid(&test, 42), only_license(&test).id), (id, id));
    assert_eq!((test.upstream.billed("soft.order.param"), only_license(&test).status), (1, 2), "{}", test.story());
}

/// The license of the second order is in use. Commands that wait for the end of the first order do not invite an
/// operator to name it, and an operator who names it is refused. It would be freed under its client.
#[test]
fn the_license_that_a_service_uses_is_not_what_its_older_order_bought() {
    for is_known in [true, false] {
        let (test, id) = overtaken();
        test.cmd("open", 42).ok();
        let blocked = test.run(["unbind", "42", "--yes"]);
        let none = "pmisplicense resolve 42 --intent 1 --not-bought";
        assert!(
            blocked.code == Some(1) && blocked.stderr.contains("no license besides the one that the service has now")
        );
        assert!(blocked.stderr.contains(none), "{}", blocked.stderr);
        if !is_known {
            alter_state(&test, "DELETE FROM license");
        }
        let before = test.upstream.license(id);
        let named = test.run(["resolve", "42", "--intent", "1", "--bought", &id.to_string(), "--yes"]);
        let why = if is_known { "already serves service 42" } else { "bears the mark of order 2 of service 42" };
        assert!(named.code == Some(1) && named.stderr.contains(why), "{named:?}");
        assert!(named.stderr.contains(none) && named.stderr.contains("wait"), "{named:?}");
        let after = test.upstream.license(id);
        assert_eq!((&after.licname, after.status), (&before.licname, 2), "{}", test.story());
        settle(&test);
        test.run(["resolve", "42", "--intent", "1", "--not-bought", "--yes"]).ok();
        if is_known {
            test.cmd("sync_item", 42).ok();
            assert_eq!((licid(&test, 42), state_of(&test, id)), (id, "bound".into()), "{}", test.story());
        }
        assert_eq!(test.upstream.billed("soft.order.param"), 1);
    }
}

/// The license of the first order comes late, and its address was changed since. The service has another license, so
/// this one is only freed. For that its mark suffices, and no operator is asked.
#[test]
fn a_duplicate_is_known_by_its_mark_whatever_was_changed_since() {
    let (test, id) = overtaken_by(Fault::on("soft.order.param").late());
    test.cmd("open", 42).ok();
    test.upstream.land_late();
    let late = test.upstream.licenses().iter().map(|l| l.id).find(|other| *other != id).unwrap();
    test.upstream.edit_license(late, |l| l.ip = "192.0.2.99".into());
    test.cmd("setparam", 42).ok();
    assert_eq!((licid(&test, 42), state_of(&test, late)), (id, "to_free".into()), "{}", test.story());
    assert_eq!(state(&test, "SELECT status FROM intent WHERE id = 1"), "done");
    sync(&test).ok();
    let (served, freed) = (test.upstream.license(id), test.upstream.license(late));
    assert_eq!((served.status, served.ip.as_str(), freed.status), (2, "192.0.2.10", 3), "{}", test.story());
    assert_eq!(test.upstream.billed("soft.order.param"), 2);
}

/// The state of when service 42 was closed, its order in doubt; since then its license appeared, and the service was
/// reopened with it.
fn reopened() -> Test {
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    test.upstream.fault(Fault::on("soft.order.param").late());
    test.cmd("open", 42).fails("client");
    test.cmd("close", 42).ok();
    keep(&test);
    test.upstream.land_late();
    test.set_item(42, "status", "1");
    test.cmd("open", 42).ok();
    copy_state(&test, "kept", "pmisplicense");
    test
}

/// A state that was copied while a closed service's order was in doubt: reopened, the service has that license and
/// shows it, so it is not freed as one that came too late.
#[test]
fn a_license_that_a_reopened_service_shows_is_not_freed() {
    let test = reopened();
    let id = licid(&test, 42);
    sync(&test).ok();
    let license = test.upstream.license(id);
    assert_eq!((license.status, license.ip.as_str(), licid(&test, 42)), (2, "192.0.2.10", id), "{}", test.story());
    assert_eq!(state(&test, "SELECT state FROM license"), "bound");
}

/// The same of a service that wants no panel any more: it keeps none.
#[test]
fn a_reopened_service_that_wants_no_panel_keeps_no_license() {
    let test = reopened();
    test.choose(42, "nopanel");
    test.cmd("sync_item", 42).ok();
    assert_eq!((state(&test, "SELECT state FROM license"), license(&test, 42).status), ("pool".into(), 3));
}

/// A state begun anew gives the same numbers out: what gives it away is a mark that it never gave.
#[test]
fn a_mark_that_was_never_given_shows_that_a_state_began_anew() {
    let test = Test::new();
    test.settings("panel_id = \"abcdefgh\"\n");
    test.soft_item(41, "9203", 1).external().ip("192.0.2.41").add();
    test.cmd("open", 41).ok();
    std::fs::remove_dir_all(test.state_path().parent().unwrap()).unwrap();
    opened(&test, 42, "55227", 1);
    test.soft_item(43, "9203", 1).external().ip("192.0.2.43").add();
    let output = test.cmd("open", 43);
    assert!(output.fails("state").message().contains("pml-abcdefgh-41-1"), "{}", output.message());
    assert_eq!(test.upstream.billed("softexternal.order.param"), 1);
    test.run(["reconcile", "--apply"]).ok();
    test.cmd("open", 43).ok();
    test.cmd("sync_item", 41).ok();
    assert_eq!(test.upstream.billed("softexternal.order.param"), 2);
}

/// An unknown license that was looked at once is not opened for ever: a deleted license from before the loss stays in
/// the list.
#[test]
fn a_license_deleted_before_the_loss_is_looked_at_once() {
    let test = Test::new();
    test.settings(PINNED);
    opened(&test, 41, "55227", 1);
    let gone = opened(&test, 42, "55227", 1);
    test.upstream.edit_license(gone, |l| l.status = 4);
    test.set_item(42, "status", "4");
    lose(&test);
    test.soft_item(43, "55227", 1).ip(&ip_of(43)).add();
    test.cmd("open", 43).fails("state");
    reconcile(&test);
    test.cmd("open", 43).ok();
    sync(&test).ok();
    assert_eq!(test.upstream.billed("soft.order.param"), 3, "{}", test.story());
}

/// A freed license is a witness to a state that freed nothing; to one that gave numbers out it is none.
#[test]
fn a_freed_license_shows_that_a_state_which_freed_nothing_is_old() {
    let test = Test::new();
    test.settings(PINNED);
    pooled(&test, 41, "55227", 40);
    lose(&test);
    let refused = open(&test, 43, "55227", 1);
    assert!(refused.fails("state").message().contains("pml-abcdefgh-free"), "{}", refused.message());
    reconcile(&test);
    test.cmd("open", 43).ok();

    let test = Test::new();
    test.settings(PINNED);
    opened(&test, 41, "55227", 1);
    let free = test.upstream.add_foreign(55227, 12, "0.0.0.0", "free.lic");
    test.upstream.edit_license(free, |l| (l.remoteid, l.status) = ("pml-abcdefgh-free".into(), 3));
    sync(&test).ok();
}

/// Until what it missed is taken in the state stays old; what can never be taken in holds up nothing.
#[test]
fn a_state_stays_old_until_all_that_it_missed_is_taken_in() {
    let (test, missed) = self::missed();
    test.upstream.fault(Fault::on("soft.edit?read").drop_before().always());
    assert_eq!(reconcile(&test).code, Some(1));
    test.upstream.clear_faults();
    sync(&test).fails("state");
    reconcile(&test).ok();
    test.cmd("sync_item", 42).ok();
    assert_eq!((licid(&test, 42), state_of(&test, missed)), (missed, "bound".into()));

    let (test, missed) = self::missed();
    test.upstream.before("soft.edit?read", 1, move |world| world.licenses.get_mut(&missed).unwrap().status = 4);
    assert_eq!(reconcile(&test).code, Some(1));
    open(&test, 43, "55227", 1).ok();
}

/// A license that the state holds as free was given to a service since. It belongs to that service, although it is
/// older than the service.
#[test]
fn a_license_given_to_a_service_since_stays_with_it() {
    let test = Test::new();
    let id = pooled(&test, 41, "55227", 40);
    keep(&test);
    open(&test, 142, "55227", 1).ok();
    assert_eq!(licid(&test, 142), id);
    put_back(&test);
    reconcile(&test).ok();
    test.cmd("sync_item", 142).ok();
    let now = test.upstream.license(id);
    assert_eq!((licid(&test, 142), state_of(&test, id), now.status, now.ip), (id, "bound".into(), 2, ip_of(142)));
}

/// The license that the state holds was deleted since, and another one was bought. If the former is there after all, an
/// operator decides which of the two it is.
#[test]
fn a_license_that_replaced_a_deleted_one_since_is_bound() {
    for is_back in [false, true] {
        let test = Test::new();
        let first = opened(&test, 42, "55227", 1);
        test.cmd("suspend", 42).ok();
        keep(&test);
        test.upstream.edit_license(first, |l| l.status = 4);
        test.cmd("resume", 42).ok();
        let second = licid(&test, 42);
        put_back(&test);
        if is_back {
            test.upstream.edit_license(first, |l| (l.status, l.unlisted) = (2, true));
        }
        assert_eq!(reconcile(&test).code == Some(0), !is_back, "{}", test.story());
        let bound = if is_back { first } else { second };
        assert_eq!(state(&test, "SELECT id FROM license WHERE state = 'bound'"), bound.to_string(), "{is_back}");
        assert_eq!(test.upstream.license(bound).status, 2, "{is_back}");
        assert_eq!(test.upstream.billed("soft.order.param"), 2);
    }
}

/// Its service is closed now: the license is taken in, and freed when it is old enough.
#[test]
fn a_license_whose_service_was_closed_since_is_freed() {
    let (test, missed) = missed();
    test.set_item(42, "status", "4");
    reconcile(&test).ok();
    assert_eq!((state_of(&test, missed), test.upstream.license(missed).status), ("to_free".into(), 2));
    settle(&test);
    sync(&test).ok();
    assert_eq!((test.upstream.license(missed).licname.as_str(), state_of(&test, missed)), ("free.lic", "pool".into()));
}

/// The number belongs to a younger service now, and the list shows no dates. The license is opened, and shows that it
/// is none of that service's.
#[test]
fn a_younger_service_of_the_same_number_gets_no_old_license() {
    let (test, missed) = missed();
    test.upstream.age(missed, 60);
    test.db.exec("DELETE FROM itemparam WHERE item = 42 AND intname IN ('licid', 'lickey')", ());
    let rows: String = test.upstream.licenses().iter().fold(String::new(), |rows, l| {
        let (id, tariff, mark, name, ip) = (l.id, l.pricelist, &l.remoteid, &l.licname, &l.ip);
        let end = l.expires.unwrap();
        rows + &format!(
            "<elem><id>{id}</id><pricelist>{tariff}</pricelist><remoteid>{mark}</remoteid><licname>{name}</licname>\
             <ip>{ip}</ip><period>1</period><expiredate>{end}</expiredate><autoprolong>null</autoprolong>\
             <status>2</status></elem>"
        )
    });
    let body = format!("<doc>{rows}<p_num>1</p_num><p_cnt>50</p_cnt><p_elems>2</p_elems></doc>");
    test.upstream.fault(Fault { answer: Answer::Body(body.into()), ..Fault::on("soft") });
    reconcile(&test);
    assert_eq!(test.upstream.license(missed).licname, "free.lic", "{}", test.story());
    assert!(test.item(42).param("licid") != missed.to_string());
}

/// The state believes that the license was deleted, and it is there: it is taken in and freed, not forgotten.
#[test]
fn a_license_believed_deleted_that_is_there_is_freed() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    test.upstream.edit_license(id, |l| l.status = 4);
    test.cmd("close", 42).ok();
    assert_eq!(state_of(&test, id), "deleted");
    test.upstream.edit_license(id, |l| l.status = 2);
    test.upstream.age(id, 40);
    reconcile(&test).ok();
    assert_eq!((test.upstream.license(id).licname.as_str(), state_of(&test, id)), ("free.lic", "pool".into()));
}

/// A state that was put back holds a license for a service that gave it away since. Another service shows it, so an
/// operator says whose it is: neither its name nor its key reaches the former one.
#[test]
fn a_license_that_was_given_to_another_service_since_is_not_handed_back() {
    for (marked, shows) in [(true, false), (true, true), (false, false), (false, true)] {
        let test = Test::new();
        test.upstream.options(|o| (o.remoteid_returned, o.list_remoteid) = (marked, marked));
        let id = opened(&test, 41, "55227", 12);
        keep(&test);
        let shown = test.item(41).param("lickey").to_owned();
        test.upstream.age(id, 40);
        test.cmd("close", 41).ok();
        test.upstream.age(id, 40);
        open(&test, 142, "55227", 1).ok();
        assert_eq!(licid(&test, 142), id);
        // The panel opened the former service again, with what it showed, or with nothing.
        test.set_item(41, "status", "2");
        test.db.exec("DELETE FROM itemparam WHERE item = 41 AND intname IN ('licid', 'lickey')", ());
        if shows {
            test.set_param(41, "licid", &id.to_string());
            test.set_param(41, "lickey", &shown);
        }
        let former = test.item(41).param("lickey").to_owned();
        let face = || {
            let found = test.upstream.license(id);
            (found.licname, found.ip, found.key, found.status)
        };
        let before = face();
        put_back(&test);
        reconcile(&test);
        for command in ["sync_item", "setparam"] {
            test.cmd(command, 41).fails("state");
        }
        let after = (face(), test.item(41).param("lickey").to_owned());
        assert_eq!(after, (before, former), "marked {marked}, shows {shows}: {}", test.story());
    }
}

/// A service gave its license back, the state was copied, and the service got the same license back with a new key. The
/// state that was put back would free the license and buy another one beside it; the key that the service shows is the
/// license's own, so both wait for an operator.
#[test]
fn a_license_that_its_service_got_back_since_is_not_freed() {
    let test = Test::new();
    test.upstream.options(|o| (o.remoteid_returned, o.list_remoteid) = (false, false));
    let id = opened(&test, 41, "55227", 12);
    test.upstream.age(id, 40);
    test.cmd("close", 41).ok();
    test.upstream.age(id, 40);
    alter_state(&test, "UPDATE license SET state = 'to_free', not_before = NULL");
    keep(&test);
    alter_state(&test, "UPDATE license SET state = 'pool'");
    test.set_item(41, "status", "2");
    test.cmd("open", 41).ok();
    assert_eq!(licid(&test, 41), id);
    let before = test.upstream.license(id);
    put_back(&test);
    let found = test.run(["reconcile"]);
    assert!(found.stdout.contains(&format!("bind 41 {id}")), "{}", found.stdout);
    reconcile(&test);
    sync(&test);
    let after = test.upstream.license(id);
    assert_eq!(
        (after.status, after.key, after.licname),
        (before.status, before.key, before.licname),
        "{}",
        test.story()
    );
    assert_eq!(test.upstream.billed("soft.order.param"), 1, "nothing was bought beside it");
    test.run(["bind", "41", &id.to_string(), "--yes"]).ok();
    test.cmd("sync_item", 41).ok();
    assert_eq!(licid(&test, 41), id);
}
