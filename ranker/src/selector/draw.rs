//! The weighted draw without replacement: Gumbel top-k.

use features::ids::UserId;
use features::portrait::Signals;

use crate::chance::gumbel;
use crate::deck::Draw;
use crate::query::Query;
use crate::scorers::{exposure, popularity};
use crate::selector::Scored;
use crate::selector::budget::Spent;

/// A worth of 0 is drawn as if it were this, because its logarithm would have no end.
const LEAST_WORTH: f64 = 1e-6;

/// The key of a candidate, and the score without chance. Depends on nobody else.
pub(super) fn draw(worth: f64, signals: &Signals, user: UserId, spent: &Spent, query: &Query) -> (Draw, f32) {
    let config = &query.config().draw;
    let (popularity, exposure) = (popularity(signals, config), exposure(signals, config));
    let noise = gumbel(query.seed, user);
    let lift = config.popularity_exponent * popularity.ln() + config.exposure_exponent * exposure.ln() - spent.budget;
    let key = config.sharpness * worth.max(LEAST_WORTH).ln() + lift + config.temperature * noise;
    #[expect(clippy::cast_possible_truncation, reason = "written with 24 bits")]
    let f = |value: f64| value as f32;
    let draw = Draw {
        popularity: f(popularity),
        exposure: f(exposure),
        sharpness: f(config.sharpness),
        popularity_exponent: f(config.popularity_exponent),
        exposure_exponent: f(config.exposure_exponent),
        temperature: f(config.temperature),
        received: spent.received,
        budget: f(spent.budget),
        capped: spent.capped,
        noise: f(noise),
        key: f(key),
    };
    (draw, f(worth * lift.exp()))
}

/// Gives everybody the chance with which the draw puts them first: `w / Σ w` with `ln w = (key − temperature·noise) / temperature`, the
/// softmax that Gumbel noise draws from. Without chance the best has 1 and the others 0. Given who was drawn before, the chance of a place
/// is `p / (1 − Σ p of those before)`, because the draw is without replacement. Diversity, caps and guaranteed places come after the draw
/// and are not in it: where they are turned off, this is the exact propensity.
pub(super) fn propensities(scored: &mut [Scored<'_>]) {
    let certain = |draw: &Draw| f64::from(draw.key) - f64::from(draw.temperature) * f64::from(draw.noise);
    let most = scored.iter().map(|s| certain(&s.draw)).fold(f64::NEG_INFINITY, f64::max);
    let weight = |draw: &Draw| {
        let behind = certain(draw) - most;
        if draw.temperature > 0.0 { (behind / f64::from(draw.temperature)).exp() } else { f64::from(u8::from(behind >= 0.0)) }
    };
    let total: f64 = scored.iter().map(|s| weight(&s.draw)).sum();
    for one in scored {
        #[expect(clippy::cast_possible_truncation, reason = "written with 24 bits")]
        let share = (weight(&one.draw) / total) as f32;
        one.propensity = share;
    }
}
