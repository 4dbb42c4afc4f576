//! What both stores must do. The server's half runs when `HONGNIANG_TEST_QDRANT_URL` is set.
#![allow(clippy::unwrap_used)]

use chrono::DateTime;

use super::*;

const DIM: usize = 8;

fn axis(i: usize, towards: usize) -> Vec<f32> {
    let mut v = vec![0.0; DIM];
    v[i] = 1.0;
    v[towards] += 0.3;
    v
}

fn user(id: u64, content: Vec<f32>) -> VectorPoint {
    let gender = if id.is_multiple_of(2) { Gender::Female } else { Gender::Male };
    let position = Some(Position { lat: 31.0 + id as f64, lon: 121.0 });
    let payload = Payload::User(UserPayload { gender, birth_days: i32::try_from(id).unwrap() * 100, position, visible: id != 5 });
    VectorPoint { id, vectors: vec![(VectorName::Content, content), (VectorName::Taste, axis(1, 0))], payload }
}

async fn ids(index: &dyn VectorIndex, vector: Vec<f32>, filter: VectorFilter) -> Vec<u64> {
    let query = VectorQuery { name: VectorName::Content, vector, filter, limit: 10 };
    index.search(Collection::Users, query).await.unwrap().into_iter().map(|h| h.id).collect()
}

async fn suite(index: &dyn VectorIndex) {
    let people = (1..=6u64).map(|id| user(id, axis(usize::try_from(id).unwrap(), 0))).collect();
    index.upsert(Collection::Users, people).await.unwrap();
    assert_eq!(index.len(Collection::Users).await.unwrap(), 6);
    assert_eq!(ids(index, axis(3, 0), VectorFilter::default()).await[0], 3);
    let sorted = |mut ids: Vec<u64>| {
        ids.sort_unstable();
        ids
    };
    let women = VectorFilter { genders: Gender::Female.bit(), ..VectorFilter::default() };
    assert_eq!(sorted(ids(index, axis(3, 0), women).await), [2, 4, 6]);
    let young = VectorFilter { birth_days: Some(300..=500), visible_only: true, ..VectorFilter::default() };
    assert_eq!(sorted(ids(index, axis(3, 0), young).await), [3, 4]);
    let near = VectorFilter { near: Some((Position { lat: 33.1, lon: 121.0 }, 50.0)), ..VectorFilter::default() };
    assert_eq!(ids(index, axis(6, 0), near).await, [2]);
    index.upsert(Collection::Users, vec![user(1, axis(7, 0))]).await.unwrap();
    assert_eq!(ids(index, axis(7, 0), VectorFilter::default()).await[0], 1, "an upsert replaces");
    index.delete(Collection::Users, vec![1, 99]).await.unwrap();
    assert_eq!(index.len(Collection::Users).await.unwrap(), 5);
    let moment = Payload::Moment(MomentPayload { author: UserId(u64::MAX), published_at: DateTime::from_timestamp(1, 0).unwrap() });
    let point = VectorPoint { id: u64::MAX, vectors: vec![(VectorName::Content, axis(2, 0))], payload: moment };
    index.upsert(Collection::Moments, vec![point]).await.unwrap();
    let filter = VectorFilter { author: Some(UserId(u64::MAX)), ..VectorFilter::default() };
    let query = VectorQuery { name: VectorName::Content, vector: axis(2, 0), filter, limit: 3 };
    let hits = index.search(Collection::Moments, query).await.unwrap();
    assert!(hits.len() == 1 && hits[0].id == u64::MAX && hits[0].score > 0.99, "{hits:?}");
    let wrong = VectorQuery { name: VectorName::Content, vector: vec![1.0; 3], filter: VectorFilter::default(), limit: 3 };
    assert!(index.search(Collection::Users, wrong).await.is_err(), "another dimension is refused");
    index.flush().await.unwrap();
    index.optimize().await.unwrap();
    assert_eq!(index.len(Collection::Users).await.unwrap(), 5);
    index.delete_of(vec![UserId(7), UserId(u64::MAX)]).await.unwrap();
    assert_eq!(index.len(Collection::Moments).await.unwrap(), 0, "the Moments of an author go together");
    index.purge().await.unwrap();
    assert_eq!(ids(index, axis(3, 0), VectorFilter::default()).await[0], 3, "a purge takes nothing else");
    assert_eq!(index.len(Collection::Users).await.unwrap(), 5);
}

