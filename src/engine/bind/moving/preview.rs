//! The preview of a move: its changes and its costs. An operator sees it before the question. Everything that may
//! forbid the move is checked first. Nothing is claimed or bought, and nothing changes at the seller. Pooled licenses
//! may be read, and the state keeps what was read.

use crate::error::{ModuleError, Text};
use crate::model::catalogue::Product;
use crate::model::ids::ItemId;
use crate::model::item::Item;
use crate::model::journal::Incarnation;
use crate::model::license::Money;
use crate::model::license_row::LicenseRow;
use crate::plan::cost::{Change, list_price};
use crate::plan::order::{check_nodes, order_terms};
use crate::ports::LockName;
use crate::text;

use crate::engine::Engine;
use crate::engine::bind::preview::{Face, Preview, ShownKey};
use crate::engine::order::{OrderFields, order_in_words};

/// The license that would take the place of the present one, and how it is obtained.
struct Obtained {
    then: Face,
    changes: Vec<Change>,
}

impl<'p> Engine<'p> {
    /// What [`Engine::move_here`] would do.
    ///
    /// # Errors
    /// As [`Engine::move_here`]: every obstacle that can be seen before is reported before the operator is asked.
    pub async fn move_preview(&mut self, item: ItemId) -> Result<Preview, ModuleError> {
        let preview = self.changing(async |engine: &mut Self| {
            engine.check_movable(item)?;
            engine.move_preview_locked(item).await
        });
        let preview = preview.await?;
        self.with_balance(preview).await
    }

    async fn move_preview_locked(&mut self, id: ItemId) -> Result<Preview, ModuleError> {
        self.lock(LockName::Item(id)).await?;
        let item = self.item(id).await?;
        let incarnation = self.known_incarnation(&item)?;
        let (product, holds) = self.to_move(&item, &incarnation)?;
        if holds.account == self.account {
            return self.end_preview(&item, &holds);
        }
        self.check_shown_before_move(&item, &incarnation, &holds).await?;
        let obtained = match self.would_obtain(&item, &incarnation, product).await {
            Ok(obtained) => obtained,
            Err(error) => return Err(self.keeps(error, id, &holds)?),
        };
        let mut changes = obtained.changes;
        changes.push(Change::free(self.freed_later(&holds)?));
        Ok(self.preview_of(&item, [self.face_of_row(&holds), obtained.then], changes))
    }

    /// An earlier run bound the license: the service only has to show it.
    fn end_preview(&mut self, item: &Item, holds: &LicenseRow) -> Result<Preview, ModuleError> {
        let old = self.moved_from(item)?;
        let shows = text!(
            "license {} was obtained before; the service shows it now, and nothing is bought",
            "лицензия {} уже получена; теперь услуга её покажет, ничего не покупается",
            holds.id
        );
        let changes = vec![Change::free(shows), Change::free(self.freed_later(&old)?)];
        let now = Face { item: Some(item.id), ..self.face_of_row(&old) };
        Ok(self.preview_of(item, [now, self.face_of_row(holds)], changes))
    }

    /// What happens to the license that the service has now.
    fn freed_later(&mut self, old: &LicenseRow) -> Result<Text, ModuleError> {
        if self.is_bought_from(old.account)? { Ok(freed_later(old)) } else { self.freed_elsewhere(old) }
    }

    fn preview_of(&self, item: &Item, faces: [Face; 2], changes: Vec<Change>) -> Preview {
        let (id, name, client, module) = (item.id, &item.name, item.client, self.module);
        let title = text!(
            "Service {id} ({name}, client {client}) gets a license of module {module}:",
            "Услуга {id} ({name}, клиент {client}) получает лицензию модуля {module}:"
        );
        Preview { title, faces: Some(Box::new(faces)), outward: [None, None], changes, balance: None }
    }

    /// The license that the move would take: one that an earlier run claimed, one of the pool, or a new one.
    async fn would_obtain(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        product: &'p Product,
    ) -> Result<Obtained, ModuleError> {
        let rules = self.alignment().await?;
        let terms = order_terms(product, item, &rules, &self.rules.catalogue, self.today())?;
        check_nodes(item, product, &self.rules.nodes_addons, text!("Nothing was ordered", "Ничего не заказано"))?;
        let fields = OrderFields {
            parent: self.parent_license(item, terms.product).await?,
            ..self.order_fields(item, terms.product)?
        };
        let then = Face {
            license: None,
            key: ShownKey::New,
            product: terms.product.internal_name.clone(),
            ip: fields.ip,
            name: fields.licname.clone(),
            mark: Some(self.mark_then(item.id, None)),
            renews_itself: Some(false),
            item: Some(item.id),
        };
        let price = list_price(&terms, item.additional_nodes(&self.rules.nodes_addons));
        let free = match self.claimed_beside(incarnation)? {
            Some(claimed) => Some(claimed),
            None => {
                self.look_before(terms.product.family).await?;
                let pooled =
                    terms.product.is_pooled().then(|| self.candidates_now(&self.pool_request(item, &terms, &fields)));
                pooled.transpose()?.unwrap_or_default().into_iter().next()
            }
        };
        if let Some(free) = free {
            let change = Change::free(from_pool(&free, price.as_ref()));
            return Ok(Obtained { then: Face { license: Some(free.id), ..then }, changes: vec![change] });
        }
        let what = order_in_words(item, &terms);
        if let Some((_, error)) = self.kept_back(&what, None).await? {
            return Err(error);
        }
        self.check_address(&terms, &fields, &what).await?;
        let buys = text!(["a license is bought: {}", what.en], ["покупается лицензия: {}", what.ru]);
        Ok(Obtained { then, changes: vec![Change::at_list_price(buys, price)] })
    }
}

/// A free license takes the place. It may be refused, and a purchase is what follows at worst.
fn from_pool(free: &LicenseRow, price: Option<&Money>) -> Text {
    let (id, expires) = (free.id, free.expires);
    let price = price.map_or_else(
        || text!("price not known", "цена неизвестна"),
        |price| text!("list price {price}", "по прайсу {price}"),
    );
    text!(
        [
            "license {id} comes from the pool, paid until {expires}, and costs nothing. If it cannot be had, another one is taken or bought ({})",
            price.en
        ],
        [
            "лицензия {id} берётся из пула, оплачена до {expires}, бесплатно. Если взять её не удастся, будет взята другая или куплена новая ({})",
            price.ru
        ]
    )
}

/// The license that the service has now is freed by the module that bought it.
fn freed_later(old: &LicenseRow) -> Text {
    text!(
        "license {} is freed by the next sync of module {}; until the service shows the new key, the old one works",
        "лицензию {} освободит следующий sync модуля {}; пока услуга не покажет новый ключ, действует старый",
        old.id,
        old.module
    )
}
