//! Texts within HTML and JavaScript, where nothing of them ends what they stand in.

use std::fmt::Write;

/// A text as an attribute's value in double quotes, or as an element's text.
pub(super) fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// A text as a string literal, also in a script element, where `</script>` would end it.
pub(super) fn javascript(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => literal.extend(['\\', character]),
            // Line separators end a line for older engines.
            '<' | '\u{2028}' | '\u{2029}' | '\0'..='\x1f' => {
                // Writing to memory does not fail.
                let _ = write!(literal, "\\u{:04x}", u32::from(character));
            }
            _ => literal.push(character),
        }
    }
    literal.push('"');
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped() {
        assert_eq!(html(r#"a&b<c>"d"'e'"#), "a&amp;b&lt;c&gt;&quot;d&quot;&#39;e&#39;");
    }

    #[test]
    fn literals_say_the_same_and_end_nothing() {
        for text in ["a&b", "</script><!--", "\"\\\n\0\u{2028}", "é😀"] {
            let literal = javascript(text);
            assert!(!literal.contains(['<', '\n', '\u{2028}']), "{literal}");
            assert_eq!(serde_json::from_str::<String>(&literal).unwrap(), text);
        }
    }
}
