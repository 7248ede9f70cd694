//! `attributionsrc` on `a` and `area`: every way to follow a link.
//!
//! FEATURES A5 to A7: the navigation and its background requests may register navigation sources, if the user
//! did it.

use ascribe_browser::{Button, Click, Key};
use ascribe_headers::Eligibility::{NavigationSource, Unset};
use ascribe_test_sites::Reply;

use crate::stage::{SOURCE, Stage, TRIGGER, Tested, eligibility, tests};

tests![
    every_click_on_a_link_is_eligible,
    every_click_on_an_area_is_eligible,
    a_click_asks_for_each_url_in_the_background,
    nothing_is_asked_before_the_click,
    links_without_the_attribute_have_no_header,
    a_prevented_click_sends_nothing,
    an_href_that_its_click_handler_changes_is_eligible,
    a_click_without_user_activation_is_not_eligible,
    a_click_by_a_script_on_behalf_of_the_user_is_eligible,
    links_in_shadow_trees_and_frames_are_eligible,
    the_keyboard_follows_links_too,
    a_click_inside_the_link_is_eligible,
    a_navigation_registers_sources_alone,
    a_background_request_outlives_the_page,
    an_attribute_that_is_set_late_counts,
    a_link_to_a_fragment_asks_in_the_background,
];

