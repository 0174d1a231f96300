//! The pages in a real browser, by way of the viewer.
use crate::service::{alter_state, pass, state};
use crate::support::browser::Browser;
use crate::support::viewer::Viewer;
use crate::support::{Fault, Test};

#[allow(clippy::print_stderr)]
fn browser() -> Option<Browser> {
    Browser::start().map_err(|why| eprintln!("the pages are not tried in a browser here: {why}")).ok()
}

#[test]
fn an_administrator_walks_through_the_pages_and_decides_in_a_browser() {
    let Some(mut browser) = browser() else { return };
    let t = Test::new();
    for item in [42, 43, 44] {
        super::opened(&t, item);
    }
    t.soft_item(45, "55227", 1).ip("192.0.2.45").add();
    t.upstream.fault(Fault::on("soft.order.param").drop_before());
    t.cmd("open", 45).fails("client");
    alter_state(&t, "UPDATE intent SET status = 'handed_over' WHERE item = 45");
    pass(&t, 86_400);
    let viewer = Viewer::start(&t, "en");

    // The list: a title from the description, rows, sorting, pages.
    browser.open(&viewer.page("pmisplicense.licenses&p_cnt=2"));
    let text = browser.text();
    assert!(text.contains("Resold licenses") && text.contains("A & <B>") && text.contains("bound"), "{text}");
    let numbers = "[...document.querySelectorAll('main td:nth-child(2)')].map(cell => cell.innerText).join()";
    assert_eq!(browser.value(numbers), "5001,5002");
    browser.click("#page-2");
    assert_eq!(browser.value(numbers), "5003");
    browser.click("th:nth-child(3) a");
    browser.click("th:nth-child(3) a");
    assert_eq!(browser.value(numbers), "5003,5002", "by service, from the last");
    // A filter is a form that leads back to the list.
    browser.click("button[value='pmisplicense.filter']");
    browser.value("document.querySelector('[name=text]').value = '192.0.2.43'");
    browser.click("#ok");
    assert_eq!(browser.value(numbers), "5002");

    // One license, and what can be done with it: several selected rows are refused, one is shown.
    browser.open(&viewer.page("pmisplicense.licenses"));
    browser.value("document.querySelectorAll('[name=elid]').forEach(box => box.checked = true)");
    browser.click("button[value='pmisplicense.unbind']");
    assert!(browser.text().contains("3 rows are selected. Nothing was done."));
    browser.open(&viewer.page("pmisplicense.licenses"));
    browser.value("document.querySelector('[name=elid]').checked = true");
    browser.click("button[value='pmisplicense.license']");
    let text = browser.text();
    assert!(text.contains("license 5001, bound, service 42") && text.contains("Seller, as seen last"), "{text}");
    browser.value("document.querySelector('[name=action]').value = 'unbind'");
    browser.click("#ok");
    assert!(browser.text().contains("service 42 loses its license"));
    assert_eq!(state(&t, "SELECT state FROM license WHERE id = 5001"), "bound");
    browser.click("#ok");
    assert!(browser.text().contains("service 42, which has no license"));
    assert_ne!(state(&t, "SELECT state FROM license WHERE id = 5001"), "bound");

    // A request in doubt ends with an answer.
    browser.open(&viewer.page("pmisplicense.indoubt"));
    assert!(browser.text().contains("to be decided"));
    browser.value("document.querySelector('[name=elid]').checked = true");
    browser.click("button[value='pmisplicense.resolve']");
    browser.click("#ok");
    assert!(browser.text().contains("No answer was chosen. Nothing was done."));
    browser.open(&viewer.page("pmisplicense.indoubt"));
    browser.value("document.querySelector('[name=elid]').checked = true");
    browser.click("button[value='pmisplicense.resolve']");
    browser.value("document.querySelector('[name=verdict]').value = 'not_bought'");
    browser.click("#ok");
    let text = browser.text();
    assert!(text.contains("ended as not bought") && text.contains("In all 5.00 EUR. The balance is"), "{text}");
    assert_eq!(state(&t, "SELECT status FROM intent WHERE item = 45"), "handed_over", "only shown so far");
    browser.value("document.querySelector('[name=confirm]').checked = true");
    browser.click("#ok");
    assert_eq!(browser.value("document.querySelectorAll('.error, main td').length"), 0, "nothing waits");
    assert_eq!(state(&t, "SELECT status FROM intent WHERE item = 45"), "not_happened");

    // The other language, from the same description.
    let russian = Viewer::start(&t, "ru");
    browser.open(&russian.page("pmisplicense.pool"));
    let text = browser.text();
    assert!(text.contains("Перепродажа лицензий") && text.contains("Можно выдать с"), "{text}");
}
