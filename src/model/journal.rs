//! Intents and what is known of them (docs/money-safety.md 2, 3 and 7): idempotency keys, the events of the journal,
//! and the one table of legal transitions. The status of an intent is computed from its events; the column in our state
//! only caches it.

mod note;
mod request;

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

pub use note::Note;
pub use request::{OnceAnswer, OnceRequest, OrderRequest};

use super::ids::{AccountId, IntentId, ItemId, LicenseId, RunningOperationId, UpstreamPricelistId};

/// One incarnation of an item: its number, its day of creation and how many closes were finished for these.
/// A reused number, or a service opened again after its end, is another incarnation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Incarnation {
    /// item.id
    pub item: ItemId,
    /// item.createdate as the panel's database showed it when the incarnation was first seen. Other forms of the same
    /// moment mean the same incarnation ([`is_same_creation`](super::creation::is_same_creation)).
    pub created: String,
    /// How many closes were finished.
    pub closes: u32,
}

impl Incarnation {
    /// A second name of this incarnation, because each name holds one license. A license is claimed under it while a
    /// license of another account serves the incarnation, and gets the incarnation's own name when the other license is
    /// released.
    pub fn beside(&self) -> Self {
        Self { created: format!("{}+", self.created), ..self.clone() }
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.item, self.created, self.closes)
    }
}

/// The idempotency key. Two runs with the same key mean the same change (docs/money-safety.md 2): one key, one send.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum IdempotencyKey {
    /// An order of a license for an incarnation, perhaps in place of a license that is gone.
    Order {
        /// For whom.
        incarnation: Incarnation,
        /// The license that it replaces.
        replaces: Option<LicenseId>,
    },
    /// A renewal by one aligned period, for a license that runs out on a known day.
    Renewal {
        /// Whose.
        account: AccountId,
        /// Which.
        license: LicenseId,
        /// Its expiry before.
        before: NaiveDate,
    },
    /// Another tariff.
    Tariff {
        /// Whose.
        account: AccountId,
        /// Which.
        license: LicenseId,
        /// The tariff before.
        from: UpstreamPricelistId,
        /// The tariff wanted.
        to: UpstreamPricelistId,
        /// Finished changes of this license before this one.
        finished: u32,
    },
    /// Another number of nodes.
    Nodes {
        /// Whose.
        account: AccountId,
        /// Which.
        license: LicenseId,
        /// Nodes before.
        from: u32,
        /// Nodes wanted.
        to: u32,
        /// Finished changes of this license before this one.
        finished: u32,
    },
    /// A new key.
    NewKey {
        /// Whose.
        account: AccountId,
        /// Which.
        license: LicenseId,
        /// Fingerprint of the key before.
        before: String,
    },
    /// A license that is added to a hosting order for an incarnation.
    AddLicense {
        /// For whom.
        incarnation: Incarnation,
        /// Whose.
        account: AccountId,
        /// The order.
        order: LicenseId,
        /// Licenses that this incarnation has had and given back.
        given_back: u32,
    },
    /// A license that is taken from a hosting order.
    RemoveLicense {
        /// Whose.
        account: AccountId,
        /// The order.
        order: LicenseId,
        /// Fingerprint of its key, because a later license of the same order is another license.
        key: String,
    },
    /// The deletion of a license, for good.
    Delete {
        /// Whose.
        account: AccountId,
        /// Which.
        license: LicenseId,
    },
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order { incarnation, replaces: None } => write!(f, "order:{incarnation}:-"),
            Self::Order { incarnation, replaces: Some(license) } => write!(f, "order:{incarnation}:{license}"),
            Self::Renewal { account, license, before } => write!(f, "renewal:{account}:{license}:{before}"),
            Self::Tariff { account, license, from, to, finished } => {
                write!(f, "tariff:{account}:{license}:{from}:{to}:{finished}")
            }
            Self::Nodes { account, license, from, to, finished } => {
                write!(f, "nodes:{account}:{license}:{from}:{to}:{finished}")
            }
            Self::NewKey { account, license, before } => write!(f, "newkey:{account}:{license}:{before}"),
            Self::AddLicense { incarnation, account, order, given_back } => {
                write!(f, "add:{incarnation}:{account}:{order}:{given_back}")
            }
            Self::RemoveLicense { account, order, key } => write!(f, "remove:{account}:{order}:{key}"),
            Self::Delete { account, license } => write!(f, "delete:{account}:{license}"),
        }
    }
}

