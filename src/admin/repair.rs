//! bind, unbind, move, retry, resolve: an operator's commands about one service. The change is shown and confirmed
//! first.

use std::collections::BTreeSet;

use serde_json::json;

use super::show::our_modules;
use super::{Answer, Desk};
use crate::cli::RefusedFor;
use crate::engine::{Consent, Preview, Resolution, Verdict, run_to_end, state_error};
use crate::error::{ErrorKind, ModuleError, Text, counted};
use crate::model::command::ItemCommand;
use crate::model::ids::{IntentId, ItemId, LicenseId, ModuleId};
use crate::model::item::ItemStatus;
use crate::model::journal::{Intent, IntentStatus, OnceRequest};
use crate::session::{module_of_item, with_engine};
use crate::store::WaitsFor;
use crate::text;

/// What happens after the page was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// The operator is asked.
    Asked,
    /// The operator has agreed already (`--yes`).
    Agreed,
    /// Nothing: the page was all that was wanted (`--dry-run`).
    Nothing,
}

impl After {
    /// From the options of a command.
    pub fn options(yes: bool, dry_run: bool) -> Self {
        match (dry_run, yes) {
            (true, _) => Self::Nothing,
            (false, true) => Self::Agreed,
            (false, false) => Self::Asked,
        }
    }
}

/// Shows the page and asks the operator to agree. A dry run ends here: its answer is returned.
pub(super) fn shown(
    desk: &mut Desk<'_>,
    (command, after): (&str, After),
    plan: &Text,
    preview: Option<&Preview>,
) -> Result<Option<Answer>, ModuleError> {
    if after == After::Nothing {
        return Ok(Some(super::preview::answer(desk, command, plan, preview)));
    }
    if let Some(preview) = preview {
        let page = super::preview::page(desk, preview);
        (desk.tell)(&page);
    }
    desk.confirm(plan, after == After::Agreed)?;
    Ok(None)
}

/// `bind`
///
/// # Errors
/// See [`Engine::bind`](crate::engine::Engine::bind).
pub fn bind(
    desk: &mut Desk<'_>,
    item: ItemId,
    license: LicenseId,
    consent: &Consent,
    after: After,
) -> Result<Answer, ModuleError> {
    let module = module_of_item(desk.ctx, item)?;
    let preview = with_engine(desk.ctx, module, |engine| run_to_end(engine.preview(item, license, consent)))?;
    let plan =
        text!("License {license} is bound to service {item}", "Лицензия {license} привязывается к услуге {item}");
    if let Some(answer) = shown(desk, ("bind", after), &plan, Some(&preview))? {
        return Ok(answer);
    }
    let done = with_engine(desk.ctx, module, |engine| run_to_end(engine.bind(item, license, consent.clone())))?;
    Ok(Answer::sentence("bind", desk.ctx.lang, &done))
}

/// `resolve`
///
/// # Errors
/// See [`Engine::resolve`](crate::engine::Engine::resolve).
pub fn resolve(
    desk: &mut Desk<'_>,
    item: ItemId,
    intent: Option<IntentId>,
    verdict: Verdict,
    consent: &Consent,
    after: After,
) -> Result<Answer, ModuleError> {
    let resolution = resolution(desk, item, intent, verdict, consent)?;
    if let Some(answer) = shown(desk, ("resolve", after), &resolution.plan, resolution.preview.as_ref())? {
        return Ok(answer);
    }
    let module = module_of_item(desk.ctx, item)?;
    // The intent that was shown, even if other intents have come into doubt since.
    let intent = resolution.intent;
    let done =
        with_engine(desk.ctx, module, |engine| run_to_end(engine.resolve(item, Some(intent), verdict, consent)))?;
    let (words, license) = match verdict {
        Verdict::Bought(license) => ("bought", Some(license.0)),
        Verdict::NotBought => ("not_bought", None),
    };
    let text = desk.say(&done);
    let json = json!({ "text": text, "item": item.0, "wish": intent.0, "outcome": words, "license": license });
    Ok(Answer::new("resolve", format!("{text}\n"), json))
}

