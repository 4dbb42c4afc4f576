//! How well a score orders yes before no.

use super::real;

/// The area under the ROC curve: the chance that a random positive scores higher than a random negative, ties counted half.
///
/// Between 0 and 1; 0.5 is what chance reaches. `None` when a class is empty or a score is not a number. By the rank sum of Mann
/// and Whitney (1947) with mid-ranks for ties: `(R₊ − n₊(n₊+1)/2) / (n₊ n₋)`; Hanley and McNeil (1982). O(n log n).
pub fn auc(scored: &[(f64, bool)]) -> Option<f64> {
    if scored.iter().any(|(score, _)| score.is_nan()) {
        return None;
    }
    let mut sorted = scored.to_vec();
    // `total_cmp` would put -0.0 before 0.0, which are a tie.
    sorted.sort_unstable_by(|a, b| (a.0 + 0.0).total_cmp(&(b.0 + 0.0)));
    let mut rank_sum = 0.0;
    let mut before = 0;
    for ties in sorted.chunk_by(|a, b| a.0 == b.0) {
        let middle = real(2 * before + ties.len() + 1) / 2.0;
        rank_sum += middle * real(ties.iter().filter(|(_, yes)| *yes).count());
        before += ties.len();
    }
    let yes = real(scored.iter().filter(|(_, yes)| *yes).count());
    let no = real(scored.len()) - yes;
    (yes > 0.0 && no > 0.0).then(|| (rank_sum - yes * (yes + 1.0) / 2.0) / (yes * no))
}
