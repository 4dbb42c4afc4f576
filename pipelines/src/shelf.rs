//! A shelf for finished files: a folder or an object store. A file is there whole, or it is not there.

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt};

use crate::snapshots::{SnapshotError, open_store};

/// Bytes of a large file that are on the way together; stores want parts of 5 MiB and more.
const PART: usize = 8 << 20;

/// Finished files by name.
#[derive(Clone)]
pub struct Shelf {
    store: Arc<dyn ObjectStore>,
}

impl Shelf {
    /// The files in a folder (made if it is not there) or at a URL.
    ///
    /// # Errors
    /// When the place cannot be used.
    pub fn open(place: &str) -> Result<Self, SnapshotError> {
        Ok(Self { store: open_store(place)? })
    }

    /// A file's bytes; none when there is none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>, SnapshotError> {
        match self.store.get(&Path::from(name)).await {
            Ok(found) => found.bytes().await.map(Some).map_err(refused("read", name)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(refused("read", name)(error)),
        }
    }

    /// Puts a small file there, in place of one of the same name.
    ///
    /// # Errors
    /// When the store refuses; what was there before is there still.
    pub async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), SnapshotError> {
        self.store.put(&Path::from(name), bytes.into()).await.map(drop).map_err(refused("write", name))
    }

    /// Puts what a reader gives there, part by part, in place of a file of the same name. Nobody sees it before its end.
    ///
    /// # Errors
    /// When the reader fails or the store refuses; what was there before is there still.
    pub async fn put_all(&self, name: &str, from: &mut (impl Read + Send)) -> Result<(), SnapshotError> {
        let mut upload = self.store.put_multipart(&Path::from(name)).await.map_err(refused("write", name))?;
        match parts(upload.as_mut(), from).await {
            Ok(()) => Ok(()),
            Err(error) => {
                // The error that counts is the first.
                let _ = upload.abort().await;
                Err(refused("write", name)(error))
            }
        }
    }

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn remove(&self, name: &str) -> Result<(), SnapshotError> {
        match self.store.delete(&Path::from(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(refused("remove", name)(error)),
        }
    }

    /// Names of all files below a folder, sorted.
    ///
    /// # Errors
    /// When the store cannot be listed.
    pub async fn names(&self, folder: &str) -> Result<Vec<String>, SnapshotError> {
        let found: Vec<object_store::ObjectMeta> =
            self.store.list(Some(&Path::from(folder))).try_collect().await.map_err(refused("list", folder))?;
        let mut names: Vec<String> = found.into_iter().map(|meta| meta.location.to_string()).collect();
        names.sort();
        Ok(names)
    }
}

async fn parts(upload: &mut dyn MultipartUpload, from: &mut (impl Read + Send)) -> Result<(), object_store::Error> {
    let failed = |source: std::io::Error| object_store::Error::Generic { store: "shelf", source: Box::new(source) };
    loop {
        let mut part = Vec::with_capacity(PART);
        from.by_ref().take(PART as u64).read_to_end(&mut part).map_err(failed)?;
        let last = part.len() < PART;
        upload.put_part(part.into()).await?;
        if last {
            return upload.complete().await.map(drop);
        }
    }
}

fn refused(what: &'static str, name: &str) -> impl FnOnce(object_store::Error) -> SnapshotError {
    let name = name.to_owned();
    move |source| SnapshotError::Store { what, name, source }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Fails after some bytes.
    struct Breaks(usize);

    impl Read for Breaks {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            if self.0 == 0 {
                return Err(std::io::Error::other("the disk is gone"));
            }
            let some = into.len().min(self.0);
            self.0 -= some;
            Ok(some)
        }
    }

    #[tokio::test]
    async fn a_file_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(dir.path().to_str().unwrap()).unwrap();
        let long: Vec<u8> = (0..PART + 77).map(|n| n.to_le_bytes()[0]).collect();
        shelf.put_all("dt=1/a", &mut long.as_slice()).await.unwrap();
        assert_eq!(shelf.get("dt=1/a").await.unwrap().unwrap(), long);
        let told = shelf.put_all("dt=1/a", &mut Breaks(PART + 5)).await.unwrap_err();
        assert!(told.to_string().contains("dt=1/a"), "{told}");
        assert!(shelf.put_all("dt=1/b", &mut Breaks(9)).await.is_err());
        assert_eq!(shelf.get("dt=1/a").await.unwrap().unwrap(), long, "what was there before is there still");
        assert_eq!(shelf.names("dt=1").await.unwrap(), ["dt=1/a"]);
        shelf.put_all("dt=1/b", &mut [].as_slice()).await.unwrap();
        shelf.put("c", vec![1]).await.unwrap();
        shelf.remove("dt=1/a").await.unwrap();
        shelf.remove("dt=1/a").await.unwrap();
        assert_eq!(shelf.names("").await.unwrap(), ["c", "dt=1/b"]);
        assert_eq!((shelf.get("dt=1/a").await.unwrap(), shelf.get("dt=1/b").await.unwrap().unwrap().len()), (None, 0));
    }
}
