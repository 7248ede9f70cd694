//! Conversions by campaign, corrected for noise; and the event-level reports that they come from.

use ascribe_charts::{Axis, Bar, BarChart, Direction, Unit};
use axum::{
    Extension,
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::{
    Shared, campaign_names,
    export::{self, Export},
    filter::{self, Filter, Format, PAGE, iso},
    guard::Visitor,
    layout::{self, NoPage, Tab},
    parts,
};
use crate::{
    campaigns::Campaigns,
    estimates::{Estimate, estimates},
    store::{EventReport, PageOf, Store, StoreError},
};

const COLUMNS: &[&str] = &[
    "seq",
    "received_at",
    "scheduled_report_time",
    "report_id",
    "debug_copy",
    "campaign",
    "attribution_destination",
    "source_event_id",
    "source_type",
    "trigger_data",
    "randomized_trigger_rate",
    "source_debug_key",
    "trigger_debug_key",
];
const ESTIMATE_COLUMNS: &[&str] = &[
    "campaign",
    "source_type",
    "trigger_data",
    "conversion",
    "reports",
    "estimate",
    "low",
    "high",
    "sources",
    "flip_probability",
];
/// More bars are no chart; the table has them.
const MAX_BARS: usize = 24;

pub(super) async fn page(
    State(dashboard): State<Shared>,
    Extension(visitor): Extension<Visitor>,
    Query(query): Query<filter::Query>,
) -> Result<Response, NoPage> {
    let campaigns = dashboard.campaigns();
    let filter = query.read(&campaigns)?;
    let path = Tab::Campaigns.path();
    if filter.format != Format::Html {
        let export = if filter.query.value("type") == "estimates" {
            let estimates = of(&filter, dashboard.reader.read(read_estimates).await?);
            let rows = estimates.iter().map(|estimate| estimate_row(estimate, &campaigns)).collect();
            Export { name: "estimates", columns: ESTIMATE_COLUMNS, rows, next: None }
        } else {
            let (reports, next) = all(&dashboard, &filter).await?;
            let rows = reports.iter().map(|report| row(report, &campaigns)).collect();
            Export { name: "event_level_reports", columns: COLUMNS, rows, next }
        };
        return Ok(export.answer(filter.format, path, &filter.query));
    }
    let (asked, page) = (filter.report.clone(), filter.page());
    let (estimates, mut reports) = dashboard
        .reader
        .read(move |store| Ok((read_estimates(store)?, store.event_reports(&asked, page)?)))
        .await?;
    let estimates = of(&filter, estimates);
    let more = reports.len() > PAGE as usize;
    reports.truncate(PAGE as usize);
    let next = reports.last().filter(|_| more).map(|last| last.seq);
    let now = dashboard.collector.clock.now();
    let content = html! {
        p.lead { "Event-level reports are noised by the browser. From how many sources were served and how likely each is noise, the true number is estimated; the interval holds it in 95 of 100 cases." }
        form.filter method="get" action=(path) {
            (parts::report_fields(&filter.query, &campaigns))
            span.buttons { button.primary type="submit" { "Filter" } a.button href=(path) { "Reset" } }
        }
        section.card {
            div.tools { h2 { "Conversions" } (estimate_exports(&filter)) }
            (estimates_chart(&estimates, &campaigns, "conversions"))
            (estimates_table(&estimates, &campaigns))
            p.hint { "Of all time: reports come for a month after their source, so that a shorter time would compare reports with other sources. The campaign alone filters here." }
        }
        section.card {
            div.tools { h2 { "Event-level reports" } (parts::exports(path, &filter.query)) }
            @if reports.is_empty() { p.empty { "None yet. They come hours to weeks after the conversion, when the source's report window ends." } }
            @else { (reports_table(&reports, &campaigns, now)) }
            (parts::pager(path, &filter.query, filter.before.is_none(), next))
        }
    };
    Ok(layout::page(Tab::Campaigns, "Campaigns", &visitor, content).into_response())
}

pub(super) fn read_estimates(store: &mut Store) -> Result<Vec<Estimate>, StoreError> {
    Ok(estimates(&store.event_counts()?, &store.served()?))
}

fn of(filter: &Filter, mut estimates: Vec<Estimate>) -> Vec<Estimate> {
    estimates.retain(|estimate| filter.report.campaign.is_none_or(|campaign| campaign == estimate.campaign));
    estimates
}

async fn all(dashboard: &Shared, filter: &Filter) -> Result<(Vec<EventReport>, Option<i64>), NoPage> {
    let mut reports: Vec<EventReport> = Vec::new();
    let mut before = filter.before;
    while reports.len() < export::MAX_ROWS {
        let (asked, part) = (filter.report.clone(), PageOf { before, limit: export::AT_A_TIME });
        let read = dashboard.reader.read(move |store| store.event_reports(&asked, part)).await?;
        let is_last = read.len() < export::AT_A_TIME as usize;
        reports.extend(read);
        if is_last {
            return Ok((reports, None));
        }
        before = reports.last().map(|report| report.seq);
    }
    Ok((reports, before))
}

fn uuid(bytes: &[u8]) -> String {
    uuid::Uuid::from_slice(bytes).map_or_else(|_| "–".to_owned(), |id| id.to_string())
}

/// 64-bit numbers are texts, as in reports.
fn row(report: &EventReport, campaigns: &Campaigns) -> Vec<Value> {
    let text = |number: Option<u64>| number.map(|number| number.to_string());
    vec![
        report.seq.into(),
        iso(report.received_at).into(),
        iso(report.scheduled_at).into(),
        uuid(&report.report_id).into(),
        report.is_debug_copy.into(),
        report.campaign.map(|number| campaign_names::campaign(campaigns, Some(number))).into(),
        report.destinations.as_str().into(),
        report.source_event_id.to_string().into(),
        report.source_type.as_str().into(),
        report.trigger_data.to_string().into(),
        report.rate.into(),
        text(report.source_debug_key).into(),
        text(report.trigger_debug_key).into(),
    ]
}

fn estimate_row(estimate: &Estimate, campaigns: &Campaigns) -> Vec<Value> {
    let Estimate {
        campaign,
        source_type,
        trigger_data,
        reports,
        estimate: value,
        low,
        high,
        sources,
        flip_probability,
    } = estimate;
    vec![
        campaign_names::campaign(campaigns, Some(*campaign)).into(),
        json!(source_type),
        trigger_data.to_string().into(),
        campaign_names::conversions(campaigns, *campaign, source_type, *trigger_data).into(),
        json!(reports),
        json!(value),
        json!(low),
        json!(high),
        json!(sources),
        json!(flip_probability),
    ]
}

fn estimate_exports(filter: &Filter) -> Markup {
    let link = |format| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let campaign = filter.query.value("campaign");
        query.append_pair("type", "estimates").append_pair("format", format);
        if !campaign.is_empty() {
            query.append_pair("campaign", campaign);
        }
        format!("{}?{}", Tab::Campaigns.path(), query.finish())
    };
    html! { span.exports { a.button href=(link("csv")) download { "CSV" } a.button href=(link("json")) download { "JSON" } } }
}

