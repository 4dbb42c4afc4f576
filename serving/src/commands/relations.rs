//! `relations rebuild`: rows of relations out of the lake.

use std::time::{Duration, Instant};

use anyhow::Context;
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use features::event::{InteractionEvent, InteractionKind};
use features::ids::EventId;
use features::relations::Act;
use futures::StreamExt;
use index::ledger::Ledger;
use pipelines::query::open;
use serde::Serialize;
use std::sync::Arc;

use super::Global;
use super::report::{ReportArgs, print};
use crate::db::{Db, prepare};
use crate::relations::{Rebuilt, Relations};

/// Events that are taken together; all of a pair are.
const AT_ONCE: usize = 50_000;
/// How often the progress is told.
const TELL: Duration = Duration::from_secs(3);

/// What can be done with relations.
#[derive(Debug, Subcommand)]
pub(super) enum RelationsCommand {
    /// Writes who follows, befriends and blocks whom into the database, out of the interactions of the lake: after an import, or where there were no tables before.
    #[command(
        after_help = "Events are taken in order of time, by the rules of docs/RELATIONS.md. Pairs whose rows are as new or newer stay as they are: the same again changes\nnothing, and a node may run on the same database. What is not in the lake yet (lake.flush_s) comes with the next time.\n\nExamples:\n  hongniang relations rebuild\n  hongniang relations rebuild --lake s3://bucket/lake --format json"
    )]
    Rebuild(RebuildArgs),
}

/// Flags of `rebuild`.
#[derive(Debug, Args)]
pub(super) struct RebuildArgs {
    /// The lake, a folder or a URL; that of the configuration, when left out.
    #[arg(long, value_name = "PLACE")]
    lake: Option<String>,
    #[command(flatten)]
    report: ReportArgs,
}

#[derive(Debug, Serialize)]
struct Row {
    events: u64,
    pairs: u64,
    written: u64,
    friends: u64,
}

pub(super) async fn run(global: &Global, command: RelationsCommand) -> anyhow::Result<()> {
    let RelationsCommand::Rebuild(args) = command;
    let config = global.load()?;
    let db = Db::open(&config.database, &config.data_dir).await?;
    prepare(&db, &config.database, Utc::now()).await?;
    // Of whom there are no rows the ledger would be asked; here the events are asked.
    let relations = Relations::new(db.clone(), Arc::new(Ledger::default()), &config.relations);
    let lake = args.lake.unwrap_or_else(|| config.lake_place());
    let session = open(&lake, &config.query.limits(None)).await.with_context(|| format!("the lake at {lake} cannot be opened"))?;
    let kinds: Vec<String> = Act::ALL.iter().map(|act| format!("'{}'", act.kind().name())).collect();
    let sql = format!(
        "SELECT event_id, event_time, kind, actor_id, target_id FROM interactions WHERE kind IN ({}) \
         ORDER BY LEAST(actor_id, target_id), GREATEST(actor_id, target_id), event_time, event_id",
        kinds.join(", ")
    );
    let mut batches = session.sql(&sql).await?.execute_stream().await.with_context(|| format!("the lake at {lake} cannot be read"))?;
    let (mut waiting, mut sum, mut read, mut told) = (Vec::new(), Rebuilt::default(), 0u64, Instant::now());
    while let Some(batch) = batches.next().await {
        let events = events(&batch?)?;
        read += events.len() as u64;
        waiting.extend(events);
        if waiting.len() >= AT_ONCE {
            let rest = waiting.split_off(whole_pairs(&waiting));
            sum.add(relations.rebuild(&waiting, Utc::now()).await?);
            waiting = rest;
        }
        if told.elapsed() > TELL {
            told = Instant::now();
            eprintln!("relations: {read} events, {} pairs, {} written", sum.pairs, sum.written);
        }
    }
    sum.add(relations.rebuild(&waiting, Utc::now()).await?);
    db.close().await;
    let Rebuilt { pairs, written, friends } = sum;
    print(&[Row { events: read, pairs, written, friends }], args.report.format)
}

/// How many of the first events are of pairs that are complete: of the last one more may come.
fn whole_pairs(events: &[InteractionEvent]) -> usize {
    let pair = |event: &InteractionEvent| (event.actor_id.min(event.target_id), event.actor_id.max(event.target_id));
    let Some(last) = events.last().map(pair) else { return 0 };
    events.len() - events.iter().rev().take_while(|event| pair(event) == last).count()
}

/// Rows of the lake as events.
fn events(batch: &RecordBatch) -> anyhow::Result<Vec<InteractionEvent>> {
    let texts = |name: &str| {
        let column = batch.column_by_name(name).with_context(|| format!("the lake has no column {name}"))?;
        arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8).with_context(|| format!("the column {name} is no text"))
    };
    let (ids, kinds, actors, targets) = (texts("event_id")?, texts("kind")?, texts("actor_id")?, texts("target_id")?);
    let times = batch.column_by_name("event_time").context("the lake has no column event_time")?;
    let times = times.as_primitive_opt::<TimestampMicrosecondType>().context("event_time is no time in microseconds")?;
    let event = |row: usize| -> anyhow::Result<InteractionEvent> {
        let text = |column: &Arc<dyn arrow::array::Array>| column.as_string::<i32>().value(row).to_owned();
        let kind: InteractionKind = serde_json::from_value(text(&kinds).into())?;
        let at = DateTime::from_timestamp_micros(times.value(row)).context("event_time is out of range")?;
        let (actor, target) = (text(&actors).parse()?, text(&targets).parse()?);
        Ok(InteractionEvent::new(text(&ids).parse::<EventId>()?, at, kind, actor, target))
    };
    (0..batch.num_rows()).map(event).collect::<anyhow::Result<Vec<_>>>().context("a row of `interactions` in the lake is no event")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use features::ids::{UserId, derived_event_id};

    use super::*;

    #[test]
    fn a_pair_is_not_cut_in_two() {
        let event = |(actor, target): (u64, u64)| {
            let at = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
            InteractionEvent::new(derived_event_id(&["x"]), at, InteractionKind::Like, UserId(actor), UserId(target))
        };
        let events = |pairs: &[(u64, u64)]| pairs.iter().copied().map(event).collect::<Vec<_>>();
        assert_eq!(whole_pairs(&events(&[(1, 2), (2, 1), (1, 3), (3, 1), (1, 3)])), 2);
        assert_eq!(whole_pairs(&events(&[(1, 2), (2, 1)])), 0, "more may come");
        assert_eq!(whole_pairs(&[]), 0);
    }
}
