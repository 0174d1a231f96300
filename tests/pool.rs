//! The pool through the binary: which freed license is given out again, its new key, what is put aside, and that no
//! license serves two items (docs/licensing-rules.md 7).
use crate::service::{OPEN, changes, day, ends_in, forget, ip_of, license, licid, opened, settle, state};
use crate::support::{Fault, Test};

/// A service that was opened and closed again: its license waits in the pool, its changes so many days old.
pub fn pooled(test: &Test, item: u32, name: &str, days: u64) -> u64 {
    let id = opened(test, item, name, 12);
    test.cmd("close", item).ok();
    if days > 0 {
        test.upstream.age(id, days);
    }
    forget(test);
    id
}

/// Several of them: opened before any is closed, or the first would serve the second.
pub fn pooled_many(test: &Test, items: std::ops::RangeInclusive<u32>) -> Vec<u64> {
    let ids: Vec<u64> = items.clone().map(|item| opened(test, item, "55227", 12)).collect();
    for (item, id) in items.zip(&ids) {
        test.cmd("close", item).ok();
        test.upstream.age(*id, 40);
    }
    forget(test);
    ids
}

pub fn open(test: &Test, item: u32, name: &str, period: i32) -> crate::support::Output {
    test.soft_item(item, name, period).ip(&ip_of(item)).add();
    test.cmd("open", item)
}

pub fn orders(test: &Test) -> usize {
    test.upstream.requests_of("soft.order.param").len()
}

/// Taken in this order: a new key while nobody has the address, then name, address and mark in one edit, then
/// started.
#[test]
fn a_pooled_license_gets_its_key_before_its_address() {
    let test = Test::new();
    let id = pooled(&test, 41, "55227", 40);
    let old_key = test.upstream.license(id).key;
    test.soft_item(42, "55227", 1).ip("192.0.2.142").licname("second").add();
    test.cmd("open", 42).ok().stdout("");
    assert_eq!(
        changes(&test),
        [
            format!("soft.edit clicked_button=newkey elid={id} sok=ok"),
            format!("soft.edit elid={id} ip=192.0.2.142 licname=second remoteid=pml-P-42-2 sok=ok"),
            format!("soft.resume elid={id}"),
        ]
    );
    let now = license(&test, 42);
    assert!(now.id == id && now.key != old_key && test.item(42).param("lickey") == now.key);
    assert_eq!((now.status, test.item(42).status, test.upstream.billed("soft.order.param")), (2, 2, 1));
    // And it is no longer there for the next one.
    open(&test, 43, "55227", 1).ok();
    assert_eq!((orders(&test), licid(&test, 43) != id), (1, true));
    test.assert_clean();
}

/// Not given out: too young, another tariff, about to run out, a trial, put into another state, foreign.
#[test]
fn a_license_that_does_not_fit_is_not_given_out() {
    for (case, days, name) in [
        ("too young", 0, "55227"),
        ("too young by a day", 29, "55227"),
        ("another tariff", 40, "55228"),
        ("runs out", 40, "55227"),
        ("deleted", 40, "55227"),
        ("renamed by the seller", 40, "55227"),
        ("busy elsewhere", 40, "55227"),
    ] {
        let test = Test::new();
        let id = pooled(&test, 41, name, days);
        match case {
            "runs out" => ends_in(&test, id, 1),
            "deleted" => test.upstream.edit_license(id, |l| l.status = 4),
            "renamed by the seller" => test.upstream.edit_license(id, |l| l.licname = "taken by hand".into()),
            "busy elsewhere" => test.upstream.edit_license(id, |l| l.ip = "198.51.100.7".into()),
            _ => {}
        }
        open(&test, 142, "55227", 1).ok();
        assert_eq!((orders(&test), licid(&test, 142) != id), (1, true), "{case}");
    }
    let test = Test::new();
    opened(&test, 41, "55228", 1);
    let foreign = test.upstream.add_foreign(55227, 12, "0.0.0.0", "free.lic");
    test.upstream.edit_license(foreign, |l| l.status = 3);
    open(&test, 142, "55227", 1).ok();
    assert!(licid(&test, 142) != foreign);
}

