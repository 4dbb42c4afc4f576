//! The world that `score` makes out of the lake is the world that the platform lives in.

use std::collections::BTreeMap;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use features::ids::UserId;
use features::portrait::Portrait;
use features::topic::Topic;
use index::ledger::Ledger;
use index::table::PortraitTable;
use pipelines::bus::{Bus, BusConfig, Offsets, OutRecord};
use reqwest::Method;
use serde_json::json;
use serving::config::Config;
use serving::town::{Town, TownSpec};
use serving::wiring::encoder;
use serving::world::World;
use tests::{TestApp, person};

const USERS: u32 = 300;

/// Every portrait as the topic has it now.
async fn live(bus: &Bus) -> BTreeMap<UserId, Portrait> {
    let topics = [Topic::Portraits.name().to_owned()];
    let mut reader = bus.reader("the-test", &topics, &Offsets::default()).await.unwrap();
    let mut portraits: BTreeMap<UserId, Portrait> = BTreeMap::new();
    while !reader.caught_up() {
        let batch = reader.batch(10_000, std::time::Duration::from_millis(5));
        let Ok(batch) = tokio::time::timeout(std::time::Duration::from_millis(200), batch).await else { continue };
        for record in batch.unwrap() {
            let portrait: Portrait = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
            if portraits.get(&portrait.user_id).is_none_or(|old| portrait.supersedes(old)) {
                portraits.insert(portrait.user_id, portrait);
            }
        }
    }
    portraits
}

fn near(what: &str, a: f64, b: f64) -> Result<(), String> {
    if (a - b).abs() <= 1e-9 * a.abs().max(1.0) { Ok(()) } else { Err(format!("{what}: {a} and {b}")) }
}

/// What differs between two portraits, but for what may: versions, and tastes by what a stale vector is behind.
fn differs(live: &Portrait, past: &Portrait) -> Result<(), String> {
    let who = live.user_id;
    let (names, others): (Vec<_>, Vec<_>) = (live.counters.keys().collect(), past.counters.keys().collect());
    if names != others {
        return Err(format!("{who}: counters {names:?} and {others:?}"));
    }
    for (name, value) in &live.counters {
        near(&format!("{who} {name}"), *value, past.counters[name])?;
    }
    for (a, b) in [(&live.tags, &past.tags), (&live.liked_tags, &past.liked_tags)] {
        let same = a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.tag == y.tag && (x.weight - y.weight).abs() < 1e-5);
        if !same {
            return Err(format!("{who}: tags {a:?} and {b:?}"));
        }
    }
    let close = match (&live.taste, &past.taste) {
        (Some(a), Some(b)) => a.cosine(b) > 0.98,
        (a, b) => a.is_none() && b.is_none(),
    };
    if !close {
        return Err(format!("{who}: tastes {:?} and {:?}", live.taste, past.taste));
    }
    let rest = |p: &Portrait| Portrait {
        version: 0,
        generation: 0,
        counters: BTreeMap::new(),
        tags: vec![],
        liked_tags: vec![],
        taste: None,
        // The lake has microseconds.
        updated_at: p.updated_at.trunc_subsecs(6),
        ..p.clone()
    };
    let (a, b) = (rest(live), rest(past));
    if a == b { Ok(()) } else { Err(format!("{a:?}\nand\n{b:?}")) }
}

async fn grow(app: &TestApp, bus: &Bus) -> usize {
    let town = Town::new(TownSpec { users: USERS, days: 6, seed: 4, until: Utc::now().trunc_subsecs(6) });
    let mut inbox: Vec<OutRecord> = Vec::new();
    let events = town.events();
    for event in &events {
        inbox.push(OutRecord::new(Topic::Inbox.name(), event.actor().to_string(), Some(event.encode())));
    }
    bus.producer().unwrap().send_all(inbox).await.unwrap();
    let table_is_full = async || app.get(&format!("/v1/users/{USERS}")).await.status == 200 && app.get("/v1/users/1").await.status == 200;
    app.until("the town is known", table_is_full).await;
    // And what comes over the API: a profile, opinions, a block, a page.
    app.with_user(501, &person("五百零一", "female", "male")).await;
    app.interact("block", 1, 2).await;
    app.interact("like", 3, 4).await;
    app.interact("like", 4, 3).await;
    let shown = app.recommend(501, 5).await["items"].as_array().unwrap().len();
    let mut changed = person("五百零一", "female", "male");
    changed["bio"] = json!("我喜欢做饭和猫");
    app.with_user(501, &changed).await;
    // Who takes all words back has no vector any more.
    app.with_user(502, &person("五百零二", "male", "female")).await;
    let mut silent = person("五百零二", "male", "female");
    (silent["bio"], silent["tags"]) = (json!(""), json!([]));
    app.until("the words have a vector", async || live(bus).await.get(&UserId(502)).is_some_and(|p| p.content.is_some())).await;
    app.with_user(502, &silent).await;
    events.len() + 7 + shown
}

