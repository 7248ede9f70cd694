//! The process that browses: an ad, a purchase, some days that pass; and again, until it is killed.
//!
//! It says on its standard output what is stored. When its Chromium is killed, it starts another.

use std::{env, error::Error, time::Duration};

use ascribe_agent::{Clock, JournalError, NetworkOptions, Registration, UserAgent};
use ascribe_browser::{Attempt, Browser, Click, LaunchOptions};
use ascribe_engine::{Attribution, SourceOutcome, TestSwitches, TriggerOutcome};
use ascribe_headers::{Coordinators, SuitableOrigin, TriggerDebugType};
use ascribe_reports::{Duration as Span, Time};
use tokio::{
    sync::{broadcast, watch},
    task::JoinHandle,
    time::timeout,
};

use super::{ORDERS, Orders, sites};

type Done = Result<(), Box<dyn Error>>;

/// Longer than a page takes when both cores are busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// A server that has said nothing for so long is tried again later.
const SILENCE: Duration = Duration::from_secs(2);
/// Chromium may fail to start because it is killed, but not for long.
const STARTS: u32 = 3;
const START: Time = Time::from_secs(1_893_456_000);

/// Browses as the orders say.
pub(crate) async fn child() -> Done {
    let orders: Orders = serde_json::from_str(&env::var(ORDERS)?)?;
    let mut story = Story { next: orders.first, open: orders.open, passing: None };
    let mut failed = 0;
    loop {
        let browser = match Browser::launch(options(&orders)?).await {
            Ok(browser) => browser,
            Err(error) if failed < STARTS => {
                failed += 1;
                println!("launch failed: {error}");
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        failed = 0;
        println!("started");
        if orders.drain {
            return drain(browser).await;
        }
        let (stored, _) = watch::channel(Stored::default());
        let listener = tokio::spawn(listen(browser.attempts(), stored.clone()));
        let browsed = tokio::select! {
            browsed = story.go_on(&browser, &stored) => browsed,
            () = browser.closed() => Ok(()),
        };
        // What fails because Chromium is killed, fails a little before it is gone.
        if timeout(Duration::from_secs(10), browser.closed()).await.is_err() {
            browsed?;
        }
        println!("gone");
        browser.close().await;
        if let Some(passing) = story.passing.take() {
            passing.await?;
        }
        listener.abort();
    }
}

async fn drain(browser: Browser) -> Done {
    let user_agent = browser.user_agent();
    user_agent.advance(Span::from_days(60)).await?;
    println!("left {}", user_agent.view(|engine| engine.state().report_count()));
    browser.close().await;
    Ok(())
}

fn options(orders: &Orders) -> Result<LaunchOptions, Box<dyn Error>> {
    let mut agent =
        ascribe_agent::Options { clock: Clock::fixed(START), ..ascribe_agent::Options::default() };
    // Counts are exact: no noise, no null reports, no limit that many clicks in a month reach.
    let config = &mut agent.config;
    config.test = TestSwitches { no_noise: true, no_delay: false };
    config.null_report_rate_excluding_source_registration_time = 0.0;
    config.null_report_rate_including_source_registration_time = 0.0;
    config.max_attributions = 1_000_000;
    config.max_event_level_reports_per_destination = 1_000_000;
    config.max_aggregatable_reports_per_destination = 1_000_000;
    let coordinator = SuitableOrigin::parse(sites::COORDINATOR)?;
    config.vendor.coordinators = Coordinators::new([coordinator]).ok_or("one is not none")?;
    let network = NetworkOptions {
        host_map: orders.host_map.parse()?,
        ca_certificates: vec![orders.authority.clone()],
        timeout: SILENCE,
        ..NetworkOptions::default()
    };
    let profile = Some(orders.profile.clone());
    Ok(LaunchOptions { headless: true, profile, network, agent, ..LaunchOptions::default() })
}

/// The latest numbers that were stored.
#[derive(Default)]
struct Stored {
    source: u64,
    trigger: u64,
}

/// Says what is stored.
async fn listen(mut attempts: broadcast::Receiver<Attempt>, stored: watch::Sender<Stored>) {
    while let Ok(attempt) = attempts.recv().await {
        let Some(n) = attempt.url.split_once('?').and_then(|(_, query)| sites::number(query)) else {
            continue;
        };
        match attempt.registration() {
            Some(Registration::Source { outcome: SourceOutcome::Stored(_), .. }) => {
                println!("source {n}");
                stored.send_modify(|stored| stored.source = n);
            }
            Some(Registration::Trigger { outcome: Some(outcome), .. }) if is_stored(*outcome) => {
                println!("trigger {n}");
                stored.send_modify(|stored| stored.trigger = n);
            }
            // It came when the profile was closed.
            None => {}
            other => println!("refused {n} {other:?} {:?}", attempt.diagnosis),
        }
    }
}

/// Whether both reports are stored, now or before.
fn is_stored(outcome: TriggerOutcome) -> bool {
    let TriggerOutcome { event_level, aggregatable } = outcome;
    let event_level = event_level == Attribution::Attributed
        || event_level == Attribution::Dropped(TriggerDebugType::EventDeduplicated);
    let aggregatable = aggregatable == Attribution::Attributed
        || aggregatable == Attribution::Dropped(TriggerDebugType::AggregateDeduplicated);
    event_level && aggregatable
}

struct Story {
    next: u64,
    /// The click that is stored, and whose purchase is not.
    open: Option<u64>,
    /// Days pass while the user goes on.
    passing: Option<JoinHandle<()>>,
}

impl Story {
    async fn go_on(&mut self, browser: &Browser, stored: &watch::Sender<Stored>) -> Done {
        loop {
            if self.open.is_none() {
                let n = self.next;
                self.next += 1;
                println!("begin {n}");
                see(browser, n, stored).await?;
                self.open = Some(n);
            }
            if let Some(n) = self.open {
                buy(browser, n, stored).await?;
                self.open = None;
                self.pass(browser.user_agent(), n).await?;
            }
        }
    }

    /// Days pass, not so many that the next click expires before its purchase.
    async fn pass(&mut self, user_agent: UserAgent, n: u64) -> Done {
        if let Some(passing) = self.passing.take() {
            passing.await?;
        }
        self.passing = Some(tokio::spawn(async move {
            let passed = match n % 5 {
                0 => user_agent.send_pending_now().await,
                days => {
                    user_agent.advance(Span::from_days(i64::try_from(days).unwrap_or(1))).await.map(|_| ())
                }
            };
            match passed {
                // The browser is being closed, since its Chromium is gone.
                Ok(()) | Err(JournalError::Closed) => {}
                Err(error) => println!("refused {n} {error}"),
            }
        }));
        Ok(())
    }
}

async fn see(browser: &Browser, n: u64, stored: &watch::Sender<Stored>) -> Done {
    let page = browser.open(&format!("https://news.test/?{n}")).await?;
    if sites::is_link(n) {
        page.click("a", Click::default()).await?;
    }
    until(stored, |stored| stored.source >= n).await.map_err(|_| format!("click {n} is not stored"))?;
    page.close().await?;
    Ok(())
}

async fn buy(browser: &Browser, n: u64, stored: &watch::Sender<Stored>) -> Done {
    let page = browser.open(&format!("https://shop.test/thanks?{n}")).await?;
    until(stored, |stored| stored.trigger >= n).await.map_err(|_| format!("purchase {n} is not stored"))?;
    page.close().await?;
    Ok(())
}

async fn until(stored: &watch::Sender<Stored>, is: impl FnMut(&Stored) -> bool) -> Done {
    timeout(PATIENCE, stored.subscribe().wait_for(is)).await??;
    Ok(())
}
