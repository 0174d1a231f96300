//! What a mark of ours says about the age of the state: whether the state gave it out, and which orders of its service
//! are over (docs/money-safety.md 4 and 6).

use crate::model::ids::Mark;

/// The number of the order that a mark of ours belongs to, if a state with this newest running number has missed that
/// order. When its license is added, the earlier orders of its service are over.
pub fn missed_order(mark: Option<&Mark>, known: u32) -> Option<u32> {
    match mark {
        Some(Mark::Order { number, .. }) if *number > known => Some(*number),
        Some(Mark::Order { .. } | Mark::Pool { .. }) | None => None,
    }
}

/// Whether the mark of a license that the state does not hold is one that the state never gave out, although its number
/// is no newer than `known`: a state that was begun anew gives out the same numbers again. `completed`: the highest
/// running number when the state was last completed, if it ever was. `was_ordered` says whether a known order has that
/// mark, and is called only if that decides.
///
/// # Errors
/// An error of `was_ordered`.
pub fn is_forgotten<E>(
    mark: &Mark,
    known: u32,
    completed: Option<u32>,
    was_ordered: impl FnOnce() -> Result<bool, E>,
) -> Result<bool, E> {
    match mark {
        // It was looked at when the state was completed.
        Mark::Order { number, .. } if completed.is_some_and(|completed| *number <= completed) => Ok(false),
        Mark::Order { .. } => was_ordered().map(|was_ordered| !was_ordered),
        // A state that never gave out a mark has not freed any license either.
        Mark::Pool { .. } => Ok(completed.is_none() && known == 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{ItemId, PanelId};

    fn order(number: u32) -> Mark {
        Mark::Order { panel: PanelId::parse("simulate").expect("eight letters"), item: ItemId(42), number }
    }

    fn pool() -> Mark {
        Mark::Pool { panel: PanelId::parse("simulate").expect("eight letters") }
    }

    /// `was_ordered` is `None` where it must not be asked.
    #[test]
    fn a_mark_is_forgotten_unless_the_state_gave_it_out_or_looked_at_it() {
        for (case, mark, known, completed, was_ordered, want) in [
            ("an order of this state", order(5), 5, None, Some(true), false),
            ("the same number, and no order has it", order(5), 5, None, Some(false), true),
            ("looked at when the state was completed", order(3), 5, Some(3), None, false),
            ("given out after that", order(4), 5, Some(3), Some(true), false),
            ("newer than that, and no order has it", order(4), 5, Some(3), Some(false), true),
            ("freed, and the state is new", pool(), 0, None, None, true),
            ("freed, and the state gave out marks", pool(), 1, None, None, false),
            ("freed, and the state was completed", pool(), 0, Some(0), None, false),
        ] {
            let asked = || was_ordered.ok_or("must not be asked");
            assert_eq!(is_forgotten(&mark, known, completed, asked), Ok(want), "{case}");
        }
    }

    #[test]
    fn only_an_order_newer_than_the_state_was_missed() {
        for (case, mark, want) in [
            ("a newer order", Some(order(6)), Some(6)),
            ("the newest known order", Some(order(5)), None),
            ("freed", Some(pool()), None),
            ("no mark of ours", None, None),
        ] {
            assert_eq!(missed_order(mark.as_ref(), 5), want, "{case}");
        }
    }
}
