//! Faults of the seller, set for a func and a call. A fault has two halves: its effect on the change, and its effect on
//! the answer. So any pair can be had; the named faults are the pairs of docs/testing.md 3.
use std::collections::HashMap;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    Normal,
    /// The request is thrown away.
    Nothing,
    /// Accepted, carried out after so many milliseconds, or (None) when `land_late()` is called.
    Late(Option<u64>),
    /// Carried out twice, as behind a proxy that repeats; the first answer is given.
    Twice,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Normal,
    /// The connection is closed without a byte.
    Drop,
    /// A refusal: a name of `refusals::TABLE`, or any type.
    Refused(String),
    /// This HTTP status and body; Some address makes it a redirect.
    Status(u16, String, Option<String>),
    /// Status 200 with this body instead of the right one.
    Body(Vec<u8>),
    /// The right body, cut in the middle, with a Content-Length that fits the rest.
    Truncated,
    /// The right Content-Length, but the connection is closed half way.
    CutShort,
    /// A well-formed document with so many bytes of padding, streamed.
    Oversized(u64),
    /// The answer that the previous request got (of whichever func).
    OfAnother,
    /// The right answer, given without Content-Length until the connection closes.
    Unsized,
    /// The right answer with something in it worded otherwise.
    Reworded(Rewording),
}

/// Makes another text of an answer.
#[derive(Clone, Copy)]
pub struct Rewording(pub fn(&str) -> String);

impl std::fmt::Debug for Rewording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rewording")
    }
}

impl PartialEq for Rewording {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::fn_addr_eq(self.0, other.0)
    }
}

impl Eq for Rewording {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Next,
    /// The nth call of that func since the server started, from 1.
    Nth(u64),
    /// So many calls from now on.
    Times(u64),
    Always,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A func; `soft.edit?newkey`, `soft.edit?set`, `soft.edit?read` tell its three uses apart; `*` is any.
    pub func: String,
    /// Only for this license (elid); `None`: for any.
    pub license: Option<u64>,
    pub when: When,
    pub name: String,
    pub effect: Effect,
    pub answer: Answer,
    /// Waiting before and after the effect, milliseconds.
    pub before_ms: u64,
    pub after_ms: u64,
    /// A bought license stays in status 1, unpaid.
    pub unpaid: bool,
    /// The key appears after so many reads (u32::MAX: only by `issue_keys()`).
    pub key_after: Option<u32>,
    /// So many reads do not see the purchase or the change yet.
    pub unseen_reads: u32,
    /// The Date header is wrong by so many seconds.
    pub skew_s: i64,
    /// After this request and before its answer the server stops listening for so long (0: until told).
    pub then_refuse_ms: Option<u64>,
}

impl Fault {
    pub fn on(func: &str) -> Self {
        Self {
            func: func.into(),
            license: None,
            when: When::Next,
            name: "none".into(),
            effect: Effect::Normal,
            answer: Answer::Normal,
            before_ms: 0,
            after_ms: 0,
            unpaid: false,
            key_after: None,
            unseen_reads: 0,
            skew_s: 0,
            then_refuse_ms: None,
        }
    }

    pub fn of(mut self, license: u64) -> Self {
        self.license = Some(license);
        self
    }

    pub fn nth(mut self, n: u64) -> Self {
        self.when = When::Nth(n);
        self
    }

    pub fn times(mut self, n: u64) -> Self {
        self.when = When::Times(n);
        self
    }

    pub fn always(mut self) -> Self {
        self.when = When::Always;
        self
    }

    fn named(mut self, name: &str, effect: Effect, answer: Answer) -> Self {
        (self.name, self.effect, self.answer) = (name.into(), effect, answer);
        self
    }

    pub fn drop_before(self) -> Self {
        self.named("drop_before", Effect::Nothing, Answer::Drop)
    }

    /// The lost answer.
    pub fn drop_after(self) -> Self {
        self.named("drop_after", Effect::Normal, Answer::Drop)
    }

    pub fn late_ms(self, ms: u64) -> Self {
        self.named("late", Effect::Late(Some(ms)), Answer::Drop)
    }

    /// Takes effect only when `Upstream::land_late()` is called.
    pub fn late(self) -> Self {
        self.named("late", Effect::Late(None), Answer::Drop)
    }

    pub fn doubled(self) -> Self {
        self.named("doubled", Effect::Twice, Answer::Normal)
    }

    pub fn refused(self, kind: &str) -> Self {
        self.named("refused", Effect::Nothing, Answer::Refused(kind.into()))
    }

