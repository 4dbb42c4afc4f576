#![allow(clippy::unwrap_used)]

use super::*;
use features::ids::derived_event_id;
use features::relations::{Act, Pair, Side};
use proptest::prelude::*;

fn event(actor: u64, target: u64, kind: InteractionKind, second: i64) -> InteractionEvent {
    InteractionEvent::new(
        derived_event_id(&["e"]),
        DateTime::from_timestamp(1_790_000_000 + second, 0).unwrap(),
        kind,
        UserId(actor),
        UserId(target),
    )
}

#[test]
fn relations_and_exposures() {
    use InteractionKind::{Block, Impression, Like, Pass, Unblock, Unfollow};
    let ledger = Ledger::default();
    let (a, b) = (UserId(1), UserId(2));
    let now = DateTime::from_timestamp(1_790_000_100, 0).unwrap();
    ledger.apply(&event(1, 2, Impression, 0));
    assert!(ledger.shown_within(a, b, now, TimeDelta::days(1)) && !ledger.shown_within(b, a, now, TimeDelta::days(1)));
    assert!(!ledger.shown_within(a, b, now + TimeDelta::days(2), TimeDelta::days(1)));
    assert_eq!(ledger.last_shown(a, b, now, TimeDelta::days(1)), DateTime::from_timestamp(1_790_000_000, 0));
    assert_eq!((ledger.last_shown(a, b, now, TimeDelta::seconds(100)), ledger.last_shown(b, a, now, TimeDelta::days(1))), (None, None));
    ledger.apply_all([&event(1, 2, Like, 1), &event(2, 1, Like, 2)]);
    assert!(ledger.friends(a, b) && ledger.friends_of(a) == [b]);
    ledger.apply(&event(2, 1, Unfollow, 3));
    assert!(!ledger.friends(a, b) && ledger.likes(a, b));
    ledger.apply(&event(2, 1, Block, 4));
    assert!(ledger.blocked(a, b) && ledger.blocked(b, a));
    assert!(ledger.blocks(b, a) && !ledger.blocks(a, b), "who said so is known");
    ledger.apply(&event(2, 1, Unblock, 5));
    assert!(!ledger.blocked(a, b));
    ledger.apply(&event(2, 1, Pass, 6));
    assert!(ledger.passed(b, a) && ledger.passed_by(b) == [a]);
    ledger.forget(b);
    assert!(!ledger.passed(b, a) && !ledger.likes(a, b) && ledger.exposures() == 0);
}

const HALF_DAY: i64 = 43_200;

/// Who has received how much on the newest day of any exposure and on the one before.
fn counted(ledger: &Ledger) -> Vec<(u64, i64, u32)> {
    let days = (0..12).map(|half| half * 2).flat_map(|half| (1..5).map(move |user| (user, half)));
    let at = |half: i64| DateTime::from_timestamp(1_790_000_000 + half * HALF_DAY, 0).unwrap();
    days.map(|(user, half)| (user, half, ledger.received(UserId(user), at(half)))).filter(|(.., count)| *count > 0).collect()
}

/// The same from the events: the last time each viewer was shown somebody.
fn plainly(events: &[InteractionEvent], counts: impl Fn(u64, u64) -> bool) -> Vec<(u64, i64, u32)> {
    let day = |at: i64| at.div_euclid(86_400);
    let mut last: std::collections::BTreeMap<(u64, u64), i64> = Default::default();
    for e in events.iter().filter(|e| e.kind == InteractionKind::Impression) {
        let at = last.entry((e.actor_id.0, e.target_id.0)).or_insert(i64::MIN);
        *at = (*at).max(e.event_time.timestamp());
    }
    let newest = last.values().copied().max().map_or(0, day);
    let of = |user: u64, half: i64| {
        let today = day(1_790_000_000 + half * HALF_DAY);
        let seen = last.iter().filter(|((a, b), at)| *b == user && day(**at) == today && today > newest - 2 && counts(*a, *b)).count();
        (user, half, u32::try_from(seen).unwrap())
    };
    (0..12)
        .map(|half| half * 2)
        .flat_map(|half| (1..5).map(move |user| (user, half)))
        .map(|(u, h)| of(u, h))
        .filter(|(.., c)| *c > 0)
        .collect()
}

