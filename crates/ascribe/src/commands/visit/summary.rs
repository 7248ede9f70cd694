//! All that a visit found, and whether that is well.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    expect::{Expectations, Matched, closest},
    grade::Grade,
    told::{Delivery, Told},
};

/// What a visit found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) registrations: Vec<Told>,
    pub(super) reports: Vec<Delivery>,
    /// Reports that still wait for their time.
    pub(super) pending: usize,
    pub(super) expected: Vec<Expected>,
    /// By place; what is expected does not fail the visit.
    expected_registrations: Matched,
    expected_reports: Matched,
    has_expectations: bool,
}

/// An expectation, or the one that nothing else is there.
#[derive(Debug, Serialize)]
pub(super) struct Expected {
    pub(super) name: String,
    #[serde(skip)]
    pub(super) text: String,
    /// Why it is not met; for people.
    #[serde(rename = "unmet")]
    pub(super) failure: Option<String>,
}

/// Counts, and the verdict.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub(super) registrations: usize,
    pub(super) notes: usize,
    pub(super) failed: usize,
    pub(super) delivered: usize,
    pub(super) undelivered: usize,
    pub(super) pending: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unmet: Option<usize>,
    pub(super) passed: bool,
}

impl Found {
    pub(super) fn registrations(&self) -> impl Iterator<Item = (&Told, bool)> {
        let all = self.registrations.iter().enumerate();
        all.map(|(at, told)| (told, self.expected_registrations.is_expected(at)))
    }

    pub(super) fn deliveries(&self) -> impl Iterator<Item = (&Delivery, bool)> {
        let all = self.reports.iter().enumerate();
        all.map(|(at, delivery)| (delivery, self.expected_reports.is_expected(at)))
    }

    /// Compares with what is expected.
    pub(super) fn expect(&mut self, expectations: &Expectations) -> serde_json::Result<()> {
        self.has_expectations = true;
        let registrations = values(&self.registrations)?;
        let reports = values(&self.reports)?;
        self.expected_registrations = Matched::new(&expectations.registrations, &registrations);
        self.expected_reports = Matched::new(&expectations.reports, &reports);
        for (kind, list, matched, actual) in [
            ("registrations", &expectations.registrations, &self.expected_registrations, &registrations),
            ("reports", &expectations.reports, &self.expected_reports, &reports),
        ] {
            self.expected.extend(compare(kind, list, matched, actual));
            if expectations.forbids_others() {
                let others = (0..actual.len()).filter(|at| !matched.is_expected(*at));
                let others: Vec<_> = others.map(|at| brief(&actual[at])).collect();
                let failure = (!others.is_empty()).then(|| others.concat());
                self.expected.push(Expected {
                    name: format!("no other {kind}"),
                    text: String::new(),
                    failure,
                });
            }
        }
        Ok(())
    }

    pub(super) fn summary(&self) -> Summary {
        let count = |grade| self.registrations().filter(|(told, _)| told.grade == grade).count();
        let failed = self.registrations().filter(|(told, expected)| told.grade == Grade::Failed && !expected);
        let failed = failed.count();
        let last: Vec<_> = self.last_deliveries().collect();
        let delivered = last.iter().filter(|(delivery, _)| delivery.grade == Grade::Passed).count();
        let undelivered =
            last.iter().filter(|(delivery, expected)| delivery.grade == Grade::Failed && !expected);
        let undelivered = undelivered.count();
        let unmet = self.expected.iter().filter(|expected| expected.failure.is_some()).count();
        Summary {
            registrations: self.registrations.len(),
            notes: count(Grade::Note),
            failed,
            delivered,
            undelivered,
            pending: self.pending,
            unmet: self.has_expectations.then_some(unmet),
            passed: failed == 0 && undelivered == 0 && unmet == 0,
        }
    }

    /// Of a report that was tried several times, the last attempt counts.
    pub(super) fn last_deliveries(&self) -> impl Iterator<Item = (&Delivery, bool)> {
        self.deliveries().filter(|(delivery, _)| self.is_last(delivery))
    }

    fn is_last(&self, delivery: &Delivery) -> bool {
        let is_later = |other: &Delivery| other.id == delivery.id && other.attempt > delivery.attempt;
        !delivery.is_retried || !self.reports.iter().any(is_later)
    }
}

/// What is there, in a line.
fn brief(actual: &Value) -> String {
    let text = |name: &str| actual[name].as_str().unwrap_or_default();
    let what = if actual["payload"].is_null() { String::new() } else { format!(" {}", actual["payload"]) };
    format!("+   {} {}: {}{what}\n", text("surface"), text("url"), text("outcome")).replace("+    ", "+   ")
}

fn values(list: &[impl Serialize]) -> serde_json::Result<Vec<Value>> {
    list.iter().map(serde_json::to_value).collect()
}

fn compare(
    kind: &str,
    expectations: &[Map<String, Value>],
    matched: &Matched,
    actual: &[Value],
) -> Vec<Expected> {
    let others: Vec<_> = actual
        .iter()
        .enumerate()
        .filter(|(at, _)| !matched.is_expected(*at))
        .map(|(_, value)| value)
        .collect();
    let expected = |(at, expectation): (usize, &Map<String, Value>)| {
        let text = Value::Object(expectation.clone()).to_string();
        let failure = matched.met_by[at]
            .is_none()
            .then(|| closest(expectation, &others).unwrap_or_else(|| format!("-   {text}\n")));
        Expected { name: format!("{kind}[{at}]"), text, failure }
    };
    expectations.iter().enumerate().map(expected).collect()
}