async fn in_the_lake(folder: &std::path::Path) -> usize {
    let session = pipelines::query::session(folder.join("lake").to_str().unwrap()).await.unwrap();
    let mut rows = 0;
    for topic in Topic::LIVED {
        rows += session.table(topic.name()).await.unwrap().count().await.unwrap_or(0);
    }
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_world_out_of_the_lake_is_the_world_that_lives() {
    let app = TestApp::start_with(|config| config.lake.flush_s = 0.3).await;
    let bus = Bus::new(BusConfig { brokers: app.brokers.clone(), ..BusConfig::default() }).unwrap();
    let expected = grow(&app, &bus).await;
    app.until("everything is in the lake", async || in_the_lake(app.folder()).await == expected).await;
    let now: DateTime<Utc> = Utc::now() + TimeDelta::seconds(1);
    let mut config = Config { data_dir: app.folder().to_path_buf(), ..Config::default() };
    config.model.encoder = "hashing".to_owned();
    let world = World::as_of(&config, Some(encoder(&config).unwrap()), now).await.unwrap();
    let past: BTreeMap<UserId, Portrait> = world.past().portraits().into_iter().map(|p| (p.user_id, p)).collect();
    let compare = |live: &BTreeMap<UserId, Portrait>| -> Result<(), String> {
        let (known, told): (Vec<_>, Vec<_>) = (live.keys().collect(), past.keys().collect());
        if known != told {
            return Err(format!("people {known:?} and {told:?}"));
        }
        live.values().try_for_each(|portrait| differs(portrait, &past[&portrait.user_id]))
    };
    // The assembler may still have portraits to write.
    let mut last = String::new();
    for _ in 0..200 {
        match compare(&live(&bus).await) {
            Ok(()) => {
                last.clear();
                break;
            }
            Err(difference) => last = difference,
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    assert!(last.is_empty(), "live and past: {last}");
    assert_eq!(past.len(), USERS as usize + 2);
    assert!(past[&UserId(502)].content.is_none() && past[&UserId(501)].content.is_some());
    assert!(past.values().filter(|p| p.taste.is_some()).count() > 30 && past.values().any(|p| !p.moments.is_empty()));
    assert_eq!(app.send(Method::GET, "/readyz", None).await.status, 200);
    drop(bus);
    let folder = app.stop().await;
    same_indexes(&world, folder.path(), now);
}

/// The table and the ledger that the platform left behind are those of the world.
fn same_indexes(world: &World, folder: &std::path::Path, now: DateTime<Utc>) {
    let (table, _) = PortraitTable::load(&folder.join("state/portraits.table")).unwrap();
    let (ledger, _) = Ledger::load(&folder.join("state/ledger")).unwrap();
    let (live, past) = (table.read(), world.parts().table.read());
    assert_eq!(live.len(), past.len());
    let users: Vec<UserId> = live.rows().map(|row| live.user(row)).collect();
    for user in &users {
        let (a, b) = (live.row_of(*user).unwrap(), past.row_of(*user).unwrap());
        assert_eq!(live.profile(a), past.profile(b));
        let (x, y) = (live.signals(a, now), past.signals(b, now));
        for (x, y) in [(x.activity, y.activity), (x.likes, y.likes), (x.impressions, y.impressions), (x.richness, y.richness)] {
            assert!((x - y).abs() <= 1e-5 * x.abs().max(1.0), "{user}: {x} {y}");
        }
    }
    let mut related = 0;
    for (a, b) in users.iter().flat_map(|a| users.iter().map(move |b| (*a, *b))) {
        let of = |l: &Ledger| (l.likes(a, b), l.passed(a, b), l.blocked(a, b), l.shown_within(a, b, now, TimeDelta::days(30)));
        assert_eq!(of(&ledger), of(&world.parts().ledger), "{a} {b}");
        related += usize::from(of(&ledger) != (false, false, false, false));
    }
    assert!(related > 200, "{related}");
}
