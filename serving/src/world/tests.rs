#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;

use arrow::array::{AsArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{Field, Float32Type, Schema};
use features::embed::HashingEncoder;
use features::event::{Event, InteractionKind};
use features::ids::derived_event_id;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pipelines::lake::write_events;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::town::{Town, TownSpec};

const USERS: u32 = 150;

fn until() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn town(seed: u64) -> Vec<Event> {
    Town::new(TownSpec { users: USERS, days: 12, seed, until: until() }).events()
}

fn encoder() -> Option<Arc<dyn TextEncoder>> {
    Some(Arc::new(HashingEncoder::new(64)))
}

/// A lake of these events, below a data folder of its own.
async fn lake(events: &[Event]) -> (tempfile::TempDir, Config) {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { data_dir: dir.path().to_path_buf(), ..Config::default() };
    write_events(&config.lake_place(), events).await.unwrap();
    (dir, config)
}

/// Pairs as they were shown, and pairs at random, at times up to and including `last`.
fn pairs(events: &[Event], last: DateTime<Utc>, dice: &mut ChaCha8Rng) -> Vec<Pair> {
    let shown = events.iter().filter_map(|e| match e {
        Event::Interaction(i) if i.kind == InteractionKind::Impression && i.event_time <= last => {
            Some((i.actor_id, i.target_id, i.event_time))
        }
        _ => None,
    });
    let shown: Vec<_> = shown.collect();
    let mut pairs: Vec<_> = shown.choose_multiple(dice, 120).copied().collect();
    for n in 0..80 {
        let (viewer, candidate) = (UserId(dice.random_range(1..=u64::from(USERS))), UserId(dice.random_range(1..=u64::from(USERS) + 5)));
        pairs.push((viewer, candidate, if n % 2 == 0 { last } else { last - TimeDelta::seconds(dice.random_range(0..400_000)) }));
    }
    (1..).zip(pairs).map(|(line, (viewer, candidate, time))| Pair { line, viewer, candidate, time }).collect()
}

/// The same events before `moment`; at and after it, nearly everything is another.
fn perturbed(events: &[Event], moment: DateTime<Utc>, dice: &mut ChaCha8Rng) -> Vec<Event> {
    let mut changed = Vec::new();
    for event in events {
        if event.event_time() < moment {
            changed.push(event.clone());
            continue;
        }
        match event.clone() {
            _ if dice.random_bool(0.3) => {}
            Event::Interaction(mut i) => {
                i.kind = *InteractionKind::ALL.choose(dice).unwrap();
                i.tags = vec!["another".to_owned()];
                let other = UserId(dice.random_range(1..=u64::from(USERS)));
                i.target_id = if other == i.actor_id { i.target_id } else { other };
                changed.push(Event::Interaction(i));
            }
            Event::Moment(mut m) => {
                m.text = "everything else".to_owned();
                changed.push(Event::Moment(m.with_counts()));
            }
            other => changed.push(other),
        }
    }
    let sample: Vec<Event> = events.iter().filter(|e| matches!(e, Event::Interaction(_))).take(400).cloned().collect();
    for (n, event) in sample.into_iter().enumerate() {
        let Event::Interaction(mut i) = event else { continue };
        (i.event_time, i.kind) = (moment, InteractionKind::Like);
        i.event_id = derived_event_id(&["added", &n.to_string()]);
        changed.push(Event::Interaction(i));
    }
    let profiles: Vec<Event> = events.iter().filter(|e| matches!(e, Event::Profile(_))).cloned().collect();
    for (n, event) in profiles.into_iter().enumerate() {
        let Event::Profile(mut p) = event else { continue };
        if let Some(profile) = &mut p.profile {
            profile.bio = Some("everything about me is different".to_owned());
            profile.hidden = n % 3 == 0;
            profile.position = None;
        }
        p.event_time = moment;
        p.event_id = derived_event_id(&["changed", &n.to_string()]);
        changed.push(Event::Profile(p));
    }
    changed
}

async fn judged(config: &Config, pairs: &[Pair], step: TimeDelta) -> Vec<Judged> {
    let mut world = World::begin(config, encoder()).await.unwrap();
    let mut told = 0;
    let judged = world.judge_all(pairs.to_vec(), step, |done| told = done).await.unwrap();
    assert_eq!(told, pairs.len());
    judged
}

#[tokio::test]
async fn no_score_moves_when_everything_that_comes_later_changes() {
    nothing_leaks(ranker::strategy::FORMULA).await;
}

#[tokio::test]
async fn no_chance_of_warm_moves_when_everything_that_comes_later_changes() {
    nothing_leaks(ranker::strategy::WARM).await;
}

async fn nothing_leaks(strategy: &str) {
    let events = town(5);
    let moment = until() - TimeDelta::days(4);
    let mut dice = ChaCha8Rng::seed_from_u64(8);
    let pairs = pairs(&events, moment, &mut dice);
    let (_one, mut truth) = lake(&events).await;
    let (_other, mut changed) = lake(&perturbed(&events, moment, &mut dice)).await;
    (truth.ranker.strategy, changed.ranker.strategy) = (strategy.to_owned(), strategy.to_owned());
    for step in [TimeDelta::zero(), TimeDelta::hours(5)] {
        let before = judged(&truth, &pairs, step).await;
        assert_eq!(before, judged(&changed, &pairs, step).await, "nothing at or after {moment} may be known to pairs up to it");
        assert!(before.iter().filter(|row| row.verdict.item.is_some()).count() > 150);
        assert!(before.iter().filter(|row| row.verdict.refusal.is_some()).count() > 10);
    }
    let after: Vec<Pair> = pairs.iter().map(|pair| Pair { time: moment + TimeDelta::microseconds(1), ..*pair }).collect();
    let moved = judged(&truth, &after, TimeDelta::zero()).await;
    let other = judged(&changed, &after, TimeDelta::zero()).await;
    let score = |row: &Judged| row.verdict.item.as_ref().map(|item| item.score);
    let moved = moved.iter().zip(&other).filter(|(a, b)| score(a) != score(b)).count();
    assert!(moved > 100, "a microsecond later the changes count: {moved} of {} scores moved", pairs.len());
}

#[tokio::test]
async fn rows_come_back_in_the_order_of_the_file_as_if_each_had_its_own_world() {
    let events = town(6);
    let mut dice = ChaCha8Rng::seed_from_u64(9);
    let mut pairs = pairs(&events, until(), &mut dice);
    // Of times far apart, backwards.
    pairs.sort_by_key(|pair| std::cmp::Reverse(pair.time));
    let (_dir, mut config) = lake(&events).await;
    // Its sides rest on everybody's behaviour, not on that of the two alone.
    config.ranker.strategy = ranker::strategy::WARM.to_owned();
    let together = judged(&config, &pairs, TimeDelta::zero()).await;
    assert_eq!(together.iter().map(|row| row.pair).collect::<Vec<_>>(), pairs);
    for row in together.iter().step_by(29) {
        let alone =
            World::as_of(&config, encoder(), row.pair.time).await.unwrap().judge(row.pair.viewer, row.pair.candidate, row.pair.time);
        assert_eq!(row.verdict.refusal, alone.refusal, "{row:?}");
        let (Some(a), Some(b)) = (&row.verdict.item, &alone.item) else {
            assert_eq!(row.verdict.item.is_some(), alone.item.is_some());
            continue;
        };
        assert!((a.score - b.score).abs() < 1e-5 && a.terms.len() == b.terms.len(), "{a:?} {b:?}");
    }
}

#[tokio::test]
async fn whom_a_filter_refuses_has_a_score_and_whom_nobody_knows_has_none() {
    let events = town(7);
    let (_dir, config) = lake(&events).await;
    let mut world = World::as_of(&config, encoder(), until()).await.unwrap();
    let like = events.iter().find_map(|e| match e {
        Event::Interaction(i) if i.kind == InteractionKind::Like => Some(i.clone()),
        _ => None,
    });
    let like = like.unwrap();
    let shown = world.judge(like.actor_id, like.target_id, until());
    let Some(Refusal::Filter(filter, reason)) = &shown.refusal else { panic!("{shown:?}") };
    assert!(!reason.is_empty());
    assert!(
        matches!(
            filter,
            FilterName::AlreadyShown | FilterName::AlreadyFriends | FilterName::AlreadyAnswered | FilterName::Blocked | FilterName::Hidden
        ),
        "{filter:?}"
    );
    let item = shown.item.unwrap();
    assert!(item.score > 0.0 && !item.terms.is_empty());
    let nobody = world.judge(UserId(9_999), like.target_id, until());
    assert_eq!((nobody.item, nobody.refusal.as_ref().map(Refusal::name)), (None, Some("unknown_viewer")));
    let nobody = world.judge(like.actor_id, UserId(9_999), until());
    assert_eq!((nobody.item, nobody.refusal.as_ref().map(Refusal::name)), (None, Some("no_portrait")));
    // Before they joined, and without an encoder.
    let mut early = World::begin(&config, None).await.unwrap();
    assert_eq!(early.judge(like.actor_id, like.target_id, until()).refusal, Some(Refusal::UnknownViewer));
    early.advance(until()).await.unwrap();
    let plain = early.judge(like.actor_id, like.target_id, until()).item.unwrap();
    assert!(plain.terms.iter().all(|t| t.name != ranker::TermName::Taste) && !plain.terms.is_empty());
    assert!(world.advance(until() - TimeDelta::days(1)).await.is_err());
}

#[tokio::test]
async fn behaviour_is_what_the_events_say() {
    use features::portrait::{BEHAVIOUR_HALF_LIFE, unanswered};
    let events = town(9);
    let (_dir, config) = lake(&events).await;
    let world = World::as_of(&config, None, until()).await.unwrap();
    // Likes given, looks given, likes received, looks received, replies, comments.
    let mut said: std::collections::HashMap<UserId, [f64; 6]> = Default::default();
    for event in events.iter().filter(|e| e.event_time() < until()) {
        let Event::Interaction(i) = event else { continue };
        let weight = features::decay::remaining(until() - i.event_time, BEHAVIOUR_HALF_LIFE);
        let mut add = |who: UserId, at: usize, part: f64| said.entry(who).or_default()[at] += weight * part;
        match (i.kind, i.position) {
            (InteractionKind::Impression, Some(at)) => {
                [(i.actor_id, 1), (i.target_id, 3)].into_iter().for_each(|(u, n)| add(u, n, unanswered(at)));
            }
            (InteractionKind::Like, Some(at)) => {
                [(i.actor_id, 0), (i.target_id, 2)].into_iter().for_each(|(u, n)| add(u, n, 1.0));
                [(i.actor_id, 1), (i.target_id, 3)].into_iter().for_each(|(u, n)| add(u, n, 1.0 - unanswered(at)));
            }
            (InteractionKind::Reply, _) => add(i.actor_id, 4, 1.0),
            (InteractionKind::Comment, _) => add(i.target_id, 5, 1.0),
            _ => {}
        }
    }
    let table = world.parts().table.read();
    for row in table.rows() {
        let b = table.signals(row, until()).behaviour;
        let found = [b.likes_given, b.looked, b.likes_received, b.looked_at, b.replies, b.comments];
        let expected = said.get(&table.user(row)).copied().unwrap_or_default();
        // The SQL spells its parts with four digits.
        let near = |(found, expected): (&f32, &f64)| (f64::from(*found) - expected).abs() < 1e-4 * (1.0 + 10.0 * expected);
        assert!(found.iter().zip(&expected).all(near), "{found:?} {expected:?}");
    }
    let people = table.rows().filter(|row| table.signals(*row, until()).behaviour.likes_given > 0.5).count();
    assert!(people > 30 && said.values().any(|v| v[5] > 0.0), "{people} people liked somebody");
    let rates = world.parts().rates.get();
    let women = rates.gender(features::profile::Gender::Female).given.rate();
    assert!(women > 0.15 && women < 0.8 && *rates != ranker::warm::Rates::default(), "the world knows what is usual: {women}");
}

#[test]
fn the_world_stands_at_the_last_whole_step() {
    let time: DateTime<Utc> = "2026-11-20T12:34:56.5Z".parse().unwrap();
    assert_eq!(stand(time, TimeDelta::zero()), time);
    assert_eq!(stand(time, TimeDelta::hours(1)), "2026-11-20T12:00:00Z".parse::<DateTime<Utc>>().unwrap());
    let old: DateTime<Utc> = "1969-12-31T23:59:00Z".parse().unwrap();
    assert_eq!(stand(old, TimeDelta::hours(1)), "1969-12-31T23:00:00Z".parse::<DateTime<Utc>>().unwrap());
}

fn written(name: &str, bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

#[test]
fn pairs_are_read_and_bad_rows_are_named() {
    let csv = "\u{feff}time,viewer,note,candidate\n2026-11-01T08:00:00+08:00,1,x,2\n,3,,4\nyesterday,1,,2\n2026-11-01 08:00:00,0,,2\n,1,,\n2026-11-01,1\n";
    let (_dir, path) = written("pairs.csv", csv.as_bytes());
    let pairs = read_pairs(&path, until()).unwrap();
    let pair = |line, viewer, candidate, time| Pair { line, viewer: UserId(viewer), candidate: UserId(candidate), time };
    assert_eq!(pairs.good, [pair(2, 1, 2, "2026-11-01T00:00:00Z".parse().unwrap()), pair(3, 3, 4, until())]);
    assert_eq!(pairs.extra, ["note"]);
    let told: Vec<(u64, &str)> = pairs.bad.iter().map(|r| (r.line, r.reason.as_str())).collect();
    assert_eq!(told.iter().map(|t| t.0).collect::<Vec<_>>(), [4, 5, 6, 7]);
    assert!(
        told[0].1.contains("`yesterday` is not a time") && told[1].1.contains("viewer") && told[2].1 == "candidate: is missing",
        "{told:?}"
    );
    let (_dir, path) = written("pairs.csv", b"viewer,who\n1,2\n");
    let error = format!("{:#}", read_pairs(&path, until()).unwrap_err());
    assert!(error.contains("`candidate` is missing") && error.contains("viewer, who"), "{error}");
    let (_dir, path) = written("pairs.txt", b"");
    assert!(format!("{:#}", read_pairs(&path, until()).unwrap_err()).contains(".parquet"));
}

fn parquet(path: &Path, columns: Vec<(&str, Arc<dyn arrow::array::Array>)>) {
    let fields: Vec<Field> = columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|c| c.1).collect()).unwrap();
    let mut writer = ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn parquet_may_have_numbers_for_ids_and_times_of_any_unit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pairs.parquet");
    parquet(
        &path,
        vec![
            ("actor_id", Arc::new(Int64Array::from(vec![Some(1), Some(-4), None]))),
            ("target_id", Arc::new(StringArray::from(vec!["18446744073709551615", "2", "2"]))),
            ("event_time", Arc::new(TimestampMillisecondArray::from(vec![Some(1_790_000_000_500), None, Some(0)]))),
        ],
    );
    let pairs = read_pairs(&path, until()).unwrap();
    let time = DateTime::from_timestamp_millis(1_790_000_000_500).unwrap();
    assert_eq!(pairs.good, [Pair { line: 1, viewer: UserId(1), candidate: UserId(u64::MAX), time }]);
    assert_eq!(pairs.bad.iter().map(|r| r.line).collect::<Vec<_>>(), [2, 3]);
    let floats = Arc::new(arrow::array::Float64Array::from(vec![1.0]));
    parquet(&path, vec![("viewer", Arc::clone(&floats) as _), ("candidate", floats)]);
    assert!(format!("{:#}", read_pairs(&path, until()).unwrap_err()).contains("as integers"));
}

