//! The sources of monitoring: the list of problems, the findings of the last runs, and the figures. All of it comes
//! from files of this machine; the seller is never asked.

pub mod last_runs;
pub mod metrics;
pub mod problems;
