//! Checks of money before a purchase: what holds it back before anything is sent, and which services wait because of
//! that.

use crate::error::{ErrorKind, ModuleError, Text};
use crate::model::ids::ItemId;
use crate::model::license::Money;
use crate::ports::{CallError, Refusal, RefusalKind, Upstream as _};
use crate::store::{PurchaseRefused, WaitsFor};
use crate::text;

use crate::engine::{Engine, errors};

/// The time for which a remembered refusal for lack of money keeps runs from ordering (docs/licensing-rules.md 10).
const BACK_OFF_MINUTES: i64 = 15;

/// Whether the seller answered without a usable balance: rights are missing, or the amount can be read in two ways.
fn is_balance_unknown(error: &CallError) -> bool {
    match error {
        CallError::Refused(refusal) => refusal.kind != RefusalKind::Auth,
        CallError::BadAnswer(_) | CallError::Form(_) => true,
        CallError::Unreachable(_) => false,
    }
}

impl Engine<'_> {
    /// Checks the money before a purchase: the minimum balance of the settings, and the back-off after a refusal, which
    /// ends as soon as the balance has grown. When the balance could not be read after the refusal, or cannot be read
    /// now, there is nothing to compare. It may have grown, and one more refusal is cheaper than a client who waits. A
    /// balance that cannot be read stops a purchase only when the settings ask for a minimum.
    ///
    /// A purchase that is held back waits: the service is remembered once, for `retry --all`.
    pub(in crate::engine) async fn check_money(
        &mut self,
        item: Option<ItemId>,
        what: &Text,
    ) -> Result<(), ModuleError> {
        self.check_money_for(item, what, None).await
    }

    /// Checks the money like [`Engine::check_money`]. If the price is known, the balance that the purchase leaves must
    /// not be below the minimum either.
    pub(in crate::engine) async fn check_money_for(
        &mut self,
        item: Option<ItemId>,
        what: &Text,
        cost: Option<&Money>,
    ) -> Result<(), ModuleError> {
        let Some((waits_for, error)) = self.kept_back(what, cost).await? else { return Ok(()) };
        if let Some(item) = item
            && self.store.waits_for(item).map_err(errors::state)? != Some(waits_for)
        {
            let what = what.clone();
            self.commit("waits for money", move |tx| tx.set_waits_for(item, waits_for, &what)).await?;
        }
        Err(error)
    }

    /// The error that would hold a purchase back now, and what its service would wait for. Nothing is written down.
    pub(in crate::engine) async fn kept_back(
        &mut self,
        what: &Text,
        cost: Option<&Money>,
    ) -> Result<Option<(WaitsFor, ModuleError)>, ModuleError> {
        let account = self.store.account(self.account).map_err(errors::state)?;
        let backing_off = account
            .and_then(|account| account.refused)
            // A clock that was set back must not prolong the back-off.
            .filter(|refused| (self.now() - refused.since).abs() < chrono::Duration::minutes(BACK_OFF_MINUTES));
        if backing_off.is_none() && self.rules.minimum_balance.is_none() {
            return Ok(None);
        }
        self.step("ask balance").await?;
        let balance = match self.ports.upstream.balance() {
            Ok(balance) => balance,
            Err(error) if !is_balance_unknown(&error) => return Err(errors::call(&error, what, "balance")),
            Err(_) if self.rules.minimum_balance.is_none() => return Ok(None),
            Err(error) => return Err(errors::no_balance(what, &error.words())),
        };
        if let Some(refused) = backing_off
            && refused.balance.is_some_and(|before| balance.minor <= before)
        {
            return Ok(Some((refused.waits_for, still_refused(what, &balance, &refused))));
        }
        if self.rules.is_below_minimum(&balance) {
            let message = text!(
                ["{}: the balance {balance} is below the setting minimum_balance", what.en],
                ["{}: баланс {balance} ниже настройки minimum_balance", what.ru]
            );
            let error = ModuleError::new(ErrorKind::Nomoney, "minimum_balance", &balance, message)
                .changed(text!("Nothing was bought", "Ничего не куплено"))
                .next(text!("top up the account", "пополните счёт"));
            return Ok(Some((WaitsFor::Money, error)));
        }
        let left = |cost: &Money| Money { minor: balance.minor.saturating_sub(cost.minor), ..balance.clone() };
        match cost.filter(|cost| cost.currency == balance.currency && self.rules.is_below_minimum(&left(cost))) {
            Some(cost) => Ok(Some((WaitsFor::Money, too_little(what, &balance, cost)))),
            None => Ok(None),
        }
    }

    /// Remembers a refusal for lack of money, so that the next runs only ask the balance (docs/licensing-rules.md
    /// 10), and the service that waits because of it.
    pub(in crate::engine) async fn remember_refusal(
        &mut self,
        item: Option<ItemId>,
        refusal: &Refusal,
        what: &Text,
    ) -> Result<(), ModuleError> {
        let waits_for = match refusal.kind {
            RefusalKind::NoMoney => WaitsFor::Money,
            RefusalKind::Blocked => WaitsFor::Unblocking,
            RefusalKind::Auth
            | RefusalKind::IpTooYoung
            | RefusalKind::KeyTooYoung
            | RefusalKind::IpBusy
            | RefusalKind::SaleClosed
            | RefusalKind::PeriodNotSold
            | RefusalKind::NotFound
            | RefusalKind::NoFunction
            | RefusalKind::Other => return Ok(()),
        };
        self.step("ask balance").await?;
        let balance = self.ports.upstream.balance().ok().map(|money| money.minor);
        let (account, what) = (self.account, what.clone());
        self.commit("remember refusal", move |tx| {
            tx.set_refused(account, waits_for, balance)?;
            item.map_or(Ok(()), |item| tx.set_waits_for(item, waits_for, &what))
        })
        .await
    }
}

