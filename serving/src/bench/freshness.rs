//! How long it takes until what somebody does changes what they are shown.
//!
//! Everybody who acts here is new in each round and erased after it, so that every like and every Moment must change something: a like that
//! shows nothing within the patience is late, counts with the time that was waited, and fails the command. Nothing is dropped for being slow.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::Target;
use super::measure::{Row, cpu, row};

/// How long an effect is waited for.
pub const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);
/// Each deck shows somebody who is not shown again, so a slow effect is looked for less and less often: by this part of the time waited.
const COARSER: u32 = 20;

/// How fresh a server is.
#[derive(Debug, Clone, PartialEq)]
pub struct Freshness {
    /// The times, the late ones among them.
    pub row: Row,
    /// How many showed no effect within the patience.
    pub late: usize,
    /// How many draws could not be used: people without tags, or nobody whom the new viewer may be shown.
    pub unusable: usize,
    patience: Duration,
}

impl Freshness {
    /// Says what was not used, and fails when something was late.
    ///
    /// # Errors
    /// When there was no effect within the patience.
    pub fn judge(&self) -> anyhow::Result<()> {
        let Self { row, late, unusable, patience } = self;
        eprintln!("{}: {unusable} draws were not usable, {late} of {} without effect within {patience:?}", row.name, row.ops);
        ensure!(*late == 0, "{}: {late} of {} had no effect within {patience:?}", row.name, row.ops);
        Ok(())
    }
}

/// Times of rounds, with what was late and what was not usable.
struct Clocked {
    name: &'static str,
    begun: Instant,
    used: Duration,
    times: Vec<Duration>,
    unusable: usize,
}

impl Clocked {
    fn begin(name: &'static str, pid: u32) -> Self {
        Self { name, begun: Instant::now(), used: cpu(pid), times: Vec::new(), unusable: 0 }
    }

    fn end(self, pid: u32, patience: Duration) -> Freshness {
        let late = self.times.iter().filter(|took| **took >= patience).count();
        let row = row(self.name, self.times, self.begun.elapsed(), cpu(pid).saturating_sub(self.used), pid);
        Freshness { row, late, unusable: self.unusable, patience }
    }
}

/// Like → the next deck of whoever liked is ranked by it. The viewer is new: their decks know no liked tags and no taste, until a like of somebody
/// with tags brings them.
///
/// # Errors
/// When the server fails or has nobody to like.
pub async fn likes(target: &Target, rounds: usize, patience: Duration) -> anyhow::Result<Freshness> {
    let (pid, _) = target.told().await?;
    let people = people(target).await?;
    let random = &mut ChaCha8Rng::from_os_rng();
    let mut clocked = Clocked::begin("like → different ranking", pid);
    while clocked.times.len() < rounds {
        let liked = people[random.random_range(0..people.len())];
        match like(target, fresh_ids(random), liked, patience).await? {
            Some(took) => clocked.times.push(took),
            None => clocked.unusable += 1,
        }
        ensure!(clocked.unusable < 100 + 10 * rounds, "nobody could be liked: people without tags, or nobody to show to a new viewer");
    }
    Ok(clocked.end(pid, patience))
}

/// Moment posted → its author is found by the source that looks for people whose content the viewer's taste likes.
///
/// # Errors
/// When the server fails, or makes no vectors of what its people write about themselves.
pub async fn moments(target: &Target, rounds: usize, patience: Duration) -> anyhow::Result<Freshness> {
    let (pid, _) = target.told().await?;
    let random = &mut ChaCha8Rng::from_os_rng();
    let mut clocked = Clocked::begin("Moment posted → found by a vector source", pid);
    for _ in 0..rounds {
        clocked.times.push(moment(target, fresh_ids(random), patience).await?);
    }
    Ok(clocked.end(pid, patience))
}

/// The first of a few ids that nobody has.
fn fresh_ids(random: &mut ChaCha8Rng) -> u64 {
    9_000_000_000 + u64::from(random.random::<u32>()) * 8
}

/// Some people of the server.
async fn people(target: &Target) -> anyhow::Result<Vec<u64>> {
    let page = target.get("/v1/users?limit=200").await?;
    let ids: Vec<u64> = page["items"].as_array().into_iter().flatten().filter_map(|p| p["user_id"].as_str()?.parse().ok()).collect();
    ensure!(ids.len() >= 10, "there are too few people: {}", ids.len());
    Ok(ids)
}

/// A new person, gone again by [`leave`].
async fn join(target: &Target, id: u64, gender: &str, wants: &str, bio: &str) -> anyhow::Result<()> {
    let profile = json!({
        "nickname": "bench", "gender": gender, "birth_date": "1995-05-05", "created_at": "2026-01-01T00:00:00Z", "bio": bio,
        "preferences": {"genders": [wants], "min_age": 18, "max_age": 90}
    });
    target.put(&format!("/v1/users/{id}"), &profile).await.map(drop)
}

