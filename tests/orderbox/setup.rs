//! The provider's setup: settings for one module, where the panel keeps a client's address, the check of the access,
//! the tariffs that can be imported, and the cases in which nothing may be sent.
use super::*;
use crate::support::Fault;
use crate::support::orderbox::OTHER_CUSTOMER;

/// The name of the parameter and all other settings may be those of one module.
#[test]
fn one_module_may_have_its_own_settings_of_hosting_orders() {
    let test = shop();
    test.settings(
        "[orderbox]\ninvoice_option = \"PayInvoice\"\n\
         [module.8.orderbox]\norder_param = \"hosting\"\ninvoice_option = \"KeepInvoice\"\n",
    );
    assert_eq!(test.cmd("open", ITEM).fails("missed").attribute("object"), "hosting");
    let check = |param: &str, value: &str| {
        test.run(["--command", "check_param", "--module", "8", "--param", param, "--value", value])
    };
    check("hosting", "40o1").fails("bad_value");
    check("hosting", "").fails("missed");
    check("orderid", "40o1").ok();
    assert_eq!(test.orderbox().sent(), Vec::<String>::new());
    test.set_param(ITEM, "hosting", "4001");
    test.cmd("open", ITEM).ok();
    let bought = "POST linux/us generate-license-key order-id=4001 invoice-option=KeepInvoice";
    assert_eq!(test.orderbox().posts(), [bought]);
    served(&test);
}

/// No document says where the panel keeps a client's address. Each place is read, and one address that is the
/// customer's is enough, whatever its letters and blanks.
#[test]
fn a_client_is_known_by_any_address_that_the_panel_has() {
    let other = "UPDATE user SET email = 'office@example.net' WHERE account = 501";
    let of_account = "ALTER TABLE account ADD email VARCHAR(255); \
                      REPLACE INTO account (id, name, email) VALUES (501, 'client', 'client@example.com')";
    for places in [
        "UPDATE user SET email = ' CLIENT@Example.Com ' WHERE account = 501".to_owned(),
        format!("{other}; INSERT INTO profile (account, email) VALUES (501, ''), (501, 'client@example.com')"),
        format!("{other}; {of_account}"),
        format!("ALTER TABLE user DROP COLUMN email; DROP TABLE profile; {of_account}"),
    ] {
        let test = shop();
        places.split("; ").for_each(|sql| test.db.exec(sql, ()));
        test.cmd("open", ITEM).ok();
        served(&test);
    }
    let test = shop();
    test.db.exec(other, ());
    assert_eq!(test.cmd("open", ITEM).fails("bad_value").attribute("object"), "orderid");
    nothing_sent(&test);
}

/// An account without the right to read its own details is checked by its balance. Its password is never tried
/// elsewhere.
#[test]
fn the_access_is_checked_by_the_balance_where_the_details_are_closed() {
    let test = shop();
    let check = || checked(&test);
    test.orderbox().fault(Fault::on("resellers/details").refused("This call is closed to you"));
    check().ok();
    let asked = |call: &str| test.orderbox().requests_of(call).len();
    assert_eq!((asked("resellers/details"), asked("billing/reseller-balance")), (1, 1), "{}", test.story());
    check().ok();
    assert_eq!((asked("resellers/details"), asked("billing/reseller-balance")), (2, 1), "{}", test.story());
    nothing_sent(&test);
}

/// A doctor's visit tells the same as a refused command: from where the module calls, and how long a new address takes.
#[test]
fn doctor_names_the_address_that_has_to_be_allowed() {
    let test = shop();
    test.orderbox().options(|o| o.addresses.clear());
    let output = operator(&test, "doctor");
    for words in ["127.0.0.1", "an hour", "https://test.httpapi.com/api/"] {
        assert!(output.code == Some(1) && output.stdout.contains(words), "{words}: {output:?}");
    }
    assert!(!output.stdout.contains("error Access Denied"), "{output:?}");
    // Some hosts answer a page and no words.
    test.orderbox().fault(Fault::on("*").status(500).always());
    let output = operator(&test, "doctor");
    assert!(
        output.stdout.contains("Settings, API") && !output.stdout.contains("address of a BILLmanager"),
        "{output:?}"
    );
    nothing_sent(&test);
}

