//! What a batch would use up, and whether it is there: without a key, from what reports tell in clear.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use crate::{
    BudgetGroup, Checks, ErrorCounter, ErrorCounts, Exhausted, InputError, Ledger, LedgerError, Location,
    Rejected, Reporter, SharedInfo, Spending, Storage, Usage,
    input::{PayloadColumn, Row, read_reports},
};

/// A unit of privacy budget that a batch would use up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitOfBatch {
    /// Which.
    pub spending: Spending,
    /// How many rows of the batch it covers, duplicates included.
    pub reports: u64,
    /// The job that used it up, and when.
    pub used: Option<Exhausted>,
}

/// What a batch would use up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The units, in the order of what they stand for.
    pub units: Vec<UnitOfBatch>,
    /// Rows that a job would leave out for what they tell in clear.
    pub errors: ErrorCounts,
}

/// Why a batch cannot be explained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// The batch cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The ledger cannot be asked.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Looks at each report of the batches, whoever it belongs to and however old it is.
///
/// # Errors
/// When the batches cannot be read, or the ledger cannot be asked.
pub fn explain(
    storage: &Storage,
    input: &[Location],
    filtering_ids: &BTreeSet<u64>,
    ledger: &mut dyn Ledger,
) -> Result<Explanation, ExplainError> {
    let checks = Checks { reporter: Reporter::Any, debug_run: false, now: None };
    let mut groups: BTreeMap<BudgetGroup, u64> = BTreeMap::new();
    let mut errors = ErrorCounts::default();
    let mut sink = |row: Row| {
        match row
            .map_err(|_| ErrorCounter::ReportParsingError.into())
            .and_then(|record| group(&checks, &record.shared_info))
        {
            Ok(group) => *groups.entry(group).or_default() += 1,
            Err(Rejected::LeftOut(reasons)) => errors.add(reasons),
            Err(Rejected::UnsupportedVersion(_)) => {
                errors.add(ErrorCounter::UnsupportedSharedinfoVersion.into())
            }
        }
        ControlFlow::Continue(())
    };
    for location in input {
        for blob in storage.list(location).map_err(InputError::from)? {
            let file = storage.open(&blob).map_err(InputError::from)?;
            read_reports(file, &blob, PayloadColumn::Sealed, &mut sink)?;
        }
    }
    let units = groups.into_iter().flat_map(|(group, reports)| {
        filtering_ids.iter().map(move |id| (Spending { group: group.clone(), filtering_id: *id }, reports))
    });
    let (spendings, reports): (Vec<_>, Vec<_>) = units.unzip();
    let mut used = ledger.exhausted(&spendings, Usage::ALL)?.into_iter().peekable();
    let unit = |(spending, reports)| {
        // The ledger answers in the order of the question.
        let used = used.next_if(|used| used.spending == spending);
        UnitOfBatch { spending, reports, used }
    };
    Ok(Explanation { units: spendings.into_iter().zip(reports).map(unit).collect(), errors })
}

fn group(checks: &Checks, shared_info: &str) -> Result<BudgetGroup, Rejected> {
    let info = SharedInfo::parse(shared_info).ok_or(ErrorCounter::DecryptionError)?;
    checks.check(&info).map(|checked| checked.group)
}
