//! The output domain: the buckets that a summary has, whether or not reports contributed to them.

use rayon::prelude::*;

/// Buckets in ascending order, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Domain(Vec<u128>);

impl Domain {
    pub(crate) fn new(mut buckets: Vec<u128>) -> Self {
        buckets.par_sort_unstable();
        buckets.dedup();
        Self(buckets)
    }

    pub(crate) fn as_slice(&self) -> &[u128] {
        &self.0
    }

    pub(crate) fn contains(&self, bucket: u128) -> bool {
        self.0.binary_search(&bucket).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_that_stands_twice_is_one() {
        let domain = Domain::new(vec![3, u128::MAX, 0, 3]);
        assert_eq!(domain.as_slice(), [0, 3, u128::MAX]);
        assert!(domain.contains(3) && !domain.contains(4));
    }
}
