//! Checks of doctor: services that differ from the ones that our state knows. This check finds them before their
//! licenses run out.

use super::Checks;
use crate::admin::Desk;
use crate::admin::show::our_modules;
use crate::engine::run_to_end;
use crate::session::servers::servers_of;
use crate::session::with_engine;
use crate::store::Store;
use crate::text;

/// A line for each service for which nothing is done until an operator says which service it is. An account that cannot
/// be used is reported by another check.
pub(super) fn identity(desk: &mut Desk<'_>, store: Option<&Store>, checks: &mut Checks) {
    let Some(modules) = store.and_then(|_| our_modules(desk).ok()) else { return };
    let before = checks.0.len();
    for module in modules {
        let Ok(servers) = servers_of(desk.ctx, module) else { continue };
        let Ok(Ok(troubles)) = with_engine(desk.ctx, module, |engine| {
            engine.also_look_at(servers);
            Ok(run_to_end(engine.identity_troubles()))
        }) else {
            continue;
        };
        for trouble in troubles {
            checks.failed("identity", &trouble);
        }
    }
    if checks.0.len() == before {
        checks.ok(
            "identity",
            text!(
                "every service is still the one that its license was bound for",
                "все услуги — те же, для которых привязаны их лицензии"
            ),
        );
    }
}
