//! Two decisions of an operator about identity. `doctor --accept-account`: whether the account that a module's settings
//! name is the one from before under another name, or another account. `state claim`: the panel moved to this machine
//! for good. The situation is shown first, then the operator is asked, and the decision is written into the journal.

use serde_json::json;

use super::state_file::compare;
use super::{Answer, Desk, refused};
use crate::cli::DoctorArgs;
use crate::engine::{call_error, check_machine, former_accounts, is_account, state_error};
use crate::error::{ErrorKind, ModuleError, Text, counted};
use crate::model::ids::{AccountId, ModuleId};
use crate::model::journal::Note;
use crate::model::license::License;
use crate::model::license_row::LicenseRow;
use crate::ports::{CallError, Module, ModuleAccess, RefusalKind, Upstream};
use crate::session::state::{is_there, no_state};
use crate::session::{module, open_state};
use crate::store::{Account, RESTORED, Store};
use crate::text;

/// How many licenses of the account are read to recognise it. It is enough for a decision and takes only seconds.
const SAMPLE: u32 = 10;

/// The decision about the account that the settings name now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    /// It is the same as before, under another name.
    Same,
    /// It is another account.
    Other,
}

/// What was found when licenses of the former account were read in the present one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Evidence {
    /// Licenses that exist under their number, with our mark, or with name and address where the seller shows no mark.
    same: u32,
    /// Numbers under which the present account has another license.
    different: u32,
    /// Licenses that the present account does not have.
    missing: u32,
}

/// An account that the module bought from before, and what our state knows of it.
struct Before {
    account: Account,
    /// Licenses that serve a service.
    bound: u32,
    /// All licenses.
    licenses: u32,
    /// Orders and changes whose outcome is not known.
    open: usize,
    evidence: Evidence,
}

/// The facts for the decision.
struct Case {
    access: ModuleAccess,
    /// The account that the settings name, if this state knows it under that name.
    known: Option<AccountId>,
    /// Whether that account is the present account of the module already.
    is_current: bool,
    before: Vec<Before>,
    /// The user that the seller reports as logged in.
    user: String,
}

/// `doctor --accept-account MODULE`
///
/// # Errors
/// `missed`, `unsupported_module`: there is no such module of ours; `state`: the state belongs to another machine;
/// `auth`, `client`, `bad_answer`: the login does not work; `config`: the licenses of the account contradict the
/// decision.
pub fn accept_account(desk: &mut Desk<'_>, id: ModuleId, args: &DoctorArgs) -> Result<Answer, ModuleError> {
    let modules = desk.ctx.data.billdb()?.modules().map_err(crate::context::database_error)?;
    module::ours(&modules, id)?;
    if !is_there(desk.ctx)? {
        return Ok(nothing_to_decide(desk, id));
    }
    let store = open_state(desk.ctx)?;
    check_machine(&store, &desk.ctx.machine)?;
    let access = desk.ctx.data.access(id)?;
    let Some(case) = case(desk, &store, &modules, access)? else { return Ok(nothing_to_decide(desk, id)) };
    let plan = case.explanation();
    let decision = match (args.same, args.other) {
        (true, _) => Some(Decision::Same),
        (false, true) => Some(Decision::Other),
        (false, false) => None,
    };
    let decision = match decision {
        Some(decision) => {
            case.check(decision, args.against_evidence)?;
            let plan =
                text!(["{}\n{}", plan.en, decision.explanation().en], ["{}\n{}", plan.ru, decision.explanation().ru]);
            desk.confirm(&plan, args.yes)?;
            decision
        }
        None => {
            let decision = asked(desk, &plan, id)?;
            case.check(decision, args.against_evidence)?;
            decision
        }
    };
    let done = case.carry_out(desk, &store, decision)?;
    desk.ctx.log.info(&done.en);
    Ok(case.answer(desk, decision, &done))
}

fn nothing_to_decide(desk: &Desk<'_>, id: ModuleId) -> Answer {
    let words = text!(
        "There is nothing to decide: the settings of module {id} name the account that it buys from, and nothing was bound with another one.",
        "Решать нечего: в настройках модуля {id} та учётная запись, через которую он покупает, и через другую ничего не привязано."
    );
    Answer::sentence("doctor", desk.ctx.lang, &words)
}

