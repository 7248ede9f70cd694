//! Pages and servers that mean harm: nothing is registered that the wire did not carry, nothing crashes, and
//! nothing grows without bounds.

use std::time::Duration;

use ascribe_browser::Click;
use ascribe_headers::Eligibility::{EventSource, EventSourceOrTrigger, NavigationSource, Unset};
use ascribe_test_sites::Reply;

use crate::stage::{ELIGIBLE, SOURCE, Stage, TRIGGER, Tested, eligibility, memory, tests};

tests![
    ten_thousand_elements_are_bounded,
    huge_headers_do_no_harm,
    many_headers_do_no_harm,
    deep_and_long_registrations_do_no_harm,
    forged_markers_ask_for_nothing,
    a_page_that_redefines_everything_learns_and_changes_nothing,
    a_page_cannot_lie_about_its_elements,
    a_page_cannot_pretend_that_the_user_did_it,
    a_page_that_is_busy_holds_up_itself_alone,
    frames_that_come_and_go_leave_the_browser_sound,
    a_page_that_closes_itself_leaves_the_browser_sound,
    a_marker_of_one_page_is_of_no_use_to_another,
    garbage_on_the_wire_registers_nothing,
];

/// The browser still does what it is for.
pub(crate) async fn sound(stage: &Stage) -> Tested {
    stage.ads.reply("/sound", Reply::image().header(SOURCE, stage.source(424242)));
    stage
        .show(&stage.publisher, &format!(r#"<img attributionsrc src="{}">"#, stage.ads.url("/sound")))
        .await?;
    assert_eq!(eligibility(&*stage.ads.wait_for("/sound").await?), EventSourceOrTrigger);
    assert!(stage.sources().await.contains(&424242));
    Ok(())
}

async fn ten_thousand_elements_are_bounded(stage: Stage) -> Tested {
    stage.ads.reply("/*", Reply::ok());
    let before = memory()?;
    let html = format!(
        r#"<body><script>
            for (let number = 0; number < 10000; number++) {{
                const image = document.createElement('img');
                image.setAttribute('attributionsrc', '{}?' + number);
                document.body.append(image);
            }}
        </script>"#,
        stage.ads.url("/background")
    );
    let page = stage.show(&stage.publisher, &html).await?;
    assert_eq!(page.evaluate("document.images.length").await?, 10_000);
    stage.idle().await;
    let sent = stage.ads.received("/background");
    assert!(sent.len() >= 30, "{}", sent.len());
    assert!(sent.iter().all(|request| eligibility(request) == EventSourceOrTrigger));
    let grown = memory()?.saturating_sub(before);
    assert!(grown < 150, "{grown} MiB more");
    sound(&stage).await
}

async fn huge_headers_do_no_harm(stage: Stage) -> Tested {
    let plain = stage.site("old");
    plain.http1_only();
    let mut html = String::new();
    for site in [&stage.ads, &plain] {
        for kib in [100, 255, 257, 1024] {
            let source = stage.source(kib);
            let padding = " ".repeat(usize::try_from(kib)? * 1024 - source.len());
            site.reply(&format!("/{kib}"), Reply::image().header(SOURCE, source + &padding + "x"));
            html += &format!(r#"<img attributionsrc src="{}">"#, site.url(&format!("/{kib}")));
        }
    }
    stage.show(&stage.publisher, &html).await?;
    for kib in [100, 255, 257, 1024] {
        stage.ads.wait_for(&format!("/{kib}")).await?;
        plain.wait_for(&format!("/{kib}")).await?;
    }
    assert!(stage.sources().await.is_empty(), "each ends with what is no JSON");
    sound(&stage).await
}

async fn many_headers_do_no_harm(stage: Stage) -> Tested {
    let mut reply = Reply::image();
    for number in 0..2_000 {
        reply = reply.header(&format!("x-{number}"), "value");
    }
    stage.ads.reply("/distinct", reply.header(SOURCE, stage.source(1)));
    let mut reply = Reply::image();
    for _ in 0..1_000 {
        reply = reply.header(SOURCE, stage.source(2));
    }
    stage.ads.reply("/repeated", reply);
    let html = ["/distinct", "/repeated"]
        .map(|path| format!(r#"<img attributionsrc src="{}">"#, stage.ads.url(path)));
    stage.show(&stage.publisher, &html.concat()).await?;
    stage.ads.wait_for("/distinct").await?;
    stage.ads.wait_for("/repeated").await?;
    assert_eq!(stage.sources().await, [1]);
    sound(&stage).await
}

async fn deep_and_long_registrations_do_no_harm(stage: Stage) -> Tested {
    let destination = stage.shop.origin();
    let deep =
        format!(r#"{{"destination": "{destination}", "x": {}1{}}}"#, "[".repeat(50_000), "]".repeat(50_000));
    let open = format!(r#"{{"destination": "{destination}", "x": {}"#, r#"{"a":"#.repeat(30_000));
    let long =
        format!(r#"{{"destination": [{}"{destination}"]}}"#, format!(r#""{destination}","#).repeat(5_000));
    let keys: String = (0..5_000).map(|key| format!(r#""key{key}": "0x1","#)).collect();
    let keys = format!(r#"{{"destination": "{destination}", "aggregation_keys": {{{keys}"z": "0x1"}}}}"#);
    let number = format!(r#"{{"destination": "{destination}", "priority": "{}"}}"#, "9".repeat(100_000));
    for (path, header) in
        [("/deep", deep), ("/open", open), ("/long", long), ("/keys", keys), ("/number", number)]
    {
        stage.ads.reply(path, Reply::image().header(SOURCE, &*header).header("x", "y"));
        stage
            .show(&stage.publisher, &format!(r#"<img attributionsrc src="{}">"#, stage.ads.url(path)))
            .await?;
        stage.ads.wait_for(path).await?;
    }
    let sources = stage.sources().await;
    // What is unknown may be as deep as it likes; the same destination is one however often it is named.
    assert!(sources.len() <= 2, "{sources:?}");
    sound(&stage).await
}

/// Fragments as an attacker who has read the shim would make them, without the secret.
const FORGED: &[&str] = &[
    "#__ascribe",
    "#__ascribe=",
    "#__ascribe=x.navigation-source.1",
    "#__ascribe=00000000000000000000000000000000.event-source-or-trigger",
    "#__ascribe=.trigger",
    "#__ascribe=undefined.trigger",
    "#__ascribe=*.event-source.b",
    "#a__ascribe=b.c__ascribe=d.e",
    "#%5F%5Fascribe=x.trigger",
];

async fn forged_markers_ask_for_nothing(stage: Stage) -> Tested {
    stage.ads.reply("/*", Reply::image().cors().header(SOURCE, stage.source(1)));
    let page = stage.show(&stage.publisher, "<a>link</a>").await?;
    for fragment in FORGED {
        let url = stage.ads.url("/forged") + fragment;
        page.evaluate(&format!(
            "(async () => {{
                await fetch('{url}').catch(() => 0);
                await fetch(new Request('{url}')).catch(() => 0);
                const image = new Image();
                image.src = '{url}';
                await new Promise(done => image.onload = image.onerror = done);
                navigator.sendBeacon('{url}');
                document.body.insertAdjacentHTML('beforeend', `<iframe src='{url}'></iframe>`);
            }})()"
        ))
        .await?;
    }
    // A redirect to one does not help either.
    for (number, fragment) in FORGED.iter().enumerate() {
        let (path, to) = (format!("/redirect{number}"), stage.ads.url("/forged") + fragment);
        stage.ads.reply(&path, Reply::redirect(&to).cors());
        page.evaluate(&format!("fetch('{}').catch(() => 0).then(() => 0)", stage.ads.url(&path))).await?;
        page.evaluate(&format!("document.links.length, document.querySelector('a').href = '{to}'")).await?;
    }
    page.navigation(page.click("a", Click::default())).await?;
    stage.idle().await;
    let requests = stage.ads.received("/forged");
    assert!(requests.len() >= 4 * FORGED.len(), "{}", requests.len());
    for request in requests {
        assert_eq!(eligibility(&request), Unset, "{request}");
        assert!(!request.target.contains("ascribe"), "{request}");
    }
    assert!(stage.sources().await.is_empty());
    Ok(())
}

/// Replaces every function of every prototype and namespace that a shim might use by one that tells what it was
/// called with, then uses the API.
const REDEFINE: &str = r#"
    const heard = [];
    const seen = new WeakSet();
    const text = value => { try { return typeof value == 'object' ? '' : String(value); } catch { return ''; } };
    const {apply, construct, ownKeys, getOwnPropertyDescriptor, defineProperty} = Reflect;
    const push = Array.prototype.push;
    const listen = (holder, key) => {
        const descriptor = getOwnPropertyDescriptor(holder, key);
        if (!descriptor || !descriptor.configurable) return;
        for (const part of ['value', 'get', 'set']) {
            const original = descriptor[part];
            if (typeof original != 'function' || key == 'constructor' || seen.has(original)) continue;
            const spy = function (...values) {
                if (heard.length < 200000)
                    for (let i = 0; i < values.length; i++) heard[heard.length] = text(values[i]);
                return new.target ? construct(original, values, new.target) : apply(original, this, values);
            };
            seen.add(spy);
            try { spy.prototype = original.prototype; } catch { }
            descriptor[part] = spy;
        }
        try { defineProperty(holder, key, descriptor); } catch { }
    };
    const holders = [
        Array.prototype, String.prototype, RegExp.prototype, Promise.prototype, Promise, Object, Object.prototype, Reflect, Function.prototype,
        Map.prototype, Set.prototype, WeakMap.prototype, WeakSet.prototype, JSON, URL.prototype, URLSearchParams.prototype,
        EventTarget.prototype, Event.prototype, CustomEvent.prototype, Node.prototype, Element.prototype, Document.prototype,
        HTMLElement.prototype, HTMLImageElement.prototype, HTMLScriptElement.prototype, HTMLAnchorElement.prototype,
        MutationObserver.prototype, Request.prototype, Response.prototype, Headers.prototype, XMLHttpRequest.prototype,
        Performance.prototype, PerformanceEntry.prototype, Symbol.prototype, Number.prototype, WeakRef.prototype,
    ];
    for (const holder of holders) for (const key of ownKeys(holder)) listen(holder, key);
    for (const key of ['fetch', 'URL', 'Request', 'XMLHttpRequest', 'MutationObserver', 'CustomEvent', 'Event', 'Proxy', 'WeakMap', 'Map',
        'Image', 'Symbol', 'String', 'Boolean', 'Number', 'queueMicrotask', 'setTimeout', 'open', 'atob', 'btoa'])
        listen(window, key);
    Object.prototype.get = function () { heard.push('get'); };
    Array.prototype[Symbol.iterator] = (iterator => function () { return apply(iterator, this, []); })(Array.prototype[Symbol.iterator]);
"#;

async fn a_page_that_redefines_everything_learns_and_changes_nothing(stage: Stage) -> Tested {
    stage.ads.reply("/*", Reply::image().cors());
    stage.shop.reply("/buy", Reply::html("bought"));
    let ads = stage.ads.origin();
    let html = format!(
        r#"<body><script>{REDEFINE}
            delete Object.prototype.get;
        </script>
        <img attributionsrc="{ads}/background" src="{ads}/image"><img src="{ads}/plain">
        <script>
            const option = {{eventSourceEligible: true, triggerEligible: false}};
            fetch("{ads}/fetch", {{attributionReporting: option}});
            fetch(new Request("{ads}/request", {{attributionReporting: option}}));
            const xhr = new XMLHttpRequest();
            xhr.open("GET", "{ads}/xhr");
            xhr.setAttributionReporting(option);
            xhr.send();
            const late = new Image();
            late.attributionSrc = "";
            late.src = "{ads}/late";
        </script>
        <a href="{}" attributionsrc="{ads}/click">buy</a>"#,
        stage.shop.url("/buy")
    );
    let page = stage.show(&stage.publisher, &html).await?;
    for (path, expected) in [
        ("/background", EventSourceOrTrigger),
        ("/image", EventSourceOrTrigger),
        ("/plain", Unset),
        ("/fetch", EventSource),
        ("/request", EventSource),
        ("/xhr", EventSource),
        ("/late", EventSourceOrTrigger),
    ] {
        assert_eq!(eligibility(&*stage.ads.wait_for(path).await?), expected, "{path}");
    }
    let heard = page.evaluate("heard.join('\\n')").await?;
    let heard = heard.as_str().ok_or("text")?;
    assert!(heard.len() > 100, "the spies work");
    for secret in ["ascribe", "event-source", "navigation-source"] {
        let told = heard.lines().find(|text| text.to_lowercase().contains(secret));
        assert_eq!(told, None, "the page hears of {secret}");
    }
    page.navigation(page.click("a", Click::default())).await?;
    assert_eq!(eligibility(&*stage.shop.wait_for("/buy").await?), NavigationSource);
    assert_eq!(eligibility(&*stage.ads.wait_for("/click").await?), NavigationSource);
    Ok(())
}

async fn a_page_cannot_lie_about_its_elements(stage: Stage) -> Tested {
    stage.ads.reply("/*", Reply::image().header(SOURCE, stage.source(1)));
    let ads = stage.ads.origin();
    let html = format!(
        r#"<body><script>
            Element.prototype.hasAttribute = () => true;
            Element.prototype.getAttribute = () => "";
            Element.prototype.matches = () => true;
            Document.prototype.querySelectorAll = () => [Object.assign(new Image(), {{attributionSrc: ""}})];
            Object.defineProperty(HTMLImageElement.prototype, "attributionSrc", {{get: () => "", set() {{ }}}});
            Object.defineProperty(HTMLImageElement.prototype, "src", {{get: () => "{ads}/plain", set() {{ }}}});
            Object.defineProperty(document, "images", {{get: () => []}});
        </script><img src="{ads}/plain"><img attributionsrc src="{ads}/marked">"#
    );
    stage.show(&stage.publisher, &html).await?;
    assert_eq!(eligibility(&*stage.ads.wait_for("/plain").await?), Unset);
    assert_eq!(eligibility(&*stage.ads.wait_for("/marked").await?), EventSourceOrTrigger);
    Ok(())
}

async fn a_page_cannot_pretend_that_the_user_did_it(stage: Stage) -> Tested {
    for (number, script) in [
        "document.links[0].dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true, view: window}))",
        "Object.defineProperty(Navigator.prototype, 'userActivation', {get: () => ({isActive: true, hasBeenActive: true})}); document.links[0].click()",
        "Object.defineProperty(UserActivation.prototype, 'isActive', {get: () => true}); document.links[0].click()",
        "Object.defineProperty(Event.prototype, 'isTrusted', {get: () => true}); document.links[0].dispatchEvent(new PointerEvent('click', {bubbles: true, cancelable: true}))",
        "window.open(document.links[0].href, '_self', 'attributionsrc')",
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/land{number}");
        stage.shop.reply(&path, Reply::html("landed").header(SOURCE, stage.source(1)));
        stage.ads.reply("/background", Reply::ok().header(SOURCE, stage.source(2)));
        let html = format!(
            r#"<a href="{}" attributionsrc="{}">buy</a>"#,
            stage.shop.url(&path),
            stage.ads.url("/background")
        );
        let page = stage.show(&stage.publisher, &html).await?;
        page.navigation(page.evaluate(&format!("{{ {script}; 0 }}"))).await?;
        assert_eq!(eligibility(&*stage.shop.wait_for(&path).await?), Unset, "{script}");
    }
    assert!(stage.sources().await.is_empty());
    Ok(())
}

async fn a_page_that_is_busy_holds_up_itself_alone(stage: Stage) -> Tested {
    stage.ads.reply("/*", Reply::image());
    let busy = format!(
        r#"<body><script>
            for (let number = 0; number < 50; number++) new Image().src = "{}?" + number;
            setTimeout(() => {{ const end = performance.now() + 4000; while (performance.now() < end); }}, 20);
        </script>"#,
        stage.ads.url("/busy")
    );
    stage.shop.reply("/busy", Reply::html(busy));
    let page = stage
        .show(&stage.publisher, &format!("<a target='_blank' href='{}'>busy</a>", stage.shop.url("/busy")))
        .await?;
    page.click("a", Click::default()).await?;
    stage.shop.wait_for("/busy").await?;
    let start = std::time::Instant::now();
    let html = format!(r#"<img attributionsrc src="{}">"#, stage.ads.url("/other"));
    stage.ads2.reply("/page", Reply::html(html));
    stage.open(&stage.ads2.url("/page")).await?;
    assert_eq!(eligibility(&*stage.ads.wait_for("/other").await?), EventSourceOrTrigger);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    let all = stage.ads.wait_for_many("/busy", 50).await?;
    assert!(all.iter().all(|request| eligibility(request) == Unset));
    Ok(())
}

async fn frames_that_come_and_go_leave_the_browser_sound(stage: Stage) -> Tested {
    stage.ads.reply("/*", Reply::image().cors());
    let ads = stage.ads.origin();
    let frame = format!(r#"<img attributionsrc src="{ads}/image"><script>fetch("{ads}/fetch")</script>"#);
    stage.publisher.reply("/frame", Reply::html(frame));
    let html = format!(
        r#"<body><script>
            window.done = (async () => {{
                for (let number = 0; number < 150; number++) {{
                    const frame = document.createElement('iframe');
                    frame.src = number % 2 ? '/frame' : 'about:blank';
                    document.body.append(frame);
                    const image = frame.contentDocument.createElement('img');
                    image.attributionSrc = '';
                    image.src = '{ads}/gone?' + number;
                    if (number % 3 == 0) await new Promise(requestAnimationFrame);
                    frame.remove();
                }}
                return true;
            }})();
        </script>"#
    );
    let page = stage.show(&stage.publisher, &html).await?;
    assert_eq!(page.evaluate("done").await?, true);
    stage.idle().await;
    for request in stage.ads.received("/gone") {
        assert_eq!(eligibility(&request), EventSourceOrTrigger, "{request}");
    }
    sound(&stage).await
}

async fn a_page_that_closes_itself_leaves_the_browser_sound(stage: Stage) -> Tested {
    stage.ads.reply("/*", Reply::image());
    let popup = format!(
        r#"<body><script>
            for (let number = 0; number < 20; number++) {{
                const image = new Image();
                image.attributionSrc = "{0}/background?" + number;
                image.src = "{0}/image?" + number;
            }}
            window.close();
        </script>"#,
        stage.ads.origin()
    );
    stage.shop.reply("/popup", Reply::html(popup));
    let html = format!(r#"<button onclick="window.open('{}')">open</button>"#, stage.shop.url("/popup"));
    let page = stage.show(&stage.publisher, &html).await?;
    for n in 1..=5 {
        page.click("button", Click::default()).await?;
        stage.shop.wait_for_many("/popup", n).await?;
    }
    sound(&stage).await
}

async fn a_marker_of_one_page_is_of_no_use_to_another(stage: Stage) -> Tested {
    // Whatever a request carries, its target and what the page is answered with must not tell.
    stage.ads.answer("/*", |request| Reply::html(format!("{:?} {}", request.headers, request.target)).cors());
    let page = stage.show(&stage.publisher, "").await?;
    let echo = page.evaluate(&format!(
        "fetch('{}', {{attributionReporting: {{eventSourceEligible: true, triggerEligible: true}}}}).then(r => r.text().then(t => t + r.url + JSON.stringify([...r.headers])))",
        stage.ads.url("/echo")
    )).await?;
    let echo = echo.as_str().ok_or("text")?;
    assert!(echo.contains(ELIGIBLE));
    assert!(!echo.contains("ascribe"), "{echo}");
    Ok(())
}

async fn garbage_on_the_wire_registers_nothing(stage: Stage) -> Tested {
    let old = stage.site("old");
    old.http1_only();
    let source = stage.source(1);
    for (path, bytes) in [
        ("/cut", format!("HTTP/1.1 200 OK\r\n{SOURCE}: {source}")),
        ("/no-status", format!("{SOURCE}: {source}\r\n\r\n")),
        ("/binary", format!("\0\u{1}\u{2}{SOURCE}: {source}\r\n\r\n")),
        ("/split", format!("HTTP/1.1 200 OK\r\nx: y\r{TRIGGER}: z\r\ncontent-length: 0\r\n\r\n")),
    ] {
        old.reply(path, Reply::garbage(bytes));
    }
    old.reply("/dropped", Reply::drop_connection());
    let html = ["/cut", "/no-status", "/binary", "/split", "/dropped"]
        .map(|path| format!(r#"<img attributionsrc src="{}">"#, old.url(path)));
    stage.show(&stage.publisher, &html.concat()).await?;
    old.wait_for("/dropped").await?;
    // A head without its end is a head all the same, when the connection ends; what has none is HTTP/0.9 or an error.
    let sources = stage.sources().await;
    assert!(sources.is_empty() || sources == [1], "{sources:?}");
    assert!(stage.triggers().await.is_empty());
    sound(&stage).await
}
