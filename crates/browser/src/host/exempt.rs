//! The one origin that is no web page: the internals page of the same program.
//!
//! Its documents are not given the API, its requests are neither changed nor waited for, and no other document may
//! request anything from it. What its server says to pages that try is another matter; here, nothing of them
//! reaches it. Only a navigation does, as when its address is typed.

use url::Url;

use super::{
    Host,
    held::Held,
    owner::Owner,
    protocol::{RequestPaused, ResourceType},
};

/// The exempt origin, if there is one.
#[derive(Clone, Debug, Default)]
pub(super) struct Exempt(Option<String>);

impl Exempt {
    /// `origin` is serialized.
    pub(super) fn new(origin: Option<String>) -> Self {
        Self(origin)
    }

    /// Whether a URL is of that origin.
    pub(super) fn covers(&self, url: &str) -> bool {
        let Some(exempt) = &self.0 else { return false };
        // Nearly all are told apart without parsing.
        url.starts_with(exempt)
            && Url::parse(url).is_ok_and(|url| url.origin().ascii_serialization() == *exempt)
    }

    /// A script that does nothing in that origin's documents.
    pub(super) fn unless_exempt(&self, script: &str) -> String {
        match &self.0 {
            Some(origin) => {
                let origin = serde_json::Value::from(origin.as_str());
                format!("if (globalThis.location?.origin !== {origin}) {script}")
            }
            None => script.to_owned(),
        }
    }
}

impl Host {
    /// Rule 0: gives back what is to be held no longer, when the exempt origin has no part in it.
    pub(super) fn exempt_from_rules(
        &self,
        paused: &RequestPaused,
        held: Held,
        owner: &Owner,
    ) -> Option<Held> {
        let (to, from) = (self.exempt().covers(&paused.request.url), self.exempt().covers(&owner.url));
        match (to, from) {
            (false, false) => return Some(held),
            (true, false) if paused.resource_type != ResourceType::Document => held.refuse(),
            // Whatever leads away from there is a page like any other.
            (false, true) if paused.resource_type == ResourceType::Document => return Some(held),
            _ => drop(held),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_of_the_origin_are_exempt() {
        let exempt = Exempt::new(Some("http://127.0.0.1:8080".to_owned()));
        for url in ["http://127.0.0.1:8080/", "http://127.0.0.1:8080/a?b#c"] {
            assert!(exempt.covers(url), "{url}");
        }
        for url in [
            "http://127.0.0.1:80801/",
            "http://127.0.0.1:8080.evil.example/",
            "http://127.0.0.1:8080@evil.example/",
            "https://127.0.0.1:8080/",
            "http://localhost:8080/",
            "about:blank",
        ] {
            assert!(!exempt.covers(url), "{url}");
            assert!(!Exempt::default().covers(url), "{url}");
        }
        assert_eq!(Exempt::default().unless_exempt("f()"), "f()");
        let script = "if (globalThis.location?.origin !== \"http://127.0.0.1:8080\") f()";
        assert_eq!(exempt.unless_exempt("f()"), script);
    }
}
