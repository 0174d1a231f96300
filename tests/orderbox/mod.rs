//! WHMCS licenses from OrderBox through the binary: bought as an addition to a client's hosting order, kept, removed.
//! The ledger of the stand-in (tests/support/orderbox) has their costs.
mod again;
mod both;
mod close;
mod declined;
mod guard;
mod in_doubt;
mod in_russian;
mod keeping;
mod kills;
mod late_keys;
mod old_state;
mod open;
mod reissued;
mod secrets;
mod setup;
mod unchanged;

use crate::support::orderbox::{Options, Order};
use crate::support::upstream::escape;
use crate::support::{Output, Test};

/// The hosting order of most tests, and the service on it.
pub const ORDER: u64 = 4001;
pub const ITEM: u32 = 42;

/// Settings under which a license can be taken away.
pub const REMOVING: &str = "[orderbox]\nremove_call = \"delete-license-key\"\n";

/// A shop with an active order of the client's and a service on it, not opened.
pub fn shop() -> Test {
    shop_with(|_| {})
}

/// The same with an OrderBox that differs.
pub fn shop_with(change: impl FnOnce(&mut Options)) -> Test {
    let test = Test::setup().orderbox(change).start();
    test.orderbox().add(Order::new(ORDER));
    test.whmcs_item(ITEM, 1, ORDER).add();
    test
}

/// A shop whose service has its license. Requests and calls until here are forgotten.
pub fn opened() -> Test {
    opened_with("", |_| {})
}

pub fn opened_with(settings: &str, change: impl FnOnce(&mut Options)) -> Test {
    let test = shop_with(change);
    if !settings.is_empty() {
        test.settings(settings);
    }
    test.cmd("open", ITEM).ok().stdout("");
    forget(&test);
    test
}

/// Requests and calls so far no longer count.
pub fn forget(test: &Test) {
    crate::service::forget(test);
    test.orderbox().clear_requests();
}

/// The key that the order has now.
pub fn key(test: &Test) -> String {
    test.orderbox().order(ORDER).key
}

/// Nothing that changes anything was sent since the last `forget`.
pub fn nothing_sent(test: &Test) {
    assert_eq!(test.orderbox().posts(), Vec::<String>::new(), "{}", test.story());
}

/// The service has the order's key and number, and is active.
pub fn served(test: &Test) {
    let (item, key) = (test.item(ITEM), key(test));
    assert!(!key.is_empty(), "{}", test.story());
    assert_eq!((item.status, item.param("lickey"), item.param("licid")), (2, key.as_str(), "4001"), "{}", test.story());
}

/// A pass of sync over the module at OrderBox.
pub fn sync(test: &Test) -> Output {
    test.run(["--command", "sync_server", "--module", "8"])
}

/// `check_connection` with the module's own access.
pub fn checked(test: &Test) -> Output {
    let (user, secret) = test.orderbox().with(|w| (w.options.user, w.options.key.clone()));
    let (url, secret) = (test.orderbox().url(), escape(&secret));
    let document = format!(
        "<doc><processingmodule><url>{url}</url><username>{user}</username><password>{secret}</password></processingmodule></doc>"
    );
    test.program(["--command", "check_connection"]).stdin(document).run()
}

/// A command of an operator, one line.
pub fn operator(test: &Test, line: &str) -> Output {
    test.program(line.split_whitespace()).env("LC_ALL", "C").env("COLUMNS", "500").run()
}

/// Everything that people were told so far: the log, and what the panel was asked to show.
pub fn problems_reported(test: &Test) -> String {
    format!("{}\n{}", test.log(), test.panel_changes().join("\n"))
}

/// The problems that the panel was asked to show since the last `forget`.
pub fn problems(test: &Test) -> Vec<String> {
    test.panel_changes().into_iter().filter(|line| line.starts_with("problems.register")).collect()
}

/// The day on which the order ends, as messages have it.
pub fn end_of_order(test: &Test) -> String {
    let ends = test.orderbox().order(ORDER).ends;
    chrono::DateTime::from_timestamp(ends, 0).unwrap().date_naive().to_string()
}
