//! A reader of TOML tables. Every error names the key and its line. The reader itself knows no keys: a key that no code
//! asked for is unknown, and the error lists the possible ones.

use std::cell::RefCell;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use chrono::NaiveDate;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{ErrorKind, ModuleError, Text};
use crate::text;

/// The file being read.
#[derive(Debug, Clone, Copy)]
pub struct Source<'t> {
    /// Its path.
    pub path: &'t Path,
    /// Its text.
    pub text: &'t str,
}

impl Source<'_> {
    fn line(&self, offset: usize) -> usize {
        self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
    }

    /// An error about a key.
    pub fn error(&self, key: &str, line: usize, what: Text) -> ModuleError {
        let (path, Text { en, ru }) = (self.path.display(), what);
        ModuleError::new(
            ErrorKind::Config,
            key,
            line,
            text!("Settings file {path}, line {line}, {key}: {en}", "Файл настроек {path}, строка {line}, {key}: {ru}"),
        )
        .changed(text!("Nothing was done", "Ничего не сделано"))
        .next(text!("correct the line and repeat", "исправьте строку и повторите"))
    }

    /// The error of a file that is not TOML.
    pub fn syntax(&self, error: &toml::de::Error) -> ModuleError {
        let line = self.line(error.span().map_or(0, |span| span.start));
        // The parser's words may have several lines; our message must have one.
        let words = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
        self.error("toml", line, Text::same(words))
    }
}

/// One table. Known keys are taken out of it; those that are left at the end are unknown.
pub struct Table<'t> {
    source: Source<'t>,
    prefix: String,
    line: usize,
    entries: &'t DeTable<'t>,
    asked: RefCell<Vec<String>>,
}

/// A key with its value.
pub struct Field<'t> {
    source: Source<'t>,
    /// The key with the tables around it: `upstream.timeout_s`.
    pub key: String,
    /// Its line, from 1.
    pub line: usize,
    value: &'t DeValue<'t>,
}

impl<'t> Table<'t> {
    /// The top level of the file.
    pub fn root(source: Source<'t>, table: &'t Spanned<DeTable<'t>>) -> Self {
        Self { source, prefix: String::new(), line: 1, entries: table.get_ref(), asked: RefCell::default() }
    }

    /// The field of that name, if it is set.
    pub fn take(&self, name: &str) -> Option<Field<'t>> {
        self.asked.borrow_mut().push(name.to_owned());
        self.entries.iter().find(|(key, _)| key.get_ref() == name).map(|(key, value)| self.field(key, value))
    }

    fn field(&self, key: &'t Spanned<std::borrow::Cow<'t, str>>, value: &'t Spanned<DeValue<'t>>) -> Field<'t> {
        Field {
            source: self.source,
            key: format!("{}{}", self.prefix, key.get_ref()),
            line: self.source.line(key.span().start),
            value: value.get_ref(),
        }
    }

    /// All fields with their names, for tables whose keys are ids.
    pub fn fields(&self) -> Vec<(&'t str, Field<'t>)> {
        self.entries.iter().map(|(key, value)| (key.get_ref().as_ref(), self.field(key, value))).collect()
    }

    /// The field, or an error that names it.
    ///
    /// # Errors
    /// `config`.
    pub fn required(&self, name: &str) -> Result<Field<'t>, ModuleError> {
        self.take(name).ok_or_else(|| self.missing(name))
    }

    /// The error of a table without a key that it needs.
    pub fn missing(&self, name: &str) -> ModuleError {
        let key = format!("{}{name}", self.prefix);
        self.source.error(&key, self.line, text!("this key is required here", "этот ключ здесь обязателен"))
    }

    /// The error of a table whose keys do not fit together.
    pub fn wrong(&self, name: &str, what: Text) -> ModuleError {
        let key = format!("{}{name}", self.prefix);
        let line = self.entries.iter().find(|(key, _)| key.get_ref() == name);
        self.source.error(&key, line.map_or(self.line, |(key, _)| self.source.line(key.span().start)), what)
    }

    /// Must be called after all known keys were taken.
    ///
    /// # Errors
    /// `config` for the first unknown key.
    pub fn finish(self) -> Result<(), ModuleError> {
        let asked = self.asked.borrow();
        let unknown = |key: &str| !asked.iter().any(|known| known == key);
        let Some((key, _)) =
            self.entries.iter().filter(|(key, _)| unknown(key.get_ref())).min_by_key(|(key, _)| key.span().start)
        else {
            return Ok(());
        };
        let known = asked.join(", ");
        let full = format!("{}{}", self.prefix, key.get_ref());
        let what = text!("unknown key; known here: {known}", "неизвестный ключ; здесь известны: {known}");
        Err(self.source.error(&full, self.source.line(key.span().start), what))
    }
}

