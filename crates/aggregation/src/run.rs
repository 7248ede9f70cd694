//! A job, from its parameters to its summary: the plan, once.
//!
//! Entry: [`run`]. Pipeline: list batches → read the domain → read, open, check, filter and sum the reports →
//! threshold of errors → join the domain → noise → encode → spend the budget and store the output → publish.
//! Everything before spending can be repeated; what follows it draws nothing any more.

use std::path::PathBuf;

use ascribe_reports::Time;
use aws_lc_rs::digest;

use crate::{
    Blob, Checks, ErrorCounts, InputError, InvalidParameter, JobParameters, Keyring, Location, Opener,
    OutputError, OutputPlace, Payloads, Progress, Reporter, ResultInfo, ReturnCode, Storage, StorageError,
    StorageErrorKind,
    budget::{
        CommitError, Exhausted, JobCommit, Ledger, LedgerError, PreparedOutput, PublishError, Spending,
        Stage, StagingError, Usage, publish,
    },
    collect::{CollectError, Collected, Collection, Collector, Reports},
    domain::Domain,
    exhausted_info,
    input::{PayloadColumn, read_domain},
    noise::{NoRandomness, Noise},
    output::{DebugFact, Fact},
    shared_info::iso_8601,
    sum::Totals,
};

/// A job.
#[derive(Debug)]
pub struct Job<'a> {
    /// Its ID: at most 128 bytes, and no other job's.
    pub id: String,
    /// What is computed.
    pub parameters: JobParameters,
    /// The batches: files, directories or prefixes.
    pub input: Vec<Location>,
    /// The domain: a file, a directory or a prefix. Only a test can do without.
    pub domain: Option<Location>,
    /// Where the summary goes.
    pub output: OutputPlace,
    /// How what is in the reports is protected.
    pub protection: Protection<'a>,
    /// The time of the job.
    pub now: Time,
    /// How many threads open reports.
    pub threads: usize,
}

/// How what is in the reports is protected. Keys and the switches of tests are never there together: what
/// can open reports always adds noise and spends budget.
pub enum Protection<'a> {
    /// Reports are sealed; their sums are noised, and budget is spent for them.
    Full {
        /// What they are opened with.
        keys: Keyring,
        /// What the budget is spent from.
        ledger: &'a mut dyn Ledger,
        /// Where large outputs wait until the budget is spent: a directory on a local disk.
        staging: PathBuf,
    },
    /// Payloads are clear, no budget is spent, and the output says so: for tests with made-up reports.
    Test(TestSwitches),
}

/// What a test leaves out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TestSwitches {
    /// Sums are as they are.
    pub no_noise: bool,
    /// The summary has the buckets of the reports, too.
    pub skip_domain: bool,
}

/// What became of a job.
#[derive(Debug)]
pub struct Outcome {
    /// What the job API tells.
    pub result: ResultInfo,
    /// What it does not.
    pub counts: Counts,
    /// The files that were written.
    pub files: Vec<String>,
    /// The units of budget that were used before, if that is why the job failed.
    pub exhausted: Vec<Exhausted>,
}

/// What a job went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Rows of the batches.
    pub reports: u64,
    /// Reports with the ID of another one: counted once.
    pub duplicates: u64,
    /// Reports that were left out.
    pub errors: u64,
    /// Buckets of the domain.
    pub domain_buckets: u64,
    /// Units of privacy budget that the job used up.
    pub units_spent: u64,
}

/// Runs a job to its end. It never fails otherwise than with a code.
pub fn run(job: Job<'_>, storage: &Storage, progress: &Progress) -> Outcome {
    run_collected_by(job, storage, &mut |job| job.collect(storage, progress))
}

/// Runs a job whose reports are opened and summed elsewhere: the domain, the noise, the budget and the output
/// are as in [`run`](fn@run). The job's own keys and number of threads are of no use; a test cannot be run so.
pub fn run_with(job: Job<'_>, storage: &Storage, collector: &mut dyn Collector) -> Outcome {
    run_collected_by(job, storage, &mut |job| {
        let Protection::Full { .. } = job.protection else {
            let message = "clear payloads are summed on one machine".to_owned();
            return Err(Failure { code: ReturnCode::InvalidJob, message });
        };
        let blobs = job.blobs(storage)?;
        let filtering_ids = &job.parameters.filtering_ids;
        collector.collect(&Reports { blobs: &blobs, checks: job.checks(), filtering_ids })
    })
}

