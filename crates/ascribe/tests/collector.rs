//! `ascribe collector`: files checked, tags printed, and a collector that serves until it is told to end.

mod common;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

use common::{ascribe, run};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../collector/examples/campaigns.toml");

#[test]
fn a_right_file_passes_the_check() {
    let check = run(&["collector", "check", EXAMPLE]);
    assert_eq!((check.code, check.stderr.as_str()), (Some(0), ""));
    assert!(
        check.stdout.contains("spring                   navigation         2925    11.462      11.5"),
        "{}",
        check.stdout
    );
    let json = run(&["collector", "check", EXAMPLE, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&json["campaigns"][0]["states"], &json["tag_bits"]), (&2925.into(), &24.into()));
}

#[test]
fn a_wrong_file_fails_the_check_with_its_places() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("campaigns.toml");
    let text = std::fs::read_to_string(EXAMPLE).unwrap();
    std::fs::write(&file, text.replace("\"30d\"", "\"soon\"")).unwrap();
    let check = run(&["collector", "check", file.to_str().unwrap()]);
    assert_eq!(check.code, Some(1));
    assert!(
        check.stdout.contains("campaigns.toml: line 53, column 10: campaigns.spring.expiry"),
        "{}",
        check.stdout
    );
    assert_eq!(run(&["collector", "check", "nowhere.toml"]).code, Some(2));
}

