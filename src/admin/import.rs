//! import: lists the licenses at the seller that no service has. Chosen licenses become services of the panel, in the
//! same way as by the panel's command. Foreign licenses are imported only when they are chosen.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::list::status_words;
use super::progress::Bar;
use super::stream::Listing;
use super::table::{Giving, Measure, folded, wrapped};
use super::takeover::{chosen, refused};
use super::{Answer, Desk, dash};
use crate::cli::{Import, Itemtype};
use crate::engine::{Importable, run_to_end};
use crate::error::{ErrorKind, Lang, ModuleError, Text, counted};
use crate::model::ids::{ItemId, LicenseId, ModuleId};
use crate::model::license::Family;
use crate::plan::import::Search;
use crate::run_report::{RunReport, Scope};
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
    report: RunReport,
}

/// `import`
///
/// # Errors
/// Any error that prevents the list. `missed`, `bad_value`: a chosen license is not in the list or cannot be
/// imported, or no operator can be asked. The failure of a single license is part of the answer.
pub fn import(desk: &mut Desk<'_>, args: &Import) -> Result<Answer, ModuleError> {
    let (mut list, mut away) = (Vec::new(), RunReport::default());
    for module in chosen(desk, args.module)? {
        match importable(desk, module, args.itemtype) {
            Ok(found) => add(&mut list, found),
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
        return Ok(answer(desk, &list, &Done { report: away, ..Done::default() }, false));
    }
    let wanted = wanted(&list, args)?;
    let skipped = skipped(&list, args);
    if wanted.is_empty() {
        return Ok(answer(desk, &list, &Done { skipped, ..Done::default() }, true));
    }
    let shown: Vec<&Importable> = wanted.iter().map(|index| &list[*index]).collect();
    page(desk, &shown, &Done::default(), &mut |desk, line| (desk.tell)(line));
    let (count, foreign) = (shown.len(), shown.iter().filter(|one| !one.ours).count());
    let plan = text!(
        [
            "{} {} of the panel; foreign among them: {foreign}. Make sure that nobody else renews those",
            counted(count, "license"),
            if count == 1 { "becomes a service" } else { "become services" }
        ],
        [
            "услугами панели станут лицензии: {count}; из них чужие: {foreign} — убедитесь, что их больше никто не продлевает"
        ]
    );
    desk.confirm(&plan, args.yes)?;
    let done = Done { skipped, ..carried_out(desk, &shown) };
    Ok(answer(desk, &list, &done, true))
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
            let found = run_to_end(engine.importable(family, &mut |count, total| {
                let words = text!("module {module}: found", "модуль {module}: найдено");
                bar.draw(tell, words.in_lang(lang), count, total);
            }));
            add(&mut list, found?);
        }
        Ok(list)
    })?;
    bar.clear(desk.tell);
    Ok(list)
}

/// Adds licenses to a list. The first ones, mostly all of them, are not copied: there may be very many.
fn add(list: &mut Vec<Importable>, more: Vec<Importable>) {
    if list.is_empty() {
        *list = more;
    } else {
        list.extend(more);
    }
}

/// The positions in the list of the licenses that are to be imported.
fn wanted(list: &[Importable], args: &Import) -> Result<Vec<usize>, ModuleError> {
    let can = |one: &Importable| one.against.is_none() && (one.ours || args.foreign);
    if args.all {
        let places: Vec<usize> = (0..list.len()).filter(|place| can(&list[*place])).collect();
        let mut numbers = BTreeSet::new();
        let repeated: BTreeSet<LicenseId> = list.iter().map(|one| one.id).filter(|id| !numbers.insert(*id)).collect();
        let twice = places.iter().map(|place| list[*place].id).find(|id| repeated.contains(id));
        return twice.map_or(Ok(places), |id| Err(several(list, id)));
    }
    let chosen: BTreeSet<LicenseId> = args.licenses.iter().copied().collect();
    chosen.into_iter().map(|id| one_of(list, id)).collect()
}

/// Licenses that `--all` includes and that cannot be imported, with the reason.
fn skipped(list: &[Importable], args: &Import) -> Vec<Text> {
    let meant = list.iter().filter(|one| args.all && (one.ours || args.foreign));
    let why = |one: &Importable| {
        let (id, why) = (one.id, one.against.as_ref()?);
        Some(text!(["{id}: {}", why.en], ["{id}: {}", why.ru]))
    };
    meant.filter_map(why).collect()
}

fn same(list: &[Importable], id: LicenseId) -> Vec<usize> {
    (0..list.len()).filter(|place| list[*place].id == id).collect()
}

