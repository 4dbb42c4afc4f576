use std::sync::{Arc, OnceLock};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use chrono::{DateTime, SecondsFormat};
use datafusion::prelude::SessionContext;
use features::event::Event;
use features::sets::feature_sets;
use features::topic::Topic;
use proptest::prelude::*;

use super::*;
use crate::lake::write_events;
use crate::tables::lake_tables;
use crate::testing;

async fn lake(events: &[Event]) -> (tempfile::TempDir, SessionContext) {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_str().unwrap();
    write_events(place, events).await.unwrap();
    let session = session(place).await.unwrap();
    (dir, session)
}

async fn ask(session: &SessionContext, sql: &str) -> Vec<RecordBatch> {
    session.sql(sql).await.unwrap().collect().await.unwrap()
}

async fn number(session: &SessionContext, sql: &str) -> i64 {
    ask(session, sql).await[0].column(0).as_primitive::<Int64Type>().value(0)
}

async fn scanned(session: &SessionContext, sql: &str) -> Scanned {
    let plan = session.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    datafusion::physical_plan::collect(Arc::clone(&plan), session.task_ctx()).await.unwrap();
    Scanned::of(&plan)
}

/// Ways to write a condition on the time, `{op}` and `{t}` to be filled in, and what the time of a row is cut to.
const FORMS: [(&str, i64); 6] = [
    ("event_time {op} '{t}'", 1),
    ("event_time {op} TIMESTAMP '{t}'", 1),
    ("'{t}' {flipped} event_time", 1),
    ("CAST(event_time AS DATE) {op} CAST(TIMESTAMP '{t}' AS DATE)", 0),
    ("date_trunc('day', event_time) {op} '{t}'", 86_400_000_000),
    ("date_trunc('hour', event_time) {op} TIMESTAMP '{t}'", 3_600_000_000),
];
const OPS: [(&str, &str); 5] = [("<", ">"), ("<=", ">="), (">", "<"), (">=", "<="), ("=", "=")];

fn holds(op: &str, a: i64, b: i64) -> bool {
    match op {
        "<" => a < b,
        "<=" => a <= b,
        ">" => a > b,
        ">=" => a >= b,
        _ => a == b,
    }
}

/// A session on a lake that all cases share, with its events and a runtime.
fn shared() -> &'static (tempfile::TempDir, SessionContext, Vec<Event>, tokio::runtime::Runtime) {
    static SHARED: OnceLock<(tempfile::TempDir, SessionContext, Vec<Event>, tokio::runtime::Runtime)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let events = testing::events(31, 600);
        let (dir, session) = runtime.block_on(lake(&events));
        (dir, session, events, runtime)
    })
}

