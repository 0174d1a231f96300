//! Pure nouns: what the panel and the seller talk about. No I/O, no clock, no text for people.
//! Strings are parsed into these types by the shell that reads them and leave through the shell that sends them.

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
pub mod period;
pub mod reason;
pub mod rules;
pub mod sellers;
pub mod whmcs;
