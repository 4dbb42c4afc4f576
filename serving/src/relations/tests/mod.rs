//! Relations on a database of their own, with failures of the test.
#![allow(clippy::unwrap_used)]

mod model;
mod suite;

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use features::event::{Event, InteractionEvent, InteractionKind};
use features::ids::{EventId, UserId, derived_event_id};
use features::relations::{Act, Friendship, Pair, Refusal, Side};
use sea_query::{Alias, ExprTrait, Order};

use super::service::{Deed, Trip};
use super::*;
use crate::db::statement::{col, select};
use crate::db::{self, DatabaseConfig, Db, DbError};

pub(crate) use self::suite::suite;

/// Failures by chance: so many of a thousand.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    per_mille: AtomicU64,
    drawn: AtomicU64,
    /// Acts that were committed and told as failed.
    unknown: AtomicU64,
}

impl Faults {
    pub(super) fn trip(&self, at: Trip) -> Result<(), DbError> {
        let n = self.drawn.fetch_add(1, Ordering::Relaxed);
        // SplitMix64: evenly spread, and the same for the same number.
        let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        if z % 1_000 >= self.per_mille.load(Ordering::Relaxed) {
            return Ok(());
        }
        if at == Trip::AfterCommit {
            self.unknown.fetch_add(1, Ordering::Relaxed);
        }
        // Some are tried again at once, some are told.
        Err(if z & 0x10000 == 0 { DbError::Conflict("of the test".to_owned()) } else { DbError::Failed("the test says so".to_owned()) })
    }
}

pub(super) fn at(s: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap() + TimeDelta::seconds(s)
}

/// An act with an id of its own.
pub(super) fn deed(id: &str, act: Act, actor: u64, target: u64, s: i64) -> Deed {
    (act, InteractionEvent::new(derived_event_id(&[id]), at(s), act.kind(), UserId(actor), UserId(target)))
}

/// Everything that is on its way to the event log, by id of the rows.
pub(super) async fn published(db: &Db) -> Vec<InteractionEvent> {
    let (mut after, mut all) = (0, Vec::new());
    loop {
        let mut wanted = select("outbox", ["id", "event"]);
        wanted.and_where(col("id").gt(after)).order_by(Alias::new("id"), Order::Asc).limit(20_000);
        let rows = db.all(&wanted).await.unwrap();
        let Some(last) = rows.last() else { return all };
        after = last.int("id").unwrap();
        for row in &rows {
            let Event::Interaction(event) = Event::decode(row.text("event").unwrap().as_bytes()).unwrap() else { panic!("{row:?}") };
            all.push(event);
        }
    }
}

/// All of a list, read page by page.
pub(super) async fn whole(relations: &Relations, of: u64, list: List, most: usize) -> Vec<u64> {
    let (mut after, mut all) = (None, Vec::new());
    loop {
        let page = relations.list(UserId(of), list, after, most).await.unwrap();
        all.extend(page.entries.iter().map(|entry| entry.user.0));
        after = page.entries.last().map(|entry| entry.place);
        if !page.more {
            return all;
        }
    }
}

pub(super) async fn sqlite() -> (Db, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(&DatabaseConfig::default(), folder.path()).await.unwrap();
    db::up(&db, at(0)).await.unwrap();
    (db, folder)
}
