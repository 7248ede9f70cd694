//! Jobs from batches to summaries: what is in them, whatever the format, and what is left out.

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use ascribe_aggregation::{
    JobParameters, Location, OutputFormat, Payloads, Record, Reporter, ReturnCode, TestSwitches,
};
use ascribe_headers::Site;
use ascribe_reports::Time;
use common::{NOW, Report, World, assert_code, body, errors, write_avro};
use proptest::prelude::*;

const NO_NOISE: TestSwitches = TestSwitches { no_noise: true, skip_domain: false };

fn clear(reports: &[Report]) -> Vec<Record> {
    reports.iter().map(Report::clear).collect()
}

fn sealed(reports: &[Report]) -> Vec<Record> {
    reports.iter().map(Report::sealed).collect()
}

/// The unnoised sums of a debug run over sealed reports: what is in them, whatever the noise.
fn sums(world: &mut World, change: impl FnOnce(&mut ascribe_aggregation::Job<'_>)) -> BTreeMap<u128, i64> {
    let outcome = world.run(|job| {
        job.parameters.debug_run = true;
        job.parameters.error_threshold = 100.0;
        change(job);
    });
    assert!(outcome.result.return_code.is_success(), "{outcome:?}");
    let text = fs::read_to_string(world.path("out/debug/summary.csv")).unwrap();
    text.lines()
        .skip(1)
        .filter(|line| line.contains("in_reports"))
        .map(|line| {
            let mut columns = line.split(',');
            let bucket = u128::from_str_radix(&columns.next().unwrap()[2..], 16).unwrap();
            (bucket, columns.next().unwrap().parse().unwrap())
        })
        .collect()
}

fn debug(report: Report) -> Report {
    report.with("debug_mode", "enabled")
}

/// What a summary without noise must be, in ten lines.
fn reference(reports: &[Report], domain: &BTreeSet<u128>, ids: &BTreeSet<u64>) -> Vec<(u128, i64)> {
    let mut seen = BTreeSet::new();
    let mut sums: BTreeMap<u128, i64> = domain.iter().map(|bucket| (*bucket, 0)).collect();
    for report in reports.iter().filter(|report| seen.insert(report.shared_info["report_id"].to_string())) {
        for (bucket, value, id) in &report.contributions {
            if let Some(sum) = sums.get_mut(bucket).filter(|_| ids.contains(id)) {
                *sum += i64::from(*value);
            }
        }
    }
    Vec::from_iter(sums)
}

fn contributions() -> impl Strategy<Value = Vec<(u128, u32, u64)>> {
    let bucket = prop_oneof![0..8_u128, Just(u128::MAX), any::<u128>()];
    prop::collection::vec((bucket, any::<u32>(), 0..3_u64), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_summary_is_the_reference_sum(
        contributions in prop::collection::vec(contributions(), 0..40),
        extra_domain in prop::collection::btree_set(0..12_u128, 1..6),
        ids in prop::collection::btree_set(0..3_u64, 1..3),
        files in 1..4_usize,
        threads in 1..4_usize,
    ) {
        let world = World::new();
        // Some reports stand twice.
        let reports: Vec<_> = contributions
            .iter()
            .enumerate()
            .map(|(index, contributions)| Report::new(index as u128, contributions))
            .collect();
        let twice: Vec<_> = reports.iter().chain(reports.iter().step_by(3)).cloned().collect();
        for (index, part) in twice.chunks(twice.len().div_ceil(files).max(1)).enumerate() {
            world.batch(&format!("{index}.avro"), &clear(part));
        }
        world.batch("empty.avro", &[]);
        let mut domain = extra_domain;
        domain.extend(contributions.iter().flatten().map(|(bucket, ..)| *bucket).filter(|bucket| bucket % 3 != 0));
        world.domain(domain.iter().copied());

        let outcome = world.run_test(NO_NOISE, |job| {
            job.parameters.filtering_ids = ids.clone();
            job.threads = threads;
        });
        assert_code(&outcome, ReturnCode::Success);
        prop_assert_eq!(world.summary(), reference(&twice, &domain, &ids));
        prop_assert_eq!(outcome.counts.reports, twice.len() as u64);
        prop_assert_eq!(outcome.counts.duplicates, (twice.len() - reports.len()) as u64);
    }
}

#[test]
fn sealed_reports_are_opened_filtered_and_summed() {
    let mut world = World::new();
    let reports = [
        debug(Report::new(1, &[(1, 5, 0), (2, 7, 0), (0, 0, 0), (3, 9, 4)])),
        debug(Report::new(2, &[(1, 6, 0), (u128::MAX, 1, 0)])),
        debug(Report::new(2, &[(1, 1000, 0)])),
    ];
    world.batch("1.avro", &sealed(&reports));
    world.domain([1, 2, 3]);
    assert_eq!(sums(&mut world, |_| {}), BTreeMap::from([(1, 11), (2, 7), (u128::MAX, 1)]));
    assert_eq!(
        sums(&mut world, |job| job.parameters.filtering_ids = BTreeSet::from([4])),
        BTreeMap::from([(3, 9)])
    );
}

#[test]
fn what_lies_beside_reports_is_no_report() {
    let world = World::new();
    world.batch("1.avro", &clear(&[Report::new(1, &[(1, 1, 0)])]));
    for name in ["manifest.json", "_SUCCESS", ".hidden"] {
        fs::write(world.path("batches").join(name), "{\"batch\": 1}").unwrap();
    }
    world.domain([1]);
    assert_code(&world.run_test(NO_NOISE, |_| {}), ReturnCode::Success);
    assert_eq!(world.summary(), [(1, 1)]);
    // Asked for by its name, it is read.
    let manifest = Location::Path(world.path("batches/manifest.json"));
    let outcome = world.run_test(NO_NOISE, |job| job.input = vec![manifest.clone()]);
    assert!(!outcome.result.return_code.is_success());
}

#[test]
fn every_codec_of_avro_is_read() {
    use apache_avro::{Bzip2Settings, Codec, DeflateSettings, XzSettings, ZstandardSettings};
    for codec in [
        Codec::Null,
        Codec::Deflate(DeflateSettings::default()),
        Codec::Snappy,
        Codec::Zstandard(ZstandardSettings::default()),
        Codec::Bzip2(Bzip2Settings::default()),
        Codec::Xz(XzSettings::default()),
    ] {
        let world = World::new();
        let reports: Vec<_> = (0..300).map(|id| Report::new(id, &[(1, 1, 0)])).collect();
        write_avro(&world.path("batches/1.avro"), &clear(&reports), codec);
        world.domain([1]);
        assert_code(&world.run_test(NO_NOISE, |_| {}), ReturnCode::Success);
        assert_eq!(world.summary(), [(1, 300)], "{codec:?}");
    }
}

#[test]
fn every_codec_of_parquet_is_read_with_and_without_nulls() {
    use parquet::basic::{Compression, GzipLevel, ZstdLevel};
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
        Compression::LZ4_RAW,
    ] {
        for version_2 in [false, true] {
            let world = World::new();
            let reports: Vec<_> = (0..3000).map(|id| Report::new(id, &[(1, 1, 0)])).collect();
            write_parquet(&world.path("batches/1"), &clear(&reports), compression, version_2, 0);
            world.domain([1]);
            assert_code(&world.run_test(NO_NOISE, |_| {}), ReturnCode::Success);
            assert_eq!(world.summary(), [(1, 3000)], "{compression:?}");

            write_parquet(&world.path("batches/1"), &clear(&reports), compression, version_2, 10);
            let outcome = world.run_test(NO_NOISE, |_| {});
            assert_eq!(errors(&outcome)[0], ("REPORT_PARSING_ERROR", 300));
            assert_eq!(world.summary(), [(1, 2700)], "{compression:?}");
        }
    }
}

/// Reports in columns: the shared info optional, and null in every `null_every`th row.
fn write_parquet(
    path: &std::path::Path,
    records: &[Record],
    compression: parquet::basic::Compression,
    version_2: bool,
    null_every: usize,
) {
    use std::sync::Arc;

    use parquet::{
        data_type::{ByteArray, ByteArrayType},
        file::{
            properties::{WriterProperties, WriterVersion},
            writer::SerializedFileWriter,
        },
        schema::parser::parse_message_type,
    };
    let schema = "message m { REQUIRED INT64 extra; OPTIONAL BYTE_ARRAY shared_info (UTF8);
        REQUIRED BYTE_ARRAY payload; REQUIRED BYTE_ARRAY key_id (UTF8); }";
    let version = if version_2 { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 };
    let properties =
        WriterProperties::builder().set_compression(compression).set_writer_version(version).build();
    let file = fs::File::create(path).unwrap();
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).unwrap();
    for records in records.chunks(1700) {
        let mut group = writer.next_row_group().unwrap();
        let mut extra = group.next_column().unwrap().unwrap();
        extra
            .typed::<parquet::data_type::Int64Type>()
            .write_batch(&vec![1; records.len()], None, None)
            .unwrap();
        extra.close().unwrap();
        let is_null = |index: &usize| null_every > 0 && index.is_multiple_of(null_every);
        let present = (0..records.len()).filter(|index| !is_null(index));
        let shared_info: Vec<_> =
            present.map(|index| ByteArray::from(records[index].shared_info.as_str())).collect();
        let levels: Vec<i16> = (0..records.len()).map(|index| i16::from(!is_null(&index))).collect();
        let payloads: Vec<_> = records.iter().map(|record| ByteArray::from(record.payload.clone())).collect();
        let key_ids: Vec<_> = records.iter().map(|record| ByteArray::from(record.key_id.as_str())).collect();
        for (values, levels) in [(&shared_info, Some(levels.as_slice())), (&payloads, None), (&key_ids, None)]
        {
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<ByteArrayType>().write_batch(values, levels, None).unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
}

#[test]
fn bodies_as_user_agents_send_them_are_read() {
    let mut world = World::new();
    let reports: Vec<_> = (0..5).map(|id| debug(Report::new(id, &[(1, 2, 0)]))).collect();
    let bodies: Vec<_> = reports.iter().map(body).collect();
    let lines: String = bodies[..3].iter().map(|body| format!("{body}\n")).collect();
    fs::write(world.path("batches/lines.jsonl"), lines + "{broken\n").unwrap();
    fs::write(world.path("batches/list.json"), serde_json::to_string_pretty(&bodies[2..]).unwrap()).unwrap();
    world.domain([1]);
    assert_eq!(sums(&mut world, |_| {}), BTreeMap::from([(1, 10)]));
    let outcome = world.run(|job| job.parameters.error_threshold = 20.0);
    assert_eq!(errors(&outcome), [("REPORT_PARSING_ERROR", 1), ("NUM_REPORTS_WITH_ERRORS", 1)]);
    assert_eq!((outcome.counts.reports, outcome.counts.duplicates), (7, 1));
}

#[test]
fn every_format_of_output_says_the_same_and_can_be_the_next_domain() {
    let world = World::new();
    let buckets = [0, 1, 0xff, 0x1_0000, u128::MAX];
    let reports: Vec<_> =
        buckets.iter().enumerate().map(|(i, bucket)| Report::new(i as u128, &[(*bucket, 7, 0)])).collect();
    world.batch("1.avro", &clear(&reports));
    world.domain(buckets);
    for (name, format) in [
        ("s.avro", OutputFormat::Avro),
        ("s.json", OutputFormat::Json),
        ("s.csv", OutputFormat::Csv),
        ("s.parquet", OutputFormat::Parquet),
    ] {
        let path = world.path(&format!("formats/{name}"));
        let outcome = world.run_test(NO_NOISE, |job| {
            job.output.location = Location::Path(path.clone());
            job.output.format = format;
        });
        assert_code(&outcome, ReturnCode::Success);
        // What was left out stands in the file itself.
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.windows(8).any(|window| window == b"no-noise"), "{name}");
        let outcome = world.run_test(NO_NOISE, |job| job.domain = Some(Location::Path(path.clone())));
        assert_code(&outcome, ReturnCode::Success);
        assert_eq!(world.summary(), buckets.map(|bucket| (bucket, 7)), "{name}");
    }
}

