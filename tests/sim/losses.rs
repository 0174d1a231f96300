//! The log of two machines loses its newest entries (docs/cluster.md). A machine that has them writes them again; the
//! other one writes nothing until then.

use pmisplicense::model::command::ItemCommand;

use crate::faults::Mode;
use crate::machines::machine_of;
use crate::play::Stage;
use crate::world::Job;

/// Runs after a loss have tags from here on.
const LOST: usize = 1 << 16;

/// How long the machine that has the entries is away. The other one may write after a settling time.
const AWAY_S: i64 = 300;

impl Stage<'_> {
    /// The machine that may lack the entries looks at a service, and then sync runs on the one that has them.
    pub fn log_loses_end(&mut self, entries: usize) {
        let Some(machines) = self.image.machines() else { return };
        let (before, sends) = (machines.places(), self.world.borrow().sends);
        let Some(ahead) = self.lose_end(entries, false) else { return };
        let mode = std::mem::replace(&mut self.world.borrow_mut().faults.mode, Mode::Off);
        let was_quiet = machines.set_quiet(true);
        let lost = before.len() - machines.places().len();
        self.world.borrow_mut().say(|_| format!("the log loses {lost} entries; machine {ahead} has them"));
        let look = Job::Item { item: 1, command: ItemCommand::SyncItem, op: None };
        self.group(&[look], on(1 - ahead, 0));
        self.world.borrow_mut().advance(1000 * AWAY_S);
        self.group(&[Job::SyncAll], on(ahead, 1));
        machines.set_quiet(was_quiet);
        let mut world = self.world.borrow_mut();
        world.faults.mode = mode;
        if !machines.places().starts_with(&before) {
            world.violation("S2", "lost entries not written again", format!("{lost} entries of machine {ahead}"));
        }
        let sent = world.sends - sends;
        if lost > 0 && sent > 0 {
            world.violation("S1", "sent though the log lost entries", format!("{sent} requests"));
        }
    }

    /// As `Machines::lose_end`. Afterwards the state that the checks read is opened anew.
    pub fn lose_end(&mut self, entries: usize, unnoticed: bool) -> Option<usize> {
        let ahead = self.image.machines()?.lose_end(entries, unnoticed)?;
        self.world.borrow_mut().store = self.image.look();
        Some(ahead)
    }
}

/// A tag of a run on a machine.
fn on(machine: usize, round: usize) -> usize {
    let tag = LOST + 16 * round;
    tag + 8 * usize::from(machine_of(tag) != machine)
}
