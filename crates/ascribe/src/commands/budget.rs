//! `ascribe budget`: what was spent, what a batch would spend, and delivering what was paid for.

use std::io::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use ascribe_aggregation::{
    CommittedJob, Explanation, Ledger, Location, Recovered, Storage, UnitOfBatch, explain, open_ledger,
    recover,
};
use ascribe_reports::Time;
use clap::Subcommand;
use serde_json::{Value, json};

use super::Verdict;
use crate::output::{FAINT, GOOD, Output, STRONG, WARNING};

/// Show the privacy budget: what was spent, and what a batch would spend.
///
/// Reports that share an API, version, reporting origin, destination, source day and hour of their schedule
/// have one unit of budget for each filtering ID. A query uses up the units of all its reports, whatever its
/// epsilon; no query over any of them is answered again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    ascribe budget show                                the jobs that spent\n  \
    ascribe budget show --job 4fd1c0de                 what one of them used up\n  \
    ascribe budget explain batches/                    which units a batch needs, and which are used\n  \
    ascribe budget explain --filtering-ids 1,2 s3://bucket/day-1/ --json\n  \
    ascribe budget recover                             publish what was paid for and not delivered\n\n\
    `explain` needs no key: it looks at what reports tell in clear. Exit code 1 if a query over the batch\n\
    would be refused, or an output still cannot be published.")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,

    #[command(flatten)]
    ledger: LedgerArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the jobs that spent, newest first, or what one of them used up
    Show {
        /// Only this job, with the units that it used up
        #[arg(long, value_name = "ID")]
        job: Option<String>,

        /// At most this many lines
        #[arg(long, value_name = "NUMBER", default_value_t = 100)]
        limit: usize,
    },
    /// Tell which units of budget a batch needs, how many reports each covers, and which are used up
    Explain {
        /// Batches: files, directories, prefixes or URLs
        #[arg(required = true, value_name = "PATH|URL")]
        input: Vec<String>,

        /// For a query for these filtering IDs
        #[arg(long, default_value = "0", value_name = "ID,...", value_delimiter = ',')]
        filtering_ids: Vec<u64>,
    },
    /// Publish the outputs of jobs that were interrupted after they had paid: the same bytes, no new noise
    Recover,
}

/// Which ledger.
#[derive(Debug, clap::Args)]
pub(super) struct LedgerArgs {
    /// The privacy budget: an SQLite file, or the URL of a PostgreSQL database [default: $ASCRIBE_LEDGER, or
    /// ascribe/budget.sqlite in the user's state directory]
    #[arg(long, global = true, value_name = "FILE|URL")]
    ledger: Option<String>,

    /// Where large outputs wait until they are paid for, on a local disk [default: beside the SQLite file, or
    /// in the user's state directory]
    #[arg(long, global = true, value_name = "DIR")]
    staging: Option<PathBuf>,
}

impl LedgerArgs {
    pub(super) fn open(&self) -> anyhow::Result<Box<dyn Ledger>> {
        let place = self.place()?;
        // A URL may hold a password: it is not shown.
        let shown = if place.contains("://") { "the PostgreSQL ledger" } else { place.as_str() };
        open_ledger(&place).with_context(|| format!("opening {shown}"))
    }

    pub(super) fn staging(&self) -> anyhow::Result<PathBuf> {
        if let Some(directory) = &self.staging {
            return Ok(directory.clone());
        }
        let place = self.place()?;
        let file = if place.contains("://") { state("budget.sqlite")? } else { PathBuf::from(place) };
        Ok(file.with_extension("staging"))
    }

    fn place(&self) -> anyhow::Result<String> {
        if let Some(place) = self.ledger.clone().or_else(|| std::env::var("ASCRIBE_LEDGER").ok()) {
            return Ok(place);
        }
        // Not the current directory: a second ledger would be a second budget.
        Ok(state("budget.sqlite")?.to_str().context("the state directory's name is no text")?.to_owned())
    }
}

/// A file in the user's state directory.
fn state(name: &str) -> anyhow::Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let in_home = || variable("HOME").map(|home| home.join(".local/state"));
    let directory = variable("XDG_STATE_HOME").or_else(in_home);
    Ok(directory
        .context("there is no home directory for the ledger: give --ledger")?
        .join("ascribe")
        .join(name))
}

/// The time of the system.
pub(super) fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

pub(super) fn run(args: Args, output: &mut Output) -> anyhow::Result<Verdict> {
    let mut ledger = args.ledger.open()?;
    match args.action {
        Action::Show { job: None, limit } => show_jobs(&ledger.jobs(limit)?, output),
        Action::Show { job: Some(id), limit } => show_units(&mut *ledger, &id, limit, output),
        Action::Explain { input, filtering_ids } => {
            let input = input.iter().map(|text| Location::parse(text).with_context(|| text.clone()));
            let input = input.collect::<anyhow::Result<Vec<_>>>()?;
            let ids = filtering_ids.into_iter().collect();
            let explanation = explain(&Storage::default(), &input, &ids, &mut *ledger)?;
            show_explanation(&explanation, output)
        }
        Action::Recover => {
            let jobs = recover(&mut *ledger, &Storage::default(), &args.ledger.staging()?, now())?;
            show_recovered(&jobs, output)
        }
    }
}