async fn leave(target: &Target, ids: &[u64]) -> anyhow::Result<()> {
    for id in ids {
        target.delete(&format!("/v1/users/{id}")).await?;
    }
    Ok(())
}

async fn send_like(target: &Target, viewer: u64, liked: u64) -> anyhow::Result<()> {
    let item = json!({"kind": "like", "actor_id": viewer.to_string(), "target_id": liked.to_string()});
    let answer = target.post("/v1/interactions", &json!({"items": [item]})).await?;
    ensure!(answer["accepted"] == 1, "the like was refused: {answer}");
    Ok(())
}

/// Makes a deck and tells whether what the viewer likes had a say in it; nothing when nobody may be shown.
async fn ranked_by_likes(target: &Target, viewer: u64) -> anyhow::Result<Option<bool>> {
    let page = target.get(&format!("/v1/recommendations?viewer={viewer}&limit=1")).await?;
    let deck = page["deck_id"].as_str().context("a page without a deck")?;
    if page["items"].as_array().is_none_or(Vec::is_empty) {
        return Ok(None);
    }
    let why = target.get(&format!("/v1/recommendations/{deck}/explain")).await?;
    let terms = why["shown"].as_array().into_iter().flatten().filter_map(|item| item["terms"].as_array()).flatten();
    let mut known = terms.filter(|t| t["side"] == "viewer").filter_map(|t| t["name"].as_str());
    Ok(Some(known.any(|name| name == "liked_tags" || name == "taste")))
}

/// One like; none when it could not change anything.
async fn like(target: &Target, viewer: u64, liked: u64, patience: Duration) -> anyhow::Result<Option<Duration>> {
    let tags = target.get(&format!("/v1/users/{liked}")).await?["tags"].as_array().map_or(0, Vec::len);
    if tags == 0 {
        return Ok(None);
    }
    join(target, viewer, "male", "female", "").await?;
    let before = ranked_by_likes(target, viewer).await?;
    ensure!(before != Some(true), "a viewer who has liked nobody is ranked by likes");
    let mut took = None;
    if before.is_some() {
        let begun = Instant::now();
        send_like(target, viewer, liked).await?;
        while !ranked_by_likes(target, viewer).await?.context("the viewer has seen everybody; let a larger town grow")?
            && begun.elapsed() < patience
        {
            tokio::time::sleep(POLL.max(begun.elapsed() / COARSER)).await;
        }
        took = Some(begun.elapsed());
    }
    leave(target, &[viewer]).await?;
    Ok(took)
}

/// Whether the vector source finds a candidate for a viewer.
async fn found(target: &Target, viewer: u64, candidate: u64) -> anyhow::Result<bool> {
    let judgement = target.get(&format!("/v1/recommendations/judgement?viewer={viewer}&candidate={candidate}")).await?;
    let sources = judgement["sources"].as_array().context("a judgement without sources")?;
    Ok(sources.iter().any(|source| source == "taste_content"))
}

async fn moment(target: &Target, base: u64, patience: Duration) -> anyhow::Result<Duration> {
    const ABOUT: &str = "周末去爬山，也喜欢喝咖啡 hiking and coffee";
    let (viewer, liked, alike, author) = (base, base + 1, base + 2, base + 3);
    join(target, viewer, "male", "female", "").await?;
    for (id, bio) in [(liked, ABOUT), (alike, ABOUT), (author, "")] {
        join(target, id, "female", "male", bio).await?;
    }
    send_like(target, viewer, liked).await?;
    // Once somebody who is like the liked one is found, the viewer's taste is there, and all that lacks is the author's vector.
    let begun = Instant::now();
    while !found(target, viewer, alike).await? {
        ensure!(
            begun.elapsed() < PATIENCE,
            "who is like the liked one is not found by taste_content after {PATIENCE:?}: is the embedder running?"
        );
        tokio::time::sleep(POLL).await;
    }
    ensure!(!found(target, viewer, author).await?, "an author without any text is found by a vector source");
    let begun = Instant::now();
    let text = "今天在山顶喝咖啡, hiking and coffee on the summit";
    target.post("/v1/moments", &json!({"author_id": author.to_string(), "text": text})).await?;
    while !found(target, viewer, author).await? && begun.elapsed() < patience {
        tokio::time::sleep(POLL).await;
    }
    let took = begun.elapsed();
    leave(target, &[viewer, liked, alike, author]).await?;
    Ok(took)
}
