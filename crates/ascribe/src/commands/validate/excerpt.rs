//! One line of the input with a mark under a part of it, as wide as a terminal at most.

use std::ops::Range;

use unicode_width::UnicodeWidthChar;

/// What to print on two lines, the second under the first, and where in the text that is.
#[derive(Debug, PartialEq)]
pub(super) struct Excerpt {
    /// Counted from 1.
    pub(super) line: usize,
    /// Of the marked part's first character; counted from 1, in characters.
    pub(super) column: usize,
    /// The line, or the part of it around the mark.
    pub(super) shown: String,
    /// Spaces up to the marked part, then a caret for each of its columns.
    pub(super) carets: String,
}

/// Shows the line on which `range` begins in at most `width` columns (and an ellipsis at either side).
///
/// Of a range over several lines, the part on the first is marked. Takes time in proportion to what comes
/// before the range, but only the part that is shown is ever laid out, however long the line.
pub(super) fn excerpt(text: &str, range: Range<usize>, width: usize) -> Excerpt {
    let start_of_line = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
    let end_of_line = text[range.start..].find('\n').map_or(text.len(), |at| range.start + at);
    let marked_end = range.end.clamp(range.start, end_of_line);

    let before = &text[start_of_line..range.start];
    let marked = &text[range.start..marked_end];
    let after = text[marked_end..end_of_line].trim_end_matches('\r');

    let (marked_shown, marked_width, marked_whole) = lay_out(marked.chars(), width);
    // Each side gets half of the rest, and what the other side does not need.
    let context = width - marked_width;
    let needed = |side| lay_out(side, context).1;
    let (before_needs, after_needs) = (lay_out(before.chars().rev(), context).1, needed(after.chars()));
    let before_gets = (context / 2).max(context - after_needs);
    let after_gets = context - before_gets.min(before_needs);
    let (before_shown, before_width, before_whole) = lay_out(before.chars().rev(), before_gets);
    let (after_shown, _, after_whole) = lay_out(after.chars(), after_gets);

    let mut shown = String::new();
    let mut indent = before_width;
    if !before_whole {
        shown.push('…');
        indent += 1;
    }
    shown.extend(before_shown.into_iter().rev());
    shown.extend(marked_shown);
    shown.extend(after_shown);
    if !marked_whole || !after_whole {
        shown.push('…');
    }
    Excerpt {
        line: text[..start_of_line].matches('\n').count() + 1,
        column: before.chars().count() + 1,
        shown,
        carets: " ".repeat(indent) + &"^".repeat(marked_width.max(1)),
    }
}

/// As many of the characters as fit into `width` columns, how wide they are, and whether that is all.
fn lay_out(chars: impl Iterator<Item = char>, width: usize) -> (Vec<char>, usize, bool) {
    let mut shown = Vec::new();
    let mut used = 0;
    for c in chars {
        let (visible, columns) = visible(c);
        // A character without a width costs something too, or a line of them would have no end.
        if used + columns > width || shown.len() >= 4 * width {
            return (shown, used, false);
        }
        shown.extend(std::iter::repeat_n(visible, if c == '\t' { columns } else { 1 }));
        used += columns;
    }
    (shown, used, true)
}

