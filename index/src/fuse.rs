//! Reciprocal rank fusion (Cormack, Clarke, Büttcher: "Reciprocal Rank Fusion outperforms Condorcet and
//! individual rank learning methods", SIGIR 2009): `score(d) = Σ 1 / (k + rank(d))`, ranks from 1.

use std::collections::HashMap;
use std::hash::Hash;

/// The constant of the paper.
pub const K: f32 = 60.0;

/// Fuses ranked lists, best first. Ties keep the order of first appearance, so equal inputs give equal outputs.
pub fn reciprocal_rank_fusion<T: Copy + Eq + Hash>(lists: &[Vec<T>], k: f32) -> Vec<(T, f32)> {
    let mut scores: HashMap<T, (usize, f32)> = HashMap::new();
    for list in lists {
        for (rank, item) in list.iter().enumerate() {
            let order = scores.len();
            #[expect(clippy::cast_precision_loss, reason = "ranks are small")]
            let gain = 1.0 / (k + rank as f32 + 1.0);
            scores.entry(*item).or_insert((order, 0.0)).1 += gain;
        }
    }
    let mut fused: Vec<(T, usize, f32)> = scores.into_iter().map(|(item, (order, score))| (item, order, score)).collect();
    fused.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.1.cmp(&b.1)));
    fused.into_iter().map(|(item, _, score)| (item, score)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_lists_have_comes_first() {
        let fused = reciprocal_rank_fusion(&[vec!['a', 'b', 'c'], vec!['c', 'd']], K);
        assert_eq!(fused.iter().map(|f| f.0).collect::<Vec<_>>(), ['c', 'a', 'b', 'd']);
        assert!((fused[0].1 - (1.0 / 63.0 + 1.0 / 61.0)).abs() < 1e-6);
    }
}
