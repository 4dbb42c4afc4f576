//! Everybody's portrait as it stood at the end of each day (UTC): the table `portrait_days`, one file a day, sorted by user.
//!
//! A day is made of the last one before it that is there, and of the versions in `portraits` since: of each person the newest of both. So it costs
//! what changed, and versions that are past their retention are not needed. It is a function of these and of who is alive: made again it is the
//! same. Whoever has no portrait in the event log now was erased (or never was), and is in no snapshot that is made from now on.

use std::collections::HashSet;

use arrow::array::RecordBatch;
use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use features::ids::UserId;
use features::topic::Topic;
use futures::stream;
use object_store::path::Path;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::files::{FileName, Files, LakeError};
use super::footer::footer;
use super::merge::{bounded, register};
use super::reading::{counted, readable};
use crate::bus::{Bus, Offsets};
use crate::query::write_rows;
use crate::supervisor::JobError;
use crate::tables::portrait_days::{PersonDay, rows_of};
use crate::tables::{PORTRAIT_DAYS, portrait_days_schema, schema};

mod people;

use self::people::{Kept, Versions};

/// Rows that are made together.
const TOGETHER: usize = 512;

/// A day that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayTaken {
    /// The day.
    pub day: NaiveDate,
    /// People in it.
    pub people: u64,
    /// The day it goes on from; none where it is made of versions alone.
    pub from: Option<NaiveDate>,
    /// Bytes of its file.
    pub bytes: u64,
}

fn name(day: NaiveDate) -> FileName {
    FileName { topic: PORTRAIT_DAYS.to_owned(), day, partition: 0, first: 0, last: 0 }
}

/// Days with a snapshot.
async fn taken(files: &Files) -> Result<Vec<NaiveDate>, LakeError> {
    let mut days: Vec<NaiveDate> = files.of_table(PORTRAIT_DAYS).await?.into_iter().map(|name| name.day).collect();
    days.sort();
    Ok(days)
}

/// The days after the newest snapshot up to `last`; only `last` where there is none yet, and nothing where there are no portraits.
///
/// # Errors
/// When the store fails.
pub async fn days_without(place: &str, last: NaiveDate) -> Result<Vec<NaiveDate>, LakeError> {
    let files = Files::new(crate::snapshots::open_store(place)?);
    let newest = taken(&files).await?.into_iter().max();
    let first = newest.and_then(|day| day.succ_opt()).unwrap_or(last);
    let mut days: Vec<NaiveDate> = first.iter_days().take_while(|day| *day <= last).collect();
    if newest.is_none() && counted(&files, Topic::Portraits.name()).await?.iter().all(|file| file.name.day > last) {
        days.clear();
    }
    Ok(days)
}

/// Everybody who has a portrait in the event log now.
///
/// # Errors
/// When the log does not answer.
pub async fn alive(bus: &Bus) -> Result<HashSet<UserId>, JobError> {
    let mut alive = HashSet::new();
    let portraits = bus.sweep("lake-snapshot", &[Topic::Portraits.name().to_owned()], &Offsets::default()).await?;
    portraits
        .each(|record| {
            let user = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok()).and_then(|key| key.parse().ok()).map(UserId);
            match (user, &record.value) {
                (Some(user), Some(_)) => alive.insert(user),
                (Some(user), None) => alive.remove(&user),
                (None, _) => false,
            };
        })
        .await?;
    Ok(alive)
}

