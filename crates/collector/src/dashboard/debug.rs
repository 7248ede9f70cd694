//! Verbose debug reports: a list to search, with what each type means.

use axum::{
    Extension,
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use serde_json::Value;

use super::{
    Shared, campaign_names,
    explain::{Mood, explanation},
    export::{self, Export},
    filter::{self, Filter, Format, PAGE, iso},
    guard::Visitor,
    layout::{self, NoPage, Tab},
    parts,
};
use crate::{
    campaigns::Campaigns,
    store::{PageOf, Store, StoreError, VerboseFilter, VerboseReport, VerboseType},
};

const COLUMNS: &[&str] = &["seq", "received_at", "type", "campaign", "body"];
/// Of this many days, types are counted for the list of them.
const TYPES_OF_DAYS: i64 = 7;

pub(super) async fn page(
    State(dashboard): State<Shared>,
    Extension(visitor): Extension<Visitor>,
    Query(query): Query<filter::Query>,
) -> Result<Response, NoPage> {
    let campaigns = dashboard.campaigns();
    let filter = query.read(&campaigns)?;
    let asked = VerboseFilter { report: filter.report.clone(), data_type: filter.data_type.clone() };
    if filter.format != Format::Html {
        let (reports, next) = all(&dashboard, asked, filter.before).await?;
        let rows = reports.iter().map(|report| row(report, &campaigns)).collect();
        let export = Export { name: "debug_reports", columns: COLUMNS, rows, next };
        return Ok(export.answer(filter.format, Tab::Debug.path(), &filter.query));
    }
    let now = dashboard.collector.clock.now();
    let since = now - ascribe_reports::Duration::from_days(TYPES_OF_DAYS);
    let page = filter.page();
    let (mut reports, types) = dashboard
        .reader
        .read(move |store| {
            let types = store.verbose_types(since, now + ascribe_reports::Duration::from_days(1))?;
            Ok((store.verbose(&asked, page)?, types))
        })
        .await?;
    let next = next_page(&mut reports);
    let content = html! {
        p.lead { "What browsers told about registrations, as it happened: why a source was not stored, or a conversion not attributed." }
        (search(&filter, &campaigns, &types))
        (list(&filter, &reports, next, &campaigns, now))
        (most_frequent(&types))
    };
    Ok(layout::page(Tab::Debug, "Debug reports", &visitor, content).into_response())
}

/// Reads a list in parts, until it ends or is as long as an export may be; where its next part begins.
pub(super) async fn all(
    dashboard: &Shared,
    asked: VerboseFilter,
    before: Option<i64>,
) -> Result<(Vec<VerboseReport>, Option<i64>), NoPage> {
    let mut reports: Vec<VerboseReport> = Vec::new();
    let (mut before, mut bytes) = (before, 0);
    loop {
        let asked = asked.clone();
        let part = PageOf { before, limit: export::AT_A_TIME };
        let read = move |store: &mut Store| -> Result<_, StoreError> { store.verbose(&asked, part) };
        let read = dashboard.reader.read(read).await?;
        let is_last = read.len() < export::AT_A_TIME as usize;
        bytes += read.iter().map(|report| report.body.len() + 100).sum::<usize>();
        reports.extend(read);
        before = reports.last().map(|report| report.seq);
        if is_last {
            return Ok((reports, None));
        }
        if reports.len() >= export::MAX_ROWS || bytes >= export::MAX_BYTES {
            return Ok((reports, before));
        }
    }
}

/// Takes away the row that only tells that there is a next page; where that begins.
pub(super) fn next_page(reports: &mut Vec<VerboseReport>) -> Option<i64> {
    let more = reports.len() > PAGE as usize;
    reports.truncate(PAGE as usize);
    reports.last().filter(|_| more).map(|last| last.seq)
}

fn row(report: &VerboseReport, campaigns: &Campaigns) -> Vec<Value> {
    let body = serde_json::from_str(&report.body).unwrap_or_else(|_| Value::from(report.body.as_str()));
    vec![
        report.seq.into(),
        iso(report.received_at).into(),
        report.data_type.as_str().into(),
        report.campaign.map(|number| campaign_names::campaign(campaigns, Some(number))).into(),
        body,
    ]
}

fn search(filter: &Filter, campaigns: &Campaigns, types: &[VerboseType]) -> Markup {
    let chosen = filter.query.value("type");
    let is_listed = types.iter().any(|of| of.data_type == chosen);
    html! {
        form.filter method="get" action=(Tab::Debug.path()) {
            label.wide { "Type"
                select name="type" {
                    option value="" { "any" }
                    @if !chosen.is_empty() && !is_listed { option value=(chosen) selected { (chosen) } }
                    @for of in types { option value=(of.data_type) selected[of.data_type == chosen] { (of.data_type) " (" (parts::count(of.count)) ")" } }
                }
            }
            (parts::report_fields(&filter.query, campaigns))
            span.buttons { button.primary type="submit" { "Search" } a.button href=(Tab::Debug.path()) { "Reset" } }
        }
    }
}

fn list(
    filter: &Filter,
    reports: &[VerboseReport],
    next: Option<i64>,
    campaigns: &Campaigns,
    now: ascribe_reports::Time,
) -> Markup {
    let path = Tab::Debug.path();
    html! {
        section.card {
            div.tools { h2 { "Reports" } (parts::exports(path, &filter.query)) }
            @if reports.is_empty() {
                p.empty { "None. Browsers send them for registrations with debug_reporting, where third-party cookies are allowed." }
            }
            @for report in reports {
                details.report {
                    summary {
                        span class=(Mood::of(&report.data_type).class()) { (report.data_type) }
                        span.of { @if let Some(campaign) = report.campaign { (campaign_names::campaign(campaigns, Some(campaign))) } }
                        (parts::time(report.received_at, now))
                    }
                    p { (explanation(&report.data_type).unwrap_or("A type that this version does not know.")) }
                    (parts::json(&report.body))
                }
            }
            (parts::pager(path, &filter.query, filter.before.is_none(), next))
        }
    }
}

fn most_frequent(types: &[VerboseType]) -> Markup {
    html! {
        @if !types.is_empty() {
            section.card {
                h2 { "Types, of " (TYPES_OF_DAYS) " days" }
                div.scroll { table {
                    thead { tr { th { "Type" } th.numeric { "Reports" } th { "What it means" } } }
                    tbody { @for of in types { tr {
                        td data-label="Type" { a href=(format!("{}?{}", Tab::Debug.path(), url::form_urlencoded::Serializer::new(String::new()).append_pair("type", &of.data_type).finish())) { span class=(Mood::of(&of.data_type).class()) { (of.data_type) } } }
                        td.numeric data-label="Reports" { (parts::count(of.count)) }
                        td.wide data-label="What it means" { (explanation(&of.data_type).unwrap_or("A type that this version does not know.")) }
                    } } }
                } }
            }
        }
    }
}
