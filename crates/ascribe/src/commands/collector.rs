//! `ascribe collector`: a reporting origin, from its campaigns file to batches and estimates.

mod password;
mod serve;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use ascribe_collector::{
    BatchOptions, BatchPlace, BatchPlan, Batcher, Campaigns, Clock, Secret, Secrets, Store, StoreLocation,
    estimates,
};
use clap::{Subcommand, ValueEnum};

use super::Verdict;
use crate::input;
use crate::output::{ERROR, Output, STRONG, WARNING};

/// Run a reporting origin: register campaigns, receive reports, batch and count them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    ascribe collector check campaigns.toml\n  \
    ascribe collector tags campaigns.toml --preview tags.html\n  \
    ascribe collector serve campaigns.toml --store reports.db --batches batches/\n  \
    ascribe collector estimates --store reports.db")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::Args>),
    Check(FileArgs),
    Tags(TagsArgs),
    Batch(BatchArgs),
    Estimates(StoreArgs),
    Backup(BackupArgs),
    Password(password::Args),
}

/// Say what a campaigns file will measure and how well, and what does not fit.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    ascribe collector check campaigns.toml\n  \
    ascribe collector check campaigns.toml --json\n\n\
    Exit code 1 if something is wrong or does not fit.")]
struct FileArgs {
    /// The campaigns file.
    file: PathBuf,
}

/// Print the HTML to paste, for each campaign and conversion, each way.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    ascribe collector tags campaigns.toml\n  \
    ascribe collector tags campaigns.toml --preview tags.html   a page to try them on")]
struct TagsArgs {
    /// The campaigns file.
    file: PathBuf,

    /// Write a page here on which the tags can be seen, copied and tried.
    #[arg(long, value_name = "FILE")]
    preview: Option<PathBuf>,
}

/// Where reports are stored.
#[derive(Debug, clap::Args)]
#[command(about = "Count event-level reports, corrected for noise.")]
#[command(after_help = "Examples:\n  \
    ascribe collector estimates --store reports.db\n  \
    ascribe collector estimates --store postgresql://collector@db/reports --json")]
struct StoreArgs {
    /// A SQLite file, or the URL of a PostgreSQL database.
    #[arg(long, value_name = "FILE|URL", default_value = "reports.db", value_parser = location)]
    store: StoreLocation,
}

/// Put aggregatable reports into batches now: those that are due, and those that were not finished.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    ascribe collector batch --store reports.db --to batches/\n  \
    ascribe collector batch --store reports.db --to s3://bucket/batches --period day --parquet")]
struct BatchArgs {
    #[command(flatten)]
    store: StoreArgs,

    /// A folder, or the URL of an object store: s3://, gs:// or az://, with its options in the environment.
    #[arg(long, value_name = "PLACE")]
    to: String,

    #[command(flatten)]
    options: BatchOptionArgs,
}

/// How batches are made.
#[derive(Debug, clap::Args)]
struct BatchOptionArgs {
    /// How long a batch's period is, in scheduled time.
    #[arg(long, value_name = "PERIOD", default_value = "hour")]
    period: Period,

    /// For how many hours after a period's end late reports are waited for.
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    wait: u16,

    /// How many reports go into one file at most.
    #[arg(long, value_name = "N", default_value_t = 20_000,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    reports_per_file: u32,

    /// Write each file in Parquet too, for analysis.
    #[arg(long)]
    parquet: bool,
}

/// Copy a SQLite store as it is at one moment, also while a collector runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    ascribe collector backup --store reports.db reports-monday.db")]
struct BackupArgs {
    #[command(flatten)]
    store: StoreArgs,

