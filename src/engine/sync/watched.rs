//! Watches the seller during a pass. This module decides whether the seller stopped answering or refuses the login. It
//! uses the results of the calls, never the words of an error.

use std::net::IpAddr;

use chrono::{DateTime, Utc};

use crate::error::ModuleError;
use crate::model::ids::{LicenseId, UpstreamPricelistId};
use crate::model::license::{Family, License, Money};
use crate::model::period::Period;
use crate::ports::{CallError, HostingOrders, Outcome, Page, RefusalKind, Repeatable, Upstream};
use crate::store::RecordedIntent;
use crate::text;

use crate::engine::{Engine, errors};

/// After this many calls in a row without an answer, a pass checks whether the seller answers at all. So a seller that
/// is down costs these calls and one more, and not one timeout for each license.
const MAX_UNANSWERED: u32 = 3;

/// The seller, with what its last calls say about the account as a whole.
pub struct Watched<'p> {
    inner: &'p mut dyn Upstream,
    unanswered: u32,
    login_refused: bool,
}

impl<'p> Watched<'p> {
    /// Watches `inner`.
    pub fn new(inner: &'p mut dyn Upstream) -> Self {
        Self { inner, unanswered: 0, login_refused: false }
    }

    /// Whether the cause of the failures may be the account itself.
    fn is_suspect(&self) -> bool {
        self.login_refused || self.unanswered >= MAX_UNANSWERED
    }

    fn noted<T>(&mut self, result: Result<T, CallError>) -> Result<T, CallError> {
        match &result {
            Err(CallError::Unreachable(_)) => self.unanswered += 1,
            Ok(_) | Err(CallError::Refused(_) | CallError::BadAnswer(_) | CallError::Form(_)) => self.unanswered = 0,
        }
        self.login_refused = matches!(&result, Err(CallError::Refused(refusal)) if refusal.kind == RefusalKind::Auth);
        result
    }
}

impl Upstream for Watched<'_> {
    fn send_once(&mut self, recorded: RecordedIntent) -> Outcome {
        let outcome = self.inner.send_once(recorded);
        match &outcome {
            // An unknown outcome may also be an answer that cannot be read. The look that follows decides.
            Outcome::NotSent(_) | Outcome::Unknown(_) => self.unanswered += 1,
            Outcome::Done(_) | Outcome::Refused(_) | Outcome::Busy(_) => self.unanswered = 0,
        }
        self.login_refused = matches!(&outcome, Outcome::Refused(refusal) if refusal.kind == RefusalKind::Auth);
        outcome
    }

    fn change(&mut self, family: Family, license: LicenseId, change: &Repeatable) -> Result<(), CallError> {
        let result = self.inner.change(family, license, change);
        self.noted(result)
    }

    fn license(&mut self, family: Family, license: LicenseId) -> Result<License, CallError> {
        let result = self.inner.license(family, license);
        self.noted(result)
    }

    fn page(&mut self, family: Family, number: u32) -> Result<Page, CallError> {
        let result = self.inner.page(family, number);
        self.noted(result)
    }

    fn check_ip(&mut self, pricelist: UpstreamPricelistId, period: Period, ip: IpAddr) -> Result<(), CallError> {
        let result = self.inner.check_ip(pricelist, period, ip);
        self.noted(result)
    }

    fn whoami(&mut self) -> Result<String, CallError> {
        let result = self.inner.whoami();
        self.noted(result)
    }

    fn balance(&mut self) -> Result<Money, CallError> {
        let result = self.inner.balance();
        self.noted(result)
    }

    fn hosting(&mut self) -> Option<&mut dyn HostingOrders> {
        self.inner.hosting()
    }

    fn server_date(&self) -> Option<DateTime<Utc>> {
        self.inner.server_date()
    }
}

impl Engine<'_> {
    /// Decides after a failure whether the pass may go on. When the last calls make the account suspect, the seller is
    /// asked who is logged in. If it answers that, it is reachable, and the failures concern only their licenses.
    ///
    /// # Errors
    /// The seller does not answer, or refuses the login: every further license would fail in the same way.
    pub async fn check_account(&mut self) -> Result<(), ModuleError> {
        if !self.ports.upstream.is_suspect() {
            return Ok(());
        }
        self.step("ask for the account").await?;
        let answer = self.ports.upstream.whoami();
        let gone = self.ports.upstream.unanswered > 0 || self.ports.upstream.login_refused;
        match answer {
            Err(error) if gone => {
                let what = text!("asking who is logged in at the seller", "запрос текущего пользователя у продавца");
                Err(errors::call(&error, &what, self.module))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }
}
