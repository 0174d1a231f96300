//! Connections to sellers of every kind: how they are made, how large answers may be, how often a read is repeated.

use std::error::Error as _;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Url;
use reqwest::blocking::{Client, Response};
use rustls::ClientConfig;
use tower_layer::Layer;
use tower_service::Service;

use super::trust;
use crate::error::ModuleError;
use crate::model::rules::UpstreamRules;
use crate::store::LastLook;

/// Most bytes of an answer that is not a list.
pub const MAX_ANSWER: u64 = 1 << 20;

/// The pause before a read is repeated, long enough for a server that is being reloaded.
pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// A read is repeated only while at least this much of its time is left.
pub(super) const RETRY_NEEDS: Duration = Duration::from_secs(1);

/// A kept connection is used again only within this time, because servers close idle ones, often after 5 s.
const KEEP_IDLE: Duration = Duration::from_secs(4);

/// Shorter secrets are not masked in the seller's words, because they would be found everywhere.
pub(super) const MASKED_LENGTH: usize = 4;

/// How connections are made.
pub(super) struct Connecting {
    connect_timeout: Duration,
    pub(super) source_ip: Option<IpAddr>,
    /// TLS with a `ca_file`. `None`: the public authorities are trusted.
    trust: Option<ClientConfig>,
}

impl Connecting {
    /// By the settings.
    ///
    /// # Errors
    /// `config`, object `ca_file`, when that file is not a PEM file with certificates.
    pub(super) fn by(rules: &UpstreamRules) -> Result<Self, ModuleError> {
        Ok(Self {
            connect_timeout: Duration::from_secs(u64::from(rules.connect_timeout_s.max(1))),
            source_ip: rules.source_ip,
            trust: trust::configured(rules)?,
        })
    }
}

/// A client of the library that follows no redirect and repeats no request. `kept`: how many idle connections it keeps.
/// `look`: what is checked on each connection that was made, before the first byte of a request.
pub(super) fn new_client(
    url: &Url,
    kept: usize,
    connecting: &Connecting,
    look: Option<LastLook>,
) -> Result<Client, reqwest::Error> {
    let mut builder = Client::builder()
        .user_agent(concat!("pmisplicense/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .https_only(url.scheme() == "https")
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(kept)
        .pool_idle_timeout(KEEP_IDLE)
        .connect_timeout(connecting.connect_timeout)
        .local_address(connecting.source_ip);
    if is_loopback(url) {
        builder = builder.no_proxy();
    }
    if let Some(trust) = &connecting.trust {
        builder = builder.use_preconfigured_tls(trust.clone());
    }
    if let Some(look) = look {
        builder = builder.connector_layer(Looking(look));
    }
    builder.build()
}

/// Makes connections on which a request may still leave. The library calls a connector, and sends the request over what
/// it returns. A connection that came too late is an error of connecting, so nothing was sent.
#[derive(Clone)]
struct Looking(LastLook);

/// A connector with that check behind it.
#[derive(Clone)]
struct Looked<S> {
    look: LastLook,
    connector: S,
}

impl<S> Layer<S> for Looking {
    type Service = Looked<S>;

    fn layer(&self, connector: S) -> Self::Service {
        Looked { look: self.0, connector }
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl<S, T> Service<T> for Looked<S>
where
    S: Service<T, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, to: T) -> Self::Future {
        let (look, connecting) = (self.look, self.connector.call(to));
        Box::pin(async move {
            let connection = connecting.await?;
            look.check()?;
            Ok(connection)
        })
    }
}

/// An error of the library with its causes, without the address (which the caller knows). The library's names for its
/// own stages tell an operator nothing; they stay only where there is no cause.
pub(super) fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut all: Vec<String> = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !all.iter().any(|known| known.contains(&words)) {
            all.push(words);
        }
        cause = inner.source();
    }
    let is_stage = |words: &String| words.starts_with("error sending request") || words.starts_with("client error (");
    let causes: Vec<String> = all.iter().filter(|words| !is_stage(words)).cloned().collect();
    if causes.is_empty() { all.join(": ") } else { causes.join(": ") }
}

/// The moment that the seller names as that of its answer.
pub(super) fn date_of(response: &Response) -> Option<DateTime<Utc>> {
    let text = response.headers().get(reqwest::header::DATE)?.to_str().ok()?;
    DateTime::parse_from_rfc2822(text).ok().map(|date| date.to_utc())
}

/// Whether the address is this machine itself.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
