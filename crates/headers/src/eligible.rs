//! `Attribution-Reporting-Eligible`: what a request's response may register.

/// Spec: "eligibility".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Eligibility {
    /// No header is sent; a response may still register a trigger.
    #[default]
    Unset,
    /// The header is sent empty; nothing may be registered.
    Empty,
    /// An event source.
    EventSource,
    /// A navigation source.
    NavigationSource,
    /// A trigger.
    Trigger,
    /// An event source or a trigger, not both.
    EventSourceOrTrigger,
}
