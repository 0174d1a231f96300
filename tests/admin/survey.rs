//! The findings of reconcile when lists leave something out: a mark, or a whole license.
use super::{day_in, difference, fine, json, opened};
use crate::support::Test;
use crate::support::upstream::Crowd;

fn kinds(found: &serde_json::Value) -> Vec<String> {
    let list = found["differences"].as_array().cloned().unwrap_or_default();
    list.iter().map(|one| one["kind"].as_str().unwrap_or_default().to_owned()).collect()
}

/// A state from a backup, and a list without marks. A license that the state holds as free is opened, and turns out to
/// serve a service. A license that the state holds for a service is compared as usual.
#[test]
fn a_license_given_out_since_the_backup_stays_with_its_service() {
    let t = Test::setup().options(|o| o.list_remoteid = false).start();
    for (item, ip) in [(42, "192.0.2.10"), (43, "192.0.2.11"), (44, "192.0.2.12")] {
        t.soft_item(item, "55227", 1).ip(ip).expires(&day_in(31)).add();
    }
    for item in [42, 43] {
        t.cmd("open", item).ok();
    }
    t.upstream.age(5002, 40);
    t.cmd("close", 43).ok();
    let copy = t.root().join("copy.db").display().to_string();
    fine(&t, &format!("backup {copy}"));
    t.upstream.age(5002, 40);
    t.cmd("open", 44).ok();
    assert_eq!(t.item(44).param("licid"), "5002", "from the pool");
    fine(&t, &format!("restore {copy} --yes"));
    let found = json(&t, "reconcile");
    let one = difference(&found, "unowned");
    assert_eq!((one["license"].as_u64(), one["item"].as_u64()), (Some(5002), Some(44)), "{found:#}");
    assert!(!kinds(&found).iter().any(|kind| kind == "no_item"), "{found:#}");
    fine(&t, "reconcile --apply");
    t.cmd("sync_item", 44).ok();
    assert_eq!(json(&t, "list")["counts"]["bound"], 2);
    assert_eq!(t.upstream.billed("soft.order.param"), 2);
}

/// The number belongs to another service since the backup: what the state holds for the one before does not make the
/// new one's license a duplicate.
#[test]
fn the_license_of_a_numbers_younger_service_is_no_duplicate() {
    let t = opened();
    let copy = t.root().join("copy.db").display().to_string();
    fine(&t, &format!("backup {copy}"));
    t.cmd("close", 42).ok();
    t.db.exec("DELETE FROM itemparam WHERE item = 42", ());
    t.db.exec("DELETE FROM item WHERE id = 42 OR parent = 42", ());
    let made = format!("{} 10:45:00", day_in(0));
    t.soft_item(42, "55228", 1).ip("192.0.2.20").created(&made).expires(&day_in(31)).add();
    t.cmd("open", 42).ok();
    t.db.exec("DELETE FROM itemparam WHERE item = 42 AND intname IN ('licid', 'lickey')", ());
    fine(&t, &format!("restore {copy} --yes"));
    let found = json(&t, "reconcile");
    let one = difference(&found, "unowned");
    assert_eq!((one["license"].as_u64(), one["remedy"].as_str()), (Some(5002), Some("bind")), "{found:#}");
    assert!(kinds(&found).iter().any(|kind| kind == "other_life"), "{found:#}");
}

/// A license that no list shows is missed by its service, which the panel still has.
#[test]
fn a_license_that_no_list_shows_is_missed_by_its_service() {
    let t = opened();
    t.upstream.edit_license(5001, |l| l.unlisted = true);
    let found = json(&t, "reconcile");
    assert_eq!(kinds(&found), ["gone"], "{found:#}");
    assert_eq!(difference(&found, "gone")["item"], 42);
}

/// If a list shows no marks, the newest unknown licenses are opened, and the number of those that were not opened is
/// reported. If the list shows marks, none is opened.
#[test]
fn unknown_licenses_are_opened_up_to_a_limit_where_lists_show_no_marks() {
    let t = opened();
    t.settings("[upstream]\npause_ms = 0\n");
    for (marks, foreign, opened, told) in
        [(true, 201, 0, None), (false, 200, 200, None), (false, 201, 200, Some("1 were not"))]
    {
        t.upstream.with(|w| {
            w.options.list_remoteid = marks;
            let mut like = w.licenses[&5001].clone();
            (like.licname, like.ip) = ("somebody's".into(), "192.0.2.99".into());
            w.crowd = Some(Crowd { like, numbers: 9000..9000 + foreign, later: 0 });
        });
        t.upstream.clear_requests();
        fine(&t, "reconcile");
        assert_eq!(t.upstream.requests_of("soft.edit").len(), opened);
        assert_eq!(t.log().contains("the list shows no remoteid"), told.is_some());
        assert!(told.is_none_or(|told| t.log().contains(told)), "{}", t.log());
    }
}
