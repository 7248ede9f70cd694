//! When reports are tried, tried again, and given up.

mod common;

use ascribe_agent::{Agent, Courier, Failed, NavigationRetry};
use common::{Dice, agent, at, source, trigger};

/// The end of the first window of a source at 0.
const DUE: i64 = 2 * 86_400;

/// An agent with this many reports, all due at [`DUE`].
fn with_reports(reports: i64) -> (Agent, Dice) {
    let (mut agent, mut dice) = (agent(), Dice::default());
    let _ = source(&mut agent, 1, 0, &mut dice);
    for n in 0..reports {
        let _ = trigger(&mut agent, 2, 1 + n, &mut dice);
    }
    assert_eq!(agent.engine().state().report_count() as i64, reports);
    (agent, dice)
}

#[test]
fn each_due_report_is_handed_out_once_in_random_order() {
    let (mut agent, mut dice) = with_reports(3);
    let mut courier = Courier::default();
    assert_eq!(courier.next_due(agent.engine()), Some(at(DUE)));
    assert!(courier.take_due(agent.engine(), at(DUE - 1), &mut dice).is_empty());
    let handed = courier.take_due(agent.engine(), at(DUE), &mut dice);
    let keys: Vec<_> = handed.iter().map(|key| key.0).collect();
    assert_eq!(keys, [1, 2, 0], "each in turn swapped with the first");
    assert!(courier.take_due(agent.engine(), at(DUE), &mut dice).is_empty(), "they are on their way");
    assert_eq!(courier.next_due(agent.engine()), None);
    for key in handed {
        let _ = courier.delivered(agent.engine_mut(), key);
    }
    assert_eq!(agent.engine().state().report_count(), 0);
}

#[test]
fn a_report_that_fails_is_tried_after_5_and_15_minutes_and_then_dropped() {
    let (mut agent, mut dice) = with_reports(1);
    let mut courier = Courier::default();
    let mut now = at(DUE);
    for delay in [300, 900] {
        let key = courier.take_due(agent.engine(), now, &mut dice)[0];
        let failed = courier.failed(agent.engine_mut(), key, now).outcome;
        let due = now + ascribe_reports::Duration::from_secs(delay);
        assert_eq!(failed, Failed::Retry(due));
        assert_eq!(courier.next_due(agent.engine()), Some(due));
        now = due;
    }
    let key = courier.take_due(agent.engine(), now, &mut dice)[0];
    assert_eq!(courier.failed(agent.engine_mut(), key, now).outcome, Failed::Dropped);
    assert_eq!(agent.engine().state().report_count(), 0);
}

#[test]
fn the_chosen_retry_waits_for_a_navigation_and_5_minutes_more() {
    for (mode, timed_before) in
        [(NavigationRetry::First, 0), (NavigationRetry::Second, 1), (NavigationRetry::Third, 2)]
    {
        let (mut agent, mut dice) = with_reports(1);
        let mut courier = Courier::new(mode);
        let mut now = at(DUE);
        for _ in 0..timed_before {
            let key = courier.take_due(agent.engine(), now, &mut dice)[0];
            let Failed::Retry(due) = courier.failed(agent.engine_mut(), key, now).outcome else {
                panic!("{mode:?}: earlier retries are timed");
            };
            now = due;
        }
        let key = courier.take_due(agent.engine(), now, &mut dice)[0];
        assert_eq!(courier.failed(agent.engine_mut(), key, now).outcome, Failed::AwaitsNavigation);
        assert_eq!(courier.next_due(agent.engine()), None);
        assert!(courier.take_due(agent.engine(), at(40 * 86_400), &mut dice).is_empty());

        let navigated = at(41 * 86_400);
        let _ = courier.navigated(agent.engine_mut(), navigated);
        assert_eq!(courier.next_due(agent.engine()), Some(at(41 * 86_400 + 300)));
        assert_eq!(courier.take_due(agent.engine(), at(41 * 86_400 + 300), &mut dice), [key]);
    }
}

#[test]
fn nothing_is_tried_while_offline_and_what_is_overdue_is_spread_afterwards() {
    let (mut agent, mut dice) = with_reports(2);
    let mut courier = Courier::default();
    courier.went_offline();
    assert_eq!(courier.next_due(agent.engine()), None);
    assert!(courier.take_due(agent.engine(), at(DUE), &mut dice).is_empty());

    let back = at(DUE + 1000);
    let _ = courier.came_online(agent.engine_mut(), back, &mut dice);
    assert_eq!(courier.next_due(agent.engine()), Some(at(DUE + 1030)), "half of a minute later");
    let failures = agent.engine().state().reports().map(|stored| stored.failures).sum::<u32>();
    assert_eq!(failures, 0, "that was no failure");
    assert_eq!(courier.take_due(agent.engine(), at(DUE + 1030), &mut dice).len(), 2);
}

#[test]
fn a_report_that_was_cleared_on_its_way_is_not_tried_again() {
    let (mut agent, mut dice) = with_reports(1);
    let mut courier = Courier::default();
    let key = courier.take_due(agent.engine(), at(DUE), &mut dice)[0];
    let _ = agent.clear_site_data(&common::origin("ads"));
    let effects = courier.failed(agent.engine_mut(), key, at(DUE));
    assert_eq!(effects.outcome, Failed::Dropped);
    assert!(effects.changes.is_empty());
}
