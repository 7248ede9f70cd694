//! Service workers: what goes through them, and what they make up.

mod common;

use ascribe_test_sites::Reply;
use common::{REGISTER_SOURCE, SOURCE, World, eligible};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_worker_makes_up_registers_nothing() {
    let mut world = World::new().await;
    let worker = format!(
        "onfetch = event => {{
            if (event.request.url.endsWith('/made-up'))
                event.respondWith(new Response('', {{headers: {{'{REGISTER_SOURCE}': '{SOURCE}'}}}}));
        }}; oninstall = () => skipWaiting(); onactivate = event => event.waitUntil(clients.claim())"
    );
    world.news.reply("/worker.js", Reply::script(worker));
    let page = world.open("").await;
    page.evaluate(
        "navigator.serviceWorker.register('/worker.js').then(() => navigator.serviceWorker.ready)
         .then(() => navigator.serviceWorker.controller || new Promise(done => navigator.serviceWorker.oncontrollerchange = done))
         .then(() => 1)",
    )
    .await
    .expect("controlled");
    let status = page
        .evaluate(
            "fetch('/made-up', {attributionReporting: {eventSourceEligible: true, triggerEligible: true}}).then(r => r.status)",
        )
        .await
        .expect("fetched");
    assert_eq!(status, 200);
    assert!(world.news.received("/made-up").is_empty());
    let attempts = world.attempts().await;
    assert!(attempts.iter().all(|attempt| attempt.registration().is_none()), "{attempts:#?}");

    page.evaluate(
        "fetch('https://ads.test/source', {mode: 'no-cors', attributionReporting: {eventSourceEligible: true, triggerEligible: true}}).then(() => 1)",
    )
    .await
    .expect("fetched");
    let received = world.ads.wait_for("/source").await.expect("received");
    assert_eq!(eligible(&received), Some("event-source, trigger"));
    world.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_worker_passes_on_is_eligible_as_its_element_is() {
    let mut world = World::new().await;
    let worker = "onfetch = event => {
        const url = new URL(event.request.url);
        if (url.search === '?passed') event.respondWith(fetch(event.request));
        if (url.search === '?anew') event.respondWith(fetch(url, {mode: 'no-cors', credentials: 'include'}));
    }; oninstall = () => skipWaiting(); onactivate = event => event.waitUntil(clients.claim())";
    world.news.reply("/worker.js", Reply::script(worker));
    let script = Reply::script("").header(REGISTER_SOURCE, SOURCE);
    world.ads.reply("/script", script);
    let page = world.open("").await;
    page.evaluate(
        "navigator.serviceWorker.register('/worker.js').then(() => navigator.serviceWorker.ready)
         .then(() => navigator.serviceWorker.controller || new Promise(done => navigator.serviceWorker.oncontrollerchange = done))
         .then(() => 1)",
    )
    .await
    .expect("controlled");
    world.attempts().await;
    page.evaluate(
        "document.body.innerHTML = `<img src='https://ads.test/source?passed' attributionsrc>
            <img src='https://ads.test/plain?passed'><img src='https://ads.test/source?anew' attributionsrc>`;
         const script = document.createElement('script');
         script.setAttribute('attributionsrc', '');
         script.src = 'https://ads.test/script?passed';
         document.body.append(script)",
    )
    .await
    .expect("evaluated");
    world.ads.wait_for_many("/source", 2).await.expect("asked for");
    world.ads.wait_for("/plain").await.expect("asked for");
    world.ads.wait_for("/script").await.expect("asked for");
    let sent = |target: &str| {
        let received = world.sites.log().matching(|received| received.target == target);
        assert_eq!(received.len(), 1, "{target}");
        eligible(&received[0]).map(str::to_owned)
    };
    let both = Some("event-source, trigger".to_owned());
    assert_eq!(
        [sent("/source?passed"), sent("/script?passed"), sent("/plain?passed"), sent("/source?anew")],
        [both.clone(), both, None, None]
    );
    let mut surfaces: Vec<_> = world
        .attempts()
        .await
        .iter()
        .filter(|attempt| matches!(attempt.registration(), Some(ascribe_agent::Registration::Source { .. })))
        .map(|attempt| (attempt.surface.to_string(), attempt.page_url.clone()))
        .collect();
    surfaces.sort();
    let of_page = |surface: &str| (surface.to_owned(), "https://news.test/".to_owned());
    assert_eq!(surfaces, [of_page("img"), of_page("script")]);
    world.browser.close().await;
}
