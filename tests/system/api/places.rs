//! Whoever hops about stays where they were, and no answer tells a place; decks are made ahead, and checked when they are shown.

use std::cell::Cell;
use std::time::Duration;

use serde_json::{Value, json};
use tests::{TestApp, person};

#[tokio::test(flavor = "multi_thread")]
async fn hopping_about_is_bounded_and_told() {
    let app = TestApp::start_with(|config| config.recommend.places_per_hour = 3).await;
    app.with_user(1, &person("小红", "female", "male")).await;
    for id in 2..30 {
        let mut man = person(&format!("阿强{id}"), "male", "female");
        man["position"] = json!({"lat": 31.2304 + f64::from(id) / 200.0, "lon": 121.4737});
        app.with_user(u64::try_from(id).unwrap(), &man).await;
    }
    let from = async |n: u32, path: &str| {
        let answer = app.get(&format!("{path}viewer=1&limit=1&lat={}&lon=121.4737", f64::from(31 + n))).await;
        assert!(!answer.text.contains("\"lat\"") && !answer.text.contains("31.23") && !answer.text.contains("121.47"), "{}", answer.text);
        answer.expect(200)
    };
    for n in 0..=3 {
        assert_eq!(from(n, "/v1/recommendations?").await["degraded"], json!([]), "the first place and three changes");
    }
    let held = from(4, "/v1/recommendations?").await;
    assert!(held["degraded"][0].as_str().is_some_and(|why| why.starts_with("place: it changed more than 3 times")), "{held}");
    let stays = from(3, "/v1/recommendations?").await;
    assert_eq!(
        (&stays["degraded"], &stays["items"][0]["distance"]),
        (&json!([]), &held["items"][0]["distance"]),
        "as from the last place that counted"
    );
    app.stop().await;
}

fn ids(page: &Value) -> Vec<u64> {
    page["items"].as_array().unwrap().iter().map(|item| item["user_id"].as_str().unwrap().parse().unwrap()).collect()
}

/// When a deck was made, in milliseconds since 1970: its id says so.
fn made_at(page: &Value) -> u128 {
    let id = uuid::Uuid::parse_str(page["deck_id"].as_str().unwrap()).unwrap();
    let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
    u128::from(seconds) * 1_000 + u128::from(nanos) / 1_000_000
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_deck_is_made_ahead_and_checked_when_it_is_shown() {
    let app = TestApp::start_with(|config| {
        config.recommend.ahead_below = 4;
        config.ranker.deck.size = 10;
    })
    .await;
    for id in 2..42 {
        app.with_user(id, &person(&format!("阿强{id}"), "male", "female")).await;
    }
    let viewer = Cell::new(1_000);
    app.until("a request meets a deck that was made ahead", async || {
        viewer.set(viewer.get() + 1);
        app.with_user(viewer.get(), &person("小红", "female", "male")).await;
        let seen = ids(&app.recommend(viewer.get(), 7).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
        let asked = chrono::Utc::now().timestamp_millis();
        let blockers: Vec<u64> = (2..42).filter(|id| !seen.contains(id)).take(20).collect();
        for id in &blockers {
            app.interact("block", *id, viewer.get()).await;
        }
        let page = app.recommend(viewer.get(), 3).await;
        assert_eq!(page["items"].as_array().unwrap().len(), 3, "{page}");
        assert!(ids(&page).iter().all(|id| !seen.contains(id) && !blockers.contains(id)), "what happened since is in force: {page}");
        made_at(&page) < u128::try_from(asked).unwrap()
    })
    .await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deck_made_before_the_viewer_spoke_is_not_shown_after() {
    let app = TestApp::start_with(|config| {
        config.recommend.ahead_below = 4;
        config.ranker.deck.size = 10;
    })
    .await;
    app.with_user(1, &person("小红", "female", "male")).await;
    for id in 2..42 {
        app.with_user(id, &person(&format!("阿强{id}"), "male", "female")).await;
    }
    for _ in 0..3 {
        let seen = ids(&app.recommend(1, 7).await);
        tokio::time::sleep(Duration::from_millis(300)).await;
        let spoke = u128::try_from(chrono::Utc::now().timestamp_millis()).unwrap();
        app.interact("like", 1, seen[0]).await;
        let page = app.recommend(1, 3).await;
        assert!(made_at(&page) >= spoke, "{page}");
    }
    app.stop().await;
}