/// Among the licenses that cover the need, the one that ends soonest is taken. If none covers it, the one that ends
/// latest is. The need ends with the time that the client has paid for, or with one period if the client has paid for
/// nothing beyond today.
#[test]
fn the_license_that_covers_the_need_and_ends_soonest_is_taken() {
    for (period, paid, want) in
        [(1, None, 1), (12, None, 2), (1, Some(100), 2), (12, Some(50), 1), (12, Some(0), 2), (12, Some(-10), 2)]
    {
        let test = Test::new();
        let ids = pooled_many(&test, 1..=3);
        for (id, days) in ids.iter().zip([20, 60, 200]) {
            ends_in(&test, *id, days);
        }
        let item = test.soft_item(142, "55227", period).ip(&ip_of(142));
        if let Some(days) = paid { item.expires_in(days) } else { item }.add();
        test.cmd("open", 142).ok();
        assert_eq!((licid(&test, 142), orders(&test)), (ids[want], 0), "{period} {paid:?}: {}", test.story());
    }
}

/// The number of nodes must be the same.
#[test]
fn a_pooled_license_is_taken_only_with_as_many_nodes() {
    let test = Test::new();
    test.soft_item(41, "55230", 12).nodes(2).ip("192.0.2.41").add();
    test.cmd("open", 41).ok();
    let id = licid(&test, 41);
    test.cmd("close", 41).ok();
    test.upstream.age(id, 40);
    forget(&test);
    test.soft_item(42, "55230", 1).nodes(1).ip("192.0.2.142").add();
    test.cmd("open", 42).ok();
    assert!(licid(&test, 42) != id);
    test.soft_item(43, "55230", 1).nodes(2).ip("192.0.2.143").add();
    test.cmd("open", 43).ok();
    assert_eq!(licid(&test, 43), id);
}

/// The service comes back to its own address: its former license is the first candidate. A key that is too young is
/// reported.
#[test]
fn a_services_former_license_is_its_first_candidate() {
    let test = Test::new();
    test.upstream.options(|o| o.order_counts_as_change = true);
    let id = opened(&test, 41, "55227", 12);
    test.cmd("close", 41).ok();
    assert_eq!(state(&test, "SELECT state FROM license"), "to_free");
    test.soft_item(42, "55227", 1).ip(&ip_of(41)).add();
    forget(&test);
    let busy = test.cmd("open", 42);
    assert!(busy.fails("ip_busy").message().contains(&id.to_string()), "{}", busy.message());
    assert_eq!((orders(&test), test.item(42).param("licid")), (0, ""));
    test.upstream.age(id, 40);
    test.cmd("open", 42).ok();
    assert_eq!((licid(&test, 42), orders(&test), license(&test, 42).old_keys.len()), (id, 0, 1));
}

/// Refused at the key or the address: given back, stopped, and the next candidate or an order takes its place.
#[test]
fn a_refused_candidate_goes_back_and_the_next_takes_its_place() {
    for (func, words) in
        [("soft.edit?newkey", "key_change"), ("soft.edit?set", "ip_change"), ("soft.edit?newkey", "odd")]
    {
        let test = Test::new();
        let ids = pooled_many(&test, 1..=2);
        test.upstream.fault(Fault::on(func).refused(words).times(if words == "odd" { 2 } else { 1 }));
        open(&test, 142, "55227", 1).ok();
        assert_eq!((licid(&test, 142), orders(&test)), (ids[1], 0), "{func} {words}: {}", test.story());
        assert_eq!(test.upstream.license(ids[0]).status, 3, "stopped again");
        assert_eq!(state(&test, &format!("SELECT state FROM license WHERE id = {}", ids[0])), "pool");
    }
}

