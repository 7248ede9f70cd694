//! A real Chromium whose pages have the Attribution Reporting API.
//!
//! [`Browser::launch`] starts the installed Chromium and speaks the DevTools protocol with it over a pipe.

mod browser;
mod cdp;
mod chromium;
mod host;
mod internals;
mod options;
mod page;

pub use browser::Browser;
pub use cdp::ProtocolError;
pub use options::{LaunchError, LaunchOptions, ThirdPartyCookies};
pub use page::{Button, Click, Page, PageError};
