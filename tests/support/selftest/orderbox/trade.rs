//! The effects and costs of purchases, removals, renewals and stops, in every way that nobody has confirmed.
use super::*;
use crate::support::Fault;
use crate::support::orderbox::{KeyPlace, Repeat, SITE_PASSWORD};

const CALL: &str = "generate-license-key";

#[test]
fn a_purchase_is_charged_for_the_rest_of_the_term() {
    let orderbox = standing(|_| {});
    let map = yes(&buy(&orderbox));
    assert_eq!((map["entityid"].as_str(), map["status"].as_str()), (Some("4001"), Some("Success")));
    assert_eq!((orderbox.charges(4001), orderbox.cost(4001)), (1, (1, 80_000)));
    let shown = details(&orderbox);
    assert_eq!(shown["licenseKey"], orderbox.order(4001).key);
    assert_eq!((shown["siteadminpassword"].as_str(), shown["endtime"].is_string()), (Some(SITE_PASSWORD), true));
    orderbox.add(Order::new(4003).ends_in(330));
    yes(&post(&orderbox, GENERATE, "order-id=4003 invoice-option=NoInvoice"));
    assert_eq!(orderbox.cost(4003), (11, 880_000));
    let owner = yes(&get(&orderbox, "customers/details-by-id", "customer-id=77001"));
    assert_eq!(owner["username"], "client@example.com");
    let left = yes(&get(&orderbox, "billing/reseller-balance", "reseller-id=712345"));
    assert_eq!(left["sellingcurrencybalance"], "90400.000");
    no(&get(&orderbox, "billing/reseller-balance", "reseller-id=1"));
}

#[test]
fn a_repeated_purchase_goes_three_ways() {
    for (repeat, charges, is_refused) in
        [(Repeat::Free, 1, false), (Repeat::Refused, 1, true), (Repeat::Charged, 2, false)]
    {
        let orderbox = standing(|o| o.repeat = repeat);
        yes(&buy(&orderbox));
        let key = orderbox.order(4001).key;
        let again = buy(&orderbox);
        assert_eq!((again.status() == 500, orderbox.charges(4001)), (is_refused, charges), "{repeat:?}");
        assert_eq!(orderbox.order(4001).key, key);
    }
}

#[test]
fn answers_come_in_every_shape() {
    let orderbox = standing(|o| o.old_answer = true);
    let old = yes(&buy(&orderbox));
    assert_eq!(old["licenseKey"], orderbox.order(4001).key);
    let orderbox = standing(|o| (o.wrapped, o.numbers_as_texts) = (true, false));
    let wrapped = yes(&buy(&orderbox));
    let (invoice, map) = wrapped.as_object().unwrap().iter().next().unwrap();
    assert!(invoice.parse::<u64>().is_ok() && map["entityid"].is_number() && map.get("licenseKey").is_none());
    assert!(details(&orderbox)["orderid"].is_number());
    let orderbox = standing(|_| {});
    let invoiced = yes(&post(&orderbox, GENERATE, "order-id=4001 invoice-option=KeepInvoice"));
    assert_eq!(invoiced["sellingamount"], "-800.000");
    let orderbox = standing(|_| {});
    let only = yes(&post(&orderbox, GENERATE, "order-id=4001 invoice-option=OnlyAdd"));
    assert_eq!((only.get("status"), orderbox.charges(4001)), (None, 0));
    assert_eq!(no(&buy(&orderbox)), "There is already an action pending on this Order.");
}

#[test]
fn the_key_stands_in_one_of_four_places() {
    for (place, path) in [
        (KeyPlace::Order, "/licenseKey"),
        (KeyPlace::OrderIfAny, "/licenseKey"),
        (KeyPlace::Addons, "/addons/0/license_key"),
        (KeyPlace::AddonsCamel, "/addons/0/licenseKey"),
    ] {
        let orderbox = standing(|o| o.key_place = place);
        let before = details(&orderbox).pointer(path).cloned();
        assert_eq!(before, (place == KeyPlace::Order).then(|| Value::from("")), "{place:?}");
        yes(&buy(&orderbox));
        let key = details(&orderbox).pointer(path).cloned();
        assert_eq!(key, Some(Value::from(orderbox.order(4001).key)), "{place:?}");
    }
}

#[test]
fn a_queued_purchase_is_an_action_until_it_is_carried_out() {
    let orderbox = standing(|o| o.queue_reads = 2);
    let map = yes(&buy(&orderbox));
    assert_eq!((map["actionstatus"].as_str(), map["status"].as_str()), (Some("PendingExecution"), Some("Success")));
    let page = "no-of-records=10 page-no=1 order-id=4001";
    let row = yes(&get(&orderbox, CURRENT, page));
    assert_eq!((&row["1"]["eaqid"], &row["recsindb"]), (&map["eaqid"], &Value::from("1")));
    assert_eq!(no(&get(&orderbox, ARCHIVED, page)), "No record found");
    assert_eq!(no(&buy(&orderbox)), "There is already an action pending on this Order.");
    assert_eq!([(); 3].map(|()| details(&orderbox)["licenseKey"] == ""), [true, true, false]);
    assert_eq!(yes(&get(&orderbox, ARCHIVED, page))["1"]["actionstatus"], "Success");
    assert_eq!(no(&get(&orderbox, CURRENT, page)), "No record found");
    assert_eq!(orderbox.charges(4001), 1);
    // A failed action leaves a trace and gives the money back.
    let orderbox = standing(|o| o.queue_reads = u32::MAX);
    yes(&buy(&orderbox));
    orderbox.fail(4001);
    assert_eq!(yes(&get(&orderbox, ARCHIVED, page))["1"]["actionstatus"], "Failed");
    assert_eq!((details(&orderbox)["licenseKey"].as_str(), orderbox.cost(4001)), (Some(""), (1, 0)));
}

