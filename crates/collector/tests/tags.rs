//! Tags to paste: complete, escaped, and answered by the collector that they were made for.

mod support;

use ascribe_collector::{Campaigns, Limits, Tag};
use support::{Serving, campaigns, client, secrets};

fn tag<'t>(tags: &'t [Tag], of: &str, way: &str) -> &'t str {
    &tags.iter().find(|tag| tag.of == of && tag.way == way).unwrap_or_else(|| panic!("{of}, {way}")).html
}

#[test]
fn there_is_a_tag_for_each_way() {
    let tags = campaigns().tags();
    assert_eq!(tags.len(), 2 * 7 + 2 * 4);
    assert_eq!(
        tag(&tags, "campaign spring", "view: pixel"),
        r#"<img src="https://ads.example/source/spring.gif?placement=PLACEMENT&amp;click=CLICK&amp;country=COUNTRY" width="1" height="1" alt="" attributionsrc>"#
    );
    assert_eq!(
        tag(&tags, "campaign spring", "click: straight to the landing page, registered beside it"),
        r#"<a href="https://www.shop.example/spring" attributionsrc="https://ads.example/source/spring.gif?placement=PLACEMENT&amp;click=CLICK&amp;country=COUNTRY">Your ad</a>"#
    );
    let fetch = tag(&tags, "conversion purchase", "fetch");
    assert!(
        fetch.contains(
            r#"fetch("https://ads.example/conversion/purchase?order=ORDER&value=VALUE&category=CATEGORY""#
        ),
        "{fetch}"
    );
    assert!(fetch.contains("{ eventSourceEligible: false, triggerEligible: true }"));
    assert!(
        tag(&tags, "campaign spring", "view: XMLHttpRequest")
            .contains("eventSourceEligible: true, triggerEligible: false")
    );
    assert!(
        tag(&tags, "conversion signup", "image").contains(r#"/conversion/signup.gif" width"#),
        "no parameters"
    );
}

#[test]
fn hostile_names_stay_within_their_quotes() {
    let text = support::EXAMPLE
        .replace(r#"deduplicate_by = "order""#, r#"deduplicate_by = "\"><script>alert(1)</script>&'""#)
        .replace(r#"["https://www.shop.example/spring"]"#, r#"["https://www.shop.example/?a=\"'<>&b"]"#);
    let campaigns = Campaigns::parse(&text, secrets()).unwrap();
    let page = campaigns.preview_page();
    for tag in campaigns.tags() {
        assert!(!tag.html.contains("alert(1)<"), "{}", tag.html);
        assert!(!tag.html.contains("<script>alert"), "{}", tag.html);
    }
    assert!(!page.contains("<script>alert"));
    assert_eq!(page.matches("<template>").count(), page.matches("</template>").count());
}

/// The URLs of a tag, as a browser reads its attributes.
fn urls(html: &str) -> Vec<String> {
    let unescaped = html.replace("&amp;", "&").replace("&quot;", "\"");
    let starts = unescaped.match_indices("https://ads.example/").map(|(at, _)| at);
    starts.map(|at| unescaped[at..].split('"').next().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn what_the_tags_ask_for_is_answered() {
    let serving = Serving::start(Limits::default()).await;
    for tag in campaigns().tags() {
        let (eligible, header) = match (tag.of.starts_with("campaign"), tag.way.starts_with("click")) {
            (true, true) => ("navigation-source", "attribution-reporting-register-source"),
            (true, false) => ("event-source", "attribution-reporting-register-source"),
            _ => ("trigger", "attribution-reporting-register-trigger"),
        };
        for url in urls(&tag.html) {
            let url = url.replace("https://ads.example", &serving.url);
            let request = client().get(&url).header("attribution-reporting-eligible", eligible);
            let response = request.send().await.unwrap();
            assert!(response.status().is_success() || response.status() == 302, "{url}");
            assert!(response.headers().contains_key(header), "{url}");
        }
    }
    serving.end().await;
}
