//! JSON over several lines, but what fits on one.

use serde_json::Value;

/// The longest line that a list or object is put on.
const WIDTH: usize = 90;

/// Lists and objects of nothing but plain values on a line each, if they fit; all others spread out.
pub(super) fn pretty(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text
}

/// Writes a value that begins on a line indented by so many columns, and ends with one.
fn write(value: &Value, indent: usize, out: &mut String) {
    let fits = |line: &String| indent + line.chars().count() <= WIDTH;
    if let Some(line) = on_one_line(value).filter(fits) {
        out.push_str(&line);
        return;
    }
    let members: Vec<(String, &Value)> = match value {
        Value::Array(items) => items.iter().map(|item| (String::new(), item)).collect(),
        Value::Object(members) => members.iter().map(|(k, v)| (label(k), v)).collect(),
        unbreakable => return out.push_str(&unbreakable.to_string()),
    };
    let (open, close) = if value.is_array() { ('[', ']') } else { ('{', '}') };
    out.push(open);
    for (i, (label, member)) in members.into_iter().enumerate() {
        out.push_str(if i == 0 { "\n" } else { ",\n" });
        out.push_str(&" ".repeat(indent + 2));
        out.push_str(&label);
        write(member, indent + 2, out);
    }
    out.push('\n');
    out.push_str(&" ".repeat(indent));
    out.push(close);
}

/// The value without a line break, if nothing in it is a list or an object with something in it.
fn on_one_line(value: &Value) -> Option<String> {
    let plain = |value: &Value| match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => true,
    };
    match value {
        Value::Array(items) if items.iter().all(plain) => {
            let items: Vec<_> = items.iter().map(Value::to_string).collect();
            Some(format!("[{}]", items.join(", ")))
        }
        Value::Object(members) if members.values().all(plain) => {
            let members: Vec<_> = members.iter().map(|(k, v)| format!("{}{v}", label(k))).collect();
            Some(format!("{{{}}}", members.join(", ")))
        }
        Value::Array(_) | Value::Object(_) => None,
        _ => Some(value.to_string()),
    }
}

fn label(key: &str) -> String {
    format!("{}: ", Value::from(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_nested_or_long_is_spread_out() {
        let value = json!({"a": [1, 2], "b": {"c": {"d\"": null}}, "e": [], "f": {"g": {}}, "h": [[1], 2]});
        let expected = r#"{
  "a": [1, 2],
  "b": {
    "c": {"d\"": null}
  },
  "e": [],
  "f": {"g": {}},
  "h": [
    [1],
    2
  ]
}"#;
        assert_eq!(pretty(&value), expected);
        assert_eq!(serde_json::from_str::<Value>(expected).expect("JSON"), value);
    }

    #[test]
    fn a_line_has_a_greatest_length() {
        let list = |length: usize| json!(["x".repeat(length - 4)]);
        assert_eq!(pretty(&list(WIDTH)).lines().count(), 1);
        assert_eq!(pretty(&list(WIDTH + 1)).lines().count(), 3);
        assert_eq!(pretty(&json!("x".repeat(2 * WIDTH))).lines().count(), 1, "a string cannot be broken");
    }
}