fn run_collected_by(mut job: Job<'_>, storage: &Storage, collect: Collect<'_>) -> Outcome {
    let mut state =
        State { counts: Counts::default(), errors: ErrorCounts::default(), exhausted: Vec::new() };
    let now = job.now;
    let ended = job.run(storage, collect, &mut state);
    let (code, message, files) = match ended {
        Ok((code, files)) => (code, None, files),
        Err(Failure { code, message }) => {
            (code, Some(message).filter(|message| !message.is_empty()), Vec::new())
        }
    };
    state.counts.errors = state.errors.reports();
    Outcome {
        result: ResultInfo::new(code, message, &state.errors, now),
        counts: state.counts,
        files,
        exhausted: state.exhausted,
    }
}

/// Opens and sums the reports of a job.
type Collect<'a> = &'a mut dyn FnMut(&mut Job<'_>) -> Result<Collected, Failure>;

/// What is told of a job even if it fails.
struct State {
    counts: Counts,
    errors: ErrorCounts,
    exhausted: Vec<Exhausted>,
}

/// Why a job failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Failure {
    /// The code that it ends with.
    pub code: ReturnCode,
    /// For people; empty if the code says all.
    pub message: String,
}

impl Job<'_> {
    fn run(
        &mut self,
        storage: &Storage,
        collect: Collect<'_>,
        state: &mut State,
    ) -> Result<(ReturnCode, Vec<String>), Failure> {
        self.validate()?;
        let usage = self.usage()?;
        let noise = self.noise()?;
        let domain = self.domain(storage)?;
        state.counts.domain_buckets = domain.as_slice().len() as u64;

        let Collected { totals, groups, errors, reports, duplicates } = collect(self)?;
        (state.errors, state.counts.reports, state.counts.duplicates) = (errors, reports, duplicates);
        let allowed = reports as f64 * self.parameters.error_threshold / 100.0;
        let has_too_many_errors = self.max_errors().is_some_and(|max| errors.reports() > max);
        if has_too_many_errors || errors.reports() as f64 > allowed {
            return Err(Failure::plain(ReturnCode::ReportsWithErrorsExceededThreshold));
        }

        let facts = self.facts(&domain, &totals, noise)?;
        let spendings = groups.into_iter().flat_map(|group| {
            let spending = move |id: &u64| Spending { group: group.clone(), filtering_id: *id };
            self.parameters.filtering_ids.iter().map(spending).collect::<Vec<_>>()
        });
        let spendings: Vec<_> = spendings.collect();
        let output = self.encode(&facts)?;
        drop((facts, totals, domain));
        self.deliver(storage, output, &spendings, usage, state)
    }

    fn validate(&self) -> Result<(), Failure> {
        let invalid =
            |message: &str| Err(Failure { code: ReturnCode::InvalidJob, message: message.to_owned() });
        const MAX_ID_BYTES: usize = 128;
        if self.id.is_empty() || self.id.len() > MAX_ID_BYTES {
            return invalid("a job's ID has 1 to 128 bytes");
        }
        if self.input.is_empty() {
            return invalid("there is no input");
        }
        let may_skip_domain =
            matches!(self.protection, Protection::Test(TestSwitches { skip_domain: true, .. }));
        if self.domain.is_none() && !may_skip_domain && self.parameters.discovery.is_none() {
            return invalid("there is no output domain");
        }
        if self.parameters.reporter == Reporter::Any && matches!(self.protection, Protection::Full { .. }) {
            return invalid("reporting_site: give this or attribution_report_to");
        }
        if self.parameters.filtering_ids.is_empty() {
            return invalid("filtering_ids: none");
        }
        Ok(())
    }

    /// How much of the budget the job uses.
    fn usage(&self) -> Result<Usage, Failure> {
        let Some(whole) = self.parameters.requery_budget else { return Ok(Usage::ALL) };
        Usage::share(self.parameters.epsilon.get(), whole.get()).ok_or_else(|| Failure {
            code: ReturnCode::InvalidJob,
            message: "the epsilons of queries cannot add up to this budget: it is at most 64".to_owned(),
        })
    }

    fn noise(&self) -> Result<Noise, Failure> {
        if matches!(self.protection, Protection::Test(TestSwitches { no_noise: true, .. })) {
            return Ok(Noise::None);
        }
        let epsilon = crate::job::epsilon(self.parameters.epsilon.get())?;
        Noise::laplace(epsilon).map_err(|error| Failure {
            code: ReturnCode::InvalidJob,
            message: format!("debug_privacy_epsilon: {error}"),
        })
    }

    fn domain(&self, storage: &Storage) -> Result<Domain, Failure> {
        /// 4 GB of them.
        const MAX_BUCKETS: usize = 1 << 28;
        let Some(location) = &self.domain else { return Ok(Domain::default()) };
        let mut buckets = Vec::new();
        for blob in storage.list(location).map_err(InputError::from)? {
            read_domain(storage, &blob, &mut |bucket| {
                buckets.push(bucket);
                if buckets.len() > MAX_BUCKETS {
                    std::ops::ControlFlow::Break(())
                } else {
                    std::ops::ControlFlow::Continue(())
                }
            })?;
        }
        let problem = match buckets.len() {
            0 => "the output domain is empty".to_owned(),
            len if len > MAX_BUCKETS => format!("more than {MAX_BUCKETS} buckets"),
            _ => return Ok(Domain::new(buckets)),
        };
        Err(InputError::Invalid { location: location.clone().into(), problem }.into())
    }

    /// The files of the batches, each once.
    fn blobs(&self, storage: &Storage) -> Result<Vec<Blob>, Failure> {
        let mut blobs = Vec::new();
        for location in &self.input {
            blobs.extend(storage.list(location).map_err(InputError::from)?);
        }
        blobs.sort_by(|a, b| a.location.cmp(&b.location));
        blobs.dedup();
        Ok(blobs)
    }

    fn checks(&self) -> Checks {
        let now = matches!(self.protection, Protection::Full { .. }).then_some(self.now);
        Checks { reporter: self.parameters.reporter.clone(), debug_run: self.parameters.debug_run, now }
    }

    fn collect(&mut self, storage: &Storage, progress: &Progress) -> Result<Collected, Failure> {
        let blobs = self.blobs(storage)?;
        let checks = self.checks();
        let (payloads, column) = match &mut self.protection {
            Protection::Full { keys, .. } => (Payloads::Sealed(std::mem::take(keys)), PayloadColumn::Sealed),
            Protection::Test(_) => (Payloads::Clear, PayloadColumn::Clear),
        };
        let collection = Collection {
            storage,
            blobs: &blobs,
            column,
            opener: &Opener::new(payloads, checks),
            filtering_ids: &self.parameters.filtering_ids,
            max_errors: self.max_errors(),
            threads: self.threads,
            progress,
        };
        Ok(collection.run()?)
    }

    /// More errors than this fail the job before all reports are read: known if their number is, or none are
    /// allowed.
    fn max_errors(&self) -> Option<u64> {
        let threshold = self.parameters.error_threshold;
        match self.parameters.input_report_count {
            Some(count) => Some((count as f64 * threshold / 100.0).round() as u64),
            None => (threshold == 0.0).then_some(0),
        }
    }

    /// The buckets of the domain, and those that a debug run, a test or discovery shows, with their sums and
    /// noise: one draw for each, which all outputs share.
    fn facts(&self, domain: &Domain, totals: &Totals, noise: Noise) -> Result<Facts, Failure> {
        let discovery = self.parameters.discovery;
        let shows_others = self.parameters.debug_run || self.skips_domain() || discovery.is_some();
        let mut buckets = domain.as_slice().to_vec();
        let in_domain = buckets.len();
        if shows_others {
            buckets.extend(totals.buckets().filter(|bucket| !domain.contains(*bucket)));
            buckets[in_domain..].sort_unstable();
        }
        let mut metrics = noise.draw(buckets.len())?;
        for (metric, bucket) in metrics.iter_mut().zip(&buckets) {
            *metric = metric.saturating_add(totals.get(*bucket).unwrap_or(0));
        }
        let mut in_summary = if self.skips_domain() { buckets.len() } else { in_domain };
        if let Some(discovery) = discovery.filter(|_| !self.skips_domain()) {
            let threshold = discovery.threshold(self.parameters.epsilon);
            for index in in_domain..buckets.len() {
                // A bucket that holds nothing is never shown: see `Discovery`.
                let is_found = metrics[index] >= threshold && totals.get(buckets[index]) > Some(0);
                if is_found {
                    buckets.swap(in_summary, index);
                    metrics.swap(in_summary, index);
                    in_summary += 1;
                }
            }
        }
        let sums = if self.parameters.debug_run {
            buckets.iter().map(|bucket| totals.get(*bucket)).collect()
        } else {
            Vec::new()
        };
        Ok(Facts { buckets, in_domain, in_summary, sums, metrics })
    }

    fn skips_domain(&self) -> bool {
        matches!(self.protection, Protection::Test(TestSwitches { skip_domain: true, .. }))
    }

    /// The files of the output, where nobody can read them yet.
    fn encode(&self, facts: &Facts) -> Result<PreparedOutput, Failure> {
        let (mut stage, unprotected) = match &self.protection {
            Protection::Full { staging, .. } => (Stage::new(staging), None),
            Protection::Test(switches) => (Stage::new(&std::env::temp_dir()), Some(switches.describe())),
        };
        let place = OutputPlace { location: self.output.location.absolute()?, ..self.output.clone() };
        for (location, range) in place.shards(facts.in_summary) {
            let rows = range.map(|index| facts.fact(index));
            stage.add(&location, place.format.summary(rows, unprotected.as_deref())?)?;
        }
        if self.parameters.debug_run {
            let debug_place = OutputPlace { location: place.location.in_directory("debug"), ..place.clone() };
            for (location, range) in debug_place.shards(facts.buckets.len()) {
                let rows = range.map(|index| facts.debug_fact(index));
                stage.add(&location, place.format.debug(rows, unprotected.as_deref())?)?;
            }
        }
        Ok(stage.finish()?)
    }

    /// Spends and publishes. A debug run and a test spend nothing: theirs is published as it is.
    fn deliver(
        &mut self,
        storage: &Storage,
        output: PreparedOutput,
        spendings: &[Spending],
        usage: Usage,
        state: &mut State,
    ) -> Result<(ReturnCode, Vec<String>), Failure> {
        let request = self.request();
        let files: Vec<_> = output.files.iter().map(|file| file.location.clone()).collect();
        let mut code = ReturnCode::Success;
        if let Protection::Full { ledger, .. } = &mut self.protection {
            if !self.parameters.debug_run && !spendings.is_empty() {
                let result = ResultInfo::new(code, None, &state.errors, self.now);
                let commit = JobCommit {
                    id: &self.id,
                    request,
                    at: self.now,
                    result: &serde_json::to_string(&result).expect("texts and numbers are JSON"),
                    spendings,
                    usage,
                    output: &output,
                };
                match ledger.commit(&commit) {
                    Ok(()) => {}
                    Err(CommitError::Exhausted(exhausted)) => {
                        output.discard();
                        return Err(self.refused(storage, exhausted, state));
                    }
                    // Whether it has committed may be unknown: what is staged is kept, for it may be paid for.
                    Err(CommitError::Ledger(error)) => return Err(error.into()),
                }
                state.counts.units_spent = spendings.len() as u64;
                publish(*ledger, storage, &self.id, self.now).map_err(|error| self.unpublished(&error))?;
                return Ok((code, files));
            }
            code = match ledger.exhausted(spendings, usage) {
                Ok(exhausted) if exhausted.is_empty() => ReturnCode::Success,
                Ok(_) => ReturnCode::DebugSuccessWithPrivacyBudgetExhausted,
                Err(_) => ReturnCode::DebugSuccessWithPrivacyBudgetError,
            };
        }
        crate::budget::put(storage, output)?;
        Ok((code, files))
    }

    /// What a job is told whose budget is not there, beside the file that lists what is used up.
    fn refused(&self, storage: &Storage, exhausted: Vec<Exhausted>, state: &mut State) -> Failure {
        let name = format!("{}{}.json", exhausted_info::FILE_NAME_PREFIX, iso_8601(self.now));
        let location = self.output.location.with_file_name(&name);
        let list = match storage.put(&location, exhausted_info::to_json(&exhausted).as_bytes()) {
            Ok(()) => format!("; all are listed in {location}"),
            Err(_) => String::new(),
        };
        let first = exhausted.first().map_or_else(String::new, |first| {
            format!(", the first by job {} at {}", first.job_id, iso_8601(first.at))
        });
        let message = format!("{} units of privacy budget were used before{first}{list}.", exhausted.len());
        state.exhausted = exhausted;
        Failure { code: ReturnCode::PrivacyBudgetExhausted, message }
    }

    fn unpublished(&self, error: &PublishError) -> Failure {
        let message = format!(
            "{error}. The privacy budget is spent and the output is stored: `ascribe budget recover` publishes it."
        );
        Failure { code: ReturnCode::ResultWriteError, message }
    }

    /// What is asked for, as a hash: a job that was interrupted is told by it from another one.
    #[must_use]
    pub fn request(&self) -> [u8; 32] {
        let Self { parameters, input, domain, output, .. } = self;
        let output = (output.location.absolute().ok(), output.format, output.always_numbered);
        let input: Vec<_> = input.iter().map(|location| location.absolute().ok()).collect();
        let domain = domain.as_ref().map(|location| location.absolute().ok());
        let text = format!("{parameters:?} {input:?} {domain:?} {output:?}");
        digest::digest(&digest::SHA256, text.as_bytes()).as_ref().try_into().expect("SHA-256 has 32 bytes")
    }
}

