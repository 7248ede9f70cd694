//! Every set of event-level reports that a source could send: counted, numbered, drawn.
//!
//! Spec: "obtain a set of possible trigger states". The specification builds that set, which can have more
//! than 2^87 members; here it is only counted, and a member is computed from its number.
//!
//! The numbering: a source with `n` pairs of trigger data and window sends at most `r` reports. Fill the reports it
//! does not send with a blank that sorts first, and its output is a sorted word of `r` letters from
//! `n + 1`, `a_1 ≤ … ≤ a_r`. Then `c_i = a_i + i − 1` is strictly increasing in `0..n + r`, and
//! `Σ C(c_i, i)` numbers the words from 0 without gaps: the combinatorial number system. Number 0 is all
//! blanks, that is, no report.

use rand::Rng;
use thiserror::Error;

use crate::uniform;

/// What determines the possible outputs of an event-level source.
///
/// Spec: "randomized response output configuration", reduced to its three sizes.
///
/// ```
/// use ascribe_privacy::{TriggerState, TriggerStates};
///
/// let states = TriggerStates::NAVIGATION;
/// assert_eq!(states.count(), 2925);
/// assert_eq!(states.unrank(0), Some(vec![]));
/// assert_eq!(states.unrank(1), Some(vec![TriggerState { trigger_data_index: 0, window_index: 0 }]));
/// assert_eq!(states.unrank(2924).map(|reports| reports.len()), Some(3));
/// assert_eq!(states.unrank(2925), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TriggerStates {
    max_event_level_reports: u8,
    trigger_data: u8,
    windows: u8,
}

/// One report of an output: which trigger data, in which window.
///
/// Spec: "trigger state". Both are positions in the source's own lists, which hold the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TriggerState {
    /// Position in the source's trigger data, below their number.
    pub trigger_data_index: u8,
    /// Position in the source's event report windows, below their number.
    pub window_index: u8,
}

/// Sizes that no source registration can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidTriggerStates {
    /// More reports than a source may send.
    #[error("{0} event-level reports per source, at most {max}", max = TriggerStates::MAX_REPORTS)]
    Reports(u8),
    /// More trigger data than a source may have.
    #[error("{0} trigger data, at most {max}", max = TriggerStates::MAX_TRIGGER_DATA)]
    TriggerData(usize),
    /// No window, or more than a source may have.
    #[error("{0} event report windows, at least 1 and at most {max}", max = TriggerStates::MAX_WINDOWS)]
    Windows(usize),
}

impl TriggerStates {
    /// "Max settable event-level attributions per source".
    pub const MAX_REPORTS: u8 = 20;
    /// "Max distinct trigger data per source".
    pub const MAX_TRIGGER_DATA: usize = 32;
    /// "Max settable event-level report windows".
    pub const MAX_WINDOWS: usize = 5;

    /// What a navigation source has by default: 3 reports, 8 trigger data, 3 windows.
    pub const NAVIGATION: Self = Self { max_event_level_reports: 3, trigger_data: 8, windows: 3 };
    /// What an event source has by default: 1 report, 2 trigger data, 1 window.
    pub const EVENT: Self = Self { max_event_level_reports: 1, trigger_data: 2, windows: 1 };

    /// A source with at most `max_event_level_reports` reports (0 to 20), as many `trigger_data` (0 to 32)
    /// and `windows` (1 to 5).
    ///
    /// # Errors
    ///
    /// The first of the three that is out of its range.
    pub fn new(
        max_event_level_reports: u8,
        trigger_data: usize,
        windows: usize,
    ) -> Result<Self, InvalidTriggerStates> {
        if max_event_level_reports > Self::MAX_REPORTS {
            return Err(InvalidTriggerStates::Reports(max_event_level_reports));
        }
        if trigger_data > Self::MAX_TRIGGER_DATA {
            return Err(InvalidTriggerStates::TriggerData(trigger_data));
        }
        if !(1..=Self::MAX_WINDOWS).contains(&windows) {
            return Err(InvalidTriggerStates::Windows(windows));
        }
        // Both fit: they are at most 32 and 5.
        Ok(Self { max_event_level_reports, trigger_data: trigger_data as u8, windows: windows as u8 })
    }

    /// At most this many reports are sent: 0 to 20.
    #[must_use]
    pub fn max_event_level_reports(self) -> u8 {
        self.max_event_level_reports
    }

    /// How many trigger data can be told apart: 0 to 32.
    #[must_use]
    pub fn trigger_data(self) -> u8 {
        self.trigger_data
    }

