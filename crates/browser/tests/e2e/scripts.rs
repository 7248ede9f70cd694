//! `attributionReporting` of `fetch` and `Request`, and `XMLHttpRequest.setAttributionReporting`.
//!
//! FEATURES A8 to A10.

use ascribe_headers::Eligibility::{self, Empty, EventSource, EventSourceOrTrigger, Trigger, Unset};
use ascribe_test_sites::{Reply, Site};

use crate::stage::{ELIGIBLE, SOURCE, Stage, TRIGGER, Tested, eligibility, tests};

tests![
    fetch_is_eligible_for_what_it_asks,
    requests_are_eligible_for_what_they_ask,
    xhr_is_eligible_for_what_it_asks,
    fetch_with_a_member_missing_throws,
    fetch_converts_members_as_dictionaries_do,
    xhr_in_the_wrong_state_throws,
    xhr_with_a_member_missing_throws,
    xhr_asks_anew_after_each_open,
    fetch_without_the_option_has_no_header,
    fetch_of_every_kind_is_eligible,
    no_preflight_is_caused,
    a_necessary_preflight_stays,
    bodies_arrive_whole,
    aborted_requests_stay_aborted,
    frames_have_the_api,
    frames_without_a_url_have_the_api,
    a_fetch_at_the_end_of_the_page_is_eligible,
    a_request_that_becomes_keepalive_outlives_its_page,
    the_member_keepalive_is_read_once,
    a_beacon_is_left_alone,
    page_set_headers_are_dropped,
    later_changes_of_the_options_do_not_count,
];

/// What is asked for, and what the request is then eligible for.
const PAIRS: [(bool, bool, Eligibility, &str); 4] = [
    (false, false, Empty, "/ff"),
    (false, true, Trigger, "/ft"),
    (true, false, EventSource, "/tf"),
    (true, true, EventSourceOrTrigger, "/tt"),
];

fn option(source: bool, trigger: bool) -> String {
    format!("{{eventSourceEligible: {source}, triggerEligible: {trigger}}}")
}

/// Answers that pages of every origin can read.
fn readable(site: &Site, path: &str, reply: Reply) {
    site.reply(path, reply.cors().header("access-control-expose-headers", "*"));
}

async fn fetch_is_eligible_for_what_it_asks(stage: Stage) -> Tested {
    let page = stage.show(&stage.publisher, "").await?;
    for (id, (source, trigger, expected, path)) in (1..).zip(PAIRS) {
        readable(&stage.ads, path, Reply::ok().header(SOURCE, stage.source(id)));
        let (url, option) = (stage.ads.url(path), option(source, trigger));
        page.evaluate(&format!("fetch('{url}', {{attributionReporting: {option}}}).then(r => r.ok)")).await?;
        let requests = stage.ads.received(path);
        assert_eq!(requests.len(), 1, "no preflight");
        assert_eq!(eligibility(&requests[0]), expected);
    }
    assert_eq!(stage.sources().await, [3, 4]);

    for (_, (source, trigger, _, path)) in (1..).zip(PAIRS) {
        readable(&stage.ads, path, Reply::ok().header(TRIGGER, stage.trigger(path)));
        let (url, option) = (stage.ads.url(path), option(source, trigger));
        page.evaluate(&format!("fetch('{url}', {{attributionReporting: {option}}}).then(r => r.ok)")).await?;
    }
    assert_eq!(stage.triggers().await, ["/ft", "/tt"]);
    Ok(())
}

