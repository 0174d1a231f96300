//! show: one service or license, as panel, state and seller have it. If one of the three does not answer, it is named,
//! and the others are shown.

use std::collections::BTreeSet;

use serde_json::json;

use super::find::{Subject, subject};
use super::list::{key_end, state_words, status_words};
use super::problems::{self, Problem};
use super::table::{table, wrapped};
use super::usage::Usage;
use super::{Answer, Desk, dash, day};
use crate::engine::state_error;
use crate::error::{ErrorKind, ModuleError, Text};
use crate::model::ids::{ItemId, LicenseId, ModuleId};
use crate::model::item::{Item, ItemStatus};
use crate::model::license::{Family, License, LicenseStatus};
use crate::model::license_row::LicenseRow;
use crate::plan::takeover::named;
use crate::session::modules_in_use;
use crate::text;

/// One line: its stable name, its label, and the values in panel, state and seller.
type Line = (&'static str, Text, [String; 3]);

/// `show`
///
/// # Errors
/// `missed`, `bad_value`: the word fits nothing, or several things.
pub fn show(desk: &mut Desk<'_>, word: &str) -> Result<Answer, ModuleError> {
    let mut notes = Vec::new();
    let Meant { item, row, panel, number, module } = meant(desk, word, &mut notes)?;
    let family = row.as_ref().map(|row| row.family);
    let seen = number.and_then(|id| upstream(desk, module, family, id, &mut notes));
    if item.is_none() && row.is_none() && seen.is_none() {
        return Err(nowhere(word, &notes));
    }
    if let (None, Some(seen)) = (&row, &seen) {
        notes.push(foreign(desk, item, seen)?);
    }
    if let (Some(item), Some(row)) = (item, &row)
        && row.incarnation.is_none()
    {
        notes.push(text!(
            "license {} served service {item} last",
            "лицензия {} последней обслуживала услугу {item}",
            row.id
        ));
    }
    let usage =
        [row.as_ref().map(LicenseRow::as_last_seen).as_ref(), seen.as_ref()].map(|look| usage(desk, module, look?));
    notes.extend(number.zip(usage[1].or(usage[0])).and_then(|(id, usage)| nearly_full(id, usage)));
    let problems = {
        let store = desk.store()?;
        problems::read(desk, &store)?
    };
    let problems = problems.about(item, row.as_ref().map(|row| (row.account, row.id)));
    let sides = Sides { panel: panel.as_ref(), row: row.as_ref(), seen: seen.as_ref() };
    let mut lines = lines(&sides);
    lines.extend(domains(usage));
    Ok(page(desk, item, &sides, &lines, &notes, &problems))
}

/// A service and its license as panel, state and seller show them, as far as these answered.
struct Sides<'s> {
    panel: Option<&'s Item>,
    row: Option<&'s LicenseRow>,
    seen: Option<&'s License>,
}

/// The service and the license that an operator named, as far as the state and the panel know them.
pub(super) struct Meant {
    pub item: Option<ItemId>,
    pub row: Option<LicenseRow>,
    pub panel: Option<Item>,
    pub number: Option<LicenseId>,
    pub module: Option<ModuleId>,
}

/// Finds out which service and license are meant. Adds a note for a source that cannot be asked.
///
/// # Errors
/// `missed`, `bad_value`: the word fits nothing, or several things.
pub(super) fn meant(desk: &mut Desk<'_>, word: &str, notes: &mut Vec<Text>) -> Result<Meant, ModuleError> {
    let store = desk.store()?;
    let (item, row, number) = match subject(desk, &store, word)? {
        Subject::Item(item) => {
            let mut rows = store.licenses_of_item(item).map_err(state_error)?;
            rows.sort_by_key(|row| row.incarnation.is_some());
            (Some(item), rows.pop().filter(|row| row.incarnation.is_some()), None)
        }
        Subject::License(row) => (row.item, Some(*row), None),
        Subject::Unknown(id) => (None, None, Some(id)),
    };
    let panel = item.and_then(|item| in_panel(desk, item, notes));
    let shown = panel.as_ref().and_then(|item| item.params.licid);
    let number = number.or(row.as_ref().map(|row| row.id)).or(shown);
    let module = row.as_ref().map(|row| row.module).or(panel.as_ref().and_then(|item| item.module));
    Ok(Meant { item, row, panel, number, module })
}