/// The address is busy upstream: the run ends with that, nothing is bought, and no other license loses its key for
/// it.
#[test]
fn a_busy_address_costs_no_pooled_license_its_key() {
    let test = Test::new();
    let ids = pooled_many(&test, 1..=2);
    test.upstream.add_foreign(55227, 1, "192.0.2.142", "somebody's");
    open(&test, 142, "55227", 1).fails("ip_busy");
    assert_eq!(
        (orders(&test), state(&test, &format!("SELECT state FROM license WHERE id = {}", ids[0]))),
        (0, "pool".into())
    );
    assert!(test.upstream.license(ids[1]).old_keys.is_empty(), "{}", test.story());
}

/// With pool_foreign, at a seller without marks: a run died while it took a license from the pool, and another
/// installation took the license. The new key there is not ours, and nothing stops or frees the license.
#[test]
fn a_license_that_another_installation_took_after_a_run_died_is_left_alone() {
    let test = Test::new();
    test.settings("pool_foreign = true\n");
    test.upstream.options(|o| (o.remoteid_returned, o.list_remoteid) = (false, false));
    let id = pooled(&test, 41, "55227", 40);
    test.upstream.fault(Fault::on("soft.edit?newkey").drop_before());
    let held = test.upstream.hold_before("soft.edit?newkey");
    test.soft_item(42, "55227", 1).ip("192.0.2.142").add();
    let run = test.spawn(["--command", "open", "--item", "42"]);
    held.reached();
    run.kill();
    held.release();
    test.upstream.edit_license(id, |l| {
        (l.licname, l.ip, l.key, l.status) = ("theirs".into(), "192.0.2.200".into(), "THEIR-KEY".into(), 2);
    });
    settle(&test);
    forget(&test);
    let output = test.cmd("close", 42);
    assert!(output.fails("state").message().contains("neither stopped nor freed"), "{}", output.message());
    test.cmd("close", 42).ok();
    for _ in 0..2 {
        settle(&test);
        test.run(["--command", "sync", "--module", "7"]);
    }
    let left = test.upstream.license(id);
    assert_eq!((left.status, left.licname.as_str(), left.key.as_str()), (2, "theirs", "THEIR-KEY"), "{}", test.story());
    assert_eq!((changes(&test), test.item(42).status), (Vec::new(), 4));
}

/// The license had to run for its new key, and the key's answer is lost. Put aside, it is stopped again. When that
/// fails, sync does it.
#[test]
fn a_license_that_is_put_aside_is_stopped_again() {
    for fails in [false, true] {
        let test = Test::new();
        test.upstream.options(|o| o.newkey_needs_active = true);
        let id = pooled(&test, 41, "55227", 40);
        test.upstream.fault(Fault::on("soft.edit?newkey").nth(2).drop_before());
        if fails {
            test.upstream.fault(Fault::on("soft.suspend").refused("busy"));
        }
        open(&test, 142, "55227", 1).ok();
        assert!(licid(&test, 142) != id && orders(&test) == 1, "{}", test.story());
        let (status, held) = if fails { (2, "to_free") } else { (3, "pool") };
        let row = || state(&test, &format!("SELECT state FROM license WHERE id = {id}"));
        assert_eq!((test.upstream.license(id).status, row().as_str()), (status, held), "{}", test.story());
        for _ in 0..4 {
            settle(&test);
            test.run(["--command", "sync", "--module", "7"]);
        }
        assert_eq!((test.upstream.license(id).status, row().as_str()), (3, "pool"), "{}", test.story());
    }
}

/// The license had to run for its new key, and the key's answer is lost. In these seconds another user of the account
/// takes the license, before any of our looks at it. That license is not ours to stop, to rename or to move.
#[test]
fn a_license_that_another_user_takes_while_its_claim_fails_is_left_alone() {
    for remoteid in ["", "1042"] {
        for nth in 1..=6 {
            let test = Test::new();
            test.upstream.options(|o| o.newkey_needs_active = true);
            let id = pooled(&test, 41, "55227", 40);
            test.upstream.fault(Fault::on("soft.edit?newkey").nth(2).drop_before());
            test.upstream.before("soft.edit?read", nth, move |w| {
                let l = w.licenses.get_mut(&id).unwrap();
                (l.licname, l.ip, l.key) = ("theirs".into(), "192.0.2.200".into(), "THEIR-KEY".into());
                (l.status, l.remoteid) = (2, remoteid.into());
            });
            open(&test, 142, "55227", 1).ok();
            let left = test.upstream.license(id);
            if left.licname == "free.lic" {
                assert!(nth > 4, "no more looks: {nth}");
                continue;
            }
            for _ in 0..3 {
                settle(&test);
                test.run(["--command", "sync", "--module", "7"]);
            }
            let left = test.upstream.license(id);
            let face = (left.licname.as_str(), left.ip.as_str(), left.key.as_str(), left.status);
            assert_eq!(face, ("theirs", "192.0.2.200", "THEIR-KEY", 2), "{nth} {remoteid}: {}", test.story());
            assert!(licid(&test, 142) != id && orders(&test) == 1, "{nth} {remoteid}: {}", test.story());
        }
    }
}

