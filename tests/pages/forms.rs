//! The forms of the pages: each says what will happen, runs the code of its command, and refuses where that refuses.
use super::{asked, column, document, goes_on, opened, refused, shown, submitted, table, words_of_error};
use crate::service::{alter_state, forget, pass, sent, state};
use crate::support::{Fault, Test};
use pmisplicense::xml::Element;

#[test]
fn a_license_is_shown_as_panel_state_and_seller_have_it_with_its_history() {
    let t = Test::new();
    opened(&t, 42);
    for id in ["42", "1-5001"] {
        let doc = shown(&t, "pmisplicense.license", &[("PARAM_elid", id)]);
        assert_eq!(doc.value_of("called"), Some("license 5001, bound, service 42"));
        assert_eq!(doc.value_of("elid"), Some(id));
        let sides = table(&doc, "sides");
        let row = |field: &str| *sides.iter().find(|row| row.value_of("field") == Some(field)).unwrap();
        let number = row("number");
        assert_eq!(["panel", "state", "seller"].map(|side| number.value_of(side).unwrap()), ["5001"; 3]);
        assert_eq!(row("name").value_of("panel"), Some("A & <B>"));
        assert!(row("key").value_of("panel").unwrap().starts_with('…'), "{sides:?}");
        let history = table(&doc, "history");
        let words: Vec<_> = history.iter().filter_map(|row| row.value_of("what")).collect();
        assert!(history.len() > 2 && words.iter().any(|words| words.contains("bound")), "{words:?}");
        assert_eq!(table(&doc, "problems").len(), 0);
    }
    // A service of ours that has no license yet, and one of another module.
    t.soft_item(43, "55227", 1).ip("192.0.2.43").add();
    let doc = shown(&t, "pmisplicense.license", &[("PARAM_elid", "43")]);
    assert_eq!(doc.value_of("called"), Some("service 43, which has no license"));
    t.vds_item(50, "nopanel", 1).addresses(&["192.0.2.50"]).add();
    assert!(refused(&t, "pmisplicense.license", &[("PARAM_elid", "50")]).contains("There is no service or license"));
    for (action, to) in [
        ("none", ("list", "func=pmisplicense.licenses")),
        ("newkey", ("form", "func=pmisplicense.newkey&elid=1-5001")),
        ("unbind", ("form", "func=pmisplicense.unbind&elid=1-5001")),
        ("x&y", ("list", "func=pmisplicense.licenses")),
    ] {
        let doc = shown(&t, "pmisplicense.license", &submitted("1-5001", &[("PARAM_action", action)]));
        assert_eq!(goes_on(&doc), to, "{action}");
    }
}

#[test]
fn of_several_selected_rows_none_is_taken() {
    let t = Test::new();
    opened(&t, 42);
    opened(&t, 43);
    for func in ["license", "sync", "newkey", "unbind", "resolve", "decide"].map(|name| format!("pmisplicense.{name}"))
    {
        for sok in [None, Some(("PARAM_sok", "ok"))] {
            let query = format!("func={func}&elid=42%2C43");
            let several: Vec<_> =
                [("PARAM_elid", "42"), ("QUERY_STRING", query.as_str())].into_iter().chain(sok).collect();
            assert!(refused(&t, &func, &several).starts_with("2 rows are selected. Nothing was done."), "{func}");
            let none: Vec<_> = sok.into_iter().collect();
            assert!(refused(&t, &func, &none).starts_with("No row is selected. Nothing was done."), "{func}");
        }
    }
    assert_eq!(state(&t, "SELECT count(*) FROM license WHERE state = 'bound'"), "2");
}

