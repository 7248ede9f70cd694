//! Where the API is: secure contexts, and documents whose permissions policy allows it.
//!
//! FEATURES A13 and A14. Elsewhere nothing is sent and nothing registered, silently for the page.

use ascribe_browser::Click;
use ascribe_headers::Eligibility::{EventSource, EventSourceOrTrigger, NavigationSource, Unset};
use ascribe_test_sites::{Reply, Site};

use crate::stage::{SOURCE, Stage, TRIGGER, Tested, eligibility, tests};

tests![
    an_insecure_page_has_nothing,
    an_insecure_page_on_top_leaves_its_frames_nothing,
    insecure_hops_register_nothing,
    a_page_without_permission_has_nothing,
    a_page_with_permission_for_some_allows_those,
    a_frame_without_permission_has_nothing,
    a_frame_with_permission_has_the_api,
    a_page_without_permission_gives_its_frames_none,
    a_frame_cannot_give_itself_permission,
    a_sandboxed_frame_has_the_api_of_its_page,
    credentials_decide_over_debug_keys,
    private_contexts_are_apart,
];

/// A page that tries everything that asks for something, all at `ads`; registers a source or a trigger each.
fn everything(ads: &Site) -> String {
    let origin = ads.origin();
    format!(
        r#"<a href="{origin}/link" attributionsrc="{origin}/link-background">buy</a>
        <img attributionsrc="{origin}/image-background" src="{origin}/image">
        <script attributionsrc="{origin}/script-background" src="{origin}/script"></script>
        <script>
            const option = {{eventSourceEligible: true, triggerEligible: true}};
            const attempt = run => {{ try {{ run(); }} catch {{ }} }};
            attempt(() => fetch("{origin}/fetch", {{mode: "no-cors", attributionReporting: option}}));
            attempt(() => {{
                const request = new XMLHttpRequest();
                request.open("GET", "{origin}/xhr");
                if (request.setAttributionReporting) request.setAttributionReporting(option);
                request.send();
            }});
            attempt(() => {{
                const image = new Image();
                image.attributionSrc = "{origin}/property-background";
                image.src = "{origin}/property";
            }});
        </script>"#
    )
}

const OWN_REQUESTS: [&str; 5] = ["/image", "/script", "/fetch", "/xhr", "/property"];
const BACKGROUND_REQUESTS: [&str; 3] = ["/image-background", "/script-background", "/property-background"];

fn registering(stage: &Stage) {
    stage.ads.reply("/*", Reply::image().header(SOURCE, stage.source(1)));
    stage.ads.reply("/script", Reply::script("").header(TRIGGER, stage.trigger("script")));
    stage.ads.reply("/fetch", Reply::ok().header(TRIGGER, stage.trigger("fetch")));
}

/// The page had nothing: its own requests came without header, the others not at all, nothing was registered.
async fn nothing(stage: &Stage) -> Tested {
    for path in OWN_REQUESTS {
        assert_eq!(eligibility(&*stage.ads.wait_for(path).await?), Unset, "{path}");
    }
    stage.idle().await;
    for path in BACKGROUND_REQUESTS {
        assert!(stage.ads.received(path).is_empty(), "{path}");
    }
    assert!(stage.sources().await.is_empty());
    assert!(stage.triggers().await.is_empty());
    Ok(())
}

async fn all(stage: &Stage) -> Tested {
    for path in OWN_REQUESTS.into_iter().chain(BACKGROUND_REQUESTS) {
        assert_eq!(eligibility(&*stage.ads.wait_for(path).await?), EventSourceOrTrigger, "{path}");
    }
    assert_eq!(stage.triggers().await, ["fetch", "script"]);
    Ok(())
}

async fn an_insecure_page_has_nothing(stage: Stage) -> Tested {
    registering(&stage);
    stage.publisher.no_tls().reply("/", Reply::html(everything(&stage.ads)));
    let url = stage.publisher.plain_url("/");
    let page = stage.open(&url).await?;
    assert_eq!(page.evaluate("isSecureContext").await?, false);
    nothing(&stage).await?;
    // An attribute of a secure context is not there; what looks for the feature must not find it.
    assert_eq!(page.evaluate("'attributionSrc' in HTMLImageElement.prototype").await?, false);
    assert_eq!(page.evaluate("'setAttributionReporting' in XMLHttpRequest.prototype").await?, false);
    page.navigation(page.click("a", Click::default())).await?;
    assert_eq!(eligibility(&*stage.ads.wait_for("/link").await?), Unset);
    assert!(stage.ads.received("/link-background").is_empty());
    assert!(stage.sources().await.is_empty());
    Ok(())
}

