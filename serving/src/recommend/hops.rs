//! Viewers who hop about learn nothing more: how often the place that somebody is ranked from may change.
//!
//! Places are cells and distances buckets, so that even somebody who asks from everywhere learns a cell at best. This bounds how fast: each
//! viewer may change cells so many times in an hour (a bucket of tokens that fills evenly); beyond that the last place that counted goes on
//! counting, and the answer says so.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use features::ids::UserId;
use features::profile::Position;
use index::geo::snap;
use moka::sync::Cache;

/// Viewers remembered.
const MOST: u64 = 200_000;
const HOUR_S: f64 = 3_600.0;

/// Where somebody was, and how many changes they have left.
#[derive(Debug)]
struct Track {
    at: Position,
    left: f64,
    since: DateTime<Utc>,
}

/// Changes of place.
#[derive(Debug)]
pub(super) struct Hops {
    tracks: Cache<UserId, Arc<Mutex<Track>>>,
    per_hour: u32,
}

impl Hops {
    /// At most `per_hour` changes; 0 sets no limit.
    pub(super) fn new(per_hour: u32) -> Self {
        Self { tracks: Cache::builder().max_capacity(MOST).time_to_idle(Duration::from_secs(7_200)).build(), per_hour }
    }

    /// The place that counts, and a remark when it is not the one that was asked for.
    pub(super) fn place(&self, viewer: UserId, asked: Option<Position>, now: DateTime<Utc>) -> (Option<Position>, Option<String>) {
        let (Some(cell), true) = (asked.and_then(snap), self.per_hour > 0) else { return (asked, None) };
        let full = f64::from(self.per_hour);
        let track = self.tracks.get_with(viewer, || Arc::new(Mutex::new(Track { at: cell, left: full, since: now })));
        let mut track = track.lock().unwrap_or_else(PoisonError::into_inner);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of hours")]
        let waited = (now - track.since).num_milliseconds().max(0) as f64 / 1_000.0;
        track.left = (track.left + waited * full / HOUR_S).min(full);
        track.since = track.since.max(now);
        if cell == track.at {
            return (asked, None);
        }
        if track.left < 1.0 {
            let remark = format!("place: it changed more than {} times within an hour; the last one counts for now", self.per_hour);
            return (Some(track.at), Some(remark));
        }
        track.left -= 1.0;
        track.at = cell;
        (asked, None)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn whoever_hops_stays_where_they_were_and_may_go_on_later() {
        let hops = Hops::new(3);
        let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let at = |n: i32| Some(Position { lat: 31.0 + f64::from(n), lon: 121.0 });
        let place = |n, minutes| hops.place(UserId(1), at(n), now + TimeDelta::minutes(minutes));
        for n in 0..=3 {
            assert_eq!(place(n, 0), (at(n), None), "the first place is free, then three changes");
        }
        let (stays, remark) = place(4, 0);
        assert_eq!(stays, at(3).and_then(snap));
        assert!(remark.unwrap().contains("3 times"));
        assert_eq!(place(3, 0), (at(3), None), "staying is free");
        assert_eq!(place(4, 21), (at(4), None), "a third of an hour later there is one more");
        assert!(place(5, 21).1.is_some());
        assert_eq!(hops.place(UserId(2), at(9), now), (at(9), None), "others are not concerned");
        assert_eq!(hops.place(UserId(1), None, now), (None, None));
        let free = Hops::new(0);
        (0..100).for_each(|n| assert!(free.place(UserId(1), at(n % 50), now).1.is_none()));
    }
}
