//! `--junit`: one test case for each registration, report and expectation.

use std::{fs::File, path::Path, time::Duration};

use anyhow::Context;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{
    grade::Grade,
    summary::{Expected, Found},
};

pub(super) fn write(path: &Path, url: &str, found: &Found, took: Duration) -> anyhow::Result<()> {
    let mut report = Report::new("ascribe visit");
    report.set_time(took);
    let mut registrations = TestSuite::new("registrations");
    for (told, expected) in found.registrations() {
        let what: Vec<_> = told.diagnoses.iter().chain(&told.problems).map(String::as_str).collect();
        let outcome = told.outcome.as_deref().unwrap_or("not registered");
        let status =
            if expected { TestCaseStatus::success() } else { status(told.grade, outcome, &what.join("\n")) };
        let mut case = TestCase::new(format!("{} {} (hop {})", told.surface, told.url, told.hop), status);
        case.set_classname(&told.page_url).set_system_out(outcome);
        registrations.add_test_case(case);
    }
    let mut reports = TestSuite::new("reports");
    for (delivery, expected) in found.last_deliveries() {
        let status =
            if expected { TestCaseStatus::success() } else { status(delivery.grade, &delivery.outcome, "") };
        let mut case = TestCase::new(format!("{} (attempt {})", delivery.url, delivery.attempt), status);
        case.set_classname(url).set_system_out(delivery.payload.to_string());
        reports.add_test_case(case);
    }
    let mut expectations = TestSuite::new("expectations");
    for Expected { name, text, failure } in &found.expected {
        let status = match failure {
            None => TestCaseStatus::success(),
            Some(why) => status(Grade::Failed, "not met", why),
        };
        let mut case = TestCase::new(name, status);
        case.set_classname(url).set_system_out(text);
        expectations.add_test_case(case);
    }
    let suites = [registrations, reports, expectations];
    report.add_test_suites(suites.into_iter().filter(|suite| suite.tests > 0));
    let write = || -> anyhow::Result<()> { Ok(report.serialize(File::create(path)?)?) };
    write().with_context(|| format!("writing {}", path.display()))
}

fn status(grade: Grade, message: &str, description: &str) -> TestCaseStatus {
    match grade {
        // A note is no failure; it is told beside the case.
        Grade::Passed | Grade::Note => TestCaseStatus::success(),
        Grade::Failed => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(message).set_description(description);
            status
        }
    }
}
