//! Prints a page with one chart of each kind: `cargo run -p ascribe-charts --example gallery > gallery.html`.

use ascribe_charts::{Axis, Bar, BarChart, Direction, LineChart, STYLESHEET, Series, Shape, Unit, Value};

#[expect(clippy::print_stdout, reason = "printing is what it is for")]
fn main() {
    let day = |n: f64| 1_774_000_000.0 + n * 86_400.0;
    let orders = LineChart {
        title: "Reports per day".into(),
        description: "Received and aggregated reports of two weeks.".into(),
        x: Axis::new("", Unit::Time),
        y: Axis::new("reports a day", Unit::Count),
        series: vec![
            Series {
                shape: Shape::Area,
                ..Series::line(
                    "received",
                    (0..14).map(|n| (day(f64::from(n)), 1200.0 + 300.0 * f64::from(n).sin())),
                )
            },
            Series::line(
                "aggregated",
                (0..14).map(|n| (day(f64::from(n)), 1000.0 + 250.0 * f64::from(n).sin())),
            ),
            Series {
                shape: Shape::Steps,
                ..Series::line(
                    "budget left",
                    (0..14).map(|n| (day(f64::from(n)), 1500.0 - 100.0 * f64::from(n))),
                )
            },
        ],
    };
    let error = LineChart {
        title: "Relative error by batch".into(),
        description: "The error falls with the length of the batch.".into(),
        x: Axis::new("batch", Unit::Seconds).logarithmic(),
        y: Axis::new("relative error", Unit::Share).logarithmic(),
        series: vec![Series {
            band: [3600.0, 86400.0, 604800.0].map(|x: f64| (x, 3000.0 / x * 0.8, 3000.0 / x * 1.2)).to_vec(),
            ..Series::line("expected", [3600.0, 86400.0, 604800.0].map(|x: f64| (x, 3000.0 / x)))
        }],
    };
    let value = |value: f64, half: f64, truth: f64| Value {
        value,
        interval: Some((value - half, value + half)),
        truth: Some(truth),
    };
    let campaigns = BarChart {
        title: "Purchases by campaign".into(),
        description: "Three campaigns with their intervals.".into(),
        values: Axis::new("purchases", Unit::Count),
        direction: Direction::Right,
        series: vec!["measured".into()],
        truth: "true".into(),
        bars: vec![
            Bar { label: "Spring sale & <more>".into(), values: vec![value(820.0, 90.0, 801.0)] },
            Bar { label: "Newsletter for $5 or $10".into(), values: vec![value(310.0, 90.0, 350.0)] },
            Bar {
                label: "A campaign with a very long name indeed".into(),
                values: vec![value(-12.0, 90.0, 2.0)],
            },
        ],
    };
    let split = BarChart {
        title: "Budget".into(),
        description: "Equal and best split.".into(),
        values: Axis::new("relative error", Unit::Share),
        direction: Direction::Up,
        series: vec!["equal split".into(), "best split".into()],
        truth: String::new(),
        bars: ["count", "value", "items"]
            .into_iter()
            .zip([(0.02, 0.03), (0.12, 0.08), (0.07, 0.06)])
            .map(|(label, (a, b))| Bar {
                label: label.into(),
                values: vec![
                    Value { value: a, interval: Some((a * 0.9, a * 1.1)), truth: None },
                    Value { value: b, ..Value::default() },
                ],
            })
            .collect(),
    };
    println!("<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'>");
    println!(
        "<style>{STYLESHEET} :root{{color-scheme:light dark}} main{{display:grid;grid-template-columns:repeat(auto-fit,minmax(20rem,1fr));gap:1rem}}</style><main>"
    );
    println!(
        "{}\n{}\n{}\n{}",
        orders.render("a"),
        error.render("b"),
        campaigns.render("c"),
        split.render("d")
    );
}
