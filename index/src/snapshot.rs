//! Snapshot files: a header, a CRC and the state with the offsets that led to it. Written beside and renamed, so that a
//! kill leaves the old one or the new one, never half of one.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::IndexError;

const MAGIC: &[u8; 8] = b"HNSNAP01";

/// Next offset to read by `topic/partition`.
pub type OffsetMap = BTreeMap<String, i64>;

/// Writes `state` and `offsets` to `path`, atomically. `format` names the layout of `state`; another format is refused on reading.
///
/// # Errors
/// When the file cannot be written.
pub fn write<T: Serialize>(path: &Path, format: u32, state: &T, offsets: &OffsetMap) -> Result<(), IndexError> {
    let body = postcard::to_stdvec(&(offsets, state)).map_err(|e| damaged(path, e))?;
    let mut bytes = Vec::with_capacity(body.len() + 16);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&format.to_le_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(&body).to_le_bytes());
    bytes.extend_from_slice(&body);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(IndexError::io(folder))?;
    }
    let beside = path.with_extension("tmp");
    let mut file = std::fs::File::create(&beside).map_err(IndexError::io(&beside))?;
    file.write_all(&bytes).and_then(|()| file.sync_data()).map_err(IndexError::io(&beside))?;
    std::fs::rename(&beside, path).map_err(IndexError::io(path))
}

/// Reads what [`write`] wrote; `None` when there is no file.
///
/// # Errors
/// When the file cannot be read, is damaged, or holds another format.
pub fn read<T: DeserializeOwned>(path: &Path, format: u32) -> Result<Option<(T, OffsetMap)>, IndexError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(IndexError::io(path)(e)),
    };
    let word = |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
    if bytes.get(..8) != Some(MAGIC.as_slice()) {
        return Err(damaged(path, "not a snapshot"));
    }
    if word(8) != Some(format) {
        return Err(damaged(path, "written by another version"));
    }
    let body = bytes.get(16..).unwrap_or_default();
    if word(12) != Some(crc32c::crc32c(body)) {
        return Err(damaged(path, "checksum does not match"));
    }
    let (offsets, state) = postcard::from_bytes(body).map_err(|e| damaged(path, e))?;
    Ok(Some((state, offsets)))
}

fn damaged(path: &Path, reason: impl ToString) -> IndexError {
    IndexError::Snapshot { path: path.to_path_buf(), reason: reason.to_string() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_and_damage_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/state");
        assert!(read::<Vec<u64>>(&path, 1).unwrap().is_none());
        let offsets = OffsetMap::from([("t/0".to_owned(), 7)]);
        write(&path, 1, &vec![1u64, 2, 3], &offsets).unwrap();
        assert_eq!(read::<Vec<u64>>(&path, 1).unwrap().unwrap(), (vec![1, 2, 3], offsets));
        assert!(read::<Vec<u64>>(&path, 2).unwrap_err().to_string().contains("another version"));
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(read::<Vec<u64>>(&path, 1).unwrap_err().to_string().contains("checksum"));
        std::fs::write(&path, &bytes[..5]).unwrap();
        assert!(read::<Vec<u64>>(&path, 1).is_err());
    }
}