impl IdempotencyKey {
    /// The text of a key after its account got another number. The keys of orders hold no account.
    pub fn in_account(key: &str, account: AccountId) -> String {
        let mut fields: Vec<String> = key.split(':').map(str::to_owned).collect();
        let place = match fields.first().map(String::as_str) {
            Some("order") => None,
            // The moment in an incarnation has colons of its own, so the fields are counted from the end.
            Some("add") => fields.len().checked_sub(3),
            Some(_) | None => Some(1),
        };
        if let Some(field) = place.and_then(|place| fields.get_mut(place)) {
            *field = account.to_string();
        }
        fields.join(":")
    }
}

/// The events in the history of an intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntentEvent {
    /// The intent was written down. From now on the request may be sent.
    Recorded,
    /// The seller reported success.
    Done {
        /// The license that was ordered or changed.
        license: Option<LicenseId>,
    },
    /// The seller refused, and a look confirmed it.
    Refused {
        /// Its words.
        reason: String,
    },
    /// The request never left this machine.
    NotSent {
        /// Why.
        reason: String,
    },
    /// The request left, and no trustworthy answer came.
    Unknown {
        /// What happened.
        reason: String,
        /// The seller did answer: it did not accept the request. What appears nevertheless may be somebody else's.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        declined: bool,
    },
    /// The seller named a license that could not be read back yet. The search begins there.
    Answered {
        /// Which license.
        license: LicenseId,
    },
    /// A complete search after the settling time found no trace.
    CleanLook,
    /// A license was found at the seller and adopted for the intent.
    Adopted {
        /// Which license.
        license: LicenseId,
    },
    /// It did not happen, as searches or an operator decided.
    NotHappened {
        /// Who decided that.
        reason: String,
    },
    /// An operator must look.
    HandedOver {
        /// Why.
        reason: String,
    },
    /// Its item was closed in the meantime: a license that appears is freed.
    FreeWhenAppears,
    /// Its item was opened again: a license that appears is adopted after all.
    WantedAgain,
}

impl IntentEvent {
    /// The request left, and no trustworthy answer came.
    pub fn unknown(reason: String) -> Self {
        Self::Unknown { reason, declined: false }
    }

    /// The seller answered that it did not accept the request, and a look did not confirm that nothing happened.
    pub fn declined(reason: String) -> Self {
        Self::Unknown { reason, declined: true }
    }
}

/// The status of an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntentStatus {
    /// Recorded, without a trustworthy outcome yet. Nothing is sent before a search.
    InDoubt,
    /// In doubt, and its item is closed: a license that appears is freed.
    FreeWhenAppears,
    /// An operator must end it.
    HandedOver,
    /// Ended: it happened, once.
    Done,
    /// Ended: the seller refused.
    Refused,
    /// Ended: it never left.
    NotSent,
    /// Ended: it was searched for and not found, or an operator said so.
    NotHappened,
}

