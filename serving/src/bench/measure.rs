//! What a measurement says, and what it was made on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// How often.
    pub ops: u64,
    /// Per second of wall time.
    pub throughput_per_s: f64,
    /// Half were at most so long, in milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 were at most so long, in milliseconds.
    pub p99_ms: f64,
    /// CPU time of the server for one, in milliseconds.
    pub cpu_ms_per_op: f64,
    /// Resident memory of the server afterwards, in MiB.
    pub rss_mb: f64,
}

fn float(n: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts and milliseconds")]
    let float = n as f64;
    float
}

/// The `p`-th part of sorted times, in milliseconds.
fn quantile(sorted: &[Duration], p: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index below the length")]
    let at = (p * float(sorted.len() as u64)) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).map_or(0.0, |d| d.as_secs_f64() * 1000.0)
}

/// Sums up single times over a span; `cpu` is what the server used in it.
pub(super) fn row(name: &str, mut times: Vec<Duration>, span: Duration, cpu: Duration, pid: u32) -> Row {
    times.sort_unstable();
    let ops = times.len() as u64;
    Row {
        name: name.to_owned(),
        ops,
        throughput_per_s: float(ops) / span.as_secs_f64().max(1e-9),
        p50_ms: quantile(&times, 0.5),
        p99_ms: quantile(&times, 0.99),
        cpu_ms_per_op: cpu.as_secs_f64() * 1000.0 / float(ops.max(1)),
        rss_mb: resident(pid),
    }
}

/// CPU time a process has used, from `/proc`; zero where there is none. Ticks are 10 ms.
pub(super) fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// The processes of a process group, from `/proc`.
pub(super) fn group(id: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(|pid| group_of(*pid) == Some(id)).collect()
}

fn group_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.split_whitespace().nth(2)?.parse().ok()
}

/// Resident memory of a process in MiB, from `/proc`.
pub(super) fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
    float(kib.unwrap_or(0)) / 1024.0
}

/// The machine in a line: cores, processor, build.
pub fn machine() -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpus.lines().find_map(|l| l.strip_prefix("model name")).map_or("unknown processor", |l| l.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{cores} cores, {model}, {} build", if cfg!(debug_assertions) { "dev profile" } else { "release" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_in_its_group() {
        let pid = std::process::id();
        assert!(group_of(pid).is_some_and(|id| group(id).contains(&pid)));
    }

    #[test]
    fn quantiles_are_of_the_sorted_times() {
        let times = (1..=100).rev().map(Duration::from_millis).collect();
        let row = row("x", times, Duration::from_secs(2), Duration::from_millis(500), std::process::id());
        assert_eq!((row.ops, row.p50_ms, row.p99_ms), (100, 51.0, 100.0));
        assert!((row.throughput_per_s - 50.0).abs() < 1e-9 && (row.cpu_ms_per_op - 5.0).abs() < 1e-9 && row.rss_mb > 1.0);
    }
}
