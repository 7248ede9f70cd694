//! Randomized response: how likely a source is noised, and the draw.
//!
//! Spec: "Obtaining a randomized source response", "obtain a randomized response", and the rounding of
//! `randomized_trigger_rate` in "obtain an event-level report body".

use rand::Rng;

use crate::{Epsilon, TriggerState, TriggerStates};

/// The probability that a source with that many `states` reports a uniformly random one of them.
///
/// `k / (k − 1 + e^ε)`, from 0 (for an infinite ε) to 1 (for 0). The spec's "pick rate"; verbose and
/// event-level reports carry it as `randomized_trigger_rate`. The random state may be the true one.
/// No `states` at all count as one. Relative error below 2^-50.
///
/// ```
/// use ascribe_privacy::{Epsilon, flip_probability, round_trigger_rate};
///
/// let epsilon = Epsilon::new(14.0).expect("not negative");
/// assert_eq!(round_trigger_rate(flip_probability(2925, epsilon)), 0.0024263);
/// assert_eq!(round_trigger_rate(flip_probability(3, epsilon)), 0.0000025);
/// ```
#[must_use]
pub fn flip_probability(states: u128, epsilon: Epsilon) -> f64 {
    let states = states.max(1) as f64;
    states / (states + libm::expm1(epsilon.get()))
}

/// A probability as reports carry it: rounded to 7 digits after the decimal point.
#[must_use]
pub fn round_trigger_rate(rate: f64) -> f64 {
    (rate * 1e7).round() / 1e7
}

/// The draw for a new source: `None` to tell the truth, or the reports to send in its place.
///
/// With [`flip_probability`], a uniformly random output of `states`; that output can be the empty list,
/// which is noise all the same: a source that will never report.
///
/// # Exactness
///
/// The coin compares 64 random bits with the probability's first 64 binary digits. So it comes up with a
/// probability `q` such that `p·(1 − 2^-50) − 2^-64 < q < p·(1 + 2^-50)` for the ideal `p`. For every
/// epsilon up to 14, where `p` is above 2^-21, the source's epsilon is then met within 2^-42. (Comparing
/// with a 53-bit float would be 2^11 times coarser, and such floats are not uniform near 0.)
/// The output itself is exactly uniform.
///
/// ```
/// use ascribe_privacy::{Epsilon, TriggerStates, randomized_response};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
/// assert_eq!(randomized_response(TriggerStates::EVENT, Epsilon::INFINITY, &mut rng), None);
/// let always = Epsilon::new(0.0).expect("not negative");
/// assert!(randomized_response(TriggerStates::EVENT, always, &mut rng).is_some());
/// ```
#[must_use]
pub fn randomized_response(
    states: TriggerStates,
    epsilon: Epsilon,
    rng: &mut (impl Rng + ?Sized),
) -> Option<Vec<TriggerState>> {
    flip(flip_probability(states.count(), epsilon), rng).then(|| states.random(rng))
}

/// True with probability `p`, which is in 0 to 1, cut off after 64 binary digits.
fn flip(p: f64, rng: &mut (impl Rng + ?Sized)) -> bool {
    const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;
    // Scaling by a power of two is exact; 1 becomes 2^64, above every draw.
    u128::from(rng.next_u64()) < (p * TWO_TO_64) as u128
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Script;

    #[test]
    fn the_coin_has_a_64_bit_threshold() {
        assert!(!flip(0.0, &mut Script::new([0])));
        assert!(flip(1.0, &mut Script::new([u64::MAX])));
        assert!(flip(0.5, &mut Script::new([(1 << 63) - 1])));
        assert!(!flip(0.5, &mut Script::new([1 << 63])));
        // Twice the smallest step: a 53-bit draw could not tell it from 0.
        let tiny = 2.0f64.powi(-63);
        assert!(flip(tiny, &mut Script::new([1])));
        assert!(!flip(tiny, &mut Script::new([2])));
    }
}
