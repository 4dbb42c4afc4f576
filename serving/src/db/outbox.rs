//! Events that belong to rows: written in the transaction of the rows, relayed to `inbox` after it, deleted once they are durable there.
//!
//! "The row is written" and "the event is published" so are one thing. A relay that is killed between publishing and deleting publishes again:
//! the gate drops what it has seen by the id of the event. Each node relays what it has written; what another node has left for half a minute is
//! relayed by all.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use features::event::Event;
use pipelines::supervisor::{JobContext, JobError};
use sea_query::{Alias, Cond, ExprTrait, Order};

use super::schema::{index, long_text, number, table, text};
use super::statement::{col, delete, insert, select};
use super::{Db, DbError, Kind, Row, Step, Tx, key, micros};
use crate::sink::EventSink;

/// The name of the relay among the jobs.
pub const NAME: &str = "relay";
/// The table.
pub(super) const TABLE: &str = "outbox";
/// Events that are sent at the same time.
const AT_ONCE: u64 = 500;
/// How long a node has for what it has written, before others take it for gone.
const OTHERS: TimeDelta = TimeDelta::seconds(30);
/// How long the relay waits for a bell before it looks by itself.
const ROUND: Duration = Duration::from_secs(1);

pub(super) fn tables(kind: Kind) -> Vec<Step> {
    let mut outbox = table(kind, TABLE);
    outbox
        .col(number("id").primary_key())
        .col(number("shard_key"))
        .col(number("node"))
        .col(text("event_id", 36))
        .col(long_text(kind, "event"))
        .col(number("created_at"));
    vec![Step::Create(Box::new(outbox)), index(kind, TABLE, &["shard_key"], false)]
}

/// Puts an event into the transaction. Once that is committed the event comes into `inbox`, and otherwise it does not.
///
/// # Errors
/// When the database fails.
pub async fn put(tx: &mut Tx, db: &Db, event: &Event, now: DateTime<Utc>) -> Result<(), DbError> {
    let text = String::from_utf8(event.encode()).map_err(|e| DbError::Unexpected(e.to_string()))?;
    let values = [
        db.ids.next(now).into(),
        key(event.actor()).into(),
        db.ids.node().into(),
        event.event_id().to_string().into(),
        text.into(),
        micros(now).into(),
    ];
    let row = insert(TABLE, ["id", "shard_key", "node", "event_id", "event", "created_at"], values);
    tx.run(&row).await?;
    tx.put = true;
    Ok(())
}

/// Relays what waits now; how many events that were. Those that cannot be read stay, and are told in the log.
///
/// # Errors
/// When the database fails, or the events can be made durable nowhere.
pub async fn relay(db: &Db, sink: &EventSink, now: DateTime<Utc>) -> Result<u64, JobError> {
    let failed = |what| move |error: DbError| JobError::failed(what, error);
    let (mut after, mut sent) = (0, 0);
    loop {
        let rows = waiting(db, after, now).await.map_err(failed("read the outbox"))?;
        let Some(last) = rows.last() else { return Ok(sent) };
        after = last.int("id").map_err(failed("read the outbox"))?;
        let (ids, events) = readable(&rows).map_err(failed("read the outbox"))?;
        sink.publish(&events).await.map_err(|e| JobError::failed("publish what the outbox holds", e))?;
        let mut done = delete(TABLE);
        done.and_where(col("id").is_in(ids));
        if !events.is_empty() {
            db.run(&done).await.map_err(failed("empty the outbox"))?;
        }
        sent += events.len() as u64;
    }
}

/// Rows that this node is to relay, by id, after one of them.
pub(super) async fn waiting(db: &Db, after: i64, now: DateTime<Utc>) -> Result<Vec<Row>, DbError> {
    let mine = Cond::any().add(col("node").eq(db.ids.node())).add(col("created_at").lt(micros(now - OTHERS)));
    let mut wanted = select(TABLE, ["id", "event"]);
    wanted.cond_where(Cond::all().add(col("id").gt(after)).add(mine)).order_by(Alias::new("id"), Order::Asc).limit(AT_ONCE);
    db.all(&wanted).await
}

fn readable(rows: &[Row]) -> Result<(Vec<i64>, Vec<Event>), DbError> {
    let (mut ids, mut events, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for row in rows {
        let id = row.int("id")?;
        match Event::decode(row.text("event")?.as_bytes()) {
            Ok(event) => {
                ids.push(id);
                if seen.insert(event.event_id()) {
                    events.push(event);
                }
            }
            Err(error) => tracing::error!(id, %error, "an event of the outbox cannot be read; it stays there"),
        }
    }
    Ok((ids, events))
}

/// The job that relays, at once when something is put here, and every second.
///
/// # Errors
/// When the database fails, or the events can be made durable nowhere; the next start goes on.
pub async fn run(db: Db, sink: &EventSink, context: JobContext) -> Result<(), JobError> {
    context.progress.running();
    loop {
        let now = (context.clock)();
        let sent = relay(&db, sink, now).await?;
        context.progress.advance(sent, 0, now);
        tokio::select! {
            () = context.shutdown.cancelled() => return Ok(()),
            () = db.outbox.notified() => {}
            () = tokio::time::sleep(ROUND) => {}
        }
    }
}
