//! The administrator's subcommands: plain words on stdout, errors on stderr.

use std::ffi::OsString;

use clap::Parser;

use super::{Finished, caught, context, do_nothing};
use crate::cli::{AdminArgs, AdminCommand, Common, StateCommand};
use crate::commands::bundled::{self, Sync};
use crate::commands::{self, Reply, licenses};
use crate::context::Context;
use crate::engine::{Allow, Summary, Swept, Verdict};
use crate::error::{ErrorKind, Lang, ModuleError, Text};
use crate::model::ids::WishId;
use crate::settings::{Environment, Settings};
use crate::text;

/// Runs a subcommand.
pub fn run(args: &[OsString], environment: &Environment) -> Finished {
    let program = OsString::from("pmisplicense");
    let args = match AdminArgs::try_parse_from(std::iter::once(&program).chain(args)) {
        Ok(args) => args,
        Err(error) => {
            let text = error.render().to_string();
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            return if code == 0 {
                Finished { stdout: text, ..Finished::default() }
            } else {
                Finished { stderr: text, code, ..Finished::default() }
            };
        }
    };
    let lang = args.lang.as_deref().map(Lang::parse).unwrap_or_default();
    match caught(|| carried_out(&args, lang, environment)) {
        Ok(reply) => reply.into(),
        Err(error) => {
            let causes: String = error.causes.iter().map(|cause| format!("\n  {cause}")).collect();
            let text = format!("{}: {}{causes}\n", error.kind.word(), error.message.in_lang(lang));
            Finished { stderr: text, code: 1, ..Finished::default() }
        }
    }
}

fn carried_out(args: &AdminArgs, lang: Lang, environment: &Environment) -> Result<Reply, ModuleError> {
    let settings = Settings::load(environment, args.config.as_deref())?;
    if do_nothing(&environment.root()) || do_nothing(&settings.root) {
        match &args.command {
            // From cron: as quiet as the panel's own call.
            AdminCommand::Sync { .. } => return Ok(Reply::nothing()),
            AdminCommand::Doctor { accept_account: None } => {}
            AdminCommand::Resolve { .. } | AdminCommand::State { .. } | AdminCommand::Doctor { .. } => {
                return Err(switched_off());
            }
        }
    }
    let module = match &args.command {
        AdminCommand::Sync { module, .. } => *module,
        AdminCommand::Doctor { accept_account } => *accept_account,
        AdminCommand::Resolve { .. } | AdminCommand::State { .. } => None,
    };
    let common = Common { lang, module, running_operation: None, config: args.config.clone() };
    let mut ctx = context(settings, &common);
    let log = std::sync::Arc::clone(&ctx.log);
    admin(&mut ctx, &args.command).map_err(|error| {
        let error = error.mapped(|text| log.masked(text));
        log.error(&error.to_string());
        error
    })
}

fn switched_off() -> ModuleError {
    let message = text!(
        "The panel is switched to doing nothing (etc/billmgr.DoNothing). Nothing was done. Remove that file, then repeat.",
        "Панель переведена в режим бездействия (etc/billmgr.DoNothing). Ничего не сделано. Удалите этот файл и повторите."
    );
    ModuleError::new(ErrorKind::Config, "DoNothing", "", message)
}

/// The subcommands themselves.
fn admin(ctx: &mut Context, command: &AdminCommand) -> Result<Reply, ModuleError> {
    let lang = ctx.lang;
    let say = |text: Text| Reply(format!("{}\n", text.in_lang(lang)));
    match command {
        AdminCommand::Sync { module, allow_many, sweep, adopt } => {
            let allow = if *allow_many { Allow::Many } else { Allow::Guarded };
            let what = Sync { module: *module, allow, sweep: *sweep, adopt: *adopt };
            bundled::sync(ctx, what).map(|(summary, swept)| told(&summary, &swept, *sweep, lang))
        }
        AdminCommand::Resolve { item, wish, bought, .. } => {
            let verdict = bought.map_or(Verdict::NotBought, Verdict::Bought);
            licenses::resolve(ctx, *item, wish.map(WishId), verdict).map(say)
        }
        AdminCommand::State { command: StateCommand::Claim } => licenses::claim_state(ctx).map(say),
        AdminCommand::Doctor { accept_account: Some(module) } => licenses::accept_account(ctx, *module).map(say),
        AdminCommand::Doctor { accept_account: None } => Err(commands::not_supported("doctor")),
    }
}

fn told(summary: &Summary, swept: &Swept, only_sweep: bool, lang: Lang) -> Reply {
    let Summary { seen, refreshed, handled, .. } = summary;
    let mut lines = Vec::new();
    if !only_sweep {
        lines.push(text!(
            "licenses seen: {seen}, brought up to date: {refreshed}, looked at one by one: {handled}",
            "лицензий просмотрено: {seen}, обновлено: {refreshed}, обработано по одной: {handled}"
        ));
    }
    lines.extend(swept.reports.iter().cloned());
    if only_sweep || swept.carried_out > 0 {
        let count = swept.carried_out;
        lines.push(text!("servers: {count} changes carried out", "серверы: выполнено изменений: {count}"));
    }
    Reply(lines.iter().map(|line| format!("{}\n", line.in_lang(lang))).collect())
}
