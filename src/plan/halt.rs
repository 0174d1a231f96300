//! The consequences of a [`Halt`] for the work around it: one function for each decision. The table in the tests has a
//! line for each reason.

use crate::error::Halt;

/// Whether a free license is passed over when its intents in doubt could not be settled, so that another one is taken.
/// Otherwise the run fails.
pub fn passes_over_license(halt: Halt) -> bool {
    matches!(halt, Halt::InDoubt | Halt::HandedOver | Halt::Unreachable)
}

/// Whether a license may be stopped or started although an intent in doubt could not be settled: the seller can no
/// longer carry that request out, and only an operator can say what became of it.
pub fn allows_switching(halt: Halt) -> bool {
    matches!(halt, Halt::HandedOver)
}

/// Whether a change may still arrive after the freeing of a license stopped. Such a license rests for the settling
/// time, so that the change does not hit its next client (docs/money-safety.md 3).
pub fn may_arrive_late(halt: Halt) -> bool {
    matches!(halt, Halt::InDoubt | Halt::Unreachable | Halt::BadAnswer)
}

/// Whether a sync pass ends, because no other service could be read either.
pub fn ends_sync_pass(halt: Halt) -> bool {
    matches!(halt, Halt::Database)
}

/// Whether a sync pass that failed for a service counts as its failure. It does not while another run works on the
/// service.
pub fn counts_as_failure(halt: Halt) -> bool {
    !matches!(halt, Halt::Busy)
}

/// Whether another try may succeed although nobody changed anything. An old state stays old until it did.
pub fn may_pass(halt: Halt) -> bool {
    matches!(halt, Halt::InDoubt | Halt::Unreachable | Halt::BadAnswer | Halt::NotYet | Halt::Busy | Halt::Database)
}

/// Whether a service is reported because it could not be recognized. A service that cannot be read now is not reported.
pub fn is_identity_trouble(halt: Halt) -> bool {
    matches!(halt, Halt::Unrecognized | Halt::State)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The decisions of one reason, in the order of this file: the letters are those that say yes.
    fn decisions(halt: Halt) -> String {
        let all = [
            ('o', passes_over_license(halt)),
            ('s', allows_switching(halt)),
            ('l', may_arrive_late(halt)),
            ('e', ends_sync_pass(halt)),
            ('c', counts_as_failure(halt)),
            ('p', may_pass(halt)),
            ('i', is_identity_trouble(halt)),
        ];
        all.into_iter().filter(|(_, yes)| *yes).map(|(letter, _)| letter).collect()
    }

    #[test]
    fn each_reason_has_its_line_in_the_table_of_decisions() {
        let table = [
            (Halt::InDoubt, "olcp"),
            (Halt::HandedOver, "osc"),
            (Halt::Unreachable, "olcp"),
            (Halt::BadAnswer, "lcp"),
            (Halt::NotYet, "cp"),
            (Halt::AddressBusy, "c"),
            (Halt::Unrecognized, "ci"),
            (Halt::State, "ci"),
            (Halt::Busy, "p"),
            (Halt::Database, "ecp"),
            (Halt::Final, "c"),
        ];
        assert_eq!(table.map(|(halt, _)| halt), Halt::ALL);
        for (halt, want) in table {
            assert_eq!(decisions(halt), want, "{halt:?}");
        }
    }
}
