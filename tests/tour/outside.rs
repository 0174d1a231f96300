//! The events outside while the tour goes on: clients, the seller, the machine, the time.
use super::Tour;
use crate::service::{alter_state, back_to_version_5, day, ends_in, licid, pass};
use crate::support::{Fault, Test};

pub fn happens(tour: &Tour, event: &str) {
    let t = &tour.t;
    match event {
        "two services are open" => {
            opened(t, 42, "55227", 1, "shop.example.com");
            opened(t, 43, "55228", 1, "mail.example.com");
            t.run(["sync"]).ok();
        }
        "service 45 is opened" => opened(t, 45, "55227", 1, "new.example.com"),
        "service 45 is ordered" => ordered(t, 45, "55227", 1, "new.example.com"),
        "the answer to the next order is lost, and the seller carries the order out later" => {
            t.upstream.fault(Fault::on("soft.order.param").late());
        }
        "the license appears, and a filter hides it from the list" => {
            t.upstream.land_late();
            filtered(t, true);
            pass(t, 1200);
        }
        "the filter is removed" => filtered(t, false),
        "the panel repeats the opening of service 45" => drop(t.cmd("open", 45).ok().code),
        "the seller issues no keys, and service 46 is opened" => {
            t.upstream.options(|o| o.key_after_reads = u32::MAX);
            ordered(t, 46, "55228", 1, "late.example.com");
            t.cmd("open", 46).ok();
        }
        "the seller issues the keys" => {
            t.upstream.issue_keys();
            ends_in(t, 5004, 20);
        }
        "the order of service 42 was carried out twice" => {
            let mark = t.upstream.license(5001).remoteid;
            let twin = t.upstream.add_foreign(55227, 1, "192.0.2.42", "shop.example.com");
            t.upstream.edit_license(twin, |license| {
                license.remoteid = mark;
                license.expires = day(20).parse().ok();
            });
        }
        "the account holds 3 EUR, and the license of service 42 runs out tomorrow" => {
            ends_in(t, 5001, 1);
            t.upstream.set_balance(300);
            ordered(t, 45, "55227", 1, "new.example.com");
        }
        "the account is filled up" => t.upstream.set_balance(20_000),
        "the client of service 42 moved to another server five days after he moved before" => {
            t.upstream.edit_license(5001, |license| {
                license.created = day(-45).parse().unwrap();
                license.ip_changed = day(-5).parse().ok();
            });
            t.set_param(42, "ip", "198.51.100.42");
        }
        "twenty minutes pass" => pass(t, 1200),
        "the month is over" => {
            t.upstream.age(5001, 40);
            pass(t, 40 * 86_400);
        }
        "the panel was copied to another machine" => t.another_machine(),
        "the machine died" => {
            std::fs::remove_dir_all(t.state_path().parent().unwrap()).unwrap();
            t.another_machine();
        }
        "WHMCS sold three licenses" => whmcs(tour),
        "a former version of the program has written the state" => {
            back_to_version_5(t);
        }
        "the former version is installed again" => {
            // To this program a newer state is what its own is to the former version.
            let newer = "PRAGMA user_version = 7";
            rusqlite::Connection::open(t.state_path()).unwrap().execute_batch(newer).unwrap();
        }
        "all that was a month ago" => {
            for (table, column) in [("journal", "at"), ("cost", "at"), ("intent", "recorded_at"), ("license", "since")]
            {
                alter_state(t, &format!("UPDATE {table} SET {column} = {column} - 86400 * {}", days_back()));
            }
        }
        "the seller renamed its host" => t.module_param(7, "url", &t.upstream.url().replace("127.0.0.1", "localhost")),
        _ => panic!("nothing is known of \"{event}\""),
    }
}

/// A client has ordered a service and paid for 40 days.
fn ordered(t: &Test, item: u32, product: &str, months: i32, name: &str) {
    let service = t.soft_item(item, product, months).ip(&format!("192.0.2.{item}")).licname(name);
    service.created(&format!("{} 09:30:00", day(-90))).expires(&day(40)).add();
}

/// The same, opened. The license has 20 days left.
fn opened(t: &Test, item: u32, product: &str, months: i32, name: &str) {
    ordered(t, item, product, months, name);
    t.cmd("open", item).ok();
    ends_in(t, licid(t, item), 20);
}

/// True if a filter in the seller's list of licenses hides all of product 55227.
fn filtered(t: &Test, is_on: bool) {
    for id in [5001, 5003] {
        t.upstream.edit_license(id, |license| license.unlisted = is_on);
    }
}

/// Days from this day of last month.
fn days_back() -> i64 {
    let today = chrono::Utc::now().date_naive();
    (today - today.checked_sub_months(chrono::Months::new(1)).unwrap()).num_days()
}

/// The table of WHMCS names three licenses; two of their services were made in this panel.
fn whmcs(tour: &Tour) {
    let t = &tour.t;
    let mut table = "id,licenseid,licensetype,serviceid,serverid,duedate,servicepackage,serviceaddon\n".to_owned();
    for (service, item) in [(10, Some(61)), (11, Some(62)), (12, None)] {
        let name = format!("client{service}.example.com");
        let ip = format!("192.0.2.{}", 50 + service);
        let id = t.upstream.add_foreign(55227, 1, &ip, &name);
        t.upstream.edit_license(id, |license| {
            (license.remoteid, license.autoprolong) = (format!("l{service}"), "1".to_owned());
            license.expires = day(20).parse().ok();
        });
        table += &format!("{service},{id},0,{service},1,2027-02-04,55227,NULL\n");
        if let Some(item) = item {
            let row = t.soft_item(item, "55227", 1).ip(&ip).licname(&name);
            row.created(&format!("{} 09:30:00", day(-90))).active_until(&day(40)).add();
        }
    }
    t.tariff("55227", 1);
    std::fs::write(tour.licenses().join("ispsystem_noc.csv"), table).unwrap();
}
