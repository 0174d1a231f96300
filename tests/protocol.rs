//! The protocol through the binary: answers to questions with their exact bytes, arguments, DoNothing, failure reports.
use crate::support::run::{between, well_formed};
use crate::support::upstream::faults::{Answer, Effect};
use crate::support::{Fault, MgrctlFault, MgrctlFaultKind, Test};

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";

/// Functions of mgrctl called so far.
fn funcs(test: &Test) -> Vec<String> {
    test.mgrctl_calls().iter().map(|call| call.func.clone()).collect()
}

/// `features` from a bare folder: nothing is read, called or written.
#[test]
fn features_reads_calls_and_writes_nothing() {
    let bare = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(crate::support::program_exe())
        .args(["--command", "features"])
        .current_dir(bare.path())
        .env("PMISPLICENSE_MGR_ROOT", bare.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && well_formed(&text), "{text}");
    assert!(text.starts_with(&format!("{HEAD}<doc><itemtypes><itemtype name=\"soft\"/>")), "{text}");
    assert!(text.contains("<param name=\"password\" crypted=\"yes\"/><customparam name=\"period_align\"/></params>"));
    assert_eq!(std::fs::read_dir(bare.path()).unwrap().count(), 0);
}

/// Commands that mean nothing for licenses answer validly, each with its exact bytes.
#[test]
fn a_command_that_means_nothing_here_has_a_valid_answer() {
    let test = Test::new();
    for name in ["get_suitable_module", "usercreate", "stat", "get_server_config", "sync_pricelist", "sync_iplist"] {
        test.run(["--command", name, "--module", "7"]).ok().stdout(&format!("{HEAD}<doc/>\n"));
    }
    for name in ["transition_control_panel", "prolong_addon", "start", "stop", "reboot"] {
        let output = test.run(["--command", name, "--item", "1"]);
        assert_eq!(output.fails("not_supported").attribute("value"), name);
    }
    assert_eq!(funcs(&test), Vec::<String>::new());
}

/// The login is tried with the values on stdin, and with no others.
#[test]
fn check_connection_tries_the_login_from_stdin_only() {
    let test = Test::new();
    let (user, password) = test.upstream.with(|w| (w.options.user.clone(), w.options.password.clone()));
    let check = |url: &str, password: &str| {
        let password = crate::support::upstream::escape(password);
        let doc = format!(
            "<doc><processingmodule><url>{url}</url><username>{user}</username><password>{password}</password>\
             </processingmodule></doc>"
        );
        test.program(["--command", "check_connection"]).stdin(doc).run()
    };
    let url = test.upstream.url();
    check(&url, &password).ok().stdout(&format!("{HEAD}<doc><ok/></doc>\n"));
    let refused = check(&url, "wrong-secret-word");
    refused.fails("auth");
    assert!(!refused.stdout.contains("wrong-secret-word") && !test.log().contains("wrong-secret-word"));
    assert_eq!(check("", &password).fails("missed").attribute("object"), "url");
    check("http://127.0.0.1:1", &password).fails("client");
    let plain = check("http://203.0.113.5", &password);
    assert!(plain.code == Some(1), "a password is not sent in clear text over a network");
    for stdin in ["", "not xml", "<doc><cut", "<!DOCTYPE a [<!ENTITY e 'x'>]><doc>&e;</doc>"] {
        let output = test.program(["--command", "check_connection"]).stdin(stdin).run();
        assert_eq!(output.code, Some(1), "{stdin}");
        assert_eq!(output.attribute("object"), "stdin", "{stdin}");
    }
    let huge = format!("<doc>{}</doc>", "x".repeat(2 << 20));
    assert_eq!(
        test.program(["--command", "check_connection"]).stdin(huge).run().fails("bad_value").attribute("object"),
        "stdin"
    );
    test.assert_clean();
    assert_eq!(funcs(&test), Vec::<String>::new());
}

/// The form comes back whole, with the known addresses and the one that is set.
#[test]
fn tune_connection_gives_the_form_back_with_the_known_addresses() {
    let test = Test::new();
    let form =
        "<doc lang=\"ru\" func=\"processing.edit\"><metadata name=\"m\"/><url>https://billing.example.com</url></doc>";
    let output = test.program(["--command", "tune_connection"]).stdin(form).run();
    let address = |url: &str| format!("<msg key=\"{url}\">{url}</msg>");
    let known = [
        "api-eu.ispmanager.com",
        "api.ispmanager.ru",
        "api.ispmanager.com",
        "api.ispsystem.com",
        "httpapi.com/api/",
        "test.httpapi.com/api/",
        "billing.example.com",
    ];
    let list: String = known.iter().map(|host| address(&format!("https://{host}"))).collect();
    let body = form.strip_suffix("</doc>").unwrap();
    output.ok().stdout(&format!("{HEAD}{body}<slist name=\"url\">{list}</slist></doc>\n"));
}

