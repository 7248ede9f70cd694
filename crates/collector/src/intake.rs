//! Reports received, on the six well-known paths.
//!
//! | status | when | what a user agent makes of it |
//! |---|---|---|
//! | 200 | the report is durable, now or since it came before | sent |
//! | 400 | the body is not a report of this endpoint, or not for this origin | dropped |
//! | 405 | not POST | |
//! | 408 | the body took too long | dropped |
//! | 413 | the body is too long | dropped |
//! | 415 | not `application/json`, or a content coding other than gzip | dropped |
//! | 429 | too many from this client | dropped |
//! | none, or 503 | it cannot be stored now: see [`Overload`] | sent again later, or dropped |
//!
//! Chromium sends again only what was not answered at all.

mod body;
mod limits;
mod writer;

use std::{net::IpAddr, time::Instant};

use ascribe_reports::{
    Api, BodyError, Endpoint, ReceivedAggregatableReport, ReceivedEventLevelReport, ReceivedVerboseDebugData,
    ReceivedVerboseDebugReport, Time,
};
use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};

use self::body::NoBody;
use crate::{
    campaigns::Campaigns,
    collector::Inner,
    server::{Peer, ResetConnection},
    store::{NewReport, ReportBody, source_event_id},
};

pub use limits::{Limits, Overload};

pub(crate) use limits::RateLimiter;
pub(crate) use writer::{NotStored, Writer};

/// Reports scheduled more than this after their reception come from a clock that is ahead, in seconds.
const AHEAD_SECONDS: i64 = 3600;

/// Takes one report.
pub(crate) async fn receive(
    endpoint: Endpoint,
    State(collector): State<Inner>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let outcome = take(endpoint, &collector, &parts.headers, parts.extensions.get(), body).await;
    collector.metrics.report(name(endpoint), outcome.as_str());
    match outcome {
        Outcome::New | Outcome::Duplicate => StatusCode::OK.into_response(),
        Outcome::Malformed | Outcome::OtherOrigin | Outcome::Cut => StatusCode::BAD_REQUEST.into_response(),
        Outcome::TooSlow => (StatusCode::REQUEST_TIMEOUT, [(header::CONNECTION, "close")]).into_response(),
        Outcome::TooLong => (StatusCode::PAYLOAD_TOO_LARGE, [(header::CONNECTION, "close")]).into_response(),
        Outcome::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response(),
        Outcome::TooMany => (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "60")]).into_response(),
        Outcome::Full | Outcome::Failed => {
            let mut response =
                (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "300")]).into_response();
            if collector.limits.overload == Overload::Reset {
                response.extensions_mut().insert(ResetConnection);
            }
            response
        }
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    New,
    Duplicate,
    Malformed,
    OtherOrigin,
    Cut,
    TooSlow,
    TooLong,
    Unsupported,
    TooMany,
    Full,
    Failed,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Duplicate => "duplicate",
            Self::Malformed => "malformed",
            Self::OtherOrigin => "other_origin",
            Self::Cut => "cut",
            Self::TooSlow => "too_slow",
            Self::TooLong => "too_long",
            Self::Unsupported => "unsupported_type",
            Self::TooMany => "too_many",
            Self::Full => "queue_full",
            Self::Failed => "not_stored",
        }
    }
}

async fn take(
    endpoint: Endpoint,
    collector: &Inner,
    headers: &HeaderMap,
    peer: Option<&Peer>,
    body: Body,
) -> Outcome {
    let client = client(headers, peer, &collector.limits);
    if client.is_some_and(|client| !collector.rate_limiter.allows(client, Instant::now())) {
        return Outcome::TooMany;
    }
    let body = match body::read(headers, body, &collector.limits).await {
        Ok(body) => body,
        Err(NoBody::NotJson | NoBody::Encoding) => return Outcome::Unsupported,
        Err(NoBody::TooLong) => return Outcome::TooLong,
        Err(NoBody::TooSlow) => return Outcome::TooSlow,
        Err(NoBody::Cut) => return Outcome::Cut,
        Err(NoBody::Corrupt) => return Outcome::Malformed,
    };
    let campaigns = collector.campaigns();
    let report = match read(endpoint, &body, &campaigns, collector.clock.now()) {
        Ok(report) => report,
        Err(Unreadable::OtherOrigin) => return Outcome::OtherOrigin,
        Err(Unreadable::Malformed(error)) => {
            // What is wrong, and nothing of the payload.
            tracing::debug!(endpoint = name(endpoint), %error, "a report was malformed");
            return Outcome::Malformed;
        }
    };
    if matches!(report.body, ReportBody::Event { campaign: None, .. }) {
        collector.metrics.forged.inc();
    }
    if scheduled(&report).is_some_and(|time| time.as_secs() > report.received_at.as_secs() + AHEAD_SECONDS) {
        collector.metrics.ahead.inc();
    }
    match collector.writer.store(report, body.len()).await {
        Ok(true) => Outcome::New,
        Ok(false) => Outcome::Duplicate,
        Err(NotStored::Full) => Outcome::Full,
        Err(NotStored::Failed) => Outcome::Failed,
    }
}

