//! pmisplicense: a processing module of BILLmanager that resells licenses bought from the vendor's BILLmanager.

pub mod admin;
pub mod argv;
pub mod billdb;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod context;
pub mod engine;
pub mod error;
pub mod event;
pub mod locks;
pub mod log;
pub mod mgrctl;
pub mod model;
pub mod plan;
pub mod ports;
pub mod rehearsal;
pub mod report;
pub mod run;
pub mod secret;
pub mod settings;
pub mod store;
pub mod trace;
pub mod upstream;
pub mod usage;
pub mod xml;
