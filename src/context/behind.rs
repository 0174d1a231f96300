//! Why a machine could not catch up with the cluster's log, and how old its state is. A run that only looks goes on
//! with that state, and shows both.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::error::{Lang, Message, Text};
use crate::store::Freshness;
use crate::text;

/// The state of this machine, which may lack what other machines did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    freshness: Freshness,
    message: Message,
}

impl Behind {
    /// `why`: the words about the log. `now`: the moment of the look.
    pub fn new(why: &Message, freshness: Freshness, now: DateTime<Utc>) -> Self {
        let entry = freshness.entry;
        let age = match freshness.caught_up_at {
            Some(at) => {
                let (shown, minutes) = (at.format("%Y-%m-%d %H:%M:%S UTC"), (now - at).num_minutes().max(0));
                text!(
                    "This is the state of this machine as of {shown} ({minutes} min ago, entry {entry}), when it last caught up with the log. It lacks later changes of other machines",
                    "Показано состояние этой машины на {shown} ({minutes} мин назад, запись {entry}): тогда она последний раз сверялась с журналом. Более поздних изменений других машин в нём нет"
                )
            }
            None => text!(
                "This is the state of this machine as of entry {entry}, and it is not known when it last caught up with the log. It lacks later changes of other machines",
                "Показано состояние этой машины на записи {entry}; когда она последний раз сверялась с журналом, неизвестно. Более поздних изменений других машин в нём нет"
            ),
        };
        let cause = why.happened();
        let words = text!(["{}. {}", cause.en, age.en], ["{}. {}", cause.ru, age.ru]);
        let message = words.changed(text!("Nothing was changed", "Ничего не изменено"));
        let message = match why.next_step() {
            Some(step) => message.next(step.clone()),
            None => message,
        };
        Self { freshness, message }
    }

    /// For people.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Beside the title of a page.
    pub fn title(&self) -> Text {
        let place = match self.freshness.caught_up_at.map(|at| at.format("%Y-%m-%d %H:%M:%S UTC")) {
            Some(at) => text!("state of {at}", "состояние на {at}"),
            None => text!(
                ["state up to entry {}", self.freshness.entry],
                ["состояние до записи {} включительно", self.freshness.entry]
            ),
        };
        text!(["{}: the cluster's log cannot be read", place.en], ["{}: журнал кластера не читается", place.ru])
    }

    /// For programs: the field `replica` of an answer.
    pub fn json(&self, lang: Lang) -> Value {
        let mut json = self.message.parts(lang);
        json["entry"] = json!(self.freshness.entry);
        json["caught_up_at"] = json!(self.freshness.caught_up_at.map(|at| at.to_rfc3339()));
        json
    }
}
