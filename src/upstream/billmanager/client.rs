//! One HTTP exchange with the seller, and what is known after it. Each request is a POST with everything in the body,
//! over HTTP/1.1. No redirect is followed, the library's own retries are off, and TLS is always verified. `NotSent` is
//! reported only for failures while the connection was being made; in any doubt the call is `Lost`. A call that is sent
//! once gets a fresh connection, so that it cannot get lost in a stale one. No error holds the login, the body of a
//! request, or the text of an answer.

use std::fmt;
use std::io::Read;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use reqwest::blocking::{Client, Response};
use reqwest::{StatusCode, Url};

use crate::error::{ModuleError, Text};
use crate::model::rules::{OrderApi, UpstreamRules};
use crate::ports::{CallError, ModuleAccess, Refusal, is_secret_name};
use crate::store::LastLook;
use crate::text;
use crate::trace::{Rows, Trace, shown};
use crate::upstream::connection::{
    Connecting, MASKED_LENGTH, MAX_ANSWER, RETRY_NEEDS, RETRY_PAUSE, date_of, new_client, words,
};
use crate::upstream::pace::Pace;
use crate::upstream::refusal::RefusalTable;
use crate::xml::{self, Element, XmlError};

/// Most bytes of one page of a list.
pub const MAX_LIST: u64 = 16 << 20;

/// How often a call may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It changes nothing. It is repeated once when it was not answered, over kept connections.
    Read,
    /// It names its target, so it is repeated like a read.
    Repeatable,
    /// It costs money or cannot be undone. It is sent once over a fresh connection, whatever happens.
    Once,
}

/// What is known after a call that did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// An error document.
    Refused(Refusal),
    /// It failed before the first byte of the request.
    NotSent(String),
    /// It may have been received; no answer came.
    Lost(String),
    /// An answer came that cannot be trusted. The text says what is wrong with it.
    Bad(Text),
    /// A form came instead of a result. Its name. Whether anything was carried out is not known.
    Form(String),
}

impl Failure {
    /// In words, for a trace.
    fn described(&self) -> String {
        match self {
            Self::Refused(refusal) => format!("refused: {refusal}"),
            Self::NotSent(why) => format!("not sent: {why}"),
            Self::Lost(why) => format!("sent, no answer: {why}"),
            Self::Bad(why) => format!("an answer that cannot be trusted: {}", why.en),
            Self::Form(name) => format!("the form {name:?} instead of a result"),
        }
    }
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => Self::Refused(refusal),
            Failure::NotSent(text) | Failure::Lost(text) => Self::Unreachable(text),
            Failure::Bad(text) => Self::BadAnswer(text),
            Failure::Form(name) => Self::Form(name),
        }
    }
}

/// One account at a seller's BILLmanager, over HTTP.
pub struct HttpUpstream {
    url: Url,
    username: String,
    password: String,
    timeout: Duration,
    connecting: Connecting,
    pub(super) order_api: OrderApi,
    pub(super) pace: Pace,
    refusals: RefusalTable,
    /// Keeps its connection between reads. It is built at first use, because building takes time.
    keeping: Option<Client>,
    /// A fresh connection for each call.
    fresh: Option<Client>,
    /// In a cluster: what the next call that is sent once has to check before its first byte.
    pub(super) last_look: Option<LastLook>,
    pub(super) last_date: Option<DateTime<Utc>>,
    trace: Trace,
}

impl fmt::Debug for HttpUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpUpstream({} {})", self.url, self.username)
    }
}

impl HttpUpstream {
    /// A client for an address that [`check_url`](crate::upstream::check_url) made. Nothing is sent yet.
    ///
    /// # Errors
    /// `config`, object `ca_file`, when that file is not a PEM file with certificates.
    pub fn new(
        url: Url,
        access: &ModuleAccess,
        rules: &UpstreamRules,
        refusals: RefusalTable,
    ) -> Result<Self, ModuleError> {
        Ok(Self {
            url,
            username: access.username.clone(),
            password: access.password.clone(),
            timeout: Duration::from_secs(u64::from(rules.timeout_s.max(1))),
            connecting: Connecting::by(rules)?,
            order_api: rules.order_api,
            pace: Pace::new(Duration::from_millis(u64::from(rules.pause_ms))),
            refusals,
            keeping: None,
            fresh: None,
            last_look: None,
            last_date: None,
            trace: Trace::default(),
        })
    }

    /// With a trace of its requests and answers.
    #[must_use]
    pub fn traced(self, trace: Trace) -> Self {
        Self { trace, ..self }
    }

    pub(super) fn password(&self) -> &str {
        &self.password
    }

    /// As [`HttpUpstream::document`], for calls whose answer is a result. A form as the answer is a failure.
    pub(super) fn result(&mut self, repeat: Repeat, func: &str, params: &[(&str, String)]) -> Result<Element, Failure> {
        let doc = self.document(repeat, func, params)?;
        form_in(&doc).map_or(Ok(doc), |name| Err(Failure::Form(name)))
    }

