//! resolve: a person ends a doubt that the program must not end by itself (MONEY.md 3).

use crate::error::{ErrorKind, ModuleError, Text};
use crate::model::ids::{ItemId, LicenseId, WishId};
use crate::model::journal::{ItemLife, Wish, WishEvent, WishStatus};
use crate::model::license::LicenseStatus;
use crate::ports::LockName;
use crate::text;

use super::doubt::order_of;
use super::once::describe;
use super::{Engine, errors};

/// What a person found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It happened: this license was bought or changed.
    Bought(LicenseId),
    /// It did not.
    NotBought,
}

impl Engine<'_> {
    /// Ends a doubt of an item. Returns what was done, in words.
    ///
    /// # Errors
    /// `missed`: nothing is in doubt, or several things are and none was named; `bad_value`: the license is another
    /// item's, or not there; `client`: upstream may still carry the request out.
    pub async fn resolve(&mut self, item: ItemId, wish: Option<WishId>, verdict: Verdict) -> Result<Text, ModuleError> {
        self.lock(LockName::Item(item)).await?;
        let result = self.resolve_locked(item, wish, verdict).await;
        self.held.clear();
        result
    }

    async fn resolve_locked(
        &mut self,
        item: ItemId,
        wish: Option<WishId>,
        verdict: Verdict,
    ) -> Result<Text, ModuleError> {
        let open = self.store.open_wishes_of_item(item).map_err(errors::state)?;
        let wish = choose(item, &open, wish)?;
        match verdict {
            Verdict::NotBought => self.resolve_not_bought(wish).await,
            Verdict::Bought(license) if order_of(wish).is_some() => self.resolve_order(item, wish, license).await,
            Verdict::Bought(license) => self.resolve_change(wish, license).await,
        }
    }

    async fn resolve_not_bought(&mut self, wish: &Wish) -> Result<Text, ModuleError> {
        let until = wish.recorded_at + chrono::Duration::seconds(i64::from(self.rules.upstream.settle_s));
        let what = describe(wish);
        if self.now() < until {
            return Err(errors::in_doubt(&what, until, "wish", wish.id));
        }
        let done = text!(
            ["{}: ended as not bought; the next run may send it again", what.en],
            ["{}: завершено как не купленное; следующий запуск может отправить снова", what.ru]
        );
        let event = WishEvent::NotHappened { reason: "a person said so (resolve --not-bought)".to_owned() };
        self.write_event(wish, event, &done).await?;
        Ok(done)
    }

    async fn resolve_order(&mut self, item: ItemId, wish: &Wish, license: LicenseId) -> Result<Text, ModuleError> {
        let Some(order) = order_of(wish).cloned() else { return Err(nothing_in_doubt(item)) };
        self.lock_license(license).await?;
        let held = self.store.license(self.account, license).map_err(errors::state)?;
        if let Some(other) = held.filter(|row| row.life.is_some() && row.item != Some(item)) {
            return Err(taken(license, other.item));
        }
        let seen = self.read(order.family, license).await?;
        let Some(seen) = seen.filter(|seen| seen.status != LicenseStatus::Deleted) else {
            return Err(errors::license_gone(Some(item), license));
        };
        let life = match wish.status {
            WishStatus::FreeWhenAppears => None,
            WishStatus::InDoubt
            | WishStatus::HandedOver
            | WishStatus::Done
            | WishStatus::Refused
            | WishStatus::NotSent
            | WishStatus::NotHappened => self.present_life(item).await?,
        };
        let what = describe(wish);
        self.bind_order(wish, &order, &seen, life.as_ref(), WishEvent::Adopted { license }, &what).await?;
        Ok(text!(
            ["{}: license {license} is bound; run the command of the service again", what.en],
            ["{}: лицензия {license} привязана; повторите команду услуги", what.ru]
        ))
    }

    async fn present_life(&mut self, item: ItemId) -> Result<Option<ItemLife>, ModuleError> {
        let item = self.item(item).await?;
        self.store.life(&item).map(Some).map_err(errors::state)
    }

    async fn resolve_change(&mut self, wish: &Wish, license: LicenseId) -> Result<Text, ModuleError> {
        let what = describe(wish);
        if wish.request.license() != Some(license) {
            let about = wish.request.license().unwrap_or(LicenseId(0));
            return Err(ModuleError::new(
                ErrorKind::BadValue,
                "bought",
                license,
                text!(
                    ["{}: it is about license {about}, not {license}; nothing was changed; name {about}", what.en],
                    ["{}: это о лицензии {about}, а не {license}; ничего не изменено; укажите {about}", what.ru]
                ),
            ));
        }
        let done = text!(["{}: ended as carried out", what.en], ["{}: завершено как выполненное", what.ru]);
        self.write_event(wish, WishEvent::Adopted { license }, &done).await?;
        Ok(done)
    }
}

fn choose(item: ItemId, open: &[Wish], wish: Option<WishId>) -> Result<&Wish, ModuleError> {
    match (open, wish) {
        ([], _) => Err(nothing_in_doubt(item)),
        ([one], None) => Ok(one),
        (several, None) => {
            let lines = |text: fn(&Text) -> &str| {
                several
                    .iter()
                    .map(|wish| format!("--wish {}: {}", wish.id, text(&describe(wish)).to_owned()))
                    .collect::<Vec<_>>()
                    .join("; ")
            };
            Err(ModuleError::new(
                ErrorKind::Missed,
                "wish",
                item,
                text!(
                    ["service {item} has several doubts, name one: {}", lines(|text| &text.en)],
                    ["у услуги {item} несколько вопросов, укажите один: {}", lines(|text| &text.ru)]
                ),
            ))
        }
        (several, Some(id)) => several.iter().find(|wish| wish.id == id).ok_or_else(|| {
            ModuleError::new(
                ErrorKind::Missed,
                "wish",
                id,
                text!("service {item} has no open wish {id}", "у услуги {item} нет открытого вопроса {id}"),
            )
        }),
    }
}

fn nothing_in_doubt(item: ItemId) -> ModuleError {
    ModuleError::new(
        ErrorKind::Missed,
        "item",
        item,
        text!(
            "nothing of service {item} is in doubt; nothing was changed",
            "у услуги {item} нет ничего под вопросом; ничего не изменено"
        ),
    )
}

fn taken(license: LicenseId, item: Option<ItemId>) -> ModuleError {
    let item = item.map_or_else(|| "-".to_owned(), |item| item.to_string());
    ModuleError::new(
        ErrorKind::BadValue,
        "bought",
        license,
        text!(
            "license {license} serves service {item}; nothing was changed; name the license that was bought for this one",
            "лицензия {license} обслуживает услугу {item}; ничего не изменено; укажите лицензию, купленную для этой"
        ),
    )
}
