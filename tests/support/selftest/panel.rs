//! mgrctl called by hand, and what its calls leave in the tables; its faults; the harness's own fixtures.
use super::super::{MgrctlFault as Fault, MgrctlFaultKind as Kind, Test};
use super::between;
use mysql::params;
use std::process::{Command, Output};

pub fn mgrctl(t: &Test, args: &[&str]) -> Output {
    Command::new(t.root().join("sbin/mgrctl"))
        .args(["-m", "billmgr", "-o", "xml"])
        .args(args)
        .current_dir(t.root())
        .env("SSH_CONNECTION", "pmisplicense")
        .env("SECRET", "of the client")
        .output()
        .unwrap()
}

/// A call that must succeed; its stdout.
fn yes(t: &Test, args: &[&str]) -> String {
    let done = mgrctl(t, args);
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(
        done.status.success() && !text.contains("<error"),
        "{args:?}: {text} {}",
        String::from_utf8_lossy(&done.stderr)
    );
    text
}

/// A call that must fail with this type and object.
fn no(t: &Test, args: &[&str], error: &str) {
    let done = mgrctl(t, args);
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let told = format!("{}/{}", between(&text, "type=\"", "\""), between(&text, "object=\"", "\""));
    assert_eq!((done.status.code(), told.as_str()), (Some(1), error), "{args:?}: {text}");
}

#[test]
fn mgrctl_shows_the_settings_of_panel_and_module() {
    let mut t = Test::new();
    t.module_password(7, "p<&>ss");
    let list = yes(&t, &["paramlist"]);
    assert!(list.contains("<elem><DBHost>localhost</DBHost></elem>") && list.contains("<DBSocket>"), "{list}");
    let module = yes(&t, &["processing.edit", "elid=7"]);
    assert!(
        module.contains(&format!("<url>{}</url>", t.upstream.url()))
            && module.contains("<username>reseller</username>")
    );
    assert!(
        module.contains("<password>p&lt;&amp;&gt;ss</password><")
            || module.contains("<password>p&lt;&amp;&gt;ss</password>")
    );
    no(&t, &["processing.edit", "elid=99"], "missed/elid");
    no(&t, &["nonsense.func"], "missed/func");
    assert_eq!(mgrctl(&t, &["-z"]).status.code(), Some(1));
}

#[test]
fn what_is_posted_changes_the_item() {
    let mut t = Test::new();
    t.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    no(&t, &["soft.open", "elid=42"], "missed/sok");
    no(&t, &["vds.open", "elid=42", "sok=ok"], "missed/func");
    no(&t, &["soft.open", "elid=43", "sok=ok"], "missed/elid");
    yes(&t, &["soft.open", "elid=42", "sok=ok"]);
    let item = t.item(42);
    let month = |from: &str| {
        let from: chrono::NaiveDate = from.parse().unwrap();
        from.checked_add_months(chrono::Months::new(1)).unwrap().to_string()
    };
    let today = chrono::Utc::now().date_naive().to_string();
    assert_eq!((item.status, item.expiredate.clone()), (2, Some(month(&today))));
    for (func, status) in
        [("service.postsuspend", 3), ("service.postresume", 2), ("service.postclose", 4), ("service.postreopen", 2)]
    {
        yes(&t, &[func, "elid=42", "sok=ok"]);
        assert_eq!(t.item(42).status, status, "{func}");
    }
    yes(&t, &["service.postsetparam", "elid=42", "sok=ok"]);
    let end = item.expiredate.unwrap();
    t.prolong_paid(42);
    assert_eq!(t.item(42).expiredate, Some(end.clone()));
    yes(&t, &["service.postprolong", "elid=42", "sok=ok"]);
    assert_eq!(t.item(42).expiredate, Some(month(&end)));
    t.end_moves_before_prolong();
    t.prolong_paid(42);
    assert_eq!(t.item(42).expiredate, Some(month(&month(&end))));
    yes(&t, &["service.postprolong", "elid=42", "sok=ok"]);
    assert_eq!(t.item(42).expiredate, Some(month(&month(&end))));
    no(&t, &["service.changepricelist.rollback", "elid=42", "sok=ok"], "missed/lastpricelist");
    let before = t.item(42).pricelist;
    t.change_tariff(42, "55228");
    yes(&t, &["service.changepricelist.rollback", "elid=42", "sok=ok"]);
    assert_eq!((t.item(42).pricelist, t.item(42).lastpricelist), (before, None));
}

