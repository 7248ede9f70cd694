//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use ascribe_aggregation::JobParameters;
use clap::{Parser, Subcommand};

use crate::tls::TlsArgs;

/// Aggregate encrypted reports on many machines.
///
/// A scheduler, executors on each machine, and a command that submits a job: what `ascribe aggregate` does,
/// with the same summaries, noise aside. Only executors have keys. Whoever can submit a job has their keys at
/// work: addresses other than loopback need mutual TLS.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:\n  \
    ascribe-cluster scheduler\n  \
    ascribe-cluster executor --keys keys/ --work-dir /var/lib/ascribe/shuffle\n  \
    ascribe-cluster aggregate --reporting-site https://ads.example --input batches/ \\\n      \
        --domain domain.avro --output summary.avro"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Hand out the tasks of jobs to executors
    Scheduler(SchedulerArgs),
    /// Read, open and sum reports; the only process with keys
    Executor(ExecutorArgs),
    /// Run a job, add noise and spend the budget
    Aggregate(Box<AggregateArgs>),
}

#[derive(Debug, clap::Args)]
pub(crate) struct SchedulerArgs {
    /// Where to listen; port 0 is any
    #[arg(long, default_value = "127.0.0.1:50050", value_name = "IP:PORT")]
    pub(crate) bind: SocketAddr,

    /// After how many seconds of silence an executor's tasks are given to others
    #[arg(long, default_value_t = 60, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(MIN_EXECUTOR_TIMEOUT..=3600))]
    pub(crate) executor_timeout: u64,

    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

/// Executors that are busy are heard of every 5 seconds.
const MIN_EXECUTOR_TIMEOUT: u64 = 8;

#[derive(Debug, clap::Args)]
pub(crate) struct ExecutorArgs {
    /// The directory with the coordinator's private keys: read again for each task
    #[arg(long, value_name = "DIR")]
    pub(crate) keys: PathBuf,

    /// A directory of its own for what goes between stages, on a local disk: emptied at the start
    #[arg(long, value_name = "DIR")]
    pub(crate) work_dir: PathBuf,

    /// The scheduler
    #[arg(long, default_value = "127.0.0.1:50050", value_name = "HOST:PORT")]
    pub(crate) scheduler: String,

    /// Where to serve results to other executors and to clients; port 0 is any
    #[arg(long, default_value = "127.0.0.1:0", value_name = "IP:PORT")]
    pub(crate) bind: SocketAddr,

    /// The name by which others reach this machine [default: the address of --bind]
    #[arg(long, value_name = "HOST")]
    pub(crate) advertise: Option<String>,

    /// How many tasks run at once [default: one for each core]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) tasks: Option<u16>,

    /// How many hours what is between stages is kept, if nobody asks for its removal
    #[arg(long, default_value_t = 24, value_name = "HOURS", value_parser = clap::value_parser!(u16).range(1..=168))]
    pub(crate) keep: u16,

    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 1 if the privacy budget is exhausted, too many reports are invalid, or one is of a \
    later\nformat, 2 for anything else, such as a scheduler that is lost: nothing was spent then, and the same command \
    can\nbe run again. Input is read by executors: its paths and URLs must mean the same files on all machines."
)]
pub(crate) struct AggregateArgs {
    /// The scheduler
    #[arg(long, default_value = "127.0.0.1:50050", value_name = "HOST:PORT")]
    pub(crate) scheduler: String,

    /// Batches: files, directories, prefixes or URLs, which all machines can read
    #[arg(long, required = true, num_args = 1.., value_name = "PATH|URL")]
    pub(crate) input: Vec<String>,

    /// The buckets that the summary has
    #[arg(long, required_unless_present = "discover_buckets", value_name = "PATH|URL")]
    pub(crate) domain: Option<String>,

    /// Where the summary goes; its name ends in .avro, .csv, .json or .parquet
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) output: String,

    /// Aggregate the reports of all origins of this site
    #[arg(
        long,
        conflicts_with = "attribution_report_to",
        required_unless_present = "attribution_report_to",
        value_name = "SITE"
    )]
    pub(crate) reporting_site: Option<String>,

    /// Aggregate the reports of this origin
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) attribution_report_to: Option<String>,

    /// How much a summary may disclose: above 0, at most 64
    #[arg(long, default_value_t = JobParameters::DEFAULT_EPSILON)]
    pub(crate) epsilon: f64,

    /// Aggregate the contributions with these filtering IDs
    #[arg(long, default_value = "0", value_name = "ID,...")]
    pub(crate) filtering_ids: String,

    /// Fail if more reports than this would be left out
    #[arg(long, default_value = "10%", value_name = "PERCENT")]
    pub(crate) error_threshold: String,

    /// Also write what is in the reports, without noise; takes only reports in debug mode, spends no budget
    #[arg(long)]
    pub(crate) debug_run: bool,

    /// Let the batch be queried again, until the epsilons of its queries add up to this; each must say the same
    #[arg(long, value_name = "EPSILON")]
    pub(crate) requery_budget: Option<f64>,

    /// Also write buckets that are not in the domain, if their noised sum is high enough: (epsilon,
    /// DELTA)-private
    #[arg(long, value_name = "DELTA", num_args = 0..=1, default_missing_value = "1e-5", require_equals = true)]
    pub(crate) discover_buckets: Option<f64>,

    /// The job's ID in the ledger [default: a random one]
    #[arg(long, value_name = "ID")]
    pub(crate) job_id: Option<String>,

    /// The privacy budget: an SQLite file, or the URL of a PostgreSQL database
    #[arg(long, env = "ASCRIBE_LEDGER", hide_env_values = true, value_name = "FILE|URL")]
    pub(crate) ledger: String,

    /// Where large outputs wait until they are paid for, on a local disk [default: beside the SQLite file]
    #[arg(long, value_name = "DIR")]
    pub(crate) staging: Option<PathBuf>,

    /// Into how many parts the work is divided: 2 to 4 for each core of the cluster
    #[arg(long, default_value_t = 64, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) partitions: u16,

    /// Print the job API's `result_info`
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
