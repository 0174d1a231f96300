//! The operator: does what the program's messages ask for, as somebody does who knows the truth. He reads the
//! reconcile plan, and gives the command that is written there, where it is the right one.

use pmisplicense::engine::{Consent, Engine, Verdict};
use pmisplicense::error::{ErrorKind, ModuleError, Text};
use pmisplicense::model::ids::{IntentId, ItemId, LicenseId, PanelId};
use pmisplicense::model::item::{Item, ItemStatus};
use pmisplicense::model::journal::{Intent, OnceRequest};
use pmisplicense::model::license::LicenseStatus;
use pmisplicense::plan::finding::{Finding, Kind, Remedy};

use crate::checks::is_nopanel;
use crate::seller::{Entry, Kind as Billed, Lic, Tag};
use crate::world::{Effect, Shared, World};

/// A decision, as it is given on a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Bind(ItemId, LicenseId, Consent),
    Unbind(ItemId),
    Resolve(ItemId, IntentId, Verdict),
}

/// What the operator does about a finding that asks him to decide; `None`: he leaves it.
pub fn decision(world: &World, finding: &Finding) -> Option<Decision> {
    let Remedy::Operator(command) = &finding.remedy else { return None };
    let words: Vec<&str> = command.split(' ').collect();
    let decided = match words.get(1..)? {
        ["bind", item, license, options @ ..] => {
            let (item, license) = (item.parse().ok()?, license.parse().ok()?);
            Decision::Bind(item, license, consent(options)?)
        }
        ["unbind", item] => Decision::Unbind(item.parse().ok()?),
        ["resolve", item, "--intent", intent, ..] => answer(world, item, intent)?,
        // A look. The step names the command that says what he saw.
        ["show" | "import", ..] => {
            let step = finding.remedy_words().en;
            let words: Vec<&str> = step.split(' ').collect();
            let at = words.windows(4).find(|four| four[0] == "resolve" && four[2] == "--intent")?;
            answer(world, at[1], at[3])?
        }
        _ => return None,
    };
    let decided = match decided {
        // Nothing is left to be bound: whoever the service is, he gets another one.
        Decision::Bind(item, license, _)
            if matches!(finding.kind, Kind::OtherClient | Kind::Shown) && is_gone(world, license) =>
        {
            Decision::Unbind(item)
        }
        // A client who wants no panel by now: what his service shows is nobody's.
        Decision::Bind(item, ..) if wants_nothing(world, item) => Decision::Unbind(item),
        other => other,
    };
    is_right(world, finding, &decided).then_some(decided)
}

/// What he says of a call in doubt.
fn answer(world: &World, item: &str, intent: &str) -> Option<Decision> {
    let intent = IntentId(intent.parse().ok()?);
    Some(Decision::Resolve(item.parse().ok()?, intent, verdict(world, intent)?))
}

fn consent(options: &[&str]) -> Option<Consent> {
    let mut consent = Consent::default();
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        match *option {
            "--replace" => consent.replace = true,
            "--other-product" => consent.other_product = true,
            "--take-from" => consent.take_from = Some(PanelId::parse(rest.next()?)?),
            _ => return None,
        }
    }
    Some(consent)
}

/// The truth of the simulated world: a license is the service's that works with it.
fn is_right(world: &World, finding: &Finding, decision: &Decision) -> bool {
    match decision {
        Decision::Bind(item, license, _) => works_with(world, *item, *license),
        // The panel repeats the operation, and until that ends the client may choose a product again.
        Decision::Unbind(item) if finding.kind == Kind::GivenBack => world.panel.open_op(item.0).is_none(),
        // Another service of that number has the license by our state, and the present one does not show it.
        Decision::Unbind(item) => {
            let shown = world.panel.service(item.0).and_then(|one| one.item.params.licid);
            let is_gone = finding.license.is_some_and(|license| is_gone(world, license));
            is_gone
                || is_over(world, *item) && !finding.license.is_some_and(|license| is_shown(world, license))
                || wants_nothing(world, *item)
                || finding.kind == Kind::OtherIncarnation && (shown.is_none() || shown != finding.license)
        }
        Decision::Resolve(..) => true,
    }
}

fn wants_nothing(world: &World, item: ItemId) -> bool {
    world.panel.service(item.0).is_some_and(|service| is_nopanel(&service.item))
}

fn is_over(world: &World, item: ItemId) -> bool {
    world.panel.service(item.0).is_some_and(|service| service.item.status == ItemStatus::Deleted)
}

/// Whether a service that goes on shows a license.
fn is_shown(world: &World, license: LicenseId) -> bool {
    let shows = |one: &Item| one.status != ItemStatus::Deleted && one.params.licid == Some(license);
    world.panel.services.iter().any(|service| shows(&service.item))
}

fn is_gone(world: &World, license: LicenseId) -> bool {
    world.seller.get(license.0).is_none_or(|lic| lic.status == LicenseStatus::Deleted)
}

/// Whether a service works with a license: it is there, shows the license with its key, and nobody else does.
fn works_with(world: &World, item: ItemId, license: LicenseId) -> bool {
    let Some(lic) = world.seller.get(license.0).filter(|lic| lic.status != LicenseStatus::Deleted && !lic.foreign)
    else {
        return false;
    };
    let shows = |one: &&Item| one.status != ItemStatus::Deleted && one.params.licid == Some(license);
    let mut showing = world.panel.services.iter().map(|one| &one.item).filter(shows);
    // The shown key is the last but one where a request for a new key was doubled on its way, or where the last one was
    // asked for by a run of this service that could not save it.
    let keys = || world.seller.ledger.iter().filter(|entry| entry.kind == Billed::Key && entry.license == lic.id);
    let asked_for = |entry: &Entry| entry.tag.and_then(|tag| tag.item) == Some(item.0);
    let is_renewed = keys().any(|entry| entry.doubled) || keys().next_back().is_some_and(asked_for);
    let has_key = |one: &Item| {
        is_renewed || is_unseen(world, one, lic) || one.params.lickey.as_ref().is_none_or(|key| key.reveal() == lic.key)
    };
    showing.next().is_some_and(|one| one.id == item && has_key(one)) && showing.next().is_none()
}

