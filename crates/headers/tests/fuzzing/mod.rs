//! What must hold for any bytes; the fuzz targets and the replay of their corpora share it.

use ascribe_headers::{
    Eligibility, HeaderName, OsRegistration, Parsed, Problem, ProblemKind, RegistrationInfo,
    SourceRegistration, SourceType, SupportedRegistrars, TriggerRegistration, ValidateOptions, VendorValues,
    locate_member, validate,
};

/// Parses a source header of either type, prints it, and parses that.
pub(crate) fn source_header(header: &[u8]) {
    let vendor = VendorValues::default();
    for source_type in [SourceType::Event, SourceType::Navigation] {
        if let Some(source) = checked(header, SourceRegistration::parse(header, source_type, &vendor)) {
            let printed = source.to_json();
            let again = SourceRegistration::parse(printed.as_bytes(), source_type, &vendor);
            assert_eq!(again.value.as_ref(), Some(&source), "{printed}");
            let restored = SourceRegistration::restore(&printed, source_type);
            assert_eq!(restored.unwrap_or_else(|why| panic!("{why}: {printed}")), source);
        }
        let options = ValidateOptions { source_type, note_disclosure: true, ..Default::default() };
        let report = validate(HeaderName::RegisterSource, header, &options);
        assert!(report.effective.is_some() || !report.is_valid());
    }
}

/// Parses a trigger header, prints it, and parses that.
pub(crate) fn trigger_header(header: &[u8]) {
    let vendor = VendorValues::default();
    if let Some(trigger) = checked(header, TriggerRegistration::parse(header, &vendor)) {
        let printed = trigger.to_json();
        let again = TriggerRegistration::parse(printed.as_bytes(), &vendor);
        assert_eq!(again.value.as_ref(), Some(&trigger), "{printed}");
    }
}

/// Parses a header as each of the structured fields, prints it, and parses that.
pub(crate) fn sf_headers(header: &[u8]) {
    if let Some(value) = explained(Eligibility::parse(header)) {
        let printed = value.header_value(None).expect("a header that was there is not unset");
        assert_eq!(Eligibility::parse(printed.as_bytes()).value, Some(value));
    }
    if let Some(value) = explained(SupportedRegistrars::parse(header)) {
        assert_eq!(SupportedRegistrars::parse(value.header_value(None).as_bytes()).value, Some(value));
    }
    if let Some(value) = explained(RegistrationInfo::parse(header)) {
        assert_eq!(RegistrationInfo::parse(value.to_string().as_bytes()).value, Some(value));
    }
    if let Some(list) = explained(OsRegistration::parse_list(header)) {
        let printed = OsRegistration::print_list(&list);
        assert_eq!(OsRegistration::parse_list(printed.as_bytes()).value, Some(list), "{printed}");
    }
}

/// No value without a reason, no reason without words.
fn explained<T>(parsed: Parsed<T>) -> Option<T> {
    assert_eq!(parsed.value.is_none(), !parsed.errors.is_empty());
    for problem in parsed.errors.iter().chain(&parsed.warnings) {
        assert!(!problem.to_string().is_empty());
    }
    parsed.value
}

/// The same, and what is wrong can be pointed at.
fn checked<T>(header: &[u8], parsed: Parsed<T>) -> Option<T> {
    if let Ok(text) = std::str::from_utf8(header) {
        // Each takes a pass over the text.
        for problem in parsed.errors.iter().chain(&parsed.warnings).take(20) {
            assert!(locate_member(text, &problem.path).is_some() || is_elsewhere(problem), "{problem}");
        }
    }
    explained(parsed)
}

/// Whether a problem may be where the header has nothing to point at, or is not JSON.
fn is_elsewhere(problem: &Problem) -> bool {
    matches!(
        problem.kind,
        ProblemKind::Missing
            | ProblemKind::ModulusNotContiguous
            | ProblemKind::JsonSyntax(_)
            | ProblemKind::TooDeep { .. }
            | ProblemKind::TooLong { .. }
    )
}
