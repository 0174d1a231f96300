//! An account at the seller that only answers questions. A change of a license only changes what later reads show.

use std::net::IpAddr;

use chrono::{DateTime, Days, NaiveDate, Utc};

use super::{FIRST_LICENSE, Script, Step};
use crate::error::ModuleError;
use crate::model::hosting::{AddLicense, HostingOrder, OrderAction, ProductLine, RemoveLicense};
use crate::model::ids::{LicenseId, LicenseKey, ModuleId, UpstreamPricelistId};
use crate::model::journal::{OnceAnswer, OnceRequest, OrderRequest};
use crate::model::license::{Cost, Expiry, Family, License, LicenseStatus, LicenseTariff, Money, RemoteId};
use crate::model::period::{Period, add_months, add_period};
use crate::model::rules::Rules;
use crate::plan::cost::cost_of;
use crate::ports::{
    CallError, Connector, Edit, Form, HostingOrders, ModuleAccess, Outcome, Page, Repeatable, Upstream,
};
use crate::store::RecordedIntent;
use crate::text;
use crate::upstream::billmanager::wire;

/// The assumed days of a trial. No decision depends on it.
const TRIAL: Days = Days::new(14);

/// Makes clients that ask the real account.
pub struct RehearsedConnector {
    real: Box<dyn Connector>,
    script: Script,
    rules: Box<dyn Fn(ModuleId) -> Rules>,
}

impl RehearsedConnector {
    /// Questions go to `real`, changes into `script`. `rules`: the provider's choices for a module.
    pub fn new(real: Box<dyn Connector>, script: Script, rules: impl Fn(ModuleId) -> Rules + 'static) -> Self {
        Self { real, script, rules: Box::new(rules) }
    }
}

impl Connector for RehearsedConnector {
    fn connect(&self, access: &ModuleAccess) -> Result<Box<dyn Upstream>, ModuleError> {
        let real = self.real.connect(access)?;
        let host = access.url.split_once("://").map_or(access.url.as_str(), |(_, rest)| rest);
        let host = host.split(['/', '?', '#']).next().unwrap_or(host).to_owned();
        let account = format!("{}@{}", access.username, access.url);
        let rules = (self.rules)(access.module);
        Ok(Box::new(Rehearsed { real, script: self.script.clone(), host, account, rules }))
    }
}

struct Rehearsed {
    real: Box<dyn Upstream>,
    script: Script,
    host: String,
    account: String,
    rules: Rules,
}

impl Rehearsed {
    fn pictured(&self, license: LicenseId) -> Option<License> {
        self.script.made.borrow().licenses.get(&(self.account.clone(), license)).cloned()
    }

    fn picture(&self, license: License) {
        self.script.made.borrow_mut().licenses.insert((self.account.clone(), license.id), license);
    }

    /// The license as it would be now.
    fn now(&mut self, family: Family, license: LicenseId) -> Result<License, CallError> {
        match self.pictured(license) {
            Some(pictured) => Ok(pictured),
            None => self.real.license(family, license),
        }
    }

    /// Writes a step down. Before the first one that costs money, the balance is asked for.
    fn send(&mut self, form: Form, cost: Cost) {
        let is_first = cost != Cost::None && !self.script.made.borrow().balances.contains_key(&self.account);
        if is_first {
            let balance = self.real.balance().ok();
            self.script.made.borrow_mut().balances.insert(self.account.clone(), balance);
        }
        let (to, account) = (self.host.clone(), self.account.clone());
        self.script.push(Step::Send { to, account, form, cost });
    }

    /// The cost that a request would have, as far as the seller or our list prices show it beforehand.
    fn cost(&mut self, request: &OnceRequest) -> Cost {
        let seen = match request {
            OnceRequest::Order(order) => {
                let product = self.rules.catalogue.by_pricelist(order.pricelist);
                let more_nodes =
                    order.nodes.is_some_and(|(_, nodes)| product.is_none_or(|it| nodes > it.nodes_included));
                // The list names no price of nodes.
                if more_nodes {
                    return Cost::Unknown;
                }
                License { tariff: LicenseTariff::Id(order.pricelist), ..License::unknown(LicenseId(FIRST_LICENSE)) }
            }
            OnceRequest::Prolong { license, .. } => self.read(*license).unwrap_or_else(|_| License::unknown(*license)),
            OnceRequest::AddLicense(AddLicense { months, .. }) => {
                return self.rules.hosting.price_of(*months).map_or(Cost::Unknown, Cost::ListPrice);
            }
            OnceRequest::ChangePricelist { license, .. }
            | OnceRequest::SetNodes { license, .. }
            | OnceRequest::NewKey { license, .. }
            | OnceRequest::Delete { license, .. } => License::unknown(*license),
            OnceRequest::RemoveLicense(removed) => License::unknown(removed.order),
        };
        let product = seen.tariff.id().and_then(|pricelist| self.rules.catalogue.by_pricelist(pricelist));
        cost_of(request, &seen, product)
    }

