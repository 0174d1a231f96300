//! Looks for orders whose outcome is unknown, and adopts the license that is found (docs/money-safety.md 3 and 4). The
//! rules are in `plan::in_doubt`; this module carries them out.

use chrono::NaiveDate;

use crate::error::{ModuleError, Text};
use crate::model::catalogue::Product;
use crate::model::ids::LicenseId;
use crate::model::item::{Item, ItemStatus};
use crate::model::journal::{Incarnation, Intent, IntentEvent, IntentStatus, Note, OrderRequest};
use crate::model::license::{Family, License, LicenseStatus, RemoteId};
use crate::model::license_row::LicenseState;
use crate::plan::cost::{cost_of, with_cost};
use crate::plan::in_doubt::{
    Awaits, FREE_WHEN_APPEARS_DAYS, Found, Match, Verdict, after_clean_look, after_nothing_appeared, awaits_of,
    compare, decide, is_candidate, not_before,
};
use crate::ports::{CallError, RefusalKind};
use crate::store::Binding;
use crate::text;

use crate::engine::pages::Pages;
use crate::engine::send::describe;
use crate::engine::{Engine, errors, unreadable};

/// Most licenses that one search opens. With more candidates an operator must look.
const MAX_OPENED: usize = 60;

/// Who gets the license that an order in doubt bought, if it is found.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) enum Recipient<'l> {
    /// This incarnation, which waits for it.
    Waits(&'l Incarnation),
    /// This incarnation, if it is the license that its service shows; otherwise nobody.
    Shows(&'l Incarnation, LicenseId),
    /// Nobody: it is to be freed.
    Nobody,
}

impl<'l> Recipient<'l> {
    /// Who gets the license, by what the incarnation needs of the order. `shown`: the license that its service shows.
    pub(in crate::engine) fn of(awaits: Awaits, incarnation: &'l Incarnation, shown: Option<LicenseId>) -> Self {
        match shown {
            _ if awaits == Awaits::License => Self::Waits(incarnation),
            // Given up according to an old state, and yet in use: a license that the service shows is not freed.
            Some(shown) => Self::Shows(incarnation, shown),
            None => Self::Nobody,
        }
    }

    fn incarnation_for(self, found: LicenseId) -> Option<&'l Incarnation> {
        match self {
            Self::Waits(incarnation) => Some(incarnation),
            Self::Shows(incarnation, shown) => (shown == found).then_some(incarnation),
            Self::Nobody => None,
        }
    }
}

