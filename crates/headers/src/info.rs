//! `Attribution-Reporting-Info`: which platform a server prefers, and whether it wants header errors.

use std::fmt;

use sfv::{Dictionary, ListEntry};

use crate::{
    Parsed, ProblemKind,
    problems::{At, Problems},
    structured::{field, warn_of_parameters, warn_of_unknown_keys},
};

/// Who may process a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Registrar {
    /// The user agent itself.
    Web,
    /// The operating system.
    Os,
}

/// Spec: "registration info".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegistrationInfo {
    /// `preferred-platform`.
    pub preferred_platform: Option<Registrar>,
    /// `report-header-errors`.
    pub report_header_errors: bool,
}

const PREFERRED_PLATFORM: &str = "preferred-platform";
const REPORT_HEADER_ERRORS: &str = "report-header-errors";

impl Registrar {
    /// The name in headers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Os => "os",
        }
    }
}

impl RegistrationInfo {
    /// Parses the header.
    ///
    /// Spec: "get registration info from a header list". As in Chromium, the platform must be a token.
    #[must_use]
    pub fn parse(header: &[u8]) -> Parsed<Self> {
        let mut problems = Problems::default();
        let info = field(header, &mut problems).and_then(|mut dictionary: Dictionary| {
            let preferred_platform = match dictionary.shift_remove(PREFERRED_PLATFORM) {
                None => Some(None),
                Some(entry) => {
                    preferred_platform(&entry, At::Root.key(PREFERRED_PLATFORM), &mut problems).map(Some)
                }
            };
            let report_header_errors = match dictionary.shift_remove(REPORT_HEADER_ERRORS) {
                None => Some(false),
                Some(entry) => {
                    report_header_errors(&entry, At::Root.key(REPORT_HEADER_ERRORS), &mut problems)
                }
            };
            warn_of_unknown_keys(&dictionary, &mut problems);
            Some(Self {
                preferred_platform: preferred_platform?,
                report_header_errors: report_header_errors?,
            })
        });
        problems.finish(info)
    }
}

fn preferred_platform(entry: &ListEntry, at: At<'_>, problems: &mut Problems) -> Option<Registrar> {
    let ListEntry::Item(item) = entry else {
        return problems.error(at, ProblemKind::WrongType { expected: "a token" });
    };
    let platform = match item.bare_item.as_token().map(|token| token.as_str()) {
        Some("web") => Registrar::Web,
        Some("os") => Registrar::Os,
        Some(_) => return problems.error(at, ProblemKind::NotOneOf { allowed: &["os", "web"] }),
        None => return problems.error(at, ProblemKind::WrongType { expected: "a token" }),
    };
    warn_of_parameters(entry, at, problems);
    Some(platform)
}

fn report_header_errors(entry: &ListEntry, at: At<'_>, problems: &mut Problems) -> Option<bool> {
    let ListEntry::Item(item) = entry else {
        return problems.error(at, ProblemKind::WrongType { expected: "a boolean" });
    };
    let Some(report) = item.bare_item.as_boolean() else {
        return problems.error(at, ProblemKind::WrongType { expected: "a boolean" });
    };
    warn_of_parameters(entry, at, problems);
    Some(report)
}

/// Prints the header; empty when it says nothing.
impl fmt::Display for RegistrationInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(platform) = self.preferred_platform {
            write!(f, "{PREFERRED_PLATFORM}={}", platform.as_str())?;
        }
        if self.report_header_errors {
            let separator = if self.preferred_platform.is_some() { ", " } else { "" };
            write!(f, "{separator}{REPORT_HEADER_ERRORS}")?;
        }
        Ok(())
    }
}
