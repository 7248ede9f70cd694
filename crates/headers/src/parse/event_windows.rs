//! `event_report_window` and `event_report_windows`.
//!
//! Spec: "parse top-level report windows", "parse report windows", "obtain default effective windows".
//! Where the spec adds the default deadlines up, Chromium takes each from the source's time, as here.

use crate::{
    EventReportWindows, ProblemKind, SourceType,
    json::Json,
    parse::{
        fields::{Fields, count_is_in, list},
        numbers::{clamp, duration, integer, integer_from, integer_in},
    },
    problems::{At, Problems},
};

/// "Min report window": one hour, in seconds.
const MIN_WINDOW: u32 = 60 * 60;
const DAY: u32 = 24 * 60 * 60;

/// What an `event_report_windows` needs and may not find.
const EXPIRY: ProblemKind = ProblemKind::Unchecked { needs: "expiry" };

/// "Obtain default effective windows", which end at `end` seconds.
pub(super) fn default_windows(end: u32, source_type: SourceType) -> EventReportWindows {
    let early: &[u32] = match source_type {
        SourceType::Event => &[],
        SourceType::Navigation => &[2 * DAY, 7 * DAY],
    };
    let mut windows = EventReportWindows { start: 0, len: 0, ends: [0; EventReportWindows::MAX] };
    for &end in early.iter().filter(|early| **early < end).chain([&end]) {
        windows.push(end);
    }
    windows
}

/// A single window: 1 hour to `expiry`, in seconds. `expiry` is absent when it is invalid.
pub(super) fn single_window(
    json: Json<'_>,
    expiry: Option<u32>,
    at: At<'_>,
    problems: &mut Problems,
) -> Option<u32> {
    let seconds = duration(json, at, problems)?;
    match expiry {
        Some(expiry) => Some(clamp(seconds, MIN_WINDOW, expiry, at, problems)),
        None => problems.error(at, EXPIRY),
    }
}

/// Takes `event_report_window` or `event_report_windows`.
pub(super) fn event_report_windows(
    fields: &mut Fields<'_, '_>,
    expiry: Option<u32>,
    source_type: SourceType,
    problems: &mut Problems,
) -> Option<EventReportWindows> {
    let one = fields.if_present("event_report_window", problems, |json, at, problems| {
        single_window(json, expiry, at, problems)
    });
    let many = fields.if_present("event_report_windows", problems, |json, at, problems| {
        report_windows(json, expiry, at, problems)
    });
    match (one, many) {
        (None, None) => Some(default_windows(expiry?, source_type)),
        (Some(end), None) => Some(default_windows(end?, source_type)),
        (None, Some(windows)) => windows,
        (Some(_), Some(_)) => {
            let both = ProblemKind::MutuallyExclusive(&["event_report_window", "event_report_windows"]);
            problems.error(fields.at(), both)
        }
    }
}

/// "Parse report windows".
fn report_windows(
    json: Json<'_>,
    expiry: Option<u32>,
    at: At<'_>,
    problems: &mut Problems,
) -> Option<EventReportWindows> {
    let mut fields = Fields::of(json, at, problems)?;
    let start = fields.optional(
        "start_time",
        problems,
        || 0,
        |json, at, problems| match expiry {
            Some(expiry) => integer_in(json, 0..=expiry, at, problems),
            None => {
                integer(json, at, problems)?;
                problems.error(at, EXPIRY)
            }
        },
    );
    let windows = fields.required("end_times", problems, |json, at, problems| match (start, expiry) {
        (None, _) => problems.error(at, ProblemKind::Unchecked { needs: "start_time" }),
        (_, None) => problems.error(at, EXPIRY),
        (Some(start), Some(expiry)) => end_times(json, start, expiry, at, problems),
    });
    fields.finish(problems);
    windows
}

/// `end_times`: stops at the first invalid one, since the next depends on it.
fn end_times(
    json: Json<'_>,
    start: u32,
    expiry: u32,
    at: At<'_>,
    problems: &mut Problems,
) -> Option<EventReportWindows> {
    let list = list(json, at, problems)?;
    if !count_is_in(list.len(), 1..=EventReportWindows::MAX, at, problems) {
        return None;
    }
    let mut windows = EventReportWindows { start, len: 0, ends: [0; EventReportWindows::MAX] };
    let mut previous = start;
    for (index, json) in list.into_iter().enumerate() {
        let at = at.index(index);
        let seconds = integer_from(1, json, at, problems)?;
        let end = clamp(seconds as u64, MIN_WINDOW, expiry, at, problems);
        if end <= previous {
            return problems.error(at, ProblemKind::NotIncreasing { previous });
        }
        windows.push(end);
        previous = end;
    }
    Some(windows)
}

impl EventReportWindows {
    /// Adds a window that ends later than the last; there must be room.
    fn push(&mut self, end: u32) {
        self.ends[usize::from(self.len)] = end;
        self.len += 1;
    }
}
