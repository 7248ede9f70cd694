//! What was acknowledged, what arrived, and whether both agree.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fmt,
};

use ascribe_reports::Payload;
use ascribe_test_sites::{Received, Sites};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;
use serde_json::Value;

use super::sites;

/// What the process that browses has said.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    /// How often Chromium was ready.
    pub(super) started: u64,
    /// The start that the parent waits for.
    pub(super) awaited: u64,
    /// The latest click that was begun.
    pub(super) begun: u64,
    sources: BTreeSet<u64>,
    triggers: BTreeSet<u64>,
    refused: Vec<String>,
    failed_launches: Vec<String>,
    /// How many reports were not sent in the end.
    pub(super) left: Option<u64>,
}

impl Heard {
    /// What it says; other lines, of a test's harness, are not for us.
    pub(super) fn line(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let number = rest.parse();
        match (word, number) {
            ("started", _) => self.started += 1,
            ("begin", Ok(n)) => self.begun = n,
            ("source", Ok(n)) => drop(self.sources.insert(n)),
            ("trigger", Ok(n)) => drop(self.triggers.insert(n)),
            ("left", Ok(n)) => self.left = Some(n),
            ("refused", _) => self.refused.push(rest.to_owned()),
            ("launch", _) => self.failed_launches.push(rest.to_owned()),
            _ => {}
        }
    }

    /// The latest click, if it is stored, and its purchase is not.
    pub(super) fn open(&self) -> Option<u64> {
        self.sources.last().copied().filter(|n| !self.triggers.contains(n))
    }
}

/// The figures of a run.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Summary {
    seed: u64,
    pub(super) ascribe_kills: u32,
    pub(super) chromium_kills: u32,
    /// Chromium was to be killed, and was not there.
    pub(super) missed_kills: u32,
    /// Launches that failed since Chromium was killed meanwhile.
    failed_launches: usize,
    /// Clicks and purchases that were acknowledged as stored.
    sources: usize,
    triggers: usize,
    /// Reports that were not acknowledged, since the kill came first; they were stored all the same.
    unacknowledged: usize,
    /// Different reports that arrived.
    pub(crate) reports: usize,
    /// Reports that arrived again, under the same ID.
    duplicates: usize,
    /// How long Chromium lived on after Ascribe was killed, at most.
    pub(super) longest_orphaned_seconds: f64,
    pub(super) seconds: f64,
    /// Lost reports, reports under two IDs, and whatever else should not be.
    pub(crate) failures: Vec<String>,
}

impl Summary {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    pub(super) fn count(&mut self, heard: &Heard, sites: &Sites) {
        self.sources = heard.sources.len();
        self.triggers = heard.triggers.len();
        self.failed_launches = heard.failed_launches.len();
        self.failures.extend(heard.refused.iter().map(|refused| format!("not stored: {refused}")));
        for (path, told) in [(sites::EVENT_LEVEL, event_level as Told), (sites::AGGREGATABLE, aggregatable)] {
            let mut arrived = BTreeMap::<u64, BTreeMap<String, usize>>::new();
            let mut owners = BTreeMap::<String, u64>::new();
            for request in sites::reports(sites).iter().filter(|request| request.path() == path) {
                match told(request) {
                    Ok((n, id)) => {
                        if *owners.entry(id.clone()).or_insert(n) != n {
                            self.failures.push(format!("{id} tells of two clicks"));
                        }
                        *arrived.entry(n).or_default().entry(id).or_default() += 1;
                    }
                    Err(error) => self.failures.push(format!("{error}: {}", request.text())),
                }
            }
            for n in heard.triggers.iter().filter(|n| !arrived.contains_key(n)) {
                self.failures.push(format!("the report of purchase {n} to {path} is lost"));
            }
            for (n, ids) in &arrived {
                if ids.len() > 1 {
                    let ids: Vec<_> = ids.keys().collect();
                    self.failures.push(format!("purchase {n} was reported to {path} as {ids:?}"));
                }
                self.unacknowledged += usize::from(!heard.triggers.contains(n));
                self.reports += ids.len();
                self.duplicates += ids.values().sum::<usize>() - ids.len();
            }
        }
    }
}

/// Which purchase a report tells of, and its ID.
type Told = fn(&Received) -> Result<(u64, String), Box<dyn Error>>;

fn event_level(request: &Received) -> Result<(u64, String), Box<dyn Error>> {
    let report: Value = serde_json::from_slice(&request.body)?;
    let text = |name: &str| report[name].as_str().ok_or("a member is missing");
    let n = text("source_event_id")?.parse()?;
    if text("trigger_data")? != sites::trigger_data(n).to_string() {
        return Err("it tells of another purchase".into());
    }
    Ok((n, text("report_id")?.to_owned()))
}

fn aggregatable(request: &Received) -> Result<(u64, String), Box<dyn Error>> {
    let report: Value = serde_json::from_slice(&request.body)?;
    let shared_info = report["shared_info"].as_str().ok_or("no shared_info")?;
    let shared: Value = serde_json::from_str(shared_info)?;
    let payload = &report["aggregation_service_payloads"][0];
    let sealed = BASE64_STANDARD.decode(payload["payload"].as_str().ok_or("no payload")?)?;
    let keys = sites::private_keys();
    let key = keys.find(payload["key_id"].as_str().ok_or("no key ID")?).ok_or("no such key")?;
    let payload = Payload::parse(&key.open(shared_info, &sealed)?)?;
    let mut contributions = payload.contributions.iter().filter(|one| one.value > 0);
    let (Some(one), None) = (contributions.next(), contributions.next()) else {
        return Err("it has not one contribution".into());
    };
    let n = u64::try_from(one.key.0)?;
    if one.value != sites::value(n) {
        return Err("it tells of another purchase".into());
    }
    Ok((n, shared["report_id"].as_str().ok_or("no report ID")?.to_owned()))
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            ascribe_kills,
            chromium_kills,
            sources,
            triggers,
            reports,
            duplicates,
            failures,
            ..
        } = self;
        writeln!(f, "seed {seed}, {:.0} s", self.seconds)?;
        write!(f, "kills: {ascribe_kills} of Ascribe, {chromium_kills} of Chromium")?;
        writeln!(f, " ({} found none; {} launches failed by them)", self.missed_kills, self.failed_launches)?;
        writeln!(f, "stored: {sources} sources, {triggers} triggers")?;
        writeln!(f, "reports: {reports}, {} of them not acknowledged before a kill", self.unacknowledged)?;
        writeln!(f, "sent again under the same ID: {duplicates}")?;
        writeln!(f, "Chromium without Ascribe: gone within {:.2} s", self.longest_orphaned_seconds)?;
        write!(f, "failures: {}", failures.len())?;
        failures.iter().try_for_each(|failure| write!(f, "\n  {failure}"))
    }
}
