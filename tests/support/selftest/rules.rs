//! The rules of the seller when it does not refuse: money, dates, lists, keys, families.
use super::*;
use crate::support::upstream::world::add_period;
use crate::support::upstream::{License, Options, Tls};
use chrono::{Days, NaiveDate};

#[test]
fn an_order_is_billed_once_and_written_down() {
    let up = Upstream::start();
    let id = buy(&up, LITE);
    let entry = up.ledger().remove(0);
    assert_eq!((entry.number, entry.func.as_str(), entry.license, entry.amount), (1, "soft.order.param", id, 500));
    assert_eq!((entry.currency.as_str(), entry.remoteid.as_str(), entry.connection), ("EUR", "pml-a-1-1", 1));
    let license = up.license(id);
    assert_eq!((license.status, license.autoprolong.as_str()), (2, "null"));
    assert_eq!(license.expires, Some(add_period(up.today(), 1)));
    // A form that is only looked at, and a basket, cost nothing.
    yes(&up, "soft.order.param", "pricelist=55227 period=1 ip=192.0.2.11");
    yes(&up, "soft.order.param", "pricelist=55227 period=1 ip=192.0.2.11 sok=ok clicked_button=finish");
    assert_eq!((up.ledger().len(), up.licenses()[1].status), (1, 1));
}

#[test]
fn a_card_shows_every_field() {
    let up = Upstream::start();
    let id = buy(&up, "pricelist=55230 period=12 ip=192.0.2.10 licname=A&B remoteid=pml-a-1-1 addon_55236=2");
    let card = yes(&up, "soft.edit", &format!("elid={id}"));
    for (tag, value) in [
        ("id", id.to_string().as_str()),
        ("pricelist", "55230"),
        ("pricelist_name", "ISPmanager 6 Business"),
        ("period", "12"),
        ("ip", "192.0.2.10"),
        ("licname", "A&amp;B"),
        ("status", "2"),
        ("remoteid", "pml-a-1-1"),
        ("autoprolong", "null"),
        ("addon_55236", "2"),
        ("lickey", &up.license(id).key),
        ("createdate", &up.today().to_string()),
        ("expiredate", &add_period(up.today(), 12).to_string()),
    ] {
        assert_eq!(card.element(tag), value, "{tag}");
    }
    up.options(|o| {
        o.remoteid_returned = false;
        o.ids_in_attribute = true;
        o.edit_dates = false;
    });
    let card = yes(&up, "soft.edit", &format!("elid={id}"));
    assert!(card.body().contains(&format!("<id v=\"{id}\"/>")) && !card.body().contains("remoteid"), "{}", card.text);
    assert!(!card.body().contains("real_ipchange"));
}

#[test]
fn renewing_counts_from_the_end_or_from_today() {
    let up = Upstream::start();
    let id = buy(&up, LITE);
    let end = up.license(id).expires.unwrap();
    let told = yes(&up, "service.prolong", &format!("elid={id} period=1 sok=ok"));
    assert_eq!(told.element("newexpiredate"), add_period(end, 1).to_string());
    yes(&up, "service.prolong", &format!("elid={id} period=12 sok=ok"));
    assert_eq!(up.billed("service.prolong"), 2);
    // Stopped: the time that was left is lost, and it runs again.
    yes(&up, "soft.suspend", &format!("elid={id}"));
    yes(&up, "service.prolong", &format!("elid={id} period=1 sok=ok"));
    let license = up.license(id);
    assert_eq!((license.expires, license.status), (Some(add_period(up.today(), 1)), 2));
}

