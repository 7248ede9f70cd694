//! The policy-controlled feature `attribution-reporting`: whether a document may use the API.
//!
//! Spec: Permissions Policy, "define an inherited policy for feature in container at origin" and "is feature
//! enabled in document for origin"; the feature's default allowlist is `*`. Where a feature is named twice in an
//! `allow` attribute, Chromium takes the first.

use sfv::{BareItem, Dictionary, ListEntry, Parser};
use url::Url;

/// The feature's name.
const FEATURE: &str = "attribution-reporting";

/// What the feature's policy is in one document.
///
/// Origins are serialized ones; an opaque origin is any text that no URL's origin has, such as `null`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionsPolicy {
    origin: String,
    inherited: bool,
    declared: Option<Allowlist>,
}

/// What the element says that a nested document is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Container<'a> {
    /// Its `allow` attribute.
    pub allow: Option<&'a str>,
    /// Its `src` attribute, as a URL.
    pub src: Option<&'a str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Allowlist {
    All,
    Some(Vec<Allowed>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Allowed {
    Origin(String),
    /// A scheme with `://`, and what hosts end with: a dot, a domain, and perhaps a port.
    Subdomains {
        scheme: String,
        suffix: String,
    },
}

impl PermissionsPolicy {
    /// The policy of a top-level document; `header` is its `Permissions-Policy`, repeated fields joined.
    #[must_use]
    pub fn of_top_level(origin: &str, header: Option<&[u8]>) -> Self {
        Self { origin: origin.to_owned(), inherited: true, declared: declared(origin, header) }
    }

    /// The policy of a document in an element of another one.
    #[must_use]
    pub fn of_nested(parent: &Self, container: Container<'_>, origin: &str, header: Option<&[u8]>) -> Self {
        Self {
            origin: origin.to_owned(),
            inherited: parent.passes_on(container, origin),
            declared: declared(origin, header),
        }
    }

    /// "Is feature enabled in document for origin", for the document's own.
    #[must_use]
    pub fn allows(&self) -> bool {
        self.allows_origin(&self.origin)
    }

    fn allows_origin(&self, origin: &str) -> bool {
        self.inherited && self.declared.as_ref().is_none_or(|declared| declared.matches(origin))
    }

    /// "Define an inherited policy for feature in container at origin".
    fn passes_on(&self, container: Container<'_>, origin: &str) -> bool {
        if !self.allows() || !self.allows_origin(origin) {
            return false;
        }
        match container.allow.and_then(|allow| delegated(allow, container.src, &self.origin, origin)) {
            Some(delegated) => delegated.matches(origin),
            None => true,
        }
    }
}

impl Allowlist {
    fn matches(&self, origin: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(allowed) => allowed.iter().any(|allowed| match allowed {
                Allowed::Origin(allowed) => allowed == origin,
                Allowed::Subdomains { scheme, suffix } => {
                    let host = origin.strip_prefix(scheme.as_str());
                    host.and_then(|host| host.strip_suffix(suffix.as_str()))
                        .is_some_and(|rest| !rest.is_empty())
                }
            }),
        }
    }
}

/// What the header says of the feature; `None` when nothing, or when the header is no dictionary.
fn declared(self_origin: &str, header: Option<&[u8]>) -> Option<Allowlist> {
    let dictionary: Dictionary = Parser::new(header?).parse().ok()?;
    let items: Vec<&BareItem> = match dictionary.get(FEATURE)? {
        ListEntry::Item(item) => vec![&item.bare_item],
        ListEntry::InnerList(list) => list.items.iter().map(|item| &item.bare_item).collect(),
    };
    let mut allowed = Vec::new();
    for item in items {
        match item {
            BareItem::Token(token) if token.as_str() == "*" => return Some(Allowlist::All),
            BareItem::Token(token) if token.as_str() == "self" => {
                allowed.push(Allowed::Origin(self_origin.to_owned()));
            }
            BareItem::String(text) => allowed.extend(origin_or_subdomains(text.as_str())),
            _ => {}
        }
    }
    Some(Allowlist::Some(allowed))
}

/// What an `allow` attribute says of the feature.
fn delegated(allow: &str, src: Option<&str>, self_origin: &str, target: &str) -> Option<Allowlist> {
    let mut directives = allow.split(';').map(str::split_ascii_whitespace);
    let mut sources =
        directives.find_map(|mut words| (words.next() == Some(FEATURE)).then_some(words))?.peekable();
    // Without a `src` of its own, or with one that is opaque, the element means whatever it shows.
    let src = || match src.and_then(origin_of) {
        Some(origin) => Allowed::Origin(origin),
        None => Allowed::Origin(target.to_owned()),
    };
    if sources.peek().is_none() {
        return Some(Allowlist::Some(vec![src()]));
    }
    let mut allowed = Vec::new();
    for source in sources {
        match source {
            "*" => return Some(Allowlist::All),
            _ if source.eq_ignore_ascii_case("'self'") => {
                allowed.push(Allowed::Origin(self_origin.to_owned()))
            }
            _ if source.eq_ignore_ascii_case("'src'") => allowed.push(src()),
            _ if source.eq_ignore_ascii_case("'none'") => {}
            _ => allowed.extend(origin_or_subdomains(source)),
        }
    }
    Some(Allowlist::Some(allowed))
}

