//! take-over whmcs: reads the table of WHMCS's module from a CSV or from WHMCS's database, and an operator's own map of
//! licenses to services. If one row cannot be understood, the whole table is refused before the panel or the seller is
//! asked.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::progress::Bar;
use super::takeover::{Line, List, Outcome, chosen, module_option, refused};
use super::{Answer, Desk};
use crate::cli::Whmcs;
use crate::engine::{Candidate, run_to_end};
use crate::error::{ErrorKind, ModuleError};
use crate::model::ids::{ItemId, LicenseId, ModuleId};
use crate::model::whmcs::{COLUMNS, ITEM_COLUMN, NocRow, Record};
use crate::session::servers::served_by;
use crate::session::with_engine;
use crate::text;

/// The largest file that is accepted as this table.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// `take-over whmcs`
///
/// # Errors
/// `bad_value`: the file, the URL or a row cannot be used; `database`; `missed`: there is no terminal to ask on; any
/// error that prevents the list.
pub fn whmcs(desk: &mut Desk<'_>, args: &Whmcs) -> Result<Answer, ModuleError> {
    let mut rows = table(desk, &args.source)?;
    if let Some(map) = &args.map {
        add_map(&mut rows, map)?;
    }
    let modules = chosen(desk, args.taking.module)?;
    let [module] = modules.as_slice() else { return Err(which_module(&modules)) };
    let found = survey(desk, *module, &rows)?;
    let lines = found.into_iter().map(Line::new).collect();
    let mut list = List { command: "take-over whmcs", again: again(args), lines, error: None };
    if args.taking.apply && list.lines.iter().any(|line| matches!(line.outcome, Outcome::Named)) {
        stopped(desk, args)?;
    }
    list.ask_addresses(desk, &args.taking, args.by_address);
    list.finish(desk, &args.taking)
}

