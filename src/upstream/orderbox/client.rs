//! One HTTP exchange with OrderBox, and what is known after it. A read is a GET with everything in the query, and a
//! write is a POST with everything in the body. No redirect is followed, no write is retried, and TLS is always
//! verified. The address of a read holds the login, so neither the address nor the text of an answer gets into an error
//! or the log.

use std::fmt;
use std::io::Read as _;
use std::net::{IpAddr, ToSocketAddrs as _, UdpSocket};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use reqwest::Url;
use reqwest::blocking::{Client, RequestBuilder};
use serde_json::Value;

use super::decode;
use super::refusal::refusal_of;
use crate::error::ModuleError;
use crate::model::hosting::{HostingRules, ProductLine};
use crate::model::rules::UpstreamRules;
use crate::ports::{CallError, ModuleAccess, Refusal, RefusalKind, is_secret_name};
use crate::store::LastLook;
use crate::text;
use crate::trace::Trace;
use crate::upstream::connection::{
    Connecting, MASKED_LENGTH, MAX_ANSWER, RETRY_NEEDS, RETRY_PAUSE, date_of, new_client, words,
};
use crate::upstream::pace::Pace;
use crate::upstream::refusal::RefusalTable;

/// What is known when no answer came.
#[derive(Debug)]
pub(super) enum Silence {
    /// It failed before the first byte of the request.
    NotSent(String),
    /// It may have been received.
    Lost(String),
}

/// An answer: its HTTP status, and its body if that is JSON.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Option<Value>,
}

impl Answer {
    /// Whether the HTTP status means success.
    pub(super) fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// One account of OrderBox.
pub struct OrderBox {
    url: Url,
    userid: String,
    api_key: String,
    timeout: Duration,
    connecting: Connecting,
    pub(super) lines: Vec<ProductLine>,
    pub(super) pace: Pace,
    refusals: RefusalTable,
    /// Keeps its connection between reads.
    keeping: Option<Client>,
    /// A fresh connection for each write.
    fresh: Option<Client>,
    /// In a cluster: what the next write has to check before its first byte.
    pub(super) last_look: Option<LastLook>,
    pub(super) last_date: Option<DateTime<Utc>>,
    trace: Trace,
}

impl fmt::Debug for OrderBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrderBox({} {})", self.url, self.userid)
    }
}

impl OrderBox {
    /// A client for an address that was checked. Nothing is sent yet.
    ///
    /// # Errors
    /// `config`, object `ca_file`, when that file is not a PEM file with certificates.
    pub fn new(
        url: Url,
        access: &ModuleAccess,
        (rules, hosting): (&UpstreamRules, &HostingRules),
        refusals: RefusalTable,
        trace: Trace,
    ) -> Result<Self, ModuleError> {
        Ok(Self {
            url,
            userid: access.username.trim().to_owned(),
            api_key: access.password.clone(),
            timeout: Duration::from_secs(u64::from(rules.timeout_s.max(1))),
            connecting: Connecting::by(rules)?,
            lines: hosting.products.clone(),
            pace: Pace::new(Duration::from_millis(u64::from(rules.pause_ms))),
            refusals,
            keeping: None,
            fresh: None,
            last_look: None,
            last_date: None,
            trace,
        })
    }

    /// The number of the reseller.
    pub(super) fn userid(&self) -> &str {
        &self.userid
    }

    /// Sends a read. Returns a JSON answer that is not an error.
    pub(super) fn read(&mut self, call: &str, params: &[(&str, String)]) -> Result<Value, CallError> {
        let deadline = Instant::now() + self.timeout;
        let mut answer = self.exchange(false, call, params, deadline);
        if answer.is_err() && deadline.saturating_duration_since(Instant::now()) > RETRY_NEEDS + RETRY_PAUSE {
            std::thread::sleep(RETRY_PAUSE);
            answer = self.exchange(false, call, params, deadline);
        }
        let answer = answer.map_err(|silence| match silence {
            Silence::NotSent(why) | Silence::Lost(why) => CallError::Unreachable(why),
        })?;
        if let Some(refusal) = self.refused(&answer) {
            return Err(CallError::Refused(refusal));
        }
        let status = answer.status;
        match answer.body {
            Some(body) if (200..300).contains(&status) => Ok(body),
            Some(_) | None => Err(CallError::BadAnswer(text!(
                "{call}: HTTP status {status}, and the answer says neither a result nor an error",
                "{call}: статус HTTP {status}, в ответе нет ни результата, ни ошибки"
            ))),
        }
    }

    /// Sends a write, **once**, over a fresh connection.
    pub(super) fn write(&mut self, call: &str, params: &[(&str, String)]) -> Result<Answer, Silence> {
        let deadline = Instant::now() + self.timeout;
        self.exchange(true, call, params, deadline)
    }

