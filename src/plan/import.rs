//! Which licenses at the seller become services of the panel (docs/interface.md 3): ours that no item has. Foreign
//! ones, and those that a closed service gave back, become services only when their numbers were named. Licenses that
//! are pooled, that wait to be freed, or that an order in doubt may have bought are left alone.

use std::collections::BTreeSet;

use crate::error::Text;
use crate::model::ids::{LicenseId, Mark};
use crate::model::license::{License, LicenseStatus};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::reason::Reason;
use crate::plan::identity::KeyFate;
use crate::text;

/// What `--param` selects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// Licenses named by their numbers, foreign ones included.
    ids: BTreeSet<LicenseId>,
    /// A part of a name or an address, lower case; empty: everything. `None`: only numbers count.
    text: Option<String>,
    /// Every license is selected, for a list from which an operator chooses.
    every: bool,
}

impl Search {
    /// From `--param`. A comma list of numbers names licenses. Any other text, and such a list too, is also searched
    /// for in names and addresses.
    pub fn parse(param: Option<&str>) -> Self {
        let text = param.unwrap_or_default().trim().to_lowercase();
        let numbers: Option<BTreeSet<LicenseId>> =
            text.split(',').map(|part| part.trim().parse::<LicenseId>().ok().filter(|id| id.0 > 0)).collect();
        Self { ids: numbers.unwrap_or_default(), text: Some(text), every: false }
    }

    /// Licenses that an operator chose from the list.
    pub fn of(ids: BTreeSet<LicenseId>) -> Self {
        Self { ids, text: None, every: false }
    }

    /// Everything, foreign licenses too: to be shown, not to be imported.
    pub fn everything() -> Self {
        Self { every: true, ..Self::default() }
    }

    /// Whether exactly this license was named by its number.
    pub fn names(&self, id: LicenseId) -> bool {
        self.every || self.ids.contains(&id)
    }

    fn fits(&self, seen: &License) -> bool {
        let ip = seen.ip.map(|ip| ip.to_string()).unwrap_or_default();
        let by_text = |text: &String| seen.shown_name().to_lowercase().contains(text) || ip.contains(text);
        self.names(seen.id) || self.text.as_ref().is_some_and(by_text)
    }
}

/// What we know of a license besides what the seller shows.
#[derive(Debug, Clone, Copy)]
pub struct Knowledge<'r> {
    /// Our state's row.
    pub row: Option<&'r LicenseRow>,
    /// The mark of this installation on it.
    pub mark: Option<&'r Mark>,
    /// An order in doubt may have bought it.
    pub in_doubt: bool,
}

/// What happens to one license of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// It becomes a service, after this was done about its key.
    Import(KeyFate),
    /// It was asked for and cannot be imported; the reason.
    Leave(Text),
    /// It was not asked for.
    NotMeant,
}

/// Whether the license exists, no service has it, and it is not free: in our state it neither serves a service, nor is
/// it being taken for one, pooled or to be freed; and the seller does not show it as free.
pub fn is_importable(seen: &License, known: Knowledge<'_>) -> bool {
    let serves = known.row.is_some_and(|row| match row.state {
        LicenseState::Bound | LicenseState::Claimed | LicenseState::Pool | LicenseState::ToFree => true,
        LicenseState::Stopped | LicenseState::Deleted => false,
    });
    let free = seen.looks_free() || matches!(known.mark, Some(Mark::Pool { .. }));
    !serves && !free && !seen.is_deleted()
}

/// Whether this installation bought or bound it, and no service gave it back. A license that was given back keeps its
/// mark.
pub fn is_ours(known: Knowledge<'_>) -> bool {
    known.row.map_or(known.mark.is_some(), |row| !is_given_back(row))
}

/// Whether a service had the license before and gave it back: the client of that service has its key.
fn is_given_back(row: &LicenseRow) -> bool {
    match row.state {
        LicenseState::Stopped | LicenseState::Deleted => true,
        LicenseState::Bound | LicenseState::Claimed | LicenseState::ToFree | LicenseState::Pool => false,
    }
}

