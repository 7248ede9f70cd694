//! `ascribe-cluster`: what `ascribe aggregate` does, on many machines, with Ballista (Apache DataFusion's
//! distributed engine).
//!
//! | process | what | where |
//! |---|---|---|
//! | `aggregate` | makes the plan, submits it, joins the domain, draws the noise, spends the budget | `aggregate`, `submit` |
//! | `scheduler` | hands out tasks | `scheduler` |
//! | `executor` | reads, opens and sums; the only one with keys | `executor`, `plan` |
//!
//! A plan has three stages; what goes from one to the next lies in files of the executors meanwhile:
//!
//! 1. `plan::read`: sealed reports, as they stand in the batches, dealt out by report ID;
//! 2. `plan::open`: opened, checked, each report once, and added up: [`entry::Entry`]s, dealt out by bucket;
//! 3. sums by bucket, which the client fetches.
//!
//! Noise is not in the plan: a task that runs twice would draw it twice.

mod aggregate;
mod cli;
mod entry;
mod executor;
mod plan;
mod scheduler;
mod submit;
mod tls;

use std::process::ExitCode;

use clap::Parser;

/// Ballista warns of the mark in its work directory, each minute.
const DEFAULT_FILTER: &str = "warn,ballista_executor::executor_process=error";

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(DEFAULT_FILTER)),
        )
        .with_writer(std::io::stderr)
        .init();
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .expect("it is the first thing that is installed");
    let ended = match cli::Cli::parse().command {
        cli::Command::Scheduler(args) => scheduler::run(&args),
        cli::Command::Executor(args) => executor::run(&args),
        cli::Command::Aggregate(args) => aggregate::run(&args),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}
