//! Runs the administrator's subcommands: text on stdout, errors on stderr. The language comes from --lang or the
//! locale, the width from the terminal. Questions are asked only on a terminal.

use std::ffi::OsString;
use std::io::{BufRead, IsTerminal, Write};

use clap::Parser;

use super::terminal::{columns, error_columns, for_stderr};
use super::{Finished, caught, context, dry_run};
use crate::admin::monthly::Form;
use crate::admin::reconcile::{Apply, Chosen};
use crate::admin::repair::After;
use crate::admin::{self, Answer, Desk};
use crate::cli::{self, AdminArgs, AdminCommand, ClusterCommand, Common, StateCommand, TakeOver};
use crate::commands::sync::{self, Part, Sync, Synced};
use crate::context::Context;
use crate::dry_run::Rehearsed;
use crate::engine::{Allow, Consent, Summary, Verdict};
use crate::error::{ErrorKind, Lang, Message, ModuleError, Text, counted};
use crate::model::ids::IntentId;
use crate::run_report::{RunReport, with_details};
use crate::settings::{Environment, Settings, do_nothing};
use crate::text;

/// Most reports of a sweep that are shown with a failure. The log and `--json` hold all of them.
const SHOWN_REPORTS: usize = 20;

/// Runs a subcommand. `variable` reads the environment.
pub fn run(args: &[OsString], environment: &Environment, variable: &dyn Fn(&str) -> Option<OsString>) -> Finished {
    let finished = finished(args, environment, variable);
    Finished { stderr: for_stderr(&finished.stderr, error_columns(variable)), ..finished }
}

fn finished(args: &[OsString], environment: &Environment, variable: &dyn Fn(&str) -> Option<OsString>) -> Finished {
    let program = OsString::from("pmisplicense");
    let words = || std::iter::once(&program).chain(args);
    let args = match AdminArgs::try_parse_from(words()) {
        Ok(args) => args,
        Err(error) => {
            let english = || error.render().to_string();
            let text = match asked_language(args, variable) {
                Lang::En => english(),
                Lang::Ru => cli::russian::usage_error(words()).unwrap_or_else(english),
            };
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            return if code == 0 {
                Finished { stdout: text, ..Finished::default() }
            } else {
                Finished { stderr: text, code, ..Finished::default() }
            };
        }
    };
    let lang = language(args.lang.as_deref(), args.json, variable);
    // These need neither settings nor panel, because they run while packages are built.
    if let Some(stdout) = paper(&args.command, lang) {
        return Finished { stdout, ..Finished::default() };
    }
    let width = (columns(variable), error_columns(variable));
    match caught(|| carried_out(&args, lang, environment, width)) {
        Ok(answer) if answer.printed => Finished { stdout: String::new(), stderr: answer.stderr, code: answer.code },
        Ok(answer) => {
            let stdout = if args.json { format!("{:#}\n", answer.json) } else { answer.text };
            Finished { stdout, stderr: answer.stderr, code: answer.code }
        }
        // Monitoring needs one line, and an exit code that means neither fine nor a problem.
        Err(error) if args.command.is_brief() => Finished {
            stdout: format!("PMISPLICENSE UNKNOWN - {}\n", admin::doctor::one_line(error.message.in_lang(lang))),
            stderr: String::new(),
            code: 3,
        },
        Err(error) => failed(&error, lang, args.json),
    }
}

fn paper(command: &AdminCommand, lang: Lang) -> Option<String> {
    if let AdminCommand::Completions { shell } = command {
        return Some(admin::completions::completions(*shell));
    }
    matches!(command, AdminCommand::Man).then(|| admin::completions::page(lang))
}

fn failed(error: &ModuleError, lang: Lang, json: bool) -> Finished {
    let stderr = format!("{}\n", with_details(error, &error.message).in_lang(lang));
    let stdout = if json {
        format!("{:#}\n", serde_json::json!({ "version": 1, "error": error_json(error, lang) }))
    } else {
        String::new()
    };
    Finished { stdout, stderr, code: 1 }
}

fn error_json(error: &ModuleError, lang: Lang) -> serde_json::Value {
    let (changed, next) = error.parts(lang);
    serde_json::json!({
        "type": error.kind.word(), "object": error.object, "value": error.value,
        "message": error.message.in_lang(lang), "changed": changed, "next": next, "causes": error.causes,
    })
}

/// --lang, else the locale as every program reads it. Programs, which ask for JSON, read English unless they ask for
/// another language, wherever they are started.
fn language(option: Option<&str>, as_json: bool, variable: &dyn Fn(&str) -> Option<OsString>) -> Lang {
    if let (None, true) = (option, as_json) {
        return Lang::En;
    }
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let locale = || ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(set);
    option.map(Lang::parse).or_else(|| locale().map(|text| Lang::parse(&text.to_string_lossy()))).unwrap_or_default()
}

