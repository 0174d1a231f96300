//! Renewal: prolong, resume, cancel_prolong, and the money step that they share with sync (docs/licensing-rules.md
//! 5).

mod wording;

use chrono::NaiveDate;

use crate::error::{ModuleError, Text, counted};
use crate::model::catalogue::Product;
use crate::model::item::{Item, ItemStatus};
use crate::model::journal::{IdempotencyKey, Incarnation, OnceRequest};
use crate::model::license::{Expiry, License, LicenseStatus};
use crate::model::license_row::LicenseRow;
use crate::model::payment::Payment;
use crate::model::period::{MonthCount, Period};
use crate::plan::choice::{Choice, choice_of};
use crate::plan::in_doubt::has_run_out;
use crate::plan::order::{aligned_months, why_months};
use crate::plan::renew::{Renewal, check_renewal, due, may_run_short, need, owed_until, paid_end};
use crate::ports::{Edit, Repeatable};
use crate::text;

use super::open::running;
use super::{Engine, errors, is_gone};
use wording::{
    end_moves, expiry_moved, is_closed, no_period, not_paid, product_unknown, trial_is_over, trial_runs_out,
};

impl Engine<'_> {
    /// The money step: one period for a license whose expiry was read under its lock. The key is that expiry, so a
    /// second run, or another command, finds it done.
    pub(super) async fn renew(
        &mut self,
        row: &LicenseRow,
        seen: &License,
        months: MonthCount,
        reason: &Text,
    ) -> Result<License, ModuleError> {
        let before = match seen.expires {
            Expiry::On(day) => day,
            Expiry::Never => return Ok(seen.clone()),
            Expiry::Unknown => return Err(errors::no_expiry(row.item, row.id)),
        };
        if let Some(product) = self.product_of(row) {
            check_renewal(product, before, self.today())?;
        }
        let mut seen = seen.clone();
        if seen.status == LicenseStatus::Stopped && !has_run_out(&seen, self.today()) {
            // The seller renews a stopped license from the day of the renewal: the time left would be lost, and the
            // expiry, which is the evidence of the renewal, might not move at all.
            seen = self.start(row, seen).await?;
            if seen.expires != Expiry::On(before) {
                // The former expiry decided what is owed, and the renewal would be looked for by it.
                return Err(expiry_moved(row, before, seen.expires));
            }
        }
        if seen.status == LicenseStatus::Stopped {
            // Today's date decides whether a license has run out. With a wrong date a renewal could not be recognised.
            self.check_clock()?;
        }
        if !matches!(seen.status, LicenseStatus::Active | LicenseStatus::Stopped) {
            let what = text!(
                "renewal of license {}, status {}",
                "продление лицензии {}, состояние {}",
                row.id,
                seen.status.number()
            );
            return Err(errors::not_visible(&what, row.id));
        }
        self.check_money(row.item, reason).await?;
        let key = IdempotencyKey::Renewal { account: row.account, license: row.id, before };
        let request =
            OnceRequest::Prolong { license: row.id, period: months, before, not_before: self.not_before(None) };
        let after = self.once(row, &key, request, reason).await?;
        let after = after.ok_or_else(|| errors::license_gone(row.item, row.id))?;
        self.refresh(row, &after).await?;
        Ok(after)
    }

    /// prolong: pays up to the paid end, once, and tells the panel.
    pub(super) async fn prolong(&mut self, item: &Item) -> Result<(), ModuleError> {
        let incarnation = self.incarnation_of(item).await?;
        self.settle_orders(item, &incarnation, None).await?;
        let mut current = self.license_to_prolong(item, &incarnation).await?;
        if let Some((row, seen)) = &mut current {
            self.check_expiry(item, row, seen)?;
            self.see_last_renewal(row, seen).await?;
        }
        let payment = self.payment(item, &incarnation, current.as_ref()).await?;
        if let Some((row, seen)) = current {
            self.pay(item, &incarnation, &row, seen, payment.as_ref()).await?;
        }
        self.finish_prolong(item, &incarnation, payment).await
    }

    /// The effect of a payment depends on the day on which the license runs out. Without that day nothing is written
    /// down as paid. A trial is replaced and not renewed, and a service without end owes nothing.
    fn check_expiry(&self, item: &Item, row: &LicenseRow, seen: &License) -> Result<(), ModuleError> {
        let is_trial = self.product_of(row).is_some_and(Product::is_only_trial);
        if seen.expires == Expiry::Unknown && !is_trial && item.expires.is_some() {
            return Err(errors::no_expiry(Some(item.id), row.id));
        }
        Ok(())
    }

    /// The license that a prolong renews. An active item whose license is gone obtains a new one, and this payment buys
    /// nothing else. A suspended item waits for its resume. For a closed one, whose operation is older than its close,
    /// nothing is bought any more, and neither for one that wants no panel: sync frees the license that it still has.
    async fn license_to_prolong(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
    ) -> Result<Option<(LicenseRow, License)>, ModuleError> {
        let is_quiet = matches!(item.status, ItemStatus::Suspended | ItemStatus::Deleted);
        if is_quiet || self.has_given_panel_up(item)? {
            if let Some(row) = self.witnessed(item, incarnation).await? {
                // Nothing is bought here, but the outcome of what an earlier run of this payment sent must be known
                // before the post-call.
                self.lock_license(row.id).await?;
                self.settle_license(&row).await?;
            }
            return Ok(None);
        }
        if let Some((row, seen)) = self.present_license(item, incarnation).await? {
            self.hand_out_if_owed(item, &row, &seen).await?;
            return Ok(Some((row, seen)));
        }
        match choice_of(item, &self.rules.panel_addons, &self.rules.catalogue)? {
            Choice::Nopanel => Ok(None),
            Choice::Product(product) => {
                self.payment(item, incarnation, None).await?;
                let (row, seen) = self.ensure_license(item, incarnation, product).await?;
                let id = row.id;
                self.warn(&text!(
                    "license {id} is new: its key must be put on the server",
                    "лицензия {id} новая: её ключ нужно ввести на сервере"
                ));
                self.hand_out(item, &row, product, seen).await?;
                Ok(None)
            }
        }
    }

    /// The payment of this run, which its first run wrote down. `None`: a service without end.
    pub(super) async fn payment(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        current: Option<&(LicenseRow, License)>,
    ) -> Result<Option<Payment>, ModuleError> {
        let of_run = self.payment_of_run(incarnation)?;
        let known = self.store.item(item.id, &item.created).map_err(errors::state)?;
        let settled = known.and_then(|row| row.settled_end);
        let stands_for = match of_run {
            None => self.paid_before(item, incarnation)?,
            known => known,
        };
        let paid_end = stands_for.or_else(|| paid_end(item.expires, settled, item.period));
        let Some(paid_end) = paid_end else { return Ok(None) };
        let first = Payment {
            paid_end,
            license: current.map(|(row, _)| row.id),
            expires_before: current.and_then(|(_, seen)| seen.expires.day()),
            item_end_before: item.expires,
            finished: false,
        };
        let recorded = self.store.payment(incarnation, paid_end).map_err(errors::state)?;
        if of_run.is_none() || recorded.is_none() {
            let (operation, first, incarnation) = (self.operation, first.clone(), incarnation.clone());
            self.commit("begin payment", |tx| {
                tx.touch_item(item)?;
                tx.begin_payment(&incarnation, operation, &first)
            })
            .await?;
        }
        Ok(Some(recorded.unwrap_or(first)))
    }

    /// The paid end of this run's payment, if an earlier run has found it. Without a running operation, two payments
    /// differ only in one thing: when the first one is finished, this run is for the next payment.
    fn payment_of_run(&self, incarnation: &Incarnation) -> Result<Option<NaiveDate>, ModuleError> {
        let of_run = self.store.payment_of_run(incarnation, self.operation, self.now()).map_err(errors::state)?;
        let (Some(paid_end), None) = (of_run, self.operation) else { return Ok(of_run) };
        let payment = self.store.payment(incarnation, paid_end).map_err(errors::state)?;
        Ok(of_run.filter(|_| payment.is_none_or(|payment| !payment.finished)))
    }

    /// A payment whose first run found that the end had moved, while the end is still the same. This panel moves the
    /// end before the call, so another operation without another move is for the same payment.
    fn paid_before(&self, item: &Item, incarnation: &Incarnation) -> Result<Option<NaiveDate>, ModuleError> {
        let Some(end) = item.expires else { return Ok(None) };
        let known = self.store.payment(incarnation, end).map_err(errors::state)?;
        Ok(known.filter(|payment| payment.item_end_before == Some(end)).map(|payment| payment.paid_end))
    }

    async fn pay(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        row: &LicenseRow,
        seen: License,
        payment: Option<&Payment>,
    ) -> Result<(), ModuleError> {
        let product = self.product_of(row);
        if product.is_some_and(Product::is_only_trial) && item.period != Period::Trial {
            let Choice::Product(paid) = choice_of(item, &self.rules.panel_addons, &self.rules.catalogue)? else {
                return Ok(());
            };
            return self.replace_trial(item, incarnation, row, paid).await;
        }
        let owed = payment.and_then(|payment| owed_until(payment, row.id, seen.expires));
        let seen = match (owed, product) {
            (Some(paid_end), Some(product)) => {
                let rules = self.alignment().await?;
                let months = aligned_months(product, item, &rules).ok_or_else(|| no_period(item))?;
                let (id, expires) = (row.id, seen.expires);
                let reason = text!(
                    [
                        "prolong: license {id} runs out on {expires}, paid until {paid_end}: renewed for {}",
                        counted(months.0, "month")
                    ],
                    [
                        "prolong: лицензия {id} истекает {expires}, оплачено до {paid_end}: продление на {} мес.",
                        months.0
                    ]
                );
                let why = why_months(item, &rules);
                let reason = text!(["{}; {}", reason.en, why.en], ["{}; {}", reason.ru, why.ru]);
                self.renew(row, &seen, months, &reason).await?
            }
            // A payment that is owed is not taken for one that buys nothing.
            (Some(_), None) => return Err(product_unknown(item, row, &seen)),
            (None, _) => seen,
        };
        if seen.status == LicenseStatus::Stopped
            && item.status == ItemStatus::Active
            && !has_run_out(&seen, self.today())
        {
            let seen = self.start(row, seen).await?;
            self.tell_switch(row, LicenseStatus::Stopped, &seen).await?;
            self.refresh(row, &seen).await?;
        }
        Ok(())
    }

    /// Makes the post-call, but only while the end in the panel is what it was at the first run: a repeated post-call
    /// would move the end twice.
    pub(super) async fn finish_prolong(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        payment: Option<Payment>,
    ) -> Result<(), ModuleError> {
        let Some(payment) = payment else { return self.post(item, "service.postprolong").await };
        let fresh = self.item(item.id).await?;
        if fresh.expires != item.expires {
            return Err(end_moves(item, &fresh));
        }
        if fresh.expires == payment.item_end_before {
            self.post(item, "service.postprolong").await?;
        }
        if payment.finished {
            return Ok(());
        }
        let (written_for, ended) = (incarnation.clone(), payment.paid_end);
        let written = self.commit("finish payment", move |tx| tx.finish_payment(&written_for, ended)).await;
        // A write may be reported as failed although it succeeded. That must not make the panel start the payment
        // again.
        let settled =
            || self.store.payment(incarnation, ended).is_ok_and(|payment| payment.is_some_and(|known| known.finished));
        if written.is_err() && settled() { Ok(()) } else { written }
    }

    /// resume: starts a license that has time left, renews one that ran out, and obtains a new one for one that is
    /// deleted.
    pub(super) async fn resume(&mut self, item: &Item) -> Result<(), ModuleError> {
        let incarnation = self.incarnation_of(item).await?;
        if item.status == ItemStatus::Deleted {
            return Err(is_closed(item));
        }
        self.settle_orders(item, &incarnation, None).await?;
        let present = match self.has_given_panel_up(item)? {
            true => None,
            false => self.present_license(item, &incarnation).await?,
        };
        match present {
            Some((row, seen)) => self.resume_license(item, &row, seen).await?,
            None => {
                if let Choice::Product(product) = choice_of(item, &self.rules.panel_addons, &self.rules.catalogue)? {
                    self.check_may_obtain(item)?;
                    let (row, seen) = self.ensure_license(item, &incarnation, product).await?;
                    let id = row.id;
                    self.warn(&text!(
                        "license {id} is new: its key must be put on the server",
                        "лицензия {id} новая: её ключ нужно ввести на сервере"
                    ));
                    self.hand_out(&running(item), &row, product, seen).await?;
                }
            }
        }
        self.post(item, "service.postresume").await
    }

    async fn resume_license(&mut self, item: &Item, row: &LicenseRow, mut seen: License) -> Result<(), ModuleError> {
        let today = self.today();
        self.check_expiry(item, row, &seen)?;
        if has_run_out(&seen, today) && need(item).is_some_and(|end| end <= today) {
            return Err(not_paid(item, today));
        }
        let before = seen.status;
        if !has_run_out(&seen, today) {
            // The service is suspended, so its license was stopped. If it seems to run, the answer may show the past.
            let is_stopped = item.status == ItemStatus::Suspended;
            seen = if is_stopped { self.start_anyway(row, seen).await? } else { self.start(row, seen).await? };
        }
        seen = self.renew_if_due(&running(item), row, seen).await?;
        if has_run_out(&seen, today) && self.product_of(row).is_some_and(Product::is_only_trial) {
            return Err(trial_is_over(item, row, &seen));
        }
        if seen.status != LicenseStatus::Active {
            seen = self.start(row, seen).await?;
        }
        self.tell_switch(row, before, &seen).await?;
        self.refresh(row, &seen).await?;
        self.hand_out_if_owed(&running(item), row, &seen).await
    }

    /// Renews a license when sync's rule says so.
    pub(super) async fn renew_if_due(
        &mut self,
        item: &Item,
        row: &LicenseRow,
        seen: License,
    ) -> Result<License, ModuleError> {
        let Some(product) = self.product_of(row) else { return Ok(seen) };
        let today = self.today();
        // The panel's alignment rules are read only for a license that is near its end.
        let near = due(item, product, product.shortest(), seen.expires, today, self.rules.renew_before_days);
        match near {
            Renewal::NotDue => return Ok(seen),
            Renewal::CannotTell => return Err(errors::no_expiry(row.item, row.id)),
            Renewal::Due(_) => {}
        }
        let rules = self.alignment().await?;
        let aligned = aligned_months(product, item, &rules);
        match due(item, product, aligned, seen.expires, today, self.rules.renew_before_days) {
            Renewal::Due(due) => {
                let why = why_months(item, &rules);
                let reason = text!(["{}; {}", due.reason.en, why.en], ["{}; {}", due.reason.ru, why.ru]);
                self.renew(row, &seen, due.months, &reason).await
            }
            Renewal::NotDue => Ok(seen),
            Renewal::CannotTell => Err(errors::no_expiry(row.item, row.id)),
        }
    }

    /// Fails when the license of a paid service runs out and no sync can renew it.
    pub(super) async fn check_renewable(
        &mut self,
        item: &Item,
        row: &LicenseRow,
        seen: &License,
    ) -> Result<(), ModuleError> {
        if !may_run_short(item, seen.expires, self.today(), self.rules.renew_before_days) {
            return Ok(());
        }
        if seen.expires == Expiry::Unknown {
            return Err(errors::no_expiry(row.item, row.id));
        }
        match self.product_of(row) {
            None => Err(product_unknown(item, row, seen)),
            Some(product) if product.is_only_trial() => Err(trial_runs_out(item, row, seen)),
            Some(product) => {
                let rules = self.alignment().await?;
                aligned_months(product, item, &rules).map(drop).ok_or_else(|| no_period(item))
            }
        }
    }

    /// cancel_prolong: switches automatic renewal at the seller off. No post-call.
    pub(super) async fn cancel_prolong(&mut self, item: &Item) -> Result<(), ModuleError> {
        let incarnation = self.incarnation_of(item).await?;
        let Some(row) = self.witnessed(item, &incarnation).await? else { return Ok(()) };
        self.lock_license(row.id).await?;
        let edit = Edit { no_autoprolong: true, ..Edit::default() };
        let Err(error) = self.try_change(&row, &Repeatable::Edit(edit)).await? else { return Ok(()) };
        let after = self.read(row.family, row.id).await?;
        // A license that is gone is not renewed. A refusal is believed only after a look, because the call may have
        // taken effect.
        if is_gone(after.as_ref()) || after.is_some_and(|after| after.autoprolong == Some(false)) {
            return Ok(());
        }
        let what =
            text!("switching off automatic renewal of license {}", "отключение автопродления лицензии {}", row.id);
        Err(errors::call(&error, &what, row.id))
    }
}
