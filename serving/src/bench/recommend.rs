//! Recommendations under load: a closed loop of so many clients.

use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::Target;
use super::measure::{Row, cpu, row};

/// New decks (recall, rank, diversity, durable exposure) and next pages, each for `seconds`.
///
/// # Errors
/// When the server fails.
pub async fn recommend(target: &Target, clients: usize, seconds: u64) -> anyhow::Result<Vec<Row>> {
    let (pid, people) = target.told().await?;
    let mut rows = Vec::new();
    for (name, next_page) in [("recommend: new deck, page of 10", false), ("recommend: next page of 10", true)] {
        let until = Instant::now() + Duration::from_secs(seconds);
        let (begun, used) = (Instant::now(), cpu(pid));
        let workers = (0..clients).map(|i| tokio::spawn(client(target.clone(), people, until, next_page, i as u64)));
        let mut times = Vec::new();
        for worker in workers.collect::<Vec<_>>() {
            times.extend(worker.await??);
        }
        let name = format!("{name}, {clients} clients");
        let mut row = row(&name, times, begun.elapsed(), cpu(pid).saturating_sub(used), pid);
        if next_page {
            // Every next page here cost a deck as well: the server's time for it cannot be told apart.
            row.cpu_ms_per_op = f64::NAN;
        }
        rows.push(row);
    }
    Ok(rows)
}

async fn client(target: Target, people: u64, until: Instant, next_page: bool, seed: u64) -> anyhow::Result<Vec<Duration>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut times = Vec::new();
    while Instant::now() < until {
        let viewer = random.random_range(1..=people);
        let begun = Instant::now();
        let path = format!("/v1/recommendations?viewer={viewer}&limit=10");
        let Ok(page) = target.get(&path).await else { continue };
        if !next_page {
            times.push(begun.elapsed());
        } else if let Value::String(cursor) = &page["cursor"] {
            let begun = Instant::now();
            target.get(&format!("{path}&cursor={cursor}")).await?;
            times.push(begun.elapsed());
        }
    }
    Ok(times)
}