#[test]
fn unbind_says_what_will_happen_and_does_what_the_command_does() {
    let t = Test::new();
    opened(&t, 42);
    let form = shown(&t, "pmisplicense.unbind", &[("PARAM_elid", "1-5001")]);
    assert!(form.value_of("plan").unwrap().starts_with("service 42 loses its license"), "{form:?}");
    // From now on the form means the service that it named.
    assert_eq!(form.value_of("elid"), Some("42"));
    assert_eq!(state(&t, "SELECT state FROM license"), "bound");
    let doc = shown(&t, "pmisplicense.unbind", &submitted("42", &[]));
    assert_eq!(goes_on(&doc), ("form", "func=pmisplicense.license&elid=42"));
    let who = "pmisplicense.unbind 42: submitted in the panel by \"carol\" from \"198.51.100.7\"";
    assert!(t.log().contains(who), "{}", t.log());
    assert_ne!(state(&t, "SELECT state FROM license"), "bound");
    assert_eq!(t.item(42).param("licid"), "");
    assert!(refused(&t, "pmisplicense.unbind", &[("PARAM_elid", "1-5001")]).contains("serves no service"));
    let doc = shown(&t, "pmisplicense.license", &[("PARAM_elid", "42")]);
    assert_eq!(doc.value_of("called"), Some("service 42, which has no license"));
    t.assert_clean();
}

#[test]
fn a_new_key_and_a_sync_run_the_commands_of_the_panel() {
    let t = Test::new();
    opened(&t, 42);
    t.upstream.edit_license(5001, |license| license.key_changed = crate::service::day(-40).parse().ok());
    let key = t.upstream.license(5001).key;
    let form = shown(&t, "pmisplicense.newkey", &[("PARAM_elid", "42")]);
    assert!(form.value_of("plan").unwrap().contains("The old key stops working"), "{form:?}");
    forget(&t);
    shown(&t, "pmisplicense.newkey", &submitted("42", &[]));
    let new = t.upstream.license(5001).key;
    assert_ne!(new, key, "{:?}", sent(&t));
    assert_eq!(t.item(42).param("lickey"), new);
    t.upstream.edit_license(5001, |license| license.licname = "other".into());
    forget(&t);
    shown(&t, "pmisplicense.sync", &[("PARAM_elid", "1-5001")]);
    assert_eq!(sent(&t), Vec::<String>::new());
    shown(&t, "pmisplicense.sync", &submitted("42", &[]));
    assert_eq!(t.upstream.license(5001).licname, "A & <B>", "{:?}", sent(&t));
    t.assert_clean();
}

/// Whatever keeps a command from changing anything keeps the form from it too; pages go on showing.
#[test]
fn forms_refuse_where_the_panel_does_nothing_or_the_state_is_another_machines() {
    let t = Test::new();
    opened(&t, 42);
    let changing = ["sync", "newkey", "unbind", "applyall"].map(|name| format!("pmisplicense.{name}"));
    let untouched = |why: &str| {
        t.upstream.clear_requests();
        for func in &changing {
            let said = refused(&t, func, &submitted("42", &[]));
            assert!(said.contains(why), "{func}: {said}");
            shown(&t, func, &[("PARAM_elid", "42")]);
        }
        for func in ["licenses", "pool", "indoubt", "findings", "month", "license"] {
            shown(&t, &format!("pmisplicense.{func}"), &[("PARAM_elid", "42")]);
        }
        assert!(!t.upstream.funcs().iter().any(|func| func.contains("set") || func.contains("newkey")));
        assert_eq!(state(&t, "SELECT state FROM license"), "bound");
    };
    t.do_nothing(true);
    untouched("The panel is switched to doing nothing. Nothing was done.");
    t.do_nothing(false);
    t.another_machine();
    untouched("another machine");
}

/// Another run holds the service: its page is shown, its form waits as every command does, then says so.
#[test]
fn a_page_is_shown_and_a_form_is_busy_while_another_run_holds_the_service() {
    let t = Test::new();
    opened(&t, 42);
    let held = t.upstream.hold_before("soft.edit?read");
    let run = t.spawn(["--command", "sync_item", "--item", "42"]);
    held.reached();
    let form = asked(&t, "pmisplicense.unbind", &submitted("42", &[])).spawn();
    shown(&t, "pmisplicense.license", &[("PARAM_elid", "42")]);
    shown(&t, "pmisplicense.licenses", &[]);
    let output = form.wait();
    assert!(output.stdout.contains("object=\"busy\""), "{}", output.stdout);
    words_of_error(&output);
    held.release();
    run.wait().ok();
    assert_eq!(state(&t, "SELECT state FROM license"), "bound");
}

