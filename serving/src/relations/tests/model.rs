//! Random acts by many clients at the same time over few people, with a store that fails: cache = database = ledger = events = a simple model.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use index::ledger::Ledger;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

const CLIENTS: u64 = 4;
/// Each client acts for so many people, and nobody else acts for them.
const EACH: u64 = 3;
const PEOPLE: u64 = CLIENTS * EACH;
const BATCH: usize = 40;
/// Of a thousand commits and cached lists.
const FAILING: u64 = 30;

/// What a client knows of what it did.
#[derive(Default)]
struct Log {
    /// Acts by the id of their event.
    acts: HashMap<EventId, Act>,
    begun: u64,
    repeated: u64,
    ops: u64,
}

fn random_act(random: &mut ChaCha8Rng) -> Act {
    // Everything that makes friends is more frequent than what ends it.
    const WEIGHTED: [Act; 16] = [
        Act::Follow,
        Act::Follow,
        Act::Like,
        Act::Like,
        Act::Like,
        Act::Comment,
        Act::Comment,
        Act::Reply,
        Act::Reply,
        Act::Unfollow,
        Act::Delete,
        Act::Block,
        Act::Unblock,
        Act::Unblock,
        Act::Unblock,
        Act::Report,
    ];
    WEIGHTED[random.random_range(0..WEIGHTED.len())]
}

/// Does things until they are done, as whoever gets no answer sends the same again.
async fn insist(relations: &Relations, deeds: &[Deed], log: &mut Log) {
    let done = loop {
        match relations.act_all(deeds, at(1)).await {
            Ok(done) => break done,
            Err(DbError::Failed(_) | DbError::Conflict(_)) => {}
            Err(error) => panic!("{error}"),
        }
    };
    for ((act, event), done) in deeds.iter().zip(done) {
        log.acts.insert(event.event_id, *act);
        if let Ok(done) = done {
            log.begun += u64::from(done.friendship == Some(Friendship::Begins));
            log.repeated += u64::from(done.repeated);
        }
    }
    log.ops += deeds.len() as u64;
}

/// Whom somebody blocks is on no list of theirs but that of the blocked, and they on none of whom they block.
async fn no_leak(relations: &Relations, actor: u64, target: u64) {
    assert!(relations.ledger.blocked(UserId(actor), UserId(target)));
    for list in [List::Friends, List::Fans, List::Following] {
        assert!(!whole(relations, actor, list, 5).await.contains(&target), "{actor} blocks {target}, who is on {list:?}");
        assert!(!whole(relations, target, list, 5).await.contains(&actor), "{actor} blocks {target} and is on {list:?} of theirs");
    }
    assert!(whole(relations, actor, List::Blocked, 5).await.contains(&target));
}

async fn client(relations: Arc<Relations>, number: u64, ops: u64, seed: u64) -> Log {
    let mut random = ChaCha8Rng::seed_from_u64(seed.wrapping_add(number));
    let mut log = Log::default();
    while log.ops < ops {
        let actors: Vec<u64> = (0..EACH).map(|n| 1 + number * EACH + n).collect();
        let size = random.random_range(1..=BATCH.min((ops - log.ops) as usize));
        let deeds: Vec<Deed> = (0..size)
            .map(|n| {
                let actor = actors[random.random_range(0..actors.len())];
                let target = 1 + (actor + random.random_range(0..PEOPLE - 1)) % PEOPLE;
                deed(&format!("{seed} {number} {} {n}", log.ops), random_act(&mut random), actor, target, 0)
            })
            .collect();
        insist(&relations, &deeds, &mut log).await;
        let last = deeds.last().unwrap();
        if last.0 == Act::Block {
            no_leak(&relations, last.1.actor_id.0, last.1.target_id.0).await;
        } else if random.random_bool(0.3) {
            whole(&relations, random.random_range(1..=PEOPLE), List::ALL[random.random_range(0..4)], 7).await;
        }
        if random.random_bool(0.01) {
            relations.heads.invalidate_all(); // as after a crash
        }
    }
    log
}

/// Who follows and blocks whom, by the words of events in order of time; and how often two became friends.
#[derive(Default)]
struct Model {
    follows: BTreeSet<(u64, u64)>,
    blocks: BTreeSet<(u64, u64)>,
    begun: u64,
}

impl Model {
    fn hear(&mut self, event: &InteractionEvent, act: Option<Act>) {
        let (a, b) = (event.actor_id.0, event.target_id.0);
        let both = |set: &BTreeSet<(u64, u64)>| (set.contains(&(a, b)), set.contains(&(b, a)));
        if act.is_some_and(Act::is_towards) {
            assert_eq!(both(&self.blocks), (false, false), "{act:?} across a block: {event:?}");
        }
        let friends = both(&self.follows) == (true, true);
        match event.kind {
            InteractionKind::Follow | InteractionKind::Like => drop(self.follows.insert((a, b))),
            InteractionKind::Unfollow => assert!(self.follows.remove(&(a, b)), "nothing to take back: {event:?}"),
            InteractionKind::Block => assert!(self.blocks.insert((a, b)) && !self.follows.contains(&(a, b)), "{event:?}"),
            InteractionKind::Unblock => assert!(self.blocks.remove(&(a, b)), "nothing to take back: {event:?}"),
            _ => {}
        }
        self.begun += u64::from(!friends && both(&self.follows) == (true, true));
    }

