//! Splits in time, never at random: a random split lets a model learn from next week what it is asked about this week.

/// Rows strictly before `until` are history; rows at or after it may be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeSplit<T> {
    /// The first moment that is not history, in whatever unit the rows have.
    pub until: T,
}

impl<T: Ord + Copy> TimeSplit<T> {
    /// The split whose history holds as much as possible without exceeding `share` of the rows (0 to 1); rows of the same moment are never
    /// parted. `None` without rows, or when `share` leaves nothing to be judged.
    pub fn at_share(times: impl IntoIterator<Item = T>, share: f64) -> Option<Self> {
        let mut times: Vec<T> = times.into_iter().collect();
        times.sort_unstable();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the number of rows")]
        let rank = (share.max(0.0) * super::real(times.len())).floor() as usize;
        times.get(rank).map(|until| Self { until: *until })
    }

    /// Whether a moment is history.
    pub fn is_history(&self, time: T) -> bool {
        time < self.until
    }

    /// The rows of history and the rows that may be judged, each in the given order.
    pub fn apply<R>(&self, rows: impl IntoIterator<Item = R>, time: impl Fn(&R) -> T) -> (Vec<R>, Vec<R>) {
        rows.into_iter().partition(|row| self.is_history(time(row)))
    }
}
