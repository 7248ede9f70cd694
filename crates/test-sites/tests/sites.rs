//! The sites against an ordinary HTTP client: what is scripted is served, and what is served is logged.

use std::error::Error;
use std::time::Duration;

use ascribe_test_sites::{Gate, Reply, Sites};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, StatusCode, Version};

type Tested = Result<(), Box<dyn Error>>;

/// A client that finds the hosts that the tests use, as a browser would with the host map.
fn client(sites: &Sites) -> ClientBuilder {
    let authority = Certificate::from_pem(sites.ca_pem().as_bytes()).expect("the sites' own authority");
    let hosts = ["shop.test", "ads.test", "www.ads.test", "a.example", "ads.example.com"];
    hosts
        .iter()
        .fold(Client::builder().no_proxy(), |client, host| client.resolve(host, sites.address()))
        .tls_certs_only([authority])
}

/// The sites are on another port than that of their URLs.
fn at(sites: &Sites, url: &str) -> String {
    let mut url = reqwest::Url::parse(url).expect("a URL");
    url.set_port(Some(sites.address().port())).expect("an HTTP URL");
    url.into()
}

#[tokio::test]
async fn hosts_have_certificates_that_the_authority_vouches_for() -> Tested {
    let sites = Sites::start()?;
    let client = client(&sites).build()?;
    for host in ["shop.test", "www.ads.test", "a.example", "ads.example.com"] {
        let site = sites.site(host);
        site.reply("/", Reply::html(host));
        assert_eq!(client.get(at(&sites, &site.url("/"))).send().await?.text().await?, host);
        assert!(site.wait_for("/").await?.secure);
    }
    let distrustful = Client::builder().no_proxy().resolve("shop.test", sites.address()).build()?;
    let refused = distrustful.get(at(&sites, "https://shop.test/")).send().await;
    assert!(refused.is_err_and(|error| error.is_connect()));
    assert_eq!(sites.site("shop.test").received("/").len(), 1);
    Ok(())
}

#[tokio::test]
async fn the_map_sends_every_made_up_host_to_the_sites() -> Tested {
    let sites = Sites::start()?;
    let address = sites.address();
    let expected = format!("MAP *.test {address},MAP *.example {address},MAP *.example.com {address}");
    assert_eq!(sites.host_map(), expected);
    Ok(())
}

#[test]
#[should_panic(expected = "google.com is no made-up host")]
fn real_hosts_are_refused() {
    let _ = Sites::start().expect("a port").site("google.com");
}

#[tokio::test]
async fn requests_are_logged_as_they_came() -> Tested {
    let sites = Sites::start()?;
    let ads = sites.site("ads.test");
    ads.reply("/report", Reply::status(202));
    let request = client(&sites).build()?.post(at(&sites, &ads.url("/report?a=b&c")));
    let request = request.header("x-second", "2").header("x-first", "1").body("hello");
    assert_eq!(request.send().await?.status(), StatusCode::ACCEPTED);

    let received = ads.wait_for("/report").await?;
    assert_eq!(received.method, "POST");
    assert_eq!(received.version, Version::HTTP_2);
    assert_eq!((received.path(), received.query()), ("/report", "a=b&c"));
    assert_eq!(received.url(), "https://ads.test/report?a=b&c");
    assert_eq!(received.text(), "hello");
    let ours = received.headers.iter().filter(|(name, _)| name.starts_with("x-"));
    assert_eq!(ours.map(|(name, _)| &**name).collect::<Vec<_>>(), ["x-second", "x-first"]);
    assert_eq!((received.header("x-first"), received.header("x-third")), (Some("1"), None));
    Ok(())
}

#[tokio::test]
async fn plain_http_is_served_beside_https() -> Tested {
    let sites = Sites::start()?;
    let ads = sites.site("ads.test");
    ads.reply("/", Reply::ok());
    client(&sites).build()?.get(at(&sites, &ads.plain_url("/"))).send().await?;
    let received = ads.wait_for("/").await?;
    assert!(!received.secure);
    assert_eq!(received.url(), "http://ads.test/");
    Ok(())
}

#[tokio::test]
async fn a_site_can_do_without_http2_or_without_tls() -> Tested {
    let sites = Sites::start()?;
    let client = client(&sites).build()?;
    let (old, plain) = (sites.site("ads.test"), sites.site("shop.test"));
    old.http1_only().reply("/", Reply::ok());
    assert_eq!(client.get(at(&sites, &old.url("/"))).send().await?.version(), Version::HTTP_11);
    plain.no_tls().reply("/", Reply::ok());
    assert!(client.get(at(&sites, &plain.url("/"))).send().await.is_err());
    assert!(client.get(at(&sites, &plain.plain_url("/"))).send().await?.status().is_success());
    Ok(())
}

#[tokio::test]
async fn the_exact_path_counts_then_the_longest_prefix() -> Tested {
    let sites = Sites::start()?;
    let ads = sites.site("ads.test");
    ads.reply("/a*", Reply::html("prefix"));
    ads.reply("/a/b*", Reply::html("longer"));
    ads.reply("/a/b/c", Reply::html("before"));
    ads.reply("/a/b/c", Reply::html("exact"));
    ads.answer("/echo", |request| Reply::html(request.query().to_owned()));
    let client = client(&sites).build()?;
    let cases = [
        ("/a", "prefix"),
        ("/a/x", "prefix"),
        ("/a/b/x", "longer"),
        ("/a/b/c?q", "exact"),
        ("/echo?x=1", "x=1"),
    ];
    for (target, expected) in cases {
        assert_eq!(
            client.get(at(&sites, &ads.url(target))).send().await?.text().await?,
            expected,
            "{target}"
        );
    }
    assert_eq!(client.get(at(&sites, &ads.url("/b"))).send().await?.status(), StatusCode::NOT_FOUND);
    Ok(())
}

