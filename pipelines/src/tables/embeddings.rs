//! Vectors as rows: whose, of what, by which model, and the codes as they came.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Builder, Int8Builder, ListBuilder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder};
use arrow::datatypes::{DataType, Field, SchemaRef};
use arrow::error::ArrowError;
use features::event::{EmbeddingRecord, Subject};

/// The rows of some records, with the columns of `schema`.
///
/// # Errors
/// When one is no record of a vector.
pub(super) fn rows(schema: &SchemaRef, values: &[&[u8]]) -> Result<RecordBatch, ArrowError> {
    let wrong = |error: serde_json::Error| ArrowError::JsonError(error.to_string());
    let (mut subjects, mut moments, mut users, mut models) =
        (StringBuilder::new(), StringBuilder::new(), StringBuilder::new(), StringBuilder::new());
    let mut times = TimestampMicrosecondBuilder::new().with_timezone("UTC");
    let mut scales = Float32Builder::new();
    let mut codes = ListBuilder::new(Int8Builder::new()).with_field(Arc::new(Field::new("item", DataType::Int8, true)));
    for value in values {
        let record: EmbeddingRecord = serde_json::from_slice(value).map_err(wrong)?;
        times.append_value(record.event_time.timestamp_micros());
        users.append_value(record.user_id.to_string());
        let (subject, moment) = match record.subject {
            Subject::Moment(moment) => ("moment", Some(moment.to_string())),
            Subject::Profile(_) => ("profile", None),
        };
        subjects.append_value(subject);
        moments.append_option(moment);
        models.append_value(record.model);
        scales.append_value(record.vector.scale);
        codes.values().append_slice(&record.vector.codes);
        codes.append(true);
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(times.finish()),
        Arc::new(users.finish()),
        Arc::new(subjects.finish()),
        Arc::new(moments.finish()),
        Arc::new(models.finish()),
        Arc::new(scales.finish()),
        Arc::new(codes.finish()),
    ];
    RecordBatch::try_new(Arc::clone(schema), columns)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Float32Type, Int8Type};
    use features::ids::{MomentId, UserId};
    use features::topic::Topic;
    use features::vector::QVector;

    use super::super::decode;
    use super::*;

    #[test]
    fn a_vector_keeps_its_codes_and_whose_it_is() {
        let vector = QVector::from_f32(&[0.5, -0.25, 0.0]);
        let of = |subject| EmbeddingRecord {
            subject,
            user_id: UserId(u64::MAX),
            event_time: "2026-10-01T00:00:00.5Z".parse().unwrap(),
            model: "m".to_owned(),
            vector: vector.clone(),
        };
        let bytes = [Subject::Moment(MomentId(7)), Subject::Profile(UserId(u64::MAX))].map(|s| serde_json::to_vec(&of(s)).unwrap());
        let decoded = decode(Topic::Embeddings, &[&bytes[0], b"{}", &bytes[1]]).unwrap();
        assert_eq!(decoded.bad.iter().map(|bad| bad.0).collect::<Vec<_>>(), [1]);
        let rows = decoded.batch;
        assert_eq!(rows["subject"].as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["moment", "profile"]);
        assert_eq!(rows["moment_id"].as_string::<i32>().value(0), "7");
        assert!(rows["moment_id"].is_null(1));
        assert_eq!(rows["user_id"].as_string::<i32>().value(1), u64::MAX.to_string());
        let codes = rows["codes"].as_list::<i32>().value(0);
        let codes = codes.as_primitive::<Int8Type>().values().to_vec();
        assert_eq!(QVector { scale: rows["scale"].as_primitive::<Float32Type>().value(0), codes }, vector);
    }
}