/// Why a body is no report for this collector.
#[derive(Debug)]
enum Unreadable {
    Malformed(Box<str>),
    OtherOrigin,
}

impl From<BodyError> for Unreadable {
    fn from(error: BodyError) -> Self {
        Self::Malformed(error.to_string().into())
    }
}

fn read(endpoint: Endpoint, body: &[u8], campaigns: &Campaigns, now: Time) -> Result<NewReport, Unreadable> {
    let body = match endpoint {
        Endpoint::EventLevel | Endpoint::EventLevelDebugCopy => {
            let report = ReceivedEventLevelReport::parse(body)?;
            let id = campaigns.event_ids.open(report.source_event_id, campaigns.secrets());
            ReportBody::Event { report, campaign: id.map(|id| id.campaign) }
        }
        Endpoint::Aggregatable | Endpoint::AggregatableDebugCopy | Endpoint::AggregatableDebug => {
            let report = ReceivedAggregatableReport::parse(body)?;
            let api = match endpoint {
                Endpoint::AggregatableDebug => Api::AttributionReportingDebug,
                _ => Api::AttributionReporting,
            };
            if report.shared_info.api != api {
                return Err(Unreadable::Malformed("a report of another API".into()));
            }
            if report.shared_info.reporting_origin != campaigns.origin {
                return Err(Unreadable::OtherOrigin);
            }
            // Databases take no texts with control characters, and no sender has them.
            let destination = report.shared_info.attribution_destination.as_deref().unwrap_or_default();
            if [destination, &report.key_id].iter().any(|text| text.contains(char::is_control)) {
                return Err(Unreadable::Malformed("control characters".into()));
            }
            ReportBody::Aggregatable(report)
        }
        Endpoint::VerboseDebug => {
            let report = ReceivedVerboseDebugReport::parse(body)?;
            if report.data.iter().any(|data| data.data_type.contains(char::is_control)) {
                return Err(Unreadable::Malformed("control characters".into()));
            }
            let campaign = |data: &ReceivedVerboseDebugData| {
                let id = source_event_id(&data.body)?;
                campaigns.event_ids.open(id, campaigns.secrets()).map(|id| id.campaign)
            };
            let campaigns = report.data.iter().map(campaign).collect();
            ReportBody::Verbose { report, campaigns }
        }
    };
    Ok(NewReport { endpoint, received_at: now, body })
}

fn scheduled(report: &NewReport) -> Option<Time> {
    match &report.body {
        ReportBody::Event { report, .. } => Some(report.report_time),
        ReportBody::Aggregatable(report) => Some(report.shared_info.scheduled_report_time),
        ReportBody::Verbose { .. } => None,
    }
}

/// Who sent a request, as far as it is known.
pub(crate) fn client(headers: &HeaderMap, peer: Option<&Peer>, limits: &Limits) -> Option<IpAddr> {
    let told =
        limits.client_address_header.as_ref().and_then(|name| headers.get_all(name).iter().next_back());
    let last = told.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
    last.or(peer.map(|peer| peer.0))
}

/// The name of an endpoint in metrics.
pub(crate) fn name(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::EventLevel => "event_level",
        Endpoint::EventLevelDebugCopy => "event_level_debug_copy",
        Endpoint::Aggregatable => "aggregatable",
        Endpoint::AggregatableDebugCopy => "aggregatable_debug_copy",
        Endpoint::AggregatableDebug => "aggregatable_debug",
        Endpoint::VerboseDebug => "verbose_debug",
    }
}
