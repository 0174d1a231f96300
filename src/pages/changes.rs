//! The forms that change something. Each shows first what would happen. When it is submitted, it runs the code of the
//! command, with its locks, checks and guards.

use std::collections::BTreeSet;

use super::forms::selected;
use super::lists::problem_id;
use super::request::{Request, go_on, nothing_done, row};
use crate::admin::reconcile::{Apply, carried_out};
use crate::admin::repair::{self, After};
use crate::admin::{Desk, preview};
use crate::engine::{Allow, Consent, Verdict};
use crate::error::{ErrorKind, ModuleError, Text};
use crate::model::command::ItemCommand;
use crate::model::ids::{IntentId, ItemId, LicenseId};
use crate::text;
use crate::watch::last_runs::{self, LastRuns, SeenDifference};
use crate::watch::problems::Problems;
use crate::xml::Element;

/// `pmisplicense.sync`: one service, as the panel's command `sync_item`.
///
/// # Errors
/// As the command.
pub fn sync(desk: &mut Desk<'_>, request: Request<'_>) -> Result<Element, ModuleError> {
    let plan = |item| {
        text!(
            "Service {item} and its license are compared with the seller now. A renewal that is due is paid.",
            "Услуга {item} и её лицензия будут сверены с продавцом. Наступившее продление будет оплачено."
        )
    };
    for_service(desk, request, plan, |desk, item| repair::run_one(desk, item, ItemCommand::SyncItem))
}

/// `pmisplicense.newkey`: as the panel's command `gen_key`.
///
/// # Errors
/// As the command.
pub fn new_key(desk: &mut Desk<'_>, request: Request<'_>) -> Result<Element, ModuleError> {
    let plan = |item| {
        text!(
            "The license of service {item} gets a new key, which its client sees. The old key stops working. A key can be changed once a month.",
            "Лицензия услуги {item} получит новый ключ, его увидит клиент. Старый ключ перестанет работать. Ключ можно менять раз в месяц."
        )
    };
    for_service(desk, request, plan, |desk, item| repair::run_one(desk, item, ItemCommand::GenKey))
}

/// `pmisplicense.unbind`: as `pmisplicense unbind`.
///
/// # Errors
/// As the command.
pub fn unbind(desk: &mut Desk<'_>, request: Request<'_>) -> Result<Element, ModuleError> {
    for_service(desk, request, repair::unbind_plan, |desk, item| repair::unbind(desk, item, true).map(drop))
}

