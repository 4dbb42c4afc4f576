//! Pages that were served are computed again from the lake, byte for byte, whatever happened to the people since; and what was tampered with
//! is noticed.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use features::event::Event;
use features::topic::Topic;
use pipelines::bus::{Bus, BusConfig, OutRecord};
use pipelines::lake::write_events;
use pipelines::tables::{events, schema};
use serde_json::{Value, json};
use serving::replay::{ReplayFault, Replayed, replay};
use serving::town::{Town, TownSpec};
use tests::{TestApp, binary, person};
use tokio::task::block_in_place;

const USERS: u32 = 260;
/// Somebody without a portrait yet.
const NEW: u64 = 900;

/// Every event of a table of the lake.
async fn rows_of(lake: &str, topic: Topic) -> Vec<Event> {
    let session = pipelines::query::session(lake).await.unwrap();
    let columns: Vec<String> = schema(topic).unwrap().fields().iter().map(|field| format!("\"{}\"", field.name())).collect();
    let frame = session.sql(&format!("SELECT {} FROM {}", columns.join(", "), topic.name())).await.unwrap();
    frame.collect().await.unwrap().iter().flat_map(|batch| events(batch).unwrap()).collect()
}

/// An answer as it was received.
struct Received {
    deck: String,
    text: String,
}

/// A page; where there is no cursor, the first of a deck.
async fn page(app: &TestApp, viewer: u64, limit: usize, language: &str, cursor: Option<&str>) -> (Received, Option<String>) {
    let more = cursor.map_or(String::new(), |cursor| format!("&cursor={cursor}"));
    let request = app.request(reqwest::Method::GET, &format!("/v1/recommendations?viewer={viewer}&limit={limit}{more}"));
    let answer = app.read(request.header("accept-language", language)).await;
    let body = answer.expect(200);
    assert_eq!(answer.header("content-type"), "application/json");
    let deck = body["deck_id"].as_str().unwrap().to_owned();
    (Received { deck, text: answer.text }, body["cursor"].as_str().map(str::to_owned))
}

async fn town(app: &TestApp) {
    let town = Town::new(TownSpec { users: USERS, days: 5, seed: 8, until: Utc::now() });
    let bus = Bus::new(BusConfig { brokers: app.brokers.clone(), ..BusConfig::default() }).unwrap();
    let record = |event: &Event| OutRecord::new(Topic::Inbox.name(), event.actor().to_string(), Some(event.encode()));
    bus.producer().unwrap().send_all(town.events().iter().map(record).collect()).await.unwrap();
    let full = async || app.get("/v1/users?limit=1").await.expect(200)["total"] == json!(USERS);
    app.until("the town is known", full).await;
}

fn first_shown(received: &Received) -> u64 {
    let body: Value = serde_json::from_str(&received.text).unwrap();
    body["items"][0]["user_id"].as_str().map_or(1, |user| user.parse().unwrap())
}

/// Pages of some viewers in both languages, while people change.
async fn an_evening(app: &TestApp) -> Vec<Received> {
    let mut all = Vec::new();
    for viewer in [3, 4, 17] {
        let (one, cursor) = page(app, viewer, 7, "zh-CN,zh", None).await;
        // Who was just shown changes the profile, and the viewer likes and passes: the portraits move under the deck.
        app.with_user(first_shown(&one), &person("换了名字", "other", "female")).await;
        app.interact("like", viewer, first_shown(&one)).await;
        let (two, _) = page(app, viewer, 5, "en", cursor.as_deref()).await;
        assert_eq!(one.deck, two.deck);
        all.extend([one, two]);
    }
    // A viewer of whom there is no portrait yet, only the profile that was just sent; nearly everybody on the page changed just now, too.
    app.with_user(NEW, &person("新人", "female", "male")).await;
    app.with_user(NEW + 1, &person("新人二", "male", "female")).await;
    all.push(page(app, NEW, 20, "zh", None).await.0);
    // The first deck to its end: the next one was made ahead by then, and its portraits are older than its page.
    let (mut received, mut cursor) = page(app, 30, 10, "en", None).await;
    while let Some(next) = cursor {
        all.push(received);
        (received, cursor) = page(app, 30, 10, "en", Some(&next)).await;
    }
    all.push(received);
    tokio::time::sleep(Duration::from_millis(700)).await;
    all.push(page(app, 30, 3, "en", None).await.0);
    all
}

