//! A backfill in this process: feature sets over a lake of its own.

use std::sync::Arc;
use std::time::Instant;

use chrono::Utc;
use features::sets::feature_sets;
use features::topic::Topic;
use pipelines::backfill::{Backfill, Effort, Places, Request};
use pipelines::bench::StreamBench;

use super::measure::{Row, cpu, resident};
use super::own_log;

/// Makes a lake in a folder that is removed afterwards, then computes the feature sets of its events anew; `memory` in bytes.
///
/// # Errors
/// When the folder cannot be used or a job fails.
pub async fn backfill(events: usize, people: u64, memory: usize, parallel: usize) -> anyhow::Result<Row> {
    let folder = std::env::temp_dir().join(format!("hongniang-backfill-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (broker, bus) = own_log(&folder).await?;
    let bench = StreamBench { events, people, seed: 1, folder: folder.display().to_string() };
    eprintln!("writing {events} events of {people} people, and the lake");
    bench.fill(&bus).await?;
    bench.run(&bus, Utc::now).await?;
    let below = |name: &str| folder.join(name).display().to_string();
    let places = Places { bus, lake: below("lake"), state: below("state"), spill: folder.join("spill") };
    let sets: Vec<_> = feature_sets().iter().filter(|set| set.source == Topic::Interactions).cloned().collect();
    let request = Request { sets: sets.iter().map(|set| set.name.clone()).collect(), ..Request::default() };
    let (many, effort) = (sets.len(), Effort { memory, parallel, accept_gone: false });
    eprintln!("backfilling {many} feature sets of them");
    let (pid, began) = (std::process::id(), Instant::now());
    let used = cpu(pid);
    let mut backfill = Backfill::begin(&places, sets, request, effort, Utc::now, Arc::new(|_| {})).await?;
    let report = backfill.features().await?;
    backfill.finish().await?;
    let took = began.elapsed();
    let per_op = cpu(pid).saturating_sub(used).as_secs_f64() * 1000.0;
    #[expect(clippy::cast_precision_loss, reason = "a count of events")]
    let read = report.events as f64;
    let spilled = report.spilled >> 20;
    let ms = took.as_secs_f64() * 1000.0;
    let row = Row {
        name: format!(
            "lake → {many} feature sets, {people} people, {} MiB of memory, {spilled} MiB through the disk (p50, p99: all of it)",
            memory >> 20
        ),
        ops: report.events,
        throughput_per_s: read / took.as_secs_f64().max(1e-9),
        p50_ms: ms,
        p99_ms: ms,
        cpu_ms_per_op: per_op / read.max(1.0),
        rss_mb: resident(pid),
    };
    drop(places);
    broker.shutdown().await;
    std::fs::remove_dir_all(&folder)?;
    Ok(row)
}
