//! What a page can see of the API's machinery: nothing that a browser with the API would not show.

use ascribe_headers::Eligibility::{EventSource, EventSourceOrTrigger, Unset};
use ascribe_test_sites::Reply;
use serde_json::{Value, json};

use crate::stage::{Stage, Tested, eligibility, tests};

tests![
    urls_look_as_the_page_made_them,
    a_service_worker_sees_what_the_page_asked_for,
    timing_entries_have_the_names_of_the_urls,
    functions_look_native,
    properties_are_where_a_browser_has_them,
    attribution_src_reflects_as_a_url,
    requests_have_no_new_members,
    the_location_and_history_are_unchanged,
    errors_point_into_the_page,
    no_global_is_left_behind,
    servers_see_no_other_difference,
    content_security_policies_hold,
];

const OPTION: &str = "{attributionReporting: {eventSourceEligible: true, triggerEligible: false}}";

async fn urls_look_as_the_page_made_them(stage: Stage) -> Tested {
    stage.ads.reply("/*", Reply::ok().cors());
    stage.ads.reply("/from", Reply::redirect(&stage.ads.url("/to")).cors());
    stage.publisher.reply("/relative", Reply::ok());
    let page = stage.show(&stage.publisher, "").await?;
    let url = stage.ads.url("/path?query#hash");
    let seen = page.evaluate(&format!(
        "(async () => {{
            const request = new Request('{url}', {OPTION});
            const response = await fetch('{url}', {OPTION});
            const redirected = await fetch('{}', {OPTION});
            const relative = await fetch('relative#x', {OPTION});
            const xhr = await new Promise(done => {{
                const xhr = new XMLHttpRequest();
                xhr.open('GET', '{url}');
                xhr.setAttributionReporting({{eventSourceEligible: true, triggerEligible: false}});
                xhr.onload = () => done(xhr.responseURL);
                xhr.send();
            }});
            const image = new Image();
            image.attributionSrc = '';
            image.src = '{url}';
            await new Promise(done => image.onerror = image.onload = done);
            return [
                request.url, request.clone().url, new Request(request).url, response.url, response.clone().url,
                redirected.url, redirected.redirected, relative.url, xhr, image.src, image.currentSrc, image.outerHTML,
            ];
        }})()",
        stage.ads.url("/from")
    )).await?;
    let without_hash = stage.ads.url("/path?query");
    let html = format!(r#"<img attributionsrc="" src="{url}">"#);
    let expected = json!([
        url,
        url,
        url,
        without_hash,
        without_hash,
        stage.ads.url("/to"),
        true,
        stage.publisher.url("/relative"),
        without_hash,
        url,
        url,
        html
    ]);
    assert_eq!(seen, expected);
    // Requests with a hash are as eligible as the others.
    for request in stage.ads.received("/path") {
        assert!([EventSource, EventSourceOrTrigger].contains(&eligibility(&request)), "{request}");
    }
    Ok(())
}

async fn a_service_worker_sees_what_the_page_asked_for(stage: Stage) -> Tested {
    let script = "addEventListener('install', () => skipWaiting());
        addEventListener('activate', event => event.waitUntil(clients.claim()));
        const urls = [];
        addEventListener('fetch', event => urls.push(event.request.url + event.request.referrer));
        addEventListener('message', event => event.source.postMessage(urls));";
    stage.publisher.reply("/service.js", Reply::script(script));
    stage.ads.reply("/*", Reply::ok().cors());
    let page = stage.show(&stage.publisher, "").await?;
    let seen = page.evaluate(&format!(
        "(async () => {{
            const controlled = new Promise(done => navigator.serviceWorker.oncontrollerchange = done);
            await navigator.serviceWorker.register('/service.js');
            await controlled;
            await fetch('{}', {OPTION});
            await fetch('{}', {OPTION});
            const answered = new Promise(done => navigator.serviceWorker.onmessage = event => done(event.data));
            navigator.serviceWorker.startMessages();
            navigator.serviceWorker.controller.postMessage('');
            return answered;
        }})()",
        stage.ads.url("/plain"),
        stage.ads.url("/hash?a#b")
    )).await?;
    let referrer = stage.publisher.url("/");
    let expected = json!([stage.ads.url("/plain") + &referrer, stage.ads.url("/hash?a#b") + &referrer]);
    assert_eq!(seen, expected);
    Ok(())
}

