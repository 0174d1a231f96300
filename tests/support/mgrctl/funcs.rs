//! The panel's side of mgrctl: the functions of docs/interface.md 1 to 4 on the tables of the private MariaDB.
use super::{Call, Failure, Panel};
use crate::support::mariadb;
use crate::support::upstream::element;
use chrono::{Days, Months, NaiveDate};
use mysql::prelude::Queryable;
use mysql::{Conn, Params, params};

type Done = Result<String, Failure>;
const OK: &str = "<ok/>";

struct Desk<'a> {
    panel: &'a Panel,
    call: &'a Call,
    conn: Conn,
}

/// One call on the panel's tables; what is inside `<doc>`.
pub fn perform(panel: &Panel, call: &Call) -> Done {
    // paramlist comes from the panel's own settings: it answers even when the database is down.
    if call.func == "paramlist" {
        let one = |(name, value): (&String, &String)| format!("<elem>{}</elem>", element(name, value));
        return Ok(panel.paramlist.iter().map(one).collect());
    }
    if call.func == "exit" {
        return Ok(OK.into());
    }
    let opts = mariadb::opts(&panel.socket, &panel.database);
    let conn = Conn::new(opts).map_err(|e| Failure::new("database", "", &e.to_string()))?;
    let mut desk = Desk { panel, call, conn };
    match call.func.as_str() {
        "processing.edit" => desk.module(),
        "service.saveparam" => desk.save(),
        "service.postopen" => desk.open(None),
        "service.postsuspend" => desk.status(3),
        "service.postresume" | "service.postreopen" => desk.status(2),
        "service.postclose" => desk.status(4),
        "service.postprolong" => desk.prolong(),
        "service.postsetparam" => desk.posted(),
        "service.changepricelist.rollback" => desk.rollback(),
        "service.setstatus" => desk.set("status", "service_status"),
        "service.setexpiredate" => desk.set("expiredate", "expiredate"),
        "runningoperation.edit" => desk.errorxml(),
        "runningoperation.setmanual" => desk.operation().map(|_| OK.into()),
        "task.gettype" => desk.need("operation").map(|_| element("task_type", &panel.task_type)),
        "task.edit" => desk.task(),
        "problems.register" => desk.need("name").map(|_| OK.into()),
        "processing.import.service" => desk.import(),
        other => match other.strip_suffix(".open") {
            Some(itemtype) => desk.open(Some(itemtype.to_owned())),
            None => Err(Failure::new("missed", "func", &format!("The function {other} does not exist"))),
        },
    }
}

