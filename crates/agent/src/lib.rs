//! A user agent's side of the Attribution Reporting API, independent of any page technology.
//!
//! [`Agent`] decides which responses may register what, and hands registrations to the engine; [`Courier`]
//! decides when stored reports are tried, tried again and given up. Both are pure: the host has the network,
//! the clock, the dice and the disk.

mod agent;
#[cfg(feature = "host")]
mod clock;
mod courier;
mod debug_reports;
#[cfg(feature = "host")]
mod journal;
#[cfg(feature = "host")]
mod keys;
mod navigation;
#[cfg(feature = "host")]
mod network;
mod policy;
mod response;
#[cfg(feature = "host")]
mod user_agent;

pub use agent::{Agent, Registration, Request, Response};
#[cfg(feature = "host")]
pub use clock::Clock;
pub use courier::{Courier, CourierDraws, Failed, NavigationRetry};
#[cfg(feature = "host")]
pub use journal::{Journal, JournalError, Undeliverable};
#[cfg(feature = "host")]
pub use keys::KeysError;
pub use navigation::NavigationId;
#[cfg(feature = "host")]
pub use network::{
    DeliveryError, HostMap, HostMapError, NetworkError, NetworkOptions, Proxy, ProxyError, RedirectError,
};
pub use policy::{Container, PermissionsPolicy};
pub use response::{Ignored, ResponseHeaders};
#[cfg(feature = "host")]
pub use user_agent::{
    AttemptError, Event, OpenError, Options, Profile, RecordedDraws, Registered, Report, Responded,
    SendOutcome, SentReport, UserAgent,
};
