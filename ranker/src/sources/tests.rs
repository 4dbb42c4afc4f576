#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

#[test]
fn a_candidate_carries_all_its_sources_and_its_best_place() {
    let (near, hot) = ([UserId(5), UserId(7)], [UserId(9), UserId(7), UserId(5)]);
    let merged = merge([(SourceName::Hot, &hot[..]), (SourceName::NearMe, &near[..])]);
    let flat: Vec<_> = merged.iter().map(|c| (c.user.0, c.rank, c.sources.as_slice())).collect();
    let both = [SourceName::NearMe, SourceName::Hot];
    assert_eq!(flat, [(5, 0, &both[..]), (9, 0, &[SourceName::Hot][..]), (7, 1, &both[..])]);
}

proptest! {
    #[test]
    fn the_order_of_sources_does_not_matter(lists in prop::collection::vec(prop::collection::vec(1u64..40, 0..30), SourceName::ALL.len()), turn in 0usize..7) {
        let lists: Vec<Vec<UserId>> = lists.into_iter().map(|l| l.into_iter().map(UserId).collect()).collect();
        let mut rankings: Vec<(SourceName, &[UserId])> = SourceName::ALL.iter().copied().zip(lists.iter().map(Vec::as_slice)).collect();
        let merged = merge(rankings.iter().copied());
        rankings.rotate_left(turn);
        rankings.reverse();
        prop_assert_eq!(merge(rankings.iter().copied()), merged);
    }
}
