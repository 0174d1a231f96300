//! Calls to the panel: parameters are saved and looked up afterwards; then the post-calls (docs/interface.md 3).
//! Every call here may be repeated, except `service.postprolong`, which its caller guards.

use std::collections::BTreeMap;

use crate::error::{Halt, ModuleError, Text};
use crate::model::ids::{AccountId, ItemId, LicenseId};
use crate::model::item::Item;
use crate::model::journal::Note;
use crate::model::license::License;
use crate::model::license_row::LicenseRow;
use crate::model::reason::Reason;
use crate::model::rules::PostOpen;
use crate::plan::check::without_mark;
use crate::ports::{PanelCall, PanelError};
use crate::text;

use super::{Engine, errors};

impl Engine<'_> {
    /// Saves number, key and name of the license to the item. Only changed values are sent, and then read back. A value
    /// that has not arrived, or was answered with an error, is sent again in the older form.
    pub(super) async fn save_license(&mut self, item: &Item, seen: &License) -> Result<(), ModuleError> {
        // Otherwise the client would take the key of the former license for the key of this one.
        let is_former = seen.key.is_none() && self.shows_former_key(item, seen.id)?;
        let mut values = Vec::new();
        if let Some(key) = seen.key.as_ref().filter(|key| item.params.lickey.as_ref() != Some(*key)) {
            values.push(("lickey", key.reveal().to_owned()));
        }
        if item.params.licid != Some(seen.id) {
            values.push(("licid", seen.id.to_string()));
        }
        // A name that the client set is the client's own choice, never overwritten by what the seller has.
        if item.params.licname.is_none() {
            let row = self.store.license(self.account, seen.id).map_err(errors::state)?;
            // The name is saved neither in the form that the seller stored, which the seller would change again, nor
            // with our mark, which would stay in the client's name for good.
            let name = row.as_ref().map_or(seen.name.as_deref(), |row| row.name_meant(seen)).map(without_mark);
            values.extend(name.filter(|name| !name.is_empty()).map(|name| ("licname", name.to_owned())));
        }
        self.save_params(item, &values).await?;
        if is_former { self.clear_key(item, seen.id).await } else { Ok(()) }
    }

    /// True if a service still shows the key of its former license, while the key of this license is late.
    fn shows_former_key(&self, item: &Item, license: LicenseId) -> Result<bool, ModuleError> {
        let Some(shown) = &item.params.lickey else { return Ok(false) };
        let known = self.store.license(self.account, license).map_err(errors::state)?;
        if known.is_some_and(|row| row.key.is_some()) {
            return Ok(false);
        }
        let others = self.store.licenses_of_item(item.id).map_err(errors::state)?;
        let mut others = others.iter().filter(|row| row.id != license);
        // Under a new number it is the same license, whose key this look did not show.
        let is_same = |row: &LicenseRow| row.reason == Some(Reason::Renumbered);
        if let Some(former) = item.params.licid.filter(|former| *former != license) {
            let was_its = self.store.was_of_item(item.id, former).map_err(errors::state)?;
            return Ok(was_its && !others.any(|row| row.id == former && is_same(row)));
        }
        // The number was saved, and the key was not cleared yet. A license that a hosting order gets again has the same
        // number.
        let removals = self.store.removals_of_license(self.account, license).map_err(errors::state)?;
        let mut removed = removals.iter().filter_map(|intent| intent.request.as_removal());
        Ok(others.any(|row| row.key.as_ref() == Some(shown) && !is_same(row))
            || removed.any(|removal| removal.key == shown.fingerprint()))
    }

    /// Clears the key of the former license. If the panel refuses an empty parameter, the service has its license
    /// anyway: the problem is reported, and the next run tries again.
    async fn clear_key(&mut self, item: &Item, license: LicenseId) -> Result<(), ModuleError> {
        let Err(error) = self.save_params(item, &[("lickey", String::new())]).await else { return Ok(()) };
        if error.halt == Halt::Database {
            return Err(error);
        }
        let (id, why) = (item.id, error.words());
        self.note(&text!(
            ["the former key of service {id} is not cleared: {}", why.en],
            ["прежний ключ услуги {id} не очищен: {}", why.ru]
        ));
        let problem = text!(
            "service {id} still shows the key of its former license: the panel did not clear it. The key of license {license} takes its place as soon as it comes. Until then the client must not use the shown key",
            "услуга {id} ещё показывает ключ прежней лицензии: панель его не очистила. Ключ лицензии {license} займёт его место, как только придёт. До этого клиенту нельзя использовать показанный ключ"
        );
        self.tell_problem(id, (self.account, license), &problem).await
    }

    /// Registers a problem with a license in the panel, once, even if later runs find it again. It counts as new after
    /// a service got the license again. If the panel refuses this, the command goes on.
    pub(super) async fn tell_problem(
        &mut self,
        item: ItemId,
        license: (AccountId, LicenseId),
        problem: &Text,
    ) -> Result<(), ModuleError> {
        let told = self.store.noted_since_bound(license, Note::Problem).map_err(errors::state)?;
        if told.contains(&problem.en) { Ok(()) } else { self.register(item, license, Note::Problem, problem).await }
    }

    /// The same for a problem that may end and come back, and that each look finds as long as it lasts. It has a note
    /// of its own in the journal. `None`: there is no problem. If there was one, `over` is noted, so that the
    /// problem counts as new when it comes back.
    pub(super) async fn tell_while_it_lasts(
        &mut self,
        (item, license): (ItemId, (AccountId, LicenseId)),
        note: Note,
        problem: Option<&Text>,
        over: Text,
    ) -> Result<(), ModuleError> {
        let newest = self.store.noted_since_bound(license, note).map_err(errors::state)?.pop();
        let Some(problem) = problem else {
            if newest.is_none_or(|newest| newest == over.en) {
                return Ok(());
            }
            self.note(&over);
            return self.commit("problem told", move |tx| tx.note(Some(item), Some(license), note, &over)).await;
        };
        if newest.as_ref() == Some(&problem.en) {
            return Ok(());
        }
        self.register(item, license, note, problem).await
    }

    async fn register(
        &mut self,
        item: ItemId,
        license: (AccountId, LicenseId),
        note: Note,
        problem: &Text,
    ) -> Result<(), ModuleError> {
        self.warn(problem);
        if let Err(error) = self.register_problem(problem, item).await {
            let why = error.words();
            self.warn(&text!(
                ["the panel could not be told about this problem: {}", why.en],
                ["не удалось сообщить панели об этой проблеме: {}", why.ru]
            ));
            return Ok(());
        }
        let problem = problem.clone();
        self.commit("problem told", move |tx| tx.note(Some(item), Some(license), note, &problem)).await
    }

    async fn save_params(&mut self, item: &Item, values: &[(&'static str, String)]) -> Result<(), ModuleError> {
        if values.is_empty() {
            return Ok(());
        }
        let call = PanelCall::SaveParams { item: item.id, values: values.to_vec() };
        let first = self.panel_call(&call).await?;
        if matches!(first, Err(PanelError::NotStarted(_))) {
            return first.map(drop).map_err(|error| errors::panel(&error, "service.saveparam", item.id));
        }
        for (name, value) in self.not_arrived(item, values).await? {
            let call = PanelCall::SaveParamOld { item: item.id, name, value };
            self.panel_call(&call).await?.map_err(|error| errors::panel(&error, "service.saveparam", item.id))?;
        }
        match self.not_arrived(item, values).await?.first() {
            None => Ok(()),
            Some((name, _)) => {
                let error = PanelError::Unknown(format!("the parameter {name} was saved and cannot be found"));
                Err(errors::panel(&error, "service.saveparam", item.id))
            }
        }
    }

    async fn not_arrived(
        &mut self,
        item: &Item,
        values: &[(&'static str, String)],
    ) -> Result<Vec<(&'static str, String)>, ModuleError> {
        self.step("look up parameters").await?;
        let saved = self.ports.billdb.item_params(item.id).map_err(|error| errors::database(&error))?;
        // A parameter without a value is not in the database.
        let has = |name: &str| saved.get(name).map(String::as_str).unwrap_or_default();
        Ok(values.iter().filter(|(name, value)| has(name) != value).cloned().collect())
    }

    /// One call of the panel's tool. Its failure is returned to the caller, which may have another way.
    pub(super) async fn panel_call(
        &mut self,
        call: &PanelCall,
    ) -> Result<Result<BTreeMap<String, String>, PanelError>, ModuleError> {
        self.step("panel call").await?;
        self.store.hold_leases(self.now()).map_err(errors::state)?;
        let result = self.ports.panel.call(call);
        self.step("panel called").await?;
        Ok(result)
    }

    /// A post-call. Only items of ours get one; the service of a server is never touched (docs/interface.md 4).
    pub(super) async fn post(&mut self, item: &Item, func: &str) -> Result<(), ModuleError> {
        if !item.is_ours() {
            return Ok(());
        }
        let call = PanelCall::Post { func: func.to_owned(), item: item.id };
        self.panel_call(&call).await?.map(drop).map_err(|error| errors::panel(&error, func, item.id))
    }

    /// Tells the panel that the service is open, and remembers the end that the panel then shows as settled
    /// (docs/licensing-rules.md 5).
    ///
    /// A run that dies between two calls leaves the end unsettled and its operation unfinished. The next run makes both
    /// calls again; each may be repeated.
    pub(super) async fn post_open(&mut self, item: &Item) -> Result<(), ModuleError> {
        let (issued, placed) = (format!("{}.open", item.itemtype), "service.postopen".to_owned());
        let calls = match self.rules.post_open {
            PostOpen::Itemtype => vec![issued],
            PostOpen::Service => vec![placed],
            PostOpen::Both => vec![issued, placed],
        };
        for func in calls {
            self.post(item, &func).await?;
        }
        self.settle_end(item).await
    }

    /// Remembers the service's end as settled, once for each incarnation: later changes of the end are payments.
    pub(super) async fn settle_end(&mut self, item: &Item) -> Result<(), ModuleError> {
        let known = self.store.item(item.id, &item.created).map_err(errors::state)?;
        if known.is_some_and(|row| row.settled_end.is_some()) {
            return Ok(());
        }
        let fresh = self.item(item.id).await?;
        if fresh.expires.is_none() {
            return Ok(());
        }
        self.commit("settle end", |tx| tx.set_settled_end(item, fresh.expires)).await
    }
}
