//! Text of charts: one line, of bounded length.

/// Text as a label shows it: at most `longest` characters, without what is no character on a line.
///
/// `kuva` reads what stands between two dollars as mathematics; a backslash before each keeps them dollars.
pub(crate) fn label(text: &str, longest: usize) -> String {
    cut(text, longest).replace('$', "\\$")
}

/// As [`label`], for text that goes into the SVG by our own hand.
pub(crate) fn escaped(text: &str, longest: usize) -> String {
    let text = cut(text, longest);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn cut(text: &str, longest: usize) -> String {
    // U+FFFE and U+FFFF are in no XML document, nor are most control characters.
    let mut shown = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}'));
    let mut cut: String = shown.by_ref().take(longest).collect();
    if shown.next().is_some() {
        cut.pop();
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_ends_in_an_ellipsis() {
        assert_eq!(label("four", 4), "four");
        assert_eq!(label("fives", 4), "fiv…");
    }

    #[test]
    fn what_is_no_character_of_a_line_is_left_out() {
        assert_eq!(label("a\nb\0c\u{ffff}", 9), "a bc");
        assert_eq!(escaped("<a b=\"c\">&", 99), "&lt;a b=&quot;c&quot;&gt;&amp;");
    }
}
