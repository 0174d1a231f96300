//! The wire between a run and the seller: the port `Upstream` with everything that can go wrong on the way. Here are
//! also the checks that hold at the moment of a call: nothing foreign is changed (S8), nothing unpaid is renewed
//! (S4).

use chrono::{DateTime, Utc};
use pmisplicense::error::Text;
use pmisplicense::model::ids::{AccountId, LicenseId, LicenseKey, Mark, UpstreamPricelistId};
use pmisplicense::model::item::ItemStatus;
use pmisplicense::model::journal::{OnceAnswer, OnceRequest};
use pmisplicense::model::license::{FREE_NAME, Family, License, Money};
use pmisplicense::model::period::Period;
use pmisplicense::ports::{CallError, Edit, Outcome, Page, RefusalKind, Repeatable, Upstream};
use pmisplicense::store::RecordedIntent;

use crate::faults::{Class, Fault};
use crate::seller::{Tag, refusal};
use crate::world::{Effect, Job, Pending, Shared, World, day_of, moment};

/// What a server pays for has a number of its own kind: from here on.
const SERVER_PAYMENTS: u32 = 1_000_000;

/// One run's line to the seller.
pub struct Wire {
    pub world: Shared,
    pub run: usize,
}

fn unreachable() -> CallError {
    CallError::Unreachable("sim: no answer".to_owned())
}

fn garbled() -> CallError {
    CallError::BadAnswer(Text::same("sim: cut off"))
}

fn send_step(request: &OnceRequest) -> &'static str {
    match request {
        OnceRequest::Order(_) => "send order",
        OnceRequest::Prolong { .. } => "send renewal",
        OnceRequest::ChangePricelist { .. } => "send tariff",
        OnceRequest::SetNodes { .. } => "send nodes",
        OnceRequest::NewKey { .. } => "send newkey",
        OnceRequest::Delete { .. } => "send delete",
        OnceRequest::AddLicense(_) => "send addition",
        OnceRequest::RemoveLicense(_) => "send removal",
    }
}

/// What the seller would answer had it done it.
fn said_done(request: &OnceRequest) -> OnceAnswer {
    match request {
        OnceRequest::Prolong { before, period, .. } => {
            OnceAnswer::Prolonged(Some(*before + chrono::Months::new(period.0.into())))
        }
        OnceRequest::NewKey { .. } => OnceAnswer::Key(LicenseKey::parse("KEY-NEVER-ISSUED")),
        _ => OnceAnswer::Changed,
    }
}

impl World {
    /// A call takes its time, and nobody calls with a transaction open.
    pub fn call_begins(&mut self, run: usize) {
        if self.other_account {
            self.violation("S8", "another account is touched", format!("run {run}"));
        }
        if self.store.is_writing() {
            self.violation("S6", "a transaction is open during a call", format!("run {run}"));
        }
        let ms = 20 + i64::from(self.noise.below(500));
        self.advance(ms);
    }

    fn check_paid(&mut self, run: usize, request: &OnceRequest) {
        let by_sync = match self.runs[run].job {
            Job::SyncAll => true,
            Job::Item { command, .. } => command == pmisplicense::model::command::ItemCommand::SyncItem,
            _ => false,
        };
        if !by_sync {
            return;
        }
        match request {
            OnceRequest::Order(_) => self.violation("S4", "sync orders", format!("run {run}")),
            OnceRequest::Prolong { license, before, .. } => {
                // A clock that was set in the middle of the run: the service was paid by the one that it looked at.
                let today = day_of(match self.runs[run].earliest_machine_ms {
                    Some(before) => before.min(self.machine_ms()),
                    None => self.machine_ms(),
                });
                let paid = self.runs[run].last_item.as_ref().is_some_and(|item| {
                    let endless = matches!(item.period, Period::Lifetime | Period::Day);
                    let ahead = item.expires.is_none_or(|end| end > today && end > *before);
                    item.status == ItemStatus::Active && (endless || ahead)
                });
                if !paid {
                    let item = self.runs[run].last_item.as_ref().map(|item| (item.id, item.status, item.expires));
                    self.violation("S4", "sync renews what nobody pays", format!("license {license} for {item:?}"));
                }
            }
            OnceRequest::ChangePricelist { .. }
            | OnceRequest::SetNodes { .. }
            | OnceRequest::NewKey { .. }
            | OnceRequest::Delete { .. }
            | OnceRequest::AddLicense(_)
            | OnceRequest::RemoveLicense(_) => {}
        }
    }

