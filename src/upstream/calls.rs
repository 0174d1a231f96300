//! One method for each func of upstream: its parameters, whether it may be repeated, and what a lost answer leaves open.
//! Parameters and answers are those of CONTRACT.md 5; calls that are sent once are reached through
//! [`Upstream::send_once`] only, which consumes a recorded intent.

use std::net::IpAddr;

use chrono::{DateTime, Utc};

use super::client::{Failure, HttpUpstream, Repeat};
use super::decode;
use crate::model::ids::{LicenseId, LicenseKey, UpstreamAddonId, UpstreamPricelistId};
use crate::model::journal::{OnceAnswer, OnceRequest, OrderRequest};
use crate::model::license::{Family, License, Money};
use crate::model::period::{MonthCount, Period};
use crate::ports::{CallError, Edit, Outcome, PAGE_ROWS, Page, Repeatable, Upstream};
use crate::store::RecordedIntent;
use crate::xml::Element;

type Param = (&'static str, String);

fn ok() -> Param {
    ("sok", "ok".to_owned())
}

fn elid(license: LicenseId) -> Param {
    ("elid", license.to_string())
}

/// `addon_N`: the only parameter whose name holds a number.
fn addon_name(addon: UpstreamAddonId) -> String {
    format!("addon_{addon}")
}

impl HttpUpstream {
    /// `*.order.param clicked_button=finish sok=ok skipbasket=on pricelist period ip licname remoteid autoprolong=null
    /// addon_N`; a module (`addition`) has `item`, the license's number, instead of ip and licname. Period in months, -100
    /// for a trial. **Once**: a lost answer leaves open whether a license was bought; its mark (remoteid) tells.
    fn order(&mut self, order: &OrderRequest) -> Result<OnceAnswer, Failure> {
        let mut params = vec![
            ("clicked_button", "finish".to_owned()),
            ok(),
            ("skipbasket", "on".to_owned()),
            ("pricelist", order.pricelist.to_string()),
            ("period", order.period.number().to_string()),
        ];
        match order.family {
            Family::Soft | Family::SoftExternal => {
                params.extend(order.ip.map(|ip| ("ip", ip.to_string())));
                params.push(("licname", order.licname.clone()));
            }
            Family::Addition => params.extend(order.parent.map(|license| ("item", license.to_string()))),
        }
        params.push(("remoteid", order.mark.to_string()));
        params.push(("autoprolong", "null".to_owned()));
        let addon = order.nodes.map(|(addon, nodes)| (addon_name(addon), nodes.to_string()));
        let mut params: Vec<(&str, String)> = params;
        if let Some((name, nodes)) = &addon {
            params.push((name, nodes.clone()));
        }
        let func = format!("{}.order.param", order.family.func());
        let doc = self.document(Repeat::Once, &func, &params)?;
        // Without a number it cannot be said which license was bought: that is for a look to find out.
        match doc.value_of("id").and_then(|text| text.parse::<LicenseId>().ok()).filter(|id| id.0 > 0) {
            Some(id) => Ok(OnceAnswer::Ordered(Some(id))),
            None => Err(Failure::Bad(format!("{func}: the answer holds no license number"))),
        }
    }

    /// `service.prolong elid period sok=ok`, months. Answer: newexpiredate under doc or doc/doc. **Once**: a lost answer
    /// leaves open whether a period was bought; the license's expiry tells.
    fn prolong(&mut self, license: LicenseId, period: MonthCount) -> Result<OnceAnswer, Failure> {
        let params = [elid(license), ("period", period.0.to_string()), ok()];
        let doc = self.document(Repeat::Once, "service.prolong", &params)?;
        let inner = doc.child("doc").and_then(|inner| inner.value_of("newexpiredate"));
        Ok(OnceAnswer::Prolonged(doc.value_of("newexpiredate").or(inner).and_then(decode::date)))
    }

    /// `service.changepricelist elid pricelist period sok=ok`. **Once**: a lost answer leaves open whether the difference
    /// was paid; the license's tariff tells.
    fn change_pricelist(
        &mut self,
        license: LicenseId,
        pricelist: UpstreamPricelistId,
        period: Period,
    ) -> Result<OnceAnswer, Failure> {
        let params =
            [elid(license), ("pricelist", pricelist.to_string()), ("period", period.number().to_string()), ok()];
        self.document(Repeat::Once, "service.changepricelist", &params).map(|_| OnceAnswer::Changed)
    }

    /// `*.edit elid sok=ok addon_N`, the whole number of nodes. **Once**: a lost answer leaves open whether nodes were
    /// bought; the license's `addon_N` tells.
    fn set_nodes(
        &mut self,
        family: Family,
        license: LicenseId,
        addon: UpstreamAddonId,
        nodes: u32,
    ) -> Result<OnceAnswer, Failure> {
        let name = addon_name(addon);
        let params: [(&str, String); 3] = [elid(license), ok(), (&name, nodes.to_string())];
        self.document(Repeat::Once, &edit(family), &params).map(|_| OnceAnswer::Changed)
    }

    /// `*.edit elid sok=ok clicked_button=newkey`. Answer: lickey, which may still be empty. **Once**, because it is
    /// limited to one a month: a lost answer leaves open whether the key changed; the license's key tells.
    fn new_key(&mut self, family: Family, license: LicenseId) -> Result<OnceAnswer, Failure> {
        let params = [elid(license), ok(), ("clicked_button", "newkey".to_owned())];
        let doc = self.document(Repeat::Once, &edit(family), &params)?;
        Ok(OnceAnswer::Key(doc.value_of("lickey").and_then(LicenseKey::parse)))
    }

    /// `*.delete elid sok=ok`. **Once**: a lost answer leaves open whether the license is gone; its status tells.
    fn delete(&mut self, family: Family, license: LicenseId) -> Result<OnceAnswer, Failure> {
        let func = format!("{}.delete", family.func());
        self.document(Repeat::Once, &func, &[elid(license), ok()]).map(|_| OnceAnswer::Changed)
    }

    /// `*.suspend elid` and `*.resume elid`. **Repeatable**; a lost answer leaves the status open, a read tells.
    fn switch(&mut self, family: Family, license: LicenseId, verb: &str) -> Result<(), Failure> {
        let func = format!("{}.{verb}", family.func());
        self.document(Repeat::Repeatable, &func, &[elid(license)]).map(drop)
    }

    /// `*.edit elid sok=ok` with any of ip, licname, remoteid, autoprolong=null; a module has neither ip nor licname.
    /// **Repeatable**; a lost answer leaves the fields open, a read tells. A new ip is limited to one a month.
    fn edit(&mut self, family: Family, license: LicenseId, change: &Edit) -> Result<(), Failure> {
        let mut params = vec![elid(license), ok()];
        match family {
            Family::Soft | Family::SoftExternal => {
                params.extend(change.ip.map(|ip| ("ip", ip.to_string())));
                params.extend(change.licname.clone().map(|name| ("licname", name)));
            }
            Family::Addition => {}
        }
        params.extend(change.remoteid.clone().map(|mark| ("remoteid", mark)));
        if change.no_autoprolong {
            params.push(("autoprolong", "null".to_owned()));
        }
        self.document(Repeat::Repeatable, &edit(family), &params).map(drop)
    }

    /// Hands a recorded request to its method.
    fn send_request(&mut self, request: &OnceRequest) -> Result<OnceAnswer, Failure> {
        match request {
            OnceRequest::Order(order) => self.order(order),
            OnceRequest::Prolong { license, period, before: _ } => self.prolong(*license, *period),
            OnceRequest::ChangePricelist { license, pricelist, period } => {
                self.change_pricelist(*license, *pricelist, *period)
            }
            OnceRequest::SetNodes { family, license, addon, nodes } => {
                self.set_nodes(*family, *license, *addon, *nodes)
            }
            OnceRequest::NewKey { family, license, before: _ } => self.new_key(*family, *license),
            OnceRequest::Delete { family, license } => self.delete(*family, *license),
        }
    }
}

fn edit(family: Family) -> String {
    format!("{}.edit", family.func())
}

/// What is known after a call that was sent once: everything but a clean answer, a refusal and a connection that was
/// never made is unknown.
fn outcome(result: Result<OnceAnswer, Failure>) -> Outcome {
    match result {
        Ok(answer) => Outcome::Done(answer),
        Err(Failure::Refused(refusal)) => Outcome::Refused(refusal),
        Err(Failure::NotSent(text)) => Outcome::NotSent(text),
        Err(Failure::Lost(text) | Failure::Bad(text)) => Outcome::Unknown(text),
    }
}

impl Upstream for HttpUpstream {
    fn send_once(&mut self, intent: RecordedIntent) -> Outcome {
        outcome(self.send_request(intent.request()))
    }

    fn change(&mut self, family: Family, license: LicenseId, change: &Repeatable) -> Result<(), CallError> {
        match change {
            Repeatable::Suspend => self.switch(family, license, "suspend")?,
            Repeatable::Resume => self.switch(family, license, "resume")?,
            Repeatable::Edit(fields) => self.edit(family, license, fields)?,
        }
        Ok(())
    }

    /// `*.edit elid`. **Read**. An answer about another license is not believed.
    fn license(&mut self, family: Family, license: LicenseId) -> Result<License, CallError> {
        let func = edit(family);
        let mut doc = self.document(Repeat::Read, &func, &[elid(license)])?;
        if doc.value_of("id").is_none_or(str::is_empty) {
            // Forms of the panel name what they edit as elid, and need not repeat it as a field.
            let id = doc.value_of("elid").filter(|text| !text.is_empty()).map_or(license.to_string(), str::to_owned);
            doc.children.insert(0, Element::new("id").with_text(&id));
        }
        match decode::license(&doc) {
            Some(found) if found.id == license => Ok(found),
            Some(found) => {
                let text = format!("{func}: asked for license {license}, the answer is about {}", found.id);
                Err(CallError::BadAnswer(text))
            }
            None => Err(CallError::BadAnswer(format!("{func}: the answer holds no license number"))),
        }
    }

    /// `soft` or `softexternal` with `p_num p_cnt`. **Read**. A row without a number makes the page unbelievable: an
    /// incomplete list must never pass for a complete one.
    fn page(&mut self, family: Family, number: u32) -> Result<Page, CallError> {
        let func = family.func();
        let params = [("p_num", number.to_string()), ("p_cnt", PAGE_ROWS.to_string())];
        let (rows, frame) = self.list(func, &params, &["p_elems"], |row| decode::license(&row))?;
        let rows: Option<Vec<License>> = rows.into_iter().collect();
        let rows = rows.ok_or_else(|| CallError::BadAnswer(format!("{func}: a row holds no license number")))?;
        Ok(Page { rows, total: frame.value_of("p_elems").and_then(|text| text.parse().ok()) })
    }

    /// `soft.checkip pricelist period ip`. **Read**.
    fn check_ip(&mut self, pricelist: UpstreamPricelistId, period: Period, ip: IpAddr) -> Result<(), CallError> {
        let params =
            [("pricelist", pricelist.to_string()), ("period", period.number().to_string()), ("ip", ip.to_string())];
        self.document(Repeat::Read, "soft.checkip", &params)?;
        Ok(())
    }

    /// `whoami`. **Read**. The user's name where the answer holds it, else nothing.
    fn whoami(&mut self) -> Result<String, CallError> {
        let doc = self.document(Repeat::Read, "whoami", &[])?;
        Ok(decode::user(&doc).unwrap_or_default())
    }

    /// `subaccount`. **Read**. The first subaccount that shows a balance; the currency is empty when it shows none.
    fn balance(&mut self) -> Result<Money, CallError> {
        let (rows, frame) = self.list("subaccount", &[], &["balance", "currency"], |row| row)?;
        decode::balance(&rows, &frame)
            .ok_or_else(|| CallError::BadAnswer("subaccount: the answer shows no balance".to_owned()))
    }

    fn server_date(&self) -> Option<DateTime<Utc>> {
        self.last_date
    }
}