/// Few words of this seller are on record. Those of one's own reseller can be given a meaning.
#[test]
fn the_words_of_a_refusal_can_be_given_a_meaning() {
    let test = shop();
    test.settings("[[refusal]]\ntext = \"credit line\"\nmeans = \"nomoney\"\n");
    test.orderbox().fault(Fault::on("generate-license-key").refused("Your credit line is used up"));
    let refused = test.cmd("open", ITEM);
    let message = refused.fails("nomoney").message();
    assert!(message.contains("the seller refused: Your credit line is used up"), "{message}");
    test.orderbox().set_balance(20_000_000);
    test.cmd("open", ITEM).ok();
    served(&test);
}

/// Only what this seller sells can be imported as a tariff.
#[test]
fn the_pricelist_of_this_seller_has_its_license_alone() {
    let test = shop();
    let names = |module: &str| {
        let output = test.run(["--command", "import_pricelist", "--module", module]);
        let text = output.ok().stdout.clone();
        text.split("<intname>").skip(1).filter_map(|rest| rest.split('<').next().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(names("8"), ["whmcs"]);
    assert!(!names("7").contains(&"whmcs".to_owned()));
    nothing_sent(&test);
}

/// The API key is in every request, so a redirect is not followed, and HTTP goes to this machine only. A purchase that
/// met a redirect is in doubt, as with any other answer that is none.
#[test]
fn the_api_key_goes_to_no_other_address() {
    let elsewhere = crate::support::orderbox::OrderBox::start();
    elsewhere.add(Order::new(ORDER));
    let test = shop();
    for call in ["search", "details", "customers/details-by-id", "actions/search-current"] {
        test.orderbox().fault(Fault::on(call).redirect(&elsewhere.url()));
        assert_eq!(test.cmd("open", ITEM).code, Some(1), "{call}");
        nothing_sent(&test);
    }
    test.orderbox().fault(Fault::on("generate-license-key").redirect(&elsewhere.url()));
    test.cmd("open", ITEM).fails("client");
    assert_eq!((test.orderbox().posts().len(), elsewhere.sent()), (1, Vec::new()), "{}", test.story());
    let test = shop();
    for url in ["http://httpapi.com/api/", "http://test.httpapi.com/api/", "http://127.0.0.1.example.com/api/"] {
        test.module_param(8, "url", url);
        assert_eq!(test.cmd("open", ITEM).code, Some(1), "{url}");
    }
    test.module_param(8, "url", "http://httpapi.com/api/");
    assert!(test.cmd("open", ITEM).fails("config").message().contains("https"), "{}", test.story());
}

/// Whatever else the settings name for OrderBox may be that of one module too, and it is the module's that counts.
#[test]
fn the_settings_of_one_module_override_those_of_all() {
    let test = shop_with(|o| {
        o.remove_call = "take-away".into();
        o.remove_params = vec![("invoice-option".into(), "NoInvoice".into())];
    });
    test.orderbox().edit(ORDER, |o| (o.customer, o.ends) = (OTHER_CUSTOMER, o.ends + 305 * 86_400));
    let of_all = "[orderbox]\nproducts = [\"resellerwindowshosting\"]\nany_customer = false\nmax_extra_months = 0\n\
                  price_month = \"800.00 RUB\"\nremove_call = \"delete-license-key\"\n";
    let of_one = "[module.8.orderbox]\nproducts = [\"resellerhosting\"]\nany_customer = true\nmax_extra_months = 10\n\
                  price_month = \"900.00 RUB\"\nremove_call = \"take-away\"\n\
                  remove_params = { invoice-option = \"NoInvoice\" }\n";
    test.settings(of_all);
    test.cmd("open", ITEM).fails("bad_value");
    test.settings(&format!("{of_all}{of_one}"));
    test.cmd("open", ITEM).ok();
    served(&test);
    let history = operator(&test, "history 42").stdout;
    assert!(history.contains("11 months, about 9900.00 RUB"), "{history}");
    forget(&test);
    test.cmd("close", ITEM).ok();
    assert_eq!(test.orderbox().posts(), ["POST linux/us take-away order-id=4001 invoice-option=NoInvoice"]);
}

/// The time for an answer, and the address from which the program calls, are set as for the other seller.
#[test]
fn the_common_settings_hold_for_this_seller_too() {
    let test = shop();
    test.settings("[upstream]\ntimeout_s = 1\n");
    test.orderbox().fault(Fault::on("generate-license-key").slow(4000));
    test.cmd("open", ITEM).ok();
    served(&test);
    let history = operator(&test, "history 42").stdout;
    assert!(history.contains("answer lost"), "{history}");
    assert_eq!((test.orderbox().posts().len(), test.orderbox().charges(ORDER)), (1, 1));
    let test = shop();
    test.settings("[upstream]\nsource_ip = \"127.0.0.2\"\n");
    let refused = test.cmd("open", ITEM);
    assert!(refused.fails("auth").message().contains("It calls from 127.0.0.2"), "{}", refused.message());
    test.orderbox().options(|o| o.addresses = vec!["127.0.0.2".parse().unwrap()]);
    test.cmd("open", ITEM).ok();
    served(&test);
}

/// The form of the module says what OrderBox wants in its fields, in both languages.
#[test]
fn the_form_of_the_module_says_what_this_seller_wants() {
    let xml = pmisplicense::xml::parse(include_bytes!("../../xml/billmgr_mod_pmisplicense.xml"), 1 << 20).unwrap();
    let named = |element: &pmisplicense::xml::Element, child: &'static str, name: &str| {
        let found = element.children_named(child).find(|one| one.attribute("name") == Some(name)).cloned();
        found.unwrap_or_else(|| panic!("{child} {name}"))
    };
    for (group, name, en, ru) in [
        (
            "processing.edit.pmisplicense",
            "hint_url",
            "WHMCS licenses are sold at the addresses of OrderBox only",
            "Лицензии WHMCS продаются только по адресам OrderBox",
        ),
        (
            "processing.edit.pmisplicense",
            "hint_username",
            "At OrderBox: the number of the reseller",
            "Для OrderBox — номер реселлера",
        ),
        ("processing.edit.pmisplicense", "hint_password", "at OrderBox the API key", "для OrderBox — ключ API"),
        (
            "msgerror",
            "msg_error_period_not_sold",
            "the rest of the hosting order's term is charged at once",
            "сразу оплачивается весь остаток срока заказа хостинга",
        ),
    ] {
        for (lang, words) in [("en", en), ("ru", ru)] {
            let text = named(&named(&named(&xml, "lang", lang), "messages", group), "msg", name).text;
            assert!(text.contains(words), "{lang} {name}: {text}");
        }
    }
}

/// What holds for the other kind of seller only, and what differs here, is where the documents speak of it.
#[test]
fn the_documents_say_what_differs_at_this_seller() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, sentence) in [
        ("money-safety.md", "an answer of any status whose body is an error object is a refusal"),
        ("money-safety.md", "**At OrderBox** the evidence is the hosting order itself"),
        ("money-safety.md", "The program never repeats the call only to see what it answers"),
        ("interface.md", "A GET has to carry the API key in its query"),
        ("licensing-rules.md", "It has no period, address, name, mark or expiry of its own, and there is no pool"),
        ("licensing-rules.md", "A license that this installation did not buy for the service is foreign"),
        ("orderbox-protocol.md", "that sentence was removed without a replacement"),
    ] {
        let text = std::fs::read_to_string(root.join("docs").join(name)).unwrap();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(sentence), "docs/{name}: {sentence}");
    }
}
