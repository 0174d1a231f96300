//! The calls of OrderBox: what is asked, and what an answer means (docs/orderbox-protocol.md 1).

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::client::{Answer, OrderBox, Silence};
use super::decode;
use super::refusal::{is_pending, is_trouble};
use crate::model::hosting::{AddLicense, HostingOrder, OrderAction, ProductLine, RemoveLicense};
use crate::model::ids::{LicenseId, UpstreamPricelistId};
use crate::model::journal::{OnceAnswer, OnceRequest};
use crate::model::license::{Family, License, Money};
use crate::model::period::Period;
use crate::ports::{CallError, HostingOrders, Outcome, Page, RefusalKind, Repeatable, Upstream};
use crate::store::RecordedIntent;
use crate::text;

/// Rows of one page of a list. 10 to 500 are allowed.
const ROWS: &str = "100";

/// Rows of a list that must be complete.
const ALL_ROWS: &str = "500";

/// Rows of a search for one order.
const FEW_ROWS: &str = "10";

fn of_line(line: ProductLine, call: &str) -> String {
    format!("resellerhosting/{}/{call}", line.path)
}

/// The error of an answer that cannot be read.
fn unreadable(call: &str) -> CallError {
    CallError::BadAnswer(text!(
        "{call}: the answer does not hold what was asked for",
        "{call}: в ответе нет того, о чём был запрос"
    ))
}

/// The error of a question that this kind of seller does not have.
fn not_here(what: &str) -> CallError {
    CallError::BadAnswer(text!("OrderBox has no {what}", "в OrderBox нет {what}"))
}

/// The outcome of a write. Only a clear yes and a clear no are certain; everything else is unknown.
fn outcome(
    result: Result<Answer, Silence>,
    refused: impl Fn(&Answer) -> Option<crate::ports::Refusal>,
    order: LicenseId,
) -> Outcome {
    let answer = match result {
        Ok(answer) => answer,
        Err(Silence::NotSent(why)) => return Outcome::NotSent(why),
        Err(Silence::Lost(why)) => return Outcome::Unknown(why),
    };
    let status = answer.status;
    let error = answer.body.as_ref().and_then(decode::wrapped_error);
    if error.as_deref().is_some_and(is_pending) {
        return Outcome::Busy("another action on the order is under way".to_owned());
    }
    // The error may be wrapped. It means the same as without the wrapping.
    let plain =
        Answer { status, body: error.map(|message| serde_json::json!({"status": "error", "message": message})) };
    match (&plain.body, &answer.body) {
        (Some(_), _) => match refused(&plain) {
            Some(refusal) => Outcome::Refused(refusal),
            None => Outcome::Unknown(format!("HTTP status {status}")),
        },
        (None, Some(body)) if answer.is_ok() && decode::is_taken(body, order) => Outcome::Done(OnceAnswer::Changed),
        (None, Some(_)) => Outcome::Unknown(format!("HTTP status {status}, and the answer does not name the order")),
        (None, None) => Outcome::Unknown(format!("HTTP status {status}, and the answer is not JSON")),
    }
}

impl OrderBox {
    fn add(&mut self, add: &AddLicense) -> Outcome {
        let params = [("order-id", add.order.to_string()), ("invoice-option", add.invoice.word().to_owned())];
        let result = self.write(&of_line(add.line, "generate-license-key"), &params);
        outcome(result, |answer| self.refused(answer), add.order)
    }

    fn remove(&mut self, remove: &RemoveLicense) -> Outcome {
        let mut params = vec![("order-id", remove.order.to_string())];
        params.extend(remove.params.iter().map(|(name, value)| (name.as_str(), value.clone())));
        let result = self.write(&of_line(remove.line, &remove.call), &params);
        outcome(result, |answer| self.refused(answer), remove.order)
    }

    /// A list of actions. The seller answers an empty result with an error, so an error means "nothing found", unless
    /// it is about the login or a fault of the seller. An incomplete list is a failure.
    fn actions(&mut self, call: &str, order: LicenseId) -> Result<Vec<OrderAction>, CallError> {
        let params =
            [("order-id", order.to_string()), ("no-of-records", ALL_ROWS.to_owned()), ("page-no", "1".to_owned())];
        match self.read(call, &params) {
            Ok(list) => decode::actions(&list, order).ok_or_else(|| unreadable(call)),
            Err(error) => nothing_found(error).map(|()| Vec::new()),
        }
    }

    fn details(&mut self, line: ProductLine, order: LicenseId) -> Result<Value, CallError> {
        self.pace.wait();
        let details = self.read(&of_line(line, "details"), &[("order-id", order.to_string())]);
        self.pace.read();
        details
    }
}

fn nothing_found(error: CallError) -> Result<(), CallError> {
    match error {
        CallError::Refused(refusal) if refusal.kind != RefusalKind::Auth && !is_trouble(&refusal.message) => Ok(()),
        CallError::Refused(_) | CallError::Unreachable(_) | CallError::BadAnswer(_) | CallError::Form(_) => Err(error),
    }
}