/// What `resolve` would do, after everything was checked.
///
/// # Errors
/// See [`Engine::resolution`](crate::engine::Engine::resolution).
pub fn resolution(
    desk: &mut Desk<'_>,
    item: ItemId,
    intent: Option<IntentId>,
    verdict: Verdict,
    consent: &Consent,
) -> Result<Resolution, ModuleError> {
    let module = module_of_item(desk.ctx, item)?;
    with_engine(desk.ctx, module, |engine| run_to_end(engine.resolution(item, intent, verdict, consent)))
}

/// `unbind`
///
/// # Errors
/// See [`Engine::unbind`](crate::engine::Engine::unbind).
pub fn unbind(desk: &mut Desk<'_>, item: ItemId, yes: bool) -> Result<Answer, ModuleError> {
    let modules = our_modules(desk)?;
    let module = match bound_with(desk, item)?.filter(|module| modules.contains(module)) {
        Some(module) => module,
        None => module_of_item(desk.ctx, item)?,
    };
    desk.confirm(&unbind_plan(item), yes)?;
    let done = with_engine(desk.ctx, module, |engine| run_to_end(engine.unbind(item)))?;
    Ok(Answer::sentence("unbind", desk.ctx.lang, &done))
}

/// What `unbind` would do, in words.
pub fn unbind_plan(item: ItemId) -> Text {
    text!(
        "service {item} loses its license, and the panel no longer shows one. The license is freed as after a close; a WHMCS license stays on its hosting order, and one of another account is written down as to be freed there",
        "услуга {item} лишится лицензии, и панель её больше не покажет. Лицензия освободится, как после закрытия; лицензия WHMCS останется у заказа хостинга, а лицензия другой учётной записи будет отмечена к освобождению там"
    )
}

/// The module with which the license of a service was bound. The service itself may be gone from the panel.
fn bound_with(desk: &Desk<'_>, item: ItemId) -> Result<Option<ModuleId>, ModuleError> {
    let rows = desk.store()?.licenses_of_item(item).map_err(state_error)?;
    Ok(rows.iter().find(|row| row.incarnation.is_some()).map(|row| row.module))
}

/// `move`
///
/// # Errors
/// See [`Engine::move_here`](crate::engine::Engine::move_here).
pub fn move_item(desk: &mut Desk<'_>, item: ItemId, after: After) -> Result<Answer, ModuleError> {
    let module = module_of_item(desk.ctx, item)?;
    let preview = with_engine(desk.ctx, module, |engine| run_to_end(engine.move_preview(item)))?;
    let plan = text!(
        "service {item} gets another license with another key, from the pool or bought with module {module}. Its present license is freed",
        "услуга {item} получит другую лицензию с другим ключом: из пула или купленную через модуль {module}. Прежняя освободится"
    );
    if let Some(answer) = shown(desk, ("move", after), &plan, Some(&preview))? {
        return Ok(answer);
    }
    let done = with_engine(desk.ctx, module, |engine| run_to_end(engine.move_here(item)))?;
    Ok(Answer::sentence("move", desk.ctx.lang, &done))
}

/// The command that a service still lacks, by its status.
fn owed(status: ItemStatus) -> Option<ItemCommand> {
    match status {
        ItemStatus::Ordered | ItemStatus::Processing => Some(ItemCommand::Open),
        ItemStatus::Active => Some(ItemCommand::SyncItem),
        ItemStatus::Suspended => Some(ItemCommand::Suspend),
        ItemStatus::Deleted => Some(ItemCommand::Close),
        ItemStatus::Unknown(_) => None,
    }
}

