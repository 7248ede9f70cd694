//! The pages that measure themselves.

use std::time::Duration;

use ascribe_test_sites::{Reply, Sites};

/// A page, and what it measures.
pub(crate) struct Page {
    pub(crate) name: &'static str,
    measures: Measures,
}

enum Measures {
    /// The median of 200 requests, one after the other, made like this.
    Fetches(&'static str),
    /// From the page's first byte to its load event, with 100 images that have this attribute and are answered so late.
    Images { attribute: &'static str, delay: Duration },
}

pub(crate) const PAGES: &[Page] = &[
    Page { name: "fetch", measures: Measures::Fetches("fetch('/small')") },
    Page {
        name: "fetch with attributionReporting",
        measures: Measures::Fetches(
            "fetch('/small', {attributionReporting: {eventSourceEligible: false, triggerEligible: true}})",
        ),
    },
    Page { name: "100 images", measures: Measures::Images { attribute: "", delay: Duration::ZERO } },
    Page {
        name: "100 images, each after 20 ms",
        measures: Measures::Images { attribute: "", delay: Duration::from_millis(20) },
    },
    Page {
        name: "100 images with attributionsrc, after 20 ms",
        measures: Measures::Images { attribute: "attributionsrc", delay: Duration::from_millis(20) },
    },
];

impl Page {
    pub(crate) fn url(&self) -> String {
        "https://page.test/".to_owned()
    }

    /// Makes the sites answer with this page.
    pub(crate) fn serve(&self, sites: &Sites) {
        let site = sites.site("page.test");
        site.reply("/", Reply::html(self.html()).header("cache-control", "no-store"));
        site.reply("/small", Reply::ok()).reply("/result", Reply::ok());
        let delay = match self.measures {
            Measures::Fetches(_) => Duration::ZERO,
            Measures::Images { delay, .. } => delay,
        };
        let image = Reply::image().header("cache-control", "no-store").after(delay);
        sites.site("img.test").reply("/*", image);
    }

    fn html(&self) -> String {
        match self.measures {
            Measures::Fetches(fetch) => format!(
                "<script type=module>
                    for (let i = 0; i < 20; i++) await {fetch};
                    const times = [];
                    for (let i = 0; i < 200; i++) {{
                        const start = performance.now();
                        await {fetch};
                        times.push(performance.now() - start);
                    }}
                    times.sort((a, b) => a - b);
                    await fetch('/result?' + times[100]);
                </script>"
            ),
            Measures::Images { attribute, .. } => {
                let images: String =
                    (0..100).map(|n| format!("<img src=https://img.test/{n} {attribute}>")).collect();
                format!(
                    "{images}<script>onload = () => setTimeout(() => {{
                        const {{loadEventStart, responseStart}} = performance.getEntriesByType('navigation')[0];
                        fetch('/result?' + (loadEventStart - responseStart));
                    }})</script>"
                )
            }
        }
    }
}
