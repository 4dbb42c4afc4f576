#![allow(clippy::unwrap_used)]

use super::*;
use features::ids::derived_event_id;
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
    ledger.apply_all([&event(1, 2, Like, 1), &event(2, 1, Like, 2)]);
    assert!(ledger.friends(a, b) && ledger.friends_of(a) == [b]);
    ledger.apply(&event(2, 1, Unfollow, 3));
    assert!(!ledger.friends(a, b) && ledger.likes(a, b));
    ledger.apply(&event(2, 1, Block, 4));
    assert!(ledger.blocked(a, b) && ledger.blocked(b, a));
    ledger.apply(&event(2, 1, Unblock, 5));
    assert!(!ledger.blocked(a, b));
    ledger.apply(&event(2, 1, Pass, 6));
    assert!(ledger.passed(b, a) && ledger.passed_by(b) == [a]);
    ledger.forget(b);
    assert!(!ledger.passed(b, a) && !ledger.likes(a, b) && ledger.exposures() == 0);
}

fn events() -> impl Strategy<Value = Vec<InteractionEvent>> {
    let one = (1u64..5, 1u64..5, prop::sample::select(InteractionKind::ALL), 0i64..20).prop_filter("two people", |e| e.0 != e.1);
    prop::collection::vec(one.prop_map(|(a, b, kind, s)| event(a, b, kind, s)), 0..60)
}

proptest! {
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
        forward.forget(UserId(1));
        prop_assert_eq!(forward.exposures(), shown.iter().filter(|(a, b)| *a != UserId(1) && *b != UserId(1)).count());
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
        prop_assert_eq!((ledger.co_likes(false), ledger.co_likes(true)), (back.co_likes(false), back.co_likes(true)));
    }
}
