//! What a visit tells: registrations and reports, as `--json` prints them and as `--expect` names them.

use ascribe_agent::{Registration, Responded, SendOutcome, SentReport};
use ascribe_browser::Attempt;
use ascribe_engine::{Trace, TriggerOutcome, Verdict};
use ascribe_headers::{HeaderName, Site, SuitableOrigin, TriggerRegistration, VendorValues};
use ascribe_simulation::{outcome, problems};
use serde::Serialize;
use serde_json::{Map, Value};

use super::grade::{self, Grade};
use crate::recording::clear;

/// A response that registered something, or should have.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    time: String,
    /// How the page made the request.
    pub(super) surface: String,
    pub(super) page_url: String,
    pub(super) url: String,
    /// Which of the request's responses it is, from 0.
    pub(super) hop: usize,
    /// What the request's header says; none for a plain subresource.
    pub(super) eligible: Option<String>,
    /// By their names; JSON as JSON.
    headers: Map<String, Value>,
    /// One line, as `ascribe simulate --explain` has it; none when the agent was not asked.
    pub(super) outcome: Option<String>,
    /// What is wrong in the header, with paths.
    pub(super) problems: Vec<String>,
    /// What is wrong otherwise, and what to do.
    pub(super) diagnoses: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) steps: Vec<Step>,
    pub(super) grade: Grade,
    #[serde(skip)]
    pub(super) attempt: Attempt,
    /// It was a trigger that waited, and does no longer.
    #[serde(skip)]
    is_attributed: bool,
}

/// A check that a registration met.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    pub(super) check: &'static str,
    pub(super) verdict: &'static str,
    pub(super) detail: String,
}

impl Told {
    pub(super) fn new(attempt: Attempt) -> Self {
        let registration = attempt.registration();
        let trace = attempt.responded.as_ref().map(|responded| steps(&responded.trace));
        let problems = registration.map(problems).unwrap_or_default();
        // The problems of an invalid header are listed, with their paths, above what is wrong otherwise.
        let is_invalid = matches!(registration, Some(Registration::Invalid { .. }));
        let diagnoses = attempt.diagnosis.iter();
        let diagnoses = diagnoses
            .filter(|diagnosis| {
                !is_invalid || !matches!(diagnosis, ascribe_browser::Diagnosis::InvalidHeader { .. })
            })
            .map(ToString::to_string);
        Self {
            time: attempt.time.as_millis().to_string(),
            surface: attempt.surface.to_string(),
            page_url: attempt.page_url.clone(),
            url: attempt.url.clone(),
            hop: attempt.hop,
            eligible: attempt.eligibility.header_value(None),
            headers: headers(&attempt),
            outcome: registration.map(outcome),
            problems: problems.iter().map(ToString::to_string).collect(),
            diagnoses: diagnoses.collect(),
            steps: trace.unwrap_or_default(),
            grade: grade::of_attempt(&attempt, registration),
            attempt,
            is_attributed: false,
        }
    }

    pub(super) fn time(&self) -> &str {
        &self.time
    }

    /// The headers as they were received.
    pub(super) fn fields(&self) -> &[(String, String)] {
        &self.attempt.headers
    }

    /// Whether it is this trigger, which waits.
    pub(super) fn waits(
        &self,
        reporting_origin: &SuitableOrigin,
        destination: &Site,
        registration: &TriggerRegistration,
        vendor: &VendorValues,
    ) -> bool {
        let is_deferred = !self.is_attributed
            && matches!(self.attempt.registration(), Some(Registration::Trigger { outcome: None, .. }));
        let is_from = |responded: &Responded| {
            responded.reporting_origin == *reporting_origin && responded.context_origin.site() == destination
        };
        let header = || {
            let mut fields = self.fields().iter();
            fields.find(|(name, _)| HeaderName::from_name(name) == Some(HeaderName::RegisterTrigger))
        };
        is_deferred
            && self.attempt.responded.as_ref().is_some_and(is_from)
            && header().is_some_and(|(_, value)| {
                TriggerRegistration::parse(value.as_bytes(), vendor).value.as_ref() == Some(registration)
            })
    }

    /// It waits no longer.
    pub(super) fn attributed(&mut self, attributed: TriggerOutcome, trace: &Trace) {
        let registration = Registration::Trigger { outcome: Some(attributed), warnings: Vec::new() };
        self.outcome = Some(outcome(&registration));
        self.steps = steps(trace);
        self.grade = grade::of_attempt(&self.attempt, Some(&registration));
        self.is_attributed = true;
    }
}

fn steps(trace: &Trace) -> Vec<Step> {
    let step = |step: &ascribe_engine::Step| Step {
        check: step.check,
        verdict: match step.verdict {
            Verdict::Note => "note",
            Verdict::Passed => "passed",
            Verdict::Stopped => "stopped",
        },
        detail: step.detail.clone(),
    };
    trace.steps().iter().map(step).collect()
}

/// By the names that the specification writes; objects of JSON as such.
fn headers(attempt: &Attempt) -> Map<String, Value> {
    let mut headers = Map::new();
    for (field, text) in &attempt.headers {
        let name = HeaderName::from_name(field).map_or(field.as_str(), |name| name.as_str());
        let value = serde_json::from_str(text).ok().filter(Value::is_object);
        headers.insert(name.to_owned(), value.unwrap_or_else(|| text.as_str().into()));
    }
    headers
}

/// An attempt to deliver a report.
#[derive(Debug, Serialize)]
pub(super) struct Delivery {
    time: String,
    pub(super) url: String,
    /// The path's last part: what kind of report it is.
    pub(super) attempt: u32,
    /// What it says, as `ascribe simulate` prints it: aggregatable payloads in clear.
    pub(super) payload: Value,
    /// What was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// How it ended, in words.
    pub(super) outcome: String,
    /// The status of the answer.
    status: Option<u16>,
    pub(super) grade: Grade,
    /// It is tried again.
    #[serde(skip)]
    pub(super) is_retried: bool,
    #[serde(skip)]
    pub(super) id: Option<String>,
}

impl Delivery {
    pub(super) fn new(sent: &SentReport) -> Self {
        let outcome = match &sent.outcome {
            SendOutcome::Answered(status) => format!("answered {status}"),
            SendOutcome::Retried { error, at: Some(at) } => {
                format!("failed, tried again at {}: {error}", at.as_millis())
            }
            SendOutcome::Retried { error, at: None } => {
                format!("failed, tried again after the next navigation: {error}")
            }
            SendOutcome::Dropped { error, kept: false } => format!("failed, given up: {error}"),
            SendOutcome::Dropped { error, kept: true } => format!("failed, given up and kept: {error}"),
            other => format!("{other:?}"),
        };
        let status = match sent.outcome {
            SendOutcome::Answered(status) => Some(status),
            _ => None,
        };
        let mut shown = clear(sent.due, &sent.report);
        Self {
            time: sent.time.as_millis().to_string(),
            url: sent.report.url(),
            attempt: sent.attempt,
            payload: shown["payload"].take(),
            body: sent.body.clone(),
            outcome,
            status,
            grade: grade::of_delivery(&sent.outcome),
            is_retried: matches!(sent.outcome, SendOutcome::Retried { .. }),
            id: sent.report.report_id().map(|id| id.to_string()),
        }
    }

    pub(super) fn time(&self) -> &str {
        &self.time
    }
}