/// Everybody lives on: what is known of them is not what it was.
async fn afterwards(app: &TestApp, all: &[Received]) {
    for received in all {
        let user = first_shown(received);
        let viewer = if user == 40 { 41 } else { 40 };
        app.interact("like", viewer, user).await;
        app.with_user(user, &person("later", "other", "male")).await;
    }
    app.with_user(3, &person("viewer, later", "other", "male")).await;
}

async fn replayed(lake: &str, deck: &str) -> Replayed {
    // Portraits and pages come into the lake with the next flush.
    for _ in 0..150 {
        match replay(lake, deck, None).await {
            Ok(done) => return done,
            Err(error) if error.downcast_ref::<ReplayFault>().is_some() => tokio::time::sleep(Duration::from_millis(200)).await,
            Err(error) => panic!("{error:#}"),
        }
    }
    panic!("{:#}", replay(lake, deck, None).await.unwrap_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_that_were_served_are_computed_again_byte_for_byte() {
    let app = TestApp::start_with(|config| {
        config.lake.flush_s = 0.3;
        config.ranker.deck.size = 45;
        config.recommend.ahead_below = 20;
    })
    .await;
    town(&app).await;
    let all = an_evening(&app).await;
    afterwards(&app, &all).await;
    let lake = app.folder().join("lake").display().to_string();
    let pages = async || rows_of(&lake, Topic::Pages).await.len() >= all.len();
    app.until("every page is in the lake", pages).await;
    assert_eq!(rows_of(&lake, Topic::Pages).await.len(), all.len());
    let decks = rows_of(&lake, Topic::Decks).await;
    let ahead = |event: &Event| matches!(event, Event::Deck(deck) if deck.event_time - deck.made_at > TimeDelta::milliseconds(300));
    assert!(decks.iter().any(ahead), "one was made ahead");
    assert!(decks.iter().any(|e| matches!(e, Event::Deck(deck) if deck.scored > 45)), "some were scored and not seated");
    let mut compared = 0;
    let mut seen: Vec<&str> = all.iter().map(|received| received.deck.as_str()).collect();
    seen.dedup();
    assert_eq!(seen.len(), decks.len());
    for deck in seen {
        let done = replayed(&lake, deck).await;
        let received = all.iter().filter(|received| received.deck == deck);
        for (page, received) in done.pages.iter().zip(received) {
            assert_eq!(page.differences, [], "{deck}: {:?}", done.notes);
            assert_eq!(String::from_utf8_lossy(page.body.as_deref().unwrap()), received.text, "{deck}, page {}", page.number);
            compared += 1;
        }
        assert!(done.equal() && done.notes.is_empty(), "{:?}", done.notes);
    }
    assert_eq!(compared, all.len());
    let deck = &all[0].deck;
    block_in_place(|| on_the_command_line(app.folder(), deck, &all[0].text));
    let _folder = app.stop().await;
    tampered(Path::new(&lake), deck).await;
}

fn hongniang(folder: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(binary()).args(["replay", "--data-dir"]).arg(folder).args(words).current_dir(folder).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn on_the_command_line(folder: &Path, deck: &str, received: &str) {
    let (code, out, err) = hongniang(folder, &[deck, "--format", "json"]);
    let rows: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out} {err}"));
    assert_eq!((code, rows[0]["result"].as_str(), rows[1]["result"].as_str()), (Some(0), Some("equal"), Some("equal")), "{out} {err}");
    assert!(err.contains("equal byte for byte"), "{err}");
    let (code, out, _) = hongniang(folder, &[deck, "--page", "1", "--body"]);
    assert_eq!((code, out.trim_end()), (Some(0), received));
    let (code, out, _) = hongniang(folder, &[deck, "--page", "1", "--explain", "--format", "json"]);
    let rows: Value = serde_json::from_str(&out).unwrap();
    let rows = rows.as_array().unwrap();
    let of = |side: &str| rows.iter().filter(|row| row["side"] == side).collect::<Vec<_>>();
    assert!(code == Some(0) && !of("viewer").is_empty() && !of("candidate").is_empty() && !of("draw").is_empty(), "{out}");
    assert!(of("viewer").iter().all(|row| row["value"].is_number() && row["weight"].is_number() && row["contribution"].is_number()));
    assert!(of("reason").iter().all(|row| row["zh"] != "" && row["en"] != ""));
    let (code, out, _) = hongniang(folder, &[deck, "--diff", "--format", "json"]);
    assert_eq!((code, out.trim()), (Some(0), "[]"));
    let (code, _, err) = hongniang(folder, &[deck, "--page", "9"]);
    assert!(code == Some(1) && err.contains("--page must be 1 to 2"), "{err}");
    let (code, _, err) = hongniang(folder, &["0199f3c2-5a10-7cc3-98c4-dc0c0c07398f"]);
    assert!(code == Some(1) && err.contains("is not in the lake") && err.contains("flush_s"), "{err}");
}

/// The lake with one deck's events changed, beside the portraits as they are.
async fn forged(lake: &Path, deck: &str, change: impl Fn(&mut Event)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut events = Vec::new();
    for topic in Topic::SERVED {
        events.extend(rows_of(lake.to_str().unwrap(), topic).await);
    }
    events.retain(|event| match event {
        Event::Deck(told) => told.deck_id == deck,
        Event::Page(told) => told.deck_id == deck,
        _ => false,
    });
    events.iter_mut().for_each(change);
    write_events(folder.path().to_str().unwrap(), &events).await.unwrap();
    copy(&lake.join("portraits"), &folder.path().join("portraits"));
    folder
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

async fn tampered(lake: &Path, deck: &str) {
    let told = async |change: fn(&mut Event)| {
        let folder = forged(lake, deck, change).await;
        (replay(folder.path().to_str().unwrap(), deck, Some(1)).await, folder)
    };
    let (same, folder) = told(|_| ()).await;
    assert!(same.unwrap().equal(), "what was only copied is equal");
    std::fs::remove_dir_all(folder.path().join("portraits")).unwrap();
    let gone = replay(folder.path().to_str().unwrap(), deck, None).await.unwrap_err();
    assert!(matches!(gone.downcast_ref(), Some(ReplayFault::Portraits { .. })) && gone.to_string().contains("lake.portraits"), "{gone:#}");
    let (body, _folder) = told(|event| {
        if let Event::Page(page) = event {
            page.body_sha256 = "0".repeat(64);
        }
    })
    .await;
    let fields = |done: &Replayed| done.pages[0].differences.iter().map(|d| (d.position, d.field)).collect::<Vec<_>>();
    assert_eq!(fields(&body.unwrap()), [(None, "body")]);
    let (score, folder) = told(|event| match event {
        Event::Page(page) => page.items[2].score += 0.001,
        Event::Deck(deck) => deck.program = "hongniang 0.0.9".to_owned(),
        _ => {}
    })
    .await;
    let score = score.unwrap();
    assert_eq!(fields(&score), [(Some(2), "score")], "the body is as it was: {:?}", score.pages[0].differences);
    assert!(score.notes[0].contains("0.0.9"), "{:?}", score.notes);
    let (code, out, err) = block_in_place(|| hongniang(lake, &[deck, "--page", "1", "--lake", folder.path().to_str().unwrap()]));
    println!("{out}{err}");
    assert!(
        code == Some(1) && out.contains("position 2: score was ") && err.contains("note: the deck was made by hongniang 0.0.9"),
        "{out} {err}"
    );
    let (seed, _folder) = told(|event| {
        if let Event::Deck(deck) = event {
            deck.record.replace_range(8..12, "AAAA");
        }
    })
    .await;
    assert!(format!("{:#}", seed.unwrap_err()).contains("record"), "a record that was changed cannot be read");
}