/// Collects what is to be decided, logs in, and reads some licenses that must be there if it is the same account.
fn case(
    desk: &mut Desk<'_>,
    store: &Store,
    modules: &[Module],
    access: ModuleAccess,
) -> Result<Option<Case>, ModuleError> {
    let Some(seen_with) = store.account_of_module(access.module).map_err(state_error)? else { return Ok(None) };
    let is_current = is_account(store, &seen_with, &access).map_err(state_error)?;
    let known = match is_current {
        true => Some(seen_with.id),
        false => store.account_at(&access.url, &access.username).map_err(state_error)?,
    };
    let former = former_accounts(store, modules, desk.ctx.clock.today())?;
    let mut former: Vec<_> =
        former.into_iter().filter(|one| one.module == access.module && Some(one.account.id) != known).collect();
    // A decision that was made before is only asked again if there is nothing else to decide.
    if !is_current || former.iter().any(|one| !one.stays) {
        former.retain(|one| !one.stays);
    }
    let accounts = (!is_current).then_some(seen_with).into_iter().chain(former.into_iter().map(|one| one.account));
    let accounts: Vec<Account> = accounts.collect();
    if accounts.is_empty() {
        return Ok(None);
    }
    let mut upstream = desk.ctx.connector.connect(&access)?;
    let what = text!("login as {} at {}", "вход как {} на {}", access.username, access.url);
    let user = upstream.whoami().map_err(|error| call_error(&error, &what, &access.url))?;
    let open = store.open_intents().map_err(state_error)?;
    let mut before = Vec::new();
    for account in accounts {
        let (bound, licenses) = store.count_licenses(account.id).map_err(state_error)?;
        let evidence = evidence(upstream.as_mut(), store, &account)?;
        let open = open.iter().filter(|intent| intent.account == account.id).count();
        before.push(Before { account, bound, licenses, open, evidence });
    }
    Ok(Some(Case { access, known, is_current, before, user }))
}

fn evidence(upstream: &mut dyn Upstream, store: &Store, account: &Account) -> Result<Evidence, ModuleError> {
    let mut found = Evidence::default();
    for row in store.known_licenses(account.id, SAMPLE).map_err(state_error)? {
        match upstream.license(row.family, row.id) {
            Ok(seen) if seen.is_deleted() => found.missing += 1,
            Ok(seen) if is_that(&row, &seen) => found.same += 1,
            Ok(_) => found.different += 1,
            Err(CallError::Refused(refusal)) if refusal.kind == RefusalKind::NotFound => found.missing += 1,
            Err(error) => {
                let what = text!("reading license {}", "чтение лицензии {}", row.id);
                return Err(call_error(&error, &what, row.id));
            }
        }
    }
    Ok(found)
}

/// True for the license that our state knows under that number. The mark decides; where the seller shows no mark,
/// name and address decide.
fn is_that(row: &LicenseRow, seen: &License) -> bool {
    let marked = row.mark.as_ref().is_some_and(|mark| seen.remoteid.is(mark));
    marked || (seen.remoteid.is_silent() && seen.is_named(&row.name) && seen.ip == row.ip)
}

/// Asks the operator for the decision. Without a terminal an option has to give it.
fn asked(desk: &mut Desk<'_>, plan: &Text, id: ModuleId) -> Result<Decision, ModuleError> {
    if desk.ask.is_none() {
        let words = plan.clone().changed(text!("Nothing was changed", "Ничего не изменено")).next(text!(
            "if it is the same account: pmisplicense doctor --accept-account {id} --same. If it is another one: pmisplicense doctor --accept-account {id} --other",
            "если учётная запись та же: pmisplicense doctor --accept-account {id} --same. Если другая: pmisplicense doctor --accept-account {id} --other"
        ));
        return Err(refused(words));
    }
    let shown = format!("{}\n", desk.say(plan));
    (desk.tell)(&shown);
    let question = |decision: Decision| {
        let words = decision.explanation();
        match decision {
            Decision::Same => text!(
                ["If it is the same account under another name: {} Is it the same account", words.en],
                ["Если это та же учётная запись под другим именем: {} Это та же учётная запись", words.ru]
            ),
            Decision::Other => {
                text!(
                    ["If it is another account: {} Is it another account", words.en],
                    ["Если это другая учётная запись: {} Это другая учётная запись", words.ru]
                )
            }
        }
    };
    for decision in [Decision::Same, Decision::Other] {
        if desk.agrees(&question(decision)) {
            return Ok(decision);
        }
    }
    Err(refused(text!("Nothing was decided, and nothing was changed.", "Ничего не решено и не изменено.")))
}

