//! The way to the seller, with everything that can go wrong on it, and the checks that hold at the moment of a sending:
//! who buys, and what is removed.

use pmisplicense::error::Text;
use pmisplicense::model::command::ItemCommand;
use pmisplicense::model::ids::{ItemId, LicenseId};
use pmisplicense::model::item::{Item, ItemStatus};
use pmisplicense::model::journal::{OnceAnswer, OnceRequest};
use pmisplicense::ports::{CallError, Outcome, RefusalKind};

use super::shop::{No, Tag};
use super::stage::{Op, Pending, World};
use crate::faults::{Class, Fault};
use crate::seller::refusal;
use crate::world::SETTLE_S;

pub fn unreachable() -> CallError {
    CallError::Unreachable("sim: no answer".to_owned())
}

impl World {
    pub fn call_begins(&mut self, run: usize) {
        if self.store.is_writing() {
            self.violation("S6", "a transaction is open during a call", format!("run {run}"));
        }
        let ms = 20 + i64::from(self.noise.below(400));
        self.advance(ms);
    }

    /// A question to the seller; what it answers, unless something goes wrong.
    pub fn asked<T>(
        &mut self,
        run: usize,
        step: &'static str,
        answer: impl FnOnce(&Self) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        self.call_begins(run);
        match self.ask(run, Class::Probe, step) {
            Some(Fault::NotSent) => Err(unreachable()),
            Some(Fault::Garbled) => Err(CallError::BadAnswer(Text::same("sim: cut off"))),
            Some(_) => Err(CallError::Refused(refusal(RefusalKind::Other, "sim: not now"))),
            None => answer(self),
        }
    }

    /// A question about one order, whose answer may show the past. `answer` is told whether it does.
    pub fn asked_of_order<T>(
        &mut self,
        run: usize,
        step: &'static str,
        answer: impl FnOnce(&Self, bool) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        self.call_begins(run);
        match self.ask(run, Class::Read, step) {
            Some(Fault::NotSent) => Err(unreachable()),
            Some(Fault::Garbled | Fault::Another) => Err(CallError::BadAnswer(Text::same("sim: another order"))),
            Some(Fault::NotFound) => Err(CallError::Refused(refusal(RefusalKind::NotFound, "Website doesn't exist"))),
            Some(Fault::Stale) if !self.runs[run].refused_but_done => {
                self.runs[run].misled = true;
                answer(self, true)
            }
            Some(Fault::Stale) | None => answer(self, false),
            Some(_) => Err(CallError::Refused(refusal(RefusalKind::Other, "sim: not now"))),
        }
    }

    pub fn send(&mut self, run: usize, request: &OnceRequest) -> Outcome {
        self.call_begins(run);
        let (order, is_purchase) = match request {
            OnceRequest::AddLicense(add) => (add.order.0, true),
            OnceRequest::RemoveLicense(remove) => (remove.order.0, false),
            other => return Outcome::NotSent(format!("sim: {} at OrderBox", other.kind())),
        };
        self.sends += 1;
        self.check_sending(run, order, is_purchase);
        let step = if is_purchase { "send addition" } else { "send removal" };
        let fault = self.ask(run, Class::Once(is_purchase), step);
        self.say(|_| format!("run {run} sends {request:?}"));
        let tag = Tag { run, item: self.runs[run].item.unwrap_or(0) };
        let outcome = self.deliver(order, tag, is_purchase, fault);
        self.runs[run].refused_but_done |= fault == Some(Fault::RefusedButDone);
        self.say(|_| format!("run {run} gets {outcome:?}"));
        outcome
    }

