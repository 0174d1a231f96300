//! The engine: read, decide by the plan, write the intent down, act, look, write the outcome down. Only the engine
//! calls ports that change anything.
//!
//! It is straight-line code. It uses `async` as a coroutine for the simulator, not for input and output: `stepping`
//! says why.
//!
//! Order of locks: the item, then its license, then the items and licenses of its modules. All are taken before the
//! first read that a decision depends on (docs/money-safety.md 7).

mod bind;
mod change;
mod close;
mod errors;
mod explain;
mod guard;
mod hosting;
mod identity;
mod import;
mod intent;
mod locking;
mod naming;
mod nopanel;
mod open;
mod order;
mod pages;
mod panel;
mod pool;
mod reconcile;
mod renew;
mod repeatable;
mod resolve;
mod send;
mod stepping;
mod sweep;
mod sync;
mod takeover;

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};

use crate::error::{ModuleError, Text};
use crate::model::catalogue::Product;
use crate::model::command::ItemCommand;
use crate::model::ids::{AccountId, ItemId, LicenseId, ModuleId, PanelId, RunningOperationId};
use crate::model::item::Item;
use crate::model::journal::Note;
use crate::model::license::{Family, License};
use crate::model::license_row::LicenseRow;
use crate::model::period::AlignmentRule;
use crate::model::rules::Rules;
pub use crate::plan::bind::Consent;
pub use crate::plan::guard::Allow;
use crate::plan::in_doubt::Now;
use crate::ports::{
    BillDb, CallError, Clock, LockGuard, LockName, Locks, ModuleAccess, Notes, Page, Panel, RefusalKind, Upstream as _,
};
use crate::store::{Store, StoreError, Tx};
use crate::text;
pub use bind::preview::{Face, Preview, ShownKey};
pub use errors::{
    busy, call as call_error, cluster_words, left_to_other_run, lock_failed, login_advice, no_function_advice, no_item,
    refusal_kind, state as state_error,
};
pub use explain::Explained;
use identity::account::account_of;
pub use identity::account::{Former, check_machine, each_to_present, former_accounts, is_account, other_account};
pub use import::Imported;
pub use import::list::Importable;
pub use locking::lease_name;
pub use pages::Progress;
pub use reconcile::approval::Approved;
pub use reconcile::{Headway, Phase};
pub use resolve::{Resolution, Verdict};
use stepping::PauseForSimulator;
pub use stepping::{StepName, run_to_end};
pub use sweep::{Server, Swept};
pub use sync::all::Summary;
pub use sync::watched::Watched;
pub use takeover::{Candidate, Marking, Servers, Taken};

/// How long a run waits for a lock before it fails with `busy`.
pub const LOCK_WAIT: Duration = Duration::from_secs(30);

/// How often a held lock is tried again.
pub const LOCK_RETRY: Duration = Duration::from_millis(100);

/// Steps that one run may take for one service or license: far above the longest honest one, so that a defect ends in
/// an error.
const MAX_STEPS: u32 = 100_000;

/// The outside world of one run.
pub struct Ports<'p> {
    /// The account that the module buys from.
    pub upstream: Watched<'p>,
    /// The panel's tool.
    pub panel: &'p mut dyn Panel,
    /// The panel's database.
    pub billdb: &'p mut dyn BillDb,
    /// Time.
    pub clock: &'p dyn Clock,
    /// Lock files.
    pub locks: &'p dyn Locks,
    /// The log.
    pub notes: &'p dyn Notes,
}

/// One run of one command.
pub struct Engine<'p> {
    ports: Ports<'p>,
    store: Store,
    rules: &'p Rules,
    account: AccountId,
    module: ModuleId,
    operation: Option<RunningOperationId>,
    panel_id: PanelId,
    /// See [`Engine::also_look_at`].
    servers: BTreeSet<ModuleId>,
    held: Vec<(LockName, Box<dyn LockGuard>)>,
    /// A piece of work is under way that gives its locks back ([`Engine::with_locks`]).
    may_lock: bool,
    withheld: guard::Withheld,
    /// A license that an old state missed could not be added to it in this run.
    is_left_out: bool,
    /// The newest licenses, if a search for a mark has just read them: the look before an order does not ask again.
    newest_page: Option<(Family, Page)>,
    alignment: Option<Vec<AlignmentRule>>,
    steps: u32,
    stepping: Option<StepName>,
}

/// What identifies a run to its engine.
pub struct Run<'r> {
    /// The module whose account is used.
    pub access: &'r ModuleAccess,
    /// The running operation of the panel that this run is an attempt of.
    pub operation: Option<RunningOperationId>,
    /// What this machine calls itself.
    pub machine: &'r str,
    /// Set by the simulator only: the run notes here at which step it is, and pauses at every step.
    pub stepping: Option<StepName>,
}

