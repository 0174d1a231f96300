//! The sandbox's modes: each one thing in which a real seller or panel may differ from the usual world of the tests,
//! with the source that says so. `make sandbox MODE=a,b` and `make demo MODE=a,b` choose some; tests/modes plays a
//! small life in each.
mod list;

pub use list::MODES;

use super::calls::Calls;
use super::mgrctl::Panel;
use super::upstream::Options;

/// The side that a mode changes.
#[derive(Clone, Copy)]
pub enum Change {
    /// The seller's answers.
    Seller(fn(&mut Options)),
    /// The panel's answers to mgrctl.
    Panel(fn(&mut Panel)),
    /// How the panel calls the program.
    Calls(fn(&mut Calls)),
}

#[derive(Clone, Copy)]
pub struct Mode {
    pub name: &'static str,
    /// Modes of one axis exclude each other.
    pub axis: &'static str,
    pub what: &'static str,
    /// The source of the observation; "assumed" if the words leave it open.
    pub source: &'static str,
    /// Lines of the settings file that go with it, each with its table (empty: top level).
    pub needs: &'static [(&'static str, &'static str)],
    pub change: Change,
}

impl Mode {
    /// Nobody is let in: there is no life in this mode.
    pub fn shuts(&self) -> bool {
        self.axis == "door"
    }

    pub fn is_of_seller(&self) -> bool {
        matches!(self.change, Change::Seller(_))
    }
}

/// The mode of that name.
pub fn mode(name: &str) -> Result<&'static Mode, String> {
    let found = MODES.iter().find(|mode| mode.name == name);
    found.ok_or_else(|| format!("there is no mode {name}; the modes are listed by: sandbox --help"))
}

/// The modes of a list such as `order-item-id,names-cut`; two of one axis are refused.
pub fn chosen(list: &str) -> Result<Vec<&'static Mode>, String> {
    let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
    let all = names.map(mode).collect::<Result<Vec<_>, _>>()?;
    for (at, one) in all.iter().enumerate() {
        if let Some(other) = all[..at].iter().find(|other| other.axis == one.axis) {
            return Err(format!("{} and {} exclude each other: {}", other.name, one.name, one.axis));
        }
    }
    Ok(all)
}

/// A line for each mode.
pub fn listed() -> String {
    let line = |mode: &Mode| format!("  {:<22} {} ({})\n", mode.name, mode.what, mode.source);
    let of =
        |seller: bool| MODES.iter().filter(move |mode| mode.is_of_seller() == seller).map(line).collect::<String>();
    format!("Modes of the seller:\n{}Modes of the panel:\n{}", of(true), of(false))
}

/// A settings file with the lines that modes need.
pub fn settings(text: &str, needs: &[(&str, &str)]) -> String {
    let mut out = text.to_owned();
    for (table, line) in needs {
        let name = line.split(" =").next().unwrap_or_default();
        if out.lines().any(|there| there.split(" =").next() == Some(name)) {
            continue;
        }
        let head = format!("[{table}]\n");
        if table.is_empty() {
            out = format!("{line}\n{out}");
        } else if out.contains(&head) {
            out = out.replacen(&head, &format!("{head}{line}\n"), 1);
        } else {
            out = format!("{out}{head}{line}\n");
        }
    }
    out
}

/// The same as a table of docs/billmanager-protocol.md.
pub fn table() -> String {
    let mut out = String::from("| mode | whose | what | source |\n| --- | --- | --- | --- |\n");
    for mode in MODES {
        let whose = if mode.is_of_seller() { "seller" } else { "panel" };
        let needs: String =
            mode.needs.iter().map(|(table, line)| format!("; needs `{}`", setting(table, line))).collect();
        out.push_str(&format!("| `{}` | {whose} | {}{needs} | {} |\n", mode.name, mode.what, mode.source));
    }
    out
}

/// A line of the settings file with its table.
pub fn setting(table: &str, line: &str) -> String {
    if table.is_empty() { line.to_owned() } else { format!("[{table}] {line}") }
}
