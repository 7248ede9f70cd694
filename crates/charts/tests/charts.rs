//! Charts are well-formed, safe under a strict policy, and show their numbers where they belong.

use ascribe_charts::{Axis, Bar, BarChart, Direction, LineChart, Series, Shape, Unit, Value};
use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// The elements of an SVG with their attributes, and all text. Panics unless it is well-formed XML.
fn read(svg: &str) -> (Vec<BytesStart<'static>>, Vec<String>) {
    let mut reader = Reader::from_str(svg);
    reader.config_mut().check_end_names = true;
    let (mut elements, mut texts, mut text, mut depth) = (Vec::new(), Vec::new(), String::new(), 0);
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error}: {svg}")) {
            Event::Start(start) => {
                depth += 1;
                elements.push(start.into_owned());
            }
            Event::Empty(start) => elements.push(start.into_owned()),
            Event::End(_) => {
                depth -= 1;
                if !text.is_empty() {
                    texts.push(std::mem::take(&mut text));
                }
            }
            Event::Text(part) => text.push_str(part.decode().expect("UTF-8").trim_matches('\n')),
            Event::GeneralRef(name) => text.push_str(match &*name.decode().expect("UTF-8") {
                "amp" => "&",
                "lt" => "<",
                "gt" => ">",
                "quot" => "\"",
                "apos" | "#39" => "'",
                other => panic!("&{other};"),
            }),
            Event::Eof => break,
            other => panic!("no place for {other:?}"),
        }
    }
    assert_eq!(depth, 0);
    for element in &elements {
        for attribute in element.attributes() {
            let attribute = attribute.expect("well-formed");
            let name = String::from_utf8_lossy(attribute.key.as_ref()).into_owned();
            assert!(name != "style" && !name.starts_with("on") && !name.contains("href"), "{name}: {svg}");
        }
        assert!(
            !["style", "script", "foreignObject", "image", "a"].contains(&name(element).as_str()),
            "{svg}"
        );
    }
    (elements, texts)
}

fn name(element: &BytesStart<'_>) -> String {
    String::from_utf8_lossy(element.name().as_ref()).into_owned()
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = element.try_get_attribute(name).expect("well-formed")?;
    Some(String::from_utf8_lossy(&attribute.value).into_owned())
}

fn number(element: &BytesStart<'_>, name: &str) -> f64 {
    attribute(element, name).unwrap_or_else(|| panic!("no {name}")).parse().expect("a number")
}

