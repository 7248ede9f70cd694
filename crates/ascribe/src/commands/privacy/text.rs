//! The assessment for people.

use std::io::{self, Write};

use super::assessment::{Assessment, Check, Noise};
use crate::output::{ERROR, GOOD, STRONG};

/// Prints a table of the numbers, then, if the source would be rejected, why and what to do.
pub(super) fn print(assessment: &Assessment, out: &mut impl Write) -> io::Result<()> {
    let a = assessment;
    let title = format!(
        "A source of type {} with {}, {} and an epsilon of {}",
        a.source_type,
        counted(a.max_event_level_reports, "event-level report"),
        trigger_data(a),
        a.epsilon.value,
    );
    writeln!(out, "{STRONG}{title}{STRONG:#}\n")?;
    if !a.epsilon.fits {
        row(out, "Epsilon", &a.epsilon.value.to_string(), &a.epsilon, "")?;
    }
    row(out, "Trigger states", &a.states.value.to_string(), &a.states, "")?;
    row(out, "Information gain", &bits(&a.information_gain), &a.information_gain, " bits")?;
    if let Some(scopes) = &a.scopes {
        if let Some(states) = &scopes.event_states {
            row(out, "  of max_event_states", &states.value.to_string(), states, "")?;
        }
        row(out, "  with scopes", &bits(&scopes.information_gain), &scopes.information_gain, " bits")?;
    }
    writeln!(out, "{}", noise_rows(&a.noise))?;
    for problem in problems(assessment) {
        writeln!(out, "\n{ERROR}rejected:{ERROR:#} {problem}")?;
    }
    Ok(())
}

/// "8 trigger data, 3 windows", or each on its own if they differ or have buckets.
fn trigger_data(a: &Assessment) -> String {
    let number = a.trigger_data.len();
    match a.trigger_data.first() {
        None => "no trigger data".to_owned(),
        Some(first)
            if first.buckets == a.max_event_level_reports && a.trigger_data.iter().all(|d| d == first) =>
        {
            format!("{number} trigger data, {}", counted(first.windows, "window"))
        }
        Some(_) => {
            let each = a.trigger_data.iter().map(|data| {
                format!("{} and {}", counted(data.windows, "window"), counted(data.buckets, "bucket"))
            });
            format!("{number} trigger data ({})", each.collect::<Vec<_>>().join("; "))
        }
    }
}

fn row<T: ToString>(
    out: &mut impl Write,
    label: &str,
    value: &str,
    check: &Check<T>,
    unit: &str,
) -> io::Result<()> {
    let limit = format!("at most {}{unit}", check.limit.to_string());
    let (style, verdict) = if check.fits { (GOOD, "fits") } else { (ERROR, "does not fit") };
    writeln!(out, "{label:<22} {value:<17} {limit:<21} {style}{verdict}{style:#}")
}

fn noise_rows(noise: &Noise) -> String {
    let percent = format!("{} %", significant(noise.flip_probability * 100.0, 5));
    let reported = format!("{:.7}", noise.randomized_trigger_rate);
    let digits = if noise.randomized_trigger_rate == 0.0 { "0" } else { reported.trim_end_matches('0') };
    let digits = digits.trim_end_matches('.');
    format!(
        "{:<22} {percent:<17} {digits} in reports\n{:<22} {}",
        "Flip probability",
        "Expected noise",
        in_words(noise),
    )
}

