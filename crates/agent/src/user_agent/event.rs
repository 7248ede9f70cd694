//! What a user agent tells those who look on: events as they happen, and a log of the latest.

use std::{collections::VecDeque, sync::Arc};

use ascribe_engine::{TestSwitches, Trace, TriggerOutcome};
use ascribe_headers::{Coordinator, Site, SuitableOrigin, TriggerRegistration};
use ascribe_reports::Time;

use super::{RecordedDraws, Report};
use crate::{DeliveryError, KeysError, Registration};

/// Something happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A response was processed.
    Registered(Arc<Registered>),
    /// A trigger was attributed that had waited for the sources of its navigation.
    TriggerAttributed {
        /// When: its time is this, not that of its response.
        time: Time,
        /// Who registered it.
        reporting_origin: SuitableOrigin,
        /// The site of the page that it was registered on.
        destination: Site,
        /// What its header says.
        registration: Box<TriggerRegistration>,
        /// What became of it.
        outcome: TriggerOutcome,
        /// What was considered; empty unless the configuration asks to explain.
        trace: Trace,
        /// What chance decided.
        draws: RecordedDraws,
    },
    /// A server answered a report.
    ReportSent(Arc<SentReport>),
    /// An attempt to deliver a report failed.
    ReportFailed(Arc<SentReport>),
    /// A coordinator served its keys.
    KeysFetched {
        /// When.
        time: Time,
        /// Which.
        coordinator: Coordinator,
        /// How many.
        keys: usize,
        /// How long they are used.
        fresh_until: Time,
    },
    /// A coordinator did not serve its keys: the reports that need them fail.
    KeysFailed {
        /// When.
        time: Time,
        /// Which.
        coordinator: Coordinator,
        /// Why.
        error: KeysError,
    },
    /// The user deleted data.
    Cleared(Time),
    /// A reporting origin deleted its data.
    SiteDataCleared {
        /// When.
        time: Time,
        /// Which.
        reporting_origin: SuitableOrigin,
    },
    /// It is this moment now.
    ClockAdvanced(Time),
    /// What a test takes away has changed.
    TestSwitchesSet(TestSwitches),
    /// Whether the user agent believes that there is a network has changed.
    NetworkChanged {
        /// It does not.
        offline: bool,
    },
    /// The journal could not be written: what had just happened was undone, and nothing was sent.
    JournalFailed(String),
}

/// A response, and what became of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Registered {
    /// When.
    pub time: Time,
    /// The origin of the top-level page.
    pub context_origin: SuitableOrigin,
    /// The origin that responded.
    pub reporting_origin: SuitableOrigin,
    /// Whether it came from a fenced frame.
    pub fenced: bool,
    /// Whether the origin that responded has access to third-party cookies on the page.
    pub cookie_based_debug_allowed: bool,
    /// What became of it.
    pub registration: Registration,
    /// What was considered; empty unless the configuration asks to explain.
    pub trace: Trace,
    /// What chance decided.
    pub draws: RecordedDraws,
}

/// One attempt to deliver a report.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SentReport {
    /// When it ended.
    pub time: Time,
    /// When the report was to be sent: at first, if this is not the first attempt.
    pub due: Time,
    /// The report, in clear.
    pub report: Report,
    /// Which attempt it was; from 1.
    pub attempt: u32,
    /// What was sent; none when it could not be sealed, or was not tried.
    pub body: Option<String>,
    /// How it ended.
    pub outcome: SendOutcome,
}

/// How an attempt to deliver a report ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendOutcome {
    /// The server answered, with this status: whatever it is, the report is done.
    Answered(u16),
    /// It is tried again.
    Retried {
        /// What went wrong.
        error: AttemptError,
        /// When; none when it waits for the next navigation.
        at: Option<Time>,
    },
    /// It is given up.
    Dropped {
        /// What went wrong.
        error: AttemptError,
        /// Whether it is kept for a look at it.
        kept: bool,
    },
}

/// Why an attempt to deliver a report failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttemptError {
    /// The reporting origin did not answer.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    /// There is no key to seal it with.
    #[error("no key to seal the report with: {0}")]
    Keys(#[from] KeysError),
    /// It could not be sealed.
    #[error("the report could not be sealed: {0}")]
    Seal(String),
    /// What it tells of would not have survived a power cut.
    #[error("not sent, since the journal failed: {0}")]
    NotStored(String),
    /// Too many debug reports were waiting.
    #[error("too many debug reports at once")]
    TooMany,
}

impl AttemptError {
    /// Whether a stored report is tried again; a report without a key counts as failed, too.
    pub(super) fn is_retryable(&self) -> bool {
        match self {
            Self::Delivery(error) => error.is_retryable(),
            Self::Keys(_) => true,
            Self::Seal(_) | Self::NotStored(_) | Self::TooMany => false,
        }
    }
}

/// The latest things, as many and as large as memory is given.
#[derive(Debug)]
pub(super) struct Log<T> {
    entries: VecDeque<(usize, Arc<T>)>,
    bytes: usize,
}

const MAX_ENTRIES: usize = 1_000;
const MAX_BYTES: usize = 8 << 20;

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), bytes: 0 }
    }
}

impl<T> Log<T> {
    /// Adds an entry of about so many bytes.
    pub(super) fn push(&mut self, entry: Arc<T>, bytes: usize) {
        self.entries.push_back((bytes, entry));
        self.bytes += bytes;
        while self.entries.len() > MAX_ENTRIES || self.bytes > MAX_BYTES && self.entries.len() > 1 {
            let oldest = self.entries.pop_front();
            self.bytes -= oldest.map_or(0, |(bytes, _)| bytes);
        }
    }

    pub(super) fn forget(&mut self, mut which: impl FnMut(&T) -> bool) {
        self.entries.retain(|(_, entry)| !which(entry));
        self.bytes = self.entries.iter().map(|(bytes, _)| bytes).sum();
    }

    pub(super) fn latest(&self) -> Vec<Arc<T>> {
        self.entries.iter().map(|(_, entry)| entry.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_keeps_the_latest_within_its_bounds() {
        let mut log = Log::default();
        (0..MAX_ENTRIES + 2).for_each(|n| log.push(Arc::new(n), 1));
        let latest = log.latest();
        assert_eq!((latest.len(), *latest[0]), (MAX_ENTRIES, 2));
        log.push(Arc::new(0), MAX_BYTES - 1);
        assert_eq!(log.latest().len(), 2);
        log.push(Arc::new(7), MAX_BYTES + 1);
        assert_eq!(log.latest(), [Arc::new(7)], "a single one is kept, however large");
        log.push(Arc::new(8), 1);
        assert_eq!(log.latest(), [Arc::new(8)]);
        log.forget(|n| *n == 8);
        assert_eq!((log.latest().len(), log.bytes), (0, 0));
    }
}
