//! `ascribe visit`: one page in a headless Chromium, what it registers, and the reports that follow.

mod expect;
mod grade;
mod junit;
mod steps;
mod summary;
mod told;
mod watch;

use std::{
    io::Write,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use ascribe_browser::{Browser, parse_duration};
use serde::Serialize;
use tokio::time::{sleep, timeout};

use self::{
    expect::Expectations,
    steps::Steps,
    summary::{Expected, Found, Summary},
    told::{Delivery, Told},
    watch::Watch,
};
use super::{Verdict, browser_options::BrowserArgs};
use crate::{
    input,
    output::{ERROR, FAINT, GOOD, NOTE, Output, STRONG, WARNING},
    recording::Recorder,
};

/// Open a page, and tell what it registers and the reports that follow.
///
/// The page is opened in a Chromium without windows that has the Attribution Reporting API. After it has loaded, and
/// after each click, everything is waited for that is still under way.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    ascribe visit https://news.example --click '#ad' --click '#buy' --advance 30d\n  \
    ascribe visit https://shop.example/thanks --explain\n  \
    ascribe visit https://news.test --expect expected.json --junit results.xml\n  \
    ascribe visit https://news.test --click a --record case.json && ascribe simulate --check case.json\n  \
    ascribe visit https://news.test --test-mode --no-noise --host-map 'MAP *.test 127.0.0.1:8443' --ca-cert ca.pem\n\n\
    Exit code 1 if something failed:\n  \
    - a registration: its header is invalid; it is ignored, for the request was not eligible, the page or the\n    \
      server is not secure, the permissions policy forbids it, or the headers contradict each other; a limit\n    \
      or a budget dropped it, wholly or one half of a trigger; or it could not be stored;\n  \
    - a report: its last attempt was not answered, or with another status than 200 to 299;\n  \
    - an expectation: nothing met it; or something was there that none named, and unexpected is \"forbid\".\n\
    A note, and no failure, are: an eligible request without any registration; a trigger that finds no source\n\
    or is filtered, deduplicated, of lower priority or outside of the windows; and a trigger that waits.\n\
    What an expectation names does not fail by itself. A page that does not load, a click on what is not\n\
    there, or a Chromium that does not start: exit code 2.\n\n\
    --expect reads {\"registrations\": [...], \"reports\": [...], \"unexpected\": \"allow\"}. Each item holds some\n\
    members of what --json prints; * in URLs, outcomes and diagnoses stands for anything:\n  \
    {\"registrations\": [{\"surface\": \"img\", \"url\": \"https://ads.test/*\", \"outcome\": \"source stored*\"}],\n   \
    \"reports\": [{\"payload\": {\"trigger_data\": \"3\"}, \"status\": 200}]}")]
pub(crate) struct Args {
    /// The page to open.
    url: String,

    #[command(flatten)]
    steps: Steps,

    /// Let time pass at the end, such as 30d or 12h: it goes from one due report to the next.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    advance: Option<ascribe_reports::Duration>,

    /// How long loading, each click and each wait may take.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_patience)]
    timeout: Duration,

    /// Tell which checks each registration met, with the numbers compared.
    #[arg(long)]
    explain: bool,

    /// A JSON file with the registrations and reports that should be there.
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,

    /// Write the results as JUnit XML: a test case for each registration, report and expectation.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Open a window, to look on.
    #[arg(long)]
    window: bool,

    #[command(flatten)]
    browser: BrowserArgs,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Shown<'a> {
    url: &'a str,
    registrations: &'a [Told],
    reports: &'a [Delivery],
    #[serde(skip_serializing_if = "<[Expected]>::is_empty")]
    expectations: &'a [Expected],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    summary: Summary,
}

/// Between two looks at the pages.
const POLL: Duration = Duration::from_millis(50);
/// An expectation file is small.
const MAX_EXPECTATIONS: usize = 16 << 20;

fn parse_time(text: &str) -> Result<ascribe_reports::Duration, &'static str> {
    parse_duration(text).ok_or("expected a whole number with ms, s, min, h or d")
}

fn parse_patience(text: &str) -> Result<Duration, &'static str> {
    let millis = parse_time(text)?.as_millis();
    Ok(Duration::from_millis(u64::try_from(millis).unwrap_or_default()))
}

pub(super) fn run(args: Args, output: &mut Output) -> anyhow::Result<Verdict> {
    super::browser_options::log_to_stderr();
    let expectations = args.expect.as_ref().map(|path| {
        let parsed = input::read(path, MAX_EXPECTATIONS).and_then(|json| Expectations::parse(&json));
        parsed.with_context(|| format!("the expectations in {}", path.display()))
    });
    let expectations = expectations.transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(visit(&args, expectations.as_ref(), output))
}

