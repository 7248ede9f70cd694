//! Serving: TLS, an end in good order, and what is done beside it.

mod support;

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use ascribe_collector::*;
use ascribe_reports::{Endpoint, Time};
use support::{Serving, aggregatable, campaigns, event, secrets, tls};

/// Whether the connection was reset, which user agents send again after; and not a stream or an empty answer.
fn is_reset(error: &(dyn std::error::Error + 'static)) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
        || io.and_then(|error| error.get_ref()).is_some_and(|inner| is_reset(inner))
        || error.source().is_some_and(is_reset)
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_with_http_1_and_2_and_resets() {
    let folder = tempfile::tempdir().unwrap();
    let store = StoreLocation::File(folder.path().join("later/reports.db"));
    let collector = Collector::start(campaigns(), store, Limits::default(), Clock::system()).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let (config, certificate) = tls();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let serving = async {
        collector.serve(listener, collector.public_routes(), Some(config), async { drop(ended.await) }).await;
    };
    let client = |http1_only| {
        let builder = reqwest::Client::builder().no_proxy();
        let builder = builder.tls_certs_only([reqwest::Certificate::from_der(&certificate).unwrap()]);
        let builder = if http1_only { builder.http1_only() } else { builder };
        builder.build().unwrap()
    };
    let requests = async {
        let versions = [(true, reqwest::Version::HTTP_11), (false, reqwest::Version::HTTP_2)];
        let report = |client: &reqwest::Client| {
            let post = client.post(format!("{url}{}", Endpoint::VerboseDebug.path()));
            let post = post.header("content-type", "application/json");
            post.body(r#"[{"type":"source-success","body":{}}]"#).send()
        };
        for (http1_only, version) in versions {
            let client = client(http1_only);
            let answer = client.get(format!("{url}/source/spring.gif")).send().await.unwrap();
            assert_eq!((answer.status().as_u16(), answer.version()), (200, version));
            // The store is not there yet.
            let error = report(&client).await.unwrap_err();
            assert!(is_reset(&error), "{version:?}: {error:?}");
        }
        std::fs::create_dir(folder.path().join("later")).unwrap();
        for (http1_only, version) in versions {
            let answer = report(&client(http1_only)).await.unwrap();
            assert_eq!((answer.status().as_u16(), answer.version()), (200, version));
        }
        // Who speaks no TLS is not served.
        let mut plain = TcpStream::connect(url.strip_prefix("https://").unwrap()).unwrap();
        plain.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        plain.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        // An alert, or a reset.
        let _ = plain.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP"));
        drop(end);
    };
    tokio::join!(serving, requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_at_the_end_is_answered() {
    let serving = Serving::start(Limits::default()).await;
    let body = r#"[{"type":"source-success","body":{}}]"#;
    let mut stream = TcpStream::connect(serving.url.strip_prefix("http://").unwrap()).unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        Endpoint::VerboseDebug.path(),
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body.as_bytes()[..10]).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let store = serving.store.clone();
    let end = tokio::spawn(serving.end());
    tokio::time::sleep(Duration::from_millis(200)).await;
    stream.write_all(&body.as_bytes()[10..]).unwrap();
    let mut answer = Vec::new();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    let folder = end.await.unwrap();
    assert_eq!(Store::open(&store).unwrap().count(Endpoint::VerboseDebug).unwrap(), 1);
    drop(folder);
}

#[tokio::test]
async fn campaigns_can_be_replaced_while_serving() {
    let serving = Serving::start(Limits::default()).await;
    let ask = async |name: &str| {
        let request = support::client().get(format!("{}/source/{name}", serving.url));
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask("autumn").await, 404);
    let text =
        format!("{}\n[campaigns.autumn]\nnumber = 3\ndestination = 'https://shop.example'", support::EXAMPLE);
    serving.collector.replace_campaigns(Campaigns::parse(&text, secrets()).unwrap());
    assert_eq!(ask("autumn").await, 200);
    serving.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chores_are_done_by_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let store = StoreLocation::File(folder.path().join("reports.db"));
    let now = 1_800_000_000;
    let recent = aggregatable(1, now - 10 * 86_400, "https://shop.example");
    Store::open(&store).unwrap().insert(&[event(1, None, 0), recent]).unwrap();
    let clock = Clock::new(move || Time::from_secs(now));
    let place = folder.path().join("batches");
    let chores = Chores {
        every: Duration::from_millis(50),
        batcher: Some(Batcher::new(
            BatchPlace::parse(place.to_str().unwrap(), []).unwrap(),
            BatchOptions::default(),
            clock.clone(),
        )),
        keep_days: Some(90),
        clock,
    };
    let housekeeping = Housekeeping::start(chores, store.clone(), tokio::runtime::Handle::current()).unwrap();
    let done = || {
        let mut store = Store::open(&store).unwrap();
        store.count(Endpoint::EventLevel).unwrap() == 0 && store.unwritten_batches().unwrap().is_empty()
    };
    let waited = std::time::Instant::now();
    while !(done() && place.join("attribution-reporting").exists()) {
        assert!(waited.elapsed() < Duration::from_secs(20), "the chores were not done");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::task::spawn_blocking(|| drop(housekeeping)).await.unwrap();
    assert_eq!(Store::open(&store).unwrap().count(Endpoint::Aggregatable).unwrap(), 1, "not old enough");
}