#[test]
fn tags_are_printed_and_previewed() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("tags.html");
    let tags = run(&["collector", "tags", EXAMPLE, "--preview", page.to_str().unwrap()]);
    assert_eq!(tags.code, Some(0));
    assert!(tags.stdout.contains(r#"<img src="https://ads.example/source/spring.gif?"#), "{}", tags.stdout);
    assert!(std::fs::read_to_string(page).unwrap().starts_with("<!doctype html>"));
}

/// What a server answers to a request.
fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[cfg(unix)]
/// A collector that serves on ports of its own, and the line that says which.
fn serve(file: &str, store: &str) -> (Child, String) {
    let any = "127.0.0.1:0";
    let mut serving =
        ascribe(&["collector", "serve", file, "--store", store, "--listen", any, "--operations", any])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
    let mut line = String::new();
    BufReader::new(serving.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (serving, line)
}

/// Where the world reaches it, and where those who run it do.
fn addresses(line: &str) -> (&str, &str) {
    line.trim()
        .strip_prefix("serving on ")
        .and_then(|rest| rest.split_once(", operations on "))
        .unwrap_or_else(|| panic!("{line}"))
}

#[test]
fn it_serves_until_it_is_told_to_end_and_what_it_took_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (file, store) = (path("campaigns.toml"), path("reports.db"));
    std::fs::copy(EXAMPLE, &file).unwrap();
    let (mut serving, line) = serve(&file, &store);
    let (public, operations) = addresses(&line);
    let body = r#"[{"type":"source-success","body":{}}]"#;
    let report = format!(
        "POST /.well-known/attribution-reporting/debug/verbose HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    assert!(ask(public, &report).starts_with("HTTP/1.1 200"));
    let source = "GET /source/spring.gif HTTP/1.0\r\nattribution-reporting-eligible: event-source\r\n\r\n";
    let mut stream = TcpStream::connect(public).unwrap();
    stream.write_all(source.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(String::from_utf8_lossy(&answer).contains("attribution-reporting-register-source: {"));
    let metrics = ask(operations, "GET /metrics HTTP/1.0\r\n\r\n");
    assert!(metrics.contains(r#"reports_total{endpoint="verbose_debug",outcome="new"} 1"#), "{metrics}");
    assert!(ask(public, "GET /metrics HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 404"), "not for the world");

    let killed = Command::new("kill").args(["-TERM", &serving.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(serving.wait().unwrap().code(), Some(0));
    assert!(Path::new(&path("campaigns.secret")).exists());
    let backup = run(&["collector", "backup", "--store", &store, &path("copy.db")]);
    assert_eq!((backup.code, backup.stderr.as_str()), (Some(0), ""));
    let estimates = run(&["collector", "estimates", "--store", &path("copy.db"), "--json"]);
    let estimates: serde_json::Value = serde_json::from_str(&estimates.stdout).unwrap();
    assert_eq!(estimates["estimates"][0]["sources"], 1);
    let batches = run(&["collector", "batch", "--store", &store, "--to", &path("batches"), "--json"]);
    assert_eq!((batches.code, batches.stdout.trim()), (Some(0), "[]"));
}

#[cfg(unix)]
#[test]
fn the_dashboard_opens_with_the_password_whose_hash_is_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut hashing =
        ascribe(&["collector", "password"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    hashing.stdin.take().unwrap().write_all(b"correct horse battery\n").unwrap();
    let hashed = String::from_utf8(hashing.wait_with_output().unwrap().stdout).unwrap();
    assert!(hashed.starts_with("[dashboard]\npassword_hash = \"$argon2id$"), "{hashed}");
    let file = path("campaigns.toml");
    std::fs::write(&file, std::fs::read_to_string(EXAMPLE).unwrap() + &hashed).unwrap();
    let (mut serving, line) = serve(&file, &path("reports.db"));
    let (public, operations) = addresses(&line);
    let log_in = |password: &str| {
        let form = format!("password={password}");
        let request = format!(
            "POST /dashboard/login HTTP/1.1\r\nhost: {operations}\r\norigin: http://{operations}\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            form.len()
        );
        ask(operations, &request)
    };
    assert!(log_in("wrong").starts_with("HTTP/1.1 401 "));
    let answer = log_in("correct+horse+battery");
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
    let cookie = answer.split("set-cookie: ").nth(1).and_then(|rest| rest.split(';').next()).unwrap();
    let page = format!(
        "GET /dashboard/ HTTP/1.1\r\nhost: {operations}\r\ncookie: {cookie}\r\nconnection: close\r\n\r\n"
    );
    assert!(ask(operations, &page).contains("Reports over time"));
    let outside = ask(public, "GET /dashboard/login HTTP/1.0\r\n\r\n");
    assert!(outside.starts_with("HTTP/1.0 404"), "not for the world: {outside}");
    let killed = Command::new("kill").args(["-TERM", &serving.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(serving.wait().unwrap().code(), Some(0));
}

#[test]
fn a_short_password_is_refused() {
    let mut hashing =
        ascribe(&["collector", "password"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    hashing.stdin.take().unwrap().write_all(b"elevenbytes\n").unwrap();
    let output = hashing.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("12 to 1024 bytes"));
}

/// An event-level report with its own ID, over a connection that stays.
fn event(round: u32, worker: u32, n: u32) -> String {
    let body = format!(
        concat!(
            r#"{{"attribution_destination":"https://shop.example","randomized_trigger_rate":0.5,"#,
            r#""report_id":"{:08x}-0000-4000-8000-{:04x}{:08x}","scheduled_report_time":"1700000000","#,
            r#""source_event_id":"1","source_type":"event","trigger_data":"{}"}}"#
        ),
        round, worker, n, n
    );
    format!(
        "POST /.well-known/attribution-reporting/report-event-attribution HTTP/1.1\r\nhost: a\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends reports one after the other until the collector is gone: how many were acknowledged.
fn send_until_gone(address: &str, round: u32, worker: u32) -> u32 {
    let mut stream = TcpStream::connect(address).unwrap();
    for n in 0.. {
        let mut head = [0; 512];
        let answered =
            stream.write_all(event(round, worker, n).as_bytes()).and_then(|()| stream.read(&mut head));
        match answered {
            Ok(length) if length > 0 => assert!(head.starts_with(b"HTTP/1.1 200"), "{:?}", &head[..length]),
            _ => return n,
        }
    }
    unreachable!("there are enough numbers")
}

/// A collector that runs over a store in this folder, and where it is reached.
#[cfg(unix)]
struct Serving {
    process: Child,
    address: String,
}

#[cfg(unix)]
impl Serving {
    /// `shell` is done before, in the same process.
    fn start(folder: &Path, shell: &str) -> Self {
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let (file, store) = (path("campaigns.toml"), path("reports.db"));
        std::fs::copy(EXAMPLE, &file).unwrap();
        let any = "127.0.0.1:0";
        let arguments =
            ["collector", "serve", &file, "--store", &store, "--listen", any, "--operations", any];
        let mut process = Command::new("sh")
            .args(["-c", &format!("{shell} exec \"$@\""), "sh", env!("CARGO_BIN_EXE_ascribe")])
            .args(arguments)
            .args(["--reports-per-second", "1000000"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("serving on ").and_then(|rest| rest.split(',').next()).unwrap();
        Self { address: address.to_owned(), process }
    }

    /// What eight workers get acknowledged until the collector is gone, or refuses.
    fn load(&mut self, round: u32, end: impl FnOnce(&mut Child)) -> Vec<u32> {
        let address = &self.address;
        std::thread::scope(|scope| {
            let workers: Vec<_> =
                (0..8).map(|worker| scope.spawn(move || send_until_gone(address, round, worker))).collect();
            end(&mut self.process);
            workers.into_iter().map(|worker| worker.join().unwrap()).collect()
        })
    }
}

/// Every acknowledged report is stored once. The n-th report of a worker has the trigger data n; one more may be
/// stored than was acknowledged.
#[cfg(unix)]
fn assert_stored(folder: &Path, acknowledged: &[u32]) {
    let location = ascribe_collector::StoreLocation::File(folder.join("reports.db"));
    let counts = ascribe_collector::Store::open(&location).unwrap().event_counts().unwrap();
    for n in 0..=acknowledged.iter().copied().max().unwrap_or(0) {
        let stored =
            counts.iter().find(|count| count.trigger_data == u64::from(n)).map_or(0, |count| count.count);
        let of_workers =
            |is: &dyn Fn(&u32) -> bool| acknowledged.iter().filter(|count| is(count)).count() as u64;
        let (sure, possible) = (of_workers(&|&count| count > n), of_workers(&|&count| count >= n));
        assert!((sure..=possible).contains(&stored), "report {n}: {sure} acknowledged, {stored} stored");
    }
}

/// How often it is killed; `scripts/faults.sh` asks for more.
#[cfg(unix)]
fn kill_cycles() -> u32 {
    std::env::var("ASCRIBE_KILL_CYCLES").ok().map_or(5, |text| text.parse().expect("a number"))
}

#[cfg(unix)]
#[test]
fn what_was_acknowledged_is_there_once_after_it_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    // Of each worker in each round, how many were acknowledged.
    let mut acknowledged = Vec::new();
    for round in 0..kill_cycles() {
        let mut serving = Serving::start(folder.path(), "");
        let counts = serving.load(round, |process| {
            std::thread::sleep(std::time::Duration::from_millis(300 + 137 * u64::from(round % 7)));
            process.kill().unwrap();
        });
        serving.process.wait().unwrap();
        assert!(counts.iter().sum::<u32>() > 0);
        acknowledged.extend(counts);
    }
    assert_stored(folder.path(), &acknowledged);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_refuses_what_it_cannot_take_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    // No file longer than 1 MiB, which any user can be told; with the signal ignored, writing fails.
    let mut serving = Serving::start(folder.path(), "trap '' XFSZ; ulimit -S -f 2048;");
    let mut acknowledged = Vec::new();
    let mut round = 0;
    // A log that is full is moved to the store, which has room for a while.
    loop {
        let counts = serving.load(round, |_| ());
        round += 1;
        if counts.iter().sum::<u32>() == 0 {
            break;
        }
        assert!(round < 50, "the disk is never full");
        acknowledged.extend(counts);
    }
    assert!(acknowledged.iter().sum::<u32>() > 100, "there was room at first: {acknowledged:?}");
    let id = serving.process.id().to_string();
    let lifted = Command::new("prlimit").args(["--pid", &id, "--fsize=unlimited"]).status().unwrap();
    assert!(lifted.success());
    let after = serving.load(round, |process| {
        std::thread::sleep(std::time::Duration::from_millis(500));
        process.kill().unwrap();
    });
    serving.process.wait().unwrap();
    assert!(after.iter().sum::<u32>() > 100, "there is room again: {after:?}");
    assert_stored(folder.path(), &[acknowledged, after].concat());
}
