//! Connecting to a database: where it is, the settings of our session, and the errors before the first query.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mysql::{Conn, DriverError, LocalInfileHandler, OptsBuilder, SslOpts};

use crate::error::Message;
use crate::ports::DbError;
use crate::text;

/// The time for connecting over TCP.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The time for one answer of the database. Our queries are short.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Sockets of a database on this machine, in the order in which the panel's own library tries them.
const SOCKETS: [&str; 3] = ["/var/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock"];

/// The port where the panel names none.
const DEFAULT_PORT: u16 = 3306;

/// The settings of our session, because the server's own settings and its `init_connect` may differ. Without autocommit
/// a session never sees what the panel writes after its first read; `sql_select_limit` hides rows; names in another
/// character set cannot be read. The time zone is the server's global one, so that days are the same as in the panel.
const SESSION: [&str; 2] = [
    "SET NAMES utf8mb4, autocommit = 1, sql_mode = '', time_zone = @@GLOBAL.time_zone, \
     sql_select_limit = 18446744073709551615, sql_big_selects = 1",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY",
];

/// Time limits, and a session that only reads and sees present data. No file of this machine is sent: the protocol lets
/// a server ask for any file, and the library would send it.
pub(super) fn with_session(options: OptsBuilder) -> OptsBuilder {
    without_files(options)
        .tcp_connect_timeout(Some(CONNECT_TIMEOUT))
        .read_timeout(Some(READ_TIMEOUT))
        .write_timeout(Some(READ_TIMEOUT))
        .init(SESSION.to_vec())
}

/// No file of this machine is sent, whatever a server asks for.
pub(super) fn without_files(options: OptsBuilder) -> OptsBuilder {
    let refuse = LocalInfileHandler::new(|_, _| Err(std::io::Error::other("a file of this machine was asked for")));
    options.local_infile_handler(Some(refuse))
}

/// Where the panel's database is.
#[derive(Clone, PartialEq, Eq)]
pub struct DbParams {
    /// DBHost
    pub host: String,
    /// DBPort
    pub port: u16,
    /// DBUser
    pub user: String,
    /// DBPassword; never printed.
    pub password: String,
    /// DBName
    pub name: String,
    /// DBSocket; used for a database on this machine only.
    pub socket: Option<String>,
    /// The setting `[panel_db] ca_file`: the authorities that verify a database over TCP.
    pub ca_file: Option<PathBuf>,
}

impl std::fmt::Debug for DbParams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DbParams({} {} {})", self.user, self.name, self.address())
    }
}

impl DbParams {
    /// From the panel's `paramlist`. Values that it leaves out have the panel's defaults.
    pub fn from_paramlist(params: &BTreeMap<String, String>) -> Self {
        let text = |name: &str| params.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
        let or = |name: &str, default: &str| text(name).unwrap_or(default).to_owned();
        Self {
            host: or("DBHost", "localhost"),
            port: text("DBPort").and_then(|port| port.parse().ok()).unwrap_or(DEFAULT_PORT),
            user: or("DBUser", "root"),
            password: params.get("DBPassword").cloned().unwrap_or_default(),
            name: or("DBName", "billmgr"),
            socket: text("DBSocket").map(str::to_owned),
            ca_file: None,
        }
    }

    /// The socket of a database on this machine: the one named, else the first standard one that exists.
    pub(super) fn socket(&self) -> Option<&str> {
        if self.host != "localhost" {
            return None;
        }
        self.socket.as_deref().or_else(|| SOCKETS.into_iter().find(|path| Path::new(path).exists()))
    }

    pub(super) fn address(&self) -> String {
        match self.socket() {
            Some(socket) => socket.to_owned(),
            None => format!("{}:{}", self.host, self.port),
        }
    }

    /// The options for connecting. `tls`: TLS for a connection over TCP.
    pub(super) fn options(&self, tls: Option<SslOpts>) -> OptsBuilder {
        let options = OptsBuilder::new()
            .ssl_opts(tls)
            .user(Some(&self.user))
            .pass(Some(&self.password))
            .db_name(Some(&self.name))
            // The library would otherwise ask a server over TCP for its socket, and change to that.
            .prefer_socket(false);
        let options = with_session(options);
        match self.socket() {
            Some(socket) => options.socket(Some(socket)),
            None => options.ip_or_hostname(Some(&self.host)).tcp_port(self.port),
        }
    }
}

