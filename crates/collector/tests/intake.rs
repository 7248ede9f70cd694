//! Reports received over HTTP: what is answered, and what is then in the store.

mod support;

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::LazyLock,
    time::Duration,
};

use ascribe_collector::{Limits, Overload, Store, StoreLocation};
use ascribe_reports::Endpoint;
use proptest::prelude::*;
use support::{Serving, aggregatable_body, client, id};

fn event_body(n: u128, source_event_id: u64) -> String {
    format!(
        concat!(
            r#"{{"attribution_destination":"https://shop.example","randomized_trigger_rate":0.0024263,"#,
            r#""report_id":"{}","scheduled_report_time":"1700000000","source_event_id":"{}","#,
            r#""source_type":"navigation","trigger_data":"1"}}"#
        ),
        id(n),
        source_event_id
    )
}

fn debug_body(n: u128) -> String {
    aggregatable_body(n, 1_700_000_000, "https://shop.example")
        .replace(r#"\"attribution-reporting\""#, r#"\"attribution-reporting-debug\""#)
}

/// A well-formed body for an endpoint.
fn body_for(endpoint: Endpoint, n: u128) -> String {
    match endpoint {
        Endpoint::EventLevel | Endpoint::EventLevelDebugCopy => event_body(n, 1),
        Endpoint::Aggregatable | Endpoint::AggregatableDebugCopy => {
            aggregatable_body(n, 1_700_000_000, "https://shop.example")
        }
        Endpoint::AggregatableDebug => debug_body(n),
        Endpoint::VerboseDebug => r#"[{"type":"source-success","body":{}}]"#.to_owned(),
    }
}

#[tokio::test]
async fn each_endpoint_takes_its_reports_once_and_others_not_at_all() {
    let serving = Serving::start(Limits::default()).await;
    for endpoint in Endpoint::ALL {
        let body = body_for(endpoint, 1);
        assert_eq!(serving.post(endpoint, body.clone()).await, 200, "{endpoint:?}");
        assert_eq!(serving.stored(endpoint), 1, "{endpoint:?}: durable when answered");
        assert_eq!(serving.post(endpoint, body).await, 200, "{endpoint:?}: a retry");
        let twice = if endpoint == Endpoint::VerboseDebug { 2 } else { 1 };
        assert_eq!(serving.stored(endpoint), twice, "{endpoint:?}");
        for malformed in ["", "{}", "[]", "null", "{\"report_id\":1}", "\u{feff}{}"] {
            assert_eq!(serving.post(endpoint, malformed).await, 400, "{endpoint:?}: {malformed}");
        }
    }
    assert_eq!(serving.post(Endpoint::AggregatableDebug, body_for(Endpoint::Aggregatable, 2)).await, 400);
    assert_eq!(serving.post(Endpoint::Aggregatable, debug_body(2)).await, 400);
    let other = body_for(Endpoint::Aggregatable, 3).replace("https://ads.example", "https://other.example");
    assert_eq!(serving.post(Endpoint::Aggregatable, other).await, 400);
    let control = body_for(Endpoint::Aggregatable, 4).replace("key-1", r"\u0000");
    assert_eq!(serving.post(Endpoint::Aggregatable, control).await, 400);
    let metrics = serving.metrics().await;
    for line in [
        r#"reports_total{endpoint="event_level",outcome="new"} 1"#,
        r#"reports_total{endpoint="event_level",outcome="duplicate"} 1"#,
        r#"reports_total{endpoint="event_level",outcome="malformed"} 6"#,
        r#"reports_total{endpoint="aggregatable",outcome="other_origin"} 1"#,
        r#"reports_total{endpoint="verbose_debug",outcome="new"} 2"#,
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    serving.end().await;
}

#[tokio::test]
async fn made_up_source_event_ids_are_counted_apart() {
    let serving = Serving::start(Limits::default()).await;
    let url = format!("{}/source/spring", serving.url);
    let registered =
        client().get(url).header("attribution-reporting-eligible", "event-source").send().await.unwrap();
    let header: serde_json::Value =
        serde_json::from_slice(registered.headers()["attribution-reporting-register-source"].as_bytes())
            .unwrap();
    let ours: u64 = header["source_event_id"].as_str().unwrap().parse().unwrap();
    assert_eq!(serving.post(Endpoint::EventLevel, event_body(1, ours)).await, 200);
    assert_eq!(serving.post(Endpoint::EventLevel, event_body(2, ours ^ 1)).await, 200);
    let counts = Store::open(&serving.store).unwrap().event_counts().unwrap();
    let mut campaigns: Vec<_> = counts.iter().map(|count| count.campaign).collect();
    campaigns.sort();
    assert_eq!(campaigns, [None, Some(1)]);
    assert!(serving.metrics().await.contains("forged_event_reports_total 1"));
    serving.end().await;
}

#[tokio::test]
async fn bodies_are_json_plain_or_gzip_and_not_too_long() {
    let limit = 4096;
    let serving = Serving::start(Limits { body_bytes: limit, ..Limits::default() }).await;
    let url = format!("{}{}", serving.url, Endpoint::EventLevel.path());
    let send = async |kind: &str, coding: Option<&str>, body: Vec<u8>| {
        let mut request = client().post(&url).header("content-type", kind).body(body);
        if let Some(coding) = coding {
            request = request.header("content-encoding", coding);
        }
        request.send().await.unwrap().status().as_u16()
    };
    let of_length = |length: usize| {
        let mut body = event_body(1, 1).into_bytes();
        body.resize(length, b' ');
        body
    };
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    for (kind, coding, body, status) in [
        ("application/json", None, of_length(limit), 200),
        ("application/json", None, of_length(limit + 1), 413),
        ("application/json; charset=utf-8", Some("gzip"), gzip(&of_length(limit)), 200),
        ("application/json", Some("gzip"), gzip(&of_length(limit + 1)), 413),
        ("application/json", Some("identity"), of_length(400), 200),
        ("application/json", Some("gzip"), of_length(400), 400),
        ("application/json", Some("br"), of_length(400), 415),
        ("text/plain", None, of_length(400), 415),
        ("", None, of_length(400), 415),
    ] {
        assert_eq!(send(kind, coding, body).await, status, "{kind} {coding:?}");
    }
    serving.end().await;
}

#[tokio::test]
async fn too_many_from_one_client_are_refused_and_others_not() {
    let limits = Limits {
        reports_per_second: 1,
        burst: 3,
        client_address_header: Some("x-forwarded-for".parse().unwrap()),
        ..Limits::default()
    };
    let serving = Serving::start(limits).await;
    let send = async |n: u128, client_address: &str| {
        let request = client().post(format!("{}{}", serving.url, Endpoint::EventLevel.path()));
        let request = request.header("content-type", "application/json").body(event_body(n, 1));
        request.header("x-forwarded-for", client_address).send().await.unwrap()
    };
    for n in 0..3 {
        assert_eq!(send(n, "spoofed, 192.0.2.1").await.status(), 200);
    }
    let refused = send(3, "192.0.2.1").await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"60".parse().unwrap()));
    assert_eq!(send(4, "192.0.2.2").await.status(), 200);
    serving.end().await;
}

