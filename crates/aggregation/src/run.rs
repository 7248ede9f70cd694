//! A job, from its parameters to its summary: the plan, once.
//!
//! Entry: [`run`]. Pipeline: list batches → read the domain → read, open, check, filter and sum the reports →
//! threshold of errors → join the domain → noise → encode → spend the budget and store the output → publish.
//! Everything before spending can be repeated; what follows it draws nothing any more.

mod deliver;
mod facts;
mod failure;

use std::{ops::ControlFlow, path::PathBuf};

use ascribe_reports::Time;
use aws_lc_rs::digest;

use self::facts::{Facts, Others};
pub use self::failure::Failure;
use crate::{
    Blob, Checks, ErrorCounts, InputError, JobParameters, Keyring, Location, Opener, OutputPlace, Payloads,
    Progress, Reporter, ResultInfo, ReturnCode, Storage,
    budget::{Exhausted, Ledger, PreparedOutput, Spending, Stage, Usage},
    collect::{Collected, Collection, Collector, Reports},
    domain::Domain,
    input::{PayloadColumn, read_domain},
    noise::Noise,
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
    run_collected_by(job, storage, progress, &mut |job| job.collect(storage, progress))
}

/// Runs a job whose reports are opened and summed elsewhere: the domain, the noise, the budget and the output
/// are as in [`run`](fn@run). The job's own keys and number of threads are of no use; a test cannot be run so.
pub fn run_with(job: Job<'_>, storage: &Storage, collector: &mut dyn Collector) -> Outcome {
    run_collected_by(job, storage, &Progress::default(), &mut |job| {
        let Protection::Full { .. } = job.protection else {
            let message = "clear payloads are summed on one machine".to_owned();
            return Err(Failure { code: ReturnCode::InvalidJob, message });
        };
        let blobs = job.blobs(storage)?;
        let filtering_ids = &job.parameters.filtering_ids;
        collector.collect(&Reports { blobs: &blobs, checks: job.checks(), filtering_ids })
    })
}

fn run_collected_by(
    mut job: Job<'_>,
    storage: &Storage,
    progress: &Progress,
    collect: Collect<'_>,
) -> Outcome {
    let mut state =
        State { counts: Counts::default(), errors: ErrorCounts::default(), exhausted: Vec::new() };
    let now = job.now;
    let ended = job.run(storage, progress, collect, &mut state);
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

impl Job<'_> {
    fn run(
        &mut self,
        storage: &Storage,
        progress: &Progress,
        collect: Collect<'_>,
        state: &mut State,
    ) -> Result<(ReturnCode, Vec<String>), Failure> {
        self.validate()?;
        let usage = self.usage()?;
        let noise = self.noise()?;
        let domain = self.domain(storage, progress)?;
        state.counts.domain_buckets = domain.as_slice().len() as u64;

        let Collected { totals, groups, errors, reports, duplicates } = collect(self)?;
        go_on(progress)?;
        (state.errors, state.counts.reports, state.counts.duplicates) = (errors, reports, duplicates);
        let allowed = reports as f64 * self.parameters.error_threshold / 100.0;
        let has_too_many_errors = self.max_errors().is_some_and(|max| errors.reports() > max);
        if has_too_many_errors || errors.reports() as f64 > allowed {
            return Err(Failure::plain(ReturnCode::ReportsWithErrorsExceededThreshold));
        }

        let facts = Facts::draw(&domain, &totals, noise, self.others())?;
        let spendings = groups.into_iter().flat_map(|group| {
            let spending = move |id: &u64| Spending { group: group.clone(), filtering_id: *id };
            self.parameters.filtering_ids.iter().map(spending).collect::<Vec<_>>()
        });
        let spendings: Vec<_> = spendings.collect();
        let output = self.encode(&facts, progress)?;
        drop((facts, totals, domain));
        if progress.is_cancelled() {
            output.discard();
            return Err(Failure::cancelled());
        }
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

    fn domain(&self, storage: &Storage, progress: &Progress) -> Result<Domain, Failure> {
        /// 4 GB of them.
        const MAX_BUCKETS: usize = 1 << 28;
        let Some(location) = &self.domain else { return Ok(Domain::default()) };
        let mut buckets = Vec::new();
        for blob in storage.list(location).map_err(InputError::from)? {
            read_domain(storage, &blob, &mut |bucket| {
                buckets.push(bucket);
                if buckets.len() > MAX_BUCKETS || progress.is_cancelled() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })?;
            go_on(progress)?;
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

    fn others(&self) -> Others {
        let JobParameters { discovery, epsilon, debug_run, .. } = self.parameters;
        Others {
            in_summary: self.skips_domain(),
            in_debug_output: debug_run,
            found: discovery.map(|discovery| discovery.threshold(epsilon)),
        }
    }

    fn skips_domain(&self) -> bool {
        matches!(self.protection, Protection::Test(TestSwitches { skip_domain: true, .. }))
    }

    /// The files of the output, where nobody can read them yet.
    fn encode(&self, facts: &Facts, progress: &Progress) -> Result<PreparedOutput, Failure> {
        let (mut stage, unprotected) = match &self.protection {
            Protection::Full { staging, .. } => (Stage::new(staging), None),
            Protection::Test(switches) => (Stage::new(&std::env::temp_dir()), Some(switches.describe())),
        };
        let place = OutputPlace { location: self.output.location.absolute()?, ..self.output.clone() };
        for (location, range) in place.shards(facts.in_summary) {
            let rows = range.map(|index| facts.fact(index));
            go_on(progress)?;
            stage.add(&location, place.format.summary(rows, unprotected.as_deref())?)?;
        }
        if self.parameters.debug_run {
            let debug_place = OutputPlace { location: place.location.in_directory("debug"), ..place.clone() };
            for (location, range) in debug_place.shards(facts.buckets.len()) {
                let rows = range.map(|index| facts.debug_fact(index));
                go_on(progress)?;
                stage.add(&location, place.format.debug(rows, unprotected.as_deref())?)?;
            }
        }
        Ok(stage.finish()?)
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

/// Whether nobody asked for the end of it.
fn go_on(progress: &Progress) -> Result<(), Failure> {
    if progress.is_cancelled() { Err(Failure::cancelled()) } else { Ok(()) }
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

impl std::fmt::Debug for Protection<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full { keys, .. } => f.debug_struct("Full").field("keys", keys).finish_non_exhaustive(),
            Self::Test(switches) => f.debug_tuple("Test").field(switches).finish(),
        }
    }
}
