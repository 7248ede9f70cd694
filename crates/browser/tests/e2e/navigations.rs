//! Navigations that lead to registrations, and the triggers that wait for them.

use ascribe_browser::Click;
use ascribe_headers::Eligibility::NavigationSource;
use ascribe_test_sites::{Gate, Reply};

use crate::stage::{SOURCE, Stage, TRIGGER, Tested, eligibility, tests};

tests![
    every_hop_of_a_navigation_is_eligible_and_registers,
    a_navigation_that_becomes_a_download_registers,
    a_navigation_without_a_new_document_registers,
    a_trigger_waits_for_the_sources_of_its_landing,
    a_trigger_of_another_landing_does_not_wait,
    one_set_of_scopes_a_navigation,
    the_page_that_was_left_is_where_the_source_is_from,
    a_meta_refresh_after_the_click_is_another_navigation,
    a_form_has_no_header,
];

/// A link of the publisher's to `url` that asks `background` too, clicked.
async fn click(
    stage: &Stage,
    url: &str,
    background: &str,
) -> Result<ascribe_browser::Page, Box<dyn std::error::Error>> {
    let page = stage
        .show(&stage.publisher, &format!(r#"<a href="{url}" attributionsrc="{background}">buy</a>"#))
        .await?;
    page.click("a", Click::default()).await?;
    Ok(page)
}

async fn every_hop_of_a_navigation_is_eligible_and_registers(stage: Stage) -> Tested {
    let (ads, ads2, shop) = (&stage.ads, &stage.ads2, &stage.shop);
    ads.reply("/click", Reply::redirect(&ads2.url("/count")).header(SOURCE, stage.source(1)));
    ads2.reply(
        "/count",
        Reply::status(307).header("location", shop.url("/land#here")).header(SOURCE, stage.source(2)),
    );
    shop.reply("/land", Reply::html("landed").header(SOURCE, stage.source(3)));
    let page = click(&stage, &ads.url("/click"), "").await?;
    page.wait_for("document.body?.textContent == 'landed'").await?;
    for (site, path) in [(ads, "/click"), (ads2, "/count"), (shop, "/land")] {
        let requests = site.received(path);
        assert_eq!(requests.len(), 1, "{path}");
        assert_eq!(eligibility(&requests[0]), NavigationSource, "{path}");
        assert_eq!(requests[0].header("referer"), Some(&*stage.publisher.url("/")), "{path}");
    }
    assert_eq!(page.evaluate("location.href").await?, shop.url("/land#here"));
    assert_eq!(stage.sources().await, [1, 2, 3]);
    Ok(())
}

async fn a_navigation_that_becomes_a_download_registers(stage: Stage) -> Tested {
    let file = Reply::ok()
        .header("content-type", "application/octet-stream")
        .header("content-disposition", "attachment");
    stage.shop.reply("/file", file.body("bytes").header(SOURCE, stage.source(1)));
    click(&stage, &stage.shop.url("/file"), "").await?;
    assert_eq!(eligibility(&*stage.shop.wait_for("/file").await?), NavigationSource);
    assert_eq!(stage.sources().await, [1]);
    Ok(())
}

async fn a_navigation_without_a_new_document_registers(stage: Stage) -> Tested {
    stage.shop.reply("/nothing", Reply::status(204).header(SOURCE, stage.source(1)));
    let page = click(&stage, &stage.shop.url("/nothing"), "").await?;
    assert_eq!(eligibility(&*stage.shop.wait_for("/nothing").await?), NavigationSource);
    assert_eq!(stage.sources().await, [1]);
    assert_eq!(page.evaluate("location.href").await?, stage.publisher.url("/"));
    Ok(())
}

async fn a_trigger_waits_for_the_sources_of_its_landing(stage: Stage) -> Tested {
    let gate = Gate::new();
    let trigger = r#"{"event_trigger_data": [{"trigger_data": "5"}]}"#;
    stage.ads.reply("/background", Reply::ok().header(SOURCE, stage.source(1)).when(&gate));
    stage.ads.reply("/convert", Reply::image().header(TRIGGER, trigger));
    let landing = format!(r#"<img attributionsrc src="{}">landed"#, stage.ads.url("/convert"));
    stage.shop.reply("/land", Reply::html(landing));
    let page = click(&stage, &stage.shop.url("/land"), &stage.ads.url("/background")).await?;
    page.wait_for("document.images[0]?.complete && document.body.textContent == 'landed'").await?;
    stage.ads.wait_for("/convert").await?;
    // The conversion's answer is there, the click's is not: the trigger can only be attributed if it waits.
    gate.open();
    assert_eq!(stage.sources().await, [1]);
    assert_eq!(stage.event_reports().await, [(1, 5)]);
    Ok(())
}

async fn a_trigger_of_another_landing_does_not_wait(stage: Stage) -> Tested {
    let gate = Gate::new();
    stage.ads.reply("/background", Reply::ok().header(SOURCE, stage.source(1)).when(&gate));
    stage.ads.reply("/convert", Reply::image().header(TRIGGER, stage.trigger("at once")));
    stage.shop.reply("/land", Reply::html("landed"));
    let page = click(&stage, &stage.shop.url("/land"), &stage.ads.url("/background")).await?;
    page.wait_for("document.body?.textContent == 'landed'").await?;
    // Another page of the same shop, which no click led to.
    stage
        .shop
        .reply("/other", Reply::html(format!(r#"<img attributionsrc src="{}">"#, stage.ads.url("/convert"))));
    stage.open(&stage.shop.url("/other")).await?;
    let path = "/.well-known/attribution-reporting/report-aggregate-attribution";
    let report = stage.ads.wait_for(path).await?;
    assert_eq!(crate::stage::json(&report)["trigger_context_id"], "at once");
    gate.open();
    assert_eq!(stage.sources().await, [1]);
    Ok(())
}

async fn one_set_of_scopes_a_navigation(stage: Stage) -> Tested {
    let source = |id: u64, scope: &str| {
        format!(
            r#"{{"source_event_id": "{id}", "destination": "{}", "attribution_scopes": {{"limit": 2, "values": ["{scope}"]}}}}"#,
            stage.shop.origin()
        )
    };
    stage.ads.reply("/click", Reply::redirect("/same").header(SOURCE, source(1, "a")));
    stage.ads.reply("/same", Reply::redirect("/other").header(SOURCE, source(2, "a")));
    stage.ads.reply("/other", Reply::redirect(&stage.shop.url("/land")).header(SOURCE, source(3, "b")));
    stage.shop.reply("/land", Reply::html("landed"));
    click(&stage, &stage.ads.url("/click"), "").await?;
    stage.shop.wait_for("/land").await?;
    assert_eq!(stage.sources().await, [1, 2]);
    Ok(())
}

async fn the_page_that_was_left_is_where_the_source_is_from(stage: Stage) -> Tested {
    stage.shop.reply("/land", Reply::html("").header(SOURCE, stage.source_for(1, &stage.shop)));
    stage.ads.reply("/background", Reply::ok().header(SOURCE, stage.source(2)));
    click(&stage, &stage.shop.url("/land"), &stage.ads.url("/background")).await?;
    stage.shop.wait_for("/land").await?;
    stage.ads.wait_for("/background").await?;
    assert_eq!(stage.sources().await, [1, 2]);
    assert_eq!(stage.source_origins(), vec![stage.publisher.origin(); 2]);
    Ok(())
}

async fn a_meta_refresh_after_the_click_is_another_navigation(stage: Stage) -> Tested {
    let refresh = format!(r#"<meta http-equiv="refresh" content="0;url={}">"#, stage.shop.url("/land"));
    stage.ads.reply("/click", Reply::html(refresh).header(SOURCE, stage.source(1)));
    stage.shop.reply("/land", Reply::html("landed").header(SOURCE, stage.source(2)));
    click(&stage, &stage.ads.url("/click"), "").await?;
    assert_eq!(eligibility(&*stage.ads.wait_for("/click").await?), NavigationSource);
    assert_eq!(eligibility(&*stage.shop.wait_for("/land").await?), ascribe_headers::Eligibility::Unset);
    assert_eq!(stage.sources().await, [1]);
    Ok(())
}

async fn a_form_has_no_header(stage: Stage) -> Tested {
    stage.shop.reply("/order", Reply::html("").header(SOURCE, stage.source(1)));
    let html = format!(
        r#"<form action="{}" method="post" attributionsrc><button attributionsrc>buy</button></form>"#,
        stage.shop.url("/order")
    );
    let page = stage.show(&stage.publisher, &html).await?;
    page.navigation(page.click("button", Click::default())).await?;
    let request = stage.shop.wait_for("/order").await?;
    assert_eq!((&*request.method, eligibility(&request)), ("POST", ascribe_headers::Eligibility::Unset));
    assert!(stage.sources().await.is_empty());
    Ok(())
}