fn show_jobs(jobs: &[CommittedJob], output: &mut Output) -> anyhow::Result<Verdict> {
    if output.is_json() {
        output.json(&jobs.iter().map(job_json).collect::<Vec<_>>())?;
        return Ok(Verdict::Passed);
    }
    if jobs.is_empty() {
        writeln!(output, "Nothing was spent.")?;
    }
    for job in jobs {
        let delivered = match job.published_at {
            Some(_) => format!("{GOOD}delivered{GOOD:#}"),
            None => format!("{WARNING}not delivered: run `ascribe budget recover`{WARNING:#}"),
        };
        let at = iso_8601(job.committed_at);
        writeln!(output, "{STRONG}{}{STRONG:#} {at} {} units, {delivered}", job.id, job.units)?;
        for file in &job.files {
            writeln!(output, "  {FAINT}{file}{FAINT:#}")?;
        }
    }
    Ok(Verdict::Passed)
}

fn show_units(
    ledger: &mut dyn Ledger,
    job: &str,
    limit: usize,
    output: &mut Output,
) -> anyhow::Result<Verdict> {
    let spent = ledger.spent(Some(job), limit)?;
    if output.is_json() {
        output.json(&spent)?;
        return Ok(Verdict::Passed);
    }
    for unit in &spent {
        let what = describe(&unit.group.to_shared_info(), unit.filtering_id);
        writeln!(output, "{FAINT}{:.16}{FAINT:#} {what}", unit.shared_id)?;
    }
    if spent.is_empty() {
        writeln!(output, "No job {job} spent anything.")?;
    }
    Ok(Verdict::Passed)
}

fn show_explanation(explanation: &Explanation, output: &mut Output) -> anyhow::Result<Verdict> {
    let used = explanation.units.iter().filter(|unit| unit.used.is_some()).count();
    let verdict = if used > 0 { Verdict::Failed } else { Verdict::Passed };
    if output.is_json() {
        output.json(&json!({
            "units": explanation.units.iter().map(unit_json).collect::<Vec<_>>(),
            "used": used,
            "error_counts": explanation.errors.to_list(),
        }))?;
        return Ok(verdict);
    }
    for unit in &explanation.units {
        let what = describe(&unit.spending.group.to_shared_info(), unit.spending.filtering_id);
        let state = match &unit.used {
            Some(used) => format!("{WARNING}used{WARNING:#} {} by job {}", iso_8601(used.at), used.job_id),
            None => format!("{GOOD}there{GOOD:#}"),
        };
        writeln!(output, "{what}: {} reports, {state}", unit.reports)?;
    }
    writeln!(output, "{} units, {used} of them used up", explanation.units.len())?;
    for entry in explanation.errors.to_list() {
        writeln!(output, "  {:>8} {}", entry.count, entry.category)?;
    }
    Ok(verdict)
}

fn show_recovered(recovered: &[Recovered], output: &mut Output) -> anyhow::Result<Verdict> {
    let is_delivered = recovered.iter().all(|recovered| recovered.published.is_ok());
    let verdict = if is_delivered { Verdict::Passed } else { Verdict::Failed };
    if output.is_json() {
        let entry = |recovered: &Recovered| {
            let error = recovered.published.as_ref().err().map(ToString::to_string);
            json!({"job_id": recovered.job.id, "files": recovered.job.files, "error": error})
        };
        output.json(&recovered.iter().map(entry).collect::<Vec<_>>())?;
        return Ok(verdict);
    }
    for Recovered { job, published } in recovered {
        match published {
            Ok(()) => {
                for file in &job.files {
                    writeln!(output, "{GOOD}wrote{GOOD:#} {file}")?;
                }
            }
            Err(error) => writeln!(output, "{WARNING}job {} is not delivered:{WARNING:#} {error}", job.id)?,
        }
    }
    if recovered.is_empty() {
        writeln!(output, "All that was paid for is delivered.")?;
    }
    Ok(verdict)
}

fn job_json(job: &CommittedJob) -> Value {
    json!({
        "job_id": job.id,
        "committed_at": iso_8601(job.committed_at),
        "published_at": job.published_at.map(iso_8601),
        "units": job.units,
        "files": job.files,
        "result_info": serde_json::from_str::<Value>(&job.result).unwrap_or_default(),
    })
}

fn unit_json(unit: &UnitOfBatch) -> Value {
    json!({
        "relevant_shared_info": unit.spending.group.to_shared_info(),
        "filtering_id": unit.spending.filtering_id,
        "reports": unit.reports,
        "used_at": unit.used.as_ref().map(|used| iso_8601(used.at)),
        "used_by_job": unit.used.as_ref().map(|used| &used.job_id),
    })
}

/// What a unit stands for, on one line.
fn describe(shared_info: &Value, filtering_id: u64) -> String {
    let text = |name: &str| shared_info[name].as_str().unwrap_or_default().to_owned();
    let hour = Time::from_secs(shared_info["scheduled_report_time"].as_i64().unwrap_or_default());
    let mut parts = vec![iso_8601(hour), text("api"), text("version"), text("reporting_origin")];
    parts.extend(["attribution_destination", "source_registration_time"].map(text));
    parts.retain(|part| !part.is_empty());
    format!("{} filtering ID {filtering_id}", parts.join(" "))
}

fn iso_8601(time: Time) -> String {
    ascribe_aggregation::iso_8601(time)
}
