//! `ascribe aggregation`: the job API as a server.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use ascribe_aggregation::{Service, ServiceConfig, TlsFiles};
use clap::Subcommand;
use serde_json::json;
use tokio::net::TcpListener;

use super::Verdict;
use super::serving::{log, tls, wait_for_end};
use crate::input;
use crate::output::{ERROR, GOOD, Output};

/// Run an aggregation service: createJob and getJob over HTTP, with a queue and workers.
///
/// Clients of the aggregation service reach it with another address and a token; nothing else differs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    ascribe aggregation check aggregation.toml\n  \
    ascribe aggregation serve aggregation.toml\n\n\
    docs/aggregation.md has a configuration to begin with.")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take jobs, and run them
    ///
    /// SIGTERM and Ctrl-C end it: jobs that are under way are handed back, and go on with the next start, or on
    /// another machine that shares the ledger. A job that is interrupted in any other way spends its budget
    /// once, too.
    #[command(after_help = "Example:\n  ascribe aggregation serve aggregation.toml")]
    Serve(FileArgs),
    /// Say what is wrong with a configuration, and where
    #[command(after_help = "Example:\n  ascribe aggregation check aggregation.toml --json\n\n\
        Exit code 1 if something is wrong.")]
    Check(FileArgs),
}

#[derive(Debug, clap::Args)]
struct FileArgs {
    /// The configuration, in TOML
    file: PathBuf,
}

/// No configuration is longer.
const MAX_FILE_BYTES: usize = 1 << 20;

pub(super) fn run(args: Args, output: &mut Output) -> anyhow::Result<Verdict> {
    match args.command {
        Command::Serve(args) => serve(&args.file, output),
        Command::Check(args) => check(&args.file, output),
    }
}

fn check(file: &Path, output: &mut Output) -> anyhow::Result<Verdict> {
    let config = match ServiceConfig::parse(&read(file)?, directory(file)) {
        Ok(config) => config,
        Err(problems) => {
            for problem in &problems.0 {
                writeln!(output, "{ERROR}error:{ERROR:#} {}: {problem}", input::name(file))?;
            }
            return Ok(Verdict::Failed);
        }
    };
    let buckets = config.buckets().map(|(name, place)| (name.to_owned(), place.to_string()));
    if output.is_json() {
        let buckets: serde_json::Map<_, _> = buckets.map(|(name, place)| (name, place.into())).collect();
        output
            .json(&json!({"listen": config.listen, "operations": config.operations, "buckets": buckets}))?;
        return Ok(Verdict::Passed);
    }
    writeln!(
        output,
        "{GOOD}valid{GOOD:#}: clients on {}, operations on {}",
        config.listen, config.operations
    )?;
    for (name, place) in buckets {
        writeln!(output, "  bucket {name}: {place}")?;
    }
    Ok(Verdict::Passed)
}

fn serve(file: &Path, output: &mut Output) -> anyhow::Result<Verdict> {
    log();
    // Object stores take the default one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let config = ServiceConfig::parse(&read(file)?, directory(file))
        .map_err(|problems| anyhow!("{}:\n{problems}", input::name(file)))?;
    let acceptor = match &config.tls {
        Some(TlsFiles { certificate, key }) => Some(tls(certificate, key, &["http/1.1"])?),
        None => None,
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let (clients, operations) = runtime.block_on(async {
        let bind = async |address| {
            TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))
        };
        anyhow::Ok((bind(config.listen).await?, bind(config.operations).await?))
    })?;
    let service = Service::start(config)?;
    writeln!(output, "serving on {}, operations on {}", clients.local_addr()?, operations.local_addr()?)?;
    output.flush()?;
    runtime.block_on(service.serve(clients, operations, acceptor, async {
        wait_for_end(|| tracing::info!("the configuration is read at the start alone")).await;
        tracing::info!("ending");
    }));
    // Hands back what is under way.
    drop(service);
    Ok(Verdict::Passed)
}

/// Paths in the configuration are relative to it.
fn directory(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn read(file: &Path) -> anyhow::Result<String> {
    String::from_utf8(input::read(file, MAX_FILE_BYTES)?)
        .with_context(|| format!("{} is not UTF-8", input::name(file)))
}
