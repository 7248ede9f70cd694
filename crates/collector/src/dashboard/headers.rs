//! Registration headers that browsers could not read.

use ascribe_headers::{SourceRegistration, TriggerRegistration, VendorValues};
use axum::{
    Extension,
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use maud::html;
use serde_json::Value;

use super::{
    Shared, debug,
    export::Export,
    filter::{self, Format, iso},
    guard::Visitor,
    layout::{self, NoPage, Tab},
    parts,
};
use crate::store::{VerboseFilter, VerboseReport};

/// The type of the reports that this page is about.
pub(super) const TYPE: &str = "header-parsing-error";
const COLUMNS: &[&str] = &["seq", "received_at", "context_site", "header", "value", "problem"];

/// A report's body, as far as it says what it should.
struct HeaderError {
    context_site: String,
    header: String,
    value: String,
}

pub(super) async fn page(
    State(dashboard): State<Shared>,
    Extension(visitor): Extension<Visitor>,
    Query(query): Query<filter::Query>,
) -> Result<Response, NoPage> {
    let campaigns = dashboard.campaigns();
    let filter = query.read(&campaigns)?;
    let asked = VerboseFilter { report: filter.report.clone(), data_type: Some(TYPE.to_owned()) };
    let path = Tab::Headers.path();
    if filter.format != Format::Html {
        let (reports, next) = debug::all(&dashboard, asked, filter.before).await?;
        let export =
            Export { name: "header_errors", columns: COLUMNS, rows: reports.iter().map(row).collect(), next };
        return Ok(export.answer(filter.format, path, &filter.query));
    }
    let (now, page) = (dashboard.collector.clock.now(), filter.page());
    let mut reports = dashboard.reader.read(move |store| store.verbose(&asked, page)).await?;
    let next = debug::next_page(&mut reports);
    let content = html! {
        p.lead { "Headers of this origin that browsers could not read, with what is wrong in them. They are told because registrations ask for it: " code { "report_header_errors" } " in the campaigns file." }
        form.filter method="get" action=(path) {
            label { "From (UTC)" input type="text" name="from" value=(filter.query.value("from")) placeholder="2026-01-31" spellcheck="false" autocomplete="off"; }
            label { "Until (UTC)" input type="text" name="until" value=(filter.query.value("until")) placeholder="2026-01-31T18:00" spellcheck="false" autocomplete="off"; }
            span.buttons { button.primary type="submit" { "Search" } a.button href=(path) { "Reset" } }
        }
        section.card {
            div.tools { h2 { "Errors" } (parts::exports(path, &filter.query)) }
            @if reports.is_empty() { p.empty { "None: browsers could read every header." } }
            @for report in &reports {
                @let error = HeaderError::of(report);
                @let problem = problem(&error);
                details.report {
                    summary {
                        span.chip.bad { (error.header) }
                        span.of { (error.context_site) }
                        (parts::time(report.received_at, now))
                        span.what { (problem.as_deref().unwrap_or("Our own parser reads this header: the browser may be another version.")) }
                    }
                    (parts::raw(&error.value))
                }
            }
            (parts::pager(path, &filter.query, filter.before.is_none(), next))
        }
    };
    Ok(layout::page(Tab::Headers, "Header errors", &visitor, content).into_response())
}

impl HeaderError {
    fn of(report: &VerboseReport) -> Self {
        let body: Value = serde_json::from_str(&report.body).unwrap_or_default();
        let text = |name| body.get(name).and_then(Value::as_str).unwrap_or("not told").to_owned();
        Self { context_site: text("context_site"), header: text("header"), value: text("value") }
    }
}

/// What our own parser says of the header, if it finds a mistake too.
fn problem(error: &HeaderError) -> Option<String> {
    let vendor = VendorValues::default();
    let found = if error.header.eq_ignore_ascii_case("attribution-reporting-register-source") {
        // The source type is not told; most mistakes are mistakes of both.
        SourceRegistration::parse(error.value.as_bytes(), ascribe_headers::SourceType::Navigation, &vendor)
            .errors
    } else if error.header.eq_ignore_ascii_case("attribution-reporting-register-trigger") {
        TriggerRegistration::parse(error.value.as_bytes(), &vendor).errors
    } else {
        return Some("A list of URLs that could not be read.".to_owned());
    };
    found.first().map(ToString::to_string)
}

fn row(report: &VerboseReport) -> Vec<Value> {
    let error = HeaderError::of(report);
    let problem = problem(&error);
    vec![
        report.seq.into(),
        iso(report.received_at).into(),
        error.context_site.into(),
        error.header.into(),
        error.value.into(),
        problem.into(),
    ]
}
