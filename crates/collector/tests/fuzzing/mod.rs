//! What holds for any input from outside, for fuzzing and for the replay of what it kept.

use std::sync::LazyLock;

use ascribe_collector::{Campaigns, Clock, Collector, Limits, Overload, Secret, Secrets, StoreLocation};
use ascribe_headers::{OsRegistration, SourceRegistration, SourceType, TriggerRegistration, VendorValues};
use ascribe_reports::{Endpoint, Time};
use axum::{Router, body::Body};
use http::{Request, Response, StatusCode};
use tower_service::Service;

const EXAMPLE: &str = include_str!("../../examples/campaigns.toml");

/// One collector for all inputs, without a socket.
struct World {
    runtime: tokio::runtime::Runtime,
    routes: Router,
    _collector: Collector,
    _folder: tempfile::TempDir,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let store = StoreLocation::File(folder.path().join("reports.db"));
    let limits = Limits { overload: Overload::Unavailable, ..Limits::default() };
    let campaigns = Campaigns::parse(EXAMPLE, secrets()).expect("the example is right");
    let clock = Clock::new(|| Time::from_secs(1_700_000_100));
    let collector = Collector::start(campaigns, store, limits, clock).expect("a thread");
    World {
        runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"),
        routes: collector.public_routes(),
        _collector: collector,
        _folder: folder,
    }
});

fn secrets() -> Secrets {
    Secrets::new(Secret::from_bytes([1; 32]), [])
}

fn ask(request: Request<Body>) -> Response<Body> {
    let Ok(response) = WORLD.runtime.block_on(WORLD.routes.clone().call(request));
    response
}

/// A body, after a byte that chooses the endpoint: taken or refused, and a taken one is taken again.
pub(crate) fn report_body(bytes: &[u8]) {
    let Some((choice, body)) = bytes.split_first() else { return };
    let endpoint = Endpoint::ALL[usize::from(*choice) % Endpoint::ALL.len()];
    let status = || {
        let request = Request::post(endpoint.path()).header("content-type", "application/json");
        ask(request.body(Body::from(body.to_vec())).expect("a request")).status()
    };
    let first = status();
    assert!(
        [StatusCode::OK, StatusCode::BAD_REQUEST, StatusCode::PAYLOAD_TOO_LARGE].contains(&first),
        "{first}"
    );
    assert_eq!(status(), first);
}

/// A query, after a byte that chooses the tag and what it is eligible for: what leaves is without a problem.
pub(crate) fn tag_query(bytes: &[u8]) {
    let Some((choice, query)) = bytes.split_first() else { return };
    let tags = [
        "source/spring.gif",
        "source/summer",
        "click/spring",
        "click/summer",
        "conversion/purchase.js",
        "conversion/signup",
    ];
    let eligible = ["event-source", "navigation-source", "trigger", "event-source, trigger"];
    let tag = tags[usize::from(*choice) % tags.len()];
    let eligible = eligible[usize::from(*choice) / tags.len() % eligible.len()];
    let support = ["web", "os", "os, web"][usize::from(*choice) / 64 % 3];
    let Ok(query) = str::from_utf8(query) else { return };
    let request = Request::get(format!("/{tag}?{query}"))
        .header("attribution-reporting-eligible", eligible)
        .header("attribution-reporting-support", support);
    // Not a URL.
    let Ok(request) = request.body(Body::empty()) else { return };
    let response = ask(request);
    assert!(response.status().as_u16() < 400, "{}", response.status());
    let vendor = VendorValues::default();
    let header = |name: &str| response.headers().get(name).map(|value| value.as_bytes());
    if let Some(source) = header("attribution-reporting-register-source") {
        let navigation = eligible == "navigation-source";
        let source_type = if navigation { SourceType::Navigation } else { SourceType::Event };
        let parsed = SourceRegistration::parse(source, source_type, &vendor);
        assert!(parsed.errors.is_empty() && parsed.warnings.is_empty(), "{:?}", parsed.errors);
    }
    if let Some(trigger) = header("attribution-reporting-register-trigger") {
        let parsed = TriggerRegistration::parse(trigger, &vendor);
        assert!(parsed.errors.is_empty() && parsed.warnings.is_empty(), "{:?}", parsed.errors);
    }
    for name in ["attribution-reporting-register-os-source", "attribution-reporting-register-os-trigger"] {
        if let Some(urls) = header(name) {
            let parsed = OsRegistration::parse_list(urls);
            assert!(parsed.errors.is_empty() && parsed.warnings.is_empty(), "{:?}", parsed.errors);
        }
    }
}

/// Any text as a campaigns file: read, or refused with places that are in it; what is read can be used.
pub(crate) fn campaigns_file(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    match Campaigns::parse(text, secrets()) {
        Ok(campaigns) => {
            let _ = campaigns.check().to_string();
            let _ = (campaigns.tags(), campaigns.preview_page());
        }
        Err(problems) => {
            let lines = text.split('\n').count();
            assert!(!problems.0.is_empty());
            for problem in &problems.0 {
                assert!((1..=lines).contains(&problem.line), "line {} of {lines}", problem.line);
            }
        }
    }
}
