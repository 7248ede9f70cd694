//! The end of a job: spending, storing and publishing, or saying why not.

use super::{Failure, Job, Protection, State};
use crate::{
    ResultInfo, ReturnCode, Storage,
    budget::{
        CommitError, Exhausted, JobCommit, PreparedOutput, PublishError, Spending, Usage, publish, put,
    },
    exhausted_info,
    shared_info::iso_8601,
};

impl Job<'_> {
    /// Spends and publishes. A debug run and a test spend nothing: theirs is published as it is.
    pub(super) fn deliver(
        &mut self,
        storage: &Storage,
        output: PreparedOutput,
        spendings: &[Spending],
        usage: Usage,
        state: &mut State,
    ) -> Result<(ReturnCode, Vec<String>), Failure> {
        let request = self.request();
        let files: Vec<_> = output.files.iter().map(|file| file.location.clone()).collect();
        let mut code = ReturnCode::Success;
        if let Protection::Full { ledger, .. } = &mut self.protection {
            if !self.parameters.debug_run && !spendings.is_empty() {
                let result = ResultInfo::new(code, None, &state.errors, self.now);
                let commit = JobCommit {
                    id: &self.id,
                    request,
                    at: self.now,
                    result: &serde_json::to_string(&result).expect("texts and numbers are JSON"),
                    spendings,
                    usage,
                    output: &output,
                };
                match ledger.commit(&commit) {
                    Ok(()) => {}
                    Err(CommitError::Exhausted(exhausted)) => {
                        output.discard();
                        return Err(self.refused(storage, exhausted, state));
                    }
                    // Whether it has committed may be unknown: what is staged is kept, for it may be paid for.
                    Err(CommitError::Ledger(error)) => return Err(error.into()),
                }
                state.counts.units_spent = spendings.len() as u64;
                publish(*ledger, storage, &self.id, self.now).map_err(|error| self.unpublished(&error))?;
                return Ok((code, files));
            }
            code = match ledger.exhausted(spendings, usage) {
                Ok(exhausted) if exhausted.is_empty() => ReturnCode::Success,
                Ok(_) => ReturnCode::DebugSuccessWithPrivacyBudgetExhausted,
                Err(_) => ReturnCode::DebugSuccessWithPrivacyBudgetError,
            };
        }
        put(storage, output)?;
        Ok((code, files))
    }

    /// What a job is told whose budget is not there, beside the file that lists what is used up.
    fn refused(&self, storage: &Storage, exhausted: Vec<Exhausted>, state: &mut State) -> Failure {
        let name = format!("{}{}.json", exhausted_info::FILE_NAME_PREFIX, iso_8601(self.now));
        let location = self.output.location.with_file_name(&name);
        let list = match storage.put(&location, exhausted_info::to_json(&exhausted).as_bytes()) {
            Ok(()) => format!("; all are listed in {location}"),
            Err(_) => String::new(),
        };
        let first = exhausted.first().map_or_else(String::new, |first| {
            format!(", the first by job {} at {}", first.job_id, iso_8601(first.at))
        });
        let message = format!("{} units of privacy budget were used before{first}{list}.", exhausted.len());
        state.exhausted = exhausted;
        Failure { code: ReturnCode::PrivacyBudgetExhausted, message }
    }

    fn unpublished(&self, error: &PublishError) -> Failure {
        let message = format!(
            "{error}. The privacy budget is spent and the output is stored: `ascribe budget recover` publishes it."
        );
        Failure { code: ReturnCode::ResultWriteError, message }
    }
}
