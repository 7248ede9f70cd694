//! How full the limits are: as full as the checks of the next registration find them.

mod common;

use ascribe_engine::{Config, Limit, Verdict};
use ascribe_reports::{Duration, Time};
use common::{World, at};
use serde_json::json;

fn used(world: &World, now: Time, limit: Limit) -> Vec<(String, u64, u64)> {
    let usage = world.engine.usage(now).into_iter().filter(|usage| usage.limit == limit);
    usage.map(|usage| (usage.scope.join(" "), usage.used, usage.max)).collect()
}

#[test]
fn nothing_stored_uses_nothing() {
    assert_eq!(World::new(Config::default()).engine.usage(at(0)), []);
}

#[test]
fn a_full_limit_stops_the_next_and_one_below_does_not() {
    let mut config = Config::default();
    config.max_attributions = 2;
    config.explain = true;
    let mut world = World::new(config);
    let _ = world.source(0, "ads");
    for n in 1..=2 {
        let effects = world.trigger(n, "ads");
        let stopped = effects.trace.steps().iter().any(|step| step.verdict == Verdict::Stopped);
        assert!(!stopped, "{n}");
        let scope = "https://news.example https://shop.example https://ads.example".to_owned();
        let expected = vec![(scope, n as u64, 2)];
        assert_eq!(used(&world, at(n), Limit::EventLevelAttributions), expected);
        assert_eq!(used(&world, at(n), Limit::AggregatableAttributions), expected);
    }
    let effects = world.trigger(3, "ads");
    let mut stopped = effects.trace.steps().iter().filter(|step| step.verdict == Verdict::Stopped);
    assert!(stopped.any(|step| step.detail.starts_with("3 of 2 attributions")));
}

#[test]
fn every_limit_counts_what_one_source_and_one_trigger_use() {
    let mut world = World::new(Config::default());
    let _ = world.source(0, "ads");
    let _ = world.trigger(10, "ads");
    let one = |limit| {
        let used = used(&world, at(20), limit);
        assert_eq!(used.len(), 1, "{limit:?}");
        (used[0].1, used[0].2)
    };
    for (limit, max) in [
        (Limit::SourcesPerSourceOrigin, 4096),
        (Limit::SourceReportingOriginsPerSite, 1),
        (Limit::DestinationsPerWindowAndReportingSite, 50),
        (Limit::DestinationsPerWindow, 200),
        (Limit::DestinationsPerDay, 100),
        (Limit::UnexpiredDestinations, 100),
        (Limit::SourceReportingOrigins, 100),
        (Limit::AttributionReportingOrigins, 10),
        (Limit::EventLevelReportsPerDestination, 1024),
        (Limit::AggregatableReportsPerDestination, 1024),
        (Limit::EventLevelReportsPerSource, 3),
        (Limit::AggregatableReportsPerSource, 20),
        (Limit::DebugReportsPerSource, 5),
        (Limit::DebugBudgetPerReportingSite, 65_536),
        (Limit::DebugBudgetPerContextSite, 1 << 20),
    ] {
        assert_eq!(one(limit), (1, max), "{limit:?}");
    }
    assert_eq!(one(Limit::AggregatableBudgetPerSource), (5, 65_536 - 1000));
}

#[test]
fn a_true_report_has_an_attribution_on_record() {
    let mut world = World::new(Config::default());
    let _ = world.source(0, "ads");
    let _ = world.trigger_of(10, "ads", &json!({"event_trigger_data": [{}]}));
    let state = world.engine.state();
    let key = state.reports().next().expect("a report").report.key();
    assert!(state.has_attribution(key));
    assert!(!state.has_attribution(ascribe_engine::ReportKey(key.0 + 1)));
}

#[test]
fn windows_are_half_open_as_the_checks_have_them() {
    let mut world = World::new(Config::default());
    let _ = world.source(0, "ads");
    for (limit, window) in [
        (Limit::DestinationsPerWindow, Duration::from_secs(60)),
        (Limit::DestinationsPerWindowAndReportingSite, Duration::from_secs(60)),
        (Limit::SourceReportingOriginsPerSite, Duration::DAY),
        (Limit::DestinationsPerDay, Duration::DAY),
        (Limit::DebugBudgetPerContextSite, Duration::DAY),
        (Limit::UnexpiredDestinations, Duration::from_days(30)),
        (Limit::SourcesPerSourceOrigin, Duration::from_days(30)),
        (Limit::SourceReportingOrigins, Duration::from_days(30)),
    ] {
        let end = at(0) + window;
        assert_eq!(used(&world, end - Duration::from_millis(1), limit).len(), 1, "{limit:?}");
        assert_eq!(used(&world, end, limit).len(), 0, "{limit:?}");
    }
}

#[test]
fn the_fullest_comes_first_and_every_scope_is_named() {
    let mut world = World::new(Config::default());
    for n in 0..3 {
        let shop = json!({"destination": format!("https://shop{n}.example")});
        let _ = world.source_of(n, "ads", &shop);
    }
    let usage = world.engine.usage(at(10));
    let share = |at: usize| usage[at].used as f64 / usage[at].max as f64;
    assert!((1..usage.len()).all(|at| share(at - 1) >= share(at)));
    assert_eq!(usage[0].limit, Limit::SourceReportingOriginsPerSite, "1 of 1");
    for usage in &usage {
        assert_eq!(usage.scope.len(), usage.limit.scope().len(), "{usage:?}");
    }
    assert_eq!(used(&world, at(10), Limit::DestinationsPerDay)[0].1, 3);
}