#[test]
fn parameters_are_saved_in_both_forms() {
    let mut t = Test::new();
    t.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    yes(&t, &["service.saveparam", "sok=ok", "elid=42", "licid=5001", "crypted=off", "-e", "lickey=$SECRET"]);
    yes(&t, &["service.saveparam", "sok=ok", "elid=42", "name=licname", "value=a=b c"]);
    yes(&t, &["service.saveparam", "sok=ok", "elid=42", "pin=1", "crypted=on"]);
    let item = t.item(42);
    assert_eq!((item.param("licid"), item.param("lickey"), item.param("licname")), ("5001", "of the client", "a=b c"));
    assert_eq!((item.param("ip"), item.crypted.get("pin").map(String::as_str)), ("192.0.2.10", Some("1")));
    yes(&t, &["service.saveparam", "sok=ok", "elid=42", "name=licname"]);
    assert_eq!(t.item(42).param("licname"), "");
    t.panel(|p| p.saveparam_refuses_names = true);
    no(&t, &["service.saveparam", "sok=ok", "elid=42", "licid=5002"], "missed/name");
    t.panel(|p| (p.saveparam_refuses_names, p.saveparam_refuses_empty) = (false, true));
    no(&t, &["service.saveparam", "sok=ok", "elid=42", "licid=5002", "lickey="], "missed/lickey");
    assert_eq!(t.item(42).param("licid"), "5001");
    let call = t.mgrctl_calls().remove(0);
    assert_eq!((call.by_env, call.ssh_connection.as_deref()), (vec!["lickey".to_owned()], Some("pmisplicense")));
    assert!(
        !call.argv.join(" ").contains("of the client") && call.open_fds.is_empty(),
        "{call:?}",
        call = t.mgrctl_calls()[0]
    );
    assert_eq!(call.cwd.canonicalize().unwrap(), t.root().canonicalize().unwrap());
}

#[test]
fn failures_are_noted_and_services_imported() {
    let t = Test::new();
    t.soft_item(42, "55227", 1).add();
    t.tariff("55228", 1);
    let operation = t.operation(42, "open");
    let elid = format!("elid={operation}");
    yes(&t, &["runningoperation.edit", "sok=ok", &elid, "errorxml=<doc/>"]);
    assert_eq!(t.errorxml(operation).as_deref(), Some("<doc/>"));
    yes(&t, &["runningoperation.setmanual", &elid]);
    no(&t, &["runningoperation.setmanual", "elid=99"], "missed/elid");
    assert!(yes(&t, &["task.gettype", "operation=open", "item=42"]).contains("<task_type>6</task_type>"));
    yes(&t, &["task.edit", "sok=ok", "item=42", &format!("runningoperation={operation}"), "type=6"]);
    assert_eq!(t.db.value("SELECT COUNT(*) FROM task WHERE runningoperation = ?", (operation,)).as_deref(), Some("1"));
    yes(&t, &["problems.register", "sok=ok", "level=error", "name=processingmodule_connect"]);
    let told = yes(
        &t,
        &[
            "processing.import.service",
            "sok=ok",
            "module=7",
            "status=2",
            "expiredate=2030-01-01",
            "period=12",
            "import_pricelist_intname=55228",
            "import_service_name=Imported",
            "ip=192.0.2.77",
            "licid=5009",
        ],
    );
    let id: u32 = between(&told, "<service_id>", "<").parse().unwrap();
    let item = t.item(id);
    assert_eq!((item.status, item.period, item.expiredate.as_deref()), (2, 12, Some("2030-01-01")));
    assert_eq!((item.param("ip"), item.param("licid")), ("192.0.2.77", "5009"));
    assert_eq!(t.panel_changes().len(), 6);
}

