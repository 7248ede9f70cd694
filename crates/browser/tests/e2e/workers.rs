//! The API in workers of every kind.

use ascribe_browser::Page;
use ascribe_headers::Eligibility::{EventSource, EventSourceOrTrigger, Trigger, Unset};
use ascribe_test_sites::{Reply, Site};

use crate::stage::{SOURCE, Stage, TRIGGER, Tested, eligibility, tests};

tests![
    dedicated_workers_have_the_api,
    workers_of_workers_have_the_api,
    workers_from_blobs_have_the_api,
    shared_workers_have_the_api,
    service_workers_have_the_api,
    requests_through_a_service_worker_stay_eligible,
    elements_through_a_service_worker_stay_eligible,
    navigations_through_a_service_worker_are_missed,
    worker_requests_are_not_changed_otherwise,
];

/// What a worker runs: each kind of request that can ask for something.
fn script(ads: &Site, prefix: &str) -> String {
    let origin = ads.origin();
    format!(
        "(async () => {{
            const option = {{eventSourceEligible: true, triggerEligible: false}};
            await fetch('{origin}{prefix}-fetch', {{attributionReporting: option}});
            await fetch(new Request('{origin}{prefix}-request', {{attributionReporting: option, keepalive: true}}));
            await fetch('{origin}{prefix}-plain');
            const error = await fetch('{origin}{prefix}-bad', {{attributionReporting: {{}}}}).catch(e => e.name);
            await fetch('{origin}{prefix}-end?' + error);
        }})();"
    )
}

async fn check(stage: &Stage, prefix: &str) -> Tested {
    let end = stage.ads.wait_for(&format!("{prefix}-end")).await?;
    assert_eq!(end.query(), "TypeError");
    for (name, expected) in [("fetch", EventSource), ("request", EventSource), ("plain", Unset)] {
        let requests = stage.ads.received(&format!("{prefix}-{name}"));
        assert_eq!(requests.len(), 1, "no preflight: {prefix}-{name}");
        assert_eq!(eligibility(&requests[0]), expected, "{prefix}-{name}");
    }
    assert!(stage.ads.received(&format!("{prefix}-bad")).is_empty());
    Ok(())
}

/// A page of the publisher's, whose ad tech answers every request of a worker; `-fetch` registers a source.
async fn page(stage: &Stage) -> Result<Page, Box<dyn std::error::Error>> {
    let source = stage.source(1);
    stage.ads.answer("/*", move |request| {
        let reply = Reply::ok().cors();
        if request.path().ends_with("-fetch") { reply.header(SOURCE, &*source) } else { reply }
    });
    stage.show(&stage.publisher, "").await
}

async fn dedicated_workers_have_the_api(stage: Stage) -> Tested {
    let page = page(&stage).await?;
    stage.publisher.reply("/classic.js", Reply::script(script(&stage.ads, "/classic")));
    stage.publisher.reply("/module.js", Reply::script(script(&stage.ads, "/module")));
    page.evaluate("{ new Worker('/classic.js'); new Worker('/module.js', {type: 'module'}); 0 }").await?;
    check(&stage, "/classic").await?;
    check(&stage, "/module").await?;
    assert_eq!(stage.sources().await, [1, 1]);

    let ads = stage.ads.origin();
    let xhr = format!(
        "const request = new XMLHttpRequest();
        request.open('GET', '{ads}/xhr');
        request.setAttributionReporting({{eventSourceEligible: true, triggerEligible: true}});
        request.send();"
    );
    stage.publisher.reply("/xhr.js", Reply::script(xhr));
    page.evaluate("{ new Worker('/xhr.js'); 0 }").await?;
    assert_eq!(eligibility(&*stage.ads.wait_for("/xhr").await?), EventSourceOrTrigger);
    Ok(())
}

async fn workers_of_workers_have_the_api(stage: Stage) -> Tested {
    let page = page(&stage).await?;
    stage.publisher.reply("/outer.js", Reply::script("new Worker('/inner.js')"));
    stage.publisher.reply("/inner.js", Reply::script(script(&stage.ads, "/inner")));
    page.evaluate("{ new Worker('/outer.js'); 0 }").await?;
    check(&stage, "/inner").await?;
    assert_eq!(stage.sources().await, [1]);
    Ok(())
}

async fn workers_from_blobs_have_the_api(stage: Stage) -> Tested {
    let page = page(&stage).await?;
    let text = serde_json::to_string(&script(&stage.ads, "/blob"))?;
    page.evaluate(&format!("{{ new Worker(URL.createObjectURL(new Blob([{text}]))); 0 }}")).await?;
    check(&stage, "/blob").await?;
    assert_eq!(stage.sources().await, [1]);
    Ok(())
}

