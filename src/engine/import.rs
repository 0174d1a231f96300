//! import: licenses at the seller that no service has become services of the panel (docs/interface.md 3). The call to
//! the panel is written down before it is made. When an answer was lost, the items are searched for its result first.

pub(super) mod list;

use chrono::{DateTime, Utc};

use crate::error::{ErrorKind, Halt, ModuleError, Text};
use crate::model::ids::{ItemId, LicenseId, Mark};
use crate::model::item::{Item, ItemStatus};
use crate::model::journal::Note;
use crate::model::license::{Expiry, Family, License, LicenseStatus};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::period::Period;
use crate::plan::identity::{KeyFate, is_our_mark};
use crate::plan::import::{Choice, Knowledge, Search, choose};
use crate::plan::in_doubt::is_candidate;
use crate::plan::outward;
use crate::ports::{LockName, PanelCall, PanelError};
use crate::run_report::{RunReport, Scope};
use crate::store::Binding;
use crate::text;

use super::hosting::listing::to_bind;
use super::pages::Pages;
use super::{Engine, errors};

/// The function of the panel that makes a service.
const FUNC: &str = "processing.import.service";

/// What an import did.
#[derive(Debug, Default)]
pub struct Imported {
    /// Licenses that became services.
    pub services: Vec<(LicenseId, ItemId)>,
    /// Licenses that were asked for and left alone, with the reason.
    pub left: Vec<Text>,
    /// The failures.
    pub report: RunReport,
}

