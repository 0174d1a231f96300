//! Servers with a control panel (docs/licensing-rules.md 9): compares the license that a server has with the license
//! that the panel asks for, and returns the next step. The sweep carries the step out by the code of the panel's
//! commands, so doing it twice does no harm.

use chrono::{DateTime, NaiveDate, Utc};

use super::change::{DesiredLicense, Difference, Switch, differences, switch};
use super::choice::{Choice, NoChoice};
use super::guard::Kind;
use super::renew::is_paid;
use crate::error::{ErrorKind, ModuleError, Text};
use crate::model::ids::{ItemId, LicenseId};
use crate::model::item::{Item, ItemStatus};
use crate::model::license::License;
use crate::model::license_row::LicenseRow;
use crate::text;

/// A step that is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// The server has no license yet.
    Open,
    /// The server is suspended, its license runs.
    Suspend,
    /// The server is active, its license is stopped.
    Resume,
    /// The server was resumed, and its license is gone: it gets another one.
    Obtain,
    /// The server is closed.
    Close,
    /// No control panel is wanted any more.
    Drop,
    /// Another product, address, name or number of nodes.
    Change,
}

impl Step {
    /// The kind that the guard of many changes counts (docs/money-safety.md 6); `None`: not counted.
    pub fn kind(self) -> Option<Kind> {
        match self {
            Self::Open | Self::Obtain => Some(Kind::Orders),
            Self::Suspend => Some(Kind::Stops),
            Self::Close | Self::Drop => Some(Kind::Frees),
            Self::Change => Some(Kind::Changes),
            Self::Resume => None,
        }
    }

    /// Whether the server gets a license that it did not have. Only such a step may buy one: it is counted as an order,
    /// and made only after a look at the seller.
    pub fn obtains(self) -> bool {
        match self {
            Self::Open | Self::Obtain => true,
            Self::Suspend | Self::Resume | Self::Close | Self::Drop | Self::Change => false,
        }
    }
}

/// What the comparison of one server led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Nothing is to be done.
    Nothing,
    /// This step, for that reason.
    Do(Step, Text),
    /// An operator should know about it; nothing is done.
    Report(Text),
    /// The server is paid for, and no sweep can give it what it needs: it has no license, or it is not known what it
    /// asks of one.
    Fail(ModuleError),
    /// The catalogue does not have the chosen name. The server is skipped, and the name is listed with the other
    /// unknown ones.
    UnknownName(String),
}

/// What we have for a server.
#[derive(Debug, Clone, Copy)]
pub struct ServerLicense<'h> {
    /// The license that its present incarnation holds.
    pub row: Option<&'h LicenseRow>,
    /// An order of it is in doubt.
    pub in_doubt: bool,
    /// The license that its present incarnation held last, unless it was given back on purpose.
    pub lost: Option<LicenseId>,
    /// An event of the panel named this server.
    pub noted: bool,
}

/// Compares one server. `desired`: what it asks of its license, or why that cannot be decided.
pub fn plan(
    item: &Item,
    choice: &Result<Choice<'_>, NoChoice>,
    desired: Option<&Result<DesiredLicense, ModuleError>>,
    have: ServerLicense<'_>,
    today: NaiveDate,
    now: DateTime<Utc>,
) -> Plan {
    let id = item.id;
    match item.status {
        ItemStatus::Deleted if have.row.is_some() || have.in_doubt => {
            return Plan::Do(Step::Close, text!("server {id} is closed", "сервер {id} закрыт"));
        }
        ItemStatus::Active | ItemStatus::Suspended => {}
        ItemStatus::Deleted | ItemStatus::Ordered | ItemStatus::Processing => return Plan::Nothing,
        ItemStatus::Unknown(number) => {
            return Plan::Report(text!("server {id} has the status {number}", "сервер {id} в состоянии {number}"));
        }
    }
    if let Ok(Choice::Nopanel) = choice {
        return match have.row {
            Some(_) => Plan::Do(
                Step::Drop,
                text!("server {id} needs no control panel", "серверу {id} не нужна панель управления"),
            ),
            None => Plan::Nothing,
        };
    }
    // A license is stopped and started by status alone, whatever else about its server cannot be decided.
    if let Some(step) = have.row.and_then(|row| switched(item, row, today)) {
        return step;
    }
    match choice {
        Ok(Choice::Product(_)) => match (have.row, desired) {
            (Some(row), Some(Ok(desired))) => compare(item, row, desired, today, now),
            (None, Some(Ok(_))) => without_license(item, have),
            (_, Some(Err(error))) => undecided(item, error, today),
            (_, None) => Plan::Nothing,
        },
        Err(NoChoice::UnknownName(name, _)) => Plan::UnknownName(name.to_string()),
        Err(NoChoice::NotOurs(_)) if have.row.is_none() => Plan::Nothing,
        Err(NoChoice::NotOurs(error)) => Plan::Report(about(item, error)),
        Err(NoChoice::Unclear(error)) => undecided(item, error, today),
        Ok(Choice::Nopanel) => Plan::Nothing,
    }
}

