//! explain: what the next look at a service would do, and why.

use serde_json::json;

use super::preview::with_fields;
use super::table::wrapped;
use super::{Answer, Desk};
use crate::engine::run_to_end;
use crate::error::{ModuleError, as_sentence};
use crate::model::ids::ItemId;
use crate::plan::cost::Bill;
use crate::session::{module_of_item, with_engine};
use crate::text;

/// `explain`
///
/// # Errors
/// `missed`: no such service.
pub fn explain(desk: &mut Desk<'_>, item: ItemId) -> Result<Answer, ModuleError> {
    let module = module_of_item(desk.ctx, item)?;
    let explained = with_engine(desk.ctx, module, |engine| run_to_end(engine.explain(item)))?;
    let mut text = String::new();
    if let Some(why) = &explained.away {
        let words = text!(
            ["{} These lines are from the last look.", as_sentence(&why.en)],
            ["{} Эти строки — по последнему просмотру.", as_sentence(&why.ru)]
        );
        text.push_str(&format!("{}\n", wrapped(desk.say(&words), desk.width, 2)));
    }
    let title = text!("the next sync of service {item}:", "следующий sync услуги {item}:");
    text.push_str(&format!("{}\n", desk.say(&title)));
    let lines: Vec<String> = explained.lines.iter().map(|change| desk.say(&change.line()).to_owned()).collect();
    for line in &lines {
        text.push_str(&format!("- {}\n", wrapped(line, desk.width, 2)));
    }
    let (bill, balance) = (Bill::of_changes(&explained.lines), explained.balance.as_ref());
    let sum = bill.sentence(balance);
    if !sum.en.is_empty() {
        text.push_str(&format!("{}\n", wrapped(desk.say(&sum), desk.width, 2)));
    }
    let away = explained.away.as_ref().map(|why| desk.say(why));
    let json = json!({ "item": item.0, "lines": lines, "upstream_away": away });
    Ok(Answer::new("explain", text, with_fields(json, bill.json(balance))))
}
