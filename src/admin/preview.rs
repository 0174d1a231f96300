//! Shows what `bind`, `move` and `resolve` change and cost, before the operator is asked: the license now and
//! afterwards, the changes, and the bill.

use serde_json::{Value, json};

use super::list::key_end;
use super::table::{table, wrapped};
use super::{Answer, Desk, dash};
use crate::engine::{Face, Preview, ShownKey};
use crate::error::Text;
use crate::text;

/// The lines of the page: a table of the values now and afterwards, then further changes and their costs, then their
/// sum and the balance. Of keys only the end is shown.
pub fn page(desk: &Desk<'_>, preview: &Preview) -> String {
    let mut page = format!("{}\n", wrapped(desk.say(&preview.title), desk.width, 2));
    if let Some(faces) = &preview.faces {
        let head = [text!("", ""), text!("NOW", "СЕЙЧАС"), text!("THEN", "ПОТОМ")];
        let head: Vec<&str> = head.iter().map(|title| desk.say(title)).collect();
        page.push_str(&table(&head, &rows(desk, faces, &preview.outward), desk.width));
    }
    for change in &preview.changes {
        page.push_str(&format!("- {}\n", wrapped(desk.say(&change.line()), desk.width, 2)));
    }
    let sum = preview.bill().sentence(preview.balance.as_ref());
    if !sum.en.is_empty() {
        page.push_str(&format!("{}\n", wrapped(desk.say(&sum), desk.width, 2)));
    }
    page
}

/// The answer of a dry run: the page and, below it, what the command would say before it asks. Programs get the same as
/// fields.
pub fn answer(desk: &Desk<'_>, command: &str, plan: &Text, preview: Option<&Preview>) -> Answer {
    let page = preview.map_or_else(String::new, |preview| page(desk, preview));
    let plan = desk.say(plan);
    let end = text!("This is a dry run. Nothing was changed.", "Это пробный прогон. Ничего не изменено.");
    let end = desk.say(&end);
    let text = format!("{page}{}\n{end}\n", wrapped(plan, desk.width, 2));
    let mut json = preview.map_or_else(|| json!({}), |preview| json_of(desk, preview));
    if let Some(fields) = json.as_object_mut() {
        fields.insert("dry_run".to_owned(), Value::Bool(true));
        fields.insert("text".to_owned(), json!(plan));
    }
    Answer::new(command, text, json)
}

fn json_of(desk: &Desk<'_>, preview: &Preview) -> Value {
    let face = |face: &Face| {
        let key = match &face.key {
            ShownKey::None => None,
            ShownKey::Known(key) => Some(key_end(key.reveal())),
            ShownKey::New => Some("new".to_owned()),
        };
        json!({
            "license": face.license.map(|license| license.0), "key": key, "product": face.product, "ip": face.ip,
            "name": face.name, "mark": face.mark, "renews_itself": face.renews_itself,
            "item": face.item.map(|item| item.0),
        })
    };
    let changes: Vec<Value> = preview
        .changes
        .iter()
        .map(|change| {
            let cost = change.cost.as_ref().map(|cost| desk.say(cost));
            json!({ "what": desk.say(&change.what), "cost": cost, "price": change.price.as_ref().map(ToString::to_string) })
        })
        .collect();
    let json = json!({
        "now": preview.faces.as_ref().map(|faces| face(&faces[0])),
        "then": preview.faces.as_ref().map(|faces| face(&faces[1])),
        "changes": changes,
    });
    with_fields(json, preview.bill().json(preview.balance.as_ref()))
}

/// An object with the fields of another one added.
pub fn with_fields(mut json: Value, more: Value) -> Value {
    if let (Value::Object(fields), Value::Object(more)) = (&mut json, more) {
        fields.extend(more);
    }
    json
}

/// A row of the table, in words.
pub type Row = (Text, String, String);

/// The rows of the table: what a license has, now and afterwards.
fn rows(desk: &Desk<'_>, faces: &[Face; 2], outward: &[Option<String>; 2]) -> Vec<Vec<String>> {
    let rows = compared(desk, faces, outward).into_iter();
    rows.map(|(what, now, then)| vec![desk.say(&what).to_owned(), now, then]).collect()
}

/// What a license has, now and afterwards.
pub fn compared(desk: &Desk<'_>, [now, then]: &[Face; 2], outward: &[Option<String>; 2]) -> Vec<Row> {
    let named = |words: Text| desk.say(&words).to_owned();
    let key = |face: &Face| match &face.key {
        ShownKey::None => "-".to_owned(),
        ShownKey::Known(key) => key_end(key.reveal()),
        ShownKey::New => named(text!("a new one", "новый")),
    };
    let renews = |face: &Face| match face.renews_itself {
        Some(true) => named(text!("by itself", "сама")),
        Some(false) => named(text!("by us", "нами")),
        None => "?".to_owned(),
    };
    let both = |what: Text, shown: &dyn Fn(&Face) -> String| (what, shown(now), shown(then));
    let mut rows = vec![
        both(text!("key", "ключ"), &key),
        both(text!("product", "продукт"), &|face| face.product.clone()),
        both(text!("address", "IP"), &|face| dash(face.ip)),
    ];
    let is_set = |outward: &Option<String>| outward.as_ref().is_some_and(|ip| !ip.is_empty());
    // The row is left out if there is no outward address, neither now nor afterwards, or if it is not known and nothing
    // is sent.
    let [outward_now, outward_then] = outward;
    if is_set(outward_now) || is_set(outward_then) || outward_now != outward_then {
        let known = |ip: &str| dash(Some(ip).filter(|ip| !ip.is_empty()));
        let shown = |outward: &Option<String>| outward.as_deref().map_or_else(|| "?".to_owned(), known);
        rows.push((text!("outward address", "внешний IP"), shown(outward_now), shown(outward_then)));
    }
    rows.extend([
        both(text!("name", "имя"), &|face| face.name.clone()),
        both(text!("mark", "метка"), &|face| dash(face.mark.as_ref())),
        both(text!("renewed", "продление"), &renews),
        both(text!("service", "услуга"), &|face| dash(face.item)),
    ]);
    if now.license != then.license {
        let number = |face: &Face| match face.license {
            Some(license) => license.to_string(),
            None => named(text!("a new one", "новая")),
        };
        rows.insert(0, both(text!("license", "лицензия"), &number));
    }
    rows
}
