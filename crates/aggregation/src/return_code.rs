//! How a job ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `return_code`: how a job ended, under the aggregation service's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReturnCode {
    /// The summary is there.
    Success,
    /// The summary is there; some reports were left out.
    SuccessWithErrors,
    /// The debug run's output is there; without debugging, the privacy budget could not have been asked.
    DebugSuccessWithPrivacyBudgetError,
    /// The debug run's output is there; without debugging, the job would have found the budget exhausted.
    DebugSuccessWithPrivacyBudgetExhausted,
    /// Reports of the batch were aggregated before.
    PrivacyBudgetExhausted,
    /// The privacy budget could not be asked. The job can be run again.
    PrivacyBudgetError,
    /// The ledger does not know who asks.
    PrivacyBudgetAuthenticationError,
    /// The ledger does not let the asker spend.
    PrivacyBudgetAuthorizationError,
    /// A parameter of the job is missing or invalid.
    InvalidJob,
    /// The batches or the domain cannot be read.
    InputDataReadFailed,
    /// The output cannot be written. The budget may be spent: the output is kept, to be published again.
    ResultWriteError,
    /// Something failed that should not. The job can be run again.
    InternalError,
    /// Access to the input or output is denied.
    PermissionError,
    /// Too many reports would have been left out. No budget is spent.
    ReportsWithErrorsExceededThreshold,
    /// A report is of a later format. No budget is spent.
    UnsupportedReportVersion,
    /// The job was tried as often as is allowed.
    RetriesExhausted,
}

impl ReturnCode {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Success,
        Self::SuccessWithErrors,
        Self::DebugSuccessWithPrivacyBudgetError,
        Self::DebugSuccessWithPrivacyBudgetExhausted,
        Self::PrivacyBudgetExhausted,
        Self::PrivacyBudgetError,
        Self::PrivacyBudgetAuthenticationError,
        Self::PrivacyBudgetAuthorizationError,
        Self::InvalidJob,
        Self::InputDataReadFailed,
        Self::ResultWriteError,
        Self::InternalError,
        Self::PermissionError,
        Self::ReportsWithErrorsExceededThreshold,
        Self::UnsupportedReportVersion,
        Self::RetriesExhausted,
    ];

    /// Whether there is a summary.
    #[must_use]
    pub fn is_success(self) -> bool {
        matches!(
            self,
            Self::Success
                | Self::SuccessWithErrors
                | Self::DebugSuccessWithPrivacyBudgetError
                | Self::DebugSuccessWithPrivacyBudgetExhausted
        )
    }

    /// Whether the same job can end otherwise when it is run again.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(self, Self::PrivacyBudgetError | Self::InternalError)
    }
}

impl fmt::Display for ReturnCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_names_of_the_service() {
        let names: Vec<_> = ReturnCode::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(
            names,
            [
                "SUCCESS",
                "SUCCESS_WITH_ERRORS",
                "DEBUG_SUCCESS_WITH_PRIVACY_BUDGET_ERROR",
                "DEBUG_SUCCESS_WITH_PRIVACY_BUDGET_EXHAUSTED",
                "PRIVACY_BUDGET_EXHAUSTED",
                "PRIVACY_BUDGET_ERROR",
                "PRIVACY_BUDGET_AUTHENTICATION_ERROR",
                "PRIVACY_BUDGET_AUTHORIZATION_ERROR",
                "INVALID_JOB",
                "INPUT_DATA_READ_FAILED",
                "RESULT_WRITE_ERROR",
                "INTERNAL_ERROR",
                "PERMISSION_ERROR",
                "REPORTS_WITH_ERRORS_EXCEEDED_THRESHOLD",
                "UNSUPPORTED_REPORT_VERSION",
                "RETRIES_EXHAUSTED",
            ]
        );
    }
}