impl<'p> Engine<'p> {
    /// Prepares a run: looks up the account of the module, or remembers it when it is seen for the first time.
    ///
    /// # Errors
    /// `config` when the module's address or user changed since (docs/money-safety.md 6); `state` when the state was
    /// made on another machine.
    pub fn begin(ports: Ports<'p>, store: Store, rules: &'p Rules, run: Run<'_>) -> Result<Self, ModuleError> {
        assert!(!store.is_writing(), "no transaction is open when a run begins");
        let now = ports.clock.now();
        check_machine(&store, run.machine)?;
        let account = account_of(&store, now, run.access)?;
        let panel_id = store.panel_id().map_err(errors::state)?;
        Ok(Self {
            ports,
            store,
            rules,
            account,
            module: run.access.module,
            operation: run.operation,
            panel_id,
            servers: BTreeSet::new(),
            held: Vec::new(),
            may_lock: false,
            withheld: guard::Withheld::default(),
            is_left_out: false,
            newest_page: None,
            alignment: None,
            steps: 0,
            stepping: run.stepping,
        })
    }

    /// Carries out a command about one item.
    ///
    /// # Errors
    /// What was attempted, what is certain, what to do next.
    pub async fn item_command(&mut self, command: ItemCommand, item: ItemId) -> Result<(), ModuleError> {
        self.changing(async |engine: &mut Self| {
            engine.lock(LockName::Item(item)).await?;
            engine.locked_item_command(command, item).await
        })
        .await
    }

    async fn locked_item_command(&mut self, command: ItemCommand, item: ItemId) -> Result<(), ModuleError> {
        let item = self.item(item).await?;
        if self.sells_addons() {
            return Box::pin(self.addon_command(command, &item)).await;
        }
        // Each of these futures takes kilobytes. Without boxes they would be part of their callers' futures and be
        // moved at every level.
        let work: Pin<Box<dyn Future<Output = Result<(), ModuleError>>>> = match command {
            ItemCommand::Open => Box::pin(self.open(&item, false)),
            ItemCommand::Reopen => Box::pin(self.open(&item, true)),
            ItemCommand::Suspend => Box::pin(self.suspend(&item)),
            ItemCommand::Resume => Box::pin(self.resume(&item)),
            ItemCommand::Close => Box::pin(self.close(&item)),
            ItemCommand::Prolong => Box::pin(self.prolong(&item)),
            ItemCommand::CancelProlong => Box::pin(self.cancel_prolong(&item)),
            ItemCommand::Setparam => Box::pin(self.setparam(&item)),
            ItemCommand::SyncItem => Box::pin(self.sync_alone(&item)),
            ItemCommand::GenKey => Box::pin(self.gen_key(&item)),
        };
        work.await
    }

    /// Starts the count of steps anew: the limit is for one service or license, however many a run handles.
    fn begin_one(&mut self) {
        self.steps = 0;
        self.newest_page = None;
    }