async fn requests_are_eligible_for_what_they_ask(stage: Stage) -> Tested {
    let page = stage.show(&stage.publisher, "").await?;
    readable(&stage.ads, "/*", Reply::ok());
    let url = |path: &str| stage.ads.url(path);
    let option = "{attributionReporting: {eventSourceEligible: false, triggerEligible: true}}";
    let other = "{attributionReporting: {eventSourceEligible: true, triggerEligible: false}}";
    for (path, script, expected) in [
        ("/plain", format!("fetch(new Request(URL, {option}))"), Trigger),
        ("/clone", format!("fetch(new Request(URL, {option}).clone())"), Trigger),
        ("/again", format!("fetch(new Request(new Request(URL, {option})))"), Trigger),
        ("/kept", format!("fetch(new Request(URL, {option}), {{cache: 'no-store'}})"), Trigger),
        ("/other", format!("fetch(new Request(URL, {option}), {other})"), EventSource),
        ("/added", format!("fetch(new Request(URL), {option})"), Trigger),
        ("/anew", format!("fetch(new Request(new Request(URL, {option}), {other}))"), EventSource),
        ("/none", "fetch(new Request(URL))".to_owned(), Unset),
        ("/url-object", format!("fetch(new globalThis.URL(URL), {option})"), Trigger),
        ("/string-object", format!("fetch({{toString: () => URL}}, {option})"), Trigger),
        (
            "/two",
            format!("(r => fetch(r.clone()).then(() => fetch(r)))(new Request(URL, {option}))"),
            Trigger,
        ),
    ] {
        page.evaluate(&format!("(URL => {script})('{}').then(r => r.ok)", url(path))).await?;
        for request in stage.ads.received(path) {
            assert_eq!(eligibility(&request), expected, "{script}");
        }
        assert_eq!(stage.ads.received(path).len(), if path == "/two" { 2 } else { 1 }, "{script}");
    }
    Ok(())
}

async fn xhr_is_eligible_for_what_it_asks(stage: Stage) -> Tested {
    let page = stage.show(&stage.publisher, "").await?;
    for (source, trigger, expected, path) in PAIRS {
        readable(&stage.ads, path, Reply::html("answer").header(TRIGGER, stage.trigger(path)));
        let script = format!(
            "new Promise(done => {{
                const request = new XMLHttpRequest();
                request.open('GET', '{}');
                request.setAttributionReporting({});
                request.onloadend = () => done(request.responseText);
                request.send();
            }})",
            stage.ads.url(path),
            option(source, trigger)
        );
        assert_eq!(page.evaluate(&script).await?, "answer");
        let requests = stage.ads.received(path);
        assert_eq!(requests.len(), 1, "no preflight");
        assert_eq!(eligibility(&requests[0]), expected);
    }
    // A synchronous one too.
    readable(&stage.ads, "/sync", Reply::html("answer"));
    let script = format!(
        "(() => {{
            const request = new XMLHttpRequest();
            request.open('GET', '{}', false);
            request.setAttributionReporting({});
            request.send();
            return request.responseText;
        }})()",
        stage.ads.url("/sync"),
        option(false, true)
    );
    assert_eq!(page.evaluate(&script).await?, "answer");
    assert_eq!(eligibility(&stage.ads.received("/sync")[0]), Trigger);
    assert_eq!(stage.triggers().await, ["/ft", "/tt"]);
    Ok(())
}

/// Values of the option that are no `AttributionReportingRequestOptions`.
const NOT_OPTIONS: [&str; 8] = [
    "{}",
    "{eventSourceEligible: true}",
    "{triggerEligible: true}",
    "{eventSourceEligible: undefined, triggerEligible: true}",
    "'text'",
    "5",
    "true",
    "Symbol()",
];

