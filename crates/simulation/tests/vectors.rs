//! Our own conformance cases, one named test a file: `topic/behaviour`.
//!
//! They are written from the specification and run with Chromium's parameters, except for what their
//! `api_config` lowers. `docs/conformance.md` says which algorithm each of them covers. The runner is strict:
//! what `vectors/expected_failures.txt` lists with a reason must be there and fail, and no folder is empty.

mod common;

use std::{collections::BTreeSet, fs, io, path::Path};

use ascribe_simulation::Setup;
use libtest_mimic::{Arguments, Trial};

const EXPECTED_FAILURES: &str = include_str!("vectors/expected_failures.txt");

fn main() -> io::Result<()> {
    let arguments = Arguments::from_args();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut missing = common::names(EXPECTED_FAILURES);
    let mut trials = Vec::new();
    for topic in topics(&folder)? {
        let files = common::case_files(&folder.join(&topic))?;
        if files.is_empty() {
            trials.push(Trial::test(topic.clone(), || Err("the folder holds no case".into())));
        }
        for (name, path) in files {
            let name = format!("{topic}/{name}");
            let fails = missing.remove(&*name);
            trials.push(common::trial(name, path, Setup::default(), fails));
        }
    }
    let gone = |name: &str| Trial::test(name, || Err("an expected failure that is no case".into()));
    trials.extend(missing.into_iter().map(gone));
    libtest_mimic::run(&arguments, trials).exit()
}

fn topics(folder: &Path) -> io::Result<BTreeSet<String>> {
    let mut topics = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            topics.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(topics)
}