fn times() -> Vec<i64> {
    let interactions = shared().2.iter().filter(|e| e.topic() == Topic::Interactions);
    interactions.map(|e| e.event_time().timestamp_micros()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn days_that_are_left_out_have_no_row(
        form in prop::sample::select(&FORMS[..]), (op, flipped) in prop::sample::select(&OPS[..]),
        pick in any::<prop::sample::Index>(), off in prop::sample::select(&[-1i64, 0, 1, 40_000_000_000][..]), midnight in any::<bool>(), negated in any::<bool>(),
    ) {
        let (_, session, _, runtime) = shared();
        let times = times();
        let mut at = times[pick.index(times.len())] + off;
        if midnight {
            at -= at.rem_euclid(86_400_000_000);
        }
        let text = DateTime::from_timestamp_micros(at).unwrap().to_rfc3339_opts(SecondsFormat::Micros, true).replace('T', " ").replace('Z', "");
        let condition = form.0.replace("{op}", op).replace("{flipped}", flipped).replace("{t}", &text);
        let (cut, at) = if form.1 == 0 { (86_400_000_000, at - at.rem_euclid(86_400_000_000)) } else { (form.1, at) };
        let expected = times.iter().filter(|t| holds(op, **t - t.rem_euclid(cut), at) != negated).count();
        let sql = format!("SELECT COUNT(*) FROM interactions WHERE {} ({condition})", if negated { "NOT" } else { "" });
        prop_assert_eq!(runtime.block_on(number(session, &sql)), i64::try_from(expected).unwrap(), "{}", sql);
    }
}

#[tokio::test]
async fn a_condition_on_the_time_reads_the_files_of_its_days_only() {
    let events = testing::events(32, 600);
    let (_dir, session) = lake(&events).await;
    let of_interactions = events.iter().filter(|e| e.topic() == Topic::Interactions);
    let days: std::collections::BTreeSet<_> = of_interactions.map(|e| e.event_time().date_naive()).collect();
    let files = async |condition: &str| scanned(&session, &format!("SELECT actor_id FROM interactions WHERE {condition}")).await.of_files;
    assert_eq!(files("true").await, days.len(), "write_events makes a file a day");
    let (first, second) = (days.first().unwrap(), days.iter().nth(1).unwrap());
    assert_eq!(files(&format!("dt = '{second}'")).await, 1);
    assert_eq!(files(&format!("event_time < '{second}'")).await, 1);
    assert_eq!(files(&format!("event_time <= '{second}'")).await, 2);
    assert_eq!(files(&format!("event_time BETWEEN '{first} 10:00:00' AND '{first} 20:00:00'")).await, 1);
    assert_eq!(files(&format!("CAST(event_time AS DATE) IN ('{first}', '{second}')")).await, 2);
    assert_eq!(files(&format!("event_time < '{second}' OR date_trunc('hour', event_time) = '{second} 03:00:00'")).await, 2);
    assert_eq!(files(&format!("event_time < '{second}' OR actor_id = '1'")).await, days.len(), "half a condition leaves all");
    assert_eq!(files(&format!("date_trunc('week', event_time) = '{second}'")).await, days.len(), "weeks begin on other days");
    assert_eq!(files("event_time > now()").await, 0);
}

#[tokio::test]
async fn filters_are_pushed_into_the_files() {
    let (_dir, session) = lake(&testing::events(33, 800)).await;
    let all = scanned(&session, "SELECT actor_id, tags FROM interactions").await;
    let mine = scanned(&session, "SELECT actor_id, tags FROM interactions WHERE actor_id = '7'").await;
    assert_eq!((all.files, all.of_files), (mine.files, mine.of_files));
    assert!(mine.rows > 0 && mine.rows < all.rows / 10, "{mine:?} of {all:?}");
    // Of files as small as these most bytes are their indexes, so rows are what tells.
    let few = scanned(&session, "SELECT tags FROM interactions WHERE actor_id = '19'").await;
    assert!(few.rows < all.rows / 10, "{few:?} of {all:?}");
}

#[tokio::test]
async fn feature_sets_are_tables() {
    let (dir, session) = lake(&testing::events(34, 500)).await;
    for set in feature_sets() {
        let rows = batch_features(dir.path().to_str().unwrap(), set).await.unwrap();
        let sql = format!("SELECT COUNT(*), SUM(version) FROM features.{}", set.name);
        let found = ask(&session, &sql).await;
        let of = |at: usize| found[0].column(at).as_primitive::<Int64Type>().value(0);
        assert_eq!(of(0), i64::try_from(rows.len()).unwrap(), "{}", set.name);
        assert_eq!(of(1), rows.iter().map(|row| row.version).sum::<i64>(), "{}", set.name);
    }
    let one = "SELECT version FROM features.popularity WHERE user_id = '7'";
    let counted = number(&session, "SELECT COUNT(*) FROM interactions WHERE target_id = '7'").await;
    assert_eq!(number(&session, one).await, counted);
}

#[tokio::test]
async fn a_decayed_column_is_read_at_any_time() {
    let (_dir, session) = lake(&testing::events(35, 500)).await;
    let asof = "TIMESTAMP '2026-11-20 00:00:00'";
    let by_sum = format!("SELECT COALESCE(SUM(decay(likes_d14, landmark(), INTERVAL '14 days', {asof})), 0) FROM features.popularity");
    let one_by_one = format!(
        "SELECT COALESCE(SUM(decay(1, event_time, INTERVAL '14 days', {asof})), 0) FROM interactions WHERE kind IN ('like', 'follow')"
    );
    let value = async |sql: &str| ask(&session, sql).await[0].column(0).as_primitive::<arrow::datatypes::Float64Type>().value(0);
    let (sum, each) = (value(&by_sum).await, value(&one_by_one).await);
    assert!(each > 1.0 && (sum - each).abs() < 1e-9 * each, "{sum} {each}");
}

#[tokio::test]
async fn only_reading_is_allowed() {
    let (dir, session) = lake(&testing::events(36, 50)).await;
    let before = files(dir.path());
    let target = dir.path().join("stolen.csv").display().to_string();
    let copy = format!("COPY (SELECT 1) TO '{target}'");
    let external = format!("CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '{target}'");
    let refused = [
        ("INSERT INTO presence SELECT * FROM presence", "INSERT INTO is"),
        ("DELETE FROM presence", "DELETE"),
        ("UPDATE presence SET kind = 'x'", "UPDATE"),
        (copy.as_str(), "COPY"),
        ("EXPLAIN ANALYZE INSERT INTO presence SELECT * FROM presence", "INSERT"),
        (external.as_str(), "CREATE EXTERNAL TABLE"),
        ("CREATE TABLE x AS SELECT 1", "CREATE TABLE is"),
        ("DROP TABLE presence", "DROP TABLE is"),
        ("SET datafusion.runtime.memory_limit = '100G'", "datafusion.runtime.memory_limit"),
        ("PREPARE x AS SELECT 1", "PREPARE is"),
    ];
    for (sql, word) in refused {
        for allowed in [Allowed::Reading, Allowed::Views] {
            let told = plan(&session, sql, allowed).await.unwrap_err();
            assert!(matches!(told, QueryError::ReadOnly { .. }) && told.to_string().contains(word), "{sql}: {told}");
        }
    }
    let session_only = ["CREATE VIEW v AS SELECT 1 AS one", "SET datafusion.execution.batch_size = 100", "SET TIME ZONE = '+08:00'"];
    for sql in session_only {
        assert!(matches!(plan(&session, sql, Allowed::Reading).await, Err(QueryError::ReadOnly { .. })), "{sql}");
        let allowed = plan(&session, sql, Allowed::Views).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        session.execute_logical_plan(allowed).await.unwrap();
    }
    assert_eq!(number(&session, "SELECT one FROM v").await, 1);
    for sql in ["SELECT 1", "EXPLAIN SELECT * FROM presence", "SHOW TABLES", "WITH a AS (SELECT 1) SELECT * FROM a", "VALUES (1)"] {
        plan(&session, sql, Allowed::Reading).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    }
    assert_eq!(files(dir.path()), before, "nothing was written");
}

fn files(folder: &std::path::Path) -> usize {
    std::fs::read_dir(folder).unwrap().map(Result::unwrap).map(|e| if e.path().is_dir() { files(&e.path()) } else { 1 }).sum()
}

#[tokio::test]
async fn mistakes_are_told_with_what_there_is() {
    let (_dir, session) = lake(&[]).await;
    let told = async |sql: &str| plan(&session, sql, Allowed::Reading).await.unwrap_err().to_string();
    let likes = told("SELECT * FROM likes").await;
    assert!(likes.contains("no table `likes`") && likes.contains("interactions") && likes.contains("features.popularity"), "{likes}");
    assert!(told("SELECT * FROM features.likes").await.contains("no table `features.likes`"));
    let column = told("SELECT actr_id FROM interactions").await;
    assert!(column.contains("actr_id") && column.contains("actor_id"), "{column}");
    assert!(told("SELEKT").await.contains("SELEKT"));
}

#[tokio::test]
async fn what_does_not_fit_into_memory_is_spilled_or_told() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("lake").display().to_string();
    let sql = "SELECT COUNT(*) FROM (SELECT value % 400000 AS k, COUNT(*) AS n FROM generate_series(1, 800000) GROUP BY 1 ORDER BY n, k)";
    let limits = |spill| Limits { memory: Some(12 << 20), spill, spill_to: Some(dir.path().join("spill")) };
    let spilling = open(&place, &limits(1 << 30)).await.unwrap();
    assert_eq!(number(&spilling, sql).await, 400_000);
    let strict = open(&place, &limits(0)).await.unwrap();
    let error = strict.sql(sql).await.unwrap().collect().await.unwrap_err();
    let told = QueryError::of(error, &strict);
    assert!(matches!(&told, QueryError::Resources(_)) && told.to_string().contains("query.memory_mb"), "{told}");
}

