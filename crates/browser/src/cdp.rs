//! A thin client of the DevTools protocol over Chromium's pipe: commands, answers, events.
//!
//! [`Client`] sends commands; [`Reader`] runs until the pipe closes, gives answers to those who wait for
//! them and events to an [`Events`]. Nothing is queued on the way in: an event is handled where it is read,
//! in the order in which Chromium wrote it, and handlers never wait. When they are slower than Chromium, the
//! pipe fills and Chromium keeps what it still has to say. On the way out, commands that Chromium does not
//! read are kept up to [`MAX_UNSENT`] bytes; more than that means that it hangs, and ends the connection.

mod client;
mod error;
mod message;
mod reader;
mod writer;

pub use self::error::ProtocolError;
pub(crate) use self::{
    client::{Client, Reply, SessionId},
    message::Event,
    reader::{Events, Reader},
};

use crate::chromium::Pipes;

/// A greater message is skipped; only its beginning is looked at. A page can make Chromium send what it posts.
const MAX_MESSAGE: usize = 64 << 20;
/// Commands of more bytes than this do not wait to be read by Chromium.
const MAX_UNSENT: usize = 64 << 20;

/// Connects over the pipes; nothing happens before the reader runs.
pub(crate) fn connect(pipes: Pipes) -> (Client, Reader) {
    let client = Client::new(writer::Writer::start(pipes.commands));
    let reader = Reader::new(client.clone(), pipes.events);
    (client, reader)
}
