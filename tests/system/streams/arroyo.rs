//! The same feature files on a real Arroyo cluster, beside batch and the embedded runner. Where none is named there is nothing to try; how one is
//! started on loopback is in `docs/ARROYO.md`.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use features::row::FeatureRow;
use features::sets::{FeatureSet, feature_set, feature_sets};
use features::topic::Topic;
use pipelines::arroyo::Surroundings;
use pipelines::generations;
use serving::arroyo::{Action, Client, Operator, Settings, Source, Tell};
use tokio::sync::{Mutex, MutexGuard};

use super::town::{Dice, Town, counted, events, garbage, reported, same, until};
use crate::layout::root;

const ADDRESS: &str = "HONGNIANG_TEST_ARROYO_URL";

/// Where `deploy/arroyo/arroyo.sh run` keeps the cluster, which is then killed and started again; it needs `HONGNIANG_ARROYO` as well.
const FOLDER: &str = "HONGNIANG_TEST_ARROYO_FOLDER";

/// There is one cluster.
static CLUSTER: Mutex<()> = Mutex::const_new(());

/// Room for a machine that does other things besides; it takes a minute or two.
const PATIENCE: Duration = Duration::from_secs(600);

struct Aloud;

impl Tell for Aloud {
    fn line(&self, line: &str) {
        println!("{line}");
    }

    fn progress(&self, what: &str, done: u64, all: u64) {
        println!("{what}: {done} of {all}");
    }
}

/// The cluster, without what an earlier test may have left there, for one test at a time.
async fn cluster() -> Option<(Operator<'static>, MutexGuard<'static, ()>)> {
    let Ok(url) = std::env::var(ADDRESS) else {
        tests::parts::skipped(&format!("{ADDRESS} names no Arroyo cluster"));
        return None;
    };
    let alone = CLUSTER.lock().await;
    let settings = Settings { checkpoint_s: 3, patience: PATIENCE, ..Settings::default() };
    let operator = Operator { client: Client::new(&url, None).unwrap(), settings, tell: &Aloud };
    operator.stop(&[], true).await.unwrap();
    Some((operator, alone))
}

