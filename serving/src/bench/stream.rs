//! The stream in this process: from Kafka into features and lake.

use std::time::Duration;

use chrono::Utc;
use pipelines::bench::StreamBench;

use super::measure::{Row, cpu, resident};
use super::own_log;

/// Fills a topic of a broker of its own, in a folder that is removed afterwards, then runs feature runner and lake writer over it.
///
/// # Errors
/// When the folder cannot be used or a job fails.
pub async fn stream(events: usize, people: u64) -> anyhow::Result<Row> {
    let folder = std::env::temp_dir().join(format!("hongniang-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (broker, bus) = own_log(&folder).await?;
    let bench = StreamBench { events, people, seed: 1, folder: folder.display().to_string() };
    eprintln!("writing {events} events of {people} people");
    bench.fill(&bus).await?;
    eprintln!("running the feature runner and the lake writer over them");
    let pid = std::process::id();
    let used = cpu(pid);
    let report = bench.run(&bus, Utc::now).await?;
    let per_op = cpu(pid).saturating_sub(used).as_secs_f64() * 1000.0;
    let ms = |d: Duration| d.as_secs_f64() * 1000.0;
    #[expect(clippy::cast_precision_loss, reason = "a count of events")]
    let row = Row {
        name: format!("Kafka → features and lake, {people} people (p50: features done, p99: both done)"),
        ops: events as u64,
        throughput_per_s: report.per_second(),
        p50_ms: ms(report.features),
        p99_ms: ms(report.both),
        cpu_ms_per_op: per_op / events as f64,
        rss_mb: resident(pid),
    };
    broker.shutdown().await;
    std::fs::remove_dir_all(&folder)?;
    Ok(row)
}