    fn order(&mut self, order: &OrderRequest) -> OnceAnswer {
        let id = {
            let mut made = self.script.made.borrow_mut();
            made.ordered += 1;
            LicenseId(FIRST_LICENSE - (made.ordered - 1))
        };
        let today = self.script.today;
        let expires = match order.period {
            Period::Trial => today.checked_add_days(TRIAL).map_or(Expiry::Never, Expiry::On),
            Period::Lifetime => Expiry::Never,
            Period::Months(_) | Period::Day | Period::Unknown(_) => Expiry::On(add_period(today, order.period)),
        };
        let key = self.fresh_key();
        self.picture(License {
            name: Some(order.licname.clone()),
            ip: order.ip,
            remoteid: RemoteId::Text(order.mark.to_string()),
            tariff: LicenseTariff::Id(order.pricelist),
            period: Some(order.period),
            status: LicenseStatus::Active,
            key,
            created: Some(today),
            expires,
            autoprolong: Some(false),
            addons: order.nodes.into_iter().collect(),
            ..License::unknown(id)
        });
        OnceAnswer::Ordered(Some(id))
    }

    /// A new key. Like every key it is never shown.
    fn fresh_key(&self) -> Option<LicenseKey> {
        let mut made = self.script.made.borrow_mut();
        made.keys += 1;
        LicenseKey::parse(&format!("NEW-KEY-{}", made.keys))
    }

    fn about(&mut self, license: LicenseId, request: &OnceRequest) -> Result<OnceAnswer, CallError> {
        let mut seen = match request {
            OnceRequest::SetNodes { family, .. }
            | OnceRequest::NewKey { family, .. }
            | OnceRequest::Delete { family, .. } => self.now(*family, license)?,
            OnceRequest::Order(_)
            | OnceRequest::Prolong { .. }
            | OnceRequest::ChangePricelist { .. }
            | OnceRequest::AddLicense(_)
            | OnceRequest::RemoveLicense(_) => self.read(license)?,
        };
        let answer = match request {
            OnceRequest::Prolong { period, .. } => {
                let from = seen.expires.day().map_or(self.script.today, |expires| expires.max(self.script.today));
                let until = add_months(from, *period);
                seen.expires = Expiry::On(until);
                OnceAnswer::Prolonged(Some(until))
            }
            OnceRequest::ChangePricelist { pricelist, period, .. } => {
                (seen.tariff, seen.period) = (LicenseTariff::Id(*pricelist), Some(*period));
                OnceAnswer::Changed
            }
            OnceRequest::SetNodes { addon, nodes, .. } => {
                seen.addons.insert(*addon, *nodes);
                OnceAnswer::Changed
            }
            OnceRequest::NewKey { .. } => {
                (seen.key, seen.key_changed) = (self.fresh_key(), Some(self.script.today));
                OnceAnswer::Key(seen.key.clone())
            }
            OnceRequest::Delete { .. } => {
                seen.status = LicenseStatus::Deleted;
                OnceAnswer::Changed
            }
            OnceRequest::Order(_) | OnceRequest::AddLicense(_) | OnceRequest::RemoveLicense(_) => OnceAnswer::Changed,
        };
        self.picture(seen);
        Ok(answer)
    }

    /// The license of a renewal or a change of tariff, which do not name its family: the one whose functions show it.
    fn read(&mut self, license: LicenseId) -> Result<License, CallError> {
        if let Some(pictured) = self.pictured(license) {
            return Ok(pictured);
        }
        let seen =
            self.real.license(Family::Soft, license).or_else(|_| self.real.license(Family::SoftExternal, license))?;
        self.picture(seen.clone());
        Ok(seen)
    }
}

fn edited(seen: &mut License, fields: &Edit, today: NaiveDate) {
    if let Some(ip) = fields.ip {
        if seen.ip != Some(ip) {
            seen.ip_changed = Some(today);
        }
        seen.ip = Some(ip);
    }
    if fields.licname.is_some() {
        seen.name.clone_from(&fields.licname);
    }
    if let Some(mark) = &fields.remoteid {
        seen.remoteid = if mark.is_empty() { RemoteId::Empty } else { RemoteId::Text(mark.clone()) };
    }
    if fields.no_autoprolong {
        seen.autoprolong = Some(false);
    }
}

