//! `ascribe collector serve`.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use ascribe_collector::{
    Access, Campaigns, Chores, Clock, Collector, Dashboard, DashboardOptions, Housekeeping, Limits, Overload,
    Secret, Secrets, ServiceAddress, StoreLocation,
};
use clap::ValueEnum;
use rand::TryRng;
use tokio::net::TcpListener;

use super::{BatchOptionArgs, Verdict, location, parse};
use crate::commands::serving::{TlsArgs, log, wait_for_end};
use crate::output::Output;

/// Serve registrations, and receive reports.
///
/// Reports are acknowledged when they are durable. Two listeners: one for the world, over TLS or behind a proxy
/// that does TLS; one for those who run it, with /health, /ready, /metrics and, once the campaigns file says who may
/// see it, /dashboard/. SIGHUP reads the campaigns file
/// again; SIGTERM and Ctrl-C end it once all that was received is stored.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    ascribe collector serve campaigns.toml\n  \
    ascribe collector serve campaigns.toml --listen [::]:443 --tls-cert cert.pem --tls-key key.pem\n  \
    ascribe collector serve campaigns.toml --store postgresql://collector@db/reports --batches s3://bucket/batches")]
pub(super) struct Args {
    /// The campaigns file.
    file: PathBuf,

    /// Where the world reaches it.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// Where those who run it reach it.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
    operations: SocketAddr,

    /// Serve those who run it over TLS too, with the same certificate. Without, a password that does not stay on
    /// this machine can be read on its way.
    #[arg(long, requires = "tls_cert")]
    operations_tls: bool,

    /// A SQLite file, or the URL of a PostgreSQL database.
    #[arg(long, value_name = "FILE|URL", default_value = "reports.db", value_parser = location)]
    store: StoreLocation,

    /// The secret that signs source event IDs; created if there is none. Given several times, the others are
    /// previous ones, which are still recognized [default: the campaigns file's name with .secret].
    #[arg(long, value_name = "FILE")]
    secret: Vec<PathBuf>,

    #[command(flatten)]
    tls: TlsArgs,

    /// Where to put batches of aggregatable reports: a folder, or s3://, gs://, az://. None are made without.
    #[arg(long, value_name = "PLACE")]
    batches: Option<String>,

    #[command(flatten)]
    batch_options: BatchOptionArgs,

    /// Delete reports after so many days.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    keep_days: Option<u32>,

    /// The header in which a proxy tells the client's address, such as x-forwarded-for.
    #[arg(long, value_name = "HEADER")]
    client_address_header: Option<String>,

    /// What happens to reports that cannot be stored now: browsers send again what was reset, and drop what was
    /// answered 503. Behind a proxy, 503 it is.
    #[arg(long, value_name = "HOW", default_value = "reset")]
    overload: OverloadArg,

