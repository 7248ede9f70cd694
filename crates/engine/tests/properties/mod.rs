//! Any operations in any order: what must hold after each of them.
//!
//! Shared by the test of the corpus and by the fuzz target `engine_ops`. Few sites and low limits, so that
//! everything meets everything.

use std::collections::{BTreeMap, BTreeSet};

use arbitrary::{Arbitrary, Unstructured};
use ascribe_engine::{
    Attribution, Change, ClearRange, Config, Draws, Effects, Engine, FakeReport, NewSource, NewTrigger,
    PendingReport, SourceId, SourceOutcome, SystemDraws,
};
use ascribe_headers::{Site, SourceRegistration, SourceType, SuitableOrigin, TriggerRegistration};
use ascribe_privacy::TriggerStates;
use ascribe_reports::{Duration, ReportId, Time};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

#[derive(Arbitrary, Debug)]
enum Op {
    Source(SourceOp),
    Trigger(TriggerOp),
    Wait { minutes: u16 },
    ClockBack { minutes: u8 },
    SendDue,
    Postpone { minutes: u8 },
    ClearSite { reporter: u8 },
    Clear { reporter: u8, minutes_ago: u16, rate_limits: bool },
}

#[derive(Arbitrary, Debug)]
struct SourceOp {
    publisher: u8,
    reporter: u8,
    destinations: [u8; 2],
    navigation: bool,
    priority: i8,
    limit_priority: i8,
    expiry_days: u8,
    max_reports: u8,
    exact_trigger_data: bool,
    key: bool,
    named_budget: Option<u16>,
    debug_budget: Option<u16>,
    scopes: Option<(u8, u8)>,
    debug: bool,
    fenced: bool,
    fake_reports: Option<Vec<(u8, u8)>>,
}

#[derive(Arbitrary, Debug)]
struct TriggerOp {
    page: u8,
    reporter: u8,
    trigger_data: u8,
    priority: i8,
    dedup_key: Option<u8>,
    value: u16,
    named: bool,
    filters: Option<bool>,
    lookback_minutes: Option<u16>,
    include_time: bool,
    context_id: bool,
    scope: Option<u8>,
    debug: bool,
    fenced: bool,
    null_reports: bool,
}

/// The draws that an operation brings along.
struct OpDraws {
    fake_reports: Option<Vec<FakeReport>>,
    null_reports: bool,
    ids: SystemDraws<ChaCha8Rng>,
}

impl Draws for OpDraws {
    fn randomized_response(&mut self, _: &SourceRegistration, _: &TriggerStates) -> Option<Vec<FakeReport>> {
        self.fake_reports.take()
    }

    fn null_report(&mut self, days_before: u32, _: f64) -> bool {
        self.null_reports && days_before.is_multiple_of(7)
    }

    fn aggregatable_report_delay(&mut self, span: Duration) -> Duration {
        Duration::from_millis(span.as_millis() / 2)
    }

    fn report_id(&mut self) -> ReportId {
        self.ids.report_id()
    }
}

fn config() -> Config {
    let mut config = Config::default();
    config.max_sources_per_source_origin = 6;
    config.max_destinations_per_window = 4;
    config.max_destinations_per_window_and_reporting_site = 3;
    config.max_destinations_per_reporting_site_per_day = 4;
    config.max_unexpired_destinations = 3;
    config.max_source_reporting_origins = 3;
    config.max_attribution_reporting_origins = 2;
    config.max_attributions = 4;
    config.max_event_level_reports_per_destination = 5;
    config.max_aggregatable_reports_per_destination = 4;
    config.max_aggregatable_reports_per_source = 3;
    config.max_aggregatable_debug_reports_per_source = 2;
    config.max_debug_budget_per_context_site = 100_000;
    config
}

/// Few enough that everything meets everything: two of the reporters share a site.
fn origin(kind: &str, n: u8) -> SuitableOrigin {
    let host = match (kind, n % 4) {
        ("reporter", 0) => "a.reporter.example".to_owned(),
        ("reporter", 1) => "b.reporter.example".to_owned(),
        (kind, n) => format!("{kind}{n}.example"),
    };
    SuitableOrigin::parse(&format!("https://{host}")).expect("a suitable origin")
}

