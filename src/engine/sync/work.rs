//! The work that a pass over the seller's lists collects, before anything is changed. The guard weighs it
//! (`engine::guard`), then `all` does it.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::ids::{ItemId, LicenseId};
use crate::model::license::Family;

/// Why an item is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::engine) enum Look {
    /// Only because its license is stopped or runs out. While the service is suspended there is nothing to do.
    UnlessSuspended,
    /// Whatever status the service has.
    Always,
}

/// The work that the lists show.
#[derive(Debug, Default)]
pub(in crate::engine) struct Work {
    pub(in crate::engine) items: BTreeMap<ItemId, Look>,
    pub(in crate::engine) to_free: BTreeSet<LicenseId>,
    pub(super) unclaimed: Vec<(Family, LicenseId)>,
    pub(super) in_doubt: BTreeSet<LicenseId>,
    /// Licenses that a whole list would show, and that it does not show.
    pub(super) unlisted: BTreeSet<LicenseId>,
}

impl Work {
    pub(in crate::engine) fn item(&mut self, item: ItemId, why: Look) {
        let known = self.items.entry(item).or_insert(why);
        *known = (*known).max(why);
    }
}
