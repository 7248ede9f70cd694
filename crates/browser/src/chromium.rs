//! The installed Chromium: found, given a profile and a command line, started, and ended.

mod arguments;
mod certificates;
mod find;
mod process;
mod profile;

pub(crate) use self::{
    arguments::arguments,
    certificates::home_that_trusts,
    find::find,
    process::{Pipes, Process},
    profile::Profile,
};
