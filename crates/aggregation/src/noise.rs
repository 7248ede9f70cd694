//! Noise for sums: drawn once for each bucket, after the sum, from a generator that the system seeds.

use ascribe_privacy::{DiscreteLaplace, Epsilon, InvalidScale};
use rand::{SeedableRng, rngs::SysRng};
use rand_chacha::ChaCha20Rng;
use rayon::prelude::*;

/// What is added to sums.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Noise {
    /// Discrete Laplace noise.
    Laplace(DiscreteLaplace),
    /// Nothing: only for tests over clear payloads.
    None,
}

/// The most that one user can contribute to a batch through one source: what the noise has to hide. User
/// agents hold their reports to it; the service does not, as a report does not tell its source.
pub(crate) const L1_SENSITIVITY: u64 = 65_536;

/// The system gives no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct NoRandomness;

impl Noise {
    pub(crate) fn laplace(epsilon: Epsilon) -> Result<Self, InvalidScale> {
        DiscreteLaplace::new(L1_SENSITIVITY, epsilon).map(Self::Laplace)
    }

    /// Draws the noise of `len` sums, on all cores: each stretch has a generator of its own, seeded by the
    /// system.
    pub(crate) fn draw(self, len: usize) -> Result<Vec<i64>, NoRandomness> {
        const STRETCH: usize = 1 << 16;
        let mut noise = vec![0; len];
        if let Self::Laplace(laplace) = self {
            noise.par_chunks_mut(STRETCH).try_for_each(|stretch| {
                let mut rng = ChaCha20Rng::try_from_rng(&mut SysRng).map_err(|_| NoRandomness)?;
                stretch.fill_with(|| laplace.sample(&mut rng));
                Ok(())
            })?;
        }
        Ok(noise)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_the_moments_and_tails_of_its_scale() {
        const DRAWS: usize = 150_000;
        for epsilon in [1.0, 64.0] {
            let scale = 65_536.0 / epsilon;
            let draws = Noise::laplace(Epsilon::new(epsilon).unwrap()).unwrap().draw(DRAWS).unwrap();
            let mean = draws.iter().map(|x| *x as f64).sum::<f64>() / DRAWS as f64;
            let absolute = draws.iter().map(|x| x.unsigned_abs() as f64).sum::<f64>() / DRAWS as f64;
            // Six standard errors: the mean has √2·scale/√n, the mean of |x| has scale/√n.
            let error = scale / (DRAWS as f64).sqrt();
            assert!(mean.abs() < 6.0 * 1.5 * error, "{epsilon}: mean {mean}");
            assert!((absolute - scale).abs() < 6.0 * error, "{epsilon}: mean absolute {absolute}");
            for (multiple, probability) in [(1.0, 0.367_88_f64), (3.0, 0.049_79), (5.0, 0.006_738)] {
                let beyond = draws.iter().filter(|x| x.unsigned_abs() as f64 > multiple * scale).count();
                let share = beyond as f64 / DRAWS as f64;
                let error = (probability / DRAWS as f64).sqrt();
                assert!(
                    (share - probability).abs() < 6.0 * error + 1e-3,
                    "{epsilon}: {share} beyond {multiple}"
                );
            }
        }
    }

    #[test]
    fn no_two_draws_are_alike_and_none_is_no_noise() {
        let noise = Noise::laplace(Epsilon::new(0.001).unwrap()).unwrap();
        let (a, b) = (noise.draw(200_000).unwrap(), noise.draw(200_000).unwrap());
        assert!(a.iter().zip(&b).filter(|(a, b)| a == b).count() < 100);
        assert!(a[..65_536] != a[65_536..131_072], "each stretch has its own seed");
        assert_eq!(Noise::None.draw(3).unwrap(), [0, 0, 0]);
    }
}
