//! Every kind of problem that a header can have, with the values that explain it.

use std::fmt;

use crate::{Text, UnsuitableOrigin};

/// What is wrong, or worth knowing; displayed as a sentence for people.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProblemKind {
    // The header as a whole.
    /// More bytes than [`VendorValues::max_header_bytes`](crate::VendorValues::max_header_bytes).
    #[error("{bytes} bytes, at most {limit} are read")]
    TooLong {
        /// The header's length.
        bytes: usize,
        /// The longest that is read.
        limit: usize,
    },
    /// Not UTF-8.
    #[error("not UTF-8 from byte {valid_up_to}")]
    NotUtf8 {
        /// How many bytes are.
        valid_up_to: usize,
    },
    /// Not JSON; what the JSON parser says.
    #[error("not JSON: {0}")]
    JsonSyntax(Box<str>),
    /// Lists and objects inside each other, more than is read.
    #[error("nested deeper than {limit} lists and objects")]
    TooDeep {
        /// The deepest that is read.
        limit: usize,
    },
    /// Not a structured field of the right type; what its parser says.
    #[error("not a structured field: {0}")]
    StructuredFieldSyntax(Box<str>),
    /// An OS registration header without one valid URL.
    #[error("contains no valid URL string, so registers nothing")]
    NoRegistrations,

    // Which fields there are.
    /// A required field is not there.
    #[error("required")]
    Missing,
    /// A field that has no meaning here.
    #[error("unknown field")]
    UnknownField,
    /// A dictionary key that has no meaning here.
    #[error("unknown dictionary key")]
    UnknownKey,
    /// A parameter that has no meaning here.
    #[error("unknown parameter")]
    UnknownParameter,
    /// At most one of these may be given.
    #[error("mutually exclusive: {}", .0.join(", "))]
    MutuallyExclusive(&'static [&'static str]),
    /// Its limits depend on another field, which is wrong itself.
    #[error("cannot be checked without a valid {needs}")]
    Unchecked {
        /// The other field.
        needs: &'static str,
    },

    // Types and numbers.
    /// Of the wrong type.
    #[error("must be {expected}")]
    WrongType {
        /// The right type, or types.
        expected: &'static str,
    },
    /// Not one of the strings or tokens that have a meaning.
    #[error("must be one of (case-sensitive): {}", .allowed.join(", "))]
    NotOneOf {
        /// Those that have.
        allowed: &'static [&'static str],
    },
    /// A number with a fraction.
    #[error("must be an integer")]
    NotAnInteger,
    /// A number out of range; `max` may be infinite.
    #[error("must be {}", Range(*.min, *.max))]
    OutOfRange {
        /// The least allowed.
        min: f64,
        /// The greatest allowed.
        max: f64,
    },
    /// A string that is not `[0-9]+`, or with `signed` not `-?[0-9]+`.
    #[error("must be {} in decimal digits", if *.signed { "an integer" } else { "a non-negative integer" })]
    NotDecimal {
        /// Whether a minus sign is allowed.
        signed: bool,
    },
    /// An integer in a string does not fit in 64 bits.
    #[error("must fit in {} 64-bit integer", if *.signed { "a signed" } else { "an unsigned" })]
    TooWide {
        /// Whether one of the bits is for the sign.
        signed: bool,
    },
    /// Not `0x` or `0X` and 1 to 32 hexadecimal digits.
    #[error("must be a key piece: 0x and 1 to 32 hexadecimal digits")]
    NotKeyPiece,
    /// A filtering ID that its bytes cannot hold.
    #[error("must be at most {max}, for aggregatable_filtering_id_max_bytes is {max_bytes}")]
    FilteringIdTooBig {
        /// The greatest allowed.
        max: u64,
        /// How many bytes it may take.
        max_bytes: u8,
    },

    // Durations.
    /// Below the least allowed number of seconds, which is used.
    #[error("will be raised to the minimum, {to}")]
    Raised {
        /// The least allowed.
        to: u32,
    },
    /// Above the greatest allowed number of seconds, which is used.
    #[error("will be lowered to the maximum, {to}")]
    Lowered {
        /// The greatest allowed.
        to: u32,
    },
    /// Event sources expire after whole days.
    #[error("will be rounded to whole days, {to} seconds, as the source type is event")]
    Rounded {
        /// The whole days, in seconds.
        to: u32,
    },
    /// An `end_times` item does not come after the one before it, or after `start_time`.
    #[error("must be greater than {previous}, where the previous window ends or the first one starts")]
    NotIncreasing {
        /// What it must exceed, in seconds.
        previous: u32,
    },

    // Strings and collections.
    /// A string has more bytes than are allowed.
    #[error("{bytes} bytes, at most {limit}")]
    StringTooLong {
        /// Its length.
        bytes: usize,
        /// The greatest allowed.
        limit: usize,
    },
    /// A key has more bytes than are allowed.
    #[error("key of {bytes} bytes, at most {limit}")]
    KeyTooLong {
        /// Its length.
        bytes: usize,
        /// The greatest allowed.
        limit: usize,
    },
    /// A list, set or object has too few or too many items.
    #[error("{count} items, must be {min} to {max}")]
    BadCount {
        /// How many it has, after removing duplicates.
        count: usize,
        /// The fewest allowed.
        min: usize,
        /// The most allowed.
        max: usize,
    },
    /// The same value as an earlier one of the list.
    #[error("same value as item {first}")]
    Duplicate {
        /// The index of the first one.
        first: usize,
    },
    /// A filter key that the source has anyhow.
    #[error("prohibited, as it is set implicitly")]
    ImplicitKey,
    /// A filter key that starts with `_`.
    #[error("prohibited, as keys that start with \"_\" are reserved")]
    ReservedKey,

    // Origins and sites.
    /// Not a suitable origin.
    #[error(transparent)]
    Unsuitable(#[from] UnsuitableOrigin),
    /// Only a part of the URL counts.
    #[error("only {kept} counts, the rest of the URL is ignored")]
    UrlPartsIgnored {
        /// The origin or site.
        kept: Box<str>,
    },
    /// A site that is a public suffix does not stand for what is below it.
    #[error("{host} is a public suffix: only it will match, not what is below it")]
    PublicSuffix {
        /// The host.
        host: Box<str>,
    },
    /// Not an allowlisted aggregation coordinator.
    #[error("must be one of: {allowed}")]
    UnknownCoordinator {
        /// Those that are.
        allowed: Box<str>,
    },

    // What fields mean together.
    /// A debug data type that this version does not know.
    #[error("unknown debug data type")]
    UnknownDebugType,
    /// Debug data types that occur in two items of `debug_data`.
    #[error("duplicate debug data types: {0}")]
    DuplicateDebugTypes(Box<str>),
    /// A debug contribution that the source's debug budget cannot pay.
    #[error("debug_data contains a value greater than the budget of {budget}")]
    ExceedsDebugBudget {
        /// The budget.
        budget: u32,
    },
    /// `modulus` with trigger data other than 0, 1, … n − 1.
    #[error("trigger_data must be 0, 1, 2 and so on without a gap for modulus")]
    ModulusNotContiguous,
    /// Event-level reports are allowed, but there is no trigger data.
    #[error("event-level attribution will always fail, as trigger_data is empty")]
    NoTriggerData,
    /// There is trigger data, but no event-level reports are allowed.
    #[error("event-level attribution will always fail, as max_event_level_reports is 0")]
    NoReports,
    /// A `source_type` filter value that no source has.
    #[error("can never match: a source type is event or navigation")]
    UnknownSourceType,
    /// A source key without an aggregatable value.
    #[error("{0:?} will never contribute, as aggregatable_values does not have it")]
    KeyWithoutValue(Text),
    /// An aggregatable value whose key no trigger data names.
    #[error("{0:?} is in no source_keys of aggregatable_trigger_data; same as there with key_piece 0x0")]
    KeyWithoutPiece(Text),
    /// What a report must not disclose when it tells the source's day.
    #[error("prohibited with aggregatable_source_registration_time include")]
    ProhibitedWithSourceTime,

    // What a source discloses.
    /// More output states than "max trigger-state cardinality".
    #[error("{states} possible output states, at most {limit}")]
    TooManyStates {
        /// How many sets of event-level reports the source can make.
        states: u128,
        /// The most allowed.
        limit: u32,
    },
    /// More output states than the attribution scopes' `max_event_states`.
    #[error("{states} possible output states, above max_event_states, {limit}")]
    TooManyEventStates {
        /// How many sets of event-level reports the source can make.
        states: u128,
        /// `max_event_states`.
        limit: u32,
    },
    /// More bits than "max event-level channel capacity per source".
    #[error("{bits:.2} bits of information, above the channel capacity per source, {limit:.2}")]
    DisclosesTooMuch {
        /// What the source can disclose.
        bits: f64,
        /// The most allowed.
        limit: f64,
    },
    /// More bits than "max event-level attribution scopes channel capacity per source".
    #[error("{bits:.2} bits of information with attribution scopes, above the capacity, {limit:.2}")]
    ScopesDiscloseTooMuch {
        /// What the source can disclose.
        bits: f64,
        /// The most allowed.
        limit: f64,
    },
    /// A note.
    #[error("information gain: {bits:.2} bits")]
    Discloses {
        /// What the source can disclose.
        bits: f64,
    },
    /// A note.
    #[error("information gain with attribution scopes: {bits:.2} bits")]
    ScopesDisclose {
        /// What the source can disclose.
        bits: f64,
    },
    /// A note.
    #[error("possible output states: {states}")]
    OutputStates {
        /// How many sets of event-level reports the source can make.
        states: u128,
    },
    /// A note.
    #[error("randomized trigger rate: {rate:.7}")]
    RandomizedTriggerRate {
        /// How often the reports are drawn at random: 0 to 1.
        rate: f64,
    },

    // Structured fields.
    /// The value of a dictionary key has no meaning.
    #[error("the value is ignored")]
    ValueIgnored,
    /// Parameters have no meaning here.
    #[error("the parameters are ignored")]
    ParametersIgnored,
    /// This item registers nothing.
    #[error("ignored, must be a string that is a valid URL")]
    ItemIgnored,
    /// This parameter has no effect.
    #[error("ignored, must be a boolean")]
    ParameterIgnored,
}

/// "in the range 1 to 8", or "1 or greater".
struct Range(f64, f64);

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.1.is_infinite() {
            write!(f, "{} or greater", self.0)
        } else {
            write!(f, "in the range {} to {}", self.0, self.1)
        }
    }
}
