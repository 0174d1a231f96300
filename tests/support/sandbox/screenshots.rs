//! `sandbox screenshots`: the pictures of the pages for the administrator's guide. They show the viewer, not a real
//! panel, and it says so itself.
use crate::support::browser::Browser;
use crate::support::viewer::Viewer;
use crate::support::{Fault, Test};
use std::path::Path;

/// Services with names as clients give them.
const SERVICES: [(u32, &str, &str); 5] = [
    (42, "55227", "shop.example.com"),
    (43, "55228", "mail.example.com"),
    (44, "55227", "blog.example.org"),
    (45, "55228", "www.example.net"),
    (46, "55227", "test.example.com"),
];

pub fn screenshots(folder: Option<&Path>) -> i32 {
    let Some(folder) = folder else {
        println!("screenshots wants a DIR for the pictures");
        return 2;
    };
    let mut browser = match Browser::start() {
        Ok(browser) => browser,
        Err(why) => {
            println!("{why}");
            return 1;
        }
    };
    let t = Test::setup().own_database().start();
    for (item, product, name) in SERVICES {
        let ip = format!("192.0.2.{item}");
        t.soft_item(item, product, 1).ip(&ip).licname(name).active_until("2030-01-31").add();
        t.cmd("open", item).ok();
    }
    t.run(["unbind", "46", "--yes"]).ok();
    t.soft_item(47, "55227", 1).ip("192.0.2.47").licname("new.example.com").add();
    t.upstream.fault(Fault::on("soft.order.param").drop_before());
    t.cmd("open", 47).fails("client");
    let conn = rusqlite::Connection::open(t.state_path()).expect("the state");
    let handed_over = "UPDATE intent SET status = 'handed_over', recorded_at = recorded_at - 7200 WHERE item = 47";
    conn.execute(handed_over, []).expect("the state is written");
    let viewer = Viewer::start(&t, "en");
    browser.open(&viewer.page("pmisplicense.licenses"));
    browser.picture(&folder.join("pages-licenses.png"));
    browser.open(&viewer.page("pmisplicense.indoubt"));
    browser.value("document.querySelector('[name=elid]').checked = true");
    browser.click("button[value='pmisplicense.resolve']");
    browser.picture(&folder.join("pages-resolve.png"));
    println!("Two pictures are in {}.", folder.display());
    0
}
