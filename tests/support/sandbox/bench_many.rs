//! The price of many licenses: a pass of sync over lists of 1,000 and more, and lookups in a state of that size. The
//! licenses are like one that the real program ordered: the seller's stand-in lists them without holding them, the
//! state file holds them, and nothing about them is new.
use super::bench::{Took, line, took};
use super::bench_cluster;
use crate::support::Test;
use crate::support::upstream::Crowd;
use pmisplicense::model::ids::{AccountId, ItemId, LicenseId, UpstreamPricelistId};
use pmisplicense::store::Store;
use std::time::{Duration, Instant};

/// Sizes when none are asked for; most of the time goes to the last.
const SIZES: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// The first copy's number.
const FIRST: u32 = 100_000;

/// The first number of licenses that no state knows.
const UNKNOWN: u64 = 100_000_000;

/// So many of the copies wait in the pool.
const POOLED: u32 = 100;

/// So many of the copies get another end before the last pass.
const CHANGED: u32 = 100;

/// Passes that are timed; the least counts, because others use the machine too.
const SYNC_PASSES: u32 = 3;

/// Lookups of a kind that are timed.
const LOOKUPS: u32 = 1_000;

pub fn many(sizes: &[u32]) -> Result<(), String> {
    let sizes = if sizes.is_empty() { &SIZES[..] } else { sizes };
    if let Some(small) = sizes.iter().find(|size| **size < 2 * POOLED) {
        return Err(format!("{small} licenses are too few: at least {}", 2 * POOLED));
    }
    for size in sizes {
        println!("\n{size} licenses");
        let test = Test::new();
        test.soft_item(42, "55227", 12).ip("192.0.2.42").add();
        test.cmd("open", 42).ok();
        let alone = least(&test)?.took.micros;
        copies(&test, *size)?;
        measure_sync(&test, *size, alone)?;
        lookups(&test, *size)?;
        pages(&test)?;
        commands(&test, *size);
        bench_cluster::moving_in(&test)?;
    }
    Ok(())
}

/// An administrator's commands over all licenses: memory, and the time of the fastest of some runs.
fn commands(test: &Test, size: u32) {
    for (command, limit) in
        [("list", ""), ("list --json", ""), ("pool", ""), ("pool --json", ""), ("metrics", "under 0.5")]
    {
        measure(test, command, limit);
    }
    // None of these is known to the state, so all of them are listed.
    test.upstream.with(|world| {
        world.crowd.iter_mut().for_each(|crowd| crowd.numbers = UNKNOWN..UNKNOWN + u64::from(size));
    });
    for command in ["import", "import --json"] {
        measure(test, command, "");
    }
}

fn measure(test: &Test, command: &str, limit: &str) {
    let (mut least, mut most) = (Duration::MAX, 0);
    for _ in 0..SYNC_PASSES {
        let program = test.program(command.split(' ')).limit(Duration::from_secs(600));
        let began = Instant::now();
        let (output, kib) = program.spawn().measured();
        output.ok();
        (least, most) = (least.min(began.elapsed()), most.max(kib));
    }
    line(&format!("{command}: memory at most, MiB"), &format!("{:.1}", most as f64 / 1024.0), "under 40");
    line(&format!("{command}: seconds"), &format!("{:.3}", least.as_secs_f64()), limit);
}

/// The pages in the panel, each in the fastest of some runs.
fn pages(test: &Test) -> Result<(), String> {
    for (page, query) in [
        ("licenses", "func=pmisplicense.licenses"),
        ("licenses, the last by name", "func=pmisplicense.licenses&p_num=2&p_sort=name&p_order=desc"),
        ("licenses, filtered", "func=pmisplicense.licenses&text=192.0.2.42"),
        ("what waits", "func=pmisplicense.indoubt"),
        ("pool", "func=pmisplicense.pool"),
        ("one license", "func=pmisplicense.license&elid=42"),
        ("a month", "func=pmisplicense.month"),
    ] {
        let mut least = Duration::MAX;
        for _ in 0..SYNC_PASSES {
            let page = test.program(Vec::<String>::new()).arg0("addon/pmisplicense-pages");
            let page = page.env("AUTH_LEVEL", "29").env("QUERY_STRING", query);
            let began = Instant::now();
            let output = page.run();
            least = least.min(began.elapsed());
            if output.stdout.contains("<error") {
                return Err(output.stdout);
            }
        }
        line(&format!("page of the panel, {page}: seconds"), &format!("{:.3}", least.as_secs_f64()), "under 1");
    }
    Ok(())
}

