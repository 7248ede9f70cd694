//! Lines, steps and areas over time or another quantity.

use kuva::plot::line::LineStyle;
use kuva::prelude::{BandPlot, LegendEntry, LegendShape, LinePlot, Plot};

use crate::axis::{Axis, Unit, calendar};
use crate::figure::{self, Words, or_empty};
use crate::{colours, label::label};

/// Of more points than these in a series, evenly spaced ones are drawn, the last among them.
pub const MAX_POINTS: usize = 2_000;

/// Several series over one x axis.
#[derive(Clone, Debug, PartialEq)]
pub struct LineChart {
    /// Told by screen readers and shown on hovering; not drawn, since a page has headings.
    pub title: String,
    /// What the chart says, for whom it cannot be seen.
    pub description: String,
    /// The axis along the bottom.
    pub x: Axis,
    /// The axis on the left.
    pub y: Axis,
    /// The first six have colours and dashes of their own.
    pub series: Vec<Series>,
}

/// One line of a [`LineChart`].
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// For the legend, which a single series without band does not have.
    pub name: String,
    /// In ascending order of x.
    pub points: Vec<(f64, f64)>,
    /// How points are connected.
    pub shape: Shape,
    /// Where y may lie, as `(x, lowest, highest)`; drawn as a pale area.
    pub band: Vec<(f64, f64, f64)>,
}

/// How the points of a [`Series`] are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Straight.
    Line,
    /// A value holds until the next.
    Steps,
    /// Straight, and filled down to 0.
    Area,
}

impl Series {
    /// A line without a band.
    #[must_use]
    pub fn line(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self { name: name.into(), points: points.into_iter().collect(), shape: Shape::Line, band: Vec::new() }
    }
}

impl LineChart {
    /// The SVG. The ID, of ASCII letters, digits, `-` and `_`, must be the page's only one.
    #[must_use]
    pub fn render(&self, id: &str) -> String {
        let mut plots = Vec::new();
        let mut legend = Vec::new();
        let mut extent = Extent::new();
        for (index, series) in self.series.iter().enumerate() {
            let colour = colours::of_series(index);
            let points =
                thinned(series.points.iter().copied().filter(|(x, y)| self.x.shows(*x) && self.y.shows(*y)));
            let band = thinned(series.band.iter().copied().filter(|(x, low, high)| {
                self.x.shows(*x) && self.y.shows(*low) && self.y.shows(*high) && low <= high
            }));
            if !band.is_empty() {
                band.iter().for_each(|(x, low, high)| {
                    extent.add(*x, *low);
                    extent.add(*x, *high);
                });
                let at = |of: fn(&(f64, f64, f64)) -> f64| band.iter().map(of).collect::<Vec<f64>>();
                plots.push(Plot::Band(
                    BandPlot::new(at(|b| b.0), at(|b| b.1), at(|b| b.2))
                        .with_color(colour)
                        .with_opacity(0.25),
                ));
            }
            points.iter().for_each(|(x, y)| extent.add(*x, *y));
            if series.shape == Shape::Area && !self.y.logarithmic {
                points.first().iter().for_each(|(x, _)| extent.add(*x, 0.0));
            }
            let dashes = dashes(index);
            let mut line =
                LinePlot::new().with_data(points).with_color(colour).with_stroke_width(2.0).with_line_style(
                    dashes.map_or(LineStyle::Solid, |dashes| LineStyle::Custom(dashes.into())),
                );
            match series.shape {
                Shape::Line => {}
                Shape::Steps => line = line.with_step(),
                Shape::Area if self.y.logarithmic => {}
                Shape::Area => line = line.with_fill().with_fill_opacity(0.2),
            }
            plots.push(Plot::Line(line));
            legend.push(LegendEntry {
                label: label(&series.name, 32),
                color: colour.into(),
                shape: LegendShape::Line,
                dasharray: dashes.map(Into::into),
            });
        }
        if legend.len() == 1 && self.series.iter().all(|series| series.band.is_empty()) {
            legend.clear();
        }

        let (x, y) = (or_empty(extent.x, &self.x), or_empty(extent.y, &self.y));
        let mut layout = figure::legend(figure::layout(&plots, 260.0, &self.x.label, &self.y.label), legend)
            .with_y_tick_format(self.y.unit.ticks());
        if self.x.unit == Unit::Time {
            let (from, to) = (x.0, x.1.max(x.0 + 1.0));
            layout = layout.with_x_datetime(calendar(from, to)).with_x_axis_min(from).with_x_axis_max(to);
        } else {
            layout = layout.with_x_tick_format(self.x.unit.ticks());
        }
        if self.x.logarithmic {
            layout = layout.with_log_x();
        }
        if self.y.logarithmic {
            layout = layout.with_log_y();
        }
        layout.x_range = x;
        layout.y_range = y;
        figure::svg(&Words { id, title: &self.title, description: &self.description }, plots, layout)
    }
}

/// Series are told apart without colour, too.
fn dashes(index: usize) -> Option<&'static str> {
    [None, Some("7 3"), Some("2 3"), Some("8 3 2 3"), Some("12 4"), Some("4 2")][index % 6]
}

fn thinned<T: Copy>(all: impl Iterator<Item = T>) -> Vec<T> {
    let all: Vec<T> = all.collect();
    if all.len() <= MAX_POINTS {
        return all;
    }
    (0..MAX_POINTS).map(|i| all[i * (all.len() - 1) / (MAX_POINTS - 1)]).collect()
}

/// The smallest rectangle around what is drawn; empty while low is above high.
struct Extent {
    x: (f64, f64),
    y: (f64, f64),
}

impl Extent {
    fn new() -> Self {
        let nothing = (f64::INFINITY, f64::NEG_INFINITY);
        Self { x: nothing, y: nothing }
    }

    fn add(&mut self, x: f64, y: f64) {
        self.x = (self.x.0.min(x), self.x.1.max(x));
        self.y = (self.y.0.min(y), self.y.1.max(y));
    }
}