    /// The refusal in an answer, whatever its HTTP status is. Denied access counts as a refusal.
    pub(super) fn refused(&self, answer: &Answer) -> Option<Refusal> {
        let said = answer.body.as_ref().and_then(decode::error_message);
        let mut refusal = match (said, answer.status) {
            (Some(message), _) => refusal_of(&self.refusals, &self.masked(message)),
            (None, status @ (401 | 403)) => Refusal {
                kind: RefusalKind::Auth,
                error_type: "http".to_owned(),
                object: status.to_string(),
                message: String::new(),
                advice: None,
            },
            (None, _) => return None,
        };
        if refusal.kind == RefusalKind::Auth {
            refusal.advice = Some(Box::new(self.login_advice()));
        }
        Some(refusal)
    }

    fn masked(&self, text: String) -> String {
        if self.api_key.len() < MASKED_LENGTH { text } else { text.replace(&self.api_key, "***") }
    }

    /// Advice for a refused login, with what is known on this machine.
    fn login_advice(&self) -> crate::error::Text {
        let from = self.own_address().map_or_else(|| "?".to_owned(), |ip| ip.to_string());
        text!(
            "In the seller's panel, under Settings, API, add the address of this server to the allowed ones. It calls from {from}; behind NAT the public address counts. Three addresses are possible, no ranges, and a new one works only after up to an hour. Also check that the user is the reseller's number and the password the present API key. A demo account logs in at https://test.httpapi.com/api/ only",
            "В панели продавца, «Settings», «API», добавьте адрес этого сервера в список разрешённых. Он обращается с {from}; за NAT важен внешний адрес. Можно задать три адреса, без диапазонов, и новый начинает действовать не позже чем через час. Проверьте также, что имя — это номер реселлера, а пароль — действующий ключ API. Демо-учётная запись входит только через https://test.httpapi.com/api/"
        )
    }

    /// The local address from which packets to the seller leave. Nothing is sent to find it.
    fn own_address(&self) -> Option<IpAddr> {
        if self.connecting.source_ip.is_some() {
            return self.connecting.source_ip;
        }
        let target = (self.url.host_str()?.trim_matches(['[', ']']), self.url.port_or_known_default()?);
        let target = target.to_socket_addrs().ok()?.next()?;
        let any = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).ok()?;
        socket.connect(target).ok()?;
        socket.local_addr().ok().map(|address| address.ip())
    }

    fn host(&self) -> String {
        self.url.host_str().unwrap_or_default().to_owned()
    }

    fn exchange(
        &mut self,
        is_write: bool,
        call: &str,
        params: &[(&str, String)],
        deadline: Instant,
    ) -> Result<Answer, Silence> {
        let (whom, since) = (self.host(), Instant::now());
        let verb = if is_write { "POST" } else { "GET" };
        let shown = params.iter().map(|(name, value)| (*name, value.as_str()));
        self.trace.asked(&whom, &format!("{verb} {call}"), shown, is_secret_name);
        let result = self.send(is_write, call, params, deadline);
        self.trace.answered(&whom, since, || match &result {
            Ok(Answer { status, body: Some(body) }) => format!("{status} {}", self.masked(decode::shown(body))),
            Ok(Answer { status, body: None }) => format!("{status}, not JSON"),
            Err(Silence::NotSent(why)) => format!("not sent: {why}"),
            Err(Silence::Lost(why)) => format!("sent, no answer: {why}"),
        });
        result
    }

    fn send(
        &mut self,
        is_write: bool,
        call: &str,
        params: &[(&str, String)],
        deadline: Instant,
    ) -> Result<Answer, Silence> {
        let whom = format!("{call} at {}", self.host());
        let failed = |error: reqwest::Error| {
            let before_sending = error.is_connect() || error.is_builder();
            let text = format!("{whom}: {}", words(error));
            if before_sending { Silence::NotSent(text) } else { Silence::Lost(text) }
        };
        let mut all = vec![("auth-userid", self.userid.as_str()), ("api-key", self.api_key.as_str())];
        all.extend(params.iter().map(|(name, value)| (*name, value.as_str())));
        let mut url = self.url.clone();
        url.set_path(&format!("{}/{call}.json", self.url.path().trim_end_matches('/')));
        let all: Vec<(String, String)> =
            all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let left = deadline.saturating_duration_since(Instant::now());
        let client = self.client(is_write).map_err(failed)?;
        let request: RequestBuilder = if is_write { client.post(url).form(&all) } else { client.get(url).query(&all) };
        let response = request.timeout(left).send().map_err(failed)?;
        self.last_date = date_of(&response);
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        let read = response.take(MAX_ANSWER + 1).read_to_end(&mut bytes);
        if read.is_err() {
            return Err(Silence::Lost(format!(
                "{call} at {}: the answer is cut off or did not arrive in time",
                self.host()
            )));
        }
        let is_whole = bytes.len() as u64 <= MAX_ANSWER;
        let body = is_whole.then(|| serde_json::from_slice(&bytes).ok()).flatten();
        Ok(Answer { status, body })
    }

    fn client(&mut self, is_write: bool) -> Result<&Client, reqwest::Error> {
        let (slot, kept) = if is_write { (&mut self.fresh, 0) } else { (&mut self.keeping, 1) };
        let look = if is_write { self.last_look } else { None };
        let client = match slot.take().filter(|_| look.is_none()) {
            Some(client) => client,
            None => new_client(&self.url, kept, &self.connecting, look)?,
        };
        Ok(slot.insert(client))
    }
}
