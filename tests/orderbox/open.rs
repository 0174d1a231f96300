//! Buying a license: one request with exactly the needed parameters, the checks before money is spent, and answers in
//! every shape.
use super::*;
use crate::service::state;
use crate::support::orderbox::{KeyPlace, OTHER_CUSTOMER, Work};

const BOUGHT: &str = "POST linux/us generate-license-key order-id=4001 invoice-option=NoInvoice";

#[test]
fn a_first_open_buys_once_and_saves_key_and_number() {
    let test = shop();
    test.cmd("open", ITEM).ok().stdout("");
    assert_eq!(test.orderbox().posts(), [BOUGHT]);
    assert_eq!((test.orderbox().charges(ORDER), test.orderbox().cost(ORDER)), (1, (1, 80_000)));
    served(&test);
    assert!(test.item(ITEM).crypted.is_empty());
    let last = test.panel_changes().pop().unwrap_or_default();
    assert_eq!(last, "soft.open elid=42 sok=ok");
    assert!(test.upstream.requests().is_empty(), "the other seller is not asked");
    test.assert_clean();
}

#[test]
fn a_repeated_open_and_two_at_once_buy_once() {
    let test = opened();
    for _ in 0..2 {
        test.cmd("open", ITEM).ok().stdout("");
    }
    nothing_sent(&test);
    let test = shop();
    let held = test.orderbox().hold_before("generate-license-key");
    let args = ["--command", "open", "--item", "42"];
    let first = test.spawn(args);
    held.reached();
    test.clear_mgrctl();
    let mut second = test.spawn(args);
    // It has read the module's settings, and next it takes the lock of the service.
    let since = std::time::Instant::now();
    while !test.mgrctl_calls().iter().any(|call| call.func == "processing.edit") {
        assert!(since.elapsed().as_secs() < 20 && !second.ended(), "{}", test.story());
        std::thread::yield_now();
    }
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(!second.ended(), "it waits for the first one");
    held.release();
    first.wait().ok().stdout("");
    second.wait().ok().stdout("");
    assert_eq!((test.orderbox().posts().len(), test.orderbox().charges(ORDER)), (1, 1));
    served(&test);
}

/// However answers are shaped, wherever the key is: the same result.
#[test]
fn answers_in_every_shape_give_the_same_license() {
    let places = [KeyPlace::Order, KeyPlace::OrderIfAny, KeyPlace::Addons, KeyPlace::AddonsCamel];
    for (at, place) in places.into_iter().enumerate() {
        for (old_answer, wrapped) in [(false, false), (false, true), (true, false)] {
            let test = shop_with(|o| {
                (o.key_place, o.old_answer, o.wrapped, o.numbers_as_texts) = (place, old_answer, wrapped, at % 2 == 0);
                o.empty_search_fails = wrapped;
            });
            test.cmd("open", ITEM).ok();
            assert_eq!((test.orderbox().posts().len(), test.orderbox().charges(ORDER)), (1, 1), "{place:?} {wrapped}");
            served(&test);
        }
    }
}

#[test]
fn the_invoice_option_of_the_settings_is_sent_and_the_one_that_never_executes_is_refused() {
    for option in ["KeepInvoice", "PayInvoice"] {
        let test = shop_with(|o| o.wrapped = true);
        test.settings(&format!("[orderbox]\ninvoice_option = \"{option}\"\n"));
        test.cmd("open", ITEM).ok();
        assert_eq!(test.orderbox().posts(), [BOUGHT.replace("NoInvoice", option)]);
        served(&test);
    }
    let test = shop();
    test.settings("[orderbox]\ninvoice_option = \"OnlyAdd\"\n");
    let refused = test.cmd("open", ITEM);
    assert!(refused.fails("config").message().contains("OnlyAdd"), "{}", refused.message());
    assert_eq!(test.orderbox().sent(), Vec::<String>::new());
}

