//! pmisplicense: a processing module of BILLmanager that resells licenses bought from the vendor's BILLmanager.

pub mod engine;
pub mod error;
pub mod log;
pub mod model;
pub mod plan;
pub mod ports;
pub mod settings;
pub mod store;
pub mod xml;
