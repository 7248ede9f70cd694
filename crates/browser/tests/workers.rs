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
    assert!(attempts.iter().all(|attempt| attempt.registration.is_none()), "{attempts:#?}");

    page.evaluate(
        "fetch('https://ads.test/source', {mode: 'no-cors', attributionReporting: {eventSourceEligible: true, triggerEligible: true}}).then(() => 1)",
    )
    .await
    .expect("fetched");
    let received = world.ads.wait_for("/source").await.expect("received");
    assert_eq!(eligible(&received), Some("event-source, trigger"));
    world.browser.close().await;
}
