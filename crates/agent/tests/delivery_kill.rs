//! A process that delivers is killed, over and over: nothing is lost, and nothing has two report IDs.

#![expect(clippy::disallowed_methods, reason = "it is about processes")]

mod host;

use std::{
    collections::{BTreeMap, BTreeSet},
    process::{Child, Command, Stdio},
    time::Duration as StdDuration,
};

use ascribe_agent::{Options, Profile, UserAgent};
use ascribe_engine::PendingReport;
use ascribe_reports::Duration;
use host::*;

/// Set for a process that is to be killed: where its profile is. Its reports know their server.
const PROFILE: &str = "ASCRIBE_TEST_KILLED_PROFILE";
const REPORTS: usize = 200;
const KILLS: usize = 15;

#[tokio::test]
async fn a_process_that_is_killed_while_it_delivers_loses_nothing() {
    let server = Server::start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let profile = dir.path().join("profile");
    let expected = store_reports(&server, &profile).await;

    // Some attempts fail on the way, so that retries are in the journal too; all servers answer in the end.
    let fails = |n| if n % 5 == 0 { Answer::Reset } else { Answer::Status(200) };
    server.will_answer_reports((0..REPORTS).map(fails));
    for kill in 0..KILLS {
        let mut child = deliver_in_a_process(&profile);
        // Each time a few reports later: the first kill is before any, the others are in the middle of many.
        let until = server.received(EVENT).len() + kill;
        while server.received(EVENT).len() < until {
            tokio::time::sleep(StdDuration::from_millis(1)).await;
            assert!(child.try_wait().expect("a child").is_none(), "it does not end by itself");
        }
        child.kill().expect("SIGKILL");
        child.wait().expect("it is gone");
    }
    let before = ids(&server).len();
    assert!((1..REPORTS).contains(&before), "the kills came while reports were on their way: {before}");
    let user_agent = open(&server, &profile);
    user_agent.advance(Duration::DAY).await.expect("stored");
    assert_eq!(user_agent.view(|engine| engine.state().report_count()), 0);

    let arrived = ids(&server);
    let expected: BTreeMap<_, _> = expected.into_iter().map(|(event, id)| (event, [id].into())).collect();
    assert_eq!(arrived, expected, "each under its one ID");
}

/// Reports that are due, and the ID of each, by the source's event ID.
async fn store_reports(server: &Server, profile: &std::path::Path) -> BTreeMap<String, String> {
    let user_agent = open(server, profile);
    for n in 0..REPORTS {
        server.click(
            &user_agent,
            &format!(
                r#"{{"destination": "https://shop.example", "source_event_id": "{n}", "priority": "{n}",
                "filter_data": {{"n": ["{n}"]}}}}"#
            ),
        );
        server.convert(
            &user_agent,
            &format!(r#"{{"event_trigger_data": [{{}}], "filters": {{"n": ["{n}"]}}}}"#),
        );
    }
    user_agent.set_offline(true).expect("stored");
    user_agent.advance(Duration::from_days(3)).await.expect("stored");
    let ids = user_agent.view(|engine| {
        let reports = engine.state().reports().map(|stored| match &stored.report {
            PendingReport::Event(pending) => {
                (pending.report.source_event_id.to_string(), pending.report.report_id.to_string())
            }
            PendingReport::Aggregatable(_) => panic!("event-level only"),
        });
        reports.collect::<BTreeMap<_, _>>()
    });
    user_agent.shutdown().await;
    assert_eq!(ids.len(), REPORTS);
    ids
}

fn open(server: &Server, profile: &std::path::Path) -> UserAgent {
    let mut options = server.options();
    options.config.max_attributions = 10_000;
    options.config.max_event_level_reports_per_destination = 10_000;
    UserAgent::open(Profile::Dir(profile.to_owned()), options).expect("it opens")
}

/// The report IDs that arrived for each event ID.
fn ids(server: &Server) -> BTreeMap<String, BTreeSet<String>> {
    let mut ids = BTreeMap::<_, BTreeSet<_>>::new();
    for report in server.received_json(EVENT) {
        let text = |name: &str| report[name].as_str().expect("text").to_owned();
        ids.entry(text("source_event_id")).or_default().insert(text("report_id"));
    }
    ids
}

fn deliver_in_a_process(profile: &std::path::Path) -> Child {
    let this = std::env::current_exe().expect("the test program");
    let arguments = ["--exact", "the_process_that_is_killed"];
    let mut command = Command::new(this);
    command.args(arguments).env(PROFILE, profile);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
}

/// Does nothing unless it is started by the test above: then it delivers until it is killed.
#[tokio::test]
async fn the_process_that_is_killed() {
    let Some(profile) = std::env::var_os(PROFILE) else { return };
    let options = Options { clock: ascribe_agent::Clock::fixed(START), ..Options::default() };
    let user_agent = UserAgent::open(Profile::Dir(profile.into()), options).expect("it opens");
    loop {
        user_agent.advance(Duration::from_secs(1)).await.expect("stored");
    }
}
