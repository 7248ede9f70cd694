//! Other programs drive the same browser: Playwright does, over the TCP port.

use std::{path::Path, process::Stdio, time::Duration};

use ascribe_engine::TestSwitches;
use ascribe_test_sites::Reply;
use serde_json::Value;
use tokio::process::Command;

use crate::stage::{SOURCE, Stage, TRIGGER, Tested, json, tests};

tests![contexts_of_playwright_have_storage_of_their_own];

const EVENT_LEVEL: &str = "/.well-known/attribution-reporting/report-event-attribution";

async fn contexts_of_playwright_have_storage_of_their_own(stage: Stage) -> Tested {
    // Asked of the system, and free again when the browser takes it.
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let stage = stage
        .with_browser(|options| {
            options.port = Some(port);
            options.agent.config.test = TestSwitches::LOCAL_TESTING_MODE;
        })
        .await?;
    stage.ads.reply(EVENT_LEVEL, Reply::ok());
    stage.ads.reply("/click", Reply::redirect(&stage.shop.url("/product")).header(SOURCE, stage.source(7)));
    stage.shop.reply("/product", Reply::html("a product"));
    let link = format!(r#"<a href="{}" attributionsrc>buy</a>"#, stage.ads.url("/click"));
    stage.publisher.reply("/", Reply::html(link));
    // The query says what the trigger tells.
    stage.ads.answer("/convert", |request| {
        let data = request.query();
        Reply::image().header(TRIGGER, format!(r#"{{"event_trigger_data": [{{"trigger_data": "{data}"}}]}}"#))
    });
    let ads = stage.ads.url("/convert");
    stage.shop.answer("/thanks", move |request| {
        Reply::html(format!(r#"<img attributionsrc src="{ads}?{}">"#, request.query()))
    });
    let wrong = Reply::ok().cors().header(TRIGGER, "{}");
    stage.ads.reply("/wrong", wrong);

    let told =
        drive(port, &[&stage.publisher.url("/"), &stage.shop.url("/"), &stage.ads.url("/wrong")]).await?;

    // The first context clicked and bought, the second only bought, the third is the first one's successor.
    let queries: Vec<_> =
        stage.ads.received("/convert").iter().map(|request| request.query().to_owned()).collect();
    assert_eq!(queries, ["1", "2", "3"]);
    stage.ads.wait_for(EVENT_LEVEL).await?;
    stage.idle().await;
    let reports: Vec<_> = stage.ads.received(EVENT_LEVEL).iter().map(|report| json(report)).collect();
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert_eq!(
        (&reports[0]["source_event_id"], &reports[0]["trigger_data"]),
        (&Value::from("7"), &Value::from("1"))
    );
    let console = told["console"].to_string();
    assert!(console.contains("triggerEligible"), "mistakes are told in the page's console: {console}");
    assert_eq!(told["url"], stage.shop.url("/product"));
    Ok(())
}

/// Runs the script beside this test, and reads what it prints.
async fn drive(port: u16, urls: &[&str]) -> Result<Value, Box<dyn std::error::Error>> {
    // Where `scripts/install-chromium.sh` puts it.
    let modules = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("playwright").join("node_modules");
    if !modules.join("playwright-core").exists() {
        return Err("playwright-core is missing; install it: scripts/install-chromium.sh".into());
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/playwright/contexts.cjs");
    let mut node = Command::new("node");
    node.arg(script).arg(format!("http://127.0.0.1:{port}")).args(urls);
    node.env("NODE_PATH", modules).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(60), node.output()).await??;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        return Err(format!("{}: {out}{err}", output.status).into());
    }
    Ok(serde_json::from_str(&out)?)
}
