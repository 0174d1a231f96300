//! The commands that the panel may still send for a closed service (docs/licensing-rules.md 5).

use crate::model::command::ItemCommand;
use crate::model::item::ItemStatus;

/// Whether a command would give a closed service a license, and is refused. BILLmanager cannot restore a deleted
/// service, so such an operation is older than the close (docs/panel-protocol.md 10). The other commands end well for a
/// closed service: they buy and start nothing there.
pub fn comes_too_late(command: ItemCommand, status: ItemStatus) -> bool {
    let gives_a_license = match command {
        ItemCommand::Open | ItemCommand::Reopen | ItemCommand::Resume => true,
        ItemCommand::Suspend
        | ItemCommand::Close
        | ItemCommand::Prolong
        | ItemCommand::CancelProlong
        | ItemCommand::Setparam
        | ItemCommand::SyncItem
        | ItemCommand::GenKey => false,
    };
    match status {
        ItemStatus::Deleted => gives_a_license,
        ItemStatus::Ordered
        | ItemStatus::Active
        | ItemStatus::Suspended
        | ItemStatus::Processing
        | ItemStatus::Unknown(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The row of a number that was given again shows another status than that of a closed service.
    #[test]
    fn only_a_closed_service_is_refused_a_license() {
        use ItemCommand as C;
        let refused = [C::Open, C::Reopen, C::Resume];
        let others = [C::Suspend, C::Close, C::Prolong, C::CancelProlong, C::Setparam, C::SyncItem, C::GenKey];
        for command in refused.into_iter().chain(others) {
            for (status, is_closed) in [
                (ItemStatus::Ordered, false),
                (ItemStatus::Active, false),
                (ItemStatus::Suspended, false),
                (ItemStatus::Deleted, true),
                (ItemStatus::Processing, false),
                (ItemStatus::Unknown(9), false),
            ] {
                let want = is_closed && refused.contains(&command);
                assert_eq!(comes_too_late(command, status), want, "{command:?} {status:?}");
            }
        }
    }
}
