//! A summary: buckets by the names of the campaigns file, with what noise may have done to each.

use ascribe_charts::{Axis, Bar, BarChart, Direction, Unit};
use ascribe_headers::KeyPiece;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::{
    super::{campaign_names, service::Summary},
    Export, Job, parts,
};
use crate::campaigns::{CONTRIBUTION_BUDGET, Campaigns, DimensionKind, KeyScheme, Measure};

const COLUMNS: &[&str] = &["bucket", "meaning", "measure", "metric", "value", "low", "high"];
/// More bars are no chart; the table has them.
const MAX_BARS: usize = 24;

/// The noise of a summary: discrete Laplace, of this scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Noise {
    epsilon: f64,
    /// Whether the job itself tells the epsilon.
    is_told: bool,
}

impl Noise {
    /// Of a job: the epsilon that it was asked for, or the campaigns file's.
    pub(super) fn of(job: &Job<'_>, scheme: &KeyScheme) -> Self {
        let told = job.number("/job_parameters/debug_privacy_epsilon").filter(|epsilon| *epsilon > 0.0);
        Self { epsilon: told.unwrap_or(scheme.epsilon), is_told: told.is_some() }
    }

    fn scale(self) -> f64 {
        f64::from(CONTRIBUTION_BUDGET) / self.epsilon
    }

    fn deviation(self) -> f64 {
        // Of a variable with P(n) ∝ q^|n|, q = e^(-1/scale): √(2q)/(1 − q).
        let q = (-1.0 / self.scale()).exp();
        (2.0 * q).sqrt() / (1.0 - q)
    }

    /// Noise is within this 95 times of 100: the tail beyond it is e^(-n/scale), but for a part of one unit.
    fn within(self) -> f64 {
        self.scale() * 20_f64.ln()
    }
}

/// What a bucket stands for.
struct Meaning<'c> {
    /// Each dimension with its value, without the measure.
    label: String,
    /// The same without the names of dimensions that their values tell, for charts.
    short: String,
    measure: Option<&'c Measure>,
}

fn meaning<'c>(bucket: &str, campaigns: &'c Campaigns) -> Option<Meaning<'c>> {
    let key: u128 = bucket.parse().ok()?;
    let (mut values, mut short) = (Vec::new(), Vec::new());
    let mut measure = None;
    for (dimension, number) in campaigns.scheme.explain(KeyPiece(key))? {
        let value = campaign_names::value(campaigns, &dimension.kind, number);
        match dimension.kind {
            DimensionKind::Measure => {
                measure = campaigns.scheme.measures.iter().find(|measure| measure.number == number);
                if measure.is_none() {
                    values.push(format!("measure {value}"));
                    short.push(format!("measure {value}"));
                }
            }
            DimensionKind::Campaign | DimensionKind::Conversion => {
                short.push(value.clone());
                values.push(value);
            }
            _ => {
                let named = format!("{} {value}", dimension.name);
                let tells = matches!(dimension.kind, DimensionKind::Listed(_)) && number > 0;
                short.push(if tells { value } else { named.clone() });
                values.push(named);
            }
        }
    }
    // With one measure, keys need not tell it.
    if let (None, [only]) = (measure, &*campaigns.scheme.measures) {
        let told =
            campaigns.scheme.dimensions.iter().any(|dimension| dimension.kind == DimensionKind::Measure);
        measure = (!told).then_some(only);
    }
    (!values.is_empty() || measure.is_some()).then(|| Meaning {
        label: values.join(" · "),
        short: short.join(" · "),
        measure,
    })
}

/// What a sum, or an end of its interval, is worth.
fn worth(measure: Option<&Measure>, units: f64) -> f64 {
    measure.map_or(units, |measure| measure.value_of(units))
}

/// A chart for each measure, for their units differ; and one for what the file does not explain.
pub(super) fn charts(summary: &Summary, campaigns: &Campaigns, noise: Noise) -> Markup {
    let mut groups: Vec<(Option<&Measure>, bool, Vec<Bar>)> = Vec::new();
    for bucket in &summary.buckets {
        let meaning = meaning(&bucket.bucket, campaigns);
        let (measure, is_known) = (meaning.as_ref().and_then(|meaning| meaning.measure), meaning.is_some());
        let label = meaning.map_or_else(|| hexadecimal(&bucket.bucket), |meaning| meaning.short);
        let units = bucket.metric as f64;
        let end = |units| worth(measure, units);
        let interval = Some((end(units - noise.within()), end(units + noise.within())));
        let bar =
            Bar { label, values: vec![ascribe_charts::Value { value: end(units), interval, truth: None }] };
        let same = |group: &&mut (Option<&Measure>, bool, Vec<Bar>)| {
            group.0.map(|measure| measure.number) == measure.map(|measure| measure.number)
                && group.1 == is_known
        };
        match groups.iter_mut().find(same) {
            Some((.., bars)) => bars.push(bar),
            None => groups.push((measure, is_known, vec![bar])),
        }
    }
    let value = |bar: &Bar| bar.values.first().map_or(0.0, |value| value.value);
    for (.., bars) in &mut groups {
        bars.sort_by(|one, other| value(other).total_cmp(&value(one)));
    }
    html! {
        (said(noise))
        @for (index, (measure, is_known, bars)) in groups.into_iter().enumerate() {
            @let name = match (measure, is_known) { (Some(measure), _) => measure.name.as_str(), (None, true) => "contributions", (None, false) => "not explained by the campaigns file" };
            h3.of-chart { (name) @if bars.len() > MAX_BARS { small { ", the " (MAX_BARS) " largest" } } }
            (chart(name, bars, index))
        }
    }
}

