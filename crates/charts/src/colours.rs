//! Colours: custom properties that a stylesheet sets, with the light ones to fall back to.

/// Sets the colours of charts for light and dark, and their size; to be part of the page's own stylesheet.
///
/// Each property (`--chart-1` to `--chart-6` for series, `--chart-ink`, `--chart-soft`, `--chart-grid` for
/// text, axes and grid, `--chart-truth` for known values) can be set anew on `.ascribe-chart`. Series keep a
/// contrast of at least 3 to 1 to white, or to black-blue in the dark, and differ in lightness as well as hue.
pub const STYLESHEET: &str = "\
.ascribe-chart {
  display: block; width: 100%; max-width: 40rem; height: auto;
  font-family: system-ui, sans-serif;
  --chart-ink: #1b1f24; --chart-soft: #59636e; --chart-grid: #dde1e6; --chart-truth: #1b1f24;
  --chart-1: #0072b2; --chart-2: #c44601; --chart-3: #00795a;
  --chart-4: #9a4c86; --chart-5: #946200; --chart-6: #4d4d4d;
}
@media (prefers-color-scheme: dark) {
  .ascribe-chart {
    --chart-ink: #e6edf3; --chart-soft: #9aa5b1; --chart-grid: #343b44; --chart-truth: #ffffff;
    --chart-1: #56b4e9; --chart-2: #f08a4b; --chart-3: #2fc79a;
    --chart-4: #dd95c0; --chart-5: #e6b422; --chart-6: #c8c8c8;
  }
}
";

pub(crate) const INK: &str = "var(--chart-ink, #1b1f24)";
pub(crate) const SOFT: &str = "var(--chart-soft, #59636e)";
pub(crate) const GRID: &str = "var(--chart-grid, #dde1e6)";
pub(crate) const TRUTH: &str = "var(--chart-truth, #1b1f24)";

/// The colour of the series of this index; they repeat.
pub(crate) fn of_series(index: usize) -> &'static str {
    const COLOURS: [&str; 6] = [
        "var(--chart-1, #0072b2)",
        "var(--chart-2, #c44601)",
        "var(--chart-3, #00795a)",
        "var(--chart-4, #9a4c86)",
        "var(--chart-5, #946200)",
        "var(--chart-6, #4d4d4d)",
    ];
    COLOURS[index % COLOURS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The relative luminance of `#rrggbb`, as WCAG 2 defines it.
    fn luminance(colour: &str) -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).expect("hexadecimal")) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    fn properties(of: &str) -> Vec<(&str, &str)> {
        of.split([';', '{'])
            .filter_map(|rule| rule.trim().split_once(": "))
            .filter(|(name, _)| name.starts_with("--chart-"))
            .collect()
    }

    #[test]
    fn every_colour_stands_out_in_light_and_dark() {
        let (light, dark) = STYLESHEET.split_once("@media").expect("two schemes");
        for (properties, background) in [(properties(light), "#ffffff"), (properties(dark), "#0d1117")] {
            assert_eq!(properties.len(), 10, "{properties:?}");
            for (name, colour) in properties {
                let least = match name {
                    "--chart-grid" => 1.2,
                    "--chart-ink" | "--chart-soft" => 4.5, // text
                    _ => 3.0,
                };
                let contrast = contrast(colour, background);
                assert!(contrast >= least, "{name} {colour} on {background}: {contrast:.2}");
            }
        }
    }

    #[test]
    fn without_a_stylesheet_the_colours_are_the_light_ones() {
        let (light, _) = STYLESHEET.split_once("@media").expect("two schemes");
        let light = properties(light);
        for fallback in [INK, SOFT, GRID, TRUTH].into_iter().chain((0..6).map(of_series)) {
            let (name, colour) =
                fallback["var(".len()..].trim_end_matches(')').split_once(", ").expect("a fallback");
            assert!(light.contains(&(name, colour)), "{fallback}");
        }
    }
}
