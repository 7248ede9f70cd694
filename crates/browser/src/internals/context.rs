//! One browser context: its user agent, and what was seen of it that the user agent does not keep.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ascribe_agent::{Event, Registered, Registration, UserAgent};
use ascribe_engine::{PendingReport, ReportKey, Verdict};
use ascribe_headers::SuitableOrigin;
use ascribe_reports::Time;
use tokio::{
    sync::{broadcast::error::RecvError, watch},
    task::AbortHandle,
};

use super::views::{self, AttemptView, ReportView};
use crate::Attempt;

/// A browser context that the page can look at.
pub(crate) struct Context {
    pub(crate) id: String,
    /// What people call it.
    pub(crate) label: String,
    pub(crate) user_agent: UserAgent,
    seen: Arc<Mutex<Seen>>,
    listener: AbortHandle,
}

/// What the user agent does not keep.
#[derive(Default)]
struct Seen {
    attempts: VecDeque<AttemptView>,
    next_attempt: u64,
    /// The event-level reports that waited when it was last looked: those that vanish were replaced.
    waiting: HashMap<ReportKey, PendingReport>,
    replaced: VecDeque<ReportView>,
}

/// More than these attempts, and than these replaced reports, are not remembered.
const MAX_ATTEMPTS: usize = 2_000;
const MAX_REPLACED: usize = 200;
/// More than these are not shown of each kind: the page is for people.
pub(crate) const MAX_SHOWN: usize = 2_000;

impl Context {
    /// Follows a user agent; `changed` is told of everything that happens in it.
    pub(crate) fn new(id: String, label: String, user_agent: UserAgent, changed: watch::Sender<i64>) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let listener = tokio::spawn(listen(user_agent.clone(), seen.clone(), changed)).abort_handle();
        Self { id, label, user_agent, seen, listener }
    }

    /// A response, and what became of it.
    pub(crate) fn add_attempt(&self, attempt: &Attempt) {
        let registered = attempt.registration.as_ref().and_then(|r| self.registered(attempt, r));
        lock(&self.seen).add(AttemptView::new(attempt, registered.as_deref()));
    }

    /// What the user agent noted of the same response: the checks, and the page's origin.
    fn registered(&self, attempt: &Attempt, registration: &Registration) -> Option<Arc<Registered>> {
        let reporting_origin = SuitableOrigin::parse(&attempt.url).ok()?;
        let latest = self.user_agent.registered().into_iter().rev();
        let mut same = latest.filter(|registered| {
            registered.reporting_origin == reporting_origin && registered.registration == *registration
        });
        same.find(|registered| registered.time <= attempt.time)
    }

    /// The latest attempts, newest first.
    pub(crate) fn attempts(&self) -> Vec<AttemptView> {
        lock(&self.seen).attempts.iter().rev().cloned().collect()
    }

    /// Forgets what was seen of reporting origins since a moment, and until another.
    pub(crate) fn forget(&self, of: impl Fn(&str) -> bool, from: Time, to: Time) {
        let mut seen = lock(&self.seen);
        let within = |time: Time| (from..=to).contains(&time);
        seen.attempts.retain(|attempt| !(within(attempt.time()) && of(attempt.reporting_origin())));
        seen.replaced.retain(|report| !of(&report.reporting_origin));
    }

    /// The reports that wait, the earliest first, and how many there are in all.
    pub(crate) fn pending(&self) -> (Vec<ReportView>, usize) {
        let failures = views::latest_failures(&self.user_agent.sent());
        self.user_agent.view(|engine| {
            let state = engine.state();
            let reports = state.reports().take(MAX_SHOWN);
            let views = reports.map(|stored| {
                let failure = failures.get(&stored.report.key());
                ReportView::pending(stored, state, failure.map(String::as_str))
            });
            (views.collect(), state.report_count())
        })
    }

    /// What became of the others, newest first.
    pub(crate) fn done(&self) -> Vec<ReportView> {
        let mut views = views::done(&self.user_agent.sent());
        views.extend(lock(&self.seen).replaced.iter().cloned());
        views.sort_by_key(|view| std::cmp::Reverse(view.time));
        views
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn listen(user_agent: UserAgent, seen: Arc<Mutex<Seen>>, changed: watch::Sender<i64>) {
    let mut events = user_agent.events();
    lock(&seen).look_at_waiting(&user_agent, false);
    loop {
        match events.recv().await {
            Ok(event) => lock(&seen).hear(&user_agent, event),
            // The journal of what was missed is the state itself.
            Err(RecvError::Lagged(_)) => lock(&seen).look_at_waiting(&user_agent, false),
            Err(RecvError::Closed) => return,
        }
        changed.send_modify(|revision| *revision += 1);
    }
}

impl Seen {
    fn hear(&mut self, user_agent: &UserAgent, event: Event) {
        match event {
            Event::Registered(registered) => {
                let replaces = |step: &ascribe_engine::Step| {
                    step.verdict == Verdict::Note && step.check == "maybe replace event-level report"
                };
                let trigger = matches!(registered.registration, Registration::Trigger { .. });
                if trigger {
                    self.look_at_waiting(user_agent, registered.trace.steps().iter().any(replaces));
                }
            }
            Event::TriggerAttributed { reporting_origin, destination, outcome, trace, .. } => {
                self.look_at_waiting(user_agent, true);
                // They are attributed in the order in which they came.
                let mut attempts = self.attempts.iter_mut();
                let waited = attempts.find(|attempt| attempt.waits(&reporting_origin, &destination));
                if let Some(waited) = waited {
                    waited.attributed(outcome, &trace);
                }
            }
            Event::ReportSent(_) | Event::ReportFailed(_) | Event::Cleared(_) => {
                self.look_at_waiting(user_agent, false);
            }
            _ => {}
        }
    }

    fn add(&mut self, mut attempt: AttemptView) {
        attempt.set_id(self.next_attempt);
        self.next_attempt += 1;
        if self.attempts.len() >= MAX_ATTEMPTS {
            self.attempts.pop_front();
        }
        self.attempts.push_back(attempt);
    }

    /// Notes which event-level reports wait; with `replaced`, those that vanished were replaced by others.
    fn look_at_waiting(&mut self, user_agent: &UserAgent, replaced: bool) {
        let now = user_agent.now();
        let waiting: HashMap<_, _> = user_agent.view(|engine| {
            let reports = engine.state().reports().map(|stored| &stored.report);
            let events = reports.filter(|report| matches!(report, PendingReport::Event(_)));
            events.map(|report| (report.key(), report.clone())).collect()
        });
        if replaced {
            for (_, gone) in self.waiting.iter().filter(|(key, _)| !waiting.contains_key(key)) {
                if self.replaced.len() >= MAX_REPLACED {
                    self.replaced.pop_front();
                }
                self.replaced.push_back(ReportView::replaced(gone, now));
            }
        }
        self.waiting = waiting;
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether an origin is the one that was asked for, or none was.
pub(crate) fn is(asked: Option<&SuitableOrigin>, origin: &str) -> bool {
    asked.is_none_or(|asked| asked.as_str() == origin)
}
