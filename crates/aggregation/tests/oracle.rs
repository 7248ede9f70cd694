//! The fast opening against the portable one of `ascribe-reports`: they agree on everything.

mod common;

use ascribe_aggregation::{Checks, Keyring, Opener, Payloads, Record, Reporter};
use ascribe_reports::Payload;
use common::{Report, key};
use proptest::prelude::*;

fn opener() -> Opener {
    let checks = Checks { reporter: Reporter::Any, debug_run: false, now: None };
    Opener::new(Payloads::Sealed(Keyring::new([key()])), checks)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn both_open_the_same(
        contributions in prop::collection::vec((any::<u128>(), any::<u32>(), any::<u64>()), 0..30),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 0..2),
        cut in prop::option::of(any::<prop::sample::Index>()),
        change_info in any::<bool>(),
    ) {
        let mut record = Report::new(1, &contributions).sealed();
        for (index, xor) in changes {
            let index = index.index(record.payload.len());
            record.payload[index] ^= xor;
        }
        if let Some(cut) = cut {
            record.payload.truncate(cut.index(record.payload.len() + 1));
        }
        if change_info {
            record.shared_info = record.shared_info.replace("1.0", "1.1");
        }
        let portable = key().private().unwrap().open(&record.shared_info, &record.payload);
        let expected = portable.ok().and_then(|plaintext| Payload::parse(&plaintext).ok());
        let opened = opener().open(&[record]).remove(0).ok();
        prop_assert_eq!(opened.map(|report| report.contributions), expected.map(|payload| payload.contributions));
    }

    #[test]
    fn any_plaintext_ends_the_same(plaintext in prop::collection::vec(any::<u8>(), 0..200)) {
        let record = Report::new(1, &[]).sealed_payload(&plaintext);
        let expected = Payload::parse(&plaintext).ok().map(|payload| payload.contributions);
        let opened = opener().open(&[record]).remove(0).ok();
        prop_assert_eq!(opened.map(|report| report.contributions), expected);
    }
}

#[test]
fn a_batch_has_an_outcome_for_each_row_in_order() {
    let records: Vec<Record> = (0..100)
        .map(|id| {
            let mut record = Report::new(id, &[(id, 1, 0)]).sealed();
            if id % 3 == 0 {
                record.payload.pop();
            }
            record
        })
        .collect();
    let outcomes = opener().open(&records);
    for (id, outcome) in outcomes.iter().enumerate() {
        let bucket = outcome.as_ref().ok().map(|report| report.contributions[0].key.0);
        assert_eq!(bucket, (id % 3 != 0).then_some(id as u128));
    }
    assert_eq!(opener().open(&[]), []);
}
