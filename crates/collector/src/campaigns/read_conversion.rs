//! Reading a table of `[conversions]`.

use ascribe_headers::{Problem, ProblemKind, TriggerRegistration};
use serde_json::{Map, Value, json};

use super::{
    Amount, CONTRIBUTION_BUDGET, Conversion, Side,
    document::{Problems, Section},
    header_fields::HeaderFields,
    read::{self, Context, Numbers},
    read_campaign::{further_origins, urls},
    redirect::FurtherOrigin,
};

/// What the collector fills in by itself.
const OWN: [(&str, &str); 8] = [
    ("aggregatable_deduplication_keys", "set deduplicate_by"),
    ("aggregatable_filtering_id_max_bytes", "set filtering_id_bytes in [aggregation]"),
    ("aggregatable_trigger_data", "see [aggregation]"),
    ("aggregatable_values", "set measures"),
    ("aggregation_coordinator_origin", "set coordinator in [aggregation]"),
    ("debug_key", "set debug_keys = true at the top"),
    ("deduplication_key", "set deduplicate_by"),
    ("trigger_context_id", "set context_id to the parameter that tells it"),
];

pub(super) fn conversion(
    name: &str,
    mut section: Section<'_>,
    numbers: &mut Numbers,
    context: &mut Context<'_>,
) -> Option<Conversion> {
    let problems = &mut *context.problems;
    let number = read::number(name, 64, &mut section, numbers, problems);
    let parameter = |section: &mut Section<'_>, field: &str, problems: &mut Problems| -> Option<Box<str>> {
        section.take(field).and_then(|field| field.string(problems).map(Into::into))
    };
    let deduplicate_by = parameter(&mut section, "deduplicate_by", problems);
    let context_id = parameter(&mut section, "context_id", problems);
    // The page that asks gets its pixel or script from here, at the end.
    let further_origins = further_origins(&mut section, true, problems);
    let os_urls = urls(&mut section, "os_urls", FurtherOrigin::parse, problems);
    let event = event_trigger_data(&mut section, problems);
    let measures = measures(&mut section, context);
    let fixed = section.section("dimensions", context.problems);
    let dimensions = read::fixed_dimensions(fixed, Side::Trigger, context);
    let fields = HeaderFields::rest_of(section, &OWN, context.problems);
    let registration = registration(name, event, context_id.is_some(), &fields, context);
    Some(Conversion {
        name: name.into(),
        number: number?,
        registration: registration?,
        deduplicate_by,
        context_id,
        measures: measures?,
        further_origins: further_origins.into(),
        os_urls: os_urls.into(),
        dimensions,
    })
}

/// `trigger_data` and `priority` of the only event-level configuration; `event_trigger_data`, for several, is
/// read with the header.
fn event_trigger_data(section: &mut Section<'_>, problems: &mut Problems) -> Option<Value> {
    let mut only = Map::new();
    for name in ["trigger_data", "priority"] {
        if let Some(value) = section.take(name).and_then(|field| field.to_json(problems)) {
            let text = if value.is_number() { value.to_string().into() } else { value };
            only.insert(name.to_owned(), text);
        }
    }
    (!only.is_empty()).then(|| json!([only]))
}

fn registration(
    name: &str,
    event: Option<Value>,
    has_context_id: bool,
    fields: &HeaderFields<'_>,
    context: &mut Context<'_>,
) -> Option<TriggerRegistration> {
    let mut header = Map::new();
    header.extend(event.map(|event| ("event_trigger_data".to_owned(), event)));
    fields.write_over(&mut header, context.problems);
    let max_bytes = context.scheme.map_or(1, |scheme| scheme.filtering_id_max_bytes.get());
    if max_bytes != 1 {
        header.insert("aggregatable_filtering_id_max_bytes".to_owned(), max_bytes.into());
    }
    if has_context_id {
        // Whether it may have one at all.
        header.insert("trigger_context_id".to_owned(), "".into());
    }
    let json = Value::Object(header).to_string();
    let parsed = TriggerRegistration::parse(json.as_bytes(), context.vendor);
    let tell = |problem: &Problem, problems: &mut Problems| {
        if !fields.tell(problem, problems) {
            fields.tell_of_table(
                &format!("conversions.{name}: {problem}"),
                "correct the conversion",
                problems,
            );
        }
    };
    parsed.errors.iter().for_each(|problem| tell(problem, context.problems));
    for problem in &parsed.warnings {
        let errors = if problem.kind == ProblemKind::UnknownField {
            &mut *context.problems
        } else {
            &mut *context.warnings
        };
        tell(problem, errors);
    }
    let mut registration = parsed.value?;
    if let ascribe_headers::ReportOptions::ExcludeSourceRegistrationTime { trigger_context_id, .. } =
        &mut registration.report_options
    {
        *trigger_context_id = None;
    }
    Some(registration)
}

fn measures(section: &mut Section<'_>, context: &mut Context<'_>) -> Option<Box<[(usize, Amount)]>> {
    let problems = &mut *context.problems;
    let table = section.section("measures", problems);
    let scheme = context.scheme?;
    let (mut measures, mut units) = (Vec::new(), 0);
    let mut whole = true;
    for (name, field) in table.rest() {
        let Some(index) = scheme.measures.iter().position(|measure| *measure.name == *name) else {
            field.problem("is no measure", "declare it in [aggregation.measures]", problems);
            whole = false;
            continue;
        };
        units += scheme.measures[index].units;
        let amount = match &field.value {
            toml::de::DeValue::String(parameter) => Some(Amount::Told(parameter.as_ref().into())),
            _ => field.positive(problems).map(Amount::Fixed),
        };
        whole &= amount.is_some();
        measures.extend(amount.map(|amount| (index, amount)));
    }
    if units.saturating_mul(scheme.conversions_per_source) > CONTRIBUTION_BUDGET {
        section.problem(
            "has measures whose shares add up to more than 1",
            "lower their shares in [aggregation.measures]",
            problems,
        );
        whole = false;
    }
    whole.then(|| measures.into())
}