#[tokio::test]
async fn redirects_headers_and_compression_are_as_scripted() -> Tested {
    let sites = Sites::start()?;
    let ads = sites.site("ads.test");
    ads.redirect("/from", "/to");
    ads.reply("/to", Reply::html("text").gzip().header("x-mark", "1").header("x-mark", "2").cors());
    let client = client(&sites).redirect(Policy::none()).build()?;
    let redirect = client.get(at(&sites, &ads.url("/from"))).send().await?;
    assert_eq!(redirect.status(), StatusCode::FOUND);
    assert_eq!(redirect.headers()["location"], "/to");
    let compressed = client.get(at(&sites, &ads.url("/to"))).send().await?;
    let marks = compressed.headers().get_all("x-mark").iter().collect::<Vec<_>>();
    assert_eq!(marks, ["1", "2"]);
    assert_eq!(compressed.headers()["access-control-allow-origin"], "*");
    assert_eq!(compressed.text().await?, "text");
    Ok(())
}

#[tokio::test]
async fn an_answer_waits_for_its_gate() -> Tested {
    let sites = Sites::start()?;
    let ads = sites.site("ads.test");
    let gate = Gate::new();
    ads.reply("/held", Reply::ok().when(&gate));
    let request = client(&sites).build()?.get(at(&sites, &ads.url("/held"))).send();
    let request = tokio::spawn(request);
    ads.wait_for("/held").await?;
    assert!(!request.is_finished());
    gate.open();
    assert!(request.await??.status().is_success());
    Ok(())
}

#[tokio::test]
async fn delayed_and_slow_answers_take_their_time() -> Tested {
    let sites = Sites::start()?;
    let ads = sites.site("ads.test");
    let pause = Duration::from_millis(30);
    ads.reply("/late", Reply::ok().after(pause));
    ads.reply("/slow", Reply::html("abcde").slowly(2, pause));
    let client = client(&sites).build()?;
    let start = std::time::Instant::now();
    client.get(at(&sites, &ads.url("/late"))).send().await?;
    assert!(start.elapsed() >= pause);
    let start = std::time::Instant::now();
    assert_eq!(client.get(at(&sites, &ads.url("/slow"))).send().await?.text().await?, "abcde");
    assert!(start.elapsed() >= 3 * pause);
    Ok(())
}

#[tokio::test]
async fn sites_can_fail_in_every_way_over_every_protocol() -> Tested {
    let sites = Sites::start()?;
    let (new, old) = (sites.site("ads.test"), sites.site("shop.test"));
    old.http1_only();
    let timeout = Duration::from_millis(200);
    for url in [new.url(""), old.url(""), new.plain_url("")] {
        let site = if url.contains("ads.test") { &new } else { &old };
        site.reply("/dropped", Reply::drop_connection());
        site.reply("/garbage", Reply::garbage("SSH-2.0-nonsense\r\n"));
        site.reply("/cut", Reply::html("half of it").cut_short());
        site.reply("/silence", Reply::silence());
        let get = |path: &str| {
            let client = client(&sites).timeout(timeout).build().expect("a client");
            client.get(at(&sites, &format!("{url}{path}"))).send()
        };
        let dropped = get("/dropped").await.expect_err("no answer");
        assert!(!dropped.is_timeout(), "{url}: {dropped:?}");
        let garbage = get("/garbage").await.expect_err("no HTTP");
        assert!(!garbage.is_timeout(), "{url}: {garbage:?}");
        assert!(get("/cut").await?.bytes().await.is_err(), "{url}");
        assert!(get("/silence").await.expect_err("silence").is_timeout(), "{url}");
    }
    Ok(())
}

#[tokio::test]
async fn what_does_not_come_is_told_with_what_came() -> Tested {
    let sites = Sites::start()?;
    client(&sites).build()?.get(at(&sites, "https://ads.test/other")).send().await?;
    let missing =
        sites.log().wait_for_many(1, Duration::from_millis(10), |request| request.path() == "/pixel");
    let message = missing.await.expect_err("nothing came").to_string();
    assert!(
        message.starts_with("wanted 1 requests, got 0; 0 TLS handshakes failed; 1 requests in all"),
        "{message}"
    );
    assert!(message.contains("GET https://ads.test/other"), "{message}");
    Ok(())
}

#[tokio::test]
async fn dropped_sites_are_gone() -> Tested {
    let sites = Sites::start()?;
    let address = sites.address();
    sites.site("ads.test").reply("/silence", Reply::silence());
    let hanging = tokio::spawn(client(&sites).build()?.get(at(&sites, "https://ads.test/silence")).send());
    sites.site("ads.test").wait_for("/silence").await?;
    drop(sites);
    assert!(hanging.await?.is_err());
    assert!(std::net::TcpStream::connect(address).is_err());
    Ok(())
}
