//! `attributionsrc` among the features of `window.open`.

use ascribe_browser::Click;
use ascribe_headers::Eligibility::{EventSourceOrTrigger, NavigationSource, Trigger, Unset};
use ascribe_test_sites::Reply;

use crate::stage::{SOURCE, Stage, Tested, eligibility, tests};

tests![
    an_opened_window_is_eligible,
    features_name_urls_for_the_background,
    the_other_features_stay_as_they_are,
    noopener_and_noreferrer_return_null,
    a_window_without_the_feature_has_no_header,
    a_window_without_user_activation_is_not_eligible,
    a_named_window_is_eligible_each_time,
    a_popup_has_the_api_too,
];

/// A page whose button does this, and the page that it leads to.
async fn press(stage: &Stage, script: &str) -> Result<ascribe_browser::Page, Box<dyn std::error::Error>> {
    let script = script.replace('"', "&quot;");
    let page = stage.show(&stage.publisher, &format!(r#"<button onclick="{script}">open</button>"#)).await?;
    page.click("button", Click::default()).await?;
    Ok(page)
}

async fn an_opened_window_is_eligible(stage: Stage) -> Tested {
    stage.shop.reply("/*", Reply::html(""));
    for (name, features) in [
        ("alone", "attributionsrc"),
        ("empty", "attributionsrc="),
        ("first", "attributionsrc,width=200"),
        ("last", "popup, width=200 ,attributionsrc"),
        ("capitals", "AttributionSrc"),
        ("spaces", " attributionsrc = , popup"),
        ("noopener", "noopener,attributionsrc"),
        ("noreferrer", "attributionsrc,noreferrer"),
    ] {
        let url = stage.shop.url(&format!("/{name}"));
        press(&stage, &format!("window.open('{url}', '_blank', '{features}')")).await?;
        assert_eq!(
            eligibility(&*stage.shop.wait_for(&format!("/{name}")).await?),
            NavigationSource,
            "{features}"
        );
    }
    Ok(())
}

async fn features_name_urls_for_the_background(stage: Stage) -> Tested {
    let (ads, ads2) = (&stage.ads, &stage.ads2);
    stage.shop.reply("/buy", Reply::html("").header(SOURCE, stage.source(1)));
    ads.reply("/*", Reply::ok());
    ads.reply("/One", Reply::ok().header(SOURCE, stage.source(2)));
    ads2.reply("/two", Reply::ok().header(SOURCE, stage.source(3)));
    let encoded =
        |url: String| url.replace(':', "%3A").replace('/', "%2F").replace('?', "%3F").replace('=', "%3D");
    // Repeated, percent-decoded, in the case as it is; what is no URL is skipped.
    let features = format!(
        "attributionsrc={},popup,attributionsrc={},attributionsrc=https%3A%2F%2F,ATTRIBUTIONSRC={}",
        encoded(ads.url("/One?A=b")),
        encoded(ads2.url("/two")),
        encoded(ads.url("/caf%C3%A9")),
    );
    press(&stage, &format!("window.open('{}', '_blank', '{features}')", stage.shop.url("/buy"))).await?;
    assert_eq!(eligibility(&*stage.shop.wait_for("/buy").await?), NavigationSource);
    let one = ads.wait_for("/One").await?;
    assert_eq!((eligibility(&one), one.query()), (NavigationSource, "A=b"));
    assert_eq!(eligibility(&*ads2.wait_for("/two").await?), NavigationSource);
    assert_eq!(eligibility(&*ads.wait_for("/caf%C3%A9").await?), NavigationSource);
    assert_eq!(one.header("referer"), Some(&*stage.publisher.url("/")));
    assert_eq!(stage.sources().await, [1, 2, 3]);
    Ok(())
}

async fn the_other_features_stay_as_they_are(stage: Stage) -> Tested {
    stage.shop.reply("/*", Reply::html(""));
    // A popup has no menu bar; a tab has one. What the opener gets is a window, with an opener.
    for (name, features, popup) in [
        ("tab", "attributionsrc", false),
        ("popup", "popup,attributionsrc", true),
        ("size", "attributionsrc=,width=300,height=200", true),
        ("plain-tab", "", false),
        ("plain-size", "width=300,height=200", true),
    ] {
        let url = stage.publisher.url(&format!("/{name}"));
        stage.publisher.reply(&format!("/{name}"), Reply::html(""));
        let page = press(&stage, &format!("window.opened = window.open('{url}', '', '{features}')")).await?;
        stage.publisher.wait_for(&format!("/{name}")).await?;
        page.wait_for("opened.document.readyState == 'complete' && opened.location != 'about:blank'").await?;
        assert_eq!(page.evaluate("!opened.menubar.visible").await?, popup, "{features}");
        assert_eq!(page.evaluate("opened.opener === window").await?, true, "{features}");
    }
    Ok(())
}

async fn noopener_and_noreferrer_return_null(stage: Stage) -> Tested {
    stage.shop.reply("/*", Reply::html(""));
    for (name, features, referer) in
        [("noopener", "noopener,attributionsrc", true), ("noreferrer", "attributionsrc,noreferrer", false)]
    {
        let url = stage.shop.url(&format!("/{name}"));
        let page =
            press(&stage, &format!("window.opened = window.open('{url}', '_blank', '{features}')")).await?;
        let request = stage.shop.wait_for(&format!("/{name}")).await?;
        assert_eq!(eligibility(&request), NavigationSource, "{features}");
        assert_eq!(request.header("referer").is_some(), referer, "{features}");
        assert_eq!(page.evaluate("opened === null").await?, true, "{features}");
    }
    Ok(())
}

async fn a_window_without_the_feature_has_no_header(stage: Stage) -> Tested {
    stage.shop.reply("/*", Reply::html(""));
    for (name, arguments) in [
        ("none", ""),
        ("popup", ", '_blank', 'popup,width=200'"),
        ("similar", ", '_blank', 'attributionsrcs,xattributionsrc,popup'"),
        ("value", ", '_blank', 'popup=attributionsrc'"),
    ] {
        press(&stage, &format!("window.open('{}'{arguments})", stage.shop.url(&format!("/{name}")))).await?;
        assert_eq!(eligibility(&*stage.shop.wait_for(&format!("/{name}")).await?), Unset, "{arguments}");
    }
    Ok(())
}

async fn a_window_without_user_activation_is_not_eligible(stage: Stage) -> Tested {
    stage.shop.reply("/buy", Reply::html("").header(SOURCE, stage.source(1)));
    stage.ads.reply("/background", Reply::ok().header(SOURCE, stage.source(2)));
    let page = stage.show(&stage.publisher, "").await?;
    // Into a window that is there already, so that the popup blocker does not decide.
    let open = format!(
        "window.open('{}', '_self', 'attributionsrc={}')",
        stage.shop.url("/buy"),
        stage.ads.url("/background").replace(':', "%3A").replace('/', "%2F")
    );
    page.navigation(page.evaluate(&format!("{{ {open}; 0 }}"))).await?;
    assert_eq!(eligibility(&*stage.shop.wait_for("/buy").await?), Unset);
    assert!(stage.sources().await.is_empty());
    Ok(())
}

async fn a_named_window_is_eligible_each_time(stage: Stage) -> Tested {
    stage.shop.reply("/*", Reply::html(""));
    let page =
        press(&stage, &format!("window.open('{}', 'named', 'attributionsrc')", stage.shop.url("/one")))
            .await?;
    assert_eq!(eligibility(&*stage.shop.wait_for("/one").await?), NavigationSource);
    let again = format!(
        "document.querySelector('button').onclick = () => window.open('{}', 'named', 'attributionsrc')",
        stage.shop.url("/two")
    );
    page.evaluate(&format!("{{ {again}; 0 }}")).await?;
    page.click("button", Click::default()).await?;
    assert_eq!(eligibility(&*stage.shop.wait_for("/two").await?), NavigationSource);
    Ok(())
}

async fn a_popup_has_the_api_too(stage: Stage) -> Tested {
    let ads = &stage.ads;
    ads.reply("/*", Reply::image());
    let popup = format!(
        r#"<img attributionsrc src="{}"><script>fetch("{}", {{mode: "no-cors", attributionReporting:
        {{eventSourceEligible: false, triggerEligible: true}}}})</script>"#,
        ads.url("/image"),
        ads.url("/fetch")
    );
    stage.shop.reply("/popup", Reply::html(popup));
    for (n, features) in (1..).zip(["popup", "noopener", "attributionsrc"]) {
        press(&stage, &format!("window.open('{}', '_blank', '{features}')", stage.shop.url("/popup")))
            .await?;
        let images = ads.wait_for_many("/image", n).await?;
        assert_eq!(eligibility(&images[n - 1]), EventSourceOrTrigger, "{features}");
        let fetches = ads.wait_for_many("/fetch", n).await?;
        assert_eq!(eligibility(&fetches[n - 1]), Trigger, "{features}");
    }
    Ok(())
}