/// Copies of the one license, the seller and in the state.
fn copies(test: &Test, size: u32) -> Result<(), String> {
    test.upstream.with(|world| {
        let like = world.licenses.values().next_back().cloned().expect("the license that was ordered");
        let numbers = u64::from(FIRST)..u64::from(FIRST + size - 1);
        world.crowd = Some(Crowd { like, numbers, later: 0 });
    });
    let columns = "family, module, internal_name, pricelist, nodes, changes, name, ip, last_ip, status, lickey,
         key_before, created, expires, ip_changed, key_changed, since, not_before, reason";
    let sql = format!(
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {copies})
         INSERT INTO license (account, id, state, incarnation, item, mark, {columns})
         SELECT account, {FIRST} + i, CASE WHEN i < {POOLED} THEN 'pool' ELSE 'bound' END, incarnation || '-' || i,
             CASE WHEN i < {POOLED} THEN NULL ELSE {FIRST} + i END, NULL, {columns}
         FROM license, n",
        copies = size - 1
    );
    state(test)?.execute_batch(&sql).map_err(|e| e.to_string())
}

fn state(test: &Test) -> Result<rusqlite::Connection, String> {
    rusqlite::Connection::open(test.state_path()).map_err(|e| e.to_string())
}

/// A pass of sync: what the program took, and how long the panel waited.
struct SyncPass {
    took: Took,
    wall: Duration,
}

fn sync(test: &Test) -> Result<SyncPass, String> {
    let program = test.program(["--command", "sync_server", "--module", "7"]);
    let began = Instant::now();
    program.limit(Duration::from_secs(600)).run().ok();
    Ok(SyncPass { wall: began.elapsed(), took: took(test)? })
}

/// The pass with the least CPU of several with nothing new; one before them takes in what is.
fn least(test: &Test) -> Result<SyncPass, String> {
    sync(test)?;
    let passes = (0..SYNC_PASSES).map(|_| sync(test)).collect::<Result<Vec<_>, _>>()?;
    passes.into_iter().min_by_key(|pass| pass.took.micros).ok_or_else(|| "no pass".to_owned())
}

/// `alone`: microseconds of CPU of the same run with one license.
fn measure_sync(test: &Test, size: u32, alone: u64) -> Result<(), String> {
    let conn = state(test)?;
    let commits =
        || conn.pragma_query_value(None, "data_version", |row| row.get::<_, i64>(0)).map_err(|e| e.to_string());
    sync(test)?;
    let before = commits()?;
    let SyncPass { took, wall } = least(test)?;
    let is_quiet = commits()? == before;
    let own = took.micros.saturating_sub(alone).max(1);
    let milliseconds = |micros: u64| format!("{:.1}", micros as f64 / 1e3);
    line("sync, nothing new: own CPU, ms", &milliseconds(took.micros), "");
    line("sync, nothing new: of these with one license, ms", &milliseconds(alone), "");
    let per_second = f64::from(size) / (own as f64 / 1e6);
    line("sync, nothing new: licenses a second of the rest", &format!("{per_second:.0}"), "at least 50000");
    line("sync, nothing new: wall time with the stand-ins, s", &format!("{:.2}", wall.as_secs_f64()), "");
    line("sync, nothing new: memory at most, MiB", &format!("{:.1}", took.kib as f64 / 1024.0), "under 40");
    line("sync, nothing new: the state was written to", if is_quiet { "no" } else { "yes" }, "no");
    test.upstream.with(|world| world.crowd.iter_mut().for_each(|crowd| crowd.later = u64::from(CHANGED)));
    let changed = sync(test)?.took.written;
    line(&format!("sync, {CHANGED} with a new end: KiB written"), &(changed / 1024).to_string(), "what changed");
    Ok(())
}

/// The usual questions to a state of that size, all over it, in microseconds each.
fn lookups(test: &Test, size: u32) -> Result<(), String> {
    let store = Store::from_connection(std::rc::Rc::new(state(test)?));
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
    let spread = |n: u32, count: u32| n.wrapping_mul(2_654_435_761) % count;
    let by_number = time(&|n| {
        let id = LicenseId(FIRST + spread(n, size - 1));
        store.license(account, id).is_ok_and(|row| row.is_some())
    })?;
    line("state: a license by its number, microseconds", &format!("{by_number:.1}"), "under 1000");
    let by_item = time(&|n| {
        let item = ItemId(FIRST + POOLED + spread(n, size - 1 - POOLED));
        store.licenses_of_item(item).is_ok_and(|rows| !rows.is_empty())
    })?;
    line("state: what a service has, microseconds", &format!("{by_item:.1}"), "under 1000");
    let pool = time(&|_| store.free_licenses(account, UpstreamPricelistId(55227)).is_ok_and(|rows| !rows.is_empty()))?;
    line(&format!("state: the pool's {POOLED} of a tariff, microseconds"), &format!("{pool:.1}"), "under 2000");
    Ok(())
}
