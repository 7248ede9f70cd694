//! Reading the whole file, and its top level.

use std::collections::HashMap;

use ascribe_headers::{SuitableOrigin, VendorValues};

use super::{
    Campaigns,
    document::{Field, Problems, Section},
    problem::ConfigProblems,
    read_campaign, read_conversion, read_dashboard, read_scheme,
};
use crate::{
    event_ids::{EventIdField, EventIdLayout, InvalidLayout},
    secrets::Secrets,
};

pub(super) fn campaigns(text: &str, secrets: Secrets) -> Result<Campaigns, ConfigProblems> {
    let mut problems = Problems::new();
    let mut warnings = Vec::new();
    let read = Section::parse(text, &mut problems)
        .and_then(|file| whole(file, secrets, &mut problems, &mut warnings));
    let by_position =
        |problems: &mut Problems| problems.sort_by_key(|problem| (problem.line, problem.column));
    by_position(&mut problems);
    by_position(&mut warnings);
    match read {
        Some(campaigns) if problems.is_empty() => Ok(Campaigns { warnings, ..campaigns }),
        _ => Err(ConfigProblems(problems)),
    }
}

fn whole(
    mut file: Section<'_>,
    secrets: Secrets,
    problems: &mut Problems,
    warnings: &mut Problems,
) -> Option<Campaigns> {
    let origin = file
        .require("origin", r#"say where the collector is reached: origin = "https://ads.example""#, problems)
        .and_then(|field| origin(&field, problems));
    let report_header_errors = flag(&mut file, "report_header_errors", true, problems);
    let debug_keys = flag(&mut file, "debug_keys", false, problems);
    let event_ids = event_id_layout(file.section("source_event_id", problems), problems);
    let mut aggregation = file.section("aggregation", problems);
    let service = read_dashboard::service(&mut aggregation, problems);
    let (scheme, coordinators) = read_scheme::scheme(aggregation, problems);
    let dashboard = read_dashboard::section(file.section("dashboard", problems), problems);
    let vendor = VendorValues { coordinators, ..VendorValues::default() };

    let mut numbers = HashMap::new();
    let mut campaigns = Vec::new();
    for (name, field) in file.section("campaigns", problems).rest() {
        let bits = event_ids.as_ref().map_or(EventIdLayout::MAX_FIELD_BITS, EventIdLayout::campaign_bits);
        let read = named(&name, field, problems).and_then(|section| {
            let mut context = Context { scheme: scheme.as_ref(), vendor: &vendor, problems, warnings };
            read_campaign::campaign(&name, bits, section, &mut numbers, &mut context)
        });
        campaigns.extend(read);
    }
    let mut numbers = HashMap::new();
    let mut conversions = Vec::new();
    for (name, field) in file.section("conversions", problems).rest() {
        let read = named(&name, field, problems).and_then(|section| {
            let mut context = Context { scheme: scheme.as_ref(), vendor: &vendor, problems, warnings };
            read_conversion::conversion(&name, section, &mut numbers, &mut context)
        });
        conversions.extend(read);
    }
    file.finish(problems);
    campaigns.sort_by(|a, b| a.name.cmp(&b.name));
    conversions.sort_by(|a, b| a.name.cmp(&b.name));
    Some(Campaigns {
        origin: origin?,
        report_header_errors,
        debug_keys,
        event_ids: event_ids?,
        scheme: scheme?,
        campaigns: campaigns.into(),
        conversions: conversions.into(),
        dashboard,
        service,
        warnings: Vec::new(),
        secrets,
    })
}

/// What reading a campaign or conversion needs besides its table.
pub(super) struct Context<'c> {
    pub(super) scheme: Option<&'c super::KeyScheme>,
    pub(super) vendor: &'c VendorValues,
    pub(super) problems: &'c mut Problems,
    pub(super) warnings: &'c mut Problems,
}

/// Numbers that are taken, and by whom.
pub(super) type Numbers = HashMap<u64, String>;

