//! resolve: what happens to the license that an order in doubt bought, when an operator has named it
//! (docs/money-safety.md 3). `engine::resolve` reads the license and its service, and asks here.

use crate::model::catalogue::Product;
use crate::model::ids::{LicenseId, Mark};
use crate::model::journal::{Incarnation, IntentStatus};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::plan::identity::Standing;

/// What happens to the license that an order bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The service gets it.
    Bound(Incarnation),
    /// It is written down for the service. The service asks for no license now, or its client changed, so its next
    /// command decides what follows.
    Kept(Incarnation),
    /// The service gets it in place of its license of another account.
    Moved(Incarnation, LicenseId),
    /// The service has another one: it is a duplicate, to be freed.
    Duplicate(Incarnation, LicenseId),
    /// The service is closed: it is freed.
    Freed,
}

impl Fate {
    /// The incarnation that the license is bound to or recorded for.
    pub fn incarnation(&self) -> Option<&Incarnation> {
        match self {
            Self::Bound(incarnation)
            | Self::Kept(incarnation)
            | Self::Moved(incarnation, _)
            | Self::Duplicate(incarnation, _) => Some(incarnation),
            Self::Freed => None,
        }
    }
}

/// True if the order was given up when its service was closed: its license is freed, whatever the service is now.
pub fn is_given_up(status: IntentStatus) -> bool {
    match status {
        IntentStatus::FreeWhenAppears => true,
        IntentStatus::InDoubt
        | IntentStatus::HandedOver
        | IntentStatus::Done
        | IntentStatus::Refused
        | IntentStatus::NotSent
        | IntentStatus::NotHappened => false,
    }
}

/// The license that an operator binds to a service whose order has ended. The order is not sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveAgain {
    /// The license that the order bought: it is of the product that the service wants, and serves nobody.
    Former(LicenseId),
    /// Another one.
    Another,
}

/// Judges which license an operator binds after an order that has ended. `row`: our row of the license that it bought,
/// if this account has that license. `wanted`: the product that the service wants now.
pub fn give_again(row: Option<&LicenseRow>, wanted: &Product) -> GiveAgain {
    let fits = |row: &&LicenseRow| row.family == wanted.family && row.pricelist == wanted.pricelist;
    let Some(row) = row.filter(fits) else { return GiveAgain::Another };
    match row.state {
        LicenseState::Pool | LicenseState::Stopped | LicenseState::ToFree => GiveAgain::Former(row.id),
        LicenseState::Bound | LicenseState::Claimed | LicenseState::Deleted => GiveAgain::Another,
    }
}

/// Why a license is not what an order of its own service bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misnamed {
    /// It serves this service already. The state would have ended the order together with binding it.
    Serves,
    /// Its mark is that of another order of this service.
    OfOrder(u32),
}

/// Compares the license that an operator named with the order. `serves`: our state holds it for this service. `mark`:
/// the mark that it bears.
pub fn misnamed(order: &Mark, serves: bool, mark: Option<&Mark>) -> Option<Misnamed> {
    if serves {
        return Some(Misnamed::Serves);
    }
    match (order, mark?) {
        (Mark::Order { panel, item, number }, Mark::Order { panel: other, item: of, number: another })
            if (panel, item) == (other, of) && number != another =>
        {
            Some(Misnamed::OfOrder(*another))
        }
        (Mark::Order { .. } | Mark::Pool { .. }, Mark::Order { .. } | Mark::Pool { .. }) => None,
    }
}

/// The service of the order, as it is now.
#[derive(Debug)]
pub struct Service {
    /// Its present incarnation.
    pub incarnation: Incarnation,
    /// Whether our state knows it.
    pub standing: Standing,
    /// It is closed.
    pub is_closed: bool,
    /// It asks for a license.
    pub wants_license: bool,
    /// Another license that it holds.
    pub holds: Option<LicenseId>,
    /// The order was made to take the place of that license.
    pub replaces_it: bool,
}

