//! What a page is asked for, as its query says it.

use std::fmt::Write;

use ascribe_reports::Time;
use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta};
use http::StatusCode;
use serde::Deserialize;

use super::layout::NoPage;
use crate::{
    campaigns::Campaigns,
    store::{PageOf, ReportFilter},
};

/// The query as it comes; what is empty was not said. Its fields are the names in URLs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Query {
    from: String,
    until: String,
    campaign: String,
    destination: String,
    source_event_id: String,
    #[serde(rename = "type")]
    data_type: String,
    before: String,
    format: String,
    days: String,
    id: String,
    batch: String,
}

/// As what a table is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Html,
    Csv,
    Json,
}

/// A query of known values, with the text of each for the form.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub(super) query: Query,
    pub(super) report: ReportFilter,
    pub(super) data_type: Option<String>,
    pub(super) before: Option<i64>,
    pub(super) format: Format,
}

/// How many rows a page shows.
pub(super) const PAGE: u32 = 50;

impl Query {
    /// Understands it.
    ///
    /// # Errors
    /// At the first value that is none.
    pub(super) fn read(self, campaigns: &Campaigns) -> Result<Filter, NoPage> {
        let no = |what: String| NoPage::Asked(StatusCode::BAD_REQUEST, what);
        let time = |name: &str, text: &str, is_end: bool| match text {
            "" => Ok(None),
            text => moment(text, is_end).map(Some).ok_or_else(|| {
                no(format!("{name} is no time: write a day such as 2026-01-31, or 2026-01-31T18:00, in UTC."))
            }),
        };
        let campaign = match self.campaign.as_str() {
            "" => None,
            text => match campaigns.campaign(text) {
                Some(campaign) => Some(campaign.number),
                None => Some(text.parse().map_err(|_| no("There is no such campaign in the file.".into()))?),
            },
        };
        let report = ReportFilter {
            from: time("from", &self.from, false)?,
            until: time("until", &self.until, true)?,
            campaign,
            destination: some(&self.destination).map(|site| site.trim_end_matches('/').to_owned()),
            source_event_id: some(&self.source_event_id)
                .map(|id| id.parse().map_err(|_| no("The source event ID is no 64-bit number.".into())))
                .transpose()?,
        };
        let before = some(&self.before)
            .map(|n| n.parse().map_err(|_| no("There is no such page of the list.".into())))
            .transpose()?;
        // Databases take no NUL, and no sender can have stored one.
        if [&self.destination, &self.data_type].iter().any(|text| text.contains(char::is_control)) {
            return Err(no("There are no control characters in sites and types.".into()));
        }
        let format = self.format()?;
        Ok(Filter {
            report,
            data_type: some(&self.data_type).map(str::to_owned),
            before,
            format,
            query: self,
        })
    }

    /// The job that is asked for.
    pub(super) fn job(&self) -> &str {
        &self.id
    }

    /// The batch that is asked for.
    pub(super) fn batch(&self) -> Option<i64> {
        self.batch.parse().ok()
    }

    /// How many days back, one of those that the page offers.
    pub(super) fn days(&self) -> i64 {
        self.days.parse().ok().filter(|days| DAYS.contains(days)).unwrap_or(7)
    }

    pub(super) fn format(&self) -> Result<Format, NoPage> {
        match self.format.as_str() {
            "" | "html" => Ok(Format::Html),
            "csv" => Ok(Format::Csv),
            "json" => Ok(Format::Json),
            _ => Err(NoPage::Asked(StatusCode::BAD_REQUEST, "The format is csv or json.".into())),
        }
    }

    /// The value of a field, for its form.
    pub(super) fn value(&self, field: &str) -> &str {
        match field {
            "from" => &self.from,
            "until" => &self.until,
            "campaign" => &self.campaign,
            "destination" => &self.destination,
            "source_event_id" => &self.source_event_id,
            "type" => &self.data_type,
            "days" => &self.days,
            "id" => &self.id,
            "batch" => &self.batch,
            _ => "",
        }
    }

