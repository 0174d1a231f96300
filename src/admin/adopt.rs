//! `state adopt`: after the state was lost, the new one gets the id of the installation whose mark is on the licenses
//! of our own services, so that these licenses are ours again.

use super::repair::{After, shown};
use super::show::our_modules;
use super::state_file::refuse_in_cluster;
use super::table::wrapped;
use super::{Answer, Desk};
use crate::engine::{check_machine, run_to_end, state_error};
use crate::error::{ErrorKind, Message, ModuleError, Text, counted};
use crate::model::ids::PanelId;
use crate::model::journal::Note;
use crate::plan::finding::Kind;
use crate::plan::reconcile::adopting;
use crate::session::state::open_alone;
use crate::session::with_engine;
use crate::store::Store;
use crate::text;

/// The single value with the id that this state had before it adopted another one. Only this former id may be adopted
/// without a service that proves it.
const ID_BEFORE: &str = "panel_id_before";

/// `state adopt PANEL_ID`
///
/// # Errors
/// `config`: the settings name another installation, or the machine belongs to a cluster; `state`: the state has
/// licenses or orders of another id, or no service shows a license with a mark of this one; `missed`: the operator did
/// not agree. Then nothing was changed.
pub fn adopt(desk: &mut Desk<'_>, panel: &PanelId, after: After) -> Result<Answer, ModuleError> {
    refuse_in_cluster(desk)?;
    check_pinned(desk, panel)?;
    let store = desk.store()?;
    check_machine(&store, &desk.ctx.machine)?;
    let before = store.panel_id().map_err(state_error)?;
    if before == *panel {
        return Ok(Answer::sentence("state", desk.ctx.lang, already(panel)));
    }
    check_empty(&store, panel)?;
    let was_ours = store.meta(ID_BEFORE).map_err(state_error)?.as_deref() == Some(panel.as_str());
    drop(store);
    if !was_ours {
        for line in witnesses(desk, panel)? {
            let shown = format!("- {}\n", wrapped(desk.say(&line), desk.width, 2));
            (desk.tell)(&shown);
        }
    }
    let (old, new) = (before.as_str(), panel.as_str());
    let plan = text!(
        "The state will be that of installation {new}. Now it is that of {old}. Licenses with the mark of {new} will then be ours. No other machine may work under that id. Nothing is bought until you run: pmisplicense reconcile --apply",
        "Состояние станет состоянием установки {new}; сейчас это установка {old}. Лицензии с меткой {new} станут нашими. Ни одна другая машина не должна работать под этим номером. Пока вы не выполните pmisplicense reconcile --apply, ничего не покупается"
    );
    if let Some(answer) = shown(desk, ("state", after), &plan, None)? {
        return Ok(answer);
    }
    let done = text!("The state is that of installation {new} now", "Теперь это состояние установки {new}");
    write(desk, &before, panel, &done)?;
    let next = text!(
        "pmisplicense reconcile, then pmisplicense reconcile --apply. To undo it before that: pmisplicense state adopt {old}",
        "pmisplicense reconcile, затем pmisplicense reconcile --apply. Отменить до этого: pmisplicense state adopt {old}"
    );
    Ok(Answer::sentence("state", desk.ctx.lang, done.next(next)))
}

/// The change itself. No other run may order something with the former id at the same time. So this run is alone, and
/// looks at the state once more.
fn write(desk: &Desk<'_>, before: &PanelId, panel: &PanelId, done: &Text) -> Result<(), ModuleError> {
    let store = open_alone(desk.ctx)?;
    check_empty(&store, panel)?;
    let now = desk.ctx.clock.now();
    let since = now.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    let written = store.write(now, |tx| {
        tx.set_meta("panel_id", panel.as_str())?;
        tx.set_meta(ID_BEFORE, before.as_str())?;
        tx.set_old(&since)?;
        tx.note(None, None, Note::PanelId, done)
    });
    written.map_err(state_error)
}

