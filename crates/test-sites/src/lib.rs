//! Made-up web sites on the loopback interface, with certificates and a log: what tests of Ascribe browse.
//!
//! [`Sites::start`] opens one port that speaks HTTPS (HTTP/1.1 and HTTP/2) and plain HTTP, and serves any number
//! of hosts under `.test`, `.example` and `.example.com`. A client gets there by [`Sites::host_map`], which is
//! what Chromium's `--host-resolver-rules` wants, and trusts it by [`Sites::ca_pem`]. So URLs look like the real
//! thing: `https://shop.test/checkout`, on the default port.
//!
//! A [`Site`] is scripted by [`Reply`]s, at any time; each request that is received is a [`Received`] in the
//! [`Log`], which is the evidence that tests ask.
//!
//! ```
//! # async fn story() -> Result<(), Box<dyn std::error::Error>> {
//! use ascribe_test_sites::{Reply, Sites};
//!
//! let sites = Sites::start()?;
//! let ads = sites.site("ads.test");
//! sites.site("shop.test").reply("/thanks", Reply::html(r#"<img src="https://ads.test/pixel?order=7">"#));
//! ads.redirect("/pixel", "https://ads.test/counted");
//! ads.reply("/counted", Reply::image().header("attribution-reporting-register-trigger", "{}"));
//! // … open https://shop.test/thanks in a browser …
//! let pixel = ads.wait_for("/pixel").await?;
//! assert_eq!(pixel.target, "/pixel?order=7");
//! assert_eq!(pixel.header("sec-fetch-dest"), Some("image"));
//! # Ok(()) }
//! ```

mod certificates;
mod log;
mod reply;
mod routes;
mod server;
mod sites;
mod wire;

pub use log::{Log, NotReceived, Received};
pub use reply::{Gate, Reply};
pub use sites::{Site, Sites};
