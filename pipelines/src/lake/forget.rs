//! Files without people who are erased.
//!
//! Every file that counts is looked at by the columns that name people. One with such rows is written anew without them and swapped as `compact` swaps files: at once, or not at all.
//! A file never changes, so the new one has a name of its own: the range of offsets without its last one. At least one row has gone, so the range still has room for
//! all others. A file of which nothing is left goes. Then everything that was replaced, by this or by any compaction before, is removed for good, whatever `keep_h` says: a query that began before may
//! fail for it. `portrait_days` has one file a day, which is replaced as a whole, as ever.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::{filter_record_batch, not};
use chrono::{DateTime, Utc};
use datafusion::error::DataFusionError;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::TryStreamExt;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::file::properties::WriterProperties;
use serde::Serialize;

use super::files::{FileName, Files, LakeError};
use super::footer::footer;
use super::manifest;
use super::portrait_days;
use super::reading::counted;
use super::swaps::{Swaps, staged};
use super::write::{THOROUGH, properties};
use crate::forget::Names;
use crate::query::write_rows;
use crate::snapshots::open_store;
use crate::tables::{PORTRAIT_DAYS, TABLES, table_of};

/// Rows that are looked at together.
const TOGETHER: usize = 2_048;

/// What was found in a table, and taken out of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Forgotten {
    /// The table.
    pub table: String,
    /// Files with such rows.
    pub files: u64,
    /// Such rows.
    pub rows: u64,
}

/// Takes every row out of the lake at `place` that names some people; with `dry` it only says how many there are. Safe beside a running lake writer and beside readers; killed at any point, the
/// next one goes on. `now` is the time.
///
/// # Errors
/// When the store fails, or [`LakeError::Overtaken`] when another process has begun to compact.
pub async fn forget(place: &str, names: &Names, dry: bool, now: DateTime<Utc>) -> Result<Vec<Forgotten>, LakeError> {
    forget_in(&Files::new(open_store(place)?), names, dry, now).await
}

pub(super) async fn forget_in(files: &Files, names: &Names, dry: bool, now: DateTime<Utc>) -> Result<Vec<Forgotten>, LakeError> {
    let mut swaps = if dry { None } else { Some(Swaps::claim(files, now).await?) };
    let mut told = Vec::new();
    for table in TABLES.into_iter().map(|topic| topic.name()).chain([PORTRAIT_DAYS]) {
        let mut one = Forgotten { table: table.to_owned(), files: 0, rows: 0 };
        for name in listed(files, table).await? {
            let rows = named(files, &name, names).await?;
            if rows == 0 {
                continue;
            }
            one.files += 1;
            one.rows += rows;
            if let Some(swaps) = &mut swaps {
                replace(swaps, &name, names, rows, now).await?;
            }
        }
        if one.rows > 0 {
            told.push(one);
        }
    }
    if let Some(swaps) = swaps {
        manifest::fold(files).await?;
        swaps.remove_replaced().await?;
    }
    Ok(told)
}

async fn listed(files: &Files, table: &str) -> Result<Vec<FileName>, LakeError> {
    if table == PORTRAIT_DAYS {
        return files.of_table(table).await;
    }
    Ok(counted(files, table).await?.into_iter().map(|file| file.name).collect())
}

/// How many rows of a file name these people.
async fn named(files: &Files, name: &FileName, names: &Names) -> Result<u64, LakeError> {
    let path = name.path();
    let failed = |e: &dyn std::fmt::Display| LakeError::data(format!("look for people in `{path}`"), e);
    let footer = footer(files, &path).await?;
    let wanted = Names::columns(&name.topic);
    let schema = footer.reader.parquet_schema();
    let roots = footer.schema.fields().iter().enumerate().filter(|(_, field)| wanted.contains(&field.name().as_str())).map(|(at, _)| at);
    let mask = ProjectionMask::roots(schema, roots.collect::<Vec<_>>());
    let mut batches = footer.reader.with_projection(mask).with_batch_size(TOGETHER).build().map_err(|e| failed(&e))?;
    let mut found = 0;
    while let Some(batch) = batches.try_next().await.map_err(|e| failed(&e))? {
        found += names.rows(&name.topic, &batch).map_err(|e| failed(&e))?.true_count() as u64;
    }
    Ok(found)
}

/// Puts a file without `gone` rows in the place of one.
async fn replace(swaps: &mut Swaps, name: &FileName, names: &Names, gone: u64, now: DateTime<Utc>) -> Result<(), LakeError> {
    let (files, path) = (swaps.files.clone(), name.path());
    let old = footer(&files, &path).await?;
    let (all, schema) = (old.rows, Arc::clone(&old.schema));
    if name.topic == PORTRAIT_DAYS {
        return rewrite(&files, old, names, name, &Path::from(path), portrait_days::properties()?).await.map(drop);
    }
    if gone >= all {
        return swaps.swap(now, None, vec![path]).await;
    }
    let topic = table_of(&name.topic).ok_or_else(|| LakeError::data("forget people", format!("`{}` is no table", name.topic)))?;
    let output = FileName { last: name.last - 1, ..name.clone() };
    let to = staged(swaps.owner, &output.path());
    let rows = rewrite(&files, old, names, name, &to, properties(topic, &schema, all.min(1 << 20), THOROUGH)?).await?;
    if rows + gone != all {
        return Err(LakeError::data(format!("forget people in `{path}`"), format!("{rows} rows and {gone} that go are not {all}")));
    }
    swaps.swap(now, Some((output.path(), rows)), vec![path]).await
}

/// Writes the rows of a file that name nobody of these people; how many.
async fn rewrite(
    files: &Files,
    old: super::footer::Footer,
    names: &Names,
    name: &FileName,
    to: &Path,
    properties: WriterProperties,
) -> Result<u64, LakeError> {
    let failed = |e: DataFusionError| LakeError::data(format!("write `{}` without people", name.path()), e);
    let schema = Arc::clone(&old.schema);
    let (names, table) = (names.clone(), name.topic.clone());
    let read = old.reader.with_batch_size(TOGETHER).build().map_err(|e| failed(e.into()))?;
    let left = read.map_err(DataFusionError::from).and_then(move |batch: RecordBatch| {
        let kept = names.rows(&table, &batch).and_then(|mask| filter_record_batch(&batch, &not(&mask)?));
        std::future::ready(kept.map_err(DataFusionError::from))
    });
    let rows = Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&schema), left));
    write_rows(&files.store, to, schema, properties, rows).await.map_err(failed)
}
