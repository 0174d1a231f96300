//! The section `[cluster]`: the place of the log that several machines share.

use std::net::IpAddr;
use std::path::PathBuf;

use super::reader::{Field, Table};
use crate::error::ModuleError;
use crate::text;

/// The port where the settings name none.
const DEFAULT_PORT: u16 = 3306;

/// The range of `lease_s`. A lease that runs out during one call to the seller protects nothing; a long one keeps other
/// machines waiting.
const LEASE_S: std::ops::RangeInclusive<u32> = 90..=3600;

/// One server of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHost {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl LogHost {
    /// Whether it is this machine itself, so that nobody can listen in between.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// `[cluster]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSettings {
    /// The servers, in the order in which they are tried.
    pub hosts: Vec<LogHost>,
    /// The user that logs in.
    pub user: String,
    /// The schema that holds the log and nothing else.
    pub schema: String,
    /// The file with the password.
    pub password_file: Option<PathBuf>,
    /// A PEM file with the authority of the servers, for TLS.
    pub ca_file: Option<PathBuf>,
    /// Whether servers on other machines may be reached without TLS.
    pub plaintext: bool,
    /// Seconds after which another machine may take over what a silent one was working on.
    pub lease_s: u32,
}

impl ClusterSettings {
    pub(super) fn read(table: &Table<'_>) -> Result<Self, ModuleError> {
        let log = table.required("log")?;
        let (user, hosts, schema) = place(&log)?;
        let settings = Self {
            hosts,
            user,
            schema,
            password_file: table.take("password_file").map(|f| f.optional_path()).transpose()?.flatten(),
            ca_file: table.take("ca_file").map(|f| f.optional_path()).transpose()?.flatten(),
            plaintext: table.take("plaintext").map(|f| f.flag()).transpose()?.unwrap_or(false),
            lease_s: table.take("lease_s").map(|f| f.count(LEASE_S)).transpose()?.unwrap_or(180),
        };
        if let Some(far) = settings.hosts.iter().find(|host| !host.is_loopback())
            && settings.ca_file.is_none()
            && !settings.plaintext
        {
            let host = &far.host;
            return Err(table.wrong(
                "log",
                text!(
                    "{host} is another machine, so ca_file must name the authority of its certificate; plaintext = true allows a network that nobody else can read",
                    "{host} — другая машина, поэтому в ca_file должен быть центр её сертификата; plaintext = true допустим в сети, которую никто больше не читает"
                ),
            ));
        }
        Ok(settings)
    }
}

/// `mysql://USER@HOST[:PORT],HOST[:PORT]/SCHEMA`
fn place(field: &Field<'_>) -> Result<(String, Vec<LogHost>, String), ModuleError> {
    let shape = || {
        field.wrong(text!(
            "expected mysql://USER@HOST:PORT,HOST:PORT/SCHEMA",
            "ожидается mysql://ПОЛЬЗОВАТЕЛЬ@УЗЕЛ:ПОРТ,УЗЕЛ:ПОРТ/СХЕМА"
        ))
    };
    let rest = field.filled()?.strip_prefix("mysql://").ok_or_else(shape)?;
    let (user, rest) = rest.rsplit_once('@').ok_or_else(shape)?;
    if user.contains(':') {
        return Err(field.wrong(text!(
            "the password must not be here, because everybody who reads the settings would see it; it belongs into password_file",
            "пароля здесь быть не должно: его увидит каждый, кто читает настройки; его место в password_file"
        )));
    }
    let (hosts, schema) = rest.split_once('/').ok_or_else(shape)?;
    let is_name =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_$-.".contains(c));
    if !is_name(user) || !is_name(schema) {
        return Err(shape());
    }
    let mut list: Vec<LogHost> = Vec::new();
    for text in hosts.split(',').map(str::trim) {
        let host = host(text).ok_or_else(shape)?;
        if list.contains(&host) {
            return Err(field.wrong(text!("{text} is listed twice", "{text} указан дважды")));
        }
        list.push(host);
    }
    Ok((user.to_owned(), list, schema.to_owned()))
}

fn host(text: &str) -> Option<LogHost> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(host, port)| (host, port.strip_prefix(':')))?,
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Some(DEFAULT_PORT), |port| port.parse().ok().filter(|port| *port > 0))?;
    let is_host = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._:".contains(c));
    is_host.then(|| LogHost { host: host.to_owned(), port })
}