/// A key that comes late, or a purchase that the seller queues, holds up nothing: the license is bound, sync brings
/// the key.
#[test]
fn a_late_key_is_saved_by_sync() {
    for is_queued in [false, true] {
        let test = shop_with(|o| if is_queued { o.queue_reads = u32::MAX } else { o.key_late_reads = u32::MAX });
        test.cmd("open", ITEM).ok();
        let item = test.item(ITEM);
        assert_eq!((item.status, item.param("licid"), item.param("lickey")), (2, "4001", ""), "{is_queued}");
        test.cmd("sync_item", ITEM).ok();
        assert_eq!(test.item(ITEM).param("lickey"), "");
        test.orderbox().finish(ORDER);
        test.orderbox().edit(ORDER, |o| o.key_late_reads = 0);
        test.cmd("sync_item", ITEM).ok();
        served(&test);
        assert_eq!((test.orderbox().posts().len(), test.orderbox().charges(ORDER)), (1, 1), "{is_queued}");
    }
}

/// A license that we did not buy is neither sold nor shown; bind hands it over without a purchase.
#[test]
fn a_license_that_we_did_not_buy_is_handed_over_only_by_bind() {
    let test = shop();
    test.orderbox().edit(ORDER, |o| o.key = "Reseller-foreign-0123456789".into());
    let refused = test.cmd("open", ITEM);
    let message = refused.fails("bad_value").message().to_owned();
    assert!(message.contains("bind 42 4001") && !message.contains("Reseller-foreign"), "{message}");
    nothing_sent(&test);
    assert_eq!((test.item(ITEM).status, test.item(ITEM).param("lickey")), (1, ""));
    let shown = operator(&test, "bind 42 4001 --yes");
    assert_eq!(shown.code, Some(0), "{shown:?}");
    test.cmd("open", ITEM).ok();
    served(&test);
    nothing_sent(&test);
    assert_eq!(test.orderbox().charges(ORDER), 0);
    test.assert_clean();
}

/// What a client may type wrong: each has an error of its own, and nothing is bought.
#[test]
fn wrong_orders_are_refused_before_anything_is_bought() {
    let test = shop();
    test.cmd("open", ITEM).ok();
    test.orderbox().add(Order::new(4002).of(OTHER_CUSTOMER));
    test.orderbox().add(Order::new(4003));
    forget(&test);
    test.soft_item(43, "whmcs", 1).module(8).add();
    test.soft_item(44, "whmcs", 1).module(8).param("orderid", "40o1").add();
    test.whmcs_item(45, 1, 4999).add();
    test.whmcs_item(46, 1, 4002).add();
    test.whmcs_item(47, 1, ORDER).add();
    test.whmcs_item(48, 1, 4003).account(599).add();
    for (item, kind, object, words) in [
        (43, "missed", "orderid", "orderid"),
        (44, "bad_value", "orderid", "40o1"),
        (45, "bad_value", "orderid", "4999"),
        (46, "bad_value", "orderid", "4002"),
        (47, "bad_value", "orderid", "42"),
        (48, "missed", "email", "any_customer"),
    ] {
        forget(&test);
        let output = test.cmd("open", item);
        assert_eq!(output.fails(kind).attribute("object"), object, "{item}: {}", output.message());
        if item < 45 {
            assert_eq!(test.orderbox().sent(), Vec::<String>::new(), "{item}: not even a read");
        }
        assert!(output.message().contains(words), "{item}: {}", output.message());
        assert!(!output.message().contains("somebody@example.org"), "{item}: whose it is stays unsaid");
        assert_eq!((test.item(item).status, test.item(item).param("lickey")), (1, ""), "{item}");
        nothing_sent(&test);
    }
    test.settings("[orderbox]\nany_customer = true\n");
    for item in [46, 48] {
        test.cmd("open", item).ok();
    }
    assert_eq!((test.orderbox().charges(4002), test.orderbox().charges(4003)), (1, 1));
}

