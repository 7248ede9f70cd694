//! Mistakes are told, where they were made and what to do: FEATURES A23.

use ascribe_browser::Click;
use ascribe_test_sites::Reply;

use crate::stage::{SOURCE, Stage, TRIGGER, Tested, tests};

tests![
    an_invalid_source_is_told_with_its_path,
    an_invalid_trigger_is_told_with_its_path,
    an_ignored_trigger_is_told,
    an_ignored_source_is_told,
    source_and_trigger_together_are_told,
    a_missing_permission_is_told,
    an_insecure_page_is_told,
    a_missing_user_activation_is_told,
    a_link_that_only_a_script_follows_is_told,
    a_window_that_only_a_script_opens_is_told,
    an_untrustworthy_reporting_origin_is_told,
    an_invalid_info_header_is_told,
    an_ignored_os_registration_is_told,
    a_header_set_by_the_page_is_told,
    a_script_that_is_not_closed_is_told,
    too_many_background_requests_are_told_and_not_sent,
    the_thirty_first_element_is_told_until_slots_come_free,
    a_registration_without_mistake_is_not_diagnosed,
];

/// Whether one of the diagnoses at a URL has all these words.
async fn told(stage: &Stage, url: &str, words: &[&str]) -> Tested {
    let diagnoses = stage.diagnoses_at(url).await;
    let has_all = |text: &String| words.iter().all(|word| text.to_lowercase().contains(&word.to_lowercase()));
    if diagnoses.iter().any(has_all) {
        Ok(())
    } else {
        Err(format!("not told: {words:?}, but {diagnoses:?}").into())
    }
}

