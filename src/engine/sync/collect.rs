//! How a pass collects failures: a failure of one service or license goes into its report, and the pass goes on.

use crate::error::{Halt, ModuleError};
use crate::plan::halt::ends_sync_pass;
use crate::run_report::{RunReport, Scope, Why};
use crate::store::StoreError;

use crate::engine::{Engine, errors};

impl Engine<'_> {
    /// Ends the work on one service or license of a pass: its failure is collected.
    ///
    /// # Errors
    /// The account itself fails, so the pass ends.
    pub(in crate::engine) async fn collected(
        &mut self,
        report: &mut RunReport,
        scope: Scope,
        result: Result<(), ModuleError>,
    ) -> Result<(), ModuleError> {
        match result {
            Ok(()) => Ok(()),
            Err(error) => self.collect(report, scope, error).await,
        }
    }

    /// Collects a failure of one service or license, so that the pass goes on.
    ///
    /// # Errors
    /// The account itself fails, so the pass ends.
    pub(in crate::engine) async fn collect(
        &mut self,
        report: &mut RunReport,
        scope: Scope,
        error: ModuleError,
    ) -> Result<(), ModuleError> {
        if ends_sync_pass(error.halt) {
            return Err(error);
        }
        let why = if error.halt == Halt::Unrecognized { Why::UnknownLicense } else { Why::Failed };
        report.left(self.module, scope, why, error);
        self.warn_last(report);
        self.check_account().await
    }

    /// Collects the failure of a row of our state that cannot be used. It concerns its own license or service alone.
    ///
    /// # Errors
    /// The state file itself cannot be used.
    pub(in crate::engine) fn row_failed(
        &self,
        report: &mut RunReport,
        scope: Scope,
        error: StoreError,
    ) -> Result<(), ModuleError> {
        if !error.is_of_one_row() {
            return Err(errors::state(error));
        }
        report.failed(self.module, scope, errors::state(error));
        self.warn_last(report);
        Ok(())
    }

    fn warn_last(&self, report: &RunReport) {
        if let Some(entry) = report.entries().last() {
            self.warn(&entry.line());
        }
    }

    pub(in crate::engine) fn note_last(&self, report: &RunReport) {
        if let Some(entry) = report.entries().last() {
            self.note(&entry.line());
        }
    }
}
