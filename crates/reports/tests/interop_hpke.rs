//! What we seal, another implementation opens, and the other way round.
//!
//! The peer is a script around Tink (`interop/hpke_peer.py`). `scripts/interop-venv.sh` installs it and
//! prints the interpreter that the environment variable `ASCRIBE_INTEROP_PYTHON` is to name; without it
//! the tests that run it say so and pass, and what it once sealed (`interop/sealed_by_tink.json`) is left.
#![expect(clippy::disallowed_methods, reason = "tests run a program")]

use std::{
    env,
    fmt::Write as _,
    io::{self, BufRead, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use ascribe_headers::{Coordinators, FilteringIdMaxBytes, KeyPiece, Site, SuitableOrigin};
use ascribe_reports::{
    AggregatableReport, Contribution, DebugKeys, OpenError, Payload, PrivateKey, ReportId, Time,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use serde_json::{Value, json};

const ROUNDS: u64 = 20;

struct Peer {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    fn start() -> Option<Self> {
        let Ok(python) = env::var("ASCRIBE_INTEROP_PYTHON") else {
            // The test runner would keep what `eprintln` says to itself.
            writeln!(
                io::stderr(),
                "skipped: ASCRIBE_INTEROP_PYTHON names no Python with tink; see scripts/interop-venv.sh"
            )
            .expect("stderr is open");
            return None;
        };
        let mut process = Command::new(&python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/hpke_peer.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("ASCRIBE_INTEROP_PYTHON is `{python}`: {error}"));
        let requests = process.stdin.take().expect("stdin is piped");
        let answers = BufReader::new(process.stdout.take().expect("stdout is piped"));
        Some(Self { process, requests, answers })
    }

    fn ask(&mut self, request: &Value) -> Value {
        writeln!(self.requests, "{request}").expect("the peer runs");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the peer answers");
        serde_json::from_str(&answer).expect("the peer answers in JSON")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It has nothing left to do, and may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").expect("a String takes all");
        out
    })
}

fn unhex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap_or_else(|| panic!("hexadecimal, not {value}"));
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect(text)).collect()
}

/// A key, and the private half in hexadecimal.
fn key(rng: &mut ChaCha20Rng) -> (PrivateKey, String) {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    (PrivateKey::new("k", bytes.into()).expect("a short ID"), hex(&bytes))
}

fn report(rng: &mut ChaCha20Rng) -> AggregatableReport {
    let contribution = |rng: &mut ChaCha20Rng| Contribution {
        key: KeyPiece(u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64())),
        value: rng.next_u32() % 65_536 + 1,
        filtering_id: rng.next_u64(),
    };
    AggregatableReport {
        report_id: ReportId::from_u128(u128::from(rng.next_u64())),
        reporting_origin: SuitableOrigin::parse("https://report.test").expect("a suitable origin"),
        destination: Site::parse(r#"https://quote"d.test"#).expect("a suitable site"),
        report_time: Time::from_secs(i64::from(rng.next_u32())),
        source_registration_time: None,
        contributions: (0..rng.next_u32() % 21).map(|_| contribution(rng)).collect(),
        coordinator: Coordinators::chromium().default_coordinator().clone(),
        trigger_context_id: Some("é".into()),
        filtering_id_max_bytes: FilteringIdMaxBytes::new(8).expect("8 is the most"),
        debug_keys: DebugKeys::default(),
    }
}

#[test]
fn we_open_what_the_peer_once_sealed() {
    let recorded: Value =
        serde_json::from_str(include_str!("interop/sealed_by_tink.json")).expect("a file of ours");
    let sealed = recorded["sealed"].as_array().expect("a list");
    assert_eq!(sealed.len(), 3);
    for case in sealed {
        let bytes: [u8; 32] = unhex(&case["private_key"]).try_into().expect("32 bytes");
        let private = PrivateKey::new("k", bytes.into()).expect("a short ID");
        assert_eq!(private.public().as_bytes(), unhex(&case["public_key"]).as_slice());
        let shared_info = case["shared_info"].as_str().expect("text");
        let ciphertext = unhex(&case["ciphertext"]);
        assert_eq!(private.open(shared_info, &ciphertext), Ok(unhex(&case["plaintext"])));
        let other_info = [shared_info, " "].concat();
        assert_eq!(private.open(&other_info, &ciphertext), Err(OpenError::Inauthentic));
    }
}

#[test]
fn the_peer_opens_what_we_seal() {
    let Some(mut peer) = Peer::start() else { return };
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for round in 0..ROUNDS {
        let (private, private_hex) = key(&mut rng);
        let report = report(&mut rng);
        let sealed = report.seal(&private.public(), &mut rng).expect("the key is not weak");
        let request = |shared_info: &str, ciphertext: &[u8]| {
            json!({
                "private_key": private_hex,
                "public_key": hex(private.public().as_bytes()),
                "shared_info": shared_info,
                "ciphertext": hex(ciphertext),
            })
        };
        let answer = peer.ask(&request(&report.shared_info(), &sealed.ciphertext));
        assert_eq!(answer, json!({"plaintext": hex(&report.plaintext_payload())}), "round {round}");

        // The peer is no yes-man: neither other shared info nor a changed bit opens.
        let other_info = report.shared_info().replace("1.0", "1.1");
        assert!(peer.ask(&request(&other_info, &sealed.ciphertext))["error"].is_string());
        let mut forged = sealed.ciphertext;
        *forged.last_mut().expect("a tag at least") ^= 1;
        assert!(peer.ask(&request(&report.shared_info(), &forged))["error"].is_string());
    }
}

#[test]
fn we_open_what_the_peer_seals() {
    let Some(mut peer) = Peer::start() else { return };
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    for round in 0..ROUNDS {
        let (private, _) = key(&mut rng);
        let report = report(&mut rng);
        let (shared_info, plaintext) = (report.shared_info(), report.plaintext_payload());
        let answer = peer.ask(&json!({
            "public_key": hex(private.public().as_bytes()),
            "shared_info": shared_info,
            "plaintext": hex(&plaintext),
        }));
        let ciphertext = unhex(&answer["ciphertext"]);
        let opened = private.open(&shared_info, &ciphertext).expect("sealed to this key");
        assert_eq!(opened, plaintext, "round {round}");
        let contributions = Payload::parse(&opened).expect("a payload").contributions;
        assert_eq!(contributions[..report.contributions.len()], *report.contributions, "round {round}");
        assert_eq!(private.open("{}", &ciphertext), Err(OpenError::Inauthentic));
    }
}
