//! The page in the real browser: its tables fill, follow, and can be used with the keyboard alone.

use ascribe_browser::{Browser, Click, Internals, InternalsSettings, LaunchOptions, Page, Surface};
use ascribe_headers::Eligibility;
use ascribe_test_sites::{Reply, Sites};
use serde_json::{Value, json};

use crate::{
    browsers,
    story::{START, Sent, Story, TRIGGER},
};

/// A story, and the page that shows it.
async fn look_at(story: &Story) -> (Browser, Page) {
    let options = LaunchOptions { headless: true, ..LaunchOptions::default() };
    let browser = Browser::launch(options).await.expect("launched");
    let page = browser.open(&story.internals.page_address()).await.expect("opened");
    page.wait_for("document.querySelector('#live.good') !== null").await.expect("it is live");
    (browser, page)
}

async fn value(page: &Page, expression: &str) -> Value {
    page.evaluate(expression).await.unwrap_or_else(|error| panic!("{expression}: {error}"))
}

async fn wait_for(page: &Page, expression: &str) {
    page.wait_for(expression).await.unwrap_or_else(|error| panic!("{error}"));
}

async fn click(page: &Page, selector: &str) {
    page.click(selector, Click::default()).await.unwrap_or_else(|error| panic!("{selector}: {error}"));
}

/// Presses a key where the focus is.
async fn press(page: &Page, key: &str) {
    let event = json!({"key": key, "bubbles": true, "cancelable": true});
    value(page, &format!("document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {event}))"))
        .await;
}

fn rows(tab: &str) -> String {
    format!("document.querySelectorAll('#panel-{tab} tr[data-id]').length")
}

