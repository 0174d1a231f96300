//! A panel that only answers questions. Saved parameters and imported services only change what later reads show.

use std::collections::BTreeMap;

use super::{FIRST_ITEM, Made, Script, Step};
use crate::context::{Leading, PanelData, PanelTool};
use crate::error::ModuleError;
use crate::mgrctl::form;
use crate::model::ids::{ClientId, ItemId, LicenseId, LicenseKey, ModuleId, PricelistId, RunningOperationId};
use crate::model::item::{Item, ItemParams, ItemStatus, MODULE_PROGRAM, Owner};
use crate::model::period::{AlignmentRule, Period};
use crate::ports::{
    BillDb, DbError, Form, ItemPrice, Module, ModuleAccess, Panel, PanelCall, PanelError, RunningOperation, ServiceEnd,
};

/// The panel's tool. It is not started for changes.
pub struct RehearsedPanel(pub Script);

impl Panel for RehearsedPanel {
    fn call(&mut self, call: &PanelCall) -> Result<BTreeMap<String, String>, PanelError> {
        self.0.push(Step::Call(form::call(call)));
        let today = self.0.today.to_string();
        let mut made = self.0.made.borrow_mut();
        let mut answer = BTreeMap::new();
        match call {
            PanelCall::SaveParams { item, values } => {
                let saved = made.params.entry(*item).or_default();
                saved.extend(values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
            }
            PanelCall::SaveParamOld { item, name, value } => {
                made.params.entry(*item).or_default().insert((*name).to_owned(), value.clone());
            }
            PanelCall::Import { values } => {
                let id = imported(&mut made, values, today);
                answer.insert("service_id".to_owned(), id.to_string());
            }
            PanelCall::Post { .. }
            | PanelCall::TaskType { .. }
            | PanelCall::AddTask { .. }
            | PanelCall::RegisterProblem { .. } => {}
        }
        Ok(answer)
    }
}

/// The service that the panel would make.
fn imported(made: &mut Made, values: &[(&'static str, String)], today: String) -> ItemId {
    let text = |name: &str| values.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
    let number = |name: &str| text(name).and_then(|value| value.parse::<i32>().ok());
    let id = ItemId(FIRST_ITEM - u32::try_from(made.items.len()).unwrap_or(0));
    let item = Item {
        id,
        name: text("import_service_name").unwrap_or_default().to_owned(),
        client: ClientId(0),
        parent: None,
        tariff: PricelistId(0),
        tariff_intname: text("import_pricelist_intname").unwrap_or_default().to_owned(),
        itemtype: text("import_itemtype_intname").unwrap_or_default().to_owned(),
        module: text("module").and_then(|value| value.parse().ok()),
        module_program: MODULE_PROGRAM.to_owned(),
        period: number("period").map_or(Period::Lifetime, Period::from_panel),
        status: number("status").map_or(ItemStatus::Active, ItemStatus::from_number),
        expires: text("expiredate").and_then(|day| day.parse().ok()),
        created: today,
        previous_tariff: None,
        params: ItemParams::default(),
        addons: Vec::new(),
        ips: Vec::new(),
    };
    made.items.insert(id, item);
    let given = ["ip", "licname", "lickey", "licid"];
    let params = values.iter().filter(|(name, _)| given.contains(name));
    made.params.insert(id, params.map(|(name, value)| ((*name).to_owned(), value.clone())).collect());
    id
}

/// The other functions of the tool. Questions are asked; reports of failures are only written down.
pub struct RehearsedTool {
    real: Box<dyn PanelTool>,
    script: Script,
}

impl RehearsedTool {
    /// Questions go to `real`, changes into `script`.
    pub fn new(real: Box<dyn PanelTool>, script: Script) -> Self {
        Self { real, script }
    }

    fn would_call(&self, form: Form) -> Result<(), PanelError> {
        self.script.push(Step::Call(form));
        Ok(())
    }
}

impl PanelTool for RehearsedTool {
    fn database(&mut self) -> Result<Box<dyn PanelData>, ModuleError> {
        Ok(Box::new(RehearsedData { real: self.real.database()?, script: self.script.clone() }))
    }

    fn module_settings(&mut self, module: ModuleId) -> Result<ModuleAccess, PanelError> {
        self.real.module_settings(module)
    }

    fn save_error(&mut self, operation: RunningOperationId, _: &str) -> Result<(), PanelError> {
        // The document would hold the log of this run, which is not useful here.
        self.would_call(form::save_error(operation, "…"))
    }

    fn set_manual(&mut self, operation: RunningOperationId) -> Result<(), PanelError> {
        self.would_call(form::set_manual(operation))
    }

    fn task_type(&mut self, command: &str, item: ItemId) -> Result<String, PanelError> {
        self.real.task_type(command, item)
    }

    fn add_task(&mut self, item: ItemId, operation: RunningOperationId, task_type: &str) -> Result<(), PanelError> {
        self.would_call(form::add_task(item, operation, task_type))
    }

    fn register_problem(&mut self, module: ModuleId, name: &str, message: &str) -> Result<(), PanelError> {
        self.would_call(form::register_problem(module, name, message))
    }
}

/// The panel's database, with the values that would have been saved.
struct RehearsedData {
    real: Box<dyn PanelData>,
    script: Script,
}

impl RehearsedData {
    fn saved(&self, item: ItemId) -> BTreeMap<String, String> {
        self.script.made.borrow().params.get(&item).cloned().unwrap_or_default()
    }
}

fn with_params(mut item: Item, saved: &BTreeMap<String, String>) -> Item {
    let params = &mut item.params;
    for (name, value) in saved {
        let text = Some(value.clone()).filter(|value| !value.is_empty());
        match name.as_str() {
            "ip" => params.ip = text,
            "licname" => params.licname = text,
            "licid" => params.licid = value.parse().ok(),
            "lickey" => params.lickey = LicenseKey::parse(value),
            _ => {}
        }
    }
    item
}

impl PanelData for RehearsedData {
    fn stored_access(&mut self, module: ModuleId) -> Result<Option<ModuleAccess>, DbError> {
        self.real.stored_access(module)
    }

    fn custom_rows(&mut self, module: ModuleId, name: &str) -> Result<Vec<(u32, String)>, DbError> {
        self.real.custom_rows(module, name)
    }

    fn module_params(&mut self, module: ModuleId) -> Result<BTreeMap<String, String>, DbError> {
        self.real.module_params(module)
    }

    fn prices(&mut self, items: &[ItemId]) -> Result<Vec<ItemPrice>, DbError> {
        self.real.prices(items)
    }

    fn leading_to(&mut self, internal_name: &str) -> Result<Vec<Leading>, DbError> {
        self.real.leading_to(internal_name)
    }
}

impl BillDb for RehearsedData {
    fn item(&mut self, item: ItemId) -> Result<Option<Item>, DbError> {
        let pictured = self.script.made.borrow().items.get(&item).cloned();
        let found = match pictured {
            Some(pictured) => Some(pictured),
            None => self.real.item(item)?,
        };
        Ok(found.map(|found| with_params(found, &self.saved(item))))
    }

    fn owners(&mut self, items: &[ItemId]) -> Result<Vec<Owner>, DbError> {
        self.real.owners(items)
    }

    fn service_ends(&mut self, items: &[ItemId]) -> Result<Vec<ServiceEnd>, DbError> {
        self.real.service_ends(items)
    }

    fn client_emails(&mut self, client: ClientId) -> Result<Vec<String>, DbError> {
        self.real.client_emails(client)
    }

    fn item_params(&mut self, item: ItemId) -> Result<BTreeMap<String, String>, DbError> {
        let mut params = self.real.item_params(item)?;
        params.extend(self.saved(item));
        Ok(params)
    }

    fn running_operation(&mut self, id: RunningOperationId) -> Result<Option<RunningOperation>, DbError> {
        self.real.running_operation(id)
    }

    fn has_task(&mut self, id: RunningOperationId) -> Result<bool, DbError> {
        self.real.has_task(id)
    }

    fn modules(&mut self) -> Result<Vec<Module>, DbError> {
        self.real.modules()
    }

    fn alignment_rules(&mut self, module: ModuleId) -> Result<Vec<AlignmentRule>, DbError> {
        self.real.alignment_rules(module)
    }

    fn items_of_module(&mut self, module: ModuleId, after: ItemId, limit: u32) -> Result<Vec<ItemId>, DbError> {
        self.real.items_of_module(module, after, limit)
    }

    fn items_with_license(&mut self, license: LicenseId) -> Result<Vec<ItemId>, DbError> {
        let mut found = self.real.items_with_license(license)?;
        let made = self.script.made.borrow();
        let number = license.to_string();
        for (item, params) in &made.params {
            let Some(shown) = params.get("licid") else { continue };
            found.retain(|known| known != item);
            if *shown == number {
                found.push(*item);
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    fn items_showing_licenses(&mut self, after: ItemId, limit: u32) -> Result<Vec<(ItemId, LicenseId)>, DbError> {
        // A pass asks this before it changes anything, and so does take-over, which has no dry run.
        self.real.items_showing_licenses(after, limit)
    }
}
