//! The calls of the panel's tool that change something: function and parameters, in order (docs/interface.md 2 and 3).
//! This is pure, so that a change can be shown without being made. `Mgrctl` runs exactly these calls.

use crate::error::{MESSAGE_CHARS, shortened_words};
use crate::model::ids::{ItemId, ModuleId, RunningOperationId};
use crate::ports::{Form, PanelCall};

/// A call of the engine.
pub fn call(call: &PanelCall) -> Form {
    match call {
        PanelCall::SaveParams { item, values } => {
            let form = Form::new("service.saveparam").with("sok", "ok").with("elid", item);
            values.iter().fold(form, |form, (name, value)| form.with(*name, value)).with("crypted", "off")
        }
        PanelCall::SaveParamOld { item, name, value } => {
            Form::new("service.saveparam").with("sok", "ok").with("elid", item).with("name", name).with("value", value)
        }
        PanelCall::Post { func, item } => Form::new(func).with("elid", item).with("sok", "ok"),
        PanelCall::Import { values } => with_sok("processing.import.service", values),
        PanelCall::TaskType { item, operation } => {
            Form::new("task.gettype").with("operation", operation).with("item", item)
        }
        PanelCall::AddTask { item, operation, task_type } => add_task(*item, *operation, task_type),
        PanelCall::RegisterProblem { values } => {
            let values: Vec<_> = values.iter().map(|(name, value)| (*name, readable(value))).collect();
            with_sok("problems.register", &values)
        }
    }
}

/// Saves the error that the panel shows about a failed attempt.
pub fn save_error(operation: RunningOperationId, errorxml: &str) -> Form {
    Form::new("runningoperation.edit").with("sok", "ok").with("elid", operation).with("errorxml", errorxml)
}

/// Stops the automatic attempts of the panel.
pub fn set_manual(operation: RunningOperationId) -> Form {
    Form::new("runningoperation.setmanual").with("elid", operation).with("sok", "ok")
}

/// Adds a task for an operator.
pub fn add_task(item: ItemId, operation: RunningOperationId, task_type: &str) -> Form {
    Form::new("task.edit")
        .with("sok", "ok")
        .with("item", item)
        .with("runningoperation", operation)
        .with("type", task_type)
}

/// Registers a problem: the module cannot reach its license server.
pub fn register_problem(module: ModuleId, name: &str, message: &str) -> Form {
    Form::new("problems.register")
        .with("sok", "ok")
        .with("level", "error")
        .with("name", "processingmodule_connect")
        .with("id", module)
        .with("param_pm_id", module)
        .with("param_pm_name", name)
        .with("param_errormsg", readable(message))
}

/// Words that are only for reading, cut to the length of an argument of a process.
fn readable(words: &str) -> String {
    shortened_words(words, MESSAGE_CHARS)
}

/// A form with sok=ok in front, unless the caller gave it.
fn with_sok(func: &str, values: &[(&'static str, String)]) -> Form {
    let given = values.iter().any(|(key, _)| *key == "sok");
    let form = if given { Form::new(func) } else { Form::new(func).with("sok", "ok") };
    values.iter().fold(form, |form, (name, value)| form.with(*name, value))
}
