//! A user agent's side of the Attribution Reporting API, independent of any page technology.
//!
//! [`Agent`] decides which responses may register what, and hands registrations to the engine; [`Courier`]
//! decides when stored reports are tried, tried again and given up. Both are pure, and build for WebAssembly.
//!
//! The feature `host` adds what needs a disk, a clock, dice and a network: `UserAgent`, which hosts hold, with
//! its `Journal`, its `Clock` and its `NetworkOptions`.
#![cfg_attr(
    feature = "host",
    doc = r##"
```
use ascribe_agent::{Clock, Options, Profile, Request, Response, ResponseHeaders, UserAgent};
use ascribe_headers::{Eligibility, SuitableOrigin};
use ascribe_reports::{Duration, Time};

# #[tokio::main(flavor = "current_thread")]
# async fn main() -> Result<(), Box<dyn std::error::Error>> {
let start = Time::from_secs(1_800_000_000);
let options = Options { clock: Clock::fixed(start), ..Options::default() };
let user_agent = UserAgent::open(Profile::Ephemeral, options)?;

let request = Request {
    context_origin: SuitableOrigin::parse("https://news.example")?,
    eligibility: Eligibility::EventSource,
    fenced: false,
    navigation: None,
};
let headers = ResponseHeaders {
    register_source: Some(br#"{"destination": "https://shop.example"}"#),
    ..ResponseHeaders::default()
};
let reporting_origin = SuitableOrigin::parse("https://ads.example")?;
let response = Response { reporting_origin, cookie_based_debug_allowed: false, headers };
user_agent.respond(&request, &response)?; // it is on the disk now, if the profile is
assert_eq!(user_agent.view(|engine| engine.state().source_count()), 1);

// Reports that become due meanwhile are delivered, and their answers waited for.
# user_agent.set_offline(true)?;
assert_eq!(user_agent.advance(Duration::from_days(30)).await?, start + Duration::from_days(30));
# Ok(())
# }
```
"##
)]

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
