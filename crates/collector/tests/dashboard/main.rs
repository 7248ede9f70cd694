//! The dashboard, over a real socket: who gets in, what is shown, what is exported.

mod access;
mod browser;
mod jobs;
mod pages;
mod site;
#[path = "../support/mod.rs"]
mod support;
