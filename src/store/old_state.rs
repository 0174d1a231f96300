//! What the state says about its own age. A state that was restored from a copy, or whose marks show that it is old, is
//! old for every account. It is completed account by account, because one seller may be away while another answers.

use chrono::{DateTime, Utc};
use rusqlite::params;

use super::{Account, LAST_NUMBER, Store, StoreError, Tx, read_meta, read_number};
use crate::model::ids::AccountId;

/// Since when the state is old. The value is there until the state is complete for every account.
pub const RESTORED: &str = "restored";

/// The newest running number that the state knew when it became old.
const KNOWN_TO: &str = "known_to";

/// The beginning of the names of the values that say: the state is completed for an account.
const COMPLETE: &str = "complete:";

/// What version 0.1.0 wrote for all accounts together, instead of [`completed_number`] for each.
const COMPLETED_NUMBER: &str = "taken_in";

/// The name of the highest running number when the state was last completed for an account. An unknown license of the
/// account with a lower mark was checked then.
fn completed_number(account: AccountId) -> String {
    format!("{COMPLETED_NUMBER}:{account}")
}

/// The name of the moment (seconds) at which the state was last completed for an account.
fn completed_at(account: AccountId) -> String {
    format!("completed_at:{account}")
}

fn complete(account: AccountId) -> String {
    format!("{COMPLETE}{account}")
}

impl Store {
    /// Since when the state is old for an account; `None`: it is complete.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn old_since(&self, account: AccountId) -> Result<Option<String>, StoreError> {
        let is_complete = self.meta(&complete(account))?.is_some();
        Ok(self.meta(RESTORED)?.filter(|_| !is_complete))
    }

    /// The known accounts for which the state is old.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn old_accounts(&self) -> Result<Vec<Account>, StoreError> {
        let mut old = Vec::new();
        for account in self.accounts()? {
            if self.old_since(account.id)?.is_some() {
                old.push(account);
            }
        }
        Ok(old)
    }

    /// The newest running number that the state knows without what it missed. Other accounts may have been completed
    /// since, and that raised [`Store::last_number`].
    ///
    /// # Errors
    /// As [`Store::number`].
    pub fn known_number(&self, account: AccountId) -> Result<u32, StoreError> {
        let before = match self.old_since(account)? {
            Some(_) => self.number(KNOWN_TO)?,
            None => None,
        };
        before.map_or_else(|| self.last_number(), Ok)
    }

    /// The highest running number when the state was last completed for an account; `None`: it never was.
    ///
    /// # Errors
    /// As [`Store::number`].
    pub fn completed_number(&self, account: AccountId) -> Result<Option<u32>, StoreError> {
        let known = self.number(&completed_number(account))?;
        known.map_or_else(|| self.number(COMPLETED_NUMBER), |known| Ok(Some(known)))
    }

    /// When the state was last completed for an account; `None`: it never was.
    ///
    /// # Errors
    /// The value is not a moment.
    pub fn completed_at(&self, account: AccountId) -> Result<Option<DateTime<Utc>>, StoreError> {
        let name = completed_at(account);
        let Some(text) = self.meta(&name)? else { return Ok(None) };
        let moment = text.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        moment.map(Some).ok_or_else(|| StoreError::Unusable(format!("{name} holds {text:?}, which is not a moment")))
    }
}

