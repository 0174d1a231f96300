//! Changes of a license that its item wants: running or stopped, address, name, tariff, nodes, key
//! (docs/licensing-rules.md 8).

use chrono::NaiveDate;

use crate::error::{ErrorKind, Halt, ModuleError, Text};
use crate::model::catalogue::Product;
use crate::model::ids::LicenseId;
use crate::model::item::{Item, ItemStatus};
use crate::model::journal::{IdempotencyKey, Incarnation, Note, OnceRequest};
use crate::model::license::{License, LicenseStatus};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::period::Period;
use crate::model::reason::Reason;
use crate::model::rules::a_month_after;
use crate::plan::change::{DesiredLicense, Difference, differences};
use crate::plan::choice::{Choice, choice_of};
use crate::plan::explain::change;
use crate::plan::in_doubt::{Effect, effect};
use crate::plan::order::{aligned_months, check_nodes, check_sale, order_terms};
use crate::plan::outward;
use crate::ports::{Edit, RefusalKind};
use crate::text;

use super::order::order_remoteip;
use super::send::{Failed, describe};
use super::{Engine, errors};

/// A license without a key yet gets no new one: the first key that appears would be taken for the new one, and a key
/// that was never issued needs no replacement.
fn no_key_yet(license: LicenseId) -> ModuleError {
    ModuleError::new(
        ErrorKind::Upstream,
        "licid",
        license,
        text!("License {license} has no key yet", "У лицензии {license} ещё нет ключа"),
    )
    .halted(Halt::NotYet)
    .changed(text!("No new one was asked for", "Новый не запрошен"))
    .next(text!("wait for the first key, then repeat", "дождитесь первого ключа и повторите"))
}

/// A module uses the key of its license.
fn no_key_of_its_own(license: LicenseId) -> ModuleError {
    ModuleError::new(
        ErrorKind::NotSupported,
        "licid",
        license,
        text!(
            "License {license} is a module, which has no key of its own",
            "Лицензия {license} — это модуль, своего ключа у него нет"
        ),
    )
    .changed(text!("No new one was asked for", "Новый не запрошен"))
    .next(text!(
        "issue a new key for the license that the module belongs to",
        "выпустите новый ключ для лицензии, к которой относится модуль"
    ))
}

/// What is left after [`Engine::carry_out_differences`].
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// At least one difference is left for a later run.
    pub(super) is_left: bool,
    /// The error of the first change that failed.
    pub(super) failed: Option<ModuleError>,
}

