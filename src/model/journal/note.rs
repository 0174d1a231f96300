//! Lines of the journal that belong to no intent. Some of their words decide something later: whether a service still
//! waits for money, or whether an import was sent. So writers and readers, SQL included, take the words from here.

use crate::model::license_row::LicenseState;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// A license is in this state now.
    State(LicenseState),
    /// The seller showed a license with other values than before.
    Seen,
    /// A license was changed as its service asks.
    Changed,
    /// A license has another number at the seller now.
    Renumbered,
    /// The seller stored a name in a form of its own.
    NameKept,
    /// An answer of the seller contradicts itself.
    Doubled,
    /// A license was bought although its service had one.
    Duplicate,
    /// A license that was claimed went back to the pool.
    GivenBack,
    /// An operator gave a license to another service.
    GivenTo,
    /// An operator left a license to another user of the account.
    Left,
    /// A problem with a license was registered in the panel.
    Problem,
    /// The license of a hosting order is gone, or is there again.
    LicenseGone,
    /// A hosting order does not run, or runs again.
    HostingStopped,
    /// A hosting order renews itself although nobody pays for the service, or that is over.
    RenewedUnpaid,
    /// An operator accepted another client of a service.
    Client,
    /// The panel is about to be asked for a new service.
    ImportSent,
    /// A license became a service.
    Imported,
    /// It is certain that the panel made no service.
    ImportRefused,
    /// A purchase waits until the account has money.
    WaitsForMoney,
    /// A purchase waits until the account is not blocked any more.
    WaitsForUnblocking,
    /// A sweep decided about a server.
    Sweep,
    /// What an old state missed was added.
    StateRenewed,
    /// An operator said that a module buys from the same account under another name.
    SameAccount,
    /// An operator said that a module buys from another account.
    OtherAccount,
    /// An operator moved the state to this machine.
    Machine,
    /// An operator gave the state the id of a lost one.
    PanelId,
}

impl Note {
    /// All of them that say nothing about a state.
    const OTHERS: [Self; 25] = [
        Self::Seen,
        Self::Changed,
        Self::Renumbered,
        Self::NameKept,
        Self::Doubled,
        Self::Duplicate,
        Self::GivenBack,
        Self::GivenTo,
        Self::Left,
        Self::Problem,
        Self::LicenseGone,
        Self::HostingStopped,
        Self::RenewedUnpaid,
        Self::Client,
        Self::ImportSent,
        Self::Imported,
        Self::ImportRefused,
        Self::WaitsForMoney,
        Self::WaitsForUnblocking,
        Self::Sweep,
        Self::StateRenewed,
        Self::SameAccount,
        Self::OtherAccount,
        Self::Machine,
        Self::PanelId,
    ];

    /// The word stored in our state.
    pub fn word(self) -> &'static str {
        match self {
            Self::State(state) => state.word(),
            Self::Seen => "seen",
            Self::Changed => "changed",
            Self::Renumbered => "renumbered",
            Self::NameKept => "name_kept",
            Self::Doubled => "doubled",
            Self::Duplicate => "duplicate",
            Self::GivenBack => "given_back",
            Self::GivenTo => "given_to",
            Self::Left => "left",
            Self::Problem => "problem",
            Self::LicenseGone => "license_gone",
            Self::HostingStopped => "hosting_stopped",
            Self::RenewedUnpaid => "renewed_unpaid",
            Self::Client => "client",
            Self::ImportSent => "import_sent",
            Self::Imported => "imported",
            Self::ImportRefused => "import_refused",
            Self::WaitsForMoney => "waits_nomoney",
            Self::WaitsForUnblocking => "waits_blocked",
            Self::Sweep => "sweep",
            Self::StateRenewed => "renew_state",
            Self::SameAccount => "account_same",
            Self::OtherAccount => "account_other",
            Self::Machine => "machine",
            Self::PanelId => "panel_id",
        }
    }

    /// From the word stored in our state.
    pub fn parse(word: &str) -> Option<Self> {
        let state = LicenseState::parse(word).map(Self::State);
        state.or_else(|| Self::OTHERS.into_iter().find(|note| note.word() == word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// No two notes share a word, and each is found by its word. State files of earlier versions hold these words.
    #[test]
    fn every_note_is_found_by_its_word() {
        let all: Vec<Note> = LicenseState::ALL.map(Note::State).into_iter().chain(Note::OTHERS).collect();
        let words: BTreeSet<&str> = all.iter().map(|note| note.word()).collect();
        assert_eq!(words.len(), all.len());
        for note in all {
            assert_eq!(Note::parse(note.word()), Some(note));
        }
    }
}
