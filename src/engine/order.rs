//! A purchase: the look before, the recorded intent, the order, the look after (docs/licensing-rules.md 3,
//! docs/money-safety.md).

pub(super) mod addition;
mod changed;
pub(super) mod in_doubt;
pub(super) mod money;
mod refused;
pub(super) mod unclaimed;

use std::net::IpAddr;

use chrono::NaiveDate;

use crate::error::{ErrorKind, ModuleError, Text};
use crate::model::catalogue::Product;
use crate::model::ids::{LicenseId, Mark};
use crate::model::item::Item;
use crate::model::journal::{IdempotencyKey, Incarnation, Intent, IntentEvent, OnceAnswer, OnceRequest, OrderRequest};
use crate::model::license::{Family, License, Money};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::plan::check::{check_ip, check_licname, clean_licname};
use crate::plan::in_doubt::{Match, compare, mismatch};
use crate::plan::order::OrderTerms;
use crate::plan::resolution::give_again;
use crate::ports::{CallError, PAGE_ROWS, Page, RefusalKind, Upstream as _};
use crate::store::{NewIntent, Recorded, RecordedIntent, StoreError, Tx};
use crate::text;

use super::intent::Reply;
use super::order::in_doubt::Recipient;
use super::order::refused::{advised, is_about_address, ordered_before};
use super::send::Failed;
use super::{Engine, errors};

/// What a service asks of its license, checked before money is spent.
#[derive(Debug, Clone)]
pub(super) struct OrderFields {
    pub(super) ip: Option<IpAddr>,
    /// The outward address of a server behind NAT.
    pub(super) remoteip: Option<IpAddr>,
    pub(super) licname: String,
    pub(super) nodes: Option<(crate::model::ids::UpstreamAddonId, u32)>,
    /// For a module: the license that it belongs to.
    pub(super) parent: Option<LicenseId>,
}

/// What an account has just before an order. The license that the order brings is newer.
#[derive(Debug, Clone, Copy)]
pub(super) struct BeforeOrder {
    /// The highest license number.
    highest: Option<LicenseId>,
    /// The newest day of creation, by the seller's calendar.
    newest: Option<NaiveDate>,
}

