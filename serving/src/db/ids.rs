//! 64-bit ids that sort by time, after Twitter's Snowflake:
//!
//! ```text
//!  63   62                          22 21            12 11             0
//! ┌────┬──────────────────────────────┬────────────────┬────────────────┐
//! │ 0  │ milliseconds since 2026-01-01│ node, 0–1023   │ counter, 0–4095│
//! └────┴──────────────────────────────┴────────────────┴────────────────┘
//! ```
//!
//! 41 bits of milliseconds last until 2095, and ids stay positive in signed columns. Where the clock stands still or steps back, the counter goes on
//! and then borrows from the following milliseconds: ids of a process only grow. Over a restart with a clock that stepped back by more than the
//! pause an id may come twice; primary keys refuse the second.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};

/// How many nodes there can be.
pub const NODES: u16 = 1 << NODE_BITS;
const NODE_BITS: u32 = 10;
const COUNTER_BITS: u32 = 12;
/// 2026-01-01T00:00:00Z.
const EPOCH_MS: i64 = 1_767_225_600_000;

/// Makes the ids of a node.
#[derive(Debug)]
pub struct Ids {
    node: i64,
    /// The last one, without the node: milliseconds and counter.
    last: AtomicI64,
}

impl Ids {
    /// For a node number, of which the lower ten bits count.
    pub fn new(node: u16) -> Self {
        Self { node: i64::from(node % NODES), last: AtomicI64::new(0) }
    }

    /// The number of the node.
    pub fn node(&self) -> i64 {
        self.node
    }

    /// A new id, larger than all before from here.
    pub fn next(&self, now: DateTime<Utc>) -> i64 {
        let ms = (now.timestamp_millis() - EPOCH_MS).clamp(0, (1 << 41) - 1);
        let wanted = ms << COUNTER_BITS;
        let step = |last: i64| Some(wanted.max(last + 1));
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).unwrap_or_default();
        let made = wanted.max(last + 1);
        let (ms, counter) = (made >> COUNTER_BITS, made & ((1 << COUNTER_BITS) - 1));
        (ms << (NODE_BITS + COUNTER_BITS)) | (self.node << COUNTER_BITS) | counter
    }
}

/// When an id was made, to the millisecond.
pub fn time_of(id: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis((id >> (NODE_BITS + COUNTER_BITS)) + EPOCH_MS).unwrap_or_default()
}

/// Which node made an id.
pub const fn node_of(id: i64) -> i64 {
    (id >> COUNTER_BITS) & ((1 << NODE_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(EPOCH_MS + ms).unwrap_or_default()
    }

    proptest! {
        /// Whatever the clock does, also before 2026.
        #[test]
        fn ids_grow_and_are_positive(node in 0..NODES, steps in prop::collection::vec((any::<i32>(), 1usize..6_000), 1..8), start in -1_000i64..2_100_000_000_000) {
            let ids = Ids::new(node);
            let (mut clock, mut last) = (start, 0);
            for (step, many) in steps {
                clock += i64::from(step);
                for _ in 0..many {
                    let id = ids.next(at(clock));
                    prop_assert!(id > last, "{} after {}", id, last);
                    prop_assert_eq!(node_of(id), i64::from(node));
                    last = id;
                }
            }
        }

        #[test]
        fn an_id_tells_its_time(ms in 1i64..2_000_000_000_000, node in 0..NODES) {
            prop_assert_eq!(time_of(Ids::new(node).next(at(ms))), at(ms));
        }

        /// Two nodes never make the same id.
        #[test]
        fn nodes_do_not_meet(ms in 1i64..2_000_000_000_000, a in 0..NODES, b in 0..NODES) {
            prop_assume!(a != b);
            let (a, b) = (Ids::new(a), Ids::new(b));
            let made: std::collections::HashSet<i64> = (0..5_000).flat_map(|_| [a.next(at(ms)), b.next(at(ms))]).collect();
            prop_assert_eq!(made.len(), 10_000);
        }
    }

    #[test]
    fn threads_do_not_meet() {
        let ids = Ids::new(7);
        let made: Vec<i64> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| (0..20_000).map(|_| ids.next(at(5))).collect::<Vec<_>>())).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
        });
        assert_eq!(made.len(), 80_000);
        assert_eq!(made.iter().collect::<std::collections::HashSet<_>>().len(), 80_000);
    }
}