#[tokio::test]
async fn edge_passes_the_suite_and_keeps_what_was_flushed() {
    let folder = tempfile::tempdir().unwrap();
    let index = EdgeVectors::open(folder.path(), DIM, "m").unwrap();
    suite(&index).await;
    index.flush().await.unwrap();
    drop(index);
    let index = EdgeVectors::open(folder.path(), DIM, "m").unwrap();
    assert_eq!(index.len(Collection::Users).await.unwrap(), 5);
    assert_eq!(ids(&index, axis(3, 0), VectorFilter::default()).await[0], 3);
    drop(index);
    let index = EdgeVectors::open(folder.path(), DIM, "another model").unwrap();
    assert_eq!(index.len(Collection::Users).await.unwrap(), 0, "vectors of two models never meet");
}

#[tokio::test]
async fn the_server_passes_the_suite() {
    let Ok(url) = std::env::var("HONGNIANG_TEST_QDRANT_URL") else {
        crate::parts::skipped("HONGNIANG_TEST_QDRANT_URL is not set: it names the gRPC address of a Qdrant server");
        return;
    };
    let model = format!("contract-{}", std::process::id());
    let (one, other) = tokio::join!(ServerVectors::connect(&url, DIM, &model), ServerVectors::connect(&url, DIM, &model));
    let index = one.unwrap();
    suite(&index).await;
    assert_eq!(other.unwrap().len(Collection::Users).await.unwrap(), 5, "nodes that start together share the collections");
    index.drop_collections().await.unwrap();
}

/// The crate panics where it cannot flush what it closes; two panics of one drop would end the process.
#[tokio::test]
async fn a_folder_that_is_gone_when_it_is_closed_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let index = EdgeVectors::open(folder.path(), DIM, "test").unwrap();
    index.upsert(Collection::Users, vec![user(1, axis(1, 0))]).await.unwrap();
    drop(folder);
    drop(index);
}

#[tokio::test]
async fn after_a_purge_no_file_has_what_was_deleted() {
    fn bytes(folder: &std::path::Path) -> Vec<u8> {
        let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
        let all = entries.flat_map(|path| if path.is_dir() { bytes(&path) } else { std::fs::read(path).unwrap() });
        // Logs are mostly zeros that wait to be written over.
        all.filter(|byte| *byte != 0).collect()
    }
    let folder = tempfile::tempdir().unwrap();
    let index = EdgeVectors::open(folder.path(), DIM, "m").unwrap();
    let of = |id: u64, author: u64| {
        let payload = Payload::Moment(MomentPayload { author: UserId(author), published_at: DateTime::from_timestamp(1, 0).unwrap() });
        VectorPoint { id, vectors: vec![(VectorName::Content, axis(2, 0))], payload }
    };
    let (gone, stays) = (7_654_321_987_654_321, 1_234_567_812_345_678);
    index.upsert(Collection::Moments, vec![of(1, gone), of(2, stays), of(3, gone)]).await.unwrap();
    index.flush().await.unwrap();
    let has = |id: u64| bytes(folder.path()).windows(16).any(|w| w == id.to_string().as_bytes());
    assert!(has(gone) && has(stays));
    index.delete_of(vec![UserId(gone)]).await.unwrap();
    index.purge().await.unwrap();
    assert!(!has(gone) && has(stays));
    for round in 0..2 {
        assert_eq!(index.len(Collection::Moments).await.unwrap(), 1 + round);
        index.upsert(Collection::Moments, vec![of(9 + round, stays)]).await.unwrap();
        index.purge().await.unwrap();
    }
    drop(index);
    std::fs::create_dir(folder.path().join("moments-99")).unwrap(); // of a purge that was killed
    let index = EdgeVectors::open(folder.path(), DIM, "m").unwrap();
    assert_eq!(index.len(Collection::Moments).await.unwrap(), 3);
    assert!(!folder.path().join("moments-99").exists() && !folder.path().join("moments").exists());
}
