//! Every way in which a server can answer, or not, on real sockets.
#![expect(clippy::disallowed_methods, reason = "tests of the host half need a network")]

use std::{
    net::{SocketAddr, TcpListener as Refusing},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

/// A server that does one thing on each connection, and notes what it was sent.
struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start<F, Fut>(answer: F) -> Self
    where
        F: Fn(TcpStream, String) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read_request(&mut stream).await;
                seen.lock().expect("no panic").push(request.clone());
                tokio::spawn(answer(stream, request));
            }
        });
        Self { address, requests }
    }

    /// Answers each request with what a function of its path gives.
    async fn answering(answer: impl Fn(&str) -> String + Clone + Send + 'static) -> Self {
        Self::start(move |mut stream, request| {
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            let answer = answer(&path);
            async move { stream.write_all(answer.as_bytes()).await.unwrap_or_default() }
        })
        .await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic").clone()
    }
}

/// The header of a request, and its body when it has a length.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let n = stream.read(&mut buffer).await.unwrap_or(0);
        bytes.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((header, body)) = text.split_once("\r\n\r\n") {
            let length = header.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().expect("a number")) {
                return text;
            }
        }
        if n == 0 {
            return text;
        }
    }
}

fn options() -> NetworkOptions {
    NetworkOptions { timeout: Duration::from_secs(20), ..NetworkOptions::default() }
}

fn client(host_map: &str) -> Client {
    let host_map = host_map.parse().expect("a host map");
    Client::new(&NetworkOptions { host_map, ..options() }).expect("a client")
}

async fn post(url: &str) -> Result<u16, DeliveryError> {
    client("").post_json(url, b"{}".to_vec()).await
}

async fn post_to(server: &Server) -> Result<u16, DeliveryError> {
    post(&server.url("/")).await
}

#[tokio::test]
async fn a_report_tells_no_more_than_it_must() {
    let server = Server::answering(|_| "HTTP/1.1 200 OK\r\nset-cookie: a=b\r\n\r\n".to_owned()).await;
    let client = client("");
    for _ in 0..2 {
        assert_eq!(client.post_json(&server.url("/p"), b"{\"a\":1}".to_vec()).await, Ok(200));
    }
    let [first, second] = &server.requests()[..] else { panic!("two connections, one each") };
    assert_eq!(first, second, "nothing of the first answer is sent with the second request");
    let (header, body) = first.split_once("\r\n\r\n").expect("a whole request");
    assert_eq!(body, "{\"a\":1}");
    let mut lines: Vec<_> = header.lines().collect();
    assert_eq!(lines.remove(0), "POST /p HTTP/1.1");
    lines.sort_unstable();
    let host = format!("host: {}", server.address);
    let user_agent = format!("user-agent: {NAME}");
    assert_eq!(
        lines,
        [
            "accept: */*",
            "cache-control: no-cache",
            "content-length: 7",
            "content-type: application/json",
            &host,
            "pragma: no-cache",
            &user_agent,
        ]
    );
}

#[tokio::test]
async fn any_status_is_an_answer() {
    for answer in
        ["HTTP/1.1 200 OK", "HTTP/1.1 404 Not Found", "HTTP/1.1 500 Oh", "HTTP/1.0 204 No", "HTTP/1.1 302 No"]
    {
        let server = Server::answering(move |_| format!("{answer}\r\n\r\n")).await;
        let status = answer[9..12].parse().expect("a status");
        assert_eq!(post_to(&server).await, Ok(status), "{answer}");
    }
    let early = "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 201 Created\r\n\r\n";
    assert_eq!(post_to(&Server::answering(move |_| early.to_owned()).await).await, Ok(201));
}

#[tokio::test]
async fn the_body_of_an_answer_is_not_waited_for() {
    let server = Server::start(async |mut stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.expect("sent");
        while stream.write_all(&[b"ffff\r\n".as_slice(), &[b'x'; 0xffff], b"\r\n"].concat()).await.is_ok() {}
    })
    .await;
    assert_eq!(post_to(&server).await, Ok(200));
}

