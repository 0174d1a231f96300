//! The list from which an operator chooses what to import: licenses at the seller that no service has
//! (docs/interface.md 3). Making the list changes nothing. A chosen license is imported in the same way as by the
//! panel's command.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;

use crate::error::{ModuleError, Text};
use crate::model::hosting::HostingOrder;
use crate::model::ids::{ItemId, LicenseId, ModuleId};
use crate::model::license::{Expiry, Family, License, LicenseStatus};
use crate::plan::identity::is_our_mark;
use crate::plan::import::{Choice, Knowledge, Search, choose, is_importable, is_ours};
use crate::ports::CallError;
use crate::text;

use crate::engine::hosting::listing::to_bind;
use crate::engine::pages::{Looked, Pages, Progress};
use crate::engine::{Engine, errors};

/// A license that no service has. An account may have a hundred thousand of them, so this keeps only what the list
/// shows.
#[derive(Debug, Clone)]
pub struct Importable {
    /// The module whose account has it.
    pub module: ModuleId,
    /// Which functions serve it.
    pub family: Family,
    /// Its number.
    pub id: LicenseId,
    /// Its name.
    pub name: Option<Box<str>>,
    /// Its address.
    pub ip: Option<IpAddr>,
    /// When it runs out.
    pub expires: Expiry,
    /// Its status.
    pub status: LicenseStatus,
    /// The internal name that its service would have. Few names, many licenses.
    pub code: Option<Rc<str>>,
    /// This installation bought or bound it.
    pub ours: bool,
    /// Why it cannot be imported as it is.
    pub against: Option<Box<Text>>,
}

impl Importable {
    fn new(module: ModuleId, family: Family, seen: License) -> Self {
        Self {
            module,
            family,
            id: seen.id,
            name: seen.name.map(String::into_boxed_str),
            ip: seen.ip,
            expires: seen.expires,
            status: seen.status,
            code: None,
            ours: false,
            against: None,
        }
    }

    fn against(self, why: Text) -> Self {
        Self { against: Some(Box::new(why)), ..self }
    }
}

impl Engine<'_> {
    /// Licenses of a family that no service has.
    ///
    /// # Errors
    /// A list or the panel's database that cannot be read; `state`: this state is old.
    pub async fn importable(
        &mut self,
        family: Family,
        progress: &mut Progress<'_>,
    ) -> Result<Vec<Importable>, ModuleError> {
        let shown = self.shown_licenses().await?;
        if self.sells_addons() {
            return if family == Family::Soft { self.importable_orders().await } else { Ok(Vec::new()) };
        }
        let mut pages = Pages::of(family);
        let (mut found, mut codes, mut looked) = (Vec::new(), Codes::default(), Looked::nothing(progress));
        while let Some(page) = pages.next(self).await? {
            self.check_marks(&page.rows).await?;
            for seen in page.rows {
                looked.one_more(page.total);
                found.extend(self.as_importable(family, seen, &shown, &mut codes).await?);
            }
        }
        Ok(found)
    }

    /// Orders with a license that no service has. They are reported, never imported.
    async fn importable_orders(&mut self) -> Result<Vec<Importable>, ModuleError> {
        let orders = self.unclaimed_orders(&Search::everything()).await?;
        let importable = |order: HostingOrder| {
            Importable::new(self.module, Family::Orderbox, order.as_license()).against(to_bind(order.id))
        };
        Ok(orders.into_iter().map(importable).collect())
    }

    /// The whole license, where the list leaves out its remoteid or the number of its tariff.
    async fn whole(
        &mut self,
        family: Family,
        seen: &License,
    ) -> Result<Result<Option<License>, CallError>, ModuleError> {
        self.begin_one();
        if !seen.is_incomplete() {
            return Ok(Ok(Some(seen.clone())));
        }
        self.try_read(family, seen.id).await
    }

    async fn as_importable(
        &mut self,
        family: Family,
        listed: License,
        shown: &BTreeMap<LicenseId, BTreeSet<ItemId>>,
        codes: &mut Codes,
    ) -> Result<Option<Importable>, ModuleError> {
        let row = self.store.license(self.account, listed.id).map_err(errors::state)?;
        if !is_importable(&listed, Knowledge { row: row.as_ref(), mark: None, in_doubt: false }) {
            return Ok(None);
        }
        let seen = match self.whole(family, &listed).await? {
            Ok(Some(seen)) => seen,
            Ok(None) => return Ok(None),
            // The other licenses go on.
            Err(error) => {
                self.check_account().await?;
                let why = error.words();
                let against = text!(["it cannot be read: {}", why.en], ["она не читается: {}", why.ru]);
                return Ok(Some(Importable::new(self.module, family, listed).against(against)));
            }
        };
        let mark = seen.remoteid.mark().filter(|mark| is_our_mark(mark, row.as_ref(), &self.panel_id));
        let known = Knowledge { row: row.as_ref(), mark: mark.as_ref(), in_doubt: self.in_doubt(&seen)? };
        if !is_importable(&seen, known) {
            return Ok(None);
        }
        let code = self.code_of(&seen, row.as_ref());
        let against = match choose(&seen, known, &Search::everything()) {
            Choice::Leave(why) => Some(why),
            Choice::Import(_) | Choice::NotMeant => shown
                .get(&seen.id)
                .and_then(|items| items.first())
                .map(|item| stands_on(*item, seen.id))
                .or_else(|| code.is_none().then(|| text!("its tariff is not known", "её тариф неизвестен"))),
        };
        let (ours, code, against) = (is_ours(known), code.map(|code| codes.shared(&code)), against.map(Box::new));
        Ok(Some(Importable { ours, code, against, ..Importable::new(self.module, family, seen) }))
    }
}

/// The internal names of a list: each is kept once.
#[derive(Default)]
struct Codes(BTreeSet<Rc<str>>);

impl Codes {
    fn shared(&mut self, code: &str) -> Rc<str> {
        if let Some(known) = self.0.get(code) {
            return Rc::clone(known);
        }
        let shared: Rc<str> = Rc::from(code);
        self.0.insert(Rc::clone(&shared));
        shared
    }
}

fn stands_on(item: ItemId, license: LicenseId) -> Text {
    text!(
        "service {item} shows it; to bind it: pmisplicense bind {item} {license}. To bind all such licenses: pmisplicense take-over panel",
        "её показывает услуга {item}; привязать: pmisplicense bind {item} {license}. Привязать все такие: pmisplicense take-over panel"
    )
}
