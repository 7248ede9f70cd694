//! Pages that ask for too much, or pry: whatever they do, they register nothing that no server sent, learn nothing,
//! and cost a bounded amount.

use std::time::{Duration, Instant};

use ascribe_headers::Eligibility::Unset;
use ascribe_test_sites::Reply;

use crate::{
    hostile::sound,
    stage::{SOURCE, Stage, TRIGGER, Tested, eligibility, memory, tests},
};

tests![
    three_hundred_thousand_urls_are_bounded,
    redirects_without_end_register_what_came,
    frames_by_the_hundred_are_bounded,
    workers_by_the_hundred_are_bounded,
    a_page_that_navigates_without_end_leaves_the_browser_sound,
    a_page_that_never_yields_keeps_nobody_waiting,
    messages_by_the_thousand_are_bounded,
    guessed_events_tell_and_cause_nothing,
    a_giant_document_is_a_document,
    fresh_frames_have_no_way_to_the_host,
    stacks_lead_to_nothing,
    responses_without_a_wire_register_nothing,
];

/// What a page may cost the process that hosts the browser, in MiB, and for good.
const MOST: u64 = 150;

/// Nothing was registered, the process has not grown much, and another page is served as ever.
async fn harmless(stage: &Stage, before: u64) -> Tested {
    assert!(stage.sources().await.is_empty());
    let grown = memory()?.saturating_sub(before);
    assert!(grown < MOST, "{grown} MiB more");
    sound(stage).await
}

async fn three_hundred_thousand_urls_are_bounded(stage: Stage) -> Tested {
    stage.ads.reply("/*", Reply::ok());
    let before = memory()?;
    let html = format!(
        "<body><script>
            const image = document.createElement('img');
            image.setAttribute('attributionsrc', Array.from({{length: 300000}}, (_, n) => '{}?' + n).join(' '));
            document.body.append(image);
        </script>",
        stage.ads.url("/many")
    );
    stage.show(&stage.publisher, &html).await?;
    stage.idle().await;
    // Those that are too many when the attribute is set are not sent later.
    assert_eq!(stage.ads.received("/many").len(), 30);
    harmless(&stage, before).await
}

async fn redirects_without_end_register_what_came(stage: Stage) -> Tested {
    let before = memory()?;
    let circle = stage.ads.url("/circle");
    let source = stage.source(7);
    stage.ads.reply("/circle", Reply::redirect(&circle).header(SOURCE, &*source));
    stage.show(&stage.publisher, &format!("<img attributionsrc src='{circle}'>")).await?;
    // The 21st redirect is an error to Chromium, and no response any more.
    assert_eq!(stage.sources().await.len(), 20);
    assert_eq!(stage.ads.received("/circle").len(), 21);
    assert!(memory()?.saturating_sub(before) < MOST);
    sound(&stage).await
}

async fn frames_by_the_hundred_are_bounded(stage: Stage) -> Tested {
    let before = memory()?;
    let html = "<body><script>
        for (let n = 0; n < 300; n++) document.body.append(document.createElement('iframe'));
    </script>";
    let page = stage.show(&stage.publisher, html).await?;
    assert_eq!(page.evaluate("frames.length").await?, 300);
    page.evaluate("document.body.replaceChildren()").await?;
    harmless(&stage, before).await
}

async fn workers_by_the_hundred_are_bounded(stage: Stage) -> Tested {
    let before = memory()?;
    let page = stage.show(&stage.publisher, "").await?;
    page.evaluate(
        "(async () => {
            const url = URL.createObjectURL(new Blob(['postMessage(1)']));
            for (let round = 0; round < 10; round++) {
                const workers = Array.from({length: 20}, () => new Worker(url));
                // Half of them are gone before they run.
                workers.slice(0, 10).forEach(worker => worker.terminate());
                await Promise.all(workers.slice(10).map(worker => new Promise(done => worker.onmessage = done)));
                workers.forEach(worker => worker.terminate());
            }
        })()",
    )
    .await?;
    harmless(&stage, before).await
}

async fn a_page_that_navigates_without_end_leaves_the_browser_sound(stage: Stage) -> Tested {
    let before = memory()?;
    stage.ads.reply("/*", Reply::ok());
    let ads = stage.ads.origin();
    let html = format!(
        "<img attributionsrc='{ads}/background' src='{ads}/image'><script>
            const n = 1 + +location.search.slice(1);
            if (n < 60) location.href = '/again?' + n;
            else for (let n = 0; n < 150; n++) history.replaceState(n, '', '#' + n);
        </script>"
    );
    stage.publisher.reply("/again", Reply::html(html));
    // It may never be told as loaded.
    let opened = stage.open(&stage.publisher.url("/again")).await;
    let last = stage.publisher.url("/again?59");
    stage.log().wait_for(|request| request.url() == last).await?;
    drop(opened);
    harmless(&stage, before).await
}