/// `retry ITEM`: what the service owes by its status, or one intent of several that wait.
///
/// # Errors
/// `missed`: no such intent waits; `order_unknown`: an operator must end it; any error of the repeated command.
pub fn retry(desk: &mut Desk<'_>, item: ItemId, intent: Option<IntentId>, yes: bool) -> Result<Answer, ModuleError> {
    let by_status = command_for(desk, item)?;
    let waiting = desk.store()?.waiting_intents(item).map_err(state_error)?;
    let (command, about) = match intent {
        None => (by_status, shown_intents(&waiting)),
        Some(id) => {
            let intent = waiting.iter().find(|intent| intent.id == id).ok_or_else(|| no_intent(item, id, &waiting))?;
            (command_of(intent, by_status)?, shown_intents(std::slice::from_ref(intent)))
        }
    };
    let word = command.word();
    let plan = text!(["repeat {word} of service {item}{}", about.en], ["повторить {word} услуги {item}{}", about.ru]);
    desk.confirm(&plan, yes)?;
    run_one(desk, item, command)?;
    let done = text!("{} of service {item}: done", "{} услуги {item}: выполнено", command.word());
    Ok(Answer::sentence("retry", desk.ctx.lang, &done))
}

/// The intents that wait, one line each. Empty if there are none.
fn shown_intents(intents: &[Intent]) -> Text {
    let line = |intent: &Intent| {
        let (id, kind, status) = (intent.id, intent.request.kind(), intent.status.word());
        let since = intent.recorded_at.format("%Y-%m-%d %H:%M");
        format!("\n  --intent {id}: {kind}, {status}, {since} UTC")
    };
    let lines: String = intents.iter().map(line).collect();
    if lines.is_empty() { text!("", "") } else { text!("; waiting:{lines}", "; ждут:{lines}") }
}

/// The command that continues an intent. A purchase for a service that is open already is finished by sync_item.
fn command_of(intent: &Intent, by_status: ItemCommand) -> Result<ItemCommand, ModuleError> {
    if intent.status == IntentStatus::HandedOver {
        let (id, item) = (intent.id, intent.item.map_or(0, |item| item.0));
        let words = text!(
            "Request {id} of service {item} cannot be repeated: it is not known whether it was carried out",
            "Запрос {id} услуги {item} повторить нельзя: неизвестно, выполнен ли он"
        );
        return Err(ModuleError::new(ErrorKind::OrderUnknown, "wish", id, words).next(text!(
            "look at the seller's panel. If it was carried out: pmisplicense resolve {item} --intent {id} --bought LICENSE. If not: pmisplicense resolve {item} --intent {id} --not-bought",
            "проверьте в панели продавца. Если выполнен: pmisplicense resolve {item} --intent {id} --bought ЛИЦЕНЗИЯ. Если нет: pmisplicense resolve {item} --intent {id} --not-bought"
        )));
    }
    Ok(match intent.request {
        OnceRequest::Order(_) | OnceRequest::AddLicense(_) => by_status,
        OnceRequest::Prolong { .. } => ItemCommand::SyncItem,
        OnceRequest::ChangePricelist { .. } | OnceRequest::SetNodes { .. } => ItemCommand::Setparam,
        OnceRequest::NewKey { .. } => ItemCommand::GenKey,
        OnceRequest::Delete { .. } | OnceRequest::RemoveLicense(_) => ItemCommand::Close,
    })
}

fn no_intent(item: ItemId, id: IntentId, waiting: &[Intent]) -> ModuleError {
    let list = shown_intents(waiting);
    let words = text!("Service {item} has no request {id} that waits", "У услуги {item} нет ожидающего запроса {id}");
    ModuleError::new(ErrorKind::Missed, "wish", id, words)
        .changed(text!(["Nothing was done{}", list.en], ["Ничего не сделано{}", list.ru]))
}

