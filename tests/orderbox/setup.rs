//! The provider's setup: settings for one module, where the panel keeps a client's address, the check of the access,
//! the tariffs that can be imported, and the cases in which nothing may be sent.
use super::*;
use crate::support::Fault;

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
