//! What responses register: on every hop, blocked or not, and only what their request is eligible for.

use ascribe_headers::Eligibility::{EventSource, EventSourceOrTrigger, Trigger, Unset};
use ascribe_test_sites::Reply;

use crate::stage::{ELIGIBLE, SOURCE, Stage, TRIGGER, Tested, eligibility, tests};

tests![
    every_hop_of_a_redirect_is_eligible_and_registers,
    background_requests_follow_redirects,
    redirects_keep_what_a_fetch_asked_for,
    long_chains_register_from_the_first_to_the_last,
    opaque_and_manual_redirects_register,
    responses_that_orb_blocks_register,
    responses_that_cors_blocks_register,
    errors_and_empty_answers_register,
    plain_pixels_register_triggers_alone,
    a_response_with_source_and_trigger_registers_neither,
    an_event_source_request_registers_no_trigger,
    a_navigation_to_a_page_registers_nothing,
    each_origin_registers_for_itself,
    the_wire_alone_registers,
    repeated_header_lines_are_one_value,
    early_hints_register_nothing,
];

async fn every_hop_of_a_redirect_is_eligible_and_registers(stage: Stage) -> Tested {
    let (ads, ads2) = (&stage.ads, &stage.ads2);
    ads.reply("/one", Reply::redirect(&ads2.url("/two")).header(SOURCE, stage.source(1)));
    ads2.reply("/two", Reply::redirect(&ads2.url("/three")).header(TRIGGER, stage.trigger("two")));
    ads2.reply("/three", Reply::redirect(&ads.url("/four")));
    ads.reply("/four", Reply::image().header(SOURCE, stage.source(4)));
    let html = format!(r#"<img attributionsrc src="{}">"#, ads.url("/one"));
    stage.show(&stage.publisher, &html).await?;
    for (site, path) in [(ads, "/one"), (ads2, "/two"), (ads2, "/three"), (ads, "/four")] {
        let request = site.wait_for(path).await?;
        assert_eq!(eligibility(&request), EventSourceOrTrigger, "{path}");
        assert_eq!(request.header("referer"), Some(&*stage.publisher.url("/")), "{path}");
    }
    assert_eq!(stage.sources().await, [1, 4]);
    assert_eq!(stage.triggers().await, ["two"]);
    Ok(())
}

async fn background_requests_follow_redirects(stage: Stage) -> Tested {
    let (ads, ads2) = (&stage.ads, &stage.ads2);
    ads.reply("/one", Reply::redirect(&ads2.url("/two")).header(TRIGGER, stage.trigger("one")));
    ads2.reply("/two", Reply::ok().header(TRIGGER, stage.trigger("two")));
    stage.show(&stage.shop, &format!(r#"<script attributionsrc="{}"></script>"#, ads.url("/one"))).await?;
    assert_eq!(eligibility(&*ads.wait_for("/one").await?), EventSourceOrTrigger);
    assert_eq!(eligibility(&*ads2.wait_for("/two").await?), EventSourceOrTrigger);
    assert_eq!(stage.triggers().await, ["one", "two"]);
    Ok(())
}

async fn redirects_keep_what_a_fetch_asked_for(stage: Stage) -> Tested {
    let (ads, ads2) = (&stage.ads, &stage.ads2);
    let page = stage.show(&stage.publisher, "").await?;
    for (status, method, after) in [
        (301, "GET", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
    ] {
        let (from, to) = (format!("/from-{status}"), format!("/to-{status}"));
        // A fragment of its own in the location replaces the request's.
        let location = ads2.url(&to) + "#fragment";
        let redirect = Reply::status(status).header("location", location).cors();
        ads.reply(&from, redirect.header(SOURCE, stage.source(u64::from(status))));
        ads2.reply(&to, Reply::ok().cors().header(SOURCE, stage.source(1000 + u64::from(status))));
        let body = if method == "POST" { "body: 'text'," } else { "" };
        let script = format!(
            "fetch('{}', {{method: '{method}', {body} attributionReporting: {{eventSourceEligible: true, triggerEligible: false}}}}).then(r => r.url)",
            ads.url(&from)
        );
        assert_eq!(page.evaluate(&script).await?, ads2.url(&to));
        let (first, second) = (&ads.received(&from)[0], &ads2.received(&to)[0]);
        assert_eq!((eligibility(first), eligibility(second)), (EventSource, EventSource), "{status}");
        assert_eq!((&*first.method, &*second.method), (method, after), "{status}");
        assert_eq!(ads2.received(&to).len(), 1, "no preflight: {status}");
    }
    assert_eq!(stage.sources().await, [301, 302, 303, 307, 308, 1301, 1302, 1303, 1307, 1308]);
    Ok(())
}

async fn long_chains_register_from_the_first_to_the_last(stage: Stage) -> Tested {
    let ads = &stage.ads;
    let hops: u64 = 15;
    for hop in 0..hops {
        let next = ads.url(&format!("/{}", hop + 1));
        ads.reply(&format!("/{hop}"), Reply::redirect(&next).header(SOURCE, stage.source(hop)));
    }
    ads.reply(&format!("/{hops}"), Reply::image().header(SOURCE, stage.source(hops)));
    stage.show(&stage.publisher, &format!(r#"<img attributionsrc src="{}">"#, ads.url("/0"))).await?;
    for hop in 0..=hops {
        assert_eq!(eligibility(&*ads.wait_for(&format!("/{hop}")).await?), EventSourceOrTrigger, "{hop}");
    }
    assert_eq!(stage.sources().await, (0..=hops).collect::<Vec<_>>());
    Ok(())
}

async fn opaque_and_manual_redirects_register(stage: Stage) -> Tested {
    let ads = &stage.ads;
    ads.reply("/manual", Reply::redirect("/never").cors().header(SOURCE, stage.source(1)));
    ads.reply("/error", Reply::redirect("/never").cors().header(SOURCE, stage.source(2)));
    ads.reply("/circle", Reply::redirect("/circle").header(SOURCE, stage.source(3)));
    let page = stage.show(&stage.publisher, "").await?;
    let fetch = |path: &str, options: &str| {
        format!(
            "fetch('{}', {{{options}, attributionReporting: {{eventSourceEligible: true, triggerEligible: false}}}}).then(r => r.type, e => e.name)",
            ads.url(path)
        )
    };
    assert_eq!(page.evaluate(&fetch("/manual", "redirect: 'manual'")).await?, "opaqueredirect");
    assert_eq!(page.evaluate(&fetch("/error", "redirect: 'error'")).await?, "TypeError");
    assert_eq!(page.evaluate(&fetch("/circle", "mode: 'no-cors'")).await?, "TypeError");
    assert!(ads.received("/never").is_empty());
    let circle = ads.received("/circle");
    assert_eq!(circle.len(), 21, "Chromium gives up after twenty redirects");
    assert!(circle.iter().all(|request| eligibility(request) == EventSource));
    let sources = stage.sources().await;
    assert_eq!(sources[..2], [1, 2]);
    // The last answer leads nowhere; it may register, as it has come.
    assert!([20, 21].contains(&sources[2..].len()), "{}", sources[2..].len());
    Ok(())
}

async fn responses_that_orb_blocks_register(stage: Stage) -> Tested {
    let ads = &stage.ads;
    for (id, (path, content_type)) in
        (1..).zip([("/html", "text/html"), ("/json", "application/json"), ("/text", "text/plain")])
    {
        let reply =
            Reply::ok().header("content-type", content_type).header("x-content-type-options", "nosniff");
        ads.reply(path, reply.body("<!doctype html><p>no image").header(SOURCE, stage.source(id)));
    }
    ads.reply("/redirected", Reply::redirect("/html").header(SOURCE, stage.source(4)));
    let html = ["/html", "/json", "/text", "/redirected"]
        .map(|path| format!(r#"<img attributionsrc src="{}">"#, ads.url(path)));
    let page = stage.show(&stage.publisher, &html.concat()).await?;
    ads.wait_for_many("/html", 2).await?;
    assert_eq!(page.evaluate("[...document.images].every(image => image.naturalWidth == 0)").await?, true);
    assert_eq!(stage.sources().await, [1, 1, 2, 3, 4]);
    Ok(())
}

async fn responses_that_cors_blocks_register(stage: Stage) -> Tested {
    stage.ads.reply("/source", Reply::ok().header(SOURCE, stage.source(1)));
    let page = stage.show(&stage.publisher, "").await?;
    let script = format!(
        "fetch('{}', {{attributionReporting: {{eventSourceEligible: true, triggerEligible: false}}}}).then(() => 'read', e => e.name)",
        stage.ads.url("/source")
    );
    assert_eq!(page.evaluate(&script).await?, "TypeError", "the page cannot read it");
    assert_eq!(stage.sources().await, [1]);
    Ok(())
}

async fn errors_and_empty_answers_register(stage: Stage) -> Tested {
    let statuses = [204, 404, 410, 500, 503];
    for status in statuses {
        stage.ads.reply(
            &format!("/{status}"),
            Reply::status(status).header(SOURCE, stage.source(u64::from(status))),
        );
    }
    let html =
        statuses.map(|status| format!(r#"<img attributionsrc="{}">"#, stage.ads.url(&format!("/{status}"))));
    stage.show(&stage.publisher, &html.concat()).await?;
    for status in statuses {
        stage.ads.wait_for(&format!("/{status}")).await?;
    }
    assert_eq!(stage.sources().await, statuses.map(u64::from));
    Ok(())
}

async fn plain_pixels_register_triggers_alone(stage: Stage) -> Tested {
    let ads = &stage.ads;
    ads.reply("/trigger", Reply::image().header(TRIGGER, stage.trigger("image")));
    ads.reply("/hop", Reply::redirect("/landing").header(TRIGGER, stage.trigger("hop")));
    ads.reply("/landing", Reply::image().header(TRIGGER, stage.trigger("landing")));
    ads.reply("/script", Reply::script("").header(TRIGGER, stage.trigger("script")));
    ads.reply("/fetch", Reply::ok().cors().header(TRIGGER, stage.trigger("fetch")));
    ads.reply(
        "/style",
        Reply::ok().header("content-type", "text/css").header(TRIGGER, stage.trigger("style")),
    );
    ads.reply("/source", Reply::image().header(SOURCE, stage.source(1)));
    // Here the source is no reason to ignore the trigger: it could never be registered.
    ads.reply("/both", Reply::image().header(SOURCE, stage.source(2)).header(TRIGGER, stage.trigger("both")));
    let html = format!(
        r#"<img src="{0}/trigger"><img src="{0}/hop"><script src="{0}/script"></script><script>fetch("{0}/fetch")</script>
        <link rel="stylesheet" href="{0}/style"><img src="{0}/source"><img src="{0}/both">"#,
        ads.origin()
    );
    stage.show(&stage.shop, &html).await?;
    for path in ["/trigger", "/hop", "/landing", "/script", "/fetch", "/style", "/source", "/both"] {
        assert_eq!(eligibility(&*ads.wait_for(path).await?), Unset, "{path}");
    }
    assert_eq!(stage.triggers().await, ["both", "fetch", "hop", "image", "landing", "script", "style"]);
    assert!(stage.sources().await.is_empty());
    Ok(())
}

async fn a_response_with_source_and_trigger_registers_neither(stage: Stage) -> Tested {
    let ads = &stage.ads;
    let both = Reply::image().header(SOURCE, stage.source(1)).header(TRIGGER, stage.trigger("both"));
    ads.reply("/both", both.clone());
    ads.reply("/trigger-only", both.cors());
    let page =
        stage.show(&stage.publisher, &format!(r#"<img attributionsrc src="{}">"#, ads.url("/both"))).await?;
    ads.wait_for("/both").await?;
    assert!(stage.sources().await.is_empty() && stage.triggers().await.is_empty());
    let fetch = format!(
        "fetch('{}', {{attributionReporting: {{eventSourceEligible: false, triggerEligible: true}}}}).then(() => 0)",
        ads.url("/trigger-only")
    );
    page.evaluate(&fetch).await?;
    assert_eq!(eligibility(&ads.received("/trigger-only")[0]), Trigger);
    assert_eq!(stage.triggers().await, ["both"], "it is eligible for a trigger alone, so there is no doubt");
    Ok(())
}

async fn an_event_source_request_registers_no_trigger(stage: Stage) -> Tested {
    stage.ads.reply("/trigger", Reply::ok().cors().header(TRIGGER, stage.trigger("ineligible")));
    let page = stage.show(&stage.shop, "").await?;
    let url = stage.ads.url("/trigger");
    for option in ["true, triggerEligible: false", "false, triggerEligible: false"] {
        page.evaluate(&format!(
            "fetch('{url}', {{attributionReporting: {{eventSourceEligible: {option}}}}}).then(() => 0)"
        ))
        .await?;
    }
    assert!(stage.triggers().await.is_empty());
    Ok(())
}

async fn a_navigation_to_a_page_registers_nothing(stage: Stage) -> Tested {
    let reply = || Reply::html("").header(SOURCE, stage.source(1));
    stage.publisher.reply("/", reply());
    stage.open(&stage.publisher.url("/")).await?;
    stage.publisher.reply("/trigger", Reply::html("").header(TRIGGER, stage.trigger("document")));
    stage.open(&stage.publisher.url("/trigger")).await?;
    stage.publisher.reply("/framed", reply());
    stage.show(&stage.publisher, r#"<iframe src="/framed"></iframe>"#).await?;
    assert!(stage.sources().await.is_empty());
    assert!(stage.triggers().await.is_empty());
    assert_eq!(eligibility(&*stage.publisher.wait_for("/framed").await?), Unset);
    Ok(())
}

async fn each_origin_registers_for_itself(stage: Stage) -> Tested {
    // A host of the same site is another origin; where a registration is from is where the answer is from.
    let sub = stage.site("www.ads");
    stage.ads.reply("/from", Reply::redirect(&sub.url("/to")).header(SOURCE, stage.source(1)));
    sub.reply("/to", Reply::image().header(SOURCE, stage.source(2)));
    stage
        .show(&stage.publisher, &format!(r#"<img attributionsrc src="{}">"#, stage.ads.url("/from")))
        .await?;
    sub.wait_for("/to").await?;
    stage.idle().await;
    let mut origins = stage.user_agent().view(|engine| {
        let sources = engine.state().sources().into_iter().map(|stored| &stored.source);
        sources
            .map(|source| (source.reporting_origin.to_string(), source.source_origin.to_string()))
            .collect::<Vec<_>>()
    });
    origins.retain(|(reporting, _)| *reporting == stage.ads.origin() || *reporting == sub.origin());
    origins.sort();
    // One reporting origin a day for each pair of sites: the second is dropped.
    assert_eq!(origins, [(stage.ads.origin(), stage.publisher.origin())]);
    let second = stage.attempts_at(&sub.url("/to")).await;
    assert_eq!(second.len(), 1);
    Ok(())
}

async fn the_wire_alone_registers(stage: Stage) -> Tested {
    // What a service worker makes up was never on a wire.
    let header = stage.source(1);
    let made_up = format!(
        "addEventListener('install', () => skipWaiting());
        addEventListener('activate', event => event.waitUntil(clients.claim()));
        addEventListener('fetch', event => {{
            if (event.request.url.includes('/made-up'))
                event.respondWith(new Response('', {{headers: {{'{SOURCE}': {}}}}}));
        }});",
        serde_json::to_string(&header)?
    );
    stage.publisher.reply("/service.js", Reply::script(made_up));
    let page = stage.show(&stage.publisher, "").await?;
    page.evaluate(
        "(async () => {
            const controlled = new Promise(done => navigator.serviceWorker.oncontrollerchange = done);
            await navigator.serviceWorker.register('/service.js');
            await controlled;
            const option = {attributionReporting: {eventSourceEligible: true, triggerEligible: true}};
            await fetch('/made-up', option);
            const image = new Image();
            image.attributionSrc = '';
            image.src = '/made-up.gif';
            await new Promise(done => image.onerror = image.onload = done);
        })()",
    )
    .await?;
    assert!(stage.received("/made-up").is_empty());
    assert!(stage.sources().await.is_empty());
    Ok(())
}

async fn repeated_header_lines_are_one_value(stage: Stage) -> Tested {
    // Two lines are joined with a comma, which is no JSON.
    stage.ads.reply("/twice", Reply::image().header(SOURCE, stage.source(1)).header(SOURCE, stage.source(2)));
    stage
        .show(&stage.publisher, &format!(r#"<img attributionsrc src="{}">"#, stage.ads.url("/twice")))
        .await?;
    stage.ads.wait_for("/twice").await?;
    assert!(stage.sources().await.is_empty());
    Ok(())
}

async fn early_hints_register_nothing(stage: Stage) -> Tested {
    // Informational answers are not responses: an HTTP/1.1 server that sends one by hand.
    let ads = &stage.ads;
    ads.http1_only();
    let early = format!(
        "HTTP/1.1 103 Early Hints\r\n{SOURCE}: {}\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n{TRIGGER}: {}\r\n\r\n",
        stage.source(1),
        stage.trigger("final")
    );
    ads.reply("/early", Reply::garbage(early));
    stage.show(&stage.publisher, &format!(r#"<img attributionsrc src="{}">"#, ads.url("/early"))).await?;
    let request = ads.wait_for("/early").await?;
    assert!(request.header(ELIGIBLE).is_some());
    assert_eq!(stage.triggers().await, ["final"]);
    assert!(stage.sources().await.is_empty());
    Ok(())
}
