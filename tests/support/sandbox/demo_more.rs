//! The second half of the demo: a yearly license resold by the month, a bundled server, an end of sale.
use super::demo::Stage;
use crate::support::upstream::{Country, Family, Tariff};
use chrono::{Days, Utc};

pub fn yearly_by_the_month(s: &mut Stage) {
    s.title("A yearly license resold by the month");
    s.t.period_align("1;12;;");
    println!("  (the panel's table says: services of 1 month are bought for 12)");
    s.t.soft_item(47, s.code("55229"), 1).ip("192.0.2.47").add();
    let done = s.done("open", 47);
    let bought = s.license_of(47).is_some_and(|l| l.period == 12);
    s.check("a year is bought for a service of one month", done && bought);
    let renewals = s.t.upstream.billed("service.prolong");
    for _ in 0..2 {
        let done = s.done("prolong", 47);
        s.check("the client's next month costs nothing", done && s.t.upstream.billed("service.prolong") == renewals);
    }
    s.t.db.exec("DELETE FROM processingparam WHERE intname = 'period_align'", ());
}

pub fn bundled_server(s: &mut Stage) {
    s.title("A control panel that comes with a virtual server");
    // Two license servers are there, and one of them sells nothing for servers.
    s.t.settings("bundled = [3]\nbundled_module = 7\n");
    s.t.vds_item(50, s.code("55228"), 1).addresses(&["192.0.2.150"]).add();
    let orders = s.orders();
    println!("  The first sweep only reports:");
    let output = s.admin(&["sync", "--sweep"]);
    s.check("it names the server and orders nothing", output.stdout.contains("server 50") && s.orders() == orders);
    println!("  An operator confirms it:");
    let done = s.admin(&["sync", "--sweep", "--adopt"]).code == Some(0);
    let license = s.license_of(50);
    let fits =
        license.is_some_and(|l| l.ip == "192.0.2.150" && l.pricelist.to_string() == s.code("55228") && l.status == 2);
    s.check("the server has a license for its main address", done && fits && s.orders() == orders + 1);
    s.t.set_item(50, "status", "3");
    println!("  The server's own module suspends it, and the event is lost; sync sees it:");
    let done = s.admin(&["sync"]).code == Some(0);
    s.check("its license is stopped", done && s.license_of(50).is_some_and(|l| l.status == 3));
    let touched =
        s.t.panel_changes().iter().any(|line| line.contains("elid=50") && !line.starts_with("service.saveparam"));
    s.check("nothing of the server itself was touched", !touched && s.t.item(50).status == 3);
}

pub fn end_of_sale(s: &mut Stage) {
    s.title("The end of a sale");
    let today = Utc::now().date_naive();
    let (began, over, last) = (today - Days::new(5), today + Days::new(30), today + Days::new(100));
    s.t.upstream.add_tariff(
        Tariff::new(60001, "Old product", Family::Soft, &[(1, 400), (12, 4400)])
            .ends(began, last, over)
            .country(Country::Both),
    );
    let product = |over: chrono::NaiveDate| {
        format!(
            "bundled = [3]\n[[product]]\ninternal_name = \"60001\"\nname = \"Old product\"\nperiods = [1, 12]\n\
             limited_from = \"{began}\"\nnot_past = \"{last}\"\nno_order_from = \"{over}\"\nno_renewal_from = \"{over}\"\n\
             successors = [\"{}\"]\n",
            s.code("55227")
        )
    };
    let (for_sale, closed) = (product(over), product(today));
    s.t.settings(&for_sale);
    s.t.soft_item(48, "60001", 12).ip("192.0.2.48").add();
    let done = s.done("open", 48);
    let ends = s.license_of(48).and_then(|l| l.expires) == Some(last);
    s.check("in the last weeks a year is sold, and ends with the product", done && ends);
    s.t.settings(&closed);
    println!("  (from today on it is not sold)");
    s.t.soft_item(49, "60001", 1).ip("192.0.2.49").add();
    let (requests, output) = (s.t.upstream.requests().len(), s.play("open", 49));
    let refused = output.attribute("type") == "sale_closed" && output.message().contains(s.code("55227"));
    s.check(
        "an order is refused before anything is sent, and the successor named",
        refused && s.t.upstream.requests().len() == requests,
    );
    let done = s.done("suspend", 48) && s.done("resume", 48);
    s.check("what was sold goes on working", done && s.license_of(48).is_some_and(|l| l.status == 2));
}
