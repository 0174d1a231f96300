//! bind, unbind, move, retry: what a person orders about one service, shown first and asked.

use super::{Answer, Desk};
use crate::cli::RefusedFor;
use crate::commands::licenses::{module_of_item, with_engine};
use crate::engine::{ItemCommand, run_to_end, state_error};
use crate::error::{ErrorKind, ModuleError};
use crate::model::ids::{ItemId, LicenseId, ModuleId};
use crate::model::item::ItemStatus;
use crate::text;

/// `bind`
///
/// # Errors
/// See [`Engine::bind`](crate::engine::Engine::bind).
pub fn bind(
    desk: &mut Desk<'_>,
    item: ItemId,
    license: LicenseId,
    replace: bool,
    yes: bool,
) -> Result<Answer, ModuleError> {
    let module = module_of_item(desk.ctx, item)?;
    let freed = if replace {
        text!("; what it has goes to the pool", "; прежняя уйдёт в пул")
    } else {
        text!("", "")
    };
    let plan = text!(
        ["license {license} will serve service {item}, be marked as ours, and not renew itself{}", freed.en],
        [
            "лицензия {license} будет обслуживать услугу {item}, получит нашу метку, автопродление отключится{}",
            freed.ru
        ]
    );
    desk.confirm(&plan, yes)?;
    let done = with_engine(desk.ctx, module, |engine| run_to_end(engine.bind(item, license, replace)))?;
    Ok(Answer::sentence("bind", desk.ctx.lang, &done))
}

/// `unbind`
///
/// # Errors
/// See [`Engine::unbind`](crate::engine::Engine::unbind).
pub fn unbind(desk: &mut Desk<'_>, item: ItemId, yes: bool) -> Result<Answer, ModuleError> {
    let module = match held_with(desk, item)? {
        Some(module) => module,
        None => module_of_item(desk.ctx, item)?,
    };
    let plan = text!(
        "service {item} loses its license, which goes to the pool; the panel shows none any more",
        "услуга {item} лишится лицензии, та уйдёт в пул; панель её больше не покажет"
    );
    desk.confirm(&plan, yes)?;
    let done = with_engine(desk.ctx, module, |engine| run_to_end(engine.unbind(item)))?;
    Ok(Answer::sentence("unbind", desk.ctx.lang, &done))
}

/// The module that what a service holds was bound with: the service itself may be gone from the panel.
fn held_with(desk: &Desk<'_>, item: ItemId) -> Result<Option<ModuleId>, ModuleError> {
    let rows = desk.store()?.licenses_of_item(item).map_err(state_error)?;
    Ok(rows.iter().find(|row| row.life.is_some()).map(|row| row.module))
}

/// `move`
///
/// # Errors
/// See [`Engine::move_here`](crate::engine::Engine::move_here).
pub fn move_item(desk: &mut Desk<'_>, item: ItemId, yes: bool) -> Result<Answer, ModuleError> {
    let module = module_of_item(desk.ctx, item)?;
    let plan = text!(
        "service {item} gets another license, from the pool or bought with module {module}, with another key; the one it has is freed",
        "услуга {item} получит другую лицензию из пула или купленную через модуль {module}, с другим ключом; прежняя освободится"
    );
    desk.confirm(&plan, yes)?;
    let done = with_engine(desk.ctx, module, |engine| run_to_end(engine.move_here(item)))?;
    Ok(Answer::sentence("move", desk.ctx.lang, &done))
}

/// What a service lacks, by its status.
fn owed(status: ItemStatus) -> Option<ItemCommand> {
    match status {
        ItemStatus::Ordered | ItemStatus::Processing => Some(ItemCommand::Open),
        ItemStatus::Active => Some(ItemCommand::SyncItem),
        ItemStatus::Suspended => Some(ItemCommand::Suspend),
        ItemStatus::Deleted => Some(ItemCommand::Close),
        ItemStatus::Unknown(_) => None,
    }
}

/// `retry ITEM`
///
/// # Errors
/// What the repeated command says.
pub fn retry(desk: &mut Desk<'_>, item: ItemId, yes: bool) -> Result<Answer, ModuleError> {
    let command = command_for(desk, item)?;
    let plan = text!("repeat {} of service {item}", "повторить {} услуги {item}", command.word());
    desk.confirm(&plan, yes)?;
    run_one(desk, item, command)?;
    let done = text!("{} of service {item}: done", "{} услуги {item}: выполнено", command.word());
    Ok(Answer::sentence("retry", desk.ctx.lang, &done))
}

fn command_for(desk: &mut Desk<'_>, id: ItemId) -> Result<ItemCommand, ModuleError> {
    let item = desk.ctx.data.billdb()?.item(id).map_err(crate::context::database_error)?;
    let item = item.ok_or_else(|| crate::engine::no_item(id))?;
    owed(item.status).ok_or_else(|| {
        let status = item.status.number();
        let words = text!(
            "service {id} has the status {status}, for which nothing is known to do",
            "у услуги {id} статус {status}, для него ничего не предусмотрено"
        );
        ModuleError::new(ErrorKind::BadValue, "item", id, words)
    })
}

fn run_one(desk: &mut Desk<'_>, item: ItemId, command: ItemCommand) -> Result<(), ModuleError> {
    let module = module_of_item(desk.ctx, item)?;
    with_engine(desk.ctx, module, |engine| run_to_end(engine.item_command(command, item)))
}

/// `retry --all`: services whose last purchase upstream refused.
///
/// # Errors
/// The first failure, after everything was tried.
pub fn retry_all(desk: &mut Desk<'_>, kind: Option<RefusedFor>, yes: bool) -> Result<Answer, ModuleError> {
    let store = desk.store()?;
    let wanted = kind.map(|kind| match kind {
        RefusedFor::Nomoney => "nomoney",
        RefusedFor::Blocked => "blocked",
    });
    let accounts = store.accounts().map_err(state_error)?;
    let fits = |account| {
        let refused = accounts.iter().find(|known| known.id == account).and_then(|known| known.refused.as_ref());
        wanted.is_none_or(|word| refused.is_some_and(|(kind, ..)| kind == word))
    };
    let wishes = store.refused_wishes().map_err(state_error)?;
    let items: Vec<ItemId> = wishes.iter().filter(|wish| fits(wish.account)).filter_map(|wish| wish.item).collect();
    if items.is_empty() {
        let none = text!("no service waits after a refusal", "ни одна услуга не ждёт после отказа");
        return Ok(Answer::sentence("retry", desk.ctx.lang, &none));
    }
    let list = items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let count = items.len();
    desk.confirm(&text!("{count} services are tried again: {list}", "повторить для услуг ({count}): {list}"), yes)?;
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
        None => {
            Ok(Answer::sentence("retry", desk.ctx.lang, &text!("{done} services: done", "услуг: {done}, выполнено")))
        }
    }
}
