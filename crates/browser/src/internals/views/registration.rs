//! What became of a response that could have registered something.

use ascribe_agent::Registration;
use ascribe_engine::{Attribution, SourceOutcome, Trace, TriggerOutcome, Verdict};
use ascribe_headers::{Eligibility, OsRegistration, Problem, Site, SuitableOrigin};
use ascribe_reports::Time;
use serde::Serialize;

use super::{Moment, sentence::sentence};
use crate::{Attempt, Diagnosis};

/// A response that registered something, tried to, or was kept from it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AttemptView {
    id: String,
    time: Moment,
    /// Which part of the web platform sent the request.
    surface: String,
    page_url: String,
    context_origin: String,
    url: String,
    reporting_origin: String,
    /// 0 for the first response, then one more for each redirect.
    hop: usize,
    eligibility: &'static str,
    headers: Vec<(String, String)>,
    outcome: Option<Outcome>,
    /// What kept it from registering, or should be known of it.
    diagnoses: Vec<String>,
}

impl AttemptView {
    /// A response, and what the user agent noted of it.
    pub(crate) fn new(attempt: &Attempt) -> Self {
        let registered = attempt.responded.as_deref();
        let origin = |url: &str| SuitableOrigin::parse(url).map(|origin| origin.to_string());
        let trace = registered.map(|registered| registered.trace.clone()).unwrap_or_default();
        Self {
            id: String::new(),
            time: Moment(attempt.time),
            surface: attempt.surface.to_string(),
            page_url: attempt.page_url.clone(),
            context_origin: match registered {
                Some(registered) => registered.context_origin.to_string(),
                None => origin(&attempt.page_url).unwrap_or_default(),
            },
            url: attempt.url.clone(),
            reporting_origin: origin(&attempt.url).unwrap_or_else(|_| attempt.url.clone()),
            hop: attempt.hop,
            eligibility: eligibility(attempt.eligibility),
            headers: attempt.headers.iter().map(|(name, value)| (name.clone(), shortened(value))).collect(),
            outcome: attempt.registration().map(|registration| Outcome::new(registration, &trace)),
            diagnoses: attempt.diagnosis.iter().map(sentence_of).collect(),
        }
    }

    /// Whether it is a trigger that waits for the sources of its navigation.
    pub(crate) fn waits(&self, reporting_origin: &SuitableOrigin, destination: &Site) -> bool {
        let deferred = self.outcome.as_ref().is_some_and(|o| o.verdict == OutcomeVerdict::Deferred);
        deferred
            && self.reporting_origin == reporting_origin.as_str()
            && Site::parse(&self.context_origin).is_ok_and(|site| site == *destination)
    }

    /// It waits no longer.
    pub(crate) fn attributed(&mut self, outcome: TriggerOutcome, trace: &Trace) {
        let registration = Registration::Trigger { outcome: Some(outcome), warnings: Vec::new() };
        let problems = self.outcome.take().map(|outcome| outcome.problems).unwrap_or_default();
        self.outcome = Some(Outcome { problems, ..Outcome::new(&registration, trace) });
    }

    pub(crate) fn set_id(&mut self, id: u64) {
        self.id = id.to_string();
    }

    pub(crate) fn time(&self) -> Time {
        self.time.0
    }

    /// About how much memory it takes.
    pub(crate) fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let diagnoses: usize = self.diagnoses.iter().map(String::len).sum();
        let outcome = self.outcome.as_ref().map_or(0, Outcome::size);
        1000 + self.page_url.len() + self.url.len() + headers + diagnoses + outcome
    }

    pub(crate) fn reporting_origin(&self) -> &str {
        &self.reporting_origin
    }
}

/// The outcome of a registration: in one word, in a sentence, and with every check that it met.
#[derive(Clone, Debug, Serialize)]
struct Outcome {
    kind: Kind,
    verdict: OutcomeVerdict,
    /// Why, in a sentence.
    sentence: String,
    /// Of triggers: what became of each half, by the name of its debug data type where it was dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_level: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregatable: Option<&'static str>,
    /// Of sources: the name of the debug data type.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
    /// What is wrong with the header, with paths.
    problems: Vec<String>,
    steps: Vec<StepView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    os_registrations: Vec<OsView>,
}

/// What the response registers, or tried to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Source,
    Trigger,
    OsSource,
    OsTrigger,
    None,
}

/// What became of it, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum OutcomeVerdict {
    Stored,
    Attributed,
    /// One half of a trigger was attributed, the other dropped.
    Partly,
    Deferred,
    Delegated,
    Dropped,
    Invalid,
    Ignored,
}

/// A check that was met.
#[derive(Clone, Debug, Serialize)]
struct StepView {
    check: &'static str,
    verdict: &'static str,
    detail: String,
}

#[derive(Clone, Debug, Serialize)]
struct OsView {
    url: String,
    debug_reporting: bool,
}

impl Outcome {
    fn size(&self) -> usize {
        let problems: usize = self.problems.iter().map(String::len).sum();
        let steps: usize = self.steps.iter().map(|step| 100 + step.detail.len()).sum();
        let os: usize = self.os_registrations.iter().map(|os| 100 + os.url.len()).sum();
        500 + self.sentence.len() + problems + steps + os
    }

