//! The modes, each in one line or a few.
use super::{Change, Mode};
use crate::support::upstream::dialect::{
    Amounts, ChangeDates, Changed, Days, Door, ExternalList, ListTariff, Names, Offers, OrderApi, OrderNumber, Pace,
    Unsold,
};
use crate::support::upstream::{Country, Options};

const fn seller(
    name: &'static str,
    axis: &'static str,
    what: &'static str,
    source: &'static str,
    change: fn(&mut Options),
) -> Mode {
    Mode { name, axis, what, source, needs: &[], change: Change::Seller(change) }
}

const fn panel(
    name: &'static str,
    axis: &'static str,
    what: &'static str,
    source: &'static str,
    change: Change,
) -> Mode {
    Mode { name, axis, what, source, needs: &[], change }
}

const fn with(mode: Mode, needs: &'static [(&'static str, &'static str)]) -> Mode {
    Mode { needs, ..mode }
}

/// Any amount that is no trifle: the balance is asked for before an order.
const ASKS_BALANCE: &[(&str, &str)] = &[("", "minimum_balance = 1")];

const JBS: &str = "joonte/jbs BillManager.php, in use since 2015";
const NOC: &str = "460s/ispsystem_whmcs_modules billmanager_noc";
const UPMIND: &str = "upmind/provision-provider-software-licenses, in use 2025";
const FRAMEWORK: &str = "ISPsystemLLC/billmanager processing/certificate/sslstore/module.cpp";

