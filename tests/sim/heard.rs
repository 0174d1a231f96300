//! S9 heard, and the part of S4 that a pass owes: after one sync that nothing disturbed, whoever is paid for is
//! served, renewed when that was due, or named: by the exit code of that sync, or by a problem registered in the
//! panel.

use chrono::NaiveDate;
use pmisplicense::model::ids::{ItemId, LicenseId};
use pmisplicense::model::item::{Item, ItemStatus};
use pmisplicense::model::license::{Family, LicenseStatus};
use pmisplicense::model::license_row::{LicenseRow, LicenseState};
use pmisplicense::model::period::{Period, days_between};
use pmisplicense::run_report::Scope;

use crate::checks::{ACCOUNT, is_nopanel};
use crate::habits::Column;
use crate::panel::MODULE;
use crate::seller::Lic;
use crate::world::{End, Job, World, day_of};

/// The rules, by which their test knows them.
pub const NOT_RENEWED: &str = "due, and neither renewed nor named";
pub const NOT_SERVED: &str = "not served, and nobody is told";

/// A license that has to be renewed by the pass that begins now.
#[derive(Debug, Clone, Copy)]
pub struct Due {
    item: ItemId,
    license: u32,
    expires: NaiveDate,
}

/// The services that this panel's clients pay for, and that are ours.
fn paid(world: &World) -> impl Iterator<Item = &Item> {
    let today = day_of(world.now_ms);
    let items = world.panel.services.iter().map(|service| &service.item);
    items.filter(move |item| {
        let endless = matches!(item.period, Period::Lifetime | Period::Day);
        let is_paid = item.status == ItemStatus::Active && (endless || item.expires.is_some_and(|end| end > today));
        is_paid && item.period != Period::Trial && item.module == Some(MODULE) && !is_nopanel(item)
    })
}

/// The license that the state holds for a service, as the seller has it.
fn bound_license<'w>(world: &'w World, item: &Item) -> Option<&'w Lic> {
    let incarnation = world.store.incarnation(item).ok()?;
    let row = world.store.license_of(&incarnation).ok()?.filter(|row| row.state == LicenseState::Bound)?;
    world.seller.get(row.id.0).filter(|lic| lic.status != LicenseStatus::Deleted)
}

/// What the pass that begins now has to renew.
pub fn due(world: &World) -> Vec<Due> {
    let today = day_of(world.now_ms);
    let due = |item: &Item| {
        let lic = bound_license(world, item)?;
        let expires = lic.expires.filter(|expires| days_between(today, *expires) <= 1)?;
        let endless = matches!(item.period, Period::Lifetime | Period::Day);
        let lasts = endless || item.expires.is_some_and(|end| end > expires);
        (lasts && lic.period != Period::Trial).then_some(Due { item: item.id, license: lic.id, expires })
    };
    paid(world).filter_map(due).collect()
}

/// Whether a pass ran in a world that could tell it everything.
fn is_undisturbed(world: &World, run: usize) -> bool {
    let info = &world.runs[run];
    let alone = !world.runs.iter().any(|other| other.tag != info.tag && other.started_ms >= info.started_ms)
        && world.runs.iter().enumerate().all(|(index, other)| index == run || other.end.is_some());
    let whole = world.skew_ms == 0
        && world.apart_ms == 0
        && !world.other_account
        && world.own_panel.is_none()
        && world.seller.filter.is_none();
    alone && whole && info.job == Job::SyncAll && !info.hurt && !info.lagged
}

/// S4 and S9, when a pass over all has ended.
pub fn after_sync_pass(world: &mut World, run: usize) {
    if !is_undisturbed(world, run) {
        return;
    }
    // What could not even begin says so by its exit code.
    if matches!(world.runs[run].end, Some(End::Failed(..))) && world.runs[run].report.entries().is_empty() {
        return;
    }
    let mut found = Vec::new();
    for due in &world.runs[run].due {
        let Due { item, license, expires } = *due;
        let is_renewed = world.seller.get(license).is_none_or(|lic| lic.expires != Some(expires));
        if !is_renewed && !world.is_held(item) && !is_named(world, run, item, Some(license)) {
            let what = format!("run {run}: license {license} of item {item}, due on {expires}");
            found.push(("S4", NOT_RENEWED, what));
        }
    }
    for item in paid(world) {
        let Some(shown) = item.params.licid else { continue };
        // The panel itself shows an operation that has not ended.
        let is_known = world.panel.open_op(item.id.0).is_some()
            || world.is_held(item.id)
            || is_named(world, run, item.id, Some(shown.0));
        if !is_known && !is_served(world, item, shown) && !is_beyond_list(world, item, shown) {
            let what = format!("run {run}: item {} shows license {shown}, which does not serve it", item.id);
            found.push(("S9", NOT_SERVED, what));
        }
    }
    for (check, rule, what) in found {
        world.violation(check, rule, what);
    }
}

/// Whether a paid service has what the state holds for it: a license that runs.
fn is_served(world: &World, item: &Item, shown: LicenseId) -> bool {
    bound_license(world, item)
        .is_some_and(|lic| lic.id == shown.0 && matches!(lic.status, LicenseStatus::Active | LicenseStatus::Processing))
}

/// Whether no list tells what became of a license that our state saw run when it was looked at last: lists without a
/// column for the status do not say that somebody stopped it, and none shows modules at all. Only a look of its own
/// could tell, and that comes near its end.
fn is_beyond_list(world: &World, item: &Item, shown: LicenseId) -> bool {
    let row = world.store.license(ACCOUNT, shown).ok().flatten();
    let is_held = |row: &LicenseRow| row.item == Some(item.id) && row.state == LicenseState::Bound;
    let lacks_status = world.seller.habits.list_lacks == Column::Status;
    row.filter(is_held)
        .is_some_and(|row| row.family == Family::Addition || lacks_status && row.status == LicenseStatus::Active)
}

/// Whether the exit code of a pass, or a problem in the panel, speaks of a service or its license.
fn is_named(world: &World, run: usize, item: ItemId, license: Option<u32>) -> bool {
    let entries = world.runs[run].report.failures();
    let by_exit = entries.into_iter().any(|entry| match entry.scope {
        Scope::Account => true,
        Scope::Item(of) => of == item,
        Scope::License(of) => Some(of.0) == license,
    });
    let number = item.to_string();
    let speaks = |text: &String| text.split(|letter: char| !letter.is_ascii_digit()).any(|word| word == number);
    by_exit || world.panel.problems.iter().any(speaks)
}

/// A run that saw its service without a panel gave back what that goes on showing: the truth of it, whatever the
/// state makes of the client's next choice.
pub fn gives_back(world: &mut World, run: usize) {
    let Some(seen) = world.runs[run].last_item.clone().filter(is_nopanel) else { return };
    let Some(shown) = seen.params.licid else { return };
    let row = world.store.license(ACCOUNT, shown).ok().flatten();
    if row.is_some_and(|row| !matches!(row.state, LicenseState::Bound | LicenseState::Claimed)) {
        world.gave_back.insert((seen.id, shown));
    }
}
