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
        let mut spread = Spread::default();
        people.iter().for_each(|t| spread.add(*t));
        spread.prior(parent)
    }
}

/// What [`BetaPrior::fit`] needs to know of the people of a segment, whoever they are: sums that do not depend on the order in which people are added,
/// to the last bit, because they are kept as whole multiples of 2^−40.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spread {
    people: u64,
    yes: i128,
    n: i128,
    /// `Σ yes²/n`.
    yes_squared: i128,
    /// `Σ n²`.
    n_squared: i128,
}

/// Parts of 1 in which [`Spread`] counts.
const PARTS: f64 = 1_099_511_627_776.0;

fn whole(value: f64) -> i128 {
    #[expect(clippy::cast_possible_truncation, reason = "a sum of counts, far below 2^87")]
    let parts = (value * PARTS).round() as i128;
    parts
}

fn parts(sum: i128) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits are enough for a prior")]
    let value = sum as f64 / PARTS;
    value
}

impl Spread {
    /// Adds somebody; who has no rows does not count.
    pub fn add(&mut self, tally: Tally) {
        let Tally { yes, n } = tally;
        if n > 0.0 {
            self.people += 1;
            self.yes += whole(yes);
            self.n += whole(n);
            self.yes_squared += whole(yes * yes / n);
            self.n_squared += whole(n * n);
        }
    }

    /// Adds everybody of another segment.
    pub fn merge(&mut self, other: &Self) {
        self.people += other.people;
        self.yes += other.yes;
        self.n += other.n;
        self.yes_squared += other.yes_squared;
        self.n_squared += other.n_squared;
    }

    /// The prior of the segment: [`BetaPrior::fit`].
    pub fn prior(&self, parent: BetaPrior) -> BetaPrior {
        let all = Tally { yes: parts(self.yes), n: parts(self.n) };
        let strength = if self.people < FEWEST as u64 { parent.strength() } else { self.strength() };
        BetaPrior::new(parent.smoothed(all), strength.clamp(STRENGTH.0, STRENGTH.1))
    }

    /// `(1 − ρ)/ρ`; more than any bound when people differ no more than chance makes them.
    fn strength(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a number of people")]
        let people = self.people as f64;
        let (yes, n, yes_squared) = (parts(self.yes), parts(self.n), parts(self.yes_squared));
        let between = (yes_squared - yes * yes / n) / (people - 1.0);
        let within_rows = n - people;
        if within_rows <= 0.0 {
            return STRENGTH.1; // one row each tells nothing about how people differ
        }
        let within = (yes - yes_squared) / within_rows;
        let size = (n - parts(self.n_squared) / n) / (people - 1.0);
        let rho = (between - within) / (between + (size - 1.0) * within);
        if rho.is_finite() && rho > 0.0 { (1.0 - rho) / rho } else { STRENGTH.1 }
    }
}