impl IntentStatus {
    /// The word stored in our state.
    pub fn word(self) -> &'static str {
        match self {
            Self::InDoubt => "in_doubt",
            Self::FreeWhenAppears => "free_when_appears",
            Self::HandedOver => "handed_over",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::NotSent => "not_sent",
            Self::NotHappened => "not_happened",
        }
    }

    /// From the word stored in our state.
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::InDoubt,
            Self::FreeWhenAppears,
            Self::HandedOver,
            Self::Done,
            Self::Refused,
            Self::NotSent,
            Self::NotHappened,
        ]
        .into_iter()
        .find(|status| status.word() == word)
    }

    /// Whether the outcome is certain.
    pub fn is_ended(self) -> bool {
        match self {
            Self::InDoubt | Self::FreeWhenAppears | Self::HandedOver => false,
            Self::Done | Self::Refused | Self::NotSent | Self::NotHappened => true,
        }
    }

    /// The one table of legal transitions; `None`: illegal, nothing may be written.
    pub fn after(self, event: &IntentEvent) -> Option<Self> {
        use IntentEvent as E;
        match (self, event) {
            (Self::InDoubt, E::Done { .. })
            | (Self::InDoubt | Self::HandedOver | Self::FreeWhenAppears, E::Adopted { .. }) => Some(Self::Done),
            (Self::InDoubt, E::Refused { .. }) => Some(Self::Refused),
            (Self::InDoubt, E::NotSent { .. }) => Some(Self::NotSent),
            (Self::InDoubt, E::Unknown { .. } | E::Answered { .. } | E::CleanLook) => Some(Self::InDoubt),
            (Self::InDoubt | Self::HandedOver | Self::FreeWhenAppears, E::NotHappened { .. }) => {
                Some(Self::NotHappened)
            }
            (Self::InDoubt | Self::HandedOver, E::HandedOver { .. }) => Some(Self::HandedOver),
            (Self::InDoubt | Self::HandedOver | Self::FreeWhenAppears, E::FreeWhenAppears) => {
                Some(Self::FreeWhenAppears)
            }
            (Self::FreeWhenAppears, E::CleanLook) => Some(Self::FreeWhenAppears),
            (Self::FreeWhenAppears, E::WantedAgain) => Some(Self::InDoubt),
            _ => None,
        }
    }

    /// The status after a whole history of events. `None` when the history does not begin with `Recorded` or takes an
    /// illegal step.
    pub fn fold(events: &[IntentEvent]) -> Option<Self> {
        let (first, rest) = events.split_first()?;
        (*first == IntentEvent::Recorded).then_some(())?;
        rest.iter().try_fold(Self::InDoubt, |status, event| status.after(event))
    }
}

/// An intent of a call that is sent once, as our state has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Its number in our state: what `resolve --intent` names.
    pub id: IntentId,
    /// The text of its key.
    pub key: String,
    /// The item that it serves.
    pub item: Option<ItemId>,
    /// The account that it is sent to.
    pub account: AccountId,
    /// The request as it was sent.
    pub request: OnceRequest,
    /// For an order: the highest license number known at the seller just before, if any was known.
    pub highest_license: Option<LicenseId>,
    /// When the intent was written (UTC); no request left before.
    pub recorded_at: DateTime<Utc>,
    /// When the first complete look after the settling time found nothing (UTC).
    pub clean_look_at: Option<DateTime<Utc>>,
    /// Its status.
    pub status: IntentStatus,
    /// The license that it ended with.
    pub license: Option<LicenseId>,
    /// The run that recorded it, for people.
    pub operation: Option<RunningOperationId>,
    /// In a cluster: the settling time of the machine that recorded it, in seconds.
    pub settle_s: Option<u32>,
}

impl Intent {
    /// The item for people; a dash where it serves none.
    pub fn shown_item(&self) -> String {
        self.item.map_or_else(|| "-".to_owned(), |item| item.to_string())
    }

    /// From when on the seller can no longer carry the request out (UTC). `settle_s`: the settling time here. If the
    /// machine that recorded the intent waits longer, its own counts: the request may have left as late as it allows.
    pub fn settled_at(&self, settle_s: u32) -> DateTime<Utc> {
        let longest = self.settle_s.map_or(settle_s, |theirs| theirs.max(settle_s));
        self.recorded_at + chrono::Duration::seconds(i64::from(longest))
    }

    /// Whether an order was made for this service, in any of its incarnations. Another moment of creation means another
    /// service, perhaps of another client.
    pub fn was_for(&self, incarnation: &Incarnation) -> bool {
        let of = format!("{}/{}/", incarnation.item, incarnation.created);
        let ordered = self.key.strip_prefix("order:").or_else(|| self.key.strip_prefix("add:"));
        ordered.is_some_and(|key| key.starts_with(&of))
    }

    /// Whether an order was made for exactly this incarnation. A second order for it would have the same key, or come
    /// after it.
    pub fn is_order_of(&self, incarnation: &Incarnation) -> bool {
        self.key.starts_with(&format!("order:{incarnation}:")) || self.key.starts_with(&format!("add:{incarnation}:"))
    }
}

#[cfg(test)]
mod tests;
