//! `result_info`: what a finished job says of itself.

use serde::Serialize;

use crate::{ErrorCounts, ReturnCode, error_counter::ErrorCount, shared_info::iso_8601};

/// How a job ended, as the job API has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResultInfo {
    /// The code.
    pub return_code: ReturnCode,
    /// For people.
    pub return_message: String,
    /// Which reports were left out, and why.
    pub error_summary: ErrorSummary,
    /// When: RFC 3339.
    pub finished_at: String,
}

/// `error_summary`: which reports were left out, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ErrorSummary {
    /// The counters above 0.
    pub error_counts: Vec<ErrorCount>,
    /// Unexpected errors.
    pub error_messages: Vec<String>,
}

impl ResultInfo {
    /// What a job says that ended so. A plain success that left out reports is one with errors.
    #[must_use]
    pub fn new(
        code: ReturnCode,
        message: Option<String>,
        errors: &ErrorCounts,
        finished_at: ascribe_reports::Time,
    ) -> Self {
        let return_code = match code {
            ReturnCode::Success if errors.reports() > 0 => ReturnCode::SuccessWithErrors,
            code => code,
        };
        Self {
            return_code,
            return_message: message.unwrap_or_else(|| default_message(return_code).to_owned()),
            error_summary: ErrorSummary { error_counts: errors.to_list(), error_messages: Vec::new() },
            finished_at: iso_8601(finished_at),
        }
    }
}

fn default_message(code: ReturnCode) -> &'static str {
    match code {
        ReturnCode::Success => "The summary is written.",
        ReturnCode::SuccessWithErrors => "The summary is written; some reports were left out of it.",
        ReturnCode::DebugSuccessWithPrivacyBudgetError => {
            "The debug output is written; the privacy budget could not be asked."
        }
        ReturnCode::DebugSuccessWithPrivacyBudgetExhausted => {
            "The debug output is written; outside of a debug run the privacy budget would be exhausted."
        }
        ReturnCode::ReportsWithErrorsExceededThreshold => {
            "Too many reports would have been left out. No privacy budget was spent."
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use ascribe_reports::Time;

    use super::*;
    use crate::ErrorCounter;

    #[test]
    fn a_result_prints_as_the_job_api_has_it() {
        let mut errors = ErrorCounts::default();
        errors.add(ErrorCounter::DecryptionError.into());
        let result = ResultInfo::new(ReturnCode::Success, None, &errors, Time::from_secs(0));
        let json = serde_json::to_value(&result).unwrap();
        assert_eq!(json["return_code"], "SUCCESS_WITH_ERRORS");
        assert_eq!(json["finished_at"], "1970-01-01T00:00:00Z");
        let counts = json["error_summary"]["error_counts"].as_array().unwrap();
        assert_eq!(counts[0]["category"], "DECRYPTION_ERROR");
        assert_eq!(counts[1]["category"], "NUM_REPORTS_WITH_ERRORS");
        assert_eq!(counts[1]["count"], 1);
    }
}