fn source(op: &SourceOp, config: &Config) -> Option<NewSource> {
    let source_type = if op.navigation { SourceType::Navigation } else { SourceType::Event };
    let mut json = serde_json::json!({
        "destination": op.destinations.map(|d| origin("shop", d).as_str().to_owned()),
        "priority": op.priority.to_string(),
        "destination_limit_priority": op.limit_priority.to_string(),
        "expiry": (1 + u32::from(op.expiry_days % 4)) * 86_400,
        "max_event_level_reports": op.max_reports % 4,
        "filter_data": {"a": ["1"]},
        "debug_key": "1",
        "debug_reporting": op.debug,
        "event_level_epsilon": 10,
    });
    if op.exact_trigger_data {
        json["trigger_data"] = serde_json::json!([3, 5]);
        json["trigger_data_matching"] = "exact".into();
    }
    if op.key {
        json["aggregation_keys"] = serde_json::json!({"k": "0x1", "l": "0x2"});
    }
    if let Some(budget) = op.named_budget {
        json["named_budgets"] = serde_json::json!({"n": budget});
    }
    if let Some(budget) = op.debug_budget.filter(|budget| *budget > 0) {
        let data =
            serde_json::json!([{"types": ["unspecified"], "key_piece": "0x1", "value": 1 + budget / 3}]);
        json["aggregatable_debug_reporting"] =
            serde_json::json!({"budget": budget, "key_piece": "0x1", "debug_data": data});
    }
    if let Some((limit, scope)) = op.scopes {
        let values = [(scope % 3).to_string()];
        json["attribution_scopes"] = serde_json::json!({"limit": 1 + limit % 2, "values": values});
    }
    let text = json.to_string();
    let parsed = SourceRegistration::parse(text.as_bytes(), source_type, &config.vendor);
    Some(NewSource {
        registration: parsed.value?,
        source_type,
        source_origin: origin("news", op.publisher),
        reporting_origin: origin("reporter", op.reporter),
        cookie_based_debug_allowed: op.debug,
        fenced: op.fenced,
    })
}

fn trigger(op: &TriggerOp, config: &Config) -> Option<NewTrigger> {
    let mut json = serde_json::json!({
        "event_trigger_data": [{
            "trigger_data": op.trigger_data.to_string(),
            "priority": op.priority.to_string(),
        }],
        "debug_key": "2",
        "debug_reporting": op.debug,
        "aggregatable_debug_reporting": {
            "key_piece": "0x2",
            "debug_data": [{"types": ["unspecified"], "key_piece": "0x4", "value": 20_000}],
        },
    });
    if let Some(key) = op.dedup_key {
        json["event_trigger_data"][0]["deduplication_key"] = (key % 4).to_string().into();
        json["aggregatable_deduplication_keys"] =
            serde_json::json!([{"deduplication_key": (key % 4).to_string()}]);
    }
    if op.value > 0 {
        json["aggregatable_values"] = serde_json::json!({"k": op.value, "l": 1});
    }
    if op.named {
        json["named_budgets"] = serde_json::json!([{"name": "n"}]);
    }
    if let Some(matches) = op.filters {
        json["filters"] = serde_json::json!({"a": [if matches { "1" } else { "2" }]});
    }
    if let Some(minutes) = op.lookback_minutes {
        json["not_filters"] = serde_json::json!({"_lookback_window": 1 + u32::from(minutes) * 60});
    }
    if op.include_time {
        json["aggregatable_source_registration_time"] = "include".into();
    } else if op.context_id {
        json["trigger_context_id"] = "id".into();
    }
    if let Some(scope) = op.scope {
        json["attribution_scopes"] = serde_json::json!([(scope % 3).to_string()]);
    }
    let text = json.to_string();
    let parsed = TriggerRegistration::parse(text.as_bytes(), &config.vendor);
    Some(NewTrigger {
        registration: parsed.value?,
        destination: origin("shop", op.page).site().clone(),
        reporting_origin: origin("reporter", op.reporter),
        cookie_based_debug_allowed: op.debug,
        fenced: op.fenced,
    })
}

/// Long enough for windows to pass and limits to be met.
const MAX_OPS: usize = 120;

/// Runs the operations that `bytes` mean, and panics when something does not hold. Returns the changes, as they
/// are read again from where they are stored.
pub(crate) fn engine_ops(bytes: &[u8]) -> Vec<Change> {
    let mut bytes = Unstructured::new(bytes);
    let mut run = Run::new();
    for _ in 0..MAX_OPS {
        let Ok(op) = Op::arbitrary(&mut bytes) else { break };
        if bytes.is_empty() {
            break;
        }
        run.step(&op);
    }
    assert!(Engine::replay(config(), &run.journal).state() == run.engine.state(), "the journal is the state");
    let snapshot: Vec<_> = run.engine.state().snapshot().iter().map(stored).collect();
    let restored = Engine::replay(config(), &snapshot);
    assert_eq!(restored.state(), run.engine.state(), "a snapshot is the state");
    run.journal
}

