//! Counting, numbering and drawing outputs, against enumeration where that is possible.

mod common;

use ascribe_privacy::{InvalidTriggerStates, TriggerState, TriggerStates};

use common::{assert_distributed, rng};

fn states(reports: u8, trigger_data: usize, windows: usize) -> TriggerStates {
    TriggerStates::new(reports, trigger_data, windows).expect("in range")
}

fn report(trigger_data_index: u8, window_index: u8) -> TriggerState {
    TriggerState { trigger_data_index, window_index }
}

/// Every configuration with at most 8 pairs and 5 reports.
fn small() -> impl Iterator<Item = TriggerStates> {
    (0..=5)
        .flat_map(|r| (0..=8).flat_map(move |d| (1..=5).map(move |w| (r, d, w))))
        .filter(|(_, d, w)| d * w <= 8)
        .map(|(r, d, w)| states(r, d, w))
}

/// As the specification says it: every combination with repetition, of every size up to the maximum.
fn enumerate(states: TriggerStates) -> Vec<Vec<TriggerState>> {
    let pairs: Vec<_> = (0..states.trigger_data())
        .flat_map(|data| (0..states.windows()).map(move |window| report(data, window)))
        .collect();
    let mut all = vec![vec![]];
    let mut longest = all.clone();
    for _ in 0..states.max_event_level_reports() {
        longest = longest
            .iter()
            .flat_map(|head: &Vec<TriggerState>| {
                let next = pairs.iter().filter(|&pair| head.last().is_none_or(|last| pair >= last));
                next.map(|&pair| [head.as_slice(), &[pair]].concat())
            })
            .collect();
        all.extend(longest.iter().cloned());
    }
    all
}

#[test]
fn sizes_are_checked_at_their_limits() {
    assert!(TriggerStates::new(20, 32, 5).is_ok());
    assert!(TriggerStates::new(0, 0, 1).is_ok());
    assert_eq!(TriggerStates::new(21, 32, 5), Err(InvalidTriggerStates::Reports(21)));
    assert_eq!(TriggerStates::new(20, 33, 5), Err(InvalidTriggerStates::TriggerData(33)));
    assert_eq!(TriggerStates::new(20, 32, 6), Err(InvalidTriggerStates::Windows(6)));
    assert_eq!(TriggerStates::new(20, 32, 0), Err(InvalidTriggerStates::Windows(0)));
    assert_eq!(
        TriggerStates::new(20, 256, 1),
        Err(InvalidTriggerStates::TriggerData(256)),
        "not cut to a byte"
    );
    assert_eq!(TriggerStates::new(20, 1, 257), Err(InvalidTriggerStates::Windows(257)));
}

#[test]
fn the_defaults_have_the_published_counts() {
    assert_eq!(TriggerStates::NAVIGATION, states(3, 8, 3));
    assert_eq!(TriggerStates::EVENT, states(1, 2, 1));
    assert_eq!(TriggerStates::NAVIGATION.count(), 2925);
    assert_eq!(TriggerStates::EVENT.count(), 3);
}

#[test]
fn nothing_to_say_is_one_state() {
    for lone in [states(0, 32, 5), states(20, 0, 5), states(0, 0, 1)] {
        assert_eq!(lone.count(), 1);
        assert_eq!(lone.unrank(0), Some(vec![]));
        assert_eq!(lone.unrank(1), None);
        assert_eq!(lone.rank(&[]), Some(0));
        assert_eq!(lone.rank(&[report(0, 0)]), None);
        assert_eq!(lone.random(&mut rng()), []);
    }
}

#[test]
fn the_numbering_is_the_enumeration() {
    let mut configurations = 0;
    for states in small() {
        let mut expected = enumerate(states);
        let count = states.count();
        assert_eq!(count, expected.len() as u128, "{states:?}");
        let mut numbered = Vec::new();
        for index in 0..count {
            let reports = states.unrank(index).expect("below the count");
            assert!(reports.is_sorted(), "{states:?}, {index}");
            assert_eq!(states.rank(&reports), Some(index), "{states:?}, {reports:?}");
            numbered.push(reports);
        }
        assert_eq!(states.unrank(count), None, "{states:?}");
        expected.sort();
        numbered.sort();
        assert_eq!(numbered, expected, "{states:?}");
        configurations += 1;
    }
    assert_eq!(configurations, 6 * 22);
}

