//! Servers that receive reports badly or not at all: what is tried again, what is final, and what it costs.

use std::{fs, time::Duration};

use ascribe_agent::{Clock, SendOutcome};
use ascribe_reports::{Duration as Span, Time};
use ascribe_test_sites::{Reply, Site, Sites};

use crate::stage::{SOURCE, Stage, TRIGGER, Tested, memory, tests};

tests![
    what_fails_on_the_way_is_tried_twice_again,
    what_a_server_does_wrong_is_final,
    a_server_that_is_down_is_told,
    a_server_without_tls_is_told,
    a_server_of_which_nothing_ends_is_not_waited_for,
];

const START: Time = Time::from_secs(1_893_456_000);
/// An event source reports when it expires.
const WINDOW: i64 = 30 * 86_400;
const EVENT_LEVEL: &str = "/.well-known/attribution-reporting/report-event-attribution";

async fn own_browser(stage: Stage) -> Result<Stage, Box<dyn std::error::Error>> {
    stage
        .with_browser(|options| {
            options.agent.clock = Clock::fixed(START);
            options.network.timeout = Duration::from_secs(1);
        })
        .await
}

/// An ad is seen, and something is bought: there is a report for `ads` to receive. It sends the report, and tells of
/// each attempt the seconds since it was due first, and how it ended; and how many requests arrived.
async fn report(
    stage: &Stage,
    ads: &Site,
) -> Result<(Vec<(i64, String)>, usize), Box<dyn std::error::Error>> {
    stored(stage, ads).await?;
    sent(stage, ads).await
}