/// The rows of one generation, as soon as they have counted as much as `batch`.
async fn rows(town: &Town, set: &FeatureSet, generation: u32, batch: &BTreeMap<String, FeatureRow>) -> BTreeMap<String, FeatureRow> {
    let begun = Instant::now();
    loop {
        let mut rows = town.rows(set).await;
        rows.retain(|_, row| row.generation == generation);
        if counted(&rows) >= counted(batch) {
            return rows;
        }
        assert!(begun.elapsed() < PATIENCE, "{}: {} of {} counted", set.name, counted(&rows), counted(batch));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Waits until the lake has every one of these events.
async fn stored(town: &Town, count: usize) {
    until(|| async {
        let mut there = 0;
        for topic in Topic::LIVED {
            there += town.count(topic.name()).await;
        }
        if there == count { Ok(()) } else { Err(format!("{there} of {count} events in the lake")) }
    })
    .await;
}

/// Kills the cluster with all its workers, as a crash of the machine would.
fn kill(folder: &Path) {
    let script = root().join("deploy/arroyo/arroyo.sh");
    assert!(Command::new(script).arg("kill").arg(folder).status().unwrap().success(), "{} keeps no cluster", folder.display());
}

/// Starts it again; it goes on after the test.
fn start(folder: &Path) {
    let log = File::options().create(true).append(true).open(folder.join("restarts.log")).unwrap();
    let mut run = Command::new(root().join("deploy/arroyo/arroyo.sh"));
    let mut run = run.arg("run").arg(folder).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
    std::thread::spawn(move || run.wait());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_cluster_goes_on_from_its_checkpoints_and_equals_batch() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        tests::parts::skipped(&format!("{FOLDER} names no folder of a cluster that may be killed"));
        return;
    };
    let Some((operator, _alone)) = cluster().await else { return };
    let mut dice = Dice::thrown("arroyo is killed");
    let town = Town::begin().await;
    let (gate, lake) = (town.gate(), town.lake_writer());
    let sets = [feature_set("given").unwrap(), feature_set("tag_affinity").unwrap()];
    let events = events(&mut dice, 6_000);
    let around = Surroundings { bootstrap: town.bus.config().brokers.clone(), properties: BTreeMap::new() };
    let made = operator.deploy(&sets, &Source { bus: &town.bus, around: &around }).await.unwrap();
    for part in events.chunks(1_000) {
        town.report(part[..500].iter().map(reported).collect()).await;
        tokio::time::sleep(Duration::from_millis(dice.roll(6_000))).await;
        kill(&folder);
        town.report(part[500..].iter().map(reported).collect()).await;
        start(&folder);
        tokio::time::sleep(Duration::from_millis(dice.roll(20_000))).await;
    }
    stored(&town, events.len()).await;
    for (set, made) in sets.into_iter().zip(&made) {
        let batch = town.over_the_lake(set).await;
        same(&set.name, &rows(&town, set, made.generation, &batch).await, &batch);
    }
    operator.stop(&sets.map(|set| set.name.clone()), true).await.unwrap();
    for job in [gate, lake] {
        job.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arroyo_computes_what_batch_computes_and_a_changed_file_takes_over() {
    let Some((operator, _alone)) = cluster().await else { return };
    let mut dice = Dice::thrown("arroyo equals batch");
    let town = Town::begin().await;
    let (gate, lake) = (town.gate(), town.lake_writer());
    let sets: Vec<&FeatureSet> = feature_sets().iter().collect();
    let events = events(&mut dice, 3_000);
    let mut inbox = Vec::new();
    for event in &events {
        inbox.push(reported(event));
        if dice.roll(10) == 0 {
            inbox.extend([reported(event), garbage(&mut dice)]);
        }
    }
    let half = inbox.len() / 2;
    town.report(inbox[..half].to_vec()).await;
    let around = Surroundings { bootstrap: town.bus.config().brokers.clone(), properties: BTreeMap::new() };
    let source = Source { bus: &town.bus, around: &around };
    let made = operator.deploy(&sets, &source).await.unwrap();
    assert!(made.iter().all(|o| o.action == Action::Create && o.generation == 1), "{made:?}");
    town.report(inbox[half..].to_vec()).await;
    stored(&town, events.len()).await;
    for set in &sets {
        let batch = town.over_the_lake(set).await;
        same(&set.name, &rows(&town, set, 1, &batch).await, &batch);
    }
    // Restarts from checkpoints lose and double nothing.
    let names = ["popularity".to_owned(), "tag_affinity".to_owned()];
    operator.recycle(&names).await.unwrap();
    let popularity = feature_set("popularity").unwrap();
    let passes = "SUM(CASE WHEN kind = 'pass' THEN 1 ELSE 0 END) AS passes,";
    let changed = FeatureSet { sql: popularity.sql.replace(passes, "COUNT(position) AS passes,"), ..popularity.clone() };
    assert_ne!(changed.sql, popularity.sql);
    let replaced = operator.deploy(&[&changed], &source).await.unwrap();
    assert_eq!((replaced[0].action, replaced[0].generation), (Action::Replace, 2));
    assert_eq!(generations::announced(&town.bus).await.unwrap().of("popularity"), 2);
    // All of it was there before the announcement: nobody sees half of a generation.
    let batch = town.over_the_lake(&changed).await;
    let mut there = town.rows(&changed).await;
    there.retain(|_, row| row.generation == 2);
    same("changed", &there, &batch);
    let left = operator.stop(&names, true).await.unwrap();
    operator.stop(&[], true).await.unwrap();
    assert_eq!(left.iter().map(|k| (k.name.set.as_str(), k.name.generation)).collect::<Vec<_>>(), [("popularity", 2), ("tag_affinity", 1)]);
    for job in [gate, lake] {
        job.end().await;
    }
}

/// Arroyo's Kafka source forgets partitions that are idle between two restarts, and reads them once more: whatever it comes to, counting anew mends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_counted_twice_is_counted_anew() {
    let Some((operator, _alone)) = cluster().await else { return };
    let mut dice = Dice::thrown("arroyo counts anew");
    let town = Town::begin().await;
    let (gate, lake) = (town.gate(), town.lake_writer());
    let set = feature_set("given").unwrap();
    let events = events(&mut dice, 1_000);
    town.report(events.iter().map(reported).collect()).await;
    stored(&town, events.len()).await;
    let around = Surroundings { bootstrap: town.bus.config().brokers.clone(), properties: BTreeMap::new() };
    let source = Source { bus: &town.bus, around: &around };
    operator.deploy(&[set], &source).await.unwrap();
    let batch = town.over_the_lake(set).await;
    same(&set.name, &rows(&town, set, 1, &batch).await, &batch);
    for _ in 0..3 {
        operator.recycle(std::slice::from_ref(&set.name)).await.unwrap();
        tokio::time::sleep(Duration::from_secs(7)).await; // two checkpoints without a record
    }
    let known = counted(&town.rows(set).await);
    println!("after three restarts without an event {known} are counted; there are {}", counted(&batch));
    assert!(known >= counted(&batch), "nothing is lost");
    let anew = Operator { settings: Settings { anew: true, ..operator.settings.clone() }, ..operator };
    let made = anew.deploy(&[set], &source).await.unwrap();
    assert_eq!((made[0].action, made[0].generation), (Action::Replace, 2));
    // Readers have it as well: the higher generation wins, although its versions may be lower.
    same("anew", &town.rows(set).await, &batch);
    assert_eq!(anew.stop(&[], true).await.unwrap().len(), 1);
    for job in [gate, lake] {
        job.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_runner_takes_over_from_arroyo_again() {
    let mut dice = Dice::thrown("back from arroyo");
    let town = Town::begin().await;
    let set = feature_set("given").unwrap().clone();
    let (gate, features) = (town.gate(), town.features(vec![set.clone()]));
    let events = events(&mut dice, 400);
    let interactions = |events: &[features::event::Event]| events.iter().filter(|e| e.topic() == Topic::Interactions).count() as i64;
    let there = async |events: &[features::event::Event], generation: u32| {
        until(|| async {
            let rows = town.rows(&set).await;
            let all = rows.values().all(|row| row.generation == generation);
            if all && counted(&rows) == interactions(events) { Ok(()) } else { Err(format!("{all} {}", counted(&rows))) }
        })
        .await;
    };
    town.report(events[..300].iter().map(reported).collect()).await;
    there(&events[..300], 1).await;
    features.end().await;
    // A pipeline takes over, and counts nothing before it is stopped again.
    generations::announce(&town.bus, &set.name, 4).await.unwrap();
    let features = town.features(vec![set.clone()]);
    there(&events[..300], 5).await;
    town.report(events[300..].iter().map(reported).collect()).await;
    there(&events, 5).await;
    for job in [gate, features] {
        job.end().await;
    }
}
