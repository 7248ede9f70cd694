//! What each type of verbose debug report means, and what to do about it.

/// What a type means, in a sentence or two; `None` for a type that nobody has described.
pub(super) fn explanation(data_type: &str) -> Option<&'static str> {
    Some(match data_type {
        // Sources.
        "source-success" => {
            "The source was stored. Some limits look like this too, so that a report tells nothing about other companies: the one on destinations of all companies on a site, and the one on reporting origins."
        }
        "source-noised" => {
            "The source was stored, and its event-level reports will be noise: randomized response chose it. Its aggregatable reports are not affected."
        }
        "source-unknown-error" => {
            "The browser failed to store the source. It is not about the registration; try again."
        }
        "source-channel-capacity-limit" => {
            "The source could disclose more than the browser allows: too many combinations of reports, windows and trigger data. Use fewer of them; `ascribe privacy` finds what fits."
        }
        "source-scopes-channel-capacity-limit" => {
            "With its attribution scopes, the source could disclose more than the browser allows. Lower the scopes' limit, or max_event_states."
        }
        "source-trigger-state-cardinality-limit" => {
            "The source has more possible outcomes than the browser computes with. Use fewer reports, windows or trigger data."
        }
        "source-max-event-states-limit" => {
            "An event source has more outcomes than its attribution scopes allow. Raise max_event_states, or use fewer trigger data."
        }
        "source-destination-limit" => {
            "Too many destinations have unexpired sources from this site and this reporting site. The browser keeps the ones it has; destination_limit_priority lets a source win."
        }
        "source-destination-limit-replaced" => {
            "The source was stored, and sources of other destinations were removed to make room for it."
        }
        "source-destination-rate-limit" => {
            "Too many different destinations were registered from this site, by this reporting site, within a minute."
        }
        "source-destination-per-day-rate-limit" => {
            "Too many different destinations were registered from this site, by this reporting site, within a day."
        }
        "source-destination-global-rate-limit" => {
            "Too many different destinations were registered from this site, by everybody together, within a minute."
        }
        "source-reporting-origin-limit" => {
            "Too many reporting origins have registered sources from this site for this destination within 30 days."
        }
        "source-reporting-origin-per-site-limit" => {
            "Another origin of the same reporting site has registered a source from this site within a day. Use one reporting origin for one site."
        }
        "source-storage-limit" => {
            "The browser holds as many sources from this site as it stores. They go when they expire."
        }
        // Triggers, as a whole.
        "trigger-no-matching-source" => {
            "No source of this reporting origin is stored for the site of the conversion: none was registered, it has expired, its destination is another site, or its scopes do not match."
        }
        "trigger-no-matching-filter-data" => {
            "A source is there, but the trigger's filters do not match its filter_data, source type or age."
        }
        "trigger-reporting-origin-limit" => {
            "Too many reporting origins have attributed conversions between these two sites within 30 days."
        }
        "trigger-unknown-error" => {
            "The browser failed to process the trigger. It is not about the registration; try again."
        }
        // Their event-level half.
        "trigger-event-attributions-per-source-destination-limit" => {
            "The source's site and this destination have had as many event-level attributions for this reporting site as 30 days allow."
        }
        "trigger-event-deduplicated" => {
            "A trigger with this deduplication_key was attributed to the source before: a reloaded page, or the same order told again."
        }
        "trigger-event-excessive-reports" => {
            "The source has as many event-level reports as it may, and none of them has a lower priority. The body is the report that was not made."
        }
        "trigger-event-low-priority" => {
            "The source's reports all have a higher priority than this one would have. The body is the report that was not made."
        }
        "trigger-event-no-matching-configurations" => {
            "None of the entries of event_trigger_data has filters that match the source."
        }
        "trigger-event-no-matching-trigger-data" => {
            "The source has no such trigger_data, and compares exactly."
        }
        "trigger-event-noise" => {
            "The source is noised: its reports were made up when it was registered, and triggers add none."
        }
        "trigger-event-report-window-not-started" => "The source's first report window begins later.",
        "trigger-event-report-window-passed" => "The source's last report window is over.",
        "trigger-event-storage-limit" => {
            "The browser holds as many event-level reports for this destination as it stores. They go when they are sent."
        }
        // Their aggregatable half.
        "trigger-aggregate-attributions-per-source-destination-limit" => {
            "The source's site and this destination have had as many aggregatable attributions for this reporting site as 30 days allow."
        }
        "trigger-aggregate-deduplicated" => {
            "A trigger with this aggregatable deduplication key was attributed to the source before."
        }
        "trigger-aggregate-excessive-reports" => {
            "The source has made as many aggregatable reports as one may."
        }
        "trigger-aggregate-insufficient-budget" => {
            "The contributions do not fit in what is left of the source's budget of 65,536. Use smaller values, or count on fewer conversions for a source."
        }
        "trigger-aggregate-insufficient-named-budget" => {
            "The contributions do not fit in what is left of the source's budget of that name."
        }
        "trigger-aggregate-no-contributions" => {
            "No key of the source has a value in aggregatable_values: their names differ, or filters left none."
        }
        "trigger-aggregate-report-window-passed" => "The source's aggregatable_report_window is over.",
        "trigger-aggregate-storage-limit" => {
            "The browser holds as many aggregatable reports for this destination as it stores. They go when they are sent."
        }
        // Neither.
        "header-parsing-error" => {
            "A response of this origin had a registration header that the browser could not read. The body has the header as it was sent: `ascribe validate` finds the mistake."
        }
        "os-source-delegated" => {
            "The registration of a source was handed to the operating system, which answers for it from there."
        }
        "os-trigger-delegated" => {
            "The registration of a trigger was handed to the operating system, which answers for it from there."
        }
        _ => return None,
    })
}

/// How a type is to be seen at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// As intended.
    Good,
    /// Nothing was lost that could be helped.
    Plain,
    /// Something was dropped that a better registration would have kept.
    Warning,
    /// A mistake.
    Bad,
}

impl Mood {
    pub(super) fn of(data_type: &str) -> Self {
        match data_type {
            "source-success" => Self::Good,
            "header-parsing-error" | "source-unknown-error" | "trigger-unknown-error" => Self::Bad,
            "source-noised"
            | "source-destination-limit-replaced"
            | "os-source-delegated"
            | "os-trigger-delegated" => Self::Plain,
            _ if data_type.ends_with("-deduplicated") || data_type.ends_with("-noise") => Self::Plain,
            _ => Self::Warning,
        }
    }

    /// The class of its chip.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Good => "chip good",
            Self::Plain => "chip",
            Self::Warning => "chip warn",
            Self::Bad => "chip bad",
        }
    }
}

#[cfg(test)]
mod tests {
    use ascribe_headers::{SourceDebugType, TriggerDebugType};

    use super::*;

    #[test]
    fn every_type_that_a_user_agent_sends_is_explained() {
        let sources = SourceDebugType::ALL.iter().map(|data_type| data_type.as_str());
        let triggers = TriggerDebugType::ALL.iter().map(|data_type| data_type.as_str());
        let others = ["header-parsing-error", "os-source-delegated", "os-trigger-delegated"];
        let mut known = 0;
        for data_type in sources.chain(triggers).chain(others) {
            assert!(explanation(data_type).is_some(), "{data_type}");
            known += 1;
        }
        assert_eq!(known, 15 + 22 + 3);
        assert_eq!(explanation("something-else"), None);
    }
}