async fn stored(stage: &Stage, ads: &Site) -> Tested {
    ads.reply("/source", Reply::image().header(SOURCE, stage.source(1)).header("cache-control", "no-store"));
    let trigger = r#"{"event_trigger_data": [{}]}"#;
    ads.reply("/trigger", Reply::image().header(TRIGGER, trigger).header("cache-control", "no-store"));
    for (site, path) in [(&stage.publisher, "/source"), (&stage.shop, "/trigger")] {
        let page = stage.show(site, &format!(r#"<img attributionsrc src="{}">"#, ads.url(path))).await?;
        stage.idle().await;
        page.close().await?;
    }
    assert_eq!(stage.event_reports().await.len(), 1);
    Ok(())
}

async fn sent(stage: &Stage, ads: &Site) -> Result<(Vec<(i64, String)>, usize), Box<dyn std::error::Error>> {
    let user_agent = stage.user_agent();
    let (due, before) = (user_agent.now() + Span::from_secs(WINDOW), user_agent.sent().len());
    let received = ads.received(EVENT_LEVEL).len();
    user_agent.advance(Span::from_secs(WINDOW + 86_400)).await?;
    assert_eq!(user_agent.view(|engine| engine.state().report_count()), 0);
    let attempts = user_agent.sent()[before..]
        .iter()
        .map(|sent| {
            let ended = match &sent.outcome {
                SendOutcome::Answered(status) => status.to_string(),
                SendOutcome::Retried { error, .. } => format!("again: {error}"),
                SendOutcome::Dropped { error, .. } => format!("dropped: {error}"),
                other => format!("{other:?}"),
            };
            (sent.time.as_secs() - due.as_secs(), ended)
        })
        .collect();
    Ok((attempts, ads.received(EVENT_LEVEL).len() - received))
}

async fn what_fails_on_the_way_is_tried_twice_again(stage: Stage) -> Tested {
    let stage = own_browser(stage).await?;
    for (what, reply) in
        [("a black hole", Reply::silence()), ("too slow", Reply::ok().after(Duration::from_secs(5)))]
    {
        stage.ads.reply(EVENT_LEVEL, reply);
        let (attempts, received) = report(&stage, &stage.ads).await?;
        let expected = [(0, "again: timed out"), (300, "again: timed out"), (1_200, "dropped: timed out")];
        assert_eq!(attempts, expected.map(|(at, ended)| (at, ended.to_owned())), "{what}");
        assert_eq!(received, 3, "{what}");
    }
    // A server that is back in time gets it.
    stage.ads.answer(EVENT_LEVEL, {
        let calls = std::sync::atomic::AtomicUsize::new(0);
        move |_| match calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 | 1 => Reply::silence(),
            _ => Reply::ok(),
        }
    });
    let (attempts, _) = report(&stage, &stage.ads).await?;
    assert_eq!(attempts.last(), Some(&(1_200, "200".to_owned())));
    Ok(())
}

async fn what_a_server_does_wrong_is_final(stage: Stage) -> Tested {
    let stage = own_browser(stage).await?;
    let circle = stage.ads.url(EVENT_LEVEL);
    let elsewhere = stage.ads2.url(EVENT_LEVEL);
    stage.ads2.reply(EVENT_LEVEL, Reply::ok());
    for (what, reply, ended, requests) in [
        ("an error", Reply::status(500), "500", 1),
        ("nothing found", Reply::status(404), "404", 1),
        (
            "a circle",
            Reply::status(307).header("location", circle),
            "dropped: redirect: more than 20 in a row",
            21,
        ),
        (
            "elsewhere",
            Reply::status(307).header("location", elsewhere),
            "dropped: redirect: to another origin",
            1,
        ),
    ] {
        stage.ads.reply(EVENT_LEVEL, reply);
        let (attempts, received) = report(&stage, &stage.ads).await?;
        assert_eq!(attempts, [(0, ended.to_owned())], "{what}");
        assert_eq!(received, requests, "{what}");
    }
    assert!(stage.ads2.received(EVENT_LEVEL).is_empty());
    for (what, reply) in [
        ("garbage", Reply::garbage(vec![0xff; 1_000])),
        ("no answer", Reply::drop_connection()),
        ("headers without end", Reply::garbage(format!("HTTP/1.1 200 OK\r\n{}", "x: y\r\n".repeat(1 << 20)))),
    ] {
        stage.ads.reply(EVENT_LEVEL, reply);
        let (attempts, received) = report(&stage, &stage.ads).await?;
        let [(0, ended)] = &attempts[..] else { panic!("{what}: {attempts:?}") };
        assert!(ended.starts_with("dropped: "), "{what}: {ended}");
        assert_eq!(received, 1, "{what}");
    }
    Ok(())
}

async fn a_server_that_is_down_is_told(stage: Stage) -> Tested {
    let other = Sites::start()?;
    let directory = tempfile::tempdir()?;
    let authority = directory.path().join("other.pem");
    fs::write(&authority, other.ca_pem())?;
    let rules = format!("MAP *.down.test {},{}", other.address(), stage.host_map()).parse()?;
    let stage = stage
        .with_browser(|options| {
            options.agent.clock = Clock::fixed(START);
            options.network.host_map = rules;
            options.network.ca_certificates.push(authority);
        })
        .await?;
    let ads = other.site("ads.down.test");
    stored(&stage, &ads).await?;
    drop(other);
    let (attempts, _) = sent(&stage, &ads).await?;
    assert_eq!(attempts, [(0, "dropped: connection refused".to_owned())]);
    Ok(())
}

async fn a_server_without_tls_is_told(stage: Stage) -> Tested {
    let stage = own_browser(stage).await?;
    stored(&stage, &stage.ads).await?;
    stage.ads.no_tls();
    let (attempts, received) = sent(&stage, &stage.ads).await?;
    let [(0, ended)] = &attempts[..] else { panic!("{attempts:?}") };
    assert!(ended.starts_with("dropped: "), "{ended}");
    assert_eq!(received, 0);
    Ok(())
}

async fn a_server_of_which_nothing_ends_is_not_waited_for(stage: Stage) -> Tested {
    let stage = own_browser(stage).await?;
    let before = memory()?;
    stage.ads.reply(
        EVENT_LEVEL,
        Reply::ok().body(vec![b'x'; 64 << 20]).slowly(1 << 20, Duration::from_millis(20)),
    );
    let (attempts, _) = report(&stage, &stage.ads).await?;
    assert_eq!(attempts, [(0, "200".to_owned())]);
    // The server's body is in this process, too.
    let grown = memory()?.saturating_sub(before);
    assert!(grown < 64 + 100, "{grown} MiB more");
    Ok(())
}