impl TestSwitches {
    /// What output says that was made with them.
    fn describe(self) -> String {
        let switches =
            [(true, "clear-payloads"), (self.no_noise, "no-noise"), (self.skip_domain, "skip-domain")];
        let names = switches.into_iter().filter_map(|(is_on, name)| is_on.then_some(name));
        names.collect::<Vec<_>>().join(",")
    }
}

/// The buckets of all outputs: those of the domain first, then others that the summary shows.
struct Facts {
    buckets: Vec<u128>,
    in_domain: usize,
    in_summary: usize,
    /// What reports contributed: filled for a debug run only.
    sums: Vec<Option<i64>>,
    /// The sums with their noise.
    metrics: Vec<i64>,
}

impl Facts {
    fn fact(&self, index: usize) -> Fact {
        Fact { bucket: self.buckets[index], metric: self.metrics[index] }
    }

    fn debug_fact(&self, index: usize) -> DebugFact {
        let sum = self.sums[index];
        let unnoised_metric = sum.unwrap_or(0);
        DebugFact {
            bucket: self.buckets[index],
            unnoised_metric,
            noise: self.metrics[index].saturating_sub(unnoised_metric),
            in_reports: sum.is_some(),
            in_domain: index < self.in_domain,
        }
    }
}

impl std::fmt::Debug for Protection<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full { keys, .. } => f.debug_struct("Full").field("keys", keys).finish_non_exhaustive(),
            Self::Test(switches) => f.debug_tuple("Test").field(switches).finish(),
        }
    }
}

