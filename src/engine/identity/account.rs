//! The account at the seller that a module buys from, and the licenses that are bound with accounts that no module buys
//! from any more. Such a license must not run out unnoticed while it is paid for.

use chrono::{DateTime, NaiveDate, Utc};

use crate::error::{ErrorKind, ModuleError, Text, counted};
use crate::model::ids::{AccountId, ItemId, LicenseId, ModuleId};
use crate::model::item::MODULE_PROGRAM;
use crate::model::sellers::SellerKind;
use crate::ports::{Module, ModuleAccess};
use crate::store::{Account, InUse, Store, StoreError};
use crate::text;

use crate::engine::{Engine, errors};

/// Whether the settings of a module name this account, in any spelling or under a name that an operator declared to be
/// the same.
///
/// # Errors
/// An error of SQLite.
pub fn is_account(store: &Store, known: &Account, access: &ModuleAccess) -> Result<bool, StoreError> {
    let (url, user) = (access.url.as_str(), access.username.as_str());
    Ok(known.is_at(url, user) || store.account_at(url, user)? == Some(known.id))
}

/// The account that a module buys from, remembered at first sight.
///
/// # Errors
/// `config` when the settings of the module name another account than before (docs/money-safety.md 6).
pub(in crate::engine) fn account_of(
    store: &Store,
    now: DateTime<Utc>,
    access: &ModuleAccess,
) -> Result<AccountId, ModuleError> {
    let (module, url, user) = (access.module, access.url.trim(), access.username.as_str());
    let Some(known) = store.account_of_module(module).map_err(errors::state)? else {
        return store.write(now, |tx| tx.set_account(module, url, user)).map_err(errors::state);
    };
    if is_account(store, &known, access).map_err(errors::state)? {
        return Ok(known.id);
    }
    let (known_user, known_url) = (&known.username, &known.url);
    Err(ModuleError::new(
        ErrorKind::Config,
        "module",
        module,
        text!("The settings of module {module} name another account: {user} at {url}. Until now it was {known_user} at {known_url}", "В настройках модуля {module} другая учётная запись: {user} на {url}. До сих пор была {known_user} на {known_url}"),
    )
        .changed(text!("Nothing was changed at the seller", "У продавца ничего не изменено"))
        .next(text!(
            "say whether it is the same account under another name: pmisplicense doctor --accept-account {module}",
            "укажите, та же ли это учётная запись под другим именем: pmisplicense doctor --accept-account {module}"
        )))
}

/// Checks that the state file belongs to this machine.
///
/// # Errors
/// `state` on another machine, until an operator runs `state claim`.
pub fn check_machine(store: &Store, machine: &str) -> Result<(), ModuleError> {
    let known = store.home_machine().map_err(errors::state)?;
    if known.is_empty() || machine.is_empty() || known == machine {
        return Ok(());
    }
    Err(ModuleError::new(
        ErrorKind::State,
        "machine",
        machine,
        text!("This state file was made on another machine", "Этот файл состояния создан на другой машине"),
    )
    .changed(text!("Nothing was changed, here or at the seller", "Ничего не изменено"))
    .next(text!(
        "if the panel moved here for good, run: pmisplicense state claim",
        "если панель переехала сюда навсегда, выполните: pmisplicense state claim"
    )))
}

/// The licenses that one module bound with an account that no present module buys from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// The account.
    pub account: Account,
    /// The module that bound them.
    pub module: ModuleId,
    /// Whether the panel has that module still.
    pub in_panel: bool,
    /// The number of licenses that serve a service or are being taken for one.
    pub serving: u32,
    /// The number of licenses with those that wait to be freed and have not run out.
    pub licenses: u32,
    /// An operator said that they stay there.
    pub stays: bool,
}

/// The licenses that are bound with accounts that none of our modules in the panel buys from. No pass looks at them.
///
/// # Errors
/// `state`
pub fn former_accounts(store: &Store, modules: &[Module], today: NaiveDate) -> Result<Vec<Former>, ModuleError> {
    former(store, modules, today).map_err(errors::state)
}

fn former(store: &Store, modules: &[Module], today: NaiveDate) -> Result<Vec<Former>, StoreError> {
    let (ours, served) = (of_ours(modules), bought_from(store, modules)?);
    let mut found = Vec::new();
    for account in store.accounts()?.into_iter().filter(|account| !served.contains(&account.id)) {
        for InUse { module, serving, licenses } in store.in_use(account.id, Some(today))? {
            let (in_panel, stays) = (ours.contains(&module), store.stays(module, account.id)?);
            found.push(Former { account: account.clone(), module, in_panel, serving, licenses, stays });
        }
    }
    Ok(found)
}

/// The modules of ours among those of the panel.
fn of_ours(modules: &[Module]) -> Vec<ModuleId> {
    modules.iter().filter(|module| module.program == MODULE_PROGRAM).map(|module| module.id).collect()
}