#[test]
fn mgrctl_fails_in_every_way() {
    let t = Test::new();
    t.soft_item(42, "55227", 1).add();
    let call = ["service.postsuspend", "elid=42", "sok=ok"];
    let play = |fault: Fault| {
        t.set_item(42, "status", "2");
        t.mgrctl_fault(fault);
        let done = mgrctl(&t, &call);
        (done.status.code(), String::from_utf8_lossy(&done.stdout).into_owned(), t.item(42).status)
    };
    let on = |kind| Fault::on(call[0], kind);
    assert_eq!(play(on(Kind::Exit).code(3)), (Some(3), String::new(), 2));
    let (code, text, status) = play(on(Kind::ErrorDocument).code(0).word("busy"));
    assert!(code == Some(0) && text.contains("<error type=\"busy\"") && status == 2);
    assert_eq!(play(on(Kind::ErrorDocument)).0, Some(1));
    assert_eq!(play(on(Kind::Hang).ms(50)), (Some(1), String::new(), 2));
    assert_eq!(play(on(Kind::HangAfter).ms(50)), (Some(1), String::new(), 3));
    let (code, text, status) = play(on(Kind::Rubbish).code(0));
    assert!(code == Some(0) && text.contains("Segmentation") && status == 2);
    assert_eq!(play(on(Kind::Lost)), (Some(1), String::new(), 3));
    assert_eq!(play(on(Kind::Killed)), (None, String::new(), 3));
    let (code, text, status) = play(on(Kind::NoEffect));
    assert!(code == Some(0) && text.contains("<ok/>") && status == 2);
    let (code, _, status) = play(on(Kind::Slow).ms(10));
    assert_eq!((code, status), (Some(0), 3));
    assert_eq!(t.mgrctl_calls().last().unwrap().fault.as_deref(), Some("Slow"));
    // The nth call of all, and always.
    let next = u64::try_from(t.mgrctl_calls().len()).unwrap() + 2;
    t.mgrctl_fault(on(Kind::Exit).nth(next));
    assert_eq!([(); 3].map(|()| mgrctl(&t, &call).status.code()), [Some(0), Some(1), Some(0)]);
    t.mgrctl_fault(Fault::on("*", Kind::Exit).always());
    assert_eq!([(); 2].map(|()| mgrctl(&t, &["paramlist"]).status.code()), [Some(1), Some(1)]);
    t.clear_mgrctl_faults();
    yes(&t, &["paramlist"]);
}

#[test]
fn fixtures_have_the_shape_of_the_panels_tables() {
    let t = Test::new();
    t.soft_item(42, "55230", 12).nodes(3).licname("Mine").add();
    t.vds_item(50, "nopanel", 1).addresses(&["2001:db8::1", "192.0.2.50"]).add();
    // The query of docs/interface.md 4 for the addons of an item.
    let sql = "SELECT COALESCE(p.intname, t.intname), p.addontype, COALESCE(ea.intname, ep.intname), a.intvalue FROM pricelist p \
               JOIN itemtype t ON t.id = p.itemtype LEFT JOIN item a ON a.pricelist = p.id AND a.parent = :item \
               LEFT JOIN enumerationitem ea ON ea.id = a.enumerationitem LEFT JOIN enumerationitem ep ON ep.id = p.enumerationitem \
               WHERE p.parent = (SELECT pricelist FROM item WHERE id = :item) AND (p.active = 'on' OR a.id IS NOT NULL) \
               AND p.billtype NOT IN (4, 10) AND (p.compound IS NULL OR a.id IS NOT NULL) ORDER BY p.id";
    let addons = |item: u32| -> Vec<String> {
        let rows = t.db.rows(sql, params! { "item" => item });
        rows.iter().map(|r| r.iter().map(|c| c.clone().unwrap_or_default()).collect::<Vec<_>>().join(" ")).collect()
    };
    assert_eq!(addons(42), ["panel 3 55230 ", "nodes 2  3"]);
    assert_eq!(addons(50), ["panel 3 nopanel ", "ostempl 3 Ubuntu-24.04 ", "ip 2  "]);
    t.choose(42, "55227");
    t.set_nodes(42, 5);
    assert_eq!(addons(42), ["panel 3 55227 ", "nodes 2  5"]);
    let sql = "SELECT ip.name FROM ip JOIN item a ON a.id = ip.item WHERE a.parent = 50 ORDER BY ip.id";
    assert_eq!(t.db.rows(sql, ()), [[Some("2001:db8::1".to_owned())], [Some("192.0.2.50".to_owned())]]);
}

