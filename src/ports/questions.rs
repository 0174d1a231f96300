//! Questions that change nothing, with their answers exactly as they come. `doctor --record` uses them.

use super::Form;
use crate::model::ids::{LicenseId, ModuleId};
use crate::model::license::Family;

/// How many rows of a list are read to see what it looks like.
const SAMPLE_ROWS: u32 = 5;

/// A question to the seller that changes nothing. No other function can be called for its raw answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// `whoami`
    WhoAmI,
    /// `subaccount`
    Subaccount,
    /// `soft`, `softexternal`: the first rows.
    List(Family),
    /// `*.edit elid`
    Form(Family, LicenseId),
    /// `pricelist.export`: what is sold to this account, for billing systems.
    Offers,
    /// `soft.order`: the same offer as a form for people. Without `sok` nothing is ordered.
    OrderForm,
}

impl Question {
    /// The request.
    pub fn form(&self) -> Form {
        match self {
            Self::WhoAmI => Form::new("whoami"),
            Self::Subaccount => Form::new("subaccount"),
            Self::List(family) => Form::new(family.func()).with("p_num", 1).with("p_cnt", SAMPLE_ROWS),
            Self::Form(family, license) => Form::new(format!("{}.edit", family.func())).with("elid", license),
            Self::Offers => Form::new("pricelist.export"),
            Self::OrderForm => Form::new("soft.order"),
        }
    }
}

/// A question to the panel that changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PanelQuestion {
    /// `paramlist`
    Params,
    /// `processing.edit elid`
    Module(ModuleId),
    /// `processing.customparam elid`: the custom parameters of a module.
    CustomParams(ModuleId),
    /// `processing.customparam.edit plid`: the form of a new one.
    CustomParamForm(ModuleId),
}

impl PanelQuestion {
    /// The call.
    pub fn form(&self) -> Form {
        match self {
            Self::Params => Form::new("paramlist"),
            Self::Module(module) => Form::new("processing.edit").with("elid", module),
            Self::CustomParams(module) => Form::new("processing.customparam").with("elid", module),
            Self::CustomParamForm(module) => Form::new("processing.customparam.edit").with("plid", module),
        }
    }
}

/// What the panel's tool printed, as a document, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolAnswer {
    /// Its document.
    pub document: String,
    /// Its exit code. `None` when a signal ended it, or when it is not known.
    pub exit: Option<i32>,
}

/// A column of the panel's database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as the database names it.
    pub kind: String,
}
