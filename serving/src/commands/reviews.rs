//! `reviews list|decide|bans|lift`.

use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};
use features::ids::UserId;
use serde::Serialize;

use super::Global;
use super::report::{ReportArgs, print};
use crate::auth::{Auth, system_chance};
use crate::config::Config;
use crate::db::{self, Db};
use crate::reviews::{self, Ban, By, Decision, Review, Verdict};

/// What people reported and the moderation flagged.
#[derive(Debug, Subcommand)]
pub(super) enum ReviewsCommand {
    /// What waits for a decision, the oldest first.
    #[command(after_help = "Examples:\n  hongniang reviews list\n  hongniang reviews list --state all --format json")]
    List(ListArgs),
    /// Decides about an entry: nothing to it, a warning, or a ban.
    #[command(
        after_help = "A ban is in force on every node within two seconds: the person is shown to nobody, their sessions are ended, and they cannot log in.\n\nExamples:\n  hongniang reviews decide 95318450176000 dismiss\n  hongniang reviews decide 95318450176000 ban --until 2027-01-01T00:00:00Z --note 'insults in comments'"
    )]
    Decide(DecideArgs),
    /// Everybody who is banned.
    #[command(after_help = "Example:\n  hongniang reviews bans --format csv")]
    Bans(ReportArgs),
    /// Takes a ban back.
    #[command(after_help = "Example:\n  hongniang reviews lift 1790000000000000001")]
    Lift(LiftArgs),
}

/// Of which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    Open,
    Dismissed,
    Warned,
    Banned,
    All,
}

/// Flags of `list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Of this state only.
    #[arg(long, value_enum, default_value = "open")]
    state: Which,
    /// At most so many.
    #[arg(long, default_value_t = 100, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    limit: u64,
    #[command(flatten)]
    report: ReportArgs,
}

/// Flags of `decide`.
#[derive(Debug, Args)]
pub(super) struct DecideArgs {
    /// The entry.
    #[arg(value_name = "REVIEW")]
    id: i64,
    /// What is decided.
    #[arg(value_enum, value_name = "DECISION")]
    decision: Verdict,
    /// Why; not shown to the person.
    #[arg(long, default_value = "")]
    note: String,
    /// When a ban ends by itself.
    #[arg(long, value_name = "TIME")]
    until: Option<DateTime<Utc>>,
    #[command(flatten)]
    report: ReportArgs,
}

/// Flags of `lift`.
#[derive(Debug, Args)]
pub(super) struct LiftArgs {
    /// Whose.
    #[arg(value_name = "USER")]
    user: UserId,
}

/// A line of the queue.
#[derive(Serialize)]
struct Line {
    id: String,
    user_id: String,
    source: String,
    state: String,
    reports: u64,
    reporters: u64,
    last_at: DateTime<Utc>,
    about: String,
    note: String,
}

impl From<Review> for Line {
    fn from(r: Review) -> Self {
        Self {
            id: r.id.to_string(),
            user_id: r.user_id.to_string(),
            source: r.source,
            state: r.state,
            reports: r.reports,
            reporters: r.reporters,
            last_at: r.last_at,
            about: r.about.join(" · "),
            note: r.note,
        }
    }
}

/// A line of the bans.
#[derive(Serialize)]
struct BanLine {
    user_id: String,
    since: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
    note: String,
}

impl From<Ban> for BanLine {
    fn from(ban: Ban) -> Self {
        Self { user_id: ban.user_id.to_string(), since: ban.since, until: ban.until, note: ban.note }
    }
}

pub(super) async fn run(global: &Global, command: ReviewsCommand) -> anyhow::Result<()> {
    let config = global.load()?;
    let db = Db::open(&config.database, &config.data_dir).await?;
    db::prepare(&db, &config.database, Utc::now()).await?;
    let done = with(&config, &db, command).await;
    db.close().await;
    done
}

async fn with(config: &Config, db: &Db, command: ReviewsCommand) -> anyhow::Result<()> {
    let now = Utc::now();
    match command {
        ReviewsCommand::List(args) => {
            let name = args.state.to_possible_value().map(|value| value.get_name().to_owned());
            let state = name.as_deref().filter(|_| args.state != Which::All);
            let lines: Vec<Line> = reviews::reviews(db, state, 0, args.limit).await?.into_iter().map(Line::from).collect();
            print(&lines, args.report.format)
        }
        ReviewsCommand::Decide(args) => {
            let decision = Decision { decision: args.decision, note: args.note, until: args.until };
            let (review, ban) = reviews::decide(db, args.id, &decision, By::Operator, now).await?;
            if let Some(ban) = ban {
                let auth = Auth::open(db.clone(), &config.auth, &config.data_dir, system_chance(), now)?;
                auth.end_all(ban.user_id, now).await.context("the ban is in force, but sessions could not be ended")?;
            }
            print(&[Line::from(review)], args.report.format)
        }
        ReviewsCommand::Bans(report) => {
            let lines: Vec<BanLine> = reviews::bans(db, now).await?.into_iter().map(BanLine::from).collect();
            print(&lines, report.format)
        }
        ReviewsCommand::Lift(args) => {
            reviews::lift(db, args.user, By::Operator, now).await?;
            eprintln!("the ban of {} is lifted", args.user);
            Ok(())
        }
    }
}