    fn check_own(&mut self, run: usize, license: LicenseId, what: &str) {
        // What another panel freed may be taken where the settings say so: from its new key on it is ours.
        if self.takes_foreign
            && let Some(lic) = self.seller.get_mut(license.0).filter(|lic| lic.name == FREE_NAME)
        {
            lic.foreign = false;
        }
        if self.seller.get(license.0).is_some_and(|lic| lic.foreign) {
            self.violation("S8", "foreign license changed", format!("run {run}: {what} of license {license}"));
        }
    }

    /// A call about a license stands on what was read in this run: the license, and the item whose license it is.
    fn check_looked(&mut self, run: usize, license: LicenseId, what: &str, moves_money: bool) {
        if moves_money && !self.runs[run].answers.iter().any(|(of, _)| *of == license.0) {
            self.violation("S4", "acts without a look", format!("run {run}: {what} of license {license}"));
        }
        let Some(known) = self.runs[run].last_item.clone().filter(|_| !self.runs[run].lagged) else { return };
        let row = self.store.license(AccountId(1), license).ok().flatten();
        let is_its = row.is_some_and(|row| row.incarnation.is_some() && row.item == Some(known.id));
        let now = self.panel.service(known.id.0).map(|service| service.item.status);
        if is_its && now.is_some_and(|now| now != known.status) {
            let what = format!(
                "run {run}: {what} of license {license} for item {}: {:?}, now {now:?}",
                known.id, known.status
            );
            self.violation("S4", "acts on what the panel said before", what);
        }
    }

    /// The key of a license that gets an address is nobody else's: the client there would have what another one saw.
    /// He is the client of the service that our state holds the license for. The service that was read last may be
    /// another one, for example the closed original of a copied service.
    fn check_key(&mut self, run: usize, license: LicenseId, edit: &Edit) {
        let row = self.store.license(AccountId(1), license).ok().flatten();
        let holder = row.filter(|row| row.incarnation.is_some()).and_then(|row| self.panel.service(row.item?.0));
        let served = holder.map(|service| &service.item).or(self.runs[run].last_item.as_ref());
        let Some(client) = served.map(|item| item.client.0) else { return };
        let moves = edit.ip.is_some_and(|ip| !ip.is_unspecified());
        let Some(key) = self.seller.get(license.0).filter(|_| moves).map(|lic| lic.key.clone()) else { return };
        if self.panel.shown_keys.iter().any(|(shown, to)| *shown == key && *to != client) {
            let what = format!("run {run}: license {license} for client {client} with the key {key} of another");
            self.violation("S3", "an address before a new key", what);
        }
    }

    fn send(&mut self, run: usize, intent: u32, request: OnceRequest) -> Outcome {
        self.call_begins(run);
        self.runs[run].requests += 1;
        self.check_paid(run, &request);
        if let Some(license) = request.license() {
            self.check_own(run, license, request.kind());
            self.check_looked(run, license, request.kind(), true);
        }
        self.sends += 1;
        let (item, payment) = match self.runs[run].job {
            Job::Item { item, op, .. } => (Some(item), op.map(|op| self.panel.ops[op].payment)),
            _ => {
                let read = self.runs[run].last_item.as_ref().map(|item| item.id.0);
                // A module's order reads its parent last.
                let item = match &request {
                    OnceRequest::Order(order) => mark_item(order).or(read),
                    _ => read,
                };
                // A server is paid for as long as it lives: nobody makes operations for its license.
                let incarnations = item
                    .and_then(|item| self.panel.service(item))
                    .map(|service| SERVER_PAYMENTS + service.incarnations);
                (item, incarnations)
            }
        };
        let tag = Tag { run, send: self.sends, intent, item, payment, sent_ms: self.now_ms };
        let step = send_step(&request);
        let fault = self.ask(run, Class::Once(matches!(request, OnceRequest::Order(_))), step);
        self.say(|_| format!("run {run} sends {request:?}"));
        self.runs[run].refused_but_done |= fault == Some(Fault::RefusedButDone);
        let outcome = self.deliver(request, tag, fault);
        self.say(|_| format!("run {run} gets {outcome:?}"));
        outcome
    }