/// Decides about one license of the list.
pub fn choose(seen: &License, known: Knowledge<'_>, search: &Search) -> Choice {
    let state = known.row.map(|row| row.state);
    let meant = if is_ours(known) { search.fits(seen) } else { search.names(seen.id) };
    if !meant {
        return Choice::NotMeant;
    }
    let id = seen.id;
    match state {
        Some(LicenseState::Bound | LicenseState::Claimed) => {
            let item = known.row.and_then(|row| row.item).map_or_else(|| "-".to_owned(), |item| item.to_string());
            return Choice::Leave(text!(
                "license {id} serves service {item}",
                "лицензия {id} обслуживает услугу {item}"
            ));
        }
        Some(LicenseState::Pool | LicenseState::ToFree) => return Choice::Leave(pooled(id)),
        Some(LicenseState::Stopped | LicenseState::Deleted) | None => {}
    }
    if seen.looks_free() || matches!(known.mark, Some(Mark::Pool { .. })) {
        return Choice::Leave(pooled(id));
    }
    if !matches!(seen.status, LicenseStatus::Active | LicenseStatus::Stopped) {
        let number = seen.status.number();
        return Choice::Leave(text!("license {id} has the status {number}", "лицензия {id} в состоянии {number}"));
    }
    if known.in_doubt {
        return Choice::Leave(text!(
            "license {id} may have been bought by an order that is still in doubt",
            "лицензию {id}, возможно, купил заказ, исход которого ещё неизвестен"
        ));
    }
    if known.row.is_some_and(|row| matches!(row.lasting_reason(), Some(Reason::NotFree | Reason::LeftToItsUser))) {
        return Choice::Leave(text!(
            "somebody else uses license {id}, which a new key would stop. To give it to a service: pmisplicense bind ITEM {id}",
            "лицензию {id} занимает кто-то другой, новый ключ её остановит. Отдать её услуге: pmisplicense bind УСЛУГА {id}"
        ));
    }
    if !known.row.is_some_and(is_given_back) {
        return Choice::Import(KeyFate::Kept);
    }
    if known.mark.is_none() && seen.remoteid.mark().is_some() {
        return Choice::Leave(text!(
            "license {id} bears the mark of another installation, whose client has its key",
            "на лицензии {id} метка другой установки, её ключ у клиента той установки"
        ));
    }
    Choice::Import(KeyFate::New)
}