fn in_panel(desk: &mut Desk<'_>, item: ItemId, notes: &mut Vec<Text>) -> Option<Item> {
    let read = desk.ctx.data.billdb().and_then(|db| db.item(item).map_err(crate::context::database_error));
    match read {
        Ok(Some(item)) => Some(item),
        Ok(None) => {
            notes.push(text!("the panel has no service {item}", "в панели нет услуги {item}"));
            None
        }
        Err(error) => {
            let why = &error.message;
            notes.push(text!(
                ["the panel's database does not answer: {}", why.en],
                ["база панели недоступна: {}", why.ru]
            ));
            None
        }
    }
}

fn upstream(
    desk: &mut Desk<'_>,
    module: Option<ModuleId>,
    family: Option<Family>,
    id: LicenseId,
    notes: &mut Vec<Text>,
) -> Option<License> {
    let modules = match module {
        Some(module) => vec![module],
        None => our_modules(desk).unwrap_or_default(),
    };
    let families = family.map_or_else(|| vec![Family::Soft, Family::SoftExternal], |family| vec![family]);
    for module in modules {
        let client = desk.ctx.data.access(module).and_then(|access| desk.ctx.connector.connect(&access));
        let mut client = match client {
            Ok(client) => client,
            Err(error) => {
                let why = &error.message;
                notes.push(text!(
                    ["module {module} cannot be used: {}", why.en],
                    ["модуль {module} непригоден: {}", why.ru]
                ));
                continue;
            }
        };
        for family in &families {
            match client.license(*family, id) {
                Ok(seen) => return Some(seen),
                Err(crate::ports::CallError::Refused(refusal))
                    if refusal.kind == crate::ports::RefusalKind::NotFound => {}
                Err(error) => {
                    let why = error.words();
                    notes.push(text!(["reading license {id}: {}", why.en], ["чтение лицензии {id}: {}", why.ru]));
                    return None;
                }
            }
        }
    }
    notes.push(text!("the seller has no license {id}", "у продавца нет лицензии {id}"));
    None
}

/// Active modules of ours.
///
/// # Errors
/// `mgrctl`, `database`
pub fn our_modules(desk: &mut Desk<'_>) -> Result<Vec<ModuleId>, ModuleError> {
    Ok(modules_in_use(desk.ctx)?.iter().map(|module| module.id).collect())
}

fn page(
    desk: &Desk<'_>,
    item: Option<ItemId>,
    sides: &Sides<'_>,
    lines: &[Line],
    notes: &[Text],
    problems: &[&Problem],
) -> Answer {
    let Sides { panel, row, seen } = *sides;
    let mut cells = Vec::new();
    let mut fields = serde_json::Map::new();
    for (name, title, values) in lines {
        let differs = differs(values);
        let mark = if differs { "*" } else { " " };
        let mut cell = vec![format!("{mark}{}", desk.say(title))];
        cell.extend(values.iter().map(|value| desk.say(&for_people(name, value)).to_owned()));
        // Nobody reads a line of dashes. Programs find every field.
        if is_known(values) {
            cells.push(cell);
        }
        let [panel, state, upstream] = values;
        fields.insert(
            (*name).to_owned(),
            json!({ "panel": panel, "state": state, "upstream": upstream, "differs": differs }),
        );
    }
    let head = text!(" |PANEL|STATE|SELLER", " |ПАНЕЛЬ|СОСТОЯНИЕ|ПРОДАВЕЦ");
    let head: Vec<&str> = desk.say(&head).split('|').collect();
    let mut text = String::new();
    if let Some(item) = item {
        let name = panel.map_or("", |item| item.name.as_str());
        text.push_str(&format!("{} {name}\n", desk.say(&text!("service {item}", "услуга {item}"))));
    }
    if let Some(row) = row {
        let (id, state) = (row.id, state_words(row.state));
        let title = text!(["license {id}, {}", state.en], ["лицензия {id}, {}", state.ru]);
        text.push_str(&format!("{}\n", desk.say(&title)));
    }
    text.push_str(&table(&head, &cells, desk.width));
    for note in notes {
        text.push_str(&format!("{}\n", wrapped(desk.say(note), desk.width, 2)));
    }
    text.push_str(&problems::lines(desk, problems.iter().copied()));
    let (words, problems): (Vec<_>, Vec<_>) =
        problems.iter().map(|one| (one.kind.word(), problems::to_json(one, desk.ctx.lang))).unzip();
    let notes: Vec<&str> = notes.iter().map(|note| desk.say(note)).collect();
    let json = json!({
        "item": item.map(|item| item.0),
        "license": row.map(|row| row.id).or(seen.map(|seen| seen.id)).map(|id| id.0),
        "held": row.map(|row| row.state.word()),
        "fields": fields,
        "notes": notes,
        "problems": words,
        "advice": problems,
    });
    Answer::new("show", text, json)
}

