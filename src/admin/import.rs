//! import: lists the licenses at the seller that no service has. Chosen licenses become services of the panel, in the
//! same way as by the panel's command. Foreign licenses are imported only when they are chosen.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::progress::Bar;
use super::show::status;
use super::table::{Giving, fitting, wrapped};
use super::takeover::{chosen, refused};
use super::{Answer, Desk, dash};
use crate::cli::{Import, Itemtype};
use crate::engine::{Importable, run_to_end};
use crate::error::{ErrorKind, Lang, ModuleError, Text};
use crate::model::ids::{ItemId, LicenseId, ModuleId};
use crate::model::license::Family;
use crate::pass_report::{PassReport, Scope};
use crate::plan::import::Search;
use crate::session::with_engine;
use crate::text;

/// Columns that a narrow terminal can do without: status, product, expiry.
const GIVING: Giving<'_> = Giving { soft: &[7], spare: &[5, 2, 4] };

/// What was done with the chosen licenses.
#[derive(Default)]
struct Done {
    services: BTreeMap<(ModuleId, LicenseId), ItemId>,
    left: Vec<Text>,
    /// Licenses that `--all` includes and that cannot be imported. The list says why.
    skipped: Vec<Text>,
    report: PassReport,
}

/// `import`
///
/// # Errors
/// Any error that prevents the list. `missed`, `bad_value`: a chosen license is not in the list or cannot be
/// imported, or no operator can be asked. The failure of a single license is part of the answer.
pub fn import(desk: &mut Desk<'_>, args: &Import) -> Result<Answer, ModuleError> {
    let (mut list, mut away) = (Vec::new(), PassReport::default());
    for module in chosen(desk, args.module)? {
        match importable(desk, module, args.itemtype) {
            Ok(found) => list.extend(found),
            // A chosen license may be in the account that could not be read, so nothing is chosen from an incomplete
            // list.
            Err(error) if args.applies() => return Err(error),
            Err(error) => away.failed(module, Scope::Account, error),
        }
    }
    if !args.applies() {
        if let (true, Some(first)) = (list.is_empty(), away.first()) {
            return Err(first.error.clone());
        }
        away.failures().for_each(|entry| desk.ctx.log.error(&format!("import: {}", entry.error)));
        return Ok(told(desk, &list, &Done { report: away, ..Done::default() }, false));
    }
    let wanted = wanted(&list, args)?;
    let skipped = skipped(&list, args);
    if wanted.is_empty() {
        return Ok(told(desk, &list, &Done { skipped, ..Done::default() }, true));
    }
    let shown: Vec<&Importable> = wanted.iter().map(|index| &list[*index]).collect();
    let page = page(desk, &shown, &Done::default());
    (desk.tell)(&page);
    let (count, foreign) = (shown.len(), shown.iter().filter(|one| !one.ours).count());
    let plan = text!(
        "{count} licenses become services of the panel; {foreign} of them are foreign: make sure that nobody else renews those",
        "услугами панели станут лицензии: {count}; из них чужие: {foreign} — убедитесь, что их больше никто не продлевает"
    );
    desk.confirm(&plan, args.yes)?;
    let done = Done { skipped, ..carried_out(desk, &shown) };
    Ok(told(desk, &list, &done, true))
}

fn importable(desk: &mut Desk<'_>, module: ModuleId, only: Option<Itemtype>) -> Result<Vec<Importable>, ModuleError> {
    let families = match only {
        Some(Itemtype::Soft) => vec![Family::Soft],
        Some(Itemtype::Softexternal) => vec![Family::SoftExternal],
        None => vec![Family::Soft, Family::SoftExternal],
    };
    let lang = desk.ctx.lang;
    let bar = Bar(desk.live);
    let tell = &mut *desk.tell;
    let list = with_engine(desk.ctx, module, |engine| {
        let mut list = Vec::new();
        for family in families {
            list.extend(run_to_end(engine.importable(family, &mut |count, total| {
                let words = text!("module {module}: found", "модуль {module}: найдено");
                bar.draw(tell, words.in_lang(lang), count, total);
            }))?);
        }
        Ok(list)
    })?;
    bar.clear(desk.tell);
    Ok(list)
}