/// The key's answer is lost: seen by the look; not seen: put aside until it is settled, another one serves.
#[test]
fn a_license_whose_new_key_is_in_doubt_is_put_aside() {
    let test = Test::new();
    let id = pooled(&test, 41, "55227", 40);
    test.upstream.fault(Fault::on("soft.edit?newkey").drop_after());
    open(&test, 142, "55227", 1).ok();
    assert_eq!((licid(&test, 142), license(&test, 142).old_keys.len()), (id, 1));

    let test = Test::new();
    let id = pooled(&test, 41, "55227", 40);
    test.upstream.fault(Fault::on("soft.edit?newkey").late());
    open(&test, 142, "55227", 1).ok();
    assert!(licid(&test, 142) != id && orders(&test) == 1);
    open(&test, 143, "55227", 1).ok();
    assert!(licid(&test, 143) != id, "its key is still in doubt");
    // Nor does the request in doubt hold up anything else.
    test.run(["--command", "sync", "--module", "7"]).ok();
    test.upstream.land_late();
    settle(&test);
    test.upstream.age(id, 40);
    // A look that cannot be trusted is no reason to buy.
    test.upstream.fault(Fault::on("soft.edit?read").html());
    open(&test, 144, "55227", 1).fails("bad_answer");
    let held = state(&test, &format!("SELECT state FROM license WHERE id = {id}"));
    assert_eq!((orders(&test), held.as_str()), (2, "pool"), "not claimed before its request is settled");
    // And sync settles it, though nobody has the license.
    test.run(["--command", "sync", "--module", "7"]).ok();
    assert_eq!(state(&test, "SELECT status FROM intent WHERE kind = 'newkey' ORDER BY id DESC"), "done");
    test.cmd("open", 144).ok();
    assert_eq!(licid(&test, 144), id);
}

/// The edit's answer is lost or the run ends there: the claim is kept and continued, no order is placed.
#[test]
fn an_interrupted_claim_is_continued_without_an_order() {
    for name in ["drop_after", "drop_before", "html"] {
        let test = Test::new();
        let id = pooled(&test, 41, "55227", 40);
        test.upstream.fault(Fault::by_name("soft.edit?set", name, None, None).unwrap().always());
        open(&test, 142, "55227", 1);
        test.upstream.clear_faults();
        test.cmd("open", 142).ok();
        assert_eq!((licid(&test, 142), orders(&test), license(&test, 142).old_keys.len()), (id, 0, 1), "{name}");
        assert_eq!((license(&test, 142).status, test.item(142).status), (2, 2), "{name}");
    }
}

/// If the seller changes the key only of a running license, the license is started for that, still without an address.
#[test]
fn key_needs_a_running_license() {
    let test = Test::new();
    test.upstream.options(|o| o.newkey_needs_active = true);
    let id = pooled(&test, 41, "55227", 40);
    open(&test, 142, "55227", 1).ok();
    assert_eq!((licid(&test, 142), license(&test, 142).old_keys.len(), license(&test, 142).status), (id, 1, 2));
}

