//! Names of files and objects.

use std::{fmt, io, path::PathBuf};

use url::Url;

/// A file, a directory or a prefix: a local path, or the URL of an object store (`s3://`, `gs://`, `az://`,
/// `https://`, ...).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// A local path.
    Path(PathBuf),
    /// A URL.
    Url(Url),
}

impl Location {
    /// Reads a path or URL. What has no scheme and `://` is a path; `file://` is one too.
    ///
    /// # Errors
    /// When it looks like a URL and is none.
    pub fn parse(text: &str) -> Result<Self, url::ParseError> {
        if !text.contains("://") {
            return Ok(Self::Path(PathBuf::from(text)));
        }
        let url = Url::parse(text)?;
        Ok(match url.to_file_path() {
            Ok(path) if url.scheme() == "file" => Self::Path(path),
            _ => Self::Url(url),
        })
    }

    /// The last part of the name.
    #[must_use]
    pub fn file_name(&self) -> &str {
        match self {
            Self::Path(path) => path.file_name().and_then(|name| name.to_str()).unwrap_or_default(),
            Self::Url(url) => url.path().rsplit('/').next().unwrap_or_default(),
        }
    }

    /// The same with another last part.
    #[must_use]
    pub fn with_file_name(&self, name: &str) -> Self {
        match self {
            Self::Path(path) => Self::Path(path.with_file_name(name)),
            Self::Url(url) => {
                let mut url = url.clone();
                let (directory, _) = url.path().rsplit_once('/').unwrap_or_default();
                let path = format!("{directory}/{name}");
                url.set_path(&path);
                Self::Url(url)
            }
        }
    }

    /// The same in a directory beside it.
    #[must_use]
    pub fn in_directory(&self, directory: &str) -> Self {
        self.with_file_name(&format!("{directory}/{}", self.file_name()))
    }

    /// The same, whatever the current directory will be.
    ///
    /// # Errors
    /// When there is no current directory.
    pub fn absolute(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Path(path) => Self::Path(std::path::absolute(path)?),
            Self::Url(url) => Self::Url(url.clone()),
        })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            // Credentials may stand in a query: they are not shown.
            Self::Url(url) => match url.query() {
                Some(_) => f.write_str(url.as_str().split('?').next().unwrap_or_default()),
                None => url.fmt(f),
            },
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_path_unless_it_has_a_scheme() {
        assert_eq!(Location::parse("a/b.avro"), Ok(Location::Path("a/b.avro".into())));
        assert_eq!(Location::parse("file:///a/b"), Ok(Location::Path("/a/b".into())));
        let url = Location::parse("s3://bucket/a/b.avro?token=secret").unwrap();
        assert_eq!(url.file_name(), "b.avro");
        assert_eq!(format!("{url} {url:?}"), "s3://bucket/a/b.avro s3://bucket/a/b.avro");
        assert_eq!(url.with_file_name("c").to_string(), "s3://bucket/a/c");
        assert_eq!(url.in_directory("debug").to_string(), "s3://bucket/a/debug/b.avro");
        let path = Location::parse("x/s.avro").unwrap();
        assert_eq!(path.in_directory("debug"), Location::Path("x/debug/s.avro".into()));
        assert!(Location::parse("://").is_err());
    }
}
