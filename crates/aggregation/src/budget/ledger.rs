//! What a ledger does, whatever database it is in.

use ascribe_reports::Time;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{BudgetGroup, BudgetUnit, PreparedOutput};
use crate::JobParameters;

/// The record of what was spent, and the outputs that it was spent for.
///
/// Several processes may use one at the same time: each method is one transaction.
pub trait Ledger: Send {
    /// Uses up the units of a job and stores its output: both or neither.
    ///
    /// # Errors
    /// [`CommitError::Exhausted`] when any of the units has not enough left; then none is used now.
    fn commit(&mut self, job: &JobCommit<'_>) -> Result<(), CommitError>;

    /// Which of the units have not what a query would use of them.
    ///
    /// # Errors
    /// When the ledger cannot be asked.
    fn exhausted(&mut self, spendings: &[Spending], usage: Usage) -> Result<Vec<Exhausted>, LedgerError>;

    /// The jobs whose output is stored and not yet published, oldest first.
    ///
    /// # Errors
    /// When the ledger cannot be asked.
    fn unpublished(&mut self) -> Result<Vec<CommittedJob>, LedgerError>;

    /// The stored output of a job; `None` once it is published, or if there is no such job.
    ///
    /// # Errors
    /// When the ledger cannot be asked.
    fn output(&mut self, job_id: &str) -> Result<Option<StoredOutput>, LedgerError>;

    /// Notes that a job's output is in place, and drops what was stored of it. Repeating it changes nothing.
    ///
    /// # Errors
    /// When the ledger cannot be asked.
    fn mark_published(&mut self, job_id: &str, at: Time) -> Result<(), LedgerError>;

    /// All jobs that spent, newest first, at most `limit` of them.
    ///
    /// # Errors
    /// When the ledger cannot be asked.
    fn jobs(&mut self, limit: usize) -> Result<Vec<CommittedJob>, LedgerError>;

    /// A job that spent, if there is one with this ID.
    ///
    /// # Errors
    /// When the ledger cannot be asked.
    fn job(&mut self, job_id: &str) -> Result<Option<CommittedJob>, LedgerError>;

    /// What was spent, newest first, at most `limit` units; of one job, if one is named.
    ///
    /// # Errors
    /// When the ledger cannot be asked.
    fn spent(&mut self, job_id: Option<&str>, limit: usize) -> Result<Vec<Spent>, LedgerError>;
}

/// One unit that a job uses up, and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spending {
    /// What the reports have in common.
    pub group: BudgetGroup,
    /// The filtering ID that is asked for.
    pub filtering_id: u64,
}

impl Spending {
    /// What is used up.
    #[must_use]
    pub fn unit(&self) -> BudgetUnit {
        self.group.unit(self.filtering_id)
    }
}

/// How much of each unit a query uses.
///
/// A unit holds what its first query says, and no later query can say otherwise: either all of it is used at
/// once, or shares of it until they add up to the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// In billionths of epsilon, rounded up.
    pub(super) share: i64,
    /// In billionths of epsilon, rounded down. It is the share itself for who uses all.
    pub(super) whole: i64,
}

impl Usage {
    /// All of it, whatever the epsilon of the query: it cannot be queried again.
    pub const ALL: Self = Self { share: 1, whole: 1 };

    /// A share of a whole, both in epsilons; `None` if it is more than the whole, or either is not above 0 and
    /// at most 64.
    #[must_use]
    pub fn share(share: f64, whole: f64) -> Option<Self> {
        const BILLION: f64 = 1e9;
        // At least two billionths: no whole is taken for that of who uses all.
        let is_valid = share > 0.0 && (2.0 / BILLION..=JobParameters::MAX_EPSILON).contains(&whole);
        let usage = Self { share: (share * BILLION).ceil() as i64, whole: (whole * BILLION).floor() as i64 };
        (is_valid && usage.share <= usage.whole).then_some(usage)
    }

    /// Whether there is enough for this after `earlier` queries.
    pub(super) fn fits(self, earlier: &[Self]) -> bool {
        let used: i64 = earlier.iter().map(|usage| usage.share).fold(0, i64::saturating_add);
        earlier.iter().all(|usage| usage.whole == self.whole) && used.saturating_add(self.share) <= self.whole
    }
}

/// A job that is ready to spend.
#[derive(Debug)]
pub struct JobCommit<'a> {
    /// Its ID: no two jobs have the same.
    pub id: &'a str,
    /// What it was asked for, as a hash: a job that was interrupted is known by it when it is run again.
    pub request: [u8; 32],
    /// When.
    pub at: Time,
    /// What it says of itself: `result_info`, as JSON.
    pub result: &'a str,
    /// What it uses up.
    pub spendings: &'a [Spending],
    /// How much of each.
    pub usage: Usage,
    /// What it leaves behind.
    pub output: &'a PreparedOutput,
}

/// A unit that has not enough left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// Which.
    pub spending: Spending,
    /// The last job that used of it.
    pub job_id: String,
    /// When.
    pub at: Time,
}

/// A unit that was used up, as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Spent {
    /// The shared ID, in hexadecimal digits.
    pub shared_id: String,
    /// What it is made of.
    #[serde(flatten)]
    pub group: BudgetGroup,
    /// The filtering ID that was asked for.
    pub filtering_id: u64,
    /// By which job.
    pub job_id: String,
    /// When: seconds since the epoch.
    pub spent_at: i64,
}

