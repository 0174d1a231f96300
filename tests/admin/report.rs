//! `report`: what a month bought, renewed and reused, in four forms; what is sold below cost; what the pool saved.
use super::{day_in, fine, in_state, json, opened, operator, refused};
use crate::support::Test;
use serde_json::json;

/// The price that a client pays for a service: an amount and a currency of the panel.
fn priced(t: &Test, item: u32, cost: &str, iso: &str) {
    t.set_item(item, "cost", cost);
    let id = t.db.value("SELECT id FROM currency WHERE iso = ?", (iso,)).unwrap();
    t.set_item(item, "currency", &id);
}

fn service(t: &Test, item: u32, product: &str, months: i32) {
    t.soft_item(item, product, months).ip(&format!("192.0.2.{item}")).expires(&day_in(31)).add();
    t.cmd("open", item).ok();
}

/// The purchases of a month, sheets for other programs, and months that are typed wrong.
#[test]
fn report_tells_what_a_month_bought_and_refuses_bad_months() {
    let t = opened();
    let report = json(&t, "report");
    assert_eq!(report["products"][0]["bought"], 1, "{report:#}");
    assert_eq!(report["products"][0]["cost"], "5.00 EUR");
    assert_eq!((&report["months_below_programme"], &report["estimates"]), (&6.into(), &false.into()));
    assert!(fine(&t, "report --csv").contains("55227,\"ISPmanager 6 Lite\",1,0,1,0,0,5.00 EUR,0,,,\n"));
    assert_eq!(json(&t, "report --month 2020-01")["products"][0]["bought"], 0);
    for month in ["soon", "2027-13", "2027-1", "27-01", "2027-01-01", ""] {
        let output = t.program(["report", "--month", month]).env("LC_ALL", "C").run();
        assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{month}");
        assert!(output.stderr.contains("is not a month"), "{}", output.stderr);
    }
    assert_eq!(operator(&t, "report --csv --html").code, Some(2));
}

/// Price and cost of the same time are compared; other currencies, unknown prices and servers are named, not guessed.
#[test]
fn report_names_the_services_that_are_sold_below_cost() {
    let t = opened();
    for (item, product, months) in [(43, "55228", 1), (44, "55227", 12), (45, "55227", 1), (46, "55227", 1)] {
        service(&t, item, product, months);
    }
    for (item, cost, iso) in [(42, "4.1", "EUR"), (43, "12.00", "EUR"), (44, "48", "EUR"), (45, "450.0000", "RUB")] {
        priced(&t, item, cost, iso);
    }
    let report = json(&t, "report");
    let found = &report["below_cost"];
    let lost: Vec<_> =
        found["services"].as_array().unwrap().iter().map(|one| (&one["item"], &one["loss_a_month"])).collect();
    assert_eq!(lost, [(&json!(42), &json!("0.90 EUR")), (&json!(44), &json!("0.59 EUR"))], "{report:#}");
    assert_eq!(found["services"][1]["cost"], "55.00 EUR", "a year against a year");
    assert_eq!((&found["compared"], &found["other_currency"], &found["unknown"]), (&json!(3), &json!(1), &json!(1)));
    assert_eq!(found["a_month"], "1.49 EUR");
    let text = fine(&t, "report").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("sold below cost: 2 of 3 compared, 1.49 EUR a month"), "{text}");
    assert!(text.contains("price and cost in different currencies (RUB / EUR): 1"), "{text}");
    // At 60 columns the product is left out, before an amount is cut.
    assert!(text.contains("42 5001 4.10 EUR 5.00 EUR -0.90 EUR"), "{text}");
    assert!(fine(&t, "report --csv").contains(",2,1.49 EUR,,\n"));
    // If the panel does not have these columns, the report says so and shows everything else.
    t.db.exec("ALTER TABLE item DROP COLUMN cost", ());
    let report = json(&t, "report");
    assert_eq!(report["products"][0]["bought"], 4);
    assert!(report["below_cost"]["prices_away"].as_str().unwrap().contains("database"), "{report:#}");
}

