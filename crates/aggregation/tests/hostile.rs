//! Files of anybody: nothing panics, nothing takes more memory than its limits, every row is counted.

mod common;

use std::fs;

use ascribe_aggregation::{Checks, Opener, Payloads, Record, Reporter, ReturnCode, SharedInfo, TestSwitches};
use common::{Report, World, write_avro};
use proptest::prelude::*;

const TEST: TestSwitches = TestSwitches { no_noise: true, skip_domain: true };

fn run(bytes: &[u8], as_domain: bool) -> ReturnCode {
    let world = World::new();
    if as_domain {
        world.batch("1.avro", &[]);
        fs::write(world.path("domain.txt"), bytes).unwrap();
    } else {
        fs::write(world.path("batches/1"), bytes).unwrap();
        world.domain([1]);
    }
    world.run_test(TEST, |job| job.parameters.error_threshold = 100.0).result.return_code
}

fn good_files() -> Vec<Vec<u8>> {
    let world = World::new();
    let reports: Vec<_> = (0..3).map(|id| Report::new(id, &[(1, 1, 0)])).collect();
    let clear: Vec<_> = reports.iter().map(Report::clear).collect();
    let path = world.path("file");
    let mut files = Vec::new();
    for codec in [apache_avro::Codec::Null, apache_avro::Codec::Snappy] {
        write_avro(&path, &clear, codec);
        files.push(fs::read(&path).unwrap());
    }
    files.push(serde_json::to_vec(&reports.iter().map(common::body).collect::<Vec<_>>()).unwrap());
    // Summaries are domains, and Parquet.
    world.batch("1.avro", &clear);
    world.domain([1]);
    for format in ["parquet", "avro"] {
        let location = ascribe_aggregation::Location::Path(world.path(&format!("s.{format}")));
        world.run_test(TEST, |job| {
            job.output.format = ascribe_aggregation::OutputFormat::from_name(location.file_name()).unwrap();
            job.output.location = location.clone();
        });
        files.push(fs::read(world.path(&format!("s.{format}"))).unwrap());
    }
    files
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_files_end_in_a_code(
        file in 0..5_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
        as_domain in any::<bool>(),
    ) {
        thread_local! {
            static FILES: Vec<Vec<u8>> = good_files();
        }
        let mut bytes = FILES.with(|files| files[file].clone());
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        let code = run(&bytes, as_domain);
        prop_assert!(
            code.is_success() || matches!(code, ReturnCode::InputDataReadFailed | ReturnCode::UnsupportedReportVersion),
            "{}", code
        );
    }

    #[test]
    fn any_bytes_after_a_mark_end_in_a_code(
        mark in prop::sample::select(vec![&b"Obj\x01"[..], b"PAR1", b"[", b"{", b""]),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        as_domain in any::<bool>(),
    ) {
        let code = run(&[mark, &bytes].concat(), as_domain);
        prop_assert!(code.is_success() || code == ReturnCode::InputDataReadFailed, "{}", code);
    }

    #[test]
    fn shared_info_and_payloads_are_anything(
        shared_info in ".{0,200}",
        payload in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = SharedInfo::parse(&shared_info);
        let checks = Checks { reporter: Reporter::Any, debug_run: true, now: Some(common::NOW) };
        let record = Record { payload, key_id: shared_info.clone(), shared_info };
        prop_assert_eq!(Opener::new(Payloads::Clear, checks).open(&[record]).len(), 1);
    }
}

#[test]
fn rows_longer_than_their_limits_are_counted() {
    let world = World::new();
    let checks = || Checks { reporter: Reporter::Any, debug_run: false, now: None };
    let filler = |info: &mut String, len: usize| {
        let more = len - info.len();
        info.insert_str(1, &" ".repeat(more));
    };
    for (len, passes) in [(Record::MAX_SHARED_INFO_BYTES, true), (Record::MAX_SHARED_INFO_BYTES + 1, false)] {
        let mut record = Report::new(1, &[]).clear();
        filler(&mut record.shared_info, len);
        assert_eq!(Opener::new(Payloads::Clear, checks()).open(&[record])[0].is_ok(), passes, "{len}");
    }
    let mut long = Report::new(1, &[]).clear();
    long.payload = vec![0; Record::MAX_PAYLOAD_BYTES + 1];
    world.batch("1.avro", &[long, Report::new(2, &[(1, 1, 0)]).clear()]);
    world.domain([1]);
    let outcome = world.run_test(TEST, |job| job.parameters.error_threshold = 50.0);
    assert_eq!(common::errors(&outcome)[0], ("REPORT_PARSING_ERROR", 1));
    assert_eq!(world.summary(), [(1, 1)]);
}

#[test]
fn blocks_that_inflate_beyond_their_limit_are_refused() {
    use apache_avro::{Codec, DeflateSettings, XzSettings, ZstandardSettings};
    let mut bomb = Report::new(1, &[]).clear();
    bomb.payload = vec![0; 80 << 20];
    for codec in [
        Codec::Deflate(DeflateSettings::default()),
        Codec::Zstandard(ZstandardSettings::default()),
        Codec::Xz(XzSettings::new(0)),
        Codec::Snappy,
    ] {
        let world = World::new();
        write_avro(&world.path("batches/bomb.avro"), std::slice::from_ref(&bomb), codec);
        world.domain([1]);
        let outcome = world.run_test(TEST, |_| {});
        common::assert_code(&outcome, ReturnCode::InputDataReadFailed);
    }
}

#[test]
fn pages_that_inflate_beyond_their_limit_are_refused() {
    use std::sync::Arc;

    use parquet::{
        basic::{Compression, GzipLevel, ZstdLevel},
        data_type::{ByteArray, ByteArrayType},
        file::{properties::WriterProperties, writer::SerializedFileWriter},
        schema::parser::parse_message_type,
    };
    for compression in [
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
        Compression::SNAPPY,
        Compression::LZ4_RAW,
    ] {
        for (len, expected) in [(60 << 20, ReturnCode::Success), (68 << 20, ReturnCode::InputDataReadFailed)]
        {
            let world = World::new();
            let file = fs::File::create(world.path("domain.txt")).unwrap();
            let schema = parse_message_type("message m { REQUIRED BYTE_ARRAY bucket; }").unwrap();
            let properties = WriterProperties::builder()
                .set_compression(compression)
                .set_dictionary_enabled(false)
                .set_statistics_enabled(parquet::file::properties::EnabledStatistics::None)
                .set_data_page_size_limit(usize::MAX)
                .set_write_batch_size(usize::MAX)
                .set_data_page_row_count_limit(usize::MAX)
                .build();
            let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).unwrap();
            let mut group = writer.next_row_group().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            // Each takes 20 bytes: a length and 16 zeros.
            let values = vec![ByteArray::from(vec![0; 16]); len / 20];
            column.typed::<ByteArrayType>().write_batch(&values, None, None).unwrap();
            column.close().unwrap();
            group.close().unwrap();
            writer.close().unwrap();
            world.batch("1.avro", &[]);
            let outcome = world.run_test(TestSwitches { no_noise: true, skip_domain: false }, |_| {});
            common::assert_code(&outcome, expected);
        }
    }
}
