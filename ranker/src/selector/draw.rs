//! The weighted draw without replacement: Gumbel top-k.

use features::ids::UserId;
use features::portrait::Signals;

use crate::chance::gumbel;
use crate::deck::Draw;
use crate::query::Query;
use crate::scorers::{exposure, popularity};

/// A match of 0 is drawn as if it were this, because its logarithm would have no end.
const LEAST_MATCH: f64 = 1e-6;

/// The key of a candidate, and the score without chance. Depends on nobody else.
pub(super) fn draw(mutual: f64, signals: &Signals, user: UserId, query: &Query) -> (Draw, f32) {
    let config = &query.config().draw;
    let (popularity, exposure) = (popularity(signals, config), exposure(signals, config));
    let noise = gumbel(query.seed, user);
    let lift = config.popularity_exponent * popularity.ln() + config.exposure_exponent * exposure.ln();
    let key = config.sharpness * mutual.max(LEAST_MATCH).ln() + lift + config.temperature * noise;
    #[expect(clippy::cast_possible_truncation, reason = "written with 24 bits")]
    let f = |value: f64| value as f32;
    let draw = Draw {
        popularity: f(popularity),
        exposure: f(exposure),
        sharpness: f(config.sharpness),
        popularity_exponent: f(config.popularity_exponent),
        exposure_exponent: f(config.exposure_exponent),
        temperature: f(config.temperature),
        noise: f(noise),
        key: f(key),
    };
    (draw, f(mutual * lift.exp()))
}
