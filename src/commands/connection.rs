//! `check_connection` checks whether the login works. `tune_connection` adds the known addresses to the settings form.

use super::{Reply, call_error, required_document};
use crate::context::{Context, complete};
use crate::error::ModuleError;
use crate::model::ids::ModuleId;
use crate::model::sellers::addresses;
use crate::ports::ModuleAccess;
use crate::xml::Element;

/// Reads `<doc><processingmodule><url/><username/><password/>…`. The fields may also be children of doc itself.
fn access(ctx: &Context, doc: &Element) -> Result<ModuleAccess, ModuleError> {
    let fields = doc.child("processingmodule").unwrap_or(doc);
    let text = |name: &str| fields.value_of(name).or_else(|| doc.value_of(name)).unwrap_or_default().to_owned();
    // A password may begin or end with a space. Only line breaks around it belong to the document.
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

/// Returns the form with the list of known addresses. An address that is set already stays in the list.
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
