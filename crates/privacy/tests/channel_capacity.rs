//! Capacity and flip probability against high-precision values, and the decisions at the limits.

use ascribe_privacy::{
    Epsilon, channel_capacity, epsilon_to_fit, flip_probability, round_trigger_rate, scopes_channel_capacity,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vector {
    states: String,
    epsilon: f64,
    capacity: f64,
    flip_probability: f64,
}

fn vectors() -> Vec<(u128, Epsilon, Vector)> {
    let vectors: Vec<Vector> =
        serde_json::from_str(include_str!("vectors/channel_capacity.json")).expect("well-formed");
    assert_eq!(vectors.len(), 14 * 16);
    vectors.into_iter().map(|v| (v.states.parse().expect("an integer"), epsilon(v.epsilon), v)).collect()
}

fn epsilon(epsilon: f64) -> Epsilon {
    Epsilon::new(epsilon).expect("not negative")
}

fn assert_close(got: f64, want: f64, relative: f64, what: &str) {
    assert!((got - want).abs() <= relative * want.abs(), "{what}: got {got:e}, want {want:e}");
}

#[test]
fn capacity_is_accurate_everywhere() {
    for (states, epsilon, v) in vectors() {
        let what = format!("{states} states, {epsilon:?}");
        assert_close(channel_capacity(states, epsilon), v.capacity, 2f64.powi(-47), &what);
    }
}

#[test]
fn flip_probability_is_accurate_everywhere() {
    for (states, epsilon, v) in vectors() {
        let what = format!("{states} states, {epsilon:?}");
        assert_close(flip_probability(states, epsilon), v.flip_probability, 2f64.powi(-50), &what);
    }
}

#[test]
fn the_defaults_have_the_published_numbers() {
    let rate = |states| round_trigger_rate(flip_probability(states, epsilon(14.0)));
    assert_eq!(rate(2925), 0.0024263);
    assert_eq!(rate(3), 0.0000025);
    assert_eq!(format!("{:.4}", channel_capacity(2925, epsilon(14.0))), "11.4617");
    assert_eq!(format!("{:.4}", channel_capacity(3, epsilon(14.0))), "1.5849");
}

#[test]
fn rates_round_to_seven_digits() {
    assert_eq!(round_trigger_rate(0.123_456_74), 0.123_456_7);
    assert_eq!(round_trigger_rate(0.123_456_76), 0.123_456_8);
    assert_eq!(round_trigger_rate(0.000_000_04), 0.0);
    assert_eq!(round_trigger_rate(1.0), 1.0);
}

#[test]
fn the_extremes_of_epsilon() {
    for states in [1, 2, 2925, u128::from(u32::MAX)] {
        assert_eq!(flip_probability(states, epsilon(0.0)), 1.0);
        assert_eq!(channel_capacity(states, epsilon(0.0)), 0.0);
        assert_eq!(flip_probability(states, Epsilon::INFINITY), 0.0);
        assert_eq!(channel_capacity(states, Epsilon::INFINITY), (states as f64).log2());
    }
    assert_eq!(channel_capacity(1 << 29, Epsilon::INFINITY), 29.0, "not a quotient of logarithms");
    assert_eq!(channel_capacity(u128::MAX, Epsilon::INFINITY), 128.0);
}

#[test]
fn no_states_count_as_one() {
    assert_eq!(channel_capacity(0, epsilon(14.0)), 0.0);
    assert_eq!(flip_probability(0, epsilon(14.0)), flip_probability(1, epsilon(14.0)));
    assert_eq!(scopes_channel_capacity(0, 1, 1), 0.0);
}

#[test]
fn one_state_more_decides_at_the_limits() {
    for (limit, last) in [(6.5, 90), (11.5, 3006)] {
        assert!(channel_capacity(last - 1, epsilon(14.0)) <= limit);
        assert!(channel_capacity(last, epsilon(14.0)) <= limit);
        assert!(channel_capacity(last + 1, epsilon(14.0)) > limit);
    }
}

#[test]
fn scopes_add_states() {
    // 2^11.55 = 2998.3 and 2^6.5 = 90.5.
    assert!(scopes_channel_capacity(2925, 2, 72) <= 11.55);
    assert!(scopes_channel_capacity(2925, 2, 73) <= 11.55, "2998 states");
    assert!(scopes_channel_capacity(2925, 2, 74) > 11.55, "2999 states");
    assert!(scopes_channel_capacity(3, 30, 3) <= 6.5, "90 states");
    assert!(scopes_channel_capacity(3, 45, 2) > 6.5, "91 states");
    assert_eq!(scopes_channel_capacity(8, 1, u32::MAX), 3.0, "one scope adds nothing");
    assert_eq!(scopes_channel_capacity(8, 0, 9), 3.0, "nor does none");
    assert!(scopes_channel_capacity(u128::MAX, u32::MAX, u32::MAX) <= 128.0);
}

#[test]
fn the_epsilon_that_fits_is_the_last() {
    for (states, capacity) in
        [(3007, 11.5), (5000, 11.5), (91, 6.5), (2925, 6.5), (u32::MAX.into(), 0.001), (2, 1e-9)]
    {
        let fits = epsilon_to_fit(states, capacity, epsilon(14.0)).expect("0 discloses nothing").get();
        assert!(fits < 14.0);
        assert!(channel_capacity(states, epsilon(fits)) <= capacity, "{states} states");
        assert!(channel_capacity(states, epsilon(fits.next_up())) > capacity, "{states} states");
    }
}

#[test]
fn the_epsilon_that_fits_is_at_most_the_one_wanted() {
    assert_eq!(epsilon_to_fit(3006, 11.5, epsilon(14.0)), Some(epsilon(14.0)));
    assert_eq!(epsilon_to_fit(2925, 11.5, epsilon(3.0)), Some(epsilon(3.0)));
    assert_eq!(epsilon_to_fit(1, 0.0, Epsilon::INFINITY), Some(Epsilon::INFINITY));
    assert!(epsilon_to_fit(2925, 11.5, Epsilon::INFINITY).is_some_and(|e| e.get() > 14.0 && e.get() < 20.0));
}

#[test]
fn a_capacity_of_nothing_leaves_an_epsilon_of_nothing() {
    // The capacity is about ε²/2 · (k − 1)/k², which is 0 only where it is below the smallest number.
    assert!(epsilon_to_fit(2925, 0.0, epsilon(14.0)).is_some_and(|e| e.get() < 1e-150));
    assert_eq!(epsilon_to_fit(2925, -1.0, epsilon(14.0)), None);
    assert_eq!(epsilon_to_fit(2925, f64::NAN, epsilon(14.0)), None);
}

#[test]
fn more_epsilon_discloses_more() {
    for states in [2, 3, 10, 2925, 3007, 1 << 20, u128::from(u32::MAX)] {
        let capacities = (1..=1600).map(|i| channel_capacity(states, epsilon(f64::from(i) * 0.01)));
        assert!(capacities.is_sorted_by(|a, b| a < b), "{states} states");
    }
}

#[test]
fn many_more_states_disclose_less_again() {
    // Past about e^14 states the noise grows faster than the alphabet.
    assert!(channel_capacity(100_000, epsilon(14.0)) > 11.5);
    assert!(channel_capacity(u32::MAX.into(), epsilon(14.0)) < 11.5);
    let rates = (1..4000).map(|states| flip_probability(states, epsilon(14.0)));
    assert!(rates.is_sorted_by(|a, b| a < b), "more states are noised more often");
}