impl<'t> Field<'t> {
    /// An error about this field.
    pub fn wrong(&self, what: Text) -> ModuleError {
        self.source.error(&self.key, self.line, what)
    }

    fn expected(&self, en: &str, ru: &str) -> ModuleError {
        let found = self.value.type_str();
        self.wrong(text!("expected {en}, found a value of type {found}", "ожидается {ru}, найден тип {found}"))
    }

    /// A text.
    ///
    /// # Errors
    /// `config` here and below: another type, or out of bounds.
    pub fn text(&self) -> Result<&'t str, ModuleError> {
        self.value.as_str().ok_or_else(|| self.expected("a text in quotes", "текст в кавычках"))
    }

    /// A text that is not empty.
    ///
    /// # Errors
    /// `config`.
    pub fn filled(&self) -> Result<&'t str, ModuleError> {
        let text = self.text()?.trim();
        if text.is_empty() {
            Err(self.wrong(text!("must not be empty", "не может быть пустым")))
        } else {
            Ok(text)
        }
    }

    /// A text that is parsed: an address, a date.
    ///
    /// # Errors
    /// `config`, saying what is expected.
    pub fn parsed<T: FromStr>(&self, en: &str, ru: &str) -> Result<T, ModuleError> {
        let text = self.text()?.trim();
        text.parse().map_err(|_| self.wrong(text!("expected {en}, found {text:?}", "ожидается {ru}, найдено {text:?}")))
    }

    /// An absolute path.
    ///
    /// # Errors
    /// `config`.
    pub fn absolute_path(&self) -> Result<PathBuf, ModuleError> {
        let path = PathBuf::from(self.filled()?);
        if path.is_absolute() {
            return Ok(path);
        }
        Err(self.wrong(text!("expected a path that begins with /", "ожидается путь, начинающийся с /")))
    }

    /// An absolute path, or `None` for an empty text.
    ///
    /// # Errors
    /// `config`.
    pub fn optional_path(&self) -> Result<Option<PathBuf>, ModuleError> {
        if self.text()?.is_empty() { Ok(None) } else { self.absolute_path().map(Some) }
    }

    /// One of some words.
    ///
    /// # Errors
    /// `config`, listing the words.
    pub fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, ModuleError> {
        let text = self.text()?;
        let words = choices.iter().map(|(word, _)| format!("{word:?}")).collect::<Vec<_>>().join(", ");
        choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice).ok_or_else(|| {
            self.wrong(text!("expected one of {words}, found {text:?}", "ожидается одно из {words}, найдено {text:?}"))
        })
    }

    /// Yes or no.
    ///
    /// # Errors
    /// `config`.
    pub fn flag(&self) -> Result<bool, ModuleError> {
        self.value.as_bool().ok_or_else(|| self.expected("true or false", "true или false"))
    }

    /// A whole number.
    ///
    /// # Errors
    /// `config`, naming the bounds.
    pub fn number(&self, range: RangeInclusive<i64>) -> Result<i64, ModuleError> {
        let DeValue::Integer(number) = self.value else {
            return Err(self.expected("a whole number", "целое число"));
        };
        let (low, high) = (range.start(), range.end());
        i64::from_str_radix(number.as_str(), number.radix()).ok().filter(|number| range.contains(number)).ok_or_else(
            || self.wrong(text!("must be from {low} to {high}: {number}", "должно быть от {low} до {high}: {number}")),
        )
    }

    /// A number of a bounded kind.
    ///
    /// # Errors
    /// `config`.
    pub fn count(&self, range: RangeInclusive<u32>) -> Result<u32, ModuleError> {
        let number = self.number(i64::from(*range.start())..=i64::from(*range.end()))?;
        Ok(u32::try_from(number).unwrap_or(*range.end()))
    }

    /// An id: above zero.
    ///
    /// # Errors
    /// `config`.
    pub fn id(&self) -> Result<u32, ModuleError> {
        self.count(1..=u32::MAX)
    }

    /// A decimal amount as a text. The file may give it as text, whole number, or number with a fraction. It is never a
    /// float.
    ///
    /// # Errors
    /// `config`.
    pub fn amount(&self) -> Result<String, ModuleError> {
        match self.value {
            DeValue::String(text) => Ok(text.trim().to_owned()),
            DeValue::Integer(number) => self.number(i64::MIN..=i64::MAX).map(|_| number.to_string()),
            DeValue::Float(number) => Ok(number.as_str().to_owned()),
            DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                Err(self.expected("an amount such as \"12.50\"", "сумма вида \"12.50\""))
            }
        }
    }

    /// A calendar day.
    ///
    /// # Errors
    /// `config`.
    pub fn date(&self) -> Result<NaiveDate, ModuleError> {
        if let DeValue::Datetime(datetime) = self.value {
            let date = datetime.date.filter(|_| datetime.time.is_none());
            let day = date.and_then(|d| NaiveDate::from_ymd_opt(i32::from(d.year), d.month.into(), d.day.into()));
            return day.ok_or_else(|| self.expected("a date \"YYYY-MM-DD\"", "дата \"ГГГГ-ММ-ДД\""));
        }
        self.parsed("a date \"YYYY-MM-DD\"", "дата \"ГГГГ-ММ-ДД\"")
    }

    /// An address.
    ///
    /// # Errors
    /// `config`.
    pub fn address(&self) -> Result<IpAddr, ModuleError> {
        self.parsed("an IP address", "IP-адрес")
    }

    /// The elements of a list.
    ///
    /// # Errors
    /// `config`.
    pub fn list(&self) -> Result<Vec<Field<'t>>, ModuleError> {
        let Some(array) = self.value.as_array() else {
            return Err(self.expected("a list [ … ]", "список [ … ]"));
        };
        let element = |value: &'t Spanned<DeValue<'t>>| Field {
            source: self.source,
            key: self.key.clone(),
            line: self.source.line(value.span().start),
            value: value.get_ref(),
        };
        Ok(array.iter().map(element).collect())
    }

    /// A list, each element read by `read`.
    ///
    /// # Errors
    /// `config`.
    pub fn each<T>(&self, read: impl Fn(&Field<'t>) -> Result<T, ModuleError>) -> Result<Vec<T>, ModuleError> {
        self.list()?.iter().map(read).collect()
    }

    /// A table.
    ///
    /// # Errors
    /// `config`.
    pub fn table(&self) -> Result<Table<'t>, ModuleError> {
        let Some(entries) = self.value.as_table() else {
            return Err(self.expected("a table [ … ]", "таблица [ … ]"));
        };
        let prefix = format!("{}.", self.key);
        Ok(Table { source: self.source, prefix, line: self.line, entries, asked: RefCell::default() })
    }

    /// Whether it is a text, as opposed to yes or no.
    pub fn is_text(&self) -> bool {
        self.value.as_str().is_some()
    }
}
