//! How surprised a prediction is by what happened.

use super::real;

/// No prediction is taken as surer than this, so that one wrong certainty does not make the mean infinite.
const SUREST: f64 = 1e-12;

/// The mean negative log-likelihood, in nats: `−(ln p)` where it happened, `−ln(1 − p)` where it did not.
///
/// Zero or more; `ln 2` (0.693) for a coin. Predictions are probabilities and are clipped to `1e-12 … 1 − 1e-12`. `None` when there
/// are no rows or a prediction is not a number. A proper scoring rule: Good (1952), Gneiting and Raftery (2007).
pub fn log_loss(predicted: &[(f64, bool)]) -> Option<f64> {
    if predicted.is_empty() || predicted.iter().any(|(p, _)| p.is_nan()) {
        return None;
    }
    let surprise = |(p, yes): &(f64, bool)| {
        let p = p.clamp(SUREST, 1.0 - SUREST);
        -(if *yes { p } else { 1.0 - p }).ln()
    };
    Some(predicted.iter().map(surprise).sum::<f64>() / real(predicted.len()))
}