/// The rectangles that have the colour of a series, as (x, y, width, height).
fn bars(elements: &[BytesStart<'_>], series: usize) -> Vec<[f64; 4]> {
    let colour = format!("var(--chart-{series},");
    elements
        .iter()
        .filter(|e| name(e) == "rect" && attribute(e, "fill").is_some_and(|fill| fill.starts_with(&colour)))
        .map(|e| ["x", "y", "width", "height"].map(|name| number(e, name)))
        .collect()
}

fn bar_chart(direction: Direction, bars: Vec<Bar>) -> BarChart {
    BarChart {
        title: "title".into(),
        description: "description".into(),
        values: Axis::new("things", Unit::Count),
        direction,
        series: vec!["measured".into()],
        truth: "true".into(),
        bars,
    }
}

fn bar(label: &str, value: f64) -> Bar {
    Bar { label: label.into(), values: vec![Value { value, ..Value::default() }] }
}

#[test]
fn the_first_bar_is_on_top_and_lengths_are_in_proportion() {
    let svg =
        bar_chart(Direction::Right, vec![bar("a", 400.0), bar("b", 100.0), bar("c", 200.0)]).render("bars");
    let (elements, texts) = read(&svg);
    let mut bars = bars(&elements, 1);
    bars.sort_by(|a, b| a[1].total_cmp(&b[1]));
    let lengths: Vec<f64> = bars.iter().map(|bar| bar[2]).collect();
    assert!((lengths[0] / lengths[1] - 4.0).abs() < 0.01, "{lengths:?}");
    assert!((lengths[0] / lengths[2] - 2.0).abs() < 0.01, "{lengths:?}");
    for text in ["title", "description", "a", "b", "c", "things", "400"] {
        assert!(texts.iter().any(|t| t == text), "{text}: {texts:?}");
    }
}

#[test]
fn bars_upwards_are_from_left_to_right() {
    let svg = bar_chart(Direction::Up, vec![bar("a", 10.0), bar("b", 5.0)]).render("bars");
    let bars = bars(&read(&svg).0, 1);
    assert!(bars[0][0] < bars[1][0]);
    assert!((bars[0][3] / bars[1][3] - 2.0).abs() < 0.01, "{bars:?}");
}

#[test]
fn whiskers_and_truths_are_at_their_numbers() {
    // The bar from 0 to 100 gives the scale: the whisker is to go from 80 to 150, though it is no centre of it.
    let value = Value { value: 100.0, interval: Some((80.0, 150.0)), truth: Some(120.0) };
    let svg =
        bar_chart(Direction::Right, vec![Bar { label: "a".into(), values: vec![value] }]).render("bars");
    let (elements, texts) = read(&svg);
    let [left, top, length, height] = bars(&elements, 1)[0];
    let x = |value: f64| left + length * value / 100.0;
    let ink: Vec<_> = elements
        .iter()
        .filter(|e| {
            name(e) == "line" && attribute(e, "stroke").is_some_and(|s| s.starts_with("var(--chart-ink"))
        })
        .map(|e| ["x1", "y1", "x2", "y2"].map(|name| number(e, name)))
        .collect();
    let near = |a: f64, b: f64| (a - b).abs() < 0.1;
    assert!(
        ink.iter().any(|[x1, y1, x2, y2]| near(*x1, x(80.0))
            && near(*x2, x(150.0))
            && near(*y1, top + height / 2.0)
            && y1 == y2),
        "{ink:?}, bar from {left} for {length}"
    );
    let truth = elements
        .iter()
        .filter(|e| attribute(e, "fill").is_some_and(|fill| fill.starts_with("var(--chart-truth")))
        .filter_map(|e| attribute(e, "d"))
        .find(|path| {
            let numbers: Vec<f64> = path
                .split(|c: char| !c.is_ascii_digit() && c != '.')
                .filter_map(|n| n.parse().ok())
                .collect();
            let xs: Vec<f64> = numbers.iter().step_by(2).copied().collect();
            near(
                xs.iter().copied().fold(f64::MAX, f64::min).midpoint(xs.iter().copied().fold(0.0, f64::max)),
                x(120.0),
            )
        });
    assert!(truth.is_some(), "no mark at {}: {svg}", x(120.0));
    assert!(texts.contains(&"true".to_owned()));
}

#[test]
fn a_line_without_points_is_an_empty_chart() {
    for unit in [Unit::Count, Unit::Number, Unit::Share, Unit::Seconds, Unit::Time] {
        for axis in [Axis::new("x", unit), Axis::new("x", unit).logarithmic()] {
            let chart = LineChart {
                title: String::new(),
                description: String::new(),
                x: axis.clone(),
                y: axis,
                series: vec![Series::line("none", [])],
            };
            read(&chart.render("empty"));
        }
    }
    read(&bar_chart(Direction::Right, Vec::new()).render("empty"));
    read(&bar_chart(Direction::Up, Vec::new()).render("empty"));
}

#[test]
fn text_is_text_whatever_it_says() {
    let said = "<script>alert(1)</script> & \"quoted\" 'too'";
    let mut chart = bar_chart(Direction::Right, vec![bar("$5 & $10", 1.0), bar("a\\$b", 2.0)]);
    chart.title = said.into();
    chart.description = said.into();
    chart.series = vec![said.into(), "\u{0}\u{1b}[31m\nnext".into()];
    let svg = chart.render("\"><script>");
    let (elements, texts) = read(&svg);
    assert_eq!(texts.iter().filter(|text| *text == said).count(), 2, "{texts:?}");
    assert!(texts.contains(&"$5 & $10".to_owned()), "{texts:?}");
    assert!(texts.contains(&"a\\$b".to_owned()), "{texts:?}");
    assert!(texts.contains(&"[31m next".to_owned()), "{texts:?}");
    assert_eq!(
        attribute(&elements[0], "aria-labelledby").as_deref(),
        Some("script-title script-description")
    );
}

#[test]
fn the_same_chart_is_the_same_text_and_its_identifiers_are_its_own() {
    let chart = bar_chart(Direction::Right, vec![bar("a", 1.0)]);
    assert_eq!(chart.render("one"), chart.render("one"));
    let ids = |svg: &str| -> Vec<String> { read(svg).0.iter().filter_map(|e| attribute(e, "id")).collect() };
    let (one, two) = (ids(&chart.render("one")), ids(&chart.render("two")));
    assert!(!one.is_empty() && one.iter().all(|id| id.starts_with("one-")), "{one:?}");
    assert!(two.iter().all(|id| id.starts_with("two-")), "{two:?}");
}

fn anything() -> impl Strategy<Value = f64> {
    prop_oneof![
        proptest::num::f64::ANY,
        -1e3..1e3,
        0.0..2e9,
        Just(0.0),
        Just(1e15),
        Just(1e-15),
        Just(f64::NAN)
    ]
}

fn axis() -> impl Strategy<Value = Axis> {
    let unit = prop_oneof![
        Just(Unit::Count),
        Just(Unit::Number),
        Just(Unit::Share),
        Just(Unit::Seconds),
        Just(Unit::Time)
    ];
    (".{0,80}", unit, any::<bool>()).prop_map(|(label, unit, logarithmic)| Axis { label, unit, logarithmic })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_line_chart_is_a_bounded_well_formed_image(
        title in ".*", x in axis(), y in axis(),
        series in prop::collection::vec(
            (".*", prop::collection::vec((anything(), anything()), 0..20),
             prop::collection::vec((anything(), anything(), anything()), 0..5), 0..3usize), 0..8),
    ) {
        let series = series.into_iter().map(|(name, points, band, shape)| Series {
            name, points, band, shape: [Shape::Line, Shape::Steps, Shape::Area][shape],
        }).collect();
        let svg = LineChart { title, description: String::new(), x, y, series }.render("any");
        read(&svg);

        prop_assert!(svg.len() < 200_000, "{}", svg.len());
    }

    #[test]
    fn any_bar_chart_is_a_bounded_well_formed_image(
        values in axis(), right in any::<bool>(), series in prop::collection::vec(".*", 0..4),
        bars in prop::collection::vec(
            (".*", prop::collection::vec(
                (anything(), prop::option::of((anything(), anything())), prop::option::of(anything())), 0..4)), 0..8),
    ) {
        let bars = bars.into_iter().map(|(label, values)| Bar {
            label,
            values: values.into_iter().map(|(value, interval, truth)| Value { value, interval, truth }).collect(),
        }).collect();
        let direction = if right { Direction::Right } else { Direction::Up };
        let chart = BarChart { values, series, ..bar_chart(direction, bars) };
        let svg = chart.render("any");
        read(&svg);
        prop_assert!(svg.len() < 200_000, "{}", svg.len());
    }
}

#[test]
fn many_points_are_thinned_and_the_last_is_kept() {
    let points = (0..1_000_000).map(|n| (f64::from(n), f64::from(n % 7)));
    let chart = LineChart {
        title: String::new(),
        description: String::new(),
        x: Axis::new("", Unit::Number),
        y: Axis::new("", Unit::Number),
        series: vec![Series::line("many", points)],
    };
    let svg = chart.render("many");
    assert!(svg.len() < 100_000, "{}", svg.len());
    assert!(read(&svg).1.contains(&"1M".to_owned()));
}