/// Every reason for which the source would be rejected, with a remedy.
fn problems(a: &Assessment) -> Vec<String> {
    let mut problems = Vec::new();
    let smaller = "fewer max_event_level_reports, trigger_data or windows";
    if !a.epsilon.fits {
        problems.push(format!(
            "event_level_epsilon is {}, at most {} is allowed. Register a smaller one, or none.",
            a.epsilon.value, a.epsilon.limit
        ));
    }
    if !a.states.fits {
        problems.push(format!(
            "the source has {} trigger states, at most {} are allowed. Register {smaller}.",
            a.states.value, a.states.limit
        ));
    }
    if !a.information_gain.fits {
        let mut problem = format!(
            "the source discloses {} bits, at most {} are allowed. Register {smaller}",
            bits(&a.information_gain),
            a.information_gain.limit
        );
        if let Some((epsilon, noise)) = a.epsilon_to_fit.zip(a.noise_to_fit.as_ref()) {
            // Cut, not rounded, so that what is shown does fit.
            let short = (epsilon * 1000.0).floor() / 1000.0;
            problem += &format!(
                "; or an event_level_epsilon of {short} (up to {epsilon} fits). {}",
                in_words(noise)
            );
        } else {
            problem.push('.');
        }
        problems.push(problem);
    }
    if let Some(scopes) = &a.scopes {
        if let Some(states) = scopes.event_states.filter(|states| !states.fits) {
            problems.push(format!(
                "this event source has {} trigger states, but its attribution_scopes announce a \
                 max_event_states of {}. Register {smaller}, or a larger max_event_states.",
                states.value, states.limit
            ));
        }
        if !scopes.information_gain.fits {
            let remedy = match scopes.max_event_states_to_fit {
                Some(most) => format!("a max_event_states of at most {most}, or a smaller limit"),
                None => format!("a smaller limit of attribution_scopes, or {smaller}"),
            };
            problems.push(format!(
                "with its attribution_scopes the source discloses {} bits, at most {} are allowed. \
                 Register {remedy}.",
                bits(&scopes.information_gain),
                scopes.information_gain.limit
            ));
        }
    }
    problems
}

/// How many sources are noised, and how much fake data that makes.
fn in_words(noise: &Noise) -> String {
    let each = noise.fake_reports_per_noised_source;
    if each == 0.0 {
        return "None: the source never sends an event-level report.".to_owned();
    }
    let probability = noise.flip_probability;
    let sources = if probability == 0.0 {
        return "None: no source will report fake data.".to_owned();
    } else if probability == 1.0 {
        "Every source".to_owned()
    } else if probability >= 0.995 {
        "Nearly every source".to_owned()
    } else if probability >= 0.1 {
        format!("About {:.0} in 100 sources", probability * 100.0)
    } else {
        format!("About 1 in {} sources", grouped(1.0 / probability))
    };
    format!("{sources} will report fake data: {} reports on average.", significant(each, 3))
}

/// Bits to four decimals, or all of them where these would hide what the limit decides.
fn bits(check: &Check<f64>) -> String {
    let short = format!("{:.4}", check.value);
    let still_true = short.parse::<f64>().is_ok_and(|shown| (shown <= check.limit) == check.fits);
    if still_true { short } else { check.value.to_string() }
}

/// A non-negative number to so many significant digits, without an exponent.
fn significant(number: f64, digits: i32) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    let decimals = (digits - 1 - number.log10().floor() as i32).max(0) as usize;
    let text = format!("{number:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// A positive number to three significant digits, in groups of three: `401,000`.
fn grouped(number: f64) -> String {
    let unit = 10f64.powi((number.log10().floor() as i32 - 2).max(0));
    let digits = format!("{:.0}", (number / unit).round() * unit);
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn counted(number: u8, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(flip_probability: f64) -> Noise {
        Noise { flip_probability, randomized_trigger_rate: 0.0, fake_reports_per_noised_source: 2.88 }
    }

    #[test]
    fn noise_in_words() {
        for (probability, expected) in [
            (0.0, "None: no source"),
            (0.000_002_494_58, "About 1 in 401,000 sources"),
            (0.002_426_3, "About 1 in 412 sources"),
            (0.099, "About 1 in 10 sources"),
            (0.1, "About 10 in 100 sources"),
            (0.994, "About 99 in 100 sources"),
            (0.995, "Nearly every source"),
            (1.0, "Every source"),
        ] {
            let words = in_words(&noise(probability));
            assert!(words.starts_with(expected), "{probability}: {words}");
        }
    }

    #[test]
    fn digits_that_matter() {
        assert_eq!(significant(0.242_632_2, 5), "0.24263");
        assert_eq!(significant(0.000_249_458, 3), "0.000249");
        assert_eq!(significant(2.0, 3), "2");
        assert_eq!(significant(12345.0, 3), "12345");
        assert_eq!(significant(100.0, 5), "100");
        assert_eq!(grouped(1_234_567.0), "1,230,000");
        assert_eq!(grouped(999.6), "1,000");
    }

    #[test]
    fn bits_never_contradict_the_verdict() {
        let check = |value: f64, fits| bits(&Check { value, limit: 11.5, fits });
        assert_eq!(check(11.461_727, true), "11.4617");
        assert_eq!(check(11.500_01, false), "11.50001");
        assert_eq!(check(11.5, true), "11.5000");
    }
}
