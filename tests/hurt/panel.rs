//! The panel as it treats the program: a command belongs to a running operation and is repeated until it ends. An
//! operator does what the errors ask for (money, an unpaid order). Payments are counted, so that `promises` can compare
//! them with the seller's ledger.
use crate::support::upstream::world::ORDERED;
use crate::support::{Output, Setup, Test};
use std::collections::BTreeMap;
use std::time::Duration;

/// Times that a command is repeated before the test calls it endless; the panel's own limit is ten.
const TRIES: usize = 40;

/// Between two tries. The panel waits minutes; settle_s is a second here.
const PAUSE: Duration = Duration::from_millis(250);

/// Doubt settles within a second, a silent seller is given up after one.
pub const SETTINGS: &str = "[upstream]\nsettle_s = 1\ntimeout_s = 2\nconnect_timeout_s = 2\n";

/// The most that may be on the seller's ledger.
#[derive(Debug, Default, Clone)]
pub struct Paid {
    /// Orders for each item.
    pub orders: BTreeMap<u32, usize>,
    /// Renewals, tariff changes and changes of nodes of the whole world.
    pub others: BTreeMap<&'static str, usize>,
    /// A fault doubles effects behind our back: duplicates must be dealt with, not avoided.
    pub doubled: bool,
}

/// One command of the panel.
#[derive(Debug, Clone)]
pub struct Intent {
    pub args: Vec<String>,
}

/// How repeating a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Done,
    /// An operator must end it. The type of the error.
    Operator(String),
}

/// A world of its own with its panel.
pub struct Office {
    pub test: Test,
    pub paid: Paid,
    next_item: u32,
}

impl Office {
    pub fn new() -> Self {
        Self::with(Test::setup())
    }

    pub fn with(setup: Setup) -> Self {
        let test = setup.start();
        test.settings(SETTINGS);
        Self { test, paid: Paid::default(), next_item: 41 }
    }

    /// An ordered service; its one order is paid for.
    pub fn item(&mut self, choice: &str) -> u32 {
        self.next_item += 1;
        let id = self.next_item;
        let ip = format!("192.0.2.{}", id - 30);
        let nodes = choice == "55230";
        let new = self.test.soft_item(id, choice, 1).ip(&ip);
        if nodes {
            new.nodes(2).add()
        } else {
            new.add()
        };
        self.paid.orders.insert(id, 1);
        id
    }

    /// A command about an item, with the running operation that the panel makes for it.
    pub fn intent(&mut self, command: &str, item: u32) -> Intent {
        let operation = if command == "prolong" {
            *self.paid.others.entry("service.prolong").or_default() += 1;
            self.test.prolong_paid(item)
        } else {
            self.test.operation(item, command)
        };
        let (item_text, operation) = (item.to_string(), operation.to_string());
        let args = ["--command", command, "--item", &item_text, "--runningoperation", &operation];
        Intent { args: args.map(str::to_owned).to_vec() }
    }

    pub fn sync(&self) -> Intent {
        Intent { args: ["--command", "sync"].map(str::to_owned).to_vec() }
    }

    /// Runs a command until it ends. `each` runs it once: killed, or beside a fault.
    pub fn until_done(&self, intent: &Intent, mut each: impl FnMut(&Test, &Intent, usize) -> Output) -> End {
        let mut last = None;
        for number in 0..TRIES {
            let output = each(&self.test, intent, number);
            if output.code == Some(0) {
                assert_eq!(output.stdout, expected_stdout(intent), "{:?}", intent.args);
                return End::Done;
            }
            if output.code.is_some() {
                match output.attribute("type") {
                    "order_unknown" => return End::Operator("order_unknown".to_owned()),
                    "nomoney" | "blocked" => self.operator_pays(),
                    _ => {}
                }
            }
            last = Some(output);
            std::thread::sleep(PAUSE);
        }
        panic!("{:?} never ends: {last:#?}\n{}", intent.args, self.test.story());
    }

    /// Runs it plainly until it ends.
    pub fn repeat(&self, intent: &Intent) -> End {
        self.until_done(intent, |test, intent, _| test.run(&intent.args))
    }

    /// Carries out a command that nothing hinders.
    pub fn does(&mut self, command: &str, item: u32) {
        let intent = self.intent(command, item);
        let output = self.test.run(&intent.args);
        assert_eq!(output.code, Some(0), "{command} {item}: {output:#?}");
    }

    /// The operator's answer to an unpaid order, or to too little money.
    fn operator_pays(&self) {
        for license in self.test.upstream.licenses() {
            if license.status == ORDERED {
                self.test.upstream.pay(license.id);
            }
        }
        let balance = self.test.upstream.with(|w| w.balance);
        self.test.upstream.set_balance(balance + 1000);
    }

    /// Two passes of sync, as cron would make them. A pass may fail while something waits for an operator.
    pub fn settle(&self) {
        for _ in 0..2 {
            self.test.run(["--command", "sync"]);
        }
    }
}

fn expected_stdout(intent: &Intent) -> &'static str {
    if intent.args.get(1).is_some_and(|c| c == "gen_key") {
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><doc><ok/></doc>\n"
    } else {
        ""
    }
}
