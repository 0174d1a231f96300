//! The module's error: a stable type, the object that it concerns, a message in two languages, and its document
//! (docs/interface.md 2). Nothing is printed here.

mod halt;
mod message;

use std::fmt;

use crate::xml::escape;

pub use halt::Halt;
pub use message::Message;
use message::{with_change, with_step};

/// Stable types of errors; each has texts in the XML description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A required value is missing, or the thing that it names does not exist.
    Missed,
    /// An IP, a name, a number that cannot be used.
    BadValue,
    /// No such `--command`.
    UnknownCommand,
    /// The catalogue has no such internal name.
    UnknownInternalName,
    /// The product is no longer sold.
    SaleClosed,
    /// The product is not sold for that period.
    PeriodNotSold,
    /// The seller wants money first.
    Nomoney,
    /// The account at the seller is blocked.
    Blocked,
    /// The address changed less than a month ago.
    IpChangeLimit,
    /// The key changed less than a month ago.
    KeyChangeLimit,
    /// The address has such a license already.
    IpBusy,
    /// The license is no longer there.
    LicenseGone,
    /// Login refused.
    Auth,
    /// The seller or the panel was not reached.
    Client,
    /// The seller refused for another reason.
    Upstream,
    /// An answer cannot be trusted.
    BadAnswer,
    /// It is not known whether a purchase happened, so an operator must look.
    OrderUnknown,
    /// Another run holds the item.
    Busy,
    /// The panel's database.
    Database,
    /// The panel's tool.
    Mgrctl,
    /// Our state file.
    State,
    /// Settings.
    Config,
    /// The item or module is not ours.
    UnsupportedModule,
    /// The command is not carried out by this module.
    NotSupported,
}

impl ErrorKind {
    /// All types, for tests and documents.
    pub const ALL: [Self; 24] = [
        Self::Missed,
        Self::BadValue,
        Self::UnknownCommand,
        Self::UnknownInternalName,
        Self::SaleClosed,
        Self::PeriodNotSold,
        Self::Nomoney,
        Self::Blocked,
        Self::IpChangeLimit,
        Self::KeyChangeLimit,
        Self::IpBusy,
        Self::LicenseGone,
        Self::Auth,
        Self::Client,
        Self::Upstream,
        Self::BadAnswer,
        Self::OrderUnknown,
        Self::Busy,
        Self::Database,
        Self::Mgrctl,
        Self::State,
        Self::Config,
        Self::UnsupportedModule,
        Self::NotSupported,
    ];

    /// True if the module's license server was not reached, or refused the login. The panel registers a problem of the
    /// module then (docs/interface.md 2).
    pub fn is_of_connection(self) -> bool {
        matches!(self, Self::Client | Self::Auth)
    }

    /// The stable word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missed => "missed",
            Self::BadValue => "bad_value",
            Self::UnknownCommand => "unknown_command",
            Self::UnknownInternalName => "unknown_internal_name",
            Self::SaleClosed => "sale_closed",
            Self::PeriodNotSold => "period_not_sold",
            Self::Nomoney => "nomoney",
            Self::Blocked => "blocked",
            Self::IpChangeLimit => "ip_change_limit",
            Self::KeyChangeLimit => "key_change_limit",
            Self::IpBusy => "ip_busy",
            Self::LicenseGone => "license_gone",
            Self::Auth => "auth",
            Self::Client => "client",
            Self::Upstream => "upstream",
            Self::BadAnswer => "bad_answer",
            Self::OrderUnknown => "order_unknown",
            Self::Busy => "busy",
            Self::Database => "database",
            Self::Mgrctl => "mgrctl",
            Self::State => "state",
            Self::Config => "config",
            Self::UnsupportedModule => "unsupported_module",
            Self::NotSupported => "not_supported",
        }
    }
}

/// The language of a message for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    /// English, also for every other language.
    #[default]
    En,
    /// Russian.
    Ru,
}

