//! Registrations served: sources by pixel, script, fetch and click, triggers by pixel, script and fetch.
//!
//! | path | for |
//! |---|---|
//! | `/source/NAME.gif`, `.js`, or neither | a view, or the background request of a click, of a campaign |
//! | `/click/NAME` | a click: a redirect to the landing page |
//! | `/conversion/NAME.gif`, `.js`, or neither | a conversion |
//!
//! What is answered is always of use to the page, whatever the tag says; whether it registers something depends
//! on what the request is eligible for. Nothing is stored, no cookie is read or set.

mod answer;
mod eligible;

use ascribe_headers::{HeaderName, Registrar, SourceType};
use ascribe_privacy::TriggerStates;
use axum::{
    Router,
    extract::{Path, Request, State},
    response::Response,
    routing::get,
};
use http::{HeaderMap, HeaderValue, header};

use self::{
    answer::{Answer, Form},
    eligible::Eligible,
};
use crate::{
    campaigns::{Campaign, Campaigns, Conversion, landing},
    collector::Inner,
    parameters::Parameters,
    store::ServedSource,
};

/// The parameter in which a click's tag asks for a landing page.
pub(crate) const LANDING: &str = "to";
/// The parameter in which a redirect back to us says how many further origins have been gone to.
const STEP: &str = "step";

pub(crate) fn routes() -> Router<Inner> {
    Router::new()
        .route("/source/{name}", get(source).post(source).options(answer::preflight))
        .route("/click/{name}", get(click))
        .route("/conversion/{name}", get(conversion).post(conversion).options(answer::preflight))
}

/// A view, or the background request of a click.
async fn source(State(collector): State<Inner>, Path(name): Path<String>, request: Request) -> Response {
    // Borrowed: extractors would copy all of them.
    let (headers, query) = (request.headers(), request.uri().query().unwrap_or_default());
    let (name, form) = Form::of(&name);
    let campaigns = collector.campaigns();
    let Some(campaign) = campaigns.campaign(name) else { return unknown(&collector, "source", headers) };
    let parameters = Parameters::parse(query);
    let mut answer = Answer::new(form, headers);
    let step = step(&parameters);
    if step == 0 {
        register_source(
            &collector,
            &campaigns,
            campaign,
            (&parameters, query),
            headers,
            "source",
            &mut answer,
        );
    }
    if let Some(further) = campaign.further_origins.get(step) {
        let next = back(&campaigns, "source", &[name, form.extension()].concat(), step + 1, None);
        answer.redirect(&further.url(name, query, &next));
    }
    answer.into_response()
}

/// A click: registers on the way to the landing page.
async fn click(State(collector): State<Inner>, Path(name): Path<String>, request: Request) -> Response {
    // Borrowed: extractors would copy all of them.
    let (headers, query) = (request.headers(), request.uri().query().unwrap_or_default());
    let campaigns = collector.campaigns();
    let Some(campaign) = campaigns.campaign(&name) else { return unknown(&collector, "click", headers) };
    let parameters = Parameters::parse(query);
    let Some((page, allowed)) = landing(&campaign.landing_pages, parameters.get(LANDING)) else {
        return unknown(&collector, "click", headers);
    };
    if !allowed {
        collector.metrics.refused_redirects.inc();
    }
    let mut answer = Answer::new(Form::Empty, headers);
    let step = step(&parameters);
    if step == 0 {
        register_source(
            &collector,
            &campaigns,
            campaign,
            (&parameters, query),
            headers,
            "click",
            &mut answer,
        );
    }
    match campaign.further_origins.get(step) {
        Some(further) => {
            let next = back(&campaigns, "click", &name, step + 1, Some(page.as_str()));
            answer.redirect(&further.url(&name, query, &next));
        }
        None => answer.redirect(page.as_str()),
    }
    answer.into_response()
}

/// A conversion.
async fn conversion(State(collector): State<Inner>, Path(name): Path<String>, request: Request) -> Response {
    // Borrowed: extractors would copy all of them.
    let (headers, query) = (request.headers(), request.uri().query().unwrap_or_default());
    let (name, form) = Form::of(&name);
    let campaigns = collector.campaigns();
    let Some(conversion) = campaigns.conversion(name) else {
        return unknown(&collector, "conversion", headers);
    };
    let mut answer = Answer::new(form, headers);
    let parameters = Parameters::parse(query);
    let step = step(&parameters);
    if step == 0 {
        register_trigger(&collector, &campaigns, conversion, query, headers, &mut answer);
    }
    if let Some(further) = conversion.further_origins.get(step) {
        let next = back(&campaigns, "conversion", &[name, form.extension()].concat(), step + 1, None);
        answer.redirect(&further.url(name, query, &next));
    }
    answer.into_response()
}

