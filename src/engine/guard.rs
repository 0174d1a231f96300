//! The guards of passes that act on many licenses. A pass counts what it would do before it does anything. When it
//! would make far more changes of one kind than usual, it makes none of that kind (docs/money-safety.md 6).
//! `plan::guard` decides the numbers.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{ErrorKind, ModuleError, Text, counted};
use crate::model::ids::{ItemId, LicenseId};
use crate::model::item::ItemStatus;
use crate::model::license::LicenseStatus;
use crate::model::license_row::Foreseen;
use crate::plan::guard::{Allow, HeldBack, Kind, held_back, is_foreseen};
use crate::plan::renew::{Renewal, due};
use crate::run_report::{RunReport, Scope, Why, named};
use crate::text;

use super::sync::work::{Look, Work};
use super::{Engine, errors};

/// Rows and services read at once.
const BATCH: u32 = 500;

/// What a guard keeps back in this run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Withheld {
    /// Services whose renewal was not foreseen.
    pub(super) renewals: BTreeSet<ItemId>,
    /// Whether freeing is held back.
    pub(super) frees: bool,
    /// Whether stopping is held back.
    pub(super) stops: bool,
    /// Whether obtaining a license in place of one that is gone is held back.
    pub(super) orders: bool,
}

/// What a pass would do, by kind.
#[derive(Debug, Default)]
struct Weight {
    renewals: BTreeSet<ItemId>,
    stops: BTreeSet<ItemId>,
    /// Services that are closed or gave their license back. Their license is freed.
    ended: BTreeSet<ItemId>,
    /// Suspended services whose license is stopped: nothing to do there.
    quiet: BTreeSet<ItemId>,
}

/// The command whose changes a guard holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Sync,
    Sweep,
    Reconcile,
}

impl Engine<'_> {
    /// Drops the looks that a suspended service does not need, and counts what the remaining ones would change.
    /// Foreseen renewals are neither counted nor held back.
    pub(super) async fn weigh(
        &mut self,
        work: &mut Work,
        allow: Allow,
        report: &mut RunReport,
    ) -> Result<(), ModuleError> {
        let weight = self.weight(work).await?;
        work.items.retain(|id, _| !weight.quiet.contains(id));
        let services = |items: &BTreeSet<ItemId>| named(items.iter().map(|id| Scope::Item(*id)));
        let frees = work.to_free.len() + weight.ended.len();
        let freed =
            weight.ended.iter().map(|id| Scope::Item(*id)).chain(work.to_free.iter().map(|id| Scope::License(*id)));
        let mut holds = |kind, count, who: Text| self.holds_back((By::Sync, kind), count, &who, allow, report);
        let renewals = holds(Kind::Renewals, weight.renewals.len(), services(&weight.renewals))?;
        let withheld = Withheld {
            frees: holds(Kind::Frees, frees, named(freed))?,
            stops: holds(Kind::Stops, weight.stops.len(), services(&weight.stops))?,
            orders: false,
            renewals: if renewals { weight.renewals } else { BTreeSet::new() },
        };
        self.withheld = withheld;
        Ok(())
    }

    async fn weight(&mut self, work: &Work) -> Result<Weight, ModuleError> {
        let (today, days) = (self.today(), self.rules.renew_before_days);
        let mut weight = Weight::default();
        for (id, look) in &work.items {
            self.begin_one();
            let Some(item) = self.item_row(*id).await? else { continue };
            let known = self.store.incarnation(&item).and_then(|incarnation| {
                let row = self.store.license_of(&incarnation)?;
                Ok((row, self.store.foreseen(&incarnation.to_string())?))
            });
            let (row, known) = match known {
                Ok((Some(row), known)) => (row, known),
                // A service that cannot be read is not counted: when its turn comes, it is reported and nothing is
                // changed.
                Ok((None, _)) | Err(_) => continue,
            };
            let suspended = item.status == ItemStatus::Suspended;
            if suspended && *look == Look::UnlessSuspended && row.status == LicenseStatus::Stopped {
                weight.quiet.insert(*id);
            }
            // The panel closed it without calling us, or it gave its license back.
            if item.status == ItemStatus::Deleted || self.has_given_panel_up(&item)? {
                weight.ended.insert(*id);
                continue;
            }
            if suspended && row.status == LicenseStatus::Active {
                weight.stops.insert(*id);
            }
            if let Some(product) = self.product_of(&row)
                && matches!(due(&item, product, product.shortest(), row.expires, today, days), Renewal::Due(_))
                && !is_foreseen(known.as_ref(), row.id, &item, product, today, days)
            {
                weight.renewals.insert(*id);
            }
        }
        Ok(weight)
    }

    /// Whether a kind of change is held back. If it is, the report says so.
    pub(super) fn holds_back(
        &self,
        (by, kind): (By, Kind),
        count: usize,
        who: &Text,
        allow: Allow,
        report: &mut RunReport,
    ) -> Result<bool, ModuleError> {
        let bound = self.store.count_bound(self.account).map_err(errors::state)?;
        let Some(held) = held_back(kind, count, bound, self.rules.max_changes, allow) else { return Ok(false) };
        report.left(self.module, Scope::Account, Why::HeldBack, held_back_error(by, held, who));
        Ok(true)
    }

    /// Remembers what this pass knows of every bound license and its service, so that the renewals that follow from it
    /// are foreseen. For a renewal that the guard holds back, and for a service that was left to another run
    /// (`elsewhere`), the earlier knowledge is kept, so that the renewal still counts as not foreseen in the next pass.
    pub(super) async fn foresee(&mut self, elsewhere: &BTreeSet<ItemId>) -> Result<(), ModuleError> {
        let mut after = LicenseId::BEFORE_ALL;
        loop {
            self.begin_one();
            let serving = self.store.serving(self.account, after, BATCH).map_err(errors::state)?;
            let Some(last) = serving.last() else { return Ok(()) };
            after = last.license;
            let ids: Vec<ItemId> = serving.iter().map(|one| one.item).collect();
            self.step("read ends").await?;
            let ends = self.ports.billdb.service_ends(&ids).map_err(|error| errors::database(&error))?;
            let ends: BTreeMap<ItemId, _> = ends.into_iter().map(|end| (end.item, (end.status, end.expires))).collect();
            let mut changed = Vec::new();
            for one in serving {
                let waits = self.withheld.renewals.contains(&one.item) || elsewhere.contains(&one.item);
                let Some(service) = ends.get(&one.item).filter(|_| !waits) else { continue };
                let now = Foreseen { license: one.license, expires: one.expires, service: Some(*service) };
                if one.known.as_ref() != Some(&now) {
                    changed.push((one.incarnation, now));
                }
            }
            if !changed.is_empty() {
                let write = move |tx: &crate::store::Tx<'_>| {
                    changed.iter().try_for_each(|(incarnation, foreseen)| tx.foresee(incarnation, foreseen))
                };
                self.commit("foresee", write).await?;
            }
        }
    }

    /// On a machine whose clock is off by more than a day, no pass buys, frees or deletes anything.
    pub(super) fn check_clock(&mut self) -> Result<(), ModuleError> {
        let Some(theirs) = self.their_now() else { return Ok(()) };
        let ours = self.now();
        if (ours - theirs).abs() <= chrono::Duration::days(1) {
            return Ok(());
        }
        Err(ModuleError::new(
            ErrorKind::Config,
            "clock_check",
            theirs,
            text!(
                "The clock of this machine shows {ours}, the seller's clock {theirs}",
                "Часы этой машины показывают {ours}, часы продавца — {theirs}"
            ),
        )
        .changed(text!("Nothing was bought, freed or deleted", "Ничего не куплено, не освобождено и не удалено"))
        .next(text!(
            "set this machine's clock (timedatectl set-ntp true), or set clock_check = false in the settings",
            "исправьте часы этой машины (timedatectl set-ntp true) или задайте в настройках clock_check = false"
        )))
    }
}

