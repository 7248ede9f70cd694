//! Buckets: names that requests know, for places that only the configuration knows.

use std::{collections::BTreeMap, path::PathBuf};

use super::error::{ApiError, Reason};
use crate::Location;

/// The places of buckets, by their names.
#[derive(Clone, Debug, Default)]
pub(super) struct Buckets(pub(super) BTreeMap<String, Location>);

impl Buckets {
    /// Where the names in a bucket are that begin with a prefix.
    ///
    /// # Errors
    /// When there is no such bucket, or the prefix leads anywhere but into it. `parameter` is what the message
    /// calls it.
    pub(super) fn locate(&self, bucket: &str, prefix: &str, parameter: &str) -> Result<Location, ApiError> {
        let refused =
            |problem: &str| ApiError::new(Reason::ValidationFailed, format!("{parameter}: {problem}"));
        let Some(base) = self.0.get(bucket) else {
            return Err(refused(&format!("no bucket `{}` is configured", bucket.escape_debug())));
        };
        check(prefix).map_err(refused)?;
        Ok(within(base, prefix))
    }
}

/// Names are relative and plain: they can lead nowhere else, whatever reads them.
fn check(prefix: &str) -> Result<(), &'static str> {
    if prefix.is_empty() {
        return Err("is empty");
    }
    if prefix.contains(|character: char| character.is_control() || character == '\\') {
        return Err("holds a control character or a backslash");
    }
    if prefix.starts_with('/') {
        return Err("begins with `/`: it is relative to the bucket");
    }
    let segments = prefix.strip_suffix('/').unwrap_or(prefix).split('/');
    for segment in segments {
        match segment {
            "" => return Err("has an empty segment"),
            "." | ".." => return Err("has a segment `.` or `..`"),
            _ => {}
        }
    }
    Ok(())
}

fn within(base: &Location, prefix: &str) -> Location {
    match base {
        Location::Path(directory) => {
            let mut path = directory.clone().into_os_string();
            path.push("/");
            path.push(prefix);
            Location::Path(PathBuf::from(path))
        }
        Location::Url(url) => {
            let mut url = url.clone();
            if let Ok(mut segments) = url.path_segments_mut() {
                // Percent signs are encoded on the way: `%2e%2e` stays a name.
                segments.pop_if_empty().extend(prefix.split('/'));
            }
            Location::Url(url)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets() -> Buckets {
        let places = [("files", "/srv/data"), ("cloud", "s3://store/base/"), ("root", "gs://other")];
        Buckets(places.map(|(name, place)| (name.to_owned(), Location::parse(place).unwrap())).into())
    }

    fn locate(bucket: &str, prefix: &str) -> Result<String, String> {
        match buckets().locate(bucket, prefix, "input") {
            Ok(location) => Ok(location.to_string()),
            Err(error) => Err(error.message),
        }
    }

    #[test]
    fn prefixes_are_within_their_bucket() {
        assert_eq!(locate("files", "day/1").as_deref(), Ok("/srv/data/day/1"));
        assert_eq!(locate("files", "day/").as_deref(), Ok("/srv/data/day/"));
        assert_eq!(locate("cloud", "day/1").as_deref(), Ok("s3://store/base/day/1"));
        assert_eq!(locate("cloud", "day/").as_deref(), Ok("s3://store/base/day/"));
        assert_eq!(locate("root", "a b%2e%2e/..c").as_deref(), Ok("gs://other/a%20b%252e%252e/..c"));
        assert_eq!(locate("root", "%2e%2e/x").as_deref(), Ok("gs://other/%252e%252e/x"));
        assert_eq!(locate("root", "a?b#c").as_deref(), Ok("gs://other/a%3Fb%23c"));
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for prefix in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../x",
            "a/../b",
            "a/..",
            "./a",
            ".",
            "a//b",
            "//a",
            "a\\..\\b",
            "a\0",
            "a\nb",
            "../",
            "a/./",
        ] {
            for bucket in ["files", "cloud", "root"] {
                assert!(locate(bucket, prefix).is_err(), "{bucket} {prefix:?}");
            }
        }
        assert_eq!(locate("", "a"), Err("input: no bucket `` is configured".to_owned()));
        assert_eq!(locate("/srv/data", "a").unwrap_err(), "input: no bucket `/srv/data` is configured");
    }
}
