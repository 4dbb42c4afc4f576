//! Whether a predicted 30 % happens 30 times in a hundred.

use super::{real, wilson};

/// Standard deviations of the interval of a bin: 95 %.
const Z: f64 = 1.96;

/// Rows of similar prediction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Mean of the predictions, 0 to 1.
    pub predicted: f64,
    /// The share in which it happened, 0 to 1.
    pub observed: f64,
    /// Rows.
    pub count: usize,
    /// Lower end of the 95 % Wilson interval of `observed`.
    pub low: f64,
    /// Upper end of it.
    pub high: f64,
}

/// A reliability diagram and its one-number summary.
#[derive(Debug, Clone, PartialEq)]
pub struct Reliability {
    /// Bins from the lowest prediction to the highest.
    pub bins: Vec<Bin>,
    /// Mean of `|observed − predicted|` over the bins, weighted by rows: 0 (calibrated) to 1.
    pub expected_error: f64,
}

/// Cuts the rows into at most `bins` bins of equal count by prediction and compares prediction and outcome in each.
///
/// Rows with the same prediction stay together, so the result does not depend on the order of the rows; a bin may therefore be larger
/// than its share. `None` without rows, without bins, or with a prediction that is not a number. Expected calibration error with
/// equal-count bins: Naeini et al. (AAAI 2015), Nixon et al. (CVPR-W 2019).
pub fn reliability(predicted: &[(f64, bool)], bins: usize) -> Option<Reliability> {
    if predicted.is_empty() || bins == 0 || predicted.iter().any(|(p, _)| p.is_nan()) {
        return None;
    }
    let mut sorted = predicted.to_vec();
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let total = sorted.len();
    let mut made = Vec::with_capacity(bins);
    let (mut start, mut end, mut next) = (0, 0, 1);
    for ties in sorted.chunk_by(|a, b| a.0 == b.0) {
        end += ties.len();
        // A bin closes once it reaches the border of its share, which the bins before it may have moved past.
        if end >= next * total / bins {
            made.push(bin(&sorted[start..end]));
            start = end;
            while next * total / bins <= end && next < bins {
                next += 1;
            }
        }
    }
    let expected_error = made.iter().map(|b| (b.observed - b.predicted).abs() * real(b.count)).sum::<f64>() / real(total);
    Some(Reliability { bins: made, expected_error })
}

fn bin(rows: &[(f64, bool)]) -> Bin {
    let (yes, count) = (rows.iter().filter(|(_, yes)| *yes).count(), rows.len());
    let (low, high) = wilson(yes, count, Z);
    Bin { predicted: rows.iter().map(|(p, _)| p).sum::<f64>() / real(count), observed: real(yes) / real(count), count, low, high }
}
