//! What a cluster sums is what one machine sums.

mod support;

use std::{fs, str};

use serde_json::json;
use support::{Report, World, assert_succeeded, body, now, report, result, write_parquet};

/// Batches in all formats, with faults and duplicates across them.
fn batches(world: &World) {
    let spread = |id: u128| {
        let contributions: Vec<_> = (0..u128::from(id as u8 % 7))
            .map(|n| (((id * 31 + n) % 97) << (n * 20), (id % 1000) as u32, (n % 3) as u64))
            .chain([(0, 0, 0), (5, 0, 0)])
            .collect();
        report(id, &contributions)
    };
    let sealed = |reports: &[Report]| reports.iter().map(Report::sealed).collect::<Vec<_>>();
    let good: Vec<_> = (0..300).map(spread).collect();
    let mut avro = sealed(&good[..120]);
    avro.extend(sealed(&good[40..60]));
    let faulty = [
        spread(900).with("reporting_origin", "https://other.test"),
        spread(901).with("api", "topics").with("report_id", "none"),
        spread(902).with("scheduled_report_time", (now() - 91 * 86_400).to_string()),
        spread(903).with("debug_mode", "disabled"),
        spread(904).with("version", "0.0"),
        // Not a duplicate of 7: it is left out.
        spread(7).with("reporting_origin", "https://other.test"),
    ];
    avro.extend(sealed(&faulty));
    let mut unknown_key = spread(905).sealed();
    unknown_key.key_id = "key-2".to_owned();
    let mut damaged = spread(906).sealed();
    damaged.payload[40] ^= 1;
    let not_cbor = spread(907).sealed_payload(b"no payload");
    avro.extend([unknown_key, damaged, not_cbor]);
    world.avro("a.avro", &avro);
    world.avro("b.avro", &sealed(&good[110..200]));
    write_parquet(&world.path("batches/c.parquet"), &sealed(&good[190..270]));
    let bodies: Vec<_> = good[270..].iter().map(body).chain([json!({"shared_info": 1})]).collect();
    fs::write(world.path("batches/d.json"), serde_json::to_vec(&bodies).unwrap()).unwrap();
    world.domain([0, 5, 31, 62, 1 << 20, 96, u128::MAX]);
}

#[test]
fn a_cluster_and_one_machine_tell_the_same_but_for_the_noise() {
    let world = World::new();
    batches(&world);
    let scheduler = world.scheduler(&[]);
    let _executors = [
        world.executor(&scheduler, "work-1", &["--tasks", "2"]),
        world.executor(&scheduler, "work-2", &["--tasks", "2"]),
    ];
    for filtering_ids in [&[0][..], &[1, 2]] {
        let here = world.debug_run_here(filtering_ids);
        let ids: Vec<_> = filtering_ids.iter().map(u64::to_string).collect();
        let args = ["--debug-run", "--error-threshold", "100", "--filtering-ids", &ids.join(",")];
        let there = assert_succeeded(&world.aggregate(&scheduler, &args).output().unwrap());

        let sums = world.debug_sums("here/debug/summary.csv");
        assert!(sums.iter().filter(|(_, sum, _)| *sum > 0).count() > 50, "{sums:?}");
        assert_eq!(world.debug_sums("out/debug/summary.csv"), sums);
        let errors = serde_json::to_value(&here.result.error_summary).unwrap();
        assert!(errors["error_counts"].as_array().unwrap().len() > 9, "{errors}");
        assert_eq!(there["error_summary"], errors);
        assert_eq!(there["return_code"], serde_json::to_value(here.result.return_code).unwrap());
        assert_eq!(there["counts"], serde_json::to_value(here.counts).unwrap());
        assert!(here.counts.duplicates > 30);
    }
    world.assert_removed(&["work-1", "work-2"]);
}

#[test]
fn a_batch_is_paid_for_once() {
    let world = World::new();
    world.many(2, 50);
    let scheduler = world.scheduler(&[]);
    let _executor = world.executor(&scheduler, "work", &[]);
    let first = assert_succeeded(&world.aggregate(&scheduler, &[]).output().unwrap());
    assert_eq!(first["counts"]["units_spent"], 1);
    let summary = fs::read_to_string(world.path("out/summary.csv")).unwrap();
    assert_eq!(summary.lines().count(), 21, "{summary}");

    let second = world.aggregate(&scheduler, &[]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert_eq!(result(&second)["return_code"], "PRIVACY_BUDGET_EXHAUSTED");
    assert_eq!(fs::read_to_string(world.path("out/summary.csv")).unwrap(), summary);
}

#[test]
fn a_job_without_its_input_or_of_a_later_format_ends_with_the_code_of_one_machine() {
    let world = World::new();
    world.many(3, 30);
    let scheduler = world.scheduler(&[]);
    let _executor = world.executor(&scheduler, "work", &[]);
    let whole = fs::read(world.path("batches/1.avro")).unwrap();
    fs::write(world.path("batches/1.avro"), &whole[..whole.len() - 7]).unwrap();
    let output = world.aggregate(&scheduler, &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let told = result(&output);
    assert_eq!(told["return_code"], "INPUT_DATA_READ_FAILED");
    assert!(told["return_message"].as_str().unwrap().contains("1.avro"), "{told}");
    world.assert_removed(&["work"]);

    fs::write(world.path("batches/1.avro"), whole).unwrap();
    world.avro("later.avro", &[report(1, &[]).with("version", "2.0").sealed()]);
    let output = world.aggregate(&scheduler, &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", str::from_utf8(&output.stderr).unwrap());
    assert_eq!(result(&output)["return_code"], "UNSUPPORTED_REPORT_VERSION");
    world.assert_removed(&["work"]);

    fs::remove_file(world.path("batches/later.avro")).unwrap();
    assert_succeeded(&world.aggregate(&scheduler, &[]).output().unwrap());
    world.assert_removed(&["work"]);
}