    /// Sends a call and returns its document, whose root is `<doc>` and which has no `<error>`. It may be a form, as
    /// the answer of `*.edit` is.
    pub(super) fn document(
        &mut self,
        repeat: Repeat,
        func: &str,
        params: &[(&str, String)],
    ) -> Result<Element, Failure> {
        let (trace, whom) = (self.trace.clone(), self.host());
        let doc = self.send(repeat, func, params, MAX_ANSWER, &mut |body| {
            let doc = xml::parse_stream(&mut *body, MAX_ANSWER)?;
            trace.answered(&whom, body.since, || shown(&doc));
            Ok(doc)
        })?;
        self.checked(func, doc)
    }

    /// Sends a read and returns the document that came, whatever it is: also an error document or a long list.
    pub(super) fn bare_document(&mut self, func: &str, params: &[(&str, String)]) -> Result<Element, Failure> {
        let (trace, whom) = (self.trace.clone(), self.host());
        self.send(Repeat::Read, func, params, MAX_LIST, &mut |body| {
            let doc = xml::parse_stream(&mut *body, MAX_LIST)?;
            trace.answered(&whom, body.since, || shown(&doc));
            Ok(doc)
        })
    }

    /// Sends a read whose answer is a list. Returns what `on_row` makes of each row `<elem>`, and the rest of the
    /// document with the children named in `keep`.
    pub(super) fn list<T>(
        &mut self,
        func: &str,
        params: &[(&str, String)],
        keep: &[&str],
        on_row: fn(Element) -> T,
    ) -> Result<(Vec<T>, Element), Failure> {
        let keep = [keep, &["error", "metadata", "ok"]].concat();
        let (trace, whom, is_traced) = (self.trace.clone(), self.host(), self.trace.is_on());
        let (rows, doc) = self.send(Repeat::Read, func, params, MAX_LIST, &mut |body| {
            let (mut rows, mut heard) = (Vec::new(), Rows::default());
            let frame = xml::read_rows(&mut *body, MAX_LIST, "elem", &keep, &mut |row| {
                if is_traced {
                    heard.add(&row);
                }
                rows.push(on_row(row));
            })?;
            trace.answered(&whom, body.since, || heard.with_frame(&frame.root));
            Ok((rows, frame.root))
        })?;
        let doc = self.checked(func, doc)?;
        form_in(&doc).map_or(Ok((rows, doc)), |name| Err(Failure::Form(name)))
    }

    fn checked(&self, func: &str, doc: Element) -> Result<Element, Failure> {
        if doc.name != "doc" {
            return Err(Failure::Bad(text!("{func}: the answer is not a <doc>", "{func}: ответ — не <doc>")));
        }
        match self.refusals.refusal(&doc) {
            None => Ok(doc),
            Some(refusal) => Err(Failure::Refused(Refusal {
                error_type: self.masked(refusal.error_type),
                object: self.masked(refusal.object),
                message: self.masked(refusal.message),
                ..refusal
            })),
        }
    }

    /// Masks the login, because the seller may quote what it was sent.
    fn masked(&self, text: String) -> String {
        if self.password.len() < MASKED_LENGTH { text } else { text.replace(&self.password, "***") }
    }

    fn send<T>(
        &mut self,
        repeat: Repeat,
        func: &str,
        params: &[(&str, String)],
        limit: u64,
        read: &mut dyn FnMut(&mut Body) -> Result<T, XmlError>,
    ) -> Result<T, Failure> {
        let deadline = Instant::now() + self.timeout;
        let first = self.attempt(repeat, func, params, limit, deadline, read);
        let may_repeat = match (&first, repeat) {
            (Err(Failure::NotSent(_) | Failure::Lost(_)), Repeat::Read | Repeat::Repeatable) => true,
            (_, Repeat::Once) | (Ok(_) | Err(Failure::Refused(_) | Failure::Bad(_) | Failure::Form(_)), _) => false,
        };
        if !may_repeat || deadline.saturating_duration_since(Instant::now()) < RETRY_NEEDS + RETRY_PAUSE {
            return first;
        }
        std::thread::sleep(RETRY_PAUSE);
        self.attempt(repeat, func, params, limit, deadline, read)
    }

    fn host(&self) -> String {
        self.url.host_str().unwrap_or_default().to_owned()
    }

    /// One exchange, with its trace. The content of a good answer is traced by the code that reads it.
    fn attempt<T>(
        &mut self,
        repeat: Repeat,
        func: &str,
        params: &[(&str, String)],
        limit: u64,
        deadline: Instant,
        read: &mut dyn FnMut(&mut Body) -> Result<T, XmlError>,
    ) -> Result<T, Failure> {
        let whom = self.host();
        self.trace.asked(&whom, func, params.iter().map(|(name, value)| (*name, value.as_str())), is_secret_name);
        let since = Instant::now();
        let result = self.exchange(repeat, func, params, limit, deadline, read);
        if let Err(failure) = &result {
            self.trace.answered(&whom, since, || failure.described());
        }
        result
    }

