//! Chance, always from a seed and a name.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};

/// A stream of chance of its own for each name and number.
pub(super) fn dice(seed: u64, name: &str, number: u64) -> ChaCha8Rng {
    let id = features::ids::derived_event_id(&["town", name, &seed.to_string(), &number.to_string()]);
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(id.as_bytes());
    ChaCha8Rng::from_seed(bytes)
}

/// A normal draw.
pub(super) fn normal(dice: &mut impl Rng, mean: f64, deviation: f64) -> f64 {
    Normal::new(mean, deviation).expect("a finite deviation").sample(dice)
}

/// One of a list.
pub(super) fn pick<'a, T>(dice: &mut impl Rng, from: &'a [T]) -> &'a T {
    &from[dice.random_range(0..from.len())]
}

/// A whole number with the given mean: its floor, or one more by chance.
pub(super) fn around(dice: &mut impl Rng, mean: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and not negative")]
    let floor = mean.max(0.0) as u32;
    floor + u32::from(dice.random_bool(mean.max(0.0).fract()))
}
