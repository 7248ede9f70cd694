//! The collector: everything that its handlers share, and the tables of routes.

use std::sync::{Arc, PoisonError, RwLock};

use ascribe_reports::Endpoint;
use axum::{
    Router,
    extract::{Request, State},
    response::IntoResponse,
    routing::{get, post},
};
use http::{StatusCode, header};

use crate::{
    campaigns::Campaigns,
    clock::Clock,
    intake::{self, Limits, RateLimiter, Writer},
    metrics::Metrics,
    registrations,
    store::StoreLocation,
};

/// A running collector; it stores what it received when it is closed.
#[derive(Debug)]
pub struct Collector(Inner);

/// What the world may ask, as OpenAPI 3.1 tells it.
const OPENAPI: &str = include_str!("../openapi.json");

/// What handlers share.
pub(crate) type Inner = Arc<Shared>;

#[derive(Debug)]
pub(crate) struct Shared {
    campaigns: RwLock<Arc<Campaigns>>,
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) rate_limiter: RateLimiter,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) writer: Writer,
}

impl Shared {
    /// The campaigns as they are now.
    pub(crate) fn campaigns(&self) -> Arc<Campaigns> {
        self.campaigns.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Collector {
    /// Starts the thread that stores reports. Whether the store can be reached is told by readiness.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        campaigns: Campaigns,
        store: StoreLocation,
        limits: Limits,
        clock: Clock,
    ) -> std::io::Result<Self> {
        let metrics = Arc::new(Metrics::default());
        Ok(Self(Arc::new(Shared {
            campaigns: RwLock::new(Arc::new(campaigns)),
            clock,
            rate_limiter: RateLimiter::new(limits.reports_per_second, limits.burst),
            writer: Writer::start(store, limits.queue_bytes, metrics.clone())?,
            metrics,
            limits,
        })))
    }

    /// Puts another campaigns file in place of the one that is in use.
    pub fn replace_campaigns(&self, campaigns: Campaigns) {
        *self.0.campaigns.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(campaigns);
    }

    /// What the world reaches: registrations, and the six paths that reports go to.
    pub fn public_routes(&self) -> Router {
        let reports = Endpoint::ALL.into_iter().fold(Router::new(), |router, endpoint| {
            let receive =
                move |state: State<Inner>, request: Request| intake::receive(endpoint, state, request);
            router.route(endpoint.path(), post(receive))
        });
        reports.merge(registrations::routes()).with_state(self.0.clone())
    }

    /// What those who run it reach, on another listener: `/health`, `/ready`, `/metrics`, `/openapi.json`.
    pub fn operations_routes(&self) -> Router {
        Router::new()
            .route("/health", get(async || "alive\n"))
            .route("/ready", get(ready))
            .route("/metrics", get(metrics))
            .route("/openapi.json", get(async || ([(header::CONTENT_TYPE, "application/json")], OPENAPI)))
            .with_state(self.0.clone())
    }

    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }
}

/// Whether reports can be stored.
async fn ready(State(collector): State<Inner>) -> impl IntoResponse {
    match collector.writer.works() {
        true => (StatusCode::OK, "ready\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n"),
    }
}

async fn metrics(State(collector): State<Inner>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], collector.metrics.to_text())
}
