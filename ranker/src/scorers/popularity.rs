//! Popularity and exposure: factors of the probability to be drawn, not terms of the match.

use features::portrait::{LIKE_RATE_PRIOR, Signals};

use crate::config::DrawConfig;

/// Smoothed like rate over that of a stranger, within the configured bounds: 1 for somebody nobody has seen.
pub fn popularity(signals: &Signals, config: &DrawConfig) -> f64 {
    (f64::from(signals.like_rate) / LIKE_RATE_PRIOR).clamp(config.popularity_floor, config.popularity_ceiling)
}

/// `1 / (1 + impressions / exposure_scale)`: what has been seen much gives way, so that exposure spreads.
pub fn exposure(signals: &Signals, config: &DrawConfig) -> f64 {
    1.0 / (1.0 + f64::from(signals.impressions.max(0.0)) / config.exposure_scale)
}
