//! When the panel's database is reached over TLS. A connection by a socket never uses TLS. A connection over TCP uses
//! it when the settings name a certificate authority, and otherwise only when the database refuses us without it. TLS
//! without verification does not protect against an attacker between two machines, so without an authority it is used
//! on this machine only.

use std::net::IpAddr;
use std::path::Path;

use mysql::{Conn, DriverError, SslOpts};

use super::connect::{ConnectError, DbParams, connect};
use crate::error::Message;
use crate::text;

/// The database accepts no connection without TLS (`require_secure_transport`).
const SECURE_TRANSPORT_REQUIRED: u16 = 3159;

/// Wrong user or password, or a user for whom TLS is required (`REQUIRE SSL`). The database uses one code for all of
/// these.
const ACCESS_DENIED: u16 = 1045;

/// The TLS library's words for a server's certificate that is marked as an authority's. The database library does not
/// accept a verifier of ours, so such a certificate is refused with a message of its own.
const AUTHORITY_AS_SERVER: &str = "CaUsedAsEndEntity";

impl DbParams {
    /// Connects in the way that the database and the settings require.
    pub(super) fn open(&self) -> Result<Conn, ConnectError> {
        if self.socket().is_some() {
            return connect(self.options(None));
        }
        if let Some(ca_file) = &self.ca_file {
            return self.verified(ca_file);
        }
        match connect(self.options(None)) {
            Err(ConnectError::Database(mysql::Error::MySqlError(error)))
                if [SECURE_TRANSPORT_REQUIRED, ACCESS_DENIED].contains(&error.code) =>
            {
                self.unverified(error)
            }
            done => done,
        }
    }

    /// Connects to a database whose certificate is verified.
    fn verified(&self, ca_file: &Path) -> Result<Conn, ConnectError> {
        let shown = ca_file.display();
        std::fs::File::open(ca_file).map_err(|error| {
            let advice = text!(
                "The file {shown} cannot be read; the setting ca_file of [panel_db] names it",
                "Файл {shown}, указанный в настройке ca_file раздела [panel_db], не читается"
            )
            .changed(text!("Nothing was changed by this step", "Этим шагом ничего не изменено"))
            .next(text!("correct the setting, then repeat the command", "исправьте настройку и повторите команду"));
            ConnectError::Tls(error.into(), Box::new(advice))
        })?;
        let tls = SslOpts::default().with_root_cert_path(Some(ca_file.to_owned()));
        connect(self.options(Some(tls))).map_err(|error| {
            let ConnectError::Database(error) = error else { return error };
            if !is_about_tls(&error) {
                return ConnectError::Database(error);
            }
            let (host, port) = (&self.host, self.port);
            if error.to_string().contains(AUTHORITY_AS_SERVER) {
                let advice = text!(
                    "The certificate of the panel's database at {host}:{port} is marked as that of an authority, and a server must not use such a certificate",
                    "Сертификат базы данных панели {host}:{port} помечен как сертификат центра сертификации, серверу такой использовать нельзя"
                )
                .changed(text!("Nothing was changed by this step", "Этим шагом ничего не изменено"))
                .next(text!(
                    "make a certificate for the database with basicConstraints=CA:FALSE, and name it, or the authority that signed it, as ca_file of [panel_db]",
                    "создайте для базы сертификат с basicConstraints=CA:FALSE и укажите его или подписавший его центр в настройке ca_file раздела [panel_db]"
                ));
                return ConnectError::Tls(error, Box::new(advice));
            }
            let advice = text!(
                "The panel's database at {host}:{port} could not prove over TLS who it is",
                "База данных панели {host}:{port} не смогла подтвердить себя по TLS"
            )
            .changed(text!("Nothing was changed by this step", "Этим шагом ничего не изменено"))
            .next(text!(
                "check that its certificate names {host} and was signed by an authority in {shown} (the setting ca_file of [panel_db])",
                "проверьте, что в её сертификате указан {host} и что он подписан центром сертификации из {shown} (настройка ca_file раздела [panel_db])"
            ));
            ConnectError::Tls(error, Box::new(advice))
        })
    }

    /// Connects to a database that refused us without TLS, when the settings name no authority.
    fn unverified(&self, refused: mysql::MySqlError) -> Result<Conn, ConnectError> {
        if !is_loopback(&self.host) {
            let advice = self.which_setting(refused.code);
            return Err(ConnectError::Tls(refused.into(), Box::new(advice)));
        }
        // On this machine there is nobody in between.
        let tls = SslOpts::default().with_danger_accept_invalid_certs(true);
        connect(self.options(Some(tls))).map_err(|error| match error {
            // It offers no TLS, so the first refusal has the reason.
            ConnectError::Database(mysql::Error::DriverError(DriverError::TlsNotSupported)) => {
                ConnectError::Database(refused.into())
            }
            ConnectError::Database(_) | ConnectError::Plugin(_) | ConnectError::Library(_) | ConnectError::Tls(..) => {
                error
            }
        })
    }

    fn which_setting(&self, code: u16) -> Message {
        let (host, port, user) = (&self.host, self.port, &self.user);
        if code == SECURE_TRANSPORT_REQUIRED {
            return text!(
                "The panel's database at {host}:{port} takes connections over TLS only",
                "База данных панели {host}:{port} принимает соединения только по TLS"
            )
            .changed(text!("Nothing was changed by this step", "Этим шагом ничего не изменено"))
            .next(text!(
                "name a PEM file with its certificate authority as ca_file of [panel_db] in the settings, then repeat the command",
                "укажите файл PEM с её центром сертификации как ca_file в разделе [panel_db] настроек и повторите команду"
            ));
        }
        text!(
            "The panel's database at {host}:{port} refused the login of {user}",
            "База данных панели {host}:{port} не приняла вход пользователя {user}"
        )
        .changed(text!("Nothing was changed by this step", "Этим шагом ничего не изменено"))
        .next(text!(
            "check user and password in the panel. If this user must use TLS, name a PEM file with the certificate authority of the database as ca_file of [panel_db] in the settings",
            "проверьте имя и пароль в панели. Если этому пользователю нужен TLS, укажите файл PEM с центром сертификации базы как ca_file в разделе [panel_db] настроек"
        ))
    }
}

/// True when a connection failed because of TLS: the server offers none, or its certificate was not accepted. The
/// database library reports errors of the TLS library as invalid data.
pub(super) fn is_about_tls(error: &mysql::Error) -> bool {
    match error {
        mysql::Error::IoError(error) => error.kind() == std::io::ErrorKind::InvalidData,
        mysql::Error::DriverError(error) => matches!(error, DriverError::TlsNotSupported),
        mysql::Error::TlsError(_) | mysql::Error::CodecError(_) => true,
        mysql::Error::MySqlError(_)
        | mysql::Error::UrlError(_)
        | mysql::Error::FromValueError(_)
        | mysql::Error::FromRowError(_) => false,
    }
}

/// True when an address is this machine's own. No name server is asked.
fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
