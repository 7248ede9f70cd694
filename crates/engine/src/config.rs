//! Every number that a user agent may choose.

use ascribe_headers::{SourceType, VendorValues};
use ascribe_reports::Duration;

/// Spec: "Vendor-Specific Values". The default is Chromium's.
///
/// Counts are inclusive: a limit of 100 allows the hundredth and drops the next.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// What headers may say: coordinators, epsilon, sizes.
    pub vendor: VendorValues,
    /// "Max pending sources per source origin".
    pub max_sources_per_source_origin: usize,
    /// "Max event-level channel capacity per source", in bits.
    pub max_event_level_channel_capacity: PerSourceType<f64>,
    /// "Max event-level attribution scopes channel capacity per source", in bits.
    pub max_attribution_scopes_channel_capacity: PerSourceType<f64>,
    /// "Max source reporting origins per source reporting site", within [`origin_rate_limit_window`](Self::origin_rate_limit_window).
    pub max_source_reporting_origins_per_site: usize,
    /// "Origin rate-limit window".
    pub origin_rate_limit_window: Duration,
    /// "Destination rate-limit window".
    pub destination_rate_limit_window: Duration,
    /// "Max destinations per rate-limit window", of all reporting sites together.
    pub max_destinations_per_window: usize,
    /// "Max destinations per rate-limit window", of one reporting site.
    pub max_destinations_per_window_and_reporting_site: usize,
    /// "Max destinations per source reporting site per day".
    pub max_destinations_per_reporting_site_per_day: usize,
    /// "Max destinations covered by unexpired sources".
    pub max_unexpired_destinations: usize,
    /// "Attribution rate-limit window": also of reporting-origin limits.
    pub attribution_rate_limit_window: Duration,
    /// "Max source reporting origins per rate-limit window".
    pub max_source_reporting_origins: usize,
    /// "Max attribution reporting origins per rate-limit window".
    pub max_attribution_reporting_origins: usize,
    /// "Max attributions per rate-limit window", for event-level and aggregatable separately.
    pub max_attributions: usize,
    /// "Max event-level reports per attribution destination".
    pub max_event_level_reports_per_destination: usize,
    /// "Max aggregatable attribution reports per attribution destination".
    pub max_aggregatable_reports_per_destination: usize,
    /// "Max aggregatable reports per source", of attribution reports.
    pub max_aggregatable_reports_per_source: u32,
    /// "Max aggregatable reports per source", of debug reports.
    pub max_aggregatable_debug_reports_per_source: u32,
    /// "Max aggregatable debug budget per rate-limit window", of a context site.
    pub max_debug_budget_per_context_site: u64,
    /// "Max aggregatable debug budget per rate-limit window", of a context site and a reporting site.
    pub max_debug_budget_per_context_and_reporting_site: u64,
    /// The part of the aggregatable report delay that is not random; none in the spec.
    pub min_aggregatable_report_delay: Duration,
    /// "Randomized aggregatable attribution report delay".
    pub aggregatable_report_delay_span: Duration,
    /// "Randomized null attribution report rate excluding source registration time".
    pub null_report_rate_excluding_source_registration_time: f64,
    /// "Randomized null attribution report rate including source registration time".
    pub null_report_rate_including_source_registration_time: f64,
    /// What a test takes away.
    pub test: TestSwitches,
    /// Whether outcomes carry a trace of what was considered and which check stopped what.
    pub explain: bool,
}

/// What a test may switch off. Each takes the user's privacy away: out of reach of pages and reporting origins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TestSwitches {
    /// No source is noised, and no null reports are drawn.
    pub no_noise: bool,
    /// True reports are due at once. Fake reports, which tell which window they are of, are due at its end.
    pub no_delay: bool,
}

impl TestSwitches {
    /// "Automation local testing mode".
    pub const LOCAL_TESTING_MODE: Self = Self { no_noise: true, no_delay: true };
}

/// One value for each source type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerSourceType<T> {
    /// For event sources.
    pub event: T,
    /// For navigation sources.
    pub navigation: T,
}

impl<T: Copy> PerSourceType<T> {
    /// The value for a source type.
    #[must_use]
    pub fn get(&self, source_type: SourceType) -> T {
        match source_type {
            SourceType::Event => self.event,
            SourceType::Navigation => self.navigation,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            vendor: VendorValues::default(),
            max_sources_per_source_origin: 4096,
            max_event_level_channel_capacity: PerSourceType { event: 6.5, navigation: 11.5 },
            max_attribution_scopes_channel_capacity: PerSourceType { event: 6.5, navigation: 11.55 },
            max_source_reporting_origins_per_site: 1,
            origin_rate_limit_window: Duration::DAY,
            destination_rate_limit_window: Duration::from_secs(60),
            max_destinations_per_window: 200,
            max_destinations_per_window_and_reporting_site: 50,
            max_destinations_per_reporting_site_per_day: 100,
            max_unexpired_destinations: 100,
            attribution_rate_limit_window: Duration::from_days(30),
            max_source_reporting_origins: 100,
            max_attribution_reporting_origins: 10,
            max_attributions: 100,
            max_event_level_reports_per_destination: 1024,
            max_aggregatable_reports_per_destination: 1024,
            max_aggregatable_reports_per_source: 20,
            max_aggregatable_debug_reports_per_source: 5,
            max_debug_budget_per_context_site: 1 << 20,
            max_debug_budget_per_context_and_reporting_site: 65_536,
            min_aggregatable_report_delay: Duration::from_secs(0),
            aggregatable_report_delay_span: Duration::from_secs(600),
            null_report_rate_excluding_source_registration_time: 0.05,
            null_report_rate_including_source_registration_time: 0.008,
            test: TestSwitches::default(),
            explain: false,
        }
    }
}