async fn timing_entries_have_the_names_of_the_urls(stage: Stage) -> Tested {
    stage.ads.reply("/*", Reply::image().cors());
    let html =
        format!(r#"<img src="{0}/plain#h"><img src="{0}/image#h" attributionsrc>"#, stage.ads.origin());
    let page = stage.show(&stage.publisher, &html).await?;
    // Names of what asks for something are compared with those of what does not.
    let names = page.evaluate(&format!(
        "(async () => {{
            const observed = [];
            const observer = new PerformanceObserver(list => observed.push(...list.getEntries().map(e => e.name)));
            observer.observe({{type: 'resource', buffered: true}});
            await fetch('{0}/plain-fetch?q#h');
            await fetch('{0}/fetch?q#h', {OPTION});
            const name = '{0}/fetch?q';
            while (!observed.some(name => name.includes('/fetch'))) await new Promise(done => setTimeout(done));
            const json = performance.getEntries().map(entry => JSON.parse(JSON.stringify(entry)).name);
            const all = [
                performance.getEntriesByType('resource').map(entry => entry.name), observed, json,
                performance.getEntries().map(entry => entry.name),
            ];
            return all.map(names => names.filter(name => name.startsWith('{0}')).sort());
        }})()",
        stage.ads.origin()
    )).await?;
    let lists = names.as_array().ok_or("lists")?;
    for list in lists {
        let plain: Vec<String> = list
            .as_array()
            .ok_or("a list")?
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| name.contains("plain"))
            .map(|name| name.replace("plain-", "").replace("plain", "image"))
            .collect();
        let ours: Vec<&str> = list
            .as_array()
            .ok_or("a list")?
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| !name.contains("plain"))
            .collect();
        assert_eq!(plain.len(), 2, "{list}");
        assert!(plain.iter().all(|name| ours.contains(&&**name)), "{list}");
    }
    let found = page.evaluate("performance.getEntriesByName(performance.getEntriesByType('resource').find(e => e.name.includes('/fetch')).name).length").await?;
    assert_eq!(found, 1);
    let navigation = page.evaluate("performance.getEntriesByType('navigation')[0].name").await?;
    assert_eq!(navigation, stage.publisher.url("/"));
    Ok(())
}

/// Everything that has to be overridden, and what a browser says of it: name and number of parameters.
const FUNCTIONS: &[(&str, &str, u32)] = &[
    ("fetch", "fetch", 1),
    ("window.open", "open", 0),
    ("Request", "Request", 1),
    ("XMLHttpRequest.prototype.open", "open", 2),
    ("XMLHttpRequest.prototype.send", "send", 0),
    ("XMLHttpRequest.prototype.setAttributionReporting", "setAttributionReporting", 1),
    ("XMLHttpRequest.prototype.setRequestHeader", "setRequestHeader", 2),
    ("Headers.prototype.append", "append", 2),
    ("Headers.prototype.set", "set", 2),
    ("Element.prototype.setAttribute", "setAttribute", 2),
    ("Function.prototype.toString", "toString", 0),
    ("performance.getEntries", "getEntries", 0),
    ("performance.getEntriesByName", "getEntriesByName", 1),
    ("Request.prototype.clone", "clone", 0),
];

