//! `sandbox up`: both neighbours with a few services, for an operator with a shell. It says in plain words what to
//! type, and stays until its stdin ends or somebody stops it. The guard of MariaDB removes everything even after a
//! SIGKILL.
use crate::support::modes::{self, Mode};
use crate::support::replay::Record;
use crate::support::viewer::Viewer;
use crate::support::{Test, program_exe};
use std::path::Path;

pub fn up(chosen: &[&'static Mode]) -> i32 {
    let t = Test::setup().own_database().modes(chosen).orderbox(|_| {}).start();
    for mode in chosen {
        println!("Mode {}: {}.", mode.name, mode.what);
        for (table, line) in mode.needs {
            println!("  It needs a line in etc/pmisplicense.toml, which is there: {}", modes::setting(table, line));
        }
    }
    t.soft_item(42, t.code("55227"), 1).ip("192.0.2.42").licname("shop.example.com").add();
    t.soft_item(43, "nopanel", 1).ip("192.0.2.43").add();
    t.soft_item(44, t.code("55230"), 12).ip("192.0.2.44").nodes(2).add();
    t.soft_item(45, t.code("55228"), 1).ip("192.0.2.45").active_until("2030-01-31").add();
    t.vds_item(50, t.code("55229"), 1).addresses(&["192.0.2.50"]).add();
    t.soft_item(46, "9203", 1).ip("192.0.2.46").external().add();
    t.orderbox().add(crate::support::orderbox::Order::new(4001));
    t.whmcs_item(60, 1, 4001).add();
    let operation = t.operation(42, "open");
    let viewer = Viewer::start(&t, "en");
    tell(&t, &program_exe(), operation, &viewer);
    stay();
    0
}

/// Until the end of stdin.
fn stay() {
    for line in std::io::stdin().lines() {
        if line.is_err() {
            break;
        }
    }
    println!("The sandbox ends; its folder and its database are removed.");
}

/// `sandbox replay FILE`: questions are answered as at the place where the record was made; there are no services.
pub fn replay(file: Option<&Path>) -> i32 {
    let Some(file) = file else {
        println!("replay wants a FILE that doctor --record wrote");
        return 2;
    };
    let record = match Record::read(file) {
        Ok(record) => record,
        Err(why) => {
            println!("{why}");
            return 2;
        }
    };
    let file = std::path::absolute(file).expect("a path");
    let t = Test::setup().own_database().replay(&file).start();
    println!("Panel and seller answer from {}. Recorded:", file.display());
    for asked in record.panel.answers.iter().chain(&record.seller()) {
        let params: String = asked.params.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        let none = if asked.answer.is_some() { "" } else { " (no answer)" };
        println!("  {}{params}{none}", asked.func);
    }
    for (table, _) in record.panel.tables.iter().filter(|(_, columns)| columns.is_none()) {
        println!("  The panel has no table {table}.");
    }
    let (root, program) = (t.root().display(), program_exe().display().to_string());
    println!(
        "\nIn another shell:\n  export PMISPLICENSE_MGR_ROOT={root}\n  {program} doctor\n  {program} sync --dry-run\n\
         \nCtrl-C, or the end of its stdin, ends it."
    );
    stay();
    0
}

fn tell(t: &Test, program: &Path, operation: u64, viewer: &Viewer) {
    let (root, program) = (t.root().display(), program.display());
    let (control, socket) = (format!("{}/control", t.upstream.base()), t.db.socket.display());
    let (database, orders) = (&t.db.name, t.orderbox().base());
    println!(
        "The sandbox is up. The seller listens at {}, the panel's root is {root}.\n\
         Services: 42 (ISPmanager 6 Lite), 43 (nopanel), 44 (Business, 2 more nodes), 45 (Pro, active), 46\n\
         (CloudLinux), 50 (a server of another module with ISPmanager 6 Host). The license server is module 7. A running operation of 42: {operation}.\n\
         A second license server is module 8, OrderBox at {orders}/api: service 60 (WHMCS) is for its hosting order 4001.\n\
         \n\
         In another shell:\n\
         \x20 export PMISPLICENSE_MGR_ROOT={root}\n\
         \x20 {program} --command open --item 42 --runningoperation {operation}\n\
         \x20 {program} --command sync --module 7\n\
         \x20 {program} --command open --item 60\n\
         \n\
         The pages in the panel, in a stand-in for its web interface: {}\n\
         \n\
         What happened:\n\
         \x20 curl -s {control}                     # licenses, bills, requests\n\
         \x20 curl -s {orders}/control                     # the same of OrderBox\n\
         \x20 cat {root}/.sandbox/mgrctl.jsonl      # calls of mgrctl\n\
         \x20 cat {root}/var/pmisplicense.log\n\
         \x20 mariadb -S {socket} -u root {database} -e 'SELECT * FROM itemparam'\n\
         \n\
         Let something go wrong (func, fault, when: next, a number, always; n and word where they fit):\n\
         \x20 curl -s {control} -d '{{\"do\":\"fault\",\"func\":\"soft.order.param\",\"fault\":\"drop_after\"}}'\n\
         \x20 curl -s {control} -d '{{\"do\":\"fault\",\"func\":\"soft.edit\",\"fault\":\"refused\",\"word\":\"ip_change\",\"when\":\"always\"}}'\n\
         \x20 curl -s {orders}/control -d '{{\"do\":\"fault\",\"func\":\"generate-license-key\",\"fault\":\"drop_after\"}}'\n\
         \x20 echo '[{{\"func\":\"soft.open\",\"kind\":\"lost\"}}]' > {root}/.sandbox/mgrctl-faults.json\n\
         \x20 curl -s {control} -d '{{\"do\":\"help\"}}'    # what else there is: today, advance, balance, block, pay, edit\n\
         Faults of the seller: {}.\n\
         \n\
         Ctrl-C, or the end of its stdin, ends it.",
        t.upstream.url(),
        viewer.url,
        crate::support::Fault::NAMES.join(" ")
    );
}
