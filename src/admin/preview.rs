//! Shows what binding a license to a service changes, before and after, before the operator is asked: for `bind` and
//! `resolve --bought`.

use super::list::key_end;
use super::table::{table, wrapped};
use super::{Desk, dash};
use crate::engine::Preview;
use crate::error::Text;
use crate::model::license::RemoteId;
use crate::plan::identity::KeyFate;
use crate::text;

/// The lines of the page: a table of the values now and afterwards, then further changes and their costs. Of keys only
/// the end is shown.
pub fn page(desk: &Desk<'_>, preview: &Preview) -> String {
    let (item, client, seen) = (preview.item, preview.client, &preview.seen);
    let title = text!(
        "License {} for service {item} ({}, client {client}):",
        "Лицензия {} для услуги {item} ({}, клиент {client}):",
        seen.id,
        preview.item_name
    );
    let mut page = format!("{}\n", wrapped(desk.say(&title), desk.width, 2));
    let head = [text!("", ""), text!("NOW", "СЕЙЧАС"), text!("THEN", "ПОТОМ")];
    let head: Vec<&str> = head.iter().map(|title| desk.say(title)).collect();
    page.push_str(&table(&head, &rows(desk, preview), desk.width));
    for line in lines(preview) {
        page.push_str(&format!("- {}\n", wrapped(desk.say(&line), desk.width, 2)));
    }
    page
}

fn rows(desk: &Desk<'_>, preview: &Preview) -> Vec<Vec<String>> {
    let (seen, target) = (&preview.seen, &preview.target);
    let key = dash(seen.key.as_ref().map(|key| key_end(key.reveal())));
    let key_then = match preview.key {
        KeyFate::Kept => key.clone(),
        KeyFate::New => desk.say(&text!("a new one", "новый")).to_owned(),
    };
    let ip = dash(seen.ip);
    let mark = match &seen.remoteid {
        RemoteId::Text(text) => text.clone(),
        RemoteId::Absent | RemoteId::Empty => "-".to_owned(),
    };
    let ours = format!("pml-{}-{}-", preview.panel.as_str(), preview.item);
    let mark_then = if mark.starts_with(&ours) { mark.clone() } else { format!("{ours}…") };
    let renews = |itself: Option<bool>| match itself {
        Some(true) => desk.say(&text!("by itself", "сама")).to_owned(),
        Some(false) => desk.say(&text!("by us", "нами")).to_owned(),
        None => "?".to_owned(),
    };
    let named = |words: Text| desk.say(&words).to_owned();
    let served = dash(preview.from);
    let mut rows = vec![
        (named(text!("key", "ключ")), key, key_then),
        (named(text!("product", "продукт")), preview.has_product.clone(), target.internal_name.clone()),
        (named(text!("address", "IP")), ip.clone(), target.ip.map_or(ip, |ip| ip.to_string())),
        (named(text!("name", "имя")), seen.shown_name().to_owned(), target.licname.clone()),
        (named(text!("mark", "метка")), mark, mark_then),
        (named(text!("renewed", "продление")), renews(seen.autoprolong), renews(Some(false))),
        (named(text!("service", "услуга")), served, preview.item.to_string()),
    ];
    let [now, then] = &preview.outward;
    let is_set = |outward: &Option<String>| outward.as_ref().is_some_and(|ip| !ip.is_empty());
    // Nothing to say where there is none and will be none, or where nobody knows of one and nothing is sent.
    if is_set(now) || is_set(then) || now != then {
        let known = |ip: &str| dash(Some(ip).filter(|ip| !ip.is_empty()));
        let shown = |outward: &Option<String>| outward.as_deref().map_or_else(|| "?".to_owned(), known);
        rows.insert(AFTER_ADDRESS, (named(text!("outward address", "внешний IP")), shown(now), shown(then)));
    }
    rows.into_iter().map(|(what, now, then)| vec![what, now, then]).collect()
}

/// Where the outward address stands: below the address.
const AFTER_ADDRESS: usize = 3;

fn lines(preview: &Preview) -> Vec<Text> {
    let (id, item) = (preview.seen.id, preview.item);
    let mut lines = Vec::new();
    if let Some(known) = preview.former_client {
        let client = preview.client;
        lines.push(text!(
            "client {client} of service {item} is accepted in place of client {known}",
            "клиент {client} услуги {item} принимается вместо клиента {known}"
        ));
    }
    if let Some(from) = preview.from {
        lines.push(text!("service {from} loses license {id}", "услуга {from} лишается лицензии {id}"));
    }
    if let Some(old) = preview.frees {
        lines.push(text!("license {old} of service {item} is freed", "лицензия {old} услуги {item} освобождается"));
    }
    for change in &preview.changes {
        lines.push(match &change.cost {
            None => change.what.clone(),
            Some(cost) => text!(["{} ({})", change.what.en, cost.en], ["{} ({})", change.what.ru, cost.ru]),
        });
    }
    lines
}
