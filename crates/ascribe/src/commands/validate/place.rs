//! Where in the text of a header a problem is.

use std::ops::Range;

use ascribe_headers::{HeaderName, Location, Path, PathItem, Problem, ProblemKind, locate_member};

/// The bytes to point at; an empty range for a place between bytes, `None` if it is the header as a whole.
pub(super) fn find(header: HeaderName, text: &str, problem: &Problem) -> Option<Range<usize>> {
    let range = match &problem.kind {
        ProblemKind::JsonSyntax(message) => json_syntax(text, message),
        ProblemKind::StructuredFieldSyntax(message) => structured_syntax(message),
        _ if problem.path.0.is_empty() => None,
        kind if super::is_json(header) => json(text, &problem.path, kind),
        _ => structured(text, &problem.path),
    }?;
    let is_inside = text.get(range.clone()).is_some();
    is_inside.then_some(range)
}

fn json(text: &str, path: &Path, kind: &ProblemKind) -> Option<Range<usize>> {
    if let Some(Location { key, value }) = locate_member(text, path) {
        return Some(if is_about_key(kind) { key.unwrap_or(value) } else { value });
    }
    // What is missing belongs into what should contain it: point at where that begins.
    let parents = (0..path.0.len()).rev().map(|items| Path(path.0[..items].to_vec()));
    let parent = parents.into_iter().find_map(|parent| locate_member(text, &parent))?;
    Some(parent.value.start..parent.value.start + 1)
}

fn is_about_key(kind: &ProblemKind) -> bool {
    matches!(
        kind,
        ProblemKind::UnknownField
            | ProblemKind::KeyTooLong { .. }
            | ProblemKind::ImplicitKey
            | ProblemKind::ReservedKey
            | ProblemKind::MutuallyExclusive(_)
            | ProblemKind::KeyWithoutPiece(_)
    )
}

/// `serde_json` ends its messages with ` at line 1 column 7`; both count from 1, columns in bytes.
fn json_syntax(text: &str, message: &str) -> Option<Range<usize>> {
    let (_, position) = message.rsplit_once(" at line ")?;
    let (line, column) = position.split_once(" column ")?;
    let (line, column): (usize, usize) = (line.parse().ok()?, column.parse().ok()?);
    // The parser has not seen the byte order mark.
    let mark = if text.starts_with('\u{feff}') && line == 1 { '\u{feff}'.len_utf8() } else { 0 };
    let start: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let at = text.floor_char_boundary((start + mark + column.saturating_sub(1)).min(text.len()));
    Some(at..at + text[at..].chars().next().map_or(0, char::len_utf8))
}

/// `sfv` ends its messages with ` at index 7`, counted from 0 in bytes; some have no position.
fn structured_syntax(message: &str) -> Option<Range<usize>> {
    let (_, index) = message.rsplit_once(" at index ")?;
    let at = index.parse().ok()?;
    Some(at..at)
}

/// The member of a list or dictionary that the path begins with; parameters are part of it.
fn structured(text: &str, path: &Path) -> Option<Range<usize>> {
    let mut members = members(text);
    match path.0.first()? {
        PathItem::Index(index) => members.nth(*index),
        // Of duplicates, the last one counts.
        PathItem::Key(key) => {
            let has_key = |range: &Range<usize>| {
                let rest = text[range.clone()].strip_prefix(&**key);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['=', ';']))
            };
            members.filter(has_key).last()
        }
    }
}

