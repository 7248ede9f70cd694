//! One user, one publisher, a few advertisers: the shortest way to registrations in tests.

use ascribe_engine::{
    Config, Draws, Effects, Engine, FakeReport, NewSource, NewTrigger, SourceOutcome, TriggerOutcome,
};
use ascribe_headers::{SourceRegistration, SourceType, SuitableOrigin, TriggerRegistration};
use ascribe_privacy::TriggerStates;
use ascribe_reports::{Duration, ReportId, Time};
use serde_json::{Value, json};

/// No noise, no null reports, no delay; or the longest delay, and one fake report for each source.
#[derive(Default)]
pub(crate) struct Quiet {
    report_ids: u128,
    noisy: bool,
}

impl Draws for Quiet {
    fn randomized_response(&mut self, _: &SourceRegistration, _: &TriggerStates) -> Option<Vec<FakeReport>> {
        self.noisy.then(|| vec![FakeReport { trigger_data: 0, window: 0 }])
    }

    fn null_report(&mut self, _: u32, _: f64) -> bool {
        false
    }

    fn aggregatable_report_delay(&mut self, span: Duration) -> Duration {
        if self.noisy { span } else { Duration::default() }
    }

    fn report_id(&mut self) -> ReportId {
        self.report_ids += 1;
        ReportId::from_u128(self.report_ids)
    }
}

pub(crate) struct World {
    pub(crate) engine: Engine,
    draws: Quiet,
}

pub(crate) fn origin(host: &str) -> SuitableOrigin {
    SuitableOrigin::parse(&format!("https://{host}.example")).expect("a suitable origin")
}

pub(crate) fn at(seconds: i64) -> Time {
    Time::from_secs(1_700_000_000 + seconds)
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        Self { engine: Engine::new(config), draws: Quiet::default() }
    }

    /// One whose draws are noisy.
    #[allow(dead_code, reason = "not every test program needs it")]
    pub(crate) fn noisy() -> Self {
        let draws = Quiet { noisy: true, ..Quiet::default() };
        Self { engine: Engine::new(Config::default()), draws }
    }

    /// A navigation source on `news` for `shop`, with one aggregation key and debug reporting.
    pub(crate) fn source(&mut self, seconds: i64, reporter: &str) -> Effects<SourceOutcome> {
        let json = json!({
            "destination": "https://shop.example",
            "aggregation_keys": {"k": "0x1"},
            "aggregatable_debug_reporting": {
                "budget": 1000,
                "key_piece": "0x1",
                "debug_data": [{"types": ["unspecified"], "key_piece": "0x2", "value": 1}],
            },
        });
        self.source_of(seconds, reporter, &json)
    }

    pub(crate) fn source_of(&mut self, seconds: i64, reporter: &str, json: &Value) -> Effects<SourceOutcome> {
        let text = json.to_string();
        let vendor = &self.engine.config().vendor;
        let parsed = SourceRegistration::parse(text.as_bytes(), SourceType::Navigation, vendor);
        let source = NewSource {
            registration: parsed.value.expect("a valid source"),
            source_type: SourceType::Navigation,
            source_origin: origin("news"),
            reporting_origin: origin(reporter),
            cookie_based_debug_allowed: true,
            fenced: false,
        };
        self.engine.register_source(source, at(seconds), &mut self.draws)
    }

    /// A trigger on `shop` for both kinds of reports.
    pub(crate) fn trigger(&mut self, seconds: i64, reporter: &str) -> Effects<TriggerOutcome> {
        let json = json!({"event_trigger_data": [{}], "aggregatable_values": {"k": 5}});
        self.trigger_of(seconds, reporter, &json)
    }

    pub(crate) fn trigger_of(
        &mut self,
        seconds: i64,
        reporter: &str,
        json: &Value,
    ) -> Effects<TriggerOutcome> {
        let text = json.to_string();
        let parsed = TriggerRegistration::parse(text.as_bytes(), &self.engine.config().vendor);
        let trigger = NewTrigger {
            registration: parsed.value.expect("a valid trigger"),
            destination: origin("shop").site().clone(),
            reporting_origin: origin(reporter),
            cookie_based_debug_allowed: true,
            fenced: false,
        };
        self.engine.register_trigger(&trigger, at(seconds), &mut self.draws)
    }
}
