//! What is bought: four purchases, each told to the collector in another way.

/// Where the ad leads.
pub(super) const SHOP: &str = "/spring";

/// A purchase.
pub(super) struct Purchase {
    /// How the page tells it.
    pub(super) way: &'static str,
    pub(super) category: &'static str,
    pub(super) value: f64,
    order: u32,
    /// The end of the URL that fits the way.
    extension: &'static str,
}

pub(super) const PURCHASES: [Purchase; 4] = [
    Purchase { way: "image", category: "shoes", value: 120.0, order: 1, extension: ".gif" },
    Purchase { way: "script", category: "hats", value: 45.0, order: 2, extension: ".js" },
    Purchase { way: "fetch", category: "shoes", value: 210.0, order: 3, extension: "" },
    Purchase { way: "XMLHttpRequest", category: "hats", value: 80.0, order: 4, extension: "" },
];

impl Purchase {
    pub(super) fn url(&self) -> String {
        let Self { category, value, order, extension, .. } = self;
        format!(
            "https://ads.example/conversion/purchase{extension}?order={order}&value={value}&category={category}"
        )
    }

    fn statement(&self) -> String {
        let url = self.url();
        let tell = match self.way {
            "image" => format!(
                "const e = new Image(); e.attributionSrc = ''; e.src = '{url}'; document.body.append(e);"
            ),
            "script" => format!(
                "const e = document.createElement('script'); e.attributionSrc = ''; e.src = '{url}'; document.body.append(e);"
            ),
            "fetch" => format!(
                "fetch('{url}', {{keepalive: true, attributionReporting: {{eventSourceEligible: false, triggerEligible: true}}}});"
            ),
            _ => format!(
                "const r = new XMLHttpRequest(); r.open('GET', '{url}'); \
                 r.setAttributionReporting({{eventSourceEligible: false, triggerEligible: true}}); r.send();"
            ),
        };
        format!("document.getElementById('{}').onclick = () => {{ {tell} }};\n", self.way)
    }
}

/// What the shop's page does.
pub(super) fn script() -> String {
    PURCHASES.iter().map(Purchase::statement).collect()
}
