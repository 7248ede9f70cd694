//! JSON Lines: one entry a line, each with its user; each user an engine of its own.
//!
//! Who hands what to whom: the calling thread reads lines and makes [`Batch`]es; workers play them and give
//! back the text of the reports; one thread writes it. All queues are short: memory holds the users that are
//! open, and the reports that wait for those of an earlier user, not the input.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
    hash::{BuildHasher, RandomState},
    io::{self, BufRead, Read, Write},
    num::NonZeroUsize,
    ops::AddAssign,
    sync::{Mutex, mpsc},
    thread,
};

use ascribe_agent::Registration;
use ascribe_engine::Trace;
use ascribe_reports::Time;
use serde::{Deserialize, Serialize};

use crate::{Entry, Explained, Noise, Observer, PlayError, Player, Sent, Setup, write_report};

/// How JSON Lines are read and played.
#[derive(Clone, Copy, Debug)]
pub struct LinesOptions {
    /// Where chance comes from.
    pub noise: Noise,
    /// How many users are played at the same time.
    pub jobs: NonZeroUsize,
    /// Whether the lines of different users may be mixed. Then all users stay open until the end; otherwise
    /// one is open a job, and the output does not depend on the number of jobs.
    pub interleaved: bool,
    /// Longer lines are an error.
    pub max_line_bytes: usize,
}

/// What was read and made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bytes of input.
    pub bytes: u64,
    /// Lines that are not empty.
    pub lines: u64,
    /// Users.
    pub users: u64,
    /// Responses, each of which may register something.
    pub responses: u64,
    /// Reports of all kinds.
    pub reports: u64,
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinesError {
    /// The input could not be read.
    #[error("reading the input")]
    Read(#[source] io::Error),
    /// The output could not be written.
    #[error("writing the reports")]
    Write(#[source] io::Error),
    /// A line is longer than allowed.
    #[error("line {line}: longer than {limit} bytes")]
    TooLong {
        /// Counted from 1.
        line: u64,
        /// In bytes.
        limit: usize,
    },
    /// A line is no entry.
    #[error("line {line}{}", in_line(error))]
    Syntax {
        /// Counted from 1.
        line: u64,
        /// Why not.
        error: serde_json::Error,
    },
    /// An entry cannot be played.
    #[error("line {line}: {error}")]
    Play {
        /// Counted from 1.
        line: u64,
        /// Why not.
        error: PlayError,
    },
    /// The lines of a user are not together.
    #[error(
        "line {line}: user {user:?} was here before, with another user's lines in between: sort the lines by \
         user, or say that they are interleaved"
    )]
    NotTogether {
        /// Counted from 1.
        line: u64,
        /// The user.
        user: String,
    },
}

/// `, column 7: why`, where there is a column: to its parser, every line is the first.
fn in_line(error: &serde_json::Error) -> String {
    let (message, column) = (error.to_string(), error.column());
    let position = format!(" at line {} column {column}", error.line());
    match message.strip_suffix(&position) {
        Some(message) => format!(", column {column}: {message}"),
        None => format!(": {message}"),
    }
}

/// Plays JSON Lines and writes the reports as JSON Lines. `progress` is told the bytes read, now and then.
///
/// # Errors
/// At the first line that makes no sense, and when reading or writing fails. What was written until then
/// stays; unless lines are interleaved, it is all that whole users lead to.
pub fn run_lines(
    input: impl BufRead,
    output: impl Write + Send,
    setup: &Setup,
    options: &LinesOptions,
    mut progress: impl FnMut(u64),
) -> Result<Totals, LinesError> {
    let queue = options.jobs.get() * 2;
    thread::scope(|scope| {
        let (done, results) = mpsc::sync_channel::<Done>(queue);
        let in_order = !options.interleaved;
        let writer = scope.spawn(move || write_results(output, &results, in_order));
        let mut to_workers = Vec::new();
        if options.interleaved {
            for _ in 0..options.jobs.get() {
                let (sender, batches) = mpsc::sync_channel::<Batch>(2);
                let done = done.clone();
                scope.spawn(move || Worker::new(setup, options).play_interleaved(batches, &done));
                to_workers.push(sender);
            }
        } else {
            let (sender, batches) = mpsc::sync_channel::<Batch>(queue);
            let batches = std::sync::Arc::new(Mutex::new(batches));
            for _ in 0..options.jobs.get() {
                let (batches, done) = (batches.clone(), done.clone());
                scope.spawn(move || Worker::new(setup, options).play_grouped(&batches, &done));
            }
            to_workers.push(sender);
        }
        drop(done);
        let read = read_batches(input, options, &to_workers, &mut progress);
        drop(to_workers);
        let written = writer.join().expect("the writer does not panic");
        // Workers and the writer stop at the first error, and then the reader finds nobody to talk to. What the
        // reader sends comes before what it stumbles over: the writer's error is that of an earlier line.
        match (read, written) {
            (Err(read), Ok(_)) => Err(read),
            (Ok(bytes), Ok(totals)) => Ok(Totals { bytes, ..totals }),
            (_, Err(error)) => Err(error),
        }
    })
}

