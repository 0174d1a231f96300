//! Checks of doctor: the panel's database, the settings of each module, and the account that it buys from.

use chrono::NaiveDate;

use super::Checks;
use crate::admin::Desk;
use crate::admin::forecast::{Bought, Outlook, outlook};
use crate::engine::{self, state_error};
use crate::error::{ModuleError, Text};
use crate::model::ids::ModuleId;
use crate::model::item::MODULE_PROGRAM;
use crate::model::license::Money;
use crate::model::sellers::SellerKind;
use crate::ports::{CallError, Module, ModuleAccess, RefusalKind, Upstream};
use crate::session::modules_in_use;
use crate::store::Store;
use crate::text;
use crate::watch::last_runs::{self, LastRuns};

/// When clocks differ by more than this, sync buys nothing (docs/money-safety.md 6).
const CLOCK_DAY: chrono::Duration = chrono::Duration::days(1);

/// When clocks differ by more than this, an operator should know.
const CLOCK_MINUTES: chrono::Duration = chrono::Duration::minutes(5);

pub(super) fn database_and_modules(desk: &mut Desk<'_>, store: Option<&Store>, checks: &mut Checks) {
    let read = desk.ctx.data.billdb().and_then(|db| db.modules().map_err(crate::context::database_error));
    let modules = match read {
        Ok(modules) => modules,
        Err(error) => return checks.failed("database", &error),
    };
    checks.ok("database", text!("the panel's database answers", "база панели отвечает"));
    let active =
        || modules.iter().filter(|module| module.program == MODULE_PROGRAM && module.active).cloned().collect();
    let ours = match store {
        Some(_) => modules_in_use(desk.ctx).unwrap_or_else(|error| {
            checks.failed("module", &error);
            active()
        }),
        // The check of the state reports what is wrong with it.
        None => active(),
    };
    if ours.is_empty() {
        checks.problem(
            "module",
            text!("no active processing module is ours", "нет активного модуля обработки нашего типа"),
            text!(
                "add the module \"ispmanager licenses\" in the panel",
                "добавьте в панели модуль «лицензии ispmanager»"
            ),
        );
    }
    let read = store.map(|store| (store, store.last_purchases()));
    let bought = read.as_ref().and_then(|(store, bought)| Some((*store, bought.as_ref().ok()?)));
    for module in ours {
        let (id, name) = (module.id, &module.name);
        if !module.active {
            // A product of OrderBox is sold by no other kind of seller.
            let access = desk.ctx.data.access(id);
            let way =
                engine::each_to_present(access.map_or(SellerKind::Billmanager, |access| SellerKind::of(&access.url)));
            checks.warning(
                "switched_off",
                text!(
                    "Module {id} ({name}) is switched off. Its services and licenses are looked after as before.",
                    "Модуль {id} ({name}) выключен. Его услуги и лицензии обслуживаются как прежде."
                ),
                text!(
                    [
                        "switch it on in the panel, or give each service a license of another module: {}; the services: pmisplicense list --module {id}",
                        way.en
                    ],
                    [
                        "включите его в панели или дайте каждой услуге лицензию другого модуля: {}; список услуг: pmisplicense list --module {id}",
                        way.ru
                    ]
                ),
            );
        }
        if let Err(error) = one_module(desk, module.id, store, bought, checks) {
            checks.failed("module", &error);
        }
    }
    if let Some(store) = store
        && let Err(error) = former_accounts(store, &modules, desk.ctx.clock.today(), checks)
    {
        checks.failed("account", &error);
    }
}

/// A line for licenses that are bound with accounts that no module buys from any more.
fn former_accounts(
    store: &Store,
    modules: &[Module],
    today: NaiveDate,
    checks: &mut Checks,
) -> Result<(), ModuleError> {
    for former in engine::former_accounts(store, modules, today)? {
        let (what, next) = former.words();
        if former.is_left() {
            checks.warning("account", what, next);
        } else {
            checks.problem("account", what, next);
        }
    }
    Ok(())
}

