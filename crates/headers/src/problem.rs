//! What is wrong with a header, and where.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::ProblemKind;

/// One step into a JSON value or structured field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(untagged)]
pub enum PathItem {
    /// A member of an object or dictionary.
    Key(Box<str>),
    /// An item of a list.
    Index(usize),
}

/// Where in a header something is; empty for the whole. Serialized as a list of keys and indices.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Path(pub Vec<PathItem>);

/// A parsed header: what it registers, unless there are errors, and all that is to be said about it.
#[derive(Clone, Debug)]
pub struct Parsed<T> {
    /// The registration; present exactly when there are no errors.
    pub value: Option<T>,
    /// Why there is no value; the first 1,000 reasons.
    pub errors: Vec<Problem>,
    /// What was changed or will have no effect; the first 1,000 such things.
    pub warnings: Vec<Problem>,
}

/// One thing to be said about a header. Serialized as `path` and `message`.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Where.
    pub path: Path,
    /// What; displayed as a sentence for people.
    pub kind: ProblemKind,
}

impl<T> Parsed<T> {
    /// The registration, or the errors; the warnings are dropped.
    ///
    /// # Errors
    /// When there are any: the list is not empty.
    pub fn into_result(self) -> Result<T, Vec<Problem>> {
        self.value.ok_or(self.errors)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        for item in &self.0 {
            match item {
                PathItem::Key(key) => write!(f, "[{key:?}]")?,
                PathItem::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.kind)
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut problem = serializer.serialize_struct("Problem", 2)?;
        problem.serialize_field("path", &self.path)?;
        problem.serialize_field("message", &self.kind.to_string())?;
        problem.end()
    }
}
