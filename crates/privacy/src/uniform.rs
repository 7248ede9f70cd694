//! Uniform integers without bias.
//!
//! `rand`'s own range sampling is allowed a bias of 2^-64 and may change between its versions. Here each
//! value has exactly the same probability, given uniform bits, and a seed means the same draws for good.

use rand::Rng;

/// A uniform integer in `0..bound`; 0 if `bound` is 0. Takes no bits where there is nothing to choose.
pub(crate) fn below(bound: u128, rng: &mut (impl Rng + ?Sized)) -> u128 {
    match u64::try_from(bound) {
        Ok(0 | 1) => 0,
        Ok(bound) => below_u64(bound, rng).into(),
        Err(_) => below_wide(bound, rng),
    }
}

/// Lemire, "Fast Random Integer Generation in an Interval" (2019): scales 64 bits to the interval and
/// redraws in the incomplete last part, which happens with a probability below `bound` / 2^64.
fn below_u64(bound: u64, rng: &mut (impl Rng + ?Sized)) -> u64 {
    let mut scaled = u128::from(rng.next_u64()) * u128::from(bound);
    let fraction = |scaled: u128| scaled as u64;
    if fraction(scaled) < bound {
        let incomplete = bound.wrapping_neg() % bound;
        while fraction(scaled) < incomplete {
            scaled = u128::from(rng.next_u64()) * u128::from(bound);
        }
    }
    (scaled >> 64) as u64
}

/// As many bits as `bound - 1` has, redrawn while too large: at most two draws are expected.
fn below_wide(bound: u128, rng: &mut (impl Rng + ?Sized)) -> u128 {
    let mask = u128::MAX >> (bound - 1).leading_zeros();
    loop {
        let bits = (u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64())) & mask;
        if bits < bound {
            return bits;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Script;

    #[test]
    fn a_bound_of_one_leaves_one_value() {
        assert_eq!(below(1, &mut Script::new([])), 0);
        assert_eq!(below(0, &mut Script::new([])), 0);
    }

    #[test]
    fn the_high_bits_choose() {
        assert_eq!(below(3, &mut Script::new([1])), 0, "the first word that is not redrawn");
        assert_eq!(below(3, &mut Script::new([u64::MAX / 3 + 1])), 1);
        assert_eq!(below(3, &mut Script::new([u64::MAX])), 2);
    }

    #[test]
    fn the_word_too_many_is_redrawn() {
        // 2^64 = 3 * 6148914691236517205 + 1: one word must go for the three values to be equally likely.
        assert_eq!(below(3, &mut Script::new([0, u64::MAX])), 2);
    }

    #[test]
    fn wide_bounds_redraw_what_is_too_large() {
        let bound = (1 << 64) + 1;
        assert_eq!(below(bound, &mut Script::new([1, 1, 0, 7])), 7, "2^64 + 1 is out");
        assert_eq!(below(bound, &mut Script::new([1, 0])), 1 << 64, "2^64 is in");
        assert_eq!(below(u128::MAX, &mut Script::new([u64::MAX, u64::MAX, 0, 9])), 9);
        assert_eq!(below(1 << 64, &mut Script::new([3, 5])), 5, "a power of two never redraws");
    }
}