    /// A place where the simulator may stop this run. Nothing may hold a transaction open here.
    async fn step(&mut self, name: &'static str) -> Result<(), ModuleError> {
        debug_assert!(!self.store.is_writing(), "no transaction is open across {name}");
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Err(errors::too_many_steps(MAX_STEPS));
        }
        if let Some(at) = &self.stepping {
            at.set(name);
            PauseForSimulator::default().await;
        }
        Ok(())
    }

    fn now(&self) -> DateTime<Utc> {
        self.ports.clock.now()
    }

    fn today(&self) -> NaiveDate {
        self.ports.clock.today()
    }

    /// The seller's clock at its last answer, unless `clock_check` is off.
    fn their_now(&self) -> Option<DateTime<Utc>> {
        self.ports.upstream.server_date().filter(|_| self.rules.clock_check)
    }

    /// The later of our clock and the seller's: an upper bound for the moment at which a request is recorded, even if
    /// our clock is set in between.
    fn now_at_latest(&self) -> DateTime<Utc> {
        let here = self.shared_now_at_latest();
        self.their_now().map_or(here, |theirs| theirs.max(here))
    }

    /// In a cluster the later of our clock and the database's: an upper bound for now on every machine.
    fn shared_now_at_latest(&self) -> DateTime<Utc> {
        self.store.cluster_clock().ok().flatten().map_or(self.now(), |shared| shared.max(self.now()))
    }

    /// The earlier of both clocks: a time that an intent in doubt waits for has passed only when both clocks say so.
    fn now_at_least(&self) -> DateTime<Utc> {
        // The seller tells whole seconds.
        let theirs = self.their_now().map(|theirs| theirs + chrono::Duration::seconds(1));
        let here = match self.store.cluster_clock() {
            Ok(shared) => shared.map_or(self.now(), |shared| shared.min(self.now())),
            // With a clock that cannot be read no waiting time has passed.
            Err(_) => DateTime::UNIX_EPOCH,
        };
        theirs.map_or(here, |theirs| theirs.min(here))
    }

    fn now_by_all_clocks(&self) -> Now {
        Now { earliest: self.now_at_least(), latest: self.now_at_latest() }
    }

    /// Writes to our state in one transaction, which is never open during a call to the outside.
    async fn commit<T>(
        &mut self,
        name: &'static str,
        work: impl Fn(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, ModuleError> {
        self.commit_at(name, self.now(), work).await
    }

    /// As [`Engine::commit`], with the moment that is written down.
    async fn commit_at<T>(
        &mut self,
        name: &'static str,
        at: DateTime<Utc>,
        work: impl Fn(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, ModuleError> {
        self.step(name).await?;
        let result = self.store.write(at, work).map_err(errors::state);
        self.step("committed").await?;
        result
    }

    /// The item as the database has it now.
    async fn item(&mut self, item: ItemId) -> Result<Item, ModuleError> {
        self.step("read item").await?;
        let found = self.ports.billdb.item(item).map_err(|error| errors::database(&error))?;
        found.ok_or_else(|| errors::no_item(item))
    }

    /// A license as the seller has it now; `None` when this account has no such license.
    async fn read(&mut self, family: Family, license: LicenseId) -> Result<Option<License>, ModuleError> {
        match self.try_read(family, license).await? {
            Ok(seen) => Ok(seen),
            Err(error) => Err(unreadable(&error, license)),
        }
    }

    /// As [`Engine::read`], but returns the failure to callers that must write something down first.
    async fn try_read(
        &mut self,
        family: Family,
        license: LicenseId,
    ) -> Result<Result<Option<License>, CallError>, ModuleError> {
        self.step("read license").await?;
        Ok(match self.ports.upstream.license(family, license) {
            Ok(seen) if seen.id == license => {
                self.tell_doubled(&seen).await?;
                Ok(Some(seen))
            }
            Ok(seen) => {
                let about = seen.id;
                Err(CallError::BadAnswer(text!(
                    "asked for license {license}, the answer is about {about}",
                    "запрошена лицензия {license}, ответ — о {about}"
                )))
            }
            Err(CallError::Refused(refusal)) if refusal.kind == RefusalKind::NotFound => Ok(None),
            Err(other) => Err(other),
        })
    }

    /// The product that a license was ordered as. `None` when the catalogue does not have it any more; only purchases
    /// and renewals need it.
    fn product_of(&self, row: &LicenseRow) -> Option<&'p Product> {
        let rules: &'p Rules = self.rules;
        rules.catalogue.by_pricelist(row.pricelist).or_else(|| rules.catalogue.get(&row.internal_name))
    }

    /// Alignment rules: the panel's, then the settings file's.
    async fn alignment(&mut self) -> Result<Vec<AlignmentRule>, ModuleError> {
        if let Some(rules) = &self.alignment {
            return Ok(rules.clone());
        }
        self.step("read alignment").await?;
        let mut rules = self.ports.billdb.alignment_rules(self.module).map_err(|error| errors::database(&error))?;
        rules.extend(self.rules.alignment.iter().cloned());
        self.alignment = Some(rules.clone());
        Ok(rules)
    }

    /// Saves what a look showed, if it differs from what our state has.
    async fn refresh(&mut self, row: &LicenseRow, seen: &License) -> Result<(), ModuleError> {
        if !row.differs(seen) {
            return Ok(());
        }
        let account = row.account;
        let (before, after) = (row.expires, seen.expires.or(row.expires));
        let moved = before != after;
        let has_another_key = matches!((&row.key, &seen.key), (Some(ours), Some(theirs)) if ours != theirs);
        let reason = if moved {
            text!("seen at the seller: expiry {before} -> {after}", "видно у продавца: срок {before} -> {after}")
        } else if has_another_key {
            text!("seen at the seller: the key changed", "видно у продавца: ключ изменился")
        } else {
            text!("seen at the seller: the license changed", "видно у продавца: лицензия изменилась")
        };
        let (item, id, seen, is_noted) = (row.item, row.id, seen.clone(), row.is_changed_by(seen));
        self.commit("refresh", move |tx| {
            tx.refresh_license(account, &seen)?;
            // The number of a client's domains changes often: it is saved without a line in the journal.
            if is_noted { tx.note(item, Some((account, id)), Note::Seen, &reason) } else { Ok(()) }
        })
        .await
    }

    fn note(&self, text: &Text) {
        self.ports.notes.note(text);
    }

    fn warn(&self, text: &Text) {
        self.ports.notes.warn(text);
    }
}

fn unreadable(error: &CallError, license: LicenseId) -> ModuleError {
    errors::call(error, &text!("reading license {license}", "чтение лицензии {license}"), license)
}

/// A day for people; a dash for none.
fn show_day(day: Option<NaiveDate>) -> String {
    day.map_or_else(|| "-".to_owned(), |day| day.to_string())
}

/// Whether a look found no license, or a deleted one. One look proves nothing.
fn is_gone(seen: Option<&License>) -> bool {
    seen.is_none_or(License::is_deleted)
}