/// The language that a command line asks for which clap does not carry out: a request for help, or a mistyped one.
fn asked_language(args: &[OsString], variable: &dyn Fn(&str) -> Option<OsString>) -> Lang {
    let words: Vec<_> = args.iter().map(|word| word.to_string_lossy()).take_while(|word| word != "--").collect();
    let after = words.iter().position(|word| word == "--lang").and_then(|at| words.get(at + 1)).map(|word| &**word);
    let joined = || words.iter().find_map(|word| word.strip_prefix("--lang="));
    language(after.or_else(joined), words.iter().any(|word| word == "--json"), variable)
}

/// `width`: the columns of stdout and of stderr.
fn carried_out(
    args: &AdminArgs,
    lang: Lang,
    environment: &Environment,
    (width, live): (usize, Option<usize>),
) -> Result<Answer, ModuleError> {
    let settings = Settings::load(environment, args.config.as_deref())?;
    if args.command.changes() && (do_nothing(&environment.root()) || do_nothing(&settings.root)) {
        if args.command.is_of_cron() {
            // Silent, like the panel's own call.
            return Ok(Answer::silent("sync", serde_json::json!({ "switched_off": true })));
        }
        return Err(switched_off());
    }
    let switched_off = do_nothing(&environment.root()) || do_nothing(&settings.root);
    let common = Common { lang, module: args.command.module(), running_operation: None, config: args.config.clone() };
    let mut ctx = context(settings, &common);
    ctx.looks = !args.command.changes();
    if args.verbose {
        ctx.log.speak_up();
    }
    if let AdminCommand::Sync { module, allow_many, sweep, adopt, noted, dry_run: true } = args.command {
        let part = part_of_sync(sweep, adopt, noted);
        return rehearsed(ctx, Sync { module, allow: allowed(allow_many), part }, switched_off, width);
    }
    if let Some(word) = args.command.only_shown() {
        // Whatever the checks find out, a dry run writes nothing down.
        ctx = dry_run::rehearse(ctx, word)?.0;
    }
    let log = std::sync::Arc::clone(&ctx.log);
    let mut ask = |question: &str| {
        let _ = std::io::stderr().write_all(for_stderr(question, live).as_bytes());
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).is_ok() && is_yes(&line)
    };
    let mut tell = |words: &str| {
        let _ = std::io::stderr().write_all(for_stderr(words, live).as_bytes());
    };
    let can_ask = std::io::stdin().is_terminal();
    let ask: Option<&mut dyn FnMut(&str) -> bool> = if can_ask { Some(&mut ask) } else { None };
    let is_without_state = args.command.looks() && dry_run::look_without_state(&mut ctx)?;
    // doctor reports this as a line of its own.
    if is_without_state && !matches!(args.command, AdminCommand::Doctor { .. }) {
        tell(&format!("{}\n", dry_run::no_state_yet(&ctx).in_lang(lang)));
    }
    let mut stdout = std::io::BufWriter::new(std::io::stdout());
    // A reader that closed the pipe must not turn a finished run into a failed one.
    let mut print = |words: &str| stdout.write_all(words.as_bytes()).is_ok();
    let (ctx, json) = (&mut ctx, args.json);
    let mut desk = Desk { ctx, width, ask, tell: &mut tell, live, json, is_without_state, print: &mut print };
    let result = dispatch(&mut desk, &args.command).map_err(|error| {
        let error = error.mapped(|text| log.masked(text));
        log.error(&error.to_string());
        error
    });
    let answer = result.map(|answer| if is_without_state { answer.without_state() } else { answer })?;
    let Some(behind) = desk.ctx.behind.take().filter(|_| !args.command.changes()) else { return Ok(answer) };
    // doctor has a line of its own for it.
    if !matches!(args.command, AdminCommand::Doctor { .. }) {
        (desk.tell)(&format!("{}\n", behind.message().text().in_lang(lang)));
    }
    Ok(answer.with_replica(&behind, lang))
}

/// `sync --dry-run`: shows what a sync would do, as the panel's command does with `--dry-run`.
fn rehearsed(ctx: Context, what: Sync, switched_off: bool, width: usize) -> Result<Answer, ModuleError> {
    let lang = ctx.lang;
    let (mut ctx, script) = dry_run::rehearse(ctx, "sync")?;
    let error = match sync::sync(&mut ctx, what) {
        Ok(synced) => synced.report().error("sync"),
        Err(error) => Some(error),
    };
    let error = error.map(|error| error.mapped(|text| ctx.log.masked(text)));
    let run = Rehearsed { command: "sync", item: None, error: error.as_ref(), switched_off };
    let (text, json) = (admin::folded(&script.text(&run, lang), width), script.json(&run, lang));
    let answer = Answer { text, json, stderr: String::new(), code: u8::from(error.is_some()), printed: false };
    Ok(match ctx.behind.borrow().as_ref() {
        Some(behind) => answer.with_replica(behind, lang),
        None => answer,
    })
}