#[tokio::test]
async fn every_column_has_a_meaning_and_tables_tell_what_is_in_them() {
    let events = testing::events(37, 400);
    let (_dir, session) = lake(&events).await;
    let names = names(&session);
    assert!(names.len() >= lake_tables().len() + feature_sets().len(), "{names:?}");
    for name in &names {
        assert!(!meaning(name).is_empty(), "{name}");
        for column in columns(&session, name).await.unwrap() {
            assert!(!column.meaning.is_empty(), "{name}.{} means nothing", column.column);
        }
    }
    let told = facts(&session, "interactions").await.unwrap();
    let mine: Vec<_> = events.iter().filter(|e| e.topic() == Topic::Interactions).map(Event::event_time).collect();
    assert_eq!(told.rows, Some(mine.len() as u64));
    assert_eq!(told.files, told.days);
    assert_eq!(told.first_day, mine.iter().min().map(|t| t.date_naive().to_string()));
    assert_eq!(told.last_day, mine.iter().max().map(|t| t.date_naive().to_string()));
    assert!(told.bytes.is_some_and(|bytes| bytes > 1000));
    assert_eq!(facts(&session, "features.given").await.unwrap().rows, None);
    assert!(facts(&session, "likes").await.is_err());
}

#[tokio::test]
async fn files_that_are_written_later_are_seen_by_the_next_query() {
    let (dir, session) = lake(&[]).await;
    assert_eq!(number(&session, "SELECT COUNT(*) FROM interactions").await, 0);
    let events = testing::events(38, 100);
    write_events(dir.path().to_str().unwrap(), &events).await.unwrap();
    let mine = events.iter().filter(|e| e.topic() == Topic::Interactions).count();
    assert_eq!(number(&session, "SELECT COUNT(*) FROM interactions").await, i64::try_from(mine).unwrap());
}