async fn visit(
    args: &Args,
    expectations: Option<&Expectations>,
    output: &mut Output,
) -> anyhow::Result<Verdict> {
    let start = Instant::now();
    let mut options = args.browser.launch_options()?;
    options.headless = !args.window;
    options.agent.config.explain = args.explain;
    let browser = Browser::launch(options).await?;
    let ended = watch(args, &browser, output).await;
    browser.close().await;
    let (mut found, error) = ended?;
    if let Some(expectations) = expectations {
        found.expect(expectations)?;
    }
    if let Some(path) = &args.junit {
        junit::write(path, &args.url, &found, start.elapsed())?;
    }
    let summary = found.summary();
    let verdict = if summary.passed { Verdict::Passed } else { Verdict::Failed };
    if output.is_json() {
        let error = error.as_ref().map(|error| format!("{error:#}"));
        let (registrations, reports) = (&*found.registrations, &*found.reports);
        let expectations = &*found.expected;
        output.json(&Shown { url: &args.url, registrations, reports, expectations, error, summary })?;
    } else {
        print(&found, &summary, output)?;
    }
    error.map_or(Ok(verdict), Err)
}

/// Does what is asked for; what was found until an error is told all the same.
async fn watch(
    args: &Args,
    browser: &Browser,
    output: &mut Output,
) -> anyhow::Result<(Found, Option<anyhow::Error>)> {
    let user_agent = browser.user_agent();
    let record = args.browser.record.as_ref();
    let recorder = record.map(|path| Recorder::begin(path, browser)).transpose()?;
    for warning in args.browser.warnings() {
        anstream::eprintln!("{WARNING}warning:{WARNING:#} {warning}");
    }
    let mut watch = Watch::begin(browser, recorder, output);
    let acted = watch.during(act(args, browser)).await;
    // A page that failed has registered something before, perhaps.
    watch.during(settle(browser, args.timeout)).await?;
    if let Some(recorder) = &mut watch.recorder {
        recorder.finish()?;
    }
    if watch.missed > 0 {
        anstream::eprintln!("{WARNING}warning:{WARNING:#} {} events were too fast to be told", watch.missed);
    }
    let mut found = watch.found;
    found.pending = user_agent.view(|engine| engine.state().report_count());
    Ok((found, acted?.err()))
}

async fn act(args: &Args, browser: &Browser) -> anyhow::Result<()> {
    let opened = timeout(args.timeout, browser.open(&args.url)).await;
    opened.map_err(|_| anyhow!("{} does not load within {} s", args.url, args.timeout.as_secs_f64()))??;
    settle(browser, args.timeout).await;
    for step in &args.steps.0 {
        step.perform(browser, args.timeout).await?;
        settle(browser, args.timeout).await;
    }
    if let Some(time) = args.advance {
        browser.user_agent().advance(time).await?;
    }
    Ok(())
}

/// Waits until every page has loaded, no request is under way, and what leaves at once has left.
async fn settle(browser: &Browser, patience: Duration) {
    let settled = async {
        browser.idle().await;
        // Between a response and its document there may be no request for a while.
        while is_loading(browser).await {
            sleep(POLL).await;
            browser.idle().await;
        }
        browser.user_agent().idle().await;
    };
    if timeout(patience, settled).await.is_err() {
        anstream::eprintln!(
            "{WARNING}warning:{WARNING:#} pages still load, or requests are under way, after {} s; they are not waited for",
            patience.as_secs_f64()
        );
    }
}

async fn is_loading(browser: &Browser) -> bool {
    for page in browser.pages().await.unwrap_or_default() {
        // One that is gone, or crashed, loads nothing more.
        if page.is_loading().await.unwrap_or(false) {
            return true;
        }
    }
    false
}

fn print(found: &Found, summary: &Summary, output: &mut Output) -> anyhow::Result<()> {
    for Expected { name, text, failure } in &found.expected {
        let (style, word) = if failure.is_none() { (GOOD, "ok  ") } else { (ERROR, "FAIL") };
        writeln!(output, "{style}{word}{style:#} {name} {FAINT}{text}{FAINT:#}")?;
        if let Some(failure) = failure {
            write!(output, "{failure}")?;
        }
    }
    if found.registrations.is_empty() {
        writeln!(output, "{NOTE}nothing was registered, and no request was eligible to{NOTE:#}")?;
    }
    let Summary { registrations, notes, failed, delivered, undelivered, pending, .. } = summary;
    let style = if summary.passed { GOOD } else { ERROR };
    write!(output, "{style}{registrations} registrations: {failed} failed, {notes} notes{style:#}; ")?;
    write!(output, "{style}{delivered} reports delivered, {undelivered} not{style:#}")?;
    if let Some(unmet) = summary.unmet {
        write!(output, "; {style}{unmet} of {} expectations not met{style:#}", found.expected.len())?;
    }
    writeln!(output)?;
    if *pending > 0 {
        writeln!(
            output,
            "{STRONG}{pending} reports wait{STRONG:#} {FAINT}(--advance 30d sends them){FAINT:#}"
        )?;
    }
    Ok(())
}
