//! Randomized response: how often, and with what.

mod common;

use ascribe_privacy::{Epsilon, TriggerStates, flip_probability, randomized_response};

use common::{assert_distributed, rng};

fn epsilon(epsilon: f64) -> Epsilon {
    Epsilon::new(epsilon).expect("not negative")
}

#[test]
fn without_noise_there_is_only_the_truth() {
    let mut rng = rng();
    assert!(
        (0..1000).all(|_| {
            randomized_response(TriggerStates::NAVIGATION, Epsilon::INFINITY, &mut rng).is_none()
        })
    );
}

#[test]
fn an_epsilon_of_zero_is_all_noise() {
    let mut rng = rng();
    assert!(
        (0..1000)
            .all(|_| { randomized_response(TriggerStates::NAVIGATION, epsilon(0.0), &mut rng).is_some() })
    );
}

#[test]
fn the_response_has_its_distribution() {
    // Truth and each output are one cell; false-alarm probability below 4 * 10^-8 together.
    let mut rng = rng();
    for (states, e) in [
        (TriggerStates::EVENT, 0.5),
        (TriggerStates::EVENT, 5.0),
        (TriggerStates::new(2, 3, 2).expect("in range"), 3.0),
        (TriggerStates::new(0, 0, 1).expect("in range"), 1.0),
    ] {
        let draws = 100_000;
        let count = states.count() as usize;
        let mut counts = vec![0; count + 1];
        for _ in 0..draws {
            let cell = match randomized_response(states, epsilon(e), &mut rng) {
                Some(output) => states.rank(&output).expect("an output of these states") as usize,
                None => count,
            };
            counts[cell] += 1;
        }
        let noised = f64::from(draws) * flip_probability(states.count(), epsilon(e));
        let mut expected = vec![noised / count as f64; count];
        expected.push(f64::from(draws) - noised);
        assert_distributed(&counts, &expected);
    }
}

#[test]
fn rare_noise_is_as_rare_as_it_should_be() {
    // 0.0024263 of 200000 sources: two cells, false-alarm probability below 10^-8.
    let mut rng = rng();
    let draws = 200_000;
    let states = TriggerStates::NAVIGATION;
    let noised =
        (0..draws).filter(|_| randomized_response(states, epsilon(14.0), &mut rng).is_some()).count();
    let expected = f64::from(draws) * flip_probability(states.count(), epsilon(14.0));
    assert_distributed(
        &[noised as u64, draws as u64 - noised as u64],
        &[expected, f64::from(draws) - expected],
    );
}
