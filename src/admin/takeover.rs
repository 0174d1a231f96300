//! take-over: licenses that others ordered for services of this panel. The list comes first. After a question the
//! licenses are bound. After a second question they get our mark, and their automatic renewal is switched off. The list
//! is made by `panel` in this file, or in the file `whmcs.rs`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::list::status_words;
use super::progress::Bar;
use super::show::our_modules;
use super::table::{Giving, fitting, wrapped};
use super::{Answer, Desk, dash};
use crate::cli::Taking;
use crate::engine::{Candidate, Marking, Taken, run_to_end};
use crate::error::{ErrorKind, Lang, Message, ModuleError, Text, counted};
use crate::model::ids::ModuleId;
use crate::plan::takeover::{Evidence, Verdict, WhyLeft};
use crate::session::servers::served_by;
use crate::session::{module, with_engine};
use crate::text;

/// Columns that a narrow terminal can do without: status, expiry, product.
const GIVING: Giving<'_> = Giving { soft: &[7], spare: &[5, 4, 2] };

/// What happened to a license.
pub(super) enum Outcome {
    /// It was only listed.
    Named,
    /// It was bound, or also marked.
    Done(Taken),
    /// It was left alone.
    Left(WhyLeft, Text),
    /// Taking it over failed.
    Failed(Text),
}

/// A license of the list.
pub(super) struct Line {
    pub(super) candidate: Candidate,
    pub(super) outcome: Outcome,
}

impl Line {
    pub(super) fn new(candidate: Candidate) -> Self {
        let outcome = match &candidate.verdict {
            Verdict::Leave(left, why) => Outcome::Left(*left, why.clone()),
            Verdict::Bind | Verdict::Mark | Verdict::Done => Outcome::Named,
        };
        Self { candidate, outcome }
    }

    fn is_open(&self, verdict: &Verdict) -> bool {
        matches!(self.outcome, Outcome::Named) && self.candidate.verdict == *verdict
    }

    fn is_asked_for(&self, marking: Marking) -> bool {
        match &self.candidate.verdict {
            Verdict::Bind => matches!(self.outcome, Outcome::Named),
            Verdict::Mark => marking == Marking::Mark,
            Verdict::Done | Verdict::Leave(..) => false,
        }
    }

    /// Whether its address is the only evidence.
    fn only_by_address(&self) -> bool {
        self.candidate.by == BTreeSet::from([Evidence::Address])
    }
}

/// The list, and the failures because of which a part of it is missing.
pub(super) struct List {
    pub(super) command: &'static str,
    /// The whole command that binds them, as it can be pasted.
    pub(super) again: String,
    pub(super) lines: Vec<Line>,
    pub(super) error: Option<ModuleError>,
}

/// The modules of ours whose accounts are read: the named one, else all that are in use.
pub(super) fn chosen(desk: &mut Desk<'_>, only: Option<ModuleId>) -> Result<Vec<ModuleId>, ModuleError> {
    match only {
        Some(id) => {
            let all = desk.ctx.data.billdb()?.modules().map_err(crate::context::database_error)?;
            Ok(vec![module::ours(&all, id)?.id])
        }
        None => our_modules(desk),
    }
}

/// The option `--module` for a command that is shown, if the operator gave that option.
pub(super) fn module_option(taking: &Taking) -> String {
    taking.module.map_or_else(String::new, |module| format!(" --module {module}"))
}

/// `take-over panel`
///
/// # Errors
/// Any error that prevents the list or the question. The failure of a single license is part of the answer.
pub fn panel(desk: &mut Desk<'_>, taking: &Taking) -> Result<Answer, ModuleError> {
    let again = format!("pmisplicense take-over panel{} --apply", module_option(taking));
    let mut list = List { command: "take-over panel", again, lines: Vec::new(), error: None };
    for module in chosen(desk, taking.module)? {
        match survey(desk, module) {
            Ok(found) => list.lines.extend(found.into_iter().map(Line::new)),
            Err(error) => list.failed(desk, module, error),
        }
    }
    list.drop_other_modules();
    list.finish(desk, taking)
}

fn survey(desk: &mut Desk<'_>, module: ModuleId) -> Result<Vec<Candidate>, ModuleError> {
    let servers = served_by(desk.ctx, module)?;
    let lang = desk.ctx.lang;
    let bar = Bar(desk.live);
    let tell = &mut *desk.tell;
    let found = with_engine(desk.ctx, module, |engine| {
        run_to_end(engine.panel_candidates(&servers, &mut |count, total| {
            let words = text!("module {module}: found", "модуль {module}: найдено");
            bar.draw(tell, words.in_lang(lang), count, total);
        }))
    })?;
    bar.clear(desk.tell);
    Ok(found)
}

