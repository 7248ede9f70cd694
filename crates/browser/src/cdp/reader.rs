//! The way in: messages, each followed by a zero byte.

use tokio::{io::AsyncReadExt as _, net::unix::pipe::Receiver};

use super::{Client, MAX_MESSAGE, message::Event, message::Incoming};

/// Who is told what happens in Chromium.
pub(crate) trait Events: Send + Sync {
    /// One event; must not wait.
    fn event(&self, event: &Event<'_>);
    /// A message was too long to be looked at; this is how it begins.
    fn skipped(&self, beginning: &[u8]);
    /// Chromium is gone.
    fn closed(&self);
}

/// The receiving end.
pub(crate) struct Reader {
    client: Client,
    pipe: Receiver,
    messages: Messages,
}

impl Reader {
    pub(super) fn new(client: Client, pipe: Receiver) -> Self {
        Self { client, pipe, messages: Messages::default() }
    }

    /// Reads until the pipe closes.
    pub(crate) async fn run(mut self, events: &impl Events) {
        let mut buffer = vec![0; READ_AT_ONCE];
        while let Ok(length @ 1..) = self.pipe.read(&mut buffer).await {
            let client = &self.client;
            self.messages.take(&buffer[..length], |message| match message {
                Message::Whole(text) => dispatch(client, text, events),
                Message::TooLong(beginning) => events.skipped(beginning),
            });
            if self.client.is_closed() {
                break;
            }
        }
        self.client.close();
        events.closed();
    }
}

const READ_AT_ONCE: usize = 64 << 10;

fn dispatch(client: &Client, text: &[u8], events: &impl Events) {
    let message: Incoming<'_> = match serde_json::from_slice(text) {
        Ok(message) => message,
        Err(error) => {
            tracing::warn!(%error, "a message of Chromium's is not understood");
            return;
        }
    };
    if let Some(id) = message.id {
        let result = match message.error {
            Some(refusal) => Err(refusal),
            None => Ok(message.result.map_or("{}", |result| result.get())),
        };
        client.answered(id, result);
    } else if let Some(method) = &message.method {
        let params = message.params.map_or("{}", |params| params.get());
        events.event(&Event { method, session: message.session_id.as_deref(), params });
    }
}

/// Splits what is read into messages.
#[derive(Default)]
struct Messages {
    /// The beginning of a message whose end is still to come; of one that is too long, its first bytes.
    begun: Vec<u8>,
    too_long: bool,
}

enum Message<'a> {
    Whole(&'a [u8]),
    TooLong(&'a [u8]),
}

/// As much is kept of a message that is too long.
const BEGINNING: usize = 4096;

impl Messages {
    fn take(&mut self, mut read: &[u8], mut each: impl FnMut(Message<'_>)) {
        while let Some(end) = read.iter().position(|byte| *byte == 0) {
            let (last, rest) = (&read[..end], &read[end + 1..]);
            if self.begun.is_empty() {
                each(Message::Whole(last));
            } else {
                self.extend(last);
                each(if self.too_long { Message::TooLong(&self.begun) } else { Message::Whole(&self.begun) });
                self.begun.clear();
                self.begun.shrink_to(READ_AT_ONCE);
                self.too_long = false;
            }
            read = rest;
        }
        self.extend(read);
    }

    fn extend(&mut self, part: &[u8]) {
        if self.too_long {
            return;
        }
        self.begun.extend_from_slice(part);
        if self.begun.len() > MAX_MESSAGE {
            self.begun.truncate(BEGINNING);
            self.too_long = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(messages: &mut Messages, read: &[u8]) -> Vec<(bool, Vec<u8>)> {
        let mut all = Vec::new();
        messages.take(read, |message| {
            all.push(match message {
                Message::Whole(text) => (true, text.to_vec()),
                Message::TooLong(beginning) => (false, beginning.to_vec()),
            });
        });
        all
    }

    #[test]
    fn messages_are_split_wherever_reads_end() {
        let mut messages = Messages::default();
        assert_eq!(split(&mut messages, b"one\0tw"), [(true, b"one".to_vec())]);
        assert!(split(&mut messages, b"").is_empty());
        assert_eq!(split(&mut messages, b"o\0three\0"), [(true, b"two".to_vec()), (true, b"three".to_vec())]);
        assert!(split(&mut messages, b"four").is_empty());
        assert_eq!(split(&mut messages, b"\0"), [(true, b"four".to_vec())]);
    }

    #[test]
    fn a_message_that_is_too_long_is_skipped_and_the_next_is_not() {
        for (surplus, whole) in [(0, true), (1, false)] {
            let mut messages = Messages::default();
            let mut long = vec![b'x'; MAX_MESSAGE + surplus];
            assert!(split(&mut messages, &long.split_off(9)).is_empty());
            assert!(split(&mut messages, &long).is_empty());
            let all = split(&mut messages, b"\0next\0");
            assert_eq!(all[0].0, whole);
            assert_eq!(all[0].1.len(), if whole { MAX_MESSAGE } else { BEGINNING });
            assert_eq!(all[1], (true, b"next".to_vec()));
        }
    }
}
