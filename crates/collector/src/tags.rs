//! Tags: the HTML and JavaScript to paste, for each campaign and conversion, each way.

mod markup;
mod preview;

use ascribe_headers::SourceType;
use url::form_urlencoded::Serializer;

use self::markup::{html, javascript};
use crate::campaigns::{Amount, Campaign, Campaigns, Conversion, Dimension, DimensionKind, Side};

/// A piece of HTML to paste.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Of what: `campaign NAME` or `conversion NAME`.
    pub of: String,
    /// In which way it registers.
    pub way: &'static str,
    /// The HTML, in which parameters stand in capitals.
    pub html: String,
}

/// What stands for a parameter's value.
type Filler = fn(&str, Option<&Dimension>) -> String;

impl Campaigns {
    /// All tags. For the value of each parameter stands its name in capitals, to be replaced by a server, or by
    /// the macro of one.
    #[must_use]
    pub fn tags(&self) -> Vec<Tag> {
        self.filled_tags(|name, _| name.to_uppercase())
    }

    /// All tags, with values that could be real.
    fn example_tags(&self) -> Vec<Tag> {
        self.filled_tags(|_, dimension| match dimension.map(|dimension| &dimension.kind) {
            Some(DimensionKind::Listed(values)) if !values.is_empty() => values[0].to_string(),
            _ => "1".to_owned(),
        })
    }

    fn filled_tags(&self, fill: Filler) -> Vec<Tag> {
        let sources = self.campaigns.iter().flat_map(|campaign| self.source_tags(campaign, fill));
        let triggers = self.conversions.iter().flat_map(|conversion| self.trigger_tags(conversion, fill));
        sources.chain(triggers).collect()
    }

    fn source_tags(&self, campaign: &Campaign, fill: Filler) -> Vec<Tag> {
        let ids = self.event_ids.fields().iter().map(|field| &*field.name);
        let query = self.query(ids, Side::Source, &campaign.dimensions, fill);
        let url = |kind: &str, extension: &str| self.url(kind, &campaign.name, extension, &query);
        let mut tags = Vec::new();
        let mut tag = |way, html| tags.push(Tag { of: format!("campaign {}", campaign.name), way, html });
        if campaign.registration(SourceType::Event).is_some() {
            tag("view: pixel", pixel(&url("source", ".gif")));
            tag("view: script", script(&url("source", ".js")));
            tag("view: fetch", fetch(&url("source", ""), true));
            tag("view: XMLHttpRequest", xhr(&url("source", ""), true));
        }
        if let (Some(page), Some(_)) =
            (campaign.landing_pages.first(), campaign.registration(SourceType::Navigation))
        {
            let (click, page) = (html(&url("click", "")), page.url().as_str());
            tag("click: by way of the collector", format!("<a href=\"{click}\" attributionsrc>Your ad</a>"));
            let background = html(&url("source", ".gif"));
            let direct = html(page);
            tag(
                "click: straight to the landing page, registered beside it",
                format!("<a href=\"{direct}\" attributionsrc=\"{background}\">Your ad</a>"),
            );
            tag("click: window.open", window_open(page, &url("source", ".gif")));
        }
        tags
    }

    fn trigger_tags(&self, conversion: &Conversion, fill: Filler) -> Vec<Tag> {
        let told = conversion.measures.iter().filter_map(|(_, amount)| match amount {
            Amount::Told(name) => Some(&**name),
            Amount::Fixed(_) => None,
        });
        let own =
            [&conversion.deduplicate_by, &conversion.context_id].into_iter().flatten().map(|name| &**name);
        // Dimensions have a part in aggregatable reports alone.
        let side = if conversion.measures.is_empty() { None } else { Some(Side::Trigger) };
        let names = own.chain(told);
        let query = match side {
            Some(side) => self.query(names, side, &conversion.dimensions, fill),
            None => query(names.map(|name| (name, fill(name, None)))),
        };
        let url = |extension: &str| self.url("conversion", &conversion.name, extension, &query);
        [
            ("image", pixel(&url(".gif"))),
            ("script", script(&url(".js"))),
            ("fetch", fetch(&url(""), false)),
            ("XMLHttpRequest", xhr(&url(""), false)),
        ]
        .map(|(way, html)| Tag { of: format!("conversion {}", conversion.name), way, html })
        .into()
    }

    /// The parameters of these names, and of the dimensions of a side that are not fixed.
    fn query<'n>(
        &'n self,
        names: impl Iterator<Item = &'n str>,
        side: Side,
        fixed: &[(Box<str>, u64)],
        fill: Filler,
    ) -> String {
        let told = |dimension: &&Dimension| {
            let free = matches!(dimension.kind, DimensionKind::Listed(_) | DimensionKind::Number);
            free && dimension.side == side && !fixed.iter().any(|(name, _)| *name == dimension.name)
        };
        let dimensions: Vec<_> = self.scheme.dimensions.iter().filter(told).collect();
        let of_name = |name: &str| dimensions.iter().find(|dimension| *dimension.name == *name).copied();
        let mut all: Vec<&str> = names.chain(dimensions.iter().map(|dimension| &*dimension.name)).collect();
        let mut seen = std::collections::HashSet::new();
        all.retain(|name| seen.insert(*name));
        query(all.into_iter().map(|name| (name, fill(name, of_name(name)))))
    }

    fn url(&self, kind: &str, name: &str, extension: &str, query: &str) -> String {
        let separator = if query.is_empty() { "" } else { "?" };
        format!("{}/{kind}/{name}{extension}{separator}{query}", self.origin.as_str())
    }
}

fn query<'n>(parameters: impl Iterator<Item = (&'n str, String)>) -> String {
    Serializer::new(String::new()).extend_pairs(parameters).finish()
}

fn pixel(url: &str) -> String {
    format!("<img src=\"{}\" width=\"1\" height=\"1\" alt=\"\" attributionsrc>", html(url))
}

fn script(url: &str) -> String {
    format!("<script src=\"{}\" async attributionsrc></script>", html(url))
}

/// What a request is to be eligible for. The two go by different names in examples that are met elsewhere;
/// taken for each other, nothing is registered.
fn eligibility(is_source: bool) -> String {
    format!("{{ eventSourceEligible: {is_source}, triggerEligible: {} }}", !is_source)
}

fn fetch(url: &str, is_source: bool) -> String {
    format!(
        "<script>\nfetch({}, {{\n  keepalive: true,\n  attributionReporting: {},\n}});\n</script>",
        javascript(url),
        eligibility(is_source)
    )
}

fn xhr(url: &str, is_source: bool) -> String {
    format!(
        "<script>\n{{\n  const request = new XMLHttpRequest();\n  request.open(\"GET\", {});\n  \
         request.setAttributionReporting?.({});\n  request.send();\n}}\n</script>",
        javascript(url),
        eligibility(is_source)
    )
}

fn window_open(page: &str, background: &str) -> String {
    // Within the features of `window.open`, a URL is percent-encoded; within an attribute, a script is text.
    let encoded: String = url::form_urlencoded::byte_serialize(background.as_bytes()).collect();
    let call = format!(
        "window.open({}, \"_blank\", {})",
        javascript(page),
        javascript(&format!("attributionsrc={encoded}"))
    );
    format!("<button onclick=\"{}\">Your ad</button>", html(&call))
}