    /// How many report windows can be told apart: 1 to 5.
    #[must_use]
    pub fn windows(self) -> u8 {
        self.windows
    }

    /// How many outputs there are: `C(w·d + r, r)`, from 1 to `C(180, 20)`, less than 2^88.
    #[must_use]
    pub fn count(self) -> u128 {
        binomial(self.pairs() + self.reports(), self.reports())
    }

    /// [`count`](Self::count), unless it is above `limit` ("max trigger-state cardinality").
    #[must_use]
    pub fn cardinality(self, limit: u32) -> Option<u32> {
        u32::try_from(self.count()).ok().filter(|&count| count <= limit)
    }

    /// The output with the given number, or `None` from [`count`](Self::count) on.
    ///
    /// The reports are in ascending order of trigger data, then window. Takes time in proportion to
    /// `w·d + r`, whatever the count.
    #[must_use]
    pub fn unrank(self, index: u128) -> Option<Vec<TriggerState>> {
        (index < self.count()).then(|| self.word(index))
    }

    /// The number of an output: the inverse of [`unrank`](Self::unrank), for reports in any order.
    ///
    /// `None` if there are too many reports, or one whose trigger data or window does not exist.
    #[must_use]
    pub fn rank(self, reports: &[TriggerState]) -> Option<u128> {
        let blanks = usize::from(self.max_event_level_reports).checked_sub(reports.len())?;
        let mut letters = reports.iter().map(|&report| self.letter(report)).collect::<Option<Vec<_>>>()?;
        letters.sort_unstable();
        // A blank, letter 0 at place i, contributes C(i − 1, i) = 0.
        let places = (blanks as u128 + 1)..;
        Some(letters.into_iter().zip(places).map(|(letter, i)| binomial(letter + i - 1, i)).sum())
    }

    /// A uniformly random output, exactly: each has the same probability if the bits of `rng` are uniform.
    #[must_use]
    pub fn random(self, rng: &mut (impl Rng + ?Sized)) -> Vec<TriggerState> {
        self.word(uniform::below(self.count(), rng))
    }

    /// The word with the number `index`, which is below the count.
    fn word(self, index: u128) -> Vec<TriggerState> {
        let (n, r) = (self.pairs(), self.reports());
        let mut reports = Vec::new();
        if r == 0 {
            return reports;
        }
        // From the last letter to the first: the largest c with C(c, i) no more than what is left. c only
        // falls, so C(c, i) follows it by one multiplication and one exact division a step. The product
        // is below 180 · C(180, 20) < 2^96.
        let mut rest = index;
        let mut c = n + r - 1;
        let mut ways = binomial(c, r);
        for i in (1..=r).rev() {
            while ways > rest {
                // C(c − 1, i); ends at the latest at c = i − 1, where it is 0.
                ways = ways * (c - i) / c;
                c -= 1;
            }
            rest -= ways;
            let letter = c - (i - 1);
            if letter == 0 {
                break; // All letters before a blank are blanks.
            }
            reports.push(self.report(letter));
            // C(c − 1, i − 1): the next c is smaller. Here c ≥ i, for the letter is not a blank.
            ways = ways * i / c;
            c -= 1;
        }
        reports.reverse();
        reports
    }

    /// The report that a letter from 1 to `n` stands for.
    fn report(self, letter: u128) -> TriggerState {
        // At most 159, and `windows` is at least 1.
        let pair = (letter - 1) as u8;
        TriggerState { trigger_data_index: pair / self.windows, window_index: pair % self.windows }
    }

    /// The inverse of [`report`](Self::report).
    fn letter(self, report: TriggerState) -> Option<u128> {
        let exists = report.trigger_data_index < self.trigger_data && report.window_index < self.windows;
        let pair = |r: TriggerState| r.trigger_data_index * self.windows + r.window_index;
        exists.then(|| u128::from(pair(report)) + 1)
    }

    /// `n`: how many different reports there are, 0 to 160.
    fn pairs(self) -> u128 {
        u128::from(self.trigger_data) * u128::from(self.windows)
    }

    /// `r`: how many letters a word has, 0 to 20.
    fn reports(self) -> u128 {
        self.max_event_level_reports.into()
    }
}

/// `C(n, k)` for `n ≤ 180` and `k ≤ 20`: each step's product is below 180 · C(180, 20) < 2^96.
pub(crate) fn binomial(n: u128, k: u128) -> u128 {
    // After step i this is C(n, i), an integer: the division is exact. For k > n a factor is 0.
    (1..=k).fold(1, |ways, i| ways * (n + 1).saturating_sub(i) / i)
}
