//! Why the work on a service or a license stopped, as the program sees it.

/// Why work stopped. An [`ErrorKind`](super::ErrorKind) is for people and scripts, and no decision depends on it: one
/// kind can have reasons that need different steps, such as a seller that was not reached and a request in doubt. The
/// table in `plan::halt` says what each reason means for the work around it.
///
/// An error is [`Halt::Final`] unless the function that makes it says otherwise, so a new error never opens another way
/// by accident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Halt {
    /// A request was sent, and its outcome is not known. The seller may still carry it out.
    InDoubt,
    /// A request was sent, and only an operator can say what became of it. The seller can no longer carry it out.
    HandedOver,
    /// The seller was not reached: nothing was sent, or a read had no answer.
    Unreachable,
    /// The seller's answer cannot be trusted.
    BadAnswer,
    /// The seller did not do it, or does not show it, and a later try may succeed.
    NotYet,
    /// The seller allows one license an address, and this address has one.
    AddressBusy,
    /// A service or a license is not the one that our state knows.
    Unrecognized,
    /// Our state cannot be used.
    State,
    /// Another run works on it.
    Busy,
    /// The panel's database did not answer.
    Database,
    /// Another reason. No caller has another way.
    #[default]
    Final,
}

impl Halt {
    /// All reasons, for tests.
    pub const ALL: [Self; 11] = [
        Self::InDoubt,
        Self::HandedOver,
        Self::Unreachable,
        Self::BadAnswer,
        Self::NotYet,
        Self::AddressBusy,
        Self::Unrecognized,
        Self::State,
        Self::Busy,
        Self::Database,
        Self::Final,
    ];
}
