//! What one core does: opening beside the portable opening, and what follows it.
//!
//! `cargo bench -p ascribe-aggregation` prints reports (items) a second.

use ascribe_aggregation::{Checks, KeyFile, Keyring, Opener, Payloads, Record, Reporter};
use ascribe_privacy::{DiscreteLaplace, Epsilon};
use ascribe_reports::Payload;
use divan::{Bencher, black_box, counter::ItemsCount};
use minicbor::Encoder;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

fn main() {
    divan::main();
}

const REPORTS: usize = 256;

fn key() -> KeyFile {
    KeyFile::new("key-1", [7; 32].into(), "").expect("a short ID")
}

/// As user agents write it: 20 contributions of 41 bytes.
fn payload(id: u128) -> Vec<u8> {
    let mut out = Vec::new();
    let mut cbor = Encoder::new(&mut out);
    let mut write = || {
        cbor.map(2)?.str("data")?.array(20)?;
        for index in 0..20_u128 {
            cbor.map(3)?.str("id")?.bytes(&[0])?;
            cbor.str("value")?.bytes(&[0, 0, 1, 0])?.str("bucket")?.bytes(&(id + index).to_be_bytes())?;
        }
        cbor.str("operation")?.str("histogram")?;
        Ok::<_, minicbor::encode::Error<_>>(())
    };
    write().expect("a vector takes every byte");
    out
}

fn records() -> Vec<Record> {
    let (key, mut rng) = (key().public(), ChaCha20Rng::seed_from_u64(1));
    let record = |id: u128| {
        let shared_info = format!(
            r#"{{"api":"attribution-reporting","attribution_destination":"https://shop.test","report_id":"01234567-89ab-4def-8123-{id:012x}","reporting_origin":"https://report.test","scheduled_report_time":"1700000000","version":"1.0"}}"#
        );
        let sealed = key.seal(&shared_info, &payload(id), &mut rng).expect("a good key");
        Record { payload: sealed.ciphertext, key_id: "key-1".to_owned(), shared_info }
    };
    (0..REPORTS as u128).map(record).collect()
}

/// Everything that is done to one report alone: shared info, opening, CBOR, checks.
#[divan::bench]
fn open_decode_and_check(bencher: Bencher) {
    let checks =
        Checks { reporter: Reporter::Origin("https://report.test".to_owned()), debug_run: false, now: None };
    let (opener, records) = (Opener::new(Payloads::Sealed(Keyring::new([key()])), checks), records());
    assert!(opener.open(&records).iter().all(Result::is_ok));
    bencher.counter(ItemsCount::new(REPORTS)).bench(|| opener.open(black_box(&records)));
}

/// The same with the portable opening.
#[divan::bench]
fn portable_open_and_decode(bencher: Bencher) {
    let (key, records) = (key().private().unwrap(), records());
    bencher.counter(ItemsCount::new(REPORTS)).bench(|| {
        for record in &records {
            let plaintext = key.open(&record.shared_info, &record.payload).expect("sealed to this key");
            black_box(Payload::parse(&plaintext).expect("a payload"));
        }
    });
}

/// Noise at the default epsilon.
#[divan::bench]
fn noise(bencher: Bencher) {
    let laplace = DiscreteLaplace::new(65_536, Epsilon::new(10.0).expect("not negative")).expect("a scale");
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    bencher.counter(ItemsCount::new(1000_usize)).bench_local(|| {
        for _ in 0..1000 {
            black_box(laplace.sample(&mut rng));
        }
    });
}