#[test]
fn avro_output_has_the_fields_that_readers_know() {
    use apache_avro::{Reader, types::Value};
    let mut world = World::new();
    world.batch("1.avro", &sealed(&[debug(Report::new(1, &[(0x102, 5, 0), (9, 1, 0)]))]));
    world.domain([0x102, 3]);
    let path = world.path("out/s.avro");
    let outcome = world.run(|job| {
        job.parameters.debug_run = true;
        job.output.location = Location::Path(path.clone());
        job.output.format = OutputFormat::Avro;
    });
    assert_code(&outcome, ReturnCode::Success);
    let records = |path| {
        let reader = Reader::new(fs::File::open(path).unwrap()).unwrap();
        reader
            .map(|record| match record.unwrap() {
                Value::Record(fields) => fields.into_iter().collect::<BTreeMap<_, _>>(),
                other => panic!("{other:?}"),
            })
            .collect::<Vec<_>>()
    };
    let summary = records(path);
    assert_eq!(summary.len(), 2);
    assert_eq!(summary[1]["bucket"], Value::Bytes(vec![1, 2]));
    let debug = records(world.path("out/debug/s.avro"));
    assert_eq!(debug.len(), 3);
    let annotations: Vec<_> = debug.iter().map(|fact| format!("{:?}", fact["annotations"])).collect();
    assert_eq!(
        annotations,
        [
            "Array([Enum(0, \"in_domain\")])",
            "Array([Enum(1, \"in_reports\"), Enum(0, \"in_domain\")])",
            "Array([Enum(1, \"in_reports\")])",
        ]
    );
    for (debug, summary) in debug.iter().zip(&summary) {
        let (Value::Long(unnoised), Value::Long(noise)) = (&debug["unnoised_metric"], &debug["noise"]) else {
            panic!("{debug:?}");
        };
        assert_eq!(summary["metric"], Value::Long(unnoised + noise), "one draw for both outputs");
    }
}

