//! The parameters of a tag: its URL's query.

use std::borrow::Cow;

/// The first few parameters of a query, in order.
#[derive(Debug, Default)]
pub(crate) struct Parameters<'q>(Vec<(Cow<'q, str>, Cow<'q, str>)>);

/// No tag has more.
const MAX_PARAMETERS: usize = 64;
/// No value that is used is longer.
const MAX_VALUE_BYTES: usize = 4096;

impl<'q> Parameters<'q> {
    pub(crate) fn parse(query: &'q str) -> Self {
        Self(url::form_urlencoded::parse(query.as_bytes()).take(MAX_PARAMETERS).collect())
    }

    /// The first value with that name; too long a value counts as none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        (value.len() <= MAX_VALUE_BYTES).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_name_counts_and_is_decoded() {
        let parameters = Parameters::parse("a=1&b=x%20y+z&a=2&empty=&%ff=%ff");
        assert_eq!(parameters.get("a"), Some("1"));
        assert_eq!(parameters.get("b"), Some("x y z"));
        assert_eq!(parameters.get("empty"), Some(""));
        assert_eq!(parameters.get("none"), None);
    }

    #[test]
    fn what_is_too_much_is_left_out() {
        let query = (0..65).map(|n| format!("p{n}=1")).collect::<Vec<_>>().join("&");
        assert_eq!(Parameters::parse(&query).get("p63"), Some("1"));
        assert_eq!(Parameters::parse(&query).get("p64"), None);
        let query = format!("a={}&b={}", "x".repeat(4096), "x".repeat(4097));
        assert!(Parameters::parse(&query).get("a").is_some());
        assert!(Parameters::parse(&query).get("b").is_none());
    }
}
