//! Every snippet of the guide, "Registering attribution triggers", exactly as it is printed there.
//!
//! Where the guide is wrong, the test shows what happens instead, and that it is told.

use std::sync::Arc;

use ascribe_headers::Eligibility::{EventSource, EventSourceOrTrigger, Unset};
use ascribe_test_sites::{Received, Reply, Site};

use crate::stage::{SOURCE, Stage, TRIGGER, Tested, eligibility, tests};

tests![
    the_minimal_trigger_is_attributed_with_reduced_data,
    the_summary_trigger_makes_reports_of_both_kinds,
    an_image_with_an_empty_attribute,
    an_image_with_a_separate_site,
    the_property_of_an_image,
    scripts_that_close_themselves,
    the_property_of_a_script,
    the_fetch_example_registers_no_trigger_and_says_why,
    the_xhr_example_registers_no_trigger_and_says_why,
    a_conversion_pixel_needs_no_header,
    the_option_of_another_name_is_ignored,
];

const MINIMAL: &str = r#"JSON.stringify({
  event_trigger_data: [
    {
      trigger_data: "412444888111012",
      priority: "1000000000000",
      deduplication_key: "2345698765",
    },
  ],
  debug_key: "1115698977",
});"#;

const SUMMARY: &str = r#"JSON.stringify({
  event_trigger_data: [
    {
      trigger_data: "412444888111012",
      priority: "1000000000000",
      deduplication_key: "2345698765",
    },
  ],
  debug_key: "1115698977",

  aggregatable_trigger_data: [
    {
      key_piece: "0x400",
      source_keys: ["campaignCounts"],
    },
    {
      key_piece: "0xA80",
      source_keys: ["geoValue", "nonMatchingKeyIdsAreIgnored"],
    },
  ],
  aggregatable_values: {
    campaignCounts: 32768,
    geoValue: 1664,
  },
});"#;

const IMAGE: &str = r#"<img
  src="https://ourshop.example.com/conversion/4rghshdh5"
  width="1"
  height="1"
  attributionsrc />"#;

const IMAGE_AND_SITE: &str = r#"<img
  src="https://ourshop.example.com/conversion/4rghshdh5"
  attributionsrc="https://my-separate-tracking-site.example.com"
  width="1"
  height="1" />"#;

const IMAGE_PROPERTY: &str = r#"const imgElem = document.querySelector("img");
imgElem.attributionSrc = "https://my-separate-tracking-site.example.com";"#;

const SCRIPTS: &str = r#"<script src="advertising-script.js" attributionsrc />

<script
  src="advertising-script.js"
  attributionsrc="https://my-separate-tracking-site.example.com" />"#;

const SCRIPT_PROPERTY: &str = r#"const scriptElem = document.querySelector("script");
scriptElem.attributionSrc = "https://my-separate-tracking-site.example.com";"#;

const FETCH: &str = r#"const attributionReporting = {
  eventSourceEligible: true,
  triggerEligible: false,
};

// Optionally set keepalive to ensure the request outlives the page.
fetch("https://a.example/register-trigger", {
  keepalive: true,
  attributionReporting,
});"#;

const XHR: &str = r#"const attributionReporting = {
  eventSourceEligible: true,
  triggerEligible: false,
};

const req = new XMLHttpRequest();
req.open("GET", "https://a.example/register-trigger");
req.setAttributionReporting(attributionReporting);
req.send();"#;

const CONVERSION: &str = "/conversion/4rghshdh5";

fn our_shop(stage: &Stage) -> Site {
    stage.shared_site("ourshop.example.com")
}

fn separate(stage: &Stage) -> Site {
    stage.shared_site("my-separate-tracking-site.example.com")
}

fn a_example(stage: &Stage) -> Site {
    stage.shared_site("a.example")
}

