//! One group of choices of the settings file: the top level, or a `[module.ID]`.

use std::path::PathBuf;

use super::hosting::HostingLayer;
use super::product::{self, ProductPatch};
use super::reader::{Field, Table};
use crate::clock::Zone;
use crate::error::ModuleError;
use crate::model::catalogue::Catalogue;
use crate::model::ids::{ModuleId, PanelId};
use crate::model::license::Money;
use crate::model::period::AlignmentRule;
use crate::model::rules::{IpChangeLimit, OnClose, OrderApi, PostOpen, Rules};
use crate::text;

/// One group of choices: the top level of the file, or a `[module.ID]`. `None`: not set there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Layer {
    pub(super) panel_id: Option<PanelId>,
    replace_catalogue: Option<bool>,
    on_close: Option<OnClose>,
    /// Key and line of `on_close`, for an error that depends on the kind of seller.
    pub(super) on_close_at: Option<(String, usize)>,
    post_open: Option<PostOpen>,
    ip_change_limit: Option<IpChangeLimit>,
    pool_foreign: Option<bool>,
    renew_before_days: Option<u32>,
    max_changes: Option<u32>,
    /// `Some(None)`: switched off.
    minimum_balance: Option<Option<i64>>,
    nodes_addons: Option<Vec<String>>,
    panel_addons: Option<Vec<String>>,
    bundled: Option<Vec<ModuleId>>,
    bundled_module: Option<ModuleId>,
    pub(super) zone: Option<Zone>,
    clock_check: Option<bool>,
    timeout_s: Option<u32>,
    connect_timeout_s: Option<u32>,
    settle_s: Option<u32>,
    resend: Option<bool>,
    pause_ms: Option<u32>,
    order_api: Option<OrderApi>,
    ca_file: Option<PathBuf>,
    source_ip: Option<std::net::IpAddr>,
    hosting: HostingLayer,
    pub(super) products: Vec<ProductPatch>,
    alignment: Vec<AlignmentRule>,
}

fn zone(field: &Field<'_>) -> Result<Zone, ModuleError> {
    let name = field.filled()?;
    Zone::parse(name).ok_or_else(|| {
        let what = text!(
            "expected a time zone such as \"Europe/Moscow\" or \"+03:00\", found {name:?}",
            "ожидается часовой пояс вида \"Europe/Moscow\" или \"+03:00\", найдено {name:?}"
        );
        field.wrong(what)
    })
}

/// An empty text switches it off.
fn minimum_balance(field: &Field<'_>) -> Result<Option<i64>, ModuleError> {
    let amount = field.amount()?;
    if amount.is_empty() {
        return Ok(None);
    }
    Money::parse(&amount, "").map(|money| Some(money.minor)).ok_or_else(|| {
        let what = text!(
            "expected an amount such as \"12.50\", or \"\" for off",
            "ожидается сумма вида \"12.50\" или \"\", если не нужно"
        );
        field.wrong(what)
    })
}

fn panel_id(field: &Field<'_>) -> Result<Option<PanelId>, ModuleError> {
    let text = field.text()?;
    if text.is_empty() {
        return Ok(None);
    }
    let what =
        || text!("expected eight lower-case letters or digits", "ожидаются восемь строчных латинских букв или цифр");
    PanelId::parse(text).map(Some).ok_or_else(|| field.wrong(what()))
}

impl Layer {
    /// Reads the keys of the group.
    ///
    /// # Errors
    /// `config` with key and line.
    pub(super) fn read(table: &Table<'_>) -> Result<Self, ModuleError> {
        let flag = |name| table.take(name).map(|f| f.flag()).transpose();
        let names = |name| table.take(name).map(|f| f.each(|e| e.filled().map(str::to_owned))).transpose();
        let mut layer = Self {
            panel_id: table.take("panel_id").map(|f| panel_id(&f)).transpose()?.flatten(),
            replace_catalogue: table
                .take("catalogue")
                .map(|f| f.choice(&[("extend", false), ("replace", true)]))
                .transpose()?,
            on_close_at: table.take("on_close").map(|f| (f.key.clone(), f.line)),
            on_close: table
                .take("on_close")
                .map(|f| {
                    f.choice(&[
                        ("pool", OnClose::Pool),
                        ("stop", OnClose::Stop),
                        ("delete", OnClose::Delete),
                        ("keep", OnClose::Keep),
                    ])
                })
                .transpose()?,
            post_open: table
                .take("post_open")
                .map(|f| {
                    f.choice(&[
                        ("itemtype", PostOpen::Itemtype),
                        ("service", PostOpen::Service),
                        ("both", PostOpen::Both),
                    ])
                })
                .transpose()?,
            ip_change_limit: table
                .take("ip_change_limit")
                .map(|f| f.choice(&[("month", IpChangeLimit::Month), ("none", IpChangeLimit::None)]))
                .transpose()?,
            pool_foreign: flag("pool_foreign")?,
            renew_before_days: table.take("renew_before_days").map(|f| f.count(0..=60)).transpose()?,
            max_changes: table.take("max_changes").map(|f| f.count(1..=1_000_000)).transpose()?,
            minimum_balance: table.take("minimum_balance").map(|f| minimum_balance(&f)).transpose()?,
            nodes_addons: names("nodes_addons")?,
            panel_addons: names("panel_addons")?,
            bundled: table.take("bundled").map(|f| f.each(|e| e.id().map(ModuleId))).transpose()?,
            bundled_module: table
                .take("bundled_module")
                .map(|f| f.count(0..=u32::MAX))
                .transpose()?
                .filter(|id| *id > 0)
                .map(ModuleId),
            zone: table.take("upstream_timezone").map(|f| zone(&f)).transpose()?,
            clock_check: flag("clock_check")?,
            ..Self::default()
        };
        if let Some(field) = table.take("upstream") {
            let upstream = field.table()?;
            layer.read_upstream(&upstream)?;
            upstream.finish()?;
        }
        if let Some(field) = table.take("orderbox") {
            let hosting = field.table()?;
            layer.hosting = HostingLayer::read(&hosting)?;
            hosting.finish()?;
        }
        layer.products = many(table, "product", ProductPatch::read)?;
        layer.alignment = many(table, "period_alignment", product::alignment)?;
        for (index, patch) in layer.products.iter().enumerate() {
            let name = patch.internal_name();
            if layer.products.iter().take(index).any(|earlier| earlier.internal_name() == name) {
                let what = text!("product {name:?} is described twice", "продукт {name:?} описан дважды");
                return Err(table.wrong("product", what));
            }
        }
        Ok(layer)
    }

