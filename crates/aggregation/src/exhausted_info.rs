//! The list of what is used up, for whoever has to make a batch without it.
//!
//! In the shape of the aggregation service's file, each entry with when its budget was used, and by which job.

use serde_json::json;

use crate::{budget::Exhausted, shared_info::iso_8601};

pub(crate) const FILE_NAME_PREFIX: &str = "privacy_budget_exhausted_debugging_information_";

pub(crate) fn to_json(exhausted: &[Exhausted]) -> String {
    let entry = |exhausted: &Exhausted| {
        json!({
            "aggregateable_input_budget_id": {
                "filtering_id": exhausted.spending.filtering_id,
                "relevant_shared_info": exhausted.spending.group.to_shared_info(),
            },
            "used_at": iso_8601(exhausted.at),
            "used_by_job": exhausted.job_id,
        })
    };
    let entries: Vec<_> = exhausted.iter().map(entry).collect();
    let info =
        json!({"privacy_budget_exhausted_info": {"aggregatable_input_budget_consumption_info": entries}});
    format!("{info:#}\n")
}
