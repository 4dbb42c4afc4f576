//! `vector(json, name)` and `json_text(json, path)`: what lies in records that are kept as JSON text.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float32Builder, ListBuilder, StringBuilder};
use arrow::datatypes::{DataType, Field};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use features::vector::QVector;
use serde::Deserialize;
use serde_json::Value;

use super::{on_arrays, wrong};

fn two_texts(name: &str, given: &[DataType]) -> Result<Vec<DataType>> {
    let text = |kind: &DataType| matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) || kind.is_null();
    if given.len() != 2 || !given.iter().all(text) {
        return wrong(format!("{name} takes two texts"));
    }
    Ok(vec![DataType::Utf8; 2])
}

/// The texts of both columns, row by row; none where one is NULL.
fn rows(arrays: &[ArrayRef]) -> impl Iterator<Item = Option<(&str, &str)>> {
    let column = |at: usize| arrays.get(at).map(|array| array.as_string::<i32>().iter()).into_iter().flatten();
    column(0).zip(column(1)).map(|(a, b)| a.zip(b))
}

/// Reads vectors out of portraits; see [`super::FUNCTIONS`].
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Vector {
    signature: Signature,
}

impl Vector {
    pub(super) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

/// The vectors of a record; everything else in it is passed over.
#[derive(Deserialize)]
struct Vectors {
    #[serde(default)]
    content: Option<QVector>,
    #[serde(default)]
    taste: Option<QVector>,
    #[serde(default)]
    vector: Option<QVector>,
}

impl ScalarUDFImpl for Vector {
    fn name(&self) -> &'static str {
        "vector"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Float32, true))))
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        two_texts(self.name(), given)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        on_arrays(&args, |arrays| {
            let mut found = ListBuilder::new(Float32Builder::new());
            for row in rows(arrays) {
                let record = row.and_then(|(json, name)| Some((serde_json::from_str::<Vectors>(json).ok()?, name)));
                let vector = match record {
                    None => None,
                    Some((vectors, "content")) => vectors.content,
                    Some((vectors, "taste")) => vectors.taste,
                    Some((vectors, "vector")) => vectors.vector,
                    Some((_, other)) => return wrong(format!("vector: there is no `{other}`; there are content, taste and vector")),
                };
                found.append_option(vector.map(|vector| vector.to_f32().into_iter().map(Some)));
            }
            Ok(Arc::new(found.finish()))
        })
    }
}

/// Reads texts and numbers out of JSON; see [`super::FUNCTIONS`].
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct JsonText {
    signature: Signature,
}

impl JsonText {
    pub(super) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for JsonText {
    fn name(&self) -> &'static str {
        "json_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        two_texts(self.name(), given)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        on_arrays(&args, |arrays| {
            let mut found = StringBuilder::new();
            for row in rows(arrays) {
                found.append_option(row.and_then(|(json, path)| text_at(json, path)));
            }
            Ok(Arc::new(found.finish()))
        })
    }
}

fn text_at(json: &str, path: &str) -> Option<String> {
    let record: Value = serde_json::from_str(json).ok()?;
    match record.pointer(path)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
