//! `geo_km(lat, lon, lat, lon)`.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Float64Builder};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use features::profile::Position;
use index::geo::km;

use super::{on_arrays, wrong};

/// Measures distances; see [`super::FUNCTIONS`].
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct GeoKm {
    signature: Signature,
}

impl GeoKm {
    pub(super) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for GeoKm {
    fn name(&self) -> &'static str {
        "geo_km"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        if given.len() != 4 {
            return wrong("geo_km takes (lat, lon, lat, lon), in degrees");
        }
        if let Some(other) = given.iter().find(|kind| !kind.is_numeric() && !kind.is_null()) {
            return wrong(format!("geo_km: {other} is no number of degrees"));
        }
        Ok(vec![DataType::Float64; 4])
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        on_arrays(&args, |arrays| {
            let degrees: Vec<_> = arrays.iter().map(|array| array.as_primitive::<Float64Type>()).collect();
            let [lat, lon, other_lat, other_lon] = degrees.as_slice() else { return wrong("geo_km takes four numbers") };
            let mut found = Float64Builder::with_capacity(lat.len());
            for row in 0..lat.len() {
                let known = degrees.iter().all(|column| column.is_valid(row));
                let (a, b) = (place(lat.value(row), lon.value(row)), place(other_lat.value(row), other_lon.value(row)));
                found.append_option(a.zip(b).filter(|_| known).map(|(a, b)| km(a, b)));
            }
            Ok(Arc::new(found.finish()))
        })
    }
}

fn place(lat: f64, lon: f64) -> Option<Position> {
    ((-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon)).then_some(Position { lat, lon })
}