async fn an_insecure_page_on_top_leaves_its_frames_nothing(stage: Stage) -> Tested {
    registering(&stage);
    stage.shop.reply("/frame", Reply::html(everything(&stage.ads)));
    let html = format!(r#"<iframe src="{}"></iframe>"#, stage.shop.url("/frame"));
    stage.publisher.no_tls().reply("/", Reply::html(html));
    stage.open(&stage.publisher.plain_url("/")).await?;
    nothing(&stage).await
}

async fn insecure_hops_register_nothing(stage: Stage) -> Tested {
    // Chromium upgrades what a secure page loads, so the way to an insecure hop is a navigation.
    let plain = stage.site("plain");
    plain.no_tls().reply("/hop", Reply::redirect(&stage.shop.url("/land")).header(SOURCE, stage.source(1)));
    stage.shop.reply("/land", Reply::html("landed").header(SOURCE, stage.source(2)));
    let html = format!(r#"<a href="{}" attributionsrc>buy</a>"#, plain.plain_url("/hop"));
    let page = stage.show(&stage.publisher, &html).await?;
    page.navigation(page.click("a", Click::default())).await?;
    assert!(!plain.wait_for("/hop").await?.secure);
    assert_eq!(eligibility(&*stage.shop.wait_for("/land").await?), NavigationSource);
    assert_eq!(stage.sources().await, [2]);
    let diagnoses = stage.diagnoses_at(&plain.plain_url("/hop")).await.join("\n");
    assert!(diagnoses.contains("trustworthy"), "{diagnoses}");
    Ok(())
}

async fn a_page_without_permission_has_nothing(stage: Stage) -> Tested {
    registering(&stage);
    let reply = Reply::html(everything(&stage.ads)).header("permissions-policy", "attribution-reporting=()");
    stage.publisher.reply("/", reply);
    let page = stage.open(&stage.publisher.url("/")).await?;
    nothing(&stage).await?;
    page.navigation(page.click("a", Click::default())).await?;
    assert_eq!(eligibility(&*stage.ads.wait_for("/link").await?), Unset);
    assert!(stage.ads.received("/link-background").is_empty());
    assert!(stage.sources().await.is_empty());
    Ok(())
}

async fn a_page_with_permission_for_some_allows_those(stage: Stage) -> Tested {
    registering(&stage);
    let policy = format!(r#"geolocation=(), attribution-reporting=(self "{}")"#, stage.ads2.origin());
    let frames = format!(
        r#"<iframe src="{}"></iframe><iframe src="{}" allow="attribution-reporting"></iframe>"#,
        stage.shop.url("/frame"),
        stage.ads2.url("/frame"),
    );
    let fetch = |path: &str| {
        format!(
            "<script>fetch('{}', {{mode: 'no-cors', attributionReporting: {{eventSourceEligible: true, triggerEligible: false}}}})</script>",
            stage.ads.url(path)
        )
    };
    stage.shop.reply("/frame", Reply::html(fetch("/denied")));
    stage.ads2.reply("/frame", Reply::html(fetch("/allowed")));
    let html = everything(&stage.ads) + &frames;
    stage.publisher.reply("/", Reply::html(html).header("permissions-policy", policy));
    stage.open(&stage.publisher.url("/")).await?;
    all(&stage).await?;
    assert_eq!(eligibility(&*stage.ads.wait_for("/denied").await?), Unset);
    assert_eq!(eligibility(&*stage.ads.wait_for("/allowed").await?), EventSource);
    Ok(())
}

async fn a_frame_without_permission_has_nothing(stage: Stage) -> Tested {
    registering(&stage);
    stage.shop.reply("/frame", Reply::html(everything(&stage.ads)));
    let html = format!(
        r#"<iframe allow="attribution-reporting 'none'" src="{}"></iframe>"#,
        stage.shop.url("/frame")
    );
    stage.show(&stage.publisher, &html).await?;
    nothing(&stage).await
}

async fn a_frame_with_permission_has_the_api(stage: Stage) -> Tested {
    registering(&stage);
    stage.shop.reply("/frame", Reply::html(everything(&stage.ads)));
    // By default every frame has it.
    stage.show(&stage.publisher, &format!(r#"<iframe src="{}"></iframe>"#, stage.shop.url("/frame"))).await?;
    all(&stage).await
}

async fn a_page_without_permission_gives_its_frames_none(stage: Stage) -> Tested {
    registering(&stage);
    stage.shop.reply("/frame", Reply::html(everything(&stage.ads)));
    let html =
        format!(r#"<iframe allow="attribution-reporting" src="{}"></iframe>"#, stage.shop.url("/frame"));
    stage.publisher.reply("/", Reply::html(html).header("permissions-policy", "attribution-reporting=()"));
    stage.open(&stage.publisher.url("/")).await?;
    nothing(&stage).await
}

async fn a_frame_cannot_give_itself_permission(stage: Stage) -> Tested {
    registering(&stage);
    let reply = Reply::html(everything(&stage.ads)).header("permissions-policy", "attribution-reporting=*");
    stage.shop.reply("/frame", reply);
    let html = format!(
        r#"<iframe allow="attribution-reporting 'none'" src="{}"></iframe>"#,
        stage.shop.url("/frame")
    );
    stage.show(&stage.publisher, &html).await?;
    nothing(&stage).await
}

async fn a_sandboxed_frame_has_the_api_of_its_page(stage: Stage) -> Tested {
    registering(&stage);
    stage.shop.reply("/frame", Reply::html(everything(&stage.ads)));
    let html = format!(r#"<iframe sandbox="allow-scripts" src="{}"></iframe>"#, stage.shop.url("/frame"));
    stage.show(&stage.publisher, &html).await?;
    all(&stage).await
}

async fn credentials_decide_over_debug_keys(stage: Stage) -> Tested {
    let header = |id: u64| {
        format!(
            r#"{{"source_event_id": "{id}", "destination": "{}", "debug_key": "{id}"}}"#,
            stage.shop.origin()
        )
    };
    // The publisher's own ad server is no third party there.
    let own = stage.site("ads.publisher");
    own.reply("/view", Reply::image().header(SOURCE, header(1)));
    stage.ads.reply("/view", Reply::image().header(SOURCE, header(2)));
    let html = format!(
        r#"<img attributionsrc src="{}"><img attributionsrc src="{}">"#,
        own.url("/view"),
        stage.ads.url("/view")
    );
    let keys = |stage: &Stage| {
        stage.user_agent().view(|engine| {
            let sources = engine.state().sources().into_iter().map(|stored| &stored.source);
            let ours = sources.filter(|source| source.source_origin.to_string() == stage.publisher.origin());
            let mut keys: Vec<_> = ours
                .map(|source| (source.registration.source_event_id, source.registration.debug_key))
                .collect();
            keys.sort();
            keys
        })
    };
    stage.show(&stage.publisher, &html).await?;
    own.wait_for("/view").await?;
    stage.ads.wait_for("/view").await?;
    stage.idle().await;
    assert_eq!(keys(&stage), [(1, Some(1)), (2, None)]);

    let stage = stage
        .with_browser(|options| options.third_party_cookies = ascribe_browser::ThirdPartyCookies::Allow)
        .await?;
    stage.show(&stage.publisher, &html).await?;
    own.wait_for_many("/view", 2).await?;
    stage.ads.wait_for_many("/view", 2).await?;
    stage.idle().await;
    assert_eq!(keys(&stage), [(1, Some(1)), (2, Some(2))]);
    Ok(())
}

async fn private_contexts_are_apart(stage: Stage) -> Tested {
    registering(&stage);
    let html = format!(r#"<img attributionsrc src="{}">"#, stage.ads.url("/image"));
    stage.show(&stage.publisher, &html).await?;
    stage.ads.wait_for("/image").await?;
    assert_eq!(stage.sources().await, [1]);
    let other = stage.with_browser(|_| ()).await?;
    assert!(other.sources().await.is_empty(), "another profile knows nothing of it");
    Ok(())
}
