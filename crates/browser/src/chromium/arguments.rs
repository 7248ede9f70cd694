//! Chromium's command line.

use std::{ffi::OsString, path::Path};

use crate::{LaunchError, LaunchOptions};

/// Everything that is always said: no first-run pages, no traffic of Chromium's own, no throttling of pages
/// that nobody looks at.
const ALWAYS: [&str; 12] = [
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-background-timer-throttling",
    // Requests over QUIC would not pass `--host-resolver-rules` and proxies alike.
    "--disable-quic",
    "--password-store=basic",
];

/// The arguments for a launch; `root` is whether the user is, whom Chromium's sandbox refuses.
pub(crate) fn arguments(
    options: &LaunchOptions,
    profile: &Path,
    root: bool,
) -> Result<Vec<OsString>, LaunchError> {
    let mut arguments: Vec<OsString> = ALWAYS.map(OsString::from).into();
    arguments.push(with_value("--user-data-dir=", profile));
    if options.headless {
        arguments.extend(
            ["--headless=new", "--disable-gpu", "--hide-scrollbars", "--mute-audio"].map(OsString::from),
        );
    }
    if options.no_sandbox || root {
        arguments.push("--no-sandbox".into());
    }
    if let Some(port) = options.port {
        // Never with `--remote-allow-origins`: a page could then drive the browser.
        arguments.push(format!("--remote-debugging-port={port}").into());
        arguments.push("--remote-debugging-address=127.0.0.1".into());
    }
    arguments.extend(options.network.chromium_args().into_iter().map(OsString::from));
    arguments.extend(options.extra_arguments.iter().cloned());
    arguments.push("about:blank".into());
    Ok(arguments)
}

fn with_value(switch: &str, value: &Path) -> OsString {
    let mut argument = OsString::from(switch);
    argument.push(value);
    argument
}