#[tokio::test]
async fn what_happens_on_the_way_is_worth_another_attempt() {
    let reset = Server::start(async |stream, _| {
        stream.set_zero_linger().expect("a socket");
        drop(stream);
    })
    .await;
    assert_eq!(post_to(&reset).await, Err(DeliveryError::ConnectionReset));

    let silent = Server::start(async |stream, _| {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    })
    .await;
    let impatient = NetworkOptions { timeout: Duration::from_millis(200), ..options() };
    let impatient = Client::new(&impatient).expect("a client");
    assert_eq!(impatient.post_json(&silent.url("/"), Vec::new()).await, Err(DeliveryError::TimedOut));
    let (_held, address) = black_hole().await;
    let black_hole = impatient.post_json(&format!("http://{address}/"), Vec::new()).await;
    assert_eq!(black_hole, Err(DeliveryError::TimedOut));

    let lost = client("MAP * ~NOTFOUND").post_json("http://a.test/", Vec::new()).await;
    assert_eq!(lost, Err(DeliveryError::NameNotResolved));
    let lost = client("MAP a.test b.invalid").post_json("http://a.test/", Vec::new()).await;
    assert_eq!(lost, Err(DeliveryError::NameNotResolved));
    for error in [
        DeliveryError::ConnectionReset,
        DeliveryError::TimedOut,
        DeliveryError::NameNotResolved,
        DeliveryError::ConnectionAborted,
        DeliveryError::Disconnected,
    ] {
        assert!(error.is_retryable(), "{error}");
    }
}

/// An address where connections are neither accepted nor refused, while what is held is held.
async fn black_hole() -> ((TcpListener, Vec<TcpStream>), SocketAddr) {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let listener = socket.listen(1).expect("it is bound");
    let address = listener.local_addr().expect("it is bound");
    let mut waiting = Vec::new();
    // The system lets some wait to be accepted; then it does not answer.
    while let Ok(connected) =
        tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await
    {
        waiting.push(connected.expect("it waits"));
    }
    ((listener, waiting), address)
}

/// Fails so many times before it resolves everything to loopback.
#[derive(Clone)]
struct Failing(Arc<Mutex<usize>>);

impl Resolve for Failing {
    fn resolve(&self, _: Name) -> Resolving {
        let mut left = self.0.lock().expect("no panic");
        let failed = *left > 0;
        *left = left.saturating_sub(1);
        Box::pin(async move {
            if failed {
                return Err(DeliveryError::NameNotResolved.into());
            }
            Ok(Box::new(std::iter::once(SocketAddr::from(([127, 0, 0, 1], 0)))) as Addrs)
        })
    }
}

#[tokio::test]
async fn a_name_that_is_not_resolved_is_tried_a_second_time_at_once() {
    let server = Server::answering(|_| "HTTP/1.1 200 OK\r\n\r\n".to_owned()).await;
    let url = format!("http://ads.test:{}/", server.address.port());
    for (failures, resolved) in [(0, true), (1, true), (2, false)] {
        let resolver = || Failing(Arc::new(Mutex::new(failures)));
        let client = || Client::with_resolver(&options(), resolver()).expect("a client");
        let posted = client().post_json(&url, Vec::new()).await;
        assert_eq!(posted, if resolved { Ok(200) } else { Err(DeliveryError::NameNotResolved) });
        assert_eq!(client().get(&url, 10).await.is_ok(), resolved, "{failures}");
    }
}

