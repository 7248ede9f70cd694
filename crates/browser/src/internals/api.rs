//! The control endpoint: what there is, what to do, and what is new. `docs/control-endpoint.md` describes it.

use std::time::Duration;

use ascribe_agent::{Event, UserAgent};
use ascribe_engine::{ClearRange, TestSwitches};
use ascribe_reports::Time;
use axum::{
    Json, Router,
    extract::{Query, State},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{
    Shared,
    arguments::{Advance, Body, Clear, InContext, Limit, LocalTestingMode, Nothing, Since, Switches},
    context::{MAX_SHOWN, is},
    error::Error,
    system_time,
    views::{self, SourceView},
};

type Answer = Result<Json<Value>, Error>;

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/state", get(state))
        .route("/reports", get(reports))
        .route("/attempts", get(attempts))
        .route("/changes", get(changes))
        .route("/local-testing-mode", post(set_local_testing_mode))
        .route("/test-switches", post(set_switches))
        .route("/advance", post(advance))
        .route("/send-pending-reports", post(send_pending_reports))
        .route("/clear", post(clear))
}

/// The clock, the switches, the stored sources and the limits.
async fn state(State(shared): State<Shared>, Query(of): Query<InContext>) -> Answer {
    let revision = shared.revision();
    let context = shared.context(of.context.as_deref())?;
    let contexts: Vec<_> =
        shared.contexts().iter().map(|context| json!({"id": context.id, "label": context.label})).collect();
    let now = context.user_agent.now();
    // Registrations wait while the engine is looked at: it is only copied from.
    let (sources, config, limits, counts) = context.user_agent.view(|engine| {
        let state = engine.state();
        let sources = state.sources();
        let newest: Vec<_> = sources.into_iter().rev().take(MAX_SHOWN).cloned().collect();
        let counts = (state.source_count(), state.report_count());
        (newest, engine.config().clone(), views::limits(engine, now), counts)
    });
    let sources: Vec<_> = sources.iter().map(|stored| SourceView::new(stored, &config, now)).collect();
    let mut state = json!({
        "sources": sources,
        "source_count": counts.0,
        "report_count": counts.1,
        "limits": limits.0,
        "limit_count": limits.1,
        "test": test(&shared, config.test),
    });
    state["revision"] = revision.into();
    state["context"] = context.id.as_str().into();
    state["contexts"] = contexts.into();
    let runs = shared.settings.clock_runs;
    let ahead = if runs { now.since(system_time()).as_millis() } else { 0 };
    state["clock"] = json!({"now": now.as_millis(), "ahead": ahead, "runs": runs});
    Ok(Json(state))
}

/// Pending reports, the earliest first, and what became of the others, the latest first.
async fn reports(
    State(shared): State<Shared>,
    Query(of): Query<InContext>,
    Query(limit): Query<Limit>,
) -> Answer {
    let revision = shared.revision();
    let context = shared.context(of.context.as_deref())?;
    let (pending, pending_count) = context.pending();
    let sent = context.done(limit.get());
    Ok(Json(json!({
        "revision": revision,
        "context": context.id,
        "pending": pending,
        "pending_count": pending_count,
        "sent": sent,
    })))
}

/// Responses that registered something or tried to, the latest first.
async fn attempts(
    State(shared): State<Shared>,
    Query(of): Query<InContext>,
    Query(limit): Query<Limit>,
) -> Answer {
    let revision = shared.revision();
    let context = shared.context(of.context.as_deref())?;
    Ok(Json(json!({"revision": revision, "context": context.id, "attempts": context.attempts(limit.get())})))
}

/// Answers when something has changed since a revision, or after a while.
async fn changes(State(shared): State<Shared>, Query(since): Query<Since>) -> Answer {
    let mut revisions = shared.revisions();
    let changed = revisions.wait_for(|revision| since.since != Some(*revision));
    let timeout = Duration::from_secs(since.timeout.unwrap_or(25).min(60));
    // A time that is up is no failure: the revision is the same then.
    let _ = tokio::time::timeout(timeout, changed).await;
    Ok(Json(json!({"revision": shared.revision()})))
}

