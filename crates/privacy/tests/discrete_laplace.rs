//! Discrete Laplace noise: its distribution, and the scales that exist.

mod common;

use ascribe_privacy::{DiscreteLaplace, Epsilon, InvalidScale};

use common::{assert_distributed, rng};

fn epsilon(epsilon: f64) -> Epsilon {
    Epsilon::new(epsilon).expect("not negative")
}

#[test]
fn small_scales_have_their_distribution() {
    // P(z) = (e^(1/scale) − 1) / (e^(1/scale) + 1) · e^(−|z|/scale), the tails together in one cell each.
    // False-alarm probability below 5 * 10^-8 together.
    let mut rng = rng();
    for (numerator, denominator) in [(1, 2), (1, 1), (2, 3), (7, 3), (5, 1)] {
        let draws = 100_000;
        let decay = denominator as f64 / numerator as f64;
        let probability = |z: i64| (decay / 2.0).tanh() * (-decay * z.unsigned_abs() as f64).exp();
        let reach = (1..).take_while(|&z| probability(z) * f64::from(draws) > 50.0).count() as i64;
        let tail: f64 = (reach + 1..reach + 1000).map(probability).sum();

        let noise = DiscreteLaplace::from_scale(numerator, denominator).expect("a scale");
        let mut counts = vec![0; (2 * reach + 3) as usize];
        for _ in 0..draws {
            let z = noise.sample(&mut rng).clamp(-reach - 1, reach + 1);
            counts[(z + reach + 1) as usize] += 1;
        }
        let mut expected: Vec<f64> = (-reach..=reach).map(probability).collect();
        expected.insert(0, tail);
        expected.push(tail);
        expected.iter_mut().for_each(|p| *p *= f64::from(draws));
        assert_distributed(&counts, &expected);
    }
}

#[test]
fn summary_noise_has_its_distribution() {
    // 64 cells between quantiles of the continuous Laplace distribution, whose difference to the discrete
    // one is below 1 / scale, 10^-3 of a cell's probability. False-alarm probability below 4 * 10^-8.
    let mut rng = rng();
    for e in [10.0, 1.0, 0.1, 64.0 / 3.0] {
        let noise = DiscreteLaplace::new(65536, epsilon(e)).expect("a scale");
        let scale = 65536.0 / e;
        assert!((noise.scale() - scale).abs() < 1e-9 * scale);
        let (draws, cells) = (64_000, 64);
        let mut counts = vec![0; cells];
        for _ in 0..draws {
            let z = noise.sample(&mut rng) as f64;
            let tail = 0.5 * (-z.abs() / scale).exp();
            let below = if z < 0.0 { tail } else { 1.0 - tail };
            counts[((below * cells as f64) as usize).min(cells - 1)] += 1;
        }
        assert_distributed(&counts, &vec![f64::from(draws) / cells as f64; cells]);
    }
}

#[test]
fn an_epsilon_is_taken_exactly() {
    // 0.1 as an f64 is 3602879701896397 / 2^55, a little more than a tenth.
    let float = DiscreteLaplace::new(65536, epsilon(0.1)).expect("a scale");
    let tenth = DiscreteLaplace::from_scale(655_360, 1).expect("a scale");
    assert_ne!(float, tenth);
    assert_eq!(float.scale(), tenth.scale(), "the difference is below what an f64 shows");
    for (e, numerator, denominator) in
        [(0.5, 131_072, 1), (10.0, 32_768, 5), (0.75, 262_144, 3), (65536.0, 1, 1)]
    {
        let noise = DiscreteLaplace::new(65536, epsilon(e));
        assert_eq!(noise, DiscreteLaplace::from_scale(numerator, denominator), "epsilon {e}");
    }
}

#[test]
fn fractions_are_reduced() {
    assert_eq!(DiscreteLaplace::from_scale(6, 4), DiscreteLaplace::from_scale(3, 2));
    assert_eq!(DiscreteLaplace::from_scale(0, 4), DiscreteLaplace::from_scale(0, 1));
}

#[test]
fn no_sensitivity_or_no_privacy_is_no_noise() {
    let mut rng = rng();
    for noise in [DiscreteLaplace::new(0, epsilon(1.0)), DiscreteLaplace::new(65536, Epsilon::INFINITY)] {
        let noise = noise.expect("a scale");
        assert_eq!(noise.scale(), 0.0);
        assert!((0..100).all(|_| noise.sample(&mut rng) == 0));
    }
}

#[test]
fn the_scale_is_bounded() {
    let limit = 1 << 56;
    assert!(DiscreteLaplace::from_scale(limit - 1, 1).is_ok());
    assert!(DiscreteLaplace::from_scale(limit, 1).is_ok());
    assert_eq!(DiscreteLaplace::from_scale(limit + 1, 1), Err(InvalidScale::TooLarge));
    assert_eq!(DiscreteLaplace::from_scale(2 * limit + 1, 2), Err(InvalidScale::TooLarge), "a half more");
    assert_eq!(DiscreteLaplace::from_scale(1, 0), Err(InvalidScale::Infinite));

    let smallest = 65536.0 / limit as f64;
    assert!(DiscreteLaplace::new(65536, epsilon(smallest.next_up())).is_ok());
    assert!(DiscreteLaplace::new(65536, epsilon(smallest)).is_ok());
    assert_eq!(DiscreteLaplace::new(65536, epsilon(smallest.next_down())), Err(InvalidScale::TooLarge));
    assert_eq!(DiscreteLaplace::new(1, epsilon(f64::MIN_POSITIVE)), Err(InvalidScale::TooLarge));
    assert_eq!(DiscreteLaplace::new(1, epsilon(5e-324)), Err(InvalidScale::TooLarge), "subnormal");
    assert_eq!(DiscreteLaplace::new(65536, epsilon(0.0)), Err(InvalidScale::Infinite));
    assert!(DiscreteLaplace::new(u64::MAX, epsilon(256.0)).is_ok());
    assert_eq!(DiscreteLaplace::new(u64::MAX, epsilon(255.0)), Err(InvalidScale::TooLarge));
}

#[test]
fn enormous_epsilons_are_finite_all_the_same() {
    let two_to_128 = 2f64.powi(128);
    assert!(DiscreteLaplace::new(1, epsilon(two_to_128.next_down())).is_ok());
    assert_eq!(DiscreteLaplace::new(1, epsilon(two_to_128)), Err(InvalidScale::TooSmall));
    assert_eq!(DiscreteLaplace::new(1, epsilon(f64::MAX)), Err(InvalidScale::TooSmall));
    let noise = DiscreteLaplace::new(1, epsilon(two_to_128.next_down())).expect("a scale");
    let mut rng = rng();
    assert!((0..100).all(|_| noise.sample(&mut rng) == 0));
}

#[test]
fn the_largest_scale_can_be_drawn() {
    // The median of |z| is scale · ln 2; 1000 draws are all on one side of it with a probability of 2^-999.
    let noise = DiscreteLaplace::from_scale(1 << 56, 1).expect("a scale");
    let mut rng = rng();
    let draws: Vec<i64> = (0..1000).map(|_| noise.sample(&mut rng)).collect();
    let median = ((1u64 << 56) as f64 * std::f64::consts::LN_2) as u64;
    assert!(
        draws.iter().any(|z| z.unsigned_abs() < median) && draws.iter().any(|z| z.unsigned_abs() > median)
    );
    assert!(draws.iter().any(|&z| z < 0) && draws.iter().any(|&z| z > 0));
}