#[test]
fn every_report_that_is_left_out_is_counted() {
    let mut world = World::new();
    let good: Vec<_> = (0..90).map(|id| Report::new(id, &[(1, 1, 0)])).collect();
    let mut records = sealed(&good);
    let mut other_operation = Report::new(1000, &[]).plaintext();
    let last = other_operation.last_mut().unwrap();
    assert_eq!(std::mem::replace(last, b'n'), b'm', "histogram");
    let mut unknown_key = Report::new(100, &[]).sealed();
    unknown_key.key_id = "key-2".to_owned();
    let mut tampered = Report::new(101, &[]).sealed();
    tampered.shared_info = tampered.shared_info.replace("1.0", "1.1");
    let mut unreadable = Report::new(102, &[]).sealed();
    unreadable.shared_info.truncate(20);
    records.extend([
        unknown_key,
        tampered,
        unreadable,
        Report::new(103, &[]).sealed_payload(b"not CBOR"),
        Report::new(104, &[]).sealed_payload(&other_operation),
        Report::new(105, &[]).with("reporting_origin", "https://other.test").sealed(),
        Report::new(106, &[]).with("report_id", "none").sealed(),
        Report::new(107, &[]).with("api", "topics").sealed(),
        Report::new(108, &[]).with("version", "0.0").sealed(),
        Report::new(109, &[]).with("scheduled_report_time", NOW.as_secs() - 90 * 86_400).sealed(),
    ]);
    world.batch("1.avro", &records);
    world.domain([1]);
    let outcome = world.run(|_| {});
    assert_code(&outcome, ReturnCode::SuccessWithErrors);
    assert_eq!(
        errors(&outcome),
        [
            ("ATTRIBUTION_REPORT_TO_MISMATCH", 1),
            ("DECRYPTION_ERROR", 2),
            ("DECRYPTION_KEY_NOT_FOUND", 1),
            ("ORIGINAL_REPORT_TIME_TOO_OLD", 1),
            ("UNSUPPORTED_OPERATION", 1),
            ("UNSUPPORTED_REPORT_API_TYPE", 1),
            ("REQUIRED_SHAREDINFO_FIELD_INVALID", 2),
            ("INVALID_REPORT_ID", 1),
            ("REPORT_PARSING_ERROR", 1),
            ("UNSUPPORTED_SHAREDINFO_VERSION", 1),
            ("NUM_REPORTS_WITH_ERRORS", 10),
        ]
    );
    assert_eq!(outcome.counts.reports, 100);
}