/// The positions in the list of the licenses that are to be imported.
fn wanted(list: &[Importable], args: &Import) -> Result<Vec<usize>, ModuleError> {
    let can = |one: &Importable| one.against.is_none() && (one.ours || args.foreign);
    if args.all {
        let places: Vec<usize> = (0..list.len()).filter(|place| can(&list[*place])).collect();
        let twice = places.iter().find(|place| same(list, list[**place].license.id).len() > 1);
        return twice.map_or(Ok(places.clone()), |place| Err(several(list, list[*place].license.id)));
    }
    let chosen: BTreeSet<LicenseId> = args.licenses.iter().copied().collect();
    chosen.into_iter().map(|id| one_of(list, id)).collect()
}

/// Licenses that `--all` includes and that cannot be imported, with the reason.
fn skipped(list: &[Importable], args: &Import) -> Vec<Text> {
    let meant = list.iter().filter(|one| args.all && (one.ours || args.foreign));
    let why = |one: &Importable| {
        let (id, why) = (one.license.id, one.against.as_ref()?);
        Some(text!(["{id}: {}", why.en], ["{id}: {}", why.ru]))
    };
    meant.filter_map(why).collect()
}

fn same(list: &[Importable], id: LicenseId) -> Vec<usize> {
    (0..list.len()).filter(|place| list[*place].license.id == id).collect()
}

fn one_of(list: &[Importable], id: LicenseId) -> Result<usize, ModuleError> {
    match same(list, id).as_slice() {
        [place] => match &list[*place].against {
            None => Ok(*place),
            Some(why) => Err(refused(
                "license",
                id,
                text!(
                    ["license {id} cannot be imported: {}; nothing was done", why.en],
                    ["лицензию {id} импортировать нельзя: {}; ничего не сделано", why.ru]
                ),
            )),
        },
        [] => Err(ModuleError::new(
            ErrorKind::Missed,
            "license",
            id,
            text!("License {id} is none that nobody has", "Лицензия {id} не из свободных"),
        )
        .changed(text!("Nothing was done", "Ничего не сделано"))
        .next(text!(
            "the list: pmisplicense import; whose it is: pmisplicense show license:{id}",
            "список: pmisplicense import; чья она: pmisplicense show license:{id}"
        ))),
        _ => Err(several(list, id)),
    }
}

fn several(list: &[Importable], id: LicenseId) -> ModuleError {
    let modules: Vec<String> = same(list, id).into_iter().map(|place| list[place].module.to_string()).collect();
    let modules = modules.join(", ");
    refused(
        "module",
        &modules,
        text!(
            "license {id} stands in the accounts of modules {modules}; nothing was done; name one with --module ID",
            "лицензия {id} есть в учётных записях модулей {modules}; ничего не сделано; укажите один через --module ID"
        ),
    )
}

