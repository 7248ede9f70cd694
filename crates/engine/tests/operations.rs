//! The corpus of the fuzz target `engine_ops`, and operations made from seeds.
#![expect(clippy::disallowed_methods, reason = "the test reads the corpus; the engine reads nothing")]

mod properties;

use std::{fs, path::Path};

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[test]
fn whatever_the_corpus_does_leaves_the_engine_sound() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/engine_ops");
    let entries = fs::read_dir(&corpus).expect("the corpus is part of the repository");
    let mut replayed = 0;
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        properties::engine_ops(&fs::read(path).expect("a readable file"));
        replayed += 1;
    }
    assert!(replayed > 0, "the corpus is not empty");
}

#[test]
fn whatever_seeded_operations_do_leaves_the_engine_sound() {
    for seed in 0..150 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut bytes = vec![0; rng.random_range(100..4000)];
        rng.fill_bytes(&mut bytes);
        properties::engine_ops(&bytes);
    }
}