fn one_module(
    desk: &mut Desk<'_>,
    id: ModuleId,
    store: Option<&Store>,
    bought: Option<(&Store, &Bought)>,
    checks: &mut Checks,
) -> Result<(), ModuleError> {
    let access = desk.ctx.data.access(id)?;
    let (url, user) = (&access.url, &access.username);
    checks.ok("module", text!("module {id} buys as {user} at {url}", "модуль {id} покупает как {user} на {url}"));
    if let Some(store) = store {
        account(store, id, &access, checks)?;
    }
    super::trade::trade(desk, id, store, checks)?;
    let mut client = desk.ctx.connector.connect(&access)?;
    if let Err(error) = client.whoami() {
        unreachable(&access, &error, checks);
        return Ok(());
    }
    checks.ok("login", text!("module {id}: the seller accepts the login", "модуль {id}: продавец принимает вход"));
    order_function(id, client.as_mut(), checks);
    balance(desk, id, bought, client.as_mut(), checks);
    clock(desk, id, client.as_ref(), checks);
    Ok(())
}

fn account(store: &Store, id: ModuleId, access: &ModuleAccess, checks: &mut Checks) -> Result<(), ModuleError> {
    let Some(known) = store.account_of_module(id).map_err(state_error)? else { return Ok(()) };
    if !engine::is_account(store, &known, access).map_err(state_error)? {
        let (url, user) = (&known.url, &known.username);
        checks.problem(
            "account",
            text!(
                "module {id} used to buy as {user} at {url}. Nothing is changed until an operator says whether the present account is the same",
                "модуль {id} раньше покупал как {user} на {url}. Пока оператор не укажет, та же ли это учётная запись, ничего не меняется"
            ),
            text!(
                "see the evidence and decide: pmisplicense doctor --accept-account {id}",
                "посмотрите доводы и решите: pmisplicense doctor --accept-account {id}"
            ),
        );
    }
    if let Some(refused) = known.refused {
        let (kind, since) = (refused.waits_for.word(), refused.since.format("%Y-%m-%d %H:%M UTC"));
        checks.problem(
            "refused",
            text!("the seller refused a purchase at {since}: {kind}", "продавец отказал в покупке {since}: {kind}"),
            text!(
                "top up or pay, then: pmisplicense retry --type {kind} --all",
                "пополните или оплатите счёт, затем: pmisplicense retry --type {kind} --all"
            ),
        );
    }
    Ok(())
}

fn unreachable(access: &ModuleAccess, error: &CallError, checks: &mut Checks) {
    let url = &access.url;
    match error {
        CallError::Refused(refusal) if refusal.kind == RefusalKind::Auth => checks.problem(
            "login",
            text!("{url} refused the login: {refusal}", "{url} отклонил вход: {refusal}"),
            // The client of some sellers has more exact advice about a refused login.
            refusal.advice.as_deref().cloned().unwrap_or_else(engine::login_advice),
        ),
        CallError::Refused(refusal) => checks.problem(
            "login",
            text!("{url} refused: {refusal}", "{url} отказал: {refusal}"),
            text!("look at the account in the seller's panel", "посмотрите учётную запись в панели продавца"),
        ),
        CallError::Unreachable(why) => checks.problem(
            "upstream",
            text!("{url} was not reached: {why}", "{url} недоступен: {why}"),
            text!(
                "check address, name service, firewall, certificate",
                "проверьте адрес, DNS, межсетевой экран, сертификат"
            ),
        ),
        CallError::Form(name) => checks.problem(
            "login",
            text!(
                "{url} shows the form {name:?} instead of a result",
                "{url} вместо результата показывает форму {name:?}"
            ),
            text!(
                "log in there with a browser as the module's user and answer the form: a password may have expired",
                "войдите там через браузер как пользователь модуля и заполните форму: возможно, истёк пароль"
            ),
        ),
        CallError::BadAnswer(why) => checks.problem(
            "upstream",
            text!(["{url} gives no answer that can be trusted: {}", why.en], ["{url} даёт ответ, которому нельзя верить: {}", why.ru]),
            if SellerKind::of(url).lists_callers() {
                text!(
                    "check in the seller's panel, under Settings, API, that the address of this server is allowed; a new one works after up to an hour",
                    "проверьте в панели продавца, «Settings», «API», что адрес этого сервера разрешён; новый начинает действовать не позже чем через час"
                )
            } else {
                text!("check that it is the address of a BILLmanager", "проверьте, что это адрес BILLmanager")
            },
        ),
    }
}

