//! Estimates, against simulated sources whose truth is known.

use ascribe_collector::{EventCount, NoiseModel, ServedSource, estimates};
use ascribe_headers::SourceType;
use ascribe_privacy::{Epsilon, TriggerStates, flip_probability, randomized_response, round_trigger_rate};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

/// How many reports each trigger data gets, in truth and as received.
struct World {
    truth: Vec<u64>,
    received: Vec<u64>,
}

/// `sources` sources of which each has a true output by `true_output`, and sends it or noise.
fn simulate(
    states: TriggerStates,
    epsilon: Epsilon,
    sources: u64,
    rng: &mut ChaCha20Rng,
    true_output: impl Fn(u64, &mut ChaCha20Rng) -> Vec<u8>,
) -> World {
    let mut world = World {
        truth: vec![0; states.trigger_data().into()],
        received: vec![0; states.trigger_data().into()],
    };
    for source in 0..sources {
        let truth = true_output(source, rng);
        truth.iter().for_each(|&data| world.truth[usize::from(data)] += 1);
        match randomized_response(states, epsilon, rng) {
            None => truth.iter().for_each(|&data| world.received[usize::from(data)] += 1),
            Some(noise) => {
                noise.iter().for_each(|report| world.received[usize::from(report.trigger_data_index)] += 1);
            }
        }
    }
    world
}

/// One source in 20 buys once; one in 100 three times, of the same.
fn purchases(source: u64, _: &mut ChaCha20Rng) -> Vec<u8> {
    match source % 100 {
        0 => vec![1, 1, 1],
        n if n % 20 == 3 => vec![(n / 20 % 2) as u8],
        _ => vec![],
    }
}

#[test]
fn estimates_are_unbiased_and_their_intervals_hold() {
    // Sizes, epsilon, sources: from much noise to next to none, in many and in few sources.
    for (reports, data, windows, epsilon, sources, worlds) in [
        (3, 8, 3, 3.0, 2000, 200),
        (3, 8, 3, 8.0, 5000, 100),
        (3, 2, 1, 1.0, 1000, 300),
        (5, 4, 5, 9.0, 2000, 150),
        (3, 8, 3, 14.0, 5000, 60),
    ] {
        let states = TriggerStates::new(reports, data, windows).unwrap();
        let epsilon = Epsilon::new(epsilon).unwrap();
        let model = NoiseModel::new(states, epsilon);
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let (mut errors, mut covered, mut all) = (Vec::new(), 0, 0);
        for _ in 0..worlds {
            let world = simulate(states, epsilon, sources, &mut rng, purchases);
            for (&truth, &received) in world.truth.iter().zip(&world.received) {
                let (estimate, low, high) = model.estimate(received, sources).unwrap();
                errors.push(estimate - truth as f64);
                covered += u32::from((low..=high).contains(&(truth as f64)));
                all += 1;
            }
        }
        let n = errors.len() as f64;
        let mean = errors.iter().sum::<f64>() / n;
        let deviation = (errors.iter().map(|error| (error - mean).powi(2)).sum::<f64>() / n).sqrt();
        // Trigger data of one world depend on each other: a world counts once.
        let bound = 4.5 * deviation / f64::from(worlds).sqrt();
        let what = format!("{reports} {data} {windows} {}", epsilon.get());
        assert!(mean.abs() <= bound, "{what}: bias {mean}, at most {bound}");
        let coverage = f64::from(covered) / f64::from(all);
        assert!(coverage >= 0.93, "{what}: coverage {coverage}");
    }
}

#[test]
fn what_counts_outputs_as_if_they_were_reports_is_biased() {
    // (v − n·x/k) / (1 − x), with k the number of outputs: the test above tells it from the right one.
    let (states, epsilon) = (TriggerStates::NAVIGATION, Epsilon::new(3.0).unwrap());
    let flip = flip_probability(states.count(), epsilon);
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    let world = simulate(states, epsilon, 20_000, &mut rng, purchases);
    let naive = |received: u64| (received as f64 - 20_000.0 * flip / states.count() as f64) / (1.0 - flip);
    let error: f64 = world.truth.iter().zip(&world.received).map(|(&t, &r)| naive(r) - t as f64).sum();
    assert!(error > 10_000.0, "{error}");
}

