//! Reading a table of `[campaigns]`.

use ascribe_headers::{PathItem, ProblemKind, SourceRegistration, SourceType};
use serde_json::{Map, Value};

use super::{
    Campaign, Side,
    document::{Problems, Section},
    header_fields::HeaderFields,
    read::{self, Context, Numbers},
    redirect::{FurtherOrigin, LandingPage},
};

/// What the collector fills in by itself.
const OWN: [(&str, &str); 3] = [
    ("source_event_id", "see [source_event_id]"),
    ("aggregation_keys", "see [aggregation]"),
    ("debug_key", "set debug_keys = true at the top"),
];

pub(super) fn campaign(
    name: &str,
    bits: u32,
    mut section: Section<'_>,
    numbers: &mut Numbers,
    context: &mut Context<'_>,
) -> Option<Campaign> {
    let number = read::number(name, bits, &mut section, numbers, context.problems);
    let landing_pages = urls(&mut section, "landing_pages", LandingPage::parse, context.problems);
    let further_origins = further_origins(&mut section, !landing_pages.is_empty(), context.problems);
    let os_urls = urls(&mut section, "os_urls", FurtherOrigin::parse, context.problems);
    let types = source_types(&mut section, context.problems);
    let fixed = section.section("dimensions", context.problems);
    let dimensions = read::fixed_dimensions(fixed, Side::Source, context);

    let overrides = [SourceType::Navigation, SourceType::Event].map(|source_type| {
        let table = section.section(source_type.as_str(), context.problems);
        HeaderFields::rest_of(table, &OWN, context.problems)
    });
    let fields = HeaderFields::rest_of(section, &OWN, context.problems);
    let [navigation, event] = [(SourceType::Navigation, &overrides[0]), (SourceType::Event, &overrides[1])]
        .map(|(source_type, own)| {
            if !types.contains(&source_type) {
                return Some(None);
            }
            registration(name, source_type, &fields, own, context).map(Some)
        });
    Some(Campaign {
        name: name.into(),
        number: number?,
        navigation: navigation?,
        event: event?,
        landing_pages: landing_pages.into(),
        further_origins: further_origins.into(),
        os_urls: os_urls.into(),
        dimensions,
    })
}

/// What a source of that type registers: the common fields, over which go those of the type.
fn registration(
    name: &str,
    source_type: SourceType,
    common: &HeaderFields<'_>,
    own: &HeaderFields<'_>,
    context: &mut Context<'_>,
) -> Option<SourceRegistration> {
    let mut header = Map::new();
    common.write_over(&mut header, context.problems);
    own.write_over(&mut header, context.problems);
    let json = Value::Object(header).to_string();
    let parsed = SourceRegistration::parse(json.as_bytes(), source_type, context.vendor);
    for problem in &parsed.errors {
        tell(name, problem, common, own, context.problems);
    }
    for problem in &parsed.warnings {
        // A typing error would pass unnoticed until the first report.
        let errors = if problem.kind == ProblemKind::UnknownField {
            &mut *context.problems
        } else {
            &mut *context.warnings
        };
        tell(name, problem, common, own, errors);
    }
    parsed.value
}

fn tell(
    name: &str,
    problem: &ascribe_headers::Problem,
    common: &HeaderFields<'_>,
    own: &HeaderFields<'_>,
    problems: &mut Problems,
) {
    let before = problems.len();
    if !own.tell(problem, problems) && !common.tell(problem, problems) {
        let what = match problem.path.0.first() {
            Some(PathItem::Key(key)) => format!("campaigns.{name}.{key}: {}", problem.kind),
            _ => format!("campaigns.{name}: {}", problem.kind),
        };
        common.tell_of_table(&what, "correct the campaign", problems);
    }
    // Clicks and views share most fields: say a thing once.
    if let Some(last) = problems.get(before).cloned()
        && problems[..before].contains(&last)
    {
        problems.truncate(before);
    }
}

fn source_types(section: &mut Section<'_>, problems: &mut Problems) -> Vec<SourceType> {
    let all = [SourceType::Navigation, SourceType::Event];
    let Some(items) = section.take("source_types").and_then(|field| field.one_or_list(problems)) else {
        return all.into();
    };
    let mut types = Vec::new();
    for item in items {
        let known =
            item.string(problems).and_then(|name| all.into_iter().find(|known| known.as_str() == name));
        match known {
            Some(known) => types.push(known),
            None => item.problem("is no type of source", r#"write "navigation" or "event""#, problems),
        }
    }
    types
}

pub(super) fn urls<T, E: std::fmt::Display>(
    section: &mut Section<'_>,
    name: &str,
    parse: impl Fn(&str) -> Result<T, E>,
    problems: &mut Problems,
) -> Vec<T> {
    let items = section.take(name).and_then(|field| field.one_or_list(problems)).unwrap_or_default();
    let mut urls = Vec::new();
    for item in items {
        match item.string(problems).map(&parse) {
            Some(Ok(url)) => urls.push(url),
            Some(Err(error)) => {
                item.problem(&error.to_string(), "write a whole URL, such as https://shop.example/", problems)
            }
            None => {}
        }
    }
    urls
}

/// All but the last must send the browser on; the last must too, when the browser is to land somewhere.
pub(super) fn further_origins(
    section: &mut Section<'_>,
    lands: bool,
    problems: &mut Problems,
) -> Vec<FurtherOrigin> {
    let origins = urls(section, "further_origins", FurtherOrigin::parse, problems);
    let must = if lands { origins.len() } else { origins.len().saturating_sub(1) };
    if origins[..must].iter().any(|origin| !origin.goes_on()) {
        let help = "put {next} into its query where it takes the URL to redirect to";
        section.problem("has a further origin that sends nobody on", help, problems);
    }
    origins
}