impl HostingOrders for OrderBox {
    /// `search.json?order-id`. **Read**.
    fn has_order(&mut self, line: ProductLine, order: LicenseId) -> Result<bool, CallError> {
        let call = of_line(line, "search");
        let params =
            [("order-id", order.to_string()), ("no-of-records", FEW_ROWS.to_owned()), ("page-no", "1".to_owned())];
        match self.read(&call, &params) {
            Ok(list) => {
                let found = decode::listed_orders(&list).filter(|found| decode::is_whole(&list, found.len()));
                Ok(found.ok_or_else(|| unreadable(&call))?.contains(&order))
            }
            Err(error) => nothing_found(error).map(|()| false),
        }
    }

    /// `details.json?order-id`. **Read**. An answer about another order counts as a bad answer.
    fn order(&mut self, line: ProductLine, order: LicenseId) -> Result<HostingOrder, CallError> {
        let details = self.details(line, order)?;
        decode::order(&details).filter(|seen| seen.id == order).ok_or_else(|| unreadable(&of_line(line, "details")))
    }

    /// `actions/search-current.json?order-id`. **Read**.
    fn pending_actions(&mut self, order: LicenseId) -> Result<Vec<OrderAction>, CallError> {
        self.actions("actions/search-current", order)
    }

    /// `actions/search-archived.json?order-id`. **Read**.
    fn finished_actions(&mut self, order: LicenseId) -> Result<Vec<OrderAction>, CallError> {
        self.actions("actions/search-archived", order)
    }

    /// `customers/details-by-id.json?customer-id`. **Read**.
    fn customer_email(&mut self, customer: &str) -> Result<String, CallError> {
        let call = "customers/details-by-id";
        let details = self.read(call, &[("customer-id", customer.to_owned())])?;
        decode::email(&details).ok_or_else(|| unreadable(call))
    }

    /// `search.json`, page by page. **Read**.
    fn orders(&mut self, line: ProductLine, number: u32) -> Result<Vec<LicenseId>, CallError> {
        let call = of_line(line, "search");
        let params = [("no-of-records", ROWS.to_owned()), ("page-no", number.to_string())];
        match self.read(&call, &params) {
            Ok(list) => decode::listed_orders(&list).ok_or_else(|| unreadable(&call)),
            Err(error) => nothing_found(error).map(|()| Vec::new()),
        }
    }
}

impl Upstream for OrderBox {
    fn send_once(&mut self, recorded: RecordedIntent) -> Outcome {
        self.last_look = recorded.last_look();
        match recorded.request() {
            OnceRequest::AddLicense(add) => self.add(add),
            OnceRequest::RemoveLicense(remove) => self.remove(remove),
            OnceRequest::Order(_)
            | OnceRequest::Prolong { .. }
            | OnceRequest::ChangePricelist { .. }
            | OnceRequest::SetNodes { .. }
            | OnceRequest::NewKey { .. }
            | OnceRequest::Delete { .. } => Outcome::NotSent("OrderBox has no such request".to_owned()),
        }
    }

    fn change(&mut self, _: Family, _: LicenseId, _: &Repeatable) -> Result<(), CallError> {
        Err(not_here("changes of a license"))
    }

    /// The order as a license, in any line of products.
    fn license(&mut self, _: Family, license: LicenseId) -> Result<License, CallError> {
        for line in self.lines.clone() {
            if self.has_order(line, license)? {
                return self.order(line, license).map(|order| order.as_license());
            }
        }
        Err(CallError::Refused(crate::ports::Refusal {
            kind: RefusalKind::NotFound,
            error_type: String::new(),
            object: "order-id".to_owned(),
            message: format!("no order {license} in this account"),
            advice: None,
        }))
    }

    fn page(&mut self, _: Family, _: u32) -> Result<Page, CallError> {
        Err(not_here("list of licenses"))
    }

    fn check_ip(&mut self, _: UpstreamPricelistId, _: Period, _: IpAddr) -> Result<(), CallError> {
        Ok(())
    }

    /// `resellers/details.json`; if the rights for it are missing, the balance. **Read**.
    fn whoami(&mut self) -> Result<String, CallError> {
        match self.read("resellers/details", &[]) {
            Ok(details) => Ok(decode::user(&details).unwrap_or_else(|| self.userid().to_owned())),
            Err(error) => {
                nothing_found(error)?;
                self.balance().map(|_| self.userid().to_owned())
            }
        }
    }

    /// `billing/reseller-balance.json`. **Read**.
    fn balance(&mut self) -> Result<Money, CallError> {
        let call = "billing/reseller-balance";
        let answer = self.read(call, &[("reseller-id", self.userid().to_owned())])?;
        decode::balance(&answer).ok_or_else(|| unreadable(call))
    }

    fn hosting(&mut self) -> Option<&mut dyn HostingOrders> {
        Some(self)
    }

    fn server_date(&self) -> Option<DateTime<Utc>> {
        self.last_date
    }
}