impl Failure {
    fn plain(code: ReturnCode) -> Self {
        Self { code, message: String::new() }
    }
}

impl From<InvalidParameter> for Failure {
    fn from(error: InvalidParameter) -> Self {
        Self { code: ReturnCode::InvalidJob, message: error.to_string() }
    }
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        let code = match &error {
            InputError::Storage(StorageError { kind: StorageErrorKind::Denied, .. }) => {
                ReturnCode::PermissionError
            }
            _ => ReturnCode::InputDataReadFailed,
        };
        Self { code, message: error.to_string() }
    }
}

impl From<CollectError> for Failure {
    fn from(error: CollectError) -> Self {
        match error {
            CollectError::Input(error) => error.into(),
            CollectError::UnsupportedVersion(version) => Self {
                code: ReturnCode::UnsupportedReportVersion,
                message: format!("a report has version {version}: versions below 2.0 can be read"),
            },
            CollectError::Panicked => {
                Self { code: ReturnCode::InternalError, message: "a thread panicked".to_owned() }
            }
        }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self { code: ReturnCode::PrivacyBudgetError, message: error.to_string() }
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        let code = match error.kind {
            StorageErrorKind::Denied => ReturnCode::PermissionError,
            _ => ReturnCode::ResultWriteError,
        };
        Self { code, message: error.to_string() }
    }
}

macro_rules! internal {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self { code: ReturnCode::InternalError, message: error.to_string() }
            }
        })*
    };
}

internal!(NoRandomness, OutputError, StagingError, std::io::Error);

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Storage(error) => error.into(),
            error => Self { code: ReturnCode::ResultWriteError, message: error.to_string() },
        }
    }
}
