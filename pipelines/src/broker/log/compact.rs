//! Compaction: of each key only the newest record is kept, in closed segments, below everything undecided.
//!
//! Offsets do not change: a batch keeps its base offset, its kept records keep their bytes, and only the count, the CRC and the flags are
//! written anew (uncompressed, not transactional, because aborted records are gone). Batches that cannot be read here (gzip, snappy, lz4) stay
//! as they are. A segment is written beside and renamed, so a kill leaves the old or the new one.

use std::collections::HashMap;
use std::io;

use super::batch::{self, Header};
use super::partition::Partition;
use super::records::{self, RecordView};
use super::segment::{Placed, Segment};

struct Opened {
    header: Header,
    section: Vec<u8>,
    records: Vec<RecordView>,
}

/// Records appended since the last compaction that make another one worth its cost.
const WORTH: i64 = 10_000;

impl Partition {
    /// Compacts when enough was appended since the last time. The active segment is closed first, so that it takes part.
    pub(crate) fn compact_if_worth(&mut self, now_ms: i64, delete_retention_ms: i64) -> io::Result<()> {
        if self.next_offset - self.compacted_to < WORTH {
            return Ok(());
        }
        self.roll()?;
        self.compact(now_ms, delete_retention_ms)?;
        self.compacted_to = self.next_offset;
        Ok(())
    }

    /// Compacts closed segments. Tombstones older than `delete_retention_ms` are dropped as well. Returns how many records went.
    pub(crate) fn compact(&mut self, now_ms: i64, delete_retention_ms: i64) -> io::Result<usize> {
        let stable = self.last_stable_offset();
        let newest = self.newest_offsets(stable)?;
        let mut dropped = 0;
        for i in 0..self.segments.len() - 1 {
            if self.segments[i].last_offset() >= stable {
                break;
            }
            dropped += self.compact_segment(i, &newest, now_ms - delete_retention_ms)?;
        }
        Ok(dropped)
    }

    fn is_aborted(&self, header: &Header) -> bool {
        let inside = |a: &super::partition::Aborted| {
            a.producer_id == header.producer_id && (a.first_offset..=a.last_offset).contains(&header.base_offset)
        };
        header.is_transactional() && self.aborted.iter().any(inside)
    }

    /// Newest committed offset of every key, the active segment included.
    fn newest_offsets(&self, stable: i64) -> io::Result<HashMap<Vec<u8>, i64>> {
        let mut newest = HashMap::new();
        for segment in &self.segments {
            for placed in
                segment.batches.iter().filter(|b| b.header.last_offset < stable && !b.header.is_control() && !self.is_aborted(&b.header))
            {
                let Some(opened) = open(segment, placed)? else { continue };
                for record in &opened.records {
                    if let Some(key) = &record.key {
                        newest.insert(opened.section[key.clone()].to_vec(), opened.header.base_offset + record.offset_delta);
                    }
                }
            }
        }
        Ok(newest)
    }

    fn compact_segment(&mut self, at: usize, newest: &HashMap<Vec<u8>, i64>, tombstones_before: i64) -> io::Result<usize> {
        let segment = &self.segments[at];
        let (mut kept, mut dropped) = (Vec::new(), 0);
        for placed in &segment.batches {
            let header = &placed.header;
            if header.is_control() {
                kept.push(segment.batch(placed)?); // what it ended may be in a batch that stays as it is
                continue;
            }
            if self.is_aborted(header) {
                dropped += usize::try_from(header.records).unwrap_or(0);
                continue;
            }
            let Some(opened) = open(segment, placed)? else {
                kept.push(segment.batch(placed)?);
                continue;
            };
            let stays = |r: &&RecordView| {
                let old_tombstone = r.tombstone && header.base_timestamp + r.timestamp_delta < tombstones_before;
                let newest =
                    r.key.as_ref().is_none_or(|k| newest.get(&opened.section[k.clone()]) == Some(&(header.base_offset + r.offset_delta)));
                newest && !old_tombstone
            };
            let keep: Vec<&RecordView> = opened.records.iter().filter(stays).collect();
            dropped += opened.records.len() - keep.len();
            if keep.len() == opened.records.len() {
                kept.push(segment.batch(placed)?);
            } else if !keep.is_empty() {
                kept.push(rebuild(&opened, &keep));
            }
        }
        if dropped > 0 {
            self.replace_segment(at, &kept)?;
        }
        Ok(dropped)
    }

    fn replace_segment(&mut self, at: usize, batches: &[Vec<u8>]) -> io::Result<()> {
        let (base, path) = (self.segments[at].base_offset, self.segments[at].path.clone());
        let beside = path.with_extension("tmp");
        std::fs::write(&beside, batches.concat())?;
        std::fs::File::open(&beside)?.sync_data()?;
        std::fs::rename(&beside, &path)?;
        self.segments[at] = Segment::open(path, base, false)?;
        Ok(())
    }
}

fn open(segment: &Segment, placed: &Placed) -> io::Result<Option<Opened>> {
    let bytes = segment.batch(placed)?;
    let Some(section) = records::section(&placed.header, &bytes) else { return Ok(None) };
    let records = records::parse(&section, placed.header.records);
    Ok(records.map(|records| Opened { header: placed.header, section, records }))
}

fn rebuild(opened: &Opened, keep: &[&RecordView]) -> Vec<u8> {
    let header = &opened.header;
    let mut body = Vec::with_capacity(opened.section.len() + 40);
    body.extend_from_slice(&0i16.to_be_bytes());
    body.extend_from_slice(&i32::try_from(header.last_offset - header.base_offset).expect("a batch spans less than 2^31").to_be_bytes());
    body.extend_from_slice(&header.base_timestamp.to_be_bytes());
    body.extend_from_slice(&header.max_timestamp.to_be_bytes());
    body.extend_from_slice(&(-1i64).to_be_bytes()); // producer
    body.extend_from_slice(&(-1i16).to_be_bytes()); // epoch
    body.extend_from_slice(&(-1i32).to_be_bytes()); // sequence
    body.extend_from_slice(&i32::try_from(keep.len()).expect("fewer than before").to_be_bytes());
    for record in keep {
        body.extend_from_slice(&opened.section[record.whole.clone()]);
    }
    batch::seal(header.base_offset, &body)
}