async fn fetch_with_a_member_missing_throws(stage: Stage) -> Tested {
    readable(&stage.ads, "/*", Reply::ok());
    let page = stage.show(&stage.publisher, "").await?;
    let url = stage.ads.url("/");
    for options in NOT_OPTIONS {
        let name = page.evaluate(&format!(
            "fetch('{url}', {{attributionReporting: {options}}}).then(() => 'none', error => error.constructor === TypeError && error.name)"
        )).await?;
        assert_eq!(name, "TypeError", "fetch rejects {options}");
        let name = page.evaluate(&format!(
            "(() => {{ try {{ new Request('{url}', {{attributionReporting: {options}}}); return 'none'; }} catch (error) {{ return error.name; }} }})()"
        )).await?;
        assert_eq!(name, "TypeError", "Request throws for {options}");
    }
    // null is an empty dictionary, as everywhere: its members are missing.
    let null = page
        .evaluate(&format!("fetch('{url}', {{attributionReporting: null}}).then(() => 'none', e => e.name)"))
        .await?;
    assert_eq!(null, "TypeError");
    let thrown = page.evaluate(&format!(
        "fetch('{url}', {{get attributionReporting() {{ throw new RangeError('mine'); }}}}).catch(e => e.message)"
    )).await?;
    assert_eq!(thrown, "mine");
    stage.idle().await;
    assert!(stage.ads.received("/").is_empty(), "nothing was sent");
    Ok(())
}

async fn fetch_converts_members_as_dictionaries_do(stage: Stage) -> Tested {
    readable(&stage.ads, "/*", Reply::ok());
    let page = stage.show(&stage.publisher, "").await?;
    for (number, (options, expected)) in [
        ("{eventSourceEligible: 1, triggerEligible: 0}", EventSource),
        ("{eventSourceEligible: '', triggerEligible: 'false'}", Trigger),
        ("{eventSourceEligible: null, triggerEligible: NaN}", Empty),
        ("Object.create({eventSourceEligible: true, triggerEligible: true})", EventSourceOrTrigger),
        (
            "Object.assign(() => {}, {eventSourceEligible: true, triggerEligible: false, more: 1})",
            EventSource,
        ),
        ("{eventSourceEligible: [], get triggerEligible() { return {}; }}", EventSourceOrTrigger),
        ("undefined", Unset),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/{number}");
        let url = stage.ads.url(&path);
        page.evaluate(&format!("fetch('{url}', {{attributionReporting: {options}}}).then(r => r.ok)"))
            .await?;
        assert_eq!(eligibility(&stage.ads.received(&path)[0]), expected, "{options}");
    }
    let order = page
        .evaluate(&format!(
            "(() => {{
            const read = [];
            const options = {{
                get triggerEligible() {{ read.push('trigger'); return true; }},
                get eventSourceEligible() {{ read.push('source'); return true; }},
            }};
            return fetch('{}', {{attributionReporting: options}}).then(() => read.join());
        }})()",
            stage.ads.url("/order")
        ))
        .await?;
    assert_eq!(order, "source,trigger", "each once, in the order of the alphabet");
    Ok(())
}

async fn xhr_in_the_wrong_state_throws(stage: Stage) -> Tested {
    readable(&stage.ads, "/*", Reply::ok());
    let page = stage.show(&stage.publisher, "").await?;
    let script = format!(
        "new Promise(done => {{
            const option = {{eventSourceEligible: false, triggerEligible: true}};
            const names = [];
            const attempt = request => {{
                try {{ request.setAttributionReporting(option); names.push('none'); }}
                catch (error) {{ names.push(`${{error instanceof DOMException}} ${{error.name}}`); }}
            }};
            const request = new XMLHttpRequest();
            attempt(request);
            request.open('GET', '{}');
            attempt(request);
            request.send();
            attempt(request);
            request.onload = () => {{
                attempt(request);
                request.open('GET', '/');
                attempt(request);
                request.abort();
                done(names);
            }};
        }})",
        stage.ads.url("/")
    );
    let invalid = "true InvalidStateError";
    let expected = serde_json::json!([invalid, "none", invalid, invalid, "none"]);
    assert_eq!(page.evaluate(&script).await?, expected);
    Ok(())
}