/// `click` and `view` are what people say.
fn said(source_type: &str) -> &str {
    if source_type == "navigation" { "click" } else { "view" }
}

/// The chart of the largest estimates; nothing, where there are none.
pub(super) fn estimates_chart(estimates: &[Estimate], campaigns: &Campaigns, id: &str) -> Markup {
    let named = |estimate: &Estimate| {
        campaign_names::conversions(campaigns, estimate.campaign, estimate.source_type, estimate.trigger_data)
    };
    // Trigger data that no conversion has, and no report either, is nothing to look at.
    let mut largest: Vec<&Estimate> =
        estimates.iter().filter(|estimate| estimate.reports > 0 || named(estimate).is_some()).collect();
    largest.sort_by(|one, other| other.estimate.total_cmp(&one.estimate));
    largest.truncate(MAX_BARS);
    if largest.is_empty() {
        return html! { p.empty { "Nothing to count yet: no source was served." } };
    }
    let bar = |estimate: &&Estimate| {
        let campaign = campaign_names::campaign(campaigns, Some(estimate.campaign));
        let conversion = named(estimate).unwrap_or_else(|| format!("data {}", estimate.trigger_data));
        Bar {
            label: format!("{campaign} · {} · {conversion}", said(estimate.source_type)),
            values: vec![ascribe_charts::Value {
                value: estimate.estimate,
                interval: Some((estimate.low, estimate.high)),
                truth: None,
            }],
        }
    };
    let bars: Vec<Bar> = largest.iter().map(bar).collect();
    let first = bars.first().map_or("", |bar| &bar.label);
    let description = format!(
        "Estimated true conversions with 95 % intervals, {} bars, largest first: {first} with {}.",
        bars.len(),
        parts::number(largest.first().map_or(0.0, |estimate| estimate.estimate))
    );
    let chart = BarChart {
        title: "Conversions by campaign, corrected for noise".to_owned(),
        description,
        values: Axis::new("conversions", Unit::Count),
        direction: Direction::Right,
        series: vec!["conversions".to_owned()],
        truth: String::new(),
        bars,
    };
    parts::chart(chart.render(id))
}

