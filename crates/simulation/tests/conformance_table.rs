//! Keeps `docs/conformance.md` complete: what it names exists, and what exists is named.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The specification's algorithms that these crates implement, in the order of the document.
const ALGORITHMS: &[&str] = &[
    "set Attribution Reporting headers",
    "get registration info from a header list",
    "process an attribution eligible response",
    "get the registration platform",
    "process an attribution source response",
    "process an attribution trigger response",
    "maybe defer and then complete trigger attribution",
    "obtain and deliver debug reports on registration header errors",
    "check if cookie-based debugging is allowed",
    "get OS registrations from a header value",
    "get supported registrars",
    "obtain and deliver debug reports on OS registrations",
    "clear site data",
    "get the next internal ID",
    "serialize an integer",
    "check if a scheme is suitable",
    "parse an optional 64-bit signed integer",
    "parse an optional 64-bit unsigned integer",
    "check if an origin is suitable",
    "parse filter values",
    "parse filter data",
    "parse filter config",
    "parse filters",
    "parse a filter pair",
    "parse an aggregation coordinator",
    "parse aggregatable debug reporting data",
    "parse an aggregatable debug reporting config",
    "parse an aggregation key piece",
    "parse an attribution destination",
    "parse attribution destinations",
    "parse a duration",
    "parse aggregation keys",
    "parse named budgets for source",
    "obtain default effective windows",
    "parse top-level report windows",
    "parse report windows",
    "parse trigger data into a trigger data set",
    "parse a source aggregatable debug reporting config",
    "parse attribution scopes",
    "parse max event states",
    "parse attribution scope values for source",
    "parse source-registration JSON",
    "parse event triggers",
    "parse aggregatable trigger data",
    "parse aggregatable filtering ID max bytes",
    "validate aggregatable key-values value",
    "parse aggregatable key-values",
    "parse aggregatable values",
    "parse aggregatable dedup keys",
    "parse named budgets for trigger",
    "parse attribution scopes for trigger",
    "create an attribution trigger",
    "obtain a randomized response",
    "obtain a set of possible trigger states",
    "obtain a randomized source response pick rate",
    "obtain a randomized source response",
    "compute the channel capacity of a source",
    "compute the scopes channel capacity of a source",
    "process an attribution source",
    "delete expired sources",
    "check if an attribution source exceeds the time-based destination limits",
    "check if an attribution source exceeds the per day destination limits",
    "get sources to delete for the unexpired destination limit",
    "delete sources for unexpired destination limit",
    "check if an attribution source should be blocked by reporting-origin per site limit",
    "check if processing should be blocked by reporting-origin limit",
    "check if an attribution rate-limit record can be removed",
    "find sources with common destinations and reporting origin",
    "remove or update sources for attribution scopes",
    "remove sources with unselected attribution scopes",
    "remove sources with unselected attribution scopes for destination",
    "remove associated event-level reports and rate-limit records",
    "obtain a fake report",
    "obtain and deliver debug reports on source registration",
    "obtain and deliver a verbose debug report on source registration",
    "obtain and deliver an aggregatable debug report on source registration",
    "trigger attribution",
    "find matching sources",
    "is higher-priority than",
    "check if an attribution source and attribution trigger have matching attribution scopes",
    "check if an attribution trigger contains aggregatable data",
    "match filter values",
    "match filter values with negation",
    "match an attribution source against a filter config",
    "match an attribution source against filters",
    "match an attribution source against filters and negated filters",
    "trigger event-level attribution",
    "find matching trigger data",
    "maybe replace event-level report",
    "is lower-priority than",
    "check if attribution should be blocked by attribution rate limit",
    "check if attribution should be blocked by rate limits",
    "check whether a moment falls within a window",
    "obtain an event-level report delivery time",
    "obtain an event-level report",
    "trigger aggregatable attribution",
    "create aggregatable contributions",
    "create aggregatable contributions from aggregation keys and aggregatable values",
    "check if an attribution source can create aggregatable contributions",
    "find matching budget name",
    "check if an attribution source can create aggregatable contributions for matched budget name",
    "obtain an aggregatable attribution report",
    "obtain an aggregatable attribution report delivery time",
    "check if an aggregatable attribution report should be unconditionally sent",
    "generate null attribution reports",
    "obtain a null attribution report",
    "obtain rounded source time",
    "determine if a randomized null attribution report is generated",
    "check if attribution debugging can be enabled",
    "serialize an attribution debug info",
    "obtain and deliver a verbose debug report",
    "obtain and deliver debug reports on trigger registration",
    "obtain and deliver a verbose debug report on trigger registration",
    "obtain verbose debug data on trigger registration",
    "obtain verbose debug data body on trigger registration",
    "obtain and deliver an aggregatable debug report on trigger registration",
    "obtain and deliver an aggregatable debug report on registration",
    "obtain and deliver an aggregatable debug report",
    "check if aggregatable debug reporting should be blocked by rate-limit",
    "queue reports for delivery",
    "shuffle a list",
    "attempt to deliver a report",
    "attempt to deliver a debug report",
    "attempt to deliver a verbose debug report",
    "attempt to deliver an aggregatable debug report",
    "encode an unsigned k-byte integer",
    "obtain the public key for encryption",
    "obtain the encrypted payload",
    "obtain the aggregation service payloads",
    "obtain an event-level report body",
    "serialize attribution destinations",
    "obtain an aggregatable report body",
    "serialize an event-level report",
    "serialize an attribution report",
    "serialize an aggregatable attribution report",
    "serialize an aggregatable debug report",
    "serialize a verbose debug report",
    "generate a report URL",
    "generate an attribution report URL",
    "generate a verbose debug report URL",
    "generate an aggregatable debug report URL",
];

