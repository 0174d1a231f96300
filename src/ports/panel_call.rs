//! The calls of the panel's tool that the engine makes, and how they fail.

use crate::error::Text;
use crate::model::ids::{ItemId, RunningOperationId};
use crate::text;

/// The calls of the panel's tool that change something, or that only the tool can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PanelCall {
    /// `service.saveparam sok=ok elid NAME=VALUE… crypted=off`, then the older form for what has not arrived.
    SaveParams {
        /// elid
        item: ItemId,
        /// Names and values, in order; a key among them is a secret.
        values: Vec<(&'static str, String)>,
    },
    /// The older form for one parameter: `service.saveparam sok=ok elid name=NAME value=VALUE`.
    SaveParamOld {
        /// elid
        item: ItemId,
        /// name
        name: &'static str,
        /// value
        value: String,
    },
    /// A post-call such as `service.postsuspend elid sok=ok`, or `soft.open elid sok=ok`.
    Post {
        /// The whole function.
        func: String,
        /// elid
        item: ItemId,
    },
    /// `processing.import.service …`; the answer holds service_id.
    Import {
        /// Names and values, in order.
        values: Vec<(&'static str, String)>,
    },
    /// `task.gettype operation item`; the answer holds task_type, empty when the panel wants no task.
    TaskType {
        /// item
        item: ItemId,
        /// operation: the command.
        operation: &'static str,
    },
    /// `task.edit sok=ok item runningoperation type`
    AddTask {
        /// item
        item: ItemId,
        /// runningoperation
        operation: RunningOperationId,
        /// type, as `task.gettype` answered.
        task_type: String,
    },
    /// `problems.register …`
    RegisterProblem {
        /// Names and values, in order.
        values: Vec<(&'static str, String)>,
    },
}

/// A call of the panel's tool that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PanelError {
    /// The tool could not be started: nothing happened.
    NotStarted(String),
    /// The panel answered with an error document, or the tool with a non-zero exit and an error document.
    Refused {
        /// error/@type
        error_type: String,
        /// error/@object
        object: String,
        /// error/msg
        message: String,
    },
    /// The tool was killed after its time limit, printed rubbish, or ended with an error and no document. The call may
    /// have taken effect.
    Unknown(String),
}

impl PanelError {
    /// What happened, for people. It becomes a part of our messages.
    pub fn words(&self) -> Text {
        match self {
            Self::NotStarted(why) => text!("the tool did not start: {why}", "программа не запустилась: {why}"),
            Self::Refused { error_type, object, message } => text!(
                "the panel refused: {error_type} {object} {message}",
                "панель отказала: {error_type} {object} {message}"
            ),
            Self::Unknown(why) => {
                text!("it is not known whether it took effect: {why}", "неизвестно, подействовал ли вызов: {why}")
            }
        }
    }
}