impl Engine<'_> {
    /// Checks and collects address, name and nodes of an item (docs/licensing-rules.md 3).
    pub(super) fn order_fields(&self, item: &Item, product: &Product) -> Result<OrderFields, ModuleError> {
        let licname = match &item.params.licname {
            Some(name) => {
                check_licname(name)?;
                name.clone()
            }
            None => clean_licname(&item.default_license_name()),
        };
        let nodes = product
            .nodes_addon
            .map(|addon| (addon, product.nodes_included + item.additional_nodes(&self.rules.nodes_addons)));
        Ok(OrderFields {
            ip: self.order_ip(item, product)?,
            remoteip: order_remoteip(item)?,
            licname,
            nodes,
            parent: None,
        })
    }

    fn order_ip(&self, item: &Item, product: &Product) -> Result<Option<IpAddr>, ModuleError> {
        let own = item.params.ip.clone().or_else(|| {
            let mut ips: Vec<&IpAddr> = item.ips.iter().filter(|ip| ip.is_ipv4() || product.ipv6).collect();
            ips.sort_by_key(|ip| ip.is_ipv6());
            ips.first().filter(|_| !item.is_license_type()).map(|ip| ip.to_string())
        });
        match own {
            Some(text) => {
                let checked = check_ip(&text, Some(product))?;
                if let Some(warning) = checked.warning {
                    self.note(&warning);
                }
                Ok(Some(checked.ip))
            }
            None if product.needs_ip => Err(no_address(item)),
            None => Ok(None),
        }
    }

    /// Buys a license for an incarnation. The idempotency key allows one purchase: an order that was recorded before is
    /// never sent again.
    ///
    /// # Errors
    /// [`Failed::Refused`]: the seller refused and nothing was bought, so another order may be sent.
    /// [`Failed::Other`]: no other order may be sent.
    pub(super) async fn order(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        terms: &OrderTerms<'_>,
        fields: &OrderFields,
        replaces: Option<LicenseId>,
        known: BeforeOrder,
    ) -> Result<License, Failed> {
        let name = &terms.product.internal_name;
        let what = order_in_words(item, terms);
        self.check_money(Some(item.id), &what).await?;
        self.check_address(terms, fields, &what).await?;
        let key = IdempotencyKey::Order { incarnation: incarnation.clone(), replaces };
        let before = self.balance_beside_list(terms.product.family).await?;
        let returns = self.returns_remoteid()?;
        let (panel, account, choice) = (self.panel_id.clone(), self.account, name.clone());
        let not_before = self.not_before(known.newest);
        let new = NewIntent { highest_license: known.highest, ..self.new_intent(&key, Some(item.id), account, &what) };
        let write = |tx: &Tx<'_>| {
            let mark = tx.next_mark(&panel, item.id)?;
            tx.touch_item(item)?;
            tx.set_choice(item, &choice)?;
            known.highest.map_or(Ok(()), |highest| tx.raise_highest_license(account, highest))?;
            Ok(OnceRequest::Order(OrderRequest { not_before, ..request(terms, fields, mark, returns) }))
        };
        match self.record(&new, write).await? {
            Recorded::Intent(recorded) => {
                self.note(&what);
                self.send_order(recorded, incarnation, before.as_ref(), &what).await
            }
            Recorded::Existing(intent) if intent.status.is_ended() => {
                let bought = intent.license.filter(|_| intent.account == self.account);
                let row = bought.map(|license| self.store.license(self.account, license)).transpose();
                let again = give_again(row.map_err(errors::state)?.flatten().as_ref(), terms.product);
                Err(ordered_before(&intent, &what, again).into())
            }
            Recorded::Existing(intent) if intent.account != self.account => {
                // The order was sent with another account, so no list of the present account can show its result,
                // however often the run is repeated.
                let why = text!(
                    "it was sent to the account that the module had before",
                    "он отправлен в прежнюю учётную запись модуля"
                );
                Err(errors::order_unknown(&what, &why, intent.item, intent.id.0).into())
            }
            Recorded::Existing(intent) => Err(self.still_in_doubt(&intent, &what).into()),
        }
    }

    /// Reads one page of the list. It gives the newest licenses before the order, marks of ours that prove that this
    /// state is old, and the seller's dates of our pooled licenses. Before the first order from the account, licenses
    /// that the page shows without their marks are opened.
    pub(super) async fn look_before(&mut self, family: Family) -> Result<BeforeOrder, ModuleError> {
        // Modules of a license have no list of their own; their numbers come from the same row.
        let family = if family == Family::Addition { Family::Soft } else { family };
        let page = match self.newest_page.take() {
            Some((listed, page)) if listed == family => page,
            _ => self.newest_licenses(family).await?,
        };
        self.check_marks(&page.rows).await?;
        let known = self.store.account(self.account).map_err(errors::state)?;
        let known = known.and_then(|account| account.highest_license);
        if known.is_none() {
            self.check_unlisted_marks(family, &page.rows).await?;
        }
        self.refresh_free(&page.rows).await?;
        let highest = page.rows.iter().map(|row| row.id).max().max(known);
        Ok(BeforeOrder { highest, newest: page.rows.iter().filter_map(|row| row.created).max() })
    }

    /// The first page of the list. If it shows fewer licenses than it counts, it is read once more: a license that it
    /// leaves out may bear a mark that proves that this state is old. A seller that always shows fewer keeps selling.
    async fn newest_licenses(&mut self, family: Family) -> Result<Page, ModuleError> {
        let page = self.page(family, 1).await?;
        let shown = u32::try_from(page.rows.len()).unwrap_or(u32::MAX);
        let is_short = page.total.is_some_and(|total| shown < total.min(PAGE_ROWS));
        if is_short { self.page(family, 1).await } else { Ok(page) }
    }

    async fn refresh_free(&mut self, rows: &[License]) -> Result<(), ModuleError> {
        let mut changed = Vec::new();
        for seen in rows {
            let row = self.store.license(self.account, seen.id).map_err(errors::state)?;
            if row.is_some() {
                self.tell_doubled(seen).await?;
            }
            let is_free = |row: &LicenseRow| matches!(row.state, LicenseState::Pool | LicenseState::ToFree);
            if row.is_some_and(|row| is_free(&row) && row.differs(seen)) {
                changed.push(seen.clone());
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        let account = self.account;
        self.commit("refresh pool", move |tx| changed.iter().try_for_each(|seen| tx.refresh_license(account, seen)))
            .await
    }

    /// Asks whether a license may have the address, where the seller can tell before the order.
    pub(super) async fn check_address(
        &mut self,
        terms: &OrderTerms<'_>,
        fields: &OrderFields,
        what: &Text,
    ) -> Result<(), Failed> {
        let (Family::Soft, Some(ip)) = (terms.product.family, fields.ip) else { return Ok(()) };
        self.step("check ip").await?;
        match self.ports.upstream.check_ip(terms.product.pricelist, terms.period, ip) {
            Ok(()) => Ok(()),
            // soft.checkip does not know outward addresses, and behind NAT many servers have the same address. So the
            // order itself decides.
            Err(CallError::Refused(refusal)) if fields.remoteip.is_some() && is_about_address(refusal.kind) => {
                self.note(&text!(
                    "{ip} may be in use elsewhere; the server is behind NAT, so the order decides",
                    "адрес {ip}, возможно, занят; сервер за NAT, поэтому решит сам заказ"
                ));
                Ok(())
            }
            Err(CallError::Refused(refusal)) => {
                let error = if is_about_address(refusal.kind) {
                    errors::refused(&refusal, what, "ip", ip)
                } else {
                    errors::refused(&refusal, what, "intname", terms.product.pricelist)
                };
                let error = advised(error, &refusal, terms.product.pricelist, Some(terms.product));
                Err(Failed::Refused(refusal, error))
            }
            Err(error) => Err(errors::call(&error, what, ip).into()),
        }
    }

    /// Sends a recorded order and writes down its outcome. `before`: the balance, for products that no list shows.
    async fn send_order(
        &mut self,
        recorded: RecordedIntent,
        incarnation: &Incarnation,
        before: Option<&Money>,
        what: &Text,
    ) -> Result<License, Failed> {
        let no_order = || errors::state(StoreError::Unusable("the recorded intent is no order".to_owned()));
        let order = recorded.request().as_order().cloned().ok_or_else(no_order)?;
        let (intent, reply) = self.send(recorded, what, incarnation.item).await?;
        match reply {
            Reply::Done(OnceAnswer::Ordered(Some(license))) => {
                Ok(self.read_back(&intent, &order, license, incarnation, what).await?)
            }
            Reply::Done(_) => {
                let why = "the seller's answer names no license".to_owned();
                Ok(self.lost(&intent, incarnation, why, what).await?)
            }
            Reply::Busy(why) | Reply::Unknown(why) => Ok(self.lost(&intent, incarnation, why, what).await?),
            Reply::Refused(refusal) => {
                // Believed only after a look that finds nothing with the mark: an unpaid order is the intent's own.
                let (found, complete) = self.search_again(&intent, &order).await?;
                match found {
                    Some(license) => Ok(self.adopt(&intent, &order, license, Some(incarnation), what).await?),
                    None if !complete && !self.is_unmoved(before, &order, &refusal).await? => {
                        Err(self.still_in_doubt(&intent, what).into())
                    }
                    None => {
                        self.write_event(&intent, IntentEvent::Refused { reason: refusal.to_string() }, what).await?;
                        self.remember_refusal(intent.item, &refusal, what).await?;
                        let error = self.refused_order(&refusal, &order, what);
                        Err(Failed::Refused(refusal, error))
                    }
                }
            }
        }
    }

    fn refused_order(&self, refusal: &crate::ports::Refusal, order: &OrderRequest, what: &Text) -> ModuleError {
        let error = match (refusal.kind, order.ip) {
            (RefusalKind::IpBusy | RefusalKind::IpTooYoung, Some(ip)) => errors::refused(refusal, what, "ip", ip),
            _ => errors::refused(refusal, what, "intname", order.pricelist),
        };
        advised(error, refusal, order.pricelist, self.rules.catalogue.by_pricelist(order.pricelist))
    }

    async fn search_again(
        &mut self,
        intent: &Intent,
        order: &OrderRequest,
    ) -> Result<(Option<License>, bool), ModuleError> {
        use crate::plan::in_doubt::Found;
        Ok(match self.search(intent, order).await? {
            (Found::One(license), complete) => (Some(*license), complete),
            (Found::Nothing, complete) => (None, complete),
            (Found::Unclear(_), _) => (None, false),
        })
    }

    /// The answer is lost: writes that down, and looks for the license at once. A run that finds nothing fails.
    async fn lost(
        &mut self,
        intent: &Intent,
        incarnation: &Incarnation,
        why: String,
        what: &Text,
    ) -> Result<License, ModuleError> {
        self.write_event(intent, IntentEvent::unknown(why), what).await?;
        match self.settle_order(intent, Recipient::Waits(incarnation)).await? {
            Some(license) => Ok(license),
            None => Err(self.still_in_doubt(intent, what)),
        }
    }

    /// Reads the license that the seller named and compares it with what was asked, before anything is believed.
    async fn read_back(
        &mut self,
        intent: &Intent,
        order: &OrderRequest,
        license: LicenseId,
        incarnation: &Incarnation,
        what: &Text,
    ) -> Result<License, ModuleError> {
        let seen = match self.try_read(order.family, license).await? {
            Ok(Some(seen)) => seen,
            unread @ (Ok(None) | Err(_)) => {
                self.write_event(intent, IntentEvent::Answered { license }, what).await?;
                let why = match unread {
                    Err(error) => error.words(),
                    Ok(_) => text!("the seller does not show it", "у продавца её не видно"),
                };
                self.warn(&text!(
                    ["the seller named license {license}, which cannot be read yet: {}", why.en],
                    ["продавец назвал лицензию {license}, прочитать её пока нельзя: {}", why.ru]
                ));
                return Err(self.still_in_doubt(intent, what));
            }
        };
        // Where the seller returns no mark, its answer alone names the license, and it may store the name in a form of
        // its own.
        let may_be_silent = seen.remoteid.is_silent() && self.returns_remoteid()? != Some(true);
        let is_free = self.store.license(self.account, license).map_err(errors::state)?.is_none();
        // A license that was ordered just now is there.
        let may_be_new = is_free && !seen.is_deleted();
        match compare(order, &seen) {
            Match::Mark => {}
            Match::LookAlike | Match::OtherName if may_be_silent && may_be_new => {}
            Match::LookAlike | Match::OtherName | Match::OtherKey | Match::No => {
                return self.another_answer(intent, order, license, incarnation, what).await;
            }
        }
        if let Some(field) = mismatch(order, &seen) {
            return Err(self.hand_over_different(intent, license, field, what).await?);
        }
        self.bind_order(intent, order, &seen, Some(incarnation), IntentEvent::Done { license: Some(license) }, what)
            .await?;
        Ok(seen)
    }

    /// The answer named a license that this order did not buy. The right one is looked for; if it is not found, an
    /// operator must decide.
    async fn another_answer(
        &mut self,
        intent: &Intent,
        order: &OrderRequest,
        named: LicenseId,
        incarnation: &Incarnation,
        what: &Text,
    ) -> Result<License, ModuleError> {
        if let (Some(license), _) = self.search_again(intent, order).await? {
            return self.adopt(intent, order, license, Some(incarnation), what).await;
        }
        let why = text!(
            "the seller named license {named}, which is another one",
            "продавец назвал лицензию {named}, а это другая"
        );
        Err(self.hand_over(intent, what, &why).await?)
    }
}

/// An order, for the journal and for messages.
pub(super) fn order_in_words(item: &Item, terms: &OrderTerms<'_>) -> Text {
    let (name, id) = (&terms.product.internal_name, item.id);
    text!(
        ["order of {name} for service {id}, {}", terms.reason.en],
        ["заказ {name} для услуги {id}, {}", terms.reason.ru]
    )
}

/// The product needs an address, and the service has none that it may have.
fn no_address(item: &Item) -> ModuleError {
    let id = item.id;
    let words = match item.ips.is_empty() || item.is_license_type() {
        true => text!("Service {id} has no IP address", "У услуги {id} нет IP-адреса"),
        false => text!("Service {id} has no IPv4 address", "У услуги {id} нет адреса IPv4"),
    };
    let next = match item.is_license_type() {
        true => text!("set the parameter ip of the service", "задайте параметр ip услуги"),
        false => text!(
            "give the server an IPv4 address, or set the parameter ip of the service",
            "дайте серверу адрес IPv4 или задайте параметр ip услуги"
        ),
    };
    ModuleError::new(ErrorKind::Missed, "ip", "", words)
        .changed(text!("Nothing was ordered", "Ничего не заказано"))
        .next(next)
}

/// The outward address of a service, beside its own address. It must be an IP address, and is passed on unchanged.
pub(super) fn order_remoteip(item: &Item) -> Result<Option<IpAddr>, ModuleError> {
    let Some(text) = &item.params.remoteip else { return Ok(None) };
    let id = item.id;
    text.parse().map(Some).map_err(|_| {
        let words = text!(
            "The parameter remoteip of service {id} is not an IP address",
            "Параметр remoteip услуги {id} не является IP-адресом"
        );
        ModuleError::new(ErrorKind::BadValue, "remoteip", text, words)
            .changed(text!("Nothing was changed", "Ничего не изменено"))
            .next(text!(
                "correct or clear that parameter, then repeat",
                "исправьте или очистите этот параметр и повторите"
            ))
    })
}

fn request(terms: &OrderTerms<'_>, fields: &OrderFields, mark: Mark, returns_remoteid: Option<bool>) -> OrderRequest {
    // Where the seller never returns the remoteid, the name carries the mark until the license's number is recorded
    // (docs/money-safety.md 4).
    let licname = match returns_remoteid {
        Some(false) => format!("{} {mark}", fields.licname),
        Some(true) | None => fields.licname.clone(),
    };
    OrderRequest {
        family: terms.product.family,
        pricelist: terms.product.pricelist,
        period: terms.period,
        ip: fields.ip,
        remoteip: fields.remoteip,
        licname,
        mark,
        nodes: fields.nodes,
        parent: fields.parent,
        not_before: None,
    }
}
