//! What histories choose from and how they may end: the prepared settings, and the kinds of errors that last.

use pmisplicense::error::ErrorKind;
use pmisplicense::model::rules::{OnClose, PostOpen, Rules};

use crate::rng::Rng;

type Change = fn(&mut Rules);

/// The settings that histories choose from: a name that records keep, and what is not as it comes.
const SETTINGS: [(&str, Change); 7] = [
    ("plain", |_| {}),
    ("stop", |rules| rules.on_close = OnClose::Stop),
    ("delete", |rules| rules.on_close = OnClose::Delete),
    ("no_resend", |rules| rules.upstream.resend = false),
    ("service_post", |rules| rules.post_open = PostOpen::Service),
    ("foreign_pool", |rules| rules.pool_foreign = true),
    ("both_posts", |rules| rules.post_open = PostOpen::Both),
];

/// Which of the settings takes what somebody else freed.
pub const FOREIGN_POOL: usize = 5;

/// The settings, in their order.
pub fn rules() -> Vec<Rules> {
    let changed = |change: Change| {
        let mut rules = Rules::default();
        change(&mut rules);
        rules
    };
    SETTINGS.map(|(_, change)| changed(change)).to_vec()
}

/// The name of some settings.
pub fn name(rules: usize) -> &'static str {
    SETTINGS.get(rules).map_or("?", |(name, ..)| name)
}

/// One of them.
pub fn draw(rng: &mut Rng) -> usize {
    usize::try_from(rng.below(1000)).unwrap_or(0) % SETTINGS.len()
}

/// How records tell them: by name, so that others may be added.
pub mod by_name {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(rules: &usize, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(super::name(*rules))
    }

    pub fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<usize, D::Error> {
        let name = String::deserialize(from)?;
        let found = super::SETTINGS.iter().position(|(known, ..)| *known == name);
        found.ok_or_else(|| serde::de::Error::custom(format!("no settings are called {name}")))
    }
}

/// Kinds that a finished quiet may leave an operation with: their causes lie outside and last.
pub fn may_last(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::OrderUnknown
            | ErrorKind::IpBusy
            | ErrorKind::IpChangeLimit
            | ErrorKind::KeyChangeLimit
            | ErrorKind::LicenseGone
            | ErrorKind::PeriodNotSold
            | ErrorKind::Missed
    )
}
