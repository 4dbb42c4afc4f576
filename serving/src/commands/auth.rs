//! `auth keys|rotate`.

use anyhow::Context;
use chrono::{TimeDelta, Utc};
use clap::{Args, Subcommand};

use super::Global;
use super::report::{ReportArgs, print, say};
use crate::audit::{self, Act, Actor};
use crate::auth::{Keys, add_signing_key, system_chance};
use crate::db::{self, Db};

/// The keys of logins.
#[derive(Debug, Subcommand)]
pub(super) enum AuthCommand {
    /// Which keys there are, and which one signs access tokens.
    #[command(after_help = "Example:\n  hongniang auth keys --format json")]
    Keys(ReportArgs),
    /// Makes a new key that signs access tokens from a time on.
    #[command(
        after_help = "Copy its file to the folder of every node and start the nodes again before that time: then the key is known everywhere when it is first used. Tokens of the \
                      old key stay good while its file is there; remove it a day later.\n\nExamples:\n  hongniang auth rotate\n  hongniang auth rotate --after-h 0      at the next start"
    )]
    Rotate(RotateArgs),
}

/// Flags of `auth rotate`.
#[derive(Debug, Args)]
pub(super) struct RotateArgs {
    /// Hours until it signs.
    #[arg(long, default_value_t = 24, value_name = "HOURS", value_parser = clap::value_parser!(i64).range(0..=8_760))]
    after_h: i64,
}

pub(super) async fn run(global: &Global, command: AuthCommand) -> anyhow::Result<()> {
    let config = global.load()?;
    let folder = config.auth.folder(&config.data_dir);
    let (now, chance) = (Utc::now(), system_chance());
    let keys = Keys::open(&folder, now, &chance)?;
    match command {
        AuthCommand::Keys(report) => print(&keys.told(now), report.format),
        AuthCommand::Rotate(args) => {
            let since = now + TimeDelta::hours(args.after_h);
            let file = add_signing_key(&folder, since, &chance)?;
            let db = Db::open(&config.database, &config.data_dir).await?;
            db::prepare(&db, &config.database, now).await?;
            let details = serde_json::json!({"signs_from": since});
            let act = Act::of_nobody(Actor::Operator, "key_rotated", details);
            let noted = audit::note(&db, &act, now).await;
            db.close().await;
            noted.context("the key is made, but the audit log could not be written")?;
            say(format_args!(
                "{} signs from {} on, on nodes that are started again before",
                file.display(),
                since.format("%Y-%m-%d %H:%M UTC")
            ))
        }
    }
}
