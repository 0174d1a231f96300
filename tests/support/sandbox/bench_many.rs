//! What many licenses cost: a pass of sync over lists of 1,000 and more, and lookups in a state of that size. The
//! licenses are copies of one that the real program ordered: the seller's stand-in lists them, the state file holds
//! them, nothing about them is new.
use super::bench::{line, took};
use crate::support::Test;
use pmisplicense::model::ids::{AccountId, LicenseId, UpstreamPricelistId};
use pmisplicense::store::Store;
use std::time::Instant;

/// Sizes when none are asked for.
const SIZES: [u32; 3] = [1_000, 10_000, 100_000];

/// The first copy's number.
const FIRST: u32 = 100_000;

/// So many of the copies wait in the pool.
const POOLED: u32 = 100;

/// Lookups of a kind that are timed.
const LOOKUPS: u32 = 1_000;

pub fn many(sizes: &[u32]) -> Result<(), String> {
    let sizes = if sizes.is_empty() { &SIZES[..] } else { sizes };
    for size in sizes {
        println!("\n{size} licenses");
        let test = Test::new();
        test.soft_item(42, "55227", 12).ip("192.0.2.42").add();
        test.cmd("open", 42).ok();
        copies(&test, *size)?;
        pass(&test, *size)?;
        lookups(&test, *size)?;
    }
    Ok(())
}

/// Copies of the one license, upstream and in the state.
fn copies(test: &Test, size: u32) -> Result<(), String> {
    test.upstream.with(|world| {
        let one = world.licenses.values().next_back().cloned().expect("the license that was ordered");
        for number in 0..size - 1 {
            let mut copy = one.clone();
            copy.id = u64::from(FIRST + number);
            copy.remoteid = String::new();
            world.licenses.insert(copy.id, copy);
        }
    });
    let conn = rusqlite::Connection::open(test.state_path()).map_err(|e| e.to_string())?;
    let columns = "family, module, internal_name, pricelist, nodes, changes, name, ip, last_ip, status, lickey,
         key_before, created, expires, ip_changed, key_changed, since, not_before, reason";
    let sql = format!(
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {copies})
         INSERT INTO license (account, id, state, life, item, mark, {columns})
         SELECT account, {FIRST} + i, CASE WHEN i < {POOLED} THEN 'pool' ELSE 'bound' END, life || '-' || i,
             CASE WHEN i < {POOLED} THEN NULL ELSE {FIRST} + i END, NULL, {columns}
         FROM license, n",
        copies = size - 1
    );
    conn.execute_batch(&sql).map_err(|e| e.to_string())
}

fn pass(test: &Test, size: u32) -> Result<(), String> {
    let run = || {
        let program = test.program(["--command", "sync_server", "--module", "7"]);
        program.limit(std::time::Duration::from_secs(600)).run().ok();
    };
    // The first pass takes in what the copies have not in common with the list; the second has nothing new.
    run();
    let began = Instant::now();
    run();
    let (wall, took) = (began.elapsed(), took(test)?);
    let per_second = f64::from(size) / (took.micros as f64 / 1e6);
    line("sync, nothing new: licenses a second of own CPU", &format!("{per_second:.0}"), "at least 50000");
    line("sync: wall time with the stand-in seller, s", &format!("{:.2}", wall.as_secs_f64()), "");
    line("sync: memory at most, MiB", &format!("{:.1}", took.kib as f64 / 1024.0), "under 40");
    line("sync: written to disk, bytes", &took.written.to_string(), "only what changed");
    Ok(())
}

/// The slowest of the usual questions to a state of that size, in microseconds each.
fn lookups(test: &Test, size: u32) -> Result<(), String> {
    let conn = rusqlite::Connection::open(test.state_path()).map_err(|e| e.to_string())?;
    let store = Store::from_connection(std::rc::Rc::new(conn));
    let account = AccountId(1);
    let time = |ask: &dyn Fn(u32) -> bool| -> Result<f64, String> {
        let began = Instant::now();
        for n in 0..LOOKUPS {
            if !ask(n) {
                return Err(format!("lookup {n} found nothing"));
            }
        }
        Ok(began.elapsed().as_secs_f64() * 1e6 / f64::from(LOOKUPS))
    };
    let spread = |n: u32| FIRST + (n.wrapping_mul(7919) % (size - 1));
    let by_number = time(&|n| store.license(account, LicenseId(spread(n))).is_ok_and(|row| row.is_some()))?;
    line("state: a license by its number, microseconds", &format!("{by_number:.1}"), "under 1000");
    let by_item = time(&|n| {
        let item = FIRST + POOLED + n % (size - 1 - POOLED);
        store.licenses_of_item(pmisplicense::model::ids::ItemId(item)).is_ok_and(|rows| !rows.is_empty())
    })?;
    line("state: what a service has, microseconds", &format!("{by_item:.1}"), "under 1000");
    let pool = time(&|_| store.free_licenses(account, UpstreamPricelistId(55227)).is_ok_and(|rows| !rows.is_empty()))?;
    line(&format!("state: the pool's {POOLED} of a tariff, microseconds"), &format!("{pool:.1}"), "under 2000");
    Ok(())
}