    /// How many reports a second are taken from one client, in the long run; ten times as many at once.
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    reports_per_second: u32,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OverloadArg {
    Reset,
    Unavailable,
}

/// How often batches and old reports are looked for.
const CHORES_EVERY: Duration = Duration::from_secs(60);

pub(super) fn run(args: Args, output: &mut Output) -> anyhow::Result<Verdict> {
    log();
    // Object stores take the default one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let secrets = secrets(&args)?;
    let campaigns = parse(&args.file, secrets.clone())?;
    for misfit in campaigns.check().misfits {
        tracing::warn!(misfit, "what the campaigns file says does not fit");
    }
    let tls = args.tls.config()?;
    let dashboard = dashboard_options(&args, &campaigns)?;
    let limits = Limits {
        client_address_header: args
            .client_address_header
            .as_deref()
            .map(|name| name.parse().context("--client-address-header is no header's name"))
            .transpose()?,
        overload: match args.overload {
            OverloadArg::Reset => Overload::Reset,
            OverloadArg::Unavailable => Overload::Unavailable,
        },
        reports_per_second: args.reports_per_second,
        burst: args.reports_per_second.saturating_mul(10),
        ..Limits::default()
    };
    let batcher = args.batches.as_deref().map(|place| args.batch_options.batcher(place)).transpose()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let (public, operations) = runtime.block_on(async {
        let bind = async |address| {
            TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))
        };
        anyhow::Ok((bind(args.listen).await?, bind(args.operations).await?))
    })?;
    let collector = Collector::start(campaigns, args.store.clone(), limits, Clock::system())?;
    let mut operations_routes = collector.operations_routes();
    if let Some(options) = dashboard {
        operations_routes = operations_routes.merge(Dashboard::new(&collector, options)?.routes());
    }
    let chores = Chores { every: CHORES_EVERY, batcher, keep_days: args.keep_days, clock: Clock::system() };
    let housekeeping = Housekeeping::start(chores, args.store.clone(), runtime.handle().clone())?;
    writeln!(output, "serving on {}, operations on {}", public.local_addr()?, operations.local_addr()?)?;
    output.flush()?;
    runtime.block_on(async {
        let (end, ended) = tokio::sync::watch::channel(());
        let until = |mut ended: tokio::sync::watch::Receiver<()>| async move { drop(ended.changed().await) };
        let reload = || match parse(&args.file, secrets.clone()) {
            Ok(campaigns) => {
                collector.replace_campaigns(campaigns);
                tracing::info!("the campaigns file was read again");
            }
            Err(error) => tracing::error!(%error, "the campaigns file is wrong: the one before stays in use"),
        };
        tokio::join!(
            collector.serve(public, collector.public_routes(), tls.clone(), until(ended.clone())),
            collector.serve(operations, operations_routes, tls.filter(|_| args.operations_tls), until(ended)),
            async {
                wait_for_end(reload).await;
                tracing::info!("ending");
                drop(end);
            },
        );
    });
    // Their threads end, once what they have begun is done.
    drop(housekeeping);
    drop(collector);
    Ok(Verdict::Passed)
}

/// Who may see the dashboard, by the campaigns file; nobody, if it does not say. Its paths begin where it is.
fn dashboard_options(args: &Args, campaigns: &Campaigns) -> anyhow::Result<Option<DashboardOptions>> {
    let beside = |path: &Path| args.file.parent().unwrap_or(Path::new("")).join(path);
    let section = &campaigns.dashboard;
    let mut access = Access::new(section.password_hash.clone());
    if let Some(file) = &section.token_file {
        access = access.with_token_file(&beside(file)).context("dashboard.token_file")?;
    }
    if !access.is_possible() {
        tracing::info!(
            "the dashboard is off: to turn it on, append what `ascribe collector password` prints to the campaigns file"
        );
        return Ok(None);
    }
    let readable = !args.operations_tls && !args.operations.ip().is_loopback();
    if readable && section.origin.as_ref().is_none_or(|origin| origin.scheme() != "https") {
        tracing::warn!(
            "the dashboard's password can be read on its way: use --operations-tls, or a proxy with TLS"
        );
    }
    let service = campaigns
        .service
        .clone()
        .map(|service| ServiceAddress { token_file: beside(&service.token_file), ..service });
    Ok(Some(DashboardOptions {
        service,
        origin: section.origin.clone(),
        over_tls: args.operations_tls,
        ..DashboardOptions::new(access, args.store.clone())
    }))
}

fn secrets(args: &Args) -> anyhow::Result<Secrets> {
    let default = [args.file.with_extension("secret")];
    let files = if args.secret.is_empty() { &default[..] } else { &args.secret };
    let mut fresh = [0; 32];
    rand::rngs::SysRng.try_fill_bytes(&mut fresh)?;
    let current = Secret::read_or_create(&files[0], fresh)?;
    let previous = files[1..].iter().map(|file| Secret::read(file)).collect::<Result<Vec<_>, _>>()?;
    Ok(Secrets::new(current, previous))
}
