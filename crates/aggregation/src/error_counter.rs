//! Why reports were left out of an aggregation, counted.
//!
//! The names are those of the aggregation service, for whoever alerts on them.

use std::fmt;

use serde::Serialize;

/// Why a report was left out. One report can have several reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ErrorCounter {
    /// The reporting origin has no site.
    AttributionReportToMalformed,
    /// The reporting origin is not the job's `attribution_report_to`.
    AttributionReportToMismatch,
    /// The reporting origin's site is not the job's `reporting_site`.
    ReportingSiteMismatch,
    /// The shared info cannot be read, or the payload was not sealed to the key with it.
    DecryptionError,
    /// No key has the ID that the report names.
    DecryptionKeyNotFound,
    /// The key that the report names could not be had. Keys that are read from files are there or not, so
    /// that this is counted only where keys come from elsewhere.
    DecryptionKeyFetchError,
    /// A debug run met a report without debug mode.
    DebugNotEnabled,
    /// The report was scheduled for 90 days ago, or earlier.
    OriginalReportTimeTooOld,
    /// Something failed that is not the report's fault.
    InternalError,
    /// The payload is of another operation than `histogram`.
    UnsupportedOperation,
    /// The report is of an API that is not served.
    UnsupportedReportApiType,
    /// A member of the shared info that the privacy budget needs is missing or empty.
    RequiredSharedinfoFieldInvalid,
    /// The report ID is missing, or no UUID.
    InvalidReportId,
    /// The row cannot be read, or the payload is no payload once it is opened.
    ReportParsingError,
    /// The version of the shared info is 0.0, or no version.
    UnsupportedSharedinfoVersion,
}

impl ErrorCounter {
    /// All of them, in the order that they are listed in.
    pub const ALL: [Self; 15] = [
        Self::AttributionReportToMalformed,
        Self::AttributionReportToMismatch,
        Self::ReportingSiteMismatch,
        Self::DecryptionError,
        Self::DecryptionKeyNotFound,
        Self::DecryptionKeyFetchError,
        Self::DebugNotEnabled,
        Self::OriginalReportTimeTooOld,
        Self::InternalError,
        Self::UnsupportedOperation,
        Self::UnsupportedReportApiType,
        Self::RequiredSharedinfoFieldInvalid,
        Self::InvalidReportId,
        Self::ReportParsingError,
        Self::UnsupportedSharedinfoVersion,
    ];

    /// `category`: its name in the job's result.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AttributionReportToMalformed => "ATTRIBUTION_REPORT_TO_MALFORMED",
            Self::AttributionReportToMismatch => "ATTRIBUTION_REPORT_TO_MISMATCH",
            Self::ReportingSiteMismatch => "REPORTING_SITE_MISMATCH",
            Self::DecryptionError => "DECRYPTION_ERROR",
            Self::DecryptionKeyNotFound => "DECRYPTION_KEY_NOT_FOUND",
            Self::DecryptionKeyFetchError => "DECRYPTION_KEY_FETCH_ERROR",
            Self::DebugNotEnabled => "DEBUG_NOT_ENABLED",
            Self::OriginalReportTimeTooOld => "ORIGINAL_REPORT_TIME_TOO_OLD",
            Self::InternalError => "INTERNAL_ERROR",
            Self::UnsupportedOperation => "UNSUPPORTED_OPERATION",
            Self::UnsupportedReportApiType => "UNSUPPORTED_REPORT_API_TYPE",
            Self::RequiredSharedinfoFieldInvalid => "REQUIRED_SHAREDINFO_FIELD_INVALID",
            Self::InvalidReportId => "INVALID_REPORT_ID",
            Self::ReportParsingError => "REPORT_PARSING_ERROR",
            Self::UnsupportedSharedinfoVersion => "UNSUPPORTED_SHAREDINFO_VERSION",
        }
    }

    /// `description`: what it means, for people.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::AttributionReportToMalformed => "The report's reporting_origin belongs to no site.",
            Self::AttributionReportToMismatch => {
                "The report's reporting_origin is not the attribution_report_to of the job."
            }
            Self::ReportingSiteMismatch => {
                "The report's reporting_origin is not of the reporting_site of the job."
            }
            Self::DecryptionError => {
                "The report's shared_info is unreadable, or its payload was not sealed with it and the key named."
            }
            Self::DecryptionKeyNotFound => "No private key has the key_id that the report names.",
            Self::DecryptionKeyFetchError => "The private key that the report names could not be fetched.",
            Self::DebugNotEnabled => "Debug runs take only reports with debug_mode enabled.",
            Self::OriginalReportTimeTooOld => "The report's scheduled_report_time is 90 days ago or earlier.",
            Self::InternalError => "Something failed that is not the report's fault.",
            Self::UnsupportedOperation => "The payload's operation is not histogram.",
            Self::UnsupportedReportApiType => {
                "The report's api is none of attribution-reporting, attribution-reporting-debug, protected-audience, shared-storage."
            }
            Self::RequiredSharedinfoFieldInvalid => {
                "A member of the report's shared_info that the privacy budget needs is missing or invalid."
            }
            Self::InvalidReportId => "The report_id is missing, or not a UUID.",
            Self::ReportParsingError => "The row, or the payload in it, is not in the format of reports.",
            Self::UnsupportedSharedinfoVersion => "The report's version is not one from 0.1 to below 2.0.",
        }
    }

    fn bit(self) -> u16 {
        1 << self as u8
    }
}

