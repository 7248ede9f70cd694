//! Collecting problems while parsing: paths cost nothing until there is one.

use crate::{Parsed, Path, PathItem, Problem, ProblemKind};

/// Where the parser is, as a chain on the stack.
#[derive(Clone, Copy)]
pub(crate) enum At<'a> {
    Root,
    Key(&'a Self, &'a str),
    Index(&'a Self, usize),
}

/// What has been found so far.
#[derive(Default)]
pub(crate) struct Problems {
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
    lenient: bool,
}

/// A hostile header can have a problem in every second byte; nobody reads so many.
const MAX_PROBLEMS: usize = 1000;

impl<'a> At<'a> {
    pub(crate) fn key(&'a self, key: &'a str) -> Self {
        Self::Key(self, key)
    }

    pub(crate) fn index(&'a self, index: usize) -> Self {
        Self::Index(self, index)
    }

    fn to_path(self) -> Path {
        let mut items = Vec::new();
        let mut at = self;
        loop {
            at = match at {
                Self::Root => break,
                Self::Key(parent, key) => {
                    items.push(PathItem::Key(key.into()));
                    *parent
                }
                Self::Index(parent, index) => {
                    items.push(PathItem::Index(index));
                    *parent
                }
            };
        }
        items.reverse();
        Path(items)
    }
}

impl Problems {
    /// Records an error (in [`leniently`](Self::leniently): a warning) and stands for the missing value.
    #[cold]
    pub(crate) fn error<T>(&mut self, at: At<'_>, kind: ProblemKind) -> Option<T> {
        if self.lenient {
            self.warn(at, kind);
        } else {
            push(&mut self.errors, at, kind);
        }
        None
    }

    /// Records an error, and says that something is not so.
    #[cold]
    pub(crate) fn reject(&mut self, at: At<'_>, kind: ProblemKind) -> bool {
        self.error::<()>(at, kind).is_some()
    }

    /// Records a warning.
    #[cold]
    pub(crate) fn warn(&mut self, at: At<'_>, kind: ProblemKind) {
        push(&mut self.warnings, at, kind);
    }

    /// Runs `parse` with its errors as warnings: an invalid debugging field does not cost the registration.
    pub(crate) fn leniently<R>(&mut self, parse: impl FnOnce(&mut Self) -> R) -> R {
        let before = std::mem::replace(&mut self.lenient, true);
        let parsed = parse(self);
        self.lenient = before;
        parsed
    }

    /// `value` must be `None` when errors were recorded, and may be only then.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Parsed<T> {
        debug_assert_eq!(value.is_none(), !self.errors.is_empty());
        Parsed { value, errors: self.errors, warnings: self.warnings }
    }
}

fn push(to: &mut Vec<Problem>, at: At<'_>, kind: ProblemKind) {
    if to.len() < MAX_PROBLEMS {
        to.push(Problem { path: at.to_path(), kind });
    }
}
