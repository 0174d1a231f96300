//! `sandbox demo`: the life of some licenses, played with the real program and told step by step: the command, what
//! went to the seller, what was called in the panel. Every expectation is checked; one that fails makes the demo
//! fail.
use super::demo_more::{bundled_server, end_of_sale, yearly_by_the_month};
use super::demo_whmcs::whmcs_license;
use crate::support::modes::Mode;
use crate::support::upstream::{Fault, License};
use crate::support::{Output, Test, program_exe};

/// Times that the panel tries a command before the demo gives up.
const TRIES: usize = 3;

pub fn demo(modes: &[&'static Mode]) -> i32 {
    if !program_exe().is_file() {
        println!("There is no program at {}: build it first (cargo build).", program_exe().display());
        return 1;
    }
    if let Some(mode) = modes.iter().find(|mode| mode.shuts()) {
        println!("In the mode {} nobody is let in, so nothing can be played. Try: make sandbox MODE={0}", mode.name);
        return 1;
    }
    for mode in modes {
        println!("Mode {}: {}.", mode.name, mode.what);
    }
    let mut stage = Stage { t: Test::setup().modes(modes).orderbox(|_| {}).start(), step: 0, failed: Vec::new() };
    three_orders(&mut stage);
    stop_and_start(&mut stage);
    renewal(&mut stage);
    closing(&mut stage);
    second_incarnation(&mut stage);
    lost_answer(&mut stage);
    yearly_by_the_month(&mut stage);
    bundled_server(&mut stage);
    end_of_sale(&mut stage);
    whmcs_license(&mut stage);
    stage.check("nothing was sent or called against the contract", stage.t.problems().is_empty());
    for problem in stage.t.problems() {
        println!("      {problem}");
    }
    stage.tables();
    if stage.failed.is_empty() {
        println!("\nEverything held.");
        return 0;
    }
    println!("\nNot as it should be:");
    for text in &stage.failed {
        println!("  {text}");
    }
    1
}

pub struct Stage {
    pub t: Test,
    step: u32,
    failed: Vec<String>,
}

impl Stage {
    pub fn title(&mut self, text: &str) {
        self.step += 1;
        println!("\n{}. {text}", self.step);
    }

    /// One command of the panel, with a running operation, and what it did.
    pub fn play(&self, command: &str, item: u32) -> Output {
        let operation = if command == "prolong" { self.t.prolong_paid(item) } else { self.t.operation(item, command) };
        self.again(command, item, operation)
    }

    pub fn again(&self, command: &str, item: u32, operation: u64) -> Output {
        let (sent, called) = (self.sent(), self.t.mgrctl_calls().len());
        println!("  $ pmisplicense --command {command} --item {item} --runningoperation {operation}");
        let output = self.t.cmd_op(command, item, operation);
        self.tell(sent, called);
        match output.code {
            Some(0) => println!("      exit 0"),
            code => println!("      exit {code:?}: {} {}", output.attribute("type"), output.message()),
        }
        output
    }

    /// The same, as often as the panel would try: a seller that answers an order without a number leaves a doubt.
    pub fn done(&self, command: &str, item: u32) -> bool {
        let operation = if command == "prolong" { self.t.prolong_paid(item) } else { self.t.operation(item, command) };
        self.tried(command, item, operation)
    }

    fn tried(&self, command: &str, item: u32, operation: u64) -> bool {
        for number in 0..TRIES {
            if number > 0 {
                println!("  The panel tries again:");
            }
            if self.again(command, item, operation).code == Some(0) {
                return true;
            }
        }
        false
    }

    /// Requests so far to the seller and to OrderBox.
    fn sent(&self) -> [usize; 2] {
        [self.t.upstream.requests().len(), self.t.orderbox().requests().len()]
    }

    /// Prints the requests to the sellers and the calls in the panel since then.
    fn tell(&self, [seller, orderbox]: [usize; 2], called: usize) {
        let told = |line: String, outcome: &str, fault: Option<&String>| {
            let fault = fault.map(|f| format!(" [{f}]")).unwrap_or_default();
            println!("      {line} -> {outcome}{fault}");
        };
        for r in &self.t.upstream.requests()[seller..] {
            told(format!("seller: {}", r.line()), &r.outcome, r.fault.as_ref());
        }
        for r in &self.t.orderbox().requests()[orderbox..] {
            told(format!("OrderBox: {}", r.line()), &r.outcome, r.fault.as_ref());
        }
        for call in &self.t.mgrctl_calls()[called..] {
            println!("      panel:  {}", discreet(&call.line()));
        }
    }

    /// A subcommand for people, and what it did.
    pub fn admin(&self, args: &[&str]) -> Output {
        let (sent, called) = (self.sent(), self.t.mgrctl_calls().len());
        println!("  $ pmisplicense {}", args.join(" "));
        let output = self.t.run(args);
        self.tell(sent, called);
        for line in output.stdout.lines().chain(output.stderr.lines()) {
            println!("      {line}");
        }
        output
    }

    pub fn check(&mut self, text: &str, held: bool) {
        println!("    {} {text}", if held { "ok: " } else { "NOT:" });
        if !held {
            self.failed.push(format!("step {}: {text}", self.step));
        }
    }

    /// The license that the item's parameters name.
    pub fn license_of(&self, item: u32) -> Option<License> {
        let id = self.t.item(item).param("licid").parse::<u64>().ok()?;
        self.t.upstream.licenses().into_iter().find(|l| l.id == id)
    }

    pub fn orders(&self) -> usize {
        self.t.upstream.billed("soft.order.param")
    }

    /// The last call to the panel.
    fn told(&self, line: &str) -> bool {
        self.t.panel_changes().last().is_some_and(|last| last == line)
    }

    /// True if the last call reported that the service is open.
    fn told_open(&self, item: u32) -> bool {
        ["soft.open", "service.postopen"].iter().any(|func| self.told(&format!("{func} elid={item} sok=ok")))
    }

    /// The internal name of a product in the billing of this seller's country.
    pub fn code(&self, international: &'static str) -> &'static str {
        self.t.code(international)
    }

    fn tables(&self) {
        println!("\nServices\n  id  status  until       license  name");
        for id in [42, 43, 44, 45, 46, 47, 48, 49, 50, 60] {
            let item = self.t.item(id);
            let until = item.expiredate.clone().unwrap_or_default();
            println!("  {id}  {:<6}  {until:<10}  {:<7}  {}", item.status, item.param("licid"), item.param("licname"));
        }
        println!("Licenses\n  id    tariff  status  until       ip           name");
        for l in self.t.upstream.licenses() {
            let until = l.expires.map(|d| d.to_string()).unwrap_or_default();
            println!("  {}  {:<6}  {:<6}  {until:<10}  {:<11}  {}", l.id, l.pricelist, l.status, l.ip, l.licname);
        }
        println!("Billed\n  no  what              license  amount");
        for e in self.t.upstream.ledger() {
            println!(
                "  {:<2}  {:<16}  {:<7}  {}.{:02} {}",
                e.number,
                e.func,
                e.license,
                e.amount / 100,
                e.amount % 100,
                e.currency
            );
        }
        for e in self.t.orderbox().ledger() {
            println!(
                "  {:<2}  {:<20}  order {}  {}.{:02} RUB",
                e.number,
                e.call,
                e.order,
                e.amount / 100,
                e.amount % 100
            );
        }
    }
}

/// License keys are not for the screen.
fn discreet(line: &str) -> String {
    let hide = |word: &str| if word.starts_with("lickey=") { "lickey=…".to_owned() } else { word.to_owned() };
    line.split(' ').map(hide).collect::<Vec<_>>().join(" ")
}

fn three_orders(s: &mut Stage) {
    s.title("Three orders; the third wants no control panel");
    s.t.soft_item(42, s.code("55227"), 12).ip("192.0.2.42").licname("shop.example.com").add();
    s.t.soft_item(43, s.code("55228"), 1).ip("192.0.2.43").add();
    s.t.soft_item(44, "nopanel", 1).ip("192.0.2.44").add();
    for item in [42, 43] {
        let done = s.done("open", item);
        s.check("the order is carried out", done);
        let told = s.told_open(item);
        s.check("the panel is told so, and the service is active", told && s.t.item(item).status == 2);
        if s.t.item(item).param("lickey").is_empty() {
            println!("  The seller has not issued the key yet; sync brings it:");
            s.done("sync_item", item);
        }
        let license = s.license_of(item);
        let key =
            license.is_some_and(|l| l.status == 2 && !l.key.is_empty() && l.key == s.t.item(item).param("lickey"));
        s.check("number and key of an active license are saved to the service", key);
    }
    let done = s.done("open", 44);
    s.check("nopanel succeeds, and the service is active", done && s.t.item(44).status == 2);
    s.check("two licenses were bought, not three", s.orders() == 2 && s.t.upstream.licenses().len() == 2);
    let licenses = s.t.upstream.licenses();
    let ours = !licenses.is_empty() && licenses.iter().all(|l| l.autoprolong == "null");
    s.check("the seller may not renew by itself", ours);
}

fn stop_and_start(s: &mut Stage) {
    s.title("Suspended and resumed");
    let status = |s: &Stage| s.license_of(42).map_or(0, |l| l.status);
    let done = s.done("suspend", 42);
    s.check("the license is stopped, the service suspended", done && status(s) == 3 && s.t.item(42).status == 3);
    let done = s.done("resume", 42);
    s.check("the license runs again, the service too", done && status(s) == 2 && s.t.item(42).status == 2);
    s.check("that cost nothing", s.t.upstream.ledger().len() == 2);
}

fn renewal(s: &mut Stage) {
    s.title("The client pays another month");
    let before = s.license_of(43).and_then(|l| l.expires);
    let operation = s.t.prolong_paid(43);
    let done = s.tried("prolong", 43, operation);
    let after = s.license_of(43).and_then(|l| l.expires);
    s.check("one month is renewed", done && s.t.upstream.billed("service.prolong") == 1 && after > before);
    s.check("the panel is told by service.postprolong", s.told("service.postprolong elid=43 sok=ok"));
    if s.t.calls.no_operation.is_some() {
        println!("  Without the number of an operation a repetition would be the next payment.");
        return;
    }
    println!("  The panel repeats the same operation:");
    let end = s.t.item(43).expiredate;
    let done = s.again("prolong", 43, operation).code == Some(0);
    s.check("nothing is renewed twice", done && s.t.upstream.billed("service.prolong") == 1);
    s.check("the service's end did not move again", s.t.item(43).expiredate == end);
}

fn closing(s: &mut Stage) {
    s.title("A yearly license is freed when its service is closed");
    let id = s.license_of(42).map_or(0, |l| l.id);
    let done = s.done("close", 42);
    s.check("the service is closed", done && s.t.item(42).status == 4);
    let freed = s.t.upstream.licenses().into_iter().find(|l| l.id == id);
    let pooled =
        freed.is_some_and(|l| l.licname == "free.lic" && l.ip == "0.0.0.0" && l.status == 3 && l.autoprolong == "null");
    s.check("the license is stopped, named free.lic, at 0.0.0.0, and not deleted", pooled);
}

fn second_incarnation(s: &mut Stage) {
    s.title("The same license is given out again");
    s.t.soft_item(45, s.code("55227"), 12).ip("192.0.2.45").licname("blog.example.com").add();
    let free = s.t.upstream.licenses().into_iter().find(|l| l.licname == "free.lic");
    let Some(free) = free else { return s.check("there is a freed license to give out", false) };
    s.t.upstream.age(free.id, 40);
    println!("  (40 days pass for license {}: its address and its key may be changed again)", free.id);
    let orders = s.orders();
    let done = s.done("open", 45);
    s.check("the service is active", done && s.t.item(45).status == 2);
    let now = s.t.upstream.licenses().into_iter().find(|l| l.id == free.id);
    let Some(now) = now else { return s.check("the license is still there", false) };
    println!(
        "  {} orders before, {} after; service 45 has license {}",
        orders,
        s.orders(),
        s.t.item(45).param("licid")
    );
    s.check("nothing was bought", s.orders() == orders);
    s.check("it has the freed license", s.license_of(45).map(|l| l.id) == Some(free.id));
    let moved = now.ip == "192.0.2.45" && now.licname == "blog.example.com" && now.status == 2;
    s.check("address and name are the new client's, and it runs", moved);
    let (old, new) = (free.key.clone(), s.t.item(45).param("lickey").to_owned());
    s.check("the key is new and the one on the service", !new.is_empty() && new != old && new == now.key);
}

fn lost_answer(s: &mut Stage) {
    s.title("The seller's answer to an order is lost");
    s.t.soft_item(46, s.code("55229"), 1).ip("192.0.2.46").add();
    let orders = s.orders();
    s.t.upstream.fault(Fault::on("soft.order.param").drop_after());
    let operation = s.t.operation(46, "open");
    let done = s.tried("open", 46, operation);
    s.check("the fault was met", s.t.upstream.pending_faults() == 0);
    s.check("the service is active in the end", done && s.t.item(46).status == 2);
    s.check("exactly one license was billed", s.orders() == orders + 1);
    let license = s.license_of(46);
    s.check(
        "it is the one on the service",
        license.is_some_and(|l| l.pricelist.to_string() == s.code("55229") && l.ip == "192.0.2.46"),
    );
}
