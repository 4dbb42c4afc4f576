//! The embedding worker: every Moment gets its vector once, and a changed encoder starts over.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::Utc;
use features::embed::{HashingEncoder, TextEncoder};
use features::event::{EmbeddingRecord, Event, MomentKind};
use features::topic::Topic;
use pipelines::embedder::{Embedder, EmbedderConfig};
use pipelines::supervisor::JobContext;

use super::town::{Dice, Town, events, reported, until};

/// The newest vector of every subject, by model, and how many records there are.
async fn vectors(town: &Town) -> (BTreeMap<String, String>, usize) {
    let records = town.read(Topic::Embeddings.name()).await;
    let count = records.len();
    let mut newest = BTreeMap::new();
    for record in records {
        let key = String::from_utf8(record.key.unwrap()).unwrap();
        match record.value {
            Some(value) => drop(newest.insert(key, serde_json::from_slice::<EmbeddingRecord>(&value).unwrap().model)),
            None => drop(newest.remove(&key)),
        }
    }
    (newest, count)
}

/// Lets a worker run until every Moment has a vector of its model.
async fn embed(town: &Town, dim: usize, expected: usize) {
    let encoder = Arc::new(HashingEncoder::new(dim));
    let model = encoder.name().to_owned();
    let context = JobContext::alone("embedder", Utc::now);
    let worker = Embedder::new(town.bus.clone(), encoder, EmbedderConfig::default());
    let running = tokio::spawn(worker.run(context.clone()));
    until(|| async {
        let (newest, _) = vectors(town).await;
        let done = newest.values().filter(|m| **m == model).count();
        if done == expected && newest.len() == expected { Ok(()) } else { Err(format!("{done} of {expected} have a vector of {model}")) }
    })
    .await;
    context.shutdown.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_encoder_embeds_everything_anew_and_the_same_one_nothing() {
    let mut dice = Dice::thrown("encoders");
    let town = Town::begin().await;
    let moments: Vec<Event> = events(&mut dice, 900).into_iter().filter(|e| matches!(e, Event::Moment(_))).collect();
    let published = moments.iter().filter(|e| matches!(e, Event::Moment(m) if m.kind == MomentKind::Published)).count();
    let gate = town.gate();
    town.report(moments.iter().map(reported).collect()).await;
    embed(&town, 32, published).await;
    let (_, once) = vectors(&town).await;
    embed(&town, 32, published).await;
    assert_eq!(vectors(&town).await.1, once, "nothing is embedded twice");
    embed(&town, 48, published).await;
    embed(&town, 32, published).await;
    gate.end().await;
}
