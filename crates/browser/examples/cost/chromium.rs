//! Chromium with the parts of the protocol that Ascribe uses, one more each time, and nothing behind them: every
//! request goes on at once.

use std::{
    io::{BufRead as _, BufReader, PipeReader, PipeWriter, Write as _, pipe},
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use ascribe_agent::NetworkOptions;
use command_fds::{CommandFdExt as _, FdMapping};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Failure;

/// How much of the protocol is used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Use {
    /// Nothing: pages are opened and closed.
    Nothing,
    /// Every request is held, and goes on.
    Requests,
    /// The pages' network and scripts are told of, too.
    Events,
    /// Every response is held, too.
    Responses,
}

/// A Chromium without Ascribe.
pub(crate) struct Chromium {
    child: Child,
    commands: Commands,
    /// The page that is open.
    page: Arc<Mutex<Option<String>>>,
    _profile: TempDir,
}

#[derive(Clone)]
struct Commands(Arc<Mutex<(PipeWriter, u64)>>);

impl Chromium {
    pub(crate) fn start(network: &NetworkOptions, part: Use) -> Result<Self, Failure> {
        let profile = tempfile::tempdir()?;
        let (read_commands, write_commands) = pipe()?;
        let (read_events, write_events) = pipe()?;
        let mut command = Command::new(std::env::var_os("CHROMIUM").unwrap_or("chromium".into()));
        command
            .args(["--headless=new", "--disable-gpu", "--no-first-run", "--disable-background-networking"])
            .args(["--disable-quic", "--no-sandbox", "--disable-sync", "--disable-component-update"])
            .args(["--ignore-certificate-errors", "--remote-debugging-pipe"])
            .args(network.chromium_args())
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .fd_mappings(vec![
                FdMapping { parent_fd: OwnedFd::from(read_commands), child_fd: 3 },
                FdMapping { parent_fd: OwnedFd::from(write_events), child_fd: 4 },
            ])?;
        let child = command.spawn()?;
        drop(command);
        let commands = Commands(Arc::new(Mutex::new((write_commands, 0))));
        if part >= Use::Requests {
            let patterns = json!([{"urlPattern": "*", "requestStage": "Request"}]);
            commands.tell(None, "Fetch.enable", json!({"patterns": patterns}));
        }
        if part >= Use::Events {
            let filter = json!([{"type": "tab", "exclude": true}, {"type": "browser", "exclude": true}, {}]);
            let attach = json!({"autoAttach": true, "waitForDebuggerOnStart": true, "flatten": true, "filter": filter});
            commands.tell(None, "Target.setAutoAttach", attach);
        }
        let page = Arc::<Mutex<Option<String>>>::default();
        let (answers, opened) = (commands.clone(), Arc::clone(&page));
        thread::spawn(move || answers.read(read_events, part, &opened));
        Ok(Self { child, commands, page, _profile: profile })
    }

    /// Opens a page, and closes the one before.
    pub(crate) fn open(&self, url: &str) {
        if let Some(page) = self.page.lock().expect("no thread panics").take() {
            self.commands.tell(None, "Target.closeTarget", json!({"targetId": page}));
        }
        self.commands.tell(None, "Target.createTarget", json!({"url": url}));
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        self.commands.tell(None, "Browser.close", json!({}));
        // What does not end has its profile taken away.
        let _ = self.child.wait();
    }
}

impl Commands {
    fn tell(&self, session: Option<&str>, method: &str, params: Value) {
        let mut guard = self.0.lock().expect("no thread panics");
        let (pipe, id) = &mut *guard;
        *id += 1;
        let mut command = json!({"id": *id, "method": method, "params": params});
        if let Some(session) = session {
            command["sessionId"] = session.into();
        }
        // It may have ended.
        let _ = pipe.write_all(format!("{command}\0").as_bytes());
    }

    fn read(&self, events: PipeReader, part: Use, opened: &Mutex<Option<String>>) {
        for message in BufReader::new(events).split(0).map_while(Result::ok) {
            // Only what is needed is read: the rest is what a program of any other kind would cost.
            if message.starts_with(b"{\"method\":\"Fetch.requestPaused\"") {
                let event: Value = serde_json::from_slice(&message).unwrap_or_default();
                let params = &event["params"];
                let is_request = params.get("responseStatusCode").is_none();
                let mut go_on = json!({"requestId": params["requestId"]});
                if is_request && part >= Use::Responses {
                    go_on["interceptResponse"] = true.into();
                }
                self.tell(None, "Fetch.continueRequest", go_on);
            } else if message.starts_with(b"{\"method\":\"Target.attachedToTarget\"") {
                let event: Value = serde_json::from_slice(&message).unwrap_or_default();
                let session = event["params"]["sessionId"].as_str();
                for method in
                    ["Network.enable", "Page.enable", "Runtime.enable", "Runtime.runIfWaitingForDebugger"]
                {
                    self.tell(session, method, json!({}));
                }
            } else if message.starts_with(b"{\"id\"") {
                let answer: Value = serde_json::from_slice(&message).unwrap_or_default();
                if let Some(page) = answer["result"]["targetId"].as_str() {
                    *opened.lock().expect("no thread panics") = Some(page.to_owned());
                }
            }
        }
    }
}
