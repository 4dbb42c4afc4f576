//! Chance without state: a number for (seed, user), the same whatever else is drawn, in whatever order.

use features::ids::UserId;

/// What a draw is for, so that the draws of one user in one deck are independent of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The order of the deck.
    Draw,
    /// Sampling inside a source.
    Sample,
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014).
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// 64 evenly distributed bits for a user under a seed.
pub const fn bits(seed: u64, purpose: Purpose, user: UserId) -> u64 {
    let stream = mix(seed.wrapping_add(GOLDEN.wrapping_mul(purpose as u64 + 1)));
    mix(stream ^ mix(user.0.wrapping_add(GOLDEN)))
}

/// Evenly distributed in the open interval (0, 1).
pub fn uniform(seed: u64, purpose: Purpose, user: UserId) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    let top = (bits(seed, purpose, user) >> 11) as f64;
    (top + 0.5) / 9_007_199_254_740_992.0
}

/// Standard Gumbel noise: `−ln(−ln u)`. Sorting by `ln w + gumbel` draws without replacement with probabilities proportional
/// to `w` (Gumbel top-k; Vieira 2014; Kool et al., ICML 2019).
pub fn gumbel(seed: u64, user: UserId) -> f64 {
    -(-uniform(seed, Purpose::Draw, user).ln()).ln()
}

/// The `limit` users with the smallest numbers, in that order: a sample that does not depend on the order of `users`.
pub fn sample(seed: u64, users: impl IntoIterator<Item = UserId>, limit: usize) -> Vec<UserId> {
    let mut keyed: Vec<(u64, UserId)> = users.into_iter().map(|user| (bits(seed, Purpose::Sample, user), user)).collect();
    if keyed.len() > limit && limit > 0 {
        keyed.select_nth_unstable(limit - 1);
    }
    keyed.truncate(limit);
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, user)| user).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_even_and_the_noise_is_gumbel() {
        const N: u64 = 20_000;
        let mean = |f: &dyn Fn(UserId) -> f64| (1..=N).map(|u| f(UserId(u))).sum::<f64>() / N as f64;
        assert!((mean(&|u| uniform(7, Purpose::Draw, u)) - 0.5).abs() < 0.01);
        let euler = mean(&|u| gumbel(7, u));
        assert!((euler - 0.5772).abs() < 0.03, "the mean of Gumbel noise is Euler's constant, not {euler}");
        let together = mean(&|u| (uniform(7, Purpose::Draw, u) - 0.5) * (uniform(7, Purpose::Sample, u) - 0.5));
        assert!(together.abs() < 0.005, "purposes are independent");
        let seeds = mean(&|u| (uniform(7, Purpose::Draw, u) - 0.5) * (uniform(8, Purpose::Draw, u) - 0.5));
        assert!(seeds.abs() < 0.005, "seeds are independent");
    }

    #[test]
    fn a_sample_does_not_depend_on_order() {
        let forward = sample(3, (1..500).map(UserId), 20);
        let backward = sample(3, (1..500).rev().map(UserId), 20);
        assert_eq!(forward, backward);
        assert_eq!(forward.len(), 20);
        assert!(sample(3, (1..500).map(UserId), 0).is_empty());
        assert_eq!(sample(3, (1..5).map(UserId), 20).len(), 4);
    }
}