/// A report, and the end of the connection: what came before it.
fn send_and_read(url: &str, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap())?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map(|_| answer)
}

fn request(body: &str, length: usize) -> Vec<u8> {
    let path = Endpoint::EventLevel.path();
    format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_stored_is_not_answered_but_reset_so_that_it_is_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    // A folder that is not there.
    let store = StoreLocation::File(folder.path().join("none/reports.db"));
    let serving = Serving::with_store(Limits::default(), store, folder).await;
    let body = event_body(1, 1);
    let request = request(&body, body.len());
    let error = send_and_read(&serving.url, &request).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let ready =
        async || client().get(format!("{}/ready", serving.url)).send().await.unwrap().status().as_u16();
    assert_eq!(ready().await, 503);
    assert_eq!(client().get(format!("{}/health", serving.url)).send().await.unwrap().status(), 200);
    // Once it is there, it is used.
    std::fs::create_dir(serving.folder.path().join("none")).unwrap();
    assert_eq!(serving.post(Endpoint::EventLevel, body).await, 200);
    assert_eq!(ready().await, 200);
    serving.end().await;
}

#[tokio::test]
async fn behind_a_proxy_what_cannot_be_stored_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let store = StoreLocation::File(folder.path().join("none/reports.db"));
    let limits = Limits { overload: Overload::Unavailable, ..Limits::default() };
    let serving = Serving::with_store(limits, store, folder).await;
    assert_eq!(serving.post(Endpoint::EventLevel, event_body(1, 1)).await, 503);
    // A queue without room is no room for any report.
    serving.end().await;
    let limits = Limits { overload: Overload::Unavailable, queue_bytes: 10, ..Limits::default() };
    let serving = Serving::start(limits).await;
    assert_eq!(serving.post(Endpoint::EventLevel, event_body(1, 1)).await, 503);
    serving.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_too_slow_is_not_waited_for() {
    let short = Duration::from_millis(300);
    let serving =
        Serving::start(Limits { head_timeout: short, body_timeout: short, ..Limits::default() }).await;
    let slow = request("{", 1000);
    let answer = send_and_read(&serving.url, &slow).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
    let half = send_and_read(&serving.url, b"POST / HTTP/1.1\r\nhost: a\r\n").unwrap();
    assert!(half.is_empty() || half.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&half));
    let idle = send_and_read(&serving.url, b"").unwrap();
    assert!(idle.is_empty());
    serving.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_connections_than_allowed_wait_until_others_end() {
    let limits = Limits { connections: 2, head_timeout: Duration::from_millis(500), ..Limits::default() };
    let serving = Serving::start(limits).await;
    let address = serving.url.strip_prefix("http://").unwrap().to_owned();
    let idle: Vec<_> = (0..20).map(|_| TcpStream::connect(&address).unwrap()).collect();
    drop(idle);
    assert_eq!(serving.post(Endpoint::EventLevel, event_body(1, 1)).await, 200);
    serving.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_each_stored_once_and_kept_over_an_end() {
    let serving = std::sync::Arc::new(Serving::start(Limits::default()).await);
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..16_u128 {
        let serving = serving.clone();
        tasks.spawn(async move {
            let client = client();
            for n in 0..25 {
                // Each report comes from two workers.
                let body = event_body((worker / 2) * 25 + n, 1);
                let url = format!("{}{}", serving.url, Endpoint::EventLevel.path());
                let request = client.post(url).header("content-type", "application/json").body(body);
                assert_eq!(request.send().await.unwrap().status(), 200);
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let store = serving.store.clone();
    let folder = std::sync::Arc::into_inner(serving).unwrap().end().await;
    assert_eq!(Store::open(&store).unwrap().count(Endpoint::EventLevel).unwrap(), 200);
    drop(folder);
}

static SHARED: LazyLock<(tokio::runtime::Runtime, Serving)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let serving = runtime.block_on(Serving::start(Limits::default()));
    (runtime, serving)
});

/// A well-formed body in which bytes were changed, cut or put in.
fn damaged(mut body: Vec<u8>, at: usize, by: &[u8], cut: usize) -> Vec<u8> {
    let at = at % (body.len() + 1);
    let end = (at + cut).min(body.len());
    body.splice(at..end, by.iter().copied());
    body
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes is taken or refused; nothing makes the collector fail.
    #[test]
    fn anything_is_taken_or_refused(
        endpoint in proptest::sample::select(&Endpoint::ALL[..]),
        n in any::<u128>(),
        random in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200)),
        at in any::<usize>(),
        by in proptest::collection::vec(any::<u8>(), 0..4),
        cut in 0..6_usize,
    ) {
        let (runtime, serving) = &*SHARED;
        let body = random.unwrap_or_else(|| damaged(body_for(endpoint, n).into_bytes(), at, &by, cut));
        let before = serving.stored(endpoint);
        let status = runtime.block_on(serving.post(endpoint, body.clone()));
        prop_assert!([200, 400].contains(&status), "{:?}: {}: {}", endpoint, status, String::from_utf8_lossy(&body));
        if status == 400 {
            prop_assert_eq!(serving.stored(endpoint), before);
        }
    }
}
