//! Each refusal of docs/testing.md 1, tripped by a raw request.
use super::*;
use crate::support::upstream::{Country, Options, Tls};
use chrono::NaiveDate;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

#[test]
fn a_wrong_password_is_refused_and_so_is_the_url() {
    let up = Upstream::start();
    let wrong =
        send(&up, &post("func=soft&out=xml&lang=en&authinfo=reseller%3Awrong"), Duration::from_secs(5)).unwrap();
    assert_eq!((wrong.status(), wrong.error().as_str()), (200, "auth/badpassword"));
    let query =
        b"POST /manager/billmgr?func=soft HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert_eq!(send(&up, query, Duration::from_secs(5)).unwrap().status(), 405);
    assert!(up.violations().iter().any(|v| v.contains("in the URL")), "{:?}", up.violations());
    let get = b"GET /manager/billmgr HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_eq!(send(&up, get, Duration::from_secs(5)).unwrap().status(), 405);
    up.clear_requests();
    yes(&up, "soft", "");
    assert_eq!(up.violations(), Vec::<String>::new());
    assert_eq!(up.requests()[0].get("authinfo"), Some("***"));
    up.options(|o| o.two_factor = true);
    no(&up, "whoami", "", "auth/totp");
}

#[test]
fn the_ip_changes_once_a_month_and_clearing_it_counts() {
    let up = Upstream::start();
    let id = buy(&up, LITE);
    yes(&up, "soft.edit", &format!("elid={id} sok=ok ip=0.0.0.0"));
    no(&up, "soft.edit", &format!("elid={id} sok=ok ip=192.0.2.11"), "ip_change/ip");
    up.age(id, 27);
    no(&up, "soft.edit", &format!("elid={id} sok=ok ip=192.0.2.11 licname=x"), "ip_change/ip");
    up.age(id, 5);
    yes(&up, "soft.edit", &format!("elid={id} sok=ok ip=192.0.2.11"));
    no(&up, "soft.edit", &format!("elid={id} sok=ok ip=0.0.0.0"), "ip_change/ip");
    // The address it has already is no change.
    yes(&up, "soft.edit", &format!("elid={id} sok=ok ip=192.0.2.11 licname=x"));
    let strict = Upstream::start_with(Options { order_counts_as_change: true, ..Options::default() }, Tls::Off);
    let id = buy(&strict, LITE);
    no(&strict, "soft.edit", &format!("elid={id} sok=ok ip=0.0.0.0"), "ip_change/ip");
    no(&strict, "soft.edit", &format!("elid={id} sok=ok clicked_button=newkey"), "key_change/lickey");
}

#[test]
fn the_key_changes_once_a_month() {
    let up = Upstream::start();
    let id = buy(&up, LITE);
    let first = up.license(id).key;
    let newkey = format!("elid={id} sok=ok clicked_button=newkey");
    let second = yes(&up, "soft.edit", &newkey).element("lickey").to_owned();
    assert!(!second.is_empty() && second != first);
    no(&up, "soft.edit", &newkey, "key_change/lickey");
    up.age(id, 32);
    yes(&up, "soft.edit", &newkey);
    up.age(id, 32);
    yes(&up, "soft.suspend", &format!("elid={id}"));
    up.options(|o| o.newkey_needs_active = true);
    no(&up, "soft.edit", &newkey, "status/elid");
}

#[test]
fn a_busy_address_is_refused() {
    let up = Upstream::start();
    let id = buy(&up, LITE);
    no_buy(&up, LITE, "exists/ip");
    no(&up, "soft.checkip", "pricelist=55227 period=1 ip=192.0.2.10", "exists/ip");
    yes(&up, "soft.checkip", "pricelist=55227 period=1 ip=192.0.2.11");
    yes(&up, "soft.checkip", "pricelist=55228 period=1 ip=192.0.2.10");
    let other = buy(&up, "pricelist=55227 period=1 ip=192.0.2.11 licname=Two");
    no(&up, "soft.edit", &format!("elid={other} sok=ok ip=192.0.2.10"), "exists/ip");
    // A stopped one still holds it, a deleted one does not.
    yes(&up, "soft.suspend", &format!("elid={id}"));
    no_buy(&up, LITE, "exists/ip");
    yes(&up, "soft.delete", &format!("elid={id} sok=ok"));
    buy(&up, LITE);
    for bad in ["0.0.0.0", "127.0.0.1", "224.0.0.1", "::1", "192.0.2", "192.0.2.1,192.0.2.2"] {
        no_buy(&up, &format!("pricelist=55227 period=1 ip={bad}"), "value/ip");
    }
    no_buy(&up, "pricelist=55227 period=1", "missed/ip");
}

