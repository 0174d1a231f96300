//! The lists of the pages: who sees them, what they show, and that they read only what they show.
use super::{asked, column, document, goes_on, opened, refused, shown, submitted, table, words_of_error};
use crate::service::{alter_state, state};
use crate::support::Test;
use std::time::Duration;

/// Every list, and the forms that show something by themselves.
const SHOWING: [&str; 6] = [
    "pmisplicense.licenses",
    "pmisplicense.filter",
    "pmisplicense.indoubt",
    "pmisplicense.findings",
    "pmisplicense.pool",
    "pmisplicense.month",
];

#[test]
fn only_administrators_see_pages_and_submit_forms() {
    let t = Test::new();
    opened(&t, 42);
    t.upstream.clear_requests();
    for func in pmisplicense::pages::functions() {
        for level in ["", "28", "24", "16", "x"] {
            let params = submitted("42", &[("AUTH_LEVEL", level), ("PARAM_confirm", "on")]);
            assert!(refused(&t, func, &params).starts_with("Only administrators"), "{func} {level:?}");
        }
        let output = asked(&t, func, &submitted("42", &[])).without("AUTH_LEVEL").run();
        assert!(words_of_error(&output).ends_with("Nothing was done."), "{func}");
    }
    assert_eq!((t.upstream.funcs(), state(&t, "SELECT state FROM license")), (Vec::new(), "bound".to_owned()));
    shown(&t, "pmisplicense.licenses", &[("AUTH_LEVEL", "30")]);
}

#[test]
fn licenses_are_shown_page_by_page_sorted_and_filtered() {
    let t = Test::new();
    for item in [42, 43, 44] {
        opened(&t, item);
    }
    alter_state(&t, "UPDATE license SET name = 'shop.example.com', state = 'stopped' WHERE id = 5002");
    let page = |params: &[(&str, &str)]| shown(&t, "pmisplicense.licenses", params);
    let doc = page(&[]);
    assert_eq!(
        (doc.value_of("p_elems"), doc.value_of("p_num"), doc.value_of("p_cnt")),
        (Some("3"), Some("1"), Some("50"))
    );
    assert_eq!(column(&doc, "license"), ["5001", "5002", "5003"]);
    assert_eq!(column(&doc, "id"), ["1-5001", "1-5002", "1-5003"]);
    assert_eq!(column(&doc, "name"), ["A & <B>", "shop.example.com", "A & <B>"]);
    assert_eq!((doc.attribute("func"), doc.child("metadata").is_some()), (Some("pmisplicense.licenses"), true));
    let second = [("PARAM_p_num", "2"), ("PARAM_p_cnt", "2"), ("PARAM_p_sort", "item"), ("PARAM_p_order", "desc")];
    let doc = page(&second);
    assert_eq!((column(&doc, "item"), doc.value_of("p_elems")), (vec!["42"], Some("3")));
    assert_eq!((doc.value_of("p_sort"), doc.value_of("p_order")), (Some("item"), Some("desc")));
    for sort in ["license", "item", "product", "name", "ip", "state", "status", "expires", "problems", "x; DROP"] {
        for order in ["asc", "desc"] {
            let doc = page(&[("PARAM_p_sort", sort), ("PARAM_p_order", order)]);
            assert_eq!(column(&doc, "license").len(), 3, "{sort} {order}");
        }
    }
    assert_eq!(column(&page(&[("PARAM_p_sort", "name"), ("PARAM_p_order", "desc")]), "license")[0], "5002");
    assert_eq!(column(&page(&[("PARAM_p_num", "9")]), "license").len(), 0);
    for (name, value, found) in [
        ("PARAM_state", "stopped", vec!["5002"]),
        ("PARAM_state", "pool", vec![]),
        ("PARAM_product", "55227", vec!["5001", "5002", "5003"]),
        ("PARAM_product", "nopanel", vec![]),
        ("PARAM_text", "SHOP", vec!["5002"]),
        ("PARAM_text", "5003", vec!["5003"]),
        ("PARAM_text", "43", vec!["5002"]),
        ("PARAM_text", "192.0.2.44", vec!["5003"]),
        ("PARAM_text", "' OR 1 --", vec![]),
    ] {
        let doc = page(&[(name, value)]);
        assert_eq!((column(&doc, "license"), doc.child("plname").is_some()), (found, true), "{name}={value}");
    }
    let form = [("PARAM_sok", "ok"), ("PARAM_state", "pool"), ("PARAM_text", "a&b c")];
    let doc = shown(&t, "pmisplicense.filter", &form);
    assert_eq!(goes_on(&doc), ("list", "func=pmisplicense.licenses&state=pool&text=a%26b%20c"));
}

