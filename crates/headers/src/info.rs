//! `Attribution-Reporting-Info`: which platform a server prefers, and whether it wants header errors.

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