impl fmt::Display for ErrorCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The reasons why one report was left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReportErrors(u16);

impl ReportErrors {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The reasons.
    pub fn iter(self) -> impl Iterator<Item = ErrorCounter> {
        ErrorCounter::ALL.into_iter().filter(move |counter| self.0 & counter.bit() != 0)
    }

    pub(crate) fn add(&mut self, counter: ErrorCounter) {
        self.0 |= counter.bit();
    }

    /// The reasons as a number, a bit for each: for processes of one release to tell each other.
    #[must_use]
    pub fn bits(self) -> u16 {
        self.0
    }

    /// The reverse of [`bits`](Self::bits); `None` if a bit stands for no reason.
    #[must_use]
    pub fn from_bits(bits: u16) -> Option<Self> {
        let all = ErrorCounter::ALL.iter().fold(0, |bits, counter| bits | counter.bit());
        (bits & !all == 0).then_some(Self(bits))
    }
}

impl From<ErrorCounter> for ReportErrors {
    fn from(counter: ErrorCounter) -> Self {
        Self(counter.bit())
    }
}

/// How many reports were left out, by reason and in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrorCounts {
    by_counter: [u64; ErrorCounter::ALL.len()],
    reports: u64,
}

impl ErrorCounts {
    /// The name that the number of reports left out has among the counters.
    pub const TOTAL: &str = "NUM_REPORTS_WITH_ERRORS";

    /// Counts a report that was left out. One without a reason is not counted.
    pub fn add(&mut self, errors: ReportErrors) {
        self.add_reports(errors, 1);
    }

    /// Counts so many reports that were left out for the same reasons.
    pub fn add_reports(&mut self, errors: ReportErrors, reports: u64) {
        for counter in errors.iter() {
            self.by_counter[counter as usize] += reports;
        }
        self.reports += if errors.is_empty() { 0 } else { reports };
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: &Self) {
        for (count, other) in self.by_counter.iter_mut().zip(other.by_counter) {
            *count += other;
        }
        self.reports += other.reports;
    }

    /// How many reports were left out.
    #[must_use]
    pub fn reports(&self) -> u64 {
        self.reports
    }

    /// How many reports have this reason.
    #[must_use]
    pub fn get(&self, counter: ErrorCounter) -> u64 {
        self.by_counter[counter as usize]
    }

    /// `error_counts`: the counters above 0, their sum over reports last.
    #[must_use]
    pub fn to_list(&self) -> Vec<ErrorCount> {
        let count = |category, description, count| ErrorCount { category, count, description };
        let mut list: Vec<_> = ErrorCounter::ALL
            .into_iter()
            .filter(|counter| self.get(*counter) > 0)
            .map(|counter| count(counter.as_str(), counter.description(), self.get(counter)))
            .collect();
        if self.reports > 0 {
            let description =
                "Reports with one or more of these errors: they were left out of the aggregation.";
            list.push(count(Self::TOTAL, description, self.reports));
        }
        list
    }
}

/// One entry of `error_counts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorCount {
    /// The counter's name.
    pub category: &'static str,
    /// How many reports.
    pub count: u64,
    /// What it means.
    pub description: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_of_a_counter_is_its_place_in_the_list() {
        for (index, counter) in ErrorCounter::ALL.into_iter().enumerate() {
            assert_eq!(counter as usize, index);
        }
    }

    #[test]
    fn a_report_with_two_errors_counts_once_in_all() {
        let mut both = ReportErrors::from(ErrorCounter::InvalidReportId);
        both.add(ErrorCounter::OriginalReportTimeTooOld);
        let mut counts = ErrorCounts::default();
        counts.add(both);
        counts.add(ErrorCounter::InvalidReportId.into());
        counts.add(ReportErrors::default());
        let list: Vec<_> = counts.to_list().iter().map(|entry| (entry.category, entry.count)).collect();
        assert_eq!(
            list,
            [("ORIGINAL_REPORT_TIME_TOO_OLD", 1), ("INVALID_REPORT_ID", 2), ("NUM_REPORTS_WITH_ERRORS", 2)]
        );
    }

    #[test]
    fn counts_of_threads_add_up() {
        let mut a = ErrorCounts::default();
        a.add(ErrorCounter::DecryptionError.into());
        let mut b = a;
        b.merge(&a);
        assert_eq!((b.reports(), b.get(ErrorCounter::DecryptionError)), (2, 2));
        assert_eq!(ErrorCounts::default().to_list(), []);
    }
}
