//! What must hold on every database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures::future::join_all;
use index::ledger::Ledger;

use super::*;
use crate::db::Tx;
use crate::relations::{forget_some, store};

fn relations(db: &Db) -> Relations {
    Relations::new(db.clone(), Arc::new(Ledger::default()), &RelationsConfig::default())
}

/// Two nodes on one database.
pub(crate) async fn suite(a: &Db, b: &Db) {
    life(&relations(a), a).await;
    together(&relations(a), &relations(b), a).await;
    long_lists(&relations(a)).await;
    gone(&relations(b)).await;
    rebuilt(&relations(a), a).await;
    quotas(&relations(b)).await;
}

async fn one(r: &Relations, deed: Deed) -> Result<Done, Refused> {
    r.act_all(&[deed], at(1_000)).await.unwrap().remove(0)
}

async fn life(r: &Relations, db: &Db) {
    let (ann, bob) = (UserId(1), UserId(u64::MAX - 1));
    let b = bob.0;
    let done = one(r, deed("1", Act::Like, 1, b, 0)).await.unwrap();
    assert!(done.began && done.friendship.is_none() && done.event_id.is_some());
    assert_eq!((whole(r, 1, List::Following, 10).await, whole(r, b, List::Fans, 10).await), (vec![b], vec![1]));
    assert_eq!(r.conversation(ann, bob).await.unwrap(), None);
    let done = one(r, deed("2", Act::Reply, b, 1, 1)).await.unwrap();
    assert_eq!(done.friendship, Some(Friendship::Begins));
    let kinds: Vec<InteractionKind> = done.events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [InteractionKind::Reply, InteractionKind::Follow], "what the rules publish");
    let conversation = r.conversation(ann, bob).await.unwrap();
    assert!(conversation.is_some() && conversation == r.conversation(bob, ann).await.unwrap());
    assert_eq!((whole(r, 1, List::Friends, 10).await, whole(r, b, List::Friends, 10).await), (vec![b], vec![1]));
    assert_eq!(r.counts(ann).await.unwrap(), Counts { friends: 1, ..Counts::default() });
    assert!(one(r, deed("3", Act::Follow, 1, b, 2)).await.unwrap().event_id.is_none(), "who follows cannot follow more");
    // The time of an event lies after the last one of the two, whatever it says.
    let done = one(r, deed("4", Act::Block, b, 1, -50)).await.unwrap();
    let times: Vec<_> = done.events.iter().map(|event| (event.kind, event.event_time > at(1))).collect();
    assert_eq!(times, [(InteractionKind::Unfollow, true), (InteractionKind::Block, true)]);
    assert!(r.ledger.blocked(ann, bob) && !r.ledger.likes(bob, ann) && r.ledger.likes(ann, bob), "in force with the answer");
    assert_eq!(r.conversation(ann, bob).await.unwrap(), None);
    for list in [List::Friends, List::Fans, List::Following] {
        assert!(whole(r, 1, list, 10).await.is_empty() && whole(r, b, list, 10).await.is_empty());
    }
    assert_eq!((whole(r, b, List::Blocked, 10).await, whole(r, 1, List::Blocked, 10).await), (vec![1], vec![]));
    assert_eq!(one(r, deed("5", Act::Like, 1, b, 4)).await, Err(Refused::Rule(Refusal::NotAvailable)));
    assert_eq!(one(r, deed("6", Act::Like, b, 1, 4)).await, Err(Refused::Rule(Refusal::UnblockFirst)));
    let report = deed("7", Act::Report, 1, b, 5).1;
    assert!(r.report(report.clone(), "spam", at(5)).await.unwrap().unwrap().event_id.is_some());
    assert!(r.report(report, "spam", at(6)).await.unwrap().unwrap().repeated, "the same event is the same report");
    let reports = db.all(&select(store::REPORTS, ["reason", "user_id", "other_id"])).await.unwrap();
    assert_eq!((reports.len(), reports[0].text("reason").unwrap()), (1, "spam".to_owned()));
    one(r, deed("8", Act::Unblock, b, 1, 6)).await.unwrap();
    assert_eq!(
        (whole(r, 1, List::Following, 10).await, whole(r, b, List::Fans, 10).await),
        (vec![b], vec![1]),
        "the follow is still there"
    );
    // The answer was lost, and so was what the ledger knew.
    let again = Relations::new(db.clone(), Arc::new(Ledger::default()), &RelationsConfig::default());
    let block = deed("9", Act::Block, 1, b, 7);
    one(r, block.clone()).await.unwrap();
    let done = one(&again, block).await.unwrap();
    assert!(done.repeated && done.events.is_empty() && again.ledger.blocked(ann, bob), "in force although it was done before");
    let anew = Relations::new(db.clone(), Arc::new(Ledger::default()), &RelationsConfig::default());
    let done = one(&anew, deed("10", Act::Block, 1, b, 8)).await.unwrap();
    assert!(!done.repeated && done.events.is_empty() && anew.ledger.blocked(ann, bob), "so is one that is sent again with another id");
    let all = published(db).await;
    let times: Vec<_> = all.iter().map(|event| event.event_time).collect();
    assert!(times.is_sorted_by(|a, b| a < b), "strictly: {all:?}");
}

