//! `migrate [status|up|down]`.

use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::Global;
use super::report::{Format, ReportArgs, print};
use crate::db::{self, Db, Migration, MigrationStatus};

/// Flags of `migrate`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Without a subcommand it is `status`. SQLite is brought up to date by `up` and `serve` themselves; MySQL and PostgreSQL by this command, or with database.migrate = true. \
                  Several processes may try at the same time: one works, the others wait. docs/DATABASE.md says more.\n\nExamples:\n  hongniang migrate\n  hongniang migrate up\n  \
                  HONGNIANG__DATABASE__URL=postgres://app:secret@db/hongniang hongniang migrate status --format json"
)]
pub(super) struct MigrateArgs {
    #[command(subcommand)]
    command: Option<MigrateCommand>,
    #[command(flatten)]
    report: ReportArgs,
}

#[derive(Debug, Subcommand)]
enum MigrateCommand {
    /// Every migration, and whether it is applied.
    #[command(after_help = "Example:\n  hongniang migrate status --format csv")]
    Status(ReportArgs),
    /// Applies what is missing.
    #[command(after_help = "Example:\n  hongniang migrate up")]
    Up(ReportArgs),
    /// Takes the newest migrations back, with everything in their tables.
    #[command(
        after_help = "What is in those tables is gone: make a backup first, and stop the nodes.\n\nExample:\n  hongniang migrate down --steps 1"
    )]
    Down(DownArgs),
}

#[derive(Debug, Args)]
struct DownArgs {
    /// How many migrations.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    #[command(flatten)]
    report: ReportArgs,
}

/// A line of the report.
#[derive(Debug, Serialize)]
struct Line {
    version: i64,
    name: &'static str,
    state: &'static str,
    applied_at: Option<DateTime<Utc>>,
}

impl From<MigrationStatus> for Line {
    fn from(status: MigrationStatus) -> Self {
        let state = match status.state {
            db::State::Applied => "applied",
            db::State::Pending => "pending",
        };
        Self { version: status.version, name: status.name, state, applied_at: status.applied_at }
    }
}

pub(super) async fn run(global: &Global, args: MigrateArgs) -> anyhow::Result<()> {
    let config = global.load()?;
    let db = Db::open(&config.database, &config.data_dir).await?;
    let done = match args.command.unwrap_or(MigrateCommand::Status(args.report)) {
        MigrateCommand::Status(report) => db::status(&db).await.map(|lines| (lines.into_iter().map(Line::from).collect(), report.format)),
        MigrateCommand::Up(report) => db::up(&db, Utc::now()).await.map(|done| (lines(&done, "applied"), report.format)),
        MigrateCommand::Down(down) => db::down(&db, down.steps as usize).await.map(|done| (lines(&done, "taken back"), down.report.format)),
    };
    db.close().await;
    let (lines, given): (Vec<Line>, Format) = done.with_context(|| format!("the tables of {}", config.database.shown(&config.data_dir)))?;
    if lines.is_empty() && given == Format::Table {
        return super::report::say("nothing to do");
    }
    print(&lines, given)
}

fn lines(migrations: &[&'static Migration], state: &'static str) -> Vec<Line> {
    migrations.iter().map(|m| Line { version: m.version, name: m.name, state, applied_at: None }).collect()
}
