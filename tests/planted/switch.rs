//! The switch of the planted mistakes (docs/testing.md 3). `tests/planted/plant` puts this file into a copy of the
//! tree as `planted`; a test switches one mistake on in its own thread.

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Locks are not taken.
    LockForgotten,
    /// A license from the pool keeps the key that its last client saw.
    KeyNotRenewed,
    /// A refusal is believed without a look.
    TrustedWithoutLook,
    /// Any list counts as complete.
    IncompleteList,
    /// A suspended service is renewed.
    SuspendedRenewed,
    /// The panel is told before the license is there.
    PostBeforeEffect,
    /// postprolong is repeated after the end moved.
    PostRepeated,
    /// A license at the wanted address is taken for the ordered one.
    AdoptedByIp,
    /// A tariff is rolled back in the panel though the change may have happened.
    RollbackOnUnknown,
    /// The running operation is part of the intent's key.
    OperationAsKey,
    /// Sent again before the seller has settled.
    ResentEarly,
    /// The intent is written down after the call.
    IntentAfterCall,
    /// A license is claimed whatever became of it since it was looked at.
    BlindClaim,
    /// A license from the pool gets its new address before its new key.
    AddressBeforeKey,
    /// sync acts on what the list and the panel said before the lock.
    ActsOnListRow,
    /// A renewal's answer is believed without a look.
    RenewalTrusted,
    /// At OrderBox the purchase is repeated to ask for the key.
    RepeatAsRead,
    /// At OrderBox a license is removed whatever key the order shows.
    RemovedUncompared,
    /// Between two modules of one panel, a license is brought up to date by its number, whatever its account.
    AccountForgotten,
    /// Between machines, an intent is sent however long ago it was recorded.
    NoSendBy,
    /// Between machines, a write does not check that the run still has its leases.
    LeaseUnchecked,
    /// Between machines, a repeated attempt has another token: an entry that was written counts as another machine's.
    TokenOfRetry,
    /// Between machines, a server that lacks the newest entries is believed.
    LaggardBelieved,
    /// Between machines, a lease that is taken over stays the old run's.
    OldLeaseLeft,
    /// Between machines, entries that the log lost are given up.
    TailNotWrittenAgain,
    /// Between machines, a doubt ends by the clock of the machine that looks, whatever the others say.
    SettledByOwnClock,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 26] = [
        Self::LockForgotten,
        Self::KeyNotRenewed,
        Self::TrustedWithoutLook,
        Self::IncompleteList,
        Self::SuspendedRenewed,
        Self::PostBeforeEffect,
        Self::PostRepeated,
        Self::AdoptedByIp,
        Self::RollbackOnUnknown,
        Self::OperationAsKey,
        Self::ResentEarly,
        Self::IntentAfterCall,
        Self::BlindClaim,
        Self::AddressBeforeKey,
        Self::ActsOnListRow,
        Self::RenewalTrusted,
        Self::RepeatAsRead,
        Self::RemovedUncompared,
        Self::AccountForgotten,
        Self::NoSendBy,
        Self::LeaseUnchecked,
        Self::TokenOfRetry,
        Self::LaggardBelieved,
        Self::OldLeaseLeft,
        Self::TailNotWrittenAgain,
        Self::SettledByOwnClock,
    ];

    /// True if the mistake is made at the second kind of seller, where histories of their own look for it.
    pub fn is_at_orderbox(self) -> bool {
        matches!(self, Self::RepeatAsRead | Self::RemovedUncompared)
    }

    /// True if the mistake is made between two modules, where histories with both kinds of seller look for it.
    pub fn is_between_modules(self) -> bool {
        matches!(self, Self::AccountForgotten)
    }

    /// True if the mistake is made between two machines.
    pub fn is_between_machines(self) -> bool {
        matches!(
            self,
            Self::NoSendBy
                | Self::LeaseUnchecked
                | Self::TokenOfRetry
                | Self::LaggardBelieved
                | Self::OldLeaseLeft
                | Self::TailNotWrittenAgain
                | Self::SettledByOwnClock
        )
    }
}

thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Switches one mistake on in this thread, or all off.
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// True if a mistake is switched on.
pub fn is_planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}
