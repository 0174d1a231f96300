//! A license that an order bought, and that differs from it: whether it is bound as it is, or left to an operator
//! (docs/money-safety.md 4).

use crate::error::{ErrorKind, Halt, ModuleError, Text};
use crate::model::ids::{ItemId, LicenseId};
use crate::model::journal::{Intent, IntentEvent, IntentStatus, OrderRequest};
use crate::model::license::License;
use crate::plan::choice::{Choice, choice_of};
use crate::plan::in_doubt::{mismatch, unexplained};
use crate::text;

use crate::engine::Engine;

impl Engine<'_> {
    /// The field in which a license with the mark of an order is neither as it was ordered nor as its service asks now.
    pub(super) async fn unexplained(
        &mut self,
        order: &OrderRequest,
        seen: &License,
        item: ItemId,
    ) -> Result<Option<&'static str>, ModuleError> {
        if mismatch(order, seen).is_none() {
            return Ok(None);
        }
        let item = self.item(item).await?;
        let asked = match choice_of(&item, &self.rules.panel_addons, &self.rules.catalogue) {
            Ok(Choice::Product(product)) => self.order_fields(&item, product).ok().map(|asked| OrderRequest {
                pricelist: product.pricelist,
                ip: asked.ip,
                nodes: asked.nodes,
                ..order.clone()
            }),
            Ok(Choice::Nopanel) | Err(_) => None,
        };
        Ok(unexplained(order, asked.as_ref(), seen))
    }

    /// Leaves to an operator a license that an order bought, and that differs from it. The state keeps the number of
    /// the license, so that every next step names the command that settles the order.
    pub(super) async fn hand_over_different(
        &mut self,
        intent: &Intent,
        license: LicenseId,
        field: &str,
        what: &Text,
    ) -> Result<ModuleError, ModuleError> {
        let error = different(intent, license, field, what);
        match intent.status {
            IntentStatus::InDoubt => {}
            // The service shows the license, or asks for it again.
            IntentStatus::FreeWhenAppears => self.write_event(intent, IntentEvent::WantedAgain, what).await?,
            // It was left to an operator before. The others have ended, and no license is looked for.
            IntentStatus::HandedOver
            | IntentStatus::Done
            | IntentStatus::Refused
            | IntentStatus::NotSent
            | IntentStatus::NotHappened => return Ok(error),
        }
        self.write_event(intent, IntentEvent::Answered { license }, what).await?;
        let reason = format!("license {license} differs in {field} from what was ordered");
        self.write_event(intent, IntentEvent::HandedOver { reason }, what).await?;
        Ok(error)
    }

    /// The order with the product and the nodes of the license. They may have been changed since, or an operator
    /// accepted a license of another product for the order.
    pub(in crate::engine) fn as_found(&self, order: &OrderRequest, seen: &License) -> OrderRequest {
        let pricelist = seen.tariff.id().unwrap_or(order.pricelist);
        let addon = self.rules.catalogue.by_pricelist(pricelist).and_then(|product| product.nodes_addon);
        let shown = addon.and_then(|addon| seen.addons.get(&addon).map(|nodes| (addon, *nodes)));
        let ordered = order.nodes.filter(|_| pricelist == order.pricelist);
        OrderRequest { pricelist, nodes: shown.or(ordered), ..order.clone() }
    }
}

/// Only an operator may bind the license as it is.
fn different(intent: &Intent, license: LicenseId, field: &str, what: &Text) -> ModuleError {
    let (id, item) = (intent.id, intent.item.map_or_else(|| "ITEM".to_owned(), |item| item.to_string()));
    let consent = if field == "pricelist" { " --other-product" } else { "" };
    let message = text!(
        [
            "{}: the order bought license {license}, but its {field} differs both from the order and from what the service asks for now",
            what.en
        ],
        [
            "{}: заказ купил лицензию {license}, но {field} у неё не тот, что заказан, и не тот, что нужен услуге сейчас",
            what.ru
        ]
    );
    ModuleError::new(ErrorKind::OrderUnknown, "wish", id, message)
        .halted(Halt::HandedOver)
        .changed(text!("Nothing more is sent", "Больше ничего не отправляется"))
        .next(text!(
            "look at the license: pmisplicense show license:{license}. To give it to the service as it is: pmisplicense resolve {item} --intent {id} --bought {license}{consent}",
            "посмотрите лицензию: pmisplicense show license:{license}. Отдать её услуге такой, какая она есть: pmisplicense resolve {item} --intent {id} --bought {license}{consent}"
        ))
}