    /// It says no although it did it.
    pub fn refused_after(self, kind: &str) -> Self {
        self.named("refused_after", Effect::Normal, Answer::Refused(kind.into()))
    }

    pub fn unpaid(mut self) -> Self {
        self.unpaid = true;
        self.named("unpaid", Effect::Normal, Answer::Normal)
    }

    /// HTTP status with an HTML page, after the effect. For "before" use `.without_effect()`.
    pub fn status(self, code: u16) -> Self {
        let body = format!("<html><body><h1>{code}</h1></body></html>");
        self.named(&format!("http_{code}"), Effect::Normal, Answer::Status(code, body, None))
    }

    pub fn redirect(self, to: &str) -> Self {
        self.named("redirect", Effect::Nothing, Answer::Status(302, String::new(), Some(to.into())))
    }

    pub fn html(self) -> Self {
        let page = "<!DOCTYPE html><html><head><title>Log in</title></head><body><br>Welcome</body></html>";
        self.named("html", Effect::Normal, Answer::Body(page.into()))
    }

    /// A form to be filled in, as after a password ran out, instead of the result.
    pub fn form(self) -> Self {
        let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<doc lang=\"en\" func=\"usrparam\">\
                    <metadata name=\"usrparam\" type=\"form\" mgr=\"billmgr\"/><passwd/><confirm/></doc>\n";
        self.named("form", Effect::Normal, Answer::Body(body.into()))
    }

    /// The right answer, as `words` puts it.
    pub fn reworded(self, words: fn(&str) -> String) -> Self {
        self.named("reworded", Effect::Normal, Answer::Reworded(Rewording(words)))
    }

    pub fn truncated(self) -> Self {
        self.named("truncated", Effect::Normal, Answer::Truncated)
    }

    pub fn cut_short(self) -> Self {
        self.named("cut_short", Effect::Normal, Answer::CutShort)
    }

    pub fn empty(self) -> Self {
        self.named("empty", Effect::Normal, Answer::Body(Vec::new()))
    }

    pub fn garbage(self) -> Self {
        let bytes = (0..512_u32).map(|i| u8::try_from((i * 167 + 13) % 256).unwrap()).collect();
        self.named("garbage", Effect::Normal, Answer::Body(bytes))
    }

    pub fn oversized(self, bytes: u64) -> Self {
        self.named("oversized", Effect::Normal, Answer::Oversized(bytes))
    }

    pub fn doctype(self) -> Self {
        let body =
            "<?xml version=\"1.0\"?><!DOCTYPE doc [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><doc><id>&x;</id></doc>";
        self.named("doctype", Effect::Normal, Answer::Body(body.into()))
    }

    pub fn entity_bomb(self) -> Self {
        let mut body = String::from("<?xml version=\"1.0\"?><!DOCTYPE doc [<!ENTITY a0 \"lol\">");
        for level in 1..10 {
            let below = format!("&a{};", level - 1).repeat(10);
            body.push_str(&format!("<!ENTITY a{level} \"{below}\">"));
        }
        body.push_str("]><doc><id>&a9;</id></doc>");
        self.named("entity_bomb", Effect::Normal, Answer::Body(body.into()))
    }

    pub fn answer_of_another(self) -> Self {
        self.named("answer_of_another", Effect::Normal, Answer::OfAnother)
    }

    /// Carried out at once, answered after so many milliseconds.
    pub fn slow(mut self, ms: u64) -> Self {
        self.after_ms = ms;
        self.named("slow", Effect::Normal, Answer::Normal)
    }

    /// Not carried out, nothing said for so long, then closed.
    pub fn hang(mut self, ms: u64) -> Self {
        self.after_ms = ms;
        self.named("hang", Effect::Nothing, Answer::Drop)
    }

    pub fn key_late(mut self, reads: u32) -> Self {
        self.key_after = Some(reads);
        self.named("key_late", Effect::Normal, Answer::Normal)
    }

    pub fn lag(mut self, reads: u32) -> Self {
        self.unseen_reads = reads;
        self.named("lag", Effect::Normal, Answer::Normal)
    }

    pub fn skewed(mut self, seconds: i64) -> Self {
        self.skew_s = seconds;
        self.named("skewed", Effect::Normal, Answer::Normal)
    }

    /// This call is answered, but the next ones find nobody listening (0: until `listen_again()`).
    pub fn then_refuse(mut self, ms: u64) -> Self {
        self.then_refuse_ms = Some(ms);
        self.named("then_refuse", Effect::Normal, Answer::Normal)
    }

