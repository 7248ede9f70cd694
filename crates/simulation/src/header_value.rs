//! How case files write the `value` of a `header-parsing-error`: the header's JSON with sorted keys and no
//! spaces, and integers outside 32 bits as floating-point numbers.

use serde_json::{Number, Value};

/// `None` when the header is no JSON.
pub(crate) fn canonical(json: &str) -> Option<String> {
    let mut value: Value = serde_json::from_str(json).ok()?;
    widen(&mut value);
    Some(value.to_string())
}

fn widen(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let small = number.as_i64().is_some_and(|n| i32::try_from(n).is_ok());
            if !small && let Some(float) = number.as_f64().and_then(Number::from_f64) {
                *number = float;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(widen),
        Value::Object(members) => members.values_mut().for_each(widen),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn keys_are_sorted_and_large_integers_are_floats() {
        let json =
            r#" {"b": [1, 2147483647, 2147483648, -2147483648, -2147483649], "a": 4294967296, "c": 1.5} "#;
        let expected =
            r#"{"a":4294967296.0,"b":[1,2147483647,2147483648.0,-2147483648,-2147483649.0],"c":1.5}"#;
        assert_eq!(canonical(json).as_deref(), Some(expected));
        assert_eq!(canonical("null").as_deref(), Some("null"));
        assert_eq!(canonical("!"), None);
    }
}