impl Engine<'_> {
    /// Imports the licenses that the search selects. `itemtype`: `soft` or `softexternal`. The result holds a failure
    /// of one license with that license. Another type (`bad_value`), or a list that cannot be read, is a failure of the
    /// module.
    pub async fn import(&mut self, itemtype: &str, search: &Search) -> Imported {
        let mut done = Imported::default();
        if let Err(error) = self.import_all(itemtype, search, &mut done).await {
            done.report.failed(self.module, Scope::Account, error);
        }
        done
    }

    async fn import_all(&mut self, itemtype: &str, search: &Search, done: &mut Imported) -> Result<(), ModuleError> {
        self.check_restored()?;
        if self.sells_addons() {
            let orders = self.unclaimed_orders(search).await?;
            done.left.extend(orders.iter().map(|order| to_bind(order.id)));
            return Ok(());
        }
        let family = match Family::parse(itemtype) {
            Some(family @ (Family::Soft | Family::SoftExternal)) => family,
            Some(Family::Addition | Family::Orderbox) | None => return Err(bad_type(itemtype)),
        };
        for id in self.chosen(family, search, done).await? {
            self.begin_one();
            let result =
                self.with_locks(async |engine: &mut Self| engine.import_one(family, id, search, done).await).await;
            let result = result.map(|item| done.services.extend(item.map(|item| (id, item))));
            self.collected(&mut done.report, Scope::License(id), result).await?;
        }
        Ok(())
    }

    /// One pass over the list. A row is only a hint.
    async fn chosen(
        &mut self,
        family: Family,
        search: &Search,
        done: &mut Imported,
    ) -> Result<Vec<LicenseId>, ModuleError> {
        let mut pages = Pages::of(family);
        let mut chosen = Vec::new();
        while let Some(page) = pages.next(self).await? {
            self.check_marks(&page.rows).await?;
            for seen in &page.rows {
                let row = match self.store.license(self.account, seen.id) {
                    Ok(row) => row,
                    Err(error) => {
                        self.row_failed(&mut done.report, Scope::License(seen.id), error)?;
                        continue;
                    }
                };
                match self.choice(seen, row.as_ref(), search)? {
                    Choice::Import(_) => chosen.push(seen.id),
                    Choice::Leave(why) => done.left.push(why),
                    Choice::NotMeant => {}
                }
            }
        }
        Ok(chosen)
    }

    pub(super) fn in_doubt(&self, seen: &License) -> Result<bool, ModuleError> {
        let open = self.store.open_intents().map_err(errors::state)?;
        Ok(open.iter().filter(|intent| intent.account == self.account).any(|intent| {
            intent.request.as_order().is_some_and(|order| {
                let may_be = seen.remoteid.is_silent() || seen.remoteid.is(&order.mark);
                may_be && is_candidate(order, intent, seen)
            })
        }))
    }

    fn choice(&self, seen: &License, row: Option<&LicenseRow>, search: &Search) -> Result<Choice, ModuleError> {
        let in_doubt = self.in_doubt(seen)?;
        let mark = seen.remoteid.mark().filter(|mark| is_our_mark(mark, row, &self.panel_id));
        Ok(choose(seen, Knowledge { row, mark: mark.as_ref(), in_doubt }, search))
    }

    async fn import_one(
        &mut self,
        family: Family,
        id: LicenseId,
        search: &Search,
        done: &mut Imported,
    ) -> Result<Option<ItemId>, ModuleError> {
        self.lock_license(id).await?;
        let Some(seen) = self.read(family, id).await? else { return Ok(None) };
        let row = self.store.license(self.account, id).map_err(errors::state)?;
        let key = match self.choice(&seen, row.as_ref(), search)? {
            Choice::Import(key) => key,
            Choice::Leave(why) => {
                done.left.push(why);
                return Ok(None);
            }
            Choice::NotMeant => return Ok(None),
        };
        if let Some(item) = self.awaited_by(&seen, row.as_ref()).await? {
            done.left.push(text!(
                "license {id} bears the mark of service {item}, which waits for it. To bind it: pmisplicense --command sync_item --item {item}",
                "на лицензии {id} метка услуги {item}, которая её ждёт. Привязать её: pmisplicense --command sync_item --item {item}"
            ));
            return Ok(None);
        }
        let Some(code) = self.code_of(&seen, row.as_ref()) else {
            done.left.push(text!("the tariff of license {id} is not known", "тариф лицензии {id} неизвестен"));
            return Ok(None);
        };
        if seen.expires == Expiry::Unknown {
            // The service would have no end, and would be renewed without end.
            done.left.push(text!(
                "the seller does not show when license {id} runs out: the field expiredate is missing, or is not a date",
                "у лицензии {id} не видно срока: поля expiredate нет, или это не дата"
            ));
            return Ok(None);
        }
        let before = self.store.last_import(self.account, id).map_err(errors::state)?;
        let sent = before.filter(|(note, _)| *note == Note::ImportSent).map(|(_, at)| at);
        let item = match (self.owners(id).await?.as_slice(), sent) {
            ([], sent) => {
                let seen = self.with_its_key(row.as_ref(), seen, key).await?;
                self.make_service(&seen, (family, &code), sent).await?
            }
            // An import of ours whose answer was lost.
            ([one], Some(_)) => *one,
            (owners, _) => {
                done.left.push(self.already_shown(owners, id).await?);
                return Ok(None);
            }
        };
        // The order of locks: the item, then its license.
        self.held.clear();
        self.bind_imported(item, family, id, &code).await?;
        Ok(Some(item))
    }

    /// The open service whose license this is according to our mark, whatever its number, although our state does not
    /// hold it for the service.
    async fn awaited_by(&mut self, seen: &License, row: Option<&LicenseRow>) -> Result<Option<ItemId>, ModuleError> {
        if row.is_some_and(|row| row.state != LicenseState::Deleted) {
            return Ok(None);
        }
        let Some(mark @ Mark::Order { item, .. }) = seen.remoteid.mark_of(&self.panel_id) else { return Ok(None) };
        Ok(self.is_awaited(item, &mark).await?.then_some(item))
    }

    /// The license with the key that its new service may show. `row`: our row of the license.
    ///
    /// # Errors
    /// `key_change_limit` and others: the seller refuses a new key; no service is made.
    async fn with_its_key(
        &mut self,
        row: Option<&LicenseRow>,
        seen: License,
        key: KeyFate,
    ) -> Result<License, ModuleError> {
        let (Some(row), KeyFate::New) = (row, key) else { return Ok(seen) };
        self.settle_license(row).await?;
        self.key_for_another(row, seen).await
    }

    /// The internal name under which the panel knows the license's tariff.
    pub(super) fn code_of(&self, seen: &License, row: Option<&LicenseRow>) -> Option<String> {
        let of_row = row.map(|row| (row.pricelist, row.internal_name.clone()));
        let tariff = seen.tariff.id().or(of_row.as_ref().map(|(pricelist, _)| *pricelist))?;
        let kept = of_row.filter(|(pricelist, _)| *pricelist == tariff).map(|(_, name)| name);
        let known = || self.rules.catalogue.by_pricelist(tariff).map(|product| product.internal_name.clone());
        Some(kept.or_else(known).unwrap_or_else(|| tariff.to_string()))
    }

    async fn owners(&mut self, id: LicenseId) -> Result<Vec<ItemId>, ModuleError> {
        self.step("look for importing items").await?;
        self.ports.billdb.items_with_license(id).map_err(|error| errors::database(&error))
    }

    /// Why a license that services show already is not imported, with the command that leads on.
    async fn already_shown(&mut self, owners: &[ItemId], id: LicenseId) -> Result<Text, ModuleError> {
        let (mut open, mut closed) = (Vec::new(), Vec::new());
        for owner in owners {
            if self.is_open_in_panel(*owner).await? { open.push(*owner) } else { closed.push(*owner) }
        }
        Ok(match (open.as_slice(), closed.as_slice()) {
            ([item], _) => text!(
                "service {item} already shows license {id}. To bind it: pmisplicense bind {item} {id}",
                "услуга {item} уже показывает лицензию {id}. Привязать её: pmisplicense bind {item} {id}"
            ),
            // A closed service cannot have a license.
            ([], [item, ..]) => text!(
                "the closed service {item} still shows license {id}. To import it: pmisplicense unbind {item}, then repeat this command",
                "закрытая услуга {item} ещё показывает лицензию {id}. Импортировать её: pmisplicense unbind {item}, затем повторите эту команду"
            ),
            (several, _) => {
                let list = several.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                text!(
                    "services {list} already show license {id}. To bind it to the right one: pmisplicense bind ITEM {id}",
                    "услуги {list} уже показывают лицензию {id}. Привязать её к нужной: pmisplicense bind УСЛУГА {id}"
                )
            }
        })
    }

    /// Asks the panel to make a service, after writing the call down. `sent`: an earlier call whose outcome is not
    /// known.
    async fn make_service(
        &mut self,
        seen: &License,
        (family, code): (Family, &str),
        sent: Option<DateTime<Utc>>,
    ) -> Result<ItemId, ModuleError> {
        let (account, id) = (self.account, seen.id);
        let what = text!("import of license {id} as {code}", "импорт лицензии {id} как {code}");
        let settled = sent.map(|at| at + chrono::Duration::seconds(i64::from(self.rules.upstream.settle_s)));
        if let Some(until) = settled.filter(|until| *until > self.now()) {
            return Err(errors::in_doubt(&what, until, "licid", id));
        }
        self.commit("import sent", |tx| tx.note(None, Some((account, id)), Note::ImportSent, &what)).await?;
        let call = PanelCall::Import { values: self.import_values(seen, family, code) };
        let answer = self.panel_call(&call).await?;
        let named = answer.as_ref().ok().and_then(|fields| fields.get("service_id")?.trim().parse::<ItemId>().ok());
        match (named.filter(|item| item.0 > 0), answer) {
            (Some(item), _) => Ok(item),
            (None, Err(error @ (PanelError::NotStarted(_) | PanelError::Refused { .. }))) => {
                self.commit("import refused", |tx| tx.note(None, Some((account, id)), Note::ImportRefused, &what))
                    .await?;
                Err(refused(&what, id, code, &error))
            }
            (None, Ok(_) | Err(PanelError::Unknown(_))) => match self.owners(id).await?.as_slice() {
                [one] => Ok(*one),
                _ => {
                    let settle = chrono::Duration::seconds(i64::from(self.rules.upstream.settle_s));
                    Err(errors::in_doubt(&what, self.now() + settle, "licid", id))
                }
            },
        }
    }

    fn import_values(&self, seen: &License, family: Family, code: &str) -> Vec<(&'static str, String)> {
        let shortest = || self.rules.catalogue.get(code).and_then(|product| product.shortest()).map_or(1, |m| m.0);
        let period = match seen.period {
            Some(period @ (Period::Months(_) | Period::Trial)) => period.number(),
            Some(Period::Day | Period::Lifetime | Period::Unknown(_)) | None => i32::from(shortest()),
        };
        let status = if seen.status == LicenseStatus::Stopped { 3 } else { 2 };
        // A module of two product types must say which one is meant. The panel reads the status under both names.
        let mut values = vec![
            ("module", self.module.to_string()),
            ("import_itemtype_intname", family.func().to_owned()),
            ("status", status.to_string()),
            ("service_status", status.to_string()),
        ];
        values.extend(seen.expires.day().map(|day| ("expiredate", day.to_string())));
        values.push(("period", period.to_string()));
        values.push(("import_pricelist_intname", code.to_owned()));
        let named = seen.name.as_ref().filter(|name| !name.is_empty()).cloned();
        values.push(("import_service_name", named.unwrap_or_else(|| format!("License {}", seen.id))));
        values.extend(seen.ip.map(|ip| ("ip", ip.to_string())));
        let outward = seen.remoteip.as_ref().filter(|shown| !outward::is(shown, None));
        values.extend(outward.map(|shown| ("remoteip", shown.clone())));
        values.extend(seen.name.as_ref().map(|name| ("licname", name.clone())));
        values.extend(seen.key.as_ref().map(|key| ("lickey", key.reveal().to_owned())));
        values.push(("licid", seen.id.to_string()));
        values
    }

    /// Binds the license to the service that the panel made, whose incarnation is read from the panel's database.
    async fn bind_imported(
        &mut self,
        item: ItemId,
        family: Family,
        id: LicenseId,
        code: &str,
    ) -> Result<(), ModuleError> {
        self.lock(LockName::Item(item)).await?;
        self.lock_license(id).await?;
        let item = self.item(item).await?;
        let incarnation = self.incarnation_of(&item).await?;
        let row = self.store.license(self.account, id).map_err(errors::state)?;
        let bound = self.store.license_of(&incarnation).map_err(errors::state)?;
        let is_taken = row.as_ref().is_some_and(|row| matches!(row.state, LicenseState::Bound | LicenseState::Claimed));
        if item.status == ItemStatus::Deleted {
            return Err(closed_since(&item, id));
        }
        if is_taken || bound.is_some() || !item.is_ours() || item.module != Some(self.module) {
            return Err(not_bound(&item, id));
        }
        let seen = self.read(family, id).await?.ok_or_else(|| errors::license_gone(Some(item.id), id))?;
        let pricelist = seen.tariff.id().or_else(|| self.rules.catalogue.get(code).map(|product| product.pricelist));
        let Some(pricelist) = pricelist else { return Err(not_bound(&item, id)) };
        let addon = self.rules.catalogue.get(code).and_then(|product| product.nodes_addon);
        let nodes = addon.and_then(|addon| seen.addons.get(&addon).copied());
        let mark = seen.remoteid.mark().filter(|mark| is_our_mark(mark, row.as_ref(), &self.panel_id));
        let reason = text!("license {id} imported as service {}", "лицензия {id} импортирована как услуга {}", item.id);
        self.note(&reason);
        let (account, module, bound) = (self.account, self.module, seen.clone());
        self.commit("bind", |tx| {
            tx.touch_item(&item)?;
            tx.set_choice(&item, code)?;
            let binding =
                Binding { account, family, module, internal_name: code, mark: mark.as_ref(), pricelist, nodes };
            tx.put_license(&binding, &bound, LicenseState::Bound, Some(item.id), Some(&incarnation))?;
            tx.note(Some(item.id), Some((account, id)), Note::Imported, &reason)
        })
        .await?;
        self.save_license(&item, &seen).await?;
        self.settle_end(&item).await
    }
}