fn origin_or_subdomains(text: &str) -> Option<Allowed> {
    if let Some((scheme, host)) = text.split_once("://*.") {
        let origin = origin_of(&format!("{scheme}://{host}"))?;
        let (scheme, host) = origin.split_once("://")?;
        return Some(Allowed::Subdomains { scheme: format!("{scheme}://"), suffix: format!(".{host}") });
    }
    origin_of(text).map(Allowed::Origin)
}

fn origin_of(url: &str) -> Option<String> {
    let origin = Url::parse(url).ok()?.origin();
    origin.is_tuple().then(|| origin.ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = "https://shop.example";
    const ADS: &str = "https://ads.example";
    const OPAQUE: &str = "null";

    fn top(header: &str) -> PermissionsPolicy {
        PermissionsPolicy::of_top_level(SHOP, Some(header.as_bytes()))
    }

    fn nested(header: &str, allow: &str, origin: &str) -> bool {
        let container = Container { allow: Some(allow), src: Some("https://ads.example/frame") };
        PermissionsPolicy::of_nested(&top(header), container, origin, None).allows()
    }

    #[test]
    fn everybody_may_by_default() {
        assert!(PermissionsPolicy::of_top_level(SHOP, None).allows());
        let parent = PermissionsPolicy::of_top_level(SHOP, None);
        for origin in [SHOP, ADS, OPAQUE] {
            assert!(PermissionsPolicy::of_nested(&parent, Container::default(), origin, None).allows());
        }
    }

    #[test]
    fn the_header_decides_for_its_document() {
        for (header, allowed) in [
            ("attribution-reporting=()", false),
            ("attribution-reporting=*", true),
            ("attribution-reporting=self", true),
            ("attribution-reporting=(self \"https://ads.example\")", true),
            ("attribution-reporting=(\"https://shop.example/path\")", true),
            ("attribution-reporting=(\"https://shop.example:8443\")", false),
            ("attribution-reporting=\"https://*.example\"", true),
            ("attribution-reporting=\"https://*.shop.example\"", false),
            ("attribution-reporting=(\"http://*.example\")", false),
            ("attribution-reporting=(1 ?0 :YQ==: other)", false),
            ("attribution-reporting=?1", false),
            ("attribution-reporting=(), geolocation=*, attribution-reporting=*", true),
            ("attribution-reporting=*;report-to=x", true),
            ("geolocation=()", true),
            ("attribution-reporting=(", true),
            ("Attribution-Reporting=()", true),
        ] {
            assert_eq!(top(header).allows(), allowed, "{header}");
        }
    }

    #[test]
    fn a_nested_document_needs_its_parent_and_its_own_header() {
        let header = "attribution-reporting=(self)";
        assert!(nested(header, "", SHOP));
        assert!(!nested(header, "", ADS));
        assert!(
            !nested(header, "attribution-reporting *", ADS),
            "an attribute cannot give what a header took"
        );
        assert!(nested("attribution-reporting=(self \"https://ads.example\")", "", ADS));
        assert!(!nested("attribution-reporting=()", "attribution-reporting *", SHOP));
        assert!(
            !nested("attribution-reporting=(\"https://ads.example\")", "", ADS),
            "the parent itself may not"
        );
        let allowed = top("");
        let own = Some(&b"attribution-reporting=()"[..]);
        let child = PermissionsPolicy::of_nested(&allowed, Container::default(), ADS, own);
        assert!(!child.allows());
        assert!(!PermissionsPolicy::of_nested(&child, Container::default(), SHOP, None).allows());
    }

    #[test]
    fn the_attribute_decides_for_the_nested_document() {
        for (allow, in_ads, in_shop, in_opaque) in [
            ("attribution-reporting", true, false, false),
            ("attribution-reporting 'src'", true, false, false),
            ("attribution-reporting 'SELF'", false, true, false),
            ("attribution-reporting 'self' 'src'", true, true, false),
            ("attribution-reporting 'none'", false, false, false),
            ("attribution-reporting *", true, true, true),
            ("attribution-reporting https://ads.example", true, false, false),
            ("attribution-reporting https://*.example", true, true, false),
            ("attribution-reporting nonsense", false, false, false),
            ("geolocation 'none'; \t attribution-reporting\n'none';", false, false, false),
            ("attribution-reporting 'none'; attribution-reporting *", false, false, false),
            ("geolocation *", true, true, true),
            ("", true, true, true),
        ] {
            assert_eq!(nested("", allow, ADS), in_ads, "{allow}");
            assert_eq!(nested("", allow, SHOP), in_shop, "{allow}");
            assert_eq!(nested("", allow, OPAQUE), in_opaque, "{allow}");
        }
    }

    #[test]
    fn without_a_source_the_attribute_means_what_is_shown() {
        for src in [None, Some("data:text/html,x"), Some("about:srcdoc"), Some("nonsense")] {
            let container = Container { allow: Some("attribution-reporting"), src };
            for origin in [SHOP, OPAQUE] {
                assert!(PermissionsPolicy::of_nested(&top(""), container, origin, None).allows(), "{src:?}");
            }
        }
    }
}