/// What a cell of the document names: a file with a vector or a test in it, or a whole file of tests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    Vector(String),
    Test { file: String, function: String },
    File(String),
}

struct Row {
    algorithm: String,
    implementation: Vec<Named>,
    tests: Vec<Named>,
}

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn document() -> String {
    let path = crates().join("../docs/conformance.md");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The vectors that are there, as `topic/name`, with their descriptions.
fn vectors() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut vectors = BTreeMap::new();
    let entries = |path: &Path| {
        fs::read_dir(path).expect("the folder is part of the repository").map(|e| e.expect("readable").path())
    };
    for topic in entries(&folder).filter(|path| path.is_dir()) {
        for file in entries(&topic).filter(|path| path.extension().is_some_and(|e| e == "json")) {
            let stem = |path: &Path| {
                path.file_stem().and_then(|stem| stem.to_str()).expect("names are ASCII").to_owned()
            };
            let text = fs::read_to_string(&file).expect("readable");
            let case: serde_json::Value = serde_json::from_str(&text).expect("a case is JSON");
            let description = case["description"].as_str().unwrap_or_default().to_owned();
            vectors.insert(format!("{}/{}", stem(&topic), stem(&file)), description);
        }
    }
    vectors
}

/// The rows of the tables of algorithms.
fn rows(document: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    for line in document.lines() {
        let Some(cells) = line.strip_prefix("| [").and_then(|line| line.strip_suffix(" |")) else { continue };
        let Some((algorithm, cells)) = cells.split_once("](") else { continue };
        let cells: Vec<_> = cells.split(" | ").collect();
        let [_anchor, implementation, tests] = *cells else { panic!("a row has three cells: {line}") };
        rows.push(Row {
            algorithm: algorithm.to_owned(),
            implementation: named(implementation),
            tests: named(tests),
        });
    }
    rows
}

/// The code spans of a cell. One that ends in `/` is a topic and one that ends in `.rs` a file: the names
/// after it are in it.
fn named(cell: &str) -> Vec<Named> {
    enum Within {
        Nothing,
        Topic(String),
        File(String),
    }
    let mut within = Within::Nothing;
    let mut named = Vec::new();
    for span in cell.split('`').skip(1).step_by(2) {
        if let Some(topic) = span.strip_suffix('/') {
            within = Within::Topic(topic.to_owned());
        } else if Path::new(span).extension().is_some_and(|extension| extension == "rs") {
            named.push(Named::File(span.to_owned()));
            within = Within::File(span.to_owned());
        } else {
            named.push(match &within {
                Within::Topic(topic) => Named::Vector(format!("{topic}/{span}")),
                Within::File(file) => Named::Test { file: file.clone(), function: span.to_owned() },
                Within::Nothing => panic!("`{span}` stands in no folder or file: {cell}"),
            });
        }
    }
    named
}

