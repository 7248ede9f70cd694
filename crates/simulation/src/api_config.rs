//! `api_config`: the engine's parameters as case files name them.

use ascribe_agent::NavigationRetry;
use ascribe_engine::Config;
use ascribe_headers::{Coordinators, SuitableOrigin};
use ascribe_reports::Duration;
use serde_json::{Map, Value};

/// What a run is configured with: the engine's parameters, and what is around the engine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Setup {
    /// The engine's parameters.
    pub config: Config,
    /// Which retry waits for a navigation.
    pub navigation_retry: NavigationRetry,
    /// Whether the operating system takes registrations.
    pub os_supported: bool,
}

/// What is wrong with an `api_config`.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("api_config.{name}: {reason}")]
pub struct ApiConfigError {
    name: String,
    reason: String,
}

/// Overrides parameters. Numbers are decimal strings or JSON numbers; `docs/case-format.md` lists the names.
///
/// # Errors
/// On names that are not known, and values that are out of range.
pub fn apply_api_config(setup: &mut Setup, overrides: &Map<String, Value>) -> Result<(), ApiConfigError> {
    for (name, value) in overrides {
        apply(setup, name, value)
            .map_err(|reason| ApiConfigError { name: name.clone(), reason: reason.to_owned() })?;
    }
    Ok(())
}

fn apply(setup: &mut Setup, name: &str, value: &Value) -> Result<(), &'static str> {
    let config = &mut setup.config;
    match name {
        "max_sources_per_origin" => config.max_sources_per_source_origin = number(value)?,
        "max_destinations_per_source_site_reporting_site" => {
            config.max_unexpired_destinations = number(value)?;
        }
        "max_destinations_per_rate_limit_window" => config.max_destinations_per_window = number(value)?,
        "max_destinations_per_rate_limit_window_reporting_site" => {
            config.max_destinations_per_window_and_reporting_site = number(value)?;
        }
        "destination_rate_limit_window_in_minutes" => {
            config.destination_rate_limit_window = duration(value, 60)?;
        }
        "max_destinations_per_reporting_site_per_day" => {
            config.max_destinations_per_reporting_site_per_day = number(value)?;
        }
        "rate_limit_time_window_in_days" => config.attribution_rate_limit_window = duration(value, 86_400)?,
        "rate_limit_max_source_registration_reporting_origins" => {
            config.max_source_reporting_origins = number(value)?;
        }
        "rate_limit_max_attribution_reporting_origins" => {
            config.max_attribution_reporting_origins = number(value)?;
        }
        "rate_limit_max_attributions" => config.max_attributions = number(value)?,
        "rate_limit_max_reporting_origins_per_source_reporting_site" => {
            config.max_source_reporting_origins_per_site = number(value)?;
        }
        "rate_limit_origins_per_site_window_in_days" => {
            config.origin_rate_limit_window = duration(value, 86_400)?;
        }
        "max_settable_event_level_epsilon" => {
            config.vendor.max_settable_event_level_epsilon = bits(value)?;
        }
        "max_event_level_reports_per_destination" => {
            config.max_event_level_reports_per_destination = number(value)?;
        }
        "max_event_level_channel_capacity_navigation" => {
            config.max_event_level_channel_capacity.navigation = bits(value)?;
        }
        "max_event_level_channel_capacity_event" => {
            config.max_event_level_channel_capacity.event = bits(value)?;
        }
        "max_event_level_channel_capacity_scopes_navigation" => {
            config.max_attribution_scopes_channel_capacity.navigation = bits(value)?;
        }
        "max_event_level_channel_capacity_scopes_event" => {
            config.max_attribution_scopes_channel_capacity.event = bits(value)?;
        }
        "max_trigger_state_cardinality" => config.vendor.max_trigger_state_cardinality = number(value)?,
        "max_aggregatable_reports_per_destination" => {
            config.max_aggregatable_reports_per_destination = number(value)?;
        }
        "aggregatable_report_min_delay" => config.min_aggregatable_report_delay = duration(value, 60)?,
        "aggregatable_report_delay_span" => config.aggregatable_report_delay_span = duration(value, 60)?,
        "max_aggregatable_debug_budget_per_context_site" => {
            config.max_debug_budget_per_context_site = number(value)?;
        }
        "max_aggregatable_debug_budget_per_context_site_reporting_site" => {
            config.max_debug_budget_per_context_and_reporting_site = number(value)?;
        }
        "max_aggregatable_debug_reports_per_source" => {
            config.max_aggregatable_debug_reports_per_source = number(value)?;
        }
        "max_aggregatable_reports_per_source" => config.max_aggregatable_reports_per_source = number(value)?,
        "null_report_rate_excluding_source_registration_time" => {
            config.null_report_rate_excluding_source_registration_time = probability(value)?;
        }
        "null_report_rate_including_source_registration_time" => {
            config.null_report_rate_including_source_registration_time = probability(value)?;
        }
        "aggregation_coordinator_origins" => config.vendor.coordinators = coordinators(value)?,
        "no_noise" => config.test.no_noise = boolean(value)?,
        "no_delay" => config.test.no_delay = boolean(value)?,
        "retry_after_new_navigation" => setup.navigation_retry = navigation_retry(value)?,
        "needs_cross_app_web" => setup.os_supported = boolean(value)?,
        // Features that cases ask for, and that are always there.
        name if name.starts_with("needs_") => {
            boolean(value)?;
        }
        _ => return Err("a parameter that is not known"),
    }
    Ok(())
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn number<T: std::str::FromStr>(value: &Value) -> Result<T, &'static str> {
    let number = text(value).and_then(|text| text.parse().ok());
    number.ok_or("must be a whole number that is not negative")
}

fn duration(value: &Value, seconds: i64) -> Result<Duration, &'static str> {
    let count: u32 = number(value)?;
    Ok(Duration::from_secs(i64::from(count) * seconds))
}

fn bits(value: &Value) -> Result<f64, &'static str> {
    let number = text(value).and_then(|text| text.parse::<f64>().ok());
    number.filter(|bits| *bits >= 0.0 && bits.is_finite()).ok_or("must be a number that is not negative")
}

fn probability(value: &Value) -> Result<f64, &'static str> {
    bits(value).ok().filter(|rate| *rate <= 1.0).ok_or("must be a number from 0 to 1")
}

fn boolean(value: &Value) -> Result<bool, &'static str> {
    value.as_bool().ok_or("must be true or false")
}

fn coordinators(value: &Value) -> Result<Coordinators, &'static str> {
    let error = "must be a list of origins that are potentially trustworthy, at least one";
    let origins = value.as_array().ok_or(error)?;
    let origins: Result<Vec<_>, _> =
        { origins.iter() }.map(|origin| SuitableOrigin::parse(origin.as_str().unwrap_or_default())).collect();
    origins.ok().and_then(Coordinators::new).ok_or(error)
}

fn navigation_retry(value: &Value) -> Result<NavigationRetry, &'static str> {
    match value.as_str() {
        Some("first_retry") => Ok(NavigationRetry::First),
        Some("second_retry") => Ok(NavigationRetry::Second),
        Some("third_retry") => Ok(NavigationRetry::Third),
        _ => Err("must be first_retry, second_retry or third_retry"),
    }
}