/// A form about one service. If a license is selected, its service is looked up when the form is first shown, and the
/// form then holds the number of that service. The license may serve another service by the time the form is submitted.
fn for_service(
    desk: &mut Desk<'_>,
    mut request: Request<'_>,
    plan: impl FnOnce(ItemId) -> Text,
    act: impl FnOnce(&mut Desk<'_>, ItemId) -> Result<(), ModuleError>,
) -> Result<Element, ModuleError> {
    let item = service(desk, &request.element()?)?;
    if request.is_submitted() {
        act(desk, item)?;
        return Ok(go_on("form", &format!("pmisplicense.license&elid={item}")));
    }
    request.set("elid", &item.to_string());
    request.set("plan", plan(item).in_lang(desk.ctx.lang));
    Ok(request.doc)
}

/// The service that is selected, by its own number or by the license that serves it.
fn service(desk: &Desk<'_>, id: &str) -> Result<ItemId, ModuleError> {
    let found = selected(&desk.store()?, id)?;
    let serves = found.row.as_ref().is_none_or(|row| row.incarnation.is_some());
    found.item.filter(|_| serves).ok_or_else(|| {
        let words = text!("The license serves no service.", "Лицензия не обслуживает ни одну услугу.");
        nothing_done(ErrorKind::Missed, "elid", id, words)
            .next(text!("select a license that is bound", "выберите занятую лицензию"))
    })
}

/// `pmisplicense.resolve`: the answer to a request in doubt. It changes nothing yet: what the answer would change is
/// checked and shown by [`decide`].
///
/// # Errors
/// `missed`: nobody has to answer, or the answer is missing; as `pmisplicense resolve`.
pub fn resolve(desk: &mut Desk<'_>, mut request: Request<'_>) -> Result<Element, ModuleError> {
    let id = request.element()?;
    let pending = in_doubt(desk, &id)?;
    if request.is_submitted() {
        let verdict = verdict(&request)?;
        repair::resolution(desk, pending.item, Some(pending.intent), verdict, &NO_CONSENT)?;
        let answer = match verdict {
            Verdict::Bought(license) => format!("bought.{license}"),
            Verdict::NotBought => "not_bought".to_owned(),
        };
        return Ok(go_on("form", &format!("pmisplicense.decide&elid={}.{answer}", pending.intent)));
    }
    let lang = desk.ctx.lang;
    request.set("elid", &id);
    request.set("what", pending.what.in_lang(lang));
    request.set("next", pending.next.in_lang(lang));
    request.choices("verdict", &["none", "bought", "not_bought"]);
    request.set("verdict", "none");
    Ok(request.doc)
}

/// `pmisplicense.decide`: the page that `pmisplicense resolve` shows before it asks, and then the same as that command.
/// The row is the request with the answer: `12.not_bought`, `12.bought.5001`.
///
/// # Errors
/// `missed`: nobody has to answer any more, or the box is not ticked; as the command.
pub fn decide(desk: &mut Desk<'_>, mut request: Request<'_>) -> Result<Element, ModuleError> {
    let row_id = request.element()?;
    let (id, verdict) = decision(&row_id)?;
    let pending = in_doubt(desk, id)?;
    if request.is_submitted() {
        check_confirmed(&request)?;
        repair::resolve(desk, pending.item, Some(pending.intent), verdict, &NO_CONSENT, After::Agreed)?;
        return Ok(go_on("list", "pmisplicense.indoubt"));
    }
    let resolution = repair::resolution(desk, pending.item, Some(pending.intent), verdict, &NO_CONSENT)?;
    let lang = desk.ctx.lang;
    request.set("elid", &row_id);
    request.set("plan", resolution.plan.in_lang(lang));
    let Some(preview) = resolution.preview else { return Ok(request.doc) };
    let say = |text: &Text| text.in_lang(lang).to_owned();
    if let Some(faces) = &preview.faces {
        let compared = preview::compared(desk, faces, &preview.outward).into_iter();
        let rows = compared.map(|(what, now, then)| row([("what", say(&what)), ("now", now), ("then", then)]));
        request.table("compared", rows.collect());
    }
    let changes = preview.changes.iter().map(|change| {
        let cost = change.cost.as_ref().map(say).unwrap_or_default();
        row([("what", say(&change.what)), ("cost", cost)])
    });
    request.table("changes", changes.collect());
    request.set("sum", &say(&preview.bill().sentence(preview.balance.as_ref())));
    Ok(request.doc)
}

/// The form has none of the options of `resolve`. An answer that needs one is given with the command.
const NO_CONSENT: Consent = Consent { replace: false, take_from: None, other_product: false };

/// A request whose outcome an operator must tell.
struct InDoubt {
    intent: IntentId,
    item: ItemId,
    what: Text,
    next: Text,
}

fn in_doubt(desk: &Desk<'_>, id: &str) -> Result<InDoubt, ModuleError> {
    let store = desk.store()?;
    let problems = Problems::read(&store, desk.ctx.clock.now())?;
    let problem = problems.list().iter().find(|problem| problem_id(problem) == id).ok_or_else(|| {
        let words = text!("This request no longer waits for an answer.", "Этот запрос больше не ждёт ответа.");
        nothing_done(ErrorKind::Missed, "elid", id, words).next(text!("reload the list", "обновите список"))
    })?;
    let (Some(intent), Some(item)) = (problem.intent, problem.item) else {
        let words = text!(
            "This problem is not a request that an answer ends.",
            "Эта проблема — не запрос, который завершается ответом."
        );
        return Err(nothing_done(ErrorKind::BadValue, "elid", id, words).next(problem.next.clone()));
    };
    Ok(InDoubt { intent, item, what: problem.what.clone(), next: problem.next.clone() })
}

/// The request and the answer in the row of [`decide`].
fn decision(row: &str) -> Result<(&str, Verdict), ModuleError> {
    let mut parts = row.splitn(3, '.');
    let answer = match (parts.next(), parts.next(), parts.next()) {
        (Some(id), Some("not_bought"), None) => Some((id, Verdict::NotBought)),
        (Some(id), Some("bought"), Some(license)) => license.parse().ok().map(|license| (id, Verdict::Bought(license))),
        (_, _, _) => None,
    };
    answer.ok_or_else(|| {
        let words = text!("{row:?} is not a request with an answer.", "{row:?} — не запрос с ответом.");
        nothing_done(ErrorKind::BadValue, "elid", row, words).next(text!("reload the list", "обновите список"))
    })
}

fn verdict(request: &Request<'_>) -> Result<Verdict, ModuleError> {
    match request.param("verdict").as_deref() {
        Some("bought") => bought(request).map(Verdict::Bought),
        Some("not_bought") => Ok(Verdict::NotBought),
        Some(_) | None => {
            let words = text!("No answer was chosen.", "Ответ не выбран.");
            Err(nothing_done(ErrorKind::Missed, "verdict", "", words).next(text!(
                "look at the seller's panel, then choose one of the two answers",
                "проверьте в панели продавца и выберите один из двух ответов"
            )))
        }
    }
}

fn check_confirmed(request: &Request<'_>) -> Result<(), ModuleError> {
    if request.param("confirm").is_some_and(|value| value == "on") {
        return Ok(());
    }
    let words = text!("The answer was not confirmed.", "Ответ не подтверждён.");
    Err(nothing_done(ErrorKind::Missed, "confirm", "", words)
        .next(text!("tick the box, then submit again", "поставьте отметку и отправьте форму снова")))
}

fn bought(request: &Request<'_>) -> Result<LicenseId, ModuleError> {
    let number = request.param("license").unwrap_or_default();
    number.parse().map_err(|_| {
        let words = text!("{number:?} is not the number of a license.", "{number:?} — не номер лицензии.");
        nothing_done(ErrorKind::BadValue, "license", &number, words)
            .next(text!("enter the number that the seller's panel shows", "введите номер из панели продавца"))
    })
}

/// `pmisplicense.apply`: puts selected differences right, as `reconcile --apply` does with all of them.
///
/// # Errors
/// `missed`, `bad_value`: none is selected, or one that needs a decision; as the command.
pub fn apply(desk: &mut Desk<'_>, mut request: Request<'_>) -> Result<Element, ModuleError> {
    let ids: BTreeSet<String> = request.elements()?.into_iter().collect();
    let listed = known_differences(desk);
    let chosen: Vec<&SeenDifference> = listed.iter().filter(|one| ids.contains(&one.id())).collect();
    if chosen.is_empty() {
        let words = text!("None of the listed differences is selected.", "Не выбрано ни одно из различий списка.");
        return Err(nothing_done(ErrorKind::Missed, "elid", "", words)
            .next(text!("reload the list, then select one", "обновите список и выберите различие")));
    }
    if let Some(one) = chosen.iter().find(|one| one.command.is_some()) {
        let what = Text { en: one.what.0.clone(), ru: one.what.1.clone() };
        let words = text!(["{}: this needs a decision.", what.en], ["{}: здесь нужно решение.", what.ru]);
        return Err(nothing_done(ErrorKind::BadValue, "elid", &one.id(), words)
            .next(Text { en: one.remedy.0.clone(), ru: one.remedy.1.clone() }));
    }
    if request.is_submitted() {
        return put_right(desk, Apply::Only(&ids));
    }
    request.set("elid", &ids.into_iter().collect::<Vec<_>>().join(","));
    request.table("differences", chosen.into_iter().map(|one| difference(desk, one)).collect());
    Ok(request.doc)
}

/// `pmisplicense.applyall`: puts right all that needs no decision, as `reconcile --apply`.
///
/// # Errors
/// As the command.
pub fn apply_all(desk: &mut Desk<'_>, mut request: Request<'_>) -> Result<Element, ModuleError> {
    if request.is_submitted() {
        return put_right(desk, Apply::All);
    }
    let listed = known_differences(desk);
    let undecided = listed.iter().filter(|one| one.command.is_none());
    request.table("differences", undecided.map(|one| difference(desk, one)).collect());
    Ok(request.doc)
}

fn known_differences(desk: &Desk<'_>) -> Vec<SeenDifference> {
    let last = LastRuns::read(&last_runs::path(&desk.ctx.settings)).reconcile;
    last.map(|last| last.differences).unwrap_or_default()
}

fn difference(desk: &Desk<'_>, one: &SeenDifference) -> Element {
    let say = |(en, ru): &(String, String)| Text { en: en.clone(), ru: ru.clone() }.in_lang(desk.ctx.lang).to_owned();
    row([("what", say(&one.what)), ("remedy", say(&one.remedy)), ("cost", one.cost.clone().unwrap_or_default())])
}

/// Compares once more and puts right. A difference that could not be put right fails the form.
fn put_right(desk: &mut Desk<'_>, which: Apply<'_>) -> Result<Element, ModuleError> {
    let reconciled = carried_out(desk, None, which, Allow::Guarded)?;
    if let Some(error) = reconciled.error() {
        return Err(error.clone());
    }
    let failures: Vec<&str> = reconciled.failures().collect();
    if failures.is_empty() {
        return Ok(go_on("list", "pmisplicense.findings"));
    }
    let (count, list) = (failures.len(), failures.join("; "));
    let words = text!(
        "Differences that could not be put right: {count}. {list}",
        "Не удалось исправить различий: {count}. {list}"
    );
    Err(ModuleError::new(ErrorKind::Upstream, "reconcile", count, words)
        .changed(text!("The others were put right.", "Остальные исправлены."))
        .next(text!("reload the list", "обновите список")))
}
