use std::collections::BTreeMap;

use features::row::FeatureRow;
use features::sets::{FeatureSet, feature_set, feature_sets};
use features::topic::Topic;
use proptest::prelude::*;

use super::engine::{Engine, Lane};
use super::plan::FeaturePlan;
use super::state::KeyedState;
use super::store::{StateStore, sql_hash};
use crate::bus::{Offsets, Record};
use crate::claim::Claim;
use crate::snapshots::SnapshotStore;
use crate::testing;

fn store() -> (tempfile::TempDir, SnapshotStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = SnapshotStore::open(dir.path().to_str().unwrap()).unwrap();
    (dir, store)
}

async fn engine(all: &SnapshotStore) -> Engine {
    let mut lanes = Vec::new();
    let claim = Claim::take(all).await.unwrap().number();
    for set in feature_sets() {
        let store = StateStore::new(all, set, claim);
        let (state, offsets) =
            store.load(set).await.unwrap().map_or_else(|| (KeyedState::new(set), Offsets::default()), |l| (l.state, l.offsets));
        let plan = FeaturePlan::new(set).await.unwrap();
        lanes.push(Lane { set: set.clone(), plan, state, saved: offsets.clone(), offsets, generation: 1, store, held: false, anew: false });
    }
    Engine { lanes }
}

async fn save(engine: &mut Engine) {
    for lane in &mut engine.lanes {
        lane.store.save(&mut lane.state, &lane.offsets, 1).await.unwrap();
    }
}

type Rows = BTreeMap<String, FeatureRow>;

fn rows(engine: &Engine) -> Vec<Rows> {
    engine.lanes.iter().map(|lane| lane.state.all_rows(&lane.set, 1).into_iter().map(|row| (row.record_key(), row)).collect()).collect()
}