fn is_yes(line: &str) -> bool {
    matches!(line.trim().to_lowercase().as_str(), "y" | "yes" | "д" | "да")
}

fn switched_off() -> ModuleError {
    let message = text!(
        "The panel is switched to doing nothing (etc/billmgr.DoNothing)",
        "Панель переведена в режим бездействия (etc/billmgr.DoNothing)"
    );
    ModuleError::new(ErrorKind::Config, "DoNothing", "", message)
        .changed(text!("Nothing was done", "Ничего не сделано"))
        .next(text!("remove that file, then repeat", "удалите этот файл и повторите"))
}

/// Carries out the subcommand.
fn dispatch(desk: &mut Desk<'_>, command: &AdminCommand) -> Result<Answer, ModuleError> {
    let lang = desk.ctx.lang;
    let say = |name: &str, text: Text| Answer::sentence(name, lang, &text);
    match command {
        AdminCommand::List(args) => admin::list::list(desk, args),
        AdminCommand::Show { what, raw: true } => admin::raw::raw(desk, what),
        AdminCommand::Show { what, raw: false } => admin::show::show(desk, what),
        AdminCommand::History { what } => admin::history::history(desk, what),
        AdminCommand::Explain { item } => admin::explain::explain(desk, *item),
        AdminCommand::Pool => admin::pool::pool(desk),
        AdminCommand::Doctor(args) => match (args.accept_account, &args.record) {
            (Some(module), _) => admin::identity::accept_account(desk, module, args),
            (None, Some(file)) => admin::record::record(desk, file, args.yes),
            (None, None) if args.brief => admin::doctor::brief(desk),
            (None, None) => admin::doctor::doctor(desk),
        },
        AdminCommand::Reconcile { apply, only, yes, allow_many, module } => {
            let chosen = only.iter().map(|text| Chosen::parse(text)).collect::<Result<Vec<_>, _>>()?;
            let apply = match (apply, chosen.as_slice()) {
                (false, _) => Apply::Nothing,
                (true, []) => Apply::All,
                (true, chosen) => Apply::Chosen(chosen),
            };
            if *yes {
                desk.ask = None;
            }
            admin::reconcile::reconcile(desk, *module, apply, allowed(*allow_many))
        }
        AdminCommand::Bind { item, license, replace, take_from, other_product, dry_run, yes } => {
            let (replace, other_product) = (*replace, *other_product);
            let consent = Consent { replace, take_from: take_from.clone(), other_product };
            admin::repair::bind(desk, *item, *license, &consent, After::options(*yes, *dry_run))
        }
        AdminCommand::TakeOver { whose: TakeOver::Panel(taking) } => admin::takeover::panel(desk, taking),
        AdminCommand::TakeOver { whose: TakeOver::Whmcs(whmcs) } => admin::whmcs::whmcs(desk, whmcs),
        AdminCommand::Import(import) => admin::import::import(desk, import),
        AdminCommand::Unbind { item, yes } => admin::repair::unbind(desk, *item, *yes),
        AdminCommand::Move { item, dry_run, yes } => {
            admin::repair::move_item(desk, *item, After::options(*yes, *dry_run))
        }
        AdminCommand::Retry { item: Some(item), intent, yes, .. } => {
            admin::repair::retry(desk, *item, intent.map(IntentId), *yes)
        }
        AdminCommand::Retry { item: None, kind, yes, .. } => admin::repair::retry_all(desk, *kind, *yes),
        AdminCommand::Report { month, csv, html } => {
            let form = match html {
                Some(file) => Form::Page(file),
                None if *csv => Form::Sheet,
                None => Form::Table,
            };
            admin::monthly::report(desk, month.as_deref(), form)
        }
        AdminCommand::Sync { module, allow_many, sweep, adopt, noted, .. } => {
            let part = part_of_sync(*sweep, *adopt, *noted);
            sync(desk.ctx, Sync { module: *module, allow: allowed(*allow_many), part })
        }
        AdminCommand::Resolve { item, intent, bought, take_from, other_product, dry_run, yes, .. } => {
            let verdict = bought.map_or(Verdict::NotBought, Verdict::Bought);
            let consent = Consent { replace: false, take_from: take_from.clone(), other_product: *other_product };
            let after = After::options(*yes, *dry_run);
            admin::repair::resolve(desk, *item, intent.map(IntentId), verdict, &consent, after)
        }
        AdminCommand::Forecast { days } => admin::forecast::forecast(desk, *days),
        AdminCommand::Metrics { output } => admin::metrics::metrics(desk, output.as_deref()),
        AdminCommand::Backup { file: Some(file), verify, .. } => admin::state_file::backup(desk, file, *verify),
        AdminCommand::Backup { file: None, dir, keep, .. } => {
            admin::state_file::backup_in(desk, dir.as_deref().unwrap_or(std::path::Path::new(".")), *keep)
        }
        AdminCommand::Restore { file, yes } => admin::state_file::restore(desk, file, *yes),
        AdminCommand::Prune { older_than } => admin::state_file::prune(desk, *older_than),
        AdminCommand::Completions { .. } | AdminCommand::Man => {
            Ok(say("man", Text::same(paper(command, lang).unwrap_or_default())))
        }
        AdminCommand::Cluster { command } => match command {
            ClusterCommand::Init { yes } => admin::cluster::init(desk, *yes),
            ClusterCommand::Join { yes } => admin::cluster::join(desk, *yes),
            ClusterCommand::Status => admin::cluster::status(desk),
            ClusterCommand::Leave { yes } => admin::cluster::leave(desk, *yes),
            ClusterCommand::Snapshot => admin::cluster::snapshot(desk),
        },
        AdminCommand::State { command: StateCommand::Claim { yes } } => admin::identity::claim_state(desk, *yes),
        AdminCommand::State { command: StateCommand::Adopt { panel, dry_run, yes } } => {
            admin::adopt::adopt(desk, panel, After::options(*yes, *dry_run))
        }
        AdminCommand::State { command: StateCommand::Leave { license, yes } } => {
            admin::leave::leave(desk, *license, *yes)
        }
        AdminCommand::State { command: StateCommand::BeginAnew { yes } } => admin::state_file::begin_anew(desk, *yes),
    }
}

