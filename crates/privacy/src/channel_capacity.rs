//! Channel capacity: how many bits a source can disclose.
//!
//! Spec: "Computing channel capacity". A source is a symmetric channel with `k` symbols: randomized
//! response leaves a symbol as it is, or turns it into each of the `k − 1` others with the same
//! probability `s = 1 / (k − 1 + e^ε)`. With `p = (k − 1)·s`, the specification's formula
//!
//! `C = log2(k) − h(p) − p·log2(k − 1)`
//!
//! subtracts numbers of about the size of `log2(k)` three times, and takes `1 − p` and `1 − q` of rounded
//! values. That loses up to half of the digits when ε is small, and some at the limits, where they decide.
//! Writing `q = e^ε·s` for the probability that the symbol stays, `C = log2(k) + q·log2(q) + p·log2(s)`;
//! as `log2(q) = log2(s) + ε·log2(e)` and `p + q = 1`, this is
//!
//! `C = log2(k·s) + q·ε·log2(e)`
//!
//! which [`channel_capacity`] evaluates in one of two arrangements that do not cancel.

use crate::Epsilon;

use std::f64::consts::LOG2_E;

/// What a source with that many `states` discloses at most, in bits: from 0 to `log2(states)`.
///
/// Spec: "compute the channel capacity of a source", for any number of states; whether there are too many
/// is for [`TriggerStates::cardinality`](crate::TriggerStates::cardinality) to say. One state discloses
/// nothing, and no `states` at all count as one. An infinite ε gives `log2(states)`.
///
/// Relative error below 2^-47. Near the limit of 11.5 bits that is 10^-13, while one state more or less
/// changes the capacity by 5·10^-4: with an ε of 14 the decision is the ideal one.
///
/// More ε always discloses more. More states do so only up to about `e^ε` of them; beyond, the noise grows
/// faster than the alphabet.
///
/// ```
/// use ascribe_privacy::{Epsilon, TriggerStates, channel_capacity};
///
/// let epsilon = Epsilon::new(14.0).expect("not negative");
/// let bits = channel_capacity(TriggerStates::NAVIGATION.count(), epsilon);
/// assert_eq!(format!("{bits:.4}"), "11.4617");
/// ```
#[must_use]
pub fn channel_capacity(states: u128, epsilon: Epsilon) -> f64 {
    if states <= 1 {
        return 0.0;
    }
    let (k, others, epsilon) = (states as f64, (states - 1) as f64, epsilon.get());
    if epsilon == f64::INFINITY {
        return libm::log2(k);
    }
    // The odds of any other symbol against the same one: p / q.
    let odds = others * libm::exp(-epsilon);
    if odds <= 1.0 && epsilon >= 1.0 {
        // Little noise: all of log2(k), less what the noise costs. k·s = k·e^-ε / (1 + odds) and
        // 1 − q = odds / (1 + odds). What is subtracted is at most 8/9 of log2(k) (odds = 1 at k = 4),
        // so that the terms' rounding errors grow less than tenfold.
        let lost = epsilon * odds / (1.0 + odds) + libm::log1p(odds);
        libm::log2(k) - lost * LOG2_E
    } else {
        // Much noise. With y = (e^ε − 1) / k, 1 / (k·s) = 1 + y and q = e^ε / (k·(1 + y)), so that
        // C·ln(2)·(1 + y) = ε·e^ε / k − (1 + y)·ln(1 + y). Taking y = (e^ε − 1) / k from both terms
        // leaves the excess of each: both of second order in ε, the second at most 2/3 of the first.
        let y = libm::expm1(epsilon) / k;
        let disclosed = (excess(epsilon) / k - excess(libm::log1p(y))) / (1.0 + y);
        disclosed * LOG2_E
    }
}

/// What a source with attribution scopes discloses at most, in bits.
///
/// Spec: "compute the scopes channel capacity of a source": `log2(states + max_event_states·(limit − 1))`.
/// `limit` and `max_event_states` are positive; a limit of 0 counts as 1.
///
/// ```
/// use ascribe_privacy::scopes_channel_capacity;
///
/// assert_eq!(scopes_channel_capacity(2925, 1, 3), scopes_channel_capacity(2925, 1, 1000));
/// assert!(scopes_channel_capacity(2925, 20, 3) < 11.55);
/// assert!(scopes_channel_capacity(2925, 20, 4) > 11.55);
/// ```
#[must_use]
pub fn scopes_channel_capacity(states: u128, limit: u32, max_event_states: u32) -> f64 {
    let unselected = u128::from(max_event_states) * u128::from(limit.saturating_sub(1));
    libm::log2(states.max(1).saturating_add(unselected) as f64)
}

/// The largest epsilon, up to `max_epsilon`, with which so many `states` disclose at most `max_capacity`.
///
/// `None` if not even 0 does, which is when `max_capacity` is negative or NaN. The result fits and, unless
/// it is `max_epsilon`, the next larger `f64` does not, both as [`channel_capacity`] computes it.
///
/// ```
/// use ascribe_privacy::{Epsilon, channel_capacity, epsilon_to_fit};
///
/// let max = Epsilon::new(14.0).expect("not negative");
/// let fits = epsilon_to_fit(5000, 11.5, max).expect("a capacity of 11.5 is not negative");
/// assert!(channel_capacity(5000, fits) <= 11.5);
/// assert_eq!(format!("{:.3}", fits.get()), "11.615");
/// assert_eq!(epsilon_to_fit(2925, 11.5, max), Some(max));
/// ```
#[must_use]
pub fn epsilon_to_fit(states: u128, max_capacity: f64, max_epsilon: Epsilon) -> Option<Epsilon> {
    let fits = |epsilon| channel_capacity(states, epsilon) <= max_capacity;
    // Numbers that are not negative, infinity included, are ordered as their bits.
    let epsilon = |bits: u64| Epsilon::new(f64::from_bits(bits)).unwrap_or(max_epsilon);
    if fits(max_epsilon) {
        return Some(max_epsilon);
    }
    if !fits(epsilon(0)) {
        return None;
    }
    // The first fits and the second does not; when they are neighbours, the first is the answer.
    let (mut below, mut above) = (0, max_epsilon.get().to_bits());
    while above - below > 1 {
        let middle = below + (above - below) / 2;
        if fits(epsilon(middle)) {
            below = middle;
        } else {
            above = middle;
        }
    }
    Some(epsilon(below))
}

/// `t·e^t − (e^t − 1)`, the area between `e^t` and its first value, from `t = 0`: about `t²/2` there.
fn excess(t: f64) -> f64 {
    if t >= 0.5 {
        // Less than 4/5 is subtracted.
        return t * libm::exp(t) - libm::expm1(t);
    }
    // Σ (n − 1)·t^n / n! from n = 2: nothing cancels, and for t < 1/2 what follows n = 16 is below 2^-56
    // of the first term.
    let mut power = t; // t^n / n!
    let mut sum = 0.0;
    for n in 2..=16 {
        power *= t / f64::from(n);
        sum += f64::from(n - 1) * power;
    }
    sum
}