/// What is between the commas of a valid structured field, but for those in strings and inner lists.
fn members(text: &str) -> impl Iterator<Item = Range<usize>> {
    let (mut quoted, mut escaped, mut depth) = (false, false, 0u32);
    let separators = text.bytes().enumerate().filter_map(move |(at, byte)| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => return Some(at),
            _ => {}
        }
        None
    });
    let mut start = 0;
    separators.chain([text.len()]).map(move |end| {
        let member = &text[start..end];
        let leading = member.len() - member.trim_start().len();
        let range = start + leading..start + leading + member.trim().len();
        start = end + 1;
        range
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(items: impl IntoIterator<Item = PathItem>) -> Path {
        Path(items.into_iter().collect())
    }

    fn key(key: &str) -> PathItem {
        PathItem::Key(key.into())
    }

    fn found(header: HeaderName, text: &str, path: Path, kind: ProblemKind) -> Option<&str> {
        find(header, text, &Problem { path, kind }).map(|range| &text[range])
    }

    #[test]
    fn values_keys_and_what_misses_something() {
        let text = r#"{"a": [1, {"b": "é"}], "c": 2}"#;
        let find =
            |items: &[PathItem], kind| found(HeaderName::RegisterSource, text, path(items.to_vec()), kind);
        let wrong = || ProblemKind::WrongType { expected: "a list" };
        assert_eq!(find(&[key("c")], wrong()), Some("2"));
        assert_eq!(find(&[key("c")], ProblemKind::UnknownField), Some("\"c\""));
        assert_eq!(find(&[key("a"), PathItem::Index(1), key("b")], wrong()), Some("\"é\""));
        assert_eq!(find(&[key("a"), PathItem::Index(1), key("x")], ProblemKind::Missing), Some("{"));
        assert_eq!(find(&[key("x"), key("y")], ProblemKind::Missing), Some("{"));
        assert_eq!(find(&[], wrong()), None);
    }

    #[test]
    fn json_syntax_errors_have_a_line_and_a_column() {
        let at = |text, message: &str| {
            find(
                HeaderName::RegisterSource,
                text,
                &Problem { path: Path::default(), kind: ProblemKind::JsonSyntax(message.into()) },
            )
        };
        assert_eq!(at("{\n  é x", "expected this at line 2 column 3"), Some(4..6));
        assert_eq!(at("{\n  é x", "expected this at line 2 column 4"), Some(4..6), "inside the é");
        assert_eq!(at("\u{feff}{x", "expected this at line 1 column 2"), Some(4..5));
        assert_eq!(at("{", "end at line 1 column 2"), Some(1..1));
        assert_eq!(at("", "end at line 1 column 0"), Some(0..0));
        assert_eq!(at("{", "end at line 9 column 9"), Some(1..1));
        assert_eq!(at("{", "something else"), None);
        assert_eq!(at("{", "end at line 0 column 0"), None);
    }

    #[test]
    fn structured_syntax_errors_have_an_index() {
        let kind = |message: &str| ProblemKind::StructuredFieldSyntax(message.into());
        let at =
            |message| find(HeaderName::Info, "a, ,", &Problem { path: Path::default(), kind: kind(message) });
        assert_eq!(at("expected start of key at index 3"), Some(3..3));
        assert_eq!(at("expected start of key at index 5"), None, "beyond the end");
        assert_eq!(at("expected start of key"), None);
    }

    #[test]
    fn members_of_structured_fields() {
        let list = r#" "https://a.test/?x=\",1" ;p , ("b, c" d),e"#;
        let item = |index| {
            found(
                HeaderName::RegisterOsSource,
                list,
                path([PathItem::Index(index)]),
                ProblemKind::ItemIgnored,
            )
        };
        assert_eq!(item(0), Some(r#""https://a.test/?x=\",1" ;p"#));
        assert_eq!(item(1), Some(r#"("b, c" d)"#));
        assert_eq!(item(2), Some("e"));
        assert_eq!(item(3), None);
        let dictionary = "ab=1, a;x, b, a=2";
        let member = |name| found(HeaderName::Info, dictionary, path([key(name)]), ProblemKind::UnknownKey);
        assert_eq!(member("a"), Some("a=2"));
        assert_eq!(member("ab"), Some("ab=1"));
        assert_eq!(member("c"), None);
    }
}
