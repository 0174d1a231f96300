//! Facts about items in our state: closes, the choice last carried out, the settled end, payments
//! (docs/licensing-rules.md 5).

use chrono::{Duration, NaiveDate};
use rusqlite::{Connection, OptionalExtension, params};

use super::{OPERATION_DAYS, Store, StoreError, Tx, cell};
use crate::model::creation::is_same_creation;
use crate::model::ids::{ClientId, ItemId, LicenseId, RunningOperationId};
use crate::model::item::Item;
use crate::model::journal::Incarnation;
use crate::model::payment::Payment;

/// What is remembered of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemRow {
    /// The client of the service: the first one that was seen, until another one is accepted ([`Tx::set_client`]).
    pub client: ClientId,
    /// Closes finished.
    pub closes: u32,
    /// The internal name that was carried out last.
    pub choice: Option<String>,
    /// The license that its present incarnation held last.
    pub last_license: Option<LicenseId>,
    /// The settled end. A later end is a new payment.
    pub settled_end: Option<NaiveDate>,
}

pub(super) const SELECT_ITEM: &str = "SELECT client, closes, choice, last_license, settled_end, id FROM item";

pub(super) fn read_item(row: &rusqlite::Row<'_>) -> rusqlite::Result<ItemRow> {
    Ok(ItemRow {
        client: ClientId(row.get(0)?),
        closes: row.get(1)?,
        choice: row.get(2)?,
        last_license: row.get::<_, Option<u32>>(3)?.map(LicenseId),
        settled_end: cell::day(row, 4)?,
    })
}

pub(super) const SELECT_PAYMENT: &str =
    "SELECT paid_end, license, expires_before, item_end_before, finished, incarnation FROM payment";

pub(super) fn read_payment(row: &rusqlite::Row<'_>) -> rusqlite::Result<Payment> {
    Ok(Payment {
        paid_end: cell::day(row, 0)?.ok_or_else(|| cell::unreadable(0, "it is not a day"))?,
        license: row.get::<_, Option<u32>>(1)?.map(LicenseId),
        expires_before: cell::day(row, 2)?,
        item_end_before: cell::day(row, 3)?,
        finished: cell::flag(row, 4)?,
    })
}

/// The text of the moment of creation by which our state knows an incarnation. Idempotency keys, bindings and payments
/// hold that text, even if the panel's database now shows the same moment in another form. For a new incarnation it is
/// the given text.
fn recorded_creation(conn: &Connection, item: ItemId, created: &str) -> Result<String, StoreError> {
    let mut statement = conn.prepare_cached("SELECT created FROM item WHERE id = ?1 ORDER BY created = ?2 DESC")?;
    let mut rows = statement.query(params![item.0, created])?;
    while let Some(row) = rows.next()? {
        let known: String = row.get(0)?;
        if is_same_creation(&known, created) {
            return Ok(known);
        }
    }
    Ok(created.to_owned())
}

impl Store {
    /// What is remembered of an item. `None` for an item that no command has handled.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn item(&self, item: ItemId, created: &str) -> Result<Option<ItemRow>, StoreError> {
        self.recorded_item(item, &recorded_creation(&self.conn, item, created)?)
    }

    fn recorded_item(&self, item: ItemId, created: &str) -> Result<Option<ItemRow>, StoreError> {
        let mut statement = self.conn.prepare_cached(&[SELECT_ITEM, " WHERE id = ?1 AND created = ?2"].concat())?;
        Ok(statement.query_row(params![item.0, created], cell::of("item", read_item)).optional()?)
    }

    /// The present incarnation of an item.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn incarnation(&self, item: &Item) -> Result<Incarnation, StoreError> {
        self.incarnation_at(item.id, &item.created)
    }

    /// As [`Store::incarnation`], for a number and its moment of creation in the panel.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn incarnation_at(&self, item: ItemId, created: &str) -> Result<Incarnation, StoreError> {
        let created = recorded_creation(&self.conn, item, created)?;
        let closes = self.recorded_item(item, &created)?.map_or(0, |row| row.closes);
        Ok(Incarnation { item, created, closes })
    }

    /// Whether a license serves a service, or served it once, according to our journal. Only lines of closed services
    /// are ever pruned.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn was_of_item(&self, item: ItemId, license: LicenseId) -> Result<bool, StoreError> {
        let mut statement =
            self.conn.prepare_cached("SELECT EXISTS (SELECT 1 FROM journal WHERE item = ?1 AND license = ?2)")?;
        Ok(statement.query_row(params![item.0, license.0], |row| row.get(0))?)
    }

    /// The paid end that a running operation of the last 20 days is for.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn payment_of_run(
        &self,
        incarnation: &Incarnation,
        operation: Option<RunningOperationId>,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Result<Option<NaiveDate>, StoreError> {
        let oldest = (now - Duration::days(OPERATION_DAYS)).timestamp();
        let mut statement = self.conn.prepare_cached(
            "SELECT paid_end, incarnation FROM payment_run WHERE incarnation = ?1 AND operation = ?2 AND at >= ?3",
        )?;
        let operation = operation.map_or(0, |operation| operation.0);
        let read = |row: &rusqlite::Row<'_>| cell::day(row, 0);
        Ok(statement
            .query_row(params![incarnation.to_string(), operation, oldest], cell::of("payment_run", read))
            .optional()?
            .flatten())
    }

    /// A payment by its paid end.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn payment(&self, incarnation: &Incarnation, paid_end: NaiveDate) -> Result<Option<Payment>, StoreError> {
        let mut statement =
            self.conn.prepare_cached(&[SELECT_PAYMENT, " WHERE incarnation = ?1 AND paid_end = ?2"].concat())?;
        Ok(statement
            .query_row(params![incarnation.to_string(), paid_end.to_string()], cell::of("payment", read_payment))
            .optional()?)
    }
}