pub const MODES: &[Mode] = &[
    seller("order-item-id", "order answer", "an order answers its number as item.id", JBS, |o| {
        o.dialect.order_number = OrderNumber::ItemId;
    }),
    seller(
        "order-item-child",
        "order answer",
        "an order answers `<item><id>`",
        "assumed: item.id read as a path",
        |o| {
            o.dialect.order_number = OrderNumber::ItemChild;
        },
    ),
    seller("order-item-attribute", "order answer", "an order answers `<item id>`", "assumed, likewise", |o| {
        o.dialect.order_number = OrderNumber::ItemAttribute;
    }),
    seller(
        "order-silent",
        "order answer",
        "an order answers no number at all",
        "a general client of BILLmanager 6, 2026",
        |o| {
            o.dialect.order_number = OrderNumber::Nowhere;
        },
    ),
    seller("numbers-as-attributes", "numbers", "numbers stand in an attribute v", UPMIND, |o| {
        o.ids_in_attribute = true;
    }),
    seller("list-pricelist-id", "list tariff", "lists: pricelist_id is the code, pricelist the name", JBS, |o| {
        o.dialect.list_tariff = ListTariff::PricelistId;
    }),
    seller("list-tariff-name", "list tariff", "lists: pricelist is the name, the code is only in the form", JBS, |o| {
        o.list_pricelist_name = true;
    }),
    seller("dates-change", "change dates", "days of changes: ip_change_date, lickey_change_date", JBS, |o| {
        o.dialect.change_dates = ChangeDates::Change;
    }),
    seller(
        "dates-both",
        "change dates",
        "both names, those named real_… stay at the order",
        "assumed: both documents hold",
        |o| {
            o.dialect.change_dates = ChangeDates::Both;
        },
    ),
    seller(
        "dates-missing",
        "change dates",
        "no day of a change anywhere",
        "columns of lists are chosen by the account",
        |o| {
            (o.list_dates, o.edit_dates) = (false, false);
        },
    ),
    seller(
        "item-status",
        "status",
        "the status is called item_status",
        "ISPsystem: Other software (softexternal); clients of vds",
        |o| {
            o.dialect.item_status = true;
        },
    ),
    seller(
        "softexternal-columns",
        "external",
        "other software: the columns of its document, so no remoteid",
        "ISPsystem: Other software (softexternal)",
        |o| {
            o.dialect.external_list = ExternalList::Document;
        },
    ),
    seller(
        "softexternal-nameless",
        "external",
        "the same without licname",
        "assumed: columns of lists are chosen by the account",
        |o| {
            o.dialect.external_list = ExternalList::Nameless;
        },
    ),
    seller("days-with-time", "days", "days carry a time", "createdate of the panel's own tables", |o| {
        o.dialect.days = Days::WithTime;
    }),
    seller("days-dotted", "days", "days are written 31.12.2026", "the panel's form of dates for people", |o| {
        o.dialect.days = Days::Dotted;
    }),
    seller("edit-record", "edit answer", "a changed license is answered with its record", JBS, |o| {
        o.dialect.changed = Changed::Record;
    }),
    seller("edit-nested", "edit answer", "a changed license is answered with its record under doc/doc", JBS, |o| {
        o.dialect.changed = Changed::Nested;
    }),
    seller("edit-silent", "edit answer", "a new key is not in the answer, only in the form", UPMIND, |o| {
        o.dialect.changed = Changed::Silent;
    }),
    seller("form-nested", "form", "the form of a license stands under doc/doc", "assumed from edit-nested", |o| {
        o.dialect.nested_card = true;
    }),
    seller(
        "prolong-flat",
        "prolong answer",
        "a renewal answers doc/newexpiredate; the usual doc/doc is what billmanager_noc reads",
        "a document of BILLmanager 5",
        |o| {
            o.dialect.flat_prolong = true;
        },
    ),
    with(
        seller(
            "order-v2",
            "order function",
            "orders go to v2.soft.order.param, the old function is unknown",
            "ISPsystem: New Order API",
            |o| {
                o.dialect.order_api = OrderApi::New;
            },
        ),
        &[("upstream", "order_api = \"v2\"")],
    ),
    seller(
        "wizard-unavailable",
        "unsold",
        "a tariff that is not sold is refused with wizard_unavailable",
        "a general client of BILLmanager 6, 2026",
        |o| {
            o.dialect.unsold = Unsold::Wizard;
        },
    ),
    seller(
        "no-tariff-plans",
        "unsold",
        "a tariff that is not sold is refused with a text only",
        "clients of BILLmanager 6 in React",
        |o| {
            o.dialect.unsold = Unsold::NoTariffs;
        },
    ),
    seller(
        "captcha",
        "door",
        "logins are refused with captcha_verification_failed",
        "a general client of BILLmanager 6, 2026",
        |o| {
            o.dialect.door = Door::Captcha;
        },
    ),
    seller("captcha-text", "door", "the same, said by the text only", "assumed, likewise", |o| {
        o.dialect.door = Door::CaptchaText;
    }),
    seller(
        "allow-list",
        "door",
        "the account lets in other addresses only",
        "firstvds.ru: access to the API by IP address",
        |o| {
            o.dialect.door = Door::AllowList;
        },
    ),
    seller("numbered-keys", "keys", "a key begins with the number of its license", UPMIND, |o| {
        o.dialect.numbered_keys = true;
    }),
    seller(
        "limited-reads",
        "pace",
        "22 reads of single licenses at once, then one each 40 ms, else HTTP 503",
        "joonte/jbs sleeps between reads; no limit is published",
        |o| {
            o.dialect.pace = Some(Pace { burst: 22, refill_ms: 40 });
        },
    ),
    seller("slow-answers", "speed", "each answer takes 30 ms", "joonte/jbs waits 10 s after each change", |o| {
        o.dialect.slow_ms = 30;
    }),
    seller("names-escaped", "names", "a name is stored with `&amp;` for `&`", "bug reports of other modules", |o| {
        o.dialect.names = Names::Escaped;
    }),
    seller("names-cut", "names", "a name is cut to 32 letters", "bug reports of other modules", |o| {
        o.dialect.names = Names::Cut;
    }),
    seller("names-squeezed", "names", "white space of a name is made single blanks", "assumed, likewise", |o| {
        o.dialect.names = Names::Squeezed;
    }),
    with(
        seller("amounts-spaces", "amounts", "amounts as 1 234,56 EUR in one field", "clients of BILLmanager 6", |o| {
            o.dialect.amounts = Amounts::Spaces;
        }),
        ASKS_BALANCE,
    ),
    with(
        seller(
            "amounts-commas",
            "amounts",
            "amounts as 1,234.56 EUR in one field",
            "assumed: an English locale",
            |o| {
                o.dialect.amounts = Amounts::Commas;
            },
        ),
        ASKS_BALANCE,
    ),
    with(
        seller("amounts-points", "amounts", "amounts as 1.234,56 EUR in one field", "assumed: a German locale", |o| {
            o.dialect.amounts = Amounts::Points;
        }),
        ASKS_BALANCE,
    ),
    seller(
        "remoteid-in-form",
        "remoteid",
        "remoteid is in the form, not in lists",
        "ISPsystem: Licenses (soft)",
        |o| {
            o.list_remoteid = false;
        },
    ),
    seller("no-remoteid", "remoteid", "remoteid is never shown", "assumed: joonte/jbs never sends one", |o| {
        (o.list_remoteid, o.remoteid_returned) = (false, false);
    }),
    seller("domains-counted", "domains", "the form of a license has webdomains", UPMIND, |o| {
        o.dialect.counts_domains = true;
    }),
    seller(
        "offers",
        "offers",
        "pricelist.export tells what is sold to the account",
        "price pages and comparison sites, in use",
        |o| {
            o.offers = Offers::Export;
        },
    ),
    seller(
        "offers-in-form",
        "offers",
        "soft.order lists what is sold to the account, under tariflist",
        "a general client of BILLmanager 6, 2026, with virtual servers",
        |o| {
            o.offers = Offers::OrderForm;
        },
    ),
    seller(
        "remoteip-hidden",
        "outward address",
        "remoteip is taken and never shown",
        "assumed: only joonte/jbs is known to read it",
        |o| {
            o.dialect.hides_remoteip = true;
        },
    ),
    seller(
        "newest-first",
        "list order",
        "lists begin with the newest license",
        "the order of lists is chosen by the account",
        |o| {
            o.list_newest_first = true;
        },
    ),
    seller("forgets-deleted", "deleted", "a deleted license is in no list and has no form", "assumed", |o| {
        (o.list_deleted, o.forget_deleted) = (false, true);
    }),
    seller("late-keys", "late keys", "a new license is in processing and shows its key at the third look", NOC, |o| {
        (o.key_after_reads, o.late_key_status) = (2, 5);
    }),
    seller("russian", "country", "the Russian billing: its codes, roubles", JBS, |o| {
        o.country = Country::Russian;
    }),
    panel(
        "item-zero",
        "no item",
        "checks of an order form carry --item 0",
        FRAMEWORK,
        Change::Calls(|c| c.no_item = Some("0")),
    ),
    panel(
        "item-empty",
        "no item",
        "checks of an order form carry an empty --item",
        "assumed, likewise",
        Change::Calls(|c| c.no_item = Some("")),
    ),
    panel(
        "operation-zero",
        "operation",
        "commands carry --runningoperation 0",
        FRAMEWORK,
        Change::Calls(|c| c.no_operation = Some("0")),
    ),
    panel(
        "operation-empty",
        "operation",
        "commands carry an empty --runningoperation",
        "assumed, likewise",
        Change::Calls(|c| c.no_operation = Some("")),
    ),
    panel(
        "extra-options",
        "options",
        "commands carry options that nobody asked for, some of them empty",
        "bill-pter-bridge, bill-nextcloud: --userid, --password",
        Change::Calls(|c| c.extra = EXTRA),
    ),
    panel(
        "typed-import",
        "import",
        "an import names the item type and the service's status",
        "bdolgov/pmopenprovider, openprovider/op-billmanager5-domains",
        Change::Panel(|p| p.typed_import = true),
    ),
    with(
        panel(
            "post-open-both",
            "post-open",
            "a service is active after ITEMTYPE.open and service.postopen",
            "bdolgov/pmopenprovider; sslstore of ISPsystem",
            Change::Panel(|p| p.post_open_both = true),
        ),
        &[("", "post_open = \"both\"")],
    ),
    panel(
        "paid-end-moved",
        "end",
        "a payment moves the end before prolong is called",
        "assumed: no document says which",
        Change::Panel(|p| p.post_moves_end = false),
    ),
    panel(
        "one-parameter",
        "saveparam",
        "service.saveparam takes one parameter at a time",
        FRAMEWORK,
        Change::Panel(|p| p.saveparam_refuses_names = true),
    ),
];

/// Options of a newer panel; some are empty, one is of no known name.
const EXTRA: &[&str] = &[
    "--userid",
    "3",
    "--level",
    "29",
    "--lang",
    "ru",
    "--id",
    "",
    "--addon",
    "",
    "--searchstring",
    "",
    "--sandbox",
    "on",
];