    fn side(&self, a: u64, b: u64) -> Side {
        match (self.blocks.contains(&(a, b)), self.follows.contains(&(a, b))) {
            (true, _) => Side::Blocks,
            (false, true) => Side::Follows,
            (false, false) => Side::Nothing,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cache_database_ledger_and_model_agree_under_failures() {
    let ops: u64 = std::env::var("HONGNIANG_TEST_RELATION_OPS").ok().map_or(20_000, |n| n.parse().unwrap());
    let seed = crate::parts::seed("random relations");
    let (db, _folder) = sqlite().await;
    let relations = Arc::new(Relations::new(db.clone(), Arc::new(Ledger::default()), &RelationsConfig::default()));
    relations.faults.per_mille.store(FAILING, Ordering::Relaxed);
    let begun = std::time::Instant::now();
    let clients: Vec<_> = (0..CLIENTS).map(|n| tokio::spawn(client(Arc::clone(&relations), n, ops / CLIENTS, seed))).collect();
    let mut log = Log::default();
    for client in clients {
        let one = client.await.unwrap();
        log.acts.extend(one.acts);
        (log.begun, log.repeated, log.ops) = (log.begun + one.begun, log.repeated + one.repeated, log.ops + one.ops);
    }
    let took = begun.elapsed().as_secs_f64();
    relations.faults.per_mille.store(0, Ordering::Relaxed);
    let events = published(&db).await;
    let unknown = relations.faults.unknown.load(Ordering::Relaxed);
    println!(
        "{} acts in {took:.0} s ({:.0}/s), {} events, {unknown} commits told as failed, {} acts repeated",
        log.ops,
        log.ops as f64 / took,
        events.len(),
        log.repeated
    );
    let ids: HashSet<EventId> = events.iter().map(|event| event.event_id).collect();
    assert_eq!(ids.len(), events.len(), "no event is published twice");
    assert!(unknown > 0 && log.repeated > 0, "there were failures");

    let model = replay(&events, &log);
    let lost = model.begun - log.begun; // begun by acts whose first answer was lost
    assert!(lost <= log.repeated, "{} friendships began, {} were told, {} acts were repeated", model.begun, log.begun, log.repeated);
    assert!(model.begun > 10, "there were friendships");
    // A process that starts anew, with what the event log has.
    let ledger = Arc::new(Ledger::default());
    ledger.apply_all(&events);
    let anew = Relations::new(db.clone(), ledger, &RelationsConfig::default());
    compare(&relations, &model).await;
    compare(&anew, &model).await;
    let rebuilt = anew.rebuild(in_time(&events), at(2)).await.unwrap();
    assert_eq!((rebuilt.pairs, rebuilt.written), (PEOPLE * (PEOPLE - 1) / 2, 0), "the events tell what the rows hold");
}

fn in_time(events: &[InteractionEvent]) -> Vec<&InteractionEvent> {
    let mut sorted: Vec<&InteractionEvent> = events.iter().collect();
    sorted.sort_by_key(|event| event.event_time);
    sorted
}

/// The events of every pair in order of time, which is strict.
fn replay(events: &[InteractionEvent], log: &Log) -> Model {
    let mut pairs: BTreeMap<(u64, u64), Vec<&InteractionEvent>> = BTreeMap::new();
    for event in in_time(events) {
        let (a, b) = (event.actor_id.0, event.target_id.0);
        pairs.entry((std::cmp::min(a, b), std::cmp::max(a, b))).or_default().push(event);
    }
    let mut model = Model::default();
    for events in pairs.values() {
        assert!(events.is_sorted_by(|a, b| a.event_time < b.event_time), "times of a pair grow");
        for event in events {
            model.hear(event, log.acts.get(&event.event_id).copied());
        }
    }
    model
}

/// Rows, lists, counts, conversations and ledger against the model.
async fn compare(relations: &Relations, model: &Model) {
    for a in 1..=PEOPLE {
        let mut lists: BTreeMap<List, BTreeSet<u64>> = BTreeMap::new();
        for b in (1..=PEOPLE).filter(|b| *b != a) {
            let pair = Pair { mine: model.side(a, b), theirs: model.side(b, a) };
            assert_eq!(relations.pair(UserId(a), UserId(b)).await.unwrap(), pair, "{a} {b}");
            assert_eq!(relations.ledger.blocked(UserId(a), UserId(b)), pair.is_blocked());
            assert_eq!(relations.ledger.likes(UserId(a), UserId(b)), pair.mine == Side::Follows);
            assert_eq!(relations.conversation(UserId(a), UserId(b)).await.unwrap().is_some(), pair.are_friends());
            if let Some(list) = List::of(pair) {
                lists.entry(list).or_default().insert(b);
            }
        }
        let counts = relations.counts(UserId(a)).await.unwrap();
        for list in List::ALL {
            let expected = lists.remove(&list).unwrap_or_default();
            // Twice: out of the database, then out of the cache.
            for _ in 0..2 {
                let told = whole(relations, a, list, 5).await;
                assert_eq!((told.len(), &BTreeSet::from_iter(told)), (expected.len(), &expected), "{list:?} of {a}");
            }
            assert_eq!(counts.of(list), expected.len() as i64);
        }
    }
}