#[test]
fn unknown_codes_and_those_of_the_other_country_are_refused() {
    let up = Upstream::start();
    no_buy(&up, "pricelist=77777 period=1 ip=192.0.2.10", "value/pricelist");
    no_buy(&up, "pricelist=nopanel period=1 ip=192.0.2.10", "value/pricelist");
    no_buy(&up, "pricelist=55231 period=1 ip=192.0.2.10", "value/pricelist");
    // Another family's code is as unknown.
    no_buy(&up, "pricelist=9203 period=1 ip=192.0.2.10", "value/pricelist");
    let ru = Upstream::start_with(Options { country: Country::Russian, ..Options::default() }, Tls::Off);
    no_buy(&ru, LITE, "value/pricelist");
    buy(&ru, "pricelist=55231 period=1 ip=192.0.2.10");
    assert_eq!((ru.ledger()[0].amount, ru.ledger()[0].currency.as_str()), (45000, "RUB"));
}

#[test]
fn periods_that_are_not_sold_are_refused() {
    let up = Upstream::start();
    for (code, period) in
        [("55227", "3"), ("55227", "-100"), ("55239", "1"), ("55384", "1"), ("55382", "12"), ("55227", "0")]
    {
        no_buy(&up, &format!("pricelist={code} period={period} ip=192.0.2.10"), "value/period");
    }
    let trial = buy(&up, "pricelist=55239 period=-100 ip=192.0.2.10");
    no(&up, "service.prolong", &format!("elid={trial} period=1 sok=ok"), "value/period");
    let paid = buy(&up, "pricelist=55227 period=1 ip=192.0.2.12");
    no(&up, "service.prolong", &format!("elid={paid} period=6 sok=ok"), "value/period");
    no(&up, "service.changepricelist", &format!("elid={paid} pricelist=55228 period=6 sok=ok"), "value/period");
    no(&up, "service.changepricelist", &format!("elid={paid} pricelist=55227 period=1 sok=ok"), "value/pricelist");
    no(&up, "service.changepricelist", &format!("elid={paid} pricelist=99 period=1 sok=ok"), "value/pricelist");
    no(&up, "soft.checkip", "pricelist=55227 period=6 ip=192.0.2.10", "value/period");
}

#[test]
fn too_few_nodes_are_refused() {
    let up = Upstream::start();
    let business = "pricelist=55230 period=1 ip=192.0.2.10";
    no_buy(&up, business, "value/addon_55236");
    no_buy(&up, &format!("{business} addon_55236=0"), "value/addon_55236");
    let id = buy(&up, &format!("{business} addon_55236=3"));
    assert_eq!((up.license(id).nodes, up.ledger()[0].amount), (3, 3000));
    no(&up, "soft.edit", &format!("elid={id} sok=ok addon_55236=0"), "value/addon_55236");
    let lite = buy(&up, "pricelist=55227 period=1 ip=192.0.2.11");
    no(&up, "soft.edit", &format!("elid={lite} sok=ok addon_55236=2"), "value/addon_55236");
}

#[test]
fn a_blocked_account_buys_nothing() {
    let up = Upstream::start();
    let id = buy(&up, LITE);
    let host = buy(&up, "pricelist=55230 period=1 ip=192.0.2.12 addon_55236=1");
    up.block(true);
    no_buy(&up, "pricelist=55227 period=1 ip=192.0.2.11", "blocked/account");
    no(&up, "service.prolong", &format!("elid={id} period=1 sok=ok"), "blocked/account");
    no(&up, "service.changepricelist", &format!("elid={id} pricelist=55229 period=1 sok=ok"), "blocked/account");
    no(&up, "soft.edit", &format!("elid={host} sok=ok addon_55236=2"), "blocked/account");
    yes(&up, "soft.suspend", &format!("elid={id}"));
    yes(&up, "subaccount", "");
    up.block(false);
    yes(&up, "service.prolong", &format!("elid={id} period=1 sok=ok"));
}

