//! The sellers over HTTPS. `billmanager` and `orderbox` are the two kinds of them. This module checks addresses and
//! chooses the kind by the address. The parts that both kinds need are here too: `connection`, `pace`, `trust`, and
//! `refusal`, which says what an error means. No decisions are made here.

pub mod billmanager;
mod connection;
mod orderbox;
mod pace;
pub mod refusal;
mod trust;

use std::collections::BTreeMap;

use reqwest::Url;

pub use billmanager::HttpUpstream;
pub use connection::MAX_ANSWER;
use connection::is_loopback;
use orderbox::OrderBox;
use refusal::{RefusalRule, RefusalTable};

use crate::error::{ErrorKind, ModuleError, Text};
use crate::model::address::called_address;
use crate::model::ids::ModuleId;
use crate::model::rules::Rules;
use crate::model::sellers::SellerKind;
use crate::ports::{Connector, ModuleAccess, Upstream};
use crate::text;
use crate::trace::Trace;

/// Makes clients for processing modules.
#[derive(Debug, Clone, Default)]
pub struct HttpConnector {
    rules: Rules,
    of_modules: BTreeMap<ModuleId, Rules>,
    refusals: RefusalTable,
    trace: Trace,
}

impl HttpConnector {
    /// `rules` hold for every module without rules of its own; `refusals` come before the built-in table.
    pub fn new(rules: Rules, refusals: Vec<RefusalRule>) -> Self {
        Self { rules, of_modules: BTreeMap::new(), refusals: RefusalTable::new(refusals), trace: Trace::default() }
    }

    /// With a trace of requests and answers.
    #[must_use]
    pub fn traced(self, trace: Trace) -> Self {
        Self { trace, ..self }
    }

    /// With the rules of one module (`[module.ID]` of the settings).
    #[must_use]
    pub fn with_module(mut self, module: ModuleId, rules: Rules) -> Self {
        self.of_modules.insert(module, rules);
        self
    }

    /// As [`Connector::connect`], with the concrete type.
    ///
    /// # Errors
    /// `config` when the address, the user or `ca_file` cannot be used.
    pub fn open(&self, access: &ModuleAccess) -> Result<HttpUpstream, ModuleError> {
        let module = access.module;
        let url = check_url(&access.url, module)?;
        if access.username.trim().is_empty() {
            let words = text!(
                "Processing module {module} has no user of the license server",
                "У модуля обработки {module} не задан пользователь сервера лицензий"
            );
            return Err(unusable(
                ("username", ""),
                words,
                text!("set it in the module's settings", "укажите его в настройках модуля"),
            ));
        }
        let rules = self.of_modules.get(&module).unwrap_or(&self.rules);
        Ok(HttpUpstream::new(url, access, &rules.upstream, self.refusals.clone())?.traced(self.trace.clone()))
    }
}

impl HttpConnector {
    fn open_orderbox(&self, access: &ModuleAccess) -> Result<OrderBox, ModuleError> {
        let module = access.module;
        let url = check_url(&access.url, module)?;
        let user = access.username.trim();
        if user.is_empty() || !user.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ModuleError::new(
                ErrorKind::Config,
                "username",
                user,
                text!(
                    "The user of processing module {module} must be the number of the reseller at OrderBox, and the password his API key",
                    "Именем в модуле обработки {module} должен быть номер реселлера в OrderBox, а паролем — его ключ API"
                )
                .changed(text!("Nothing was sent", "Ничего не отправлено"))
                .next(text!("correct both in the module's settings", "исправьте их в настройках модуля")),
            ));
        }
        let rules = self.of_modules.get(&module).unwrap_or(&self.rules);
        OrderBox::new(url, access, (&rules.upstream, &rules.hosting), self.refusals.clone(), self.trace.clone())
    }
}

impl Connector for HttpConnector {
    fn connect(&self, access: &ModuleAccess) -> Result<Box<dyn Upstream>, ModuleError> {
        match SellerKind::of(&access.url) {
            SellerKind::Billmanager => Ok(Box::new(self.open(access)?)),
            SellerKind::Orderbox => Ok(Box::new(self.open_orderbox(access)?)),
        }
    }
}

