#![allow(missing_docs, reason = "criterion_group makes an undocumented function")]
//! What a deck costs over a town of 20,000 people: exact scan (few in reach), asked of an index (many), and a page's recheck.

use std::collections::HashSet;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use features::event::InteractionKind;
use features::ids::UserId;
use index::co_likes::Reach;
use index::hot::HotPool;
use index::ledger::Ledger;
use index::table::PortraitTable;
use ranker::{DeckRequest, Parts, RankerConfig, Recheck, Recommender};

#[path = "../src/testing.rs"]
mod testing;

const PEOPLE: u64 = 20_000;
const DIM: usize = 512;

fn town() -> Parts {
    let table = Arc::new(PortraitTable::default());
    (1..=PEOPLE).for_each(|user| assert!(table.apply(&testing::person(user, DIM))));
    let hot = HotPool::default();
    hot.refresh(&table, testing::now(), 500);
    let ledger = Ledger::default();
    let mut dice = testing::Dice::new(7);
    for _ in 0..200_000 {
        let (a, b) = (1 + dice.roll(PEOPLE), 1 + dice.roll(PEOPLE));
        let kind = if dice.roll(4) == 0 { InteractionKind::Like } else { InteractionKind::Impression };
        ledger.apply(&testing::did(a, b, kind, chrono::TimeDelta::days(3)));
    }
    Parts { vectors: Arc::new(testing::Vectors::Empty), table, ledger: Arc::new(ledger), hot: Arc::new(hot), rates: Arc::default() }
}

fn request(viewer: u64) -> DeckRequest {
    DeckRequest { viewer: UserId(viewer), deck_id: "bench".into(), seed: viewer, now: testing::now(), position: None, limit: 200 }
}

fn decks(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let parts = town();
    let exact = Recommender::new(parts.clone(), &RankerConfig::default()).expect("defaults are valid");
    let mut asks = RankerConfig::default();
    asks.deck.exact_scan_below = 0;
    let asking = Recommender::new(parts.clone(), &asks).expect("valid");
    let mut viewer = 0;
    let mut next = move || {
        viewer = viewer % PEOPLE + 1;
        request(viewer)
    };
    c.bench_function("deck/20k/exact scan", |b| b.iter(|| black_box(runtime.block_on(exact.deck(&next()))).expect("a deck")));
    c.bench_function("deck/20k/without vectors", |b| b.iter(|| black_box(runtime.block_on(asking.deck(&request(5)))).expect("a deck")));
    c.bench_function("deck/20k/fallback", |b| b.iter(|| black_box(exact.fallback(&request(5), "bench")).expect("a deck")));
    let (ledger, mut viewer) = (Arc::clone(&parts.ledger), 0);
    let reach = Reach { likes: 50, fan_out: 50, alike: 100 };
    c.bench_function("co_likes/20k/recall", |b| {
        b.iter(|| {
            viewer = viewer % PEOPLE + 1;
            black_box(ledger.co_liked(UserId(viewer), &reach, 600))
        });
    });
    let deck = runtime.block_on(exact.deck(&request(5))).expect("a deck");
    for timing in deck.timings.iter().filter(|t| t.micros > 100) {
        println!("{:>9} {:<20} {:>6} us, {} in, {} out", timing.stage, timing.name, timing.micros, timing.entered, timing.left);
    }
    let page = Recheck { viewer: UserId(5), now: testing::now(), position: None, shown_by_deck: HashSet::new() };
    c.bench_function("page/20 people/recheck", |b| b.iter(|| black_box(exact.recheck(&page, deck.items[..20].to_vec())).expect("known")));
}

criterion_group!(benches, decks);
criterion_main!(benches);
