//! Offsets: for every partition, the next one to read.

use std::collections::BTreeMap;

use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};

use super::reader::Record;

/// The next offset to read of each `(topic, partition)`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offsets(pub BTreeMap<(String, i32), i64>);

impl Offsets {
    /// The next offset to read, if known.
    pub fn get(&self, topic: &str, partition: i32) -> Option<i64> {
        self.0.get(&(topic.to_owned(), partition)).copied()
    }

    /// Sets the next offset to read.
    pub fn set(&mut self, topic: &str, partition: i32, next: i64) {
        self.0.insert((topic.to_owned(), partition), next);
    }

    /// Moves forward over one record; never backward.
    pub fn advance(&mut self, topic: &str, partition: i32, next: i64) {
        if let Some(at) = self.0.get_mut(&(topic.to_owned(), partition)) {
            *at = (*at).max(next);
        } else {
            self.set(topic, partition, next);
        }
    }

    /// Moves forward over records.
    pub fn advance_over(&mut self, records: &[Record]) {
        // Records come in runs of one partition: look up once per run.
        let mut rest = records;
        while let Some(first) = rest.first() {
            let run = rest.iter().take_while(|r| r.partition == first.partition && r.topic == first.topic).count();
            self.advance(&first.topic, first.partition, rest[run - 1].offset + 1);
            rest = &rest[run..];
        }
    }

    /// Takes the larger offset of each partition.
    pub fn merge(&mut self, other: &Self) {
        for ((topic, partition), next) in &other.0 {
            self.advance(topic, *partition, *next);
        }
    }

    /// Only the partitions of one topic.
    #[must_use]
    pub fn of_topic(&self, topic: &str) -> Self {
        Self(self.0.iter().filter(|((t, _), _)| t == topic).map(|(k, v)| (k.clone(), *v)).collect())
    }

    /// Whether every partition of `end` has been read up to there. Commit markers of transactions take an offset of their own that
    /// no reader sees, so ask only about ends that were positions of a reader.
    pub fn reached(&self, end: &Self) -> bool {
        end.0.iter().all(|(at, next)| *next <= 0 || self.0.get(at).is_some_and(|mine| mine >= next))
    }

    /// Keys as `topic/partition`, the form in which indexes keep them.
    pub fn to_named(&self) -> BTreeMap<String, i64> {
        self.0.iter().map(|((topic, partition), next)| (format!("{topic}/{partition}"), *next)).collect()
    }

    /// Reads keys of the form `topic/partition`; others are left out.
    pub fn from_named(named: &BTreeMap<String, i64>) -> Self {
        let parse = |name: &String| name.rsplit_once('/').and_then(|(topic, p)| p.parse().ok().map(|p: i32| (topic.to_owned(), p)));
        Self(named.iter().filter_map(|(name, next)| parse(name).map(|key| (key, *next))).collect())
    }

    pub(crate) fn to_list(&self) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(self.0.len());
        for ((topic, partition), next) in &self.0 {
            let added = list.add_partition_offset(topic, *partition, Offset::Offset(*next));
            debug_assert!(added.is_ok(), "a non-negative offset is always accepted");
        }
        list
    }

    pub(crate) fn from_list(list: &TopicPartitionList) -> Self {
        let known = list.elements().into_iter().filter_map(|element| match element.offset() {
            Offset::Offset(next) => Some(((element.topic().to_owned(), element.partition()), next)),
            _ => None,
        });
        Self(known.collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn offsets_only_move_forward() {
        let mut offsets = Offsets::default();
        offsets.advance("inbox", 0, 5);
        offsets.advance("inbox", 0, 3);
        assert_eq!(offsets.get("inbox", 0), Some(5));
        assert_eq!(offsets.get("inbox", 1), None);
    }

    #[test]
    fn names_round_trip_even_with_slashes_and_dots() {
        let mut offsets = Offsets::default();
        offsets.set("features.popularity", 2, 9);
        offsets.set("a/b", 0, 1);
        assert_eq!(Offsets::from_named(&offsets.to_named()), offsets);
        assert_eq!(Offsets::from_list(&offsets.to_list()), offsets);
    }

    #[test]
    fn an_empty_partition_is_reached_without_reading() {
        let mut end = Offsets::default();
        end.set("inbox", 0, 0);
        assert!(Offsets::default().reached(&end));
        end.set("inbox", 1, 4);
        assert!(!Offsets::default().reached(&end));
    }
}
