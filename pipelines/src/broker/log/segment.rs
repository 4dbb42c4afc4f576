//! A segment: one file of consecutive batches, named by the first offset it may hold.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::batch::{HEADER, Header, crc_fits};

/// A batch and where it lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub(super) header: Header,
    pub(super) position: u64,
}

/// The file behind a segment; whoever holds it reads what was there, whatever becomes of the segment.
#[derive(Debug)]
pub(super) struct SegmentFile {
    pub(super) path: PathBuf,
    file: File,
}

impl SegmentFile {
    fn read_exact(&self, position: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, position)?;
        Ok(bytes)
    }

    /// One batch.
    pub(super) fn batch(&self, placed: &Placed) -> io::Result<Vec<u8>> {
        self.read_exact(placed.position, placed.header.len)
    }
}

/// One file of the log.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) base_offset: i64,
    pub(super) file: Arc<SegmentFile>,
    pub(super) size: u64,
    pub(super) batches: Vec<Placed>,
    dirty: bool,
}

pub(super) fn file_name(base_offset: i64) -> String {
    format!("{base_offset:020}.log")
}

impl Segment {
    /// Makes a new segment; a leftover of the same name is replaced.
    pub(super) fn create(folder: &Path, base_offset: i64) -> io::Result<Self> {
        let path = folder.join(file_name(base_offset));
        let file = OpenOptions::new().create(true).read(true).write(true).truncate(true).open(&path)?;
        Ok(Self { base_offset, file: Arc::new(SegmentFile { path, file }), size: 0, batches: Vec::new(), dirty: false })
    }

    /// Opens a segment and reads its batch headers. With `check`, every batch is held against its CRC; what follows the last good
    /// batch is cut off.
    pub(super) fn open(path: PathBuf, base_offset: i64, check: bool) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let end = file.metadata()?.len();
        let file = Arc::new(SegmentFile { path, file });
        let mut segment = Self { base_offset, file, size: 0, batches: Vec::new(), dirty: false };
        while let Some(header) = segment.header_at(segment.size, end)? {
            if check && !crc_fits(&segment.file.read_exact(segment.size, header.len)?) {
                break;
            }
            segment.batches.push(Placed { header, position: segment.size });
            segment.size += header.len as u64;
        }
        if segment.size < end {
            tracing::warn!(path = %segment.file.path.display(), from = segment.size, to = end, "cut a torn tail");
            segment.file.file.set_len(segment.size)?;
        }
        Ok(segment)
    }

    fn header_at(&self, position: u64, end: u64) -> io::Result<Option<Header>> {
        if position + HEADER as u64 > end {
            return Ok(None);
        }
        let header = Header::parse(&self.file.read_exact(position, HEADER)?).ok();
        let follows = |h: &Header| self.batches.last().is_none_or(|last| h.base_offset > last.header.last_offset);
        Ok(header.filter(|h| position + h.len as u64 <= end && follows(h)))
    }

    /// Appends a batch whose offsets are set.
    pub(super) fn append(&mut self, header: Header, batch: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.file.write_all_at(batch, self.size) {
            // Part of a batch, as a full disk leaves it, must not lie behind a shorter one that comes next.
            self.file.file.set_len(self.size)?;
            return Err(error);
        }
        self.batches.push(Placed { header, position: self.size });
        self.size += batch.len() as u64;
        self.dirty = true;
        Ok(())
    }

    /// One batch.
    pub(super) fn batch(&self, placed: &Placed) -> io::Result<Vec<u8>> {
        self.file.batch(placed)
    }

    /// Whole batches from the one that holds `offset`, ending before `upto`: at least one, then as many as fit `max_bytes`.
    pub(super) fn read(&self, offset: i64, upto: i64, max_bytes: usize) -> io::Result<Vec<u8>> {
        let first = self.batches.partition_point(|b| b.header.last_offset < offset);
        let mut len = 0;
        for placed in &self.batches[first..] {
            let fits = len == 0 || len + placed.header.len <= max_bytes;
            if placed.header.base_offset >= upto || !fits {
                break;
            }
            len += placed.header.len;
        }
        if len == 0 { Ok(Vec::new()) } else { self.file.read_exact(self.batches[first].position, len) }
    }

    /// Offset of the last record; before the base when there is none.
    pub(super) fn last_offset(&self) -> i64 {
        self.batches.last().map_or(self.base_offset - 1, |b| b.header.last_offset)
    }

    /// Newest record's time in milliseconds.
    pub(super) fn max_timestamp(&self) -> i64 {
        self.batches.iter().map(|b| b.header.max_timestamp).max().unwrap_or(i64::MIN)
    }

    /// A handle to force to the disk, if something was written since the last call.
    pub(super) fn take_dirty(&mut self) -> Option<io::Result<File>> {
        std::mem::take(&mut self.dirty).then(|| self.file.file.try_clone())
    }
}
