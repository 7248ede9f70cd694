//! Epsilon: how much an event-level source may disclose.

/// A privacy parameter: a finite, non-negative number, or infinity for "no noise at all".
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Epsilon(f64);

impl Epsilon {
    /// No noise: only for local testing.
    pub const INFINITY: Self = Self(f64::INFINITY);

    /// `None` for negative numbers and NaN.
    #[must_use]
    pub fn new(epsilon: f64) -> Option<Self> {
        (epsilon >= 0.0).then_some(Self(epsilon))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}