#[test]
fn too_little_money_is_refused_or_leaves_the_order_unpaid() {
    let up = Upstream::start();
    let id = buy(&up, LITE);
    up.set_balance(499);
    no_buy(&up, "pricelist=55227 period=1 ip=192.0.2.11", "no_money/");
    no(&up, "service.prolong", &format!("elid={id} period=1 sok=ok"), "no_money/");
    no(&up, "service.changepricelist", &format!("elid={id} pricelist=55229 period=1 sok=ok"), "no_money/");
    up.options(|o| o.no_money_leaves_order = true);
    let left = buy(&up, "pricelist=55227 period=1 ip=192.0.2.11");
    let license = up.license(left);
    assert_eq!((license.status, license.key.as_str(), license.expires, up.ledger().len()), (1, "", None, 1));
    no(&up, "service.prolong", &format!("elid={left} period=1 sok=ok"), "status/elid");
    up.set_balance(500);
    up.pay(left);
    assert_eq!((up.license(left).status, up.billed("soft.order.param"), up.with(|w| w.balance)), (2, 2, 0));
    assert!(!up.license(left).key.is_empty());
    up.options(|o| o.prepaid = false);
    yes(&up, "service.prolong", &format!("elid={left} period=1 sok=ok"));
    assert_eq!(up.with(|w| w.balance), -500);
}

#[test]
fn the_end_of_sale_is_kept() {
    let up = Upstream::start();
    let five = "pricelist=3541 period=12 ip=192.0.2.10";
    no_buy(&up, five, "sale_closed/pricelist");
    up.set_today(day("2021-04-07"));
    let old = buy(&up, five);
    assert_eq!(up.license(old).expires, Some(day("2022-04-07")));
    up.set_today(day("2021-05-01"));
    let limited = buy(&up, "pricelist=3541 period=12 ip=192.0.2.11");
    assert_eq!(up.license(limited).expires, Some(day("2021-12-31")));
    assert_eq!(up.ledger()[1].amount, (4400 * 244 + 364) / 365);
    no(&up, "service.prolong", &format!("elid={old} period=1 sok=ok"), "sale_closed/pricelist");
    up.set_today(day("2021-06-15"));
    no_buy(&up, "pricelist=3541 period=1 ip=192.0.2.12", "sale_closed/pricelist");
    no(&up, "service.prolong", &format!("elid={limited} period=1 sok=ok"), "sale_closed/pricelist");
    let six = buy(&up, "pricelist=55227 period=1 ip=192.0.2.13");
    no(&up, "service.changepricelist", &format!("elid={six} pricelist=3541 period=1 sok=ok"), "sale_closed/pricelist");
    yes(&up, "service.changepricelist", &format!("elid={limited} pricelist=55227 period=1 sok=ok"));
}

#[test]
fn what_is_not_there_is_refused() {
    let up = Upstream::start();
    let id = buy(&up, LITE);
    for func in ["soft.edit", "soft.suspend", "soft.resume", "soft.delete", "softexternal.edit", "addition.edit"] {
        no(&up, func, "elid=99 sok=ok", "missed/elid");
        no(&up, func, "sok=ok", "missed/elid");
    }
    no(&up, "service.prolong", "elid=99 period=1 sok=ok", "missed/elid");
    no(&up, "softexternal.edit", &format!("elid={id}"), "missed/elid");
    no(&up, "soft.nonsense", "", "missed/func");
    no(&up, "service.nonsense", "", "missed/func");
    no(&up, "nonsense", "", "missed/func");
    no(&up, "service.prolong", &format!("elid={id} sok=ok"), "missed/period");
    yes(&up, "soft.delete", &format!("elid={id} sok=ok"));
    assert_eq!(yes(&up, "soft.edit", &format!("elid={id}")).element("status"), "4");
    no(&up, "soft.resume", &format!("elid={id}"), "status/elid");
    no(&up, "soft.edit", &format!("elid={id} sok=ok licname=x"), "status/elid");
    up.options(|o| o.forget_deleted = true);
    no(&up, "soft.edit", &format!("elid={id}"), "missed/elid");
    up.swap_account(2002);
    no(&up, "soft.edit", &format!("elid={id}"), "missed/elid");
}

#[test]
fn a_license_that_ran_out_is_not_resumed() {
    let up = Upstream::start();
    let id = buy(&up, LITE);
    up.set_today(up.license(id).expires.unwrap());
    assert_eq!(up.license(id).status, 3);
    no(&up, "soft.resume", &format!("elid={id}"), "expired/elid");
}
