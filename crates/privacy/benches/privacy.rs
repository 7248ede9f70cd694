//! Counting, capacities and draws. `cargo bench -p ascribe-privacy`

use ascribe_privacy::{
    DiscreteLaplace, Epsilon, TriggerStates, channel_capacity, epsilon_to_fit, flip_probability,
    randomized_response,
};
use divan::{Bencher, black_box};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

/// Reports, trigger data, windows, and how many states that makes.
const CONFIGURATIONS: [(u8, usize, usize, &str); 5] = [
    (1, 2, 1, "event: 3"),
    (3, 8, 3, "navigation: 2925"),
    (11, 31, 1, "nearest to 2^32"),
    (5, 32, 5, "most pairs below 2^32"),
    (20, 32, 5, "most: 2^87"),
];

fn main() {
    divan::main();
}

fn states((reports, trigger_data, windows, _): (u8, usize, usize, &str)) -> TriggerStates {
    TriggerStates::new(reports, trigger_data, windows).expect("in range")
}

fn epsilon(epsilon: f64) -> Epsilon {
    Epsilon::new(epsilon).expect("not negative")
}

fn rng() -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(1)
}

#[divan::bench(args = CONFIGURATIONS)]
fn count(bencher: Bencher, configuration: (u8, usize, usize, &str)) {
    let states = states(configuration);
    bencher.bench(|| black_box(states).count());
}

#[divan::bench(args = [3, 2925, u32::MAX.into()])]
fn capacity(states: u128) -> f64 {
    channel_capacity(black_box(states), black_box(epsilon(14.0)))
}

#[divan::bench(args = [3, 2925, u32::MAX.into()])]
fn flip(states: u128) -> f64 {
    flip_probability(black_box(states), black_box(epsilon(14.0)))
}

#[divan::bench]
fn epsilon_that_fits() -> Option<Epsilon> {
    epsilon_to_fit(black_box(5000), black_box(11.5), epsilon(14.0))
}

/// As for a new source with the default epsilon: for the defaults nearly always the coin alone, for the others
/// an output nearly always.
#[divan::bench(args = CONFIGURATIONS)]
fn response(bencher: Bencher, configuration: (u8, usize, usize, &str)) {
    let (states, mut rng) = (states(configuration), rng());
    bencher.bench_local(|| randomized_response(black_box(states), epsilon(14.0), &mut rng));
}

/// With an epsilon of 0: always a uniform output.
#[divan::bench(args = CONFIGURATIONS)]
fn noised_response(bencher: Bencher, configuration: (u8, usize, usize, &str)) {
    let (states, mut rng) = (states(configuration), rng());
    bencher.bench_local(|| randomized_response(black_box(states), epsilon(0.0), &mut rng));
}

#[divan::bench(args = [64.0, 10.0, 1.0, 0.1])]
fn discrete_laplace(bencher: Bencher, e: f64) {
    let noise = DiscreteLaplace::new(65536, epsilon(e)).expect("a scale");
    let mut rng = rng();
    bencher.bench_local(|| black_box(noise).sample(&mut rng));
}
