//! A TOML document of which the known fields are being taken, with the position of each.

use std::ops::Range;

use serde_json::Value;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::problem::ConfigProblem;

/// A table, and the problems found in it and its siblings.
pub(super) struct Section<'a> {
    text: &'a str,
    path: String,
    at: Range<usize>,
    fields: DeTable<'a>,
}

/// A value with its position and the name of its field.
pub(super) struct Field<'a> {
    text: &'a str,
    pub(super) path: String,
    pub(super) at: Range<usize>,
    pub(super) value: DeValue<'a>,
}

/// Problems found so far.
pub(super) type Problems = Vec<ConfigProblem>;

impl<'a> Section<'a> {
    /// The whole document, or `None` with a problem when it is not TOML.
    pub(super) fn parse(text: &'a str, problems: &mut Problems) -> Option<Self> {
        match DeTable::parse(text) {
            Ok(table) => Some(Self { text, path: String::new(), at: 0..0, fields: table.into_inner() }),
            Err(error) => {
                let byte = error.span().map_or(0, |span| span.start);
                problems.push(ConfigProblem::at(
                    text,
                    byte,
                    format!("not TOML: {}", error.message()),
                    "correct the syntax",
                ));
                None
            }
        }
    }

    /// A field, if it is there; it is then known.
    pub(super) fn take(&mut self, name: &str) -> Option<Field<'a>> {
        let (key, value) = self.fields.remove_entry(name)?;
        Some(self.field(key, value))
    }

    /// A field that must be there.
    pub(super) fn require(&mut self, name: &str, help: &str, problems: &mut Problems) -> Option<Field<'a>> {
        let field = self.take(name);
        if field.is_none() {
            let what = format!("{} is missing", join(&self.path, name));
            problems.push(ConfigProblem::at(self.text, self.at.start, what, help));
        }
        field
    }

    /// A table within; an empty one if it is not there.
    pub(super) fn section(&mut self, name: &str, problems: &mut Problems) -> Self {
        self.take(name).and_then(|field| field.section(problems)).unwrap_or_else(|| Self {
            text: self.text,
            path: join(&self.path, name),
            at: self.at.clone(),
            fields: DeTable::new(),
        })
    }

    /// All fields that are left, by name.
    pub(super) fn rest(mut self) -> impl Iterator<Item = (String, Field<'a>)> {
        let fields = std::mem::take(&mut self.fields);
        fields.into_iter().map(move |(key, value)| (key.get_ref().to_string(), self.field(key, value)))
    }

    /// Says that all fields that are left are not known.
    pub(super) fn finish(self, problems: &mut Problems) {
        for (_, field) in self.rest() {
            field.problem("is not a field of this table", "remove it, or correct its name", problems);
        }
    }

    /// The text, and where in it the table is.
    pub(super) fn position(&self) -> (&'a str, usize) {
        (self.text, self.at.start)
    }

    /// A problem with the table as a whole.
    pub(super) fn problem(&self, what: &str, help: impl Into<String>, problems: &mut Problems) {
        let what = if self.path.is_empty() { what.to_owned() } else { format!("{} {what}", self.path) };
        problems.push(ConfigProblem::at(self.text, self.at.start, what, help));
    }

    fn field(&self, key: Spanned<std::borrow::Cow<'a, str>>, value: Spanned<DeValue<'a>>) -> Field<'a> {
        Field {
            text: self.text,
            path: join(&self.path, key.get_ref()),
            // A table's span is its header's; the key's is the more telling one.
            at: if value.get_ref().is_table() { key.span() } else { value.span() },
            value: value.into_inner(),
        }
    }
}

impl<'a> Field<'a> {
    /// Says what is wrong with the value.
    pub(super) fn problem(&self, what: &str, help: impl Into<String>, problems: &mut Problems) {
        self.problem_at(self.at.start, what, help, problems);
    }

