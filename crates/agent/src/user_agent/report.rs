//! A report on its way, whichever kind it is of.

use ascribe_engine::{DebugReport, PendingReport, ReportKey};
use ascribe_headers::{Coordinator, SuitableOrigin};
use ascribe_reports::{
    AggregatableReport, Contribution, Endpoint, EventLevelReport, KeySet, ReportId, SealError, UniformKey,
};
use rand_chacha::ChaCha20Rng;

/// A report that is sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// One that was stored until it was due.
    Stored(PendingReport),
    /// One that is sent at once, and is stored nowhere.
    Debug(DebugReport),
}

impl Report {
    /// Where it is stored.
    #[must_use]
    pub fn key(&self) -> Option<ReportKey> {
        match self {
            Self::Stored(report) => Some(report.key()),
            Self::Debug(_) => None,
        }
    }

    /// The ID that it tells; verbose debug reports have none.
    #[must_use]
    pub fn report_id(&self) -> Option<ReportId> {
        match self {
            Self::Stored(PendingReport::Event(pending)) => Some(pending.report.report_id),
            Self::Stored(PendingReport::Aggregatable(pending)) => Some(pending.report.report_id),
            Self::Debug(DebugReport::Event(report)) => Some(report.report_id),
            Self::Debug(DebugReport::Aggregatable(report)) => Some(report.report_id),
            Self::Debug(DebugReport::AggregatableDebug(report)) => Some(report.report_id),
            Self::Debug(DebugReport::Verbose(_)) => None,
        }
    }

    /// Whom it is sent to.
    #[must_use]
    pub fn reporting_origin(&self) -> &SuitableOrigin {
        match self {
            Self::Stored(report) => report.reporting_origin(),
            Self::Debug(DebugReport::Event(report)) => &report.reporting_origin,
            Self::Debug(DebugReport::Aggregatable(report)) => &report.reporting_origin,
            Self::Debug(DebugReport::AggregatableDebug(report)) => &report.reporting_origin,
            Self::Debug(DebugReport::Verbose(report)) => &report.reporting_origin,
        }
    }

    /// Which of the reporting origin's paths receives it.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        match self {
            Self::Stored(PendingReport::Event(_)) => EventLevelReport::endpoint(false),
            Self::Stored(PendingReport::Aggregatable(_)) => AggregatableReport::endpoint(false),
            Self::Debug(DebugReport::Event(_)) => EventLevelReport::endpoint(true),
            Self::Debug(DebugReport::Aggregatable(_)) => AggregatableReport::endpoint(true),
            Self::Debug(DebugReport::AggregatableDebug(_)) => Endpoint::AggregatableDebug,
            Self::Debug(DebugReport::Verbose(_)) => Endpoint::VerboseDebug,
        }
    }

    /// The URL that it is sent to.
    #[must_use]
    pub fn url(&self) -> String {
        self.endpoint().url(self.reporting_origin())
    }

    /// The histogram that is sealed in it, in clear and without padding; empty for null reports.
    #[must_use]
    pub fn contributions(&self) -> &[Contribution] {
        match self {
            Self::Stored(PendingReport::Aggregatable(pending)) => &pending.report.contributions,
            Self::Debug(DebugReport::Aggregatable(report)) => &report.contributions,
            Self::Debug(DebugReport::AggregatableDebug(report)) => &report.contributions,
            Self::Stored(PendingReport::Event(_)) | Self::Debug(_) => &[],
        }
    }

    /// Whose key seals it, if it is sealed.
    #[must_use]
    pub fn coordinator(&self) -> Option<&Coordinator> {
        match self {
            Self::Stored(PendingReport::Aggregatable(pending)) => Some(&pending.report.coordinator),
            Self::Debug(DebugReport::Aggregatable(report)) => Some(&report.coordinator),
            Self::Debug(DebugReport::AggregatableDebug(report)) => Some(&report.coordinator),
            Self::Stored(PendingReport::Event(_)) | Self::Debug(_) => None,
        }
    }

    /// What is sent; sealed anew on each call. `keys` are those of its coordinator, if it has one.
    pub(super) fn body(&self, keys: Option<&KeySet>, rng: &mut ChaCha20Rng) -> Result<String, SealError> {
        let mut key = |keys: Option<&KeySet>| {
            let keys = keys.expect("the keys of its coordinator were fetched");
            keys.choose(&mut UniformKey(&mut *rng)).clone()
        };
        match self {
            Self::Stored(PendingReport::Event(pending)) => Ok(pending.report.body()),
            Self::Debug(DebugReport::Event(report)) => Ok(report.body()),
            Self::Debug(DebugReport::Verbose(report)) => Ok(report.body()),
            Self::Stored(PendingReport::Aggregatable(pending)) => {
                let key = key(keys);
                Ok(pending.report.body(&pending.report.seal(&key, rng)?))
            }
            Self::Debug(DebugReport::Aggregatable(report)) => {
                let key = key(keys);
                Ok(report.body(&report.seal(&key, rng)?))
            }
            Self::Debug(DebugReport::AggregatableDebug(report)) => {
                let key = key(keys);
                Ok(report.body(&report.seal(&key, rng)?))
            }
        }
    }
}
