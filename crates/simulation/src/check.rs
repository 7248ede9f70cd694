//! Reports compared with the expected ones: as a multiset, numbers by value, IDs and order left aside.

use std::{collections::BTreeMap, fmt};

use serde_json::{Number, Value};

/// What differs between expected and actual reports.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// Expected, but not there.
    pub missing: Vec<Value>,
    /// There, but not expected.
    pub unexpected: Vec<Value>,
}

/// `None` when there is no difference.
#[must_use]
pub fn compare(expected: &[Value], actual: &[Value]) -> Option<Difference> {
    let mut counts: BTreeMap<Key, (i64, Value)> = BTreeMap::new();
    for (reports, step) in [(expected, 1), (actual, -1)] {
        for report in reports {
            let mut report = report.clone();
            normalize(&mut report);
            counts.entry(Key::new(&report)).or_insert((0, report)).0 += step;
        }
    }
    let mut difference = Difference::default();
    for (count, report) in counts.into_values() {
        let side = if count > 0 { &mut difference.missing } else { &mut difference.unexpected };
        side.extend(std::iter::repeat_n(report, usize::try_from(count.abs()).unwrap_or_default()));
    }
    (difference != Difference::default()).then_some(difference)
}

/// The order of time, then of anything that is always the same.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key(i128, String);

impl Key {
    fn new(report: &Value) -> Self {
        let time = report["report_time"].as_str().and_then(|time| time.parse().ok());
        Self(time.unwrap_or(i128::MIN), report.to_string())
    }
}

/// Whole numbers are written one way, and what is random is left out.
fn normalize(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let float = number.as_f64().unwrap_or_default();
            if number.is_f64() && float.fract() == 0.0 && float.abs() < 2f64.powi(53) {
                *number = Number::from(float as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(normalize),
        Value::Object(members) => {
            members.remove("report_id");
            members.values_mut().for_each(normalize);
        }
        _ => {}
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut unexpected: Vec<_> = self.unexpected.iter().collect();
        for missing in &self.missing {
            // A report that is there, only different, is best read beside the expected one.
            let alike = unexpected.iter().position(|other| {
                other["report_url"] == missing["report_url"] && other["report_time"] == missing["report_time"]
            });
            let alike =
                alike.or_else(|| unexpected.iter().position(|other| other["payload"] == missing["payload"]));
            match alike {
                Some(at) => {
                    let other = unexpected.remove(at);
                    writeln!(
                        f,
                        "  different: {} at {}",
                        text(missing, "report_url"),
                        text(missing, "report_time")
                    )?;
                    write_fields(f, "", missing, other)?;
                }
                None => writeln!(f, "- missing:    {missing}")?,
            }
        }
        for report in unexpected {
            writeln!(f, "+ unexpected: {report}")?;
        }
        Ok(())
    }
}

fn text<'v>(report: &'v Value, field: &str) -> &'v str {
    report[field].as_str().unwrap_or("?")
}

/// The innermost fields that differ, with their paths.
fn write_fields(f: &mut fmt::Formatter<'_>, path: &str, expected: &Value, actual: &Value) -> fmt::Result {
    match (expected, actual) {
        _ if expected == actual => Ok(()),
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            keys.into_iter()
                .try_for_each(|key| write_fields(f, &format!("{path}.{key}"), &expected[key], &actual[key]))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => { a.iter().zip(b).enumerate() }
            .try_for_each(|(at, (a, b))| write_fields(f, &format!("{path}[{at}]"), a, b)),
        _ => {
            writeln!(f, "  -   {path}: {expected}")?;
            writeln!(f, "  +   {path}: {actual}")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn order_ids_and_the_writing_of_numbers_do_not_matter() {
        let a = json!({"report_time": "1", "payload": {"report_id": "x", "value": 123}});
        let b = json!({"report_time": "2", "payload": [{"rate": 0.5}]});
        let a2 = json!({"report_time": "1", "payload": {"value": 123.0, "report_id": "y"}});
        assert_eq!(compare(&[a.clone(), b.clone()], &[b.clone(), a2.clone()]), None);
        let difference = compare(&[a.clone(), a2, b], &[a]).expect("two are missing");
        assert_eq!((difference.missing.len(), difference.unexpected.len()), (2, 0));
    }

    #[test]
    fn a_difference_names_the_field() {
        let a = json!({"report_time": "1", "report_url": "u", "payload": {"trigger_data": "1"}});
        let b = json!({"report_time": "1", "report_url": "u", "payload": {"trigger_data": "2"}});
        let shown = compare(&[a], &[b]).expect("they differ").to_string();
        assert!(shown.contains("-   .payload.trigger_data: \"1\""), "{shown}");
        assert!(shown.contains("+   .payload.trigger_data: \"2\""), "{shown}");
    }
}