/// An order form tells the client at once.
#[test]
fn a_wrong_number_is_refused_in_the_order_form() {
    let test = shop();
    let check = |value: &str| test.run(["--command", "check_param", "--param", "orderid", "--value", value]);
    check("4001").ok();
    check("40o1").fails("bad_value");
    assert_eq!(test.orderbox().sent(), Vec::<String>::new());
}

/// Orders that stand still, that are over, or on which somebody else's action is pending.
#[test]
fn an_order_that_cannot_take_a_license_buys_none() {
    let spoilt: [fn(&Test); 5] = [
        |t| t.orderbox().edit(ORDER, |o| o.status = "Suspended".into()),
        |t| t.orderbox().edit(ORDER, |o| o.status = "InActive".into()),
        |t| t.orderbox().edit(ORDER, |o| o.status = "Deleted".into()),
        |t| t.orderbox().edit(ORDER, |o| o.ends -= 40 * 86_400),
        |t| t.orderbox().busy(ORDER, "ModHosting"),
    ];
    for (at, spoil) in spoilt.into_iter().enumerate() {
        let test = shop();
        spoil(&test);
        let output = test.cmd("open", ITEM);
        let refused = output.fails(if at == 4 { "upstream" } else { "bad_value" });
        assert_eq!(refused.attribute("object"), "orderid", "{at}");
        assert!(refused.message().contains("4001"), "{at}: {}", refused.message());
        nothing_sent(&test);
        if at == 4 {
            test.orderbox().finish(ORDER);
            test.cmd("open", ITEM).ok();
            served(&test);
        }
    }
}

/// Platform and location are found by reading, once.
#[test]
fn the_place_of_an_order_is_found_and_remembered() {
    let test = shop();
    test.orderbox().add(Order::new(4002).at("windows/in"));
    test.whmcs_item(43, 1, 4002).add();
    test.cmd("open", 43).ok();
    let bought = "POST windows/in generate-license-key order-id=4002 invoice-option=NoInvoice";
    assert_eq!(test.orderbox().posts(), [bought]);
    assert!(test.orderbox().requests_of("search").len() > 1);
    forget(&test);
    test.cmd("sync_item", 43).ok();
    test.cmd("open", 43).ok();
    assert_eq!(test.orderbox().requests_of("search").len(), 0, "{}", test.story());
    // Only the lines of products that the settings name are searched.
    let test = shop();
    test.settings("[orderbox]\nproducts = [\"resellerwindowshosting\"]\n");
    test.cmd("open", ITEM).fails("bad_value");
    assert_eq!(
        test.orderbox().requests_of("search").iter().map(|r| r.product.clone()).collect::<Vec<_>>(),
        ["windows/us"]
    );
    nothing_sent(&test);
}

/// The rest of the hosting's term is charged at once: more months than the client pays for are not bought.
#[test]
fn a_term_that_is_too_long_is_not_bought() {
    let test = shop();
    test.orderbox().edit(ORDER, |o| o.ends += 305 * 86_400);
    test.settings("[orderbox]\nprice_month = \"800.00 RUB\"\n");
    let refused = test.cmd("open", ITEM);
    let message = refused.fails("period_not_sold").message().to_owned();
    assert!(message.contains("11") && message.contains("8800"), "months and money: {message}");
    nothing_sent(&test);
    test.settings("[orderbox]\nmax_extra_months = 10\n");
    test.cmd("open", ITEM).ok();
    assert_eq!(test.orderbox().cost(ORDER), (11, 880_000));
}

#[test]
fn no_purchase_goes_below_the_minimum_balance() {
    let test = shop();
    test.settings("minimum_balance = \"100.00\"\n[orderbox]\nprice_month = \"800.00 RUB\"\n");
    test.orderbox().set_balance(89_999);
    test.cmd("open", ITEM).fails("nomoney");
    nothing_sent(&test);
    test.orderbox().set_balance(90_000);
    forget(&test);
    test.cmd("open", ITEM).ok();
    assert_eq!(test.orderbox().requests_of("billing/reseller-balance").len(), 1, "asked once");
    served(&test);
}