impl List {
    /// Notes a module whose account could not be read. The others are shown anyway.
    pub(super) fn failed(&mut self, desk: &Desk<'_>, module: ModuleId, error: ModuleError) {
        desk.ctx.log.error(&format!("{} of module {module}: {error}", self.command));
        self.error = self.error.take().or(Some(error));
    }

    /// Two modules with one account see the same licenses. The line of the service's own module is kept.
    fn drop_other_modules(&mut self) {
        let key = |line: &Line| (line.candidate.account, line.candidate.id);
        let other = |line: &Line| matches!(line.outcome, Outcome::Left(WhyLeft::OtherModule, _));
        let judged: BTreeSet<_> = self.lines.iter().filter(|line| !other(line)).map(key).collect();
        self.lines.retain(|line| !other(line) || !judged.contains(&key(line)));
    }

    fn count(&self, verdict: &Verdict) -> usize {
        self.lines.iter().filter(|line| line.is_open(verdict)).count()
    }

    /// Shows the list. With --apply asks, and carries it out.
    ///
    /// # Errors
    /// The list could not be made at all, there is no terminal to ask on, or the answer is no.
    pub(super) fn finish(mut self, desk: &mut Desk<'_>, taking: &Taking) -> Result<Answer, ModuleError> {
        if self.lines.is_empty()
            && let Some(error) = self.error.take()
        {
            return Err(error);
        }
        let (bind, mark) = (self.count(&Verdict::Bind), self.count(&Verdict::Mark));
        if taking.apply && bind + mark > 0 {
            let marking = self.ask(desk, taking, bind, mark)?;
            self.carry_out(desk, marking);
        }
        Ok(self.answer(desk, taking.apply))
    }

    /// Shows the list and asks both questions.
    fn ask(&self, desk: &mut Desk<'_>, taking: &Taking, bind: usize, mark: usize) -> Result<Marking, ModuleError> {
        let shown = self.page(desk);
        (desk.tell)(&shown);
        if bind > 0 {
            let plan = text!(
                ["To be bound to the services that they are for: {}, for good", counted(bind, "license")],
                ["к своим услугам будут навсегда привязаны лицензии: {bind}"]
            );
            desk.confirm(&plan, taking.yes)?;
        }
        if taking.mark {
            if bind == 0 {
                let plan = text!(
                    ["To be marked as ours, with automatic renewal switched off: {}", counted(mark, "license")],
                    ["получат нашу метку и лишатся автопродления лицензии: {mark}"]
                );
                desk.confirm(&plan, taking.yes)?;
            }
            return Ok(Marking::Mark);
        }
        let renewing = self.lines.iter().filter(|line| line.is_open(&Verdict::Bind) && line.candidate.renews_itself());
        let (all, renewing) = (bind + mark, renewing.count());
        let question = text!(
            [
                "Licenses that renew themselves, and are bound only if you agree: {renewing}. Mark {} as ours, and switch the automatic renewal off",
                counted(all, "license")
            ],
            [
                "Лицензий, которые продлеваются сами и привязываются только с вашего согласия: {renewing}. Пометить все ({all}) как наши и отключить их автопродление"
            ]
        );
        Ok(if !taking.yes && desk.agrees(&question) { Marking::Mark } else { Marking::Leave })
    }

    /// Carries the list out. When a module cannot be used, the licenses of the others are bound anyway, and the answer
    /// shows what was bound.
    fn carry_out(&mut self, desk: &mut Desk<'_>, marking: Marking) {
        let modules: BTreeSet<ModuleId> = self.lines.iter().map(|line| line.candidate.module).collect();
        let total = self.lines.iter().filter(|line| line.is_asked_for(marking)).count();
        let mut number = 0;
        for module in modules {
            if let Err(error) = self.carry_out_of(desk, module, marking, (&mut number, total)) {
                self.failed(desk, module, error);
            }
        }
    }

    fn carry_out_of(
        &mut self,
        desk: &mut Desk<'_>,
        module: ModuleId,
        marking: Marking,
        (number, total): (&mut usize, usize),
    ) -> Result<(), ModuleError> {
        let servers = served_by(desk.ctx, module)?;
        let (lang, tell) = (desk.ctx.lang, &mut *desk.tell);
        let mine = self.lines.iter_mut().filter(|line| line.candidate.module == module && line.is_asked_for(marking));
        with_engine(desk.ctx, module, |engine| {
            for line in mine {
                *number += 1;
                tell(&format!("{number}/{total} {}\n", line.candidate.id));
                line.outcome = match run_to_end(engine.take_over(&line.candidate, &servers, marking)) {
                    Ok(Some(Taken::Left(left, why))) => Outcome::Left(left, why),
                    Ok(Some(done)) => Outcome::Done(done),
                    Ok(None) => Outcome::Named,
                    Err(error) => Outcome::Failed(*error.message),
                };
                if let Outcome::Failed(why) = &line.outcome {
                    tell(&format!("! {}\n", why.in_lang(lang)));
                }
            }
            Ok(())
        })
    }