/// The period-alignment table: rows are listed once, a form becomes the stored text and the form again.
#[test]
fn tuning_param_turns_a_form_into_a_row_and_back() {
    let test = Test::new();
    test.period_align("1;12;soft;17");
    let tune =
        |action: &str, doc: &str| test.program(["--command", "tuning_param", "--subcommand", action]).stdin(doc).run();
    let session = |params: &str| format!("<session_params>{params}</session_params>");
    let elid = "<param name=\"elid\" value=\"7\"/>";
    let listed = tune("List", &format!("<doc>{}</doc>", session(elid)));
    let id = between(&listed.ok().stdout, "<id>", "</id>").to_owned();
    let row = format!("<elem><id>{id}</id><param>period_align</param><value>1;12;soft;17</value></elem>");
    listed.stdout(&format!("{HEAD}<doc><session_params/>{row}{}</doc>\n", session(elid)));
    let again = tune("List", &format!("<doc>{row}{}</doc>", session(elid)));
    again.ok().stdout(&format!("{HEAD}<doc>{row}<session_params/>{}</doc>\n", session(elid)));

    let form = "<source_period>1</source_period><change_into>12</change_into><compare_tariff>on</compare_tariff>\
                <itemtype>soft</itemtype><pricelist>17</pricelist>";
    let param = "<param name=\"param\" value=\"period_align\"/>";
    let set = tune("TableSet", &format!("<doc>{form}{}</doc>", session(param)));
    let value = format!("{param}<param name=\"value\" value=\"1;12;soft;17\"/>");
    set.ok().stdout(&format!("{HEAD}<doc>{form}<session_params/>{}</doc>\n", session(&value)));
    let get = tune("TableGet", &format!("<doc>{}</doc>", session(&value)));
    get.ok().stdout(&format!("{HEAD}<doc><session_params/>{form}{}</doc>\n", session(&value)));
    let bad = form.replace(">12<", ">0<");
    assert_eq!(
        tune("TableSet", &format!("<doc>{bad}{}</doc>", session(param))).fails("bad_value").attribute("object"),
        "change_into"
    );
    for (lang, words) in [("en", "expected a number of months"), ("ru", "ожидается число месяцев")]
    {
        let args = ["--command", "tuning_param", "--subcommand", "TableSet", "--lang", lang];
        let said = test.program(args).stdin(format!("<doc>{bad}{}</doc>", session(param))).run();
        assert!(said.fails("bad_value").message().contains(words), "{lang}: {}", said.message());
    }
    let other = tune("Whatever", &format!("<doc><a/>{}</doc>", session(param)));
    other.ok().stdout(&format!("{HEAD}<doc><a/><session_params/>{}</doc>\n", session(param)));
    assert!(
        tune("TableFormTune", &format!("<doc>{}</doc>", session(param)))
            .ok()
            .stdout
            .contains("<slist name=\"source_period\">")
    );
}

/// Addresses, names and internal names before the panel takes them.
#[test]
fn what_a_client_types_is_checked_before_the_panel_takes_it() {
    let test = Test::new();
    let ok = format!("{HEAD}<doc><ok/></doc>\n");
    let param = |name: &str, value: &str| test.run(["--command", "check_param", "--param", name, "--value", value]);
    let addon = |name: &str, value: &str| test.run(["--command", "check_addon", "--param", name, "--value", value]);
    for (name, value) in [("ip", "192.0.2.10"), ("licname", "shop"), ("licname", ""), ("other", "<x>")] {
        param(name, value).ok().stdout(&ok);
    }
    for (name, value) in [
        ("ip", ""),
        ("ip", "192.0.2.1 192.0.2.2"),
        ("ip", "127.0.0.1"),
        ("licname", "free.lic"),
        ("licname", "pml-abcd1234-1-2 shop"),
    ] {
        assert_eq!(param(name, value).fails("bad_value").attribute("object"), name, "{value}");
    }
    for (name, value) in [("panel", "nopanel"), ("panel", "55227"), ("nodes", "3")] {
        addon(name, value).ok().stdout(&ok);
    }
    assert!(addon("panel", "lite").fails("unknown_internal_name").message().contains("55227"));
    addon("nodes", "-1").fails("bad_value");
    assert_eq!(funcs(&test), Vec::<String>::new());
}

