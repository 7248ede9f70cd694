//! The aggregation service of the Attribution Reporting API: encrypted reports in, a noised summary out, under
//! a privacy budget.
//!
//! Spec: none; it ends with the report. What the service does is in the explainers of the WICG draft, and its
//! names, limits and codes are those of the service that browsers' reports were made for.
//!
//! | step | what | where |
//! |---|---|---|
//! | read | batches and domains: Avro, Parquet, JSON; files and object stores | [`Storage`], [`Location`] |
//! | open | HPKE, CBOR, shared info | [`Opener`], one function over a batch of rows |
//! | check | whose, how old, which version; each fault under its counter | [`Checks`], [`ErrorCounter`] |
//! | sum | by bucket, filtered, each report once | [`run`](fn@run) |
//! | noise | discrete Laplace, scale 65536 / ε, once for each bucket | [`run`](fn@run) |
//! | spend | the budget and the output in one transaction | [`Ledger`], [`SqliteLedger`] |
//! | publish | the stored bytes, as often as it takes | [`publish`], [`recover`] |
//! | serve | jobs over HTTP, in a queue that survives the process | [`Service`] |
//!
//! Reading to summing can be done elsewhere, on many machines: by a [`Collector`], under [`run_with`].
//!
//! A [`Job`] goes through all of it with [`run`](fn@run) and ends in an [`Outcome`]: a [`ReturnCode`], counts, files.
//! It never fails in another way, and no input makes it panic.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use ascribe_aggregation::*;
//! use ascribe_reports::Time;
//!
//! let mut ledger = SqliteLedger::open(Path::new("budget.sqlite"))?;
//! let job = Job {
//!     id: "day-1".to_owned(),
//!     parameters: JobParameters::new(Reporter::Origin("https://report.example".to_owned())),
//!     input: vec![Location::parse("s3://bucket/day-1/")?],
//!     domain: Some(Location::parse("domain.avro")?),
//!     output: OutputPlace {
//!         location: Location::parse("summary.avro")?,
//!         format: OutputFormat::Avro,
//!         always_numbered: false,
//!     },
//!     protection: Protection::Full {
//!         keys: Keyring::read(Path::new("keys"))?,
//!         ledger: &mut ledger,
//!         staging: "budget.staging".into(),
//!     },
//!     now: Time::from_secs(1_700_000_000),
//!     threads: 2,
//! };
//! let outcome = run(job, &Storage::default(), &Progress::default());
//! println!("{}", outcome.result.return_code);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Trust
//!
//! Whoever has the keys can read every contribution of every user. Nothing here is protected by hardware: the
//! process that aggregates must be run by whom the users trust with that. Keys are wiped from memory, plaintexts
//! pass through one buffer for each batch that is wiped, too, and no error or log shows either.

mod budget;
mod check;
mod collect;
mod discovery;
mod domain;
mod error_counter;
mod exhausted_info;
mod explain;
mod in_order;
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
mod runtime;
mod service;
mod shared_info;
mod storage;
mod sum;

pub use budget::{
    BudgetGroup, BudgetUnit, CommitError, CommittedJob, Exhausted, JobCommit, Ledger, LedgerError,
    PostgresLedger, PreparedOutput, PublishError, Recovered, Spending, Spent, SqliteLedger, StagingError,
    StoredBody, StoredFile, StoredOutput, Usage, open_ledger, publish, recover,
};
pub use check::{Checked, Checks, Rejected, Reporter};
pub use collect::{Collected, Collector, Progress, Reports};
pub use discovery::Discovery;
pub use error_counter::{ErrorCount, ErrorCounter, ErrorCounts, ReportErrors};
pub use explain::{ExplainError, Explanation, UnitOfBatch, explain};
pub use input::{InputError, read_sealed_reports};
pub use job::{InvalidParameter, JobParameters};
pub use keys::{KeyError, KeyFile, Keyring, Passphrase, Published, key_files};
pub use noise::NoRandomness;
pub use open::{OpenedReport, Opener, Payloads};
pub use output::{OutputError, OutputFormat, OutputPlace};
pub use record::Record;
pub use result_info::{ErrorSummary, ResultInfo};
pub use return_code::ReturnCode;
pub use run::{Counts, Failure, Job, Outcome, Protection, TestSwitches, run, run_with};
pub use service::{
    Service, ServiceConfig, ServiceConfigProblem, ServiceConfigProblems, ServiceError, TlsFiles,
};
pub use shared_info::{SharedInfo, iso_8601};
pub use storage::{Blob, Location, Storage, StorageError, StorageErrorKind};
pub use sum::Totals;