fn pooled(id: LicenseId) -> Text {
    text!("license {id} is free or waits to be freed", "лицензия {id} свободна или ждёт освобождения")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{ItemId, PanelId};
    use crate::model::license::{RemoteId, test_license};
    use crate::model::license_row::test_row;

    /// docs/interface.md 3, import: ours by state or mark, foreign only by number, never what is in use, free or in
    /// doubt.
    #[test]
    fn unclaimed_licenses_are_imported_and_foreign_ones_only_by_number() {
        let mark = |pool: bool| {
            let panel = PanelId::from_bytes([0; 8]);
            if pool { Mark::Pool { panel } } else { Mark::Order { panel, item: ItemId(42), number: 1 } }
        };
        let (order, pool) = (mark(false), mark(true));
        let row = |state| LicenseRow { state, ..test_row(5001) };
        let rows = [
            row(LicenseState::Bound),
            row(LicenseState::Claimed),
            row(LicenseState::Pool),
            row(LicenseState::ToFree),
            row(LicenseState::Stopped),
            row(LicenseState::Deleted),
        ];
        let seen = License { name: Some("Shop.example".into()), ip: "192.0.2.10".parse().ok(), ..test_license(5001) };
        let free = License { name: Some("free.lic".into()), ip: "0.0.0.0".parse().ok(), ..seen.clone() };
        let theirs = License { remoteid: RemoteId::Text("pml-anotherp-9-9".into()), ..seen.clone() };
        let unpaid = License { status: LicenseStatus::Ordered, ..seen.clone() };
        let nothing = || Knowledge { row: None, mark: None, in_doubt: false };
        let marked = |mark| Knowledge { mark: Some(mark), ..nothing() };
        let with_row = |index: usize| Knowledge { row: rows.get(index), ..nothing() };
        let given_back = |index: usize| Knowledge { mark: Some(&order), ..with_row(index) };
        for (case, seen, known, search, want) in [
            ("marked, all", &seen, marked(&order), "", "import"),
            ("marked, part of the name", &seen, marked(&order), "shop", "import"),
            ("marked, part of the address", &seen, marked(&order), "192.0.2", "import"),
            ("marked, another name", &seen, marked(&order), "blog", "not meant"),
            ("marked, its number", &seen, marked(&order), "4001, 5001", "import"),
            ("foreign, all", &seen, nothing(), "", "not meant"),
            ("foreign, part of the name", &seen, nothing(), "shop", "not meant"),
            ("foreign, named", &seen, nothing(), "5001", "import"),
            ("foreign, another named", &seen, nothing(), "5002,5003", "not meant"),
            ("in use", &seen, with_row(0), "", "leave"),
            ("being taken", &seen, with_row(1), "5001", "leave"),
            ("pooled", &seen, with_row(2), "5001", "leave"),
            ("to be freed", &seen, with_row(3), "", "leave"),
            ("stopped after its service", &seen, given_back(4), "", "not meant"),
            ("stopped after its service, its address", &seen, given_back(4), "192.0.2", "not meant"),
            ("stopped after its service, named", &seen, given_back(4), "5001", "import, new key"),
            ("stopped, its mark is gone", &seen, with_row(4), "", "not meant"),
            ("stopped, its mark is gone, named", &seen, with_row(4), "5001", "import, new key"),
            ("stopped, taken by another installation, named", &theirs, with_row(4), "5001", "leave"),
            ("gone by our state, and there", &seen, given_back(5), "", "not meant"),
            ("gone by our state, and there, named", &seen, given_back(5), "5001", "import, new key"),
            ("pool mark", &seen, marked(&pool), "", "leave"),
            ("looks free, named", &free, nothing(), "5001", "leave"),
            ("unpaid", &unpaid, marked(&order), "", "leave"),
            ("in doubt", &seen, Knowledge { in_doubt: true, ..marked(&order) }, "", "leave"),
        ] {
            let got = match choose(seen, known, &Search::parse(Some(search))) {
                Choice::Import(KeyFate::Kept) => "import",
                Choice::Import(KeyFate::New) => "import, new key",
                Choice::Leave(_) => "leave",
                Choice::NotMeant => "not meant",
            };
            assert_eq!(got, want, "{case}");
        }
        for free in [with_row(2), with_row(3), marked(&pool)] {
            let Choice::Leave(why) = choose(&seen, free, &Search::parse(None)) else { panic!("it is left") };
            assert_eq!(why.en, "license 5001 is free or waits to be freed");
        }
        assert!(!Search::parse(Some("0")).names(LicenseId(0)), "no license has the number 0");
        let importable = |index: usize| is_importable(&seen, with_row(index));
        assert_eq!([0, 1, 2, 3, 4].map(importable), [false, false, false, false, true]);
        assert!(is_importable(&seen, nothing()) && !is_importable(&free, nothing()));
        assert!(!is_importable(&seen, marked(&pool)) && is_ours(marked(&order)) && !is_ours(given_back(4)));
        assert_eq!(Search::parse(None), Search::parse(Some(" ")));
        assert_eq!(choose(&seen, nothing(), &Search::everything()), Choice::Import(KeyFate::Kept));
        let chosen = Search::of([LicenseId(5001)].into());
        assert_eq!(choose(&seen, nothing(), &chosen), Choice::Import(KeyFate::Kept));
        for reason in [Reason::NotFree, Reason::LeftToItsUser] {
            let used = LicenseRow { reason: Some(reason.clone()), state: LicenseState::Stopped, ..test_row(5001) };
            let known = Knowledge { row: Some(&used), ..nothing() };
            assert!(matches!(choose(&seen, known, &chosen), Choice::Leave(_)), "somebody else uses it: {reason:?}");
        }
        assert_eq!(choose(&License { id: LicenseId(5002), ..seen.clone() }, marked(&order), &chosen), Choice::NotMeant);
    }
}
