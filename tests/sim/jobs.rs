//! What a run is asked to do, carried out by the real engine: a command of a service, sync, the sweep over another
//! module's servers, import, the reconcile plan.

use std::collections::BTreeSet;

use pmisplicense::engine::{Allow, Engine, Server};
use pmisplicense::error::ModuleError;
use pmisplicense::model::ids::{ItemId, ModuleId};
use pmisplicense::plan::finding::{Finding, Remedy};
use pmisplicense::plan::import::Search;
use pmisplicense::run_report::RunReport;

use crate::world::{Job, Shared};

/// The module of servers whose control panels are licensed.
pub const SERVERS: ModuleId = ModuleId(9);

/// The foreign license that an operator names for import.
pub const NAMED_FOR_IMPORT: u32 = 901;

/// Remedies carried out in one run: far above what a history leaves.
const MAX_REMEDIES: usize = 100;

pub async fn carry_out(
    engine: &mut Engine<'_>,
    (run, job): (usize, Job),
    allow: Allow,
    world: &Shared,
) -> Result<(), ModuleError> {
    match job {
        Job::Item { item, command, .. } => engine.item_command(command, ItemId(item)).await,
        Job::SyncAll => {
            let mut report = engine.sync_all(allow).await.report;
            let mut world = world.borrow_mut();
            if world.is_muted {
                report = RunReport::default();
            }
            world.runs[run].report = report;
            first_failure(&world.runs[run].report)
        }
        Job::Sweep => {
            let server = Server { module: SERVERS, adopted: true, whole: true };
            let swept = engine.sweep(server, &BTreeSet::new(), allow).await;
            first_failure(&swept.report)
        }
        Job::Import => {
            let named = NAMED_FOR_IMPORT.to_string();
            let done = engine.import("soft", &Search::parse(Some(&named))).await;
            first_failure(&done.report)
        }
        Job::Survey => {
            let findings = engine.survey(&mut |_| {}).await?;
            world.borrow_mut().say(|_| format!("reconcile finds {}", in_words(&findings)));
            world.borrow_mut().findings = Some(findings);
            Ok(())
        }
        Job::Decide => crate::operator::decide(engine, world).await,
        Job::Reconcile => {
            let findings = engine.survey(&mut |_| {}).await?;
            world.borrow_mut().say(|_| format!("reconcile finds {}", in_words(&findings)));
            world.borrow_mut().repaired.clone_from(&findings);
            let mut first = None;
            let approved = engine.guard(findings, allow)?;
            let remedies = approved.into_iter().filter(|one| !matches!(one.finding().remedy, Remedy::Operator(_)));
            for approved in remedies.take(MAX_REMEDIES) {
                if let Err(error) = engine.repair(approved).await {
                    first = first.or(Some(error));
                }
            }
            first.map_or(Ok(()), Err)
        }
    }
}

fn first_failure(report: &RunReport) -> Result<(), ModuleError> {
    report.first().map_or(Ok(()), |entry| Err(entry.error.clone()))
}

fn in_words(findings: &[Finding]) -> String {
    let line = |finding: &Finding| format!("{:?} {:?} {}", finding.kind, finding.remedy, finding.what.en);
    if findings.is_empty() { "nothing".to_owned() } else { findings.iter().map(line).collect::<Vec<_>>().join("; ") }
}