/// Two services at once: the pool's only license goes to one of them, the other one buys.
#[test]
fn the_last_pooled_license_goes_to_one_of_two_services() {
    let test = Test::new();
    let id = pooled(&test, 41, "55227", 40);
    let runs: Vec<_> = [142, 143]
        .into_iter()
        .map(|item| {
            test.soft_item(item, "55227", 1).ip(&ip_of(item)).add();
            test.spawn(["--command", "open", "--item", &item.to_string()])
        })
        .collect();
    for run in runs {
        run.wait().ok();
    }
    let got = [licid(&test, 142), licid(&test, 143)];
    assert!(got[0] != got[1] && got.contains(&id), "{got:?}");
    assert_eq!((orders(&test), license(&test, 142).key != license(&test, 143).key), (1, true));
}

/// A product that is not pooled by the settings buys, and is stopped at the end.
#[test]
fn a_product_that_is_not_pooled_takes_nothing_from_the_pool() {
    let test = Test::new();
    let id = pooled(&test, 41, "55227", 40);
    test.settings("[[product]]\ninternal_name = \"55227\"\npooled = false\n");
    open(&test, 142, "55227", 1).ok();
    assert!(licid(&test, 142) != id);
    assert_eq!(test.upstream.funcs(), OPEN);
    assert_eq!(test.upstream.license(id).expires.map(|d| d.to_string()), Some(crate::service::months(&day(0), 12)));
}

/// If the seller gives no dates, the attempt decides: a refused candidate goes back, and the next way is taken.
#[test]
fn where_the_seller_gives_no_dates_the_attempt_decides() {
    for (days, taken) in [(40, true), (0, false)] {
        let test = Test::setup().options(|o| (o.list_dates, o.edit_dates) = (false, false)).start();
        let id = pooled(&test, 41, "55227", days);
        open(&test, 142, "55227", 1).ok();
        assert_eq!((licid(&test, 142) == id, orders(&test)), (taken, usize::from(!taken)), "{}", test.story());
        let tried = changes(&test).iter().any(|line| line.contains(&format!("elid={id} ")));
        assert!(tried && (taken || test.upstream.license(id).status == 3), "{days}: {}", test.story());
    }
}

/// If the seller gives no dates, our own record counts for changes made for a client: the license is not tried before
/// its month is over. Clearing its address at the close is no such change.
#[test]
fn without_dates_a_change_for_a_client_is_young_by_our_own_record() {
    type Change = fn(&Test);
    let changes_of: [(&str, Change); 2] = [
        ("ip_changed", |test| {
            test.set_param(41, "ip", "192.0.2.141");
            test.cmd("setparam", 41).ok();
        }),
        ("key_changed", |test| {
            test.cmd("gen_key", 41).ok();
        }),
    ];
    for (column, change) in changes_of {
        let test = Test::setup().options(|o| (o.list_dates, o.edit_dates) = (false, false)).start();
        test.upstream.options(|o| o.free_ip_changes = true);
        let id = opened(&test, 41, "55227", 12);
        change(&test);
        test.cmd("close", 41).ok();
        assert_eq!(state(&test, "SELECT state FROM license"), "pool", "{column}");
        forget(&test);
        open(&test, 142, "55227", 1).ok();
        assert_eq!((licid(&test, 142) == id, orders(&test)), (false, 1), "{column}: {}", test.story());
        let tried = changes(&test).iter().any(|line| line.contains(&format!("elid={id} ")));
        assert!(!tried, "{column}: {}", test.story());
        test.upstream.age(id, 40);
        crate::service::alter_state(&test, &format!("UPDATE license SET {column} = '{}' WHERE id = {id}", day(-40)));
        open(&test, 143, "55227", 1).ok();
        assert_eq!((licid(&test, 143), orders(&test)), (id, 1), "{column}: {}", test.story());
    }
}

/// A call in doubt about a license that no service holds is ended by a pass, whether anybody wants the license or
/// not.
#[test]
fn a_sync_pass_ends_a_request_in_doubt_about_a_license_of_no_service() {
    let test = Test::new();
    pooled(&test, 41, "55227", 40);
    test.upstream.fault(Fault::on("soft.edit?newkey").late());
    open(&test, 142, "55227", 1).ok();
    let in_doubt = || state(&test, "SELECT count(*) FROM intent WHERE status = 'in_doubt'");
    assert_eq!(in_doubt(), "1");
    test.upstream.land_late();
    settle(&test);
    test.run(["--command", "sync", "--module", "7"]).ok();
    assert_eq!(in_doubt(), "0");
}