/// Takes the snapshot of one day, in place of the one that may be there. Sorts take at most `memory` bytes.
///
/// # Errors
/// When the lake cannot be read or written; what was there before is still there then. When the log knows nobody although the lake has
/// portraits: it is not the log of this lake.
pub async fn take(place: &str, day: NaiveDate, alive: &HashSet<UserId>, memory: usize) -> Result<DayTaken, LakeError> {
    let what = || format!("take the snapshot of {day}");
    let failed = |e: DataFusionError| LakeError::data(what(), e);
    let files = Files::new(crate::snapshots::open_store(place)?);
    let from = taken(&files).await?.into_iter().filter(|taken| *taken < day).max();
    // The last day is looked at once more: rows that came late are in no snapshot yet.
    let versions: Vec<String> = counted(&files, Topic::Portraits.name())
        .await?
        .into_iter()
        .map(|file| file.name)
        .filter(|name| name.day <= day && from.is_none_or(|from| name.day >= from))
        .map(|name| name.path())
        .collect();
    let kept = match from {
        Some(from) => footer(&files, &name(from).path()).await?.rows,
        None => 0,
    };
    if alive.is_empty() && (kept > 0 || !versions.is_empty()) {
        let reason = "the event log has no portrait, and the lake has: it is not the log of this lake, or it was emptied; look at `kafka.brokers` and `lake.place`";
        return Err(LakeError::data(what(), reason));
    }
    let context = bounded(readable(place)?, memory).map_err(failed)?;
    let mut sources = (None, None);
    if let (false, Some(schema)) = (versions.is_empty(), schema(Topic::Portraits)) {
        register(&context, "versions", &versions, schema).map_err(failed)?;
        let sql = "SELECT user_id, portrait FROM versions ORDER BY user_id, generation, version";
        sources.0 = Some(context.sql(sql).await.map_err(failed)?.execute_stream().await.map_err(failed)?);
    }
    if let Some(from) = from {
        register(&context, "kept", &[name(from).path()], portrait_days_schema()).map_err(failed)?;
        sources.1 = Some(context.sql("SELECT * FROM kept ORDER BY user_id").await.map_err(failed)?.execute_stream().await.map_err(failed)?);
    }
    let midnight = day.checked_add_days(Days::new(1)).unwrap_or(day).and_time(NaiveTime::MIN).and_utc();
    let rows = people(Versions::new(sources.0), Kept::new(sources.1), midnight, alive.clone());
    let to = Path::from(name(day).path());
    let count = write_rows(&files.store, &to, portrait_days_schema(), properties()?, rows).await.map_err(failed)?;
    Ok(DayTaken { day, people: count, from, bytes: files.size(&to).await? })
}

/// Of each person the newest of both, as rows, in the order of users.
fn people(versions: Versions, kept: Kept, midnight: DateTime<Utc>, alive: HashSet<UserId>) -> SendableRecordBatchStream {
    let state = (versions, kept, alive);
    let batches = stream::try_unfold(state, move |(mut versions, mut kept, alive)| async move {
        let mut rows: Vec<PersonDay> = Vec::with_capacity(TOGETHER);
        while rows.len() < TOGETHER {
            let Some(person) = newer(&mut versions, &mut kept).await? else { break };
            if alive.contains(&person.user_id()) {
                rows.push(person.at(midnight));
            }
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let batch: RecordBatch = rows_of(&rows)?;
        Ok::<_, DataFusionError>(Some((batch, (versions, kept, alive))))
    });
    Box::pin(RecordBatchStreamAdapter::new(portrait_days_schema(), batches))
}

async fn newer(versions: &mut Versions, kept: &mut Kept) -> Result<Option<PersonDay>, DataFusionError> {
    let (new, old) = (versions.peek().await?, kept.peek().await?);
    let order = match (&new, &old) {
        (None, None) => return Ok(None),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (Some(new), Some(old)) => new.cmp(old),
    };
    match order {
        std::cmp::Ordering::Less => versions.next().await,
        std::cmp::Ordering::Greater => kept.next().await,
        std::cmp::Ordering::Equal => {
            let (new, old) = (versions.next().await?, kept.next().await?);
            let newest = match (new, old) {
                (Some(new), Some(old)) => Some(if old.stamp() > new.stamp() { old } else { new }),
                (new, old) => new.or(old),
            };
            Ok(newest)
        }
    }
}

/// How a day is written.
pub(super) fn properties() -> Result<WriterProperties, LakeError> {
    let level = ZstdLevel::try_new(3).map_err(|e| LakeError::data("choose a level of compression", e))?;
    let user = ColumnPath::from("user_id");
    Ok(WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_sorting_columns(Some(vec![SortingColumn { column_idx: 0, descending: false, nulls_first: false }]))
        .set_column_bloom_filter_enabled(user.clone(), true)
        .set_column_dictionary_enabled(user, false)
        .set_created_by("hongniang".to_owned())
        .build())
}
