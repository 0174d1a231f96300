//! Our state.
mod journal;
pub use journal::RecordedIntent;