async fn functions_look_native(stage: Stage) -> Tested {
    let page = stage.show(&stage.publisher, "<iframe></iframe>").await?;
    for (function, name, length) in FUNCTIONS {
        let seen = page.evaluate(&format!(
            "(f => [f.name, f.length, f + '', Function.prototype.toString.call(f), Object.getOwnPropertyNames(f).sort().join(),
                frames[0].Function.prototype.toString.call(f), typeof f])({function})"
        )).await?;
        let text = format!("function {name}() {{ [native code] }}");
        let own = if *function == "Request" { "length,name,prototype" } else { "length,name" };
        assert_eq!(seen, json!([name, length, text, text, own, text, "function"]), "{function}");
        if *function != "Request" {
            let constructs = format!(
                "(() => {{ try {{ new ({function})('x'); return 'yes'; }} catch (e) {{ return e.name; }} }})()"
            );
            assert_eq!(page.evaluate(&constructs).await?, "TypeError", "{function} is no constructor");
        }
    }
    for getter in ["HTMLImageElement", "HTMLScriptElement", "HTMLAnchorElement", "HTMLAreaElement"] {
        let seen = page.evaluate(&format!(
            "(d => [d.get + '', d.set + '', d.get.name, d.set.name, d.get.length, d.set.length, d.enumerable, d.configurable])
                (Object.getOwnPropertyDescriptor({getter}.prototype, 'attributionSrc'))"
        )).await?;
        let expected = json!([
            "function get attributionSrc() { [native code] }",
            "function set attributionSrc() { [native code] }",
            "get attributionSrc",
            "set attributionSrc",
            0,
            1,
            true,
            true
        ]);
        assert_eq!(seen, expected, "{getter}");
    }
    // Errors are those of the functions themselves.
    for call in [
        "fetch()",
        "new Request()",
        "XMLHttpRequest.prototype.send.call({})",
        "Request()",
        "Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, 'attributionSrc').get.call({})",
    ] {
        let name = format!(
            "(async () => {{ try {{ await {call}; return 'none'; }} catch (e) {{ return e.name + (e instanceof Error); }} }})()"
        );
        assert_eq!(page.evaluate(&name).await?, "TypeErrortrue", "{call}");
    }
    Ok(())
}

async fn properties_are_where_a_browser_has_them(stage: Stage) -> Tested {
    let page = stage.show(&stage.publisher, "").await?;
    for (object, property, expected) in [
        ("window", "fetch", "function true true true"),
        ("window", "open", "function true true true"),
        ("window", "Request", "function true false true"),
        ("XMLHttpRequest.prototype", "open", "function true true true"),
        ("XMLHttpRequest.prototype", "setAttributionReporting", "function true true true"),
        ("XMLHttpRequest.prototype", "send", "function true true true"),
    ] {
        let seen = page.evaluate(&format!(
            "(d => `${{typeof d.value}} ${{d.writable}} ${{d.enumerable}} ${{d.configurable}}`)(Object.getOwnPropertyDescriptor({object}, '{property}'))"
        )).await?;
        assert_eq!(seen, expected, "{object}.{property}");
    }
    let where_it_is = "[Object.hasOwn(HTMLElement.prototype, 'attributionSrc'), 'attributionSrc' in document.createElement('div'),
        'attributionSrc' in new Image(), Request.prototype.constructor === Request,
        new Request('/') instanceof Request, Object.getPrototypeOf(new Request('/')) === Request.prototype,
        class extends Request {}.name, new (class Mine extends Request {})('/').constructor.name]";
    let expected = json!([false, false, true, true, true, true, "", "Mine"]);
    assert_eq!(page.evaluate(where_it_is).await?, expected);
    Ok(())
}

