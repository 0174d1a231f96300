//! The module's error: a stable type, what it is about, words in two languages, and its document (CONTRACT.md 2).
//! Nothing is printed here.

use std::fmt;

/// Stable types of errors; each has texts in the XML description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A required value is missing, or what it names does not exist.
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
    /// Upstream wants money first.
    Nomoney,
    /// The account upstream is blocked.
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
    /// Upstream or panel not reached.
    Client,
    /// Upstream refused for another reason.
    Upstream,
    /// No answer that can be trusted.
    BadAnswer,
    /// It cannot be told whether a purchase happened: a person must look.
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
    /// All of them, for tests and documents.
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
    /// English, also for any language that we do not speak.
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
}

/// One message in both languages; made by [`text!`](crate::text).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    /// English; what the log holds.
    pub en: String,
    /// Russian.
    pub ru: String,
}

impl Text {
    /// The same words in both languages: upstream's own, names, numbers.
    pub fn same(words: impl Into<String>) -> Self {
        let en = words.into();
        Self { ru: en.clone(), en }
    }

    /// In the language asked for.
    pub fn in_lang(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.en,
            Lang::Ru => &self.ru,
        }
    }
}

/// A [`Text`](crate::error::Text) from two format strings, English first, with the same arguments; or, in brackets, with
/// arguments of their own: `text!(["{}: done", what.en], ["{}: готово", what.ru])`.
#[macro_export]
macro_rules! text {
    ([$en:literal $($en_args:tt)*], [$ru:literal $($ru_args:tt)*]) => {
        $crate::error::Text { en: format!($en $($en_args)*), ru: format!($ru $($ru_args)*) }
    };
    ($en:literal, $ru:literal $(, $($args:tt)*)?) => {
        $crate::error::Text { en: format!($en $(, $($args)*)?), ru: format!($ru $(, $($args)*)?) }
    };
}

/// A failed run: what was attempted and on which id, what is certain now, what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleError {
    /// The stable type.
    pub kind: ErrorKind,
    /// What it is about: `item`, `ip`, `licname`, `elid`, a key of the settings.
    pub object: String,
    /// The value at fault.
    pub value: String,
    /// For people.
    pub message: Text,
    /// What lay behind it, outermost first; never a secret.
    pub causes: Vec<String>,
}

impl ModuleError {
    /// An error about `object` = `value`.
    pub fn new(kind: ErrorKind, object: &str, value: impl fmt::Display, message: Text) -> Self {
        Self { kind, object: object.to_owned(), value: value.to_string(), message, causes: Vec::new() }
    }

    /// With a cause added below those it has.
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