    fn exchange<T>(
        &mut self,
        repeat: Repeat,
        func: &str,
        params: &[(&str, String)],
        limit: u64,
        deadline: Instant,
        read: &mut dyn FnMut(&mut Body) -> Result<T, XmlError>,
    ) -> Result<T, Failure> {
        let since = Instant::now();
        let login = format!("{}:{}", self.username, self.password);
        let mut form = vec![("func", func), ("out", "xml"), ("lang", "en"), ("authinfo", &login)];
        form.extend(params.iter().map(|(key, value)| (*key, value.as_str())));
        let url = self.url.clone();
        let call = format!("{func} at {}", self.host());
        let client = self.client(repeat).map_err(|error| Failure::NotSent(format!("{call}: {}", words(error))))?;
        let left = deadline.saturating_duration_since(Instant::now());
        let response = client.post(url).timeout(left).form(&form).send().map_err(|error| {
            let before_sending = error.is_connect() || error.is_builder();
            let text = format!("{call}: {}", words(error));
            if before_sending { Failure::NotSent(text) } else { Failure::Lost(text) }
        })?;
        self.last_date = date_of(&response);
        if response.status() != StatusCode::OK {
            let status = response.status().as_u16();
            let what = text!("{call}: answered with HTTP status {status}", "{call}: ответ со статусом HTTP {status}");
            return Err(Failure::Bad(what));
        }
        if response.content_length().is_some_and(|length| length > limit) {
            return Err(Failure::Bad(bad_document(&call, &XmlError::TooLong(limit))));
        }
        let mut body = Body { response, deadline, since, timed_out: false };
        read(&mut body).map_err(|error| {
            if body.timed_out {
                Failure::Lost(format!("{call}: the answer did not arrive in time"))
            } else {
                Failure::Bad(bad_document(&call, &error))
            }
        })
    }

    fn client(&mut self, repeat: Repeat) -> Result<&Client, reqwest::Error> {
        let (slot, kept) = match repeat {
            Repeat::Read | Repeat::Repeatable => (&mut self.keeping, 1),
            Repeat::Once => (&mut self.fresh, 0),
        };
        let look = if repeat == Repeat::Once { self.last_look } else { None };
        let client = match slot.take().filter(|_| look.is_none()) {
            Some(client) => client,
            None => new_client(&self.url, kept, &self.connecting, look)?,
        };
        Ok(slot.insert(client))
    }
}

/// The name of the form that a document shows to be filled in: `doc/@func`, else the name of its metadata. A document
/// with `<ok/>` is not a form, whatever else it holds.
pub(super) fn form_in(doc: &Element) -> Option<String> {
    let metadata = doc.child("metadata").filter(|metadata| metadata.attribute("type") == Some("form"))?;
    let name = doc.attribute("func").or_else(|| metadata.attribute("name")).unwrap_or_default();
    doc.child("ok").is_none().then(|| name.to_owned())
}

fn bad_document(call: &str, error: &XmlError) -> Text {
    let why = match error {
        XmlError::TooLong(limit) => {
            text!("the answer is longer than {limit} bytes", "ответ длиннее {limit} байт")
        }
        XmlError::TooDeep | XmlError::TooMany => {
            text!("the answer has too many elements", "в ответе слишком много элементов")
        }
        XmlError::Doctype => {
            text!("the answer has a DOCTYPE, like a page of HTML", "в ответе есть DOCTYPE, как в HTML")
        }
        XmlError::Encoding(name) => text!(
            "the answer declares the encoding {name}, and only UTF-8 is read",
            "в ответе объявлена кодировка {name}, а читается только UTF-8"
        ),
        // The connection ended inside the answer.
        XmlError::Io(_) | XmlError::CutOff => text!("the answer is cut off or empty", "ответ оборван или пуст"),
        XmlError::Entity | XmlError::Rubbish | XmlError::Malformed(_) => {
            text!("the answer is not well-formed XML", "ответ — не правильный XML")
        }
    };
    text!(["{call}: {}", why.en], ["{call}: {}", why.ru])
}

/// The body of an answer. It remembers whether it ended because its time was over.
pub(super) struct Body {
    response: Response,
    deadline: Instant,
    /// When the request was begun.
    since: Instant,
    timed_out: bool,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if Instant::now() >= self.deadline {
            self.timed_out = true;
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        self.response.read(buffer).inspect_err(|error| {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<reqwest::Error>());
            self.timed_out =
                error.kind() == std::io::ErrorKind::TimedOut || inner.is_some_and(reqwest::Error::is_timeout);
        })
    }
}
