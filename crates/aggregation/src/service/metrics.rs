//! What is counted, in the text format of Prometheus.

use prometheus_client::{
    encoding::text::encode,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

use super::queue::QueueCounts;

/// All counters of a process. Of the queue, which several may share, the numbers are of when they were asked.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    /// Answers, by `method` and `status`.
    pub(super) requests: Family<[(&'static str, String); 2], Counter>,
    /// Jobs that ended here, by `return_code`.
    pub(super) jobs: Family<[(&'static str, String); 1], Counter>,
    /// Attempts that ended without a result, by `reason`.
    pub(super) interrupted: Family<[(&'static str, &'static str); 1], Counter>,
    /// Reports that were read.
    pub(super) reports: Counter,
    /// Seconds that attempts took.
    pub(super) attempt_seconds: Histogram,
    /// Attempts that run here now.
    pub(super) running: Gauge,
    queue: Family<[(&'static str, &'static str); 1], Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("ascribe_aggregation");
        let metrics = Self {
            requests: Family::default(),
            jobs: Family::default(),
            interrupted: Family::default(),
            reports: Counter::default(),
            attempt_seconds: Histogram::new(exponential_buckets(0.01, 4.0, 12)),
            running: Gauge::default(),
            queue: Family::default(),
            registry: Registry::default(),
        };
        registry.register("requests", "Answered requests", metrics.requests.clone());
        registry.register("jobs", "Jobs that ended here", metrics.jobs.clone());
        registry.register(
            "attempts_interrupted",
            "Attempts that ended without a result",
            metrics.interrupted.clone(),
        );
        registry.register("reports", "Reports that were read", metrics.reports.clone());
        registry.register("attempt_seconds", "Seconds that attempts took", metrics.attempt_seconds.clone());
        registry.register("running", "Attempts that run here now", metrics.running.clone());
        registry.register("queue", "Jobs in the queue by status", metrics.queue.clone());
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// All of them, as Prometheus reads them.
    pub(super) fn to_text(&self, queue: QueueCounts) -> String {
        let QueueCounts { received, in_progress, finished } = queue;
        for (status, count) in [("RECEIVED", received), ("IN_PROGRESS", in_progress), ("FINISHED", finished)]
        {
            self.queue.get_or_create(&[("status", status)]).set(count);
        }
        let mut text = String::new();
        // Writing to memory does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
