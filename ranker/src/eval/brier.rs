//! How far predictions are from what happens, squared.

use super::real;

/// The mean of `(p − y)²` with y = 1 where it happened: 0 (certain and right) to 1; a coin that is told has .25.
///
/// `None` when there are no rows or a prediction is not a number. A proper scoring rule: Brier (1950).
pub fn brier(predicted: &[(f64, bool)]) -> Option<f64> {
    if predicted.is_empty() || predicted.iter().any(|(p, _)| p.is_nan()) {
        return None;
    }
    let off = |(p, yes): &(f64, bool)| (p - f64::from(u8::from(*yes))).powi(2);
    Some(predicted.iter().map(off).sum::<f64>() / real(predicted.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_is_the_mean_square() {
        assert_eq!(brier(&[]), None);
        assert_eq!(brier(&[(f64::NAN, true)]), None);
        assert_eq!(brier(&[(0.5, true), (0.5, false)]), Some(0.25));
        assert_eq!(brier(&[(1.0, true), (0.0, false)]), Some(0.0));
    }

    proptest! {
        #[test]
        fn the_true_rate_is_the_best_single_prediction(yes in 0usize..30, no in 0usize..30, other in 0.0f64..=1.0) {
            prop_assume!(yes + no > 0);
            let rate = real(yes) / real(yes + no);
            let of = |p: f64| brier(&(0..yes + no).map(|i| (p, i < yes)).collect::<Vec<_>>()).unwrap_or(1.0);
            prop_assert!(of(rate) <= of(other) + 1e-12 && (0.0..=1.0).contains(&of(other)));
        }
    }
}