/// The whole command that binds the licenses. A URL is left out, because it may hold a password.
fn again(args: &Whmcs) -> String {
    let source = if args.source.contains("://") { "…".to_owned() } else { quoted(&args.source) };
    let map = args.map.as_ref().map_or_else(String::new, |map| format!(" --map {}", quoted(&map.to_string_lossy())));
    format!("pmisplicense take-over whmcs {source}{map}{} --apply", module_option(&args.taking))
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Makes sure that WHMCS's module is switched off. It renews everything in its table, so each license would be renewed
/// twice.
fn stopped(desk: &mut Desk<'_>, args: &Whmcs) -> Result<(), ModuleError> {
    if args.whmcs_stopped {
        return Ok(());
    }
    let question = text!(
        "WHMCS renews every license of its table until its module \"ISPsystem NOC Partner module\" is switched off there. Is it switched off",
        "WHMCS продлевает все лицензии своей таблицы, пока в нём не отключён модуль «ISPsystem NOC Partner module». Он отключён"
    );
    if !args.taking.yes && desk.agrees(&question) {
        return Ok(());
    }
    Err(ModuleError::new(
        ErrorKind::Missed,
        "whmcs-stopped",
        "",
        text!(
            "Nothing was done: WHMCS would renew the same licenses",
            "Ничего не сделано: WHMCS продлил бы те же лицензии"
        ),
    )
    .next(text!(
        "switch its module \"ISPsystem NOC Partner module\" off there, then say so with --whmcs-stopped",
        "отключите в нём модуль «ISPsystem NOC Partner module» и сообщите об этом через --whmcs-stopped"
    )))
}

fn which_module(modules: &[ModuleId]) -> ModuleError {
    let list = modules.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let list = if list.is_empty() { "-".to_owned() } else { list };
    ModuleError::new(
        ErrorKind::UnsupportedModule,
        "module",
        &list,
        text!(
            "WHMCS buys from one account, and it is not known which module has that account (in use: {list})",
            "WHMCS покупает с одной учётной записи, а у какого она модуля — неясно (используются: {list})"
        ),
    )
    .changed(text!("Nothing was done", "Ничего не сделано"))
    .next(text!("name it with --module ID", "укажите его через --module МОДУЛЬ"))
}

fn survey(desk: &mut Desk<'_>, module: ModuleId, rows: &[NocRow]) -> Result<Vec<Candidate>, ModuleError> {
    let servers = served_by(desk.ctx, module)?;
    let lang = desk.ctx.lang;
    let bar = Bar(desk.live);
    let tell = &mut *desk.tell;
    let found = with_engine(desk.ctx, module, |engine| {
        run_to_end(engine.noc_candidates(rows, &servers, &mut |count, total| {
            bar.draw(tell, text!("licenses", "лицензии").in_lang(lang), count, total);
        }))
    })?;
    bar.clear(desk.tell);
    Ok(found)
}

/// The rows of the table, from a file or a database.
fn table(desk: &Desk<'_>, source: &str) -> Result<Vec<NocRow>, ModuleError> {
    if !source.starts_with("mysql:") {
        if let Some((scheme, _)) = source.split_once("://") {
            return Err(refused(
                "source",
                scheme,
                text!(
                    "A table is read from a CSV file or from mysql://user@host/database, not from {scheme}://",
                    "Таблица читается из файла CSV или из mysql://user@host/database, а не из {scheme}://"
                )
                .changed(text!("Nothing was done", "Ничего не сделано")),
            ));
        }
        return read_rows(&records(Path::new(source), &COLUMNS)?);
    }
    let records = desk.ctx.whmcs.noc_table(source).map_err(|error| {
        let usual = || {
            text!("WHMCS's table ispsystem_noc cannot be read", "Таблица ispsystem_noc в WHMCS не читается")
                .changed(text!("Nothing was done", "Ничего не сделано"))
                .next(text!(
                    "check user, password and name of the database, or export the table as CSV",
                    "проверьте пользователя, пароль и имя базы или выгрузите таблицу в CSV"
                ))
        };
        let words = error.advice.as_deref().cloned().unwrap_or_else(usual);
        ModuleError::new(ErrorKind::Database, "source", "", words).because(error)
    })?;
    read_rows(&records.into_iter().enumerate().map(|(index, record)| (index as u64 + 1, record)).collect::<Vec<_>>())
}

/// Reads the rows. An error names the row by its number.
fn read_rows(records: &[(u64, Record)]) -> Result<Vec<NocRow>, ModuleError> {
    let row = |(number, record): &(u64, Record)| {
        NocRow::read(record).map_err(|cell| {
            let (column, value) = (cell.column, cell.value);
            refused(
                column,
                &value,
                text!(
                    "Row {number}: {column} cannot be \"{value}\"",
                    "Строка {number}: в {column} не может быть «{value}»"
                )
                .changed(text!("Nothing was done", "Ничего не сделано"))
                .next(text!("check that this is the table ispsystem_noc", "проверьте, что это таблица ispsystem_noc")),
            )
        })
    };
    records.iter().map(row).collect()
}

/// Adds the operator's map, which overrides the table.
fn add_map(rows: &mut [NocRow], path: &Path) -> Result<(), ModuleError> {
    let shown = path.display();
    let mut map: BTreeMap<LicenseId, ItemId> = BTreeMap::new();
    for (number, record) in records(path, &["licenseid", ITEM_COLUMN])? {
        let cell = |name: &str| record.get(name).and_then(|text| text.trim().parse::<u32>().ok()).filter(|id| *id > 0);
        let pair = cell("licenseid").map(LicenseId).zip(cell(ITEM_COLUMN).map(ItemId));
        let known = pair.filter(|(license, _)| rows.iter().any(|row| row.license == *license));
        let fresh = known.filter(|(license, item)| map.get(license).is_none_or(|other| other == item));
        let Some((license, item)) = fresh else {
            return Err(refused(
                "map",
                number,
                text!(
                    "Row {number} of {shown} cannot be used: it must name one license of the table and one service of this panel, and each license only once",
                    "Строка {number} файла {shown} непригодна: нужны одна лицензия из таблицы и одна услуга панели, и каждая лицензия — только один раз"
                )
                .changed(text!("Nothing was done", "Ничего не сделано")),
            ));
        };
        map.insert(license, item);
    }
    for row in rows {
        row.item = map.get(&row.license).copied().or(row.item);
    }
    Ok(())
}

/// Rows of a CSV by the names of its columns, each with its line. The first line shows which character separates the
/// columns.
fn records(path: &Path, columns: &[&str]) -> Result<Vec<(u64, Record)>, ModuleError> {
    let unusable = |error: String| {
        let shown = path.display().to_string();
        refused(
            "file",
            &shown,
            text!("The file {shown} cannot be used", "Файл {shown} непригоден")
                .changed(text!("Nothing was done", "Ничего не сделано")),
        )
        .because(error)
    };
    let size = fs::metadata(path).map_err(|error| unusable(error.to_string()))?.len();
    if size > MAX_BYTES {
        return Err(unusable(format!("{size} bytes, more than {MAX_BYTES}")));
    }
    let text = fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    let text = text.trim_start_matches('\u{feff}');
    let first = text.lines().next().unwrap_or_default();
    let count = |separator: char| first.matches(separator).count();
    let separator = if count(';') > count(',') {
        b';'
    } else if count('\t') > count(',') {
        b'\t'
    } else {
        b','
    };
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).from_reader(text.as_bytes());
    let names: Vec<String> = match reader.headers() {
        Ok(names) => names.iter().map(|name| name.trim().to_lowercase()).collect(),
        Err(error) => return Err(unusable(error.to_string())),
    };
    if let Some(missing) = columns.iter().find(|column| !names.iter().any(|name| name == *column)) {
        let (wanted, found) = (columns.join(", "), names.join(", "));
        return Err(refused(
            "file",
            missing,
            text!(
                "The first line of {} must name the columns {wanted}, and names: {found}",
                "В первой строке {} должны быть столбцы {wanted}, а там: {found}",
                path.display()
            )
            .changed(text!("Nothing was done", "Ничего не сделано")),
        ));
    }
    let mut records = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| unusable(error.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let cells = names.iter().cloned().zip(record.iter().map(str::to_owned));
        records.push((line, cells.collect()));
    }
    Ok(records)
}
