//! Compaction: of each key only the newest record is kept, in closed segments, below everything undecided.
//!
//! Three steps, so that nobody waits for the disk: a *plan* is made under the partition's lock (the active segment is closed first, so
//! that it takes part), the *work* is done without it on segments that do not change any more, and the result is *installed* under the lock.
//!
//! Offsets do not change: a batch keeps its base offset and its kept records keep their bytes. A committed transaction's batches lose
//! their mark, so the markers behind them go, too; aborted records go. What cannot be read stays as it is. Small neighbours become one
//! segment. A segment is written beside and renamed over the first that it replaces; a kill leaves the old ones, the new one, or the new one and
//! old ones that it contains, which opening removes.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::batch::{self, Header};
use super::codec;
use super::partition::{Aborted, Partition};
use super::records::{self, RecordView};
use super::segment::{Placed, Segment, SegmentFile};

/// When a partition is compacted, and what is dropped then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    /// Share of what is not compacted yet that makes compaction worth its cost.
    pub(crate) dirty_ratio: f64,
    /// For so long at most, in milliseconds, an older record stays beside a newer one of its key.
    pub(crate) max_lag_ms: i64,
    /// For so long, in milliseconds, a tombstone is kept.
    pub(crate) delete_retention_ms: i64,
}

/// What a partition remembers of its compactions, beside its segments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Cleaned {
    /// Everything before this offset has been compacted.
    pub(super) upto: i64,
    /// The oldest tombstone that was kept, in milliseconds since 1970.
    pub(super) tombstone_ms: Option<i64>,
}

/// Segments to compact, as they were.
pub(crate) struct Plan {
    sources: Vec<Source>,
    aborted: Vec<Aborted>,
    upto: i64,
    segment_bytes: u64,
    tombstones_before: i64,
}

struct Source {
    base_offset: i64,
    file: Arc<SegmentFile>,
    batches: Vec<Placed>,
}

/// What was compacted, to be installed.
pub(crate) struct Compacted {
    groups: Vec<Group>,
    cleaned: Cleaned,
    dropped: usize,
}

/// Segments that become one, written at `beside`.
pub(super) struct Group {
    sources: Vec<Arc<SegmentFile>>,
    base_offset: i64,
    beside: PathBuf,
}

pub(super) struct Opened {
    pub(super) header: Header,
    pub(super) section: Vec<u8>,
    pub(super) records: Vec<RecordView>,
}

impl Partition {
    /// What there is to compact now; none when it is not worth its cost yet.
    pub(crate) fn plan_compaction(&mut self, now_ms: i64, policy: &Policy) -> io::Result<Option<Plan>> {
        let tombstones_before = now_ms.saturating_sub(policy.delete_retention_ms);
        if !self.is_due(now_ms, policy, tombstones_before) {
            return Ok(None);
        }
        self.roll()?;
        let stable = self.last_stable_offset();
        let closed = self.segments[..self.segments.len() - 1].iter().take_while(|s| s.last_offset() < stable);
        let source = |s: &Segment| Source { base_offset: s.base_offset, file: Arc::clone(&s.file), batches: s.batches.clone() };
        let sources: Vec<Source> = closed.map(source).collect();
        let upto = self.segments[sources.len()].base_offset;
        let aborted = self.aborted.clone();
        Ok(Some(Plan { sources, aborted, upto, segment_bytes: self.segment_bytes, tombstones_before }))
    }

    fn is_due(&self, now_ms: i64, policy: &Policy, tombstones_before: i64) -> bool {
        let (stable, upto) = (self.last_stable_offset(), self.cleaned.upto);
        let batches = || self.segments.iter().flat_map(|s| &s.batches).map(|b| &b.header);
        let fresh = || batches().filter(move |h| h.base_offset >= upto && h.last_offset < stable);
        let Some(oldest) = fresh().map(|h| h.max_timestamp).min() else {
            return self.cleaned.tombstone_ms.is_some_and(|at| at < tombstones_before);
        };
        let (dirty, all): (usize, usize) = (fresh().map(|h| h.len).sum(), batches().map(|h| h.len).sum());
        #[expect(clippy::cast_precision_loss, reason = "a ratio")]
        let ratio = dirty as f64 / all.max(1) as f64;
        let overdue = now_ms.saturating_sub(oldest) > policy.max_lag_ms;
        ratio >= policy.dirty_ratio || overdue || self.cleaned.tombstone_ms.is_some_and(|at| at < tombstones_before)
    }