#[test]
fn the_model_is_exact_for_small_alphabets() {
    // By counting: mean and variance of one trigger data's reports over all outputs.
    for (reports, data, windows) in [(1, 2, 1), (3, 2, 2), (2, 3, 2), (4, 1, 3), (0, 2, 1)] {
        let states = TriggerStates::new(reports, data, windows).unwrap();
        let counts: Vec<f64> = (0..states.count())
            .map(|n| states.unrank(n).unwrap().iter().filter(|r| r.trigger_data_index == 0).count() as f64)
            .collect();
        let k = counts.len() as f64;
        let mean = counts.iter().sum::<f64>() / k;
        let variance = counts.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / k;
        // All sources noise but for e^0 = 1: the flip probability is 1 only for epsilon 0.
        let epsilon = Epsilon::new(1e-9).unwrap();
        let model = NoiseModel::new(states, epsilon);
        let flip = model.flip_probability();
        let (estimate, low, high) = model.estimate(0, 1_000_000).unwrap();
        let expected = -flip * 1e6 * mean / (1.0 - flip);
        assert!((estimate - expected).abs() <= 1e-6 * expected.abs(), "{estimate} {expected}");
        let half = (high - low) / 2.0 * (1.0 - flip);
        let deviation = 1.959_963_984_540_054 * (flip * 1e6 * (variance + (1.0 - flip) * mean * mean)).sqrt();
        assert!((half - deviation).abs() <= 1e-6 * deviation.max(1e-9), "{half} {deviation}");
    }
}

#[test]
fn without_noise_the_count_is_the_estimate() {
    let model = NoiseModel::new(TriggerStates::NAVIGATION, Epsilon::INFINITY);
    assert_eq!(model.estimate(17, 1000), Some((17.0, 17.0, 17.0)));
    let all_noise = NoiseModel::new(TriggerStates::NAVIGATION, Epsilon::new(0.0).unwrap());
    assert_eq!(all_noise.estimate(17, 1000), None);
}

#[test]
fn counts_belong_to_the_sources_of_their_campaign_type_and_rate() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let days: i64 = rng.random_range(1..100);
    let served = |epsilon, day, count| ServedSource {
        campaign: 1,
        source_type: SourceType::Navigation,
        max_event_level_reports: 3,
        trigger_data: 8,
        windows: 3,
        epsilon,
        day,
        count,
    };
    let rate = |epsilon| round_trigger_rate(flip_probability(2925, Epsilon::new(epsilon).unwrap()));
    let count = |campaign, epsilon, trigger_data, count| EventCount {
        campaign,
        source_type: SourceType::Navigation,
        rate: rate(epsilon),
        trigger_data,
        count,
    };
    let told = estimates(
        &[
            count(Some(1), 14.0, 0, 100),
            count(Some(1), 14.0, 7, 50),
            count(Some(1), 10.0, 7, 30),
            count(Some(2), 14.0, 7, 1000),
            count(None, 14.0, 7, 1000),
            EventCount { source_type: SourceType::Event, ..count(Some(1), 14.0, 0, 1000) },
        ],
        &[served(14.0, days, 600), served(14.0, days + 1, 400), served(10.0, days, 10)],
    );
    assert_eq!(told.len(), 16, "all trigger data of both kinds of sources");
    let of = |rate: f64, trigger_data| {
        let same = |e: &&ascribe_collector::Estimate| {
            round_trigger_rate(e.flip_probability) == rate && e.trigger_data == trigger_data
        };
        told.iter().find(same).unwrap()
    };
    assert_eq!(
        (of(rate(14.0), 0).reports, of(rate(14.0), 7).reports, of(rate(14.0), 3).reports),
        (100, 50, 0)
    );
    assert_eq!((of(rate(10.0), 7).reports, of(rate(10.0), 7).sources), (30, 10));
    let first = of(rate(14.0), 0);
    assert_eq!(first.sources, 1000);
    assert!(first.low < first.estimate && first.estimate < first.high && first.estimate < 100.2);
}
