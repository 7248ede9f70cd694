//! Explanations: which checks an input met, in order, with the numbers that were compared.

use std::fmt;

/// What was considered for one input, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    steps: Option<Vec<Step>>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The name of the spec's algorithm or step.
    pub check: &'static str,
    /// Whether processing went on after it.
    pub verdict: Verdict,
    /// What was compared.
    pub detail: String,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing was decided; something was found or done.
    Note,
    /// It passed.
    Passed,
    /// It stopped what it checks.
    Stopped,
}

impl Trace {
    pub(crate) fn new(on: bool) -> Self {
        Self { steps: on.then(Vec::new) }
    }

    /// The steps, in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        self.steps.as_deref().unwrap_or_default()
    }

    /// The detail is only made when somebody wants it.
    pub(crate) fn step(&mut self, check: &'static str, verdict: Verdict, detail: impl FnOnce() -> String) {
        if let Some(steps) = &mut self.steps {
            steps.push(Step { check, verdict, detail: detail() });
        }
    }

    pub(crate) fn note(&mut self, check: &'static str, detail: impl FnOnce() -> String) {
        self.step(check, Verdict::Note, detail);
    }

    /// Notes a check of a limit and passes its answer on.
    pub(crate) fn check(
        &mut self,
        check: &'static str,
        passed: bool,
        detail: impl FnOnce() -> String,
    ) -> bool {
        self.step(check, if passed { Verdict::Passed } else { Verdict::Stopped }, detail);
        passed
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Note => "·",
            Verdict::Passed => "✓",
            Verdict::Stopped => "✗",
        };
        write!(f, "{verdict} {}: {}", self.check, self.detail)
    }
}