impl Decision {
    fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Other => "other",
        }
    }

    fn note(self) -> Note {
        match self {
            Self::Same => Note::SameAccount,
            Self::Other => Note::OtherAccount,
        }
    }

    /// The consequences, in words.
    fn explanation(self) -> Text {
        match self {
            Self::Same => text!(
                "Licenses, pool, open orders and costs go along. Everything continues under the new name.",
                "Лицензии, пул, незавершённые заказы и затраты переходят вместе с ней. Всё продолжится под новым именем."
            ),
            Self::Other => text!(
                "The licenses stay with the former account. This module will not look at them or renew them.",
                "Лицензии остаются на прежней учётной записи. Этот модуль не будет их проверять и продлевать."
            ),
        }
    }
}

impl Case {
    /// The evidence, in words.
    fn explanation(&self) -> Text {
        let ModuleAccess { module, url, username, .. } = &self.access;
        let user = &self.user;
        let mut words = text!(
            "The settings of module {module} name {username} at {url}. The login works; the seller calls the user {user}.",
            "В настройках модуля {module} указано: {username} на {url}. Вход работает; продавец называет пользователя {user}."
        );
        for before in &self.before {
            let Before { account, bound, licenses, open, evidence } = before;
            let Evidence { same, different, missing } = *evidence;
            let (pooled, read) = (licenses.saturating_sub(*bound), same + different + missing);
            let one = text!(
                [
                    "The former account was {} at {}. This state holds for it: {} bound to services, {pooled} in the pool or waiting, and {} in doubt. In the present account the program looked for {}: {same} found with our mark or name, {different} found to be other licenses, {missing} not found.",
                    account.username,
                    account.url,
                    counted(*bound, "license"),
                    counted(*open, "request"),
                    counted(read, "license")
                ],
                [
                    "Прежняя учётная запись: {} на {}. Лицензий у услуг: {bound}, в пуле или ждут: {pooled}, запросов под вопросом: {open}. В нынешней учётной записи искали лицензий: {read}. Из них с нашей меткой или именем: {same}, оказались другими: {different}, не найдено: {missing}.",
                    account.username,
                    account.url
                ]
            );
            words = text!(["{} {}", words.en, one.en], ["{} {}", words.ru, one.ru]);
        }
        words
    }

    /// Checks that the evidence allows the decision. `against`: the operator decides so anyway.
    fn check(&self, decision: Decision, against: bool) -> Result<(), ModuleError> {
        let module = self.access.module;
        let lacks = |before: &Before| before.evidence.same == 0 && (before.licenses > 0 || before.open > 0);
        let words = match decision {
            Decision::Same if self.before.iter().any(lacks) => text!(
                "Nothing shows that it is the same account: none of the licenses known before could be read in it",
                "Ничто не говорит о том, что это та же учётная запись: ни одной из известных лицензий в ней нет"
            )
            .changed(text!("Nothing was changed", "Ничего не изменено"))
            .next(text!(
                "check address and user of module {module}. If you are certain: pmisplicense doctor --accept-account {module} --same --against-evidence",
                "проверьте адрес и имя пользователя модуля {module}. Если вы уверены: pmisplicense doctor --accept-account {module} --same --against-evidence"
            )),
            Decision::Other if self.before.iter().any(|before| before.evidence.same > 0) => text!(
                "Licenses known before are in this account too, so it is the same account. If it counted as another one, nobody would renew them",
                "Известные лицензии есть и в этой учётной записи, значит, она та же. Если считать её другой, их никто не будет продлевать"
            )
            .changed(text!("Nothing was changed", "Ничего не изменено"))
            .next(text!(
                "pmisplicense doctor --accept-account {module} --same. If you are certain: pmisplicense doctor --accept-account {module} --other --against-evidence",
                "pmisplicense doctor --accept-account {module} --same. Если вы уверены: pmisplicense doctor --accept-account {module} --other --against-evidence"
            )),
            Decision::Same | Decision::Other => return Ok(()),
        };
        if against { Ok(()) } else { Err(ModuleError::new(ErrorKind::Config, "account", module, words)) }
    }