/// The accounts that the modules of ours in the panel buy from. Our state also remembers modules that the panel has no
/// more; they buy nothing.
fn bought_from(store: &Store, modules: &[Module]) -> Result<Vec<AccountId>, StoreError> {
    let mut accounts = Vec::new();
    for module in of_ours(modules) {
        accounts.extend(store.account_of_module(module)?.map(|account| account.id));
    }
    Ok(accounts)
}

impl Engine<'_> {
    /// Whether a module of ours that the panel has buys from an account.
    pub(in crate::engine) fn is_bought_from(&mut self, account: AccountId) -> Result<bool, ModuleError> {
        let modules = self.ports.billdb.modules().map_err(|error| errors::database(&error))?;
        Ok(bought_from(&self.store, &modules).map_err(errors::state)?.contains(&account))
    }
}

impl Former {
    /// The situation and the next step, in words.
    pub fn words(&self) -> (Text, Text) {
        let (licenses, module) = (self.licenses, self.module);
        let Account { url, username, .. } = &self.account;
        let what = text!(
            [
                "Module {module} bound {} with the account {username} at {url}, and no module buys from it now. No run looks at them, and none renews them.",
                counted(licenses, "license")
            ],
            [
                "Модуль {module} привязал лицензии ({licenses}) через учётную запись {username} на {url}, а сейчас через неё не покупает ни один модуль. Их никто не проверяет и не продлевает."
            ]
        );
        // A product of OrderBox is sold by no other kind of seller, so the present module of these services buys at the
        // same kind.
        let sells = SellerKind::of(url);
        let way = each_to_present(sells);
        let next = match (self.in_panel, self.stays) {
            _ if self.serves_nobody() => text!(
                "no service uses them, and they are named until they have run out. To use them again, add a processing module with that account to the panel; if nobody needs them, delete them in the seller's panel. Which they are: pmisplicense list --module {module}",
                "ими не пользуется ни одна услуга, и сообщения о них идут до конца срока. Чтобы использовать их снова, добавьте в панель модуль обработки с этой учётной записью; ненужные удалите в панели продавца. Какие это лицензии: pmisplicense list --module {module}"
            ),
            (false, _) => text!(
                [
                    "add a processing module with that account to the panel, or give each service a license of its present module: {}; the services: pmisplicense list --module {module}",
                    way.en
                ],
                [
                    "добавьте в панель модуль обработки с этой учётной записью или дайте каждой услуге лицензию её нынешнего модуля: {}; список услуг: pmisplicense list --module {module}",
                    way.ru
                ]
            ),
            (true, false) => text!(
                "say whether that is the same account under another name: pmisplicense doctor --accept-account {module}",
                "укажите, та же ли это учётная запись под другим именем: pmisplicense doctor --accept-account {module}"
            ),
            (true, true) => text!(
                [
                    "give each service a license of the present account: {}; the services: pmisplicense list --module {module}",
                    way.en
                ],
                [
                    "дайте каждой услуге лицензию нынешней учётной записи: {}; список услуг: pmisplicense list --module {module}",
                    way.ru
                ]
            ),
        };
        (what, next)
    }

    /// Whether all that is left waits to be freed, and nothing is to be decided about the account: an operator said
    /// that it is another one, or the panel has its module no more.
    fn serves_nobody(&self) -> bool {
        self.serving == 0 && (self.stays || !self.in_panel)
    }

    /// Whether the licenses stay where they are, so that a pass names only those that somebody misses or pays for.
    pub fn is_left(&self) -> bool {
        self.stays || self.serves_nobody()
    }

    /// The command with which an operator can resolve it.
    pub fn command(&self) -> String {
        let module = self.module;
        if self.serves_nobody() {
            return format!("pmisplicense list --module {module}");
        }
        match (self.in_panel && !self.stays, SellerKind::of(&self.account.url)) {
            (true, _) => format!("pmisplicense doctor --accept-account {module}"),
            (false, SellerKind::Billmanager) => "pmisplicense move ITEM".to_owned(),
            (false, SellerKind::Orderbox) => "pmisplicense unbind ITEM".to_owned(),
        }
    }

    /// The report of a pass about such a license whose service ended: no run frees it.
    pub fn unused(&self, license: LicenseId, end: Option<NaiveDate>) -> ModuleError {
        let Account { url, username, .. } = &self.account;
        let until = match end {
            Some(end) => text!(["until {end}"], ["до {end}"]),
            None => text!("without an end that is known", "без известного срока"),
        };
        let words = text!(
            [
                "License {license} serves nobody and is paid for {}. It is in the account {username} at {url}, which no module buys from",
                until.en
            ],
            [
                "Лицензия {license} никому не служит и оплачена {}. Она в учётной записи {username} на {url}, через которую не покупает ни один модуль",
                until.ru
            ]
        );
        ModuleError::new(ErrorKind::Config, "account", username, words)
            .changed(text!("Nothing was changed", "Ничего не изменено"))
            .next(text!(
                "to use it again, add a processing module with that account to the panel",
                "чтобы использовать её снова, добавьте в панель модуль обработки с этой учётной записью"
            ))
    }

    /// The failure of a pass that skipped these licenses.
    pub fn passed_over(&self) -> ModuleError {
        let (what, next) = self.words();
        ModuleError::new(ErrorKind::Config, "account", &self.account.username, what.next(next))
    }
}

