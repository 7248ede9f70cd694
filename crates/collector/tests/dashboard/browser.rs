//! The dashboard in a real Chromium: somebody logs in, sees a report appear, filters, exports.
//!
//! With `ASCRIBE_PICTURES`, the path of a folder, pictures of all pages are put there, light, dark and phone-sized.

use std::{path::Path, process::Stdio, time::Duration};

use ascribe_collector::{BatchPlan, NewReport, ServedSource, Store};
use ascribe_headers::SourceType;
use ascribe_reports::Time;
use serde_json::Value;
use tokio::process::Command;

use crate::{
    jobs::{jobs, service, site_of},
    site::{NOW, PASSWORD, Site},
    support::{aggregatable, event, verbose},
};

#[tokio::test(flavor = "multi_thread")]
async fn somebody_logs_in_sees_a_report_appear_filters_and_exports() {
    let site = site_of(&service(jobs()).await).await;
    fill(&site);
    let seen = look(&site).await;
    let text = |name: &str| seen[name].as_str().unwrap_or_else(|| panic!("{name}: {seen}"));
    assert!(text("loginUrl").contains("/dashboard/login?next="), "{seen}");
    assert_eq!(text("refused"), "That is not the password.");
    assert!(text("afterLogin").ends_with("/dashboard/debug?type=source-noised"), "{seen}");
    assert_eq!(text("readableCookies"), "", "no script reads the session");
    assert_eq!(seen["countedLive"], true);
    assert!(text("filteredUrl").contains("type=trigger-no-matching-source"), "{seen}");
    assert_eq!(seen["filtered"], 1, "{seen}");
    assert!(text("explained").starts_with("No source of this reporting origin"), "{seen}");
    assert_eq!(seen["csv"]["name"], "debug_reports.csv");
    let csv = seen["csv"]["text"].as_str().unwrap();
    assert!(csv.lines().count() == 2 && csv.contains(",trigger-no-matching-source,"), "{csv}");
    let json: Value = serde_json::from_str(seen["json"]["text"].as_str().unwrap()).unwrap();
    assert_eq!(json["debug_reports"][0]["body"]["source_event_id"], "7");
    assert_eq!((text("firstStop"), text("skippedTo")), ("Skip to the content", "content"));
    assert_eq!(seen["overflowing"], Value::Array(Vec::new()), "no page is wider than its window");
    assert_eq!(seen["complaints"], Value::Array(Vec::new()), "the policy was never violated");
    assert!(text("afterLogout").ends_with("/dashboard/login"), "{seen}");
    assert!(text("afterBack").contains("/dashboard/login"), "no page is kept: {seen}");
}

/// Runs the script beside this test, and reads what it prints.
async fn look(site: &Site) -> Value {
    // Where `scripts/install-chromium.sh` puts it.
    let modules = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("playwright").join("node_modules");
    assert!(
        modules.join("playwright-core").exists(),
        "playwright-core is missing: scripts/install-chromium.sh"
    );
    let path = std::env::var_os("PATH").unwrap();
    let program = ["chromium", "chromium-browser", "google-chrome"]
        .iter()
        .flat_map(|name| std::env::split_paths(&path).map(|folder| folder.join(name)).collect::<Vec<_>>())
        .find(|program| program.exists())
        .expect("no Chromium in PATH: scripts/install-chromium.sh installs it");
    let mut node = Command::new("node");
    node.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/playwright/dashboard.cjs"));
    // A proxy of the environment would be asked for this machine, too.
    node.env_remove("http_proxy").env_remove("HTTP_PROXY");
    node.arg(program).args([&site.url, &site.url, PASSWORD]).env("NODE_PATH", modules);
    if let Some(pictures) = std::env::var_os("ASCRIBE_PICTURES") {
        node.arg(pictures);
    }
    node.stdin(Stdio::null()).kill_on_drop(true);
    let output =
        tokio::time::timeout(Duration::from_secs(150), node.output()).await.expect("in time").unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {out}{err}", output.status);
    serde_json::from_str(&out).unwrap()
}

/// A few weeks of reports.
fn fill(site: &Site) {
    let hour = |n: i64| Time::from_secs(NOW - n * 3600);
    let mut reports: Vec<NewReport> = Vec::new();
    for n in 0..900_u32 {
        // More by day than by night, and more of late.
        let hours = i64::from(n) * i64::from(n) / 4800;
        let mut report = event(
            n.into(),
            [Some(1), Some(2), None][usize::from(n % 9 == 5) + usize::from(n % 41 == 7)],
            u64::from(n % 5 % 3),
        );
        report.received_at = hour(hours);
        reports.push(report);
        if n % 3 == 0 {
            let site = if n % 4 == 0 { "https://shop.test" } else { "https://shop.example" };
            let mut report = aggregatable((10_000 + n).into(), NOW - hours * 3600 - 3000, site);
            report.received_at = hour(hours);
            reports.push(report);
        }
    }
    for (n, data_type) in [
        "source-success",
        "source-success",
        "source-success",
        "source-noised",
        "source-storage-limit",
        "trigger-no-matching-source",
        "trigger-event-deduplicated",
        "trigger-aggregate-insufficient-budget",
        "trigger-no-matching-filter-data",
        "source-success",
    ]
    .iter()
    .cycle()
    .take(60)
    .enumerate()
    {
        let body = format!(
            r#"[{{"type":"{data_type}","body":{{"attribution_destination":"https://shop.example","source_event_id":"42","source_site":"https://news.example"}}}}]"#
        );
        let mut report = verbose(&body);
        report.received_at = hour(n as i64 * 2);
        reports.push(report);
    }
    for (n, value) in [
        r#"{\"destination\": \"http://shop.example\"}"#,
        r#"{\"destination\": \"https://shop.example\", \"expiry\": \"soon\"}"#,
    ]
    .iter()
    .enumerate()
    {
        let mut report = verbose(&format!(
            r#"[{{"type":"header-parsing-error","body":{{"context_site":"https://news.example","header":"Attribution-Reporting-Register-Source","value":"{value}"}}}}]"#
        ));
        report.received_at = hour(n as i64 * 9 + 1);
        reports.push(report);
    }
    let mut store = Store::open(&site.store).unwrap();
    store.insert(&reports).unwrap();
    for (campaign, windows, trigger_data, count) in [(1, 3, 8, 40_000), (2, 2, 4, 9000)] {
        let served = ServedSource {
            campaign,
            source_type: SourceType::Navigation,
            max_event_level_reports: 3,
            trigger_data,
            windows,
            epsilon: 14.0,
            day: NOW / 86_400,
            count,
        };
        store.add_served(&[served]).unwrap();
    }
    let batches = store
        .assign_batches(BatchPlan { period_hours: 24, wait_seconds: 3600 }, Time::from_secs(NOW))
        .unwrap();
    for batch in &batches[1..] {
        store.batch_written(batch.id, Time::from_secs(NOW - 60)).unwrap();
    }
}
