//! Unlike trigger data: counts against enumeration, and against alike ones.

use ascribe_privacy::{FlexibleStates, InvalidTriggerStates, TriggerDataSpec, TriggerStates};

fn spec(windows: u8, buckets: u8) -> TriggerDataSpec {
    TriggerDataSpec { windows, buckets }
}

/// The number of outputs, and of all reports in them, by trying every number of reports for every window.
fn enumerate(reports: u8, specs: &[TriggerDataSpec]) -> (u128, u128) {
    fn windows(left: u8, of_this: u8, windows_left: u8, sent: u8, rest: &[TriggerDataSpec]) -> (u128, u128) {
        if windows_left == 0 {
            return match rest {
                [] => (1, sent.into()),
                [next, rest @ ..] => windows(left, next.buckets, next.windows, sent, rest),
            };
        }
        (0..=left.min(of_this))
            .map(|n| windows(left - n, of_this - n, windows_left - 1, sent + n, rest))
            .fold((0, 0), |(a, b), (c, d)| (a + c, b + d))
    }
    windows(reports, 0, 0, 0, specs)
}

#[test]
fn every_small_configuration_is_counted() {
    let all: Vec<_> = (1..=3).flat_map(|w| (0..=3).map(move |b| spec(w, b))).collect();
    let mut configurations = vec![vec![]];
    for length in 0..3 {
        let longest: Vec<_> =
            configurations.iter().filter(|specs: &&Vec<_>| specs.len() == length).cloned().collect();
        configurations
            .extend(longest.iter().flat_map(|specs| all.iter().map(|&one| [&specs[..], &[one]].concat())));
    }
    assert_eq!(configurations.len(), 1 + 12 + 12 * 12 + 12 * 12 * 12);
    for specs in &configurations {
        for reports in 0..=4 {
            let states = FlexibleStates::new(reports, specs).expect("in range");
            let (count, sent) = enumerate(reports, specs);
            assert_eq!(states.count(), count, "{reports}, {specs:?}");
            let mean = sent as f64 / count as f64;
            assert!((states.mean_reports() - mean).abs() <= 1e-12 * mean, "{reports}, {specs:?}");
        }
    }
}

#[test]
fn alike_trigger_data_are_the_registrable_ones() {
    for reports in 0..=20 {
        for trigger_data in 0..=32 {
            for windows in 1..=5 {
                let alike = TriggerStates::new(reports, trigger_data, windows).expect("in range");
                let flexible = FlexibleStates::from(alike);
                assert_eq!(flexible.count(), alike.count());
                // Of the r letters of an output, each of the n reports and the blank have the same share.
                let n = (trigger_data * windows) as f64;
                let mean = f64::from(reports) * n / (n + 1.0);
                assert!((flexible.mean_reports() - mean).abs() <= 1e-12 * mean);
            }
        }
    }
}

#[test]
fn buckets_beyond_the_reports_add_nothing() {
    let with = |buckets| FlexibleStates::new(3, &[spec(2, buckets), spec(1, 1)]);
    assert_ne!(with(2), with(3));
    assert_eq!(with(3), with(4));
    assert_eq!(with(3), with(255));
}

#[test]
fn a_trigger_data_without_buckets_is_as_good_as_none() {
    assert_eq!(FlexibleStates::new(3, &[spec(2, 0), spec(3, 2)]), FlexibleStates::new(3, &[spec(3, 2)]));
}

#[test]
fn sizes_are_checked_at_their_limits() {
    let widest = [spec(5, 20); 33];
    assert!(FlexibleStates::new(20, &widest[..32]).is_ok());
    assert_eq!(FlexibleStates::new(21, &[]), Err(InvalidTriggerStates::Reports(21)));
    assert_eq!(FlexibleStates::new(20, &widest), Err(InvalidTriggerStates::TriggerData(33)));
    assert_eq!(FlexibleStates::new(20, &[spec(1, 1), spec(6, 1)]), Err(InvalidTriggerStates::Windows(6)));
    assert_eq!(FlexibleStates::new(20, &[spec(0, 1)]), Err(InvalidTriggerStates::Windows(0)));
}
