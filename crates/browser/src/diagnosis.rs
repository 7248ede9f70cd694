//! Mistakes, as Chrome's DevTools told them, and what to do about them.

use std::fmt;

use ascribe_agent::{Ignored, Registration};
use ascribe_headers::{Eligibility, HeaderName, Problem};

/// Why a request or a response registered nothing, or less than its author may think. Displayed as a sentence
/// that says what is wrong and what to do.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Diagnosis {
    /// The document may not use the API.
    PermissionPolicyDisabled,
    /// The page is not a secure context.
    InsecureContext,
    /// The top-level page's origin is not potentially trustworthy.
    UntrustworthyContextOrigin {
        /// The origin.
        origin: String,
    },
    /// The responding origin is not potentially trustworthy.
    UntrustworthyReportingOrigin {
        /// The URL that responded.
        url: String,
    },
    /// A header is invalid.
    InvalidHeader {
        /// The header's name.
        header: &'static str,
        /// What is wrong, and where.
        errors: Vec<Problem>,
    },
    /// The header `Attribution-Reporting-Info` is invalid, so that nothing of the response counts.
    InvalidInfoHeader,
    /// A source or trigger was to be registered by a response to a request that was not eligible for it.
    Ineligible {
        /// The header.
        header: HeaderName,
        /// What the request was eligible for.
        eligibility: Eligibility,
    },
    /// Source and trigger headers in one response.
    SourceAndTrigger,
    /// Headers for the web and for the operating system, and no preference.
    WebAndOs,
    /// The platform that the response prefers has no header.
    NoHeaderForPreferredPlatform,
    /// Only headers for platforms that are not supported here.
    UnsupportedPlatform,
    /// The navigation has sources of this reporting origin with other attribution scopes.
    OtherScopesInNavigation,
    /// More background requests at once than a frame may have.
    TooManyConcurrentRequests {
        /// How many it may.
        limit: usize,
    },
    /// A link or window that was to be a navigation source was opened without the user's doing.
    NavigationWithoutUserActivation,
    /// The text of a script with `attributionsrc` is markup: its tag was closed as only XML knows it.
    ScriptNotClosed,
    /// More registrations wait than the host keeps.
    TooManyRegistrations,
    /// The request was eligible, by the page's own wish, and no response registers anything.
    NothingRegistered {
        /// What it was eligible for.
        eligibility: Eligibility,
    },
    /// The page set a header that only the browser sets.
    HeaderSetByPage {
        /// The header.
        header: HeaderName,
    },
    /// What was registered could not be stored.
    NotStored {
        /// Why not.
        why: String,
    },
}

impl Diagnosis {
    /// What the agent's verdict on a response says to its author.
    pub(crate) fn of(registration: &Registration) -> Vec<Self> {
        let one = match registration {
            Registration::Invalid { header, errors } => {
                Self::InvalidHeader { header, errors: errors.clone() }
            }
            Registration::Ignored(ignored) => match ignored {
                Ignored::InvalidInfo => Self::InvalidInfoHeader,
                Ignored::SourceAndTrigger => Self::SourceAndTrigger,
                Ignored::WebAndOs => Self::WebAndOs,
                Ignored::PreferredPlatformMissing => Self::NoHeaderForPreferredPlatform,
                Ignored::UnsupportedPlatform => Self::UnsupportedPlatform,
                Ignored::OtherScopesInNavigation => Self::OtherScopesInNavigation,
                // The headers say more; see `ineligible`.
                _ => return Vec::new(),
            },
            _ => return Vec::new(),
        };
        vec![one]
    }

