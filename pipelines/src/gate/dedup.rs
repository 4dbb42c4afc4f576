//! Which event ids have been filed: a bounded memory that survives restarts.

use std::collections::{HashSet, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use features::ids::EventId;

/// Ids of the last days, at most so many. The oldest are forgotten first.
#[derive(Debug)]
pub(crate) struct Dedup {
    window: TimeDelta,
    most: usize,
    known: HashSet<u128>,
    order: VecDeque<u128>,
    /// How many of the oldest were filed up to when; one mark a minute.
    marks: VecDeque<(DateTime<Utc>, usize)>,
    /// How many were forgotten before their days were over.
    early: u64,
}

impl Dedup {
    pub(crate) fn new(window: TimeDelta, most: usize) -> Self {
        Self { window, most, known: HashSet::new(), order: VecDeque::new(), marks: VecDeque::new(), early: 0 }
    }

    pub(crate) fn contains(&self, id: &EventId) -> bool {
        self.known.contains(&id.as_u128())
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// How many ids were forgotten for want of room since this was last asked: a repeat of them is filed again.
    pub(crate) fn take_early(&mut self) -> u64 {
        std::mem::take(&mut self.early)
    }

    /// Remembers an id that was filed at `now`.
    pub(crate) fn insert(&mut self, id: u128, now: DateTime<Utc>) {
        if !self.known.insert(id) {
            return;
        }
        self.order.push_back(id);
        match self.marks.back_mut() {
            Some((at, count)) if now - *at < TimeDelta::minutes(1) => *count += 1,
            _ => self.marks.push_back((now, 1)),
        }
        self.forget(now);
    }

    fn forget(&mut self, now: DateTime<Utc>) {
        while let Some((at, count)) = self.marks.front_mut() {
            let old = now - *at > self.window;
            if !old && self.order.len() <= self.most {
                return;
            }
            self.early += u64::from(!old);
            if let Some(id) = self.order.pop_front() {
                self.known.remove(&id);
            }
            *count -= 1;
            if *count == 0 {
                self.marks.pop_front();
            }
        }
    }

    /// Everything, oldest first, with the time of each mark.
    pub(crate) fn dump(&self) -> Vec<(i64, Vec<u128>)> {
        let mut ids = self.order.iter().copied();
        self.marks.iter().map(|(at, count)| (at.timestamp_millis(), ids.by_ref().take(*count).collect())).collect()
    }

    /// Fills an empty memory with what [`Dedup::dump`] gave.
    pub(crate) fn refill(&mut self, dump: Vec<(i64, Vec<u128>)>) {
        for (at, ids) in dump {
            let at = DateTime::from_timestamp_millis(at).unwrap_or_default();
            for id in ids {
                self.insert(id, at);
            }
        }
    }
}

/// Ids that were filed since they were last saved, as they are read back: one topic after the other, not as they were filed.
///
/// What is remembered at most are the newest, so the order counts: without it the ids of the topic that is read first would be forgotten first.
#[derive(Debug)]
pub(crate) struct Tail {
    most: usize,
    ids: Vec<(DateTime<Utc>, u128)>,
}

impl Tail {
    /// A tail of which no more than `most` will be remembered.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, ids: Vec::new() }
    }

    /// Takes an id that was filed at `at`.
    pub(crate) fn push(&mut self, id: u128, at: DateTime<Utc>) {
        self.ids.push((at, id));
        if self.ids.len() > self.most.saturating_mul(2).max(1_024) {
            self.ids.sort_unstable();
            self.ids.drain(..self.ids.len() - self.most);
        }
    }

    /// Remembers them in the order in which they were filed.
    pub(crate) fn pour(mut self, into: &mut Dedup) {
        self.ids.sort_unstable();
        for (at, id) in self.ids {
            into.insert(id, at);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + minute * 60, 0).unwrap()
    }

    fn id(n: u128) -> EventId {
        EventId::from_u128(n)
    }

    #[test]
    fn the_oldest_go_first_by_number_and_by_age() {
        let mut dedup = Dedup::new(TimeDelta::minutes(10), 3);
        for n in 0..4 {
            dedup.insert(n, at(0));
        }
        assert!(!dedup.contains(&id(0)) && dedup.contains(&id(1)) && dedup.contains(&id(3)));
        assert_eq!((dedup.take_early(), dedup.take_early()), (1, 0), "one had to go before its time");
        dedup.insert(9, at(11));
        assert_eq!(dedup.take_early(), 0, "these had their time");
        assert_eq!(dedup.len(), 1, "those older than ten minutes are forgotten");
        assert!(dedup.contains(&id(9)));
    }

    #[test]
    fn a_repeat_does_not_push_others_out() {
        let mut dedup = Dedup::new(TimeDelta::days(1), 2);
        for n in [1, 2, 2, 2] {
            dedup.insert(n, at(0));
        }
        assert!(dedup.contains(&id(1)) && dedup.contains(&id(2)));
    }

    proptest! {
        #[test]
        fn what_is_read_back_topic_by_topic_is_remembered_as_it_was_filed(
            topics in proptest::collection::vec(0usize..4, 0..3_000),
            most in 1usize..600,
        ) {
            let mut filed = Dedup::new(TimeDelta::days(1), most);
            let mut tail = Tail::new(most);
            let when = |n: usize| at(0) + TimeDelta::milliseconds(i64::try_from(n).unwrap());
            for n in 0..topics.len() {
                filed.insert(n as u128, when(n));
            }
            for topic in 0..4 {
                for n in (0..topics.len()).filter(|n| topics[*n] == topic) {
                    tail.push(n as u128, when(n));
                }
            }
            let mut again = Dedup::new(TimeDelta::days(1), most);
            tail.pour(&mut again);
            for n in 0..topics.len() as u128 {
                prop_assert_eq!(filed.contains(&id(n)), again.contains(&id(n)), "{}", n);
            }
        }

        #[test]
        fn a_restart_changes_nothing(ids in proptest::collection::vec((0u128..50, 0i64..30), 0..200), most in 1usize..40) {
            let mut minutes: Vec<i64> = ids.iter().map(|(_, m)| *m).collect();
            minutes.sort_unstable();
            let mut dedup = Dedup::new(TimeDelta::minutes(15), most);
            for ((n, _), minute) in ids.iter().zip(minutes) {
                dedup.insert(*n, at(minute));
            }
            let mut again = Dedup::new(TimeDelta::minutes(15), most);
            again.refill(dedup.dump());
            prop_assert!(dedup.len() <= most);
            for n in 0..50 {
                prop_assert_eq!(dedup.contains(&id(n)), again.contains(&id(n)));
            }
        }
    }
}
