//! Each wrong use is refused with HTTP 500 and an error object, and changes nothing.
use super::*;

/// The refused request changed nothing and was not charged.
fn nothing_happened(orderbox: &OrderBox) {
    assert_eq!((orderbox.ledger().len(), orderbox.order(4001).key.as_str()), (0, ""));
}

#[test]
fn the_method_has_to_fit_the_call() {
    let orderbox = standing(|_| {});
    let words = "Incorrect HTTP method used for this call";
    assert_eq!(no(&get(&orderbox, GENERATE, "order-id=4001 invoice-option=NoInvoice")), words);
    assert_eq!(no(&get(&orderbox, REMOVE, "order-id=4001")), words);
    assert_eq!(no(&post(&orderbox, DETAILS, "order-id=4001")), words);
    nothing_happened(&orderbox);
}

#[test]
fn callers_must_be_known_by_key_and_by_address() {
    let orderbox = standing(|_| {});
    let ask = |auth: &str| no(&raw(&orderbox, "GET", "/api/resellers/details.json", auth, ""));
    assert_eq!(ask(""), "Required authentication parameter missing");
    assert_eq!(ask("auth-userid=712345"), "Required authentication parameter missing");
    assert!(ask("auth-userid=712345 api-key=wrong").starts_with("Invalid credentials"));
    let old = auth(&orderbox);
    orderbox.regenerate_key();
    assert!(ask(&old).starts_with("Invalid credentials"));
    assert_eq!(yes(&get(&orderbox, "resellers/details", ""))["resellerid"], "712345");
    orderbox.options(|o| o.addresses = vec!["192.0.2.1".parse().unwrap()]);
    assert_eq!(ask(&auth(&orderbox)), "Access Denied. You are not authorized to perform this action.");
    nothing_happened(&orderbox);
}

#[test]
fn an_order_is_known_only_under_its_own_product() {
    let orderbox = standing(|_| {});
    orderbox.add(Order::new(4002).at("windows/in"));
    assert_eq!(no(&get(&orderbox, DETAILS, "order-id=4009")), "Website doesn't exist for 4009");
    for place in ["linux/uk", "windows/us", "linux/hk"] {
        let path = format!("resellerhosting/{place}/generate-license-key");
        let words = no(&post(&orderbox, &path, "order-id=4001 invoice-option=NoInvoice"));
        assert_eq!(words, "Website doesn't exist for 4001", "{place}");
    }
    assert_eq!(no(&get(&orderbox, DETAILS, "order-id=4002")), "Website doesn't exist for 4002");
    yes(&get(&orderbox, "resellerhosting/windows/in/details", "order-id=4002"));
    for path in ["/api/resellerhosting/linux/de/details.json", "/api/details.json", "/manager/billmgr"] {
        assert_eq!(raw(&orderbox, "GET", path, "", "").status(), 404, "{path}");
    }
    orderbox.swap_account(999);
    assert_eq!(no(&get(&orderbox, DETAILS, "order-id=4001")), "Website doesn't exist for 4001");
    nothing_happened(&orderbox);
}

#[test]
fn a_purchase_needs_its_parameters_in_the_body() {
    let orderbox = standing(|_| {});
    assert_eq!(no(&post(&orderbox, GENERATE, "order-id=4001")), "Required parameter missing: invoice-option");
    let words = no(&post(&orderbox, GENERATE, "order-id=4001 invoice-option=None"));
    assert_eq!(words, "Invalid value for parameter: invoice-option");
    assert_eq!(no(&post(&orderbox, GENERATE, "invoice-option=NoInvoice")), "Required parameter missing: order-id");
    let path = format!("/api/{GENERATE}.json");
    let body = format!("{} order-id=4001 invoice-option=NoInvoice", auth(&orderbox));
    no(&raw(&orderbox, "POST", &path, "order-id=4001", &body));
    no(&raw(&orderbox, "POST", &path, &body, ""));
    assert!(orderbox.violations().iter().any(|v| v.contains("parameters in the URL")));
    nothing_happened(&orderbox);
}

#[test]
fn searches_have_bounds_and_plain_names() {
    let orderbox = standing(|_| {});
    for (call, params) in [
        (SEARCH, "no-of-records=9 page-no=1"),
        (SEARCH, "no-of-records=501 page-no=1"),
        (SEARCH, "no-of-records=10 page-no=0"),
        (CURRENT, "no-of-records=9 page-no=1"),
        (ARCHIVED, "no-of-records=10 page-no=0"),
        (SEARCH, "no-of-records=10 page-no=1 order-id[]=4001"),
    ] {
        assert!(no(&get(&orderbox, call, params)).starts_with("Invalid value for parameter"), "{params}");
    }
    assert_eq!(no(&get(&orderbox, SEARCH, "page-no=1")), "Required parameter missing: no-of-records");
}

#[test]
fn nothing_found_is_an_error_among_actions_and_an_empty_page_among_orders() {
    let orderbox = standing(|_| {});
    let page = "no-of-records=10 page-no=1 order-id=4007";
    assert_eq!(no(&get(&orderbox, CURRENT, page)), "No record found");
    assert_eq!(no(&get(&orderbox, ARCHIVED, page)), "No record found");
    assert_eq!(yes(&get(&orderbox, SEARCH, page)).to_string(), "{\"recsindb\":\"0\",\"recsonpage\":\"0\"}");
    orderbox.options(|o| o.empty_search_fails = true);
    assert_eq!(no(&get(&orderbox, SEARCH, page)), "No record found");
}

#[test]
fn orders_that_stand_still_or_are_busy_buy_nothing() {
    for status in ["Suspended", "InActive", "Deleted"] {
        let orderbox = standing(|_| {});
        orderbox.edit(4001, |o| o.status = status.into());
        assert_eq!(no(&buy(&orderbox)), format!("The action cannot be performed: the Order is {status}"));
        nothing_happened(&orderbox);
    }
    let orderbox = standing(|_| {});
    orderbox.busy(4001, "ModHosting");
    assert_eq!(no(&buy(&orderbox)), "There is already an action pending on this Order.");
    nothing_happened(&orderbox);
    orderbox.finish(4001);
    orderbox.set_balance(79_999);
    assert!(no(&buy(&orderbox)).starts_with("Insufficient funds"));
    nothing_happened(&orderbox);
    orderbox.set_balance(80_000);
    yes(&buy(&orderbox));
    assert_eq!(orderbox.charges(4001), 1);
}

#[test]
fn errors_can_be_worded_as_other_hosts_word_them() {
    let orderbox = standing(|o| (o.error_word, o.error_name) = ("error".into(), "error".into()));
    let raw = get(&orderbox, DETAILS, "order-id=4009");
    assert_eq!(
        (raw.status(), raw.body()),
        (500, "{\"error\":\"Website doesn't exist for 4009\",\"status\":\"error\"}")
    );
}
