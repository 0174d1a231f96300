//! Checks of doctor about the products for sale: tariffs of the panel that lead to a product whose sale ends
//! (docs/licensing-rules.md 6), and months that cost more than a year (docs/licensing-rules.md 5).

use chrono::Duration;

use super::Checks;
use crate::admin::Desk;
use crate::context::Leading;
use crate::engine::state_error;
use crate::error::{ModuleError, counted};
use crate::model::catalogue::Product;
use crate::model::ids::ModuleId;
use crate::model::period::{MonthCount, Period};
use crate::model::rules::Rules;
use crate::plan::cost::year_by_months;
use crate::store::{Purchase, Store};
use crate::text;

/// A price that was paid counts for this many days.
const PRICE_DAYS: i64 = 400;

/// A product counts as bought by the month when that happened within this many days.
const MONTH_DAYS: i64 = 31;

pub(super) fn trade(
    desk: &mut Desk<'_>,
    module: ModuleId,
    store: Option<&Store>,
    checks: &mut Checks,
) -> Result<(), ModuleError> {
    let rules = desk.ctx.settings.rules(Some(module));
    for product in rules.catalogue.iter() {
        ending(desk, product, checks)?;
    }
    match store {
        Some(store) => years(desk, module, &rules, store, checks),
        None => Ok(()),
    }
}

/// The line about a product whose sale ends. We do not read where the panel keeps a tariff's expiration date, so the
/// operator has to check whether it is set.
fn ending(desk: &mut Desk<'_>, product: &Product, checks: &mut Checks) -> Result<(), ModuleError> {
    let Some(from) = product.no_order_from else { return Ok(()) };
    let (name, code, successors) = (&product.name, &product.internal_name, product.successors.join(", "));
    for leading in desk.ctx.data.leading_to(code)? {
        let what = match &leading {
            Leading::Tariff(id, tariff) => text!(
                "tariff {id} ({tariff}) leads to {name} ({code}), which is not sold from {from} on",
                "тариф {id} ({tariff}) ведёт к {name} ({code}), который не продаётся с {from}"
            ),
            Leading::Value(id, value) => text!(
                "the value {id} ({value}) of an enumeration leads to {name} ({code}), which is not sold from {from} on",
                "значение {id} ({value}) перечисления ведёт к {name} ({code}), который не продаётся с {from}"
            ),
        };
        let next = text!(
            "set the Tariff expiration date of that tariff in the panel to {from} or earlier, or switch the tariff off. Sell instead: {successors}",
            "задайте тарифу в панели «Дату окончания действия тарифа» не позже {from} или отключите тариф. Продавайте вместо него: {successors}"
        );
        // Several modules sell the same products.
        if !checks.0.iter().any(|check| check.what == what) {
            checks.warning("sale_ends", what, next);
        }
    }
    Ok(())
}

fn years(
    desk: &mut Desk<'_>,
    module: ModuleId,
    rules: &Rules,
    store: &Store,
    checks: &mut Checks,
) -> Result<(), ModuleError> {
    let Some(account) = store.account_of_module(module).map_err(state_error)? else { return Ok(()) };
    let mut alignment = desk.ctx.data.billdb()?.alignment_rules(module).map_err(crate::context::database_error)?;
    alignment.extend(rules.alignment.iter().cloned());
    let month = Period::Months(MonthCount(1));
    if alignment.iter().any(|rule| rule.from == month && rule.itemtype.is_none() && rule.tariff.is_none()) {
        // An alignment rule exists, so the provider has decided already.
        return Ok(());
    }
    let now = desk.ctx.clock.now();
    let mut bought = store.purchases(now - Duration::days(PRICE_DAYS), now + Duration::days(1)).map_err(state_error)?;
    bought.retain(|one| one.account == account.id);
    for product in rules.catalogue.iter() {
        let of = |months: MonthCount| {
            bought
                .iter()
                .filter(move |one| one.pricelist == product.pricelist && one.period == Some(Period::Months(months)))
        };
        let lately = |one: &&Purchase| one.at >= now - Duration::days(MONTH_DAYS);
        let count = of(MonthCount(1)).filter(lately).count();
        let paid = |months| of(months).filter_map(|one| one.amount.clone()).next_back();
        let Some(year) = year_by_months(product, paid).filter(|_| count > 0) else { continue };
        let (name, code) = (&product.name, &product.internal_name);
        let (by_month, at_once) = (&year.by_month, &year.at_once);
        checks.hint(
            "alignment",
            text!(
                [
                    "{name} ({code}) was bought for a single month {} in {MONTH_DAYS} days. Twelve single months cost {by_month}, a year costs {at_once}",
                    counted(count, "time")
                ],
                [
                    "{name} ({code}): помесячных покупок за {MONTH_DAYS} дн.: {count}. Двенадцать отдельных месяцев стоят {by_month}, год — {at_once}"
                ]
            ),
            text!(
                "add a period alignment 1 -> 12 to the module's table, or to the settings: [[period_alignment]] from = 1, to = 12. Freed yearly licenses go to the pool",
                "добавьте выравнивание периода 1 -> 12 в таблицу модуля или в настройки: [[period_alignment]] from = 1, to = 12. Освобождённые годовые лицензии уходят в пул"
            ),
        );
    }
    Ok(())
}
