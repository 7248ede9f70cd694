//! A user with very many lines is not kept whole, and is one user all the same.

use std::{fmt::Write, num::NonZeroUsize};

use ascribe_simulation::{LinesOptions, Noise, Setup, run_lines};

/// A source and then many triggers, more text than goes into one batch.
fn user(name: &str, triggers: u64) -> String {
    let mut lines = format!(
        concat!(
            r#"{{"user":"{name}","timestamp":"0","registration_request":{{"context_origin":"https://news.example","#,
            r#""Attribution-Reporting-Eligible":"navigation-source"}},"responses":[{{"url":"https://ads.example","#,
            r#""response":{{"Attribution-Reporting-Register-Source":{{"destination":"https://shop.example"}}}}}}]}}"#,
            "\n"
        ),
        name = name
    );
    for n in 1..=triggers {
        let _ = writeln!(
            lines,
            concat!(
                r#"{{"user":"{name}","timestamp":"{n}","registration_request":{{"context_origin":"https://shop.example"}},"#,
                r#""responses":[{{"url":"https://ads.example","response":{{"Attribution-Reporting-Register-Trigger":"#,
                r#"{{"event_trigger_data":[{{"trigger_data":"{n}","priority":"{n}"}}]}}}}}}]}}"#
            ),
            name = name,
            n = n
        );
    }
    lines
}

fn play(input: &str, jobs: usize) -> (String, u64) {
    let options = LinesOptions {
        noise: Noise::Recorded,
        jobs: NonZeroUsize::new(jobs).expect("some"),
        interleaved: false,
        max_line_bytes: 10_000,
    };
    let mut output = Vec::new();
    let totals = run_lines(input.as_bytes(), &mut output, &Setup::default(), &options, |_| ());
    let totals = totals.expect("the lines are in order");
    assert_eq!(totals.responses, totals.lines);
    (String::from_utf8(output).expect("JSON is UTF-8"), totals.users)
}

#[test]
fn users_of_any_length_keep_their_state_and_their_place() {
    let input = [user("a", 10), user("b", 20_000), user("c", 9_000), user("d", 1)].concat();
    assert!(input.len() > 6_000_000);
    let (alone, users) = play(&input, 1);
    assert_eq!(users, 4);
    // Each source makes three reports, those of its triggers of highest priority; the last has one trigger.
    let reports: Vec<_> = alone.lines().collect();
    assert_eq!(reports.len(), 3 + 3 + 3 + 1);
    for (report, name) in reports.iter().zip(["a", "a", "a", "b", "b", "b", "c", "c", "c", "d"]) {
        assert!(report.contains(&format!(r#""user":"{name}""#)), "{report}");
    }
    assert_eq!(play(&input, 4), (alone, 4));
}
