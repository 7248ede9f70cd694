//! `ascribe aggregate`: encrypted reports to a noised summary, under a privacy budget.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use ascribe_aggregation::{
    Counts, Discovery, Job, JobParameters, KeyError, Keyring, Location, Outcome, OutputFormat, OutputPlace,
    Progress, Protection, Recovered, Reporter, ReturnCode, Storage, TestSwitches, recover, run as run_job,
};
use ascribe_privacy::Epsilon;
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::Verdict;
use super::budget::{LedgerArgs, now};
use super::passphrase::PassphraseArgs;
use crate::output::{FAINT, GOOD, Output, WARNING};

/// Sum encrypted reports by bucket, add noise, and write a summary.
///
/// Opens aggregatable reports with the coordinator's keys, checks and sums them, adds noise to each bucket
/// of the domain and writes the summary. The privacy budget of the reports is used up: a second query over
/// any of them is refused. Reports come in Avro, Parquet or JSON, told by how the files begin.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    ascribe aggregate --keys keys/ --reporting-site https://ads.example --input batches/ \\\n    \
        --domain domain.avro --output summary.avro\n  \
    ascribe aggregate --keys keys/ --attribution-report-to https://r.ads.example --epsilon 3 \\\n    \
        --input s3://bucket/day-1/ --domain s3://bucket/domain.csv --output s3://bucket/out/day-1.avro\n  \
    ascribe aggregate --keys keys/ --reporting-site https://ads.example --debug-run \\\n    \
        --input batches/ --domain domain.txt --output check.json       also writes debug/check.json\n  \
    ascribe aggregate --clear-payloads --no-noise --input test.avro --domain domain.txt --output sums.csv\n\n\
    A path that is a directory stands for all files in it; one that is neither stands for all files whose\n\
    names begin so. A domain is Avro, Parquet, JSON, CSV or text with a bucket on each line, as 0x and\n\
    hexadecimal digits or as a decimal. Credentials for object stores come from AWS_..., GOOGLE_... and\n\
    AZURE_... in the environment.\n\n\
    Exit code 1 if the privacy budget is exhausted, too many reports are invalid, or one is of a later\n\
    format: nothing was spent then. The JSON is the job API's `result_info`, with `counts` and `files`.")]
pub(crate) struct Args {
    /// Batches: files, directories, prefixes or URLs
    #[arg(long, required = true, num_args = 1.., value_name = "PATH|URL")]
    input: Vec<String>,

    /// The buckets that the summary has
    #[arg(long, required_unless_present_any = ["skip_domain", "discover_buckets"], value_name = "PATH|URL")]
    domain: Option<String>,

    /// Where the summary goes; a large one is split into files with numbers in their names
    #[arg(long, value_name = "PATH|URL")]
    output: String,

    /// The format of the summary [default: by the end of its name]
    #[arg(long, value_name = "FORMAT")]
    output_format: Option<Format>,

    /// The directory with the coordinator's private keys
    #[arg(long, required_unless_present_any = ["clear_payloads", "no_noise", "skip_domain"], value_name = "DIR")]
    keys: Option<PathBuf>,

    #[command(flatten)]
    passphrase: PassphraseArgs,

    /// Aggregate the reports of all origins of this site
    #[arg(long, conflicts_with = "attribution_report_to", value_name = "SITE")]
    reporting_site: Option<String>,

    /// Aggregate the reports of this origin
    #[arg(long, value_name = "ORIGIN")]
    attribution_report_to: Option<String>,

    /// How much a summary may disclose: above 0, at most 64
    #[arg(long, default_value_t = JobParameters::DEFAULT_EPSILON)]
    epsilon: f64,

    /// Aggregate the contributions with these filtering IDs
    #[arg(long, default_value = "0", value_name = "ID,...")]
    filtering_ids: String,

    /// Fail if more reports than this would be left out
    #[arg(long, default_value = "10%", value_name = "PERCENT")]
    error_threshold: String,

    /// How many reports there are, so that too many errors are noticed early
    #[arg(long, value_name = "NUMBER")]
    input_report_count: Option<u64>,

    /// Also write what is in the reports, without noise; takes only reports in debug mode, spends no budget
    #[arg(long)]
    debug_run: bool,

    /// Let the batch be queried again, until the epsilons of its queries add up to this; each must say the same
    #[arg(long, value_name = "EPSILON", help_heading = BEYOND)]
    requery_budget: Option<f64>,