fn chart(name: &str, mut bars: Vec<Bar>, index: usize) -> Markup {
    let all = bars.len();
    bars.truncate(MAX_BARS);
    let first = bars.first().map_or("", |bar| &bar.label);
    let chart = BarChart {
        title: format!("Summary: {name}"),
        description: format!("{all} noised sums with 95 % intervals, largest first: {first}."),
        values: Axis::new("", Unit::Number),
        direction: Direction::Right,
        series: vec![name.to_owned()],
        truth: String::new(),
        bars,
    };
    parts::chart(chart.render(&format!("summary-{index}")))
}

/// What the noise is, in words.
fn said(noise: Noise) -> Markup {
    html! {
        p.hint {
            "Each bucket has discrete Laplace noise of ε = " (parts::number(noise.epsilon))
            @if !noise.is_told { " (the campaigns file's: the job does not tell its own)" }
            ": a standard deviation of " (parts::number(noise.deviation()))
            " of the 65,536 that one source contributes at most, and within ±" (parts::number(noise.within()))
            " in 95 of 100 cases, which is what the whiskers show."
        }
    }
}

pub(super) fn table(summary: &Summary, campaigns: &Campaigns, noise: Noise) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { th { "Bucket" } th { "Measure" } th.numeric { "Value" } th.numeric { "95 % interval" } th.numeric { "Noised sum" } th { "Key" } } }
            tbody { @for bucket in &summary.buckets {
                @let meaning = meaning(&bucket.bucket, campaigns);
                @let measure = meaning.as_ref().and_then(|meaning| meaning.measure);
                @let units = bucket.metric as f64;
                tr {
                    td data-label="Bucket" { (meaning.as_ref().map_or("not explained by the campaigns file", |meaning| meaning.label.as_str())) }
                    td data-label="Measure" { (measure.map_or("–", |measure| measure.name.as_str())) }
                    td.numeric data-label="Value" { strong { (parts::number(worth(measure, units))) } }
                    td.numeric data-label="95 % interval" { (parts::number(worth(measure, units - noise.within()))) " to " (parts::number(worth(measure, units + noise.within()))) }
                    td.numeric data-label="Noised sum" { (bucket.metric) }
                    td.code data-label="Key" { (hexadecimal(&bucket.bucket)) }
                }
            } }
        } }
        @if summary.total > summary.buckets.len() as u64 {
            p.hint { "The first " (parts::count(summary.buckets.len() as u64)) " of " (parts::count(summary.total)) " buckets: the export has more." }
        }
    }
}

fn hexadecimal(bucket: &str) -> String {
    bucket.parse::<u128>().map_or_else(|_| bucket.to_owned(), |key| format!("{key:#x}"))
}

/// The table for programs; the rows of a summary have no number to go on from.
pub(super) fn export(summary: &Summary, campaigns: &Campaigns, noise: Noise) -> Export {
    let row = |bucket: &super::super::service::Bucket| -> Vec<Value> {
        let meaning = meaning(&bucket.bucket, campaigns);
        let measure = meaning.as_ref().and_then(|meaning| meaning.measure);
        let units = bucket.metric as f64;
        vec![
            bucket.bucket.as_str().into(),
            meaning.as_ref().map(|meaning| meaning.label.as_str()).into(),
            measure.map(|measure| measure.name.as_str()).into(),
            json!(bucket.metric),
            json!(worth(measure, units)),
            json!(worth(measure, units - noise.within())),
            json!(worth(measure, units + noise.within())),
        ]
    };
    Export { name: "summary", columns: COLUMNS, rows: summary.buckets.iter().map(row).collect(), next: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Secret, Secrets};

    #[test]
    fn noise_is_as_wide_as_the_discrete_laplace_distribution() {
        let noise = Noise { epsilon: 10.0, is_told: true };
        assert!((noise.deviation() - 2f64.sqrt() * 6553.6).abs() < 0.1);
        // The probability of more, on both sides, is 2·q^(n+1)/(1 + q).
        let (q, n) = ((-1.0 / noise.scale()).exp(), noise.within().floor());
        let beyond = 2.0 * q.powf(n + 1.0) / (1.0 + q);
        assert!((beyond - 0.05).abs() < 1e-4, "{beyond}");
    }

    #[test]
    fn buckets_are_read_by_the_campaigns_file() {
        let secrets = Secrets::new(Secret::from_bytes([1; 32]), []);
        let text = include_str!("../../../examples/campaigns.toml");
        let campaigns = Campaigns::parse(text, secrets).unwrap();
        // campaign 1, country fr (3), measure revenue (2), conversion purchase (1), category 5.
        let key: u128 = 1 << 16 | 3 << 12 | 2 << 10 | 1 << 4 | 5;
        let found = meaning(&key.to_string(), &campaigns).unwrap();
        assert_eq!(found.label, "spring · country fr · purchase · category 5");
        assert_eq!(found.short, "spring · fr · purchase · category 5");
        assert_eq!(found.measure.unwrap().name.as_str(), "revenue");
        assert_eq!(worth(found.measure, 24_576.0), 250.0);
        let other = meaning(&(9_u128 << 16).to_string(), &campaigns).unwrap();
        assert_eq!(other.short, "9 · country other · measure 0 · 0 · category 0");
        assert!(meaning(&(1_u128 << 100).to_string(), &campaigns).is_none(), "no key of this scheme");
        assert!(meaning("-1", &campaigns).is_none());
    }
}
