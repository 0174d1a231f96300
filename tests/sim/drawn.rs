//! Turns a drawn action into acts with all their details, according to the world at that moment.

use pmisplicense::model::command::ItemCommand;

use crate::acts::{Act, Begun, Of, What};
use crate::play::Stage;
use crate::script::Action;

/// Decides what an action is in the present world, and lets it happen.
pub fn act(stage: &mut Stage<'_>, index: usize, action: Action) {
    let tag = index * 8;
    let runs = |runs: &[What]| {
        let begun = |(member, what): (usize, &What)| Begun { tag: tag + member, what: *what, faults: Vec::new() };
        let turns = 77 + u64::try_from(tag).unwrap_or(0);
        Act::Runs { turns, runs: runs.iter().enumerate().map(begun).collect() }
    };
    // What was copied goes on under its new number.
    let action = action.of_present(|item| stage.world.borrow().present(item));
    match action {
        Action::Step { item, pick } => {
            let (before, what) = crate::history::next(&stage.world.borrow(), item, pick);
            before.into_iter().for_each(|act| stage.happen(act));
            stage.happen(runs(&[what]));
        }
        Action::Group { item, other, pick } => {
            let (before, first) = crate::history::next(&stage.world.borrow(), item, pick);
            before.into_iter().for_each(|act| stage.happen(act));
            let same = match first {
                What::Item { item, command, .. } => What::Item { item, command, of: Of::Same },
                other => other,
            };
            let second = match pick % 5 {
                0 | 1 => same,
                2 => What::Sync,
                3 => What::Item { item, command: ItemCommand::SyncItem, of: Of::Nothing },
                _ if other == item => same,
                _ => {
                    let (before, second) = crate::history::next(&stage.world.borrow(), other, pick >> 3);
                    before.into_iter().for_each(|act| stage.happen(act));
                    second
                }
            };
            let all = [first, second, What::Sync];
            stage.happen(runs(if pick % 11 == 0 { &all } else { &all[..2] }));
        }
        Action::Sync => stage.happen(runs(&[What::Sync])),
        Action::Wait { s } => stage.happen(Act::Wait(s)),
        Action::Seller { item, pick } => {
            stage.happen(Act::Seller { item, does: crate::history::seller_does(pick) });
        }
        Action::Trouble(trouble) => stage.happen(Act::Trouble(trouble)),
        Action::Outside(outside) => stage.happen(Act::Outside(outside)),
        Action::Import => stage.happen(runs(&[What::Import])),
        Action::Reconcile => stage.happen(runs(&[What::Reconcile])),
        Action::Decide => stage.happen(runs(&[What::Decide])),
        Action::Client { item, pick } => {
            let typed = crate::history::client_types(&stage.world.borrow(), item, pick, false);
            typed.into_iter().for_each(|act| stage.happen(act));
        }
    }
}
