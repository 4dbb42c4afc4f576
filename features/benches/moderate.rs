//! Speed of the moderation of one text, short and long, in Chinese and English.
//!
//! `cargo bench -p features --bench moderate --profile dev`
#![allow(missing_docs)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use features::moderation::{Screen, normal};

const TEXTS: [(&str, &str); 4] = [
    ("nickname", "爬山的小鱼 Fish_98"),
    ("comment en", "What a view! Which trail did you take, and was it crowded at 7 a.m.?"),
    ("comment zh", "这张照片拍得真好，周末一起去爬山吗？我知道一条人少的路。"),
    ("comment disguised", "f.u.c.k 加 V 信：abc_12345，約 砲 1 3 8 0 0 1 3 8 0 0 0"),
];

fn moderate(criterion: &mut Criterion) {
    let screen = Screen::built_in(Vec::new()).expect("the built-in lists are tested");
    let long = TEXTS[2].1.repeat(70);
    let texts = TEXTS.into_iter().chain([("moment zh, 2,000 characters", long.as_str())]);
    let mut group = criterion.benchmark_group("moderate");
    for (name, text) in texts {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::new("look", name), text, |bencher, text| bencher.iter(|| screen.look(text)));
        group.bench_with_input(BenchmarkId::new("normalise", name), text, |bencher, text| bencher.iter(|| normal::normalise(text)));
    }
    group.finish();
}

criterion_group!(benches, moderate);
criterion_main!(benches);
