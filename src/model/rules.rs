//! The provider's choices for one processing module: the top level of the settings file, merged with `[module.ID]`.
//! Only this module holds the defaults.

use chrono::{Days, Months, NaiveDate};

use super::catalogue::Catalogue;
use super::hosting::HostingRules;
use super::ids::{ModuleId, PanelId};
use super::license::Money;
use super::period::AlignmentRule;

/// What happens to a license when its service is closed (docs/licensing-rules.md 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnClose {
    /// Freed for the next client.
    #[default]
    Pool,
    /// Stopped, and left to run out.
    Stop,
    /// Deleted at the seller, at once and for good.
    Delete,
    /// Left as it is until its hosting order ends. Only for licenses that are addons of hosting orders.
    Keep,
}

/// Which call tells the panel that a service is open (docs/panel-protocol.md 8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PostOpen {
    /// `ITEMTYPE.open`
    #[default]
    Itemtype,
    /// `service.postopen`
    Service,
    /// `ITEMTYPE.open`, then `service.postopen`, for a panel that counts a service as open only after both.
    Both,
}

/// Which function of the seller takes orders. Trying both could buy twice, so the other one is never tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OrderApi {
    /// `ITEMTYPE.order.param`
    #[default]
    V1,
    /// `v2.ITEMTYPE.order.param`, the order function of newer BILLmanagers.
    V2,
}

/// Whether the seller lets a license change its address once a month only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IpChangeLimit {
    /// Once a month.
    #[default]
    Month,
    /// At any time: for an account with free changes of address.
    None,
}

impl IpChangeLimit {
    /// The day from which an address that changed on `changed` may change again. `None`: at once.
    pub fn changeable_from(self, changed: Option<NaiveDate>) -> Option<NaiveDate> {
        match self {
            Self::Month => changed.map(a_month_after),
            Self::None => None,
        }
    }

    /// The same day, if it is today or later: on that day itself the seller still refuses.
    pub fn waits_until(self, changed: Option<NaiveDate>, today: NaiveDate) -> Option<NaiveDate> {
        self.changeable_from(changed).filter(|from| *from >= today)
    }
}

/// The day from which something that may change once a month may change again. Some sellers count 31 days, others by
/// the calendar. The later day is right for both.
pub fn a_month_after(changed: NaiveDate) -> NaiveDate {
    let by_calendar = changed.checked_add_months(Months::new(1));
    let by_days = changed.checked_add_days(Days::new(31));
    by_calendar.max(by_days).unwrap_or(NaiveDate::MAX)
}

/// How intents in doubt are settled, and how the seller is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamRules {
    /// Seconds that one call may take in all.
    pub timeout_s: u32,
    /// Seconds to connect, TLS included.
    pub connect_timeout_s: u32,
    /// Seconds after which the seller no longer carries out a request that it received (docs/money-safety.md 3).
    pub settle_s: u32,
    /// Whether a purchase that left no trace is sent once more.
    pub resend: bool,
    /// Milliseconds between two reads of single licenses, where one run makes many of them.
    pub pause_ms: u32,
    /// Which function takes orders.
    pub order_api: OrderApi,
    /// A PEM file with a certificate authority of the seller, which is trusted in addition to the public ones, or with
    /// the seller's own certificate.
    pub ca_file: Option<std::path::PathBuf>,
    /// The local address that requests leave from.
    pub source_ip: Option<std::net::IpAddr>,
}

impl Default for UpstreamRules {
    fn default() -> Self {
        Self {
            timeout_s: 60,
            connect_timeout_s: 10,
            settle_s: 900,
            resend: true,
            pause_ms: 500,
            order_api: OrderApi::default(),
            ca_file: None,
            source_ip: None,
        }
    }
}

/// The provider's choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Fixes the P of the mark, so that it survives the loss of the state file.
    pub panel_id: Option<PanelId>,
    /// All products, built in and added.
    pub catalogue: Catalogue,
    /// What happens to a license when its service is closed.
    pub on_close: OnClose,
    /// Which call tells the panel that a service is open.
    pub post_open: PostOpen,
    /// Whether a license may change its address once a month only.
    pub ip_change_limit: IpChangeLimit,
    /// Whether licenses named `free.lic` that somebody else freed may be taken.
    pub pool_foreign: bool,
    /// sync renews a license that runs out within this many days.
    pub renew_before_days: u32,
    /// A run that acts on many licenses holds back all changes of a kind if they are more than this
    /// (docs/money-safety.md 6).
    pub max_changes: u32,
    /// Below this balance nothing is bought; `None`: off.
    pub minimum_balance: Option<i64>,
    /// Names of the whole-number addon that counts additional nodes.
    pub nodes_addons: Vec<String>,
    /// Names of the enumeration that holds the control panel. Empty: it is recognised by its values.
    pub panel_addons: Vec<String>,
    /// Server modules whose services we license.
    pub bundled: Vec<ModuleId>,
    /// The license server of bundled services.
    pub bundled_module: Option<ModuleId>,
    /// Whether a wrong clock stops sync, sweep and reconcile.
    pub clock_check: bool,
    /// Alignment rules of the settings file; the panel's come before them.
    pub alignment: Vec<AlignmentRule>,
    /// The seller.
    pub upstream: UpstreamRules,
    /// Licenses that are addons of hosting orders.
    pub hosting: HostingRules,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            panel_id: None,
            catalogue: Catalogue::builtin(),
            on_close: OnClose::default(),
            post_open: PostOpen::default(),
            ip_change_limit: IpChangeLimit::default(),
            pool_foreign: false,
            renew_before_days: 1,
            max_changes: 10,
            minimum_balance: None,
            nodes_addons: vec!["nodes".to_owned()],
            panel_addons: Vec::new(),
            bundled: Vec::new(),
            bundled_module: None,
            clock_check: true,
            alignment: Vec::new(),
            upstream: UpstreamRules::default(),
            hosting: HostingRules::default(),
        }
    }
}

impl Rules {
    /// Whether a balance is below what the provider wants to keep (minor units of the account's currency).
    pub fn is_below_minimum(&self, balance: &Money) -> bool {
        self.minimum_balance.is_some_and(|minimum| balance.minor < minimum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 31 days or the same day of the next month, whichever is later; nothing to wait for without a limit.
    #[test]
    fn a_month_is_the_later_of_two() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a date");
        for (changed, from) in [
            ("2027-02-01", "2027-03-04"),
            ("2027-01-31", "2027-03-03"),
            ("2027-04-10", "2027-05-11"),
            ("2027-07-10", "2027-08-10"),
        ] {
            assert_eq!(a_month_after(day(changed)), day(from), "{changed}");
            assert_eq!(IpChangeLimit::Month.changeable_from(Some(day(changed))), Some(day(from)));
            assert_eq!(IpChangeLimit::None.changeable_from(Some(day(changed))), None);
        }
    }
}