/// A service whose order was lost and which an operator must decide.
fn handed_over(t: &Test) -> String {
    t.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    t.upstream.fault(Fault::on("soft.order.param").drop_before());
    t.cmd("open", 42).fails("client");
    let doc = shown(t, "pmisplicense.indoubt", &[]);
    assert_eq!((column(&doc, "kind"), column(&doc, "item")), (vec!["doubt"], vec!["42"]));
    assert!(column(&doc, "told_from")[0].ends_with(" UTC"), "{doc:?}");
    alter_state(t, "UPDATE intent SET status = 'handed_over'");
    pass(t, 86_400);
    let doc = shown(t, "pmisplicense.indoubt", &[]);
    assert_eq!((column(&doc, "kind"), column(&doc, "told_from")), (vec!["handed_over"], vec![""]));
    column(&doc, "id")[0].to_owned()
}

fn answer<'p>(id: &'p str, verdict: &'p str, license: &'p str) -> Vec<(&'p str, &'p str)> {
    submitted(id, &[("PARAM_verdict", verdict), ("PARAM_license", license)])
}

/// The row of the form that shows what an answer changes.
fn decided(doc: &Element) -> String {
    let (kind, query) = goes_on(doc);
    let row = query.strip_prefix("func=pmisplicense.decide&elid=").unwrap_or_else(|| panic!("{query}"));
    assert_eq!(kind, "form");
    row.to_owned()
}

#[test]
fn a_form_ends_a_request_in_doubt_as_resolve_does() {
    let t = Test::new();
    let id = handed_over(&t);
    let form = shown(&t, "pmisplicense.resolve", &[("PARAM_elid", &id)]);
    assert!(form.value_of("what").unwrap().contains("an operator must say"), "{form:?}");
    assert!(form.value_of("next").unwrap().contains("pmisplicense resolve 42"), "{form:?}");
    let says = |params: &[(&str, &str)]| refused(&t, "pmisplicense.resolve", params);
    assert!(says(&answer(&id, "bought", "x")).contains("\"x\" is not the number of a license"));
    assert!(says(&answer(&id, "none", "")).contains("No answer was chosen"));
    assert!(says(&answer(&id, "bought", "999")).contains("999"), "the seller has no such license");
    let row = decided(&shown(&t, "pmisplicense.resolve", &answer(&id, "not_bought", "")));
    let page = shown(&t, "pmisplicense.decide", &[("PARAM_elid", &row)]);
    assert!(page.value_of("plan").unwrap().contains("ended as not bought"), "{page:?}");
    let costs: Vec<_> = table(&page, "changes").iter().filter_map(|row| row.value_of("cost")).collect();
    assert!(costs.contains(&"list price 5.00 EUR"), "{page:?}");
    assert!(page.value_of("sum").unwrap().starts_with("In all 5.00 EUR. The balance is"), "{page:?}");
    assert!(refused(&t, "pmisplicense.decide", &submitted(&row, &[])).contains("tick the box"));
    for odd in [id.as_str(), "1.bought", "1.bought.x", "1.bought.5001.2"] {
        assert!(refused(&t, "pmisplicense.decide", &[("PARAM_elid", odd)]).contains("is not a request with"), "{odd}");
    }
    assert_eq!(state(&t, "SELECT status FROM intent"), "handed_over");
    let doc = shown(&t, "pmisplicense.decide", &submitted(&row, &[("PARAM_confirm", "on")]));
    assert_eq!(goes_on(&doc), ("list", "func=pmisplicense.indoubt"));
    assert_eq!(state(&t, "SELECT status FROM intent"), "not_happened");
    assert!(says(&answer(&id, "not_bought", "")).contains("no longer waits for an answer"));
    assert!(refused(&t, "pmisplicense.decide", &[("PARAM_elid", &row)]).contains("no longer waits for an answer"));
    t.cmd("open", 42).ok();
    assert_eq!(t.upstream.billed("soft.order.param"), 1);
}

