//! What the statistical tests share: a seed, and a test of counts against probabilities.

#![allow(dead_code, unreachable_pub)] // Each test binary uses its own part.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The same bits in every run, unless `ASCRIBE_SEED` (an integer) asks for others; which, is printed.
pub fn rng() -> ChaCha8Rng {
    #[expect(clippy::disallowed_methods, reason = "tests choose the seed, the crate does not")]
    let seed = std::env::var("ASCRIBE_SEED").map_or(20_260_701, |seed| seed.parse().expect("an integer"));
    #[expect(clippy::print_stdout, reason = "shown when the test fails")]
    {
        println!("ASCRIBE_SEED={seed}");
    }
    ChaCha8Rng::seed_from_u64(seed)
}

/// Pearson's chi-square test of `counts` against `expected` counts, at a false-alarm probability below
/// 10^-8 for each call.
///
/// The bound is Laurent and Massart's (2000): a chi-square variable with `d` degrees of freedom is above
/// `d + 2·√(d·x) + 2·x` with a probability of at most `e^-x`. Each expected count has to be at least 20 for
/// the statistic to be close enough to that distribution.
pub fn assert_distributed(counts: &[u64], expected: &[f64]) {
    const X: f64 = 19.0; // e^-19 = 5.6e-9
    assert_eq!(counts.len(), expected.len());
    assert!(expected.iter().all(|&e| e >= 20.0), "cells too small for the test: {expected:?}");
    let (drawn, total) = (counts.iter().sum::<u64>() as f64, expected.iter().sum::<f64>());
    assert!((drawn - total).abs() < 1e-6 * total, "{drawn} draws, {total} expected");
    let chi_square: f64 = counts.iter().zip(expected).map(|(&c, e)| (c as f64 - e).powi(2) / e).sum();
    let d = (counts.len() - 1) as f64;
    let bound = d + 2.0 * (d * X).sqrt() + 2.0 * X;
    assert!(chi_square <= bound, "chi-square {chi_square:.1} with {d} degrees of freedom, bound {bound:.1}");
}
