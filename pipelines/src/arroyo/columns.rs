//! Columns of a topic's table in Arroyo's words.

use arrow::datatypes::{DataType, Field};

/// The type of a column, or the one that Arroyo lacks.
fn kind(of: &DataType) -> Result<String, &DataType> {
    Ok(match of {
        DataType::Utf8 => "TEXT".to_owned(),
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int32 => "INT".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::Float32 => "FLOAT".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Date32 => "DATE".to_owned(),
        // In nanoseconds and without a zone: RFC 3339 with any offset is read as UTC.
        DataType::Timestamp(..) => "TIMESTAMP".to_owned(),
        DataType::List(item) => format!("{}[]", kind(item.data_type())?),
        DataType::Struct(fields) => {
            let fields =
                fields.iter().map(|f| kind(f.data_type()).map(|kind| format!("{} {kind}", f.name()))).collect::<Result<Vec<_>, _>>()?;
            format!("STRUCT<{}>", fields.join(", "))
        }
        other => return Err(other),
    })
}

/// The definition of a column: name, type, and whether it is always there.
///
/// # Errors
/// The type that Arroyo has no word for.
pub(super) fn definition(field: &Field) -> Result<String, String> {
    let kind = kind(field.data_type()).map_err(ToString::to_string)?;
    Ok(format!("{} {kind}{}", field.name(), if field.is_nullable() { "" } else { " NOT NULL" }))
}
