//! The first page: reports over time, conversions, what waits, summaries.

use std::collections::BTreeMap;

use ascribe_charts::{Axis, LineChart, Series, Shape, Unit};
use ascribe_reports::{Duration, Endpoint, Time};
use axum::{
    Extension, Json,
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::{
    Shared, campaigns,
    export::Export,
    filter::{self, DAYS, Format, iso},
    guard::Visitor,
    headers, jobs,
    layout::{self, NoPage, Tab},
    parts,
};
use crate::{
    intake::name,
    store::{ReceivedCount, StoreError, VerboseType},
};

const COLUMNS: &[&str] = &["from", "seconds", "endpoint", "reports"];
/// The lines of the chart.
const LINES: [(&str, &[Endpoint]); 4] = [
    ("event-level", &[Endpoint::EventLevel]),
    ("aggregatable", &[Endpoint::Aggregatable]),
    ("debug copies", &[Endpoint::EventLevelDebugCopy, Endpoint::AggregatableDebugCopy]),
    ("debug", &[Endpoint::AggregatableDebug, Endpoint::VerboseDebug]),
];

/// What the tiles count.
#[derive(Clone, Copy)]
struct Totals {
    event_level: u64,
    aggregatable: u64,
    debug: u64,
    header_errors: u64,
    waiting: u64,
    batched: u64,
}

impl Totals {
    fn of(counts: &[ReceivedCount], types: &[VerboseType], (waiting, batched): (u64, u64)) -> Self {
        let of = |endpoints: &[Endpoint]| {
            counts.iter().filter(|count| endpoints.contains(&count.endpoint)).map(|count| count.count).sum()
        };
        Self {
            event_level: of(LINES[0].1),
            aggregatable: of(LINES[1].1),
            debug: of(LINES[2].1) + of(LINES[3].1),
            header_errors: types.iter().filter(|of| of.data_type == headers::TYPE).map(|of| of.count).sum(),
            waiting,
            batched,
        }
    }

    /// By name, as the page shows them and its script keeps them.
    fn named(self) -> [(&'static str, &'static str, u64, Tab); 6] {
        [
            ("event_level", "Event-level reports", self.event_level, Tab::Campaigns),
            ("aggregatable", "Aggregatable reports", self.aggregatable, Tab::Aggregatable),
            ("debug", "Debug reports", self.debug, Tab::Debug),
            ("header_errors", "Header errors", self.header_errors, Tab::Headers),
            ("waiting", "Waiting for a batch", self.waiting, Tab::Aggregatable),
            ("batched", "In batches", self.batched, Tab::Aggregatable),
        ]
    }
}

pub(super) async fn page(
    State(dashboard): State<Shared>,
    Extension(visitor): Extension<Visitor>,
    Query(query): Query<filter::Query>,
) -> Result<Response, NoPage> {
    let is_live = query.value("type") == "totals";
    let format = query.format()?;
    let now = dashboard.collector.clock.now();
    let days = query.days();
    let step = step(days);
    // Whole steps, the one under way last.
    let until = Time::from_millis((now.as_millis() / step + 1) * step);
    let from = until - Duration::from_days(days);
    let of_page = format == Format::Html;
    let (counts, types, waiting, estimates) = dashboard
        .reader
        .read(move |store| {
            // The page is of use without them, too.
            let estimates = match of_page.then(|| campaigns::read_estimates(store)).transpose() {
                Err(StoreError::TooSlow) => None,
                estimates => Some(estimates?.unwrap_or_default()),
            };
            Ok((
                store.received(from, until, step)?,
                store.verbose_types(from, until)?,
                store.waiting_and_batched()?,
                estimates,
            ))
        })
        .await?;
    let totals = Totals::of(&counts, &types, waiting);
    if is_live {
        let totals: serde_json::Map<String, Value> =
            totals.named().into_iter().map(|(name, _, count, _)| (name.to_owned(), json!(count))).collect();
        return Ok(Json(totals).into_response());
    }
    if !of_page {
        let row = |count: &ReceivedCount| {
            vec![iso(count.from).into(), json!(step / 1000), name(count.endpoint).into(), json!(count.count)]
        };
        let export = Export {
            name: "reports_over_time",
            columns: COLUMNS,
            rows: counts.iter().map(row).collect(),
            next: None,
        };
        return Ok(export.answer(format, Tab::Overview.path(), &query));
    }
    let known = dashboard.campaigns();
    let content = html! {
        div.tiles data-live=(format!("/dashboard/?type=totals&format=json&days={days}")) {
            @for (name, title, count, tab) in totals.named() {
                a.tile href=(tab.path()) { span { (title) } strong data-count=(name) { (parts::count(count)) } }
            }
        }
        section.card {
            div.tools {
                h2 { "Reports over time" }
                nav.choices aria-label="Time" {
                    @for choice in DAYS { a href=(format!("/dashboard/?days={choice}")) aria-current=[(choice == days).then_some("true")] { @if choice == 1 { "1 day" } @else { (choice) " days" } } }
                }
                (parts::exports(Tab::Overview.path(), &query))
            }
            (over_time(&counts, from, until, step))
        }
        section.card {
            div.tools { h2 { "Conversions by campaign" } a href=(Tab::Campaigns.path()) { "All of them" } }
            @match &estimates {
                Some(estimates) => (campaigns::estimates_chart(estimates, &known, "conversions")),
                None => p.empty { "Too many reports to count in time." },
            }
        }
        @if dashboard.service.is_some() {
            section.card {
                div.tools { h2 { "Latest summaries" } a href=(Tab::Jobs.path()) { "All jobs" } }
                (jobs::latest(&dashboard, 5).await)
            }
        }
    };
    Ok(layout::page(Tab::Overview, "Overview", &visitor, content).into_response())
}

/// How long a step of the chart is, in milliseconds.
fn step(days: i64) -> i64 {
    let hours = match days {
        ..=1 => 1,
        2..=7 => 6,
        _ => 24,
    };
    hours * 3_600_000
}

fn over_time(counts: &[ReceivedCount], from: Time, until: Time, step: i64) -> Markup {
    let all: u64 = counts.iter().map(|count| count.count).sum();
    let line = |(name, endpoints): &(&str, &[Endpoint])| {
        // Steps without reports have points too.
        let mut steps: BTreeMap<i64, u64> =
            (from.as_millis() / step..until.as_millis() / step).map(|n| (n, 0)).collect();
        for count in counts.iter().filter(|count| endpoints.contains(&count.endpoint)) {
            *steps.entry(count.from.as_millis() / step).or_default() += count.count;
        }
        let points = steps.into_iter().map(|(n, count)| ((n * step / 1000) as f64, count as f64)).collect();
        Series { name: (*name).to_owned(), points, shape: Shape::Line, band: Vec::new() }
    };
    let chart = LineChart {
        title: "Reports over time".to_owned(),
        description: format!(
            "{} reports and things told by debug reports from {} to {}, in steps of {} h.",
            parts::count(all),
            filter::written(from),
            filter::written(until),
            step / 3_600_000
        ),
        x: Axis::new("", Unit::Time),
        y: Axis::new(
            if step == 3_600_000 {
                "an hour"
            } else if step == 86_400_000 {
                "a day"
            } else {
                "in 6 hours"
            },
            Unit::Count,
        ),
        series: LINES.iter().map(line).collect(),
    };
    parts::chart(chart.render("over-time"))
}