async fn a_page_that_never_yields_keeps_nobody_waiting(stage: Stage) -> Tested {
    let before = memory()?;
    stage.ads.reply("/*", Reply::image());
    let ads = stage.ads.origin();
    // Its images are held for a question that its process will not answer.
    let html = format!(
        "<body><script>for (let n = 0; n < 50; n++) new Image().src = '{ads}/held?' + n; setTimeout(() => {{ for (;;); }})</script>"
    );
    stage.shop.reply("/", Reply::html(html));
    let url = stage.shop.url("/");
    let opening = stage.open(&url);
    let others = async {
        let held = stage.ads.wait_for_many("/held", 50).await?;
        assert!(held.iter().all(|request| eligibility(request) == Unset));
        let start = Instant::now();
        stage.ads.reply("/beside", Reply::image().header(SOURCE, stage.source(5)));
        let image = format!("<img attributionsrc src='{ads}/beside'>");
        stage.ads2.reply("/beside", Reply::html(image));
        stage.open(&stage.ads2.url("/beside")).await?;
        stage.ads.wait_for("/beside").await?;
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        Tested::Ok(())
    };
    // Whether it counts as loaded is all the same.
    tokio::select! {
        biased;
        done = others => done?,
        () = async { drop(opening.await); std::future::pending().await } => {}
    }
    assert!(memory()?.saturating_sub(before) < MOST);
    Ok(())
}

async fn messages_by_the_thousand_are_bounded(stage: Stage) -> Tested {
    let before = memory()?;
    let page = stage.show(&stage.publisher, "").await?;
    for flood in [
        "for (let n = 0; n < 2000; n++) console.log('x'.repeat(1000), n, {n}, [n])",
        "for (let n = 0; n < 10000; n++) postMessage({type: 'ascribe', eligible: 'navigation-source', n}, '*')",
        "for (let n = 0; n < 2000; n++) console.error(new Error('x'))",
    ] {
        page.evaluate(&format!(
            "(async () => {{ {flood}; await new Promise(done => setTimeout(done, 100)); }})()"
        ))
        .await?;
    }
    harmless(&stage, before).await
}

async fn guessed_events_tell_and_cause_nothing(stage: Stage) -> Tested {
    let before = memory()?;
    stage.ads.reply("/*", Reply::image().header(SOURCE, stage.source(1)));
    stage.shop.reply("/", Reply::html("a shop").header(SOURCE, stage.source(2)));
    let (ads, shop) = (stage.ads.origin(), stage.shop.origin());
    let html = format!("<body><a href='{shop}/'>go</a><img>");
    let page = stage.show(&stage.publisher, &html).await?;
    page.evaluate(&format!(
        "(async () => {{
            const words = ['ascribe', '__ascribe', 'attribution', 'query', 'navigated', 'probe', 'shim', 'host', 'tell', 'answer'];
            const details = [{{}}, {{url: '{shop}/', eligible: true, n: 1}}, {{images: ['{ads}/guess'], scripts: []}},
                JSON.stringify({{type: 'navigated', url: '{shop}/', n: 1, surface: 'link'}}), null];
            for (const word of words) for (const suffix of ['', ':', '-query', '.navigated', '?', '1'])
                for (const detail of details) for (const target of [window, document, document.querySelector('img'), document.links[0]]) {{
                    target.dispatchEvent(new CustomEvent(word + suffix, {{detail, bubbles: true, composed: true}}));
                    target.dispatchEvent(new MessageEvent(word + suffix, {{data: detail}}));
                }}
            // Names that a host might have left.
            for (const name of words) for (const holder of [window, document, navigator, globalThis.chrome ?? {{}}])
                try {{ holder[name]?.(JSON.stringify({{url: '{shop}/'}})); holder['__' + name]?.('1'); }} catch {{ }}
            const image = document.querySelector('img');
            image.src = '{ads}/guess';
            await image.decode().catch(() => 0);
        }})()"
    ))
    .await?;
    page.navigation(page.evaluate("{ location.href = document.links[0].href; 0 }")).await?;
    assert_eq!(eligibility(&*stage.ads.wait_for("/guess").await?), Unset);
    assert_eq!(eligibility(&*stage.shop.wait_for("/").await?), Unset);
    harmless(&stage, before).await
}

async fn a_giant_document_is_a_document(stage: Stage) -> Tested {
    let before = memory()?;
    stage.ads.reply("/*", Reply::image());
    let ads = stage.ads.origin();
    let html = format!(
        "<body>{}<div>{}</div><img attributionsrc src='{ads}/last'>",
        "<p hidden title='some text that makes it long, again and again'>x".repeat(100_000),
        "<b>".repeat(20_000)
    );
    stage.show(&stage.publisher, &html).await?;
    assert_ne!(eligibility(&*stage.ads.wait_for("/last").await?), Unset);
    drop(html);
    harmless(&stage, before).await
}

