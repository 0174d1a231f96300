//! The operator: does what the program's messages ask of a person, as somebody does who knows the truth. He reads the
//! reconcile plan, and gives the command that stands there, where it is the right one.

use pmisplicense::engine::{Consent, Engine, Verdict};
use pmisplicense::error::ModuleError;
use pmisplicense::model::ids::{IntentId, ItemId, LicenseId, PanelId};
use pmisplicense::model::item::{Item, ItemStatus};
use pmisplicense::model::journal::OnceRequest;
use pmisplicense::model::license::LicenseStatus;
use pmisplicense::plan::finding::{Finding, Kind, Remedy};

use crate::seller::{Entry, Kind as Billed};
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
    let Remedy::Person(command) = &finding.remedy else { return None };
    let words: Vec<&str> = command.split(' ').collect();
    let decided = match words.get(1..)? {
        ["bind", item, license, options @ ..] => {
            let (item, license) = (item.parse().ok()?, license.parse().ok()?);
            Decision::Bind(item, license, consent(options)?)
        }
        ["unbind", item] => Decision::Unbind(item.parse().ok()?),
        ["resolve", item, "--wish", intent, ..] => {
            let intent = IntentId(intent.parse().ok()?);
            Decision::Resolve(item.parse().ok()?, intent, verdict(world, intent)?)
        }
        _ => return None,
    };
    is_right(world, finding, &decided).then_some(decided)
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
        // Another service of that number has the license by our state, and the present one does not show it.
        Decision::Unbind(item) => {
            let shown = world.panel.service(item.0).and_then(|one| one.item.params.licid);
            finding.kind == Kind::OtherIncarnation && (shown.is_none() || shown != finding.license)
        }
        Decision::Resolve(..) => true,
    }
}

/// Whether a service works with a license: it is there, shows the license with its key, and nobody else does.
fn works_with(world: &World, item: ItemId, license: LicenseId) -> bool {
    let Some(lic) = world.seller.get(license.0).filter(|lic| lic.status != LicenseStatus::Deleted && !lic.foreign)
    else {
        return false;
    };
    let shows = |one: &&Item| one.status != ItemStatus::Deleted && one.params.licid == Some(license);
    let mut showing = world.panel.services.iter().map(|one| &one.item).filter(shows);
    let has_key = |one: &Item| one.params.lickey.as_ref().is_none_or(|key| key.reveal() == lic.key);
    showing.next().is_some_and(|one| one.id == item && has_key(one)) && showing.next().is_none()
}

/// What the seller's accounts say of a call in doubt; `None` while it may still be on its way.
fn verdict(world: &World, intent: IntentId) -> Option<Verdict> {
    let on_its_way = |effect: &Effect| matches!(effect, Effect::Once { tag, .. } if tag.intent == intent.0);
    if world.pending.iter().any(|pending| on_its_way(&pending.effect)) {
        return None;
    }
    let request = world.store.intent(intent).ok().flatten()?.request;
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
    let is_its = |entry: &&Entry| entry.kind == kind && entry.tag.is_some_and(|tag| tag.intent == intent.0);
    let mut billed = world.seller.ledger.iter().filter(is_its).map(|entry| entry.license);
    let found = billed.find(|license| kind != Billed::Order || is_there(*license));
    Some(found.map_or(Verdict::NotBought, |license| Verdict::Bought(LicenseId(license))))
}

/// Reads the reconcile plan and decides what stands there, one after the other.
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
            Decision::Bind(item, license, consent) => engine.bind(item, license, consent).await,
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