#[test]
fn every_list_is_sorted_by_the_columns_that_the_description_offers() {
    let t = Test::new();
    for item in [9, 42, 110] {
        opened(&t, item);
    }
    alter_state(
        &t,
        "UPDATE license SET state = 'pool', incarnation = NULL, item = NULL, name = 'free.lic' WHERE item != 42",
    );
    alter_state(&t, "UPDATE license SET expires = '2031-01-02', state = 'to_free' WHERE id = 5003");
    t.db.exec("DELETE FROM itemparam WHERE intname IN ('licid', 'lickey')", ());
    t.run(["reconcile"]);
    let sorted = |func: &str, sort: &str, order: &str| {
        let doc = shown(&t, func, &[("PARAM_p_sort", sort), ("PARAM_p_order", order), ("PARAM_p_cnt", "500")]);
        assert_eq!((doc.value_of("p_sort"), doc.value_of("p_order")), (Some(sort), Some(order)));
        column(&doc, sort).into_iter().map(str::to_owned).collect::<Vec<String>>()
    };
    let root =
        pmisplicense::xml::parse(&std::fs::read("xml/billmgr_mod_pmisplicense_pages.xml").unwrap(), 1 << 20).unwrap();
    let mut columns = 0;
    for list in root.children_named("metadata") {
        let (func, Some(cols)) = (list.attribute("name").unwrap(), list.child("coldata")) else { continue };
        let cols = cols.children_named("col").filter(|col| col.attribute("sort").is_some());
        // The list of licenses is sorted by the database, where an empty value comes first.
        let is_ours = func.starts_with("pmisplicense.") && func != "pmisplicense.licenses";
        for name in cols.map(|col| col.attribute("name").unwrap()).filter(|_| is_ours) {
            let up = sorted(func, name, "asc");
            let key = |one: &String| (one.parse::<u64>().is_err(), one.parse::<u64>().unwrap_or(0), one.clone());
            let mut want = up.clone();
            want.sort_by_key(key);
            assert_eq!(up, want, "{func} {name}");
            let mut down = sorted(func, name, "desc");
            down.reverse();
            assert_eq!(down.len(), up.len(), "{func} {name}");
            down.sort_by_key(key);
            assert_eq!(down, want, "{func} {name}");
            columns += 1;
        }
    }
    assert_eq!(columns, 13);
    assert_eq!(sorted("pmisplicense.pool", "license", "desc"), ["5003", "5001"]);
    assert_eq!(sorted("pmisplicense.pool", "days", "desc")[0], sorted("pmisplicense.pool", "days", "asc")[1]);
    let items = sorted("pmisplicense.findings", "item", "asc");
    assert!(items.windows(2).all(|two| two[0].len() <= two[1].len() || two[1].is_empty()), "9 before 110: {items:?}");
}

#[test]
fn pages_read_this_machine_only_and_show_the_end_of_a_key() {
    let t = Test::new();
    opened(&t, 42);
    let key = t.upstream.license(5001).key;
    alter_state(&t, "UPDATE license SET state = 'pool', incarnation = NULL, item = NULL");
    t.upstream.clear_requests();
    for (func, id) in SHOWING.map(|func| (func, "")).into_iter().chain([("pmisplicense.license", "1-5001")]) {
        let output = asked(&t, func, &[("PARAM_elid", id)]).run();
        document(&output);
        assert!(!output.stdout.contains(&key), "{func}: {}", output.stdout);
        assert!(!output.stdout.contains("<error"), "{func}: {}", output.stdout);
    }
    assert_eq!(t.upstream.funcs(), Vec::<String>::new());
    let pool = shown(&t, "pmisplicense.pool", &[]);
    assert_eq!((column(&pool, "license"), column(&pool, "id")), (vec!["5001"], vec!["1-5001"]));
    assert!(!column(&pool, "days")[0].is_empty() && !column(&pool, "from")[0].is_empty(), "{pool:?}");
}

#[test]
fn an_installation_that_bought_nothing_shows_empty_pages_and_makes_no_state() {
    let t = Test::new();
    for func in SHOWING {
        let doc = shown(&t, func, &[]);
        assert_eq!(doc.children_named("elem").count(), 0, "{func}");
    }
    assert!(!t.state_path().exists());
}

#[test]
fn pages_speak_the_language_of_the_panel() {
    let t = Test::new();
    t.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    t.upstream.fault(crate::support::Fault::on("soft.order.param").drop_before());
    t.cmd("open", 42).fails("client");
    let [en, ru] = ["orion:en", "orion:ru"].map(|chosen| {
        let cookie = format!("billmgrses5=x; billmgrlang5={chosen}");
        let doc = shown(&t, "pmisplicense.indoubt", &[("HTTP_COOKIE", &cookie)]);
        let error = refused(&t, "pmisplicense.license", &[("HTTP_COOKIE", &cookie), ("PARAM_elid", "7")]);
        (column(&doc, "what")[0].to_owned(), error)
    });
    assert!(en.0.contains("its answer was lost") && en.1.contains("Nothing was done"), "{en:?}");
    assert!(ru.0.contains("ответ потерян") && ru.1.contains("Ничего не сделано"), "{ru:?}");
}