/// Each kind of license has its own kind of seller, and the error names the other address.
#[test]
fn a_license_is_refused_at_the_other_kind_of_seller() {
    let test = shop();
    test.soft_item(60, "whmcs", 1).ip("192.0.2.60").param("orderid", "4001").add();
    test.soft_item(61, "55227", 1).module(8).ip("192.0.2.61").add();
    for (item, address) in [(60, "httpapi.com"), (61, "ispmanager")] {
        let refused = test.cmd("open", item);
        let message = refused.fails("unknown_internal_name").message().to_owned();
        assert!(message.contains(address), "{item}: {message}");
    }
    assert!(test.upstream.requests().is_empty() && test.orderbox().sent().is_empty(), "{}", test.story());
    test.soft_item(62, "nopanel", 1).module(8).add();
    test.cmd("open", 62).ok();
    nothing_sent(&test);
}

/// The module's access is checked by a read; a refusal tells what to look at.
#[test]
fn a_caller_who_is_not_let_in_learns_why_and_for_how_long() {
    let test = shop();
    let secret = test.orderbox().with(|w| w.options.key.clone());
    let check = || checked(&test);
    check().ok();
    let addresses = test.orderbox().with(|w| std::mem::take(&mut w.options.addresses));
    for output in [check(), test.cmd("open", ITEM)] {
        let message = output.fails("auth").message().to_owned();
        for words in ["127.0.0.1", "hour", "test.httpapi.com"] {
            assert!(message.contains(words), "{words}: {message}");
        }
        assert_eq!(message.matches("hour").count(), 1, "said twice: {message}");
        assert!(!message.contains(&secret), "{message}");
    }
    nothing_sent(&test);
    test.orderbox().options(|o| o.addresses = addresses);
    test.orderbox().regenerate_key();
    test.cmd("open", ITEM).fails("auth");
    nothing_sent(&test);
}

/// Two services, one order: the second is refused even while the first is being bought.
#[test]
fn an_order_serves_one_service_even_while_it_is_bought() {
    let test = shop();
    test.whmcs_item(43, 1, ORDER).add();
    test.orderbox().with(|w| w.options.queue_reads = u32::MAX);
    test.orderbox().fault(crate::support::Fault::on("generate-license-key").drop_after());
    test.cmd("open", ITEM);
    test.cmd("open", 43).fails("bad_value");
    test.orderbox().finish(ORDER);
    test.cmd("open", 43).fails("bad_value");
    test.cmd("open", ITEM).ok();
    assert_eq!((test.orderbox().posts().len(), test.orderbox().charges(ORDER)), (1, 1));
    assert_eq!(test.item(43).param("lickey"), "");
    assert_eq!(state(&test, "SELECT count(*) FROM license WHERE item = 42"), "1");
}

/// An action of somebody else's that begins between the look and the purchase: "already an action pending" does not end
/// the purchase, and nothing is sent again while the action goes on. Once it has ended, it may have been ours, so an
/// operator says what the seller's panel shows.
#[test]
fn an_action_that_comes_in_between_is_no_refusal() {
    let test = shop();
    test.orderbox().before("generate-license-key", 1, |w| {
        w.begin(ORDER, Work::Other("ModHosting".into()), u32::MAX, 0);
    });
    for _ in 0..4 {
        test.cmd("open", ITEM).fails("client");
        crate::service::settle(&test);
    }
    test.orderbox().finish(ORDER);
    for _ in 0..2 {
        test.cmd("open", ITEM).fails("order_unknown");
        crate::service::settle(&test);
    }
    assert_eq!((test.orderbox().posts().len(), test.orderbox().charges(ORDER)), (1, 0), "{}", test.story());
    assert_eq!(operator(&test, "resolve 42 --not-bought --yes").code, Some(0), "{}", test.story());
    test.cmd("open", ITEM).ok();
    served(&test);
    assert_eq!((test.orderbox().posts().len(), test.orderbox().charges(ORDER)), (2, 1), "{}", test.story());
}
