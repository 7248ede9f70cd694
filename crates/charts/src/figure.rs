//! From a chart's plots to the text of its SVG.

use kuva::backend::svg::SvgBackend;
use kuva::prelude::{Layout, LegendEntry, LegendPosition, Plot, Theme, render_multiple};
use kuva::render::layout::AxisLabelOverlap;
use kuva::render::render::Primitive;

use crate::axis::Axis;
use crate::colours;
use crate::label::{escaped, label};

/// In units of the view box, which are CSS pixels at that width. Text of 12 is still read when a phone shows
/// it at three quarters of that.
const WIDTH: f64 = 480.0;
const TEXT: u32 = 12;
const LONGEST_LABEL: usize = 60;
const LONGEST_DESCRIPTION: usize = 2_000;

/// What a chart says of itself.
pub(crate) struct Words<'a> {
    /// Makes the identifiers in the SVG the page's only ones.
    pub(crate) id: &'a str,
    pub(crate) title: &'a str,
    pub(crate) description: &'a str,
}

pub(crate) fn layout(plots: &[Plot], height: f64, x_label: &str, y_label: &str) -> Layout {
    let mut theme = Theme::light();
    theme.background = "none".into();
    theme.axis_color = colours::SOFT.into();
    theme.tick_color = colours::SOFT.into();
    theme.grid_color = colours::GRID.into();
    theme.text_color = colours::INK.into();
    theme.legend_bg = "none".into();
    theme.legend_border = "none".into();
    let mut layout = Layout::auto_from_plots(plots)
        .with_width(WIDTH)
        .with_height(height)
        .with_theme(theme)
        .with_label_size(TEXT)
        .with_tick_size(TEXT)
        .with_body_size(TEXT)
        .with_legend_position(LegendPosition::OutsideBottomColumns)
        .with_legend_box(false)
        .with_x_label_overlap(AxisLabelOverlap::Thin);
    if !x_label.is_empty() {
        layout = layout.with_x_label(label(x_label, LONGEST_LABEL));
    }
    if !y_label.is_empty() {
        layout = layout.with_y_label(label(y_label, LONGEST_LABEL));
    }
    layout
}

/// What an axis adds to a layout that is not the same for both of them.
pub(crate) fn legend(layout: Layout, entries: Vec<LegendEntry>) -> Layout {
    if entries.is_empty() { layout } else { layout.with_legend_entries(entries) }
}

/// The SVG of a chart.
pub(crate) fn svg(words: &Words<'_>, plots: Vec<Plot>, layout: Layout) -> String {
    let id: String =
        words.id.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
    let mut scene = render_multiple(plots, layout);
    scene.background_color = None;
    scene.font_family = None; // the page's
    // The numbers that `kuva` gives are the process's; a chart is to be the same text each time.
    let clip = format!("{id}-plot");
    scene.defs.clear();
    for element in &mut scene.elements {
        if let Primitive::ClipStart { x, y, width, height, id } = element {
            scene.defs.push(format!(
                r#"<clipPath id="{clip}"><rect x="{x:.2}" y="{y:.2}" width="{width:.2}" height="{height:.2}"/></clipPath>"#
            ));
            id.clone_from(&clip);
        }
    }
    let drawn = SvgBackend::new().render_scene(&scene);
    let content = drawn.split_once("-->").map_or("", |(_, content)| content);
    let (width, height) = (scene.width, scene.height);
    let (title, description) =
        (escaped(words.title, LONGEST_DESCRIPTION), escaped(words.description, LONGEST_DESCRIPTION));
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" class="ascribe-chart" role="img" viewBox="0 0 {width:.0} {height:.0}" aria-labelledby="{id}-title {id}-description" fill="{ink}" font-family="system-ui, sans-serif"><title id="{id}-title">{title}</title><desc id="{id}-description">{description}</desc>{content}"#,
        ink = colours::INK,
    )
}

/// Whether the plots would have nothing to scale an axis by.
pub(crate) fn or_empty(values: (f64, f64), axis: &Axis) -> (f64, f64) {
    let (low, high) = values;
    match (low <= high, axis.logarithmic) {
        (true, _) => (low, high),
        (false, true) => (1.0, 10.0),
        (false, false) => (0.0, 1.0),
    }
}
