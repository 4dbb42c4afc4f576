//! Transactions. The decision is one line of the metadata log; markers follow, and are written on opening when a crash came between.

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use kafka_protocol::ResponseError;

use super::meta::{Change, Committed};
use super::state::{State, lock, storage};

/// A transactional producer and what it has going.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) producer_id: i64,
    pub(super) epoch: i16,
    timeout: Duration,
    partitions: BTreeSet<(String, i32)>,
    offsets: Vec<(String, String, i32, Committed)>,
    since: Option<Instant>,
}

impl State {
    /// After opening: ends what was decided, remembers what was going on.
    pub(super) fn restore_transactions(&mut self) -> io::Result<()> {
        let known: Vec<_> = self.meta.read().transactional.iter().map(|(name, t)| (name.clone(), t.clone())).collect();
        for (name, t) in known {
            if let Some((commit, partitions)) = &t.undone {
                self.write_markers(partitions.iter(), t.producer_id, t.epoch, *commit)?;
                self.meta.write(Change::Finished { name: name.clone() })?;
            }
            let mut partitions = BTreeSet::new();
            for (topic, all) in &self.topics {
                let open = (0..).zip(all).filter(|(_, p)| lock(p).has_open(t.producer_id));
                partitions.extend(open.map(|(i, _)| (topic.clone(), i)));
            }
            let since = (!partitions.is_empty()).then(Instant::now);
            let timeout = Duration::from_millis(u64::try_from(t.timeout_ms).unwrap_or(60_000));
            self.transactions
                .insert(name, Transaction { producer_id: t.producer_id, epoch: t.epoch, timeout, partitions, offsets: Vec::new(), since });
        }
        Ok(())
    }

    fn write_markers<'a>(
        &self,
        partitions: impl Iterator<Item = &'a (String, i32)>,
        producer_id: i64,
        epoch: i16,
        commit: bool,
    ) -> io::Result<()> {
        for (topic, partition) in partitions {
            if let Some(partition) = self.partition(topic, *partition) {
                lock(&partition).end_transaction(producer_id, epoch, commit)?;
            }
        }
        Ok(())
    }

    /// A producer id; for a transactional producer the same as before with a higher epoch, its open transaction aborted.
    pub(super) fn init_producer(&mut self, name: Option<&str>, timeout_ms: i32) -> Result<(i64, i16), ResponseError> {
        let Some(name) = name else {
            let id = self.meta.read().next_producer;
            self.meta.write(Change::Producer { id }).map_err(|e| storage(&e))?;
            return Ok((id, 0));
        };
        if self.transactions.contains_key(name) {
            self.end_transaction(name, false)?;
        }
        let (producer_id, epoch) = match self.transactions.get(name) {
            Some(t) if t.epoch < i16::MAX - 1 => (t.producer_id, t.epoch + 1),
            _ => (self.meta.read().next_producer, 0),
        };
        let timeout = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(60_000));
        let fresh = Transaction { producer_id, epoch, timeout, partitions: BTreeSet::new(), offsets: Vec::new(), since: None };
        self.meta.write(Change::Transactional { name: name.to_owned(), producer_id, epoch, timeout_ms }).map_err(|e| storage(&e))?;
        self.transactions.insert(name.to_owned(), fresh);
        Ok((producer_id, epoch))
    }

    /// The transaction of a producer that is still the current one of its name. Nothing begins before the last one is settled.
    pub(super) fn current(&mut self, name: &str, producer_id: i64, epoch: i16) -> Result<&mut Transaction, ResponseError> {
        self.settle(name)?;
        match self.transactions.get_mut(name) {
            None => Err(ResponseError::InvalidProducerIdMapping),
            Some(t) if t.producer_id != producer_id => Err(ResponseError::InvalidProducerIdMapping),
            Some(t) if t.epoch != epoch => Err(ResponseError::ProducerFenced),
            Some(t) => Ok(t),
        }
    }

    /// Whether a transactional batch may be appended: by the current epoch of its producer.
    pub(super) fn may_append(&self, producer_id: i64, epoch: i16) -> bool {
        self.transactions.values().find(|t| t.producer_id == producer_id).is_none_or(|t| t.epoch == epoch)
    }

    /// Decides a transaction and writes its markers. What cannot be written, because the disk is full, is left for the next try: the
    /// transaction stays open until its decision is durable, and the markers are owed from then on.
    pub(super) fn end_transaction(&mut self, name: &str, commit: bool) -> Result<(), ResponseError> {
        self.settle(name)?;
        let Some(t) = self.transactions.get(name) else { return Err(ResponseError::InvalidProducerIdMapping) };
        if t.partitions.is_empty() && t.offsets.is_empty() {
            return Ok(());
        }
        let partitions: Vec<(String, i32)> = t.partitions.iter().cloned().collect();
        let offsets = if commit { t.offsets.clone() } else { Vec::new() };
        let decided = Change::Decided { name: name.to_owned(), commit, partitions, offsets };
        self.meta.write(decided).map_err(|e| storage(&e))?;
        if let Some(t) = self.transactions.get_mut(name) {
            t.partitions.clear();
            t.offsets.clear();
            t.since = None;
        }
        self.settle(name)
    }

    /// Writes the markers that a decided transaction still owes.
    fn settle(&mut self, name: &str) -> Result<(), ResponseError> {
        let Some((producer_id, epoch, (commit, partitions))) =
            self.meta.read().transactional.get(name).and_then(|t| Some((t.producer_id, t.epoch, t.undone.clone()?)))
        else {
            return Ok(());
        };
        self.write_markers(partitions.iter(), producer_id, epoch, commit).map_err(|e| storage(&e))?;
        self.meta.write(Change::Finished { name: name.to_owned() }).map_err(|e| storage(&e))
    }

    /// Aborts transactions that take too long, and fences their producers.
    pub(super) fn abort_overdue(&mut self, now: Instant) {
        let late = |t: &Transaction| t.since.is_some_and(|since| now.duration_since(since) > t.timeout);
        let overdue: Vec<String> = self.transactions.iter().filter(|(_, t)| late(t)).map(|(name, _)| name.clone()).collect();
        for name in overdue {
            let aborted = self.end_transaction(&name, false).is_ok();
            let Some(t) = self.transactions.get_mut(&name) else { continue };
            if aborted {
                tracing::warn!(transaction = %name, "aborted: it took longer than its timeout");
                t.epoch = t.epoch.saturating_add(1);
            } else {
                t.since = Some(now); // tried again after another timeout
            }
        }
    }
}

impl Transaction {
    /// Adds a partition.
    pub(super) fn add_partition(&mut self, topic: &str, partition: i32) {
        self.since.get_or_insert_with(Instant::now);
        self.partitions.insert((topic.to_owned(), partition));
    }

    /// Adds a group offset.
    pub(super) fn add_offset(&mut self, group: &str, topic: &str, partition: i32, committed: Committed) {
        self.since.get_or_insert_with(Instant::now);
        self.offsets.push((group.to_owned(), topic.to_owned(), partition, committed));
    }
}