/// What happens to a license that its service gave up in another account. `is_bought_from`: a module buys from that
/// account.
pub(in crate::engine) fn freed_in(license: LicenseId, account: &Account, is_bought_from: bool) -> Text {
    let Account { url, username, .. } = account;
    match (SellerKind::of(url), is_bought_from) {
        (SellerKind::Billmanager, true) => text!(
            "License {license} of the account {username} at {url} is to be freed: the next sync of its module does that",
            "Лицензию {license} учётной записи {username} на {url} освободит следующий sync её модуля"
        ),
        (SellerKind::Billmanager, false) => text!(
            "License {license} of the account {username} at {url} is to be freed, and no module buys there: delete it in the seller's panel, or clear its address there",
            "Лицензию {license} учётной записи {username} на {url} нужно освободить, а через неё не покупает ни один модуль: удалите её в панели продавца или снимите там её IP"
        ),
        (SellerKind::Orderbox, true) => text!(
            "The license of hosting order {license} of the account {username} at {url} waits for the next sync of its module, which sees to its removal. With on_close = \"keep\" in the settings of that module it stays until the hosting ends",
            "Лицензия заказа хостинга {license} учётной записи {username} на {url} ждёт следующего sync её модуля: он займётся её снятием. Если в настройках того модуля on_close = \"keep\", она останется до окончания хостинга"
        ),
        (SellerKind::Orderbox, false) => text!(
            "The license of hosting order {license} of the account {username} at {url} stays on its order, and no module buys there. Remove it in the seller's panel, or each renewal of the hosting charges it",
            "Лицензия заказа хостинга {license} учётной записи {username} на {url} остаётся у заказа, а через эту учётную запись не покупает ни один модуль. Снимите её в панели продавца, иначе её оплачивает каждое продление хостинга"
        ),
    }
}

/// The commands that give a service a license of its present module in place of one of another account.
fn to_present(item: impl std::fmt::Display, sells: SellerKind) -> Text {
    match sells {
        SellerKind::Billmanager => Text::same(format!("pmisplicense move {item}")),
        // There is no list of licenses from which one could be taken beside the present one. An order of the former
        // account is not in the present one.
        SellerKind::Orderbox => text!(
            "enter the number of its hosting order in the present account as the order of service {item}, then pmisplicense unbind {item}, then pmisplicense reconcile --apply --only {item}",
            "впишите в услугу {item} номер её заказа хостинга в нынешней учётной записи, затем pmisplicense unbind {item}, затем pmisplicense reconcile --apply --only {item}"
        ),
    }
}

/// The same for each service of a list. `sells`: what their modules sell now.
pub fn each_to_present(sells: SellerKind) -> Text {
    text!(["{}", to_present("ITEM", sells).en], ["{}", to_present("УСЛУГА", sells).ru])
}

/// `move` to a module whose licenses belong to hosting orders.
pub(in crate::engine) fn no_move(item: ItemId, module: ModuleId) -> ModuleError {
    let way = to_present(item, SellerKind::Orderbox);
    ModuleError::new(
        ErrorKind::NotSupported,
        "command",
        "move",
        text!(
            "Module {module} sells licenses of hosting orders: it cannot obtain one beside the license that service {item} has now",
            "Модуль {module} продаёт лицензии заказов хостинга: получить новую рядом с нынешней лицензией услуги {item} нельзя"
        ),
    )
    .changed(text!("Service {item} keeps its license", "Услуга {item} сохраняет свою лицензию"))
    .next(text!(
        ["give up the present license, then obtain the new one (in between the service is without a license): {}", way.en],
        ["откажитесь от нынешней лицензии и получите новую (между этим услуга без лицензии): {}", way.ru]
    ))
}

/// A license of an account that the module does not buy from now. `is_own`: the module itself bound it, so that the
/// account may only have another name. `sells`: what the service's module sells now.
pub fn other_account(
    item: ItemId,
    license: LicenseId,
    (bought_as, module): (&Account, ModuleId),
    is_own: bool,
    sells: SellerKind,
) -> ModuleError {
    let way = to_present(item, sells);
    let Account { url, username, .. } = bought_as;
    let same = if is_own {
        text!(
            "if that is the same account under another name: pmisplicense doctor --accept-account {module} --same; if not, get a license from the present one: ",
            "если это та же учётная запись под другим именем: pmisplicense doctor --accept-account {module} --same; если нет, получите лицензию нынешней: "
        )
    } else {
        text!(
            "get a license from the account of its present module: ",
            "получите лицензию учётной записи нынешнего модуля: "
        )
    };
    ModuleError::new(
        ErrorKind::Config,
        "account",
        username,
        text!("License {license} of service {item} was bound with module {module} as {username} at {url}. The service's module buys from another account now", "Лицензия {license} услуги {item} привязана через модуль {module} как {username} на {url}. Модуль услуги теперь покупает через другую учётную запись"),
    )
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(["{}{}", same.en, way.en], ["{}{}", same.ru, way.ru]))
}
