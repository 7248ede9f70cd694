//! `ascribe demo`: the whole story, from an ad to a summary report, in one command.

mod purchases;
mod summary;
mod user;
mod world;

use std::io::Write;

use anyhow::Context;
use ascribe_agent::{Event, Registration, SendOutcome, UserAgent};
use ascribe_browser::LaunchError;
use ascribe_engine::{Step, Trace};
use ascribe_reports::Duration;
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;

use self::{purchases::PURCHASES, user::User, world::World};
use super::Verdict;
use crate::output::{FAINT, GOOD, NOTE, Output, STRONG};

/// Watch the whole story: an ad, purchases, reports, and the summary with its noise.
///
/// Starts a publisher's site, a shop, a collector and a coordinator over HTTPS on this machine alone, and a Chromium
/// that has the API, if one is installed. The ad is clicked, four things are bought, each told in another way, and
/// 30 days pass. Nothing is left behind.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    ascribe demo\n  \
    ascribe demo --headed --keep        look on, and around afterwards\n  \
    ascribe demo --no-browser --json    the same requests without a Chromium\n\n\
    Exit code 1 if something that should have happened did not.")]
pub(crate) struct Args {
    /// Keep everything running at the end, until Ctrl-C
    #[arg(long)]
    keep: bool,

    /// Open no window, also where there is a display
    #[arg(long, conflicts_with = "headed")]
    headless: bool,

    /// Open a window
    #[arg(long)]
    headed: bool,

    /// Play the requests that a browser would send, without one
    #[arg(long, conflicts_with_all = ["headed", "headless"])]
    no_browser: bool,

    /// What chance in the user agent begins with; the noise of the summary is always fresh
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// Each purchase leads to one report of each kind.
const REPORTS: usize = 2 * PURCHASES.len();

pub(super) fn run(args: Args, output: &mut Output) -> anyhow::Result<Verdict> {
    super::browser_options::log_to_stderr();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(tell(&args, output))
}

async fn tell(args: &Args, output: &mut Output) -> anyhow::Result<Verdict> {
    let world = World::start().await?;
    let mut story = Story { output, events: Vec::new() };
    story.say("start", "A publisher, a shop, a collector and a coordinator serve on this machine.")?;
    let user = match args.no_browser {
        true => User::played(args, &world)?,
        false => match User::in_chromium(args, &world).await {
            Ok(user) => user,
            Err(error) if matches!(error.downcast_ref(), Some(LaunchError::NoChromium)) => {
                story.say("note", "No Chromium is installed: the same requests are played without one.")?;
                User::played(args, &world)?
            }
            Err(error) => return Err(error),
        },
    };
    let agent = user.agent();
    let mut events = agent.events();
    let mut reports = 0;
    for purchase in &PURCHASES {
        let what = format!(
            "The ad is clicked; {} for {} are bought, told by {}.",
            purchase.category, purchase.value, purchase.way
        );
        story.say("step", &what)?;
        user.shop(purchase).await?;
        reports += story.happened(&mut events)?;
        // So that the next click is later than this one.
        reports += advance(&agent, &world, &mut events, &mut story, Duration::from_secs(3_600)).await?;
    }
    story.say("step", "30 days pass.")?;
    for _ in 0..30 {
        reports += advance(&agent, &world, &mut events, &mut story, Duration::from_days(1)).await?;
    }
    // The last period ends with its hour.
    world.set_time(agent.now() + Duration::from_days(1));
    story.say(
        "step",
        "The collector's batches are aggregated with the coordinator's key, once, under the budget.",
    )?;
    let table = tokio::task::block_in_place(|| summary::aggregate(&world)).context("aggregating")?;
    for row in &table {
        story.row(row)?;
    }
    let complete = reports == REPORTS && !table.is_empty();
    story.say("end", &format!("{reports} of {REPORTS} reports arrived."))?;
    if args.keep {
        let (at, password) = (world.operations, &world.password);
        story.say(
            "keep",
            &format!("The collector's dashboard: http://{at}/dashboard/ with the password {password}"),
        )?;
        if let Some(page) = user.internals() {
            story.say("keep", &format!("What the browser stores and sends: {page}"))?;
        }
        story.say("keep", "Ctrl-C ends it.")?;
        story.output.flush()?;
        tokio::signal::ctrl_c().await?;
    }
    user.end().await;
    if story.output.is_json() {
        let events = std::mem::take(&mut story.events);
        story.output.json(&json!({"complete": complete, "events": events}))?;
    }
    Ok(if complete { Verdict::Passed } else { Verdict::Failed })
}

/// Lets time pass, for the collector first: no report is of its future. How many reports were delivered.
async fn advance(
    agent: &UserAgent,
    world: &World,
    events: &mut Receiver<Event>,
    story: &mut Story<'_>,
    by: Duration,
) -> anyhow::Result<usize> {
    world.set_time(agent.now() + by);
    agent.advance(by).await?;
    story.happened(events)
}

/// What is told, line by line; for machines, at the end.
struct Story<'a> {
    output: &'a mut Output,
    events: Vec<Value>,
}

