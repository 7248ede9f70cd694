//! Jobs of the aggregation service, and the summaries that come of them.

mod create;
mod job;
mod summary;

use axum::{
    Extension,
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use maud::{Markup, html};
use serde_json::Value;

use self::job::Job;
use super::{
    Shared,
    export::Export,
    filter::{self, Format},
    guard::Visitor,
    layout::{self, NoPage, Tab},
    parts,
    service::{Service, ServiceError},
};

pub(super) use create::{create, form};

const COLUMNS: &[&str] =
    &["job_request_id", "status", "received_at", "finished_at", "return_code", "return_message"];
/// As many jobs are listed.
const LISTED: u32 = 100;
/// As many buckets are shown; the export has more.
const SHOWN: u32 = 500;
const EXPORTED: u32 = 100_000;

/// All jobs.
pub(super) async fn list(
    State(dashboard): State<Shared>,
    Extension(visitor): Extension<Visitor>,
    Query(query): Query<filter::Query>,
) -> Result<Response, NoPage> {
    let format = query.format()?;
    if format != Format::Html {
        let jobs = of_service(&dashboard)?.jobs(LISTED).await.map_err(no_answer)?;
        let rows = jobs.iter().map(|job| row(&Job::of(job))).collect();
        return Ok(Export { name: "jobs", columns: COLUMNS, rows, next: None }.answer(
            format,
            Tab::Jobs.path(),
            &query,
        ));
    }
    let content = html! {
        p.lead { "An aggregation service opens batches, sums what is in them, and adds noise. What it publishes is shown here; the collector itself holds no key." }
        section.card {
            div.tools { h2 { "Jobs" } @if dashboard.service.is_some() { (parts::exports(Tab::Jobs.path(), &query)) } }
            (latest(&dashboard, LISTED).await)
        }
    };
    Ok(layout::page(Tab::Jobs, "Summaries", &visitor, content).into_response())
}

/// A table of the latest jobs; or why there is none.
pub(super) async fn latest(dashboard: &Shared, limit: u32) -> Markup {
    let Some(service) = &dashboard.service else { return no_service() };
    let jobs = match service.jobs(limit).await {
        Ok(jobs) => jobs,
        Err(error) => return html! { p.problem { (error) } },
    };
    let jobs: Vec<Job<'_>> = jobs.iter().map(Job::of).collect();
    let runs = jobs.iter().any(|job| !job.has_ended());
    html! {
        @if jobs.is_empty() { p.empty { "No jobs yet. Aggregate a batch: on the page of aggregatable reports." } }
        @else { div.scroll data-reload=[runs.then_some("5")] { table {
            thead { tr { th { "Job" } th { "State" } th { "Received" } th { "Finished" } th { "Result" } } }
            tbody { @for job in &jobs { tr {
                td data-label="Job" { a href=(format!("/dashboard/job?{}", id_query(job.id()))) { (job.id()) } }
                td data-label="State" { (job.state()) }
                td data-label="Received" { (job.text("/request_received_at")) }
                td data-label="Finished" { (job.finished_at()) }
                td.wide data-label="Result" { (job.text("/result_info/return_code")) @if let Some(errors) = job.error_count() { " " span.chip.warn { (parts::count(errors)) " reports with errors" } } }
            } } }
        } } }
    }
}

/// A job, and its summary.
pub(super) async fn page(
    State(dashboard): State<Shared>,
    Extension(visitor): Extension<Visitor>,
    Query(query): Query<filter::Query>,
) -> Result<Response, NoPage> {
    let service = of_service(&dashboard)?;
    let format = query.format()?;
    let id = query.job();
    let limit = if format == Format::Html { SHOWN } else { EXPORTED };
    let Some(job) = service.job(id).await.map_err(no_answer)? else {
        return Err(NoPage::Asked(
            StatusCode::NOT_FOUND,
            "The aggregation service has no such job.".to_owned(),
        ));
    };
    let job = Job::of(&job);
    let summary = match job.has_ended() {
        true => service.summary(id, limit).await.map_err(no_answer)?,
        false => None,
    };
    let campaigns = dashboard.campaigns();
    let noise = summary::Noise::of(&job, &campaigns.scheme);
    if format != Format::Html {
        let Some(summary) = summary else {
            return Err(NoPage::Asked(
                StatusCode::NOT_FOUND,
                "There is no summary of this job yet.".to_owned(),
            ));
        };
        return Ok(summary::export(&summary, &campaigns, noise).answer(format, "/dashboard/job", &query));
    }
    let content = html! {
        section.card data-reload=[(!job.has_ended()).then_some("3")] { h2 { "Job" } (job.facts()) }
        (job.errors())
        @match &summary {
            Some(summary) => {
                section.card {
                    div.tools { h2 { "Summary" } (parts::exports("/dashboard/job", &query)) }
                    (summary::charts(summary, &campaigns, noise))
                    (summary::table(summary, &campaigns, noise))
                }
            }
            None => section.card { p.empty { @if job.has_ended() { "This job has published no summary." } @else { "The summary is shown here once the job has ended." } } },
        }
    };
    Ok(layout::page(Tab::Jobs, &format!("Job {}", job.id()), &visitor, content).into_response())
}

fn row(job: &Job<'_>) -> Vec<Value> {
    let text = |pointer| Value::from(job.text(pointer));
    vec![
        job.id().into(),
        text("/job_status"),
        text("/request_received_at"),
        job.finished_at().into(),
        text("/result_info/return_code"),
        text("/result_info/return_message"),
    ]
}

fn id_query(id: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new()).append_pair("id", id).finish()
}

fn no_service() -> Markup {
    html! {
        p.empty { "No aggregation service is configured: name it in the campaigns file, under " code { "[aggregation]" } ", with " code { "service" } " and " code { "token_file" } "." }
    }
}

fn of_service(dashboard: &Shared) -> Result<&Service, NoPage> {
    let why = || "No aggregation service is configured in the campaigns file.".to_owned();
    dashboard.service.as_ref().ok_or_else(|| NoPage::Asked(StatusCode::NOT_FOUND, why()))
}

fn no_answer(error: ServiceError) -> NoPage {
    tracing::warn!(%error, "the aggregation service did not do what the dashboard asked for");
    NoPage::Asked(StatusCode::BAD_GATEWAY, error.to_string())
}