/// Many at the same time and on two nodes: a friendship begins once.
async fn together(a: &Relations, b: &Relations, db: &Db) {
    for round in 0..8u64 {
        let (ann, bob) = (100 + round * 2, 101 + round * 2);
        let act = |n: u64| {
            let (actor, target) = if n.is_multiple_of(2) { (ann, bob) } else { (bob, ann) };
            let node = if n % 4 < 2 { a } else { b };
            let deeds = [deed(&format!("t {round} {n}"), [Act::Like, Act::Follow, Act::Comment][n as usize % 3], actor, target, 10)];
            async move { node.act_all(&deeds, at(1_000)).await.unwrap().remove(0).unwrap() }
        };
        let done = join_all((0..8).map(act)).await;
        let begun = done.iter().filter(|done| done.friendship == Some(Friendship::Begins)).count();
        assert_eq!(begun, 1, "{done:?}");
        let open = a.conversation(UserId(ann), UserId(bob)).await.unwrap();
        assert!(open.is_some() && open == b.conversation(UserId(bob), UserId(ann)).await.unwrap());
    }
    let mut rows = select(store::CONVERSATIONS, ["id"]);
    rows.and_where(col("user_id").gte(100i64)).and_where(col("user_id").lt(200i64));
    assert_eq!(db.all(&rows).await.unwrap().len(), 16, "one for each side");
    // Batches over the same people in other orders: none is lost to a deadlock.
    let batch = |n: u64| {
        let deeds: Vec<Deed> = (0..20u64)
            .map(|i| {
                let (actor, target) = ((n * 7 + i * 3) % 10, (n + i * 5) % 10);
                let target = if actor == target { (target + 1) % 10 } else { target };
                deed(&format!("b {n} {i}"), Act::Like, 200 + actor, 200 + target, 20)
            })
            .collect();
        let node = if n.is_multiple_of(2) { a } else { b };
        async move { node.act_all(&deeds, at(1_000)).await.map(|done| done.iter().filter(|done| done.is_ok()).count()) }
    };
    for done in join_all((0..6).map(batch)).await {
        assert_eq!(done.unwrap(), 20);
    }
    for user in 200..210 {
        let counts = a.counts(UserId(user)).await.unwrap();
        for list in List::ALL {
            assert_eq!(whole(b, user, list, 3).await.len() as i64, counts.of(list), "{list:?} of {user}");
        }
    }
}

/// Pages of a list that is longer than what is cached, with entries of the same time.
async fn long_lists(r: &Relations) {
    let fans: Vec<Deed> = (0..700u64).map(|n| deed(&format!("f {n}"), Act::Follow, 5_000 + n, 4_000, (n / 7) as i64)).collect();
    for some in fans.chunks(350) {
        assert!(r.act_all(some, at(1_000)).await.unwrap().iter().all(Result::is_ok));
    }
    let mut expected: Vec<u64> = (5_000..5_700).collect();
    expected.sort_by_key(|fan| std::cmp::Reverse(((fan - 5_000) / 7, *fan)));
    for most in [1, 99, 200] {
        assert_eq!(whole(r, 4_000, List::Fans, most).await, expected, "{most} at a time");
    }
    assert_eq!(r.counts(UserId(4_000)).await.unwrap().fans, 700);
    one(r, deed("f block", Act::Block, 4_000, 5_350, 900)).await.unwrap();
    expected.retain(|fan| *fan != 5_350);
    assert_eq!(whole(r, 4_000, List::Fans, 150).await, expected, "what was cached is not used any more");
}