/// What a server asks of its license cannot be decided. Where a client pays for it, that is a failure.
fn undecided(item: &Item, error: &ModuleError, today: NaiveDate) -> Plan {
    if is_paid(item, today) { Plan::Fail(error.clone()) } else { Plan::Report(about(item, error)) }
}

fn switched(item: &Item, row: &LicenseRow, today: NaiveDate) -> Option<Plan> {
    let (id, license) = (item.id, row.id);
    Some(match switch(item, &row.as_last_seen(), today)? {
        Switch::Stop => Plan::Do(
            Step::Suspend,
            text!(
                "server {id} is suspended, license {license} runs",
                "сервер {id} приостановлен, лицензия {license} работает"
            ),
        ),
        Switch::Start => Plan::Do(
            Step::Resume,
            text!(
                "server {id} is active, license {license} is stopped",
                "сервер {id} активен, лицензия {license} остановлена"
            ),
        ),
    })
}

fn about(item: &Item, error: &ModuleError) -> Text {
    let id = item.id;
    text!(["server {id}: {}", error.message.en], ["сервер {id}: {}", error.message.ru])
}

fn without_license(item: &Item, have: ServerLicense<'_>) -> Plan {
    let id = item.id;
    match (item.status, have.lost) {
        (ItemStatus::Active, None) => Plan::Do(
            Step::Open,
            text!("server {id} is active and has no license", "сервер {id} активен, лицензии у него нет"),
        ),
        (ItemStatus::Active, Some(license)) if have.noted => Plan::Do(
            Step::Obtain,
            text!("license {license} of server {id} is gone", "лицензии {license} сервера {id} больше нет"),
        ),
        (ItemStatus::Active, Some(license)) => Plan::Fail(gone(id, license)),
        // A server that is not active gets no new license.
        _ => Plan::Nothing,
    }
}

/// The license of a server is gone, and this sweep gets it no other one.
pub fn gone(server: ItemId, license: LicenseId) -> ModuleError {
    let words = text!("License {license} of server {server} is gone", "Лицензии {license} сервера {server} больше нет");
    ModuleError::new(ErrorKind::LicenseGone, "licid", license, words)
        .changed(text!("A sweep orders no new one", "Сверка новую не заказывает"))
        .next(text!(
            "resume the server, or run pmisplicense --command resume --item {server}",
            "возобновите сервер или выполните pmisplicense --command resume --item {server}"
        ))
}

fn compare(item: &Item, row: &LicenseRow, desired: &DesiredLicense, today: NaiveDate, now: DateTime<Utc>) -> Plan {
    let (id, license) = (item.id, row.id);
    let seen = last_look(row, desired);
    let waits = row.not_before.is_some_and(|until| until > now);
    let found = differences(item, desired, row, &seen, today);
    let due = |difference: &&Difference| !(waits && matches!(difference, Difference::Ip(_)));
    let names: Vec<&'static str> = found.iter().filter(due).map(name_of).collect();
    if names.is_empty() {
        return Plan::Nothing;
    }
    let list = names.join(", ");
    Plan::Do(
        Step::Change,
        text!(
            "license {license} differs from what server {id} needs: {list}",
            "лицензия {license} отличается от нужной серверу {id}: {list}"
        ),
    )
}

