//! `cosine(a, b)`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, Float64Builder, PrimitiveArray};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::{on_arrays, wrong};

/// Compares vectors; see [`super::FUNCTIONS`].
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Cosine {
    signature: Signature,
}

impl Cosine {
    pub(super) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

fn list_of(element: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(element, true)))
}

impl ScalarUDFImpl for Cosine {
    fn name(&self) -> &'static str {
        "cosine"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let [_, _] = given else { return wrong("cosine takes two vectors") };
        let mut short = true;
        for vector in given {
            match vector {
                DataType::Null => {}
                DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _)
                    if field.data_type().is_numeric() || field.data_type().is_null() =>
                {
                    short &= matches!(field.data_type(), DataType::Float32 | DataType::Float16);
                }
                other => return wrong(format!("cosine: {other} is no vector; give a list of numbers")),
            }
        }
        let element = if short { DataType::Float32 } else { DataType::Float64 };
        Ok(vec![list_of(element.clone()), list_of(element)])
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        on_arrays(&args, |arrays| {
            let [a, b] = arrays else { return wrong("cosine takes two vectors") };
            if a.data_type() == &list_of(DataType::Float32) { cosines::<Float32Type>(a, b) } else { cosines::<Float64Type>(a, b) }
        })
    }
}

fn cosines<T: ArrowPrimitiveType<Native: Into<f64>>>(a: &ArrayRef, b: &ArrayRef) -> Result<ArrayRef> {
    let (a, b) = (a.as_list::<i32>(), b.as_list::<i32>());
    let mut found = Float64Builder::with_capacity(a.len());
    for row in 0..a.len() {
        if a.is_null(row) || b.is_null(row) {
            found.append_null();
        } else {
            found.append_option(cosine(a.value(row).as_primitive::<T>(), b.value(row).as_primitive::<T>()));
        }
    }
    Ok(Arc::new(found.finish()))
}

fn cosine<T: ArrowPrimitiveType<Native: Into<f64>>>(a: &PrimitiveArray<T>, b: &PrimitiveArray<T>) -> Option<f64> {
    if a.len() != b.len() || a.null_count() > 0 || b.null_count() > 0 {
        return None;
    }
    let (mut dot, mut a2, mut b2) = (0.0, 0.0, 0.0);
    for (x, y) in a.values().iter().zip(b.values()) {
        let (x, y): (f64, f64) = ((*x).into(), (*y).into());
        dot += x * y;
        a2 += x * x;
        b2 += y * y;
    }
    let cosine = dot / (a2.sqrt() * b2.sqrt());
    (!cosine.is_nan()).then(|| cosine.clamp(-1.0, 1.0))
}