/// A change as text, and read again.
fn stored(change: &Change) -> Change {
    let text = serde_json::to_string(change).expect("all keys are strings");
    let read: Change = serde_json::from_str(&text).unwrap_or_else(|why| panic!("{why}: {text}"));
    assert_eq!(&read, change, "{text}");
    read
}

struct Run {
    engine: Engine,
    /// Knows nothing but the changes.
    follower: Engine,
    now: Time,
    journal: Vec<Change>,
    ids: u64,
    /// What the changes say, for a second opinion.
    model: Model,
}

#[derive(Default)]
struct Model {
    budgets: BTreeMap<SourceId, u32>,
    debug_budgets: BTreeMap<SourceId, u32>,
    report_ids: BTreeSet<ReportId>,
}

impl Run {
    fn new() -> Self {
        Self {
            engine: Engine::new(config()),
            follower: Engine::new(config()),
            now: Time::from_secs(1_700_000_000),
            journal: Vec::new(),
            ids: 0,
            model: Model::default(),
        }
    }

    fn step(&mut self, op: &Op) {
        match op {
            Op::Source(op) => self.source(op),
            Op::Trigger(op) => self.trigger(op),
            Op::Wait { minutes } => self.now = self.now + Duration::from_secs(i64::from(*minutes) * 60),
            Op::ClockBack { minutes } => {
                self.now = self.now - Duration::from_secs(i64::from(*minutes) * 60);
            }
            Op::SendDue => {
                let due: Vec<_> = self.engine.due(self.now).map(|stored| stored.report.key()).collect();
                for key in due {
                    let effects = self.engine.report_sent(key);
                    self.apply(effects);
                }
                assert!(self.engine.next_due().is_none_or(|due| due > self.now));
            }
            Op::Postpone { minutes } => {
                let due = self.engine.due(self.now).next().map(|stored| stored.report.key());
                if let Some(key) = due {
                    let until = self.now + Duration::from_secs(i64::from(*minutes) * 60);
                    let effects = self.engine.report_postponed(key, until);
                    self.apply(effects);
                }
            }
            Op::ClearSite { reporter } => {
                let effects = self.engine.clear_site_data(&origin("reporter", *reporter));
                self.apply(effects);
                let cleared = origin("reporter", *reporter);
                assert!(self.engine.state().reports().all(|s| *s.report.reporting_origin() != cleared));
                assert!(self.engine.state().sources().iter().all(|s| s.source.reporting_origin != cleared));
            }
            Op::Clear { reporter, minutes_ago, rate_limits } => {
                let from = self.now - Duration::from_secs(i64::from(*minutes_ago) * 60);
                let cleared = origin("reporter", *reporter);
                let range = ClearRange { from, to: Time::MAX, rate_limits: *rate_limits };
                let effects = self.engine.clear(|origin| *origin == cleared, range);
                self.apply(effects);
            }
        }
        self.check();
    }

    fn draws(&mut self) -> OpDraws {
        self.ids += 1;
        OpDraws {
            fake_reports: None,
            null_reports: false,
            ids: SystemDraws(ChaCha8Rng::seed_from_u64(self.ids)),
        }
    }

    fn source(&mut self, op: &SourceOp) {
        let Some(source) = source(op, self.engine.config()) else { return };
        let mut draws = self.draws();
        let data = |n: u8| source.registration.trigger_data.get(usize::from(n) % 2).unwrap_or(0);
        let windows = source.registration.event_report_windows.ends().len();
        let max = usize::from(source.registration.max_event_level_reports);
        draws.fake_reports = op.fake_reports.as_ref().map(|fakes| {
            let fake =
                |(d, w): &(u8, u8)| FakeReport { trigger_data: data(*d), window: usize::from(*w) % windows };
            fakes.iter().take(max).map(fake).collect()
        });
        let (origin, debug_budget) = (
            source.source_origin.clone(),
            source.registration.aggregatable_debug_reporting.as_ref().map_or(0, |debug| debug.budget),
        );
        let id = SourceId(u64::MAX);
        let effects = self.engine.register_source(source, self.now, &mut draws);
        if let SourceOutcome::Stored(_) = effects.outcome {
            let stored = self.engine.state().sources();
            let newest = stored.last().map_or(id, |stored| stored.source.id);
            self.model.budgets.insert(newest, 65_536 - debug_budget);
            self.model.debug_budgets.insert(newest, debug_budget);
            let of_origin = stored.iter().filter(|s| s.source.source_origin == origin).count();
            assert!(of_origin <= config().max_sources_per_source_origin, "pending sources of an origin");
        }
        self.apply(effects.map(|_| ()));
    }