impl Tx<'_> {
    /// The state is old, for every account.
    ///
    /// # Errors
    /// As [`Store::number`].
    pub fn set_old(&self, since: &str) -> Result<(), StoreError> {
        self.set_meta(RESTORED, since)?;
        self.remember_known_number()?;
        self.run("DELETE FROM meta WHERE name LIKE ?1 || '%'", params![COMPLETE])
    }

    /// All that the state missed in an account was added, up to this running number. `at`: no earlier than now by any
    /// clock that may date something in the account.
    ///
    /// # Errors
    /// As [`Store::number`].
    pub fn set_complete(&self, account: AccountId, number: u32, at: DateTime<Utc>) -> Result<(), StoreError> {
        self.remember_known_number()?;
        self.raise_last_number(number)?;
        self.set_meta(&completed_number(account), &number.to_string())?;
        self.set_meta(&completed_at(account), &at.timestamp().to_string())?;
        self.set_meta(&complete(account), "yes")
    }

    /// What the state says about its age in an account holds for the account that takes its place. It is complete only
    /// if it was so for both.
    ///
    /// # Errors
    /// A value is not a number.
    pub(super) fn unite_ages(&self, from: AccountId, into: AccountId) -> Result<(), StoreError> {
        for name in [completed_number, completed_at] {
            let value = |account| read_number(self.conn, &name(account));
            if let Some(greater) = value(from)?.max(value(into)?) {
                self.set_meta(&name(into), &greater.to_string())?;
            }
        }
        match read_meta(self.conn, &complete(from))? {
            Some(_) => Ok(()),
            None => self.remove_meta(&complete(into)),
        }
    }

    /// The state is complete for every account.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn end_old(&self) -> Result<(), StoreError> {
        self.remove_meta(RESTORED)?;
        self.remove_meta(KNOWN_TO)?;
        self.run("DELETE FROM meta WHERE name LIKE ?1 || '%'", params![COMPLETE])
    }

    fn remember_known_number(&self) -> Result<(), StoreError> {
        let last = read_number(self.conn, LAST_NUMBER)?.unwrap_or(0);
        self.set_meta_once(KNOWN_TO, &last.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::PanelId;

    const ONE: AccountId = AccountId(1);
    const OTHER: AccountId = AccountId(2);

    fn day(number: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + chrono::Duration::days(number)
    }

    /// Whether the state is old for an account, the number that it knows, and the one that was taken in.
    type Age = (bool, u32, Option<u32>);

    fn ages(store: &Store) -> [Age; 2] {
        let of = |account| -> Result<_, StoreError> {
            Ok((store.old_since(account)?.is_some(), store.known_number(account)?, store.completed_number(account)?))
        };
        [ONE, OTHER].map(|account| of(account).expect("a state"))
    }

    /// The numbers of one account say nothing about another account, before and after each of them is completed.
    #[test]
    fn an_old_state_is_completed_account_by_account() {
        type Step = fn(&Tx<'_>) -> Result<(), StoreError>;
        let store = Store::in_memory(&PanelId::parse("simulate").expect("eight letters")).expect("a state");
        let steps: [(&str, Step, [Age; 2]); 7] = [
            ("in use", |tx| tx.raise_last_number(3), [(false, 3, None), (false, 3, None)]),
            ("put back", |tx| tx.set_old("today"), [(true, 3, None), (true, 3, None)]),
            ("one is completed", |tx| tx.set_complete(ONE, 6, day(1)), [(false, 6, Some(6)), (true, 3, None)]),
            ("one goes on", |tx| tx.raise_last_number(7), [(false, 7, Some(6)), (true, 3, None)]),
            ("put back again", |tx| tx.set_old("later"), [(true, 3, Some(6)), (true, 3, None)]),
            (
                "both are completed",
                |tx| tx.set_complete(ONE, 7, day(2)).and_then(|()| tx.set_complete(OTHER, 7, day(3))),
                [(false, 7, Some(7)), (false, 7, Some(7))],
            ),
            ("over", |tx| tx.end_old(), [(false, 7, Some(7)), (false, 7, Some(7))]),
        ];
        for (case, step, want) in steps {
            store.write(chrono::Utc::now(), step).expect("written");
            assert_eq!(ages(&store), want, "{case}");
        }
        let moments = [ONE, OTHER].map(|account| store.completed_at(account).expect("a state"));
        assert_eq!(moments, [Some(day(2)), Some(day(3))]);
        assert_eq!(store.number(KNOWN_TO).expect("a state"), None, "the next copy is measured anew");
    }

    /// An earlier version completed a state with one number for all accounts.
    #[test]
    fn the_number_of_an_earlier_version_counts_for_each_account() {
        let store = Store::in_memory(&PanelId::parse("simulate").expect("eight letters")).expect("a state");
        store.write(chrono::Utc::now(), |tx| tx.set_meta(COMPLETED_NUMBER, "5")).expect("written");
        assert_eq!(ages(&store), [(false, 0, Some(5)), (false, 0, Some(5))]);
    }

    /// Two accounts that turn out to be one: nothing that was looked at is forgotten, and what is old stays old.
    #[test]
    fn an_account_that_takes_the_place_of_another_has_its_age() -> Result<(), StoreError> {
        let store = Store::in_memory(&PanelId::parse("abcdefgh").expect("an id"))?;
        store.write(day(1), |tx| {
            tx.set_old("then")?;
            tx.set_complete(ONE, 9, day(2))?;
            tx.set_complete(OTHER, 7, day(3))?;
            tx.unite_ages(ONE, OTHER)
        })?;
        let known = |store: &Store| Ok::<_, StoreError>((store.completed_number(OTHER)?, store.completed_at(OTHER)?));
        assert_eq!(known(&store)?, (Some(9), Some(day(3))));
        assert_eq!(store.old_since(OTHER)?, None);
        store.write(day(4), |tx| {
            tx.set_old("again")?;
            tx.set_complete(OTHER, 9, day(5))?;
            tx.unite_ages(ONE, OTHER)
        })?;
        assert_eq!(known(&store)?, (Some(9), Some(day(5))));
        assert!(store.old_since(OTHER)?.is_some(), "the former account is not complete");
        Ok(())
    }
}
