//! What a request may register, as its headers say.

use ascribe_headers::{Eligibility, HeaderName, SourceType, SupportedRegistrars};
use http::HeaderMap;

use super::whole;

/// What may be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Eligible {
    pub(super) source: Option<SourceType>,
    pub(super) trigger: bool,
    why_not: &'static str,
}

impl Eligible {
    /// Both headers are structured fields: keys can be in any order, with parameters, beside unknown ones.
    ///
    /// A request without `Attribution-Reporting-Eligible` can register a trigger, and no source: a plain pixel.
    /// One whose headers cannot be read, or whose user agent cannot register by itself, can register nothing.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let nothing = |why_not| Self { source: None, trigger: false, why_not };
        if let Some(support) = whole(headers, HeaderName::Support.as_str()) {
            match SupportedRegistrars::parse(&support).value {
                None => return nothing("unreadable_headers"),
                Some(SupportedRegistrars { web: false, .. }) => return nothing("web_not_supported"),
                Some(_) => {}
            }
        }
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
        Self { source, trigger, why_not: "not_eligible" }
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

    fn eligible(eligible: &[&str], support: Option<&str>) -> (Option<SourceType>, bool) {
        let mut headers = HeaderMap::new();
        for line in eligible {
            headers.append("attribution-reporting-eligible", HeaderValue::from_str(line).unwrap());
        }
        if let Some(support) = support {
            headers.append("attribution-reporting-support", HeaderValue::from_str(support).unwrap());
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
            assert_eq!(eligible(lines, None), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_user_agent_that_cannot_register_is_not_asked_to() {
        for (support, trigger) in
            [("web", true), ("os, web;x", true), ("os", false), ("", false), ("w eb", false)]
        {
            assert_eq!(eligible(&["trigger"], Some(support)), (None, trigger), "{support}");
        }
    }
}
