//! Recorded inputs: what happened to one user, when.
//!
//! A case file holds the entries of one user with the reports that they lead to; a file of JSON Lines holds
//! one entry a line, each with its user. `docs/case-format.md` describes both.

use std::borrow::Cow;

use ascribe_engine::FakeReport;
use ascribe_reports::Time;
use serde::{Deserialize, Deserializer, de};
use serde_json::{Value, value::RawValue};

/// A case file.
#[derive(Debug, Deserialize)]
pub struct Case<'a> {
    /// What it shows.
    #[serde(default)]
    pub description: String,
    /// What differs from the base configuration; read by [`crate::apply_api_config`].
    #[serde(default)]
    pub api_config: serde_json::Map<String, Value>,
    /// What happens.
    #[serde(borrow)]
    pub input: Input<'a>,
    /// What it leads to, when it is known.
    #[serde(default)]
    pub output: Option<Output>,
}

/// What happens.
#[derive(Debug, Deserialize)]
pub struct Input<'a> {
    /// In the order of time.
    #[serde(borrow)]
    pub registrations: Vec<Entry<'a>>,
}

/// What it leads to.
#[derive(Debug, Deserialize)]
pub struct Output {
    /// In any order.
    pub reports: Vec<Value>,
}

/// One thing that happens.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Whose; only in JSON Lines.
    pub user: Option<Cow<'a, str>>,
    /// When.
    pub time: Time,
    /// What.
    pub event: Event<'a>,
}

/// What can happen.
#[derive(Debug)]
pub enum Event<'a> {
    /// A request was made, and answered in one or more hops.
    Registration(RegistrationRequest<'a>, Vec<RecordedResponse<'a>>),
    /// The network came (true) or went away: then each attempt to send fails.
    Connection(bool),
    /// The user navigated.
    Navigation,
    /// A reporting origin said `Clear-Site-Data: "storage"`.
    ClearSiteData(Cow<'a, str>),
}

/// `registration_request`.
#[derive(Debug, Deserialize)]
pub struct RegistrationRequest<'a> {
    /// The page's URL; only its origin counts.
    #[serde(borrow)]
    pub context_origin: Cow<'a, str>,
    /// The header that the request carried; none for a plain subresource.
    #[serde(borrow, default, deserialize_with = "text", rename = "Attribution-Reporting-Eligible")]
    pub eligible: Option<Cow<'a, str>>,
    /// Whether it came from a fenced frame.
    #[serde(default, deserialize_with = "or_default")]
    pub fenced: bool,
}

/// One hop.
#[derive(Debug, Deserialize)]
pub struct RecordedResponse<'a> {
    /// The responding URL; only its origin counts.
    #[serde(borrow)]
    pub url: Cow<'a, str>,
    /// When, if not at the time of the entry.
    #[serde(default, deserialize_with = "optional_time")]
    pub timestamp: Option<Time>,
    /// Whether the responding origin has access to third-party cookies.
    #[serde(default, deserialize_with = "or_default")]
    pub debug_permission: bool,
    /// The headers.
    #[serde(borrow)]
    pub response: RecordedHeaders<'a>,
    /// The draw of a randomized response: absent or null for "not noised", else the fake reports.
    #[serde(default)]
    pub randomized_response: Option<Vec<RecordedFakeReport>>,
    /// The draws of null reports: the days before the trigger for which there is one.
    #[serde(default, deserialize_with = "or_default")]
    pub null_aggregatable_reports_days: Vec<u32>,
    /// The draws of the delays of aggregatable reports, in milliseconds: the true report's, then those of null
    /// reports by their day. Where there is none, it is the longest.
    #[serde(default, deserialize_with = "or_default")]
    pub aggregatable_report_delays: Vec<u32>,
}

/// Registration headers: objects as they are, or strings that hold the header's text. Names in any case; other
/// headers of a recorded response are ignored. A header that is present is `Some`, even if it is null.
#[derive(Debug, Default)]
pub struct RecordedHeaders<'a> {
    /// `Attribution-Reporting-Register-Source`.
    pub register_source: Option<&'a RawValue>,
    /// `Attribution-Reporting-Register-Trigger`.
    pub register_trigger: Option<&'a RawValue>,
    /// `Attribution-Reporting-Register-OS-Source`.
    pub register_os_source: Option<&'a RawValue>,
    /// `Attribution-Reporting-Register-OS-Trigger`.
    pub register_os_trigger: Option<&'a RawValue>,
    /// `Attribution-Reporting-Info`.
    pub info: Option<&'a RawValue>,
}

