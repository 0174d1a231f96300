//! The preview of settling a request in doubt, for the operator who is about to be asked: its changes and its possible
//! costs. Where the license is bound to its service, the page is that of `bind` ([`Engine::preview_bought`]).

use crate::error::{ModuleError, Text};
use crate::model::ids::{ItemId, LicenseId, Mark};
use crate::model::journal::{Intent, OnceRequest, OrderRequest};
use crate::model::license::{FREE_NAME, License, Money};
use crate::model::period::{MonthCount, Period};
use crate::text;

use super::OpenIntent;
use super::bought::Bought;
use crate::engine::bind::preview::{Face, Preview, frees, title};
use crate::engine::send::describe;
use crate::engine::{Engine, errors};
use crate::plan::cost::Change;
use crate::plan::resolution::Fate;

impl Engine<'_> {
    /// The request is settled as not bought: the next run may send the request again, and that may cost money.
    pub(super) async fn preview_not_bought(&mut self, asked: OpenIntent<'_>) -> Result<Preview, ModuleError> {
        let OpenIntent { item, intent } = asked;
        let what = describe(intent);
        let mut changes: Vec<Change> = ordered(&intent.request).map(Change::free).into_iter().collect();
        let again = text!(
            ["the next run may send it again: {}", what.en],
            ["следующий запуск может отправить снова: {}", what.ru]
        );
        changes.push(self.repeated(intent, again)?);
        let title = text!("What the seller was asked for service {item}:", "О чём продавца просили для услуги {item}:");
        self.with_balance(Preview { title, faces: None, outward: [None, None], changes, balance: None }).await
    }

    /// What a request costs when it is sent again.
    fn repeated(&self, intent: &Intent, what: Text) -> Result<Change, ModuleError> {
        let months = |period| match period {
            Period::Months(months) => Some(months),
            Period::Trial | Period::Day | Period::Lifetime | Period::Unknown(_) => None,
        };
        Ok(match &intent.request {
            OnceRequest::Order(order) => {
                let product = self.rules.catalogue.by_pricelist(order.pricelist);
                let fits =
                    product.filter(|product| order.nodes.is_none_or(|(_, nodes)| nodes <= product.nodes_included));
                let price = months(order.period).and_then(|months| fits?.prices.get(&months).cloned());
                Change::at_list_price(what, price)
            }
            OnceRequest::Prolong { license, period, .. } => {
                Change::at_list_price(what, self.price_of_renewal(intent, *license, *period)?)
            }
            OnceRequest::AddLicense(_) => Change::at_list_price(what, self.rules.hosting.price_month.clone()),
            OnceRequest::ChangePricelist { .. } | OnceRequest::SetNodes { .. } => Change {
                cost: Some(text!(
                    "the seller charges the difference for the days that are left",
                    "продавец возьмёт разницу за оставшиеся дни"
                )),
                ..Change::free(what)
            },
            OnceRequest::NewKey { .. } | OnceRequest::Delete { .. } | OnceRequest::RemoveLicense(_) => {
                Change::free(what)
            }
        })
    }

    fn price_of_renewal(
        &self,
        intent: &Intent,
        license: LicenseId,
        period: MonthCount,
    ) -> Result<Option<Money>, ModuleError> {
        let row = self.store.license(intent.account, license).map_err(errors::state)?;
        Ok(row.and_then(|row| self.product_of(&row)?.prices.get(&period).cloned()))
    }

    /// The request is settled as bought, and the license is not bound to a service that asks for it: before and after.
    pub(super) async fn preview_fate(
        &mut self,
        id: ItemId,
        order: &OrderRequest,
        bought: &Bought,
    ) -> Result<Preview, ModuleError> {
        let item = self.item(id).await?;
        let holder = bought.row.as_ref().and_then(|row| row.item.filter(|_| row.incarnation.is_some()));
        let now = Face { item: holder, ..self.face_of(&bought.seen) };
        let (then, changes) = match &bought.fate {
            Fate::Bound(_) | Fate::Kept(_) => (self.marked(&now, &order.mark, id), Vec::new()),
            Fate::Moved(_, old) => (self.marked(&now, &order.mark, id), vec![Change::free(frees(id, *old))]),
            Fate::Duplicate(..) | Fate::Freed => (self.freed(&now), vec![Change::free(freed_by_sync(&bought.seen))]),
        };
        let faces = Some(Box::new([now, then]));
        Ok(Preview { title: title(&item, bought.seen.id), faces, outward: [None, None], changes, balance: None })
    }

    fn marked(&self, now: &Face, mark: &Mark, item: ItemId) -> Face {
        Face { mark: Some(mark.to_string()), renews_itself: Some(false), item: Some(item), ..now.clone() }
    }

    fn freed(&self, now: &Face) -> Face {
        let mark = Mark::Pool { panel: self.panel_id.clone() }.to_string();
        Face {
            ip: None,
            name: FREE_NAME.to_owned(),
            mark: Some(mark),
            renews_itself: Some(false),
            item: None,
            ..now.clone()
        }
    }
}

/// What an order asked for, as the seller would show it.
fn ordered(request: &OnceRequest) -> Option<Text> {
    let OnceRequest::Order(OrderRequest { pricelist, ip, licname, mark, .. }) = request else { return None };
    let ip = ip.map_or_else(|| "-".to_owned(), |ip| ip.to_string());
    Some(text!(
        "it would show tariff {pricelist}, address {ip}, name {licname}, mark {mark}",
        "у продавца это тариф {pricelist}, IP {ip}, имя {licname}, метка {mark}"
    ))
}

/// A license that no service needs goes to the pool.
fn freed_by_sync(seen: &License) -> Text {
    text!(
        "license {} goes to the pool with the next sync; its days are kept",
        "лицензия {} со следующим sync уйдёт в пул; её дни сохранятся",
        seen.id
    )
}
