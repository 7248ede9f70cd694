//! Case files: one by one, each whole.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, ensure};
use ascribe_simulation::{Case, Difference, Run, Setup, apply_api_config, compare, run_case};
use serde::Serialize;
use serde_json::Value;

use super::{Args, explain, read_config, recorded_or_seeded};
use crate::commands::Verdict;
use crate::input;
use crate::output::{ERROR, FAINT, GOOD, Output, STRONG};

/// The largest case that is read.
const MAX_CASE_BYTES: usize = 256 << 20;
const DEFAULT_CONFIG: &str = "default_config.json";

/// What `--json` prints of a case.
#[derive(Serialize)]
struct Shown<'a> {
    case: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    reports: &'a [Value],
    #[serde(skip_serializing_if = "Option::is_none")]
    passed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<&'a [Value]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unexpected: Option<&'a [Value]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registrations: Option<Vec<ascribe_simulation::Explained<'a>>>,
}

/// What `--json` prints of a case that cannot be played.
#[derive(Serialize)]
struct Broken {
    case: String,
    passed: bool,
    error: String,
}

impl Broken {
    fn new(path: &Path, error: &anyhow::Error) -> Self {
        Self { case: path.display().to_string(), passed: false, error: format!("{error:#}") }
    }
}

pub(super) fn run(args: &Args, output: &mut Output) -> anyhow::Result<Verdict> {
    let mut paths = Vec::new();
    for path in &args.inputs {
        find_cases(path, &mut paths)?;
    }
    ensure!(!paths.is_empty(), "no case in {}: a case is a .json file", args.inputs[0].display());
    let base = args.base_setup()?;
    let (mut passed, mut failed) = (0, 0);
    let mut shown = Vec::new();
    for path in &paths {
        let (case, played) = match play(args, path, &base) {
            Ok(outcome) => outcome,
            // One broken case must not hide what the others say.
            Err(error) if args.check => {
                failed += 1;
                if output.is_json() {
                    shown.push(serde_json::to_value(Broken::new(path, &error))?);
                } else {
                    writeln!(output, "{ERROR}FAIL{ERROR:#} {}\n  {error:#}", path.display())?;
                }
                continue;
            }
            Err(error) => return Err(error.context(path.display().to_string())),
        };
        match played.difference {
            None => passed += 1,
            Some(_) => failed += 1,
        }
        if output.is_json() {
            shown.push(serde_json::to_value(show(args, path, &case, &played))?);
        } else {
            print(args, path, &case, &played, paths.len() > 1, output)?;
        }
    }
    if output.is_json() {
        output.json(&shown)?;
    } else if args.check {
        let style = if failed == 0 { GOOD } else { ERROR };
        writeln!(output, "{style}{passed} passed, {failed} failed{style:#}")?;
    }
    Ok(if failed == 0 { Verdict::Passed } else { Verdict::Failed })
}

/// The case without its input, and what it led to.
struct Described {
    description: String,
}

struct Played {
    run: Run,
    difference: Option<Difference>,
}

fn play(args: &Args, path: &Path, base: &Setup) -> anyhow::Result<(Described, Played)> {
    let text = input::read(path, MAX_CASE_BYTES)?;
    let case: Case<'_> = serde_json::from_slice(&text)?;
    let mut setup = base.clone();
    let beside = path.with_file_name(DEFAULT_CONFIG);
    if args.config.is_none() && beside.is_file() {
        read_config(&beside, &mut setup)?;
    }
    apply_api_config(&mut setup, &case.api_config)?;
    let run = run_case(&case, &setup, recorded_or_seeded(args));
    let run = run.map_err(|(at, error)| anyhow!("input.registrations[{at}]: {error}"))?;
    let difference = if args.check {
        let expected = case.output.as_ref().context("no expected output to check (`output.reports`)")?;
        compare(&expected.reports, &run.reports)
    } else {
        None
    };
    Ok((Described { description: case.description }, Played { run, difference }))
}

fn show<'a>(args: &Args, path: &Path, case: &'a Described, played: &'a Played) -> Shown<'a> {
    let difference = played.difference.as_ref();
    Shown {
        case: path.display().to_string(),
        description: &case.description,
        reports: &played.run.reports,
        passed: args.check.then_some(difference.is_none()),
        missing: difference.map(|difference| &*difference.missing),
        unexpected: difference.map(|difference| &*difference.unexpected),
        registrations: args.explain.then(|| explain::show(&played.run)),
    }
}

fn print(
    args: &Args,
    path: &Path,
    case: &Described,
    played: &Played,
    several: bool,
    output: &mut Output,
) -> anyhow::Result<()> {
    if args.check {
        let (style, word) = if played.difference.is_none() { (GOOD, "ok  ") } else { (ERROR, "FAIL") };
        let description = &case.description;
        writeln!(output, "{style}{word}{style:#} {} {FAINT}{description}{FAINT:#}", path.display())?;
        if let Some(difference) = &played.difference {
            write!(output, "{difference}")?;
        }
    } else if several {
        writeln!(output, "{STRONG}{}{STRONG:#} {FAINT}{}{FAINT:#}", path.display(), case.description)?;
    }
    if args.explain {
        explain::print(&played.run, output)?;
    }
    if !args.check {
        let reports = serde_json::json!({ "reports": played.run.reports });
        output.json(&reports)?;
    }
    Ok(())
}

/// The files, and those of folders, in the order of their names.
fn find_cases(path: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let metadata = path.metadata().with_context(|| format!("reading {}", path.display()))?;
    if !metadata.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    // A link to a folder may lead back: only real folders within are searched.
    let entries = std::fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.with_context(|| format!("reading the folder {}", path.display()))?;
    let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let is_case = path.extension().is_some_and(|extension| extension == "json")
            && path.file_name().is_some_and(|name| name != DEFAULT_CONFIG);
        if is_case || (path.is_dir() && !path.is_symlink()) {
            find_cases(&path, found)?;
        }
    }
    Ok(())
}
