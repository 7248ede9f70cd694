//! The buckets of a job's outputs, with their sums and noise.

use crate::{
    domain::Domain,
    noise::{NoRandomness, Noise},
    output::{DebugFact, Fact},
    sum::Totals,
};

/// Which buckets outputs have besides those of the domain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Others {
    /// A test's summary has those of the reports.
    pub(super) in_summary: bool,
    /// A debug run shows those of the reports, and all sums.
    pub(super) in_debug_output: bool,
    /// The summary has those that are found at this threshold.
    pub(super) found: Option<i64>,
}

/// The buckets of all outputs: those of the domain first, then others that the summary shows.
pub(super) struct Facts {
    pub(super) buckets: Vec<u128>,
    in_domain: usize,
    pub(super) in_summary: usize,
    /// What reports contributed: filled for a debug run only.
    sums: Vec<Option<i64>>,
    /// The sums with their noise.
    metrics: Vec<i64>,
}

impl Facts {
    /// The buckets of the domain and the others, with their sums and noise: one draw for each, which all
    /// outputs share.
    pub(super) fn draw(
        domain: &Domain,
        totals: &Totals,
        noise: Noise,
        others: Others,
    ) -> Result<Self, NoRandomness> {
        let shows_others = others.in_debug_output || others.in_summary || others.found.is_some();
        let mut buckets = domain.as_slice().to_vec();
        let in_domain = buckets.len();
        if shows_others {
            buckets.extend(totals.buckets().filter(|bucket| !domain.contains(*bucket)));
            buckets[in_domain..].sort_unstable();
        }
        let mut metrics = noise.draw(buckets.len())?;
        for (metric, bucket) in metrics.iter_mut().zip(&buckets) {
            *metric = metric.saturating_add(totals.get(*bucket).unwrap_or(0));
        }
        let mut in_summary = if others.in_summary { buckets.len() } else { in_domain };
        if let Some(threshold) = others.found.filter(|_| !others.in_summary) {
            for index in in_domain..buckets.len() {
                // A bucket that holds nothing is never shown: see [`Discovery`](crate::Discovery).
                let is_found = metrics[index] >= threshold && totals.get(buckets[index]) > Some(0);
                if is_found {
                    buckets.swap(in_summary, index);
                    metrics.swap(in_summary, index);
                    in_summary += 1;
                }
            }
        }
        let sums = if others.in_debug_output {
            buckets.iter().map(|bucket| totals.get(*bucket)).collect()
        } else {
            Vec::new()
        };
        Ok(Self { buckets, in_domain, in_summary, sums, metrics })
    }

    pub(super) fn fact(&self, index: usize) -> Fact {
        Fact { bucket: self.buckets[index], metric: self.metrics[index] }
    }

    pub(super) fn debug_fact(&self, index: usize) -> DebugFact {
        let sum = self.sums[index];
        let unnoised_metric = sum.unwrap_or(0);
        DebugFact {
            bucket: self.buckets[index],
            unnoised_metric,
            noise: self.metrics[index].saturating_sub(unnoised_metric),
            in_reports: sum.is_some(),
            in_domain: index < self.in_domain,
        }
    }
}