    fn read_upstream(&mut self, table: &Table<'_>) -> Result<(), ModuleError> {
        self.timeout_s = table.take("timeout_s").map(|f| f.count(1..=600)).transpose()?;
        self.connect_timeout_s = table.take("connect_timeout_s").map(|f| f.count(1..=600)).transpose()?;
        self.settle_s = table.take("settle_s").map(|f| f.count(1..=7 * 24 * 3600)).transpose()?;
        self.resend = table.take("resend").map(|f| f.flag()).transpose()?;
        self.pause_ms = table.take("pause_ms").map(|f| f.count(0..=60_000)).transpose()?;
        self.order_api =
            table.take("order_api").map(|f| f.choice(&[("v1", OrderApi::V1), ("v2", OrderApi::V2)])).transpose()?;
        self.ca_file = table.take("ca_file").map(|f| f.optional_path()).transpose()?.flatten();
        if let Some(field) = table.take("source_ip")
            && !field.text()?.is_empty()
        {
            self.source_ip = Some(field.address()?);
        }
        Ok(())
    }

    /// Overrides the rules with the values that are set here.
    pub(super) fn apply(&self, rules: &mut Rules) {
        fn set<T: Clone>(target: &mut T, value: Option<&T>) {
            if let Some(value) = value {
                target.clone_from(value);
            }
        }
        if self.panel_id.is_some() {
            rules.panel_id.clone_from(&self.panel_id);
        }
        if self.replace_catalogue == Some(true) {
            rules.catalogue = Catalogue::from_products([]);
        }
        self.products.iter().for_each(|patch| patch.apply(&mut rules.catalogue));
        set(&mut rules.on_close, self.on_close.as_ref());
        set(&mut rules.post_open, self.post_open.as_ref());
        set(&mut rules.ip_change_limit, self.ip_change_limit.as_ref());
        set(&mut rules.pool_foreign, self.pool_foreign.as_ref());
        set(&mut rules.renew_before_days, self.renew_before_days.as_ref());
        set(&mut rules.max_changes, self.max_changes.as_ref());
        set(&mut rules.minimum_balance, self.minimum_balance.as_ref());
        set(&mut rules.nodes_addons, self.nodes_addons.as_ref());
        set(&mut rules.panel_addons, self.panel_addons.as_ref());
        set(&mut rules.bundled, self.bundled.as_ref());
        rules.bundled_module = self.bundled_module.or(rules.bundled_module);
        set(&mut rules.clock_check, self.clock_check.as_ref());
        set(&mut rules.upstream.timeout_s, self.timeout_s.as_ref());
        set(&mut rules.upstream.connect_timeout_s, self.connect_timeout_s.as_ref());
        set(&mut rules.upstream.settle_s, self.settle_s.as_ref());
        set(&mut rules.upstream.resend, self.resend.as_ref());
        set(&mut rules.upstream.pause_ms, self.pause_ms.as_ref());
        set(&mut rules.upstream.order_api, self.order_api.as_ref());
        if self.ca_file.is_some() {
            rules.upstream.ca_file.clone_from(&self.ca_file);
        }
        self.hosting.apply(&mut rules.hosting);
        rules.upstream.source_ip = self.source_ip.or(rules.upstream.source_ip);
        // A module's own rules come first, so that among equally specific ones they win.
        rules.alignment.splice(0..0, self.alignment.iter().cloned());
    }
}

/// The tables of a list of tables.
///
/// # Errors
/// `config`.
pub(super) fn many<'t, T>(
    table: &Table<'t>,
    name: &str,
    read: impl Fn(&Field<'t>) -> Result<T, ModuleError>,
) -> Result<Vec<T>, ModuleError> {
    table.take(name).map_or_else(|| Ok(Vec::new()), |field| field.each(read))
}
