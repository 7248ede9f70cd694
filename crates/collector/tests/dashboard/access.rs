//! Who gets in.

use std::time::Duration;

use ascribe_collector::*;
use http::{StatusCode, header};

use crate::{
    site::{PASSWORD, Site, TOKEN, form, pause, secret_file},
    support::{campaigns, client, tls},
};

const PAGES: [&str; 7] = [
    "/dashboard/",
    "/dashboard/campaigns",
    "/dashboard/aggregatable",
    "/dashboard/jobs",
    "/dashboard/debug",
    "/dashboard/headers",
    "/dashboard/nowhere",
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_shown_before_the_login_and_metrics_stay_open() {
    let site = Site::start().await;
    for page in PAGES {
        let answer = site.get(&format!("{page}?days=7")).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{page}");
        let to = answer.headers()[header::LOCATION].to_str().unwrap();
        assert!(
            to.starts_with("/dashboard/login?next=%2Fdashboard%2F") && to.ends_with("%3Fdays%3D7"),
            "{to}"
        );
        let export = site.get(&format!("{page}?format=json")).await;
        assert_eq!(export.status(), StatusCode::UNAUTHORIZED, "{page}");
        assert!(export.headers()[header::WWW_AUTHENTICATE].to_str().unwrap().starts_with("Bearer"));
    }
    let posted = site.submit("/dashboard/jobs", form(&[("batch", "1")])).send().await.unwrap();
    assert_eq!(posted.status(), StatusCode::UNAUTHORIZED);
    for (open, status) in [("/metrics", 200), ("/health", 200), ("/dashboard/style.css", 200), ("/", 303)] {
        assert_eq!(site.get(open).await.status(), status, "{open}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_lasts_until_the_logout() {
    let site = Site::start().await;
    let answer = site.try_password(PASSWORD).await;
    assert_eq!(answer.headers()[header::LOCATION], "/dashboard/debug");
    let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
    let (value, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(value.len(), "ascribe-dashboard=".len() + 64, "{value}");
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Strict; Max-Age=43200");

    let person = site.log_in().await;
    assert_ne!(person.cookie, value, "each login has its own");
    for page in &PAGES[..6] {
        person.page(page).await;
    }
    assert_eq!(person.get("/dashboard/nowhere").await.status(), StatusCode::NOT_FOUND);
    let csrf = person.csrf().await;
    let gone = person.submit("/dashboard/logout", form(&[("csrf", &csrf)])).send().await.unwrap();
    assert_eq!(
        (gone.status(), &gone.headers()[header::LOCATION]),
        (StatusCode::SEE_OTHER, &"/dashboard/login".parse().unwrap())
    );
    assert!(gone.headers()[header::SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(
        person.get("/dashboard/").await.status(),
        StatusCode::SEE_OTHER,
        "the cookie is worth nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_are_limited_and_the_right_password_waits_too() {
    let site = Site::start().await;
    for _ in 0..5 {
        let answer = site.try_password("wrong").await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert!(answer.headers().get(header::SET_COOKIE).is_none());
    }
    for password in ["wrong", PASSWORD] {
        let answer = site.try_password(password).await;
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        let wait: u64 = answer.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_password_forgets_the_wrong_ones() {
    let site = Site::start().await;
    for _ in 0..3 {
        for _ in 0..4 {
            assert_eq!(site.try_password("wrong").await.status(), StatusCode::UNAUTHORIZED);
        }
        site.log_in().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_guesses_at_once_are_no_way_around() {
    let site = Site::start().await;
    let statuses = tokio::join!(
        site.try_password("1"),
        site.try_password("2"),
        site.try_password("3"),
        site.try_password("4"),
        site.try_password("5"),
        site.try_password("6"),
        site.try_password("7"),
        site.try_password("8"),
    );
    let (a, b, c, d, e, f, g, h) = statuses;
    let refused = [a, b, c, d, e, f, g, h]
        .iter()
        .filter(|answer| answer.status() == StatusCode::TOO_MANY_REQUESTS)
        .count();
    assert_eq!(refused, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_of_other_pages_do_nothing() {
    let site = Site::start().await;
    let person = site.log_in().await;
    let csrf = person.csrf().await;
    let with = |csrf: &str| form(&[("csrf", csrf)]);
    let url = format!("{}/dashboard/logout", site.url);
    let plain = || {
        let request = client().post(&url).header(header::COOKIE, &person.cookie).body(with(&csrf));
        request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
    };
    for (what, request) in [
        ("no origin", plain()),
        ("another origin", plain().header(header::ORIGIN, "https://evil.example")),
        ("an opaque origin", plain().header(header::ORIGIN, "null")),
        ("another port", plain().header(header::ORIGIN, "http://127.0.0.1:1")),
        ("another site", plain().header(header::ORIGIN, &site.url).header("sec-fetch-site", "cross-site")),
        ("a sibling", plain().header(header::ORIGIN, &site.url).header("sec-fetch-site", "same-site")),
        ("no token", person.submit("/dashboard/logout", String::new())),
        ("another token", person.submit("/dashboard/logout", with(&"0".repeat(64)))),
    ] {
        assert_eq!(request.send().await.unwrap().status(), StatusCode::FORBIDDEN, "{what}");
        person.page("/dashboard/").await;
    }
    let other = site.log_in().await.csrf().await;
    let foreign = person.submit("/dashboard/logout", with(&other)).send().await.unwrap();
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN, "another session's token");
    let login = client().post(format!("{}/dashboard/login", site.url)).body(form(&[("password", PASSWORD)]));
    let login = login.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    assert_eq!(login.send().await.unwrap().status(), StatusCode::FORBIDDEN, "a login, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_names_of_this_address_are_not_known() {
    let site = Site::start().await;
    let ask = async |host: &str| {
        let request = client().get(format!("{}/dashboard/login", site.url)).header(header::HOST, host);
        request.send().await.unwrap().status().as_u16()
    };
    for (host, status) in [
        ("rebound.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:9090", 421),
        ("localhost:1234", 200),
        ("[::1]:9090", 200),
    ] {
        assert_eq!(ask(host).await, status, "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_its_name_is_known_and_cookies_are_secure() {
    let site =
        Site::with(|options, _| options.origin = Some("https://dashboard.example".parse().unwrap())).await;
    let login = |origin: &'static str| {
        let request =
            client().post(format!("{}/dashboard/login", site.url)).header(header::HOST, "dashboard.example");
        let request = request.header(header::ORIGIN, origin).body(form(&[("password", PASSWORD)]));
        request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").send()
    };
    assert_eq!(login("https://evil.example").await.unwrap().status(), StatusCode::FORBIDDEN);
    let answer = login("https://dashboard.example").await.unwrap();
    let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("__Host-ascribe-dashboard=") && cookie.ends_with("; Secure"), "{cookie}");
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_in_http_2_cookies_are_secure() {
    let folder = tempfile::tempdir().unwrap();
    let store = StoreLocation::File(folder.path().join("reports.db"));
    let collector = Collector::start(campaigns(), store.clone(), Limits::default(), Clock::system()).unwrap();
    let access = Access::new(Some(PasswordHash::new(PASSWORD, [7; 16]).unwrap()));
    let options = DashboardOptions { over_tls: true, ..DashboardOptions::new(access, store) };
    let routes = Dashboard::new(&collector, options).unwrap().routes();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let (config, certificate) = tls();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let serving = collector.serve(listener, routes, Some(config), async { drop(ended.await) });
    let requests = async {
        let certificate = reqwest::Certificate::from_der(&certificate).unwrap();
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let client = client.tls_certs_only([certificate]).build().unwrap();
        let login = client.post(format!("{url}/dashboard/login")).header(header::ORIGIN, &url);
        let login = login.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = login.body(form(&[("password", PASSWORD)])).send().await.unwrap();
        assert_eq!((answer.status(), answer.version()), (StatusCode::SEE_OTHER, reqwest::Version::HTTP_2));
        let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
        assert!(cookie.starts_with("__Host-ascribe-dashboard=") && cookie.ends_with("; Secure"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap();
        let page =
            client.get(format!("{url}/dashboard/")).header(header::COOKIE, cookie).send().await.unwrap();
        assert_eq!(page.status(), StatusCode::OK);
        drop(end);
    };
    tokio::join!(serving, requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_ends_when_it_is_idle() {
    let site = Site::with(|options, _| options.idle = Duration::from_millis(1500)).await;
    let person = site.log_in().await;
    for _ in 0..3 {
        pause(700).await;
        person.page("/dashboard/style.css").await;
        person.page("/dashboard/headers").await;
    }
    pause(1600).await;
    assert_eq!(person.get("/dashboard/headers").await.status(), StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_come_with_the_token() {
    let site = Site::start().await;
    let answer = site.export("/dashboard/debug?format=json").await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/json");
    for wrong in ["", &TOKEN[1..], &TOKEN.to_uppercase()] {
        let request = client().get(format!("{}/dashboard/debug", site.url)).bearer_auth(wrong);
        assert_eq!(request.send().await.unwrap().status(), StatusCode::UNAUTHORIZED, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_strict_policy() {
    let site = Site::start().await;
    let person = site.log_in().await;
    let answers = [
        person.get("/dashboard/").await,
        person.get("/dashboard/nowhere").await,
        person.get("/dashboard/debug?from=never").await,
        person.get("/dashboard/debug?format=csv").await,
        site.get("/dashboard/login").await,
        site.get("/dashboard/style.css").await,
        site.get("/dashboard/").await,
        site.try_password("wrong").await,
    ];
    for answer in &answers {
        let header = |name: &str| answer.headers()[name].to_str().unwrap();
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self';"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "same-origin");
    }
}

#[test]
fn a_token_is_long_and_only_its_owners() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let read = || Access::new(None).with_token_file(&path);
    assert!(matches!(read(), Err(AccessError::Io { .. })));
    for wrong in ["short", "0123456789abcdef 0123456789abcdef", "é123456789abcdef0123456789abcdef"] {
        secret_file(&path, wrong);
        assert!(matches!(read(), Err(AccessError::Token { .. })), "{wrong}");
    }
    secret_file(&path, TOKEN);
    assert!(read().unwrap().is_possible());
    assert!(!Access::new(None).is_possible());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(read(), Err(AccessError::Readable { .. })));
    }
}