#[tokio::test]
async fn what_the_server_did_is_final() {
    let refusing = Refusing::bind("127.0.0.1:0").expect("a free port");
    let address = refusing.local_addr().expect("it is bound");
    drop(refusing);
    let refused = post(&format!("http://{address}/")).await;
    assert_eq!(refused, Err(DeliveryError::ConnectionRefused));

    let closing = Server::start(async |stream, _| drop(stream)).await;
    assert_eq!(post_to(&closing).await, Err(DeliveryError::ConnectionClosed));
    let midway = Server::answering(|_| "HTTP/1.1 200 OK\r\nserver: ha".to_owned()).await;
    assert_eq!(post_to(&midway).await, Err(DeliveryError::ConnectionClosed));

    let garbage = Server::answering(|_| "\u{1}\u{2}garbage\r\n\r\n".to_owned()).await;
    let error = post_to(&garbage).await.expect_err("garbage");
    assert!(matches!(error, DeliveryError::InvalidAnswer(_)), "{error}");

    let no_tls = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = no_tls.local_addr().expect("it is bound");
    tokio::spawn(async move {
        let (mut stream, _) = no_tls.accept().await.expect("one comes");
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("sent");
        read_request(&mut stream).await
    });
    let error = post(&format!("https://{address}/")).await.expect_err("no TLS");
    assert!(matches!(error, DeliveryError::Tls(_)), "{error}");
    for error in [error, DeliveryError::ConnectionRefused, DeliveryError::ConnectionClosed] {
        assert!(!error.is_retryable(), "{error}");
    }
}

#[tokio::test]
async fn endless_headers_end_the_request_and_not_the_memory() {
    let written = Arc::new(Mutex::new(0));
    let count = written.clone();
    let server = Server::start(move |mut stream, _| {
        let count = count.clone();
        async move {
            stream.write_all(b"HTTP/1.1 200 OK\r\na: ").await.expect("sent");
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {
                *count.lock().expect("no panic") += 4096;
            }
        }
    })
    .await;
    let error = post_to(&server).await.expect_err("no end");
    assert!(matches!(error, DeliveryError::InvalidAnswer(_)), "{error}");
    // What the client took, and what the system's buffers hold.
    assert!(*written.lock().expect("no panic") < 8 << 20);
}

/// A redirect with some status to some place; `/end` and what has no `to` is the end.
async fn redirecting(status: u16, to: impl Fn(&str) -> Option<String> + Clone + Send + 'static) -> Server {
    Server::answering(move |path| match to(path) {
        Some(location) => format!("HTTP/1.1 {status} Go\r\nlocation: {location}\r\n\r\n"),
        None => "HTTP/1.1 200 OK\r\n\r\n".to_owned(),
    })
    .await
}

#[tokio::test]
async fn redirects_within_the_origin_change_the_method_as_fetch_says() {
    for (status, method, body) in
        [(301, "GET", ""), (302, "GET", ""), (303, "GET", ""), (307, "POST", "{}"), (308, "POST", "{}")]
    {
        let server = redirecting(status, |path| (path == "/").then(|| "/end?a=b".to_owned())).await;
        assert_eq!(post_to(&server).await, Ok(200));
        let requests = server.requests();
        let (header, sent) = requests[1].split_once("\r\n\r\n").expect("a whole request");
        assert!(header.starts_with(&format!("{method} /end?a=b ")), "{status}: {header}");
        assert_eq!(sent, body, "{status}");
        let headers = header.to_ascii_lowercase();
        assert_eq!(headers.contains("content-type"), method == "POST", "{status}");
        assert!(!headers.contains("referer") && !headers.contains("cookie"), "{status}");
    }
}

#[tokio::test]
async fn twenty_redirects_are_followed_and_no_more() {
    for (hops, outcome) in
        [(19, Ok(200)), (20, Ok(200)), (21, Err(DeliveryError::Redirect(RedirectError::TooMany)))]
    {
        let server = redirecting(307, move |path| {
            let hop: usize = path[1..].parse().unwrap_or(0);
            (hop < hops).then(|| format!("/{}", hop + 1))
        })
        .await;
        assert_eq!(post_to(&server).await, outcome, "{hops}");
    }
    let circle = redirecting(302, |_| Some("/".to_owned())).await;
    assert_eq!(post_to(&circle).await, Err(DeliveryError::Redirect(RedirectError::TooMany)));
    assert_eq!(circle.requests().len(), 21);
}

