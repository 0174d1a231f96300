//! `check_connection`: does the login work; `tune_connection`: the settings form with the known addresses.

use super::{Reply, call_error, required_document};
use crate::context::{Context, complete};
use crate::error::ModuleError;
use crate::model::ids::ModuleId;
use crate::model::sellers::addresses;
use crate::ports::ModuleAccess;
use crate::xml::Element;

/// `<doc><processingmodule><url/><username/><password/>…`; the fields may also stand under doc itself.
fn access(ctx: &Context, doc: &Element) -> Result<ModuleAccess, ModuleError> {
    let fields = doc.child("processingmodule").unwrap_or(doc);
    let text = |name: &str| fields.value_of(name).or_else(|| doc.value_of(name)).unwrap_or_default().to_owned();
    // A password may begin or end with a space: only line breaks around it are the document's.
    let password = fields.child("password").or_else(|| doc.child("password"));
    let password = password.map(|field| field.text.trim_matches(['\r', '\n'])).unwrap_or_default().to_owned();
    ctx.log.secret(&password);
    let id = fields.value_of("id").and_then(|id| id.parse().ok());
    let module = ctx.module.or(id).unwrap_or(ModuleId(0));
    let access = ModuleAccess { module, url: text("url"), username: text("username"), password };
    complete(&access)?;
    Ok(access)
}

/// Logs in at the seller with the settings on stdin.
pub fn check(ctx: &mut Context) -> Result<Reply, ModuleError> {
    let doc = required_document(ctx)?;
    let access = access(ctx, &doc)?;
    let mut upstream = ctx.connector.connect(&access)?;
    let who = upstream.whoami().map_err(|error| call_error(&access.url, &error))?;
    ctx.log.info(&format!("login at {} works: {who}", access.url));
    Ok(Reply::ok())
}

/// Prints the form back with the list of known addresses; one that is set already stays choosable.
pub fn tune(ctx: &mut Context) -> Result<Reply, ModuleError> {
    let mut doc = required_document(ctx)?;
    let current = doc.value_of("url").unwrap_or_default().to_owned();
    doc.children.retain(|child| !(child.name == "slist" && child.attribute("name") == Some("url")));
    let mut list = Element::new("slist").with_attribute("name", "url");
    let mut known: Vec<&str> = addresses().collect();
    if !current.is_empty() && !known.contains(&current.as_str()) {
        known.push(&current);
    }
    for address in known {
        list = list.with_child(Element::new("msg").with_attribute("key", address).with_text(address));
    }
    Ok(Reply::document(&doc.with_child(list)))
}