    /// What a registration and its trace tell.
    fn new(registration: &Registration, trace: &Trace) -> Self {
        let (mut event_level, mut aggregatable, mut source, mut os_registrations) =
            (None, None, None, vec![]);
        let (kind, verdict) = match registration {
            Registration::Ignored(_) => (Kind::None, OutcomeVerdict::Ignored),
            Registration::Invalid { header, .. } => (kind_of_header(header), OutcomeVerdict::Invalid),
            Registration::Source { outcome, .. } => {
                let (verdict, name) = match outcome {
                    SourceOutcome::Stored(name) => (OutcomeVerdict::Stored, name),
                    SourceOutcome::Dropped(name) => (OutcomeVerdict::Dropped, name),
                };
                source = Some(name.as_str());
                (Kind::Source, verdict)
            }
            Registration::Trigger { outcome: None, .. } => (Kind::Trigger, OutcomeVerdict::Deferred),
            Registration::Trigger { outcome: Some(outcome), .. } => {
                event_level = Some(attribution(outcome.event_level));
                aggregatable = Some(attribution(outcome.aggregatable));
                (Kind::Trigger, both(outcome.event_level, outcome.aggregatable))
            }
            Registration::OsSource(_, registrations) => {
                os_registrations = registrations.iter().map(os).collect();
                (Kind::OsSource, OutcomeVerdict::Delegated)
            }
            Registration::OsTrigger(registrations) => {
                os_registrations = registrations.iter().map(os).collect();
                (Kind::OsTrigger, OutcomeVerdict::Delegated)
            }
            _ => (Kind::None, OutcomeVerdict::Ignored),
        };
        Self {
            kind,
            verdict,
            sentence: sentence(registration, trace),
            event_level,
            aggregatable,
            source,
            problems: problems(registration).iter().map(ToString::to_string).collect(),
            steps: steps(trace),
            os_registrations,
        }
    }
}

/// A header longer than this is not shown whole.
const MAX_HEADER: usize = 64 * 1024;

fn shortened(value: &str) -> String {
    if value.len() <= MAX_HEADER {
        return value.to_owned();
    }
    let end = value.floor_char_boundary(MAX_HEADER);
    format!("{}… ({} bytes in all)", &value[..end], value.len())
}

fn eligibility(eligibility: Eligibility) -> &'static str {
    match eligibility {
        Eligibility::Unset => "unset",
        Eligibility::Empty => "nothing",
        Eligibility::EventSource => "event-source",
        Eligibility::NavigationSource => "navigation-source",
        Eligibility::Trigger => "trigger",
        Eligibility::EventSourceOrTrigger => "event-source, trigger",
    }
}

/// A diagnosis goes on after a name elsewhere; here it stands alone.
fn sentence_of(diagnosis: &Diagnosis) -> String {
    let text = diagnosis.to_string();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), chars.as_str()))
}

/// The checks of a trace.
fn steps(trace: &Trace) -> Vec<StepView> {
    let view = |step: &ascribe_engine::Step| StepView {
        check: step.check,
        verdict: match step.verdict {
            Verdict::Note => "note",
            Verdict::Passed => "passed",
            Verdict::Stopped => "stopped",
        },
        detail: step.detail.clone(),
    };
    trace.steps().iter().map(view).collect()
}

fn problems(registration: &Registration) -> &[Problem] {
    match registration {
        Registration::Invalid { errors, .. } => errors,
        Registration::Source { warnings, .. } | Registration::Trigger { warnings, .. } => warnings,
        _ => &[],
    }
}

fn attribution(attribution: Attribution) -> &'static str {
    match attribution {
        Attribution::NotRegistered => "not registered",
        Attribution::Attributed => "attributed",
        Attribution::Noised => "noised",
        Attribution::Dropped(why) => why.as_str(),
    }
}

fn both(event_level: Attribution, aggregatable: Attribution) -> OutcomeVerdict {
    let halves = [event_level, aggregatable];
    let dropped = halves.iter().any(|half| matches!(half, Attribution::Dropped(_)));
    let attributed = halves.iter().any(|half| matches!(half, Attribution::Attributed | Attribution::Noised));
    match (attributed, dropped) {
        (true, false) => OutcomeVerdict::Attributed,
        (true, true) => OutcomeVerdict::Partly,
        (false, true) => OutcomeVerdict::Dropped,
        (false, false) => OutcomeVerdict::Ignored,
    }
}

fn kind_of_header(header: &str) -> Kind {
    use ascribe_headers::HeaderName::{self, *};
    match HeaderName::from_name(header) {
        Some(RegisterSource) => Kind::Source,
        Some(RegisterTrigger) => Kind::Trigger,
        Some(RegisterOsSource) => Kind::OsSource,
        Some(RegisterOsTrigger) => Kind::OsTrigger,
        Some(Info | Eligible | Support) | None => Kind::None,
    }
}

fn os(registration: &OsRegistration) -> OsView {
    OsView { url: registration.url.to_string(), debug_reporting: registration.debug_reporting }
}
