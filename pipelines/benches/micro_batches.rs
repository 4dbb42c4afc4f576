//! What a micro-batch costs: decoding, aggregating with a plan that is kept or made anew, and adding to keyed state.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fmt::Write;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use features::sets::feature_set;
use features::topic::Topic;
use pipelines::runner::{FeaturePlan, KeyedState};
use pipelines::tables::decode;

/// Likes, passes and impressions among 20,000 people.
fn events(count: u64) -> Vec<String> {
    let mut random = 88_172_645_463_325_252u64;
    let mut roll = move |sides: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % sides
    };
    let event = |n: u64| {
        let kind = ["impression", "impression", "like", "pass"][usize::try_from(roll(4)).unwrap()];
        let (actor, target, second) = (roll(20_000) + 1, roll(20_000) + 1, roll(60));
        let mut json = String::new();
        write!(
            json,
            r#"{{"event_id":"01903a5e-7b7c-7000-8000-{n:012x}","event_time":"2026-11-20T10:11:{second:02}.000123Z","kind":"{kind}","#
        )
        .unwrap();
        write!(json, r#""actor_id":"{actor}","target_id":"{target}","tags":["hiking"],"deck_id":"d{n}","position":3}}"#).unwrap();
        json
    };
    (0..count).map(event).collect()
}

fn micro_batches(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let set = feature_set("popularity").unwrap();
    for size in [100, 10_000] {
        let events = events(size);
        let values: Vec<&[u8]> = events.iter().map(String::as_bytes).collect();
        let batch = decode(Topic::Interactions, &values).unwrap().batch;
        let plan = runtime.block_on(FeaturePlan::new(set)).unwrap();
        let partials = runtime.block_on(plan.run(batch.clone())).unwrap();
        let mut group = criterion.benchmark_group(format!("{size} events"));
        group.throughput(Throughput::Elements(size)).sample_size(20);
        group.bench_function("decode", |b| b.iter(|| decode(Topic::Interactions, &values).unwrap().batch.num_rows()));
        group.bench_function("aggregate, plan kept", |b| b.iter(|| runtime.block_on(plan.run(batch.clone())).unwrap().len()));
        group.bench_function("aggregate, planned anew", |b| {
            b.iter(|| runtime.block_on(async { FeaturePlan::new(set).await.unwrap().run(batch.clone()).await.unwrap().len() }));
        });
        let mut state = KeyedState::new(set);
        group.bench_function("add to state", |b| b.iter(|| state.add(set, &partials).unwrap()));
        group.finish();
    }
}

criterion_group!(benches, micro_batches);
criterion_main!(benches);
