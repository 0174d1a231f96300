//! Sixteen processes at once: on one item (a panel that repeats itself, an administrator beside it) and on many (a busy
//! evening, two modules' cron jobs). Each intent is paid for once, whichever process comes first.
use super::panel::{End, Intent, Office};
use super::{Dice, promises, seed};
use crate::support::Output;
use std::collections::BTreeSet;

const CROWD: usize = 16;

/// All at once; in the order in which they were started.
fn at_once(office: &Office, intents: &[Intent]) -> Vec<Output> {
    let running: Vec<_> = intents.iter().map(|intent| office.test.spawn(&intent.args)).collect();
    running.into_iter().map(crate::support::Running::wait).collect()
}

/// Sixteen times the same: each ends well or says who is busy, and one purchase is made.
#[test]
fn sixteen_runs_of_one_command_make_one_purchase() {
    let mut office = Office::new();
    let item = office.item("55227");
    for command in ["open", "prolong", "setparam", "suspend", "resume", "close"] {
        if command == "setparam" {
            office.test.choose(item, "55228");
            office.paid.others.insert("service.changepricelist", 1);
        }
        let intent = office.intent(command, item);
        let outputs = at_once(&office, &vec![intent.clone(); CROWD]);
        for output in &outputs {
            let busy = output.code == Some(1) && output.attribute("type") == "busy";
            assert!(output.code == Some(0) || busy, "{command}: {output:#?}");
        }
        assert!(outputs.iter().any(|output| output.code == Some(0)), "{command}: nobody got through");
        promises::hold(&office, command);
    }
    assert_eq!(office.test.upstream.billed("soft.order.param"), 1);
    assert_eq!(office.test.upstream.billed("service.prolong"), 1);
    assert_eq!(office.test.upstream.billed("service.changepricelist"), 1);
}

/// Different commands of one item at once, as when the panel and an operator do not know of each other.
#[test]
fn different_commands_of_one_item_at_once_keep_the_promises() {
    let mut dice = Dice::new(seed("different commands"), 1);
    for _ in 0..3 {
        let mut office = Office::new();
        let item = office.item("55227");
        office.does("open", item);
        let mut intents = Vec::new();
        let renewals = office.intent("prolong", item);
        for _ in 0..CROWD {
            intents.push(match dice.below(6) {
                0 => renewals.clone(),
                1 => office.sync(),
                2 => office.intent("sync_item", item),
                3 => office.intent("setparam", item),
                4 => office.intent("suspend", item),
                _ => office.intent("resume", item),
            });
        }
        intents.push(renewals.clone());
        at_once(&office, &intents);
        assert_eq!(office.repeat(&renewals), End::Done);
        office.settle();
        promises::hold(&office, &format!("{intents:?}"));
        // None when the service was suspended just then: the time is left owed until it is resumed.
        assert!(office.test.upstream.billed("service.prolong") <= 1);
    }
}

/// Sixteen items opened and closed at once from one state file, sync beside them; then sixteen new ones that share
/// what was freed. Each license serves one item.
#[test]
fn sixteen_items_at_once_share_no_license() {
    let mut office = Office::new();
    let first: Vec<u32> = (0..CROWD).map(|_| office.item("55227")).collect();
    for (command, items) in [("open", &first), ("close", &first)] {
        let mut intents: Vec<Intent> = items.iter().map(|item| office.intent(command, *item)).collect();
        intents.push(office.sync());
        let outputs = at_once(&office, &intents);
        for (intent, output) in intents.iter().zip(&outputs) {
            assert!(output.code == Some(0), "{:?}: {output:#?}", intent.args);
        }
        promises::hold(&office, command);
    }
    assert_eq!(office.test.upstream.billed("soft.order.param"), CROWD);
    for license in office.test.upstream.licenses() {
        office.test.upstream.age(license.id, 40);
    }
    let second: Vec<u32> = (0..CROWD).map(|_| office.item("55227")).collect();
    let intents: Vec<Intent> = second.iter().map(|item| office.intent("open", *item)).collect();
    for (intent, output) in intents.iter().zip(at_once(&office, &intents)) {
        assert_eq!(output.code, Some(0), "{:?}: {output:#?}", intent.args);
    }
    promises::hold(&office, "the second sixteen");
    assert_eq!(office.test.upstream.billed("soft.order.param"), CROWD, "all came from the pool");
    let given: BTreeSet<String> = second.iter().map(|item| office.test.item(*item).param("licid").to_owned()).collect();
    assert_eq!(given.len(), CROWD);
}

/// The very first use: sixteen processes make one state file.
#[test]
fn sixteen_first_runs_make_one_state() {
    let mut office = Office::new();
    let items: Vec<u32> = (0..CROWD).map(|_| office.item("55227")).collect();
    let intents: Vec<Intent> = items.iter().map(|item| office.intent("open", *item)).collect();
    for output in at_once(&office, &intents) {
        output.ok();
    }
    let panels: BTreeSet<String> = office
        .test
        .upstream
        .licenses()
        .iter()
        .map(|license| license.remoteid.split('-').nth(1).unwrap_or_default().to_owned())
        .collect();
    assert_eq!(panels.len(), 1, "one installation, one mark: {panels:?}");
    promises::hold(&office, "first use");
}