    /// Puts compacted segments in the place of those they were made from. Returns how many records went. Where segments were removed meanwhile,
    /// what was made of them is thrown away.
    pub(crate) fn install(&mut self, compacted: Compacted) -> io::Result<usize> {
        let mut all = true;
        for group in compacted.groups {
            all &= self.install_group(&group)?;
        }
        if !all || self.is_deleted() {
            return Ok(0);
        }
        self.aborted.retain(|a| a.last_offset >= compacted.cleaned.upto);
        self.remember_cleaned(compacted.cleaned)?;
        Ok(compacted.dropped)
    }

    pub(super) fn install_group(&mut self, group: &Group) -> io::Result<bool> {
        let at = self.segments.iter().position(|s| s.base_offset == group.base_offset);
        let same = |at: usize| {
            let there = self.segments.get(at..at + group.sources.len());
            there.is_some_and(|s| s.iter().zip(&group.sources).all(|(s, source)| Arc::ptr_eq(&s.file, source)))
        };
        let Some(at) = at.filter(|at| same(*at) && !self.is_deleted()) else {
            drop(std::fs::remove_file(&group.beside)); // with its topic it may be gone already
            return Ok(false);
        };
        let path = self.segments[at].file.path.clone();
        std::fs::rename(&group.beside, &path)?;
        let merged = Segment::open(path, group.base_offset, false)?;
        let replaced: Vec<Segment> = self.segments.splice(at..at + group.sources.len(), [merged]).collect();
        for old in &replaced[1..] {
            std::fs::remove_file(&old.file.path)?;
        }
        Ok(true)
    }
}

impl Plan {
    /// Reads, picks and writes beside; takes as long as the disk takes.
    pub(crate) fn work(self) -> io::Result<Compacted> {
        let newest = self.newest_offsets()?;
        let mut done = Compacted { groups: Vec::new(), cleaned: Cleaned { upto: self.upto, tombstone_ms: None }, dropped: 0 };
        let mut marked = HashSet::new();
        let (mut group, mut bytes, mut changed): (Vec<&Source>, Vec<u8>, bool) = (Vec::new(), Vec::new(), false);
        for source in &self.sources {
            let rewritten = self.rewrite(source, &newest, &mut marked, &mut done)?;
            if !group.is_empty() && (bytes.len() + rewritten.bytes.len()) as u64 > self.segment_bytes {
                done.groups.extend(finish(&std::mem::take(&mut group), &std::mem::take(&mut bytes), changed)?);
                changed = false;
            }
            group.push(source);
            bytes.extend(rewritten.bytes);
            changed |= rewritten.changed;
        }
        done.groups.extend(finish(&group, &bytes, changed)?);
        Ok(done)
    }

    fn is_aborted(&self, header: &Header) -> bool {
        let inside = |a: &Aborted| a.producer_id == header.producer_id && (a.first_offset..=a.last_offset).contains(&header.base_offset);
        header.is_transactional() && self.aborted.iter().any(inside)
    }

    /// Newest committed offset of every key.
    fn newest_offsets(&self) -> io::Result<HashMap<Vec<u8>, i64>> {
        let mut newest = HashMap::new();
        for source in &self.sources {
            for placed in source.batches.iter().filter(|b| !b.header.is_control() && !self.is_aborted(&b.header)) {
                let Some(opened) = open(&placed.header, &source.file.batch(placed)?) else { continue };
                for record in &opened.records {
                    if let Some(key) = &record.key {
                        newest.insert(opened.section[key.clone()].to_vec(), opened.header.base_offset + record.offset_delta);
                    }
                }
            }
        }
        Ok(newest)
    }