/// Why connecting to a database failed.
pub(super) enum ConnectError {
    /// An error of the database or of the network.
    Database(mysql::Error),
    /// The user logs in by this plugin, which our library does not have.
    Plugin(String),
    /// The library gave up in the middle: its own words.
    Library(String),
    /// TLS, with the message for people.
    Tls(mysql::Error, Box<Message>),
}

impl From<mysql::Error> for ConnectError {
    fn from(error: mysql::Error) -> Self {
        use mysql::Error::DriverError as Driver;
        if let Driver(DriverError::UnknownAuthPlugin(plugin)) = error {
            Self::Plugin(plugin)
        } else if matches!(error, Driver(DriverError::OldMysqlPasswordDisabled)) {
            Self::Plugin("mysql_old_password".to_owned())
        } else if matches!(error, Driver(DriverError::CleartextPluginDisabled)) {
            Self::Plugin("mysql_clear_password".to_owned())
        } else {
            Self::Database(error)
        }
    }
}

impl ConnectError {
    /// From the message of the library's panic. It documents panics for two plugins.
    fn panicked(words: &str) -> Self {
        match ["ed25519", "parsec"].into_iter().find(|plugin| words.contains(plugin)) {
            Some(plugin) => Self::Plugin(plugin.to_owned()),
            None => Self::Library(words.to_owned()),
        }
    }

    /// Whether the connection is gone, so that a read may be tried over a new one.
    pub(super) fn is_lost(&self) -> bool {
        match self {
            Self::Database(error) => is_lost(error),
            Self::Plugin(_) | Self::Library(_) | Self::Tls(..) => false,
        }
    }

    /// As an error for the rest of the program. `place` names the database, `user` is the user that logs in.
    pub(super) fn of(self, place: &str, user: &str) -> DbError {
        match self {
            Self::Database(error) => DbError::new(format!("{place}: {}", bare(&error.to_string()))),
            Self::Tls(error, advice) => {
                DbError::new(format!("{place}: {}", bare(&error.to_string()))).advising(*advice)
            }
            Self::Library(words) => DbError::new(format!("{place}: the database library stopped: {words}")),
            Self::Plugin(plugin) => {
                let advice = text!(
                    "The database user {user} logs in with the plugin {plugin}, which this program does not have",
                    "Пользователь базы данных {user} входит через плагин {plugin}, которого в этой программе нет"
                )
                .changed(text!("Nothing was changed by this step", "Этим шагом ничего не изменено"))
                .next(text!(
                    "give the user a password of the kind mysql_native_password (MySQL: caching_sha2_password) with ALTER USER, then repeat the command",
                    "задайте пользователю через ALTER USER пароль вида mysql_native_password (MySQL: caching_sha2_password) и повторите команду"
                ));
                DbError::new(format!("{place}: no login plugin {plugin}")).advising(advice)
            }
        }
    }
}

/// Whether an error means that the connection is gone, so that a read may be tried over a new one.
fn is_lost(error: &mysql::Error) -> bool {
    match error {
        mysql::Error::IoError(_) | mysql::Error::CodecError(_) | mysql::Error::DriverError(_) => true,
        // 1053 server is going down, 1927 connection was killed, 4031 idle for too long.
        mysql::Error::MySqlError(error) => matches!(error.code, 1053 | 1927 | 4031),
        mysql::Error::TlsError(_)
        | mysql::Error::UrlError(_)
        | mysql::Error::FromValueError(_)
        | mysql::Error::FromRowError(_) => false,
    }
}

/// Connects, logs in and sets the session. The library panics when it lacks a login plugin, and in other cases that
/// only an unusual server causes. Here all of these are errors.
pub(super) fn connect(options: OptsBuilder) -> Result<Conn, ConnectError> {
    match catch_unwind(AssertUnwindSafe(|| Conn::new(options))) {
        Ok(connected) => Ok(connected?),
        Err(panic) => {
            let text =
                panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            Err(ConnectError::panicked(text.unwrap_or("without a word")))
        }
    }
}

/// An error of the library without the name of its type: `DriverError { words }` is "words".
fn bare(error: &str) -> &str {
    let inner = error.strip_suffix(" }").and_then(|rest| rest.split_once("Error { "));
    inner.filter(|(kind, _)| !kind.contains(' ')).map_or(error, |(_, words)| words)
}
