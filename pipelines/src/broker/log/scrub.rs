//! Taking single records out of the log, whatever the topic's settings: what erasing people needs, and Kafka has no call for.
//!
//! As with compaction a plan is made under the partition's lock (the active segment is closed first, so that it takes part), the work is done without it, and
//! the result is installed under the lock. Offsets do not change: a batch keeps its base offset, and where nothing is left of one there is a hole, as compaction leaves them,
//! too. Batches without such records keep their bytes; markers of transactions stay. What nobody may read (aborted records) goes with the rest.

use std::io;
use std::sync::Arc;

use super::batch::Header;
use super::compact::{Group, open, rebuild, write_beside};
use super::partition::{Aborted, Partition};
use super::records::RecordView;
use super::segment::{Placed, Segment, SegmentFile};

/// Whether a record with this key and value is to go.
pub(crate) type Named<'a> = &'a (dyn Fn(Option<&[u8]>, Option<&[u8]>) -> bool + Sync);

/// Segments as they were.
pub(crate) struct Plan {
    sources: Vec<(i64, Arc<SegmentFile>, Vec<Placed>)>,
    aborted: Vec<Aborted>,
    /// Whether records are left out whose transaction is not decided yet.
    pub(crate) undecided: bool,
}

/// What is to be installed, and how many records go by it.
pub(crate) struct Scrubbed {
    groups: Vec<Group>,
    /// Records that are to go.
    pub(crate) found: u64,
}

impl Partition {
    /// Everything whose transactions are decided; with `dry` nothing is closed.
    pub(crate) fn plan_scrub(&mut self, dry: bool) -> io::Result<Plan> {
        if !dry {
            self.roll()?;
        }
        let stable = self.last_stable_offset();
        let closed = if dry { self.segments.len() } else { self.segments.len() - 1 };
        let decided: Vec<&Segment> = self.segments[..closed].iter().take_while(|s| s.last_offset() < stable).collect();
        let undecided = decided.len() < closed;
        let sources = decided.into_iter().map(|s| (s.base_offset, Arc::clone(&s.file), s.batches.clone())).collect();
        Ok(Plan { sources, aborted: self.aborted.clone(), undecided })
    }

    /// Puts scrubbed segments in their places; false where some have changed meanwhile and are to be looked at again.
    pub(crate) fn install_scrubbed(&mut self, scrubbed: Scrubbed) -> io::Result<bool> {
        let mut all = true;
        for group in scrubbed.groups {
            all &= self.install_group(&group)?;
        }
        Ok(all || self.is_deleted())
    }
}

impl Plan {
    /// Reads everything, and writes beside what is left of segments with such records; with `dry` nothing is written.
    pub(crate) fn work(self, named: Named<'_>, dry: bool) -> io::Result<Scrubbed> {
        let mut done = Scrubbed { groups: Vec::new(), found: 0 };
        for (base_offset, file, batches) in &self.sources {
            let (mut left, mut found) = (Vec::new(), 0);
            for placed in batches {
                let bytes = file.batch(placed)?;
                match self.rest(&placed.header, &bytes, named)? {
                    None => left.extend(bytes),
                    Some((rest, gone)) => {
                        left.extend(rest);
                        found += gone;
                    }
                }
            }
            if found > 0 && !dry {
                done.groups.push(write_beside(vec![Arc::clone(file)], *base_offset, "scrub", &left)?);
            }
            done.found += found;
        }
        Ok(done)
    }

    /// What is left of a batch, and how many of its records go; none where it stays as it is.
    fn rest(&self, header: &Header, bytes: &[u8], named: Named<'_>) -> io::Result<Option<(Vec<u8>, u64)>> {
        if header.is_control() {
            return Ok(None);
        }
        let Some(opened) = open(header, bytes) else { return Ok(None) };
        let part = |range: &Option<std::ops::Range<usize>>| range.clone().map(|range| &opened.section[range]);
        let goes = |record: &&RecordView| named(part(&record.key), part(&record.value));
        let keep: Vec<&RecordView> = opened.records.iter().filter(|record| !goes(record)).collect();
        let gone = (opened.records.len() - keep.len()) as u64;
        if gone == 0 {
            return Ok(None);
        }
        // Without its producer a batch counts as committed.
        let inside = |a: &Aborted| a.producer_id == header.producer_id && (a.first_offset..=a.last_offset).contains(&header.base_offset);
        let aborted = header.is_transactional() && self.aborted.iter().any(inside);
        let rest = if keep.is_empty() || aborted { Vec::new() } else { rebuild(&opened, &keep)? };
        Ok(Some((rest, gone)))
    }
}