impl Engine<'_> {
    /// setparam: the client changed something. Each difference is carried out, then the post-call tells the panel.
    pub(super) async fn setparam(&mut self, item: &Item) -> Result<(), ModuleError> {
        let incarnation = self.incarnation_of(item).await?;
        if item.status == ItemStatus::Deleted {
            self.settle_closed(item, &incarnation).await?;
            return self.post(item, "service.postsetparam").await;
        }
        let given_back = match choice_of(item, &self.rules.panel_addons, &self.rules.catalogue)? {
            Choice::Nopanel => self.choose_nothing(item, &incarnation).await?,
            Choice::Product(product) => {
                self.apply_wanted(item, &incarnation, product).await?;
                None
            }
        };
        self.post(item, "service.postsetparam").await?;
        self.give_back_license(item, given_back).await
    }

    /// Handles a change that is older than the close of its service. Nothing is ordered or changed any more, but the
    /// outcome of what was sent for the change must be known before the post-call.
    async fn settle_closed(&mut self, item: &Item, incarnation: &Incarnation) -> Result<(), ModuleError> {
        self.settle_orders(item, incarnation, None).await?;
        if let Some(row) = self.witnessed(item, incarnation).await? {
            self.lock_license(row.id).await?;
            self.settle_license(&row).await?;
        }
        Ok(())
    }

    async fn apply_wanted(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        product: &Product,
    ) -> Result<(), ModuleError> {
        self.settle_orders(item, incarnation, Some(product)).await?;
        let Some((row, seen)) = self.present_license(item, incarnation).await? else {
            if self.has_chosen_nothing(item)? || item.status == ItemStatus::Active {
                self.check_may_obtain(item)?;
                let (row, seen) = self.ensure_license(item, incarnation, product).await?;
                self.hand_out(item, &row, product, seen).await?;
                return self.settle_end(item).await;
            }
            return Ok(());
        };
        if self.is_trial_for(&row, product) {
            if item.period != Period::Trial {
                return self.replace_trial(item, incarnation, &row, product).await;
            }
            // A product that is not sold as a trial is refused. Two products may share one trial.
            order_terms(product, item, &[], &self.rules.catalogue, self.today())?;
        }
        let (seen, _) = self.carry_out_differences(item, &row, product, seen, false).await?;
        self.save_license(item, &seen).await?;
        self.remember_choice(item, &product.internal_name).await?;
        self.check_nodes_sold(item, product)
    }

    /// Checks that the product has nodes, when the service sells some. Everything else is done before this check.
    ///
    /// # Errors
    /// `bad_value` about the addon.
    pub(super) fn check_nodes_sold(&self, item: &Item, product: &Product) -> Result<(), ModuleError> {
        let kept = text!("The license has the same nodes as before", "Число узлов лицензии не изменено");
        check_nodes(item, product, &self.rules.nodes_addons, kept)
    }

    /// Whether this is a trial license, and another product is wanted. The other product replaces a trial; a trial is
    /// never turned into it by a change of tariff (docs/licensing-rules.md 5).
    fn is_trial_for(&self, row: &LicenseRow, product: &Product) -> bool {
        self.product_of(row).is_some_and(Product::is_only_trial) && !product.is_only_trial()
    }

    /// A trial that became a paid service: the paid product is obtained, then the trial stopped
    /// (docs/licensing-rules.md 5).
    pub(super) async fn replace_trial(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        trial: &LicenseRow,
        product: &Product,
    ) -> Result<(), ModuleError> {
        let rules = self.alignment().await?;
        order_terms(product, item, &rules, &self.rules.catalogue, self.today())?;
        check_nodes(item, product, &self.rules.nodes_addons, text!("Nothing was ordered", "Ничего не заказано"))?;
        // The trial is marked "to be freed" first: an incarnation holds one license, and a license that is to be freed
        // is never lost.
        let trial = trial.clone();
        let reason =
            text!("trial {} is replaced by a paid license", "пробная лицензия {} заменяется оплаченной", trial.id);
        let released = trial.clone();
        self.commit("trial ends", move |tx| {
            tx.release_license(&released, LicenseState::ToFree, None, Some(&Reason::TrialReplaced))?;
            tx.note(released.item, Some((released.account, released.id)), Note::State(LicenseState::ToFree), &reason)
        })
        .await?;
        let (row, seen) = self.ensure_license(item, incarnation, product).await?;
        self.hand_out(item, &row, product, seen).await?;
        let trial = self.store.license(trial.account, trial.id).map_err(errors::state)?.unwrap_or(trial);
        self.free(item, &trial).await?;
        self.remember_choice(item, &product.internal_name).await
    }

    /// What the item asks of its license: product, address, name, nodes.
    pub(super) fn desired_license(&self, item: &Item, product: &Product) -> Result<DesiredLicense, ModuleError> {
        let fields = self.order_fields(item, product)?;
        Ok(DesiredLicense {
            internal_name: product.internal_name.clone(),
            pricelist: product.pricelist,
            ip: fields.ip,
            remoteip: fields.remoteip,
            licname: fields.licname,
            nodes: fields.nodes,
        })
    }

    /// Carries out each difference. With `quiet` (sync) a change that failed is left for the next sync, and the others
    /// are made anyway. Returns the license as it is then, and the differences that are left.
    pub(super) async fn carry_out_differences(
        &mut self,
        item: &Item,
        row: &LicenseRow,
        product: &Product,
        mut seen: License,
        quiet: bool,
    ) -> Result<(License, Kept), ModuleError> {
        let trial = self.product_of(row).filter(|_| self.is_trial_for(row, product));
        let wanted = trial.unwrap_or(product);
        let desired = self.desired_license(item, wanted)?;
        let (mut first_error, mut kept, mut made) = (None, Kept::default(), Vec::new());
        let known = differences(item, &desired, row, &seen, self.today());
        for difference in known.clone() {
            let words = change(&seen, &difference, self.moves_from(&seen));
            let has_intent = matches!(difference, Difference::Tariff { .. } | Difference::Nodes { .. });
            match self.carry_out(item, row, &seen, difference.clone(), quiet).await {
                Ok(Some(after)) => {
                    seen = after;
                    // A name that the seller stored differently is not logged as a change; it has a message of its own.
                    let is_made = !matches!(&difference, Difference::Name(name) if !seen.is_named(name));
                    made.extend((!has_intent && is_made).then_some(words));
                }
                Ok(None) => kept.is_left = true,
                Err(Failed::Refused(refusal, error)) if refusal.kind == RefusalKind::IpTooYoung => {
                    if quiet {
                        // The day from which it will work is known; it is tried again on that day.
                        kept.is_left = true;
                        let why = error.words();
                        self.warn(&text!(
                            ["left for the next sync: {}", why.en],
                            ["оставлено следующему sync: {}", why.ru]
                        ));
                    } else {
                        first_error = first_error.or(Some(error));
                    }
                }
                Err(Failed::Refused(_, error) | Failed::Other(error)) if quiet => {
                    kept.is_left = true;
                    kept.failed = kept.failed.or(Some(error));
                }
                Err(Failed::Refused(_, error) | Failed::Other(error)) => return Err(error),
            }
        }
        self.tell_changes(row, made).await?;
        self.refresh(row, &seen).await?;
        if row.reason == Some(Reason::AddressWaits) && desired.ip.is_none_or(|ip| seen.ip == Some(ip)) {
            let row = row.clone();
            self.commit("address changed", move |tx| tx.put_off(&row, None, None)).await?;
        }
        if let Some(error) = first_error {
            return Err(error);
        }
        let fresh = |difference: &Difference| *difference != Difference::NotRunning && !known.contains(difference);
        if !quiet && differences(item, &desired, row, &seen, self.today()).iter().any(fresh) {
            // Somebody else changed the license in between, or the first look showed an old state. So the panel does
            // not learn yet that the change is done.
            let what = text!("change of license {}", "изменение лицензии {}", row.id);
            return Err(errors::not_visible(&what, row.id));
        }
        Ok((seen, kept))
    }

    /// Writes changes that have no intent of their own into the log and the journal.
    async fn tell_changes(&mut self, row: &LicenseRow, made: Vec<Text>) -> Result<(), ModuleError> {
        if made.is_empty() {
            return Ok(());
        }
        made.iter().for_each(|words| self.note(words));
        let (item, about) = (row.item, Some((row.account, row.id)));
        self.commit("changes", move |tx| made.iter().try_for_each(|words| tx.note(item, about, Note::Changed, words)))
            .await
    }

    /// Writes a start or a stop that the panel asked for into the log and the journal, unless nothing changed.
    pub(super) async fn tell_switch(
        &mut self,
        row: &LicenseRow,
        before: LicenseStatus,
        seen: &License,
    ) -> Result<(), ModuleError> {
        let switched = match (before == seen.status, seen.status == LicenseStatus::Active) {
            (true, _) => return Ok(()),
            (false, true) => Difference::NotRunning,
            (false, false) => Difference::Running,
        };
        let words = change(seen, &switched, None);
        self.tell_changes(row, vec![words]).await
    }

    async fn carry_out(
        &mut self,
        item: &Item,
        row: &LicenseRow,
        seen: &License,
        difference: Difference,
        quiet: bool,
    ) -> Result<Option<License>, Failed> {
        let id = row.id;
        let edit = match difference {
            Difference::Tariff { from, to } => return self.change_tariff(item, row, from, to).await,
            Difference::Nodes { from, to } => return self.change_nodes(row, from, to).await,
            Difference::Running if self.withheld.stops => return Ok(None),
            Difference::Running => return Ok(Some(self.stop(row, seen.clone()).await?)),
            Difference::NotRunning if quiet => return Ok(Some(self.start(row, seen.clone()).await?)),
            Difference::NotRunning => return Ok(None),
            Difference::Ip(ip) => {
                let too_young = self.moves_from(seen).is_some();
                if quiet && (too_young || row.not_before.is_some_and(|until| until > self.now())) {
                    self.note(&text!(
                        "license {id} cannot move to {ip} yet",
                        "лицензию {id} пока нельзя перенести на {ip}"
                    ));
                    return Ok(None);
                }
                let remoteip = outward::beside(order_remoteip(item)?, row, seen);
                Edit { ip: Some(ip), remoteip, ..Edit::default() }
            }
            Difference::Outward(remoteip) => {
                let remoteip = remoteip.map_or_else(String::new, |ip| ip.to_string());
                Edit { ip: seen.ip, remoteip: Some(remoteip), ..Edit::default() }
            }
            Difference::Name(name) => Edit { licname: Some(name), ..Edit::default() },
            Difference::Autoprolong => Edit { no_autoprolong: true, ..Edit::default() },
        };
        self.edit(row, seen, edit).await.map(Some)
    }

    /// Another tariff at the seller; the license and its key stay. Only what the seller refused is rolled back in the
    /// panel.
    async fn change_tariff(
        &mut self,
        item: &Item,
        row: &LicenseRow,
        from: crate::model::ids::UpstreamPricelistId,
        to: crate::model::ids::UpstreamPricelistId,
    ) -> Result<Option<License>, Failed> {
        let product = self.rules.catalogue.by_pricelist(to).cloned();
        if let Some(product) = &product {
            check_sale(product, self.today())?;
        }
        let rules = self.alignment().await?;
        let months = product.as_ref().and_then(|product| aligned_months(product, item, &rules));
        let period = months.map_or(item.period, Period::Months);
        let key = IdempotencyKey::Tariff { account: row.account, license: row.id, from, to, finished: row.changes };
        let request = OnceRequest::ChangePricelist { license: row.id, pricelist: to, period };
        let what = text!(
            "change of license {} from tariff {from} to {to}",
            "смена тарифа лицензии {} с {from} на {to}",
            row.id
        );
        let sent = self.once(row, &key, request, &what).await;
        let is_refused = matches!(sent, Err(Failed::Refused(..)));
        if is_refused && item.previous_tariff.is_some() {
            self.post(item, "service.changepricelist.rollback").await?;
        }
        sent
    }

    async fn change_nodes(&mut self, row: &LicenseRow, from: u32, to: u32) -> Result<Option<License>, Failed> {
        let Some(addon) = self.product_of(row).and_then(|product| product.nodes_addon) else { return Ok(None) };
        let key = IdempotencyKey::Nodes { account: row.account, license: row.id, from, to, finished: row.changes };
        let request = OnceRequest::SetNodes { family: row.family, license: row.id, addon, nodes: to };
        let what = text!(
            "change of license {} from {from} to {to} nodes",
            "смена числа узлов лицензии {} с {from} на {to}",
            row.id
        );
        self.once(row, &key, request, &what).await
    }

    /// gen_key: a new key at the seller, then on the item. A repeated run of the same operation does not ask for a
    /// second key.
    pub(super) async fn gen_key(&mut self, item: &Item) -> Result<(), ModuleError> {
        let incarnation = self.incarnation_of(item).await?;
        self.settle_orders(item, &incarnation, None).await?;
        let Some((row, seen)) = self.present_license(item, &incarnation).await? else {
            return Err(match self.last_license(item)? {
                Some(last) => errors::license_gone(Some(item.id), last),
                None => errors::no_license(item.id),
            });
        };
        let done = match self.operation {
            Some(operation) => {
                let license = (row.account, row.id);
                self.store.done_by_run(license, item.id, "newkey", operation, self.now()).map_err(errors::state)?
            }
            None => None,
        };
        let Some(done) = done else {
            if seen.key.is_none() {
                return Err(if row.family.has_key() { no_key_yet(row.id) } else { no_key_of_its_own(row.id) });
            }
            self.check_no_heir(&row).await?;
            let seen = self.new_key(&row, &seen).await?.unwrap_or(seen);
            return self.save_license(item, &seen).await;
        };
        if effect(&done.request, Some(&seen)) == Effect::NotVisible {
            // The seller still shows an old state: the former key must not be saved again.
            return Err(errors::not_visible(&describe(&done), row.id));
        }
        self.save_license(item, &seen).await
    }

    /// The day before which the seller does not allow a new address for this license. `None`: it may change now.
    pub(super) fn moves_from(&self, seen: &License) -> Option<NaiveDate> {
        self.rules.ip_change_limit.waits_until(seen.ip_changed, self.today())
    }

    /// A new key for a held license.
    pub(super) async fn new_key(&mut self, row: &LicenseRow, seen: &License) -> Result<Option<License>, Failed> {
        let id = row.id;
        let before = seen.key.as_ref().map_or_else(|| "none".to_owned(), |key| key.fingerprint());
        let key = IdempotencyKey::NewKey { account: row.account, license: id, before: before.clone() };
        let request = OnceRequest::NewKey { family: row.family, license: id, before };
        let what = text!("new key of license {id}", "новый ключ лицензии {id}");
        match self.once(row, &key, request, &what).await {
            Err(Failed::Refused(refusal, mut error)) if refusal.kind == RefusalKind::KeyTooYoung => {
                if let Some(from) = seen.key_changed.map(a_month_after) {
                    *error.message = text!(
                        ["{}; it will work from {from} on", error.message.en],
                        ["{}; это станет возможно с {from}", error.message.ru]
                    );
                }
                Err(Failed::Refused(refusal, error))
            }
            other => other,
        }
    }
}
