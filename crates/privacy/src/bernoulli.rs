//! Coins whose probability is a fraction, or `e` to a negative fraction: no floating point.

use rand::Rng;

use crate::uniform;

/// True with probability `numerator / denominator`; always if that is above 1.
pub(crate) fn fraction(numerator: u128, denominator: u128, rng: &mut (impl Rng + ?Sized)) -> bool {
    uniform::below(denominator, rng) < numerator
}

/// True with probability `e^(−numerator / denominator)`, for a fraction from 0 to 1.
///
/// Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy" (2020), algorithm 1. Let `K`
/// count from 1 while coins of probability `γ / K` come up. `K` is above `n` with probability `γ^n / n!`,
/// so it is odd with probability `1 − γ + γ²/2! − … = e^−γ`.
pub(crate) fn exp_minus(numerator: u128, denominator: u128, rng: &mut (impl Rng + ?Sized)) -> bool {
    let mut k = 1;
    // A coin of γ / k is one of γ and one of 1 / k, which never needs the product denominator · k.
    while fraction(numerator, denominator, rng) && fraction(1, k, rng) {
        k += 1;
    }
    k % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Script;

    const LOW: u64 = 1 << 32;
    const HIGH: u64 = u64::MAX;

    #[test]
    fn fractions_of_zero_and_one_are_certain() {
        assert!(!fraction(0, 5, &mut Script::new([LOW])));
        assert!(fraction(5, 5, &mut Script::new([HIGH])));
    }

    #[test]
    fn an_odd_count_is_true() {
        // A coin of 1/2, then for K > 1 one of 1/K: HIGH ends the count.
        assert!(exp_minus(1, 2, &mut Script::new([HIGH])), "K = 1");
        assert!(!exp_minus(1, 2, &mut Script::new([LOW, HIGH])), "K = 2");
        assert!(!exp_minus(1, 2, &mut Script::new([LOW, LOW, HIGH])), "K = 2: the other coin fell");
        assert!(exp_minus(1, 2, &mut Script::new([LOW, LOW, LOW, HIGH])), "K = 3");
    }

    #[test]
    fn e_to_minus_zero_is_one() {
        assert!(exp_minus(0, 7, &mut Script::new([LOW])));
    }
}
