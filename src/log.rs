//! The log: one line per effect, secrets masked, never stdout (PANEL.md 6). Keeps the run's last lines for the error
//! that is saved to the running operation.
