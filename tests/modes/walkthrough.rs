//! A walkthrough with some licenses: an order form that is checked, an order, a repeated one, a renewal, a suspension,
//! a change of name and tariff, an order whose answer is lost, a close, the same license for the next client, other
//! software, a take-over, an import, passes of sync. Whatever the neighbours' dialect, each step ends well and exactly
//! what was paid for is billed.
use crate::hurt::panel::Paid;
use crate::hurt::promises;
use crate::service::settle;
use crate::support::modes::{MODES, Mode};
use crate::support::upstream::dialect::{OrderApi, OrderNumber};
use crate::support::upstream::world::{ACTIVE, STOPPED};
use crate::support::upstream::{Fault, License};
use crate::support::{Output, Test};

/// Times that the panel tries a command: a lost answer is settled at the second.
const TRIES: usize = 4;

/// `&`, two blanks and more than 32 letters, so that sellers who keep names in their own way do so.
const NAME: &str = "Smith & Sons, web hosting for everybody";
const CLIENTS_NAME: &str = "Smith & Sons:  our second server";

/// The services of the walkthrough.
const FIRST: u32 = 41;
const LOST: u32 = 42;
const NEXT: u32 = 43;
const OTHER: u32 = 44;
const TAKEN: u32 = 45;

pub struct Walkthrough {
    test: Test,
    modes: String,
    /// The service that an import made, and its license.
    imported: (u32, u64),
}

