//! Which of a response's headers may register what.
//!
//! Spec: "process an attribution eligible response", "get the registration platform". The spec leaves the
//! eligibilities "unset" and "trigger" out; both mean a trigger, as in Chromium.

use std::fmt;

use ascribe_headers::{Eligibility, Parsed, Registrar, RegistrationInfo, SourceType, SupportedRegistrars};

/// The headers of one response that matter here; each as received, repeated fields joined with `, `.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseHeaders<'a> {
    /// `Attribution-Reporting-Register-Source`.
    pub register_source: Option<&'a [u8]>,
    /// `Attribution-Reporting-Register-Trigger`.
    pub register_trigger: Option<&'a [u8]>,
    /// `Attribution-Reporting-Register-OS-Source`.
    pub register_os_source: Option<&'a [u8]>,
    /// `Attribution-Reporting-Register-OS-Trigger`.
    pub register_os_trigger: Option<&'a [u8]>,
    /// `Attribution-Reporting-Info`.
    pub info: Option<&'a [u8]>,
}

/// What a response asks for, once it is clear that it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate<'a> {
    pub(crate) kind: Kind,
    pub(crate) registrar: Registrar,
    /// The header's value.
    pub(crate) value: &'a [u8],
    pub(crate) report_header_errors: bool,
}

/// What is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Source(SourceType),
    Trigger,
}

/// Why a response registers nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ignored {
    /// It has no registration header that its request makes eligible.
    NothingEligible,
    /// `Attribution-Reporting-Info` is invalid: then nothing of the response counts.
    InvalidInfo,
    /// It has source and trigger headers, and only one of them may be.
    SourceAndTrigger,
    /// It has web and OS headers, and does not say which it prefers.
    WebAndOs,
    /// The header that it prefers is missing.
    PreferredPlatformMissing,
    /// It speaks to platforms that the user agent does not support.
    UnsupportedPlatform,
    /// The request's `Attribution-Reporting-Eligible` is none that a user agent sends.
    InvalidEligible,
    /// The page's origin is not potentially trustworthy.
    UnsuitableContextOrigin,
    /// The response's origin is not potentially trustworthy.
    UnsuitableReportingOrigin,
    /// The navigation has sources of this reporting origin with another set of attribution scopes.
    OtherScopesInNavigation,
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NothingEligible => "no registration header that the request makes eligible",
            Self::InvalidInfo => "Attribution-Reporting-Info is invalid",
            Self::SourceAndTrigger => "source and trigger headers, and only one of them may be",
            Self::WebAndOs => "web and OS headers, and no preferred-platform",
            Self::PreferredPlatformMissing => "no header for the preferred platform",
            Self::UnsupportedPlatform => "only headers for platforms that are not supported",
            Self::InvalidEligible => "the request's Attribution-Reporting-Eligible is invalid",
            Self::UnsuitableContextOrigin => "the page's origin is not potentially trustworthy",
            Self::UnsuitableReportingOrigin => "the response's origin is not potentially trustworthy",
            Self::OtherScopesInNavigation => {
                "the navigation has sources of this reporting origin with another set of attribution scopes"
            }
        })
    }
}

/// "Process an attribution eligible response", up to the header to be parsed.
pub(crate) fn candidate<'a>(
    eligibility: Eligibility,
    headers: &ResponseHeaders<'a>,
    supported: SupportedRegistrars,
) -> Result<Candidate<'a>, Ignored> {
    let info = match headers.info.map(RegistrationInfo::parse) {
        None => RegistrationInfo::default(),
        Some(Parsed { value: Some(info), .. }) => info,
        Some(_) => return Err(Ignored::InvalidInfo),
    };
    let has_source = headers.register_source.is_some() || headers.register_os_source.is_some();
    let has_trigger = headers.register_trigger.is_some() || headers.register_os_trigger.is_some();
    let kind = match eligibility {
        Eligibility::Empty => return Err(Ignored::NothingEligible),
        Eligibility::NavigationSource => Kind::Source(SourceType::Navigation),
        Eligibility::EventSource => Kind::Source(SourceType::Event),
        Eligibility::Trigger | Eligibility::Unset => Kind::Trigger,
        Eligibility::EventSourceOrTrigger => match (has_source, has_trigger) {
            (true, true) => return Err(Ignored::SourceAndTrigger),
            (true, false) => Kind::Source(SourceType::Event),
            (false, _) => Kind::Trigger,
        },
    };
    let (web, os) = match kind {
        Kind::Source(_) => (headers.register_source, headers.register_os_source),
        Kind::Trigger => (headers.register_trigger, headers.register_os_trigger),
    };
    let (registrar, value) = platform(web, os, info.preferred_platform, supported)?;
    Ok(Candidate { kind, registrar, value, report_header_errors: info.report_header_errors })
}