impl Story<'_> {
    fn say(&mut self, kind: &str, text: &str) -> anyhow::Result<()> {
        if self.output.is_json() {
            self.events.push(json!({"event": kind, "text": text}));
        } else {
            writeln!(self.output, "{STRONG}{text}{STRONG:#}")?;
        }
        Ok(())
    }

    /// Tells what the user agent did; how many reports were delivered.
    fn happened(&mut self, events: &mut Receiver<Event>) -> anyhow::Result<usize> {
        let mut delivered = 0;
        while let Ok(event) = events.try_recv() {
            match event {
                Event::Registered(entry) => self.registered(&entry.registration, &entry.trace)?,
                Event::TriggerAttributed { outcome, trace, .. } => {
                    let registration = Registration::Trigger { outcome: Some(outcome), warnings: Vec::new() };
                    self.registered(&registration, &trace)?;
                }
                Event::ReportSent(sent) => {
                    let arrived = matches!(sent.outcome, SendOutcome::Answered(200));
                    delivered += usize::from(arrived);
                    let shown = crate::recording::clear(sent.due, &sent.report)["payload"].take();
                    self.report(&sent.report.url(), &shown, arrived)?;
                }
                Event::ReportFailed(sent) => self.report(&sent.report.url(), &Value::Null, false)?,
                _ => {}
            }
        }
        Ok(delivered)
    }

    /// What was registered, and why it was attributed, or was not.
    fn registered(&mut self, registration: &Registration, trace: &Trace) -> anyhow::Result<()> {
        let outcome = ascribe_simulation::outcome(registration);
        let decided = |step: &&Step| {
            step.verdict == ascribe_engine::Verdict::Stopped || step.check == "find matching sources"
        };
        let why: Vec<_> = trace.steps().iter().filter(decided).map(|step| step.detail.as_str()).collect();
        if self.output.is_json() {
            self.events.push(json!({"event": "registered", "outcome": outcome, "why": why}));
            return Ok(());
        }
        writeln!(self.output, "  {NOTE}ads.example{NOTE:#} {outcome}")?;
        for reason in why {
            writeln!(self.output, "    {FAINT}{reason}{FAINT:#}")?;
        }
        Ok(())
    }

    fn report(&mut self, url: &str, payload: &Value, arrived: bool) -> anyhow::Result<()> {
        if self.output.is_json() {
            self.events.push(json!({"event": "report", "url": url, "payload": payload, "arrived": arrived}));
            return Ok(());
        }
        let kind = url.rsplit('/').next().unwrap_or(url);
        let word = if arrived { "arrived" } else { "did not arrive" };
        match payload.get("trigger_data").and_then(Value::as_str) {
            Some(data) => writeln!(
                self.output,
                "  {GOOD}{kind}{GOOD:#} {word}: trigger data {data}, and nothing of the order"
            )?,
            None => writeln!(
                self.output,
                "  {GOOD}{kind}{GOOD:#} {word}: sealed to the coordinator {FAINT}(nobody else reads it){FAINT:#}"
            )?,
        }
        Ok(())
    }

    fn row(&mut self, row: &summary::Row) -> anyhow::Result<()> {
        let summary::Row { measure, category, truth, noised, margin } = row;
        if self.output.is_json() {
            let (low, high) = (noised - margin, noised + margin);
            self.events.push(json!({"event": "summary", "measure": measure, "category": category,
                "true": truth, "noised": noised, "interval_95": [low, high]}));
        } else {
            writeln!(
                self.output,
                "  {measure:<10} {category:<6} true {truth:>7.2}   noised {noised:>8.2} {FAINT}± {margin:.2} in 95 % of cases{FAINT:#}"
            )?;
        }
        Ok(())
    }
}