async fn attribution_src_reflects_as_a_url(stage: Stage) -> Tested {
    stage.publisher.reply("/*", Reply::ok());
    let page = stage.show(&stage.publisher, "<base href=\"/base/\">").await?;
    let base = stage.publisher.url("/base/");
    for element in ["img", "script", "a", "area"] {
        for (set, expected, attribute) in [
            ("x", format!("{base}x"), Value::from("x")),
            ("https://ads.test/a b", "https://ads.test/a%20b".to_owned(), "https://ads.test/a b".into()),
            ("https://", "https://".to_owned(), "https://".into()),
        ] {
            let seen = page.evaluate(&format!(
                "(e => {{ e.attributionSrc = '{set}'; return [e.attributionSrc, e.getAttribute('attributionsrc')]; }})(document.createElement('{element}'))"
            )).await?;
            assert_eq!(seen, json!([expected, attribute]), "{element} {set}");
        }
        let seen = page
            .evaluate(&format!(
                "(e => {{ const none = [e.attributionSrc, e.hasAttribute('attributionsrc')];
                e.setAttribute('attributionsrc', 'set'); none.push(e.attributionSrc);
                e.attributionSrc = null; none.push(e.getAttribute('attributionsrc'));
                return none; }})(document.createElement('{element}'))"
            ))
            .await?;
        assert_eq!(seen, json!(["", false, format!("{base}set"), "null"]), "{element}");
    }
    Ok(())
}

async fn requests_have_no_new_members(stage: Stage) -> Tested {
    stage.ads.reply("/*", Reply::ok().cors());
    let page = stage.show(&stage.publisher, "").await?;
    let seen = page.evaluate(&format!(
        "(async () => {{
            const request = new Request('{0}/a', {OPTION});
            const xhr = new XMLHttpRequest();
            xhr.open('GET', '{0}/b');
            xhr.setAttributionReporting({{eventSourceEligible: true, triggerEligible: true}});
            const image = new Image();
            image.attributionSrc = '';
            const keys = object => [...Reflect.ownKeys(object), ...Object.keys(object)].join();
            return [keys(request), [...request.headers].join(), request.keepalive, request.mode, request.credentials,
                keys(xhr), keys(image), keys(document), JSON.stringify(Object.assign({{}}, image.dataset))];
        }})()",
        stage.ads.origin()
    )).await?;
    // The document has `location` for its own, in any browser.
    assert_eq!(seen, json!(["", "", false, "cors", "same-origin", "", "", "location,location", "{}"]));
    Ok(())
}

async fn the_location_and_history_are_unchanged(stage: Stage) -> Tested {
    stage.shop.reply("/land", Reply::html("landed"));
    let html = format!(r#"<a href="{}" attributionsrc>buy</a>"#, stage.shop.url("/land?x#hash"));
    let page = stage.show(&stage.publisher, &html).await?;
    let before = page.evaluate("document.links[0].href + document.links[0].outerHTML").await?;
    page.navigation(page.click("a", ascribe_browser::Click::default())).await?;
    let seen = page.evaluate(
        "[location.href, document.URL, document.referrer, history.length, performance.getEntriesByType('navigation')[0].name,
            performance.getEntriesByType('navigation')[0].redirectCount, navigation.currentEntry.url]",
    ).await?;
    let url = stage.shop.url("/land?x#hash");
    // about:blank, the publisher's page, this one; the first depends on how the page was opened.
    let length = seen[3].clone();
    assert!(length == 2 || length == 3, "{seen}");
    assert_eq!(seen, json!([url, url, stage.publisher.url("/"), length, url, 0, url]));
    // It may come out of Chromium's cache of whole pages, as it was left.
    page.evaluate("{ history.back(); 0 }").await?;
    page.wait_for("document.links.length == 1").await?;
    assert_eq!(page.evaluate("document.links[0].href + document.links[0].outerHTML").await?, before);
    assert_eq!(stage.shop.received("/land").len(), 1);
    Ok(())
}

async fn errors_point_into_the_page(stage: Stage) -> Tested {
    let page = stage.show(&stage.publisher, "").await?;
    let stacks = page
        .evaluate(
            "(async () => {
            const stacks = [];
            try { new Request('https://'); } catch (e) { stacks.push(e.stack); }
            try { new XMLHttpRequest().setAttributionReporting({}); } catch (e) { stacks.push(e.stack); }
            try { await fetch('https://', {attributionReporting: {}}); } catch (e) { stacks.push(e.stack); }
            return stacks.join('\\n');
        })()",
        )
        .await?;
    let text = stacks.as_str().ok_or("text")?;
    for trace in ["ascribe", "shim", "__"] {
        assert!(!text.to_lowercase().contains(trace), "{text}");
    }
    Ok(())
}

