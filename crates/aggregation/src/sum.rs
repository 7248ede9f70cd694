//! Sums by bucket, built by all threads at once.
//!
//! Buckets are partitioned by hash: a thread keeps a partition locked only for as long as it adds what a
//! batch holds for it, and no bucket is ever in memory twice. The hash is keyed anew for each run, so that
//! nobody can choose buckets that collide.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use ahash::RandomState;
use ascribe_reports::ReportId;

const PARTITIONS: usize = 64;

/// The sums of a run that is under way.
#[derive(Debug)]
pub(crate) struct Sums {
    hasher: RandomState,
    partitions: Box<[Mutex<HashMap<u128, i64, RandomState>>]>,
}

/// The contributions of a batch, by partition: a thread's own, used again for each batch.
#[derive(Debug)]
pub(crate) struct Contributed {
    by_partition: [Vec<(u128, u32)>; PARTITIONS],
}

/// The finished sums.
#[derive(Debug)]
pub(crate) struct Totals {
    hasher: RandomState,
    partitions: Box<[HashMap<u128, i64, RandomState>]>,
}

impl Sums {
    pub(crate) fn new() -> Self {
        let hasher = RandomState::new();
        let partition = || Mutex::new(HashMap::with_hasher(hasher.clone()));
        Self { partitions: std::iter::repeat_with(partition).take(PARTITIONS).collect(), hasher }
    }

    /// Prepares a contribution to be added.
    pub(crate) fn contribute(&self, bucket: u128, value: u32, to: &mut Contributed) {
        to.by_partition[partition(&self.hasher, bucket)].push((bucket, value));
    }

    /// Adds what was prepared, and empties it. A sum stays at the end of its range rather than to wrap.
    pub(crate) fn add(&self, contributed: &mut Contributed) {
        for (partition, contributions) in self.partitions.iter().zip(&mut contributed.by_partition) {
            if contributions.is_empty() {
                continue;
            }
            let mut sums = lock(partition);
            for (bucket, value) in contributions.drain(..) {
                let sum: &mut i64 = sums.entry(bucket).or_default();
                *sum = sum.saturating_add(value.into());
            }
        }
    }

    pub(crate) fn finish(self) -> Totals {
        let unlocked = |partition: Mutex<_>| partition.into_inner().unwrap_or_else(PoisonError::into_inner);
        Totals { partitions: self.partitions.into_iter().map(unlocked).collect(), hasher: self.hasher }
    }
}

impl Default for Contributed {
    fn default() -> Self {
        Self { by_partition: [const { Vec::new() }; PARTITIONS] }
    }
}

impl Totals {
    /// The sum of a bucket; `None` if no report contributed to it.
    pub(crate) fn get(&self, bucket: u128) -> Option<i64> {
        self.partitions[partition(&self.hasher, bucket)].get(&bucket).copied()
    }

    /// The buckets that reports contributed to, in no order.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = u128> {
        self.partitions.iter().flat_map(HashMap::keys).copied()
    }
}

/// The high bits: hash maps use the others.
fn partition(hasher: &RandomState, bucket: u128) -> usize {
    (hasher.hash_one(bucket) >> 52) as usize % PARTITIONS
}

/// The report IDs of a job: a second report with one of them is a duplicate.
#[derive(Debug)]
pub(crate) struct SeenReports(HashSet<u128, RandomState>);

impl SeenReports {
    pub(crate) fn new() -> Self {
        Self(HashSet::with_hasher(RandomState::new()))
    }

    /// Remembers an ID; false if it was known.
    pub(crate) fn insert(&mut self, id: ReportId) -> bool {
        self.0.insert(id.as_u128())
    }
}

/// A thread that panicked leaves sums that nobody uses: the panic is passed on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_add_to_the_same_sums() {
        let sums = Sums::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut contributed = Contributed::default();
                    for round in 0..10 {
                        for bucket in 0..1000 {
                            sums.contribute(bucket, round, &mut contributed);
                        }
                        sums.add(&mut contributed);
                    }
                });
            }
        });
        let totals = sums.finish();
        assert!((0..1000).all(|bucket| totals.get(bucket) == Some(4 * 45)));
        assert_eq!(totals.get(1000), None);
        assert_eq!(totals.buckets().count(), 1000);
    }

    #[test]
    fn a_contribution_of_0_is_one() {
        let (sums, mut contributed) = (Sums::new(), Contributed::default());
        sums.contribute(u128::MAX, 0, &mut contributed);
        sums.add(&mut contributed);
        assert_eq!(sums.finish().get(u128::MAX), Some(0));
    }

    #[test]
    fn sums_do_not_wrap() {
        let (sums, mut contributed) = (Sums::new(), Contributed::default());
        lock(&sums.partitions[partition(&sums.hasher, 1)]).insert(1, i64::MAX - 1);
        for _ in 0..3 {
            sums.contribute(1, 1, &mut contributed);
        }
        sums.add(&mut contributed);
        assert_eq!(sums.finish().get(1), Some(i64::MAX));
    }

    #[test]
    fn an_id_is_new_once() {
        let mut seen = SeenReports::new();
        assert!(seen.insert(ReportId::from_u128(1)) && seen.insert(ReportId::from_u128(65)));
        assert!(!seen.insert(ReportId::from_u128(1)));
    }
}