/// The publisher's page shows an advertisement, which `reporter` registers as a source with the keys that the
/// guide's trigger names.
async fn advertise(stage: &Stage, reporter: &Site) -> Tested {
    let source = format!(
        r#"{{"source_event_id": "7", "destination": "{}", "aggregation_keys": {{"campaignCounts": "0x159", "geoValue": "0x5"}}}}"#,
        stage.shop.origin()
    );
    reporter.reply("/view", Reply::image().header(SOURCE, source));
    stage.show(&stage.publisher, &format!(r#"<img attributionsrc src="{}">"#, reporter.url("/view"))).await?;
    asked(stage, &stage.publisher, reporter, "/view").await?;
    stage.idle().await;
    Ok(())
}

/// What `site` was asked for by a page of `page`'s: other tests ask the same sites.
async fn asked(
    stage: &Stage,
    page: &Site,
    site: &Site,
    path: &str,
) -> Result<Arc<Received>, ascribe_test_sites::NotReceived> {
    let (origin, host) = (page.origin(), site.origin());
    let wanted = move |request: &Received| {
        let referer = request.header("referer").unwrap_or_default();
        referer.starts_with(&origin) && format!("https://{}", request.host) == host && request.path() == path
    };
    stage.log().wait_for(wanted).await
}

/// The header's value, made by the guide's own JavaScript.
async fn header(stage: &Stage, snippet: &str) -> Result<String, Box<dyn std::error::Error>> {
    let page = stage.show(&stage.publisher, "").await?;
    Ok(page.evaluate(snippet).await?.as_str().ok_or("no text")?.to_owned())
}

async fn the_minimal_trigger_is_attributed_with_reduced_data(stage: Stage) -> Tested {
    let trigger = header(&stage, MINIMAL).await?;
    advertise(&stage, &stage.ads).await?;
    stage.ads.reply("/convert", Reply::image().header(TRIGGER, trigger));
    let pixel = format!(
        r#"<img attributionsrc src="{0}?1"><img attributionsrc src="{0}?2">"#,
        stage.ads.url("/convert")
    );
    stage.show(&stage.shop, &pixel).await?;
    stage.ads.wait_for_many("/convert", 2).await?;
    // A view has one bit of trigger data; the second trigger is a duplicate.
    assert_eq!(stage.event_reports().await, [(7, 0)]);
    assert!(stage.histograms().await.is_empty());
    Ok(())
}

async fn the_summary_trigger_makes_reports_of_both_kinds(stage: Stage) -> Tested {
    let trigger = header(&stage, SUMMARY).await?;
    advertise(&stage, &stage.ads).await?;
    stage.ads.reply("/convert", Reply::image().header(TRIGGER, trigger));
    let pixel = format!(
        r#"<img attributionsrc src="{0}?1"><img attributionsrc src="{0}?2">"#,
        stage.ads.url("/convert")
    );
    stage.show(&stage.shop, &pixel).await?;
    stage.ads.wait_for_many("/convert", 2).await?;
    assert_eq!(stage.event_reports().await, [(7, 0)]);
    // The deduplication key is one of event-level reports alone. What keeps the second trigger from being
    // counted again is the budget: twice 34432 is more than 65536.
    assert_eq!(stage.histograms().await, [[(0x559, 32768), (0xA85, 1664)]]);
    Ok(())
}

async fn an_image_with_an_empty_attribute(stage: Stage) -> Tested {
    let shop = our_shop(&stage);
    advertise(&stage, &shop).await?;
    shop.reply(CONVERSION, Reply::image().header(TRIGGER, header(&stage, MINIMAL).await?));
    stage.show(&stage.shop, IMAGE).await?;
    let request = asked(&stage, &stage.shop, &shop, CONVERSION).await?;
    assert_eq!(eligibility(&request), EventSourceOrTrigger);
    assert_eq!(stage.event_reports().await, [(7, 0)]);
    Ok(())
}

async fn an_image_with_a_separate_site(stage: Stage) -> Tested {
    let (shop, separate) = (our_shop(&stage), separate(&stage));
    advertise(&stage, &separate).await?;
    shop.reply(CONVERSION, Reply::image());
    separate.reply("/", Reply::ok().header(TRIGGER, header(&stage, MINIMAL).await?));
    stage.show(&stage.shop, IMAGE_AND_SITE).await?;
    // The guide says that the header goes to the separate site: it goes to both.
    for request in [
        asked(&stage, &stage.shop, &shop, CONVERSION).await?,
        asked(&stage, &stage.shop, &separate, "/").await?,
    ] {
        assert_eq!(eligibility(&request), EventSourceOrTrigger);
    }
    assert_eq!(stage.event_reports().await, [(7, 0)]);
    Ok(())
}

async fn the_property_of_an_image(stage: Stage) -> Tested {
    let separate = separate(&stage);
    advertise(&stage, &separate).await?;
    separate.reply("/", Reply::ok().header(TRIGGER, header(&stage, MINIMAL).await?));
    stage.show(&stage.shop, &format!("<img><script>{IMAGE_PROPERTY}</script>")).await?;
    assert_eq!(eligibility(&*asked(&stage, &stage.shop, &separate, "/").await?), EventSourceOrTrigger);
    assert_eq!(stage.event_reports().await, [(7, 0)]);
    Ok(())
}

async fn scripts_that_close_themselves(stage: Stage) -> Tested {
    let separate = separate(&stage);
    advertise(&stage, &stage.shop).await?;
    stage
        .shop
        .reply("/advertising-script.js", Reply::script("").header(TRIGGER, header(&stage, MINIMAL).await?));
    separate.reply("/", Reply::ok());
    let page = stage.show(&stage.shop, &format!("{SCRIPTS}<p>swallowed</p>")).await?;
    let requests = stage.shop.wait_for_many("/advertising-script.js", 1).await?;
    assert_eq!(eligibility(&requests[0]), EventSourceOrTrigger);
    assert_eq!(stage.event_reports().await, [(7, 0)]);
    // A script does not close itself: everything after the first is its text, and the second never runs.
    assert_eq!(
        page.evaluate("[document.scripts.length, document.querySelector('p')]").await?,
        serde_json::json!([1, null])
    );
    assert_eq!(requests.len(), 1);
    let swallowed = stage.log().matching(|request| {
        request.host == "my-separate-tracking-site.example.com"
            && request.header("referer") == Some(&*stage.shop.url("/"))
    });
    assert!(swallowed.is_empty());
    let told = stage.diagnoses_at(&stage.shop.url("/advertising-script.js")).await;
    assert!(told.iter().any(|text| text.contains("</script>")), "{told:?}");

    // Closed as HTML wants, both run.
    let closed = SCRIPTS.replace("/>", "></script>");
    stage.show(&stage.shop, &closed).await?;
    asked(&stage, &stage.shop, &separate, "/").await?;
    // One document loads the same script once.
    assert_eq!(stage.shop.wait_for_many("/advertising-script.js", 2).await?.len(), 2);
    Ok(())
}

async fn the_property_of_a_script(stage: Stage) -> Tested {
    let separate = separate(&stage);
    advertise(&stage, &separate).await?;
    separate.reply("/", Reply::ok().header(TRIGGER, header(&stage, MINIMAL).await?));
    stage.show(&stage.shop, &format!("<script>{SCRIPT_PROPERTY}</script>")).await?;
    assert_eq!(eligibility(&*asked(&stage, &stage.shop, &separate, "/").await?), EventSourceOrTrigger);
    assert_eq!(stage.event_reports().await, [(7, 0)]);
    Ok(())
}

/// The guide's options make its requests eligible for a source, so that no trigger is registered: L1.
async fn no_trigger_and_why(stage: &Stage, snippet: &str) -> Tested {
    let reporter = a_example(stage);
    advertise(stage, &reporter).await?;
    let trigger = Reply::ok().cors().header(TRIGGER, header(stage, MINIMAL).await?);
    reporter.reply("/register-trigger", trigger);
    let before = stage.attempts_at(&reporter.url("/register-trigger")).await.len();
    stage.show(&stage.shop, &format!("<script>{snippet}</script>")).await?;
    let request = asked(stage, &stage.shop, &reporter, "/register-trigger").await?;
    assert_eq!(eligibility(&request), EventSource);
    assert!(stage.event_reports().await.is_empty());
    let attempts = stage.attempts_at(&reporter.url("/register-trigger")).await;
    let diagnoses: Vec<_> =
        attempts[before..].iter().flat_map(|attempt| &attempt.diagnosis).map(ToString::to_string).collect();
    assert!(diagnoses.iter().any(|text| text.contains("triggerEligible")), "{diagnoses:?}");

    let corrected = snippet
        .replace("eventSourceEligible: true", "eventSourceEligible: false")
        .replace("triggerEligible: false", "triggerEligible: true");
    stage.show(&stage.shop, &format!("<script>{corrected}</script>")).await?;
    let path = "/register-trigger";
    let requests = |request: &Received| {
        request.path() == path && request.header("referer") == Some(&*stage.shop.url("/"))
    };
    stage.log().wait_for_many(2, std::time::Duration::from_secs(20), requests).await?;
    assert_eq!(stage.event_reports().await, [(7, 0)]);
    Ok(())
}

async fn the_fetch_example_registers_no_trigger_and_says_why(stage: Stage) -> Tested {
    no_trigger_and_why(&stage, FETCH).await
}

async fn the_xhr_example_registers_no_trigger_and_says_why(stage: Stage) -> Tested {
    no_trigger_and_why(&stage, XHR).await
}

async fn a_conversion_pixel_needs_no_header(stage: Stage) -> Tested {
    let shop = our_shop(&stage);
    advertise(&stage, &shop).await?;
    shop.reply(CONVERSION, Reply::image().header(TRIGGER, header(&stage, MINIMAL).await?));
    stage.show(&stage.shop, &IMAGE.replace("attributionsrc ", "")).await?;
    assert_eq!(eligibility(&*asked(&stage, &stage.shop, &shop, CONVERSION).await?), Unset);
    assert_eq!(stage.event_reports().await, [(7, 0)]);
    Ok(())
}

async fn the_option_of_another_name_is_ignored(stage: Stage) -> Tested {
    let reporter = a_example(&stage);
    reporter.reply("/register-trigger", Reply::ok().cors());
    let renamed = FETCH.replace("attributionReporting", "attributionRequest");
    stage.show(&stage.shop, &format!("<script>{renamed}</script>")).await?;
    assert_eq!(eligibility(&*asked(&stage, &stage.shop, &reporter, "/register-trigger").await?), Unset);
    Ok(())
}