    /// A license whose only evidence is its address is bound only when the operator agrees. `agreed`: --by-address.
    ///
    /// # Errors
    /// None: without a terminal these licenses are left alone.
    pub(super) fn ask_addresses(&mut self, desk: &mut Desk<'_>, taking: &Taking, agreed: bool) {
        let by_address = |line: &Line| line.is_open(&Verdict::Bind) && line.only_by_address();
        let count = self.lines.iter().filter(|line| by_address(line)).count();
        if agreed || count == 0 || !taking.apply {
            return;
        }
        let shown = self.page(desk);
        (desk.tell)(&shown);
        let question = text!(
            "Licenses that are known by nothing but their address: {count}. Bind these too",
            "Лицензий, известных только по адресу: {count}. Привязать и их"
        );
        if !taking.yes && desk.agrees(&question) {
            return;
        }
        let why = text!(
            "known by its address alone: bound only together with --by-address",
            "известна только по адресу: привязывается только вместе с --by-address"
        );
        for line in self.lines.iter_mut().filter(|line| by_address(line)) {
            line.outcome = Outcome::Left(WhyLeft::Unsure, why.clone());
        }
    }

    fn page(&self, desk: &Desk<'_>) -> String {
        let lang = desk.ctx.lang;
        let head = text!(
            "ITEM|LICENSE|PRODUCT|IP|EXPIRES|STATUS|KNOWN BY|WHAT",
            "УСЛУГА|ЛИЦЕНЗИЯ|ПРОДУКТ|IP|СРОК|СОСТОЯНИЕ|ИЗВЕСТНА ПО|ЧТО"
        );
        let head: Vec<&str> = desk.say(&head).split('|').collect();
        let cells: Vec<Vec<String>> = self.lines.iter().map(|line| line.cells(lang)).collect();
        let mut text = if cells.is_empty() { String::new() } else { fitting(&head, &cells, desk.width, GIVING) };
        for line in &self.lines {
            let (sign, why) = match &line.outcome {
                Outcome::Named | Outcome::Done(_) => continue,
                Outcome::Left(_, why) => ('-', why),
                Outcome::Failed(why) => ('!', why),
            };
            let words = format!("{}: {}", line.candidate.id, why.in_lang(lang));
            text.push_str(&format!("{sign} {}\n", wrapped(&words, desk.width, 2)));
        }
        text
    }

    fn answer(&self, desk: &Desk<'_>, applied: bool) -> Answer {
        let (bind, mark) = (self.count(&Verdict::Bind), self.count(&Verdict::Mark));
        let count = |is: fn(&Outcome) -> bool| self.lines.iter().filter(|line| is(&line.outcome)).count();
        let done = count(|outcome| matches!(outcome, Outcome::Done(_)));
        let left = count(|outcome| matches!(outcome, Outcome::Left(..)));
        let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
        let (command, again) = (self.command, &self.again);
        let sum = match (applied, bind + mark + left) {
            (false, 0) => text!("nothing to take over", "принимать нечего"),
            (false, _) => text!(
                "{bind} to bind, {mark} to mark, {left} left alone; to do it: {again}",
                "привязать: {bind}, пометить: {mark}, не трогать: {left}; выполнить: {again}"
            ),
            // The module of these licenses could not be used.
            (true, _) if bind > 0 => text!(
                "{done} done, {bind} not bound, {mark} not marked, {left} left alone, {failed} failed; the rest again: {again}",
                "выполнено: {done}, не привязано: {bind}, без метки: {mark}, не тронуто: {left}, не удалось: {failed}; остальное снова: {again}"
            ),
            (true, _) => text!(
                "{done} done, {mark} not marked, {left} left alone, {failed} failed",
                "выполнено: {done}, без метки: {mark}, не тронуто: {left}, не удалось: {failed}"
            ),
        };
        let mut text = self.page(desk);
        if let Some(error) = &self.error {
            let words = wrapped(desk.say(&error.message), desk.width, 2);
            text.push_str(&format!("! {words}\n"));
        }
        text.push_str(&format!("{}\n", wrapped(desk.say(&sum), desk.width, 2)));
        let licenses: Vec<Value> = self.lines.iter().map(|line| line.json(desk.ctx.lang)).collect();
        let json = json!({
            "licenses": licenses,
            "counts": { "bind": bind, "mark": mark, "done": done, "left": left, "failed": failed },
            "error": self.error.as_ref().map(|error| desk.say(&error.message)),
        });
        // A license that could not be read may belong to any service, so the run ends with 1.
        let unread = count(|outcome| matches!(outcome, Outcome::Left(WhyLeft::Unreadable, _)));
        let code = u8::from(failed > 0 || unread > 0 || self.error.is_some());
        Answer::new(command, text, json).with_code(code)
    }
}