impl Lang {
    /// From `--lang` or a locale such as `ru_RU.UTF-8`.
    pub fn parse(text: &str) -> Self {
        if text.to_ascii_lowercase().starts_with("ru") { Self::Ru } else { Self::En }
    }

    /// Its code in documents and locales.
    pub fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ru => "ru",
        }
    }
}

/// One message in both languages; made by [`text!`](crate::text).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    /// English. The log uses it.
    pub en: String,
    /// Russian.
    pub ru: String,
}

impl Text {
    /// The same words in both languages: the seller's own, names, numbers.
    pub fn same(words: impl Into<String>) -> Self {
        let en = words.into();
        Self { ru: en.clone(), en }
    }

    /// The text in a language.
    pub fn in_lang(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.en,
            Lang::Ru => &self.ru,
        }
    }
}

/// A number with a noun in English: "1 month", "12 months". Russian texts put the number where the form of the noun
/// does not depend on it.
pub fn counted(number: impl fmt::Display, what: &str) -> String {
    let number = number.to_string();
    let ending = if number == "1" { "" } else { "s" };
    format!("{number} {what}{ending}")
}

/// A [`Text`](crate::error::Text) from two format strings, English first, with the same arguments; or, in brackets,
/// with arguments of their own: `text!(["{}: done", what.en], ["{}: готово", what.ru])`.
#[macro_export]
macro_rules! text {
    ([$en:literal $($en_args:tt)*], [$ru:literal $($ru_args:tt)*]) => {
        $crate::error::Text { en: format!($en $($en_args)*), ru: format!($ru $($ru_args)*) }
    };
    ($en:literal, $ru:literal $(, $($args:tt)*)?) => {
        $crate::error::Text { en: format!($en $(, $($args)*)?), ru: format!($ru $(, $($args)*)?) }
    };
}

/// The beginning of every document of ours.
pub const XML_HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";

/// The longest wrong value that is shown. A longer value is probably a whole file.
pub const VALUE_CHARS: usize = 500;

/// The longest quotation of a seller or the panel in a message of ours, which continues after it.
pub const QUOTED_CHARS: usize = 1000;

/// The longest message that is shown.
pub const MESSAGE_CHARS: usize = 4000;

/// The first `chars` characters of a text. A text that was cut ends in "…".
pub fn shortened(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Like [`shortened`], for a text that people read: it says how much was left out.
pub fn shortened_words(words: &str, chars: usize) -> String {
    match words.chars().skip(chars).count() {
        0 => words.to_owned(),
        left_out => format!("{} (cut, +{left_out} chars)", shortened(words, chars)),
    }
}

/// The words with a full stop, unless they end with a punctuation mark already.
pub fn as_sentence(words: &str) -> String {
    if words.ends_with(['.', '!', '?', '…']) { words.to_owned() } else { format!("{words}.") }
}

/// A part of a message as an element of the error's document. Empty without the part.
fn element(name: &str, part: Option<&Text>, lang: Lang) -> String {
    part.map_or_else(String::new, |text| {
        format!("<{name}>{}</{name}>", escape(&shortened_words(text.in_lang(lang), MESSAGE_CHARS)))
    })
}

/// The error of a run: what was attempted and on which id, what is certain now, what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleError {
    /// The stable type, for people and scripts.
    pub kind: ErrorKind,
    /// Why the work stopped, for callers that may have another way.
    pub halt: Halt,
    /// The object that it concerns: `item`, `ip`, `licname`, `elid`, a key of the settings.
    pub object: String,
    /// The wrong value.
    pub value: String,
    /// The whole message for people: what happened, what was changed, the next step. It is boxed, so that a `Result`
    /// with an error stays small.
    pub message: Box<Text>,
    /// The part of the message that says what was changed, or that nothing was; where the message has such a part.
    pub changed: Option<Box<Text>>,
    /// The part of the message that says what to do next, without the word "Next".
    pub next: Option<Box<Text>>,
    /// The causes, the outermost first. They never hold a secret.
    pub causes: Vec<String>,
}

