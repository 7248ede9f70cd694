//! A batch to be aggregated: the form, and the job that comes of it.

use std::collections::BTreeSet;

use ascribe_reports::Time;
use axum::{
    Extension, Form,
    extract::{Query, State},
    response::{Html, IntoResponse, Redirect, Response},
};
use http::StatusCode;
use maud::html;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{NoPage, Shared, Tab, Visitor, filter, id_query, layout, of_service};
use crate::{
    batches::place,
    campaigns::KeyScheme,
    store::{BatchOverview, PageOf},
};

/// What the form says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct Wanted {
    csrf: String,
    batch: String,
    job_request_id: String,
    input_bucket: String,
    input_prefix: String,
    domain_bucket: String,
    domain_prefix: String,
    output_bucket: String,
    output_prefix: String,
    epsilon: String,
    filtering_ids: String,
}

const MAX_FIELD_BYTES: usize = 1024;

pub(in super::super) async fn form(
    State(dashboard): State<Shared>,
    Extension(visitor): Extension<Visitor>,
    Query(query): Query<filter::Query>,
) -> Result<Response, NoPage> {
    of_service(&dashboard)?;
    let overview = batch(&dashboard, query.batch()).await?;
    let id = overview.batch.id;
    let folder = place::folder(&overview.batch);
    // What a job spends of the privacy budget is spent: another one of the same batch is another job.
    let wanted = Wanted {
        batch: id.to_string(),
        job_request_id: format!("batch-{id}-{}", dashboard.collector.clock.now().as_secs()),
        input_prefix: format!("{folder}/reports"),
        output_prefix: format!("{folder}/summary"),
        epsilon: dashboard.campaigns().scheme.epsilon.to_string(),
        filtering_ids: filtering_ids(&dashboard.campaigns().scheme),
        ..Wanted::default()
    };
    Ok(page(&visitor, &overview, &wanted, None).into_response())
}

pub(in super::super) async fn create(
    State(dashboard): State<Shared>,
    Extension(visitor): Extension<Visitor>,
    Form(wanted): Form<Wanted>,
) -> Result<Response, NoPage> {
    if !visitor.sent(&wanted.csrf) {
        let why = "This form was not made for you: reload the page.".to_owned();
        return Err(NoPage::Asked(StatusCode::FORBIDDEN, why));
    }
    let service = of_service(&dashboard)?;
    let overview = batch(&dashboard, wanted.batch.parse().ok()).await?;
    let origin = dashboard.campaigns().origin.to_string();
    let refused = match wanted.request(&origin, overview.batch.reports) {
        Ok(job) => match service.create(&job).await {
            Ok(()) => {
                tracing::info!(
                    batch = overview.batch.id,
                    job = wanted.job_request_id,
                    "a batch is aggregated"
                );
                let page = format!("/dashboard/job?{}", id_query(&wanted.job_request_id));
                return Ok(Redirect::to(&page).into_response());
            }
            Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()),
        },
        Err(why) => (StatusCode::UNPROCESSABLE_ENTITY, why.to_owned()),
    };
    Ok((refused.0, page(&visitor, &overview, &wanted, Some(&refused.1))).into_response())
}

/// A batch whose files are there.
async fn batch(dashboard: &Shared, id: Option<i64>) -> Result<BatchOverview, NoPage> {
    let found = match id.filter(|id| (0..i64::MAX).contains(id)) {
        Some(id) => {
            let page = PageOf { before: Some(id + 1), limit: 1 };
            let batches = dashboard.reader.read(move |store| store.batches(page)).await?;
            batches.into_iter().find(|overview| overview.batch.id == id && overview.written_at.is_some())
        }
        None => None,
    };
    let why = || "There is no such batch, or its files are not written yet.".to_owned();
    found.ok_or_else(|| NoPage::Asked(StatusCode::NOT_FOUND, why()))
}

/// Those of all measures: contributions of others would be left out.
fn filtering_ids(scheme: &KeyScheme) -> String {
    let ids: BTreeSet<u64> = scheme.measures.iter().map(|measure| measure.filtering_id).collect();
    ids.iter().map(u64::to_string).collect::<Vec<_>>().join(",")
}

