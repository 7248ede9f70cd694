//! A client that says exactly what it is told to: browsers and libraries do not let tests lie.

use ascribe_browser::Internals;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The name of the error.
    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }
}

/// Host and port.
pub(crate) fn authority(internals: &Internals) -> String {
    let address = internals.page_address();
    let rest = address.strip_prefix("http://").expect("plain HTTP on loopback");
    rest.split('/').next().expect("an authority").to_owned()
}

/// The path of something in the random directory.
pub(crate) fn path(internals: &Internals, of: &str) -> String {
    let address = internals.page_address();
    let directory = address.split('/').nth(3).expect("a directory");
    format!("/{directory}/{of}")
}

/// Sends a request with these header fields, `Host` among them, and no others but those of the body.
pub(crate) async fn send(
    internals: &Internals,
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
    body: &str,
) -> Answer {
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n{fields}{length}\r\n{body}");
    let mut stream = TcpStream::connect(authority(internals)).await.expect("connected");
    // A server that refuses early closes while the rest is still on its way.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// Asks as a program with the token does.
pub(crate) async fn get(internals: &Internals, of: &str) -> Value {
    let host = authority(internals);
    let bearer = format!("Bearer {}", internals.token());
    let fields = [("Host", &*host), ("Authorization", &*bearer)];
    let answer = send(internals, "GET", &path(internals, &format!("api/{of}")), &fields, "").await;
    assert_eq!(answer.status, 200, "{of}: {}", answer.body);
    answer.json()
}

/// Tells as a program with the token does.
pub(crate) async fn post(internals: &Internals, of: &str, body: &str) -> Answer {
    let host = authority(internals);
    let bearer = format!("Bearer {}", internals.token());
    let fields = [("Host", &*host), ("Authorization", &*bearer), ("Content-Type", "application/json")];
    send(internals, "POST", &path(internals, &format!("api/{of}")), &fields, body).await
}
