//! Who a service is to us, and who a license is to us, when the world outside gave one of them another number, another
//! client or another wording: nothing is lost, nothing is bought beside, and a person can always say "it is the same".
use crate::service::{changes, forget, licid, opened, state, told};
use crate::support::Test;

mod creation;
