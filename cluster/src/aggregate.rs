//! `ascribe-cluster aggregate`: a job, whose reports a cluster opens and sums.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail, ensure};
use ascribe_aggregation::{
    Discovery, Job, JobParameters, Keyring, Location, Outcome, OutputFormat, OutputPlace, Protection,
    Recovered, ReturnCode, Storage, open_ledger, recover, run_with,
};
use ascribe_privacy::Epsilon;
use ascribe_reports::Time;
use rand::{TryRng, rngs::SysRng};

use crate::{cli::AggregateArgs, submit::Cluster, tls::Peers};

pub(crate) fn run(args: &AggregateArgs) -> anyhow::Result<ExitCode> {
    let peers = Peers::new(&args.tls)?;
    let scheduler = peers.scheduler(&args.scheduler)?;
    let mut cluster = Cluster { scheduler, peers, partitions: args.partitions.into() };
    // A URL may hold a password: it is not shown.
    let mut ledger = open_ledger(&args.ledger).context("opening the ledger")?;
    let staging = staging(args)?;
    let storage = Storage::default();
    let now = now();

    // What an earlier run paid for and did not deliver comes first.
    let recovered = recover(&mut *ledger, &storage, &staging, now)?;
    // Keys are the executors' alone.
    let protection = Protection::Full { keys: Keyring::default(), ledger: &mut *ledger, staging };
    let job = job(args, protection, now)?;
    for Recovered { job: earlier, published } in recovered {
        match published {
            Ok(()) if earlier.request == job.request() => {
                for file in &earlier.files {
                    println!("wrote {file}");
                }
                println!(
                    "It is what an earlier run of this command paid for: nothing was spent or drawn again."
                );
                return Ok(ExitCode::SUCCESS);
            }
            Ok(()) => eprintln!("published the output of job {}, which was interrupted", earlier.id),
            Err(error) => eprintln!("job {} is paid for and not delivered: {error}", earlier.id),
        }
    }
    show(&run_with(job, &storage, &mut cluster), args.json)
}

fn job<'a>(args: &AggregateArgs, protection: Protection<'a>, now: Time) -> anyhow::Result<Job<'a>> {
    let location = |text: &String| Location::parse(text).with_context(|| text.clone());
    let output = location(&args.output)?;
    let format = OutputFormat::from_name(output.file_name())
        .context("the name of the output ends in none of .avro, .csv, .json, .parquet")?;
    Ok(Job {
        id: match &args.job_id {
            Some(id) => id.clone(),
            None => format!("{:016x}{:016x}", SysRng.try_next_u64()?, SysRng.try_next_u64()?),
        },
        parameters: parameters(args)?,
        input: args.input.iter().map(location).collect::<Result<_, _>>()?,
        domain: args.domain.as_ref().map(location).transpose()?,
        output: OutputPlace { location: output, format, always_numbered: false },
        protection,
        now,
        threads: 1,
    })
}

/// Through the names of the job API, so that both mean the same.
fn parameters(args: &AggregateArgs) -> anyhow::Result<JobParameters> {
    ensure!(
        args.epsilon > 0.0 && args.epsilon <= JobParameters::MAX_EPSILON,
        "--epsilon must be above 0, at most {}",
        JobParameters::MAX_EPSILON
    );
    let mut map = BTreeMap::from([
        ("debug_privacy_epsilon".to_owned(), args.epsilon.to_string()),
        ("filtering_ids".to_owned(), args.filtering_ids.clone()),
        ("report_error_threshold_percentage".to_owned(), args.error_threshold.clone()),
        ("debug_run".to_owned(), args.debug_run.to_string()),
    ]);
    for (name, value) in
        [("reporting_site", &args.reporting_site), ("attribution_report_to", &args.attribution_report_to)]
    {
        map.extend(value.iter().map(|value| (name.to_owned(), value.clone())));
    }
    let mut parameters = JobParameters::from_map(&map)?;
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

fn staging(args: &AggregateArgs) -> anyhow::Result<PathBuf> {
    match &args.staging {
        Some(directory) => Ok(directory.clone()),
        None if args.ledger.contains("://") => bail!("with a PostgreSQL ledger, --staging must be given"),
        None => Ok(PathBuf::from(&args.ledger).with_extension("staging")),
    }
}

fn now() -> Time {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Time::from_secs(i64::try_from(since_epoch).unwrap_or(i64::MAX))
}

fn show(outcome: &Outcome, json: bool) -> anyhow::Result<ExitCode> {
    let Outcome { result, counts, files, .. } = outcome;
    let code = result.return_code;
    if json {
        let mut shown = serde_json::to_value(result)?;
        shown["counts"] = serde_json::to_value(counts)?;
        shown["files"] = serde_json::to_value(files)?;
        println!("{shown}");
    } else if code.is_success() || is_refusal(code) {
        for file in files {
            println!("wrote {file}");
        }
        println!("{code}: {}", result.return_message);
        println!(
            "{} reports, {} duplicates, {} left out; {} buckets; {} units of budget spent",
            counts.reports, counts.duplicates, counts.errors, counts.domain_buckets, counts.units_spent
        );
        for entry in &result.error_summary.error_counts {
            println!("  {:>8} {}  {}", entry.count, entry.category, entry.description);
        }
    }
    match code {
        code if code.is_success() => Ok(ExitCode::SUCCESS),
        code if is_refusal(code) => Ok(ExitCode::from(1)),
        code => bail!("{code}: {}", result.return_message),
    }
}

fn is_refusal(code: ReturnCode) -> bool {
    matches!(
        code,
        ReturnCode::PrivacyBudgetExhausted
            | ReturnCode::ReportsWithErrorsExceededThreshold
            | ReturnCode::UnsupportedReportVersion
    )
}