#[test]
fn the_largest_configurations_are_numbered_to_the_last() {
    let largest = states(20, 32, 5);
    assert_eq!(largest.count(), 175_142_105_857_592_248_012_292_655, "C(180, 20), computed independently");
    for states in [largest, states(5, 32, 5), states(20, 12, 1), states(20, 1, 5), states(1, 32, 5)] {
        let count = states.count();
        let every = vec![
            report(states.trigger_data() - 1, states.windows() - 1);
            states.max_event_level_reports().into()
        ];
        assert_eq!(states.unrank(count - 1), Some(every), "{states:?}");
        assert_eq!(states.unrank(count), None);
        assert_eq!(states.unrank(u128::MAX), None);
        // Scattered numbers, among them those around powers of two.
        let powers = (0..128).flat_map(|bit| [(1u128 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        let strides = (0..1000).map(|i| count / 1000 * i);
        for index in powers.chain(strides).filter(|&index| index < count) {
            let reports = states.unrank(index).expect("below the count");
            assert_eq!(states.rank(&reports), Some(index), "{states:?}");
        }
    }
}

#[test]
fn the_cardinality_limit_is_inclusive() {
    assert_eq!(TriggerStates::NAVIGATION.cardinality(2924), None);
    assert_eq!(TriggerStates::NAVIGATION.cardinality(2925), Some(2925));
    assert_eq!(TriggerStates::NAVIGATION.cardinality(2926), Some(2925));
    // The nearest to 2^32 on either side, of all configurations.
    assert_eq!(states(11, 31, 1).cardinality(u32::MAX), Some(4_280_561_376));
    assert_eq!(states(8, 14, 4).cardinality(u32::MAX), None);
    assert_eq!(states(8, 14, 4).count(), 4_426_165_368);
}

#[test]
fn any_order_has_the_same_number() {
    let states = TriggerStates::NAVIGATION;
    let number = states.rank(&[report(0, 2), report(5, 0), report(7, 1)]);
    assert!(number.is_some());
    assert_eq!(states.rank(&[report(7, 1), report(0, 2), report(5, 0)]), number);
}

#[test]
fn what_a_source_cannot_send_has_no_number() {
    let states = TriggerStates::NAVIGATION;
    assert!(states.rank(&[report(7, 2); 3]).is_some());
    assert_eq!(states.rank(&[report(7, 2); 4]), None, "too many");
    assert_eq!(states.rank(&[report(8, 2)]), None, "no such trigger data");
    assert_eq!(states.rank(&[report(7, 3)]), None, "no such window");
    assert_eq!(states.rank(&[report(255, 255)]), None);
}

#[test]
fn draws_are_uniform() {
    // 132 calls with a false-alarm probability of 5.6e-9 each: 7.4e-7 together.
    let mut rng = rng();
    for states in small() {
        let count = states.count() as usize;
        let each = 25;
        let mut counts = vec![0; count];
        for _ in 0..count * each {
            let number = states.rank(&states.random(&mut rng)).expect("an output of these states");
            counts[number as usize] += 1;
        }
        assert_distributed(&counts, &vec![each as f64; count]);
    }
}

#[test]
fn draws_near_the_limit_cover_the_whole_range() {
    // 64 equal parts of 4280561376 states, 100 draws each; false-alarm probability below 10^-8.
    let states = states(11, 31, 1);
    let mut rng = rng();
    let part = states.count().div_ceil(64);
    let mut counts = vec![0; 64];
    for _ in 0..6400 {
        let number = states.rank(&states.random(&mut rng)).expect("an output of these states");
        counts[(number / part) as usize] += 1;
    }
    assert_distributed(&counts, &[100.0; 64]);
}
