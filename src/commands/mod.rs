//! Commands of the panel's protocol, one file for each (similar ones share a file). A command checks the input, calls
//! the engine, and words the reply. Processes and connections come with the context.

mod check;
mod connection;
#[cfg(test)]
mod description;
mod engine;
pub mod features;
mod import;
mod licenses;
mod pricelist;
pub mod sync;
mod tuning;
mod watched;

use std::io::Read;

use crate::cli::Command;
use crate::context::Context;
use crate::error::{ErrorKind, ModuleError, XML_HEAD};
use crate::model::sellers::SellerKind;
use crate::ports::{CallError, RefusalKind};
use crate::text;
use crate::xml::{self, Element};

/// The longest document on stdin, in bytes. The largest form of the panel is far smaller.
pub const STDIN_BYTES: u64 = 1024 * 1024;

/// What a finished run prints.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply(pub String);

impl Reply {
    /// Nothing at all.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// `<doc/>`: a valid empty answer.
    pub fn empty() -> Self {
        Self::document(&Element::new("doc"))
    }

    /// `<doc><ok/></doc>`
    pub fn ok() -> Self {
        Self::document(&Element::new("doc").with_child(Element::new("ok")))
    }

    /// Any document.
    pub fn document(doc: &Element) -> Self {
        Self(format!("{XML_HEAD}{}\n", doc.to_fragment()))
    }
}

/// Carries out commands that need neither settings nor panel, because the panel calls them at its own start. `None`:
/// another command.
pub fn without_context(command: &Command) -> Option<Result<Reply, ModuleError>> {
    match command {
        Command::Features => Some(Ok(Reply::document(&features::document()))),
        Command::Empty => Some(Ok(Reply::empty())),
        Command::NotSupported(name) => Some(Err(not_supported(name))),
        Command::CheckConnection
        | Command::TuneConnection
        | Command::TuningParam(_)
        | Command::CheckParam { .. }
        | Command::CheckAddon { .. }
        | Command::ImportPricelist { .. }
        | Command::Engine(_) => None,
    }
}

/// Carries out a command.
///
/// # Errors
/// The error of the command.
pub fn run(ctx: &mut Context, command: &Command) -> Result<Reply, ModuleError> {
    match command {
        Command::CheckConnection => connection::check(ctx),
        Command::TuneConnection => connection::tune(ctx),
        Command::TuningParam(tuning) => tuning::run(ctx, tuning),
        Command::CheckParam { param, value } => check::param(ctx, param, value),
        Command::CheckAddon { addon, value } => check::addon(ctx, addon, value),
        Command::ImportPricelist { module } => pricelist::run(ctx, *module),
        Command::Engine(command) => engine::run(ctx, command),
        Command::Features | Command::Empty | Command::NotSupported(_) => {
            without_context(command).unwrap_or_else(|| Ok(Reply::empty()))
        }
    }
}

/// The error of a command that this module does not carry out.
pub fn not_supported(name: &str) -> ModuleError {
    ModuleError::new(
        ErrorKind::NotSupported,
        "command",
        name,
        text!("The command {name} is not carried out by this module", "Команда {name} этим модулем не выполняется"),
    )
    .changed(text!("Nothing was done", "Ничего не сделано"))
    .next(text!(
        "it means nothing for licenses; no action is needed",
        "для лицензий она ничего не значит, действий не требуется"
    ))
}

/// The document on stdin. `None` when stdin is empty.
fn stdin_document(ctx: &mut Context) -> Result<Option<Element>, ModuleError> {
    let wrong = |value: &str, cause: String| {
        let message = text!(
            "The document on standard input cannot be read: {cause}",
            "Документ на стандартном вводе не читается: {cause}"
        );
        ModuleError::new(ErrorKind::BadValue, "stdin", value, message)
            .changed(text!("Nothing was done", "Ничего не сделано"))
            .next(text!("the panel's log shows what it sent", "что было передано, видно в логе панели"))
    };
    let mut bytes = Vec::new();
    let read = (&mut ctx.stdin).take(STDIN_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| wrong("", error.to_string()))?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    xml::parse(&bytes, STDIN_BYTES).map(Some).map_err(|error| wrong("", error.to_string()))
}