    /// The same query with another format or another part of the list, as a URL's.
    pub(super) fn with(&self, more: &[(&str, &str)]) -> String {
        let fields =
            ["from", "until", "campaign", "destination", "source_event_id", "type", "days", "id", "batch"];
        let own = fields.into_iter().map(|field| (field, self.value(field)));
        let mut url = url::form_urlencoded::Serializer::new(String::new());
        for (field, value) in own.chain(more.iter().copied()).filter(|(_, value)| !value.is_empty()) {
            url.append_pair(field, value);
        }
        url.finish()
    }
}

/// The spans of the overview, in days.
pub(super) const DAYS: [i64; 4] = [1, 7, 30, 90];

impl Filter {
    /// The part of the list that a page shows; one row more tells whether there is a next part.
    pub(super) fn page(&self) -> PageOf {
        PageOf { before: self.before, limit: PAGE + 1 }
    }
}

fn some(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// A day or a minute in UTC; as an end, the end of the day.
fn moment(text: &str, is_end: bool) -> Option<Time> {
    let text = text.trim().trim_end_matches('Z');
    let moment = match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        Ok(day) if is_end => day.succ_opt()?.and_hms_opt(0, 0, 0)?,
        Ok(day) => day.and_hms_opt(0, 0, 0)?,
        Err(_) => {
            let minute = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M");
            minute.or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S")).ok()?
        }
    };
    Some(Time::from_millis(moment.and_utc().timestamp_millis()))
}

/// `2026-01-31 18:05:09`, in UTC.
pub(super) fn written(time: Time) -> String {
    match DateTime::from_timestamp_millis(time.as_millis()) {
        Some(time) => time.format("%Y-%m-%d %H:%M:%S").to_string(),
        None => format!("{} s", time.as_secs()),
    }
}

/// `2026-01-31T18:05:09Z`, for machines.
pub(super) fn iso(time: Time) -> String {
    match DateTime::from_timestamp_millis(time.as_millis()) {
        Some(time) => time.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        None => time.as_secs().to_string(),
    }
}

/// How long ago, or in how long: `3 h ago`.
pub(super) fn relative(time: Time, now: Time) -> String {
    let millis = now.as_millis().saturating_sub(time.as_millis());
    let span = TimeDelta::try_milliseconds(millis.saturating_abs()).unwrap_or(TimeDelta::MAX);
    let mut text = String::new();
    // Writing to memory does not fail.
    let _ = match span.num_seconds() {
        s if s < 60 => write!(text, "{s} s"),
        s if s < 3600 => write!(text, "{} min", s / 60),
        s if s < 48 * 3600 => write!(text, "{} h", s / 3600),
        s => write!(text, "{} d", s / 86_400),
    };
    if millis < 0 { format!("in {text}") } else { format!("{text} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_minutes_are_moments_and_an_end_is_the_days_end() {
        let at = |text, is_end| moment(text, is_end).map(Time::as_secs);
        assert_eq!(at("1970-01-02", false), Some(86_400));
        assert_eq!(at("1970-01-02", true), Some(2 * 86_400));
        assert_eq!(at("1970-01-02T01:30", true), Some(86_400 + 5400));
        assert_eq!(at("1970-01-02T00:00:01Z", false), Some(86_401));
        for wrong in ["yesterday", "2026-02-30", "2026-01-31T25:00", "-1", "999999999-01-01"] {
            assert_eq!(at(wrong, true), None, "{wrong}");
        }
    }

    #[test]
    fn times_are_written_for_people() {
        let now = Time::from_secs(1_700_000_000);
        assert_eq!(written(now), "2023-11-14 22:13:20");
        assert_eq!(relative(Time::from_secs(1_699_999_970), now), "30 s ago");
        assert_eq!(relative(Time::from_secs(1_700_007_300), now), "in 2 h");
        assert_eq!(written(Time::from_millis(i64::MAX)), "9223372036854775 s");
    }
}