fn register_trigger(
    collector: &Inner,
    campaigns: &Campaigns,
    conversion: &Conversion,
    query: &str,
    headers: &HeaderMap,
    answer: &mut Answer,
) {
    let eligible = Eligible::of(headers);
    let outcome = match eligible.registrar(!conversion.os_urls.is_empty(), campaigns.preferred_platform) {
        _ if !eligible.trigger => eligible.refusal(),
        None => "web_not_supported",
        Some(Registrar::Os) => {
            let urls = conversion.os_urls.iter().map(|url| url.url(&conversion.name, query, ""));
            answer.header(HeaderName::RegisterOsTrigger.as_str(), &list(urls));
            "os_registered"
        }
        Some(Registrar::Web) => {
            let (trigger, unknown) = campaigns.trigger(conversion, &Parameters::parse(query));
            collector.metrics.not_understood.inc_by(unknown.into());
            register(answer, HeaderName::RegisterTrigger, &trigger.to_json(), campaigns);
            "registered"
        }
    };
    collector.metrics.registration("conversion", outcome);
}

fn register_source(
    collector: &Inner,
    campaigns: &Campaigns,
    campaign: &Campaign,
    (parameters, query): (&Parameters<'_>, &str),
    headers: &HeaderMap,
    kind: &'static str,
    answer: &mut Answer,
) {
    let eligible = Eligible::of(headers);
    let Some(source_type) = eligible.source else {
        return collector.metrics.registration(kind, eligible.refusal());
    };
    match eligible.registrar(!campaign.os_urls.is_empty(), campaigns.preferred_platform) {
        None => return collector.metrics.registration(kind, "web_not_supported"),
        Some(Registrar::Os) => {
            let urls = campaign.os_urls.iter().map(|url| url.url(&campaign.name, query, ""));
            answer.header(HeaderName::RegisterOsSource.as_str(), &list(urls));
            return collector.metrics.registration(kind, "os_registered");
        }
        Some(Registrar::Web) => {}
    }
    let Some((source, unknown)) = campaigns.source(campaign, source_type, parameters) else {
        return collector.metrics.registration(kind, "not_of_this_campaign");
    };
    collector.metrics.not_understood.inc_by(unknown.into());
    collector.metrics.registration(kind, "registered");
    collector.writer.count(served(campaign, source_type, &source, collector.clock.now()));
    register(answer, HeaderName::RegisterSource, &source.to_json(), campaigns);
}

fn served(
    campaign: &Campaign,
    source_type: SourceType,
    source: &ascribe_headers::SourceRegistration,
    now: ascribe_reports::Time,
) -> ServedSource {
    let states: TriggerStates = crate::campaigns::states(source);
    ServedSource {
        campaign: campaign.number,
        source_type,
        max_event_level_reports: states.max_event_level_reports(),
        trigger_data: states.trigger_data(),
        windows: states.windows(),
        epsilon: source.event_level_epsilon.get(),
        day: now.as_whole_days() / 86_400,
        count: 1,
    }
}

fn register(answer: &mut Answer, name: HeaderName, json: &str, campaigns: &Campaigns) {
    answer.header(name.as_str(), &ascii(json));
    if campaigns.report_header_errors {
        let info = ascribe_headers::RegistrationInfo { report_header_errors: true, preferred_platform: None };
        answer.header(HeaderName::Info.as_str(), &info.to_string());
    }
}

/// URLs as registrations with the operating system have them: a structured list of strings.
fn list(urls: impl Iterator<Item = String>) -> String {
    let item = |url: String| format!("\"{}\"", url.replace('\\', "\\\\").replace('"', "\\\""));
    urls.map(item).collect::<Vec<_>>().join(", ")
}

/// The same JSON in ASCII, for a header has no other encoding that all agree on.
fn ascii(json: &str) -> String {
    if json.is_ascii() {
        return json.to_owned();
    }
    let mut text = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        match character.is_ascii() {
            true => text.push(character),
            false => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    text.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    text
}

/// How many further origins a request has been to already.
fn step(parameters: &Parameters<'_>) -> usize {
    parameters.get(STEP).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The URL at which the browser comes back from a further origin.
fn back(campaigns: &Campaigns, kind: &str, name: &str, step: usize, page: Option<&str>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair(STEP, &step.to_string());
    if let Some(page) = page {
        query.append_pair(LANDING, page);
    }
    format!("{}/{kind}/{name}?{}", campaigns.origin.as_str(), query.finish())
}

fn unknown(collector: &Inner, kind: &'static str, headers: &HeaderMap) -> Response {
    collector.metrics.registration(kind, "unknown_name");
    Answer::new(Form::Empty, headers).not_found()
}

/// A header value, if it can be one.
fn value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok()
}

/// What a request's lines of a header say together, as structured fields are read.
fn whole(headers: &HeaderMap, name: &str) -> Option<Vec<u8>> {
    let mut lines = headers.get_all(name).iter().map(HeaderValue::as_bytes).peekable();
    lines.peek()?;
    Some(lines.collect::<Vec<_>>().join(&b", "[..]))
}

/// The page that asks, if it is of another origin.
fn asking_origin(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(header::ORIGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_headers_is_ascii_and_says_the_same() {
        let json = r#"{"filter_data":{"ключ":["é😀\u0041\""]}}"#;
        let printed = ascii(json);
        assert!(printed.is_ascii());
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&printed), read(json));
    }

    #[test]
    fn lines_of_a_header_are_one_list() {
        let mut headers = HeaderMap::new();
        assert_eq!(whole(&headers, "a"), None);
        headers.append("a", HeaderValue::from_static("x"));
        headers.append("a", HeaderValue::from_static("y"));
        assert_eq!(whole(&headers, "a"), Some(b"x, y".to_vec()));
    }
}
