//! Typical questions of analysts, asked of a lake in this process.

use std::time::{Duration, Instant};

use anyhow::Context;
use pipelines::query::{Limits, open};

use super::measure::{Row, cpu, row};

macro_rules! queries {
    ($($name:literal),+ $(,)?) => { [$(($name, include_str!(concat!("../../../deploy/compare/queries/", $name, ".sql")))),+] };
}

/// The questions, by name; `deploy/compare/duckdb.py` asks the same.
pub const QUERIES: [(&str, &str); 5] = queries!["active", "funnel", "gini", "replies", "tags"];

/// Each question `rounds` times, after once that does not count; from the text to the last row.
///
/// # Errors
/// When the lake cannot be read, or has nothing to ask about.
pub async fn query(lake: &str, limits: &Limits, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let session = open(lake, limits).await.with_context(|| format!("the lake at {lake} cannot be opened"))?;
    let pid = std::process::id();
    let mut measured = Vec::new();
    for (name, sql) in QUERIES {
        let ask = async || {
            let answer = session.sql(sql).await?.collect().await?;
            anyhow::Ok(answer.iter().map(|batch| batch.num_rows()).sum::<usize>())
        };
        let rows = ask().await.with_context(|| format!("the question `{name}`"))?;
        anyhow::ensure!(
            rows > 0,
            "the lake at {lake} has nothing that `{name}` asks about; let a town grow first: `hongniang up --town 2000`"
        );
        let (begun, used) = (Instant::now(), cpu(pid));
        let mut times: Vec<Duration> = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            let one = Instant::now();
            ask().await?;
            times.push(one.elapsed());
        }
        measured.push(row(&format!("query: {name}, {rows} rows"), times, begun.elapsed(), cpu(pid).saturating_sub(used), pid));
    }
    Ok(measured)
}
