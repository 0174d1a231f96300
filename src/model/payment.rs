//! A payment of the panel, which `prolong` reports.

use chrono::NaiveDate;

use super::ids::LicenseId;

/// One payment of the panel, with the situation that the first run for its paid end found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The date until which the service is paid after `prolong`.
    pub paid_end: NaiveDate,
    /// The license at the first run.
    pub license: Option<LicenseId>,
    /// Its expiry at the first run; `None` without a license or an end.
    pub expires_before: Option<NaiveDate>,
    /// item.expiredate at the first run. The post-call is repeated only while it is unchanged.
    pub item_end_before: Option<NaiveDate>,
    /// Whether the post-call was seen to succeed.
    pub finished: bool,
}