impl ModuleError {
    /// An error about `object` = `value`. `message`: what happened, as a sentence, or a whole [`Message`].
    /// [`ModuleError::changed`] and [`ModuleError::next`] add the other two parts of a message, in this order.
    pub fn new(kind: ErrorKind, object: &str, value: impl fmt::Display, message: impl Into<Message>) -> Self {
        let Message { happened, changed, next } = message.into();
        let mut error = Self {
            kind,
            halt: Halt::Final,
            object: object.to_owned(),
            value: value.to_string(),
            message: Box::new(happened),
            changed: None,
            next: None,
            causes: Vec::new(),
        };
        if let Some(sentence) = changed {
            error = error.changed(sentence);
        }
        match next {
            Some(step) => error.next(step),
            None => error,
        }
    }

    /// With the reason for callers that may have another way.
    #[must_use]
    pub fn halted(self, halt: Halt) -> Self {
        Self { halt, ..self }
    }

    /// With the sentence that says what was changed, or that nothing was.
    #[must_use]
    pub fn changed(mut self, sentence: Text) -> Self {
        *self.message = with_change(&self.message, &sentence);
        self.changed = Some(Box::new(sentence));
        self
    }

    /// With the next step: a command, or an action of the operator.
    #[must_use]
    pub fn next(mut self, step: Text) -> Self {
        *self.message = with_step(&self.message, &step);
        self.next = Some(Box::new(step));
        self
    }

    /// The document that the panel reads on stdout: the stable type, and the message in its language
    /// (docs/interface.md 2). Secrets are masked by the caller. Ends with a line break.
    pub fn document(&self, lang: Lang) -> String {
        let value = escape(&shortened(&self.value, VALUE_CHARS));
        format!(
            "{XML_HEAD}<doc><error type=\"{}\" object=\"{}\" value=\"{value}\"><param name=\"value\">{value}</param>\
             <msg>{}</msg>{}{}</error></doc>\n",
            self.kind.word(),
            escape(&self.object),
            escape(&shortened_words(self.message.in_lang(lang), MESSAGE_CHARS)),
            element("changed", self.changed.as_deref(), lang),
            element("next", self.next.as_deref(), lang),
        )
    }

    /// The whole message with its causes, as a part of another message. Causes are as the system or the seller said
    /// them.
    pub fn words(&self) -> Text {
        let causes: String = self.causes.iter().map(|cause| format!(" ({cause})")).collect();
        text!(["{}{causes}", self.message.en], ["{}{causes}", self.message.ru])
    }

    /// The message without its next step, for a place that shows the step beside it.
    pub fn without_next(&self) -> Text {
        let Some(next) = &self.next else { return (*self.message).clone() };
        let cut = |whole: &str, word: &str, step: &str| {
            let rest = whole.strip_suffix(step).and_then(|rest| rest.strip_suffix(word));
            rest.unwrap_or(whole).to_owned()
        };
        let (en, ru) = (cut(&self.message.en, " Next: ", &next.en), cut(&self.message.ru, " Далее: ", &next.ru));
        Text { en, ru }
    }

    /// The parts of the message as fields for programs: `null` where the message does not have them.
    pub fn parts(&self, lang: Lang) -> (Option<&str>, Option<&str>) {
        (self.changed.as_deref().map(|text| text.in_lang(lang)), self.next.as_deref().map(|text| text.in_lang(lang)))
    }

    /// The same error with every text passed through `mask`, which takes the secrets out.
    #[must_use]
    pub fn mapped(mut self, mask: impl Fn(&str) -> String) -> Self {
        let parts = [Some(&mut self.message), self.changed.as_mut(), self.next.as_mut()];
        let words = parts.into_iter().flatten().flat_map(|text| {
            let Text { en, ru } = text.as_mut();
            [en, ru]
        });
        let texts = [&mut self.object, &mut self.value].into_iter().chain(words).chain(&mut self.causes);
        texts.for_each(|text| *text = mask(text));
        self
    }

