//! `ascribe browser`: a Chromium whose pages have the API, for as long as it is wanted.

use std::{io::Write, path::Path, time::Duration};

use anyhow::Context;
use ascribe_browser::{Browser, Internals, InternalsSettings};
use serde::Serialize;
use tokio::{signal, time::sleep};

use super::{
    Verdict,
    browser_options::{BrowserArgs, log_to_stderr},
};
use crate::{
    output::{Output, STRONG, WARNING},
    recording::Recorder,
};

/// Open a Chromium whose pages have the Attribution Reporting API.
///
/// It runs until it is closed, or until Ctrl-C. On start, it prints the address of the internals page, which shows
/// sources, triggers, reports and limits as they are, and of the control endpoint for programs; with --json as
/// one line.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    ascribe browser https://shop.example --profile ~/.ascribe\n  \
    ascribe browser --test-mode --no-noise --no-delay --headless --json\n  \
    ascribe browser --host-map 'MAP *.test 127.0.0.1:8443' --ca-cert ca.pem --coordinator https://keys.test\n  \
    ascribe browser --port 9222    # for Playwright, Puppeteer and Selenium")]
pub(crate) struct Args {
    /// A page to open.
    url: Option<String>,

    /// Open no window.
    #[arg(long)]
    headless: bool,

    #[command(flatten)]
    browser: BrowserArgs,

    /// Let other programs drive the browser through a TCP port on 127.0.0.1, or any free one with 0. Every
    /// program of this machine has full control over it then.
    #[arg(long, value_name = "N")]
    port: Option<u16>,
}

/// What is printed on start.
#[derive(Serialize)]
struct Started<'a> {
    /// Opens the internals page.
    internals: String,
    /// Where the control endpoint's paths begin.
    endpoint: String,
    /// What programs send it.
    token: &'a str,
    profile: &'a Path,
    /// Where other programs drive the browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    devtools: Option<String>,
}

/// Chromium says so soon which port it has.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);

pub(super) fn run(args: Args, output: &mut Output) -> anyhow::Result<Verdict> {
    log_to_stderr();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(browse(args, output))?;
    Ok(Verdict::Passed)
}

async fn browse(args: Args, output: &mut Output) -> anyhow::Result<()> {
    let settings = InternalsSettings { test_mode: args.browser.is_test(), clock_runs: true };
    let internals = Internals::start(settings).await.context("serving the internals page")?;
    let mut options = args.browser.launch_options()?;
    options.headless = args.headless;
    options.port = args.port;
    options.exempt_origin = Some(internals.origin());
    options.agent.config.explain = true;
    let browser = Browser::launch(options).await?;
    internals.show(&browser);
    let record = args.browser.record.as_ref();
    let mut recorder = record.map(|path| Recorder::begin(path, &browser)).transpose()?;
    let ended = tokio::select! {
        ended = stay(&args, &internals, &browser, output) => ended,
        () = internals.follow(&browser) => Ok(()),
        () = record_all(recorder.as_mut()) => Ok(()),
    };
    browser.close().await;
    if let Some(recorder) = &mut recorder {
        recorder.finish()?;
    }
    ended
}

/// Records, if it is asked for, for as long as the browser runs.
async fn record_all(recorder: Option<&mut Recorder>) {
    match recorder {
        Some(recorder) => recorder.follow().await,
        None => std::future::pending().await,
    }
}

/// Until the user, or whoever started this, has enough.
async fn stay(
    args: &Args,
    internals: &Internals,
    browser: &Browser,
    output: &mut Output,
) -> anyhow::Result<()> {
    let devtools = match args.port {
        Some(_) => Some(devtools_address(browser).await?),
        None => None,
    };
    announce(args, internals, browser, devtools, output)?;
    if let Some(url) = &args.url {
        let pages = browser.pages().await?;
        let page = pages.first().context("Chromium has no page")?;
        // A page that does not load shows why, in its window.
        if let Err(error) = page.navigate(url).await {
            anstream::eprintln!("{WARNING}warning:{WARNING:#} {error}");
        }
    }
    tokio::select! {
        () = browser.closed() => {}
        interrupted = signal::ctrl_c() => interrupted?,
        () = terminated() => {}
    }
    Ok(())
}

fn announce(
    args: &Args,
    internals: &Internals,
    browser: &Browser,
    devtools: Option<String>,
    output: &mut Output,
) -> anyhow::Result<()> {
    let profile = browser.profile();
    let (page, endpoint, token) = (internals.page_address(), internals.endpoint(), internals.token());
    if output.is_json() {
        serde_json::to_writer(
            &mut *output,
            &Started { internals: page, endpoint, token, profile, devtools },
        )?;
        writeln!(output)?;
    } else {
        let temporary = if args.browser.has_profile() { "" } else { " (temporary)" };
        writeln!(output, "{STRONG}Internals page{STRONG:#}    {page}")?;
        writeln!(output, "{STRONG}Control endpoint{STRONG:#}  {endpoint}")?;
        writeln!(output, "{STRONG}Token{STRONG:#}             {token}")?;
        writeln!(output, "{STRONG}Profile{STRONG:#}           {}{temporary}", profile.display())?;
        if let Some(devtools) = &devtools {
            writeln!(output, "{STRONG}DevTools{STRONG:#}          {devtools}")?;
        }
    }
    output.flush()?;
    for warning in args.warnings() {
        anstream::eprintln!("{WARNING}warning:{WARNING:#} {warning}");
    }
    Ok(())
}

impl Args {
    fn warnings(&self) -> Vec<&'static str> {
        let port = self.port.map(|_| {
            "through --port, every program on this machine has full control over the browser: over its cookies, its \
             pages and what they send"
        });
        port.into_iter().chain(self.browser.warnings()).collect()
    }
}

/// Where Chromium listens, as soon as it does.
async fn devtools_address(browser: &Browser) -> anyhow::Result<String> {
    let found = async {
        loop {
            if let Some(port) = browser.port() {
                return port;
            }
            sleep(POLL).await;
        }
    };
    let port = tokio::time::timeout(PATIENCE, found).await.context("Chromium does not listen on --port")?;
    Ok(format!("http://127.0.0.1:{port}"))
}

/// SIGTERM, which ends the browser in order, too.
#[cfg(unix)]
async fn terminated() {
    match signal::unix::signal(signal::unix::SignalKind::terminate()) {
        Ok(mut terminate) => {
            terminate.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}
