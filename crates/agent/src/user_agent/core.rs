//! What a user agent holds under its lock: the engine, and the journal that it is never ahead of.
//!
//! Each input goes one way: the engine changes, the journal stores the changes, and only then does anything
//! leave. When the journal cannot, the engine is replayed from it, so that what was not stored did not happen.

use std::{collections::VecDeque, sync::Arc};

use ascribe_engine::{Change, DebugReport, Effects, Engine, NewTrigger, ReportKey, Trace};
use ascribe_headers::SuitableOrigin;
use ascribe_reports::{Duration, Time};

use super::{
    AttemptError, Event, OpenError, RecordedDraws, Registered, Report, SendOutcome, SentReport,
    draws::HostDraws, event::Log,
};
use crate::{Agent, Clock, Courier, Journal, JournalError, Registration, clock::Timekeeper};

/// Something to be sent.
#[derive(Clone, Debug)]
pub(super) enum Job {
    Stored(ReportKey),
    /// With the moment of what it tells.
    Debug(DebugReport, Time),
}

/// More debug reports than this do not wait to be sent: a page can cause any number of them.
const MAX_WAITING_DEBUG_REPORTS: usize = 1_000;
/// The setting that keeps the clock.
const CLOCK: &str = "clock";

#[derive(Debug)]
pub(super) struct Core {
    pub(super) agent: Agent,
    pub(super) courier: Courier,
    pub(super) journal: Journal,
    pub(super) time: Timekeeper,
    pub(super) draws: HostDraws,
    pub(super) sent: Log<SentReport>,
    pub(super) registered: Log<Registered>,
    /// What waits to be sent, and how many tasks send.
    pub(super) jobs: VecDeque<Job>,
    pub(super) workers: usize,
    pub(super) stopped: bool,
    /// The profile may be opened by others: nothing can be stored any more.
    pub(super) closed: bool,
    /// The first failure to write the journal since it was last asked for; nothing is sent until then.
    pub(super) failure: Option<JournalError>,
    /// The engine has changed, and the journal has not.
    pub(super) ahead: bool,
    /// How often data was deleted.
    pub(super) deletions: u64,
    /// A power cut would lose more than that reports were sent.
    unsynced: bool,
    waiting_debug_reports: usize,
    events: tokio::sync::broadcast::Sender<Event>,
}

/// What an input led to, once it is stored.
pub(super) struct Stored<T> {
    pub(super) time: Time,
    pub(super) outcome: T,
    pub(super) trace: Trace,
    pub(super) draws: RecordedDraws,
}

impl Core {
    pub(super) fn new(
        agent: Agent,
        courier: Courier,
        journal: Journal,
        clock: Clock,
        draws: HostDraws,
        events: tokio::sync::broadcast::Sender<Event>,
    ) -> Result<Self, OpenError> {
        let time = timekeeper(clock, &journal, agent.engine())?;
        let mut core = Self {
            agent,
            courier,
            journal,
            time,
            draws,
            sent: Log::default(),
            registered: Log::default(),
            jobs: VecDeque::new(),
            workers: 0,
            stopped: false,
            closed: false,
            failure: None,
            ahead: false,
            deletions: 0,
            unsynced: false,
            waiting_debug_reports: 0,
            events,
        };
        // What became due while nothing ran is spread, so that it cannot be joined by the time of its arrival.
        core.came_online()?;
        Ok(core)
    }

    /// Applies an input, stores what it changed, and queues the debug reports that it leads to.
    pub(super) fn input<T>(
        &mut self,
        apply: impl FnOnce(&mut Agent, Time, &mut HostDraws) -> Effects<T>,
    ) -> Result<Stored<T>, JournalError> {
        self.catch_up()?;
        let time = self.time.now();
        let _ = self.draws.take_recorded();
        let Effects { outcome, changes, debug_reports, trace } =
            apply(&mut self.agent, time, &mut self.draws);
        let draws = self.draws.take_recorded();
        self.store(&changes)?;
        self.unsynced |= !changes.is_empty();
        for report in debug_reports {
            self.queue_debug_report(report, time);
        }
        Ok(Stored { time, outcome, trace, draws })
    }