/// "Get the registration platform".
fn platform<'a>(
    web: Option<&'a [u8]>,
    os: Option<&'a [u8]>,
    preferred: Option<Registrar>,
    supported: SupportedRegistrars,
) -> Result<(Registrar, &'a [u8]), Ignored> {
    let web = web.map(|value| (Registrar::Web, value));
    let os = os.map(|value| (Registrar::Os, value));
    let (first, second) = match (preferred, web, os) {
        (_, None, None) => return Err(Ignored::NothingEligible),
        (None, Some(_), Some(_)) => return Err(Ignored::WebAndOs),
        (None, ..) => (web.or(os), None),
        (Some(Registrar::Web), ..) => (web, os),
        (Some(Registrar::Os), ..) => (os, web),
    };
    let first = first.ok_or(Ignored::PreferredPlatformMissing)?;
    let supports = |(registrar, _): &(Registrar, &[u8])| match registrar {
        Registrar::Web => supported.web,
        Registrar::Os => supported.os,
    };
    let mut choices = std::iter::once(first).chain(second);
    choices.find(supports).ok_or(Ignored::UnsupportedPlatform)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: SupportedRegistrars = SupportedRegistrars { web: true, os: true };
    const WEB: SupportedRegistrars = SupportedRegistrars { web: true, os: false };
    const OS: SupportedRegistrars = SupportedRegistrars { web: false, os: true };

    fn source_headers(info: Option<&'static [u8]>, web: bool, os: bool) -> ResponseHeaders<'static> {
        ResponseHeaders {
            register_source: web.then_some(b"web"),
            register_os_source: os.then_some(b"os"),
            info,
            ..ResponseHeaders::default()
        }
    }

    fn chosen(
        headers: &ResponseHeaders<'static>,
        supported: SupportedRegistrars,
    ) -> Result<Registrar, Ignored> {
        candidate(Eligibility::EventSource, headers, supported).map(|candidate| candidate.registrar)
    }

    #[test]
    fn a_platform_is_chosen_as_the_server_prefers_and_the_agent_supports() {
        use Ignored::{NothingEligible, PreferredPlatformMissing, UnsupportedPlatform, WebAndOs};
        use Registrar::{Os, Web};
        let web: Option<&[u8]> = Some(b"preferred-platform=web");
        let os: Option<&[u8]> = Some(b"preferred-platform=os");
        for (info, has_web, has_os, supported, expected) in [
            (None, false, false, BOTH, Err(NothingEligible)),
            (None, true, false, BOTH, Ok(Web)),
            (None, true, false, OS, Err(UnsupportedPlatform)),
            (None, false, true, BOTH, Ok(Os)),
            (None, false, true, WEB, Err(UnsupportedPlatform)),
            (None, true, true, BOTH, Err(WebAndOs)),
            (None, true, true, WEB, Err(WebAndOs)),
            (web, true, true, BOTH, Ok(Web)),
            (web, true, true, OS, Ok(Os)),
            (web, true, false, OS, Err(UnsupportedPlatform)),
            (web, false, true, BOTH, Err(PreferredPlatformMissing)),
            (os, true, true, BOTH, Ok(Os)),
            (os, true, true, WEB, Ok(Web)),
            (os, true, false, BOTH, Err(PreferredPlatformMissing)),
            (os, false, true, WEB, Err(UnsupportedPlatform)),
            (Some(b"preferred-platform=other"), true, false, BOTH, Err(Ignored::InvalidInfo)),
            (Some(b"report-header-errors=?2"), true, false, BOTH, Err(Ignored::InvalidInfo)),
        ] {
            let headers = source_headers(info, has_web, has_os);
            assert_eq!(chosen(&headers, supported), expected, "{headers:?} {supported:?}");
        }
    }

    #[test]
    fn eligibility_decides_what_a_header_registers() {
        let headers = ResponseHeaders {
            register_source: Some(b"s"),
            register_trigger: Some(b"t"),
            ..ResponseHeaders::default()
        };
        let kind = |eligibility, headers: &ResponseHeaders<'static>| {
            candidate(eligibility, headers, WEB).map(|candidate| candidate.kind)
        };
        let event = Ok(Kind::Source(SourceType::Event));
        assert_eq!(kind(Eligibility::Unset, &headers), Ok(Kind::Trigger));
        assert_eq!(kind(Eligibility::Trigger, &headers), Ok(Kind::Trigger));
        assert_eq!(kind(Eligibility::Empty, &headers), Err(Ignored::NothingEligible));
        assert_eq!(kind(Eligibility::EventSource, &headers), event);
        assert_eq!(kind(Eligibility::NavigationSource, &headers), Ok(Kind::Source(SourceType::Navigation)));
        assert_eq!(kind(Eligibility::EventSourceOrTrigger, &headers), Err(Ignored::SourceAndTrigger));

        let only_source = ResponseHeaders { register_trigger: None, ..headers };
        assert_eq!(kind(Eligibility::EventSourceOrTrigger, &only_source), event);
        assert_eq!(kind(Eligibility::Trigger, &only_source), Err(Ignored::NothingEligible));
        let only_trigger = ResponseHeaders { register_source: None, ..headers };
        assert_eq!(kind(Eligibility::EventSourceOrTrigger, &only_trigger), Ok(Kind::Trigger));
        assert_eq!(kind(Eligibility::EventSource, &only_trigger), Err(Ignored::NothingEligible));

        let os_trigger = ResponseHeaders {
            register_source: Some(b"s"),
            register_os_trigger: Some(b"t"),
            ..ResponseHeaders::default()
        };
        assert_eq!(kind(Eligibility::EventSourceOrTrigger, &os_trigger), Err(Ignored::SourceAndTrigger));
    }
}
