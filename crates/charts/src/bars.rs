//! Bars, alone or in groups, with the interval in which each may lie and the truth.

use kuva::plot::scatter::MarkerShape;
use kuva::prelude::{BarPlot, LegendEntry, LegendShape, Plot, ScatterPlot};

use crate::axis::Axis;
use crate::figure::{self, Words};
use crate::{colours, label::label};

/// More bars than these are not drawn; the page's table has them.
const MAX_BARS: usize = 200;
/// The share of its place that a group fills.
const FILLED: f64 = 0.72;

/// A bar, or a group of one bar a series, for each of a few things.
#[derive(Clone, Debug, PartialEq)]
pub struct BarChart {
    /// Told by screen readers and shown on hovering; not drawn, since a page has headings.
    pub title: String,
    /// What the chart says, for whom it cannot be seen.
    pub description: String,
    /// The axis of the values.
    pub values: Axis,
    /// Which way bars grow.
    pub direction: Direction,
    /// The names of the bars within each group, for the legend; one name for plain bars.
    pub series: Vec<String>,
    /// What the marks of [`Value::truth`] are called in the legend.
    pub truth: String,
    /// From the top down, or from left to right.
    pub bars: Vec<Bar>,
}

/// Which way bars grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Upwards: for a few short labels.
    Up,
    /// To the right: for long labels; the chart is as high as they need.
    Right,
}

/// One group of a [`BarChart`].
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// What it is about.
    pub label: String,
    /// One for each series.
    pub values: Vec<Value>,
}

/// A bar.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Value {
    /// Where it ends; it begins at 0.
    pub value: f64,
    /// The lowest and highest that it may be, as a whisker.
    pub interval: Option<(f64, f64)>,
    /// What it is in truth, as a mark.
    pub truth: Option<f64>,
}

impl BarChart {
    /// The SVG. The ID, of ASCII letters, digits, `-` and `_`, must be the page's only one.
    #[must_use]
    pub fn render(&self, id: &str) -> String {
        let axis = Axis { logarithmic: false, ..self.values.clone() };
        let horizontal = self.direction == Direction::Right;
        let bars = &self.bars[..self.bars.len().min(MAX_BARS)];
        let in_group = self.series.len().max(1);

        let mut plot = BarPlot::new().with_width(FILLED).with_horizontal(horizontal);
        let (mut whiskers, mut truths) = (Vec::new(), Vec::new());
        // The first group is to be on top, where an axis has its last.
        let in_order: Vec<&Bar> =
            if horizontal { bars.iter().rev().collect() } else { bars.iter().collect() };
        for (group, bar) in in_order.into_iter().enumerate() {
            let mut drawn = Vec::new();
            for place in 0..in_group {
                let series = if horizontal { in_group - 1 - place } else { place };
                let value = bar.values.get(series).copied().unwrap_or_default();
                let end = if axis.shows(value.value) { value.value } else { 0.0 };
                drawn.push((end, colours::of_series(series)));
                let centre =
                    (group + 1) as f64 - FILLED / 2.0 + FILLED / in_group as f64 * (place as f64 + 0.5);
                if let Some((low, high)) =
                    value.interval.filter(|(low, high)| axis.shows(*low) && axis.shows(*high))
                {
                    whiskers.push((centre, low.min(high), high.max(low)));
                }
                if let Some(truth) = value.truth.filter(|truth| axis.shows(*truth)) {
                    truths.push((centre, truth));
                }
            }
            plot = plot.with_group(label(&bar.label, if horizontal { 28 } else { 14 }), drawn);
        }

        let at = |(along, value): (f64, f64)| if horizontal { (value, along) } else { (along, value) };
        let mut plots = vec![Plot::Bar(plot)];
        if !whiskers.is_empty() {
            let points = whiskers.iter().map(|(along, low, high)| at((*along, (low + high) / 2.0)));
            let halves: Vec<f64> = whiskers.iter().map(|(_, low, high)| (high - low) / 2.0).collect();
            let marks = ScatterPlot::new().with_data(points).with_color(colours::INK).with_size(0.0);
            plots.push(Plot::Scatter(if horizontal {
                marks.with_x_err(halves)
            } else {
                marks.with_y_err(halves)
            }));
        }
        let mut legend: Vec<LegendEntry> = Vec::new();
        if self.series.len() > 1 || !truths.is_empty() {
            legend.extend(self.series.iter().enumerate().map(|(index, name)| LegendEntry {
                label: label(name, 32),
                color: colours::of_series(index).into(),
                shape: LegendShape::Rect,
                dasharray: None,
            }));
        }
        if !truths.is_empty() {
            legend.push(LegendEntry {
                label: label(&self.truth, 32),
                color: colours::TRUTH.into(),
                shape: LegendShape::Marker(MarkerShape::Diamond),
                dasharray: None,
            });
            plots.push(Plot::Scatter(
                ScatterPlot::new()
                    .with_data(truths.into_iter().map(at))
                    .with_color(colours::TRUTH)
                    .with_marker(MarkerShape::Diamond)
                    .with_size(4.5),
            ));
        }

        let height = if horizontal {
            100.0 + (14 * in_group.min(4) + 12) as f64 * bars.len().max(1) as f64
        } else {
            260.0
        };
        let (x_label, y_label) =
            if horizontal { (self.values.label.as_str(), "") } else { ("", self.values.label.as_str()) };
        let layout = figure::legend(figure::layout(&plots, height, x_label, y_label), legend);
        let layout = if horizontal {
            layout.with_x_tick_format(axis.unit.ticks())
        } else {
            layout.with_y_tick_format(axis.unit.ticks())
        };
        figure::svg(&Words { id, title: &self.title, description: &self.description }, plots, layout)
    }
}
