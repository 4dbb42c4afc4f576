//! Threads for the arithmetic.
//!
//! candle spreads every matrix product over all cores. The products of small encoders take a few
//! dozen microseconds each, and waking and awaiting the other cores costs more than they help: on
//! two cores it more than doubled the CPU time per text. So each lane here is a pool of one thread, in which
//! a product stays, and the cores share the work by whole batches instead.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::EmbedError;

/// More lanes than this do not help: they would share the memory's bandwidth.
const MOST: usize = 16;

/// One-thread pools, one for each core.
pub(crate) struct Lanes {
    lanes: Vec<Lane>,
}

struct Lane {
    pool: ThreadPool,
    /// Calls that run in the lane or wait for it.
    load: AtomicUsize,
}

impl Lanes {
    pub(crate) fn new() -> Result<Self, EmbedError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from).min(MOST);
        let lane = |i| {
            let builder = ThreadPoolBuilder::new().num_threads(1);
            let pool = builder.thread_name(move |_| format!("embed-{i}")).build();
            let pool = pool.map_err(|error| EmbedError::Threads(error.to_string()))?;
            Ok(Lane { pool, load: AtomicUsize::new(0) })
        };
        Ok(Self { lanes: (0..cores).map(lane).collect::<Result<_, EmbedError>>()? })
    }

    /// How many pieces of work run at the same time.
    pub(crate) fn count(&self) -> usize {
        self.lanes.len()
    }

    /// `work` of every item, in the order of the items.
    pub(crate) fn map<I: Sync, O: Send>(&self, items: &[I], work: impl Fn(&I) -> O + Sync) -> Vec<O> {
        if let [item] = items {
            return vec![self.run(|| work(item))];
        }
        let next = AtomicUsize::new(0);
        let take = || {
            let mut done = Vec::new();
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(i) else { return done };
                done.push((i, self.run(|| work(item))));
            }
        };
        let mut results: Vec<(usize, O)> = std::thread::scope(|scope| {
            let helpers: Vec<_> = (0..self.lanes.len().min(items.len())).map(|_| scope.spawn(take)).collect();
            helpers.into_iter().flat_map(|helper| helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        results.sort_by_key(|&(i, _)| i);
        results.into_iter().map(|(_, result)| result).collect()
    }

    /// Runs `work` in the lane with the least to do and waits for it.
    fn run<O: Send>(&self, work: impl FnOnce() -> O + Send) -> O {
        let least = self.lanes.iter().min_by_key(|lane| lane.load.load(Ordering::Relaxed));
        let lane = least.unwrap_or(&self.lanes[0]);
        lane.load.fetch_add(1, Ordering::Relaxed);
        let result = lane.pool.install(work);
        lane.load.fetch_sub(1, Ordering::Relaxed);
        result
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Lanes;

    #[test]
    fn results_keep_the_order_of_the_items() {
        let lanes = Lanes::new().unwrap();
        let items: Vec<u64> = (0..200).collect();
        let squares = lanes.map(&items, |&i| {
            std::thread::sleep(std::time::Duration::from_micros(200 - i));
            i * i
        });
        assert_eq!(squares, items.iter().map(|i| i * i).collect::<Vec<_>>());
        assert!(lanes.map(&[] as &[u64], |&i| i).is_empty());
        assert_eq!(lanes.map(&[7], |_| rayon::current_num_threads()), [1]);
    }
}
