//! Snapshot files: a header, then sections with their CRC; the first holds the offsets that led to the state, the others the state. Written
//! beside and renamed, so that a kill leaves the old one or the new one, never half of one.
//!
//! Large states are written section by section, each serialised under a short lock of its own. Such a snapshot is *fuzzy*: its sections are of
//! slightly different times. That is right where (a) the offsets were taken before the first section and (b) applying an event twice or late
//! does no harm, as everywhere in this crate: what happened in between is read again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::de::{DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::IndexError;

const MAGIC: &[u8; 8] = b"HNSNAP02";
/// Length and CRC that end a snapshot: a torn one lacks them.
const END: u64 = u64::MAX;

/// Next offset to read by `topic/partition`.
pub type OffsetMap = BTreeMap<String, i64>;

/// Writes a snapshot section by section.
pub struct Writer {
    path: PathBuf,
    beside: PathBuf,
    file: File,
    buffer: Vec<u8>,
}

impl Writer {
    /// Begins a snapshot that will replace `path`. `format` names the layout of the sections; another format is refused on reading.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(path: &Path, format: u32, offsets: &OffsetMap) -> Result<Self, IndexError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(IndexError::io(folder))?;
        }
        let beside = path.with_extension("tmp");
        let file = File::create(&beside).map_err(IndexError::io(&beside))?;
        let mut writer = Self { path: path.to_path_buf(), beside, file, buffer: Vec::new() };
        writer.put(MAGIC)?;
        writer.put(&format.to_le_bytes())?;
        writer.section(offsets)?;
        Ok(writer)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), IndexError> {
        self.file.write_all(bytes).map_err(IndexError::io(&self.beside))
    }

    /// Adds a section.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn section<T: Serialize>(&mut self, part: &T) -> Result<(), IndexError> {
        self.encode(part)?;
        self.flush()
    }

    /// Serialises a section into memory, to be written by [`Self::flush`]: for callers that hold a lock over `part`.
    ///
    /// # Errors
    /// When it cannot be serialised.
    pub fn encode<T: Serialize>(&mut self, part: &T) -> Result<(), IndexError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        self.buffer = postcard::to_extend(part, buffer).map_err(|e| damaged(&self.path, e))?;
        Ok(())
    }

    /// Writes what [`Self::encode`] serialised.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn flush(&mut self) -> Result<(), IndexError> {
        let buffer = std::mem::take(&mut self.buffer);
        self.put(&(buffer.len() as u64).to_le_bytes())?;
        self.put(&crc32c::crc32c(&buffer).to_le_bytes())?;
        self.put(&buffer)?;
        self.buffer = buffer;
        Ok(())
    }

    /// Ends the snapshot and puts it in place.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(mut self) -> Result<(), IndexError> {
        self.put(&END.to_le_bytes())?;
        self.file.sync_data().map_err(IndexError::io(&self.beside))?;
        std::fs::rename(&self.beside, &self.path).map_err(IndexError::io(&self.path))
    }
}

/// Reads a snapshot section by section.
pub struct Reader {
    path: PathBuf,
    file: BufReader<File>,
    left: u64,
    buffer: Vec<u8>,
}

