//! Functions of ours, in every session.
//!
//! Each takes columns and constants alike, and gives NULL where an argument is NULL or there is nothing to compute.

mod cosine;
mod decay;
mod geo;
mod json;

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;

/// Every function: how it is called, and what it gives.
pub const FUNCTIONS: [(&str, &str); 6] = [
    (
        "decay(value, at, half_life [, asof])",
        "What `value`, which held at the time `at`, is worth at `asof` (now by default) when it halves every `half_life` (an INTERVAL, or seconds): value · 2^(−(asof − at)/half_life). More than `value` where `asof` is before `at`.",
    ),
    (
        "landmark()",
        "The time that forward-decayed sums (columns that end in _d<days>) refer to: decay(likes_d14, landmark(), INTERVAL '14 days') is their value now.",
    ),
    (
        "cosine(a, b)",
        "Cosine of the angle between two vectors, −1 to 1. NULL where their lengths differ (vectors of different models), one is zero, or an element is NULL.",
    ),
    (
        "geo_km(lat, lon, lat, lon)",
        "Great-circle distance between two places in kilometres (haversine). NULL where one is not on the Earth.",
    ),
    (
        "vector(json, name)",
        "The vector `name` of a record in JSON, such as vector(portrait, 'content') or vector(portrait, 'taste'), as a list of 32-bit floats. NULL where it has none.",
    ),
    (
        "json_text(json, path)",
        "What is at a path (RFC 6901) of a JSON text, as text: json_text(portrait, '/profile/city'). NULL where there is nothing or JSON's null.",
    ),
];

/// Puts every function of [`FUNCTIONS`] into a session.
pub(super) fn register(session: &SessionContext) {
    session.register_udf(ScalarUDF::from(decay::Decay::new()));
    session.register_udf(ScalarUDF::from(decay::Landmark::new()));
    session.register_udf(ScalarUDF::from(cosine::Cosine::new()));
    session.register_udf(ScalarUDF::from(geo::GeoKm::new()));
    session.register_udf(ScalarUDF::from(json::Vector::new()));
    session.register_udf(ScalarUDF::from(json::JsonText::new()));
}

/// Times with which functions compute.
fn time() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Computes on arrays of the same length; of constants alone comes a constant.
fn on_arrays(args: &ScalarFunctionArgs, compute: impl FnOnce(&[ArrayRef]) -> Result<ArrayRef>) -> Result<ColumnarValue> {
    let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
    let result = compute(&ColumnarValue::values_to_arrays(&args.args)?)?;
    if constant {
        return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
    }
    Ok(ColumnarValue::Array(Arc::clone(&result)))
}

/// A function was called in a wrong way.
fn wrong<T>(text: impl Into<String>) -> Result<T> {
    Err(DataFusionError::Plan(text.into()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