    /// Also write buckets that are not in the domain, if their noised sum is high enough: (epsilon,
    /// DELTA)-private
    #[arg(long, value_name = "DELTA", num_args = 0..=1, default_missing_value = "1e-5", require_equals = true,
          help_heading = BEYOND)]
    discover_buckets: Option<f64>,

    /// The job's ID in the ledger [default: a random one]
    #[arg(long, value_name = "ID")]
    job_id: Option<String>,

    /// How many threads open reports [default: one for each core]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,

    #[command(flatten)]
    ledger: LedgerArgs,

    /// Read clear payloads; encrypted ones cannot be opened
    #[arg(long, conflicts_with = "keys", help_heading = TESTS)]
    clear_payloads: bool,

    /// Write sums as they are; implies --clear-payloads
    #[arg(long, conflicts_with = "keys", help_heading = TESTS)]
    no_noise: bool,

    /// Write the buckets of the reports, too; implies --clear-payloads
    #[arg(long, conflicts_with = "keys", help_heading = TESTS)]
    skip_domain: bool,
}

const BEYOND: &str = "Beyond the aggregation service; docs/aggregation.md tells what they cost";

const TESTS: &str = "For tests with made-up reports: no budget is spent, and the output says so";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Avro,
    Json,
    Csv,
    Parquet,
}

pub(super) fn run(args: Args, output: &mut Output) -> anyhow::Result<Verdict> {
    ensure!(
        args.epsilon > 0.0 && args.epsilon <= JobParameters::MAX_EPSILON,
        "--epsilon must be above 0, at most {}",
        JobParameters::MAX_EPSILON
    );
    let storage = Storage::default();
    let Some(keys) = &args.keys else {
        let switches = TestSwitches { no_noise: args.no_noise, skip_domain: args.skip_domain };
        let outcome = with_progress(job(&args, Protection::Test(switches))?, &storage);
        anstream::eprintln!("{WARNING}not private:{WARNING:#} a test, which spends no budget");
        return show(&outcome, output);
    };
    let keys = match Keyring::read(keys) {
        Err(KeyError::Locked { .. }) => Keyring::read_with(keys, Some(&args.passphrase.get()?))?,
        read => read?,
    };
    let mut ledger = args.ledger.open()?;
    let staging = args.ledger.staging()?;

    // What an earlier run paid for and did not deliver comes first.
    let recovered = recover(&mut *ledger, &storage, &staging, now())?;
    let job = job(&args, Protection::Full { keys, ledger: &mut *ledger, staging })?;
    for Recovered { job: earlier, published } in recovered {
        let id = &earlier.id;
        match published {
            Ok(()) if earlier.request == job.request() => return show_recovered(&earlier, output),
            Ok(()) => anstream::eprintln!("published the output of job {id}, which was interrupted"),
            Err(error) => {
                anstream::eprintln!("{WARNING}job {id} is paid for and not delivered:{WARNING:#} {error}")
            }
        }
    }
    show(&with_progress(job, &storage), output)
}

fn job<'a>(args: &Args, protection: Protection<'a>) -> anyhow::Result<Job<'a>> {
    let is_test = matches!(protection, Protection::Test(_));
    let location = |text: &String| Location::parse(text).with_context(|| text.clone());
    let location_out = location(&args.output)?;
    let format = match args.output_format {
        Some(format) => format.into(),
        None => OutputFormat::from_name(location_out.file_name()).context(
            "the name of the output ends in none of .avro, .json, .csv, .parquet: give --output-format",
        )?,
    };
    let id = match &args.job_id {
        Some(id) => id.clone(),
        None => random_id()?,
    };
    Ok(Job {
        id,
        parameters: parameters(args, is_test)?,
        input: args.input.iter().map(location).collect::<Result<_, _>>()?,
        domain: args.domain.as_ref().map(location).transpose()?,
        output: OutputPlace { location: location_out, format, always_numbered: false },
        protection,
        now: now(),
        threads: args.threads.map_or_else(cores, usize::from),
    })
}

/// Through the names of the job API, so that both mean the same.
fn parameters(args: &Args, is_test: bool) -> anyhow::Result<JobParameters> {
    let mut map = BTreeMap::from([
        ("debug_privacy_epsilon", args.epsilon.to_string()),
        ("filtering_ids", args.filtering_ids.clone()),
        ("report_error_threshold_percentage", args.error_threshold.clone()),
        ("debug_run", args.debug_run.to_string()),
    ]);
    let optional = [
        ("reporting_site", args.reporting_site.clone()),
        ("attribution_report_to", args.attribution_report_to.clone()),
        ("input_report_count", args.input_report_count.map(|count| count.to_string())),
    ];
    map.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let map = map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let has_reporter = args.reporting_site.is_some() || args.attribution_report_to.is_some();
    let mut parameters = match is_test && !has_reporter {
        true => JobParameters::from_map_with(Reporter::Any, &map)?,
        false => JobParameters::from_map(&map)?,
    };
    if let Some(whole) = args.requery_budget {
        parameters.requery_budget =
            Some(Epsilon::new(whole).context("--requery-budget must not be negative")?);
    }
    if let Some(delta) = args.discover_buckets {
        let out_of_range = || format!("--discover-buckets must be above 0, at most {}", Discovery::MAX_DELTA);
        parameters.discovery = Some(Discovery::new(delta).with_context(out_of_range)?);
    }
    Ok(parameters)
}

