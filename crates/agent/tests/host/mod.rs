//! A reporting origin and a coordinator on loopback, which note what they get, and a user agent to talk to them.
#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::disallowed_methods, reason = "tests of the host half need a network")]

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use ascribe_agent::{
    Clock, NavigationId, Options, Profile, Request, Responded, Response, ResponseHeaders, UserAgent,
};
use ascribe_engine::{Config, TestSwitches};
use ascribe_headers::{Coordinators, Eligibility, SuitableOrigin};
use ascribe_reports::{PrivateKey, PrivateKeySet, Time};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

pub(crate) const START: Time = Time::from_secs(1_800_000_000);
pub(crate) const EVENT: &str = "/.well-known/attribution-reporting/report-event-attribution";
pub(crate) const AGGREGATABLE: &str = "/.well-known/attribution-reporting/report-aggregate-attribution";
pub(crate) const DEBUG_EVENT: &str = "/.well-known/attribution-reporting/debug/report-event-attribution";
pub(crate) const DEBUG_VERBOSE: &str = "/.well-known/attribution-reporting/debug/verbose";
pub(crate) const KEYS: &str = "/.well-known/aggregation-service/v1/public-keys";

/// How a server answers one request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Status(u16),
    /// A whole answer, as it is.
    Raw(String),
    /// The connection is reset.
    Reset,
    /// It waits until this is let go on, and then answers 200.
    Held(Arc<Semaphore>),
}

/// A server for everything.
pub(crate) struct Server {
    host: &'static str,
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    pub(crate) keys: Arc<PrivateKeySet>,
}

#[derive(Default)]
struct State {
    requests: Vec<(String, String)>,
    /// The next answers to reports and to requests for keys; then all is well.
    reports: VecDeque<Answer>,
    keys: VecDeque<Answer>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_as("127.0.0.1").await
    }

    /// By another name of loopback, the server is of another site.
    pub(crate) async fn start_as(host: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(Mutex::new(State::default()));
        let mut rng = ChaCha20Rng::seed_from_u64(9);
        let keys = PrivateKeySet::new([PrivateKey::generate("the-key", &mut rng).expect("a short ID")]);
        let keys = Arc::new(keys.expect("one key"));
        let (shared, served) = (state.clone(), keys.public().to_json());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, shared.clone(), served.clone()));
            }
        });
        Self { host, address, state, keys }
    }

    pub(crate) fn origin(&self) -> SuitableOrigin {
        SuitableOrigin::parse(&format!("http://{}:{}", self.host, self.address.port()))
            .expect("loopback is trustworthy")
    }

    pub(crate) fn will_answer_reports(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state.lock().expect("no panic").reports.extend(answers);
    }

    pub(crate) fn will_answer_for_keys(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state.lock().expect("no panic").keys.extend(answers);
    }

    /// The bodies that came to a path, in order.
    pub(crate) fn received(&self, path: &str) -> Vec<String> {
        let state = self.state.lock().expect("no panic");
        state.requests.iter().filter(|(to, _)| to == path).map(|(_, body)| body.clone()).collect()
    }

    pub(crate) fn received_json(&self, path: &str) -> Vec<Value> {
        self.received(path).iter().map(|body| serde_json::from_str(body).expect("a report is JSON")).collect()
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = Config::default();
        config.vendor.coordinators = Coordinators::new([self.origin()]).expect("one is enough");
        config.test = TestSwitches { no_noise: true, no_delay: false };
        config
    }

    pub(crate) fn options(&self) -> Options {
        Options { config: self.config(), clock: Clock::fixed(START), seed: Some(7), ..Options::default() }
    }

    pub(crate) fn user_agent(&self) -> UserAgent {
        UserAgent::open(Profile::Ephemeral, self.options()).expect("it opens")
    }

    /// A click on `news` leads to `shop`.
    pub(crate) fn click(&self, user_agent: &UserAgent, source: &str) -> Responded {
        let headers =
            ResponseHeaders { register_source: Some(source.as_bytes()), ..ResponseHeaders::default() };
        self.respond(user_agent, "news", Eligibility::NavigationSource, None, headers)
    }

    /// A conversion on `shop`.
    pub(crate) fn convert(&self, user_agent: &UserAgent, trigger: &str) -> Responded {
        self.convert_after(user_agent, None, trigger)
    }

    pub(crate) fn convert_after(
        &self,
        user_agent: &UserAgent,
        navigation: Option<NavigationId>,
        trigger: &str,
    ) -> Responded {
        let headers =
            ResponseHeaders { register_trigger: Some(trigger.as_bytes()), ..ResponseHeaders::default() };
        self.respond(user_agent, "shop", Eligibility::Trigger, navigation, headers)
    }

    fn respond(
        &self,
        user_agent: &UserAgent,
        page: &str,
        eligibility: Eligibility,
        navigation: Option<NavigationId>,
        headers: ResponseHeaders<'_>,
    ) -> Responded {
        let context_origin = SuitableOrigin::parse(&format!("https://{page}.example")).expect("suitable");
        let request = Request { context_origin, eligibility, fenced: false, navigation };
        let reporting_origin = self.origin();
        let response = Response { reporting_origin, cookie_based_debug_allowed: true, headers };
        user_agent.respond(&request, &response).expect("it is stored")
    }

    /// A click and an event-level conversion: a report that is due after two days.
    pub(crate) fn event_report(&self, user_agent: &UserAgent) {
        self.click(user_agent, r#"{"destination": "https://shop.example"}"#);
        self.convert(user_agent, r#"{"event_trigger_data": [{}]}"#);
    }

    /// A click and a conversion with a histogram: a report that is due within ten minutes.
    pub(crate) fn aggregatable_report(&self, user_agent: &UserAgent) {
        self.click(
            user_agent,
            r#"{"destination": "https://shop.example", "aggregation_keys": {"k": "0x159"}}"#,
        );
        self.convert(user_agent, r#"{"aggregatable_values": {"k": 1664}}"#);
    }
}

async fn answer(mut stream: TcpStream, state: Arc<Mutex<State>>, keys: String) {
    let Some((path, body)) = read_request(&mut stream).await else { return };
    let answer = {
        let mut state = state.lock().expect("no panic");
        state.requests.push((path.clone(), body));
        if path == KEYS { state.keys.pop_front() } else { state.reports.pop_front() }
    };
    let text = match answer {
        Some(Answer::Reset) => return stream.set_zero_linger().expect("a socket"),
        Some(Answer::Status(status)) => format!("HTTP/1.1 {status} So\r\ncontent-length: 0\r\n\r\n"),
        Some(Answer::Raw(text)) => text,
        Some(Answer::Held(until)) => {
            until.acquire().await.expect("never closed").forget();
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned()
        }
        None if path == KEYS => {
            format!(
                "HTTP/1.1 200 OK\r\ncache-control: max-age=3600\r\ncontent-length: {}\r\n\r\n{keys}",
                keys.len()
            )
        }
        None => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned(),
    };
    stream.write_all(text.as_bytes()).await.unwrap_or_default();
    stream.shutdown().await.unwrap_or_default();
}

/// The path and the body.
async fn read_request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let n = stream.read(&mut buffer).await.ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((header, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = header.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().expect("a number")) {
            return Some((header.split(' ').nth(1)?.to_owned(), body.to_owned()));
        }
    }
}
