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

type ByEndpoint = Family<[(&'static str, &'static str); 2], Counter>;
type ByReason = Family<[(&'static str, &'static str); 1], Counter>;

/// All counters; cheap to add to from many threads.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Received reports by `endpoint` and `outcome`.
    reports: ByEndpoint,
    /// Answered registration requests by `kind` and `outcome`.
    registrations: ByEndpoint,
    /// Event-level reports whose source event ID was made up.
    pub(crate) forged: Counter,
    /// Reports whose scheduled time is more than an hour ahead of this clock.
    pub(crate) ahead: Counter,
    /// Clicks that asked for a page that they may not lead to.
    pub(crate) refused_redirects: Counter,
    /// Dimensions and amounts that tags did not tell, or not so that they were understood.
    pub(crate) not_understood: Counter,
    /// Connections that were not served, by `reason`.
    pub(crate) refused_connections: ByReason,
    /// Connections now.
    pub(crate) connections: Gauge,
    /// Seconds that commits took.
    pub(crate) commit_seconds: Histogram,
    /// Reports per commit.
    pub(crate) commit_reports: Histogram,
    /// Commits that failed.
    pub(crate) commit_failures: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("ascribe_collector");
        let metrics = Self {
            reports: ByEndpoint::default(),
            registrations: ByEndpoint::default(),
            forged: Counter::default(),
            ahead: Counter::default(),
            refused_redirects: Counter::default(),
            not_understood: Counter::default(),
            refused_connections: ByReason::default(),
            connections: Gauge::default(),
            commit_seconds: Histogram::new(exponential_buckets(0.0005, 2.0, 14)),
            commit_reports: Histogram::new(exponential_buckets(1.0, 2.0, 12)),
            commit_failures: Counter::default(),
            registry: Registry::default(),
        };
        registry.register("reports", "Received reports", metrics.reports.clone());
        registry.register("registrations", "Answered registration requests", metrics.registrations.clone());
        registry.register(
            "forged_event_reports",
            "Event-level reports with a made-up source event ID",
            metrics.forged.clone(),
        );
        registry.register(
            "reports_ahead",
            "Reports scheduled more than an hour ahead of this clock",
            metrics.ahead.clone(),
        );
        registry.register(
            "refused_redirects",
            "Clicks that asked for a page that they may not lead to",
            metrics.refused_redirects.clone(),
        );
        registry.register(
            "not_understood",
            "Dimensions and amounts that a tag did not tell in a way that was understood",
            metrics.not_understood.clone(),
        );
        registry.register(
            "refused_connections",
            "Connections that were not served",
            metrics.refused_connections.clone(),
        );
        registry.register("connections", "Connections now", metrics.connections.clone());
        registry.register("commit_seconds", "Seconds that commits took", metrics.commit_seconds.clone());
        registry.register("commit_reports", "Reports per commit", metrics.commit_reports.clone());
        registry.register("commit_failures", "Commits that failed", metrics.commit_failures.clone());
        Self { registry, ..metrics }
    }
}

impl Metrics {
    pub(crate) fn report(&self, endpoint: &'static str, outcome: &'static str) {
        self.reports.get_or_create(&[("endpoint", endpoint), ("outcome", outcome)]).inc();
    }

    pub(crate) fn registration(&self, kind: &'static str, outcome: &'static str) {
        self.registrations.get_or_create(&[("kind", kind), ("outcome", outcome)]).inc();
    }

    /// All of them, as Prometheus reads them.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to memory does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
