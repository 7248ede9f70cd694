//! Makes a large batch, and times a job over it.
//!
//! `load make DIR REPORTS DOMAIN KEYS`: seals `REPORTS` reports of 20 contributions, spread over `KEYS` buckets, to
//! `DIR/batches`, and writes a domain of `DOMAIN` buckets.
//! `load run DIR THREADS`: runs a job over them, and prints how long it took and the most memory that it had.

use std::{env, fs, path::Path, thread, time::Instant};

use ascribe_aggregation::{
    Job, JobParameters, KeyFile, Keyring, Location, OutputFormat, OutputPlace, Progress, Protection,
    Reporter, SqliteLedger, Storage, run,
};
use ascribe_reports::Time;
use minicbor::Encoder;
use rand::RngExt;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["make", directory, reports, domain, keys] => {
            make(Path::new(directory), reports.parse()?, domain.parse()?, keys.parse()?)
        }
        ["run", directory, threads] => time(Path::new(directory), threads.parse()?),
        _ => Err("load make DIR REPORTS DOMAIN KEYS | load run DIR THREADS".into()),
    }
}

fn key() -> KeyFile {
    KeyFile::new("key-1", [7; 32].into(), "").expect("a short ID")
}

/// Buckets that look random, the first of which are also the domain's.
fn bucket(index: u64) -> u128 {
    u128::from(index.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64 | u128::from(index)
}

fn make(directory: &Path, reports: u64, domain: u64, keys: u64) -> Result<(), Box<dyn std::error::Error>> {
    let batches = directory.join("batches");
    fs::create_dir_all(&batches)?;
    let schema = apache_avro::Schema::parse_str(
        r#"{"type": "record", "name": "AggregationBucket", "fields": [{"name": "bucket", "type": "bytes"}]}"#,
    )?;
    let mut writer = apache_avro::Writer::new(&schema, fs::File::create(directory.join("domain.avro"))?)?;
    for index in 0..domain {
        let bytes = apache_avro::types::Value::Bytes(bucket(index).to_be_bytes().to_vec());
        writer.append_value(apache_avro::types::Value::Record(vec![("bucket".to_owned(), bytes)]))?;
    }
    writer.flush()?;
    let threads = thread::available_parallelism()?.get() as u64;
    thread::scope(|scope| {
        for part in 0..threads {
            let path = batches.join(format!("{part}.avro"));
            scope.spawn(move || {
                write_part(&path, part, threads, reports, keys).expect("the batch is written")
            });
        }
    });
    Ok(())
}

fn write_part(
    path: &Path,
    part: u64,
    parts: u64,
    reports: u64,
    keys: u64,
) -> Result<(), Box<dyn std::error::Error>> {
    use apache_avro::types::Value;
    let schema = apache_avro::Schema::parse_str(
        r#"{"type": "record", "name": "AggregatableReport", "fields": [{"name": "payload", "type": "bytes"},
            {"name": "key_id", "type": "string"}, {"name": "shared_info", "type": "string"}]}"#,
    )?;
    let mut writer = apache_avro::Writer::new(&schema, fs::File::create(path)?)?;
    let (key, mut rng) = (key().public(), ChaCha20Rng::seed_from_u64(part));
    for id in (part..reports).step_by(parts as usize) {
        let shared_info = format!(
            r#"{{"api":"attribution-reporting","attribution_destination":"https://shop.test","report_id":"01234567-89ab-4def-8123-{id:012x}","reporting_origin":"https://report.test","scheduled_report_time":"{}","version":"1.0"}}"#,
            1_699_900_000 + id % 24 * 3600
        );
        let mut payload = Vec::new();
        let mut cbor = Encoder::new(&mut payload);
        cbor.map(2)?.str("data")?.array(20)?;
        for _ in 0..20 {
            cbor.map(3)?.str("id")?.bytes(&[0])?.str("value")?.bytes(&[0, 0, 1, 0])?;
            cbor.str("bucket")?.bytes(&bucket(rng.random_range(0..keys)).to_be_bytes())?;
        }
        cbor.str("operation")?.str("histogram")?;
        let sealed = key.seal(&shared_info, &payload, &mut rng)?;
        let fields = [
            ("payload", Value::Bytes(sealed.ciphertext)),
            ("key_id", Value::String("key-1".to_owned())),
            ("shared_info", Value::String(shared_info)),
        ];
        writer.append_value(Value::Record(fields.map(|(name, value)| (name.to_owned(), value)).into()))?;
    }
    writer.flush()?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "an example that measures")]
fn time(directory: &Path, threads: usize) -> Result<(), Box<dyn std::error::Error>> {
    let mut ledger = SqliteLedger::in_memory()?;
    let job = Job {
        id: "load".to_owned(),
        parameters: JobParameters::new(Reporter::Origin("https://report.test".to_owned())),
        input: vec![Location::Path(directory.join("batches"))],
        domain: Some(Location::Path(directory.join("domain.avro"))),
        output: OutputPlace {
            location: Location::Path(directory.join("out/summary.avro")),
            format: OutputFormat::Avro,
            always_numbered: false,
        },
        protection: Protection::Full {
            keys: Keyring::new([key()]),
            ledger: &mut ledger,
            staging: directory.join("staging"),
        },
        now: Time::from_secs(1_700_000_000),
        threads,
    };
    let started = Instant::now();
    let outcome = run(job, &Storage::default(), &Progress::default());
    let seconds = started.elapsed().as_secs_f64();
    println!("{}: {:?}", outcome.result.return_code, outcome.counts);
    println!("{seconds:.2} s, {:.0} reports/s", outcome.counts.reports as f64 / seconds);
    // Linux alone tells it.
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        print!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default());
    }
    println!();
    Ok(())
}
