//! Finding buckets that are not in the domain: those whose noised sum is above a threshold.
//!
//! Off unless a job asks for it. The aggregation service never had it; the explainer "Summary reports with key
//! discovery" proposes it.
//!
//! # Why this is private
//!
//! A job with it is (ε, δ)-differentially private with regard to what one source contributes, at most L = 65536
//! in all. Take a batch with a source's contributions, and the same without them.
//!
//! - The noise of all buckets that both batches have is that of the Laplace mechanism for a vector that differs
//!   by at most L in the L1 norm: ε, whichever of them are shown, since that depends on noised sums alone.
//! - What remains are buckets that only the source contributed to: showing any of them tells the batches apart.
//!   A sum `v` is shown if `v + Z ≥ t`, and for an integer threshold `t > v` discrete Laplace noise of scale `b =
//!   L / ε` has `P(Z ≥ t − v) = e^(−(t − v) / b) / (1 + e^(−1 / b))`. Buckets whose sum is 0 are never shown, so that
//!   each of the `m` buckets of the source holds at least 1, and at most L in all. The sum of the probabilities is
//!   convex in the values and in `m`: it is largest either for one bucket with L or for L buckets with 1, and
//!   therefore at most `e^(−t / b) / (1 + e^(−1 / b)) · max(e^(L / b), L · e^(1 / b))`. The threshold makes that δ.
//!
//! At ε = 10 and δ = 10^-5 it is about 2.2 times L. The service's own formula, `L + b · ln(1 / δ)`, has no room
//! for a source that spreads over many buckets.

use ascribe_privacy::Epsilon;

use crate::noise::L1_SENSITIVITY;

/// How likely it may be that a bucket tells on its only source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Discovery {
    delta: f64,
}

impl Discovery {
    /// δ of the aggregation service, where its domain could be left out.
    pub const DEFAULT_DELTA: f64 = 1e-5;
    /// The most that δ can be.
    pub const MAX_DELTA: f64 = 1e-3;

    /// `None` unless δ is above 0, and at most [`MAX_DELTA`](Self::MAX_DELTA).
    #[must_use]
    pub fn new(delta: f64) -> Option<Self> {
        (delta > 0.0 && delta <= Self::MAX_DELTA).then_some(Self { delta })
    }

    /// The smallest noised sum that is shown.
    #[must_use]
    pub fn threshold(self, epsilon: Epsilon) -> i64 {
        let l1 = L1_SENSITIVITY as f64;
        let scale = l1 / epsilon.get();
        let spread = (l1 / scale).max(l1.ln() + 1.0 / scale);
        let tail = 1.0 / ((1.0 + (-1.0 / scale).exp()) * self.delta);
        // Rounding of the logarithms is far below 1, and a threshold that is too high only shows less.
        (scale * (tail.ln() + spread)).ceil() as i64 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threshold(epsilon: f64, delta: f64) -> i64 {
        Discovery::new(delta).unwrap().threshold(Epsilon::new(epsilon).unwrap())
    }

    /// The probability that any bucket of a source is shown that has these values alone.
    fn probability(values: &[(f64, f64)], epsilon: f64, threshold: i64) -> f64 {
        let scale = 65_536.0 / epsilon;
        let tail = |value: f64| (-(threshold as f64 - value) / scale).exp() / (1.0 + (-1.0 / scale).exp());
        values.iter().map(|(count, value)| count * tail(*value)).sum()
    }

    #[test]
    fn no_way_to_spend_a_source_is_shown_more_often_than_delta() {
        for epsilon in [0.1, 1.0, 10.0, 11.2, 64.0] {
            for delta in [1e-3, 1e-5, 1e-9] {
                let threshold = threshold(epsilon, delta);
                assert!(threshold > 65_536, "no single source reaches it without noise");
                for buckets in [1.0, 2.0, 100.0, 30_000.0, 65_535.0, 65_536.0] {
                    let even = probability(&[(buckets, 65_536.0 / buckets)], epsilon, threshold);
                    let one_large = [(buckets - 1.0, 1.0), (1.0, 65_537.0 - buckets)];
                    let skewed = probability(&one_large, epsilon, threshold);
                    assert!(
                        even <= delta && skewed <= delta,
                        "ε {epsilon} δ {delta} {buckets}: {even} {skewed}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_threshold_is_not_higher_than_it_takes() {
        // ε 64: one bucket with all of it is what decides, and one less would be too little.
        let threshold = threshold(64.0, 1e-5);
        let worst = probability(&[(1.0, 65_536.0)], 64.0, threshold - 3);
        assert!(worst > 1e-5, "{worst}");
    }

    #[test]
    fn delta_is_above_0_and_small() {
        for invalid in [0.0, -1.0, 1.1e-3, f64::NAN, f64::INFINITY] {
            assert_eq!(Discovery::new(invalid), None);
        }
        assert!(Discovery::new(Discovery::MAX_DELTA).is_some());
    }
}
