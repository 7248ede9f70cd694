//! Objects of stores.

use std::{
    fs::File,
    io::{Seek, Write},
    sync::Arc,
};

use futures_util::{StreamExt, TryStreamExt};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, path::Path as ObjectPath};
use url::Url;

use super::{Blob, Location, Storage, StorageErrorKind, local::is_note};

impl Storage {
    pub(super) fn list_url(&self, url: &Url) -> Result<Vec<Blob>, StorageErrorKind> {
        let (store, path) = self.store(url)?;
        // Stores list by whole path segments: the last one is compared here.
        let is_directory = url.path().ends_with('/') || path.as_ref().is_empty();
        let prefix =
            path.as_ref().to_owned() + if is_directory && !path.as_ref().is_empty() { "/" } else { "" };
        let parent = prefix.rsplit_once('/').map(|(parent, _)| ObjectPath::from(parent));
        let listed = store
            .list(parent.as_ref())
            .try_filter(|object| {
                let is_listed =
                    object.location.as_ref().starts_with(&prefix) && !is_note(object.location.filename());
                std::future::ready(is_listed)
            })
            .take(Self::MAX_FILES + 1)
            .try_collect::<Vec<_>>();
        let mut objects = self.runtime()?.block_on(listed)?;
        if !self.names_are_prefixes {
            keep_the_named(&mut objects, &path, &prefix);
        }
        if objects.len() > Self::MAX_FILES {
            return Err(StorageErrorKind::TooMany);
        }
        let blob = |object: ObjectMeta| Blob {
            location: Location::Url(with_path(url, &path, &object.location)),
            len: object.size,
        };
        Ok(objects.into_iter().map(blob).collect())
    }

    pub(super) fn download(&self, url: &Url) -> Result<File, StorageErrorKind> {
        let (store, path) = self.store(url)?;
        let mut file = tempfile::tempfile()?;
        self.runtime()?.block_on(async {
            let mut chunks = store.get(&path).await?.into_stream();
            let mut len = 0;
            while let Some(chunk) = chunks.next().await {
                let chunk = chunk?;
                len += chunk.len() as u64;
                if len > Self::MAX_FILE_BYTES {
                    return Err(StorageErrorKind::TooLong);
                }
                file.write_all(&chunk)?;
            }
            Ok(())
        })?;
        file.rewind()?;
        Ok(file)
    }

    pub(super) fn put_object(&self, url: &Url, bytes: &[u8]) -> Result<(), StorageErrorKind> {
        let (store, path) = self.store(url)?;
        let put = store.put(&path, bytes.to_vec().into());
        self.runtime()?.block_on(put)?;
        Ok(())
    }

    /// The store of a URL, with the credentials and options of the environment: `AWS_…`, `GOOGLE_…`,
    /// `AZURE_…`.
    fn store(&self, url: &Url) -> Result<(Arc<dyn ObjectStore>, ObjectPath), StorageErrorKind> {
        if url.scheme() == "memory" {
            let path = ObjectPath::from_url_path(url.path()).map_err(object_store::Error::from)?;
            return Ok((self.memory.clone(), path));
        }
        let is_option =
            |name: &str| ["aws_", "google_", "azure_"].iter().any(|start| name.starts_with(start));
        let options = std::env::vars().map(|(name, value)| (name.to_ascii_lowercase(), value));
        let options = options.filter(|(name, _)| is_option(name));
        let (store, path) = object_store::parse_url_opts(url, options)?;
        Ok((store.into(), path))
    }
}

/// The object of that very name alone, or, if it is one of a directory, those in it alone.
fn keep_the_named(objects: &mut Vec<ObjectMeta>, path: &ObjectPath, prefix: &str) {
    let within = |object: &ObjectMeta| object.location.as_ref().starts_with(&format!("{prefix}/"));
    if objects.iter().any(|object| object.location == *path) {
        objects.retain(|object| object.location == *path);
    } else if objects.iter().any(within) {
        objects.retain(within);
    }
}

/// A URL with another object in the place of the one of `path`. What is before it may name the store.
fn with_path(url: &Url, path: &ObjectPath, object: &ObjectPath) -> Url {
    let mut url = url.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty();
        for _ in path.parts() {
            segments.pop();
        }
        segments.extend(object.parts());
    }
    url
}