fn random_id() -> anyhow::Result<String> {
    use rand::TryRng;
    let mut rng = rand::rngs::SysRng;
    let mut half = || rng.try_next_u64().context("asking the operating system for a job's ID");
    Ok(format!("{:016x}{:016x}", half()?, half()?))
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Runs the job, with a bar on standard error that only a terminal shows.
fn with_progress(job: Job<'_>, storage: &Storage) -> Outcome {
    const REFRESH: Duration = Duration::from_millis(200);
    let progress = Progress::default();
    let style =
        ProgressStyle::with_template("{bar:40} {percent}% {msg} {elapsed}").expect("a constant template");
    let bar = ProgressBar::new(1000).with_style(style);
    let started = Instant::now();
    thread::scope(|scope| {
        let shown = scope.spawn(|| {
            while !bar.is_finished() {
                let reports = progress.reports();
                let rate = reports as f64 / started.elapsed().as_secs_f64().max(1e-9);
                bar.set_position((progress.share_read() * 1000.0) as u64);
                bar.set_message(format!("{reports} reports, {rate:.0}/s"));
                thread::park_timeout(REFRESH);
            }
        });
        // However the job ends, the bar does, too: its thread would be waited for.
        let _end = End(&bar, shown.thread());
        run_job(job, storage, &progress)
    })
}

struct End<'a>(&'a ProgressBar, &'a thread::Thread);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.finish_and_clear();
        self.1.unpark();
    }
}

#[derive(Serialize)]
struct Shown<'a, T> {
    #[serde(flatten)]
    result_info: T,
    counts: Option<Counts>,
    files: &'a [String],
}

fn show(outcome: &Outcome, output: &mut Output) -> anyhow::Result<Verdict> {
    let Outcome { result, counts, files, .. } = outcome;
    if output.is_json() {
        output.json(&Shown { result_info: result, counts: Some(*counts), files })?;
    }
    match result.return_code {
        code if code.is_success() && !output.is_json() => {
            for file in files {
                writeln!(output, "{GOOD}wrote{GOOD:#} {file}")?;
            }
            writeln!(output, "{code}: {}", result.return_message)?;
            writeln!(
                output,
                "{FAINT}{} reports, {} duplicates, {} left out; {} buckets; {} units of budget spent{FAINT:#}",
                counts.reports, counts.duplicates, counts.errors, counts.domain_buckets, counts.units_spent
            )?;
            show_errors(outcome, output)?;
            Ok(Verdict::Passed)
        }
        code if code.is_success() => Ok(Verdict::Passed),
        code @ (ReturnCode::PrivacyBudgetExhausted
        | ReturnCode::ReportsWithErrorsExceededThreshold
        | ReturnCode::UnsupportedReportVersion) => {
            if !output.is_json() {
                writeln!(output, "{WARNING}{code}{WARNING:#}: {}", result.return_message)?;
                show_errors(outcome, output)?;
            }
            Ok(Verdict::Failed)
        }
        code => bail!("{code}: {}", result.return_message),
    }
}

fn show_errors(outcome: &Outcome, output: &mut Output) -> anyhow::Result<()> {
    for entry in &outcome.result.error_summary.error_counts {
        writeln!(output, "  {:>8} {}  {FAINT}{}{FAINT:#}", entry.count, entry.category, entry.description)?;
    }
    Ok(())
}

/// An earlier run was asked for the same, paid, and was interrupted before it could deliver: this run is its
/// end.
fn show_recovered(job: &ascribe_aggregation::CommittedJob, output: &mut Output) -> anyhow::Result<Verdict> {
    let result: serde_json::Value = serde_json::from_str(&job.result).context("the result in the ledger")?;
    if output.is_json() {
        output.json(&Shown { result_info: &result, counts: None, files: &job.files })?;
        return Ok(Verdict::Passed);
    }
    for file in &job.files {
        writeln!(output, "{GOOD}wrote{GOOD:#} {file}")?;
    }
    writeln!(
        output,
        "It is what an earlier run of this command paid for: nothing was spent or drawn again."
    )?;
    Ok(Verdict::Passed)
}

impl From<Format> for OutputFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Avro => Self::Avro,
            Format::Json => Self::Json,
            Format::Csv => Self::Csv,
            Format::Parquet => Self::Parquet,
        }
    }
}
