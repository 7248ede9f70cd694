//! `Attribution-Reporting-Register-OS-Source` and `-OS-Trigger`: registrations for the operating system.

use url::Url;

/// Spec: "OS registration".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OsRegistration {
    /// Where the operating system registers.
    pub url: Url,
    /// `debug-reporting`.
    pub debug_reporting: bool,
}