fn name_of(difference: &Difference) -> &'static str {
    match difference {
        Difference::Tariff { .. } => "pricelist",
        Difference::Nodes { .. } => "nodes",
        Difference::Ip(_) => "ip",
        Difference::Outward(_) => "remoteip",
        Difference::Name(_) => "licname",
        Difference::Autoprolong => "autoprolong",
        Difference::Running | Difference::NotRunning => "status",
    }
}

/// The license as our state saw it last. The command itself reads it again.
fn last_look(row: &LicenseRow, desired: &DesiredLicense) -> License {
    let addons = desired.nodes.iter().filter_map(|(addon, _)| Some((*addon, row.nodes?))).collect();
    License { addons, ..row.as_last_seen() }
}

/// Whether a license that our state does not know may belong to the server: it has the same address and product, or the
/// same name where the product needs no address.
pub fn may_belong(seen: &License, desired: &DesiredLicense) -> bool {
    let same_place = match desired.ip {
        Some(ip) => seen.ip == Some(ip),
        None => seen.is_named_like(&desired.licname),
    };
    same_place && seen.tariff.may_be(desired.pricelist) && !seen.looks_free()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::catalogue::Catalogue;
    use crate::model::item::test_item;
    use crate::model::license::LicenseTariff;
    use crate::model::license::{FREE_IP, FREE_NAME, LicenseStatus, ends, test_license};
    use crate::model::license_row::test_row;
    use crate::plan::choice::unknown_name;

    fn desired(internal_name: &str, ip: &str) -> DesiredLicense {
        DesiredLicense {
            internal_name: internal_name.into(),
            pricelist: crate::model::ids::UpstreamPricelistId(internal_name.parse().expect("a number")),
            ip: ip.parse().ok(),
            remoteip: None,
            licname: "shop".into(),
            nodes: None,
        }
    }

    fn step(plan: &Plan) -> &'static str {
        match plan {
            Plan::Nothing => "nothing",
            Plan::Do(Step::Open, _) => "open",
            Plan::Do(Step::Suspend, _) => "suspend",
            Plan::Do(Step::Resume, _) => "resume",
            Plan::Do(Step::Obtain, _) => "obtain",
            Plan::Do(Step::Close, _) => "close",
            Plan::Do(Step::Drop, _) => "drop",
            Plan::Do(Step::Change, _) => "change",
            Plan::Report(_) => "report",
            Plan::Fail(_) => "fail",
            Plan::UnknownName(_) => "unknown",
        }
    }

    /// docs/licensing-rules.md 9: active, suspended, resumed, closed, addon and address changed, and what is only
    /// reported.
    #[test]
    fn each_difference_of_a_server_has_its_step_or_its_report() {
        let catalogue = Catalogue::builtin();
        let lite = || Ok(Choice::Product(catalogue.get("55227").expect("Lite")));
        let pro = || Ok(Choice::Product(catalogue.get("55228").expect("Pro")));
        let not_ours = ModuleError::new(ErrorKind::UnsupportedModule, "item", 42, text!("no", "нет"));
        let no_addon = || Err(NoChoice::NotOurs(not_ours.clone()));
        let several = ModuleError::new(ErrorKind::Missed, "panel_addons", "", text!("several", "несколько"));
        let unclear = || Err(NoChoice::Unclear(several.clone()));
        let unknown = || Err(NoChoice::UnknownName("odd".into(), unknown_name("odd", &catalogue)));
        let now = DateTime::parse_from_rfc3339("2027-01-10T12:00:00Z").expect("a moment").to_utc();
        let (same, moved) = (desired("55227", "192.0.2.10"), desired("55227", "192.0.2.11"));
        let other = desired("55228", "192.0.2.10");
        let no_ip = || Err(ModuleError::new(ErrorKind::Missed, "ip", "", text!("no", "нет")));
        let runs = test_row(5001);
        let stopped = LicenseRow { status: LicenseStatus::Stopped, ..runs.clone() };
        let over = LicenseRow { expires: ends("2027-01-10"), ..stopped.clone() };
        let waits = LicenseRow { not_before: Some(now + chrono::Duration::hours(1)), ..runs.clone() };
        let waited = LicenseRow { not_before: Some(now), ..runs.clone() };
        let none = ServerLicense { row: None, in_doubt: false, lost: None, noted: false };
        let has = |row| ServerLicense { row: Some(row), ..none };
        let lost = ServerLicense { lost: Some(LicenseId(5001)), ..none };
        for (case, status, choice, desired, have, want) in [
            ("became active", 2, lite(), Ok(same.clone()), none, "open"),
            ("ordered, not active yet", 1, lite(), Ok(same.clone()), none, "nothing"),
            ("in processing", 5, lite(), Ok(same.clone()), none, "nothing"),
            ("suspended, never had one", 3, lite(), Ok(same.clone()), none, "nothing"),
            ("as it should be", 2, lite(), Ok(same.clone()), has(&runs), "nothing"),
            ("suspended", 3, lite(), Ok(same.clone()), has(&runs), "suspend"),
            ("suspended and stopped", 3, lite(), Ok(same.clone()), has(&stopped), "nothing"),
            ("resumed", 2, lite(), Ok(same.clone()), has(&stopped), "resume"),
            ("stopped because it ran out", 2, lite(), Ok(same.clone()), has(&over), "nothing"),
            ("closed", 4, lite(), Ok(same.clone()), has(&runs), "close"),
            ("closed without", 4, lite(), Ok(same.clone()), none, "nothing"),
            ("closed in doubt", 4, lite(), Ok(same.clone()), ServerLicense { in_doubt: true, ..none }, "close"),
            ("closed, unknown name", 4, unknown(), Ok(same.clone()), has(&runs), "close"),
            ("another panel", 2, pro(), Ok(other), has(&runs), "change"),
            ("another address", 2, lite(), Ok(moved.clone()), has(&runs), "change"),
            ("another address, month just over", 2, lite(), Ok(moved.clone()), has(&waited), "change"),
            ("another address, month not over", 2, lite(), Ok(moved), has(&waits), "nothing"),
            ("panel dropped", 2, Ok(Choice::Nopanel), Ok(same.clone()), has(&runs), "drop"),
            ("no panel, none held", 2, Ok(Choice::Nopanel), Ok(same.clone()), none, "nothing"),
            ("unknown name", 2, unknown(), Ok(same.clone()), none, "unknown"),
            ("no addon", 2, no_addon(), Ok(same.clone()), none, "nothing"),
            ("addon taken away", 2, no_addon(), Ok(same.clone()), has(&runs), "report"),
            ("no address", 2, lite(), no_ip(), none, "fail"),
            ("no address, its license runs", 2, lite(), no_ip(), has(&runs), "fail"),
            ("no address, resumed", 2, lite(), no_ip(), has(&stopped), "resume"),
            ("no address, its license ran out", 2, lite(), no_ip(), has(&over), "fail"),
            ("no address, suspended", 3, lite(), no_ip(), has(&runs), "suspend"),
            ("no address, suspended and stopped", 3, lite(), no_ip(), has(&stopped), "report"),
            ("no address, suspended, never had one", 3, lite(), no_ip(), none, "report"),
            ("no address, closed", 4, lite(), no_ip(), has(&runs), "close"),
            ("choice unclear", 2, unclear(), Ok(same.clone()), none, "fail"),
            ("choice unclear, resumed", 2, unclear(), Ok(same.clone()), has(&stopped), "resume"),
            ("choice unclear, suspended", 3, unclear(), Ok(same.clone()), has(&runs), "suspend"),
            ("unknown name, suspended", 3, unknown(), Ok(same.clone()), has(&runs), "suspend"),
            ("unknown name, resumed", 2, unknown(), Ok(same.clone()), has(&stopped), "resume"),
            ("addon taken away, suspended", 3, no_addon(), Ok(same.clone()), has(&runs), "suspend"),
            ("license gone", 2, lite(), Ok(same.clone()), lost, "fail"),
            ("license gone, resumed", 2, lite(), Ok(same.clone()), ServerLicense { noted: true, ..lost }, "obtain"),
            ("unknown status", 9, lite(), Ok(same.clone()), has(&runs), "report"),
        ] {
            let item = Item { itemtype: "vds".into(), status: ItemStatus::from_number(status), ..test_item(42) };
            let got = plan(&item, &choice, Some(&desired), have, now.date_naive(), now);
            assert_eq!(step(&got), want, "{case}: {got:?}");
        }
        // A server that no client pays for does not make a pass fail.
        let overdue = Item { itemtype: "vds".into(), expires: Some(now.date_naive()), ..test_item(42) };
        let got = plan(&overdue, &lite(), Some(&no_ip()), none, now.date_naive(), now);
        assert_eq!(step(&got), "report", "{got:?}");
    }

    /// The guard of many changes counts each step by its kind. Starting a license takes nothing away and buys nothing,
    /// so it is not counted. A step that obtains a license is always counted as an order.
    #[test]
    fn every_step_but_a_resumption_is_counted_by_its_kind() {
        for (step, kind) in [
            (Step::Open, Some(Kind::Orders)),
            (Step::Obtain, Some(Kind::Orders)),
            (Step::Suspend, Some(Kind::Stops)),
            (Step::Close, Some(Kind::Frees)),
            (Step::Drop, Some(Kind::Frees)),
            (Step::Change, Some(Kind::Changes)),
            (Step::Resume, None),
        ] {
            assert_eq!(step.kind(), kind, "{step:?}");
            assert_eq!(step.obtains(), kind == Some(Kind::Orders), "{step:?}");
        }
    }

    /// The difference is named, and an error names its server.
    #[test]
    fn a_difference_is_named_and_an_error_names_its_server() {
        let item = Item { itemtype: "vds".into(), status: ItemStatus::from_number(2), ..test_item(42) };
        let catalogue = Catalogue::builtin();
        let now = DateTime::parse_from_rfc3339("2027-01-10T12:00:00Z").expect("a moment").to_utc();
        let row = LicenseRow { nodes: Some(1), name: "old".into(), ..test_row(5001) };
        let have = ServerLicense { row: Some(&row), in_doubt: false, lost: None, noted: false };
        let said = |choice: Result<Choice<'_>, NoChoice>, desired: DesiredLicense| match plan(
            &item,
            &choice,
            Some(&Ok(desired)),
            have,
            now.date_naive(),
            now,
        ) {
            Plan::Do(_, text) | Plan::Report(text) => text.en,
            other @ (Plan::Nothing | Plan::Fail(_) | Plan::UnknownName(_)) => panic!("{other:?}"),
        };
        let product = || Ok(Choice::Product(catalogue.get("55227").expect("Lite")));
        let other = said(product(), desired("55228", "192.0.2.11"));
        assert_eq!(other, "license 5001 differs from what server 42 needs: pricelist, ip, licname");
        let named = said(product(), DesiredLicense { licname: "new".into(), ..desired("55227", "192.0.2.10") });
        assert_eq!(named, "license 5001 differs from what server 42 needs: licname");
        let addon = ModuleError::new(ErrorKind::UnsupportedModule, "item", 42, text!("no addon", "нет"));
        assert_eq!(said(Err(NoChoice::NotOurs(addon)), desired("55227", "192.0.2.10")), "server 42: no addon");
    }

    /// When the seller has a license for a server without one in our state, none is ordered.
    #[test]
    fn a_license_of_the_same_address_and_product_may_be_the_servers() {
        let here = test_license(5001);
        let no_address = DesiredLicense { ip: None, ..desired("55227", "") };
        for (case, seen, desired, want) in [
            ("same address and product", here.clone(), desired("55227", "192.0.2.10"), true),
            ("another address", here.clone(), desired("55227", "192.0.2.11"), false),
            ("another product", here.clone(), desired("55228", "192.0.2.10"), false),
            (
                "product not named",
                License { tariff: LicenseTariff::Absent, ..here.clone() },
                desired("55228", "192.0.2.10"),
                true,
            ),
            ("by name where no address is needed", here.clone(), no_address, true),
            (
                "free",
                License { name: Some(FREE_NAME.into()), ip: Some(FREE_IP), ..here },
                desired("55227", "0.0.0.0"),
                false,
            ),
        ] {
            assert_eq!(may_belong(&seen, &desired), want, "{case}");
        }
    }
}
