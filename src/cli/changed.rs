//! A table: what changed outside, what an operator sees, and what an operator runs. `pmisplicense help doctor` ends
//! with it, and docs/admin-guide.md has it under the same name (in Russian: admin-guide.ru.md). A test compares them
//! and checks that the program has every command in the table.

mod russian;

use std::fmt::Write as _;

use crate::error::Lang;

/// Columns of the text.
const WIDTH: usize = 96;

/// A change outside the program that makes a service, a license or an account look like another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// What changed outside.
    pub what: &'static str,
    /// What an operator sees.
    pub seen: &'static str,
    /// What an operator runs. Commands and their options are between backticks.
    pub run: &'static str,
}

const fn change(what: &'static str, seen: &'static str, run: &'static str) -> Change {
    Change { what, seen, run }
}

/// The changes: of services, at the seller, of the account, of the machine and the state, of the panel's database, at
/// OrderBox.
pub fn changes(lang: Lang) -> &'static [Change; 33] {
    match lang {
        Lang::En => &ENGLISH,
        Lang::Ru => &russian::CHANGES,
    }
}

const ENGLISH: [Change; 33] = [
    change(
        "the panel copied a service under another number (its tool *Service import*, to hand it to another client); the old one is closed",
        "type `state` from every command of the copy; `sync` ends with 1; finding `shown`",
        "`bind NEW LICENSE`: the license goes over with its key. If the copy shows it by mistake: `unbind NEW`",
    ),
    change(
        "a service has another client",
        "type `state` from every command of the service; `sync` ends with 1; `explain`, `doctor`; finding `other_client`",
        "`bind ITEM LICENSE`: the client is accepted. If it is another service: `unbind ITEM`, and the license goes to the pool",
    ),
    change(
        "the number belongs to a service that was created at another time",
        "the same; finding `other_life`",
        "`bind ITEM LICENSE` if it is the same service, else `unbind ITEM`. The key stays only if the service shows the license; else a new one comes first",
    ),
    change(
        "the column `item.createdate` has another type (DATE, DATETIME)",
        "nothing",
        "nothing: the same moment is the same service",
    ),
    change(
        "the state file is lost; `panel_id` is pinned in the settings",
        "type `state`, \"bears our mark\"; findings `unowned`, `old_state`",
        "`reconcile --apply`",
    ),
    change(
        "the state file is lost, and `panel_id` was not pinned",
        "type `state`, \"the mark of installation …\"; findings `lost_state`, `shown`",
        "`state adopt PANEL_ID`, as `reconcile` names it, then `reconcile --apply`; if it was another installation, for each service `bind ITEM LICENSE --take-from PANEL_ID`",
    ),
    change(
        "somebody ordered the license elsewhere, and the panel shows it",
        "type `state`; finding `shown`",
        "`bind ITEM LICENSE`, or `unbind ITEM` if it is not this service's",
    ),
    change(
        "the service shows another number than the license that our state holds for it",
        "the same",
        "`bind ITEM FORMER` (shows that license again), or `bind ITEM LICENSE --replace`",
    ),
    change(
        "a client chose `nopanel`, and the license of the service is still bound to it",
        "finding `given_back`; `sync` frees the license, except while the panel's operation that ordered it goes on",
        "`reconcile --apply`, as `reconcile` names it. If the panel cannot end its operation: `unbind ITEM`; a client who then chooses a product needs another license",
    ),
    change(
        "the seller does not let one license be read",
        "finding `unreadable`; everything else goes on. An old state only reads until the license can be read",
        "nothing; ask the seller about the license",
    ),
    change(
        "the seller gave a license another number",
        "nothing, or `license_gone` for one settling time",
        "nothing: the license that bears our mark for this service is bound, and the old number is in the journal",
    ),
    change(
        "two open services show one license",
        "finding `two_items`",
        "`unbind ITEM` for the one whose license it is not; `bind ITEM LICENSE` if our state holds it for the wrong one",
    ),
    change(
        "another user of the account took a license from our pool",
        "finding `not_free`; `doctor`",
        "`state leave LICENSE`; if a service of ours uses it: `bind ITEM LICENSE`",
    ),
    change(
        "the seller stores the name of a license in another form (with `&amp;`, cut, in lower case)",
        "nothing; `history ITEM` has a line about it, once for each license",
        "nothing: names decide nothing. The license is used as it is, and this name is not asked for again",
    ),
    change(
        "the seller shows days in another form: 26.12.2026, or with a time",
        "nothing",
        "nothing: a day is read where it can mean one day only",
    ),
    change(
        "the seller shows the end of a license in a form that cannot be read (26/12/2026), or not at all",
        "type `bad_answer`, object `expiredate`; `sync` ends with 1. Nothing that costs money is sent for it",
        "`show LICENSE --raw` shows what the seller sends; ask the seller",
    ),
    change(
        "a column is missing from the seller's list of licenses",
        "nothing; the last known value stays",
        "nothing: a missing field is not known, and the form of the license is read where it is needed",
    ),
    change(
        "the seller renamed its host or the account's user",
        "type `config` from every command of the module, \"name another account\"; `sync` ends with 1; `doctor`",
        "`doctor --accept-account MODULE --same`: licenses, pool, open orders and costs go along",
    ),
    change(
        "a module buys from another account",
        "the same; then finding `former_account`, and `sync` names what runs out there, and what serves nobody there while it is paid for",
        "`doctor --accept-account MODULE --other`, then for each service `move ITEM`; the services: `list --module MODULE`. OrderBox refuses that: enter the order's number in the new account in the service, then `unbind ITEM`, then `reconcile --apply --only ITEM`",
    ),
    change(
        "the password of the account changed, or the seller's login wants more (a captcha, two-factor login, a list of allowed addresses)",
        "type `auth` from every command of the module; `sync` ends with 1; `doctor`",
        "correct the login in the module's settings in the panel, then `doctor`. Nothing is lost: the next `sync` goes on",
    ),
    change(
        "the seller has a new certificate",
        "nothing if a public authority signed it; else type `client` from every command of the module; `doctor`",
        "put the new certificate into the file that ca_file of [upstream] names, then `doctor`",
    ),
    change(
        "a module was switched off in the panel",
        "`doctor`, \"is switched off\"",
        "nothing: its services and licenses are looked after as before",
    ),
    change(
        "the panel moved to another machine",
        "type `state`, \"made on another machine\"; `doctor`",
        "on the machine that is to go on, once the former one is switched off: `state claim`",
    ),
    change(
        "the clock of this machine is wrong by more than a day",
        "type `config`, object `clock_check`; `sync` ends with 1; `doctor`. Nothing is bought, freed or deleted",
        "set the clock (timedatectl set-ntp true), then `doctor`",
    ),
    change(
        "a copy of the state was put back, or the state is older than the marks at the seller",
        "type `state`, \"has missed purchases\"; finding `old_state`",
        "`reconcile --apply`: what was bought since is taken in. A module whose seller is away only reads until you repeat it; the other modules go on. If that seller is gone for good, delete its module in the panel and repeat it. A purchase in doubt: `show ITEM`, then `resolve ITEM --bought LICENSE` or `resolve ITEM --not-bought`",
    ),
    change(
        "the state file is damaged",
        "type `state` from every command; `doctor`",
        "`restore FILE`, then `reconcile --apply`; without a copy `state begin-anew`, then `reconcile --apply`",
    ),
    change(
        "the panel's database was put back from a backup, or another panel has its place",
        "type `state` from the services that differ; findings `no_item`, `other_life`, `other_client`, `shown`",
        "`reconcile`: it names the command for each service; nothing is freed because a row is missing",
    ),
    change(
        "the panel's database wants TLS",
        "nothing on the same machine; else type `database`, \"ca_file of [panel_db]\", from every command; `doctor`",
        "set ca_file under [panel_db], then `doctor`",
    ),
    change(
        "the panel's database user has a login plugin that this program does not have",
        "type `database`, \"the plugin …\", from every command; `doctor`",
        "carry out the ALTER USER that the message names, then `doctor`",
    ),
    change(
        "OrderBox: the key of a license was issued anew",
        "finding `key` until `sync` saves the new key. After a close: type `order_unknown` from `sync`; finding `handed_over`; `list --problems`",
        "while the service is open: nothing. After a close: `resolve ITEM --not-bought` if it is the same license, `resolve ITEM --bought ORDER` if somebody bought another one",
    ),
    change(
        "OrderBox: the license was removed from its order by hand",
        "type `license_gone`; `sync` ends with 1; finding `gone`. Nothing is bought again",
        "nothing until you know who removed it. For a new license close the service and open it again",
    ),
    change(
        "OrderBox: a service names an order of another customer",
        "type `bad_value`, object `orderid`, from `open`. Nothing is sent, and no key is shown",
        "nothing: the number is corrected in the service, or client and customer get the same e-mail address",
    ),
    change(
        "OrderBox: the hosting of an order was suspended",
        "a problem in the panel names the order; finding `status`",
        "nothing: the license is kept. Look at the order in the seller's panel",
    ),
];

/// The table as text for a terminal.
pub fn list(lang: Lang) -> String {
    let (head, see, what_to_run) = match lang {
        Lang::En => ("What changed outside, what you see, what you run:", "you see", "you run"),
        Lang::Ru => ("Что изменилось снаружи, что вы видите, что выполнить:", "видно", "выполнить"),
    };
    let mut text = head.to_owned();
    for Change { what, seen, run } in changes(lang) {
        let _ = write!(text, "\n\n{}", folded(what, "  "));
        let _ = write!(text, "\n{}", folded(&format!("{see}: {seen}"), "    "));
        let _ = write!(text, "\n{}", folded(&format!("{what_to_run}: {run}"), "    "));
    }
    text.replace(['`', '*'], "")
}

fn folded(words: &str, indent: &str) -> String {
    let mut lines = vec![indent.to_owned()];
    for word in words.split_whitespace() {
        let line = lines
            .last_mut()
            .filter(|line| line.trim().is_empty() || line.chars().count() + 1 + word.chars().count() <= WIDTH);
        match line {
            Some(line) if line.trim().is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(format!("{indent}{word}")),
        }
    }
    lines.join("\n")
}
