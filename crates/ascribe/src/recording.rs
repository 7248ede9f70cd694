//! Recording: what happens in a browser's default context, as a case file that `ascribe simulate` plays.
//!
//! The agent's events say what happened, in order; the browser's attempts, which requests it were. A
//! [`Recorder`] takes both as they come and saves the case, whole each time. `docs/case-format.md`
//! says what a recording holds and what it leaves out.

mod case;

use std::{
    collections::{HashMap, HashSet},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use ascribe_agent::{Event, Ignored, RecordedDraws, Registered, Registration, Report, Responded, UserAgent};
use ascribe_browser::{Attempt, Browser};
use ascribe_engine::{ReportKey, TestSwitches};
use ascribe_headers::{Site, SuitableOrigin, TriggerRegistration, VendorValues};
use ascribe_reports::Time;
use serde_json::{Map, Value};
use tokio::sync::broadcast::{
    Receiver,
    error::{RecvError, TryRecvError},
};

pub(crate) use self::case::clear;
use crate::output::WARNING;

/// A recording is saved this often, if something has happened.
const INTERVAL: Duration = Duration::from_secs(2);

/// What happens, for a case file.
pub(crate) struct Recorder {
    path: PathBuf,
    user_agent: UserAgent,
    attempts: Receiver<Attempt>,
    events: Receiver<Event>,
    saved: Instant,
    vendor: VendorValues,
    api_config: Map<String, Value>,
    happened: Vec<Happened>,
    /// Which request a response belongs to; by the address of what the agent noted, which is kept.
    requests: HashMap<*const Registered, Hop>,
    reports: Vec<(Time, Report)>,
    /// Reports that are in there already, and those that were stored before the recording began.
    known: HashSet<ReportKey>,
    /// What a case cannot say.
    gaps: Vec<String>,
    changed: bool,
}

/// One thing that happened.
enum Happened {
    Responded(Arc<Registered>),
    Attributed {
        time: Time,
        reporting_origin: SuitableOrigin,
        destination: Site,
        registration: Box<TriggerRegistration>,
        draws: RecordedDraws,
    },
    SiteDataCleared {
        time: Time,
        reporting_origin: SuitableOrigin,
    },
}

/// What the browser knows of a response, and the agent does not.
struct Hop {
    /// Keeps its address from being used again.
    _responded: Responded,
    request_id: Arc<str>,
    url: String,
    eligible: Option<String>,
    headers: Vec<(String, String)>,
}

impl Recorder {
    /// Begins a recording. The file is created at once, so that a path that cannot be written is known early.
    pub(crate) fn begin(path: &Path, browser: &Browser) -> anyhow::Result<Self> {
        let user_agent = browser.user_agent();
        let (vendor, api_config, known, is_empty) = user_agent.view(|engine| {
            let state = engine.state();
            let known: HashSet<_> = state.reports().map(|stored| stored.report.key()).collect();
            let is_empty = known.is_empty() && state.source_count() == 0;
            (engine.config().vendor.clone(), case::api_config(engine.config()), known, is_empty)
        });
        let mut recorder = Self {
            path: path.to_owned(),
            attempts: browser.attempts(),
            events: user_agent.events(),
            user_agent,
            saved: Instant::now(),
            vendor,
            api_config,
            happened: Vec::new(),
            requests: HashMap::new(),
            reports: Vec::new(),
            known,
            gaps: Vec::new(),
            changed: true,
        };
        if !is_empty {
            recorder.gap("the profile held data of an earlier session");
        }
        recorder.save()?;
        Ok(recorder)
    }

    /// The browser told of a response.
    fn attempt(&mut self, attempt: &Attempt) {
        let (None, Some(responded)) = (&attempt.context, &attempt.responded) else { return };
        if matches!(responded.registration, Registration::Ignored(Ignored::NothingEligible)) {
            return;
        }
        let hop = Hop {
            _responded: Arc::clone(responded),
            request_id: Arc::clone(&attempt.request_id),
            url: attempt.url.clone(),
            eligible: attempt.eligibility.header_value(None),
            headers: attempt.headers.clone(),
        };
        self.requests.insert(Arc::as_ptr(responded), hop);
        self.changed = true;
    }

    /// The agent told of something.
    fn event(&mut self, event: Event) {
        match event {
            Event::Registered(registered) => self.happened.push(Happened::Responded(registered)),
            Event::TriggerAttributed { time, reporting_origin, destination, registration, draws, .. } => {
                let attributed =
                    Happened::Attributed { time, reporting_origin, destination, registration, draws };
                self.happened.push(attributed);
            }
            Event::SiteDataCleared { time, reporting_origin } => {
                self.happened.push(Happened::SiteDataCleared { time, reporting_origin });
            }
            Event::ReportSent(sent) | Event::ReportFailed(sent) => {
                if sent.report.key().is_none_or(|key| self.known.insert(key)) {
                    self.reports.push((sent.due, sent.report.clone()));
                }
            }
            Event::TestSwitchesSet(switches) => self.switched(switches),
            Event::Cleared(time) => self.gap(&format!("the user cleared data at {}", time.as_millis())),
            Event::NetworkChanged { .. } => self.gap("the network was switched off or on"),
            Event::JournalFailed(why) => self.gap(&format!("the profile could not be written: {why}")),
            _ => return,
        }
        self.changed = true;
    }

    fn switched(&mut self, switches: TestSwitches) {
        if self.happened.is_empty() {
            case::set_switches(&mut self.api_config, switches);
        } else {
            self.gap("noise or delays were switched after the first registration");
        }
    }

    /// Something was told too fast.
    fn missed(&mut self, count: u64) {
        self.gap(&format!("{count} events were missed"));
    }

    fn gap(&mut self, what: &str) {
        self.gaps.push(what.to_owned());
        self.changed = true;
    }

    /// Saves it for the last time, and warns of what makes it lead to other reports than the browser did.
    pub(crate) fn finish(&mut self) -> anyhow::Result<()> {
        self.catch_up();
        self.save()?;
        for gap in &self.gaps {
            anstream::eprintln!(
                "{WARNING}warning:{WARNING:#} the recording may lead to other reports: {gap}"
            );
        }
        Ok(())
    }

    /// Writes the case, if something has happened since it was last written. The file is always whole: a new one
    /// takes its place. Only its owner can read it.
    fn save(&mut self) -> anyhow::Result<()> {
        if !self.changed {
            return Ok(());
        }
        let write = || -> anyhow::Result<()> {
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
            // Files of this kind have mode 0600.
            let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
            serde_json::to_writer_pretty(std::io::BufWriter::new(&mut file), &self.case())?;
            file.write_all(b"\n")?;
            file.persist(&self.path)?;
            Ok(())
        };
        write().with_context(|| format!("recording to {}", self.path.display()))?;
        self.changed = false;
        self.saved = Instant::now();
        Ok(())
    }

    /// Records until the browser is gone, saving now and then.
    pub(crate) async fn follow(&mut self) {
        let mut interval = tokio::time::interval(INTERVAL);
        loop {
            tokio::select! {
                attempt = self.attempts.recv() => match attempt {
                    Ok(attempt) => self.attempt(&attempt),
                    Err(RecvError::Lagged(missed)) => self.missed(missed),
                    Err(RecvError::Closed) => return,
                },
                event = self.events.recv() => match event {
                    Ok(event) => self.event(event),
                    Err(RecvError::Lagged(missed)) => self.missed(missed),
                    Err(RecvError::Closed) => return,
                },
                _ = interval.tick() => self.save_or_warn(),
            }
        }
    }

    /// Records what has happened since it was last asked, and saves it now and then.
    pub(crate) fn catch_up(&mut self) {
        loop {
            match self.attempts.try_recv() {
                Ok(attempt) => self.attempt(&attempt),
                Err(TryRecvError::Lagged(missed)) => self.missed(missed),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        loop {
            match self.events.try_recv() {
                Ok(event) => self.event(event),
                Err(TryRecvError::Lagged(missed)) => self.missed(missed),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        if self.saved.elapsed() >= INTERVAL {
            self.save_or_warn();
        }
    }

    fn save_or_warn(&mut self) {
        if let Err(error) = self.save() {
            anstream::eprintln!("{WARNING}warning:{WARNING:#} {error:#}");
        }
    }
}
