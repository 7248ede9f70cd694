//! Deletion is physical: what was cleared is in no byte of any file of the profile, and the rest still is.
#![expect(clippy::disallowed_methods, reason = "the test reads the files")]

mod common;

use std::{fs, path::Path};

use ascribe_agent::{Agent, Journal, Request, Response, ResponseHeaders};
use ascribe_engine::{ClearRange, Effects};
use ascribe_headers::{Eligibility, SuitableOrigin};
use ascribe_reports::Time;
use common::{Dice, at, origin};

/// Everything that the files of a profile say.
fn bytes(dir: &Path) -> Vec<u8> {
    let entries = fs::read_dir(dir).expect("a directory");
    let read =
        |entry: std::io::Result<fs::DirEntry>| fs::read(entry.expect("a file").path()).expect("readable");
    entries.flat_map(read).collect()
}

fn says(dir: &Path, text: &str) -> bool {
    bytes(dir).windows(text.len()).any(|window| window == text.as_bytes())
}

#[track_caller]
fn assert_says(dir: &Path, texts: &[&str]) {
    texts.iter().for_each(|text| assert!(says(dir, text), "{text} is gone"));
}

#[track_caller]
fn assert_silent(dir: &Path, texts: &[&str]) {
    texts.iter().for_each(|text| assert!(!says(dir, text), "{text} is still there"));
}

/// A profile in use: each response is stored before the next.
struct World {
    agent: Agent,
    dice: Dice,
    journal: Journal,
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let (journal, _) = Journal::open(dir.path()).expect("a journal");
        Self { agent: common::agent(), dice: Dice::default(), journal, dir }
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn respond(&mut self, page: &str, reporter: &str, seconds: i64, headers: ResponseHeaders<'_>) {
        let eligibility =
            if headers.register_source.is_some() { Eligibility::EventSource } else { Eligibility::Unset };
        let request = Request { context_origin: origin(page), eligibility, fenced: false, navigation: None };
        let response =
            Response { reporting_origin: origin(reporter), cookie_based_debug_allowed: true, headers };
        let effects = self.agent.respond(&request, &response, at(seconds), &mut self.dice);
        assert!(!effects.changes.is_empty(), "{:?}", effects.outcome);
        self.journal.append(&effects.changes).expect("room");
    }

    /// A view of `<name>-publisher`, for `<name>-shop`.
    fn source(&mut self, name: &str, event_id: u64, seconds: i64) {
        let header = format!(
            r#"{{"destination": "https://{name}-shop.example", "source_event_id": "{event_id}",
                 "filter_data": {{"{name}-key": ["{name}-value"]}}, "aggregation_keys": {{"{name}-piece": "0x1"}}}}"#
        );
        let headers = ResponseHeaders { register_source: Some(header.as_bytes()), ..Default::default() };
        self.respond(&format!("{name}-publisher"), &format!("{name}-reporter"), seconds, headers);
    }

    /// A purchase at `<name>-shop`: both kinds of report.
    fn trigger(&mut self, name: &str, seconds: i64) {
        let header = format!(
            r#"{{"event_trigger_data": [{{}}], "aggregatable_values": {{"{name}-piece": 5}},
                 "trigger_context_id": "{name}-context"}}"#
        );
        let headers = ResponseHeaders { register_trigger: Some(header.as_bytes()), ..Default::default() };
        self.respond(&format!("{name}-shop"), &format!("{name}-reporter"), seconds, headers);
        assert!(says(self.dir(), &format!("{name}-context")));
    }

    fn clear(&mut self, reporter: &SuitableOrigin, range: ClearRange) {
        let effects: Effects = self.agent.clear(|origin| origin == reporter, range);
        assert!(!effects.changes.is_empty());
        let forgets = |report: &ascribe_agent::Undeliverable| report.report.reporting_origin() == reporter;
        self.journal.erase(self.agent.engine().state(), forgets).expect("room");
    }

    /// What must be there, and what must not, now and after a restart.
    fn check(self, there: &[&str], gone: &[&str]) {
        assert_silent(self.dir(), gone);
        assert_says(self.dir(), there);
        let Self { agent, journal, dir, .. } = self;
        drop(journal);
        assert_silent(dir.path(), gone);
        assert_says(dir.path(), there);
        let (_journal, changes) = Journal::open(dir.path()).expect("a journal");
        assert_eq!(changes, agent.engine().state().snapshot());
        assert_silent(dir.path(), gone);
    }
}

const EVERYTHING: ClearRange = ClearRange { from: Time::MIN, to: Time::MAX, rate_limits: true };

#[test]
fn what_the_user_clears_is_gone_and_the_rest_is_not() {
    let mut world = World::new();
    world.source("secret", 412_444_888_111_012, 0);
    world.source("public", 512_444_888_111_012, 1);
    // Some of it is in the file, some in the log.
    world.journal.compact(world.agent.engine().state()).expect("room");
    world.trigger("secret", 60);
    world.trigger("public", 61);
    let secrets = ["secret", "412444888111012", "secret-reporter", "secret-value", "secret-piece"];
    let public = ["public-publisher", "512444888111012", "public-reporter", "public-value", "public-context"];
    assert_says(world.dir(), &secrets);
    world.clear(&origin("secret-reporter"), EVERYTHING);
    world.check(&public, &secrets);
}

