//! What happens to a micro-batch: decode once per topic, aggregate once per feature set, add.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use features::sets::FeatureSet;
use features::topic::Topic;

use super::plan::FeaturePlan;
use super::state::KeyedState;
use super::store::StateStore;
use crate::bus::{Offsets, OutRecord, Record};
use crate::supervisor::JobError;
use crate::tables::decode;

/// One feature set at work.
pub(super) struct Lane {
    pub(super) set: FeatureSet,
    pub(super) plan: FeaturePlan,
    pub(super) state: KeyedState,
    /// What the state contains: the next offset of each partition.
    pub(super) offsets: Offsets,
    /// The offsets of the last checkpoint.
    pub(super) saved: Offsets,
    pub(super) generation: u32,
    pub(super) store: StateStore,
    /// Rows wait: they count less than those that readers have, until the state is where it was before a takeover.
    pub(super) held: bool,
    /// Whether the state must be saved although nothing was read.
    pub(super) anew: bool,
}

/// Rows of a set that are sent together at most.
const SLICE: usize = 100_000;

/// All feature sets at work.
pub(super) struct Engine {
    pub(super) lanes: Vec<Lane>,
}

/// A record that is no row of its table, and why.
pub(super) struct Refused {
    pub(super) record: Record,
    pub(super) reason: String,
}

impl Engine {
    /// Adds a batch to every set that reads from it and has not seen it. Returns what could not be decoded.
    pub(super) async fn process(&mut self, records: Vec<Record>) -> Result<Vec<Refused>, JobError> {
        let mut refused = Vec::new();
        for topic in self.sources() {
            let mine: Vec<&Record> = records.iter().filter(|r| r.topic.as_ref() == topic.name() && r.value.is_some()).collect();
            if !mine.is_empty() {
                refused.extend(self.process_topic(topic, &mine).await?);
            }
        }
        for lane in &mut self.lanes {
            let source = lane.set.source.name();
            let mut runs = Offsets::default();
            runs.advance_over(&records);
            lane.offsets.merge(&runs.of_topic(source));
        }
        Ok(refused)
    }

    pub(super) fn sources(&self) -> Vec<Topic> {
        let mut topics: Vec<Topic> = self.lanes.iter().map(|lane| lane.set.source).collect();
        topics.sort_unstable();
        topics.dedup();
        topics
    }

    async fn process_topic(&mut self, topic: Topic, records: &[&Record]) -> Result<Vec<Refused>, JobError> {
        let values: Vec<&[u8]> = records.iter().map(|r| r.value.as_deref().unwrap_or_default()).collect();
        let decoded = decode(topic, &values).map_err(|e| JobError::failed(format!("decode a batch of `{}`", topic.name()), e))?;
        let mut bad = decoded.bad.iter().map(|(at, _)| *at).peekable();
        // The records behind the rows, in the same order.
        let rows: Vec<&Record> = records.iter().enumerate().filter(|(at, _)| bad.next_if_eq(at).is_none()).map(|(_, r)| *r).collect();
        for lane in self.lanes.iter_mut().filter(|lane| lane.set.source == topic) {
            let batch = unseen(lane, &decoded.batch, &rows)?;
            if batch.num_rows() > 0 {
                let failed = |e: String| JobError::failed(format!("aggregate feature set `{}`", lane.set.name), e);
                let partials = lane.plan.run(batch).await.map_err(|e| failed(e.to_string()))?;
                lane.state.add(&lane.set, &partials).map_err(|e| failed(e.to_string()))?;
            }
        }
        Ok(decoded.bad.into_iter().map(|(at, reason)| Refused { record: records[at].clone(), reason }).collect())
    }

    /// Number of changed rows that may go to their topics.
    pub(super) fn waiting(&self) -> usize {
        self.lanes.iter().filter(|lane| !lane.held).map(|lane| lane.state.waiting()).sum()
    }

    /// Takes changed rows as records of their topics, of each set some.
    pub(super) fn take_rows(&mut self) -> Vec<OutRecord> {
        let mut out = Vec::new();
        for lane in self.lanes.iter_mut().filter(|lane| !lane.held) {
            let topic = lane.set.topic();
            let rows = lane.state.take_some(&lane.set, lane.generation, SLICE);
            out.extend(rows.into_iter().map(|(key, value)| OutRecord::new(topic.clone(), key, Some(value))));
        }
        out
    }
}

/// The rows that a set has not added yet: after a start, sets may stand at different offsets.
fn unseen(lane: &Lane, batch: &RecordBatch, rows: &[&Record]) -> Result<RecordBatch, JobError> {
    let mut at: Option<(&Arc<str>, i32, i64)> = None;
    let mut keep = Vec::with_capacity(rows.len());
    for record in rows {
        let next = match at {
            Some((topic, partition, next)) if partition == record.partition && Arc::ptr_eq(topic, &record.topic) => next,
            _ => lane.offsets.get(&record.topic, record.partition).unwrap_or(0),
        };
        at = Some((&record.topic, record.partition, next));
        keep.push(record.offset >= next);
    }
    if keep.iter().all(|k| *k) {
        return Ok(batch.clone());
    }
    filter_record_batch(batch, &BooleanArray::from(keep)).map_err(|e| JobError::failed("leave out what was added before", e))
}
