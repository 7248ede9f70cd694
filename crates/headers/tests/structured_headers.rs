//! The headers that are structured fields: Eligible, Support, Info, OS registrations.

mod common;

use ascribe_headers::{
    Eligibility, GreaseChoice, Greasing, OsRegistration, ProblemKind, Registrar, RegistrationInfo,
    RequestHeaders, SupportedRegistrars,
};
use common::{clean, errors, valid, warnings};

fn eligibility(header: &str) -> Eligibility {
    valid(Eligibility::parse(header.as_bytes()))
}

#[test]
fn eligible_is_read_by_its_keys_alone() {
    for (header, expected, warned) in [
        ("", Eligibility::Empty, &[][..]),
        ("event-source", Eligibility::EventSource, &[]),
        ("navigation-source", Eligibility::NavigationSource, &[]),
        ("trigger", Eligibility::Trigger, &[]),
        ("trigger,event-source", Eligibility::EventSourceOrTrigger, &[]),
        ("not-trigger", Eligibility::Empty, &["not-trigger"]),
        ("trigger=?0", Eligibility::Trigger, &["trigger"]),
        (
            "trigger=event-source;navigation-source=3, not-event-source",
            Eligibility::Trigger,
            &["trigger", "trigger", "not-event-source"],
        ),
        ("event-source=(1 2);a", Eligibility::EventSource, &["event-source", "event-source"]),
    ] {
        let parsed = Eligibility::parse(header.as_bytes());
        assert_eq!(warnings(&parsed), warned, "{header}");
        assert_eq!(valid(parsed), expected, "{header}");
    }
    for header in ["navigation-source, trigger", "event-source, navigation-source=?0", "Trigger", "a,,b", "é"]
    {
        assert_eq!(errors(&Eligibility::parse(header.as_bytes())), [""], "{header}");
    }
}

#[test]
fn eligible_and_support_print_what_they_read() {
    assert_eq!(Eligibility::Unset.header_value(None), None);
    for header in ["", "event-source", "navigation-source", "trigger", "event-source, trigger"] {
        assert_eq!(eligibility(header).header_value(None).as_deref(), Some(header));
    }
    for (header, web, os) in
        [("", false, false), ("web", true, false), ("os", false, true), ("web, os", true, true)]
    {
        let registrars = clean(SupportedRegistrars::parse(header.as_bytes()));
        assert_eq!(registrars, SupportedRegistrars { web, os });
        assert_eq!(registrars.header_value(None), header);
    }
    let parsed = SupportedRegistrars::parse(b"os=web, not-web");
    assert_eq!(warnings(&parsed), ["os", "not-web"]);
    assert_eq!(valid(parsed), SupportedRegistrars { web: false, os: true });
    assert_eq!(errors(&SupportedRegistrars::parse(b"Web")), [""]);
}

#[test]
fn requests_carry_both_headers_or_none() {
    let both = SupportedRegistrars { web: true, os: true };
    assert_eq!(RequestHeaders::new(Eligibility::Unset, both, None), None);
    let headers = RequestHeaders::new(Eligibility::EventSourceOrTrigger, both, None).expect("eligible");
    assert_eq!((&*headers.eligible, &*headers.support), ("event-source, trigger", "web, os"));
    let headers = RequestHeaders::new(Eligibility::Empty, both, None).expect("eligible for nothing");
    assert_eq!((&*headers.eligible, &*headers.support), ("", "web, os"));
    // Nobody could process a registration: nothing is eligible.
    let nobody = SupportedRegistrars::default();
    let headers = RequestHeaders::new(Eligibility::Trigger, nobody, None).expect("eligible");
    assert_eq!((&*headers.eligible, &*headers.support), ("", ""));
}