fn assert_same(one: &[Rows], other: &[Rows]) {
    for (one, other) in one.iter().zip(other) {
        assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
        for (key, row) in one {
            assert_eq!(row.version, other[key].version, "{key}");
            for (name, value) in &row.values {
                let there = other[key].values[name];
                assert!((value - there).abs() <= 1e-9 * value.abs().max(1.0), "{key}.{name}: {value} {there}");
            }
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[tokio::test]
async fn a_plan_runs_again_and_again_with_the_batch_of_the_moment() {
    let set = feature_set("popularity").unwrap();
    let plan = FeaturePlan::new(set).await.unwrap();
    let records = testing::records(&testing::events(1, 400));
    let values: Vec<&[u8]> = records.iter().filter(|r| r.topic.as_ref() == "interactions").filter_map(|r| r.value.as_deref()).collect();
    let mut state = KeyedState::new(set);
    for part in values.chunks(50) {
        let batch = crate::tables::decode(Topic::Interactions, part).unwrap().batch;
        state.add(set, &plan.run(batch).await.unwrap()).unwrap();
    }
    let counted: i64 = state.all_rows(set, 1).iter().map(|row| row.version).sum();
    assert_eq!(usize::try_from(counted).unwrap(), values.len(), "every event is counted once, in its own batch");
}

#[tokio::test]
async fn emitted_rows_are_read_back_by_the_codec_of_the_topic() {
    let (_dir, all) = store();
    let mut engine = engine(&all).await;
    engine.process(testing::records(&testing::events(2, 500))).await.unwrap();
    let expected = rows(&engine);
    for (lane, expected) in engine.lanes.iter_mut().zip(expected) {
        let emitted = lane.state.take_emitted(&lane.set, 1);
        assert_eq!(emitted.len(), expected.len(), "{}", lane.set.name);
        let mut read = Rows::new();
        for (key, value) in emitted {
            let row = FeatureRow::decode(&lane.set, &value).unwrap();
            assert_eq!(row.record_key().as_bytes(), key);
            assert_eq!(row.generation, 1);
            read.insert(row.record_key(), row);
        }
        assert_same(&[expected], &[read]);
        assert_eq!(lane.state.waiting(), 0);
        assert!(lane.state.take_emitted(&lane.set, 1).is_empty());
    }
}

#[tokio::test]
async fn nothing_is_added_twice_when_sets_stand_at_different_offsets() {
    let (_dir, all) = store();
    let records = testing::records(&testing::events(3, 600));
    let mut whole = engine(&all).await;
    whole.process(records.clone()).await.unwrap();
    let mut uneven = engine(&all).await;
    uneven.process(records[..250].to_vec()).await.unwrap();
    // One set is computed anew from the beginning, as after a change of its SQL.
    let anew = uneven.lanes.iter_mut().find(|lane| lane.set.name == "popularity").unwrap();
    (anew.state, anew.offsets) = (KeyedState::new(&anew.set), Offsets::default());
    for part in records.chunks(100) {
        uneven.process(part.to_vec()).await.unwrap();
    }
    assert_same(&rows(&whole), &rows(&uneven));
}

#[tokio::test]
async fn a_damaged_delta_is_made_good_by_a_replay_from_earlier_offsets() {
    let (dir, all) = store();
    let records = testing::records(&testing::events(4, 300));
    let mut before = engine(&all).await;
    for part in records.chunks(100) {
        before.process(part.to_vec()).await.unwrap();
        save(&mut before).await;
    }
    let deltas: Vec<_> = std::fs::read_dir(dir.path().join("popularity"))
        .unwrap()
        .map(|f| f.unwrap().path())
        .filter(|p| p.extension().unwrap() == "delta")
        .collect();
    assert_eq!(deltas.len(), 2);
    let last = deltas.iter().max().unwrap();
    let mut bytes = std::fs::read(last).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(last, bytes).unwrap();
    let mut after = engine(&all).await;
    let lane = after.lanes.iter().find(|lane| lane.set.name == "popularity").unwrap();
    assert!(lane.offsets != before.lanes[0].offsets && !lane.offsets.0.is_empty());
    after.process(records).await.unwrap();
    assert_same(&rows(&before), &rows(&after));
}

#[tokio::test]
async fn deltas_are_gathered_up_before_they_are_many() {
    let (dir, all) = store();
    let mut engine = engine(&all).await;
    let records = testing::records(&testing::events(5, 500));
    for one in records.chunks(1) {
        engine.process(one.to_vec()).await.unwrap();
        save(&mut engine).await;
    }
    let objects = std::fs::read_dir(dir.path().join("popularity")).unwrap().count();
    assert!((2..=201).contains(&objects), "{objects}");
    let expected = rows(&engine);
    assert_same(&expected, &rows(&self::engine(&all).await));
}

#[tokio::test]
async fn a_changed_file_is_noticed_and_layout_is_not_a_change() {
    let (_dir, all) = store();
    let set = feature_set("given").unwrap();
    let mut store = StateStore::new(&all, set, 1);
    assert!(store.load(set).await.unwrap().is_none());
    store.save(&mut KeyedState::new(set), &Offsets::default(), 4).await.unwrap();
    let loaded = StateStore::new(&all, set, 2).load(set).await.unwrap().unwrap();
    assert!(loaded.same_sql && loaded.generation == 4);
    let respaced = FeatureSet { sql: set.sql.replace('\n', "  \n "), ..set.clone() };
    assert_eq!(sql_hash(set), sql_hash(&respaced));
    let changed = FeatureSet { sql: set.sql.replace("'pass'", "'block'"), ..set.clone() };
    let loaded = StateStore::new(&all, &changed, 2).load(&changed).await.unwrap().unwrap();
    assert!(!loaded.same_sql && loaded.generation == 4 && loaded.state.is_empty());
}

#[tokio::test]
async fn what_an_earlier_claim_still_writes_spoils_nothing() {
    let (_dir, all) = store();
    let records = testing::records(&testing::events(5, 400));
    let mut cut_off = engine(&all).await;
    cut_off.process(records[..100].to_vec()).await.unwrap();
    save(&mut cut_off).await;
    let mut owner = engine(&all).await;
    // Both go on, the one that was cut off faster: what it saves and removes must not reach what the owner saves.
    for part in records[100..].chunks(30) {
        cut_off.process(part.to_vec()).await.unwrap();
        save(&mut cut_off).await;
        cut_off.process(part.to_vec()).await.unwrap();
        save(&mut cut_off).await;
        owner.process(part.to_vec()).await.unwrap();
        save(&mut owner).await;
    }
    assert_same(&rows(&owner), &rows(&engine(&all).await));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn crashes_batching_and_replays_change_nothing(seed in 0u64..1000, cuts in proptest::collection::vec((1usize..120, any::<bool>(), any::<bool>()), 1..12)) {
        let records = testing::records(&testing::events(seed, 500));
        runtime().block_on(async {
            let (_a, one) = store();
            let mut whole = engine(&one).await;
            whole.process(records.clone()).await.unwrap();
            let (_b, two) = store();
            let mut crashing = engine(&two).await;
            let mut at = 0;
            for (step, saves, crashes) in cuts {
                let to = (at + step).min(records.len());
                crashing.process(records[at..to].to_vec()).await.unwrap();
                at = to;
                if saves {
                    save(&mut crashing).await;
                }
                if crashes {
                    // What was not saved is gone; reading goes on at the saved offsets, and runs into records that some sets have.
                    crashing = engine(&two).await;
                    at = 0;
                }
            }
            let rest: Vec<Record> = records[at..].to_vec();
            crashing.process(rest).await.unwrap();
            assert_same(&rows(&whole), &rows(&crashing));
        });
    }
}