#[tokio::test]
async fn the_answer_has_every_term_in_csv_and_parquet() {
    let events = town(8);
    let (dir, config) = lake(&events).await;
    let pairs = pairs(&events, until(), &mut ChaCha8Rng::seed_from_u64(1));
    let rows = judged(&config, &pairs, TimeDelta::zero()).await;
    let (parquet, csv) = (dir.path().join("out.parquet"), dir.path().join("out.csv"));
    write_file(&parquet, &rows).unwrap();
    write_file(&csv, &rows).unwrap();
    let found = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(&parquet).unwrap()).unwrap().build().unwrap();
    let found: Vec<RecordBatch> = found.map(Result::unwrap).collect();
    let batch = arrow::compute::concat_batches(&found[0].schema(), &found).unwrap();
    assert_eq!((batch.num_rows(), batch.num_columns()), (rows.len(), 13 + 2 * 3 * ranker::TermName::ALL.len()));
    let number = |name: &str| batch[name].as_primitive::<Float32Type>().clone();
    for (at, row) in rows.iter().enumerate() {
        assert_eq!(batch["viewer"].as_string::<i32>().value(at), row.pair.viewer.to_string());
        let Some(item) = &row.verdict.item else {
            assert!(arrow::array::Array::is_null(&number("score"), at));
            continue;
        };
        assert_eq!(number("score").value(at), item.score);
        let sum: f32 = ranker::TermName::ALL
            .iter()
            .map(|t| number(&format!("viewer_{}_contribution", t.name())).iter().nth(at).flatten().unwrap_or(0.0))
            .sum();
        assert!((sum - item.sides.viewer).abs() < 1e-5, "the contributions of a side sum to it");
    }
    let text = std::fs::read_to_string(&csv).unwrap();
    let header: BTreeSet<&str> = text.lines().next().unwrap().split(',').collect();
    assert!(["refused_by", "viewer_taste_value", "candidate_age_weight"].iter().all(|c| header.contains(c)), "{header:?}");
    assert_eq!(text.lines().count(), rows.len() + 1);
    assert!(write_file(&dir.path().join("out.xls"), &rows).is_err());
    write_file(&csv, &[]).unwrap();
    assert_eq!(std::fs::read_to_string(&csv).unwrap().lines().count(), 1, "an empty answer has its header");
}