    fn trigger(&mut self, op: &TriggerOp) {
        let Some(trigger) = trigger(op, self.engine.config()) else { return };
        let mut draws = self.draws();
        draws.null_reports = op.null_reports;
        let before = self.pending(&trigger.destination);
        let effects = self.engine.register_trigger(&trigger, self.now, &mut draws);
        let after = self.pending(&trigger.destination);
        let limits = config();
        assert!(
            after.0 <= before.0.max(limits.max_event_level_reports_per_destination),
            "event-level reports of a destination"
        );
        assert!(
            after.1 <= before.1.max(limits.max_aggregatable_reports_per_destination),
            "aggregatable reports of a destination"
        );
        if effects.outcome.aggregatable == Attribution::Attributed {
            assert_eq!(after.1, before.1 + 1);
        }
        self.apply(effects.map(|_| ()));
    }

    fn pending(&self, destination: &Site) -> (usize, usize) {
        let (mut events, mut aggregatables) = (0, 0);
        for stored in self.engine.state().reports() {
            match &stored.report {
                PendingReport::Event(event) => {
                    events += usize::from(event.report.destinations.as_slice().contains(destination));
                }
                PendingReport::Aggregatable(report) => {
                    aggregatables +=
                        usize::from(!report.is_null() && report.report.destination == *destination);
                }
            }
        }
        (events, aggregatables)
    }

    fn apply(&mut self, effects: Effects) {
        for change in &effects.changes {
            match change {
                Change::AggregatableReportCounted { source, budget, .. } => {
                    let left = self.model.budgets.get_mut(source).expect("of a stored source");
                    *left = left.checked_sub(*budget).expect("the budget of a source is never exceeded");
                }
                Change::DebugBudgetSpent { source: Some(source), budget, .. } => {
                    let left = self.model.debug_budgets.get_mut(source).expect("of a stored source");
                    *left = left.checked_sub(*budget).expect("the debug budget is never exceeded");
                }
                Change::EventReportStored(report) => {
                    assert!(self.model.report_ids.insert(report.report.report_id), "IDs are fresh");
                }
                Change::AggregatableReportStored(report) => {
                    assert!(self.model.report_ids.insert(report.report.report_id), "IDs are fresh");
                    let sum: u32 = report.report.contributions.iter().map(|c| c.value).sum();
                    assert!(sum <= 65_536 && report.report.contributions.len() <= 20);
                }
                _ => {}
            }
        }
        effects.changes.iter().for_each(|change| self.follower.apply(change));
        self.journal.extend(effects.changes.iter().map(stored));
    }

    fn check(&self) {
        let state = self.engine.state();
        assert!(self.follower.state() == state, "the changes are the state");
        for stored in state.sources() {
            let (registration, progress) = (&stored.source.registration, &stored.progress);
            assert!(progress.event_level_reports <= registration.max_event_level_reports);
            let of_source = state.reports().filter(|s| s.report.source() == Some(stored.source.id));
            let events = of_source.filter(|s| matches!(s.report, PendingReport::Event(_))).count();
            assert!(events <= registration.max_event_level_reports.into(), "reports of a source");
            assert!(progress.aggregatable_reports <= config().max_aggregatable_reports_per_source);
            assert!(progress.debug_reports <= config().max_aggregatable_debug_reports_per_source);
            let left = self.model.budgets[&stored.source.id];
            assert_eq!(progress.remaining_aggregatable_budget, left);
            for (left, (_, budget)) in
                progress.remaining_named_budgets.iter().zip(registration.named_budgets.as_slice())
            {
                assert!(left <= budget);
            }
        }
        assert!(self.engine.due(self.now).all(|stored| stored.due <= self.now), "nothing is early");
        for stored in state.reports() {
            assert!(stored.report.report_time() >= stored.report.trigger_time());
            assert!(stored.due >= stored.report.report_time());
        }
    }
}
