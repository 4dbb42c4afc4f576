//! The `[ranker.warm]` section: weights of the strategy `warm`.

use serde::{Deserialize, Serialize};

use crate::names::TermName;
use crate::warm::Combine;

/// Weights of the strategy `warm`; [`crate::warm::Direction::log_odds`] says how they enter. The defaults
/// were fitted to a simulated town, where neither presence nor replies say anything of who is liked: docs/WARM.md.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WarmConfig {
    /// How the two one-sided probabilities become one number.
    pub combine: Combine,
    /// Added to the log-odds of the base rate.
    pub intercept: f64,
    /// How much it counts how readily the one likes.
    pub choosy: f64,
    /// How much it counts how readily the other is liked.
    pub liked: f64,
    /// How much the terms of the formula count.
    pub similarity: f64,
    /// How much it counts how present the other is.
    pub recency: f64,
    /// How much it counts how readily the other replies.
    pub reply: f64,
    /// Takes the place of `draw.sharpness`: probabilities differ more than the sides of the formula do.
    pub sharpness: f64,
}

impl Default for WarmConfig {
    fn default() -> Self {
        Self {
            combine: Combine::Product,
            intercept: -0.457,
            choosy: 1.164,
            liked: 0.943,
            similarity: 0.692,
            recency: 0.0,
            reply: 0.0,
            sharpness: 1.0,
        }
    }
}

impl WarmConfig {
    /// The weight of a term that this strategy adds; 0 of any other.
    pub const fn of(&self, term: TermName) -> f64 {
        match term {
            TermName::Choosy => self.choosy,
            TermName::Liked => self.liked,
            TermName::Recency => self.recency,
            TermName::Reply => self.reply,
            _ => 0.0,
        }
    }
}