async fn no_global_is_left_behind(stage: Stage) -> Tested {
    // A page before anything has been asked of it, and one that has used everything, have the same names.
    stage.ads.reply("/*", Reply::image().cors());
    let names = "JSON.stringify([window, document, HTMLImageElement, HTMLImageElement.prototype, Function.prototype, Object.prototype,
        Element.prototype, Node.prototype, EventTarget.prototype, navigator, performance, history, console].map(o => Reflect.ownKeys(o).map(String).sort()))";
    let page = stage.show(&stage.publisher, "").await?;
    let before = page.evaluate(names).await?;
    let used = format!(
        "(async () => {{ const i = new Image(); i.attributionSrc = '{0}/i'; i.src = '{0}/j'; await fetch('{0}/k', {OPTION}); }})()",
        stage.ads.origin()
    );
    page.evaluate(&used).await?;
    stage.ads.wait_for("/i").await?;
    stage.ads.wait_for("/j").await?;
    stage.idle().await;
    assert_eq!(page.evaluate(names).await?, before);
    let text = before.as_str().ok_or("text")?.to_lowercase();
    for trace in ["ascribe", "shim"] {
        assert!(!text.contains(trace), "{trace} is in {text}");
    }
    Ok(())
}

async fn servers_see_no_other_difference(stage: Stage) -> Tested {
    stage.ads.reply("/*", Reply::image().cors());
    let html =
        format!(r#"<img src="{0}/plain-image"><img src="{0}/image" attributionsrc>"#, stage.ads.origin());
    let page = stage.show(&stage.publisher, &html).await?;
    page.evaluate(&format!(
        "fetch('{0}/plain-fetch').then(() => fetch('{0}/fetch', {OPTION})).then(() => 0)",
        stage.ads.origin()
    ))
    .await?;
    for (plain, ours) in [("/plain-image", "/image"), ("/plain-fetch", "/fetch")] {
        let plain = stage.ads.wait_for(plain).await?;
        let ours = stage.ads.wait_for(ours).await?;
        assert_eq!((eligibility(&plain), eligibility(&ours) == Unset), (Unset, false));
        let mut rest: Vec<_> = ours
            .headers
            .iter()
            .filter(|(name, _)| !name.starts_with("attribution-reporting-"))
            .cloned()
            .collect();
        let mut expected = plain.headers.clone();
        // Chromium itself loads one image before the other.
        rest.retain(|(name, _)| name != "priority");
        expected.retain(|(name, _)| name != "priority");
        rest.sort();
        expected.sort();
        assert_eq!(rest, expected);
    }
    Ok(())
}

async fn content_security_policies_hold(stage: Stage) -> Tested {
    stage.ads.reply("/*", Reply::image());
    let html = format!(
        r#"<img attributionsrc="{0}/background" src="{0}/image">
        <script nonce="n">fetch("{0}/fetch", {{mode: "no-cors", attributionReporting: {{eventSourceEligible: true, triggerEligible: true}}}})</script>"#,
        stage.ads.origin()
    );
    // Scripts of the page need the nonce; ours must work all the same, and be no way around it.
    let policy =
        format!("default-src 'none'; script-src 'nonce-n'; img-src {0}; connect-src {0}", stage.ads.origin());
    stage.publisher.reply("/", Reply::html(&*html).header("content-security-policy", policy));
    stage.open(&stage.publisher.url("/")).await?;
    for path in ["/background", "/image", "/fetch"] {
        assert_eq!(eligibility(&*stage.ads.wait_for(path).await?), EventSourceOrTrigger, "{path}");
    }
    Ok(())
}
