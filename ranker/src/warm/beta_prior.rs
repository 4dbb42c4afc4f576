//! Rates of people with few rows: drawn towards what is usual in their segment, by as much as the segment is alike.

use serde::{Deserialize, Serialize};

/// How often of how many. Real numbers, because corrected impressions count in parts.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// How often it was a yes: 0 to `n`.
    pub yes: f64,
    /// Of how many.
    pub n: f64,
}

impl Tally {
    /// One more row.
    pub fn add(&mut self, yes: bool) {
        self.yes += f64::from(u8::from(yes));
        self.n += 1.0;
    }
}

/// A Beta distribution of the rate of one person of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BetaPrior {
    /// Yes rows that the prior is worth; greater than 0.
    pub a: f64,
    /// No rows that the prior is worth; greater than 0.
    pub b: f64,
}

/// Below this many people a segment's own spread says less than its parent's.
pub const FEWEST: usize = 10;
/// What a prior may be worth, in rows: with less, one row would decide; with more, none would.
pub const STRENGTH: (f64, f64) = (1.0, 200.0);

impl BetaPrior {
    /// A prior by its mean (0 to 1) and what it is worth in rows.
    pub fn new(rate: f64, strength: f64) -> Self {
        let rate = rate.clamp(1e-6, 1.0 - 1e-6);
        Self { a: rate * strength, b: (1.0 - rate) * strength }
    }

    /// Its mean: the base rate of the segment.
    pub fn rate(&self) -> f64 {
        self.a / (self.a + self.b)
    }

    /// What it is worth, in rows.
    pub fn strength(&self) -> f64 {
        self.a + self.b
    }

    /// The smoothed rate `(a + yes) / (a + b + n)`: the posterior mean; strictly between 0 and 1.
    pub fn smoothed(&self, tally: Tally) -> f64 {
        (self.a + tally.yes) / (self.a + self.b + tally.n)
    }

    /// The prior of a segment from the tallies of its people.
    ///
    /// Its mean is the pooled rate, itself smoothed by `parent`; its strength is `(1 − ρ)/ρ` with the moment (analysis of variance)
    /// estimator of the intra-person correlation ρ: Kleinman (1973); Ridout, Demétrio and Firth (Biometrics 1999). A segment of
    /// fewer than [`FEWEST`] people who have rows takes the strength of `parent`; all strengths stay within [`STRENGTH`].
    pub fn fit(people: &[Tally], parent: Self) -> Self {
        let seen: Vec<Tally> = people.iter().copied().filter(|t| t.n > 0.0).collect();
        let all = seen.iter().fold(Tally::default(), |sum, t| Tally { yes: sum.yes + t.yes, n: sum.n + t.n });
        let strength = if seen.len() < FEWEST { parent.strength() } else { strength(&seen, all) };
        Self::new(parent.smoothed(all), strength.clamp(STRENGTH.0, STRENGTH.1))
    }
}

/// `(1 − ρ)/ρ`; more than any bound when people differ no more than chance makes them.
fn strength(seen: &[Tally], all: Tally) -> f64 {
    let people = crate::eval::real(seen.len());
    let pooled = all.yes / all.n;
    let between = seen.iter().map(|t| t.n * (t.yes / t.n - pooled).powi(2)).sum::<f64>() / (people - 1.0);
    let within_rows = all.n - people;
    if within_rows <= 0.0 {
        return STRENGTH.1; // one row each tells nothing about how people differ
    }
    let within = seen.iter().map(|t| t.yes * (1.0 - t.yes / t.n)).sum::<f64>() / within_rows;
    let size = (all.n - seen.iter().map(|t| t.n * t.n).sum::<f64>() / all.n) / (people - 1.0);
    let rho = (between - within) / (between + (size - 1.0) * within);
    if rho.is_finite() && rho > 0.0 { (1.0 - rho) / rho } else { STRENGTH.1 }
}
