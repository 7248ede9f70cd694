//! `ascribe visit` in a real Chromium, on made-up sites.

mod common;

use std::{
    fs,
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use ascribe_reports::PrivateKeySet;
use ascribe_test_sites::{Reply, Site, Sites};
use common::{Run, ascribe, run};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

const SOURCE: &str = "Attribution-Reporting-Register-Source";
const TRIGGER: &str = "Attribution-Reporting-Register-Trigger";
const REPORTS: &str = "/.well-known/attribution-reporting/*";
const EVENT_LEVEL: &str = "/.well-known/attribution-reporting/report-event-attribution";
const AGGREGATABLE: &str = "/.well-known/attribution-reporting/report-aggregate-attribution";
const PRIVATE_KEYS: &str = r#"{"keys": [{"id": "key of the tests", "private_key": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="}]}"#;

/// A publisher, a shop, an ad-tech, and the coordinator's keys.
struct World {
    sites: Sites,
    news: Site,
    shop: Site,
    ads: Site,
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let sites = Sites::start().expect("started");
        let keys = PrivateKeySet::parse(PRIVATE_KEYS.as_bytes()).expect("a key");
        let path = "/.well-known/aggregation-service/v1/public-keys";
        sites.site("coordinator.test").reply(path, Reply::json(keys.public().to_json()));
        let folder = tempdir().expect("a folder");
        fs::write(folder.path().join("ca.pem"), sites.ca_pem()).expect("written");
        let site = |host| sites.site(host);
        let (news, shop, ads) = (site("news.test"), site("shop.test"), site("ads.test"));
        ads.reply(REPORTS, Reply::ok());
        Self { news, shop, ads, folder, sites }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, json: &Value) -> String {
        fs::write(self.path(name), json.to_string()).expect("written");
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    /// A page of the publisher's, and a visit to it.
    fn visit(&self, html: &str, more: &[&str]) -> Run {
        self.news.reply("/", Reply::html(html));
        let (host_map, ca) = (self.sites.host_map(), self.path("ca.pem"));
        let url = self.news.url("/");
        let fixed = [
            "visit",
            &url,
            "--host-map",
            &host_map,
            "--ca-cert",
            ca.to_str().expect("UTF-8"),
            "--coordinator",
            "https://coordinator.test",
        ];
        let args: Vec<_> = fixed.iter().chain(more).copied().collect();
        let path = std::env::var_os("PATH").expect("a PATH");
        ascribe(&args).env("PATH", path).output().expect("runs").into()
    }

    /// An ad that leads through the ad-tech's server to the shop, where a pixel tells of the purchase.
    fn campaign(&self) -> &'static str {
        self.ads.reply("/click", Reply::redirect("https://shop.test/thanks").header(SOURCE, source("1")));
        self.ads.reply("/pixel", Reply::image().header(TRIGGER, trigger("3")));
        self.shop.reply("/thanks", Reply::html("<img src=https://ads.test/pixel>"));
        "<a href=https://ads.test/click attributionsrc>buy</a>"
    }
}

fn source(id: &str) -> String {
    json!({"destination": "https://shop.test", "source_event_id": id, "aggregation_keys": {"all": "0x1"}})
        .to_string()
}

fn trigger(data: &str) -> String {
    json!({
        "event_trigger_data": [{"trigger_data": data}],
        "aggregatable_trigger_data": [{"key_piece": "0x10", "source_keys": ["all"]}],
        "aggregatable_values": {"all": 5},
    })
    .to_string()
}

const NO_NOISE: [&str; 2] = ["--test-mode", "--no-noise"];

#[test]
fn a_click_a_purchase_and_the_reports_are_told() {
    let world = World::new();
    let html = world.campaign();
    let run = world.visit(html, &["--click", "a", "--advance", "30d", NO_NOISE[0], NO_NOISE[1]]);
    assert_eq!(run.code, Some(0), "{run:?}");
    for told in [
        "link https://ads.test/click",
        "Attribution-Reporting-Eligible: navigation-source",
        "✓ source stored: source-success",
        "subresource https://ads.test/pixel",
        "✓ trigger: event level attributed, aggregatable attributed",
        "report to https://ads.test/.well-known/attribution-reporting/report-event-attribution",
        "✓ answered 200",
        "2 registrations: 0 failed, 0 notes; 2 reports delivered, 0 not",
    ] {
        assert!(run.stdout.contains(told), "{told}: {}", run.stdout);
    }
    assert!(!run.stdout.contains('\x1b'), "colours are for terminals");
    assert_eq!(world.ads.received(EVENT_LEVEL).len(), 1);
    assert_eq!(world.ads.received(AGGREGATABLE).len(), 1);
}