async fn xhr_with_a_member_missing_throws(stage: Stage) -> Tested {
    readable(&stage.ads, "/", Reply::ok());
    let page = stage.show(&stage.publisher, "").await?;
    for options in NOT_OPTIONS.into_iter().chain(["", "null", "undefined"]) {
        let script = format!(
            "new Promise(done => {{
                const request = new XMLHttpRequest();
                request.open('GET', '{}');
                let name = 'none';
                try {{ request.setAttributionReporting({options}); }} catch (error) {{ name = error.name; }}
                request.onload = () => done(name);
                request.send();
            }})",
            stage.ads.url("/")
        );
        assert_eq!(page.evaluate(&script).await?, "TypeError", "{options}");
    }
    let requests = stage.ads.received("/");
    assert_eq!(requests.len(), 11);
    assert!(requests.iter().all(|request| eligibility(request) == Unset), "what threw has changed nothing");
    // The type is looked at before the state.
    let unopened = page
        .evaluate("try { new XMLHttpRequest().setAttributionReporting({}); } catch (e) { e.name }")
        .await?;
    assert_eq!(unopened, "TypeError");
    let illegal = "try { XMLHttpRequest.prototype.setAttributionReporting.call({}, {eventSourceEligible: true, triggerEligible: true}); } catch (e) { e.name }";
    assert_eq!(page.evaluate(illegal).await?, "TypeError");
    Ok(())
}

async fn xhr_asks_anew_after_each_open(stage: Stage) -> Tested {
    readable(&stage.ads, "/*", Reply::ok());
    let page = stage.show(&stage.publisher, "").await?;
    let script = format!(
        "new Promise(done => {{
            const request = new XMLHttpRequest();
            request.open('GET', '{}');
            request.setAttributionReporting({{eventSourceEligible: true, triggerEligible: false}});
            request.setAttributionReporting({{eventSourceEligible: false, triggerEligible: true}});
            request.onload = () => {{
                request.onload = () => done(true);
                request.open('GET', '{}');
                request.send();
            }};
            request.send();
        }})",
        stage.ads.url("/first"),
        stage.ads.url("/second")
    );
    page.evaluate(&script).await?;
    assert_eq!(eligibility(&stage.ads.received("/first")[0]), Trigger, "the last call counts");
    assert_eq!(eligibility(&stage.ads.received("/second")[0]), Unset);
    Ok(())
}

async fn fetch_without_the_option_has_no_header(stage: Stage) -> Tested {
    readable(&stage.ads, "/*", Reply::ok());
    let page = stage.show(&stage.publisher, "").await?;
    for (path, options) in [
        ("/none", ""),
        ("/empty", ", {}"),
        ("/null", ", null"),
        ("/undefined", ", {attributionReporting: undefined}"),
        // The guide's other name for it: unknown members are ignored.
        ("/request", ", {attributionRequest: {eventSourceEligible: true, triggerEligible: true}}"),
    ] {
        page.evaluate(&format!("fetch('{}'{options}).then(r => r.ok)", stage.ads.url(path))).await?;
        assert_eq!(eligibility(&stage.ads.received(path)[0]), Unset, "{options}");
    }
    Ok(())
}

async fn fetch_of_every_kind_is_eligible(stage: Stage) -> Tested {
    let page = stage.show(&stage.publisher, "").await?;
    let answer = Reply::html("answer")
        .header("access-control-allow-origin", stage.publisher.origin())
        .header("access-control-allow-credentials", "true");
    stage.ads.reply("/*", answer.clone());
    stage.publisher.reply("/relative", answer);
    for (path, options) in [
        ("/keepalive", "keepalive: true"),
        ("/no-cors", "mode: 'no-cors'"),
        ("/credentials", "credentials: 'include'"),
        ("/post", "method: 'POST', body: 'text'"),
        ("/form", "method: 'POST', body: new URLSearchParams({a: 'b'})"),
        ("/blob", "method: 'POST', body: new Blob(['text'], {type: 'text/plain'})"),
        ("/referrer", "referrer: '/elsewhere', referrerPolicy: 'unsafe-url'"),
        ("/cache", "cache: 'reload'"),
        ("/head", "method: 'HEAD'"),
        ("/priority", "priority: 'low'"),
    ] {
        let script = format!(
            "fetch('{}', {{{options}, attributionReporting: {}}}).then(() => true)",
            stage.ads.url(path),
            option(false, true)
        );
        page.evaluate(&script).await?;
        let requests = stage.ads.received(path);
        assert_eq!(requests.len(), 1, "no preflight: {options}");
        assert_eq!(eligibility(&requests[0]), Trigger, "{options}");
    }
    let referer = stage.publisher.url("/elsewhere");
    assert_eq!(stage.ads.received("/referrer")[0].header("referer"), Some(&*referer));
    assert_eq!(stage.ads.received("/keepalive")[0].header("referer"), Some(&*stage.publisher.url("/")));
    let relative = format!(
        "fetch('relative?a#b', {{attributionReporting: {}}}).then(r => r.text())",
        option(true, true)
    );
    assert_eq!(page.evaluate(&relative).await?, "answer");
    assert_eq!(eligibility(&stage.publisher.received("/relative")[0]), EventSourceOrTrigger);
    Ok(())
}