async fn gone(r: &Relations) {
    let deeds: Vec<Deed> = (0..450u64).map(|n| deed(&format!("g {n}"), Act::Like, 9_000, 9_001 + n, 0)).collect();
    r.act_all(&deeds, at(1_000)).await.unwrap();
    one(r, deed("g back", Act::Like, 9_001, 9_000, 1)).await.unwrap();
    one(r, deed("g else", Act::Like, 9_001, 9_002, 1)).await.unwrap();
    let mut tx = r.db.begin().await.unwrap();
    // In parts, each a transaction: what was not committed of one is done by the next.
    let some = forget_some(&mut tx, UserId(9_000), 300).await.unwrap();
    assert!((300..310).contains(&some.values().sum::<u64>()), "{some:?}");
    drop(tx);
    let mut went = [0, 0];
    loop {
        let mut tx = r.db.begin().await.unwrap();
        let some = forget_some(&mut tx, UserId(9_000), 300).await.unwrap();
        tx.commit().await.unwrap();
        if some.is_empty() {
            break;
        }
        assert!(some.values().sum::<u64>() < 310, "{some:?}");
        went[0] += some[store::RELATIONS];
        went[1] += some[store::CONVERSATIONS];
    }
    assert_eq!(went, [900, 2]);
    assert_eq!(r.counts(UserId(9_000)).await.unwrap(), Counts::default());
    assert!(whole(r, 9_001, List::Friends, 10).await.is_empty() && whole(r, 9_450, List::Fans, 10).await.is_empty());
    assert_eq!(r.counts(UserId(9_001)).await.unwrap(), Counts { following: 1, ..Counts::default() }, "others stay");
    assert_eq!(r.conversation(UserId(9_000), UserId(9_001)).await.unwrap(), None);
}

async fn rebuilt(r: &Relations, db: &Db) {
    let word = |n: i64, kind, actor, target| {
        InteractionEvent::new(derived_event_id(&["r", &n.to_string()]), at(n), kind, UserId(actor), UserId(target))
    };
    use InteractionKind::{Block, Comment, Follow, Like, Pass, Unblock};
    let mut events = vec![
        word(0, Like, 8_001, 8_002),
        word(1, Comment, 8_002, 8_001),
        word(2, Like, 8_001, 8_003),
        word(3, Block, 8_003, 8_001),
        word(4, Like, 8_001, 8_003), // across the block: refused
        word(5, Pass, 8_001, 8_004),
        word(6, Block, 8_005, 8_001),
        word(7, Unblock, 8_005, 8_001),
    ];
    let before = published(db).await.len();
    let first = r.rebuild(&events, at(1_000)).await.unwrap();
    assert_eq!(first, Rebuilt { pairs: 3, written: 3, friends: 1 });
    assert_eq!((whole(r, 8_001, List::Friends, 10).await, whole(r, 8_003, List::Blocked, 10).await), (vec![8_002], vec![8_001]));
    assert!(r.conversation(UserId(8_001), UserId(8_002)).await.unwrap().is_some());
    assert_eq!(r.rebuild(&events, at(1_001)).await.unwrap().written, 0, "the same again changes nothing");
    // What was done meanwhile is newer than what the lake has.
    one(r, deed("r own", Act::Unfollow, 8_002, 8_001, 50)).await.unwrap();
    assert_eq!(r.rebuild(&events, at(1_002)).await.unwrap().written, 0);
    assert_eq!(whole(r, 8_001, List::Following, 10).await, [8_002]);
    // More came into the lake, with what was done here.
    events.extend(published(db).await.into_iter().skip(before));
    events.push(word(60, Follow, 8_002, 8_001));
    assert_eq!(r.rebuild(&events, at(1_003)).await.unwrap(), Rebuilt { pairs: 3, written: 1, friends: 1 });
    assert_eq!(r.counts(UserId(8_001)).await.unwrap(), Counts { friends: 1, ..Counts::default() });
}

/// Three likes, then none.
struct Three(AtomicU64);

#[async_trait]
impl Allowance for Three {
    async fn ask(&self, _: &mut Tx, _: UserId, act: Act, _: DateTime<Utc>) -> Result<Result<(), Spent>, DbError> {
        let over = act == Act::Like && self.0.fetch_add(1, Ordering::Relaxed) >= 3;
        Ok(if over { Err(Spent { retry_after_s: 7 }) } else { Ok(()) })
    }
}

