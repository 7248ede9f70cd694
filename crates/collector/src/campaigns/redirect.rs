//! Where a tag may send the browser: the landing pages of a campaign, and further reporting origins.

use ascribe_headers::SuitableOrigin;
use url::{Url, form_urlencoded};

/// A page, and all pages below it, that a click may lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LandingPage(Url);

/// A URL of another reporting origin, that may register too, and sends the browser on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FurtherOrigin(Box<str>);

/// Why a URL is not one of those.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRedirect {
    /// Not a URL, or not one that may be trusted.
    #[error("is not an https URL (http is for loopback hosts alone)")]
    NotTrustworthy,
    /// A URL with a user or a password.
    #[error("holds a user or a password")]
    Credentials,
}

/// What stands for the URL to go on to.
const NEXT: &str = "{next}";
/// What stands for the name of the campaign or conversion.
const NAMES: [&str; 2] = ["{campaign}", "{conversion}"];
/// What stands for the parameters of the tag.
const QUERY: &str = "{query}";

impl LandingPage {
    /// A page; its query is kept when a click names no page of its own.
    ///
    /// # Errors
    /// When it is not an HTTPS URL without credentials.
    pub fn parse(url: &str) -> Result<Self, InvalidRedirect> {
        trustworthy(url).map(Self)
    }

    /// The page's URL.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Whether a URL is this page or one below it: the same origin, and a path that continues this one's
    /// at a slash.
    fn covers(&self, url: &Url) -> bool {
        let (page, path) = (self.0.path().trim_end_matches('/'), url.path());
        self.0.origin() == url.origin()
            && path.strip_prefix(page).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Where a click leads: to what the tag asks for, if one of the pages covers it; else to the first page.
///
/// The URL is parsed and printed again, so that a browser cannot read it in another way.
pub(crate) fn landing<'p>(pages: &'p [LandingPage], asked: Option<&str>) -> Option<(Url, bool)> {
    let first: &'p LandingPage = pages.first()?;
    let Some(asked) = asked else { return Some((first.0.clone(), true)) };
    let covered = trustworthy(asked).ok().filter(|url| pages.iter().any(|page| page.covers(url)));
    let allowed = covered.is_some();
    Some((covered.unwrap_or_else(|| first.0.clone()), allowed))
}

impl FurtherOrigin {
    /// A URL in whose query `{next}` stands for where to go on to, `{campaign}` or `{conversion}` for the name, and
    /// `{query}` for the parameters of the tag.
    ///
    /// # Errors
    /// When it is not an HTTPS URL without credentials.
    pub fn parse(url: &str) -> Result<Self, InvalidRedirect> {
        let mut plain = url.replace(NEXT, "").replace(QUERY, "");
        NAMES.iter().for_each(|name| plain = plain.replace(name, ""));
        trustworthy(&plain).map(|_| Self(url.into()))
    }

    /// Whether it sends the browser on.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.0.contains(NEXT)
    }

    /// The URL to send the browser to.
    pub(crate) fn url(&self, name: &str, query: &str, next: &str) -> String {
        let encode = |text| form_urlencoded::byte_serialize(str::as_bytes(text)).collect::<String>();
        let name = encode(name);
        let named = NAMES.iter().fold(self.0.to_string(), |url, place| url.replace(place, &name));
        named.replace(NEXT, &encode(next)).replace(QUERY, &encode(query))
    }
}

fn trustworthy(url: &str) -> Result<Url, InvalidRedirect> {
    let url = Url::parse(url).map_err(|_| InvalidRedirect::NotTrustworthy)?;
    SuitableOrigin::from_url(&url).map_err(|_| InvalidRedirect::NotTrustworthy)?;
    match url.username().is_empty() && url.password().is_none() {
        true => Ok(url),
        false => Err(InvalidRedirect::Credentials),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lands(asked: &str) -> (String, bool) {
        let pages = ["https://www.shop.example/spring?from=ad", "https://shop.example/"]
            .map(|url| LandingPage::parse(url).unwrap());
        let (url, allowed) = landing(&pages, Some(asked)).unwrap();
        (url.into(), allowed)
    }

    #[test]
    fn a_click_leads_to_configured_pages_and_those_below() {
        for asked in [
            "https://www.shop.example/spring",
            "https://www.shop.example/spring/shoes?size=40#top",
            "https://shop.example/",
            "https://shop.example/anything",
        ] {
            assert_eq!(lands(asked), (asked.to_owned(), true));
        }
        assert_eq!(lands("https://SHOP.example:443/a/../b").0, "https://shop.example/b");
    }

    #[test]
    fn a_click_leads_nowhere_else() {
        for asked in [
            "",
            "/spring",
            "//evil.example/",
            "https://evil.example/",
            "https://www.shop.example/springtime",
            "https://www.shop.example/spring/../admin",
            "https://www.shop.example/",
            "https://www.shop.example:8443/spring",
            "http://shop.example/",
            "https://shop.example@evil.example/",
            "https://user@shop.example/",
            "https://shop.example.evil.example/",
            "https:\\\\evil.example\\shop.example/",
            "javascript:alert(1)//https://shop.example/",
            "data:text/html,https://shop.example/",
            "https://shop.example\t.evil.example/",
        ] {
            assert_eq!(
                lands(asked),
                ("https://www.shop.example/spring?from=ad".to_owned(), false),
                "{asked}"
            );
        }
    }

    #[test]
    fn another_origin_is_told_where_to_go_on_to() {
        let further = FurtherOrigin::parse("https://partner.example/r?c={campaign}&to={next}").unwrap();
        assert!(further.goes_on());
        assert_eq!(
            further.url("a&b", "", "https://shop.example/?x=1&y"),
            "https://partner.example/r?c=a%26b&to=https%3A%2F%2Fshop.example%2F%3Fx%3D1%26y"
        );
        assert!(!FurtherOrigin::parse("https://partner.example/r").unwrap().goes_on());
        for (url, error) in [
            ("http://partner.example/", InvalidRedirect::NotTrustworthy),
            ("partner.example", InvalidRedirect::NotTrustworthy),
            ("https://user:password@partner.example/", InvalidRedirect::Credentials),
        ] {
            assert_eq!(FurtherOrigin::parse(url), Err(error), "{url}");
        }
    }
}