async fn no_preflight_is_caused(stage: Stage) -> Tested {
    readable(&stage.ads, "/*", Reply::ok());
    let page = stage.show(&stage.publisher, "").await?;
    let script = format!(
        "Promise.all([
            fetch('{0}/fetch', {{attributionReporting: {1}}}),
            fetch(new Request('{0}/request', {{attributionReporting: {1}, keepalive: true}})),
            fetch('{0}/post', {{method: 'POST', body: 'x', attributionReporting: {1}}}),
            new Promise(done => {{
                const request = new XMLHttpRequest();
                request.open('POST', '{0}/xhr');
                request.setAttributionReporting({1});
                request.onloadend = done;
                request.send('body');
            }}),
        ]).then(() => true)",
        stage.ads.origin(),
        option(true, true)
    );
    page.evaluate(&script).await?;
    stage.idle().await;
    let methods: Vec<_> =
        stage.received("/").iter().filter(|r| r.host.starts_with("ads")).map(|r| r.method.clone()).collect();
    assert_eq!(methods.len(), 4);
    assert!(!methods.contains(&"OPTIONS".to_owned()), "{methods:?}");
    for path in ["/fetch", "/request", "/post", "/xhr"] {
        assert_eq!(eligibility(&stage.ads.received(path)[0]), EventSourceOrTrigger, "{path}");
    }
    Ok(())
}

async fn a_necessary_preflight_stays(stage: Stage) -> Tested {
    let cors = Reply::ok()
        .cors()
        .header("access-control-allow-headers", "x-mine")
        .header("access-control-allow-methods", "*");
    stage.ads.reply("/*", cors);
    let page = stage.show(&stage.publisher, "").await?;
    let script = format!(
        "fetch('{}', {{method: 'PUT', headers: {{'x-mine': '1'}}, attributionReporting: {}}}).then(r => r.ok)",
        stage.ads.url("/put"),
        option(false, true)
    );
    assert_eq!(page.evaluate(&script).await?, true);
    let requests = stage.ads.received("/put");
    let methods: Vec<_> = requests.iter().map(|request| &*request.method).collect();
    assert_eq!(methods, ["OPTIONS", "PUT"]);
    assert_eq!(requests[0].header("access-control-request-headers"), Some("x-mine"), "ours is not asked for");
    assert_eq!(requests[0].header(ELIGIBLE), None);
    assert_eq!(eligibility(&requests[1]), Trigger);
    assert_eq!(requests[1].header("x-mine"), Some("1"));
    Ok(())
}

