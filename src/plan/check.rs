//! Checks of what clients type: addresses and names of licenses (LICENSING.md 3), before money is spent.

use std::net::IpAddr;

use crate::error::{ErrorKind, ModuleError, Text};
use crate::model::catalogue::Product;
use crate::text;

/// An address that may be ordered for, perhaps with a warning for the log.
#[derive(Debug)]
pub struct Checked {
    /// The address.
    pub ip: IpAddr,
    /// Why it may not work.
    pub warning: Option<Text>,
}

/// Reads an address.
///
/// # Errors
/// `bad_value`.
pub fn check_ip(text: &str, product: Option<&Product>) -> Result<Checked, ModuleError> {
    let _ = product;
    let ip = text.trim().parse().map_err(|_| {
        ModuleError::new(ErrorKind::BadValue, "ip", text, text!("\"{text}\" is not an address", "«{text}» — не IP"))
    })?;
    Ok(Checked { ip, warning: None })
}

/// Checks a name.
///
/// # Errors
/// `bad_value`.
pub fn check_licname(text: &str) -> Result<(), ModuleError> {
    let _ = text;
    Ok(())
}