fn one_of(list: &[Importable], id: LicenseId) -> Result<usize, ModuleError> {
    match same(list, id).as_slice() {
        [place] => match &list[*place].against {
            None => Ok(*place),
            Some(why) => Err(refused(
                "license",
                id,
                text!(
                    ["License {id} cannot be imported: {}", why.en],
                    ["Лицензию {id} импортировать нельзя: {}", why.ru]
                )
                .changed(text!("Nothing was done", "Ничего не сделано")),
            )),
        },
        [] => Err(ModuleError::new(
            ErrorKind::Missed,
            "license",
            id,
            text!(
                "License {id} is not one of those that no service has",
                "Лицензия {id} не из тех, которых нет ни у одной услуги"
            ),
        )
        .changed(text!("Nothing was done", "Ничего не сделано"))
        .next(text!(
            "to see the list: pmisplicense import. To see whose it is: pmisplicense show license:{id}",
            "посмотреть список: pmisplicense import. Узнать, чья она: pmisplicense show license:{id}"
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
            "License {id} is in the accounts of modules {modules}",
            "Лицензия {id} есть в учётных записях модулей {modules}"
        )
        .changed(text!("Nothing was done", "Ничего не сделано"))
        .next(text!("name one with --module ID", "укажите один через --module МОДУЛЬ")),
    )
}

fn carried_out(desk: &mut Desk<'_>, shown: &[&Importable]) -> Done {
    let mut groups: BTreeMap<(ModuleId, &'static str), BTreeSet<LicenseId>> = BTreeMap::new();
    for one in shown {
        groups.entry((one.module, one.family.func())).or_default().insert(one.id);
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

/// Prints the table of licenses row by row, and why some of them cannot be imported. A list may be so long that its
/// rows do not fit into memory as text.
fn page(desk: &mut Desk<'_>, list: &[&Importable], done: &Done, print: &mut dyn FnMut(&mut Desk<'_>, &str)) {
    let head =
        text!("LICENSE|OURS|PRODUCT|IP|EXPIRES|STATUS|ITEM|NAME", "ЛИЦЕНЗИЯ|НАША|ПРОДУКТ|IP|СРОК|СОСТОЯНИЕ|УСЛУГА|ИМЯ");
    let head: Vec<&str> = head.in_lang(desk.ctx.lang).split('|').collect();
    if !list.is_empty() {
        let mut measure = Measure::new(&head);
        list.iter().for_each(|one| measure.add(&cells(desk, one, done)));
        let layout = measure.layout(desk.width, GIVING);
        print(desk, &layout.line(&head));
        for one in list {
            let line = layout.line(&cells(desk, one, done));
            print(desk, &line);
        }
    }
    for one in list {
        if let Some(why) = &one.against {
            let words = format!("{}: {}", one.id, desk.say(why));
            let line = format!("- {}\n", wrapped(&words, desk.width, 2));
            print(desk, &line);
        }
    }
}

fn cells(desk: &Desk<'_>, one: &Importable, done: &Done) -> Vec<String> {
    let ours = if one.ours { text!("ours", "наша") } else { text!("foreign", "чужая") };
    vec![
        one.id.to_string(),
        desk.say(&ours).to_owned(),
        dash(one.code.as_ref()),
        dash(one.ip),
        one.expires.to_string(),
        desk.say(&status_words(one.status)).to_owned(),
        dash(done.services.get(&(one.module, one.id))),
        one.name.as_deref().unwrap_or_default().to_owned(),
    ]
}

/// Prints the answer. `applied`: licenses were to be imported, and not only listed.
fn answer(desk: &mut Desk<'_>, list: &[Importable], result: &Done, applied: bool) -> Answer {
    let answer = Answer::printed().with_code(result.report.code());
    if desk.json {
        result_as_json(desk, list, result);
        return answer;
    }
    let all: Vec<&Importable> = list.iter().collect();
    page(desk, &all, result, &mut |desk, line| {
        (desk.print)(line);
    });
    let left = result.left.iter().map(|why| ('-', why.clone()));
    let failed = result.report.failure_lines().into_iter().map(|line| ('!', line));
    for (sign, words) in left.chain(failed) {
        let line = folded(&format!("{sign} {}\n", desk.say(&words)), desk.width);
        (desk.print)(&line);
    }
    let sum = format!("{}\n", wrapped(desk.say(&sum(list, result, applied)), desk.width, 2));
    (desk.print)(&sum);
    answer
}

fn sum(list: &[Importable], result: &Done, applied: bool) -> Text {
    let (total, ours) = (list.len(), list.iter().filter(|one| one.ours).count());
    let (imported, failed) = (result.services.len(), result.report.failures().count());
    let left = result.left.len() + result.skipped.len();
    match applied {
        false if total == 0 => {
            text!("every license at the seller is already in use", "все лицензии у продавца уже заняты")
        }
        false => text!(
            [
                "{} that no service has, {ours} of them ours. To import: pmisplicense import LICENSE. To import all of ours: pmisplicense import --all",
                counted(total, "license")
            ],
            [
                "лицензий без услуги: {total}, из них наших: {ours}. Импортировать: pmisplicense import ЛИЦЕНЗИЯ. Все наши: pmisplicense import --all"
            ]
        ),
        true => text!(
            "{imported} imported, {left} left alone, {failed} failed",
            "импортировано: {imported}, не тронуто: {left}, не удалось: {failed}"
        ),
    }
}

fn result_as_json(desk: &mut Desk<'_>, list: &[Importable], result: &Done) {
    let lang = desk.ctx.lang;
    let mut fields = json!({
        "imported": result.services.len(),
        "left": result.left.iter().chain(&result.skipped).map(|why| desk.say(why)).collect::<Vec<_>>(),
        "failed": result.report.failures().map(|entry| desk.say(&entry.error.message)).collect::<Vec<_>>(),
    });
    if let (Some(fields), Value::Object(report)) = (fields.as_object_mut(), result.report.json(lang)) {
        fields.extend(report);
    }
    let mut listing = Listing::begin(desk, "import", &fields, "licenses");
    let _ = list.iter().all(|one| listing.element(desk, &license_json(one, result, lang)));
    listing.end(desk);
}

fn license_json(one: &Importable, done: &Done, lang: Lang) -> Value {
    json!({
        "license": one.id.0,
        "module": one.module.0,
        "family": one.family.func(),
        "ours": one.ours,
        "product": one.code.as_deref(),
        "name": one.name,
        "ip": one.ip,
        "status": one.status.number(),
        "expires": one.expires,
        "item": done.services.get(&(one.module, one.id)).map(|item| item.0),
        "why_not": one.against.as_ref().map(|why| why.in_lang(lang)),
    })
}