    /// Attributes triggers that have waited.
    pub(super) fn attribute(&mut self, triggers: Vec<NewTrigger>) -> Result<(), JournalError> {
        for trigger in triggers {
            let register = |agent: &mut Agent, now, draws: &mut HostDraws| {
                agent.engine_mut().register_trigger(&trigger, now, draws)
            };
            let Stored { time, outcome, trace, draws } = self.input(register)?;
            let NewTrigger { reporting_origin, destination, registration, .. } = trigger;
            self.tell(Event::TriggerAttributed {
                time,
                reporting_origin,
                destination,
                registration: Box::new(registration),
                outcome,
                trace,
                draws,
            });
        }
        Ok(())
    }

    /// What reports tell of survives a power cut before they leave. That they were sent may be forgotten: then
    /// they are sent again.
    pub(super) fn sync(&mut self) -> Result<(), JournalError> {
        if self.unsynced {
            self.journal.sync()?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// Stores what the engine has already changed; if that fails, the engine goes back to what is stored.
    pub(super) fn store(&mut self, changes: &[Change]) -> Result<(), JournalError> {
        if let Err(error) = self.journal.append(changes) {
            return Err(self.go_back(error));
        }
        if self.journal.wants_compaction()
            && let Err(error) = self.journal.compact(self.agent.engine().state())
        {
            // The changes are still stored, one by one: it is only longer than it should be.
            tracing::warn!(%error, "the journal could not be compacted");
        }
        Ok(())
    }

    /// Returns the error for the caller, after the engine was replayed.
    pub(super) fn go_back(&mut self, error: JournalError) -> JournalError {
        tracing::error!(%error, "the journal could not be written");
        self.tell(Event::JournalFailed(error.to_string()));
        self.ahead = true;
        if let Err(error) = self.catch_up() {
            tracing::error!(%error, "the journal could not be read");
        }
        error
    }

    /// Replays the journal, if the engine is ahead of it. Whatever is to be stored begins so.
    pub(super) fn catch_up(&mut self) -> Result<(), JournalError> {
        if self.closed {
            return Err(JournalError::Closed);
        }
        if self.ahead {
            let changes = self.journal.changes()?;
            let config = self.agent.engine().config().clone();
            *self.agent.engine_mut() = Engine::replay(config, &changes);
            self.ahead = false;
        }
        Ok(())
    }

    /// Attributes what has waited long enough, and queues the stored reports that are due.
    pub(super) fn step(&mut self) -> Result<(), JournalError> {
        self.catch_up()?;
        let now = self.time.now();
        let overdue = self.agent.take_overdue(now);
        self.attribute(overdue)?;
        let due = self.courier.take_due(self.agent.engine(), now, &mut self.draws);
        self.queue_stored(due);
        Ok(())
    }

    /// In front of debug reports, of which a page can cause many, to servers that never answer.
    pub(super) fn queue_stored(&mut self, keys: Vec<ReportKey>) {
        for key in keys {
            self.jobs.push_front(Job::Stored(key));
        }
    }

    /// When the next step has something to do.
    pub(super) fn next_step(&self) -> Option<Time> {
        let due = self.courier.next_due(self.agent.engine());
        due.into_iter().chain(self.agent.next_deferral_deadline()).min()
    }

    pub(super) fn came_online(&mut self) -> Result<(), JournalError> {
        self.catch_up()?;
        let now = self.time.now();
        self.draws.spread_overdue(!self.agent.engine().config().test.no_delay);
        let effects = self.courier.came_online(self.agent.engine_mut(), now, &mut self.draws);
        self.store(&effects.changes)
    }

    /// Moves the clock on, and keeps it.
    pub(super) fn advance_to(&mut self, moment: Time) -> Result<(), JournalError> {
        let mut time = self.time.clone();
        time.advance_to(moment);
        keep(&mut time, &mut self.journal)?;
        self.tell(Event::ClockAdvanced(time.now()));
        self.time = time;
        Ok(())
    }

    pub(super) fn keep_clock(&mut self) -> Result<(), JournalError> {
        keep(&mut self.time, &mut self.journal)
    }

    /// Lets go of the profile, if there is one, whoever still holds the user agent.
    pub(super) fn close(&mut self) -> Result<(), JournalError> {
        if self.closed || !self.journal.is_on_disk() {
            return Ok(());
        }
        self.keep_clock()?;
        self.journal.sync()?;
        self.journal = Journal::in_memory()?;
        self.closed = true;
        Ok(())
    }

    pub(super) fn tell(&self, event: Event) {
        // Nobody has to look on.
        let _ = self.events.send(event);
    }

    pub(super) fn log_registered(&mut self, registered: Registered) -> Arc<Registered> {
        let bytes = size_of(&registered);
        let registered = Arc::new(registered);
        self.registered.push(registered.clone(), bytes);
        self.tell(Event::Registered(registered.clone()));
        registered
    }

    pub(super) fn log_sent(&mut self, sent: SentReport) {
        // The report is about as large as its body.
        let bytes = 500 + 2 * sent.body.as_ref().map_or(0, String::len);
        let sent = Arc::new(sent);
        self.sent.push(sent.clone(), bytes);
        self.tell(match sent.outcome {
            SendOutcome::Answered(_) => Event::ReportSent(sent),
            SendOutcome::Retried { .. } | SendOutcome::Dropped { .. } => Event::ReportFailed(sent),
        });
    }

    fn queue_debug_report(&mut self, report: DebugReport, due: Time) {
        if self.waiting_debug_reports < MAX_WAITING_DEBUG_REPORTS {
            self.waiting_debug_reports += 1;
            self.jobs.push_back(Job::Debug(report, due));
        } else {
            let outcome = SendOutcome::Dropped { error: AttemptError::TooMany, kept: false };
            let time = self.time.now();
            self.log_sent(SentReport {
                time,
                due,
                report: Report::Debug(report),
                attempt: 1,
                body: None,
                outcome,
            });
        }
    }

    /// The next thing to send, if a task is to go on; it has ended otherwise.
    pub(super) fn next_job(&mut self) -> Option<Job> {
        if self.failure.is_some() || self.stopped {
            // Stored reports would be sent over and over, since nothing can note that they were.
            self.put_back_stored();
        }
        let job = if self.stopped { None } else { self.jobs.pop_front() };
        match job {
            Some(Job::Debug(..)) => self.waiting_debug_reports -= 1,
            Some(Job::Stored(_)) => {}
            None => self.workers -= 1,
        }
        job
    }

    pub(super) fn put_back_stored(&mut self) {
        let (courier, jobs) = (&mut self.courier, &mut self.jobs);
        jobs.retain(|job| match job {
            Job::Stored(key) => {
                courier.put_back(*key);
                false
            }
            Job::Debug(..) => true,
        });
    }

    /// Forgets the debug reports to some origins that were not sent yet.
    pub(super) fn forget_waiting(&mut self, mut cleared: impl FnMut(&SuitableOrigin) -> bool) {
        let mut forgotten = 0;
        self.jobs.retain(|job| match job {
            Job::Debug(report, _) if cleared(Report::Debug(report.clone()).reporting_origin()) => {
                forgotten += 1;
                false
            }
            Job::Debug(..) | Job::Stored(_) => true,
        });
        self.waiting_debug_reports -= forgotten;
    }
}

/// The clock goes on where the profile was: at least at the time of the last thing that it stored.
fn timekeeper(clock: Clock, journal: &Journal, engine: &Engine) -> Result<Timekeeper, JournalError> {
    let kept = journal.setting(CLOCK)?;
    let kept = kept.as_deref().and_then(|kept| kept.split_once(' '));
    let kept = kept.and_then(|(offset, latest)| Some((offset.parse().ok()?, latest.parse().ok()?)));
    let (offset, latest) = kept.unwrap_or((0, i64::MIN));
    let registered = engine.state().sources().into_iter().map(|stored| stored.source.time).max();
    let latest = Time::from_millis(latest).max(registered.unwrap_or(Time::MIN));
    Ok(Timekeeper::new(clock, Duration::from_millis(offset), latest))
}

fn keep(time: &mut Timekeeper, journal: &mut Journal) -> Result<(), JournalError> {
    let (now, offset) = (time.now(), time.offset());
    journal.set_setting(CLOCK, &format!("{} {}", offset.as_millis(), now.as_millis()))
}

/// About how much memory it takes.
fn size_of(registered: &Registered) -> usize {
    let steps = registered.trace.steps().iter().map(|step| 100 + step.detail.len());
    let content: usize = match &registered.registration {
        Registration::OsSource(_, list) | Registration::OsTrigger(list) => {
            list.iter().map(|registration| 200 + registration.url.as_str().len()).sum()
        }
        Registration::Invalid { errors: problems, .. }
        | Registration::Source { warnings: problems, .. }
        | Registration::Trigger { warnings: problems, .. } => {
            problems.iter().map(|problem| 100 + problem.to_string().len()).sum()
        }
        Registration::Ignored(_) => 0,
    };
    500 + content + steps.sum::<usize>()
}
