//! `ascribe aggregate` and `ascribe budget`, from sealed reports to a refused second query.

mod common;

use std::fs;
use std::path::Path;

use ascribe_aggregation::KeyFile;
use base64::{Engine, prelude::BASE64_STANDARD};
use common::{Run, run};
use rand::SeedableRng;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Keys, a batch of three bodies of reports that are an hour old, and a domain.
fn world() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let key = KeyFile::new("key-1", [7; 32].into(), "2026-01-01T00:00:00Z").unwrap();
    fs::create_dir(path("keys")).unwrap();
    key.write(&path("keys/key-1.json")).unwrap();
    let scheduled =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() - 3600;
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
    let bodies: Vec<Value> = (0..3)
        .map(|id| {
            let shared_info = json!({
                "api": "attribution-reporting",
                "attribution_destination": "https://shop.test",
                "debug_mode": "enabled",
                "report_id": format!("01234567-89ab-4def-8123-00000000000{id}"),
                "reporting_origin": "https://r.ads.test",
                "scheduled_report_time": scheduled.to_string(),
                "version": "1.0",
            })
            .to_string();
            let payload =
                b"\xa2\x64data\x81\xa2\x66bucket\x41\x05\x65value\x41\x07\x69operation\x69histogram";
            let sealed = key.public().seal(&shared_info, payload, &mut rng).unwrap();
            json!({"shared_info": shared_info, "aggregation_service_payloads": [{
                "key_id": "key-1",
                "payload": BASE64_STANDARD.encode(&sealed.ciphertext),
                "debug_cleartext_payload": BASE64_STANDARD.encode(payload),
            }]})
        })
        .collect();
    fs::write(path("batch.json"), Value::Array(bodies).to_string()).unwrap();
    fs::write(path("domain.txt"), "5\n0x6\n").unwrap();
    directory
}

fn aggregate(directory: &Path, protection: &[&str], more: &[&str]) -> Run {
    let path = |name: &str| directory.join(name).display().to_string();
    let own = [
        "aggregate",
        "--input",
        &path("batch.json"),
        "--domain",
        &path("domain.txt"),
        "--output",
        &path("out.csv"),
        "--ledger",
        &path("ledger.sqlite"),
    ];
    let keys = path("keys");
    let protection: Vec<_> = protection.iter().map(|arg| if *arg == "KEYS" { &keys } else { *arg }).collect();
    run(&[&own, protection.as_slice(), more].concat())
}

const SEALED: [&str; 4] = ["--keys", "KEYS", "--reporting-site", "https://ads.test"];

#[test]
fn a_batch_is_aggregated_once() {
    let directory = world();
    let first = aggregate(directory.path(), &SEALED, &["--json", "--job-id", "one"]);
    assert_eq!(first.code, Some(0), "{first:?}");
    let result = first.json();
    assert_eq!(result["return_code"], "SUCCESS");
    assert_eq!(result["error_summary"]["error_counts"], json!([]));
    assert_eq!(result["counts"]["reports"], 3);
    let summary = fs::read_to_string(directory.path().join("out.csv")).unwrap();
    assert!(summary.starts_with("bucket,metric\n0x5,"), "{summary}");

    let second = aggregate(directory.path(), &SEALED, &[]);
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.stdout.starts_with("PRIVACY_BUDGET_EXHAUSTED: 1 units"), "{second:?}");
    assert!(second.stdout.contains("by job one at 20"), "{second:?}");
    assert_eq!(fs::read_to_string(directory.path().join("out.csv")).unwrap(), summary);

    let ledger = directory.path().join("ledger.sqlite").display().to_string();
    let budget = |args: &[&str]| run(&[&["budget", "--ledger", &ledger], args].concat());
    let shown = budget(&["show", "--json"]).json();
    assert_eq!((shown[0]["job_id"].as_str(), shown[0]["units"].as_u64()), (Some("one"), Some(1)));
    assert!(budget(&["show", "--job", "one"]).stdout.contains("https://shop.test filtering ID 0"));
    let batch = directory.path().join("batch.json").display().to_string();
    let explained = budget(&["explain", &batch]);
    assert_eq!(explained.code, Some(1));
    assert!(explained.stdout.contains("3 reports, used 20"), "{explained:?}");
    let other_id = budget(&["explain", &batch, "--filtering-ids", "4", "--json"]);
    assert_eq!((other_id.code, &other_id.json()["used"]), (Some(0), &json!(0)));
    assert_eq!(budget(&["recover"]).stdout, "All that was paid for is delivered.\n");
}

