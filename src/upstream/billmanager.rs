//! A seller's BILLmanager over HTTPS: `client` sends and classifies, `wire` has the parameters, `calls` has one method
//! for each function, `decode` and `fields` read licenses, and `raw` keeps everything for people. No decisions are made
//! here.

mod calls;
mod client;
#[cfg(test)]
mod client_tests;
mod decode;
pub mod fields;
mod raw;
pub mod wire;

use std::io::Read;

pub use client::{HttpUpstream, MAX_LIST};
use fields::Shape;

use super::connection::MAX_ANSWER;
use super::refusal::RefusalTable;
use crate::model::license::{License, Money};
use crate::ports::Refusal;
use crate::xml::{self, XmlError};

/// The content of a document of the seller, as far as it is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Understood {
    /// The license of `*.edit`.
    pub license: Option<License>,
    /// What an error document means.
    pub refusal: Option<Refusal>,
    /// The balance of `subaccount`.
    pub balance: Option<Money>,
    /// The user of `whoami`.
    pub user: Option<String>,
}

/// Reads the bytes of an answer in the same way as the calls, whatever was asked. For tools that examine recorded or
/// hostile answers.
///
/// # Errors
/// [`XmlError`], also for more than [`MAX_ANSWER`] bytes.
pub fn read_answer(bytes: impl Read) -> Result<Understood, XmlError> {
    let doc = xml::parse_stream(bytes, MAX_ANSWER)?;
    Ok(Understood {
        license: decode::license(&doc, Shape::Document),
        refusal: RefusalTable::default().refusal(&doc),
        balance: decode::balance(&doc.children, &doc),
        user: decode::user(&doc),
    })
}

/// Reads the bytes of a list page in the same way as the calls: its rows (`None`: a row without a number) and its
/// total.
///
/// # Errors
/// [`XmlError`], also for more than [`MAX_LIST`] bytes.
pub fn read_page(bytes: impl Read) -> Result<(Vec<Option<License>>, Option<u32>), XmlError> {
    let mut rows = Vec::new();
    let keep = ["p_elems", "error"];
    let frame =
        xml::read_rows(bytes, MAX_LIST, "elem", &keep, &mut |row| rows.push(decode::license(&row, Shape::Row)))?;
    Ok((rows, frame.root.value_of("p_elems").and_then(|text| text.parse().ok())))
}
