//! All that can be said about one header, for the people who write it.
//!
//! Beyond parsing, this checks whether a source would disclose too much to be stored, which a user
//! agent finds out only when it registers the source.

mod disclosure;

use serde::Serialize;

use crate::{
    Eligibility, HeaderName, OsRegistration, Parsed, Problem, RegistrationInfo, SourceRegistration,
    SourceType, SupportedRegistrars, TriggerRegistration, VendorValues,
};

/// What [`validate`] depends on besides the header. The default is Chromium's, for navigation sources.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidateOptions {
    /// The type of a source that the header registers.
    pub source_type: SourceType,
    /// What parsing depends on.
    pub vendor: VendorValues,
    /// What an event source may disclose.
    pub event_limits: DisclosureLimits,
    /// What a navigation source may disclose.
    pub navigation_limits: DisclosureLimits,
    /// Whether to note how much a source discloses, and how often its reports are random.
    pub note_disclosure: bool,
}

/// How many bits a source may disclose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DisclosureLimits {
    /// "Max event-level channel capacity per source".
    pub channel_capacity: f64,
    /// "Max event-level attribution scopes channel capacity per source".
    pub scopes_channel_capacity: f64,
}

/// What there is to be said about a header.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Why it registers nothing.
    pub errors: Vec<Problem>,
    /// What was changed or will have no effect.
    pub warnings: Vec<Problem>,
    /// What is worth knowing.
    pub notes: Vec<Problem>,
    /// The header with every default spelled out, in one line; absent when it cannot be parsed, present
    /// when a source only discloses too much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective: Option<String>,
}

impl Default for ValidateOptions {
    fn default() -> Self {
        Self {
            source_type: SourceType::Navigation,
            vendor: VendorValues::default(),
            event_limits: DisclosureLimits { channel_capacity: 6.5, scopes_channel_capacity: 6.5 },
            navigation_limits: DisclosureLimits { channel_capacity: 11.5, scopes_channel_capacity: 11.55 },
            note_disclosure: false,
        }
    }
}

impl Report {
    /// Whether the header does what it says.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }
}

/// Says all there is to say about the value of a header.
#[must_use]
pub fn validate(header: HeaderName, value: &[u8], options: &ValidateOptions) -> Report {
    match header {
        HeaderName::RegisterSource => source(value, options),
        HeaderName::RegisterTrigger => {
            report(TriggerRegistration::parse(value, &options.vendor), TriggerRegistration::to_json)
        }
        HeaderName::RegisterOsSource | HeaderName::RegisterOsTrigger => {
            report(OsRegistration::parse_list(value), |list| OsRegistration::print_list(list))
        }
        HeaderName::Info => report(RegistrationInfo::parse(value), ToString::to_string),
        HeaderName::Eligible => report(Eligibility::parse(value), |eligibility| {
            eligibility.header_value(None).unwrap_or_default()
        }),
        HeaderName::Support => {
            report(SupportedRegistrars::parse(value), |registrars| registrars.header_value(None))
        }
    }
}

fn source(value: &[u8], options: &ValidateOptions) -> Report {
    let parsed = SourceRegistration::parse(value, options.source_type, &options.vendor);
    let disclosure = parsed.value.as_ref().map(|source| disclosure::check(source, options));
    let mut report = report(parsed, SourceRegistration::to_json);
    if let Some(found) = disclosure {
        report.errors.extend(found.errors);
        report.notes.extend(found.notes);
    }
    report
}

fn report<T>(parsed: Parsed<T>, print: impl FnOnce(&T) -> String) -> Report {
    Report {
        effective: parsed.value.as_ref().map(print),
        errors: parsed.errors,
        warnings: parsed.warnings,
        notes: Vec::new(),
    }
}