async fn bodies_arrive_whole(stage: Stage) -> Tested {
    stage.ads.answer("/*", |request| Reply::html(request.text()).cors());
    let page = stage.show(&stage.publisher, "").await?;
    for (name, body) in [
        ("text", "'text ü'"),
        ("buffer", "new TextEncoder().encode('text ü')"),
        ("blob", "new Blob(['text ü'])"),
        ("params", "new URLSearchParams('text=%C3%BC')"),
    ] {
        let expected = if name == "params" { "text=%C3%BC" } else { "text ü" };
        let url = stage.ads.url(&format!("/{name}"));
        let option = option(true, true);
        for request in [
            format!("fetch('{url}', {{method: 'POST', body: {body}, attributionReporting: {option}}})"),
            format!(
                "fetch(new Request('{url}', {{method: 'POST', body: {body}}}), {{attributionReporting: {option}}})"
            ),
            format!(
                "fetch(new Request('{url}', {{method: 'POST', body: {body}, attributionReporting: {option}}}))"
            ),
        ] {
            assert_eq!(
                page.evaluate(&format!("{request}.then(r => r.text())")).await?,
                expected,
                "{request}"
            );
        }
        let requests = stage.ads.received(&format!("/{name}"));
        assert_eq!(requests.iter().map(|r| &*r.method).collect::<Vec<_>>(), ["POST"; 3], "{name}");
        assert!(
            requests
                .iter()
                .all(|request| request.text() == expected && eligibility(request) == EventSourceOrTrigger)
        );
    }
    Ok(())
}

async fn aborted_requests_stay_aborted(stage: Stage) -> Tested {
    readable(&stage.ads, "/*", Reply::ok());
    stage.ads.reply("/silence", Reply::silence());
    let page = stage.show(&stage.publisher, "").await?;
    let before = format!(
        "fetch('{}', {{signal: AbortSignal.abort(), attributionReporting: {}}}).catch(e => e.name)",
        stage.ads.url("/before"),
        option(true, true)
    );
    assert_eq!(page.evaluate(&before).await?, "AbortError");
    page.evaluate(&format!(
        "{{ window.controller = new AbortController();
            window.fetched = fetch('{}', {{signal: controller.signal, attributionReporting: {}}}).catch(e => e.name); 0 }}",
        stage.ads.url("/silence"),
        option(true, true)
    ))
    .await?;
    stage.ads.wait_for("/silence").await?;
    assert_eq!(page.evaluate("{ controller.abort(); fetched }").await?, "AbortError");
    assert!(stage.ads.received("/before").is_empty());
    Ok(())
}