async fn an_invalid_source_is_told_with_its_path(stage: Stage) -> Tested {
    let header = format!(r#"{{"destination": "{}", "source_event_id": 5}}"#, stage.shop.origin());
    stage.ads.reply("/view", Reply::image().header(SOURCE, header));
    let url = stage.ads.url("/view");
    stage.show(&stage.publisher, &format!(r#"<img attributionsrc src="{url}">"#)).await?;
    stage.ads.wait_for("/view").await?;
    assert!(stage.sources().await.is_empty());
    told(&stage, &url, &["Register-Source", "source_event_id"]).await
}

async fn an_invalid_trigger_is_told_with_its_path(stage: Stage) -> Tested {
    stage
        .ads
        .reply("/convert", Reply::image().header(TRIGGER, r#"{"event_trigger_data": [{"priority": 1}]}"#));
    let url = stage.ads.url("/convert");
    stage.show(&stage.shop, &format!(r#"<img src="{url}">"#)).await?;
    stage.ads.wait_for("/convert").await?;
    told(&stage, &url, &["Register-Trigger", r#"["event_trigger_data"][0]["priority"]"#]).await
}

async fn an_ignored_trigger_is_told(stage: Stage) -> Tested {
    stage.ads.reply("/convert", Reply::ok().cors().header(TRIGGER, stage.trigger("ignored")));
    let url = stage.ads.url("/convert");
    let page = stage.show(&stage.shop, "").await?;
    page.evaluate(&format!(
        "fetch('{url}', {{attributionReporting: {{eventSourceEligible: true, triggerEligible: false}}}}).then(() => 0)"
    ))
    .await?;
    assert!(stage.triggers().await.is_empty());
    told(&stage, &url, &["trigger", "triggerEligible"]).await
}

async fn an_ignored_source_is_told(stage: Stage) -> Tested {
    stage.ads.reply("/view", Reply::image().header(SOURCE, stage.source(1)));
    let url = stage.ads.url("/view");
    stage.show(&stage.publisher, &format!(r#"<img src="{url}">"#)).await?;
    stage.ads.wait_for("/view").await?;
    assert!(stage.sources().await.is_empty());
    told(&stage, &url, &["source", "attributionsrc"]).await
}

async fn source_and_trigger_together_are_told(stage: Stage) -> Tested {
    stage.ads.reply(
        "/both",
        Reply::image().header(SOURCE, stage.source(1)).header(TRIGGER, stage.trigger("both")),
    );
    let url = stage.ads.url("/both");
    stage.show(&stage.publisher, &format!(r#"<img attributionsrc src="{url}">"#)).await?;
    stage.ads.wait_for("/both").await?;
    told(&stage, &url, &["a source and a trigger"]).await
}

async fn a_missing_permission_is_told(stage: Stage) -> Tested {
    stage.ads.reply("/view", Reply::image().header(SOURCE, stage.source(1)));
    let url = stage.ads.url("/view");
    let html = format!(r#"<img attributionsrc src="{url}">"#);
    stage.publisher.reply("/", Reply::html(html).header("permissions-policy", "attribution-reporting=()"));
    stage.open(&stage.publisher.url("/")).await?;
    stage.ads.wait_for("/view").await?;
    told(&stage, &url, &["Permissions-Policy", "attribution-reporting"]).await
}

async fn an_insecure_page_is_told(stage: Stage) -> Tested {
    stage.ads.reply("/view", Reply::image().header(SOURCE, stage.source(1)));
    let url = stage.ads.url("/view");
    stage.publisher.no_tls().reply("/", Reply::html(format!(r#"<img attributionsrc src="{url}">"#)));
    stage.open(&stage.publisher.plain_url("/")).await?;
    stage.ads.wait_for("/view").await?;
    told(&stage, &url, &["secure"]).await
}

async fn a_missing_user_activation_is_told(stage: Stage) -> Tested {
    stage.shop.reply("/land", Reply::html("").header(SOURCE, stage.source(1)));
    let url = stage.shop.url("/land");
    let page = stage.show(&stage.publisher, &format!(r#"<a href="{url}" attributionsrc>buy</a>"#)).await?;
    page.navigation(page.evaluate("document.links[0].click()")).await?;
    assert!(stage.sources().await.is_empty());
    told(&stage, &url, &["user"]).await
}

async fn a_link_that_only_a_script_follows_is_told(stage: Stage) -> Tested {
    // Nothing is registered there, so that no response could tell.
    stage.shop.reply("/land", Reply::html("landed"));
    let url = stage.shop.url("/land");
    let html = format!(
        r#"<a href="{url}" attributionsrc="{}">buy</a><a href="{}">plain</a>"#,
        stage.ads.url("/background"),
        stage.shop.url("/plain")
    );
    let page = stage.show(&stage.publisher, &html).await?;
    page.evaluate("addEventListener('click', event => event.preventDefault(), {once: true})").await?;
    page.evaluate("document.links[0].click()").await?;
    page.evaluate("document.links[1].addEventListener('click', event => event.preventDefault())").await?;
    page.evaluate("document.links[1].click()").await?;
    assert_eq!(stage.diagnoses_at(&url).await, [""; 0], "it was not followed");
    page.navigation(page.evaluate("document.links[0].click()")).await?;
    told(&stage, &url, &["user activation", "attributionsrc"]).await?;
    assert_eq!(stage.diagnoses_at(&url).await.len(), 1);
    assert_eq!(stage.diagnoses_at(&stage.shop.url("/plain")).await, [""; 0]);
    assert!(stage.ads.received("/background").is_empty());
    Ok(())
}

async fn a_window_that_only_a_script_opens_is_told(stage: Stage) -> Tested {
    stage.shop.reply("/land", Reply::html("landed"));
    let url = stage.shop.url("/land");
    let page = stage.show(&stage.publisher, "").await?;
    page.evaluate(&format!("open('{url}', '_blank', 'attributionsrc'), 0")).await?;
    told(&stage, &url, &["user activation"]).await
}

async fn an_untrustworthy_reporting_origin_is_told(stage: Stage) -> Tested {
    stage.shop.no_tls().reply("/land", Reply::html("landed").header(SOURCE, stage.source(1)));
    let url = stage.shop.plain_url("/land");
    let page = stage.show(&stage.publisher, &format!(r#"<a href="{url}" attributionsrc>buy</a>"#)).await?;
    page.navigation(page.click("a", Click::default())).await?;
    assert!(stage.sources().await.is_empty());
    told(&stage, &url, &["potentially trustworthy", "HTTPS"]).await
}

async fn an_invalid_info_header_is_told(stage: Stage) -> Tested {
    let image = Reply::image().header(SOURCE, stage.source(1));
    stage.ads.reply("/view", image.header("attribution-reporting-info", "preferred-platform=7"));
    let url = stage.ads.url("/view");
    stage.show(&stage.publisher, &format!(r#"<img attributionsrc src="{url}">"#)).await?;
    stage.ads.wait_for("/view").await?;
    assert!(stage.sources().await.is_empty());
    told(&stage, &url, &["Attribution-Reporting-Info is invalid"]).await
}

async fn an_ignored_os_registration_is_told(stage: Stage) -> Tested {
    let header = "attribution-reporting-register-os-source";
    stage.ads.reply("/view", Reply::image().header(header, format!("\"{}\"", stage.ads.url("/os"))));
    let url = stage.ads.url("/view");
    stage.show(&stage.publisher, &format!(r#"<img src="{url}">"#)).await?;
    stage.ads.wait_for("/view").await?;
    told(&stage, &url, &["Register-OS-Source is ignored"]).await
}

async fn a_header_set_by_the_page_is_told(stage: Stage) -> Tested {
    stage.publisher.reply("/data", Reply::ok());
    let page = stage.show(&stage.publisher, "").await?;
    // In an iterable that is not looked through in the page, so that it gets as far as the host.
    page.evaluate(
        "fetch('/data', {headers: new Map([['Attribution-Reporting-Eligible', 'trigger']])}).then(() => 0)",
    )
    .await?;
    assert_eq!(stage.publisher.wait_for("/data").await?.header("attribution-reporting-eligible"), None);
    told(&stage, &stage.publisher.url("/data"), &["Attribution-Reporting-Eligible", "set by the page"]).await
}

async fn a_script_that_is_not_closed_is_told(stage: Stage) -> Tested {
    stage.ads.reply("/*", Reply::script(""));
    let (open, closed) = (stage.ads.url("/open.js"), stage.ads.url("/closed.js"));
    let html = format!(
        r#"<script src="{closed}" attributionsrc></script><script src="{open}" attributionsrc /><p>swallowed</p>"#
    );
    stage.show(&stage.publisher, &html).await?;
    stage.ads.wait_for("/open.js").await?;
    told(&stage, &open, &["markup", "</script>"]).await?;
    assert!(told(&stage, &closed, &["markup"]).await.is_err());
    Ok(())
}

async fn the_thirty_first_element_is_told_until_slots_come_free(stage: Stage) -> Tested {
    let gate = ascribe_test_sites::Gate::new();
    stage.ads.reply("/first", Reply::ok().when(&gate));
    stage.ads.reply("/second", Reply::ok());
    let page = stage.show(&stage.publisher, "").await?;
    let elements = |path: &str, from: usize, to: usize| {
        let url = stage.ads.url(path);
        format!("for (let n = {from}; n < {to}; n++) new Image().attributionSrc = '{url}?' + n; 0")
    };
    page.evaluate(&elements("/first", 0, 30)).await?;
    stage.ads.wait_for_many("/first", 30).await?;
    page.evaluate(&elements("/first", 30, 31)).await?;
    gate.open();
    told(&stage, &stage.ads.url("/first?30"), &["30 background requests"]).await?;
    assert_eq!(stage.ads.received("/first").len(), 30);
    for n in 0..30 {
        let url = stage.ads.url(&format!("/first?{n}"));
        assert!(told(&stage, &url, &["30 background requests"]).await.is_err(), "thirty may be");
    }
    // All have ended: there is room for as many again, at once in one list.
    let urls: Vec<_> = (0..31).map(|n| stage.ads.url(&format!("/second?{n}"))).collect();
    page.evaluate(&format!("{{ new Image().setAttribute('attributionsrc', '{}'); 0 }}", urls.join(" ")))
        .await?;
    told(&stage, &urls[30], &["30 background requests"]).await?;
    assert_eq!(stage.ads.received("/second").len(), 30);
    assert!(told(&stage, &urls[29], &["30 background requests"]).await.is_err());
    Ok(())
}

async fn too_many_background_requests_are_told_and_not_sent(stage: Stage) -> Tested {
    let gate = ascribe_test_sites::Gate::new();
    stage.ads.reply("/many", Reply::ok().when(&gate));
    stage.ads.reply("/later", Reply::ok());
    stage
        .publisher
        .reply("/frame", Reply::html(format!(r#"<img attributionsrc="{}">"#, stage.ads.url("/frame"))));
    let page = stage.show(&stage.publisher, "").await?;
    let urls: Vec<_> = (0..40).map(|n| stage.ads.url(&format!("/many?{n}"))).collect();
    page.evaluate(&format!("{{ new Image().attributionSrc = '{}'; 0 }}", urls.join(" "))).await?;
    stage.ads.wait_for_many("/many", 30).await?;
    // Each frame has its own thirty.
    page.evaluate(
        "document.body.appendChild(Object.assign(document.createElement('iframe'), {src: '/frame'})), 0",
    )
    .await?;
    stage.ads.wait_for("/frame").await?;
    assert_eq!(stage.ads.received("/many").len(), 30);
    gate.open();
    stage.idle().await;
    assert_eq!(stage.ads.received("/many").len(), 30, "what was too much is gone");
    let mut told_of = 0;
    for url in &urls {
        told_of += usize::from(told(&stage, url, &["30"]).await.is_ok());
    }
    assert_eq!(told_of, 10);
    page.evaluate(&format!("{{ new Image().attributionSrc = '{}'; 0 }}", stage.ads.url("/later"))).await?;
    stage.ads.wait_for("/later").await?;
    Ok(())
}

async fn a_registration_without_mistake_is_not_diagnosed(stage: Stage) -> Tested {
    stage.ads.reply("/view", Reply::image().header(SOURCE, stage.source(1)));
    stage.ads.reply("/click", Reply::redirect(&stage.shop.url("/land")).header(SOURCE, stage.source(2)));
    stage.shop.reply("/land", Reply::html(""));
    let html = format!(
        r#"<img attributionsrc src="{}"><a href="{}" attributionsrc>buy</a>"#,
        stage.ads.url("/view"),
        stage.ads.url("/click")
    );
    let page = stage.show(&stage.publisher, &html).await?;
    page.navigation(page.click("a", Click::default())).await?;
    assert_eq!(stage.sources().await, [1, 2]);
    for url in [stage.ads.url("/view"), stage.ads.url("/click"), stage.shop.url("/land")] {
        assert_eq!(stage.diagnoses_at(&url).await, [""; 0], "{url}");
    }
    Ok(())
}