/// The document on stdin, which must be there.
fn required_document(ctx: &mut Context) -> Result<Element, ModuleError> {
    stdin_document(ctx)?.ok_or_else(|| {
        let message = text!(
            "The command expects a document on standard input and got none",
            "Команда ждёт документ на стандартном вводе, но его нет"
        );
        ModuleError::new(ErrorKind::Missed, "stdin", "", message)
            .changed(text!("Nothing was done", "Ничего не сделано"))
            .next(text!("pass the form as XML", "передайте форму в виде XML"))
    })
}

/// The error of a reading call to the license server `url`.
fn call_error(url: &str, error: &CallError) -> ModuleError {
    match error {
        CallError::Refused(refusal) => {
            let message = if refusal.kind == RefusalKind::Auth {
                let next = refusal.advice.as_deref().cloned().unwrap_or_else(crate::engine::login_advice);
                // The client's own advice names the addresses already, so the address is left out here.
                let who = if refusal.advice.is_some() { String::new() } else { format!(" {url}") };
                text!(
                    "The license server{who} refused the login: {refusal}",
                    "Сервер лицензий{who} отклонил вход: {refusal}"
                )
                .changed(text!("Nothing was changed", "Ничего не изменено"))
                .next(next)
            } else {
                text!("The license server {url} refused: {refusal}", "Сервер лицензий {url} отказал: {refusal}")
                    .changed(text!("Nothing was changed", "Ничего не изменено"))
                    .next(text!(
                        "correct the cause that it names and repeat",
                        "устраните названную причину и повторите"
                    ))
            };
            ModuleError::new(crate::engine::refusal_kind(refusal.kind), "url", url, message)
        }
        CallError::Unreachable(why) => ModuleError::new(
            ErrorKind::Client,
            "url",
            url,
            text!("The license server {url} was not reached: {why}", "Сервер лицензий {url} недоступен: {why}"),
        )
            .changed(text!("Nothing was changed", "Ничего не изменено"))
            .next(text!("check address and network, then repeat", "проверьте адрес и сеть и повторите")),
        CallError::Form(name) => ModuleError::new(
            ErrorKind::BadAnswer,
            "form",
            name,
            text!("The license server {url} shows the form {name:?} instead of a result, as it does when a password expired", "Сервер лицензий {url} вместо результата показывает форму {name:?}: так бывает, когда истёк пароль"),
        )
            .changed(text!("Nothing was changed", "Ничего не изменено"))
            .next(text!(
                "log in there with a browser as this user, answer the form, then repeat",
                "войдите там через браузер как этот пользователь, заполните форму и повторите"
            )),
        CallError::BadAnswer(why) if SellerKind::of(url).lists_callers() => ModuleError::new(
            ErrorKind::BadAnswer,
            "url",
            url,
            text!(
                ["The license server {url} gave an answer that cannot be trusted: {}", why.en],
                ["Сервер лицензий {url} дал ответ, которому нельзя верить: {}", why.ru]
            ),
        )
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "check in the seller's panel, under Settings, API, that the address of this server is allowed; a new one works after up to an hour",
            "проверьте в панели продавца, «Settings», «API», что адрес этого сервера разрешён; новый начинает действовать не позже чем через час"
        )),
        CallError::BadAnswer(why) => ModuleError::new(
            ErrorKind::BadAnswer,
            "url",
            url,
            text!(["The license server {url} gave an answer that cannot be trusted: {}", why.en], ["Сервер лицензий {url} дал ответ, которому нельзя верить: {}", why.ru]),
        )
            .changed(text!("Nothing was changed", "Ничего не изменено"))
            .next(text!(
                "check that the address is that of a BILLmanager, then repeat",
                "проверьте, что это адрес BILLmanager, и повторите"
            )),
    }
}