async fn frames_have_the_api(stage: Stage) -> Tested {
    readable(&stage.ads, "/*", Reply::ok());
    let script = |path: &str| {
        format!(
            "<script>fetch('{}', {{attributionReporting: {}}})</script>",
            stage.ads.url(path),
            option(true, false)
        )
    };
    let (ads2, publisher) = (&stage.ads2, &stage.publisher);
    readable(&stage.ads, "/cross", Reply::ok().header(SOURCE, stage.source(1)));
    readable(&stage.ads, "/nested", Reply::ok().header(SOURCE, stage.source(2)));
    publisher.reply("/same-frame", Reply::html(script("/same")));
    publisher.reply("/nested-frame", Reply::html(script("/nested")));
    let nested = format!(r#"<iframe src="{}"></iframe>"#, publisher.url("/nested-frame"));
    ads2.reply("/cross-frame", Reply::html(script("/cross") + &nested));
    let html =
        format!(r#"<iframe src="/same-frame"></iframe><iframe src="{}"></iframe>"#, ads2.url("/cross-frame"));
    stage.show(publisher, &html).await?;
    for (path, site) in [("/same", publisher), ("/cross", ads2), ("/nested", publisher)] {
        let request = stage.ads.wait_for(path).await?;
        assert_eq!(eligibility(&request), EventSource, "{path}");
        assert_eq!(request.header("referer"), Some(&*site.url("/")), "{path}");
    }
    assert_eq!(stage.sources().await, [1, 2]);
    // Whoever's the frame is: the page on top is where it happened.
    assert_eq!(stage.source_origins(), vec![stage.publisher.origin(); 2]);
    Ok(())
}

async fn frames_without_a_url_have_the_api(stage: Stage) -> Tested {
    readable(&stage.ads, "/*", Reply::image());
    let (url, option) = (stage.ads.origin(), option(true, false));
    let html = format!(
        r#"<iframe id="blank"></iframe><iframe srcdoc="<img attributionsrc src='{url}/srcdoc'>"></iframe>
        <script>
            const inner = document.querySelector('#blank').contentWindow;
            inner.fetch('{url}/blank', {{attributionReporting: {option}}});
            const image = inner.document.createElement('img');
            image.attributionSrc = '';
            image.src = '{url}/blank-image';
            inner.document.body.append(image);
            const made = document.body.appendChild(document.createElement('iframe'));
            made.contentWindow.fetch('{url}/made', {{attributionReporting: {option}}});
            made.contentDocument.write(`<img attributionsrc src='{url}/written'>`);
            made.contentDocument.close();
        </script>"#
    );
    stage.show(&stage.publisher, &html).await?;
    for (path, expected) in [
        ("/srcdoc", EventSourceOrTrigger),
        ("/blank", EventSource),
        ("/blank-image", EventSourceOrTrigger),
        ("/made", EventSource),
        ("/written", EventSourceOrTrigger),
    ] {
        assert_eq!(eligibility(&*stage.ads.wait_for(path).await?), expected, "{path}");
    }
    Ok(())
}

async fn a_fetch_at_the_end_of_the_page_is_eligible(stage: Stage) -> Tested {
    stage.shop.reply("/", Reply::html("a shop"));
    for (id, event) in (1..).zip(["pagehide", "beforeunload", "visibilitychange"]) {
        let path = format!("/{event}");
        stage.ads.reply(&path, Reply::ok().header(SOURCE, stage.source(id)));
        let html = format!(
            "<script>addEventListener('{event}', () => fetch('{}', {{keepalive: true, mode: 'no-cors',
            attributionReporting: {}}}))</script>",
            stage.ads.url(&path),
            option(true, false)
        );
        let page = stage.show(&stage.publisher, &html).await?;
        page.evaluate("new Promise(requestAnimationFrame).then(() => 0)").await?;
        page.navigate(&stage.shop.url("/")).await?;
        assert_eq!(eligibility(&*stage.ads.wait_for(&path).await?), EventSource, "{event}");
    }
    assert_eq!(stage.sources().await, [1, 2, 3]);
    // It was the page that was left that asked.
    assert_eq!(stage.source_origins(), vec![stage.publisher.origin(); 3]);
    Ok(())
}

async fn a_request_that_becomes_keepalive_outlives_its_page(stage: Stage) -> Tested {
    let becomes = [
        ("/plain", "fetch(url, {keepalive: true, mode: 'no-cors', attributionReporting})"),
        ("/init", "fetch(request, {keepalive: true})"),
        ("/class", "fetch(request, new class { get keepalive() { return 1; } })"),
        ("/again", "fetch(new Request(request, {keepalive: true}))"),
        ("/clone", "fetch(new Request(request, {keepalive: true}).clone())"),
        ("/inherited", "fetch(new Request(new Request(url, {keepalive: true}), {attributionReporting}))"),
    ];
    for (id, (path, fetch)) in (1..).zip(becomes) {
        let gate = ascribe_test_sites::Gate::new();
        stage.ads.reply(path, Reply::ok().header(SOURCE, stage.source(id)).when(&gate));
        let page = stage.show(&stage.publisher, "").await?;
        page.evaluate(&format!(
            "{{
                const [url, attributionReporting] = ['{}', {}];
                const request = new Request(url, {{mode: 'no-cors', attributionReporting}});
                {}.catch(() => 0);
                0
            }}",
            stage.ads.url(path),
            option(true, false),
            fetch.replace("{attributionReporting}", "{attributionReporting, mode: 'no-cors'}"),
        ))
        .await?;
        assert_eq!(eligibility(&*stage.ads.wait_for(path).await?), EventSource, "{fetch}");
        // With the page goes the session that would tell the response.
        page.close().await?;
        gate.open();
        let sources = stage.sources().await;
        assert_eq!(sources.len() as u64, id, "{fetch}: {sources:?}");
    }
    Ok(())
}