    /// Writes the decision down: one transaction, and a line of the journal.
    fn carry_out(&self, desk: &Desk<'_>, store: &Store, decision: Decision) -> Result<Text, ModuleError> {
        let ModuleAccess { module, url, username, .. } = &self.access;
        let names = |at: &str| {
            let name = |before: &Before| format!("{} {at} {}", before.account.username, before.account.url);
            self.before.iter().map(name).collect::<Vec<_>>().join(", ")
        };
        let (en, ru) = (names("at"), names("на"));
        let done = match decision {
            Decision::Same => text!(
                ["Module {module} buys as {username} at {url} now, the same account as {en}."],
                ["Модуль {module} теперь покупает как {username} на {url}, это та же учётная запись, что {ru}."]
            ),
            Decision::Other => text!(
                ["Module {module} buys as {username} at {url} now. What it bound before stays with {en}."],
                ["Модуль {module} теперь покупает как {username} на {url}. Привязанное раньше осталось за {ru}."]
            ),
        };
        if decision == Decision::Same {
            self.check_union(store)?;
        }
        let write = store.write(desk.ctx.clock.now(), |tx| {
            let mut target = self.known;
            for before in &self.before {
                match decision {
                    Decision::Same => target = Some(tx.rename_account(&before.account, target, url, username)?),
                    Decision::Other => tx.set_stays(*module, before.account.id)?,
                }
            }
            if decision == Decision::Same || !self.is_current {
                tx.set_account(*module, url, username)?;
            }
            tx.note(None, None, decision.note(), &done)
        });
        write.map_err(state_error)?;
        Ok(done)
    }

    /// Refuses to unite two accounts if a license serves a service in both of them. One of the two rows is wrong, and
    /// only an operator can say which.
    fn check_union(&self, store: &Store) -> Result<(), ModuleError> {
        let Some(target) = self.known else { return Ok(()) };
        for before in &self.before {
            let twice = store.serving_in_both(before.account.id, target).map_err(state_error)?;
            let Some(license) = twice.first() else { continue };
            let rows = store.licenses_numbered(*license).map_err(state_error)?;
            let item = rows.iter().find(|row| row.account == target).and_then(|row| row.item);
            let item = super::dash(item);
            return Err(ModuleError::new(
                ErrorKind::State,
                "licid",
                license,
                text!(
                    "License {license} serves a service under both names of the account",
                    "Лицензия {license} обслуживает услуги под обоими именами учётной записи"
                ),
            )
            .changed(text!("Nothing was changed", "Ничего не изменено"))
            .next(text!(
                "take it from the service that got it last: pmisplicense unbind {item}",
                "снимите её с услуги, получившей её последней: pmisplicense unbind {item}"
            )));
        }
        Ok(())
    }

    fn answer(&self, desk: &Desk<'_>, decision: Decision, done: &Text) -> Answer {
        let words = desk.say(done);
        let before: Vec<_> = self
            .before
            .iter()
            .map(|before| {
                let Evidence { same, different, missing } = before.evidence;
                json!({
                    "username": before.account.username, "url": before.account.url, "bound": before.bound,
                    "licenses": before.licenses, "in_doubt": before.open,
                    "found": { "same": same, "different": different, "missing": missing },
                })
            })
            .collect();
        let accepted = json!({
            "module": self.access.module.0, "decision": decision.word(), "username": self.access.username,
            "url": self.access.url, "user": self.user, "before": before,
        });
        Answer::new("doctor", format!("{words}\n"), json!({ "text": words, "accepted": accepted }))
    }
}

/// `state claim`: the state file is this machine's from now on.
///
/// # Errors
/// `state`; `missed`: the operator did not agree, or there is no state.
pub fn claim_state(desk: &mut Desk<'_>, yes: bool) -> Result<Answer, ModuleError> {
    if !is_there(desk.ctx)? {
        return Err(no_state(&desk.ctx.settings.state));
    }
    let store = open_state(desk.ctx)?;
    let machine = desk.ctx.machine.clone();
    if check_machine(&store, &machine).is_ok() {
        let words =
            text!("The state file belongs to this machine already.", "Файл состояния уже принадлежит этой машине.");
        return Ok(Answer::sentence("state", desk.ctx.lang, &words));
    }
    let plan = text!(
        "The state file was made on another machine. From now on it is this machine's: the program here buys, renews and frees. The panel must not run on the other machine any more: both would renew.",
        "Файл состояния создан на другой машине. С этого момента он принадлежит этой: программа здесь покупает, продлевает и освобождает. На другой машине панель больше не должна работать: продлевали бы обе."
    );
    desk.confirm(&plan, yes)?;
    let done = text!("The state file now belongs to this machine.", "Файл состояния теперь принадлежит этой машине.");
    let write = store.write(desk.ctx.clock.now(), |tx| {
        tx.set_meta("machine", &machine)?;
        tx.note(None, None, Note::Machine, &done)
    });
    write.map_err(state_error)?;
    let words = match store.meta(RESTORED).map_err(state_error)? {
        Some(_) => {
            let old = text!("It is older than what was done with it", "Он старее того, что было сделано");
            text!(["{} {}", done.en, old.en], ["{} {}", done.ru, old.ru]).next(compare())
        }
        None => done.into(),
    };
    Ok(Answer::sentence("state", desk.ctx.lang, words))
}