#[test]
fn time_stops_and_deletes_and_renews_what_renews_itself() {
    let up = Upstream::start();
    let id = buy(&up, LITE);
    let own = ask(
        &up,
        "soft.order.param",
        "clicked_button=finish sok=ok skipbasket=on pricelist=55228 period=1 ip=192.0.2.11",
    );
    let own: u64 = own.element("id").parse().unwrap();
    let end = up.license(id).expires.unwrap();
    up.set_today(end - Days::new(1));
    assert_eq!(up.license(id).status, 2, "good through the day before");
    up.set_today(end);
    assert_eq!((up.license(id).status, up.license(own).status, up.billed("autoprolong")), (3, 2, 1));
    up.set_today(end + Days::new(29));
    assert_eq!(up.license(id).status, 3);
    up.advance_days(1);
    assert_eq!(up.license(id).status, 4);
}

#[test]
fn tariff_and_nodes_are_billed() {
    let up = Upstream::start();
    let id = buy(&up, LITE);
    let key = up.license(id).key;
    yes(&up, "service.changepricelist", &format!("elid={id} pricelist=55230 period=1 sok=ok"));
    let License { pricelist, nodes, key: kept, .. } = up.license(id);
    assert_eq!((pricelist, nodes, kept), (55230, 1, key));
    yes(&up, "soft.edit", &format!("elid={id} sok=ok addon_55236=2"));
    yes(&up, "soft.edit", &format!("elid={id} sok=ok addon_55236=2"));
    let funcs: Vec<String> = up.ledger().into_iter().map(|e| e.func).collect();
    assert_eq!(funcs, ["soft.order.param", "service.changepricelist", "soft.edit"]);
    assert!(up.ledger().iter().all(|e| e.amount > 0));
    let balance = up.with(|w| w.balance);
    assert_eq!(1_000_000 - balance, up.ledger().iter().map(|e| e.amount).sum::<i64>());
}

#[test]
fn lists_have_pages_and_leave_out_what_the_mode_says() {
    let up = Upstream::start();
    for n in 1..=5 {
        buy(&up, &format!("pricelist=55227 period=1 ip=192.0.2.{n} licname=n{n} remoteid=r{n}"));
    }
    let page = yes(&up, "soft", "p_num=2 p_cnt=2");
    assert_eq!((page.element("p_elems"), page.body().matches("<elem>").count()), ("5", 2));
    assert_eq!((page.element("licname"), page.element("remoteid"), page.element("pricelist")), ("n3", "r3", "55227"));
    assert!(page.body().contains("<real_ipchange/>") && page.element("cost").starts_with("5.00 EUR"));
    up.options(|o| {
        (o.list_dates, o.list_remoteid, o.list_pricelist_name, o.list_newest_first) = (false, false, true, true);
    });
    up.edit_license(5005, |l| l.unlisted = true);
    let page = yes(&up, "soft", "p_num=1 p_cnt=2");
    assert_eq!((page.element("p_elems"), page.element("licname")), ("4", "n4"));
    assert_eq!(page.element("pricelist"), "ISPmanager 6 Lite");
    assert!(!page.body().contains("remoteid") && !page.body().contains("real_ipchange"));
    let foreign = up.add_foreign(55228, 12, "198.51.100.1", "free.lic");
    assert!(yes(&up, "soft", "p_cnt=100").body().contains(&format!("<id>{foreign}</id>")));
    assert_eq!(up.ledger().len(), 5, "a foreign license was not billed here");
    yes(&up, "soft.delete", "elid=5001 sok=ok");
    up.options(|o| o.list_deleted = false);
    assert!(!yes(&up, "soft", "p_cnt=100").body().contains("<id>5001</id>"));
    assert_eq!(yes(&up, "softexternal", "").element("p_elems"), "0");
}

