//! The third part of the demo: a WHMCS license, an addition to a client's hosting order at OrderBox.
use super::demo::Stage;
use crate::support::Fault;
use crate::support::orderbox::Order;

/// The order, and the service on it.
const ORDER: u64 = 4001;
const ITEM: u32 = 60;

pub fn whmcs_license(s: &mut Stage) {
    s.title("A WHMCS license for a client's hosting: bought with a lost answer, and removed");
    s.t.settings("[orderbox]\nremove_call = \"delete-license-key\"\nprice_month = \"800.00 RUB\"\n");
    s.t.orderbox().add(Order::new(ORDER));
    s.t.whmcs_item(ITEM, 1, ORDER).add();
    s.t.orderbox().fault(Fault::on("generate-license-key").drop_after());
    let done = s.done("open", ITEM);
    s.check("the fault was met", s.t.orderbox().pending_faults() == 0);
    let key = s.t.orderbox().order(ORDER).key;
    let served = done && !key.is_empty() && s.t.item(ITEM).param("lickey") == key && s.t.item(ITEM).status == 2;
    s.check("the service has the key of the hosting order", served);
    let asked = s.t.orderbox().requests_of("generate-license-key").len();
    s.check("it was asked for once and charged once", (asked, s.t.orderbox().charges(ORDER)) == (1, 1));
    let done = s.done("close", ITEM);
    s.check("the service is closed", done && s.t.item(ITEM).status == 4);
    let removed = s.t.orderbox().order(ORDER).key.is_empty() && s.t.orderbox().removals(ORDER) == 1;
    s.check("its license is removed, so that the hosting's next renewal does not pay for it", removed);
    let never = ["renew", "orders/suspend", "delete"].iter().all(|call| s.t.orderbox().count(call, ORDER) == 0);
    s.check("the client's hosting itself was not touched", never);
}
