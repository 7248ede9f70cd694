//! What a user or a reporting origin clears is gone, and nothing else.

mod common;

use ascribe_engine::{Attribution, Change, ClearRange, Config, SourceOutcome};
use ascribe_headers::{SourceDebugType, TriggerDebugType};
use ascribe_reports::Time;
use common::{World, at, origin};

const EVERYTHING: ClearRange = ClearRange { from: Time::MIN, to: Time::MAX, rate_limits: true };

fn attributed() -> World {
    let mut world = World::new(Config::default());
    let _ = world.source(0, "ads");
    let _ = world.trigger(100, "ads");
    assert_eq!((world.engine.state().source_count(), world.engine.state().report_count()), (1, 2));
    world
}

#[test]
fn clearing_everything_leaves_no_trace() {
    let mut world = attributed();
    let _ = world.engine.clear(|_| true, EVERYTHING);
    let left = world.engine.state().snapshot();
    assert!(matches!(&*left, [Change::NextIds { .. }]), "{left:?}");
}

#[test]
fn the_rate_limits_stay_unless_asked_for() {
    let mut world = attributed();
    let _ = world.engine.clear(|_| true, ClearRange { rate_limits: false, ..EVERYTHING });
    assert_eq!((world.engine.state().source_count(), world.engine.state().report_count()), (0, 0));
    let left = world.engine.state().snapshot();
    assert!(left.iter().any(|change| matches!(change, Change::SourceRecordRestored(_))));
    assert!(left.iter().any(|change| matches!(change, Change::AttributionRecorded(_))));
    assert!(left.iter().any(|change| matches!(change, Change::DebugBudgetSpent { .. })));
}

#[test]
fn only_the_chosen_reporting_origins_are_cleared() {
    let mut world = attributed();
    let _ = world.source(200, "other");
    let _ = world.engine.clear(|cleared| *cleared == origin("ads"), EVERYTHING);
    let left: Vec<_> =
        world.engine.state().sources().iter().map(|s| s.source.reporting_origin.clone()).collect();
    assert_eq!(left, [origin("other")]);
    let untold = format!("{:?}", world.engine.state().snapshot());
    assert!(!untold.contains("ads.example"), "{untold}");
}

#[test]
fn the_range_includes_both_of_its_ends() {
    for (from, to, left) in [(0, 0, 0), (1, 50, 1), (-50, -1, 1), (-1, 0, 0), (0, 1, 0)] {
        let mut world = World::new(Config::default());
        let _ = world.source(0, "ads");
        let range = ClearRange { from: at(from), to: at(to), rate_limits: false };
        let _ = world.engine.clear(|_| true, range);
        assert_eq!(world.engine.state().source_count(), left, "{from}..={to}");
    }
}

#[test]
fn a_conversion_that_is_cleared_takes_its_source_and_records_along() {
    let mut world = attributed();
    let range = ClearRange { from: at(50), to: Time::MAX, rate_limits: true };
    let _ = world.engine.clear(|_| true, range);
    assert_eq!((world.engine.state().source_count(), world.engine.state().report_count()), (0, 0));
    let left = world.engine.state().snapshot();
    let of_conversion =
        |change: &&Change| matches!(change, Change::AttributionRecorded(_) | Change::SourceRecordRestored(_));
    assert_eq!(left.iter().find(of_conversion), None);
}

#[test]
fn clear_site_data_reaches_one_reporting_origin_and_no_rate_limit() {
    let mut config = Config::default();
    config.max_attributions = 1;
    let mut world = World::new(config);
    let _ = world.source(0, "ads");
    let _ = world.trigger(1, "ads");
    let _ = world.engine.clear_site_data(&origin("other"));
    assert_eq!(world.engine.state().report_count(), 2);
    let _ = world.engine.clear_site_data(&origin("ads"));
    assert_eq!((world.engine.state().source_count(), world.engine.state().report_count()), (0, 0));

    let stored = world.source(2, "ads").outcome;
    assert_eq!(stored, SourceOutcome::Stored(SourceDebugType::Success));
    let again = world.trigger(3, "ads").outcome;
    let limit = TriggerDebugType::EventAttributionsPerSourceDestinationLimit;
    assert_eq!(again.event_level, Attribution::Dropped(limit), "a site cannot lift its own limits");
}
