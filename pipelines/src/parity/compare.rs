//! Stream against batch.

use std::collections::BTreeSet;

use datafusion::error::Result;
use features::decay::column_half_life;
use features::sets::FeatureSet;

use super::rows::{Row, Rows};

/// How far decayed sums may be apart, relative to their size: they are added up in different orders.
pub const TOLERANCE: f64 = 1e-9;

/// Sums below this are nothing: with a half-life of seven days a single event of eighteen years ago weighs as much.
const NOTHING: f64 = 1e-290;

/// The row that is furthest off.
#[derive(Debug, Clone, PartialEq)]
pub struct Worst {
    /// Its key, columns joined by `|`.
    pub key: String,
    /// The column, or `version`, or `key` where only one of the two has it.
    pub column: String,
    /// What the stream says; none where it does not have the key.
    pub stream: Option<f64>,
    /// What the batch says; none where it does not have the key.
    pub batch: Option<f64>,
    /// How far they are apart, relative to their size; infinite where only one has the key.
    pub off: f64,
}

/// What a comparison of one feature set came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judged {
    /// Keys that one of the two has.
    pub keys: usize,
    /// Keys that only the stream has.
    pub only_in_stream: usize,
    /// Keys that only the batch has.
    pub only_in_batch: usize,
    /// Keys that have counted another number of events.
    pub versions: usize,
    /// Keys of equal version with a column that is off.
    pub values: usize,
    /// Records of the topic that are no rows.
    pub unreadable: u64,
    /// The row that is furthest off, also where that is within the tolerance; none where both are the same to the last bit.
    pub worst: Option<Worst>,
}

impl Judged {
    /// Keys on which the two do not agree.
    pub fn mismatches(&self) -> usize {
        self.only_in_stream + self.only_in_batch + self.versions + self.values
    }

    fn note(&mut self, key: &str, column: &str, stream: Option<f64>, batch: Option<f64>, off: f64) {
        if off > 0.0 && self.worst.as_ref().is_none_or(|worst| off > worst.off) {
            self.worst = Some(Worst { key: key.to_owned(), column: column.to_owned(), stream, batch, off });
        }
    }

    /// Judges two rows of one key; `scale` gives what their differences are measured by, where that is known.
    fn judge(&mut self, set: &FeatureSet, key: &str, (stream, batch): (&Row, &Row), scale: Option<&Row>, tolerance: f64) -> Verdict {
        if stream.version != batch.version {
            let (one, other) = (float(stream.version), float(batch.version));
            self.note(key, "version", Some(one), Some(other), apart(one, other, 0.0).max(1.0));
            return Verdict::Version;
        }
        let mut verdict = Verdict::Same;
        for (at, column) in set.value_columns.iter().enumerate() {
            let (one, other) = (stream.values.get(at).copied(), batch.values.get(at).copied());
            let (Some(one), Some(other)) = (one, other) else { continue };
            let scale = scale.and_then(|row| row.values.get(at).copied()).unwrap_or(0.0);
            let off = apart(one, other, scale);
            // Counts are sums of whole numbers: no order of adding can change them.
            let allowed = if column_half_life(column).is_some() { tolerance } else { 0.0 };
            self.note(key, column, Some(one), Some(other), off);
            if off > allowed {
                verdict = Verdict::Value;
            }
        }
        verdict
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Same,
    Version,
    Value,
}

fn float(n: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "to be shown; equality was asked of the whole numbers")]
    let float = n as f64;
    float
}

/// How far two numbers are apart, relative to the largest of them and of `scale`.
fn apart(one: f64, other: f64, scale: f64) -> f64 {
    if one.to_bits() == other.to_bits() || one == other {
        return 0.0;
    }
    if !one.is_finite() || !other.is_finite() {
        return f64::INFINITY;
    }
    let size = one.abs().max(other.abs()).max(scale);
    if size < NOTHING { 0.0 } else { (one - other).abs() / size }
}

/// Compares what the stream has of a set with what the batch over the lake at `place` gives.
///
/// Where addends of both signs cancel, what is left has the rounding errors of what went in: such rows are measured by that.
///
/// # Errors
/// When the lake has to be read again and cannot be.
pub async fn compare(place: &str, set: &FeatureSet, stream: &Rows, batch: &Rows, tolerance: f64) -> Result<Judged> {
    let judged = with_scale(set, stream, batch, None, tolerance);
    if judged.values == 0 {
        return Ok(judged);
    }
    Ok(with_scale(set, stream, batch, Some(&Rows::magnitudes(place, set).await?), tolerance))
}

fn with_scale(set: &FeatureSet, stream: &Rows, batch: &Rows, scale: Option<&Rows>, tolerance: f64) -> Judged {
    let mut judged = Judged { unreadable: stream.unreadable, ..Judged::default() };
    // In the order of the keys, so that of equally bad ones the same is named every time.
    let keys: BTreeSet<&str> = stream.rows.keys().chain(batch.rows.keys()).map(|key| &**key).collect();
    judged.keys = keys.len();
    for key in keys {
        match (stream.rows.get(key), batch.rows.get(key)) {
            (Some(one), Some(other)) => match judged.judge(set, key, (one, other), scale.and_then(|rows| rows.rows.get(key)), tolerance) {
                Verdict::Same => {}
                Verdict::Version => judged.versions += 1,
                Verdict::Value => judged.values += 1,
            },
            (one, other) => {
                judged.only_in_stream += usize::from(one.is_some());
                judged.only_in_batch += usize::from(other.is_some());
                let version = |row: Option<&Row>| row.map(|row| float(row.version));
                judged.note(key, "key", version(one), version(other), f64::INFINITY);
            }
        }
    }
    judged
}