    fn deliver(&mut self, order: u32, tag: Tag, is_purchase: bool, fault: Option<Fault>) -> Outcome {
        use Fault as F;
        let lost = || Outcome::Unknown("sim: no answer".to_owned());
        let done = || Outcome::Done(OnceAnswer::Changed);
        match fault {
            Some(F::NotSent) => return Outcome::NotSent("sim: no connection".to_owned()),
            Some(F::LostBefore) => return lost(),
            Some(F::SaidDone) => return done(),
            Some(F::Refused) => return Outcome::Refused(refusal(RefusalKind::Other, "sim: not now")),
            Some(F::Late(delay)) => {
                self.pending.push(Pending { due_ms: self.now_ms + delay * 1000, order, tag, is_purchase });
                self.is_beyond |= delay * 1000 > SETTLE_S * 1000 - 30_000;
                return lost();
            }
            Some(F::NoMoney) => self.shop.is_poor = true,
            _ => {}
        }
        let before = self.shop.order(order).and_then(|order| order.license.clone());
        let result = self.arrive(order, tag, is_purchase, false);
        match fault {
            Some(F::Doubled) => drop(self.arrive(order, tag, is_purchase, true)),
            Some(F::NotReadable(delay)) if result.is_ok() => {
                self.shop.hide(order, before, self.now_ms + delay * 1000);
            }
            _ => {}
        }
        match (fault, result) {
            // What a proxy repeats later, and answers that name another order or none, or are cut off.
            (Some(F::LostAfter | F::UnpaidLost | F::Unpaid | F::DoubledLate(_)), _)
            | (Some(F::Garbled | F::EmptyAnswer | F::WrongAnswer), _)
            | (_, Err(No::Busy)) => lost(),
            (Some(F::RefusedButDone), _) => {
                self.shop.show(order);
                Outcome::Refused(refusal(RefusalKind::Other, "sim: a refusal that was none"))
            }
            (_, Err(No::Money)) => Outcome::Refused(refusal(RefusalKind::NoMoney, "sim: no money")),
            (_, Err(No::Not(words))) => Outcome::Refused(refusal(RefusalKind::Other, words)),
            (_, Ok(())) => done(),
        }
    }

    /// Whether a service was closed, and an operation that opens it has not ended.
    fn is_opened_again(&self, item: u32) -> bool {
        let mut ops = self.ops.iter().filter(|op| op.item == item);
        ops.clone().any(|op| op.command == ItemCommand::Close && op.done)
            && ops.any(|op| matches!(op.command, ItemCommand::Open | ItemCommand::Reopen) && !op.done)
    }

    /// Whether the program's state has the license of an order for a service.
    fn is_license_of(&self, order: u32, item: ItemId) -> bool {
        let row = self.store.license(self.numbers.account, LicenseId(order)).ok().flatten();
        row.is_some_and(|row| row.item == Some(item))
    }

    /// Who buys, and what is removed, at the moment of sending.
    fn check_sending(&mut self, run: usize, order: u32, is_purchase: bool) {
        if is_purchase {
            if !self.runs[run].may_buy {
                self.violation("S4", "bought by a run that must not", format!("run {run}: order {order}"));
            }
            return;
        }
        let Some(license) = self.shop.order(order).and_then(|order| order.license.clone()) else { return };
        if self.runs[run].misled {
            return;
        }
        if license.charge.is_none() && !self.shop.looks_like_ours(order) {
            let what = format!("run {run}: {} of order {order}", license.key);
            self.violation("S8", "a license of somebody else is removed", what);
        }
        let shows = |item: &Item| {
            let is_shown = item.params.lickey.as_ref().is_some_and(|key| key.reveal() == license.key);
            // What the panel left in the middle of a close was given back all the same.
            let gave_back = |op: &Op| op.item == item.id.0 && op.command == ItemCommand::Close && !op.done;
            // A service that was closed and is opened again shows what it gave back, until it is given a license.
            let is_over = self.is_opened_again(item.id.0) && !self.is_license_of(order, item.id);
            let is_wanted = item.status != ItemStatus::Deleted && item.tariff_intname != "nopanel";
            is_shown && is_wanted && !is_over && !self.ops.iter().any(|op| gave_back(op) && op.tries > 0)
        };
        let Some(used) = self.services.iter().map(|service| &service.item).find(|item| shows(item)) else { return };
        // What became of the service since this run looked at it is told to the next one.
        let last = self.runs[run].last_item.as_ref().filter(|last| last.id == used.id);
        let is_news =
            last.is_some_and(|last| (last.status, &last.tariff_intname) != (used.status, &used.tariff_intname));
        if !is_news && !self.is_closing(run, used.id.0) {
            let what = format!("run {run}: {} of item {}", license.key, used.id);
            self.violation("S4", "a license that serves is removed", what);
        }
    }

    fn is_closing(&self, run: usize, item: u32) -> bool {
        let is_close = self.runs[run].command == Some(ItemCommand::Close);
        is_close && self.runs[run].item == Some(item)
    }
}