#[test]
fn a_late_key_comes_with_reads_or_by_hand() {
    let up = Upstream::start_with(Options { key_after_reads: 2, late_key_status: 5, ..Options::default() }, Tls::Off);
    let id = buy(&up, LITE);
    let read = || {
        let card = yes(&up, "soft.edit", &format!("elid={id}"));
        (card.element("lickey").is_empty(), card.element("status").to_owned())
    };
    assert_eq!(read(), (true, "5".into()));
    assert_eq!(read(), (true, "5".into()));
    assert_eq!(read(), (false, "2".into()));
    up.options(|o| o.key_after_reads = u32::MAX);
    let held = buy(&up, "pricelist=55227 period=1 ip=192.0.2.11");
    assert_eq!(yes(&up, "soft.edit", &format!("elid={held}")).element("lickey"), "");
    up.issue_keys();
    assert_ne!(yes(&up, "soft.edit", &format!("elid={held}")).element("lickey"), "");
}

#[test]
fn the_other_families_work_alike() {
    let up = Upstream::start();
    let id = buy(&up, LITE);
    let ask_id =
        |func: &str, params: &str| yes(&up, func, &format!("{BUY} {params}")).element("id").parse::<u64>().unwrap();
    let linux = ask_id("softexternal.order.param", "pricelist=9203 period=1 ip=192.0.2.10");
    let ninja = ask_id("softexternal.order.param", "pricelist=55369 period=3");
    let module = ask_id("addition.order.param", &format!("pricelist=55371 period=6 item={id}"));
    assert_eq!(up.billed("softexternal.order.param") + up.billed("addition.order.param"), 3);
    for (func, id) in [("softexternal", linux), ("softexternal", ninja), ("addition", module)] {
        yes(&up, &format!("{func}.suspend"), &format!("elid={id}"));
        assert_eq!(up.license(id).status, 3);
        yes(&up, &format!("{func}.resume"), &format!("elid={id}"));
        yes(&up, "service.prolong", &format!("elid={id} period={} sok=ok", up.license(id).period));
    }
    no(&up, "softexternal.checkip", "pricelist=9203 period=1 ip=192.0.2.10", "missed/func");
    no(&up, "addition.order.param", &format!("{BUY} pricelist=55371 period=1 item=99"), "missed/elid");
    // Additions live and die with their license.
    yes(&up, "soft.delete", &format!("elid={id} sok=ok"));
    assert_eq!(up.license(module).status, 4);
}

#[test]
fn the_seller_says_who_asks_and_how_much_he_has() {
    let up = Upstream::start();
    up.set_balance(-12_345);
    assert_eq!(yes(&up, "whoami", "").element("name"), "reseller");
    let account = yes(&up, "subaccount", "");
    assert_eq!((account.element("balance"), account.element("currency")), ("-123.45", "EUR"));
}

#[test]
fn an_added_month_is_clamped_to_the_last_day() {
    let day = |text: &str| text.parse::<NaiveDate>().unwrap();
    assert_eq!(add_period(day("2028-01-31"), 1), day("2028-02-29"));
    assert_eq!(add_period(day("2026-08-31"), 1), day("2026-09-30"));
    assert_eq!(add_period(day("2028-02-29"), 12), day("2029-02-28"));
}

#[test]
fn the_control_door_serves_people() {
    let up = Upstream::start();
    let id = buy(&up, LITE);
    let control = |json: &str| {
        let head = format!(
            "POST /control HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{json}",
            json.len()
        );
        send(&up, head.as_bytes(), Duration::from_secs(5)).unwrap().body().trim().to_owned()
    };
    assert_eq!(
        control(&format!(
            "{{\"do\":\"edit\",\"id\":{id},\"set\":{{\"ip\":\"203.0.113.9\",\"expires\":\"2030-01-01\"}}}}"
        )),
        "\"ok\""
    );
    assert_eq!(up.license(id).ip, "203.0.113.9");
    assert_eq!(control("{\"do\":\"fault\",\"func\":\"soft\",\"fault\":\"refused\",\"word\":\"blocked\"}"), "\"ok\"");
    no(&up, "soft", "", "blocked/account");
    assert!(control("{\"do\":\"state\"}").contains("203.0.113.9"));
    assert!(control("{\"do\":\"nonsense\"}").contains("error"));
    assert_eq!(up.violations(), Vec::<String>::new());
}