    /// What is left of a segment. `marked` are producers of whom a transactional batch had to stay as it was, and whose markers must.
    fn rewrite(
        &self,
        source: &Source,
        newest: &HashMap<Vec<u8>, i64>,
        marked: &mut HashSet<i64>,
        done: &mut Compacted,
    ) -> io::Result<Rewritten> {
        let mut out = Rewritten { bytes: Vec::new(), changed: false };
        for placed in &source.batches {
            let header = &placed.header;
            let bytes = source.file.batch(placed)?;
            if header.is_control() {
                let needed = marked.contains(&header.producer_id);
                out.keep_if(needed, &bytes);
                continue;
            }
            if self.is_aborted(header) {
                done.dropped += usize::try_from(header.records).unwrap_or(0);
                out.changed = true;
                continue;
            }
            let Some(opened) = open(header, &bytes) else {
                if header.is_transactional() {
                    marked.insert(header.producer_id);
                }
                out.keep_if(true, &bytes);
                continue;
            };
            let keep: Vec<&RecordView> = opened.records.iter().filter(|r| self.stays(&opened, r, newest)).collect();
            done.dropped += opened.records.len() - keep.len();
            let tombstones = keep.iter().filter(|r| r.tombstone).map(|r| header.base_timestamp + r.timestamp_delta);
            done.cleaned.tombstone_ms = tombstones.chain(done.cleaned.tombstone_ms).min();
            if keep.len() == opened.records.len() && !header.is_transactional() {
                out.keep_if(true, &bytes);
            } else {
                out.changed = true;
                if !keep.is_empty() {
                    out.bytes.extend(rebuild(&opened, &keep)?);
                }
            }
        }
        Ok(out)
    }

    fn stays(&self, opened: &Opened, record: &RecordView, newest: &HashMap<Vec<u8>, i64>) -> bool {
        let offset = opened.header.base_offset + record.offset_delta;
        let old_tombstone = record.tombstone && opened.header.base_timestamp + record.timestamp_delta < self.tombstones_before;
        let Some(key) = &record.key else { return true };
        newest.get(&opened.section[key.clone()]) == Some(&offset) && !old_tombstone
    }
}

struct Rewritten {
    bytes: Vec<u8>,
    changed: bool,
}

impl Rewritten {
    fn keep_if(&mut self, keep: bool, batch: &[u8]) {
        if keep {
            self.bytes.extend_from_slice(batch);
        } else {
            self.changed = true;
        }
    }
}

/// Writes a group beside; none when it is one segment that stays as it is.
fn finish(group: &[&Source], bytes: &[u8], changed: bool) -> io::Result<Option<Group>> {
    let Some(first) = group.first().filter(|_| changed || group.len() > 1) else { return Ok(None) };
    let sources = group.iter().map(|s| Arc::clone(&s.file)).collect();
    write_beside(sources, first.base_offset, "tmp", bytes).map(Some)
}

/// Writes what is to stand in the place of segments. Whoever does the same at the same time takes another extension; opening removes `tmp`.
pub(super) fn write_beside(sources: Vec<Arc<SegmentFile>>, base_offset: i64, extension: &str, bytes: &[u8]) -> io::Result<Group> {
    let beside = sources[0].path.with_extension(extension);
    std::fs::write(&beside, bytes)?;
    std::fs::File::open(&beside)?.sync_data()?;
    Ok(Group { sources, base_offset, beside })
}

pub(super) fn open(header: &Header, bytes: &[u8]) -> Option<Opened> {
    let section = records::section(header, bytes)?;
    let records = records::parse(&section, header.records)?;
    Some(Opened { header: *header, section, records })
}

pub(super) fn rebuild(opened: &Opened, keep: &[&RecordView]) -> io::Result<Vec<u8>> {
    let header = &opened.header;
    let section: Vec<u8> = keep.iter().flat_map(|record| &opened.section[record.whole.clone()]).copied().collect();
    let (codec, packed) = codec::pack(header.codec(), &section)?;
    let mut body = Vec::with_capacity(packed.len() + 40);
    body.extend_from_slice(&codec.to_be_bytes()); // the other flags do not apply any more
    body.extend_from_slice(&i32::try_from(header.last_offset - header.base_offset).expect("a batch spans less than 2^31").to_be_bytes());
    body.extend_from_slice(&header.base_timestamp.to_be_bytes());
    body.extend_from_slice(&header.max_timestamp.to_be_bytes());
    body.extend_from_slice(&(-1i64).to_be_bytes()); // producer
    body.extend_from_slice(&(-1i16).to_be_bytes()); // epoch
    body.extend_from_slice(&(-1i32).to_be_bytes()); // sequence
    body.extend_from_slice(&i32::try_from(keep.len()).expect("fewer than before").to_be_bytes());
    body.extend_from_slice(&packed);
    Ok(batch::seal(header.base_offset, &body))
}
