//! `attributionsrc` on `img` and `script`, put there by the parser or by scripts.
//!
//! FEATURES: the element's own request and each background request may register an event source or a trigger.

use std::time::Duration;

use ascribe_headers::Eligibility::{EventSourceOrTrigger, Unset};
use ascribe_test_sites::Reply;

use crate::stage::{SOURCE, Stage, TRIGGER, Tested, eligibility, tests};

tests![
    parsed_elements_with_an_empty_attribute_are_eligible,
    parsed_elements_with_one_url_make_two_eligible_requests,
    several_urls_are_asked_for_each_and_bad_ones_skipped,
    elements_made_by_scripts_are_eligible,
    the_idl_property_asks_for_its_urls,
    each_change_of_the_attribute_asks_again,
    an_image_that_is_not_in_the_document_is_eligible,
    a_background_request_has_the_profile_of_one,
    an_element_without_src_asks_in_the_background_alone,
    responsive_images_are_eligible,
    scripts_of_every_kind_are_eligible,
    cors_elements_cause_no_preflight,
    elements_in_shadow_trees_are_eligible,
    elements_in_trees_that_are_declared_closed_are_missed,
    lazy_images_are_eligible_when_they_load,
    an_image_from_the_cache_asks_in_the_background_nevertheless,
    among_many_images_those_with_the_attribute_are_told_apart,
    the_same_url_with_and_without_the_attribute_is_eligible_once,
    pages_that_stream_are_eligible_from_the_first_element,
    removed_elements_have_asked,
    plain_elements_have_no_header,
];