impl Reader {
    /// Opens a snapshot; `None` when there is no file.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or holds another format.
    pub fn open(path: &Path, format: u32) -> Result<Option<(Self, OffsetMap)>, IndexError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(IndexError::io(path)(e)),
        };
        let left = file.metadata().map_err(IndexError::io(path))?.len();
        let mut reader = Self { path: path.to_path_buf(), file: BufReader::with_capacity(1 << 20, file), left, buffer: Vec::new() };
        if reader.bytes::<8>()? != *MAGIC {
            return Err(damaged(path, "not a snapshot of this version"));
        }
        if u32::from_le_bytes(reader.bytes()?) != format {
            return Err(damaged(path, "written by another version"));
        }
        let offsets = reader.section()?.ok_or_else(|| damaged(path, "it has no sections"))?;
        Ok(Some((reader, offsets)))
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], IndexError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), IndexError> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or_else(|| damaged(&self.path, "it ends too early"))?;
        self.file.read_exact(bytes).map_err(IndexError::io(&self.path))
    }

    /// The next section; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn section<T: DeserializeOwned>(&mut self) -> Result<Option<T>, IndexError> {
        let length = u64::from_le_bytes(self.bytes()?);
        if length == END {
            return Ok(None);
        }
        let crc = u32::from_le_bytes(self.bytes()?);
        if length > self.left {
            return Err(damaged(&self.path, "it ends too early"));
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(usize::try_from(length).map_err(|e| damaged(&self.path, e))?, 0);
        self.fill(&mut buffer)?;
        if crc32c::crc32c(&buffer) != crc {
            return Err(damaged(&self.path, "checksum does not match"));
        }
        let part = postcard::from_bytes(&buffer).map_err(|e| damaged(&self.path, e))?;
        self.buffer = buffer;
        Ok(Some(part))
    }
}

/// Writes `state` and `offsets` to `path`, atomically, as one section. `format` names the layout of `state`; another format is refused on reading.
///
/// # Errors
/// When the file cannot be written.
pub fn write<T: Serialize>(path: &Path, format: u32, state: &T, offsets: &OffsetMap) -> Result<(), IndexError> {
    let mut writer = Writer::create(path, format, offsets)?;
    writer.section(state)?;
    writer.finish()
}

/// Reads what [`write`] wrote; `None` when there is no file.
///
/// # Errors
/// When the file cannot be read, is damaged, or holds another format.
pub fn read<T: DeserializeOwned>(path: &Path, format: u32) -> Result<Option<(T, OffsetMap)>, IndexError> {
    let Some((mut reader, offsets)) = Reader::open(path, format)? else { return Ok(None) };
    let state = reader.section()?.ok_or_else(|| damaged(path, "it has no state"))?;
    match reader.section::<()>()? {
        None => Ok(Some((state, offsets))),
        Some(()) => Err(damaged(path, "it has more sections than expected")),
    }
}

fn damaged(path: &Path, reason: impl ToString) -> IndexError {
    IndexError::Snapshot { path: path.to_path_buf(), reason: reason.to_string() }
}

/// Bytes that are written and read at once, not one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Block(pub(crate) Vec<u8>);

impl Serialize for Block {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Block {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_byte_buf(BlockVisitor)
    }
}

struct BlockVisitor;

impl Visitor<'_> for BlockVisitor {
    type Value = Block;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Block, E> {
        Ok(Block(bytes.to_vec()))
    }

    fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Block, E> {
        Ok(Block(bytes))
    }
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
        let whole = std::fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        bytes[whole.len() - 9] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(read::<Vec<u64>>(&path, 1).unwrap_err().to_string().contains("checksum"));
        for torn in 0..whole.len() {
            std::fs::write(&path, &whole[..torn]).unwrap();
            assert!(read::<Vec<u64>>(&path, 1).is_err(), "cut after {torn} of {} bytes", whole.len());
        }
        std::fs::write(&path, [&whole[..12], &[0xfe; 8], &whole[20..]].concat()).unwrap();
        assert!(read::<Vec<u64>>(&path, 1).unwrap_err().to_string().contains("too early"), "an absurd length is no panic");
    }

    #[test]
    fn sections_come_back_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut writer = Writer::create(&path, 3, &OffsetMap::new()).unwrap();
        for part in 0..5u8 {
            writer.section(&(part, Block(vec![part; usize::from(part) * 100]))).unwrap();
        }
        assert!(!path.exists(), "half a snapshot is not in place");
        writer.finish().unwrap();
        let (mut reader, _) = Reader::open(&path, 3).unwrap().unwrap();
        for part in 0..5u8 {
            assert_eq!(reader.section::<(u8, Block)>().unwrap().unwrap(), (part, Block(vec![part; usize::from(part) * 100])));
        }
        assert!(reader.section::<(u8, Block)>().unwrap().is_none());
    }
}
