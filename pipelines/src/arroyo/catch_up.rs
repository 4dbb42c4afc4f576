//! How far a pipeline has come.
//!
//! An Arroyo source tells Kafka at every checkpoint, in its consumer group, the offset of the last record it has taken from each partition; it does
//! so when the checkpoint begins, and the rows that follow from those records are in the sink's topic when the checkpoint has ended. So a
//! pipeline has caught up with what was there at a moment when its group has reached the last record of that moment and a checkpoint that
//! began later is complete.

use crate::bus::{Bus, BusError, Offsets};

/// Offsets looked at from the end of a partition first, when its last record is looked for; only markers of transactions lie behind it.
const WINDOW: i64 = 64;

/// The last record of each partition of a topic: what a pipeline must have taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Goal {
    /// The offset of the last record, where there is one.
    last: Offsets,
    /// Offset of the first record of each of those partitions.
    first: Offsets,
}

impl Goal {
    /// Where a topic ends now. Markers of transactions take offsets too, so the end alone does not tell: the records themselves are looked at.
    ///
    /// # Errors
    /// When the event log does not answer.
    pub async fn now(bus: &Bus, topic: &str) -> Result<Self, BusError> {
        let (begin, end) = bus.bounds(&[topic.to_owned()]).await?;
        let mut last = Offsets::default();
        let mut window = WINDOW;
        loop {
            // Partitions whose last record is known are not read again.
            let mut from = end.clone();
            let mut whole = true;
            for ((_, partition), end) in &end.0 {
                let first = begin.get(topic, *partition).unwrap_or(0);
                if last.get(topic, *partition).is_none() && first < *end {
                    let at = (end - window).max(first);
                    whole &= at == first;
                    from.set(topic, *partition, at);
                }
            }
            let mut found = Offsets::default();
            let there = bus.sweep("arroyo", &[topic.to_owned()], &from).await?;
            there.each(|record| found.advance(topic, record.partition, record.offset)).await?;
            last.merge(&found);
            let open = end.0.keys().any(|(_, p)| last.get(topic, *p).is_none() && from.get(topic, *p) != end.get(topic, *p));
            if whole || !open {
                break;
            }
            window *= 32;
        }
        let first = Offsets(begin.0.into_iter().filter(|(at, _)| last.0.contains_key(at)).collect());
        Ok(Self { last, first })
    }

    /// Whether there is nothing to catch up with.
    pub fn is_empty(&self) -> bool {
        self.last.0.is_empty()
    }

    /// How many records are taken, and how many there are: offsets, so markers of transactions count as well. Done when both are equal.
    ///
    /// # Errors
    /// When the event log does not answer.
    pub async fn progress(&self, bus: &Bus, topic: &str, group: &str) -> Result<(i64, i64), BusError> {
        let committed = bus.committed(group, &[topic.to_owned()]).await?;
        Ok(self.reached_by(&committed))
    }

    fn reached_by(&self, committed: &Offsets) -> (i64, i64) {
        let (mut done, mut all) = (0, 0);
        for (at, last) in &self.last.0 {
            let first = self.first.0.get(at).copied().unwrap_or(0);
            all += last - first + 1;
            // Arroyo commits the offset of the last record, not of the next one.
            done += committed.0.get(at).map_or(0, |taken| (taken.min(last) - first + 1).max(0));
        }
        (done, all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(of: &[(i32, i64)]) -> Offsets {
        let mut offsets = Offsets::default();
        of.iter().for_each(|(partition, at)| offsets.set("t", *partition, *at));
        offsets
    }

    #[test]
    fn the_last_record_of_every_partition_must_be_taken() {
        let goal = Goal { last: offsets(&[(0, 9), (2, 4)]), first: offsets(&[(0, 0), (2, 3)]) };
        assert_eq!(goal.reached_by(&Offsets::default()), (0, 12));
        assert_eq!(goal.reached_by(&offsets(&[(0, 8), (1, 70), (2, 4)])), (11, 12));
        assert_eq!(goal.reached_by(&offsets(&[(0, 900), (2, 4)])), (12, 12));
        assert_eq!(Goal::default().reached_by(&Offsets::default()), (0, 0), "an empty topic is caught up with");
    }
}