#[test]
fn a_license_that_was_bought_is_bound_by_the_form() {
    let t = Test::new();
    let id = handed_over(&t);
    let number = t.upstream.add_foreign(55227, 1, "192.0.2.42", "bought by hand").to_string();
    let row = decided(&shown(&t, "pmisplicense.resolve", &answer(&id, "bought", &number)));
    let page = shown(&t, "pmisplicense.decide", &[("PARAM_elid", &row)]);
    let compared = table(&page, "compared");
    let name = compared.iter().find(|row| row.value_of("what") == Some("name")).unwrap();
    assert_eq!(
        (name.value_of("now"), name.value_of("then")),
        (Some("bought by hand"), Some("Item #42 Service 42")),
        "{page:?}"
    );
    assert_eq!(t.upstream.license(number.parse().unwrap()).remoteid, "", "only shown so far");
    shown(&t, "pmisplicense.decide", &submitted(&row, &[("PARAM_confirm", "on")]));
    assert_eq!(state(&t, "SELECT id FROM license WHERE state = 'bound' AND item = 42"), number);
    t.cmd("open", 42).ok();
    assert_eq!((t.item(42).param("licid"), t.upstream.billed("soft.order.param")), (number.as_str(), 0));
}

/// Two services of which the seller renews both licenses by itself, as the last reconcile found.
fn two_differences() -> Test {
    let t = Test::new();
    opened(&t, 42);
    opened(&t, 43);
    t.upstream.with(|world| world.licenses.values_mut().for_each(|license| license.autoprolong = "1".to_owned()));
    t.run(["reconcile"]);
    t
}

fn renewing(t: &Test) -> Vec<bool> {
    t.upstream.with(|world| world.licenses.values().map(|license| license.autoprolong == "1").collect())
}

#[test]
fn one_difference_is_put_right_or_all_of_them() {
    let t = two_differences();
    let doc = shown(&t, "pmisplicense.findings", &[]);
    assert_eq!(column(&doc, "kind"), ["autoprolong"; 2]);
    assert!(doc.value_of("plname").unwrap().ends_with(" UTC"), "{doc:?}");
    let second = column(&doc, "id")[1].to_owned();
    let rows = |doc: &Element| table(doc, "differences").len();
    assert_eq!(rows(&shown(&t, "pmisplicense.apply", &[("PARAM_elid", &second)])), 1);
    assert_eq!(rows(&shown(&t, "pmisplicense.applyall", &[])), 2);
    for none in ["", "autoprolong.7.1.1", "0"] {
        let said = refused(&t, "pmisplicense.apply", &submitted(none, &[]));
        assert!(said.contains("None of the listed differences is selected"), "{said}");
    }
    assert_eq!(renewing(&t), [true, true]);
    let doc = shown(&t, "pmisplicense.apply", &submitted(&second, &[]));
    assert_eq!((goes_on(&doc), renewing(&t)), (("list", "func=pmisplicense.findings"), vec![true, false]));
    assert_eq!(column(&shown(&t, "pmisplicense.findings", &[]), "license"), ["5001"]);
    shown(&t, "pmisplicense.applyall", &submitted("", &[]));
    assert_eq!(renewing(&t), [false, false]);
    assert_eq!(shown(&t, "pmisplicense.findings", &[]).children_named("elem").count(), 0);
}

#[test]
fn a_difference_that_could_not_be_put_right_fails_the_form() {
    let t = two_differences();
    let first = column(&shown(&t, "pmisplicense.findings", &[]), "id")[0].to_owned();
    t.upstream.fault(Fault::on("soft.edit?set").refused("access"));
    let said = refused(&t, "pmisplicense.apply", &submitted(&first, &[]));
    assert!(said.starts_with("Differences that could not be put right: 1."), "{said}");
    assert_eq!(renewing(&t), [true, true]);
}

