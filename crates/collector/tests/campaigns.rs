//! Campaigns files: what they give, and what is said about what is wrong with them.

use ascribe_collector::*;
use ascribe_headers::SourceType;

const EXAMPLE: &str = include_str!("../examples/campaigns.toml");

fn parse(text: &str) -> Result<Campaigns, ConfigProblems> {
    Campaigns::parse(text, Secrets::new(Secret::from_bytes([1; 32]), []))
}

/// The example with one line replaced by another, or with one added at the end.
fn problems_of(line: &str, by: &str) -> String {
    let text = match line {
        "" => format!("{EXAMPLE}\n{by}"),
        _ => {
            assert_eq!(EXAMPLE.matches(line).count(), 1, "{line}");
            EXAMPLE.replace(line, by)
        }
    };
    parse(&text).expect_err(by).to_string()
}

#[test]
fn the_example_is_right_and_says_what_it_means() {
    let campaigns = parse(EXAMPLE).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(campaigns.warnings, []);
    assert_eq!(campaigns.origin.as_str(), "https://ads.example");
    let spring = campaigns.campaign("spring").unwrap();
    let (navigation, event) = (spring.navigation.as_ref().unwrap(), spring.event.as_ref().unwrap());
    assert_eq!((navigation.priority, event.priority), (100, 10));
    assert_eq!(navigation.expiry, 30 * 86_400);
    let summer = campaigns.campaign("summer").unwrap().registration(SourceType::Event).unwrap();
    assert_eq!(summer.event_report_windows.ends(), [172_800, 604_800]);
    assert_eq!(campaigns.scheme.dimensions.iter().map(|d| d.shift).collect::<Vec<_>>(), [16, 12, 10, 4, 0]);
    assert_eq!(campaigns.scheme.measures.iter().map(|m| m.units).collect::<Vec<_>>(), [16_384, 49_152]);
    assert_eq!(campaigns.campaign("autumn"), None);
    assert!(campaigns.conversion("purchase").is_some());
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_what_to_do() {
    let mut wrong = Vec::new();
    for (line, by, problem) in [
        (
            "number = 2\nlanding_pages",
            "number = 1\nlanding_pages",
            "is 1, as that of spring; give it a number",
        ),
        (r#"expiry = "30d""#, r#"expiry = "soon""#, "line 53, column 10: campaigns.spring.expiry must be"),
        ("trigger_data = [0, 1, 2, 3]", "trigger_data = [0, 1, -2]", "campaigns.summer.trigger_data[2]: "),
        (
            r#"destination = "https://shop.example""#,
            "",
            "line 48, column 12: campaigns.spring.destination: required",
        ),
        (
            r#"destination = "https://shop.example""#,
            r#"destination = "shop""#,
            "campaigns.spring.destination ",
        ),
        ("priority = 10\n", "priorty = 10\n", "campaigns.spring.event.priorty unknown field; remove it"),
        (r#"origin = "https://ads.example""#, "", "line 1, column 1: origin is missing; say where"),
        (
            r#"origin = "https://ads.example""#,
            r#"origin = "http://ads.example""#,
            "origin is no reporting origin",
        ),
        (
            r#"origin = "https://ads.example""#,
            r#"origin = "https://ads.example/x""#,
            r#"write "https://ads.example""#,
        ),
        ("debug_keys = false", "debug_keys = 1", "debug_keys is 1; write true or false"),
        ("debug_keys = false", "debug_kyes = true", "debug_kyes is not a field of this table"),
        ("campaign = 12\n", "campaign = 40\n", "source_event_id does not fit: -4 bits are left for the tag"),
        (
            "bits = 16, hashed",
            "bits = 0, hashed",
            "source_event_id.fields[1].bits is 0; write a whole number from 1",
        ),
        (r#"bits = 4, values"#, r#"bits = 2, values"#, "is too small for 4 values and the 0"),
        (
            r#"{ name = "campaign", bits = 12 }"#,
            r#"{ name = "campaign", bits = 0 }"#,
            "whole number from 1 to 64",
        ),
        (r#"{ name = "measure", bits = 2 },"#, "", "revenue would be summed together with another"),
        (r#"side = "trigger""#, r#"side = "both""#, "is neither source nor trigger"),
        ("share = 0.75", "share = 0.76", "has measures whose shares add up to more than 1"),
        ("share = 0.75", "share = 0", "aggregation.measures.revenue.share is 0; write a number above 0"),
        ("filtering_id = 1\n", "filtering_id = 256\n", "write a whole number from 0 to 255"),
        ("epsilon = 10\n", "epsilon = 65\n", "aggregation.epsilon is above 64"),
        (
            "purchases = 1, revenue",
            "purchase = 1, revenue",
            "conversions.purchase.measures.purchase is no measure",
        ),
        (r#"filters = { product = ["shoes"] }"#, "filters = 3", "conversions.signup.filters must be"),
        (
            r#"["https://www.shop.example/spring"]"#,
            r#"["http://www.shop.example/"]"#,
            "landing_pages[0] is not an https URL",
        ),
        ("&next={next}", "", "campaigns.summer has a further origin that sends nobody on"),
        ("", "[campaigns.'a b']\nnumber = 9", "has a name that does not fit in URLs"),
        ("", "[campaigns.x]\nnumber = 4096\ndestination = 'https://a.example'", "from 1 to 4095"),
        (
            "",
            "[campaigns.x]\nnumber = 9\nsource_event_id = 1\ndestination = 'https://a.example'",
            "is filled in by the collector",
        ),
        (
            "",
            "[campaigns.x]\nnumber = 9\ndestination = 'https://a.example'\nsource_types = ['click']",
            r#"write "navigation""#,
        ),
        (
            "",
            "[campaigns.x]\nnumber = 9\ndestination = 'https://a.example'\ndimensions = { country = 'xx' }",
            "is not among the dimension's values",
        ),
        (
            "",
            "[campaigns.x]\nnumber = 9\ndestination = 'https://a.example'\ndimensions = { category = 1 }",
            "is no dimension that can be set here",
        ),
        ("", "[conversions.x]\nnumber = 9\naggregatable_values = {}", "set measures"),
        ("", "[oops", "not TOML: "),
        ("", "x = 1979-05-27", "conversions.signup.x is a date; write a value that JSON has too"),
    ] {
        let problems = problems_of(line, by);
        if !problems.contains(problem) {
            wrong.push(format!("{by}\n  {problems}\n  expected: {problem}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn several_problems_are_told_at_once_in_the_order_of_the_file() {
    let text = EXAMPLE
        .replace("share = 0.25", "share = 2")
        .replace("origin = \"https://ads.example\"", "origin = 1");
    let ConfigProblems(problems) = parse(&text).unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].line < problems[1].line);
}

#[test]
fn clamps_are_warned_about() {
    let campaigns = parse(&EXAMPLE.replace(r#"expiry = "30d""#, r#"expiry = "90d""#)).unwrap();
    assert_eq!(campaigns.warnings.len(), 1, "clicks and views say the same once: {:?}", campaigns.warnings);
    assert!(
        campaigns.warnings[0].to_string().contains("campaigns.spring.expiry will be lowered"),
        "{}",
        campaigns.warnings[0]
    );
}

#[test]
fn the_check_tells_disclosure_and_noise() {
    let check = parse(EXAMPLE).unwrap().check();
    assert_eq!(check.misfits, Vec::<String>::new());
    let spring = &check.campaigns[0];
    assert_eq!((&*spring.campaign, spring.source_type, spring.states), ("spring", "navigation", 2925));
    assert!(
        (spring.channel_capacity - 11.4617).abs() < 1e-4
            && (spring.flip_probability - 0.002_426_3).abs() < 1e-7
    );
    // 65,536 / 10 · √2 = 9268.2 units; a purchase is 16,384 of them, a unit of revenue 98.304.
    assert!((check.measures[0].noise - 0.5657).abs() < 1e-4, "{}", check.measures[0].noise);
    assert!((check.measures[1].noise - 94.28).abs() < 0.01, "{}", check.measures[1].noise);
    let country = &check.dimensions[1];
    assert_eq!((&*country.dimension, country.buckets), ("country", 5));
    assert_eq!(check.tag_bits, 24);
    assert!(check.to_string().contains("24 bits of tag; a made-up one passes with probability 6.0e-8"));
}

#[test]
fn the_check_tells_what_does_not_fit() {
    for (line, by, misfit) in [
        (
            r#"event_report_windows = { end_times = ["2d", "7d"] }"#,
            r#"max_event_level_reports = 20"#,
            "campaign summer, event: 13.19 bits of information",
        ),
        (r#"["https://www.shop.example/spring"]"#, "[]", "campaign spring: clicks have no landing page"),
        (
            "https://www.shop.example/spring",
            "https://other.example/",
            "campaign spring: a landing page is on no destination site",
        ),
        ("trigger_data = 2\n", "", "conversion signup: has neither trigger_data nor measures"),
    ] {
        let check = parse(&EXAMPLE.replace(line, by)).unwrap_or_else(|problems| panic!("{problems}")).check();
        assert!(check.misfits.iter().any(|found| found.contains(misfit)), "{misfit}: {:?}", check.misfits);
    }
}
