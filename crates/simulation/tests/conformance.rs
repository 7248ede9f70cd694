//! Third-party conformance cases, read in place: one named test a case.
//!
//! `ASCRIBE_SHARED` names the folder that holds `conformance/interop`. The runner is strict: each case of
//! `conformance/cases.txt` must be there and pass, unless `conformance/expected_failures.txt` lists it with a
//! reason; then it must fail. Cases that are not listed run too.
#![expect(clippy::print_stdout, reason = "a test program")]

mod common;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use ascribe_simulation::{Setup, apply_api_config};
use libtest_mimic::{Arguments, Failed, Trial};

const LISTED: &str = include_str!("conformance/cases.txt");
const EXPECTED_FAILURES: &str = include_str!("conformance/expected_failures.txt");

fn main() {
    let arguments = Arguments::from_args();
    let trials = match std::env::var_os("ASCRIBE_SHARED") {
        Some(shared) => trials(&PathBuf::from(shared).join("conformance/interop")),
        None => {
            println!("third-party conformance cases: not run, ASCRIBE_SHARED is not set");
            Vec::new()
        }
    };
    libtest_mimic::run(&arguments, trials).exit();
}

fn trials(folder: &Path) -> Vec<Trial> {
    let base = match base(folder) {
        Ok(base) => base,
        Err(error) => return vec![Trial::test("default_config", move || Err(error))],
    };
    let failing = common::names(EXPECTED_FAILURES);
    let present = common::case_files(folder).unwrap_or_default();
    let mut names: BTreeSet<String> = present.into_iter().map(|(name, _)| name).collect();
    names.remove("default_config");
    names.extend(common::names(LISTED).into_iter().map(str::to_owned));
    let trial = |name: String| {
        let path = folder.join(format!("{name}.json"));
        let fails = failing.contains(&*name);
        common::trial(name, path, base.clone(), fails)
    };
    names.into_iter().map(trial).collect()
}

/// The suite's own parameters.
fn base(folder: &Path) -> Result<Setup, Failed> {
    let text = fs::read_to_string(folder.join("default_config.json"))?;
    let mut setup = Setup::default();
    apply_api_config(&mut setup, &serde_json::from_str(&text)?)?;
    Ok(setup)
}