async fn quotas(r: &Relations) {
    let r = Relations::new(r.db.clone(), Arc::clone(&r.ledger), &RelationsConfig { acts_per_hour: 5, ..RelationsConfig::default() })
        .with_allowance(Arc::new(Three(AtomicU64::new(0))));
    let likes: Vec<Deed> = (0..5).map(|n| deed(&format!("q {n}"), Act::Like, 7_000, 7_001 + n, 0)).collect();
    let done = r.act_all(&likes, at(1_000)).await.unwrap();
    assert_eq!(done.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, true, false, false]);
    assert_eq!(done[4], Err(Refused::Quota(7)));
    assert_eq!(whole(&r, 7_000, List::Following, 10).await.len(), 3);
    assert!(one(&r, deed("q block", Act::Block, 7_000, 7_009, 1)).await.is_ok(), "asked of likes and the like only");
    for _ in 0..5 {
        r.take(UserId(7_000), [Act::Follow], at(0)).unwrap();
    }
    assert!(matches!(r.take(UserId(7_000), [Act::Follow], at(0)), Err(Refused::Spent(1..=721))));
    r.take(UserId(7_000), [Act::Block, Act::Report], at(0)).unwrap();
    r.take(UserId(7_001), [Act::Follow], at(0)).unwrap();
}

/// Of whom there are no rows the ledger knows: from an import, or from before there were tables.
#[tokio::test]
async fn what_was_before_the_tables_counts() {
    let (db, _folder) = sqlite().await;
    let r = relations(&db);
    let told = |id: &str, kind, actor, target| InteractionEvent::new(derived_event_id(&[id]), at(-9), kind, UserId(actor), UserId(target));
    r.ledger.apply(&told("x", InteractionKind::Like, 1, 2));
    r.ledger.apply(&told("y", InteractionKind::Block, 4, 3));
    assert_eq!(r.pair(UserId(2), UserId(1)).await.unwrap(), Pair { mine: Side::Nothing, theirs: Side::Follows });
    assert_eq!(one(&r, deed("1", Act::Like, 2, 1, 0)).await.unwrap().friendship, Some(Friendship::Begins));
    assert_eq!(whole(&r, 1, List::Friends, 10).await, [2]);
    assert!(r.conversation(UserId(1), UserId(2)).await.unwrap().is_some());
    assert_eq!(one(&r, deed("2", Act::Like, 3, 4, 0)).await, Err(Refused::Rule(Refusal::NotAvailable)));
    one(&r, deed("3", Act::Unblock, 4, 3, 0)).await.unwrap();
    assert!(!r.ledger.blocked(UserId(3), UserId(4)) && one(&r, deed("4", Act::Like, 3, 4, 1)).await.is_ok());
}

/// A follow that an act began goes back with it only while nothing has come of it.
#[tokio::test]
async fn a_follow_is_taken_back_while_nothing_has_come_of_it() {
    let (db, _folder) = sqlite().await;
    let r = relations(&db);
    let take_back = async |begun: &str, actor: u64, target: u64| {
        let mut tx = db.begin().await.unwrap();
        let unfollow = deed(&format!("undo {begun}"), Act::Unfollow, actor, target, 100).1;
        let done = r.take_back(&mut tx, derived_event_id(&[begun]), &unfollow, at(1_000)).await.unwrap();
        tx.commit().await.unwrap();
        r.settle(&done);
        done.is_some()
    };
    one(&r, deed("1", Act::Like, 1, 2, 0)).await.unwrap();
    assert!(take_back("1", 1, 2).await && !r.ledger.likes(UserId(1), UserId(2)));
    assert!(!take_back("1", 1, 2).await, "once");
    one(&r, deed("3", Act::Like, 1, 3, 0)).await.unwrap();
    one(&r, deed("4", Act::Like, 3, 1, 1)).await.unwrap();
    assert!(!take_back("3", 1, 3).await, "they are friends");
    one(&r, deed("5", Act::Like, 1, 4, 0)).await.unwrap();
    one(&r, deed("6", Act::Comment, 1, 4, 1)).await.unwrap();
    assert!(!take_back("5", 1, 4).await, "and commented since");
    one(&r, deed("7", Act::Like, 1, 5, 0)).await.unwrap();
    one(&r, deed("8", Act::Follow, 1, 5, 1)).await.unwrap();
    assert!(!take_back("7", 1, 5).await, "and said so since");
    assert!(!take_back("none", 1, 6).await);
}