    /// With one more cause, below the existing ones.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }
}

impl fmt::Display for ModuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.word(), self.message.en)?;
        self.causes.iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

impl std::error::Error for ModuleError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exact bytes that the panel gets, in its language, whatever the value holds.
    #[test]
    fn an_error_document_has_exact_bytes_whatever_the_value_holds() {
        let error = ModuleError::new(
            ErrorKind::BadValue,
            "ip",
            "a\"<b>&'\u{1}",
            text!("{} is no address", "{}: это не адрес", "x & y"),
        );
        let want = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><doc><error type=\"bad_value\" object=\"ip\" \
                    value=\"VALUE\"><param name=\"value\">VALUE</param><msg>x &amp; y is no address</msg></error></doc>\n";
        let value = escape("a\"<b>&'\u{1}");
        assert_eq!(error.document(Lang::En), want.replace("VALUE", &value));
        assert!(error.document(Lang::parse("ru_RU.UTF-8")).contains("<msg>x &amp; y: это не адрес</msg>"));
        let long = ModuleError::new(ErrorKind::Missed, "item", "я".repeat(5000), Text::same("m"));
        assert!(long.document(Lang::En).chars().count() < 2 * VALUE_CHARS + 300);
        let long = ModuleError::new(ErrorKind::Upstream, "item", "", Text::same("я".repeat(MESSAGE_CHARS + 17)));
        assert!(long.document(Lang::Ru).contains("я… (cut, +17 chars)</msg>"));
    }

    /// The three parts of a message are one text for people, and fields of their own for programs.
    #[test]
    fn a_message_has_three_parts() {
        let error = ModuleError::new(ErrorKind::Busy, "item", 42, text!("It is held", "Занято"))
            .changed(text!("Nothing was done", "Ничего не сделано"))
            .next(text!("pmisplicense show 42", "pmisplicense show 42"));
        assert_eq!(error.message.en, "It is held. Nothing was done. Next: pmisplicense show 42");
        assert_eq!(error.message.ru, "Занято. Ничего не сделано. Далее: pmisplicense show 42");
        assert_eq!(error.parts(Lang::Ru), (Some("Ничего не сделано"), Some("pmisplicense show 42")));
        assert_eq!(error.without_next(), text!("It is held. Nothing was done.", "Занято. Ничего не сделано."));
        let document = error.document(Lang::En);
        let end = "<changed>Nothing was done</changed><next>pmisplicense show 42</next></error></doc>\n";
        assert!(document.ends_with(&format!("Next: pmisplicense show 42</msg>{end}")), "{document}");
        let words = text!("It is held", "Занято").changed(text!("Nothing was done", "Ничего не сделано"));
        let words = words.next(text!("pmisplicense show 42", "pmisplicense show 42"));
        assert_eq!(ModuleError::new(ErrorKind::Busy, "item", 42, words), error);
    }

    /// A secret is removed from every part of an error.
    #[test]
    fn a_secret_is_removed_from_every_part_of_an_error() {
        let secret = || Text::same("s3cret");
        let error = ModuleError::new(ErrorKind::Client, "url", "s3cret", secret()).changed(secret()).next(secret());
        let error = error.because("s3cret");
        assert!(!format!("{:?}", error.mapped(|text| text.replace("s3cret", "***"))).contains("s3cret"));
    }

    /// The words are stable and each kind has its own.
    #[test]
    fn each_kind_of_error_has_a_word_of_its_own() {
        let mut words: Vec<_> = ErrorKind::ALL.iter().map(|kind| kind.word()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), ErrorKind::ALL.len());
    }
}
