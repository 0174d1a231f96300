//! The course of a test until some moment, for the message of a failing assertion. It is kept after every run and
//! needed only by a run that fails, so it is put into words when somebody asks.
use super::harness::Test;
use super::{mgrctl, orderbox, upstream};
use std::fmt;

#[derive(Clone, Default)]
pub struct Story {
    sent: Vec<upstream::Request>,
    orders: Vec<orderbox::Request>,
    /// The journal of mgrctl as it lies in its file.
    calls: String,
    log: String,
}

impl Story {
    pub fn of(test: &Test) -> Self {
        Self {
            sent: test.upstream.requests(),
            orders: test.orderbox.iter().flat_map(orderbox::OrderBox::requests).collect(),
            calls: std::fs::read_to_string(mgrctl::journal_path(test.root())).unwrap_or_default(),
            log: test.log(),
        }
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "upstream:")?;
        for request in &self.sent {
            writeln!(f, "  {} -> {} {:?}", request.line(), request.outcome, request.fault)?;
        }
        if !self.orders.is_empty() {
            writeln!(f, "OrderBox:")?;
        }
        for request in &self.orders {
            writeln!(f, "  {} -> {} {:?}", request.line(), request.outcome, request.fault)?;
        }
        writeln!(f, "mgrctl:")?;
        for call in mgrctl::parse_journal::<mgrctl::Call>(&self.calls) {
            writeln!(f, "  {} {:?}", call.line(), call.fault)?;
        }
        write!(f, "log:\n{}", self.log)
    }
}

impl fmt::Debug for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