fn no_hosting() -> CallError {
    CallError::BadAnswer(text!("this seller has no hosting orders", "у этого продавца нет заказов хостинга"))
}

/// The real orders, with the keys that they would get.
impl HostingOrders for Rehearsed {
    fn has_order(&mut self, line: ProductLine, order: LicenseId) -> Result<bool, CallError> {
        self.real.hosting().ok_or_else(no_hosting)?.has_order(line, order)
    }

    fn order(&mut self, line: ProductLine, order: LicenseId) -> Result<HostingOrder, CallError> {
        let seen = self.real.hosting().ok_or_else(no_hosting)?.order(line, order)?;
        let key = match self.pictured(order) {
            Some(pictured) => pictured.key,
            None => seen.key.clone(),
        };
        Ok(HostingOrder { key, ..seen })
    }

    fn pending_actions(&mut self, order: LicenseId) -> Result<Vec<OrderAction>, CallError> {
        self.real.hosting().ok_or_else(no_hosting)?.pending_actions(order)
    }

    fn finished_actions(&mut self, order: LicenseId) -> Result<Vec<OrderAction>, CallError> {
        self.real.hosting().ok_or_else(no_hosting)?.finished_actions(order)
    }

    fn customer_email(&mut self, customer: &str) -> Result<String, CallError> {
        self.real.hosting().ok_or_else(no_hosting)?.customer_email(customer)
    }

    fn orders(&mut self, line: ProductLine, number: u32) -> Result<Vec<LicenseId>, CallError> {
        self.real.hosting().ok_or_else(no_hosting)?.orders(line, number)
    }
}

impl Upstream for Rehearsed {
    fn send_once(&mut self, recorded: RecordedIntent) -> Outcome {
        let request = recorded.request();
        let cost = self.cost(request);
        self.send(wire::once(request, self.rules.upstream.order_api), cost);
        match request {
            OnceRequest::Order(order) => Outcome::Done(self.order(order)),
            OnceRequest::AddLicense(AddLicense { order, .. }) => {
                self.picture(License { key: self.fresh_key(), ..License::unknown(*order) });
                Outcome::Done(OnceAnswer::Changed)
            }
            OnceRequest::RemoveLicense(RemoveLicense { order, .. }) => {
                self.picture(License::unknown(*order));
                Outcome::Done(OnceAnswer::Changed)
            }
            OnceRequest::Prolong { license, .. }
            | OnceRequest::ChangePricelist { license, .. }
            | OnceRequest::SetNodes { license, .. }
            | OnceRequest::NewKey { license, .. }
            | OnceRequest::Delete { license, .. } => match self.about(*license, request) {
                Ok(answer) => Outcome::Done(answer),
                Err(error) => Outcome::NotSent(error.words().en),
            },
        }
    }

    fn change(&mut self, family: Family, license: LicenseId, change: &Repeatable) -> Result<(), CallError> {
        let form = wire::change(family, license, change);
        self.send(form, Cost::None);
        let mut seen = self.now(family, license)?;
        match change {
            Repeatable::Suspend => seen.status = LicenseStatus::Stopped,
            Repeatable::Resume => seen.status = LicenseStatus::Active,
            Repeatable::Edit(fields) => edited(&mut seen, fields, self.script.today),
        }
        self.picture(seen);
        Ok(())
    }

    fn license(&mut self, family: Family, license: LicenseId) -> Result<License, CallError> {
        self.now(family, license)
    }

    fn page(&mut self, family: Family, number: u32) -> Result<Page, CallError> {
        let mut page = self.real.page(family, number)?;
        for row in &mut page.rows {
            if let Some(pictured) = self.pictured(row.id) {
                *row = License { key: None, ..pictured };
            }
        }
        Ok(page)
    }

    fn check_ip(&mut self, pricelist: UpstreamPricelistId, period: Period, ip: IpAddr) -> Result<(), CallError> {
        self.real.check_ip(pricelist, period, ip)
    }

    fn whoami(&mut self) -> Result<String, CallError> {
        self.real.whoami()
    }

    fn balance(&mut self) -> Result<Money, CallError> {
        self.real.balance()
    }

    fn hosting(&mut self) -> Option<&mut dyn HostingOrders> {
        if self.real.hosting().is_some() { Some(self) } else { None }
    }

    fn server_date(&self) -> Option<DateTime<Utc>> {
        self.real.server_date()
    }
}