#[test]
fn a_difference_that_needs_a_decision_is_not_put_right_by_a_form() {
    let t = Test::new();
    handed_over(&t);
    t.run(["reconcile"]);
    let doc = shown(&t, "pmisplicense.findings", &[]);
    assert_eq!(column(&doc, "kind"), ["handed_over"]);
    let id = column(&doc, "id")[0].to_owned();
    let said = refused(&t, "pmisplicense.apply", &[("PARAM_elid", &id)]);
    assert!(said.contains("needs a decision") && said.contains("pmisplicense resolve 42"), "{said}");
    assert_eq!(table(&shown(&t, "pmisplicense.applyall", &[]), "differences").len(), 0);
}

/// Going on from the end of an old state, or buying for one service of it, before everything that it missed is taken in
/// would buy again what was bought.
#[test]
fn of_an_old_state_no_difference_is_put_right_alone() {
    let t = Test::new();
    opened(&t, 42);
    let copy = t.home().join("copy.db");
    t.run(["backup", copy.to_str().unwrap()]).ok();
    opened(&t, 43);
    t.run(["restore", copy.to_str().unwrap(), "--yes"]).ok();
    t.run(["reconcile"]);
    let doc = shown(&t, "pmisplicense.findings", &[]);
    assert!(column(&doc, "kind").contains(&"old_state"), "{doc:?}");
    for id in column(&doc, "id") {
        let said = refused(&t, "pmisplicense.apply", &submitted(id, &[]));
        assert!(said.contains("corrected all together, not one by one"), "{id}: {said}");
    }
    assert_eq!(state(&t, "SELECT count(*) FROM license"), "1");
    shown(&t, "pmisplicense.applyall", &submitted("", &[]));
    assert_eq!(state(&t, "SELECT count(*) FROM license WHERE state = 'bound'"), "2");
    assert_eq!(t.upstream.billed("soft.order.param"), 2);
}

#[test]
fn the_task_about_a_request_in_doubt_names_the_page() {
    for (settings, named) in
        [("[upstream]\nresend = false\n", true), ("pages = false\n[upstream]\nresend = false\n", false)]
    {
        let t = Test::new();
        t.settings(settings);
        t.soft_item(42, "55227", 1).ip("192.0.2.42").add();
        t.upstream.fault(Fault::on("soft.order.param").drop_before());
        t.cmd("open", 42).fails("client");
        pass(&t, 86_400);
        let operation = t.operation(42, "open");
        t.cmd_op("open", 42, operation).fails("order_unknown");
        let saved = t.errorxml(operation).expect("the error is saved");
        assert!(saved.contains("pmisplicense resolve 42"), "{saved}");
        assert_eq!(saved.contains("License reselling, Waiting for an operator"), named, "{saved}");
    }
}

#[test]
fn a_month_is_chosen_and_shown() {
    let t = Test::new();
    opened(&t, 42);
    let doc = shown(&t, "pmisplicense.month", &[]);
    let products = table(&doc, "products");
    assert_eq!(products.iter().map(|row| row.value_of("bought").unwrap()).collect::<Vec<_>>(), ["1"]);
    assert_eq!(table(&doc, "turnover").len(), 6);
    let chosen = shown(&t, "pmisplicense.month", &[("PARAM_sok", "ok"), ("PARAM_month", "2020-01")]);
    assert_eq!(goes_on(&chosen), ("form", "func=pmisplicense.month&month=2020-01"));
    let doc = shown(&t, "pmisplicense.month", &[("PARAM_month", "2020-01")]);
    assert_eq!((doc.value_of("month"), table(&doc, "products")[0].value_of("bought")), (Some("2020-01"), Some("0")));
    assert!(refused(&t, "pmisplicense.month", &[("PARAM_month", "January")]).contains("not a month"));
    document(&asked(&t, "pmisplicense.month", &[]).run());
}
