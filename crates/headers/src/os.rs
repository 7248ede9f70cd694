//! `Attribution-Reporting-Register-OS-Source` and `-OS-Trigger`: registrations for the operating system.

use std::fmt;

use sfv::{ListEntry, StringRef};
use url::Url;

use crate::{
    Parsed, ProblemKind,
    problems::{At, Problems},
    structured::field,
};

/// Spec: "OS registration".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OsRegistration {
    /// Where the operating system registers.
    pub url: Url,
    /// `debug-reporting`.
    pub debug_reporting: bool,
}

const DEBUG_REPORTING: &str = "debug-reporting";

impl OsRegistration {
    /// Parses either header: the valid items, at least one.
    ///
    /// Spec: "get OS registrations from a header value".
    #[must_use]
    pub fn parse_list(header: &[u8]) -> Parsed<Vec<Self>> {
        let mut problems = Problems::default();
        let registrations = field(header, &mut problems).and_then(|list: sfv::List| {
            let mut registrations = Vec::new();
            for (index, entry) in list.into_iter().enumerate() {
                registrations.extend(registration(entry, At::Root.index(index), &mut problems));
            }
            if registrations.is_empty() {
                return problems.error(At::Root, ProblemKind::NoRegistrations);
            }
            Some(registrations)
        });
        problems.finish(registrations)
    }

    /// Prints a header that registers all of these.
    #[must_use]
    pub fn print_list(registrations: &[Self]) -> String {
        registrations.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// An item that is not a valid registration is only warned about.
fn registration(entry: ListEntry, at: At<'_>, problems: &mut Problems) -> Option<OsRegistration> {
    let url = match &entry {
        ListEntry::Item(item) => item.bare_item.as_string().and_then(|url| Url::parse(url.as_str()).ok()),
        ListEntry::InnerList(_) => None,
    };
    let (ListEntry::Item(item), Some(url)) = (entry, url) else {
        problems.warn(at, ProblemKind::ItemIgnored);
        return None;
    };
    let mut debug_reporting = false;
    for (name, value) in &item.params {
        let at = at.key(name.as_str());
        match (name.as_str(), value.as_boolean()) {
            (DEBUG_REPORTING, Some(value)) => debug_reporting = value,
            (DEBUG_REPORTING, None) => problems.warn(at, ProblemKind::ParameterIgnored),
            _ => problems.warn(at, ProblemKind::UnknownParameter),
        }
    }
    Some(OsRegistration { url, debug_reporting })
}

/// Prints one item of the header.
impl fmt::Display for OsRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A parsed URL is printable ASCII: whatever else it was made of is percent-encoded.
        let url = StringRef::from_str(self.url.as_str()).map_err(|_| fmt::Error)?;
        let item = sfv::ItemSerializer::new().bare_item(url);
        let item = match self.debug_reporting {
            true => item.parameter(sfv::KeyRef::constant(DEBUG_REPORTING), true),
            false => item,
        };
        f.write_str(&item.finish())
    }
}
