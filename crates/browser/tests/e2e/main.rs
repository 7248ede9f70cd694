//! The whole surface of the API in a real Chromium, over HTTPS, with made-up sites.
//!
//! The evidence is what the receiving servers logged, and what the agent stored. The tests run one after another
//! in one browser: each on [`stage::Stage`] with hosts of its own, so that none sees what another did; those that
//! move the clock have a browser of their own.

mod stage;

mod contexts;
mod diagnoses;
mod elements;
mod floods;
mod guide;
mod hostile;
mod invisible;
mod links;
mod navigations;
mod playwright;
mod reporting;
mod responses;
mod scripts;
mod story;
mod windows;
mod workers;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // One browser, one test at a time: what is idle is then idle, and two cores are enough.
    arguments.test_threads = Some(1);
    let theatre = stage::Theatre::new();
    let tests = [
        contexts::tests(),
        diagnoses::tests(),
        elements::tests(),
        floods::tests(),
        guide::tests(),
        hostile::tests(),
        invisible::tests(),
        links::tests(),
        navigations::tests(),
        playwright::tests(),
        reporting::tests(),
        responses::tests(),
        scripts::tests(),
        story::tests(),
        windows::tests(),
        workers::tests(),
    ];
    let trials = tests.into_iter().flatten().enumerate();
    let trials = trials.map(|(number, test)| test.trial(number, &theatre)).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    theatre.close();
    conclusion.exit_code()
}