fn text(selector: &str) -> String {
    format!("document.querySelector('{selector}').textContent")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_loses_its_token_and_the_tables_fill() {
    let story = Story::start(false).await;
    story.conversion();
    story.user_agent.idle().await;
    let (browser, page) = look_at(&story).await;
    let address = value(&page, "location.href").await;
    assert!(!address.as_str().expect("a URL").contains("token"), "{address}");
    for (tab, count) in [
        ("sources", 1),
        ("registrations", 1),
        ("triggers", 1),
        ("event-level", 1),
        ("aggregatable", 1),
        ("debug", 1),
        ("os", 0),
        ("requests", 2),
    ] {
        click(&page, &format!("#tab-{tab}")).await;
        assert_eq!(value(&page, &rows(tab)).await, count, "{tab}");
        assert_eq!(value(&page, &text(&format!("#tab-{tab} .badge"))).await, count.to_string(), "{tab}");
    }
    click(&page, "#tab-aggregatable").await;
    click(&page, "#panel-aggregatable tr[data-id]").await;
    let histogram = value(&page, &text("#panel-aggregatable .detail tbody")).await;
    assert_eq!(histogram, "0x5166400x559327680");
    value(&page, "navigator.clipboard.writeText = async (text) => { globalThis.copied = JSON.parse(text); }")
        .await;
    click(&page, "#panel-aggregatable .copy").await;
    assert!(value(&page, "copied.shared_info").await.is_string());
    click(&page, "#panel-aggregatable .close").await;
    click(&page, "#tab-limits").await;
    assert!(value(&page, &rows("limits")).await.as_u64().is_some_and(|limits| limits > 10));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_shown_without_losing_the_selection_or_the_focus() {
    let story = Story::start(false).await;
    story.click(r#"{"destination": "https://shop.test", "source_event_id": "1"}"#);
    let (browser, page) = look_at(&story).await;
    click(&page, "#panel-sources tr[data-id]").await;
    value(&page, "document.querySelector('#panel-sources tr[data-id]').focus()").await;
    story.click(r#"{"destination": "https://shop.test", "source_event_id": "2"}"#);
    wait_for(&page, &format!("{} === 2", rows("sources"))).await;
    assert_eq!(value(&page, &text("#panel-sources [aria-selected=true] td:nth-child(2)")).await, "1");
    assert_eq!(value(&page, "document.activeElement.children[1].textContent").await, "1");
    assert_eq!(value(&page, &text("#panel-sources .detail h2")).await, "Source 1");
    // A selected report stays selected when it is sent.
    story.purchase(r#"{"event_trigger_data": [{"trigger_data": "5"}]}"#);
    click(&page, "#panel-sources .close").await;
    click(&page, "#tab-event-level").await;
    wait_for(&page, &format!("{} === 1", rows("event-level"))).await;
    click(&page, "#panel-event-level tr[data-id]").await;
    assert_eq!(value(&page, &text("#panel-event-level .detail .chip")).await, "Pending");
    story.user_agent.send_pending_now().await.expect("sent");
    wait_for(
        &page,
        "document.querySelector('#panel-event-level .detail .chip').textContent === 'Sent HTTP 200'",
    )
    .await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_buttons_send_advance_and_clear() {
    let story = Story::start(false).await;
    story.conversion();
    let (browser, page) = look_at(&story).await;
    click(&page, "#send").await;
    wait_for(&page, "document.querySelector('.toast')?.textContent === '2 reports were sent.'").await;
    click(&page, "#advance").await;
    click(&page, "#advance-dialog [data-by='2d']").await;
    click(&page, "#advance-go").await;
    wait_for(&page, "document.querySelectorAll('.toast').length === 2").await;
    assert_eq!(story.user_agent.now().since(START).as_millis(), 2 * 86_400_000);
    click(&page, "#clear").await;
    click(&page, "#clear-dialog [data-close]").await;
    assert_eq!(story.user_agent.view(|engine| engine.state().source_count()), 1, "cancelled");
    click(&page, "#clear").await;
    click(&page, "#clear-go").await;
    wait_for(&page, &format!("{} === 0", rows("sources"))).await;
    assert_eq!(story.user_agent.view(|engine| engine.state().source_count()), 0);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_reached_with_the_keyboard() {
    let story = Story::start(false).await;
    for id in 0..3 {
        let destination = format!("https://shop{id}.test");
        story.click(&json!({"destination": destination, "source_event_id": id.to_string()}).to_string());
    }
    let (browser, page) = look_at(&story).await;
    let selected_tab = text("[role=tab][aria-selected=true]");
    value(&page, "document.querySelector('#tab-sources').focus()").await;
    press(&page, "ArrowRight").await;
    assert_eq!(value(&page, &selected_tab).await, "Source registrations 3");
    press(&page, "End").await;
    assert!(value(&page, &selected_tab).await.as_str().is_some_and(|tab| tab.starts_with("Limits")));
    press(&page, "ArrowRight").await;
    assert_eq!(value(&page, &selected_tab).await, "Active sources 3");
    assert_eq!(value(&page, "document.activeElement.id").await, "tab-sources");

    press(&page, "ArrowDown").await;
    press(&page, "ArrowDown").await;
    press(&page, "Enter").await;
    assert_eq!(value(&page, "document.querySelector('#panel-sources .detail').hidden").await, false);
    let second = "document.querySelectorAll('#panel-sources tr[data-id]')[1].getAttribute('aria-selected')";
    assert_eq!(value(&page, second).await, "true");
    press(&page, "Escape").await;
    assert_eq!(value(&page, "document.querySelector('#panel-sources .detail').hidden").await, true);
    assert_eq!(value(&page, "document.activeElement.localName").await, "tr", "back where it was");
    // One row alone is reached with Tab; the arrows lead to the others.
    let reached = "document.querySelectorAll('#panel-sources tr[tabindex=\"0\"]').length";
    assert_eq!(value(&page, reached).await, 1);

    press(&page, "/").await;
    let filter = "document.activeElement.value = 'shop1'; \
                  document.activeElement.dispatchEvent(new Event('input', { bubbles: true }))";
    value(&page, filter).await;
    assert_eq!(value(&page, &rows("sources")).await, 1);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_sort_by_what_they_hold() {
    let story = Story::start(false).await;
    for priority in ["5", "-10", "40"] {
        let source = json!({"destination": "https://shop.test", "priority": priority});
        story.click(&source.to_string());
    }
    let (browser, page) = look_at(&story).await;
    let priorities = "[...document.querySelectorAll('#panel-sources td[data-label=Priority]')].map(cell => cell.textContent)";
    let heading = "#panel-sources th:nth-child(9)";
    value(&page, &format!("document.querySelector('{heading} button').click()")).await;
    assert_eq!(value(&page, priorities).await, json!(["-10", "5", "40"]));
    value(&page, &format!("document.querySelector('{heading} button').click()")).await;
    assert_eq!(value(&page, priorities).await, json!(["40", "5", "-10"]));
    let order = format!("document.querySelector('{heading}').getAttribute('aria-sort')");
    assert_eq!(value(&page, &order).await, "descending");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_pages_say_is_text_and_nothing_else() {
    let story = Story::start(false).await;
    let evil = "<img src=x onerror=\"document.title='pwned'\"><script>document.title='pwned'</script>";
    story.click(
        &json!({"destination": "https://shop.test", "filter_data": {evil[..25]: [&evil[..25]]}}).to_string(),
    );
    let trigger = json!({"event_trigger_data": [{}], "filters": {evil: [evil]}, "x": evil.repeat(100)});
    story.respond(&Sent {
        page: "https://shop.test/?<script>document.title='pwned'</script>",
        url: "https://ads.test/\"><img src=x onerror=document.title='pwned'>",
        surface: Surface::Fetch,
        eligibility: Eligibility::Trigger,
        header: (TRIGGER, &trigger.to_string()),
    });
    let (browser, page) = look_at(&story).await;
    for tab in ["sources", "triggers", "requests"] {
        click(&page, &format!("#tab-{tab}")).await;
        click(&page, &format!("#panel-{tab} tr[data-id]")).await;
        wait_for(
            &page,
            &format!("document.querySelector('#panel-{tab} .detail .content').children.length > 2"),
        )
        .await;
        click(&page, &format!("#panel-{tab} .close")).await;
    }
    assert_eq!(value(&page, "document.title").await, "Ascribe internals");
    assert_eq!(value(&page, "document.querySelectorAll('main img, main script').length").await, 0);
    let shown = value(&page, "document.querySelector('#panel-requests .content').textContent").await;
    assert!(shown.as_str().is_some_and(|shown| shown.contains("<script>document.title='pwned'</script>")));
    assert_eq!(
        value(&page, "document.documentElement.scrollWidth > innerWidth").await,
        false,
        "it is wrapped"
    );
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn less_privacy_is_shown_loudly_and_contexts_are_chosen() {
    let story = Story::start(true).await;
    story.add_context("other");
    story.conversion();
    let (browser, page) = look_at(&story).await;
    assert_eq!(value(&page, "document.querySelector('#banner').hidden").await, true);
    click(&page, "#noise").await;
    wait_for(&page, "document.querySelector('#banner.loud')?.textContent.includes('Noise is off') === true")
        .await;
    assert!(story.user_agent.view(|engine| engine.config().test.no_noise));
    value(&page, "document.querySelector('#context').value = 'other'").await;
    value(&page, "document.querySelector('#context').dispatchEvent(new Event('change'))").await;
    wait_for(&page, &format!("{} === 0", rows("sources"))).await;
    wait_for(&page, "document.querySelector('#banner').hidden").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_follows_a_browser_and_is_no_page_of_it() {
    let sites = Sites::start().expect("started");
    let settings = InternalsSettings { test_mode: false, clock_runs: true };
    let internals = Internals::start(settings).await.expect("served");
    let mut options = browsers::options(&sites);
    options.exempt_origin = Some(internals.origin());
    options.agent.config.explain = true;
    let browser = Browser::launch(options).await.expect("launched");
    let ads = sites.site("ads.test");
    let source = r#"{"destination": "https://shop.test"}"#;
    ads.reply("/source", Reply::image().header("attribution-reporting-register-source", source));
    sites.site("news.test").reply("/", Reply::html("<img attributionsrc src='https://ads.test/source'>"));
    let story = async {
        let page = browser.open(&internals.page_address()).await.expect("opened");
        wait_for(&page, "document.querySelector('#live.good') !== null").await;
        let news = browser.open(&sites.site("news.test").url("/")).await.expect("opened");
        wait_for(&page, &format!("{} === 1", rows("sources"))).await;
        wait_for(&page, "document.querySelector('#tab-registrations .badge').textContent === '1'").await;
        value(&page, "document.querySelector('#tab-registrations').click()").await;
        value(&page, "document.querySelector('#panel-registrations tr[data-id]').click()").await;
        let detail = value(&page, &text("#panel-registrations .content")).await;
        let detail = detail.as_str().expect("text");
        for shown in ["Stored.", "max pending sources per source origin", "https://news.test/", "img"] {
            assert!(detail.contains(shown), "{shown}: {detail}");
        }
        browser.idle().await;

        // The page has not the API; others have it, and cannot reach the page.
        let probe =
            "fetch(location.href, {attributionReporting: {}}).then(() => 'plain', error => error.name)";
        assert_eq!(value(&news, probe).await, "TypeError");
        assert_eq!(value(&page, probe).await, "plain");
        for reach in ["mode: 'no-cors'", "mode: 'cors'", "mode: 'no-cors', credentials: 'include'"] {
            let root = internals.origin();
            let reach = format!("fetch('{root}/', {{{reach}}}).then(() => 'reached', () => 'refused')");
            assert_eq!(value(&news, &reach).await, "refused", "{reach}");
        }
    };
    tokio::select! {
        () = story => {}
        () = internals.follow(&browser) => panic!("the browser is gone"),
    }
    browser.close().await;
}