/// What to show for a character, and how many columns that takes.
///
/// The input may come from anywhere: what would move the cursor, colour the terminal or reorder the line
/// is shown as a symbol.
fn visible(c: char) -> (char, usize) {
    const TAB_WIDTH: usize = 4;
    match c {
        '\t' => (' ', TAB_WIDTH),
        '\0'..='\x1f' => (char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'), 1),
        '\x7f' => ('\u{2421}', 1),
        '\u{80}'..='\u{9f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => ('\u{fffd}', 1),
        '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}' | '\u{ad}' => ('\u{fffd}', 1),
        _ => (c, c.width().unwrap_or(1)),
    }
}

/// A text without what only a terminal would understand.
pub(super) fn harmless(text: &str) -> String {
    text.chars().map(|c| visible(c).0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The part of `text` in brackets is marked; the lines are joined with a bar.
    fn shown(text: &str, width: usize) -> String {
        let start = text.find('[').expect("a mark");
        let end = text.find(']').expect("its end") - 1;
        let excerpt = excerpt(&text.replace(['[', ']'], ""), start..end, width);
        format!("{}|{}", excerpt.shown, excerpt.carets)
    }

    #[test]
    fn short_lines_are_shown_whole() {
        assert_eq!(shown("ab[cd]ef", 20), "abcdef|  ^^");
        assert_eq!(shown("[ab]", 20), "ab|^^");
        assert_eq!(shown("ab[]", 20), "ab|  ^", "the end");
        assert_eq!(shown("[]", 20), "|^", "nothing at all");
    }

    #[test]
    fn the_limit_of_the_width() {
        assert_eq!(shown("abcd[e]f", 6), "abcdef|    ^");
        assert_eq!(shown("abcd[e]f", 5), "…bcdef|    ^");
        assert_eq!(shown("ab[c]def", 5), "abcde…|  ^");
    }

    #[test]
    fn long_lines_are_cut_around_the_mark() {
        assert_eq!(shown("abcdefgh[ij]klmnopqr", 6), "…ghijkl…|   ^^");
        assert_eq!(shown("[ab]cdefghijklm", 6), "abcdef…|^^", "all is left for the other side");
        assert_eq!(shown("abcdefghijk[lm]", 6), "…hijklm|     ^^");
        assert_eq!(shown("a[bcdefghij]k", 6), "…bcdefg…| ^^^^^^", "of a long mark, the beginning");
    }

    #[test]
    fn one_line_of_many() {
        let text = "{\r\n\t\"é\": [1,\r\n2]\r\n}";
        let excerpt = excerpt(text, 10..17, 40);
        assert_eq!(&text[10..17], "[1,\r\n2]");
        assert_eq!((excerpt.line, excerpt.column), (2, 7));
        assert_eq!(excerpt.shown, "    \"é\": [1,␍");
        assert_eq!(excerpt.carets, "         ^^^^");
    }

    #[test]
    fn wide_and_hidden_characters_keep_the_mark_in_place() {
        assert_eq!(shown("日本[語]!", 20), "日本語!|    ^^");
        assert_eq!(shown("e\u{301}[x]", 20), "e\u{301}x| ^", "a combining accent has no width");
        assert_eq!(shown("\u{1b}[x]\u{202e}y", 20), "␛x\u{fffd}y| ^");
        assert_eq!(harmless("a\u{1b}[31m\nb"), "a␛[31m␊b");
    }

    #[test]
    fn a_line_of_nothing_visible_has_an_end() {
        let accents = "\u{301}".repeat(10_000);
        let excerpt = excerpt(&accents, accents.len()..accents.len(), 10);
        assert!(excerpt.shown.chars().count() <= 50);
    }

    /// How many columns a terminal gives to what is shown.
    fn columns(shown: &str) -> usize {
        shown.chars().map(|c| c.width().expect("nothing hidden is shown")).sum()
    }

    #[test]
    fn every_short_text_and_every_mark() {
        let alphabet = ['a', '日', '\t', '\n', '\u{301}'];
        let mut texts = vec![String::new()];
        for length in 0..4 {
            let longest: Vec<_> =
                texts.iter().filter(|text| text.chars().count() == length).cloned().collect();
            texts.extend(longest.iter().flat_map(|text| alphabet.map(|c| format!("{text}{c}"))));
        }
        assert_eq!(texts.len(), 1 + 5 + 25 + 125 + 625);
        for text in &texts {
            let boundaries: Vec<_> = (0..=text.len()).filter(|&at| text.is_char_boundary(at)).collect();
            for (i, &start) in boundaries.iter().enumerate() {
                for &end in &boundaries[i..] {
                    for width in 1..8 {
                        let excerpt = excerpt(text, start..end, width);
                        let what = format!("{text:?}, {start}..{end}, {width}: {excerpt:?}");
                        let ellipses = excerpt.shown.matches('…').count();
                        assert!(columns(&excerpt.shown) <= width + ellipses && ellipses <= 2, "{what}");
                        assert!(excerpt.carets.trim_start().starts_with('^'), "{what}");
                        let marked = excerpt.carets.len();
                        assert!(marked <= columns(&excerpt.shown) + 1, "{what}");
                    }
                }
            }
        }
    }
}