/// Lines to be played together, each with its number. Without any, interleaved users have come to their end.
#[derive(Default)]
struct Batch {
    index: u64,
    text: Vec<u8>,
    /// Where each line ends in `text`, and its number.
    lines: Vec<(usize, u64)>,
    /// Whether the last user goes on in the next batch.
    continues: bool,
}

/// What a batch led to.
struct Done {
    /// The batch's.
    index: u64,
    result: Result<Log, LinesError>,
}

/// Small enough to stay in a core's cache, and for allocators to use the same memory again.
const BATCH_BYTES: usize = 48 << 10;
const MAX_BATCH_BYTES: usize = 16 * BATCH_BYTES;

fn read_batches(
    mut input: impl BufRead,
    options: &LinesOptions,
    workers: &[mpsc::SyncSender<Batch>],
    progress: &mut impl FnMut(u64),
) -> Result<u64, LinesError> {
    let hasher = RandomState::new();
    let mut batches: Vec<Batch> = workers.iter().map(|_| Batch::default()).collect();
    // The user of the last line of a full batch, which waits for the next user to begin.
    let mut last_of_full: Option<String> = None;
    let mut next_index = 0;
    let mut line = Vec::new();
    let (mut number, mut bytes) = (0, 0);
    let mut send = |batch: &mut Batch, worker: usize| {
        let batch = Batch { index: next_index, ..std::mem::take(batch) };
        next_index += 1;
        workers[worker].send(batch).is_ok()
    };
    loop {
        line.clear();
        let limit = options.max_line_bytes as u64 + 1;
        let read = (&mut input).take(limit).read_until(b'\n', &mut line).map_err(LinesError::Read)?;
        if read == 0 {
            break;
        }
        number += 1;
        bytes += read as u64;
        if line.len() > options.max_line_bytes {
            return Err(LinesError::TooLong { line: number, limit: options.max_line_bytes });
        }
        let text = line.trim_ascii_end();
        if text.is_empty() {
            continue;
        }
        let worker = if options.interleaved {
            (hasher.hash_one(&*user_of(number, text)?) % workers.len() as u64) as usize
        } else {
            0
        };
        let batch = &mut batches[worker];
        let full = batch.text.len() >= BATCH_BYTES;
        if full {
            // Whole users go together.
            let next_user = options.interleaved || {
                let user = user_of(number, text)?;
                last_of_full.as_deref() != Some(&*user)
            };
            // A user with very many lines is not kept whole.
            batch.continues = !next_user && batch.text.len() >= MAX_BATCH_BYTES;
            if next_user || batch.continues {
                progress(bytes);
                if !send(batch, worker) {
                    return Ok(bytes);
                }
            }
        }
        batch.text.extend_from_slice(text);
        batch.lines.push((batch.text.len(), number));
        if batch.text.len() >= BATCH_BYTES && !options.interleaved {
            last_of_full = Some(user_of(number, text)?.into_owned());
        }
    }
    for (worker, batch) in batches.iter_mut().enumerate() {
        if !batch.lines.is_empty() && !send(batch, worker) {
            return Ok(bytes);
        }
        // Only here are all lines read: after an error, nobody is played to an end that is none.
        if options.interleaved && !send(batch, worker) {
            return Ok(bytes);
        }
    }
    progress(bytes);
    Ok(bytes)
}