/// While a client fills in an order form there is no service: the panel passes 0 or nothing for it. A command about a
/// service refuses both, and any word that is no number is refused everywhere.
#[test]
fn an_order_form_is_checked_before_there_is_a_service() {
    let test = Test::new();
    for none in ["0", ""] {
        for (command, name, value) in [("check_param", "ip", "192.0.2.10"), ("check_addon", "panel", "55227")] {
            let args = ["--command", command, "--item", none, "--param", name, "--value", value];
            let ok = format!("{HEAD}<doc><ok/></doc>\n");
            test.run(args).ok().stdout(&ok);
            test.run(args.iter().chain(&["--runningoperation", none])).ok().stdout(&ok);
        }
        test.run(["--command", "get_suitable_module", "--item", none, "--runningoperation", none]).ok();
        let form = "<doc><url>https://billing.example.com</url></doc>";
        let tune = ["--command", "tune_connection", "--item", none, "--runningoperation", none];
        test.program(tune).stdin(form).run().ok();
        let kind = if none.is_empty() { "missed" } else { "bad_value" };
        for command in ["open", "close", "suspend", "resume", "prolong", "setparam", "sync_item", "gen_key"] {
            let output = test.run(["--command", command, "--item", none]);
            assert_eq!(output.fails(kind).attribute("object"), "item", "{command} {none:?}");
        }
    }
    let odd = ["--command", "check_param", "--item", "x", "--param", "ip", "--value", "192.0.2.10"];
    assert_eq!(test.run(odd).fails("bad_value").attribute("object"), "item");
    assert!(test.upstream.requests().is_empty() && !test.state_path().exists());
}

/// No operation runs: commands with `--runningoperation 0` or nothing behind it work as without the option.
#[test]
fn an_operation_of_no_number_is_none() {
    let test = Test::new();
    for (item, none) in [(42, "0"), (43, "")] {
        test.soft_item(item, "55227", 1).ip(&format!("192.0.2.{item}")).add();
        let args = |command| ["--command".into(), command, "--item".to_owned(), item.to_string()];
        let end = ["--runningoperation".to_owned(), none.to_owned()];
        test.run(args("open".to_owned()).iter().chain(&end)).ok();
        assert_eq!(test.item(item).status, 2);
        test.clear_mgrctl();
        test.upstream.fault(Fault::on("soft.suspend").refused("locked"));
        test.run(args("suspend".to_owned()).iter().chain(&end));
        assert!(!funcs(&test).iter().any(|func| func.starts_with("runningoperation")), "{:?}", funcs(&test));
    }
}

/// Errors of the command line touch nothing, not even the running operation that they name.
#[test]
fn bad_arguments_touch_nothing() {
    let test = Test::new();
    let operation = test.operation(42, "open").to_string();
    for (args, kind, object) in [
        (vec!["--command", "open", "--runningoperation", &operation], "missed", "item"),
        (vec!["--command", "open", "--item", "4x", "--runningoperation", &operation], "bad_value", "item"),
        (vec!["--command", "open", "--item", "42", "--runningoperation", "x"], "bad_value", "runningoperation"),
        (vec!["--command", "nosuch", "--item", "42", "--runningoperation", &operation], "unknown_command", "command"),
        (vec!["--command", "import", "--module", "7"], "missed", "itemtype"),
    ] {
        assert_eq!(test.run(&args).fails(kind).attribute("object"), object, "{args:?}");
    }
    assert_eq!(funcs(&test), Vec::<String>::new());
    assert!(test.upstream.requests().is_empty() && !test.state_path().exists());
}

/// A row that names another item or command is an error before anything is touched, and is not written to.
#[test]
fn a_running_operation_of_another_item_is_an_error() {
    let test = Test::new();
    for operation in [test.operation(41, "open"), test.operation(42, "close")] {
        let output = test.cmd_op("open", 42, operation);
        assert_eq!(output.fails("missed").attribute("object"), "runningoperation");
        assert_eq!(output.attribute("value"), operation.to_string());
        assert_eq!(test.errorxml(operation), None);
    }
    assert!(funcs(&test).iter().all(|func| func == "paramlist"));
    assert!(test.upstream.requests().is_empty() && !test.state_path().exists());
    // No such row: logged, and the run goes on to whatever it finds.
    let output = test.cmd_op("open", 4242, 999);
    assert_ne!(output.attribute("object"), "runningoperation");
    assert!(test.log().contains("no running operation 999"));
}

