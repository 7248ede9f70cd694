//! One browser context: its user agent, and what was seen of it that the user agent does not keep.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ascribe_agent::{Event, Registration, UserAgent};
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
    /// About how much memory they take.
    attempts_size: usize,
    next_attempt: u64,
    /// The event-level reports that waited when it was last looked: those that vanish were replaced.
    waiting: HashMap<ReportKey, PendingReport>,
    /// Which of those that wait or waited noise made.
    fakes: HashSet<ReportKey>,
    replaced: VecDeque<ReportView>,
}

/// More than these attempts, or attempts of more bytes, and more than these replaced reports are not remembered.
const MAX_ATTEMPTS: usize = 2_000;
const MAX_ATTEMPTS_SIZE: usize = 16 << 20;
const MAX_REPLACED: usize = 200;
/// More fake reports than this are not remembered once they are sent.
const MAX_FAKES: usize = 20_000;
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
        lock(&self.seen).add(AttemptView::new(attempt));
    }

    /// The latest attempts, newest first.
    pub(crate) fn attempts(&self, limit: usize) -> Vec<AttemptView> {
        lock(&self.seen).attempts.iter().rev().take(limit).cloned().collect()
    }

    /// Forgets what was seen of reporting origins since a moment, and until another.
    pub(crate) fn forget(&self, of: impl Fn(&str) -> bool, from: Time, to: Time) {
        let mut seen = lock(&self.seen);
        let within = |time: Time| (from..=to).contains(&time);
        seen.attempts.retain(|attempt| !(within(attempt.time()) && of(attempt.reporting_origin())));
        seen.attempts_size = seen.attempts.iter().map(AttemptView::size).sum();
        seen.replaced.retain(|report| !of(&report.reporting_origin));
    }

    /// The reports that wait, the earliest first, and how many there are in all.
    pub(crate) fn pending(&self) -> (Vec<ReportView>, usize) {
        let (reports, count) = self.user_agent.view(|engine| {
            let state = engine.state();
            let reports = state.reports().take(MAX_SHOWN);
            let reports: Vec<_> =
                reports.map(|stored| (stored.clone(), views::is_fake(&stored.report, state))).collect();
            (reports, state.report_count())
        });
        let failures = views::latest_failures(&self.user_agent.sent());
        let views = reports.iter().map(|(stored, fake)| {
            let failure = failures.get(&stored.report.key());
            ReportView { fake: *fake, ..ReportView::pending(stored, failure.map(String::as_str)) }
        });
        (views.collect(), count)
    }

    /// What became of the others, newest first.
    pub(crate) fn done(&self, limit: usize) -> Vec<ReportView> {
        let sent = self.user_agent.sent();
        let seen = lock(&self.seen);
        let mut views = views::done(&sent, |report| seen.fakes.contains(&report));
        views.extend(seen.replaced.iter().cloned());
        drop(seen);
        // Those of earlier runs; later ones were just sent in vain.
        let kept = self.user_agent.undeliverable().unwrap_or_default();
        let known: HashSet<_> = views.iter().map(|view| view.id.clone()).collect();
        views.extend(kept.iter().map(views::undeliverable).filter(|view| !known.contains(&view.id)));
        views.sort_by_key(|view| std::cmp::Reverse(view.time));
        views.truncate(limit);
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
                let steps = registered.trace.steps();
                let notes = |check| steps.iter().any(|s| s.verdict == Verdict::Note && s.check == check);
                let trigger = matches!(registered.registration, Registration::Trigger { .. });
                if trigger || notes("obtain a randomized source response") {
                    self.look_at_waiting(user_agent, notes("maybe replace event-level report"));
                }
            }
            Event::TriggerAttributed { reporting_origin, destination, outcome, trace, .. } => {
                self.look_at_waiting(user_agent, true);
                // They are attributed in the order in which they came.
                let mut attempts = self.attempts.iter_mut();
                let waited = attempts.find(|attempt| attempt.waits(&reporting_origin, &destination));
                if let Some(waited) = waited {
                    self.attempts_size -= waited.size();
                    waited.attributed(outcome, &trace);
                    self.attempts_size += waited.size();
                }
            }
            Event::ReportSent(_)
            | Event::ReportFailed(_)
            | Event::Cleared(_)
            | Event::SiteDataCleared { .. } => {
                self.look_at_waiting(user_agent, false);
            }
            _ => {}
        }
    }

    fn add(&mut self, mut attempt: AttemptView) {
        attempt.set_id(self.next_attempt);
        self.next_attempt += 1;
        self.attempts_size += attempt.size();
        self.attempts.push_back(attempt);
        while self.attempts.len() > MAX_ATTEMPTS || self.attempts_size > MAX_ATTEMPTS_SIZE {
            let Some(oldest) = self.attempts.pop_front() else { break };
            self.attempts_size -= oldest.size();
        }
    }

    /// Notes which event-level reports wait; with `replaced`, those that vanished were replaced by others.
    fn look_at_waiting(&mut self, user_agent: &UserAgent, replaced: bool) {
        let now = user_agent.now();
        if self.fakes.len() > MAX_FAKES {
            self.fakes.clear();
        }
        let fakes = &mut self.fakes;
        let waiting: HashMap<_, _> = user_agent.view(|engine| {
            let state = engine.state();
            let reports = state.reports().map(|stored| &stored.report);
            let events = reports.filter(|report| matches!(report, PendingReport::Event(_)));
            let noted = events.inspect(|report| {
                if views::is_fake(report, state) {
                    fakes.insert(report.key());
                }
            });
            noted.map(|report| (report.key(), report.clone())).collect()
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
