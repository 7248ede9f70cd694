//! Aggregation key pieces: 128-bit numbers in hexadecimal.

use std::{fmt, ops::BitOr};

/// A piece of an aggregation key (a bucket); pieces are combined by bitwise OR.
///
/// Spec: "parse an aggregation key piece": `0x` or `0X` and 1 to 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPiece(pub u128);

impl KeyPiece {
    /// `None` unless it is `0x` or `0X` and 1 to 32 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
        // `from_str_radix` would also take a plus sign.
        let well_formed = (1..=32).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
        if !well_formed {
            return None;
        }
        u128::from_str_radix(digits, 16).ok().map(Self)
    }
}

impl BitOr for KeyPiece {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for KeyPiece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
