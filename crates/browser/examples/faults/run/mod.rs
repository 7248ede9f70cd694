//! The run: a process that browses is killed, or its Chromium is; in the end everything is sent, and counted.
//!
//! [`child`] is the process that browses. It says what was acknowledged as stored; the parent's server logs what
//! arrives; the [`tally`] compares both.

mod child;
mod sites;
mod tally;
mod victims;

use std::{
    error::Error,
    fs,
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use ascribe_test_sites::Sites;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

pub(crate) use child::child;
use tally::Heard;
pub(crate) use tally::Summary;

/// What the process that browses is told.
#[derive(Debug, Serialize, Deserialize)]
struct Orders {
    profile: PathBuf,
    host_map: String,
    authority: PathBuf,
    /// The number of the first click.
    first: u64,
    /// The click that was stored, and whose purchase was not.
    open: Option<u64>,
    /// Sends what there is, and ends.
    drain: bool,
}

/// The environment variable that has the orders.
const ORDERS: &str = "ASCRIBE_FAULTS_ORDERS";
/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);
/// A Chromium whose Ascribe is gone has this long to end by itself.
const ORPHANED: Duration = Duration::from_secs(15);

/// Whether this process was started to browse.
pub(crate) fn is_child() -> bool {
    std::env::var_os(ORDERS).is_some()
}

/// Runs so many cycles. `command` starts this program so that it calls [`child`]; `progress` hears of each cycle's
/// end, and how many reports came so far.
pub(crate) async fn run(
    cycles: u32,
    seed: u64,
    command: impl Fn() -> Command,
    mut progress: impl FnMut(u32, usize),
) -> Result<Summary, Box<dyn Error>> {
    let started = Instant::now();
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let sites = Sites::start()?;
    sites::script(&sites)?;
    let directory = tempfile::tempdir()?;
    let authority = directory.path().join("authority.pem");
    fs::write(&authority, sites.ca_pem())?;
    let mut stand = Stand {
        profile: directory.path().join("profile"),
        authority,
        sites,
        command,
        heard: watch::Sender::new(Heard::default()),
        browsing: None,
        summary: Summary::new(seed),
    };
    for cycle in 0..cycles {
        stand.cycle(&mut rng).await?;
        progress(cycle, sites::reports(&stand.sites).len());
    }
    stand.end().await?;
    stand.drain().await?;
    let Stand { sites, heard, mut summary, .. } = stand;
    summary.count(&heard.borrow(), &sites);
    summary.seconds = started.elapsed().as_secs_f64();
    Ok(summary)
}

/// When the kill comes.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So long after the start, most likely before anything is opened.
    Starting(Duration),
    /// So long after Chromium was ready.
    Browsing(Duration),
    /// When so many more reports have arrived, and so long after.
    Reports(usize, Duration),
    /// When so many more registrations were asked for, and so long after.
    Registrations(usize, Duration),
}

impl Moment {
    fn draw(rng: &mut ChaCha20Rng) -> Self {
        let moment = rng.next_u32() % 10;
        let mut within = |millis| Duration::from_millis(rng.random_range(0..millis));
        match moment {
            0 => Self::Starting(within(2_000)),
            1..=3 => Self::Browsing(within(4_000)),
            4..=6 => {
                Self::Reports(1 + rng.random_range(0..6), Duration::from_millis(rng.random_range(0..30)))
            }
            _ => Self::Registrations(
                1 + rng.random_range(0..6),
                Duration::from_millis(rng.random_range(0..50)),
            ),
        }
    }
}

struct Stand<C> {
    sites: Sites,
    profile: PathBuf,
    authority: PathBuf,
    command: C,
    heard: watch::Sender<Heard>,
    browsing: Option<Browsing>,
    summary: Summary,
}

/// The process that browses, and who listens to it.
struct Browsing {
    process: Child,
    listener: JoinHandle<()>,
}

