//! How a history ends: a drain, in which everything on its way arrives; a quiet, in which each unfinished run is
//! repeated and sync follows; the checks; and everything finished once more (S7).

use pmisplicense::error::ErrorKind;
use pmisplicense::model::command::ItemCommand;
use pmisplicense::model::license::LicenseStatus;
use pmisplicense::model::reason::Reason;
use pmisplicense::plan::finding::Finding;

use crate::checks::ACCOUNT;
use crate::faults::Mode;
use crate::panel::Op;
use crate::play::{QUIET, Stage};
use crate::world::{End, Job, SETTLE_S};

impl Stage<'_> {
    /// Whether the state says itself that it is old for this account.
    fn is_known_for_old(&self) -> bool {
        self.world.borrow().store.old_since(ACCOUNT).is_ok_and(|when| when.is_some())
    }

    /// Everything on its way arrives, causes go away, and each unfinished run is repeated.
    pub fn quiet(&mut self) {
        self.log_is_quiet();
        {
            let mut world = self.world.borrow_mut();
            world.say(|_| "--- drain".to_owned());
            world.faults.mode = Mode::Off;
            crate::trouble::over(&mut world);
            crate::outside::over(&mut world);
            world.skew_ms = 0;
            world.apart_ms = 0;
            world.set_clocks();
            world.seller.balance = 100_000_000;
            while let Some(due) = world.pending.iter().map(|pending| pending.due_ms).max() {
                let ms = (due - world.now_ms).max(0) + 1;
                world.advance(ms);
            }
            for lic in &mut world.seller.licenses {
                if lic.status == LicenseStatus::Ordered {
                    lic.status = LicenseStatus::Active;
                }
            }
            // What a machine recorded whose clock is ahead settles so much later.
            let shared_s = i64::from(crate::machines::SETTLE_S) + crate::play::MOST_APART_MS / 1000;
            let settle_s = if world.is_pair { shared_s } else { SETTLE_S };
            world.advance((settle_s + 60) * 1000);
        }
        let items: Vec<u32> = self.world.borrow().panel.services.iter().map(|service| service.item.id.0).collect();
        let mut tag = QUIET;
        for _ in 0..4 {
            // A state that was put back or lost acts only after an operator had it take in what it missed.
            if self.world.borrow().state_lost_ms.is_some() || self.is_known_for_old() {
                self.group(&[Job::Reconcile], tag);
                tag += 8;
            }
            if self.waits_for_an_operator() {
                self.group(&[Job::Decide], tag);
                tag += 8;
                let asked = {
                    let mut world = self.world.borrow_mut();
                    let is_done = world.runs.last().is_some_and(|run| run.end == Some(End::Ok));
                    let asked = world.asks_an_operator;
                    world.asks_an_operator &= !is_done;
                    asked
                };
                if asked {
                    // What his decision leaves to be freed or obtained, the plan says.
                    self.group(&[Job::Reconcile], tag);
                    tag += 8;
                }
            }
            let open = self.unfinished();
            // What an operator was refused for now, he tries again later.
            if open.is_empty() && !self.world.borrow().asks_an_operator {
                break;
            }
            self.go_on_with(open, &mut tag);
            self.world.borrow_mut().advance(120_000);
        }
        if let Some(ms) = self.until_gone() {
            self.world.borrow_mut().advance(ms);
            self.group(&[Job::SyncAll], tag);
            tag += 8;
            let open = self.unfinished();
            self.go_on_with(open, &mut tag);
        }
        self.group(&[Job::SyncAll], tag);
        tag += 8;
        self.world.borrow_mut().advance(120_000);
        self.group(&[Job::SyncAll], tag);
        if self.has_servers() {
            tag += 8;
            self.group(&[Job::Sweep], tag);
        }
        for item in items {
            tag += 8;
            let closed = crate::history::is_closed(&self.world.borrow(), item);
            if !closed {
                self.group(&[Job::Item { item, command: ItemCommand::SyncItem, op: None }], tag);
            }
        }
        tag += 8;
        self.group(&[Job::Survey], tag);
        crate::checks::at_the_end(&mut self.world.borrow_mut());
        // Late keys are there by now; sync brings them, so that repeated runs have nothing to wait for.
        self.world.borrow_mut().advance(600_000);
        tag += 8;
        self.group(&[Job::SyncAll], tag);
        self.repeat_finished(tag + 8);
    }

    fn unfinished(&self) -> Vec<usize> {
        let world = self.world.borrow();
        let ops = world.panel.ops.iter().enumerate();
        ops.filter(|(_, op)| !op.done && !op.dropped).map(|(index, _)| index).collect()
    }

    /// Runs operations again, one after the other.
    fn go_on_with(&mut self, ops: Vec<usize>, tag: &mut usize) {
        for op in ops {
            let (item, command) = {
                let world = self.world.borrow();
                (world.panel.ops[op].item, world.panel.ops[op].command)
            };
            self.group(&[Job::Item { item, command, op: Some(op) }], *tag);
            *tag += 8;
        }
    }

    /// How long it takes until the program may say that a license is gone which the service of an unfinished operation
    /// shows, where the first look that missed it was in the quiet itself: it looks twice, a settling time apart.
    fn until_gone(&self) -> Option<i64> {
        let world = self.world.borrow();
        let certain_from = |op: usize| {
            let shown = world.panel.service(world.panel.ops[op].item)?.item.params.licid?;
            let row = world.store.license(ACCOUNT, shown).ok().flatten()?;
            row.not_before.filter(|_| row.reason.as_ref().is_some_and(Reason::is_missing))
        };
        let latest = self.unfinished().into_iter().filter_map(certain_from).max()?;
        Some((latest.timestamp_millis() - world.now_ms).max(0) + 1_000)
    }

    /// Whether an operation failed because somebody has to say who a service or a license is, or an old state's plan
    /// has a command that he knows to be right: it may be right only since another command has ended, such as a close.
    fn waits_for_an_operator(&self) -> bool {
        let world = self.world.borrow();
        let knows = |finding: &Finding| crate::operator::decision(&world, finding).is_some();
        if world.asks_an_operator || world.state_lost_ms.is_some() && world.repaired.iter().any(knows) {
            return true;
        }
        let waits = |op: &Op| op.last_error.as_ref().is_some_and(|(kind, _)| *kind == ErrorKind::State);
        world.panel.ops.iter().filter(|op| !op.done && !op.dropped).any(waits)
    }

    fn has_servers(&self) -> bool {
        let servers = Some(crate::jobs::SERVERS);
        self.world.borrow().panel.services.iter().any(|service| service.item.module == servers)
    }

    /// S7: what is finished is done again, and nothing happens but the post-call.
    fn repeat_finished(&mut self, mut tag: usize) {
        let ops: Vec<usize> = crate::checks::repeatable(&self.world.borrow());
        for op in ops {
            tag += 8;
            let before = crate::checks::Stillness::of(&self.world.borrow());
            let (item, command) = {
                let world = self.world.borrow();
                (world.panel.ops[op].item, world.panel.ops[op].command)
            };
            self.group(&[Job::Item { item, command, op: Some(op) }], tag);
            before.compare(&mut self.world.borrow_mut(), op);
        }
    }
}
