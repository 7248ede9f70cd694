//! The names of the headers.

use std::fmt;

/// A header of the API, sent by the user agent or by a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HeaderName {
    /// `Attribution-Reporting-Register-Source`, JSON.
    RegisterSource,
    /// `Attribution-Reporting-Register-Trigger`, JSON.
    RegisterTrigger,
    /// `Attribution-Reporting-Register-OS-Source`, a structured list.
    RegisterOsSource,
    /// `Attribution-Reporting-Register-OS-Trigger`, a structured list.
    RegisterOsTrigger,
    /// `Attribution-Reporting-Info`, a structured dictionary.
    Info,
    /// `Attribution-Reporting-Eligible`, a structured dictionary; the only ones of a request are this
    /// and the next.
    Eligible,
    /// `Attribution-Reporting-Support`, a structured dictionary.
    Support,
}

impl HeaderName {
    /// Every header.
    pub const ALL: [Self; 7] = [
        Self::RegisterSource,
        Self::RegisterTrigger,
        Self::RegisterOsSource,
        Self::RegisterOsTrigger,
        Self::Info,
        Self::Eligible,
        Self::Support,
    ];

    /// The name, spelled as in the specification.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RegisterSource => "Attribution-Reporting-Register-Source",
            Self::RegisterTrigger => "Attribution-Reporting-Register-Trigger",
            Self::RegisterOsSource => "Attribution-Reporting-Register-OS-Source",
            Self::RegisterOsTrigger => "Attribution-Reporting-Register-OS-Trigger",
            Self::Info => "Attribution-Reporting-Info",
            Self::Eligible => "Attribution-Reporting-Eligible",
            Self::Support => "Attribution-Reporting-Support",
        }
    }

    /// The header with this name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|header| header.as_str().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