    /// The headers of a response that its request was not eligible for.
    pub(crate) fn ineligible(eligibility: Eligibility, headers: &[(String, String)]) -> Vec<Self> {
        let (sources, triggers) = match eligibility {
            Eligibility::Empty => (false, false),
            Eligibility::EventSource | Eligibility::NavigationSource => (true, false),
            Eligibility::Trigger | Eligibility::Unset => (false, true),
            Eligibility::EventSourceOrTrigger => (true, true),
        };
        let names = headers.iter().filter_map(|(name, _)| HeaderName::from_name(name));
        let ineligible = names.filter(|header| match header {
            HeaderName::RegisterSource | HeaderName::RegisterOsSource => !sources,
            HeaderName::RegisterTrigger | HeaderName::RegisterOsTrigger => !triggers,
            _ => false,
        });
        ineligible.map(|header| Self::Ineligible { header, eligibility }).collect()
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PermissionPolicyDisabled => f.write_str(
                "the Permissions-Policy of the document, or the allow attribute of its frame, turns \
                 attribution-reporting off; allow it there",
            ),
            Self::InsecureContext => {
                f.write_str("the page is not a secure context; serve it, and every page around it, over HTTPS")
            }
            Self::UntrustworthyContextOrigin { origin } => {
                write!(f, "the top-level page ({origin}) is not potentially trustworthy; serve it over HTTPS")
            }
            Self::UntrustworthyReportingOrigin { url } => {
                write!(f, "{url} is not potentially trustworthy; serve it over HTTPS")
            }
            Self::InvalidHeader { header, errors } => {
                write!(f, "{header} is invalid: ")?;
                for (n, error) in errors.iter().take(SHOWN).enumerate() {
                    write!(f, "{}{error}", if n == 0 { "" } else { "; " })?;
                }
                match errors.len().saturating_sub(SHOWN) {
                    0 => Ok(()),
                    more => write!(f, "; and {more} more"),
                }
            }
            Self::InvalidInfoHeader => f.write_str(
                "Attribution-Reporting-Info is invalid, so that nothing of the response counts; correct it, or leave \
                 it out",
            ),
            Self::Ineligible { header, eligibility } => {
                write!(f, "{header} is ignored, for the request was eligible for {}; {}", what(*eligibility), {
                    remedy(*header)
                })
            }
            Self::SourceAndTrigger => f.write_str(
                "the response registers a source and a trigger, and so neither; answer with one of them",
            ),
            Self::WebAndOs => f.write_str(
                "the response registers with the web and with the operating system, and so with neither; say \
                 Attribution-Reporting-Info: preferred-platform=web, or os",
            ),
            Self::NoHeaderForPreferredPlatform => {
                f.write_str("the response has no header for the platform that its Attribution-Reporting-Info prefers")
            }
            Self::UnsupportedPlatform => f.write_str(
                "the response registers only with a platform that is not supported here; \
                 Attribution-Reporting-Support says which are",
            ),
            Self::OtherScopesInNavigation => f.write_str(
                "the navigation has a source of this reporting origin with other attribution scopes already; all \
                 sources of one navigation must have the same",
            ),
            Self::TooManyConcurrentRequests { limit } => write!(
                f,
                "the frame has {limit} background requests under way, and may have no more; this one is not sent"
            ),
            Self::NavigationWithoutUserActivation => f.write_str(
                "a script went there without user activation, so that nothing of its attributionsrc counts; let a \
                 click or a key of the user lead there",
            ),
            Self::ScriptNotClosed => f.write_str(
                "the script's text is markup, which is lost: HTML does not close a script with />; write \
                 <script …></script>",
            ),
            Self::TooManyRegistrations => {
                f.write_str("too many registrations wait to be processed; this one is dropped")
            }
            Self::NothingRegistered { eligibility } => write!(
                f,
                "the request was eligible for {}, and the response registers nothing; answer with the header, if it \
                 should",
                what(*eligibility)
            ),
            Self::HeaderSetByPage { header } => {
                write!(f, "{header} was set by the page and is removed; only the browser sets it: use attributionsrc or attributionReporting")
            }
            Self::NotStored { why } => write!(f, "what the response registers could not be stored: {why}"),
        }
    }
}

/// As many problems of one header are displayed.
const SHOWN: usize = 5;

fn what(eligibility: Eligibility) -> &'static str {
    match eligibility {
        Eligibility::Unset => "triggers only (it had no attributionsrc or attributionReporting)",
        Eligibility::Empty => "nothing",
        Eligibility::EventSource => "event sources only",
        Eligibility::NavigationSource => "navigation sources only",
        Eligibility::Trigger => "triggers only",
        Eligibility::EventSourceOrTrigger => "event sources and triggers",
    }
}

fn remedy(header: HeaderName) -> &'static str {
    match header {
        HeaderName::RegisterTrigger | HeaderName::RegisterOsTrigger => {
            "a trigger needs triggerEligible: true in fetch and XMLHttpRequest, or an img or script with attributionsrc"
        }
        _ => {
            "a source needs eventSourceEligible: true in fetch and XMLHttpRequest, attributionsrc on the img or script, \
             or a link or window.open with attributionsrc that the user has followed"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_a_request_was_not_eligible_for_are_named() {
        let headers = [("attribution-reporting-register-trigger".to_owned(), "{}".to_owned())];
        let ineligible = Diagnosis::ineligible(Eligibility::EventSource, &headers);
        let [diagnosis] = ineligible.as_slice() else { panic!("{ineligible:?}") };
        let text = diagnosis.to_string();
        assert!(text.starts_with("Attribution-Reporting-Register-Trigger is ignored"), "{text}");
        assert!(text.contains("event sources only") && text.contains("triggerEligible: true"), "{text}");
        for eligibility in [Eligibility::Unset, Eligibility::Trigger, Eligibility::EventSourceOrTrigger] {
            assert!(Diagnosis::ineligible(eligibility, &headers).is_empty());
        }
        let headers = [("Attribution-Reporting-Register-OS-Source".to_owned(), String::new())];
        for eligibility in [Eligibility::Unset, Eligibility::Trigger, Eligibility::Empty] {
            assert_eq!(Diagnosis::ineligible(eligibility, &headers).len(), 1);
        }
        assert!(Diagnosis::ineligible(Eligibility::NavigationSource, &headers).is_empty());
    }
}
