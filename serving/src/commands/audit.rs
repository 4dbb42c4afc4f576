//! `audit`.

use chrono::{DateTime, Utc};
use clap::Args;

use super::Global;
use super::report::{ReportArgs, print};
use crate::audit::{self, Wanted};
use crate::db::{self, Db};

/// Flags of `audit`.
#[derive(Debug, Args)]
#[command(
    after_help = "Who was erased is in it by a pseudonym only; acts stay.\n\nExamples:\n  hongniang audit\n  hongniang audit --user 1790000000000000001 --format json\n  hongniang audit --act ban --since 2026-11-01T00:00:00Z"
)]
pub(super) struct AuditArgs {
    /// By or about this person: a user id, or a pseudonym.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Of this act: login, session_ended, sessions_ended, refresh_token_reused, key_rotated, erasure_requested, erasure_done, export, ban, ban_lifted, review_dismissed, review_warned.
    #[arg(long, value_name = "ACT")]
    act: Option<String>,
    /// Not before this time.
    #[arg(long, value_name = "TIME")]
    since: Option<DateTime<Utc>>,
    /// At most so many, the newest.
    #[arg(long, default_value_t = 1_000, value_name = "NUMBER")]
    limit: u64,
    #[command(flatten)]
    report: ReportArgs,
}

pub(super) async fn run(global: &Global, args: AuditArgs) -> anyhow::Result<()> {
    let config = global.load()?;
    let db = Db::open(&config.database, &config.data_dir).await?;
    db::prepare(&db, &config.database, Utc::now()).await?;
    let wanted = Wanted { user: args.user, act: args.act, since: args.since, limit: Some(args.limit) };
    let entries = audit::list(&db, &wanted).await;
    db.close().await;
    print(&entries?, args.report.format)
}
