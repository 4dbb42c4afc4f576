//! 64-bit ids that sort by time: 43 bits of milliseconds since 2020 and 20 bits of counter and chance.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use features::ids::{EventId, MomentId};

const EPOCH_MS: i64 = 1_577_836_800_000;

static LAST: AtomicU64 = AtomicU64::new(0);

/// A new id, larger than all before of this process.
pub(super) fn next(now: DateTime<Utc>, event_id: EventId) -> MomentId {
    let ms = u64::try_from(now.timestamp_millis() - EPOCH_MS).unwrap_or(0) << 20;
    let wanted = ms | (event_id.as_u64_pair().1 & 0xf_ffff);
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(wanted.max(last + 1))).unwrap_or(wanted);
    MomentId(wanted.max(last + 1))
}

/// The id that belongs to an event id derived from an `Idempotency-Key`: always the same, not sorted by time.
pub(super) fn of(event_id: EventId) -> MomentId {
    MomentId((event_id.as_u64_pair().0 >> 1).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow() {
        let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap_or_default();
        let ids: Vec<MomentId> = (0..1000).map(|_| next(now, EventId::now_v7())).collect();
        assert!(ids.windows(2).all(|w| w[0] < w[1]));
    }
}