    fn deliver(&mut self, request: OnceRequest, tag: Tag, fault: Option<Fault>) -> Outcome {
        use Fault as F;
        let lost = || Outcome::Unknown("sim: no answer".to_owned());
        match fault {
            Some(F::NotSent) => return Outcome::NotSent("sim: no connection".to_owned()),
            Some(F::LostBefore) => return lost(),
            Some(F::SaidDone) => return Outcome::Done(said_done(&request)),
            Some(F::Refused) => return Outcome::Refused(refusal(RefusalKind::Other, "sim: not now")),
            Some(F::Late(delay)) => {
                let due_ms = self.now_ms + delay * 1000;
                self.pending.push(Pending { due_ms, effect: Effect::Once { request, tag, doubled: false } });
                return lost();
            }
            Some(F::NoMoney) => self.seller.balance = self.seller.balance.min(0),
            _ => {}
        }
        let stale = request.license().and_then(|id| self.seller.get(id.0).cloned());
        let unpaid = matches!(fault, Some(F::Unpaid | F::UnpaidLost));
        let how = self.arrival(tag, false, unpaid);
        let result = self.seller.once(&request, &how);
        match fault {
            Some(F::Doubled) => {
                let again = self.arrival(tag, true, false);
                let _ = self.seller.once(&request, &again);
            }
            Some(F::DoubledLate(delay)) => {
                let due_ms = self.now_ms + delay * 1000;
                let effect = Effect::Once { request: request.clone(), tag, doubled: true };
                self.pending.push(Pending { due_ms, effect });
            }
            Some(F::NotReadable(delay)) => {
                let until = self.now_ms + delay * 1000;
                match (&result, stale) {
                    (Ok(OnceAnswer::Ordered(Some(id))), _) => {
                        if let Some(lic) = self.seller.get_mut(id.0) {
                            lic.hidden_until_ms = until;
                        }
                    }
                    (Ok(_), Some(before)) => {
                        if let Some(lic) = self.seller.get_mut(before.id) {
                            lic.stale_until_ms = until;
                            lic.before = Some(Box::new(before));
                        }
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        match (fault, result) {
            (Some(F::LostAfter | F::UnpaidLost), _) => lost(),
            (Some(F::Garbled), _) => Outcome::Unknown("sim: cut off".to_owned()),
            (Some(F::RefusedButDone), _) => {
                // One look decides after a refusal (docs/money-safety.md 2), so what it shows is not late as well.
                if let Some(lic) = request.license().and_then(|id| self.seller.get_mut(id.0)) {
                    lic.stale_until_ms = 0;
                }
                Outcome::Refused(refusal(RefusalKind::Other, "sim: a refusal that was none"))
            }
            (Some(F::EmptyAnswer), Ok(_)) => Outcome::Done(OnceAnswer::Ordered(None)),
            (Some(F::WrongAnswer), Ok(_)) => {
                let other = self.seller.licenses.iter().map(|lic| lic.id).min().unwrap_or(1);
                Outcome::Done(OnceAnswer::Ordered(Some(LicenseId(other))))
            }
            (_, Ok(answer)) => Outcome::Done(answer),
            (_, Err(words)) => Outcome::Refused(words),
        }
    }

    fn change(&mut self, run: usize, license: LicenseId, change: &Repeatable) -> Result<(), CallError> {
        use Fault as F;
        self.call_begins(run);
        self.runs[run].requests += 1;
        let step = match change {
            Repeatable::Suspend => "send suspend",
            Repeatable::Resume => "send resume",
            Repeatable::Edit(_) => "send edit",
        };
        self.check_own(run, license, step);
        self.check_looked(run, license, step, false);
        if let Repeatable::Edit(edit) = change {
            self.check_key(run, license, edit);
        }
        let fault = self.ask(run, Class::Change, step);
        self.say(|_| format!("run {run} changes {license}: {change:?}"));
        let result = match fault {
            Some(F::NotSent) => Err(unreachable()),
            Some(F::Refused) => Err(CallError::Refused(refusal(RefusalKind::Other, "sim: not now"))),
            Some(F::Late(delay)) => {
                let effect = Effect::Change { license: license.0, change: change.clone() };
                self.pending.push(Pending { due_ms: self.now_ms + delay * 1000, effect });
                Err(unreachable())
            }
            _ => {
                let before = self.seller.get(license.0).cloned();
                let result = self.seller.change(license.0, change).map_err(CallError::Refused);
                if let (Some(F::NotReadable(delay)), Some(before), Ok(())) = (fault, before, &result) {
                    let until = self.now_ms + delay * 1000;
                    if let Some(lic) = self.seller.get_mut(license.0) {
                        lic.stale_until_ms = until;
                        lic.before = Some(Box::new(before));
                    }
                }
                match fault {
                    Some(F::LostAfter) => Err(unreachable()),
                    Some(F::RefusedButDone) => {
                        Err(CallError::Refused(refusal(RefusalKind::Other, "sim: a refusal that was none")))
                    }
                    _ => result,
                }
            }
        };
        self.say(|_| format!("run {run} gets {result:?}"));
        result
    }

    fn read(&mut self, run: usize, license: LicenseId) -> Result<License, CallError> {
        use Fault as F;
        self.call_begins(run);
        self.runs[run].requests += 1;
        let fault = self.ask(run, Class::Read, "read license");
        let (now, gone) = (self.now_ms, || CallError::Refused(refusal(RefusalKind::NotFound, "no such license")));
        let fresh = self.seller.view(license.0, now);
        let result = match fault {
            _ if self.seller.broken.contains(&license.0) => Err(CallError::BadAnswer(Text::same("sim: status 500"))),
            Some(F::NotSent) => Err(unreachable()),
            Some(F::Garbled) => Err(garbled()),
            Some(F::Refused) => Err(CallError::Refused(refusal(RefusalKind::Other, "sim: not now"))),
            Some(F::NotFound) => match self.seller.get_mut(license.0) {
                // A seller that denies a license again and again is believed in the end: once is what is promised.
                Some(lic) if !lic.denied => {
                    lic.denied = true;
                    Err(gone())
                }
                _ => fresh.ok_or_else(gone),
            },
            Some(F::Another) => {
                let other = self
                    .seller
                    .licenses
                    .iter()
                    .find(|lic| lic.id != license.0 && !self.seller.broken.contains(&lic.id));
                other.map(|lic| self.seller.shown(lic, now)).or(fresh).ok_or_else(gone)
            }
            Some(F::Stale) if !self.runs[run].refused_but_done => {
                let before = self.seller.get(license.0).and_then(|lic| lic.before.as_deref());
                before.map(|lic| self.seller.shown(lic, now)).or(fresh).ok_or_else(gone)
            }
            _ => fresh.ok_or_else(gone),
        };
        self.say(|_| format!("run {run} reads {license}: {}", brief(&result)));
        match &result {
            Ok(seen) if seen.id == license => self.runs[run].answers.push((license.0, Some(seen.clone()))),
            Err(CallError::Refused(refusal)) if refusal.kind == RefusalKind::NotFound => {
                self.runs[run].answers.push((license.0, None));
            }
            _ => {}
        }
        result
    }

    fn page(&mut self, run: usize, family: Family, number: u32) -> Result<Page, CallError> {
        use Fault as F;
        self.call_begins(run);
        self.runs[run].requests += 1;
        let fault = self.ask(run, Class::List, "read list");
        match fault {
            Some(F::NotSent) => return Err(unreachable()),
            Some(F::Garbled) => return Err(garbled()),
            Some(F::Refused) => return Err(CallError::Refused(refusal(RefusalKind::Other, "sim: not now"))),
            _ => {}
        }
        let ids = self.seller.listed(family, self.now_ms);
        let mut total = u32::try_from(ids.len()).ok();
        let size = self.seller.habits.page_rows;
        let from = usize::try_from((number - 1) * size).unwrap_or(0);
        let page = ids.iter().skip(from).take(usize::try_from(size).unwrap_or(0));
        let mut rows: Vec<License> =
            page.filter_map(|id| self.seller.get(*id)).map(|lic| self.seller.row(lic, self.now_ms)).collect();
        match fault {
            Some(F::ListLags) if !self.runs[run].refused_but_done => {
                let left_out = u32::from(rows.pop().is_some());
                total = total.map(|total| total - left_out);
                self.list_lagged_ms = Some(self.now_ms);
            }
            Some(F::ListShort) => drop(rows.pop()),
            Some(F::ListTwice) => {
                if let Some(last) = rows.first().cloned() {
                    rows.pop();
                    rows.push(last);
                }
            }
            Some(F::ListNoTotal) => total = None,
            _ => {}
        }
        self.say(|_| {
            let ids: Vec<u32> = rows.iter().map(|row| row.id.0).collect();
            format!("run {run} lists {} page {number}: {ids:?} of {total:?}", family.func())
        });
        Ok(Page { rows, total })
    }

    fn probe(&mut self, run: usize, step: &'static str) -> Result<(), CallError> {
        self.call_begins(run);
        self.runs[run].requests += 1;
        match self.ask(run, Class::Probe, step) {
            Some(Fault::NotSent) => Err(unreachable()),
            Some(Fault::Garbled) => Err(garbled()),
            Some(Fault::Refused) => Err(CallError::Refused(refusal(RefusalKind::Other, "sim: not now"))),
            _ => Ok(()),
        }
    }
}

fn mark_item(order: &pmisplicense::model::journal::OrderRequest) -> Option<u32> {
    match &order.mark {
        Mark::Order { item, .. } => Some(item.0),
        Mark::Pool { .. } => None,
    }
}

/// A read license in few words.
fn brief(result: &Result<License, CallError>) -> String {
    match result {
        Ok(seen) => format!(
            "{} {:?} {:?} ip {:?} expires {:?} key {:?} mark {:?} tariff {:?}",
            seen.id,
            seen.name,
            seen.status,
            seen.ip,
            seen.expires,
            seen.key.as_ref().map(|key| key.reveal().to_owned()),
            seen.remoteid,
            seen.tariff
        ),
        Err(error) => format!("{error:?}"),
    }
}

impl Upstream for Wire {
    fn send_once(&mut self, recorded: RecordedIntent) -> Outcome {
        self.world.borrow_mut().send(self.run, recorded.intent().id.0, recorded.request().clone())
    }

    fn change(&mut self, _: Family, license: LicenseId, change: &Repeatable) -> Result<(), CallError> {
        self.world.borrow_mut().change(self.run, license, change)
    }

    fn license(&mut self, _: Family, license: LicenseId) -> Result<License, CallError> {
        self.world.borrow_mut().read(self.run, license)
    }

    fn page(&mut self, family: Family, number: u32) -> Result<Page, CallError> {
        self.world.borrow_mut().page(self.run, family, number)
    }

    fn check_ip(&mut self, pricelist: UpstreamPricelistId, _: Period, ip: std::net::IpAddr) -> Result<(), CallError> {
        let mut world = self.world.borrow_mut();
        world.probe(self.run, "check ip")?;
        world.seller.check_ip(pricelist.0, ip).map_err(CallError::Refused)
    }

    fn whoami(&mut self) -> Result<String, CallError> {
        self.world.borrow_mut().probe(self.run, "whoami").map(|()| "sim".to_owned())
    }

    fn balance(&mut self) -> Result<Money, CallError> {
        let mut world = self.world.borrow_mut();
        world.probe(self.run, "ask balance")?;
        Ok(Money { minor: world.seller.balance, currency: "EUR".to_owned() })
    }

    fn server_date(&self) -> Option<DateTime<Utc>> {
        Some(moment(self.world.borrow().now_ms))
    }
}
