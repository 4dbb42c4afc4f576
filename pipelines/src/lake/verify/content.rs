//! What is in one file.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::kernels::cmp::lt_eq;
use arrow::datatypes::{DataType, SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use chrono::{DateTime, Days, NaiveDate, NaiveTime};
use features::topic::Topic;
use futures::TryStreamExt;
use parquet::arrow::ProjectionMask;

use super::super::files::{FileName, Files, LakeError};
use super::super::footer::{Footer, footer};
use super::super::write::sorted_by;
use super::{Finding, finding};
use crate::tables::{table_of, time_column};

const DAMAGED: &str = "put it back from a backup; where the log still has its offsets, a new lake can be written from it";
const ELSEWHERE: &str = "it was not written by the lake writer: write it again with rows of its day only, sorted as docs/LAKE.md says";

/// What a file is like.
pub(super) struct Content {
    pub(super) rows: u64,
    pub(super) findings: Vec<Finding>,
}

/// Reads a file: its footer, and the columns that it is sorted by and that tell its day.
pub(super) async fn look(files: &Files, name: &FileName, schema: SchemaRef, noted: Option<u64>) -> Content {
    let mut findings = Vec::new();
    let rows = match footer(files, &name.path()).await {
        Ok(footer) => {
            let rows = footer.rows;
            columns(name, &footer.schema, &schema, &mut findings);
            counts(name, rows, noted, &mut findings);
            if findings.iter().all(|found| found.what != "schema")
                && let Some(topic) = table_of(&name.topic)
                && let Err(error) = order(name, topic, footer, &mut findings).await
            {
                findings.push(finding("unreadable", name, error.to_string(), DAMAGED));
            }
            rows
        }
        Err(error) => {
            findings.push(finding("unreadable", name, error.to_string(), DAMAGED));
            0
        }
    };
    Content { rows, findings }
}

/// Whether values of a type are read as those of the table: records of older files may lack what may be null.
fn fits(found: &DataType, wanted: &DataType) -> bool {
    let (DataType::Struct(found), DataType::Struct(wanted)) = (found, wanted) else { return found.equals_datatype(wanted) };
    let known = found.iter().all(|field| wanted.find(field.name()).is_some());
    let there = wanted.iter().all(|field| match found.find(field.name()) {
        Some((_, old)) => fits(old.data_type(), field.data_type()),
        None => field.is_nullable(),
    });
    known && there
}

/// The columns of a file against those of the table: older files may lack what may be null.
fn columns(name: &FileName, file: &SchemaRef, table: &SchemaRef, findings: &mut Vec<Finding>) {
    for wanted in table.fields() {
        match file.field_with_name(wanted.name()) {
            Ok(found) if fits(found.data_type(), wanted.data_type()) => {}
            Ok(found) => {
                let detail = format!("column `{}` is {}, and the table has {}", wanted.name(), found.data_type(), wanted.data_type());
                findings.push(finding(
                    "schema",
                    name,
                    detail,
                    "it was not written by this version: write it again with the table's type, or remove it",
                ));
            }
            Err(_) if wanted.is_nullable() => {}
            Err(_) => {
                let detail = format!("column `{}` is not in it, and must not be null", wanted.name());
                findings.push(finding(
                    "schema",
                    name,
                    detail,
                    "it was not written by the lake writer: write it again with this column, or remove it",
                ));
            }
        }
    }
    let unknown: Vec<&str> =
        file.fields().iter().map(|f| f.name().as_str()).filter(|column| table.field_with_name(column).is_err()).collect();
    if !unknown.is_empty() {
        let detail = format!("columns {} are not in the table", unknown.join(", "));
        findings.push(finding(
            "schema",
            name,
            detail,
            "a newer version wrote it, and this one does not see them: update before you compact",
        ));
    }
}

fn counts(name: &FileName, rows: u64, noted: Option<u64>, findings: &mut Vec<Finding>) {
    if let Some(noted) = noted.filter(|noted| *noted != rows) {
        let detail = format!("it has {rows} rows, and was committed with {noted}");
        findings.push(finding("row_count", name, detail, DAMAGED));
    }
    let width = name.last.saturating_sub(name.first).saturating_add(1);
    if table_of(&name.topic).is_some() && i64::try_from(rows).is_ok_and(|rows| rows > width) {
        let detail = format!("it has {rows} rows, and its name says {width} offsets at most");
        findings.push(finding(
            "too_many_rows",
            name,
            detail,
            "rows are in it twice, or it was renamed: compare `event_id`, and write it again",
        ));
    }
}

fn micros(day: NaiveDate) -> i64 {
    day.and_time(NaiveTime::MIN).and_utc().timestamp_micros()
}

/// Times within the day of the folder, and the order of the rows.
async fn order(name: &FileName, topic: Topic, footer: Footer, findings: &mut Vec<Finding>) -> Result<(), LakeError> {
    let failed = |e: &dyn std::fmt::Display| LakeError::data(format!("read `{}` of the lake", name.path()), e);
    let wanted = [sorted_by(topic)[0], sorted_by(topic)[1], time_column(topic)];
    let mask = ProjectionMask::columns(footer.reader.parquet_schema(), wanted);
    let mut batches = footer.reader.with_projection(mask).with_batch_size(65_536).build().map_err(|e| failed(&e))?;
    let (begin, end) = (micros(name.day), name.day.checked_add_days(Days::new(1)).map_or(i64::MAX, micros));
    let (mut outside, mut example, mut unsorted, mut at) = (0u64, None, None, 0usize);
    let mut last: Option<ArrayRef> = None;
    while let Some(batch) = batches.try_next().await.map_err(|e| failed(&e))? {
        let times =
            batch[time_column(topic)].as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(|| failed(&"times of another type"))?;
        for time in times.values().iter().filter(|time| **time < begin || **time >= end) {
            outside += 1;
            example.get_or_insert(*time);
        }
        let key = &batch[wanted[0]];
        let joined = match &last {
            Some(last) => arrow::compute::concat(&[last.as_ref(), key.as_ref()]).map_err(|e| failed(&e))?,
            None => ArrayRef::clone(key),
        };
        if unsorted.is_none()
            && let Some(row) = first_out_of_order(&joined).map_err(|e| failed(&e))?
        {
            unsorted = Some(at + row - usize::from(last.is_some()));
        }
        last = Some(key.slice(key.len().saturating_sub(1), key.len().min(1)));
        at += batch.num_rows();
    }
    if outside > 0 {
        let example = example.and_then(DateTime::from_timestamp_micros).map_or_else(String::new, |time| format!(", such as {time}"));
        findings.push(finding("outside_day", name, format!("{outside} rows are not of {}{example}", name.day), ELSEWHERE));
    }
    if let Some(row) = unsorted {
        let detail = format!("row {row} comes after a later one by `{}`: readers that trust the order go wrong", wanted[0]);
        findings.push(finding("unsorted", name, detail, ELSEWHERE));
    }
    Ok(())
}

/// The first value that is smaller than the one before.
fn first_out_of_order(values: &ArrayRef) -> Result<Option<usize>, ArrowError> {
    let Some(pairs) = values.len().checked_sub(1) else { return Ok(None) };
    let in_order = lt_eq(&values.slice(0, pairs), &values.slice(1, pairs))?;
    Ok((0..pairs).find(|row| !in_order.value(*row)).map(|row| row + 1))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Field;

    use super::*;

    #[test]
    fn a_record_may_lack_what_may_be_null_and_nothing_else() {
        let field = |name: &str, kind: DataType, null| Field::new(name, kind, null);
        let record = |fields: Vec<Field>| DataType::Struct(fields.into());
        let name = || field("nickname", DataType::Utf8, false);
        let place = |more: Vec<Field>| field("place", record([vec![field("lat", DataType::Float64, false)], more].concat()), true);
        let now = record(vec![name(), place(vec![field("height", DataType::Int32, true)]), field("photos", DataType::Int32, true)]);
        assert!(fits(&now, &now));
        assert!(fits(&record(vec![name(), place(Vec::new())]), &now), "what an older version wrote");
        assert!(fits(&record(vec![place(Vec::new()), name()]), &now), "in another order");
        assert!(!fits(&record(vec![place(Vec::new())]), &now), "what must not be null lacks");
        assert!(!fits(&record(vec![name(), field("photos", DataType::Int64, true)]), &now), "another type");
        assert!(!fits(&record(vec![name(), field("later", DataType::Int64, true)]), &now), "of a newer version");
        assert!(!fits(&DataType::Utf8, &now) && !fits(&now, &DataType::Utf8));
    }
}
