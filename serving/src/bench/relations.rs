//! Lists of friends and acts, of a node of its own with people who have many friends.

use std::time::{Duration, Instant};

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::Target;
use super::measure::{Row, cpu, row};
use super::scale::Nodes;

/// Requests at the same time while people are made.
const MAKING: usize = 8;
/// Acts of a request.
const BATCH: usize = 500;
/// People of a page.
const PAGE: usize = 50;

/// Number 1 has so many friends: first pages, pages anywhere in the list, first pages while the list changes, and acts; each for `seconds`.
///
/// # Errors
/// When the node does not start, or refuses something.
pub async fn relations(friends: u64, clients: usize, seconds: u64) -> anyhow::Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let nodes = Nodes { folder: folder.path().to_path_buf(), jobs: Vec::new(), deck_memory_mb: 16 };
    let node = nodes.start().await?;
    let target = node.target.clone();
    populate(&target, friends).await?;
    let cursors = cursors(&target, friends).await?;
    let span = Duration::from_secs(seconds);
    let name = |what: &str| format!("{what}, {friends} friends, {clients} clients");
    let first = "/v1/users/1/friends?limit=50".to_owned();
    let anywhere: Vec<String> = cursors.iter().map(|cursor| format!("{first}&cursor={cursor}")).collect();
    let mut rows = Vec::new();
    let measure = async |what: &str, paths: &[String], changes: bool| {
        let (begun, used) = (Instant::now(), cpu(node.pid()));
        let until = begun + span;
        let readers = stream::iter(0..clients as u64).map(|n| read(&target, paths, until, n)).buffer_unordered(clients.max(1));
        let writer = async { if changes { write(&target, friends, until).await } else { Ok(0) } };
        let (times, acts) = tokio::try_join!(readers.try_concat(), writer)?;
        let what = if changes { format!("{what} ({acts} changes)") } else { what.to_owned() };
        anyhow::Ok(row(&name(&what), times, begun.elapsed(), cpu(node.pid()).saturating_sub(used), node.pid()))
    };
    rows.push(measure("friends: first page of 50", std::slice::from_ref(&first), false).await?);
    rows.push(measure("friends: a page anywhere", &anywhere, false).await?);
    rows.push(measure("friends: first page while the list changes", std::slice::from_ref(&first), true).await?);
    let (begun, used) = (Instant::now(), cpu(node.pid()));
    let until = begun + span;
    let acting = stream::iter(0..clients as u64).map(|n| act(&target, friends, until, n)).buffer_unordered(clients.max(1));
    let times: Vec<Duration> = acting.try_concat().await?;
    let used = cpu(node.pid()).saturating_sub(used);
    rows.push(row(&format!("follow or unfollow, {clients} clients"), times, begun.elapsed(), used, node.pid()));
    Ok(rows)
}

/// Number 1 with friends, and one person more.
async fn populate(target: &Target, friends: u64) -> anyhow::Result<()> {
    let profile = |id: u64| {
        json!({
            "nickname": format!("p{id}"), "gender": if id.is_multiple_of(2) { "male" } else { "female" }, "birth_date": "1995-05-05",
            "created_at": "2026-01-01T00:00:00Z", "preferences": {"genders": ["male", "female"], "min_age": 18, "max_age": 90}
        })
    };
    let put = async |id: u64| target.put(&format!("/v1/users/{id}"), &profile(id)).await.map(drop);
    stream::iter(1..=friends + 2).map(put).buffer_unordered(MAKING).try_collect::<Vec<()>>().await?;
    let follow = |actor: u64, target: u64| json!({"kind": "follow", "actor_id": actor.to_string(), "target_id": target.to_string()});
    let items: Vec<Value> = (2..=friends + 1).flat_map(|id| [follow(id, 1), follow(1, id)]).collect();
    for some in items.chunks(BATCH) {
        let answer = target.post("/v1/interactions", &json!({"items": some})).await?;
        anyhow::ensure!(answer["accepted"] == some.len(), "follows were refused: {answer}");
    }
    Ok(())
}

/// Where each page of the list begins but the first.
async fn cursors(target: &Target, friends: u64) -> anyhow::Result<Vec<String>> {
    let (mut found, mut path, mut seen) = (Vec::new(), format!("/v1/users/1/friends?limit={PAGE}"), 0);
    loop {
        let page = target.get(&path).await?;
        seen += page["items"].as_array().map_or(0, Vec::len) as u64;
        let Some(cursor) = page["cursor"].as_str() else { break };
        path = format!("/v1/users/1/friends?limit={PAGE}&cursor={cursor}");
        found.push(cursor.to_owned());
    }
    anyhow::ensure!(seen == friends && !found.is_empty(), "{seen} of {friends} friends are listed; give --friends of more than {PAGE}");
    Ok(found)
}

async fn read(target: &Target, paths: &[String], until: Instant, seed: u64) -> anyhow::Result<Vec<Duration>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut times = Vec::new();
    while Instant::now() < until {
        let path = paths.get(random.random_range(0..paths.len())).context("no page to ask for")?;
        let begun = Instant::now();
        target.get(path).await?;
        times.push(begun.elapsed());
    }
    Ok(times)
}

/// Friends are lost and won, twenty times a second; how many changes.
async fn write(target: &Target, friends: u64, until: Instant) -> anyhow::Result<u64> {
    let mut changes = 0u64;
    while Instant::now() < until {
        let path = format!("/v1/users/{}/relations/1/follow", 2 + changes / 2 % friends);
        if changes.is_multiple_of(2) {
            target.delete(&path).await?
        } else {
            target.put(&path, &Value::Null).await?
        };
        changes += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(changes)
}

/// Follows and unfollows of the one person who is nobody's friend.
async fn act(target: &Target, friends: u64, until: Instant, seed: u64) -> anyhow::Result<Vec<Duration>> {
    let mut random = ChaCha8Rng::seed_from_u64(1_000 + seed);
    let mut times = Vec::new();
    while Instant::now() < until {
        let path = format!("/v1/users/{}/relations/{}/follow", random.random_range(2..=friends + 1), friends + 2);
        let begun = Instant::now();
        if random.random_bool(0.5) {
            target.put(&path, &Value::Null).await?
        } else {
            target.delete(&path).await?
        };
        times.push(begun.elapsed());
    }
    Ok(times)
}
