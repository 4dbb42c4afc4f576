//! Sums of one day: what a feature set gives over the rows that the lake has of it.
//!
//! Sums add up, so a set over all of the past is the sum of its days, and a day that was computed once need not be computed again while the
//! files of that day are the same. Partial sums are Parquet files named by what they were computed from:
//! `backfill/partials/<set>/<day>-<fingerprint>.parquet`, in the order of their keys.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use features::sets::FeatureSet;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use sha2::{Digest, Sha256};

use super::error::BackfillError;
use super::workshop::{Store, Workshop};
use crate::lake::{Stock, StoredFile};
use crate::runner::{PLACE, sql_hash};
use crate::tables::schema;

/// Raised when the form of the files changes.
const FORMAT: &str = "1";

/// One day of one set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    /// The day of its rows.
    pub(super) day: NaiveDate,
    /// Its files in the lake.
    pub(super) files: Vec<String>,
    /// Their size.
    pub(super) bytes: u64,
    /// Where its sums lie.
    pub(super) path: String,
}

pub(super) fn hex(digest: &[u8]) -> String {
    digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

fn fingerprint(set: &FeatureSet, files: &[&StoredFile]) -> String {
    let mut digest = Sha256::new();
    digest.update(format!("{FORMAT}\n{}\n", sql_hash(set)));
    for file in files {
        digest.update(format!("{} {} {}\n", file.name.path(), file.bytes, file.written.timestamp_micros()));
    }
    hex(&digest.finalize())
}

fn folder(set: &FeatureSet) -> String {
    format!("{PLACE}/partials/{}", set.name)
}

/// The days of a set, in order.
pub(super) fn units(set: &FeatureSet, stock: &Stock) -> Vec<Unit> {
    let mut days: BTreeMap<NaiveDate, Vec<&StoredFile>> = BTreeMap::new();
    for file in stock.files.iter().filter(|file| file.name.topic == set.source.name()) {
        days.entry(file.name.day).or_default().push(file);
    }
    let unit = |(day, files): (NaiveDate, Vec<&StoredFile>)| Unit {
        day,
        path: format!("{}/{day}-{}.parquet", folder(set), fingerprint(set, &files)),
        bytes: files.iter().map(|file| file.bytes).sum(),
        files: files.iter().map(|file| file.name.path()).collect(),
    };
    days.into_iter().map(unit).collect()
}

/// The day of a file of partial sums.
fn day_of(path: &str) -> Option<NaiveDate> {
    path.rsplit('/').next()?.get(..10)?.parse().ok()
}

/// The partial sums of a set that are there.
pub(super) async fn there(workshop: &Workshop, set: &FeatureSet) -> Result<BTreeSet<String>, BackfillError> {
    let under = Path::from(folder(set));
    let found: Vec<ObjectMeta> =
        workshop.work().list(Some(&under)).try_collect().await.map_err(|e| BackfillError::failed(format!("list `{under}`"), e))?;
    Ok(found.into_iter().map(|meta| meta.location.to_string()).filter(|path| path.ends_with(".parquet")).collect())
}

/// Removes partial sums of some days, so that they are computed again.
pub(super) async fn forget(workshop: &Workshop, set: &FeatureSet, days: impl Fn(NaiveDate) -> bool) -> Result<(), BackfillError> {
    for path in there(workshop, set).await? {
        if day_of(&path).is_some_and(&days) {
            workshop.remove(&path).await?;
        }
    }
    Ok(())
}

/// Removes partial sums that no unit needs any more.
pub(super) async fn prune(workshop: &Workshop, set: &FeatureSet, units: &[Unit]) -> Result<(), BackfillError> {
    for path in there(workshop, set).await? {
        if units.iter().all(|unit| unit.path != path) {
            workshop.remove(&path).await?;
        }
    }
    Ok(())
}

/// The columns of a set in the form in which sums are kept: key columns as text, `version` as a whole number, the rest as doubles.
pub(super) fn columns(set: &FeatureSet, value: impl Fn(&str) -> String, version: &str) -> String {
    let keys = set.key_columns.iter().map(|name| format!("CAST(\"{name}\" AS VARCHAR) AS \"{name}\""));
    let values = set.value_columns.iter().map(|name| format!("CAST({} AS DOUBLE) AS \"{name}\"", value(&format!("\"{name}\""))));
    keys.chain([format!("CAST({version} AS BIGINT) AS \"version\"")]).chain(values).collect::<Vec<_>>().join(", ")
}

pub(super) fn keys(set: &FeatureSet) -> String {
    set.key_columns.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

/// Computes one day; returns how many events it has read.
pub(super) async fn compute(workshop: &Workshop, set: &FeatureSet, unit: &Unit) -> Result<u64, BackfillError> {
    let what = || format!("compute `{}` of {}", set.name, unit.day);
    let failed = |e: datafusion::error::DataFusionError| BackfillError::failed(what(), e);
    let table = schema(set.source).ok_or_else(|| BackfillError::failed(what(), "its source has no table"))?;
    let session = workshop.session().map_err(failed)?;
    workshop.table(&session, set.source.name(), Store::Lake, &unit.files, table).map_err(failed)?;
    let events = session.table(set.source.name()).await.map_err(failed)?.count().await.map_err(failed)?;
    let columns = columns(set, |value| format!("COALESCE({value}, 0)"), "\"version\"");
    // Rows with a null in their key belong to nobody.
    let known = set.key_columns.iter().map(|name| format!("\"{name}\" IS NOT NULL")).collect::<Vec<_>>().join(" AND ");
    let sql = format!("SELECT {columns} FROM ({}) AS day_of_set WHERE {known} ORDER BY {}", set.sql, keys(set));
    workshop.write(&session, &sql, &unit.path).await?;
    Ok(events as u64)
}
