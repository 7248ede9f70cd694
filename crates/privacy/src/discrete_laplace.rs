//! Discrete Laplace noise for summary reports, in integer arithmetic.
//!
//! Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy" (2020), algorithm 2. An
//! implementation that rounds a floating-point Laplace variable leaks through the gaps between the floats
//! (Mironov, "On Significance of the Least Significant Bits for Differential Privacy", 2012). Here every
//! value has exactly its probability, given uniform bits, up to a tail that will never be seen.

use rand::Rng;
use thiserror::Error;

use crate::{Epsilon, bernoulli, uniform};

/// Integer noise `z` with a probability in proportion to `e^(−|z| / scale)`.
///
/// Adding it to each coordinate of an integer vector that one user can change by at most an L1 distance
/// `Δ` is ε-differentially private for `scale = Δ / ε`. It has mean 0 and, for scales that are not small,
/// a standard deviation of about `√2 · scale`; large values are rare but have no bound.
///
/// # Exactness
///
/// The scale is a fraction, and its epsilon the exact value of the `f64`; a decimal such as 0.1 that no
/// `f64` has can be given with [`from_scale`](Self::from_scale). A value beyond `i64` is drawn again,
/// which has a probability below `e^-128`: scales are at most 2^56.
///
/// ```
/// use ascribe_privacy::{DiscreteLaplace, Epsilon};
/// use rand::SeedableRng;
///
/// let epsilon = Epsilon::new(10.0).expect("not negative");
/// let noise = DiscreteLaplace::new(65536, epsilon)?;
/// assert_eq!(noise.scale(), 6553.6);
/// let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
/// let noised = 32768 + noise.sample(&mut rng);
/// # let _ = noised;
/// # Ok::<(), ascribe_privacy::InvalidScale>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscreteLaplace {
    /// The scale is `t / s` in lowest terms; 0 / 1 for no noise.
    t: u128,
    s: u128,
}

/// A scale that [`DiscreteLaplace`] does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidScale {
    /// Epsilon, or a denominator, is zero: the noise would have to be infinite.
    #[error("epsilon is 0: no finite noise is enough")]
    Infinite,
    /// Above 2^56: noise that would drown every 64-bit sum.
    #[error("the noise would have a scale above 2^56: epsilon is too small for this sensitivity")]
    TooLarge,
    /// A finite epsilon from 2^128 on.
    #[error("epsilon is 2^128 or more: use infinity for no noise")]
    TooSmall,
}

impl DiscreteLaplace {
    /// Noise that hides a change of `l1_sensitivity` (in units of the values to be noised) with `epsilon`.
    ///
    /// An infinite epsilon, or a sensitivity of 0, gives no noise: every sample is 0.
    ///
    /// # Errors
    ///
    /// [`Infinite`](InvalidScale::Infinite) for an epsilon of 0, [`TooLarge`](InvalidScale::TooLarge) if
    /// `l1_sensitivity / epsilon` is above 2^56, [`TooSmall`](InvalidScale::TooSmall) for a finite epsilon
    /// from 2^128 on.
    pub fn new(l1_sensitivity: u64, epsilon: Epsilon) -> Result<Self, InvalidScale> {
        let epsilon = epsilon.get();
        if epsilon == 0.0 {
            return Err(InvalidScale::Infinite);
        }
        if epsilon == f64::INFINITY || l1_sensitivity == 0 {
            return Ok(Self { t: 0, s: 1 });
        }
        // The exact value is significand · 2^exponent with an odd significand below 2^53.
        let (significand, exponent) = decompose(epsilon);
        if exponent >= 0 {
            let s = shift(significand, exponent).ok_or(InvalidScale::TooSmall)?;
            return Self::reduced(l1_sensitivity.into(), s);
        }
        // What does not fit is above 2^56: t / s would be at least 2^128 / 2^53.
        let t = shift(l1_sensitivity.into(), -exponent).ok_or(InvalidScale::TooLarge)?;
        Self::reduced(t, significand)
    }

    /// Noise with the scale `numerator / denominator`: for an epsilon of 1/10, 10 times the sensitivity
    /// over 1.
    ///
    /// # Errors
    ///
    /// [`Infinite`](InvalidScale::Infinite) for a denominator of 0, [`TooLarge`](InvalidScale::TooLarge)
    /// for a scale above 2^56.
    pub fn from_scale(numerator: u64, denominator: u64) -> Result<Self, InvalidScale> {
        if denominator == 0 {
            return Err(InvalidScale::Infinite);
        }
        Self::reduced(numerator.into(), denominator.into())
    }

    /// The scale, rounded: 0 for no noise.
    #[must_use]
    pub fn scale(self) -> f64 {
        self.t as f64 / self.s as f64
    }

    /// One draw.
    ///
    /// `t·V + U` is geometric with ratio `e^(−1/t)`: `U` its remainder modulo `t`, by rejection, and `V`
    /// its quotient. Divided by `s`, it is geometric with ratio `e^(−s/t)`; a sign, without a second zero,
    /// makes it two-sided.
    #[must_use]
    pub fn sample(self, rng: &mut (impl Rng + ?Sized)) -> i64 {
        if self.t == 0 {
            return 0;
        }
        loop {
            let remainder = uniform::below(self.t, rng);
            if !bernoulli::exp_minus(remainder, self.t, rng) {
                continue;
            }
            let mut quotient = 0u64;
            while bernoulli::exp_minus(1, 1, rng) {
                quotient += 1;
            }
            let magnitude = self.t.checked_mul(quotient.into()).and_then(|x| x.checked_add(remainder));
            // Beyond u128 is beyond i64 too, for s is below 2^64 whenever t is above 2^64.
            let Some(magnitude) = magnitude.and_then(|x| i64::try_from(x / self.s).ok()) else {
                continue;
            };
            let negative = rng.next_u64() >> 63 == 1;
            if negative && magnitude == 0 {
                continue;
            }
            return if negative { -magnitude } else { magnitude };
        }
    }

    /// The scale `t / s`, where `s` is not 0.
    fn reduced(t: u128, s: u128) -> Result<Self, InvalidScale> {
        const MAX_SCALE: u128 = 1 << 56;
        if t.div_ceil(s) > MAX_SCALE {
            return Err(InvalidScale::TooLarge);
        }
        let divisor = gcd(t, s);
        Ok(Self { t: t / divisor, s: s / divisor })
    }
}

/// A positive, finite number as an odd integer below 2^53 and the exponent of the power of two to multiply
/// it with.
fn decompose(x: f64) -> (u128, i32) {
    const FRACTION_BITS: i32 = 52;
    let bits = x.to_bits();
    let fraction = bits & ((1 << FRACTION_BITS) - 1);
    // At most 11 bits: the sign is clear.
    let biased = (bits >> FRACTION_BITS) as i32;
    let (significand, exponent) = match biased {
        0 => (fraction, -1074),
        _ => (fraction | 1 << FRACTION_BITS, biased - 1075),
    };
    let zeros = significand.trailing_zeros();
    (u128::from(significand >> zeros), exponent + zeros as i32)
}

/// `x · 2^by`, if that is below 2^128; `by` is not negative.
fn shift(x: u128, by: i32) -> Option<u128> {
    (by.unsigned_abs() <= x.leading_zeros()).then(|| x << by)
}

/// The greatest common divisor: the other number if one is 0.
fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
