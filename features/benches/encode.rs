//! Speed of the text encoders on Moment-like texts in Chinese and English, one at a time and in batches.
//!
//! `cargo bench -p features --bench encode --profile dev`; models that are not installed are left out.
#![allow(missing_docs)]

use std::path::PathBuf;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use features::embed::{TextKind, load_encoder};
use features::manifest::Manifest;

const MOMENTS: &str = include_str!("../src/embed/golden/moments.tsv");

fn encode(criterion: &mut Criterion) {
    let cache = std::env::var_os("HONGNIANG_MODELS")
        .map_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/hongniang/models"), PathBuf::from);
    let texts: Vec<&str> = MOMENTS.lines().flat_map(|line| line.split('\t').skip(1)).collect();
    let manifest = Manifest::built_in().expect("the built-in manifest is tested");
    for spec in &manifest.models {
        let folder = cache.join(spec.folder());
        if !folder.exists() {
            eprintln!("{} is not installed: `hongniang models pull {}`", spec.name, spec.name);
            continue;
        }
        let encoder = load_encoder(&folder, spec).expect("an installed model can be loaded");
        let mut group = criterion.benchmark_group(&spec.name);
        group.sample_size(10);
        for size in [1, 16, 160] {
            group.throughput(Throughput::Elements(size as u64));
            let mut batches = texts.chunks(size).cycle();
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter_batched(
                    || batches.next().unwrap_or_default(),
                    |batch| encoder.encode(batch, TextKind::Passage).expect("Moments can be encoded"),
                    criterion::BatchSize::SmallInput,
                );
            });
        }
        group.finish();
    }
}

criterion_group!(benches, encode);
criterion_main!(benches);
