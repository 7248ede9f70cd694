//! Who is kept out, and how.

use ascribe_browser::{Internals, InternalsSettings};

use crate::client::{Answer, authority, path, send};

async fn start() -> Internals {
    let settings = InternalsSettings { test_mode: false, clock_runs: true };
    Internals::start(settings).await.expect("served")
}

/// What the printed address gives a browser for its token.
async fn enter(internals: &Internals, fields: &[(&str, &str)]) -> Answer {
    let entry = path(internals, &format!("?token={}", internals.token()));
    let host = authority(internals);
    let fields: Vec<_> = [("Host", &*host)].into_iter().chain(fields.iter().copied()).collect();
    send(internals, "GET", &entry, &fields, "").await
}

fn cookie(answer: &Answer) -> String {
    let cookie = answer.header("set-cookie").expect("a cookie");
    cookie.split(';').next().expect("its name and value").to_owned()
}

/// The status of a request for the page with a cookie.
async fn page_with(internals: &Internals, cookie: &str, fields: &[(&str, &str)]) -> u16 {
    let host = authority(internals);
    let fields: Vec<_> =
        [("Host", &*host), ("Cookie", cookie)].into_iter().chain(fields.iter().copied()).collect();
    send(internals, "GET", &path(internals, ""), &fields, "").await.status
}

#[tokio::test]
async fn the_printed_address_gives_a_cookie_and_leaves_the_token_behind() {
    let internals = start().await;
    let answer = enter(&internals, &[]).await;
    assert_eq!(answer.status, 303);
    assert_eq!(answer.header("location"), Some(&*path(&internals, "")));
    let set = answer.header("set-cookie").expect("a cookie");
    assert!(set.ends_with(&format!("Path={}; HttpOnly; SameSite=Strict", path(&internals, ""))), "{set}");
    assert!(!set.contains(internals.token()), "the cookie is another secret");
    assert_eq!(page_with(&internals, &cookie(&answer), &[]).await, 200);
}

#[tokio::test]
async fn nothing_is_told_without_a_token_or_with_a_wrong_one() {
    let internals = start().await;
    let host = authority(&internals);
    let host = ("Host", &*host);
    let wrong = "0".repeat(64);
    let short = &internals.token()[..63];
    for of in
        ["", "main.js", "style.css", "api/state", "api/reports", "api/attempts", "api/nothing", "nothing"]
    {
        let path = path(&internals, of);
        assert_eq!(send(&internals, "GET", &path, &[host], "").await.status, 401, "{of}");
        for token in [&*wrong, short, ""] {
            let bearer = format!("Bearer {token}");
            let answer = send(&internals, "GET", &path, &[host, ("Authorization", &bearer)], "").await;
            assert_eq!(answer.status, 401, "{of}");
        }
    }
    for token in [&*wrong, short, ""] {
        let entry = path(&internals, &format!("?token={token}"));
        let answer = send(&internals, "GET", &entry, &[host], "").await;
        assert_eq!((answer.status, answer.header("set-cookie")), (401, None));
        assert_eq!(answer.error(), "unauthorized");
    }
    for outside in ["/", "/api/state", "/0123456789abcdef/"] {
        assert_eq!(send(&internals, "GET", outside, &[host], "").await.status, 404, "{outside}");
    }
}

#[tokio::test]
async fn a_token_is_good_for_what_it_is_and_for_nothing_else() {
    let (internals, other) = (start().await, start().await);
    let session = cookie(&enter(&internals, &[]).await);
    assert_ne!(session, cookie(&enter(&internals, &[]).await), "each browser has its own");
    // A cookie of another start, and the token in a cookie's place.
    assert_eq!(page_with(&other, &session, &[]).await, 401);
    let name = session.split('=').next().expect("a name");
    assert_eq!(page_with(&internals, &format!("{name}={}", internals.token()), &[]).await, 401);
    // The cookie's value as a bearer token, and the token in the URL of anything but the page.
    let host = authority(&internals);
    let value = session.split_once('=').expect("a value").1;
    let bearer = format!("Bearer {value}");
    let state = path(&internals, "api/state");
    let answer = send(&internals, "GET", &state, &[("Host", &host), ("Authorization", &bearer)], "").await;
    assert_eq!(answer.status, 401);
    let in_url = format!("{state}?token={}", internals.token());
    assert_eq!(send(&internals, "GET", &in_url, &[("Host", &host)], "").await.status, 401);
}

#[tokio::test]
async fn only_so_many_browsers_look_at_once() {
    let internals = start().await;
    let first = cookie(&enter(&internals, &[]).await);
    for _ in 0..31 {
        enter(&internals, &[]).await;
    }
    assert_eq!(page_with(&internals, &first, &[]).await, 200);
    enter(&internals, &[]).await;
    assert_eq!(page_with(&internals, &first, &[]).await, 401, "the oldest is forgotten");
}

