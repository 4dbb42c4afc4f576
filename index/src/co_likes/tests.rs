#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

type Said = (u64, u64, bool, i64);

const WIDE: Reach = Reach { likes: 1_000, fan_out: 1_000, alike: 1_000 };

fn of(words: &[Said]) -> CoLikes {
    let mut all = CoLikes::default();
    words.iter().for_each(|(a, t, likes, at)| all.say(UserId(*a), UserId(*t), *likes, *at));
    all
}

fn words(people: u64, most: usize) -> impl Strategy<Value = Vec<Said>> {
    let one = (1..=people, 1..=people, prop::bool::weighted(0.8), 0i64..50).prop_filter("two people", |w| w.0 != w.1);
    prop::collection::vec(one, 0..most)
}

/// What must be kept, by definition: the last word of each pair, and of them the newest of each person.
fn defined(words: &[Said], received: bool) -> Vec<KeptWord> {
    let mut last: BTreeMap<(u64, u64), (i64, bool)> = BTreeMap::new();
    for (actor, target, likes, at) in words {
        let word = last.entry((*actor, *target)).or_insert((*at, *likes));
        *word = (*word).max((*at, *likes));
    }
    let mut by_user: BTreeMap<u64, Vec<(i64, bool, u64)>> = BTreeMap::new();
    for ((actor, target), (at, likes)) in last {
        let (user, other) = if received { (target, actor) } else { (actor, target) };
        by_user.entry(user).or_default().push((at, likes, other));
    }
    let mut kept = Vec::new();
    for (user, mut list) in by_user {
        list.sort_unstable_by(|a, b| b.cmp(a));
        let newest = list.into_iter().take(KEPT);
        kept.extend(newest.map(|(at, likes, other)| KeptWord { user: UserId(user), other: UserId(other), at, likes }));
    }
    kept.sort_unstable();
    kept
}

/// The same recall as a sum over all people, without lists or bounds.
fn naive(words: &[Said], viewer: u64) -> BTreeMap<u64, [f64; 2]> {
    let given: BTreeSet<(u64, u64)> = defined(words, false).iter().filter(|w| w.likes).map(|w| (w.user.0, w.other.0)).collect();
    let people: BTreeSet<u64> = words.iter().flat_map(|w| [w.0, w.1]).collect();
    let mut found: BTreeMap<u64, [f64; 2]> = BTreeMap::new();
    for side in [0, 1] {
        let likes = |a: u64, b: u64| if side == 0 { given.contains(&(a, b)) } else { given.contains(&(b, a)) };
        let out = |a: u64| people.iter().filter(|b| likes(a, **b)).count() as f64;
        let back = |b: u64| people.iter().filter(|a| likes(**a, b)).count() as f64;
        for other in people.iter().filter(|o| **o != viewer) {
            let shared = people.iter().filter(|t| likes(viewer, **t) && likes(*other, **t));
            let likeness: f64 = shared.map(|t| 1.0 / (1.5 + back(*t)).ln()).sum();
            if likeness == 0.0 {
                continue;
            }
            for user in people.iter().filter(|u| **u != viewer && likes(*other, **u)) {
                found.entry(*user).or_default()[side] += likeness / out(*other).sqrt();
            }
        }
        let most = found.values().map(|s| s[side]).fold(f64::MIN_POSITIVE, f64::max);
        found.values_mut().for_each(|s| s[side] /= most);
    }
    found
}