impl Wanted {
    /// The body of `createJob`; or what is wrong.
    fn request(&self, origin: &str, reports: u64) -> Result<Value, &'static str> {
        let fields = [
            &self.job_request_id,
            &self.input_bucket,
            &self.input_prefix,
            &self.domain_bucket,
            &self.domain_prefix,
            &self.output_bucket,
            &self.output_prefix,
            &self.filtering_ids,
        ];
        if fields.iter().any(|field| field.len() > MAX_FIELD_BYTES || field.contains(char::is_control)) {
            return Err("A field has more than 1,024 bytes, or control characters.");
        }
        let needed = [
            &self.job_request_id,
            &self.input_bucket,
            &self.input_prefix,
            &self.output_bucket,
            &self.output_prefix,
        ];
        if needed.iter().any(|field| field.is_empty()) {
            return Err("The job, the reports and the summary need names.");
        }
        let epsilon: f64 = self.epsilon.trim().parse().unwrap_or(0.0);
        if !(epsilon > 0.0 && epsilon <= 64.0) {
            return Err("Epsilon is a number above 0, up to 64.");
        }
        let mut parameters = json!({
            "attribution_report_to": origin,
            "debug_privacy_epsilon": epsilon.to_string(),
            "input_report_count": reports.to_string(),
        });
        if !self.filtering_ids.is_empty() {
            parameters["filtering_ids"] = self.filtering_ids.as_str().into();
        }
        if !self.domain_prefix.is_empty() {
            parameters["output_domain_bucket_name"] = self.domain_bucket.as_str().into();
            parameters["output_domain_blob_prefix"] = self.domain_prefix.as_str().into();
        }
        Ok(json!({
            "job_request_id": self.job_request_id,
            "input_data_bucket_name": self.input_bucket,
            "input_data_blob_prefix": self.input_prefix,
            "output_data_bucket_name": self.output_bucket,
            "output_data_blob_prefix": self.output_prefix,
            "job_parameters": parameters,
        }))
    }
}

fn page(visitor: &Visitor, overview: &BatchOverview, wanted: &Wanted, problem: Option<&str>) -> Html<String> {
    let batch = &overview.batch;
    let field = |title: &str, name: &str, value: &str, is_required: bool| {
        html! { label { (title) input type="text" name=(name) value=(value) required[is_required] spellcheck="false" autocomplete="off"; } }
    };
    let content = html! {
        p.lead {
            (super::parts::count(batch.reports)) " reports of " (batch.key.destination) ", scheduled from "
            (filter::written(Time::from_secs(batch.key.period_start))) ". Each report can be aggregated once: the job spends its privacy budget."
        }
        @if batch.late > 0 { p.problem { "These reports came late: the budget of their period may be spent, and the job be refused." } }
        section.card {
            @if let Some(problem) = problem { p.problem role="alert" { (problem) } }
            form.fields method="post" action=(Tab::Jobs.path()) {
                input type="hidden" name="csrf" value=(visitor.csrf());
                input type="hidden" name="batch" value=(batch.id);
                (field("Job ID", "job_request_id", &wanted.job_request_id, true))
                (field("Epsilon", "epsilon", &wanted.epsilon, true))
                (field("Filtering IDs", "filtering_ids", &wanted.filtering_ids, false))
                (field("Bucket of the reports", "input_bucket", &wanted.input_bucket, true))
                (field("Reports begin with", "input_prefix", &wanted.input_prefix, true))
                (field("Bucket of the domain", "domain_bucket", &wanted.domain_bucket, false))
                (field("Domain begins with", "domain_prefix", &wanted.domain_prefix, false))
                (field("Bucket of the summary", "output_bucket", &wanted.output_bucket, true))
                (field("Summary begins with", "output_prefix", &wanted.output_prefix, true))
                span.buttons { button.primary type="submit" { "Aggregate" } a.button href=(Tab::Aggregatable.path()) { "Cancel" } }
            }
        }
    };
    layout::page(Tab::Jobs, &format!("Aggregate batch {}", batch.id), visitor, content)
}
