//! What a request may register, as its headers say.

use ascribe_headers::{Eligibility, HeaderName, Registrar, SourceType, SupportedRegistrars};
use http::HeaderMap;

use super::whole;

/// What may be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Eligible {
    pub(super) source: Option<SourceType>,
    pub(super) trigger: bool,
    web: bool,
    os: bool,
    why_not: &'static str,
}

impl Eligible {
    /// Both headers are structured fields: keys can be in any order, with parameters, beside unknown ones.
    ///
    /// A request without `Attribution-Reporting-Eligible` can register a trigger, and no source: a plain pixel.
    /// One whose headers cannot be read, or where nobody can register, can register nothing.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let nothing = |why_not| Self { source: None, trigger: false, web: false, os: false, why_not };
        let (web, os) = match whole(headers, HeaderName::Support.as_str()) {
            None => (true, false),
            Some(support) => match SupportedRegistrars::parse(&support).value {
                None => return nothing("unreadable_headers"),
                Some(SupportedRegistrars { web: false, os: false }) => return nothing("not_supported"),
                Some(SupportedRegistrars { web, os }) => (web, os),
            },
        };
        let eligibility = match whole(headers, HeaderName::Eligible.as_str()) {
            None => Eligibility::Unset,
            Some(eligible) => match Eligibility::parse(&eligible).value {
                None => return nothing("unreadable_headers"),
                Some(eligibility) => eligibility,
            },
        };
        let (source, trigger) = match eligibility {
            Eligibility::Unset | Eligibility::Trigger => (None, true),
            Eligibility::Empty => (None, false),
            Eligibility::EventSource => (Some(SourceType::Event), false),
            Eligibility::NavigationSource => (Some(SourceType::Navigation), false),
            Eligibility::EventSourceOrTrigger => (Some(SourceType::Event), true),
        };
        Self { source, trigger, web, os, why_not: "not_eligible" }
    }

    /// Who is to register: the operating system if it can, has somewhere to (`os_urls`), and is preferred or the only
    /// one that can.
    pub(super) fn registrar(self, os_urls: bool, preferred: Registrar) -> Option<Registrar> {
        match (self.os && os_urls, self.web) {
            (true, web) if !web || preferred == Registrar::Os => Some(Registrar::Os),
            (_, true) => Some(Registrar::Web),
            _ => None,
        }
    }

    /// Why something was not registered, for the metrics.
    pub(super) fn refusal(self) -> &'static str {
        self.why_not
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn eligible(eligible: &[&str]) -> (Option<SourceType>, bool) {
        let mut headers = HeaderMap::new();
        for line in eligible {
            headers.append("attribution-reporting-eligible", HeaderValue::from_str(line).unwrap());
        }
        let eligible = Eligible::of(&headers);
        (eligible.source, eligible.trigger)
    }

    #[test]
    fn only_what_is_eligible_is_registered() {
        let (event, navigation) = (Some(SourceType::Event), Some(SourceType::Navigation));
        for (lines, expected) in [
            (&[][..], (None, true)),
            (&[""], (None, false)),
            (&["trigger"], (None, true)),
            (&["event-source"], (event, false)),
            (&["event-source, trigger"], (event, true)),
            (&["event-source", "trigger"], (event, true)),
            (&["navigation-source"], (navigation, false)),
            (&["not-trigger, event-source;junk=1, x=\"y\""], (event, false)),
            (&["navigation-source, trigger"], (None, false)),
            (&["event source"], (None, false)),
        ] {
            assert_eq!(eligible(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn who_cannot_register_is_not_asked_to() {
        let (web, os) = (Some(Registrar::Web), Some(Registrar::Os));
        // With somewhere for the system to register and it preferred; the user agent preferred; and without.
        for (support, expected) in [
            (None, [web, web, web]),
            (Some("web"), [web, web, web]),
            (Some("os, web;x"), [os, web, web]),
            (Some("os"), [os, os, None]),
            (Some(""), [None, None, None]),
            (Some("w eb"), [None, None, None]),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(support) = support {
                headers.append("attribution-reporting-support", HeaderValue::from_static(support));
            }
            let eligible = Eligible::of(&headers);
            let cases = [(true, Registrar::Os), (true, Registrar::Web), (false, Registrar::Os)];
            let registrars = cases.map(|(urls, preferred)| eligible.registrar(urls, preferred));
            assert_eq!(registrars, expected, "{support:?}");
        }
    }
}
