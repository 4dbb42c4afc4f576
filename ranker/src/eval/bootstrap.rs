//! How sure a number is: intervals by drawing the rows again.

use std::collections::BTreeMap;

use features::ids::UserId;

use super::real;
use crate::chance::{Purpose, bits};

/// A number and what it could as well have been.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The statistic of all rows.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The percentile bootstrap (Efron 1979; Efron and Tibshirani 1993, chapter 13), deterministic by its seed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// How often the rows are drawn again; a thousand is usual.
    pub replicates: u32,
    /// The share of replicates within the interval, between 0 and 1, e.g. 0.95.
    pub level: f64,
    /// The seed of the draws.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { replicates: 1_000, level: 0.95, seed: 0 }
    }
}

impl Bootstrap {
    /// The interval of a statistic whose rows come in groups (viewers, waves): whole groups are drawn with replacement, because rows of the
    /// same person are not independent and drawing them apart would make the interval too narrow (Davison and Hinkley 1997, section 3.8).
    /// For independent rows give each a group of its own.
    ///
    /// `None` when the statistic of all rows is, or when it is undefined in more than half of the replicates; replicates without a value
    /// are left out otherwise.
    pub fn interval<T: Clone>(&self, groups: &[Vec<T>], statistic: impl Fn(&[T]) -> Option<f64>) -> Option<Interval> {
        let value = statistic(&groups.concat())?;
        let mut drawn = Vec::with_capacity(self.replicates as usize);
        let mut rows = Vec::new();
        for replicate in 0..self.replicates {
            rows.clear();
            for draw in 0..groups.len() {
                rows.extend_from_slice(&groups[self.pick(replicate, draw, groups.len())]);
            }
            drawn.extend(statistic(&rows));
        }
        drawn.sort_unstable_by(f64::total_cmp);
        let enough = drawn.len() * 2 > self.replicates as usize;
        let tail = (1.0 - self.level.clamp(0.0, 1.0)) / 2.0;
        enough.then(|| Interval { value, low: quantile(&drawn, tail), high: quantile(&drawn, 1.0 - tail) })
    }

    /// One number of `0..n`, the same for the same seed, replicate and draw.
    fn pick(&self, replicate: u32, draw: usize, n: usize) -> usize {
        let at = UserId((u64::from(replicate) << 32) | draw as u64);
        let wide = u128::from(bits(self.seed, Purpose::Sample, at)) * n as u128;
        #[expect(clippy::cast_possible_truncation, reason = "below n")]
        let index = (wide >> 64) as usize;
        index
    }
}

/// Rows by the group they belong to, groups in the order of their keys, rows in theirs.
pub fn groups<K: Ord, T>(rows: impl IntoIterator<Item = (K, T)>) -> Vec<Vec<T>> {
    let mut grouped: BTreeMap<K, Vec<T>> = BTreeMap::new();
    for (key, row) in rows {
        grouped.entry(key).or_default().push(row);
    }
    grouped.into_values().collect()
}

/// The quantile of sorted values by linear interpolation (type 7 of Hyndman and Fan 1996). Callers have at least one value.
fn quantile(sorted: &[f64], at: f64) -> f64 {
    let place = at * real(sorted.len() - 1);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index of the slice")]
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (place - place.floor())
}