#[tokio::test]
async fn names_that_are_made_to_point_here_are_refused() {
    let internals = start().await;
    let port = authority(&internals).split_once(':').expect("a port").1.to_owned();
    let entry = path(&internals, &format!("?token={}", internals.token()));
    for host in [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        format!("127.0.0.1.evil.example:{port}"),
        format!("127.0.0.2:{port}"),
        "127.0.0.1".to_owned(),
        "127.0.0.1:1".to_owned(),
        format!("[::1]:{port}"),
        String::new(),
    ] {
        let answer = send(&internals, "GET", &entry, &[("Host", &host)], "").await;
        assert_eq!((answer.status, answer.header("set-cookie")), (421, None), "{host}");
    }
    let twice = [("Host", &*authority(&internals)), ("Host", "evil.example")];
    assert!(send(&internals, "GET", &entry, &twice, "").await.status >= 400);
    let localhost = format!("localhost:{port}");
    assert_eq!(send(&internals, "GET", &entry, &[("Host", &localhost)], "").await.status, 303);
}

#[tokio::test]
async fn other_pages_are_turned_away_even_with_the_cookie() {
    let internals = start().await;
    let session = cookie(&enter(&internals, &[]).await);
    let own = format!("http://{}", authority(&internals));
    for (fields, status) in [
        (vec![("Origin", "https://evil.example")], 403),
        (vec![("Origin", "null")], 403),
        (vec![("Origin", "http://127.0.0.1:1")], 403),
        (vec![("Sec-Fetch-Site", "cross-site")], 403),
        (vec![("Sec-Fetch-Site", "same-site")], 403),
        (vec![("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Dest", "document")], 403),
        (vec![("Sec-Fetch-Site", "none"), ("Sec-Fetch-Dest", "document")], 200),
        (vec![("Sec-Fetch-Site", "same-origin"), ("Origin", &own)], 200),
    ] {
        assert_eq!(page_with(&internals, &session, &fields).await, status, "{fields:?}");
    }
    // A link with the token may be followed from anywhere, but nothing else may be done with it there.
    let link = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Dest", "document")];
    assert_eq!(enter(&internals, &link).await.status, 303);
    for destination in ["iframe", "image", "script", "empty"] {
        let fields = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Dest", destination)];
        assert_eq!(enter(&internals, &fields).await.status, 403, "{destination}");
    }
}

#[tokio::test]
async fn changes_need_an_own_origin_or_the_token_and_json() {
    let internals = start().await;
    let session = cookie(&enter(&internals, &[]).await);
    let host = authority(&internals);
    let own = format!("http://{host}");
    let clear = path(&internals, "api/clear");
    let json = ("Content-Type", "application/json");
    let common = [("Host", &*host), ("Cookie", &*session)];
    let post = async |fields: &[(&str, &str)]| {
        let fields: Vec<_> = common.iter().chain(fields).copied().collect();
        send(&internals, "POST", &clear, &fields, "{}").await
    };
    assert_eq!(post(&[json]).await.status, 401, "browsers name the origin");
    assert_eq!(post(&[json, ("Origin", "https://evil.example")]).await.error(), "foreign origin");
    for form in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"] {
        assert_eq!(post(&[("Origin", &own), ("Content-Type", form)]).await.status, 415, "{form}");
    }
    assert_eq!(post(&[("Origin", &own)]).await.status, 415);
    assert_eq!(post(&[json, ("Origin", &own)]).await.error(), "no such context", "it gets through");
}

#[tokio::test]
async fn methods_that_are_not_meant_and_long_bodies_are_refused() {
    let internals = start().await;
    let host = authority(&internals);
    let bearer = format!("Bearer {}", internals.token());
    let fields = [("Host", &*host), ("Authorization", &*bearer), ("Content-Type", "application/json")];
    for (method, of) in [
        ("POST", "api/state"),
        ("PUT", "api/clear"),
        ("DELETE", "api/clear"),
        ("GET", "api/clear"),
        ("GET", "api/advance"),
        ("POST", ""),
        ("POST", "main.js"),
    ] {
        let answer = send(&internals, method, &path(&internals, of), &fields, "{}").await;
        assert_eq!((answer.status, &*answer.error()), (405, "method not allowed"), "{method} {of}");
        assert!(answer.header("allow").is_some(), "{method} {of}");
    }
    let clear = path(&internals, "api/clear");
    for (length, status) in [(16 * 1024, 404), (16 * 1024 + 1, 413)] {
        let body = format!("{{}}{}", " ".repeat(length - 2));
        assert_eq!(send(&internals, "POST", &clear, &fields, &body).await.status, status, "{length}");
    }
}

#[tokio::test]
async fn every_answer_forbids_framing_scripts_of_others_and_storing() {
    let internals = start().await;
    let host = authority(&internals);
    let session = cookie(&enter(&internals, &[]).await);
    let allowed = [("Host", &*host), ("Cookie", &*session)];
    let refused = [("Host", "evil.example")];
    for (of, fields) in
        [("", &allowed[..]), ("main.js", &allowed), ("api/changes?since=-1", &allowed), ("", &refused)]
    {
        let answer = send(&internals, "GET", &path(&internals, of), fields, "").await;
        let policy = answer.header("content-security-policy").expect("a policy");
        for part in
            ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'none'"]
        {
            assert!(policy.contains(part), "{of}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{of}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{of}");
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"), "{of}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{of}");
    }
}
