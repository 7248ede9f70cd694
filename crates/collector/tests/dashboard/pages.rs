//! What is shown and exported.

use ascribe_collector::{NewReport, ReportBody, ServedSource, Store};
use ascribe_headers::SourceType;
use ascribe_reports::Endpoint;
use http::{StatusCode, header};
use serde_json::Value;

use crate::{
    site::{NOW, Site},
    support::{aggregatable, client, event, verbose},
};

/// Text from outside that would be more than text, were it not escaped.
const HOSTILE: &str = r#"<script>alert(1)</script>"'><img src=x onerror=alert(1)>"#;

async fn json(site: &Site, path: &str, name: &str) -> Vec<Value> {
    let answer = site.export(path).await;
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    let mut body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    match body[name].take() {
        Value::Array(rows) => rows,
        other => panic!("{path}: {other}"),
    }
}

fn types(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["type"].as_str().unwrap()).collect()
}

fn verbose_of(body: &str, campaign: Option<u64>) -> NewReport {
    let mut report = verbose(body);
    if let ReportBody::Verbose { campaigns, .. } = &mut report.body {
        *campaigns = [campaign].into();
    }
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_appears_with_what_its_type_means() {
    let site = Site::start().await;
    let person = site.log_in().await;
    assert!(person.page("/dashboard/debug").await.contains("None. Browsers send them"));
    let report = r#"[{"type":"trigger-no-matching-source","body":{"attribution_destination":"https://shop.example"}}]"#;
    assert_eq!(site.post(Endpoint::VerboseDebug, report).await, StatusCode::OK);
    let page = person.page("/dashboard/debug").await;
    assert!(
        page.contains("trigger-no-matching-source")
            && page.contains("No source of this reporting origin is stored"),
        "{page}"
    );
    let totals = json_of(&site, "/dashboard/?type=totals&format=json").await;
    assert_eq!((&totals["debug"], &totals["header_errors"]), (&1.into(), &0.into()));
}

async fn json_of(site: &Site, path: &str) -> Value {
    serde_json::from_str(&site.export(path).await.text().await.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_campaign_of_a_debug_report_is_found_by_its_source_event_id() {
    let site = Site::start().await;
    let source = client().get(format!("{}/source/spring.gif?placement=5", site.url));
    let source = source.header("attribution-reporting-eligible", "event-source").send().await.unwrap();
    let header = source.headers()["attribution-reporting-register-source"].to_str().unwrap();
    let header: Value = serde_json::from_str(header).unwrap();
    let id = header["source_event_id"].as_str().unwrap();
    let report = format!(
        r#"[{{"type":"source-success","body":{{"source_event_id":"{id}"}}}},{{"type":"source-noised","body":{{"source_event_id":"1"}}}}]"#
    );
    assert_eq!(site.post(Endpoint::VerboseDebug, &report).await, StatusCode::OK);
    let found = json(&site, "/dashboard/debug?format=json&campaign=spring", "debug_reports").await;
    assert_eq!(types(&found), ["source-success"]);
    assert_eq!(found[0]["campaign"], "spring");
    let found =
        json(&site, &format!("/dashboard/debug?format=json&source_event_id={id}"), "debug_reports").await;
    assert_eq!(types(&found), ["source-success"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_those_of_the_page_and_of_the_export() {
    let site = Site::start().await;
    site.insert(&[
        verbose_of(
            r#"[{"type":"source-noised","body":{"attribution_destination":"https://shop.example"}}]"#,
            Some(1),
        ),
        verbose_of(
            r#"[{"type":"source-success","body":{"attribution_destination":"https://shop.test"}}]"#,
            Some(2),
        ),
    ]);
    let person = site.log_in().await;
    for (query, expected) in [
        ("", &["source-success", "source-noised"][..]),
        ("&type=source-noised", &["source-noised"]),
        ("&campaign=summer", &["source-success"]),
        ("&campaign=1", &["source-noised"]),
        ("&destination=https%3A%2F%2Fshop.test%2F", &["source-success"]),
        ("&from=2023-11-14", &["source-success", "source-noised"]),
        ("&from=2023-11-15", &[]),
        ("&until=2023-11-14", &["source-success", "source-noised"]),
        ("&until=2023-11-14T22:00", &[]),
    ] {
        let rows = json(&site, &format!("/dashboard/debug?format=json{query}"), "debug_reports").await;
        assert_eq!(types(&rows), expected, "{query}");
        let page = person.page(&format!("/dashboard/debug?{}", query.trim_start_matches('&'))).await;
        assert_eq!(page.matches("<details").count(), expected.len(), "{query}");
    }
    for wrong in
        ["from=yesterday", "campaign=winter", "source_event_id=-1", "before=x", "format=xml", "type=%00"]
    {
        assert_eq!(
            person.get(&format!("/dashboard/debug?{wrong}")).await.status(),
            StatusCode::BAD_REQUEST,
            "{wrong}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_have_pages_and_exports_go_on() {
    let site = Site::start().await;
    let reports: Vec<_> = (0..120).map(|n| event(n, Some(1), n as u64 % 8)).collect();
    site.insert(&reports);
    let person = site.log_in().await;
    let mut path = "/dashboard/campaigns?campaign=spring".to_owned();
    let mut pages = Vec::new();
    loop {
        let page = person.page(&path).await;
        pages.push(page.matches(r#"data-label="Received""#).count());
        let Some((_, next)) = page.split_once(r#"rel="next" href=""#) else { break };
        path = next.split('"').next().unwrap().replace("&amp;", "&");
        assert!(path.contains("campaign=spring"), "{path}");
    }
    assert_eq!(pages, [50, 50, 20]);
    let rows = json(&site, "/dashboard/campaigns?format=json", "event_level_reports").await;
    assert_eq!(rows.len(), 120);
    assert_eq!(
        (&rows[0]["source_event_id"], &rows[0]["campaign"]),
        (&u64::MAX.to_string().into(), &"spring".into())
    );
    let csv = site.export("/dashboard/campaigns?format=csv").await;
    assert_eq!(
        csv.headers()[header::CONTENT_DISPOSITION],
        "attachment; filename=\"event_level_reports.csv\""
    );
    let csv = csv.text().await.unwrap();
    assert_eq!(csv.lines().count(), 121);
    assert!(csv.starts_with("seq,received_at,scheduled_report_time,report_id,"), "{csv}");
}

#[tokio::test(flavor = "multi_thread")]
async fn text_from_outside_is_text() {
    let site = Site::start().await;
    let text = serde_json::to_string(HOSTILE).unwrap();
    site.insert(&[
        verbose(&format!(r#"[{{"type":{text},"body":{{"attribution_destination":{text},{text}:{text}}}}}]"#)),
        verbose(&format!(r#"[{{"type":"header-parsing-error","body":{{"context_site":{text},"header":{text},"value":{text}}}}}]"#)),
    ]);
    let person = site.log_in().await;
    let query: String = url::form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect();
    for path in [
        "/dashboard/debug".to_owned(),
        "/dashboard/headers".to_owned(),
        format!("/dashboard/debug?type={query}&destination={query}"),
        format!("/dashboard/campaigns?destination={query}"),
    ] {
        let page = person.page(&path).await;
        assert!(page.contains("&lt;script&gt;"), "{path}: it is shown");
        assert!(!page.contains("<script>alert") && !page.contains("<img src=x"), "{path}: {page}");
        assert!(!page.contains("\"'><"), "{path}: no attribute ends early");
    }
    let login = site.get(&format!("/dashboard/login?next={query}")).await.text().await.unwrap();
    assert!(!login.contains("alert(1)"));
    let csv = site.export("/dashboard/debug?format=csv").await.text().await.unwrap();
    assert!(csv.contains("\"\"\"'><img") || csv.contains(r#"""'>"#), "{csv}");
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_has_no_formulas() {
    let site = Site::start().await;
    site.insert(&[verbose(r#"[{"type":"=cmd|' /C calc'!A0","body":{}}]"#)]);
    let csv = site.export("/dashboard/debug?format=csv").await.text().await.unwrap();
    assert!(csv.contains(",'=cmd|' /C calc'!A0,"), "{csv}");
}

#[tokio::test(flavor = "multi_thread")]
async fn conversions_are_estimated_by_name_with_their_interval() {
    let site = Site::start().await;
    let reports: Vec<_> = (0..40).map(|n| event(n, Some(1), 1)).collect();
    site.insert(&reports);
    let served = ServedSource {
        campaign: 1,
        source_type: SourceType::Navigation,
        max_event_level_reports: 3,
        trigger_data: 8,
        windows: 3,
        epsilon: 14.0,
        day: 19_675,
        count: 1000,
    };
    Store::open(&site.store).unwrap().add_served(&[served]).unwrap();
    let rows = json(&site, "/dashboard/campaigns?format=json&type=estimates", "estimates").await;
    assert_eq!(rows.len(), 8);
    let purchase = &rows[1];
    assert_eq!(
        (&purchase["campaign"], &purchase["conversion"], &purchase["reports"]),
        (&"spring".into(), &"purchase".into(), &40.into())
    );
    let number = |name: &str| purchase[name].as_f64().unwrap();
    assert!(number("low") < number("estimate") && number("estimate") < number("high"), "{purchase}");
    let page = site.log_in().await.page("/dashboard/campaigns").await;
    assert!(page.contains("spring · click · purchase") && page.contains("<svg"), "the chart has names");
    assert!(!page.contains("style="), "the policy would not let it count");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_reports_and_batches_are_shown() {
    let site = Site::start().await;
    site.insert(&[
        aggregatable(1, NOW - 86_400, "https://shop.example"),
        aggregatable(2, NOW, "https://shop.test"),
    ]);
    let mut store = Store::open(&site.store).unwrap();
    let plan = ascribe_collector::BatchPlan { period_hours: 1, wait_seconds: 3600 };
    let batches = store.assign_batches(plan, ascribe_reports::Time::from_secs(NOW)).unwrap();
    assert_eq!(batches.len(), 1);
    let person = site.log_in().await;
    let page = person.page("/dashboard/aggregatable").await;
    assert!(page.contains("https://shop.test") && page.contains("being written"), "{page}");
    store.batch_written(batches[0].id, ascribe_reports::Time::from_secs(NOW)).unwrap();
    assert!(person.page("/dashboard/aggregatable").await.contains(">written<"));
    let rows = json(&site, "/dashboard/aggregatable?format=json", "batches").await;
    assert_eq!(
        (rows.len(), &rows[0]["reports"], &rows[0]["written_at"]),
        (1, &1.into(), &"2023-11-14T22:15:00Z".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_over_time_are_exported_by_step() {
    let site = Site::start().await;
    site.insert(&[event(1, None, 0), event(2, None, 0), aggregatable(3, NOW - 10, "https://shop.example")]);
    let rows = json(&site, "/dashboard/?format=json&days=1", "reports_over_time").await;
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row["endpoint"].as_str().unwrap(),
                row["reports"].as_u64().unwrap(),
                row["from"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [("event_level", 2, "2023-11-14T22:00:00Z"), ("aggregatable", 1, "2023-11-14T22:00:00Z")]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn header_errors_are_told_with_the_mistake() {
    let site = Site::start().await;
    let report = r#"[{"type":"header-parsing-error","body":{"context_site":"https://news.example","header":"Attribution-Reporting-Register-Source","value":"{\"destination\": 5}"}}]"#;
    assert_eq!(site.post(Endpoint::VerboseDebug, report).await, StatusCode::OK);
    let rows = json(&site, "/dashboard/headers?format=json", "header_errors").await;
    assert_eq!(rows[0]["header"], "Attribution-Reporting-Register-Source");
    assert!(rows[0]["problem"].as_str().unwrap().contains("destination"), "{}", rows[0]["problem"]);
    assert!(site.log_in().await.page("/dashboard/headers").await.contains("https://news.example"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_answer_is_told() {
    let site = Site::with(|options, folder| {
        options.store = ascribe_collector::StoreLocation::File(folder.join("nowhere/reports.db"));
    })
    .await;
    let answer = site.log_in().await.get("/dashboard/").await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.text().await.unwrap().contains("The store does not answer"));
}
