//! A real Chromium whose pages have the Attribution Reporting API.