/// WebDriver's "set local testing mode" of the Attribution Reporting API.
async fn set_local_testing_mode(
    State(shared): State<Shared>,
    Query(of): Query<InContext>,
    Body(mode): Body<LocalTestingMode>,
) -> Answer {
    if !shared.settings.test_mode {
        return Err(Error::NotInTestMode("local testing mode"));
    }
    let context = shared.context(of.context.as_deref())?;
    let switches = if mode.enabled { TestSwitches::LOCAL_TESTING_MODE } else { TestSwitches::default() };
    context.user_agent.set_test_switches(switches);
    Ok(Json(test(&shared, switches)))
}

/// Noise and delays, each on its own.
async fn set_switches(
    State(shared): State<Shared>,
    Query(of): Query<InContext>,
    Body(wanted): Body<Switches>,
) -> Answer {
    if !shared.settings.test_mode {
        return Err(Error::NotInTestMode("noise and delays"));
    }
    let context = shared.context(of.context.as_deref())?;
    let mut switches = context.user_agent.view(|engine| engine.config().test);
    switches.no_noise = wanted.noise.map_or(switches.no_noise, |noise| !noise);
    switches.no_delay = wanted.delay.map_or(switches.no_delay, |delay| !delay);
    context.user_agent.set_test_switches(switches);
    Ok(Json(test(&shared, switches)))
}

fn test(shared: &Shared, switches: TestSwitches) -> Value {
    json!({
        "available": shared.settings.test_mode,
        "noise": !switches.no_noise,
        "delay": !switches.no_delay,
        "local_testing_mode": switches == TestSwitches::LOCAL_TESTING_MODE,
    })
}

/// Lets time pass, and answers when what became due in it is out.
async fn advance(
    State(shared): State<Shared>,
    Query(of): Query<InContext>,
    Body(Advance { by }): Body<Advance>,
) -> Answer {
    let context = shared.context(of.context.as_deref())?;
    let (advanced, count) = counting(&context.user_agent, context.user_agent.advance(by)).await;
    let now = advanced.map_err(|error| Error::Failed(error.to_string()))?;
    Ok(Json(json!({"now": now.as_millis(), "sent": count.sent, "failed": count.failed})))
}

/// WebDriver's "send pending reports": all of them, at once. Answers when they are out.
async fn send_pending_reports(
    State(shared): State<Shared>,
    Query(of): Query<InContext>,
    Body(Nothing {}): Body<Nothing>,
) -> Answer {
    let context = shared.context(of.context.as_deref())?;
    let (sent, count) = counting(&context.user_agent, context.user_agent.send_pending_now()).await;
    sent.map_err(|error| Error::Failed(error.to_string()))?;
    let pending = context.user_agent.view(|engine| engine.state().report_count());
    Ok(Json(json!({"sent": count.sent, "failed": count.failed, "pending": pending})))
}

/// Deletes data: everything, or of one reporting origin, or of a range of time.
async fn clear(State(shared): State<Shared>, Query(of): Query<InContext>, Body(what): Body<Clear>) -> Answer {
    let context = shared.context(of.context.as_deref())?;
    let (from, to) = (what.from.unwrap_or(Time::MIN), what.to.unwrap_or(Time::MAX));
    let range = ClearRange { from, to, rate_limits: what.rate_limits };
    let asked = what.origin.as_ref();
    let cleared = context.user_agent.clear(|origin| is(asked, origin.as_str()), range);
    cleared.map_err(|error| Error::Failed(error.to_string()))?;
    context.forget(|origin| is(asked, origin), from, to);
    shared.touch();
    Ok(Json(json!({})))
}

#[derive(Default)]
struct Count {
    sent: u64,
    failed: u64,
}

/// Waits for something that sends reports, and counts them.
async fn counting<T>(user_agent: &UserAgent, work: impl Future<Output = T>) -> (T, Count) {
    let mut events = user_agent.events();
    let mut count = Count::default();
    tokio::pin!(work);
    let done = loop {
        tokio::select! {
            done = &mut work => break done,
            event = events.recv() => count.add(event),
        }
    };
    count.add_waiting(&mut events);
    (done, count)
}

impl Count {
    fn add(&mut self, event: Result<Event, RecvError>) {
        match event {
            Ok(Event::ReportSent(_)) => self.sent += 1,
            Ok(Event::ReportFailed(_)) => self.failed += 1,
            _ => {}
        }
    }

    fn add_waiting(&mut self, events: &mut Receiver<Event>) {
        while let Ok(event) = events.try_recv() {
            self.add(Ok(event));
        }
    }
}
