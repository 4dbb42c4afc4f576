//! Durable state of jobs in an object store: framed, checked, replaced as a whole.
//!
//! A snapshot is `HNSN`, a format version (u32), the CRC-32C of the payload (u32), its length (u64), all little-endian, and the payload. A
//! reader sees the old one or the new one, never a mixture: local files are written beside and renamed, S3 puts are atomic. What may be made only
//! once is made with `If-None-Match: *` on S3.

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode};

mod below;
mod s3;

use below::Below;
pub use s3::{S3Config, remedy, use_s3};

const MAGIC: &[u8; 4] = b"HNSN";
const VERSION: u32 = 1;
const HEADER: usize = 20;

/// What can go wrong with durable state.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The place cannot be used.
    #[error("`{place}` cannot hold data: {reason}; give a folder, or a URL such as file:///var/lib/hongniang or s3://bucket/prefix")]
    Place {
        /// The path or URL.
        place: String,
        /// Why not.
        reason: String,
    },
    /// The store refused.
    #[error("could not {what} `{name}`: {source}{}", remedy(.source))]
    Store {
        /// What was tried.
        what: &'static str,
        /// The object.
        name: String,
        /// What the store said.
        source: object_store::Error,
    },
    /// The store writes over what is there although it was told not to.
    #[error(
        "the store of `{place}` ignores `If-None-Match`, so two processes could not be told apart; use a store with conditional writes (S3, MinIO, Ceph, R2), or a folder"
    )]
    NoConditions {
        /// The folder.
        place: String,
    },
    /// Somebody else has claimed the place since.
    #[error("another process has taken over the state in `{place}`; this one stops, so that the two do not mix")]
    Superseded {
        /// The folder.
        place: String,
    },
    /// The bytes are not what was written.
    #[error("`{name}` is damaged: {reason}; remove it to start without it")]
    Damaged {
        /// The object.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

/// Opens a folder (made if it is not there) or a URL of an object store.
///
/// # Errors
/// When the folder cannot be made or the URL names a store this build does not know.
pub fn open_store(place: &str) -> Result<Arc<dyn ObjectStore>, SnapshotError> {
    let wrong = |reason: String| SnapshotError::Place { place: place.to_owned(), reason };
    let folder = match place.split_once("://") {
        None => Some(std::path::PathBuf::from(place)),
        Some(("file", path)) => Some(std::path::PathBuf::from(path)),
        Some(_) => None,
    };
    if let Some(folder) = folder {
        std::fs::create_dir_all(&folder).map_err(|e| wrong(e.to_string()))?;
        let store = LocalFileSystem::new_with_prefix(&folder).map_err(|e| wrong(e.to_string()))?;
        return Ok(Arc::new(store));
    }
    if let Some(("s3", rest)) = place.split_once("://") {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(wrong("it names no bucket".to_owned()));
        }
        let store = s3::open(bucket).map_err(wrong)?;
        return Ok(Arc::new(Below::new(store, Path::from(prefix))));
    }
    let url = datafusion::datasource::listing::ListingTableUrl::parse(place).map_err(|e| wrong(e.to_string()))?;
    let (store, prefix) = object_store::parse_url(url.get_url()).map_err(|e| wrong(e.to_string()))?;
    Ok(Arc::new(Below::new(store, prefix)))
}

/// Snapshots by name.
#[derive(Clone)]
pub struct SnapshotStore {
    store: Arc<dyn ObjectStore>,
    under: Path,
}

impl SnapshotStore {
    /// Snapshots in a folder (made if it is not there) or at a URL.
    ///
    /// # Errors
    /// When the place cannot be used.
    pub fn open(place: &str) -> Result<Self, SnapshotError> {
        Ok(Self { store: open_store(place)?, under: Path::default() })
    }