#[test]
fn what_was_stored_and_cleared_many_times_over_is_gone() {
    let mut world = World::new();
    for n in 0..200 {
        let name = if n % 3 == 0 { "secret" } else { "public" };
        world.source(name, 412_444_888_111_000 + n, n as i64);
        if n % 10 == 0 {
            world.trigger("secret", n as i64);
        }
        if n % 50 == 49 {
            world.journal.compact(world.agent.engine().state()).expect("room");
        }
    }
    world.clear(&origin("secret-reporter"), EVERYTHING);
    world.check(&["public-reporter", "412444888111001"], &["secret", "412444888111000", "412444888111198"]);
}

#[test]
fn what_clear_site_data_removes_is_gone() {
    let mut world = World::new();
    world.source("secret", 412_444_888_111_012, 0);
    world.trigger("secret", 60);
    world.source("public", 512_444_888_111_012, 1);
    let effects = world.agent.clear_site_data(&origin("secret-reporter"));
    assert!(!effects.changes.is_empty());
    world.journal.erase(world.agent.engine().state(), |_| true).expect("room");
    // Its rate limits, and so its name, stay: a site must not be able to reset its own limits.
    let gone = ["412444888111012", "secret-key", "secret-value", "secret-piece", "secret-context"];
    world.check(&["secret-reporter", "public-reporter", "512444888111012"], &gone);
}

#[test]
fn a_range_of_time_takes_what_is_in_it() {
    let mut world = World::new();
    world.source("secret", 412_444_888_111_012, 0);
    world.source("secret", 512_444_888_111_012, 1000);
    let range = ClearRange { from: at(0), to: at(999), rate_limits: false };
    world.clear(&origin("secret-reporter"), range);
    world.check(&["512444888111012"], &["412444888111012"]);
}

#[test]
fn reports_removed_by_a_clear_are_gone() {
    let mut world = World::new();
    world.source("secret", 412_444_888_111_012, 0);
    world.trigger("secret", 60);
    let ids: Vec<_> = world.agent.engine().state().reports().map(|stored| id(&stored.report)).collect();
    assert_eq!(ids.len(), 2);
    ids.iter().for_each(|id| assert!(says(world.dir(), id)));
    world.clear(&origin("secret-reporter"), EVERYTHING);
    let gone: Vec<_> = ids.iter().map(String::as_str).collect();
    world.check(&[], &gone);
}

#[test]
fn undeliverable_reports_go_with_their_origin() {
    let mut world = World::new();
    for (name, event_id) in [("secret", 412_444_888_111_012), ("public", 512_444_888_111_012)] {
        world.source(name, event_id, 0);
        world.trigger(name, 60);
    }
    let reports: Vec<_> =
        world.agent.engine().state().reports().map(|stored| stored.report.clone()).collect();
    for report in &reports {
        world.journal.keep_undeliverable(report, "no route to host", at(100)).expect("room");
    }
    world.clear(&origin("secret-reporter"), EVERYTHING);
    let kept = world.journal.undeliverable().expect("readable");
    assert_eq!(kept.len(), reports.len() / 2);
    assert!(kept.iter().all(|kept| *kept.report.reporting_origin() == origin("public-reporter")));
    world.check(&["no route to host", "512444888111012"], &["secret", "412444888111012"]);
}

#[test]
fn reports_that_were_sent_are_gone_after_the_next_compaction() {
    let mut world = World::new();
    world.source("secret", 412_444_888_111_012, 0);
    world.trigger("secret", 60);
    let due: Vec<_> = world.agent.engine().due(Time::MAX).map(|stored| stored.report.clone()).collect();
    for report in &due {
        let effects = world.agent.engine_mut().report_sent(report.key());
        world.journal.append(&effects.changes).expect("room");
    }
    let ids: Vec<_> = due.iter().map(id).collect();
    ids.iter().for_each(|id| assert!(says(world.dir(), id), "in the ordinary course, they stay until then"));
    world.journal.compact(world.agent.engine().state()).expect("room");
    let gone: Vec<_> = ids.iter().map(String::as_str).chain(["secret-context"]).collect();
    world.check(&["412444888111012"], &gone);
}

#[test]
fn settings_that_were_replaced_are_gone_after_an_erasure() {
    let mut world = World::new();
    world.journal.set_setting("name", "secret").expect("room");
    world.journal.set_setting("name", "public").expect("room");
    world.journal.erase(world.agent.engine().state(), |_| false).expect("room");
    world.check(&["public"], &["secret"]);
}

fn id(report: &ascribe_engine::PendingReport) -> String {
    match report {
        ascribe_engine::PendingReport::Event(event) => event.report.report_id.to_string(),
        ascribe_engine::PendingReport::Aggregatable(report) => report.report.report_id.to_string(),
    }
}