impl Walkthrough {
    fn start(modes: &[&'static Mode]) -> Self {
        let test = Test::setup().modes(modes).start();
        test.settings("[upstream]\nsettle_s = 1\n");
        test.upstream.set_balance(1_000_000_000);
        Self { test, modes: named(modes), imported: (0, 0) }
    }

    /// A check of an order form: there is no service yet.
    fn check(&self, name: &str, value: &str) {
        let args = self.test.calls.args("check_param", None, None);
        let more = ["--param", name, "--value", value].map(str::to_owned);
        let output =
            self.test.program(args.iter().chain(&more)).stdin("<doc><item><pricelist>1</pricelist></item></doc>");
        self.ended(&output.run(), &format!("check_param {name}"));
    }

    fn ended(&self, output: &Output, step: &str) {
        assert_eq!(output.code, Some(0), "{}: {step}: {output:#?}", self.modes);
    }

    /// A command of the panel, tried until it ends; the panel waits longer than the settling time between two tries.
    fn does(&self, command: &str, item: u32) {
        let operation = match command {
            "prolong" => self.test.prolong_paid(item),
            _ => self.test.operation(item, command),
        };
        for _ in 1..TRIES {
            if self.test.cmd_op(command, item, operation).code == Some(0) {
                return;
            }
            settle(&self.test);
        }
        self.ended(&self.test.cmd_op(command, item, operation), &format!("{command} {item}"));
    }

    /// A command that an operator types.
    fn operator(&self, line: &str) {
        let output = self.test.program(line.split_whitespace()).env("LC_ALL", "C").run();
        self.ended(&output, line);
    }

    /// The license that a service shows, with the key that is valid at the seller. A late key comes with sync.
    fn license(&self, item: u32, step: &str) -> License {
        for _ in 0..2 {
            if self.test.item(item).param("lickey").is_empty() {
                self.does("sync_item", item);
            }
        }
        let shown = self.test.item(item);
        let number = shown.param("licid").parse::<u64>().unwrap_or(0);
        let found = self.test.upstream.licenses().into_iter().find(|license| license.id == number);
        let story = || format!("{}: {step}: service {item} shows {shown:#?}\n{}", self.modes, self.test.story());
        let license = found.unwrap_or_else(|| panic!("{}", story()));
        assert!(!license.key.is_empty() && license.key == shown.param("lickey"), "{license:#?}\n{}", story());
        assert_eq!(shown.status, 2, "{}", story());
        license
    }

    fn same<T: PartialEq + std::fmt::Debug>(&self, step: &str, have: T, want: T) {
        assert_eq!(have, want, "{}: {step}\n{}", self.modes, self.test.story());
    }

    fn code(&self, international: &'static str) -> u32 {
        self.test.code(international).parse().expect("a code")
    }

    /// The codes that can be resold, from which an administrator makes tariffs.
    fn codes(&self) {
        let args = ["--command", "import_pricelist", "--module", "7"];
        let output = self.test.run(args.iter().chain(self.test.calls.extra));
        self.ended(&output, "import_pricelist");
        for code in ["55227", "55228", "55229"] {
            self.same(code, output.stdout.contains(self.test.code(code)), true);
        }
    }

    /// An order that is repeated, a renewal, a suspension, changes.
    fn first_service(&self) {
        let t = &self.test;
        self.check("ip", "192.0.2.10");
        self.check("licname", "shop");
        let first = t.soft_item(FIRST, t.code("55227"), 12).ip("192.0.2.10");
        first.param("remoteip", "203.0.113.10").name(NAME).add();
        self.does("open", FIRST);
        // The look before the order. Only an answer without a number has to be searched for.
        let silent = t.upstream.with(|world| world.options.dialect.order_number == OrderNumber::Nowhere);
        let searched = t.upstream.requests_of("soft").len() > 1;
        self.same("the license was searched for", searched, silent);
        self.does("open", FIRST);
        let bought = self.license(FIRST, "open");
        self.same("the outward address", bought.remoteip.as_str(), "203.0.113.10");
        self.same("the order", (bought.pricelist, bought.period, bought.status), (self.code("55227"), 12, ACTIVE));
        self.does("prolong", FIRST);
        let renewed = self.license(FIRST, "prolong");
        let end = renewed.expires.map(|day| day.to_string());
        self.same("the renewal", (renewed.expires > bought.expires, end), (true, t.item(FIRST).expiredate));
        self.does("suspend", FIRST);
        self.same("suspended", t.upstream.license(bought.id).status, STOPPED);
        self.does("resume", FIRST);
        t.choose(FIRST, t.code("55228"));
        t.set_param(FIRST, "licname", CLIENTS_NAME);
        self.does("setparam", FIRST);
        let changed = self.license(FIRST, "setparam");
        self.same("the tariff", (changed.id, changed.pricelist), (bought.id, self.code("55228")));
        let name = t.upstream.with(|world| world.options.dialect.stored(CLIENTS_NAME));
        self.same("the name", changed.licname, name);
    }

    /// An order whose answer is lost: bought once, found again.
    fn lost_answer(&self) {
        let t = &self.test;
        t.soft_item(LOST, t.code("55229"), 1).ip("192.0.2.11").add();
        let func = if t.upstream.with(|w| w.options.dialect.order_api == OrderApi::New) { "v2." } else { "" };
        t.upstream.fault(Fault::on(&format!("{func}soft.order.param")).drop_after());
        self.does("open", LOST);
        self.same("the answer was lost", t.upstream.pending_faults(), 0);
        let found = self.license(LOST, "a lost answer");
        self.same("what was found", (found.pricelist, found.ip.as_str()), (self.code("55229"), "192.0.2.11"));
    }

    /// A yearly license is freed, and serves the next client with a new key.
    fn second_incarnation(&self) {
        let t = &self.test;
        let before = self.license(FIRST, "before the close");
        self.does("close", FIRST);
        let freed = t.upstream.license(before.id);
        self.same("freed", (freed.licname.as_str(), freed.ip.as_str(), freed.status), ("free.lic", "0.0.0.0", STOPPED));
        self.same("the outward address is cleared", freed.remoteip, String::new());
        t.upstream.age(before.id, 40);
        t.soft_item(NEXT, t.code("55228"), 12).ip("192.0.2.12").licname("next").add();
        self.does("open", NEXT);
        let again = self.license(NEXT, "from the pool");
        self.same("from the pool", (again.id, again.ip.as_str(), again.status), (before.id, "192.0.2.12", ACTIVE));
        self.same("a new key", again.key == before.key, false);
    }

    fn other_software(&self) {
        let t = &self.test;
        t.soft_item(OTHER, "9203", 1).ip("192.0.2.13").external().add();
        self.does("open", OTHER);
        self.same("other software", self.license(OTHER, "other software").pricelist, 9203);
        self.does("suspend", OTHER);
        self.does("resume", OTHER);
    }

    /// A license that the vendor's own module bought becomes ours, and a license that nobody has becomes a service.
    fn licenses_of_others(&mut self) {
        let (t, code) = (&self.test, self.code("55227"));
        let end = crate::service::day(20);
        t.soft_item(TAKEN, t.code("55227"), 1).ip("192.0.2.14").active_until(&end).add();
        let vendors = t.upstream.add_foreign(code, 1, "192.0.2.14", &format!("Item #{TAKEN} Service {TAKEN}"));
        t.upstream.edit_license(vendors, |license| license.remoteid = TAKEN.to_string());
        t.upstream.issue_keys();
        self.operator("take-over panel --apply --mark --yes");
        self.same("taken over", self.license(TAKEN, "take-over").id, vendors);
        t.tariff(t.code("55227"), 1);
        let nobodys = t.upstream.add_foreign(code, 12, "192.0.2.15", "somebody's");
        t.upstream.issue_keys();
        let number = nobodys.to_string();
        let args = ["--command", "import", "--module", "7", "--itemtype", "soft", "--param", &number];
        self.ended(&t.run(args.iter().chain(t.calls.extra)), "import");
        let sql = "SELECT item FROM itemparam WHERE intname = 'licid' AND value = ?";
        let services: Vec<u32> =
            t.db.rows(sql, (number,)).into_iter().flatten().flatten().flat_map(|id| id.parse()).collect();
        self.same("imported", services.len(), 1);
        self.same("imported", self.license(services[0], "import").id, nobodys);
        self.imported = (services[0], nobodys);
    }

    /// Sync passes change and buy nothing more, and nothing is left for an operator to look at.
    fn sync_passes(&self) {
        for number in 1..=2 {
            self.test.upstream.clear_requests();
            self.ended(&self.test.run(["--command", "sync"]), "sync");
            let reads = ["soft", "softexternal", "whoami", "subaccount"];
            let sent = self.test.upstream.funcs();
            let changes: Vec<&String> =
                sent.iter().filter(|func| !reads.contains(&func.as_str()) && !func.ends_with("?read")).collect();
            self.same(&format!("sync pass {number}"), changes, Vec::new());
        }
        self.operator("reconcile");
    }

    /// Exactly what was paid for.
    fn bill(&self) {
        let mut billed: Vec<String> = self.test.upstream.ledger().into_iter().map(|entry| entry.func).collect();
        billed.sort();
        let orders = ["service.changepricelist", "service.prolong", "soft.order.param", "soft.order.param"];
        let wanted: Vec<String> = orders.into_iter().chain(["softexternal.order.param"]).map(str::to_owned).collect();
        self.same("the bill", billed, wanted);
        let mut paid = Paid::default();
        paid.orders.extend([(FIRST, 1), (LOST, 1), (OTHER, 1)]);
        paid.others.extend([("service.prolong", 1), ("service.changepricelist", 1)]);
        // An import binds and leaves the mark alone.
        let (item, license) = self.imported;
        let unmarked = format!("item {item}, license {license}: mark is \"\"");
        let mut broken = promises::broken(&self.test, &paid);
        broken.retain(|text| !text.starts_with(&unmarked));
        self.same("the promises", broken, Vec::new());
    }
}

/// The names of modes in one word.
pub fn named(modes: &[&'static Mode]) -> String {
    let names: Vec<&str> = modes.iter().map(|mode| mode.name).collect();
    if names.is_empty() { "the usual world".to_owned() } else { names.join(",") }
}

/// Modes in which an operator must decide when they come together, so that the walkthrough cannot end by itself.
const FOR_AN_OPERATOR: &[(&str, &str)] = &[
    // Neither a number nor a mark says which license the order made.
    ("order-silent", "no-remoteid"),
    // The name carries the mark, and its end is cut off.
    ("no-remoteid", "names-cut"),
];

/// True if the walkthrough can end by itself in these modes.
pub fn ends_by_itself(modes: &[&'static Mode]) -> bool {
    let has = |name: &str| modes.iter().any(|mode| mode.name == name);
    !FOR_AN_OPERATOR.iter().any(|(one, other)| has(one) && has(other))
}

/// Every mode in which the walkthrough can be played.
pub fn all() -> Vec<&'static Mode> {
    MODES.iter().filter(|mode| !mode.shuts()).collect()
}

/// Plays it; panics, naming the modes, when a step does not end as it must.
pub fn play(modes: &[&'static Mode]) {
    let mut walkthrough = Walkthrough::start(modes);
    walkthrough.codes();
    walkthrough.first_service();
    walkthrough.lost_answer();
    walkthrough.second_incarnation();
    walkthrough.other_software();
    walkthrough.licenses_of_others();
    walkthrough.sync_passes();
    walkthrough.bill();
}
