//! What rows say, and how days are made.

use arrow::datatypes::{Float32Type, Int32Type};
use features::event::{Event, InteractionEvent, InteractionKind};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::town::{interaction, message, minutes, profile, start, town};
use super::*;

fn shown(n: &str, at: i64, viewer: u64, candidate: u64) -> Event {
    let event = interaction(n, minutes(at), InteractionKind::Impression, viewer, candidate);
    Event::Interaction(InteractionEvent { deck_id: Some("d".to_owned()), position: Some(2), ..event })
}

fn did(n: &str, at: i64, kind: InteractionKind, from: u64, to: u64) -> Event {
    Event::Interaction(interaction(n, minutes(at), kind, from, to))
}

/// The value of a column in the rows of these impressions.
fn at<T>(rows: &RecordBatch, values: Vec<T>, impression: &str) -> T {
    let id = super::town::id(&[&"interaction", &impression]).to_string();
    let place = text(rows, "event_id").iter().position(|other| *other == id).unwrap();
    values.into_iter().nth(place).unwrap()
}

#[tokio::test]
async fn labels_are_what_followed_within_the_window() {
    use InteractionKind::{Block, Comment, Follow, Like, Pass, ProfileView, Reply};
    let like_here = InteractionEvent { deck_id: Some("d".to_owned()), ..interaction("like a", minutes(105), Like, 1, 2) };
    let mut events: Vec<Event> = (1..=8).map(|user| profile(user, start(), &["猫"], "周末去爬山")).collect();
    events.extend([
        // The candidate liked first, so a like makes a match at once; then they write.
        did("before", 90, Like, 2, 1),
        shown("a", 100, 1, 2),
        did("view a", 101, ProfileView, 1, 2),
        Event::Interaction(like_here),
        message("a1", minutes(110), 1, 2),
        message("a2", minutes(130), 2, 1),
        // At the same time counts; a like that came before does not.
        did("early", 150, Like, 3, 4),
        shown("b", 200, 3, 4),
        did("same", 200, Pass, 3, 4),
        // A follow is a like; the candidate likes back later; the viewer comments, the candidate replies.
        shown("c", 300, 5, 6),
        did("follow", 310, Follow, 5, 6),
        did("comment", 320, Comment, 5, 6),
        did("reply", 330, Reply, 6, 5),
        did("back", 340, Like, 6, 5),
        // One minute too late, and just in time.
        shown("d", 400, 7, 8),
        did("late", 400 + 30 * 60, Like, 7, 8),
        did("block", 400 + 30 * 60 - 1, Block, 7, 8),
        // The window reaches beyond the end.
        shown("e", 60 * 40, 2, 3),
        // Nobody knows number nine.
        shown("f", 60 * 40, 9, 1),
        shown("g", 60 * 40, 1, 9),
        did("end", 60 * 60, ProfileView, 1, 2),
    ]);
    let rows = dataset(&events).await;
    assert_eq!(rows.num_rows(), 5);
    let said = |name: &str, row: &str| at(&rows, flags(&rows, name), row);
    let after = |name: &str, row: &str| at(&rows, doubles(&rows, &format!("{name}_after_s")), row);
    let yes: Vec<(&str, &str, f64)> = vec![
        ("a", "viewed", 60.0),
        ("a", "liked", 300.0),
        ("a", "matched", 300.0),
        ("a", "chatted", 600.0),
        ("a", "conversed", 1_800.0),
        ("b", "passed", 0.0),
        ("c", "liked", 600.0),
        ("c", "commented", 1_200.0),
        ("c", "replied", 1_800.0),
        ("c", "liked_back", 2_400.0),
        ("c", "matched", 2_400.0),
        ("d", "refused", 107_940.0),
    ];
    for row in ["a", "b", "c", "d", "e"] {
        for name in ["viewed", "liked", "passed", "commented", "replied", "liked_back", "matched", "chatted", "conversed", "refused"] {
            let expected = yes.iter().find(|(r, n, _)| *r == row && *n == name).map(|(.., seconds)| *seconds);
            assert_eq!((said(name, row), after(name, row)), (Some(expected.is_some()), expected), "{row} {name}");
        }
    }
    assert_eq!((said("liked_here", "a"), said("liked_here", "c"), said("liked_here", "b")), (Some(true), Some(false), None));
    assert_eq!((said("censored", "d"), said("censored", "e")), (Some(false), Some(true)));
    assert_eq!(
        (said("pair_candidate_likes", "a"), said("pair_viewer_likes", "a"), said("pair_viewer_likes", "b")),
        (Some(true), Some(false), Some(true))
    );
    let ages: Vec<i32> = rows["viewer_age"].as_primitive::<Int32Type>().values().to_vec();
    assert_eq!(at(&rows, ages, "a"), 34, "the day before the birthday");
    let counted: Vec<f32> = rows["viewer_popularity_likes"].as_primitive::<Float32Type>().values().to_vec();
    assert_eq!((at(&rows, counted.clone(), "a"), at(&rows, counted, "b")), (1.0, 0.0));
    assert_eq!(at(&rows, doubles(&rows, "candidate_last_active_s"), "a"), Some(600.0));
    assert_eq!(at(&rows, text(&rows, "pair_refused_by"), "b"), "already_answered");
}