/// Judges what happens to the license.
pub fn fate(service: Service) -> Fate {
    let Service { incarnation, standing, is_closed, wants_license, holds, replaces_it } = service;
    if is_closed {
        return Fate::Freed;
    }
    match holds {
        None if wants_license && standing == Standing::Same => Fate::Bound(incarnation),
        None => Fate::Kept(incarnation),
        Some(old) if replaces_it => Fate::Moved(incarnation, old),
        Some(bound) => Fate::Duplicate(incarnation, bound),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::catalogue::Catalogue;
    use crate::model::ids::{ClientId, ItemId, PanelId};
    use crate::model::license_row::test_row;

    fn incarnation() -> Incarnation {
        Incarnation { item: ItemId(42), created: "2026-11-01".into(), closes: 0 }
    }

    fn service() -> Service {
        Service {
            incarnation: incarnation(),
            standing: Standing::Same,
            is_closed: false,
            wants_license: true,
            holds: None,
            replaces_it: false,
        }
    }

    /// A license is bound only to an open service that our state knows, that asks for one and holds none.
    #[test]
    fn a_license_that_was_bought_is_bound_only_where_a_service_needs_it() {
        let bound = LicenseId(4000);
        let with = |change: fn(&mut Service)| {
            let mut service = service();
            change(&mut service);
            fate(service)
        };
        for (case, got, want) in [
            ("needed", fate(service()), Fate::Bound(incarnation())),
            ("closed", with(|s| s.is_closed = true), Fate::Freed),
            (
                "closed, and it holds another",
                with(|s| (s.is_closed, s.holds) = (true, Some(LicenseId(4000)))),
                Fate::Freed,
            ),
            ("it asks for none", with(|s| s.wants_license = false), Fate::Kept(incarnation())),
            ("another client", with(|s| s.standing = Standing::NewClient(ClientId(6))), Fate::Kept(incarnation())),
            (
                "another incarnation of the number holds a license",
                with(|s| s.standing = Standing::OtherIncarnation { bound: LicenseId(4000) }),
                Fate::Kept(incarnation()),
            ),
            ("it holds another", with(|s| s.holds = Some(LicenseId(4000))), Fate::Duplicate(incarnation(), bound)),
            (
                "ordered in place of the other",
                with(|s| (s.holds, s.replaces_it) = (Some(LicenseId(4000)), true)),
                Fate::Moved(incarnation(), bound),
            ),
        ] {
            assert_eq!(got, want, "{case}");
        }
    }

    /// Only a license that `bind` takes for the service is advised.
    #[test]
    fn the_former_license_is_advised_only_if_it_fits() {
        use LicenseState as S;
        let catalogue = Catalogue::builtin();
        let wanted = |name| catalogue.get(name).expect("a product");
        let row = |state| LicenseRow { state, ..test_row(5001) };
        let former = GiveAgain::Former(LicenseId(5001));
        for (case, row, name, want) in [
            ("to be freed", Some(row(S::ToFree)), "55227", former),
            ("stopped", Some(row(S::Stopped)), "55227", former),
            ("in the pool", Some(row(S::Pool)), "55227", former),
            ("another tariff", Some(row(S::Pool)), "55228", GiveAgain::Another),
            ("another family", Some(row(S::Pool)), "9203", GiveAgain::Another),
            ("serves another service", Some(row(S::Bound)), "55227", GiveAgain::Another),
            ("is taken for another service", Some(row(S::Claimed)), "55227", GiveAgain::Another),
            ("gone", Some(row(S::Deleted)), "55227", GiveAgain::Another),
            ("not known, or of another account", None, "55227", GiveAgain::Another),
        ] {
            assert_eq!(give_again(row.as_ref(), wanted(name)), want, "{case}");
        }
    }

    /// A license that serves its service, or bears the mark of another of its orders, was not bought by this one.
    #[test]
    fn an_order_did_not_buy_what_another_order_of_its_service_brought() {
        let mark = |panel: &str, item, number| Mark::Order {
            panel: PanelId::parse(panel).expect("an id"),
            item: ItemId(item),
            number,
        };
        let order = mark("abcdefgh", 42, 1);
        let pool = Mark::Pool { panel: PanelId::parse("abcdefgh").expect("an id") };
        for (case, serves, found, want) in [
            ("no mark", false, None, None),
            ("its own mark", false, Some(mark("abcdefgh", 42, 1)), None),
            ("the next order's", false, Some(mark("abcdefgh", 42, 2)), Some(Misnamed::OfOrder(2))),
            ("another service's, which is asked about elsewhere", false, Some(mark("abcdefgh", 43, 2)), None),
            ("another installation's, likewise", false, Some(mark("zzzzzzzz", 42, 2)), None),
            ("free", false, Some(pool), None),
            ("it serves the service", true, None, Some(Misnamed::Serves)),
            ("it serves the service, with the mark", true, Some(mark("abcdefgh", 42, 1)), Some(Misnamed::Serves)),
        ] {
            assert_eq!(misnamed(&order, serves, found.as_ref()), want, "{case}");
        }
    }

    /// Only the close of its service gives an order up.
    #[test]
    fn only_an_order_of_a_closed_service_is_given_up() {
        use IntentStatus as S;
        assert!(is_given_up(S::FreeWhenAppears));
        for status in [S::InDoubt, S::HandedOver, S::Done, S::Refused, S::NotSent, S::NotHappened] {
            assert!(!is_given_up(status), "{status:?}");
        }
    }
}
