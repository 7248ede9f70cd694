//! Charts as SVG text, for pages that a server writes and that run no script.
//!
//! [`LineChart`] draws what changes over time or with a setting; [`BarChart`] compares a few things, with the
//! interval in which each may lie and, where it is known, the truth. Both are plain data, and `render` is a
//! pure function of it: the same chart is the same text. Layout, ticks and text widths are `kuva`'s.
//!
//! # In a page
//!
//! The SVG goes into the HTML as it is. It holds no script, no style element and no style attribute, so that a
//! strict `Content-Security-Policy` shows it. Its colours are presentation attributes that name custom
//! properties; [`STYLESHEET`] sets them for light and dark, makes the chart as wide as its parent, and belongs
//! into the page's own stylesheet. A page that wants other colours sets the properties itself; without any
//! stylesheet the chart has its light colours.
//!
//! A screen reader hears the title and the description: the SVG is one image to it. Numbers that matter belong
//! into a table beside it.
//!
//! # What it takes
//!
//! Any text and any number: text is escaped, cut to what an axis has room for, and control characters are
//! left out; numbers that are not finite, or beyond ±10^15, are left out; of more than [`MAX_POINTS`] points
//! evenly spaced ones are drawn.
//!
//! ```
//! use ascribe_charts::{Axis, LineChart, Series, Unit};
//!
//! let chart = LineChart {
//!     title: "Orders".into(),
//!     description: "Orders a day rise from 12 to 19 within three days.".into(),
//!     x: Axis::new("", Unit::Time),
//!     y: Axis::new("orders a day", Unit::Count),
//!     series: vec![Series::line("orders", [(1_774_000_000.0, 12.0), (1_774_086_400.0, 15.0), (1_774_172_800.0, 19.0)])],
//! };
//! let svg = chart.render("orders");
//! assert!(svg.starts_with(r#"<svg xmlns="http://www.w3.org/2000/svg" class="ascribe-chart" role="img""#));
//! ```

mod axis;
mod bars;
mod colours;
mod figure;
mod label;
mod lines;

pub use axis::{Axis, Unit};
pub use bars::{Bar, BarChart, Direction, Value};
pub use colours::STYLESHEET;
pub use lines::{LineChart, MAX_POINTS, Series, Shape};
