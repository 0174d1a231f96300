//! Reads the table of WHMCS's module billmanager_noc from WHMCS's own database: one query, over a session that may
//! only read. The password comes in the URL or from outside, and appears in no error.

use mysql::prelude::Queryable;
use mysql::{Opts, OptsBuilder, Row};

use super::Columns;
use super::connect::{ConnectError, connect, with_session};
use crate::model::whmcs::Record;
use crate::ports::DbError;

/// The largest number of rows that is accepted, more than any reseller has.
const MAX_ROWS: usize = 1_000_000;

/// Where WHMCS's database is.
pub struct Place {
    opts: Opts,
}

impl Place {
    /// From `mysql://user[:password]@host[:port]/database[?socket=PATH]`, percent-encoded where needed. `password`:
    /// for a URL without one.
    ///
    /// # Errors
    /// What is wrong with the URL, without repeating it.
    pub fn parse(url: &str, password: Option<String>) -> Result<Self, DbError> {
        let opts = Opts::from_url(url).map_err(|error| DbError::new(format!("the URL cannot be used: {error}")))?;
        if opts.get_db_name().is_none_or(str::is_empty) {
            return Err(DbError::new("the URL names no database: mysql://user@host/DATABASE"));
        }
        let password = opts.get_pass().map(str::to_owned).or(password);
        let opts = OptsBuilder::from_opts(opts).pass(password).prefer_socket(false);
        Ok(Self { opts: with_session(opts).into() })
    }

    /// The password, so that it can be masked everywhere.
    pub fn password(&self) -> Option<&str> {
        self.opts.get_pass()
    }

    fn address(&self) -> String {
        let host = || format!("{}:{}", self.opts.get_ip_or_hostname(), self.opts.get_tcp_port());
        let place = self.opts.get_socket().map_or_else(host, str::to_owned);
        format!("database {} at {place}", self.opts.get_db_name().unwrap_or_default())
    }

    /// All rows of `ispsystem_noc`, in order of its own numbers.
    ///
    /// # Errors
    /// The database does not answer, or has no such table.
    pub fn noc_table(&self) -> Result<Vec<Record>, DbError> {
        let user = self.opts.get_user().unwrap_or_default();
        let failed = |error: mysql::Error| ConnectError::from(error).of(&self.address(), user);
        let mut connection =
            connect(OptsBuilder::from_opts(self.opts.clone())).map_err(|e| e.of(&self.address(), user))?;
        let rows = connection.query_iter("SELECT * FROM ispsystem_noc ORDER BY id").map_err(failed)?;
        let mut records = Vec::new();
        for row in rows {
            if records.len() == MAX_ROWS {
                return Err(DbError::new(format!("{}: more than {MAX_ROWS} rows", self.address())));
            }
            records.push(record(row.map_err(failed)?));
        }
        Ok(records)
    }
}

fn record(row: Row) -> Record {
    let names: Vec<String> = row.columns_ref().iter().map(|column| column.name_str().to_lowercase()).collect();
    let values = Columns::new(row).0;
    names.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A URL of another kind is refused. The password of the URL overrides the one from outside, and is never shown.
    #[test]
    fn a_url_of_another_kind_is_refused_and_no_password_is_shown() {
        let place = |url: &str| Place::parse(url, Some("OUTSIDE".into()));
        for url in [
            "",
            "whmcs.csv",
            "http://u:SECRET@192.0.2.1/db",
            "mysql://u:SECRET@192.0.2.1",
            "mysql://u:SECRET@192.0.2.1/db?bad=1",
        ] {
            let error = place(url).err().expect("refused").cause;
            assert!(!error.contains("SECRET"), "{error}");
        }
        let own = place("mysql://u:p%40ss@192.0.2.1:3307/whmcs").expect("a place");
        assert_eq!((own.password(), own.address().as_str()), (Some("p@ss"), "database whmcs at 192.0.2.1:3307"));
        let outside = place("mysql://u@localhost/whmcs?socket=/run/x.sock").expect("a place");
        assert_eq!(
            (outside.password(), outside.address().as_str()),
            (Some("OUTSIDE"), "database whmcs at /run/x.sock")
        );
    }
}