/// The user of a line, without a look at the rest.
fn user_of(line: u64, text: &[u8]) -> Result<Cow<'_, str>, LinesError> {
    #[derive(Deserialize)]
    struct UserOf<'a> {
        #[serde(borrow, default)]
        user: Option<Cow<'a, str>>,
    }
    let user: UserOf<'_> =
        serde_json::from_slice(text).map_err(|error| LinesError::Syntax { line, error })?;
    Ok(user.user.unwrap_or_default())
}

/// Plays users with one configuration.
struct Worker<'a> {
    setup: &'a Setup,
    options: &'a LinesOptions,
}

impl<'a> Worker<'a> {
    fn new(setup: &'a Setup, options: &'a LinesOptions) -> Self {
        Self { setup, options }
    }

    /// Batches of whole users, from a queue that all workers share.
    fn play_grouped(&self, batches: &Mutex<mpsc::Receiver<Batch>>, done: &mpsc::SyncSender<Done>) {
        loop {
            let Ok(queue) = batches.lock() else { return };
            let Ok(mut batch) = queue.recv() else { return };
            let mut open = None;
            // A user who goes on in the next batch is this worker's: nobody else may take it.
            while batch.continues {
                if !self.play_batch(&batch, &mut open, done) {
                    return;
                }
                let Ok(next) = queue.recv() else { return };
                batch = next;
            }
            drop(queue);
            if !self.play_batch(&batch, &mut open, done) {
                return;
            }
        }
    }

    /// False when there is nobody to go on for.
    fn play_batch(
        &self,
        batch: &Batch,
        open: &mut Option<(String, Player)>,
        done: &mpsc::SyncSender<Done>,
    ) -> bool {
        let result = self.play_users(batch, open);
        let failed = result.is_err();
        done.send(Done { index: batch.index, result }).is_ok() && !failed
    }

    fn play_users(&self, batch: &Batch, open: &mut Option<(String, Player)>) -> Result<Log, LinesError> {
        let mut log = Log { explain: self.setup.config.explain, ..Log::default() };
        batch.each_line(|number, text| {
            let entry: Entry<'_> = parse(number, text)?;
            let user = entry.user.as_deref().unwrap_or_default();
            let (_, player) = match open {
                Some(same) if same.0 == user => same,
                _ => {
                    if let Some((user, mut player)) = open.take() {
                        player.finish(&mut log.of(&user));
                    }
                    log.users.push((user.to_owned(), number));
                    open.insert((user.to_owned(), Player::new(self.setup, self.options.noise, user)))
                }
            };
            log.play(player, number, &entry)
        })?;
        if !batch.continues
            && let Some((user, mut player)) = open.take()
        {
            player.finish(&mut log.of(&user));
        }
        log.totals.users = log.users.len() as u64;
        Ok(log)
    }

    /// Batches of whichever lines came, always of the same users.
    fn play_interleaved(&self, batches: mpsc::Receiver<Batch>, done: &mpsc::SyncSender<Done>) {
        let mut players: HashMap<String, Player> = HashMap::new();
        for batch in batches {
            if batch.lines.is_empty() {
                return finish_all(players, done);
            }
            let mut log = Log { explain: self.setup.config.explain, ..Log::default() };
            let played = batch.each_line(|number, text| {
                let entry: Entry<'_> = parse(number, text)?;
                let user = entry.user.as_deref().unwrap_or_default();
                if !players.contains_key(user) {
                    log.totals.users += 1;
                    players.insert(user.to_owned(), Player::new(self.setup, self.options.noise, user));
                }
                let player = players.get_mut(user).expect("it was just put there");
                log.play(player, number, &entry)
            });
            let failed = played.is_err();
            let result = played.map(|()| log);
            if done.send(Done { index: batch.index, result }).is_err() || failed {
                return;
            }
        }
    }
}

