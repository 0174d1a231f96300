//! Checks a state: its pages, by SQLite, and its values, by this program.

use rusqlite::Row;

use super::{LAST_NUMBER, Store, StoreError, cell, items, journal, licenses, purchases, sync_passes};

impl Store {
    /// What is wrong with the file; empty: nothing. Every value is read once. A query for known words would not find a
    /// row with an unreadable value, which may be a purchase in doubt.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn integrity(&self) -> Result<Vec<String>, StoreError> {
        let mut statement = self.conn.prepare("PRAGMA integrity_check(20)")?;
        let lines = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
        let wrong: Vec<String> = lines.into_iter().filter(|line| line != "ok").collect();
        if !wrong.is_empty() {
            return Ok(wrong);
        }
        match self.read_everything() {
            Ok(()) => Ok(Vec::new()),
            Err(StoreError::Unusable(why) | StoreError::Unreadable(why)) => Ok(vec![why]),
            Err(error) => Err(error),
        }
    }

    fn read_everything(&self) -> Result<(), StoreError> {
        self.number(LAST_NUMBER)?;
        self.accounts()?;
        self.each("license", &[licenses::SELECT, "TRUE"].concat(), licenses::read_row)?;
        self.each("item", items::SELECT_ITEM, items::read_item)?;
        self.each("payment", items::SELECT_PAYMENT, items::read_payment)?;
        self.each("intent", &[journal::SELECT, "TRUE"].concat(), journal::read_intent)?;
        self.each("cost", purchases::PURCHASES, purchases::read)?;
        self.each("foreseen", sync_passes::SELECT_FORESEEN, |row| sync_passes::read_foreseen(row, 0))?;
        self.each("trouble", sync_passes::SELECT_TROUBLE, sync_passes::read_trouble)
    }

    fn each<T>(
        &self,
        table: &'static str,
        sql: &str,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<(), StoreError> {
        let mut statement = self.conn.prepare(sql)?;
        for row in statement.query_map([], cell::of(table, read))? {
            row?;
        }
        Ok(())
    }
}