    /// The copy, which must not be there yet.
    copy: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Period {
    Hour,
    Day,
}

pub(super) fn run(args: Args, output: &mut Output) -> anyhow::Result<Verdict> {
    match args.command {
        Command::Serve(args) => serve::run(*args, output),
        Command::Check(args) => check(&args, output),
        Command::Tags(args) => tags(&args, output),
        Command::Batch(args) => batch(&args, output),
        Command::Estimates(args) => print_estimates(&args, output),
        Command::Password(args) => password::run(&args, output),
        Command::Backup(args) => {
            args.store.store.backup(&args.copy)?;
            Ok(Verdict::Passed)
        }
    }
}

fn check(args: &FileArgs, output: &mut Output) -> anyhow::Result<Verdict> {
    let text = read(&args.file)?;
    let campaigns = match Campaigns::parse(&text, no_secrets()) {
        Ok(campaigns) => campaigns,
        Err(problems) => {
            for problem in &problems.0 {
                writeln!(output, "{ERROR}error:{ERROR:#} {}: {problem}", input::name(&args.file))?;
            }
            return Ok(Verdict::Failed);
        }
    };
    let report = campaigns.check();
    if output.is_json() {
        output.json(&report)?;
    } else {
        for warning in &campaigns.warnings {
            writeln!(output, "{WARNING}warning:{WARNING:#} {}: {warning}", input::name(&args.file))?;
        }
        write!(output, "{report}")?;
    }
    Ok(if report.misfits.is_empty() { Verdict::Passed } else { Verdict::Failed })
}

fn tags(args: &TagsArgs, output: &mut Output) -> anyhow::Result<Verdict> {
    let campaigns = parse(&args.file, no_secrets())?;
    if let Some(page) = &args.preview {
        std::fs::write(page, campaigns.preview_page())
            .with_context(|| format!("writing {}", page.display()))?;
    }
    let tags = campaigns.tags();
    if output.is_json() {
        let json = |tag: &ascribe_collector::Tag| serde_json::json!({"of": tag.of, "way": tag.way, "html": tag.html});
        output.json(&tags.iter().map(json).collect::<Vec<_>>())?;
    } else {
        for tag in tags {
            writeln!(output, "{STRONG}{}, {}{STRONG:#}\n{}\n", tag.of, tag.way, tag.html)?;
        }
    }
    Ok(Verdict::Passed)
}

fn batch(args: &BatchArgs, output: &mut Output) -> anyhow::Result<Verdict> {
    let runtime = tokio::runtime::Runtime::new()?;
    let mut store = Store::open(&args.store.store)?;
    let batcher = args.options.batcher(&args.to)?;
    let batches = batcher.run(&mut store, runtime.handle())?;
    if output.is_json() {
        let json = |batch: &ascribe_collector::Batch| {
            serde_json::json!({"batch": batch.id, "attribution_destination": batch.key.destination,
                "period_start": batch.key.period_start, "reports": batch.reports, "late": batch.late})
        };
        output.json(&batches.iter().map(json).collect::<Vec<_>>())?;
    } else {
        for batch in batches {
            let late = if batch.late > 0 { ", late" } else { "" };
            writeln!(
                output,
                "batch {}: {} reports for {}{late}",
                batch.id, batch.reports, batch.key.destination
            )?;
        }
    }
    Ok(Verdict::Passed)
}

fn print_estimates(args: &StoreArgs, output: &mut Output) -> anyhow::Result<Verdict> {
    let mut store = Store::open(&args.store)?;
    let counts = store.event_counts()?;
    let all = estimates(&counts, &store.served()?);
    let forged: u64 = counts.iter().filter(|count| count.campaign.is_none()).map(|count| count.count).sum();
    if output.is_json() {
        output.json(&serde_json::json!({"estimates": all, "forged": forged}))?;
        return Ok(Verdict::Passed);
    }
    writeln!(
        output,
        "{STRONG}{:>8} {:<10} {:>12} {:>9} {:>12} {:>25} {:>10}{STRONG:#}",
        "campaign", "source", "trigger data", "reports", "true", "95 % of the time within", "sources"
    )?;
    for e in all {
        let interval = format!("{:.1} to {:.1}", e.low, e.high);
        writeln!(
            output,
            "{:>8} {:<10} {:>12} {:>9} {:>12.1} {interval:>25} {:>10}",
            e.campaign, e.source_type, e.trigger_data, e.reports, e.estimate, e.sources
        )?;
    }
    if forged > 0 {
        writeln!(
            output,
            "{WARNING}{forged} reports had a source event ID that was not issued here{WARNING:#}"
        )?;
    }
    Ok(Verdict::Passed)
}

impl BatchOptionArgs {
    fn batcher(&self, place: &str) -> anyhow::Result<Batcher> {
        let period_hours = match self.period {
            Period::Hour => 1,
            Period::Day => 24,
        };
        let options = BatchOptions {
            plan: BatchPlan { period_hours, wait_seconds: u32::from(self.wait) * 3600 },
            reports_per_file: self.reports_per_file,
            parquet: self.parquet,
        };
        // What object stores are told is in the environment, as other programs have it.
        let place =
            BatchPlace::parse(place, std::env::vars().map(|(key, value)| (key.to_lowercase(), value)))?;
        Ok(Batcher::new(place, options, Clock::system()))
    }
}

/// No campaigns file is longer.
const MAX_FILE_BYTES: usize = 16 << 20;

fn read(file: &Path) -> anyhow::Result<String> {
    String::from_utf8(input::read(file, MAX_FILE_BYTES)?)
        .with_context(|| format!("{} is not UTF-8", input::name(file)))
}

fn parse(file: &Path, secrets: Secrets) -> anyhow::Result<Campaigns> {
    Campaigns::parse(&read(file)?, secrets).map_err(|problems| anyhow!("{}:\n{problems}", input::name(file)))
}

/// For what signs nothing.
fn no_secrets() -> Secrets {
    Secrets::new(Secret::from_bytes([0; 32]), [])
}

fn location(text: &str) -> Result<StoreLocation, std::convert::Infallible> {
    Ok(StoreLocation::parse(text))
}