impl Engine<'_> {
    /// Settles the orders of an item that are in doubt. Each ends with an adopted license or as never made, or this run
    /// fails. Later intents of the item wait for that. `product`: what the item asks for now.
    pub(in crate::engine) async fn settle_orders(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        product: Option<&Product>,
    ) -> Result<(), ModuleError> {
        self.step("read intents in doubt").await?;
        for intent in self.orders_in_doubt(item.id)? {
            let awaits = awaits_of(&intent, incarnation, product);
            let shown = item.params.licid.filter(|_| item.status != ItemStatus::Deleted);
            self.settle_awaited(&intent, Recipient::of(awaits, incarnation, shown), awaits).await?;
        }
        Ok(())
    }

    /// Looks for one order in doubt. A license that is found is bound to its owner, or is to be freed when the order
    /// was for another service of this number.
    pub(in crate::engine) async fn settle_order(
        &mut self,
        intent: &Intent,
        recipient: Recipient<'_>,
    ) -> Result<Option<License>, ModuleError> {
        let awaits = if matches!(recipient, Recipient::Waits(_)) { Awaits::License } else { Awaits::Nothing };
        self.settle_awaited(intent, recipient, awaits).await
    }

    /// Settles one order in doubt, as [`Engine::settle_order`] does. `awaits`: what the service awaits of it. When the
    /// search finds no license, that decides how long the order stays in doubt.
    pub(in crate::engine) async fn settle_awaited(
        &mut self,
        intent: &Intent,
        recipient: Recipient<'_>,
        awaits: Awaits,
    ) -> Result<Option<License>, ModuleError> {
        let Some(order) = intent.request.as_order().cloned() else { return Ok(None) };
        let what = describe(intent);
        let (found, complete) = self.search(intent, &order).await?;
        match found {
            Found::One(license) => {
                // Its key may have been shown to the client who had this number before.
                let incarnation = recipient.incarnation_for(license.id).filter(|one| intent.was_for(one));
                self.adopt(intent, &order, *license, incarnation, &what).await.map(Some)
            }
            Found::Unclear(ids) => {
                let list = ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let why = text!("these licenses may be it: {list}", "возможно, это одна из лицензий: {list}");
                Err(self.hand_over(intent, &what, &why).await?)
            }
            Found::Nothing if intent.status == IntentStatus::HandedOver => {
                let why = text!("an operator must look", "решить должен оператор");
                Err(errors::order_unknown(&what, &why, intent.item, intent.id.0))
            }
            Found::Nothing if awaits == Awaits::Nothing => {
                // There is no list of modules that could be complete. The numbers that follow are read one by one
                // instead.
                let complete = complete || order.family == Family::Addition;
                self.nothing_appeared(intent, complete, &what).await.map(|()| None)
            }
            Found::Nothing => self.after_nothing(intent, awaits, complete, &what).await.map(|()| None),
        }
    }

    async fn after_nothing(
        &mut self,
        intent: &Intent,
        awaits: Awaits,
        complete: bool,
        what: &Text,
    ) -> Result<(), ModuleError> {
        let rules = &self.rules.upstream;
        let item = intent.shown_item();
        let verdict = after_clean_look(intent, self.now_by_all_clocks(), rules.settle_s, rules.resend, complete);
        match (verdict, intent.license) {
            (Verdict::Wait { until }, _) => Err(errors::in_doubt(what, until, "item", item)),
            (Verdict::FirstCleanLook { again }, _) => {
                // A license that the service cannot use stays given up: whichever run finds it frees it.
                if awaits == Awaits::License && intent.status == IntentStatus::FreeWhenAppears {
                    self.write_event(intent, IntentEvent::WantedAgain, what).await?;
                }
                self.write_event(intent, IntentEvent::CleanLook, what).await?;
                Err(errors::in_doubt(what, again, "item", item))
            }
            (Verdict::NeverHappened, Some(named)) => {
                // The seller reported success. Neither a list nor a clock that runs ahead is a reason to buy again.
                let why = text!(
                    "the seller named license {named}, and does not show it",
                    "продавец назвал лицензию {named}, а её не видно"
                );
                Err(self.hand_over(intent, what, &why).await?)
            }
            (Verdict::NeverHappened, None) => {
                let reason = "two complete lists after the settling time show no trace".to_owned();
                self.write_event(intent, IntentEvent::NotHappened { reason }, what).await
            }
            (Verdict::HandOver(why), _) if intent.status == IntentStatus::FreeWhenAppears => {
                // The service asks for it again. So the operator is asked until there is an answer, and not only during
                // the days in which a license of a closed service may appear.
                self.write_event(intent, IntentEvent::WantedAgain, what).await?;
                self.write_event(intent, IntentEvent::HandedOver { reason: why.en.clone() }, &why).await?;
                Err(errors::order_unknown(what, &why, intent.item, intent.id.0))
            }
            (Verdict::HandOver(why), _) => Err(self.hand_over(intent, what, &why).await?),
        }
    }

    /// The item is closed: a license that has not appeared within 30 days never will. `complete`: whether the look that
    /// found nothing proves that the license was absent.
    pub(in crate::engine) async fn nothing_appeared(
        &mut self,
        intent: &Intent,
        complete: bool,
        what: &Text,
    ) -> Result<(), ModuleError> {
        match after_nothing_appeared(intent, self.now_by_all_clocks(), self.rules.upstream.settle_s, complete) {
            Verdict::Wait { .. } | Verdict::HandOver(_) => Ok(()),
            Verdict::FirstCleanLook { .. } => self.write_event(intent, IntentEvent::CleanLook, what).await,
            Verdict::NeverHappened => {
                let reason = format!("nothing appeared within {FREE_WHEN_APPEARS_DAYS} days of the closing");
                self.write_event(intent, IntentEvent::NotHappened { reason }, what).await
            }
        }
    }

    /// Leaves an order in doubt to an operator. Returns the error that says so.
    pub(in crate::engine) async fn hand_over(
        &mut self,
        intent: &Intent,
        what: &Text,
        why: &Text,
    ) -> Result<ModuleError, ModuleError> {
        if intent.status == IntentStatus::InDoubt {
            self.write_event(intent, IntentEvent::HandedOver { reason: why.en.clone() }, why).await?;
        }
        Ok(errors::order_unknown(what, why, intent.item, intent.id.0))
    }

    /// Searches the account for an order: first the license that the seller named, then the lists. The second value
    /// says whether it is proven that the license is absent when it was not found.
    pub(in crate::engine) async fn search(
        &mut self,
        intent: &Intent,
        order: &OrderRequest,
    ) -> Result<(Found, bool), ModuleError> {
        let (mut opened, mut hidden) = (Vec::new(), false);
        if let Some(hint) = intent.license
            && let Some(seen) = self.look_into(order.family, hint, &mut hidden).await?
        {
            if compare(order, &seen) == Match::Mark {
                return Ok((Found::One(Box::new(seen)), true));
            }
            // Without a mark it may still be the license of this order, whatever number and date the list shows.
            if !self.is_known(hint)? {
                self.learn_silence(&seen).await?;
                opened.push(seen);
            }
        }
        let (mut candidates, mut complete) = self.list_candidates(intent, order).await?;
        candidates.retain(|id| opened.iter().all(|seen: &License| seen.id != *id));
        complete &= candidates.len() <= MAX_OPENED;
        for id in candidates.into_iter().take(MAX_OPENED) {
            let Some(seen) = self.look_into(order.family, id, &mut hidden).await? else {
                // It is in the list, and cannot be opened. It may be the license of this order, so absence is not
                // proven.
                hidden = true;
                continue;
            };
            let is_it = compare(order, &seen) == Match::Mark;
            self.learn_silence(&seen).await?;
            opened.push(seen);
            if is_it {
                break;
            }
        }
        Ok((decide(order, opened, self.returns_remoteid()?), complete && !hidden))
    }

    /// Opens one candidate. When the seller cannot show it, the search goes on, but absence is not proven.
    async fn look_into(
        &mut self,
        family: Family,
        id: LicenseId,
        hidden: &mut bool,
    ) -> Result<Option<License>, ModuleError> {
        match self.try_read(family, id).await? {
            Ok(seen) => Ok(seen),
            Err(CallError::Refused(refusal)) if refusal.kind == RefusalKind::Auth => {
                Err(unreadable(&CallError::Refused(refusal), id))
            }
            Err(error @ CallError::Unreachable(_)) => Err(unreadable(&error, id)),
            Err(error @ (CallError::Refused(_) | CallError::BadAnswer(_) | CallError::Form(_))) => {
                let why = unreadable(&error, id);
                self.warn(&text!(
                    "License {id} may be the one that the program looks for, but it cannot be read at the seller: {why}",
                    "Возможно, программа ищет именно лицензию {id}, но у продавца она не читается: {why}"
                ));
                *hidden = true;
                Ok(None)
            }
        }
    }

    /// The day of the seller before which no license that is ordered now can be created. `newest`: the newest day that
    /// the seller shows.
    pub(in crate::engine) fn not_before(&self, newest: Option<NaiveDate>) -> Option<NaiveDate> {
        not_before(newest, self.their_now(), self.now())
    }

    /// Learns from an opened license whether this seller returns the remoteid, if that is not known yet.
    async fn learn_silence(&mut self, seen: &License) -> Result<(), ModuleError> {
        if seen.remoteid == RemoteId::Absent && self.returns_remoteid()?.is_none() {
            self.remember_remoteid(false).await?;
        }
        Ok(())
    }

    /// Numbers of licenses that are worth opening. Those whose row in the list bears the mark come first.
    async fn list_candidates(
        &mut self,
        intent: &Intent,
        order: &OrderRequest,
    ) -> Result<(Vec<LicenseId>, bool), ModuleError> {
        let (mut marked, mut others) = (Vec::new(), Vec::new());
        if order.family == Family::Addition {
            return Ok((self.probed(intent)?, false));
        }
        let mut pages = Pages::of(order.family);
        while let Some(page) = pages.next(self).await? {
            self.check_marks(&page.rows).await?;
            for row in &page.rows {
                if !is_candidate(order, intent, row) || self.is_known(row.id)? {
                    continue;
                }
                if row.remoteid.is(&order.mark) { marked.push(row.id) } else { others.push(row.id) }
            }
        }
        let newest = self.store.newest_licenses(self.account, order.family).map_err(errors::state)?;
        others.sort_unstable_by(|a, b| b.cmp(a));
        marked.extend(others);
        Ok((marked, pages.list.is_complete(&newest)))
    }

    /// Whether our state knows a license, in any state.
    pub(in crate::engine) fn is_known(&self, id: LicenseId) -> Result<bool, ModuleError> {
        Ok(self.store.license(self.account, id).map_err(errors::state)?.is_some())
    }

    pub(in crate::engine) fn returns_remoteid(&self) -> Result<Option<bool>, ModuleError> {
        let account = self.store.account(self.account).map_err(errors::state)?;
        Ok(account.and_then(|account| account.returns_remoteid))
    }

    pub(in crate::engine) async fn remember_remoteid(&mut self, returns: bool) -> Result<(), ModuleError> {
        if self.returns_remoteid()? == Some(returns) {
            return Ok(());
        }
        let account = self.account;
        self.commit("remember remoteid", move |tx| tx.set_returns_remoteid(account, returns)).await
    }

    /// Adopts a found license for the intent: the outcome and the binding are one transaction. A license that is
    /// neither as it was ordered nor as the service asks now is not bound. A license for an incarnation that has one
    /// already is a duplicate, and is to be freed. For that its mark suffices, whatever it is like now.
    pub(in crate::engine) async fn adopt(
        &mut self,
        intent: &Intent,
        order: &OrderRequest,
        seen: License,
        incarnation: Option<&Incarnation>,
        what: &Text,
    ) -> Result<License, ModuleError> {
        if let Some(incarnation) = incarnation
            && !self.is_duplicate(incarnation, intent)?
            && let Some(field) = self.unexplained(order, &seen, incarnation.item).await?
        {
            return Err(self.hand_over_different(intent, seen.id, field, what).await?);
        }
        let as_is = self.as_found(order, &seen);
        let event = IntentEvent::Adopted { license: seen.id };
        self.bind_order(intent, &as_is, &seen, incarnation, event, what).await?;
        Ok(seen)
    }

    /// Whether a license that an order bought for an incarnation is one too many: the incarnation holds another one,
    /// and does not give it up for this order.
    fn is_duplicate(&self, incarnation: &Incarnation, intent: &Intent) -> Result<bool, ModuleError> {
        let holds_one = self.store.license_of(incarnation).map_err(errors::state)?.is_some();
        Ok(holds_one && self.left_for_order(incarnation, intent)?.is_none())
    }

    /// Writes down that an order was carried out: the event and the license's row, in one transaction.
    pub(in crate::engine) async fn bind_order(
        &mut self,
        intent: &Intent,
        order: &OrderRequest,
        seen: &License,
        incarnation: Option<&Incarnation>,
        event: IntentEvent,
        what: &Text,
    ) -> Result<(), ModuleError> {
        let left = match incarnation {
            Some(incarnation) => self.left_for_order(incarnation, intent)?,
            None => None,
        };
        let taken = match incarnation {
            Some(incarnation) => self.is_duplicate(incarnation, intent)?,
            None => false,
        };
        let state = if incarnation.is_some() && !taken { LicenseState::Bound } else { LicenseState::ToFree };
        let incarnation = incarnation.filter(|_| !taken).cloned();
        let product = self.rules.catalogue.by_pricelist(order.pricelist);
        let internal_name = product.map_or_else(|| order.pricelist.to_string(), |p| p.internal_name.clone());
        let (account, module) = (self.account, self.module);
        let returns = match seen.remoteid {
            RemoteId::Text(_) => true,
            RemoteId::Absent | RemoteId::Empty => false,
        };
        let (intent, order, seen, what) = (intent.clone(), order.clone(), seen.clone(), what.clone());
        let cost = cost_of(&intent.request, &seen, product);
        let what = with_cost(&what, &cost);
        let (note, item) = (bound_note(&seen, state), intent.item);
        self.note(&note);
        self.commit("bind", move |tx| {
            tx.event(&intent, &event, &what)?;
            left.as_ref().map_or(Ok(()), |left| left.write(tx))?;
            let binding = Binding {
                account,
                family: order.family,
                module,
                internal_name: &internal_name,
                mark: Some(&order.mark),
                pricelist: order.pricelist,
                nodes: order.nodes.map(|(_, nodes)| nodes),
            };
            tx.put_license(&binding, &seen, state, item, incarnation.as_ref())?;
            let outward = order.remoteip.map_or_else(String::new, |ip| ip.to_string());
            tx.set_outward(account, seen.id, Some(&outward))?;
            if let Some(parent) = order.parent {
                tx.put_addition(account, seen.id, parent)?;
            }
            tx.put_cost(&intent, seen.id, order.pricelist, &cost)?;
            tx.set_returns_remoteid(account, returns)?;
            tx.set_refused_lifted(&intent)?;
            tx.note(item, Some((account, seen.id)), Note::State(state), &note)
        })
        .await
    }
}

fn bound_note(seen: &License, state: LicenseState) -> Text {
    let (id, expires) = (seen.id, seen.expires);
    match state {
        LicenseState::Bound if seen.status == LicenseStatus::Ordered => {
            text!("license {id} is ordered and waits for payment", "лицензия {id} заказана и ждёт оплаты")
        }
        LicenseState::Bound => {
            text!("license {id} bound, good until {expires}", "лицензия {id} привязана, срок до {expires}")
        }
        LicenseState::Claimed
        | LicenseState::ToFree
        | LicenseState::Pool
        | LicenseState::Stopped
        | LicenseState::Deleted => {
            text!(
                "license {id} is a duplicate or came too late: to be freed",
                "лицензия {id} — дубликат или пришла поздно: к освобождению"
            )
        }
    }
}
