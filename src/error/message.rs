//! The three parts of a message: what happened, what was changed, and the next step.

use serde_json::{Value, json};

use super::{Lang, Text, as_sentence};
use crate::text;

/// The three parts of a message that is no error, or of which no error is made yet. People read them as one text;
/// programs find each part in a field of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub(super) happened: Text,
    pub(super) changed: Option<Text>,
    pub(super) next: Option<Text>,
}

impl Message {
    /// What happened.
    pub fn happened(&self) -> &Text {
        &self.happened
    }

    /// The next step, if the message names one.
    pub fn next_step(&self) -> Option<&Text> {
        self.next.as_ref()
    }

    /// With the next step: a command, or an action of the operator.
    #[must_use]
    pub fn next(self, step: Text) -> Self {
        Self { next: Some(step), ..self }
    }

    /// The whole message for people.
    pub fn text(&self) -> Text {
        let text = match &self.changed {
            Some(sentence) => with_change(&self.happened, sentence),
            None => self.happened.clone(),
        };
        match &self.next {
            Some(step) => with_step(&text, step),
            None => text,
        }
    }

    /// The parts for programs: `null` where the message does not have them.
    pub fn parts(&self, lang: Lang) -> Value {
        let part = |part: &Option<Text>| part.as_ref().map(|text| text.in_lang(lang).to_owned());
        json!({
            "what": self.happened.in_lang(lang), "changed": part(&self.changed), "next": part(&self.next),
        })
    }
}

impl From<Text> for Message {
    fn from(happened: Text) -> Self {
        Self { happened, changed: None, next: None }
    }
}

impl From<&Text> for Message {
    fn from(happened: &Text) -> Self {
        happened.clone().into()
    }
}

impl Text {
    /// The beginning of a message: this text says what happened, `sentence` what was changed, or that nothing was.
    #[must_use]
    pub fn changed(self, sentence: Text) -> Message {
        Message { changed: Some(sentence), ..Message::from(self) }
    }

    /// A message without a word about changes: this text says what happened, `step` what to do next.
    #[must_use]
    pub fn next(self, step: Text) -> Message {
        Message::from(self).next(step)
    }
}

/// A text, followed by the sentence about changes.
pub(super) fn with_change(text: &Text, sentence: &Text) -> Text {
    text!(
        ["{} {}", as_sentence(&text.en), as_sentence(&sentence.en)],
        ["{} {}", as_sentence(&text.ru), as_sentence(&sentence.ru)]
    )
}

/// A text, followed by the next step.
pub(super) fn with_step(text: &Text, step: &Text) -> Text {
    text!(["{} Next: {}", as_sentence(&text.en), step.en], ["{} Далее: {}", as_sentence(&text.ru), step.ru])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// People read one text, programs the parts.
    #[test]
    fn a_message_is_one_text_for_people_and_parts_for_programs() {
        let whole = text!("It is there", "Она есть").changed(text!("Nothing was changed", "Ничего не изменено"));
        let whole = whole.next(text!("pmisplicense show 42", "pmisplicense show 42"));
        assert_eq!(whole.text().en, "It is there. Nothing was changed. Next: pmisplicense show 42");
        assert_eq!(whole.text().ru, "Она есть. Ничего не изменено. Далее: pmisplicense show 42");
        let parts = json!({ "what": "Она есть", "changed": "Ничего не изменено", "next": "pmisplicense show 42" });
        assert_eq!(whole.parts(Lang::Ru), parts);
        let bare = Message::from(text!("It is there", "Она есть"));
        assert_eq!((bare.text().en.as_str(), &bare.parts(Lang::En)["next"]), ("It is there", &Value::Null));
    }
}