/// The error of a purchase that is not sent because the seller refused the last one, and the balance has not grown.
fn still_refused(what: &Text, balance: &Money, refused: &PurchaseRefused) -> ModuleError {
    let until = (refused.since + chrono::Duration::minutes(BACK_OFF_MINUTES)).format("%H:%M UTC");
    let (kind, message, next) = match refused.waits_for {
        WaitsFor::Money => (
            ErrorKind::Nomoney,
            text!(
                [
                    "{}: the seller refused the last purchase for lack of money, and the balance has not grown since: {balance}",
                    what.en
                ],
                [
                    "{}: прошлую покупку продавец отклонил из-за нехватки денег, и с тех пор баланс не вырос: {balance}",
                    what.ru
                ]
            ),
            text!(
                "top up the account. The purchase is tried again after {until}, or as soon as the balance grows",
                "пополните счёт. Покупка повторится после {until} или как только баланс вырастет"
            ),
        ),
        WaitsFor::Unblocking => (
            ErrorKind::Blocked,
            text!(
                ["{}: the seller refused the last purchase because it has blocked the account", what.en],
                ["{}: прошлую покупку продавец отклонил, потому что заблокировал учётную запись", what.ru]
            ),
            text!(
                "ask the seller to unblock the account. The purchase is tried again after {until}, or as soon as the balance ({balance} now) grows",
                "попросите продавца разблокировать учётную запись. Покупка повторится после {until} или как только вырастет баланс (сейчас {balance})"
            ),
        ),
    };
    ModuleError::new(kind, "balance", balance, message)
        .changed(text!("Nothing was sent", "Ничего не отправлено"))
        .next(next)
}

fn too_little(what: &Text, balance: &Money, cost: &Money) -> ModuleError {
    ModuleError::new(
        ErrorKind::Nomoney,
        "minimum_balance",
        balance,
        text!(
            [
                "{}: the balance is {balance}, and after {cost} less than the setting minimum_balance would be left",
                what.en
            ],
            ["{}: на счёте {balance}, после списания {cost} останется меньше настройки minimum_balance", what.ru]
        ),
    )
    .changed(text!("Nothing was bought", "Ничего не куплено"))
    .next(text!("top up the account", "пополните счёт"))
}