#[tokio::test]
async fn a_run_that_was_cut_off_and_goes_on_makes_what_an_undisturbed_one_makes() {
    let events = town(&mut ChaCha8Rng::seed_from_u64(3), 400);
    let (dir, config) = lake(&events).await;
    let (once, twice) = (dir.path().join("once"), dir.path().join("twice"));
    let whole = made(&config, &once, &spec()).await.unwrap();
    assert_eq!((whole.days_made, whole.days_kept), (3, 0));
    let day = |n: i64| Some(start() + TimeDelta::days(n));
    let part = made(&config, &twice, &Spec { to: day(1), ..spec() }).await.unwrap();
    assert_eq!((part.days_made, files(&twice).len()), (1, 1));
    // The second day was put there and not noted, as when the process dies between the two; and damaged, to see that it is made again.
    std::fs::create_dir_all(twice.join("dt=2026-11-04")).unwrap();
    std::fs::write(twice.join("dt=2026-11-04/impressions.parquet"), b"PAR1").unwrap();
    let rest = made(&config, &twice, &spec()).await.unwrap();
    assert_eq!((rest.days_made, rest.days_kept, rest.counts), (2, 1, whole.counts));
    assert_eq!(rows(&once), rows(&twice));
    let bits = |out: &Path| by_impression(&rows(out), |_| true);
    assert_eq!(bits(&once), bits(&twice), "to the last bit");
    let before = files(&twice);
    let again = made(&config, &twice, &spec()).await.unwrap();
    assert_eq!((again.days_made, again.days_kept, again.counts), (0, 3, whole.counts));
    assert_eq!(files(&twice), before);
    // The lake goes on: days whose windows reached beyond its end are made again, the first is not.
    let mut more = events.clone();
    more.push(did("much later", 60 * 24 * 9, InteractionKind::ProfileView, 1, 2));
    std::fs::remove_dir_all(config.data_dir.join("lake")).unwrap();
    write_events(&config.lake_place(), &more).await.unwrap();
    let later = made(&config, &twice, &spec()).await.unwrap();
    assert_eq!((later.days_made, later.days_kept), (3, 1), "with the last day, on which nobody was shown");
    assert_eq!((later.counts.censored, later.counts.rows), (0, whole.counts.rows));
    assert!(whole.counts.censored > 0 && whole.counts.liked > 0 && whole.counts.rows > 80, "{whole:?}");
}

