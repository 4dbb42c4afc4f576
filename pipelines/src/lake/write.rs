//! Records of one partition to Parquet files, one per day. Pure CPU.

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::{SortColumn, lexsort_to_indices, sort_to_indices, take_record_batch};
use arrow::datatypes::{Schema, TimestampMicrosecondType};
use chrono::{DateTime, NaiveDate};
use features::topic::Topic;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::files::LakeError;
use crate::bus::Record;
use crate::tables::{decode, id_columns, long_columns, time_column};

/// What became of the records.
pub(super) struct Written {
    /// A Parquet file per day.
    pub(super) days: Vec<DayFile>,
    /// Records that are no rows of the table, and why.
    pub(super) refused: Vec<(Record, String)>,
}

/// A file that is not written yet.
pub(super) struct DayFile {
    pub(super) day: NaiveDate,
    pub(super) bytes: Vec<u8>,
    pub(super) rows: u64,
}

/// Makes the files of one flush. Tombstones are no rows: what is erased leaves no trace here.
pub(super) fn files_of(topic: Topic, records: &[Record]) -> Result<Written, LakeError> {
    let with_value: Vec<&Record> = records.iter().filter(|r| r.value.is_some()).collect();
    let values: Vec<&[u8]> = with_value.iter().map(|r| r.value.as_deref().unwrap_or_default()).collect();
    let failed = |e: arrow::error::ArrowError| LakeError::data(format!("make rows of `{}`", topic.name()), e);
    let decoded = decode(topic, &values).map_err(failed)?;
    let refused = decoded.bad.into_iter().map(|(at, reason)| (with_value[at].clone(), reason)).collect();
    let mut days = Vec::new();
    for (day, rows) in by_day(topic, &decoded.batch).map_err(failed)? {
        let rows = if topic == Topic::Portraits { by_user(&rows).map_err(failed)? } else { rows };
        days.push(DayFile { day, bytes: parquet(topic, &rows)?, rows: rows.num_rows() as u64 });
    }
    Ok(Written { days, refused })
}

/// Sorts rows by time and cuts them at midnight UTC.
fn by_day(topic: Topic, batch: &RecordBatch) -> Result<Vec<(NaiveDate, RecordBatch)>, arrow::error::ArrowError> {
    const DAY: i64 = 86_400_000_000;
    let times: ArrayRef = batch[time_column(topic)].clone();
    let order = sort_to_indices(&times, None, None)?;
    let sorted = take_record_batch(batch, &order)?;
    let times = sorted[time_column(topic)].as_primitive::<TimestampMicrosecondType>().values().to_vec();
    let mut days = Vec::new();
    let mut from = 0;
    while from < times.len() {
        let day = times[from].div_euclid(DAY);
        let to = times.partition_point(|time| time.div_euclid(DAY) <= day);
        let date = DateTime::from_timestamp_micros(day * DAY).unwrap_or_default().date_naive();
        days.push((date, sorted.slice(from, to - from)));
        from = to;
    }
    Ok(days)
}

/// Sorts portraits by user, versions after each other: most of a version is as it was in the one before, and packs to nothing beside it.
fn by_user(portraits: &RecordBatch) -> Result<RecordBatch, arrow::error::ArrowError> {
    let column = |name| SortColumn { values: ArrayRef::clone(&portraits[name]), options: None };
    take_record_batch(portraits, &lexsort_to_indices(&[column("user_id"), column("version")], None)?)
}

/// The columns that rows of a file are sorted by; the first one is noted in the file.
pub(super) fn sorted_by(topic: Topic) -> [&'static str; 2] {
    match topic {
        Topic::Portraits => ["user_id", "version"],
        Topic::DeadLetters => ["refused_at", "offset"],
        Topic::Embeddings => ["event_time", "user_id"],
        _ => [time_column(topic), "event_id"],
    }
}

/// zstd level of a flush: what counts is that it is over soon.
pub(super) const QUICK: i32 = 1;

/// zstd level of a file that is written once and read often: six packs nearly as well as the slow ones.
pub(super) const THOROUGH: i32 = 6;

/// How files of a table are written: sorted, with statistics and bloom filters on ids for about `rows` rows in a row group.
pub(super) fn properties(topic: Topic, schema: &Schema, rows: u64, level: i32) -> Result<WriterProperties, LakeError> {
    let failed = |e: parquet::errors::ParquetError| LakeError::data(format!("write rows of `{}` as Parquet", topic.name()), e);
    let order = schema.index_of(sorted_by(topic)[0]).map_err(|e| LakeError::data("find the column of the order", e))?;
    let sorting = SortingColumn { column_idx: i32::try_from(order).unwrap_or(0), descending: false, nulls_first: false };
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(level).map_err(failed)?))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_sorting_columns(Some(vec![sorting]))
        .set_created_by("hongniang".to_owned());
    for id in id_columns(topic) {
        let path = ColumnPath::from(id.as_str());
        properties =
            properties.set_column_bloom_filter_enabled(path.clone(), true).set_column_bloom_filter_max_ndv(path.clone(), rows.max(1));
        if id == "event_id" {
            properties = properties.set_column_dictionary_enabled(path, false);
        }
    }
    for name in long_columns(topic) {
        let path = ColumnPath::from(*name);
        properties =
            properties.set_column_dictionary_enabled(path.clone(), false).set_column_statistics_enabled(path, EnabledStatistics::None);
    }
    Ok(properties.build())
}

fn parquet(topic: Topic, rows: &RecordBatch) -> Result<Vec<u8>, LakeError> {
    let failed = |e: parquet::errors::ParquetError| LakeError::data(format!("write rows of `{}` as Parquet", topic.name()), e);
    let properties = properties(topic, &rows.schema(), rows.num_rows() as u64, QUICK)?;
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties)).map_err(failed)?;
    writer.write(rows).map_err(failed)?;
    writer.into_inner().map_err(failed)
}