fn allowed(many: bool) -> Allow {
    if many { Allow::Many } else { Allow::Guarded }
}

fn part_of_sync(sweep: bool, adopt: bool, noted: bool) -> Part {
    match (noted, sweep) {
        (true, _) => Part::Noted,
        (false, true) => Part::Sweep { adopt },
        (false, false) => Part::All,
    }
}

fn sync(ctx: &mut Context, what: Sync) -> Result<Answer, ModuleError> {
    let synced = sync::sync(ctx, what)?;
    let log = std::sync::Arc::clone(&ctx.log);
    let report = synced.report().mapped(|text| log.masked(text));
    let error = report.error("sync");
    error.iter().for_each(|error| log.error(&error.to_string()));
    Ok(answer(&synced, &report, error.as_ref(), what.part, ctx.lang))
}

/// The answer of a sync: the figures on stdout, the failures on stderr.
fn answer(synced: &Synced, report: &RunReport, error: Option<&ModuleError>, part: Part, lang: Lang) -> Answer {
    let Summary { seen, refreshed, handled, .. } = &synced.licenses;
    let (count, reports) = (synced.servers.carried_out, &synced.servers.reports);
    let mut lines = Vec::new();
    if part == Part::All {
        lines.push(text!(
            "licenses seen: {seen}, brought up to date: {refreshed}, looked at one by one: {handled}",
            "лицензий просмотрено: {seen}, обновлено: {refreshed}, обработано по одной: {handled}"
        ));
    }
    // Cron discards stdout. So with a failure the reports go to stderr too, but only a readable number of them.
    let mut failures = report.failure_lines();
    match report.fails() {
        true => failures.extend(reports.iter().take(SHOWN_REPORTS).map(Message::text)),
        false => lines.extend(reports.iter().map(Message::text)),
    }
    if count > 0 || matches!(part, Part::Sweep { .. }) {
        lines.push(text!(
            ["servers: {} carried out", counted(count, "change")],
            ["серверы: выполнено изменений: {count}"]
        ));
    }
    lines.extend(report.other_lines());
    let mut json = serde_json::json!({
        "version": 1, "command": "sync", "seen": seen, "refreshed": refreshed, "handled": handled,
        "servers": {
            "carried_out": count,
            "reports": reports.iter().map(|report| report.text().in_lang(lang).to_owned()).collect::<Vec<_>>(),
            "notices": reports.iter().map(|report| report.parts(lang)).collect::<Vec<_>>(),
        },
    });
    if let (Some(error), Some(fields)) = (error, json.as_object_mut()) {
        fields.insert("error".to_owned(), error_json(error, lang));
    }
    let page = |lines: Vec<Text>| lines.iter().map(|line| format!("{}\n", line.in_lang(lang))).collect::<String>();
    let answer = Answer { text: page(lines), json, stderr: page(failures), code: 0, printed: false };
    answer.with_report(report, lang)
}