#[test]
fn a_debug_run_shows_what_is_in_the_reports_and_spends_nothing() {
    let directory = world();
    for _ in 0..2 {
        let run = aggregate(directory.path(), &SEALED, &["--debug-run"]);
        assert_eq!(run.code, Some(0), "{run:?}");
    }
    let debug = fs::read_to_string(directory.path().join("debug/out.csv")).unwrap();
    assert!(debug.contains("0x5,21,"), "{debug}");
}

#[test]
fn a_test_without_noise_says_that_it_is_not_private() {
    let directory = world();
    let run = aggregate(directory.path(), &["--no-noise"], &[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stderr.contains("not private"));
    let summary = fs::read_to_string(directory.path().join("out.csv")).unwrap();
    assert_eq!(summary, "# unprotected: clear-payloads,no-noise\nbucket,metric\n0x5,21\n0x6,0\n");
    assert!(!directory.path().join("ledger.sqlite").exists());
}

#[test]
fn keys_and_the_switches_of_tests_exclude_each_other() {
    let directory = world();
    for switch in ["--no-noise", "--skip-domain", "--clear-payloads"] {
        let run = aggregate(directory.path(), &SEALED, &[switch]);
        assert_eq!(run.code, Some(2), "{switch}");
        assert!(run.stderr.contains("cannot be used with"), "{run:?}");
    }
}

#[test]
fn what_cannot_be_run_exits_with_2() {
    let directory = world();
    for (protection, more, expected) in [
        (&SEALED[..], &["--epsilon", "65"][..], "--epsilon must be above 0, at most 64"),
        (&SEALED, &["--epsilon", "0"], "--epsilon must be above 0, at most 64"),
        (&SEALED, &["--filtering-ids", "x"], "filtering_ids: `x` is no integer"),
        (&SEALED, &["--error-threshold", "101%"], "must be a percentage from 0 to 100"),
        (&SEALED[..2], &[], "give this or attribution_report_to"),
        (&SEALED, &["--domain", "/nowhere"], "cannot be used multiple times"),
        (&["--keys", "/nowhere", "--reporting-site", "https://ads.test"], &[], "/nowhere"),
        (&[], &[], "--keys"),
    ] {
        let run = aggregate(directory.path(), protection, more);
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.contains(expected), "{expected}: {run:?}");
    }
}

#[test]
fn a_command_that_was_interrupted_after_it_paid_ends_with_what_it_paid_for() {
    let directory = world();
    let path = |name: &str| directory.path().join(name);
    fs::write(path("blocked"), "a file where a directory should be").unwrap();
    let arguments: Vec<_> = ["batch.json", "domain.txt", "blocked/out.csv", "ledger.sqlite", "keys"]
        .map(|name| path(name).display().to_string())
        .into();
    let aggregate = || {
        let [batch, domain, out, ledger, keys] = arguments.as_slice() else { unreachable!("five of them") };
        run(&[
            "aggregate",
            "--input",
            batch,
            "--domain",
            domain,
            "--output",
            out,
            "--ledger",
            ledger,
            "--keys",
            keys,
            "--reporting-site",
            "https://ads.test",
        ])
    };
    let blocked = aggregate();
    assert_eq!(blocked.code, Some(2), "{blocked:?}");
    assert!(
        blocked.stderr.contains("RESULT_WRITE_ERROR") && blocked.stderr.contains("budget recover"),
        "{blocked:?}"
    );
    let still_blocked = run(&["budget", "--ledger", &arguments[3], "recover"]);
    assert_eq!(still_blocked.code, Some(1), "{still_blocked:?}");
    assert!(still_blocked.stdout.contains("is not delivered"), "{still_blocked:?}");

    fs::remove_file(path("blocked")).unwrap();
    let again = aggregate();
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(again.stdout.contains("nothing was spent or drawn again"), "{again:?}");
    assert!(path("blocked/out.csv").exists());
    assert_eq!(aggregate().code, Some(1), "delivered: a new query");
}