fn carried_out(desk: &mut Desk<'_>, shown: &[&Importable]) -> Done {
    let mut groups: BTreeMap<(ModuleId, &'static str), BTreeSet<LicenseId>> = BTreeMap::new();
    for one in shown {
        groups.entry((one.module, one.family.func())).or_default().insert(one.license.id);
    }
    let mut done = Done::default();
    for ((module, itemtype), ids) in groups {
        let search = Search::of(ids);
        match with_engine(desk.ctx, module, |engine| Ok(run_to_end(engine.import(itemtype, &search)))) {
            Ok(imported) => {
                done.services.extend(imported.services.into_iter().map(|(license, item)| ((module, license), item)));
                done.left.extend(imported.left);
                done.report.add(imported.report);
            }
            Err(error) => done.report.failed(module, Scope::Account, error),
        }
    }
    for entry in done.report.failures() {
        desk.ctx.log.error(&format!("import: {}", entry.error));
    }
    done
}

fn page(desk: &Desk<'_>, list: &[&Importable], done: &Done) -> String {
    let head =
        text!("LICENSE|OURS|PRODUCT|IP|EXPIRES|STATUS|ITEM|NAME", "ЛИЦЕНЗИЯ|НАША|ПРОДУКТ|IP|СРОК|СОСТОЯНИЕ|УСЛУГА|ИМЯ");
    let head: Vec<&str> = desk.say(&head).split('|').collect();
    let (yes, no) = (text!("ours", "наша"), text!("foreign", "чужая"));
    let cells = list.iter().map(|one| {
        vec![
            one.license.id.to_string(),
            desk.say(if one.ours { &yes } else { &no }).to_owned(),
            dash(one.code.as_ref()),
            dash(one.license.ip),
            one.license.expires.to_string(),
            status(one.license.status),
            dash(done.services.get(&(one.module, one.license.id))),
            one.license.shown_name().to_owned(),
        ]
    });
    let cells: Vec<Vec<String>> = cells.collect();
    let mut text = if cells.is_empty() { String::new() } else { fitting(&head, &cells, desk.width, GIVING) };
    for one in list {
        if let Some(why) = &one.against {
            let words = format!("{}: {}", one.license.id, desk.say(why));
            text.push_str(&format!("- {}\n", wrapped(&words, desk.width, 2)));
        }
    }
    text
}

/// The answer. `applied`: licenses were to be imported, and not only listed.
fn told(desk: &Desk<'_>, list: &[Importable], result: &Done, applied: bool) -> Answer {
    let all: Vec<&Importable> = list.iter().collect();
    let mut text = page(desk, &all, result);
    let left = result.left.iter().map(|why| ('-', why.clone()));
    let failed = result.report.failure_lines().into_iter().map(|line| ('!', line));
    for (sign, words) in left.chain(failed) {
        text.push_str(&format!("{sign} {}\n", wrapped(desk.say(&words), desk.width, 2)));
    }
    let (total, ours) = (list.len(), list.iter().filter(|one| one.ours).count());
    let (imported, failed) = (result.services.len(), result.report.failures().count());
    let left = result.left.len() + result.skipped.len();
    let sum = match applied {
        false if total == 0 => text!("every license at the seller is already in use", "у каждой лицензии есть хозяин"),
        false => text!(
            "{total} licenses that nobody has, {ours} of them ours; to import: pmisplicense import LICENSE…, or --all for ours",
            "лицензий без хозяина: {total}, из них наших: {ours}; импорт: pmisplicense import ЛИЦЕНЗИЯ… или --all для наших"
        ),
        true => text!(
            "{imported} imported, {left} left alone, {failed} failed",
            "импортировано: {imported}, не тронуто: {left}, не удалось: {failed}"
        ),
    };
    text.push_str(&format!("{}\n", wrapped(desk.say(&sum), desk.width, 2)));
    let licenses: Vec<Value> = list.iter().map(|one| license_json(one, result, desk.ctx.lang)).collect();
    let json = json!({
        "licenses": licenses,
        "imported": imported,
        "left": result.left.iter().chain(&result.skipped).map(|why| desk.say(why)).collect::<Vec<_>>(),
        "failed": result.report.failures().map(|entry| desk.say(&entry.error.message)).collect::<Vec<_>>(),
    });
    Answer::new("import", text, json).with_report(&result.report, desk.ctx.lang)
}

fn license_json(one: &Importable, done: &Done, lang: Lang) -> Value {
    json!({
        "license": one.license.id.0,
        "module": one.module.0,
        "family": one.family.func(),
        "ours": one.ours,
        "product": one.code,
        "name": one.license.name,
        "ip": one.license.ip,
        "status": one.license.status.number(),
        "expires": one.license.expires,
        "item": done.services.get(&(one.module, one.license.id)).map(|item| item.0),
        "why_not": one.against.as_ref().map(|why| why.in_lang(lang)),
    })
}