#[test]
fn the_programs_database_user_may_only_read() {
    let t = Test::new();
    let opts = |tcp: bool| {
        let opts =
            mysql::OptsBuilder::new().user(Some(&t.db.user)).pass(Some(&t.db.password)).db_name(Some(&t.db.name));
        if tcp {
            opts.ip_or_hostname(Some("127.0.0.1")).tcp_port(t.db.port).prefer_socket(false)
        } else {
            opts.socket(Some(t.db.socket.to_string_lossy()))
        }
    };
    for tcp in [false, true] {
        let mut conn = mysql::Conn::new(opts(tcp)).unwrap();
        use mysql::prelude::Queryable;
        assert_eq!(
            conn.query_first::<String, _>("SELECT intname FROM itemtype WHERE id = 1").unwrap().unwrap(),
            "soft"
        );
        assert!(conn.query_drop("UPDATE item SET status = 2").is_err());
    }
}

#[test]
fn a_database_of_ones_own_stops_and_starts() {
    let t = Test::setup().own_database().crypt_key().start();
    t.soft_item(42, "55227", 1).add();
    t.database_server().stop();
    no(&t, &["soft.open", "elid=42", "sok=ok"], "database/");
    yes(&t, &["paramlist"]);
    t.database_server().resume();
    yes(&t, &["soft.open", "elid=42", "sok=ok"]);
    assert_eq!(t.item(42).status, 2);
    assert!(std::fs::read_to_string(t.root().join("etc/billmgr.pem")).unwrap().contains("PRIVATE KEY"));
}

#[test]
fn an_end_is_judged_by_code_and_document() {
    use super::super::Output;
    let end = |code, stdout: &str| Output {
        code: Some(code),
        stdout: stdout.into(),
        stderr: String::new(),
        story: crate::support::story::Story::default(),
    };
    let error = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><doc><error type=\"nomoney\" object=\"\" value=\"x\">\
                 <param name=\"value\">x</param><msg>No money &amp; so on</msg></error></doc>\n";
    end(0, "<doc/>").ok().stdout("<doc/>");
    end(1, error).fails("nomoney");
    assert_eq!(
        (end(1, error).attribute("value").to_owned(), end(1, error).message()),
        ("x".into(), "No money &amp; so on")
    );
    let wrong =
        [end(0, error), end(1, ""), end(1, &error.replace("nomoney", "client")), end(1, &format!("log\n{error}"))];
    let wrong = wrong.into_iter().chain([end(1, &error.replace("&amp;", "&")), end(1, &format!("{error}x"))]);
    for output in wrong {
        let judged = std::panic::catch_unwind(|| output.fails("nomoney").code);
        assert!(judged.is_err(), "{output:?}");
    }
}

#[test]
fn a_sandbox_can_have_tls_tcp_and_a_key_of_its_own() {
    use super::super::Tls;
    use base64::Engine;
    use rsa::pkcs1::DecodeRsaPrivateKey;
    let t = Test::setup().tls(Tls::Good).tcp().crypt_key().options(|o| o.password = "other".into()).start();
    let settings = std::fs::read_to_string(t.root().join("etc/pmisplicense.toml")).unwrap();
    let authority = between(&settings, "ca_file = \"", "\"");
    assert_eq!(std::fs::read_to_string(authority).unwrap(), t.upstream.ca_pem());
    assert!(t.upstream.url().starts_with("https://localhost:"));
    let list = yes(&t, &["paramlist"]);
    assert!(
        list.contains("<DBHost>127.0.0.1</DBHost>") && list.contains("<DBPort>") && !list.contains("DBSocket"),
        "{list}"
    );
    let pem = std::fs::read_to_string(t.root().join("etc/billmgr.pem")).unwrap();
    let secret = t.db.value("SELECT value FROM processingcryptedparam WHERE processingmodule = 7", ()).unwrap();
    let secret = base64::engine::general_purpose::STANDARD.decode(secret).unwrap();
    let key = rsa::RsaPrivateKey::from_pkcs1_pem(&pem).unwrap();
    assert_eq!(key.decrypt(rsa::Pkcs1v15Encrypt, &secret).unwrap(), b"other");
}