const WAYS: &[(&str, &str, Click)] = &[
    ("plain", "", PLAIN),
    ("alone", r#"rel="noreferrer""#, PLAIN),
    ("control", "", Click { control: true, ..PLAIN }),
    ("shift", "", Click { shift: true, ..PLAIN }),
    ("middle", "", Click { button: Button::Middle, ..PLAIN }),
    ("blank", r#"target="_blank""#, PLAIN),
    ("opener", r#"target="_blank" rel="opener""#, PLAIN),
    ("noopener", r#"target="_blank" rel="noopener""#, PLAIN),
    ("named", r#"target="elsewhere""#, PLAIN),
    ("blank-control", r#"target="_blank""#, Click { control: true, shift: true, ..PLAIN }),
];

const PLAIN: Click = Click { button: Button::Left, alt: false, control: false, meta: false, shift: false };

async fn every_click_on_a_link_is_eligible(stage: Stage) -> Tested {
    for (id, (name, attributes, click)) in (1..).zip(WAYS) {
        let (to, background) = (format!("/to-{name}"), format!("/background-{name}"));
        stage.shop.reply(&to, Reply::html(name.to_owned()).header(SOURCE, stage.source(id)));
        stage.ads.reply(&background, Reply::ok().header(SOURCE, stage.source(id)));
        let html = format!(
            r#"<a {attributes} href="{}" attributionsrc="{}">buy</a>"#,
            stage.shop.url(&to),
            stage.ads.url(&background)
        );
        let page = stage.show(&stage.publisher, &html).await?;
        page.click("a", *click).await?;
        let request = stage.shop.wait_for(&to).await?;
        assert_eq!(eligibility(&request), NavigationSource, "{name}");
        assert_eq!(request.header("sec-fetch-mode"), Some("navigate"), "{name}");
        let background = stage.ads.wait_for(&background).await?;
        assert_eq!(eligibility(&background), NavigationSource, "{name}");
    }
    let twice: Vec<u64> = (1..=WAYS.len() as u64).flat_map(|id| [id, id]).collect();
    assert_eq!(stage.sources().await, twice);
    Ok(())
}

async fn every_click_on_an_area_is_eligible(stage: Stage) -> Tested {
    stage.shop.reply("/*", Reply::html("bought"));
    stage.ads.reply("/*", Reply::ok());
    stage.publisher.reply("/map.gif", Reply::image());
    for (name, attributes, click) in WAYS {
        let html = format!(
            r##"<img src="/map.gif" width="100" height="100" usemap="#map"><map name="map">
            <area {attributes} shape="rect" coords="0,0,100,100" href="{}" attributionsrc="{}"></map>"##,
            stage.shop.url(&format!("/to-{name}")),
            stage.ads.url(&format!("/background-{name}"))
        );
        let page = stage.show(&stage.publisher, &html).await?;
        page.click("area", *click).await?;
        let request = stage.shop.wait_for(&format!("/to-{name}")).await?;
        assert_eq!(eligibility(&request), NavigationSource, "{name}");
        let request = stage.ads.wait_for(&format!("/background-{name}")).await?;
        assert_eq!(eligibility(&request), NavigationSource, "{name}");
    }
    Ok(())
}

async fn a_click_asks_for_each_url_in_the_background(stage: Stage) -> Tested {
    let (ads, ads2) = (&stage.ads, &stage.ads2);
    stage.shop.reply("/buy", Reply::html(""));
    ads.reply("/*", Reply::ok());
    ads2.reply("/*", Reply::ok().header(SOURCE, stage.source(3)));
    let html = format!(
        r#"<a href="{}" attributionsrc="{} https:// {} {}" referrerpolicy="unsafe-url">buy</a>"#,
        stage.shop.url("/buy"),
        ads.url("/one"),
        ads.url("/two"),
        ads2.url("/three"),
    );
    stage.publisher.reply("/article", Reply::html(html));
    let url = stage.publisher.url("/article?1");
    let page = stage.open(&url).await?;
    page.navigation(page.click("a", PLAIN)).await?;
    for request in [ads.wait_for("/one").await?, ads.wait_for("/two").await?, ads2.wait_for("/three").await?]
    {
        assert_eq!(eligibility(&request), NavigationSource);
        assert_eq!(request.header("referer"), Some(&*url), "the link's policy");
    }
    assert_eq!(stage.sources().await, [3]);
    Ok(())
}

async fn nothing_is_asked_before_the_click(stage: Stage) -> Tested {
    stage.ads.reply("/*", Reply::ok());
    let html = format!(r#"<a href="/" attributionsrc="{}">buy</a>"#, stage.ads.url("/background"));
    let page = stage.show(&stage.publisher, &html).await?;
    page.evaluate(&format!("document.links[0].attributionSrc = '{}'", stage.ads.url("/other"))).await?;
    stage.idle().await;
    assert!(stage.received("/background").is_empty() && stage.received("/other").is_empty());
    Ok(())
}

async fn links_without_the_attribute_have_no_header(stage: Stage) -> Tested {
    stage.shop.reply("/*", Reply::html("").header(SOURCE, stage.source(1)));
    for (name, attributes, click) in WAYS {
        let html = format!(r#"<a {attributes} href="{}">buy</a>"#, stage.shop.url(&format!("/to-{name}")));
        let page = stage.show(&stage.publisher, &html).await?;
        page.click("a", *click).await?;
        assert_eq!(eligibility(&*stage.shop.wait_for(&format!("/to-{name}")).await?), Unset, "{name}");
    }
    assert!(stage.sources().await.is_empty());
    Ok(())
}

async fn a_prevented_click_sends_nothing(stage: Stage) -> Tested {
    let handlers = [
        "document.links[0].onclick = () => false",
        "document.links[0].addEventListener('click', event => event.preventDefault())",
        "window.addEventListener('click', event => event.preventDefault())",
        "window.addEventListener('click', event => { event.preventDefault(); event.stopImmediatePropagation() }, true)",
    ];
    let html = format!(
        r#"<a href="{}" attributionsrc="{}">buy</a>"#,
        stage.shop.url("/buy"),
        stage.ads.url("/background")
    );
    for handler in handlers {
        let page = stage.show(&stage.publisher, &html).await?;
        page.evaluate(&format!(
            "{{ {handler}; window.addEventListener('mouseup', () => window.up = true) }}"
        ))
        .await?;
        page.click("a", PLAIN).await?;
        page.wait_for("window.up === true").await?;
        stage.idle().await;
        assert!(stage.received("/b").is_empty(), "{handler}");
    }
    Ok(())
}

async fn an_href_that_its_click_handler_changes_is_eligible(stage: Stage) -> Tested {
    stage.shop.reply("/*", Reply::html(""));
    let html = format!(
        r#"<a href="{}" attributionsrc onclick="this.href = '{}'">buy</a>"#,
        stage.shop.url("/before"),
        stage.shop.url("/after?gclid=1")
    );
    let page = stage.show(&stage.publisher, &html).await?;
    page.navigation(page.click("a", PLAIN)).await?;
    assert_eq!(eligibility(&*stage.shop.wait_for("/after").await?), NavigationSource);
    assert!(stage.shop.received("/before").is_empty());
    Ok(())
}

async fn a_click_without_user_activation_is_not_eligible(stage: Stage) -> Tested {
    stage.shop.reply("/buy", Reply::html("").header(SOURCE, stage.source(1)));
    stage.ads.reply("/background", Reply::ok().header(SOURCE, stage.source(2)));
    let html = format!(
        r#"<a href="{}" attributionsrc="{}">buy</a>"#,
        stage.shop.url("/buy"),
        stage.ads.url("/background")
    );
    let page = stage.show(&stage.publisher, &html).await?;
    page.navigation(page.evaluate("document.links[0].click()")).await?;
    assert_eq!(eligibility(&*stage.shop.wait_for("/buy").await?), Unset);
    assert!(stage.sources().await.is_empty());
    for request in stage.ads.received("/background") {
        assert_eq!(eligibility(&request), Unset);
    }
    Ok(())
}

async fn a_click_by_a_script_on_behalf_of_the_user_is_eligible(stage: Stage) -> Tested {
    stage.shop.reply("/buy", Reply::html("").header(SOURCE, stage.source(1)));
    let html = format!(
        r#"<button onclick="document.links[0].click()">go</button><a href="{}" attributionsrc></a>"#,
        stage.shop.url("/buy")
    );
    let page = stage.show(&stage.publisher, &html).await?;
    page.navigation(page.click("button", PLAIN)).await?;
    assert_eq!(eligibility(&*stage.shop.wait_for("/buy").await?), NavigationSource);
    assert_eq!(stage.sources().await, [1]);
    Ok(())
}

async fn links_in_shadow_trees_and_frames_are_eligible(stage: Stage) -> Tested {
    stage.shop.reply("/*", Reply::html(""));
    let link = |path: &str, target: &str| {
        format!(
            r#"<a style="display: block" target="{target}" href="{}" attributionsrc>buy</a>"#,
            stage.shop.url(path)
        )
    };
    let html = format!(
        r#"<div></div><script>
            document.querySelector("div").attachShadow({{mode: "closed"}}).innerHTML = `{}`;
        </script>"#,
        link("/shadow", "_self")
    );
    let page = stage.show(&stage.publisher, &html).await?;
    page.navigation(page.click("div", PLAIN)).await?;
    assert_eq!(eligibility(&*stage.shop.wait_for("/shadow").await?), NavigationSource);

    // A frame of the same origin, and one of another, which another process has; both lead the page away.
    for (name, site) in [("same", &stage.publisher), ("other", &stage.ads)] {
        let style = "<style>a { position: fixed; inset: 0 }</style>";
        let path = format!("/{name}-frame");
        site.reply(&path, Reply::html(format!("{style}{}", link(&format!("/{name}"), "_top"))));
        let html = format!(r#"<iframe width="300" height="200" src="{}"></iframe>"#, site.url(&path));
        let page = stage.show(&stage.publisher, &html).await?;
        page.navigation(page.click("iframe", PLAIN)).await?;
        let request = stage.shop.wait_for(&format!("/{name}")).await?;
        assert_eq!(eligibility(&request), NavigationSource, "{name}");
    }
    Ok(())
}

async fn the_keyboard_follows_links_too(stage: Stage) -> Tested {
    stage.shop.reply("/buy", Reply::html(""));
    stage.ads.reply("/background", Reply::ok());
    let html = format!(
        r#"<a href="{}" attributionsrc="{}">buy</a>"#,
        stage.shop.url("/buy"),
        stage.ads.url("/background")
    );
    let page = stage.show(&stage.publisher, &html).await?;
    page.evaluate("document.links[0].focus()").await?;
    page.navigation(page.press(Key::Enter)).await?;
    assert_eq!(eligibility(&*stage.shop.wait_for("/buy").await?), NavigationSource);
    assert_eq!(eligibility(&*stage.ads.wait_for("/background").await?), NavigationSource);
    Ok(())
}

async fn a_click_inside_the_link_is_eligible(stage: Stage) -> Tested {
    stage.shop.reply("/buy", Reply::html(""));
    stage.publisher.reply("/banner.gif", Reply::image());
    let html = format!(
        r#"<a href="{}" attributionsrc><span><img width="300" height="250" src="/banner.gif"></span></a>"#,
        stage.shop.url("/buy")
    );
    let page = stage.show(&stage.publisher, &html).await?;
    page.navigation(page.click("img", PLAIN)).await?;
    assert_eq!(eligibility(&*stage.shop.wait_for("/buy").await?), NavigationSource);
    Ok(())
}

async fn a_navigation_registers_sources_alone(stage: Stage) -> Tested {
    stage.shop.reply("/buy", Reply::html("").header(TRIGGER, stage.trigger("navigation")));
    stage.ads.reply("/background", Reply::ok().header(TRIGGER, stage.trigger("background")));
    let html = format!(
        r#"<a href="{}" attributionsrc="{}">buy</a>"#,
        stage.shop.url("/buy"),
        stage.ads.url("/background")
    );
    let page = stage.show(&stage.publisher, &html).await?;
    page.navigation(page.click("a", PLAIN)).await?;
    stage.ads.wait_for("/background").await?;
    assert!(stage.triggers().await.is_empty());
    Ok(())
}

async fn a_background_request_outlives_the_page(stage: Stage) -> Tested {
    let gate = ascribe_test_sites::Gate::new();
    stage.shop.reply("/buy", Reply::html("bought"));
    stage.ads.reply("/background", Reply::ok().header(SOURCE, stage.source(1)).when(&gate));
    let html = format!(
        r#"<a href="{}" attributionsrc="{}">buy</a>"#,
        stage.shop.url("/buy"),
        stage.ads.url("/background")
    );
    let page = stage.show(&stage.publisher, &html).await?;
    page.navigation(page.click("a", PLAIN)).await?;
    page.wait_for("document.body.textContent == 'bought'").await?;
    stage.ads.wait_for("/background").await?;
    // The page that asked is gone, and its answer comes only now.
    gate.open();
    assert_eq!(stage.sources().await, [1]);
    Ok(())
}

async fn an_attribute_that_is_set_late_counts(stage: Stage) -> Tested {
    stage.shop.reply("/*", Reply::html(""));
    for (name, script) in [
        ("before", "document.links[0].attributionSrc = ''"),
        (
            "pressed",
            "document.links[0].onmousedown = () => document.links[0].setAttribute('attributionsrc', '')",
        ),
        ("clicked", "document.links[0].onclick = () => document.links[0].setAttribute('attributionsrc', '')"),
    ] {
        let html = format!(r#"<a href="{}">buy</a>"#, stage.shop.url(&format!("/{name}")));
        let page = stage.show(&stage.publisher, &html).await?;
        page.evaluate(script).await?;
        page.navigation(page.click("a", PLAIN)).await?;
        assert_eq!(
            eligibility(&*stage.shop.wait_for(&format!("/{name}")).await?),
            NavigationSource,
            "{name}"
        );
    }
    Ok(())
}

async fn a_link_to_a_fragment_asks_in_the_background(stage: Stage) -> Tested {
    stage.ads.reply("/background", Reply::ok().header(SOURCE, stage.source(1)));
    let html = format!(r##"<a href="#there" attributionsrc="{}">buy</a>"##, stage.ads.url("/background"));
    let page = stage.show(&stage.publisher, &html).await?;
    page.click("a", PLAIN).await?;
    assert_eq!(eligibility(&*stage.ads.wait_for("/background").await?), NavigationSource);
    assert_eq!(page.evaluate("location.hash").await?, "#there");
    assert_eq!(stage.sources().await, [1]);
    Ok(())
}