/// Sellers with a newer BILLmanager may know only the newer function for orders. Doctor suggests it and never tries it.
fn order_function(id: ModuleId, client: &mut dyn Upstream, checks: &mut Checks) {
    if let Err(CallError::Refused(refusal)) = client.check_order_function()
        && refusal.kind == RefusalKind::NoFunction
    {
        checks.problem(
            "order_function",
            text!(
                "module {id}: the seller does not know the function that takes orders: {refusal}. Nothing can be bought.",
                "модуль {id}: продавец не знает функции, которой делают заказы: {refusal}. Покупать нельзя."
            ),
            engine::no_function_advice(),
        );
    }
}

/// The renewals of this many days are compared with the balance.
const MONEY_DAYS: u16 = 7;

fn balance(
    desk: &mut Desk<'_>,
    id: ModuleId,
    bought: Option<(&Store, &Bought)>,
    client: &mut dyn Upstream,
    checks: &mut Checks,
) {
    let balance = match client.balance() {
        Ok(balance) => balance,
        Err(error) => {
            return checks.warning(
                "balance",
                text!(
                    ["module {id}: the balance cannot be read: {}", error.words().en],
                    ["модуль {id}: баланс не читается: {}", error.words().ru]
                ),
                text!(
                    "at the seller, give the module's user the right to see the balance",
                    "дайте у продавца пользователю модуля право видеть баланс"
                ),
            );
        }
    };
    let now = desk.ctx.clock.now();
    // Only monitoring reads this. A full disk is reported by another check.
    let _ = LastRuns::change(&last_runs::path(&desk.ctx.settings), |all| all.balance_seen(id, now, &balance));
    if desk.ctx.settings.rules(Some(id)).is_below_minimum(&balance) {
        return checks.problem(
            "balance",
            text!(
                "module {id}: balance {balance} is below minimum_balance: nothing is bought",
                "модуль {id}: баланс {balance} ниже minimum_balance: покупок нет"
            ),
            text!("top up the account", "пополните счёт"),
        );
    }
    // A panel whose services cannot be read is reported by another check.
    let outlook = bought.and_then(|bought| outlook(desk.ctx, bought, id, MONEY_DAYS).ok());
    let is_enough = outlook.is_some();
    let short =
        outlook.and_then(|outlook| Outlook { balance: Some(balance.clone()), ..outlook }.ends_on(|one| one.is_certain));
    match short {
        Some(from) => checks.warning(
            "balance",
            text!(
                "module {id}: balance {balance} does not cover the paid renewals from {from} on",
                "модуль {id}: баланса {balance} не хватит на оплаченные продления с {from}"
            ),
            text!(
                "top up the account. To see what is due: pmisplicense forecast --days {MONEY_DAYS}",
                "пополните счёт. Посмотреть, что предстоит: pmisplicense forecast --days {MONEY_DAYS}"
            ),
        ),
        None => {
            let minimum = desk.ctx.settings.rules(Some(id)).minimum_balance;
            let minimum = minimum.map_or_else(Text::default, |minor| {
                let minimum = Money { minor, currency: balance.currency.clone() };
                text!(", nothing is bought below {minimum}", ", ниже {minimum} ничего не покупается")
            });
            let covers = match is_enough {
                true => text!(
                    "; it covers the paid renewals of the next {MONEY_DAYS} days",
                    "; его хватит на оплаченные продления в ближайшие {MONEY_DAYS} дней"
                ),
                false => Text::default(),
            };
            checks.ok(
                "balance",
                text!(
                    ["module {id}: balance {balance}{}{}", covers.en, minimum.en],
                    ["модуль {id}: баланс {balance}{}{}", covers.ru, minimum.ru]
                ),
            );
        }
    }
}

fn clock(desk: &Desk<'_>, id: ModuleId, client: &dyn Upstream, checks: &mut Checks) {
    let Some(theirs) = client.server_date() else { return };
    let apart = (desk.ctx.clock.now() - theirs).abs();
    let seconds = apart.num_seconds();
    let what = text!("module {id}: clocks are {seconds} s apart", "модуль {id}: часы расходятся на {seconds} с");
    let next = || {
        text!(
            "set this machine's clock (timedatectl set-ntp true)",
            "исправьте часы этой машины (timedatectl set-ntp true)"
        )
    };
    if apart > CLOCK_DAY {
        checks.problem("clock", what, next());
    } else if apart > CLOCK_MINUTES {
        checks.warning("clock", what, next());
    } else {
        checks.ok("clock", what);
    }
}