/// What is named after a row of the deviations' tables.
fn deviations(document: &str) -> BTreeMap<String, Vec<Named>> {
    let rows = document.lines().filter(|line| line.starts_with("| M") || line.starts_with("| L"));
    let cells = rows.map(|line| line.trim_matches(['|', ' ']).split(" | ").collect::<Vec<_>>());
    let deviations = cells.filter(|cells| cells.len() == 4);
    deviations.map(|cells| (cells[0].to_owned(), named(cells[3]))).collect()
}

fn source(file: &str) -> String {
    let path = crates().join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn assert_exists(named: &Named, vectors: &BTreeMap<String, String>) {
    match named {
        Named::Vector(name) => assert!(vectors.contains_key(name), "no vector {name}"),
        Named::Test { file, function } => {
            let source = source(file);
            let at = source.find(&format!("fn {function}("));
            let at = at.unwrap_or_else(|| panic!("no function {function} in {file}"));
            let before = &source[..at];
            let attribute = before.rfind("#[test]").unwrap_or_else(|| panic!("{function} is no test"));
            assert!(!before[attribute..].contains("fn "), "{function} in {file} is no test");
        }
        Named::File(file) => assert!(!source(file).is_empty(), "{file} is empty"),
    }
}

#[test]
fn every_algorithm_has_a_row_with_a_test() {
    let rows = rows(&document());
    let with_tests: BTreeSet<_> =
        { rows.iter() }.filter(|row| !row.tests.is_empty()).map(|row| row.algorithm.as_str()).collect();
    let missing: Vec<_> = ALGORITHMS.iter().filter(|name| !with_tests.contains(**name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let unknown: Vec<_> = with_tests.iter().filter(|name| !ALGORITHMS.contains(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert_eq!(rows.len(), ALGORITHMS.len(), "an algorithm has two rows");
}

#[test]
fn every_vector_is_named() {
    let named: BTreeSet<_> = rows(&document()).into_iter().flat_map(|row| row.tests).collect();
    let vectors = vectors();
    let missing: Vec<_> =
        vectors.keys().filter(|name| !named.contains(&Named::Vector((*name).clone()))).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn everything_named_exists() {
    let document = document();
    let vectors = vectors();
    for row in rows(&document) {
        assert!(!row.implementation.is_empty(), "{}: where?", row.algorithm);
        row.implementation.iter().chain(&row.tests).for_each(|named| assert_exists(named, &vectors));
    }
    deviations(&document).values().flatten().for_each(|named| assert_exists(named, &vectors));
}

#[test]
fn files_of_tests_have_tests() {
    for row in rows(&document()) {
        for (at, named) in row.tests.iter().enumerate() {
            let Named::File(file) = named else { continue };
            let alone = !matches!(row.tests.get(at + 1), Some(Named::Test { file: of, .. }) if of == file);
            assert!(
                !alone || source(file).contains("#[test]") || source(file).contains("Trial::test"),
                "{file}"
            );
        }
    }
}

#[test]
fn every_rule_of_a_description_is_explained() {
    let document = document();
    let (_, rules) = document.split_once("\n## Rules\n").expect("there is a list of rules");
    let mut known: BTreeSet<String> = deviations(&document).into_keys().collect();
    known.extend(rules.split('|').map(|cell| cell.trim().to_owned()));
    for (name, description) in vectors() {
        let (rules, _) = description.split_once(':').unwrap_or_else(|| panic!("{name} names no rule"));
        let words = rules.split([',', ' ', '-']).filter(|word| is_rule(word));
        let mut rules = words.peekable();
        assert!(rules.peek().is_some(), "{name} names no rule");
        rules.for_each(|rule| assert!(known.contains(rule), "{name}: {rule} is not explained"));
    }
}

fn is_rule(word: &str) -> bool {
    let mut bytes = word.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_uppercase())
        && word.len() > 1
        && bytes.all(|byte| byte.is_ascii_digit())
}
