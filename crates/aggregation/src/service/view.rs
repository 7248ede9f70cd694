//! What is told of a job: `getJob`'s body.

use serde_json::{Value, json};

use super::{queue::QueuedJob, request::CreateJob};
use crate::shared_info::iso_8601;

/// The body. Members that the aggregation service does not have: `progress`, while the job runs.
pub(super) fn job(queued: &QueuedJob) -> Value {
    let request: CreateJob = serde_json::from_str(&queued.request).unwrap_or_default();
    let reports_total = request.report_count();
    let mut body = serde_json::to_value(&request).expect("texts are JSON");
    body["job_request_id"] = queued.id.as_str().into();
    body["job_status"] = status(queued).into();
    body["request_received_at"] = iso_8601(queued.received_at).into();
    body["request_updated_at"] = iso_8601(queued.updated_at).into();
    if let Some(started_at) = queued.started_at {
        body["request_processing_started_at"] = iso_8601(started_at).into();
        if queued.finished_at.is_none() {
            body["progress"] = json!({"reports_read": queued.reports_read, "reports_total": reports_total});
        }
    }
    if let Some(result) = queued.result.as_ref().and_then(|result| serde_json::from_str(result).ok()) {
        body["result_info"] = result;
    }
    body
}

/// A job that failed and will be tried again is still in progress.
fn status(queued: &QueuedJob) -> &'static str {
    match (queued.started_at, queued.finished_at) {
        (_, Some(_)) => "FINISHED",
        (Some(_), None) => "IN_PROGRESS",
        (None, None) => "RECEIVED",
    }
}
