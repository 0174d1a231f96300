//! Pure decisions: a function gets what is wanted, what was seen and the date, and returns what is done next. No I/O,
//! no clock, no state. Every rule of docs/licensing-rules.md and docs/money-safety.md that decides something is here,
//! beside a table of its cases.

pub mod bind;
pub mod bundled;
pub mod change;
pub mod check;
pub mod choice;
pub mod cost;
pub mod explain;
pub mod finding;
pub mod freeing;
pub mod guard;
pub mod halt;
pub mod hosting;
pub mod identity;
pub mod import;
pub mod in_doubt;
pub mod old_state;
pub mod order;
pub mod outward;
pub mod pool;
pub mod reason;
pub mod reconcile;
pub mod renew;
pub mod resolution;
pub mod takeover;
