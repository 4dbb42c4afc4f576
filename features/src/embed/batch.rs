//! Batches of texts of similar length, so that little is spent on padding.

/// Groups positions `0..lengths.len()` into batches of at most `limit` padded tokens, that is the
/// longest length in the batch times the number of texts; a text longer than that is a batch of
/// its own. Longest first, ties in the order given. Texts of length zero are left out.
pub(crate) fn plan(lengths: &[usize], limit: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).filter(|&i| lengths[i] > 0).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(lengths[i]));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for i in order {
        match batches.last_mut() {
            Some(batch) if lengths[batch[0]] * (batch.len() + 1) <= limit => batch.push(i),
            _ => batches.push(vec![i]),
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::plan;
    use proptest::prelude::*;

    #[test]
    fn similar_lengths_share_a_batch() {
        assert_eq!(plan(&[3, 10, 0, 4, 9], 20), vec![vec![1, 4], vec![3, 0]]);
        assert_eq!(plan(&[100], 20), vec![vec![0]]);
        assert!(plan(&[], 20).is_empty());
    }

    proptest! {
        #[test]
        fn every_text_is_in_one_batch_within_the_limit(
            lengths in proptest::collection::vec(0usize..200, 0..100),
            limit in 1usize..1000,
        ) {
            let batches = plan(&lengths, limit);
            let mut seen: Vec<usize> = batches.concat();
            seen.sort_unstable();
            let wanted: Vec<usize> = (0..lengths.len()).filter(|&i| lengths[i] > 0).collect();
            prop_assert_eq!(seen, wanted);
            for batch in batches {
                let longest = batch.iter().map(|&i| lengths[i]).max().unwrap_or(0);
                prop_assert!(batch.len() == 1 || longest * batch.len() <= limit);
            }
        }
    }
}
