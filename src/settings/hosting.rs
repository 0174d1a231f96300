//! `[orderbox]` of the settings file: licenses that are addons of hosting orders.

use std::collections::BTreeMap;

use super::reader::{Field, Table};
use crate::error::ModuleError;
use crate::model::hosting::{HostingRules, InvoiceOption, PRODUCT_LINES, ProductLine};
use crate::model::license::Money;
use crate::text;

/// The values of one group of choices. `None`: not set there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct HostingLayer {
    order_param: Option<String>,
    products: Option<Vec<ProductLine>>,
    invoice_option: Option<InvoiceOption>,
    any_customer: Option<bool>,
    max_extra_months: Option<u32>,
    remove_call: Option<String>,
    remove_params: Option<BTreeMap<String, String>>,
    /// `Some(None)`: no price.
    price_month: Option<Option<Money>>,
}

fn product_line(field: &Field<'_>) -> Result<ProductLine, ModuleError> {
    field.choice(&PRODUCT_LINES.map(|line| (line.key, line)))
}

fn invoice_option(field: &Field<'_>) -> Result<InvoiceOption, ModuleError> {
    if field.text()? == "OnlyAdd" {
        return Err(field.wrong(text!(
            "OnlyAdd only adds an invoice and never carries the purchase out; use NoInvoice, KeepInvoice or PayInvoice",
            "OnlyAdd лишь добавляет счёт и никогда не выполняет покупку; укажите NoInvoice, KeepInvoice или PayInvoice"
        )));
    }
    use InvoiceOption::{KeepInvoice, NoInvoice, PayInvoice};
    field.choice(&[NoInvoice, KeepInvoice, PayInvoice].map(|option| (option.word(), option)))
}

/// A part of a path, or empty: letters, digits, hyphens and slashes, without `.json`.
fn remove_call(field: &Field<'_>) -> Result<String, ModuleError> {
    let call = field.text()?.trim();
    let fits = call.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/'));
    if fits && !call.starts_with('/') && !call.ends_with('/') && !call.contains("//") {
        return Ok(call.to_owned());
    }
    Err(field.wrong(text!(
        "expected the name of a call without \".json\", such as \"delete-license-key\", found {call:?}",
        "ожидается имя вызова без «.json», например \"delete-license-key\", найдено {call:?}"
    )))
}

/// Names that the program itself sets.
const OWN_PARAMS: [&str; 3] = ["auth-userid", "api-key", "order-id"];

fn remove_params(field: &Field<'_>) -> Result<BTreeMap<String, String>, ModuleError> {
    let mut params = BTreeMap::new();
    for (name, value) in field.table()?.fields() {
        if OWN_PARAMS.contains(&name) {
            return Err(value.wrong(text!(
                "{name} is sent by the program itself, with every call",
                "{name} программа отправляет сама при каждом вызове"
            )));
        }
        params.insert(name.to_owned(), value.text()?.to_owned());
    }
    Ok(params)
}

fn price_month(field: &Field<'_>) -> Result<Option<Money>, ModuleError> {
    let words = field.text()?.trim();
    if words.is_empty() {
        return Ok(None);
    }
    let price = Money::from_words(words).filter(|price| price.minor >= 0);
    price.map(Some).ok_or_else(|| {
        field.wrong(text!(
            "expected an amount with its currency, such as \"800.00 RUB\", found {words:?}",
            "ожидается сумма с валютой, например \"800.00 RUB\", найдено {words:?}"
        ))
    })
}

impl HostingLayer {
    /// Reads the keys of the group.
    ///
    /// # Errors
    /// `config` with key and line.
    pub(super) fn read(table: &Table<'_>) -> Result<Self, ModuleError> {
        Ok(Self {
            order_param: table.take("order_param").map(|f| f.filled().map(str::to_owned)).transpose()?,
            products: table.take("products").map(|f| f.each(product_line)).transpose()?,
            invoice_option: table.take("invoice_option").map(|f| invoice_option(&f)).transpose()?,
            any_customer: table.take("any_customer").map(|f| f.flag()).transpose()?,
            max_extra_months: table.take("max_extra_months").map(|f| f.count(0..=120)).transpose()?,
            remove_call: table.take("remove_call").map(|f| remove_call(&f)).transpose()?,
            remove_params: table.take("remove_params").map(|f| remove_params(&f)).transpose()?,
            price_month: table.take("price_month").map(|f| price_month(&f)).transpose()?,
        })
    }

    /// Overrides the rules with the values that are set here.
    pub(super) fn apply(&self, rules: &mut HostingRules) {
        fn set<T: Clone>(target: &mut T, value: Option<&T>) {
            if let Some(value) = value {
                target.clone_from(value);
            }
        }
        set(&mut rules.order_param, self.order_param.as_ref());
        set(&mut rules.products, self.products.as_ref());
        set(&mut rules.invoice_option, self.invoice_option.as_ref());
        set(&mut rules.any_customer, self.any_customer.as_ref());
        set(&mut rules.max_extra_months, self.max_extra_months.as_ref());
        set(&mut rules.remove_call, self.remove_call.as_ref());
        set(&mut rules.remove_params, self.remove_params.as_ref());
        set(&mut rules.price_month, self.price_month.as_ref());
    }
}
