//! From sums over users to an estimate and its variance.

use serde::{Deserialize, Serialize};

use crate::eval::real;

/// Sums over the users of an arm of what each did (`y`) and of how often each could (`x`, 1 where it is a mean by user). They can be added
/// up in any order and place, so that a query needs to give one row an arm.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Sums {
    /// How many users.
    pub users: u64,
    /// Σ y.
    pub y: f64,
    /// Σ x.
    pub x: f64,
    /// Σ y².
    pub yy: f64,
    /// Σ x².
    pub xx: f64,
    /// Σ xy.
    pub xy: f64,
}

/// A number and how much it would differ among repetitions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// The square of its standard error.
    pub variance: f64,
}

impl Sums {
    /// Adds one user.
    pub fn add(&mut self, y: f64, x: f64) {
        self.users += 1;
        self.y += y;
        self.x += x;
        self.yy += y * y;
        self.xx += x * x;
        self.xy += x * y;
    }

    /// `Σy / Σx` with its variance by the delta method over users: `n/(n−1) · Σ(y − r·x)² / (Σx)²` (Deng, Knoblich and Lu, KDD 2018). Rows of
    /// one user are not independent, users are; with `x` = 1 it is the usual variance of a mean. `None` with fewer than two users or when
    /// nobody could.
    pub fn estimate(&self) -> Option<Estimate> {
        if self.users < 2 || self.x <= 0.0 {
            return None;
        }
        let n = usize::try_from(self.users).unwrap_or(usize::MAX);
        let value = self.y / self.x;
        let residuals = (self.yy - 2.0 * value * self.xy + value * value * self.xx).max(0.0);
        Some(Estimate { value, variance: real(n) / real(n - 1) * residuals / (self.x * self.x) })
    }
}
