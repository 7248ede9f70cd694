//! The vendor-specific values that decide what a header may say.

use crate::Coordinators;

/// Spec: "Vendor-Specific Values", as far as parsing needs them. The default is Chromium's.
#[derive(Clone, Debug, PartialEq)]
pub struct VendorValues {
    /// The aggregation coordinators; the first is the default.
    pub coordinators: Coordinators,
    /// "Max settable event-level epsilon": default and maximum of `event_level_epsilon`.
    pub max_settable_event_level_epsilon: f64,
    /// "Max trigger-state cardinality": maximum of `max_event_states`.
    pub max_trigger_state_cardinality: u32,
    /// Headers longer than this many bytes are rejected unread.
    pub max_header_bytes: usize,
}

impl Default for VendorValues {
    fn default() -> Self {
        Self {
            coordinators: Coordinators::chromium(),
            max_settable_event_level_epsilon: 14.0,
            max_trigger_state_cardinality: u32::MAX,
            max_header_bytes: 1 << 20,
        }
    }
}
