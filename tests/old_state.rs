//! A state that is old, lost or begun anew, by the marks that licenses bear (MONEY.md 4 and 6): what gives it away, and
//! what `reconcile --apply` makes of each license that it missed. The plain case stands in `guards.rs`.
use crate::guards::copy_state;
use crate::pool::{open, pooled};
use crate::service::{ip_of, licid, opened, settle, state};
use crate::support::upstream::Answer;
use crate::support::{Fault, Output, Test};

const PINNED: &str = "panel_id = \"abcdefgh\"\n";

fn sync(test: &Test) -> Output {
    test.run(["--command", "sync_server", "--module", "7"])
}

fn reconcile(test: &Test) -> Output {
    test.run(["reconcile", "--apply"])
}

fn keep(test: &Test) {
    copy_state(test, "pmisplicense", "kept");
}

/// The copy is back, and the state knows that it is old.
fn put_back(test: &Test) {
    copy_state(test, "kept", "pmisplicense");
    sync(test).fails("state");
}

fn lose(test: &Test) {
    std::fs::remove_dir_all(test.state_path().parent().unwrap()).unwrap();
}

fn state_of(test: &Test, id: u64) -> String {
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

/// What was looked at once is not asked about for ever: a deleted license of before the loss stays in the list.
#[test]
fn deleted_before_the_loss() {
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
fn freed_before_the_loss() {
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
fn not_taken_in() {
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

/// What the state holds free was given to a service since: it is that service's, though it is older than it.
#[test]
fn given_since() {
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

/// The license that the state holds was deleted since, and another one bought. Where the former is there after all it
/// is a person's to say which of the two it is.
#[test]
fn replaced_since() {
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

/// Its service is closed by now: taken in to be freed, when it is not young any more.
#[test]
fn closed_since() {
    let (test, missed) = missed();
    test.set_item(42, "status", "4");
    reconcile(&test).ok();
    assert_eq!((state_of(&test, missed), test.upstream.license(missed).status), ("to_free".into(), 2));
    settle(&test);
    sync(&test).ok();
    assert_eq!((test.upstream.license(missed).licname.as_str(), state_of(&test, missed)), ("free.lic", "pool".into()));
}

/// The number belongs to a younger service by now, and the list shows no dates: opened, the license shows that it is
/// none of that service's.
#[test]
fn number_used_again() {
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

/// Deleted as the state believes, and there all the same: it is taken in and freed, not forgotten.
#[test]
fn believed_deleted() {
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
