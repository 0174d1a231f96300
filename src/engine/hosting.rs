//! Licenses that are addons of hosting orders, as OrderBox sells them (docs/licensing-rules.md 11). They share journal,
//! locks, guards and the calls to the panel with all other licenses. This module has the differences. The license has
//! the order's number. It cannot be stopped, renewed or given to another service. It can only be added to the order and
//! removed from it.

pub(super) mod by_hand;
pub(super) mod in_doubt;
pub(super) mod listing;
mod look;
mod obtain;
pub(super) mod removal;
mod survey;
mod sync;
mod unproven;
mod wording;

use crate::error::ModuleError;
use crate::model::catalogue::NOPANEL;
use crate::model::item::{Item, ItemStatus};
use crate::model::journal::Incarnation;
use crate::plan::choice::{Choice, choice_of};
use crate::text;

use super::{Engine, ItemCommand, errors};

impl Engine<'_> {
    /// True when the seller sells licenses as an addon of hosting orders.
    pub(super) fn sells_addons(&mut self) -> bool {
        use crate::ports::Upstream as _;
        self.ports.upstream.hosting().is_some()
    }

    /// Carries out a command about a service whose license is such an addon.
    pub(super) async fn addon_command(&mut self, command: ItemCommand, item: &Item) -> Result<(), ModuleError> {
        match command {
            ItemCommand::Open => {
                let given_up = self.open_addon(item).await?;
                self.post_open(item).await?;
                self.drop_addon(item, given_up.as_ref()).await
            }
            ItemCommand::Reopen => {
                let given_up = self.open_addon(item).await?;
                self.post(item, "service.postreopen").await?;
                self.drop_addon(item, given_up.as_ref()).await
            }
            ItemCommand::Suspend => self.leave_running(item, "service.postsuspend").await,
            ItemCommand::Resume => self.leave_running(item, "service.postresume").await,
            ItemCommand::Close => self.close_addon(item).await,
            ItemCommand::Prolong => self.prolong_addon(item).await,
            ItemCommand::CancelProlong => self.incarnation_of(item).await.map(drop),
            ItemCommand::Setparam => self.setparam_addon(item).await,
            ItemCommand::SyncItem => self.sync_addon(item).await,
            ItemCommand::GenKey => Err(wording::no_new_key(item.id)),
        }
    }

    /// open and reopen up to the post-call: a license for the order that the service names, or none for `nopanel`.
    /// Returns the incarnation that gives its license up after the post-call.
    async fn open_addon(&mut self, item: &Item) -> Result<Option<Incarnation>, ModuleError> {
        let incarnation = self.incarnation_of(item).await?;
        match choice_of(item, &self.rules.panel_addons, &self.rules.catalogue)? {
            Choice::Nopanel => {
                self.choose_no_addon(item, &incarnation).await?;
                Ok(Some(incarnation))
            }
            Choice::Product(product) => {
                let name = product.internal_name.clone();
                self.ensure_addon(item, &incarnation, &name).await?;
                // An earlier run of this command may have chosen none.
                self.remember_choice(item, &name).await?;
                Ok(None)
            }
        }
    }

    /// suspend and resume: the seller cannot stop the license alone, and we must not stop the hosting.
    async fn leave_running(&mut self, item: &Item, post: &str) -> Result<(), ModuleError> {
        let incarnation = self.incarnation_of(item).await?;
        self.check_shown(item, &incarnation).await?;
        if let Some(row) = self.bound_license(&incarnation)? {
            let order = row.id;
            self.try_look(&row).await?;
            self.note(&text!(
                "the license of hosting order {order} goes on working and is still paid for: only the whole hosting could be stopped, and that is not done",
                "лицензия заказа хостинга {order} продолжает работать и оплачиваться: остановить можно только весь хостинг, а это не делается"
            ));
        }
        self.post(item, post).await
    }

    /// prolong: the license lives as long as the hosting order, which this program never renews.
    async fn prolong_addon(&mut self, item: &Item) -> Result<(), ModuleError> {
        let incarnation = self.incarnation_of(item).await?;
        self.check_shown(item, &incarnation).await?;
        let payment = self.payment(item, &incarnation, None).await?;
        if let Some(row) = self.bound_license(&incarnation)?
            && let Some(seen) = self.try_look(&row).await?
            && let (Some(paid), Some(ends)) = (payment.as_ref().map(|payment| payment.paid_end), seen.ends)
            && ends.date_naive() < paid
        {
            self.tell_problem(item.id, (row.account, row.id), &wording::hosting_ends(item.id, &seen, paid)).await?;
        }
        self.finish_prolong(item, &incarnation, payment).await
    }

    /// setparam: a change from or to `nopanel`. The seller knows nothing else about the service. Another order would be
    /// another license, so it is refused.
    async fn setparam_addon(&mut self, item: &Item) -> Result<(), ModuleError> {
        let incarnation = self.incarnation_of(item).await?;
        if item.status == ItemStatus::Deleted {
            self.settle_closed_addon(item).await?;
            return self.post(item, "service.postsetparam").await;
        }
        let given_up = match choice_of(item, &self.rules.panel_addons, &self.rules.catalogue)? {
            Choice::Nopanel => {
                self.choose_no_addon(item, &incarnation).await?;
                Some(&incarnation)
            }
            Choice::Product(product) => {
                let name = product.internal_name.clone();
                let known = self.store.item(item.id, &item.created).map_err(errors::state)?;
                let had_nothing = known.and_then(|row| row.choice).as_deref() == Some(NOPANEL);
                let holds = self.bound_license(&incarnation)?.is_some();
                // The choice is written down with the purchase. If the purchase brought nothing, the license is still
                // wanted.
                let is_owed = self.is_addition_owed(item, &incarnation)?;
                // An operation that is older than the close of its service buys nothing.
                let may_buy = holds || had_nothing || is_owed || item.status == ItemStatus::Active;
                if may_buy {
                    self.ensure_addon(item, &incarnation, &name).await?;
                    self.remember_choice(item, &name).await?;
                    self.settle_end(item).await?;
                }
                None
            }
        };
        self.post(item, "service.postsetparam").await?;
        self.drop_addon(item, given_up).await
    }
}
