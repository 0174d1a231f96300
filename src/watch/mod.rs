//! What those who watch the installation read: the list of problems, what the last runs found, and the figures for
//! monitoring. All of it comes from files of this machine; the seller is never asked.

pub mod last_runs;
pub mod metrics;
pub mod problems;