/// Lets the time pass for all users, in the order of their names.
fn finish_all(players: HashMap<String, Player>, done: &mpsc::SyncSender<Done>) {
    let mut users: Vec<_> = players.into_iter().collect();
    users.sort_by(|a, b| a.0.cmp(&b.0));
    for (user, mut player) in users {
        let mut log = Log::default();
        player.finish(&mut log.of(&user));
        if done.send(Done { index: 0, result: Ok(log) }).is_err() {
            return;
        }
    }
}

fn parse(line: u64, text: &[u8]) -> Result<Entry<'_>, LinesError> {
    // One look at the whole line is cheaper than one at each of its strings.
    let entry = match std::str::from_utf8(text) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(text),
    };
    entry.map_err(|error| LinesError::Syntax { line, error })
}

impl Batch {
    fn each_line(
        &self,
        mut play: impl FnMut(u64, &[u8]) -> Result<(), LinesError>,
    ) -> Result<(), LinesError> {
        let mut start = 0;
        for (end, number) in &self.lines {
            play(*number, &self.text[start..*end])?;
            start = *end;
        }
        Ok(())
    }
}

/// The text of a batch's reports.
#[derive(Default)]
struct Log {
    /// Whether to tell what became of each response.
    explain: bool,
    out: Vec<u8>,
    totals: Totals,
    /// Whose lines they were, each with its first line; not kept when lines are interleaved.
    users: Vec<(String, u64)>,
}

/// A line on what became of a response, told from reports by its member `registration`.
#[derive(Serialize)]
struct ExplainedLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    registration: Explained<'a>,
}

struct UserLog<'a> {
    log: &'a mut Log,
    user: Option<&'a str>,
}

impl Log {
    /// The user without a name is not named.
    fn of<'a>(&'a mut self, user: &'a str) -> UserLog<'a> {
        UserLog { log: self, user: (!user.is_empty()).then_some(user) }
    }

    fn play(&mut self, player: &mut Player, line: u64, entry: &Entry<'_>) -> Result<(), LinesError> {
        self.totals.lines += 1;
        let mut log = self.of(entry.user.as_deref().unwrap_or_default());
        player.play(entry, &mut log).map_err(|error| LinesError::Play { line, error })
    }
}

impl Observer for UserLog<'_> {
    fn sent(&mut self, time: Time, report: Sent<'_>) {
        self.log.totals.reports += 1;
        write_report(&mut self.log.out, self.user, time, report);
    }

    fn registered(&mut self, time: Time, url: &str, registration: &Registration, trace: &Trace) {
        self.log.totals.responses += 1;
        if self.log.explain {
            let registration = Explained::new(time, url, registration, trace);
            let line = ExplainedLine { user: self.user, registration };
            serde_json::to_writer(&mut self.log.out, &line)
                .expect("a Vec takes every byte, and keys are strings");
            self.log.out.push(b'\n');
        }
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.lines += other.lines;
        self.users += other.users;
        self.responses += other.responses;
        self.reports += other.reports;
    }
}

/// Writes what batches led to. In order, that is the order of the input, whoever played it; otherwise as it
/// comes: a user is always the same worker's, so that the reports of one user stay in order.
fn write_results(
    mut output: impl Write,
    results: &mpsc::Receiver<Done>,
    in_order: bool,
) -> Result<Totals, LinesError> {
    let hasher = RandomState::new();
    let mut closed: HashSet<u64> = HashSet::new();
    let mut totals = Totals::default();
    let mut write = |result: Result<Log, LinesError>| {
        let log = result?;
        for (user, line) in log.users {
            if !closed.insert(hasher.hash_one(&user)) {
                return Err(LinesError::NotTogether { line, user });
            }
        }
        totals += log.totals;
        output.write_all(&log.out).map_err(LinesError::Write)
    };
    let mut waiting = BTreeMap::new();
    let mut next = 0;
    for Done { index, result } in results {
        if !in_order {
            write(result)?;
            continue;
        }
        waiting.insert(index, result);
        while let Some(result) = waiting.remove(&next) {
            write(result)?;
            next += 1;
        }
    }
    output.flush().map_err(LinesError::Write)?;
    Ok(totals)
}
