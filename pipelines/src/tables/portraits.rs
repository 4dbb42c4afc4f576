//! Portraits as rows: what finds one, and the whole record as it came, so that whoever reads it back reads the same to the last bit.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use chrono::{DateTime, Utc};
use features::ids::UserId;
use serde::Deserialize;

/// What finds a portrait.
#[derive(Deserialize)]
struct Head<'a> {
    user_id: UserId,
    generation: u32,
    version: u64,
    updated_at: DateTime<Utc>,
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
}

/// The time a version was assembled, in microseconds since 1970: versions are the clock in milliseconds, or the last one plus one.
pub(super) fn assembled_at(version: u64) -> i64 {
    // The year 9999 ends there: nothing later is a time.
    const LATEST: u64 = 253_402_300_799_000;
    i64::try_from(version.min(LATEST) * 1_000).unwrap_or(0)
}

/// The rows of some portraits, with the columns of `schema`.
///
/// # Errors
/// When one is no portrait.
pub(super) fn rows(schema: &SchemaRef, values: &[&[u8]]) -> Result<RecordBatch, ArrowError> {
    let wrong = |error: &dyn std::fmt::Display| ArrowError::JsonError(error.to_string());
    let (mut users, mut models, mut texts) = (StringBuilder::new(), StringBuilder::new(), StringBuilder::new());
    let (mut generations, mut versions) = (Int64Builder::new(), Int64Builder::new());
    let times = || TimestampMicrosecondBuilder::new().with_timezone("UTC");
    let (mut assembled, mut updated) = (times(), times());
    for value in values {
        let head: Head<'_> = serde_json::from_slice(value).map_err(|e| wrong(&e))?;
        let text = std::str::from_utf8(value).map_err(|e| wrong(&e))?;
        users.append_value(head.user_id.to_string());
        generations.append_value(head.generation.into());
        versions.append_value(i64::try_from(head.version).map_err(|e| wrong(&e))?);
        assembled.append_value(assembled_at(head.version));
        updated.append_value(head.updated_at.timestamp_micros());
        models.append_option(head.model);
        texts.append_value(text);
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(users.finish()),
        Arc::new(generations.finish()),
        Arc::new(versions.finish()),
        Arc::new(assembled.finish()),
        Arc::new(updated.finish()),
        Arc::new(models.finish()),
        Arc::new(texts.finish()),
    ];
    RecordBatch::try_new(Arc::clone(schema), columns)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
    use features::topic::Topic;

    use super::super::decode;

    #[test]
    fn a_portrait_is_kept_as_it_came() {
        let text = r#"{"user_id":"18446744073709551615","version":1790000000123,"generation":2,"updated_at":"2026-10-01T00:00:00.5Z","model":"m","profile":{"bio":"爬山 \"x\""},"counters":{"a.b":0.30000000000000004}}"#;
        let decoded = decode(Topic::Portraits, &[text.as_bytes(), b"{}", b"x"]).unwrap();
        assert_eq!(decoded.bad.iter().map(|bad| bad.0).collect::<Vec<_>>(), [1, 2]);
        let row = decoded.batch;
        assert_eq!(row.num_rows(), 1);
        assert_eq!(row["portrait"].as_string::<i32>().value(0), text);
        assert_eq!(row["user_id"].as_string::<i32>().value(0), u64::MAX.to_string());
        assert_eq!(row["version"].as_primitive::<Int64Type>().value(0), 1_790_000_000_123);
        assert_eq!(row["assembled_at"].as_primitive::<TimestampMicrosecondType>().value(0), 1_790_000_000_123_000);
    }
}