async fn shared_workers_have_the_api(stage: Stage) -> Tested {
    let page = page(&stage).await?;
    stage.publisher.reply("/shared.js", Reply::script(script(&stage.ads, "/shared")));
    page.evaluate("{ window.worker = new SharedWorker('/shared.js'); 0 }").await?;
    check(&stage, "/shared").await?;
    assert_eq!(stage.sources().await, [1]);
    // The other ways of a shared worker register as well.
    stage.ads.reply("/xhr", Reply::ok().cors().header(SOURCE, stage.source(2)));
    stage.ads.reply("/pixel", Reply::ok().cors().header(TRIGGER, stage.trigger("pixel")));
    let more = format!(
        "const request = new XMLHttpRequest();
        request.open('GET', '{0}/xhr');
        request.setAttributionReporting({{eventSourceEligible: true, triggerEligible: false}});
        request.send();
        fetch('{0}/pixel');",
        stage.ads.origin()
    );
    stage.publisher.reply("/more.js", Reply::script(more));
    page.evaluate("{ window.more = new SharedWorker('/more.js'); 0 }").await?;
    stage.ads.wait_for("/xhr").await?;
    stage.ads.wait_for("/pixel").await?;
    assert_eq!(stage.sources().await, [1, 2]);
    assert_eq!(stage.triggers().await, ["pixel"]);
    Ok(())
}

/// Registers a service worker with this script, and waits until it controls the page.
async fn controlled(stage: &Stage, script: String) -> Result<Page, Box<dyn std::error::Error>> {
    let page = page(stage).await?;
    let claim = "addEventListener('install', () => skipWaiting());
        addEventListener('activate', event => event.waitUntil(clients.claim()));";
    stage.publisher.reply("/service.js", Reply::script(format!("{claim}\n{script}")));
    page.evaluate(
        "(async () => {
            const controlled = new Promise(done => navigator.serviceWorker.oncontrollerchange = done);
            await navigator.serviceWorker.register('/service.js');
            await controlled;
        })()",
    )
    .await?;
    Ok(page)
}

async fn service_workers_have_the_api(stage: Stage) -> Tested {
    let _page = controlled(&stage, script(&stage.ads, "/service")).await?;
    check(&stage, "/service").await?;
    assert_eq!(stage.sources().await, [1]);
    Ok(())
}

async fn requests_through_a_service_worker_stay_eligible(stage: Stage) -> Tested {
    let page = controlled(
        &stage,
        "addEventListener('fetch', event => event.respondWith(fetch(event.request)));".to_owned(),
    )
    .await?;
    let trigger = stage.trigger("through");
    stage.ads.reply("/through", Reply::ok().cors().header(TRIGGER, &*trigger));
    let script = format!(
        "fetch('{}', {{attributionReporting: {{eventSourceEligible: false, triggerEligible: true}}}}).then(r => r.ok)",
        stage.ads.url("/through")
    );
    page.evaluate(&script).await?;
    let requests = stage.ads.received("/through");
    assert_eq!(requests.len(), 1);
    assert_eq!(eligibility(&requests[0]), Trigger);
    assert_eq!(stage.triggers().await, ["through"]);

    Ok(())
}

async fn elements_through_a_service_worker_stay_eligible(stage: Stage) -> Tested {
    let page = controlled(
        &stage,
        "addEventListener('fetch', event => event.respondWith(fetch(event.request)));".to_owned(),
    )
    .await?;
    for (path, attribute, expected) in
        [("/image", "attributionsrc", EventSourceOrTrigger), ("/plain", "alt", Unset)]
    {
        let image = format!(
            "document.body.insertAdjacentHTML('beforeend', `<img {attribute} src='{}'>`)",
            stage.ads.url(path)
        );
        page.evaluate(&image).await?;
        assert_eq!(eligibility(&*stage.ads.wait_for(path).await?), expected, "{path}");
    }
    Ok(())
}

/// A limit: what a service worker fetches on behalf of a navigation is a request of its own.
async fn navigations_through_a_service_worker_are_missed(stage: Stage) -> Tested {
    let page = controlled(
        &stage,
        "addEventListener('fetch', event => event.respondWith(fetch(event.request)));".to_owned(),
    )
    .await?;
    stage.publisher.reply("/next", Reply::html("next").header(SOURCE, stage.source(2)));
    page.evaluate("document.body.innerHTML = '<a href=\"/next\" attributionsrc>next</a>'").await?;
    page.navigation(page.click("a", ascribe_browser::Click::default())).await?;
    assert_eq!(eligibility(&*stage.publisher.wait_for("/next").await?), Unset);
    Ok(())
}

async fn worker_requests_are_not_changed_otherwise(stage: Stage) -> Tested {
    let page = page(&stage).await?;
    let ads = stage.ads.origin();
    let script = format!(
        "(async () => {{
            await fetch('{ads}/seen?plain#b');
            const response = await fetch('{ads}/seen?a#b', {{attributionReporting: {{eventSourceEligible: true, triggerEligible: true}}}});
            const request = new Request('{ads}/r#c', {{attributionReporting: {{eventSourceEligible: true, triggerEligible: true}}}});
            const seen = () => performance.getEntriesByType('resource').map(entry => entry.name).filter(name => name.includes('/seen'));
            while (seen().length < 2) await new Promise(done => setTimeout(done));
            const [plain, ours] = seen();
            postMessage([response.url, request.url, fetch.toString(), ours === plain.replace('plain', 'a')]);
        }})();"
    );
    stage.publisher.reply("/seen.js", Reply::script(script));
    let seen = page
        .evaluate("new Promise(done => new Worker('/seen.js').onmessage = message => done(message.data))")
        .await?;
    let expected = serde_json::json!([
        format!("{ads}/seen?a"),
        format!("{ads}/r#c"),
        "function fetch() { [native code] }",
        true,
    ]);
    assert_eq!(seen, expected);
    Ok(())
}
