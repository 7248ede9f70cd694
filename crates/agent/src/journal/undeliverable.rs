//! Reports that were given up and are kept for a look at them; what they are about is deleted with the rest.

use ascribe_engine::PendingReport;
use ascribe_reports::Time;
use rusqlite::params;

use super::{Journal, JournalError, from_json, to_json};

/// A report that was given up and is kept for a look at it.
#[derive(Clone, Debug, PartialEq)]
pub struct Undeliverable {
    /// The report.
    pub report: PendingReport,
    /// What went wrong at last.
    pub why: String,
    /// When it was given up.
    pub at: Time,
}

impl Journal {
    /// At most this many undeliverable reports are kept; the newest.
    pub const MAX_UNDELIVERABLE: usize = 1000;

    /// Keeps a report that is given up; keeping it again changes nothing but why and when. The oldest of more
    /// than [`MAX_UNDELIVERABLE`](Self::MAX_UNDELIVERABLE) are dropped.
    ///
    /// # Errors
    /// When it could not be stored.
    pub fn keep_undeliverable(
        &mut self,
        report: &PendingReport,
        why: &str,
        at: Time,
    ) -> Result<(), JournalError> {
        let report_id = match report {
            PendingReport::Event(event) => event.report.report_id,
            PendingReport::Aggregatable(aggregatable) => aggregatable.report.report_id,
        };
        self.transact(|tx| {
            tx.execute(
                "INSERT OR REPLACE INTO undeliverable (report_id, report, why, at) VALUES (?1, ?2, ?3, ?4)",
                params![report_id.to_string(), to_json(report), why, at.as_millis()],
            )?;
            let newest_too_many = "SELECT id FROM undeliverable ORDER BY id DESC LIMIT 1 OFFSET ?1";
            let older = format!("DELETE FROM undeliverable WHERE id <= ({newest_too_many})");
            tx.execute(&older, [Self::MAX_UNDELIVERABLE as i64])
        })?;
        Ok(())
    }

    /// The reports that were given up, oldest first.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] names the row.
    pub fn undeliverable(&self) -> Result<Vec<Undeliverable>, JournalError> {
        Ok(self.undeliverable_rows()?.into_iter().map(|(_, kept)| kept).collect())
    }

    pub(super) fn undeliverable_rows(&self) -> Result<Vec<(i64, Undeliverable)>, JournalError> {
        let mut rows = Vec::new();
        let select = "SELECT id, report, why, at FROM undeliverable ORDER BY id";
        self.each_row(select, "undeliverable", |row| {
            let report = from_json(row.get_ref(1)?.as_str()?)?;
            let kept = Undeliverable { report, why: row.get(2)?, at: Time::from_millis(row.get(3)?) };
            rows.push((row.get(0)?, kept));
            Ok(())
        })?;
        Ok(rows)
    }
}