#[tokio::test]
async fn other_flags_are_refused_and_an_empty_lake_is_told() {
    let (dir, config) = lake(&town(&mut ChaCha8Rng::seed_from_u64(4), 120)).await;
    let out = dir.path().join("out");
    made(&config, &out, &spec()).await.unwrap();
    let other = Spec { window: TimeDelta::days(2), ..spec() };
    let error = format!("{:#}", made(&config, &out, &other).await.unwrap_err());
    assert!(error.contains("window_s 108000, not 172800") && error.contains("--again"), "{error}");
    let done = made(&config, &out, &Spec { again: true, ..other.clone() }).await.unwrap();
    assert_eq!((done.days_kept, done.days_made), (0, 3));
    assert_eq!(made(&config, &out, &other).await.unwrap().days_kept, 3);
    let error = format!("{:#}", made(&config, &out, &Spec { from: Some(start()), to: Some(start()), ..spec() }).await.unwrap_err());
    assert!(error.contains("--from") && error.contains("does not lie before"), "{error}");
    let nothing = Config { data_dir: dir.path().join("nothing"), ..Config::default() };
    let error = format!("{:#}", made(&nothing, &out, &spec()).await.unwrap_err());
    assert!(error.contains("is empty") && error.contains("--data-dir"), "{error}");
}

#[tokio::test]
async fn what_is_sampled_is_weighed_and_viewers_stay_in_one_part() {
    let events = town(&mut ChaCha8Rng::seed_from_u64(5), 700);
    let (dir, config) = lake(&events).await;
    let (all, some) = (dir.path().join("all"), dir.path().join("some"));
    let whole = made(&config, &all, &spec()).await.unwrap().counts;
    let sampled = made(&config, &some, &Spec { sample: Some(1.0), vectors: false, ..spec() }).await.unwrap().counts;
    assert_eq!((sampled.liked, sampled.impressions), (whole.liked, whole.impressions), "every like stays");
    assert_eq!(sampled.rows + sampled.sampled_out + sampled.viewer_unknown + sampled.candidate_unknown, sampled.impressions);
    assert!(sampled.sampled_out > 20 && sampled.rows < whole.rows, "{sampled:?}");
    let rows = rows(&some);
    assert!(rows.column_by_name("viewer_content").is_none() && rows.column_by_name("pair_cosine_content").is_some());
    let weights: Vec<f32> = rows["weight"].as_primitive::<Float32Type>().values().to_vec();
    for (weight, liked) in weights.iter().zip(flags(&rows, "liked")) {
        assert!(if liked == Some(true) { *weight == 1.0 } else { *weight > 1.0 }, "{weight} {liked:?}");
    }
    let stands_for: f32 = weights.iter().sum();
    assert!((f64::from(stands_for) / whole.rows as f64 - 1.0).abs() < 0.35, "{stands_for} for {}", whole.rows);
    let mut parts: BTreeMap<&str, &str> = BTreeMap::new();
    for (viewer, part) in text(&rows, "viewer_id").into_iter().zip(text(&rows, "split")) {
        assert_eq!(*parts.entry(viewer).or_insert(part), part);
    }
    let times = Spec { shares: Shares { by: SplitBy::Time, valid: 0.2, test: 0.3 }, again: true, ..spec() };
    made(&config, &all, &times).await.unwrap();
    let by_time = super::rows(&all);
    let order = ["train", "valid", "test"].map(|part| text(&by_time, "split").iter().filter(|p| **p == part).count());
    assert!(
        text(&by_time, "split").is_sorted_by_key(|part| ["train", "valid", "test"].iter().position(|p| p == part))
            && order.iter().all(|n| *n > 10),
        "{order:?}"
    );
}

#[test]
fn every_column_says_what_it_is_and_none_where_somebody_is() {
    let columns = super::super::columns::columns(Some(4));
    let mut names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
    assert!(columns.iter().all(|c| !c.meaning.is_empty()));
    assert!(
        names.iter().all(|name| !["lat", "lon", "latitude", "nickname", "bio"].contains(&name.rsplit('_').next().unwrap())),
        "{names:?}"
    );
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all, "names are unique");
    assert!(all > 150, "{all}");
    let told = columns_markdown();
    assert!(told.contains("| `viewer_popularity_likes_d14`, `candidate_popularity_likes_d14` |") && !told.contains("| `candidate_age`"));
}