impl<C: Fn() -> Command> Stand<C> {
    /// Browses until a moment, and kills.
    async fn cycle(&mut self, rng: &mut ChaCha20Rng) -> Result<(), Box<dyn Error>> {
        if self.browsing.is_none() {
            self.start(false)?;
        }
        let (moment, ascribe) = (Moment::draw(rng), rng.next_u32().is_multiple_of(2));
        self.wait_for(moment).await?;
        if ascribe {
            self.end().await?;
            self.summary.ascribe_kills += 1;
        } else {
            let started = self.heard.borrow().started;
            if victims::kill_chromium(&self.profile).await? {
                self.summary.chromium_kills += 1;
            } else {
                self.summary.missed_kills += 1;
            }
            // The next cycle begins while it starts again.
            self.heard.send_modify(|heard| heard.awaited = started + 1);
        }
        Ok(())
    }

    fn start(&mut self, drain: bool) -> Result<(), Box<dyn Error>> {
        let orders = {
            let mut heard = self.heard.borrow().clone();
            heard.awaited = heard.started + 1;
            let orders = Orders {
                profile: self.profile.clone(),
                host_map: self.sites.host_map(),
                authority: self.authority.clone(),
                first: heard.begun + 1,
                open: heard.open(),
                drain,
            };
            self.heard.send_replace(heard);
            orders
        };
        let mut command = (self.command)();
        command.env(ORDERS, serde_json::to_string(&orders)?);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn()?;
        let lines = process.stdout.take().ok_or("no standard output")?;
        let heard = self.heard.clone();
        let listener = tokio::spawn(async move {
            let mut lines = BufReader::new(lines).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                heard.send_modify(|heard| heard.line(&line));
            }
        });
        self.browsing = Some(Browsing { process, listener });
        Ok(())
    }

    async fn wait_for(&mut self, moment: Moment) -> Result<(), Box<dyn Error>> {
        if let Moment::Starting(after) = moment {
            sleep(after).await;
            return Ok(());
        }
        let mut heard = self.heard.subscribe();
        let ready = heard.wait_for(|heard| heard.started >= heard.awaited);
        let ready = timeout(PATIENCE, ready).await.map(|_| ());
        if ready.is_err() {
            return Err(format!("it does not start: {:?}", self.heard.borrow()).into());
        }
        let log = self.sites.log();
        let (wanted, n, after): (fn(&ascribe_test_sites::Received) -> bool, _, _) = match moment {
            Moment::Starting(after) | Moment::Browsing(after) => {
                sleep(after).await;
                return Ok(());
            }
            Moment::Reports(n, after) => (sites::is_report, n, after),
            Moment::Registrations(n, after) => (sites::is_registration, n, after),
        };
        let n = log.matching(wanted).len() + n;
        // A process that does nothing is found out: in the end there is too little.
        if log.wait_for_many(n, PATIENCE, wanted).await.is_err() {
            let process = self.browsing.as_mut().map(|browsing| browsing.process.try_wait());
            return Err(format!("it does not go on: {process:?} {:?}", self.heard.borrow()).into());
        }
        sleep(after).await;
        Ok(())
    }

    /// Kills the process that browses; its Chromium must end by itself.
    async fn end(&mut self) -> Result<(), Box<dyn Error>> {
        let Some(mut browsing) = self.browsing.take() else { return Ok(()) };
        if let Some(status) = browsing.process.try_wait()? {
            self.summary.failures.push(format!("it ended by itself: {status}"));
        }
        browsing.process.kill().await?;
        let killed = Instant::now();
        // What it said before is still in the pipe.
        timeout(PATIENCE, browsing.listener).await??;
        while victims::somebody_uses(&self.profile)? {
            if killed.elapsed() > ORPHANED {
                self.summary.failures.push("Chromium did not end when Ascribe was killed".to_owned());
                victims::kill_chromium(&self.profile).await?;
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        self.summary.longest_orphaned_seconds =
            self.summary.longest_orphaned_seconds.max(killed.elapsed().as_secs_f64());
        Ok(())
    }

    /// Lets two months pass, in which everything is sent.
    async fn drain(&mut self) -> Result<(), Box<dyn Error>> {
        self.start(true)?;
        let Some(mut browsing) = self.browsing.take() else { return Ok(()) };
        let status = timeout(PATIENCE, browsing.process.wait()).await??;
        browsing.listener.await?;
        if !status.success() || self.heard.borrow().left != Some(0) {
            let left = self.heard.borrow().left;
            self.summary.failures.push(format!("the end, {status}, left {left:?} reports"));
        }
        Ok(())
    }
}