#[test]
fn a_job_with_too_many_errors_fails_without_spending() {
    let mut world = World::new();
    let mut records = sealed(&(0..90).map(|id| Report::new(id, &[(1, 1, 0)])).collect::<Vec<_>>());
    records.extend((100..110).map(|id| Report::new(id, &[]).with("api", "topics").sealed()));
    world.batch("1.avro", &records);
    world.domain([1]);
    for (threshold, count) in [(9.99, None), (0.0, None), (20.0, Some(10)), (1.0, Some(949))] {
        let outcome = world.run(|job| {
            job.parameters.error_threshold = threshold;
            job.parameters.input_report_count = count;
        });
        assert_code(&outcome, ReturnCode::ReportsWithErrorsExceededThreshold);
        assert!(!world.path("out").exists());
    }
    let outcome = world.run(|job| job.parameters.error_threshold = 10.0);
    assert_code(&outcome, ReturnCode::SuccessWithErrors);
    assert_eq!(outcome.counts.units_spent, 1);
}

#[test]
fn a_report_of_a_later_format_fails_the_job_without_spending() {
    let mut world = World::new();
    world.batch(
        "1.avro",
        &[Report::new(1, &[]).sealed(), Report::new(2, &[]).with("version", "2.0").sealed()],
    );
    world.domain([1]);
    let outcome = world.run(|job| job.parameters.error_threshold = 100.0);
    assert_code(&outcome, ReturnCode::UnsupportedReportVersion);
    assert!(outcome.result.return_message.contains("version 2.0"));
    assert!(!world.path("out").exists());
}