/// Evidence for people: what shows that a license is a service's.
fn evidence_words(by: Evidence) -> Text {
    match by {
        Evidence::Map => text!("map", "таблица"),
        Evidence::Licid => text!("licid", "licid"),
        Evidence::RemoteId => text!("remoteid", "remoteid"),
        Evidence::Name => text!("name", "имя"),
        Evidence::Address => text!("address", "IP"),
    }
}

impl Line {
    fn known_by(&self) -> Vec<&'static str> {
        self.candidate.by.iter().map(|by| by.word()).collect()
    }

    /// The stable word for what would be done, or was done.
    fn what(&self) -> &'static str {
        match (&self.outcome, &self.candidate.verdict) {
            (Outcome::Named, Verdict::Bind) => "bind",
            (Outcome::Named, Verdict::Mark) => "mark",
            (Outcome::Named, Verdict::Done | Verdict::Leave(..)) => "done",
            (Outcome::Done(Taken::Marked), _) => "marked",
            (Outcome::Done(Taken::Bound | Taken::Left(..)), _) => "bound",
            (Outcome::Left(left, _), _) => left.word(),
            (Outcome::Failed(_), _) => "failed",
        }
    }

    /// What would be done, or was done, for people.
    fn what_words(&self) -> Text {
        match (&self.outcome, &self.candidate.verdict) {
            (Outcome::Named, Verdict::Bind) => text!("bind", "привязать"),
            (Outcome::Named, Verdict::Mark) => text!("mark", "пометить"),
            (Outcome::Named, Verdict::Done | Verdict::Leave(..)) => text!("done", "готово"),
            (Outcome::Done(Taken::Marked), _) => text!("marked", "помечена"),
            (Outcome::Done(Taken::Bound | Taken::Left(..)), _) => text!("bound", "привязана"),
            (Outcome::Left(..), _) => text!("left alone", "не тронута"),
            (Outcome::Failed(_), _) => text!("failed", "не удалось"),
        }
    }

    fn cells(&self, lang: Lang) -> Vec<String> {
        let license = self.candidate.license.as_ref();
        let known_by = self.candidate.by.iter().map(|by| evidence_words(*by));
        vec![
            dash(self.candidate.item),
            self.candidate.id.to_string(),
            self.candidate.product.clone(),
            dash(license.and_then(|license| license.ip)),
            dash(license.map(|license| license.expires)),
            license.map_or_else(|| "-".to_owned(), |license| status_words(license.status).in_lang(lang).to_owned()),
            known_by.map(|words| words.in_lang(lang).to_owned()).collect::<Vec<_>>().join(", "),
            self.what_words().in_lang(lang).to_owned(),
        ]
    }

    fn json(&self, lang: Lang) -> Value {
        let license = self.candidate.license.as_ref();
        let (outcome, why) = match &self.outcome {
            Outcome::Named => ("named", None),
            Outcome::Done(_) => ("done", None),
            Outcome::Left(_, why) => ("left", Some(why.in_lang(lang))),
            Outcome::Failed(why) => ("failed", Some(why.in_lang(lang))),
        };
        json!({
            "item": self.candidate.item.map(|item| item.0),
            "license": self.candidate.id.0,
            "module": self.candidate.module.0,
            "product": self.candidate.product,
            "name": license.and_then(|license| license.name.as_ref()),
            "ip": license.and_then(|license| license.ip),
            "expires": license.map(|license| license.expires),
            "status": license.map(|license| license.status.number()),
            "renews_itself": self.candidate.renews_itself(),
            "known_by": self.known_by(),
            "what": self.what(),
            "outcome": outcome,
            "why": why,
        })
    }
}

/// A refusal before anything was done.
pub(super) fn refused(object: &str, value: impl std::fmt::Display, words: impl Into<Message>) -> ModuleError {
    ModuleError::new(ErrorKind::BadValue, object, value, words)
}