#[test]
fn a_key_or_everything_can_be_unseen_for_a_while() {
    let orderbox = standing(|o| o.key_late_reads = 1);
    yes(&buy(&orderbox));
    let page = "no-of-records=10 page-no=1";
    assert_eq!(yes(&get(&orderbox, ARCHIVED, page))["recsindb"], "1");
    assert_eq!([(); 2].map(|()| details(&orderbox)["licenseKey"] == ""), [true, false]);
    let orderbox = standing(|_| {});
    orderbox.fault(Fault::on(CALL).lag(1).and_drop());
    assert_eq!(buy(&orderbox).bytes, 0);
    assert_eq!(no(&get(&orderbox, ARCHIVED, page)), "No record found");
    assert_eq!([(); 2].map(|()| details(&orderbox)["licenseKey"] == ""), [true, false]);
    yes(&get(&orderbox, ARCHIVED, page));
}

#[test]
fn answers_are_lost_cut_and_replaced() {
    for (fault, status, charges) in [
        (Fault::on(CALL).drop_before(), 0, 0),
        (Fault::on(CALL).drop_after(), 0, 1),
        (Fault::on(CALL).status(502), 502, 1),
        (Fault::on(CALL).status(502).without_effect(), 502, 0),
        (Fault::on(CALL).truncated(), 200, 1),
        (Fault::on(CALL).refused("no_money"), 500, 0),
        (Fault::on(CALL).refused_after("no_money"), 500, 1),
        (Fault::on(CALL).doubled(), 200, 2),
    ] {
        let (orderbox, name) = (standing(|_| {}), fault.name.clone());
        orderbox.fault(fault);
        let raw = buy(&orderbox);
        assert_eq!((raw.status(), orderbox.charges(4001)), (status, charges), "{name}");
        if name == "truncated" {
            assert!(serde_json::from_str::<Value>(raw.body()).is_err(), "{}", raw.body());
        }
        assert_eq!(name == "http_502", raw.body().contains("<html>") && charges == 1, "{name}");
    }
    let orderbox = standing(|_| {});
    orderbox.fault(Fault::on(CALL).late());
    assert_eq!((buy(&orderbox).bytes, orderbox.charges(4001)), (0, 0));
    assert_eq!((orderbox.land_late(), orderbox.charges(4001)), (1, 1));
}

#[test]
fn removals_renewals_and_stops_are_counted() {
    let orderbox = standing(|o| o.remove_params = vec![("confirm".into(), "true".into())]);
    assert_eq!(no(&post(&orderbox, REMOVE, "order-id=4001")), "Required parameter missing: confirm");
    assert_eq!(no(&post(&orderbox, REMOVE, "order-id=4001 confirm=true")), "There is no WHMCS license on this Order");
    yes(&buy(&orderbox));
    let key = orderbox.order(4001).key;
    yes(&post(&orderbox, REMOVE, "order-id=4001 confirm=true"));
    assert_eq!((orderbox.removals(4001), details(&orderbox)["licenseKey"].as_str()), (1, Some("")));
    yes(&buy(&orderbox));
    assert_ne!(orderbox.order(4001).key, key, "a license bought again is another one");
    yes(&post(
        &orderbox,
        "resellerhosting/linux/us/renew",
        "order-id=4001 months=2 auto-renew=false invoice-option=NoInvoice",
    ));
    yes(&post(&orderbox, "orders/suspend", "order-id=4001 reason=unpaid"));
    assert_eq!(details(&orderbox)["currentstatus"], "Suspended");
    yes(&post(&orderbox, "orders/unsuspend", "order-id=4001"));
    let counts =
        ["generate-license-key", "renew", "orders/suspend", "orders/unsuspend"].map(|c| orderbox.count(c, 4001));
    assert_eq!((counts, orderbox.cost(4001)), ([2, 1, 1, 1], (4, 320_000)));
    yes(&post(&orderbox, "resellerhosting/linux/us/delete", "order-id=4001"));
    assert_eq!(details(&orderbox)["currentstatus"], "Deleted");
}

#[test]
fn an_order_renews_itself_with_its_license() {
    let orderbox = standing(|_| {});
    orderbox.edit(4001, |o| (o.recurring, o.term) = (true, 3));
    yes(&buy(&orderbox));
    orderbox.add(Order::new(4002));
    orderbox.advance_days(30);
    assert_eq!((orderbox.count("renewal", 4001), orderbox.cost(4001)), (1, (4, 320_000)));
    assert_eq!(orderbox.order(4002).status, "Suspended");
}

#[test]
fn the_control_door_shows_and_asks() {
    let orderbox = standing(|_| {});
    let wanted = "{\"do\":\"fault\",\"func\":\"generate-license-key\",\"fault\":\"drop_after\"}";
    let head = format!("POST /control HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{wanted}", wanted.len());
    let mut stream = TcpStream::connect(("127.0.0.1", orderbox.port())).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert!(said.contains("\"ok\"") && buy(&orderbox).bytes == 0, "{said}");
    let shown = raw(&orderbox, "GET", "/control", "", "");
    assert!(
        shown.body().contains("generate-license-key")
            && !shown.body().contains(&orderbox.with(|w| w.options.key.clone()))
    );
}
