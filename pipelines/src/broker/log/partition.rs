//! The log of one partition: its segments, its producers, its open and aborted transactions.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use kafka_protocol::ResponseError;

use super::batch::{self, BatchError, Header};
use super::compact::Cleaned;
use super::producers::{Producers, Verdict};
use super::records;
use super::segment::Segment;

/// An aborted transaction as readers of committed records need it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Aborted {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
    pub(crate) last_offset: i64,
}

/// What is found for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeHit {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
}

/// One partition on disk.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(super) folder: PathBuf,
    pub(super) segments: Vec<Segment>,
    pub(super) start_offset: i64,
    pub(super) next_offset: i64,
    pub(super) cleaned: Cleaned,
    producers: Producers,
    open: HashMap<i64, i64>,
    pub(super) aborted: Vec<Aborted>,
    pub(super) segment_bytes: u64,
    deleted: bool,
}

/// Where a partition remembers its compactions.
const CLEANED: &str = "cleaned";

fn storage(error: &io::Error) -> ResponseError {
    tracing::error!(%error, "the log cannot be written or read");
    ResponseError::KafkaStorageError
}

impl Partition {
    /// Opens the log in `folder`, or makes it.
    pub(crate) fn open(folder: &Path, segment_bytes: u64) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut bases: Vec<(i64, PathBuf)> = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            match path.extension().and_then(|e| e.to_str()) {
                Some("log") => bases.extend(path.file_stem().and_then(|s| s.to_str()?.parse().ok()).map(|base| (base, path.clone()))),
                Some("tmp" | "scrub") => std::fs::remove_file(&path)?,
                _ => {}
            }
        }
        bases.sort_unstable();
        let last = bases.len().saturating_sub(1);
        let opened = bases.into_iter().enumerate().map(|(i, (base, path))| Segment::open(path, base, i == last));
        let mut partition = Self {
            folder: folder.to_path_buf(),
            segments: opened.collect::<io::Result<_>>()?,
            start_offset: 0,
            next_offset: 0,
            cleaned: Cleaned::default(),
            producers: Producers::default(),
            open: HashMap::new(),
            aborted: Vec::new(),
            segment_bytes,
            deleted: false,
        };
        partition.drop_contained()?;
        if partition.segments.is_empty() {
            partition.segments.push(Segment::create(folder, 0)?);
        }
        partition.restore()?;
        Ok(partition)
    }

    /// Removes segments whose records are in the one before: a kill came while that one took their place.
    fn drop_contained(&mut self) -> io::Result<()> {
        let mut at = 1;
        while at < self.segments.len() {
            if self.segments[at - 1].last_offset() >= self.segments[at].base_offset {
                std::fs::remove_file(&self.segments[at].file.path)?;
                self.segments.remove(at);
            } else {
                at += 1;
            }
        }
        Ok(())
    }

    fn restore(&mut self) -> io::Result<()> {
        let cleaned = std::fs::read(self.folder.join(CLEANED)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        self.cleaned = cleaned.unwrap_or_default();
        let start = std::fs::read_to_string(self.folder.join("start")).ok().and_then(|s| s.trim().parse().ok());
        self.start_offset = start.unwrap_or(0).max(self.segments[0].base_offset);
        for i in 0..self.segments.len() {
            for j in 0..self.segments[i].batches.len() {
                let placed = self.segments[i].batches[j];
                let commit = if placed.header.is_control() { Some(batch::commits(&self.segments[i].batch(&placed)?)) } else { None };
                self.note(&placed.header, commit);
            }
        }
        let last = self.segments.last().map_or(0, |s| s.base_offset.max(s.last_offset() + 1));
        self.next_offset = self.next_offset.max(last);
        Ok(())
    }

    fn note(&mut self, header: &Header, commit: Option<bool>) {
        self.producers.note(header);
        if header.is_transactional() && !header.is_control() {
            self.open.entry(header.producer_id).or_insert(header.base_offset);
        }
        if let Some(commit) = commit
            && let Some(first_offset) = self.open.remove(&header.producer_id)
            && !commit
        {
            self.aborted.push(Aborted { producer_id: header.producer_id, first_offset, last_offset: header.last_offset });
        }
        self.next_offset = header.last_offset + 1;
    }

    /// Appends the batches of a produce request; the offset of the first record.
    pub(crate) fn append(&mut self, records: &[u8]) -> Result<i64, ResponseError> {
        let (mut at, mut first) = (0, None);
        while at < records.len() {
            let header = Header::parse(&records[at..]).map_err(|e| match e {
                BatchError::Corrupt => ResponseError::CorruptMessage,
                BatchError::Magic => ResponseError::UnsupportedForMessageFormat,
            })?;
            let bytes = records.get(at..at + header.len).ok_or(ResponseError::CorruptMessage)?;
            if !batch::crc_fits(bytes) {
                return Err(ResponseError::CorruptMessage);
            }
            let offset = match self.producers.judge(&header)? {
                Verdict::Repeat(offset) => offset,
                Verdict::Fresh => self.write(header, bytes.to_vec(), None).map_err(|e| storage(&e))?,
            };
            first.get_or_insert(offset);
            at += header.len;
        }
        first.ok_or(ResponseError::CorruptMessage)
    }

    fn write(&mut self, mut header: Header, mut bytes: Vec<u8>, commit: Option<bool>) -> io::Result<i64> {
        let span = header.last_offset - header.base_offset;
        header.base_offset = self.next_offset;
        header.last_offset = self.next_offset + span;
        batch::place(&mut bytes, header.base_offset);
        if self.active().size >= self.segment_bytes {
            self.roll()?;
        }
        self.active().append(header, &bytes)?;
        self.note(&header, commit);
        Ok(header.base_offset)
    }

    fn active(&mut self) -> &mut Segment {
        self.segments.last_mut().expect("a partition has a segment")
    }

    /// Remembers, beside the segments, up to where they are compacted.
    pub(super) fn remember_cleaned(&mut self, cleaned: Cleaned) -> io::Result<()> {
        let beside = self.folder.join("cleaned.tmp");
        std::fs::write(&beside, serde_json::to_vec(&cleaned)?)?;
        std::fs::rename(&beside, self.folder.join(CLEANED))?;
        self.cleaned = cleaned;
        Ok(())
    }

    /// Says at which size segments are closed from now on.
    pub(crate) fn set_segment_bytes(&mut self, bytes: u64) {
        self.segment_bytes = bytes;
    }

    /// Says that the topic is gone, so that nothing is put into its folder any more.
    pub(crate) fn delete(&mut self) {
        self.deleted = true;
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// Closes the active segment and begins a new one.
    pub(crate) fn roll(&mut self) -> io::Result<()> {
        if !self.active().batches.is_empty() {
            let segment = Segment::create(&self.folder, self.next_offset)?;
            self.segments.push(segment);
        }
        Ok(())
    }

    /// Ends a producer's transaction here, if one is open.
    pub(crate) fn end_transaction(&mut self, producer_id: i64, epoch: i16, commit: bool) -> io::Result<()> {
        if !self.open.contains_key(&producer_id) {
            return Ok(());
        }
        let bytes = batch::marker(producer_id, epoch, commit, crate::broker::now_ms());
        let header = Header::parse(&bytes).expect("a marker is a batch");
        self.write(header, bytes, Some(commit)).map(|_| ())
    }

    /// Whether the producer has a transaction open here.
    pub(crate) fn has_open(&self, producer_id: i64) -> bool {
        self.open.contains_key(&producer_id)
    }

    /// First offset that is not yet decided: readers of committed records stop here.
    pub(crate) fn last_stable_offset(&self) -> i64 {
        self.open.values().min().copied().unwrap_or(self.next_offset)
    }

    /// First offset that can be read.
    pub(crate) fn start_offset(&self) -> i64 {
        self.start_offset
    }

    /// The offset the next record takes.
    pub(crate) fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// Whole batches from `offset`, ending before `upto`; at least one if there is one. Where compaction has left nothing up to there, one
    /// without records says so: a client that gets nothing at all would wait at `offset` for ever and never see that it is at the end.
    pub(crate) fn read(&self, offset: i64, upto: i64, max_bytes: usize) -> Result<Bytes, ResponseError> {
        let first = self.segments.partition_point(|s| s.last_offset() < offset);
        for segment in &self.segments[first..] {
            let bytes = segment.read(offset, upto, max_bytes).map_err(|e| storage(&e))?;
            if !bytes.is_empty() {
                return Ok(bytes.into());
            }
        }
        let end = upto.min(self.next_offset);
        Ok(if offset < end { batch::nothing(offset, end - 1).into() } else { Bytes::new() })
    }

    /// Aborted transactions that reach into what is read from `offset`.
    pub(crate) fn aborted_from(&self, offset: i64) -> impl Iterator<Item = &Aborted> {
        self.aborted.iter().filter(move |a| a.last_offset >= offset)
    }

    /// The first record at or after a time.
    pub(crate) fn at_time(&self, timestamp: i64) -> Option<TimeHit> {
        let batches = self.segments.iter().flat_map(|s| s.batches.iter().map(move |b| (s, b)));
        let mut later = batches
            .filter(|(_, b)| b.header.max_timestamp >= timestamp && !b.header.is_control() && b.header.last_offset >= self.start_offset);
        let (segment, placed) = later.next()?;
        let base = TimeHit { offset: placed.header.base_offset, timestamp: placed.header.base_timestamp };
        let section = segment.batch(placed).ok().and_then(|bytes| records::section(&placed.header, &bytes));
        let found = section.and_then(|s| records::parse(&s, placed.header.records)).and_then(|all| {
            all.into_iter()
                .find(|r| base.timestamp + r.timestamp_delta >= timestamp)
                .map(|r| TimeHit { offset: base.offset + r.offset_delta, timestamp: base.timestamp + r.timestamp_delta })
        });
        Some(found.unwrap_or(base))
    }

    /// Everything before `offset` is gone from now on; whole segments are removed.
    pub(crate) fn delete_before(&mut self, offset: i64) -> io::Result<()> {
        let offset = offset.clamp(self.start_offset, self.next_offset);
        let beside = self.folder.join("start.tmp");
        std::fs::write(&beside, offset.to_string())?;
        std::fs::rename(&beside, self.folder.join("start"))?;
        self.start_offset = offset;
        if offset == self.next_offset {
            self.roll()?;
        }
        while self.segments.len() > 1 && self.segments[0].last_offset() < offset {
            std::fs::remove_file(&self.segments[0].file.path)?;
            self.segments.remove(0);
        }
        self.aborted.retain(|a| a.last_offset >= offset);
        Ok(())
    }

    /// Removes closed segments that are older or more than is kept; -1 keeps everything.
    pub(crate) fn apply_retention(&mut self, now_ms: i64, retention_ms: i64, retention_bytes: i64) -> io::Result<()> {
        let old = |s: &Segment| retention_ms >= 0 && s.max_timestamp() < now_ms - retention_ms;
        if old(self.active()) && !self.active().batches.is_empty() && self.open.is_empty() {
            self.roll()?;
        }
        let mut total: u64 = self.segments.iter().map(|s| s.size).sum();
        let mut keep_from = 0;
        for segment in &self.segments[..self.segments.len() - 1] {
            // So much is kept at least: a segment goes when enough is left without it.
            let much = u64::try_from(retention_bytes).is_ok_and(|limit| total.saturating_sub(segment.size) >= limit);
            if !(old(segment) || much) || segment.last_offset() >= self.last_stable_offset() {
                break;
            }
            total -= segment.size;
            keep_from = segment.last_offset() + 1;
        }
        if keep_from > self.start_offset { self.delete_before(keep_from) } else { Ok(()) }
    }

    /// Files written since the last call, to be forced to the disk.
    pub(crate) fn take_dirty(&mut self) -> Vec<io::Result<File>> {
        self.segments.iter_mut().filter_map(Segment::take_dirty).collect()
    }
}