#[tokio::test]
async fn redirects_elsewhere_are_final() {
    let other = Server::answering(|_| "HTTP/1.1 200 OK\r\n\r\n".to_owned()).await;
    let (port, elsewhere) = (other.address.port(), other.url("/"));
    for (location, error) in [
        (elsewhere, RedirectError::CrossOrigin),
        (format!("https://127.0.0.1:{port}/"), RedirectError::CrossOrigin),
        (format!("http://localhost:{port}/"), RedirectError::CrossOrigin),
        ("data:,x".to_owned(), RedirectError::CrossOrigin),
        ("http://".to_owned(), RedirectError::InvalidLocation),
    ] {
        let server = redirecting(307, move |_| Some(location.clone())).await;
        let failed = post_to(&server).await.expect_err("not followed");
        assert_eq!(failed, DeliveryError::Redirect(error));
        assert!(!failed.is_retryable());
    }
    assert!(other.requests().is_empty(), "nothing was sent there");
}

#[tokio::test]
async fn a_mapped_host_keeps_its_name_and_loses_its_port() {
    let server = Server::answering(|_| "HTTP/1.1 200 OK\r\n\r\n".to_owned()).await;
    let map = format!("MAP *.test 127.0.0.1:{p}, MAP 192.0.2.1 localhost:{p}", p = server.address.port());
    let client = client(&map);
    for (url, host) in [
        ("http://ads.test/", "ads.test"),
        ("http://ads.test:80/", "ads.test"),
        ("http://ads.test:8443/", "ads.test:8443"),
        ("http://192.0.2.1:1/", "192.0.2.1:1"),
    ] {
        assert_eq!(client.post_json(url, Vec::new()).await, Ok(200), "{url}");
        let requests = server.requests();
        let last = requests.last().expect("one came");
        assert!(last.contains(&format!("\r\nhost: {host}\r\n")), "{url}: {last}");
    }
    let without_port =
        NetworkOptions { host_map: "MAP * 127.0.0.1".parse().expect("a host map"), ..options() };
    let client = Client::new(&without_port).expect("a client");
    let url = format!("http://ads.test:{}/", server.address.port());
    assert_eq!(client.post_json(&url, Vec::new()).await, Ok(200), "the URL's port stays");
}

#[tokio::test]
async fn a_proxy_is_asked_for_names_that_are_not_mapped_then() {
    let server = Server::answering(|_| "HTTP/1.1 200 OK\r\n\r\n".to_owned()).await;
    let proxy: Proxy = format!("http://proxy.test:{}", server.address.port()).parse().expect("a proxy");
    let options = NetworkOptions {
        host_map: "MAP proxy.test 127.0.0.1, MAP ads.test ~NOTFOUND".parse().expect("a host map"),
        proxy: Some(proxy.bypassing("direct.test").expect("a list")),
        ..options()
    };
    let client = Client::new(&options).expect("a client");
    assert_eq!(client.post_json("http://ads.test/p", Vec::new()).await, Ok(200));
    assert!(server.requests()[0].starts_with("POST http://ads.test/p HTTP/1.1\r\n"));
    // Loopback is reached without it, and what the list names.
    assert_eq!(client.post_json(&server.url("/q"), Vec::new()).await, Ok(200));
    assert!(server.requests()[1].starts_with("POST /q HTTP/1.1\r\n"));
    let direct = client.post_json("http://direct.test/", Vec::new()).await;
    assert_eq!(direct, Err(DeliveryError::NameNotResolved), "the system does not know it");
}

