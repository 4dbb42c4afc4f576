//! `decay(value, at, half_life [, asof])` and `landmark()`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Float64Builder};
use arrow::datatypes::{DataType, Float64Type, IntervalMonthDayNanoType, IntervalUnit, TimestampMicrosecondType};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit};
use datafusion::scalar::ScalarValue;
use features::decay::{LANDMARK, faded};

use super::{on_arrays, time, wrong};

/// Fades values; see [`super::FUNCTIONS`].
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Decay {
    signature: Signature,
}

impl Decay {
    pub(super) fn new() -> Self {
        // The present is a constant of the query, so what depends on it is the same in all of it.
        Self { signature: Signature::user_defined(Volatility::Stable) }
    }
}

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

impl ScalarUDFImpl for Decay {
    fn name(&self) -> &'static str {
        "decay"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let [value, at, half_life, asof @ ..] = given else {
            return wrong("decay takes (value, at, half_life [, asof])");
        };
        if asof.len() > 1 {
            return wrong("decay takes (value, at, half_life [, asof])");
        }
        if !(value.is_numeric() || value.is_null()) {
            return wrong(format!("decay: the value is {value}; it must be a number"));
        }
        for moment in [at].into_iter().chain(asof) {
            let is_time = matches!(moment, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64) || moment.is_null();
            if !is_time && !matches!(moment, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
                return wrong(format!("decay: {moment} is no time; give a timestamp, a date or their text"));
            }
        }
        let half_life = match half_life {
            DataType::Interval(_) | DataType::Duration(_) => INTERVAL,
            number if number.is_numeric() || number.is_null() => DataType::Float64,
            other => return wrong(format!("decay: the half-life is {other}; it must be an INTERVAL or seconds")),
        };
        Ok([DataType::Float64, time(), half_life].into_iter().chain(asof.iter().map(|_| time())).collect())
    }

    fn simplify(&self, mut args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let (3, Some(now)) = (args.len(), info.query_execution_start_time()) else {
            return Ok(ExprSimplifyResult::Original(args));
        };
        args.push(lit(ScalarValue::TimestampMicrosecond(Some(now.timestamp_micros()), Some("UTC".into()))));
        let call = ScalarFunction::new_udf(Arc::new(ScalarUDF::from(Self::new())), args);
        Ok(ExprSimplifyResult::Simplified(Expr::ScalarFunction(call)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        on_arrays(&args, |arrays| {
            let [value, at, half_life, asof] = arrays else {
                return wrong("decay: the present is not known here; give it as the fourth argument");
            };
            decay(value, at, half_life, asof)
        })
    }
}

fn decay(value: &ArrayRef, at: &ArrayRef, half_life: &ArrayRef, asof: &ArrayRef) -> Result<ArrayRef> {
    let (value, half_life) = (value.as_primitive::<Float64Type>(), seconds_of(half_life)?);
    let (at, asof) = (at.as_primitive::<TimestampMicrosecondType>(), asof.as_primitive::<TimestampMicrosecondType>());
    let mut faded_values = Float64Builder::with_capacity(value.len());
    for row in 0..value.len() {
        if value.is_null(row) || at.is_null(row) || half_life.is_null(row) || asof.is_null(row) {
            faded_values.append_null();
            continue;
        }
        let half_life = half_life.value(row);
        if half_life.is_nan() || half_life <= 0.0 {
            return Err(DataFusionError::Execution(format!("decay: a half-life of {half_life} s; it must be more than 0")));
        }
        #[expect(clippy::cast_precision_loss, reason = "the age of anything here fits 2^53 microseconds")]
        let age = (i128::from(asof.value(row)) - i128::from(at.value(row))) as f64 / 1e6;
        faded_values.append_value(faded(value.value(row), age, half_life));
    }
    Ok(Arc::new(faded_values.finish()))
}

/// Half-lives in seconds. Months are refused: they are not all of the same length.
fn seconds_of(half_life: &ArrayRef) -> Result<Float64Array> {
    if half_life.data_type() != &INTERVAL {
        return Ok(half_life.as_primitive::<Float64Type>().clone());
    }
    let intervals = half_life.as_primitive::<IntervalMonthDayNanoType>();
    let seconds = intervals.iter().map(|interval| {
        let Some(interval) = interval else { return Ok(None) };
        if interval.months != 0 {
            return Err(DataFusionError::Execution("decay: months and years differ in length; give the half-life in days".to_owned()));
        }
        #[expect(clippy::cast_precision_loss, reason = "half of them is soon more than 2^53 nanoseconds; the rest is rounded")]
        let part = interval.nanoseconds as f64 / 1e9;
        Ok(Some(f64::from(interval.days) * 86_400.0 + part))
    });
    seconds.collect()
}

/// The landmark of forward decay.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Landmark {
    signature: Signature,
}

impl Landmark {
    pub(super) fn new() -> Self {
        Self { signature: Signature::nullary(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Landmark {
    fn name(&self) -> &'static str {
        "landmark"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(time())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        #[expect(clippy::cast_possible_truncation, reason = "a whole number of seconds of this century")]
        let at = (LANDMARK * 1e6) as i64;
        Ok(ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(Some(at), Some("UTC".into()))))
    }
}