/// A number that no other has.
pub(super) fn number(
    name: &str,
    bits: u32,
    section: &mut Section<'_>,
    numbers: &mut Numbers,
    problems: &mut Problems,
) -> Option<u64> {
    let help = "give it a number that no other has, and never change it: reports are told apart by it";
    let field = section.require("number", help, problems)?;
    let number = field.integer(1..=u64::MAX >> (64 - bits), problems)?;
    if let Some(other) = numbers.insert(number, name.to_owned()) {
        field.problem(&format!("is {number}, as that of {other}"), help, problems);
        return None;
    }
    Some(number)
}

/// The values of dimensions that are fixed here.
pub(super) fn fixed_dimensions(
    section: Section<'_>,
    side: super::Side,
    context: &mut Context<'_>,
) -> Box<[(Box<str>, u64)]> {
    let mut fixed = Vec::new();
    for (name, field) in section.rest() {
        let Some(scheme) = context.scheme else { continue };
        let known = scheme.dimensions.iter().find(|dimension| *dimension.name == *name);
        let free = |kind: &super::DimensionKind| {
            matches!(kind, super::DimensionKind::Listed(_) | super::DimensionKind::Number)
        };
        let Some(dimension) = known.filter(|dimension| dimension.side == side && free(&dimension.kind))
        else {
            field.problem(
                "is no dimension that can be set here",
                "see aggregation.dimensions",
                context.problems,
            );
            continue;
        };
        let text = match &field.value {
            toml::de::DeValue::String(text) => text.to_string(),
            _ => field
                .integer(0..=u64::MAX, context.problems)
                .map_or_else(String::new, |number| number.to_string()),
        };
        match dimension.number(Some(&text)) {
            (number, true) => fixed.push((dimension.name.clone(), number)),
            _ => field.problem(
                "is not among the dimension's values",
                "see aggregation.dimensions",
                context.problems,
            ),
        }
    }
    fixed.into()
}

pub(super) fn origin(field: &Field<'_>, problems: &mut Problems) -> Option<SuitableOrigin> {
    let text = field.string(problems)?;
    match SuitableOrigin::parse(text) {
        Ok(origin) if origin.as_str() == text.trim_end_matches('/') => Some(origin),
        Ok(origin) => {
            field.problem("is more than an origin", format!("write {:?}", origin.as_str()), problems);
            None
        }
        Err(error) => {
            field.problem(&format!("is no reporting origin: {error}"), "write an https origin", problems);
            None
        }
    }
}

pub(super) fn flag(section: &mut Section<'_>, name: &str, default: bool, problems: &mut Problems) -> bool {
    section.take(name).and_then(|field| field.boolean(problems)).unwrap_or(default)
}

/// Names go into URLs and file names.
fn named<'a>(name: &str, field: Field<'a>, problems: &mut Problems) -> Option<Section<'a>> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !(1..=64).contains(&name.len()) || !name.bytes().all(plain) {
        field.problem(
            "has a name that does not fit in URLs",
            "use 1 to 64 letters, digits, - and _",
            problems,
        );
    }
    field.section(problems)
}

fn event_id_layout(mut section: Section<'_>, problems: &mut Problems) -> Option<EventIdLayout> {
    let bits = |field: &Field<'_>, problems: &mut Problems| {
        field.integer(1..=u64::from(EventIdLayout::MAX_FIELD_BITS), problems).map(|bits| bits as u32)
    };
    let campaign = match section.take("campaign") {
        Some(field) => bits(&field, problems)?,
        None => 16,
    };
    let mut fields = Vec::new();
    // In the file's order they would be kept only by a list.
    if let Some(list) = section.take("fields").and_then(|field| field.list(problems)) {
        for item in list {
            let mut item = item.section(problems)?;
            let name = item.require("name", "name the parameter that tells its value", problems)?;
            let width = item.require("bits", "say how many bits it takes", problems)?;
            let hashed = flag(&mut item, "hashed", false, problems);
            fields.push(EventIdField {
                name: name.string(problems)?.into(),
                bits: bits(&width, problems)?,
                hashed,
            });
            item.finish(problems);
        }
    }
    match EventIdLayout::new(campaign, fields) {
        Ok(layout) => {
            section.finish(problems);
            Some(layout)
        }
        Err(error @ (InvalidLayout::FieldBits | InvalidLayout::TagBits(_))) => {
            section.problem(&format!("does not fit: {error}"), "give the fields fewer bits", problems);
            None
        }
    }
}
