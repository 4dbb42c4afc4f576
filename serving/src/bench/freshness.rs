//! How long it takes until what somebody does changes what they are shown.

use std::time::{Duration, Instant};

use anyhow::ensure;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::Target;
use super::measure::{Row, cpu, row};

const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);

/// Like → the ranking of a third person is another; Moment posted → its author has the vector that vector sources look for.
///
/// # Errors
/// When the server fails or does not become fresh within 20 s.
pub async fn freshness(target: &Target, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let (pid, _) = target.told().await?;
    let people = people(target).await?;
    let random = &mut ChaCha8Rng::from_os_rng();
    let (begun, used) = (Instant::now(), cpu(pid));
    let mut likes = Vec::new();
    while likes.len() < rounds {
        likes.extend(like(target, random, &people).await?);
    }
    let likes = row("like → different ranking", likes, begun.elapsed(), cpu(pid).saturating_sub(used), pid);
    let (begun, used) = (Instant::now(), cpu(pid));
    let mut moments = Vec::new();
    for i in 0..rounds {
        moments.push(moment(target, random, i).await?);
    }
    let moments = row("Moment posted → found by a vector source", moments, begun.elapsed(), cpu(pid).saturating_sub(used), pid);
    Ok(vec![likes, moments])
}

/// Some people of the server.
async fn people(target: &Target) -> anyhow::Result<Vec<u64>> {
    let page = target.get("/v1/users?limit=200").await?;
    let ids: Vec<u64> = page["items"].as_array().into_iter().flatten().filter_map(|p| p["user_id"].as_str()?.parse().ok()).collect();
    ensure!(ids.len() >= 10, "there are too few people: {}", ids.len());
    Ok(ids)
}

async fn judge(target: &Target, viewer: u64, candidate: u64) -> anyhow::Result<Value> {
    target.get(&format!("/v1/recommendations/judgement?viewer={viewer}&candidate={candidate}")).await
}

/// What of a judgement a like can change: the terms of liked tags and taste.
fn opinion(judgement: &Value) -> Option<String> {
    let terms = judgement["item"]["terms"].as_array()?;
    let told = terms.iter().filter(|t| t["side"] == "viewer" && (t["name"] == "taste" || t["name"] == "liked_tags"));
    Some(told.map(|t| format!("{}={} ", t["name"].as_str().unwrap_or_default(), t["value"])).collect())
}

/// One like; none when the people drawn cannot be shown to each other.
async fn like(target: &Target, random: &mut ChaCha8Rng, people: &[u64]) -> anyhow::Result<Option<Duration>> {
    let mut draw = || people[random.random_range(0..people.len())];
    let (viewer, liked, judged) = (draw(), draw(), draw());
    if viewer == liked || viewer == judged || liked == judged {
        return Ok(None);
    }
    let (before, other) = (judge(target, viewer, judged).await?, judge(target, viewer, liked).await?);
    let (Some(before), Some(_)) = (opinion(&before), opinion(&other)) else { return Ok(None) };
    let item = json!({"kind": "like", "actor_id": viewer.to_string(), "target_id": liked.to_string()});
    let begun = Instant::now();
    let answer = target.post("/v1/interactions", &json!({"items": [item]})).await?;
    ensure!(answer["accepted"] == 1, "the like was refused: {answer}");
    while opinion(&judge(target, viewer, judged).await?).as_deref() == Some(&before) {
        if begun.elapsed() > PATIENCE {
            // Somebody whose like says nothing new: no tags, no vector, or already at the end of the scale.
            return Ok(None);
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(Some(begun.elapsed()))
}

async fn moment(target: &Target, random: &mut ChaCha8Rng, i: usize) -> anyhow::Result<Duration> {
    let base = 9_000_000_000 + u64::from(random.random::<u32>()) * 4;
    let person = |gender: &str, wants: &str, bio: &str| {
        json!({"nickname": format!("bench {i}"), "gender": gender, "birth_date": "1995-05-05", "created_at": "2026-01-01T00:00:00Z", "bio": bio,
               "preferences": {"genders": [wants], "min_age": 18, "max_age": 90}})
    };
    let (viewer, liked, author) = (base, base + 1, base + 2);
    target.put(&format!("/v1/users/{viewer}"), &person("male", "female", "")).await?;
    target.put(&format!("/v1/users/{liked}"), &person("female", "male", "周末去爬山，也喜欢喝咖啡 hiking and coffee")).await?;
    target.put(&format!("/v1/users/{author}"), &person("female", "male", "")).await?;
    let item = json!({"kind": "like", "actor_id": viewer.to_string(), "target_id": liked.to_string()});
    target.post("/v1/interactions", &json!({"items": [item]})).await?;
    let begun = Instant::now();
    let text = format!("今天在山顶喝咖啡 {i}, coffee on the summit");
    target.post("/v1/moments", &json!({"author_id": author.to_string(), "text": text})).await?;
    loop {
        let judgement = judge(target, viewer, author).await?;
        if opinion(&judgement).is_some_and(|o| o.contains("taste=")) {
            return Ok(begun.elapsed());
        }
        ensure!(begun.elapsed() < PATIENCE, "a Moment has no vector after {PATIENCE:?}: {judgement}");
        tokio::time::sleep(POLL).await;
    }
}