async fn parsed_elements_with_an_empty_attribute_are_eligible(stage: Stage) -> Tested {
    let ads = &stage.ads;
    ads.reply("/view", Reply::image().header(SOURCE, stage.source(1)));
    ads.reply("/convert", Reply::script("").header(TRIGGER, stage.trigger("script")));
    let (view, convert) = (ads.url("/view"), ads.url("/convert"));
    stage
        .show(
            &stage.publisher,
            &format!(r#"<img src="{view}" attributionsrc><script src="{convert}" attributionsrc></script>"#),
        )
        .await?;
    for path in ["/view", "/convert"] {
        let requests = ads.received(path);
        assert_eq!(requests.len(), 1, "no background request: {path}");
        assert_eq!(eligibility(&requests[0]), EventSourceOrTrigger);
        assert_eq!(requests[0].header("referer"), Some(&*stage.publisher.url("/")));
        assert_eq!(requests[0].header("sec-fetch-mode"), Some("no-cors"));
    }
    assert_eq!(stage.sources().await, [1]);
    assert_eq!(stage.triggers().await, ["script"]);
    Ok(())
}

async fn parsed_elements_with_one_url_make_two_eligible_requests(stage: Stage) -> Tested {
    let (ads, ads2) = (&stage.ads, &stage.ads2);
    ads.reply("/view", Reply::image().header(SOURCE, stage.source(1)));
    ads2.reply("/view", Reply::ok().header(SOURCE, stage.source(2)));
    ads.reply("/convert", Reply::script("").header(TRIGGER, stage.trigger("own")));
    ads2.reply("/convert", Reply::ok().header(TRIGGER, stage.trigger("separate")));
    let html = format!(
        r#"<img src="{}" attributionsrc="{}"><script src="{}" attributionsrc="{}"></script>"#,
        ads.url("/view"),
        ads2.url("/view"),
        ads.url("/convert"),
        ads2.url("/convert")
    );
    stage.show(&stage.publisher, &html).await?;
    for site in [ads, ads2] {
        for path in ["/view", "/convert"] {
            assert_eq!(eligibility(&*site.wait_for(path).await?), EventSourceOrTrigger, "{path}");
        }
    }
    assert_eq!(stage.sources().await, [1, 2]);
    assert_eq!(stage.triggers().await, ["own", "separate"]);
    for site in [ads, ads2] {
        assert_eq!((site.received("/view").len(), site.received("/convert").len()), (1, 1));
    }
    Ok(())
}

async fn several_urls_are_asked_for_each_and_bad_ones_skipped(stage: Stage) -> Tested {
    let (ads, ads2) = (&stage.ads, &stage.ads2);
    for (number, path) in (1..).zip(["/one", "/two", "/three"]) {
        ads.reply(path, Reply::ok().header(SOURCE, stage.source(number)));
        ads2.reply(path, Reply::ok());
    }
    let urls = [
        ads.url("/one"),
        "https://".to_owned(),
        "javascript:alert(1)".to_owned(),
        "data:text/plain,x".to_owned(),
        ads.url("/two"),
        ads2.url("/two"),
        ads.url("/three"),
    ];
    // Tabs, line breaks and more than one space separate too; a relative URL is one of the page's.
    let list = urls.join(" \n\t ");
    stage.publisher.reply("/relative", Reply::ok());
    stage.show(&stage.publisher, &format!(r#"<img attributionsrc=" {list} relative ">"#)).await?;
    for path in ["/one", "/two", "/three"] {
        assert_eq!(eligibility(&*ads.wait_for(path).await?), EventSourceOrTrigger);
    }
    assert_eq!(eligibility(&*ads2.wait_for("/two").await?), EventSourceOrTrigger);
    assert_eq!(eligibility(&*stage.publisher.wait_for("/relative").await?), EventSourceOrTrigger);
    assert_eq!(stage.sources().await, [1, 2, 3]);
    assert_eq!(ads.received("/one").len(), 1);
    Ok(())
}

/// Ways in which scripts make an element with `attributionsrc`, each at a path of its own.
const MADE_BY_SCRIPTS: &[(&str, &str)] = &[
    (
        "/set",
        "const e = document.createElement('img'); e.setAttribute('attributionsrc', ''); e.src = URL; document.body.append(e)",
    ),
    (
        "/set-late",
        "const e = document.createElement('img'); e.src = URL; e.setAttribute('attributionsrc', ''); document.body.append(e)",
    ),
    (
        "/property",
        "const e = document.createElement('img'); e.attributionSrc = ''; e.src = URL; document.body.append(e)",
    ),
    (
        "/upper-case",
        "const e = document.createElement('img'); e.setAttribute('ATTRIBUTIONSRC', ''); e.src = URL",
    ),
    (
        "/namespace",
        "const e = document.createElement('img'); e.setAttributeNS(null, 'attributionsrc', ''); e.src = URL",
    ),
    ("/toggle", "const e = document.createElement('img'); e.toggleAttribute('attributionsrc'); e.src = URL"),
    (
        "/node",
        "const e = document.createElement('img'); e.setAttributeNode(document.createAttribute('attributionsrc')); e.src = URL",
    ),
    ("/inner", "document.body.insertAdjacentHTML('beforeend', `<img attributionsrc src='${URL}'>`)"),
    (
        "/inner-order",
        "const d = document.createElement('div'); d.innerHTML = `<img src='${URL}' attributionsrc>`",
    ),
    (
        "/clone",
        "const t = document.createElement('template'); t.innerHTML = `<img attributionsrc src='${URL}'>`; document.body.append(t.content.cloneNode(true))",
    ),
    (
        "/fragment",
        "document.body.append(document.createRange().createContextualFragment(`<img attributionsrc src='${URL}'>`))",
    ),
    (
        "/script",
        "const e = document.createElement('script'); e.attributionSrc = ''; e.src = URL; document.body.append(e)",
    ),
    (
        "/script-late",
        "const e = document.createElement('script'); e.src = URL; e.setAttribute('attributionsrc', ''); document.head.append(e)",
    ),
    (
        "/script-fragment",
        "document.body.append(document.createRange().createContextualFragment(`<script attributionsrc src='${URL}'></scr` + `ipt>`))",
    ),
];

async fn elements_made_by_scripts_are_eligible(stage: Stage) -> Tested {
    for (path, _) in MADE_BY_SCRIPTS {
        stage.ads.reply(path, Reply::status(204));
    }
    stage.ads.reply("/write", Reply::image());
    let written = format!(
        r#"<script>document.write('<img attributionsrc src="{}">')</script>"#,
        stage.ads.url("/write")
    );
    let page = stage.show(&stage.publisher, &format!("<body>{written}")).await?;
    for (path, script) in MADE_BY_SCRIPTS {
        page.evaluate(&format!("{{ const URL = '{}'; {script} }}", stage.ads.url(path))).await?;
    }
    for path in MADE_BY_SCRIPTS.iter().map(|(path, _)| *path).chain(["/write"]) {
        let request = stage.ads.wait_for(path).await?;
        assert_eq!(eligibility(&request), EventSourceOrTrigger, "{path}");
    }
    stage.idle().await;
    for (path, _) in MADE_BY_SCRIPTS {
        assert_eq!(stage.ads.received(path).len(), 1, "{path}");
    }
    Ok(())
}

async fn the_idl_property_asks_for_its_urls(stage: Stage) -> Tested {
    let (ads, ads2) = (&stage.ads, &stage.ads2);
    ads.reply("/plain", Reply::image());
    ads.reply("/plain-script", Reply::script(""));
    ads2.reply("/image", Reply::ok().header(SOURCE, stage.source(1)));
    ads2.reply("/script", Reply::ok().header(TRIGGER, stage.trigger("script")));
    let html =
        format!(r#"<img src="{}"><script src="{}"></script>"#, ads.url("/plain"), ads.url("/plain-script"));
    let page = stage.show(&stage.publisher, &html).await?;
    let image = ads2.url("/image");
    page.evaluate(&format!("document.querySelector('img').attributionSrc = '{image}'")).await?;
    let script = ads2.url("/script");
    page.evaluate(&format!("document.querySelector('script').attributionSrc = '{script}'")).await?;
    for path in ["/image", "/script"] {
        assert_eq!(eligibility(&*ads2.wait_for(path).await?), EventSourceOrTrigger);
    }
    assert_eq!(stage.sources().await, [1]);
    assert_eq!(stage.triggers().await, ["script"]);
    for path in ["/plain", "/plain-script"] {
        assert_eq!(eligibility(&ads.received(path)[0]), Unset, "it was loaded before");
    }
    Ok(())
}

async fn each_change_of_the_attribute_asks_again(stage: Stage) -> Tested {
    let ads = &stage.ads;
    ads.reply("/*", Reply::ok());
    let page = stage.show(&stage.publisher, "<img>").await?;
    let set = |path: &str| format!("document.images[0].setAttribute('attributionsrc', '{}')", ads.url(path));
    page.evaluate(&set("/one")).await?;
    ads.wait_for("/one").await?;
    page.evaluate(&set("/two")).await?;
    ads.wait_for("/two").await?;
    page.evaluate(&set("/two")).await?;
    ads.wait_for_many("/two", 2).await?;
    page.evaluate("document.images[0].removeAttribute('attributionsrc')").await?;
    stage.idle().await;
    assert_eq!((ads.received("/one").len(), ads.received("/two").len()), (1, 2));
    Ok(())
}

async fn an_image_that_is_not_in_the_document_is_eligible(stage: Stage) -> Tested {
    let ads = &stage.ads;
    ads.reply("/*", Reply::image());
    ads.reply("/registers", Reply::image().header(SOURCE, stage.source(1)));
    let page = stage.show(&stage.publisher, "").await?;
    let make = format!(
        "(() => {{
            const image = new Image(1, 1); image.attributionSrc = ''; image.src = '{}';
            const later = new Image(); later.src = '{}'; later.attributionSrc = '{}';
            new Image().src = '{}';
        }})()",
        ads.url("/registers"),
        ads.url("/later"),
        ads.url("/background"),
        ads.url("/plain"),
    );
    page.evaluate(&make).await?;
    for (path, expected) in [
        ("/registers", EventSourceOrTrigger),
        ("/later", EventSourceOrTrigger),
        ("/background", EventSourceOrTrigger),
        ("/plain", Unset),
    ] {
        assert_eq!(eligibility(&*ads.wait_for(path).await?), expected, "{path}");
    }
    assert_eq!(stage.sources().await, [1]);
    Ok(())
}

async fn a_background_request_has_the_profile_of_one(stage: Stage) -> Tested {
    let ads = &stage.ads;
    ads.reply("/*", Reply::ok());
    let image = |policy: &str, path: &str| format!(r#"<img {policy} attributionsrc="{}">"#, ads.url(path));
    let html = [
        image("", "/default"),
        image(r#"referrerpolicy="no-referrer""#, "/none"),
        image(r#"referrerpolicy="unsafe-url""#, "/whole"),
        image(r#"referrerpolicy="origin""#, "/origin"),
    ];
    stage.publisher.reply("/article", Reply::html(html.concat()));
    stage.open(&stage.publisher.url("/article?secret=1")).await?;
    let origin = stage.publisher.url("/");
    let whole = stage.publisher.url("/article?secret=1");
    for (path, referer) in [
        ("/default", Some(&*origin)),
        ("/none", None),
        ("/whole", Some(&*whole)),
        ("/origin", Some(&*origin)),
    ] {
        let request = ads.wait_for(path).await?;
        assert_eq!(request.method, "GET");
        assert_eq!(eligibility(&request), EventSourceOrTrigger);
        assert_eq!(request.header("referer"), referer, "{path}");
        assert_eq!(request.header("sec-fetch-mode"), Some("no-cors"));
        assert_eq!(request.header("sec-fetch-site"), Some("cross-site"));
        assert_eq!(request.header("origin"), None);
    }
    Ok(())
}

async fn an_element_without_src_asks_in_the_background_alone(stage: Stage) -> Tested {
    let ads = &stage.ads;
    ads.reply("/image", Reply::ok().header(TRIGGER, stage.trigger("image")));
    ads.reply("/script", Reply::ok().header(TRIGGER, stage.trigger("script")));
    let html = format!(
        r#"<img attributionsrc="{}"><script attributionsrc="{}"></script>"#,
        ads.url("/image"),
        ads.url("/script")
    );
    stage.show(&stage.shop, &html).await?;
    ads.wait_for("/image").await?;
    ads.wait_for("/script").await?;
    assert_eq!(stage.triggers().await, ["image", "script"]);
    Ok(())
}

async fn responsive_images_are_eligible(stage: Stage) -> Tested {
    let ads = &stage.ads;
    ads.reply("/*", Reply::image());
    let html = format!(
        r#"<img attributionsrc srcset="{} 1x" src="{}">
        <picture><source srcset="{}"><img attributionsrc src="{}"></picture>
        <picture><source srcset="{}"><img src="{}"></picture>"#,
        ads.url("/srcset"),
        ads.url("/unused1"),
        ads.url("/picture"),
        ads.url("/unused2"),
        ads.url("/plain-picture"),
        ads.url("/unused3"),
    );
    stage.show(&stage.publisher, &html).await?;
    assert_eq!(eligibility(&*ads.wait_for("/srcset").await?), EventSourceOrTrigger);
    assert_eq!(eligibility(&*ads.wait_for("/picture").await?), EventSourceOrTrigger);
    assert_eq!(eligibility(&*ads.wait_for("/plain-picture").await?), Unset);
    Ok(())
}

async fn scripts_of_every_kind_are_eligible(stage: Stage) -> Tested {
    let ads = &stage.ads;
    ads.reply("/*", Reply::script("").cors());
    let script = |kind: &str, path: &str| format!(r#"<script {kind} src="{}"></script>"#, ads.url(path));
    let html = [
        script("attributionsrc", "/classic"),
        script("attributionsrc async", "/async"),
        script("attributionsrc defer", "/defer"),
        script(r#"attributionsrc type="module""#, "/module"),
        script(r#"type="module""#, "/plain-module"),
        script(r#"attributionsrc type="text/template""#, "/never"),
    ];
    stage.show(&stage.publisher, &html.concat()).await?;
    for path in ["/classic", "/async", "/defer", "/module"] {
        assert_eq!(eligibility(&*ads.wait_for(path).await?), EventSourceOrTrigger, "{path}");
    }
    assert_eq!(eligibility(&*ads.wait_for("/plain-module").await?), Unset);
    stage.idle().await;
    assert!(ads.received("/never").is_empty());
    Ok(())
}

async fn cors_elements_cause_no_preflight(stage: Stage) -> Tested {
    let ads = &stage.ads;
    let cors = |reply: Reply| {
        reply
            .header("access-control-allow-origin", stage.publisher.origin())
            .header("access-control-allow-credentials", "true")
    };
    ads.reply("/image", cors(Reply::image()));
    ads.reply("/script", cors(Reply::script("")));
    let html = format!(
        r#"<img crossorigin attributionsrc src="{}">
        <script crossorigin="use-credentials" attributionsrc src="{}"></script>"#,
        ads.url("/image"),
        ads.url("/script")
    );
    stage.show(&stage.publisher, &html).await?;
    for path in ["/image", "/script"] {
        assert_eq!(eligibility(&*ads.wait_for(path).await?), EventSourceOrTrigger);
        stage.idle().await;
        assert_eq!(ads.received(path).len(), 1, "no OPTIONS");
        assert_eq!(ads.received(path)[0].header("sec-fetch-mode"), Some("cors"));
    }
    Ok(())
}

async fn elements_in_shadow_trees_are_eligible(stage: Stage) -> Tested {
    let ads = &stage.ads;
    ads.reply("/*", Reply::image());
    let html = format!(
        r#"<div><template shadowrootmode="open"><img attributionsrc src="{}"></template></div>
        <p></p><script>
            const root = document.querySelector('p').attachShadow({{mode: 'closed'}});
            root.innerHTML = '<img attributionsrc src="{}"><img src="{}">';
        </script>"#,
        ads.url("/declared"),
        ads.url("/attached"),
        ads.url("/plain")
    );
    stage.show(&stage.publisher, &html).await?;
    for (path, expected) in
        [("/declared", EventSourceOrTrigger), ("/attached", EventSourceOrTrigger), ("/plain", Unset)]
    {
        assert_eq!(eligibility(&*ads.wait_for(path).await?), expected, "{path}");
    }
    Ok(())
}

/// A limit: no script can look into a tree that the page's HTML declares to be closed.
async fn elements_in_trees_that_are_declared_closed_are_missed(stage: Stage) -> Tested {
    stage.ads.reply("/*", Reply::image());
    let html = format!(
        r#"<div><template shadowrootmode="closed"><img attributionsrc src="{}"></template></div>"#,
        stage.ads.url("/closed")
    );
    stage.show(&stage.publisher, &html).await?;
    assert_eq!(eligibility(&*stage.ads.wait_for("/closed").await?), Unset);
    Ok(())
}

async fn lazy_images_are_eligible_when_they_load(stage: Stage) -> Tested {
    let ads = &stage.ads;
    ads.reply("/*", Reply::image());
    let html = format!(
        r#"<div style="height: 20000px"></div><img loading="lazy" width="9" height="9" attributionsrc src="{}">"#,
        ads.url("/lazy")
    );
    let page = stage.show(&stage.publisher, &html).await?;
    stage.idle().await;
    assert!(ads.received("/lazy").is_empty());
    page.evaluate("document.images[0].scrollIntoView()").await?;
    assert_eq!(eligibility(&*ads.wait_for("/lazy").await?), EventSourceOrTrigger);
    Ok(())
}

async fn an_image_from_the_cache_asks_in_the_background_nevertheless(stage: Stage) -> Tested {
    let ads = &stage.ads;
    ads.reply("/cached", Reply::image().header("cache-control", "max-age=3600"));
    ads.reply("/background", Reply::ok());
    let html = format!(r#"<img src="{}">"#, ads.url("/cached"));
    let page = stage.show(&stage.publisher, &html).await?;
    let again = format!(
        "document.body.insertAdjacentHTML('beforeend', `<img src='{}' attributionsrc='{}'>`)",
        ads.url("/cached"),
        ads.url("/background")
    );
    page.evaluate(&again).await?;
    assert_eq!(eligibility(&*ads.wait_for("/background").await?), EventSourceOrTrigger);
    Ok(())
}

async fn among_many_images_those_with_the_attribute_are_told_apart(stage: Stage) -> Tested {
    let ads = &stage.ads;
    ads.reply("/image", Reply::image());
    let image = |number: usize| {
        let attribute = if number.is_multiple_of(3) { "attributionsrc" } else { "" };
        format!(r#"<img {attribute} src="{}">"#, ads.url(&format!("/image?{number}")))
    };
    let html: String = (0..60).map(image).collect();
    stage.show(&stage.publisher, &html).await?;
    let requests = ads.wait_for_many("/image", 60).await?;
    for request in &requests {
        let number: usize = request.query().parse()?;
        let expected = if number.is_multiple_of(3) { EventSourceOrTrigger } else { Unset };
        assert_eq!(eligibility(request), expected, "{number}");
    }
    Ok(())
}

async fn the_same_url_with_and_without_the_attribute_is_eligible_once(stage: Stage) -> Tested {
    let ads = &stage.ads;
    // Each element makes a request of its own: nothing is cached.
    ads.reply("/same", Reply::image().header("cache-control", "no-store"));
    let url = ads.url("/same");
    let page = stage.show(&stage.publisher, "").await?;
    let load = |attribute: &str| {
        format!(
            "new Promise(done => {{
                const image = new Image(); {attribute} image.onload = image.onerror = done; image.src = '{url}';
            }}).then(() => true)"
        )
    };
    page.evaluate(&load("")).await?;
    assert_eq!(ads.received("/same").iter().map(|r| eligibility(r)).collect::<Vec<_>>(), [Unset]);
    let other = stage.show(&stage.publisher, "").await?;
    other.evaluate(&load("image.attributionSrc = '';")).await?;
    let all: Vec<_> = ads.received("/same").iter().map(|r| eligibility(r)).collect();
    assert_eq!(all, [Unset, EventSourceOrTrigger]);
    Ok(())
}

async fn pages_that_stream_are_eligible_from_the_first_element(stage: Stage) -> Tested {
    let ads = &stage.ads;
    ads.reply("/*", Reply::image());
    let html = format!(
        r#"<!doctype html><img src="{}" attributionsrc><p>text</p><img src="{}"><p>more</p><img src="{}" attributionsrc>"#,
        ads.url("/first"),
        ads.url("/second"),
        ads.url("/third")
    );
    // The parser sees every element in parts.
    stage.publisher.reply("/", Reply::html(html).slowly(16, Duration::from_millis(5)));
    stage.open(&stage.publisher.url("/")).await?;
    for (path, expected) in
        [("/first", EventSourceOrTrigger), ("/second", Unset), ("/third", EventSourceOrTrigger)]
    {
        assert_eq!(eligibility(&*ads.wait_for(path).await?), expected, "{path}");
    }
    Ok(())
}

async fn removed_elements_have_asked(stage: Stage) -> Tested {
    let ads = &stage.ads;
    ads.reply("/*", Reply::ok());
    let page = stage.show(&stage.publisher, "<body>").await?;
    let make = format!(
        "(() => {{
            const image = document.createElement('img');
            image.attributionSrc = '{}'; document.body.append(image); image.remove();
            const other = document.createElement('img');
            other.src = '{}'; other.attributionSrc = ''; document.body.append(other); other.remove();
        }})()",
        ads.url("/background"),
        ads.url("/own")
    );
    page.evaluate(&make).await?;
    assert_eq!(eligibility(&*ads.wait_for("/background").await?), EventSourceOrTrigger);
    assert_eq!(eligibility(&*ads.wait_for("/own").await?), EventSourceOrTrigger);
    Ok(())
}

async fn plain_elements_have_no_header(stage: Stage) -> Tested {
    let ads = &stage.ads;
    ads.reply("/*", Reply::image());
    let html = format!(
        r#"<img src="{}"><img data-attributionsrc src="{}"><script src="{}"></script>
        <iframe attributionsrc="{}" src="{}"></iframe><link attributionsrc rel="stylesheet" href="{}">
        <video attributionsrc poster="{}"></video>"#,
        ads.url("/image"),
        ads.url("/data"),
        ads.url("/script"),
        ads.url("/never"),
        ads.url("/frame"),
        ads.url("/style"),
        ads.url("/poster"),
    );
    stage.show(&stage.publisher, &html).await?;
    stage.idle().await;
    for path in ["/image", "/data", "/script", "/frame", "/style", "/poster"] {
        assert_eq!(eligibility(&*ads.wait_for(path).await?), Unset, "{path}");
    }
    assert!(ads.received("/never").is_empty());
    Ok(())
}