#[tokio::test]
async fn a_document_has_a_longest_length_and_comes_from_where_it_is() {
    for (len, fits) in [(9, true), (10, true), (11, false)] {
        let body = "x".repeat(len);
        let server = Server::answering(move |_| format!("HTTP/1.1 200 OK\r\n\r\n{body}")).await;
        let got = client("").get(&server.url("/"), 10).await;
        assert_eq!(got.is_ok(), fits, "{len}");
        assert!(fits || got.is_err_and(|error| error == RequestFailed::TooLong(10)));
    }
    let endless = Server::start(async |mut stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("sent");
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    let too_long = client("").get(&endless.url("/"), 100_000).await.expect_err("no end");
    assert_eq!(too_long, RequestFailed::TooLong(100_000));
    let cut = Server::answering(|_| "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx".to_owned()).await;
    assert!(client("").get(&cut.url("/"), 10).await.is_err(), "a part is not the whole");
    let moved = redirecting(302, |path| (path == "/").then(|| "/end".to_owned())).await;
    let moved = client("").get(&moved.url("/"), 10).await.expect_err("redirected");
    assert_eq!(moved, RequestFailed::NoAnswer(RedirectError::NotAllowed.into()));
    let missing = Server::answering(|_| "HTTP/1.1 404 No\r\n\r\n".to_owned()).await;
    assert_eq!(client("").get(&missing.url("/"), 10).await.expect_err("none"), RequestFailed::Status(404));
}

#[tokio::test]
async fn tls_goes_through_a_proxy_untouched() {
    let (server, pem) = tls_server("ads.test").await;
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, pem).expect("written");
    let address = server.address;
    let proxy = Server::start(move |mut stream, _| async move {
        let mut server = TcpStream::connect(address).await.expect("it listens");
        stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.expect("sent");
        // How the connection ends does not matter.
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
    })
    .await;
    let options = NetworkOptions {
        ca_certificates: vec![file],
        proxy: Some(format!("http://{}", proxy.address).parse().expect("a proxy")),
        ..options()
    };
    let client = Client::new(&options).expect("a client");
    assert_eq!(client.post_json("https://ads.test:8443/", b"secret".to_vec()).await, Ok(200));
    assert!(proxy.requests()[0].starts_with("CONNECT ads.test:8443 HTTP/1.1\r\n"));
    assert!(server.requests()[0].ends_with("secret"));
}

/// A server that speaks TLS with a certificate for some name, of an authority that is made up for it.
async fn tls_server(name: &str) -> (Server, String) {
    let authority_key = rcgen::KeyPair::generate().expect("a key");
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = authority.self_signed(&authority_key).expect("a certificate");
    let issuer = rcgen::Issuer::from_params(&authority, &authority_key);
    let key = rcgen::KeyPair::generate().expect("a key");
    let leaf = rcgen::CertificateParams::new([name.to_owned()]).expect("a name");
    let leaf = leaf.signed_by(&key, &issuer).expect("a certificate");
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .expect("a key for the certificate");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = requests.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut buffer = [0; 4096];
            let n = stream.read(&mut buffer).await.unwrap_or(0);
            seen.lock().expect("no panic").push(String::from_utf8_lossy(&buffer[..n]).into_owned());
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap_or_default();
            stream.shutdown().await.unwrap_or_default();
        }
    });
    (Server { address, requests }, certificate.pem())
}

#[tokio::test]
async fn a_named_authority_is_trusted_for_the_name_that_was_asked_for() {
    let (server, pem) = tls_server("ads.test").await;
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, pem).expect("written");
    let host_map: HostMap = format!("MAP *.test 127.0.0.1:{}", server.address.port()).parse().expect("a map");
    let trusting =
        NetworkOptions { host_map: host_map.clone(), ca_certificates: vec![file.clone()], ..options() };
    let client = Client::new(&trusting).expect("a client");
    for url in ["https://ads.test/", "https://ads.test:444/"] {
        assert_eq!(client.post_json(url, b"{}".to_vec()).await, Ok(200), "{url}");
    }
    assert!(server.requests()[1].contains("\r\nhost: ads.test:444\r\n"));
    for (client, url) in [
        (&client, "https://other.test/"),
        (&Client::new(&NetworkOptions { host_map, ..options() }).expect("a client"), "https://ads.test/"),
    ] {
        let error = client.post_json(url, b"{}".to_vec()).await.expect_err("not trusted");
        assert!(matches!(error, DeliveryError::Tls(_)) && !error.is_retryable(), "{url}: {error}");
    }

    assert_eq!(
        trusting.chromium_args(),
        [
            format!("--host-resolver-rules=MAP *.test 127.0.0.1:{}", server.address.port()),
            "--no-proxy-server".to_owned(),
        ]
    );

    std::fs::write(&file, "nothing").expect("written");
    let error = Client::new(&trusting).expect_err("no certificate").to_string();
    assert!(error.ends_with("ca.pem: no certificate in it"), "{error}");
    let missing = NetworkOptions { ca_certificates: vec![dir.path().join("none.pem")], ..options() };
    assert!(Client::new(&missing).is_err());
}