fn command_for(desk: &mut Desk<'_>, id: ItemId) -> Result<ItemCommand, ModuleError> {
    let item = desk.ctx.data.billdb()?.item(id).map_err(crate::context::database_error)?;
    let item = item.ok_or_else(|| crate::engine::no_item(id))?;
    owed(item.status).ok_or_else(|| {
        let status = item.status.number();
        let words = text!(
            "service {id} has the status {status}, and the program has nothing to repeat for a service with this status",
            "у услуги {id} статус {status}; для услуги с таким статусом повторять нечего"
        );
        ModuleError::new(ErrorKind::BadValue, "item", id, words)
    })
}

/// A command of the panel for one service.
///
/// # Errors
/// As the command.
pub fn run_one(desk: &mut Desk<'_>, item: ItemId, command: ItemCommand) -> Result<(), ModuleError> {
    let module = module_of_item(desk.ctx, item)?;
    with_engine(desk.ctx, module, |engine| run_to_end(engine.item_command(command, item)))
}

/// Services whose last purchase the seller refused, or whose purchase was held back because of such a refusal. Closed
/// services are left out.
fn waiting_items(desk: &mut Desk<'_>, kind: Option<RefusedFor>) -> Result<Vec<ItemId>, ModuleError> {
    let store = desk.store()?;
    let wanted = kind.map(|kind| match kind {
        RefusedFor::Nomoney => WaitsFor::Money,
        RefusedFor::Blocked => WaitsFor::Unblocking,
    });
    let waiting = store.waiting_for_money().map_err(state_error)?;
    let mut items: Vec<ItemId> = waiting
        .into_iter()
        .filter(|(_, why)| wanted.is_none_or(|wanted| wanted == *why))
        .map(|(item, _)| item)
        .collect();
    let accounts = store.accounts().map_err(state_error)?;
    let fits = |account| {
        let refused = accounts.iter().find(|known| known.id == account).and_then(|known| known.refused);
        wanted.is_none_or(|wanted| refused.is_some_and(|refused| refused.waits_for == wanted))
    };
    let refused = store.refused_intents().map_err(state_error)?;
    let listed: BTreeSet<ItemId> = items.iter().copied().collect();
    let more = refused.iter().filter(|intent| fits(intent.account)).filter_map(|intent| intent.item);
    items.extend(more.filter(|item| !listed.contains(item)));
    let known = desk.ctx.data.billdb()?.items(&items).map_err(crate::context::database_error)?;
    let open: BTreeSet<ItemId> =
        known.iter().filter(|item| item.status != ItemStatus::Deleted).map(|item| item.id).collect();
    items.retain(|id| open.contains(id));
    Ok(items)
}

/// `retry --all`: repeats for services whose last purchase the seller refused, or whose purchase was held back because
/// of such a refusal.
///
/// # Errors
/// The first failure, after everything was tried.
pub fn retry_all(desk: &mut Desk<'_>, kind: Option<RefusedFor>, yes: bool) -> Result<Answer, ModuleError> {
    let items = waiting_items(desk, kind)?;
    if items.is_empty() {
        let none = text!("no service waits after a refusal", "ни одна услуга не ждёт после отказа");
        return Ok(Answer::sentence("retry", desk.ctx.lang, &none));
    }
    let list = items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let count = items.len();
    let plan = text!(["try {} again: {list}", counted(count, "service")], ["повторить для услуг ({count}): {list}"]);
    desk.confirm(&plan, yes)?;
    let (mut done, mut first_error) = (0, None);
    for item in items {
        match command_for(desk, item).and_then(|command| run_one(desk, item, command)) {
            Ok(()) => done += 1,
            Err(error) => {
                let words = text!("service {item}: {}", "услуга {item}: {}", error.message.in_lang(desk.ctx.lang));
                let line = format!("{}\n", desk.say(&words));
                (desk.tell)(&line);
                first_error = first_error.or(Some(error));
            }
        }
    }
    match first_error {
        Some(error) => Err(error),
        None => Ok(Answer::sentence(
            "retry",
            desk.ctx.lang,
            &text!(["{}: done", counted(done, "service")], ["услуг: {done}, выполнено"]),
        )),
    }
}