/// True if the panel, the state or the seller knows the value.
fn is_known(values: &[String; 3]) -> bool {
    values.iter().any(|value| value != "-")
}

/// Whether two of the known values differ.
fn differs(values: &[String; 3]) -> bool {
    let said: Vec<&String> = values.iter().filter(|value| *value != "-").collect();
    said.windows(2).any(|pair| pair[0] != pair[1])
}

fn lines(sides: &Sides<'_>) -> Vec<Line> {
    let Sides { panel, row, seen } = *sides;
    let none = || "-".to_owned();
    let of = |panel: String, state: String, upstream: String| [panel, state, upstream];
    let key = |key: Option<&crate::model::ids::LicenseKey>| key.map_or_else(none, |key| key_end(key.reveal()));
    vec![
        (
            "license",
            text!("number", "номер"),
            of(dash(panel.and_then(|i| i.params.licid)), dash(row.map(|r| r.id)), dash(seen.map(|s| s.id))),
        ),
        (
            "name",
            text!("name", "имя"),
            of(
                dash(panel.and_then(|i| i.params.licname.clone())),
                dash(row.map(|r| &r.name)),
                dash(seen.and_then(|s| s.name.as_ref())),
            ),
        ),
        (
            "ip",
            text!("address", "IP"),
            of(
                dash(panel.and_then(|i| i.params.ip.clone().or_else(|| i.ips.first().map(ToString::to_string)))),
                dash(row.and_then(|r| r.ip)),
                dash(seen.and_then(|s| s.ip)),
            ),
        ),
        (
            "key",
            text!("key", "ключ"),
            of(
                key(panel.and_then(|i| i.params.lickey.as_ref())),
                key(row.and_then(|r| r.key.as_ref())),
                key(seen.and_then(|s| s.key.as_ref())),
            ),
        ),
        (
            "tariff",
            text!("tariff", "тариф"),
            of(none(), dash(row.map(|r| r.pricelist)), dash(seen.and_then(|s| s.tariff.id()))),
        ),
        (
            "status",
            text!("status", "статус"),
            of(
                panel.map_or_else(none, |i| item_status(i.status)),
                row.map_or_else(none, |r| status(r.status)),
                seen.map_or_else(none, |s| status(s.status)),
            ),
        ),
        (
            "expires",
            text!("license until", "лицензия до"),
            of(none(), dash(row.map(|r| r.expires)), dash(seen.map(|s| s.expires))),
        ),
        (
            "paid_until",
            text!("paid until", "оплачено до"),
            of(panel.map_or_else(none, |i| day(i.expires)), none(), none()),
        ),
        (
            "autoprolong",
            text!("renews itself", "автопродление"),
            of(
                none(),
                none(),
                seen.and_then(|s| s.autoprolong).map_or_else(none, |on| if on { "on".into() } else { "off".into() }),
            ),
        ),
        (
            "ip_changed",
            text!("address since", "IP с"),
            of(none(), row.map_or_else(none, |r| day(r.ip_changed)), seen.map_or_else(none, |s| day(s.ip_changed))),
        ),
    ]
}

/// A value of the line with this stable name for people. Programs read the word itself.
fn for_people(name: &str, value: &str) -> Text {
    match (name, value) {
        ("status", "ordered") => status_words(LicenseStatus::Ordered),
        ("status", "active") => status_words(LicenseStatus::Active),
        ("status", "stopped") => status_words(LicenseStatus::Stopped),
        ("status", "deleted") => status_words(LicenseStatus::Deleted),
        ("status", "processing") => status_words(LicenseStatus::Processing),
        ("autoprolong", "on") => text!("on", "да"),
        ("autoprolong", "off") => text!("off", "нет"),
        (_, value) => Text::same(value),
    }
}

/// The same lines from this machine alone: the seller as the state saw it last. A title, then panel, state and seller.
pub fn as_last_seen(desk: &Desk<'_>, panel: Option<&Item>, row: Option<&LicenseRow>) -> Vec<[String; 4]> {
    let seen = row.map(LicenseRow::as_last_seen);
    let mut lines = lines(&Sides { panel, row, seen: seen.as_ref() });
    let usage = seen.as_ref().and_then(|seen| usage(desk, row.map(|row| row.module), seen));
    lines.extend(domains([usage, usage]));
    let with_title = |(name, title, values): Line| {
        let [panel, state, seller] = values.map(|value| desk.say(&for_people(name, &value)).to_owned());
        [desk.say(&title).to_owned(), panel, state, seller]
    };
    lines.into_iter().filter(|(.., values)| is_known(values)).map(with_title).collect()
}