fn bad_type(itemtype: &str) -> ModuleError {
    ModuleError::new(
        ErrorKind::BadValue,
        "itemtype",
        itemtype,
        text!(
            "Licenses are imported as soft or softexternal, not as {itemtype:?}",
            "Лицензии импортируются как soft или softexternal, а не {itemtype:?}"
        ),
    )
    .changed(text!("Nothing was done", "Ничего не сделано"))
    .next(text!("repeat with one of these", "укажите один из этих типов"))
}

fn refused(what: &Text, id: LicenseId, code: &str, error: &PanelError) -> ModuleError {
    ModuleError::new(
        ErrorKind::Mgrctl,
        FUNC,
        id,
        text!(["{}: the panel did not do it", what.en], ["{}: панель этого не сделала", what.ru]),
    )
    .changed(text!("No service was made", "Услуга не создана"))
    .next(text!(
        "check that a tariff with the internal name {code} exists there, then repeat",
        "проверьте, что в ней есть тариф с внутренним именем {code}, и повторите"
    ))
    .because(error.words().en)
}

fn not_bound(item: &Item, license: LicenseId) -> ModuleError {
    let id = item.id;
    ModuleError::new(
        ErrorKind::State,
        "licid",
        license,
        text!("Service {id} shows the imported license {license} but cannot be bound to it: the license already serves another service, or the service already has another license", "Услуга {id} показывает импортированную лицензию {license}, но привязать её нельзя: лицензия уже у другой услуги, или у услуги уже другая лицензия"),
    )
        .halted(Halt::Unrecognized)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!("run: pmisplicense reconcile", "выполните: pmisplicense reconcile"))
}

/// The service that an import made was closed before its license could be bound to it.
fn closed_since(item: &Item, license: LicenseId) -> ModuleError {
    let id = item.id;
    ModuleError::new(
        ErrorKind::State,
        "licid",
        license,
        text!(
            "Service {id} was made for the imported license {license} and is closed now, and a closed service has no license",
            "Услуга {id} создана для импортированной лицензии {license}, но уже закрыта, а у закрытой услуги лицензии нет"
        ),
    )
    .halted(Halt::Unrecognized)
    .changed(text!("Nothing was changed", "Ничего не изменено"))
    .next(text!(
        "to import the license again: pmisplicense unbind {id}, then repeat this command",
        "импортировать лицензию снова: pmisplicense unbind {id}, затем повторите эту команду"
    ))
}
