//! x
mod budget;
mod check;
mod collect;
mod domain;
mod error_counter;
mod exhausted_info;
mod explain;
mod input;
mod job;
mod keys;
mod noise;
mod open;
mod output;
mod record;
mod result_info;
mod return_code;
mod run;
mod shared_info;
mod storage;
mod sum;

pub use budget::{
    BudgetGroup, BudgetUnit, CommitError, CommittedJob, Exhausted, JobCommit, Ledger, LedgerError, PreparedOutput, PublishError, Spending, Spent, SqliteLedger, StagingError, StoredBody, StoredFile, StoredOutput, publish, recover,
};
pub use check::{Checked, Checks, Rejected, Reporter};
pub use collect::Progress;
pub use error_counter::{ErrorCount, ErrorCounter, ErrorCounts, ReportErrors};
pub use explain::{ExplainError, Explanation, UnitOfBatch, explain};
pub use input::InputError;
pub use job::{InvalidParameter, JobParameters};
pub use keys::{KeyError, KeyFile, Keyring};
pub use noise::NoRandomness;
pub use open::{OpenedReport, Opener, Payloads};
pub use output::{OutputError, OutputFormat, OutputPlace};
pub use record::Record;
pub use result_info::{ErrorSummary, ResultInfo};
pub use return_code::ReturnCode;
pub use run::{Counts, Job, Outcome, Protection, TestSwitches, run};
pub use shared_info::{SharedInfo, iso_8601};
pub use storage::{Blob, Location, Storage, StorageError, StorageErrorKind};
