//! Parts that several pages have.

use ascribe_reports::Time;
use maud::{Markup, PreEscaped, html};

use super::filter::{Query, relative, written};
use crate::campaigns::Campaigns;

/// A moment, and how long ago it is.
pub(super) fn time(time: Time, now: Time) -> Markup {
    html! { time title=(relative(time, now)) { (written(time)) } }
}

/// 1234567 as `1,234,567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with as many decimals as it needs: `1,234`, `12.3`, `-0.25`.
pub(super) fn number(number: f64) -> String {
    let rounded = match number.abs() {
        size if !size.is_finite() => return "–".to_owned(),
        size if size >= 100.0 => {
            let sign = if number < 0.0 { "-" } else { "" };
            return format!("{sign}{}", count(size.round() as u64));
        }
        size if size >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    };
    let short = rounded.trim_end_matches('0').trim_end_matches('.');
    if short == "-0" { "0".to_owned() } else { short.to_owned() }
}

/// A chart that the charts crate drew, which escapes all texts.
pub(super) fn chart(svg: String) -> Markup {
    html! { div.chart { (PreEscaped(svg)) } }
}

/// Links to the table of this page as a file.
pub(super) fn exports(path: &str, query: &Query) -> Markup {
    html! {
        span.exports {
            a.button href=(format!("{path}?{}", query.with(&[("format", "csv")]))) download { "CSV" }
            a.button href=(format!("{path}?{}", query.with(&[("format", "json")]))) download { "JSON" }
        }
    }
}

/// Links to the newest part of a list, and to the next.
pub(super) fn pager(path: &str, query: &Query, is_first: bool, next: Option<i64>) -> Markup {
    html! {
        @if !is_first || next.is_some() {
            nav.pager aria-label="Parts of the list" {
                @if !is_first { a.button href=(format!("{path}?{}", query.with(&[]))) { "Newest" } }
                @if let Some(next) = next {
                    a.button rel="next" href=(format!("{path}?{}", query.with(&[("before", &next.to_string())]))) { "Older" }
                }
            }
        }
    }
}

/// The fields of a filter that reports of all kinds have.
pub(super) fn report_fields(query: &Query, campaigns: &Campaigns) -> Markup {
    html! {
        label { "Campaign"
            select name="campaign" {
                option value="" { "any" }
                @for campaign in &campaigns.campaigns {
                    option value=(campaign.name) selected[*campaign.name == *query.value("campaign")] { (campaign.name) }
                }
            }
        }
        label { "Destination" input type="text" name="destination" value=(query.value("destination")) placeholder="https://shop.example" spellcheck="false" autocomplete="off"; }
        label { "Source event ID" input type="text" name="source_event_id" value=(query.value("source_event_id")) inputmode="numeric" spellcheck="false" autocomplete="off"; }
        label { "From (UTC)" input type="text" name="from" value=(query.value("from")) placeholder="2026-01-31" spellcheck="false" autocomplete="off"; }
        label { "Until (UTC)" input type="text" name="until" value=(query.value("until")) placeholder="2026-01-31T18:00" spellcheck="false" autocomplete="off"; }
    }
}

/// A body in JSON, laid out.
pub(super) fn json(text: &str) -> Markup {
    let pretty = serde_json::from_str::<serde_json::Value>(text)
        .ok()
        .and_then(|value| serde_json::to_string_pretty(&value).ok())
        .unwrap_or_else(|| text.to_owned());
    raw(&pretty)
}

/// Text as it is, cut where it is longer than people read.
pub(super) fn raw(text: &str) -> Markup {
    const LONGEST: usize = 8000;
    let end = text.char_indices().nth(LONGEST).map(|(at, _)| at);
    html! {
        pre { (text[..end.unwrap_or(text.len())]) }
        @if end.is_some() { p.hint { "Longer: the export has all of it." } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_short() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0.0, -0.001, 1.5, 12.34, -1234.5, f64::NAN].map(number),
            ["0", "0", "1.5", "12.3", "-1,235", "–"]
        );
    }

    #[test]
    fn a_long_body_is_cut_between_characters() {
        let shown = json(&format!("\"{}\"", "é".repeat(9000))).into_string();
        assert!(shown.contains("Longer: the export has all of it."));
        assert_eq!(shown.matches('é').count(), 7999, "after the quotation mark");
    }
}