/// Refuses when the setting `panel_id` names another id, because the next run would put that id back.
fn check_pinned(desk: &Desk<'_>, panel: &PanelId) -> Result<(), ModuleError> {
    let pinned = desk.ctx.settings.rules(desk.ctx.module).panel_id;
    let Some(pinned) = pinned.filter(|pinned| pinned != panel) else { return Ok(()) };
    let (pinned, id) = (pinned.as_str(), panel.as_str());
    let words = text!(
        "The setting panel_id says that this installation is {pinned}",
        "Настройка panel_id говорит, что эта установка — {pinned}"
    );
    Err(ModuleError::new(ErrorKind::Config, "panel_id", pinned, words).changed(nothing()).next(text!(
        "if {id} is right, set panel_id = \"{id}\" in the settings, then: pmisplicense reconcile",
        "если верен {id}, задайте в настройках panel_id = \"{id}\", затем: pmisplicense reconcile"
    )))
}

/// Refuses when the state has licenses or orders with the mark of another id, because they would not be ours any more.
fn check_empty(store: &Store, panel: &PanelId) -> Result<(), ModuleError> {
    let (licenses, orders) = store.marked_by_others(panel).map_err(state_error)?;
    if (licenses, orders) == (0, 0) {
        return Ok(());
    }
    let id = panel.as_str();
    let words = text!(
        [
            "This state has {} and {} with the mark of another installation than {id}, which would no longer be ours",
            counted(licenses, "license"),
            counted(orders, "order")
        ],
        [
            "В этом состоянии есть лицензии ({licenses}) и заказы ({orders}) с меткой другой установки, не {id}; они перестали бы быть нашими"
        ]
    );
    Err(ModuleError::new(ErrorKind::State, "panel_id", id, words).changed(nothing()).next(text!(
        "take the licenses over one by one; the commands are named by: pmisplicense reconcile",
        "заберите лицензии по одной; команды назовёт: pmisplicense reconcile"
    )))
}

/// The evidence that this installation had the id, module by module: services that show a license with a mark for that
/// service.
fn witnesses(desk: &mut Desk<'_>, panel: &PanelId) -> Result<Vec<Text>, ModuleError> {
    let (mut found, mut first_error) = (Vec::new(), None);
    let remedy = adopting(panel);
    for module in our_modules(desk)? {
        let compared = with_engine(desk.ctx, module, |engine| run_to_end(engine.survey(&mut |_| {})));
        match compared {
            Ok(findings) => {
                let named = findings.into_iter().filter(|one| one.kind == Kind::LostState && one.remedy == remedy);
                found.extend(
                    named.map(|one| text!(["module {module}: {}", one.what.en], ["модуль {module}: {}", one.what.ru])),
                );
            }
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    match (found.is_empty(), first_error) {
        (false, _) => Ok(found),
        (true, Some(error)) => Err(error),
        (true, None) => Err(no_witness(panel)),
    }
}

fn no_witness(panel: &PanelId) -> ModuleError {
    let id = panel.as_str();
    let words = text!(
        "No service shows a license that installation {id} marked for this very service, so nothing proves that this installation had that id",
        "Ни одна услуга не показывает лицензию, которую установка {id} пометила именно для неё; ничто не доказывает, что у этой установки был такой номер"
    );
    ModuleError::new(ErrorKind::State, "panel_id", id, words).changed(nothing()).next(text!(
        "see which id the marks have: pmisplicense reconcile. If you are certain, set panel_id = \"{id}\" in the settings",
        "посмотрите, какой номер в метках: pmisplicense reconcile. Если вы уверены, задайте в настройках panel_id = \"{id}\""
    ))
}

fn already(panel: &PanelId) -> Message {
    let id = panel.as_str();
    text!("The state is that of installation {id} already", "Это уже состояние установки {id}")
        .next(text!("pmisplicense reconcile", "pmisplicense reconcile"))
}

fn nothing() -> Text {
    text!("Nothing was changed", "Ничего не изменено")
}