/// A license that was given out again saved an order of the service's own period; one given back saved nothing.
#[test]
fn report_tells_what_the_pool_saved() {
    let t = opened();
    service(&t, 43, "55227", 12);
    t.cmd("close", 43).ok();
    t.set_item(43, "status", "4");
    let id: u64 = 5002;
    t.upstream.age(id, 40);
    in_state(&t, "UPDATE license SET not_before = NULL WHERE state = 'pool'");
    fine(&t, "sync");
    assert_eq!(json(&t, "report")["saved"], json!(null));
    service(&t, 44, "55227", 12);
    assert_eq!(t.item(44).param("licid"), "5002", "{}", t.story());
    let report = json(&t, "report");
    assert_eq!((&report["reused"], &report["saved"]), (&json!(1), &json!("55.00 EUR")), "{report:#}");
    in_state(
        &t,
        "INSERT INTO journal (at, account, license, event, en, ru) SELECT at, account, license, 'given_back', '', ''
         FROM journal WHERE event = 'claimed'",
    );
    let report = json(&t, "report");
    assert_eq!((&report["reused"], &report["saved"]), (&json!(0), &json!(null)), "{report:#}");
}

/// Six months of turnover in the state, oldest last: enough in the newest two, then too little.
fn history(t: &Test) {
    let months = [150, 120, 90, 60, 40, 110];
    for (back, euros) in months.into_iter().enumerate() {
        for number in 0..euros / 5 {
            let days = 31 * back;
            in_state(
                t,
                &format!(
                    "INSERT INTO intent (key, kind, item, account, target, request, highest_license, recorded_at,
                         status, license)
                     SELECT 'past:{back}:{number}', 'renewal', item, account, license,
                     '{{\"Prolong\":{{\"license\":5001,\"period\":1,\"before\":\"2026-01-01\"}}}}', 0,
                     unixepoch('now', 'start of month', '+12 hours', '-{back} months'), 'done', license
                     FROM intent WHERE id = 1 AND {days} >= 0"
                ),
            );
        }
    }
    in_state(
        t,
        "INSERT INTO cost (intent, at, account, license, pricelist, minor, currency, source)
         SELECT id, recorded_at, account, 5001, 55227, 500, 'EUR', 'seller' FROM intent WHERE key LIKE 'past:%'",
    );
}

/// A page that needs nothing else: no script, nothing fetched, well-formed, in both languages, to a file or stdout;
/// names of the catalogue cannot break out of it.
#[test]
fn the_page_of_a_report_needs_nothing_else_and_escapes_names() {
    let t = opened();
    history(&t);
    assert_eq!(json(&t, "report")["months_below_programme"], 0);
    t.settings(
        "[[product]]\ninternal_name = \"55228\"\nname = \"<script>alert(1)</script> & Co\"\npricelist = 55228\n",
    );
    service(&t, 43, "55228", 1);
    for (item, cost) in [(42, "4.1"), (43, "1")] {
        priced(&t, item, cost, "EUR");
    }
    let file = t.root().join("report.html");
    let said = fine(&t, &format!("report --html {}", file.display()));
    assert!(said.contains("was written to"), "{said}");
    let page = std::fs::read_to_string(&file).unwrap();
    assert_eq!(fine(&t, "report --html"), page);
    let outside = ["<script", "http:", "https:", "url(", "@import", "src=", "href="];
    assert_eq!(outside.iter().filter(|word| page.contains(**word)).collect::<Vec<_>>(), Vec::<&&str>::new());
    let body = page.split_once("<body>").unwrap().1.split_once("</body>").unwrap().0;
    assert!(crate::support::run::well_formed(&format!("<doc>{body}</doc>")), "{body}");
    assert!(page.matches("<svg").count() >= 3 && page.contains("prefers-color-scheme: dark"));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; Co") && page.contains("Sold below cost"));
    let russian = t.program(["report", "--html", "--lang", "ru"]).run().stdout;
    assert!(russian.contains("<html lang=\"ru\">") && russian.contains("Продаётся ниже себестоимости"));
    let nowhere = format!("report --html {}", t.root().join("no/such/folder.html").display());
    assert!(refused(&t, &nowhere).contains("cannot be written"));
}
