//! What the case runners share: each case is one named test, and lists of expected failures are strict.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use ascribe_simulation::{Case, Noise, Setup, apply_api_config, compare, run_case};
use libtest_mimic::{Failed, Trial};

/// The first word of each line; the rest is a reason.
pub(crate) fn names(list: &str) -> BTreeSet<&str> {
    list.lines().filter_map(|line| line.split_whitespace().next()).filter(|w| !w.starts_with('#')).collect()
}

/// The case files of a folder, with their names without the extension, sorted.
pub(crate) fn case_files(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json")
            && let Some(name) = path.file_stem().and_then(|name| name.to_str())
        {
            files.push((name.to_owned(), path));
        }
    }
    files.sort();
    Ok(files)
}

/// A test that plays a case; with `fails`, a case that passes is a failure.
pub(crate) fn trial(name: String, path: PathBuf, base: Setup, fails: bool) -> Trial {
    Trial::test(name, move || match (check(&path, base), fails) {
        (Ok(()), true) => Err("passes, but is listed as an expected failure".into()),
        (Err(_), true) => Ok(()),
        (result, false) => result,
    })
}

fn check(path: &Path, mut setup: Setup) -> Result<(), Failed> {
    let text = fs::read_to_string(path)?;
    let case: Case<'_> = serde_json::from_str(&text)?;
    apply_api_config(&mut setup, &case.api_config)?;
    let run = run_case(&case, &setup, Noise::Recorded).map_err(|(at, e)| format!("entry {at}: {e}"))?;
    let expected = case.output.ok_or("the case has no expected output")?.reports;
    match compare(&expected, &run.reports) {
        None => Ok(()),
        Some(difference) => Err(format!("{}\n{difference}", case.description).into()),
    }
}