impl Desk<'_> {
    fn need(&self, name: &str) -> Result<&str, Failure> {
        let value = self.call.get(name).filter(|v| !v.is_empty());
        value.ok_or_else(|| Failure::new("missed", name, &format!("The required field {name} is empty")))
    }

    fn sok(&self) -> Result<(), Failure> {
        if self.call.get("sok") == Some("ok") {
            Ok(())
        } else {
            Err(Failure::new("missed", "sok", "Nothing was done without sok=ok"))
        }
    }

    fn rows<P: Into<Params>>(&mut self, sql: &str, params: P) -> Result<Vec<Vec<Option<String>>>, Failure> {
        mariadb::rows(&mut self.conn, sql, params).map_err(|e| Failure::new("database", "", &e.to_string()))
    }

    fn exec<P: Into<Params>>(&mut self, sql: &str, params: P) -> Result<u64, Failure> {
        let done = self.conn.exec_drop(sql, params);
        done.map_err(|e| Failure::new("database", "", &e.to_string()))?;
        Ok(self.conn.affected_rows())
    }

    /// The item of `elid`, which must be there; a call that changes it must say sok=ok.
    fn item(&mut self) -> Result<String, Failure> {
        self.sok()?;
        let elid = self.need("elid")?.to_owned();
        let found = self.rows("SELECT id FROM item WHERE id = ?", (&elid,))?;
        if found.is_empty() {
            Err(Failure::new("missed", "elid", &format!("There is no service {elid}")))
        } else {
            Ok(elid)
        }
    }

    fn posted(&mut self) -> Done {
        self.item().map(|_| OK.into())
    }

    fn status(&mut self, status: i32) -> Done {
        let elid = self.item()?;
        self.exec("UPDATE item SET status = ? WHERE id = ?", (status, elid))?;
        Ok(OK.into())
    }

    fn set(&mut self, column: &str, argument: &str) -> Done {
        let elid = self.need("elid")?.to_owned();
        let value = self.need(argument)?.to_owned();
        self.exec(&format!("UPDATE item SET {column} = ? WHERE id = ?"), (value, elid))?;
        Ok(OK.into())
    }

    fn module(&mut self) -> Done {
        let elid = self.need("elid")?.to_owned();
        let module = self.rows("SELECT module, name, active FROM processingmodule WHERE id = ?", (&elid,))?;
        let Some(module) = module.into_iter().next() else {
            return Err(Failure::new("missed", "elid", &format!("There is no processing module {elid}")));
        };
        let mut out = element("elid", &elid);
        for (tag, value) in ["module", "name", "active"].iter().zip(module) {
            out += &element(tag, &value.unwrap_or_default());
        }
        let sql = "SELECT intname, value FROM processingparam WHERE processingmodule = ? AND intname <> 'period_align'";
        for row in self.rows(sql, (&elid,))? {
            let mut row = row.into_iter().map(Option::unwrap_or_default);
            let (name, value) = (row.next().unwrap_or_default(), row.next().unwrap_or_default());
            out += &element(&name, &value);
        }
        if let Some(password) = self.panel.passwords.get(&elid) {
            out += &element("password", password);
        }
        Ok(out)
    }

    /// Form (a) `name= value=`, without a value deleting; form (b) NAME=VALUE, several at once.
    fn save(&mut self) -> Done {
        let elid = self.item()?;
        let crypted = self.call.get("crypted") == Some("on");
        if self.panel.saveparam_refuses_empty
            && let Some((name, _)) = self.call.args.iter().find(|(_, value)| value.is_empty())
        {
            return Err(Failure::new("missed", name, &format!("The required field {name} is empty")));
        }
        if let Some(name) = self.call.get("name").map(str::to_owned) {
            let value = self.call.get("value").map(str::to_owned);
            return self.save_one(&elid, &name, value, crypted);
        }
        if self.panel.saveparam_refuses_names {
            return Err(Failure::new("missed", "name", "The required field name is empty"));
        }
        let own = ["elid", "sok", "crypted", "out", "lang"];
        let named: Vec<(String, String)> =
            self.call.args.iter().filter(|(n, _)| !own.contains(&n.as_str())).cloned().collect();
        for (name, value) in named {
            self.save_one(&elid, &name, Some(value), crypted)?;
        }
        Ok(OK.into())
    }

    fn save_one(&mut self, elid: &str, name: &str, value: Option<String>, crypted: bool) -> Done {
        let table = if crypted { "itemcryptedparam" } else { "itemparam" };
        match value {
            Some(value) => self.exec(&format!("REPLACE INTO {table} VALUES (?, ?, ?)"), (elid, name, value))?,
            None => self.exec(&format!("DELETE FROM {table} WHERE item = ? AND intname = ?"), (elid, name))?,
        };
        Ok(OK.into())
    }

    /// The service becomes active; an empty end is set from its period. ITEMTYPE.open wants the right type.
    fn open(&mut self, itemtype: Option<String>) -> Done {
        let elid = self.item()?;
        let sql = "SELECT t.intname, i.expiredate, i.period FROM item i JOIN pricelist p ON p.id = i.pricelist \
                   JOIN itemtype t ON t.id = p.itemtype WHERE i.id = ?";
        let row = self.rows(sql, (&elid,))?.into_iter().next().unwrap_or_default();
        let mut row = row.into_iter();
        let (kind, end, period) = (row.next().flatten(), row.next().flatten(), row.next().flatten());
        if itemtype.is_some() && itemtype != kind {
            return Err(Failure::new("missed", "func", "The service is of another type"));
        }
        let today = chrono::Utc::now().date_naive();
        let period = period.and_then(|p| p.parse().ok()).unwrap_or(0);
        let end = end.or_else(|| moved(today, period).map(|d| d.to_string()));
        if self.panel.post_open_both {
            let sql = match itemtype {
                Some(_) => "UPDATE item SET status = 5, opendate = COALESCE(opendate, ?), expiredate = ? WHERE id = ?",
                None => "UPDATE item SET status = 2 WHERE opendate <= ? AND expiredate <=> ? AND id = ?",
            };
            self.exec(sql, (today.to_string(), end, elid))?;
            return Ok(OK.into());
        }
        let sql = "UPDATE item SET status = 2, opendate = COALESCE(opendate, ?), expiredate = ? WHERE id = ?";
        self.exec(sql, (today.to_string(), end, elid))?;
        Ok(OK.into())
    }

    fn prolong(&mut self) -> Done {
        let elid = self.item()?;
        if self.panel.post_moves_end {
            let row = self
                .rows("SELECT expiredate, period FROM item WHERE id = ?", (&elid,))?
                .into_iter()
                .next()
                .unwrap_or_default();
            let mut row = row.into_iter().map(Option::unwrap_or_default);
            let (end, period) = (row.next().unwrap_or_default(), row.next().unwrap_or_default());
            let next = end.parse().ok().and_then(|end| moved(end, period.parse().unwrap_or(0)));
            if let Some(next) = next {
                self.exec("UPDATE item SET expiredate = ? WHERE id = ?", (next.to_string(), elid))?;
            }
        }
        Ok(OK.into())
    }

    fn rollback(&mut self) -> Done {
        let elid = self.item()?;
        let sql = "UPDATE item SET pricelist = lastpricelist, lastpricelist = NULL WHERE id = ? AND lastpricelist > 0";
        if self.exec(sql, (&elid,))? == 0 {
            return Err(Failure::new("missed", "lastpricelist", "There is nothing to go back to"));
        }
        Ok(OK.into())
    }

    /// The running operation of `elid`.
    fn operation(&mut self) -> Result<String, Failure> {
        let elid = self.need("elid")?.to_owned();
        let found = self.rows("SELECT id FROM runningoperation WHERE id = ?", (&elid,))?;
        if found.is_empty() {
            Err(Failure::new("missed", "elid", &format!("There is no operation {elid}")))
        } else {
            Ok(elid)
        }
    }

    fn errorxml(&mut self) -> Done {
        self.sok()?;
        let elid = self.operation()?;
        let xml = self.need("errorxml")?.to_owned();
        self.exec("UPDATE runningoperation SET errorxml = ? WHERE id = ?", (xml, elid))?;
        Ok(OK.into())
    }

    fn task(&mut self) -> Done {
        self.sok()?;
        self.need("type")?;
        let (operation, item) =
            (self.call.get("runningoperation").map(str::to_owned), self.call.get("item").map(str::to_owned));
        self.exec("INSERT INTO task (runningoperation, item, status) VALUES (?, ?, 0)", (operation, item))?;
        Ok(element("id", &self.conn.last_insert_id().to_string()))
    }

    /// The parameter that an import needs if a module serves several types.
    fn typed(&mut self, tariff: &str) -> Result<(), Failure> {
        let sql = "SELECT t.intname FROM pricelist p JOIN itemtype t ON t.id = p.itemtype WHERE p.id = ?";
        let kind = self.rows(sql, (tariff,))?.into_iter().flatten().flatten().next().unwrap_or_default();
        let wrong = |name: &str| Failure::new("value", name, &format!("The field {name} does not fit"));
        if self.need("import_itemtype_intname")? != kind {
            return Err(wrong("import_itemtype_intname"));
        }
        if self.need("service_status")? == self.need("status")? { Ok(()) } else { Err(wrong("service_status")) }
    }

    /// A new item without a client, its parameters all that the panel does not know as its own.
    fn import(&mut self) -> Done {
        self.sok()?;
        let (module, code) = (self.need("module")?.to_owned(), self.need("import_pricelist_intname")?.to_owned());
        let tariff = self.rows("SELECT id FROM pricelist WHERE intname = ? AND parent IS NULL", (&code,))?;
        let Some(tariff) = tariff.into_iter().next().and_then(|r| r.into_iter().next().flatten()) else {
            return Err(Failure::new("missed", "import_pricelist_intname", &format!("There is no tariff plan {code}")));
        };
        if self.panel.typed_import {
            self.typed(&tariff)?;
        }
        let name = self.need("import_service_name")?.to_owned();
        let (period, status, end) =
            (self.need("period")?.to_owned(), self.need("status")?.to_owned(), self.call.get("expiredate"));
        let insert = params! { "name" => name, "tariff" => tariff, "module" => module, "period" => period,
        "status" => status, "end" => end.filter(|e| !e.is_empty()) };
        self.exec(
            "INSERT INTO item (name, pricelist, processingmodule, period, status, expiredate, opendate, createdate) \
             VALUES (:name, :tariff, :module, :period, :status, :end, CURRENT_DATE, NOW())",
            insert,
        )?;
        let id = self.conn.last_insert_id().to_string();
        for name in ["ip", "remoteip", "licname", "lickey", "licid"] {
            if let Some(value) = self.call.get(name).map(str::to_owned) {
                self.save_one(&id, name, Some(value), false)?;
            }
        }
        Ok(element("service_id", &id))
    }
}

/// The end of a period that begins on that day: months clamped, -50 a day, lifetime and trial without an end of
/// theirs.
fn moved(from: NaiveDate, period: i32) -> Option<NaiveDate> {
    match period {
        -50 => Some(from + Days::new(1)),
        -100 => Some(from + Days::new(14)),
        0 => None,
        months => from.checked_add_months(Months::new(u32::try_from(months).ok()?)),
    }
}