/// The address that is called ([`called_address`]): `https`, or `http` on this machine.
///
/// # Errors
/// `config`, object `url`: empty, not an address, without TLS, or with a password in it (which is not repeated).
pub fn check_url(address: &str, module: ModuleId) -> Result<Url, ModuleError> {
    let address = address.trim();
    // The part before an @ may hold a password.
    let shown = if address.contains('@') { "" } else { address };
    let refuse = |words, next| Err(unusable(("url", shown), words, next));
    if address.is_empty() {
        return refuse(
            text!(
                "Processing module {module} has no address of the license server",
                "У модуля обработки {module} не задан адрес сервера лицензий"
            ),
            text!(
                "set it in the module's settings, for instance {EXAMPLE}",
                "укажите его в настройках модуля, например {EXAMPLE}"
            ),
        );
    }
    let Some(url) = called_address(address) else {
        return refuse(
            text!(
                "The address of the license server of processing module {module} is not an address",
                "Адрес сервера лицензий модуля обработки {module} не является адресом"
            ),
            text!("write it in the module's settings as {EXAMPLE}", "укажите его в настройках модуля в виде {EXAMPLE}"),
        );
    };
    if !url.username().is_empty() || url.password().is_some() {
        return refuse(
            text!(
                "The address of the license server of processing module {module} holds a user or a password",
                "Адрес сервера лицензий модуля обработки {module} содержит имя или пароль"
            ),
            text!("move them into the fields of the module's settings", "перенесите их в поля настроек модуля"),
        );
    }
    let allowed = match url.scheme() {
        "https" => url.host_str().is_some(),
        "http" => is_loopback(&url),
        _ => false,
    };
    if !allowed {
        return refuse(
            text!(
                "The address of the license server of processing module {module} does not begin with https://",
                "Адрес сервера лицензий модуля обработки {module} не начинается с https://"
            ),
            text!(
                "write it with https://, because the password is sent there; http:// is only for this very machine",
                "укажите его с https://, так как туда отправляется пароль; http:// — только для этой же машины"
            ),
        );
    }
    Ok(url)
}

/// An address for people who have none.
const EXAMPLE: &str = "https://api-eu.ispmanager.com";

/// A setting of a processing module, with its value, that cannot be used: nothing was sent to anybody.
fn unusable((setting, value): (&str, &str), words: Text, next: Text) -> ModuleError {
    ModuleError::new(ErrorKind::Config, setting, value, words)
        .changed(text!("Nothing was sent", "Ничего не отправлено"))
        .next(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses as people write them become the address that is called.
    #[test]
    fn addresses_become_the_address_that_is_called() {
        for (address, want) in [
            ("https://api.ispmanager.com", "https://api.ispmanager.com/manager/billmgr"),
            (" https://api.ispmanager.com/ ", "https://api.ispmanager.com/manager/billmgr"),
            ("https://my.example.com/billmgr", "https://my.example.com/billmgr"),
            ("https://my.example.com:1500/billmgr?func=x#y", "https://my.example.com:1500/billmgr"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/manager/billmgr"),
            ("http://localhost/x", "http://localhost/x"),
            ("http://[::1]:8080/", "http://[::1]:8080/manager/billmgr"),
        ] {
            assert_eq!(check_url(address, ModuleId(7)).map(String::from).as_deref(), Ok(want), "{address}");
        }
    }

    /// Anything else is refused with words in both languages, and a password in it is never repeated.
    #[test]
    fn a_bad_address_is_refused_and_its_password_not_repeated() {
        for (address, want) in [
            ("", "has no address"),
            ("   ", "has no address"),
            ("api.ispmanager.com", "not an address"),
            ("api.ispmanager.com:443", "https://"),
            ("http://api.ispmanager.com", "https://"),
            ("http://127.0.0.1.example.com", "https://"),
            ("ftp://127.0.0.1", "https://"),
            ("file:///etc/passwd", "https://"),
            ("https://", "not an address"),
            ("https://me:SECRET@api.ispmanager.com", "holds a user"),
            ("me:SECRET@x y", "https://"),
        ] {
            let error = check_url(address, ModuleId(7)).expect_err(address);
            assert_eq!((error.kind, error.object.as_str()), (ErrorKind::Config, "url"), "{address}");
            assert!(error.message.en.contains(want), "{address}: {}", error.message.en);
            assert!(error.message.ru.contains("модуля обработки 7"), "{}", error.message.ru);
            assert!(error.changed.is_some() && error.next.is_some(), "{error:?}");
            assert!(!format!("{error:?}").contains("SECRET"), "{error:?}");
        }
    }
}