impl<'de: 'a, 'a> Deserialize<'de> for RecordedHeaders<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = RecordedHeaders<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of headers")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut headers = RecordedHeaders::default();
                while let Some(HeaderName(name)) = map.next_key()? {
                    let value: &'de RawValue = map.next_value()?;
                    if let Some(header) = headers.by_name(&name) {
                        *header = Some(value);
                    }
                }
                Ok(headers)
            }
        }

        deserializer.deserialize_map(Visitor)
    }
}

#[derive(Deserialize)]
struct HeaderName<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> RecordedHeaders<'a> {
    fn by_name(&mut self, name: &str) -> Option<&mut Option<&'a RawValue>> {
        const PREFIX: &str = "attribution-reporting-";
        let (prefix, rest) = name.split_at_checked(PREFIX.len())?;
        if !prefix.eq_ignore_ascii_case(PREFIX) {
            return None;
        }
        let headers = [
            ("register-source", &mut self.register_source),
            ("register-trigger", &mut self.register_trigger),
            ("register-os-source", &mut self.register_os_source),
            ("register-os-trigger", &mut self.register_os_trigger),
            ("info", &mut self.info),
        ];
        headers.into_iter().find(|(name, _)| rest.eq_ignore_ascii_case(name)).map(|(_, header)| header)
    }
}

/// A fake report of a noised source.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct RecordedFakeReport {
    /// One of the source's trigger data.
    #[serde(deserialize_with = "lenient_number")]
    pub trigger_data: u32,
    /// The index of one of its windows.
    #[serde(deserialize_with = "lenient_number")]
    pub report_window_index: u32,
}

impl From<RecordedFakeReport> for FakeReport {
    fn from(fake: RecordedFakeReport) -> Self {
        Self { trigger_data: fake.trigger_data, window: fake.report_window_index as usize }
    }
}

#[derive(Deserialize)]
struct RawEntry<'a> {
    #[serde(borrow, default, deserialize_with = "text")]
    user: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "time")]
    timestamp: Time,
    #[serde(borrow, default)]
    registration_request: Option<RegistrationRequest<'a>>,
    #[serde(borrow, default)]
    responses: Option<Vec<RecordedResponse<'a>>>,
    #[serde(default)]
    connection: Option<bool>,
    #[serde(default)]
    navigation: Option<bool>,
    #[serde(borrow, default, deserialize_with = "text")]
    clear_site_data: Option<Cow<'a, str>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Entry<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawEntry::deserialize(deserializer)?;
        let registration = (raw.registration_request, raw.responses);
        let event = match (registration, raw.connection, raw.navigation, raw.clear_site_data) {
            ((Some(request), Some(responses)), None, None, None) => Event::Registration(request, responses),
            ((None, None), Some(connection), None, None) => Event::Connection(connection),
            ((None, None), None, Some(true), None) => Event::Navigation,
            ((None, None), None, None, Some(origin)) => Event::ClearSiteData(origin),
            _ => {
                return Err(de::Error::custom(
                    "an entry has either `registration_request` and `responses`, or `connection`, or \
                     `navigation: true`, or `clear_site_data`",
                ));
            }
        };
        Ok(Self { user: raw.user, time: raw.timestamp, event })
    }
}

/// 100 million days either way, as for dates in JavaScript: sums of times never meet the end of the range.
const MAX_MILLIS: i64 = 8_640_000_000_000_000;

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
    let millis: i64 = lenient_number(deserializer)?;
    if !(-MAX_MILLIS..=MAX_MILLIS).contains(&millis) {
        return Err(de::Error::custom(format_args!(
            "timestamp {millis} is not within 100 million days of 1970"
        )));
    }
    Ok(Time::from_millis(millis))
}

fn optional_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    #[derive(Deserialize)]
    struct Present(#[serde(deserialize_with = "time")] Time);
    Ok(Option::<Present>::deserialize(deserializer)?.map(|Present(time)| time))
}

/// A string that is borrowed where it can be, as within an `Option` it otherwise never is.
fn text<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'a, str>>, D::Error> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    Ok(Option::<Text<'a>>::deserialize(deserializer)?.map(|Text(text)| text))
}

/// Null is as good as absent.
fn or_default<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A decimal string, or a JSON number.
fn lenient_number<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: std::str::FromStr + TryFrom<i64>,
    D: Deserializer<'de>,
{
    struct Visitor<T>(std::marker::PhantomData<T>);

    impl<T: std::str::FromStr + TryFrom<i64>> de::Visitor<'_> for Visitor<T> {
        type Value = T;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a whole number, as a decimal string or a number")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
            number.try_into().map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
            let unexpected = de::Unexpected::Unsigned(number);
            let signed = i64::try_from(number).map_err(|_| E::invalid_value(unexpected, &self))?;
            self.visit_i64(signed)
        }
    }

    deserializer.deserialize_any(Visitor(std::marker::PhantomData))
}
