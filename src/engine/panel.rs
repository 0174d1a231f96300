//! Calls to the panel: parameters are saved and looked up afterwards; then the post-calls (docs/interface.md 3).
//! Every call here may be repeated, except `service.postprolong`, which its caller guards.

use std::collections::BTreeMap;

use crate::error::ModuleError;
use crate::model::ids::LicenseId;
use crate::model::item::Item;
use crate::model::license::License;
use crate::model::reason::Reason;
use crate::model::rules::PostOpen;
use crate::plan::check::without_mark;
use crate::ports::{PanelCall, PanelError};

use super::{Engine, errors};

impl Engine<'_> {
    /// Saves number, key and name of the license to the item. Only changed values are sent, and then read back. A value
    /// that has not arrived, or was answered with an error, is sent again in the older form.
    pub(super) async fn save_license(&mut self, item: &Item, seen: &License) -> Result<(), ModuleError> {
        let mut values = Vec::new();
        match &seen.key {
            Some(key) if item.params.lickey.as_ref() != Some(key) => values.push(("lickey", key.reveal().to_owned())),
            Some(_) => {}
            // Otherwise the client would take the key of the former license for the key of this one.
            None if self.shows_former_key(item, seen.id)? => values.push(("lickey", String::new())),
            None => {}
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
        self.save_params(item, &values).await
    }

    /// True if a service still shows the key of its former license, while the key of this license is late.
    fn shows_former_key(&self, item: &Item, license: LicenseId) -> Result<bool, ModuleError> {
        let Some(former) = item.params.licid.filter(|former| *former != license) else { return Ok(false) };
        let row = |id| self.store.license(self.account, id).map_err(errors::state);
        // Under a new number it is the same license, whose key this look did not show.
        let is_same = row(former)?.is_some_and(|row| row.reason == Some(Reason::Renumbered));
        let is_known = row(license)?.is_some_and(|row| row.key.is_some());
        let was_its = self.store.was_of_item(item.id, former).map_err(errors::state)?;
        Ok(item.params.lickey.is_some() && was_its && !is_same && !is_known)
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
