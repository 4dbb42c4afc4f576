//! How many of the impressions at a position are looked at: nobody dislikes what they never saw.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Tally;

/// One impression of a candidate in a deck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Impression {
    /// Who was shown.
    pub candidate: u64,
    /// Where in the deck, from 0.
    pub position: u32,
    /// Whether it became a like.
    pub liked: bool,
}

/// The chance that an impression is looked at, by position, relative to the first.
///
/// Positions are taken together in groups that double (0, 1–2, 3–6, 7–14, …), because attention falls ever more slowly and the ends of
/// decks have few rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Examination {
    /// Propensity of each group of positions: the first is 1, none is greater than the one before.
    propensity: Vec<f64>,
    /// The largest weight of an impression.
    cap: f64,
}

/// Pseudo-likes with which the ratio of neighbouring groups is drawn towards 1: a position without rows is no better or worse than the
/// last.
const CALM: f64 = 5.0;

impl Examination {
    /// Every position is looked at.
    pub fn none() -> Self {
        Self { propensity: vec![1.0], cap: 1.0 }
    }

    /// Estimates the propensities from impressions; no weight will exceed `cap` (1 or more).
    ///
    /// The same candidate shown in two neighbouring groups of positions is as likeable in both, so the ratio of like rates over
    /// such candidates is the ratio of propensities; better candidates standing further up does not enter. Candidates are pooled by
    /// the weights of Mantel and Haenszel (1959), and the ratios are chained from the first position: the adjacent-chain estimator of
    /// Agarwal et al. (WSDM 2019, "Estimating position bias without intrusive interventions"). Ratios greater than 1 are taken as 1.
    pub fn fit(impressions: &[Impression], cap: f64) -> Self {
        let mut shown: BTreeMap<u64, BTreeMap<usize, Tally>> = BTreeMap::new();
        for row in impressions {
            shown.entry(row.candidate).or_default().entry(group(row.position)).or_default().add(row.liked);
        }
        let last = impressions.iter().map(|row| group(row.position)).max().unwrap_or(0);
        let mut propensity = vec![1.0];
        for here in 0..last {
            let both = shown.values().filter_map(|groups| groups.get(&here).zip(groups.get(&(here + 1))));
            let (mut upper, mut lower) = (CALM, CALM);
            for (up, down) in both {
                upper += up.yes * down.n / (up.n + down.n);
                lower += down.yes * up.n / (up.n + down.n);
            }
            propensity.push(propensity[here] * (lower / upper).min(1.0));
        }
        Self { propensity, cap: cap.max(1.0) }
    }

    /// The chance that the position is looked at, relative to the first: from `1 / cap` to 1. Positions beyond all that were seen have
    /// that of the last.
    pub fn examined(&self, position: u32) -> f64 {
        let at = group(position).min(self.propensity.len() - 1);
        self.propensity[at].max(1.0 / self.cap)
    }

    /// The weight of an impression that stands for those not looked at: `1 / examined`, from 1 to `cap`. Inverse propensity with clipping:
    /// Horvitz and Thompson (1952); Joachims, Swaminathan and Schnabel (WSDM 2017).
    pub fn weight(&self, position: u32) -> f64 {
        1.0 / self.examined(position)
    }

    /// Adds an impression to a tally as the part of it that was looked at, when `base` is the rate of likes among those that are.
    ///
    /// A like proves that it was looked at and counts as one; the others count `θ(1 − base) / (1 − θ·base)`, the chance of
    /// having been looked at given that no like came (the expectation step for the position-based model: Wang et al., WSDM 2018). A
    /// tally never has more likes than rows, and a candidate whose rate is `base` keeps it at every position.
    pub fn count(&self, tally: &mut Tally, position: u32, liked: bool, base: f64) {
        let (seen, base) = (self.examined(position), base.clamp(0.0, 1.0 - 1e-9));
        tally.yes += f64::from(u8::from(liked));
        tally.n += if liked { 1.0 } else { seen * (1.0 - base) / (1.0 - seen * base) };
    }
}

/// 0, 1–2, 3–6, 7–14, …
fn group(position: u32) -> usize {
    position.saturating_add(1).ilog2() as usize
}
