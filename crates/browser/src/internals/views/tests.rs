//! Every verdict has a sentence that names what was compared: the conformance cases show all of them.

use std::{collections::BTreeSet, fs, path::Path};

use ascribe_agent::Registration;
use ascribe_engine::{Attribution, SourceOutcome, Verdict};
use ascribe_headers::{SourceDebugType, TriggerDebugType};
use ascribe_simulation::{Case, Noise, Run, Setup, apply_api_config, run_case};

use super::sentence::sentence;

/// What becomes of the cases that show one debug data type each.
fn runs() -> Vec<(String, Run)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../simulation/tests/vectors/debug_types");
    let mut runs = Vec::new();
    for file in fs::read_dir(folder).expect("the cases are there") {
        let path = file.expect("read").path();
        let text = fs::read_to_string(&path).expect("read");
        let case: Case<'_> = serde_json::from_str(&text).expect("a case");
        let mut setup = Setup::default();
        apply_api_config(&mut setup, &case.api_config).expect("valid");
        setup.config.explain = true;
        let run = run_case(&case, &setup, Noise::Recorded).expect("it plays");
        runs.push((path.file_stem().expect("a name").to_string_lossy().into_owned(), run));
    }
    runs
}

#[test]
fn every_way_to_drop_a_trigger_is_told_with_what_was_compared() {
    let mut told = BTreeSet::new();
    for (name, run) in runs() {
        for (.., registration, trace) in &run.registrations {
            let Registration::Trigger { outcome: Some(outcome), .. } = registration else { continue };
            for half in [outcome.event_level, outcome.aggregatable] {
                if let Attribution::Dropped(reason) = half {
                    let sentence = sentence(registration, trace);
                    assert!(sentence.contains("ot attributed, because "), "{name}: {sentence}");
                    // Each half tells what stopped it, after a colon.
                    let stops = trace.steps().iter().filter(|step| step.verdict == Verdict::Stopped);
                    let details: Vec<_> = stops.map(|step| &step.detail).collect();
                    assert!(details.iter().any(|detail| sentence.contains(*detail)), "{name}: {sentence}");
                    told.insert(reason);
                }
            }
        }
    }
    let all = TriggerDebugType::ALL.iter().copied();
    let expected: BTreeSet<_> = all.filter(|reason| *reason != TriggerDebugType::UnknownError).collect();
    assert_eq!(told, expected);
}

#[test]
fn every_way_to_drop_a_source_is_told_with_what_was_compared() {
    let mut told = BTreeSet::new();
    for (name, run) in runs() {
        for (.., registration, trace) in &run.registrations {
            let Registration::Source { outcome, .. } = registration else { continue };
            let sentence = sentence(registration, trace);
            match outcome {
                SourceOutcome::Stored(_) => assert!(sentence.starts_with("Stored"), "{name}: {sentence}"),
                SourceOutcome::Dropped(reason) => {
                    assert!(sentence.starts_with("Not stored, because "), "{name}: {sentence}");
                    let (_, compared) = sentence.split_once(": ").expect("what was compared");
                    assert!(compared.contains(" of "), "{name}: {sentence}");
                    told.insert(*reason);
                }
            }
        }
    }
    let never = [
        SourceDebugType::DestinationLimitReplaced,
        SourceDebugType::Noised,
        SourceDebugType::Success,
        SourceDebugType::UnknownError,
    ];
    let all = SourceDebugType::ALL.iter().copied();
    let expected: BTreeSet<_> = all.filter(|reason| !never.contains(reason)).collect();
    assert_eq!(told, expected);
}

#[test]
fn two_halves_with_one_check_are_told_each_with_its_own() {
    let by_name = |wanted: &str| runs().into_iter().find(|(name, _)| name == wanted).expect("the case").1;
    let run = by_name("trigger-aggregate-report-window-passed");
    let (.., registration, trace) = run.registrations.last().expect("a trigger");
    let sentence = sentence(registration, trace);
    assert!(sentence.contains("aggregatable report window ends after"), "{sentence}");
}
