//! Pure nouns: the things that the panel and the seller exchange. No I/O, no clock, no text for people. The adapter
//! that reads strings parses them into these types, and the adapter that sends them writes them.

pub mod address;
pub mod catalogue;
pub mod command;
pub mod creation;
pub mod hosting;
pub mod ids;
pub mod item;
pub mod journal;
pub mod license;
pub mod license_row;
pub mod money;
pub mod name;
pub mod payment;
pub mod period;
pub mod reason;
pub mod rules;
pub mod sellers;
pub mod whmcs;