/// Whether a license was bought for a service, or for the one that it is a copy of, and came so late that nobody saw
/// its key yet: until then the service shows the key of the license before it.
fn is_unseen(world: &World, item: &Item, lic: &Lic) -> bool {
    let is_its = lic.tag.and_then(|tag| tag.item).is_some_and(|of| world.present(of) == item.id.0);
    is_its && !world.panel.shown_keys.iter().any(|(key, _)| *key == lic.key)
}

/// What the seller's accounts say of a call in doubt; `None` while it may still be on its way.
fn verdict(world: &World, intent: IntentId) -> Option<Verdict> {
    let on_its_way = |effect: &Effect| matches!(effect, Effect::Once { tag, .. } if tag.intent == intent.0);
    if world.pending.iter().any(|pending| on_its_way(&pending.effect)) {
        return None;
    }
    let Intent { item, request, .. } = world.store.intent(intent).ok().flatten()?;
    let kind = match request {
        OnceRequest::Order(_) => Billed::Order,
        OnceRequest::Prolong { .. } => Billed::Renewal,
        OnceRequest::ChangePricelist { .. } => Billed::Tariff,
        OnceRequest::SetNodes { .. } => Billed::Nodes,
        OnceRequest::NewKey { .. } => Billed::Key,
        // The simulator plays no hosting orders yet.
        OnceRequest::AddLicense(_) | OnceRequest::RemoveLicense(_) => return None,
        OnceRequest::Delete { .. } => Billed::Delete,
    };
    let is_there = |license: u32| world.seller.get(license).is_some_and(|lic| lic.status != LicenseStatus::Deleted);
    // A state that was begun anew gives out the numbers of intents again, and an order is known by its service too.
    let of_service = |tag: Tag| kind != Billed::Order || tag.item == item.map(|item| item.0);
    let is_its = |tag: Tag| tag.intent == intent.0 && of_service(tag);
    let is_its = |entry: &&Entry| entry.kind == kind && entry.tag.is_some_and(is_its);
    let mut billed = world.seller.ledger.iter().filter(is_its).map(|entry| entry.license);
    let found = billed.find(|license| kind != Billed::Order || is_there(*license));
    Some(found.map_or(Verdict::NotBought, |license| Verdict::Bought(LicenseId(license))))
}

/// Binds, and gives the commands that the refusals name on the way.
async fn bind(
    engine: &mut Engine<'_>,
    world: &Shared,
    (item, license): (ItemId, LicenseId),
    mut consent: Consent,
) -> Result<Text, ModuleError> {
    let mut ended = Vec::new();
    loop {
        let error = match engine.bind(item, license, consent.clone()).await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let words = &error.message.en;
        if error.kind == ErrorKind::OrderUnknown {
            // An order in doubt is in the way: the seller's accounts say what became of it.
            let known = in_doubt(&world.borrow(), &error).filter(|(_, intent, _)| !ended.contains(intent));
            let Some((of, intent, verdict)) = known else { return Err(error) };
            ended.push(intent);
            engine.resolve(of, Some(intent), verdict, &Consent::default()).await?;
        } else if words.contains("--other-product") && !consent.other_product {
            // He knows that the client has chosen another product since then.
            consent.other_product = true;
        } else if words.contains("--replace") && !consent.replace {
            // He knows that the service works with this one.
            consent.replace = true;
        } else if error.kind == ErrorKind::IpChangeLimit && words.contains(&format!("unbind {item}")) {
            // The service cannot wait a month for this one.
            return engine.unbind(item).await;
        } else {
            return Err(error);
        }
    }
}

/// The order that a refusal names, with its service and what became of it.
fn in_doubt(world: &World, error: &ModuleError) -> Option<(ItemId, IntentId, Verdict)> {
    let intent = IntentId(error.value.parse().ok()?);
    let item = world.store.intent(intent).ok().flatten()?.item?;
    Some((item, intent, verdict(world, intent)?))
}

/// Reads the reconcile plan and decides what is written there, one after the other.
///
/// # Errors
/// The plan cannot be made; the first decision that was not carried out.
pub async fn decide(engine: &mut Engine<'_>, world: &Shared) -> Result<(), ModuleError> {
    let findings = engine.survey(&mut |_| {}).await?;
    let mut first = Ok(());
    for finding in &findings {
        let decided = decision(&world.borrow(), finding);
        let Some(decided) = decided else { continue };
        world.borrow_mut().say(|_| format!("operator: {decided:?} because {}", finding.what.en));
        let done = match decided {
            Decision::Bind(item, license, consent) => bind(engine, world, (item, license), consent).await,
            Decision::Unbind(item) => engine.unbind(item).await,
            Decision::Resolve(item, intent, verdict) => {
                engine.resolve(item, Some(intent), verdict, &Consent::default()).await
            }
        };
        world.borrow_mut().say(|_| format!("operator gets {done:?}"));
        first = first.and(done.map(drop));
    }
    first
}