    /// The same answer, but nothing was carried out.
    pub fn without_effect(mut self) -> Self {
        self.effect = Effect::Nothing;
        self.name.push_str("_before");
        self
    }

    /// The same answer, and the effect comes on `land_late()`.
    pub fn with_late_effect(mut self) -> Self {
        self.effect = Effect::Late(None);
        self.name.push_str("_late");
        self
    }

    /// The same effect, and this answer is lost as well.
    pub fn and_drop(mut self) -> Self {
        self.answer = Answer::Drop;
        self.name.push_str("_drop");
        self
    }

    /// Names understood by `by_name`, for those who want to try every fault.
    pub const NAMES: &'static [&'static str] = &[
        "drop_before",
        "drop_after",
        "late",
        "late_ms",
        "doubled",
        "doubled_drop",
        "refused",
        "refused_after",
        "unpaid",
        "unpaid_drop",
        "http_500",
        "http_502",
        "http_500_before",
        "http_503_before",
        "redirect",
        "html",
        "truncated",
        "cut_short",
        "empty",
        "form",
        "garbage",
        "oversized",
        "doctype",
        "entity_bomb",
        "answer_of_another",
        "slow",
        "hang",
        "key_late",
        "lag",
        "lag_drop",
        "skewed",
        "then_refuse",
    ];

    /// A fault by its name, with a number (milliseconds, reads, bytes, seconds) and a word (type, address) where one
    /// fits.
    pub fn by_name(func: &str, name: &str, n: Option<i64>, word: Option<&str>) -> Option<Self> {
        let f = Self::on(func);
        let ms = |default: i64| u64::try_from(n.unwrap_or(default)).unwrap_or(0);
        let reads = |default: i64| u32::try_from(n.unwrap_or(default)).unwrap_or(0);
        Some(match name {
            "drop_before" => f.drop_before(),
            "drop_after" | "lost" => f.drop_after(),
            "late" => f.late(),
            "late_ms" => f.late_ms(ms(1000)),
            "doubled" => f.doubled(),
            "doubled_drop" => f.doubled().and_drop(),
            "refused" => f.refused(word.unwrap_or("no_money")),
            "refused_after" => f.refused_after(word.unwrap_or("no_money")),
            "unpaid" => f.unpaid(),
            "unpaid_drop" => f.unpaid().and_drop(),
            "http_500" => f.status(500),
            "http_502" => f.status(502),
            "http_500_before" => f.status(500).without_effect(),
            "http_503_before" => f.status(503).without_effect(),
            "redirect" => f.redirect(word.unwrap_or("http://127.0.0.1:9/manager/billmgr")),
            "html" => f.html(),
            "truncated" => f.truncated(),
            "cut_short" => f.cut_short(),
            "empty" => f.empty(),
            "form" => f.form(),
            "garbage" => f.garbage(),
            "oversized" => f.oversized(ms(17 << 20)),
            "doctype" => f.doctype(),
            "entity_bomb" => f.entity_bomb(),
            "answer_of_another" => f.answer_of_another(),
            "slow" => f.slow(ms(500)),
            "hang" => f.hang(ms(60_000)),
            "key_late" => f.key_late(reads(2)),
            "lag" => f.lag(reads(2)),
            "lag_drop" => f.lag(reads(2)).and_drop(),
            "skewed" => f.skewed(n.unwrap_or(3 * 86_400)),
            "then_refuse" => f.then_refuse(ms(300)),
            _ => return None,
        })
    }
}

/// Counts a request that goes by these names and takes out the fault that meets it. `license` is the number that the
/// request is about.
pub fn take(
    faults: &mut Vec<Fault>,
    counts: &mut HashMap<String, u64>,
    names: &[String],
    license: &str,
) -> Option<Fault> {
    let mut distinct: Vec<&String> = names.iter().collect();
    distinct.dedup();
    for name in distinct {
        *counts.entry(name.clone()).or_default() += 1;
    }
    let due = |f: &Fault| match f.when {
        When::Nth(n) => counts.get(&f.func) == Some(&n),
        When::Next | When::Always => true,
        When::Times(n) => n > 0,
    };
    let meant = |f: &Fault| f.license.is_none_or(|meant| meant.to_string() == license);
    let at = faults.iter().position(|f| names.contains(&f.func) && meant(f) && due(f))?;
    let fault = faults[at].clone();
    match fault.when {
        When::Always => {}
        When::Times(n) if n > 1 => faults[at].when = When::Times(n - 1),
        When::Next | When::Nth(_) | When::Times(_) => drop(faults.remove(at)),
    }
    Some(fault)
}