/// A failure is saved with type, causes and log. After ten tries an operator gets a task, once.
#[test]
fn a_failure_is_saved_and_becomes_one_task_after_ten_tries() {
    let test = Test::new();
    let operation = test.operation(4242, "open");
    let output = test.cmd_op("open", 4242, operation);
    assert_eq!(output.code, Some(1));
    let saved = test.errorxml(operation).expect("an error document");
    assert!(well_formed(&saved) && saved.starts_with("<doc>"), "{saved}");
    assert!(saved.contains(&format!(
        " type=\"{}\" object=\"{}\"",
        output.attribute("type"),
        output.attribute("object")
    )));
    assert!(saved.contains("<backtrace>") && between(&saved, "<log>", "</log>").contains("ERROR open:"), "{saved}");
    assert_eq!(funcs(&test), ["paramlist", "runningoperation.edit"]);

    test.set_tries(operation, 10);
    test.clear_mgrctl();
    test.cmd_op("open", 4242, operation);
    let calls = ["paramlist", "runningoperation.edit", "runningoperation.setmanual", "task.gettype", "task.edit"];
    assert_eq!(funcs(&test), calls);
    let changes = test.panel_changes();
    assert_eq!(changes[1], format!("runningoperation.setmanual elid={operation} sok=ok"));
    assert_eq!(changes[2], format!("task.edit sok=ok item=4242 runningoperation={operation} type=6"));

    test.clear_mgrctl();
    test.cmd_op("open", 4242, operation);
    assert_eq!(funcs(&test), ["paramlist", "runningoperation.edit"], "one task is enough");
}

/// A seller may refuse with a whole page. The panel shows its beginning and counts the try, and in the end an operator
/// gets a task. Nothing of it is too long for the panel's tool.
#[test]
fn a_refusal_of_any_length_is_saved_shortened() {
    for words in ["Not now & not here. ", "Не сейчас. "] {
        let test = Test::new();
        test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
        let operation = test.operation(42, "open");
        let page = words.repeat(100 * 1024 / words.len()).replace('&', "&amp;");
        let body = format!("{HEAD}<doc><error type=\"limit\" object=\"x\"><msg>{page}</msg></error></doc>");
        let mut fault = Fault::on("soft.order.param").always();
        (fault.effect, fault.answer) = (Effect::Nothing, Answer::Body(body.into_bytes()));
        test.upstream.fault(fault);
        let output = test.cmd_op("open", 42, operation);
        output.fails("upstream");
        let (_, rest) = output.message().split_once(" chars)").expect("it says that it was cut");
        assert!(rest.len() > 30, "what is certain and what to do comes after the seller's words: {rest:?}");
        let saved = test.errorxml(operation).expect("the refusal is saved");
        assert!(well_formed(&saved) && saved.len() <= 64 * 1024, "{} bytes", saved.len());
        let backtrace = between(&saved, "<backtrace>", "</backtrace>");
        assert!(backtrace.contains(&words.trim().replace('&', "&amp;")), "{backtrace}");
        assert!(backtrace.contains("… (cut, +") && saved.contains("</log></error></doc>"), "{backtrace}");
        test.set_tries(operation, 10);
        test.cmd_op("open", 42, operation).fails("upstream");
        assert_eq!(test.db.value("SELECT count(*) FROM task", ()).as_deref(), Some("1"), "{}", test.story());
        assert_eq!(test.upstream.licenses().len(), 0);
    }
}

/// A panel that takes no report does not hide the error.
#[test]
fn a_panel_that_takes_no_report_does_not_hide_the_error() {
    let test = Test::new();
    let operation = test.operation(4242, "open");
    let plain = test.cmd("open", 4242);
    test.mgrctl_fault(MgrctlFault::on("runningoperation.edit", MgrctlFaultKind::ErrorDocument));
    let reported = test.cmd_op("open", 4242, operation);
    assert_eq!((reported.code, reported.stdout), (plain.code, plain.stdout));
    assert!(test.log().contains("runningoperation.edit failed while reporting"), "{}", test.log());
}

/// DoNothing: no output, no call, no state, exit 0. The event handler answers, because the panel's own operation needs
/// a document, and notes nothing.
#[test]
fn do_nothing_stops_every_command_without_a_word() {
    let test = Test::new();
    test.do_nothing(true);
    for name in [
        "open",
        "suspend",
        "close",
        "prolong",
        "prolong_addon",
        "sync_item",
        "sync_server",
        "sync",
        "stat",
        "gen_key",
        "import",
    ] {
        test.run(["--command", name, "--item", "42", "--module", "7"]).ok().stdout("");
    }
    test.program(Vec::<String>::new())
        .arg0("addon/pmisplicense-event")
        .env("PARAM_elid", "42")
        .run()
        .ok()
        .stdout("<doc/>\n");
    assert!(funcs(&test).is_empty() && !test.state_path().parent().unwrap().exists());
}

/// The event handler notes the item and answers, whatever it is handed and in whatever state the settings are.
#[test]
fn the_event_handler_notes_the_item_and_always_answers() {
    let test = Test::new();
    test.settings("broken");
    for item in ["42", "", "x/../y"] {
        let output = test.program(Vec::<String>::new()).arg0("addon/pmisplicense-event").env("PARAM_elid", item).run();
        output.ok().stdout("<doc/>\n");
    }
    let spool = test.state_path().parent().unwrap().join("spool");
    assert_eq!(std::fs::read_dir(spool).unwrap().flatten().map(|e| e.file_name()).collect::<Vec<_>>(), ["42"]);
}