/// What is held back, why, and how to allow it.
pub(super) fn held_back_error(by: By, held: HeldBack, who: &Text) -> ModuleError {
    let HeldBack { kind, count, limit } = held;
    let (verb, done, to_do_ru, done_ru) = match kind {
        Kind::Renewals => ("renew", "renewed", "к продлению", "продлена"),
        Kind::Frees => ("free", "freed", "к освобождению", "освобождена"),
        Kind::Stops => ("stop", "stopped", "к остановке", "остановлена"),
        Kind::Orders => ("order", "ordered", "к заказу", "заказана"),
        Kind::Changes => ("change", "changed", "к изменению", "изменена"),
        Kind::OrdersAndFrees => {
            ("order or free", "ordered or freed", "к заказу или освобождению", "заказана или освобождена")
        }
    };
    let why = match kind {
        Kind::Renewals => text!(
            " They are due only because a date or a status changed since the last sync.",
            " Срок подошёл лишь потому, что после прошлого sync изменились дата или состояние."
        ),
        Kind::Frees | Kind::Stops | Kind::Orders | Kind::Changes | Kind::OrdersAndFrees => Text::default(),
    };
    let (name, rest, next) = match by {
        By::Sync => (
            text!("sync", "sync"),
            text!("Everything else was done.", "Остальное выполнено."),
            text!(
                "look at some of them: pmisplicense explain ITEM. If they are right: pmisplicense sync --allow-many",
                "проверьте некоторые: pmisplicense explain УСЛУГА. Если всё верно: pmisplicense sync --allow-many"
            ),
        ),
        By::Sweep => (
            text!("The sweep", "Сверка"),
            text!("Everything else was done.", "Остальное выполнено."),
            text!(
                "look at them: pmisplicense sync --sweep. If they are right: pmisplicense sync --sweep --allow-many",
                "просмотрите их: pmisplicense sync --sweep. Если всё верно: pmisplicense sync --sweep --allow-many"
            ),
        ),
        By::Reconcile => (
            text!("reconcile", "reconcile"),
            text!("Nothing was done.", "Ничего не сделано."),
            text!(
                "read the list. If it is right: pmisplicense reconcile --apply --allow-many",
                "прочтите список. Если всё верно: pmisplicense reconcile --apply --allow-many"
            ),
        ),
    };
    let licenses = counted(count, "license");
    let message = text!(
        ["{} would {verb} {licenses}, more than {limit} at once: {}", name.en, who.en],
        ["{}: лицензий {to_do_ru} {count}, больше {limit} за раз: {}", name.ru, who.ru]
    );
    ModuleError::new(ErrorKind::Config, "max_changes", count, message)
        .changed(text!(
            ["None of them was {done}.{} {}", why.en, rest.en],
            ["Ни одна не {done_ru}.{} {}", why.ru, rest.ru]
        ))
        .next(text!(["{}", next.en], ["{}", next.ru]))
}
