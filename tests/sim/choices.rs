//! What histories choose from and how they may end: the prepared settings, and the kinds of errors that last.

use pmisplicense::error::ErrorKind;
use pmisplicense::model::rules::{OnClose, PostOpen, Rules};

/// Which of the settings takes what somebody else freed.
pub const FOREIGN_POOL: usize = 5;

/// The settings that histories choose from.
pub fn rules() -> Vec<Rules> {
    let base = Rules::default();
    let mut all = vec![base.clone(), base.clone(), base.clone(), base.clone(), base.clone(), base.clone(), base];
    all[1].on_close = OnClose::Stop;
    all[2].on_close = OnClose::Delete;
    all[3].upstream.resend = false;
    all[4].post_open = PostOpen::Service;
    all[FOREIGN_POOL].pool_foreign = true;
    all
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
