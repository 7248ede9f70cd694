//! A real Chromium whose pages have the Attribution Reporting API.
//!
//! [`Browser::launch`] starts the installed Chromium and speaks the DevTools protocol with it over a pipe.

mod attempt;
mod browser;
mod cdp;
mod chromium;
mod diagnosis;
mod host;
mod internals;
mod options;
mod page;

pub use attempt::{Attempt, Surface};
pub use browser::Browser;
pub use cdp::ProtocolError;
pub use diagnosis::Diagnosis;
pub use internals::{DEFAULT_CONTEXT, Internals, InternalsSettings, parse_duration};
pub use options::{Greasing, LaunchError, LaunchOptions, ThirdPartyCookies};
pub use page::{Button, Click, Key, Page, PageError};