impl Tx<'_> {
    /// Makes sure that the item has a row. The row keeps the first client until [`Tx::set_client`].
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn touch_item(&self, item: &Item) -> Result<(), StoreError> {
        let created = recorded_creation(self.conn, item.id, &item.created)?;
        self.run(
            "INSERT INTO item (id, created, client) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            params![item.id.0, created, item.client.0],
        )
    }

    /// Writes down that the service belongs to another client now, as its row in the panel says.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn set_client(&self, item: &Item) -> Result<(), StoreError> {
        self.touch_item(item)?;
        let created = recorded_creation(self.conn, item.id, &item.created)?;
        self.run(
            "UPDATE item SET client = ?3 WHERE id = ?1 AND created = ?2",
            params![item.id.0, created, item.client.0],
        )
    }

    /// Remembers the internal name that was carried out.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn set_choice(&self, item: &Item, internal_name: &str) -> Result<(), StoreError> {
        self.touch_item(item)?;
        let created = recorded_creation(self.conn, item.id, &item.created)?;
        self.run(
            "UPDATE item SET choice = ?3 WHERE id = ?1 AND created = ?2",
            params![item.id.0, created, internal_name],
        )
    }

    /// Remembers the settled end; `None` for a service without end.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn set_settled_end(&self, item: &Item, end: Option<NaiveDate>) -> Result<(), StoreError> {
        self.touch_item(item)?;
        let created = recorded_creation(self.conn, item.id, &item.created)?;
        self.run(
            "UPDATE item SET settled_end = ?3 WHERE id = ?1 AND created = ?2",
            params![item.id.0, created, end.map(|day| day.to_string())],
        )
    }

    /// Counts a finished close: the next license of this item belongs to another incarnation.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn end_incarnation(&self, incarnation: &Incarnation) -> Result<(), StoreError> {
        self.run(
            "UPDATE item SET closes = ?3 + 1, choice = NULL, last_license = NULL, settled_end = NULL
             WHERE id = ?1 AND created = ?2 AND closes = ?3",
            params![incarnation.item.0, incarnation.created, incarnation.closes],
        )
    }

    /// Writes down the situation that the first run for a paid end found. Later runs change nothing.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn begin_payment(
        &self,
        incarnation: &Incarnation,
        operation: Option<RunningOperationId>,
        payment: &Payment,
    ) -> Result<(), StoreError> {
        let day = |day: Option<NaiveDate>| day.map(|day| day.to_string());
        let paid_end = payment.paid_end.to_string();
        self.run(
            "INSERT INTO payment (incarnation, paid_end, license, expires_before, item_end_before)
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
            params![
                incarnation.to_string(),
                paid_end,
                payment.license.map(|license| license.0),
                day(payment.expires_before),
                day(payment.item_end_before)
            ],
        )?;
        self.run(
            "INSERT INTO payment_run (incarnation, operation, paid_end, at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET paid_end = ?3, at = ?4",
            params![
                incarnation.to_string(),
                operation.map_or(0, |operation| operation.0),
                paid_end,
                self.now.timestamp()
            ],
        )
    }

    /// Finishes a payment: its paid end becomes the settled end, unless that is later already.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn finish_payment(&self, incarnation: &Incarnation, paid_end: NaiveDate) -> Result<(), StoreError> {
        let day = paid_end.to_string();
        self.run(
            "UPDATE payment SET finished = 1 WHERE incarnation = ?1 AND paid_end = ?2",
            params![incarnation.to_string(), day],
        )?;
        self.run(
            "UPDATE item SET settled_end = ?3 WHERE id = ?1 AND created = ?2 AND (settled_end IS NULL OR settled_end < ?3)",
            params![incarnation.item.0, incarnation.created, day],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::PanelId;
    use crate::model::item::test_item;
    use crate::store::moment;

    /// The panel's database now shows the moment of creation in another form. Earlier rows are found, and continued,
    /// under the first text.
    #[test]
    fn an_incarnation_keeps_the_text_of_its_first_sight() -> Result<(), StoreError> {
        let panel = PanelId::parse("simulate").expect("eight letters");
        let store = Store::in_memory(&panel)?;
        let born = |created: &str| Item { created: created.into(), ..test_item(42) };
        let first = born("2026-11-01 09:30:00");
        store.write(moment(1), |tx| tx.set_choice(&first, "55227"))?;
        let incarnation = store.incarnation(&first)?;
        for created in ["2026-11-01", "2026-11-01 00:00:00"] {
            let now = born(created);
            assert_eq!(store.incarnation(&now)?, incarnation, "{created}");
            assert_eq!(store.item(now.id, created)?.and_then(|row| row.choice).as_deref(), Some("55227"), "{created}");
            store.write(moment(2), |tx| tx.set_settled_end(&now, now.expires))?;
        }
        let rows: u32 = store.conn.query_row("SELECT count(*) FROM item", [], |row| row.get(0))?;
        assert_eq!(rows, 1);
        store.write(moment(3), |tx| tx.end_incarnation(&incarnation))?;
        assert_eq!(store.incarnation(&born("2026-11-01"))?.closes, 1);
        assert_eq!(store.incarnation(&born("2026-11-02"))?.created, "2026-11-02", "another day is another incarnation");
        Ok(())
    }
}