/// A run that passed a license over keeps others from it no longer, and its own service as long as it runs.
#[test]
fn a_run_that_passed_a_license_over_holds_up_no_other_service() {
    let test = Test::new();
    let id = pooled(&test, 41, "55227", 40);
    test.upstream.fault(Fault::on("soft.edit?newkey").drop_before());
    open(&test, 142, "55227", 1).ok();
    settle(&test);
    test.soft_item(143, "55227", 1).ip(&ip_of(143)).add();
    let held = test.upstream.hold_before("soft.order.param");
    let first = test.spawn(["--command", "open", "--item", "143"]);
    held.reached();
    let second = test.spawn(["--command", "open", "--item", "143"]);
    open(&test, 144, "55227", 1).ok();
    held.release();
    first.wait().ok();
    second.wait().ok();
    let all = [142, 143, 144].map(|item| licid(&test, item));
    assert_eq!((orders(&test), all.contains(&id)), (3, false), "{}", test.story());
}

/// An account with free changes of address: a freed license waits for no month of its address, but for that of its
/// key.
#[test]
fn without_a_limit_of_the_address_a_freed_license_is_given_out_at_once() {
    for (limit, key_days, is_taken) in [("none", 40, true), ("month", 40, false), ("none", 5, false)] {
        let test = Test::new();
        test.settings(&format!("ip_change_limit = \"{limit}\"\n"));
        test.upstream.options(|o| o.free_ip_changes = limit == "none");
        let id = pooled(&test, 41, "55227", 0);
        let days_ago = |days: i64| day(-days).parse().ok();
        test.upstream.edit_license(id, |l| (l.ip_changed, l.key_changed) = (days_ago(0), days_ago(key_days)));
        test.run(["--command", "sync"]).ok();
        crate::service::alter_state(
            &test,
            &format!("UPDATE license SET ip_changed = '{}', key_changed = '{}'", day(0), day(-key_days)),
        );
        open(&test, 42, "55227", 1).ok();
        assert_eq!(licid(&test, 42) == id, is_taken, "{limit}, key of {key_days} days ago: {}", test.story());
    }
}

/// The outward address of a server behind NAT goes along with its order and with each change of its address; the next
/// client of the license gets his own, or none.
#[test]
fn an_outward_address_goes_along_and_stays_with_no_other_client() {
    for next in [Some("203.0.113.9"), None] {
        let test = Test::new();
        test.soft_item(41, "55227", 12).ip("192.0.2.41").param("remoteip", "203.0.113.7").add();
        test.cmd("open", 41).ok();
        let id = licid(&test, 41);
        let outward = || test.upstream.license(id).remoteip;
        assert_eq!(outward(), "203.0.113.7");
        test.set_param(41, "ip", "192.0.2.51");
        test.set_param(41, "remoteip", "203.0.113.8");
        test.cmd("setparam", 41).ok();
        assert_eq!((test.upstream.license(id).ip.as_str(), outward().as_str()), ("192.0.2.51", "203.0.113.8"));
        test.upstream.age(id, 40);
        test.cmd("close", 41).ok();
        assert_eq!(outward(), "", "cleared with the address");
        // An outward address that the seller keeps in spite of that.
        test.upstream.edit_license(id, |l| l.remoteip = "203.0.113.8".into());
        test.upstream.age(id, 40);
        let item = test.soft_item(42, "55227", 1).ip("192.0.2.42");
        next.into_iter().fold(item, |item, ip| item.param("remoteip", ip)).add();
        test.cmd("open", 42).ok();
        assert_eq!((licid(&test, 42), outward().as_str()), (id, next.unwrap_or_default()), "{}", test.story());
    }
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip("192.0.2.42").param("remoteip", "behind NAT").add();
    assert_eq!(test.cmd("open", 42).fails("bad_value").attribute("object"), "remoteip");
    assert_eq!(orders(&test), 0);
}