    /// The snapshots below `name`.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        Self { store: Arc::clone(&self.store), under: Path::from_iter(self.under.parts().chain(Path::from(name).parts())) }
    }

    fn path(&self, name: &str) -> Path {
        Path::from_iter(self.under.parts().chain(Path::from(name).parts()))
    }

    /// Writes or replaces a snapshot; durable against a crash of the process when it returns.
    ///
    /// # Errors
    /// When the store refuses, for instance because the disk is full; the old snapshot is still there then.
    pub async fn put(&self, name: &str, payload: &[u8]) -> Result<(), SnapshotError> {
        let path = self.path(name);
        let done = self.store.put(&path, frame(payload).into()).await;
        done.map(drop).map_err(|source| SnapshotError::Store { what: "write", name: path.to_string(), source })
    }

    /// Writes a snapshot where there is none of that name; false, and nothing is written, where there is one.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn create(&self, name: &str, payload: &[u8]) -> Result<bool, SnapshotError> {
        let path = self.path(name);
        match self.store.put_opts(&path, frame(payload).into(), PutMode::Create.into()).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(false),
            Err(source) => Err(SnapshotError::Store { what: "write", name: path.to_string(), source }),
        }
    }

    /// Reads a snapshot; none when there is none.
    ///
    /// # Errors
    /// When the store refuses or the snapshot is damaged.
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>, SnapshotError> {
        let path = self.path(name);
        let refused = |source| SnapshotError::Store { what: "read", name: path.to_string(), source };
        let bytes = match self.store.get(&path).await {
            Ok(found) => found.bytes().await.map_err(refused)?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(refused(error)),
        };
        unframe(&bytes).map(Some).map_err(|reason| SnapshotError::Damaged { name: path.to_string(), reason })
    }

    /// Names of the snapshots here, in order.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn list(&self) -> Result<Vec<String>, SnapshotError> {
        let refused = |source| SnapshotError::Store { what: "list", name: self.under.to_string(), source };
        let found: Vec<object_store::ObjectMeta> = self.store.list(Some(&self.under)).try_collect().await.map_err(refused)?;
        let skip = self.under.parts().count();
        let name =
            |meta: &object_store::ObjectMeta| meta.location.parts().skip(skip).map(|p| p.as_ref().to_owned()).collect::<Vec<_>>().join("/");
        let mut names: Vec<String> = found.iter().map(name).collect();
        names.sort();
        Ok(names)
    }

    /// Removes a snapshot; nothing happens when there is none.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn delete(&self, name: &str) -> Result<(), SnapshotError> {
        let path = self.path(name);
        match self.store.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(SnapshotError::Store { what: "remove", name: path.to_string(), source }),
        }
    }
}

impl std::fmt::Display for SnapshotStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.under)
    }
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(HEADER + payload.len());
    framed.extend_from_slice(MAGIC);
    framed.extend_from_slice(&VERSION.to_le_bytes());
    framed.extend_from_slice(&crc32c::crc32c(payload).to_le_bytes());
    framed.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    framed.extend_from_slice(payload);
    framed
}

fn unframe(bytes: &Bytes) -> Result<Bytes, String> {
    let word = |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
    let length = bytes.get(12..HEADER).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    let (Some(version), Some(crc), Some(length)) = (word(4), word(8), length) else {
        return Err(format!("{} bytes are too few", bytes.len()));
    };
    if &bytes[..4] != MAGIC {
        return Err("it does not begin with HNSN".to_owned());
    }
    if version != VERSION {
        return Err(format!("format {version}, and this version reads format {VERSION}"));
    }
    let payload = bytes.slice(HEADER..);
    if payload.len() as u64 != length {
        return Err(format!("{} of {length} bytes are there", payload.len()));
    }
    if crc32c::crc32c(&payload) != crc {
        return Err("its checksum does not match".to_owned());
    }
    Ok(payload)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[tokio::test]
    async fn what_was_put_comes_back_and_is_replaced_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let all = SnapshotStore::open(dir.path().join("not/there/yet").to_str().unwrap()).unwrap();
        let store = all.below("gate");
        assert!(store.get("ids").await.unwrap().is_none());
        store.put("ids", b"one").await.unwrap();
        store.put("ids", b"two and more").await.unwrap();
        store.put("a/b", b"").await.unwrap();
        assert_eq!(store.get("ids").await.unwrap().unwrap().as_ref(), b"two and more");
        assert_eq!(store.list().await.unwrap(), ["a/b", "ids"]);
        assert_eq!(all.list().await.unwrap(), ["gate/a/b", "gate/ids"]);
        store.delete("ids").await.unwrap();
        store.delete("ids").await.unwrap();
        assert!(store.get("ids").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn damage_is_named_with_its_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let store = SnapshotStore::open(dir.path().to_str().unwrap()).unwrap();
        store.put("x", &[7; 100]).await.unwrap();
        let file = dir.path().join("x");
        let whole = std::fs::read(&file).unwrap();
        for damaged in [&whole[..60], &whole[..3], b"", &[whole.clone(), vec![0]].concat()] {
            std::fs::write(&file, damaged).unwrap();
            let error = store.get("x").await.unwrap_err().to_string();
            assert!(error.contains("`x` is damaged") && error.contains("remove it"), "{error}");
        }
    }

    #[test]
    fn an_unknown_store_is_refused() {
        let error = open_store("ftp://somewhere/else").err().unwrap().to_string();
        assert!(error.contains("ftp://somewhere/else"), "{error}");
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_noticed(payload in proptest::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let mut framed = frame(&payload);
            let whole = Bytes::from(framed.clone());
            let read = unframe(&whole).unwrap();
            prop_assert_eq!(read.as_ref(), payload.as_slice());
            let at = at.index(framed.len());
            framed[at] ^= 1 << bit;
            prop_assert!(unframe(&Bytes::from(framed)).is_err());
        }
    }
}