/// A job that spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedJob {
    /// Its ID.
    pub id: String,
    /// What it was asked for, as a hash.
    pub request: [u8; 32],
    /// When it spent.
    pub committed_at: Time,
    /// When its output was in place.
    pub published_at: Option<Time>,
    /// `result_info`, as JSON.
    pub result: String,
    /// How many units it used up.
    pub units: u64,
    /// Its files.
    pub files: Vec<String>,
}

/// The output of a job, as stored.
#[derive(Debug)]
pub struct StoredOutput {
    /// The files that it is made of, in the order of their bytes.
    pub files: Vec<StoredFile>,
    /// Where the bytes are.
    pub body: StoredBody,
}

/// A file of an output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// Where it belongs: a path or URL.
    pub location: String,
    /// Its length.
    pub len: u64,
}

impl StoredFile {
    pub(super) fn list_to_json(files: &[Self]) -> String {
        serde_json::to_string(files).expect("texts and numbers are JSON")
    }

    fn list_from_json(json: &str) -> Result<Vec<Self>, LedgerError> {
        serde_json::from_str(json).map_err(|_| LedgerError::Damaged("the list of a job's files"))
    }

    pub(super) fn names_from_json(json: &str) -> Result<Vec<String>, LedgerError> {
        Ok(Self::list_from_json(json)?.into_iter().map(|file| file.location).collect())
    }
}

impl StoredOutput {
    /// From what a database has of it.
    pub(super) fn from_columns(
        files: &str,
        body: Option<Vec<u8>>,
        staged_path: Option<String>,
        staged_key: Option<Zeroizing<Vec<u8>>>,
    ) -> Result<Self, LedgerError> {
        let body = match (body, staged_path, staged_key) {
            (Some(bytes), None, None) => StoredBody::Inline(bytes),
            (None, Some(path), Some(bytes)) => {
                let mut key = Zeroizing::new([0; 32]);
                if bytes.len() != key.len() {
                    return Err(LedgerError::Damaged("a staged key"));
                }
                key.copy_from_slice(&bytes);
                StoredBody::Staged { path, key }
            }
            _ => return Err(LedgerError::Damaged("the output of a job")),
        };
        Ok(Self { files: StoredFile::list_from_json(files)?, body })
    }
}

/// The bytes of an output.
#[derive(Debug)]
pub enum StoredBody {
    /// In the ledger.
    Inline(Vec<u8>),
    /// In a staged file.
    Staged {
        /// Which.
        path: String,
        /// What it is encrypted with.
        key: Zeroizing<[u8; 32]>,
    },
}

/// Why a job could not spend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// Some of its units were used before: which, by which jobs, and when.
    #[error("{} units of privacy budget were used before", .0.len())]
    Exhausted(Vec<Exhausted>),
    /// The ledger could not be asked.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Why a ledger cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// SQLite fails.
    #[error("the ledger: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL fails, or cannot be reached.
    #[error("the ledger: {}", with_cause(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// It was written by a later release.
    #[error("the ledger was written by a later release: its version is {0}")]
    Newer(i64),
    /// Something in it is not what was written.
    #[error("the ledger is damaged: {0}")]
    Damaged(&'static str),
    /// Its directory cannot be made.
    #[error("the ledger's directory: {0}")]
    Io(#[from] std::io::Error),
}

/// The error of a database says what it was doing; only its cause says why that failed.
fn with_cause(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// The migrations that a database of a version has not had.
pub(super) fn missing<'a>(migrations: &'a [&'a str], version: i64) -> Result<&'a [&'a str], LedgerError> {
    let done = usize::try_from(version).ok();
    done.and_then(|done| migrations.get(done..)).ok_or(LedgerError::Newer(version))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_fit_until_they_add_up_to_the_whole() {
        let tenth = Usage::share(1.0, 10.0).unwrap();
        assert!(tenth.fits(&[tenth; 9]) && !tenth.fits(&[tenth; 10]));
        let point_one = Usage::share(0.1, 1.0).unwrap();
        assert!(point_one.fits(&[point_one; 9]) && !point_one.fits(&[point_one; 10]));
        assert!(!Usage::share(1.0, 9.0).unwrap().fits(&[tenth]), "another whole");
        let third = Usage::share(1.0 / 3.0, 1.0).unwrap();
        assert!(third.fits(&[third; 1]) && !third.fits(&[third; 2]), "shares are rounded up");
    }

    #[test]
    fn who_uses_all_leaves_nothing_and_wants_all() {
        let share = Usage::share(1e-9, 64.0).unwrap();
        assert!(Usage::ALL.fits(&[]) && !Usage::ALL.fits(&[Usage::ALL]) && !Usage::ALL.fits(&[share]));
        assert!(!share.fits(&[Usage::ALL]));
        assert!(!Usage::share(1e-9, 2e-9).unwrap().fits(&[Usage::ALL]));
    }

    #[test]
    fn shares_are_within_their_whole_and_wholes_within_64() {
        assert!(Usage::share(64.0, 64.0).is_some());
        for (share, whole) in
            [(0.0, 1.0), (-1.0, 1.0), (1.1, 1.0), (1.0, 64.1), (f64::NAN, 1.0), (1e-9, 1e-9)]
        {
            assert_eq!(Usage::share(share, whole), None, "{share} of {whole}");
        }
    }
}