#[test]
fn those_who_like_alike_bring_their_likes_and_both_sides_come_first() {
    // 1 and 2 both like 11; 2 also likes 12 and 13. 11 likes 1 and 3, who are alike in that, and 12 likes 3, too; 13 likes nobody.
    let all =
        of(&[(1, 11, true, 1), (2, 11, true, 2), (2, 12, true, 3), (2, 13, true, 4), (11, 1, true, 5), (11, 3, true, 6), (12, 3, true, 7)]);
    let found = all.recall(UserId(1), &WIDE, 10);
    let users: Vec<u64> = found.iter().map(|f| f.user.0).collect();
    assert_eq!(users, [11, 12, 13], "both sides come first, ties by id: {found:?}");
    assert!(found[1].likes_alike > 0.0 && found[2].likes_alike == 0.0 && found[2].liked_alike > 0.0);
    assert!(all.recall(UserId(99), &WIDE, 10).is_empty(), "somebody unknown");
    assert!(of(&[(5, 6, false, 1)]).recall(UserId(5), &WIDE, 10).is_empty(), "a like that was taken back");
}

#[test]
fn a_walk_is_bounded_however_popular_somebody_is() {
    let mut all = CoLikes::default();
    for fan in 2..5_000u64 {
        all.say(UserId(fan), UserId(1), true, fan as i64);
        all.say(UserId(fan), UserId(10_000 + fan), true, fan as i64);
    }
    all.say(UserId(9_999), UserId(1), true, 0);
    let reach = Reach { likes: 20, fan_out: 30, alike: 10 };
    let found = all.recall(UserId(9_999), &reach, 1_000);
    // One shared like, thirty of its newest fans, ten of them alike, with two likes each, one of them shared.
    assert_eq!(found.len(), 11);
    assert!(found.iter().filter(|f| f.user.0 > 10_000).all(|f| f.user.0 >= 10_000 + 5_000 - 30), "the newest: {found:?}");
}

#[test]
fn forgetting_leaves_no_word() {
    let mut all = of(&[(1, 2, true, 1), (2, 3, true, 2), (3, 2, true, 3), (1, 3, true, 4)]);
    all.forget(UserId(2));
    let left = [KeptWord { user: UserId(1), other: UserId(3), at: 4, likes: true }];
    assert_eq!(all.kept(false), left);
    all.say(UserId(2), UserId(3), true, 9);
    assert_eq!(all.kept(false).len(), 2, "somebody may come back");
}

proptest! {
    #[test]
    fn what_is_kept_is_what_is_defined(mut words in words(200, 1_500), seed in any::<u64>()) {
        // One person likes nearly everybody, so that the bound is met.
        words.extend((2..200).map(|t| (1, t, true, (t as i64 * 7) % 50)));
        let expected = (defined(&words, false), defined(&words, true));
        let mut shuffled: Vec<Said> = words.iter().chain(&words).copied().collect();
        let n = shuffled.len() as u64;
        for i in 0..shuffled.len() {
            shuffled.swap(i, (seed.wrapping_mul(i as u64 + 7) % n) as usize);
        }
        let all = of(&shuffled);
        prop_assert_eq!((all.kept(false), all.kept(true)), expected);
    }

    #[test]
    fn recall_is_the_sum_over_everybody(words in words(12, 80), viewer in 1u64..13) {
        let found = of(&words).recall(UserId(viewer), &WIDE, 1_000);
        let expected = naive(&words, viewer);
        prop_assert_eq!(found.iter().map(|f| f.user.0).collect::<BTreeSet<_>>(), expected.keys().copied().collect::<BTreeSet<_>>());
        for one in &found {
            let [a, b] = expected[&one.user.0];
            prop_assert!((f64::from(one.liked_alike) - a).abs() < 1e-4 && (f64::from(one.likes_alike) - b).abs() < 1e-4, "{:?} {} {}", one, a, b);
        }
        prop_assert!(found.windows(2).all(|w| w[0].score() >= w[1].score()));
    }

    #[test]
    fn recall_does_not_depend_on_order(words in words(30, 200), viewer in 1u64..31) {
        let reach = Reach { likes: 5, fan_out: 6, alike: 4 };
        let backwards: Vec<Said> = words.iter().rev().copied().collect();
        prop_assert_eq!(of(&words).recall(UserId(viewer), &reach, 20), of(&backwards).recall(UserId(viewer), &reach, 20));
    }
}
