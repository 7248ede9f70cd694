//! A report's way from the trigger to its delivery, the trace, and what is swept.

mod common;

use ascribe_engine::{
    Attribution, Change, Config, Engine, PendingReport, SourceOutcome, TestSwitches, Verdict,
};
use ascribe_headers::SourceDebugType;
use ascribe_reports::{Duration, Time};
use common::{World, at};
use serde_json::json;

#[test]
fn a_report_stays_due_until_it_is_sent() {
    let mut world = World::new(Config::default());
    let _ = world.source(0, "ads");
    let _ = world.trigger_of(10, "ads", &json!({"event_trigger_data": [{}]}));
    let window_end = at(2 * 86_400);
    assert_eq!(world.engine.next_due(), Some(window_end));
    assert_eq!(world.engine.due(window_end - Duration::from_millis(1)).count(), 0);
    let key = world.engine.due(window_end).next().expect("one is due").report.key();
    assert_eq!(world.engine.due(window_end).count(), 1, "asking takes nothing away");

    let later = window_end + Duration::from_secs(300);
    let effects = world.engine.report_postponed(key, later);
    assert_eq!(effects.changes, [Change::ReportPostponed { report: key, failures: 1, due: later }]);
    assert_eq!(world.engine.next_due(), Some(later));
    let stored = world.engine.state().report(key).expect("it is stored");
    assert_eq!(stored.report.report_time(), window_end, "what it tells does not change");

    assert_eq!(world.engine.report_sent(key).changes, [Change::ReportRemoved(key)]);
    assert_eq!(world.engine.next_due(), None);
    assert!(world.engine.report_sent(key).changes.is_empty(), "only once");
}

#[test]
fn a_journal_and_a_snapshot_lead_to_the_same_engine() {
    let mut world = World::new(Config::default());
    let mut journal = Vec::new();
    for n in 0..40 {
        journal.extend(world.source(n * 1000, "ads").changes);
        journal.extend(world.trigger(n * 1000 + 500, "ads").changes);
    }
    let due: Vec<_> = world.engine.due(Time::MAX).map(|stored| stored.report.key()).collect();
    for key in due.iter().step_by(2) {
        journal.extend(world.engine.report_sent(*key).changes);
    }
    let config = world.engine.config().clone();
    assert_eq!(Engine::replay(config.clone(), &journal).state(), world.engine.state());
    let snapshot = world.engine.state().snapshot();
    assert!(snapshot.len() < journal.len());
    assert_eq!(Engine::replay(config, &snapshot).state(), world.engine.state());
}

#[test]
fn the_trace_names_the_check_that_stopped_a_trigger_with_its_numbers() {
    let mut config = Config::default();
    config.max_attributions = 1;
    config.explain = true;
    let mut world = World::new(config);
    let _ = world.source(0, "ads");
    let _ = world.trigger(1, "ads");
    let effects = world.trigger(2, "ads");
    let stopped: Vec<_> = effects.trace.steps().iter().filter(|s| s.verdict == Verdict::Stopped).collect();
    assert_eq!(stopped[0].check, "max attributions per rate-limit window");
    let expected =
        "2 of 1 attributions for https://news.example x https://shop.example x https://ads.example";
    assert_eq!(stopped[0].detail, format!("{expected} in 30 d"));
}

#[test]
fn nothing_is_traced_unless_asked_for() {
    let mut world = World::new(Config::default());
    assert!(world.source(0, "ads").trace.steps().is_empty());
}

#[test]
fn local_testing_mode_has_neither_noise_nor_delay() {
    let mut config = Config::default();
    config.test = TestSwitches::LOCAL_TESTING_MODE;
    let mut world = World::new(config);
    let _ = world.source(0, "ads");
    let outcome = world.trigger(10, "ads").outcome;
    assert_eq!(outcome.event_level, Attribution::Attributed);
    assert_eq!(outcome.aggregatable, Attribution::Attributed);
    assert_eq!(world.engine.due(at(10)).count(), 2, "both are due at once");
}

#[test]
fn noise_and_delay_are_switched_on_their_own_and_while_it_runs() {
    for (no_noise, no_delay) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut world = World::noisy();
        let _ = world.source(0, "before");
        assert_eq!(world.engine.state().report_count(), 1, "the fake report of a noised source");
        world.engine.set_test_switches(TestSwitches { no_noise, no_delay });
        let outcome = world.source(1, "ads").outcome;
        assert_eq!(outcome == SourceOutcome::Stored(SourceDebugType::Noised), !no_noise);

        // At event level, a noised source reports what was drawn; otherwise, a trigger's report waits or not.
        let _ = world.trigger(10, "ads");
        let due = world.engine.due(at(10)).map(|stored| &stored.report);
        let (event, aggregatable): (Vec<_>, Vec<_>) =
            due.partition(|report| matches!(report, PendingReport::Event(_)));
        assert_eq!(event.len(), usize::from(no_noise && no_delay), "{no_noise} {no_delay}");
        assert_eq!(aggregatable.len(), usize::from(no_delay), "{no_noise} {no_delay}");
    }
}

#[test]
fn what_is_stale_is_swept() {
    let mut world = World::new(Config::default());
    for n in 0..2000 {
        // One a day, each gone before the window of the next 31 ends.
        let _ = world.source(n * 86_400, "ads");
    }
    let records = world
        .engine
        .state()
        .snapshot()
        .iter()
        .filter(|c| matches!(c, Change::SourceRecordRestored(_)))
        .count();
    assert!(records < 400, "{records} records for the 30 that count");
    assert!(world.engine.state().source_count() <= 30);
    let spent = world
        .engine
        .state()
        .snapshot()
        .iter()
        .filter(|c| matches!(c, Change::DebugBudgetSpent { .. }))
        .count();
    assert!(spent < 400, "{spent} debug budgets for the one that counts");
}

#[test]
fn a_clock_that_goes_back_breaks_nothing() {
    let mut world = World::new(Config::default());
    let _ = world.source(1000, "ads");
    let _ = world.source(-5_000_000, "ads");
    let outcome = world.trigger(-4_000_000, "ads").outcome;
    // The newest source wins, and its windows have not begun.
    let not_started = ascribe_headers::TriggerDebugType::EventReportWindowNotStarted;
    assert_eq!(outcome.event_level, Attribution::Dropped(not_started));
    let snapshot = world.engine.state().snapshot();
    assert_eq!(Engine::replay(Config::default(), &snapshot).state(), world.engine.state());
}