#[test]
fn who_was_away_and_came_back_is_known() {
    let ledger = Ledger::default();
    let day = 86_400;
    ledger.apply_all([
        &event(1, 2, InteractionKind::Like, 0),
        &event(1, 3, InteractionKind::Pass, 10 * day),
        &event(2, 1, InteractionKind::Like, 10 * day),
    ]);
    let now = |days: i64| DateTime::from_timestamp(1_790_000_000 + days * day, 0).unwrap();
    let back = Return { away_days: 7, within_days: 2 };
    let returned = |at, back| ledger.standings([1, 2, 3].map(UserId), at, back).into_iter().map(|s| s.returned).collect::<Vec<_>>();
    assert_eq!(returned(now(10), back), [true, false, false], "2 was never there before, 3 never");
    assert_eq!(returned(now(11), back), [true, false, false]);
    assert_eq!(returned(now(12), back), [false; 3]);
    assert_eq!(returned(now(10), Return { within_days: 0, ..back }), [false; 3]);
}

#[test]
fn exposures_that_are_pruned_are_no_longer_counted() {
    let ledger = Ledger::default();
    ledger.apply_all([
        &event(1, 9, InteractionKind::Impression, 0),
        &event(2, 9, InteractionKind::Impression, 100),
        &event(2, 9, InteractionKind::Impression, 150),
    ]);
    let now = DateTime::from_timestamp(1_790_000_200, 0).unwrap();
    assert_eq!(ledger.received(UserId(9), now), 2);
    assert_eq!(ledger.received(UserId(9), now + TimeDelta::days(1)), 0);
    ledger.prune(now, TimeDelta::seconds(100));
    assert_eq!(ledger.received(UserId(9), now), 1);
}

fn events() -> impl Strategy<Value = Vec<InteractionEvent>> {
    let one = (1u64..5, 1u64..5, prop::sample::select(InteractionKind::ALL), 0i64..20).prop_filter("two people", |e| e.0 != e.1);
    prop::collection::vec(one.prop_map(|(a, b, kind, step)| event(a, b, kind, step * 14_400)), 0..60)
}

proptest! {
    /// What the rules of relations publish is all the ledger needs: it comes to the same without knowing them.
    #[test]
    fn relations_are_those_of_the_rules(history in prop::collection::vec((any::<bool>(), prop::sample::select(Act::ALL.to_vec())), 0..60)) {
        let (ledger, mut pair) = (Ledger::default(), Pair::default());
        let (a, b) = (UserId(1), UserId(2));
        for (second, (theirs, act)) in history.into_iter().enumerate() {
            let outcome = if theirs { pair.after_theirs(act) } else { pair.after(act) };
            let (actor, target) = if theirs { (b, a) } else { (a, b) };
            let events = outcome.publish.iter().map(|kind| event(actor.0, target.0, *kind, i64::try_from(second).unwrap()));
            ledger.apply_all(&events.collect::<Vec<_>>());
            pair = outcome.after.unwrap_or(pair);
            let follows = (pair.mine == Side::Follows, pair.theirs == Side::Follows);
            prop_assert_eq!((ledger.likes(a, b), ledger.likes(b, a)), follows);
            prop_assert_eq!((ledger.friends(a, b), ledger.blocked(b, a)), (pair.are_friends(), pair.is_blocked()));
        }
    }

    #[test]
    fn order_and_repetition_do_not_matter(events in events(), seed in any::<u64>()) {
        let (forward, shuffled) = (Ledger::default(), Ledger::default());
        forward.apply_all(&events);
        let mut again: Vec<_> = events.iter().chain(&events).collect();
        let n = again.len().max(1) as u64;
        for i in 0..again.len() {
            let j = (seed.wrapping_mul(i as u64 + 7) % n) as usize;
            again.swap(i, j);
        }
        shuffled.apply_all(again);
        prop_assert_eq!(&forward.read().state, &shuffled.read().state);
        let shown: std::collections::HashSet<_> = events.iter().filter(|e| e.kind == InteractionKind::Impression).map(|e| (e.actor_id, e.target_id)).collect();
        prop_assert_eq!(forward.exposures(), shown.len());
        prop_assert_eq!(counted(&forward), plainly(&events, |_, _| true));
        forward.forget(UserId(1));
        prop_assert_eq!(forward.exposures(), shown.iter().filter(|(a, b)| *a != UserId(1) && *b != UserId(1)).count());
        prop_assert_eq!(counted(&forward), plainly(&events, |a, b| a != 1 && b != 1));
    }

    #[test]
    fn a_snapshot_gives_the_ledger_back(events in events()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let ledger = Ledger::default();
        ledger.apply_all(&events);
        ledger.save(&path, &OffsetMap::new()).unwrap();
        let (back, _) = Ledger::load(&path).unwrap();
        prop_assert_eq!(&ledger.read().state, &back.read().state);
        prop_assert_eq!(counted(&ledger), counted(&back));
        prop_assert_eq!((ledger.co_likes(false), ledger.co_likes(true)), (back.co_likes(false), back.co_likes(true)));
    }
}
