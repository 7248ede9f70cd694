//! Aggregatable reports: those that wait, and the batches.

use axum::{
    Extension,
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::{
    Shared,
    export::{self, Export},
    filter::{self, Format, PAGE, iso, relative},
    guard::Visitor,
    layout::{self, NoPage, Tab},
    parts,
};
use crate::store::{BatchOverview, PageOf, WaitingReports};
use ascribe_reports::Time;

const COLUMNS: &[&str] = &[
    "batch",
    "attribution_destination",
    "api",
    "version",
    "aggregation_coordinator_origin",
    "period_start",
    "period_seconds",
    "late",
    "reports",
    "assigned_at",
    "written_at",
];

pub(super) async fn page(
    State(dashboard): State<Shared>,
    Extension(visitor): Extension<Visitor>,
    Query(query): Query<filter::Query>,
) -> Result<Response, NoPage> {
    let filter = query.read(&dashboard.campaigns())?;
    let path = Tab::Aggregatable.path();
    if filter.format != Format::Html {
        let page = PageOf { before: filter.before, limit: export::MAX_ROWS as u32 + 1 };
        let mut batches = dashboard.reader.read(move |store| store.batches(page)).await?;
        let more = batches.len() > export::MAX_ROWS;
        batches.truncate(export::MAX_ROWS);
        let next = batches.last().filter(|_| more).map(|last| last.batch.id);
        let export =
            Export { name: "batches", columns: COLUMNS, rows: batches.iter().map(row).collect(), next };
        return Ok(export.answer(filter.format, path, &filter.query));
    }
    let (now, page) = (dashboard.collector.clock.now(), filter.page());
    let (waiting, (waiting_count, batched), mut batches) = dashboard
        .reader
        .read(move |store| Ok((store.waiting()?, store.waiting_and_batched()?, store.batches(page)?)))
        .await?;
    let more = batches.len() > PAGE as usize;
    batches.truncate(PAGE as usize);
    let next = batches.last().filter(|_| more).map(|last| last.batch.id);
    let content = html! {
        p.lead { "Aggregatable reports are sealed: nobody here can read them. They wait for the end of their hour or day, then go into a batch for an aggregation service, each report into exactly one." }
        div.tiles {
            div.tile { span { "Waiting" } strong { (parts::count(waiting_count)) } }
            div.tile { span { "In batches" } strong { (parts::count(batched)) } }
        }
        section.card { h2 { "Waiting" } (waiting_table(&waiting, now)) }
        section.card {
            div.tools { h2 { "Batches" } (parts::exports(path, &filter.query)) }
            (batches_table(&batches, dashboard.service.is_some(), now))
            (parts::pager(path, &filter.query, filter.before.is_none(), next))
        }
    };
    Ok(layout::page(Tab::Aggregatable, "Aggregatable reports", &visitor, content).into_response())
}

fn row(overview: &BatchOverview) -> Vec<Value> {
    let batch = &overview.batch;
    vec![
        json!(batch.id),
        batch.key.destination.as_str().into(),
        batch.key.api.as_str().into(),
        batch.key.version.as_str().into(),
        batch.key.coordinator.as_str().into(),
        iso(Time::from_secs(batch.key.period_start)).into(),
        json!(batch.key.period_seconds),
        json!(batch.late),
        json!(batch.reports),
        iso(batch.assigned_at).into(),
        overview.written_at.map(iso).into(),
    ]
}

/// A destination, or what stands for none.
fn destination(site: &str) -> &str {
    if site.is_empty() { "none" } else { site }
}

/// Reports of the debug API are told apart.
fn api(name: &str) -> Markup {
    html! { @if name == "attribution-reporting-debug" { " " span.chip { "debug" } } }
}

fn waiting_table(waiting: &[WaitingReports], now: Time) -> Markup {
    html! {
        @if waiting.is_empty() { p.empty { "None waits." } }
        @else { div.scroll { table {
            thead { tr { th { "Destination" } th.numeric { "Reports" } th { "First scheduled (UTC)" } th { "Last scheduled (UTC)" } } }
            tbody { @for group in waiting { tr {
                td data-label="Destination" { (destination(&group.destination)) (api(&group.api)) }
                td.numeric data-label="Reports" { (parts::count(group.count)) }
                td data-label="First scheduled" { (parts::time(group.first_scheduled, now)) " " small { (relative(group.first_scheduled, now)) } }
                td data-label="Last scheduled" { (parts::time(group.last_scheduled, now)) " " small { (relative(group.last_scheduled, now)) } }
            } } }
        } } }
    }
}

fn batches_table(batches: &[BatchOverview], has_service: bool, now: Time) -> Markup {
    html! {
        @if batches.is_empty() { p.empty { "None yet. " code { "ascribe collector serve --batches PLACE" } " makes them by itself." } }
        @else { div.scroll { table {
            thead { tr { th.numeric { "Batch" } th { "Destination" } th { "Period (UTC)" } th.numeric { "Reports" } th { "State" } @if has_service { th { "Aggregate" } } } }
            tbody { @for overview in batches { @let batch = &overview.batch; tr {
                td.numeric data-label="Batch" { (batch.id) }
                td data-label="Destination" { (destination(&batch.key.destination)) (api(&batch.key.api)) }
                td data-label="Period" { (parts::time(Time::from_secs(batch.key.period_start), now)) " " small { (batch.key.period_seconds / 3600) " h" } }
                td.numeric data-label="Reports" { (parts::count(batch.reports)) }
                td data-label="State" {
                    @match overview.written_at { Some(at) => { span.chip.good title=(relative(at, now)) { "written" } } None => span.chip.warn { "being written" } }
                    @if batch.late > 0 { " " span.chip.warn title="Its period's privacy budget may be spent on the first batch." { "late" } }
                }
                @if has_service { td data-label="Aggregate" {
                    @if overview.written_at.is_some() { a.button href=(format!("/dashboard/jobs/new?batch={}", batch.id)) { "Aggregate…" } }
                } }
            } } }
        } } }
    }
}