async fn fresh_frames_have_no_way_to_the_host(stage: Stage) -> Tested {
    stage.publisher.reply("/frame", Reply::html(""));
    let page = stage.show(&stage.publisher, "<body>").await?;
    // A frame is looked at as early as a page can, and again when it has loaded.
    let told = page
        .evaluate(
            "(async () => {
                const known = new Set(Reflect.ownKeys(window).map(String));
                const odd = [];
                for (const src of ['', 'about:blank', '/frame', 'about:srcdoc', 'javascript:1', 'data:text/html,']) {
                    const frame = document.createElement('iframe');
                    if (src == 'about:srcdoc') frame.srcdoc = ''; else if (src) frame.src = src;
                    const loaded = new Promise(done => frame.onload = done);
                    document.body.append(frame);
                    for (const when of ['at once', 'loaded']) {
                        let keys = [];
                        // Of a frame of another origin, only what all may see is there.
                        try { frame.contentWindow.name; keys = Reflect.ownKeys(frame.contentWindow).map(String); } catch { }
                        odd.push(...keys.filter(key => !known.has(key)).map(key => `${src} ${when} ${key}`));
                        await Promise.race([loaded, new Promise(done => setTimeout(done, 500))]);
                    }
                }
                return odd.join();
            })()",
        )
        .await?;
    assert_eq!(told, "");
    Ok(())
}

async fn stacks_lead_to_nothing(stage: Stage) -> Tested {
    stage.ads.reply("/*", Reply::image().cors());
    let page = stage.show(&stage.publisher, "").await?;
    // Getters are called in the midst of the shim; each frame of the stack is asked for all that it has.
    let told = page
        .evaluate(&format!(
            "(async () => {{
                const told = [];
                const look = () => {{
                    Error.stackTraceLimit = 100;
                    Error.prepareStackTrace = (_, frames) => frames.map(frame => ['getThis', 'getFunction', 'getTypeName',
                        'getFunctionName', 'getMethodName', 'getFileName', 'getEvalOrigin', 'getScriptNameOrSourceURL'].map(name => {{
                            try {{ const value = frame[name](); return typeof value == 'function' ? value.toString() : String(value); }} catch (e) {{ return ''; }}
                        }}).join(' ')).join('\\n');
                    told.push(String(new Error().stack));
                    Error.prepareStackTrace = undefined;
                    told.push(String(new Error().stack));
                    try {{ told.push(String(look.caller)); }} catch {{ }}
                    return true;
                }};
                const option = {{get eventSourceEligible() {{ return look(); }}, get triggerEligible() {{ return look(); }}}};
                await fetch('{0}/a', {{get attributionReporting() {{ look(); return option; }}, get method() {{ look(); return 'GET'; }}}});
                new Request({{toString() {{ look(); return '{0}/b'; }}}}, {{attributionReporting: option}});
                const xhr = new XMLHttpRequest();
                xhr.open({{toString() {{ look(); return 'GET'; }}}}, {{toString() {{ look(); return '{0}/c'; }}}});
                xhr.setAttributionReporting(option);
                const image = new Image();
                image.attributionSrc = {{toString() {{ look(); return '{0}/d'; }}}};
                return told.join('\\n');
            }})()",
            stage.ads.origin()
        ))
        .await?;
    let told = told.as_str().ok_or("text")?;
    assert!(told.len() > 1_000, "it was asked: {told}");
    for trace in ["ascribe", "uncurry", "secret", "event-source"] {
        assert!(!told.to_lowercase().contains(trace), "{trace}: {told:.4000}");
    }
    Ok(())
}

async fn responses_without_a_wire_register_nothing(stage: Stage) -> Tested {
    let page = stage.show(&stage.publisher, "<body>").await?;
    page.evaluate(&format!(
        "(async () => {{
            const source = {};
            const option = {{attributionReporting: {{eventSourceEligible: true, triggerEligible: true}}}};
            const response = new Response('', {{headers: {{'{SOURCE}': source, '{TRIGGER}': source}}}});
            await response.text();
            const blob = URL.createObjectURL(new Blob(['x'], {{type: 'image/gif'}}));
            const data = 'data:image/gif;base64,R0lGODlhAQABAIAAAAAAAAAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw==';
            for (const url of [blob, data]) {{
                await fetch(url, option).catch(() => 0);
                const image = new Image();
                image.setAttribute('attributionsrc', url);
                image.src = url;
                await image.decode().catch(() => 0);
            }}
            const cache = await caches.open('forged');
            await cache.put('/forged', new Response('', {{headers: {{'{SOURCE}': source}}}}));
            await (await cache.match('/forged')).text();
            const frame = document.createElement('iframe');
            frame.srcdoc = `<meta http-equiv='{SOURCE}' content='${{source}}'>`;
            document.body.append(frame);
            await new Promise(done => frame.onload = done);
        }})()",
        serde_json::to_string(&stage.source(1))?
    ))
    .await?;
    assert!(stage.sources().await.is_empty());
    assert!(stage.triggers().await.is_empty());
    Ok(())
}
