//! How much a source discloses: its number of output states and its channel capacity.
//!
//! Spec: the checks of "process an attribution source" that depend on the registration alone.

use ascribe_privacy::{TriggerStates, channel_capacity, flip_probability, scopes_channel_capacity};

use super::{Report, ValidateOptions};
use crate::{Path, Problem, ProblemKind, SourceRegistration, SourceType};

/// The errors, and the notes if asked for; each of them is about the whole header.
pub(super) fn check(source: &SourceRegistration, options: &ValidateOptions) -> Report {
    let limits = match options.source_type {
        SourceType::Event => options.event_limits,
        SourceType::Navigation => options.navigation_limits,
    };
    let states = TriggerStates::new(
        source.max_event_level_reports,
        source.trigger_data.len(),
        source.event_report_windows.ends().len(),
    )
    .expect("parsing keeps to at most 20 reports, 32 trigger data, and 1 to 5 windows")
    .count();

    let mut found = Report::default();
    let max_states = options.vendor.max_trigger_state_cardinality;
    if states > u128::from(max_states) {
        found.error(ProblemKind::TooManyStates { states, limit: max_states });
    }
    let scopes = source.attribution_scopes.as_ref();
    if let Some(limit) = scopes.map(|scopes| scopes.max_event_states())
        && options.source_type == SourceType::Event
        && states > u128::from(limit)
    {
        found.error(ProblemKind::TooManyEventStates { states, limit });
    }
    let bits = channel_capacity(states, source.event_level_epsilon);
    if bits > limits.channel_capacity {
        found.error(ProblemKind::DisclosesTooMuch { bits, limit: limits.channel_capacity });
    } else {
        found.note(ProblemKind::Discloses { bits }, options);
    }
    if let Some(scopes) = scopes {
        let bits = scopes_channel_capacity(states, scopes.limit(), scopes.max_event_states());
        if bits > limits.scopes_channel_capacity {
            let limit = limits.scopes_channel_capacity;
            found.error(ProblemKind::ScopesDiscloseTooMuch { bits, limit });
        } else {
            found.note(ProblemKind::ScopesDisclose { bits }, options);
        }
    }
    found.note(ProblemKind::OutputStates { states }, options);
    let rate = flip_probability(states, source.event_level_epsilon);
    found.note(ProblemKind::RandomizedTriggerRate { rate }, options);
    found
}

impl Report {
    fn error(&mut self, kind: ProblemKind) {
        self.errors.push(Problem { path: Path::default(), kind });
    }

    fn note(&mut self, kind: ProblemKind, options: &ValidateOptions) {
        if options.note_disclosure {
            self.notes.push(Problem { path: Path::default(), kind });
        }
    }
}