async fn the_member_keepalive_is_read_once(stage: Stage) -> Tested {
    readable(&stage.ads, "/*", Reply::ok());
    let page = stage.show(&stage.publisher, "").await?;
    let reads = format!(
        "(async () => {{
            let reads = 0;
            const init = {{attributionReporting: {}, get keepalive() {{ reads++; return false; }}}};
            await fetch('{}', init);
            return reads;
        }})()",
        option(true, false),
        stage.ads.url("/once")
    );
    assert_eq!(page.evaluate(&reads).await?, 1);
    Ok(())
}

async fn a_beacon_is_left_alone(stage: Stage) -> Tested {
    stage.ads.reply("/beacon", Reply::ok().header(TRIGGER, stage.trigger("beacon")));
    let page = stage.show(&stage.shop, "").await?;
    let sent =
        page.evaluate(&format!("navigator.sendBeacon('{}', 'body')", stage.ads.url("/beacon"))).await?;
    assert_eq!(sent, true);
    let beacon = stage.ads.wait_for("/beacon").await?;
    assert_eq!((&*beacon.method, beacon.text()), ("POST", "body".to_owned()));
    assert_eq!(eligibility(&beacon), Unset);
    Ok(())
}

async fn page_set_headers_are_dropped(stage: Stage) -> Tested {
    readable(&stage.ads, "/*", Reply::ok().header(SOURCE, stage.source(9)));
    let page = stage.show(&stage.publisher, "").await?;
    let url = stage.ads.origin();
    let forged =
        "'Attribution-Reporting-Eligible': 'navigation-source', 'attribution-reporting-support': 'os'";
    for (path, script, expected) in [
        ("/fetch", format!("fetch(URL, {{headers: {{{forged}}}}})"), Unset),
        ("/headers", format!("fetch(URL, {{headers: new Headers({{{forged}}})}})"), Unset),
        ("/list", format!("fetch(URL, {{headers: Object.entries({{{forged}}})}})"), Unset),
        ("/request", format!("fetch(new Request(URL, {{headers: {{{forged}}}}}))"), Unset),
        (
            "/append",
            "(r => { r.headers.append('Attribution-Reporting-Eligible', 'trigger'); return fetch(r) })(new Request(URL))"
                .to_owned(),
            Unset,
        ),
        ("/both", format!("fetch(URL, {{headers: {{{forged}}}, attributionReporting: {}}})", option(false, true)), Trigger),
        (
            "/xhr",
            "new Promise(done => { const r = new XMLHttpRequest(); r.open('GET', URL);
                r.setRequestHeader('Attribution-Reporting-Eligible', 'event-source');
                r.onloadend = () => done({}); r.send(); })"
                .to_owned(),
            Unset,
        ),
    ] {
        page.evaluate(&format!("(URL => {script})('{url}{path}').then(() => 0)")).await?;
        let requests = stage.ads.received(path);
        assert_eq!(requests.len(), 1, "no preflight: {script}");
        assert_eq!(eligibility(&requests[0]), expected, "{script}");
    }
    assert!(stage.sources().await.is_empty());
    Ok(())
}

async fn later_changes_of_the_options_do_not_count(stage: Stage) -> Tested {
    readable(&stage.ads, "/*", Reply::ok());
    let page = stage.show(&stage.publisher, "").await?;
    let script = format!(
        "(() => {{
            const options = {{eventSourceEligible: true, triggerEligible: false}};
            const request = new Request('{}', {{attributionReporting: options}});
            options.triggerEligible = true;
            const fetched = fetch(request);
            options.eventSourceEligible = false;
            return fetched.then(() => 0);
        }})()",
        stage.ads.url("/")
    );
    page.evaluate(&script).await?;
    assert_eq!(eligibility(&stage.ads.received("/")[0]), EventSource);
    Ok(())
}