/// Answers some choices; 0 to all others.
struct Script(Vec<(GreaseChoice<'static>, usize)>);

impl Greasing for Script {
    fn choose(&mut self, choice: GreaseChoice<'_>, options: usize) -> usize {
        let answer = self.0.iter().find(|(scripted, _)| *scripted == choice);
        assert!(options >= 1);
        answer.map_or(0, |(_, answer)| *answer)
    }
}

#[test]
fn greasing_follows_a_script() {
    let mut script = Script(vec![
        (GreaseChoice::NotKey { key: "event-source" }, 1),
        (GreaseChoice::Place { place: 1 }, 1),
        (GreaseChoice::Value { key: "trigger" }, 1),
        (GreaseChoice::Parameter { key: "trigger", parameter: "navigation-source" }, 2),
    ]);
    let value = Eligibility::Trigger.header_value(Some(&mut script)).expect("sent");
    assert_eq!(value, "not-event-source, trigger=event-source;navigation-source=3");
    assert_eq!(eligibility(&value), Eligibility::Trigger);
    // What is out of range greases nothing.
    let mut wild =
        Script(vec![(GreaseChoice::Place { place: 1 }, 7), (GreaseChoice::NotKey { key: "os" }, 2)]);
    let both = SupportedRegistrars { web: true, os: true };
    assert_eq!(both.header_value(Some(&mut wild)), "web, os");
}

/// Every choice from a small generator.
struct Dice(u64);

impl Greasing for Dice {
    fn choose(&mut self, _: GreaseChoice<'_>, options: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % options
    }
}

#[test]
fn greased_headers_mean_the_same() {
    let mut dice = Dice(1);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..500 {
        for eligibility in [
            Eligibility::Empty,
            Eligibility::EventSource,
            Eligibility::NavigationSource,
            Eligibility::Trigger,
            Eligibility::EventSourceOrTrigger,
        ] {
            let supported = SupportedRegistrars { web: true, os: false };
            let headers = RequestHeaders::new(eligibility, supported, Some(&mut dice)).expect("sent");
            assert_eq!(valid(Eligibility::parse(headers.eligible.as_bytes())), eligibility);
            assert_eq!(valid(SupportedRegistrars::parse(headers.support.as_bytes())), supported);
            seen.insert(headers.eligible);
        }
    }
    assert!(seen.len() > 1000, "{}", seen.len());
}

#[test]
fn info_is_a_platform_and_a_flag() {
    for (header, preferred_platform, report_header_errors) in [
        ("", None, false),
        ("preferred-platform=os", Some(Registrar::Os), false),
        ("preferred-platform=web, report-header-errors", Some(Registrar::Web), true),
        ("report-header-errors=?1", None, true),
        ("report-header-errors, report-header-errors=?0", None, false),
    ] {
        let info = clean(RegistrationInfo::parse(header.as_bytes()));
        assert_eq!(info, RegistrationInfo { preferred_platform, report_header_errors }, "{header}");
        assert_eq!(clean(RegistrationInfo::parse(info.to_string().as_bytes())), info);
    }
    let parsed = RegistrationInfo::parse(b"preferred-platform=os;a, report-header-errors;b, c");
    assert_eq!(warnings(&parsed), ["preferred-platform", "report-header-errors", "c"]);
    assert!(valid(parsed).report_header_errors);
}

#[test]
fn any_wrong_value_in_info_spoils_it() {
    for (header, at) in [
        ("preferred-platform", "preferred-platform"),
        ("preferred-platform=\"os\"", "preferred-platform"),
        ("preferred-platform=OS", "preferred-platform"),
        ("preferred-platform=(os)", "preferred-platform"),
        ("report-header-errors=1", "report-header-errors"),
        ("report-header-errors=(?1)", "report-header-errors"),
        ("preferred-platform=os,", ""),
        ("preferred platform", ""),
    ] {
        assert_eq!(errors(&RegistrationInfo::parse(header.as_bytes())), [at], "{header}");
    }
}

#[test]
fn os_registrations_are_the_valid_items() {
    let header = br#""https://a.example/x";debug-reporting, "android-app://b", "https://c.example";debug-reporting=?0"#;
    let list = clean(OsRegistration::parse_list(header));
    let items: Vec<_> = list.iter().map(|item| (item.url.as_str(), item.debug_reporting)).collect();
    assert_eq!(
        items,
        [("https://a.example/x", true), ("android-app://b", false), ("https://c.example/", false)]
    );
    assert_eq!(clean(OsRegistration::parse_list(OsRegistration::print_list(&list).as_bytes())), list);

    let header = br#"1, "https://a.example";debug-reporting=1;x, "/x", ("https://b.example"), tok"#;
    let parsed = OsRegistration::parse_list(header);
    assert_eq!(warnings(&parsed), ["0", "1.debug-reporting", "1.x", "2", "3", "4"]);
    let list = valid(parsed);
    assert_eq!(list.len(), 1);
    assert!(!list[0].debug_reporting);
}

#[test]
fn os_headers_without_a_valid_item_are_errors() {
    for header in ["", "1", "\"/x\"", "(\"https://a.example\")", "tok, \"\""] {
        let parsed = OsRegistration::parse_list(header.as_bytes());
        assert_eq!(errors(&parsed), [""], "{header}");
        assert_eq!(parsed.errors[0].kind, ProblemKind::NoRegistrations);
    }
    // Without quotes, it is a token.
    assert_eq!(OsRegistration::parse_list(b"https://a.example").errors[0].kind, ProblemKind::NoRegistrations);
    let parsed = OsRegistration::parse_list(b"\"https://a.example");
    assert!(matches!(parsed.errors[0].kind, ProblemKind::StructuredFieldSyntax(_)));
}
