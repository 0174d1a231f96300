//! The panel is not told that a service is open while an order of the service's number is in doubt
//! (docs/money-safety.md 2).
use crate::in_doubt::{billed, ordered};
use crate::service::{forget, licid, only_license, settle, state, told};
use crate::support::Fault;

/// Another service had this number for a while, because the panel's database was another one, and its order is in
/// doubt. The service has its license, found late, and the panel is told that it is open when nothing of its number is
/// in doubt any more. Before, only the first run waited.
#[test]
fn a_service_is_not_called_open_while_an_order_of_its_number_is_in_doubt() {
    let test = ordered("", Fault::on("soft.order.param").late());
    let created = test.db.value("SELECT createdate FROM item WHERE id = 42", ()).unwrap();
    test.cmd("open", 42).fails("client");
    test.set_item(42, "createdate", "2020-02-02 10:00:00");
    test.cmd("close", 42).ok();
    test.set_item(42, "status", "1");
    test.choose(42, "55228");
    test.upstream.fault(Fault::on("soft.order.param").drop_before());
    test.cmd("open", 42).fails("client");
    test.set_item(42, "createdate", &created);
    test.set_item(42, "status", "1");
    test.choose(42, "55227");
    test.upstream.land_late();
    settle(&test);
    forget(&test);
    test.cmd("open", 42).fails("client");
    assert_eq!(state(&test, "SELECT state FROM license"), "bound");
    let message = test.cmd("open", 42).fails("client").message().to_owned();
    assert!(message.contains("order of 55228 for service 42"), "{message}");
    assert_eq!(told(&test), Vec::<String>::new());
    settle(&test);
    test.cmd("open", 42).ok();
    assert_eq!((test.item(42).status, licid(&test, 42), billed(&test)), (2, only_license(&test).id, 1));
}
