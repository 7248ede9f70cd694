//! The dashboard: what a collector has received, for the people who run it.
//!
//! HTML from the server, with a little script that only keeps counts fresh. It is served on the operations
//! listener under `/dashboard/`, behind a login ([`Access`]); programs bring a token instead, and get every
//! table as JSON or CSV with `?format=json` or `?format=csv`.
//!
//! - Each page is a module: it reads its filter from the query, asks the store, and writes a table that is also
//!   its export.
//! - The store is read over connections of its own, which can write nothing, and by queries that end after
//!   [`PATIENCE`] ([`reader`]).
//! - Summaries come from an aggregation service, over its job API ([`jobs`]): a collector has no keys.

mod access;
mod aggregatable;
mod campaign_names;
mod campaigns;
mod debug;
mod explain;
mod export;
mod filter;
mod guard;
mod headers;
mod jobs;
mod layout;
mod login;
mod overview;
mod parts;
mod reader;
mod service;
mod sessions;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use http::header;

use self::{guard::Guard, reader::Reader, service::Service};
use crate::{
    campaigns::Campaigns,
    collector::{Collector, Inner},
    store::StoreLocation,
};

pub use access::{Access, AccessError, PasswordHash};
pub use service::{ServiceAddress, ServiceError};

/// How a dashboard is served.
#[derive(Debug)]
pub struct DashboardOptions {
    /// Who may see it.
    pub access: Access,
    /// What it reads.
    pub store: StoreLocation,
    /// The aggregation service whose jobs it shows.
    pub service: Option<ServiceAddress>,
    /// The origin at which a proxy serves it, if one does.
    pub origin: Option<url::Url>,
    /// Whether the listener itself speaks TLS.
    pub over_tls: bool,
    /// How long a login lasts without being used.
    pub idle: Duration,
    /// How long a login lasts at most.
    pub lifetime: Duration,
}

/// The dashboard of a collector.
#[derive(Debug)]
pub struct Dashboard(Shared);

type Shared = Arc<Inside>;

/// What handlers share.
#[derive(Debug)]
struct Inside {
    collector: Inner,
    guard: Guard,
    reader: Reader,
    service: Option<Service>,
}

/// How long a query may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an answer may take, with its queries and those to the aggregation service.
const ANSWER: Duration = Duration::from_secs(45);
/// Forms are short.
const MAX_FORM_BYTES: usize = 16 * 1024;

const STYLE: &str = include_str!("dashboard/assets/style.css");
const SCRIPT: &str = include_str!("dashboard/assets/script.js");
const ICON: &str = include_str!("dashboard/assets/icon.svg");

impl DashboardOptions {
    /// With lasting an hour unused, twelve at most, and no aggregation service.
    #[must_use]
    pub fn new(access: Access, store: StoreLocation) -> Self {
        Self {
            access,
            store,
            service: None,
            origin: None,
            over_tls: false,
            idle: Duration::from_secs(3600),
            lifetime: Duration::from_secs(12 * 3600),
        }
    }
}

impl Dashboard {
    /// Of a collector. The store is opened when the first page is asked for.
    ///
    /// # Errors
    /// When the aggregation service's address cannot be used.
    pub fn new(collector: &Collector, options: DashboardOptions) -> Result<Self, ServiceError> {
        Ok(Self(Arc::new(Inside {
            collector: collector.inner().clone(),
            service: options.service.map(Service::new).transpose()?,
            reader: Reader::new(options.store),
            guard: Guard::new(
                options.access,
                options.origin,
                options.over_tls,
                options.idle,
                options.lifetime,
                collector.inner().limits.clone(),
            ),
        })))
    }

    /// All of it, under `/dashboard/`; and `/`, which leads there.
    pub fn routes(&self) -> Router {
        let pages = Router::new()
            .route("/dashboard/", get(overview::page))
            .route("/dashboard/campaigns", get(campaigns::page))
            .route("/dashboard/aggregatable", get(aggregatable::page))
            .route("/dashboard/jobs", get(jobs::list).post(jobs::create))
            .route("/dashboard/jobs/new", get(jobs::form))
            .route("/dashboard/job", get(jobs::page))
            .route("/dashboard/debug", get(debug::page))
            .route("/dashboard/headers", get(headers::page))
            .route("/dashboard/logout", post(login::logout))
            .fallback(layout::not_found)
            .layer(middleware::from_fn_with_state(self.0.clone(), guard::authenticate));
        let open = Router::new()
            .route("/", get(async || Redirect::to("/dashboard/")))
            .route("/dashboard", get(async || Redirect::to("/dashboard/")))
            .route("/dashboard/login", get(login::page).post(login::login))
            .route(
                "/dashboard/style.css",
                get(async || asset("text/css", [STYLE, ascribe_charts::STYLESHEET].concat())),
            )
            .route("/dashboard/script.js", get(async || asset("text/javascript", SCRIPT)))
            .route("/dashboard/icon.svg", get(async || asset("image/svg+xml", ICON)));
        pages
            .merge(open)
            .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
            .layer(middleware::from_fn_with_state(self.0.clone(), guard::protect))
            .with_state(self.0.clone())
    }
}

impl Inside {
    fn campaigns(&self) -> Arc<Campaigns> {
        self.collector.campaigns()
    }
}

fn asset(kind: &'static str, content: impl IntoResponse) -> Response {
    ([(header::CONTENT_TYPE, kind)], content).into_response()
}
