//! A journal that cannot be written: nothing has happened, and nothing leaves that is not stored.

use std::sync::atomic::{AtomicUsize, Ordering};

use ascribe_headers::Eligibility;
use ascribe_reports::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::ResponseHeaders;

const TRIGGER: &[u8] = br#"{"event_trigger_data": [{}]}"#;

/// A server that answers everything, and counts.
async fn server() -> (SuitableOrigin, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let requests = Arc::new(AtomicUsize::new(0));
    let count = requests.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            count.fetch_add(1, Ordering::SeqCst);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        }
    });
    (SuitableOrigin::parse(&format!("http://{address}")).expect("loopback"), requests)
}

fn open(profile: &std::path::Path) -> UserAgent {
    let mut options = Options { clock: Clock::fixed(Time::from_secs(1_800_000_000)), ..Options::default() };
    options.config.test = TestSwitches { no_noise: true, no_delay: false };
    UserAgent::open(Profile::Dir(profile.to_owned()), options).expect("it opens")
}

fn source(user_agent: &UserAgent, reporting_origin: &SuitableOrigin) -> Result<Responded, JournalError> {
    source_before(user_agent, reporting_origin, 0)
}

/// One that is attributed before those of lower priority.
fn source_before(
    user_agent: &UserAgent,
    reporting_origin: &SuitableOrigin,
    priority: usize,
) -> Result<Responded, JournalError> {
    let header = format!(
        r#"{{"destination": "https://shop.example", "debug_reporting": true, "priority": "{priority}"}}"#
    );
    let headers = ResponseHeaders { register_source: Some(header.as_bytes()), ..ResponseHeaders::default() };
    respond(user_agent, "https://news.example", Eligibility::NavigationSource, reporting_origin, headers)
}

fn trigger(user_agent: &UserAgent, reporting_origin: &SuitableOrigin) -> Result<Responded, JournalError> {
    let headers = ResponseHeaders { register_trigger: Some(TRIGGER), ..ResponseHeaders::default() };
    respond(user_agent, "https://shop.example", Eligibility::Trigger, reporting_origin, headers)
}

fn respond(
    user_agent: &UserAgent,
    page: &str,
    eligibility: Eligibility,
    reporting_origin: &SuitableOrigin,
    headers: ResponseHeaders<'_>,
) -> Result<Responded, JournalError> {
    let context_origin = SuitableOrigin::parse(page).expect("suitable");
    let request = Request { context_origin, eligibility, fenced: false, navigation: None };
    let reporting_origin = reporting_origin.clone();
    user_agent.respond(&request, &Response { reporting_origin, cookie_based_debug_allowed: true, headers })
}

fn fail(user_agent: &UserAgent, fail: bool) {
    user_agent.0.lock().journal.fail(fail);
}

fn stored(user_agent: &UserAgent) -> (usize, usize) {
    user_agent.view(|engine| (engine.state().source_count(), engine.state().report_count()))
}

#[tokio::test]
async fn what_could_not_be_stored_did_not_happen_and_nothing_leaves() {
    let (origin, requests) = server().await;
    let dir = tempfile::tempdir().expect("a directory");
    let user_agent = open(dir.path());
    let mut events = user_agent.events();
    fail(&user_agent, true);
    assert!(source(&user_agent, &origin).is_err());
    assert_eq!(stored(&user_agent), (0, 0), "the engine is not ahead of the journal");
    assert!(matches!(events.try_recv(), Ok(Event::JournalFailed(_))));
    user_agent.idle().await;
    assert_eq!(requests.load(Ordering::SeqCst), 0, "its debug report tells of nothing");
    let before = user_agent.now();
    assert!(user_agent.advance(Duration::DAY).await.is_err());
    assert_eq!(user_agent.now(), before, "time that is not kept does not pass");

    fail(&user_agent, false);
    source(&user_agent, &origin).expect("stored");
    assert_eq!(stored(&user_agent), (1, 0));
    user_agent.idle().await;
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_report_whose_delivery_cannot_be_stored_is_sent_again_later_and_not_over_and_over() {
    const REPORTS: usize = 100;
    let (origin, requests) = server().await;
    let dir = tempfile::tempdir().expect("a directory");
    let user_agent = open(dir.path());
    for n in 0..REPORTS {
        source_before(&user_agent, &origin, n).expect("stored");
        trigger(&user_agent, &origin).expect("stored");
    }
    user_agent.idle().await;
    let debug_reports = requests.load(Ordering::SeqCst);
    let (_, pending) = stored(&user_agent);
    assert_eq!(pending, REPORTS);

    fail(&user_agent, true);
    assert!(user_agent.send_pending_now().await.is_err());
    assert_eq!(stored(&user_agent).1, pending, "none is known as sent");
    let sent = requests.load(Ordering::SeqCst) - debug_reports;
    assert!((1..=32).contains(&sent), "those on their way, and no more: {sent}");

    fail(&user_agent, false);
    user_agent.send_pending_now().await.expect("stored");
    assert_eq!(stored(&user_agent).1, 0);
    assert_eq!(requests.load(Ordering::SeqCst), debug_reports + sent + pending);
}

#[tokio::test]
async fn while_the_journal_fails_the_running_clock_sends_nothing_twice() {
    let (origin, requests) = server().await;
    let dir = tempfile::tempdir().expect("a directory");
    let mut options = Options::default();
    options.config.test = TestSwitches::LOCAL_TESTING_MODE;
    let user_agent = UserAgent::open(Profile::Dir(dir.path().to_owned()), options).expect("it opens");
    for n in 0..5 {
        source_before(&user_agent, &origin, n).expect("stored");
        trigger(&user_agent, &origin).expect("stored");
    }
    user_agent.idle().await;
    let debug_reports = requests.load(Ordering::SeqCst);
    fail(&user_agent, true);
    let running = tokio::spawn({
        let user_agent = user_agent.clone();
        async move { user_agent.run().await }
    });
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(stored(&user_agent).1, 5);
    let sent = requests.load(Ordering::SeqCst) - debug_reports;
    assert!((1..=5).contains(&sent), "{sent}");
    user_agent.shutdown().await;
    tokio::time::timeout(std::time::Duration::from_secs(10), running)
        .await
        .expect("it ends")
        .expect("no panic");
}

#[tokio::test]
async fn what_cannot_be_deleted_is_still_there() {
    let (origin, _) = server().await;
    let dir = tempfile::tempdir().expect("a directory");
    let user_agent = open(dir.path());
    source(&user_agent, &origin).expect("stored");
    fail(&user_agent, true);
    assert!(user_agent.clear_site_data(&origin).is_err());
    assert_eq!(stored(&user_agent), (1, 0));
    fail(&user_agent, false);
    user_agent.clear_site_data(&origin).expect("deleted");
    assert_eq!(stored(&user_agent), (0, 0));
}

#[tokio::test]
async fn a_panic_of_who_looks_on_leaves_a_user_agent_that_works() {
    let (origin, _) = server().await;
    let dir = tempfile::tempdir().expect("a directory");
    for user_agent in
        [open(dir.path()), UserAgent::open(Profile::Ephemeral, Options::default()).expect("it opens")]
    {
        source(&user_agent, &origin).expect("stored");
        let looking = user_agent.clone();
        let panicked = tokio::spawn(async move { looking.view(|_| panic!("on purpose")) }).await;
        assert!(panicked.is_err());
        assert_eq!(stored(&user_agent).0, 1);
        source(&user_agent, &origin).expect("stored");
        assert_eq!(stored(&user_agent).0, 2);
    }
}
