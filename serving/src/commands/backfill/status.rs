//! `backfill status`.

use chrono::Utc;
use pipelines::backfill::{Phase, RunRecord, SILENCE, runs};
use pipelines::snapshots::SnapshotStore;
use serde::Serialize;

use super::super::report::{ReportArgs, print};
use crate::config::Config;

#[derive(Serialize)]
struct Row {
    number: u64,
    state: &'static str,
    phase: Phase,
    done: String,
    events: u64,
    started: String,
    last_sign: String,
    starts: u32,
    command: String,
    message: String,
}

pub(super) async fn run(config: &Config, report: &ReportArgs) -> anyhow::Result<()> {
    let found = runs(&SnapshotStore::open(&config.state_place())?).await?;
    if found.is_empty() {
        eprintln!("no backfill was started on this data folder");
    }
    let rows: Vec<Row> = found.iter().map(row).collect();
    print(&rows, report.format)?;
    if let Some(stopped) = rows.iter().find(|row| row.state == "stopped") {
        eprintln!("backfill {} was interrupted; it goes on with: {}", stopped.number, stopped.command);
    }
    Ok(())
}

fn row(run: &RunRecord) -> Row {
    let silent = Utc::now() - run.updated_at > chrono::TimeDelta::from_std(SILENCE).unwrap_or_default();
    let state = match run.phase {
        Phase::Done => "done",
        Phase::Failed => "failed",
        _ if silent => "stopped",
        _ => "working",
    };
    Row {
        number: run.number,
        state,
        phase: run.phase,
        done: if run.total > 0 { format!("{} of {}", run.done, run.total) } else { String::new() },
        events: run.events,
        started: run.started_at.format("%F %T").to_string(),
        last_sign: run.updated_at.format("%F %T").to_string(),
        starts: run.starts,
        command: command(run),
        message: run.message.clone(),
    }
}

/// The command that asks for the same.
fn command(run: &RunRecord) -> String {
    let request = &run.request;
    let mut words = vec!["hongniang backfill".to_owned()];
    words.extend(request.from.map(|day| format!("--from {day}")));
    words.extend(request.to.map(|day| format!("--to {day}")));
    if !request.sets.is_empty() {
        let all = request.sets.len() == features::sets::feature_sets().len();
        words.push(if all { "--features".to_owned() } else { format!("--features {}", request.sets.join(",")) });
    }
    let flags = [(request.embeddings, "--embeddings"), (request.portraits, "--portraits"), (request.index, "--index")];
    words.extend(flags.iter().filter(|(asked, _)| *asked).map(|(_, flag)| (*flag).to_owned()));
    words.join(" ")
}