#[test]
fn an_invalid_header_fails_with_the_path() {
    let world = World::new();
    world.ads.reply(
        "/view",
        Reply::image().header(SOURCE, r#"{"destination": "https://shop.test", "priority": 1}"#),
    );
    let run = world.visit("<img src=https://ads.test/view attributionsrc>", &[]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stdout.contains("✗ invalid Attribution-Reporting-Register-Source"), "{}", run.stdout);
    assert!(run.stdout.contains("! $[\"priority\"]: must be a string"), "{}", run.stdout);
    assert!(run.stdout.contains("1 registrations: 1 failed"), "{}", run.stdout);
}

#[test]
fn a_request_that_was_not_eligible_fails_with_what_to_do() {
    let world = World::new();
    world.ads.reply("/convert", Reply::ok().cors().header(TRIGGER, trigger("1")));
    // As the guide has it, which means a trigger and says a source.
    let html = r#"<script>
        fetch("https://ads.test/convert", {
            keepalive: true,
            attributionReporting: {eventSourceEligible: true, triggerEligible: false}
        });
    </script>"#;
    let run = world.visit(html, &[]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stdout.contains("fetch https://ads.test/convert"), "{}", run.stdout);
    assert!(run.stdout.contains("triggerEligible: true"), "{}", run.stdout);
}

#[test]
fn an_eligible_request_without_registration_is_a_note() {
    let world = World::new();
    world.ads.reply("/view", Reply::image());
    let run = world.visit("<img src=https://ads.test/view attributionsrc>", &["--json"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let told = run.json();
    assert_eq!(told["registrations"][0]["grade"], "note");
    assert_eq!(told["summary"]["notes"], 1);
}

#[test]
fn a_report_that_nobody_takes_fails() {
    let world = World::new();
    let html = world.campaign();
    world.ads.reply(EVENT_LEVEL, Reply::drop_connection());
    world.ads.reply(AGGREGATABLE, Reply::status(503));
    let run = world.visit(html, &["--click", "a", "--advance", "30d", "--json", NO_NOISE[0], NO_NOISE[1]]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let told = run.json();
    assert_eq!(told["summary"]["undelivered"], 2, "{told:#}");
    let of = |kind: &str| -> Vec<&Value> {
        let reports = told["reports"].as_array().expect("a list").iter();
        reports.filter(|report| report["url"].as_str().is_some_and(|url| url.ends_with(kind))).collect()
    };
    let lost = of("event-attribution");
    assert!(lost[0]["outcome"].as_str().is_some_and(|outcome| outcome.contains("given up")), "{told:#}");
    assert_eq!(of("aggregate-attribution").len(), 1, "any answer is final: {told:#}");
}

#[test]
fn expectations_are_compared() {
    let world = World::new();
    let html = world.campaign();
    let common = ["--click", "a", "--advance", "30d", NO_NOISE[0], NO_NOISE[1], "--expect"];
    let met = world.write(
        "met.json",
        &json!({
            "registrations": [
                {"surface": "subresource", "outcome": "trigger:*"},
                {"url": "https://ads.test/click", "headers": {SOURCE: {"source_event_id": "1"}}, "outcome": "source stored*"}],
            "reports": [
                {"payload": {"trigger_data": "3"}, "status": 200},
                {"url": "*/report-aggregate-attribution", "payload": {"histograms": [{"key": "0x11", "value": 5, "id": "0"}]}}],
            "unexpected": "forbid",
        }),
    );
    let args: Vec<_> = common.iter().copied().chain([met.as_str()]).collect();
    let run = world.visit(html, &args);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stdout.contains("0 of 6 expectations not met"), "{}", run.stdout);

    let junit = world.path("junit.xml");
    let unmet = world.write(
        "unmet.json",
        &json!({
            "registrations": [{"surface": "subresource"}],
            "reports": [{"payload": {"trigger_data": "2", "source_event_id": "1"}}],
            "unexpected": "forbid",
        }),
    );
    let more = [unmet.as_str(), "--junit", junit.to_str().expect("UTF-8")];
    let args: Vec<_> = common.iter().copied().chain(more).collect();
    let run = world.visit(html, &args);
    assert_eq!(run.code, Some(1), "{run:?}");
    for told in [
        "ok   registrations[0]",
        "FAIL reports[0]",
        "-   payload.trigger_data: \"2\"",
        "+   payload.trigger_data: \"3\"",
    ] {
        assert!(run.stdout.contains(told), "{told}: {}", run.stdout);
    }
    let cases = junit_cases(&fs::read_to_string(junit).expect("written"));
    let failed: Vec<_> = cases.iter().filter(|(_, failed)| *failed).map(|(name, _)| name.as_str()).collect();
    assert_eq!(failed, ["no other registrations", "reports[0]", "no other reports"], "{cases:?}");
    assert_eq!(cases.len(), 2 + 2 + 4, "{cases:?}");
}

/// The test cases of a JUnit file, and whether they failed.
fn junit_cases(xml: &str) -> Vec<(String, bool)> {
    use quick_xml::{Reader, events::Event};
    let mut reader = Reader::from_str(xml);
    let mut cases: Vec<(String, bool)> = Vec::new();
    loop {
        match reader.read_event().expect("well-formed") {
            Event::Start(tag) | Event::Empty(tag) if tag.name().as_ref() == b"testcase" => {
                let name = tag.try_get_attribute("name").expect("attributes").expect("a name");
                cases.push((String::from_utf8(name.value.into_owned()).expect("UTF-8"), false));
            }
            Event::Start(tag) | Event::Empty(tag) if tag.name().as_ref() == b"failure" => {
                cases.last_mut().expect("within a case").1 = true;
            }
            Event::Eof => return cases,
            _ => {}
        }
    }
}

/// `ascribe simulate --check` of a recording, which is returned.
fn check(world: &World) -> Value {
    let path = world.path("case.json");
    let text = fs::read_to_string(&path).expect("recorded");
    let checked = run(&["simulate", "--check", path.to_str().expect("UTF-8")]);
    assert_eq!(checked.code, Some(0), "{checked:?}\n{text}");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn a_recording_plays_to_the_same_reports() {
    let world = World::new();
    // Always noised; the debug copies and verbose reports go at once.
    let noised = r#"{"destination": "https://shop.test", "event_level_epsilon": 0, "debug_key": "1", "debug_reporting": true}"#;
    let honest = r#"{"destination": "https://shop.test", "debug_key": "7", "debug_reporting": true, "aggregation_keys": {"all": "0x1"}}"#;
    let trigger = json!({
        "debug_key": "8", "debug_reporting": true, "event_trigger_data": [{"trigger_data": "1"}],
        "aggregatable_trigger_data": [{"key_piece": "0x10", "source_keys": ["all"]}],
        "aggregatable_values": {"all": 5}, "aggregatable_source_registration_time": "include",
    });
    world.ads.reply("/noised", Reply::redirect("https://ads.test/honest").header(SOURCE, noised));
    world.ads.reply("/honest", Reply::image().header(SOURCE, honest));
    world.ads.reply(
        "/broken",
        Reply::image()
            .header(SOURCE, "{")
            .header("Attribution-Reporting-Info", "report-header-errors")
            // Not between the hops of the other.
            .after(Duration::from_secs(1)),
    );
    world.ads.reply("/convert", Reply::image().header(TRIGGER, trigger.to_string()));
    let pixels: String = (0..12).map(|n| format!("<img src=https://ads.test/convert?{n}>")).collect();
    world.shop.reply("/", Reply::html(pixels));
    let html =
        "<img attributionsrc src=https://ads.test/noised><img attributionsrc src=https://ads.test/broken>
        <a href=https://shop.test/>shop</a>";
    let case = world.path("case.json");
    let case = case.to_str().expect("UTF-8");
    let noise = ["--test-mode", "--seed", "5", "--third-party-cookies", "allow"];
    let actions = ["--click", "a", "--advance", "30d", "--record", case];
    let run = world.visit(html, &[&noise[..], &actions].concat());
    let recorded = check(&world);
    assert!(run.stderr.contains("everything random is known"), "{run:?}");
    assert!(!run.stderr.contains("recording may"), "{run:?}");
    let text = recorded.to_string();
    for told in [
        "randomized_response",
        "null_aggregatable_reports_days",
        "aggregatable_report_delays",
        "debug_permission",
        "header-parsing-error",
    ] {
        assert!(text.contains(told), "{told}: {recorded:#}");
    }
    let entries = recorded["input"]["registrations"].as_array().expect("a list");
    assert!(
        entries.iter().any(|entry| entry["responses"].as_array().is_some_and(|hops| hops.len() == 2)),
        "{recorded:#}"
    );
    // What the recording says was sent is what the server received.
    let reports = recorded["output"]["reports"].as_array().expect("a list");
    let received = world
        .sites
        .log()
        .matching(|request| request.path().starts_with("/.well-known/attribution-reporting/"));
    assert_eq!(reports.len(), received.len());
    let data =
        |report: &Value| (report["trigger_data"].clone(), report["scheduled_report_time"].clone()).clone();
    let mut told: Vec<_> = reports.iter().map(|report| data(&report["payload"]).0.to_string()).collect();
    let mut got: Vec<_> = received
        .iter()
        .map(|request| data(&serde_json::from_slice(&request.body).expect("JSON")).0.to_string())
        .collect();
    told.sort();
    got.sort();
    assert_eq!(told, got);
    assert_eq!(
        fs::metadata(case)
            .map(|file| std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o777)
            .expect("there"),
        0o600
    );
}

#[test]
fn what_still_waits_is_recorded_and_so_are_switches_and_cleared_data() {
    let world = World::new();
    let html = world.campaign();
    world.ads.reply("/gone", Reply::image().header("Clear-Site-Data", "\"storage\""));
    world.shop.reply("/thanks", Reply::html("<img src=https://ads.test/pixel><a href=https://ads.test/click attributionsrc id=again>again</a>"));
    let case = world.path("case.json");
    let case = case.to_str().expect("UTF-8");
    let run = world.visit(html, &["--click", "a", "--record", case]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stdout.contains("2 reports wait"), "{}", run.stdout);
    let recorded = check(&world);
    assert_eq!(recorded["output"]["reports"].as_array().map(Vec::len), Some(2), "{recorded:#}");
    assert_eq!(
        recorded["api_config"],
        json!({"aggregation_coordinator_origins": ["https://coordinator.test"]})
    );

    let html = format!("{html}<img src=https://ads.test/gone>");
    let testing = ["--test-mode", "--no-noise", "--no-delay"];
    let actions = ["--click", "a", "--advance", "1h", "--record", case];
    let run = world.visit(&html, &[&testing[..], &actions].concat());
    assert_eq!(run.code, Some(0), "{run:?}");
    let recorded = check(&world);
    assert_eq!(recorded["api_config"]["no_delay"], true);
    assert_eq!(recorded["input"]["registrations"][0]["clear_site_data"], "https://ads.test", "{recorded:#}");
    assert_eq!(recorded["output"]["reports"].as_array().map(Vec::len), Some(2), "{recorded:#}");
}

#[test]
fn a_trigger_that_waits_for_its_sources_is_told_and_recorded() {
    let world = World::new();
    world.ads.reply("/slow", Reply::ok().header(SOURCE, source("9")).after(Duration::from_millis(1500)));
    world.ads.reply("/pixel", Reply::image().header(TRIGGER, trigger("2")));
    world.shop.reply("/", Reply::html("<img src=https://ads.test/pixel>"));
    let html = "<a href=https://shop.test/ attributionsrc=https://ads.test/slow>buy</a>";
    let case = world.path("case.json");
    let case = case.to_str().expect("UTF-8");
    let run =
        world.visit(html, &["--click", "a", "--record", case, NO_NOISE[0], NO_NOISE[1], "--advance", "3d"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stdout.contains("trigger deferred"), "{}", run.stdout);
    assert!(run.stdout.contains("trigger: event level attributed"), "{}", run.stdout);
    let recorded = check(&world);
    let entries = recorded["input"]["registrations"].as_array().expect("a list");
    let url = |at: usize| &entries[at]["responses"][0]["url"];
    assert_eq!(
        (url(0), url(1)),
        (&json!("https://ads.test/slow"), &json!("https://ads.test/pixel")),
        "{recorded:#}"
    );
    assert_eq!(recorded["output"]["reports"][1]["payload"]["source_event_id"], "9", "{recorded:#}");
}

#[test]
fn clicks_go_to_the_newest_page_that_has_the_element() {
    let world = World::new();
    world.ads.reply(
        "/first",
        Reply::html("<a id=second href=https://ads.test/second attributionsrc>on</a>")
            .header(SOURCE, source("1")),
    );
    world.ads.reply("/second", Reply::html("<p class=end>").header(SOURCE, source("2")));
    world.ads.reply("/third", Reply::html("").header(SOURCE, source("3")));
    let html = "<a id=first target=_blank href=https://ads.test/first attributionsrc>popup</a>
        <a id=third href=https://ads.test/third attributionsrc>here</a>";
    let steps =
        ["--click", "#first", "--click", "#second", "--wait", ".end", "--wait", "10ms", "--click", "#third"];
    let run = world.visit(html, &[&steps[..], &["--json", "--explain"]].concat());
    assert_eq!(run.code, Some(0), "{run:?}");
    let told = run.json();
    let told = told["registrations"].as_array().expect("a list");
    let seen: Vec<_> = told.iter().map(|told| (&told["surface"], &told["page_url"], &told["url"])).collect();
    let on = |page: &str, url: &str| (json!("link"), json!(page), json!(url));
    let expected = [
        on("https://news.test/", "https://ads.test/first"),
        on("https://ads.test/first", "https://ads.test/second"),
        on("https://news.test/", "https://ads.test/third"),
    ];
    let expected: Vec<_> = expected.iter().map(|(surface, page, url)| (surface, page, url)).collect();
    assert_eq!(seen, expected, "{told:#?}");
    assert!(told[0]["steps"].as_array().is_some_and(|steps| !steps.is_empty()));
}

#[test]
fn a_browser_that_is_killed_leaves_its_recording() {
    let world = World::new();
    world.ads.reply("/view", Reply::image().header(SOURCE, source("4")));
    world.ads.reply("/pixel", Reply::image().header(TRIGGER, trigger("1")));
    world.shop.reply("/", Reply::html("<img src=https://ads.test/pixel>"));
    world.news.reply(
        "/",
        Reply::html(
            "<img attributionsrc src=https://ads.test/view onload='location = \"https://shop.test/\"'>",
        ),
    );
    let (case, ca, host_map) = (world.path("case.json"), world.path("ca.pem"), world.sites.host_map());
    let text = |path: &PathBuf| path.to_str().expect("UTF-8").to_owned();
    let (record, authority) = (text(&case), text(&ca));
    let args =
        ["browser", "https://news.test/", "--headless", "--test-mode", "--no-noise", "--record", &record];
    let mut command = ascribe(&args);
    command.args(["--host-map", &host_map, "--ca-cert", &authority]);
    // Its temporary profile is left behind.
    command.env("TMPDIR", world.folder.path()).env("PATH", std::env::var_os("PATH").expect("a PATH"));
    let mut browser = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("runs");
    let start = Instant::now();
    let recorded = loop {
        let text = fs::read_to_string(&case).unwrap_or_default();
        if text.contains("Register-Trigger") || start.elapsed() > Duration::from_secs(40) {
            break text;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    browser.kill().expect("killed");
    browser.wait().expect("ended");
    assert!(recorded.contains("Register-Trigger"), "{recorded}");
    let recorded = check(&world);
    assert_eq!(recorded["output"]["reports"].as_array().map(Vec::len), Some(2), "{recorded:#}");
}

#[test]
fn what_cannot_be_visited_is_an_error() {
    let world = World::new();
    let run = world.visit("", &["--click", "#nowhere", "--timeout", "5s"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("no element matches #nowhere"), "{run:?}");
    let run = world.visit("", &["--wait", "a[", "--timeout", "5s"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("a[ is not a CSS selector"), "{run:?}");
    let path = std::env::var_os("PATH").expect("a PATH");
    let refused = ascribe(&["visit", "http://127.0.0.1:1/", "--timeout", "20s"]).env("PATH", path).output();
    let refused = Run::from(refused.expect("runs"));
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("http://127.0.0.1:1/ does not load"), "{refused:?}");
}

#[test]
fn what_is_missing_is_named() {
    let missing = run(&["visit", "https://news.test"]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.stderr.contains("apt-get install chromium"), "{missing:?}");
    let folder = tempdir().expect("a folder");
    let file = folder.path().join("expect.json");
    fs::write(&file, r#"{"registrations": [{"surfce": "img"}]}"#).expect("written");
    let misspelt = run(&["visit", "https://news.test", "--expect", file.to_str().expect("UTF-8")]);
    assert_eq!(misspelt.code, Some(2));
    assert!(misspelt.stderr.contains("surfce is not one of surface"), "{misspelt:?}");
    assert_eq!(run(&["visit"]).code, Some(2));
    assert_eq!(run(&["visit", "https://news.test", "--advance", "soon"]).code, Some(2));
}
