//! Third-party conformance cases, read in place: one named test a case.
//!
//! `ASCRIBE_SHARED` names the folder that holds `conformance/interop`. The runner is strict: each case of
//! `conformance/cases.txt` must be there and pass, unless `conformance/expected_failures.txt` lists it with a
//! reason; then it must fail. Cases that are not listed run too.
#![expect(clippy::print_stdout, reason = "a test program")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use ascribe_simulation::{Case, Noise, Setup, apply_api_config, compare, run_case};
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
    let listed = lines(LISTED);
    let failing = lines(EXPECTED_FAILURES);
    let present = fs::read_dir(folder).into_iter().flatten().flatten();
    let present =
        present.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "json"));
    let mut names: BTreeSet<String> =
        present.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.remove("default_config");
    names.extend(listed.iter().map(|name| (*name).to_owned()));
    let trial = |name: String| {
        let path = folder.join(format!("{name}.json"));
        let fails = failing.contains(&*name);
        Trial::test(name, move || match (check(&path), fails) {
            (Ok(()), true) => Err("passes, but is listed as an expected failure".into()),
            (Err(_), true) => Ok(()),
            (result, false) => result,
        })
    };
    names.into_iter().map(trial).collect()
}

/// The first word of each line; the rest is a reason.
fn lines(list: &str) -> BTreeSet<&str> {
    list.lines().filter_map(|line| line.split_whitespace().next()).filter(|w| !w.starts_with('#')).collect()
}

fn check(path: &Path) -> Result<(), Failed> {
    let base = fs::read_to_string(path.with_file_name("default_config.json"))?;
    let text = fs::read_to_string(path)?;
    let case: Case<'_> = serde_json::from_str(&text)?;
    let mut setup = Setup::default();
    apply_api_config(&mut setup, &serde_json::from_str(&base)?)?;
    apply_api_config(&mut setup, &case.api_config)?;
    let run = run_case(&case, &setup, Noise::Recorded).map_err(|(at, e)| format!("entry {at}: {e}"))?;
    let expected = case.output.ok_or("the case has no expected output")?.reports;
    match compare(&expected, &run.reports) {
        None => Ok(()),
        Some(difference) => Err(format!("\n{difference}").into()),
    }
}