    /// Says what is wrong with something within the value.
    pub(super) fn problem_at(
        &self,
        byte: usize,
        what: &str,
        help: impl Into<String>,
        problems: &mut Problems,
    ) {
        let separator = if what.starts_with('[') { "" } else { " " };
        let what = format!("{}{separator}{what}", self.path);
        problems.push(ConfigProblem::at(self.text, byte, what, help));
    }

    pub(super) fn section(self, problems: &mut Problems) -> Option<Section<'a>> {
        match self.value {
            DeValue::Table(fields) => Some(Section { text: self.text, path: self.path, at: self.at, fields }),
            _ => self.wrong("a table", problems),
        }
    }

    pub(super) fn list(self, problems: &mut Problems) -> Option<Vec<Self>> {
        match self.value {
            DeValue::Array(items) => {
                let item = |(index, item): (usize, Spanned<DeValue<'a>>)| Self {
                    text: self.text,
                    path: format!("{}[{index}]", self.path),
                    at: item.span(),
                    value: item.into_inner(),
                };
                Some(items.into_iter().enumerate().map(item).collect())
            }
            _ => self.wrong("a list", problems),
        }
    }

    /// A list, or its only item.
    pub(super) fn one_or_list(self, problems: &mut Problems) -> Option<Vec<Self>> {
        if matches!(self.value, DeValue::Array(_)) { self.list(problems) } else { Some(vec![self]) }
    }

    pub(super) fn string(&self, problems: &mut Problems) -> Option<&str> {
        match &self.value {
            DeValue::String(text) => Some(text),
            _ => self.wrong("a string in quotes", problems),
        }
    }

    pub(super) fn boolean(&self, problems: &mut Problems) -> Option<bool> {
        match self.value {
            DeValue::Boolean(value) => Some(value),
            _ => self.wrong("true or false", problems),
        }
    }

    /// A whole number of a range.
    pub(super) fn integer(
        &self,
        range: std::ops::RangeInclusive<u64>,
        problems: &mut Problems,
    ) -> Option<u64> {
        let number = match &self.value {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        match number.filter(|number| range.contains(number)) {
            Some(number) => Some(number),
            None => {
                self.wrong(&format!("a whole number from {} to {}", range.start(), range.end()), problems)
            }
        }
    }

    /// A number above 0, whole or not.
    pub(super) fn positive(&self, problems: &mut Problems) -> Option<f64> {
        let number = match &self.value {
            DeValue::Integer(number) => number.as_str().parse().ok().filter(|_| number.radix() == 10),
            DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
            _ => None,
        };
        match number.filter(|number| *number > 0.0 && number.is_finite()) {
            Some(number) => Some(number),
            None => self.wrong("a number above 0", problems),
        }
    }

    /// The value as JSON has it; integers that JSON readers would round become strings.
    pub(super) fn to_json(&self, problems: &mut Problems) -> Option<Value> {
        json(&self.value).or_else(|| self.wrong("a value that JSON has too", problems))
    }

    fn wrong<T>(&self, expected: &str, problems: &mut Problems) -> Option<T> {
        let found = match &self.value {
            DeValue::String(text) => format!("the text {text:?}"),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(value) => value.to_string(),
            DeValue::Datetime(_) => "a date".to_owned(),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        };
        self.problem(&format!("is {found}"), format!("write {expected}"), problems);
        None
    }
}

fn json(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Boolean(value) => (*value).into(),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => number.into(),
            Err(_) => u64::from_str_radix(number.as_str(), number.radix()).ok()?.into(),
        },
        DeValue::Float(number) => number.as_str().parse::<f64>().ok().filter(|f| f.is_finite())?.into(),
        DeValue::Datetime(_) => return None,
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect::<Option<_>>()?,
        DeValue::Table(table) => Value::Object(
            table
                .iter()
                .map(|(key, value)| Some((key.get_ref().to_string(), json(value.get_ref())?)))
                .collect::<Option<_>>()?,
        ),
    })
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