/// Domains in use as a look showed them.
fn usage(desk: &Desk<'_>, module: Option<ModuleId>, look: &License) -> Option<Usage> {
    let used = look.domains?;
    let catalogue = desk.ctx.settings.rules(module).catalogue;
    let product = look.tariff.id().and_then(|tariff| catalogue.by_pricelist(tariff));
    Some(Usage { used, limit: product.and_then(|product| product.domains) })
}

/// Domains in use and the product's limit, as state and seller know them. No line if neither knows them.
fn domains(usage: [Option<Usage>; 2]) -> Option<Line> {
    usage.iter().any(Option::is_some).then(|| {
        let [state, upstream] = usage.map(dash);
        ("domains", text!("domains", "домены"), ["-".to_owned(), state, upstream])
    })
}

fn nearly_full(id: LicenseId, usage: Usage) -> Option<Text> {
    let (used, limit) = (usage.used, usage.limit.filter(|_| usage.is_nearly_full())?);
    let happened =
        text!("License {id} uses {used} of {limit} domains", "Лицензия {id}: доменов занято {used}, допустимо {limit}");
    let message = happened
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!("offer the client a larger product", "предложите клиенту старший тариф"));
    Some(message.text())
}

pub(super) fn status(status: LicenseStatus) -> String {
    match status {
        LicenseStatus::Ordered => "ordered".into(),
        LicenseStatus::Active => "active".into(),
        LicenseStatus::Stopped => "stopped".into(),
        LicenseStatus::Deleted => "deleted".into(),
        LicenseStatus::Processing => "processing".into(),
        LicenseStatus::Absent => "?".into(),
        LicenseStatus::Unknown(number) => number.to_string(),
    }
}

/// The status of a service in the words for licenses: a suspended service has a stopped license.
fn item_status(item: ItemStatus) -> String {
    match item {
        ItemStatus::Ordered => "ordered".into(),
        ItemStatus::Active => "active".into(),
        ItemStatus::Suspended => "stopped".into(),
        ItemStatus::Deleted => "deleted".into(),
        ItemStatus::Processing => "processing".into(),
        ItemStatus::Unknown(number) => number.to_string(),
    }
}

/// A license at the seller that our state does not know: whose it is, and the command that would bind it.
fn foreign(desk: &Desk<'_>, item: Option<ItemId>, seen: &License) -> Result<Text, ModuleError> {
    let (id, ours) = (seen.id, desk.store()?.panel_id().map_err(state_error)?);
    let item = item.or_else(|| named(seen, &BTreeSet::new()).keys().next().copied()).map(|item| item.to_string());
    let (en, ru) = (item.as_deref().unwrap_or("ITEM"), item.as_deref().unwrap_or("УСЛУГА"));
    Ok(match seen.remoteid.mark() {
        Some(mark) if *mark.panel() == ours => text!(
            "License {id} bears our mark, and this state does not know it",
            "На лицензии {id} наша метка, а состояние её не знает"
        )
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!("pmisplicense reconcile", "pmisplicense reconcile"))
        .text(),
        Some(mark) => {
            let panel = mark.panel().as_str();
            text!(
                "License {id} is foreign: it bears the mark of installation {panel}",
                "Лицензия {id} чужая: на ней метка установки {panel}"
            )
            .changed(never_changed())
            .next(text!(
                "to bind it to a service of this panel anyway: pmisplicense bind {en} {id} --take-from {panel}",
                "чтобы всё же привязать её к услуге этой панели: pmisplicense bind {ru} {id} --take-from {panel}"
            ))
            .text()
        }
        None => text!(
            "License {id} is foreign: this installation neither bought nor bound it",
            "Лицензия {id} чужая: эта установка её не покупала и не привязывала"
        )
        .changed(never_changed())
        .next(text!(
            "to bind it to a service of this panel: pmisplicense bind {en} {id}",
            "чтобы привязать её к услуге этой панели: pmisplicense bind {ru} {id}"
        ))
        .text(),
    })
}

fn never_changed() -> Text {
    text!("No run changes it", "Программа её не меняет")
}

fn nowhere(word: &str, notes: &[Text]) -> ModuleError {
    let list = |of: fn(&Text) -> &String| notes.iter().map(|note| of(note).as_str()).collect::<Vec<_>>().join("; ");
    ModuleError::new(
        ErrorKind::Missed,
        "what",
        word,
        text!(["{word} was not found: {}", list(|text| &text.en)], ["{word}: не найдено: {}", list(|text| &text.ru)]),
    )
}