/// The conversion, with its trigger data; or that alone.
fn conversion(campaigns: &Campaigns, campaign: Option<u64>, source_type: &str, trigger_data: u64) -> Markup {
    let named = campaign
        .and_then(|campaign| campaign_names::conversions(campaigns, campaign, source_type, trigger_data));
    html! { @if let Some(named) = named { (named) " " } small { "data " (trigger_data) } }
}

fn estimates_table(estimates: &[Estimate], campaigns: &Campaigns) -> Markup {
    html! {
        @if !estimates.is_empty() {
            div.scroll { table {
                thead { tr { th { "Campaign" } th { "Source" } th { "Conversion" } th.numeric { "Reports" } th.numeric { "Estimate" } th.numeric { "95 % interval" } th.numeric { "Sources" } th.numeric { "Noised" } } }
                tbody { @for estimate in estimates { tr {
                    td data-label="Campaign" { (campaign_names::campaign(campaigns, Some(estimate.campaign))) }
                    td data-label="Source" { (said(estimate.source_type)) }
                    td data-label="Conversion" { (conversion(campaigns, Some(estimate.campaign), estimate.source_type, estimate.trigger_data)) }
                    td.numeric data-label="Reports" { (parts::count(estimate.reports)) }
                    td.numeric data-label="Estimate" { strong { (parts::number(estimate.estimate)) } }
                    td.numeric data-label="95 % interval" { (parts::number(estimate.low)) " to " (parts::number(estimate.high)) }
                    td.numeric data-label="Sources" { (parts::count(estimate.sources)) }
                    td.numeric data-label="Noised" { (parts::number(estimate.flip_probability * 100.0)) " %" }
                } } }
            } }
        }
    }
}

fn reports_table(reports: &[EventReport], campaigns: &Campaigns, now: ascribe_reports::Time) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { th { "Received (UTC)" } th { "Campaign" } th { "Source" } th { "Conversion" } th { "Destination" } th { "Source event ID" } th { "Scheduled (UTC)" } } }
            tbody { @for report in reports { tr {
                td data-label="Received" { (parts::time(report.received_at, now)) }
                td data-label="Campaign" { @match report.campaign {
                    Some(number) => (campaign_names::campaign(campaigns, Some(number))),
                    None => span.chip.warn title="The source event ID was not issued by this collector." { "made up" },
                } @if report.is_debug_copy { " " span.chip { "debug copy" } } }
                td data-label="Source" { (said(report.source_type.as_str())) }
                td data-label="Conversion" { (conversion(campaigns, report.campaign, report.source_type.as_str(), report.trigger_data)) }
                td data-label="Destination" { (report.destinations) }
                td.code data-label="Source event ID" { (report.source_event_id) }
                td data-label="Scheduled" { (parts::time(report.scheduled_at, now)) }
            } } }
        } }
    }
}
