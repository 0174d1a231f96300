//! Why a license waits, or left its service: one word of ours for each cause, which is stored in the state.
//! `plan::reason` has the text for people in both languages.

use std::fmt;

/// Why a license waits, is put aside, or serves nobody any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A change of a license that is being freed has no trustworthy answer. Nobody gets the license until the settling
    /// time is over.
    ChangeInDoubt,
    /// Its new key has no trustworthy answer.
    KeyInDoubt,
    /// It appeared within the settling time of an order that had ended. A service that waits for it comes first.
    JustAppeared,
    /// The seller did not show it at one look. A second such look, a settling time later, means that it is gone. The
    /// reason that it had before is kept: it counts again when the seller shows the license.
    Missing(Option<Box<Self>>),
    /// Its address cannot change before the month is over.
    AddressWaits,
    /// A list showed another name, address, status or key date than we knew, or a change was left undone. The license
    /// has to be read.
    LookOwed,
    /// It had no key an hour after it was bound, and a problem was registered in the panel.
    KeyLate,
    /// The seller refused to clear its address before the month is over.
    AddressNotCleared,
    /// The seller reported that it was freed, and does not show it as free yet.
    NotShownFree,
    /// It waits for the next client.
    FreedIntoPool,
    /// It is stopped and left to run out.
    Stopped,
    /// We deleted it.
    Deleted,
    /// The seller deleted it.
    DeletedUpstream,
    /// A module: the license that it belongs to was given back.
    LicenseGivenBack,
    /// A trial whose service was paid for.
    TrialReplaced,
    /// An operator bound another license in its place.
    ReplacedByHand,
    /// Its service buys from another module's account now.
    Moved,
    /// A license that we gave up or wanted to take, and that somebody else uses. An operator decides.
    NotFree,
    /// It bears the mark of another installation, which took it.
    TakenElsewhere,
    /// As [`Self::NotFree`]; an operator left it to whoever uses it.
    LeftToItsUser,
    /// The seller gave it another number.
    Renumbered,
    /// Its product is not in the catalogue any more.
    ProductUnknown,
    /// The seller shows no key, so nobody could check that the next client gets another one.
    NoKeyShown,
    /// The address that it should get is busy.
    AddressBusy,
    /// A new key was refused, in the seller's words.
    KeyRefused(String),
    /// A new address was refused, in the seller's words.
    AddressRefused(String),
    /// Words of an earlier version.
    Other(String),
}

/// The beginning of the stored text for a refused key.
const KEY_REFUSED: &str = "its key was refused: ";

/// The stored text for a license that the seller did not show.
const MISSING: &str = "missing at the seller";

/// What is stored between that text and the reason that the license had before.
const BEFORE_THAT: &str = "; before that: ";

/// The beginning of the stored text for a refused address.
const ADDRESS_REFUSED: &str = "its address was refused: ";

impl Reason {
    /// The reasons without words of the seller.
    const PLAIN: [Self; 24] = [
        Self::ChangeInDoubt,
        Self::KeyInDoubt,
        Self::JustAppeared,
        Self::Missing(None),
        Self::AddressWaits,
        Self::LookOwed,
        Self::KeyLate,
        Self::AddressNotCleared,
        Self::NotShownFree,
        Self::FreedIntoPool,
        Self::Stopped,
        Self::Deleted,
        Self::DeletedUpstream,
        Self::LicenseGivenBack,
        Self::TrialReplaced,
        Self::ReplacedByHand,
        Self::Moved,
        Self::NotFree,
        Self::TakenElsewhere,
        Self::LeftToItsUser,
        Self::Renumbered,
        Self::ProductUnknown,
        Self::NoKeyShown,
        Self::AddressBusy,
    ];

    /// The word stored in our state, the seller's own words left out.
    pub fn word(&self) -> &str {
        match self {
            Self::ChangeInDoubt => "a change of it is in doubt",
            Self::KeyInDoubt => "its new key is in doubt",
            Self::JustAppeared => "it appeared just now",
            Self::Missing(_) => MISSING,
            Self::AddressWaits => "its address cannot change yet",
            Self::LookOwed => "it is to be looked at",
            Self::KeyLate => "its key is late",
            Self::AddressNotCleared => "its address cannot be cleared yet",
            Self::NotShownFree => "the seller does not show it free yet",
            Self::FreedIntoPool => "freed into the pool",
            Self::Stopped => "stopped",
            Self::Deleted => "deleted",
            Self::DeletedUpstream => "deleted at the seller",
            Self::LicenseGivenBack => "its license was given back",
            Self::TrialReplaced => "trial became paid",
            Self::ReplacedByHand => "replaced by hand",
            Self::Moved => "its service moved to another module",
            Self::NotFree => "it is not free any more",
            Self::TakenElsewhere => "another installation took it",
            Self::LeftToItsUser => "left to its user by hand",
            Self::Renumbered => "it has another number at the seller",
            Self::ProductUnknown => "its product is not in the catalogue",
            Self::NoKeyShown => "the seller shows no key of it",
            Self::AddressBusy => "the address is busy",
            Self::KeyRefused(_) => KEY_REFUSED,
            Self::AddressRefused(_) => ADDRESS_REFUSED,
            Self::Other(words) => words,
        }
    }

    /// From what is stored in our state.
    pub fn parse(stored: &str) -> Self {
        if let Some(refusal) = stored.strip_prefix(KEY_REFUSED) {
            return Self::KeyRefused(refusal.to_owned());
        }
        if let Some(refusal) = stored.strip_prefix(ADDRESS_REFUSED) {
            return Self::AddressRefused(refusal.to_owned());
        }
        if let Some(before) = stored.strip_prefix(MISSING).and_then(|rest| rest.strip_prefix(BEFORE_THAT)) {
            return Self::Missing(Some(Box::new(Self::parse(before))));
        }
        let plain = Self::PLAIN.into_iter().find(|reason| reason.word() == stored);
        plain.unwrap_or_else(|| Self::Other(stored.to_owned()))
    }

    /// The reason of a license that the seller did not show at a look: `before` is the one that it had until then.
    pub fn missing_after(before: Option<Self>) -> Self {
        Self::Missing(before.map(Box::new))
    }

    /// Whether the license was missing at the last look.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing(_))
    }

    /// The reason apart from a look at which the license was missing.
    pub fn apart_from_look(&self) -> Option<&Self> {
        if let Self::Missing(before) = self { before.as_deref() } else { Some(self) }
    }

    /// Whether the seller may still carry a call out. Until then no service gets the license, not even one with the
    /// same address.
    pub fn may_still_happen(&self) -> bool {
        matches!(self.apart_from_look(), Some(Self::ChangeInDoubt | Self::JustAppeared))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        if let Self::KeyRefused(refusal) | Self::AddressRefused(refusal) = self {
            f.write_str(refusal)?;
        }
        if let Self::Missing(Some(before)) = self {
            write!(f, "{BEFORE_THAT}{before}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stored reasons can be read back, also the seller's words and those of an earlier version. All words differ.
    #[test]
    fn every_stored_reason_can_be_read_back() {
        let more = [
            Reason::KeyRefused("too young".into()),
            Reason::AddressRefused(String::new()),
            Reason::missing_after(Some(Reason::LeftToItsUser)),
            Reason::missing_after(Some(Reason::KeyRefused("too young".into()))),
        ];
        for reason in Reason::PLAIN.into_iter().chain(more).chain([Reason::Other("by hand".into())]) {
            assert_eq!(Reason::parse(&reason.to_string()), reason);
        }
    }
}