#[test]
fn a_site_covers_its_origins() {
    let mut world = World::new();
    let origins = ["https://report.test", "https://a.report.test:8443", "https://other.test"];
    let records: Vec<_> = origins
        .iter()
        .enumerate()
        .map(|(id, origin)| {
            debug(Report::new(id as u128, &[(1, 1, 0)]).with("reporting_origin", *origin)).sealed()
        })
        .collect();
    world.batch("1.avro", &records);
    world.domain([1]);
    let site = || Reporter::Site(Site::parse("https://report.test").unwrap());
    assert_eq!(sums(&mut world, |job| job.parameters.reporter = site()), BTreeMap::from([(1, 2)]));
}

#[test]
fn what_cannot_be_run_says_why() {
    let mut world = World::new();
    let invalid =
        |world: &mut World, change: &dyn Fn(&mut ascribe_aggregation::Job<'_>)| world.run(change).result;
    world.domain([1]);
    let result = invalid(&mut world, &|_| {});
    assert_eq!(result.return_code, ReturnCode::InputDataReadFailed, "no batch");
    world.batch("1.avro", &[]);
    for change in [
        (|job| job.domain = None) as fn(&mut ascribe_aggregation::Job<'_>),
        |job| job.input.clear(),
        |job| job.id.clear(),
        |job| job.id = "i".repeat(129),
        |job| job.parameters.reporter = Reporter::Any,
        |job| job.parameters.filtering_ids.clear(),
        |job| job.parameters.epsilon = ascribe_privacy::Epsilon::new(64.1).unwrap(),
        |job| job.parameters.epsilon = ascribe_privacy::Epsilon::new(0.0).unwrap(),
        |job| job.parameters.epsilon = ascribe_privacy::Epsilon::INFINITY,
        |job| job.parameters.epsilon = ascribe_privacy::Epsilon::new(1e-300).unwrap(),
    ] {
        let result = invalid(&mut world, &change);
        assert_eq!(result.return_code, ReturnCode::InvalidJob, "{result:?}");
        assert!(!result.return_message.is_empty());
    }
    for text in ["", "\n# none\n", "key1\n", "[1.5]"] {
        fs::write(world.path("domain.txt"), text).unwrap();
        let result = invalid(&mut world, &|_| {});
        assert_eq!(result.return_code, ReturnCode::InputDataReadFailed, "{text}");
    }
    world.domain([1]);
    fs::write(world.path("batches/2.avro"), "neither").unwrap();
    let result = invalid(&mut world, &|_| {});
    assert_eq!(result.return_code, ReturnCode::InputDataReadFailed);
    assert!(result.return_message.contains("2.avro: neither Avro"), "{result:?}");
}

#[test]
fn a_summary_without_reports_is_noise_and_spends_nothing() {
    let mut world = World::new();
    world.batch("1.avro", &[]);
    world.domain(0..1000);
    let outcome = world.run(|_| {});
    assert_code(&outcome, ReturnCode::Success);
    assert_eq!(outcome.counts.units_spent, 0);
    let first = world.summary();
    assert_eq!(first.len(), 1000);
    assert_code(&world.run(|_| {}), ReturnCode::Success);
    assert_ne!(world.summary(), first);
}

#[test]
fn tests_never_hold_keys() {
    // The type of what protects a job has no place for both; the opener of tests opens nothing.
    let opener = ascribe_aggregation::Opener::new(
        Payloads::Clear,
        ascribe_aggregation::Checks { reporter: Reporter::Any, debug_run: false, now: None },
    );
    let outcomes =
        opener.open(&[Report::new(1, &[(1, 1, 0)]).sealed(), Report::new(2, &[(1, 1, 0)]).clear()]);
    assert!(outcomes[0].is_err() && outcomes[1].is_ok());
}

#[test]
fn job_parameters_have_the_names_of_the_job_api() {
    let map = [
        ("reporting_site", "https://report.test"),
        ("debug_privacy_epsilon", "0.5"),
        ("report_error_threshold_percentage", "5"),
        ("input_report_count", "100"),
        ("filtering_ids", "1,2"),
        ("debug_run", "true"),
        ("output_domain_blob_prefix", "ignored/here"),
    ];
    let map = map.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let job = JobParameters::from_map(&map).unwrap();
    assert_eq!((job.epsilon.get(), job.error_threshold, job.debug_run), (0.5, 5.0, true));
    assert_eq!(job.input_report_count, Some(100));
    let _: Time = NOW;
}

#[test]
fn buckets_beyond_the_domain_are_found_above_the_threshold_only_when_asked_for() {
    let mut world = World::new();
    // 20 sources for one bucket, one for another, and one bucket that holds nothing.
    let mut reports: Vec<_> = (0..20).map(|id| Report::new(id, &[(500, 65_536, 0)])).collect();
    reports.push(Report::new(100, &[(600, 65_536, 0), (700, 0, 0)]));
    world.batch("1.avro", &sealed(&reports));
    world.domain([1]);
    let buckets = |world: &World| world.summary().into_iter().map(|(bucket, _)| bucket).collect::<Vec<_>>();
    let discovery = ascribe_aggregation::Discovery::new(1e-9);
    let outcome = world.run(|job| {
        job.parameters.discovery = discovery;
        job.parameters.epsilon = ascribe_privacy::Epsilon::new(64.0).unwrap();
    });
    assert_code(&outcome, ReturnCode::Success);
    assert_eq!(buckets(&world), [1, 500]);

    let outcome = world.run(|job| {
        job.parameters.discovery = discovery;
        job.parameters.filtering_ids = BTreeSet::from([3]);
        job.domain = None;
    });
    assert_code(&outcome, ReturnCode::Success);
    assert_eq!(buckets(&world), [] as [u128; 0], "a domain can be left out then");
    let outcome = world.run(|job| job.parameters.filtering_ids = BTreeSet::from([4]));
    assert_code(&outcome, ReturnCode::Success);
    assert_eq!(buckets(&world), [1]);
}

#[test]
fn of_unequal_reports_with_one_id_the_first_in_the_order_of_the_input_counts() {
    const IDS: u128 = 3000;
    let world = World::new();
    // Files are in the order of their names, and a file that is written first is not the first.
    for (name, bucket) in [("3.avro", 3), ("1.avro", 1), ("2.avro", 2)] {
        let reports = (0..IDS).flat_map(|id| {
            let (id, is_invalid) = (id ^ bucket, bucket == 1 && id % 3 == 0);
            let report = |value| Report::new(id, &[(bucket, value, 0)]);
            // What is left out does not take the place of what comes after it.
            let first = if is_invalid { report(1000).with("version", "0.0") } else { report(1) };
            [first.clear(), report(10).clear()]
        });
        world.batch(name, &reports.collect::<Vec<_>>());
    }
    world.domain([1, 2, 3]);
    for threads in [1, 2, 7] {
        let switches = TestSwitches { no_noise: true, ..TestSwitches::default() };
        let outcome = world.run_test(switches, |job| {
            job.threads = threads;
            job.parameters.error_threshold = 100.0;
        });
        assert_code(&outcome, ReturnCode::SuccessWithErrors);
        assert_eq!(world.summary(), [(1, 2000 + 10 * 1000), (2, 0), (3, 0)], "{threads} threads");
    }
}
