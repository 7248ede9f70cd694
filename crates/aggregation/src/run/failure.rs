//! Why a job fails, as the job API's codes.

use crate::{
    InputError, InvalidParameter, OutputError, ReturnCode, StorageError, StorageErrorKind,
    budget::{LedgerError, PublishError, StagingError},
    collect::CollectError,
    noise::NoRandomness,
};

/// Why a job failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: ReturnCode,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn plain(code: ReturnCode) -> Self {
        Self { code, message: String::new() }
    }

    /// Somebody asked for the end of it.
    pub(super) fn cancelled() -> Self {
        Self { code: ReturnCode::InternalError, message: "the job was stopped; nothing was spent".to_owned() }
    }
}

impl From<InvalidParameter> for Failure {
    fn from(error: InvalidParameter) -> Self {
        Self { code: ReturnCode::InvalidJob, message: error.to_string() }
    }
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        let code = match &error {
            InputError::Storage(StorageError { kind: StorageErrorKind::Denied, .. }) => {
                ReturnCode::PermissionError
            }
            _ => ReturnCode::InputDataReadFailed,
        };
        Self { code, message: error.to_string() }
    }
}

impl From<CollectError> for Failure {
    fn from(error: CollectError) -> Self {
        match error {
            CollectError::Input(error) => error.into(),
            CollectError::UnsupportedVersion(version) => Self {
                code: ReturnCode::UnsupportedReportVersion,
                message: format!("a report has version {version}: versions below 2.0 can be read"),
            },
            CollectError::Panicked => {
                Self { code: ReturnCode::InternalError, message: "a thread panicked".to_owned() }
            }
        }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self { code: ReturnCode::PrivacyBudgetError, message: error.to_string() }
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        let code = match error.kind {
            StorageErrorKind::Denied => ReturnCode::PermissionError,
            _ => ReturnCode::ResultWriteError,
        };
        Self { code, message: error.to_string() }
    }
}

macro_rules! internal {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self { code: ReturnCode::InternalError, message: error.to_string() }
            }
        })*
    };
}

internal!(NoRandomness, OutputError, StagingError, std::io::Error);

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Storage(error) => error.into(),
            error => Self { code: ReturnCode::ResultWriteError, message: error.to_string() },
        }
    }
}