#[test]
fn whatever_cannot_be_shown_is_an_error_document() {
    let t = Test::new();
    opened(&t, 42);
    assert!(refused(&t, "pmisplicense.other", &[]).contains("There is no page \"pmisplicense.other\""));
    assert!(refused(&t, "", &[]).contains("There is no page"));
    for id in ["7", "1-7", "9-5001", "x", "1-", "-", "4294967296"] {
        let said = refused(&t, "pmisplicense.license", &[("PARAM_elid", id)]);
        assert!(said.contains("There is no service or license"), "{id}: {said}");
    }
    let broken = asked(&t, "pmisplicense.licenses", &[]).stdin("<doc func=\"pmisplicense.licenses\">").run();
    assert!(words_of_error(&broken).contains("cannot be read"));
    let doctype = asked(&t, "pmisplicense.licenses", &[]).stdin("<!DOCTYPE doc><doc/>").run();
    assert!(words_of_error(&doctype).contains("cannot be read"));
    // Without a document the function is a parameter.
    let bare = asked(&t, "", &[("QUERY_STRING", "func=pmisplicense.licenses")]).stdin("").run();
    assert_eq!(column(&document(&bare), "license"), ["5001"]);
    t.settings("pages = false\n");
    assert!(refused(&t, "pmisplicense.licenses", &[]).contains("pages = false"));
    t.settings("no_such_key = 1\n");
    assert!(refused(&t, "pmisplicense.licenses", &[]).contains("no_such_key"));
    t.settings("");
    std::fs::write(t.state_path(), "this is no database").unwrap();
    let said = refused(&t, "pmisplicense.licenses", &[]);
    assert!(said.contains("state"), "{said}");
}

/// The rows of a page are read, not all of them: what a page takes does not grow with the number of licenses.
#[test]
fn pages_answer_within_a_second_at_a_hundred_thousand_licenses() {
    const MANY: u32 = 100_000;
    let t = Test::new();
    opened(&t, 42);
    let sql = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY})
         INSERT INTO license (account, id, family, module, state, item, incarnation, internal_name, pricelist, name,
             status, lickey, expires, since) SELECT account, 100000 + i, family, module,
             CASE i % 2 WHEN 0 THEN 'pool' ELSE 'bound' END, CASE i % 2 WHEN 0 THEN NULL ELSE 100000 + i END,
             CASE i % 2 WHEN 0 THEN NULL ELSE incarnation || i END, internal_name, pricelist, 'host-' || i, status,
             lickey, expires, since FROM license, n WHERE id = 5001"
    );
    alter_state(&t, &sql);
    let last = (MANY / 50 - 1).to_string();
    let pages: [(&str, Vec<(&str, &str)>); 8] = [
        ("pmisplicense.licenses", vec![]),
        ("pmisplicense.licenses", vec![("PARAM_p_num", &last), ("PARAM_p_sort", "name"), ("PARAM_p_order", "desc")]),
        ("pmisplicense.licenses", vec![("PARAM_text", "HOST-99999")]),
        ("pmisplicense.indoubt", vec![]),
        ("pmisplicense.findings", vec![]),
        ("pmisplicense.pool", vec![("PARAM_p_num", "900")]),
        ("pmisplicense.license", vec![("PARAM_elid", "1-199999")]),
        ("pmisplicense.month", vec![]),
    ];
    for (func, params) in pages {
        // The other tests run beside this one: the quickest of three tells what the page itself takes.
        let ask = || {
            let (output, took) = asked(&t, func, &params).spawn().timed();
            assert!(document(&output).child("error").is_none(), "{func} {params:?}: {}", output.stdout);
            took
        };
        let took = [ask(), ask(), ask()].into_iter().min().unwrap();
        assert!(took > Duration::ZERO && took < Duration::from_secs(1), "{func} {params:?}: {took:?}");
    }
    let doc = shown(&t, "pmisplicense.pool", &[("PARAM_p_num", "900")]);
    assert_eq!((doc.value_of("p_elems"), column(&doc, "license").len()), (Some("50000"), 50));
    // Whoever closes the pipe early is no reason to fail: the document is longer than a pipe holds.
    let long = asked(&t, "pmisplicense.licenses", &[("PARAM_p_cnt", "1000")]);
    let piped =
        long.through(&["bash", "-c", "set -o pipefail; (exec -a pmisplicense-pages \"$0\" \"$@\") | head -c 1"]);
    let output = piped.run();
    assert_eq!((output.code, output.stdout.as_str(), output.stderr.as_str()), (Some(0), "<", ""));
    let month = shown(&t, "pmisplicense.month", &[]);
    assert_eq!(table(&month, "products")[0].value_of("bound"), Some("50001"));
}
