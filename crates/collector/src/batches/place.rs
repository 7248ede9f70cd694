//! Where batches go: a folder, or an object store in a cloud.

use std::sync::Arc;

use object_store::{ObjectStore, local::LocalFileSystem, path::Path, prefix::PrefixStore};
use url::Url;

use crate::store::Batch;

/// A place for files.
#[derive(Clone, Debug)]
pub struct BatchPlace(pub(super) Arc<dyn ObjectStore>);

impl BatchPlace {
    /// Any object store.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self(store)
    }

    /// A folder, which is created if it is not there; or the URL of an object store: `s3://bucket/path`,
    /// `gs://…`, `az://…`, as far as the feature `clouds` is on. What else a store needs is said by `options`, by
    /// the names of the `object_store` crate: the environment's variables serve.
    ///
    /// # Errors
    /// When the folder cannot be created, or the URL is of no known store.
    pub fn parse(
        text: &str,
        options: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, object_store::Error> {
        match Url::parse(text) {
            // A drive letter is no scheme.
            Ok(url) if text.contains("://") => {
                let (store, path) = object_store::parse_url_opts(&url, options)?;
                Ok(Self(Arc::new(PrefixStore::new(store, path))))
            }
            _ => {
                let folder =
                    |error| object_store::Error::Generic { store: "folder", source: Box::new(error) };
                std::fs::create_dir_all(text).map_err(folder)?;
                Ok(Self(Arc::new(LocalFileSystem::new_with_prefix(text)?.with_fsync(true))))
            }
        }
    }
}

/// The folder of a batch: API, destination, when its period begins, and its number.
///
/// The number alone would tell batches apart; the rest is for people and for prefixes.
pub(crate) fn folder(batch: &Batch) -> Path {
    let key = &batch.key;
    let start = time(key.period_start);
    let destination = key.destination.split_once("://").map_or(&*key.destination, |(_, host)| host);
    let late = if batch.late > 0 { format!("-late-{}", batch.late) } else { String::new() };
    Path::from_iter([key.api.as_str(), destination, &start, &format!("batch-{}{late}", batch.id)])
}

/// `2023-11-15T00Z`: the hour, in UTC. Times are those of ECMAScript, 270,000 years in both directions.
fn time(seconds: i64) -> String {
    let days = seconds.div_euclid(86_400);
    let hour = seconds.rem_euclid(86_400) / 3600;
    // Howard Hinnant's `civil_from_days`: years begin in March, so that leap days end them.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}Z")
}

#[cfg(test)]
mod tests {
    use ascribe_reports::Time;

    use super::*;
    use crate::store::BatchKey;

    #[test]
    fn hours_are_named_by_the_calendar() {
        for (seconds, name) in [
            (0, "1970-01-01T00Z"),
            (-1, "1969-12-31T23Z"),
            (951_782_400, "2000-02-29T00Z"),
            (1_700_006_400, "2023-11-15T00Z"),
            (4_107_542_400, "2100-03-01T00Z"),
        ] {
            assert_eq!(time(seconds), name);
        }
    }

    #[test]
    fn a_folder_is_named_by_what_is_in_it_and_stays_within_the_place() {
        let batch = |destination: &str, late| Batch {
            id: 7,
            key: BatchKey {
                destination: destination.into(),
                coordinator: String::new(),
                api: "attribution-reporting".into(),
                version: "1.0".into(),
                period_start: 1_700_006_400,
                period_seconds: 3600,
            },
            late,
            reports: 1,
            assigned_at: Time::from_secs(0),
        };
        assert_eq!(
            folder(&batch("https://shop.example", 0)).as_ref(),
            "attribution-reporting/shop.example/2023-11-15T00Z/batch-7"
        );
        assert_eq!(
            folder(&batch("https://shop.example", 2)).as_ref(),
            "attribution-reporting/shop.example/2023-11-15T00Z/batch-7-late-2"
        );
        for hostile in ["..", "https://..", "a/../../b", "https://a\\..\\b", "", "https://a?b#c%2e%2e"] {
            let path = folder(&batch(hostile, 0)).to_string();
            assert!(path.starts_with("attribution-reporting/"), "{path}");
            assert!(!path.split('/').any(|part| part == ".."), "{path}");
        }
    }
}
